//! Phones that register over TLS, each by a connection of its own, all driven by one thread. Shell.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore};
use sip::digest::client::{Authorization, Challenge};
use sip::digest::{ChallengeKind, Credentials};
use sip::{Message, Response};
use socket2::{Domain, Socket, Type};

use super::DOMAIN;
use crate::calls::rest::{PASSWORD, user};
use crate::endpoint::Trouble;

/// All phones and the poll that drives them.
pub(super) struct Fleet {
    phones: Vec<Phone>,
    poll: OwnedFd,
    /// When each waiting phone tries again, by index.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
}

/// Counts of one return of all phones.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub registered: usize,
    /// Attempts that were refused, closed, or not registered in time.
    pub tries_failed: usize,
    /// Full handshakes, and handshakes resumed by a ticket.
    pub full: usize,
    pub resumed: usize,
}

/// Time until half of the phones were registered, and until the last of those that are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Came {
    pub half: Duration,
    pub all: Duration,
    pub tally: Tally,
}

struct Phone {
    index: usize,
    address: Ipv4Addr,
    /// One for each phone, because it holds the phone's tickets.
    config: Arc<ClientConfig>,
    cseq: u32,
    tries: u32,
    line: Option<Line>,
    is_registered: bool,
}

/// A connection on its way to a registration, or with one.
struct Line {
    socket: TcpStream,
    tls: ClientConnection,
    received: Vec<u8>,
    has_asked: bool,
    authorization: Option<Authorization>,
    begun: Instant,
}

impl Fleet {
    /// Phones spread over a number of loopback addresses; they trust the authorities of a file.
    ///
    /// # Errors
    /// The file of authorities cannot be read, or the system refuses a poll.
    pub fn new(phones: usize, addresses: usize, authorities: &Path) -> Result<Self, Trouble> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(authorities)? {
            roots.add(certificate?)?;
        }
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let phone = |index: usize| {
            let mut config = config.clone();
            config.resumption = Resumption::in_memory_sessions(TICKETS);
            Ok(Phone {
                index,
                address: address(index % addresses.max(1))?,
                config: Arc::new(config),
                cseq: 0,
                tries: 0,
                line: None,
                is_registered: false,
            })
        };
        let phones = (0..phones).map(phone).collect::<Result<Vec<_>, Trouble>>()?;
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { phones, poll, due: BinaryHeap::new() })
    }

    pub fn len(&self) -> usize {
        self.phones.len()
    }

    /// Every phone drops its connection, connects again and registers; the last one begins after `spread`.
    /// Ends when all are registered, or after `patience`.
    ///
    /// # Errors
    /// The system refuses what a phone needs; not what the gateway refuses, which is counted.
    pub fn come(
        &mut self,
        gateway: SocketAddr,
        spread: Duration,
        patience: Duration,
    ) -> Result<Came, Trouble> {
        self.phones.iter_mut().for_each(Phone::leave);
        let begun = Instant::now();
        let count = u32::try_from(self.len())?.max(1);
        self.due = (0..count).map(|n| Reverse((begun + spread * n / count, n as usize))).collect();
        let mut came = Came::default();
        let mut events = Vec::with_capacity(EVENTS);
        let mut sweep_at = begun + SWEEP_EVERY;
        while came.tally.registered < self.len() && begun.elapsed() < patience {
            self.begin_due(gateway, &mut came)?;
            let wait = Timespec { tv_sec: 0, tv_nsec: WAIT_NS };
            epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut events), Some(&wait))?;
            for event in events.drain(..) {
                let event: epoll::Event = event;
                self.go_on(usize::try_from(event.data.u64())?, begun, &mut came)?;
            }
            if Instant::now() >= sweep_at {
                self.give_up_late_ones(&mut came);
                sweep_at = Instant::now() + SWEEP_EVERY;
            }
        }
        Ok(came)
    }

    /// Begins a few due attempts at a time, so that connections under way are not delayed.
    fn begin_due(&mut self, gateway: SocketAddr, came: &mut Came) -> Result<(), Trouble> {
        for _ in 0..BEGINS_A_TURN {
            let now = Instant::now();
            let Some(Reverse((_, index))) = self.due.peek().filter(|due| due.0.0 <= now).copied()
            else {
                return Ok(());
            };
            self.due.pop();
            let Some(phone) = self.phones.get_mut(index) else { continue };
            if phone.connect(gateway, &self.poll).is_err() {
                self.failed(index, came);
            }
        }
        Ok(())
    }

    fn go_on(&mut self, index: usize, begun: Instant, came: &mut Came) -> Result<(), Trouble> {
        let Some(phone) = self.phones.get_mut(index).filter(|phone| !phone.is_registered) else {
            return Ok(());
        };
        match phone.go_on(&mut came.tally) {
            Ok(false) => {}
            Ok(true) => {
                came.tally.registered += 1;
                came.all = begun.elapsed();
                if came.tally.registered * 2 <= self.phones.len() {
                    came.half = came.all;
                }
            }
            Err(_) => self.failed(index, came),
        }
        Ok(())
    }

    /// Tries again after one to three seconds.
    fn failed(&mut self, index: usize, came: &mut Came) {
        let Some(phone) = self.phones.get_mut(index) else { return };
        phone.leave();
        came.tally.tries_failed += 1;
        phone.tries += 1;
        let scattered =
            (index as u64).wrapping_mul(2_654_435_761) ^ (u64::from(phone.tries) * 40_503);
        let pause = Duration::from_millis(1_000 + scattered % 2_000);
        self.due.push(Reverse((Instant::now() + pause, index)));
    }

    fn give_up_late_ones(&mut self, came: &mut Came) {
        let is_late = |phone: &&Phone| {
            let line = phone.line.as_ref().filter(|_| !phone.is_registered);
            line.is_some_and(|line| line.begun.elapsed() > TRY_MAX)
        };
        let late: Vec<usize> = self.phones.iter().filter(is_late).map(|it| it.index).collect();
        late.into_iter().for_each(|index| self.failed(index, came));
    }
}

impl Phone {
    fn leave(&mut self) {
        self.line = None;
        self.is_registered = false;
    }

    fn connect(&mut self, gateway: SocketAddr, poll: &OwnedFd) -> Result<(), Trouble> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.bind(&SocketAddr::from((self.address, 0)).into())?;
        match socket.connect(&gateway.into()) {
            Err(error)
                if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
            {
                return Err(error.into());
            }
            Ok(()) | Err(_) => {}
        }
        let name = ServerName::try_from(DOMAIN)?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(poll, &socket, epoll::EventData::new_u64(self.index as u64), flags)?;
        self.line = Some(Line {
            socket: socket.into(),
            tls: ClientConnection::new(Arc::clone(&self.config), name)?,
            received: Vec::new(),
            has_asked: false,
            authorization: None,
            begun: Instant::now(),
        });
        Ok(())
    }

    /// Reads and writes as much as the socket allows; `true` where that registers the phone.
    fn go_on(&mut self, tally: &mut Tally) -> Result<bool, Trouble> {
        let Some(line) = &mut self.line else { return Ok(false) };
        line.exchange()?;
        if !line.has_asked && !line.tls.is_handshaking() {
            match line.tls.handshake_kind() {
                Some(HandshakeKind::Resumed) => tally.resumed += 1,
                _ => tally.full += 1,
            }
            line.has_asked = true;
            self.ask()?;
        }
        while let Some(response) = self.line.as_mut().and_then(Line::response).transpose()? {
            match response.status {
                200 => {
                    self.is_registered = true;
                    return Ok(true);
                }
                401 => self.challenged(&response)?,
                status => return Err(format!("answered {status}").into()),
            }
        }
        Ok(false)
    }

    fn challenged(&mut self, response: &Response) -> Result<(), Trouble> {
        let value = response.headers.get("WWW-Authenticate").ok_or("a 401 without a challenge")?;
        let challenge = Challenge::parse(value.as_bytes())?;
        let credentials = Credentials::new(&user(self.index), PASSWORD);
        if let Some(line) = &mut self.line {
            let answer = Authorization::new(ChallengeKind::Www, challenge, credentials);
            line.authorization = Some(answer);
        }
        self.ask()
    }

    fn ask(&mut self) -> Result<(), Trouble> {
        let Some(line) = &mut self.line else { return Ok(()) };
        self.cseq += 1;
        let (index, cseq, local) = (self.index, self.cseq, line.socket.local_addr()?);
        let user = user(index);
        let target = format!("sip:{DOMAIN}");
        let login = match &mut line.authorization {
            None => String::new(),
            Some(authorization) => {
                let shared::Header { name, value } =
                    authorization.header(b"REGISTER", target.as_bytes(), "a1b2c3d4");
                format!("{name}: {}\r\n", String::from_utf8(value)?)
            }
        };
        let text = format!(
            "REGISTER {target} SIP/2.0\r\nVia: SIP/2.0/TLS {local};rport;branch=z9hG4bKt{index}x{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@{DOMAIN}>;tag=t{index}\r\nTo: <sip:{user}@{DOMAIN}>\r\n\
             Call-ID: t{index}\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:{user}@{local};transport=tls>\r\n\
             Expires: 3600\r\nUser-Agent: Desk phone 5.2.1\r\n{login}Content-Length: 0\r\n\r\n"
        );
        line.tls.writer().write_all(text.as_bytes())?;
        line.exchange()
    }
}

impl Line {
    /// Writes and reads until the socket blocks.
    fn exchange(&mut self) -> Result<(), Trouble> {
        loop {
            while self.tls.wants_write() {
                match self.tls.write_tls(&mut self.socket) {
                    Ok(_) => {}
                    Err(error) if is_blocked(&error) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            match self.tls.read_tls(&mut self.socket) {
                Ok(0) => return Err("closed".into()),
                Ok(_) => {}
                Err(error) if is_blocked(&error) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            let state = self.tls.process_new_packets()?;
            let length = self.received.len();
            self.received.resize(length + state.plaintext_bytes_to_read(), 0);
            self.tls.reader().read_exact(self.received.get_mut(length..).unwrap_or_default())?;
        }
    }

    /// The next whole message; responses to REGISTER have no body.
    fn response(&mut self) -> Option<Result<Response, Trouble>> {
        let end = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        let bytes: Vec<u8> = self.received.drain(..end).collect();
        match Message::parse(&bytes) {
            Ok(Message::Response(response)) => Some(Ok(response)),
            Ok(Message::Request(_)) | Err(_) => Some(Err("no response".into())),
        }
    }
}

fn is_blocked(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}

/// 127.1.0.1 and on, 250 to a network.
fn address(number: usize) -> Result<Ipv4Addr, Trouble> {
    let (network, host) = (u8::try_from(number / 250)?, u8::try_from(number % 250)?);
    Ok(Ipv4Addr::new(127, 1, network, host + 1))
}

/// Tickets that a phone keeps.
const TICKETS: usize = 2;
/// A phone gives up an attempt that has not led to a registration by then.
const TRY_MAX: Duration = Duration::from_secs(10);
const SWEEP_EVERY: Duration = Duration::from_millis(500);
const EVENTS: usize = 256;
const BEGINS_A_TURN: usize = 64;
const WAIT_NS: i64 = 5_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phone_of_the_full_form_has_an_address_of_its_own() {
        let all: std::collections::BTreeSet<_> = (0..10_000).map(|n| address(n).unwrap()).collect();
        assert_eq!(all.len(), 10_000);
        assert!(all.iter().all(|address| address.octets()[..2] == [127, 1]));
    }
}
