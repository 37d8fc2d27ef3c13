//! The protocol between the gateway and its speech worker: frames with a length. Pure.
//!
//! Down: `u32` length, `u8` language, markup in UTF-8. Up, once: [`READY`]; then for each request frames of
//! `u32` length, `u8` kind, and samples (`i16`, 8,000 Hz), nothing or a sentence. Samples come while they are made, in
//! any number of frames; the end or a failure is the last frame. Numbers are little-endian.

use crate::language::Language;
use crate::markup::MARKUP_BYTES_MAX;

/// The first bytes of a worker. Bytes before them come from the start of the process and are skipped.
pub(crate) const READY: &[u8; 16] = b"\0sidetone-speech";
/// Bytes skipped in search of [`READY`]. Past it the worker is killed.
pub(crate) const NOISE_BYTES_MAX: usize = 64 * 1024;
/// Longest speech of one request. Past it the request fails.
pub(crate) const SPEECH_S_MAX: usize = 1_800;
/// Bytes of a request after its length.
pub(crate) const REQUEST_BYTES_MAX: usize = 1 + MARKUP_BYTES_MAX;
/// Samples of one frame: a second.
pub(crate) const PIECE_SAMPLES_MAX: usize = 8_000;
/// Bytes of the samples of one request.
pub(crate) const SPEECH_BYTES_MAX: u64 = SPEECH_S_MAX as u64 * 8_000 * 2;
/// Bytes of the body of a frame.
pub(crate) const BODY_BYTES_MAX: usize = PIECE_SAMPLES_MAX * 2;

/// The kind of a frame with samples.
const KIND_SAMPLES: u8 = 0;
/// The kind of the frame behind the last samples.
const KIND_END: u8 = 1;
/// The kind of the frame with the sentence of a failure.
const KIND_FAILURE: u8 = 2;

/// A request for speech.
pub(crate) fn request(language: Language, markup: &str) -> Vec<u8> {
    let number = Language::ALL.iter().position(|one| *one == language).unwrap_or(0);
    framed(u8::try_from(number).unwrap_or(0), markup.as_bytes())
}

/// Parses a request without its length.
pub(crate) fn parse_request(bytes: &[u8]) -> Option<(Language, &str)> {
    let (number, text) = bytes.split_first()?;
    let language = *Language::ALL.get(usize::from(*number))?;
    Some((language, std::str::from_utf8(text).ok()?))
}

/// A frame of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The next samples, little-endian.
    Samples(Vec<u8>),
    /// All samples came.
    End,
    /// The text cannot be spoken, or not to its end.
    Failure(String),
}

impl Answer {
    /// The next samples, at most [`PIECE_SAMPLES_MAX`].
    pub fn samples(samples: &[i16]) -> Self {
        Self::Samples(samples.iter().flat_map(|sample| sample.to_le_bytes()).collect())
    }

    /// The frame of it. A sentence that is too long for one loses its end.
    pub fn framed(&self) -> Vec<u8> {
        match self {
            Self::Samples(bytes) => framed(KIND_SAMPLES, bytes),
            Self::End => framed(KIND_END, &[]),
            Self::Failure(sentence) => {
                let end = sentence.floor_char_boundary(BODY_BYTES_MAX);
                framed(KIND_FAILURE, &sentence.as_bytes()[..end])
            }
        }
    }

    /// Reads length and kind; the kind and the bytes of the body. `None`: no frame begins like that.
    pub fn head(bytes: [u8; HEAD_BYTES]) -> Option<(u8, usize)> {
        let [length @ .., kind] = bytes;
        let body = (u32::from_le_bytes(length) as usize).checked_sub(1)?;
        (body <= BODY_BYTES_MAX).then_some((kind, body))
    }

    /// The answer of a kind and a body.
    pub fn parse(kind: u8, body: Vec<u8>) -> Option<Self> {
        match kind {
            KIND_SAMPLES => Some(Self::Samples(body)),
            KIND_END => body.is_empty().then_some(Self::End),
            KIND_FAILURE => Some(Self::Failure(String::from_utf8_lossy(&body).into_owned())),
            _ => None,
        }
    }
}

/// Bytes of length and kind.
pub(crate) const HEAD_BYTES: usize = 5;

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 1).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(body.len() + 5);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.push(kind);
    bytes.extend_from_slice(body);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_read_back_and_answers_have_length_kind_and_body() {
        let bytes = request(Language::Italian, "però");
        assert_eq!(bytes[..4], u32::try_from(bytes.len() - 4).unwrap().to_le_bytes());
        assert_eq!(parse_request(&bytes[4..]), Some((Language::Italian, "però")));
        let samples = [5, 0, 0, 0, KIND_SAMPLES, 1, 0, 0xFE, 0xFF];
        assert_eq!(Answer::samples(&[1, -2]).framed(), samples);
        assert_eq!(Answer::End.framed(), [1, 0, 0, 0, KIND_END]);
        let failure = Answer::Failure("no".to_owned());
        assert_eq!(failure.framed(), [3, 0, 0, 0, KIND_FAILURE, b'n', b'o']);
        for answer in [Answer::samples(&[7; PIECE_SAMPLES_MAX]), Answer::End, failure] {
            assert_eq!(read_back(&answer.framed()), Some(answer));
        }
        let long = Answer::Failure("é".repeat(BODY_BYTES_MAX)).framed();
        assert!(matches!(read_back(&long), Some(Answer::Failure(cut)) if cut.ends_with('é')));
    }

    fn read_back(bytes: &[u8]) -> Option<Answer> {
        let (head, body) = bytes.split_first_chunk()?;
        let (kind, length) = Answer::head(*head)?;
        assert_eq!(length, body.len());
        Answer::parse(kind, body.to_vec())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = parse_request(&bytes);
            if let Some((head, body)) = bytes.split_first_chunk()
                && let Some((kind, length)) = Answer::head(*head)
            {
                prop_assert!(length <= BODY_BYTES_MAX);
                let _ = Answer::parse(kind, body.to_vec());
            }
        }
    }
}
