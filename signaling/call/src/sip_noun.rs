//! The URI of a `<Sip>` noun and of a REST `To`: checked, taken apart, rebuilt. Sans-IO.
//!
//! No text of the customer reaches an INVITE unchecked: the URI is rebuilt from its parts, and a header
//! has an allow-listed name and a value free of control characters.

use std::fmt::{self, Write as _};
use std::net::Ipv6Addr;

use shared::{Code, Header, Transport, limits};

use crate::finding::brief;
use crate::form::percent_decode;
use crate::setup::SipTarget;

/// The reason why a URI cannot be dialled, or why a part of it is left out. The customer's error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence} ({code})")]
pub struct SipNounFault {
    /// Error code of the API: 13243, 1325x, 3211x.
    pub code: Code,
    /// The reason, in a sentence for the notification.
    pub sentence: String,
}

/// Whether `+` in a header value is a space. The API's documentation leaves it open; an HTML form would
/// read it so. This constant is the one place to change.
const PLUS_IS_SPACE: bool = true;

/// Reads `[sip:]user@host[:port][;parameters][?headers]`, with a fault for each part that is left out.
///
/// # Errors
/// 13243 where it is not a SIP URI.
pub fn parse(text: &str) -> Result<(SipTarget, Vec<SipNounFault>), SipNounFault> {
    let mut faults = Vec::new();
    let text = text.trim();
    // Headers first: their values may hold `;` and `@`.
    let (address, headers) = text.split_once('?').unwrap_or((text, ""));
    // Under 255 characters (twiml.md 4.1): the limit itself is refused.
    if address.chars().count() >= limits::SIP_NOUN_URI_MAX {
        let most = limits::SIP_NOUN_URI_MAX;
        return Err(invalid(format!("the SIP URI has {most} characters or more")));
    }
    let (secure_scheme, rest) = scheme(address)?;
    let mut parts = rest.split(';');
    let authority = parts.next().unwrap_or("");
    // At the last `@`: one before it is in the user part, where `check_user` refuses it.
    let (user, host_port) = match authority.rsplit_once('@') {
        Some((user, host_port)) => (Some(user), host_port),
        None => (None, authority),
    };
    if let Some(user) = user {
        check_user(user)?;
    }
    let (host, port) = host_and_port(host_port)?;
    let parameters = Parameters::read(parts, secure_scheme, &mut faults)?;
    let (user, at) = user.map_or(("", ""), |user| (user, "@"));
    let uri = format!("sip:{user}{at}{host_port}{}", parameters.sent);
    // What leaves must pass the one SIP parser (I6 in ARCHITECTURE.md).
    sip::Uri::parse(&uri).map_err(|error| invalid(error.to_string()))?;
    let target = SipTarget {
        uri,
        reported: format!("sip:{user}{at}{host_port}{}", parameters.reported),
        host,
        port,
        transport: parameters.transport,
        secure: parameters.secure,
        edge: parameters.edge,
        headers: read_headers(headers, &mut faults),
        credentials: None,
    };
    Ok((target, faults))
}

/// The target alone, for a REST `To` and for trunks.
///
/// # Errors
/// As [`parse`]; also the first fault of its headers, which a REST client can correct.
pub fn sip_target(text: &str) -> Result<SipTarget, SipNounFault> {
    let (target, faults) = parse(text)?;
    // An unknown edge may be one that this gateway defines: not an error of the client.
    match faults.into_iter().find(|fault| fault.code != Code::URI_PARAMETER) {
        None => Ok(target),
        Some(fault) => Err(fault),
    }
}

/// Whether the scheme is `sips`, and what follows the scheme. Without one it is `sip`.
fn scheme(address: &str) -> Result<(bool, &str), SipNounFault> {
    let prefix = |name: &str| {
        let (start, rest) = address.split_at_checked(name.len())?;
        start.eq_ignore_ascii_case(name).then_some(rest)
    };
    if let Some(rest) = prefix("sips:") {
        return Ok((true, rest));
    }
    if let Some(rest) = prefix("sip:") {
        return Ok((false, rest));
    }
    // `tel:+1` would otherwise be the host `tel` with a bad port, and the fault would name the
    // port.
    match prefix("tel:").or_else(|| prefix("http:")).or_else(|| prefix("https:")) {
        Some(_) => Err(invalid("the scheme of a SIP URI is `sip` or `sips`")),
        None => Ok((false, address)),
    }
}

/// RFC 3261 §25.1: unreserved, escaped, user-unreserved; a password behind a `:` has fewer marks.
fn check_user(info: &str) -> Result<(), SipNounFault> {
    let (user, password) = info.split_once(':').unwrap_or((info, ""));
    let in_both = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,%".contains(&byte);
    let in_user = |byte: u8| in_both(byte) || b";?/".contains(&byte);
    let is_sound = user.bytes().all(in_user) && password.bytes().all(in_both);
    if user.is_empty() || !is_sound || !escapes_are_whole(info) {
        return Err(invalid("the user part of the SIP URI is not valid"));
    }
    Ok(())
}

fn escapes_are_whole(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let mut digits = after.bytes();
        let mut hex = || digits.next().is_some_and(|byte| byte.is_ascii_hexdigit());
        hex() && hex()
    })
}

/// Host in lower case without brackets, and the port.
fn host_and_port(text: &str) -> Result<(String, Option<u16>), SipNounFault> {
    let fault = || invalid("the host of the SIP URI is not valid");
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (literal, after) = rest.split_once(']').ok_or_else(fault)?;
        literal.parse::<Ipv6Addr>().map_err(|_| fault())?;
        (literal, after.strip_prefix(':').or(if after.is_empty() { None } else { Some("") }))
    } else {
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        if !is_host_name(host) {
            return Err(fault());
        }
        (host, port)
    };
    let port = match port {
        None => None,
        Some(digits) => Some(
            digits
                .parse::<u16>()
                .ok()
                // Rust reads `+5` as a number; a port has digits only (RFC 3261 §25.1).
                .filter(|port| *port > 0 && !digits.starts_with('+'))
                .ok_or_else(|| invalid("the port of the SIP URI is not valid"))?,
        ),
    };
    // Hosts compare without case (RFC 3261 §19.1.4); look-ups by host need one form.
    Ok((host.to_ascii_lowercase(), port))
}

fn is_host_name(host: &str) -> bool {
    // A final dot is part of the grammar (RFC 3261 §25.1, `hostname`).
    let host = host.strip_suffix('.').unwrap_or(host);
    let label = |label: &str| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(legal)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

/// URI parameters: what they mean, what is sent and what is reported.
struct Parameters {
    transport: Option<Transport>,
    secure: bool,
    edge: Option<String>,
    sent: String,
    reported: String,
}

impl Parameters {
    fn read<'a>(
        parts: impl Iterator<Item = &'a str> + Clone,
        secure_scheme: bool,
        faults: &mut Vec<SipNounFault>,
    ) -> Result<Self, SipNounFault> {
        // `secure` forces TLS, also over a `transport` that stands before it.
        let secure = parts.clone().any(|part| part.eq_ignore_ascii_case("secure=true"));
        let over_tls = secure_scheme || secure;
        let (sent, reported) = (String::new(), String::new());
        let mut read = Self { transport: None, secure, edge: None, sent, reported };
        if over_tls {
            read.transport = Some(Transport::Tls);
            read.send(format_args!(";transport=tls"));
        }
        for (count, part) in parts.enumerate() {
            let legal =
                |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()[]/:&+$%".contains(&byte);
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if count >= limits::SIP_URI_PARAMETERS_MAX
                || name.is_empty()
                || !name.bytes().chain(value.bytes()).all(legal)
                || !escapes_are_whole(part)
            {
                return Err(invalid("a parameter of the SIP URI is not valid"));
            }
            read.take(&name.to_ascii_lowercase(), value, part, over_tls, faults)?;
        }
        Ok(read)
    }

    fn take(
        &mut self,
        name: &str,
        value: &str,
        part: &str,
        over_tls: bool,
        faults: &mut Vec<SipNounFault>,
    ) -> Result<(), SipNounFault> {
        match name {
            // `sips:` or `secure=true` has decided: another transport is dropped and not a fault.
            "transport" if over_tls => {}
            "transport" => {
                self.transport = Some(transport(value)?);
                self.send(format_args!(";transport={}", value.to_ascii_lowercase()));
            }
            "edge" | "region" => {
                let value = value.to_ascii_lowercase();
                self.edge = Some(shared::edge::canonical(&value).to_owned());
                self.report(format_args!(";{part}"));
                if !shared::edge::is_known(&value) {
                    let sentence = format!(
                        "`{part}` is none of the known edges: it counts where this gateway has an \
                         edge of that name, else the call leaves as usual"
                    );
                    faults.push(SipNounFault { code: Code::URI_PARAMETER, sentence });
                }
            }
            // An interconnect is an edge that leaves by a private network.
            "tnx" => {
                self.edge = Some(format!("tnx={value}"));
                self.report(format_args!(";{part}"));
            }
            "secure" => match value.to_ascii_lowercase().as_str() {
                // Reported and not sent: it asks this gateway, and the peer sees TLS and SRTP.
                "true" => self.report(format_args!(";{part}")),
                "false" => {}
                _ => faults.push(SipNounFault {
                    code: Code::URI_PARAMETER,
                    sentence: format!("`{part}` is neither true nor false: taken as false"),
                }),
            },
            _ => self.send(format_args!(";{part}")),
        }
        Ok(())
    }

    fn send(&mut self, parameter: fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.sent.write_fmt(parameter);
        self.report(parameter);
    }

    fn report(&mut self, parameter: fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.reported.write_fmt(parameter);
    }
}

fn transport(value: &str) -> Result<Transport, SipNounFault> {
    Transport::from_parameter(&value.to_ascii_lowercase())
        .ok_or_else(|| invalid("the transport of a SIP URI is udp, tcp or tls"))
}

/// Reads the header part. An invalid header is left out and the call goes on.
fn read_headers(text: &str, faults: &mut Vec<SipNounFault>) -> Vec<Header> {
    // Counted as written. A part that is too long gives no reason to choose some of its headers.
    if text.chars().count() >= limits::SIP_NOUN_HEADERS_MAX {
        let most = limits::SIP_NOUN_HEADERS_MAX;
        faults.push(SipNounFault {
            code: Code::SIP_HEADERS_LENGTH,
            sentence: format!("the header part has {most} characters or more: no header is sent"),
        });
        return Vec::new();
    }
    let mut headers = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        match header(pair) {
            Ok(header) => headers.push(header),
            Err(fault) => faults.push(fault),
        }
    }
    headers
}

fn header(pair: &str) -> Result<Header, SipNounFault> {
    let (name, value) = match pair.split_once('=') {
        Some((name, value)) => (percent_decode(name), decode_value(value)),
        // Some customers escape the `=` itself.
        None => match decode_value(pair).split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (percent_decode(pair), String::new()),
        },
    };
    check_header(name, value)
}

fn decode_value(value: &str) -> String {
    match PLUS_IS_SPACE {
        true => percent_decode(&value.replace('+', " ")),
        false => percent_decode(value),
    }
}

/// Checks a header that goes into an INVITE; keeps its name as written.
///
/// # Errors
/// 32111 invalid name, 32112 invalid value, 32113 reserved prefix, 32115 branded call reason too long, 13252 not
/// on the allow-list.
pub fn check_header(name: String, value: String) -> Result<Header, SipNounFault> {
    let shown = brief(&name);
    let fault = |code, why: &str| {
        Err(SipNounFault { code, sentence: format!("header `{shown}` is not sent: {why}") })
    };
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
    if name.is_empty() || name.len() > limits::SIP_HEADER_NAME_BYTES_MAX || !name.bytes().all(token)
    {
        return fault(Code::HEADER_NAME, "its name is not valid");
    }
    // U+FFFD stands for bytes that were not UTF-8 before they were decoded.
    if value.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
        return fault(Code::HEADER_VALUE, "its value has control characters or is not UTF-8");
    }
    let lower = name.to_ascii_lowercase();
    // Control adds these headers itself: a document must not forge them.
    if lower.starts_with("x-twilio") {
        return fault(Code::HEADER_RESERVED, "names that begin with X-Twilio are reserved");
    }
    if lower == "x-branded-callreason" && value.chars().count() > 50 {
        return fault(Code::CALL_REASON_LENGTH, "a branded call reason has at most 50 characters");
    }
    if !lower.starts_with("x-") && !ALLOWED.contains(&lower.as_str()) {
        return fault(
            Code::SIP_HEADER_NAME,
            "only X-, User-to-User, Remote-Party-ID, P-Preferred-Identity, P-Called-Party-ID are",
        );
    }
    Ok(Header::new(name, value.trim()))
}

/// Names that are allowed besides `X-*`.
const ALLOWED: [&str; 4] =
    ["user-to-user", "remote-party-id", "p-preferred-identity", "p-called-party-id"];

fn invalid(sentence: impl Into<String>) -> SipNounFault {
    SipNounFault { code: Code::SIP_URI, sentence: sentence.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_scheme_may_be_omitted() {
        let target = target("kate@Example.COM");
        assert_eq!(target.uri, "sip:kate@Example.COM");
        assert_eq!((target.host.as_str(), target.port), ("example.com", None));
        assert_eq!(target.transport, None);
    }

    #[test]
    fn sips_becomes_sip_over_tls() {
        let target = target("sips:kate@example.com:5071");
        assert_eq!(target.uri, "sip:kate@example.com:5071;transport=tls");
        assert_eq!(target.reported, target.uri);
        assert_eq!((target.transport, target.port), (Some(Transport::Tls), Some(5071)));
    }

    #[test]
    fn edge_and_region_are_read_and_not_sent_and_others_are_kept() {
        let by_edge = target("sip:k@example.com;edge=dublin;user=phone;transport=TCP?X-A=1");
        assert_eq!(by_edge.uri, "sip:k@example.com;user=phone;transport=tcp");
        assert_eq!(by_edge.reported, "sip:k@example.com;edge=dublin;user=phone;transport=tcp");
        assert_eq!(by_edge.edge.as_deref(), Some("dublin"));
        assert_eq!(target("sip:k@example.com;region=de1").edge.as_deref(), Some("frankfurt"));
    }

    #[test]
    fn secure_media_goes_over_tls_whatever_the_transport_and_a_bad_value_is_false() {
        for text in [
            "sip:k@h;secure=true",
            "sip:k@h;transport=udp;secure=true",
            "sip:k@h;secure=TRUE;transport=tcp",
        ] {
            let target = target(text);
            assert_eq!((target.secure, target.transport), (true, Some(Transport::Tls)), "{text}");
            assert_eq!(target.uri, "sip:k@h;transport=tls");
        }
        assert_eq!(target("sip:k@h;secure=true").reported, "sip:k@h;transport=tls;secure=true");
        assert!(!target("sip:k@h;secure=maybe").secure && !target("sip:k@h").secure);
        assert_eq!(faults("sip:k@h;secure=maybe"), [Code::URI_PARAMETER]);
        assert_eq!(target("sip:k@h;secure=false").uri, "sip:k@h");
    }

    #[test]
    fn ipv6_and_ports() {
        let target = target("sip:a@[2001:DB8::1]:5080");
        assert_eq!((target.host.as_str(), target.port), ("2001:db8::1", Some(5080)));
        for bad in
            ["sip:a@[::1", "sip:a@[zz]", "sip:a@h:0", "sip:a@h:70000", "sip:a@h:+5", "sip:a@[::1]x"]
        {
            assert_eq!(parse(bad).unwrap_err().code, Code::SIP_URI, "{bad}");
        }
    }

    #[test]
    fn an_invalid_sip_uri_is_13243() {
        let long = format!("sip:{}@h", "a".repeat(300));
        for bad in [
            "",
            "sip:",
            "sip:@h",
            "sip:a b@h",
            "sip:a@h\r\nX: y",
            "tel:+1",
            "sip:a@h_x",
            "sip:a@-h",
            "sip:a%4@h",
            "sip:a@h;;x",
            "sip:<a>@h",
            "sip:a@h;x=\"y\"",
            "sip:a@h;x=y=z",
            "sip:a:b/c@h",
            "sip:a@b.example.70",
            "sip::b@h",
            "sip:a@h;transport=ws",
            long.as_str(),
        ] {
            assert_eq!(parse(bad).unwrap_err().code, Code::SIP_URI, "{bad}");
        }
    }

    #[test]
    fn headers_are_decoded_once_and_keep_their_name() {
        let target = target(
            "sip:a@h?x-Route=42%3Btier%3Dgold&User-to-User=3456%3Bencoding%3Dhex&X-Agent=Agent%2C+A&X-Pct=%2541&x-foo%3Dbar",
        );
        let expected = [
            ("x-Route", "42;tier=gold"),
            ("User-to-User", "3456;encoding=hex"),
            ("X-Agent", "Agent, A"),
            ("X-Pct", "%41"),
            ("x-foo", "bar"),
        ];
        let expected = expected.map(|(name, value)| Header::new(name, value));
        assert_eq!(target.headers, expected);
    }

    #[test]
    fn refused_headers_are_left_out_with_their_codes() {
        assert_eq!(
            faults("sip:a@h?X-Twilio-Foo=1&Diversion=x&X%20Y=1&X-A=b%0D%0AVia: z&X-Ok=1"),
            [Code::HEADER_RESERVED, Code::SIP_HEADER_NAME, Code::HEADER_NAME, Code::HEADER_VALUE]
        );
        assert_eq!(target("sip:a@h?P-Asserted-Identity=x&Remote-Party-ID=y").headers.len(), 1);
        let long = format!("X-Branded-CallReason={}", "a".repeat(51));
        assert_eq!(faults(&format!("sip:a@h?{long}")), [Code::CALL_REASON_LENGTH]);
    }

    #[test]
    fn a_header_part_of_1024_characters_is_not_sent() {
        let fits = format!("sip:a@h?X-A={}", "b".repeat(1_019));
        assert_eq!(target(&fits).headers.len(), 1);
        let over = format!("sip:a@h?X-A={}", "b".repeat(1_020));
        assert_eq!(faults(&over), [Code::SIP_HEADERS_LENGTH]);
        assert!(target(&over).headers.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn whatever_is_written_nothing_is_injected(text in "(sip:)?[a-z0-9@:;=?&%<> \r\n\"XA0D-]{0,60}|.{0,60}") {
            if let Ok((target, _)) = parse(&text) {
                prop_assert!(target.uri.starts_with("sip:"));
                prop_assert!(!target.uri.bytes().any(|b| b <= b' ' || b >= 0x7F || b"<>\"?".contains(&b)) || target.uri.contains('?'));
                prop_assert!(!target.uri.bytes().any(|b| b <= b' ' || b >= 0x7F || b"<>\"".contains(&b)));
                for header in &target.headers {
                    prop_assert!(!header.name.is_empty() && !header.name.contains([':', ' ', '\r', '\n']));
                    prop_assert!(!header.text().chars().any(char::is_control));
                }
                let (again, _) = parse(&target.uri).expect("what is built reads back");
                prop_assert_eq!(again.uri, target.uri);
            }
        }

        #[test]
        fn header_values_of_any_text_come_through_or_are_refused(value in ".{0,40}") {
            let mut form = crate::form::Form::new();
            form.push("X-Value", &value);
            let text = format!("sip:a@h?{}", form.to_query());
            let (target, faults) = parse(&text).expect("the address is good");
            match target.headers.as_slice() {
                [read] => prop_assert_eq!(read.text(), value.trim()),
                _ => {
                    let refused = [Code::HEADER_VALUE, Code::SIP_HEADERS_LENGTH];
                    prop_assert!(faults.iter().any(|fault| refused.contains(&fault.code)));
                }
            }
        }
    }

    fn target(text: &str) -> SipTarget {
        parse(text).expect("it is a SIP URI").0
    }

    fn faults(text: &str) -> Vec<Code> {
        parse(text).expect("it is a SIP URI").1.iter().map(|fault| fault.code).collect()
    }
}
