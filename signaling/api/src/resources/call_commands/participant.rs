//! Parameters of `POST …/Participants` and `POST …/Participants/{call or label}`, made into commands for Control.
//!
//! A participant is a call with a conference in place of a document, so each parameter that both have is read as
//! that of `POST Calls`. Those about the conference count where the participant is its first.

use shared::limits::{CALL_S, CONFERENCE_MEMBERS_MAX, PARTICIPANT_LABEL_CHARACTERS_MAX, RING_S};
use shared::{AccountSid, CallSid, Code};
use store::{
    Beep, CallTarget, ConferenceEvents, ConferenceName, ConferenceTerms, CreateCall,
    CreateParticipant, HttpMethod, JitterBuffer, ParticipantChange, ParticipantTerms,
    RecordConference, TwimlSource, WaitMusic, Webhook, WriteError,
};

use super::detection;
use super::not_built::{refuse_what_is_not_built, unknown_events_of};
use super::party::{caller, caller_id, target};
use super::recording::{record, recording_events};
use super::{TIMEOUT_S, call_events, sip_auth, status_callback, webhook};
use crate::form::{Form, must_be};
use crate::response::invalid_parameter;

/// Shortest ring time of a participant, seconds.
const RING_S_MIN: u32 = 5;
/// Characters of a display name: least and most.
const DISPLAY_NAME_CHARACTERS: (usize, usize) = (2, 255);
/// Most characters of a region.
const REGION_CHARACTERS_MAX: usize = 64;
/// What runs when a participant has left its conference: a document without verbs ends the call.
const NO_DOCUMENT: &str = "<Response/>";

/// Events of the recording of a participant's leg (rest.md 8).
const RECORDING_EVENTS: [&str; 8] =
    ["started", "in-progress", "paused", "resumed", "stopped", "completed", "failed", "absent"];
/// Events of the recording of its conference.
const CONFERENCE_RECORDING_EVENTS: [&str; 4] = ["in-progress", "completed", "failed", "absent"];
/// Words of the event lists of a participant.
const EVENTS: [(&str, &[&str]); 4] = [
    ("StatusCallbackEvent", &["initiated", "ringing", "answered", "completed"]),
    (
        "ConferenceStatusCallbackEvent",
        &["start", "end", "join", "leave", "mute", "hold", "modify", "speaker", "announcement"],
    ),
    ("ConferenceRecordingStatusCallbackEvent", &CONFERENCE_RECORDING_EVENTS),
    ("RecordingStatusCallbackEvent", &RECORDING_EVENTS),
];

/// Reads `POST …/Participants`.
pub(crate) fn create_participant(
    account: AccountSid,
    conference: ConferenceName,
    form: &Form,
) -> Result<CreateParticipant, WriteError> {
    refuse_async_detection(form)?;
    Ok(CreateParticipant {
        call: call(account, form)?,
        conference,
        entry: entry(form)?,
        terms: terms(form)?,
    })
}

fn call(account: AccountSid, form: &Form) -> Result<CreateCall, WriteError> {
    let to = target(form.value("To").map(str::trim).unwrap_or_default())?;
    let from = caller(&to, form.value("From").map(str::trim).unwrap_or_default())?;
    refuse_what_is_not_built(form)?;
    let display_name = display_name(&to, form)?;
    let timeout = form.number("Timeout", (RING_S_MIN, RING_S.1), Code::TIMEOUT)?;
    let time_limit = form.number("TimeLimit", (1, CALL_S.1), Code::INVALID_PARAMETER)?;
    let (detection, warning) = detection::of_participant(form)?;
    Ok(CreateCall {
        account,
        from,
        detection,
        caller_id: form.value("CallerId").map(caller_id).transpose()?,
        display_name,
        to,
        application: None,
        twiml: TwimlSource::Inline(NO_DOCUMENT.to_owned()),
        fallback: None,
        status_callback: status_callback(form)?,
        status_callback_events: call_events(form),
        send_digits: None,
        timeout_s: timeout.unwrap_or(TIMEOUT_S),
        time_limit_s: time_limit.unwrap_or(CALL_S.0),
        record: record(form, &RECORDING_EVENTS)?,
        sip_auth: sip_auth(form)?,
        warnings: warning.into_iter().chain(unknown_events_of(form, &EVENTS)).collect(),
    })
}

/// `AsyncAmd` and its parameters have other names here.
fn refuse_async_detection(form: &Form) -> Result<(), WriteError> {
    let names = ["AsyncAmd", "AsyncAmdStatusCallback", "AsyncAmdStatusCallbackMethod"];
    match names.into_iter().find(|name| form.value(name).is_some()) {
        None => Ok(()),
        Some(name) => {
            let message =
                format!("{name} is a parameter of calls: of participants, it is AmdStatusCallback");
            Err(WriteError::invalid(Code::PARTICIPANT_ASYNC_AMD, message))
        }
    }
}

fn display_name(to: &CallTarget, form: &Form) -> Result<Option<String>, WriteError> {
    let Some(name) = form.value("CallerDisplayName") else { return Ok(None) };
    let (least, most) = DISPLAY_NAME_CHARACTERS;
    if !(least..=most).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        let what = format_args!("{least} to {most} characters, without control characters");
        return Err(must_be("CallerDisplayName", what, Code::INVALID_PARAMETER));
    }
    match to {
        CallTarget::Sip(_) => Ok(Some(name.to_owned())),
        CallTarget::Number(_) | CallTarget::Client { .. } | CallTarget::Application { .. } => {
            Err(invalid_parameter("CallerDisplayName can only be given to a SIP URI"))
        }
    }
}

fn entry(form: &Form) -> Result<ParticipantTerms, WriteError> {
    let beeps = [
        ("true", Beep::Both),
        ("false", Beep::Neither),
        ("onEnter", Beep::OnEnter),
        ("onExit", Beep::OnExit),
    ];
    let buffers = [
        ("off", JitterBuffer::Off),
        ("small", JitterBuffer::Small),
        ("medium", JitterBuffer::Medium),
        ("large", JitterBuffer::Large),
    ];
    let coached = coached(form)?;
    let coaching = form.boolean("Coaching")?;
    if coaching == Some(true) && coached.is_none() {
        return Err(invalid_parameter("Coaching needs the CallSidToCoach"));
    }
    Ok(ParticipantTerms {
        label: form.value("Label").map(label).transpose()?,
        muted: muted(form).unwrap_or(false),
        beep: form.one_of("Beep", &beeps)?.unwrap_or_default(),
        start_on_enter: form.boolean("StartConferenceOnEnter")?.unwrap_or(true),
        end_on_exit: form.boolean("EndConferenceOnExit")?.unwrap_or(false),
        early_media: form.boolean("EarlyMedia")?.unwrap_or(true),
        // The SID alone means coaching; `Coaching=false` beside it does not (rest.md 8).
        coached: coached.filter(|_| coaching != Some(false)),
        jitter_buffer: form.one_of("JitterBufferSize", &buffers)?.unwrap_or_default(),
    })
}

fn terms(form: &Form) -> Result<ConferenceTerms, WriteError> {
    let most = CONFERENCE_MEMBERS_MAX;
    let participants = form.number("MaxParticipants", (2, most), Code::INVALID_PARAMETER)?;
    Ok(ConferenceTerms {
        wait: wait(form)?.unwrap_or_default(),
        max_participants: participants.unwrap_or(most),
        region: form.value("Region").map(region).transpose()?,
        record: record_conference(form)?,
        status_callback: webhook(
            form,
            "ConferenceStatusCallback",
            "ConferenceStatusCallbackMethod",
        )?,
        status_callback_events: conference_events(form),
    })
}

fn record_conference(form: &Form) -> Result<Option<RecordConference>, WriteError> {
    let words =
        [("true", true), ("false", false), ("record-from-start", true), ("do-not-record", false)];
    let trim = [("trim-silence", true), ("do-not-trim", false)];
    // Checked also where nothing is recorded: a wrong word is a mistake either way.
    let record = RecordConference {
        trim_silence: form.one_of("ConferenceTrim", &trim)?.unwrap_or(true),
        callback: webhook(
            form,
            "ConferenceRecordingStatusCallback",
            "ConferenceRecordingStatusCallbackMethod",
        )?,
        callback_events: recording_events(
            form,
            "ConferenceRecordingStatusCallbackEvent",
            &CONFERENCE_RECORDING_EVENTS,
        ),
    };
    Ok(form.one_of("ConferenceRecord", &words)?.unwrap_or(false).then_some(record))
}

fn conference_events(form: &Form) -> ConferenceEvents {
    let mut events = ConferenceEvents::NONE;
    for word in form.words("ConferenceStatusCallbackEvent") {
        match word {
            "start" => events.start = true,
            "end" => events.end = true,
            "join" => events.join = true,
            "leave" => events.leave = true,
            "mute" => events.mute = true,
            "hold" => events.hold = true,
            "modify" => events.modify = true,
            "speaker" => events.speaker = true,
            "announcement" => events.announcement = true,
            _ => {}
        }
    }
    // A list of unknown words alone is warned about and leaves the default.
    if events == ConferenceEvents::NONE { ConferenceEvents::START_AND_END } else { events }
}

/// Reads `POST …/Participants/{call or label}`.
pub(crate) fn change_participant(form: &Form) -> Result<ParticipantChange, WriteError> {
    // The one method of the contract whose default is GET.
    let hold_method = form.method("HoldMethod", Code::METHOD)?.unwrap_or(HttpMethod::Get);
    let hold_url = form.url("HoldUrl", Code::URL_NOT_ABSOLUTE)?;
    Ok(ParticipantChange {
        muted: muted(form),
        hold: form.boolean("Hold")?,
        hold_url: hold_url.map(|url| Webhook { url, method: hold_method }),
        announce: webhook(form, "AnnounceUrl", "AnnounceMethod")?,
        wait: wait(form)?,
        beep_on_exit: form.boolean("BeepOnExit")?,
        end_on_exit: form.boolean("EndConferenceOnExit")?,
        coaching: form.boolean("Coaching")?,
        coached: coached(form)?,
    })
}

/// `Muted`: any word but `true` counts as false (rest.md 1).
pub(crate) fn muted(form: &Form) -> Option<bool> {
    form.value("Muted").map(|text| text.eq_ignore_ascii_case("true"))
}

fn coached(form: &Form) -> Result<Option<CallSid>, WriteError> {
    let sid = form.value("CallSidToCoach").map(str::parse).transpose();
    sid.map_err(|_| invalid_parameter("CallSidToCoach must be the SID of a call"))
}

/// `WaitUrl`: an empty value is silence; `None` where it is absent.
fn wait(form: &Form) -> Result<Option<WaitMusic>, WriteError> {
    let document = webhook(form, "WaitUrl", "WaitMethod")?.map(WaitMusic::Document);
    Ok(document.or_else(|| form.raw("WaitUrl").map(|_| WaitMusic::Silence)))
}

fn label(text: &str) -> Result<String, WriteError> {
    let problem = if text.chars().count() > PARTICIPANT_LABEL_CHARACTERS_MAX {
        format!("may have at most {PARTICIPANT_LABEL_CHARACTERS_MAX} characters")
    } else if text.parse::<CallSid>().is_ok() {
        "may not have the form of a call's SID".to_owned()
    } else if text.contains('/') || text.chars().any(char::is_control) {
        "may hold neither `/` nor control characters".to_owned()
    } else {
        return Ok(text.to_owned());
    };
    Err(WriteError::invalid(Code::PARTICIPANT_LABEL, format!("Label {problem}")))
}

/// Accepted and shown: a gateway has one region.
fn region(text: &str) -> Result<String, WriteError> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if text.len() > REGION_CHARACTERS_MAX || !text.chars().all(is_word) {
        return Err(must_be("Region", "a word such as us1", Code::INVALID_PARAMETER));
    }
    Ok(text.to_owned())
}
