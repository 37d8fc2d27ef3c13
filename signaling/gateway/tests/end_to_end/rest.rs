//! The REST API by plain HTTP, for what a test needs before its real client comes.

use std::io::{Read, Write};
use std::net::TcpStream;

use base64::Engine;
use serde_json::Value;

use crate::gateway::{ACCOUNT, Gateway, TOKEN};

/// An answer of the API.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    /// A field of the JSON as text.
    pub fn text(&self, field: &str) -> String {
        let json = self.json();
        json[field].as_str().unwrap_or_else(|| panic!("no {field} in {json}")).to_owned()
    }
}

impl Gateway {
    /// `GET`, any path.
    pub fn get(&self, path: &str) -> Reply {
        request(self, "GET", path, &[])
    }

    /// `POST` below the account, with a form; asserts a 2xx.
    pub fn create(&self, resource: &str, form: &[(&str, &str)]) -> Reply {
        let reply = self.post(resource, form);
        let body = String::from_utf8_lossy(&reply.body);
        assert!((200..300).contains(&reply.status), "{resource}: {} {body}", reply.status);
        reply
    }

    /// `POST` below the account.
    pub fn post(&self, resource: &str, form: &[(&str, &str)]) -> Reply {
        let path = format!("/2010-04-01/Accounts/{ACCOUNT}/{resource}");
        request(self, "POST", &path, form)
    }

    /// `GET` below the account.
    pub fn fetch(&self, resource: &str) -> Reply {
        self.get(&format!("/2010-04-01/Accounts/{ACCOUNT}/{resource}"))
    }

    /// A domain `name.sip.sidetone.test` with a voice URL and one user; the list's SID.
    pub fn domain_with_user(
        &self,
        name: &str,
        voice_url: &str,
        user: &str,
        password: &str,
    ) -> String {
        let domain = self.domain(name, &[("VoiceUrl", voice_url)]);
        let list = self.create("SIP/CredentialLists.json", &[("FriendlyName", name)]).text("sid");
        let credentials = format!("SIP/CredentialLists/{list}/Credentials.json");
        self.create(&credentials, &[("Username", user), ("Password", password)]);
        let mappings = format!("SIP/Domains/{domain}/Auth/Calls/CredentialListMappings.json");
        self.create(&mappings, &[("CredentialListSid", &list)]);
        domain
    }

    /// A domain `name.sip.sidetone.test`; its SID.
    pub fn domain(&self, name: &str, fields: &[(&str, &str)]) -> String {
        let full = format!("{name}.sip.sidetone.test");
        let mut form = vec![("DomainName", full.as_str())];
        form.extend_from_slice(fields);
        self.create("SIP/Domains.json", &form).text("sid")
    }

    /// Maps a new IP access control list with one address to a domain.
    pub fn allow_address(&self, domain: &str, address: &str) {
        // Names are unique in an account: each domain has a list of its own.
        let name = format!("{address} of {domain}");
        let list =
            self.create("SIP/IpAccessControlLists.json", &[("FriendlyName", &name)]).text("sid");
        let addresses = format!("SIP/IpAccessControlLists/{list}/IpAddresses.json");
        self.create(&addresses, &[("FriendlyName", address), ("IpAddress", address)]);
        let mappings = format!("SIP/Domains/{domain}/Auth/Calls/IpAccessControlListMappings.json");
        self.create(&mappings, &[("IpAccessControlListSid", &list)]);
    }
}

pub fn request(gateway: &Gateway, method: &str, path: &str, form: &[(&str, &str)]) -> Reply {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in form {
        body.append_pair(name, value);
    }
    let body = body.finish();
    let login = base64::engine::general_purpose::STANDARD.encode(format!("{ACCOUNT}:{TOKEN}"));
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {login}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        gateway.http,
        body.len(),
    );
    let mut stream = TcpStream::connect(gateway.http).expect("the API listens");
    stream.write_all(head.as_bytes()).expect("writable");
    stream.write_all(body.as_bytes()).expect("writable");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("readable");
    parse_reply(&bytes)
}

fn parse_reply(bytes: &[u8]) -> Reply {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a header section");
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let status = head.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("status");
    let body = &bytes[end + 4..];
    let body =
        if head.contains("transfer-encoding: chunked") { unchunk(body) } else { body.to_vec() };
    Reply { status, body }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = String::from_utf8_lossy(&bytes[..end]);
        let size = usize::from_str_radix(size.trim(), 16).expect("a chunk size");
        if size == 0 {
            break;
        }
        whole.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 4 + size..];
    }
    whole
}
