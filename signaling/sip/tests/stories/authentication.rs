//! Digest both ways: one agent challenges, the other answers.

use std::time::Duration;

use shared::Transport;
use sip::digest::{Algorithm, ChallengeKind, Credentials, Ha1, Verdict};
use sip::{Command, Incoming, UaEvent};

use crate::world::{Who, World, invite};

fn verify(world: &mut World, incoming: &Incoming) -> Verdict {
    let now = world.now();
    let request = &incoming.request;
    let (method, uri) = (request.method.to_string(), request.uri.to_string());
    let values = request.headers.proxy_authorization().map(|value| value.as_bytes());
    world.agent(Who::Bob).digest().verify(now, method.as_bytes(), uri.as_bytes(), values, |user| {
        (user == "alice").then(|| Ha1::new(Algorithm::Md5, b"alice", b"sip.test", b"Secret123456"))
    })
}

fn challenge(world: &mut World, incoming: Box<Incoming>, stale: bool) {
    let kind = ChallengeKind::Proxy;
    world.command(Who::Bob, Command::Challenge { incoming, kind, stale });
}

fn call(world: &mut World, password: &str) -> Box<Incoming> {
    let credentials = Some(Credentials::new("alice", password));
    world.call(sip::Invite { credentials, ..invite(Transport::Udp) })
}

#[test]
fn a_challenge_is_answered_and_leaves_no_state_before() {
    let mut world = World::new(1);
    let incoming = call(&mut world, "Secret123456");
    assert_eq!(verify(&mut world, &incoming), Verdict::Missing);
    challenge(&mut world, incoming, false);
    assert_eq!(world.agent(Who::Bob).meters().server_transactions, 0);
    world.run(Duration::from_secs(1));
    let incoming = world.incoming(Who::Bob);
    assert_eq!(verify(&mut world, &incoming), Verdict::Ok { user: "alice".into() });
    world.admit(incoming);
    world.answer();
    let told = world.events(Who::Alice);
    assert!(matches!(told.last(), Some(UaEvent::Answered { .. })), "{told:?}");
    let ladder = world.ladder();
    assert!(ladder.contains(&"B 407 INVITE".to_owned()));
    world.bye(Who::Alice);
    world.assert_nothing_is_left();
}

#[test]
fn a_wrong_password_is_not_tried_twice() {
    let mut world = World::new(2);
    let incoming = call(&mut world, "wrong");
    challenge(&mut world, incoming, false);
    world.run(Duration::from_secs(1));
    let incoming = world.incoming(Who::Bob);
    assert_eq!(verify(&mut world, &incoming), Verdict::WrongPassword { user: "alice".into() });
    challenge(&mut world, incoming, false);
    let told = world.events(Who::Alice);
    assert!(matches!(told.last(), Some(UaEvent::Rejected { status: 407, .. })), "{told:?}");
    assert!(!world.events(Who::Bob).iter().any(|event| matches!(event, UaEvent::Incoming(_))));
    world.assert_nothing_is_left();
}

#[test]
fn a_stale_nonce_is_answered_once_more() {
    let mut world = World::new(3);
    let incoming = call(&mut world, "Secret123456");
    challenge(&mut world, incoming, false);
    world.run(Duration::from_secs(1));
    let incoming = world.incoming(Who::Bob);
    challenge(&mut world, incoming, true);
    world.run(Duration::from_secs(1));
    let incoming = world.incoming(Who::Bob);
    assert_eq!(verify(&mut world, &incoming), Verdict::Ok { user: "alice".into() });
}

#[test]
fn copies_of_one_request_get_the_same_tag_without_state() {
    let mut world = World::new(4);
    world.drop_if = Some(Box::new(|sent| crate::world::describe(sent).starts_with("B 403")));
    let invite = Box::new(invite(Transport::Udp));
    world.command(Who::Alice, Command::Invite { session: crate::world::A, invite });
    for _ in 0..3 {
        world.run(Duration::from_millis(1_200));
        for event in world.told(Who::Bob) {
            let UaEvent::Incoming(incoming) = event else { continue };
            let refusal = shared::Refusal::new("caller", 403, "not here")
                .code(shared::Code::SIP_BAD_CREDENTIALS);
            let headers = Vec::new();
            let command = Command::RejectStateless { incoming, refusal, headers, trusted: true };
            world.command(Who::Bob, command);
        }
    }
    let tags: Vec<_> = world
        .sent
        .iter()
        .filter_map(|sent| match &sent.message {
            sip::Message::Response(response) => {
                assert!(response.headers.get_str("X-Twilio-Error").unwrap().starts_with("32202"));
                Some(response.to.tag().cloned())
            }
            sip::Message::Request(_) => None,
        })
        .collect();
    assert!(tags.len() >= 2 && tags[0].is_some());
    assert!(tags.iter().all(|tag| *tag == tags[0]));
    assert_eq!(world.agent(Who::Bob).meters().server_transactions, 0);
}
