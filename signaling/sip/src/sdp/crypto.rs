//! `a=crypto` lines: SRTP keys in SDP (RFC 4568). Sans-IO, total over any text.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use shared::{SrtpKey, SrtpMaster, SrtpSuite};

use super::MediaDescription;

/// A supported `a=crypto` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crypto {
    /// Tag of the line; the answer repeats the tag of the one it chooses.
    pub tag: u32,
    /// The suite, and the key of the side that wrote the line.
    pub key: SrtpKey,
}

impl Crypto {
    /// Reads what follows `a=crypto:`. `None` for an unsupported line: an unknown suite, several
    /// keys, a master key identifier, or session parameters that reduce the protection.
    pub fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next().and_then(read_tag)?;
        let suite = words.next().and_then(SrtpSuite::from_name)?;
        let master = words.next().and_then(read_key)?;
        let parameters_serve = words.all(may_be_read_past);
        parameters_serve.then_some(Self { tag, key: SrtpKey { suite, master } })
    }

    /// The value of our own `a=crypto:` line.
    pub fn write(&self) -> String {
        let key = STANDARD.encode(self.key.master.expose());
        format!("{} {} inline:{key}", self.tag, self.key.suite.name())
    }
}

impl MediaDescription {
    /// Its supported `a=crypto` lines, in order.
    pub fn cryptos(&self) -> impl Iterator<Item = Crypto> {
        let lines = self.attributes.iter().filter(|line| line.name.eq_ignore_ascii_case("crypto"));
        lines.filter_map(|line| Crypto::parse(line.value.as_deref()?))
    }
}

/// At most nine digits (RFC 4568 §9.2).
fn read_tag(word: &str) -> Option<u32> {
    let is_tag = (1..=9).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit());
    if is_tag { word.parse().ok() } else { None }
}

/// `inline:` key and salt in base64, then at most a lifetime. A lifetime may be ignored: no call
/// lasts for 2³¹ packets. A key identifier would stand in every packet, which is not supported.
fn read_key(word: &str) -> Option<SrtpMaster> {
    let (method, rest) = word.split_once(':')?;
    if !method.eq_ignore_ascii_case("inline") {
        return None;
    }
    let mut parts = rest.split('|');
    let encoded = parts.next()?.trim_end_matches('=');
    let lifetime_alone = parts.next().is_none_or(is_lifetime) && parts.next().is_none();
    let bytes = STANDARD_NO_PAD.decode(encoded).ok()?;
    let master = bytes.try_into().ok().map(SrtpMaster::new)?;
    lifetime_alone.then_some(master)
}

/// `2^n` or a number; never 0.
fn is_lifetime(text: &str) -> bool {
    let digits = text.strip_prefix("2^").unwrap_or(text);
    digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.bytes().any(|byte| byte != b'0')
}

/// Session parameters without an effect on us: the peer's window, and extensions that are marked as
/// optional (RFC 4568 §6.3.6, §6.3.7).
fn may_be_read_past(parameter: &str) -> bool {
    parameter.starts_with('-') || parameter.to_ascii_uppercase().starts_with("WSH=")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 30 bytes of 0x41.
    const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB";

    fn reads(value: &str) -> Option<(u32, SrtpSuite)> {
        Crypto::parse(&value.replace("KEY", KEY)).map(|crypto| (crypto.tag, crypto.key.suite))
    }

    #[test]
    fn both_suites_are_read_and_written_back() {
        let long = SrtpSuite::AesCm128HmacSha1Tag80;
        assert_eq!(reads("1 AES_CM_128_HMAC_SHA1_80 inline:KEY"), Some((1, long)));
        assert_eq!(
            reads("4711  AES_CM_128_HMAC_SHA1_32 INLINE:KEY").map(|read| read.0),
            Some(4711)
        );
        let line = format!("9 AES_CM_128_HMAC_SHA1_80 inline:{KEY}");
        let crypto = Crypto::parse(&line).unwrap();
        assert_eq!((crypto.write(), crypto.key.master.expose()), (line, &[0x41; 30]));
    }

    #[test]
    fn a_lifetime_is_read_past() {
        for lifetime in ["|2^31", "|2^20", "|1048576"] {
            let line = format!("1 AES_CM_128_HMAC_SHA1_80 inline:KEY{lifetime}");
            assert!(reads(&line).is_some(), "{lifetime}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_served_is_left_out() {
        for line in [
            "",
            "1",
            "1 AES_CM_128_HMAC_SHA1_80",
            "x AES_CM_128_HMAC_SHA1_80 inline:KEY",
            "1234567890 AES_CM_128_HMAC_SHA1_80 inline:KEY",
            "1 AES_256_CM_HMAC_SHA1_80 inline:KEY",
            "1 F8_128_HMAC_SHA1_80 inline:KEY",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEYKEY",
            "1 AES_CM_128_HMAC_SHA1_80 inline:QUFB",
            "1 AES_CM_128_HMAC_SHA1_80 inline:****",
            "1 AES_CM_128_HMAC_SHA1_80 KEY",
            "1 AES_CM_128_HMAC_SHA1_80 uri:KEY",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY|1:4",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20|1:4",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY;inline:KEY",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY|0",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY UNENCRYPTED_SRTP",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY UNAUTHENTICATED_SRTP",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY KDR=1",
        ] {
            assert_eq!(reads(line), None, "{line}");
        }
        assert!(reads("1 AES_CM_128_HMAC_SHA1_80 inline:KEY WSH=64 -new").is_some());
    }
}
