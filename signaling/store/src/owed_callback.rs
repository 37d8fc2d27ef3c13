//! The last status callback of a call, as its record keeps it until it is answered. Pure.
//!
//! A process that is killed sends none of its calls' last callbacks. The next one finds them in the records, and sends
//! them.

use shared::ApplicationSid;

use crate::calls::Webhook;
use crate::domain::HttpMethod;

/// Where the end of a call is reported, and what its record does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedCallback {
    /// URL and method.
    pub webhook: Webhook,
    /// `ApplicationSid`.
    pub application: Option<ApplicationSid>,
}

impl OwedCallback {
    /// The text of a record: method, SID or `-`, URL.
    pub fn to_text(&self) -> String {
        let (method, url) = (self.webhook.method.name(), &self.webhook.url);
        match self.application {
            Some(application) => format!("{method} {application} {url}"),
            None => format!("{method} - {url}"),
        }
    }

    /// Reads the text of a record; `None` where it is damaged.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut words = text.splitn(3, ' ');
        let (method, application, url) = (words.next()?, words.next()?, words.next()?);
        let method =
            [HttpMethod::Get, HttpMethod::Post].into_iter().find(|m| m.name() == method)?;
        let application = match application {
            "-" => None,
            sid => Some(sid.parse().ok()?),
        };
        Some(Self { webhook: Webhook { url: url.to_owned(), method }, application })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_record_reads_back_and_damage_is_none() {
        for application in [None, Some(ApplicationSid(7))] {
            for (method, url) in [
                (HttpMethod::Get, "https://app.example/a b?c=d"),
                (HttpMethod::Post, "http://h/#e=x"),
            ] {
                let owed =
                    OwedCallback { webhook: Webhook { url: url.to_owned(), method }, application };
                assert_eq!(OwedCallback::from_text(&owed.to_text()), Some(owed));
            }
        }
        for damaged in ["", "POST", "POST -", "PUT - http://h/", "POST AP1 http://h/"] {
            assert_eq!(OwedCallback::from_text(damaged), None, "{damaged}");
        }
    }
}
