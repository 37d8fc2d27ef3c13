//! The language of an engine that is a program (recognition.md 3). Sans-IO.
//!
//! Towards the engine: frames of one byte of kind, four bytes of length (little-endian), payload. From the engine: one
//! JSON object a line. The program is not ours, so every line is checked.

use serde::Deserialize;
use serde_json::json;

use super::event::{RecognitionFault, Share};
use super::plan::RecognitionPlan;
use super::session::{Answer, UtteranceId};

/// What an engine offers: its first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its own name, for the log.
    pub engine: String,
    /// Samples a second that it takes: 8,000 or 16,000.
    pub rate: u32,
    /// Locales.
    pub languages: Vec<String>,
    /// Whether it takes utterances of digits, commands and hints.
    pub has_grammar: bool,
    /// Whether it takes free text.
    pub has_free: bool,
    /// Utterances that it works on at once, 1 to 256.
    pub slots: u32,
    /// Whether a cancel ends its work on an utterance at once, so that another one has the slot.
    pub stops: bool,
}

/// A line of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// It takes utterances from now on.
    Ready(Offer),
    /// About an utterance.
    Answer(UtteranceId, Answer),
}

/// A line breaks the language.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LineError(String);

impl Line {
    /// Reads a line, without its end.
    ///
    /// # Errors
    /// The line breaks the language.
    pub fn read(line: &[u8]) -> Result<Self, LineError> {
        let raw: Raw = serde_json::from_slice(line)
            .map_err(|error| LineError(format!("a line that is not of the language: {error}")))?;
        if raw.ready == Some(true) {
            return raw.offer().map(Self::Ready);
        }
        let Some(id) = raw.id else {
            return Err(LineError("a line without `id`".to_owned()));
        };
        let answer = match raw {
            Raw { failed: Some(sentence), .. } => {
                Answer::Failed { fault: RecognitionFault::Engine, sentence: cut(&sentence) }
            }
            Raw { r#final: Some(text), confidence, .. } => {
                let confidence = confidence.map(Share::of);
                Answer::Final { text: cut(&text), confidence }
            }
            Raw { partial: Some(text), stability, .. } => {
                let stability = Share::of(stability.unwrap_or(0.0));
                Answer::Partial { text: cut(&text), stability }
            }
            _ => return Err(LineError("a line without `partial`, `final` or `failed`".to_owned())),
        };
        Ok(Self::Answer(UtteranceId(id), answer))
    }
}

#[derive(Deserialize)]
struct Raw {
    ready: Option<bool>,
    engine: Option<String>,
    rate: Option<u32>,
    #[serde(default)]
    languages: Vec<String>,
    #[serde(default)]
    grammar: bool,
    #[serde(default)]
    free: bool,
    slots: Option<u32>,
    #[serde(default)]
    stops: bool,
    id: Option<u32>,
    partial: Option<String>,
    stability: Option<f64>,
    r#final: Option<String>,
    confidence: Option<f64>,
    failed: Option<String>,
}

impl Raw {
    fn offer(self) -> Result<Offer, LineError> {
        let Some(rate @ (8_000 | 16_000)) = self.rate else {
            return Err(LineError("`rate` is neither 8000 nor 16000".to_owned()));
        };
        if self.languages.is_empty() || !(self.grammar || self.free) {
            let sentence = "an engine needs `languages`, and `grammar` or `free`";
            return Err(LineError(sentence.to_owned()));
        }
        let slots = self.slots.unwrap_or(1);
        if !(1..=256).contains(&slots) {
            return Err(LineError("`slots` is not 1 to 256".to_owned()));
        }
        Ok(Offer {
            engine: cut(&self.engine.unwrap_or_default()),
            rate,
            languages: self.languages,
            has_grammar: self.grammar,
            has_free: self.free,
            slots,
            stops: self.stops,
        })
    }
}

/// Starts an utterance.
pub fn start(out: &mut Vec<u8>, utterance: UtteranceId, plan: &RecognitionPlan) {
    let RecognitionPlan { language, hints, is_grammar, wants_partials, .. } = plan;
    let start = json!({
        "id": utterance.0, "language": language, "hints": &**hints,
        "grammar": is_grammar, "partial": wants_partials,
    });
    frame(out, b'S', start.to_string().as_bytes());
}

/// Audio of an utterance, at the rate of the engine.
pub fn audio(out: &mut Vec<u8>, utterance: UtteranceId, samples: &[i16]) {
    begin(out, b'A', 4 + samples.len() * 2);
    out.extend_from_slice(&utterance.0.to_le_bytes());
    out.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
}

/// The utterance is whole.
pub fn end(out: &mut Vec<u8>, utterance: UtteranceId) {
    frame(out, b'E', json!({ "id": utterance.0 }).to_string().as_bytes());
}

/// No answer is wanted.
pub fn cancel(out: &mut Vec<u8>, utterance: UtteranceId) {
    frame(out, b'X', json!({ "id": utterance.0 }).to_string().as_bytes());
}

fn frame(out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    begin(out, kind, payload.len());
    out.extend_from_slice(payload);
}

fn begin(out: &mut Vec<u8>, kind: u8, length: usize) {
    out.push(kind);
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

/// A text of an engine, without control characters and of a length that a form takes.
pub fn cut(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(TEXT_CHARACTERS_MAX).collect()
}

/// Characters of one result. Nobody says more within the 60 s of an utterance.
const TEXT_CHARACTERS_MAX: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_contract_are_read() {
        let ready = br#"{"ready":true,"engine":"pocketsphinx","rate":16000,"languages":["en-US"],"grammar":true,"free":false}"#;
        let Ok(Line::Ready(offer)) = Line::read(ready) else { panic!("ready") };
        assert_eq!((offer.rate, offer.has_grammar, offer.has_free), (16_000, true, false));
        assert_eq!((offer.slots, offer.stops), (1, false));
        let wide =
            br#"{"ready":true,"rate":8000,"languages":["a"],"free":true,"slots":4,"stops":true}"#;
        let Ok(Line::Ready(offer)) = Line::read(wide) else { panic!("ready") };
        assert_eq!((offer.slots, offer.stops), (4, true));
        let answers = [
            r#"{"id":7,"partial":"one two","stability":0.5}"#,
            r#"{"id":7,"final":"one two three","confidence":0.93}"#,
            r#"{"id":8,"final":""}"#,
            r#"{"id":9,"failed":"no"}"#,
        ];
        let read = answers.map(|line| Line::read(line.as_bytes()).expect("a line"));
        let answer = |id, answer| Line::Answer(UtteranceId(id), answer);
        let [stability, confidence] = [Share::of(0.5), Share::of(0.93)];
        let (text, empty) = ("one two three".to_owned(), String::new());
        let (fault, sentence) = (RecognitionFault::Engine, "no".to_owned());
        assert_eq!(read[0], answer(7, Answer::Partial { text: "one two".to_owned(), stability }));
        assert_eq!(read[1], answer(7, Answer::Final { text, confidence: Some(confidence) }));
        assert_eq!(read[2], answer(8, Answer::Final { text: empty, confidence: None }));
        assert_eq!(read[3], answer(9, Answer::Failed { fault, sentence }));
    }

    #[test]
    fn what_is_not_of_the_language_is_refused() {
        let wrong = [
            "",
            "[]",
            "{}",
            r#"{"id":1}"#,
            r#"{"final":"a"}"#,
            r#"{"ready":true,"rate":44100,"languages":["a"],"free":true}"#,
            r#"{"ready":true,"rate":8000,"languages":[],"free":true}"#,
            r#"{"ready":true,"rate":8000,"languages":["a"]}"#,
            r#"{"ready":true,"rate":8000,"languages":["a"],"free":true,"slots":0}"#,
            r#"{"id":-1,"final":"a"}"#,
        ];
        for line in wrong {
            assert!(Line::read(line.as_bytes()).is_err(), "{line}");
        }
    }

    #[test]
    fn a_frame_has_kind_length_and_payload() {
        let mut out = Vec::new();
        audio(&mut out, UtteranceId(7), &[1, -2]);
        assert_eq!(out, [b'A', 8, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0xFE, 0xFF]);
        out.clear();
        end(&mut out, UtteranceId(7));
        assert_eq!(out, b"E\x08\0\0\0{\"id\":7}");
    }
}
