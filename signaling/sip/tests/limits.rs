//! Each bound on a message: a message at the bound passes, and one past it gets its status.

use shared::limits::{
    SIP_BODY_BYTES_MAX, SIP_HEADER_LINES_MAX, SIP_HEADER_NAME_BYTES_MAX,
    SIP_HEADER_VALUE_BYTES_MAX, SIP_HEADER_VALUES_MAX, SIP_HEADERS_BYTES_MAX,
    SIP_LONG_HEADER_VALUE_BYTES_MAX, SIP_MESSAGE_BYTES_MAX, SIP_ROUTE_MAX,
    SIP_START_LINE_BYTES_MAX, SIP_URI_BYTES_MAX, SIP_URI_PARAMETERS_MAX, SIP_VIA_MAX,
};
use sip::Message;

const HEADERS: &str = "Via: SIP/2.0/UDP a.example.org;branch=z9hG4bKx\r\nFrom: <sip:a@a.b>;tag=1\r\n\
                       To: <sip:b@a.b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n";
/// Lines of [`HEADERS`].
const LINES: usize = 5;

fn message(uri: &str, headers: &str, body: &str) -> String {
    format!("OPTIONS {uri} SIP/2.0\r\n{HEADERS}{headers}\r\n{body}")
}

/// The rule and status of an answerable refusal; `None` when the message passes.
fn refusal(message: &str) -> Option<(&'static str, u16)> {
    let error = Message::parse(message.as_bytes()).err()?;
    assert!(error.answerable.is_some(), "{} is answered", error.rule);
    Some((error.rule, error.status))
}

fn with_headers(headers: &str) -> Option<(&'static str, u16)> {
    refusal(&message("sip:a@b.c", headers, ""))
}

#[test]
fn a_long_uri_and_a_long_start_line_are_414() {
    let uri = |len: usize| format!("sip:{}", "u".repeat(len - 4));
    assert_eq!(refusal(&message(&format!("{}@b.c", uri(SIP_URI_BYTES_MAX - 4)), "", "")), None);
    let past = format!("{}@b.c", uri(SIP_URI_BYTES_MAX - 3));
    assert_eq!(refusal(&message(&past, "", "")), Some(("sip_uri_size", 414)));
    let line = message(&uri(SIP_START_LINE_BYTES_MAX), "", "");
    assert_eq!(refusal(&line), Some(("sip_start_line_size", 414)));
    let unreadable = line.replacen(" SIP/2.0\r\n", "x\r\n", 1);
    assert_eq!(refusal(&unreadable), Some(("sip_start_line_size", 400)));
}

#[test]
fn too_many_uri_parameters_are_400() {
    let uri = |count: usize| format!("sip:a@b.c{}", ";p".repeat(count));
    assert_eq!(refusal(&message(&uri(SIP_URI_PARAMETERS_MAX), "", "")), None);
    let past = message(&uri(SIP_URI_PARAMETERS_MAX + 1), "", "");
    assert_eq!(refusal(&past), Some(("sip_request_uri", 400)));
}

#[test]
fn too_many_lines_count_before_unfolding() {
    let fold = |count: usize| format!("X: a{}\r\n", "\r\n b".repeat(count - 1));
    assert_eq!(with_headers(&fold(SIP_HEADER_LINES_MAX - LINES)), None);
    let past = with_headers(&fold(SIP_HEADER_LINES_MAX - LINES + 1));
    assert_eq!(past, Some(("sip_header_lines", 400)));
}

#[test]
fn a_long_header_section_is_400() {
    let line = format!("X: {}\r\n", "v".repeat(1019));
    let fits = SIP_HEADERS_BYTES_MAX / line.len() - 1;
    assert_eq!(with_headers(&line.repeat(fits)), None);
    assert_eq!(with_headers(&line.repeat(fits + 1)), Some(("sip_headers_size", 400)));
}

#[test]
fn too_many_values_of_one_name_are_400() {
    let lines = |count: usize| "X-Same: v\r\n".repeat(count);
    assert_eq!(with_headers(&lines(SIP_HEADER_VALUES_MAX)), None);
    assert_eq!(with_headers(&lines(SIP_HEADER_VALUES_MAX + 1)), Some(("sip_header_values", 400)));
    let contacts = |count: usize| format!("m: {}\r\n", vec!["<sip:a@b.c>"; count].join(","));
    assert_eq!(with_headers(&contacts(SIP_HEADER_VALUES_MAX)), None);
    assert_eq!(with_headers(&contacts(SIP_HEADER_VALUES_MAX + 1)), Some(("sip_contacts", 400)));
}

#[test]
fn long_names_and_values_are_400() {
    let named = |len: usize| format!("{}: v\r\n", "N".repeat(len));
    assert_eq!(with_headers(&named(SIP_HEADER_NAME_BYTES_MAX)), None);
    let past = with_headers(&named(SIP_HEADER_NAME_BYTES_MAX + 1));
    assert_eq!(past, Some(("sip_header_name_size", 400)));
    let valued = |name: &str, len: usize| with_headers(&format!("{name}: {}\r\n", "v".repeat(len)));
    let past = Some(("sip_header_value_size", 400));
    assert_eq!(valued("X", SIP_HEADER_VALUE_BYTES_MAX), None);
    assert_eq!(valued("X", SIP_HEADER_VALUE_BYTES_MAX + 1), past);
    for name in ["Authorization", "proxy-authorization", "Identity", "y"] {
        assert_eq!(valued(name, SIP_LONG_HEADER_VALUE_BYTES_MAX), None);
        assert_eq!(valued(name, SIP_LONG_HEADER_VALUE_BYTES_MAX + 1), past);
    }
}

#[test]
fn too_many_hops_are_400() {
    let vias = |count: usize| "v: SIP/2.0/UDP h.example.org\r\n".repeat(count);
    assert_eq!(with_headers(&vias(SIP_VIA_MAX - 1)), None);
    assert_eq!(with_headers(&vias(SIP_VIA_MAX)), Some(("sip_vias", 400)));
    for name in ["Route", "Record-Route"] {
        let routes =
            |count: usize| format!("{name}: {}\r\n", vec!["<sip:p.q;lr>"; count].join(","));
        assert_eq!(with_headers(&routes(SIP_ROUTE_MAX)), None);
        assert_eq!(with_headers(&routes(SIP_ROUTE_MAX + 1)), Some(("sip_routes", 400)));
    }
}

#[test]
fn a_long_body_is_413_and_a_long_message_513() {
    let body = |len: usize| refusal(&message("sip:a@b.c", "", &"b".repeat(len)));
    assert_eq!(body(SIP_BODY_BYTES_MAX), None);
    assert_eq!(body(SIP_BODY_BYTES_MAX + 1), Some(("sip_body_size", 413)));
    assert_eq!(body(SIP_MESSAGE_BYTES_MAX), Some(("sip_message_size", 513)));
    let said = format!("Content-Length: {}\r\n", SIP_BODY_BYTES_MAX + 1);
    assert_eq!(with_headers(&said), Some(("sip_body_size", 413)));
    let huge = "Content-Length: 99999999999999999999999\r\n";
    assert_eq!(with_headers(huge), Some(("sip_body_size", 413)));
}
