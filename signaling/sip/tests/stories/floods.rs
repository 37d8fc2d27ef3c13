//! Floods from one source: which requests are answered, which are kept, which stay unread.

use std::time::Duration;

use shared::limits::{
    SERVER_TRANSACTIONS_SOURCE_MAX, UNAUTHENTICATED_BURST, UNAUTHENTICATED_HELD_S,
};
use shared::{Instant, Now, Origin, Transport};
use sip::source_limits::{Budget, VOUCHED};
use sip::{Effect, Flow, FlowId, Input, UaConfig, UaEvent, UserAgent};

use crate::world::{Who, World, no_dialog, udp};

const ORIGIN: Origin = Origin { node: 0xBEEF, generation: 7 };

struct Rig {
    agent: UserAgent,
    now: Now,
}

impl Rig {
    fn new() -> Self {
        let agent = UserAgent::new(UaConfig::new(ORIGIN, "gw.test", "sip.test"), [9; 32]);
        Self { agent, now: Now { mono: Instant::from_millis(1_000), unix_ms: 1_700_000_000_000 } }
    }

    /// How many messages leave for these bytes, stray requests being answered.
    fn answers(&mut self, flow: Flow, bytes: &[u8]) -> usize {
        let now = self.now;
        self.agent.handle(now, Input::Received { flow, bytes });
        let effects: Vec<Effect> = std::iter::from_fn(|| self.agent.poll_effect()).collect();
        let mut sent = 0;
        for effect in effects {
            match effect {
                Effect::Event(UaEvent::Stray(stray)) => {
                    self.agent.handle(now, Input::Command(no_dialog(stray)));
                    sent += std::iter::from_fn(|| self.agent.poll_effect()).count();
                }
                Effect::Send { .. } => sent += 1,
                Effect::CloseFlow { .. } | Effect::Event(_) => {}
            }
        }
        sent
    }
}

fn unknown_source(transport: Transport) -> Flow {
    Flow { id: FlowId(77), transport, remote: ([203, 0, 113, 9], 9).into(), ..udp(Who::Bob) }
}

fn request(method: &str, number: usize, to_tag: &str) -> Vec<u8> {
    format!(
        "{method} sip:bob@desk.sip.test SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK{number}\r\n\
         CSeq: 1 {method}\r\nFrom: <sip:a@a.test>;tag=a1\r\nTo: <sip:b@desk.sip.test>{to_tag}\r\n\
         Call-ID: k{number}\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

#[test]
fn strays_of_one_source_are_answered_as_far_as_its_budget_goes() {
    let kinds: [fn(usize) -> Vec<u8>; 4] = [
        |number| request("BYE", number, ";tag=x"),
        |number| request("INVITE", number, ";tag=x"),
        |number| request("CANCEL", number, ""),
        |number| {
            [&request("BYE", number, "")[..4], b"nonsense SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n\r\n"]
                .concat()
        },
    ];
    for (kind, stray) in kinds.into_iter().enumerate() {
        let mut rig = Rig::new();
        let flow = unknown_source(Transport::Udp);
        let answers: usize = (0..1_000).map(|number| rig.answers(flow, &stray(number))).sum();
        assert_eq!(answers as u64, UNAUTHENTICATED_BURST, "kind {kind}");
        let meters = rig.agent.meters();
        assert_eq!(meters.strays_dropped + meters.held_dropped, 1_000 - UNAUTHENTICATED_BURST);
        let other = Flow { remote: ([203, 0, 113, 10], 9).into(), ..flow };
        assert_eq!(rig.answers(other, &stray(1)), 1, "others are answered");
        rig.now = rig.now.after(Duration::from_secs(UNAUTHENTICATED_HELD_S));
        assert_eq!(rig.answers(flow, &stray(1)), 1, "and so is this one again");
    }
}

#[test]
fn of_a_blocked_source_only_responses_and_our_dialogs_are_read() {
    let mut rig = Rig::new();
    for transport in [Transport::Udp, Transport::Tcp] {
        let flow = unknown_source(transport);
        let source = flow.remote.ip();
        while rig.agent.source_limits().take(rig.now.mono, source) != Budget::Held {}
        let before = rig.agent.meters();
        let response = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKq\r\nCSeq: 1 BYE\r\n\
            From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n";
        rig.answers(flow, &request("OPTIONS", 1, ""));
        rig.answers(flow, &request("INVITE", 2, ";tag=x"));
        rig.answers(flow, response);
        rig.answers(flow, &request("BYE", 3, ";tag=beef070000000000000001"));
        let after = rig.agent.meters();
        assert_eq!(after.held_dropped - before.held_dropped, 2, "{transport:?}");
        assert_eq!(after.requests_received - before.requests_received, 1);
        assert_eq!(after.responses_received - before.responses_received, 1);
    }
}

#[test]
fn a_source_that_is_vouched_for_has_all_its_strays_answered() {
    let mut rig = Rig::new();
    let flow = unknown_source(Transport::Udp);
    rig.agent.source_limits().vouch(rig.now.mono, flow.remote.ip(), VOUCHED);
    let stray = |number| request("BYE", number, ";tag=x");
    let answers: usize = (0..1_000).map(|number| rig.answers(flow, &stray(number))).sum();
    assert_eq!(answers, 1_000);
}

/// The peer of a call need not be vouched for: we may have called it.
#[test]
fn a_flood_in_a_dialog_is_answered_and_kept_only_so_far() {
    let mut world = World::new(1);
    world.talking(Transport::Udp);
    world.drop_if = Some(Box::new(|_| true));
    let before = world.sent.len();
    world.bye(Who::Alice);
    let bye = String::from_utf8(world.sent[before].message.to_bytes()).expect("text");
    let kept = |world: &mut World| {
        usize::try_from(world.agent(Who::Bob).meters().server_transactions).expect("few")
    };
    let (at_first, sent_first) = (kept(&mut world), world.sent.len());
    let more = SERVER_TRANSACTIONS_SOURCE_MAX + 500;
    for number in 0..more {
        let options = bye
            .replace("BYE", "OPTIONS")
            .replace("branch=z9hG4bK", &format!("branch=z9hG4bK{number}-"));
        world.inject(Who::Bob, udp(Who::Bob), options.as_bytes());
    }
    assert_eq!(world.sent.len() - sent_first, more, "each has its answer");
    assert_eq!(at_first.max(SERVER_TRANSACTIONS_SOURCE_MAX), kept(&mut world));
    assert!(world.agent(Who::Bob).meters().transactions_refused >= 500);
}
