//! Why a stream failed: an error of the WebSocket as a code and a sentence (streams.md 6).

use std::io::ErrorKind;

use call::{HandshakeAnswer, StreamEnd};
use shared::Code;
use tungstenite::Error;
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::http::{Response, header};

/// The end of a stream that failed while it was opened; `securing` while TLS was being set up.
pub(crate) fn of_handshake(error: &Error, securing: bool) -> StreamEnd {
    match error {
        Error::Http(response) => refused(response),
        Error::Io(error) if securing || is_tls(error) => {
            failed(Code::STREAM_TLS, format!("the TLS handshake failed: {error}"))
        }
        Error::Io(error) => {
            let sentence = format!("the connection broke in the handshake: {error}");
            failed(Code::STREAM_BROKEN, sentence)
        }
        other => {
            let sentence = format!("the server did not accept the handshake: {other}");
            failed(Code::STREAM_HANDSHAKE, sentence)
        }
    }
}

/// The end of a stream that was open.
pub(crate) fn of_open(error: &Error) -> StreamEnd {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::AlreadyClosed => {
            failed(Code::STREAM_BROKEN, "the server broke the connection without a close".into())
        }
        Error::Io(error) => failed(Code::STREAM_BROKEN, format!("the connection broke: {error}")),
        Error::Capacity(CapacityError::MessageTooLong { size, .. }) => {
            let sentence = format!("a message of {size} bytes: a stream takes at most 1 MiB");
            failed(Code::STREAM_PROTOCOL, sentence)
        }
        other => {
            let sentence = format!("the server broke the WebSocket protocol: {other}");
            failed(Code::STREAM_PROTOCOL, sentence)
        }
    }
}

pub(crate) const fn failed(code: Code, sentence: String) -> StreamEnd {
    StreamEnd::Failed { code, sentence, answer: None }
}

/// The server answered something else than 101: the status and the first bytes of the answer say why.
fn refused(response: &Response<Option<Vec<u8>>>) -> StreamEnd {
    let status = response.status().as_u16();
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let body = response.body().as_deref().unwrap_or_default();
    let body = String::from_utf8_lossy(body.get(..BODY_SHOWN).unwrap_or(body)).into_owned();
    StreamEnd::Failed {
        code: Code::STREAM_HANDSHAKE,
        sentence: format!("the server answered the handshake with status {status}, not 101"),
        answer: Some(HandshakeAnswer { status, content_type: content_type.to_owned(), body }),
    }
}

fn is_tls(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::InvalidData
        && error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

/// Bytes of a refusal's body that are kept.
const BODY_SHOWN: usize = 200;
