//! What the body of an answer is (contract twiml.md 1.1). Sans-IO.

use std::sync::Arc;

use shared::limits;

use crate::effect::Severity;
use crate::input::HttpAnswer;
use crate::twiml::{Document, Finding, decode};

/// What an answer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A document to run.
    Twiml(Document),
    /// A text to speak, then hang up.
    Speech(String),
    /// A file to play, then hang up.
    Audio {
        /// Its media type.
        content_type: String,
        /// The file.
        body: Arc<[u8]>,
    },
}

impl Content {
    /// Chooses by status, emptiness and media type, in this order.
    ///
    /// # Errors
    /// 11200 an error status, 11770 empty, 12300 another type, and those of [`Document::parse`].
    pub(crate) fn of(answer: HttpAnswer) -> Result<Self, Finding> {
        if !(200..300).contains(&answer.status) {
            return Err(fatal(11200, format!("the server answered with status {}", answer.status)));
        }
        if answer.body.iter().all(u8::is_ascii_whitespace) {
            return Err(fatal(11770, "the answer has an empty body".to_owned()));
        }
        let content_type = answer.content_type.as_deref();
        match content_type.map(media_type).as_deref() {
            Some("text/xml" | "application/xml" | "text/html") => {
                Document::parse(&decode(&answer.body, content_type)).map(Self::Twiml)
            }
            Some("text/plain") => {
                let text = decode(&answer.body, content_type);
                Ok(Document::parse(text.trim()).map_or(Self::Speech(text), Self::Twiml))
            }
            Some(kind) if is_audio(kind) => {
                Ok(Self::Audio { content_type: kind.to_owned(), body: answer.body.into() })
            }
            Some(kind) => {
                let kind = crate::twiml::brief(kind);
                Err(fatal(12300, format!("the content type `{kind}` is neither TwiML nor audio")))
            }
            None => Err(fatal(12300, "the answer has no content type".to_owned())),
        }
    }
}

fn fatal(code: u32, message: String) -> Finding {
    Finding { code, severity: Severity::Error, message, position: None }
}

/// Most bytes of a body of this `Content-Type`, after decoding: audio may be as long as a played
/// file, all else is a document. Past it the shell fails the request with 11750.
pub fn body_bytes_max(content_type: Option<&str>) -> usize {
    match content_type.map(media_type) {
        Some(kind) if is_audio(&kind) => limits::PLAY_BYTES_MAX,
        Some(_) | None => limits::WEBHOOK_BODY_BYTES_MAX,
    }
}

/// Whether `<Play>` takes this media type (lower case, no parameters; contract twiml.md 2.2).
pub fn is_audio(media_type: &str) -> bool {
    AUDIO_TYPES.contains(&media_type)
}

/// The media type alone: lower case, without parameters.
pub fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

const AUDIO_TYPES: [&str; 11] = [
    "audio/mpeg",
    "audio/wav",
    "audio/wave",
    "audio/x-wav",
    "audio/aiff",
    "audio/x-aifc",
    "audio/x-aiff",
    "audio/x-gsm",
    "audio/gsm",
    "audio/ulaw",
    "audio/basic",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_chooses() {
        let twiml = "<Response><Pause/></Response>";
        for kind in ["text/xml", "application/xml; charset=utf-8", "TEXT/HTML", "text/plain"] {
            assert!(matches!(of(200, Some(kind), twiml), Ok(Content::Twiml(_))), "{kind}");
        }
        assert_eq!(of(200, Some("text/plain"), "hello"), Ok(Content::Speech("hello".to_owned())));
        assert!(matches!(of(200, Some("audio/x-wav"), "RIFF"), Ok(Content::Audio { .. })));
    }

    #[test]
    fn failures_have_their_codes() {
        let code = |status, kind, body| of(status, kind, body).expect_err("fails").code;
        assert_eq!(code(500, Some("text/xml"), "<Response/>"), 11200);
        assert_eq!(code(404, None, ""), 11200);
        assert_eq!(code(204, None, ""), 11770);
        assert_eq!(code(200, Some("text/xml"), " \n"), 11770);
        assert_eq!(code(200, Some("application/json"), "{}"), 12300);
        assert_eq!(code(200, Some("audio/opus"), "x"), 12300);
        assert_eq!(code(200, None, "<Response/>"), 12300);
        assert_eq!(code(200, Some("text/xml"), "<Response>"), 12100);
        assert_eq!(code(200, Some("text/html"), "<html></html>"), 12102);
    }

    fn of(status: u16, content_type: Option<&str>, body: &str) -> Result<Content, Finding> {
        Content::of(HttpAnswer {
            status,
            content_type: content_type.map(str::to_owned),
            body: body.as_bytes().to_vec(),
            final_url: "http://h.example/".to_owned(),
            duration_ms: 1,
        })
    }
}
