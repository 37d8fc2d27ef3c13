//! Keys of SRTP as signaling hands them to a media core (RFC 3711, RFC 4568). Never printed.

/// A crypto suite of RFC 4568 §6.2. Both encrypt with AES-128 in counter mode and authenticate with
/// HMAC-SHA1; they differ only in the length of the authentication tag of RTP packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpSuite {
    /// `AES_CM_128_HMAC_SHA1_80`: the one we offer.
    AesCm128HmacSha1Tag80,
    /// `AES_CM_128_HMAC_SHA1_32`: accepted in offers. RTCP keeps the tag of 80 bits.
    AesCm128HmacSha1Tag32,
}

impl SrtpSuite {
    /// The name in `a=crypto` lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1Tag32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// The suite with this name, in any case (RFC 4568 §9.2: ABNF strings ignore case).
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::AesCm128HmacSha1Tag80, Self::AesCm128HmacSha1Tag32]
            .into_iter()
            .find(|suite| suite.name().eq_ignore_ascii_case(name))
    }

    /// Bytes of the authentication tag of an RTP packet.
    pub const fn tag_bytes(self) -> usize {
        match self {
            Self::AesCm128HmacSha1Tag80 => 10,
            Self::AesCm128HmacSha1Tag32 => 4,
        }
    }
}

/// Bytes of a master key: 16 of key, then 14 of salt (RFC 4568 §6.1).
pub const SRTP_MASTER_BYTES: usize = 30;

/// Master key and master salt of one direction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SrtpMaster([u8; SRTP_MASTER_BYTES]);

impl SrtpMaster {
    /// Makes a master from 16 bytes of key followed by 14 bytes of salt. Ours are random.
    pub const fn new(key_and_salt: [u8; SRTP_MASTER_BYTES]) -> Self {
        Self(key_and_salt)
    }

    /// Key and salt: for the cipher and for the `inline:` of our own `a=crypto` line only.
    pub const fn expose(&self) -> &[u8; SRTP_MASTER_BYTES] {
        &self.0
    }
}

impl std::fmt::Debug for SrtpMaster {
    /// Never the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SrtpMaster(…)")
    }
}

/// Protection of the packets of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SrtpKey {
    /// Cipher and tag length.
    pub suite: SrtpSuite,
    /// Master key and salt.
    pub master: SrtpMaster,
}

/// Protection of a leg's packets, RTP and RTCP, one key a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SrtpKeys {
    /// Our key, for packets that we send.
    pub send: SrtpKey,
    /// The peer's key, for packets that we receive.
    pub receive: SrtpKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_printed() {
        let master = SrtpMaster::new([0x41; SRTP_MASTER_BYTES]);
        let key = SrtpKey { suite: SrtpSuite::AesCm128HmacSha1Tag80, master };
        let printed = format!("{:?}", SrtpKeys { send: key, receive: key });
        assert!(!printed.contains("65") && !printed.contains("41"), "{printed}");
    }

    #[test]
    fn suites_are_found_by_name_and_others_are_not() {
        let short = SrtpSuite::from_name("aes_cm_128_hmac_sha1_32");
        assert_eq!(short.map(SrtpSuite::tag_bytes), Some(4));
        assert_eq!(SrtpSuite::from_name("AES_CM_128_HMAC_SHA1_8"), None);
        assert_eq!(SrtpSuite::from_name("AES_256_CM_HMAC_SHA1_80"), None);
    }
}
