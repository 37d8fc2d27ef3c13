//! The words between signaling and a media core: commands down, events up.
//!
//! They travel on bounded single-producer single-consumer rings. A heap value in a command (`Box`,
//! `Arc`) returns in an event and is dropped on the signaling thread: a media core neither allocates nor
//! frees (ARCHITECTURE.md, I2).

use std::net::SocketAddr;
use std::sync::Arc;

use crate::codec::Codec;
use crate::description::LegDescription;
use crate::detection::{AnsweredBy, Detection};
use crate::feed::FeedEnd;
use crate::ids::{CoreId, FeedId, LegId, PlayId, RoomId, TapId};
use crate::leg::{IntervalQuality, LegPlan, LegQuality};
pub use crate::playback::{
    CommandRefusal, PlayEnd, PlayedValue, Prompt, TapEnd, TapLimits, TapPause, TapTracks,
};
use crate::room::{Member, RoomCommand, RoomEvent};
use crate::sink::Sink;

/// The other end of a leg: who hears its party, and whom its party hears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Joined {
    /// Nobody: the party hears prompts, digits and silence.
    #[default]
    Nobody,
    /// The party of this leg, which may be on another core. Both legs must be joined to each other; packets
    /// flow from the moment that the second one is. A leg joined to itself is an echo.
    Party(LegId),
    /// A room, which is open on the core of the leg ([`crate::room`]). The leg is a silent member that hears
    /// nothing until [`MediaCommand::SetMember`].
    Room(RoomId),
}

impl Joined {
    /// The leg at the other end, if there is exactly one.
    pub const fn party(self) -> Option<LegId> {
        match self {
            Self::Party(leg) => Some(leg),
            Self::Nobody | Self::Room(_) => None,
        }
    }
}

/// A command from signaling to a media core. At most 64 bytes (asserted below).
///
/// `leg` is a leg of the core that receives the command, `tap` one of its taps and `feed` its feed, by the names that
/// Control chose. A command for a leg that does not exist is answered by [`MediaEvent::Refused`].
#[derive(Debug)]
#[expect(missing_docs, reason = "`leg`, `tap`, `feed` and `room` mean the same in every variant")]
pub enum MediaCommand {
    /// Start a leg: it sends silence from now on, where its direction lets it send.
    StartLeg {
        /// The leg; its slot must be free.
        leg: LegId,
        /// Port, media and peer of the leg; returns in [`MediaEvent::PlanReturned`].
        plan: Box<LegPlan>,
    },
    /// Apply the outcome of a new offer/answer. Sequence numbers and SSRC continue.
    UpdateLeg {
        leg: LegId,
        /// The whole new plan; returns in [`MediaEvent::PlanReturned`].
        plan: Box<LegPlan>,
    },
    /// Stop a leg. Always answered by [`MediaEvent::LegStopped`].
    StopLeg {
        leg: LegId,
        /// Box that the core writes the final figures to; returns in the answer.
        quality: Box<LegQuality>,
    },
    /// Join a leg to its other end, in place of the one before. To bridge two legs, Control sends this command
    /// twice, once to the core of each leg.
    Join {
        leg: LegId,
        /// The other end from now on.
        joined: Joined,
    },
    /// Play a prompt to the party. It replaces a playing prompt (cause `Replaced`).
    Play {
        leg: LegId,
        /// Names this playing in its end event.
        play: PlayId,
        /// The audio; returns in [`MediaEvent::PlayEnded`].
        prompt: Arc<Prompt>,
        /// Number of rounds; 0 = until stopped.
        repeat: u32,
    },
    /// Send digits to the party: telephone events (RFC 4733) where it negotiated them, else their tones
    /// (ITU-T Q.23). Ends like a prompt.
    SendDigits {
        leg: LegId,
        /// Names this sending in its end event.
        play: PlayId,
        /// `0-9 A-D * #`, `w` = 0.5 s pause, `W` = 1 s pause; returns in [`MediaEvent::PlayEnded`].
        digits: Arc<str>,
    },
    /// Stop the prompt or the digits that are playing, if any.
    StopPlay { leg: LegId },
    /// Copy the leg's audio to the ring of a sink, 20 ms a frame.
    StartTap {
        leg: LegId,
        /// Names the tap in frames and events.
        tap: TapId,
        /// Reader of the frames.
        sink: Sink,
        /// Audio to copy.
        tracks: TapTracks,
        /// Conditions that end it without a command.
        limits: TapLimits,
    },
    /// Pause or resume a tap.
    PauseTap {
        leg: LegId,
        tap: TapId,
        /// What the sink gets from now on; `None` resumes the tap.
        pause: Option<TapPause>,
    },
    /// End a tap. Answered by [`MediaEvent::TapEnded`] unless it had ended.
    StopTap { leg: LegId, tap: TapId },
    /// Send the audio of a feed to the party, and silence while it has none. Nothing is relayed to the party
    /// meanwhile; prompts and digits are played over the feed. It replaces an open feed (cause `Replaced`).
    StartFeed {
        leg: LegId,
        /// Names the feed in items and events.
        feed: FeedId,
        /// Codec of its frames, whichever codec the party has.
        codec: Codec,
    },
    /// End a feed; audio that waits is dropped. Answered by [`MediaEvent::FeedEnded`] unless it had ended.
    StopFeed { leg: LegId, feed: FeedId },
    /// Set what the leg, a member of a room, says and hears.
    SetMember {
        leg: LegId,
        /// The whole of it, from the next tick on.
        member: Member,
    },
    /// A command about a room.
    Room {
        /// The core that receives it.
        core: CoreId,
        /// The room; Control never uses a number twice.
        room: RoomId,
        /// What to do.
        command: RoomCommand,
    },
    /// Find out what answered: a human, a machine, a fax. Answered by [`MediaEvent::Detected`], unless the leg ends first.
    /// It replaces a detection that runs.
    StartDetection {
        leg: LegId,
        /// Its terms.
        detection: Detection,
    },
    /// End a detection without a result, if one runs.
    StopDetection { leg: LegId },
    /// Describe the leg. Changes nothing of it. Always answered by [`MediaEvent::Described`].
    Describe {
        leg: LegId,
        /// Box that the core writes the description to; returns in the answer.
        description: Box<Option<LegDescription>>,
    },
}

impl MediaCommand {
    /// The core to send the command to.
    pub const fn core(&self) -> CoreId {
        match self.target() {
            Ok(leg) => leg.core,
            Err(core) => core,
        }
    }

    /// The leg that the command names; `None` where it is about a room.
    pub fn leg(&self) -> Option<LegId> {
        self.target().ok()
    }

    /// The leg, or the core of a command about a room.
    const fn target(&self) -> Result<LegId, CoreId> {
        match self {
            Self::Room { core, .. } => Err(*core),
            Self::StartLeg { leg, .. }
            | Self::UpdateLeg { leg, .. }
            | Self::StopLeg { leg, .. }
            | Self::Join { leg, .. }
            | Self::Play { leg, .. }
            | Self::SendDigits { leg, .. }
            | Self::StopPlay { leg }
            | Self::StartTap { leg, .. }
            | Self::PauseTap { leg, .. }
            | Self::StopTap { leg, .. }
            | Self::StartFeed { leg, .. }
            | Self::StopFeed { leg, .. }
            | Self::SetMember { leg, .. }
            | Self::StartDetection { leg, .. }
            | Self::StopDetection { leg }
            | Self::Describe { leg, .. } => Ok(*leg),
        }
    }
}

/// An event from a media core to signaling. At most 64 bytes (asserted below).
///
/// `leg` is the leg that the event is about, `tap` one of its taps, `feed` its feed, `cause` the reason for an end.
#[derive(Debug)]
#[expect(
    missing_docs,
    reason = "`leg`, `tap`, `feed`, `room` and `cause` mean the same in every variant"
)]
pub enum MediaEvent {
    /// The box of a plan, to be dropped.
    PlanReturned(Box<LegPlan>),
    /// A command was refused. Heap values return in their own events (`PlanReturned`, `LegStopped`, `PlayEnded`).
    Refused {
        /// The leg that the command named.
        leg: LegId,
        /// The rule that the command broke.
        reason: CommandRefusal,
    },
    /// The leg is down; its slot and port may be used again.
    LegStopped {
        leg: LegId,
        /// The box of the command, with the leg's final figures.
        quality: Box<LegQuality>,
    },
    /// The leg is locked to this source: by one valid packet from the address of the SDP, else by
    /// `limits::LATCH_PACKETS` from another acceptable source. Sent again when the lock moves.
    Latched {
        leg: LegId,
        /// Source address of the leg's packets from now on.
        source: SocketAddr,
    },
    /// A key press, reported once: at its end, or as soon as it is certain (RFC 4733 §2.5.2).
    Digit {
        leg: LegId,
        /// One of `0-9 * # A-D`.
        digit: u8,
        /// Time from press to release, in milliseconds.
        duration_ms: u16,
    },
    /// A prompt or a digit string ended.
    PlayEnded {
        leg: LegId,
        /// The name that the command gave it.
        play: PlayId,
        cause: PlayEnd,
        /// Its heap value, to be dropped.
        value: PlayedValue,
    },
    /// A tap ended; its last frame is in the ring of its sink already.
    TapEnded { leg: LegId, tap: TapId, cause: TapEnd },
    /// A feed ended; its items are dropped from now on.
    FeedEnded { leg: LegId, feed: FeedId, cause: FeedEnd },
    /// A member of a room began to speak, or stopped. Sent only for members whose voice somebody hears.
    Talking {
        leg: LegId,
        /// Whether it speaks now.
        is_talking: bool,
    },
    /// What answered, or that nothing decided it.
    Detected {
        leg: LegId,
        /// The result.
        answered_by: AnsweredBy,
        /// Milliseconds from the begin of the detection.
        after_ms: u32,
    },
    /// An event about a room.
    Room {
        /// The core that reports it.
        core: CoreId,
        room: RoomId,
        /// What happened.
        event: RoomEvent,
    },
    /// No valid packet arrived for the plan's media timeout, although the direction lets the party send.
    MediaTimeout { leg: LegId },
    /// The party's audio became bad, or good again; at most once between two of our RTCP reports.
    QualityChanged {
        leg: LegId,
        /// Whether it is bad now.
        is_bad: bool,
        /// Figures of the interval that decided it.
        interval: IntervalQuality,
    },
    /// The peer sent an RTCP BYE (RFC 3550 §6.6); informative only.
    RtcpBye { leg: LegId },
    /// A description of the leg.
    Described {
        leg: LegId,
        /// The box of the command; `None` where the leg is not up.
        description: Box<Option<LegDescription>>,
    },
}

/// A ring slot is one cache line: values are copied through the rings, never reached by pointer.
const SLOT_BYTES_MAX: usize = 64;
const _: () = assert!(size_of::<MediaCommand>() <= SLOT_BYTES_MAX);
const _: () = assert!(size_of::<MediaEvent>() <= SLOT_BYTES_MAX);
