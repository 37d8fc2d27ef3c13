//! Conservation of packets: each that came was sent on, used or dropped for a reason, and /metrics says
//! so to the packet. Checked against what the test itself sent and got, on each backend.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::application::{Answer, Application};
use crate::gateway::{Gateway, fast_path_is_denied};
use crate::metrics::Samples;
use crate::sipp::{self, Running, Sipp};
use crate::wait::{Pace, until};

/// Good packets each way over the bridge.
const GOOD: u64 = 600;
/// RTCP reports each way; fewer than the rate limit of ten a second.
const REPORTS: u64 = 4;
/// First byte of the payload of good packets; silence and prompts are other bytes.
const MARK: u8 = 0x33;

#[test]
fn io_uring_accounts_for_every_packet() {
    assert_eq!(every_packet_is_accounted_for("io_uring"), 0);
}

#[test]
fn the_portable_backend_accounts_for_every_packet() {
    assert_eq!(every_packet_is_accounted_for("portable"), 0);
}

#[test]
fn the_kernel_and_the_gateway_together_account_for_every_packet() {
    if fast_path_is_denied() {
        return;
    }
    let below = every_packet_is_accounted_for("io_uring\"\nfast_path = \"tc");
    assert!(below > GOOD, "the kernel relayed {below}");
}

/// Returns how many of the packets the kernel relayed.
fn every_packet_is_accounted_for(backend: &str) -> u64 {
    let gateway = Gateway::start(&format!("backend = \"{backend}\"\n"));
    let in_kernel = backend.contains("fast_path");
    let backend = backend.split('"').next().expect("a first part");
    let word = format!(" media={backend}/1");
    assert!(gateway.ready_line.contains(&word), "{}", gateway.ready_line);
    let callee_port = sipp::free_port();
    let application = Application::start(move |_| {
        Answer::twiml(&format!("<Dial><Sip>sip:bob@127.0.0.1:{callee_port}</Sip></Dial>"))
    });
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");

    let (alice, bob) = (Ends::open(), Ends::open());
    let _calls = bridged(&gateway, callee_port, &alice, &bob);
    let (to_alice, to_bob) = (alice.gateway_rtp(), bob.gateway_rtp());
    let mut numbers = (Numbers::new(0xA11CE), Numbers::new(0xB0B));
    latch(&alice, &bob, &mut numbers);
    if in_kernel {
        gateway.metrics_when("both ways in the kernel", |now| {
            now.sum("media_fast_path_legs", "") == 2
        });
    }
    let sent_before = alice.sent() + bob.sent();
    let before = received(&gateway, sent_before);
    let forwarded = before.sum("media_packets_forwarded_total", "");
    until("what was sent onward to arrive", || alice.marked() + bob.marked() == forwarded);
    let marked_before = (alice.marked(), bob.marked());

    // Twenty times as fast as a phone: no socket buffer overflows.
    let mut pace = Pace::every_ms(1);
    for step in 0..GOOD {
        alice.send(to_alice, &numbers.0.next(0, &[MARK; 160]));
        bob.send(to_bob, &numbers.1.next(0, &[MARK; 160]));
        if step % (GOOD / REPORTS) == 0 {
            alice.report(to_alice);
            bob.report(to_bob);
        }
        pace.tick();
    }
    let dropped = send_what_must_be_dropped(&gateway, &alice, to_alice, &mut numbers.0);

    let sent = alice.sent() + bob.sent();
    let after = received(&gateway, sent);
    let change = |metric: &str, label: &str| after.sum(metric, label) - before.sum(metric, label);
    let info = after.name("media_backend_info", &format!("backend=\"{backend}\""));
    assert!(info.is_some(), "{after:#?}");
    assert_eq!(change("media_packets_received_total", ""), sent - sent_before, "received");
    assert_eq!(change("media_packets_forwarded_total", ""), 2 * GOOD, "sent onward");
    assert_eq!(change("media_packets_consumed_total", ""), 2 * REPORTS, "used here");
    for (reason, count) in &dropped {
        let label = format!("reason=\"{reason}\"");
        assert_eq!(change("media_packets_dropped_total", &label), *count, "dropped as {reason}");
    }
    let all: u64 = dropped.iter().map(|(_, count)| count).sum();
    assert_eq!(change("media_packets_dropped_total", ""), all, "dropped for any reason");
    expect_balance(&after);

    arrived(&alice, marked_before.0 + GOOD);
    arrived(&bob, marked_before.1 + GOOD);
    everything_sent_arrived(&gateway, &[&alice, &bob]);
    after.sum("media_fast_path_packets_total", "")
}

fn expect_balance(samples: &Samples) {
    let all = |metric: &str| samples.sum(metric, "");
    let out = all("media_packets_forwarded_total")
        + all("media_packets_to_mesh_total")
        + all("media_packets_consumed_total")
        + all("media_packets_dropped_total");
    assert_eq!(all("media_packets_received_total"), out);
    assert_eq!(all("media_packets_refused_total"), 0);
}

/// A few of each kind that no leg may take; the reasons that /metrics must give.
fn send_what_must_be_dropped(
    gateway: &Gateway,
    alice: &Ends,
    to: SocketAddr,
    numbers: &mut Numbers,
) -> Vec<(&'static str, u64)> {
    let foreign = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    for _ in 0..7 {
        alice.send_from(&foreign, to, &numbers.next(0, &[MARK; 160]));
    }
    for first in [0x40, 0xC0] {
        alice.send(to, &with_first_byte(first, numbers));
    }
    for length in [0, 1, 11] {
        alice.send(to, &numbers.next(0, &[])[..length]);
    }
    for _ in 0..4 {
        alice.send(to, &numbers.next(33, &[MARK; 160]));
    }
    alice.send(to, &with_first_byte(0, numbers));
    alice.send(to, &with_first_byte(22, numbers));
    alice.send(to, &numbers.next(0, &[MARK; 2_500]));
    // More CSRCs than the datagram is long.
    alice.send(to, &with_first_byte(0x8F, numbers)[..30]);
    let rtcp = SocketAddr::new(to.ip(), to.port() + 1);
    alice.send(rtcp, &numbers.next(0, &[MARK; 160]));
    alice.send(to, &receiver_report());
    alice.send_from(&alice.rtcp, rtcp, &receiver_report()[..6]);
    alice.send_from(&foreign, gateway.last_media_port(), &numbers.next(0, &[MARK; 160]));
    vec![
        ("stranger", 7),
        ("not_rtp", 2),
        ("too_short", 3),
        ("payload_type", 4),
        ("stun", 1),
        ("dtls", 1),
        ("too_long", 1),
        ("malformed", 1),
        ("wrong_port", 2),
        ("rtcp_malformed", 1),
        ("no_leg", 1),
    ]
}

fn with_first_byte(first: u8, numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = numbers.next(0, &[MARK; 160]);
    bytes[0] = first;
    bytes
}

fn bridged(gateway: &Gateway, callee_port: u16, alice: &Ends, bob: &Ends) -> [Running; 2] {
    let callee = Sipp::new(&sipp::callee("", "0 101"))
        .key("media", &bob.port().to_string())
        .with(&format!("-p {callee_port} -m 1"))
        .spawn();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hang_up_after(39_000);
    let caller = Sipp::caller(&scenario, alice.port()).start(gateway.sip_udp);
    [callee, caller]
}

/// Both speak until both hear each other: from then on all that is good goes over the bridge.
fn latch(alice: &Ends, bob: &Ends, numbers: &mut (Numbers, Numbers)) {
    until("the parties to hear each other", || {
        alice.send(alice.gateway_rtp(), &numbers.0.next(0, &[MARK; 160]));
        bob.send(bob.gateway_rtp(), &numbers.1.next(0, &[MARK; 160]));
        alice.marked() > 0 && bob.marked() > 0
    });
}

/// Metrics once this number of datagrams was received in total.
fn received(gateway: &Gateway, count: u64) -> Samples {
    let name = "media_packets_received_total";
    gateway.metrics_when(&format!("{count} received"), |now| now.sum(name, "") >= count)
}

fn arrived(party: &Ends, marked: u64) {
    until("every good packet to arrive", || party.marked() >= marked);
    assert_eq!(party.marked(), marked);
}

/// Sent by the gateway = got by the parties, RTCP and silence included, between two of its packets.
fn everything_sent_arrived(gateway: &Gateway, parties: &[&Ends]) {
    let got = || parties.iter().map(|party| party.received()).sum::<u64>();
    until("what the gateway sent to be what arrived", || {
        let before = got();
        let sent = gateway.metrics().sum("media_packets_sent_total", "");
        before == sent && got() == sent
    });
}

/// Sequence numbers and timestamps of one RTP stream.
struct Numbers {
    ssrc: u32,
    sent: u16,
}

impl Numbers {
    fn new(ssrc: u32) -> Self {
        Self { ssrc, sent: 0 }
    }

    fn next(&mut self, payload_type: u8, payload: &[u8]) -> Vec<u8> {
        self.sent += 1;
        let mut bytes = vec![0x80, payload_type];
        bytes.extend_from_slice(&self.sent.to_be_bytes());
        bytes.extend_from_slice(&(u32::from(self.sent) * 160).to_be_bytes());
        bytes.extend_from_slice(&self.ssrc.to_be_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }
}

/// An empty receiver report and a CNAME (RFC 3550 §6.1: every compound packet has both).
fn receiver_report() -> Vec<u8> {
    let mut bytes = vec![0x80, 201, 0, 1, 0, 0, 0, 9];
    bytes.extend_from_slice(&[0x81, 202, 0, 3, 0, 0, 0, 9, 1, 4, b't', b'e', b's', b't', 0, 0]);
    bytes
}

/// One party's RTP and RTCP sockets, each read by a thread that counts.
struct Ends {
    rtp: Arc<UdpSocket>,
    rtcp: Arc<UdpSocket>,
    counts: Arc<Counts>,
    readers: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    received: AtomicU64,
    marked: AtomicU64,
    /// Port that RTP last came from.
    gateway: AtomicU64,
    is_over: AtomicBool,
}

impl Ends {
    fn open() -> Self {
        let (rtp, rtcp) = neighbours();
        let (rtp, rtcp, counts) = (Arc::new(rtp), Arc::new(rtcp), Arc::new(Counts::default()));
        let readers = [&rtp, &rtcp].map(|socket| {
            let (socket, counts) = (Arc::clone(socket), Arc::clone(&counts));
            std::thread::spawn(move || count(&socket, &counts))
        });
        Self { rtp, rtcp, counts, readers: readers.into() }
    }

    fn port(&self) -> u16 {
        self.rtp.local_addr().expect("bound").port()
    }

    /// The address that the gateway sends RTP to this party from; waits for the first packet.
    fn gateway_rtp(&self) -> SocketAddr {
        let port = || u16::try_from(self.counts.gateway.load(Ordering::Acquire)).expect("a port");
        until("the gateway's first packet", || port() != 0);
        SocketAddr::from(([127, 0, 0, 1], port()))
    }

    fn send(&self, to: SocketAddr, bytes: &[u8]) {
        self.send_from(&self.rtp, to, bytes);
    }

    fn send_from(&self, socket: &UdpSocket, to: SocketAddr, bytes: &[u8]) {
        socket.send_to(bytes, to).expect("sent");
        self.counts.sent.fetch_add(1, Ordering::AcqRel);
    }

    fn report(&self, rtp: SocketAddr) {
        let to = SocketAddr::new(rtp.ip(), rtp.port() + 1);
        self.send_from(&self.rtcp, to, &receiver_report());
    }

    fn sent(&self) -> u64 {
        self.counts.sent.load(Ordering::Acquire)
    }

    fn received(&self) -> u64 {
        self.counts.received.load(Ordering::Acquire)
    }

    fn marked(&self) -> u64 {
        self.counts.marked.load(Ordering::Acquire)
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.counts.is_over.store(true, Ordering::Release);
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

fn count(socket: &UdpSocket, counts: &Counts) {
    let mut bytes = [0; 2_048];
    while !counts.is_over.load(Ordering::Acquire) {
        let Ok((length, from)) = socket.recv_from(&mut bytes) else { continue };
        if from.port() % 2 == 0 {
            counts.gateway.store(from.port().into(), Ordering::Release);
        }
        if length == 172 && bytes[12..172].iter().all(|byte| *byte == MARK) {
            counts.marked.fetch_add(1, Ordering::AcqRel);
        }
        counts.received.fetch_add(1, Ordering::AcqRel);
    }
}

/// Two sockets with an even port and the next one.
fn neighbours() -> (UdpSocket, UdpSocket) {
    let bind = |port: u16| UdpSocket::bind(("127.0.0.1", port)).ok();
    let pair = || {
        let rtp = bind(0)?;
        let port = rtp.local_addr().ok()?.port();
        (port % 2 == 0).then_some(())?;
        Some((rtp, bind(port + 1)?))
    };
    let (rtp, rtcp) = (0..1_000).find_map(|_| pair()).expect("two free ports side by side");
    for socket in [&rtp, &rtcp] {
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    }
    (rtp, rtcp)
}
