//! Form parameters, as a body and as a query. Sans-IO.

use std::fmt::{self, Display, Write as _};

/// Parameters of a request, in sending order. Names may repeat.
///
/// One buffer holds all names and values: a webhook has about 20 parameters, and each is written where it
/// stays.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Form {
    text: String,
    /// Where each name and its value end in `text`; a name begins where the value before it ends.
    ends: Vec<(usize, usize)>,
}

impl Form {
    /// An empty form.
    pub const fn new() -> Self {
        Self { text: String::new(), ends: Vec::new() }
    }

    /// Adds a parameter at the end.
    pub fn push(&mut self, name: impl Display, value: impl Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{name}");
        let name_end = self.text.len();
        let _ = write!(self.text, "{value}");
        self.ends.push((name_end, self.text.len()));
        debug_assert!(self.ends.is_sorted(), "a parameter lies behind the one before it");
    }

    /// Adds all parameters of `other` at the end.
    pub fn extend(&mut self, other: &Self) {
        let shift = self.text.len();
        self.text.push_str(&other.text);
        self.ends.extend(other.ends.iter().map(|(name, value)| (name + shift, value + shift)));
    }

    /// The first value of a name; `None` when there is none.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| value)
    }

    /// Names and values in sending order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut begin = 0;
        self.ends.iter().map(move |&(name_end, value_end)| {
            let name = self.text.get(begin..name_end).unwrap_or_default();
            begin = value_end;
            (name, self.text.get(name_end..value_end).unwrap_or_default())
        })
    }

    /// Whether it has no parameters.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// As a body of `application/x-www-form-urlencoded`: a space is `+`.
    pub fn to_body(&self) -> String {
        let mut body = String::new();
        self.add_to_body(&mut body);
        body
    }

    /// Adds its parameters to a body.
    pub fn add_to_body(&self, body: &mut String) {
        self.encode(body, "+");
    }

    /// As a query: a space is `%20`, as in requests of the API itself.
    pub fn to_query(&self) -> String {
        let mut query = String::new();
        self.encode(&mut query, "%20");
        query
    }

    /// Reads a body or a query: `+` and `%20` are spaces, a name without `=` has an empty value,
    /// bytes that are not UTF-8 become U+FFFD, a broken escape is kept as text.
    pub fn parse(text: &str) -> Self {
        // A trailing `&` is common in URLs and not a parameter.
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect()
    }

    fn encode(&self, text: &mut String, space: &str) {
        for (name, value) in self.iter() {
            if !text.is_empty() {
                text.push('&');
            }
            encode_into(text, name, space);
            text.push('=');
            encode_into(text, value, space);
        }
    }
}

impl<N: Display, V: Display> FromIterator<(N, V)> for Form {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut form = Self::new();
        pairs.into_iter().for_each(|(name, value)| form.push(name, value));
        form
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
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
    // `+` first: a `%2B` decodes to a plus that stays one.
    percent_decode(&raw.replace('+', " "))
}

/// Decodes `%XX` once; a broken escape is kept as text.
pub(crate) fn percent_decode(raw: &str) -> String {
    // Bytes, because a character of UTF-8 is several escapes.
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
    // Valid text keeps its buffer; only broken text is copied.
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
    fn a_form_added_to_another_keeps_its_pairs() {
        let mut form = Form::from_iter([("a", "1")]);
        form.extend(&Form::from_iter([("b", ""), ("", "é")]));
        form.push("c", 2);
        assert_eq!(form.iter().collect::<Vec<_>>(), [("a", "1"), ("b", ""), ("", "é"), ("c", "2")]);
        assert_eq!(form, Form::parse("a=1&b=&=%C3%A9&c=2"));
        assert_ne!(Form::from_iter([("a", "bc")]), Form::from_iter([("ab", "c")]));
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
