//! A `phone::Phone` on real sockets and the real clock. Shell.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use phone::{Command, Effect, Event, Input, Phone, PhoneConfig};
use plane::SocketId;
use shared::{Codec, Header, Instant};
use shell::Clock;
use sip::{Destination, Flow, FlowId, SendFailure, SendTo, SendToken};
use transport::{Peer, Up};

use super::connections::{Connections, PhoneTransport};

/// The settings of a handset.
#[derive(Clone, Debug)]
pub struct HandsetSettings {
    /// Digest user, and user part of From.
    pub user: String,
    /// Digest password; empty: challenges are not answered.
    pub password: String,
    /// Address of its SIP socket; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Codecs, best first.
    pub codecs: Vec<Codec>,
    /// Whether it offers and accepts only SRTP.
    pub srtp: bool,
    /// Whether it answers a call at once.
    pub answers: bool,
    /// The transport to its server.
    pub transport: PhoneTransport,
    /// Certificate authorities to trust besides the system's, PEM.
    pub ca: Option<PathBuf>,
}

/// One phone with its three sockets.
pub struct Handset {
    phone: Phone,
    poll: mio::Poll,
    sip: mio::net::UdpSocket,
    rtp: mio::net::UdpSocket,
    rtcp: mio::net::UdpSocket,
    local: SocketAddr,
    transport: PhoneTransport,
    /// TCP and TLS; `None` over UDP.
    connections: Option<Connections>,
    events: VecDeque<Event>,
    clock: Clock,
}

const SIP: mio::Token = mio::Token(0);
const RTP: mio::Token = mio::Token(1);
const RTCP: mio::Token = mio::Token(2);
const CONNECTIONS: mio::Token = mio::Token(3);
/// The datagram flow of a handset: its SIP socket.
const FLOW: FlowId = FlowId(1);
/// Largest datagram that is read.
const DATAGRAM_BYTES: usize = 65_536;
/// The ports in which a handset searches for a free pair: below the kernel's ephemeral range.
const MEDIA_PORTS: std::ops::Range<u16> = 22_000..32_000;

impl Handset {
    /// Opens the sockets.
    ///
    /// # Errors
    /// A socket that cannot be bound, or no free pair of media ports.
    pub fn open(settings: &HandsetSettings) -> io::Result<Self> {
        let clock = Clock;
        let sip = bind(settings.listen)?;
        let local = sip.local_addr()?;
        let (rtp, rtcp) = media_pair(local.ip())?;
        let config = PhoneConfig {
            user: settings.user.clone(),
            password: settings.password.clone(),
            host: local.ip().to_string(),
            media_address: local.ip(),
            media_port: rtp.local_addr()?.port(),
            codecs: settings.codecs.clone(),
            srtp: settings.srtp,
            answers: settings.answers,
            unix_ms_at_zero: clock.unix_ms() - clock.mono().as_millis() as i64,
        };
        let mut seed = [0; 32];
        shell::random(&mut seed);
        let poll = mio::Poll::new()?;
        let [mut sip, mut rtp, mut rtcp] = [sip, rtp, rtcp].map(mio::net::UdpSocket::from_std);
        for (socket, token) in [(&mut sip, SIP), (&mut rtp, RTP), (&mut rtcp, RTCP)] {
            poll.registry().register(socket, token, mio::Interest::READABLE)?;
        }
        let connections = match settings.transport {
            PhoneTransport::Udp => None,
            PhoneTransport::Tcp | PhoneTransport::Tls { .. } => {
                Some(Connections::start(&poll, CONNECTIONS, settings.ca.as_deref())?)
            }
        };
        let phone = Phone::new(config, seed);
        let (transport, events) = (settings.transport.clone(), VecDeque::new());
        Ok(Self { phone, poll, sip, rtp, rtcp, local, transport, connections, events, clock })
    }

    /// The address of its SIP socket.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Calls `target`, sending to `remote`.
    pub fn call(&mut self, target: sip::Uri, remote: SocketAddr, headers: Vec<Header>) {
        let destinations = vec![self.towards(remote)];
        self.command(Command::Call { target, destinations, headers });
    }

    /// Registers `address`, sending to `remote`.
    pub fn register(&mut self, address: sip::Uri, remote: SocketAddr, expires_s: u32) {
        let destinations = vec![self.towards(remote)];
        self.command(Command::Register { address, destinations, expires_s });
    }

    /// Carries out a command of its user.
    pub fn command(&mut self, command: Command) {
        self.phone.handle(self.clock.now(), Input::Command(command));
        self.carry_out();
    }

    /// Whether there is a call.
    pub const fn is_busy(&self) -> bool {
        self.phone.is_busy()
    }

    /// Whether there is a registration, in any state.
    pub const fn has_registration(&self) -> bool {
        self.phone.has_registration()
    }

    /// The next event for its user; `None` if none comes within `patience`.
    ///
    /// # Errors
    /// Polling failed.
    pub fn next_event(&mut self, patience: Duration) -> io::Result<Option<Event>> {
        let end = self.clock.mono() + patience;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let now = self.clock.mono();
            if now >= end {
                return Ok(None);
            }
            self.turn(end)?;
        }
    }

    fn towards(&self, remote: SocketAddr) -> Destination {
        Destination {
            transport: self.transport.kind(),
            remote,
            local: self.local,
            flow: (self.transport == PhoneTransport::Udp).then_some(FLOW),
            host: self.transport.host(),
        }
    }

    /// Waits for packets or deadlines, once.
    fn turn(&mut self, end: Instant) -> io::Result<()> {
        let deadline = self.phone.poll_timeout().map_or(end, |(at, _)| at.min(end));
        let wait = deadline.since(self.clock.mono());
        let mut ready = mio::Events::with_capacity(4);
        match self.poll.poll(&mut ready, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        self.read();
        if self.phone.poll_timeout().is_some_and(|(at, _)| at <= self.clock.mono()) {
            self.phone.handle_timeout(self.clock.now());
        }
        self.carry_out();
        Ok(())
    }

    fn read(&mut self) {
        let mut bytes = vec![0; DATAGRAM_BYTES];
        while let Ok((length, remote)) = self.sip.recv_from(&mut bytes) {
            let flow =
                Flow { id: FLOW, transport: shared::Transport::Udp, local: self.local, remote };
            let bytes = bytes.get(..length).unwrap_or_default();
            let input = Input::Sip(sip::Input::Received { flow, bytes });
            self.phone.handle(self.clock.now(), input);
            self.carry_out();
        }
        self.read_connections();
        for (media, id) in [(&self.rtp, SocketId::rtp(0)), (&self.rtcp, SocketId::rtcp(0))] {
            while let Ok((length, source)) = media.recv_from(&mut bytes) {
                let packet = bytes.get_mut(..length).unwrap_or_default();
                let input = Input::Media { socket: id, source, packet };
                self.phone.handle(self.clock.now(), input);
            }
        }
    }

    fn read_connections(&mut self) {
        let came = self.connections.as_ref().map(Connections::take).unwrap_or_default();
        for message in &came {
            let input = match message {
                Up::Opened { flow, token } => sip::Input::FlowOpened { flow: *flow, token: *token },
                Up::Received { flow, bytes } => sip::Input::Received { flow: *flow, bytes },
                Up::Closed { flow } => sip::Input::FlowClosed { flow: *flow },
                Up::SendFailed { token, reason } => {
                    sip::Input::SendFailed { token: *token, reason: *reason }
                }
                // A phone has no listener for TLS.
                Up::TlsRefused { .. } => continue,
            };
            self.phone.handle(self.clock.now(), Input::Sip(input));
            self.carry_out();
        }
    }

    /// Sends a message. Returns the failure; `None` if it was sent.
    fn send(&self, to: SendTo, bytes: Box<[u8]>, token: SendToken) -> Option<SendFailure> {
        match (to, &self.connections) {
            // A datagram that cannot leave counts as lost.
            (SendTo::Datagram { remote, .. }, _) => {
                let _ = self.sip.send_to(&bytes, remote);
                None
            }
            (SendTo::Flow(flow), Some(connections)) => connections.send(flow, bytes, token),
            (SendTo::Connect { transport, remote, local, host }, Some(connections)) => {
                connections.send_to(Peer { transport, remote, host, local }, bytes, token)
            }
            (SendTo::Flow(_) | SendTo::Connect { .. }, None) => Some(SendFailure::Unreachable),
        }
    }

    fn carry_out(&mut self) {
        while let Some(effect) = self.phone.poll_effect() {
            match effect {
                Effect::Event(event) => self.events.push_back(event),
                // A datagram that cannot leave counts as lost.
                Effect::Media { socket, to, packet } => {
                    let media = if socket.is_rtcp() { &self.rtcp } else { &self.rtp };
                    let _ = media.send_to(&packet, to);
                }
                Effect::Sip(sip::Effect::Send { to, bytes, token }) => {
                    if let Some(reason) = self.send(to, bytes, token) {
                        let failed = sip::Input::SendFailed { token, reason };
                        self.phone.handle(self.clock.now(), Input::Sip(failed));
                    }
                }
                Effect::Sip(sip::Effect::CloseFlow { flow, reason }) => {
                    if let Some(connections) = &self.connections {
                        connections.close(flow, reason);
                    }
                }
                Effect::Sip(sip::Effect::Event(_)) => {}
            }
        }
    }
}

/// The local address that the kernel would use towards `remote`.
///
/// # Errors
/// No route.
pub fn local_towards(remote: SocketAddr) -> io::Result<IpAddr> {
    let any: SocketAddr = if remote.is_ipv4() {
        (std::net::Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(remote)?;
    Ok(socket.local_addr()?.ip())
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// An even port and the next one, both free.
fn media_pair(ip: IpAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    let mut start = [0; 2];
    shell::random(&mut start);
    let span = MEDIA_PORTS.end - MEDIA_PORTS.start;
    let offset = (u16::from_le_bytes(start) % span) & !1;
    for step in (0..span).step_by(2) {
        let port = MEDIA_PORTS.start + (offset + step) % span;
        if let (Ok(rtp), Ok(rtcp)) = (bind((ip, port).into()), bind((ip, port + 1).into())) {
            return Ok((rtp, rtcp));
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no free pair of ports for the phone's media"))
}
