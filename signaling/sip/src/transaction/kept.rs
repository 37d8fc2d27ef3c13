//! The part of a final response that is kept to answer copies of its request. Sans-IO.

use std::net::IpAddr;

use shared::Origin;
use shared::refusal::generic_phrase;

use crate::message::{Request, Response};
use crate::text::Text;
use crate::token::Token;

/// The part of a final response that a copy of its request does not repeat. Via, From, To, Call-ID
/// and CSeq come from the copy, and `Server` is constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The reason phrase unless it is the standard's, our header lines, and the body.
    text: Box<[u8]>,
    /// Value of our To tag, where the request had none.
    tag: u64,
    /// Source of the request. No other source gets the answer.
    peer: IpAddr,
    status: u16,
    lines_bytes: u16,
    reason_bytes: u8,
}

impl Kept {
    /// The part to keep of a response to `peer`; `None` where its lines exceed all limits.
    pub fn of(response: &Response, peer: IpAddr) -> Option<Self> {
        let is_usual = response.reason.as_bytes() == generic_phrase(response.status).as_bytes();
        let reason = if is_usual { &[] } else { response.reason.as_bytes() };
        let lines = response.own_lines(SERVER);
        let token = response.to.tag().and_then(|tag| Token::parse(tag.as_bytes()));
        Some(Self {
            reason_bytes: u8::try_from(reason.len()).ok()?,
            lines_bytes: u16::try_from(lines.len()).ok()?,
            text: [reason, &lines, &response.body].concat().into_boxed_slice(),
            tag: token.map_or(0, |token| token.value),
            peer,
            status: response.status,
        })
    }

    /// Bytes on the heap.
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// Whether this is the source of the request.
    pub fn is_for(&self, peer: IpAddr) -> bool {
        self.peer == peer
    }

    /// The response to a copy of the request: the same bytes as the first time.
    pub fn again(&self, copy: &Request, origin: Origin, product: &str) -> Vec<u8> {
        let (reason, rest) = cut(&self.text, self.reason_bytes.into());
        let (lines, body) = cut(rest, self.lines_bytes.into());
        let mut response = Response::for_request(copy, self.status, generic_phrase(self.status));
        if !reason.is_empty() {
            response.reason = Text::from_wire(reason);
        }
        if response.to.tag().is_none() {
            response.to.set_tag(Text::cleaned(Token::new(origin, self.tag).to_string()));
        }
        let _ = response.headers.set(SERVER, product); // ours, checked at start
        response.to_bytes_with(lines, body)
    }
}

fn cut(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    bytes.split_at_checked(at).unwrap_or((bytes, &[]))
}

/// The last header of all our responses.
const SERVER: &str = "Server";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;
    use crate::name_addr::Contacts;

    const ORIGIN: Origin = Origin { node: 7, generation: 3 };
    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_copy_gets_the_same_bytes_whatever_the_answer_holds() {
        for to in ["<sip:b@b.test>", "<sip:b@b.test>;tag=0001020000000000000009"] {
            let request = request("UPDATE", to);
            for (status, reason) in [(200, "OK"), (202, "Accepted"), (500, "Out of l\u{e9}mons")] {
                let mut response = Response::for_request(&request, status, reason);
                if response.to.tag().is_none() {
                    response.to.set_tag(Text::cleaned(Token::new(ORIGIN, 42).to_string()));
                }
                same_again(&request, &response);
                response.contact = Contacts::List(vec![request.from.clone(), request.to.clone()]);
                response.headers.push("Session-Expires", "90;refresher=uac").unwrap();
                same_again(&request, &response);
                response.set_body("application/sdp", b"v=0\r\n\r\n".to_vec()).unwrap();
                same_again(&request, &response);
            }
        }
    }

    #[test]
    fn an_ordinary_answer_keeps_no_text_at_all() {
        let request = request("BYE", "<sip:b@b.test>;tag=1");
        let kept = Kept::of(&Response::for_request(&request, 200, "OK"), PEER).unwrap();
        assert_eq!(kept.text_bytes(), 0);
        assert!(kept.is_for(PEER) && !kept.is_for("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn what_is_past_all_limits_is_not_kept() {
        let request = request("OPTIONS", "<sip:b@b.test>");
        let mut response = Response::for_request(&request, 200, &"long ".repeat(100));
        assert_eq!(Kept::of(&response, PEER), None);
        response.reason = Text::cleaned("OK");
        response.headers.push("Allow", "X".repeat(70_000)).unwrap();
        assert_eq!(Kept::of(&response, PEER), None);
    }

    fn same_again(request: &Request, response: &Response) {
        let mut whole = response.clone();
        whole.headers.set(SERVER, "house/1").unwrap();
        let kept = Kept::of(&whole, PEER).unwrap();
        let again = kept.again(request, ORIGIN, "house/1");
        assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(&whole.to_bytes()));
    }

    fn request(method: &str, to: &str) -> Request {
        let text = format!(
            "{method} sip:b@b.test SIP/2.0\r\nVia: SIP/2.0/UDP a.test;branch=z9hG4bK1\r\n\
             From: <sip:a@a.test>;tag=1\r\nTo: {to}\r\nCall-ID: c1\r\nCSeq: 1 {method}\r\n\r\n"
        );
        match Message::parse(text.as_bytes()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }
}
