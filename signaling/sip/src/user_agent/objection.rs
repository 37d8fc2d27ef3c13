//! Checks of a request by the rules of SIP alone, in the order of RFC 3261 §8.2. Sans-IO.

use shared::{Code, Extensions, Header, Refusal};

use crate::header::{Headers, MediaType};
use crate::message::{Method, Request};
use crate::multipart::session_description;
use crate::objection::Objection;
use crate::refer_to::Replaces;
use crate::sdp;
use crate::sdp::SdpRefusal;
use crate::uri::Uri;

/// The first rule that a request breaks; `None` when it may be served.
pub(super) fn objection(
    request: &Request,
    methods: &[Method],
    is_merged: bool,
) -> Option<Objection> {
    method(request, methods)
        .or_else(|| scheme(request))
        .or_else(|| hops(request))
        .or_else(|| is_merged.then(merged))
        .or_else(|| extensions(request))
        .or_else(|| replaces(request))
        .or_else(|| body(request))
}

/// As above, for a request in a dialog, whose method is known to be served.
pub(super) fn objection_in_dialog(request: &Request, extensions: Extensions) -> Option<Objection> {
    super::extensions::objection(extensions, request)
        .or_else(|| super::timer::objection(extensions, request))
        .or_else(|| body(request))
}

/// 405 for a method that is known, 501 for one that is not; both with `Allow`.
pub(super) fn method_not_served(method: &Method, extensions: Extensions) -> Objection {
    let (status, rule) = match method {
        Method::Other(_) => (501, "method_unknown"),
        _ => (405, "method_not_allowed"),
    };
    let refusal = Refusal::new(rule, status, format!("the method {method} is not served here"));
    Objection { refusal, headers: vec![header("Allow", &super::extensions::allow(extensions))] }
}

/// The SDP of a message; `None` where there is no body, or one of another type that the sender lets
/// us ignore (RFC 3261 §20.11 `handling=optional`).
pub(super) fn sdp_of<'a>(
    headers: &Headers,
    body: &'a [u8],
) -> Result<Option<&'a [u8]>, SdpRefusal> {
    session_description(headers, body).or_else(|error| match is_optional(headers) {
        true => Ok(None),
        false => Err(error),
    })
}

fn is_optional(headers: &Headers) -> bool {
    headers.get("Content-Disposition").is_some_and(|value| {
        // A disposition has the grammar of a media type without its slash: add one.
        let value = [b"x/", value.as_bytes()].concat();
        MediaType::parse(&value).is_some_and(|disposition| {
            let handling = disposition.parameters.get("handling");
            handling.is_some_and(|handling| handling.eq_ignore_case("optional"))
        })
    })
}

fn method(request: &Request, methods: &[Method]) -> Option<Objection> {
    (!methods.contains(&request.method))
        .then(|| method_not_served(&request.method, Extensions::NONE))
}

fn scheme(request: &Request) -> Option<Objection> {
    match &request.uri {
        Uri::Sip(_) | Uri::Tel(_) => None,
        Uri::Other(_) => {
            Some(plain("uri_scheme", 416, "the Request-URI is neither sip, sips nor tel"))
        }
    }
}

/// An OPTIONS without hops left is a traceroute that ends here, and is answered (§11).
fn hops(request: &Request) -> Option<Objection> {
    let is_spent = request.max_forwards == Some(0) && request.method != Method::Options;
    is_spent.then(|| {
        let sentence = "Max-Forwards is 0: the caller should start with 70";
        let refusal = Refusal::new("max_forwards", 483, sentence).code(Code::MAX_FORWARDS);
        Objection { refusal, headers: Vec::new() }
    })
}

fn merged() -> Objection {
    plain("merged_request", 482, "the same request came by another path and is being served")
}

/// Refuses extensions that are never served. Which of the others an INVITE may use depends on its
/// domain, and `Incoming::choose_extensions` lists all that are missing then.
fn extensions(request: &Request) -> Option<Objection> {
    let most = match request.method {
        Method::Invite => Extensions::ALL,
        _ => Extensions::NONE,
    };
    super::extensions::objection(most, request)
}

/// `Replaces` stands once, in an INVITE, and can be read (RFC 3891 §3).
fn replaces(request: &Request) -> Option<Objection> {
    let mut values = request.headers.all("Replaces");
    let first = values.next()?;
    let is_sound = request.method == Method::Invite
        && values.next().is_none()
        && Replaces::parse(first.as_bytes()).is_some();
    let sentence =
        "Replaces cannot be read, stands twice, or stands in a request other than INVITE";
    (!is_sound).then(|| plain("replaces_broken", 400, sentence))
}

/// Only the body of an INVITE is checked; elsewhere it is ignored.
fn body(request: &Request) -> Option<Objection> {
    if request.method != Method::Invite {
        return None;
    }
    if !request.headers.accepts(sdp::MEDIA_TYPE) {
        return Some(plain("accept", 406, "the caller does not accept application/sdp"));
    }
    let refusal = sdp_of(&request.headers, &request.body).err()?;
    let headers = match refusal.status {
        415 => vec![header("Accept", ACCEPT), header("Accept-Encoding", "identity")],
        _ => Vec::new(),
    };
    Some(Objection { refusal: refusal.refusal(), headers })
}

fn plain(rule: &'static str, status: u16, sentence: &'static str) -> Objection {
    Objection { refusal: Refusal::new(rule, status, sentence), headers: Vec::new() }
}

fn header(name: &'static str, value: &str) -> Header {
    Header::new(name, value)
}

/// Media types that the body of an INVITE may have.
const ACCEPT: &str = "application/sdp, multipart/mixed";
