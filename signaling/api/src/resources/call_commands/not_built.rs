//! Parameters of `POST Calls` that are not built: refused by name where the call would be another one without them,
//! warned about where they have no effect.

use shared::Code;
use store::{ParameterWarning, WriteError};

use crate::form::Form;

/// Most characters of an unknown event that its warning repeats.
const EVENT_SHOWN_CHARACTERS: usize = 40;

/// The two event lists of a call.
const EVENTS: [(&str, &[&str]); 2] = [
    ("StatusCallbackEvent", &["initiated", "ringing", "answered", "completed"]),
    ("RecordingStatusCallbackEvent", &super::recording::EVENTS),
];

/// Without a trunk the call would be another one than the request means.
pub(super) fn refuse_what_is_not_built(form: &Form) -> Result<(), WriteError> {
    if form.value("Byoc").is_some() {
        let message = "Byoc is unknown: BYOC trunks are not built in this version of the gateway";
        return Err(WriteError::invalid(Code::BYOC_TRUNK_SID, message));
    }
    Ok(())
}

/// Warnings about words of the two event lists that are not events. The cloud ignores them with a warning too.
pub(super) fn unknown_events(form: &Form) -> impl Iterator<Item = ParameterWarning> {
    unknown_events_of(form, &EVENTS)
}

/// Warnings about words of these event lists, each with its known words.
pub(super) fn unknown_events_of(
    form: &Form,
    lists: &[(&'static str, &'static [&'static str])],
) -> impl Iterator<Item = ParameterWarning> {
    lists.iter().filter_map(|(name, known)| {
        let word = form.words(name).find(|word| !known.contains(word))?;
        // The first of each list only, and cut: the warning becomes a notification.
        let word: String = word.chars().take(EVENT_SHOWN_CHARACTERS).collect();
        let sentence = format!("`{word}` of {name} is not one of: {}", known.join(", "));
        Some(ParameterWarning { code: Code::EVENT_UNKNOWN, sentence })
    })
}
