//! `<Gather>`: attributes and nested prompts. DTMF only, because there is no speech engine. Sans-IO.

use roxmltree::Node;
use shared::Code;

use super::{Link, Pause, Play, Read, Say, action, broken, pause, play, say};
use crate::finding::{Finding, Position};
use crate::twiml::Reading;
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};

/// Collects digits, while prompts play.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gather {
    /// Requested with the digits.
    pub action: Link,
    /// Seconds without a key after which it ends.
    pub timeout_s: u32,
    /// Number of keys after which it ends; `None`: any number.
    pub num_digits: Option<u32>,
    /// The key (ASCII) that ends it and is not part of the digits; `None`: no key does.
    pub finish_on_key: Option<u8>,
    /// Whether `action` is requested when there are no digits, too.
    pub action_on_empty_result: bool,
    /// Whether a key stops the prompts.
    pub barge_in: bool,
    /// Prompts, in the order of the document.
    pub prompts: Vec<GatherPrompt>,
}

/// A prompt nested in `<Gather>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatherPrompt {
    /// `<Say>`.
    Say(Say),
    /// `<Play>` of a file.
    Play {
        /// URL as written.
        url: String,
        /// How many times, 1 or more.
        repeat: u32,
        /// Place of the element, for the error of an invalid URL.
        position: Position,
    },
    /// `<Pause>`.
    Pause(Pause),
}

const MODELS: &[&str] = &[
    "default",
    "numbers_and_commands",
    "phone_call",
    "experimental_conversations",
    "experimental_utterances",
    "googlev2_long",
    "googlev2_short",
    "googlev2_telephony",
    "googlev2_telephony_short",
    "deepgram_nova-2",
    "deepgram_nova-3",
];

pub(crate) const ATTRIBUTES: &[Attribute] = &[
    attribute("input", Kind::Words(&["dtmf", "speech"]), "What is collected.")
        .default("dtmf")
        .code(Code::GATHER_INPUT),
    attribute("action", Kind::Url, "Where the result goes; default the document's own URL."),
    attribute("method", Kind::Method, "Method of the action.")
        .default("POST")
        .code(Code::GATHER_METHOD),
    attribute("timeout", Kind::WholeOrAuto(1, 86_400), "Silence that ends input, seconds.")
        .default("5")
        .code(Code::GATHER_TIMEOUT),
    attribute("numDigits", Kind::Whole(1, 86_400), "Digits that end input.")
        .code(Code::GATHER_NUM_DIGITS),
    attribute("finishOnKey", Kind::Keys("0123456789#*", 1), "Key that ends input; empty: none.")
        .default("#")
        .code(Code::GATHER_FINISH_ON_KEY),
    attribute("actionOnEmptyResult", Kind::Flag, "Whether the action is requested without input.")
        .default("false")
        .code(Code::GATHER_ACTION_ON_EMPTY_RESULT)
        .fatal(),
    attribute("bargeIn", Kind::Flag, "Whether a key stops the prompts.")
        .default("true")
        .code(Code::GATHER_BARGE_IN),
    attribute("speechTimeout", Kind::WholeOrAuto(1, 86_400), "End of speech, seconds.")
        .default("5")
        .code(Code::GATHER_SPEECH_TIMEOUT),
    attribute("maxSpeechTime", Kind::Whole(1, 60), "Longest speech, seconds.")
        .default("60")
        .code(Code::GATHER_MAX_SPEECH_TIME),
    attribute("language", Kind::Text, "Language of speech.").code(Code::GATHER_LANGUAGE),
    attribute("hints", Kind::Text, "Words to expect.").code(Code::GATHER_HINTS),
    attribute("profanityFilter", Kind::Flag, "Whether bad words are masked.")
        .default("true")
        .code(Code::GATHER_PROFANITY_FILTER),
    attribute("speechModel", Kind::Word(MODELS), "Model of speech.")
        .default("default")
        .code(Code::GATHER_SPEECH_MODEL),
    attribute("partialResultCallback", Kind::Url, "Where partial speech goes."),
    attribute("partialResultCallbackMethod", Kind::Method, "Its method.")
        .default("POST")
        .code(Code::GATHER_PARTIAL_METHOD),
    attribute("enhanced", Kind::Ignored, "Deprecated."),
    attribute("debug", Kind::Ignored, "No effect."),
];

pub(crate) fn read(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Gather> {
    let attributes = Attributes::read(node, ATTRIBUTES, reading)?;
    if attributes.words("input").contains(&"speech") {
        let message = "there is no speech engine: <Gather> takes DTMF only";
        // `dtmf speech` still works by keys; `speech` alone could never get an input (twiml.md
        // 2.4).
        if !attributes.words("input").contains(&"dtmf") {
            return Err(broken(Code::GATHER_NO_SPEECH_ENGINE, message, node, reading));
        }
        let position = reading.place(node);
        reading.warn(Code::GATHER_NO_SPEECH_ENGINE, message, position);
    }
    let finish = attributes.text("finishOnKey").and_then(|text| text.bytes().next());
    let prompts = prompts(node, reading)?;
    Ok(Some(Gather {
        action: action(&attributes),
        timeout_s: attributes.whole("timeout"),
        num_digits: attributes.whole_or_none("numDigits"),
        finish_on_key: finish,
        action_on_empty_result: attributes.flag("actionOnEmptyResult"),
        barge_in: attributes.flag("bargeIn"),
        prompts,
    }))
}

fn prompts(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Result<Vec<GatherPrompt>, Finding> {
    let mut prompts = Vec::new();
    for child in node.children().filter(Node::is_element) {
        let position = reading.place(child);
        match child.tag_name().name() {
            "Say" => prompts.extend(say::read(child, reading)?.map(GatherPrompt::Say)),
            "Pause" => prompts.extend(pause::read(child, reading)?.map(GatherPrompt::Pause)),
            "Play" => match play::read(child, reading)? {
                Some(Play::File { url, repeat }) => {
                    prompts.push(GatherPrompt::Play { url, repeat, position });
                }
                Some(Play::Digits(_)) => {
                    let message = "<Play digits> is not allowed in <Gather>: skipped";
                    reading.warn(Code::GATHER_NESTED, message, position);
                }
                None => {}
            },
            _ => reading.skip_as(Code::GATHER_NESTED, child, "Gather"),
        }
    }
    Ok(prompts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twiml::tests::{codes, one};
    use crate::twiml::verb::Verb;

    #[test]
    fn defaults_are_those_of_the_api() {
        let gather = gather("<Gather/>");
        assert_eq!((gather.timeout_s, gather.num_digits), (5, None));
        assert_eq!(gather.finish_on_key, Some(b'#'));
        assert!(gather.barge_in && !gather.action_on_empty_result);
        assert_eq!(gather.action.url, "");
    }

    #[test]
    fn an_empty_finish_key_is_none_and_a_bad_one_is_the_default() {
        assert_eq!(gather("<Gather finishOnKey=\"\"/>").finish_on_key, None);
        assert_eq!(gather("<Gather finishOnKey=\"12\"/>").finish_on_key, Some(b'#'));
        assert_eq!(codes("<Gather finishOnKey=\"A\"/>"), [Code::GATHER_FINISH_ON_KEY]);
    }

    #[test]
    fn only_say_play_and_pause_nest() {
        let text = "<Gather><Say>a</Say><Play>/b</Play><Pause/><Dial>1</Dial><Play digits=\"1\"/></Gather>";
        assert_eq!(gather(text).prompts.len(), 3);
        assert_eq!(codes(text), [Code::GATHER_NESTED, Code::GATHER_NESTED]);
    }

    #[test]
    fn speech_alone_breaks_the_verb_and_speech_beside_dtmf_warns() {
        assert!(
            matches!(one("<Gather input=\"speech\"/>"), Verb::Broken(f) if f.code == Code::GATHER_NO_SPEECH_ENGINE)
        );
        assert_eq!(codes("<Gather input=\"speech dtmf\"/>"), [Code::GATHER_NO_SPEECH_ENGINE]);
    }

    #[test]
    fn action_on_empty_result_must_be_a_flag() {
        let verb = one("<Gather actionOnEmptyResult=\"yes\"/>");
        assert!(
            matches!(verb, Verb::Broken(finding) if finding.code == Code::GATHER_ACTION_ON_EMPTY_RESULT)
        );
    }

    #[test]
    fn timeout_auto_is_the_default() {
        assert_eq!(gather("<Gather timeout=\"auto\"/>").timeout_s, 5);
        assert!(codes("<Gather timeout=\"auto\"/>").is_empty());
    }

    fn gather(text: &str) -> Gather {
        match one(text) {
            Verb::Gather(gather) => *gather,
            other => panic!("{other:?}"),
        }
    }
}
