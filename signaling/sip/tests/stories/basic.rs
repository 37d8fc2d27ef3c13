//! Calls that are answered: over both transports, with early media, late offers, packet loss.

use std::time::Duration;

use shared::{Codec, Transport};
use sip::{Command, Message, Method, UaEvent};

use crate::world::{A, B, Weather, Who, World, invite, media, towards};

#[test]
fn a_call_over_udp_is_made_answered_and_ended() {
    let mut world = World::new(1);
    let incoming = world.call(invite(Transport::Udp));
    assert_eq!(incoming.objection, None);
    world.admit(incoming);
    let ringing = Command::Progress { session: B, status: 180, media: None, headers: Vec::new() };
    world.command(Who::Bob, ringing);
    world.run(Duration::from_secs(1));
    world.answer();
    world.run(Duration::from_secs(1));
    let told = world.told(Who::Alice);
    assert!(matches!(told.first(), Some(UaEvent::Progress { status: 180, media: None, .. })));
    let Some(UaEvent::Answered { media, peer, .. }) = told.last() else { panic!("{told:?}") };
    assert_eq!((media.codec, *peer), (Codec::Pcmu, Who::Bob.address()));
    world.bye(Who::Alice);
    let told = world.events(Who::Bob);
    assert!(matches!(told.last(), Some(UaEvent::Ended { session: B, .. })));
    let told = world.events(Who::Alice);
    assert!(matches!(told.last(), Some(UaEvent::Ended { session: A, headers: Some(_), .. })));
    let tail = world.ladder().split_off(world.ladder().len() - 7);
    let wanted = ["B 100 INVITE", "B 180 INVITE", "B 200 INVITE", "A ACK", "A BYE", "B 200 BYE"];
    assert_eq!(tail[1..], wanted);
    world.assert_nothing_is_left();
}

#[test]
fn a_call_over_tcp_needs_no_retransmission() {
    let mut world = World::new(2);
    world.talking(Transport::Tcp);
    world.bye(Who::Bob);
    let told = world.events(Who::Alice);
    assert!(matches!(told.last(), Some(UaEvent::Ended { session: A, .. })));
    let invites = world.ladder().iter().filter(|line| *line == "A INVITE").count();
    assert_eq!(invites, 1);
    let by_udp = |sent: &&crate::world::Sent| match &sent.message {
        Message::Request(request) => {
            request.top_via().is_some_and(|via| via.transport == Transport::Udp.into())
        }
        Message::Response(_) => false,
    };
    assert_eq!(
        world.sent.iter().filter(by_udp).count(),
        0,
        "the BYE went over the connection, too"
    );
    world.assert_nothing_is_left();
}

#[test]
fn the_ack_repeats_the_headers_of_the_product() {
    let mut world = World::new(3);
    world.talking(Transport::Udp);
    let ack = world.sent.iter().find_map(|sent| match &sent.message {
        Message::Request(request) if request.method == Method::Ack => Some(request.clone()),
        _ => None,
    });
    assert_eq!(ack.unwrap().headers.get_str("X-Twilio-CallSid"), Some("CA1"));
}

#[test]
fn early_media_is_reported_and_the_200_repeats_it() {
    let mut world = World::new(4);
    let incoming = world.call(invite(Transport::Udp));
    world.admit(incoming);
    let early = Command::Progress {
        session: B,
        status: 183,
        media: Some(media(30_000)),
        headers: Vec::new(),
    };
    world.command(Who::Bob, early);
    world.run(Duration::from_secs(1));
    let told = world.told(Who::Alice);
    assert!(matches!(told.last(), Some(UaEvent::Progress { status: 183, media: Some(_), .. })));
    world.answer();
    world.run(Duration::from_secs(1));
    let bodies: Vec<Vec<u8>> = world
        .sent
        .iter()
        .filter_map(|sent| match &sent.message {
            Message::Response(response) if !response.body.is_empty() => Some(response.body.clone()),
            _ => None,
        })
        .collect();
    assert!(bodies.len() >= 2 && bodies.iter().all(|body| *body == bodies[0]));
}

#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let mut world = World::new(5);
    let incoming = world.call(sip::Invite { late_offer: true, ..invite(Transport::Udp) });
    assert!(incoming.request.body.is_empty());
    world.admit(incoming);
    world.answer();
    world.run(Duration::from_secs(1));
    let told = world.told(Who::Bob);
    let Some(UaEvent::Confirmed { media: Some(media), .. }) = told.last() else {
        panic!("{told:?}")
    };
    assert_eq!(media.remote_rtp.map(|address| address.port()), Some(20_000));
    let told = world.told(Who::Alice);
    let Some(UaEvent::Answered { media, .. }) = told.last() else { panic!("{told:?}") };
    assert_eq!(media.remote_rtp.map(|address| address.port()), Some(30_000));
}

#[test]
fn a_silent_destination_is_given_up_after_4_s_for_the_next() {
    let mut world = World::new(6);
    let mut nowhere = towards(Who::Bob, Transport::Udp);
    nowhere.remote = ([198, 51, 100, 1], 5060).into();
    let mut invite = invite(Transport::Udp);
    invite.destinations.insert(0, nowhere);
    world.command(Who::Alice, Command::Invite { session: A, invite: Box::new(invite) });
    world.run(Duration::from_millis(3_900));
    assert!(world.told(Who::Bob).is_empty());
    world.run(Duration::from_millis(200));
    let incoming = world.incoming(Who::Bob);
    world.admit(incoming);
    world.answer();
    let told = world.events(Who::Alice);
    assert!(told.iter().any(|event| matches!(event, UaEvent::Answered { .. })), "{told:?}");
    assert_eq!(world.agent(Who::Alice).meters().failovers, 1);
}

#[test]
fn a_refused_connection_and_a_503_go_on_to_the_next_destination() {
    let mut world = World::new(7);
    let mut nowhere = towards(Who::Bob, Transport::Tcp);
    nowhere.remote = ([198, 51, 100, 1], 5060).into();
    let mut invite = invite(Transport::Udp);
    invite.destinations.insert(0, nowhere);
    invite.destinations.push(towards(Who::Bob, Transport::Udp));
    world.command(Who::Alice, Command::Invite { session: A, invite: Box::new(invite) });
    world.run(Duration::from_secs(1));
    let incoming = world.incoming(Who::Bob);
    let refusal = shared::Refusal::new("overload", 503, "busy").retry_after(5);
    world.command(
        Who::Bob,
        Command::RejectStateless { incoming, refusal, headers: Vec::new(), trusted: false },
    );
    world.run(Duration::from_secs(1));
    let incoming = world.incoming(Who::Bob);
    world.admit(incoming);
    world.answer();
    let told = world.events(Who::Alice);
    assert!(told.iter().any(|event| matches!(event, UaEvent::Answered { .. })), "{told:?}");
    assert_eq!(world.agent(Who::Alice).meters().failovers, 2);
}

#[test]
fn a_destination_that_says_nothing_at_all_for_4_s_is_a_408() {
    let mut world = World::new(8);
    world.is_cut = true;
    let invite = Box::new(invite(Transport::Udp));
    world.command(Who::Alice, Command::Invite { session: A, invite });
    world.run(Duration::from_millis(3_900));
    assert!(world.told(Who::Alice).is_empty());
    world.run(Duration::from_millis(200));
    let told = world.told(Who::Alice);
    let Some(UaEvent::Rejected { status: 408, headers: None, peer, .. }) = told.last() else {
        panic!("{told:?}")
    };
    assert_eq!(*peer, Some(Who::Bob.address()));
    world.run(Duration::from_secs(30));
    world.assert_nothing_is_left();
}

#[test]
fn a_100_is_enough_to_be_waited_for() {
    let mut world = World::new(9);
    let incoming = world.call(invite(Transport::Udp));
    world.admit(incoming);
    world.run(Duration::from_secs(60));
    let told = world.told(Who::Alice);
    assert!(!told.iter().any(|event| matches!(event, UaEvent::Rejected { .. })), "{told:?}");
    world.answer();
    let told = world.events(Who::Alice);
    assert!(told.iter().any(|event| matches!(event, UaEvent::Answered { .. })), "{told:?}");
}

#[test]
fn a_phone_that_wakes_up_after_it_was_given_up_is_canceled() {
    let mut world = World::new(10);
    world.is_cut = true;
    let invite = Box::new(invite(Transport::Udp));
    world.command(Who::Alice, Command::Invite { session: A, invite });
    world.run(Duration::from_secs(5));
    world.told(Who::Alice);
    world.is_cut = false;
    world.run(Duration::from_secs(4));
    let incoming = world.incoming(Who::Bob);
    world.admit(incoming);
    world.run(Duration::from_secs(1));
    let told = world.told(Who::Bob);
    assert!(told.iter().any(|event| matches!(event, UaEvent::Canceled { .. })), "{told:?}");
    assert!(world.told(Who::Alice).is_empty(), "nobody waits for it any more");
    world.run(Duration::from_secs(60));
    world.assert_nothing_is_left();
}

/// RFC 3261 §18.4. The quote must reach our branch, so that nobody off the path can forge it.
#[test]
fn a_datagram_that_the_network_gives_back_is_a_503_at_once() {
    let mut world = World::new(11);
    world.is_cut = true;
    let invite = Box::new(invite(Transport::Udp));
    world.command(Who::Alice, Command::Invite { session: A, invite });
    let bytes = match &world.sent[0].message {
        Message::Request(request) => request.to_bytes(),
        other => panic!("{other:?}"),
    };
    let bob = Who::Bob.address();
    world.undelivered(Who::Alice, bob, &bytes[..8]);
    world.undelivered(Who::Alice, Who::Alice.address(), &bytes);
    let forged = String::from_utf8_lossy(&bytes).replace("z9hG4bK0001", "z9hG4bK0002");
    world.undelivered(Who::Alice, bob, forged.as_bytes());
    assert!(world.told(Who::Alice).is_empty(), "too short, another address, another branch");
    world.undelivered(Who::Alice, bob, &bytes[..200]);
    let told = world.told(Who::Alice);
    let is_told = |event: &UaEvent| matches!(event, UaEvent::Rejected { status: 503, headers: None, peer: Some(peer), .. } if *peer == bob);
    assert!(told.iter().any(is_told), "{told:?}");
    world.assert_nothing_is_left();
}

#[test]
fn a_peer_that_has_answered_once_is_there_whatever_the_network_gives_back() {
    let mut world = World::new(12);
    let incoming = world.call(invite(Transport::Udp));
    world.admit(incoming);
    world.run(Duration::from_secs(1));
    world.told(Who::Alice);
    let bytes = match &world.sent[0].message {
        Message::Request(request) => request.to_bytes(),
        other => panic!("{other:?}"),
    };
    world.undelivered(Who::Alice, Who::Bob.address(), &bytes);
    assert!(world.told(Who::Alice).is_empty());
    world.answer();
    let told = world.events(Who::Alice);
    assert!(told.iter().any(|event| matches!(event, UaEvent::Answered { .. })), "{told:?}");
}

/// 200 seeds of loss, copies and disorder: the call comes up on both sides or on neither, and
/// nothing is left of it afterwards.
#[test]
fn calls_come_about_and_end_cleanly_in_any_weather() {
    for seed in 0..200 {
        let weather = Weather { loss: 20, copies: 20, jitter_ms: 400 };
        let mut world = World::with(seed, weather, |_, config| config);
        let invite = Box::new(invite(Transport::Udp));
        world.command(Who::Alice, Command::Invite { session: A, invite });
        let mut answered = (false, false);
        let mut admitted = false;
        for _ in 0..60 {
            world.run(Duration::from_secs(1));
            for event in world.told(Who::Bob) {
                match event {
                    UaEvent::Incoming(incoming) if !admitted => {
                        world.admit(incoming);
                        world.answer();
                        admitted = true;
                    }
                    UaEvent::Confirmed { .. } => answered.1 = true,
                    _ => {}
                }
            }
            for event in world.told(Who::Alice) {
                if matches!(event, UaEvent::Answered { .. }) {
                    answered.0 = true;
                }
            }
        }
        assert_eq!(answered, (true, true), "seed {seed}: {:#?}", world.ladder());
        world.bye(if seed % 2 == 0 { Who::Alice } else { Who::Bob });
        world.run(Duration::from_secs(40));
        for who in [Who::Alice, Who::Bob] {
            let told = world.told(who);
            let is_over = told.iter().any(|event| matches!(event, UaEvent::Ended { .. }));
            // 20 % loss on both ways: all eleven BYEs are lost once in millions of seeds.
            assert!(is_over, "seed {seed}, {who:?}: {told:?}");
        }
        world.assert_nothing_is_left();
    }
}

#[test]
fn an_invite_leaves_with_the_hops_that_its_call_has_left() {
    let mut world = World::new(13);
    let incoming = world.call(sip::Invite { max_forwards: 17, ..invite(Transport::Udp) });
    assert_eq!(incoming.request.max_forwards, Some(17));
}
