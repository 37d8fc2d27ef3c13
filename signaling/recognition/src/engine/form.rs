//! The form and the answer of a transcription by HTTP. Pure.

use serde::Deserialize;

use super::utterance::Text;

/// The fields of a request.
pub(crate) struct Form<'a> {
    pub boundary: &'a str,
    pub model: &'a str,
    /// Locale; the form has the language alone.
    pub language: &'a str,
    pub hints: &'a [String],
    /// `verbose_json` has the likelihood of each segment, where the service knows it.
    pub response_format: &'a str,
}

impl Form<'_> {
    /// The multipart body, with the audio as a WAV file of 8,000 Hz.
    pub fn body(&self, samples: &[i16]) -> Vec<u8> {
        let mut body = Vec::with_capacity(samples.len() * 2 + 1_024);
        let language = self.language.split('-').next().unwrap_or(self.language);
        self.field(&mut body, "model", self.model);
        self.field(&mut body, "language", &language.to_ascii_lowercase());
        self.field(&mut body, "response_format", self.response_format);
        self.field(&mut body, "temperature", "0");
        if !self.hints.is_empty() {
            let prompt: String = self.hints.join(", ").chars().take(PROMPT_CHARACTERS).collect();
            self.field(&mut body, "prompt", &prompt);
        }
        self.part(&mut body, "file\"; filename=\"utterance.wav\"\r\nContent-Type: audio/wav");
        wav(&mut body, samples);
        body.extend_from_slice(format!("\r\n--{}--\r\n", self.boundary).as_bytes());
        body
    }

    fn field(&self, body: &mut Vec<u8>, name: &str, value: &str) {
        self.part(body, &format!("{name}\""));
        body.extend_from_slice(value.as_bytes());
        body.extend_from_slice(b"\r\n");
    }

    /// The head of a part; `rest` begins with its name and closes the quote.
    fn part(&self, body: &mut Vec<u8>, rest: &str) {
        let head = "Content-Disposition: form-data; name=\"";
        body.extend_from_slice(format!("--{}\r\n{head}{rest}\r\n\r\n", self.boundary).as_bytes());
    }
}

/// A WAV file: 16 bit, mono, 8,000 Hz.
fn wav(out: &mut Vec<u8>, samples: &[i16]) {
    let bytes = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&bytes.saturating_add(36).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    for word in [16, 0x0001_0001, 8_000, 16_000, 0x0010_0002_u32] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(b"data");
    out.extend_from_slice(&bytes.to_le_bytes());
    out.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
}

#[derive(Deserialize)]
struct Transcription {
    text: String,
    #[serde(default)]
    segments: Vec<Segment>,
}

#[derive(Deserialize)]
struct Segment {
    avg_logprob: Option<f64>,
    #[serde(default)]
    start: f64,
    #[serde(default)]
    end: f64,
}

/// Reads an answer. The confidence is the likelihood of a token, over all segments by their length.
///
/// # Errors
/// It is not a transcription.
pub(crate) fn transcription(body: &[u8]) -> Result<Text, String> {
    let read: Transcription = serde_json::from_slice(body)
        .map_err(|error| format!("its answer is no transcription: {error}"))?;
    let (mut sum, mut length) = (0.0, 0.0);
    for segment in &read.segments {
        let Some(likelihood) = segment.avg_logprob else { continue };
        let seconds = (segment.end - segment.start).max(0.01);
        sum += likelihood * seconds;
        length += seconds;
    }
    let confidence = (length > 0.0).then(|| f64::exp(sum / length));
    Ok(Text { text: read.text.trim().to_owned(), confidence })
}

/// The part of the hints that a prompt takes: models look at its last 224 tokens.
const PROMPT_CHARACTERS: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_has_the_fields_and_a_wav_file() {
        let hints = ["Zyxel".to_owned(), "router".to_owned()];
        let form = Form {
            boundary: "b",
            model: "m",
            language: "en-US",
            hints: &hints,
            response_format: "verbose_json",
        };
        let body = form.body(&[1, -2]);
        let text = String::from_utf8_lossy(&body);
        let head = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b\r\n\
                    Content-Disposition: form-data; name=\"language\"\r\n\r\nen\r\n";
        assert!(text.starts_with(head), "{text}");
        assert!(text.contains("name=\"prompt\"\r\n\r\nZyxel, router\r\n"), "{text}");
        let file =
            "name=\"file\"; filename=\"utterance.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFF";
        assert!(text.contains(file), "{text}");
        let end = [&b"data\x04\0\0\0\x01\0\xFE\xFF"[..], b"\r\n--b--\r\n"].concat();
        assert!(body.ends_with(&end), "{text}");
    }

    #[test]
    fn an_answer_has_a_text_and_perhaps_a_confidence() {
        let read = |text: &str| transcription(text.as_bytes());
        let certain = read(
            r#"{"text":" Hello. ","segments":[{"avg_logprob":-0.2,"start":0,"end":1},
                {"avg_logprob":-0.5,"start":1,"end":3}]}"#,
        );
        let certain = certain.expect("an answer");
        assert_eq!(certain.text, "Hello.");
        assert!((certain.confidence.expect("likelihoods") - f64::exp(-0.4)).abs() < 1e-9);
        assert_eq!(read(r#"{"text":""}"#), Ok(Text::default()));
        assert!(
            read(r#"{"error":"x"}"#).unwrap_err().starts_with("its answer is no transcription")
        );
        assert!(read("<html>").is_err());
    }
}
