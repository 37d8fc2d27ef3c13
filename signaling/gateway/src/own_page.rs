//! Reads a page of a running gateway, for commands beside it. Shell.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use shared::AccountSid;
use store::Secret;

/// Reads `path` from the listener at `address`, with the credentials of an account. Answers the body of a 200.
///
/// # Errors
/// A sentence: no connection, no answer in time, or the status and the body of another answer.
pub fn read(
    address: SocketAddr,
    (sid, token): (AccountSid, &Secret),
    path: &str,
) -> Result<Vec<u8>, String> {
    let token = token.expose_secret();
    let login = base64::engine::general_purpose::STANDARD.encode(format!("{sid}:{token}"));
    let request =
        format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Basic {login}\r\n\r\n");
    let answer = exchange(reachable(address), &request)
        .map_err(|error| format!("no answer from http://{address}{path}: {error}"))?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.ok_or_else(|| format!("no HTTP answer from http://{address}{path}"))?;
    let (head, body) = (answer.get(..end).unwrap_or_default(), answer.get(end + 4..));
    let body = body.unwrap_or_default();
    let line = String::from_utf8_lossy(head).lines().next().unwrap_or_default().to_owned();
    match line.split(' ').nth(1) {
        Some("200") => Ok(body.to_vec()),
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
