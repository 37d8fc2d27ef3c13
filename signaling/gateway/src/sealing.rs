//! Seals secrets that must be readable again: AES-256-GCM with the key of the data folder. Shell.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use store::{SealError, Sealer};

/// A key that seals; made from `<data_dir>/key`.
///
/// A sealed value is one byte of version, 12 bytes of nonce, the text and a 16-byte tag
/// (NIST SP 800-38D). Nonces are random: at 96 bits a store may seal 2^32 values before the odds matter.
pub struct KeyFileSealer {
    key: LessSafeKey,
}

impl KeyFileSealer {
    /// A sealer with the key of a data folder.
    pub fn new(key: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes any 32 bytes");
        Self { key: LessSafeKey::new(key) }
    }
}

impl Sealer for KeyFileSealer {
    fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| SealError)?;
        let mut text = plain.to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                &mut text,
            )
            .map_err(|_| SealError)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&text);
        Ok(sealed)
    }

    fn unseal(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let rest = sealed.strip_prefix(&[VERSION]).ok_or(SealError)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError)?;
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain =
            self.key.open_in_place(nonce, Aad::from(context), &mut text).map_err(|_| SealError)?;
        Ok(plain.to_vec())
    }
}

/// The first byte of a sealed value. Another layout gets the next number.
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_only_with_its_key_and_context() {
        let sealer = KeyFileSealer::new(&[1; 32]);
        let sealed = sealer.seal(b"account/1", b"token").expect("sealed");
        assert_eq!(sealer.unseal(b"account/1", &sealed).as_deref(), Ok(&b"token"[..]));
        assert!(sealer.unseal(b"account/2", &sealed).is_err());
        assert!(KeyFileSealer::new(&[2; 32]).unseal(b"account/1", &sealed).is_err());
    }

    #[test]
    fn changed_or_short_bytes_are_refused() {
        let sealer = KeyFileSealer::new(&[1; 32]);
        let sealed = sealer.seal(b"", b"token").expect("sealed");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.unseal(b"", &changed).is_err(), "byte {at}");
            assert!(sealer.unseal(b"", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_secret_never_seals_to_the_same_bytes_twice() {
        let sealer = KeyFileSealer::new(&[1; 32]);
        assert_ne!(
            sealer.seal(b"", b"x").expect("sealed"),
            sealer.seal(b"", b"x").expect("sealed")
        );
    }
}
