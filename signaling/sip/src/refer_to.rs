//! `Refer-To` (RFC 3515) and the `Replaces` in it (RFC 3891). Sans-IO.

use crate::message::CallId;
use crate::name_addr::NameAddr;
use crate::scan::Scanner;
use crate::text::{Escaped, Text};
use crate::uri::Uri;

/// The target of a REFER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferTo {
    /// The header's value as received.
    pub raw: String,
    /// The target URI.
    pub uri: Uri,
    /// The dialog that the new call replaces.
    pub replaces: Option<Replaces>,
}

impl ReferTo {
    /// Reads a value: an address, in brackets or bare; parameters behind it are ignored. `None` for
    /// anything else, and for a `method` other than INVITE.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let address = NameAddr::parse(value).ok()?;
        let replaces = match &address.uri {
            Uri::Sip(uri) => {
                let method = uri.parameters.get("method");
                if method.is_some_and(|method| method.as_bytes() != b"INVITE") {
                    return None;
                }
                let header = uri
                    .headers
                    .iter()
                    .find(|(name, _)| name.decode().eq_ignore_ascii_case(b"Replaces"));
                match header {
                    Some((_, value)) => Some(Replaces::parse(&value.decode())?),
                    None => None,
                }
            }
            Uri::Tel(_) | Uri::Other(_) => None,
        };
        let raw = String::from_utf8_lossy(value).into_owned();
        Some(Self { raw, uri: address.uri, replaces })
    }

    /// The user part, or the telephone number: the dialled number.
    pub fn user(&self) -> Option<String> {
        match &self.uri {
            Uri::Sip(uri) => uri.user.as_ref().map(Escaped::decode_lossy),
            Uri::Tel(uri) => Some(uri.number.to_string()),
            Uri::Other(_) => None,
        }
    }
}

/// The dialog that a `Replaces` names, from the side of its peer (RFC 3891 §6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// Its Call-ID.
    pub call_id: CallId,
    /// The tag of the side that receives the new INVITE: our tag, when the dialog is with us.
    pub to_tag: Text,
    /// The tag of the other side.
    pub from_tag: Text,
    /// `early-only`: only while the dialog is unanswered.
    pub early_only: bool,
}

impl Replaces {
    /// Reads a value; `None` without a Call-ID and both tags.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut scanner = Scanner::of_one_line(value)?;
        scanner.skip_space();
        let call_id = scanner.take_while(|byte| !matches!(byte, b';' | b' ' | b'\t' | b','));
        let call_id = CallId::parse(call_id).filter(|_| !call_id.is_empty())?;
        let parameters = scanner.parameters()?;
        scanner.skip_space();
        let tag = |name| parameters.get(name).filter(|tag| !tag.is_empty()).cloned();
        let (to_tag, from_tag) = (tag("to-tag")?, tag("from-tag")?);
        let early_only = parameters.contains("early-only");
        scanner.is_empty().then_some(Self { call_id, to_tag, from_tag, early_only })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_brackets_and_without() {
        for value in ["<sip:bob@b.test>", "sip:bob@b.test", "\"Bob\" <sip:bob@b.test>;x=y"] {
            let refer = ReferTo::parse(value.as_bytes()).unwrap();
            assert_eq!((refer.raw.as_str(), refer.user().as_deref()), (value, Some("bob")));
            assert_eq!(refer.replaces, None);
        }
        assert_eq!(ReferTo::parse(b"<tel:+1555>").unwrap().user().as_deref(), Some("+1555"));
        assert_eq!(ReferTo::parse(b"<sip:a@b;method=BYE>"), None);
        assert_eq!(ReferTo::parse(b"<sip:a@b"), None);
    }

    #[test]
    fn replaces_is_unescaped_once() {
        let value = "<sip:bob@b.test?Replaces=abc%40h%3Bto-tag%3D7%3Bfrom-tag%3D9&X-A=1>";
        let replaces = ReferTo::parse(value.as_bytes()).unwrap().replaces.unwrap();
        assert_eq!(replaces.call_id.as_str(), "abc@h");
        assert_eq!(
            (&replaces.to_tag, &replaces.from_tag),
            (&Text::cleaned("7"), &Text::cleaned("9"))
        );
        assert!(!replaces.early_only);
    }

    #[test]
    fn a_broken_replaces_breaks_the_whole() {
        for value in ["", "abc", "abc;to-tag=1", ";to-tag=1;from-tag=2", "a;to-tag=;from-tag=1"] {
            assert_eq!(Replaces::parse(value.as_bytes()), None, "{value}");
        }
        assert_eq!(ReferTo::parse(b"<sip:a@b?Replaces=x>"), None);
        assert!(Replaces::parse(b"a ; from-tag=1 ;to-tag=2;early-only").unwrap().early_only);
    }
}
