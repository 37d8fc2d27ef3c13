//! Properties for any bytes: the parser is total, and parse-build-parse is a fixed point.

use proptest::prelude::*;
use sip::{Headers, Message, NameAddr, Text, Uri, Via};

const SEEDS: [&str; 3] = [
    "INVITE sip:+15550100@gw.example.org;transport=tcp SIP/2.0\r\n\
     Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport, SIP/2.0/TCP [2001:db8::1];received=::1\r\n\
     f: \"A \\\"B\\\" C\" <sip:a:pw@b.example;x=1?h=v>;tag=1\r\nTo:\r\n <sip:c@d.example>\r\n\
     Call-ID: x@y\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: sip:a@192.0.2.1, <tel:+1-2>;q=0.5\r\n\
     Route: <sip:p.example;lr>\r\nRecord-Route: <sip:q.example;lr>,<sip:r.example>\r\n\
     Subject: caf\u{e9}\r\nk: timer\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nbody",
    "SIP/2.0 200 OK\r\nv: SIP/2.0/TLS h.example;branch=z9hG4bKb;received=192.0.2.9;rport=5061\r\n\
     From: sip:a@b.example;tag=1\r\nTo: <sip:c@d.example>;tag=2\r\ni: x\r\nCSeq: 7 BYE\r\nl: 0\r\n\r\n",
    "REGISTER sips:reg.example SIP/2.0\r\nVia: SIP/2.0/UDP h.example\r\nFrom: <sip:a@b.example>\r\n\
     To: <sip:a@b.example>\r\nCall-ID: r\r\nCSeq: 2 REGISTER\r\nContact: *\r\nExpires: 0\r\n\
     Authorization: Digest username=\"a\", uri=\"sip:reg.example\"\r\n\r\n",
];

/// A change to a message: the place, the number of bytes removed, the bytes inserted.
type Edit = (prop::sample::Index, usize, Vec<u8>);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let bytes = prop::collection::vec(
        prop_oneof![prop::sample::select(b"\r\n \t\",;:<>@=%\\/[]?&\0".to_vec()), any::<u8>()],
        0..4,
    );
    prop::collection::vec((any::<prop::sample::Index>(), 0_usize..4, bytes), 0..6)
}

fn edited(seed: &str, edits: &[Edit]) -> Vec<u8> {
    let mut bytes = seed.as_bytes().to_vec();
    for (index, out, put) in edits {
        let at = index.index(bytes.len() + 1);
        let end = (at + out).min(bytes.len());
        bytes.splice(at..end, put.iter().copied());
    }
    bytes
}

/// Whatever can be read is written so that it reads the same, and is then written the same again.
fn check_fixed_point(bytes: &[u8]) -> Result<(), TestCaseError> {
    match Message::parse(bytes) {
        Ok(message) => {
            let written = message.to_bytes();
            let again = Message::parse(&written);
            prop_assert_eq!(again.as_ref(), Ok(&message), "{}", written.escape_ascii());
        }
        Err(error) => {
            let source = ([192, 0, 2, 1], 5060).into();
            if let Some(answer) = error.answer(source, &Text::cleaned("t")) {
                prop_assert!(sip::message::parse(&answer.bytes).is_ok());
            }
        }
    }
    Ok(())
}

#[test]
fn the_seeds_are_messages() {
    for seed in SEEDS {
        assert!(Message::parse(seed.as_bytes()).is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn changed_messages_are_refused_or_a_fixed_point(
        seed in prop::sample::select(SEEDS.to_vec()),
        edits in edits(),
    ) {
        check_fixed_point(&edited(seed, &edits))?;
    }

    #[test]
    fn any_bytes_are_refused_or_a_fixed_point(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check_fixed_point(&bytes)?;
    }

    #[test]
    fn any_uri_is_refused_or_a_fixed_point(text in "(sips?|tel|urn):[ -~\u{e9}]{0,20}(@[a-z0-9.:\\[\\]-]{0,16})?([;?&=%A-Za-z0-9]{0,16})") {
        if let Ok(uri) = Uri::parse(&text) {
            prop_assert_eq!(Uri::parse(uri.to_string()), Ok(uri.clone()));
            prop_assert!(uri.equivalent(&uri));
        }
    }

    #[test]
    fn any_address_is_refused_or_a_fixed_point(text in "[\"\\\\<>;=, a-z\u{e9}]{0,12}<?sip:[a-z@;]{0,8}>?[;=\", a-z]{0,12}") {
        if let Ok(address) = NameAddr::parse(&text) {
            prop_assert_eq!(NameAddr::parse(address.to_string()), Ok(address));
        }
    }

    #[test]
    fn any_via_is_refused_or_a_fixed_point(text in "SIP ?/ ?2.0/[A-Z]{1,4} [a-z0-9.:\\[\\]]{1,16}[;=\", a-z0-9]{0,24}") {
        if let Ok(via) = Via::parse(&text) {
            prop_assert_eq!(Via::parse(via.to_string()), Ok(via));
        }
    }

    #[test]
    fn none_of_our_texts_starts_a_line(text in "[\r\n\0a-z: ]{0,12}") {
        let mut headers = Headers::new();
        let clean = !text.contains(['\r', '\n', '\0']);
        prop_assert_eq!(headers.push("X-Test", &text).is_ok(), clean);
        prop_assert_eq!(Text::new(&text).is_ok(), clean);
    }
}
