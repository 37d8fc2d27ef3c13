//! The loop of the transport thread. Shell.
//!
//! One turn does its work in this order, each part bounded:
//!
//! 1. Note readiness that mio reports. Writable sockets are written at once (`write.rs`), readable ones
//!    queued (`read_queue.rs`): what is read produces messages for signaling, and signaling may be
//!    behind.
//! 2. Carry out the commands of the signaling thread (`commands.rs`), before any read: answers leave
//!    before new requests come in.
//! 3. Send what waits for the signaling thread (`uplink.rs`). While something still waits, 4 and 5
//!    do nothing.
//! 4. Accept connections (`accept.rs`).
//! 5. Read: each open connection once, then a few handshakes (`read.rs`, `handshakes.rs`).
//! 6. Every 500 ms, close what is past its deadline (`close.rs`).
//!
//! The state of a connection (`State` in `connection.rs`) changes in `connect.rs`, `handshakes.rs`,
//! `read.rs` (first byte) and `close.rs`. `lib.rs` draws it.

mod accept;
mod close;
mod commands;
mod connect;
mod handshakes;
mod read;
mod write;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::Duration;

use mio::{Events, Poll, Token};
use shell::{Clock, Doorbell, Labelled, Sender, bounded};

use self::accept::Listener;
use crate::config::TransportConfig;
use crate::connections::Connections;
use crate::message::{Down, Up};
use crate::metrics::TransportMetrics;
use crate::read_queue::ReadQueue;
use crate::tls::TlsParts;
use crate::tls_side::TlsSide;
use crate::uplink::Uplink;

/// A transport thread that is not running yet: its listeners are open.
pub struct Transport {
    config: TransportConfig,
    metrics: Arc<TransportMetrics>,
    poll: Poll,
    doorbell: Doorbell,
    down: Receiver<Down>,
    uplink: Uplink,
    listeners: Vec<Listener>,
    connections: Connections,
    reads: ReadQueue,
    tls: TlsSide,
    /// Bytes in the write queues of all connections.
    write_queues_bytes: usize,
    /// One read goes here before it is copied into a message of its length.
    buffer: Box<[u8]>,
    stopping: bool,
}

/// A running transport thread.
#[derive(Debug)]
pub struct TransportHandle {
    /// Into the thread.
    pub down: Sender<Down>,
    thread: Option<JoinHandle<()>>,
}

impl TransportHandle {
    /// Ends the thread; all connections are closed.
    pub fn stop(mut self) {
        let _ = self.down.send(Down::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Transport {
    /// Opens the listeners. `delayed` is shared with the signaling thread, whose metric it is.
    ///
    /// # Errors
    /// The address that cannot be listened on, and why.
    pub fn open(
        config: TransportConfig,
        metrics: Arc<TransportMetrics>,
        delayed: Arc<Labelled>,
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
            let token = Token(LISTENERS.0 + index);
            let listener = Listener::open(&poll, transport, address, token);
            listeners.push(listener.map_err(|error| (address, error))?);
        }
        let transport = Self {
            config,
            metrics,
            poll,
            doorbell,
            down,
            uplink: Uplink::new(up, delayed),
            listeners,
            connections: Connections::new(),
            reads: ReadQueue::default(),
            tls: TlsSide::default(),
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

    /// Sets the listeners of edges, as they are bound, before the thread runs.
    pub fn set_edges(&mut self, edges: control::Edges) {
        self.config.edges = edges;
    }

    /// Sets certificates and trust, before the thread runs.
    pub fn set_tls(&mut self, parts: TlsParts) {
        self.tls.set(parts);
    }

    /// Lowers the number of connections that may be open at once.
    pub fn limit_connections(&mut self, connections_max: usize) {
        self.config.connections_max = self.config.connections_max.min(connections_max);
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
            self.take_commands();
            self.uplink.flush();
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
        let work = !self.reads.is_empty() || self.listeners.iter().any(|l| l.ready);
        match (self.uplink.is_behind(), work) {
            // The signaling thread does not ring when it has room again: look soon.
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
        let Some(connection) = self.connections.get_mut(key) else { return };
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            connection.readable = true;
            self.reads.add(key, connection);
        }
        if event.is_writable() || event.is_error() {
            self.writable(key);
        }
    }
}

const DOORBELL: Token = Token(usize::MAX);
/// Listeners count up from here, connections (slab keys) from 0.
const LISTENERS: Token = Token(usize::MAX >> 1);
/// Two messages for each of 20,000 connections.
const DOWN_QUEUE_MAX: usize = 40_000;
const READ_BYTES: usize = 16 * 1024;
const SWEEP_EVERY: Duration = Duration::from_millis(500);
