//! Behaviours of legs with SRTP, with peers that open what they get.

use std::sync::Arc;

use shared::media::{PlayEnd, TapLimits, TapTracks};
use shared::{
    LegPlan, MediaCommand, MediaEvent, Member, PlayId, Playout, RoomId, Sink, SrtpKey, SrtpKeys,
    SrtpMaster, SrtpSuite, TapId, Voice,
};

use crate::g711;
use crate::meters::DropReason;
use crate::output::{Received, SocketId};
use crate::rtp::{self, RtpHeader};
use crate::srtp::{SRTCP_OVERHEAD, SRTP_OVERHEAD_MAX, SrtpReceiver, SrtpSender};
use crate::testing::{Sent, World};

/// The peer of one leg: what it sends with, and what it opens our packets with.
struct Peer {
    party: usize,
    /// Makes the keys that the core receives.
    number: u8,
    sender: SrtpSender,
    receiver: SrtpReceiver,
}

const LONG: SrtpSuite = SrtpSuite::AesCm128HmacSha1Tag80;
const SHORT: SrtpSuite = SrtpSuite::AesCm128HmacSha1Tag32;

fn key(suite: SrtpSuite, byte: u8) -> SrtpKey {
    SrtpKey { suite, master: SrtpMaster::new([byte; 30]) }
}

/// The keys of a party as the core receives them, both made from `number`.
fn keys(suite: SrtpSuite, number: u8) -> SrtpKeys {
    SrtpKeys { send: key(suite, number), receive: key(suite, number + 100) }
}

impl Peer {
    fn start(world: &mut World, suite: SrtpSuite) -> Self {
        Self::start_with(world, suite, |_| ())
    }

    fn start_with(world: &mut World, suite: SrtpSuite, change: impl Fn(&mut LegPlan)) -> Self {
        let mut number = 0;
        let party = world.start(|plan| {
            number = plan.port.rtp as u8;
            plan.media.srtp = Some(keys(suite, number));
            change(plan);
        });
        let sender = SrtpSender::new(key(suite, number + 100));
        Self { party, number, sender, receiver: SrtpReceiver::new(key(suite, number)) }
    }

    fn sealed(&mut self, world: &mut World, samples: &[u8]) -> Vec<u8> {
        let mut packet = world.next_packet(self.party, samples);
        let len = packet.len();
        packet.resize(len + SRTP_OVERHEAD_MAX, 0);
        let len = self.sender.protect_rtp(&mut packet, len).unwrap();
        packet.truncate(len);
        packet
    }

    fn speak(&mut self, world: &mut World, samples: &[u8]) -> Received {
        let packet = self.sealed(world, samples);
        world.receive(self.party, &packet)
    }

    /// What it heard since the last call; all of it has to be authentic.
    fn heard(&mut self, world: &mut World) -> Vec<Sent> {
        let mut sent = world.heard(self.party);
        for packet in sent.iter_mut().map(|sent| &mut sent.packet) {
            let len = self.receiver.unprotect_rtp(packet).expect("ours is authentic");
            packet.truncate(len);
        }
        sent
    }

    fn reports(&mut self, world: &mut World) -> Vec<Vec<u8>> {
        let opened = |mut sent: Sent| {
            let len = self.receiver.unprotect_rtcp(&mut sent.packet).expect("authentic");
            sent.packet.truncate(len);
            sent.packet
        };
        world.reports(self.party).into_iter().map(opened).collect()
    }
}

fn drops(world: &World, reason: DropReason) -> u64 {
    world.cores.iter().map(|(plane, _)| plane.meters().packets_dropped.count(reason)).sum()
}

#[test]
fn srtp_is_relayed_to_rtp_and_back_on_one_core_and_on_three() {
    for cores in [1, 3] {
        for suite in [LONG, SHORT] {
            let mut world = World::new(cores);
            let mut a = Peer::start(&mut world, suite);
            let b = world.start(|_| ());
            world.bridge(a.party, b);
            for round in 0..50u8 {
                let _ = a.speak(&mut world, &[round; 160]);
                let _ = world.speak(b, &[!round; 160]);
                let (to_b, to_a) = (world.heard(b), a.heard(&mut world));
                assert_eq!((to_b.len(), to_a.len()), (1, 1));
                assert_eq!(to_b[0].packet.len(), 172);
                assert_eq!(
                    (to_b[0].payload(), to_a[0].payload()),
                    (&[round; 160][..], &[!round; 160][..])
                );
            }
        }
    }
}

#[test]
fn srtp_is_relayed_to_srtp_in_place_where_there_is_room_and_else_from_a_copy() {
    for (suite_a, suite_b, in_place) in
        [(LONG, LONG, true), (LONG, SHORT, true), (SHORT, LONG, false)]
    {
        let mut world = World::new(1);
        let (mut a, mut b) = (Peer::start(&mut world, suite_a), Peer::start(&mut world, suite_b));
        world.bridge(a.party, b.party);
        for samples in [&[7; 160][..], &[8; 480]] {
            let received = a.speak(&mut world, samples);
            assert_eq!(matches!(received, Received::Forward { .. }), in_place, "{received:?}");
            assert_eq!(b.heard(&mut world)[0].payload(), samples);
        }
        assert_eq!(world.cores[0].0.meters().packets_forwarded, 2);
    }
}

#[test]
fn prompts_silence_digits_and_reports_are_sealed() {
    let mut world = World::new(1);
    let mut a = Peer::start(&mut world, LONG);
    let leg = world.leg(a.party);
    world.run(100);
    assert!(a.heard(&mut world).iter().all(|sent| sent.payload() == [0xFF; 160]));
    let prompt = Arc::new(g711::prompt(&[9_000; 1_600]));
    let play = PlayId(1);
    world.command(MediaCommand::Play { leg, play, prompt: prompt.clone(), repeat: 1 });
    world.run(400);
    let heard: Vec<u8> =
        a.heard(&mut world).iter().flat_map(|sent| sent.payload().to_vec()).collect();
    assert!(heard.windows(1_600).any(|window| window == &prompt.mulaw[..]));
    world.command(MediaCommand::SendDigits { leg, play: PlayId(2), digits: "5".into() });
    world.run(400);
    let events =
        a.heard(&mut world).iter().filter(|sent| sent.header().payload_type == 101).count();
    assert!(events > 5, "{events}");
    let ended = world
        .events()
        .into_iter()
        .filter(|event| matches!(event, MediaEvent::PlayEnded { cause: PlayEnd::Finished, .. }));
    assert_eq!(ended.count(), 2);
    world.run(10_000);
    let reports = a.reports(&mut world);
    assert!(!reports.is_empty());
    assert!(reports.iter().all(|report| report[1] == 200), "sender reports");
}

#[test]
fn what_is_heard_is_opened_for_keys_taps_and_reports() {
    let mut world = World::new(1);
    let mut a = Peer::start(&mut world, LONG);
    let leg = world.leg(a.party);
    let (tap, tracks, limits) = (TapId(1), TapTracks::Inbound, TapLimits::default());
    world.command(MediaCommand::StartTap { leg, tap, sink: Sink::Recorder, tracks, limits });
    for _ in 0..20 {
        let _ = a.speak(&mut world, &[0x33; 160]);
        world.run(20);
    }
    let frames = &world.cores[0].1.frames;
    assert!(frames.iter().any(|frame| frame.inbound == Some([0x33; 160])));

    let mut event = vec![0; 12];
    rtp::write_header(event.first_chunk_mut().unwrap(), true, 101, 40_000, 9, 0xE0E0);
    event.extend_from_slice(&[5, 0x8A, 3, 0x20]);
    event.resize(16 + SRTP_OVERHEAD_MAX, 0);
    assert_eq!(a.sender.protect_rtp(&mut event, 16), Ok(26));
    let _ = world.receive(a.party, &event);
    let digits = world
        .events()
        .into_iter()
        .filter(|event| matches!(event, MediaEvent::Digit { digit: b'5', .. }));
    assert_eq!(digits.count(), 1);

    let mut bye = vec![0x80, 201, 0, 1, 0, 0, 0, 1, 0x81, 203, 0, 1, 0, 0, 0, 1];
    bye.resize(16 + SRTCP_OVERHEAD, 0);
    let len = a.sender.protect_rtcp(&mut bye, 16).unwrap();
    let source = std::net::SocketAddr::from(([192, 0, 2, 1], 4_001));
    let take = |world: &mut World, packet: &[u8]| {
        world.receive_at(a.party, SocketId::rtcp(a.party), source, packet)
    };
    assert_eq!(take(&mut world, &bye[..len]), Received::Consumed);
    assert_eq!(take(&mut world, &bye[..len]), Received::Dropped(DropReason::SrtpReplayed));
    let in_the_clear = [0x80, 201, 0, 1, 0, 0, 0, 1, 0x81, 203, 0, 1, 0, 0, 0, 1];
    let dropped = take(&mut world, &in_the_clear);
    assert!(matches!(dropped, Received::Dropped(_)), "{dropped:?}");
    let byes =
        world.events().into_iter().filter(|event| matches!(event, MediaEvent::RtcpBye { .. }));
    assert_eq!(byes.count(), 1);
}

#[test]
fn only_authentic_packets_latch_and_the_others_are_counted() {
    let mut world = World::new(1);
    let mut a = Peer::start(&mut world, LONG);
    let plain = world.next_packet(a.party, &[1; 160]);
    let refused = world.receive(a.party, &plain);
    assert_eq!(refused, Received::Dropped(DropReason::SrtpUnauthentic));
    let mut stranger = SrtpSender::new(key(LONG, 77));
    let mut other_key = plain.clone();
    other_key.resize(182, 0);
    stranger.protect_rtp(&mut other_key, 172).unwrap();
    let refused = world.receive(a.party, &other_key);
    assert_eq!(refused, Received::Dropped(DropReason::SrtpUnauthentic));
    assert!(world.events().is_empty(), "nothing latched");
    let sealed = a.sealed(&mut world, &[1; 160]);
    assert_eq!(world.receive(a.party, &sealed), Received::Consumed);
    assert!(matches!(world.events()[..], [MediaEvent::Latched { .. }]));
    assert_eq!(world.receive(a.party, &sealed), Received::Dropped(DropReason::SrtpReplayed));
    assert_eq!(drops(&world, DropReason::SrtpUnauthentic), 2);
    assert_eq!(drops(&world, DropReason::SrtpReplayed), 1);
}

#[test]
fn the_address_of_the_sdp_takes_an_authentic_lock_back_at_once_and_a_forged_packet_does_not() {
    let mut world = World::new(1);
    let mut a = Peer::start(&mut world, LONG);
    let (party, named) = (a.party, world.party(a.party).address);
    let mut elsewhere = named;
    elsewhere.set_port(9_999);
    for _ in 0..5 {
        let sealed = a.sealed(&mut world, &[1; 160]);
        let taken = world.receive_at(party, SocketId::rtp(party), elsewhere, &sealed);
        assert_eq!(taken, Received::Consumed);
    }
    let forged = world.next_packet(party, &[3; 160]);
    assert_eq!(world.receive(party, &forged), Received::Dropped(DropReason::SrtpUnauthentic));
    world.heard(party);
    world.run(20);
    assert!(world.heard(party).iter().all(|sent| sent.to == elsewhere));
    let sealed = a.sealed(&mut world, &[2; 160]);
    assert_eq!(world.receive(party, &sealed), Received::Consumed);
    world.run(40);
    assert!(world.heard(party).iter().all(|sent| sent.to == named));
}

#[test]
fn an_authentic_source_is_followed_after_two_seconds_of_silence_and_a_stranger_never() {
    let mut world = World::new(1);
    let mut a = Peer::start(&mut world, LONG);
    let _ = a.speak(&mut world, &[1; 160]);
    world.events();
    let mut elsewhere = world.party(a.party).address;
    elsewhere.set_port(9_999);
    let party = a.party;
    let take = |world: &mut World, packet: &[u8]| {
        world.receive_at(party, SocketId::rtp(party), elsewhere, packet)
    };
    let sealed = a.sealed(&mut world, &[2; 160]);
    assert_eq!(take(&mut world, &sealed), Received::Dropped(DropReason::Stranger));
    world.run(2_100);
    let forged = world.next_packet(a.party, &[3; 160]);
    assert_eq!(take(&mut world, &forged), Received::Dropped(DropReason::SrtpUnauthentic));
    world.heard(a.party);
    world.run(40);
    assert!(world.heard(a.party).iter().all(|sent| sent.to != elsewhere));
    let sealed = a.sealed(&mut world, &[4; 160]);
    assert_eq!(take(&mut world, &sealed), Received::Consumed);
    world.run(40);
    assert!(world.heard(a.party).iter().all(|sent| sent.to == elsewhere));
    for _ in 0..5 {
        let sealed = a.sealed(&mut world, &[4; 160]);
        assert_eq!(take(&mut world, &sealed), Received::Consumed);
    }
    assert!(
        matches!(world.events()[..], [MediaEvent::Latched { source, .. }] if source == elsewhere)
    );
}

#[test]
fn a_call_goes_on_past_the_wrap_over_offers_with_the_same_key_and_one_with_a_new_one() {
    let mut world = World::new(1);
    let (mut a, mut b) = (Peer::start(&mut world, LONG), Peer::start(&mut world, LONG));
    world.bridge(a.party, b.party);
    // Party a sends from 65,000 and hears from 32,762: both wrap on the way.
    let rounds = 34_000u32;
    for round in 0..rounds {
        if round % 8_500 == 8_000 {
            let (mut new, is_last) = (keys(LONG, a.number), round > rounds - 8_500);
            if is_last {
                new.receive = key(LONG, 222);
            }
            // Packets sent with the old key are still on the way when the new one is known.
            let late = a.sealed(&mut world, &[0x44; 160]);
            world.update(a.party, |plan| plan.media.srtp = Some(new));
            if is_last {
                a.sender = SrtpSender::new(key(LONG, 222));
            }
            let _ = a.speak(&mut world, &[0x45; 160]);
            assert!(matches!(world.receive(a.party, &late), Received::Forward { .. }));
            assert_eq!(b.heard(&mut world).len(), 2);
        }
        let payload = round.to_be_bytes();
        assert!(matches!(a.speak(&mut world, &payload), Received::Forward { .. }), "{round}");
        assert!(matches!(b.speak(&mut world, &payload), Received::Forward { .. }), "{round}");
        let (to_b, to_a) = (b.heard(&mut world), a.heard(&mut world));
        assert_eq!((to_a[0].payload(), to_b[0].payload()), (&payload[..], &payload[..]));
    }
    assert_eq!(world.cores[0].0.meters().packets_dropped.total(), 0);
}

#[test]
fn an_offer_may_switch_srtp_on_and_off() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    world.run(40);
    assert_eq!(world.heard(a)[0].packet.len(), 172);
    world.update(a, |plan| plan.media.srtp = Some(keys(LONG, 1)));
    world.run(40);
    let mut receiver = SrtpReceiver::new(key(LONG, 1));
    for mut sent in world.heard(a) {
        assert_eq!(receiver.unprotect_rtp(&mut sent.packet), Ok(172));
    }
    world.update(a, |_| ());
    world.run(40);
    assert!(
        world
            .heard(a)
            .iter()
            .all(|sent| RtpHeader::parse(&sent.packet).is_ok_and(|_| sent.packet.len() == 172))
    );
    let before = world.cores[0].0.srtp.len();
    world.update(a, |plan| plan.media.srtp = Some(keys(LONG, 2)));
    assert_eq!((before, world.cores[0].0.srtp.len()), (1, 1), "its place is used again");
}

/// RFC 3711 §9.1: one key stream for two packets gives both away.
#[test]
fn srtp_that_comes_back_with_its_old_key_goes_on_where_it_was() {
    let mut world = World::new(1);
    let mut a = Peer::start(&mut world, LONG);
    let _ = a.speak(&mut world, &[7; 160]);
    world.run(20_000);
    let first = a.reports(&mut world).len();
    assert!(first > 1, "{first}");
    a.heard(&mut world);
    world.update(a.party, |plan| plan.media.srtp = None);
    world.run(100);
    world.heard(a.party);
    world.reports(a.party);
    let again = keys(LONG, a.number);
    world.update(a.party, |plan| plan.media.srtp = Some(again));
    world.run(20_000);
    // The receiver refuses an index that it has seen.
    assert!(a.reports(&mut world).len() > 1);
    assert!(a.heard(&mut world).len() > 100);
}

#[test]
fn an_echo_opens_with_one_key_and_seals_with_the_other() {
    for suite in [LONG, SHORT] {
        let mut world = World::new(1);
        let mut peer = Peer::start(&mut world, suite);
        world.echo(peer.party);
        for value in 0..20u8 {
            let _ = peer.speak(&mut world, &[value; 160]);
            world.run(20);
        }
        let heard = peer.heard(&mut world);
        let values: Vec<u8> = heard.iter().map(|sent| sent.payload()[0]).collect();
        assert_eq!(values, (0..20).collect::<Vec<u8>>());
        let sealed = peer.sealed(&mut world, &[1; 160]);
        let _ = world.receive(peer.party, &sealed);
        let replayed = world.receive(peer.party, &sealed);
        assert_eq!(replayed, Received::Dropped(DropReason::SrtpReplayed));
        assert_eq!(peer.heard(&mut world).len(), 1);
    }
}

#[test]
fn members_of_a_room_hear_each_other_whichever_of_them_have_srtp() {
    let mut world = World::new(1);
    let room = RoomId(6);
    world.open_room(room);
    let mut peers = [Peer::start(&mut world, LONG), Peer::start(&mut world, SHORT)];
    let clear = world.start(|_| ());
    let member = Member { voice: Voice::Room, hears: true, playout: Playout::Off };
    for party in [peers[0].party, peers[1].party, clear] {
        world.enter(party, room, member);
    }
    for value in 1..=40u8 {
        let _ = peers[0].speak(&mut world, &[value; 160]);
        world.run(20);
    }
    let said: Vec<u8> = (1..=38).collect();
    let heard_by_clear: Vec<u8> = world.heard(clear).iter().map(|sent| sent.payload()[0]).collect();
    let heard = peers[1].heard(&mut world);
    let heard_by_peer: Vec<u8> = heard.iter().map(|sent| sent.payload()[0]).collect();
    for heard in [heard_by_clear, heard_by_peer] {
        assert!(heard.windows(said.len()).any(|window| window == said), "{heard:?}");
    }
    let own = peers[0].heard(&mut world);
    assert!(own.iter().all(|sent| sent.payload() == [0xFF; 160]));
}
