//! Calls to TwiML applications by values: two calls that are each other's far party.

use shared::{
    ApplicationSid, CallSid, Code, Codec, Joined, LatchMode, LegId, LegPlan, MediaCommand,
};
use store::{
    ApplicationParameters, CallCommand, CallStatus, CallTarget, CreateCall, Patch, TwimlSource,
    UpdateAction, UpdateCall,
};

use super::calls::{call_to, finish, reply};
use super::rig::{ACCOUNT, Book, Invite, Rig};

const VOICE: &str = "http://app.example/voice";
const APP: &str = "http://app.example/app";

#[test]
fn an_application_gets_a_call_of_its_own_that_is_bridged_with_the_caller() {
    let (mut rig, app) = rig();
    let dial = format!(
        "<Dial action=\"/next\"><Application customerId=\"acme\" statusCallback=\"/child\" \
         statusCallbackEvent=\"initiated ringing answered completed\">\
         <ApplicationSid>{app}</ApplicationSid><Parameter name=\"room\" value=\"7\"/></Application></Dial>"
    );
    let caller = enter(&mut rig, &dial);
    let form = take_form(&mut rig, APP);
    let far: CallSid = value(&form, "CallSid").parse().expect("a SID");
    for (name, expected) in [
        ("Direction", "inbound"),
        ("CallStatus", "ringing"),
        ("From", "sip:alice@example.org"),
        ("To", &app.to_string()),
        ("ApplicationSid", &app.to_string()),
        ("CustomerId", "acme"),
        ("Param_room", "7"),
    ] {
        assert_eq!(value(&form, name), expected, "{name}");
    }
    assert!(form.iter().all(|(name, _)| name != "ParentCallSid" && !name.starts_with("Sip")));
    answer(&mut rig, far, "<Gather action=\"/keys\" numDigits=\"1\"/>");
    let child = rig.records.iter().find(|r| r.parent == Some(caller)).expect("a child").sid;
    assert_eq!(rig.record(child).to, app.to_string());
    for call in [child, far] {
        assert_eq!(rig.record(call).status, CallStatus::InProgress);
    }
    let events: Vec<String> = callbacks(&mut rig, "/child");
    assert_eq!(events, ["initiated", "ringing", "in-progress"]);
    // The legs of the link are each other's RTP peer, by the address of the sockets.
    let plans = plans(&rig, &[child, far]);
    for (own, other) in [(0, 1), (1, 0)] {
        let remote = plans[own].media.remote_rtp.expect("it is named");
        assert_eq!(remote.port(), plans[other].port.rtp);
        assert_eq!((plans[own].latch, plans[own].media.codec), (LatchMode::Link, Codec::Pcmu));
    }
    assert_eq!(partner(&mut rig, caller), Some(leg(&rig, child)));
    // A key of the phone arrives at the leg of the application's call.
    let of = leg(&rig, far);
    let digit = shared::MediaEvent::Digit { leg: of, digit: b'5', duration_ms: 100 };
    rig.tell(crate::Input::Media { core: of.core, event: digit });
    assert_eq!(value(&take_form(&mut rig, "http://app.example/keys"), "Digits"), "5");
    answer(&mut rig, far, "");
    let form = take_form(&mut rig, "http://app.example/next");
    assert_eq!(value(&form, "DialCallStatus"), "completed");
    assert_eq!(value(&form, "DialCallSid"), child.to_string());
    assert_eq!(callbacks(&mut rig, "/child"), ["completed"]);
    assert_eq!(rig.record(far).status, CallStatus::Completed);
    over(rig, caller);
}

#[test]
fn to_is_the_parents_and_the_customer_the_account_where_the_document_says_so() {
    let (mut rig, app) = rig();
    let caller = enter(
        &mut rig,
        &format!("<Dial><Application copyParentTo=\"true\">{app}</Application></Dial>"),
    );
    let form = take_form(&mut rig, APP);
    assert_eq!(value(&form, "To"), rig.record(caller).to);
    assert_eq!(value(&form, "CustomerId"), ACCOUNT.to_string());
    over(rig, caller);
}

#[test]
fn a_refusal_by_the_application_is_the_status_of_the_dial() {
    for (verb, status) in [("<Reject reason=\"busy\"/>", "busy"), ("<Reject/>", "failed")] {
        let (mut rig, app) = rig();
        let document = format!("<Dial action=\"/next\"><Application>{app}</Application></Dial>");
        let caller = enter(&mut rig, &document);
        let far = value(&take_form(&mut rig, APP), "CallSid").parse().expect("a SID");
        answer(&mut rig, far, verb);
        let form = take_form(&mut rig, "http://app.example/next");
        assert_eq!(value(&form, "DialCallStatus"), status, "{verb}");
        over(rig, caller);
    }
}

#[test]
fn an_unknown_application_fails_the_dial_and_another_accounts_needs_to_be_open() {
    let unknown = ApplicationSid(7);
    for target in [unknown.to_string(), "AP1".to_owned()] {
        let (mut rig, _) = rig();
        let document = format!("<Dial action=\"/next\"><Application>{target}</Application></Dial>");
        let caller = enter(&mut rig, &document);
        let form = take_form(&mut rig, "http://app.example/next");
        assert_eq!(value(&form, "DialCallStatus"), "failed");
        assert_eq!(value(&form, "ErrorCode"), "21218");
        over(rig, caller);
    }
    let (mut rig, _) = rig();
    let call = CreateCall { ..call_to(to(unknown)) };
    let refused = reply(&mut rig, CallCommand::Create(Box::new(call)));
    assert_eq!(refused.err(), Some(Code::APPLICATION_SID));
}

#[test]
fn a_rest_call_speaks_with_an_application_and_either_end_ends_both() {
    for ends_far in [false, true] {
        let (mut rig, app) = rig();
        let twiml = TwimlSource::Inline("<Response><Gather timeout=\"60\"/></Response>".to_owned());
        let call = CreateCall { twiml, ..call_to(to(app)) };
        let store::Reply::Call(record) =
            reply(&mut rig, CallCommand::Create(Box::new(call))).expect("it is placed")
        else {
            panic!("a call")
        };
        assert_eq!(record.to, format!("app:{app}"));
        let form = take_form(&mut rig, APP);
        assert_eq!(value(&form, "Param_x"), "1 2");
        let far: CallSid = value(&form, "CallSid").parse().expect("a SID");
        answer(&mut rig, far, "<Gather timeout=\"60\"/>");
        for call in [record.sid, far] {
            assert_eq!(rig.record(call).status, CallStatus::InProgress);
        }
        over(rig, if ends_far { far } else { record.sid });
    }
}

#[test]
fn a_caller_who_hangs_up_ends_the_applications_call_ringing_or_answered() {
    for is_answered in [false, true] {
        let (mut rig, app) = rig();
        let caller = enter(&mut rig, &format!("<Dial><Application>{app}</Application></Dial>"));
        let far = value(&take_form(&mut rig, APP), "CallSid").parse().expect("a SID");
        if is_answered {
            answer(&mut rig, far, "<Dial><Conference>ops</Conference></Dial>");
        }
        rig.ack_last(&Invite::default());
        rig.bye_last(&Invite::default());
        rig.confirm_stops();
        assert!(rig.record(far).status.is_final(), "{:?}", rig.record(far).status);
        over(rig, caller);
    }
}

#[test]
fn applications_that_dial_each_other_run_out_of_hops() {
    let (mut rig, app) = rig();
    let document = format!("<Dial answerOnBridge=\"true\"><Application>{app}</Application></Dial>");
    let caller = enter_by(&mut rig, &Invite { hops: 3, ..Invite::default() }, &document);
    let mut rounds = 0;
    while let Some(at) = rig.http.iter().position(|(_, r)| r.url.wire(None) == APP) {
        let far = rig.http[at].0;
        rig.http.swap(0, at);
        assert_eq!(rig.http[0].0, far);
        rig.answer_webhook(&document);
        rounds += 1;
        assert!(rounds < 10, "it goes on for ever");
    }
    assert_eq!(rounds, 3);
    let loops = rig.notifications.iter().filter(|n| n.error_code == Code::MAX_FORWARDS);
    assert_eq!(loops.count(), 1);
    over(rig, caller);
}

fn rig() -> (Rig, ApplicationSid) {
    let mut book = Book::with_ip_list("192.0.2.7");
    let app = book.add_application(ApplicationParameters {
        voice_url: Patch::Set(APP.to_owned()),
        ..ApplicationParameters::default()
    });
    (Rig::new(book), app)
}

fn to(sid: ApplicationSid) -> CallTarget {
    CallTarget::Application { sid, parameters: vec![("x".to_owned(), "1 2".to_owned())] }
}

/// A call comes in and runs this document.
fn enter(rig: &mut Rig, verbs: &str) -> CallSid {
    enter_by(rig, &Invite::default(), verbs)
}

fn enter_by(rig: &mut Rig, invite: &Invite, verbs: &str) -> CallSid {
    assert_eq!(rig.invite(invite), [100, 180]);
    let at = rig.http.iter().position(|(_, r)| r.url.wire(None) == VOICE).expect("it asks");
    rig.http.swap(0, at);
    let call = rig.http[0].0;
    rig.answer_webhook(verbs);
    call
}

/// The parameters of the request to a URL, which stays to be answered.
fn take_form(rig: &mut Rig, url: &str) -> Vec<(String, String)> {
    let (_, request) =
        rig.http.iter().find(|(_, r)| r.url.wire(None) == url).unwrap_or_else(|| panic!("{url}"));
    let pairs = request.standard.iter().chain(request.extra.iter());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn value<'f>(form: &'f [(String, String)], name: &str) -> &'f str {
    let found = form.iter().find(|(candidate, _)| candidate == name);
    found.map_or_else(|| panic!("{name} in {form:?}"), |(_, value)| value)
}

/// The request of this call gets the document.
fn answer(rig: &mut Rig, call: CallSid, verbs: &str) {
    let is_document = |kind| kind == call::HttpKind::Document;
    let at = rig.http.iter().position(|(of, r)| *of == call && is_document(r.kind));
    rig.http.swap(0, at.expect("it waits for a document"));
    rig.answer_webhook(verbs);
}

/// Answers the callbacks to a URL; their statuses in the order of sending.
fn callbacks(rig: &mut Rig, path: &str) -> Vec<String> {
    let mut statuses = Vec::new();
    while let Some(at) = rig.http.iter().position(|(_, r)| r.url.wire(None).ends_with(path)) {
        let asked = rig.http.remove(at);
        let value = asked.1.standard.value("CallStatus").expect("a status").to_owned();
        rig.http.insert(0, asked);
        rig.answer_webhook("");
        statuses.push(value);
    }
    statuses
}

fn leg(rig: &Rig, call: CallSid) -> LegId {
    rig.control.calls[&call].leg.as_ref().expect("a leg").place.leg
}

fn plans(rig: &Rig, calls: &[CallSid]) -> Vec<LegPlan> {
    let plan = |call| rig.control.calls[call].leg.as_ref().expect("a leg").plan.expect("it is up");
    calls.iter().map(plan).collect()
}

/// The leg that a call's leg was joined to last.
fn partner(rig: &mut Rig, call: CallSid) -> Option<LegId> {
    let own = leg(rig, call);
    rig.media.iter().rev().find_map(|command| match command {
        MediaCommand::Join { leg, joined: Joined::Party(other) } if *leg == own => Some(*other),
        _ => None,
    })
}

/// Ends a call; nothing is left then.
fn over(mut rig: Rig, call: CallSid) {
    let update = UpdateCall {
        account: ACCOUNT,
        call,
        action: Some(UpdateAction::Complete),
        status_callback: Patch::Keep,
        time_limit_s: None,
    };
    let _ = super::calls::ask(&mut rig, CallCommand::Update(Box::new(update)));
    finish(&mut rig);
    assert_eq!(rig.control.calls_live(), 0);
    assert_eq!(
        rig.control.legs_free(),
        Rig::new(Book::new()).control.legs_free(),
        "legs came back"
    );
    assert_eq!(rig.faults, Vec::<String>::new());
}
