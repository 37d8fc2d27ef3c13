//! Nonces that prove themselves, and the table of those in use. Sans-IO. A nonce holds its time and
//! a code under our key, so none has to be kept before its first correct use.

use std::collections::{HashMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use shared::limits::{NONCE_LIFE_S, NONCES_REMEMBERED_MAX};

use super::hash::equal_in_constant_time;

/// One of our nonces, verified by its code: its time and its random part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce {
    /// Milliseconds of the monotonic clock, so that setting the wall clock neither ages nor renews
    /// a nonce. The key belongs to the process, so no other process reads it.
    pub made_ms: u64,
    /// Makes two nonces of one millisecond differ.
    pub random: [u8; RANDOM_BYTES],
}

impl Nonce {
    /// Prints 6 bytes of time, 16 random bytes and a 14-byte code over both, the realm and the
    /// key: 48 characters of URL-safe base64.
    pub fn print(&self, key: &[u8; 32], realm: &str) -> String {
        let mut bytes = [0; NONCE_BYTES];
        let (time, rest) = bytes.split_at_mut(TIME_BYTES);
        let (random, code) = rest.split_at_mut(RANDOM_BYTES);
        time.copy_from_slice(&self.time());
        random.copy_from_slice(&self.random);
        code.copy_from_slice(&self.code(key, realm));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a nonce; `None` unless it was made with this key and realm.
    pub fn parse(text: &[u8], key: &[u8; 32], realm: &str) -> Option<Self> {
        let mut bytes = [0; NONCE_BYTES];
        let len = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        if len != NONCE_BYTES {
            return None;
        }
        let (time, rest) = bytes.split_at(TIME_BYTES);
        let (random, code) = rest.split_at(RANDOM_BYTES);
        let made_ms = time.iter().fold(0, |sum, &byte| (sum << 8) | u64::from(byte));
        let nonce = Self { made_ms, random: random.try_into().ok()? };
        equal_in_constant_time(&nonce.code(key, realm), code).then_some(nonce)
    }

    /// Whether it is still valid.
    pub fn is_fresh(&self, now_ms: u64) -> bool {
        now_ms.checked_sub(self.made_ms).is_some_and(|age_ms| age_ms < LIFE_MS)
    }

    fn time(&self) -> [u8; TIME_BYTES] {
        let [_, _, time @ ..] = self.made_ms.to_be_bytes();
        time
    }

    fn code(&self, key: &[u8; 32], realm: &str) -> [u8; CODE_BYTES] {
        // The key comes first and every part but the last has a fixed length; the cut to 14 of 32
        // bytes leaves no room for a length extension.
        let mut hash = Sha256::new();
        hash.update(key);
        hash.update(self.time());
        hash.update(self.random);
        hash.update(realm.as_bytes());
        let whole: [u8; 32] = hash.finalize().into();
        let mut code = [0; CODE_BYTES];
        code.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        code
    }
}

/// The counts used with each nonce, so that none is used twice (RFC 7616 §5.12).
///
/// Bounded: past the limit the oldest is forgotten, and from then on every nonce as old as that
/// one counts as stale unless it is in the table.
#[derive(Debug, Default)]
pub struct NonceCounts {
    last: HashMap<[u8; RANDOM_BYTES], u32>,
    order: VecDeque<Nonce>,
    forgotten_ms: Option<u64>,
}

/// The verdict on a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountVerdict {
    /// Higher than all before.
    Rising,
    /// Used before: a copy, or two clients with one nonce.
    Replayed,
    /// The nonce is older than the oldest that was forgotten.
    Forgotten,
}

impl NonceCounts {
    /// Notes `count` if it is higher than all before. Without qop a nonce can be used once only:
    /// the caller passes `u32::MAX`.
    pub fn take(&mut self, nonce: Nonce, count: u32, now_ms: u64) -> CountVerdict {
        self.forget_old(now_ms);
        if let Some(last) = self.last.get_mut(&nonce.random) {
            if count <= *last {
                return CountVerdict::Replayed;
            }
            *last = count;
            return CountVerdict::Rising;
        }
        if self.forgotten_ms.is_some_and(|forgotten| nonce.made_ms <= forgotten) {
            return CountVerdict::Forgotten;
        }
        if self.order.len() >= NONCES_REMEMBERED_MAX {
            self.forget_first();
        }
        self.last.insert(nonce.random, count);
        self.order.push_back(nonce);
        CountVerdict::Rising
    }

    /// Nonces in the table.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Removes expired nonces, which count as stale by their time alone. The table is in the order
    /// of first use, so some stay longer: at most two lifetimes.
    fn forget_old(&mut self, now_ms: u64) {
        while self.order.front().is_some_and(|nonce| !nonce.is_fresh(now_ms)) {
            if let Some(nonce) = self.order.pop_front() {
                self.last.remove(&nonce.random);
            }
        }
    }

    fn forget_first(&mut self) {
        if let Some(nonce) = self.order.pop_front() {
            self.last.remove(&nonce.random);
            let before = self.forgotten_ms.unwrap_or(0);
            self.forgotten_ms = Some(before.max(nonce.made_ms));
        }
    }
}

const TIME_BYTES: usize = 6;
const RANDOM_BYTES: usize = 16;
const CODE_BYTES: usize = 14;
const NONCE_BYTES: usize = TIME_BYTES + RANDOM_BYTES + CODE_BYTES;
const LIFE_MS: u64 = NONCE_LIFE_S * 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [3; 32];

    #[test]
    fn a_full_table_takes_no_more_than_the_start_up_sum_reckons() {
        let mut counts = NonceCounts::default();
        let mut most = 0;
        for number in 0..=NONCES_REMEMBERED_MAX as u64 {
            let before = bytes_of(&counts);
            let mut random = [0; RANDOM_BYTES];
            random[..8].copy_from_slice(&number.to_be_bytes());
            counts.take(Nonce { made_ms: 1, random }, 1, 1);
            // While a table doubles, its old half is there too.
            let after = bytes_of(&counts);
            most = most.max(if after > before { after + before / 2 } else { after });
        }
        assert_eq!(counts.len(), NONCES_REMEMBERED_MAX);
        let each = most / NONCES_REMEMBERED_MAX;
        assert!(each <= shared::limits::NONCE_BYTES, "{each} bytes each");
    }

    /// A bucket has a control byte, and one in eight stays free.
    fn bytes_of(counts: &NonceCounts) -> usize {
        let buckets = (counts.last.capacity() * 8 / 7).next_power_of_two();
        buckets * (size_of::<([u8; RANDOM_BYTES], u32)>() + 1)
            + counts.order.capacity() * size_of::<Nonce>()
    }

    fn nonce(made_ms: u64, seed: u8) -> Nonce {
        Nonce { made_ms, random: [seed; RANDOM_BYTES] }
    }

    #[test]
    fn a_nonce_proves_itself_and_a_changed_one_does_not() {
        let text = nonce(1_700_000_000_000, 1).print(&KEY, "sip.test");
        assert_eq!(text.len(), 48);
        assert_eq!(
            Nonce::parse(text.as_bytes(), &KEY, "sip.test"),
            Some(nonce(1_700_000_000_000, 1))
        );
        assert_eq!(Nonce::parse(text.as_bytes(), &KEY, "other"), None);
        assert_eq!(Nonce::parse(text.as_bytes(), &[4; 32], "sip.test"), None);
        assert_eq!(Nonce::parse(b"short", &KEY, "sip.test"), None);
        assert_eq!(Nonce::parse(&[b'A'; 90], &KEY, "sip.test"), None);
    }

    #[test]
    fn counts_must_rise_for_each_nonce() {
        let mut counts = NonceCounts::default();
        assert_eq!(counts.take(nonce(0, 1), 1, 0), CountVerdict::Rising);
        assert_eq!(counts.take(nonce(0, 1), 1, 0), CountVerdict::Replayed);
        assert_eq!(counts.take(nonce(0, 1), 3, 0), CountVerdict::Rising);
        assert_eq!(counts.take(nonce(0, 1), 2, 0), CountVerdict::Replayed);
        assert_eq!(counts.take(nonce(0, 2), 1, 0), CountVerdict::Rising);
    }

    #[test]
    fn the_table_forgets_what_time_has_made_stale() {
        let mut counts = NonceCounts::default();
        counts.take(nonce(0, 1), 1, 0);
        counts.take(nonce(400_000, 2), 1, 400_000);
        assert_eq!(counts.len(), 1);
    }

    #[test]
    fn a_forgotten_nonce_cannot_start_again() {
        let mut counts = NonceCounts::default();
        counts.take(nonce(5, 1), 1, 5);
        counts.forget_first();
        assert_eq!(counts.take(nonce(5, 1), 1, 5), CountVerdict::Forgotten);
        assert_eq!(counts.take(nonce(6, 2), 1, 6), CountVerdict::Rising);
    }
}
