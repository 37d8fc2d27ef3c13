//! Last status callbacks over the end of a process, by values.

use std::time::Duration;

use call::{HttpFailure, HttpKind};
use shared::Code;
use store::{CallRecord, CallStatus, CallTarget, CreateCall, Webhook};

use super::calls::{ask, call_to, finish};
use super::rig::{Book, Invite, Rig};
use crate::Input;

const STATUS: &str = "http://app.example/status";

fn rig() -> Rig {
    Rig::new(Book::with_ip_list("192.0.2.7"))
}

/// A REST call that reports its end rings.
fn place(rig: &mut Rig) -> shared::CallSid {
    let url = STATUS.to_owned();
    let call = CreateCall {
        status_callback: Some(Webhook { url, method: store::HttpMethod::Post }),
        ..call_to(CallTarget::Sip("sip:bob@192.0.2.8".to_owned()))
    };
    ask(rig, store::CallCommand::Create(Box::new(call))).expect("it is let in");
    rig.resolve();
    rig.respond(180, "");
    rig.records.last().expect("a record").sid
}

/// The record as the next process finds it: closed.
fn closed(record: &CallRecord) -> CallRecord {
    CallRecord {
        status: CallStatus::Failed,
        start_ms: Some(record.created_ms),
        end_ms: Some(record.updated_ms),
        ..record.clone()
    }
}

#[test]
fn the_end_of_a_call_is_owed_from_its_begin_until_it_is_answered() {
    let mut rig = rig();
    let call = place(&mut rig);
    assert!(rig.record(call).owed_callback.is_some());
    rig.respond(486, "");
    assert_eq!(rig.record(call).status, CallStatus::Busy);
    assert!(rig.record(call).owed_callback.is_some(), "nobody has answered");
    rig.answer_webhook("");
    assert_eq!(rig.record(call).owed_callback, None);
    assert_eq!(rig.record(call).status, CallStatus::Busy);
    finish(&mut rig);
}

#[test]
fn what_reports_no_end_owes_none() {
    let mut rig = rig();
    ask(&mut rig, store::CallCommand::Create(Box::new(call_to(CallTarget::Sip("sip:b@h".into())))))
        .expect("it is let in");
    assert_eq!(rig.records.last().expect("a record").owed_callback, None);
    assert_eq!(rig.invite(&Invite::default()), [100, 180]);
    let call = rig.http[0].0;
    assert_eq!(rig.record(call).owed_callback, None, "the domain has no callback");
}

#[test]
fn the_next_process_sends_it_once_and_again_only_where_nothing_answered() {
    let mut before = rig();
    let call = place(&mut before);
    let record = closed(before.record(call));
    let mut rig = rig();
    rig.control.owe_callbacks(rig.now, vec![record]);
    rig.after(Duration::ZERO);
    assert_eq!(rig.http.len(), 1);
    let (of, request) = rig.http.remove(0);
    assert_eq!((of, request.kind), (call, HttpKind::StatusCallback));
    assert_eq!(request.url.wire(None), STATUS);
    assert_eq!(request.standard.value("CallStatus"), Some("failed"));
    let token = request.idempotency_token.clone();
    let sentence = "refused".to_owned();
    let failure = HttpFailure { code: Code::HTTP_CONNECTION, sentence, duration_ms: 1 };
    rig.tell(Input::Http { call, request: request.id, result: Err(failure) });
    rig.after(Duration::from_secs(9));
    assert!(rig.http.is_empty());
    rig.after(Duration::from_secs(1));
    assert_eq!(rig.http.len(), 1, "the application was not up yet");
    assert_eq!(rig.http[0].1.idempotency_token, token);
    rig.answer_webhook("");
    assert_eq!(rig.record(call).owed_callback, None);
    rig.after(Duration::from_secs(100));
    assert!(rig.http.is_empty());
}

#[test]
fn many_are_sent_a_few_at_a_time_and_a_dead_application_is_given_up() {
    let mut before = rig();
    let call = place(&mut before);
    let record = closed(before.record(call));
    let sid = |number: u128| shared::CallSid(number);
    let records = (0..100).map(|number| CallRecord { sid: sid(number), ..record.clone() });
    let mut rig = rig();
    rig.control.owe_callbacks(rig.now, records.collect());
    rig.after(Duration::ZERO);
    assert_eq!(rig.http.len(), 16);
    let mut sent = 0;
    for _ in 0..1_000 {
        for (call, request) in std::mem::take(&mut rig.http) {
            sent += 1;
            let sentence = "refused".to_owned();
            let failure = HttpFailure { code: Code::HTTP_CONNECTION, sentence, duration_ms: 1 };
            rig.tell(Input::Http { call, request: request.id, result: Err(failure) });
        }
        rig.after(Duration::from_secs(1));
    }
    assert_eq!(sent, 500, "five tries each");
    let settled = rig.records.iter().filter(|record| record.owed_callback.is_none()).count();
    assert_eq!(settled, 100);
}
