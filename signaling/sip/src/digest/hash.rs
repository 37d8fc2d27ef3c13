//! The digest sums (RFC 7616 §3.4). Sans-IO.

use std::fmt::{self, Write as _};

use md5::Md5;
use sha2::{Digest, Sha256};

/// A hash algorithm of digest authentication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// Supported by every peer; also the meaning of an absent `algorithm`.
    #[default]
    Md5,
    /// SHA-256 (RFC 8760).
    Sha256,
}

impl Algorithm {
    /// The value of the `algorithm` parameter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// The algorithm of this name; `None` for the `-sess` forms and all others.
    pub fn parse(name: &[u8]) -> Option<Self> {
        [Self::Md5, Self::Sha256]
            .into_iter()
            .find(|algorithm| name.eq_ignore_ascii_case(algorithm.name().as_bytes()))
    }

    /// The hash of the parts, with a colon between them, in lower-case hexadecimal digits.
    pub fn hex_of(self, parts: &[&[u8]]) -> String {
        match self {
            Self::Md5 => hex(&joined::<Md5>(parts)),
            Self::Sha256 => hex(&joined::<Sha256>(parts)),
        }
    }
}

/// H(A1) = H(user:realm:password) as hexadecimal digits: the only form in which a password is
/// stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1 {
    algorithm: Algorithm,
    hex: String,
}

impl Ha1 {
    /// Computes the hash of a password.
    pub fn new(algorithm: Algorithm, user: &[u8], realm: &[u8], password: &[u8]) -> Self {
        Self { algorithm, hex: algorithm.hex_of(&[user, realm, password]) }
    }

    /// Reads a stored hash: 32 hexadecimal digits are MD5, 64 are SHA-256, in either case.
    pub fn from_hex(hex: &str) -> Option<Self> {
        let algorithm = match hex.len() {
            32 => Algorithm::Md5,
            64 => Algorithm::Sha256,
            _ => return None,
        };
        let is_hex = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| Self { algorithm, hex: hex.to_ascii_lowercase() })
    }

    /// The algorithm it was made with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hexadecimal digits, to be stored.
    pub fn as_hex(&self) -> &str {
        &self.hex
    }
}

impl fmt::Debug for Ha1 {
    /// Hides the hash, which opens the account as the password does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ha1").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// The input of a response besides H(A1).
#[derive(Clone, Copy, Debug)]
pub struct ResponseInput<'a> {
    /// The nonce as sent.
    pub nonce: &'a [u8],
    /// `nc` and `cnonce` of qop=auth; `None`: the form of RFC 2069.
    pub qop_auth: Option<(&'a [u8], &'a [u8])>,
    /// The request's method.
    pub method: &'a [u8],
    /// The `uri` parameter as sent.
    pub uri: &'a [u8],
}

/// The `response` value that the holder of H(A1) sends (RFC 7616 §3.4.1).
pub fn response(ha1: &Ha1, input: ResponseInput<'_>) -> String {
    let ha2 = ha1.algorithm.hex_of(&[input.method, input.uri]);
    let (ha1_hex, ha2) = (ha1.hex.as_bytes(), ha2.as_bytes());
    match input.qop_auth {
        Some((nc, cnonce)) => {
            ha1.algorithm.hex_of(&[ha1_hex, input.nonce, nc, cnonce, b"auth", ha2])
        }
        None => ha1.algorithm.hex_of(&[ha1_hex, input.nonce, ha2]),
    }
}

/// Compares in constant time.
pub fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |sum, (x, y)| sum | (x ^ y));
    a.len() == b.len() && std::hint::black_box(difference) == 0
}

fn joined<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    hash.finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 §3.9.1.
    #[test]
    fn the_rfc_example_gives_the_rfc_result() {
        let input = ResponseInput {
            nonce: b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            qop_auth: Some((b"00000001", b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")),
            method: b"GET",
            uri: b"/dir/index.html",
        };
        let ha1 =
            |algorithm| Ha1::new(algorithm, b"Mufasa", b"http-auth@example.org", b"Circle of Life");
        assert_eq!(response(&ha1(Algorithm::Md5), input), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            response(&ha1(Algorithm::Sha256), input),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn a_stored_hash_reads_back_and_others_do_not() {
        let ha1 = Ha1::new(Algorithm::Md5, b"alice", b"sip.test", b"Secret123456");
        assert_eq!(Ha1::from_hex(&ha1.as_hex().to_uppercase()), Some(ha1));
        assert_eq!(Ha1::from_hex("zz"), None);
        assert_eq!(Ha1::from_hex(&"g".repeat(32)), None);
    }

    #[test]
    fn comparison_sees_length_and_content() {
        assert!(equal_in_constant_time(b"abc", b"abc"));
        assert!(!equal_in_constant_time(b"abc", b"abd"));
        assert!(!equal_in_constant_time(b"abc", b"ab"));
    }
}
