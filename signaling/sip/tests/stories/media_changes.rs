//! Re-INVITEs: hold, resume, refresh, glare, offers without SDP.

use std::time::Duration;

use shared::{Direction, Transport};
use sip::{Command, Message, Method, UaEvent};

use crate::world::{A, B, Who, World, media, udp};

fn reoffer(direction: Direction) -> Command {
    let mut media = media(20_000);
    media.direction = direction;
    Command::Reoffer { session: A, media }
}

fn renegotiated(told: &[UaEvent]) -> Option<Direction> {
    told.iter().rev().find_map(|event| match event {
        UaEvent::Renegotiated { media, .. } => Some(media.direction),
        _ => None,
    })
}

#[test]
fn hold_and_resume_go_through_the_layer_above() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut world = World::new(1);
        world.talking(transport);
        for (ours, theirs) in
            [(Direction::SendOnly, Direction::RecvOnly), (Direction::SendRecv, Direction::SendRecv)]
        {
            world.command(Who::Alice, reoffer(ours));
            let told = world.events(Who::Bob);
            let Some(UaEvent::Offer { direction, .. }) = told.last() else { panic!("{told:?}") };
            assert_eq!(*direction, theirs);
            let answer = Ok(media(30_000));
            world.command(Who::Bob, Command::AnswerOffer { session: B, answer });
            assert_eq!(renegotiated(&world.events(Who::Bob)), Some(theirs));
            assert_eq!(renegotiated(&world.told(Who::Alice)), Some(ours));
        }
        world.bye(Who::Alice);
        world.assert_nothing_is_left();
    }
}

#[test]
fn an_offer_that_changes_nothing_is_answered_without_asking() {
    let mut world = World::new(2);
    world.talking(Transport::Udp);
    world.command(Who::Alice, reoffer(Direction::SendRecv));
    assert!(world.events(Who::Bob).is_empty());
    assert_eq!(renegotiated(&world.told(Who::Alice)), Some(Direction::SendRecv));
}

#[test]
fn a_refused_offer_leaves_the_media_as_they_were() {
    let mut world = World::new(3);
    world.talking(Transport::Udp);
    world.command(Who::Alice, reoffer(Direction::Inactive));
    world.run(Duration::from_secs(1));
    world.command(Who::Bob, Command::AnswerOffer { session: B, answer: Err(488) });
    let told = world.events(Who::Alice);
    assert!(matches!(told.last(), Some(UaEvent::ReofferRefused { status: 488, .. })), "{told:?}");
    assert!(world.agent(Who::Alice).has_session(A));
}

#[test]
fn an_offer_that_cannot_be_served_is_refused_by_name_and_the_session_goes_on() {
    let mut world = World::new(3);
    world.talking(Transport::Udp);
    world.command(Who::Alice, Command::Reoffer { session: A, media: media(53) });
    let told = world.events(Who::Bob);
    let Some(UaEvent::OfferRefused { method, refusal, .. }) = told.last() else {
        panic!("{told:?}");
    };
    assert_eq!((*method, refusal.rule, refusal.status), ("INVITE", "sdp_low_port", Some(488)));
    let told = world.events(Who::Alice);
    assert!(matches!(told.last(), Some(UaEvent::ReofferRefused { status: 488, .. })), "{told:?}");
    assert!(world.agent(Who::Alice).has_session(A) && world.agent(Who::Bob).has_session(B));
    world.bye(Who::Alice);
    world.assert_nothing_is_left();
}

#[test]
fn a_refresh_after_our_refused_offer_gets_the_media_agreed_before() {
    let mut world = World::new(7);
    world.talking(Transport::Udp);
    let mut moved = media(30_010);
    moved.direction = Direction::Inactive;
    world.command(Who::Bob, Command::Reoffer { session: B, media: moved });
    world.run(Duration::from_secs(1));
    world.command(Who::Alice, Command::AnswerOffer { session: A, answer: Err(488) });
    let told = world.events(Who::Bob);
    assert!(matches!(told.last(), Some(UaEvent::ReofferRefused { .. })), "{told:?}");
    world.command(Who::Alice, reoffer(Direction::SendRecv));
    let told = world.events(Who::Alice);
    let Some(UaEvent::Renegotiated { media, .. }) = told.last() else { panic!("{told:?}") };
    let port = media.remote_rtp.map(|address| address.port());
    assert_eq!((port, media.direction), (Some(30_000), Direction::SendRecv));
}

#[test]
fn an_unanswered_offer_is_refused_in_time() {
    let mut world = World::new(4);
    world.talking(Transport::Udp);
    world.command(Who::Alice, reoffer(Direction::Inactive));
    world.run(Duration::from_secs(11));
    let told = world.told(Who::Alice);
    assert!(matches!(told.last(), Some(UaEvent::ReofferRefused { status: 500, .. })), "{told:?}");
}

#[test]
fn offers_of_both_sides_at_once_are_refused_and_tried_again() {
    let mut world = World::new(5);
    world.talking(Transport::Udp);
    world.command(Who::Alice, reoffer(Direction::SendOnly));
    let mut held = media(30_000);
    held.direction = Direction::SendOnly;
    world.command(Who::Bob, Command::Reoffer { session: B, media: held });
    world.run(Duration::from_secs(1));
    let refusals = world.ladder().iter().filter(|line| line.ends_with("491 INVITE")).count();
    assert_eq!(refusals, 2);
    for _ in 0..10 {
        world.run(Duration::from_secs(1));
        for (who, session, port) in [(Who::Alice, A, 20_000), (Who::Bob, B, 30_000)] {
            let told = world.told(who);
            if told.iter().any(|event| matches!(event, UaEvent::Offer { .. })) {
                let answer = Ok(media(port));
                world.command(who, Command::AnswerOffer { session, answer });
            }
        }
    }
    let accepted = world.ladder().iter().filter(|line| line.ends_with("200 INVITE")).count();
    assert_eq!(accepted, 3, "the call and both offers: {:?}", world.ladder());
    world.bye(Who::Alice);
    world.assert_nothing_is_left();
}

#[test]
fn a_re_invite_without_sdp_gets_our_offer_and_its_ack_the_answer() {
    let mut world = World::new(6);
    world.talking(Transport::Udp);
    let find = |world: &World, wanted: Method| {
        world.sent.iter().rev().find_map(|sent| match &sent.message {
            Message::Request(request) if request.method == wanted => Some(request.clone()),
            _ => None,
        })
    };
    let mut ask = find(&world, Method::Ack).unwrap();
    let offer = find(&world, Method::Invite).unwrap();
    ask.method = Method::Invite;
    ask.cseq = sip::CSeq { number: 5, method: Method::Invite };
    ask.via[0].branch = sip::Text::token("z9hG4bKbare").ok();
    ask.contact = offer.contact.clone();
    world.inject(Who::Bob, udp(Who::Bob), &ask.to_bytes());
    let Message::Response(answer) = world.sent.last().unwrap().message.clone() else { panic!() };
    assert_eq!((answer.status, answer.body.is_empty()), (200, false));
    let mut ack = ask;
    ack.method = Method::Ack;
    ack.cseq.method = Method::Ack;
    ack.via[0].branch = sip::Text::token("z9hG4bKack").ok();
    ack.contact = sip::Contacts::none();
    let moved = String::from_utf8(offer.body).unwrap().replace("20000", "20020");
    ack.set_body("application/sdp", moved.into_bytes()).unwrap();
    world.inject(Who::Bob, udp(Who::Bob), &ack.to_bytes());
    let told = world.told(Who::Bob);
    let Some(UaEvent::Renegotiated { media, .. }) = told.last() else { panic!("{told:?}") };
    assert_eq!(media.remote_rtp.map(|address| address.port()), Some(20_020));
}
