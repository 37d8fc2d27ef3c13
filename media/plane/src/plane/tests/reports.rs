//! RTCP and the media timeout.

use super::*;

#[test]
fn missing_media_is_reported_once_a_silence() {
    let mut world = World::new(1);
    let a = world.start(|plan| plan.media_timeout_ms = 2_000);
    let timeouts = |world: &mut World| {
        let is_timeout = |event: &MediaEvent| matches!(event, MediaEvent::MediaTimeout { .. });
        world.events().iter().filter(|event| is_timeout(event)).count()
    };
    world.run(1_900);
    assert_eq!(timeouts(&mut world), 0);
    world.run(10_000);
    assert_eq!(timeouts(&mut world), 1);
    let _ = world.speak(a, &[1; 160]);
    world.run(1_900);
    assert_eq!(timeouts(&mut world), 0);
    world.run(2_000);
    assert_eq!(timeouts(&mut world), 1);
}

#[test]
fn reports_go_out_every_five_seconds_or_so_and_say_goodbye() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let _ = world.speak(a, &[1; 160]);
    world.run(60_000);
    let reports = world.reports(a);
    assert!((8..=24).contains(&reports.len()), "{}", reports.len());
    let remote = plan(0).media.remote_rtcp.unwrap();
    assert!(reports.iter().all(|sent| sent.socket == SocketId::rtcp(a) && sent.to == remote));
    assert!(reports.iter().all(|sent| sent.packet[1] == 200));
    let packets = |sent: &Sent| u32::from_be_bytes(*sent.packet[20..].first_chunk().unwrap());
    assert!(packets(&reports[1]) > packets(&reports[0]));
    let quality = stop(&mut world, a);
    let goodbye = world.reports(a);
    assert_eq!(goodbye.len(), 1);
    assert_eq!(goodbye[0].packet[goodbye[0].packet.len() - 7], 203);
    assert_eq!(quality.rtcp_sent as usize, reports.len() + 1);
}

#[test]
fn multiplexed_reports_share_the_port_both_ways() {
    let mut world = World::new(1);
    let a = world.start(|plan| {
        plan.media.rtcp_mux = true;
        plan.media.remote_rtcp = plan.media.remote_rtp;
    });
    let _ = world.speak(a, &[1; 160]);
    world.run(10_000);
    let reports = world.reports(a);
    assert!(!reports.is_empty() && reports.iter().all(|sent| sent.socket == SocketId::rtp(a)));
    let goodbye = [0x80, 201, 0, 1, 0, 0, 0, 9, 0x81, 203, 0, 1, 0, 0, 0, 9];
    assert_eq!(world.receive(a, &goodbye), Received::Consumed);
    let events = world.events();
    assert!(matches!(events.last(), Some(MediaEvent::RtcpBye { .. })));
    assert_eq!(stop(&mut world, a).rtcp_received, 1);
}

#[test]
fn only_a_leg_that_does_not_multiplex_has_an_rtcp_socket() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|plan| plan.media.rtcp_mux = true));
    assert_eq!(std::mem::take(&mut world.cores[0].1.rtcp), [(a, true)]);
    for (party, rtcp_mux) in [(a, true), (a, true), (b, false)] {
        let mut plan = plan(party as u16);
        plan.media.rtcp_mux = rtcp_mux;
        world.command(MediaCommand::UpdateLeg { leg: world.leg(party), plan: Box::new(plan) });
    }
    assert_eq!(std::mem::take(&mut world.cores[0].1.rtcp), [(a, false), (b, true)]);
    let _ = (stop(&mut world, a), stop(&mut world, b));
    assert_eq!(world.cores[0].1.rtcp, [(b, false)]);
}

#[test]
fn the_round_trip_comes_from_the_peers_report() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    world.run(8_000);
    let report = world.reports(a).pop().unwrap();
    let ntp_middle = &report.packet[10..14];
    world.run(50 - (world.now.since(report.at).as_millis() as u64).min(50));
    let mut answer = vec![0x81, 201, 0, 7, 0, 0, 0, 9];
    answer.extend_from_slice(&report.packet[4..8]);
    answer.extend_from_slice(&[0; 12]);
    answer.extend_from_slice(ntp_middle);
    answer.extend_from_slice(&[0; 4]);
    let expected_us = world.now.since(report.at).as_micros() as i64;
    let remote = plan(0).media.remote_rtcp.unwrap();
    let received = world.receive_at(a, SocketId::rtcp(a), remote, &answer);
    assert_eq!(received, Received::Consumed);
    let measured = i64::from(stop(&mut world, a).round_trip_us.unwrap());
    assert!((measured - expected_us).abs() < 100, "{measured} {expected_us}");
}

#[test]
fn reports_of_strangers_malformed_ones_and_floods_are_dropped() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let remote = plan(0).media.remote_rtcp.unwrap();
    let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
    let mut receive =
        |source, packet: &[u8]| world.receive_at(a, SocketId::rtcp(a), source, packet);
    let stranger = receive("198.51.100.1:1".parse().unwrap(), &report);
    assert_eq!(stranger, Received::Dropped(DropReason::RtcpStranger));
    let malformed = receive(remote, &report[..7]);
    assert_eq!(malformed, Received::Dropped(DropReason::RtcpMalformed));
    for _ in 0..9 {
        assert_eq!(receive(remote, &report), Received::Consumed);
    }
    assert_eq!(receive(remote, &report), Received::Dropped(DropReason::RtcpRate));
}
