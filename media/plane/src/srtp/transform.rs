//! Session keys from a master key, cipher and tag (RFC 3711 §4). Sans-IO.

use aes::Aes128Enc;
use aes::cipher::{InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use shared::SrtpMaster;

use super::SrtpError;

/// The session keys of RTP or of RTCP in one direction.
#[derive(Clone, Debug)]
pub(super) struct Transform {
    cipher: Aes128Enc,
    /// Its two inner states are computed once: a packet pays for its own bytes only.
    auth: Hmac<Sha1>,
    /// Session salt, above 16 bits of block counter.
    salt: u128,
}

impl Transform {
    /// Derives the keys of three labels (cipher, authentication, salt) at a derivation rate of 0.
    pub fn derive(master: &SrtpMaster, labels: [u8; 3]) -> Self {
        let [cipher, auth, salt] = labels;
        let (mut key, mut auth_key, mut salt_bytes) = ([0; 16], [0; 20], [0; 16]);
        fill(master, cipher, &mut key);
        fill(master, auth, &mut auth_key);
        fill(master, salt, &mut salt_bytes[..SALT_BYTES]);
        Self {
            cipher: Aes128Enc::new(&key.into()),
            // HMAC takes keys of any length.
            auth: <Hmac<Sha1> as KeyInit>::new_from_slice(&auth_key).expect("any length"),
            salt: u128::from_be_bytes(salt_bytes),
        }
    }

    /// Encrypts or decrypts in place: the same operation (§4.1.1).
    #[inline]
    pub fn cipher(&self, ssrc: u32, index: u64, bytes: &mut [u8]) {
        let iv = self.salt ^ u128::from(ssrc) << 64 ^ u128::from(index) << 16;
        apply(&self.cipher, iv, bytes);
    }

    /// Writes the leftmost bytes of the HMAC over all parts.
    #[inline]
    pub fn tag(&self, parts: &[&[u8]], tag: &mut [u8]) {
        let whole = self.mac(parts).finalize().into_bytes();
        tag.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    }

    /// Compares the leftmost bytes, in constant time.
    #[inline]
    pub fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> Result<(), SrtpError> {
        self.mac(parts).verify_truncated_left(tag).map_err(|_| SrtpError::Unauthentic)
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha1> {
        let mut mac = self.auth.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac
    }
}

/// Key derivation (§4.3.3): the key stream of the master key at the label.
fn fill(master: &SrtpMaster, label: u8, out: &mut [u8]) {
    let (key, salt) = master.expose().split_at(16);
    let mut bytes = [0; 16];
    bytes[..SALT_BYTES].copy_from_slice(salt);
    bytes[7] ^= label;
    let cipher = Aes128Enc::new_from_slice(key).expect("16 bytes");
    out.fill(0);
    apply(&cipher, u128::from_be_bytes(bytes), out);
}

#[inline]
fn apply(cipher: &Aes128Enc, iv: u128, bytes: &mut [u8]) {
    let core = CtrCore::<&Aes128Enc, Ctr128BE>::inner_iv_init(cipher, &iv.to_be_bytes().into());
    StreamCipherCoreWrapper::from_core(core).apply_keystream(bytes);
}

const SALT_BYTES: usize = 14;

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let byte =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    /// RFC 3711 appendix B.2.
    #[test]
    fn the_key_stream_is_that_of_the_rfc() {
        let key: [u8; 16] = hex("2B7E151628AED2A6ABF7158809CF4F3C").try_into().unwrap();
        let cipher = Aes128Enc::new(&key.into());
        let stream = |counter: u128, blocks: usize| {
            let mut bytes = vec![0; blocks * 16];
            apply(&cipher, 0xF0F1_F2F3_F4F5_F6F7_F8F9_FAFB_FCFD_0000 + counter, &mut bytes);
            bytes
        };
        let first = "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB \
                     41E95B3BB0A2E8DD477901E4FCA894C0";
        assert_eq!(stream(0, 3), hex(first));
        let last = "EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE \
                    6A2CC3787889374FBEB4C81B17BA6C44";
        assert_eq!(stream(0xFEFF, 3), hex(last));
        assert_eq!(stream(0, 0xFF02)[0xFEFF * 16..], hex(last));
    }

    /// RFC 3711 appendix B.3.
    #[test]
    fn session_keys_are_those_of_the_rfc() {
        let master = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
        let master = SrtpMaster::new(master.try_into().unwrap());
        let derived = |label, len| {
            let mut out = vec![0xAA; len];
            fill(&master, label, &mut out);
            out
        };
        assert_eq!(derived(0, 16), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(derived(2, 14), hex("30CBBC08863D8C85D49DB34A9AE1"));
        let auth = "CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE \
                    E049646C43D9327AD175578EF7227098 6371C10C9A369AC2F94A8C5FBCDDDC25 \
                    6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2";
        assert_eq!(derived(1, 94), hex(auth));
    }
}
