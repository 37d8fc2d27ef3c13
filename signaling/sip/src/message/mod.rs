//! Requests and responses: owned and typed. Whatever is sent is written from these types, never
//! from received bytes. Sans-IO. `lines` cuts the lines, `raw` checks them, `typed` reads them, `build`
//! writes them, `error` answers what is broken.

mod build;
mod error;
mod lines;
mod method;
mod raw;
mod typed;

pub use error::{Answerable, ParseError, StatelessAnswer};
pub use method::{CSeq, CallId, Method};
pub use raw::{RawHeader, RawMessage, StartLine, is_keep_alive, parse};
pub(crate) use raw::{header_section, refuse_head, refuse_length, stream_body_length};

use crate::header::Headers;
use crate::multipart::session_description;
use crate::name_addr::{Contacts, NameAddr};
use crate::sdp::SdpRefusal;
use crate::text::Text;
use crate::uri::Uri;
use crate::via::Via;

/// `Max-Forwards` of a request that continues no other (RFC 3261 §8.1.1.6), and the value of an
/// absent header (§16.6 step 3).
pub const INITIAL_MAX_FORWARDS: u8 = 70;

/// A request or a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A request, parsed completely.
    Request(Request),
    /// A response, parsed completely.
    Response(Response),
}

impl Message {
    /// Reads one message: a datagram, or what [`crate::framing::Framer`] cut from a connection.
    ///
    /// # Errors
    /// See [`ParseError`]: it says whether and how a broken request is answered.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        Self::from_raw(&parse(bytes)?)
    }

    /// Reads the typed form of a message whose lines have been found.
    ///
    /// # Errors
    /// As [`Message::parse`].
    pub fn from_raw(raw: &RawMessage<'_>) -> Result<Self, ParseError> {
        typed::message(raw)
    }

    /// The message as it goes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

/// A request. `Content-Length` is not a field: it is computed when the request is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The Request-URI, as received or as to be sent.
    pub uri: Uri,
    /// The path so far, the last hop first. Never empty when parsed.
    pub via: Vec<Via>,
    /// `From`: the caller.
    pub from: NameAddr,
    /// `To`: the original target.
    pub to: NameAddr,
    /// Identifies the dialog or the sequence of registrations.
    pub call_id: CallId,
    /// Sequence number and method.
    pub cseq: CSeq,
    /// Hops left; `None` when absent (RFC 2543).
    pub max_forwards: Option<u8>,
    /// `Contact`: where the sender is reached.
    pub contact: Contacts,
    /// `Route`: proxies still to visit, next first.
    pub route: Vec<NameAddr>,
    /// `Record-Route`: proxies that stay in the path.
    pub record_route: Vec<NameAddr>,
    /// All other headers in order, `Content-Type` among them.
    pub headers: Headers,
    /// The body; empty if there is none.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without Via, contact and body, with [`INITIAL_MAX_FORWARDS`].
    pub fn new(
        method: Method,
        uri: Uri,
        from: NameAddr,
        to: NameAddr,
        call_id: CallId,
        cseq_number: u32,
    ) -> Self {
        Self {
            cseq: CSeq { number: cseq_number, method: method.clone() },
            method,
            uri,
            via: Vec::new(),
            from,
            to,
            call_id,
            max_forwards: Some(INITIAL_MAX_FORWARDS),
            contact: Contacts::none(),
            route: Vec::new(),
            record_route: Vec::new(),
            headers: Headers::new(),
            body: Vec::new(),
        }
    }

    /// The last hop's Via.
    pub fn top_via(&self) -> Option<&Via> {
        self.via.first()
    }

    /// Sets the body and its type.
    ///
    /// # Errors
    /// A type with control characters; then nothing changes.
    pub fn set_body(
        &mut self,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<(), crate::header::HeaderError> {
        self.headers.set("Content-Type", content_type)?;
        self.body = body;
        Ok(())
    }

    /// The session description in the body, or in one part of a multipart body; `None` without a
    /// body.
    ///
    /// # Errors
    /// See [`session_description`].
    pub fn session_description(&self) -> Result<Option<&[u8]>, SdpRefusal> {
        session_description(&self.headers, &self.body)
    }

    /// The request as it goes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        build::request(self)
    }
}

/// A response. `Content-Length` is not a field: it is computed when the response is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 100..=699.
    pub status: u16,
    /// Reason phrase; for people only.
    pub reason: Text,
    /// The path back, our own Via first. Never empty when parsed.
    pub via: Vec<Via>,
    /// Copied from the request.
    pub from: NameAddr,
    /// Copied from the request, with the tag of the answering side.
    pub to: NameAddr,
    /// Copied from the request.
    pub call_id: CallId,
    /// Copied from the request.
    pub cseq: CSeq,
    /// Where the sender is reached, or the bindings of a registration.
    pub contact: Contacts,
    /// `Record-Route`: proxies in the path of the dialog.
    pub record_route: Vec<NameAddr>,
    /// All other headers in order, `Content-Type` among them.
    pub headers: Headers,
    /// The body; empty if there is none.
    pub body: Vec<u8>,
}

impl Response {
    /// The response to a request: Via, From, To, Call-ID and CSeq are copied, `Record-Route` too
    /// where it can create a dialog (RFC 3261 §8.2.6.2, §12.1.1). The To tag is left to the caller.
    /// Control characters in `reason` become spaces.
    pub fn for_request(request: &Request, status: u16, reason: &str) -> Self {
        let makes_dialog = matches!(status, 101..=299)
            && matches!(
                request.method,
                Method::Invite | Method::Subscribe | Method::Refer | Method::Notify
            );
        Self {
            status,
            reason: Text::cleaned(reason),
            via: request.via.clone(),
            from: request.from.clone(),
            to: request.to.clone(),
            call_id: request.call_id.clone(),
            cseq: request.cseq.clone(),
            contact: Contacts::none(),
            record_route: if makes_dialog { request.record_route.clone() } else { Vec::new() },
            headers: Headers::new(),
            body: Vec::new(),
        }
    }

    /// Our own Via.
    pub fn top_via(&self) -> Option<&Via> {
        self.via.first()
    }

    /// Whether it is provisional, 100..=199.
    pub const fn is_provisional(&self) -> bool {
        self.status < 200
    }

    /// Whether it is a success, 200..=299.
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// Sets the body and its type.
    ///
    /// # Errors
    /// A type with control characters; then nothing changes.
    pub fn set_body(
        &mut self,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<(), crate::header::HeaderError> {
        self.headers.set("Content-Type", content_type)?;
        self.body = body;
        Ok(())
    }

    /// The session description in the body, or in one part of a multipart body; `None` without a
    /// body.
    ///
    /// # Errors
    /// See [`session_description`].
    pub fn session_description(&self) -> Result<Option<&[u8]>, SdpRefusal> {
        session_description(&self.headers, &self.body)
    }

    /// The response as it goes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        build::response(self)
    }

    /// The header lines that are not copied from the request, except the header `without`.
    pub(crate) fn own_lines(&self, without: &str) -> Vec<u8> {
        build::own_lines(self, without)
    }

    /// The response with lines from [`Response::own_lines`] before its headers, and with this body.
    pub(crate) fn to_bytes_with(&self, lines: &[u8], body: &[u8]) -> Vec<u8> {
        build::response_with(self, lines, body)
    }
}
