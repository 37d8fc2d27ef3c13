//! Writes our session descriptions. Sans-IO.

use std::fmt::Write;
use std::net::IpAddr;

use shared::{Codec, Direction, NegotiatedMedia};

use super::LocalMedia;
use crate::sdp::{Crypto, MediaDescription};

/// A place among the media descriptions of a session. Places are never removed (RFC 3264 §8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Our audio stream.
    Ours,
    /// The second stream of a recording session.
    Second,
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
}

/// An offer without `v=` and `o=`. Each of `cryptos` is the `a=crypto` line of a stream that is protected.
pub(super) fn offer(
    slots: &[Slot],
    local: &LocalMedia,
    second: Option<&LocalMedia>,
    own: &Own,
    cryptos: [Option<Crypto>; 2],
) -> Vec<u8> {
    let offered = |local: &LocalMedia, crypto, label| {
        let mut stream = Stream::new(local, own, crypto);
        for &codec in &local.codecs {
            stream.codec(codec.static_payload_type(), codec);
        }
        if local.recording.is_none() {
            stream.events(own.event_payload_type);
        }
        stream.line(format_args!("ptime:20"));
        stream.line(format_args!("maxptime:20"));
        stream.end(local.direction, own.rtcp_mux, label);
        stream
    };
    let [first_crypto, second_crypto] = cryptos;
    let first = offered(local, first_crypto, 1);
    let second = second.map(|local| offered(local, second_crypto, 2));
    description(slots, &first, second.as_ref(), ("0", "0"))
}

/// The streams of an answer: our side and the result of each, and its `a=crypto` line.
pub(super) struct Answered<'a> {
    pub(super) first: (&'a LocalMedia, &'a NegotiatedMedia),
    pub(super) second: Option<(&'a LocalMedia, &'a NegotiatedMedia)>,
    pub(super) cryptos: [Option<Crypto>; 2],
}

/// An answer without `v=` and `o=`.
pub(super) fn answer(
    slots: &[Slot],
    streams: &Answered<'_>,
    own: &Own,
    time: &(String, String),
) -> Vec<u8> {
    let answered = |(local, media): (&'_ LocalMedia, &NegotiatedMedia), crypto, label| {
        let mut stream = Stream::new(local, own, crypto);
        stream.codec(media.payload_type_receive, media.codec);
        if let Some(payload_type) = media.event_payload_type_receive {
            stream.events(payload_type);
        }
        stream.line(format_args!("ptime:20"));
        stream.end(media.direction, media.rtcp_mux, label);
        stream
    };
    let [first_crypto, second_crypto] = streams.cryptos;
    let first = answered(streams.first, first_crypto, 1);
    let second = streams.second.map(|second| answered(second, second_crypto, 2));
    description(slots, &first, second.as_ref(), (&time.0, &time.1))
}

/// Builds one of our media descriptions line by line.
struct Stream {
    address: IpAddr,
    port: u16,
    is_recording: bool,
    protocol: &'static str,
    formats: Vec<String>,
    lines: String,
}

impl Stream {
    fn new(local: &LocalMedia, own: &Own, crypto: Option<Crypto>) -> Self {
        let protocol = match (crypto, own.feedback) {
            (Some(_), _) => "RTP/SAVP",
            (None, false) => "RTP/AVP",
            (None, true) => "RTP/AVPF",
        };
        let mut stream = Self {
            address: local.address,
            port: local.port,
            is_recording: local.recording.is_some(),
            protocol,
            formats: Vec::new(),
            lines: String::new(),
        };
        if let Some(crypto) = crypto {
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

    /// The last lines: direction, RTCP, and the label by which a recording's metadata names the stream.
    fn end(&mut self, direction: Direction, rtcp_mux: bool, label: u8) {
        self.line(format_args!("{}", direction.name()));
        if rtcp_mux {
            self.line(format_args!("rtcp-mux"));
        }
        if self.is_recording {
            self.line(format_args!("label:{label}"));
        }
    }

    fn line(&mut self, attribute: std::fmt::Arguments<'_>) {
        // Writing into a String cannot fail.
        let _ = write!(self.lines, "a={attribute}\r\n");
    }
}

fn description(
    slots: &[Slot],
    first: &Stream,
    second: Option<&Stream>,
    time: (&str, &str),
) -> Vec<u8> {
    let address = first.address;
    let family = family(address);
    let mut out = format!(
        "s=Sidetone media gateway\r\nc=IN {family} {address}\r\nt={} {}\r\n",
        time.0, time.1
    );
    for slot in slots {
        let stream = match slot {
            Slot::Ours => Some(first),
            Slot::Second => second,
            Slot::Refused { kind, protocol, format } => {
                let _ = write!(out, "m={kind} 0 {protocol} {format}\r\n");
                None
            }
        };
        if let Some(Stream { port, protocol, formats, lines, .. }) = stream {
            let formats = formats.join(" ");
            let _ = write!(out, "m=audio {port} {protocol} {formats}\r\n{lines}");
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
