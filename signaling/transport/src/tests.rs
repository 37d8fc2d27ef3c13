//! The transport thread over real loopback sockets on ports that the system chose.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use shell::{Doorbell, Sender, bounded};
use sip::{CloseReason, Flow, FlowId, SendFailure, SendToken};

use super::*;

struct World {
    handle: Option<TransportHandle>,
    down: Sender<Down>,
    up: Receiver<Up>,
    address: SocketAddr,
    metrics: Arc<TransportMetrics>,
    _poll: mio::Poll,
}

impl World {
    fn start(change: impl FnOnce(&mut TransportConfig)) -> Self {
        let mut config = TransportConfig {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            ..TransportConfig::default()
        };
        change(&mut config);
        let poll = mio::Poll::new().expect("a poll");
        let doorbell = Doorbell::new(&poll, mio::Token(0)).expect("a doorbell");
        let (sender, up) = bounded(64, &doorbell);
        let metrics = Arc::new(TransportMetrics::default());
        let (transport, down) =
            Transport::open(config, Arc::clone(&metrics), Arc::default(), sender)
                .expect("listening");
        let address = transport.local_addresses(shared::Transport::Tcp)[0];
        let handle = transport.run(down.clone()).expect("a thread");
        Self { handle: Some(handle), down, up, address, metrics, _poll: poll }
    }

    fn next(&self) -> Up {
        self.up.recv_timeout(Duration::from_secs(10)).expect("a message from the transport thread")
    }

    fn connect(&self) -> (TcpStream, Flow) {
        let stream = TcpStream::connect(self.address).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
        match self.next() {
            Up::Opened { flow, token: None } => (stream, flow),
            other => panic!("{other:?}"),
        }
    }

    fn closed(&self, reason: &str) -> u64 {
        self.metrics.transport_streams_closed_total.value(reason)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.stop();
        }
    }
}

fn is_closed(mut stream: TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    matches!(stream.read(&mut [0; 16]), Ok(0) | Err(_))
}

#[test]
fn bytes_go_up_and_down_one_connection() {
    let world = World::start(|_| {});
    let (mut stream, flow) = world.connect();
    assert_eq!(flow.local, world.address);
    assert_eq!(flow.remote, stream.local_addr().expect("bound"));
    stream.write_all(b"ping").expect("written");
    match world.next() {
        Up::Received { flow: from, bytes } => {
            assert_eq!((from.id, &*bytes), (flow.id, &b"ping"[..]))
        }
        other => panic!("{other:?}"),
    }
    let bytes = Box::from(*b"pong");
    world.down.send(Down::Send { flow: flow.id, bytes, token: SendToken(1) }).expect("room");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("answered");
    assert_eq!(&answer, b"pong");
    drop(stream);
    assert!(matches!(world.next(), Up::Closed { flow: gone } if gone == flow.id));
}

#[test]
fn a_send_to_an_address_connects_once_and_uses_the_connection_again() {
    let world = World::start(|_| {});
    let peer = std::net::TcpListener::bind("127.0.0.1:0").expect("listening");
    let remote = peer.local_addr().expect("bound");
    for (token, text) in [(1, b"one"), (2, b"two")] {
        let bytes = Box::from(*text);
        world
            .down
            .send(Down::SendTo { peer: tcp(remote), bytes, token: SendToken(token) })
            .expect("room");
    }
    let (mut stream, _) = peer.accept().expect("connected");
    let mut bytes = [0; 6];
    stream.read_exact(&mut bytes).expect("both");
    assert_eq!(&bytes, b"onetwo");
    assert!(matches!(world.next(), Up::Opened { token: Some(SendToken(1)), .. }));
}

#[test]
fn a_refused_connection_fails_its_sends() {
    let world = World::start(|_| {});
    let remote = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listening");
        listener.local_addr().expect("bound")
    };
    let bytes = Box::from(*b"x");
    world.down.send(Down::SendTo { peer: tcp(remote), bytes, token: SendToken(9) }).expect("room");
    match world.next() {
        Up::SendFailed { token, reason } => {
            assert_eq!((token, reason), (SendToken(9), SendFailure::Unreachable));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_send_on_a_closed_connection_fails() {
    let world = World::start(|_| {});
    let bytes = Box::from(*b"x");
    let send = Down::Send { flow: FlowId(77), bytes, token: SendToken(3) };
    world.down.send(send).expect("room");
    assert!(matches!(
        world.next(),
        Up::SendFailed { token: SendToken(3), reason: SendFailure::Closed }
    ));
}

#[test]
fn connections_past_the_limit_of_a_source_are_accepted_and_closed() {
    let world = World::start(|config| config.connections_source_max = 2);
    let first = world.connect();
    let _second = world.connect();
    let third = TcpStream::connect(world.address).expect("connected");
    assert!(is_closed(third));
    assert_eq!(world.closed("streams_source_max"), 1);
    drop(first);
    assert!(matches!(world.next(), Up::Closed { .. }));
    let _fourth = world.connect();
}

#[test]
fn connections_past_the_limit_in_all_are_accepted_and_closed() {
    let world = World::start(|config| config.connections_max = 1);
    let _first = world.connect();
    assert!(is_closed(TcpStream::connect(world.address).expect("connected")));
    assert_eq!(world.closed("streams_max"), 1);
}

#[test]
fn a_connection_without_a_byte_is_closed() {
    let world = World::start(|config| config.silent_for_max = Duration::from_millis(50));
    let (stream, flow) = world.connect();
    assert!(matches!(world.next(), Up::Closed { flow: gone } if gone == flow.id));
    assert!(is_closed(stream));
    assert_eq!(world.closed("silent"), 1);
}

#[test]
fn a_peer_that_does_not_read_is_closed_at_the_queue_limit_and_others_work() {
    let world = World::start(|config| config.write_queue_bytes_max = 64 * 1024);
    let (slow, slow_flow) = world.connect();
    let (mut other, other_flow) = world.connect();
    let mut token = 10;
    loop {
        let bytes = vec![b'x'; 60 * 1024].into_boxed_slice();
        let send = Down::Send { flow: slow_flow.id, bytes, token: SendToken(token) };
        world.down.send(send).expect("room");
        token += 1;
        if let Ok(message) = world.up.recv_timeout(Duration::from_millis(20)) {
            assert!(matches!(message, Up::SendFailed { reason: SendFailure::QueueFull, .. }));
            break;
        }
        assert!(token < 2_000, "the kernel took more than any socket buffer holds");
    }
    let bytes = Box::from(*b"hello");
    let send = Down::Send { flow: other_flow.id, bytes, token: SendToken::NOBODY };
    world.down.send(send).expect("room");
    let mut answer = [0; 5];
    other.read_exact(&mut answer).expect("the other connection is unharmed");
    assert_eq!(world.closed("write_queue_full"), 1);
    drop(slow);
}

#[test]
fn queued_messages_are_written_before_a_connection_is_closed() {
    let world = World::start(|_| {});
    let (mut stream, flow) = world.connect();
    let bytes = Box::from(*b"400");
    world.down.send(Down::Send { flow: flow.id, bytes, token: SendToken::NOBODY }).expect("room");
    world.down.send(Down::Close { flow: flow.id, reason: CloseReason::Framing }).expect("room");
    let mut text = Vec::new();
    stream.read_to_end(&mut text).expect("read to its end");
    assert_eq!(text, b"400");
    assert!(matches!(world.next(), Up::Closed { flow: gone } if gone == flow.id));
}

#[test]
fn a_busy_port_names_the_address() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("listening");
    let address = taken.local_addr().expect("bound");
    let poll = mio::Poll::new().expect("a poll");
    let doorbell = Doorbell::new(&poll, mio::Token(0)).expect("a doorbell");
    let (sender, _up) = bounded(1, &doorbell);
    let config = TransportConfig { listen: vec![address], ..TransportConfig::default() };
    let error = Transport::open(config, Arc::default(), Arc::default(), sender).err();
    let (named, error) = error.expect("the port is taken");
    assert_eq!((named, error.kind()), (address, std::io::ErrorKind::AddrInUse));
}

#[test]
fn a_connection_leaves_from_the_address_that_it_shows_and_another_address_gets_another_one() {
    let edges = |edge: &str, bound: &str| control::EdgeListener {
        edge: edge.into(),
        service: control::Service::Plain(FlowId(1)),
        bound: bound.parse().expect("an address"),
        public: Some([192, 0, 2, 7].into()),
        is_egress: false,
        interconnect: None,
    };
    let frankfurt = edges("frankfurt", "127.0.0.3:5060");
    let world = World::start(|config| config.edges = control::Edges::new(vec![frankfurt]));
    let peer = std::net::TcpListener::bind("127.0.0.1:0").expect("listening");
    let remote = peer.local_addr().expect("bound");
    let shown = [world.address, "192.0.2.7:5060".parse().expect("an address")];
    let mut kept = Vec::new();
    for (local, source) in shown.into_iter().zip(["127.0.0.1", "127.0.0.3"]) {
        for token in [SendToken(1), SendToken(2)] {
            let peer = Peer { local, ..tcp(remote) };
            let bytes = Box::from(*b"x");
            world.down.send(Down::SendTo { peer, bytes, token }).expect("room");
        }
        let (mut stream, from) = peer.accept().expect("connected");
        assert_eq!(from.ip().to_string(), source);
        stream.read_exact(&mut [0; 2]).expect("both messages on one connection");
        kept.push(stream);
        match world.next() {
            Up::Opened { flow, token: Some(SendToken(1)) } => assert_eq!(flow.local, local),
            other => panic!("{other:?}"),
        }
    }
}

fn tcp(remote: SocketAddr) -> Peer {
    let local = SocketAddr::from(([0, 0, 0, 0], 0));
    Peer { transport: shared::Transport::Tcp, remote, host: None, local }
}
