//! The program at its own cost, for benches: frames that the kernel makes and gives to it as a driver would.
//!
//! ```text
//!   kernel (test run of live frames) --> party --> relay --redirect--> veth --> drop
//!      ^                                                                       |
//!      +------------------------------- the page ------------------------------+
//! ```
//!
//! No socket and no skb is on this way, as with a network card whose driver runs XDP. The kernel fills its pages once and
//! uses them again, so a frame comes back as it left. The *party* is a program in front of ours: it writes the headers
//! that a party would send, with the next sequence number, and goes on into ours by a tail call. *Drop* ends the frame at the
//! other end of the pair. The way without our program, and without the party, says what each of the two costs.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;

use plane::RelayStream;
use shared::{Codec, Instant, MediaPort};

use super::drivers::Drivers;
use super::entry::Figures;
use super::error::{KernelError, Step};
use super::fast_path::{FastPath, FastPathConfig, Hook, ethernet_index, explain};
use super::link::Links;
use super::rule::{Excluded, Rule};
use super::syscall::{self, Attach, MapShape};
use crate::clock;

/// What a frame passes on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameWay {
    /// A program that sends it back at once.
    Bare,
    /// The party, which sends it back at once.
    Party,
    /// The party, and our program from PCMU to this codec.
    Relay(Codec),
}

/// A leg whose party is a program.
#[derive(Debug)]
pub struct FrameRun {
    path: FastPath,
    /// Keeps the program on the interface.
    _drivers: Drivers,
    bare: OwnedFd,
    party: OwnedFd,
    relay: OwnedFd,
    /// The party's programs count in two of them, each its own frames, and one jumps through the third.
    _maps: [OwnedFd; 3],
    interface: u32,
    local: Ipv4Addr,
    /// Next extended sequence number to send, as the leg said when it was taken back.
    next: u32,
}

/// Result of a run.
#[derive(Clone, Copy, Debug)]
pub struct FramesRun {
    /// Time of a frame on its way, in nanoseconds, without the kernel's preparations.
    pub frame_ns: u32,
    /// What the leg counted; nothing where our program is not on the way.
    pub figures: Figures,
}

/// A program that drops every frame at an interface; detached when dropped.
#[derive(Debug)]
pub struct DropAll {
    _program: OwnedFd,
    _link: OwnedFd,
}

/// Drops every frame in the driver of an interface of this network namespace.
///
/// # Errors
/// [`KernelError`]; the driver may have no XDP.
pub fn drop_all(interface: &str) -> Result<DropAll, KernelError> {
    let words = [word(MOVE, 0, 0, 0, XDP_DROP), word(EXIT, 0, 0, 0, 0)];
    let program = syscall::load_program("drop", Attach::XdpNative, &words, None);
    let program = program.map_err(explain(Step::LoadProgram))?;
    let link = syscall::create_link(&program, ethernet_index(interface)?, Attach::XdpNative);
    let no_xdp = |source| KernelError::NoXdp { name: interface.to_owned(), source };
    Ok(DropAll { _link: link.map_err(no_xdp)?, _program: program })
}

impl FrameRun {
    /// Attaches our program to the driver of a veth interface of this network namespace. `local`: the gateway's
    /// address.
    ///
    /// # Errors
    /// [`KernelError`].
    pub fn open(interface: &str, local: Ipv4Addr) -> Result<Self, KernelError> {
        let addresses = vec![IpAddr::V4(local)];
        let config = FastPathConfig { addresses, ports: PORT.rtp..=PORT.rtp + 1, pins: None };
        let mut path = FastPath::open(&config)?;
        let mut drivers = Drivers::open(&mut path, Hook::XdpNative)?;
        drivers.attach(&path, interface)?;
        path.renew(Instant::from_nanos(u64::MAX));
        let Some(relay) = path.xdp_program() else { unreachable!("attached above") };
        let jumps = syscall::create_jumps("relay", relay).map_err(explain(Step::CreateMap))?;
        let shape = MapShape { value_bytes: 8, entries: 1, flags: 0 };
        let count = || syscall::create_array("count", shape).map_err(explain(Step::CreateMap));
        let (alone, count) = (count()?, count()?);
        let load = |name, words: &[u64]| {
            let program = syscall::load_program(name, Attach::XdpNative, words, None);
            program.map_err(explain(Step::LoadProgram))
        };
        let index = ethernet_index(interface)?;
        let no_interface = || KernelError::NoInterface { name: interface.to_owned() };
        let links = Links::open().map_err(explain(Step::Interface));
        let link = links?.find(index).ok_or_else(no_interface)?;
        let party = |count, rest: &[u64]| party_words(link.address, &headers(local), count, rest);
        Ok(Self {
            bare: load("bare", &send_back(index))?,
            party: load("party", &party(&alone, &send_back(index)))?,
            relay: load("party", &party(&count, &go_on(&jumps)))?,
            path,
            _drivers: drivers,
            _maps: [alone, count, jumps],
            interface: index,
            local,
            next: FIRST + u32::from(DELTA),
        })
    }

    /// Sends that many frames on their way, on this thread. Milliseconds of preparations come first, so that millions of
    /// frames say more than thousands.
    ///
    /// # Errors
    /// The kernel refuses the run (live frames need Linux 5.18).
    pub fn run(&mut self, frames: u32, way: FrameWay) -> Result<FramesRun, KernelError> {
        let run = |program| {
            let ran = syscall::run_frames(program, self.interface, &[0; FRAME_BYTES], frames);
            ran.map_err(explain(Step::RunFrames))
        };
        let to = match way {
            FrameWay::Relay(to) => to,
            FrameWay::Bare | FrameWay::Party => {
                let program = if way == FrameWay::Bare { &self.bare } else { &self.party };
                return Ok(FramesRun { frame_ns: run(program)?, figures: Figures::default() });
            }
        };
        let refused = |what: &str| explain(Step::RunFrames)(io::Error::other(what));
        let entry = self.path.entry(PORT).ok_or_else(|| refused("there is no such leg"))?;
        let rule = rule(self.local, to, self.interface);
        entry.give(&rule, &stream(self.next)).map_err(|error| refused(&error.to_string()))?;
        let ran = run(&self.relay);
        self.next = entry.take().unwrap_or(self.next);
        let figures = entry.snapshot().ok_or_else(|| refused("a frame is still under way"))?;
        Ok(FramesRun { frame_ns: ran?, figures })
    }
}

const PORT: MediaPort = MediaPort { address: 0, rtp: 10_010 };
const PARTY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 4_000);
const PEER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 2), 6_000);
const PARTY_SSRC: u32 = 0x1111_2222;
/// Extended sequence number of the party's first frame: the program counts before it writes.
const FIRST: u32 = 0x1_0001;
/// What the leg adds to the party's numbers.
const DELTA: u16 = 1_000;

fn rule(local: Ipv4Addr, to: Codec, interface: u32) -> Rule {
    Rule {
        source: PARTY.into(),
        local: local.into(),
        out_source: SocketAddr::new(local.into(), PORT.rtp + 10),
        out_destination: PEER.into(),
        interface,
        next_hop: None,
        link_address: [2, 0, 0, 0, 0, 2],
        ssrc: PARTY_SSRC,
        out_ssrc: 0x3333_4444,
        payload_type: Codec::Pcmu.static_payload_type(),
        out_payload_type: to.static_payload_type(),
        codec: Codec::Pcmu,
        out_codec: to,
        delta_sequence: DELTA,
        delta_timestamp: 77_000,
        dscp: 46,
        forged: Excluded::Dropped,
        other_ssrc: Excluded::Dropped,
    }
}

/// The party's stream before the number that the leg sends next.
fn stream(next: u32) -> RelayStream {
    let highest = next.wrapping_sub(u32::from(DELTA)).wrapping_sub(1);
    let timestamp = highest.wrapping_sub(FIRST - 1).wrapping_mul(SAMPLES);
    let now = (clock::now().as_nanos() / 125_000) as u32;
    RelayStream { next, highest, timestamp, transit: now.wrapping_sub(timestamp), jitter_16: 0 }
}

/// Samples of a packet of 20 ms.
const SAMPLES: u32 = 160;
const ETHERNET_BYTES: usize = 14;
/// IPv4, UDP and RTP.
const HEADER_BYTES: usize = 40;
const FRAME_BYTES: usize = ETHERNET_BYTES + HEADER_BYTES + SAMPLES as usize;

/// EtherType and headers of the party's frames, from the twelfth byte on. The checksums are wrong, and nobody on the way
/// looks at them; the program updates them as it does others.
fn headers(local: Ipv4Addr) -> [u8; 2 + HEADER_BYTES] {
    let mut bytes = [0; 2 + HEADER_BYTES];
    let ip_bytes = (HEADER_BYTES as u32 + SAMPLES) as u16;
    let parts: [(usize, &[u8]); 9] = [
        (0, &[0x08, 0x00, 0x45, 0x00]),
        (4, &ip_bytes.to_be_bytes()),
        (6, &[0x12, 0x34, 0x40, 0x00, 63, 17, 0xAA, 0xAA]),
        (14, &PARTY.ip().octets()),
        (18, &local.octets()),
        (22, &PARTY.port().to_be_bytes()),
        (24, &PORT.rtp.to_be_bytes()),
        (26, &(ip_bytes - 20).to_be_bytes()),
        (28, &[0xAA, 0xAA, 0x80, 0x00]),
    ];
    for (place, part) in parts {
        bytes[place..place + part.len()].copy_from_slice(part);
    }
    bytes[38..].copy_from_slice(&PARTY_SSRC.to_be_bytes());
    bytes
}

/// The party: writes the gateway's link-layer address, the headers and its next number and timestamp, then does what `rest`
/// says. In registers: 6 the context, 2 and 3 the frame's begin and end, 5 the number.
fn party_words(
    gateway: [u8; 6],
    headers: &[u8; 2 + HEADER_BYTES],
    count: &OwnedFd,
    rest: &[u64],
) -> Vec<u64> {
    let count = syscall::number(count);
    let mut words = vec![
        word(MOVE_REGISTER, 6, 1, 0, 0),
        word(LOAD_32, 2, 1, 0, 0),
        word(LOAD_32, 3, 1, 4, 0),
        word(MOVE_REGISTER, 4, 2, 0, 0),
        word(ADD, 4, 0, 0, FRAME_BYTES as u32),
        // A shorter frame: over everything but the last two instructions.
        word(JUMP_IF_ABOVE, 4, 3, 0, 0),
        word(LOAD_IMMEDIATE, 1, MAP_VALUE, 0, count),
        0,
        word(LOAD_64, 5, 1, 0, 0),
        word(ADD, 5, 0, 0, 1),
        word(STORE_64, 1, 5, 0, 0),
    ];
    let [a, b, c, d, e, f] = gateway;
    words.extend([
        word(MOVE, 4, 0, 0, u32::from_ne_bytes([a, b, c, d])),
        word(STORE_32, 2, 4, 0, 0),
        word(MOVE, 4, 0, 0, u32::from(u16::from_ne_bytes([e, f]))),
        word(STORE_16, 2, 4, 4, 0),
    ]);
    let ethertype = u16::from_ne_bytes([headers[0], headers[1]]);
    words.push(word(MOVE, 4, 0, 0, u32::from(ethertype)));
    words.push(word(STORE_16, 2, 4, 12, 0));
    for (index, eight) in headers[2..].chunks_exact(8).enumerate() {
        let [low, high] = [&eight[..4], &eight[4..]]
            .map(|half| half.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)));
        words.push(word(LOAD_IMMEDIATE, 4, 0, 0, low));
        words.push(u64::from(high) << 32);
        words.push(word(STORE_64, 2, 4, (ETHERNET_BYTES + 8 * index) as u16, 0));
    }
    words.extend([
        word(MOVE_REGISTER, 4, 5, 0, 0),
        word(TO_BIG_ENDIAN, 4, 0, 0, 16),
        word(STORE_16, 2, 4, 44, 0),
        word(MULTIPLY, 5, 0, 0, SAMPLES),
        word(TO_BIG_ENDIAN, 5, 0, 0, 32),
        word(STORE_32, 2, 5, 46, 0),
    ]);
    words.extend(rest);
    let over = words.len() - JUMP - 1;
    words[JUMP] = word(JUMP_IF_ABOVE, 4, 3, over as u16, 0);
    words.extend([word(MOVE, 0, 0, 0, XDP_ABORTED), word(EXIT, 0, 0, 0, 0)]);
    words
}

/// A redirect to the interface of that index, which is how our program sends.
fn send_back(interface: u32) -> [u64; 4] {
    [
        word(MOVE, 1, 0, 0, interface),
        word(MOVE, 2, 0, 0, 0),
        word(CALL, 0, 0, 0, REDIRECT),
        word(EXIT, 0, 0, 0, 0),
    ]
}

/// A tail call, behind which nothing is left to do.
fn go_on(jumps: &OwnedFd) -> [u64; 5] {
    [
        word(MOVE_REGISTER, 1, 6, 0, 0),
        word(LOAD_IMMEDIATE, 2, MAP_FILE, 0, syscall::number(jumps)),
        0,
        word(MOVE, 3, 0, 0, 0),
        word(CALL, 0, 0, 0, TAIL_CALL),
    ]
}

/// Place of the jump over the program.
const JUMP: usize = 5;

/// An instruction (RFC 9669 section 3): opcode, destination and source register, offset, immediate.
fn word(code: u8, to: u8, from: u8, offset: u16, immediate: u32) -> u64 {
    u64::from(code)
        | u64::from(to | from << 4) << 8
        | u64::from(offset) << 16
        | u64::from(immediate) << 32
}

const ADD: u8 = 0x07;
const MULTIPLY: u8 = 0x27;
const MOVE: u8 = 0xB7;
const MOVE_REGISTER: u8 = 0xBF;
const TO_BIG_ENDIAN: u8 = 0xDC;
const LOAD_IMMEDIATE: u8 = 0x18;
const LOAD_32: u8 = 0x61;
const LOAD_64: u8 = 0x79;
const STORE_16: u8 = 0x6B;
const STORE_32: u8 = 0x63;
const STORE_64: u8 = 0x7B;
const JUMP_IF_ABOVE: u8 = 0x2D;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
/// Source registers of an immediate that stands for a map, or for the value in it.
const MAP_FILE: u8 = 1;
const MAP_VALUE: u8 = 2;
/// Numbers of the helpers.
const TAIL_CALL: u32 = 12;
const REDIRECT: u32 = 23;
const XDP_ABORTED: u32 = 0;
const XDP_DROP: u32 = 1;
