//! Whole SIP messages: refused with an answer that parses, or read and written to a fixed point (I6).

use sip::{Message, Text};

/// What is read is written so that it reads the same and is written the same again; what is refused
/// is answered, if at all, by a message that reads.
pub fn check(bytes: &[u8]) {
    match Message::parse(bytes) {
        Ok(message) => check_read(&message),
        Err(error) => {
            let source = ([192, 0, 2, 1], 5060).into();
            let answer = error.answer(source, &Text::cleaned("t"));
            if let Some(answer) = answer {
                let read = sip::message::parse(&answer.bytes);
                assert!(read.is_ok(), "our answer: {}", answer.bytes.escape_ascii());
            }
            let _ = error.refusal();
        }
    }
}

fn check_read(message: &Message) {
    let written = message.to_bytes();
    let again = Message::parse(&written);
    assert_eq!(again.as_ref(), Ok(message), "{}", written.escape_ascii());
    assert_eq!(again.map(|again| again.to_bytes()), Ok(written));
    let body = match message {
        Message::Request(request) => request.session_description(),
        Message::Response(response) => response.session_description(),
    };
    if let Ok(Some(description)) = body {
        super::sdp::check(description);
    }
}

/// Names and marks of the grammar.
pub const WORDS: &[&str] = &[
    "\r\n",
    "\r\n\r\n",
    "\r\n ",
    "\n",
    "SIP/2.0",
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "REGISTER",
    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKf\r\n",
    "v: SIP/2.0/TCP [2001:db8::1]:5060;rport;received=::1\r\n",
    "Content-Length: 0\r\n",
    "l:1\r\n",
    "CSeq: 1 INVITE\r\n",
    "Call-ID: a\r\n",
    "i: a@b\r\n",
    "From: <sip:a@b>;tag=1\r\n",
    "To: <sip:c@d>\r\n",
    "Contact: *\r\n",
    "m: <sip:a@b;lr?x=y>;q=0.5;expires=4294967296\r\n",
    "Route: <sip:p;lr>,<sip:q>\r\n",
    "Record-Route: <sip:[::1]>\r\n",
    "Max-Forwards: 0\r\n",
    "Content-Type: application/sdp\r\n",
    "c: multipart/mixed;boundary=b\r\n",
    "Authorization: Digest username=\"a\"\r\n",
    "Expires: 3600\r\n",
    "Require: 100rel\r\n",
    "k: timer\r\n",
    "Replaces: a;to-tag=1;from-tag=2\r\n",
    "\"\\\"\"",
    "%00",
    "<>",
    ";",
    ",",
    "z9hG4bK",
    "tag=",
];
