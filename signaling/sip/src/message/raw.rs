//! Finds the lines of a message, borrowing all of it. Sans-IO, total over any bytes, no allocation
//! for messages of ordinary size.

use std::borrow::Cow;

use shared::limits::{
    SIP_BODY_BYTES_MAX, SIP_HEADER_LINES_MAX, SIP_HEADER_NAME_BYTES_MAX,
    SIP_HEADER_VALUE_BYTES_MAX, SIP_HEADER_VALUES_MAX, SIP_HEADERS_BYTES_MAX,
    SIP_LONG_HEADER_VALUE_BYTES_MAX, SIP_MESSAGE_BYTES_MAX, SIP_START_LINE_BYTES_MAX,
};
use smallvec::SmallVec;

use super::error::{Answerable, ParseError};
use super::lines::Lines;
use super::method::{CSeq, Method};
use crate::header::{HeaderKind, is_same_name};
use crate::scan::{split_list, trim_spaces};
use crate::text::{self, Text};
use crate::via::Via;

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'a> {
    /// `METHOD uri SIP/2.0`.
    Request {
        /// A token.
        method: &'a [u8],
        /// The Request-URI, not parsed.
        uri: &'a [u8],
    },
    /// `SIP/2.0 status reason`.
    Response {
        /// 100..=699.
        status: u16,
        /// The reason phrase.
        reason: &'a [u8],
    },
}

/// One header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawHeader<'a> {
    /// Its kind, as far as the parser itself reads it.
    pub kind: HeaderKind,
    /// The name as received, without white space.
    pub name: &'a [u8],
    /// The value as received, with its folds.
    value: &'a [u8],
    folded: bool,
}

impl<'a> RawHeader<'a> {
    /// The value with every fold read as one space (RFC 3261 §7.3.1).
    pub fn value(&self) -> Cow<'a, [u8]> {
        if self.folded { Cow::Owned(unfold(self.value)) } else { Cow::Borrowed(self.value) }
    }
}

/// A message whose lines are found and within the limits, and whose body is complete.
#[derive(Clone, Debug)]
pub struct RawMessage<'a> {
    /// The first line.
    pub start: StartLine<'a>,
    /// Header fields in order.
    pub headers: SmallVec<[RawHeader<'a>; HEADERS_INLINE]>,
    /// The body, cut to `Content-Length`.
    pub body: &'a [u8],
}

impl<'a> RawMessage<'a> {
    /// Values of one kind of header, in order.
    pub fn all(&self, kind: HeaderKind) -> impl Iterator<Item = Cow<'a, [u8]>> {
        let wanted = move |header: &&RawHeader<'a>| header.kind == kind;
        self.headers.iter().filter(wanted).map(RawHeader::value)
    }

    /// Reads start line and body. Of several errors the first in the message counts.
    fn finish(
        &mut self,
        whole: &'a [u8],
        start_line: &'a [u8],
        lines: &Lines<'a>,
        header_fault: Option<Fault>,
    ) -> Result<(), Fault> {
        if whole.len() > SIP_MESSAGE_BYTES_MAX {
            return Err(MESSAGE_TOO_LONG);
        }
        self.start = read_start(start_line, lines.is_clean)?;
        if let Some(fault) = header_fault {
            return Err(fault);
        }
        self.body = cut_body(&self.headers, lines.rest)?;
        Ok(())
    }

    /// Turns an error of a later stage into one that is answered where RFC 3261 wants it.
    pub(super) fn blame(&self, fault: Fault) -> ParseError {
        let may_answer =
            matches!(self.start, StartLine::Request { method, .. } if method != b"ACK");
        fault.into_error(&self.headers, may_answer)
    }
}

/// Whether a datagram or a chunk is only the CRLFs that keep a path open (RFC 5626 §3.5.1).
pub fn is_keep_alive(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

/// Finds the lines of one message. The message must hold its whole body; bytes behind it are
/// ignored (RFC 3261 §18.3).
///
/// A line ends with CRLF, or with LF alone as some phones send.
///
/// # Errors
/// The first rule broken; see [`ParseError`] for how it is answered.
pub fn parse(bytes: &[u8]) -> Result<RawMessage<'_>, ParseError> {
    let mut lines = Lines::new(bytes);
    let Some(first) = lines.next_line() else {
        return Err(ParseError::new("sip_no_line", 400, "the message has no line"));
    };
    // Filled in place: moving a kilobyte of headers costs as much as finding them.
    let start = StartLine::Response { status: 0, reason: &[] };
    let mut message = RawMessage { start, headers: SmallVec::new(), body: &[] };
    let header_fault = read_headers(&mut lines, &mut message.headers);
    if let Err(fault) = message.finish(bytes, first, &lines, header_fault) {
        return Err(fault.into_error(&message.headers, may_answer(first)));
    }
    Ok(message)
}

/// The header fields before an empty line, and the bytes after it. The parts of a multipart body
/// have the same form.
pub(crate) fn header_section(
    bytes: &[u8],
) -> Result<(SmallVec<[RawHeader<'_>; HEADERS_INLINE]>, &[u8]), ParseError> {
    let mut lines = Lines::of_section(bytes);
    let mut headers = SmallVec::new();
    match read_headers(&mut lines, &mut headers) {
        Some(fault) => Err(fault.into_error(&headers, false)),
        None => Ok((headers, lines.rest)),
    }
}

/// Length of the body that follows these headers on a connection, where `Content-Length` must be there
/// (RFC 3261 §18.3), however long it is. `head` ends with the empty line.
pub(crate) fn stream_body_length(head: &[u8]) -> Result<usize, ParseError> {
    let mut lines = Lines::new(head);
    let first = lines.next_line().unwrap_or_default();
    let mut headers = SmallVec::new();
    // The parser of the whole message reports other errors in headers; only the length counts here.
    let _ = read_headers(&mut lines, &mut headers);
    let read = headers.iter().filter(|header| header.kind == HeaderKind::ContentLength).count();
    let fault = match content_length(&headers) {
        Ok(_) if length_lines(head) != read => {
            Fault::new("sip_content_length", 400, "a Content-Length cannot be read")
        }
        Ok(Some(length)) => return Ok(length),
        Ok(None) => Fault::new("sip_content_length", 400, "no Content-Length on a stream"),
        Err(fault) => fault,
    };
    Err(fault.into_error(&headers, may_answer(first)))
}

/// Counts lines that some reader may take for a `Content-Length`, broken ones and those past a
/// limit included. Where we ignored one of them, another node might see the next message begin
/// elsewhere.
fn length_lines(head: &[u8]) -> usize {
    let is_length = |line: &&[u8]| {
        let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
        let name = || name.iter().copied().filter(|&byte| text::is_token_byte(byte));
        let is =
            |wanted: &[u8]| name().map(|byte| byte.to_ascii_lowercase()).eq(wanted.iter().copied());
        !matches!(line.first(), Some(b' ' | b'\t')) && (is(b"l") || is(b"content-length"))
    };
    head.split(|byte| matches!(byte, b'\r' | b'\n')).filter(is_length).count()
}

/// The error of a message on a connection with this head and a body of this length.
pub(crate) fn refuse_length(head: &[u8], body: usize) -> Option<ParseError> {
    let fault = match body {
        _ if body > SIP_BODY_BYTES_MAX => BODY_TOO_LONG,
        _ if head.len() + body > SIP_MESSAGE_BYTES_MAX => MESSAGE_TOO_LONG,
        _ => return None,
    };
    Some(refuse_head(head, fault.rule, fault.status, fault.sentence))
}

/// The error of a message that is refused before it is complete; the headers so far give the
/// answer.
pub(crate) fn refuse_head(
    head: &[u8],
    rule: &'static str,
    status: u16,
    sentence: &'static str,
) -> ParseError {
    let mut lines = Lines::new(head);
    let may_answer = lines.next_line().is_some_and(may_answer);
    let mut headers = SmallVec::new();
    let _ = read_headers(&mut lines, &mut headers);
    Fault::new(rule, status, sentence).into_error(&headers, may_answer)
}

/// A response and an ACK are never answered.
fn may_answer(start_line: &[u8]) -> bool {
    let head = start_line.get(..4).unwrap_or_default();
    !head.eq_ignore_ascii_case(b"SIP/") && !start_line.starts_with(b"ACK ")
}

/// A broken rule, before it is known whether it can be answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    rule: &'static str,
    status: u16,
    sentence: &'static str,
}

impl Fault {
    pub(super) const fn new(rule: &'static str, status: u16, sentence: &'static str) -> Self {
        Self { rule, status, sentence }
    }

    fn into_error(self, headers: &[RawHeader<'_>], may_answer: bool) -> ParseError {
        let answerable = if may_answer { answerable(headers).map(Box::new) } else { None };
        ParseError { answerable, ..ParseError::new(self.rule, self.status, self.sentence) }
    }
}

/// Reads up to the empty line. Returns the first error, but reads on to find the parts of an
/// answer. Bounded by the limits on lines and bytes.
fn read_headers<'a>(
    lines: &mut Lines<'a>,
    headers: &mut SmallVec<[RawHeader<'a>; HEADERS_INLINE]>,
) -> Option<Fault> {
    let whole = lines.rest;
    let mut first_fault = None;
    let mut count = 0;
    let last_fault = loop {
        let begin = lines.rest;
        let Some(line) = lines.next_line() else {
            break Some(Fault::new("sip_headers_end", 400, "no empty line ends the headers"));
        };
        if line.is_empty() {
            break None;
        }
        count += 1;
        let mut folded = false;
        while lines.is_folded() && lines.next_line().is_some() {
            folded = true;
            count += 1;
        }
        if count > SIP_HEADER_LINES_MAX {
            break Some(Fault::new("sip_header_lines", 400, "too many header lines"));
        }
        if whole.len() - lines.rest.len() > SIP_HEADERS_BYTES_MAX {
            break Some(Fault::new("sip_headers_size", 400, "the header section is too long"));
        }
        let field = if folded { begin.get(..begin.len() - lines.rest.len()) } else { Some(line) };
        match read_header(field.unwrap_or(line), folded, lines.is_clean) {
            Ok(header) => headers.push(header),
            Err(fault) => first_fault = first_fault.or(Some(fault)),
        }
    };
    first_fault.or(last_fault).or_else(|| too_many_values(headers))
}

fn read_header(field: &[u8], folded: bool, is_clean: bool) -> Result<RawHeader<'_>, Fault> {
    let (name, value) = split_field(field)?;
    if name.len() > SIP_HEADER_NAME_BYTES_MAX {
        return Err(Fault::new("sip_header_name_size", 400, "a header name is too long"));
    }
    let value = trim_spaces(value);
    if value.len() > SIP_HEADER_VALUE_BYTES_MAX && value.len() > value_bytes_max(name) {
        return Err(Fault::new("sip_header_value_size", 400, "a header value is too long"));
    }
    if !is_clean && !is_sound_value(value, folded) {
        return Err(Fault::new("sip_control_byte", 400, "a header value holds a control byte"));
    }
    Ok(RawHeader { kind: HeaderKind::of(name), name, value, folded })
}

/// Name and value of a field, the name without the white space behind it.
fn split_field(field: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    // The colon mostly ends the token; the look for it is then the check of the name, too.
    let token = field.iter().take_while(|&&byte| text::is_token_byte(byte)).count();
    if token > 0
        && let Some((name, [b':', value @ ..])) = field.split_at_checked(token)
    {
        return Ok((name, value));
    }
    let colon = memchr::memchr(b':', field).ok_or(Fault::new(
        "sip_header_colon",
        400,
        "a header line has no colon",
    ))?;
    let (name, value) = field.split_at_checked(colon).unwrap_or((field, &[]));
    let name = trim_end(name);
    if text::check(name, text::is_token_byte).is_err() {
        return Err(Fault::new("sip_header_name", 400, "a header name is not a token"));
    }
    Ok((name, value.get(1..).unwrap_or_default()))
}

fn value_bytes_max(name: &[u8]) -> usize {
    let is_long = [&b"Identity"[..], b"Authorization", b"Proxy-Authorization"]
        .iter()
        .any(|long| is_same_name(name, long));
    if is_long { SIP_LONG_HEADER_VALUE_BYTES_MAX } else { SIP_HEADER_VALUE_BYTES_MAX }
}

/// No control bytes but tabs, folds, and those behind a backslash in quotes (`quoted-pair`).
fn is_sound_value(value: &[u8], folded: bool) -> bool {
    // No branch for each byte, so that the compiler vectorises it.
    let has_control = value
        .iter()
        .fold(false, |found, &byte| found | ((byte < b' ') & (byte != b'\t')) | (byte == 0x7F));
    if !has_control {
        return true;
    }
    let value = if folded { Cow::Owned(unfold(value)) } else { Cow::Borrowed(value) };
    let (mut quoted, mut escaped) = (false, false);
    for &byte in value.iter() {
        let allowed = escaped && !matches!(byte, b'\r' | b'\n');
        if text::is_control(byte) && !allowed {
            return false;
        }
        quoted ^= byte == b'"' && !escaped;
        escaped = quoted && byte == b'\\' && !escaped;
    }
    true
}

/// Checked only when there are more lines than one name may have values. A name with too many then
/// holds the majority of lines, which one pass finds (Boyer–Moore majority vote). Comparing all
/// pairs would cost the square of the lines, on unauthenticated input.
fn too_many_values(headers: &[RawHeader<'_>]) -> Option<Fault> {
    const { assert!(SIP_HEADER_LINES_MAX <= 2 * SIP_HEADER_VALUES_MAX) };
    if headers.len() <= SIP_HEADER_VALUES_MAX {
        return None;
    }
    let (mut ahead, mut votes) = (&[][..], 0_usize);
    for header in headers {
        match votes {
            0 => (ahead, votes) = (header.name, 1),
            _ if is_same_name(ahead, header.name) => votes += 1,
            _ => votes -= 1,
        }
    }
    let values = headers.iter().filter(|header| is_same_name(ahead, header.name)).count();
    (values > SIP_HEADER_VALUES_MAX)
        .then(|| Fault::new("sip_header_values", 400, "too many values of one header"))
}

fn read_start(line: &[u8], is_clean: bool) -> Result<StartLine<'_>, Fault> {
    let broken = |sentence| Fault::new("sip_start_line", 400, sentence);
    let is_response = line.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"SIP/"));
    if line.len() > SIP_START_LINE_BYTES_MAX {
        let status = if is_response || !ends_with_version(line) { 400 } else { 414 };
        return Err(Fault::new("sip_start_line_size", status, "the start line is too long"));
    }
    if !is_clean && line.iter().copied().any(text::is_control) {
        return Err(broken("the start line holds a control byte"));
    }
    if is_response { read_status_line(line) } else { read_request_line(line) }
}

fn read_request_line(line: &[u8]) -> Result<StartLine<'_>, Fault> {
    let broken = |sentence| Fault::new("sip_start_line", 400, sentence);
    let first = memchr::memchr(b' ', line).ok_or(broken("the start line has no space"))?;
    let last = memchr::memrchr(b' ', line).ok_or(broken("the start line has no space"))?;
    let method = line.get(..first).unwrap_or_default();
    let version = line.get(last + 1..).unwrap_or_default();
    let uri = line.get(first + 1..last).unwrap_or_default();
    if text::check(method, text::is_token_byte).is_err() {
        return Err(broken("the method is not a token"));
    }
    if !is_version(version) {
        return Err(broken("the start line does not end with a SIP version"));
    }
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        return Err(Fault::new("sip_version", 505, "the SIP version is not 2.0"));
    }
    if uri.is_empty() || uri.iter().any(|byte| matches!(byte, b' ' | b'\t')) {
        return Err(broken("the start line has white space in or around the Request-URI"));
    }
    Ok(StartLine::Request { method, uri })
}

fn read_status_line(line: &[u8]) -> Result<StartLine<'_>, Fault> {
    let broken = |sentence| Fault::new("sip_status_line", 400, sentence);
    let (version, rest) = line.split_at_checked(8).ok_or(broken("the status line is too short"))?;
    if !version.eq_ignore_ascii_case(b"SIP/2.0 ") {
        return Err(Fault::new("sip_version", 505, "the SIP version is not 2.0"));
    }
    let digits = rest.get(..3).ok_or(broken("the status is not three digits"))?;
    let reason = match rest.get(3..) {
        // RFC 3261 wants the space even without a reason; phones omit it.
        Some([]) | None => &[],
        Some([b' ', reason @ ..]) => reason,
        Some(_) => return Err(broken("the status is not three digits")),
    };
    let status = text::decimal(digits).and_then(|status| u16::try_from(status).ok());
    match status.filter(|status| (100..=699).contains(status)) {
        Some(status) => Ok(StartLine::Response { status, reason }),
        None => Err(broken("the status is not from 100 to 699")),
    }
}

fn ends_with_version(line: &[u8]) -> bool {
    memchr::memrchr(b' ', line).and_then(|last| line.get(last + 1..)).is_some_and(is_version)
}

/// `SIP/digits.digits` in any case.
fn is_version(version: &[u8]) -> bool {
    let numbers = version.get(4..).unwrap_or_default();
    let is_sip = version.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"SIP/"));
    let mut parts = numbers.split(|&byte| byte == b'.');
    let mut is_number =
        || parts.next().is_some_and(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit));
    is_sip && is_number() && is_number() && parts.next().is_none()
}

/// Cuts the body to `Content-Length`; without one (datagrams only) it is all of the rest.
fn cut_body<'a>(headers: &[RawHeader<'_>], rest: &'a [u8]) -> Result<&'a [u8], Fault> {
    let body = match content_length(headers)? {
        Some(length) if length > SIP_BODY_BYTES_MAX => return Err(BODY_TOO_LONG),
        Some(length) => rest.get(..length).ok_or(Fault::new(
            "sip_body_short",
            400,
            "the body is shorter than Content-Length says",
        ))?,
        None => rest,
    };
    if body.len() > SIP_BODY_BYTES_MAX { Err(BODY_TOO_LONG) } else { Ok(body) }
}

/// Header lines that need no allocation: an ordinary message has fewer.
const HEADERS_INLINE: usize = 24;
const BODY_TOO_LONG: Fault = Fault::new("sip_body_size", 413, "the body is longer than the limit");
const MESSAGE_TOO_LONG: Fault =
    Fault::new("sip_message_size", 513, "the message is longer than the limit");

/// `Content-Length`: one value, or the same one again. Two different values would let two readers
/// see two messages.
fn content_length(headers: &[RawHeader<'_>]) -> Result<Option<usize>, Fault> {
    let mut length = None;
    for header in headers.iter().filter(|header| header.kind == HeaderKind::ContentLength) {
        let value = read_length(&header.value()).ok_or(Fault::new(
            "sip_content_length",
            400,
            "Content-Length is not a number",
        ))?;
        if length.is_some_and(|earlier| earlier != value) {
            return Err(Fault::new(
                "sip_content_length",
                400,
                "two different Content-Length values",
            ));
        }
        length = Some(value);
    }
    Ok(length)
}

/// Reads digits. A number past `usize` exceeds every limit.
fn read_length(value: &[u8]) -> Option<usize> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text::decimal(value).and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX))
}

/// The parts of an answer; `None` without a readable Via, or when CSeq shows an ACK.
fn answerable(headers: &[RawHeader<'_>]) -> Option<Answerable> {
    let first = |kind| {
        let header = headers.iter().find(|header| header.kind == kind)?;
        Some(Text::from_wire(&header.value()))
    };
    let mut vias = headers.iter().filter(|header| header.kind == HeaderKind::Via);
    let top = vias.next()?.value();
    let via = Via::read_leniently(&top)?;
    let mut more_vias: Vec<_> = split_list(&top).skip(1).filter_map(Via::read_leniently).collect();
    for header in vias {
        more_vias.extend(split_list(&header.value()).filter_map(Via::read_leniently));
    }
    let answerable = Answerable {
        via,
        more_vias,
        from: first(HeaderKind::From),
        to: first(HeaderKind::To),
        call_id: first(HeaderKind::CallId),
        cseq: first(HeaderKind::CSeq),
    };
    let is_ack = |cseq: CSeq| cseq.method == Method::Ack;
    if answerable.cseq().is_some_and(is_ack) { None } else { Some(answerable) }
}

/// Replaces each line break and the white space around it by one space.
fn unfold(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for line in value.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(trim_spaces_and_tabs(line));
    }
    out
}

/// Spaces and tabs only: a stray CR is for the check of control bytes to find.
fn trim_spaces_and_tabs(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(line.len());
    trim_end(line.get(start..).unwrap_or_default())
}

fn trim_end(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| !matches!(byte, b' ' | b'\t'));
    end.and_then(|last| bytes.get(..=last)).unwrap_or_default()
}
