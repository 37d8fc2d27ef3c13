//! Methods and sequence numbers. Sans-IO.

use std::fmt;

use crate::text::{self, Text};

/// A request method. Case counts (RFC 3261 §7.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// INVITE (RFC 3261 §13).
    Invite,
    /// ACK (RFC 3261 §13, §17).
    Ack,
    /// BYE (RFC 3261 §15).
    Bye,
    /// CANCEL (RFC 3261 §9).
    Cancel,
    /// OPTIONS (RFC 3261 §11).
    Options,
    /// REGISTER (RFC 3261 §10).
    Register,
    /// REFER (RFC 3515)
    Refer,
    /// NOTIFY (RFC 6665)
    Notify,
    /// SUBSCRIBE (RFC 6665)
    Subscribe,
    /// INFO (RFC 6086)
    Info,
    /// UPDATE (RFC 3311)
    Update,
    /// PRACK (RFC 3262)
    Prack,
    /// MESSAGE (RFC 3428)
    Message,
    /// PUBLISH (RFC 3903)
    Publish,
    /// Any other token.
    Other(Text),
}

impl Method {
    /// Reads a method; `None` when it is not a token.
    pub fn parse(name: impl AsRef<[u8]>) -> Option<Self> {
        let name = name.as_ref();
        match KNOWN.iter().find(|(known, _)| known.as_bytes() == name) {
            Some((_, method)) => Some(method.clone()),
            None => Text::token(name).ok().map(Self::Other),
        }
    }

    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name.as_str().unwrap_or_default(),
            known => KNOWN.iter().find(|(_, method)| method == known).map_or("", |(name, _)| *name),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const KNOWN: [(&str, Method); 14] = [
    ("INVITE", Method::Invite),
    ("ACK", Method::Ack),
    ("BYE", Method::Bye),
    ("CANCEL", Method::Cancel),
    ("OPTIONS", Method::Options),
    ("REGISTER", Method::Register),
    ("REFER", Method::Refer),
    ("NOTIFY", Method::Notify),
    ("SUBSCRIBE", Method::Subscribe),
    ("INFO", Method::Info),
    ("UPDATE", Method::Update),
    ("PRACK", Method::Prack),
    ("MESSAGE", Method::Message),
    ("PUBLISH", Method::Publish),
];

/// `CSeq`: a number below 2³¹ and the method (RFC 3261 §8.1.1.5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// Sequence number of the request.
    pub number: u32,
    /// Must equal the method of the request.
    pub method: Method,
}

impl CSeq {
    /// Reads a value; `None` for anything but a number below 2³¹ and a method.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut scanner = crate::scan::Scanner::new(value);
        scanner.skip_space();
        let number = text::decimal(scanner.take_while(|byte| byte.is_ascii_digit()))?;
        let number = u32::try_from(number).ok().filter(|&number| number < 1 << 31)?;
        let spaced = matches!(scanner.peek(), Some(b' ' | b'\t'));
        scanner.skip_space();
        let method = Method::parse(scanner.token().filter(|_| spaced)?)?;
        scanner.skip_space();
        scanner.is_empty().then_some(Self { number, method })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

/// `Call-ID`: opaque, case counts; visible ASCII only (RFC 3261 §25.1 `word`, and wider).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(Text);

impl CallId {
    /// Reads or makes a Call-ID; `None` when empty or not all visible ASCII.
    pub fn parse(value: impl AsRef<[u8]>) -> Option<Self> {
        let bytes = value.as_ref();
        text::check(bytes, |byte| byte.is_ascii_graphic()).ok()?;
        Some(Self(Text::from_wire(bytes)))
    }

    /// The Call-ID as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str().unwrap_or_default()
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_method_reads_back() {
        for (name, method) in KNOWN {
            assert_eq!(Method::parse(name), Some(method.clone()));
            assert_eq!(method.as_str(), name);
        }
        assert_eq!(Method::parse("invite"), Text::token("invite").ok().map(Method::Other));
        assert_eq!(Method::parse("IN VITE"), None);
    }

    #[test]
    fn a_sequence_number_fits_31_bits() {
        assert_eq!(CSeq::parse(b"0009   INVITE").map(|cseq| cseq.number), Some(9));
        assert!(CSeq::parse(b"2147483647 ACK").is_some());
        for value in
            ["2147483648 ACK", "36893488147419103232 REGISTER", "-1 ACK", "1", "1ACK", "1 A B"]
        {
            assert_eq!(CSeq::parse(value.as_bytes()), None, "{value}");
        }
    }
}
