//! Runs the torture messages through the parser: our own always, those of the RFCs where they are
//! present.

#[path = "torture/cases.rs"]
mod cases;

use std::collections::BTreeSet;

use cases::{Case, Outcome, RFC_4475, RFC_5118, Wire, originals, own_message, status_of};
use shared::{Codec, Transport};
use sip::ViaTransport;
use sip::header::{DateError, Headers};
use sip::message::{CSeq, Message, Request, Response};
use sip::multipart::{parts, session_description};
use sip::offer_answer::{LocalMedia, MediaSecurity, MediaSession, MediaTargets};
use sip::{Contacts, Escaped, Method, ParseError, Text, Uri, Via};

fn outcome(result: &Result<Message, ParseError>) -> Outcome {
    match result {
        Ok(_) => Outcome::Accept,
        Err(error) if error.answerable.is_some() => Outcome::Reject(error.status),
        Err(_) => Outcome::Drop,
    }
}

/// The outcome, an answer that can itself be parsed, and a rebuilt message that reads the same.
fn check(case: &Case, bytes: &[u8]) {
    let result = Message::parse(bytes);
    assert_eq!(outcome(&result), case.outcome, "{} ({}): {result:?}", case.file, case.section);
    match result {
        Ok(message) => {
            let rebuilt = message.to_bytes();
            assert_eq!(Message::parse(&rebuilt), Ok(message), "{}", case.file);
        }
        Err(error) => check_answer(case, &error),
    }
}

fn check_answer(case: &Case, error: &ParseError) {
    let answer = error.answer(([198, 51, 100, 99], 5099).into(), &Text::cleaned("t0"));
    match case.outcome {
        Outcome::Reject(status) => {
            let answer = answer.expect("a rejected request is answered");
            assert_eq!(status_of(&answer.bytes), Some(status), "{}", case.file);
        }
        Outcome::Drop => assert_eq!(answer, None, "{}", case.file),
        Outcome::Accept => unreachable!("only called for errors"),
    }
}

fn named(file: &str) -> Vec<u8> {
    let mut all = RFC_4475.iter().chain(&RFC_5118);
    own_message(all.find(|case| case.file == file).expect("a file of the table"))
}

fn request(file: &str) -> Request {
    match Message::parse(&named(file)) {
        Ok(Message::Request(request)) => request,
        other => panic!("{file} is no request: {other:?}"),
    }
}

fn response(file: &str) -> Response {
    match Message::parse(&named(file)) {
        Ok(Message::Response(response)) => response,
        other => panic!("{file} is no response: {other:?}"),
    }
}

fn error(file: &str) -> ParseError {
    Message::parse(&named(file)).expect_err("the message is broken")
}

fn rule(file: &str) -> &'static str {
    error(file).rule
}

fn header<'a>(headers: &'a Headers, name: &str) -> &'a [u8] {
    headers.get(name).expect("the header is there").as_bytes()
}

#[test]
fn every_condition_has_one_of_our_messages_with_the_wanted_outcome() {
    for case in RFC_4475.iter().chain(&RFC_5118) {
        check(case, &own_message(case));
    }
}

#[test]
fn every_file_is_in_the_table_once() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/torture");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let files: BTreeSet<_> =
        names.filter_map(|name| name.to_str()?.strip_suffix(".sip").map(str::to_owned)).collect();
    let table = RFC_4475.iter().chain(&RFC_5118).map(|case| case.file.to_owned());
    assert_eq!(files, table.collect::<BTreeSet<_>>());
    assert_eq!(files.len(), 60);
}

#[test]
fn only_messages_that_may_be_answered_have_an_answer_on_the_wire() {
    for case in RFC_4475.iter().chain(&RFC_5118) {
        match (case.outcome, case.wire) {
            (Outcome::Reject(status), Wire::Final(wanted)) => assert!(wanted.contains(&status)),
            (Outcome::Reject(_), wire) => panic!("{}: {wire:?}", case.file),
            (Outcome::Drop, wire) => assert_eq!(wire, Wire::Silence),
            (Outcome::Accept, _) => {}
        }
    }
}

#[test]
fn the_originals_have_the_same_outcome() {
    // A clone has only the project, without the originals.
    let Some(folder) = originals() else { return };
    for (name, table) in [("rfc4475", &RFC_4475[..]), ("rfc5118", &RFC_5118[..])] {
        for case in table {
            let path = folder.join(name).join(case.original).with_extension("dat");
            let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            check(case, &bytes);
        }
    }
}

#[test]
fn the_tortuous_invite_is_read_to_the_last_fold() {
    let invite = request("short_tortuous_invite");
    assert_eq!(invite.uri.to_string(), "sip:front.desk@pbx.example.net;strange");
    assert_eq!(invite.to.tag().unwrap(), &"7f3311");
    assert_eq!(invite.from.display_name.as_ref().unwrap().to_lossy(), "Ana \\\" B.");
    assert_eq!(invite.from.tag().unwrap(), &"k99x");
    assert_eq!((invite.max_forwards, invite.cseq.number), (Some(42), 17));
    let vias: Vec<_> = invite.via.iter().map(Via::to_string).collect();
    assert_eq!(
        vias,
        [
            "SIP/2.0/UDP 198.51.100.20;branch=notthecookie",
            "SIP/2.0/TCP relay.example.org;branch=z9hG4bKrelay",
            "SIP/2.0/UDP 203.0.113.77;branch=z9hG4bKsecond",
        ]
    );
    assert!(!invite.via[0].has_rfc3261_branch());
    assert_eq!(header(&invite.headers, "Subject"), b"");
    assert_eq!(header(&invite.headers, "brand-new-header"), b"first half second half of it");
    assert_eq!(header(&invite.headers, "Only-Separators"), b",;,;;,,");
    let contact = invite.contact.first().unwrap();
    assert_eq!(contact.display_name.as_ref().unwrap().to_lossy(), "Name with \"quotes\"");
    assert_eq!((contact.q(), contact.parameters.len()), (Some(250), 3));
    assert_eq!(invite.route[0].uri.to_string(), "sip:edge.example.net;lr;odd=1;odder");
}

#[test]
fn a_wide_range_of_characters_passes_unchanged() {
    let odd = request("wide_range_of_characters");
    assert_eq!(odd.method.as_str(), "~Odd`Method.0+1_2*3'4%5!6");
    let uri = odd.uri.as_sip().unwrap();
    assert_eq!(uri.user.as_ref().unwrap().as_str(), "odd;user?part/with,all=of&it+in$one!~*'(ok)");
    assert_eq!(uri.password.as_ref().unwrap().as_str(), "pa$s&w=o+r,d");
    let name = odd.to.display_name.as_ref().unwrap().to_lossy();
    assert_eq!(name, "tab:\t quote:\" nul:\0 bell:\u{7} del:\u{7f}");
    assert_eq!(odd.from.parameters.unquoted("p~a`r'a+m").as_deref(), Some("καλημέρα"));
    assert_eq!(header(&odd.headers, "x-odd~`'+!%*_-."), "\u{feff}日本".as_bytes());
    let wire = odd.to_bytes();
    let quoted: &[u8] = b"\"tab:\\\t quote:\\\" nul:\\\0 bell:\\\x07 del:\\\x7f\"";
    assert!(wire.windows(quoted.len()).any(|window| window == quoted));
}

#[test]
fn escapes_are_read_where_the_grammar_has_them_and_nowhere_else() {
    let invite = request("percent_escapes");
    let uri = invite.uri.as_sip().unwrap();
    assert_eq!(
        (uri.user_lossy().as_str(), uri.host.name()),
        ("sip:inner@example.net", Some("gate.example.net"))
    );
    let contact = invite.contact.first().unwrap().uri.as_sip().unwrap();
    assert_eq!(contact.user_lossy(), "mary");
    // `%6C%72` is the unknown parameter "lr" in escaped form: not read as one, not lost either.
    assert_eq!(contact.parameters.len(), 2);
    assert!(contact.to_string().ends_with(";%6C%72;k%65y=v%61l%25%36%31"));

    let nulls = request("escaped_nulls");
    let users =
        nulls.contact.list().iter().map(|contact| {
            contact.uri.as_sip().unwrap().user.as_ref().map(Escaped::decode).unwrap()
        });
    assert_eq!(users.collect::<Vec<_>>(), [vec![0], vec![0, 0]]);

    let odd = request("percent_that_escapes_nothing");
    assert_eq!(odd.method, Method::Other(Text::token("OPT%49ONS%53").unwrap()));
    assert_eq!(odd.contact.list().len(), 2);
    assert_eq!(header(&odd.headers, "C%6Fntact"), b"<sip:two@ua.example.net>");
    assert_eq!(odd.to.display_name.as_ref().unwrap().to_lossy(), "%Q%49");
}

#[test]
fn long_values_lists_and_bodies_are_whole() {
    let long = request("long_values");
    assert_eq!(long.via.len(), 34);
    assert_eq!(long.from.tag().unwrap().len(), 150);
    assert_eq!(long.to.uri.as_sip().unwrap().parameters.len(), 3);

    let extra = request("extra_octets");
    assert_eq!((extra.body.len(), extra.contact.list().len()), (0, 1));

    let user = request("parameters_in_user_part");
    let user = user.uri.as_sip().unwrap();
    assert_eq!((user.user_lossy().as_str(), user.parameters.len()), ("ana;ext=a@example.org", 0));

    let many = request("varied_transports");
    let transports: Vec<_> = many.via.iter().map(|via| via.transport.clone()).collect();
    assert_eq!(transports[3], ViaTransport::Other(Text::new("PIGEON").unwrap()));
    assert_eq!((transports.len(), &transports[2]), (5, &Transport::Tls.into()));

    let multipart = request("multipart_body");
    let media_type = multipart.headers.content_type().unwrap();
    let parts = parts(&media_type, &multipart.body).unwrap();
    assert_eq!(parts[0].body, b"Good morning");
    assert_eq!(parts[1].body, (0..=255).collect::<Vec<u8>>());
}

#[test]
fn a_reason_may_be_anything_or_nothing() {
    assert!(response("unusual_reason").reason.to_lossy().ends_with("✔"));
    assert!(response("empty_reason").reason.is_empty());
    assert!(response("empty_reason").to_bytes().starts_with(b"SIP/2.0 100 \r\n"));
}

#[test]
fn malformed_messages_are_refused_for_the_right_reason() {
    for (file, wanted) in [
        ("extra_separators", "sip_via"),
        ("content_length_too_large", "sip_body_short"),
        ("negative_content_length", "sip_content_length"),
        ("overlarge_numbers_in_request", "sip_max_forwards"),
        ("overlarge_numbers_in_response", "sip_cseq"),
        ("open_quote", "sip_to"),
        ("bracketed_request_uri", "sip_request_uri"),
        ("white_space_in_request_uri", "sip_start_line"),
        ("double_spaces_in_start_line", "sip_start_line"),
        ("trailing_space_in_start_line", "sip_start_line"),
        ("headers_in_request_uri", "sip_request_uri"),
        ("bare_contact_with_headers", "sip_contact"),
        ("spaces_in_brackets", "sip_to"),
        ("comma_in_bare_name", "sip_to"),
        ("unknown_version", "sip_version"),
        ("cseq_of_other_method", "sip_cseq_method"),
        ("unknown_method_cseq_of_other", "sip_cseq_method"),
        ("overlarge_status", "sip_status_line"),
        ("required_headers_missing", "sip_missing_header"),
        ("repeated_single_headers", "sip_repeated_header"),
        ("two_content_lengths", "sip_content_length"),
        ("ipv6_without_brackets", "sip_request_uri"),
    ] {
        assert_eq!(rule(file), wanted, "{file}");
    }
}

#[test]
fn the_answer_to_a_broken_request_holds_what_could_be_read() {
    let source = "198.51.100.99:5099".parse().unwrap();
    let answer = |file| error(file).answer(source, &Text::new("t0").unwrap()).unwrap();
    let version = answer("unknown_version");
    let text = String::from_utf8(version.bytes).unwrap();
    assert_eq!(
        text,
        "SIP/2.0 505 Version Not Supported\r\n\
         Via: SIP/2.0/UDP 198.51.100.40;branch=z9hG4bKversion;received=198.51.100.99\r\n\
         From: sip:bo@example.org;tag=b1\r\nTo: <sip:ana@gate.example.net>;tag=t0\r\n\
         Call-ID: version.1\r\nCSeq: 8 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    assert_eq!(version.to, "198.51.100.99:5060".parse().unwrap());
    let missing = String::from_utf8(answer("required_headers_missing").bytes).unwrap();
    assert!(missing.contains("\r\nCSeq: 193 INVITE\r\n") && !missing.contains("From:"));
}

#[test]
fn junk_between_vias_is_not_sent_back() {
    let answer =
        error("extra_separators").answer(([198, 51, 100, 40], 5060).into(), &Text::cleaned("t0"));
    match Message::parse(&answer.expect("it is answered").bytes) {
        Ok(Message::Response(response)) => assert_eq!(response.via.len(), 1),
        other => panic!("no response: {other:?}"),
    }
}

#[test]
fn what_the_application_layer_needs_is_there() {
    assert!(!request("branch_is_only_the_cookie").via[0].has_rfc3261_branch());
    assert!(matches!(request("unknown_scheme").uri, Uri::Other(_)));
    assert!(matches!(request("other_known_scheme").uri, Uri::Other(_)));
    let schemes = request("unknown_schemes_in_headers");
    assert!(matches!((&schemes.to.uri, &schemes.from.uri), (Uri::Other(_), Uri::Other(_))));
    assert_eq!(schemes.contact.first().unwrap().uri.to_string(), "mailto:bo@example.org");
    let required = request("unknown_extensions_required");
    assert_eq!(required.headers.require(), ["unheardof", "northisone"]);
    assert_eq!(required.headers.option_tags("Proxy-Require"), ["alsounheardof"]);
    let body = request("unknown_content_type");
    let refusal = session_description(&body.headers, &body.body).unwrap_err();
    assert_eq!((refusal.rule, refusal.status), ("sip_body_type", 415));
    let credentials = request("unknown_authorization_scheme");
    let value = credentials.headers.authorization().next().unwrap();
    assert_eq!(value, &"Handshake firm=yes");
    assert_eq!(request("date_in_other_zone").headers.date(), Some(Err(DateError)));
    assert_eq!(request("no_hops_left").max_forwards, Some(0));
    assert!(!request("unacceptable_accept").headers.accepts("application/sdp"));
    let broadcast = response("broadcast_via");
    assert_eq!((broadcast.via.len(), broadcast.cseq.method), (2, Method::Invite));
}

#[test]
fn contact_parameters_belong_to_the_header_or_to_the_uri() {
    let bare = request("contact_parameter");
    let bare = bare.contact.first().unwrap();
    assert!(bare.parameters.contains("wibbleparam"));
    assert!(bare.uri.as_sip().unwrap().parameters.is_empty());
    let inside = request("contact_uri_parameter");
    let inside = inside.contact.first().unwrap();
    assert!(inside.parameters.is_empty());
    assert!(inside.uri.as_sip().unwrap().parameters.contains("wibbleparam"));
    let header = request("contact_with_uri_header");
    let header = header.contact.first().unwrap().uri.as_sip().unwrap();
    assert_eq!(header.headers[0].1.decode(), b"<sip:far.example.net>");
}

#[test]
fn an_rfc_2543_invite_is_served() {
    let old = request("rfc2543_invite");
    assert_eq!((old.via[0].branch.as_ref(), old.from.tag(), old.max_forwards), (None, None, None));
    assert_eq!(old.cseq, CSeq { number: 56, method: Method::Invite });
    assert_eq!(old.contact, Contacts::none());
    assert!(old.body.ends_with(b"RTP/AVP 0 8\r\n"));
}

#[test]
fn ipv6_is_read_by_value() {
    let host = |file: &str| request(file).uri.as_sip().unwrap().clone();
    assert_eq!(host("ipv6_reference").host.to_string(), "[2001:db8::10]");
    let inside = host("ipv6_port_inside_brackets");
    assert_eq!((inside.host.to_string().as_str(), inside.port), ("[2001:db8::10:5072]", None));
    assert_eq!(host("ipv6_port_outside_brackets").port, Some(5072));
    assert_eq!(host("ipv6_with_three_colons").host.to_string(), "[2001:db8::c633:6401]");
    for file in ["ipv6_received_in_brackets", "ipv6_received_without_brackets"] {
        assert_eq!(request(file).via[0].received, "2001:db8::9:254".parse().ok());
    }
    let mixed = request("ipv6_and_ipv4_in_vias");
    assert_eq!(mixed.via[0].port, Some(6060));
    assert_eq!(mixed.via[2].received, "198.51.100.200".parse().ok());
    let mapped = request("ipv4_mapped_ipv6");
    assert_eq!(mapped.via[0].response_address().unwrap().port(), 19_000);
}

#[test]
fn ipv6_in_session_descriptions_is_negotiated() {
    let negotiated = |file: &str, address: &str| {
        let local = LocalMedia {
            address: address.parse().unwrap(),
            port: 20_000,
            direction: shared::Direction::SendRecv,
            codecs: [Codec::Pcmu, Codec::Pcma].into_iter().collect(),
            security: MediaSecurity::Clear,
            targets: MediaTargets::default(),
            recording: None,
        };
        let body = request(file).body;
        MediaSession::new(1).answer(&body, &local).map(|(_, media)| media.remote_rtp)
    };
    assert_eq!(negotiated("ipv6_in_sdp", "2001:db8::1"), Ok("[2001:db8::20]:42000".parse().ok()));
    assert_eq!(negotiated("ipv6_in_sdp", "192.0.2.1").unwrap_err().rule, "sdp_address_family");
    let four = Ok("198.51.100.9:42000".parse().ok());
    assert_eq!(negotiated("ipv6_and_ipv4_in_sdp", "192.0.2.1"), four);
    let mapped = Ok("198.51.100.2:42000".parse().ok());
    assert_eq!(negotiated("ipv4_mapped_ipv6", "192.0.2.1"), mapped);
}
