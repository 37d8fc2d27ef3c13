//! Makes typed messages from raw ones. Sans-IO.

use shared::limits::{SIP_HEADER_VALUES_MAX, SIP_ROUTE_MAX, SIP_VIA_MAX};

use super::error::ParseError;
use super::raw::{Fault, RawHeader, RawMessage, StartLine};
use super::{CSeq, CallId, Message, Method, Request, Response};
use crate::header::{HeaderKind, Headers};
use crate::name_addr::{Contacts, NameAddr};
use crate::text::{self, Text};
use crate::uri::{Uri, UriError};
use crate::via::Via;

pub(super) fn message(raw: &RawMessage<'_>) -> Result<Message, ParseError> {
    read(raw).map_err(|fault| raw.blame(fault))
}

fn read(raw: &RawMessage<'_>) -> Result<Message, Fault> {
    // Filled in place, and the message made where it is returned: a move of it is 900 bytes.
    let mut fields = Fields::for_message(raw);
    fields.collect(raw)?;
    match raw.start {
        StartLine::Request { method, uri } => {
            let (method, uri, cseq) = request_line(method, uri, fields.cseq)?;
            Ok(Message::Request(Request {
                method,
                uri,
                via: needed_list(fields.via)?,
                from: needed(fields.from)?,
                to: needed(fields.to)?,
                call_id: needed(fields.call_id)?,
                cseq,
                max_forwards: fields.max_forwards,
                contact: fields.contact.unwrap_or_default(),
                route: fields.route,
                record_route: fields.record_route,
                headers: fields.headers,
                body: raw.body.to_vec(),
            }))
        }
        StartLine::Response { status, reason } => Ok(Message::Response(Response {
            status,
            reason: Text::from_wire(reason),
            via: needed_list(fields.via)?,
            from: needed(fields.from)?,
            to: needed(fields.to)?,
            call_id: needed(fields.call_id)?,
            cseq: needed(fields.cseq)?,
            contact: fields.contact.unwrap_or_default(),
            record_route: fields.record_route,
            headers: fields.headers,
            body: raw.body.to_vec(),
        })),
    }
}

/// Method and Request-URI, and the CSeq that names the same method.
fn request_line(
    method: &[u8],
    uri: &[u8],
    cseq: Option<CSeq>,
) -> Result<(Method, Uri, CSeq), Fault> {
    let method = Method::parse(method).ok_or(Fault::new(
        "sip_start_line",
        400,
        "the method is not a token",
    ))?;
    let uri = Uri::parse(uri).map_err(|error| match error {
        UriError::TooLong => Fault::new("sip_uri_size", 414, "the Request-URI is too long"),
        _ => Fault::new("sip_request_uri", 400, "the Request-URI cannot be read"),
    })?;
    // RFC 3261 §19.1.1, table 1: headers in a Request-URI are not allowed, so they are dropped.
    if uri.as_sip().is_some_and(|uri| !uri.headers.is_empty()) {
        return Err(Fault::new("sip_request_uri", 400, "the Request-URI has headers"));
    }
    let cseq = needed(cseq)?;
    if cseq.method != method {
        return Err(Fault::new("sip_cseq_method", 400, "CSeq names another method"));
    }
    Ok((method, uri, cseq))
}

/// Header fields sorted into their places.
#[derive(Default)]
struct Fields {
    /// The status of a response; `None` in a request.
    status: Option<u16>,
    via: Vec<Via>,
    from: Option<NameAddr>,
    to: Option<NameAddr>,
    call_id: Option<CallId>,
    cseq: Option<CSeq>,
    max_forwards: Option<u8>,
    contact: Option<Contacts>,
    route: Vec<NameAddr>,
    record_route: Vec<NameAddr>,
    headers: Headers,
}

impl Fields {
    fn for_message(raw: &RawMessage<'_>) -> Self {
        let status = match raw.start {
            StartLine::Request { .. } => None,
            StartLine::Response { status, .. } => Some(status),
        };
        // One allocation instead of one at each doubling.
        let others = raw.headers.iter().filter(|header| header.kind == HeaderKind::Other).count();
        Self { status, headers: Headers::with_capacity(others), ..Self::default() }
    }

    fn collect(&mut self, raw: &RawMessage<'_>) -> Result<(), Fault> {
        for header in &raw.headers {
            match self.take(header) {
                Err(_) if self.can_do_without(header.kind) => {}
                taken => taken?,
            }
        }
        Ok(())
    }

    /// Whether a response is useful although this header cannot be read; the header then counts as
    /// absent. Via and CSeq match a response to its transaction, which it must end (RFC 3261
    /// §17.1.1.2): a dropped one would come again until the transaction times out.
    fn can_do_without(&self, kind: HeaderKind) -> bool {
        match kind {
            HeaderKind::Contact | HeaderKind::Route | HeaderKind::MaxForwards => {
                self.status.is_some()
            }
            // A 2xx needs its path: requests in the dialog follow it (§12.1.2).
            HeaderKind::RecordRoute => self.status.is_some_and(|status| status >= 300),
            HeaderKind::Via
            | HeaderKind::From
            | HeaderKind::To
            | HeaderKind::CallId
            | HeaderKind::CSeq
            | HeaderKind::ContentLength
            | HeaderKind::Other => false,
        }
    }

    fn take(&mut self, header: &RawHeader<'_>) -> Result<(), Fault> {
        let value = header.value();
        match header.kind {
            HeaderKind::Via => {
                Via::read_list(&value, &mut self.via)
                    .map_err(|_| Fault::new("sip_via", 400, "a Via cannot be read"))?;
                bounded(self.via.len(), SIP_VIA_MAX, VIAS)
            }
            HeaderKind::From => once(&mut self.from, address(&value, FROM)?),
            HeaderKind::To => once(&mut self.to, address(&value, TO)?),
            HeaderKind::CallId => once(&mut self.call_id, CallId::parse(&value).ok_or(CALL_ID)?),
            HeaderKind::CSeq => once(&mut self.cseq, CSeq::parse(&value).ok_or(CSEQ)?),
            HeaderKind::MaxForwards => once(&mut self.max_forwards, hops(&value)?),
            HeaderKind::Contact => self.take_contact(&value),
            HeaderKind::Route => {
                NameAddr::read_list(&value, &mut self.route).map_err(|_| ROUTE)?;
                bounded(self.route.len(), SIP_ROUTE_MAX, ROUTES)
            }
            HeaderKind::RecordRoute => {
                NameAddr::read_list(&value, &mut self.record_route).map_err(|_| ROUTE)?;
                bounded(self.record_route.len(), SIP_ROUTE_MAX, ROUTES)
            }
            HeaderKind::ContentLength => Ok(()),
            HeaderKind::Other => {
                self.headers.push_wire(header.name, &value);
                Ok(())
            }
        }
    }

    /// `*` stands alone (RFC 3261 §20.10).
    fn take_contact(&mut self, value: &[u8]) -> Result<(), Fault> {
        let mut list = match self.contact.take() {
            None if value == b"*" => {
                self.contact = Some(Contacts::Any);
                return Ok(());
            }
            None => Vec::new(),
            Some(Contacts::List(list)) => list,
            Some(Contacts::Any) => return Err(CONTACT),
        };
        let before = list.len();
        let read = NameAddr::read_list(value, &mut list).map_err(|_| CONTACT);
        let taken = read.and_then(|()| bounded(list.len(), SIP_HEADER_VALUES_MAX, CONTACTS));
        if taken.is_err() {
            list.truncate(before);
        }
        self.contact = Some(Contacts::List(list));
        taken
    }
}

fn address(value: &[u8], fault: Fault) -> Result<NameAddr, Fault> {
    NameAddr::parse_line(value).map_err(|_| fault)
}

fn hops(value: &[u8]) -> Result<u8, Fault> {
    text::decimal(value).and_then(|hops| u8::try_from(hops).ok()).ok_or(Fault::new(
        "sip_max_forwards",
        400,
        "Max-Forwards is not a number from 0 to 255",
    ))
}

/// Refuses a second value of a header that has one: two readers could take different ones.
fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Fault> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => {
            Err(Fault::new("sip_repeated_header", 400, "a header that stands once is repeated"))
        }
    }
}

fn needed<T>(value: Option<T>) -> Result<T, Fault> {
    value.ok_or(MISSING)
}

fn needed_list<T>(list: Vec<T>) -> Result<Vec<T>, Fault> {
    if list.is_empty() { Err(MISSING) } else { Ok(list) }
}

fn bounded(count: usize, max: usize, fault: Fault) -> Result<(), Fault> {
    if count > max { Err(fault) } else { Ok(()) }
}

const MISSING: Fault =
    Fault::new("sip_missing_header", 400, "Via, From, To, Call-ID or CSeq is missing");
const FROM: Fault = Fault::new("sip_from", 400, "From cannot be read");
const TO: Fault = Fault::new("sip_to", 400, "To cannot be read");
const CALL_ID: Fault = Fault::new("sip_call_id", 400, "Call-ID cannot be read");
const CSEQ: Fault = Fault::new("sip_cseq", 400, "CSeq cannot be read");
const CONTACT: Fault = Fault::new("sip_contact", 400, "a Contact cannot be read");
const CONTACTS: Fault = Fault::new("sip_contacts", 400, "too many Contact values");
const ROUTE: Fault = Fault::new("sip_route", 400, "a Route or Record-Route cannot be read");
const ROUTES: Fault = Fault::new("sip_routes", 400, "too many Route or Record-Route values");
const VIAS: Fault = Fault::new("sip_vias", 400, "too many Via values");
