//! How late a member of a room is heard, in virtual time: a talker whose packets jitter, and a listener. Shell.
//!
//! A lone talker is copied code by code, so the listener finds each frame again, and its number in it. It may lie
//! across two packets: where the buffer has left out a part of a frame, it reads across those that arrive.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use plane::{MeshFrame, Output, Plane, PlaneConfig, SocketId, rtp};
use shared::{BySink, CoreId, Instant, MediaEvent, Playout, Sink, SplitMix, TapFrame};

use super::plan::{Plan, party, port};
use crate::report::Section;

/// Runs each mode over paths with more and more jitter.
pub(super) fn section() -> Section {
    let columns =
        ["playout buffer", "jitter (standard deviation)", "p50, ms", "p99, ms", "lost, %"];
    let mut section = Section::new("Rooms, added delay", &columns);
    for (name, playout) in [
        ("adaptive", Playout::Adaptive),
        ("fixed, 20 ms", Playout::Fixed(20)),
        ("fixed, 40 ms", Playout::Fixed(40)),
    ] {
        for jitter_ms in [0.0, 5.0, 10.0] {
            let Heard { delays_ms, lost } = hear(playout, jitter_ms);
            let at = |part: usize| delays_ms.get(delays_ms.len() * part / 100).copied();
            section.row([
                name.to_owned(),
                format!("{jitter_ms:.0} ms"),
                at(50).map_or_else(String::new, |ms| format!("{ms:.1}")),
                at(99).map_or_else(String::new, |ms| format!("{ms:.1}")),
                format!("{:.2}", lost as f64 / f64::from(PACKETS) * 100.0),
            ]);
        }
    }
    section.note(format!(
        "From the mean arrival of a packet to the one in which its frame leaves; {PACKETS} packets, virtual time, 16 phases of \
         the talker against the room's tick. Lost: came too late or were left out."
    ));
    section
}

/// What the listener heard.
struct Heard {
    /// Sorted.
    delays_ms: Vec<f64>,
    lost: u32,
}

const PACKETS: u32 = 16 * PACKETS_A_PHASE;
const PACKETS_A_PHASE: u32 = 3_000;
/// Of each phase, packets before the adaptive delay has settled.
const SETTLING: u32 = 500;

fn hear(playout: Playout, jitter_ms: f64) -> Heard {
    let mut all = Heard { delays_ms: Vec::new(), lost: 0 };
    for phase in 0..16 {
        let heard = hear_at(playout, jitter_ms, phase);
        all.delays_ms.extend(heard.delays_ms);
        all.lost += heard.lost;
    }
    all.delays_ms.sort_by(f64::total_cmp);
    all
}

/// One talker, whose packets leave this many 16ths of a tick after it.
fn hear_at(playout: Playout, jitter_ms: f64, phase: u64) -> Heard {
    let mut random = SplitMix::new(phase);
    let mut flights = BTreeMap::new();
    for number in 0..PACKETS_A_PHASE {
        let sent_us = 1_000_000 + u64::from(number) * 20_000 + phase * 1_250;
        let late_us = (PATH_US as f64 + normal(&mut random) * jitter_ms * 1_000.0).max(0.0);
        flights.insert((sent_us + late_us as u64, number), sent_us);
    }
    let mut listener = Listener { heard: BTreeMap::new(), now_us: 0, before: None };
    let mut plane = plane(playout, &mut listener);
    let sent: BTreeMap<u32, u64> =
        flights.iter().map(|((_, number), sent)| (*number, *sent)).collect();
    for (at_us, number) in flights.into_keys() {
        pass_until(&mut plane, at_us, &mut listener);
        let mut packet = packet(number);
        let now = instant(at_us);
        let _ = plane.receive(now, SocketId::rtp(0), party(0), &mut packet, &mut listener);
    }
    pass_until(&mut plane, 2_000_000 + u64::from(PACKETS_A_PHASE) * 20_000, &mut listener);
    let mut heard = Heard { delays_ms: Vec::new(), lost: 0 };
    for (number, sent_us) in sent.into_iter().skip(SETTLING as usize) {
        match listener.heard.get(&number) {
            Some(at_us) => {
                let delay_us = at_us.saturating_sub(sent_us + PATH_US);
                heard.delays_ms.push(delay_us as f64 / 1_000.0);
            }
            None => heard.lost += 1,
        }
    }
    heard
}

/// The mean time of a packet on its way.
const PATH_US: u64 = 40_000;

fn pass_until(plane: &mut Plane, until_us: u64, listener: &mut Listener) {
    while let Some((due, _)) = plane.poll_timeout().filter(|(due, _)| *due <= instant(until_us)) {
        listener.now_us = due.as_millis() * 1_000;
        plane.tick(due, listener);
    }
}

fn instant(us: u64) -> Instant {
    Instant::from_millis(us / 1_000)
}

/// A frame that says its number in codes far above the noise floor.
fn packet(number: u32) -> [u8; 172] {
    let mut packet = [0; 172];
    if let Some(head) = packet.first_chunk_mut() {
        rtp::write_header(head, false, 0, number as u16, number * 160, 7);
    }
    for (at, code) in packet[12..].iter_mut().enumerate() {
        let sign = 0x80 * (at % 2) as u8;
        let first = if at == 0 { FIRST } else { 0x10 };
        *code = sign + first + (number >> (at % 16) & 1) as u8;
    }
    packet
}

/// The number that such a frame says; `None` for any other.
fn number_of(payload: &[u8]) -> Option<u32> {
    if payload.first()? & 0xF0 != FIRST {
        return None;
    }
    let bits = payload.get(..16)?.iter().enumerate();
    let number = bits.fold(0, |number, (at, code)| number | u32::from(code & 1) << at);
    (payload == &packet(number)[12..]).then_some(number)
}

/// The code that begins a frame, and no other, without the lowest bit.
const FIRST: u8 = 0x20;

/// Normal distribution by the sum of twelve uniform numbers.
fn normal(random: &mut SplitMix) -> f64 {
    (0..12).map(|_| (random.number() >> 11) as f64 / (1u64 << 53) as f64).sum::<f64>() - 6.0
}

fn plane(playout: Playout, listener: &mut Listener) -> Plane {
    let mut plane = Plane::new(PlaneConfig {
        core: CoreId(0),
        cores: 1,
        ports: (0..2).map(port).collect(),
        own: Arc::default(),
        legs_max: 2,
        taps_max: BySink::default(),
        feeds_max: 0,
        room_members_max: 2,
        seed: 1,
        inband_digits: false,
        unix_ms_at_zero: 0,
        has_tier: false,
    });
    let plan = Plan { rooms: 1, members: 2, playout, hears: true };
    for command in plan.commands(port, party) {
        plane.command(Instant::from_millis(900), command, listener);
    }
    plane
}

/// When the second party heard which frame.
struct Listener {
    heard: BTreeMap<u32, u64>,
    now_us: u64,
    /// The payload before and when it came.
    before: Option<(u64, [u8; 160])>,
}

impl Listener {
    /// Finds the frame that begins in the payload before this one.
    fn hear(&mut self, payload: [u8; 160]) {
        if let Some((at_us, before)) = self.before.replace((self.now_us, payload)) {
            let both = [before, payload].concat();
            let found = (0..160).find_map(|at| Some((at, number_of(&both[at..at + 160])?)));
            if let Some((at, number)) = found {
                self.heard.insert(number, at_us + at as u64 * 125);
            }
        }
    }
}

impl Output for Listener {
    fn send(&mut self, socket: SocketId, _: SocketAddr, packet: &[u8]) {
        if socket == SocketId::rtp(1)
            && let Some(payload) = packet.get(12..).and_then(|payload| payload.try_into().ok())
        {
            self.hear(payload);
        }
    }

    fn event(&mut self, _: MediaEvent) {}

    fn deliver(&mut self, _: Sink, _: TapFrame) -> bool {
        true
    }

    fn mesh(&mut self, _: CoreId, _: &MeshFrame) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_says_its_number() {
        for number in [0, 1, 7, 2_999] {
            assert_eq!(number_of(&packet(number)[12..]), Some(number));
        }
        assert_eq!(number_of(&[0xFF; 160]), None);
    }

    #[test]
    fn half_of_the_audio_is_heard_within_30_ms_at_5_ms_of_jitter() {
        let Heard { delays_ms, lost } = hear_at(Playout::Adaptive, 5.0, 3);
        assert!(delays_ms.len() > 2_000, "{}", delays_ms.len());
        let mut sorted = delays_ms;
        sorted.sort_by(f64::total_cmp);
        assert!(sorted[sorted.len() / 2] <= 30.0, "{}", sorted[sorted.len() / 2]);
        assert!(lost * 200 <= PACKETS_A_PHASE - SETTLING, "at most 0.5 %: {lost}");
    }
}
