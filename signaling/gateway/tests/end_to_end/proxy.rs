//! A bad network in user space: RTP from a party to the gateway is lost, doubled, delayed and so
//! reordered, by a seed. What was delivered is kept, so that a test can say what it came to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How bad it is. Chances are in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Impairment {
    pub loss: u64,
    pub duplicates: u64,
    /// Packets that the next ones overtake.
    pub reorder: u64,
    /// Random delay of every packet, 0 to so much.
    pub jitter_ms: u64,
    pub seed: u64,
}

/// One packet that was handed on, in the order of that.
#[derive(Clone, Debug)]
pub struct Delivered {
    pub at: Instant,
    pub sequence: u16,
    pub timestamp: u32,
    pub payload: Vec<u8>,
}

/// The network between one party and the gateway.
pub struct Proxy {
    /// The address that the party sends to.
    pub inner: SocketAddr,
    /// The port that the party's SDP names.
    pub port: u16,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    inner: UdpSocket,
    outer: UdpSocket,
    party: SocketAddr,
    /// The source of the gateway's RTP, once a packet has come.
    gateway: Mutex<Option<SocketAddr>>,
    impairment: Mutex<(Impairment, u64)>,
    delivered: Mutex<Vec<Delivered>>,
    is_over: AtomicBool,
}

/// The figures of a list of deliveries, by their definitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    pub lost: u64,
    pub duplicates: u64,
    pub reordered: u64,
    pub bursts: u64,
}

impl Proxy {
    /// A perfect network until changed.
    pub fn before(party: &UdpSocket) -> Self {
        let open = || {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
            socket.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout");
            socket
        };
        let (inner, outer) = (open(), open());
        let address = inner.local_addr().expect("bound");
        let port = outer.local_addr().expect("bound").port();
        let shared = Arc::new(Shared {
            inner,
            outer,
            party: party.local_addr().expect("bound"),
            gateway: Mutex::new(None),
            impairment: Mutex::default(),
            delivered: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let threads = [Shared::carry_out, Shared::carry_in].map(|carry: fn(&Shared)| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || carry(&shared))
        });
        Self { inner: address, port, shared, threads: threads.into() }
    }

    pub fn impair(&self, impairment: Impairment) {
        *lock(&self.shared.impairment) = (impairment, impairment.seed);
    }

    /// All that was handed on so far.
    pub fn delivered(&self) -> Vec<Delivered> {
        lock(&self.shared.delivered).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Party to gateway, badly.
    fn carry_out(&self) {
        let mut waiting: BTreeMap<(Instant, u64), Vec<u8>> = BTreeMap::new();
        let (mut bytes, mut count) = ([0; 2_048], 0);
        while !self.is_over.load(Ordering::Acquire) {
            if let Ok(length) = self.inner.recv(&mut bytes) {
                for delay in self.fates() {
                    count += 1;
                    waiting.insert((Instant::now() + delay, count), bytes[..length].to_vec());
                }
            }
            while let Some(entry) = waiting.first_entry().filter(|e| e.key().0 <= Instant::now()) {
                self.deliver(&entry.remove());
            }
        }
    }

    /// Gateway to party, as it is.
    fn carry_in(&self) {
        let mut bytes = [0; 2_048];
        while !self.is_over.load(Ordering::Acquire) {
            let Ok((length, from)) = self.outer.recv_from(&mut bytes) else { continue };
            *lock(&self.gateway) = Some(from);
            let _ = self.inner.send_to(&bytes[..length], self.party);
        }
    }

    fn deliver(&self, packet: &[u8]) {
        let Some(to) = *lock(&self.gateway) else { return };
        let numbers = |range: std::ops::Range<usize>| packet.get(range).expect("an RTP header");
        let delivered = Delivered {
            at: Instant::now(),
            sequence: u16::from_be_bytes(numbers(2..4).try_into().expect("two")),
            timestamp: u32::from_be_bytes(numbers(4..8).try_into().expect("four")),
            payload: packet[12..].to_vec(),
        };
        // Kept before it is sent: whoever sees what it led to finds it here.
        lock(&self.delivered).push(delivered);
        self.outer.send_to(packet, to).expect("sent");
    }

    /// After what times a packet arrives: never, once or twice.
    fn fates(&self) -> Vec<Duration> {
        let (impairment, state) = &mut *lock(&self.impairment);
        let mut below = |bound: u64| {
            *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (mixed ^ (mixed >> 31)) % bound
        };
        if below(1_000) < impairment.loss {
            return Vec::new();
        }
        let copies = 1 + usize::from(below(1_000) < impairment.duplicates);
        let overtaken_ms = if below(1_000) < impairment.reorder { 25 } else { 0 };
        (0..copies)
            .map(|_| Duration::from_millis(overtaken_ms + below(impairment.jitter_ms + 1)))
            .collect()
    }
}

/// The figures of deliveries. The first has the lowest number, and numbers do not wrap.
pub fn figures(delivered: &[Delivered]) -> Figures {
    let mut came = BTreeSet::new();
    let (mut duplicates, mut reordered) = (0, 0);
    for packet in delivered {
        let newest = came.last().copied();
        if !came.insert(packet.sequence) {
            duplicates += 1;
        } else if newest > Some(packet.sequence) {
            reordered += 1;
        }
    }
    let (first, last) = (came.first().copied(), came.last().copied());
    let span = first.zip(last).map(|(first, last)| first..=last).expect("deliveries");
    let lost: Vec<u16> = span.filter(|number| !came.contains(number)).collect();
    // RFC 3611 §4.7.2: fewer than 16 received between two losses make them one burst.
    let clusters = lost.chunk_by(|a, b| b - a <= 16);
    let bursts = clusters.filter(|cluster| cluster.len() > 1).count() as u64;
    Figures { lost: lost.len() as u64, duplicates, reordered, bursts }
}

/// Interarrival jitter at the end in milliseconds (RFC 3550 §6.4.1), copies left out.
pub fn jitter_ms(delivered: &[Delivered]) -> f64 {
    let mut came = BTreeSet::new();
    let first = delivered.first().expect("deliveries");
    let transits = delivered.iter().filter(|packet| came.insert(packet.sequence)).map(|packet| {
        let arrived_ms = packet.at.duration_since(first.at).as_secs_f64() * 1_000.0;
        arrived_ms - f64::from(packet.timestamp.wrapping_sub(first.timestamp) as i32) / 8.0
    });
    let transits: Vec<f64> = transits.collect();
    transits.windows(2).fold(0.0, |jitter, pair| {
        let difference: f64 = pair[1] - pair[0];
        jitter + (difference.abs() - jitter) / 16.0
    })
}

/// Longest time between two deliveries.
pub fn longest_pause(delivered: &[Delivered]) -> Duration {
    delivered.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("not poisoned")
}
