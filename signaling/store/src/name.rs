//! Names of SIP domains: which texts are names, which hosts mean them. Sans-IO.

use std::fmt;

use shared::AccountSid;
use shared::ids::parse_sid;

/// The suffix in scripts written for the cloud; always accepted beside our own.
const CLOUD_SUFFIX: &str = "twilio.com";
/// Longest host name (RFC 1035 §2.3.4).
const NAME_CHARACTERS_MAX: usize = 253;
/// Longest label (RFC 1035 §2.3.4).
const LABEL_CHARACTERS_MAX: usize = 63;

/// The labels of a SIP domain before `.sip`, lower case: `plant7` or `line1.plant7`.
///
/// Unique over the node, whatever suffix the customer wrote.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainLabels(Box<str>);

impl DomainLabels {
    /// Reads labels: letters, digits and `-`, none empty or longer than 63, none of them `sip`
    /// (it would make hosts ambiguous).
    ///
    /// # Errors
    /// The predicate of a sentence about the text, such as `has an empty label`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        // Host names are compared without regard to case (RFC 3261 §19.1.4): one spelling is kept.
        let lower = text.to_ascii_lowercase();
        for label in lower.split('.') {
            check_label(label)?;
        }
        if lower.len() > NAME_CHARACTERS_MAX {
            return Err("is longer than a host name may be");
        }
        Ok(Self(lower.into()))
    }

    /// The text, lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The labels without the first: `plant7` for `line1.plant7`, `None` for `plant7`.
    pub fn above(&self) -> Option<Self> {
        self.0.split_once('.').map(|(_, above)| Self(above.into()))
    }

    /// The account for which this name is reserved: the one whose SID is the last label.
    pub fn reserved_for(&self) -> Option<AccountSid> {
        let last = self.0.rsplit('.').next()?;
        // Labels are lower case, and so is the prefix of the SID here.
        parse_sid(last, "ac").ok().map(AccountSid)
    }
}

impl fmt::Display for DomainLabels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DomainLabels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn check_label(label: &str) -> Result<(), &'static str> {
    if label.is_empty() {
        return Err("has an empty label");
    }
    if label.len() > LABEL_CHARACTERS_MAX {
        return Err("has a label of more than 63 characters");
    }
    if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err("may hold only letters, digits and hyphens between its dots");
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err("has a label that starts or ends with a hyphen");
    }
    // `a.sip.sip.<suffix>` would be the domain `a.sip`, or the domain `a` at an edge `sip`.
    if label == "sip" {
        return Err("may not have `sip` as one of its own labels");
    }
    Ok(())
}

/// A host as a request names it, taken apart: `{labels}.sip[.{edge}].{suffix}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainHost {
    /// Labels of the domain.
    pub labels: DomainLabels,
    /// The edge or legacy region after `sip`, lower case; `None` without one.
    pub edge: Option<Box<str>>,
}

/// The suffix of SIP domains (setting `node.domain_suffix`), lower case. Turns texts into domain names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainSuffix(Box<str>);

impl DomainSuffix {
    /// A suffix without a leading or trailing dot, such as `sidetone.test`.
    pub fn new(suffix: &str) -> Self {
        Self(suffix.trim_matches('.').to_ascii_lowercase().into())
    }

    /// The text, lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The one digest realm of every domain: `sip.<suffix>`.
    pub fn realm(&self) -> String {
        format!("sip.{}", self.0)
    }

    /// Takes apart the host of a Request-URI, without port. Accepts upper case and a trailing dot, as DNS does.
    pub fn host(&self, host: &str) -> Option<DomainHost> {
        // The dot at the end is the root of DNS: `host.` and `host` are one host.
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let front = self.front(&host)?;
        let (rest, last) = front.rsplit_once('.')?;
        // `{labels}.sip` without an edge, else `{labels}.sip.{edge}`. No label is `sip`, so only one of the
        // two fits.
        if last == "sip" {
            let labels = DomainLabels::parse(rest).ok()?;
            return Some(DomainHost { labels, edge: None });
        }
        let labels = DomainLabels::parse(rest.strip_suffix(".sip")?).ok()?;
        check_label(last).ok()?;
        Some(DomainHost { labels, edge: Some(last.into()) })
    }

    /// Reads a `DomainName` parameter: a full name under our suffix or the cloud's, or one bare label.
    /// Returns the name to keep, and its labels.
    ///
    /// # Errors
    /// The predicate of a sentence about the name, such as `has an empty label`.
    pub fn name(&self, text: &str) -> Result<(String, DomainLabels), &'static str> {
        let lower = text.to_ascii_lowercase();
        if lower.len() > NAME_CHARACTERS_MAX {
            return Err("is longer than a host name may be");
        }
        // Without a dot the customer means a name of this gateway. A domain below another needs the full
        // name.
        if !lower.contains('.') {
            let labels = DomainLabels::parse(&lower)?;
            return Ok((format!("{labels}.{}", self.realm()), labels));
        }
        let labels = self
            .front(&lower)
            .and_then(|front| front.strip_suffix(".sip"))
            .ok_or("does not end in the suffix of this gateway's SIP domains")?;
        let labels = DomainLabels::parse(labels)?;
        Ok((lower, labels))
    }

    /// The host without its suffix, ours or the cloud's, and without the dot before that.
    fn front<'h>(&self, host: &'h str) -> Option<&'h str> {
        // Scripts that were written for the cloud name its suffix. Both suffixes lead to one domain.
        [&*self.0, CLOUD_SUFFIX]
            .into_iter()
            .find_map(|suffix| host.strip_suffix(suffix)?.strip_suffix('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suffix() -> DomainSuffix {
        DomainSuffix::new("Sidetone.Test.")
    }

    #[test]
    fn hosts_are_taken_apart_into_domain_and_edge() {
        let cases = [
            ("plant7.sip.sidetone.test", Some(("plant7", None))),
            ("Plant7.SIP.sidetone.test.", Some(("plant7", None))),
            ("plant7.sip.twilio.com", Some(("plant7", None))),
            ("plant7.sip.frankfurt.sidetone.test", Some(("plant7", Some("frankfurt")))),
            ("plant7.sip.us1.twilio.com", Some(("plant7", Some("us1")))),
            ("line1.plant7.sip.sidetone.test", Some(("line1.plant7", None))),
            ("sip.sidetone.test", None),
            ("sip.frankfurt.sidetone.test", None),
            ("plant7.sidetone.test", None),
            ("plant7.sip.a.b.sidetone.test", None),
            ("plant7.sip.evil.test", None),
            ("plant7.sipsidetone.test", None),
            (".sip.sidetone.test", None),
            ("192.0.2.1", None),
            ("", None),
        ];
        for (host, expected) in cases {
            let found = suffix().host(host);
            let found = found.as_ref().map(|h| (h.labels.as_str(), h.edge.as_deref()));
            assert_eq!(found, expected, "{host}");
        }
    }

    #[test]
    fn names_are_kept_as_written_and_matched_by_labels() {
        let cases = [
            ("plant7.sip.twilio.com", Ok(("plant7.sip.twilio.com", "plant7"))),
            ("Plant7.sip.sidetone.test", Ok(("plant7.sip.sidetone.test", "plant7"))),
            ("plant7", Ok(("plant7.sip.sidetone.test", "plant7"))),
            ("a.b.sip.twilio.com", Ok(("a.b.sip.twilio.com", "a.b"))),
            ("plant_7.sip.twilio.com", Err(())),
            ("-x.sip.twilio.com", Err(())),
            ("x-.sip.twilio.com", Err(())),
            ("a..b.sip.twilio.com", Err(())),
            ("a.sip.sip.twilio.com", Err(())),
            ("sip.twilio.com", Err(())),
            ("plant7.example.com", Err(())),
            ("plant7.sip.frankfurt.twilio.com", Err(())),
            ("pl\u{e4}nt.sip.twilio.com", Err(())),
            ("", Err(())),
        ];
        for (text, expected) in cases {
            let found = suffix().name(text);
            let found = found.as_ref().map(|(n, l)| (n.as_str(), l.as_str())).map_err(|_| ());
            assert_eq!(found, expected, "{text}");
        }
        assert!(suffix().name(&format!("{}.sip.twilio.com", "x".repeat(64))).is_err());
    }

    #[test]
    fn an_account_sid_is_reserved_for_its_account_also_below() {
        let sid = "AC000000000000000000000000000000ab";
        for name in [sid.to_owned(), format!("x.{sid}")] {
            let labels = DomainLabels::parse(&name).unwrap();
            assert_eq!(labels.reserved_for().map(|sid| sid.0), Some(0xAB), "{name}");
        }
        assert_eq!(DomainLabels::parse("acme").unwrap().reserved_for(), None);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

        #[test]
        fn a_name_that_is_accepted_is_found_as_a_host(
            text in "([a-zA-Z0-9.-]{0,12}|\\PC{0,8})(\\.sip)?(\\.twilio\\.com|\\.sidetone\\.test)?",
        ) {
            if let Ok((name, labels)) = suffix().name(&text) {
                let host = suffix().host(&name.to_uppercase());
                proptest::prop_assert_eq!(host, Some(DomainHost { labels, edge: None }));
            }
        }

        #[test]
        fn no_host_panics(text in "\\PC{0,40}") {
            let _ = suffix().host(&text);
        }
    }
}
