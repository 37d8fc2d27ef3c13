//! One sans-IO user agent on one UDP socket: what the bench's callers and callees speak SIP with. Shell.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use shared::ids::Origin;
use sip::{
    Command, Destination, Effect, Flow, FlowId, Input, SendTo, Transport, UaConfig, UaEvent,
    UaMeters, UserAgent,
};
use socket2::SockRef;

/// What stops a part of the bench; a sentence.
pub(crate) type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// The user agent with its socket.
pub(crate) struct Endpoint {
    socket: UdpSocket,
    pub local: SocketAddr,
    agent: UserAgent,
}

impl Endpoint {
    /// On a free port of loopback.
    ///
    /// # Errors
    /// The system gives no socket.
    pub fn open() -> Result<Self, Trouble> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        let local = socket.local_addr()?;
        let origin = Origin { node: u16::MAX, generation: 1 };
        let mut seed = [0; 32];
        let unique = ::io::clock::now().as_nanos().to_be_bytes();
        seed.iter_mut().zip(unique).for_each(|(byte, value)| *byte = value);
        let agent = UserAgent::new(UaConfig::new(origin, "127.0.0.1", "load"), seed);
        Ok(Self { socket, local, agent })
    }

    /// The way to a peer.
    pub fn destination(&self, remote: SocketAddr) -> Destination {
        let flow = Some(FlowId(1));
        Destination { transport: Transport::Udp, remote, local: self.local, flow, host: None }
    }

    pub fn meters(&self) -> UaMeters {
        self.agent.meters()
    }

    /// Carries a command out; what it comes to is told by later events.
    pub fn command(&mut self, command: Command, events: &mut Vec<UaEvent>) {
        self.handle(Input::Command(command), events);
    }

    /// Waits until something arrives, a timer is due or it is `until`, and works it off.
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
        let mut watched = [PollFd::new(&self.socket, PollFlags::IN)];
        match poll(&mut watched, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn receive(&mut self, events: &mut Vec<UaEvent>) -> Result<(), Trouble> {
        let mut bytes = [0; 65_535];
        for _ in 0..RECEIVE_BUDGET {
            match self.socket.recv_from(&mut bytes) {
                Ok((len, remote)) => {
                    let (id, transport) = (FlowId(1), Transport::Udp);
                    let flow = Flow { id, transport, local: self.local, remote };
                    self.handle(Input::Received { flow, bytes: &bytes[..len] }, events);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // An earlier send met a closed port: the call will say so.
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
                Effect::Send { to: SendTo::Datagram { remote, .. }, bytes, .. } => {
                    // What the system does not take is retransmitted, and that is counted.
                    let _ = self.socket.send_to(&bytes, remote);
                }
                Effect::Event(event) => events.push(event),
                Effect::Send { .. } | Effect::CloseFlow { .. } => {}
            }
        }
    }
}

/// The longest a turn waits.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_millis(20);
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;
/// Datagrams between two looks at the schedule.
const RECEIVE_BUDGET: u32 = 64;
