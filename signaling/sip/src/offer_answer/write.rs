//! Writes our session descriptions. Sans-IO.

use std::fmt::Write;
use std::net::IpAddr;

use shared::{Codec, NegotiatedMedia};

use super::LocalMedia;
use crate::sdp::{Crypto, MediaDescription};

/// A place among the media descriptions of a session. Places are never removed (RFC 3264 §8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Our audio stream.
    Ours,
    /// A stream of the peer that is refused: it keeps its place with port 0.
    Refused {
        /// `video`, `image`, …
        kind: String,
        /// The protocol as offered.
        protocol: String,
        /// The first format of the offer.
        format: String,
    },
}

impl Slot {
    /// The refusal of a media description.
    pub(super) fn refused(media: &MediaDescription) -> Self {
        Self::Refused {
            kind: media.kind.clone(),
            protocol: media.protocol.clone(),
            format: media.formats.first().cloned().unwrap_or_else(|| "0".to_owned()),
        }
    }

    pub(super) const fn is_ours(&self) -> bool {
        matches!(self, Self::Ours)
    }
}

/// `v=` and `o=`.
pub(super) fn head(session_id: u32, version: u64, address: IpAddr) -> Vec<u8> {
    let family = family(address);
    format!("v=0\r\no=root {session_id} {version} IN {family} {address}\r\n").into_bytes()
}

/// The parts of our description that depend on the exchange.
pub(super) struct Own {
    pub(super) event_payload_type: u8,
    pub(super) rtcp_mux: bool,
    /// `RTP/AVPF` instead of `RTP/AVP`.
    pub(super) feedback: bool,
    /// Our `a=crypto` line, where the stream is protected.
    pub(super) crypto: Option<Crypto>,
}

/// An offer without `v=` and `o=`.
pub(super) fn offer(slots: &[Slot], local: &LocalMedia, own: &Own) -> Vec<u8> {
    let mut stream = Stream::new(local, own);
    for &codec in &local.codecs {
        stream.codec(codec.static_payload_type(), codec);
    }
    stream.events(own.event_payload_type);
    stream.line(format_args!("ptime:20"));
    stream.line(format_args!("maxptime:20"));
    stream.line(format_args!("{}", local.direction.name()));
    if own.rtcp_mux {
        stream.line(format_args!("rtcp-mux"));
    }
    description(slots, &stream, ("0", "0"))
}

/// An answer without `v=` and `o=`.
pub(super) fn answer(
    slots: &[Slot],
    local: &LocalMedia,
    media: &NegotiatedMedia,
    own: &Own,
    time: &(String, String),
) -> Vec<u8> {
    let mut stream = Stream::new(local, own);
    stream.codec(media.payload_type_receive, media.codec);
    if let Some(payload_type) = media.event_payload_type_receive {
        stream.events(payload_type);
    }
    stream.line(format_args!("ptime:20"));
    stream.line(format_args!("{}", media.direction.name()));
    if media.rtcp_mux {
        stream.line(format_args!("rtcp-mux"));
    }
    description(slots, &stream, (&time.0, &time.1))
}

/// Builds our media description line by line.
struct Stream<'a> {
    local: &'a LocalMedia,
    protocol: &'static str,
    formats: Vec<String>,
    lines: String,
}

impl<'a> Stream<'a> {
    fn new(local: &'a LocalMedia, own: &Own) -> Self {
        let protocol = match (own.crypto, own.feedback) {
            (Some(_), _) => "RTP/SAVP",
            (None, false) => "RTP/AVP",
            (None, true) => "RTP/AVPF",
        };
        let mut stream = Self { local, protocol, formats: Vec::new(), lines: String::new() };
        if let Some(crypto) = own.crypto {
            stream.line(format_args!("crypto:{}", crypto.write()));
        }
        stream
    }

    fn codec(&mut self, payload_type: u8, codec: Codec) {
        self.formats.push(payload_type.to_string());
        self.line(format_args!("rtpmap:{payload_type} {}/8000", codec.name()));
    }

    /// Events 0 to 16: the keys, and flash (RFC 4733 §2.4.1).
    fn events(&mut self, payload_type: u8) {
        self.formats.push(payload_type.to_string());
        self.line(format_args!("rtpmap:{payload_type} telephone-event/8000"));
        self.line(format_args!("fmtp:{payload_type} 0-16"));
    }

    fn line(&mut self, attribute: std::fmt::Arguments<'_>) {
        // Writing into a String cannot fail.
        let _ = write!(self.lines, "a={attribute}\r\n");
    }
}

fn description(slots: &[Slot], stream: &Stream<'_>, time: (&str, &str)) -> Vec<u8> {
    let address = stream.local.address;
    let family = family(address);
    let mut out = format!(
        "s=Sidetone media gateway\r\nc=IN {family} {address}\r\nt={} {}\r\n",
        time.0, time.1
    );
    for slot in slots {
        match slot {
            Slot::Ours => {
                let (port, protocol) = (stream.local.port, stream.protocol);
                let formats = stream.formats.join(" ");
                let _ = write!(out, "m=audio {port} {protocol} {formats}\r\n{}", stream.lines);
            }
            Slot::Refused { kind, protocol, format } => {
                let _ = write!(out, "m={kind} 0 {protocol} {format}\r\n");
            }
        }
    }
    out.into_bytes()
}

const fn family(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    }
}
