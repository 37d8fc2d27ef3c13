//! The media of one call on its core, and the recordings of it.

use std::net::IpAddr;

use call::RecordingPlan;
use shared::ids::TapId;
use shared::{CallSid, Codec, Direction, LatchMode, LegPlan};
use sip::offer_answer::{LocalMedia, MediaSecurity, MediaTargets};
use store::RecordingStatus;

use crate::placement::Place;

/// The call's media on its core: taken (`plan` is `None`), up, stopping. The leg is forgotten when the
/// core says that it stopped, or at once where it was never started.
#[derive(Debug)]
pub(crate) struct Leg {
    pub place: Place,
    /// The plan that the core has; `None` before the leg was started.
    pub plan: Option<LegPlan>,
    /// `StopLeg` was sent, and the core has not confirmed it yet.
    pub stopping: bool,
    /// The call it is bridged with.
    pub peer: Option<CallSid>,
    /// How its digits come; `None` until the first digit after each negotiation.
    pub digits_by: Option<DigitsBy>,
    /// Local address that SDP shows.
    pub address: IpAddr,
    /// Lines about its quality in the timeline so far.
    pub quality_notes: u8,
    /// Whether its media is protected, and our key for it: one for the life of the leg.
    pub security: MediaSecurity,
    /// The latch of its SIP domain; `None`: the domain has none of its own.
    pub latch: Option<LatchMode>,
}

/// How a call's digits come. The first way that brings one is the only one until media are negotiated
/// anew: a phone that sends each key both ways counts once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DigitsBy {
    /// Telephone events (RFC 4733) or tones.
    Media,
    /// By SIP INFO.
    Info,
}

/// A recording of the call's leg.
#[derive(Debug)]
pub(crate) struct Recording {
    pub tap: TapId,
    pub plan: RecordingPlan,
    /// As REST shows it until its file is settled.
    pub status: RecordingStatus,
    /// Milliseconds since 1970 at its begin.
    pub start_ms: i64,
    /// Milliseconds since 1970 at the last change of its status.
    pub updated_ms: i64,
}

impl Recording {
    /// Whether it takes audio, or will once it is resumed.
    pub const fn is_running(&self) -> bool {
        matches!(self.status, RecordingStatus::InProgress | RecordingStatus::Paused)
    }
}

impl Leg {
    /// A place that no core knows of yet.
    pub const fn new(place: Place, address: IpAddr, security: MediaSecurity) -> Self {
        Self {
            place,
            plan: None,
            stopping: false,
            peer: None,
            digits_by: None,
            address,
            quality_notes: 0,
            security,
            latch: None,
        }
    }

    /// Whether the core has the leg and it takes commands.
    pub const fn is_up(&self) -> bool {
        self.plan.is_some() && !self.stopping
    }

    /// Our side of the media: its port on the address that its peer can reach, and where that peer may
    /// have its own.
    pub fn local_media(&self, targets: MediaTargets) -> LocalMedia {
        LocalMedia {
            address: self.address,
            port: self.place.port.rtp,
            direction: Direction::SendRecv,
            codecs: [Codec::Pcmu, Codec::Pcma].into_iter().collect(),
            security: self.security,
            targets,
            recording: None,
        }
    }
}
