//! Give and take under load: a small gateway plays own packets between gifts, and the peer's sink looks at every
//! number.
//!
//! The party sends without pause, numbered by its timestamps. The gateway gives the leg, takes it back, relays
//! what came up, sends a packet of its own, finds the new map on the party's next packet and gives the leg
//! again. At the end each packet of the party arrived once, and the numbers that left have no hole.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use plane::{RelayStream, g711};
use shared::Codec;

use super::super::entry::{Entry, NotGiven};
use super::super::fast_path::FastPath;
use super::super::rule::{Family, Rule};
use super::frame::Frame;
use super::namespace::TX_CHECKSUMS;
use super::site::{A, Site};
use crate::clock;

/// Gifts in one test.
const ROUNDS: u32 = 2_500;
/// Packets a second.
const RATE: u32 = 50_000;
/// Packets on their way that stop the party, so that no queue overflows.
const WINDOW: u32 = 1_000;
const FIRST: u32 = 0x1_0000;

/// The samples of packet `index` as the party sends them.
fn samples(index: u32) -> Vec<u8> {
    (0..160).map(|at: u32| (at ^ index.wrapping_mul(0x9E37) >> 5) as u8).collect()
}

/// What both ends share.
#[derive(Default)]
struct Progress {
    sent: AtomicU32,
    /// Packets of the party that reached the peer.
    arrived: AtomicU32,
    stop: AtomicBool,
}

fn start_party(
    socket: UdpSocket,
    to: SocketAddr,
    rule: Rule,
    progress: Arc<Progress>,
) -> JoinHandle<()> {
    thread::spawn(move || {
        // On one processor, so that the kernel keeps the order of the packets.
        let processor = core_affinity::get_core_ids().and_then(|ids| ids.first().copied());
        assert!(processor.is_some_and(core_affinity::set_for_current), "a processor");
        let begun = Instant::now();
        while !progress.stop.load(Relaxed) {
            let sent = progress.sent.load(Relaxed);
            let due = (begun.elapsed().as_micros() as u64 * u64::from(RATE) / 1_000_000) as u32;
            if sent > due || sent - progress.arrived.load(Relaxed) > WINDOW {
                thread::yield_now();
                continue;
            }
            let frame = Frame {
                sequence: sent as u16,
                timestamp: sent.wrapping_mul(160),
                ssrc: rule.ssrc,
                payload: samples(sent),
                ..Frame::rtp(rule.source, to)
            };
            socket.send_to(&frame.rtp_bytes(), to).expect("room");
            progress.sent.store(sent + 1, Relaxed);
        }
    })
}

/// What the peer got.
#[derive(Default)]
struct Heard {
    /// Extended sequence numbers, in order of arrival.
    numbers: Vec<u32>,
    own: u32,
}

/// Checks the bytes of each packet as it comes. Ends half a second after the last one.
fn start_peer(socket: UdpSocket, rule: Rule, progress: Arc<Progress>) -> JoinHandle<Heard> {
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a time-out");
    thread::spawn(move || {
        let mut heard = Heard::default();
        let mut seen = vec![false; 1 << 24];
        let mut newest = FIRST + 1_000;
        let mut bytes = [0; 2_048];
        loop {
            let Ok((len, from)) = socket.recv_from(&mut bytes) else {
                if progress.stop.load(SeqCst) {
                    return heard;
                }
                continue;
            };
            assert_eq!(from, rule.out_source);
            let packet = &bytes[..len];
            let sequence = u16::from_be_bytes([packet[2], packet[3]]);
            let ahead = sequence.wrapping_sub(newest as u16) as i16;
            let number = newest.wrapping_add_signed(ahead.into());
            newest = newest.max(number);
            heard.numbers.push(number);
            assert_eq!(packet[8..12], rule.out_ssrc.to_be_bytes());
            if packet[1] & 0x80 != 0 {
                heard.own += 1;
                continue;
            }
            let timestamp = u32::from_be_bytes(packet[4..8].try_into().unwrap());
            let index = timestamp.wrapping_sub(rule.delta_timestamp) / 160;
            let mut expected = samples(index);
            g711::translate(rule.codec, rule.out_codec, &mut expected);
            assert_eq!(packet[12..], expected, "samples of packet {index}");
            assert_eq!(packet[1], rule.out_payload_type);
            assert!(!std::mem::replace(&mut seen[index as usize], true), "packet {index} twice");
            progress.arrived.fetch_add(1, Relaxed);
        }
    })
}

/// The gateway's side of the leg.
struct Gateway<'s> {
    entry: Entry<'s>,
    from_party: UdpSocket,
    to_peer: UdpSocket,
    rule: Rule,
    next: u32,
    /// Lowest extended number that the present feed may use.
    floor: u32,
    /// Highest extended number of the party, and its timestamp.
    highest: u32,
    timestamp: u32,
    /// Packets that the program relayed, the gateway relayed, and the gateway made.
    relayed: [u32; 3],
    /// Of those of the program: packets that the driver's hook relayed.
    by_driver: u32,
    /// Packets that came behind the packet of our own that followed them. Each leaves a hole (I8).
    late: u32,
}

impl Gateway<'_> {
    /// Relays one packet that went up; `false` when there is none.
    fn take_packet(&mut self, anchors: bool) -> bool {
        let mut bytes = [0; 2_048];
        let Ok(len) = self.from_party.recv(&mut bytes) else { return false };
        let packet = &mut bytes[..len];
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let timestamp = u32::from_be_bytes(packet[4..8].try_into().unwrap());
        let ahead_of_all = sequence.wrapping_sub(self.highest as u16) as i16;
        if anchors && ahead_of_all <= 0 {
            // It was on its way when later ones were relayed (a driver delivers in batches): no map is right for it.
            self.late += 1;
            return false;
        }
        if anchors {
            self.rule.delta_sequence = (self.next as u16).wrapping_sub(sequence);
            self.floor = self.next;
        }
        let out_sequence = sequence.wrapping_add(self.rule.delta_sequence);
        let ahead = out_sequence.wrapping_sub(self.next as u16) as i16;
        let number = self.next.wrapping_add_signed(ahead.into());
        if number < self.floor {
            self.late += 1;
            return true;
        }
        self.next = self.next.max(number + 1);
        if ahead_of_all > 0 {
            self.highest = self.highest.wrapping_add_signed(ahead_of_all.into());
            self.timestamp = timestamp;
        }
        let out_timestamp = timestamp.wrapping_add(self.rule.delta_timestamp);
        self.send(false, out_sequence, out_timestamp, &mut packet[12..]);
        self.relayed[1] += 1;
        true
    }

    fn send(&self, own: bool, sequence: u16, timestamp: u32, payload: &mut [u8]) {
        g711::translate(self.rule.codec, self.rule.out_codec, payload);
        let frame = Frame {
            marker: own,
            payload_type: self.rule.out_payload_type,
            sequence,
            timestamp,
            ssrc: self.rule.out_ssrc,
            payload: payload.to_vec(),
            ..Frame::rtp(self.rule.out_source, self.rule.out_destination)
        };
        self.to_peer.send_to(&frame.rtp_bytes(), self.rule.out_destination).expect("room");
    }

    fn give(&mut self) {
        let now = (clock::now().as_nanos() / 125_000) as u32;
        let stream = RelayStream {
            next: self.next,
            highest: self.highest,
            timestamp: self.timestamp,
            transit: now.wrapping_sub(self.timestamp),
            jitter_16: 0,
        };
        while let Err(error) = self.entry.give(&self.rule, &stream) {
            assert_eq!(error, NotGiven::Unsettled);
            thread::yield_now();
        }
    }

    /// Takes the leg back and counts what the program did.
    fn take(&mut self) {
        self.next = self.entry.take().expect("it was given");
        while !self.entry.is_settled() {
            thread::yield_now();
        }
        let figures = self.entry.figures();
        self.relayed[0] += figures.packets;
        // Each gift starts the figures anew.
        self.by_driver += figures.by_driver;
        self.highest = figures.highest;
        self.timestamp = figures.timestamp;
        assert_eq!((figures.forged, figures.other_ssrc, figures.wrong_length), (0, 0, 0));
    }

    /// A gift of some packets' time, a packet of our own, and a new map.
    fn round(&mut self, length: Duration) {
        self.give();
        let begun = Instant::now();
        while begun.elapsed() < length {
            // A packet that went up takes the leg back and gives it again behind it, as in the plane. One at a time: at
            // this rate the next ones would come up as well, and the program would have nothing to do.
            if self.from_party.peek(&mut [0]).is_ok() {
                self.take();
                self.take_packet(false);
                self.give();
            } else {
                thread::yield_now();
            }
        }
        self.take();
        // Everything that went up before is of the old map.
        while self.take_packet(false) {}
        self.send(true, self.next as u16, 0, &mut [0xFF; 160]);
        self.next += 1;
        self.relayed[2] += 1;
        let begun = Instant::now();
        while !self.take_packet(true) {
            assert!(begun.elapsed() < Duration::from_secs(10), "the party's next packet");
            thread::yield_now();
        }
    }
}

/// Where the hand-over runs.
pub(super) struct Course<'s> {
    pub path: &'s FastPath,
    pub rule: Rule,
    /// Sockets of the party, of the gateway on both sides, of the peer.
    pub sockets: [UdpSocket; 4],
    /// Where the party sends to.
    pub local: SocketAddr,
}

/// Runs the rounds and checks that every packet arrived once and every number was used once.
pub(super) fn expect_exact(course: Course<'_>, rounds: u32) -> u32 {
    let Course { path, mut rule, sockets: [party, from_party, to_peer, peer], local } = course;
    (rule.codec, rule.out_codec, rule.delta_sequence) = (Codec::Pcmu, Codec::Pcma, 1_000);
    from_party.set_nonblocking(true).expect("a socket");
    let progress = Arc::new(Progress::default());
    let heard = start_peer(peer, rule, progress.clone());
    let mut gateway = Gateway {
        entry: path.entry(A).expect("a port of the range"),
        from_party,
        to_peer,
        rule,
        next: FIRST + 1_000,
        floor: FIRST + 1_000,
        highest: FIRST - 1,
        timestamp: 0,
        relayed: [0; 3],
        by_driver: 0,
        late: 0,
    };
    let party = start_party(party, local, rule, progress.clone());
    for round in 0..rounds {
        // Between 20 and 210 µs: from the shortest gift on, at every phase of the party's packets.
        gateway.round(Duration::from_micros(20 + u64::from(round * 7 % 20) * 10));
    }
    progress.stop.store(true, SeqCst);
    party.join().expect("the party checks nothing");
    let sent = progress.sent.load(SeqCst);
    let begun = Instant::now();
    while gateway.relayed[0] + gateway.relayed[1] + gateway.late < sent {
        gateway.take_packet(false);
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?} of {sent}", gateway.relayed);
    }
    let heard = heard.join().expect("right bytes");
    let [by_program, by_gateway, own] = gateway.relayed;
    println!(
        "{sent} packets: {by_program} by the program, {by_gateway} by the gateway, {own} own, {} late",
        gateway.late
    );
    assert_eq!(by_program + by_gateway + gateway.late, sent, "packets are conserved (I4)");
    assert!(gateway.late * 1_000 < sent, "{} of {sent} were late", gateway.late);
    assert_eq!((heard.own, own), (rounds, rounds));
    assert!(by_program > rounds && by_gateway >= rounds, "both sides worked");
    let mut numbers = heard.numbers;
    numbers.sort_unstable();
    let twice = numbers.windows(2).filter(|pair| pair[0] == pair[1]).count();
    let left = sent + own - gateway.late;
    assert_eq!((numbers.len(), twice), (left as usize, 0), "numbers that left, and twice");
    let range = FIRST + 1_000..gateway.next;
    assert!(numbers.iter().all(|number| range.contains(number)));
    assert_eq!(range.len(), (left + gateway.late) as usize, "a number was skipped");
    gateway.by_driver
}

/// One of four tests, which make ten thousand gifts together; the XDP hook has four of its own.
fn expect_exact_on_veth(family: Family, offloads: bool) {
    let Some(site) = Site::on_veth(family) else { return };
    expect_exact_on(&site, offloads);
}

pub(super) fn expect_exact_on(site: &Site, offloads: bool) -> u32 {
    for (namespace, interface) in [(site.party(), "pa"), (&site.gateway, "gwb")] {
        namespace.set_offload(interface, TX_CHECKSUMS, offloads);
    }
    let sockets = site.sockets();
    let course = Course { path: &site.path, rule: site.rules[0], sockets, local: site.at[1] };
    expect_exact(course, ROUNDS)
}

#[test]
fn gifts_under_load_neither_repeat_nor_skip_a_number_with_ipv4_and_partial_checksums() {
    expect_exact_on_veth(Family::V4, true);
}

#[test]
fn gifts_under_load_neither_repeat_nor_skip_a_number_with_ipv4_and_whole_checksums() {
    expect_exact_on_veth(Family::V4, false);
}

#[test]
fn gifts_under_load_neither_repeat_nor_skip_a_number_with_ipv6_and_partial_checksums() {
    expect_exact_on_veth(Family::V6, true);
}

#[test]
fn gifts_under_load_neither_repeat_nor_skip_a_number_with_ipv6_and_whole_checksums() {
    expect_exact_on_veth(Family::V6, false);
}

#[test]
fn gifts_on_loopback_neither_repeat_nor_skip_a_number() {
    let Some(site) = Site::on_loopback(Family::V4) else { return };
    let sockets = site.sockets();
    let course = Course { path: &site.path, rule: site.rules[0], sockets, local: site.at[1] };
    expect_exact(course, ROUNDS / 5);
}
