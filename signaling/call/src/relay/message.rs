//! The messages of a relay as JSON text (relay.md 3, 4). Sans-IO.
//!
//! Each is one JSON object with a `type`. Members that we do not know are ignored: applications write what newer
//! versions of the API take.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::terms::{Interruptible, RelayTerms};
use crate::stream::StreamOpening;
use crate::webhook::WebUrl;

/// A message of the application.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    /// A token to say.
    Text { token: String, last: bool, lang: Option<String>, policy: Policy },
    /// A file to play.
    Play { source: WebUrl, times: u32, policy: Policy },
    /// Keys to send to the party.
    SendDigits(String),
    /// Other languages from now on.
    Language { tts: Option<String>, transcription: Option<String> },
    /// The session is over; the action gets these data.
    End(Option<String>),
}

/// What a message says about its end by others; `None`: as the document has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Policy {
    pub interruptible: Option<Interruptible>,
    pub preemptible: Option<bool>,
}

/// Reads a message.
///
/// # Errors
/// The sentence of 64107.
pub(super) fn read(text: &str) -> Result<Heard, String> {
    // The error of the parser quotes the message, which may be long.
    let raw: Raw = serde_json::from_str(text)
        .map_err(|error| format!("a message does not conform: {}", brief(&error.to_string())))?;
    let policy = Policy {
        interruptible: raw.interruptible.as_ref().map(interruptible).transpose()?,
        preemptible: raw.preemptible,
    };
    let lacks = |field: &str| format!("a message of the type `{}` has no `{field}`", raw.kind);
    match raw.kind.as_str() {
        "text" => {
            let token = raw.token.ok_or_else(|| lacks("token"))?;
            let last = raw.last.unwrap_or(false);
            let lang = raw.lang.filter(|lang| !lang.is_empty());
            Ok(Heard::Text { token, last, lang: language("lang", lang)?, policy })
        }
        "play" => {
            let source = raw.source.ok_or_else(|| lacks("source"))?;
            if source.len() > SOURCE_BYTES_MAX {
                return Err(format!("`source` has more than {SOURCE_BYTES_MAX} bytes"));
            }
            let source =
                WebUrl::parse(&source).map_err(|fault| brief(&fault.sentence).to_owned())?;
            let times = match raw.times.unwrap_or(1) {
                0 => shared::limits::LOOP_FOREVER,
                times => times.min(shared::limits::LOOP_FOREVER),
            };
            Ok(Heard::Play { source, times, policy })
        }
        "sendDigits" => {
            let digits = raw.digits.ok_or_else(|| lacks("digits"))?;
            let known = digits.bytes().all(|it| it.is_ascii_digit() || b"*#wW".contains(&it));
            match known && !digits.is_empty() && digits.len() <= DIGITS_MAX {
                true => Ok(Heard::SendDigits(digits)),
                false => Err("`digits` takes 1 to 128 of 0-9, *, #, w and W".to_owned()),
            }
        }
        "language" if raw.tts_language.is_none() && raw.transcription_language.is_none() => {
            Err("a message of the type `language` has no language".to_owned())
        }
        "language" => Ok(Heard::Language {
            tts: language("ttsLanguage", raw.tts_language)?,
            transcription: language("transcriptionLanguage", raw.transcription_language)?,
        }),
        "end" => match raw.handoff_data {
            Some(data) if data.len() > HANDOFF_BYTES_MAX => {
                Err("`handoffData` has more than 16,384 bytes".to_owned())
            }
            data => Ok(Heard::End(data)),
        },
        other => {
            let other = other.get(..other.floor_char_boundary(40)).unwrap_or_default();
            Err(format!("a message has the unknown type `{other}`"))
        }
    }
}

/// A locale such as `en-US`, short because every sentence that is said in it keeps it (RFC 5646 §4.4.1).
fn language(field: &str, value: Option<String>) -> Result<Option<String>, String> {
    let is_locale = |it: &String| {
        (1..=LANGUAGE_BYTES_MAX).contains(&it.len())
            && it.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it))
    };
    match value {
        Some(value) if !is_locale(&value) => {
            Err(format!("`{field}` takes a language such as en-US, of at most 35 characters"))
        }
        value => Ok(value),
    }
}

/// The first characters of a sentence that quotes the application.
fn brief(sentence: &str) -> &str {
    sentence.get(..sentence.floor_char_boundary(SENTENCE_BYTES_MAX)).unwrap_or_default()
}

/// Bytes of a language.
const LANGUAGE_BYTES_MAX: usize = 35;
/// Bytes of the URL of a file.
pub(super) const SOURCE_BYTES_MAX: usize = 4_096;
/// Bytes of a sentence about a message.
const SENTENCE_BYTES_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(rename = "type")]
    kind: String,
    token: Option<String>,
    last: Option<bool>,
    lang: Option<String>,
    interruptible: Option<Value>,
    preemptible: Option<bool>,
    source: Option<String>,
    #[serde(rename = "loop")]
    times: Option<u32>,
    digits: Option<String>,
    tts_language: Option<String>,
    transcription_language: Option<String>,
    handoff_data: Option<String>,
}

fn interruptible(value: &Value) -> Result<Interruptible, String> {
    let word = match value {
        Value::Bool(is) => Interruptible::read(&is.to_string()),
        Value::String(word) => Interruptible::read(word),
        _ => None,
    };
    word.ok_or_else(|| "`interruptible` is none, dtmf, speech, any or a boolean".to_owned())
}

/// The first message.
pub(super) fn setup(opening: &StreamOpening, terms: &RelayTerms) -> String {
    let mut setup = json!({
        "type": "setup",
        "sessionId": terms.session,
        "accountSid": opening.account.to_string(),
        "callSid": opening.call.to_string(),
    });
    for (name, value) in &terms.call {
        setup[*name] = value.as_str().into();
    }
    let parameters: BTreeMap<&str, &str> =
        opening.parameters.iter().map(|(name, value)| (&**name, &**value)).collect();
    setup["customParameters"] = json!(parameters);
    setup.to_string()
}

/// What the party said.
pub(super) fn prompt(text: &str, lang: &str, last: bool) -> String {
    json!({ "type": "prompt", "voicePrompt": text, "lang": lang, "last": last }).to_string()
}

/// The party pressed a key.
pub(super) fn dtmf(digit: u8) -> String {
    json!({ "type": "dtmf", "digit": char::from(digit).to_string() }).to_string()
}

/// The party ended what it heard.
pub(super) fn interrupt(heard: &str, ms: u64) -> String {
    json!({
        "type": "interrupt",
        "utteranceUntilInterrupt": heard,
        "durationUntilInterruptMs": ms,
    })
    .to_string()
}

/// Something is wrong that does not end the session.
pub(super) fn error(description: &str) -> String {
    json!({ "type": "error", "description": description }).to_string()
}

/// Keys of one message.
const DIGITS_MAX: usize = 128;
/// Bytes of the data for the action.
const HANDOFF_BYTES_MAX: usize = 16_384;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_message_is_read_with_its_defaults() {
        let text = |token: &str, last, policy| {
            Ok(Heard::Text { token: token.to_owned(), last, lang: None, policy })
        };
        assert_eq!(read(r#"{"type":"text","token":"a"}"#), text("a", false, Policy::default()));
        let policy = Policy { interruptible: Some(Interruptible::None), preemptible: Some(true) };
        let message = r#"{"type":"text","token":"","last":true,"interruptible":false,"preemptible":true,"new":1}"#;
        assert_eq!(read(message), text("", true, policy));
        let played = read(r#"{"type":"play","source":"https://a.example/b.wav","loop":0}"#);
        assert!(matches!(played, Ok(Heard::Play { times: 1_000, .. })), "{played:?}");
        let digits = read(r#"{"type":"sendDigits","digits":"12w#"}"#);
        assert_eq!(digits, Ok(Heard::SendDigits("12w#".to_owned())));
        let language = read(r#"{"type":"language","ttsLanguage":"de-DE"}"#);
        let tts = Some("de-DE".to_owned());
        assert_eq!(language, Ok(Heard::Language { tts, transcription: None }));
        let end = read(r#"{"type":"end","handoffData":"{\"a\":1}"}"#);
        assert_eq!(end, Ok(Heard::End(Some("{\"a\":1}".to_owned()))));
    }

    #[test]
    fn a_message_that_does_not_conform_says_why() {
        for (message, reason) in [
            ("rubbish", "does not conform"),
            ("[]", "does not conform"),
            (r#"{"token":"a"}"#, "does not conform"),
            (r#"{"type":"text"}"#, "no `token`"),
            (r#"{"type":"text","token":"a","interruptible":7}"#, "interruptible"),
            (r#"{"type":"play","source":"ftp://a"}"#, ""),
            (r#"{"type":"sendDigits","digits":"1a"}"#, "digits"),
            (r#"{"type":"language"}"#, "no language"),
            (r#"{"type":"sing"}"#, "unknown type `sing`"),
        ] {
            let sentence = read(message).expect_err(message);
            assert!(sentence.contains(reason), "{message}: {sentence}");
        }
        let long = format!(r#"{{"type":"end","handoffData":"{}"}}"#, "x".repeat(16_385));
        assert!(read(&long).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text: String) {
            let _ = read(&text);
        }
    }
}
