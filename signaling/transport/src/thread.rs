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
use shared::{Instant, TlsFailure, source_of};
use shell::{Clock, Doorbell, Labelled, Sender, bounded};
use sip::{CloseReason, Flow, FlowId, SendFailure, SendToken};
use slab::Slab;

use crate::config::TransportConfig;
use crate::message::{Down, Peer, Up};
use crate::metrics::TransportMetrics;
use crate::session::Session;
use crate::step::ReadOutcome;
use crate::stream::{Connection, HandshakeTurn, State, Stream};
use crate::tls::TlsParts;
use crate::tls_side::TlsSide;

/// A transport thread that is not running yet: its listeners are open.
pub struct Transport {
    pub(crate) config: TransportConfig,
    pub(crate) metrics: Arc<TransportMetrics>,
    /// Shared with the signaling thread: inputs that a full queue delayed or dropped, by queue.
    dropped: Arc<Labelled>,
    poll: Poll,
    doorbell: Doorbell,
    down: Receiver<Down>,
    up: Sender<Up>,
    listeners: Vec<Listener>,
    pub(crate) streams: Slab<Stream>,
    /// Looked up only, never walked.
    by_flow: HashMap<FlowId, usize>,
    by_peer: HashMap<Connection, usize>,
    by_source: HashMap<IpAddr, Source>,
    pub(crate) tls: TlsSide,
    /// Streams that are up with bytes that mio will not tell of again.
    pub(crate) readable: BTreeSet<usize>,
    /// The same of streams that shake hands, in the order in which they get their next step.
    pub(crate) handshakes: BTreeSet<(HandshakeTurn, usize)>,
    next_handshake: u64,
    /// What the signaling thread had no room for yet, in order.
    waiting_up: VecDeque<Up>,
    next_flow: u64,
    write_queues_bytes: usize,
    pub(crate) buffer: Box<[u8]>,
    stopping: bool,
}

/// Streams of one source address.
#[derive(Clone, Copy, Debug, Default)]
struct Source {
    streams: usize,
    handshaking: usize,
}

struct Listener {
    socket: TcpListener,
    local: SocketAddr,
    transport: shared::Transport,
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
    /// Opens the listeners. `dropped` is shared with the signaling thread, whose metric it is.
    ///
    /// # Errors
    /// The address that cannot be listened on, and why.
    pub fn open(
        config: TransportConfig,
        metrics: Arc<TransportMetrics>,
        dropped: Arc<Labelled>,
        up: Sender<Up>,
    ) -> Result<(Self, Sender<Down>), (SocketAddr, io::Error)> {
        let anywhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let poll = Poll::new().map_err(|error| (anywhere, error))?;
        let doorbell = Doorbell::new(&poll, DOORBELL).map_err(|error| (anywhere, error))?;
        let (down_sender, down) = bounded(DOWN_QUEUE_MAX, &doorbell);
        let mut listeners = Vec::new();
        let plain = config.listen.iter().map(|address| (shared::Transport::Tcp, *address));
        let secure = config.listen_tls.iter().map(|address| (shared::Transport::Tls, *address));
        for (index, (transport, address)) in plain.chain(secure).enumerate() {
            let listener = listen(&poll, transport, address, Token(LISTENERS.0 + index));
            listeners.push(listener.map_err(|error| (address, error))?);
        }
        let transport = Self {
            config,
            metrics,
            dropped,
            poll,
            doorbell,
            down,
            up,
            listeners,
            streams: Slab::new(),
            by_flow: HashMap::new(),
            by_peer: HashMap::new(),
            by_source: HashMap::new(),
            tls: TlsSide::default(),
            readable: BTreeSet::new(),
            handshakes: BTreeSet::new(),
            next_handshake: 0,
            waiting_up: VecDeque::new(),
            next_flow: FIRST_STREAM_FLOW,
            write_queues_bytes: 0,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            stopping: false,
        };
        Ok((transport, down_sender))
    }

    /// The addresses listened on, with the ports that the system chose.
    pub fn local_addresses(&self, transport: shared::Transport) -> Vec<SocketAddr> {
        let of = self.listeners.iter().filter(|listener| listener.transport == transport);
        of.map(|listener| listener.local).collect()
    }

    /// The listeners of edges, as they are bound, before the thread runs.
    pub fn set_edges(&mut self, edges: control::Edges) {
        self.config.edges = edges;
    }

    /// What is shown and believed over TLS, before the thread runs.
    pub fn set_tls(&mut self, parts: TlsParts) {
        self.tls.set(parts);
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
        let work = !self.readable.is_empty()
            || !self.handshakes.is_empty()
            || self.listeners.iter().any(|l| l.ready);
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
            self.queue(key);
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
            self.connected(key, token);
        }
        self.write(key);
    }

    /// A connection of ours is there; over TLS the handshake begins.
    fn connected(&mut self, key: usize, token: SendToken) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let transport = stream.flow.transport;
        // Without a listener there is no better address to show than the connection's own.
        if !self.listeners.iter().any(|listener| listener.transport == transport)
            && let Ok(bound) = stream.socket.local_addr()
        {
            stream.flow.local = bound;
        }
        if stream.tls.is_some() {
            let begun = Clock.mono();
            let deadline = begun + self.config.handshake_for_max;
            stream.state = State::Handshaking { begun, deadline, token: Some(token) };
            self.count_handshake(key, 1);
            return;
        }
        self.stream_up(key, Some(token));
    }

    /// A stream is up: bytes of SIP may go both ways.
    pub(crate) fn stream_up(&mut self, key: usize, token: Option<SendToken>) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        stream.state = match token {
            Some(_) => State::Open,
            None => State::Silent { deadline: Clock.mono() + self.config.silent_for_max },
        };
        let side = if token.is_some() { "ours" } else { "theirs" };
        self.metrics.transport_streams_opened_total.count(side);
        let opened = Up::Opened { flow: stream.flow, token };
        self.up(opened);
    }

    pub(crate) fn write(&mut self, key: usize) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        if stream.is_handshaking() {
            if stream.flush_handshake().is_err() {
                self.close(key, "write_failed");
            }
            return;
        }
        if !stream.is_up() {
            return;
        }
        match stream.write(Clock.mono()) {
            Ok(count) => {
                let done = stream.is_drained() && matches!(stream.state, State::Closing { .. });
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
                Ok(Down::SendTo { peer, bytes, token }) => self.send_to(peer, bytes, token),
                Ok(Down::Close { flow, reason }) => self.close_asked(flow, reason),
                Ok(Down::Minted(minted)) => self.minted(minted),
                Ok(Down::Tls(parts)) => self.tls.set(*parts),
                Ok(Down::Vouched { source, until }) => self.vouched(source, until),
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

    fn send_to(&mut self, peer: Peer, bytes: Box<[u8]>, token: SendToken) {
        let Peer { transport, remote, host, local } = peer;
        let source = self.source(transport, local).filter(|ip| ip.is_ipv4() == remote.is_ipv4());
        let connection = Connection { transport, remote, host, source };
        let key = match self.by_peer.get(&connection) {
            Some(key) => *key,
            None => match self.connect(connection, local, token) {
                Some(key) => key,
                None => return self.send_failed(token, SendFailure::Unreachable),
            },
        };
        self.send(key, bytes, token);
    }

    /// The address that a connection leaves from which shows `local` to its peer; `None`: whichever the
    /// kernel takes, where we listen on all addresses.
    fn source(&self, transport: shared::Transport, local: SocketAddr) -> Option<IpAddr> {
        if let Some(source) = self.config.edges.source(transport, local) {
            return Some(source);
        }
        let shows_it = |listener: &&Listener| {
            listener.transport == transport && shown(&self.config, listener.local) == local
        };
        let listener = self.listeners.iter().find(shows_it)?;
        Some(listener.local.ip()).filter(|address| !address.is_unspecified())
    }

    fn connect(
        &mut self,
        connection: Connection,
        local: SocketAddr,
        token: SendToken,
    ) -> Option<usize> {
        if self.streams.len() >= self.config.streams_max {
            self.metrics.transport_streams_closed_total.count("streams_max");
            return None;
        }
        let session = match connection.transport {
            shared::Transport::Tls => Some(Session::connecting(self.tls.connect(&connection)?)),
            shared::Transport::Tcp => None,
            shared::Transport::Udp => return None,
        };
        let socket = match open(connection.remote, connection.source) {
            Ok(socket) => socket,
            Err(error) => {
                let Connection { remote, source, .. } = connection;
                tracing::debug!(%error, %remote, ?source, "a connection cannot be begun");
                return None;
            }
        };
        let deadline = Clock.mono() + self.config.connect_for_max;
        let key = self.add(socket, local, connection, State::Connecting { deadline, token })?;
        let stream = self.streams.get_mut(key)?;
        stream.tls = session;
        Some(key)
    }

    /// Adds a stream to all indexes and to the poll.
    fn add(
        &mut self,
        mut socket: TcpStream,
        local: SocketAddr,
        connection: Connection,
        state: State,
    ) -> Option<usize> {
        let id = FlowId(self.next_flow);
        self.next_flow += 1;
        let Connection { transport, remote, .. } = connection;
        let flow = Flow { id, transport, local, remote };
        let entry = self.streams.vacant_entry();
        let key = entry.key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, Token(key), interest).ok()?;
        watch_over(&socket);
        entry.insert(Stream::new(socket, flow, state, connection.clone()));
        self.by_flow.insert(id, key);
        self.by_peer.insert(connection, key);
        self.by_source.entry(source_of(remote.ip())).or_default().streams += 1;
        self.metrics.transport_streams_open.add(1);
        if transport == shared::Transport::Tls {
            self.metrics.transport_tls_streams_open.add(1);
        }
        Some(key)
    }

    /// A handshake has begun (+1) or is over (-1).
    pub(crate) fn count_handshake(&mut self, key: usize, change: isize) {
        let Some(stream) = self.streams.get(key) else { return };
        let source = source_of(stream.flow.remote.ip());
        self.count_handshake_of(source, change);
    }

    fn count_handshake_of(&mut self, source: IpAddr, change: isize) {
        if let Some(source) = self.by_source.get_mut(&source) {
            source.handshaking = source.handshaking.saturating_add_signed(change);
        }
        self.metrics.transport_tls_handshakes_open.add(change as i64);
    }

    fn vouched(&mut self, source: IpAddr, until: Instant) {
        self.tls.vouch(source_of(source), until, Clock.mono());
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
                    Ok((socket, remote)) => {
                        let transport = listener.transport;
                        self.accepted(socket, transport, remote);
                    }
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

    fn accepted(&mut self, socket: TcpStream, transport: shared::Transport, remote: SocketAddr) {
        let source = source_of(remote.ip());
        let now = Clock.mono();
        let of_source = self.by_source.get(&source).copied().unwrap_or_default();
        let is_tls = transport == shared::Transport::Tls;
        let is_vouched = self.tls.is_vouched(source, now);
        let refused = match () {
            () if self.streams.len() >= self.config.streams_max => Some("streams_max"),
            () if is_vouched => None,
            () if of_source.streams >= self.config.streams_source_max => Some("streams_source_max"),
            () if is_tls && of_source.handshaking >= self.config.handshakes_source_max => {
                Some("handshakes_source_max")
            }
            () => None,
        };
        if let Some(reason) = refused {
            // Accepted and closed: the others are unharmed, and the peer knows at once.
            return self.metrics.transport_streams_closed_total.count(reason);
        }
        let Ok(bound) = socket.local_addr() else { return };
        let local = shown(&self.config, bound);
        let deadline = now + self.config.handshake_for_max;
        let state = State::Handshaking { begun: now, deadline, token: None };
        let source = self.source(transport, local);
        let connection = Connection { transport, remote, host: None, source };
        let Some(key) = self.add(socket, local, connection, state) else { return };
        if let Some(stream) = self.streams.get_mut(key) {
            stream.readable = true;
            stream.tls = is_tls.then(Session::accepting);
        }
        if is_tls {
            self.count_handshake(key, 1);
        } else {
            self.stream_up(key, None);
        }
        self.queue(key);
    }

    /// A stream may have something to read: it waits for its turn. A handshake that has begun goes before
    /// new ones, for it soon needs nothing more; the others go in the order in which they came.
    pub(crate) fn queue(&mut self, key: usize) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        if !stream.is_handshaking() {
            self.readable.insert(key);
        } else if stream.queued.is_none() {
            let is_new = !stream.tls.as_ref().is_some_and(Session::has_begun);
            let turn = HandshakeTurn { is_new, number: self.next_handshake };
            self.next_handshake += 1;
            stream.queued = Some(turn);
            self.handshakes.insert((turn, key));
        }
    }

    /// One read from each stream that has something; who has more waits for the next turn. Streams that
    /// are up go first: a handshake costs a signature, so only some are gone on with in one turn.
    fn read_ready(&mut self) {
        let ready: Vec<usize> = self.readable.iter().copied().collect();
        for key in ready {
            if !self.waiting_up.is_empty() {
                return;
            }
            self.read_one(key);
        }
        for _ in 0..HANDSHAKES_A_TURN {
            if !self.waiting_up.is_empty() {
                return;
            }
            let Some((_, key)) = self.handshakes.pop_first() else { return };
            self.go_on_with_handshake(key);
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
            ReadOutcome::Failed(fault) => {
                let rule = fault.failure.rule();
                tracing::debug!(rule, source = %stream.flow.remote.ip(), "TLS: {}", fault.detail);
                self.close(key, "tls");
            }
        }
    }

    fn close_asked(&mut self, flow: FlowId, reason: CloseReason) {
        let Some(key) = self.by_flow.get(&flow).copied() else { return };
        let Some(stream) = self.streams.get_mut(key) else { return };
        if !stream.is_drained() && stream.is_up() && reason != CloseReason::Wedged {
            // An error response may still be on its way out.
            let deadline = Clock.mono() + CLOSING_FOR_MAX;
            stream.state = State::Closing { deadline };
            return;
        }
        self.close(key, close_label(reason));
    }

    pub(crate) fn close(&mut self, key: usize, reason: &'static str) {
        self.close_failed(key, reason, SendFailure::Unreachable);
    }

    /// The same; `unreached` is why nothing could be sent, where the stream was never up.
    pub(crate) fn close_failed(
        &mut self,
        key: usize,
        reason: &'static str,
        unreached: SendFailure,
    ) {
        if self.streams.get(key).is_some_and(Stream::is_handshaking) {
            self.count_handshake(key, -1);
        }
        let Some(mut stream) = self.streams.try_remove(key) else { return };
        stream.say_goodbye();
        let _ = self.poll.registry().deregister(&mut stream.socket);
        let Flow { id, remote, transport, .. } = stream.flow;
        self.readable.remove(&key);
        if let Some(turn) = stream.queued {
            self.handshakes.remove(&(turn, key));
        }
        self.by_flow.remove(&id);
        if self.by_peer.get(&stream.connection) == Some(&key) {
            self.by_peer.remove(&stream.connection);
        }
        let source = source_of(remote.ip());
        match self.by_source.get_mut(&source) {
            Some(source) if source.streams > 1 => source.streams -= 1,
            _ => {
                self.by_source.remove(&source);
            }
        }
        self.write_queues_bytes = self.write_queues_bytes.saturating_sub(stream.queued_bytes);
        self.metrics.transport_streams_open.add(-1);
        if transport == shared::Transport::Tls {
            self.metrics.transport_tls_streams_open.add(-1);
        }
        self.metrics.transport_streams_closed_total.count(reason);
        let failure = if stream.is_up() { SendFailure::Closed } else { unreached };
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
        let stalled_for_max = self.config.stalled_for_max;
        let stalled = |stream: &Stream| {
            stream.stalled_since().is_some_and(|since| now.since(since) >= stalled_for_max)
        };
        let late = |stream: &Stream| {
            // Who waits for us is not late at once: after a restart all phones come together.
            let grace = stream.queued.map_or(Duration::ZERO, |_| QUEUED_HANDSHAKE_GRACE);
            stream.deadline().is_some_and(|deadline| deadline + grace <= now)
        };
        let late: Vec<(usize, &'static str)> = self
            .streams
            .iter()
            .filter_map(|(key, stream)| match stream.state {
                _ if !late(stream) && stalled(stream) => Some((key, "stalled")),
                _ if !late(stream) => None,
                State::Connecting { .. } => Some((key, "connect_timeout")),
                State::Handshaking { .. } => Some((key, "handshake_timeout")),
                State::Silent { .. } => Some((key, "silent")),
                State::Open | State::Closing { .. } => Some((key, "asked")),
            })
            .collect();
        for (key, reason) in late {
            match reason {
                "handshake_timeout" => {
                    self.handshake_over(key, reason, TlsFailure::TimedOut);
                }
                _ => self.close(key, reason),
            }
        }
        for listener in &mut self.listeners {
            listener.ready = true;
        }
        self.metrics
            .transport_write_queue_bytes
            .set(i64::try_from(self.write_queues_bytes).unwrap_or(i64::MAX));
    }

    /// Tells the signaling thread, in order; what it has no room for waits, and reading stops meanwhile.
    pub(crate) fn up(&mut self, message: Up) {
        if !self.waiting_up.is_empty() {
            return self.waiting_up.push_back(message);
        }
        if let Err(message) = self.up.send(message) {
            self.dropped.count("transport_delayed");
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

/// Small messages do not wait for each other (RFC 896), and the kernel finds out about peers that are
/// gone: by what they do not acknowledge, and by asking where nothing is said.
fn watch_over(socket: &TcpStream) {
    let socket = socket2::SockRef::from(socket);
    let keep_alive = socket2::TcpKeepalive::new()
        .with_time(ALIVE_AFTER)
        .with_interval(ALIVE_EVERY)
        .with_retries(3);
    // A socket that has none of these works all the same, only for longer than it should.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&keep_alive);
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
}

fn listen(
    poll: &Poll,
    transport: shared::Transport,
    address: SocketAddr,
    token: Token,
) -> io::Result<Listener> {
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
    Ok(Listener { socket, local, transport, ready: true })
}

/// The address that a peer is shown: the public one of the edge, or of the node for peers of its IP
/// version, where it is set.
fn shown(config: &TransportConfig, bound: SocketAddr) -> SocketAddr {
    let public = config.public_address.filter(|public| public.is_ipv4() == bound.is_ipv4());
    let by_node = || public.map(|public| SocketAddr::new(public, bound.port()));
    config.edges.shown(bound).or_else(by_node).unwrap_or(bound)
}

/// Begins to connect, from that address. mio tells when the connection is there, or why it is not.
fn open(remote: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    use socket2::{Domain, Protocol, Socket, Type};
    let Some(source) = source else { return TcpStream::connect(remote) };
    let socket = Socket::new(Domain::for_address(remote), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    match socket.connect(&remote.into()) {
        Err(error)
            if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
        {
            Err(error)
        }
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

const fn close_label(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Framing => "framing",
        CloseReason::Slow => "slow",
        CloseReason::Idle => "idle",
        CloseReason::Wedged => "wedged",
        CloseReason::NoRoom => "unfinished_bytes",
        CloseReason::Flood => "flood",
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
/// Steps of handshakes in one turn: each may cost a signature (a millisecond with RSA).
const HANDSHAKES_A_TURN: usize = 4;
/// Beyond its deadline, for a handshake that has had no step of ours when it was due. Phones give up by
/// themselves before (RFC 3261 timer F).
const QUEUED_HANDSHAKE_GRACE: Duration = Duration::from_secs(30);
/// What the peer's kernel does not acknowledge for so long, no peer will answer.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(20);
const ALIVE_AFTER: Duration = Duration::from_secs(120);
const ALIVE_EVERY: Duration = Duration::from_secs(15);
const READ_BYTES: usize = 16 * 1024;
const SWEEP_EVERY: Duration = Duration::from_millis(500);
const CLOSING_FOR_MAX: Duration = Duration::from_secs(2);
