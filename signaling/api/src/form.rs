//! Parameters of a query or a form body, and readers for each form of value.

use shared::Code;
use std::fmt::Display;
use std::net::IpAddr;

use shared::ids::parse_sid;
use store::{HttpMethod, Secret, Value, WriteError, normal_number};
use url::Url;

/// Longest URL that a parameter may have.
const URL_CHARACTERS_MAX: usize = 4_000;

/// Names and values in order; a name may repeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `application/x-www-form-urlencoded` text. Never fails: broken escapes stay as they are.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(bytes).into_owned().collect())
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first value of a name, empty or not.
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        // A walk: a form has a few dozen names, and the limit of a body bounds it.
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a name, unless empty.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.raw(name).filter(|value| !value.is_empty())
    }

    /// All words of all values of a name: a list comes as repeated parameters or as one value with blanks.
    pub(crate) fn words(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(found, _)| found == name)
            .flat_map(|(_, value)| value.split_ascii_whitespace())
    }

    /// `true` or `false`, upper or lower case.
    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, WriteError> {
        self.value(name).map(|text| boolean(name, text, Code::INVALID_PARAMETER)).transpose()
    }

    /// An absolute http(s) URL; `code` is the contract's for a bad one.
    pub(crate) fn url(&self, name: &str, code: Code) -> Result<Option<String>, WriteError> {
        self.value(name).map(|text| http_url(name, text, code)).transpose()
    }

    /// `GET` or `POST`; `code` is the contract's for anything else.
    pub(crate) fn method(&self, name: &str, code: Code) -> Result<Option<HttpMethod>, WriteError> {
        self.value(name).map(|text| method(name, text, code)).transpose()
    }

    /// One of the given words, upper or lower case.
    pub(crate) fn one_of<T: Copy>(
        &self,
        name: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, WriteError> {
        self.value(name).map(|text| one_of(name, text, words)).transpose()
    }

    /// A whole number within a range, both ends included; `code` is the contract's for anything else.
    pub(crate) fn number(
        &self,
        name: &str,
        range: (u32, u32),
        code: Code,
    ) -> Result<Option<u32>, WriteError> {
        self.value(name).map(|text| number(name, text, range, code)).transpose()
    }
}

/// The value that a text, not empty, stands for; `code` is the contract's for a text of another form.
pub(crate) fn value_of(
    name: &str,
    text: &str,
    form: store::Form,
    code: Code,
) -> Result<Value, WriteError> {
    use store::Form as Shape;
    Ok(match form {
        // The length of a name is a rule of the plan, so that a resource that does not exist is not found
        // first.
        Shape::Text | Shape::Name(_) => Value::from(text),
        Shape::Secret => Value::Secret(Secret::new(text)),
        Shape::Url => Value::Text(http_url(name, text, code)?),
        Shape::Method => Value::from(method(name, text, code)?.name()),
        Shape::Boolean => Value::Integer(boolean(name, text, code)?.into()),
        Shape::Number(least, most) => {
            Value::Integer(number(name, text, (least, most), code)?.into())
        }
        Shape::Address => {
            let what = "one IPv4 or IPv6 address, without wildcards";
            let address: IpAddr = text.parse().map_err(|_| must_be(name, what, code))?;
            // In the address's own form: two spellings of one IPv6 address are one name in its list.
            Value::Text(address.to_string())
        }
        Shape::PhoneNumber => {
            let what = "a phone number in E.164 form: + and at most 15 digits";
            // Without punctuation: two spellings of one number are one number.
            Value::Text(normal_number(text).ok_or_else(|| must_be(name, what, code))?)
        }
        // In the case of the contract, unlike levels: the word is kept and compared as it is written.
        Shape::Word(words) if words.contains(&text) => Value::from(text),
        Shape::Word(words) => {
            let (last, others) = words.split_last().unwrap_or((&"", &[]));
            return Err(must_be(name, format_args!("{} or {last}", others.join(", ")), code));
        }
        Shape::Level(words) => Value::Integer(one_of(name, text, words)?),
        Shape::Sid(prefix) => {
            let bits = parse_sid(text, prefix).map_err(|_| {
                must_be(name, format_args!("a SID that begins with {prefix}"), code)
            })?;
            Value::sid(bits)
        }
    })
}

/// A part of a phone number, its punctuation removed: `+`, digits, and `*` for any digit.
pub(crate) fn digits_of(name: &str, text: &str, code: Code) -> Result<String, WriteError> {
    let kept = text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.'));
    let kept: String = kept.collect();
    let fits = kept.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'*'));
    if fits { Ok(kept) } else { Err(must_be(name, "digits, with * for any digit", code)) }
}

/// The refusal of a parameter's value: what it must be, after its name.
pub(crate) fn must_be(name: &str, what: impl Display, code: Code) -> WriteError {
    WriteError::invalid(code, format!("{name} must be {what}"))
}

fn boolean(name: &str, text: &str, code: Code) -> Result<bool, WriteError> {
    if text.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if text.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(must_be(name, "true or false", code))
    }
}

fn method(name: &str, text: &str, code: Code) -> Result<HttpMethod, WriteError> {
    HttpMethod::from_name(text).ok_or_else(|| must_be(name, "GET or POST", code))
}

fn one_of<T: Copy>(name: &str, text: &str, words: &[(&str, T)]) -> Result<T, WriteError> {
    if let Some((_, meaning)) = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)) {
        return Ok(*meaning);
    }
    let list: Vec<_> = words.iter().map(|(word, _)| *word).collect();
    Err(must_be(name, format_args!("one of: {}", list.join(", ")), Code::INVALID_PARAMETER))
}

fn number(
    name: &str,
    text: &str,
    (least, most): (u32, u32),
    code: Code,
) -> Result<u32, WriteError> {
    text.parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| must_be(name, format_args!("a whole number from {least} to {most}"), code))
}

/// An absolute http(s) URL with a host, as it was written.
fn http_url(name: &str, value: &str, code: Code) -> Result<String, WriteError> {
    // Control characters and blanks are refused before the parser sees them: it drops tabs and line feeds,
    // while the URL is kept as it was written.
    let fine = value.len() <= URL_CHARACTERS_MAX
        && !value.chars().any(|c| c.is_control() || c == ' ')
        && Url::parse(value)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if fine {
        // As it was written and not as it parses: the application sees this text, and the
        // signature covers it (webhooks.md 9).
        Ok(value.to_owned())
    } else {
        Err(WriteError::invalid(code, format!("{name} is not a valid absolute http or https URL")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inequalities_are_part_of_the_name_escaped_or_not() {
        for query in ["StartTime%3C=2024-01-02", "StartTime<=2024-01-02"] {
            assert_eq!(Form::parse(query.as_bytes()).value("StartTime<"), Some("2024-01-02"));
        }
    }

    #[test]
    fn lists_are_repeated_or_separated_by_blanks() {
        let form = Form::parse(b"Event=initiated&Event=answered+completed");
        let words: Vec<_> = form.words("Event").collect();
        assert_eq!(words, ["initiated", "answered", "completed"]);
    }

    #[test]
    fn urls_are_absolute_and_http() {
        let good = ["http://a.example/x?y=1", "https://user:pw@10.0.0.1:8080/", "http://[::1]/"];
        for url in good {
            let form = Form(vec![("Url".to_owned(), url.to_owned())]);
            assert_eq!(form.url("Url", Code::URL_NOT_ABSOLUTE), Ok(Some(url.to_owned())));
        }
        for url in
            ["/voice", "ftp://a/", "http://", "javascript:x", "http://a b/", "http://a/\r\nX: y"]
        {
            let form = Form(vec![("Url".to_owned(), url.to_owned())]);
            assert_eq!(
                form.url("Url", Code::URL_NOT_ABSOLUTE).map_err(|error| error.code),
                Err(Code::URL_NOT_ABSOLUTE),
                "{url}"
            );
        }
    }
}
