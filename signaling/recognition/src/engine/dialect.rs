//! The languages of recognition by WebSocket: vosk-server's and Deepgram's. Pure.
//!
//! Both send partial results, and final ones for parts of an utterance, whose texts follow each other. Audio is 16-bit
//! linear, little-endian, 8,000 samples a second. After the end of the audio vosk-server sends one more final result;
//! Deepgram sends final results, then `Metadata`.

use serde::Deserialize;
use serde_json::json;
use shared::config::EngineDialect;
use url::Url;

use super::utterance::{Text, Utterance};

/// A message of a service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    /// Nothing for the call.
    Nothing,
    /// The words so far, and how likely they stay.
    Partial(String, f64),
    /// Nothing follows.
    End,
}

/// The state of one utterance in one of the languages.
pub(crate) struct Dialect {
    which: EngineDialect,
    texts: Vec<String>,
    /// Sum of confidences, and the number of words that have one.
    confidence: (f64, f64),
    is_finishing: bool,
}

impl Dialect {
    pub fn new(which: EngineDialect) -> Self {
        Self { which, texts: Vec::new(), confidence: (0.0, 0.0), is_finishing: false }
    }

    /// The URL of an utterance: Deepgram takes its parameters there.
    pub fn url(&self, url: &Url, model: &str, utterance: &Utterance) -> Url {
        match self.which {
            EngineDialect::Vosk => url.clone(),
            EngineDialect::Deepgram => deepgram_url(
                url,
                model,
                &utterance.language,
                &utterance.hints,
                utterance.wants_partials,
            ),
        }
    }

    /// The first message.
    pub fn start(&self) -> Option<String> {
        let config = json!({ "config": { "sample_rate": 8_000, "words": true } });
        (self.which == EngineDialect::Vosk).then(|| config.to_string())
    }

    /// The message after the audio.
    pub fn end(&self) -> String {
        match self.which {
            EngineDialect::Vosk => json!({ "eof": 1 }).to_string(),
            EngineDialect::Deepgram => json!({ "type": "CloseStream" }).to_string(),
        }
    }

    /// The message after the audio is sent.
    pub fn finishing(&mut self) {
        self.is_finishing = true;
    }

    /// Reads a message.
    ///
    /// # Errors
    /// It is not of the language, or reports an error.
    pub fn read(&mut self, text: &str) -> Result<Heard, String> {
        let wrong =
            |error: serde_json::Error| format!("a message that is not of its language: {error}");
        match self.which {
            EngineDialect::Vosk => {
                serde_json::from_str(text).map_err(wrong).map(|read| self.vosk(read))
            }
            EngineDialect::Deepgram => {
                serde_json::from_str(text).map_err(wrong).and_then(|read| self.deepgram(read))
            }
        }
    }

    /// The connection has ended.
    ///
    /// # Errors
    /// The audio was not yet whole.
    pub fn closed(&self) -> Result<Heard, String> {
        match self.is_finishing {
            true => Ok(Heard::End),
            false => Err("it closed the connection".to_owned()),
        }
    }

    fn vosk(&mut self, read: Vosk) -> Heard {
        if let Some(text) = read.text {
            for word in read.result {
                self.confidence.0 += word.conf.unwrap_or(0.0);
                self.confidence.1 += f64::from(u8::from(word.conf.is_some()));
            }
            self.add(text);
            return if self.is_finishing { Heard::End } else { Heard::Nothing };
        }
        match read.partial {
            Some(partial) if !partial.is_empty() => self.partial(&partial, VOSK_STABILITY),
            _ => Heard::Nothing,
        }
    }

    fn deepgram(&mut self, read: Deepgram) -> Result<Heard, String> {
        match read.r#type.as_deref() {
            Some("Results") => {}
            Some("Metadata") => return Ok(Heard::End),
            Some("Error") => return Err(read.description.unwrap_or_default()),
            _ => return Ok(Heard::Nothing),
        }
        // In other messages it is a list of numbers.
        let channel = Channel::deserialize(read.channel)
            .map_err(|error| format!("a message that is not of its language: {error}"))?;
        let Some(best) = channel.alternatives.into_iter().next() else { return Ok(Heard::Nothing) };
        if best.transcript.is_empty() {
            return Ok(Heard::Nothing);
        }
        if !read.is_final {
            return Ok(self.partial(&best.transcript, best.confidence));
        }
        let words = best.transcript.split_whitespace().count() as f64;
        self.confidence.0 += best.confidence * words;
        self.confidence.1 += words;
        self.add(best.transcript);
        Ok(Heard::Nothing)
    }

    fn add(&mut self, text: String) {
        let length: usize = self.texts.iter().map(String::len).sum();
        if !text.is_empty() && length + text.len() <= TEXT_BYTES_MAX {
            self.texts.push(text);
        }
    }

    /// The words so far are those of earlier parts, too.
    fn partial(&self, text: &str, stability: f64) -> Heard {
        let mut whole = self.texts.join(" ");
        if !whole.is_empty() {
            whole.push(' ');
        }
        Heard::Partial(whole + text, stability)
    }

    pub fn into_text(self) -> Text {
        let (sum, count) = self.confidence;
        Text { text: self.texts.join(" "), confidence: (count > 0.0).then(|| sum / count) }
    }
}

fn deepgram_url(url: &Url, model: &str, language: &str, hints: &[String], partials: bool) -> Url {
    let mut url = url.clone();
    let mut query = url.query_pairs_mut();
    query.append_pair("encoding", "linear16").append_pair("sample_rate", "8000");
    query.append_pair("channels", "1").append_pair("language", language);
    query.append_pair("interim_results", if partials { "true" } else { "false" });
    if !model.is_empty() {
        query.append_pair("model", model);
    }
    for hint in hints.iter().take(HINTS_MAX) {
        query.append_pair("keyterm", hint);
    }
    drop(query);
    url
}

#[derive(Deserialize)]
struct Vosk {
    partial: Option<String>,
    text: Option<String>,
    #[serde(default)]
    result: Vec<Word>,
}

#[derive(Deserialize)]
struct Word {
    conf: Option<f64>,
}

#[derive(Deserialize)]
struct Deepgram {
    r#type: Option<String>,
    #[serde(default)]
    is_final: bool,
    #[serde(default)]
    channel: serde_json::Value,
    description: Option<String>,
}

#[derive(Deserialize)]
struct Channel {
    alternatives: Vec<Alternative>,
}

#[derive(Deserialize)]
struct Alternative {
    transcript: String,
    #[serde(default)]
    confidence: f64,
}

/// Bytes of the text of one utterance. What follows is left out.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Hints in a URL: more would make it too long for a server.
const HINTS_MAX: usize = 50;
/// vosk-server does not say how stable its words are.
const VOSK_STABILITY: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vosk_server_gives_parts_and_a_last_result() {
        let mut dialect = Dialect::new(EngineDialect::Vosk);
        assert_eq!(dialect.read(r#"{"partial":""}"#), Ok(Heard::Nothing));
        let read = dialect.read(r#"{"text":"one two","result":[{"conf":1.0},{"conf":0.5}]}"#);
        assert_eq!(read, Ok(Heard::Nothing));
        let read = dialect.read(r#"{"partial":"three"}"#);
        assert_eq!(read, Ok(Heard::Partial("one two three".to_owned(), 0.5)));
        assert!(dialect.closed().is_err());
        dialect.finishing();
        assert_eq!(dialect.read(r#"{"text":"three","result":[{"conf":0.6}]}"#), Ok(Heard::End));
        let text = dialect.into_text();
        assert_eq!(text.text, "one two three");
        assert!((text.confidence.expect("words") - 0.7).abs() < 1e-9);
        assert!(Dialect::new(EngineDialect::Vosk).read("nonsense").is_err());
    }

    #[test]
    fn deepgram_ends_with_its_metadata() {
        let mut dialect = Dialect::new(EngineDialect::Deepgram);
        let result = |is_final, transcript| {
            json!({"type": "Results", "is_final": is_final,
                "channel": {"alternatives": [{"transcript": transcript, "confidence": 0.9}]}})
            .to_string()
        };
        let partial = Heard::Partial("hello".to_owned(), 0.9);
        assert_eq!(dialect.read(&result(false, "hello")), Ok(partial));
        assert_eq!(dialect.read(&result(true, "hello there")), Ok(Heard::Nothing));
        for other in [
            r#"{"type":"SpeechStarted","channel":[0],"timestamp":9.5}"#,
            r#"{"type":"UtteranceEnd","channel":[0,1],"last_word_end":2.1}"#,
        ] {
            assert_eq!(dialect.read(other), Ok(Heard::Nothing));
        }
        assert!(dialect.read(r#"{"type":"Results","channel":[0]}"#).is_err());
        assert_eq!(dialect.read(r#"{"type":"Error","description":"no"}"#), Err("no".to_owned()));
        dialect.finishing();
        assert_eq!(dialect.read(&result(true, "")), Ok(Heard::Nothing));
        assert_eq!(dialect.read(r#"{"type":"Metadata"}"#), Ok(Heard::End));
        let text = dialect.into_text();
        assert_eq!((text.text.as_str(), text.confidence), ("hello there", Some(0.9)));
    }

    #[test]
    fn deepgram_takes_its_parameters_in_the_url() {
        let url = Url::parse("wss://api.example/v1/listen?tier=x").expect("a URL");
        let hints = ["front desk".to_owned()];
        assert_eq!(
            deepgram_url(&url, "nova-3", "en-US", &hints, true).as_str(),
            "wss://api.example/v1/listen?tier=x&encoding=linear16&sample_rate=8000&channels=1\
             &language=en-US&interim_results=true&model=nova-3&keyterm=front+desk"
        );
    }

    #[test]
    fn the_text_of_an_utterance_is_bounded() {
        let mut dialect = Dialect::new(EngineDialect::Vosk);
        let text = "a".repeat(TEXT_BYTES_MAX - 1);
        for _ in 0..3 {
            let read = dialect.read(&json!({ "text": text }).to_string());
            assert_eq!(read, Ok(Heard::Nothing));
        }
        assert_eq!(dialect.into_text().text.len(), TEXT_BYTES_MAX - 1);
    }
}
