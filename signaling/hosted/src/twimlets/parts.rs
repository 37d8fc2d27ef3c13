//! What several Twimlets have in common. Pure.

use url::form_urlencoded::byte_serialize;

use super::{Answer, Asked};
use crate::parameters::Parameters;
use crate::xml::Element;

/// A text to speak, or the URL of a file to play; `None` for an empty text.
pub(super) fn spoken(message: &str) -> Option<Element> {
    let tag = match message {
        "" => return None,
        url if url.starts_with("http") => "Play",
        _ => "Say",
    };
    Some(Element::new(tag).text(message))
}

/// The seconds to ring.
pub(super) fn timeout<'a>(parameters: &'a Parameters, default: &'a str) -> &'a str {
    let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    parameters.filled("Timeout").filter(is_number).unwrap_or(default)
}

/// Who calls.
pub(super) fn caller(parameters: &Parameters) -> &str {
    parameters.filled("From").or_else(|| parameters.filled("Caller")).unwrap_or_default()
}

/// Whether a request is the second stage: the action of its own `<Dial>`.
pub(super) fn is_after_dial(parameters: &Parameters) -> bool {
    parameters.get("Dial").is_some()
}

/// Whether the dialed party answered. The first version of the API has `DialStatus`.
pub(super) fn is_answered(parameters: &Parameters) -> bool {
    let status = parameters.filled("DialStatus").or_else(|| parameters.filled("DialCallStatus"));
    matches!(status, Some("answered" | "completed"))
}

/// The end of a call whose party was not reached.
pub(super) fn failed(parameters: &Parameters) -> Answer {
    match parameters.filled("FailUrl") {
        Some(url) => Answer::Elsewhere(url.to_owned()),
        None => hangup(),
    }
}

pub(super) fn hangup() -> Answer {
    Answer::Verbs(vec![Element::new("Hangup")])
}

/// A text as it stands in a query.
pub(super) fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// The URL of a Twimlet's second stage, without further parameters.
pub(super) fn second_stage(asked: &Asked<'_>, name: &str) -> String {
    format!("{}/{name}?Dial=true", asked.below)
}

/// What two spellings of a party have in common: the digits of a number, the user of a SIP address.
pub(super) fn party(address: &str) -> String {
    store::e164(address).trim_start_matches('+').to_owned()
}
