//! `<Transcription>` in `<Start>` and `<Stop>`. Sans-IO.

use roxmltree::Node;
use shared::Code;
use shared::media::TapTracks;

use super::{Link, Read, Verb, link};
use crate::recognition;
use crate::setup::TranscriptionSettings;
use crate::twiml::Reading;
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};

/// A transcription to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcription {
    /// Everything but its callback.
    pub settings: TranscriptionSettings,
    /// As written; resolved when the verb runs.
    pub callback: Option<Link>,
}

pub(crate) const START: &[Attribute] = &[
    attribute("name", Kind::Text, "Names it for <Stop> and callbacks."),
    attribute("track", Kind::Word(TRACKS), "What is transcribed.").default("both_tracks"),
    attribute("statusCallbackUrl", Kind::Url, "Gets the events and the text."),
    attribute("statusCallbackMethod", Kind::Method, "Its method.").default("POST"),
    attribute("inboundTrackLabel", Kind::Text, "Names the party's track in callbacks."),
    attribute("outboundTrackLabel", Kind::Text, "Names the other track in callbacks."),
    attribute("partialResults", Kind::Flag, "Whether unfinished text is sent.").default("false"),
    attribute("languageCode", Kind::Text, "Language of speech.").default("en-US"),
    attribute("transcriptionEngine", Kind::Text, "Repeated in callbacks.").default("google"),
    attribute("speechModel", Kind::Text, "Repeated in callbacks.").default("telephony"),
    attribute("profanityFilter", Kind::Flag, "Whether bad words are masked.").default("true"),
    attribute("hints", Kind::Hints, "Words to expect."),
    attribute("enableAutomaticPunctuation", Kind::Flag, "Repeated in callbacks.").default("true"),
    attribute("enableProviderData", Kind::Ignored, "No effect."),
    attribute("intelligenceService", Kind::Ignored, "No effect."),
    attribute("conversationConfiguration", Kind::Ignored, "No effect."),
    attribute("conversationId", Kind::Ignored, "No effect."),
];

/// A builder of documents may write a transcription as it was started; only its name counts.
pub(crate) const STOP: &[Attribute] = &[
    attribute("name", Kind::Text, "The transcription to end."),
    attribute("track", Kind::Ignored, "No effect."),
    attribute("statusCallbackUrl", Kind::Ignored, "No effect."),
    attribute("statusCallbackMethod", Kind::Ignored, "No effect."),
    attribute("inboundTrackLabel", Kind::Ignored, "No effect."),
    attribute("outboundTrackLabel", Kind::Ignored, "No effect."),
    attribute("partialResults", Kind::Ignored, "No effect."),
    attribute("languageCode", Kind::Ignored, "No effect."),
    attribute("transcriptionEngine", Kind::Ignored, "No effect."),
    attribute("speechModel", Kind::Ignored, "No effect."),
    attribute("profanityFilter", Kind::Ignored, "No effect."),
    attribute("hints", Kind::Ignored, "No effect."),
    attribute("enableAutomaticPunctuation", Kind::Ignored, "No effect."),
    attribute("enableProviderData", Kind::Ignored, "No effect."),
    attribute("intelligenceService", Kind::Ignored, "No effect."),
    attribute("conversationConfiguration", Kind::Ignored, "No effect."),
    attribute("conversationId", Kind::Ignored, "No effect."),
];

const TRACKS: &[&str] = &["inbound_track", "outbound_track", "both_tracks"];

/// Reads the `<Transcription>` of a `<Start>`.
pub(crate) fn read_start(noun: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Verb> {
    let attributes = Attributes::read(noun, START, reading)?;
    read_children(noun, reading);
    let text = |name: &str| attributes.text(name).filter(|text| !text.is_empty());
    let owned = |name: &str| text(name).map(str::to_owned);
    let (hints, skipped) = recognition::hints(text("hints").unwrap_or_default());
    if skipped > 0 {
        let message = format!("{skipped} of the hints are too long or too many: ignored");
        let position = reading.place(noun);
        reading.warn(Code::TWIML_SCHEMA, message, position);
    }
    let settings = TranscriptionSettings {
        name: owned("name"),
        tracks: match attributes.word("track") {
            "inbound_track" => TapTracks::Inbound,
            "outbound_track" => TapTracks::Outbound,
            _ => TapTracks::Both,
        },
        callback: None,
        labels: [owned("inboundTrackLabel"), owned("outboundTrackLabel")],
        wants_partials: attributes.flag("partialResults"),
        language: text("languageCode").unwrap_or("en-US").to_owned(),
        engine: text("transcriptionEngine").unwrap_or("google").to_owned(),
        model: text("speechModel").unwrap_or("telephony").to_owned(),
        is_filtered: attributes.flag("profanityFilter"),
        hints,
        is_punctuated: attributes.flag("enableAutomaticPunctuation"),
    };
    let callback = link(&attributes, "statusCallbackUrl", "statusCallbackMethod");
    let callback = callback.filter(|link| !link.url.is_empty());
    Ok(Some(Verb::StartTranscription(Box::new(Transcription { settings, callback }))))
}

/// Reads the `<Transcription>` of a `<Stop>`.
pub(crate) fn read_stop(noun: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Verb> {
    let attributes = Attributes::read(noun, STOP, reading)?;
    for child in noun.children().filter(Node::is_element) {
        if !matches!(child.tag_name().name(), "Parameter" | "Config") {
            reading.skip(child, "Transcription");
        }
    }
    let name = attributes.text("name").filter(|name| !name.is_empty()).map(str::to_owned);
    if name.is_none() {
        let position = reading.place(noun);
        reading.warn(Code::TWIML_SCHEMA, "<Stop><Transcription> has no name: skipped", position);
    }
    Ok(name.map(Verb::StopTranscription))
}

/// `<Parameter>`s have no effect; a `<Config>` is for an engine of the cloud.
fn read_children(noun: Node<'_, '_>, reading: &mut Reading<'_>) {
    for child in noun.children().filter(Node::is_element) {
        match child.tag_name().name() {
            "Parameter" => {}
            "Config" => {
                let message = "<Config> names no setting of an engine here: ignored";
                let position = reading.place(child);
                reading.warn(Code::TRANSCRIPTION_UNKNOWN_CONFIG, message, position);
            }
            _ => reading.skip(child, "Transcription"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twiml::tests::{codes, one};

    fn start(noun: &str) -> Transcription {
        match one(&format!("<Start>{noun}</Start>")) {
            Verb::StartTranscription(transcription) => *transcription,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_plain_transcription_is_of_both_tracks_in_english() {
        let Transcription { settings, callback } = start("<Transcription/>");
        assert_eq!((settings.tracks, callback), (TapTracks::Both, None));
        assert_eq!((settings.language.as_str(), settings.name), ("en-US", None));
        assert!(settings.is_filtered && !settings.wants_partials);
    }

    #[test]
    fn its_children_are_checked_and_a_stop_needs_a_name() {
        let text = "<Start><Transcription><Config name=\"a\" value=\"b\"/><Parameter name=\"c\"/>\
                    <Say>x</Say></Transcription></Start>";
        assert_eq!(codes(text), [Code::TRANSCRIPTION_UNKNOWN_CONFIG, Code::TWIML_SCHEMA]);
        assert_eq!(codes("<Stop><Transcription/></Stop>"), [Code::TWIML_SCHEMA]);
        let stop = one("<Stop><Transcription name=\"n\"/></Stop>");
        assert_eq!(stop, Verb::StopTranscription("n".to_owned()));
    }
}
