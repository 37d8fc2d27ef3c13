//! The program on single frames, by the kernel's test run: every byte of the answer.

use std::net::SocketAddr;

use plane::{RelayStream, g711};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use shared::Codec;

use super::super::entry::{Entry, Figures, NotGiven};
use super::super::fast_path::FastPath;
use super::super::rule::{Excluded, Family, Ineligible, Rule};
use super::super::syscall;
use super::super::word::Word;
use super::frame::{Frame, UdpChecksum};
use super::{PORT, config, in_a_minute, open, rule, stream};

const REDIRECT: i32 = 7;
const UP: i32 = -1;
const DROP: i32 = 2;

/// A fast path with one leg, and the packets of its party.
struct Bench {
    path: FastPath,
    rule: Rule,
    next: Frame,
}

impl Bench {
    fn of(family: Family) -> Option<Self> {
        let [party, local, peer] = match family {
            Family::V4 => ["192.0.2.10:4000", "192.0.2.1:10010", "198.51.100.7:6000"],
            Family::V6 => ["[2001:db8::10]:4000", "[2001:db8::1]:10010", "[2001:db8:7::7]:6000"],
        }
        .map(|address| address.parse::<SocketAddr>().unwrap());
        let path = open(&config(local.ip()))?;
        path.renew(in_a_minute());
        let rule = rule(party, local.ip(), peer, 1);
        let next =
            Frame { sequence: 500, timestamp: 9_000, ssrc: rule.ssrc, ..Frame::rtp(party, local) };
        Some(Self { path, rule, next })
    }

    fn each() -> impl Iterator<Item = Self> {
        [Family::V4, Family::V6].into_iter().filter_map(Self::of)
    }

    fn entry(&self) -> Entry<'_> {
        self.path.entry(PORT).expect("a port of the range")
    }

    fn give(&self) {
        let stream = stream(&self.rule, self.next.sequence, self.next.timestamp);
        self.entry().give(&self.rule, &stream).expect("an idle leg");
    }

    fn run(&self, frame: &[u8]) -> (i32, Vec<u8>) {
        let ran = syscall::test_run(self.path.tc_program(), frame).expect("a test run");
        (ran.verdict, ran.frame)
    }

    /// What the peer should get of a packet.
    fn relayed(&self, frame: &Frame) -> Frame {
        let rule = &self.rule;
        let mut payload = frame.payload.clone();
        g711::translate(rule.codec, rule.out_codec, &mut payload);
        Frame {
            source: rule.out_source,
            destination: rule.out_destination,
            traffic_class: rule.dscp << 2,
            hops: 64,
            payload_type: rule.out_payload_type,
            sequence: frame.sequence.wrapping_add(rule.delta_sequence),
            timestamp: frame.timestamp.wrapping_add(rule.delta_timestamp),
            ssrc: rule.out_ssrc,
            payload,
            ..frame.clone()
        }
    }

    fn expect_relayed(&self, frame: &Frame) {
        let (verdict, bytes) = self.run(&frame.bytes());
        assert_eq!(verdict, REDIRECT, "{frame:?}");
        assert_eq!(Frame::read(&bytes), self.relayed(frame));
    }

    /// Not relayed, and not a byte of it changed.
    fn expect_untouched(&self, bytes: &[u8], verdict: i32, why: &str) {
        let before = self.entry().figures();
        assert_eq!(self.run(bytes), (verdict, bytes.to_vec()), "{why}");
        assert_eq!(self.entry().figures().packets, before.packets, "{why}");
    }
}

#[test]
fn a_packet_leaves_with_every_field_of_the_rule() {
    for bench in Bench::each() {
        bench.give();
        bench.expect_relayed(&bench.next);
        let marked = Frame { sequence: 501, timestamp: 9_160, marker: true, ..bench.next.clone() };
        bench.expect_relayed(&marked);
        let figures = bench.entry().figures();
        assert_eq!((figures.packets, figures.octets), (2, 320));
        assert_eq!((figures.highest, figures.gaps), (0x1_0000 + 501, 0));
        assert!(bench.entry().is_settled());
        let now = (crate::clock::now().as_nanos() / 125_000) as u32;
        assert!(now.wrapping_sub(figures.arrival) < 8_000, "within the last second");
        assert_eq!(bench.entry().take(), Some(0x1_0000 + 1_502));
        assert_eq!(bench.entry().take(), None);
        bench.expect_untouched(&marked.bytes(), UP, "taken back");
    }
}

#[test]
fn samples_of_any_length_are_translated_by_the_tables_of_the_recommendation() {
    for mut bench in Bench::each() {
        for (codec, out_codec) in [(Codec::Pcmu, Codec::Pcma), (Codec::Pcma, Codec::Pcmu)] {
            (bench.rule.codec, bench.rule.out_codec) = (codec, out_codec);
            bench.give();
            let mut frame = bench.next.clone();
            let lengths = (1..40).chain([80, 160, 161, 240, 255, 256, 480, 999, 1_399, 1_400]);
            for len in lengths {
                frame.payload = (0..len).map(|at| (at * 7 + len) as u8).collect();
                bench.expect_relayed(&frame);
                frame.sequence += 1;
            }
            frame.payload = vec![1; 1_401];
            bench.expect_untouched(&frame.bytes(), UP, "longer than the loop");
            bench.next.sequence = frame.sequence;
            bench.entry().take();
        }
    }
}

#[test]
fn a_wrong_checksum_stays_wrong_by_as_much_and_an_absent_one_absent() {
    for mut bench in Bench::each() {
        bench.rule.out_codec = Codec::Pcma;
        bench.give();
        let mut frame = bench.next.clone();
        let mut states =
            vec![UdpChecksum::Right, UdpChecksum::Wrong(1), UdpChecksum::Wrong(0xBEEF)];
        if bench.rule.local.is_ipv4() {
            states.push(UdpChecksum::Absent);
        }
        for state in states {
            frame.udp_checksum = state;
            bench.expect_relayed(&frame);
            frame.sequence += 1;
        }
    }
}

/// Random packets: the sums of header, pseudo-header and datagram are right for all of them.
#[test]
fn checksums_are_right_whatever_the_bytes() {
    for mut bench in Bench::each() {
        bench.rule.out_codec = Codec::Pcma;
        let packets = (any::<u32>(), any::<[u32; 2]>(), prop::collection::vec(any::<u8>(), 1..300));
        let mut runner = TestRunner::new(Config { cases: 300, ..Config::default() });
        let outcome = runner.run(&packets, |(timestamp, [delta, out_ssrc], payload)| {
            let mut rule = bench.rule;
            (rule.delta_timestamp, rule.out_ssrc) = (delta, out_ssrc);
            let frame = Frame { timestamp, payload, ..bench.next.clone() };
            let stream = stream(&rule, frame.sequence, timestamp);
            bench.entry().give(&rule, &stream).expect("an idle leg");
            let (verdict, bytes) = bench.run(&frame.bytes());
            bench.entry().take();
            prop_assert_eq!(verdict, REDIRECT);
            prop_assert_eq!(Frame::read(&bytes).udp_checksum, UdpChecksum::Right);
            Ok(())
        });
        outcome.expect("right sums");
    }
}

#[test]
fn what_is_not_this_streams_audio_goes_up_as_it_came() {
    for bench in Bench::each() {
        bench.give();
        let plain = &bench.next;
        let cases = [
            ("a telephone event", Frame { payload_type: 101, ..plain.clone() }),
            ("comfort noise", Frame { payload_type: 13, ..plain.clone() }),
            ("RTCP", Frame { marker: true, payload_type: 72, ..plain.clone() }),
            ("STUN", Frame { first: 0, ..plain.clone() }),
            ("DTLS", Frame { first: 22, ..plain.clone() }),
            ("padding", Frame { first: 0xA0, ..plain.clone() }),
            ("an extension", Frame { first: 0x90, ..plain.clone() }),
            ("a CSRC", Frame { first: 0x81, ..plain.clone() }),
            ("a keep-alive", Frame { payload: Vec::new(), ..plain.clone() }),
            ("a jump ahead", Frame { sequence: 500 + 2_999, ..plain.clone() }),
            ("a jump back", Frame { sequence: 499 - 100, ..plain.clone() }),
            ("below the floor", Frame { sequence: 64_530, ..plain.clone() }),
            ("a jump of time", Frame { timestamp: 9_000 + 100_000, ..plain.clone() }),
        ];
        for (what, frame) in cases {
            bench.expect_untouched(&frame.bytes(), UP, what);
        }
        for port in [10_011, 10_012, 9_998, 10_100] {
            let mut frame = plain.clone();
            frame.destination.set_port(port);
            bench.expect_untouched(&frame.bytes(), UP, "another port");
        }
        let figures = bench.entry().figures();
        assert_eq!((figures.forged, figures.other_ssrc, figures.wrong_length), (0, 0, 0));
        bench.expect_relayed(plain);
    }
}

#[test]
fn odd_frames_go_up() {
    for bench in Bench::each() {
        bench.give();
        let plain = bench.next.bytes();
        let changed = |at: usize, byte: u8| {
            let mut bytes = plain.clone();
            bytes[at] = byte;
            bytes
        };
        let mut cases = vec![
            ("another host's frame", changed(0, 2)),
            ("VLAN", [&plain[..12], &[0x81, 0, 0, 5], &plain[12..]].concat()),
            ("padding of the frame", [&plain[..], &[0]].concat()),
            ("only a head", plain[..plain.len() - 165].to_vec()),
        ];
        if bench.rule.local.is_ipv4() {
            cases.push(("IP options", changed(14, 0x46)));
            cases.push(("TCP", changed(14 + 9, 6)));
            cases.push(("more fragments", changed(14 + 6, 0x20)));
            cases.push(("a later fragment", changed(14 + 7, 1)));
        } else {
            cases.push(("a header between", changed(14 + 6, 0)));
        }
        for (what, bytes) in cases {
            bench.expect_untouched(&bytes, UP, what);
        }
    }
}

#[test]
fn forged_packets_are_counted_and_go_where_the_rule_says() {
    for mut bench in Bench::each() {
        for (excluded, verdict) in [(Excluded::Dropped, DROP), (Excluded::Up, UP)] {
            (bench.rule.forged, bench.rule.other_ssrc) = (excluded, excluded);
            bench.give();
            let mut port = bench.next.clone();
            port.source.set_port(4_001);
            bench.expect_untouched(&port.bytes(), verdict, "another port");
            let mut host = bench.next.clone();
            host.source.set_ip(bench.rule.out_destination.ip());
            bench.expect_untouched(&host.bytes(), verdict, "another host");
            let ssrc = Frame { ssrc: 1, ..bench.next.clone() };
            bench.expect_untouched(&ssrc.bytes(), verdict, "another SSRC");
            let event = Frame { payload_type: 72, ..port };
            bench.expect_untouched(&event.bytes(), UP, "RTCP of another source");
            let figures = bench.entry().figures();
            assert_eq!((figures.forged, figures.other_ssrc, figures.packets), (2, 1, 0));
            bench.entry().take();
        }
    }
}

#[test]
fn lengths_that_contradict_each_other_are_dropped_and_counted() {
    for bench in Bench::each() {
        bench.give();
        let plain = bench.next.bytes();
        let udp_length = plain.len() - bench.next.payload.len() - 12 - 8 + 5;
        for by in [1, 0xFF] {
            let mut bytes = plain.clone();
            bytes[udp_length] = bytes[udp_length].wrapping_add(by);
            bench.expect_untouched(&bytes, DROP, "the length of UDP");
        }
        bench.expect_untouched(&plain[..plain.len() - 1], DROP, "cut off");
        assert_eq!(bench.entry().figures().wrong_length, 3);
    }
}

#[test]
fn past_the_lease_everything_goes_up_and_a_renewal_resumes() {
    for bench in Bench::each() {
        bench.give();
        bench.path.renew(crate::clock::now());
        bench.expect_untouched(&bench.next.bytes(), UP, "past the lease");
        bench.path.renew(in_a_minute());
        bench.expect_relayed(&bench.next);
    }
}

#[test]
fn loss_and_jitter_are_counted_as_rfc_3550_says() {
    for bench in Bench::each() {
        bench.give();
        let at = |sequence: u16| Frame {
            sequence,
            timestamp: 9_000 + u32::from(sequence - 500) * 160,
            ..bench.next.clone()
        };
        // 504 and 505 never come. What is late or comes twice is the gateway's.
        for sequence in [500, 501, 503, 506, 507] {
            bench.expect_relayed(&at(sequence));
        }
        for sequence in [502, 507, 506] {
            bench.expect_untouched(&at(sequence).bytes(), UP, "late");
        }
        let figures = bench.entry().figures();
        assert_eq!((figures.packets, figures.gaps), (5, 2));
        assert_eq!(figures.highest, 0x1_0000 + 507);
        assert_eq!(figures.lost(0x1_0000 + 499), 3);
        // The frames come at once, so each moves the transit time by its 20 ms: jitter grows by that / 16.
        assert!(figures.jitter_16 >= 160 && figures.jitter_16 < 7 * 500, "{}", figures.jitter_16);
        assert_eq!(figures.timestamp, 9_000 + 7 * 160);
    }
}

#[test]
fn numbers_run_on_over_both_wraps() {
    for mut bench in Bench::each() {
        bench.rule.delta_sequence = 10;
        bench.next.sequence = 65_530;
        bench.next.timestamp = u32::MAX - 300;
        bench.give();
        let mut frame = bench.next.clone();
        for _ in 0..20 {
            bench.expect_relayed(&frame);
            frame.sequence = frame.sequence.wrapping_add(1);
            frame.timestamp = frame.timestamp.wrapping_add(160);
        }
        assert_eq!(bench.entry().figures().highest, 0x1_0000 + 65_549);
        assert_eq!(bench.entry().figures().gaps, 0);
    }
}

/// The arithmetic of the word in C and in Rust, on the same numbers.
#[test]
fn the_program_advances_the_word_as_the_model_does() {
    let Some(bench) = Bench::of(Family::V4) else { return };
    let cases = (any::<u32>(), 0i32..2_900);
    let mut runner = TestRunner::new(Config { cases: 500, ..Config::default() });
    let outcome = runner.run(&cases, |(next, ahead)| {
        let rule = Rule { delta_sequence: 0, ..bench.rule };
        let out_sequence = next.wrapping_add_signed(ahead) as u16;
        let stream =
            RelayStream { next, highest: next.wrapping_sub(1), ..stream(&rule, 500, 9_000) };
        bench.entry().give(&rule, &stream).expect("an idle leg");
        let frame = Frame { sequence: out_sequence, ..bench.next.clone() };
        let (verdict, _) = bench.run(&frame.bytes());
        let expected = Word::on(0, next).over(out_sequence).map(Word::next);
        prop_assert_eq!(verdict == REDIRECT, expected.is_some());
        prop_assert_eq!(bench.entry().take(), Some(expected.unwrap_or(next)));
        prop_assert!(bench.entry().is_settled());
        Ok(())
    });
    outcome.expect("one arithmetic");
}

#[test]
fn a_packet_that_the_gateway_relays_leaves_no_gap_for_the_program() {
    for bench in Bench::each() {
        bench.give();
        bench.expect_relayed(&bench.next);
        // A digit of 50 packets went up; the gateway took the leg back and relayed it by the same map.
        assert_eq!(bench.entry().take(), Some(0x1_0000 + 1_501));
        let behind = stream(&bench.rule, 551, 17_000);
        bench.entry().give(&bench.rule, &behind).expect("settled");
        bench.expect_relayed(&Frame { sequence: 551, timestamp: 17_160, ..bench.next.clone() });
        let figures = bench.entry().figures();
        assert_eq!((figures.gaps, figures.packets, figures.highest), (0, 1, 0x1_0000 + 551));
        assert_eq!(bench.entry().take(), Some(0x1_0000 + 1_552));
        assert_eq!(bench.entry().take(), None, "taken back");
    }
}

#[test]
fn a_leg_is_found_by_the_row_of_its_address() {
    let addresses = ["192.0.2.1", "2001:db8::1", "192.0.2.3", "::"];
    let addresses: Vec<_> = addresses.map(|address| address.parse().unwrap()).to_vec();
    let config = super::FastPathConfig { addresses, ..config("192.0.2.1".parse().unwrap()) };
    let Some(path) = open(&config) else { return };
    path.renew(in_a_minute());
    let cases = [
        (0, "192.0.2.1:10010", "192.0.2.9:1"),
        (1, "[2001:db8::1]:10010", "[2001:db8::9]:1"),
        (2, "192.0.2.3:10010", "192.0.2.9:1"),
        (3, "[2001:db8::77]:10010", "[2001:db8::9]:1"),
    ];
    for (address, local, party) in cases {
        let [local, party] = [local, party].map(|address| address.parse::<SocketAddr>().unwrap());
        let rule = rule(party, local.ip(), party, 1);
        let entry = path.entry(shared::MediaPort { address, ..PORT }).expect("a row");
        entry.give(&rule, &stream(&rule, 500, 0)).expect("an idle leg");
        let frame = Frame { sequence: 500, ssrc: rule.ssrc, ..Frame::rtp(party, local) };
        let ran = syscall::test_run(path.tc_program(), &frame.bytes()).expect("a test run");
        assert_eq!((ran.verdict, entry.figures().packets), (REDIRECT, 1), "row {address}");
    }
    // The wildcard of IPv6 has the port, and the leg another address: not its packet.
    let elsewhere: SocketAddr = "[2001:db8::78]:10010".parse().unwrap();
    let frame =
        Frame { ssrc: 0x1111_2222, ..Frame::rtp("[2001:db8::9]:1".parse().unwrap(), elsewhere) };
    let ran = syscall::test_run(path.tc_program(), &frame.bytes()).expect("a test run");
    assert_eq!(ran.verdict, UP);
    assert_eq!(path.entry(shared::MediaPort { address: 3, ..PORT }).unwrap().figures().forged, 0);
}

#[test]
fn figures_begin_anew_with_each_gift() {
    for bench in Bench::each() {
        bench.give();
        bench.expect_relayed(&bench.next);
        bench.entry().take();
        bench.give();
        let zero = Figures {
            highest: 0x1_0000 + 499,
            timestamp: 9_000,
            transit: bench.entry().figures().transit,
            arrival: bench.entry().figures().arrival,
            ..Figures::default()
        };
        assert_eq!(bench.entry().figures(), zero);
    }
}

#[test]
fn a_stream_whose_numbers_do_not_follow_by_the_map_is_not_given() {
    for bench in Bench::each() {
        let stream = stream(&bench.rule, 500, 9_000);
        let behind = RelayStream { highest: stream.highest - 1, ..stream };
        let refused = bench.entry().give(&bench.rule, &behind);
        assert_eq!(refused, Err(NotGiven::Ineligible(Ineligible::Numbers)));
        assert!(!bench.entry().is_given());
        bench.entry().give(&bench.rule, &stream).expect("an idle leg");
        assert_eq!(bench.entry().give(&bench.rule, &stream), Err(NotGiven::On));
    }
}
