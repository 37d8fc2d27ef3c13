//! One binding: a contact, its expiry, and the flow that reaches its phone. Sans-IO.

use std::time::Duration;

use shared::limits::BINDING_TEXT_BYTES_MAX;
use shared::{BindingSid, Instant, Now, Refusal};

use super::Registering;
use super::request::{Contact, Outbound};
use super::seconds_left;
use crate::flow::{Destination, Flow};
use crate::message::Request;
use crate::name_addr::NameAddr;
use crate::uri::Uri;

/// A contact of a user (RFC 3261 §10.3). Texts are stored as they are written again, in boxes
/// without spare capacity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Its identifier in the store and in the REST API.
    pub sid: BindingSid,
    /// The Contact as the phone sent it, without `expires`.
    pub contact: Box<[u8]>,
    /// Values of Path (RFC 3327), as one header would hold them; empty without any.
    pub path: Box<[u8]>,
    /// Call-ID of the REGISTER that set it last.
    pub call_id: Box<str>,
    /// CSeq of that REGISTER.
    pub cseq: u32,
    /// The flow of that REGISTER: calls go back along it, whatever the Contact says.
    pub flow: Flow,
    /// The edge that it was made through, in lower case.
    pub edge: Box<str>,
    /// Instance and flow number of the phone (RFC 5626); `None` unless it states both.
    pub outbound: Option<Box<Outbound>>,
    /// `User-Agent`, cut to 64 bytes.
    pub user_agent: Box<str>,
    /// When it was created, Unix milliseconds.
    pub created_ms: i64,
    /// When it was refreshed last, Unix milliseconds.
    pub updated_ms: i64,
    /// When it expires.
    pub expires_at: Instant,
    /// When it expires, Unix milliseconds.
    pub expires_ms: i64,
}

impl Binding {
    pub(super) fn new(
        now: Now,
        sid: BindingSid,
        registering: Registering<'_>,
        (contact, path): (&Contact<'_>, &[u8]),
    ) -> Result<Self, Refusal> {
        let request = registering.request;
        let lasts = Duration::from_secs(contact.expires_s.into());
        let until = now.after(lasts);
        let user_agent = request.headers.get_str("User-Agent").unwrap_or_default();
        let binding = Self {
            sid,
            contact: contact.text.as_slice().into(),
            path: path.into(),
            call_id: request.call_id.as_str().into(),
            cseq: request.cseq.number,
            flow: registering.flow,
            edge: registering.edge.into(),
            outbound: contact.outbound.clone(),
            user_agent: cut(user_agent).into(),
            created_ms: now.unix_ms,
            updated_ms: now.unix_ms,
            expires_at: until.mono,
            expires_ms: until.unix_ms,
        };
        if binding.text_bytes() > BINDING_TEXT_BYTES_MAX {
            let sentence = "Contact, Path and Call-ID together are too long to be kept.";
            return Err(Refusal::new("binding_size", 403, sentence));
        }
        Ok(binding)
    }

    /// Whether a contact of a request means this binding: by instance and flow number where both
    /// state them (RFC 5626 §6), else by URI.
    pub(super) fn is_meant_by(&self, contact: &Contact<'_>) -> bool {
        match (&contact.outbound, &self.outbound) {
            (Some(wanted), Some(kept)) => wanted == kept,
            (Some(_), None) | (None, Some(_)) | (None, None) => {
                let kept = NameAddr::parse(&self.contact);
                kept.is_ok_and(|kept| kept.uri.equivalent(contact.uri))
            }
        }
    }

    /// A request of the same Call-ID must have a higher CSeq (RFC 3261 §10.3 step 7).
    pub(super) fn check_order(&self, request: &Request) -> Result<(), Refusal> {
        let is_late =
            request.call_id.as_str() == &*self.call_id && request.cseq.number <= self.cseq;
        if !is_late {
            return Ok(());
        }
        let sentence =
            "The REGISTER is older than the one that set the contact: its CSeq must rise.";
        Err(Refusal::new("register_out_of_order", 500, sentence))
    }

    /// The Contact for a response: as the phone sent it, with the seconds that remain.
    pub fn shown(&self, now: Instant) -> Option<NameAddr> {
        let mut contact = NameAddr::parse(&self.contact).ok()?;
        let left = seconds_left(now, self.expires_at).to_string();
        contact.parameters.set("expires", Some(&left)).ok()?;
        Some(contact)
    }

    /// The Request-URI of a call to it: the contact without headers and `method`. `None` unless it
    /// is a SIP URI.
    pub fn target(&self) -> Option<Uri> {
        let contact = NameAddr::parse(&self.contact).ok()?;
        match contact.uri {
            uri @ Uri::Sip(_) => Some(uri.into_request_uri()),
            Uri::Tel(_) | Uri::Other(_) => None,
        }
    }

    /// The route of a call to it, first hop first.
    pub fn route(&self) -> Vec<Uri> {
        let mut hops = Vec::new();
        if self.path.is_empty() || NameAddr::read_list(&self.path, &mut hops).is_err() {
            return Vec::new();
        }
        hops.into_iter().map(|hop| hop.uri).collect()
    }

    /// Where a call to it is sent: back along its flow.
    pub fn destination(&self) -> Destination {
        Destination::along(self.flow)
    }

    /// Bytes of memory that it takes, its entries in the indexes included.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.text_bytes() + INDEXES_BYTES
    }

    fn text_bytes(&self) -> usize {
        let outbound = self.outbound.as_ref();
        let instance = outbound.map_or(0, |o| o.instance.len() + size_of::<Outbound>());
        let texts = [&*self.call_id, &*self.edge, &*self.user_agent].map(str::len);
        self.contact.len() + self.path.len() + instance + texts.iter().sum::<usize>()
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(USER_AGENT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

const USER_AGENT_BYTES_MAX: usize = 64;
/// Bytes of its address of record, its table entry and the four indexes, as measured by `bench` and
/// rounded up.
const INDEXES_BYTES: usize = 400;
