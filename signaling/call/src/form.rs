//! Form parameters, as a body and as a query. Sans-IO.

use std::fmt::Write as _;

/// Parameters of a request, in sending order. Names may repeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// An empty form.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a parameter at the end.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// Adds all parameters of `other` at the end.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// The first value of a name; `None` when there is none.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| value)
    }

    /// Names and values in sending order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether it has no parameters.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a body of `application/x-www-form-urlencoded`: a space is `+`.
    pub fn to_body(&self) -> String {
        self.encode("+")
    }

    /// As a query: a space is `%20`, as in requests of the API itself.
    pub fn to_query(&self) -> String {
        self.encode("%20")
    }

    /// Reads a body or a query: `+` and `%20` are spaces, a name without `=` has an empty value,
    /// bytes that are not UTF-8 become U+FFFD, a broken escape is kept as text.
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    fn encode(&self, space: &str) -> String {
        let mut text = String::new();
        for (name, value) in self.iter() {
            if !text.is_empty() {
                text.push('&');
            }
            encode_into(&mut text, name, space);
            text.push('=');
            encode_into(&mut text, value, space);
        }
        text
    }
}

impl FromIterator<(String, String)> for Form {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// Percent-encodes all but RFC 3986 unreserved characters.
fn encode_into(text: &mut String, raw: &str, space: &str) {
    for byte in raw.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte));
            }
            b' ' => text.push_str(space),
            other => {
                // Writing to a String cannot fail.
                let _ = write!(text, "%{other:02X}");
            }
        }
    }
}

fn decode(raw: &str) -> String {
    percent_decode(&raw.replace('+', " "))
}

/// Decodes `%XX` once; a broken escape is kept as text.
pub(crate) fn percent_decode(raw: &str) -> String {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match (escaped, tail.get(2..)) {
            (Some((high, low)), Some(after)) => {
                bytes.push(high << 4 | low);
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_body_has_plus_for_a_space_and_a_query_has_percent_twenty() {
        let mut form = Form::new();
        form.push("Timestamp", "Fri, 20 Aug 2010 01:13:42 +0000");
        form.push("Empty", "");
        assert_eq!(
            form.to_query(),
            "Timestamp=Fri%2C%2020%20Aug%202010%2001%3A13%3A42%20%2B0000&Empty="
        );
        assert_eq!(form.to_body(), "Timestamp=Fri%2C+20+Aug+2010+01%3A13%3A42+%2B0000&Empty=");
    }

    #[test]
    fn a_broken_escape_stays_as_it_stands() {
        let form = Form::parse("a=%zz&b=%4&c=%41&d&=e");
        let pairs: Vec<_> = form.iter().collect();
        assert_eq!(pairs, [("a", "%zz"), ("b", "%4"), ("c", "A"), ("d", ""), ("", "e")]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_encoded_reads_back(pairs in prop::collection::vec((".{1,12}", ".{0,24}"), 0..8)) {
            let form: Form = pairs.into_iter().collect();
            prop_assert_eq!(&Form::parse(&form.to_body()), &form);
            prop_assert_eq!(&Form::parse(&form.to_query()), &form);
        }

        #[test]
        fn parsing_is_total(text in "[ -~é&=%+]{0,64}") {
            let form = Form::parse(&text);
            prop_assert_eq!(&Form::parse(&form.to_body()), &form);
        }
    }
}
