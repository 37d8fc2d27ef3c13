//! Widgets about calls: connect-call-to, make-outgoing-call, record-call.

use shared::Code;

use super::turn::{Arrival, Entered, Turn};
use crate::order::{Answer, Order};
use crate::twiml::Element;

/// Numbers that ring at once.
const NUMBERS_MAX: usize = 10;

pub(super) fn connect(turn: &mut Turn<'_>) -> Entered {
    let caller_id = turn.some_text("caller_id").unwrap_or_else(|| turn.contact());
    let record = turn.flag("record").unwrap_or(false);
    let nouns = nouns(turn);
    let dial = Element::new("Dial")
        .with("action", turn.url("connected"))
        .with_some("callerId", Some(caller_id).filter(|caller_id| !caller_id.is_empty()))
        .with_some("timeout", turn.number("timeout"))
        .with_some("timeLimit", turn.number("time_limit"))
        .with_some("record", record.then_some("record-from-answer"));
    Entered::Document(vec![dial.children(nouns)])
}

fn nouns(turn: &mut Turn<'_>) -> Vec<Element> {
    let to = turn.text("to");
    let noun = turn.text("noun");
    let one = |name| vec![Element::new(name).text(to.clone())];
    match noun.as_str() {
        "sip" => {
            let target = turn.some_text("sip_endpoint").unwrap_or(to);
            let sip = Element::new("Sip")
                .with_some("username", turn.some_text("sip_username"))
                .with_some("password", turn.some_text("sip_password"));
            vec![sip.text(target)]
        }
        "client" => one("Client"),
        "conference" => one("Conference"),
        "sim" => one("Sim"),
        "number-multi" => {
            let numbers = to.split(',').map(str::trim).filter(|number| !number.is_empty());
            numbers.take(NUMBERS_MAX).map(|number| Element::new("Number").text(number)).collect()
        }
        _ => one("Number"),
    }
}

pub(super) fn connected(turn: &mut Turn<'_>, arrival: &Arrival<'_>) -> &'static str {
    turn.result = Some(arrival.some(&[
        "DialCallStatus",
        "DialCallSid",
        "DialCallDuration",
        "DialBridged",
        "RecordingUrl",
        "CallStatus",
        "CallSid",
    ]));
    match arrival {
        // The call's own status: its party hung up, and the document has no listener.
        Arrival::Request(..) if arrival.parameter("CallStatus") == "completed" => "hangup",
        Arrival::Request(..) => "callCompleted",
        Arrival::Answer(_) | Arrival::Timeout | Arrival::CallEnded => {
            turn.alert(
                Code::STUDIO_CONNECT_TIMEOUT,
                "The call ended without a report of the dialled one",
            );
            "hangup"
        }
    }
}

/// Properties of an outgoing call and the parameters of REST that they are.
const PLACED: &[(&str, &str)] = &[
    ("recording_channels", "RecordingChannels"),
    ("recording_status_callback", "RecordingStatusCallback"),
    ("trim", "Trim"),
    ("send_digits", "SendDigits"),
    ("sip_auth_username", "SipAuthUsername"),
    ("sip_auth_password", "SipAuthPassword"),
    ("timeout", "Timeout"),
];

/// Those that only a call with detection has.
const DETECTED: &[(&str, &str)] = &[
    ("machine_detection_timeout", "MachineDetectionTimeout"),
    ("machine_detection_speech_threshold", "MachineDetectionSpeechThreshold"),
    ("machine_detection_speech_end_threshold", "MachineDetectionSpeechEndThreshold"),
    ("machine_detection_silence_timeout", "MachineDetectionSilenceTimeout"),
];

pub(super) fn place(turn: &mut Turn<'_>) -> Entered {
    let to = turn.some_text("to").unwrap_or_else(|| turn.contact());
    let from = turn.some_text("from").unwrap_or_else(|| turn.own_address());
    let mut parameters = vec![("To", to), ("From", from)];
    let mut add = |turn: &mut Turn<'_>, table: &[(&'static str, &'static str)]| {
        for (property, parameter) in table {
            if let Some(text) = turn.some_text(property) {
                parameters.push((parameter, text));
            }
        }
    };
    add(turn, PLACED);
    if turn.flag("detect_answering_machine") == Some(true) {
        add(turn, DETECTED);
        let detection = turn.some_text("machine_detection").unwrap_or_else(|| "Enable".to_owned());
        parameters.push(("MachineDetection", detection));
    }
    if turn.flag("record") == Some(true) {
        parameters.push(("Record", "true".to_owned()));
    }
    Entered::Order(Order::Call { step: turn.step, parameters })
}

/// The order's answer is not the end of it: the callee's is.
pub(super) fn placed(turn: &mut Turn<'_>, arrival: &Arrival<'_>) -> Option<&'static str> {
    if let Arrival::Answer(answer) = arrival {
        return match answer {
            Answer::Done { resource } => {
                turn.result = Some(resource.clone());
                None
            }
            Answer::Refused { code, sentence } => {
                turn.alert(Code::STUDIO_CALL_FAILED, format!("{code}: {sentence}"));
                Some("failed")
            }
            _ => Some("failed"),
        };
    }
    let event = match arrival {
        Arrival::Request("answered", _) => "answered",
        Arrival::Request(..) => match arrival.parameter("CallStatus") {
            "busy" => "busy",
            "no-answer" => "noAnswer",
            "failed" | "canceled" => "failed",
            // Initiated, ringing, in-progress: it goes on. Completed without an answer's request: the flow
            // was ended before.
            _ => return None,
        },
        Arrival::Answer(_) | Arrival::Timeout | Arrival::CallEnded => "failed",
    };
    turn.result = Some(arrival.some(&["CallSid", "CallStatus", "AnsweredBy", "SipResponseCode"]));
    Some(event)
}

pub(super) fn record(turn: &mut Turn<'_>) -> Entered {
    let is_on = turn.flag("record_call").unwrap_or(false);
    let mut parameters = Vec::new();
    let callback = turn
        .some_text("recording_status_callback_url")
        .or_else(|| turn.some_text("recording_status_callback"));
    let mut add = |name, text: Option<String>| parameters.extend(text.map(|text| (name, text)));
    add("RecordingStatusCallback", callback);
    add("RecordingStatusCallbackMethod", turn.some_text("recording_status_callback_method"));
    add("RecordingChannels", turn.some_text("recording_channels"));
    add("Trim", turn.some_text("trim"));
    Entered::Order(Order::Recording { is_on, parameters })
}

pub(super) fn recording(turn: &mut Turn<'_>, arrival: &Arrival<'_>) -> &'static str {
    match arrival {
        Arrival::Answer(Answer::Done { resource }) => {
            turn.result = Some(resource.clone());
            "success"
        }
        Arrival::Answer(Answer::Refused { code, sentence }) => {
            turn.alert(Code::STUDIO_NOT_FIT, format!("{code}: {sentence}"));
            "failed"
        }
        _ => "failed",
    }
}
