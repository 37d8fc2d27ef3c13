//! Requests to a running gateway, for commands beside it. Shell.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use shared::AccountSid;
use store::Secret;

use crate::settings::Settings;

/// Reads `path` from the listener at `address`, with the credentials of an account. Answers the body of a 200.
///
/// # Errors
/// A sentence: no connection, no answer in time, or the status and the body of another answer.
pub fn read(
    address: SocketAddr,
    (sid, token): (AccountSid, &Secret),
    path: &str,
) -> Result<Vec<u8>, String> {
    ask(address, (sid, token), ("GET", path), "")
}

/// The gateway that runs on a data folder, and its main account.
pub struct RunningGateway {
    address: SocketAddr,
    /// The main account.
    pub account: AccountSid,
    auth_token: Secret,
}

/// The gateway of these settings.
///
/// # Errors
/// A sentence: no listener, or no account in the store.
pub fn gateway(settings: &Settings) -> Result<RunningGateway, String> {
    let address = listener(settings)?;
    let snapshot = crate::stored::snapshot(settings)?;
    let account = snapshot.accounts().find(|account| account.parent.is_none());
    let account = account.ok_or("the store has no account: start the gateway once")?;
    Ok(RunningGateway { address, account: account.sid, auth_token: account.auth_token.clone() })
}

impl RunningGateway {
    /// Reads a page. Answers the body of a 2xx.
    ///
    /// # Errors
    /// See [`read`].
    pub fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        self.ask(("GET", path), "")
    }

    /// Sends a form. Answers the body of a 2xx.
    ///
    /// # Errors
    /// See [`read`].
    pub fn post(&self, path: &str, form: &str) -> Result<Vec<u8>, String> {
        self.ask(("POST", path), form)
    }

    fn ask(&self, target: (&str, &str), form: &str) -> Result<Vec<u8>, String> {
        let login = (self.account, &self.auth_token);
        ask(self.address, login, target, form)
            .map_err(|error| format!("{error}. Does the gateway of this data folder run?"))
    }
}

fn listener(settings: &Settings) -> Result<SocketAddr, String> {
    match settings.config.http.listen.first() {
        Some(address) if address.port() != 0 => Ok(*address),
        Some(_) => Err("http.listen takes a free port: name that of the running gateway, for \
                        example --set http.listen=127.0.0.1:8080"
            .to_owned()),
        None => Err("the gateway has no plain HTTP listener (http.listen)".to_owned()),
    }
}

fn ask(
    address: SocketAddr,
    (sid, token): (AccountSid, &Secret),
    (method, path): (&str, &str),
    form: &str,
) -> Result<Vec<u8>, String> {
    let token = token.expose_secret();
    let login = base64::engine::general_purpose::STANDARD.encode(format!("{sid}:{token}"));
    let length = form.len();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Basic {login}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
    );
    let answer = exchange(reachable(address), &request)
        .map_err(|error| format!("no answer from http://{address}{path}: {error}"))?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.ok_or_else(|| format!("no HTTP answer from http://{address}{path}"))?;
    let (head, body) = (answer.get(..end).unwrap_or_default(), answer.get(end + 4..));
    let body = body.unwrap_or_default();
    let line = String::from_utf8_lossy(head).lines().next().unwrap_or_default().to_owned();
    match line.split(' ').nth(1) {
        Some("200" | "201") => Ok(body.to_vec()),
        _ => Err(format!("http://{address}{path}: {line}: {}", String::from_utf8_lossy(body))),
    }
}

/// A listener on all addresses is reached by loopback.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

fn exchange(address: SocketAddr, request: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, WAIT)?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(answer)
}

const WAIT: Duration = Duration::from_secs(5);
/// A recording of the demo, or the descriptions of 1,000 legs, are far below it.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;
