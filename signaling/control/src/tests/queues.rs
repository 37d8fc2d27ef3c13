//! Queues by values: a call that waits, one that serves, and REST in between.

use std::time::Duration;

use shared::{CallSid, Code, Joined, MediaCommand, QueueSid};
use store::{MemberName, QueueCommand, Reply};

use super::rig::{ACCOUNT, Book, Invite, Rig};
use crate::{ApiRequest, ApiToken, Effect, Input};

const WAIT: &str = "<Enqueue action=\"/q\" waitUrl=\"\">support</Enqueue>";
const SERVE: &str = "<Dial action=\"/d\"><Queue>support</Queue></Dial>";

#[test]
fn a_queue_is_made_by_the_first_call_and_a_server_takes_the_calls_in_their_order() {
    let mut rig = rig();
    let first = call(&mut rig, WAIT);
    let second = call(&mut rig, WAIT);
    let queue = queue(&rig);
    assert_eq!(members(&mut rig, queue), [(first, 1), (second, 2)]);
    let server = call(&mut rig, SERVE);
    assert_eq!(members(&mut rig, queue), [(second, 1)]);
    let joins = rig
        .media
        .iter()
        .filter(|command| matches!(command, MediaCommand::Join { joined: Joined::Party(_), .. }));
    assert_eq!(joins.count(), 2, "{first} and {server} are bridged");
    rig.after(Duration::from_secs(3));
    hang_up(&mut rig, server);
    assert_eq!(value(&rig, first, "QueueResult").as_deref(), Some("bridged"));
    assert_eq!(value(&rig, server, "DialCallStatus").as_deref(), Some("completed"));
    assert_eq!(value(&rig, server, "DialCallDuration").as_deref(), Some("3"));
}

#[test]
fn a_server_that_comes_first_waits_for_a_call() {
    let mut rig = rig();
    let waiting = call(&mut rig, WAIT);
    let one = call(&mut rig, SERVE);
    hang_up(&mut rig, waiting);
    assert_eq!(value(&rig, one, "DialCallStatus").as_deref(), Some("completed"));
    rig.let_go();
    let server = call(&mut rig, SERVE);
    let late = call(&mut rig, WAIT);
    hang_up(&mut rig, server);
    assert_eq!(value(&rig, late, "QueueResult").as_deref(), Some("bridged"));
}

/// Deletes the queue by REST, without waiting for the answer.
fn delete(rig: &mut Rig, queue: QueueSid) {
    let write = Box::new(store::Write::delete(store::ResourceKind::Queue, queue.0));
    let request = ApiRequest::Write { account: ACCOUNT, write };
    rig.tell(Input::Api { token: ApiToken(5), request });
}

#[test]
fn a_call_that_comes_while_its_queue_is_deleted_waits_in_a_new_one() {
    for outcome in [store::Outcome::Committed, store::Outcome::Unavailable] {
        let mut rig = rig();
        let first = call(&mut rig, WAIT);
        let old = queue(&rig);
        hang_up(&mut rig, first);
        rig.let_go();
        let server = call(&mut rig, SERVE);
        rig.hold_commits = true;
        delete(&mut rig, old);
        let late = call(&mut rig, WAIT);
        assert_eq!(rig.control.queues.size(old), 0, "it is not certain that the queue stays");
        rig.release_commits(outcome);
        let now = queue(&rig);
        if outcome == store::Outcome::Committed {
            assert_ne!(now, old);
            assert_eq!(members(&mut rig, now), [(late, 1)]);
            let status = value(&rig, server, "DialCallStatus");
            assert_eq!(status.as_deref(), Some("failed"), "its queue is gone");
        } else {
            assert_eq!(now, old);
            assert!(members(&mut rig, now).is_empty(), "{server} has taken {late}");
        }
    }
}

#[test]
fn rest_takes_the_front_once_and_runs_its_document() {
    let mut rig = rig();
    let waiting = call(&mut rig, WAIT);
    let queue = queue(&rig);
    let url = || store::Webhook {
        url: "http://app.example/next".to_owned(),
        method: store::HttpMethod::Post,
    };
    let take = |member| QueueCommand::Dequeue { account: ACCOUNT, queue, member, url: url() };
    let Ok(Reply::Member(member)) = ask(&mut rig, take(MemberName::Front)) else { panic!() };
    assert_eq!((member.call, member.position), (waiting, 0));
    assert_eq!(value(&rig, waiting, "QueueResult").as_deref(), Some("redirected"));
    let asked = rig.http.iter().any(|(_, r)| r.url.wire(None).ends_with("/next"));
    assert!(asked, "the document of the request runs");
    assert_eq!(ask(&mut rig, take(MemberName::Call(waiting))).err(), Some(Code::CALL_STATE));
    assert_eq!(ask(&mut rig, take(MemberName::Front)).err(), Some(Code::NOT_FOUND));
}

#[test]
fn a_full_queue_and_a_missing_one_are_reported() {
    let mut rig = rig();
    let server = call(&mut rig, SERVE);
    assert_eq!(value(&rig, server, "DialCallStatus").as_deref(), Some("failed"));
    rig.let_go();
    let small = "<Enqueue action=\"/q\" waitUrl=\"\" maxQueueSize=\"1\">support</Enqueue>";
    call(&mut rig, small);
    let second = call(&mut rig, small);
    assert_eq!(value(&rig, second, "QueueResult").as_deref(), Some("queue-full"));
    assert_eq!(rig.notifications.last().map(|n| n.error_code), Some(Code::QUEUE_FULL));
}

#[test]
fn a_server_that_goes_during_the_whisper_leaves_the_call_where_it_was() {
    let mut rig = rig();
    let waiting = call(&mut rig, WAIT);
    let queue = queue(&rig);
    let server = call(&mut rig, "<Dial><Queue url=\"/whisper\">support</Queue></Dial>");
    assert!(members(&mut rig, queue).is_empty());
    hang_up(&mut rig, server);
    assert_eq!(members(&mut rig, queue), [(waiting, 1)]);
}

fn rig() -> Rig {
    Rig::new(Book::with_ip_list("192.0.2.7"))
}

/// A call comes in, is answered, and runs this document.
fn call(rig: &mut Rig, verbs: &str) -> CallSid {
    assert_eq!(rig.invite(&Invite::default()), [100, 180]);
    let voice = |url: &str| url.ends_with("/voice");
    let document = rig.http.iter().position(|(_, r)| voice(&r.url.wire(None)));
    let asked = rig.http.remove(document.expect("the document is asked for"));
    rig.http.insert(0, asked);
    let call = rig.http[0].0;
    rig.answer_webhook(verbs);
    call
}

fn hang_up(rig: &mut Rig, call: CallSid) {
    let action = Some(store::UpdateAction::Complete);
    let update = store::UpdateCall {
        account: ACCOUNT,
        call,
        action,
        status_callback: store::Patch::Keep,
        time_limit_s: None,
    };
    super::calls::ask(rig, store::CallCommand::Update(Box::new(update))).expect("it is live");
    rig.confirm_stops();
}

/// A parameter of the last request of a call that has it.
fn value(rig: &Rig, call: CallSid, name: &str) -> Option<String> {
    let requests = rig.http.iter().rev().filter(|(of, _)| *of == call);
    let mut found = requests.filter_map(|(_, request)| request.extra.value(name));
    found.next().map(str::to_owned)
}

fn queue(rig: &Rig) -> QueueSid {
    rig.control.snapshot().queue_by_name(ACCOUNT, "support").expect("it was made").sid
}

fn members(rig: &mut Rig, queue: QueueSid) -> Vec<(CallSid, u32)> {
    match ask(rig, QueueCommand::Members { account: ACCOUNT, queue }) {
        Ok(Reply::Members(all)) => all.iter().map(|m| (m.call, m.position)).collect(),
        other => panic!("{other:?}"),
    }
}

fn ask(rig: &mut Rig, command: QueueCommand) -> Result<Reply, Code> {
    rig.tell(Input::Api { token: ApiToken(1), request: ApiRequest::Queue(command) });
    let at = rig.effects.iter().rposition(|effect| matches!(effect, Effect::ApiReply { .. }));
    match rig.effects.remove(at.expect("it is answered")) {
        Effect::ApiReply { reply, .. } => reply.map_err(|error| error.code),
        other => panic!("{other:?}"),
    }
}
