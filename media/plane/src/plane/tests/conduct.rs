//! Conduct of a leg towards parties, other sources and silence, and its reports on their quality.

use std::net::SocketAddr;
use std::sync::Arc;

use shared::{
    Codec, Direction, IntervalQuality, LatchMode, LegPlan, MediaCommand, MediaEvent, PlayId,
};

use crate::g711;
use crate::meters::DropReason;
use crate::output::{Received, SocketId};
use crate::rtp;
use crate::testing::{Sent, World, plan};

use super::{assert_continuous_within, stop};

/// Sends a packet every 20 ms for some time; `lost` selects the packets that never arrive.
fn speak_for(world: &mut World, party: usize, packets: u32, lost: impl Fn(u32) -> bool) {
    for index in 0..packets {
        if lost(index) {
            world.lose(party, &[0x31; 160]);
        } else {
            let _ = world.speak(party, &[0x31; 160]);
        }
        world.run(20);
    }
}

fn count(world: &mut World, wanted: impl Fn(&MediaEvent) -> bool) -> usize {
    world.events().iter().filter(|event| wanted(event)).count()
}

fn timeouts(world: &mut World) -> usize {
    count(world, |event| matches!(event, MediaEvent::MediaTimeout { .. }))
}

/// One SSRC, sequence numbers without a gap, timestamps that never leave the clock by more than one packet
/// of 40 ms: what a phone must see whatever happens behind us.
fn assert_continuous(sent: &[Sent]) {
    assert_continuous_within(sent, 320);
}

/// A valid RTP packet of an unknown SSRC.
fn packet(ssrc: u32, sequence: u16, timestamp: u32) -> Vec<u8> {
    let mut packet = vec![0; 12];
    rtp::write_header(packet.first_chunk_mut().unwrap(), false, 0, sequence, timestamp, ssrc);
    packet.extend_from_slice(&[0x66; 160]);
    packet
}

#[test]
fn numbers_go_on_over_re_invite_transfer_prompt_and_back_on_one_core_and_on_three() {
    for cores in [1, 3] {
        let mut world = World::new(cores);
        let (a, b, c) = (world.start(|_| ()), world.start(|_| ()), world.start(|_| ()));
        let steps = |world: &mut World, party| speak_for(world, party, 10, |_| false);
        world.bridge(a, b);
        steps(&mut world, b);
        // The other party moves by a re-INVITE and takes another codec.
        let alaw = |plan: &mut LegPlan| {
            plan.media.codec = Codec::Pcma;
            plan.media.payload_type_send = 8;
            plan.media.payload_type_receive = 8;
            plan.media.remote_rtp = Some("192.0.2.1:9000".parse().unwrap());
        };
        world.update(b, alaw);
        world.party(b).payload_type = 8;
        world.party(b).address = "192.0.2.1:9000".parse().unwrap();
        steps(&mut world, b);
        // Hold with silence, then a transfer to a party with other numbers.
        world.update(b, |plan| {
            alaw(plan);
            plan.media.direction = Direction::SendOnly;
        });
        world.run(600);
        world.bridge(a, c);
        steps(&mut world, c);
        let leg = world.leg(a);
        let prompt = Arc::new(g711::prompt(&[1_000; 1_600]));
        world.command(MediaCommand::Play { leg, play: PlayId(1), prompt, repeat: 1 });
        steps(&mut world, c);
        steps(&mut world, c);
        world.bridge(a, b);
        world.update(b, alaw);
        steps(&mut world, b);
        let heard = world.heard(a);
        assert!(heard.len() > 75, "{cores} cores: {}", heard.len());
        assert_continuous(&heard);
    }
}

#[test]
fn each_latch_mode_takes_whom_it_names_and_nobody_after_that() {
    let sdp = plan(0).media.remote_rtp.unwrap();
    let other_port = SocketAddr::new(sdp.ip(), sdp.port() + 20);
    let signaling: SocketAddr = "203.0.113.7:7".parse().unwrap();
    let stranger: SocketAddr = "198.51.100.9:9".parse().unwrap();
    for (latch, taken) in [
        (LatchMode::Sdp, [true, false, false, false]),
        (LatchMode::Peer, [true, true, true, false]),
        (LatchMode::Any, [true, true, true, true]),
    ] {
        for (source, is_taken) in [sdp, other_port, signaling, stranger].into_iter().zip(taken) {
            let mut world = World::new(1);
            let a = world.start(|plan| {
                plan.latch = latch;
                plan.signaling_peer = Some(signaling.ip());
            });
            world.party(a).address = source;
            speak_for(&mut world, a, 6, |_| false);
            let latched = count(&mut world, |e| matches!(e, MediaEvent::Latched { .. }));
            assert_eq!(latched == 1, is_taken, "{latch:?} {source}");
            let goes_there = world.heard(a).last().unwrap().to == source;
            assert_eq!(goes_there, is_taken, "{latch:?} {source}");
            // Once locked even the address of the SDP is refused.
            world.party(a).address = "198.51.100.77:1".parse().unwrap();
            assert_eq!(world.speak(a, &[1; 160]), Received::Dropped(DropReason::Stranger));
        }
    }
}

#[test]
fn a_flood_of_strangers_is_counted_and_heard_by_nobody() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    world.bridge(a, b);
    let mut heard = Vec::new();
    for round in 0..50u16 {
        let _ = world.speak(a, &[0x31; 160]);
        for port in 0..200u16 {
            let source = SocketAddr::from(([198, 51, 100, 9], 10_000 + port));
            let bytes = packet(u32::from(port), round, 0);
            let received = world.receive_at(a, SocketId::rtp(a), source, &bytes);
            assert_eq!(received, Received::Dropped(DropReason::Stranger));
        }
        world.run(20);
        heard.extend(world.heard(b));
    }
    assert!(heard.iter().all(|sent| sent.payload()[0] != 0x66));
    assert_continuous(&heard);
    let quality = stop(&mut world, a);
    assert_eq!((quality.received, quality.dropped, quality.lost), (50, 10_000, 0));
}

#[test]
fn an_ssrc_storm_changes_the_stream_three_times_a_second_and_never_the_peers_numbers() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    world.bridge(a, b);
    let _ = world.speak(a, &[0x31; 160]);
    for step in 0..100u32 {
        let bytes = packet(
            step.wrapping_mul(0x9E37_79B9),
            (step as u16).wrapping_mul(977),
            step * 1_000_003,
        );
        let _ = world.receive(a, &bytes);
        world.run(20);
    }
    let drops = world.cores[0].0.meters().packets_dropped;
    assert_eq!(drops.count(DropReason::SsrcRate), 100 - 2 * 3, "in two seconds");
    let heard = world.heard(b);
    let relayed = heard.iter().filter(|sent| sent.payload()[0] == 0x66).count();
    assert_eq!(relayed, 6);
    assert_continuous(&heard);
    assert_eq!(stop(&mut world, a).restarts, 6);
}

#[test]
fn timestamps_from_another_time_are_dropped_and_never_heard() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    world.bridge(a, b);
    let (ssrc, mut dropped) = (world.party(a).ssrc, 0);
    for step in 0..60u32 {
        if step % 5 == 4 {
            let sequence = world.party(a).sequence;
            let timestamp = world.party(a).timestamp.wrapping_add(step.wrapping_mul(90_000_001));
            let received = world.receive(a, &packet(ssrc, sequence, timestamp));
            assert_eq!(received, Received::Dropped(DropReason::TimestampJump), "{step}");
            dropped += 1;
        }
        let _ = world.speak(a, &[0x31; 160]);
        world.run(20);
    }
    let heard = world.heard(b);
    assert!(heard.iter().all(|sent| sent.payload()[0] == 0x31));
    assert_continuous(&heard);
    let quality = stop(&mut world, a);
    assert_eq!((quality.dropped, quality.lost, quality.restarts), (dropped, 0, 0));
}

#[test]
fn a_clock_that_really_jumps_costs_one_packet() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    world.bridge(a, b);
    speak_for(&mut world, a, 10, |_| false);
    world.party(a).timestamp = world.party(a).timestamp.wrapping_add(3_000_000);
    speak_for(&mut world, a, 10, |_| false);
    let heard = world.heard(b);
    assert_eq!(heard.iter().filter(|sent| sent.payload()[0] == 0x31).count(), 19);
    let quality = stop(&mut world, a);
    assert_eq!((quality.dropped, quality.lost, quality.restarts), (1, 1, 1));
}

#[test]
fn a_party_that_never_speaks_is_reported_after_the_timeout() {
    let mut world = World::new(1);
    world.start(|plan| plan.media_timeout_ms = 60_000);
    world.run(59_900);
    assert_eq!(timeouts(&mut world), 0);
    world.run(200);
    assert_eq!(timeouts(&mut world), 1);
}

#[test]
fn a_party_that_stops_speaking_is_reported_after_the_timeout() {
    let mut world = World::new(1);
    let a = world.start(|plan| plan.media_timeout_ms = 60_000);
    world.run(50_000);
    speak_for(&mut world, a, 5, |_| false);
    world.run(59_800);
    assert_eq!(timeouts(&mut world), 0);
    world.run(300);
    assert_eq!(timeouts(&mut world), 1);
}

#[test]
fn a_held_party_may_be_silent_for_the_longer_timeout() {
    let mut world = World::new(1);
    let a = world.start(|plan| plan.media_timeout_ms = 60_000);
    speak_for(&mut world, a, 5, |_| false);
    world.update(a, |plan| {
        plan.media_timeout_ms = 150_000;
        plan.media.direction = Direction::SendOnly;
    });
    world.run(149_900);
    assert_eq!(timeouts(&mut world), 0);
    world.run(200);
    assert_eq!(timeouts(&mut world), 1);
    // Taken off hold, the short one counts from then on.
    world.update(a, |plan| plan.media_timeout_ms = 60_000);
    world.run(59_900);
    assert_eq!(timeouts(&mut world), 0);
    world.run(200);
    assert_eq!(timeouts(&mut world), 1);
}

#[test]
fn figures_equal_what_was_injected() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    // Two bursts of five in thirty, three single losses far apart, and the packets around them.
    let lost = |index: u32| match index {
        100..=130 | 300..=330 => index % 6 == 4,
        500 | 600 | 700 => true,
        _ => false,
    };
    let expected = (0..1_000).filter(|index| lost(*index)).count() as u64;
    for index in 0..1_000 {
        if lost(index) {
            world.lose(a, &[1; 160]);
        } else {
            let _ = world.speak(a, &[1; 160]);
        }
        if index % 100 == 50 {
            // A copy of the packet before, and a swapped pair.
            world.party(a).sequence -= 1;
            world.party(a).timestamp -= 160;
            let _ = world.speak(a, &[1; 160]);
            world.speak_swapped(a, [&[1; 160]; 2]);
        }
        world.run(20);
    }
    let quality = stop(&mut world, a);
    assert_eq!(quality.lost, expected);
    assert_eq!((quality.duplicates, quality.reordered), (10, 10));
    assert_eq!(quality.received, 1_000 - expected + 10 + 20);
    assert_eq!(quality.expected(), 1_020);
    let losses = quality.losses;
    assert_eq!((losses.bursts, losses.runs), (2, expected));
    assert_eq!(losses.burst_lost, expected - 3);
    assert_eq!((quality.packet_ms, quality.first_packet_ms), (20, Some(0)));
    assert!(quality.rating().unwrap().r_factor > 85.0);
}

#[test]
fn jitter_of_the_network_is_the_jitter_that_is_reported() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    for index in 0..400u64 {
        // Every other packet 10 ms late: a mean deviation of 10 ms.
        let late = index % 2 * 10;
        world.run(late);
        let _ = world.speak(a, &[1; 160]);
        world.run(20 - late);
    }
    let quality = stop(&mut world, a);
    assert!((78..=80).contains(&quality.jitter_rtp_units), "{}", quality.jitter_rtp_units);
    assert_eq!((quality.lost, quality.reordered, quality.dropped), (0, 0, 0));
}

#[test]
fn a_party_that_sounds_bad_is_reported_once_and_again_when_it_is_good() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let verdicts = |world: &mut World| -> Vec<(bool, IntervalQuality)> {
        let events = world.events().into_iter();
        let changes = events.filter_map(|event| match event {
            MediaEvent::QualityChanged { is_bad, interval, .. } => Some((is_bad, interval)),
            _ => None,
        });
        changes.collect()
    };
    speak_for(&mut world, a, 500, |_| false);
    assert!(verdicts(&mut world).is_empty());
    speak_for(&mut world, a, 1_500, |index| index % 4 == 1);
    let bad = verdicts(&mut world);
    let [(true, interval)] = bad[..] else { panic!("{bad:?}") };
    assert!(interval.lost > interval.expected / 10 && interval.r_tenths < 700, "{interval:?}");
    speak_for(&mut world, a, 1_000, |_| false);
    let good = verdicts(&mut world);
    assert!(matches!(good[..], [(false, IntervalQuality { lost: 0.., .. })]), "{good:?}");
    let quality = stop(&mut world, a);
    assert!(quality.intervals >= 8 && quality.intervals_bad >= 4, "{quality:?}");
    assert!(quality.worst_r_tenths < Some(600), "{:?}", quality.worst_r_tenths);
}

#[test]
fn what_the_peer_reports_about_us_is_kept() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    world.run(8_000);
    let sent_ssrc = world.reports(a).pop().unwrap().packet[4..8].to_vec();
    for (fraction, lost, jitter) in [(64u8, 30u8, 200u8), (10, 33, 90)] {
        let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 9];
        report.extend_from_slice(&sent_ssrc);
        report.extend_from_slice(&[fraction, 0, 0, lost, 0, 0, 0, 0, 0, 0, 0, jitter]);
        report.extend_from_slice(&[0; 8]);
        let remote = plan(0).media.remote_rtcp.unwrap();
        let received = world.receive_at(a, SocketId::rtcp(a), remote, &report);
        assert_eq!(received, Received::Consumed);
    }
    let remote = stop(&mut world, a).remote.unwrap();
    assert_eq!((remote.fraction_lost_max, remote.lost, remote.jitter_rtp_units), (64, 33, 90));
}

#[test]
fn two_of_our_legs_measure_each_others_round_trip() {
    let mut world = World::new(2);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    // RTCP of each goes to the other with 30 ms on the way; RTP likewise, so that reports have blocks.
    for _ in 0..400 {
        world.run(20);
        let packets = [(a, b), (b, a)].map(|(from, to)| {
            let rtp = world.heard(from).into_iter().map(|sent| (to, SocketId::rtp(to), sent));
            let rtp: Vec<_> = rtp.collect();
            let rtcp = world.reports(from).into_iter().map(|sent| (to, SocketId::rtcp(to), sent));
            rtp.into_iter().chain(rtcp).collect::<Vec<_>>()
        });
        world.run(30);
        for (to, socket, sent) in packets.into_iter().flatten() {
            let plan = plan(to as u16);
            let source =
                if socket.is_rtcp() { plan.media.remote_rtcp } else { plan.media.remote_rtp };
            let received = world.receive_at(to, socket, source.unwrap(), &sent.packet);
            assert_eq!(received, Received::Consumed);
        }
    }
    for party in [a, b] {
        let quality = stop(&mut world, party);
        // 30 ms there and 30 ms back, and up to 20 ms each until this test looks.
        let round_trip_us = quality.round_trip_us.unwrap();
        assert!((60_000..=100_000).contains(&round_trip_us), "{round_trip_us}");
        assert_eq!(quality.remote.unwrap().lost, 0);
    }
}
