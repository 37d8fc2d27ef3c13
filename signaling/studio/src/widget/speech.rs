//! Widgets that speak and listen: say-play, gather-input-on-call, record-voicemail.

use super::turn::{Arrival, Entered, Turn};
use crate::data::Data;
use crate::twiml::Element;

/// What the widget says, plays or sends; empty where it has none of them.
fn prompt(turn: &mut Turn<'_>) -> Vec<Element> {
    let repeat = turn.number("loop");
    if let Some(url) = turn.some_text("play") {
        return vec![Element::new("Play").with_some("loop", repeat).text(url)];
    }
    let Some(text) = turn.some_text("say") else { return Vec::new() };
    let say = Element::new("Say")
        .with_some("voice", turn.some_text("voice"))
        .with_some("language", turn.some_text("language"))
        .with_some("loop", repeat);
    vec![say.text(text)]
}

pub(super) fn say_play(turn: &mut Turn<'_>) -> Entered {
    let mut verbs = match turn.some_text("digits") {
        Some(digits) => vec![Element::new("Play").with("digits", digits)],
        None => prompt(turn),
    };
    verbs.push(Element::new("Redirect").text(turn.url("audioComplete")));
    Entered::Document(verbs)
}

pub(super) fn gather(turn: &mut Turn<'_>) -> Entered {
    // Without a key that ends it, the gather takes digits until there are enough.
    let finish = match turn.flag("stop_gather") {
        Some(false) => Some(String::new()),
        _ => {
            turn.state.properties.get("finish_on_key").as_str().map(|_| turn.text("finish_on_key"))
        }
    };
    let gather = Element::new("Gather")
        .with("input", "dtmf speech")
        .with("action", turn.url("gathered"))
        .with_some("timeout", turn.number("timeout"))
        .with_some("finishOnKey", finish)
        .with_some("numDigits", turn.number("number_of_digits"))
        .with_some("language", turn.some_text("gather_language"))
        .with_some("hints", turn.some_text("hints"))
        .with_some("speechTimeout", turn.some_text("speech_timeout"))
        .with_some("speechModel", turn.some_text("speech_model"))
        .with_some("profanityFilter", turn.some_text("profanity_filter"))
        .children(prompt(turn));
    Entered::Document(vec![gather, Element::new("Redirect").text(turn.url("timeout"))])
}

pub(super) fn gathered(turn: &mut Turn<'_>, arrival: &Arrival<'_>) -> &'static str {
    let result = arrival.some(&["Digits", "SpeechResult", "Confidence", "Language"]);
    let digits = result.get("Digits").as_str();
    let speech = result.get("SpeechResult").as_str();
    let (event, response) = match (digits, speech) {
        (Some(digits), _) => ("keypress", digits),
        (None, Some(speech)) => ("speech", speech),
        (None, None) => ("timeout", ""),
    };
    if let Some(name) = turn.some_text("save_response_as") {
        let response = Data::text(response);
        turn.context.entry("flow").entry("variables").put(&name, response);
    }
    // After a timeout the digits of an earlier turn of a loop are gone.
    turn.result = Some(result);
    event
}

pub(super) fn voicemail(turn: &mut Turn<'_>) -> Entered {
    let transcribe = turn.flag("transcribe").unwrap_or(false);
    let callback = turn.some_text("transcription_callback_url");
    let record = Element::new("Record")
        .with("action", turn.url("recorded"))
        .with_some("timeout", turn.number("timeout"))
        .with_some("finishOnKey", turn.some_text("finish_on_key"))
        .with_some("maxLength", turn.number("max_length"))
        .with_some("playBeep", turn.some_text("play_beep"))
        .with_some("trim", turn.some_text("trim"))
        .with_some("transcribe", transcribe.then_some("true"))
        .with_some("transcribeCallback", callback.filter(|_| transcribe))
        .with_some("recordingStatusCallback", turn.some_text("recording_status_callback_url"));
    Entered::Document(vec![record, Element::new("Redirect").text(turn.url("noAudio"))])
}

pub(super) fn recorded(turn: &mut Turn<'_>, arrival: &Arrival<'_>) -> &'static str {
    let result = arrival.some(&["RecordingUrl", "RecordingSid", "RecordingDuration", "Digits"]);
    let event = match arrival {
        Arrival::Request("noAudio", _) => "noAudio",
        // The API reports a hang-up as a digit of its own.
        Arrival::Request(..) if arrival.parameter("Digits") == "hangup" => "hangup",
        Arrival::Request(..) if result.get("RecordingUrl") == &Data::Nil => "noAudio",
        Arrival::Request(..) => "recordingComplete",
        Arrival::Answer(_) | Arrival::Timeout | Arrival::CallEnded => "hangup",
    };
    turn.result = Some(result);
    event
}
