//! Requests that are out, and what notifications show of them. Sans-IO.

use shared::RecordingSid;
use store::HttpMethod;

use crate::ids::RecognitionId;
use crate::input::HttpAnswer;
use crate::webhook::{HttpRequest, WebUrl};

/// What the call does with the answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    /// Executes it as a document; `fallback` when it was requested from the fallback URL.
    Document { exchange: Exchange, fallback: bool },
    /// Hands it to the activity, which waits with it.
    Wait { exchange: Exchange },
    /// Only notes a failure.
    Callback { exchange: Exchange },
    /// Notes a failure, and sends the next callback of this recording.
    RecordingCallback { exchange: Exchange, recording: RecordingSid },
    /// Notes a failure, and sends the next callback of this recognition.
    RecognitionCallback { exchange: Exchange, recognition: RecognitionId },
    /// Drops it: the verb that wanted it is gone.
    Abandoned,
}

/// A request and its answer, as a notification shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Exchange {
    /// Without userinfo; empty for an inline document.
    pub url: String,
    /// `None` for an inline document, which no request brought.
    pub method: Option<HttpMethod>,
    /// Parameters of the request, form encoded.
    pub variables: String,
    /// Status and content type of the answer, one a line; empty without an answer.
    pub response_headers: String,
    /// First bytes of the answer's body.
    pub response_body: String,
}

impl Exchange {
    pub(super) fn of(request: &HttpRequest) -> Self {
        let mut variables = request.standard.to_body();
        request.extra.add_to_body(&mut variables);
        Self {
            // As sent: without the password, because notifications are read by people and kept.
            url: request.url.wire(None),
            method: Some(request.method),
            variables,
            ..Self::default()
        }
    }

    /// The request for a media file, which has no parameters.
    pub(super) fn of_file(url: &WebUrl) -> Self {
        Self { url: url.wire(None), method: Some(HttpMethod::Get), ..Self::default() }
    }

    pub(super) fn note(&mut self, answer: &HttpAnswer) {
        let kind = answer.content_type.as_deref().unwrap_or("");
        self.response_headers = format!("Status: {}\nContent-Type: {kind}", answer.status);
        let body = answer.body.bytes();
        let start = body.get(..BODY_SHOWN_BYTES).unwrap_or(body);
        // The cut may fall inside a character, and the body may be no text at all.
        self.response_body = String::from_utf8_lossy(start).into_owned();
    }
}

/// Bytes of an answer's body that a notification keeps.
const BODY_SHOWN_BYTES: usize = 1_024;
