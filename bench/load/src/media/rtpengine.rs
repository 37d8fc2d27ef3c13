//! The peer: userspace rtpengine, one worker thread, driven over its ng protocol. Shell.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use shared::{Codec, SrtpKeys};
use sip::sdp::Crypto;

use super::bencode::Value;
use super::relay::{Relay, Setup, SetupError, party_key, tried};
use crate::machine;
use crate::schedstat::{self, Thread};
use crate::scheduling;

/// Finds rtpengine, or installs Debian's package where this process may.
///
/// # Errors
/// It is missing; the sentence says why and what would help.
pub(crate) fn find_or_install(may_install: bool) -> Result<String, String> {
    if let Some(version) = version() {
        return Ok(version);
    }
    let hint = format!("install it with `apt-get install {PACKAGE}`");
    if !may_install {
        return Err(format!("rtpengine is not installed; {hint}"));
    }
    eprintln!("load: installing {PACKAGE}");
    // The first try serves a machine with fresh lists, the update one without any.
    if !apt_get(&["install", "-y", "-q", "--no-install-recommends", PACKAGE]) {
        apt_get(&["update", "-q"]);
        apt_get(&["install", "-y", "-q", "--no-install-recommends", PACKAGE]);
    }
    version().ok_or_else(|| format!("rtpengine could not be installed here; {hint}"))
}

const PACKAGE: &str = "rtpengine-daemon";

fn version() -> Option<String> {
    let line = machine::first_line("rtpengine", "--version")?;
    Some(line.trim_start_matches("Version:").trim().to_owned())
}

fn apt_get(arguments: &[&str]) -> bool {
    Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // The package's own service must not run: Debian's scripts start none in this runlevel.
        .env("RUNLEVEL", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A running rtpengine with calls up; killed when dropped.
pub(crate) struct Rtpengine {
    child: Child,
    targets: Vec<SocketAddr>,
    keys: Vec<Option<SrtpKeys>>,
    threads: Vec<Thread>,
}

impl Rtpengine {
    /// Starts it on one CPU and sets up every call by offer and answer.
    ///
    /// # Errors
    /// It does not start, or refuses a call.
    pub fn start(setup: &Setup) -> Result<Self, SetupError> {
        let control = free_port().map_err(tried("finding a port for ng"))?;
        let child = Command::new("rtpengine")
            .args(["--foreground", "--config-file=none", "--table=-1", "--num-threads=1"])
            .args(["--media-num-threads=1", "--log-level=0", "--log-stderr", "--tos=184"])
            // Calls without media must survive the pauses between rounds.
            .args(["--timeout=3600", "--silent-timeout=3600", "--offer-timeout=3600"])
            .arg(format!("--interface={}", setup.relay))
            .arg(format!("--listen-ng={control}"))
            .args([format!("--port-min={FIRST_PORT}"), format!("--port-max={LAST_PORT}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(tried("starting rtpengine"))?;
        let mut relay = Self { child, targets: Vec::new(), keys: Vec::new(), threads: Vec::new() };
        let mut ng = Ng::connect(control).map_err(tried("connecting to ng"))?;
        ng.wait_until_up()?;
        let threads = schedstat::threads(relay.child.id()).map_err(tried("reading /proc"))?;
        scheduling::pin(&threads, setup.cpu);
        relay.threads = threads;
        for call in 0..setup.streams / 2 {
            let (targets, keys) = ng.set_up(call, setup)?;
            relay.targets.extend(targets);
            if setup.is_secured {
                relay.keys.extend([keys, None]);
            }
        }
        // Threads that the first call started.
        relay.threads = schedstat::threads(relay.child.id()).map_err(tried("reading /proc"))?;
        scheduling::pin(&relay.threads, setup.cpu);
        Ok(relay)
    }
}

/// Apart from the ports of our own relay, up to the ephemeral ports: others may hold some of them.
const FIRST_PORT: u16 = 20_000;
const LAST_PORT: u16 = 32_700;

impl Relay for Rtpengine {
    fn targets(&self) -> &[SocketAddr] {
        &self.targets
    }

    fn keys(&self) -> &[Option<SrtpKeys>] {
        &self.keys
    }

    fn threads(&self) -> &[Thread] {
        &self.threads
    }
}

impl Drop for Rtpengine {
    fn drop(&mut self) {
        // Kill: it has nothing to save, and a regular end takes seconds.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> std::io::Result<SocketAddr> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// The ng protocol: a cookie, a blank and a bencoded dictionary each way, over UDP.
struct Ng {
    socket: UdpSocket,
    cookie: u32,
}

impl Ng {
    fn connect(control: SocketAddr) -> std::io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(control)?;
        socket.set_read_timeout(Some(ANSWER_WAIT))?;
        Ok(Self { socket, cookie: 0 })
    }

    fn wait_until_up(&mut self) -> Result<(), SetupError> {
        for _ in 0..PINGS_MAX {
            if self.ask(&Value::dictionary([("command", Value::text("ping"))])).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err("rtpengine does not answer".into())
    }

    /// Offer and answer of one call; returns the destinations of its two parties and the caller's keys.
    fn set_up(
        &mut self,
        call: usize,
        setup: &Setup,
    ) -> Result<([SocketAddr; 2], Option<SrtpKeys>), SetupError> {
        let offered = setup.is_secured.then(|| Crypto { tag: 1, key: party_key(call) });
        let call_id = Value::Text(format!("call-{call}").into_bytes());
        let [codec_a, codec_b] = setup.codecs;
        let mut offer = Value::dictionary([
            ("command", Value::text("offer")),
            ("call-id", call_id.clone()),
            ("from-tag", Value::text("a")),
            ("sdp", Value::Text(sdp(setup.parties, codec_a, offered).into_bytes())),
            ("flags", Value::texts(FLAGS)),
            ("ICE", Value::text("remove")),
        ]);
        if let (Value::Dictionary(entries), true) = (&mut offer, codec_a != codec_b) {
            let codecs = Value::dictionary([
                ("transcode", Value::texts(&[codec_b.name()])),
                ("mask", Value::texts(&[codec_a.name()])),
            ]);
            entries.insert(b"codec".to_vec(), codecs);
        }
        if let (Value::Dictionary(entries), true) = (&mut offer, setup.is_secured) {
            // Towards the callee; the caller is answered in its own profile.
            entries.insert(b"transport-protocol".to_vec(), Value::text("RTP/AVP"));
        }
        let port_b = audio_port(&self.ask(&offer)?)?;
        let answer = Value::dictionary([
            ("command", Value::text("answer")),
            ("call-id", call_id),
            ("from-tag", Value::text("a")),
            ("to-tag", Value::text("b")),
            ("sdp", Value::Text(sdp(setup.parties, codec_b, None).into_bytes())),
            ("flags", Value::texts(FLAGS)),
            ("ICE", Value::text("remove")),
        ]);
        let answer = self.ask(&answer)?;
        let port_a = audio_port(&answer)?;
        let keys = match offered {
            None => None,
            Some(offered) => Some(SrtpKeys { send: offered.key, receive: crypto(&answer)?.key }),
        };
        let ip = setup.relay;
        Ok(([(ip, port_a).into(), (ip, port_b).into()], keys))
    }

    fn ask(&mut self, request: &Value) -> Result<Value, SetupError> {
        self.cookie += 1;
        let mut message = format!("{} ", self.cookie).into_bytes();
        let cookie_len = message.len();
        request.write(&mut message);
        let mut bytes = vec![0; 65_536];
        for _ in 0..ATTEMPTS {
            if self.socket.send(&message).is_err() {
                // Not listening yet.
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
            while let Ok(len) = self.socket.recv(&mut bytes) {
                let (cookie, answer) = bytes[..len].split_at(cookie_len.min(len));
                if cookie == &message[..cookie_len] {
                    return accepted(answer);
                }
            }
        }
        Err("rtpengine did not answer in time".into())
    }
}

fn accepted(answer: &[u8]) -> Result<Value, SetupError> {
    let value = Value::parse(answer).ok_or("an answer of rtpengine that is no bencode")?;
    match value.text_of("result") {
        Some("ok" | "pong") => Ok(value),
        other => {
            let reason = value.text_of("error-reason").or(other).unwrap_or("no result");
            Err(format!("rtpengine refused: {reason}").into())
        }
    }
}

const FLAGS: &[&str] = &["trust-address", "asymmetric"];
const ANSWER_WAIT: Duration = Duration::from_millis(500);
const ATTEMPTS: u32 = 4;
const PINGS_MAX: u32 = 50;

fn sdp(party: SocketAddr, codec: Codec, crypto: Option<Crypto>) -> String {
    let (ip, port) = (party.ip(), party.port());
    let profile = if crypto.is_some() { "RTP/SAVP" } else { "RTP/AVP" };
    let line = crypto.map_or_else(String::new, |key| format!("a=crypto:{}\r\n", key.write()));
    let (number, name) = (codec.static_payload_type(), codec.name());
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {port} {profile} {number}\r\na=rtpmap:{number} {name}/8000\r\na=ptime:20\r\na=sendrecv\r\n{line}"
    )
}

fn audio_port(answer: &Value) -> Result<u16, SetupError> {
    let sdp = answer.text_of("sdp").ok_or("an answer of rtpengine without SDP")?;
    let media = sdp.lines().find_map(|line| line.strip_prefix("m=audio "));
    let port = media.and_then(|media| media.split(' ').next()?.parse().ok());
    port.ok_or_else(|| "an SDP of rtpengine without an audio port".into())
}

/// The key with which rtpengine protects media, from its answer to a caller that offered SRTP.
fn crypto(answer: &Value) -> Result<Crypto, SetupError> {
    let sdp = answer.text_of("sdp").ok_or("an answer of rtpengine without SDP")?;
    let lines = sdp.lines().filter_map(|line| line.strip_prefix("a=crypto:"));
    let crypto = lines.filter_map(Crypto::parse).next();
    crypto.ok_or_else(|| "an answer of rtpengine without a key".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audio_port_is_read_from_the_description() {
        let party = SocketAddr::from((Ipv4Addr::LOCALHOST, 4_000));
        let text = sdp(party, Codec::Pcma, None);
        assert!(text.contains("m=audio 4000 RTP/AVP 8\r\n"));
        let answer = Value::dictionary([("sdp", Value::text(&text))]);
        assert_eq!(audio_port(&answer).ok(), Some(4_000));
        assert!(audio_port(&Value::dictionary([])).is_err());
    }

    #[test]
    fn a_key_goes_with_the_profile_of_srtp_and_is_read_back() {
        let party = SocketAddr::from((Ipv4Addr::LOCALHOST, 4_000));
        let key = Crypto { tag: 1, key: party_key(7) };
        let text = sdp(party, Codec::Pcmu, Some(key));
        assert!(text.contains("m=audio 4000 RTP/SAVP 0\r\n"), "{text}");
        let answer = Value::dictionary([("sdp", Value::text(&text))]);
        assert_eq!(crypto(&answer).ok(), Some(key));
        let clear = Value::dictionary([("sdp", Value::text(&sdp(party, Codec::Pcmu, None)))]);
        assert!(crypto(&clear).is_err());
    }

    #[test]
    fn a_refusal_is_an_error_with_its_reason() {
        let error = accepted(b"d6:result5:error12:error-reason4:busye").expect_err("refused");
        assert!(error.to_string().contains("busy"), "{error}");
        assert!(accepted(b"d6:result4:ponge").is_ok());
        assert!(accepted(b"d6:result").is_err());
    }
}
