//! Definitions of flows, and the walks of those that are valid.

use std::sync::Arc;
use std::time::Duration;

use shared::limits::STUDIO_STEPS_MAX;
use shared::{ExecutionSid, FlowSid, Instant, Now};
use studio::{Answer, Data, Effect, Execution, Flow, Input, Order, PROBLEMS_MAX, Trigger};

/// A definition is valid or has named faults; a valid one is walked within the bounds of an execution, whatever comes.
pub fn check(bytes: &[u8]) {
    let definition = String::from_utf8_lossy(bytes);
    let flow = match Flow::read(&definition) {
        Ok(flow) => Arc::new(flow),
        Err(problems) => {
            assert!((1..=PROBLEMS_MAX).contains(&problems.len()));
            return;
        }
    };
    let call = Data::texts([("CallSid", "CA1"), ("From", "a"), ("To", "b")]);
    let parameters = Data::map();
    for trigger in [
        Trigger::Call(call),
        Trigger::Request { to: "a".to_owned(), from: "b".to_owned(), parameters },
    ] {
        walk(&flow, &trigger);
    }
}

fn walk(flow: &Arc<Flow>, trigger: &Trigger) {
    let mut now = Now { mono: Instant::from_millis(1), unix_ms: 1_796_072_709_000 };
    let mut execution = Execution::new(ExecutionSid(1), FlowSid(2), Arc::clone(flow), trigger);
    execution.start(now, trigger);
    for turn in 0..TURNS {
        let mut order = None;
        while let Some(effect) = execution.poll_effect() {
            if let Effect::Order(ordered) = effect {
                order = Some(ordered);
            }
        }
        assert!(execution.steps().len() <= STUDIO_STEPS_MAX as usize + 1);
        if execution.is_over() {
            return;
        }
        now = now.after(Duration::from_secs(1));
        let input = match order {
            Some(Order::Http(_)) => Input::Answer(Answer::Http {
                status: 200,
                content_type: "application/json".to_owned(),
                body: "{\"a\": [1]}".to_owned(),
            }),
            Some(Order::Call { .. } | Order::Recording { .. }) => {
                Input::Answer(Answer::Done { resource: Data::texts([("CallSid", "CA2")]) })
            }
            Some(Order::Flow { .. }) => Input::Answer(Answer::Flow { flow: Arc::clone(flow) }),
            None => Input::Request {
                event: ["answered", "gathered", "connected"][turn % 3].to_owned(),
                step: None,
                parameters: Data::texts([("CallSid", "CA2"), ("Digits", "1")]),
            },
        };
        execution.handle(now, input);
    }
    while execution.poll_effect().is_some() {}
    execution.handle(now, Input::CallEnded { call: "CA1".to_owned() });
    while execution.poll_effect().is_some() {}
    execution.handle(now, Input::Stop);
    assert!(execution.is_over());
}

const TURNS: usize = 40;

/// Parts of definitions.
pub const WORDS: &[&str] = &[
    "\"states\": []",
    "\"initial_state\": \"Trigger\"",
    "{\"name\": \"Trigger\", \"type\": \"trigger\", \"properties\": {}, \"transitions\": []}",
    "{\"event\": \"incomingCall\", \"next\": \"a\"}",
    "\"type\": \"say-play\"",
    "\"type\": \"make-http-request\"",
    "\"conditions\": []",
    "\"properties\": {\"say\": \"{{flow.sid}}\"}",
    "\"offset\": {\"x\": 0}",
    "null",
    "1e999",
    "\\ud800",
];
