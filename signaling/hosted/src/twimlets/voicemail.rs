//! `voicemail`: records a message. Pure.
//!
//! The vendor's service sends it by mail to `Email`. A gateway has no mail: the recording is a resource like any
//! other, and its callback tells the application (hosted.md 4).

use super::Answer;
use super::parts::{hangup, spoken};
use crate::parameters::Parameters;
use crate::xml::Element;

/// Without an action, `<Record>` comes back here with `RecordingUrl`.
pub(super) fn answer(parameters: &Parameters) -> Answer {
    if parameters.filled("RecordingUrl").is_some() {
        return hangup();
    }
    let message = spoken(parameters.filled("Message").unwrap_or(GREETING));
    let mut record = Element::new("Record").with("maxLength", LENGTH_S);
    if parameters.filled("Transcribe").is_some_and(|value| value != "false") {
        record = record.with("transcribe", "true");
    }
    Answer::Verbs(message.into_iter().chain([record, Element::new("Hangup")]).collect())
}

const GREETING: &str = "Please leave a message after the beep.";
const LENGTH_S: &str = "120";

#[cfg(test)]
mod tests {
    use crate::twimlets::tests::ask;

    #[test]
    fn a_message_is_recorded_once() {
        assert_eq!(
            ask("voicemail", "Email=a%40b.example&Message=Speak"),
            "<Response><Say>Speak</Say><Record maxLength=\"120\"/><Hangup/></Response>"
        );
        let transcribed = ask("voicemail", "Transcribe=true");
        assert!(transcribed.contains("<Record maxLength=\"120\" transcribe=\"true\"/>"));
        assert!(!ask("voicemail", "Transcribe=false").contains("transcribe="));
        let after = ask("voicemail", "RecordingUrl=http%3A%2F%2Fa");
        assert_eq!(after, "<Response><Hangup/></Response>");
    }
}
