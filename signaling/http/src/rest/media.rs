//! The audio of a recording, streamed from its file as 16-bit PCM: whole or a range, in two channels or
//! mixed into one; or as the MP3 that was made of it. Shell.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use api::Permit;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Frame};
use recorder::{HEADER_BYTES, RecordedAudio, header as wav_header};
use tokio::sync::mpsc;

use crate::body::Body;

/// The answer to a request for audio.
pub(super) enum Answer {
    /// The audio, or the requested part of it.
    Sent(Response<Body>),
    /// The file does not exist.
    Missing,
    /// The requested range begins after the last byte.
    PastTheEnd {
        /// Bytes of the whole file.
        bytes: u64,
    },
}

/// The file that is sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanting {
    /// A recording, in two channels or mixed into one.
    Wav {
        /// Two channels as recorded.
        two_channels: bool,
    },
    /// An MP3 as it is.
    Mp3,
}

/// Streams the file at `path`. Holds the permit until everything is read or the reader stops: a slow
/// reader occupies a place of its own account only.
pub(super) async fn respond(
    path: PathBuf,
    wanted: Wanting,
    range: Option<&HeaderValue>,
    permit: Permit,
) -> Answer {
    let opened = tokio::task::spawn_blocking(move || Source::open(&path, wanted)).await;
    let Ok(Ok(Some(audio))) = opened else { return Answer::Missing };
    let range = range.and_then(|value| value.to_str().ok());
    match range.map(|text| parse_range(text, audio.bytes())) {
        None | Some(Wanted::Whole) => Answer::Sent(stream(audio, None, permit)),
        Some(Wanted::Part(first, last)) => Answer::Sent(stream(audio, Some((first, last)), permit)),
        Some(Wanted::Nothing) => Answer::PastTheEnd { bytes: audio.bytes() },
    }
}

fn stream(audio: Source, part: Option<(u64, u64)>, permit: Permit) -> Response<Body> {
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

/// A recording as it is sent: 16-bit PCM, whatever its file keeps.
struct Audio(RecordedAudio);

/// A file as it is sent.
enum Source {
    Wav(Audio),
    /// An MP3 and its bytes.
    Mp3(File, u64),
}

impl Source {
    fn open(path: &Path, wanted: Wanting) -> io::Result<Option<Self>> {
        match wanted {
            Wanting::Wav { two_channels } => Ok(Audio::open(path, two_channels)?.map(Self::Wav)),
            Wanting::Mp3 => {
                let file = File::open(path)?;
                let bytes = file.metadata()?.len();
                Ok(Some(Self::Mp3(file, bytes)))
            }
        }
    }

    const fn content_type(&self) -> &'static str {
        match self {
            Self::Wav(_) => "audio/x-wav",
            Self::Mp3(..) => "audio/mpeg",
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Wav(audio) => audio.bytes(),
            Self::Mp3(_, bytes) => *bytes,
        }
    }

    fn send(&self, first: u64, count: u64, mut take: impl FnMut(io::Result<Bytes>) -> bool) {
        let (file, end) = match self {
            Self::Wav(audio) => return audio.send(first, count, take),
            Self::Mp3(file, _) => (file, first + count),
        };
        let mut at = first;
        while at < end {
            let mut chunk = vec![0; usize::try_from((end - at).min(CHUNK_BYTES)).unwrap_or(0)];
            let read = file.read_exact_at(&mut chunk, at);
            at += chunk.len() as u64;
            let is_over = read.is_err();
            if !take(read.map(|()| chunk.into())) || is_over {
                return;
            }
        }
    }
}

impl Audio {
    fn open(path: &Path, two_channels: bool) -> io::Result<Option<Self>> {
        Ok(RecordedAudio::open(path, two_channels)?.map(Self))
    }

    /// Bytes of one sample of each channel.
    fn block(&self) -> u64 {
        u64::from(self.0.channels()) * 2
    }

    /// Bytes of samples as sent.
    fn sent_data(&self) -> u64 {
        self.0.length() * self.block()
    }

    fn bytes(&self) -> u64 {
        HEADER_BYTES + self.sent_data()
    }

    /// Reads `count` bytes from `first` on and passes them to `take`. Ends early when `take` returns that
    /// the client is gone.
    fn send(&self, first: u64, count: u64, mut take: impl FnMut(io::Result<Bytes>) -> bool) {
        let head = wav_header(self.0.channels(), self.sent_data());
        let (mut at, end) = (first, first + count);
        while at < end {
            let chunk = if at < HEADER_BYTES {
                let from = usize::try_from(at).unwrap_or(usize::MAX);
                let to = usize::try_from(end.min(HEADER_BYTES)).unwrap_or(usize::MAX);
                Ok(head.get(from..to).unwrap_or_default().to_vec())
            } else {
                self.samples(at - HEADER_BYTES, (end - at).min(CHUNK_BYTES))
            };
            match chunk {
                Ok(bytes) if bytes.is_empty() => return,
                Ok(bytes) => {
                    at += bytes.len() as u64;
                    if !take(Ok(bytes.into())) {
                        return;
                    }
                }
                Err(error) => {
                    take(Err(error));
                    return;
                }
            }
        }
    }

    /// Up to `count` bytes of the sent samples, from `at` on.
    fn samples(&self, at: u64, count: u64) -> io::Result<Vec<u8>> {
        // Reads complete samples around the range, then cuts to the range.
        let block = self.block();
        let (from, to) = (at / block, (at + count).div_ceil(block));
        let samples = self.0.read(from, usize::try_from(to - from).unwrap_or(0))?;
        let bytes = samples.into_iter().flat_map(i16::to_le_bytes);
        let skip = usize::try_from(at - from * block).unwrap_or(0);
        Ok(bytes.skip(skip).take(usize::try_from(count).unwrap_or(0)).collect())
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

    fn file(channels: u16, samples: &[i16]) -> tempfile::NamedTempFile {
        use std::io::Write as _;
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        file.write_all(&wav_header(channels, data.len() as u64)).expect("written");
        file.write_all(&data).expect("written");
        file
    }

    fn sent(audio: &Audio, first: u64, count: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        audio.send(first, count, |chunk| {
            bytes.extend_from_slice(&chunk.expect("read"));
            true
        });
        bytes
    }

    #[test]
    fn two_channels_are_mixed_unless_asked_for() {
        let file = file(2, &[100, 20, i16::MAX, 1, -5, -6]);
        let both = Audio::open(file.path(), true).expect("read").expect("ours");
        assert_eq!(sent(&both, 0, both.bytes()), std::fs::read(file.path()).expect("read"));
        let mixed = Audio::open(file.path(), false).expect("read").expect("ours");
        let samples: Vec<u8> =
            [120_i16, i16::MAX, -11].iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let whole = sent(&mixed, 0, mixed.bytes());
        assert_eq!(whole[44..], samples);
        assert_eq!(whole[22..24], 1_u16.to_le_bytes());
        for (first, count) in [(43, 3), (45, 2), (44, 6), (47, 1)] {
            let range = first as usize..(first + count) as usize;
            assert_eq!(sent(&mixed, first, count), whole[range], "from {first}");
        }
    }

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
