//! Patience with connections, by values.

use std::time::Duration;

use shared::Transport;
use shared::limits::SIP_CONNECTION_PINGS_MAX;

use super::super::event::Effect;
use super::*;
use crate::ids::SessionId;
use crate::user_agent::{Command, Incoming, Input, UaConfig};

fn agent() -> UserAgent {
    let origin = shared::Origin { node: 1, generation: 1 };
    UserAgent::new(UaConfig::new(origin, "gw.test", "sip.test"), [1; 32])
}

fn flow() -> Flow {
    Flow {
        id: FlowId(9),
        transport: Transport::Tls,
        local: ([192, 0, 2, 2], 5061).into(),
        remote: ([192, 0, 2, 1], 5061).into(),
    }
}

fn at(seconds: u64) -> Now {
    Now::default().after(Duration::from_secs(seconds))
}

/// What the agent does when all that is due by then is handled.
fn effects(agent: &mut UserAgent, now: Now) -> Vec<Effect> {
    agent.handle_timeout(now);
    std::iter::from_fn(|| agent.poll_effect()).collect()
}

fn pings(effects: &[Effect]) -> usize {
    let is_ping = |effect: &&Effect| {
        matches!(effect, Effect::Send { to: SendTo::Flow(FlowId(9)), bytes, .. }
            if **bytes == *b"\r\n\r\n")
    };
    effects.iter().filter(is_ping).count()
}

fn closed(effects: &[Effect]) -> Option<CloseReason> {
    effects.iter().find_map(|effect| match effect {
        Effect::CloseFlow { flow: FlowId(9), reason } => Some(*reason),
        _ => None,
    })
}

fn opened_by_us() -> UserAgent {
    let mut agent = agent();
    let token = Some(SendToken(77));
    agent.handle(at(0), Input::FlowOpened { flow: flow(), token });
    agent
}

#[test]
fn a_peer_that_answered_pings_and_does_not_any_more_is_gone() {
    let mut agent = opened_by_us();
    assert_eq!(pings(&effects(&mut agent, at(10))), 1);
    agent.handle(at(11), Input::Received { flow: flow(), bytes: b"\r\n" });
    assert_eq!(pings(&effects(&mut agent, at(41))), 1);
    assert_eq!(closed(&effects(&mut agent, at(51))), Some(CloseReason::Wedged));
    assert_eq!(agent.meters().connections, 0);
}

#[test]
fn a_peer_that_knows_no_pings_is_left_alone() {
    let mut agent = opened_by_us();
    assert_eq!(pings(&effects(&mut agent, at(10))), 1);
    let later = effects(&mut agent, at(20));
    assert_eq!((pings(&later), closed(&later)), (0, None));
    assert_eq!(pings(&effects(&mut agent, at(50))), 1);
    // Nobody needs it: it ends as idle, as any connection.
    assert_eq!(closed(&effects(&mut agent, at(60))), Some(CloseReason::Idle));
}

#[test]
fn a_peer_that_pings_without_end_is_closed_and_not_answered_without_end() {
    let mut agent = agent();
    agent.handle(at(0), Input::FlowOpened { flow: flow(), token: None });
    let pings = b"\r\n\r\n".repeat(10_000);
    agent.handle(at(1), Input::Received { flow: flow(), bytes: &pings });
    let effects: Vec<_> = std::iter::from_fn(|| agent.poll_effect()).collect();
    assert_eq!(effects.len(), SIP_CONNECTION_PINGS_MAX as usize + 1);
    assert_eq!(closed(&effects), Some(CloseReason::Flood));
    assert_eq!(agent.meters().connections, 0);
}

#[test]
fn a_ping_a_second_is_answered_for_ever() {
    let mut agent = agent();
    agent.handle(at(0), Input::FlowOpened { flow: flow(), token: None });
    for second in 1..9 {
        agent.handle(at(second), Input::Received { flow: flow(), bytes: b"\r\n\r\n" });
        assert_eq!(std::iter::from_fn(|| agent.poll_effect()).count(), 1);
    }
}

#[test]
fn answers_to_pings_alone_keep_no_connection() {
    let mut agent = opened_by_us();
    for seconds in [10, 41] {
        assert_eq!(pings(&effects(&mut agent, at(seconds))), 1);
        agent.handle(at(seconds + 1), Input::Received { flow: flow(), bytes: b"\r\n" });
    }
    assert_eq!(closed(&effects(&mut agent, at(60))), Some(CloseReason::Idle));
}

#[test]
fn a_connection_that_its_peer_keeps_alive_has_three_minutes_and_we_send_no_pings() {
    let mut agent = agent();
    agent.handle(at(0), Input::FlowOpened { flow: flow(), token: None });
    let options = b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1;branch=z9hG4bK1\r\n\
        From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\
        Content-Length: 0\r\n\r\n\r\n\r\n";
    agent.handle(at(1), Input::Received { flow: flow(), bytes: options });
    let now = effects(&mut agent, at(100));
    assert_eq!((pings(&now), closed(&now)), (0, None));
    assert_eq!(closed(&effects(&mut agent, at(181))), Some(CloseReason::Idle));
}

/// A request with this branch, as it comes over a connection.
fn request(method: &str, branch: &str) -> Vec<u8> {
    format!(
        "{method} sip:a@b SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1;branch=z9hG4bK{branch}\r\n\
         From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: {branch}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:a@192.0.2.1;transport=tls>\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// Gives the agent these bytes in one piece; the requests that come of them, and all effects else.
fn receive(agent: &mut UserAgent, now: Now, bytes: &[u8]) -> (Vec<Incoming>, Vec<Effect>) {
    agent.handle(now, Input::Received { flow: flow(), bytes });
    let (mut requests, mut others) = (Vec::new(), Vec::new());
    while let Some(effect) = agent.poll_effect() {
        match effect {
            Effect::Event(UaEvent::Incoming(incoming)) => requests.push(*incoming),
            other => others.push(other),
        }
    }
    (requests, others)
}

fn command(agent: &mut UserAgent, now: Now, command: Command) -> Vec<Effect> {
    agent.handle(now, Input::Command(command));
    std::iter::from_fn(|| agent.poll_effect()).collect()
}

/// Statuses that were sent on the connection, in order.
fn statuses(effects: &[Effect]) -> Vec<u16> {
    let status = |effect: &Effect| match effect {
        Effect::Send { to: SendTo::Flow(FlowId(9)), bytes, .. } => {
            std::str::from_utf8(bytes.get(8..11)?).ok()?.parse().ok()
        }
        _ => None,
    };
    effects.iter().filter_map(status).collect()
}

fn respond(incoming: Incoming) -> Command {
    let incoming = Box::new(incoming);
    Command::Respond { incoming, status: 200, headers: Vec::new(), remember: false }
}

#[test]
fn requests_before_a_broken_one_are_answered_on_their_connection_and_then_it_closes() {
    let no_length = String::from_utf8(request("OPTIONS", "2")).expect("text");
    let no_length = no_length.replace("Content-Length: 0\r\n", "");
    for (broken, answers) in [("garbage\n\n", vec![200]), (&no_length, vec![400, 200])] {
        let mut agent = agent();
        agent.handle(at(0), Input::FlowOpened { flow: flow(), token: None });
        let bytes = [request("OPTIONS", "1"), broken.as_bytes().to_vec()].concat();
        let (mut requests, mut told) = receive(&mut agent, at(1), &bytes);
        let options = requests.pop().expect("the first one is sound");
        told.extend(command(&mut agent, at(1), respond(options)));
        assert_eq!((statuses(&told), closed(&told)), (answers, None));
        assert_eq!(agent.poll_timeout().map(|(due, _)| due), Some(at(1).mono));
        assert_eq!(closed(&effects(&mut agent, at(1))), Some(CloseReason::Framing));
        assert_eq!(agent.meters().connections, 0);
    }
}

#[test]
fn an_invite_before_garbage_or_silence_gets_its_final_response_on_its_connection() {
    for (after, reason) in
        [("garbage\n\n", CloseReason::Framing), ("OPTIONS sip:a@b", CloseReason::Slow)]
    {
        let mut agent = agent();
        agent.handle(at(0), Input::FlowOpened { flow: flow(), token: None });
        let bytes = [request("INVITE", "1"), after.as_bytes().to_vec()].concat();
        let (mut requests, _) = receive(&mut agent, at(1), &bytes);
        let session = SessionId(5);
        let incoming = Box::new(requests.pop().expect("the INVITE is sound"));
        let told = command(&mut agent, at(1), Command::Admit { incoming, session });
        assert_eq!(statuses(&told), [100]);
        assert_eq!(closed(&effects(&mut agent, at(20))), None);
        let (reason_phrase, headers) = (String::new(), Vec::new());
        let reject = Command::Reject { session, status: 486, reason: reason_phrase, headers };
        assert_eq!(statuses(&command(&mut agent, at(20), reject)), [486]);
        assert_eq!(closed(&effects(&mut agent, at(21))), Some(reason));
    }
}

#[test]
fn a_broken_connection_waits_for_an_answer_only_so_long() {
    let mut agent = agent();
    agent.handle(at(0), Input::FlowOpened { flow: flow(), token: None });
    let bytes = [request("INVITE", "1"), b"garbage\n\n".to_vec()].concat();
    let (mut requests, _) = receive(&mut agent, at(0), &bytes);
    let incoming = Box::new(requests.pop().expect("the INVITE is sound"));
    command(&mut agent, at(0), Command::Admit { incoming, session: SessionId(5) });
    assert_eq!(closed(&effects(&mut agent, at(31))), None);
    assert_eq!(closed(&effects(&mut agent, at(32))), Some(CloseReason::Framing));
}

#[test]
fn a_broken_connection_that_goes_on_sending_is_closed_at_once() {
    let mut agent = agent();
    agent.handle(at(0), Input::FlowOpened { flow: flow(), token: None });
    let bytes = [b"garbage\n\n".to_vec(), vec![b'x'; 200_000]].concat();
    assert_eq!(closed(&receive(&mut agent, at(1), &bytes).1), Some(CloseReason::Framing));
}

#[test]
fn a_request_behind_a_body_that_is_too_long_is_served() {
    let mut agent = agent();
    agent.handle(at(0), Input::FlowOpened { flow: flow(), token: None });
    let length = shared::limits::SIP_BODY_BYTES_MAX + 1;
    let long = String::from_utf8(request("OPTIONS", "1")).expect("text");
    let long = long.replace("Length: 0", &format!("Length: {length}")) + &"x".repeat(length);
    let bytes = [long.into_bytes(), request("OPTIONS", "2")].concat();
    let (mut requests, told) = receive(&mut agent, at(1), &bytes);
    assert_eq!(statuses(&told), [413]);
    let told = command(&mut agent, at(1), respond(requests.pop().expect("the second")));
    assert_eq!(statuses(&told), [200]);
    assert_eq!(closed(&effects(&mut agent, at(2))), None);
}
