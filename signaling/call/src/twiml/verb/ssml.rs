//! SSML inside `<Say>`: elements and attributes as tables, resolved into a flat [`Speech`]. Sans-IO.
//!
//! Each element changes the manner of its content, or adds a pause. Where this gateway's voices cannot
//! follow it, a warning says so and the text is spoken plainly: a word in the wrong manner is better than
//! a missing word.

use roxmltree::Node;
use shared::Code;

use crate::finding::{Finding, brief};
use crate::speech::{Manner, Part, Speech};
use crate::twiml::Reading;
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};

/// Reads the content of `<Say>`. The depth limit of documents bounds the recursion.
///
/// # Errors
/// The finding of an attribute that breaks the verb. No SSML attribute does today.
pub(crate) fn read(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Result<Speech, Finding> {
    let mut speech = Speech::default();
    collect(node, &Manner::PLAIN, reading, &mut speech)?;
    speech.tidy();
    Ok(speech)
}

/// The elements and their attributes.
pub(crate) const ELEMENTS: &[(&str, &[Attribute])] = &[
    ("break", BREAK),
    ("emphasis", EMPHASIS),
    ("lang", LANG),
    ("p", &[]),
    ("phoneme", PHONEME),
    ("prosody", PROSODY),
    ("s", &[]),
    ("say-as", SAY_AS),
    ("sub", SUB),
    ("w", W),
];

const BREAK: &[Attribute] = &[
    attribute("strength", Kind::Word(&STRENGTHS), "Length in words."),
    attribute("time", Kind::Text, "Length, Ns or Nms."),
];
const STRENGTHS: [&str; 6] = ["none", "x-weak", "weak", "medium", "strong", "x-strong"];

const EMPHASIS: &[Attribute] =
    &[attribute("level", Kind::Word(&["strong", "moderate", "reduced"]), "How much.")
        .default("moderate")];

const LANG: &[Attribute] =
    &[attribute("lang", Kind::Text, "xml:lang, a locale.").code(Code::SAY_LANGUAGE)];

const PHONEME: &[Attribute] = &[
    attribute("alphabet", Kind::Word(&ALPHABETS), "How the sounds are written.").default("ipa"),
    attribute("ph", Kind::Text, "The sounds."),
];
const ALPHABETS: [&str; 6] = [
    "ipa",
    "x-sampa",
    "x-amazon-jyutping",
    "x-amazon-pinyin",
    "x-amazon-pron-kana",
    "x-amazon-yomigana",
];

const PROSODY: &[Attribute] = &[
    attribute("volume", Kind::Text, "A word, or a gain in dB."),
    attribute("rate", Kind::Text, "A word, or a percentage.").code(Code::SAY_SSML_RATE),
    attribute("pitch", Kind::Text, "A word, or a change in per cent."),
];

const SAY_AS: &[Attribute] = &[
    attribute("interpret-as", Kind::Word(&READINGS), "What the text is."),
    attribute("format", Kind::Word(&FORMATS), "Order of a date."),
];
const READINGS: [&str; 13] = [
    "characters",
    "spell-out",
    "cardinal",
    "number",
    "ordinal",
    "digits",
    "fraction",
    "unit",
    "date",
    "time",
    "address",
    "expletive",
    "telephone",
];
const FORMATS: [&str; 11] =
    ["mdy", "dmy", "ymd", "md", "dm", "ym", "my", "d", "m", "y", "yyyymmdd"];

const SUB: &[Attribute] = &[attribute("alias", Kind::Text, "What is spoken instead.")];
const W: &[Attribute] = &[attribute("role", Kind::Text, "Part of speech.")];

fn collect(
    node: Node<'_, '_>,
    manner: &Manner,
    reading: &mut Reading<'_>,
    speech: &mut Speech,
) -> Result<(), Finding> {
    for child in node.children() {
        if let Some(text) = child.text().filter(|_| child.is_text()) {
            speech.push(text, manner);
        }
        if child.is_element() {
            element(child, manner, reading, speech)?;
        }
    }
    Ok(())
}

fn element(
    node: Node<'_, '_>,
    manner: &Manner,
    reading: &mut Reading<'_>,
    speech: &mut Speech,
) -> Result<(), Finding> {
    let name = node.tag_name().name();
    let Some((_, table)) = ELEMENTS.iter().find(|(element, _)| *element == name) else {
        reading.skip(node, "Say");
        return Ok(());
    };
    let attributes = Attributes::read(node, table, reading)?;
    let mut of_content = manner.clone();
    match name {
        "break" => {
            reading.no_children(node);
            speech.parts.push(Part::Pause(pause_ms(&attributes, node, reading)));
            return Ok(());
        }
        "sub" => {
            reading.no_children(node);
            // The alias is spoken in place of the content, so the content is not read.
            speech.push(attributes.text("alias").unwrap_or(""), manner);
            return Ok(());
        }
        "p" | "s" => {
            speech.push(" ", manner);
            collect(node, manner, reading, speech)?;
            end_sentence(speech, manner);
            speech.parts.push(Part::Pause(if name == "p" { PARAGRAPH_MS } else { SENTENCE_MS }));
            return Ok(());
        }
        "emphasis" => emphasize(&mut of_content, attributes.word("level")),
        "prosody" => prosody(&mut of_content, &attributes, node, reading),
        "say-as" if say_as(&mut of_content, &attributes, node, reading) == Said::Hidden => {
            speech.parts.push(Part::Pause(EXPLETIVE_MS));
            return Ok(());
        }
        "phoneme" => of_content.sounds = sounds(&attributes, node, reading),
        "lang" if attributes.text("lang").is_some() => {
            let message = "the language of <lang> is not spoken inside <Say>: the voice of <Say> \
                           speaks it; use a <Say> of its own";
            unsupported(Code::SAY_LANGUAGE, message, node, reading);
        }
        "w" if attributes.text("role").is_some() => {
            unsupported(
                Code::VERB_NOT_SUPPORTED,
                "the role of <w> has no effect on this voice",
                node,
                reading,
            );
        }
        _ => {}
    }
    collect(node, &of_content, reading, speech)
}

fn unsupported(
    code: Code,
    message: impl Into<String>,
    node: Node<'_, '_>,
    reading: &mut Reading<'_>,
) {
    let position = reading.place(node);
    reading.warn(code, message, position);
}

/// Warns of a value that passed the check of its kind and is still invalid.
fn invalid(code: Code, name: &str, value: &str, node: Node<'_, '_>, reading: &mut Reading<'_>) {
    let element = node.tag_name().name();
    let message = format!("`{}` is not valid for `{name}` of <{element}>: ignored", brief(value));
    unsupported(code, message, node, reading);
}

/// Ends the text with a full stop, because a voice lowers its pitch only at a sentence mark.
fn end_sentence(speech: &mut Speech, manner: &Manner) {
    let words = speech.parts.iter().rev().find_map(|part| match part {
        Part::Text { text, .. } if !text.trim().is_empty() => Some(text.trim_end()),
        Part::Text { .. } | Part::Pause(_) => None,
    });
    if words.is_some_and(|text| !text.ends_with(['.', '!', '?', ':', ';', ','])) {
        speech.push(". ", manner);
    }
}

fn pause_ms(attributes: &Attributes<'_>, node: Node<'_, '_>, reading: &mut Reading<'_>) -> u32 {
    if let Some(text) = attributes.text("time") {
        match time_ms(text) {
            Some(ms) => return ms,
            None => invalid(Code::TWIML_SCHEMA, "time", text, node, reading),
        }
    }
    match attributes.word("strength") {
        "none" => 0,
        "x-weak" | "weak" => 250,
        "strong" => 750,
        "x-strong" => 1_000,
        _ => 500,
    }
}

/// `Ns` or `Nms`, fractions allowed, 10 s at most.
fn time_ms(text: &str) -> Option<u32> {
    let (number, unit_ms) = match text.strip_suffix("ms") {
        Some(number) => (number, 1.0),
        None => (text.strip_suffix('s')?, 1_000.0),
    };
    let ms = decimal(number)? * unit_ms;
    (ms <= PAUSE_MS_MAX).then_some(ms as u32)
}

/// A plain decimal number: no sign, no exponent, not a word such as `inf`.
fn decimal(text: &str) -> Option<f64> {
    let is_plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    text.parse().ok().filter(|_| is_plain)
}

fn emphasize(manner: &mut Manner, level: &str) {
    let (rate, pitch, volume) = match level {
        "strong" => (85, 110, 140),
        "reduced" => (110, 100, 75),
        _ => (92, 105, 120),
    };
    manner.rate = scaled(manner.rate, rate, RATE);
    manner.pitch = scaled(manner.pitch, pitch, PITCH);
    manner.volume = scaled(manner.volume, volume, VOLUME);
}

fn scaled(now: u32, percent: u32, (least, most): (u32, u32)) -> u32 {
    (now.saturating_mul(percent) / 100).clamp(least, most)
}

/// Words are absolute; percentages and decibels are relative to the manner around the element (SSML 1.1
/// §3.2.4).
fn prosody(
    manner: &mut Manner,
    attributes: &Attributes<'_>,
    node: Node<'_, '_>,
    reading: &mut Reading<'_>,
) {
    let volume = volume as fn(&str, u32) -> Option<u32>;
    for (name, code, value, read) in [
        ("volume", Code::TWIML_SCHEMA, &mut manner.volume, volume),
        ("rate", Code::SAY_SSML_RATE, &mut manner.rate, rate),
        ("pitch", Code::TWIML_SCHEMA, &mut manner.pitch, pitch),
    ] {
        let Some(text) = attributes.text(name) else { continue };
        match read(text, *value) {
            Some(changed) => *value = changed,
            None => invalid(code, name, text, node, reading),
        }
    }
}

fn volume(text: &str, now: u32) -> Option<u32> {
    let volume = match text {
        "default" | "medium" => 100,
        "silent" => 0,
        "x-soft" => 25,
        "soft" => 50,
        "loud" => 160,
        "x-loud" => VOLUME.1,
        gain => {
            let (sign, number) = signed(gain.strip_suffix("dB")?)?;
            // Cut first, so that the factor is finite.
            let factor = 10f64.powf(sign * number.min(DECIBELS_MAX) / 20.0);
            (f64::from(now) * factor) as u32
        }
    };
    Some(volume.clamp(VOLUME.0, VOLUME.1))
}

fn rate(text: &str, now: u32) -> Option<u32> {
    let rate = match text {
        "x-slow" => 50,
        "slow" => 75,
        "default" | "medium" => 100,
        "fast" => 150,
        "x-fast" => 200,
        percent => percent_of(now, decimal(percent.strip_suffix('%')?)?),
    };
    Some(rate.clamp(RATE.0, RATE.1))
}

fn pitch(text: &str, now: u32) -> Option<u32> {
    let pitch = match text {
        "x-low" => 60,
        "low" => 80,
        "default" | "medium" => 100,
        "high" => 125,
        "x-high" => 150,
        change => {
            let (sign, number) = signed(change.strip_suffix('%')?)?;
            percent_of(now, 100.0 + sign * number)
        }
    };
    Some(pitch.clamp(PITCH.0, PITCH.1))
}

/// A change: `+` or `-`, then a number.
fn signed(text: &str) -> Option<(f64, f64)> {
    let (sign, number) = match text.strip_prefix('+') {
        Some(number) => (1.0, number),
        None => (-1.0, text.strip_prefix('-')?),
    };
    Some((sign, decimal(number)?))
}

/// The cast saturates; the caller clamps a value out of range.
fn percent_of(now: u32, percent: f64) -> u32 {
    (f64::from(now) * percent / 100.0) as u32
}

/// What `<say-as>` does with its text.
#[derive(PartialEq, Eq)]
enum Said {
    Spoken,
    Hidden,
}

fn say_as(
    manner: &mut Manner,
    attributes: &Attributes<'_>,
    node: Node<'_, '_>,
    reading: &mut Reading<'_>,
) -> Said {
    let kind = attributes.word("interpret-as");
    match kind {
        // A telephone number is read digit by digit, or the voice would say a quantity.
        "characters" | "spell-out" | "digits" | "telephone" => manner.spelled = true,
        // The voice reads digits as a number by itself.
        "cardinal" | "number" => manner.spelled = false,
        "expletive" => return Said::Hidden,
        "" => {}
        other => {
            let message = format!(
                "`{other}` of <say-as> has no effect on this voice: the text is read as it is"
            );
            unsupported(Code::VERB_NOT_SUPPORTED, message, node, reading);
        }
    }
    Said::Spoken
}

/// The sounds in X-SAMPA; `None`, with a warning, where they cannot be written in it.
fn sounds(
    attributes: &Attributes<'_>,
    node: Node<'_, '_>,
    reading: &mut Reading<'_>,
) -> Option<String> {
    let written = attributes.text("ph").unwrap_or("");
    let sounds = match attributes.word("alphabet") {
        "x-sampa" => Some(written.to_owned()),
        "ipa" => x_sampa(written),
        other => {
            let message =
                format!("alphabet `{other}` of <phoneme> is not known here: the word is spoken");
            unsupported(Code::VERB_NOT_SUPPORTED, message, node, reading);
            return None;
        }
    };
    // The sounds go into the markup of the voice, which takes printable ASCII.
    let fits = |text: &String| {
        (1..=SOUNDS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let sounds = sounds.map(|text| text.replace(char::is_whitespace, "")).filter(fits);
    if sounds.is_none() {
        invalid(Code::TWIML_SCHEMA, "ph", written, node, reading);
    }
    sounds
}

/// IPA to X-SAMPA, symbol by symbol; `None` where one is not in [`IPA`].
fn x_sampa(ipa: &str) -> Option<String> {
    let mut sounds = String::with_capacity(ipa.len());
    for symbol in ipa.chars().filter(|symbol| *symbol != TIE) {
        match symbol {
            'a'..='z' | ' ' => sounds.push(symbol),
            _ => sounds.push_str(IPA.iter().find(|(ipa, _)| *ipa == symbol)?.1),
        }
    }
    Some(sounds)
}

/// Joins the two letters of an affricate; X-SAMPA writes them side by side.
const TIE: char = '\u{361}';

/// Symbols of the languages that have a voice here, besides the letters that both alphabets share.
const IPA: &[(char, &str)] = &[
    ('ˈ', "\""),
    ('ˌ', "%"),
    ('ː', ":"),
    ('.', "."),
    ('ɑ', "A"),
    ('ɐ', "6"),
    ('ɒ', "Q"),
    ('æ', "{"),
    ('ʌ', "V"),
    ('ɔ', "O"),
    ('ə', "@"),
    ('ɚ', "@`"),
    ('ɛ', "E"),
    ('ɜ', "3"),
    ('ɝ', "3`"),
    ('ɪ', "I"),
    ('ʊ', "U"),
    ('ø', "2"),
    ('œ', "9"),
    ('ʏ', "Y"),
    ('ɡ', "g"),
    ('ŋ', "N"),
    ('ɲ', "J"),
    ('ʎ', "L"),
    ('ɹ', "r\\"),
    ('ɾ', "4"),
    ('ʁ', "R"),
    ('ʃ', "S"),
    ('ʒ', "Z"),
    ('θ', "T"),
    ('ð', "D"),
    ('ç', "C"),
    ('β', "B"),
    ('ɣ', "G"),
    ('ɥ', "H"),
    ('ʔ', "?"),
    ('\u{303}', "~"),
    ('\u{329}', "="),
];

/// Ranges of a manner, in per cent; louder than the last would be clipped in G.711.
const RATE: (u32, u32) = (20, 500);
const PITCH: (u32, u32) = (50, 200);
const VOLUME: (u32, u32) = (0, 250);
/// Gains are cut to this many decibels up or down.
const DECIBELS_MAX: f64 = 60.0;

const PAUSE_MS_MAX: f64 = 10_000.0;
const SENTENCE_MS: u32 = 250;
const PARAGRAPH_MS: u32 = 600;
/// Silence in place of an expletive.
const EXPLETIVE_MS: u32 = 400;
/// Most characters of the sounds of one element.
const SOUNDS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use shared::Code;

    use crate::speech::{Manner, Part, Speech};
    use crate::twiml::tests::{codes, one};
    use crate::twiml::verb::Verb;

    fn said(content: &str) -> Speech {
        match one(&format!("<Say>{content}</Say>")) {
            Verb::Say(say) => say.speech,
            other => panic!("{other:?}"),
        }
    }

    fn manner(content: &str) -> Manner {
        match said(content).parts.remove(0) {
            Part::Text { manner, .. } => manner,
            Part::Pause(_) => panic!("a pause first: {content}"),
        }
    }

    #[test]
    fn prosody_is_absolute_by_word_and_relative_by_number() {
        let prosody = |attributes: &str| {
            let of = manner(&format!("<prosody {attributes}>a</prosody>"));
            (of.rate, of.pitch, of.volume)
        };
        assert_eq!(prosody("rate=\"slow\" pitch=\"high\" volume=\"soft\""), (75, 125, 50));
        assert_eq!(prosody("rate=\"120%\" pitch=\"-10%\" volume=\"+6dB\""), (120, 90, 199));
        assert_eq!(prosody("rate=\"9999%\" pitch=\"+900%\" volume=\"+99dB\""), (500, 200, 250));
        assert_eq!(prosody("volume=\"silent\""), (100, 100, 0));
        let nested = "<prosody rate=\"50%\"><prosody rate=\"50%\">a</prosody></prosody>";
        assert_eq!(manner(nested).rate, 25);
        for (bad, code) in [
            ("rate=\"quick\"", Code::SAY_SSML_RATE),
            ("rate=\"-5%\"", Code::SAY_SSML_RATE),
            ("rate=\"inf%\"", Code::SAY_SSML_RATE),
            ("pitch=\"12%\"", Code::TWIML_SCHEMA),
            ("volume=\"+NaNdB\"", Code::TWIML_SCHEMA),
        ] {
            assert_eq!(codes(&format!("<Say><prosody {bad}>a</prosody></Say>")), [code], "{bad}");
            assert_eq!(prosody(bad), (100, 100, 100), "{bad}");
        }
    }

    #[test]
    fn breaks_sentences_and_paragraphs_pause() {
        let pause = |attributes: &str| match said(&format!("a<break {attributes}/>")).parts.pop() {
            Some(Part::Pause(ms)) => ms,
            other => panic!("{other:?}"),
        };
        assert_eq!([pause("time=\"300ms\""), pause("time=\"1.5s\"")], [300, 1_500]);
        assert_eq!([pause("strength=\"none\""), pause("")], [0, 500]);
        assert_eq!(codes("<Say>a<break time=\"11s\"/></Say>"), [Code::TWIML_SCHEMA]);
        let speech = said("<p>One</p><s>Two.</s>Three");
        assert_eq!(speech.words(), "One. Two.Three");
        assert_eq!(speech.parts.iter().filter(|part| matches!(part, Part::Pause(_))).count(), 2);
    }

    #[test]
    fn spelled_text_is_spelled_and_an_expletive_is_not_spoken() {
        for kind in ["characters", "spell-out", "digits", "telephone"] {
            let spelled = manner(&format!("<say-as interpret-as=\"{kind}\">42</say-as>"));
            assert!(spelled.spelled, "{kind}");
        }
        assert!(!manner("<say-as interpret-as=\"number\">42</say-as>").spelled);
        let speech = said("a <say-as interpret-as=\"expletive\">zounds</say-as> b");
        assert_eq!(speech.words(), "a b");
    }

    #[test]
    fn sounds_are_written_in_x_sampa() {
        let sounds = |alphabet: &str, ph: &str| {
            manner(&format!("<phoneme alphabet=\"{alphabet}\" ph=\"{ph}\">x</phoneme>")).sounds
        };
        assert_eq!(sounds("ipa", "pɪˈkɑːn").as_deref(), Some("pI\"kA:n"));
        assert_eq!(sounds("ipa", "t͡ʃ").as_deref(), Some("tS"));
        assert_eq!(sounds("x-sampa", "pI&quot;kA:n").as_deref(), Some("pI\"kA:n"));
        assert_eq!(sounds("ipa", "漢"), None);
        assert_eq!(codes("<Say><phoneme ph=\"漢\">x</phoneme></Say>"), [Code::TWIML_SCHEMA]);
        let kana = "<Say><phoneme alphabet=\"x-amazon-yomigana\" ph=\"a\">x</phoneme></Say>";
        assert_eq!(codes(kana), [Code::VERB_NOT_SUPPORTED]);
    }

    #[test]
    fn what_no_voice_here_can_do_is_spoken_plainly_and_named() {
        for (content, code) in [
            ("<lang xml:lang=\"fr-FR\">bonjour</lang>", Code::SAY_LANGUAGE),
            ("<w role=\"amazon:VB\">read</w>", Code::VERB_NOT_SUPPORTED),
            (
                "<say-as interpret-as=\"date\" format=\"mdy\">1/2/2026</say-as>",
                Code::VERB_NOT_SUPPORTED,
            ),
            ("<say-as interpret-as=\"riddle\">1</say-as>", Code::TWIML_SCHEMA),
            ("<prosody speed=\"9\">a</prosody>", Code::TWIML_SCHEMA),
            ("<audio src=\"x\"/>a", Code::TWIML_SCHEMA),
        ] {
            assert_eq!(codes(&format!("<Say>{content}</Say>")), [code], "{content}");
            assert!(!said(content).words().is_empty(), "{content}");
        }
    }
}
