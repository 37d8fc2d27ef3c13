//! Who is taken for the party: its media, its reports, and the numbers that it sends events under.

use std::net::SocketAddr;

use shared::{LatchMode, LegPlan, MediaEvent, OwnSockets};

use crate::meters::DropReason;
use crate::output::{Received, SocketId};
use crate::testing::{World, plan};

#[test]
fn what_comes_from_our_own_sockets_is_dropped_whatever_the_sdp_says() {
    let mut own = OwnSockets::new([]);
    own.add([192, 0, 2, 1].into(), 10_000..=10_015);
    let ours: SocketAddr = "192.0.2.1:10004".parse().unwrap();
    let names_us = |plan: &mut LegPlan| {
        plan.media.remote_rtp = Some(ours);
        plan.media.remote_rtcp = Some(SocketAddr::new(ours.ip(), ours.port() + 1));
    };
    for latch in [LatchMode::Sdp, LatchMode::Peer, LatchMode::Any] {
        let mut world = World::owning(1, own.clone());
        let a = world.start(|plan| {
            plan.latch = latch;
            names_us(plan);
        });
        let b = world.start(|_| ());
        world.bridge(a, b);
        for _ in 0..10 {
            let dropped = world.speak(a, &[1; 160]);
            assert_eq!(dropped, Received::Dropped(DropReason::OwnSocket), "{latch:?}");
        }
        let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
        let source = SocketAddr::new(ours.ip(), ours.port() + 1);
        let dropped = world.receive_at(a, SocketId::rtcp(a), source, &report);
        assert_eq!(dropped, Received::Dropped(DropReason::OwnSocket), "{latch:?}");
        let drops = world.cores[0].0.meters().packets_dropped;
        assert_eq!(drops.count(DropReason::OwnSocket), 11);
        assert!(world.heard(b).is_empty() && world.events().is_empty());
    }
}

#[test]
fn two_legs_that_name_each_others_ports_do_not_multiply_a_packet() {
    let mut own = OwnSockets::new([]);
    own.add([192, 0, 2, 200].into(), 10_000..=10_015);
    let at = |index: u16| SocketAddr::from(([192, 0, 2, 200], 10_000 + index * 2));
    let mut world = World::owning(1, own);
    let a = world.start(|plan| plan.media.remote_rtp = Some(at(1)));
    let b = world.start(|plan| plan.media.remote_rtp = Some(at(0)));
    world.bridge(a, b);
    for _ in 0..50 {
        world.run(20);
        for (from, to) in [(a, b), (b, a)] {
            for sent in world.heard(from) {
                let source = at(from as u16);
                let looped = world.receive_at(to, SocketId::rtp(to), source, &sent.packet);
                assert_eq!(looped, Received::Dropped(DropReason::OwnSocket));
            }
        }
    }
    let meters = world.cores[0].0.meters();
    assert_eq!(meters.packets_forwarded, 0);
    assert!(meters.packets_received <= 102, "{}", meters.packets_received);
}

/// Two legs that are linked: parties 0 and 1 of a core that owns their ports.
fn linked() -> (World, [SocketAddr; 2]) {
    let mut own = OwnSockets::new([]);
    own.add([192, 0, 2, 200].into(), 10_000..=10_015);
    let ends = [0, 1].map(|index| SocketAddr::from(([192, 0, 2, 200], 10_000 + index * 2)));
    let mut world = World::owning(1, own);
    for far in [ends[1], ends[0]] {
        world.start(|plan| {
            plan.latch = LatchMode::Link;
            plan.media.remote_rtp = Some(far);
            plan.media.remote_rtcp = Some(far);
            plan.media.rtcp_mux = true;
        });
    }
    (world, ends)
}

/// Carries what each leg of a link has sent to the other one, until nothing is left; answers the packets carried.
fn carry(world: &mut World, ends: [SocketAddr; 2]) -> Vec<Received> {
    let mut received = Vec::new();
    loop {
        let before = received.len();
        for (from, to) in [(0, 1), (1, 0)] {
            for sent in world.heard(from) {
                assert_eq!(sent.to, ends[to]);
                received.push(world.receive_at(to, SocketId::rtp(to), ends[from], &sent.packet));
            }
        }
        if received.len() == before {
            return received;
        }
    }
}

#[test]
fn the_legs_of_a_link_hear_each_other_with_digits_and_reports() {
    let (mut world, ends) = linked();
    let phone = world.start(|_| ());
    world.bridge(0, phone);
    for _ in 0..500 {
        let _ = world.speak(phone, &[0x31; 160]);
        world.run(20);
        let received = carry(&mut world, ends);
        // One end passes the other's on to the phone.
        let is_taken = |packet: &Received| !matches!(packet, Received::Dropped(_));
        assert!(received.iter().all(is_taken), "{received:?}");
    }
    let meters = world.cores[0].0.meters();
    assert_eq!(meters.packets_dropped.count(DropReason::OwnSocket), 0);
    let far = world.leg(1);
    for duration in [160u16, 320, 480] {
        let end = if duration == 480 { 0x8A } else { 0x0A };
        let [high, low] = duration.to_be_bytes();
        let _ = world.press(phone, 80_000, [5, end, high, low]);
        carry(&mut world, ends);
        world.run(20);
    }
    let is_five = |event: &MediaEvent| matches!(event, MediaEvent::Digit { leg, digit: b'5', .. } if *leg == far);
    assert!(world.events().iter().any(is_five), "the key of the phone at the other end");
}

#[test]
fn what_circles_over_a_link_is_cut_at_a_rate_and_nobody_else_is_heard_on_it() {
    let (mut world, ends) = linked();
    world.echo(0);
    world.echo(1);
    let stray = SocketAddr::new(ends[0].ip(), ends[0].port() + 8);
    let packet = world.next_packet(0, &[1; 160]);
    let refused = world.receive_at(0, SocketId::rtp(0), stray, &packet);
    assert_eq!(refused, Received::Dropped(DropReason::Stranger));
    let _ = world.receive_at(0, SocketId::rtp(0), ends[1], &packet);
    let mut carried = 0;
    for _ in 0..50 {
        carried += carry(&mut world, ends).len();
        world.run(20);
    }
    let most = 2 * shared::limits::LINK_PACKETS_RATE_MAX as usize;
    assert!(carried > most / 2, "it circled: {carried}");
    assert!(carried < 2 * most, "it was cut: {carried}");
    let drops = world.cores[0].0.meters().packets_dropped;
    assert!(drops.count(DropReason::LinkRate) > 0);
}

#[test]
fn the_phone_that_the_sdp_names_is_heard_although_a_stray_stream_came_first() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    world.bridge(a, b);
    let phone = world.party(a).address;
    let stray = SocketAddr::new(phone.ip(), phone.port() + 100);
    let mut stray_packet = world.next_packet(a, &[0x66; 160]);
    stray_packet[8..12].copy_from_slice(&[9; 4]);
    for _ in 0..10 {
        let _ = world.receive_at(a, SocketId::rtp(a), stray, &stray_packet);
        world.run(20);
    }
    assert_eq!(world.heard(a).last().unwrap().to, stray);
    for _ in 0..5 {
        let _ = world.speak(a, &[0x31; 160]);
        let refused = world.receive_at(a, SocketId::rtp(a), stray, &stray_packet);
        assert_eq!(refused, Received::Dropped(DropReason::Stranger));
        world.run(20);
    }
    let heard = world.heard(b);
    assert_eq!(heard.iter().filter(|sent| sent.payload()[0] == 0x31).count(), 5);
    world.heard(a);
    let _ = world.speak(b, &[0x32; 160]);
    assert!(world.heard(a).iter().all(|sent| sent.to == phone));
    let phones_leg = world.leg(a);
    let sources = world.events().into_iter().filter_map(|event| match event {
        MediaEvent::Latched { leg, source } if leg == phones_leg => Some(source),
        _ => None,
    });
    assert_eq!(sources.collect::<Vec<_>>(), [stray, phone]);
}

/// A receiver report without blocks.
fn report(ssrc: u32) -> Vec<u8> {
    [&[0x80, 201, 0, 1][..], &ssrc.to_be_bytes()].concat()
}

fn at_port(address: SocketAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.ip(), port)
}

#[test]
fn reports_go_to_the_locked_peer_and_not_to_another_port_of_its_address() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let _ = world.speak(a, &[1; 160]);
    let named = plan(0).media.remote_rtcp.unwrap();
    let (ssrc, stray) = (world.party(a).ssrc, at_port(named, 7_001));
    let refused = world.receive_at(a, SocketId::rtcp(a), stray, &report(9));
    assert_eq!(refused, Received::Dropped(DropReason::RtcpStranger));
    let taken = world.receive_at(a, SocketId::rtcp(a), named, &report(ssrc));
    assert_eq!(taken, Received::Consumed);
    // The right SSRC does not help once the peer's own port is known.
    let refused = world.receive_at(a, SocketId::rtcp(a), stray, &report(ssrc));
    assert_eq!(refused, Received::Dropped(DropReason::RtcpStranger));
    world.run(30_000);
    let reports = world.reports(a);
    assert!(!reports.is_empty() && reports.iter().all(|sent| sent.to == named));
}

#[test]
fn behind_a_nat_the_port_of_reports_is_the_one_that_the_ssrc_of_the_media_reports_from() {
    let mut world = World::new(1);
    let host = SocketAddr::from(([198, 51, 100, 1], 7_000));
    let a = world.start(|plan| plan.signaling_peer = Some(host.ip()));
    let (ssrc, mapped, stray) = (world.party(a).ssrc, at_port(host, 7_500), at_port(host, 7_600));
    world.party(a).address = host;
    for _ in 0..5 {
        let _ = world.speak(a, &[1; 160]);
    }
    world.run(20_000);
    assert!(world.reports(a).is_empty(), "nobody knows its port yet");
    for (source, ssrc, is_taken) in [
        (stray, 9, false),
        (at_port(plan(0).media.remote_rtcp.unwrap(), 4_001), ssrc, false),
        (mapped, ssrc, true),
        (stray, ssrc, false),
        (mapped, ssrc, true),
    ] {
        let received = world.receive_at(a, SocketId::rtcp(a), source, &report(ssrc));
        let expected = match is_taken {
            true => Received::Consumed,
            false => Received::Dropped(DropReason::RtcpStranger),
        };
        assert_eq!(received, expected, "{source} {ssrc:#x}");
    }
    world.run(20_000);
    let reports = world.reports(a);
    assert!(!reports.is_empty() && reports.iter().all(|sent| sent.to == mapped));
}

#[test]
fn a_report_that_came_before_the_media_counts_once_its_ssrc_turns_out_to_be_the_medias() {
    for (as_media, is_followed) in [(true, true), (false, false)] {
        let mut world = World::new(1);
        let host = SocketAddr::from(([198, 51, 100, 1], 7_000));
        let a = world.start(|plan| plan.signaling_peer = Some(host.ip()));
        let ssrc = if as_media { world.party(a).ssrc } else { 9 };
        let early = world.receive_at(a, SocketId::rtcp(a), at_port(host, 7_500), &report(ssrc));
        assert_eq!(early, Received::Consumed);
        world.party(a).address = host;
        for _ in 0..5 {
            let _ = world.speak(a, &[1; 160]);
        }
        world.run(20_000);
        let reports = world.reports(a);
        assert_eq!(!reports.is_empty(), is_followed);
        assert!(reports.iter().all(|sent| sent.to == at_port(host, 7_500)));
    }
}

#[test]
fn multiplexed_reports_come_from_the_source_of_the_media_alone() {
    let mut world = World::new(1);
    let a = world.start(|plan| {
        plan.media.rtcp_mux = true;
        plan.media.remote_rtcp = plan.media.remote_rtp;
    });
    let _ = world.speak(a, &[1; 160]);
    let (ssrc, phone) = (world.party(a).ssrc, world.party(a).address);
    let stray = at_port(phone, 7_001);
    let refused = world.receive_at(a, SocketId::rtp(a), stray, &report(ssrc));
    assert_eq!(refused, Received::Dropped(DropReason::RtcpStranger));
    assert_eq!(world.receive(a, &report(ssrc)), Received::Consumed);
}

#[test]
fn telephone_events_are_heard_under_either_sides_number() {
    for (payload_type, is_heard) in [(101, true), (96, true), (97, false)] {
        let mut world = World::new(1);
        let a = world.start(|plan| plan.media.event_payload_type_send = Some(96));
        let b = world.start(|_| ());
        world.bridge(a, b);
        let _ = world.speak(a, &[1; 160]);
        let audio = world.next_packet(a, &[]);
        for duration in [160u16, 320, 480] {
            let is_end = duration == 480;
            let mut packet = audio.clone();
            packet[1] = payload_type;
            packet.extend_from_slice(&[5, if is_end { 0x8A } else { 0x0A }]);
            packet.extend_from_slice(&duration.to_be_bytes());
            packet[3] = packet[3].wrapping_add((duration / 160) as u8 - 1);
            let _ = world.receive(a, &packet);
            world.run(20);
        }
        world.run(200);
        let digits = world.events().into_iter().filter_map(|event| match event {
            MediaEvent::Digit { digit, .. } => Some(digit),
            _ => None,
        });
        assert_eq!(digits.collect::<Vec<_>>(), if is_heard { vec![b'5'] } else { vec![] });
        let relayed =
            world.heard(b).iter().filter(|sent| sent.header().payload_type == 101).count();
        assert_eq!(relayed > 0, is_heard, "{payload_type}");
    }
}
