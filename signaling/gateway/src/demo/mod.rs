//! `sidetone demo`: a gateway on loopback with everything for a first call. Shell.

mod application;

use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use control::ApiRequest;
use http_server::ApiCall;
use shared::{AccountSid, BinSid, CredentialListSid, DomainSid};
use shell::{hex, random};
use store::{
    Credential, CredentialList, CredentialListParameters, CredentialParameters, Cursor,
    DomainParameters, HttpMethod, MappedList, PageRequest, Patch, Reader, Reply, Resource, Secret,
    TwimlBin, TwimlBinParameters, Write, WriteError,
};
use tokio::sync::oneshot;

use crate::serve::Gateway;
use crate::settings::Sources;

use application::Application;

/// Reasons the demo cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The gateway refused one of the demo's own resources.
    #[error("the demo could not make its {what}: {source}")]
    Refused {
        /// The resource, as the sentence has it.
        what: &'static str,
        /// The refusal of the write.
        source: WriteError,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] store::StoreError),
    /// The gateway did not answer.
    #[error("the gateway ended while the demo was set up")]
    Ended,
    /// The system refused the listener of the application or the file of the password.
    #[error("the demo cannot {what}: {source}")]
    System {
        /// The action, in words that follow "cannot".
        what: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
}

/// Everything that a person needs for the first call.
#[derive(Clone, Debug)]
pub struct Demo {
    /// The address to call.
    pub sip_address: String,
    /// The digest user.
    pub username: &'static str,
    /// The password of the digest user.
    pub password: Secret,
    /// Name of the SIP domain.
    pub domain: String,
    /// The address of the application.
    pub application: SocketAddr,
    /// The sample TwiML Bin.
    pub bin: BinSid,
}

/// The settings of the demo: loopback, a folder of its own, its domain for calls to our own address.
/// Every other source of settings overrides them.
pub fn sources(mut sources: Sources) -> Sources {
    let preset = |key, value: &str| ("demo", key, value.to_owned());
    sources.ignore_default_file = true;
    sources.presets = vec![
        preset("node.data_dir", DATA_DIR),
        preset("sip.udp", "[\"127.0.0.1:5060\"]"),
        preset("sip.tcp", "[\"127.0.0.1:5060\"]"),
        preset("sip.tls", "[\"127.0.0.1:5061\"]"),
        preset("sip.default_domain", NAME),
        preset("http.listen", "[\"127.0.0.1:8080\"]"),
    ];
    sources
}

/// The settings of `demo --call`: free ports, and `folder`, which is removed afterwards. So it neither
/// disturbs a running gateway nor leaves files.
pub fn call_sources(sources: Sources, folder: &Path) -> Sources {
    let mut sources = self::sources(sources);
    let ports = free_media_ports();
    for (_, key, value) in &mut sources.presets {
        match *key {
            "node.data_dir" => *value = format!("{folder:?}"),
            // The call does not use TLS, and making an authority takes time.
            "sip.tls" => *value = "[]".to_owned(),
            "sip.udp" | "sip.tcp" | "http.listen" => *value = "[\"127.0.0.1:0\"]".to_owned(),
            _ => {}
        }
    }
    sources.presets.push(("demo", "media.ports", format!("\"{ports}-{}\"", ports + 19)));
    sources
}

/// The first of 20 ports that seem free, below the kernel's ephemeral range.
fn free_media_ports() -> u16 {
    let is_free = |port| std::net::UdpSocket::bind(("0.0.0.0", port)).is_ok();
    let start = std::process::id() % 500;
    let blocks = (0..500).map(|step| 20_000 + ((start + step) % 500) as u16 * 20);
    blocks.into_iter().find(|first| is_free(*first) && is_free(first + 19)).unwrap_or(20_000)
}

/// Makes domain, user and application in a running gateway, or updates those of an earlier start.
///
/// # Errors
/// [`DemoError`].
pub fn set_up(gateway: &Gateway, data_dir: &Path) -> Result<Demo, DemoError> {
    let listener = gateway
        .runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .map_err(|source| DemoError::System { what: "listen for its application", source })?;
    let address = listener
        .local_addr()
        .map_err(|source| DemoError::System { what: "listen for its application", source })?;
    let password = password(&data_dir.join("demo-password"))?;
    let maker = Maker { gateway, account: gateway.account.sid };
    let list = maker.credential_list()?;
    maker.credential(list, &password)?;
    let domain = maker.domain(&format!("http://{address}"))?;
    maker.mapping(domain, list)?;
    let bin = maker.bin()?;

    let sip = gateway.addresses.udp.first().or(gateway.addresses.tcp.first());
    let sip = sip.map_or_else(|| "127.0.0.1".to_owned(), |address| reachable(*address).to_string());
    let application = Arc::new(Application {
        auth_token: gateway.account.auth_token.clone(),
        address,
        second_leg: format!("sip:second@{sip}"),
        user: (NAME.to_owned(), password.clone()),
    });
    gateway.runtime.spawn(application::serve(listener, application));
    Ok(Demo {
        sip_address: format!("sip:{NAME}@{sip}"),
        username: NAME,
        password,
        domain: format!("{NAME}.sip.{}", gateway.snapshot.suffix().as_str()),
        application: address,
        bin,
    })
}

/// Writes resources as the REST API does: through Control, committed before the reply.
struct Maker<'a> {
    gateway: &'a Gateway,
    account: AccountSid,
}

impl Maker<'_> {
    fn write(&self, what: &'static str, write: Write) -> Result<Reply, DemoError> {
        let (reply, answer) = oneshot::channel();
        let request = ApiRequest::Write { account: self.account, write: Box::new(write) };
        let sent = self.gateway.api.send(ApiCall { request, reply });
        sent.map_err(|_| DemoError::Ended)?;
        let answer = answer.blocking_recv().map_err(|_| DemoError::Ended)?;
        answer.map_err(|source| DemoError::Refused { what, source })
    }

    fn credential_list(&self) -> Result<CredentialListSid, DemoError> {
        let reader: &dyn Reader = &*self.gateway.reader;
        let lists = reader.resources::<CredentialList>(self.account.0, ALL)?;
        if let Some(list) = lists.rows.into_iter().find(|list| list.friendly_name == NAME) {
            return Ok(list.sid);
        }
        let write =
            Write::create(CredentialListParameters { friendly_name: Patch::Set(NAME.to_owned()) });
        match self.write("credential list", write)? {
            Reply::Resource(Resource::CredentialList(list), _) => Ok(list.sid),
            _ => Err(DemoError::Ended),
        }
    }

    /// Sets the password at every start: its file may have been lost.
    fn credential(&self, list: CredentialListSid, password: &Secret) -> Result<(), DemoError> {
        let reader: &dyn Reader = &*self.gateway.reader;
        let users = reader.resources::<Credential>(list.0, ALL)?.rows;
        let known = users.into_iter().find(|user| user.username == NAME).map(|user| user.sid);
        let password = Patch::Set(password.clone());
        let write = match known {
            Some(credential) => {
                let given = CredentialParameters { username: Patch::Keep, password };
                Write::update_in(list.0, credential.0, given)
            }
            None => {
                let username = Patch::Set(NAME.to_owned());
                Write::create_in(list.0, CredentialParameters { username, password })
            }
        };
        self.write("SIP user", write).map(drop)
    }

    /// Sets the URLs at every start: the application has another port each time.
    fn domain(&self, application: &str) -> Result<DomainSid, DemoError> {
        let url = |path: &str| Patch::Set(format!("{application}{path}"));
        let mut given = DomainParameters {
            friendly_name: Patch::Set("The demo".to_owned()),
            voice_url: url("/voice"),
            voice_method: Patch::Set(HttpMethod::Post),
            voice_status_callback_url: url("/status"),
            ..DomainParameters::default()
        };
        let write = match self.gateway.snapshot.domain_by_labels(NAME) {
            Some(domain) => Write::update(domain.sid.0, given),
            None => {
                let suffix = self.gateway.snapshot.suffix().as_str();
                given.domain_name = Patch::Set(format!("{NAME}.sip.{suffix}"));
                Write::create(given)
            }
        };
        match self.write("SIP domain", write)? {
            Reply::Resource(Resource::Domain(domain), _) => Ok(domain.sid),
            _ => Err(DemoError::Ended),
        }
    }

    /// A bin that its owner changed or deleted meanwhile stays as it is, or comes back.
    fn bin(&self) -> Result<BinSid, DemoError> {
        let reader: &dyn Reader = &*self.gateway.reader;
        let bins = reader.resources::<TwimlBin>(self.account.0, ALL)?.rows;
        if let Some(bin) = bins.into_iter().find(|bin| bin.friendly_name == NAME) {
            return Ok(bin.sid);
        }
        let write = Write::create(TwimlBinParameters {
            friendly_name: Patch::Set(NAME.to_owned()),
            content: Patch::Set(BIN.to_owned()),
            ..TwimlBinParameters::default()
        });
        match self.write("TwiML Bin", write)? {
            Reply::Resource(Resource::TwimlBin(bin), _) => Ok(bin.sid),
            _ => Err(DemoError::Ended),
        }
    }

    fn mapping(&self, domain: DomainSid, list: CredentialListSid) -> Result<(), DemoError> {
        let list = MappedList::CallsCredentialList(list);
        if self.gateway.snapshot.mappings(domain).any(|mapping| mapping.list == list) {
            return Ok(());
        }
        self.write("mapping", Write::CreateMapping { domain, list }).map(drop)
    }
}

/// The bin that most people have: it dials the called user or number.
const BIN: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Response>
  <Dial callerId="{{#e164}}{{From}}{{/e164}}">{{#e164}}{{To}}{{/e164}}</Dial>
</Response>
"#;

/// The password in the file, or a new one that the rules of the contract accept.
fn password(path: &PathBuf) -> Result<Secret, DemoError> {
    if let Ok(text) = std::fs::read_to_string(path)
        && text.trim().len() >= PASSWORD_CHARACTERS_MIN
    {
        return Ok(Secret::new(text.trim()));
    }
    let mut bytes = [0; 8];
    random(&mut bytes);
    // The prefix has upper case, lower case and a digit, whatever the random part is.
    let text = format!("Demo1x{}", hex(&bytes));
    let write = || {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
        writeln!(file, "{text}")
    };
    write().map_err(|source| DemoError::System { what: "keep its password", source })?;
    Ok(Secret::new(text))
}

/// An address that programs on this machine can connect to.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
            SocketAddr::from(([127, 0, 0, 1], v4.port()))
        }
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, v6.port()))
        }
        address => address,
    }
}

impl Demo {
    /// The text that says what to do next.
    pub fn shown(&self, gateway: &Gateway) -> String {
        let http = gateway.addresses.http.first().copied().map(reachable);
        let base = http.map_or_else(String::new, |address| format!("http://{address}"));
        let (sid, token) = (gateway.account.sid, gateway.account.auth_token.expose_secret());
        let (address, domain, bin) = (&self.sip_address, &self.domain, self.bin);
        let (user, password) = (self.username, self.password.expose_secret());
        let registrar = address.split('@').next_back().unwrap_or(address);
        let over_tls = gateway.addresses.tls.first().map_or_else(String::new, |tls| {
            format!(
                "\n  Over TLS: proxy {}, call sip:{NAME}@{domain};transport=tls, authorities to trust {base}/ca.pem",
                reachable(*tls)
            )
        });
        format!(
            r#"
Call it with a softphone
  SIP address   {address}   (domain {domain})
  user          {user}
  password      {password}
  In the softphone: user {user}, that password, server or proxy {registrar}, no registration; then call {address}{over_tls}
  You hear a menu; 1 explains, 2 records, 3 dials a second leg.

REST API
  base URL      {base}
  AccountSid    {sid}
  AuthToken     {token}
  console       not in this version

curl
  curl -u {sid}:{token} {base}/2010-04-01/Accounts/{sid}/Calls.json

Python (pip install twilio)
  from twilio.rest import Client
  client = Client("{sid}", "{token}", environment={{"_": ""}})
  for domain in (client.api, client.voice, client.monitor): domain.base_url = "{base}"
  print([call.sid for call in client.calls.list(limit=5)])

Node (npm install twilio)
  const client = require("twilio")("{sid}", "{token}");
  for (const d of ["api", "voice", "monitor"]) client[d].baseUrl = "{base}";
  client.calls.list({{ limit: 5 }}).then(calls => console.log(calls.map(call => call.sid)));

TwiML Bin, a document that the gateway answers calls with
  curl '{base}/twiml/{bin}?From=%2B15550100&To=sip:%2B15550123@{domain}'
  As the VoiceUrl of a domain or number: {base}/twiml/{bin}

Ctrl-C ends it.
"#
        )
    }
}

/// The demo's own lists are few; a customer's might be more than a page, and then a new list is made.
const ALL: PageRequest = PageRequest { size: shared::limits::REST_PAGE_MAX, cursor: Cursor::Start };
/// The length that the contract demands of a password (rest.md section 12).
const PASSWORD_CHARACTERS_MIN: usize = 12;
/// Name of the demo's domain, list and user.
const NAME: &str = "demo";
/// The data folder of the demo, unless `--data` names another.
const DATA_DIR: &str = "\"sidetone-demo-data\"";
