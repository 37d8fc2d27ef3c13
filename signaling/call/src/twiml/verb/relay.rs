//! `<ConversationRelay>` in `<Connect>`. Sans-IO.

use std::sync::Arc;

use roxmltree::Node;
use shared::Code;
use shared::limits::RELAY_LANGUAGES_MAX;

use super::stream::{CONNECT, read_parameters_beside};
use super::{Link, Read, Verb, link};
use crate::finding::Finding;
use crate::recognition;
use crate::relay::{Interruptible, RelayLanguage, RelayTerms, Sensitivity};
use crate::twiml::Reading;
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};

/// A conversation that an application leads by text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectRelay {
    /// As written; resolved when the verb runs.
    pub url: String,
    /// Everything that the document says about it.
    pub terms: Box<RelayTerms>,
    /// `<Parameter>`s, by name.
    pub parameters: Vec<(String, String)>,
    /// Requested when the session has ended; `None`: the next verb follows.
    pub action: Option<Link>,
    /// The reason why it cannot start.
    pub fault: Option<Finding>,
}

const INTERRUPTIBLE: Kind = Kind::Word(&["none", "dtmf", "speech", "any", "true", "false"]);
/// Known to the API; any value is a warning.
const MISSING: Kind = Kind::Word(&[]);

pub(crate) const ATTRIBUTES: &[Attribute] = &[
    attribute("url", Kind::Text, "The server, by a wss URL."),
    attribute("language", Kind::Text, "Language of both directions.").default("en-US"),
    attribute("ttsLanguage", Kind::Text, "Language of what is said."),
    attribute("transcriptionLanguage", Kind::Text, "Language of what is understood."),
    attribute("ttsProvider", Kind::Text, "Whose name `voice` is: Amazon, Google, ElevenLabs."),
    attribute("voice", Kind::Text, "Voice of that provider."),
    attribute("transcriptionProvider", Kind::Ignored, "The recogniser is ours."),
    attribute("speechModel", Kind::Text, "Model of the recogniser."),
    attribute("profanityFilter", Kind::Flag, "Whether profanities are masked.").default("true"),
    attribute("debug", Kind::Ignored, "No effect."),
    attribute("dtmfDetection", Kind::Flag, "Whether keys are reported.").default("false"),
    attribute("welcomeGreeting", Kind::Text, "Said first."),
    attribute("welcomeGreetingInterruptible", INTERRUPTIBLE, "What ends it.").default("any"),
    attribute("interruptible", INTERRUPTIBLE, "What ends anything else.").default("any"),
    attribute("preemptible", Kind::Flag, "Whether a new answer ends the old.").default("false"),
    attribute("partialPrompts", Kind::Flag, "Whether guesses are reported.").default("false"),
    attribute("hints", Kind::Hints, "Words to expect, separated by commas."),
    attribute(
        "reportInputDuringAgentSpeech",
        INTERRUPTIBLE,
        "Input that is reported while it cannot interrupt.",
    )
    .default("none"),
    attribute(
        "interruptSensitivity",
        Kind::Word(&["low", "medium", "high"]),
        "How much speech interrupts.",
    )
    .default("high"),
    attribute(
        "speechTimeout",
        Kind::WholeOrAuto(600, 5_000),
        "Milliseconds of silence after speech.",
    )
    .default("600"),
    attribute("intelligenceService", MISSING, "A service of the cloud."),
    attribute("ignoreBackchannel", MISSING, "Not in this version."),
    attribute("events", MISSING, "Not in this version."),
    attribute("asrSmartFormat", MISSING, "Not in this version."),
    attribute("deepgramSmartFormat", MISSING, "Not in this version."),
    attribute("ttsTextNormalization", MISSING, "Not in this version."),
    attribute("ttsLanguageTextNormalization", MISSING, "Not in this version."),
    attribute("elevenlabsTextNormalization", MISSING, "Not in this version."),
    attribute("elevenlabsLanguageTextNormalization", MISSING, "Not in this version."),
    attribute("backgroundNoiseReduction", MISSING, "Not in this version."),
    attribute("partialPromptOnHangup", MISSING, "Not in this version."),
    attribute("eagerEotThreshold", MISSING, "Not in this version."),
    attribute("includeInPrompt", MISSING, "Not in this version."),
    attribute("customerName", MISSING, "Not in this version."),
    attribute("applicationReconnect", MISSING, "Not in this version."),
    attribute("echoPromptFiltering", MISSING, "Not in this version."),
    attribute("turnDetection", MISSING, "Not in this version."),
];

pub(crate) const LANGUAGE: &[Attribute] = &[
    attribute("code", Kind::Text, "Locale."),
    attribute("ttsProvider", Kind::Text, "Whose name `voice` is."),
    attribute("voice", Kind::Text, "Voice of that provider."),
    attribute("transcriptionProvider", Kind::Ignored, "The recogniser is ours."),
    attribute("speechModel", Kind::Text, "Model of the recogniser."),
    attribute("hints", Kind::Hints, "Words to expect, separated by commas."),
    attribute("asrSmartFormat", MISSING, "Not in this version."),
    attribute("ttsTextNormalization", MISSING, "Not in this version."),
    attribute("ttsLanguageTextNormalization", MISSING, "Not in this version."),
];

/// Reads a `<Connect>` with a `<ConversationRelay>`.
pub(crate) fn read_connect(
    node: Node<'_, '_>,
    noun: Node<'_, '_>,
    reading: &mut Reading<'_>,
) -> Read<Verb> {
    let connect = Attributes::read(node, CONNECT, reading)?;
    for other in node.children().filter(Node::is_element).skip(1) {
        reading.skip(other, "Connect");
    }
    let attributes = Attributes::read(noun, ATTRIBUTES, reading)?;
    let parameters = read_parameters_beside(&["Language"], noun, "ConversationRelay", reading)?;
    let url = attributes.text("url").unwrap_or_default().to_owned();
    let fault = url.is_empty().then(|| {
        let message = "the <ConversationRelay> has no url";
        Finding::error(Code::RELAY_PARAMETER, message).at(reading.place(noun))
    });
    let mut terms = terms(&attributes);
    terms.languages = read_languages(noun, reading)?;
    Ok(Some(Verb::ConnectRelay(Box::new(ConnectRelay {
        url,
        terms: Box::new(terms),
        parameters,
        action: link(&connect, "action", "method"),
        fault,
    }))))
}

/// The terms without what only the call knows.
fn terms(attributes: &Attributes<'_>) -> RelayTerms {
    let text = |name| attributes.text(name).unwrap_or_default().to_owned();
    let language = text("language");
    let or_both = |name| Some(text(name)).filter(|it| !it.is_empty()).unwrap_or(language.clone());
    let by = |name| Interruptible::read(attributes.word(name)).unwrap_or_default();
    RelayTerms {
        tts_language: or_both("ttsLanguage"),
        transcription_language: or_both("transcriptionLanguage"),
        voice: voice(attributes),
        greeting: text("welcomeGreeting"),
        greeting_interruptible: by("welcomeGreetingInterruptible"),
        interruptible: by("interruptible"),
        preemptible: attributes.flag("preemptible"),
        dtmf_detection: attributes.flag("dtmfDetection"),
        partial_prompts: attributes.flag("partialPrompts"),
        report_input: by("reportInputDuringAgentSpeech"),
        sensitivity: match attributes.word("interruptSensitivity") {
            "low" => Sensitivity::Low,
            "medium" => Sensitivity::Medium,
            _ => Sensitivity::High,
        },
        hints: hints(attributes),
        speech_model: text("speechModel"),
        is_filtered: attributes.flag("profanityFilter"),
        speech_timeout_ms: attributes.whole("speechTimeout"),
        ..RelayTerms::default()
    }
}

fn read_languages(
    noun: Node<'_, '_>,
    reading: &mut Reading<'_>,
) -> Result<Vec<RelayLanguage>, Finding> {
    let mut languages = Vec::new();
    let children = noun.children().filter(|child| child.tag_name().name() == "Language");
    for child in children {
        let attributes = Attributes::read(child, LANGUAGE, reading)?;
        reading.no_children(child);
        let code = attributes.text("code").unwrap_or_default().to_owned();
        if code.is_empty() || languages.len() >= RELAY_LANGUAGES_MAX {
            let position = reading.place(child);
            let message = "a <Language> needs a code, and 32 are possible: skipped";
            reading.warn(Code::TWIML_SCHEMA, message, position);
            continue;
        }
        languages.push(RelayLanguage {
            code,
            voice: voice(&attributes),
            hints: hints(&attributes),
            speech_model: attributes.text("speechModel").unwrap_or_default().to_owned(),
        });
    }
    Ok(languages)
}

/// The voice as a `<Say>` names it: `Polly.` and `Google.` stand for their providers there.
fn voice(attributes: &Attributes<'_>) -> String {
    let voice = attributes.text("voice").unwrap_or_default();
    let provider = attributes.text("ttsProvider").unwrap_or_default().to_ascii_lowercase();
    match provider.as_str() {
        _ if voice.is_empty() || voice.contains('.') => voice.to_owned(),
        "amazon" => format!("Polly.{voice}"),
        "google" => format!("Google.{voice}"),
        _ => voice.to_owned(),
    }
}

fn hints(attributes: &Attributes<'_>) -> Arc<[String]> {
    recognition::hints(attributes.text("hints").unwrap_or_default()).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twiml::tests::{codes, one};

    fn relay(noun: &str) -> ConnectRelay {
        match one(&format!("<Connect action=\"/a\">{noun}</Connect>")) {
            Verb::ConnectRelay(relay) => *relay,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn attributes_and_children_are_terms() {
        let read = relay(
            "<ConversationRelay url=\"wss://a.example/r\" language=\"de-DE\" ttsLanguage=\"en-GB\" \
             ttsProvider=\"Amazon\" voice=\"Amy-Neural\" welcomeGreeting=\"Hi.\" \
             welcomeGreetingInterruptible=\"false\" interruptible=\"speech\" dtmfDetection=\"true\" \
             interruptSensitivity=\"low\" hints=\"yes, no\" speechTimeout=\"900\">\
             <Language code=\"sv-SE\" ttsProvider=\"Google\" voice=\"sv-SE-Standard-A\"/>\
             <Parameter name=\"a\" value=\"1\"/></ConversationRelay>",
        );
        let terms = &read.terms;
        assert_eq!((read.url.as_str(), read.fault), ("wss://a.example/r", None));
        assert_eq!(
            (terms.tts_language.as_str(), terms.transcription_language.as_str()),
            ("en-GB", "de-DE")
        );
        assert_eq!(terms.voice_of("en-GB"), "Polly.Amy-Neural");
        assert_eq!(terms.voice_of("sv-SE"), "Google.sv-SE-Standard-A");
        assert_eq!(terms.voice_of("it-IT"), "");
        assert_eq!(terms.greeting_interruptible, Interruptible::None);
        assert_eq!(terms.interruptible, Interruptible::Speech);
        assert_eq!((terms.sensitivity, terms.dtmf_detection), (Sensitivity::Low, true));
        assert_eq!((terms.hints.len(), terms.speech_timeout_ms), (2, 900));
        assert_eq!(read.parameters, [("a".to_owned(), "1".to_owned())]);
        assert_eq!(read.action.expect("one").url, "/a");
    }

    #[test]
    fn a_relay_without_a_url_says_so_and_what_is_missing_warns() {
        let fault = relay("<ConversationRelay/>").fault.expect("a fault");
        assert_eq!(fault.code, Code::RELAY_PARAMETER);
        let text = "<Connect><ConversationRelay url=\"wss://a\" events=\"speaker-events\">\
                    <Language/></ConversationRelay></Connect>";
        assert_eq!(codes(text), [Code::TWIML_SCHEMA, Code::TWIML_SCHEMA]);
    }
}
