//! The loop of the transport thread. Shell.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use shared::Instant;
use sip::{CloseReason, Flow, FlowId, SendFailure, SendToken};
use slab::Slab;

use super::stream::{ReadOutcome, State, Stream};
use super::{Down, TransportConfig, Up};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::queue::{Doorbell, Sender, bounded};

/// A transport thread that is not running yet: its listeners are open.
pub struct Transport {
    config: TransportConfig,
    metrics: Arc<Metrics>,
    poll: Poll,
    doorbell: Doorbell,
    down: Receiver<Down>,
    up: Sender<Up>,
    listeners: Vec<Listener>,
    streams: Slab<Stream>,
    /// Looked up only, never walked.
    by_flow: HashMap<FlowId, usize>,
    by_remote: HashMap<SocketAddr, usize>,
    by_source: HashMap<IpAddr, usize>,
    /// Streams with bytes that mio will not tell of again.
    readable: BTreeSet<usize>,
    /// What the signaling thread had no room for yet, in order.
    waiting_up: VecDeque<Up>,
    next_flow: u64,
    write_queues_bytes: usize,
    buffer: Box<[u8]>,
    stopping: bool,
}

struct Listener {
    socket: TcpListener,
    local: SocketAddr,
    /// Connections may be waiting although mio has told of them.
    ready: bool,
}

/// A running transport thread.
#[derive(Debug)]
pub struct TransportHandle {
    /// Into the thread.
    pub down: Sender<Down>,
    thread: Option<JoinHandle<()>>,
}

impl TransportHandle {
    /// Ends the thread; all streams are closed.
    pub fn stop(mut self) {
        let _ = self.down.send(Down::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Transport {
    /// Opens the listeners.
    ///
    /// # Errors
    /// The address that cannot be listened on, and why.
    pub fn open(
        config: TransportConfig,
        metrics: Arc<Metrics>,
        up: Sender<Up>,
    ) -> Result<(Self, Sender<Down>), (SocketAddr, io::Error)> {
        let anywhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let poll = Poll::new().map_err(|error| (anywhere, error))?;
        let doorbell = Doorbell::new(&poll, DOORBELL).map_err(|error| (anywhere, error))?;
        let (down_sender, down) = bounded(DOWN_QUEUE_MAX, &doorbell);
        let mut listeners = Vec::new();
        for (index, address) in config.listen.iter().enumerate() {
            let listener = listen(&poll, *address, Token(LISTENERS.0 + index));
            listeners.push(listener.map_err(|error| (*address, error))?);
        }
        let transport = Self {
            config,
            metrics,
            poll,
            doorbell,
            down,
            up,
            listeners,
            streams: Slab::new(),
            by_flow: HashMap::new(),
            by_remote: HashMap::new(),
            by_source: HashMap::new(),
            readable: BTreeSet::new(),
            waiting_up: VecDeque::new(),
            next_flow: FIRST_STREAM_FLOW,
            write_queues_bytes: 0,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            stopping: false,
        };
        Ok((transport, down_sender))
    }

    /// The addresses listened on, with the ports that the system chose.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|listener| listener.local).collect()
    }

    /// Lowers the number of streams that are taken at once.
    pub fn limit_streams(&mut self, streams_max: usize) {
        self.config.streams_max = self.config.streams_max.min(streams_max);
    }

    /// Runs it on a thread of its own.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn run(self, down: Sender<Down>) -> io::Result<TransportHandle> {
        let thread = std::thread::Builder::new()
            .name("transport".to_owned())
            .spawn(move || self.turn_until_stopped())?;
        Ok(TransportHandle { down, thread: Some(thread) })
    }

    fn turn_until_stopped(mut self) {
        let mut events = Events::with_capacity(1024);
        let mut sweep_at = Clock.mono();
        while !self.stopping {
            let timeout = self.poll_timeout();
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(%error, "the transport thread cannot wait for its sockets and ends");
                    return;
                }
            }
            self.doorbell.answer();
            for event in &events {
                self.note_event(event);
            }
            self.take_down();
            self.send_up();
            self.accept_ready();
            self.read_ready();
            let now = Clock.mono();
            if now >= sweep_at {
                self.sweep(now);
                sweep_at = now + SWEEP_EVERY;
            }
        }
    }

    fn poll_timeout(&self) -> Duration {
        let behind = !self.waiting_up.is_empty();
        let work = !self.readable.is_empty() || self.listeners.iter().any(|l| l.ready);
        match (behind, work) {
            (true, _) => Duration::from_millis(2),
            (false, true) => Duration::ZERO,
            (false, false) => SWEEP_EVERY,
        }
    }

    fn note_event(&mut self, event: &mio::event::Event) {
        let token = event.token();
        if token == DOORBELL {
            return;
        }
        if let Some(index) = token.0.checked_sub(LISTENERS.0) {
            if let Some(listener) = self.listeners.get_mut(index) {
                listener.ready = true;
            }
            return;
        }
        let key = token.0;
        let Some(stream) = self.streams.get_mut(key) else { return };
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            stream.readable = true;
            self.readable.insert(key);
        }
        if event.is_writable() || event.is_error() {
            self.writable(key);
        }
    }

    /// A stream can be written to: one that was connecting is up or has failed.
    fn writable(&mut self, key: usize) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        if let State::Connecting { token, .. } = stream.state {
            let failed = stream.socket.take_error().ok().flatten().is_some();
            if failed || stream.socket.peer_addr().is_err() {
                // Not up yet is no error: mio tells again.
                if failed {
                    self.close(key, "connect_failed");
                }
                return;
            }
            let mut bound = stream.socket.local_addr().unwrap_or(stream.flow.local);
            // What a peer is told must be somewhere it can connect to: the listener's port.
            bound.set_port(self.listeners.first().map_or(bound.port(), |l| l.local.port()));
            stream.flow.local = shown(self.config.public_address, bound);
            stream.state = State::Open;
            self.metrics.transport_streams_opened_total.count("ours");
            let opened = Up::Opened { flow: stream.flow, token: Some(token) };
            self.up(opened);
        }
        self.write(key);
    }

    fn write(&mut self, key: usize) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        if !stream.is_up() {
            return;
        }
        match stream.write() {
            Ok(count) => {
                let done =
                    stream.queued_bytes == 0 && matches!(stream.state, State::Closing { .. });
                self.write_queues_bytes = self.write_queues_bytes.saturating_sub(count);
                self.metrics.transport_bytes_sent_total.add(count as u64);
                if done {
                    self.close(key, "asked");
                }
            }
            Err(_) => self.close(key, "write_failed"),
        }
    }

    fn take_down(&mut self) {
        for _ in 0..DOWN_BUDGET {
            match self.down.try_recv() {
                Ok(Down::Send { flow, bytes, token }) => match self.by_flow.get(&flow) {
                    Some(key) => self.send(*key, bytes, token),
                    None => self.send_failed(token, SendFailure::Closed),
                },
                Ok(Down::SendTo { remote, bytes, token }) => self.send_to(remote, bytes, token),
                Ok(Down::Close { flow, reason }) => self.close_asked(flow, reason),
                Ok(Down::Stop) | Err(TryRecvError::Disconnected) => {
                    self.stopping = true;
                    return;
                }
                Err(TryRecvError::Empty) => return,
            }
        }
        // More is waiting: come back at once.
        self.doorbell.ring();
    }

    fn send(&mut self, key: usize, bytes: Box<[u8]>, token: SendToken) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let length = bytes.len();
        let full = stream.queued_bytes + length > self.config.write_queue_bytes_max
            || self.write_queues_bytes + length > self.config.write_queues_bytes_max;
        if full {
            self.send_failed(token, SendFailure::QueueFull);
            return self.close(key, "write_queue_full");
        }
        stream.enqueue(bytes, token);
        self.write_queues_bytes += length;
        self.write(key);
    }

    fn send_to(&mut self, remote: SocketAddr, bytes: Box<[u8]>, token: SendToken) {
        let key = match self.by_remote.get(&remote) {
            Some(key) => *key,
            None => match self.connect(remote, token) {
                Some(key) => key,
                None => return self.send_failed(token, SendFailure::Unreachable),
            },
        };
        self.send(key, bytes, token);
    }

    fn connect(&mut self, remote: SocketAddr, token: SendToken) -> Option<usize> {
        if self.streams.len() >= self.config.streams_max {
            self.metrics.transport_streams_closed_total.count("streams_max");
            return None;
        }
        let socket = TcpStream::connect(remote).ok()?;
        let deadline = Clock.mono() + self.config.connect_for_max;
        let local = SocketAddr::new(unspecified_like(remote), 0);
        self.add(socket, local, remote, State::Connecting { deadline, token })
    }

    /// Adds a stream to all indexes and to the poll.
    fn add(
        &mut self,
        mut socket: TcpStream,
        local: SocketAddr,
        remote: SocketAddr,
        state: State,
    ) -> Option<usize> {
        let id = FlowId(self.next_flow);
        self.next_flow += 1;
        let transport = sip::Transport::Tcp;
        let flow = Flow { id, transport, local, remote };
        let entry = self.streams.vacant_entry();
        let key = entry.key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, Token(key), interest).ok()?;
        // Small messages must not wait for each other (RFC 896).
        let _ = socket.set_nodelay(true);
        entry.insert(Stream::new(socket, flow, state));
        self.by_flow.insert(id, key);
        self.by_remote.insert(remote, key);
        *self.by_source.entry(remote.ip().to_canonical()).or_default() += 1;
        self.metrics.transport_streams_open.add(1);
        Some(key)
    }

    fn accept_ready(&mut self) {
        if !self.waiting_up.is_empty() {
            return;
        }
        for index in 0..self.listeners.len() {
            for _ in 0..ACCEPT_BUDGET {
                let Some(listener) = self.listeners.get_mut(index).filter(|l| l.ready) else {
                    break;
                };
                match listener.socket.accept() {
                    Ok((socket, remote)) => self.accepted(socket, remote),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        listener.ready = false
                    }
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => {
                        // Out of descriptors, most likely: the sweep tries again.
                        listener.ready = false;
                        self.metrics.transport_streams_closed_total.count("accept_failed");
                        tracing::warn!(%error, "a stream cannot be accepted");
                    }
                }
            }
        }
    }

    fn accepted(&mut self, socket: TcpStream, remote: SocketAddr) {
        let source = remote.ip().to_canonical();
        let of_source = self.by_source.get(&source).copied().unwrap_or(0);
        let refused = match () {
            () if self.streams.len() >= self.config.streams_max => Some("streams_max"),
            () if of_source >= self.config.streams_source_max => Some("streams_source_max"),
            () => None,
        };
        if let Some(reason) = refused {
            // Accepted and closed: the others are unharmed, and the peer knows at once.
            return self.metrics.transport_streams_closed_total.count(reason);
        }
        let Ok(bound) = socket.local_addr() else { return };
        let local = shown(self.config.public_address, bound);
        let deadline = Clock.mono() + self.config.silent_for_max;
        let Some(key) = self.add(socket, local, remote, State::Silent { deadline }) else { return };
        self.metrics.transport_streams_opened_total.count("theirs");
        if let Some(stream) = self.streams.get_mut(key) {
            stream.readable = true;
            let opened = Up::Opened { flow: stream.flow, token: None };
            self.readable.insert(key);
            self.up(opened);
        }
    }

    /// One read from each stream that has something; who has more waits for the next turn.
    fn read_ready(&mut self) {
        for key in self.readable.iter().copied().collect::<Vec<_>>() {
            if !self.waiting_up.is_empty() {
                return;
            }
            self.read_one(key);
        }
    }

    fn read_one(&mut self, key: usize) {
        let Some(stream) = self.streams.get_mut(key).filter(|stream| stream.readable) else {
            self.readable.remove(&key);
            return;
        };
        if !stream.is_up() {
            // An error before the connection is up shows when it is written to.
            self.readable.remove(&key);
            return;
        }
        match stream.read(&mut self.buffer) {
            ReadOutcome::Bytes(count) => {
                if matches!(stream.state, State::Silent { .. }) {
                    stream.state = State::Open;
                }
                let bytes = self.buffer.get(..count).unwrap_or_default().into();
                let received = Up::Received { flow: stream.flow, bytes };
                self.metrics.transport_bytes_received_total.add(count as u64);
                if !matches!(stream.state, State::Closing { .. }) {
                    self.up(received);
                }
            }
            ReadOutcome::WouldBlock => {
                self.readable.remove(&key);
            }
            ReadOutcome::Gone => self.close(key, "peer"),
        }
    }

    fn close_asked(&mut self, flow: FlowId, reason: CloseReason) {
        let Some(key) = self.by_flow.get(&flow).copied() else { return };
        let Some(stream) = self.streams.get_mut(key) else { return };
        if stream.queued_bytes > 0 && stream.is_up() {
            // An error response may still be on its way out.
            let deadline = Clock.mono() + CLOSING_FOR_MAX;
            stream.state = State::Closing { deadline };
            return;
        }
        self.close(key, close_label(reason));
    }

    fn close(&mut self, key: usize, reason: &'static str) {
        let Some(mut stream) = self.streams.try_remove(key) else { return };
        let _ = self.poll.registry().deregister(&mut stream.socket);
        let Flow { id, remote, .. } = stream.flow;
        self.readable.remove(&key);
        self.by_flow.remove(&id);
        if self.by_remote.get(&remote) == Some(&key) {
            self.by_remote.remove(&remote);
        }
        let source = remote.ip().to_canonical();
        match self.by_source.get_mut(&source) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                self.by_source.remove(&source);
            }
        }
        self.write_queues_bytes = self.write_queues_bytes.saturating_sub(stream.queued_bytes);
        self.metrics.transport_streams_open.add(-1);
        self.metrics.transport_streams_closed_total.count(reason);
        let failure = if stream.is_up() { SendFailure::Closed } else { SendFailure::Unreachable };
        for token in stream.unsent().collect::<Vec<_>>() {
            self.send_failed(token, failure);
        }
        if stream.is_up() {
            self.up(Up::Closed { flow: id });
        }
    }

    fn send_failed(&mut self, token: SendToken, reason: SendFailure) {
        if token != SendToken::NOBODY {
            self.up(Up::SendFailed { token, reason });
        }
    }

    /// Deadlines, and listeners that could not accept.
    fn sweep(&mut self, now: Instant) {
        let late = |stream: &Stream| stream.deadline().is_some_and(|deadline| deadline <= now);
        let late: Vec<(usize, State)> = self
            .streams
            .iter()
            .filter(|(_, stream)| late(stream))
            .map(|(key, stream)| (key, stream.state))
            .collect();
        for (key, state) in late {
            self.close(
                key,
                match state {
                    State::Connecting { .. } => "connect_timeout",
                    State::Silent { .. } => "silent",
                    State::Open | State::Closing { .. } => "asked",
                },
            );
        }
        for listener in &mut self.listeners {
            listener.ready = true;
        }
        self.metrics
            .transport_write_queue_bytes
            .set(i64::try_from(self.write_queues_bytes).unwrap_or(i64::MAX));
    }

    /// Tells the signaling thread, in order; what it has no room for waits, and reading stops meanwhile.
    fn up(&mut self, message: Up) {
        if !self.waiting_up.is_empty() {
            return self.waiting_up.push_back(message);
        }
        if let Err(message) = self.up.send(message) {
            self.metrics.signaling_queue_inputs_dropped_total.add("transport_delayed", 1);
            self.waiting_up.push_back(message);
        }
    }

    fn send_up(&mut self) {
        while let Some(message) = self.waiting_up.pop_front() {
            if let Err(message) = self.up.send(message) {
                return self.waiting_up.push_front(message);
            }
        }
    }
}

fn listen(poll: &Poll, address: SocketAddr, token: Token) -> io::Result<Listener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for old connections to time out.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // 0.0.0.0 and [::] may then stand side by side in the settings.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    let mut socket = TcpListener::from_std(socket.into());
    poll.registry().register(&mut socket, token, Interest::READABLE)?;
    let local = socket.local_addr()?;
    Ok(Listener { socket, local, ready: true })
}

/// The address that a peer is told: the public one where it is set.
fn shown(public: Option<IpAddr>, bound: SocketAddr) -> SocketAddr {
    public.map_or(bound, |public| SocketAddr::new(public, bound.port()))
}

fn unspecified_like(remote: SocketAddr) -> IpAddr {
    match remote {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}

const fn close_label(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Framing => "framing",
        CloseReason::Slow => "slow",
        CloseReason::Idle => "idle",
    }
}

/// Stream ids start here; below are the UDP listeners. Both count up and are never used twice.
pub(crate) const FIRST_STREAM_FLOW: u64 = 1 << 32;

const LISTEN_BACKLOG: i32 = 1_024;
const DOORBELL: Token = Token(usize::MAX);
/// Listeners count up from here, streams (slab keys) from 0.
const LISTENERS: Token = Token(usize::MAX >> 1);

/// One message for every stream, and as many again.
const DOWN_QUEUE_MAX: usize = 40_000;
const DOWN_BUDGET: usize = 4_096;
const ACCEPT_BUDGET: usize = 64;
const READ_BYTES: usize = 16 * 1024;
const SWEEP_EVERY: Duration = Duration::from_millis(500);
const CLOSING_FOR_MAX: Duration = Duration::from_secs(2);
