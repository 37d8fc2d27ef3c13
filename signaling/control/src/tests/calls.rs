//! Whole calls by values: limits, drain, and what becomes of calls when something breaks.

use std::time::Duration;

use shared::{CallSid, Code, CoreId, Joined, MediaCommand};
use sip::Message;
use store::{CallCommand, CallStatus, CreateCall, HttpMethod, Reply, UpdateAction, UpdateCall};

use super::rig::{ACCOUNT, Book, Invite, Rig, header, sdp};
use crate::{ApiRequest, ApiToken, Effect, Input};

#[test]
fn an_invite_without_sdp_is_400_unless_the_domain_takes_late_offers() {
    let mut rig = rig();
    let invite = Invite { sdp: String::new(), ..Invite::default() };
    assert_eq!(rig.invite(&invite), [100, 400]);
    assert_eq!(rig.notifications[0].error_code, Code::SDP_MISSING);
    let mut rig = Rig::with_settings(Book::with_ip_list("192.0.2.7"), |settings| {
        let late_offer = shared::Extensions { late_offer: true, ..shared::Extensions::NONE };
        settings.domain_extensions.insert("desk".to_owned(), late_offer);
    });
    let invite = Invite { sdp: String::new(), ..Invite::default() };
    assert_eq!(rig.invite(&invite), [100, 180]);
    rig.answer_webhook("<Pause length=\"5\"/><Say>Hello.</Say>");
    rig.after(Duration::from_secs(5));
    assert_eq!(rig.last_response().status, 200);
    assert!(!rig.last_response().body.is_empty());
}

#[test]
fn a_call_too_many_is_503_with_a_time_to_try_again() {
    let mut rig = Rig::with_settings(Book::with_ip_list("192.0.2.7"), |s| s.calls_max = 1);
    assert_eq!(rig.invite(&Invite::default()), [100, 180]);
    assert_eq!(rig.invite(&Invite::default()), [503]);
    let seconds: u32 = header(rig.last_response(), "Retry-After").unwrap().parse().unwrap();
    assert!((5..=30).contains(&seconds), "{seconds}");
    assert_eq!(rig.notifications[0].error_code, Code::CALL_CONCURRENCY);
}

#[test]
fn more_calls_than_legs_are_503_too() {
    let mut rig = rig();
    for _ in 0..8 {
        assert_eq!(rig.invite(&Invite::default()), [100, 180]);
    }
    assert_eq!(rig.invite(&Invite::default()), [503]);
}

#[test]
fn a_rest_call_is_promised_a_leg_before_it_has_one() {
    let mut rig = rig();
    let legs = rig.control.legs_free();
    for _ in 0..legs {
        assert_eq!(create(&mut rig), Ok(()));
    }
    assert_eq!(create(&mut rig), Err(Code::TOO_MANY_REQUESTS), "all {legs} legs are promised");
}

#[test]
fn a_drain_refuses_what_is_new_and_lets_calls_come_to_their_end() {
    let mut rig = rig();
    let call = answered(&mut rig, "<Say>Hello.</Say>");
    rig.tell(Input::Drain);
    assert_eq!(rig.invite(&Invite::default()), [503]);
    assert!(header(rig.last_response(), "Retry-After").is_some());
    let options = Invite { method: "OPTIONS", sdp: String::new(), ..Invite::default() };
    assert_eq!(rig.invite(&options), [503]);
    assert_eq!(create(&mut rig), Err(Code::UNAVAILABLE));
    assert!(!rig.control.is_drained());
    hang_up(&mut rig);
    rig.let_go();
    assert!(rig.control.is_drained());
    assert_eq!(rig.record(call).status, CallStatus::Completed);
}

#[test]
fn our_invite_names_call_account_and_version() {
    let mut rig = rig();
    assert_eq!(create(&mut rig), Ok(()));
    rig.resolve();
    let (_, Message::Request(invite)) = rig.sent.last().unwrap() else { panic!("a request") };
    assert_eq!(invite.headers.get("X-Twilio-ApiVersion").unwrap().to_lossy(), "2010-04-01");
    assert!(invite.headers.get("X-Twilio-AccountSid").is_some());
    assert!(invite.headers.get("X-Twilio-CallSid").is_some());
}

#[test]
fn an_unanswered_dial_still_names_the_call_id_of_its_invite() {
    let mut rig = rig();
    let dial = "<Dial timeout=\"5\" action=\"/next\"><Sip>sip:bob@192.0.2.8</Sip></Dial>";
    answered(&mut rig, dial);
    rig.resolve();
    rig.after(Duration::from_secs(6));
    let (_, request) = rig.http.first().expect("the action is asked");
    let id = request.extra.iter().find(|(name, _)| *name == "DialSipCallId");
    assert!(id.is_some_and(|(_, value)| !value.is_empty()), "{:?}", request.extra);
}

#[test]
fn a_rest_update_changes_the_longest_time_and_the_status_callback() {
    let mut rig = rig();
    let call = answered(&mut rig, "<Say>Hello.</Say>");
    let url = "http://app.example/ended".to_owned();
    let status_callback = store::Webhook { url: url.clone(), method: HttpMethod::Post };
    let update = UpdateCall {
        account: ACCOUNT,
        call,
        action: None,
        status_callback: store::Patch::Set(status_callback),
        time_limit_s: Some(7),
    };
    assert_eq!(update_call(&mut rig, update), Ok(()));
    rig.after(Duration::from_secs(8));
    assert_eq!(rig.record(call).status, CallStatus::Completed);
    assert!(rig.http.iter().any(|(of, request)| *of == call && request.url.wire(None) == url));
}

#[test]
fn a_rest_cancel_of_a_ringing_call_is_answered_and_takes_the_invite_back() {
    let mut rig = rig();
    assert_eq!(create(&mut rig), Ok(()));
    rig.resolve();
    rig.respond(180, "");
    let call = rig.records[0].sid;
    let update = UpdateCall {
        account: ACCOUNT,
        call,
        action: Some(UpdateAction::Cancel),
        status_callback: store::Patch::Keep,
        time_limit_s: None,
    };
    assert_eq!(update_call(&mut rig, update), Ok(()));
    assert_eq!(rig.requests().last().unwrap(), "CANCEL");
    assert_eq!(rig.record(call).status, CallStatus::Canceled);
}

#[test]
fn a_call_that_panics_while_it_rings_is_500_with_its_callback_and_record() {
    let mut book = Book::with_ip_list("192.0.2.7");
    book.change_domain(|domain| {
        domain.voice_status_callback_url = Some("http://app.example/ended".to_owned());
    });
    let mut rig = Rig::new(book);
    assert_eq!(rig.invite(&Invite::default()), [100, 180]);
    let call = rig.records[0].sid;
    panic_in(&mut rig, call);
    assert_eq!(rig.last_response().status, 500);
    assert_eq!(rig.faults.len(), 1);
    let told = rig.http.iter().any(|(_, http)| http.url.wire(None).ends_with("/ended"));
    assert!(told, "the status callback is sent");
    assert_eq!(rig.record(call).status, CallStatus::Failed);
    rig.let_go();
    assert_eq!((rig.control.calls_live(), rig.control.legs_free()), (0, 8));
    assert_eq!(rig.invite(&Invite::default()), [100, 180], "others can call");
}

#[test]
fn a_parent_that_panics_takes_its_child_with_it_and_both_get_bye() {
    let (mut rig, parent, child) = bridged();
    panic_in(&mut rig, parent);
    let byes = rig.requests().iter().filter(|method| *method == "BYE").count();
    assert_eq!(byes, 2);
    assert_eq!(rig.record(parent).status, CallStatus::Failed);
    assert_eq!(rig.record(child).status, CallStatus::Completed);
    finish(&mut rig);
    assert_eq!((rig.control.calls_live(), rig.control.legs_free()), (0, 8));
}

#[test]
fn a_child_that_panics_gives_its_parent_back_to_the_document() {
    let (mut rig, parent, child) = bridged();
    panic_in(&mut rig, child);
    assert_eq!(rig.record(child).status, CallStatus::Failed);
    let (of, action) = rig.http.first().expect("the action is asked");
    assert_eq!(*of, parent);
    let status = action.extra.iter().find(|(name, _)| *name == "DialCallStatus");
    assert_eq!(status.map(|(_, value)| value), Some("failed"));
    finish(&mut rig);
    assert_eq!((rig.control.calls_live(), rig.control.legs_free()), (0, 8));
}

#[test]
fn a_call_whose_successor_panics_too_is_given_up_with_a_record() {
    let mut rig = rig();
    let call = answered(&mut rig, "<Record/>");
    panic_in(&mut rig, call);
    if rig.control.calls.contains_key(&call) {
        panic_in(&mut rig, call);
    }
    finish(&mut rig);
    assert_eq!(rig.record(call).status, CallStatus::Failed);
    assert_eq!(rig.control.calls_live(), 0);
}

#[test]
fn a_ringing_call_of_a_lost_core_is_answered_on_another() {
    let mut rig = rig();
    rig.add_core();
    assert_eq!(rig.invite(&Invite::default()), [100, 180]);
    lose_core(&mut rig, 0);
    rig.answer_webhook("<Say>Hello.</Say>");
    assert_eq!(rig.last_response().status, 200);
    let started = rig.media.iter().find_map(|command| match command {
        MediaCommand::StartLeg { leg, .. } => Some(leg.core),
        _ => None,
    });
    assert_eq!(started, Some(CoreId(1)));
}

#[test]
fn an_answered_call_of_a_lost_core_ends_with_bye_and_its_recording_settles() {
    let mut rig = rig();
    let call = answered(&mut rig, "<Record playBeep=\"false\" action=\"/next\"/>");
    lose_core(&mut rig, 0);
    assert_eq!(rig.requests().last().unwrap(), "BYE");
    assert_eq!(rig.record(call).status, CallStatus::Completed);
    let is_discarded = |effect: &Effect| matches!(effect, Effect::DiscardRecording { .. });
    assert!(rig.effects.iter().any(is_discarded), "the recorder waits for no frames");
    finish(&mut rig);
    assert_eq!(rig.control.calls_live(), 0);
    assert_eq!(rig.invite(&Invite::default()), [503], "the core has no room any more");
}

#[test]
fn a_call_that_waits_for_a_core_to_stop_its_leg_ends_with_that_core() {
    let mut rig = rig();
    answered(&mut rig, "<Say>Hello.</Say>");
    hang_up(&mut rig);
    while !rig.http.is_empty() {
        rig.answer_webhook("");
    }
    assert_eq!(rig.control.calls_live(), 1, "its leg is still up");
    lose_core(&mut rig, 0);
    assert_eq!(rig.control.calls_live(), 0);
}

#[test]
fn calls_of_a_core_that_began_anew_end_and_it_takes_new_ones_once_their_legs_are_down() {
    let mut rig = rig();
    let call = answered(&mut rig, "<Record playBeep=\"false\" action=\"/next\"/>");
    let free = rig.control.legs_free();
    restart_core(&mut rig, 0);
    assert_eq!(rig.requests().last().unwrap(), "BYE");
    assert_eq!(rig.record(call).status, CallStatus::Completed);
    let is_discarded = |effect: &Effect| matches!(effect, Effect::DiscardRecording { .. });
    assert!(rig.effects.iter().any(is_discarded), "the recorder waits for no frames");
    let stops = |rig: &Rig| {
        let is_stop = |command: &&MediaCommand| matches!(command, MediaCommand::StopLeg { .. });
        rig.media.iter().filter(is_stop).count()
    };
    assert_eq!(stops(&rig), 1, "the new life answers for a leg that it never had");
    assert_eq!(rig.control.legs_free(), free, "the place is kept until it did");
    finish(&mut rig);
    assert_eq!(rig.control.calls_live(), 0);
    assert_eq!(rig.control.legs_free(), free + 1);
    answered(&mut rig, "<Say>Hello.</Say>");
}

#[test]
fn a_call_that_waits_for_its_leg_asks_the_core_again_when_that_began_anew() {
    let mut rig = rig();
    answered(&mut rig, "<Say>Hello.</Say>");
    hang_up(&mut rig);
    while !rig.http.is_empty() {
        rig.answer_webhook("");
    }
    assert_eq!(rig.control.calls_live(), 1, "its leg is still up");
    // The first stop went down with the core.
    rig.media.clear();
    restart_core(&mut rig, 0);
    assert!(matches!(rig.media[..], [MediaCommand::StopLeg { .. }]), "{:?}", rig.media);
    finish(&mut rig);
    assert_eq!(rig.control.calls_live(), 0);
}

#[test]
fn a_call_that_rings_does_not_notice_that_its_core_began_anew() {
    let mut rig = rig();
    assert_eq!(rig.invite(&Invite::default()), [100, 180]);
    restart_core(&mut rig, 0);
    rig.answer_webhook("<Say>Hello.</Say>");
    assert_eq!(rig.last_response().status, 200);
}

#[test]
fn a_bridge_whose_child_was_on_a_core_that_began_anew_ends_and_the_parent_goes_on() {
    let (mut rig, parent, child) = bridged_on_two_cores();
    let core = leg_core(&rig, child);
    restart_core(&mut rig, core);
    assert!(rig.media.iter().any(is_parting));
    let (of, _) = rig.http.first().expect("the action is asked");
    assert_eq!(*of, parent);
}

#[test]
fn at_the_end_of_the_gateway_every_call_ends_with_its_record() {
    let (mut rig, parent, child) = bridged_on_two_cores();
    rig.tell(Input::End);
    let byes = rig.requests().iter().filter(|method| *method == "BYE").count();
    assert_eq!(byes, 2);
    for call in [parent, child] {
        let status = rig.record(call).status;
        assert!([CallStatus::Completed, CallStatus::Failed].contains(&status), "{status:?}");
    }
    assert!(rig.faults.is_empty(), "{:?}", rig.faults);
    assert_eq!(rig.invite(&Invite::default()), [503]);
}

#[test]
fn a_child_has_its_leg_on_the_core_of_its_parent_although_another_has_more_room() {
    let mut rig = rig();
    rig.add_core();
    let (rig, parent, child) = bridge(rig);
    assert_eq!(leg_core(&rig, child), leg_core(&rig, parent));
}

#[test]
fn a_bridge_that_loses_one_core_ends_and_the_parent_goes_on() {
    let (mut rig, parent, child) = bridged_on_two_cores();
    let core = leg_core(&rig, child);
    assert_ne!(core, leg_core(&rig, parent));
    lose_core(&mut rig, core);
    assert!(rig.media.iter().any(is_parting));
    let (of, _) = rig.http.first().expect("the action is asked");
    assert_eq!(*of, parent);
}

/// Most phones that hold with `sendonly` send nothing at all.
#[test]
fn a_party_may_be_silent_on_hold_however_it_is_signalled_and_not_after_it_resumes() {
    let mut rig = rig();
    answered(&mut rig, "<Gather timeout=\"600\"/>");
    let (talks, may_be_silent) = (60_000, 3_600_000);
    let hold = |address: &str, direction: &str| Invite {
        sdp: sdp(
            "RTP/AVP 0 101",
            &format!("a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"),
        )
        .replace("c=IN IP4 192.0.2.7", &format!("c=IN IP4 {address}")),
        ..Invite::default()
    };
    let resumed = ("192.0.2.7", "sendrecv", talks);
    let offers = [
        ("192.0.2.7", "sendonly", may_be_silent),
        resumed,
        ("192.0.2.7", "recvonly", may_be_silent),
        resumed,
        ("192.0.2.7", "inactive", may_be_silent),
        resumed,
        ("0.0.0.0", "sendrecv", may_be_silent),
        resumed,
    ];
    for (number, (address, direction, expected)) in (2..).zip(offers) {
        rig.reinvite(&hold(address, direction), number);
        let told = rig.media.iter().rev().find_map(|command| match command {
            MediaCommand::StartLeg { plan, .. } | MediaCommand::UpdateLeg { plan, .. } => {
                Some(plan.media_timeout_ms)
            }
            _ => None,
        });
        assert_eq!(told, Some(expected), "{direction} at {address}");
    }
}

#[test]
fn a_timeline_tells_sip_webhooks_verbs_and_media_once_each() {
    let (mut rig, _, _) = bridged();
    hang_up(&mut rig);
    finish(&mut rig);
    let is_inbound = |timeline: &&String| timeline.contains("inbound call began");
    let parent = rig.timelines.iter().find(is_inbound).expect("it is written at the end");
    let times = |text: &str| parent.matches(text).count();
    for once in ["<- INVITE", "-> 180 Ringing", "-> 200 OK (INVITE)", "<- ACK", "<- BYE"] {
        assert_eq!(times(once), 1, "{once}");
    }
    for once in ["status in-progress", "status completed", "-> POST http://app.example/voice"] {
        assert_eq!(times(once), 1, "{once}");
    }
    assert_eq!(times("in-progress"), 1, "nothing is said twice: {parent}");
}

pub fn rig() -> Rig {
    Rig::new(Book::with_ip_list("192.0.2.7"))
}

/// A call that runs these verbs, answered and confirmed.
pub fn answered(rig: &mut Rig, verbs: &str) -> CallSid {
    let invite = Invite::default();
    assert_eq!(rig.invite(&invite), [100, 180]);
    let call = rig.records.last().expect("a record").sid;
    rig.answer_webhook(verbs);
    rig.ack_last(&invite);
    call
}

pub fn hang_up(rig: &mut Rig) {
    rig.bye_last(&Invite::default());
}

const DIAL: &str = "<Dial action=\"/next\"><Sip>sip:bob@192.0.2.8</Sip></Dial>";

pub fn bridged() -> (Rig, CallSid, CallSid) {
    bridge(rig())
}

/// The child's leg finds no room beside its parent's.
fn bridged_on_two_cores() -> (Rig, CallSid, CallSid) {
    let mut rig = rig();
    for _ in 0..7 {
        assert_eq!(rig.invite(&Invite::default()), [100, 180]);
    }
    rig.http.clear();
    let parent = answered(&mut rig, DIAL);
    rig.add_core();
    child_of(rig, parent)
}

fn bridge(mut rig: Rig) -> (Rig, CallSid, CallSid) {
    let parent = answered(&mut rig, DIAL);
    child_of(rig, parent)
}

fn is_bridging(command: &MediaCommand) -> bool {
    matches!(command, MediaCommand::Join { joined: Joined::Party(_), .. })
}

fn is_parting(command: &MediaCommand) -> bool {
    matches!(command, MediaCommand::Join { joined: Joined::Nobody, .. })
}

fn child_of(mut rig: Rig, parent: CallSid) -> (Rig, CallSid, CallSid) {
    rig.resolve();
    rig.respond(200, &sdp("RTP/AVP 0", ""));
    let child = rig.control.children_of(parent)[0];
    assert!(rig.media.iter().any(is_bridging));
    (rig, parent, child)
}

fn leg_core(rig: &Rig, call: CallSid) -> u8 {
    rig.control.calls[&call].leg.as_ref().expect("a leg").place.leg.core.0
}

fn lose_core(rig: &mut Rig, core: u8) {
    let sentence = "The core stalled.".to_owned();
    rig.tell(Input::CoreLost { core: CoreId(core), sentence });
}

fn restart_core(rig: &mut Rig, core: u8) {
    let sentence = "The core panicked.".to_owned();
    rig.tell(Input::CoreRestarted { core: CoreId(core), sentence });
}

/// Lets a call's machine panic as a fault of ours would.
fn panic_in(rig: &mut Rig, call: CallSid) {
    let now = rig.now;
    rig.control.drive_call(now, call, |_| panic!("as the test wants"));
    rig.drain();
    // Nothing, but it carries on what is waiting.
    rig.tell(Input::Media {
        core: CoreId(0),
        event: shared::MediaEvent::Latched {
            leg: shared::LegId { core: CoreId(9), slot: 0, generation: 0 },
            source: "192.0.2.1:4000".parse().expect("fixed"),
        },
    });
}

/// Whatever is awaited comes: webhooks, BYE responses, leg stops, recordings.
pub fn finish(rig: &mut Rig) {
    for _ in 0..4 {
        rig.let_go();
        rig.settle_recordings();
        rig.after(Duration::from_secs(40));
    }
}

fn create(rig: &mut Rig) -> Result<(), Code> {
    let to = store::CallTarget::Sip("sip:bob@192.0.2.8".to_owned());
    ask(rig, CallCommand::Create(Box::new(call_to(to))))
}

/// A REST call to somebody.
pub fn call_to(to: store::CallTarget) -> CreateCall {
    CreateCall {
        account: ACCOUNT,
        to,
        from: "alice".to_owned(),
        caller_id: None,
        display_name: None,
        application: None,
        twiml: store::TwimlSource::Inline("<Response><Say>Hi.</Say></Response>".to_owned()),
        fallback: None,
        status_callback: None,
        status_callback_events: store::CallEvents::COMPLETED,
        detection: None,
        send_digits: None,
        timeout_s: 30,
        time_limit_s: 600,
        record: None,
        sip_auth: None,
        warnings: Vec::new(),
    }
}

fn update_call(rig: &mut Rig, update: UpdateCall) -> Result<(), Code> {
    ask(rig, CallCommand::Update(Box::new(update)))
}

/// Asks by REST; the code of the refusal.
pub fn ask(rig: &mut Rig, command: CallCommand) -> Result<(), Code> {
    reply(rig, command).map(drop)
}

/// Asks by REST; the answer.
pub fn reply(rig: &mut Rig, command: CallCommand) -> Result<Reply, Code> {
    rig.tell(Input::Api { token: ApiToken(1), request: ApiRequest::Call(command) });
    let at = rig.effects.iter().rposition(|effect| matches!(effect, Effect::ApiReply { .. }));
    match rig.effects.remove(at.expect("it is answered")) {
        Effect::ApiReply { reply, .. } => reply.map_err(|error| error.code),
        other => panic!("{other:?}"),
    }
}
