//! Reads URIs. Sans-IO, total over any bytes.

use shared::limits::{SIP_URI_BYTES_MAX, SIP_URI_PARAMETERS_MAX};

use super::{Host, SipUri, TelUri, Uri};
use crate::parameters::Parameters;
use crate::text::{self, Escaped, IllegalText, Text};

/// Reasons why a byte string is not a valid URI. Always the sender's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// Longer than [`SIP_URI_BYTES_MAX`]; 414 in a Request-URI.
    #[error("the URI is longer than {SIP_URI_BYTES_MAX} bytes")]
    TooLong,
    /// More than [`SIP_URI_PARAMETERS_MAX`] parameters.
    #[error("the URI has more than {SIP_URI_PARAMETERS_MAX} parameters")]
    TooManyParameters,
    /// No scheme, or one that this place does not allow.
    #[error("the URI has no usable scheme")]
    Scheme,
    /// A part that breaks the grammar.
    #[error("in the {part} of the URI: {source}")]
    Part {
        /// Name of the part.
        part: &'static str,
        /// What is wrong with it.
        source: IllegalText,
    },
    /// A port that is not a number from 1 to 65535.
    #[error("the port of the URI is not a number from 1 to 65535")]
    Port,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Uri, UriError> {
    if bytes.len() > SIP_URI_BYTES_MAX {
        return Err(UriError::TooLong);
    }
    let colon = memchr::memchr(b':', bytes).ok_or(UriError::Scheme)?;
    let (scheme, rest) = bytes.split_at_checked(colon).ok_or(UriError::Scheme)?;
    let rest = rest.get(1..).unwrap_or_default();
    if !is_scheme(scheme) {
        return Err(UriError::Scheme);
    }
    if scheme.eq_ignore_ascii_case(b"sip") {
        parse_sip(rest, false).map(Uri::Sip)
    } else if scheme.eq_ignore_ascii_case(b"sips") {
        parse_sip(rest, true).map(Uri::Sip)
    } else if scheme.eq_ignore_ascii_case(b"tel") {
        parse_tel(rest).map(Uri::Tel)
    } else {
        text::check(rest, is_opaque_byte).map_err(part("opaque part"))?;
        Ok(Uri::Other(Text::from_wire(bytes)))
    }
}

fn parse_sip(rest: &[u8], secure: bool) -> Result<SipUri, UriError> {
    let UserInfo { user, password, rest } = split_user(rest)?;
    let ((host, port), rest) = match host_port_ahead(rest) {
        Some((host_port, rest)) if matches!(rest.first(), None | Some(b';' | b'?')) => {
            (host_port, rest)
        }
        _ => {
            let is_end = |&byte: &u8| matches!(byte, b';' | b'?');
            let end = rest.iter().position(is_end).unwrap_or(rest.len());
            let (host_port, rest) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            (parse_host_port(host_port)?, rest)
        }
    };
    let mut uri = SipUri { user, password, port, secure, ..SipUri::new(host) };
    // Most URIs end here.
    if !rest.is_empty() {
        let headers_start = memchr::memchr(b'?', rest).unwrap_or(rest.len());
        let (parameters, headers) = rest.split_at_checked(headers_start).unwrap_or((rest, &[]));
        uri.parameters = parse_parameters(parameters)?;
        uri.headers = parse_headers(headers)?;
    }
    Ok(uri)
}

struct UserInfo<'a> {
    user: Option<Escaped>,
    password: Option<Escaped>,
    /// The part after the `@`.
    rest: &'a [u8],
}

/// The first `@` ends the user part: no unescaped `@` may follow it.
fn split_user(rest: &[u8]) -> Result<UserInfo<'_>, UriError> {
    // A user without escapes and password is found and checked in one pass.
    let plain = rest.iter().take_while(|&&byte| text::is_user_byte(byte)).count();
    if plain > 0
        && let Some((user, [b'@', rest @ ..])) = rest.split_at_checked(plain)
    {
        return Ok(UserInfo { user: Some(Escaped::unescaped(user)), password: None, rest });
    }
    let Some(at) = memchr::memchr(b'@', rest) else {
        return Ok(UserInfo { user: None, password: None, rest });
    };
    let (info, rest) = rest.split_at_checked(at).unwrap_or((rest, &[]));
    let rest = rest.get(1..).unwrap_or_default();
    let (user, password) = match memchr::memchr(b':', info) {
        Some(colon) => (info.get(..colon).unwrap_or_default(), info.get(colon + 1..)),
        None => (info, None),
    };
    if user.is_empty() {
        return Err(part("user")(IllegalText::Empty));
    }
    let user = Some(Escaped::from_wire(user, text::is_user_byte).map_err(part("user"))?);
    let password = password
        .map(|password| Escaped::from_wire(password, text::is_password_byte))
        .transpose()
        .map_err(part("password"))?;
    Ok(UserInfo { user, password, rest })
}

/// `host[:port]`; without a port the default of its place counts.
type HostPort = (Host, Option<u16>);

/// Reads the IPv4 address or the name at the start and the port behind it, in one pass. The bytes
/// after them are the caller's to judge. `None` leaves the judgement to [`parse_host_port`].
pub(crate) fn host_port_ahead(bytes: &[u8]) -> Option<(HostPort, &[u8])> {
    let (host, rest) = Host::ahead(bytes)?;
    let [b':', rest @ ..] = rest else { return Some(((host, None), rest)) };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = rest.split_at_checked(digits)?;
    Some(((host, Some(parse_port(digits)?)), rest))
}

/// Reads `host[:port]`.
pub(crate) fn parse_host_port(bytes: &[u8]) -> Result<HostPort, UriError> {
    if let Some((host_port, [])) = host_port_ahead(bytes) {
        return Ok(host_port);
    }
    let port_from = match bytes.first() {
        Some(b'[') => memchr::memchr(b']', bytes).map_or(0, |end| end + 1),
        _ => 0,
    };
    let tail = bytes.get(port_from..).unwrap_or_default();
    let colon = tail.iter().position(|&byte| byte == b':').map(|at| at + port_from);
    let (host, port) = match colon {
        Some(colon) => (bytes.get(..colon).unwrap_or_default(), bytes.get(colon + 1..)),
        None => (bytes, None),
    };
    let port = port.map(|port| parse_port(port).ok_or(UriError::Port)).transpose()?;
    Ok((Host::parse(host).map_err(part("host"))?, port))
}

/// A port from 1 to 65535.
pub(crate) fn parse_port(digits: &[u8]) -> Option<u16> {
    text::decimal(digits).and_then(|port| u16::try_from(port).ok()).filter(|&port| port != 0)
}

/// Reads `*(;name[=value])`.
fn parse_parameters(bytes: &[u8]) -> Result<Parameters, UriError> {
    let mut parameters = Parameters::new();
    let Some(list) = bytes.strip_prefix(b";") else {
        return Ok(parameters);
    };
    for parameter in list.split(|&byte| byte == b';') {
        if parameters.len() == SIP_URI_PARAMETERS_MAX {
            return Err(UriError::TooManyParameters);
        }
        let (name, value) = split_once(parameter, b'=');
        if name.is_empty() {
            return Err(part("parameters")(IllegalText::Empty));
        }
        let value = value.filter(|value| !value.is_empty());
        for bytes in [Some(name), value].into_iter().flatten() {
            text::check_escapes(bytes, text::is_uri_parameter_byte).map_err(part("parameters"))?;
        }
        parameters.push(Text::from_wire(name), value.map(Text::from_wire));
    }
    Ok(parameters)
}

/// Reads `?name=value&name=value`.
fn parse_headers(bytes: &[u8]) -> Result<Vec<(Escaped, Escaped)>, UriError> {
    let Some(list) = bytes.strip_prefix(b"?") else {
        return Ok(Vec::new());
    };
    let header = |header| {
        let (name, value) = split_once(header, b'=');
        if name.is_empty() {
            return Err(part("headers")(IllegalText::Empty));
        }
        let read = |bytes| Escaped::from_wire(bytes, text::is_uri_header_byte);
        let name = read(name).map_err(part("headers"))?;
        Ok((name, read(value.unwrap_or_default()).map_err(part("headers"))?))
    };
    list.split(|&byte| byte == b'&').map(header).collect()
}

fn parse_tel(rest: &[u8]) -> Result<TelUri, UriError> {
    let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
    let (number, parameters) = rest.split_at_checked(end).unwrap_or((rest, &[]));
    text::check(number, is_phone_byte).map_err(part("number"))?;
    let number = Escaped::from_wire(number, is_phone_byte).map_err(part("number"))?;
    Ok(TelUri { number, parameters: parse_parameters(parameters)? })
}

fn split_once(bytes: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|&byte| byte == separator) {
        Some(at) => (bytes.get(..at).unwrap_or_default(), bytes.get(at + 1..)),
        None => (bytes, None),
    }
}

fn part(part: &'static str) -> impl Fn(IllegalText) -> UriError {
    move |source| UriError::Part { part, source }
}

fn is_scheme(bytes: &[u8]) -> bool {
    let is_scheme_byte =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    bytes.first().is_some_and(u8::is_ascii_alphabetic) && bytes.iter().all(is_scheme_byte)
}

/// Visible ASCII that does not end a `name-addr`.
const fn is_opaque_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"')
}

/// Digits of a telephone number and its visual separators (RFC 3966 §3).
const fn is_phone_byte(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b'+' | b'*' | b'#' | b'-' | b'.' | b'(' | b')')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sip(text: &str) -> SipUri {
        SipUri::parse(text).unwrap()
    }

    #[test]
    fn all_parts_are_read() {
        let uri = sip("sips:a;b:pw@[2001:db8::1]:5061;transport=TCP;lr?Subject=x%20y&Priority=");
        assert!(uri.secure && uri.is_loose());
        assert_eq!(uri.user_lossy(), "a;b");
        assert_eq!(uri.password.unwrap().as_str(), "pw");
        assert_eq!(uri.host.to_string(), "[2001:db8::1]");
        assert_eq!(uri.port, Some(5061));
        assert_eq!(uri.parameters.get("Transport").unwrap(), &"TCP");
        assert_eq!(uri.headers.len(), 2);
        assert_eq!(uri.headers[0].1.decode(), b"x y");
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in [
            "sip:example.com",
            "sip:user@example.com:5060;lr;x=1?a=b&c=",
            "sips:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d@h.x",
            "tel:+1-201-555-0123;phone-context=example.com",
            "urn:service:sos",
        ] {
            assert_eq!(Uri::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn broken_uris_are_refused() {
        for text in [
            "",
            ":",
            "sip",
            "sip:",
            "1sip:a",
            "sip:a@",
            "sip:@b",
            "sip:a b@c",
            "<sip:a@b>",
            "sip:a@b:0",
            "sip:a@b:65536",
            "sip:a@b:x",
            "sip:a@b;;lr",
            "sip:a@b?=x",
            "sip:a%4@b",
            "sip:2001:db8::10",
            "sip:a@b;x=\"y\"",
            "sip:ü@b",
            "tel:",
            "tel:abcxyz",
            "x:a\r\nb",
        ] {
            assert!(Uri::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn limits_of_length_and_parameters_hold() {
        let long = format!("sip:{}@b", "a".repeat(SIP_URI_BYTES_MAX - 6));
        assert!(Uri::parse(&long).is_ok());
        assert_eq!(Uri::parse(format!("{long}b")), Err(UriError::TooLong));
        let many = format!("sip:b{}", ";a".repeat(SIP_URI_PARAMETERS_MAX));
        assert!(Uri::parse(&many).is_ok());
        assert_eq!(Uri::parse(format!("{many};a")), Err(UriError::TooManyParameters));
    }
}
