//! One sans-IO user agent on one socket, for the bench's callers and callees. Shell.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use shared::Transport;
use shared::ids::Origin;
use sip::{
    Command, Destination, Effect, Flow, FlowId, Input, SendTo, UaConfig, UaEvent, UaMeters,
    UserAgent,
};
use socket2::SockRef;

/// The reason why a part of the bench stops, as a sentence.
pub(crate) type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// The user agent with its socket.
pub(crate) struct Endpoint {
    link: Link,
    pub local: SocketAddr,
    agent: UserAgent,
}

/// The endpoint's path to the gateway: one socket or one connection for all calls, as a proxy or PBX
/// would have.
enum Link {
    Udp(UdpSocket),
    Tcp(Stream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A connection, with the bytes that the system did not accept yet.
struct Stream {
    socket: TcpStream,
    unsent: VecDeque<u8>,
}

impl Endpoint {
    /// Opens a free UDP port on loopback.
    ///
    /// # Errors
    /// The system refuses a socket.
    pub fn open() -> Result<Self, Trouble> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        let local = socket.local_addr()?;
        Ok(Self { link: Link::Udp(socket), local, agent: agent() })
    }

    /// Opens a TCP connection to the gateway.
    ///
    /// # Errors
    /// The gateway refuses the connection.
    pub fn connect(gateway: SocketAddr, events: &mut Vec<UaEvent>) -> Result<Self, Trouble> {
        let socket = TcpStream::connect(gateway)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let link = Link::Tcp(Stream { socket, unsent: VecDeque::new() });
        Self::connected(link, gateway, events)
    }

    /// Opens a TLS connection to the gateway, whose certificate must name `name` and lead to an authority of
    /// the file.
    ///
    /// # Errors
    /// The gateway refuses the connection, or its certificate does not prove `name`.
    pub fn connect_tls(
        gateway: SocketAddr,
        authorities: &Path,
        name: &str,
        events: &mut Vec<UaEvent>,
    ) -> Result<Self, Trouble> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(authorities)? {
            roots.add(certificate?)?;
        }
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let mut session =
            ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned())?)?;
        session.set_buffer_limit(None);
        let mut socket = TcpStream::connect(gateway)?;
        socket.set_nodelay(true)?;
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        socket.set_nonblocking(true)?;
        let link = Link::Tls(Box::new(StreamOwned::new(session, socket)));
        Self::connected(link, gateway, events)
    }

    fn connected(
        link: Link,
        gateway: SocketAddr,
        events: &mut Vec<UaEvent>,
    ) -> Result<Self, Trouble> {
        let local = link.local()?;
        let mut endpoint = Self { link, local, agent: agent() };
        let flow = endpoint.flow(gateway);
        endpoint.handle(Input::FlowOpened { flow, token: None }, events);
        Ok(endpoint)
    }

    /// The destination of requests to a peer.
    pub fn destination(&self, remote: SocketAddr) -> Destination {
        Destination::along(self.flow(remote))
    }

    fn flow(&self, remote: SocketAddr) -> Flow {
        let transport = match self.link {
            Link::Udp(_) => Transport::Udp,
            Link::Tcp(_) => Transport::Tcp,
            Link::Tls(_) => Transport::Tls,
        };
        Flow { id: FlowId(1), transport, local: self.local, remote }
    }

    pub fn meters(&self) -> UaMeters {
        self.agent.meters()
    }

    /// Carries a command out; later events report its result.
    pub fn command(&mut self, command: Command, events: &mut Vec<UaEvent>) {
        self.handle(Input::Command(command), events);
    }

    /// Waits until bytes arrive, a timer is due or `until` is reached, and handles it.
    ///
    /// # Errors
    /// The socket fails.
    pub fn turn(&mut self, until: Instant, events: &mut Vec<UaEvent>) -> Result<(), Trouble> {
        self.wait(until)?;
        self.receive(events)?;
        self.run_timers(events);
        Ok(())
    }

    fn run_timers(&mut self, events: &mut Vec<UaEvent>) {
        let now = ::io::clock::read();
        if self.agent.poll_timeout().is_some_and(|(at, _)| at <= now.mono) {
            self.agent.handle_timeout(now);
            self.drain(events);
        }
    }

    fn wait(&self, until: Instant) -> Result<(), Trouble> {
        let now = ::io::clock::now();
        let timer = self.agent.poll_timeout().map_or(LONGEST_WAIT, |(at, _)| at.since(now));
        let left = until.saturating_duration_since(Instant::now()).min(timer).min(LONGEST_WAIT);
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
        let mut watched = [match &self.link {
            Link::Udp(socket) => PollFd::new(socket, PollFlags::IN),
            Link::Tcp(stream) => PollFd::new(&stream.socket, in_and_out(!stream.unsent.is_empty())),
            Link::Tls(stream) => PollFd::new(&stream.sock, in_and_out(stream.conn.wants_write())),
        }];
        match poll(&mut watched, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn receive(&mut self, events: &mut Vec<UaEvent>) -> Result<(), Trouble> {
        let mut bytes = [0; 65_535];
        for _ in 0..RECEIVE_BUDGET {
            match self.link.receive(&mut bytes) {
                Ok((0, _)) if !matches!(self.link, Link::Udp(_)) => {
                    return Err("the gateway closed the connection".into());
                }
                Ok((len, remote)) => {
                    let flow = self.flow(remote);
                    self.handle(Input::Received { flow, bytes: &bytes[..len] }, events);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // An earlier send met a closed port; the call's own timers report it.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn handle(&mut self, input: Input<'_>, events: &mut Vec<UaEvent>) {
        self.agent.handle(::io::clock::read(), input);
        self.drain(events);
    }

    fn drain(&mut self, events: &mut Vec<UaEvent>) {
        while let Some(effect) = self.agent.poll_effect() {
            match effect {
                Effect::Send { to, bytes, .. } => self.send(to, &bytes),
                Effect::Event(event) => events.push(event),
                Effect::CloseFlow { .. } => {}
            }
        }
    }

    fn send(&mut self, to: SendTo, bytes: &[u8]) {
        match (&mut self.link, to) {
            (Link::Udp(socket), SendTo::Datagram { remote, .. }) => {
                // A datagram that the system refuses is retransmitted later, and retransmissions are counted.
                let _ = socket.send_to(bytes, remote);
            }
            (Link::Tcp(stream), SendTo::Flow(_) | SendTo::Connect { .. }) => {
                stream.unsent.extend(bytes);
                // A broken connection shows at the next read.
                let _ = stream.flush();
            }
            (Link::Tls(stream), SendTo::Flow(_) | SendTo::Connect { .. }) => {
                let _ = stream.conn.writer().write_all(bytes);
                let _ = flush_tls(stream);
            }
            (Link::Udp(_), SendTo::Flow(_) | SendTo::Connect { .. })
            | (Link::Tcp(_) | Link::Tls(_), SendTo::Datagram { .. }) => {}
        }
    }
}

impl Link {
    fn local(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Udp(socket) => socket.local_addr(),
            Self::Tcp(stream) => stream.socket.local_addr(),
            Self::Tls(stream) => stream.sock.local_addr(),
        }
    }

    fn receive(&mut self, bytes: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self {
            Self::Udp(socket) => socket.recv_from(bytes),
            Self::Tcp(stream) => {
                stream.flush()?;
                let remote = stream.socket.peer_addr()?;
                stream.socket.read(bytes).map(|len| (len, remote))
            }
            Self::Tls(stream) => {
                flush_tls(stream)?;
                let remote = stream.sock.peer_addr()?;
                stream.read(bytes).map(|len| (len, remote))
            }
        }
    }
}

/// Writes as many TLS records as the system accepts.
fn flush_tls(stream: &mut StreamOwned<ClientConnection, TcpStream>) -> io::Result<()> {
    while stream.conn.wants_write() {
        match stream.conn.write_tls(&mut stream.sock) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn in_and_out(wants_write: bool) -> PollFlags {
    if wants_write { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN }
}

impl Stream {
    fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.socket.write(self.unsent.make_contiguous()) {
                Ok(len) => drop(self.unsent.drain(..len)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn agent() -> UserAgent {
    let origin = Origin { node: u16::MAX, generation: 1 };
    let mut seed = [0; 32];
    let unique = ::io::clock::now().as_nanos().to_be_bytes();
    seed.iter_mut().zip(unique).for_each(|(byte, value)| *byte = value);
    let mut config = UaConfig::new(origin, "127.0.0.1", "load");
    config.limits_sources = false;
    // A server that is overloaded is measured by its answers, however late (timer B).
    config.silence_max = config.timers.transaction_timeout();
    UserAgent::new(config, seed)
}

/// Longest wait of one turn.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_millis(20);
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;
/// Datagrams read before timers are looked at again.
const RECEIVE_BUDGET: u32 = 64;
