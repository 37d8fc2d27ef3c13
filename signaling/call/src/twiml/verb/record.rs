//! `<Record>`: attributes, and those that `<Dial>` shares. Sans-IO.

use roxmltree::Node;
use shared::{Code, limits};

use super::{Link, Read, action, link};
use crate::setup::RecordingEvent;
use crate::twiml::Reading;
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};

/// Records the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Requested when the recording has ended.
    pub action: Link,
    /// Seconds of silence that end it; 0 = silence never does.
    pub timeout_s: u32,
    /// The keys that end it; empty: no key does.
    pub finish_on_key: String,
    /// Its greatest length in seconds.
    pub max_length_s: u32,
    /// Whether a beep comes first.
    pub play_beep: bool,
    /// Whether silence is cut from its start and its end.
    pub trim: bool,
    /// Its status callback; `None` sends none.
    pub callback: Option<RecordingLink>,
    /// Whether it is transcribed.
    pub is_transcribed: bool,
    /// Gets the transcript; `None` sends none.
    pub transcribe_callback: Option<Link>,
}

/// A recording status callback as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingLink {
    /// URL and method.
    pub link: Link,
    /// The events that are sent.
    pub events: Vec<RecordingEvent>,
}

const TRIM: Kind = Kind::Word(&["trim-silence", "do-not-trim"]);
const EVENTS: Kind = Kind::Words(&["in-progress", "completed", "absent"]);

/// Attributes that `<Record>` and `<Dial>` have in common.
pub(crate) const CALLBACK: Attribute =
    attribute("recordingStatusCallback", Kind::Url, "Where recording events go.")
        .code(Code::RECORDING_STATUS_CALLBACK);
pub(crate) const CALLBACK_METHOD: Attribute =
    attribute("recordingStatusCallbackMethod", Kind::Method, "Its method.").default("POST");
pub(crate) const CALLBACK_EVENT: Attribute =
    attribute("recordingStatusCallbackEvent", EVENTS, "Which events.")
        .default("completed")
        .code(Code::RECORD_EVENTS);
pub(crate) const TRIM_SILENCE: Attribute =
    attribute("trim", TRIM, "Whether silence at both ends is cut.").code(Code::RECORD_TRIM);
pub(crate) const CONFIGURATION: Attribute =
    attribute("recordingConfigurationId", Kind::Ignored, "No effect.");

pub(crate) const ATTRIBUTES: &[Attribute] = &[
    attribute("action", Kind::Url, "Requested at the end; default the document's own URL."),
    attribute("method", Kind::Method, "Method of the action.")
        .default("POST")
        .code(Code::RECORD_METHOD),
    attribute("timeout", Kind::Whole(0, 86_400), "Silence that ends it, seconds; 0 = none.")
        .default("5")
        .code(Code::RECORD_TIMEOUT),
    attribute("finishOnKey", Kind::Keys("0123456789#*", 12), "Keys that end it.")
        .default("1234567890*#")
        .code(Code::RECORD_FINISH_ON_KEY),
    attribute("maxLength", Kind::Whole(2, limits::RECORDING_S_MAX), "Longest, seconds.")
        .default("3600")
        .code(Code::RECORD_MAX_LENGTH),
    attribute("playBeep", Kind::Flag, "Whether a beep comes first.")
        .default("true")
        .code(Code::RECORD_PLAY_BEEP),
    TRIM_SILENCE.default("trim-silence"),
    CALLBACK,
    CALLBACK_METHOD,
    CALLBACK_EVENT.fatal(),
    attribute("transcribe", Kind::Flag, "Whether it is transcribed.")
        .default("false")
        .code(Code::RECORD_TRANSCRIBE),
    attribute("transcribeCallback", Kind::Url, "Gets the transcript.")
        .code(Code::TRANSCRIBE_CALLBACK),
    CONFIGURATION,
];

pub(crate) fn read(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Record> {
    let attributes = Attributes::read(node, ATTRIBUTES, reading)?;
    reading.no_children(node);
    // The callback alone means the same.
    let transcribe_callback =
        attributes.text("transcribeCallback").filter(|url| !url.is_empty()).map(str::to_owned);
    let is_transcribed = attributes.flag("transcribe")
        || (transcribe_callback.is_some() && !attributes.is_written("transcribe"));
    Ok(Some(Record {
        action: action(&attributes),
        timeout_s: attributes.whole("timeout"),
        finish_on_key: attributes.text("finishOnKey").unwrap_or("").to_owned(),
        max_length_s: max_length(&attributes, is_transcribed, node, reading),
        play_beep: attributes.flag("playBeep"),
        trim: attributes.word("trim") == "trim-silence",
        callback: callback(&attributes),
        is_transcribed,
        transcribe_callback: transcribe_callback
            .map(|url| Link { url, method: store::HttpMethod::Post }),
    }))
}

/// A transcript is of two minutes at most; a longer recording is not cut for it.
fn max_length(
    attributes: &Attributes<'_>,
    is_transcribed: bool,
    node: Node<'_, '_>,
    reading: &mut Reading<'_>,
) -> u32 {
    if !is_transcribed {
        return attributes.whole("maxLength");
    }
    if !attributes.is_written("maxLength") {
        return limits::TRANSCRIBED_S_MAX;
    }
    let length_s = attributes.whole("maxLength");
    if length_s > limits::TRANSCRIBED_S_MAX {
        let message = "`maxLength` is more than 120: a longer recording is not transcribed";
        let position = reading.place(node);
        reading.warn(Code::RECORD_TRANSCRIBE_LENGTH, message, position);
    }
    length_s
}

/// The recording status callback of `<Record>` and `<Dial>`.
pub(crate) fn callback(attributes: &Attributes<'_>) -> Option<RecordingLink> {
    let link = link(attributes, "recordingStatusCallback", "recordingStatusCallbackMethod");
    let link = link.filter(|link| !link.url.is_empty())?;
    let events = attributes.words("recordingStatusCallbackEvent").iter();
    Some(RecordingLink {
        link,
        events: events
            .map(|word| match *word {
                "in-progress" => RecordingEvent::InProgress,
                "absent" => RecordingEvent::Absent,
                _ => RecordingEvent::Completed,
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twiml::tests::{codes, one};
    use crate::twiml::verb::Verb;

    #[test]
    fn defaults_are_those_of_the_api() {
        let record = record("<Record/>");
        assert_eq!((record.timeout_s, record.max_length_s), (5, 3_600));
        assert_eq!(record.finish_on_key, "1234567890*#");
        assert!(record.play_beep && record.trim && record.callback.is_none());
    }

    #[test]
    fn callback_events_are_read_as_words() {
        let text = "<Record recordingStatusCallback=\"/r\" recordingStatusCallbackEvent=\"in-progress absent\"/>";
        let callback = record(text).callback.expect("it is written");
        assert_eq!(callback.events, [RecordingEvent::InProgress, RecordingEvent::Absent]);
        let verb = one("<Record recordingStatusCallbackEvent=\"done\"/>");
        assert!(matches!(verb, Verb::Broken(finding) if finding.code == Code::RECORD_EVENTS));
    }

    #[test]
    fn a_transcribed_recording_has_two_minutes() {
        let plain = record("<Record transcribe=\"true\"/>");
        assert!(plain.is_transcribed && codes("<Record transcribe=\"true\"/>").is_empty());
        assert_eq!((plain.max_length_s, plain.transcribe_callback), (120, None));
        assert!(record("<Record transcribeCallback=\"/t\"/>").is_transcribed);
        let not = "<Record transcribe=\"false\" transcribeCallback=\"/t\"/>";
        assert!(!record(not).is_transcribed);
        let long = "<Record transcribe=\"true\" maxLength=\"121\"/>";
        assert_eq!(codes(long), [Code::RECORD_TRANSCRIBE_LENGTH]);
    }

    #[test]
    fn bad_values_have_their_codes() {
        let text =
            "<Record timeout=\"-1\" maxLength=\"1\" finishOnKey=\"A\" playBeep=\"x\" trim=\"x\"/>";
        assert_eq!(
            codes(text),
            [
                Code::RECORD_TIMEOUT,
                Code::RECORD_MAX_LENGTH,
                Code::RECORD_FINISH_ON_KEY,
                Code::RECORD_PLAY_BEEP,
                Code::RECORD_TRIM
            ]
        );
    }

    fn record(text: &str) -> Record {
        match one(text) {
            Verb::Record(record) => *record,
            other => panic!("{other:?}"),
        }
    }
}
