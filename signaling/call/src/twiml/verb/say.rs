//! `<Say>`: attributes and text. Sans-IO.

use roxmltree::Node;
use shared::{Code, limits};

use super::{Read, ssml};
use crate::speech::Speech;
use crate::twiml::Reading;
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};

/// Speaks a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Say {
    /// The words, with white space collapsed and SSML resolved; at least one word.
    pub speech: Speech,
    /// Voice as written; `None`: the default of the settings.
    pub voice: Option<String>,
    /// Locale as written; `None`: the default of the settings.
    pub language: Option<String>,
    /// How many times, 1 or more.
    pub repeat: u32,
}

pub(crate) const ATTRIBUTES: &[Attribute] = &[
    attribute("voice", Kind::Text, "Voice: man, woman, alice, Polly.*, Google.*")
        .code(Code::SAY_VOICE),
    attribute("language", Kind::Text, "Locale, for example en-US.").code(Code::SAY_LANGUAGE),
    attribute("loop", Kind::Whole(0, u32::MAX), "How often; 0 = up to 1,000 times.")
        .default("1")
        .code(Code::SAY_LOOP),
];

pub(crate) fn read(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Say> {
    let attributes = Attributes::read(node, ATTRIBUTES, reading)?;
    let position = reading.place(node);
    let speech = ssml::read(node, reading)?;
    if speech.words().trim().is_empty() {
        reading.warn(Code::SAY_TEXT, "<Say> has no text: skipped", position);
        return Ok(None);
    }
    // Skipped and not cut: the call goes on without the text (twiml.md 2.1).
    if speech.characters() > limits::SAY_CHARACTERS_MAX {
        let message =
            format!("<Say> has more than {} characters: skipped", limits::SAY_CHARACTERS_MAX);
        reading.warn(Code::SAY_TEXT_LENGTH, message, position);
        return Ok(None);
    }
    let voice = attributes.text("voice").filter(|voice| !voice.is_empty()).map(str::to_owned);
    if voice.as_deref().is_some_and(|voice| !is_voice(voice)) {
        let message = "the voice of <Say> is not known: the default voice is used";
        reading.warn(Code::SAY_VOICE, message, position);
    }
    Ok(Some(Say {
        speech,
        voice: voice.filter(|voice| is_voice(voice)),
        language: attributes.text("language").filter(|text| !text.is_empty()).map(str::to_owned),
        repeat: repeat(attributes.whole("loop")),
    }))
}

/// `loop` as a count: 0 means without end, which this gateway cuts to 1,000.
pub(crate) fn repeat(wanted: u32) -> u32 {
    match wanted {
        0 => limits::LOOP_FOREVER,
        some => some.min(limits::LOOP_FOREVER),
    }
}

fn is_voice(voice: &str) -> bool {
    matches!(voice, "man" | "woman" | "alice")
        || voice.starts_with("Polly.")
        || voice.starts_with("Google.")
}

#[cfg(test)]
mod tests {
    use shared::Code;

    use crate::twiml::tests::{codes, one, skipped};
    use crate::twiml::verb::Verb;

    #[test]
    fn white_space_collapses_within_and_between_ssml_elements() {
        let say = one(
            "<Say>\n  Hello <emphasis>dear</emphasis>\n <sub alias=\"World Wide\">W</sub> </Say>",
        );
        let Verb::Say(say) = say else { panic!("{say:?}") };
        assert_eq!(say.speech.words(), "Hello dear World Wide");
        assert_eq!((say.repeat, say.voice), (1, None));
    }

    #[test]
    fn loop_zero_is_a_thousand_and_a_bad_loop_is_one() {
        assert!(matches!(one("<Say loop=\"0\">a</Say>"), Verb::Say(say) if say.repeat == 1_000));
        assert!(matches!(one("<Say loop=\"x\">a</Say>"), Verb::Say(say) if say.repeat == 1));
        assert_eq!(codes("<Say loop=\"-1\">a</Say>"), [Code::SAY_LOOP]);
    }

    #[test]
    fn an_empty_or_overlong_text_is_skipped_with_its_code() {
        assert_eq!(skipped("<Say> </Say>"), [Code::SAY_TEXT]);
        assert_eq!(skipped(&format!("<Say>{}</Say>", "a".repeat(4_097))), [Code::SAY_TEXT_LENGTH]);
    }

    #[test]
    fn an_unknown_voice_falls_back_with_a_warning() {
        assert_eq!(codes("<Say voice=\"bob\">a</Say>"), [Code::SAY_VOICE]);
        assert!(codes("<Say voice=\"Polly.Joanna\" language=\"fr-FR\">a</Say>").is_empty());
    }
}
