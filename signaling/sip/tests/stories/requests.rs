//! Requests outside of dialogs as a client: one agent registers, the other plays the registrar.

use std::time::Duration;

use shared::Transport;
use sip::digest::{Algorithm, ChallengeKind, Credentials, Ha1, Verdict};
use sip::{
    Command, Incoming, Message, Method, OutgoingRequest, OwnContact, Parameters, RequestId,
    Responded, Sequence, UaConfig, UaEvent,
};

use crate::world::{Sent, Weather, Who, World, describe, towards, uri};

const PASSWORD: &str = "Secret123456";
/// Less than T1: a request is read before its first retransmission arrives.
const BEFORE_A_COPY: Duration = Duration::from_millis(100);

fn world_in(seed: u64, weather: Weather) -> World {
    World::with(seed, weather, |_, config| UaConfig {
        methods: vec![Method::Invite, Method::Options, Method::Register],
        requests_max: 2,
        ..config
    })
}

fn world(seed: u64) -> World {
    world_in(seed, Weather::default())
}

fn register(continues: Option<Sequence>) -> OutgoingRequest {
    let mut parameters = Parameters::new();
    parameters.set("expires", Some("60")).expect("a token");
    OutgoingRequest {
        method: Method::Register,
        destinations: vec![towards(Who::Bob, Transport::Udp)],
        request_uri: uri("sip:desk.sip.test"),
        to: uri("sip:alice@desk.sip.test"),
        from: uri("sip:alice@desk.sip.test"),
        contact: Some(OwnContact { user: "alice".into(), parameters }),
        continues,
        headers: Vec::new(),
        credentials: Some(Credentials::new("alice", PASSWORD)),
        route: Vec::new(),
    }
}

fn send(world: &mut World, number: u64, message: OutgoingRequest) {
    let (request, message) = (RequestId(number), Box::new(message));
    world.command(Who::Alice, Command::Request { request, message });
}

fn challenge(world: &mut World, incoming: Box<Incoming>, stale: bool) {
    world.command(Who::Bob, Command::Challenge { incoming, kind: ChallengeKind::Www, stale });
}

fn respond(world: &mut World, incoming: Box<Incoming>, status: u16, headers: &[(&str, &str)]) {
    let headers =
        headers.iter().map(|(name, value)| shared::Header::new((*name).to_owned(), *value));
    let headers = headers.collect();
    world.command(Who::Bob, Command::Respond { incoming, status, headers, remember: true });
}

fn verify(world: &mut World, incoming: &Incoming) -> Verdict {
    let now = world.now();
    let uri = incoming.request.uri.to_string();
    let values = incoming.request.headers.authorization().map(|value| value.as_bytes());
    world.agent(Who::Bob).digest().verify(now, b"REGISTER", uri.as_bytes(), values, |_| {
        Some(Ha1::new(Algorithm::Md5, b"alice", b"sip.test", PASSWORD.as_bytes()))
    })
}

fn incoming(world: &mut World) -> Box<Incoming> {
    world.run(BEFORE_A_COPY);
    world.incoming(Who::Bob)
}

/// The only event of Alice.
fn outcome(world: &mut World) -> Responded {
    let mut told = world.events(Who::Alice);
    match (told.pop(), told.as_slice()) {
        (Some(UaEvent::Responded(responded)), []) => *responded,
        other => panic!("{other:?}"),
    }
}

fn sent_by_alice(world: &World) -> Vec<sip::Request> {
    let requests = world.sent.iter().filter_map(|sent| match &sent.message {
        Message::Request(request) if sent.from == Who::Alice => Some(request.clone()),
        Message::Request(_) | Message::Response(_) => None,
    });
    requests.collect()
}

#[test]
fn a_challenged_register_is_answered_with_a_digest_and_reported_once() {
    let mut world = world(1);
    send(&mut world, 7, register(None));
    let first = incoming(&mut world);
    assert_eq!(first.request.contact.first().and_then(sip::NameAddr::expires), Some(60));
    assert_eq!(verify(&mut world, &first), Verdict::Missing);
    challenge(&mut world, first, false);
    let second = incoming(&mut world);
    assert_eq!(verify(&mut world, &second), Verdict::Ok { user: "alice".into() });
    respond(&mut world, second, 200, &[("Expires", "60")]);
    let responded = outcome(&mut world);
    assert_eq!((responded.request, responded.status), (RequestId(7), 200));
    assert_eq!(responded.headers.and_then(|headers| headers.expires()), Some(60));
    let contact = responded.own_contact.expect("it was sent").uri.to_string();
    assert_eq!(contact, "sip:alice@192.0.2.1:5060;transport=udp");
    assert_eq!(world.ladder(), ["A REGISTER", "B 401 REGISTER", "A REGISTER", "B 200 REGISTER"]);
    world.assert_nothing_is_left();
}

#[test]
fn a_refresh_keeps_the_call_id_raises_cseq_and_answers_the_known_challenge_at_once() {
    let mut world = world(2);
    send(&mut world, 1, register(None));
    let first = incoming(&mut world);
    challenge(&mut world, first, false);
    let second = incoming(&mut world);
    respond(&mut world, second, 200, &[]);
    let sequence = outcome(&mut world).sequence;
    send(&mut world, 2, register(sequence));
    let refresh = incoming(&mut world);
    assert_eq!(verify(&mut world, &refresh), Verdict::Ok { user: "alice".into() });
    // The registrar may have forgotten the nonce and need not call it stale.
    challenge(&mut world, refresh, false);
    let again = incoming(&mut world);
    respond(&mut world, again, 200, &[]);
    assert_eq!(outcome(&mut world).status, 200);
    let sent = sent_by_alice(&world);
    assert!(sent.iter().all(|request| request.call_id == sent[0].call_id));
    let numbers: Vec<_> = sent.iter().map(|request| request.cseq.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
}

#[test]
fn a_wrong_password_is_not_tried_twice_and_a_stale_nonce_is() {
    let mut world = world(3);
    send(&mut world, 1, register(None));
    for stale in [false, true] {
        let asked = incoming(&mut world);
        challenge(&mut world, asked, stale);
    }
    let last = incoming(&mut world);
    challenge(&mut world, last, false);
    assert_eq!(outcome(&mut world).status, 401);
    assert_eq!(sent_by_alice(&world).len(), 3);
    world.assert_nothing_is_left();
}

#[test]
fn a_refusal_comes_with_its_headers_for_the_caller_to_decide() {
    let mut world = world(4);
    send(&mut world, 1, register(None));
    let asked = incoming(&mut world);
    respond(&mut world, asked, 423, &[("Min-Expires", "600")]);
    let responded = outcome(&mut world);
    assert_eq!(responded.status, 423);
    assert_eq!(responded.headers.and_then(|headers| headers.min_expires()), Some(600));
    assert_eq!(sent_by_alice(&world).len(), 1);
}

#[test]
fn silence_counts_as_408_after_32_seconds() {
    let mut world = world(5);
    world.is_cut = true;
    send(&mut world, 1, register(None));
    world.run(Duration::from_secs(31));
    assert!(world.told(Who::Alice).is_empty());
    let responded = outcome(&mut world);
    assert_eq!((responded.status, responded.headers.is_none()), (408, true));
    world.assert_nothing_is_left();
}

#[test]
fn a_connection_that_does_not_come_about_counts_as_503() {
    let mut world = world(6);
    world.is_cut = true;
    let destinations = vec![towards(Who::Bob, Transport::Tcp)];
    send(&mut world, 1, OutgoingRequest { destinations, ..register(None) });
    assert_eq!(outcome(&mut world).status, 503);
    world.assert_nothing_is_left();
}

#[test]
fn a_silent_destination_is_left_for_the_next_one() {
    let mut world = world(7);
    let mut silent = towards(Who::Bob, Transport::Udp);
    silent.remote = ([192, 0, 2, 99], 5060).into();
    let destinations = vec![silent, towards(Who::Bob, Transport::Udp)];
    send(&mut world, 1, OutgoingRequest { destinations, ..register(None) });
    world.run(Duration::from_secs(5));
    let asked = incoming(&mut world);
    respond(&mut world, asked, 200, &[]);
    assert_eq!(outcome(&mut world).status, 200);
    assert_eq!(world.agent(Who::Alice).meters().failovers, 1);
    world.assert_nothing_is_left();
}

#[test]
fn lost_responses_come_again_and_the_registrar_answers_once() {
    let mut world = world(8);
    let mut losses = 2;
    world.drop_if = Some(Box::new(move |sent: &Sent| {
        let loses = describe(sent) == "B 200 REGISTER" && losses > 0;
        losses -= i32::from(loses);
        loses
    }));
    send(&mut world, 1, register(None));
    let mut asked = 0;
    for _ in 0..50 {
        world.run(BEFORE_A_COPY);
        for event in world.told(Who::Bob) {
            let UaEvent::Incoming(incoming) = event else { continue };
            asked += 1;
            respond(&mut world, incoming, 200, &[]);
        }
    }
    assert_eq!(asked, 1);
    assert_eq!(outcome(&mut world).status, 200);
    world.assert_nothing_is_left();
}

#[test]
fn registering_ends_well_in_bad_weather() {
    for seed in 0..20 {
        let weather = Weather { loss: 20, copies: 20, jitter_ms: 300 };
        let mut world = world_in(seed, weather);
        send(&mut world, 1, register(None));
        let mut told = Vec::new();
        for _ in 0..4_000 {
            world.run(Duration::from_millis(10));
            for event in world.told(Who::Bob) {
                let UaEvent::Incoming(incoming) = event else { continue };
                match verify(&mut world, &incoming) {
                    Verdict::Ok { .. } => respond(&mut world, incoming, 200, &[]),
                    _ => challenge(&mut world, incoming, false),
                }
            }
            told.extend(world.told(Who::Alice));
        }
        let [UaEvent::Responded(responded)] = told.as_slice() else { panic!("{seed}: {told:?}") };
        assert_eq!(responded.status, 200, "seed {seed}");
        world.assert_nothing_is_left();
    }
}

#[test]
fn more_than_the_most_at_once_and_a_method_of_dialogs_are_refused_unsent() {
    let mut world = world(9);
    world.is_cut = true;
    for number in 1..=3 {
        send(&mut world, number, register(None));
    }
    let responded = outcome(&mut world);
    assert_eq!((responded.request, responded.status), (RequestId(3), 503));
    let method = Method::Bye;
    send(&mut world, 4, OutgoingRequest { method, ..register(None) });
    let responded = outcome(&mut world);
    assert_eq!((responded.request, responded.status), (RequestId(4), 500));
    let meters = world.agent(Who::Alice).meters();
    assert_eq!((meters.requests_refused, meters.requests), (2, 2));
    let is_register = |request: &sip::Request| request.method == Method::Register;
    assert!(sent_by_alice(&world).iter().all(is_register));
}
