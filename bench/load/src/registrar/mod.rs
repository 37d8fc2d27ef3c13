//! Registrations: latency while all of them are refreshed, and memory of a binding. One socket plays every
//! phone, as behind one NAT. Beside it: phones over TLS that reconnect after a restart ([`returning`]).
//! Shell.

mod phones;
mod probe;
pub(crate) mod returning;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use sip::digest::client::{Authorization, Challenge};
use sip::digest::{ChallengeKind, Credentials};
use sip::{Message, Response};

use crate::calls::gateway::Gateway;
use crate::calls::rest::{PASSWORD, create, make_users, user};
use crate::calls::samples::Samples;
use crate::endpoint::Trouble;
use crate::report::{Section, whole};

/// Number of users, REGISTERs a second, and duration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub users: usize,
    pub rate: u32,
    pub seconds: u32,
}

/// Measures and writes the section; `true` where a promise is broken.
pub(crate) fn measure(binary: &Path, effort: Effort) -> (Section, bool) {
    let columns =
        ["bindings", "REGISTER/s", "answered", "p50 ms", "p99 ms", "most ms", "bytes a binding"];
    let mut section = Section::new("Registrations", &columns);
    let is_broken = match run(binary, effort, &mut section) {
        Ok(is_broken) => is_broken,
        Err(trouble) => {
            section.note(format!("FAILED: {trouble}"));
            true
        }
    };
    (section, is_broken)
}

fn run(binary: &Path, effort: Effort, section: &mut Section) -> Result<bool, Trouble> {
    let gateway = Gateway::start(binary, Ipv4Addr::LOCALHOST, "ports = \"20000-20399\"\n")?;
    let domain = create(
        &gateway,
        "SIP/Domains.json",
        &[("DomainName", DOMAIN), ("SipRegistration", "true")],
    )?;
    make_users(&gateway, &domain, effort.users)?;
    let before = gateway.resident_bytes()?;
    let mut phones = Phones::new(gateway.sip, effort.users)?;
    phones.register_one()?;
    let filled = phones.run(effort.rate, effort.users, CONTACTS)?;
    let bindings = Samples::of(&gateway)?.sum("registrar_bindings");
    let after = gateway.resident_bytes()?;
    let count = (effort.rate * effort.seconds) as usize;
    let refreshed = phones.run(effort.rate, count, 1)?;
    let ms = |ns: u64| format!("{:.1}", ns as f64 / 1e6);
    let each = after.saturating_sub(before) / bindings.max(1);
    section.row([
        whole(Some(bindings as f64)),
        whole(Some(refreshed.rate)),
        format!("{:.2} %", refreshed.answered as f64 * 100.0 / count as f64),
        ms(refreshed.latency.value_at_quantile(0.5)),
        ms(refreshed.latency.value_at_quantile(0.99)),
        ms(refreshed.latency.max()),
        whole(Some(each as f64)),
    ]);
    let commits = Samples::of(&gateway)?;
    section.note(format!(
        "{} users with {CONTACTS} contacts each, set by {} REGISTER in {:.1} s; then one contact a REGISTER \
         for {} s, digest with a known nonce, each 200 sent after its row was synced. All \
         from one port. Bytes: growth of the process while the contacts were set. Changes written: {}.",
        whole(Some(effort.users as f64)),
        whole(Some(filled.answered as f64)),
        filled.took.as_secs_f64(),
        effort.seconds,
        whole(Some(commits.sum("store_commit_changes_total") as f64)),
    ));
    let is_whole = bindings == (effort.users * CONTACTS) as u64;
    if !is_whole {
        section.note(format!("FAILED: {bindings} bindings of {}.", effort.users * CONTACTS));
    }
    Ok(!is_whole)
}

/// Results of a run of REGISTERs.
struct Ran {
    answered: usize,
    rate: f64,
    took: Duration,
    latency: Histogram<u64>,
}

/// Every phone: one socket, a nonce and a CSeq for each.
struct Phones {
    socket: UdpSocket,
    each: Vec<Phone>,
    buffer: Vec<u8>,
}

#[derive(Default)]
struct Phone {
    cseq: u32,
    contacts: usize,
    authorization: Option<Authorization>,
    sent_at: Option<Instant>,
}

impl Phones {
    fn new(registrar: SocketAddr, count: usize) -> Result<Self, Trouble> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket2::SockRef::from(&socket).set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
        socket.connect(registrar)?;
        let each = (0..count).map(|_| Phone::default()).collect();
        Ok(Self { socket, each, buffer: vec![0; 8_192] })
    }

    /// Registers one phone first: until a digest succeeds, a source is limited to 50 requests a second.
    fn register_one(&mut self) -> Result<(), Trouble> {
        let ran = self.run(10, 1, CONTACTS)?;
        if ran.answered == 1 { Ok(()) } else { Err("the first phone was not registered".into()) }
    }

    /// Sends `count` REGISTERs at `rate` a second, one phone after the other.
    fn run(&mut self, rate: u32, count: usize, contacts: usize) -> Result<Ran, Trouble> {
        let gap = Duration::from_secs(1) / rate;
        let begun = Instant::now();
        let mut latency = Histogram::new(3)?;
        let mut answered = 0;
        for number in 0..count {
            let due = begun + gap * u32::try_from(number)?;
            while Instant::now() < due {
                answered += self.hear(due, &mut latency)?;
            }
            let index = number % self.each.len();
            self.send(index, contacts, true)?;
        }
        let took = begun.elapsed();
        let patience = Instant::now() + PATIENCE;
        while answered < count && Instant::now() < patience {
            answered += self.hear(patience, &mut latency)?;
        }
        Ok(Ran { answered, rate: count as f64 / took.as_secs_f64(), took, latency })
    }

    /// Waits until `until` for one response and answers a challenge. Returns the number of phones that the
    /// response registers: 0 or 1.
    fn hear(&mut self, until: Instant, latency: &mut Histogram<u64>) -> Result<usize, Trouble> {
        let left = until.saturating_duration_since(Instant::now());
        self.socket.set_read_timeout(Some(left.max(Duration::from_micros(50))))?;
        let count = match self.socket.recv(&mut self.buffer) {
            Ok(count) => count,
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) =>
            {
                return Ok(0);
            }
            Err(error) => return Err(error.into()),
        };
        let message = Message::parse(self.buffer.get(..count).unwrap_or_default());
        let Ok(Message::Response(response)) = message else { return Ok(0) };
        let index: usize = response.call_id.as_str().trim_start_matches('r').parse()?;
        match response.status {
            200 => {
                let sent_at = self.each.get_mut(index).and_then(|phone| phone.sent_at.take());
                let Some(sent_at) = sent_at else { return Ok(0) };
                latency.record(u64::try_from(sent_at.elapsed().as_nanos())?)?;
                Ok(1)
            }
            401 => self.answer(index, &response).map(|()| 0),
            status => Err(format!("a REGISTER was answered {status}").into()),
        }
    }

    fn answer(&mut self, index: usize, response: &Response) -> Result<(), Trouble> {
        let value = response.headers.get("WWW-Authenticate").ok_or("a 401 without a challenge")?;
        let challenge = Challenge::parse(value.as_bytes())?;
        let credentials = Credentials::new(&user(index), PASSWORD);
        let phone = self.each.get_mut(index).ok_or("an answer to nobody")?;
        phone.authorization = Some(Authorization::new(ChallengeKind::Www, challenge, credentials));
        let contacts = phone.contacts;
        self.send(index, contacts, false)
    }

    fn send(&mut self, index: usize, contacts: usize, is_new: bool) -> Result<(), Trouble> {
        let phone = self.each.get_mut(index).ok_or("no such phone")?;
        phone.cseq += 1;
        phone.contacts = contacts;
        let target = format!("sip:{DOMAIN}");
        let login = match &mut phone.authorization {
            None => String::new(),
            Some(authorization) => {
                let shared::Header { name, value } =
                    authorization.header(b"REGISTER", target.as_bytes(), "a1b2c3d4");
                format!("{name}: {}\r\n", String::from_utf8(value)?)
            }
        };
        let (user, cseq) = (user(index), phone.cseq);
        let list: Vec<String> = (0..contacts)
            .map(|n| {
                format!(
                    "<sip:{user}@10.{}.{}.{n}:5060;transport=udp>",
                    index / 250 % 250,
                    index % 250
                )
            })
            .collect();
        let text = format!(
            "REGISTER {target} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5:5060;rport;branch=z9hG4bKr{index}x{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@{DOMAIN}>;tag=r{index}\r\nTo: <sip:{user}@{DOMAIN}>\r\n\
             Call-ID: r{index}\r\nCSeq: {cseq} REGISTER\r\nContact: {}\r\nExpires: 3600\r\n\
             User-Agent: Desk phone 5.2.1\r\n{login}Content-Length: 0\r\n\r\n",
            list.join(",")
        );
        if is_new {
            phone.sent_at = Some(Instant::now());
        }
        self.socket.send(text.as_bytes())?;
        thread::yield_now();
        Ok(())
    }
}

const DOMAIN: &str = "office.sip.sidetone.test";
/// Contacts of each user, the most that the gateway allows.
const CONTACTS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(5);
const SOCKET_BUFFER_BYTES: usize = 4 << 20;
