//! The audio of a recording, streamed from its file as 16-bit PCM: whole or a range, in two channels or
//! mixed into one; or as the MP3 that was made of it. Shell.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use api::Permit;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Frame};
use recorder::{Library, Rendition};
use shared::{AccountSid, RecordingSid};
use tokio::sync::mpsc;

use crate::body::Body;

/// The answer to a request for audio.
pub(super) enum Answer {
    /// The audio, or the requested part of it.
    Sent(Response<Body>),
    /// The file does not exist.
    Missing,
    /// The file exists, and its disk or its store does not give it.
    Unreadable(io::Error),
    /// The requested range begins after the last byte.
    PastTheEnd {
        /// Bytes of the whole file.
        bytes: u64,
    },
}

/// The file that is sent.
pub(super) enum Wanting {
    /// A recording, in two channels or mixed into one; a sealed one as it is.
    Recording {
        /// Who has it.
        library: Library,
        /// Its account.
        account: AccountSid,
        /// Its SID.
        recording: RecordingSid,
        /// Two channels as recorded.
        two_channels: bool,
    },
    /// An MP3 as it is.
    Mp3(PathBuf),
}

/// Streams a file. Holds the permit until everything is read or the reader stops: a slow
/// reader occupies a place of its own account only.
pub(super) async fn respond(
    wanted: Wanting,
    range: Option<&HeaderValue>,
    permit: Permit,
) -> Answer {
    let opened = tokio::task::spawn_blocking(move || Sent::open(wanted)).await;
    let opened = opened.unwrap_or_else(|panic| Err(io::Error::other(panic)));
    let audio = match opened {
        Ok(audio) => audio,
        Err(error) if is_missing(&error) => return Answer::Missing,
        Err(error) => return Answer::Unreadable(error),
    };
    let range = range.and_then(|value| value.to_str().ok());
    match range.map(|text| parse_range(text, audio.bytes())) {
        None | Some(Wanted::Whole) => Answer::Sent(stream(audio, None, permit)),
        Some(Wanted::Part(first, last)) => Answer::Sent(stream(audio, Some((first, last)), permit)),
        Some(Wanted::Nothing) => Answer::PastTheEnd { bytes: audio.bytes() },
    }
}

/// Whether there is no such recording, or none of ours.
pub(super) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData)
}

fn stream(audio: Sent, part: Option<(u64, u64)>, permit: Permit) -> Response<Body> {
    let content_type = HeaderValue::from_static(audio.content_type());
    let whole = audio.bytes();
    let (first, last) = part.unwrap_or((0, whole.saturating_sub(1)));
    let count = if whole == 0 { 0 } else { last - first + 1 };
    let (chunks, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        audio.send(first, count, |chunk| {
            // A reader that stops must not occupy this thread: there are few.
            let sent = tokio::time::timeout(STALL_MAX, chunks.send(chunk));
            matches!(runtime.block_on(sent), Ok(Ok(())))
        });
        drop(permit);
    });
    let mut response = Response::new(FileBody { chunks: receiver }.boxed());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(count));
    if part.is_some() {
        if let Ok(value) = HeaderValue::from_str(&format!("bytes {first}-{last}/{whole}")) {
            headers.insert(header::CONTENT_RANGE, value);
        }
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

/// Parses a `Range` header (RFC 9110 §14.2). Anything except one range of bytes means the whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part(u64, u64),
    Nothing,
}

fn parse_range(text: &str, whole: u64) -> Wanted {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Wanted::Whole;
    };
    let end = whole.saturating_sub(1);
    let part = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.min(end)),
        (Ok(first), Err(_)) if last.trim().is_empty() => (first, end),
        (Err(_), Ok(count)) if first.trim().is_empty() && count > 0 => {
            (whole.saturating_sub(count), end)
        }
        (Err(_), Ok(0)) if first.trim().is_empty() => return Wanted::Nothing,
        _ => return Wanted::Whole,
    };
    if part.0 >= whole { Wanted::Nothing } else { Wanted::Part(part.0, part.1) }
}

/// A file as it is sent.
enum Sent {
    /// 16-bit PCM, whatever the file of the recording keeps, or the bytes of a sealed one.
    Recording(Rendition),
    /// An MP3 and its bytes.
    Mp3(File, u64),
}

impl Sent {
    fn open(wanted: Wanting) -> io::Result<Self> {
        match wanted {
            Wanting::Recording { library, account, recording, two_channels } => {
                Ok(Self::Recording(library.rendition(account, recording, two_channels)?))
            }
            Wanting::Mp3(path) => {
                let file = File::open(path)?;
                let bytes = file.metadata()?.len();
                Ok(Self::Mp3(file, bytes))
            }
        }
    }

    const fn content_type(&self) -> &'static str {
        match self {
            Self::Recording(Rendition::Linear(_)) => "audio/x-wav",
            Self::Recording(Rendition::Sealed(..)) => "application/octet-stream",
            Self::Mp3(..) => "audio/mpeg",
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Recording(rendition) => rendition.length(),
            Self::Mp3(_, bytes) => *bytes,
        }
    }

    /// Reads `count` bytes from `first` on and passes them to `take`. Ends early when `take` returns that
    /// the client is gone.
    fn send(&self, first: u64, count: u64, mut take: impl FnMut(io::Result<Bytes>) -> bool) {
        let (mut at, end) = (first, first + count);
        while at < end {
            let chunk = self.read(at, (end - at).min(CHUNK_BYTES));
            let length = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
            at += length;
            if !take(chunk.map(Bytes::from)) || length == 0 {
                return;
            }
        }
    }

    fn read(&self, at: u64, most: u64) -> io::Result<Vec<u8>> {
        match self {
            Self::Recording(rendition) => rendition.read(at, most),
            Self::Mp3(file, _) => {
                let mut chunk = vec![0; usize::try_from(most).unwrap_or(0)];
                file.read_exact_at(&mut chunk, at)?;
                Ok(chunk)
            }
        }
    }
}

/// A body whose bytes come from another thread.
struct FileBody {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
}

impl hyper::body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.chunks.poll_recv(context).map(|chunk| chunk.map(|bytes| bytes.map(Frame::data)))
    }
}

const CHUNK_BYTES: u64 = 64 * 1024;
const CHUNKS_AHEAD: usize = 4;
/// Time that a reader may take no byte.
const STALL_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_the_rfc() {
        assert_eq!(parse_range("bytes=0-9", 100), Wanted::Part(0, 9));
        assert_eq!(parse_range("bytes=90-", 100), Wanted::Part(90, 99));
        assert_eq!(parse_range("bytes=-10", 100), Wanted::Part(90, 99));
        assert_eq!(parse_range("bytes=0-999", 100), Wanted::Part(0, 99));
        assert_eq!(parse_range("bytes=100-", 100), Wanted::Nothing);
        assert_eq!(parse_range("bytes=-0", 100), Wanted::Nothing);
        assert_eq!(parse_range("bytes=9-0", 100), Wanted::Whole);
        assert_eq!(parse_range("bytes=0-1,5-6", 100), Wanted::Whole);
        assert_eq!(parse_range("lines=1-2", 100), Wanted::Whole);
    }
}
