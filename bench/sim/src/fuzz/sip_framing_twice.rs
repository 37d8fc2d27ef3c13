//! Differential: our framing of connections against a second, simple reader of `Content-Length`.

use sip::Frame;

use super::sip_stream_framing;

/// Both readers find the same messages as far as ours finds no fault.
pub fn check(stream: &[u8]) {
    let ours = sip_stream_framing::frames(stream, &[u8::MAX]);
    let failed = ours.iter().any(Result::is_err);
    let ours: Vec<Vec<u8>> = ours
        .into_iter()
        .take_while(Result::is_ok)
        .filter_map(|frame| match frame {
            Ok(Frame::Message(message)) => Some(message),
            Ok(Frame::Ping | Frame::Pong) | Err(_) => None,
        })
        .collect();
    let mut simple = simple_frames(stream);
    if failed {
        simple.truncate(ours.len());
    }
    assert_eq!(ours, simple);
}

/// Reads lines, remembers a `Content-Length`, takes that number of bytes; in doubt it stops.
fn simple_frames(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut at = 0;
    while let Some(length) = simple_frame(&stream[skip_breaks(stream, &mut at)..]) {
        frames.push(stream[at..at + length].to_vec());
        at += length;
    }
    frames
}

fn skip_breaks(stream: &[u8], at: &mut usize) -> usize {
    while matches!(stream.get(*at), Some(b'\r' | b'\n')) {
        *at += 1;
    }
    *at
}

/// Bytes of the message at the start, if it is whole and its length is certain.
fn simple_frame(stream: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut headers: Vec<Vec<u8>> = Vec::new();
    loop {
        let end = at + stream[at..].iter().position(|&byte| byte == b'\n')?;
        let line = stream[at..end].strip_suffix(b"\r").unwrap_or(&stream[at..end]);
        at = end + 1;
        match line {
            [] => break,
            [b' ' | b'\t', ..] if headers.len() > 1 => headers.last_mut()?.extend_from_slice(line),
            _ => headers.push(line.to_vec()),
        }
    }
    let total = at.checked_add(content_length(headers.get(1..)?)?)?;
    (total <= stream.len()).then_some(total)
}

fn content_length(headers: &[Vec<u8>]) -> Option<usize> {
    let mut found = None;
    for header in headers {
        let Some(colon) = header.iter().position(|&byte| byte == b':') else { continue };
        let name = header[..colon].trim_ascii_end().to_ascii_lowercase();
        if name != b"l" && name != b"content-length" {
            continue;
        }
        let value = std::str::from_utf8(header[colon + 1..].trim_ascii()).ok()?;
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let length = value.parse().ok().filter(|_| digits)?;
        if found.is_some_and(|before| before != length) {
            return None;
        }
        found = Some(length);
    }
    found
}
