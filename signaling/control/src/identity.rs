//! Caller and callee between us and a carrier: numbers, `P-Asserted-Identity`, `Privacy` (RFC 3325,
//! RFC 3323). Pure.
//!
//! A carrier is trusted (a Trust Domain in the sense of RFC 3325), so its assertions are believed and ours
//! are sent. Other peers get and give no asserted identity.

use shared::Header;
use shared::config::Trunk;
use sip::{NameAddr, Request, Uri};

/// The caller of a carrier's INVITE as webhooks report it: the number in From, else in `Remote-Party-ID`,
/// else in `P-Asserted-Identity`, else the user of From. A caller who asks for privacy is `anonymous`.
pub(crate) fn caller(request: &Request) -> String {
    if wants_privacy(request) {
        return ANONYMOUS.to_owned();
    }
    // In the order of sip.md 4. A header that cannot be read counts as absent.
    let of_header = |name: &str| {
        let value = request.headers.get(name)?;
        number_of(&NameAddr::parse(value.as_bytes()).ok()?.uri)
    };
    number_of(&request.from.uri)
        .or_else(|| of_header("Remote-Party-ID"))
        .or_else(|| of_header("P-Asserted-Identity"))
        .or_else(|| user_of(&request.from.uri))
        .unwrap_or_else(|| ANONYMOUS.to_owned())
}

/// The callee of a carrier's INVITE: the number in the Request-URI, else in To, else the user or the whole
/// of the Request-URI.
pub(crate) fn called(request: &Request) -> String {
    number_of(&request.uri)
        .or_else(|| number_of(&request.to.uri))
        .or_else(|| user_of(&request.uri))
        .unwrap_or_else(|| request.uri.to_string())
}

/// The number that diverted a carrier's call to us (RFC 5806).
pub(crate) fn diverted(request: &Request) -> Option<String> {
    let value = request.headers.get("Diversion")?;
    number_of(&NameAddr::parse(value.as_bytes()).ok()?.uri)
}

fn wants_privacy(request: &Request) -> bool {
    let Some(value) = request.headers.get("Privacy") else { return false };
    let text = value.to_lossy().to_ascii_lowercase();
    text.split([';', ',']).any(|word| matches!(word.trim(), "id" | "user" | "full"))
}

/// Whether a caller id means that the caller withholds it.
pub(crate) fn is_withheld(caller_id: &str) -> bool {
    let known = [ANONYMOUS, "restricted", "private", "unavailable", "unknown"];
    caller_id.is_empty() || known.iter().any(|word| word.eq_ignore_ascii_case(caller_id))
}

/// The caller of an INVITE to a carrier, as its headers name it.
pub(crate) struct Asserted {
    /// The URI of From.
    pub from: String,
    /// Display name of From; `None`: it has none.
    pub display: Option<String>,
    /// `P-Asserted-Identity` and `Privacy`.
    pub headers: Vec<Header>,
}

/// The identity of a caller towards a carrier. A withheld one is anonymous in From and asks for privacy;
/// `P-Asserted-Identity` still tells the carrier the trunk's `identity`, if it has one (RFC 3325 §7).
pub(crate) fn asserted(caller_id: &str, trunk: &Trunk, realm: &str) -> Asserted {
    let host = if trunk.from_host.is_empty() { realm } else { &trunk.from_host };
    let identity = |number: &str| {
        let value = format!("<sip:{number}@{host}>");
        Header::new("P-Asserted-Identity", value)
    };
    if !is_withheld(caller_id) {
        // A name is an identity that no carrier could check.
        let headers = if is_number(caller_id) { vec![identity(caller_id)] } else { Vec::new() };
        return Asserted { from: format!("sip:{caller_id}@{host}"), display: None, headers };
    }
    // `id` asks the carrier to withhold the asserted identity (RFC 3325 §9.3); the From of RFC 3323
    // §4.1.1.3 withholds the rest.
    let mut headers = vec![Header::new("Privacy", b"id")];
    if !trunk.identity.is_empty() {
        headers.push(identity(&trunk.identity));
    }
    let display = Some("Anonymous".to_owned());
    Asserted { from: format!("sip:{ANONYMOUS}@anonymous.invalid"), display, headers }
}

/// The number in the user part of a URI.
pub(crate) fn number_of(uri: &Uri) -> Option<String> {
    user_of(uri).filter(|user| is_number(user))
}

/// The user part without its own parameters (`+15550100;npdi`).
fn user_of(uri: &Uri) -> Option<String> {
    let text = match uri {
        Uri::Sip(uri) => uri.user.as_ref()?.to_string(),
        Uri::Tel(_) => uri.to_string().strip_prefix("tel:")?.to_owned(),
        Uri::Other(_) => return None,
    };
    text.split(';').next().filter(|user| !user.is_empty()).map(str::to_owned)
}

/// A `+` and digits, or digits.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (1..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

const ANONYMOUS: &str = "anonymous";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_asserted_and_a_withheld_one_asks_for_privacy() {
        let trunk = Trunk { identity: "+15550000".to_owned(), ..Trunk::default() };
        let shown = asserted("+15550100", &trunk, "sip.sidetone.test");
        assert_eq!(shown.from, "sip:+15550100@sip.sidetone.test");
        assert_eq!(text(&shown), ["P-Asserted-Identity: <sip:+15550100@sip.sidetone.test>"]);
        let hidden = asserted("Anonymous", &trunk, "sip.sidetone.test");
        assert_eq!(hidden.from, "sip:anonymous@anonymous.invalid");
        let expected = ["Privacy: id", "P-Asserted-Identity: <sip:+15550000@sip.sidetone.test>"];
        assert_eq!(text(&hidden), expected);
        let named = asserted("alice", &trunk, "sip.sidetone.test");
        assert_eq!(text(&named), [""; 0], "a name is no identity of a number");
    }

    #[test]
    fn a_carrier_s_caller_is_found_where_it_stands() {
        let from = "From: <sip:+15550100;npdi@carrier.example>;tag=1";
        assert_eq!(caller(&invite(from, "")), "+15550100");
        let nobody = "From: <sip:unavailable@carrier.example>;tag=1";
        assert_eq!(caller(&invite(nobody, "")), "unavailable");
        let asserted = "P-Asserted-Identity: <tel:+15550101>\r\n";
        assert_eq!(caller(&invite(nobody, asserted)), "+15550101");
        let both = format!("Remote-Party-ID: <sip:+15550102@c>;party=calling\r\n{asserted}");
        assert_eq!(caller(&invite(nobody, &both)), "+15550102");
        let private = format!("Privacy: id;critical\r\n{asserted}");
        assert_eq!(caller(&invite(nobody, &private)), "anonymous");
        let diverted_by = "Diversion: <sip:+15550103@c>;reason=unconditional\r\n";
        assert_eq!(diverted(&invite(from, diverted_by)).as_deref(), Some("+15550103"));
    }

    fn text(asserted: &Asserted) -> Vec<String> {
        let line = |header: &Header| format!("{}: {}", header.name, header.text());
        asserted.headers.iter().map(line).collect()
    }

    fn invite(from: &str, more: &str) -> Request {
        let text = format!(
            "INVITE sip:+15550199@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\n{from}\r\n\
             To: <sip:+15550199@c>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n{more}\r\n"
        );
        match sip::Message::parse(text.as_bytes()) {
            Ok(sip::Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }
}
