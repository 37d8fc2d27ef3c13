//! The parameter list of challenges and credentials (RFC 7616 §3.3, §3.4). Sans-IO, total.

use std::borrow::Cow;

/// Reasons why a challenge or credentials cannot be read. Always the peer's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// A scheme other than Digest, such as Basic or Bearer.
    #[error("not the Digest scheme")]
    OtherScheme,
    /// A name without a value, or an unterminated quote.
    #[error("the parameter list of a Digest header is broken")]
    Broken,
    /// A name that stands twice: two readers might take different values.
    #[error("a Digest parameter is given twice")]
    Twice,
    /// More parameters than any client sends.
    #[error("more than {MAX} Digest parameters")]
    TooMany,
    /// A required parameter is missing.
    #[error("the Digest parameter `{name}` is missing")]
    Missing {
        /// Its name.
        name: &'static str,
    },
}

/// Parameters of one `Digest …` value, unquoted, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestParameters<'a> {
    list: Vec<(&'a [u8], Cow<'a, [u8]>)>,
}

impl<'a> DigestParameters<'a> {
    /// Reads one header value.
    ///
    /// # Errors
    /// Another scheme, or a list that is broken or ambiguous.
    pub fn parse(value: &'a [u8]) -> Result<Self, DigestError> {
        let value = value.trim_ascii();
        let (scheme, mut rest) = value.split_at_checked(6).ok_or(DigestError::OtherScheme)?;
        if !scheme.eq_ignore_ascii_case(b"Digest") || !rest.first().is_some_and(is_space) {
            return Err(DigestError::OtherScheme);
        }
        let mut list: Vec<(&[u8], Cow<'_, [u8]>)> = Vec::with_capacity(10);
        loop {
            rest = rest.trim_ascii_start();
            let Some(&first) = rest.first() else { break };
            if first == b',' {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let (name, value, after) = parameter(rest)?;
            if list.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                return Err(DigestError::Twice);
            }
            if list.len() == MAX {
                return Err(DigestError::TooMany);
            }
            list.push((name, value));
            rest = after;
        }
        Ok(Self { list })
    }

    /// The value of a parameter.
    pub fn find(&self, name: &str) -> Option<&[u8]> {
        let has_name =
            |(known, _): &&(&[u8], Cow<'_, [u8]>)| known.eq_ignore_ascii_case(name.as_bytes());
        self.list.iter().find(has_name).map(|(_, value)| &**value)
    }

    /// The value of a required parameter.
    ///
    /// # Errors
    /// The parameter is missing.
    pub fn required(&self, name: &'static str) -> Result<&[u8], DigestError> {
        self.find(name).ok_or(DigestError::Missing { name })
    }
}

/// Quotes a value for a header (RFC 3261 §25.1 `quoted-string`).
pub(super) fn quoted(value: &[u8]) -> Vec<u8> {
    let mut text = vec![b'"'];
    for &byte in value {
        if matches!(byte, b'"' | b'\\') {
            text.push(b'\\');
        }
        text.push(byte);
    }
    text.push(b'"');
    text
}

/// Most parameters of one value: the standards define eleven.
const MAX: usize = 32;

type Parameter<'a> = (&'a [u8], Cow<'a, [u8]>, &'a [u8]);

fn parameter(text: &[u8]) -> Result<Parameter<'_>, DigestError> {
    let equals = text.iter().position(|&byte| byte == b'=').ok_or(DigestError::Broken)?;
    let (name, rest) = text.split_at(equals);
    let name = name.trim_ascii_end();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.!%*+`'~".contains(byte);
    if name.is_empty() || !name.iter().all(is_name) {
        return Err(DigestError::Broken);
    }
    let value = rest.get(1..).unwrap_or_default().trim_ascii_start();
    if value.first() == Some(&b'"') {
        let (value, after) = quoted_value(value.get(1..).unwrap_or_default())?;
        return Ok((name, value, after));
    }
    let end = value.iter().position(|byte| *byte == b',').unwrap_or(value.len());
    let (value, after) = value.split_at(end);
    Ok((name, Cow::Borrowed(value.trim_ascii_end()), after))
}

fn quoted_value(text: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), DigestError> {
    let mut value = Vec::new();
    let mut bytes = text.iter().enumerate();
    let mut escaped = false;
    while let Some((index, &byte)) = bytes.next() {
        match byte {
            b'"' => {
                let (plain, after) = (text.get(..index), text.get(index + 1..));
                let value = match plain {
                    Some(plain) if !escaped => Cow::Borrowed(plain),
                    _ => Cow::Owned(value),
                };
                return separated(after.unwrap_or_default()).map(|after| (value, after));
            }
            b'\\' => {
                escaped = true;
                value.push(bytes.next().map(|(_, &byte)| byte).ok_or(DigestError::Broken)?);
            }
            _ => value.push(byte),
        }
    }
    Err(DigestError::Broken)
}

/// What follows a quoted value: nothing, or a comma.
fn separated(after: &[u8]) -> Result<&[u8], DigestError> {
    let after = after.trim_ascii_start();
    match after.first() {
        None | Some(b',') => Ok(after),
        Some(_) => Err(DigestError::Broken),
    }
}

fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quoted_and_plain_values_are_read() {
        let value = br#"digest  username="a\"b", realm = "r" ,nc=00000001, qop=auth,,"#;
        let parameters = DigestParameters::parse(value).unwrap();
        assert_eq!(parameters.find("USERNAME"), Some(&b"a\"b"[..]));
        assert_eq!(parameters.find("realm"), Some(&b"r"[..]));
        assert_eq!(parameters.find("nc"), Some(&b"00000001"[..]));
        assert_eq!(parameters.required("uri"), Err(DigestError::Missing { name: "uri" }));
    }

    #[test]
    fn what_two_readers_might_read_in_two_ways_is_refused() {
        let refused = |value: &[u8]| DigestParameters::parse(value).unwrap_err();
        assert_eq!(refused(b"Digest a=1, A=2"), DigestError::Twice);
        assert_eq!(refused(b"Digest a=\"1\"b=2"), DigestError::Broken);
        assert_eq!(refused(b"Digest a=\"1"), DigestError::Broken);
        assert_eq!(refused(b"Digest a"), DigestError::Broken);
        assert_eq!(refused(b"Basic YTpi"), DigestError::OtherScheme);
        assert_eq!(refused(b"Digest"), DigestError::OtherScheme);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = DigestParameters::parse(&bytes);
            let _ = DigestParameters::parse(&[b"Digest ".as_slice(), &bytes].concat());
        }

        #[test]
        fn a_quoted_value_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let text = [b"Digest x=".as_slice(), &quoted(&bytes)].concat();
            let parameters = DigestParameters::parse(&text).unwrap();
            prop_assert_eq!(parameters.find("x"), Some(&bytes[..]));
        }
    }
}
