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
    ("RecordingStatusCallbackEvent", &["in-progress", "completed", "absent"]),
];

/// Parameters that tune machine detection; `MachineDetection` switches it on.
const MACHINE_DETECTION: [&str; 7] = [
    "AsyncAmd",
    "AsyncAmdStatusCallback",
    "AsyncAmdStatusCallbackMethod",
    "MachineDetectionSilenceTimeout",
    "MachineDetectionSpeechEndThreshold",
    "MachineDetectionSpeechThreshold",
    "MachineDetectionTimeout",
];

/// Without a trunk, or without detection, the call would be another one than the request means.
pub(super) fn refuse_what_is_not_built(form: &Form) -> Result<(), WriteError> {
    if form.value("Byoc").is_some() {
        let message = "Byoc is unknown: BYOC trunks are not built in this version of the gateway";
        return Err(WriteError::invalid(Code::BYOC_TRUNK_SID, message));
    }
    // SendDigits switches machine detection off.
    let detects = form.value("MachineDetection").is_some() && form.value("SendDigits").is_none();
    if detects {
        let message = "MachineDetection is not built in this version of the gateway: place the call \
                       without it";
        return Err(WriteError::invalid(Code::MACHINE_DETECTION, message));
    }
    Ok(())
}

/// Warnings about machine-detection parameters without `MachineDetection`, or with `SendDigits`, which switches it
/// off: nothing would detect a machine.
pub(super) fn without_effect(form: &Form) -> Option<ParameterWarning> {
    let names = without_effect_of(form, &MACHINE_DETECTION)?;
    let is_async = names.contains(&"AsyncAmd");
    let code = match form.value("AsyncAmdStatusCallback") {
        None if is_async => Code::ASYNC_AMD_CALLBACK,
        _ => Code::MACHINE_DETECTION,
    };
    let sentence = format!(
        "{} without effect: the call is made without machine detection, which is not built in this \
         version of the gateway",
        names.join(", ")
    );
    Some(ParameterWarning { code, sentence })
}

/// The names of these parameters that the form sets; `None` without any.
pub(super) fn without_effect_of<'n>(form: &Form, names: &[&'n str]) -> Option<Vec<&'n str>> {
    let asked = |name: &&&str| form.value(name).is_some_and(|v| !v.eq_ignore_ascii_case("false"));
    let names: Vec<&str> = names.iter().filter(asked).copied().collect();
    (!names.is_empty()).then_some(names)
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
