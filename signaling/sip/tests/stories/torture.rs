//! Every condition of RFC 4475 and RFC 5118 at a user agent that serves whatever has no objection,
//! over UDP and over TCP.

#[path = "../torture/cases.rs"]
mod cases;

use shared::{Instant, Now, Origin, Refusal, Transport};
use sip::{Command, Effect, Flow, FlowId, Incoming, Input, UaConfig, UaEvent, UserAgent};

use crate::world::no_dialog;
use cases::{Case, Outcome, RFC_4475, RFC_5118, Wire};

#[test]
fn our_own_messages_get_what_the_rfcs_ask_for() {
    for case in RFC_4475.iter().chain(&RFC_5118) {
        check(case, &cases::own_message(case));
    }
}

#[test]
fn the_originals_get_what_the_rfcs_ask_for() {
    let Some(folder) = cases::originals() else { return };
    for (list, name) in [(&RFC_4475[..], "rfc4475"), (&RFC_5118[..], "rfc5118")] {
        for case in list {
            for extension in ["dat", "txt", "sip"] {
                let path = folder.join(name).join(format!("{}.{extension}", case.original));
                if let Ok(bytes) = std::fs::read(path) {
                    check(case, &bytes);
                }
            }
        }
    }
}

fn check(case: &Case, bytes: &[u8]) {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (answers, is_closed) = answers(transport, bytes);
        let finals: Vec<u16> = answers.into_iter().filter(|status| *status >= 200).collect();
        let place = format!("{} {} over {transport:?}: {finals:?}", case.section, case.file);
        // On a connection a length in doubt, or a message that never ends, is a close at most.
        let excused = transport == Transport::Tcp
            && (is_closed || (finals.is_empty() && case.outcome != Outcome::Accept));
        match case.wire {
            Wire::Silence => assert!(finals.is_empty(), "{place}"),
            Wire::AnyFinal => assert!(!finals.is_empty() || excused, "{place}"),
            Wire::Final(wanted) => {
                let is_wanted = finals.first().is_some_and(|status| wanted.contains(status));
                assert!(is_wanted || (finals.is_empty() && excused), "{place}");
            }
        }
    }
}

/// The statuses that leave, and whether the connection was closed.
fn answers(transport: Transport, bytes: &[u8]) -> (Vec<u16>, bool) {
    let now = Now { mono: Instant::from_millis(1), unix_ms: 1_700_000_000_000 };
    let config = UaConfig::new(Origin { node: 1, generation: 1 }, "gw.test", "sip.test");
    let mut agent = UserAgent::new(config, [1; 32]);
    let flow = Flow {
        id: FlowId(1),
        transport,
        local: ([192, 0, 2, 2], 5060).into(),
        remote: ([192, 0, 2, 1], 40_000).into(),
    };
    agent.handle(now, Input::Received { flow, bytes });
    let (mut statuses, mut is_closed) = (Vec::new(), false);
    while let Some(effect) = agent.poll_effect() {
        match effect {
            Effect::Event(UaEvent::Incoming(_) | UaEvent::Stray(_)) => {
                let command = match effect {
                    Effect::Event(UaEvent::Stray(incoming)) => no_dialog(incoming),
                    Effect::Event(UaEvent::Incoming(incoming)) => refuse(incoming),
                    other => unreachable!("{other:?}"),
                };
                // Effects behind this one would trip the check that all were drained.
                let mut rest = Vec::new();
                while let Some(effect) = agent.poll_effect() {
                    rest.push(effect);
                }
                agent.handle(now, Input::Command(command));
                rest.into_iter().for_each(|effect| note(effect, &mut statuses, &mut is_closed));
            }
            other => note(other, &mut statuses, &mut is_closed),
        }
    }
    let meters = agent.meters();
    assert_eq!(
        (meters.sessions, meters.server_transactions),
        (0, 0),
        "no state for unauthenticated sources"
    );
    (statuses, is_closed)
}

/// What the request is objected to with, or that nobody has that name.
fn refuse(incoming: Box<Incoming>) -> Command {
    let refusal = match &incoming.objection {
        Some(objection) => objection.refusal.clone(),
        None => Refusal::new("unknown_user", 404, "nobody of that name"),
    };
    Command::RejectStateless { incoming, refusal, headers: Vec::new(), trusted: false }
}

fn note(effect: Effect, statuses: &mut Vec<u16>, is_closed: &mut bool) {
    match effect {
        Effect::Send { bytes, .. } => {
            statuses.extend(cases::status_of(&bytes));
        }
        Effect::CloseFlow { .. } => *is_closed = true,
        Effect::Event(_) => {}
    }
}
