//! CPU time of one relayed packet on each backend, from the scheduler's own count.
//!
//! `cargo run --release -p io --example relay -- [streams] [seconds] [packets a second, 0 = saturated] [part of a backend's name] [rounds]`
//!
//! One generator socket plays all parties over loopback; it sends on the legs in turn and checks
//! every byte that comes back. Run under `chrt -f 10` on a busy machine. The cost includes the
//! receive stack of the generator's socket, because loopback runs it inside the send.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use io::{BackendChoice, Core, IoConfig, WaitSettings};
use shared::{
    BySink, Codec, CoreId, Direction, Joined, LatchMode, LegId, LegPlan, MediaCommand, MediaPort,
    NegotiatedMedia,
};

const PACKET_BYTES: usize = 172;
/// Packets under way when saturated.
const WINDOW: usize = 256;
/// Packets sent before what came back is read.
const BURST: u64 = 32;
/// Local address and ports; a leg a port.
const LOCAL: Ipv4Addr = Ipv4Addr::LOCALHOST;

struct Load {
    streams: usize,
    duration: Duration,
    /// Packets a second; 0 = as many as come back.
    rate: u64,
}

struct Outcome {
    sent: u64,
    returned: u64,
    /// Given up while saturated.
    lost: u64,
    elapsed: Duration,
    delays_us: Vec<u32>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| -> Result<u64, Box<dyn Error>> {
        Ok(arguments.next().map(|text| text.parse()).transpose()?.unwrap_or(default))
    };
    let streams = usize::try_from(number(500)?)?;
    let duration = Duration::from_secs(number(3)?);
    let load = Load { streams, duration, rate: number(0)? };
    let only = arguments.next().unwrap_or_default();
    let rounds = arguments.next().map_or(Ok(2), |text| text.parse())?;
    println!(
        "{:<22} {:>8} {:>8} {:>9} {:>8} {:>7} {:>7} {:>7}",
        "backend", "ns/pkt", "kpps", "wakes/s", "lost", "p50 us", "p99 us", "p99.9"
    );
    let one_by_one = WaitSettings { batch_packets: 1, ..WaitSettings::default() };
    let contenders = [
        ("portable", BackendChoice::Portable, one_by_one),
        ("io_uring, wake on 1", BackendChoice::IoUring, one_by_one),
        ("io_uring, adaptive", BackendChoice::IoUring, WaitSettings::default()),
    ];
    for _round in 0..rounds {
        for (name, backend, wait) in contenders {
            if name.contains(&only) {
                measure(name, backend, wait, &load)?;
            }
        }
    }
    Ok(())
}

fn measure(
    name: &str,
    backend: BackendChoice,
    wait: WaitSettings,
    load: &Load,
) -> Result<(), Box<dyn Error>> {
    let config = IoConfig { backend, wait, addresses: vec![LOCAL.into()], ..IoConfig::default() };
    let mut media =
        io::start(&config, Arc::new(|| {}), &BySink::from_fn(|_| Arc::new(|| {}) as io::Wake))?;
    let generator = UdpSocket::bind((LOCAL, 0))?;
    generator.set_nonblocking(true)?;
    let _ = socket2::SockRef::from(&generator).set_recv_buffer_size(4 << 20);
    let core = &mut media.cores[0];
    let ports: Vec<MediaPort> = core.ports.iter().copied().take(load.streams).collect();
    start_calls(core, &ports, generator.local_addr()?);
    let (cpu_before, figures_before) = (cpu_nanos("media-0")?, core.meters.figures());
    let mut outcome = generate(&generator, &ports, load)?;
    let (cpu_after, figures) = (cpu_nanos("media-0")?, core.meters.figures());
    outcome.delays_us.sort_unstable();
    let at = |share: f64| {
        let index = (outcome.delays_us.len() as f64 * share) as usize;
        outcome.delays_us.get(index).copied().unwrap_or(0)
    };
    let seconds = outcome.elapsed.as_secs_f64();
    println!(
        "{name:<22} {:>8} {:>8.0} {:>9.0} {:>8} {:>7} {:>7} {:>7}",
        (cpu_after - cpu_before) / outcome.returned.max(1),
        outcome.returned as f64 / seconds / 1_000.0,
        (figures.wakes - figures_before.wakes) as f64 / seconds,
        outcome.lost + outcome.sent - outcome.returned,
        at(0.5),
        at(0.99),
        at(0.999),
    );
    Ok(())
}

/// Two legs a call, bridged; every party is the generator.
fn start_calls(core: &mut Core, ports: &[MediaPort], party: SocketAddr) {
    let legs: Vec<LegId> = (0..ports.len() as u16).map(leg).collect();
    let mut commands = Vec::new();
    for (leg, port) in legs.iter().zip(ports) {
        commands.push(MediaCommand::StartLeg { leg: *leg, plan: plan(*port, party) });
    }
    for pair in legs.chunks_exact(2) {
        for (leg, other) in [(pair[0], pair[1]), (pair[1], pair[0])] {
            commands.push(MediaCommand::Join { leg, joined: Joined::Party(other) });
        }
    }
    let count = commands.len() as u64;
    for command in commands {
        core.send(command).expect("the ring holds four commands a leg");
    }
    core.ring();
    while core.meters.figures().commands < count {
        while core.poll_event().is_some() {}
        std::thread::yield_now();
    }
    while core.poll_event().is_some() {}
}

fn generate(
    generator: &UdpSocket,
    ports: &[MediaPort],
    load: &Load,
) -> Result<Outcome, Box<dyn Error>> {
    let start = Instant::now();
    let mut outcome =
        Outcome { sent: 0, returned: 0, lost: 0, elapsed: Duration::ZERO, delays_us: Vec::new() };
    let mut packet = [0_u8; PACKET_BYTES];
    let mut last_return = start;
    while start.elapsed() < load.duration {
        let may_send = match load.rate {
            0 => WINDOW as u64 - (outcome.sent - outcome.returned).min(WINDOW as u64),
            rate => {
                let due = start.elapsed().as_nanos() as u64 * rate / 1_000_000_000;
                due.saturating_sub(outcome.sent)
            }
        };
        for _ in 0..may_send.min(BURST) {
            let index = outcome.sent as usize % ports.len();
            let round = (outcome.sent / ports.len() as u64) as u32;
            write_packet(&mut packet, index as u32, round, start.elapsed());
            if generator.send_to(&packet, (LOCAL, ports[index].rtp)).is_ok() {
                outcome.sent += 1;
            }
        }
        let mut came_back = false;
        while take_one(generator, start, &mut outcome)? {
            came_back = true;
        }
        if came_back {
            last_return = Instant::now();
        } else if last_return.elapsed() > Duration::from_millis(200) && load.rate == 0 {
            // What was under way is lost; begin again so that the loop never stops.
            outcome.lost += outcome.sent - outcome.returned;
            outcome.sent = outcome.returned;
            last_return = Instant::now();
        }
    }
    outcome.elapsed = start.elapsed();
    while last_return.elapsed() < Duration::from_millis(100) {
        if take_one(generator, start, &mut outcome)? {
            last_return = Instant::now();
        }
    }
    Ok(outcome)
}

fn take_one(
    generator: &UdpSocket,
    start: Instant,
    outcome: &mut Outcome,
) -> Result<bool, Box<dyn Error>> {
    let mut bytes = [0_u8; 2_048];
    let Ok(len) = generator.recv(&mut bytes) else { return Ok(false) };
    // Silence and reports that the core makes by itself are not ours.
    if len != PACKET_BYTES || bytes[12..16] != MARK {
        return Ok(false);
    }
    let sent_at = u64::from_be_bytes(bytes[16..24].try_into()?);
    let seed = bytes[23];
    if bytes[24..PACKET_BYTES].iter().enumerate().any(|(i, byte)| *byte != body(seed, i)) {
        return Err("a payload byte came back changed".into());
    }
    outcome.returned += 1;
    let delay = start.elapsed().as_micros() as u64 - sent_at / 1_000;
    if outcome.delays_us.len() < 4_000_000 {
        outcome.delays_us.push(delay as u32);
    }
    Ok(true)
}

const MARK: [u8; 4] = *b"load";

fn write_packet(packet: &mut [u8; PACKET_BYTES], stream: u32, round: u32, since_start: Duration) {
    packet[0..2].copy_from_slice(&[0x80, 0]);
    packet[2..4].copy_from_slice(&(round as u16).to_be_bytes());
    packet[4..8].copy_from_slice(&(round * 160).to_be_bytes());
    packet[8..12].copy_from_slice(&(stream + 1).to_be_bytes());
    packet[12..16].copy_from_slice(&MARK);
    packet[16..24].copy_from_slice(&(since_start.as_nanos() as u64).to_be_bytes());
    let seed = packet[23];
    for (i, byte) in packet[24..].iter_mut().enumerate() {
        *byte = body(seed, i);
    }
}

fn body(seed: u8, index: usize) -> u8 {
    seed.wrapping_add(index as u8)
}

fn leg(slot: u16) -> LegId {
    LegId { core: CoreId(0), slot, generation: 0 }
}

fn plan(port: MediaPort, party: SocketAddr) -> Box<LegPlan> {
    Box::new(LegPlan {
        port,
        media: NegotiatedMedia {
            remote_rtp: Some(party),
            remote_rtcp: Some(party),
            rtcp_mux: true,
            codec: Codec::Pcmu,
            payload_type_send: 0,
            payload_type_receive: 0,
            // Else the core would listen for digits in the audio.
            event_payload_type_send: Some(101),
            event_payload_type_receive: Some(101),
            direction: Direction::SendRecv,
            ptime_ms: 20,
            srtp: None,
        },
        latch: LatchMode::Sdp,
        signaling_peer: None,
        ssrc: u32::from(port.rtp),
        first_sequence: 0,
        first_timestamp: 0,
        media_timeout_ms: 0,
    })
}

/// CPU time of the newest thread of this name, from its schedstat.
fn cpu_nanos(thread: &str) -> Result<u64, Box<dyn Error>> {
    let mut newest = None;
    for task in std::fs::read_dir("/proc/self/task")? {
        let path = task?.path();
        if std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == thread) {
            newest = newest.max(Some(path));
        }
    }
    let text = std::fs::read_to_string(newest.ok_or("no such thread")?.join("schedstat"))?;
    Ok(text.split_whitespace().next().ok_or("an empty schedstat")?.parse()?)
}
