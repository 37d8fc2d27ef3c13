//! Calls that verify a caller id, by values.

use std::sync::Arc;
use std::time::Duration;

use shared::config::{CallerIds, Trunk};
use shared::media::{PlayEnd, PlayedValue};
use shared::{CallSid, Code, MediaCommand, MediaEvent, Prompt};
use store::{CallCommand, CallStatus, CallTarget, Reply, ValidateCallerId, Validation, Webhook};

use super::calls::{call_to, finish, reply};
use super::rig::{ACCOUNT, Book, Rig, sdp};
use crate::{Effect, Input};

const NUMBER: &str = "+15550100";

#[test]
fn the_right_code_writes_the_row_and_the_callback_names_it() {
    let mut rig = rig();
    let placed = validate(&mut rig, 0).expect("it is placed");
    assert_eq!((placed.account, placed.friendly_name.as_str()), (ACCOUNT, "Front desk"));
    assert_eq!(placed.code.len(), 6);
    answer(&mut rig);
    assert!(rig.http.is_empty(), "no document is asked for outside: {:?}", rig.http);
    press(&mut rig, placed.call, "12");
    assert!(rig.control.snapshot().caller_id(ACCOUNT, NUMBER).is_none());
    // A pause of ten seconds ends a try that is too short.
    rig.after(Duration::from_secs(11));
    speak(&mut rig);
    press(&mut rig, placed.call, &placed.code);
    let row = rig.control.snapshot().caller_id(ACCOUNT, NUMBER).expect("it is verified").clone();
    assert_eq!(row.friendly_name, "Front desk");
    let told = callback(&mut rig);
    assert_eq!(told, ["completed", "success", &row.sid.to_string()]);
    assert_eq!(rig.record(placed.call).status, CallStatus::Completed);
    finish(&mut rig);
    assert_eq!(rig.control.calls_live(), 0);
    assert_eq!(validate(&mut rig, 0).err(), Some(Code::CALLER_ID_TAKEN));
}

#[test]
fn three_wrong_codes_and_a_busy_line_fail() {
    let mut rig = rig();
    let placed = validate(&mut rig, 0).expect("it is placed");
    answer(&mut rig);
    let wrong = if placed.code == "111111" { "222222" } else { "111111" };
    for _ in 0..3 {
        press(&mut rig, placed.call, wrong);
    }
    assert_eq!(callback(&mut rig), ["completed", "failed", ""]);
    press(&mut rig, placed.call, &placed.code);
    assert!(rig.control.snapshot().caller_id(ACCOUNT, NUMBER).is_none());
    finish(&mut rig);
    validate(&mut rig, 0).expect("it may be tried again");
    rig.resolve();
    rig.respond(486, "");
    assert_eq!(callback(&mut rig), ["busy", "failed", ""]);
}

#[test]
fn the_call_waits_for_its_delay_and_can_be_cancelled_meanwhile() {
    let mut rig = rig();
    validate(&mut rig, 20).expect("it is placed");
    rig.after(Duration::from_secs(19));
    assert!(rig.resolves.is_empty(), "it does not ring yet");
    rig.after(Duration::from_secs(1));
    assert_eq!(rig.resolves.len(), 1);
    let mut rig = super::validation::rig();
    let placed = validate(&mut rig, 20).expect("it is placed");
    let update = store::UpdateCall {
        account: ACCOUNT,
        call: placed.call,
        action: Some(store::UpdateAction::Cancel),
        status_callback: store::Patch::Keep,
        time_limit_s: None,
    };
    super::calls::ask(&mut rig, CallCommand::Update(Box::new(update))).expect("it is queued");
    rig.after(Duration::from_secs(30));
    assert!(rig.resolves.is_empty());
    assert_eq!(rig.record(placed.call).status, CallStatus::Canceled);
    assert_eq!(rig.control.calls_live(), 0);
}

/// A gateway with a carrier, on which every caller id has to be known.
fn rig() -> Rig {
    let targets = vec!["sip:a.example".to_owned()];
    let trunk = Trunk { name: "carrier".to_owned(), targets, ..Trunk::default() };
    Rig::with_settings(Book::with_ip_list("192.0.2.7"), |settings| {
        settings.trunks = vec![trunk];
        settings.caller_ids = CallerIds::Known;
    })
}

fn validate(rig: &mut Rig, delay_s: u32) -> Result<Validation, Code> {
    let url = "http://app.example/verified".to_owned();
    let call = store::CreateCall {
        status_callback: Some(Webhook { url, method: store::HttpMethod::Post }),
        ..call_to(CallTarget::Number(NUMBER.to_owned()))
    };
    let (phone_number, friendly_name) = (NUMBER.to_owned(), Some("Front desk".to_owned()));
    let asked = ValidateCallerId { phone_number, friendly_name, delay_s, call };
    match reply(rig, CallCommand::Validate(Box::new(asked)))? {
        Reply::Validation(placed) => Ok(*placed),
        other => panic!("{other:?}"),
    }
}

/// The carrier answers.
fn answer(rig: &mut Rig) {
    rig.resolve();
    rig.respond(200, &sdp("RTP/AVP 0", ""));
    speak(rig);
}

fn press(rig: &mut Rig, call: CallSid, digits: &str) {
    rig.press(call, digits);
    speak(rig);
}

/// Every prompt that is asked for is there, and has been played.
fn speak(rig: &mut Rig) {
    loop {
        let is_load = |effect: &mut Effect| matches!(effect, Effect::LoadPrompt { .. });
        let loads: Vec<Effect> = rig.effects.extract_if(.., is_load).collect();
        for load in &loads {
            let Effect::LoadPrompt { call, prompt, .. } = load else { continue };
            let result = Ok(Arc::new(silence()));
            let (call, prompt, other_voice) = (*call, *prompt, None);
            rig.tell(Input::PromptReady { call, prompt, result, other_voice });
        }
        let is_play = |command: &mut MediaCommand| matches!(command, MediaCommand::Play { .. });
        let plays: Vec<MediaCommand> = rig.media.extract_if(.., is_play).collect();
        for command in plays {
            let MediaCommand::Play { leg, play, prompt, .. } = command else { continue };
            let (cause, value) = (PlayEnd::Finished, PlayedValue::Prompt(prompt));
            let event = MediaEvent::PlayEnded { leg, play, cause, value };
            rig.tell(Input::Media { core: leg.core, event });
        }
        if loads.is_empty() {
            return;
        }
    }
}

/// The status callback: the status, how the verification ended, and the row.
fn callback(rig: &mut Rig) -> [String; 3] {
    let (_, request) = rig.http.first().expect("a callback");
    let value = |name| {
        let found = request.standard.value(name).or_else(|| request.extra.value(name));
        found.unwrap_or_default().to_owned()
    };
    let told = ["CallStatus", "VerificationStatus", "OutgoingCallerIdSid"].map(value);
    rig.answer_webhook("");
    told
}

fn silence() -> Prompt {
    Prompt { mulaw: vec![0xFF; 160].into(), alaw: vec![0xD5; 160].into() }
}
