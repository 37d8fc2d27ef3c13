//! Reads a REGISTER, and checks all of it before anything changes (RFC 3261 §10.3). Sans-IO.

use std::net::IpAddr;

use shared::limits::{CONTACTS_MAX, REGISTRATION_S, SIP_ROUTE_MAX};
use shared::{Code, Header, Refusal};

use super::Registering;
use crate::message::Request;
use crate::name_addr::{Contacts, NameAddr, saturating_seconds};
use crate::objection::Objection;
use crate::text::Text;
use crate::uri::{Host, Uri};

/// The kind of a REGISTER.
pub(super) enum Wanted<'a> {
    /// No Contact: a query for the current bindings.
    Query,
    /// `Contact: *` with `Expires: 0`: removes all bindings.
    RemoveAll,
    /// Sets or removes these contacts; `path` is stored with each.
    Set { contacts: Vec<Contact<'a>>, path: Vec<u8> },
}

/// One contact of a REGISTER.
pub(super) struct Contact<'a> {
    pub uri: &'a Uri,
    /// As it is stored and shown: without `expires`.
    pub text: Vec<u8>,
    /// Requested lifetime in seconds, cut to the maximum; 0: to be removed.
    pub expires_s: u32,
    pub outbound: Option<Box<Outbound>>,
}

/// Identifies one flow of a phone (RFC 5626 §4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// `+sip.instance`, without quotes.
    pub instance: Box<str>,
    /// `reg-id`.
    pub reg_id: u32,
}

impl<'a> Wanted<'a> {
    pub fn read(registering: Registering<'a>) -> Result<Self, Objection> {
        let request = registering.request;
        let list = match &request.contact {
            Contacts::Any if header_expires(request) == Some(0) => return Ok(Self::RemoveAll),
            Contacts::Any => return Err(star_needs_zero().into()),
            Contacts::List(list) if list.is_empty() => return Ok(Self::Query),
            Contacts::List(list) => list,
        };
        if list.len() > CONTACTS_MAX {
            return Err(super::too_many().into());
        }
        let path = path(request)?;
        let contacts = list.iter().map(|contact| Contact::read(registering, contact));
        Ok(Self::Set { contacts: contacts.collect::<Result<_, _>>()?, path })
    }
}

impl<'a> Contact<'a> {
    fn read(registering: Registering<'_>, contact: &'a NameAddr) -> Result<Self, Objection> {
        let wanted = contact.expires().or_else(|| header_expires(registering.request));
        let expires_s = match wanted.unwrap_or(REGISTRATION_S.1) {
            0 => 0,
            brief if brief < REGISTRATION_S.0 => return Err(too_brief()),
            seconds => seconds.min(REGISTRATION_S.1),
        };
        if expires_s > 0 {
            check_target(contact, registering.flow.remote.ip())?;
        }
        let mut kept = contact.clone();
        kept.parameters.remove("expires");
        let mut text = Vec::new();
        kept.write_to(&mut text);
        Ok(Self { uri: &contact.uri, text, expires_s, outbound: outbound(contact) })
    }
}

/// Refuses a loopback contact of a phone on another machine: calls to it would come back to this
/// gateway.
fn check_target(contact: &NameAddr, source: IpAddr) -> Result<(), Refusal> {
    let Uri::Sip(uri) = &contact.uri else {
        let sentence = "The Contact is not a SIP URI, so no call can be sent to it.";
        return Err(Refusal::new("contact_scheme", 400, sentence));
    };
    let is_loop = match &uri.host {
        Host::Name(name) => name.as_str().trim_end_matches('.').eq_ignore_ascii_case("localhost"),
        Host::V4(address) => address.is_loopback() || address.is_unspecified(),
        Host::V6(address) => {
            let address = IpAddr::V6(*address).to_canonical();
            address.is_loopback() || address.is_unspecified()
        }
    };
    if is_loop && !source.to_canonical().is_loopback() {
        let sentence = "The Contact names the loopback address, where only this gateway is. Set the \
                        phone's own address in it.";
        return Err(Refusal::new("contact_loop", 403, sentence).code(Code::CONTACT_LOOPBACK));
    }
    Ok(())
}

fn outbound(contact: &NameAddr) -> Option<Box<Outbound>> {
    let instance = contact.parameters.unquoted("+sip.instance")?;
    let reg_id = contact.parameters.get("reg-id")?.as_str()?.parse().ok().filter(|id| *id > 0)?;
    Some(Box::new(Outbound { instance: instance.into(), reg_id }))
}

fn header_expires(request: &Request) -> Option<u32> {
    request.headers.get("Expires").and_then(|value| saturating_seconds(value.as_bytes()))
}

/// The Path of a request (RFC 3327) as one value. It is parsed here once, so that a broken one is
/// refused now and not at the first call.
fn path(request: &Request) -> Result<Vec<u8>, Refusal> {
    let values: Vec<&[u8]> = request.headers.all("Path").map(Text::as_bytes).collect();
    let path = values.join(&b", "[..]);
    let mut hops = Vec::new();
    if path.is_empty()
        || NameAddr::read_list(&path, &mut hops).is_ok() && hops.len() <= SIP_ROUTE_MAX
    {
        return Ok(path);
    }
    let sentence = "Path cannot be read, or has more than 20 values.";
    Err(Refusal::new("register_path", 400, sentence))
}

fn star_needs_zero() -> Refusal {
    Refusal::new("register_star", 400, "`Contact: *` is for `Expires: 0` alone.")
}

fn too_brief() -> Objection {
    let least = REGISTRATION_S.0;
    let sentence = format!("A registration lasts at least {least} seconds: ask for more.");
    Objection {
        refusal: Refusal::new("register_too_brief", 423, sentence),
        headers: vec![Header::new("Min-Expires", least.to_string())],
    }
}
