//! The program beside a reference of a tier, written from the documentation of [`plane::RelayRule`] alone: the same
//! packets go up, the same bytes leave, the same figures come back.

use plane::{RelayRule, RelayStream, RelayedCounts, g711};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use shared::{Codec, MediaPort};

use super::super::rule::{Route, Rule};
use super::super::syscall;
use super::frame::Frame;
use super::{PORT, config, in_a_minute, open};
use crate::clock;

/// What a tier must do with a rule, but for jitter, which needs the clock of the arrival.
struct Tier {
    rule: RelayRule,
    counts: RelayedCounts,
}

impl Tier {
    fn new(rule: RelayRule) -> Self {
        let stream = rule.stream;
        let counts = RelayedCounts {
            highest: stream.highest,
            timestamp: stream.timestamp,
            transit: stream.transit,
            ..RelayedCounts::default()
        };
        Self { rule, counts }
    }

    fn relay(&mut self, now_samples: u32, frame: &Frame) -> Fate {
        let is_audio = (frame.ssrc, frame.payload_type) == (self.rule.ssrc, self.rule.payload_type);
        let is_plain = frame.first == 0x80 && !frame.payload.is_empty();
        if frame.source != self.rule.source && !self.rule.others_go_up {
            self.counts.strangers += 1;
            return Fate::Dropped;
        }
        if !is_plain || !is_audio || frame.source != self.rule.source {
            return Fate::Up;
        }
        let step = frame.sequence.wrapping_sub(self.counts.highest as u16);
        let transit = now_samples.wrapping_sub(frame.timestamp);
        let is_far = |a: u32, b: u32| (a.wrapping_sub(b) as i32).unsigned_abs() > 80_000;
        let is_jump =
            is_far(frame.timestamp, self.counts.timestamp) && is_far(transit, self.counts.transit);
        if !(1..3_000).contains(&step) || is_jump {
            return Fate::Up;
        }
        let sequence = frame.sequence.wrapping_add(self.rule.delta_sequence);
        self.rule.stream.next += u32::from(step);
        self.count(step, transit, frame);
        let mut payload = frame.payload.clone();
        g711::translate(self.rule.codec, self.rule.out_codec, &mut payload);
        Fate::Sent(Frame {
            payload_type: self.rule.out_payload_type,
            sequence,
            timestamp: frame.timestamp.wrapping_add(self.rule.delta_timestamp),
            ssrc: self.rule.out_ssrc,
            payload,
            ..frame.clone()
        })
    }

    fn count(&mut self, step: u16, transit: u32, frame: &Frame) {
        let counts = &mut self.counts;
        counts.packets += 1;
        counts.octets += frame.payload.len() as u32;
        counts.highest += u32::from(step);
        counts.gaps += u32::from(step > 1);
        counts.transit = transit;
        counts.timestamp = frame.timestamp;
    }
}

/// What becomes of a packet.
#[derive(Debug)]
enum Fate {
    Sent(Frame),
    Up,
    Dropped,
}

/// What is odd about one packet.
#[derive(Clone, Copy, Debug)]
enum Oddity {
    None,
    Step(i32),
    TimeJump(u32),
    PayloadType(u8),
    Ssrc,
    FirstByte(u8),
    Empty,
    Source,
}

fn oddity() -> impl Strategy<Value = Oddity> {
    prop_oneof![
        8 => Just(Oddity::None),
        4 => (-4i32..6).prop_map(Oddity::Step),
        2 => prop_oneof![-130i32..-90, 2_990i32..3_010].prop_map(Oddity::Step),
        1 => prop_oneof![100_000u32..1 << 30, 3 << 30..=u32::MAX - 100_000].prop_map(Oddity::TimeJump),
        1 => any::<u8>().prop_map(|number| Oddity::PayloadType(number & 0x7F)),
        1 => Just(Oddity::Ssrc),
        1 => any::<u8>().prop_map(Oddity::FirstByte),
        1 => Just(Oddity::Empty),
        1 => Just(Oddity::Source),
    ]
}

fn planes_rule(
    others_go_up: bool,
    start: u16,
    delta_sequence: u16,
    delta_timestamp: u32,
) -> RelayRule {
    let next = 0x1_0000 + u32::from(start);
    let now = (clock::now().as_nanos() / 125_000) as u32;
    let highest = 0x5_0000 + u32::from((next as u16).wrapping_sub(1).wrapping_sub(delta_sequence));
    RelayRule {
        port: PORT,
        source: "192.0.2.10:4000".parse().unwrap(),
        others_go_up,
        ssrc: 0x1111_2222,
        payload_type: 0,
        codec: Codec::Pcmu,
        out_port: MediaPort { address: 0, rtp: 10_020 },
        out_destination: "198.51.100.7:6000".parse().unwrap(),
        out_ssrc: 0x3333_4444,
        out_payload_type: 8,
        out_codec: Codec::Pcma,
        delta_sequence,
        delta_timestamp,
        stream: RelayStream {
            next,
            highest,
            timestamp: 9_000,
            transit: now.wrapping_sub(9_000),
            jitter_16: 0,
        },
    }
}

/// The next packet of the party: 20 ms after the one before, but for the oddity.
fn next_frame(tier: &Tier, odd: Oddity) -> Frame {
    let counts = &tier.counts;
    let local = "192.0.2.1:10010".parse().unwrap();
    let mut frame = Frame {
        sequence: (counts.highest as u16).wrapping_add(1),
        timestamp: counts.timestamp.wrapping_add(160),
        ssrc: tier.rule.ssrc,
        ..Frame::rtp(tier.rule.source, local)
    };
    match odd {
        Oddity::None => {}
        Oddity::Step(by) => {
            frame.sequence = frame.sequence.wrapping_add(by as u16);
            // A wide step would be a jump of time as well, which hides its own bound.
            frame.timestamp = frame.timestamp.wrapping_add_signed(by.min(100) * 160);
        }
        Oddity::TimeJump(by) => frame.timestamp = frame.timestamp.wrapping_add(by),
        Oddity::PayloadType(number) => frame.payload_type = number,
        Oddity::Ssrc => frame.ssrc += 1,
        Oddity::FirstByte(byte) => frame.first = byte,
        Oddity::Empty => frame.payload.clear(),
        Oddity::Source => frame.source.set_port(4_001),
    }
    frame
}

#[test]
fn the_program_does_what_the_rule_of_the_plane_says() {
    let local = "192.0.2.1".parse().unwrap();
    let Some(path) = open(&config(local)) else { return };
    path.renew(in_a_minute());
    let entry = path.entry(PORT).expect("a port of the range");
    let route = Route {
        local,
        out_local: local,
        interface: 1,
        next_hop: None,
        link_address: [0; 6],
        dscp: 46,
    };
    let packets = prop::collection::vec(oddity(), 1..80);
    let cases = (any::<bool>(), any::<u16>(), any::<u16>(), any::<u32>(), packets);
    let mut runner =
        TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let outcome =
        runner.run(&cases, |(others_go_up, start, delta_sequence, delta_timestamp, oddities)| {
            entry.take();
            let mut tier =
                Tier::new(planes_rule(others_go_up, start, delta_sequence, delta_timestamp));
            let rule = Rule::of(&tier.rule, &route);
            entry.give(&rule, &tier.rule.stream).expect("an idle leg");
            let before = entry.figures();
            for odd in oddities {
                let frame = next_frame(&tier, odd);
                let now_samples = (clock::now().as_nanos() / 125_000) as u32;
                let fate = tier.relay(now_samples, &frame);
                let ran = syscall::test_run(path.tc_program(), &frame.bytes()).expect("a test run");
                let (verdict, rtp) = match &fate {
                    Fate::Sent(sent) => (7, sent.rtp_bytes()),
                    Fate::Up => (-1, frame.rtp_bytes()),
                    Fate::Dropped => (2, frame.rtp_bytes()),
                };
                prop_assert_eq!(ran.verdict, verdict, "{:?}: {:?}", odd, fate);
                prop_assert_eq!(Frame::read(&ran.frame).rtp_bytes(), rtp);
            }
            let now = clock::now();
            let counts = entry.figures().since(&before, !others_go_up, now);
            let late_by = counts.transit.wrapping_sub(tier.counts.transit) as i32;
            prop_assert!((-1..8_000).contains(&late_by), "transit is {late_by} off");
            let RelayedCounts { transit, jitter_16, last_arrival, .. } = counts;
            prop_assert!(last_arrival <= now);
            prop_assert_eq!(
                counts,
                RelayedCounts { transit, jitter_16, last_arrival, ..tier.counts }
            );
            prop_assert_eq!(entry.take(), Some(tier.rule.stream.next));
            Ok(())
        });
    outcome.expect("one tier");
}
