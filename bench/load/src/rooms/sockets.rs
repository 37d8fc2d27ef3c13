//! A core with rooms whose members speak over loopback: the part of a CPU that its thread takes. Shell.
//!
//! All parties share one socket and one thread, which sends each member's packet every 20 ms and reads what the room
//! sends. Only the core's thread counts. On loopback the sender of a packet runs the receiver's network stack, so the
//! figure holds that of the packets that the room sends.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::io::{IoConfig, Media};
use plane::rtp;
use shared::{BySink, MediaPort, Playout};

use super::Effort;
use super::plan::Plan;
use super::samples::voice;
use crate::endpoint::Trouble;
use crate::report::Section;
use crate::rounds::Rounds;
use crate::schedstat::{self, Thread};
use crate::scheduling::{self, Cpus};

/// Measures rooms with sockets; whether packets were unaccounted for.
pub(super) fn section(effort: Effort) -> (Section, bool) {
    let columns =
        ["rooms", "core %", "range", "packets in/s", "packets out/s", "ns a member and 20 ms"];
    let mut section = Section::new("Rooms, with sockets on loopback", &columns);
    let mut is_broken = false;
    // Before a thread is pinned: that one sees its own CPU only.
    let cpus = Cpus::choose();
    for (what, rooms, members, talkers) in [
        ("one room of 1,000, 3 speak", 1, 1_000, 3),
        ("250 rooms of 4, one speaks in each", 250, 4, 1),
    ] {
        let plan = Plan { rooms, members, playout: Playout::Adaptive, hears: true };
        let run = || measure(plan, talkers, effort, cpus).map_err(|error| error.to_string());
        // The members' thread is pinned and ends; the bench goes on unpinned.
        let measured = std::thread::scope(|scope| scope.spawn(run).join());
        match measured.unwrap_or_else(|_| Err("it panicked".to_owned())) {
            Ok(measured) => section.row(measured.cells(what, plan)),
            Err(error) => {
                is_broken = true;
                section.note(format!("{what}: {error}."));
            }
        }
    }
    section.note(format!(
        "CPU time of the core's thread, medians of {} rounds of {} ms. {}",
        effort.rounds,
        effort.burst.as_millis(),
        if cpus.are_apart() { "" } else { "ONE CPU for core and members." }
    ));
    (section, is_broken)
}

struct Measured {
    core: Rounds,
    packets_in: Rounds,
    packets_out: Rounds,
}

impl Measured {
    fn cells(&self, what: &str, plan: Plan) -> [String; 6] {
        let (low, high) = self.core.range().unwrap_or_default();
        let median = |rounds: &Rounds| rounds.median().unwrap_or_default();
        let core = median(&self.core);
        [
            what.to_owned(),
            format!("{:.1}", core * 100.0),
            format!("{:.1} to {:.1}", low * 100.0, high * 100.0),
            format!("{:.0}", median(&self.packets_in)),
            format!("{:.0}", median(&self.packets_out)),
            format!("{:.0}", core * 20e6 / f64::from(plan.legs())),
        ]
    }
}

fn measure(plan: Plan, talkers: u16, effort: Effort, cpus: Cpus) -> Result<Measured, Trouble> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20)?;
    let (media, ports, thread) = start(plan, cpus.relay, socket.local_addr()?)?;
    // Best effort, as for the other benches: without it the scheduler may move this thread.
    let _ = scheduling::pin_self(cpus.generator);
    let mut members = Members { socket, ports, plan, talkers, voice: voice(), number: 0, heard: 0 };
    members.speak_for(Duration::from_millis(500))?;
    let mut measured = Measured {
        core: Rounds::default(),
        packets_in: Rounds::default(),
        packets_out: Rounds::default(),
    };
    for _ in 0..effort.rounds {
        let (cpu_ns, number, heard) = (thread.cpu_ns()?, members.number, members.heard);
        let start = Instant::now();
        members.speak_for(effort.burst)?;
        let seconds = start.elapsed().as_secs_f64();
        measured.core.push((thread.cpu_ns()? - cpu_ns) as f64 / 1e9 / seconds);
        let sent = f64::from(members.number - number) * f64::from(plan.legs());
        measured.packets_in.push(sent / seconds);
        measured.packets_out.push((members.heard - heard) as f64 / seconds);
    }
    let core = media.cores.first().ok_or("no media core")?;
    let figures = core.meters.figures();
    if figures.received_balance() != 0 {
        return Err(format!("{} packets unaccounted for", figures.received_balance()).into());
    }
    Ok(measured)
}

/// A core with the rooms, its ports and its thread.
fn start(
    plan: Plan,
    cpu: usize,
    party: SocketAddr,
) -> Result<(Media, Vec<MediaPort>, Thread), Trouble> {
    let legs = usize::from(plan.legs());
    let last = FIRST_PORT + 2 * plan.legs() + SPARE_PORTS;
    let config = IoConfig {
        cpus: ::io::Cpus::List(vec![cpu]),
        addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        ports: FIRST_PORT..=last,
        legs_max: legs,
        room_members_max: legs,
        ..IoConfig::default()
    };
    let wakes = BySink::from_fn(|_| Arc::new(|| {}) as ::io::Wake);
    let mut media = ::io::start(&config, Arc::new(|| {}), &wakes)?;
    let thread = schedstat::own_threads(CORE_THREAD)?.pop().ok_or("the core has no thread")?;
    let core = media.cores.first_mut().ok_or("no media core")?;
    let ports: Vec<MediaPort> = core.ports.iter().copied().take(legs).collect();
    if ports.len() < legs {
        return Err(format!("{} of {legs} ports are free", ports.len()).into());
    }
    let commands = plan.commands(|slot| ports[usize::from(slot)], |_| party);
    let count = commands.len() as u64;
    let begun = Instant::now();
    for command in commands {
        let mut command = Some(command);
        while let Some(waiting) = command.take() {
            command = core.send(waiting).err();
            if command.is_some() {
                core.ring();
                while core.poll_event().is_some() {}
                if begun.elapsed() > START_MAX {
                    return Err("the core did not take its commands".into());
                }
                std::thread::yield_now();
            }
        }
    }
    core.ring();
    while core.meters.figures().commands < count {
        while core.poll_event().is_some() {}
        if begun.elapsed() > START_MAX {
            return Err("the core did not take its commands".into());
        }
        std::thread::yield_now();
    }
    match core.meters.figures().commands_refused {
        0 => Ok((media, ports, thread)),
        refused => Err(format!("{refused} commands were refused").into()),
    }
}

/// All parties of the rooms.
struct Members {
    socket: UdpSocket,
    ports: Vec<MediaPort>,
    plan: Plan,
    talkers: u16,
    voice: [u8; 1_600],
    /// Packets of each member.
    number: u32,
    heard: u64,
}

impl Members {
    /// Sends the packets of each 20 ms, spread over them, and reads what comes.
    fn speak_for(&mut self, time: Duration) -> io::Result<()> {
        let start = Instant::now();
        let frames = (time.as_millis() / 20) as u32;
        for frame in 0..frames {
            for slot in 0..self.plan.legs() {
                let due = Duration::from_millis(20) * frame
                    + Duration::from_millis(20) * u32::from(slot) / u32::from(self.plan.legs());
                while start.elapsed() < due {
                    if !self.take()? {
                        std::hint::spin_loop();
                    }
                }
                self.send(slot)?;
            }
            self.number += 1;
        }
        Ok(())
    }

    fn send(&self, slot: u16) -> io::Result<()> {
        let mut packet = [0xFE; 172];
        if let Some(head) = packet.first_chunk_mut() {
            let timestamp = self.number.wrapping_mul(160);
            rtp::write_header(head, false, 0, self.number as u16, timestamp, slot.into());
        }
        if slot % self.plan.members < self.talkers {
            let from = self.number as usize % 10 * 160;
            packet[12..].copy_from_slice(&self.voice[from..from + 160]);
        }
        let to = (Ipv4Addr::LOCALHOST, self.ports[usize::from(slot)].rtp);
        match self.socket.send_to(&packet, to) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads a packet; `false` where there is none.
    fn take(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 2_048];
        match self.socket.recv(&mut bytes) {
            Ok(len) => {
                self.heard += u64::from(len == 172);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Below the ephemeral ports of an ordinary kernel.
const FIRST_PORT: u16 = 10_000;
/// Spare ports, because others may hold some.
const SPARE_PORTS: u16 = 400;
/// The name that package `io` gives the thread of its first core.
const CORE_THREAD: &str = "media-0";
const START_MAX: Duration = Duration::from_secs(5);
