//! `<Gather>`: attributes and nested prompts. Sans-IO.

use std::sync::Arc;

use roxmltree::Node;
use shared::Code;

use super::{Link, Pause, Play, Read, Say, action, pause, play, say};
use crate::finding::{Finding, Position};
use crate::recognition;
use crate::twiml::Reading;
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};

/// Collects digits or speech, while prompts play.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gather {
    /// Requested with the result.
    pub action: Link,
    /// Whether keys are collected.
    pub takes_digits: bool,
    /// How speech is collected; `None`: it is not.
    pub speech: Option<GatherSpeech>,
    /// Seconds without a key, and without the beginning of speech, after which it ends.
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

/// Speech as a `<Gather>` wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatherSpeech {
    /// Milliseconds of silence that end it.
    pub silence_ms: u32,
    /// Seconds of its greatest length.
    pub longest_s: u32,
    /// Locale.
    pub language: String,
    /// Words and phrases to expect.
    pub hints: Arc<[String]>,
    /// Whether only digits, yes and no, commands and the hints are expected.
    pub is_grammar: bool,
    /// Whether bad words are masked.
    pub is_filtered: bool,
    /// Where partial results go.
    pub partials: Option<Link>,
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
    attribute(
        "speechTimeout",
        Kind::WholeOrAuto(1, 86_400),
        "Silence that ends speech, seconds; default timeout.",
    )
    .code(Code::GATHER_SPEECH_TIMEOUT),
    attribute("maxSpeechTime", Kind::Whole(1, 60), "Longest speech, seconds.")
        .default("60")
        .code(Code::GATHER_MAX_SPEECH_TIME),
    attribute("language", Kind::Text, "Language of speech.")
        .default("en-US")
        .code(Code::GATHER_LANGUAGE),
    attribute("hints", Kind::Hints, "Words to expect.").code(Code::GATHER_HINTS),
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
    let takes_speech = attributes.words("input").contains(&"speech");
    let speech = takes_speech.then(|| speech(&attributes, node, reading));
    let finish = attributes.text("finishOnKey").and_then(|text| text.bytes().next());
    let prompts = prompts(node, reading)?;
    Ok(Some(Gather {
        action: action(&attributes),
        // Without a word in `input`, as with `dtmf`.
        takes_digits: speech.is_none() || attributes.words("input").contains(&"dtmf"),
        speech,
        timeout_s: attributes.whole("timeout"),
        num_digits: attributes.whole_or_none("numDigits"),
        finish_on_key: finish,
        action_on_empty_result: attributes.flag("actionOnEmptyResult"),
        barge_in: attributes.flag("bargeIn"),
        prompts,
    }))
}

fn speech(
    attributes: &Attributes<'_>,
    node: Node<'_, '_>,
    reading: &mut Reading<'_>,
) -> GatherSpeech {
    let position = reading.place(node);
    let mut is_auto = attributes.is_auto("speechTimeout");
    if is_auto && attributes.is_written("speechModel") {
        // We find the end of speech for every model, but only the words of a grammar are surely whole after a short pause.
        is_auto = attributes.word("speechModel") == COMMANDS;
        let message = match is_auto {
            true => "speechTimeout `auto` beside a speechModel: a pause of 0.9 s ends the words",
            false => "speechTimeout `auto` beside a speechModel: the value of timeout is used",
        };
        reading.warn(Code::GATHER_SPEECH_AUTO, message, position);
    }
    let silence_s = attributes.whole_or_none("speechTimeout");
    let silence_s = silence_s.unwrap_or_else(|| attributes.whole("timeout"));
    let mut language = attributes.text("language").unwrap_or("en-US");
    if !is_locale(language) {
        let message = "`language` of <Gather> is not a locale: `en-US` is used";
        reading.warn(Code::GATHER_LANGUAGE, message, position);
        language = "en-US";
    }
    let (hints, skipped) = recognition::hints(attributes.text("hints").unwrap_or_default());
    if skipped > 0 {
        let message = format!("{skipped} of the hints are too long or too many: ignored");
        reading.warn(Code::GATHER_HINTS, message, position);
    }
    GatherSpeech {
        silence_ms: if is_auto { SILENCE_AUTO_MS } else { silence_s.saturating_mul(1_000) },
        longest_s: attributes.whole("maxSpeechTime"),
        language: language.to_owned(),
        is_grammar: is_grammar(attributes.word("speechModel"), hints.len()),
        hints,
        is_filtered: attributes.flag("profanityFilter"),
        partials: attributes.text("partialResultCallback").filter(|url| !url.is_empty()).map(
            |url| {
                let method = attributes.method("partialResultCallbackMethod");
                Link { url: url.to_owned(), method }
            },
        ),
    }
}

/// Whether the words to expect are few enough to expect no others. A model for conversations takes hints for what they
/// are: words that are likely among all others.
fn is_grammar(model: &str, hints: usize) -> bool {
    let few = (1..=GRAMMAR_HINTS_MAX).contains(&hints);
    model == COMMANDS || (few && matches!(model, "default" | "phone_call"))
}

fn is_locale(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_language = |part: &str| {
        (2..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic())
    };
    let is_more = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    parts.next().is_some_and(is_language) && parts.all(is_more)
}

/// The model that is a grammar.
const COMMANDS: &str = "numbers_and_commands";
/// The pause between two sentences, as `speechTimeout="auto"` has it.
const SILENCE_AUTO_MS: u32 = 900;
const GRAMMAR_HINTS_MAX: usize = 100;

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
    use shared::limits;

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
    fn speech_has_the_timeout_of_keys_unless_it_has_its_own() {
        let speech = |text: &str| gather(text).speech.expect("speech");
        let plain = gather("<Gather input=\"speech\" timeout=\"3\"/>");
        assert!(!plain.takes_digits);
        assert_eq!(plain.speech.expect("speech").silence_ms, 3_000);
        assert!(gather("<Gather input=\"speech dtmf\"/>").takes_digits);
        let own = speech("<Gather input=\"speech\" timeout=\"3\" speechTimeout=\"1\"/>");
        assert_eq!(own.silence_ms, 1_000);
        let auto = speech("<Gather input=\"speech\" speechTimeout=\"auto\"/>");
        assert_eq!((auto.silence_ms, auto.longest_s), (900, 60));
        let text = "<Gather input=\"speech\" speechTimeout=\"auto\" speechModel=\"default\"/>";
        assert_eq!(speech(text).silence_ms, 5_000);
        assert_eq!(codes(text), [Code::GATHER_SPEECH_AUTO]);
        let text = "<Gather input=\"speech\" speechTimeout=\"auto\" speechModel=\"numbers_and_commands\"/>";
        assert_eq!((speech(text).silence_ms, speech(text).is_grammar), (900, true));
        assert_eq!(codes(text), [Code::GATHER_SPEECH_AUTO]);
    }

    #[test]
    fn few_hints_or_the_model_of_commands_make_a_grammar() {
        let is_grammar = |attributes: &str| {
            let text = format!("<Gather input=\"speech\" {attributes}/>");
            gather(&text).speech.expect("speech").is_grammar
        };
        assert!(!is_grammar(""));
        assert!(is_grammar("hints=\"sales, support\""));
        assert!(is_grammar("speechModel=\"numbers_and_commands\""));
        assert!(!is_grammar("hints=\"sales\" speechModel=\"experimental_conversations\""));
        let many = vec!["word"; 101].join(",");
        assert!(!is_grammar(&format!("hints=\"{many}\"")));
    }

    #[test]
    fn a_language_is_a_locale_and_hints_have_bounds() {
        let text = "<Gather input=\"speech\" language=\"English, please\"/>";
        assert_eq!(gather(text).speech.expect("speech").language, "en-US");
        assert_eq!(codes(text), [Code::GATHER_LANGUAGE]);
        let words: Vec<String> = (0..501).map(|at| format!("{at:0>100}")).collect();
        let hints = |count: usize| {
            let text =
                format!("<Gather input=\"speech\" hints=\"{}\"/>", words[..count].join(", "));
            (gather(&text).speech.expect("speech").hints.len(), codes(&text))
        };
        assert_eq!(hints(500), (500, vec![]));
        assert_eq!(hints(501), (500, vec![Code::GATHER_HINTS]));
        let long = "a".repeat(limits::RECOGNITION_HINT_CHARACTERS_MAX + 1);
        assert_eq!(
            codes(&format!("<Gather input=\"speech\" hints=\"a,{long}\"/>")),
            [Code::GATHER_HINTS]
        );
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
