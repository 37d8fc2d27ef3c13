//! Session descriptions (RFC 8866), as far as one audio stream needs them. Sans-IO.
//!
//! A parser of our own: the limits must hold before anything is allocated, only six line types
//! matter, and odd values elsewhere (`t=` past 64 bits, Latin-1 in `s=`) must not cost the call.

mod codecs;
mod crypto;
mod parse;

use std::net::IpAddr;

use shared::{Code, Direction, Refusal};

pub(crate) use codecs::DYNAMIC_FROM;
pub use codecs::{Format, FormatKind};
pub use crypto::Crypto;
pub use parse::parse;

/// The media type of a session description (RFC 8866 §8.2.1).
pub(crate) const MEDIA_TYPE: &str = "application/sdp";

/// A parsed description. Lines without a use here are dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDescription {
    /// `c=` before the first media description.
    pub connection: Option<Connection>,
    /// First `t=`: start and stop as digits; `0 0` when absent.
    pub time: (String, String),
    /// `a=` before the first media description.
    pub attributes: Vec<Attribute>,
    /// `m=` in order, refused ones (port 0) included.
    pub media: Vec<MediaDescription>,
}

/// One media description: an `m=` and the lines after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaDescription {
    /// `audio`, `video`, `image`, …
    pub kind: String,
    /// The port; 0 means refused or not wanted.
    pub port: u16,
    /// `RTP/AVP`, `RTP/SAVP`, `udptl`, …
    pub protocol: String,
    /// Payload types, or names for other protocols. At least one; only the first where the section
    /// is not audio.
    pub formats: Vec<String>,
    /// `c=`; more than one is allowed (RFC 8866 §5.7). Empty where the section is not audio.
    pub connections: Vec<Connection>,
    /// The attributes that are used here, in order. Empty where the section is not audio.
    pub attributes: Vec<Attribute>,
}

/// `a=name` or `a=name:value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The name, case as received.
    pub name: String,
    /// What follows the colon.
    pub value: Option<String>,
}

/// A `c=` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// An address; IPv4 mapped into IPv6 is IPv4.
    Address(IpAddr),
    /// A host name, which is not resolved for media.
    Name(String),
}

impl SessionDescription {
    /// Direction of a media description: its own attribute, else the session's, else both ways
    /// (RFC 3264 §6.1).
    pub fn direction(&self, media: &MediaDescription) -> Direction {
        direction_in(&media.attributes)
            .or_else(|| direction_in(&self.attributes))
            .unwrap_or(Direction::SendRecv)
    }

    /// Value of an attribute of a media description, else of the session.
    pub fn attribute<'a>(&'a self, media: &'a MediaDescription, name: &str) -> Option<&'a str> {
        value_in(&media.attributes, name).or_else(|| value_in(&self.attributes, name))
    }

    /// Where a media description receives its packets: the first `c=` of the wanted family, else
    /// the first of any family; the session's where it has none.
    pub fn connection<'a>(
        &'a self,
        media: &'a MediaDescription,
        family_of: IpAddr,
    ) -> Option<&'a Connection> {
        let fits = |connection: &&Connection| matches!(connection, Connection::Address(ip) if ip.is_ipv4() == family_of.is_ipv4());
        let own = media.connections.iter().find(fits).or_else(|| media.connections.first());
        own.or(self.connection.as_ref())
    }
}

impl MediaDescription {
    /// Whether this is an audio section, the only kind that is ever served.
    pub fn is_audio(&self) -> bool {
        self.kind == AUDIO
    }

    /// Whether an attribute is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.attributes.iter().any(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }

    /// Payload types in order with their meaning; unsupported ones are [`FormatKind::Unknown`].
    pub fn payload_types(&self) -> impl Iterator<Item = Format> {
        codecs::formats(self)
    }

    /// The payload type of telephone events.
    pub fn event_payload_type(&self) -> Option<u8> {
        codecs::event_payload_type(self)
    }
}

/// The refusal of a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct SdpRefusal {
    /// The rule that fired, in snake case.
    pub rule: &'static str,
    /// 400 for what cannot be read, 488 for what cannot be served, 415 for bodies of other types.
    pub status: u16,
    /// Twilio's error code; `None` where none fits.
    pub code: Option<Code>,
    /// A sentence for log, alert and peer.
    pub sentence: &'static str,
}

impl SdpRefusal {
    /// A description that cannot be read: 400, code 32102.
    pub(crate) const fn syntax(rule: &'static str, sentence: &'static str) -> Self {
        Self { rule, status: 400, code: Some(Code::SDP_INVALID), sentence }
    }

    /// A description that cannot be served: 488.
    pub(crate) const fn not_acceptable(rule: &'static str, sentence: &'static str) -> Self {
        Self { rule, status: 488, code: None, sentence }
    }

    /// A body of an unsupported type: 415.
    pub(crate) const fn media_type(rule: &'static str, sentence: &'static str) -> Self {
        Self { rule, status: 415, code: None, sentence }
    }

    pub(crate) const fn with_code(self, code: Code) -> Self {
        Self { code: Some(code), ..self }
    }

    /// The refusal as the common value for log, metric, alert and timeline.
    pub fn refusal(self) -> Refusal {
        let refusal = Refusal::new(self.rule, self.status, self.sentence);
        match self.code {
            Some(code) => refusal.code(code),
            None => refusal,
        }
    }
}

/// The media type of the one stream that is served (RFC 8866 §8.2.1), in lower case.
const AUDIO: &str = "audio";

fn value_in<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    let named = |attribute: &&Attribute| attribute.name.eq_ignore_ascii_case(name);
    attributes.iter().find(named)?.value.as_deref()
}

fn direction_in(attributes: &[Attribute]) -> Option<Direction> {
    const ALL: [Direction; 4] =
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
    attributes.iter().find_map(|attribute| {
        ALL.into_iter().find(|direction| attribute.name.eq_ignore_ascii_case(direction.name()))
    })
}
