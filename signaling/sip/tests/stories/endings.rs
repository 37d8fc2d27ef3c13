//! Calls that end before or after their answer, and races between the messages.

use std::time::Duration;

use shared::{Header, Transport};
use sip::{Command, EndCause, Flow, FlowId, Message, UaEvent};

use crate::world::{A, B, Who, World, invite, udp, uri};

fn cancel() -> Command {
    Command::Cancel { session: A, headers: vec![Header::new("Reason", b"SIP;cause=200")] }
}

#[test]
fn a_refusal_is_reported_with_its_headers_and_repeated_until_its_ack() {
    let mut world = World::new(1);
    let incoming = world.call(invite(Transport::Udp));
    world.admit(incoming);
    let mut lost = 2;
    world.drop_if = Some(Box::new(move |sent| {
        let is_ack = crate::world::describe(sent) == "A ACK";
        let drop = is_ack && lost > 0;
        lost -= i32::from(drop);
        drop
    }));
    let headers = vec![Header::new("X-Why", b"lunch")];
    world.command(
        Who::Bob,
        Command::Reject { session: B, status: 486, reason: String::new(), headers },
    );
    let told = world.events(Who::Alice);
    let Some(UaEvent::Rejected { status: 486, reason, headers: Some(headers), .. }) = told.last()
    else {
        panic!("{told:?}")
    };
    assert_eq!((reason.as_str(), headers.get_str("X-Why")), ("Busy Here", Some("lunch")));
    let count = |wanted: &str| world.ladder().iter().filter(|line| *line == wanted).count();
    assert_eq!((count("B 486 INVITE"), count("A ACK")), (3, 3));
    world.assert_nothing_is_left();
}

#[test]
fn a_redirect_whose_contact_cannot_be_read_is_acknowledged_and_ends_the_try() {
    let mut world = World::new(21);
    let incoming = world.call(invite(Transport::Udp));
    let mut response = sip::Response::for_request(&incoming.request, 302, "Moved Temporarily");
    response.to.set_tag(sip::Text::cleaned("b"));
    let text = String::from_utf8(response.to_bytes()).expect("text");
    let broken =
        "\r\nContact: \"Bob <sip:bob@h.example\r\nRecord-Route: nonsense\r\nContent-Length";
    let text = text.replacen("\r\nContent-Length", broken, 1);
    world.inject(Who::Alice, udp(Who::Alice), text.as_bytes());
    let told = world.events(Who::Alice);
    let Some(UaEvent::Rejected { status: 302, contacts, .. }) = told.last() else {
        panic!("{told:?}")
    };
    assert!(contacts.list().is_empty());
    assert!(world.ladder().contains(&"A ACK".to_owned()));
}

#[test]
fn a_cancel_while_it_rings_gives_487() {
    let mut world = World::new(2);
    let incoming = world.call(invite(Transport::Udp));
    world.admit(incoming);
    world.run(Duration::from_secs(1));
    world.command(Who::Alice, cancel());
    let told = world.events(Who::Bob);
    let Some(UaEvent::Canceled { session: B, reason: Some(reason) }) = told.last() else {
        panic!("{told:?}")
    };
    assert_eq!(reason, "SIP;cause=200");
    let told = world.told(Who::Alice);
    let is_over =
        |event: &UaEvent| matches!(event, UaEvent::Ended { cause: EndCause::LocalCancel, .. });
    assert!(told.iter().any(is_over), "{told:?}");
    assert!(world.ladder().contains(&"B 487 INVITE".to_owned()));
    world.assert_nothing_is_left();
}

#[test]
fn a_cancel_waits_for_a_provisional_response() {
    let mut world = World::new(3);
    let invite = Box::new(invite(Transport::Udp));
    world.command(Who::Alice, Command::Invite { session: A, invite });
    world.command(Who::Alice, cancel());
    assert_eq!(world.ladder(), ["A INVITE"]);
    world.run(Duration::from_millis(200));
    let incoming = world.incoming(Who::Bob);
    world.admit(incoming);
    let told = world.events(Who::Bob);
    assert!(matches!(told.last(), Some(UaEvent::Canceled { .. })), "{told:?}");
    world.assert_nothing_is_left();
}

#[test]
fn a_200_that_is_quicker_than_the_cancel_gets_ack_and_bye() {
    let mut world = World::new(4);
    let incoming = world.call(invite(Transport::Udp));
    world.admit(incoming);
    world.run(Duration::from_secs(1));
    world.answer();
    world.command(Who::Alice, cancel());
    let told = world.events(Who::Bob);
    let is_over =
        |event: &UaEvent| matches!(event, UaEvent::Ended { cause: EndCause::RemoteBye { .. }, .. });
    assert!(told.iter().any(is_over), "{told:?}");
    let ladder = world.ladder();
    assert!(
        ladder.ends_with(&["A ACK".into(), "A BYE".into(), "B 200 BYE".into()])
            || ladder.contains(&"A BYE".into())
    );
    assert!(ladder.contains(&"B 200 CANCEL".to_owned()));
    assert_eq!(world.agent(Who::Alice).meters().forks_ended, 1);
    world.assert_nothing_is_left();
}

#[test]
fn the_first_2xx_of_a_forked_call_wins_and_the_second_is_ended() {
    let mut world = World::new(5);
    let incoming = world.call(invite(Transport::Udp));
    world.admit(incoming);
    world.answer();
    world.run(Duration::from_secs(1));
    let answer = world.sent.iter().find_map(|sent| match &sent.message {
        Message::Response(response) if response.status == 200 => Some(response.clone()),
        _ => None,
    });
    let mut fork = answer.unwrap();
    fork.to.set_tag(sip::Text::cleaned("anotherphone"));
    world.told(Who::Alice);
    let before = world.sent.len();
    world.inject(Who::Alice, udp(Who::Alice), &fork.to_bytes());
    let ladder = world.ladder().split_off(before);
    assert_eq!(ladder, ["A ACK", "A BYE"]);
    world.inject(Who::Alice, udp(Who::Alice), &fork.to_bytes());
    let ladder = world.ladder().split_off(before + 2);
    assert_eq!(ladder, ["A ACK"], "a copy of it gets the ACK again and no second BYE");
    assert!(world.told(Who::Alice).is_empty());
    assert!(world.agent(Who::Alice).has_session(A));
}

/// Behind a NAT its Contact is of no use.
#[test]
fn an_unwanted_2xx_is_ended_along_the_flow_of_a_registered_phone() {
    let mut world = World::new(5);
    let mut to_bob = invite(Transport::Udp);
    to_bob.attempts.stays_on_flow = true;
    let incoming = world.call(to_bob);
    world.admit(incoming);
    world.answer();
    world.run(Duration::from_secs(1));
    let answer = world.sent.iter().find_map(|sent| match &sent.message {
        Message::Response(response) if response.status == 200 => Some(response.clone()),
        _ => None,
    });
    let mut fork = answer.unwrap();
    fork.to.set_tag(sip::Text::cleaned("anotherphone"));
    fork.contact = sip::Contacts::List(vec![sip::NameAddr::new(uri("sip:bob@203.0.113.77:5062"))]);
    let before = world.sent.len();
    world.inject(Who::Alice, udp(Who::Alice), &fork.to_bytes());
    world.run(Duration::from_secs(1));
    let ladder = world.ladder().split_off(before);
    assert_eq!(ladder, ["A ACK", "A BYE", "B 481 BYE"]);
}

#[test]
fn a_2xx_is_repeated_until_its_ack_and_without_one_the_call_ends() {
    let mut world = World::new(7);
    let incoming = world.call(invite(Transport::Udp));
    world.admit(incoming);
    world.drop_if = Some(Box::new(|sent| crate::world::describe(sent) == "A ACK"));
    world.answer();
    world.run(Duration::from_millis(31_800));
    let copies = world.ladder().iter().filter(|line| *line == "B 200 INVITE").count();
    assert_eq!(copies, 11, "at 0, 0.5, 1.5, 3.5, 7.5, 11.5 … 31.5 s");
    let told = world.events(Who::Bob);
    let is_over =
        |event: &UaEvent| matches!(event, UaEvent::Ended { cause: EndCause::AckTimeout, .. });
    assert!(told.iter().any(is_over), "{told:?}");
    assert!(world.ladder().contains(&"B BYE".to_owned()));
    world.assert_nothing_is_left();
}

#[test]
fn a_bye_before_the_ack_waits_for_it() {
    let mut world = World::new(8);
    let incoming = world.call(invite(Transport::Udp));
    world.admit(incoming);
    let mut first = true;
    world.drop_if = Some(Box::new(move |sent| {
        let drop = first && crate::world::describe(sent) == "A ACK";
        first &= !drop;
        drop
    }));
    world.answer();
    world.bye(Who::Bob);
    world.run(Duration::from_millis(400));
    assert!(!world.ladder().contains(&"B BYE".to_owned()));
    world.run(Duration::from_millis(400));
    assert!(world.ladder().contains(&"B BYE".to_owned()));
    world.assert_nothing_is_left();
}

#[test]
fn a_lost_bye_is_repeated_and_without_an_answer_the_session_ends() {
    let mut world = World::new(9);
    world.talking(Transport::Udp);
    world.is_cut = true;
    world.bye(Who::Alice);
    world.run(Duration::from_millis(31_800));
    assert!(world.told(Who::Alice).is_empty());
    assert_eq!(world.ladder().iter().filter(|line| *line == "A BYE").count(), 11);
    let told = world.events(Who::Alice);
    assert!(matches!(
        told.last(),
        Some(UaEvent::Ended { cause: EndCause::LocalBye, headers: None, .. })
    ));
}

#[test]
fn byes_of_both_sides_that_cross_end_both() {
    let mut world = World::new(10);
    world.talking(Transport::Udp);
    world.bye(Who::Alice);
    world.bye(Who::Bob);
    for who in [Who::Alice, Who::Bob] {
        let told = world.events(who);
        let ends = told.iter().filter(|event| matches!(event, UaEvent::Ended { .. })).count();
        assert_eq!(ends, 1, "{who:?}: {told:?}");
    }
    world.assert_nothing_is_left();
}

#[test]
fn hanging_up_what_rings_gives_480() {
    let mut world = World::new(11);
    let incoming = world.call(invite(Transport::Udp));
    world.admit(incoming);
    world.bye(Who::Bob);
    let told = world.events(Who::Alice);
    assert!(matches!(told.last(), Some(UaEvent::Rejected { status: 480, .. })), "{told:?}");
    world.assert_nothing_is_left();
}

#[test]
fn requests_that_are_not_newer_get_500_and_unknown_dialogs_481() {
    let mut world = World::new(12);
    world.talking(Transport::Udp);
    world.command(Who::Alice, Command::Reoffer { session: A, media: crate::world::media(20_002) });
    let told = world.events(Who::Bob);
    assert!(matches!(told.last(), Some(UaEvent::Offer { .. })));
    let answer = Ok(crate::world::media(30_000));
    world.command(Who::Bob, Command::AnswerOffer { session: B, answer });
    world.run(Duration::from_secs(1));
    let reinvite = world.sent.iter().rev().find_map(|sent| match &sent.message {
        Message::Request(request) if request.method == sip::Method::Invite => Some(request.clone()),
        _ => None,
    });
    let mut old = reinvite.unwrap();
    old.method = sip::Method::Options;
    old.cseq = sip::CSeq { number: 1, method: sip::Method::Bye };
    old.method = sip::Method::Bye;
    old.body.clear();
    old.via[0].branch = sip::Text::token("z9hG4bKold").ok();
    world.inject(Who::Bob, udp(Who::Bob), &old.to_bytes());
    assert_eq!(world.ladder().last().map(String::as_str), Some("B 500 BYE"));
    old.cseq.number = 9;
    old.call_id = sip::CallId::parse("other").unwrap();
    old.via[0].branch = sip::Text::token("z9hG4bKnew").ok();
    world.inject(Who::Bob, udp(Who::Bob), &old.to_bytes());
    assert_eq!(world.ladder().last().map(String::as_str), Some("B 481 BYE"));
    assert!(world.agent(Who::Bob).has_session(B));
}

#[test]
fn a_closed_connection_does_not_end_the_call_and_the_bye_opens_another() {
    let mut world = World::new(13);
    world.talking(Transport::Tcp);
    let now = world.now();
    let flow = FlowId(100);
    world.agent(Who::Alice).handle(now, sip::Input::FlowClosed { flow });
    while world.agent(Who::Alice).poll_effect().is_some() {}
    world.command(Who::Alice, Command::Bye { session: A, headers: Vec::new() });
    let told = world.events(Who::Bob);
    assert!(told.iter().any(|event| matches!(event, UaEvent::Ended { .. })), "{told:?}");
}

#[test]
fn options_and_unknown_methods_in_a_dialog() {
    let mut world = World::new(14);
    world.talking(Transport::Udp);
    let ack = world.sent.iter().find_map(|sent| match &sent.message {
        Message::Request(request) if request.method == sip::Method::Ack => Some(request.clone()),
        _ => None,
    });
    let ask = |world: &mut World, method: sip::Method, branch: &str, number| {
        let mut request = ack.clone().unwrap();
        request.cseq = sip::CSeq { number, method: method.clone() };
        request.method = method;
        request.via[0].branch = sip::Text::token(branch).ok();
        let flow = Flow { remote: Who::Alice.address(), ..udp(Who::Bob) };
        world.inject(Who::Bob, flow, &request.to_bytes());
        match &world.sent.last().unwrap().message {
            Message::Response(response) => response.clone(),
            Message::Request(_) => panic!(),
        }
    };
    let options = ask(&mut world, sip::Method::Options, "z9hG4bKo", 20);
    assert_eq!((options.status, options.headers.allow().len()), (200, 7));
    let info = ask(&mut world, sip::Method::Info, "z9hG4bKi", 21);
    assert_eq!((info.status, info.headers.allow().len()), (405, 7));
    let other = sip::Method::parse("FROBNICATE").unwrap();
    assert_eq!(ask(&mut world, other, "z9hG4bKf", 22).status, 501);
}

#[test]
fn a_connection_that_closes_before_any_response_is_a_503() {
    let mut world = World::new(15);
    let _unanswered = world.call(invite(Transport::Tcp));
    let now = world.now();
    let flow = FlowId(100);
    world.agent(Who::Alice).handle(now, sip::Input::FlowClosed { flow });
    let mut told = Vec::new();
    while let Some(effect) = world.agent(Who::Alice).poll_effect() {
        told.push(effect);
    }
    let is_rejected = |effect: &sip::Effect| {
        matches!(effect, sip::Effect::Event(UaEvent::Rejected { status: 503, .. }))
    };
    assert!(told.iter().any(is_rejected), "{told:?}");
    world.assert_nothing_is_left();
}

/// RFC 7339: the next hop is told by the response that it waits for anyway.
#[test]
fn a_peer_that_offers_overload_control_reads_in_each_response_how_much_to_keep_back() {
    let mut world = World::new(14);
    let bye = b"BYE sip:bob@desk.sip.test SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKoc;oc;oc-algo=\"loss\"\r\n\
        From: <sip:alice@gw.test>;tag=1\r\nTo: <sip:bob@desk.sip.test>;tag=2\r\n\
        Call-ID: overload\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n";
    let now = world.now();
    let overload = sip::Overload { datagrams: true, connections: false };
    world.agent(Who::Bob).set_overload(now, overload);
    world.inject(Who::Bob, udp(Who::Bob), bye);
    let Some(Message::Response(response)) = world.sent.last().map(|sent| &sent.message) else {
        panic!("{:?}", world.ladder());
    };
    assert_eq!(response.status, 481);
    let told = response.via[0].to_string();
    assert!(told.contains(";oc=50;oc-algo=\"loss\";oc-validity=500;oc-seq="), "{told}");
}
