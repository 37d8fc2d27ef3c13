//! AES-256-GCM over a stream (NIST SP 800-38D), in pieces of any length. Pure.
//!
//! aws-lc-rs seals a message only as a whole, and a recording may have 2 GiB. GCM is counter mode and a hash
//! over its output, and both can be had piece by piece: the counter mode of aws-lc-rs, and the hash of `ghash`.
//! The tests compare with the whole-message form of aws-lc-rs.

use aws_lc_rs::cipher::{AES_256, EncryptionContext, StreamingEncryptingKey, UnboundCipherKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::iv::FixedLength;
use ghash::GHash;
use ghash::universal_hash::UniversalHash as _;

pub(super) const KEY_BYTES: usize = 32;
pub(super) const IV_BYTES: usize = 12;
pub(super) const TAG_BYTES: usize = 16;
const BLOCK_BYTES: usize = 16;

/// One message that is being sealed. A key seals one message only.
pub(super) struct Sealing {
    counter: StreamingEncryptingKey,
    hash: GHash,
    /// Ciphertext of a block that is not complete.
    rest: Vec<u8>,
    bytes: u64,
    /// The first block of the counter, which covers the tag.
    mask: [u8; BLOCK_BYTES],
}

impl Sealing {
    pub(super) fn new(key: &[u8; KEY_BYTES], iv: &[u8; IV_BYTES]) -> Result<Self, Unspecified> {
        let hash_key = block_of(&mut counter(key, [0; BLOCK_BYTES])?)?;
        let mut first = [0; BLOCK_BYTES];
        for (place, byte) in first.iter_mut().zip(iv.iter().chain(&[0, 0, 0, 1])) {
            *place = *byte;
        }
        // The counter counts through all 128 bits and GCM through the last 32; a message that made a
        // difference would have 64 GiB.
        let mut counter = counter(key, first)?;
        let mask = block_of(&mut counter)?;
        let hash = GHash::new(&hash_key.into());
        Ok(Self { counter, hash, rest: Vec::with_capacity(BLOCK_BYTES), bytes: 0, mask })
    }

    /// The ciphertext of the next bytes, of equal length.
    pub(super) fn seal(&mut self, piece: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let mut sealed = vec![0; piece.len() + BLOCK_BYTES];
        let written = self.counter.less_safe_update(piece, &mut sealed)?.written().len();
        debug_assert_eq!(written, piece.len(), "counter mode keeps no byte back");
        sealed.truncate(written);
        self.bytes += written as u64;
        self.add(&sealed);
        Ok(sealed)
    }

    /// The tag, which follows the ciphertext.
    pub(super) fn finish(mut self) -> [u8; TAG_BYTES] {
        self.hash.update_padded(&self.rest);
        let mut lengths = [0; BLOCK_BYTES];
        // No additional data; the length of the ciphertext in bits.
        for (place, byte) in lengths.iter_mut().skip(8).zip((self.bytes * 8).to_be_bytes()) {
            *place = byte;
        }
        self.hash.update_padded(&lengths);
        let mut tag = self.mask;
        tag.iter_mut().zip(self.hash.finalize()).for_each(|(place, byte)| *place ^= byte);
        tag
    }

    fn add(&mut self, sealed: &[u8]) {
        let missing = if self.rest.is_empty() { 0 } else { BLOCK_BYTES - self.rest.len() };
        let (head, body) = sealed.split_at(missing.min(sealed.len()));
        self.rest.extend_from_slice(head);
        if self.rest.len() == BLOCK_BYTES {
            self.hash.update_padded(&self.rest);
            self.rest.clear();
        }
        let whole = body.len() / BLOCK_BYTES * BLOCK_BYTES;
        let (whole, tail) = body.split_at(whole);
        self.hash.update_padded(whole);
        self.rest.extend_from_slice(tail);
    }
}

fn counter(
    key: &[u8; KEY_BYTES],
    first: [u8; BLOCK_BYTES],
) -> Result<StreamingEncryptingKey, Unspecified> {
    let key = UnboundCipherKey::new(&AES_256, key)?;
    StreamingEncryptingKey::less_safe_ctr(key, EncryptionContext::Iv128(FixedLength::from(first)))
}

/// The next block of the key stream.
fn block_of(counter: &mut StreamingEncryptingKey) -> Result<[u8; BLOCK_BYTES], Unspecified> {
    let mut block = [0; BLOCK_BYTES];
    counter.less_safe_update(&[0; BLOCK_BYTES], &mut block)?;
    Ok(block)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

    use super::*;

    fn whole(key: &[u8; 32], iv: [u8; 12], message: &[u8]) -> Vec<u8> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
        let mut sealed = message.to_vec();
        let nonce = Nonce::assume_unique_for_key(iv);
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed).unwrap();
        sealed
    }

    #[test]
    fn pieces_of_any_length_give_what_the_whole_message_gives() {
        let (key, iv) = ([0xA5; 32], [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8]);
        let message: Vec<u8> = (0..70_001_u32).map(|at| ((at * 31) >> 3) as u8).collect();
        for (bytes, piece) in
            [(0, 1), (1, 1), (15, 4), (16, 16), (47, 5), (4_096, 64), (70_001, 977)]
        {
            let message = &message[..bytes];
            let mut sealing = Sealing::new(&key, &iv).unwrap();
            let mut sealed = Vec::new();
            for piece in message.chunks(piece) {
                sealed.extend(sealing.seal(piece).unwrap());
            }
            sealed.extend(sealing.finish());
            assert_eq!(sealed, whole(&key, iv, message), "{bytes} bytes by {piece}");
        }
    }
}
