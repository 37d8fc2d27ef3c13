//! Writes messages. Everything written has passed a constructor that refuses line breaks. Sans-IO.

use super::{CSeq, CallId, Request, Response};
use crate::header::Headers;
use crate::name_addr::{Contacts, NameAddr};
use crate::text;
use crate::via::Via;

pub(super) fn request(request: &Request) -> Vec<u8> {
    let mut out = Vec::with_capacity(TYPICAL_BYTES + request.body.len());
    out.extend_from_slice(request.method.as_str().as_bytes());
    out.push(b' ');
    request.uri.write_to(&mut out);
    out.extend_from_slice(b" SIP/2.0\r\n");
    write_vias(&mut out, &request.via);
    if let Some(hops) = request.max_forwards {
        out.extend_from_slice(b"Max-Forwards: ");
        text::push_decimal(&mut out, hops);
        out.extend_from_slice(b"\r\n");
    }
    write_addresses(&mut out, b"Route: ", &request.route);
    write_addresses(&mut out, b"Record-Route: ", &request.record_route);
    write_identity(&mut out, &request.from, &request.to, &request.call_id, &request.cseq);
    write_end(&mut out, &request.contact, &request.headers, &request.body);
    out
}

pub(super) fn response(response: &Response) -> Vec<u8> {
    let mut out = Vec::with_capacity(TYPICAL_BYTES + response.body.len());
    write_copied(&mut out, response);
    write_end(&mut out, &response.contact, &response.headers, &response.body);
    out
}

/// The header lines that are not copied from the request, except the header `without`.
pub(super) fn own_lines(response: &Response, without: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_contact(&mut out, &response.contact);
    let mut headers = response.headers.clone();
    headers.remove(without);
    headers.write_to(&mut out);
    out
}

/// The response with lines from [`own_lines`] before its headers, and with this body.
pub(super) fn response_with(response: &Response, lines: &[u8], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(TYPICAL_BYTES + lines.len() + body.len());
    write_copied(&mut out, response);
    out.extend_from_slice(lines);
    write_end(&mut out, &response.contact, &response.headers, body);
    out
}

/// Status line, and the headers copied from the request.
fn write_copied(out: &mut Vec<u8>, response: &Response) {
    out.extend_from_slice(format!("SIP/2.0 {:03} ", response.status).as_bytes());
    out.extend_from_slice(response.reason.as_bytes());
    out.extend_from_slice(b"\r\n");
    write_vias(out, &response.via);
    write_addresses(out, b"Record-Route: ", &response.record_route);
    write_identity(out, &response.from, &response.to, &response.call_id, &response.cseq);
}

/// One header line a value, which every peer can read.
fn write_vias(out: &mut Vec<u8>, vias: &[Via]) {
    for via in vias {
        out.extend_from_slice(b"Via: ");
        via.write_to(out);
        out.extend_from_slice(b"\r\n");
    }
}

fn write_addresses(out: &mut Vec<u8>, name: &[u8], addresses: &[NameAddr]) {
    for address in addresses {
        out.extend_from_slice(name);
        address.write_to(out);
        out.extend_from_slice(b"\r\n");
    }
}

/// One header line for all contacts, as Twilio writes them in REGISTER responses.
fn write_contacts(out: &mut Vec<u8>, contacts: &[NameAddr]) {
    for (index, contact) in contacts.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"Contact: " } else { b"," });
        contact.write_to(out);
    }
    if !contacts.is_empty() {
        out.extend_from_slice(b"\r\n");
    }
}

fn write_identity(out: &mut Vec<u8>, from: &NameAddr, to: &NameAddr, id: &CallId, cseq: &CSeq) {
    out.extend_from_slice(b"From: ");
    from.write_to(out);
    out.extend_from_slice(b"\r\nTo: ");
    to.write_to(out);
    out.extend_from_slice(b"\r\nCall-ID: ");
    out.extend_from_slice(id.as_str().as_bytes());
    out.extend_from_slice(b"\r\nCSeq: ");
    text::push_decimal(out, cseq.number);
    out.push(b' ');
    out.extend_from_slice(cseq.method.as_str().as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn write_contact(out: &mut Vec<u8>, contact: &Contacts) {
    match contact {
        Contacts::Any => out.extend_from_slice(b"Contact: *\r\n"),
        Contacts::List(list) => write_contacts(out, list),
    }
}

fn write_end(out: &mut Vec<u8>, contact: &Contacts, headers: &Headers, body: &[u8]) {
    write_contact(out, contact);
    headers.write_to(out);
    out.extend_from_slice(b"Content-Length: ");
    text::push_decimal(out, body.len() as u64);
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
}

/// Initial capacity: the headers of an ordinary message fit.
const TYPICAL_BYTES: usize = 1024;
