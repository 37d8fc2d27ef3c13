//! Parameters of requests. Pure.

use crate::serverless::Refused;

/// Query and body, in order.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// The parameters of a request; those of an upload are read elsewhere.
    pub(super) fn of(query: &str, content_type: &str, body: &[u8]) -> Self {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let body = if kind.eq_ignore_ascii_case(FORM) { body } else { b"" };
        let pairs = url::form_urlencoded::parse(query.as_bytes())
            .chain(url::form_urlencoded::parse(body))
            .map(|(name, value)| (name.into_owned(), value.into_owned()));
        Self(pairs.collect())
    }

    /// A parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// All values of a repeated parameter.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(found, _)| found == name).map(|(_, value)| value.clone()).collect()
    }

    /// A parameter that has to be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, Refused> {
        let value = self.get(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| Refused::invalid(format!("Missing required parameter {name}")))
    }

    /// A truth value; `None` where it is absent.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refused> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(Refused::invalid(format!("{name} must be true or false"))),
        }
    }

    /// A name: letters, digits and hyphens.
    pub(super) fn name(&self, name: &str, most: usize) -> Result<String, Refused> {
        let value = self.required(name)?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if value.len() > most || !value.chars().all(is_name) {
            let sentence =
                format!("{name} must be letters, digits, hyphens and underscores, at most {most}");
            return Err(Refused::invalid(sentence));
        }
        Ok(value.to_owned())
    }
}

const FORM: &str = "application/x-www-form-urlencoded";
