//! Mutates a sample into something that a hostile peer might send. Uses only the given generator.

use std::ops::Range;

use crate::rng::Rng;

/// One sample after a few edits.
pub fn changed(rng: &mut Rng, samples: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut bytes = pick(rng, samples).cloned().unwrap_or_default();
    for _ in 0..1 + rng.below(EDITS_MAX) {
        edit(rng, &mut bytes, samples, words);
        bytes.truncate(INPUT_BYTES_MAX);
    }
    bytes
}

fn edit(rng: &mut Rng, bytes: &mut Vec<u8>, samples: &[Vec<u8>], words: &[&str]) {
    match rng.below(11) {
        0 => flip_bit(rng, bytes),
        1 => replace_byte(rng, bytes),
        2 => {
            let range = short_range(rng, bytes);
            bytes.drain(range);
        }
        3 | 4 => {
            let word = pick(rng, words).copied().unwrap_or("\0");
            insert(rng, bytes, word.as_bytes());
        }
        5 => replace_range_by_word(rng, bytes, words),
        6 => splice(rng, bytes, samples),
        7 => change_number(rng, bytes),
        8 => change_length(rng, bytes),
        9 => repeat_range(rng, bytes),
        _ => bytes.truncate(place(rng, bytes)),
    }
}

fn flip_bit(rng: &mut Rng, bytes: &mut [u8]) {
    let at = place(rng, bytes);
    let bit = rng.below(8);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << bit;
    }
}

fn replace_byte(rng: &mut Rng, bytes: &mut [u8]) {
    let at = place(rng, bytes);
    let random = (rng.number() & 0xFF) as u8;
    let new = pick(rng, BYTES).copied().filter(|_| random & 1 == 0).unwrap_or(random);
    if let Some(byte) = bytes.get_mut(at) {
        *byte = new;
    }
}

fn replace_range_by_word(rng: &mut Rng, bytes: &mut Vec<u8>, words: &[&str]) {
    let word = pick(rng, words).copied().unwrap_or(" ");
    let range = short_range(rng, bytes);
    bytes.splice(range, word.bytes());
}

/// Goes on with the end of another sample.
fn splice(rng: &mut Rng, bytes: &mut Vec<u8>, samples: &[Vec<u8>]) {
    let Some(other) = pick(rng, samples) else { return };
    bytes.truncate(place(rng, bytes));
    bytes.extend_from_slice(other.get(place(rng, other)..).unwrap_or_default());
}

/// Replaces a run of digits by a number at the edge of some type.
fn change_number(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let from = place(rng, bytes);
    let digits = |bytes: &[u8], at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let Some(start) = (from..bytes.len()).find(|&at| digits(bytes, at)) else { return };
    let end = (start..bytes.len()).find(|&at| !digits(bytes, at)).unwrap_or(bytes.len());
    let number = pick(rng, NUMBERS).copied().unwrap_or("0");
    bytes.splice(start..end, number.bytes());
}

/// Writes a 16-bit number over two bytes: lengths of binary formats.
fn change_length(rng: &mut Rng, bytes: &mut [u8]) {
    let at = place(rng, bytes);
    let length = pick(rng, &[0_u16, 1, 2, 4, 160, 255, 256, 1_500, 0x7FFF, 0xFFFF]).copied();
    let length = length.unwrap_or_default().to_be_bytes();
    if let Some(two) = bytes.get_mut(at..at + 2) {
        two.copy_from_slice(&length);
    }
}

/// Many of one thing: headers, elements, brackets.
fn repeat_range(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let range = short_range(rng, bytes);
    let part = bytes.get(range.clone()).unwrap_or_default().to_vec();
    let times = if rng.permille(100) { 1 + rng.below(600) } else { 1 + rng.below(4) };
    let room = INPUT_BYTES_MAX.saturating_sub(bytes.len()) / part.len().max(1);
    let copies = part.repeat(room.min(usize::try_from(times).unwrap_or(1)));
    bytes.splice(range.end..range.end, copies);
}

fn insert(rng: &mut Rng, bytes: &mut Vec<u8>, word: &[u8]) {
    let at = place(rng, bytes);
    bytes.splice(at..at, word.iter().copied());
}

/// A place from the start to behind the last byte.
fn place(rng: &mut Rng, bytes: &[u8]) -> usize {
    below(rng, bytes.len() + 1)
}

fn short_range(rng: &mut Rng, bytes: &[u8]) -> Range<usize> {
    let start = place(rng, bytes);
    let longest = if rng.permille(200) { bytes.len() } else { 24 };
    let end = start + below(rng, longest + 1);
    start..end.min(bytes.len())
}

fn pick<'a, T>(rng: &mut Rng, list: &'a [T]) -> Option<&'a T> {
    list.get(below(rng, list.len()))
}

fn below(rng: &mut Rng, bound: usize) -> usize {
    rng.below(bound as u64) as usize
}

const EDITS_MAX: u64 = 8;

/// A little past the longest message of any reader.
const INPUT_BYTES_MAX: usize = 70_000;

/// Bytes with a meaning somewhere.
const BYTES: &[u8] = b"\0\t\n\r \"#%&'()*+,-./0:;<=>?@[\\]^{|}\x7F\x80\xC3\xFF";

/// The edges of number types, as text.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "00",
    "007",
    "255",
    "256",
    "32767",
    "65535",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999999999999999",
    "-1",
    "1e9",
    "0x10",
];
