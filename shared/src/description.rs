//! What a leg is doing now, for the operator: the answer to [`crate::MediaCommand::Describe`]. Pure.

use std::net::SocketAddr;

use crate::codec::Codec;
use crate::ids::LegId;

/// A leg at one moment. Counts are RTP packets since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegDescription {
    /// Where the packets of its party are relayed.
    pub tier: Tier,
    /// Codec of both directions.
    pub codec: Codec,
    /// Destination of its packets; `None` while the SDP names no address.
    pub remote: Option<SocketAddr>,
    /// The leg that it is joined to, if there is one.
    pub joined: Option<LegId>,
    /// Packets received from the party, in both tiers.
    pub received: u64,
    /// Of those: relayed by the kernel.
    pub received_in_kernel: u64,
    /// Packets sent to the party, in both tiers.
    pub sent: u64,
    /// Of those: relayed by the kernel.
    pub sent_in_kernel: u64,
    /// Packets of the party that never arrived, by sequence number.
    pub lost: u64,
    /// Interarrival jitter, in RTP timestamp units (RFC 3550 §6.4.1).
    pub jitter_rtp_units: u32,
}

/// A network interface that carries media, and the hook at which the kernel relays what comes in by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaInterface {
    /// Its name.
    pub name: String,
    /// The hook as one word: `tc`, `xdp` or `xdp-generic`.
    pub hook: &'static str,
    /// Why it has not the XDP hook that the settings ask for; `None` where it has, and where they do not.
    pub why_not_xdp: Option<String>,
}

/// Where the packets of a leg's party are relayed. The two directions of a bridge may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Inside the kernel.
    Kernel,
    /// By the media core, for this reason.
    UserSpace(NotInKernel),
}

/// Reasons that the kernel does not relay the packets of a leg's party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotInKernel {
    /// The core has no tier in the kernel: `media.fast_path`, or this host, excludes it.
    NoTier,
    /// The core has to relay for the leg itself.
    NotRelayable(NotRelayable),
    /// The kernel did not take the leg.
    NotTaken,
    /// Nothing prevents it: the next look of the core gives the leg to the kernel.
    NotYet,
}

/// Reasons that no tier may relay for a leg now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRelayable {
    /// The leg is not up on this core.
    NoLeg,
    /// It is joined to nobody, or the other leg is not joined back.
    NotJoined,
    /// The other leg is on another core, whose numbers are not ours to give away. Control places a dialed party beside
    /// its caller, so this is a bridge by transfer between two calls, or one that began while the caller's core was full.
    OtherCore,
    /// It is a member of a room: its audio is mixed.
    InRoom,
    /// One of the two legs is linked with a third leg here: the packets come from, or go to, one of our own sockets.
    Linked,
    /// The latch has not decided for a source.
    NotLatched,
    /// The direction does not let the party send, or does not let us send to the other party.
    Held,
    /// The other party has no address.
    NoDestination,
    /// SRTP on one side or both.
    Secured,
    /// Its audio is recorded.
    Tapped,
    /// Its audio decides what answered the call.
    Detecting,
    /// Digits are detected in its audio.
    DigitsInAudio,
    /// A prompt, digits, tones or a feed play to the other party.
    Playing,
    /// The party's newest packet was not relayed: another feed had the stream, or the packet was consumed. The
    /// offsets follow from the next one.
    NotBegun,
}

impl NotInKernel {
    /// The reason as one word, for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoTier => "no_tier",
            Self::NotRelayable(reason) => reason.word(),
            Self::NotTaken => "not_taken",
            Self::NotYet => "not_yet",
        }
    }

    /// The reason as a sentence, for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NoTier => "the fast path is off",
            Self::NotRelayable(reason) => reason.sentence(),
            Self::NotTaken => "the kernel did not take it",
            Self::NotYet => "the kernel gets it within 100 ms",
        }
    }
}

impl NotRelayable {
    /// The reason as one word, for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoLeg => "no_leg",
            Self::NotJoined => "not_joined",
            Self::OtherCore => "other_core",
            Self::InRoom => "in_room",
            Self::Linked => "linked",
            Self::NotLatched => "not_latched",
            Self::Held => "held",
            Self::NoDestination => "no_destination",
            Self::Secured => "secured",
            Self::Tapped => "tapped",
            Self::Detecting => "detecting",
            Self::DigitsInAudio => "digits_in_audio",
            Self::Playing => "playing",
            Self::NotBegun => "not_begun",
        }
    }

    /// The reason as a sentence, for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NoLeg => "the leg is not up",
            Self::NotJoined => "it is not bridged with another leg",
            Self::OtherCore => "the other leg is on another core",
            Self::InRoom => "it is in a room, where audio is mixed",
            Self::Linked => "a party of the bridge is another call of this gateway",
            Self::NotLatched => "its source is not certain yet",
            Self::Held => "the call is on hold",
            Self::NoDestination => "the other party has no media address",
            Self::Secured => "SRTP on one side or both",
            Self::Tapped => "its audio is recorded or streamed",
            Self::Detecting => "its audio decides what answered the call",
            Self::DigitsInAudio => "digits are detected in its audio",
            Self::Playing => "a prompt or digits play to the other party",
            Self::NotBegun => "no packet of its party was relayed yet",
        }
    }
}

impl Tier {
    /// The tier as one word, for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::UserSpace(_) => "user_space",
        }
    }

    /// Why it is not the kernel; `None` where it is.
    pub const fn why_not_kernel(self) -> Option<NotInKernel> {
        match self {
            Self::Kernel => None,
            Self::UserSpace(reason) => Some(reason),
        }
    }
}
