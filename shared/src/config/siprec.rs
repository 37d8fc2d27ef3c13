//! `[siprec.NAME]`: recording servers that calls may send their audio to (SIPREC). Pure.

use std::collections::BTreeMap;
use std::fmt;

use super::checks::Checks;
use super::layers::{Layers, Problem};
use super::section::{Section, section};

section! {
    /// A recording server. `<Siprec connectorName="NAME">` sends a call's audio there.
    #[derive(Clone, Default, PartialEq)]
    Siprec in "siprec.*" {
        /// The server, as a SIP URI; ;transport=, ;secure=true (SRTP) and ;edge= count as in <Sip>.
        uri: String = "\"\"",
        /// Header of its INVITE with the credentials that the server expects, as Name: value; empty = none.
        header: String = "\"\"",
        /// User for the server's digest challenges; empty = none, and a challenge is a refusal.
        username: String = "\"\"",
        /// Password for the server's digest challenges.
        password: String = "\"\"",
    }
}

/// Password and header stay out of logs and panics.
impl fmt::Debug for Siprec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Siprec").field("uri", &self.uri).finish_non_exhaustive()
    }
}

impl Siprec {
    /// Reads every `[siprec.NAME]`, by name.
    pub(super) fn read_all(layers: &Layers, problems: &mut Vec<Problem>) -> BTreeMap<String, Self> {
        Self::read_named(layers, "siprec", problems).into_iter().collect()
    }

    /// Checks all of them together.
    pub(super) fn check_all(servers: &BTreeMap<String, Self>, checks: &mut Checks<'_>) {
        checks.require(
            servers.values().all(|server| server.uri.starts_with("sip")),
            "siprec",
            "needs `uri`, the SIP URI of the recording server, in every `[siprec.NAME]`",
        );
        checks.require(
            servers.values().all(|server| server.username.is_empty() == server.password.is_empty()),
            "siprec",
            "takes `username` and `password` together",
        );
        let is_sound = |server: &Self| server.header.is_empty() || server.named_header().is_some();
        checks.require(
            servers.values().all(is_sound),
            "siprec",
            "`header` must be `Name: value`, with a name that begins with X- or is Authorization",
        );
    }

    /// The header, split at its colon; `None` where there is none that may be sent.
    pub fn named_header(&self) -> Option<(&str, &str)> {
        let (name, value) = self.header.split_once(':')?;
        let (name, value) = (name.trim(), value.trim());
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_allowed = name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("X-"))
            || name.eq_ignore_ascii_case("Authorization");
        let is_sound = name.bytes().all(is_token) && !value.chars().any(char::is_control);
        (is_allowed && is_sound && !value.is_empty()).then_some((name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_an_allowed_name_and_a_printable_value() {
        let header = |text: &str| {
            let server = Siprec { header: text.to_owned(), ..Siprec::default() };
            server.named_header().map(|(name, value)| format!("{name}={value}"))
        };
        assert_eq!(header("X-Token: a b"), Some("X-Token=a b".to_owned()));
        assert_eq!(header("authorization:Basic eA=="), Some("authorization=Basic eA==".to_owned()));
        for wrong in ["", "X-Token", "X-Token:", "Via: x", "X-a b: c", "X-a: b\r\nVia: c"] {
            assert_eq!(header(wrong), None, "{wrong}");
        }
    }
}
