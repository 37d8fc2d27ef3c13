//! A party's media by hand: exact bytes out, exact bytes in.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::wait::Pace;

/// An RTP packet that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub payload_type: u8,
    pub marker: bool,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub payload: Vec<u8>,
}

/// One party's RTP socket.
pub struct Party {
    pub socket: UdpSocket,
}

impl Party {
    pub fn new() -> Self {
        Self::on("127.0.0.1:0")
    }

    pub fn on_ipv6() -> Self {
        Self::on("[::1]:0")
    }

    fn on(address: &str) -> Self {
        Self::of(UdpSocket::bind(address).expect("a free port"))
    }

    /// A party with a socket that is bound already.
    pub fn of(socket: UdpSocket) -> Self {
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        Self { socket }
    }

    pub fn port(&self) -> u16 {
        self.socket.local_addr().expect("bound").port()
    }

    /// A SIPp scenario whose SDP names this party's address.
    pub fn named_in(&self, scenario: &str) -> String {
        let host = self.socket.local_addr().expect("bound").ip();
        scenario.replace("c=IN IP4 127.0.0.1", &format!("c=IN IP4 {host}"))
    }

    pub fn send(&self, to: SocketAddr, packet: &Packet) {
        let marker = if packet.marker { 0x80 } else { 0 };
        let mut bytes = vec![0x80, packet.payload_type | marker];
        bytes.extend_from_slice(&packet.sequence.to_be_bytes());
        bytes.extend_from_slice(&packet.timestamp.to_be_bytes());
        bytes.extend_from_slice(&packet.ssrc.to_be_bytes());
        bytes.extend_from_slice(&packet.payload);
        self.socket.send_to(&bytes, to).expect("sent");
    }

    /// The next packet and where it came from; `None` after 5 s without one.
    pub fn receive(&self) -> Option<(Packet, SocketAddr)> {
        let mut bytes = [0; 2048];
        let (length, from) = self.socket.recv_from(&mut bytes).ok()?;
        parse(&bytes[..length]).map(|packet| (packet, from))
    }

    /// Packets for which `wanted` holds, until there are `count` or 10 s are over.
    pub fn receive_until(&self, count: usize, wanted: impl Fn(&Packet) -> bool) -> Vec<Packet> {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut found = Vec::new();
        while found.len() < count && Instant::now() < deadline {
            match self.receive() {
                Some((packet, _)) if wanted(&packet) => found.push(packet),
                Some(_) => {}
                None => break,
            }
        }
        found
    }
}

/// One stream that a party sends: sequence numbers and timestamps go on from packet to packet.
pub struct Stream {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
}

impl Stream {
    pub fn new(ssrc: u32) -> Self {
        Self { ssrc, sequence: 0, timestamp: 8_000 }
    }

    /// The next 20 ms of sound, mu-law.
    pub fn next(&mut self, payload: Vec<u8>) -> Packet {
        let packet = self.packet(0, self.sequence == 0, payload);
        self.timestamp += 160;
        packet
    }

    /// Says each payload, one every 20 ms, as a phone does.
    pub fn say(
        &mut self,
        party: &Party,
        to: SocketAddr,
        payloads: impl IntoIterator<Item = Vec<u8>>,
    ) {
        let mut pace = Pace::every_ms(20);
        for payload in payloads {
            party.send(to, &self.next(payload));
            pace.tick();
        }
    }

    /// Presses a key for 120 ms: telephone events (RFC 4733) of payload type `kind`, the end three times.
    pub fn press(&mut self, party: &Party, to: SocketAddr, kind: u8, event: u8) {
        let mut pace = Pace::every_ms(20);
        for step in 1..=8u16 {
            let end = if step >= 6 { 0x80 } else { 0 };
            let [high, low] = (step.min(6) * 160).to_be_bytes();
            party.send(to, &self.packet(kind, step == 1, vec![event, end | 10, high, low]));
            pace.tick();
        }
        self.timestamp += 8 * 160;
    }

    fn packet(&mut self, payload_type: u8, marker: bool, payload: Vec<u8>) -> Packet {
        let (sequence, timestamp, ssrc) = (self.sequence, self.timestamp, self.ssrc);
        self.sequence = sequence.wrapping_add(1);
        Packet { payload_type, marker, sequence, timestamp, ssrc, payload }
    }
}

/// Packets of a sound that is not silence, for [`Stream::say`].
pub fn sound(packets: u16) -> impl Iterator<Item = Vec<u8>> {
    (0..packets).map(|number| vec![0x10 + (number % 8) as u8; 160])
}

fn parse(bytes: &[u8]) -> Option<Packet> {
    let (head, payload) = bytes.split_at_checked(12)?;
    Some(Packet {
        payload_type: head[1] & 0x7F,
        marker: head[1] & 0x80 != 0,
        sequence: u16::from_be_bytes([head[2], head[3]]),
        timestamp: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
        ssrc: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
        payload: payload.to_vec(),
    })
}

/// A party that says one byte, or a sound, over and over, in packets of so many milliseconds, and counts what it
/// hears. It begins when it first hears something, and ends when dropped.
pub struct Talker {
    shared: Arc<Heard>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct Heard {
    /// Packets by the byte that all their payload is.
    of: [AtomicUsize; 256],
    /// Packets with a payload that is mostly loud.
    loud: AtomicUsize,
    /// Every packet, in the order of arrival.
    all: Mutex<Vec<Packet>>,
    /// Where the newest came from.
    from: Mutex<Option<SocketAddr>>,
    is_over: AtomicBool,
}

impl Talker {
    pub fn start(party: Party, says: u8, packet_ms: u16) -> Self {
        let payload = vec![says; usize::from(packet_ms) * 8];
        Self::say(party, Says { payload_type: 0, ssrc: u32::from(says), packet_ms, codes: payload })
    }

    /// Says these codes of a static payload type, whole packets of 20 ms, from the start again after their end.
    pub fn sounding(party: Party, payload_type: u8, codes: Vec<u8>) -> Self {
        Self::say(party, Says { payload_type, ssrc: 20, packet_ms: 20, codes })
    }

    fn say(party: Party, says: Says) -> Self {
        let shared = Arc::new(Heard {
            of: [const { AtomicUsize::new(0) }; 256],
            loud: AtomicUsize::new(0),
            all: Mutex::default(),
            from: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let heard = Arc::clone(&shared);
        let thread = Some(std::thread::spawn(move || talk(&party, &says, &heard)));
        Self { shared, thread }
    }

    /// Packets so far that were this byte and nothing else.
    pub fn heard(&self, byte: u8) -> usize {
        self.shared.of[usize::from(byte)].load(Ordering::Relaxed)
    }

    /// Where the newest packet came from: our media port for this party.
    pub fn gateway(&self) -> SocketAddr {
        self.shared.from.lock().expect("not poisoned").expect("it has heard something")
    }

    /// All packets so far, in the order of arrival.
    pub fn packets(&self) -> Vec<Packet> {
        self.shared.all.lock().expect("not poisoned").clone()
    }

    /// Packets so far that were mostly loud.
    pub fn loud(&self) -> usize {
        self.shared.loud.load(Ordering::Relaxed)
    }
}

/// What a talker says.
struct Says {
    payload_type: u8,
    ssrc: u32,
    packet_ms: u16,
    /// G.711 codes, a multiple of a packet.
    codes: Vec<u8>,
}

impl Says {
    fn packet(&self, number: u32) -> Packet {
        let samples = u32::from(self.packet_ms) * 8;
        let packets = self.codes.len() / samples as usize;
        let at = number as usize % packets * samples as usize;
        Packet {
            payload_type: self.payload_type,
            marker: number == 0,
            sequence: number as u16,
            timestamp: number.wrapping_mul(samples),
            ssrc: self.ssrc,
            payload: self.codes[at..at + samples as usize].to_vec(),
        }
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn talk(party: &Party, says: &Says, heard: &Heard) {
    party.socket.set_read_timeout(Some(Duration::from_millis(2))).expect("a timeout");
    let (mut gateway, mut number) = (None, 0u32);
    let interval = Duration::from_millis(u64::from(says.packet_ms));
    let mut due = Instant::now();
    while !heard.is_over.load(Ordering::Relaxed) {
        while let Some((packet, from)) = party.receive() {
            // Reports and events are not counted.
            if packet.payload_type == 0 {
                count(heard, &packet.payload);
            }
            gateway = Some(from);
            heard.all.lock().expect("not poisoned").push(packet);
            *heard.from.lock().expect("not poisoned") = gateway;
        }
        let Some(to) = gateway.filter(|_| Instant::now() >= due) else { continue };
        party.send(to, &says.packet(number));
        number += 1;
        due = (due + interval).max(Instant::now() - interval);
    }
}

fn count(heard: &Heard, payload: &[u8]) {
    if let Some(first) = payload.first().filter(|first| payload.iter().all(|byte| byte == *first)) {
        heard.of[usize::from(*first)].fetch_add(1, Ordering::Relaxed);
    }
    let loud = payload.iter().filter(|byte| **byte & 0x7F < 0x60).count();
    heard.loud.fetch_add(usize::from(loud * 2 > payload.len()), Ordering::Relaxed);
}
