//! The parties of a call to be placed: `To`, `From` and `CallerId`, checked for form. Control resolves them.

use shared::Code;
use shared::limits::{CLIENT_IDENTITY_BYTES_MAX, SIP_NOUN_HEADERS_MAX, SIP_NOUN_URI_MAX};
use store::{CallTarget, WriteError};

use crate::request::percent_decode;

// E.164 allows 15 digits.
const NUMBER_DIGITS_MAX: usize = 15;
/// Headers besides `X-` ones that the URI of a callee may set.
const TARGET_HEADERS: [&str; 4] =
    ["User-to-User", "Remote-Party-ID", "P-Preferred-Identity", "P-Called-Party-ID"];

/// Reads `To`.
pub(super) fn target(to: &str) -> Result<CallTarget, WriteError> {
    if to.is_empty() {
        return Err(WriteError::invalid(Code::TO_MISSING, "No 'To' number is specified"));
    }
    let scheme = to.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("sip") => sip_target(to),
        // As in TwiML, `sips:` means `transport=tls`.
        Some("sips") => sip_target(&over_tls(to)),
        Some("client") => client(to),
        Some("app") => application(to),
        Some(_) | None => number(to).map(CallTarget::Number).ok_or_else(|| {
            // The contract has two codes: letters look like a name that was meant as a URI.
            if to.chars().any(char::is_alphabetic) {
                WriteError::invalid(
                    Code::TO_NOT_A_NUMBER,
                    "To does not look like a phone number or a sip: URI",
                )
            } else {
                WriteError::invalid(Code::TO_INVALID, "The 'To' number is not a valid phone number")
            }
        }),
    }
}

/// Reads `client:NAME[?name=value&…]`. Control finds who is registered by the name.
fn client(to: &str) -> Result<CallTarget, WriteError> {
    let rest = to.get("client:".len()..).unwrap_or_default();
    let (identity, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+~!*'".contains(&byte);
    let fits = (1..=CLIENT_IDENTITY_BYTES_MAX).contains(&identity.len());
    if !fits || !identity.bytes().all(is_plain) {
        let message = "To `client:` needs a name: 1 to 121 letters, digits and - _ . + ~ ! * '";
        return Err(WriteError::invalid(Code::TO_INVALID, message));
    }
    let parameters = parameters(query)?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fits = |(name, value): &(String, String)| {
        name.bytes().all(is_token) && !value.contains(char::is_control)
    };
    if !parameters.iter().all(fits) {
        let message =
            "The parameters of To become SIP headers: names have letters, digits and - _ . only";
        return Err(WriteError::invalid(Code::TO_INVALID, message));
    }
    Ok(CallTarget::Client { identity: identity.to_owned(), parameters })
}

/// Reads `app:AP…[?name=value&…]`. Control looks the application up.
fn application(to: &str) -> Result<CallTarget, WriteError> {
    let rest = to.get("app:".len()..).unwrap_or_default();
    let (sid, query) = rest.split_once('?').unwrap_or((rest, ""));
    let sid = sid.parse().map_err(|_| {
        WriteError::invalid(Code::APPLICATION_SID, "To `app:` names no SID of an application")
    })?;
    Ok(CallTarget::Application { sid, parameters: parameters(query)? })
}

/// Names and values of the query behind a `To`, decoded.
fn parameters(query: &str) -> Result<Vec<(String, String)>, WriteError> {
    if query.chars().count() >= SIP_NOUN_HEADERS_MAX {
        let message =
            format!("The parameters of To must be shorter than {SIP_NOUN_HEADERS_MAX} characters");
        return Err(WriteError::invalid(Code::TO_INVALID, message));
    }
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let pairs = pairs.filter(|(name, _)| !name.is_empty());
    Ok(pairs.map(|(name, value)| (percent_decode(name), percent_decode(value))).collect())
}

/// Turns `sips:` into `sip:` over TLS; such a URI may not name a transport of its own.
fn over_tls(sips: &str) -> String {
    let (uri, headers) = sips.split_at(sips.find('?').unwrap_or(sips.len()));
    let is_transport =
        |part: &&str| part.split('=').next().is_some_and(|n| n.eq_ignore_ascii_case("transport"));
    let rest = uri.get(5..).unwrap_or_default();
    let rest: Vec<&str> = rest.split(';').filter(|part| !is_transport(part)).collect();
    format!("sip:{};transport=tls{headers}", rest.join(";"))
}

/// Checks a SIP URI for form. Control resolves it.
fn sip_target(to: &str) -> Result<CallTarget, WriteError> {
    let (uri, headers) = to.split_once('?').unwrap_or((to, ""));
    let invalid = |problem: &str| {
        WriteError::invalid(Code::TO_INVALID, format!("To is not a valid SIP URI: {problem}"))
    };
    if uri.chars().count() >= SIP_NOUN_URI_MAX {
        return Err(invalid("it has 255 or more characters"));
    }
    // Any of them would end the Request-URI or the To header that is made of it.
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"');
    if uri.chars().any(forbidden) {
        return Err(invalid("it holds blanks, quotes, angle brackets or control characters"));
    }
    let after_scheme = uri.get(4..).unwrap_or_default();
    let address = after_scheme.split(';').next().unwrap_or_default();
    // At the last `@`: a host cannot have one.
    let (user, host_port) = match address.rsplit_once('@') {
        Some((user, host_port)) => (Some(user), host_port),
        None => (None, address),
    };
    if user.is_some_and(str::is_empty) {
        return Err(invalid("its user part is empty"));
    }
    if !is_host_port(host_port) {
        return Err(invalid("its host is missing or malformed"));
    }
    check_headers(headers)?;
    Ok(CallTarget::Sip(format!("sip:{}", to.get(4..).unwrap_or_default())))
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn is_host_port(text: &str) -> bool {
    let (host, rest) = match text.strip_prefix('[') {
        Some(bracketed) => match bracketed.split_once(']') {
            Some((address, rest)) if address.parse::<std::net::Ipv6Addr>().is_ok() => ("v6", rest),
            _ => return false,
        },
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let host_is_fine = !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    let port_is_fine = rest.is_empty()
        || rest
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    host_is_fine && port_is_fine
}

/// Checks the header part of a callee's URI: `X-One=1&X-Two=2`, percent-encoded once.
fn check_headers(part: &str) -> Result<(), WriteError> {
    if part.chars().count() >= SIP_NOUN_HEADERS_MAX {
        let message =
            format!("The header part of To must be shorter than {SIP_NOUN_HEADERS_MAX} characters");
        return Err(WriteError::invalid(Code::SIP_HEADER_PART_LENGTH, message));
    }
    for pair in part.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // Decoded before the checks: `%0d%0a` would end the header line.
        let (name, value) = (percent_decode(name), percent_decode(value));
        let is_token = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b));
        if !is_token {
            return Err(WriteError::invalid(
                Code::SIP_HEADER_NAME_ILLEGAL,
                "To holds a header with an illegal character in its name",
            ));
        }
        let lower = name.to_ascii_lowercase();
        // The gateway writes `X-Twilio` headers itself: a customer's could be taken for these.
        let allowed = lower.starts_with("x-") && !lower.starts_with("x-twilio")
            || TARGET_HEADERS.iter().any(|header| header.eq_ignore_ascii_case(&name));
        if !allowed {
            let message = format!(
                "Header {name} cannot be set: only X- headers (not X-Twilio) and {} can",
                TARGET_HEADERS.join(", ")
            );
            return Err(WriteError::invalid(Code::SIP_HEADER_NAME_ILLEGAL, message));
        }
        if value.chars().any(char::is_control) {
            let message = format!("Header {name} of To holds an illegal character in its value");
            return Err(WriteError::invalid(Code::SIP_HEADER_VALUE_ILLEGAL, message));
        }
    }
    Ok(())
}

/// Reads `From`: a user part where the callee is a SIP URI, a number where it is a number.
pub(super) fn caller(to: &CallTarget, from: &str) -> Result<String, WriteError> {
    if from.is_empty() {
        return Err(WriteError::invalid(Code::FROM_MISSING, "No 'From' number is specified"));
    }
    let invalid = |problem: &str| {
        WriteError::invalid(Code::FROM_INVALID, format!("From is not valid: {problem}"))
    };
    match to {
        CallTarget::Sip(_) | CallTarget::Client { .. } | CallTarget::Application { .. } => {
            if let Some(number) = number(from) {
                return Ok(number);
            }
            if is_user_part(from) {
                return Ok(from.to_owned());
            }
            Err(invalid("towards SIP it is the user part alone: letters, digits, + - _ . and no @"))
        }
        CallTarget::Number(_) => {
            number(from).ok_or_else(|| invalid("towards a phone number it must be a phone number"))
        }
    }
}

/// Reads `CallerId`: a number, a user part or a SIP address.
pub(super) fn caller_id(text: &str) -> Result<String, WriteError> {
    if let Some(number) = number(text) {
        return Ok(number);
    }
    let is_address = text.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sip:"))
        && sip_target(text).is_ok();
    if is_address || is_user_part(text) {
        return Ok(text.to_owned());
    }
    Err(WriteError::invalid(
        Code::FROM_INVALID,
        "CallerId must be a phone number, a user part or a sip: address",
    ))
}

fn is_user_part(text: &str) -> bool {
    text.len() < SIP_NOUN_URI_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'_' | b'.'))
}

/// A phone number, its punctuation removed: `+` and digits, or digits.
fn number(text: &str) -> Option<String> {
    let kept: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.')).collect();
    let digits = kept.strip_prefix('+').unwrap_or(&kept);
    let fits = (1..=NUMBER_DIGITS_MAX).contains(&digits.len());
    (fits && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(kept)
}
