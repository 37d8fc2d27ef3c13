//! Requests outside of dialogs: which rules of SIP refuse them, and where the answers go.

use shared::{Header, Instant, Now, Origin, Refusal, Transport};
use sip::{
    Command, Effect, Flow, FlowId, Incoming, Input, Message, Response, SendTo, SessionId, UaConfig,
    UaEvent, UserAgent,
};

use crate::world::{media, no_dialog};

const NOW: Now = Now { mono: Instant::from_millis(1_000), unix_ms: 1_700_000_000_000 };

fn agent() -> UserAgent {
    let origin = Origin { node: 0xBEEF, generation: 7 };
    UserAgent::new(UaConfig::new(origin, "gw.test", "sip.test"), [9; 32])
}

fn flow() -> Flow {
    Flow {
        id: FlowId(3),
        transport: Transport::Udp,
        local: ([192, 0, 2, 2], 5060).into(),
        remote: ([198, 51, 100, 7], 40_000).into(),
    }
}

/// A request with these header lines on top of the usual ones.
fn request(method: &str, via: &str, headers: &str) -> String {
    format!(
        "{method} sip:bob@desk.sip.test SIP/2.0\r\nVia: SIP/2.0/UDP {via}\r\nCSeq: 1 {method}\r\n\
         From: <sip:alice@a.test>;tag=a1\r\nTo: <sip:bob@desk.sip.test>\r\nCall-ID: k1\r\n\
         Contact: <sip:alice@10.0.0.1>\r\n{headers}\r\n"
    )
}

const VIA: &str = "10.0.0.1:5070;rport;branch=z9hG4bK77";

/// What a message makes the agent do.
fn give(agent: &mut UserAgent, bytes: &str) -> Vec<Effect> {
    agent.handle(NOW, Input::Received { flow: flow(), bytes: bytes.as_bytes() });
    drain(agent)
}

fn order(agent: &mut UserAgent, command: Command) -> Vec<Effect> {
    agent.handle(NOW, Input::Command(command));
    drain(agent)
}

fn drain(agent: &mut UserAgent) -> Vec<Effect> {
    std::iter::from_fn(|| agent.poll_effect()).collect()
}

fn incoming(effects: Vec<Effect>) -> Box<Incoming> {
    let found = effects.into_iter().find_map(|effect| match effect {
        Effect::Event(UaEvent::Incoming(incoming)) => Some(incoming),
        _ => None,
    });
    found.expect("the request is told of")
}

fn response(effects: &[Effect]) -> Option<(Response, SendTo)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send { to, bytes, .. } => match Message::parse(bytes) {
            Ok(Message::Response(response)) => Some((response, to.clone())),
            _ => None,
        },
        _ => None,
    })
}

/// The status that SIP itself would refuse with.
fn objection(method: &str, headers: &str) -> Option<u16> {
    let incoming = incoming(give(&mut agent(), &request(method, VIA, headers)));
    incoming.objection.and_then(|objection| objection.refusal.status)
}

#[test]
fn objections_are_those_of_the_rfc_in_its_order() {
    assert_eq!(objection("INVITE", ""), None);
    assert_eq!(objection("OPTIONS", "Max-Forwards: 0\r\n"), None);
    assert_eq!(objection("INVITE", "Max-Forwards: 0\r\n"), Some(483));
    assert_eq!(objection("INVITE", "Require: gizmo\r\n"), Some(420));
    assert_eq!(
        objection("INVITE", "Require: 100rel\r\n"),
        None,
        "known when somebody says whose it is"
    );
    assert_eq!(objection("SUBSCRIBE", "Require: 100rel\r\n"), Some(405));
    assert_eq!(objection("REGISTER", ""), Some(405));
    assert_eq!(objection("FROBNICATE", ""), Some(501));
    assert_eq!(objection("INVITE", "Accept: text/plain\r\n"), Some(406));
    assert_eq!(objection("INVITE", "Content-Type: text/plain\r\n\r\nhello"), Some(415));
    let optional =
        "Content-Type: text/plain\r\nContent-Disposition: x;handling=optional\r\n\r\nhello";
    assert_eq!(objection("INVITE", optional), None);
}

#[test]
fn answers_go_to_the_source_with_rport_and_to_the_named_port_without() {
    for (via, wanted) in [
        (VIA, "198.51.100.7:40000"),
        ("10.0.0.1:5070;branch=z9hG4bK78", "198.51.100.7:5070"),
        ("10.0.0.1;received=203.0.113.5;maddr=203.0.113.6;branch=z9hG4bK79", "198.51.100.7:5060"),
    ] {
        let mut agent = agent();
        let incoming = incoming(give(&mut agent, &request("OPTIONS", via, "")));
        let command =
            Command::Respond { incoming, status: 200, headers: Vec::new(), remember: false };
        let effects = order(&mut agent, command);
        let (response, to) = response(&effects).expect("an answer");
        let remote = wanted.parse().expect("an address");
        assert_eq!(to, SendTo::Datagram { socket: Some(FlowId(3)), remote }, "{via}");
        assert!(response.headers.contains("Allow") && response.headers.contains("Accept"));
        assert!(response.to.tag().is_some());
        assert_eq!(agent.meters().server_transactions, 0);
    }
}

#[test]
fn an_answer_that_is_remembered_is_repeated_for_a_copy() {
    let mut agent = agent();
    let text = request("OPTIONS", VIA, "");
    let incoming = incoming(give(&mut agent, &text));
    let command = Command::Respond { incoming, status: 200, headers: Vec::new(), remember: true };
    let first = order(&mut agent, command);
    let again = give(&mut agent, &text);
    assert_eq!(again.len(), 1);
    assert_eq!(sent(&again), sent(&first), "byte by byte");
    assert_eq!(agent.meters().retransmissions_absorbed, 1);

    let elsewhere = Flow { remote: "198.51.100.8:40000".parse().expect("an address"), ..flow() };
    agent.handle(NOW, Input::Received { flow: elsewhere, bytes: text.as_bytes() });
    assert!(drain(&mut agent).is_empty(), "an answer is for who asked");
}

/// What left first, and where to.
fn sent(effects: &[Effect]) -> Option<(String, SendTo)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send { to, bytes, .. } => {
            Some((String::from_utf8_lossy(bytes).into_owned(), to.clone()))
        }
        _ => None,
    })
}

#[test]
fn a_merged_request_is_objected_to_and_a_copy_is_absorbed() {
    let mut agent = agent();
    let incoming = incoming(give(&mut agent, &request("INVITE", VIA, "")));
    let first = order(&mut agent, Command::Admit { incoming, session: SessionId(1) });
    assert_eq!(response(&first).map(|(response, _)| response.status), Some(100));
    let copy = give(&mut agent, &request("INVITE", VIA, ""));
    assert_eq!(response(&copy).map(|(response, _)| response.status), Some(100));
    let merged = give(&mut agent, &request("INVITE", "10.0.0.2;branch=z9hG4bKother", ""));
    let incoming = self::incoming(merged);
    assert_eq!(
        incoming.objection.as_ref().and_then(|objection| objection.refusal.status),
        Some(482)
    );
    let effects = order(&mut agent, Command::Admit { incoming, session: SessionId(2) });
    assert_eq!(response(&effects).map(|(response, _)| response.status), Some(482));
    let is_refused = |effect: &Effect| {
        matches!(effect, Effect::Event(UaEvent::Refused { session: SessionId(2), .. }))
    };
    assert!(effects.iter().any(is_refused));
}

#[test]
fn a_silent_refusal_sends_nothing_and_is_counted() {
    let mut agent = agent();
    let incoming = incoming(give(&mut agent, &request("INVITE", VIA, "")));
    let refusal = Refusal::silent("ip_list", "the source is in no list");
    let command =
        Command::RejectStateless { incoming, refusal, headers: Vec::new(), trusted: false };
    assert!(order(&mut agent, command).is_empty());
    assert_eq!(agent.meters().silent, 1);
}

#[test]
fn only_who_has_authenticated_reads_the_reason() {
    for (trusted, wanted) in [(false, None), (true, Some("10004 too many calls"))] {
        let mut agent = agent();
        let incoming = incoming(give(&mut agent, &request("INVITE", VIA, "")));
        let refusal = Refusal::new("rate", 503, "too many calls")
            .code(shared::Code::CALL_CONCURRENCY)
            .retry_after(9);
        let command = Command::RejectStateless { incoming, refusal, headers: Vec::new(), trusted };
        let (response, _) = response(&order(&mut agent, command)).expect("an answer");
        assert_eq!(response.headers.get_str("X-Twilio-Error"), wanted);
        assert_eq!(response.headers.contains("Warning"), trusted);
        assert_eq!(response.headers.retry_after(), Some(9));
    }
}

#[test]
fn what_belongs_to_nothing_is_481_or_dropped() {
    let mut agent = agent();
    for method in ["BYE", "CANCEL"] {
        let mut effects = give(&mut agent, &request(method, VIA, ""));
        let Some(Effect::Event(UaEvent::Stray(stray))) = effects.pop() else { panic!("{method}") };
        let effects = order(&mut agent, no_dialog(stray));
        assert_eq!(response(&effects).map(|(response, _)| response.status), Some(481), "{method}");
    }
    assert!(give(&mut agent, &request("ACK", VIA, "")).is_empty());
    let meters = agent.meters();
    assert_eq!((meters.dialogs_unknown, meters.cancels_unknown, meters.acks_stray), (1, 1, 1));
    assert_eq!(meters.server_transactions, 0);
}

#[test]
fn tags_and_branches_carry_node_and_generation() {
    let mut agent = agent();
    let incoming = incoming(give(&mut agent, &request("INVITE", VIA, "")));
    order(&mut agent, Command::Admit { incoming, session: SessionId(1) });
    let ringing = Command::Progress {
        session: SessionId(1),
        status: 180,
        media: None,
        headers: vec![Header::new("X-A", b"1\r\nVia: evil"), Header::new("Server", b"x")],
    };
    let (response, _) = response(&order(&mut agent, ringing)).expect("180");
    let tag = response.to.tag().and_then(|tag| tag.as_str().map(str::to_owned)).expect("a tag");
    assert!(tag.starts_with("beef07"), "{tag}");
    assert!(
        response.headers.get_str("Server").is_some_and(|server| server.starts_with("Sidetone/"))
    );
    assert_eq!(agent.meters().headers_refused, 2);
}

#[test]
fn an_offer_that_cannot_be_taken_is_refused_when_it_is_answered() {
    let mut agent = agent();
    let sdp = "Content-Type: application/sdp\r\n\r\nv=0\r\no=a 1 1 IN IP4 10.0.0.1\r\ns=-\r\n\
               c=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n";
    let incoming = incoming(give(&mut agent, &request("INVITE", VIA, sdp)));
    order(&mut agent, Command::Admit { incoming, session: SessionId(1) });
    let answer =
        Command::Answer { session: SessionId(1), media: media(30_000), headers: Vec::new() };
    let effects = order(&mut agent, answer);
    assert_eq!(response(&effects).map(|(response, _)| response.status), Some(488));
    assert!(!agent.has_session(SessionId(1)));
}

#[test]
fn a_full_table_refuses_with_retry_after() {
    let origin = Origin { node: 1, generation: 1 };
    let mut config = UaConfig::new(origin, "gw.test", "sip.test");
    config.server_transactions_max = 0;
    let mut agent = UserAgent::new(config, [9; 32]);
    let incoming = incoming(give(&mut agent, &request("INVITE", VIA, "")));
    let effects = order(&mut agent, Command::Admit { incoming, session: SessionId(1) });
    let (response, _) = response(&effects).expect("an answer");
    assert_eq!(response.status, 503);
    assert!(response.headers.retry_after().is_some_and(|seconds| (5..=30).contains(&seconds)));
    assert_eq!(agent.meters().transactions_refused, 1);
}
