//! The body of an answer: TwiML, a text to speak, or audio. Sans-IO.

use std::sync::Arc;

use shared::{Code, Prompt};

use crate::finding::{Finding, brief};
use crate::input::{AnswerBody, HttpAnswer, PromptFailure};
use crate::twiml::{Document, decode};

/// What the call does with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A document to run.
    Twiml(Document),
    /// A text to speak, then hang up.
    Speech(String),
    /// A file to play, then hang up; `Err` when it cannot be played.
    Audio(Result<Arc<Prompt>, PromptFailure>),
}

impl Content {
    /// Decides by status, emptiness and media type, in this order.
    ///
    /// # Errors
    /// 11200 an error status, 11770 empty, 12300 another type, and those of [`Document::parse`].
    pub(crate) fn of(answer: HttpAnswer) -> Result<Self, Finding> {
        if !(200..300).contains(&answer.status) {
            return Err(Finding::error(
                Code::HTTP_RETRIEVAL,
                format!("the server answered with status {}", answer.status),
            ));
        }
        let body = match answer.body {
            // Decoded by the shell as it arrived: it has no bytes to look at.
            AnswerBody::Audio(audio) => return Ok(Self::Audio(audio)),
            AnswerBody::Bytes(body) => body,
        };
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(Finding::error(Code::HTTP_BODY_EMPTY, "the answer has an empty body"));
        }
        let content_type = answer.content_type.as_deref();
        match content_type.map(media_type).as_deref() {
            // text/html is what servers send where nobody set a type (twiml.md 1.1).
            Some("text/xml" | "application/xml" | "text/html") => {
                Document::parse(&decode(&body, content_type)).map(Self::Twiml)
            }
            Some("text/plain") => {
                let text = decode(&body, content_type);
                // Trimmed, because an XML declaration is only valid as the first bytes (XML 1.0
                // §2.8).
                Ok(Document::parse(text.trim()).map_or(Self::Speech(text), Self::Twiml))
            }
            Some(kind) => {
                let kind = brief(kind);
                Err(Finding::error(
                    Code::TWIML_CONTENT_TYPE,
                    format!("the content type `{kind}` is neither TwiML nor audio"),
                ))
            }
            None => Err(Finding::error(Code::TWIML_CONTENT_TYPE, "the answer has no content type")),
        }
    }
}

/// Whether `<Play>` takes this media type (lower case, without parameters).
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
    }

    #[test]
    fn audio_is_played_whatever_its_status_of_success_and_not_beside_an_error() {
        let cannot =
            PromptFailure { code: Code::PLAY_CONTENT_TYPE, sentence: "it is too long".to_owned() };
        let answer = |status| HttpAnswer {
            status,
            content_type: Some("audio/x-wav".to_owned()),
            body: AnswerBody::Audio(Err(cannot.clone())),
            final_url: "http://h.example/".to_owned(),
            duration_ms: 1,
        };
        assert_eq!(Content::of(answer(200)), Ok(Content::Audio(Err(cannot.clone()))));
        assert_eq!(
            Content::of(answer(404)).expect_err("an error status").code,
            Code::HTTP_RETRIEVAL
        );
    }

    #[test]
    fn failures_have_their_codes() {
        let code = |status, kind, body| of(status, kind, body).expect_err("fails").code;
        assert_eq!(code(500, Some("text/xml"), "<Response/>"), Code::HTTP_RETRIEVAL);
        assert_eq!(code(404, None, ""), Code::HTTP_RETRIEVAL);
        assert_eq!(code(204, None, ""), Code::HTTP_BODY_EMPTY);
        assert_eq!(code(200, Some("text/xml"), " \n"), Code::HTTP_BODY_EMPTY);
        assert_eq!(code(200, Some("application/json"), "{}"), Code::TWIML_CONTENT_TYPE);
        assert_eq!(code(200, Some("audio/opus"), "x"), Code::TWIML_CONTENT_TYPE);
        assert_eq!(code(200, None, "<Response/>"), Code::TWIML_CONTENT_TYPE);
        assert_eq!(code(200, Some("text/xml"), "<Response>"), Code::TWIML_PARSE);
        assert_eq!(code(200, Some("text/html"), "<html></html>"), Code::TWIML_ROOT);
    }

    fn of(status: u16, content_type: Option<&str>, body: &str) -> Result<Content, Finding> {
        Content::of(HttpAnswer {
            status,
            content_type: content_type.map(str::to_owned),
            body: body.as_bytes().to_vec().into(),
            final_url: "http://h.example/".to_owned(),
            duration_ms: 1,
        })
    }
}
