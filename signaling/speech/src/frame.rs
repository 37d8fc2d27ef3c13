//! The protocol between the gateway and its speech worker: frames with a length. Pure.
//!
//! Down: `u32` length, `u8` language, markup in UTF-8. Up, once: [`READY`]; then for each request `u32`
//! length, `u8` kind, and samples (`i16`, 8,000 Hz) or a sentence. Numbers are little-endian.

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
/// Bytes of an answer after its length.
pub(crate) const ANSWER_BYTES_MAX: usize = 1 + SPEECH_S_MAX * 8_000 * 2;

/// Bytes of the sentence of a failure.
pub(crate) const FAILURE_BYTES_MAX: usize = 4 * 1024;

/// The kind of an answer with samples.
pub(crate) const KIND_SAMPLES: u8 = 0;
/// The kind of an answer with the sentence of a failure.
pub(crate) const KIND_FAILURE: u8 = 1;

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

/// The result of a request.
pub(crate) fn answer(result: &Result<Vec<i16>, String>) -> Vec<u8> {
    match result {
        Ok(samples) => {
            let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            framed(KIND_SAMPLES, &bytes)
        }
        Err(sentence) => framed(KIND_FAILURE, sentence.as_bytes()),
    }
}

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 1).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(body.len() + 5);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.push(kind);
    bytes.extend_from_slice(body);
    bytes
}

const _: () = assert!(ANSWER_BYTES_MAX < u32::MAX as usize);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_read_back_and_answers_have_length_kind_and_body() {
        let bytes = request(Language::Italian, "però");
        assert_eq!(bytes[..4], u32::try_from(bytes.len() - 4).unwrap().to_le_bytes());
        assert_eq!(parse_request(&bytes[4..]), Some((Language::Italian, "però")));
        assert_eq!(answer(&Ok(vec![1, -2])), [5, 0, 0, 0, KIND_SAMPLES, 1, 0, 0xFE, 0xFF]);
        assert_eq!(answer(&Err("no".to_owned())), [3, 0, 0, 0, KIND_FAILURE, b'n', b'o']);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = parse_request(&bytes);
        }
    }
}
