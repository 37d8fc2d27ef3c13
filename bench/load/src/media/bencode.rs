//! Bencode, as far as rtpengine's ng protocol needs it. Pure.

use std::collections::BTreeMap;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A byte string.
    Text(Vec<u8>),
    /// A number.
    Number(i64),
    /// A list.
    List(Vec<Value>),
    /// A dictionary; the format requires sorted keys.
    Dictionary(BTreeMap<Vec<u8>, Value>),
}

impl Value {
    /// A byte string.
    pub fn text(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }

    /// A list of byte strings.
    pub fn texts(texts: &[&str]) -> Self {
        Self::List(texts.iter().map(|text| Self::text(text)).collect())
    }

    /// A dictionary.
    pub fn dictionary<const N: usize>(entries: [(&str, Self); N]) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (key.as_bytes().to_vec(), value));
        Self::Dictionary(entries.collect())
    }

    /// The text under a key of a dictionary.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        let Self::Dictionary(entries) = self else { return None };
        match entries.get(key.as_bytes()) {
            Some(Self::Text(text)) => std::str::from_utf8(text).ok(),
            Some(Self::Number(_) | Self::List(_) | Self::Dictionary(_)) | None => None,
        }
    }

    /// Appends the coded value.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => write_text(out, text),
            Self::Number(number) => out.extend_from_slice(format!("i{number}e").as_bytes()),
            Self::List(values) => {
                out.push(b'l');
                values.iter().for_each(|value| value.write(out));
                out.push(b'e');
            }
            Self::Dictionary(entries) => {
                out.push(b'd');
                for (key, value) in entries {
                    write_text(out, key);
                    value.write(out);
                }
                out.push(b'e');
            }
        }
    }

    /// Reads one whole value; `None` for anything else.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader { bytes };
        let value = reader.value(0)?;
        reader.bytes.is_empty().then_some(value)
    }
}

fn write_text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(format!("{}:", text.len()).as_bytes());
    out.extend_from_slice(text);
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            return None;
        }
        match self.bytes.first()? {
            b'i' => {
                self.bytes = self.bytes.get(1..)?;
                Some(Value::Number(self.number(b'e')?))
            }
            b'l' => {
                self.bytes = self.bytes.get(1..)?;
                let mut values = Vec::new();
                while !self.ends()? {
                    values.push(self.value(depth + 1)?);
                }
                Some(Value::List(values))
            }
            b'd' => {
                self.bytes = self.bytes.get(1..)?;
                let mut entries = BTreeMap::new();
                while !self.ends()? {
                    let key = self.text()?.to_vec();
                    entries.insert(key, self.value(depth + 1)?);
                }
                Some(Value::Dictionary(entries))
            }
            _ => Some(Value::Text(self.text()?.to_vec())),
        }
    }

    /// Whether a list or dictionary is over; takes its end.
    fn ends(&mut self) -> Option<bool> {
        let ends = *self.bytes.first()? == b'e';
        if ends {
            self.bytes = self.bytes.get(1..)?;
        }
        Some(ends)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number(b':')?).ok()?;
        let (text, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(text)
    }

    fn number(&mut self, end: u8) -> Option<i64> {
        let len = self.bytes.iter().position(|byte| *byte == end)?;
        let digits = std::str::from_utf8(self.bytes.get(..len)?).ok()?;
        self.bytes = self.bytes.get(len + 1..)?;
        digits.parse().ok()
    }
}

/// Bound of the nesting; answers of ng nest a few levels.
const DEPTH_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        value.write(&mut out);
        out
    }

    #[test]
    fn keys_are_sorted_and_lengths_are_in_front() {
        let value = Value::dictionary([
            ("flags", Value::texts(&["asymmetric"])),
            ("command", Value::text("ping")),
            ("n", Value::Number(-3)),
        ]);
        assert_eq!(written(&value), b"d7:command4:ping5:flagsl10:asymmetrice1:ni-3ee");
    }

    #[test]
    fn what_is_written_reads_back() {
        let value = Value::dictionary([
            ("list", Value::List(vec![Value::Number(7), Value::text(""), Value::texts(&[])])),
            ("result", Value::text("ok")),
        ]);
        let read = Value::parse(&written(&value));
        assert_eq!(read.as_ref(), Some(&value));
        assert_eq!(value.text_of("result"), Some("ok"));
        assert_eq!(value.text_of("list"), None);
    }

    #[test]
    fn broken_text_is_nothing() {
        for bytes in [&b""[..], b"d", b"5:abc", b"i7", b"ixe", b"l1:a", b"1:ab", b"d1:ae", b"-1:a"]
        {
            assert_eq!(Value::parse(bytes), None, "{bytes:?}");
        }
        assert_eq!(Value::parse(&[b'l'; 100]), None);
    }
}
