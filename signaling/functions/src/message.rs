//! The protocol between the gateway and a worker of functions. Pure.
//!
//! ```text
//! gateway                                   worker
//!    │ ◀──────────────── READY (16 bytes) ─── sandbox closed
//!    │ ─── Start ──────────────────────────▶  names of what is deployed
//!    │ ─── Invoke n ───────────────────────▶  a slot runs it
//!    │ ◀── Read n, Log n, Fetch n/k ───────
//!    │ ─── Content n, Fetched n/k ─────────▶
//!    │ ◀── Answer n ───────────────────────   and n is over for both
//! ```
//!
//! A frame is the length of its head and of its body (`u32` each, little-endian), the head as JSON, and the body as
//! it is: scripts, bodies of requests and assets need no encoding. The worker runs code of customers in an engine
//! written in C, so the gateway takes nothing of it on trust: lengths are bounded before anything is read, and a
//! frame that does not parse ends the worker.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::limits::{FUNCTION_ANSWER_BYTES_MAX, FUNCTION_HEAD_BYTES_MAX};

/// The first bytes of a worker. Bytes before them come from the start of the process and are skipped.
pub const READY: &[u8; 16] = b"\0sidetone-funcs\n";

/// A message to a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Down {
    /// What is deployed. The first message, and the only one of its kind.
    Start(Deployed),
    /// Run a function.
    Invoke(Invoke),
    /// The file that [`Up::Read`] asked for is the body.
    Content {
        /// The invocation that waits for it.
        id: u64,
        /// False where there is no such file; the body is empty then.
        found: bool,
    },
    /// The answer to [`Up::Fetch`]; its body is the body.
    Fetched {
        /// The invocation.
        id: u64,
        /// The request among those of the invocation.
        fetch: u32,
        /// `Err` is a sentence: no answer came.
        result: Result<FetchedHead, String>,
    },
}

/// What one environment of a service has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Deployed {
    /// Functions by their path, without the slash in front: what `Runtime.getFunctions` shows.
    pub functions: Vec<String>,
    /// Private assets by their path, with the slash: what `Runtime.getAssets` shows.
    pub assets: Vec<String>,
    /// Files of packages, by their path below `node_modules`.
    pub modules: Vec<String>,
    /// The variables of the environment, which `process.env` shows.
    pub variables: BTreeMap<String, String>,
}

/// One invocation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invoke {
    /// Its number, new for each invocation of the gateway.
    pub id: u64,
    /// The path of the function, without the slash in front.
    pub function: String,
    /// The `event` of the handler.
    pub event: Value,
    /// The `context` of the handler, without its functions.
    pub context: Value,
    /// Milliseconds until it has to have called back.
    pub wall_ms: u64,
}

/// The head of an answer to a fetch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FetchedHead {
    /// Its status.
    pub status: u16,
    /// Its headers, in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The URL that answered, after redirects.
    pub url: String,
}

/// A message from a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Up {
    /// The worker is confined and takes invocations.
    Confined {
        /// What the kernel could not give, in a sentence; empty where the sandbox is whole.
        lacks: String,
    },
    /// The end of an invocation; the body is the body.
    Answer {
        /// The invocation.
        id: u64,
        /// Status of the HTTP answer.
        status: u16,
        /// Its headers.
        headers: Vec<(String, String)>,
        /// Why the function failed, for log and alert; `None` where it called back.
        failure: Option<String>,
    },
    /// Send this request to the outside; the body is its body.
    Fetch {
        /// The invocation.
        id: u64,
        /// The request among those of the invocation.
        fetch: u32,
        /// Its method.
        method: String,
        /// Its URL, absolute.
        url: String,
        /// Its headers.
        headers: Vec<(String, String)>,
        /// Whether redirects are followed.
        follow: bool,
    },
    /// Send the content of a deployed file.
    Read {
        /// The invocation.
        id: u64,
        /// `functions/…`, `assets/…` or `modules/…`.
        path: String,
    },
    /// A line that the function printed.
    Log {
        /// The invocation.
        id: u64,
        /// Its weight.
        level: Level,
        /// The line, at most [`shared::limits::FUNCTION_LOG_LINE_BYTES_MAX`] bytes.
        text: String,
    },
}

/// The weight of a printed line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// `console.log`, `info` and `debug`.
    Info,
    /// `console.warn`.
    Warn,
    /// `console.error`.
    Error,
}

/// Reasons bytes are not a frame. Always the sender's error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A length is above its bound.
    #[error("a frame has a head of {head} and a body of {body} bytes")]
    TooLong {
        /// Bytes of the head.
        head: usize,
        /// Bytes of the body.
        body: usize,
    },
    /// The head is not a message.
    #[error("a message does not parse: {0}")]
    Head(String),
}

/// Bytes in front of a head.
pub const LENGTHS_BYTES: usize = 8;

/// Writes a frame.
pub fn frame<T: Serialize>(message: &T, body: &[u8]) -> Vec<u8> {
    // These types have neither maps with odd keys nor numbers that JSON lacks, so they always serialise.
    let head = serde_json::to_vec(message).unwrap_or_default();
    let mut bytes = Vec::with_capacity(LENGTHS_BYTES + head.len() + body.len());
    for length in [head.len(), body.len()] {
        bytes.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    }
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(body);
    bytes
}

/// Reads the lengths of head and body.
///
/// # Errors
/// [`FrameError::TooLong`].
pub fn lengths(bytes: [u8; LENGTHS_BYTES], body_max: usize) -> Result<(usize, usize), FrameError> {
    let [a, b, c, d, e, f, g, h] = bytes;
    let head = u32::from_le_bytes([a, b, c, d]) as usize;
    let body = u32::from_le_bytes([e, f, g, h]) as usize;
    if head > FUNCTION_HEAD_BYTES_MAX || body > body_max {
        return Err(FrameError::TooLong { head, body });
    }
    Ok((head, body))
}

/// Reads a head.
///
/// # Errors
/// [`FrameError::Head`].
pub fn message<'a, T: Deserialize<'a>>(head: &'a [u8]) -> Result<T, FrameError> {
    serde_json::from_slice(head).map_err(|error| FrameError::Head(error.to_string()))
}

/// Most bytes of a body that comes from a worker.
pub const UP_BODY_BYTES_MAX: usize = FUNCTION_ANSWER_BYTES_MAX;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_frame_reads_back_with_its_body() {
        let sent = Up::Answer {
            id: 7,
            status: 200,
            headers: vec![("content-type".to_owned(), "text/xml".to_owned())],
            failure: None,
        };
        let bytes = frame(&sent, b"<Response/>");
        let (start, rest) = bytes.split_at(LENGTHS_BYTES);
        let (head, body) = lengths(start.try_into().expect("eight"), 100).expect("short");
        assert_eq!(message::<Up>(&rest[..head]), Ok(sent));
        assert_eq!(&rest[head..head + body], b"<Response/>");
    }

    #[test]
    fn lengths_past_their_bounds_are_refused_before_anything_is_read() {
        let mut long = [0; LENGTHS_BYTES];
        long[4..].copy_from_slice(&101_u32.to_le_bytes());
        assert_eq!(lengths(long, 100), Err(FrameError::TooLong { head: 0, body: 101 }));
        assert!(lengths([0xFF; LENGTHS_BYTES], usize::MAX).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, start: [u8; LENGTHS_BYTES]) {
            let _ = lengths(start, UP_BODY_BYTES_MAX);
            let _ = message::<Up>(&bytes);
        }
    }
}
