//! Parameters of a query or a form body, and readers for each form of value.

use store::{HttpMethod, Patch, WriteError};
use url::Url;

use crate::response::invalid_parameter;

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

    /// Text of an update: an absent parameter keeps the old one, an empty one clears it.
    pub(crate) fn patch(&self, name: &str) -> Patch<String> {
        match self.raw(name) {
            None => Patch::Keep,
            Some("") => Patch::Clear,
            Some(value) => Patch::Set(value.to_owned()),
        }
    }

    /// `true` or `false`, upper or lower case.
    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, WriteError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        if value.eq_ignore_ascii_case("true") {
            Ok(Some(true))
        } else if value.eq_ignore_ascii_case("false") {
            Ok(Some(false))
        } else {
            Err(invalid_parameter(format!("{name} must be true or false")))
        }
    }

    /// [`Form::boolean`] of an update.
    pub(crate) fn boolean_patch(&self, name: &str) -> Result<Patch<bool>, WriteError> {
        match self.raw(name) {
            None => Ok(Patch::Keep),
            Some("") => Ok(Patch::Clear),
            Some(_) => Ok(self.boolean(name)?.map_or(Patch::Keep, Patch::Set)),
        }
    }

    /// An absolute http(s) URL; `code` is the contract's for a bad one.
    pub(crate) fn url(&self, name: &str, code: u32) -> Result<Option<String>, WriteError> {
        self.value(name).map(|value| http_url(name, value, code)).transpose()
    }

    /// [`Form::url`] of an update.
    pub(crate) fn url_patch(&self, name: &str, code: u32) -> Result<Patch<String>, WriteError> {
        match self.raw(name) {
            None => Ok(Patch::Keep),
            Some("") => Ok(Patch::Clear),
            Some(value) => http_url(name, value, code).map(Patch::Set),
        }
    }

    /// `GET` or `POST`; `code` is the contract's for anything else.
    pub(crate) fn method(&self, name: &str, code: u32) -> Result<Option<HttpMethod>, WriteError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        HttpMethod::from_name(value)
            .map(Some)
            .ok_or_else(|| WriteError::invalid(code, format!("{name} must be GET or POST")))
    }

    /// [`Form::method`] of an update.
    pub(crate) fn method_patch(
        &self,
        name: &str,
        code: u32,
    ) -> Result<Patch<HttpMethod>, WriteError> {
        match self.raw(name) {
            None => Ok(Patch::Keep),
            Some("") => Ok(Patch::Clear),
            Some(_) => Ok(self.method(name, code)?.map_or(Patch::Keep, Patch::Set)),
        }
    }

    /// One of the given words, upper or lower case.
    pub(crate) fn one_of<T: Copy>(
        &self,
        name: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, WriteError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        if let Some((_, meaning)) = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(value))
        {
            return Ok(Some(*meaning));
        }
        let list: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        Err(invalid_parameter(format!("{name} must be one of: {}", list.join(", "))))
    }

    /// A whole number within a range, both ends included; `code` is the contract's for anything else.
    pub(crate) fn number(
        &self,
        name: &str,
        (least, most): (u32, u32),
        code: u32,
    ) -> Result<Option<u32>, WriteError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        value.parse().ok().filter(|number| (least..=most).contains(number)).map(Some).ok_or_else(
            || {
                let range = format!("{name} must be a whole number from {least} to {most}");
                WriteError::invalid(code, range)
            },
        )
    }
}

/// An absolute http(s) URL with a host, as it was written.
fn http_url(name: &str, value: &str, code: u32) -> Result<String, WriteError> {
    let fine = value.len() <= URL_CHARACTERS_MAX
        && !value.chars().any(|c| c.is_control() || c == ' ')
        && Url::parse(value)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if fine {
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
    fn absent_keeps_and_empty_clears() {
        let form = Form::parse(b"VoiceUrl=&FriendlyName=x");
        assert_eq!(form.url_patch("VoiceUrl", 1), Ok(Patch::Clear));
        assert_eq!(form.patch("FriendlyName"), Patch::Set("x".to_owned()));
        assert_eq!(form.boolean_patch("Secure"), Ok(Patch::Keep));
    }

    #[test]
    fn urls_are_absolute_and_http() {
        let good = ["http://a.example/x?y=1", "https://user:pw@10.0.0.1:8080/", "http://[::1]/"];
        for url in good {
            let form = Form(vec![("Url".to_owned(), url.to_owned())]);
            assert_eq!(form.url("Url", 21205), Ok(Some(url.to_owned())));
        }
        for url in
            ["/voice", "ftp://a/", "http://", "javascript:x", "http://a b/", "http://a/\r\nX: y"]
        {
            let form = Form(vec![("Url".to_owned(), url.to_owned())]);
            assert_eq!(form.url("Url", 21205).map_err(|error| error.code), Err(21205), "{url}");
        }
    }
}
