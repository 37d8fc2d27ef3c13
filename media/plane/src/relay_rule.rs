//! What to do with the packets of one leg, as a value: for a tier below this machine that relays on its own.
//! Sans-IO.
//!
//! Once a call is bridged and locked, nearly every packet of it is mapped by constants. A tier that is nearer
//! to the wire (a program in the kernel) can apply them for less. It takes what the rule describes; all else
//! goes up to [`crate::Plane::receive`], as if there were no tier:
//!
//! ```text
//!  here --(a beat: `relay_rule` is Ok, and `Output::give` takes it)--> below
//!  here <--(a command, a packet that went up, silence: `Output::take_back`)-- below
//! ```
//!
//! Goes up: another source that the latch may move to, another SSRC or payload type (telephone events, comfort
//! noise), RTCP, STUN, a header that is not the plain 12 bytes, an empty payload, a number that is not above the
//! highest or so far above that RFC 3550 A.1 takes it for a restart, a timestamp further than
//! `limits::TIMESTAMP_JUMP_MAX` from both the last one and the clock. A tier so relays packets in order only, and
//! the number of a packet that it sends follows from the rule: it cannot send one twice, nor one that
//! another feed has used (I8). A late packet takes the longer way.
//!
//! The plane stays the owner of all figures. The tier counts; [`crate::Plane::absorb_relayed`] adds, before
//! the next input that could change the rule, before a report, and twice a second. Between, the plane asks the tier
//! for the arrival of its last packet alone, so that the beat does not take the party for silent.
//! DSCP is not in the rule: it is a setting of the sockets, one for all legs.

use std::net::SocketAddr;

use shared::{Codec, Instant, MediaPort};

/// How to relay the audio of one party to the leg that it is joined to. Codecs are those of G.711: whatever a
/// leg negotiates can be converted by one table look-up a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayRule {
    /// Our port that the party sends to.
    pub port: MediaPort,
    /// The source that the leg is locked to.
    pub source: SocketAddr,
    /// Whether packets of another source go up, because the latch may move to it. Else they are dropped.
    pub others_go_up: bool,
    /// SSRC of the party's stream.
    pub ssrc: u32,
    /// Payload type of its audio, as we receive it.
    pub payload_type: u8,
    /// Codec of its audio.
    pub codec: Codec,
    /// Our port that the packet leaves by.
    pub out_port: MediaPort,
    /// Address of the other party.
    pub out_destination: SocketAddr,
    /// Our SSRC towards it.
    pub out_ssrc: u32,
    /// Payload type of the audio that we send.
    pub out_payload_type: u8,
    /// Codec of the audio that we send.
    pub out_codec: Codec,
    /// Added to each sequence number, wrapping.
    pub delta_sequence: u16,
    /// Added to each timestamp, wrapping.
    pub delta_timestamp: u32,
    /// State of the stream, from which the tier continues.
    pub stream: RelayStream,
}

/// State of a relayed stream. The only part of a rule that changes with each packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayStream {
    /// Next sequence number to send: what `highest` and one more is mapped to. The low 16 bits are those on the wire;
    /// the high ones only keep it above 0.
    pub next: u32,
    /// Highest extended sequence number received.
    pub highest: u32,
    /// RTP timestamp of the last packet received.
    pub timestamp: u32,
    /// Its arrival in samples (1/8,000 s of [`Instant`]) minus its timestamp, wrapping (RFC 3550 A.8).
    pub transit: u32,
    /// Interarrival jitter times 16, in RTP timestamp units.
    pub jitter_16: u32,
}

/// Figures of a tier about one leg, since they were absorbed last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayedCounts {
    /// Packets relayed.
    pub packets: u32,
    /// Bytes of their payloads.
    pub octets: u32,
    /// Runs of sequence numbers that were passed over.
    pub gaps: u32,
    /// Highest extended sequence number received; from it and `packets` follows the loss (RFC 3550 A.3).
    pub highest: u32,
    /// RTP timestamp, transit and jitter of the last packet, as in [`RelayStream`].
    pub timestamp: u32,
    /// See [`RelayStream::transit`].
    pub transit: u32,
    /// See [`RelayStream::jitter_16`].
    pub jitter_16: u32,
    /// Arrival of the last packet.
    pub last_arrival: Instant,
    /// Packets of another source that were dropped.
    pub strangers: u32,
    /// Datagrams dropped because their lengths contradict each other.
    pub malformed: u32,
    /// Of `packets`: those that a driver relayed.
    pub by_driver: u32,
}
