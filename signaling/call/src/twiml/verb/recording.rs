//! `<Recording>` in `<Start>` and `<Stop>`: a recording beside the verbs. Sans-IO.

use roxmltree::Node;
use shared::Code;

use super::record::{self, RecordingLink};
use super::{Read, Verb};
use crate::setup::RecordingTrack;
use crate::twiml::Reading;
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};

/// Starts a recording; the document goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartRecording {
    /// Names it for `<Stop>`; `None`: only its end or REST stops it.
    pub name: Option<String>,
    /// The directions of audio that it holds.
    pub track: RecordingTrack,
    /// 1 or 2.
    pub channels: u8,
    /// Whether silence is cut from its start and its end.
    pub trim: bool,
    /// Its status callback; `None` sends none.
    pub callback: Option<RecordingLink>,
}

pub(crate) const START: &[Attribute] = &[
    attribute("name", Kind::Text, "Names it for <Stop>."),
    attribute("track", Kind::Word(&["inbound", "outbound", "both"]), "Which audio.")
        .default("both")
        .code(Code::RECORDING_TRACK),
    attribute("channels", Kind::Word(&["mono", "dual"]), "One channel, or one a party.")
        .default("dual"),
    record::TRIM_SILENCE.default("trim-silence"),
    record::CALLBACK,
    record::CALLBACK_METHOD,
    record::CALLBACK_EVENT,
    record::CONFIGURATION,
];

pub(crate) const STOP: &[Attribute] = &[attribute("name", Kind::Text, "The recording to end.")];

/// Reads the `<Recording>` of a `<Start>`.
pub(crate) fn read_start(noun: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Verb> {
    let attributes = Attributes::read(noun, START, reading)?;
    reading.no_children(noun);
    let track = match attributes.word("track") {
        "inbound" => RecordingTrack::Inbound,
        "outbound" => RecordingTrack::Outbound,
        _ => RecordingTrack::Both,
    };
    let is_dual = attributes.word("channels") == "dual" && track == RecordingTrack::Both;
    Ok(Some(Verb::StartRecording(Box::new(StartRecording {
        name: name(&attributes),
        track,
        // A single track is always mono (twiml.md 2.6).
        channels: if is_dual { 2 } else { 1 },
        trim: attributes.word("trim") == "trim-silence",
        callback: record::callback(&attributes),
    }))))
}

/// Reads the `<Recording>` of a `<Stop>`.
pub(crate) fn read_stop(noun: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Verb> {
    let attributes = Attributes::read(noun, STOP, reading)?;
    reading.no_children(noun);
    let name = name(&attributes);
    if name.is_none() {
        let message = "<Stop><Recording> has no name: skipped";
        let position = reading.place(noun);
        reading.warn(Code::TWIML_SCHEMA, message, position);
    }
    Ok(name.map(Verb::StopRecording))
}

fn name(attributes: &Attributes<'_>) -> Option<String> {
    attributes.text("name").filter(|name| !name.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::RecordingEvent;
    use crate::twiml::tests::{codes, one};

    #[test]
    fn defaults_are_those_of_the_api() {
        let start = start("<Recording/>");
        assert_eq!((start.track, start.channels, start.trim), (RecordingTrack::Both, 2, true));
        assert!(start.name.is_none() && start.callback.is_none());
    }

    #[test]
    fn every_attribute_is_read_and_a_single_track_is_mono() {
        let start = start(
            "<Recording name=\"a\" track=\"outbound\" channels=\"dual\" trim=\"do-not-trim\" \
             recordingStatusCallback=\"/r\" recordingStatusCallbackEvent=\"absent\"/>",
        );
        assert_eq!(start.name.as_deref(), Some("a"));
        let wanted = (RecordingTrack::Outbound, 1, false);
        assert_eq!((start.track, start.channels, start.trim), wanted);
        assert_eq!(start.callback.expect("it is written").events, [RecordingEvent::Absent]);
    }

    #[test]
    fn bad_values_have_their_codes() {
        let text = "<Start><Recording track=\"left\" channels=\"3\" trim=\"x\"/></Start>";
        let wanted = [Code::RECORDING_TRACK, Code::TWIML_SCHEMA, Code::RECORD_TRIM];
        assert_eq!(codes(text), wanted);
    }

    #[test]
    fn a_stop_needs_a_name() {
        let verb = one("<Stop><Recording name=\"a\"/></Stop>");
        assert_eq!(verb, Verb::StopRecording("a".to_owned()));
        assert_eq!(codes("<Stop><Recording/></Stop>"), [Code::TWIML_SCHEMA]);
    }

    fn start(noun: &str) -> StartRecording {
        match one(&format!("<Start>{noun}</Start>")) {
            Verb::StartRecording(start) => *start,
            other => panic!("{other:?}"),
        }
    }
}
