//! The words between signaling and a media core: commands down, events up, frames to the recorder.
//!
//! They travel on bounded single-producer single-consumer rings. A heap value that rides in a
//! command (`Box`, `Arc`) comes home in an event and is dropped on the signaling thread: a media
//! core neither allocates nor frees (ARCHITECTURE.md, I2).

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::Codec;
use crate::ids::{LegId, PlayId, TapId};
use crate::leg::{IntervalQuality, LegPlan, LegQuality};

/// Decoded audio ready to be sent in either codec: 8,000 samples a second, one byte each.
///
/// Both encodings are made from the same linear samples, so no leg hears audio that was
/// coded twice. Invariant: both slices have the same length. The bytes may have an owner that counts
/// them: they count until the last reference is dropped, on the control side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// G.711 mu-law.
    pub mulaw: Bytes,
    /// G.711 A-law.
    pub alaw: Bytes,
}

impl Prompt {
    /// The samples in the given codec.
    pub fn samples(&self, codec: Codec) -> &[u8] {
        match codec {
            Codec::Pcmu => &self.mulaw,
            Codec::Pcma => &self.alaw,
        }
    }

    /// Length in milliseconds, rounded up.
    pub fn duration_ms(&self) -> u64 {
        (self.mulaw.len() as u64).div_ceil(8)
    }
}

/// Which audio of a leg a tap copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapTracks {
    /// What the party says.
    Inbound,
    /// What the party hears.
    Outbound,
    /// Both, in one frame; the recorder mixes or keeps them apart.
    Both,
}

/// When a tap ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TapLimits {
    /// Milliseconds of received silence that end the tap; 0 = never. Missing RTP is not silence
    /// (contract twiml.md 2.5).
    pub silence_ms: u32,
    /// Longest recording in milliseconds; 0 = no limit but the node's.
    pub max_ms: u32,
}

/// What signaling tells a media core. At most 64 bytes (asserted below).
#[derive(Debug)]
pub enum MediaCommand {
    /// Take a leg up: it sends silence (or comfort of the direction) from now on.
    StartLeg {
        /// The leg; its slot must be free.
        leg: LegId,
        /// What is known of the party; comes home in [`MediaEvent::PlanReturned`].
        plan: Box<LegPlan>,
    },
    /// A new offer/answer changed what is known. Sequence numbers and SSRC go on.
    UpdateLeg {
        /// The leg.
        leg: LegId,
        /// The whole new plan; comes home in [`MediaEvent::PlanReturned`].
        plan: Box<LegPlan>,
    },
    /// Take a leg down. Answered by [`MediaEvent::LegStopped`], always.
    StopLeg {
        /// The leg.
        leg: LegId,
        /// Where the core writes the final figures; comes home in the answer.
        quality: Box<LegQuality>,
    },
    /// What `leg` receives goes to `peer`, and `leg` sends what comes from `peer`. Control tells both
    /// cores, each for its own leg; `peer` may be on another core.
    Bridge {
        /// The leg on the core that gets this command.
        leg: LegId,
        /// The other party.
        peer: LegId,
    },
    /// Ends what [`MediaCommand::Bridge`] began, on this leg.
    Unbridge {
        /// The leg.
        leg: LegId,
    },
    /// Play a prompt to the party. A prompt that is playing is ended first (cause `Replaced`).
    Play {
        /// The leg.
        leg: LegId,
        /// Names this playing in its end event.
        play: PlayId,
        /// The audio; comes home in [`MediaEvent::PlayEnded`].
        prompt: Arc<Prompt>,
        /// How often it is played; 0 = until stopped.
        repeat: u32,
    },
    /// Send digits to the party: telephone events (RFC 4733) where it negotiated them, else their tones
    /// (ITU-T Q.23). Ends like a prompt.
    SendDigits {
        /// The leg.
        leg: LegId,
        /// Names this sending in its end event.
        play: PlayId,
        /// `0-9 A-D * #`, `w` = 0.5 s pause, `W` = 1 s pause; comes home in [`MediaEvent::PlayEnded`].
        digits: Arc<str>,
    },
    /// Stop the prompt or the digits that are playing, if any.
    StopPlay {
        /// The leg.
        leg: LegId,
    },
    /// Copy the leg's audio to the recorder ring, 20 ms a frame.
    StartTap {
        /// The leg.
        leg: LegId,
        /// Names the tap in frames and events.
        tap: TapId,
        /// Which audio.
        tracks: TapTracks,
        /// When it ends by itself.
        limits: TapLimits,
    },
    /// Pause or resume a tap: paused time gives no frames.
    PauseTap {
        /// The leg.
        leg: LegId,
        /// The tap.
        tap: TapId,
        /// Whether it is paused from now on.
        paused: bool,
    },
    /// End a tap. Answered by [`MediaEvent::TapEnded`] unless it had ended.
    StopTap {
        /// The leg.
        leg: LegId,
        /// The tap.
        tap: TapId,
    },
}

/// Why a prompt or digits ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayEnd {
    /// Played to its end.
    Finished,
    /// [`MediaCommand::StopPlay`].
    Stopped,
    /// Another prompt took its place.
    Replaced,
    /// The leg went away.
    LegStopped,
}

/// Why a tap ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapEnd {
    /// [`MediaCommand::StopTap`].
    Stopped,
    /// The silence limit.
    Silence,
    /// The length limit.
    MaxLength,
    /// The leg went away.
    LegStopped,
    /// It never began: the core has no room for another tap, or the leg is not there. No frames.
    Refused,
}

/// The heap value of an ended playing, on its way home to be dropped.
#[derive(Debug)]
pub enum PlayedValue {
    /// A prompt.
    Prompt(Arc<Prompt>),
    /// Digits.
    Digits(Arc<str>),
}

/// What a media core tells signaling. At most 64 bytes (asserted below).
#[derive(Debug)]
pub enum MediaEvent {
    /// A plan's box, to be dropped.
    PlanReturned(Box<LegPlan>),
    /// A command named a leg that is not there (ended, or a slot in use), or a core had no room for
    /// it. Heap values come home by their own events (`PlanReturned`, `LegStopped`, `PlayEnded`).
    Refused {
        /// The leg that was named.
        leg: LegId,
    },
    /// The leg is down; its slot and port may be used again.
    LegStopped {
        /// The leg.
        leg: LegId,
        /// Final figures.
        quality: Box<LegQuality>,
    },
    /// The leg is locked to this source: by one valid packet from the address of the SDP, else by
    /// `limits::LATCH_PACKETS` from another that is acceptable. Told again when the lock moves.
    Latched {
        /// The leg.
        leg: LegId,
        /// The source.
        source: SocketAddr,
    },
    /// A key was pressed: told once, at its end or as soon as it is certain (RFC 4733 §2.5.2).
    Digit {
        /// The leg.
        leg: LegId,
        /// One of `0-9 * # A-D`.
        digit: u8,
        /// How long it was held, in milliseconds.
        duration_ms: u16,
    },
    /// A playing ended.
    PlayEnded {
        /// The leg.
        leg: LegId,
        /// Which playing.
        play: PlayId,
        /// Why.
        cause: PlayEnd,
        /// What was played, to be dropped.
        value: PlayedValue,
    },
    /// A tap ended; its last frame is in the recorder ring already.
    TapEnded {
        /// The leg.
        leg: LegId,
        /// The tap.
        tap: TapId,
        /// Why.
        cause: TapEnd,
    },
    /// No valid packet for the plan's media timeout although we expect media.
    MediaTimeout {
        /// The leg.
        leg: LegId,
    },
    /// A leg began to sound bad, or good again; told at most once an interval of our reports.
    QualityChanged {
        /// The leg.
        leg: LegId,
        /// Whether it sounds bad now.
        is_bad: bool,
        /// The interval that says so.
        interval: IntervalQuality,
    },
    /// The peer said goodbye by RTCP (RFC 3550 §6.6); only informative.
    RtcpBye {
        /// The leg.
        leg: LegId,
    },
}

/// 20 ms of a tapped leg, on the ring from a core to the recorder.
#[derive(Clone, Debug)]
pub struct RecorderFrame {
    /// The tap.
    pub tap: TapId,
    /// 20 ms periods since the tap began; a gap means frames were lost on the way to the recorder.
    pub index: u32,
    /// Codec of both tracks.
    pub codec: Codec,
    /// What the party said; `None` when the track is not tapped. No packet: the codec's silence.
    pub inbound: Option<[u8; FRAME_SAMPLES]>,
    /// What the party heard.
    pub outbound: Option<[u8; FRAME_SAMPLES]>,
    /// The tap ends with this frame, which then carries no audio.
    pub last: bool,
}

/// Samples of 20 ms at 8,000 Hz.
pub const FRAME_SAMPLES: usize = 160;

/// A ring slot is one cache line: the rings are copied through, never walked by pointer.
const SLOT_BYTES_MAX: usize = 64;
const _: () = assert!(size_of::<MediaCommand>() <= SLOT_BYTES_MAX);
const _: () = assert!(size_of::<MediaEvent>() <= SLOT_BYTES_MAX);
