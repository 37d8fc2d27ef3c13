//! Every condition of RFC 4475 and RFC 5118 with its expected outcome: at the parser, and on the
//! wire of a user agent. Include with `#[path]` where messages are sent for real.

/// Expected outcome at the parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well-formed.
    Accept,
    /// Malformed, answered with this status.
    Reject(u16),
    /// Malformed, and nothing may be sent.
    Drop,
}

/// Expected answer over UDP of a user agent that is responsible for the domain. On a connection a
/// message whose length is in doubt may be followed by a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// A final response with one of these.
    Final(&'static [u16]),
    /// Some final response, whatever policy says.
    AnyFinal,
    /// Nothing.
    Silence,
}

/// One condition.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Our own message: `tests/torture/{file}.sip`.
    pub file: &'static str,
    /// The original message, below the folder of the originals.
    pub original: &'static str,
    /// RFC section.
    pub section: &'static str,
    /// At the parser.
    pub outcome: Outcome,
    /// On the wire.
    pub wire: Wire,
}

const fn case(
    file: &'static str,
    original: &'static str,
    section: &'static str,
    outcome: Outcome,
    wire: Wire,
) -> Case {
    Case { file, original, section, outcome, wire }
}

use Outcome::{Accept, Drop, Reject};
use Wire::{AnyFinal, Final, Silence};

/// RFC 4475: 49 conditions.
pub const RFC_4475: [Case; 49] = [
    case("short_tortuous_invite", "wsinv", "3.1.1.1", Accept, AnyFinal),
    case("wide_range_of_characters", "intmeth", "3.1.1.2", Accept, Final(&[405, 501])),
    case("percent_escapes", "esc01", "3.1.1.3", Accept, AnyFinal),
    case("escaped_nulls", "escnull", "3.1.1.4", Accept, AnyFinal),
    case("percent_that_escapes_nothing", "esc02", "3.1.1.5", Accept, Final(&[405, 501])),
    case("no_space_before_bracket", "lwsdisp", "3.1.1.6", Accept, AnyFinal),
    case("long_values", "longreq", "3.1.1.7", Accept, AnyFinal),
    case("extra_octets", "dblreq", "3.1.1.8", Accept, AnyFinal),
    case("parameters_in_user_part", "semiuri", "3.1.1.9", Accept, AnyFinal),
    case("varied_transports", "transports", "3.1.1.10", Accept, AnyFinal),
    case("multipart_body", "mpart01", "3.1.1.11", Accept, AnyFinal),
    case("unusual_reason", "unreason", "3.1.1.12", Accept, Silence),
    case("empty_reason", "noreason", "3.1.1.13", Accept, Silence),
    case("extra_separators", "badinv01", "3.1.2.1", Reject(400), Final(&[400])),
    case("content_length_too_large", "clerr", "3.1.2.2", Reject(400), Final(&[400])),
    case("negative_content_length", "ncl", "3.1.2.3", Reject(400), Final(&[400])),
    case("overlarge_numbers_in_request", "scalar02", "3.1.2.4", Reject(400), Final(&[400])),
    case("overlarge_numbers_in_response", "scalarlg", "3.1.2.5", Drop, Silence),
    case("open_quote", "quotbal", "3.1.2.6", Reject(400), Final(&[400])),
    case("bracketed_request_uri", "ltgtruri", "3.1.2.7", Reject(400), Final(&[400])),
    case("white_space_in_request_uri", "lwsruri", "3.1.2.8", Reject(400), Final(&[400])),
    case("double_spaces_in_start_line", "lwsstart", "3.1.2.9", Reject(400), Final(&[400])),
    case("trailing_space_in_start_line", "trws", "3.1.2.10", Reject(400), Final(&[400])),
    case("headers_in_request_uri", "escruri", "3.1.2.11", Reject(400), Final(&[400])),
    // Refused or its Date ignored: we do not use the Date of a request.
    case("date_in_other_zone", "baddate", "3.1.2.12", Accept, AnyFinal),
    case("bare_contact_with_headers", "regbadct", "3.1.2.13", Reject(400), Final(&[400])),
    case("spaces_in_brackets", "badaspec", "3.1.2.14", Reject(400), Final(&[400])),
    case("comma_in_bare_name", "baddn", "3.1.2.15", Reject(400), Final(&[400])),
    case("unknown_version", "badvers", "3.1.2.16", Reject(505), Final(&[505])),
    case("cseq_of_other_method", "mismatch01", "3.1.2.17", Reject(400), Final(&[400])),
    case("unknown_method_cseq_of_other", "mismatch02", "3.1.2.18", Reject(400), Final(&[400, 501])),
    case("overlarge_status", "bigcode", "3.1.2.19", Drop, Silence),
    case("branch_is_only_the_cookie", "badbranch", "3.2.1", Accept, AnyFinal),
    case("required_headers_missing", "insuf", "3.3.1", Reject(400), Final(&[400])),
    case("unknown_scheme", "unkscm", "3.3.2", Accept, Final(&[416])),
    case("other_known_scheme", "novelsc", "3.3.3", Accept, Final(&[416])),
    case("unknown_schemes_in_headers", "unksm2", "3.3.4", Accept, AnyFinal),
    case("unknown_extensions_required", "bext01", "3.3.5", Accept, Final(&[420])),
    case("unknown_content_type", "invut", "3.3.6", Accept, Final(&[401, 403, 404, 407, 415])),
    case("unknown_authorization_scheme", "regaut01", "3.3.7", Accept, AnyFinal),
    case("repeated_single_headers", "multi01", "3.3.8", Reject(400), Final(&[400])),
    case("two_content_lengths", "mcl01", "3.3.9", Reject(400), Final(&[400])),
    case("broadcast_via", "bcast", "3.3.10", Accept, Silence),
    case("no_hops_left", "zeromf", "3.3.11", Accept, AnyFinal),
    case("contact_parameter", "cparam01", "3.3.12", Accept, AnyFinal),
    case("contact_uri_parameter", "cparam02", "3.3.13", Accept, AnyFinal),
    case("contact_with_uri_header", "regescrt", "3.3.14", Accept, AnyFinal),
    case("unacceptable_accept", "sdp01", "3.3.15", Accept, Final(&[401, 403, 404, 406, 407])),
    case("rfc2543_invite", "inv2543", "3.4.1", Accept, AnyFinal),
];

/// RFC 5118: 11 messages.
pub const RFC_5118: [Case; 11] = [
    case("ipv6_reference", "ipv6-good", "4.1", Accept, AnyFinal),
    case("ipv6_without_brackets", "ipv6-bad", "4.2", Reject(400), Final(&[400])),
    case("ipv6_port_inside_brackets", "port-ambiguous", "4.3", Accept, AnyFinal),
    case("ipv6_port_outside_brackets", "port-unambiguous", "4.4", Accept, AnyFinal),
    case("ipv6_received_in_brackets", "via-received-param-with-delim", "4.5", Accept, AnyFinal),
    case("ipv6_received_without_brackets", "via-received-param-no-delim", "4.5", Accept, AnyFinal),
    case("ipv6_in_sdp", "ipv6-in-sdp", "4.6", Accept, AnyFinal),
    case("ipv6_and_ipv4_in_vias", "mult-ip-in-header", "4.7", Accept, AnyFinal),
    case("ipv6_and_ipv4_in_sdp", "mult-ip-in-sdp", "4.8", Accept, AnyFinal),
    case("ipv4_mapped_ipv6", "ipv4-mapped-ipv6", "4.9", Accept, AnyFinal),
    case("ipv6_with_three_colons", "ipv6-bug-abnf-3-colons", "4.10", Accept, AnyFinal),
];

/// One of our own messages.
pub fn own_message(case: &Case) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/torture");
    let path = format!("{folder}/{}.sip", case.file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Status of a response that was sent. Not by the whole parser: an answer to a broken request copies
/// what was broken, such as a To with an open quote.
pub fn status_of(response: &[u8]) -> Option<u16> {
    match sip::message::parse(response).ok()?.start {
        sip::message::StartLine::Response { status, .. } => Some(status),
        sip::message::StartLine::Request { .. } => None,
    }
}

/// The folder that holds `rfc4475` and `rfc5118` with the originals: `SIDETONE_RFC_DATA`, else
/// `../shared/data` beside the workspace. `None` when there is none: a clone need not have it.
pub fn originals() -> Option<std::path::PathBuf> {
    let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").into();
    let folder = std::env::var_os("SIDETONE_RFC_DATA").map_or_else(beside, Into::into);
    Some(folder).filter(|folder: &std::path::PathBuf| folder.join("rfc4475").is_dir())
}
