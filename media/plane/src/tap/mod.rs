//! Taps: audio from and to a party, cut into 20 ms frames for a sink. Sans-IO.
//!
//! A recording runs 80 ms behind the call, so that packets which overtook each other are in order again. A stream
//! waits for nothing that is there: at each beat it gives every whole frame of the time that has passed, and only a
//! hole holds it up, for 40 ms at most. Lost packets are concealed, then silence ([`track`]). When a tap ends, the frames still behind leave at
//! once: a recording is as long as the tap was up, less the pauses that are skipped. States: `Free` → up → `Ending`
//! (all audio is out, the last frame waits for room in the sink's ring) → `Free`.

mod track;

use shared::limits::RECORDING_S_MAX;
use shared::media::{TapEnd, TapLimits, TapPause, TapTracks};
use shared::{Codec, FRAME_SAMPLES, LegId, RoomId, Sink, TapFrame, TapId};

use crate::g711;

use self::track::{AHEAD_SAMPLES, Track, WINDOW_SAMPLES};

/// One tap. Its buffers are allocated once and reused by later taps.
#[derive(Debug)]
pub(crate) struct Tap {
    pub id: TapId,
    pub owner: TapOwner,
    /// Whose ring takes the frames.
    pub sink: Sink,
    /// The next tap of the same owner.
    pub next: Option<u16>,
    pub state: TapState,
    tracks: TapTracks,
    limits: TapLimits,
    codec: Codec,
    /// 20 ms periods since it began, skipped pauses left out.
    periods: u32,
    /// Frames offered to the sink.
    frames: u32,
    /// Samples of silence received in a row.
    silent_samples: u32,
    /// The party announced that it sends nothing while it is silent.
    comfort_noise: bool,
    /// It is paused and gives silence: time passes, and no audio enters.
    muted: bool,
    inbound: Track,
    outbound: Track,
}

/// Whose audio a tap copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TapOwner {
    Leg(LegId),
    Room(RoomId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TapState {
    Free,
    Running,
    Paused,
    /// All audio is out; the last frame waits for room in the sink's ring.
    Ending {
        cause: TapEnd,
    },
}

/// Outcome of a period's frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TapCounts {
    pub taken: u64,
    pub lost: u64,
}

impl Tap {
    /// Samples of both tracks, which lie outside the struct.
    pub const SAMPLES_BYTES: usize = 2 * WINDOW_SAMPLES;

    pub fn vacant() -> Self {
        Self {
            id: TapId(0),
            owner: TapOwner::Room(RoomId(0)),
            sink: Sink::Recorder,
            next: None,
            state: TapState::Free,
            tracks: TapTracks::Both,
            limits: TapLimits::default(),
            codec: Codec::Pcmu,
            periods: 0,
            frames: 0,
            silent_samples: 0,
            comfort_noise: false,
            muted: false,
            inbound: Track::new(),
            outbound: Track::new(),
        }
    }

    pub fn start(
        &mut self,
        id: TapId,
        owner: TapOwner,
        sink: Sink,
        tracks: TapTracks,
        limits: TapLimits,
        codec: Codec,
    ) {
        self.id = id;
        self.owner = owner;
        self.sink = sink;
        self.state = TapState::Running;
        self.tracks = tracks;
        self.limits = limits;
        self.periods = 0;
        self.frames = 0;
        self.silent_samples = 0;
        self.comfort_noise = false;
        self.muted = false;
        self.set_codec(codec);
    }

    /// The leg's codec changed: audio still in the window was in the old one and becomes silence.
    pub fn set_codec(&mut self, codec: Codec) {
        self.codec = codec;
        let read_position = self.frames.wrapping_mul(FRAME_SAMPLES as u32);
        self.inbound.reset(read_position, codec);
        self.outbound.reset(read_position, codec);
    }

    /// Adds audio that the party sent; `epoch` separates its numbers from those before a restart.
    pub fn hear(&mut self, epoch: u16, timestamp: u32, samples: &[u8]) {
        if !self.takes_audio() {
            return;
        }
        let lead = self.lead_max();
        self.comfort_noise = false;
        let is_silent = g711::mean_magnitude(self.codec, samples) < SILENCE_MAGNITUDE;
        let silent = self.silent_samples.saturating_add(samples.len() as u32);
        self.silent_samples = if is_silent { silent } else { 0 };
        if self.tracks != TapTracks::Outbound {
            self.inbound.write(self.now_position(), lead, epoch, timestamp, samples);
        }
    }

    /// The party announced silence from here on (RFC 3389).
    pub fn hear_comfort_noise(&mut self) {
        self.comfort_noise = true;
        self.inbound.rest();
    }

    /// The party sends something else than audio, or nothing: what is missing from here on is not lost.
    pub fn party_rests(&mut self) {
        self.inbound.rest();
    }

    /// We send something else than audio to the party, or nothing.
    pub fn we_rest(&mut self) {
        self.outbound.rest();
    }

    /// Adds audio that was sent to the party.
    pub fn say(&mut self, timestamp: u32, samples: &[u8]) {
        if self.takes_audio() && self.tracks != TapTracks::Inbound {
            self.outbound.write(self.now_position(), self.lead_max(), 0, timestamp, samples);
        }
    }

    /// Pauses, resumes, or changes the manner of the pause.
    pub fn pause(&mut self, pause: Option<TapPause>) {
        if !matches!(self.state, TapState::Running | TapState::Paused) {
            return;
        }
        if pause.is_some() {
            self.party_rests();
            self.we_rest();
        }
        self.muted = pause == Some(TapPause::Silence);
        let skips = pause == Some(TapPause::Skip);
        if self.state == TapState::Paused && !skips {
            // The time of the pause is not in the tap: what follows is placed at now.
            self.inbound.forget_anchor();
            self.outbound.forget_anchor();
        }
        self.state = if skips { TapState::Paused } else { TapState::Running };
    }

    fn takes_audio(&self) -> bool {
        self.state == TapState::Running && !self.muted
    }

    /// Lets 20 ms pass: delivers the frame that is due, and answers whether a limit is reached.
    pub fn period(
        &mut self,
        deliver: &mut impl FnMut(TapFrame) -> bool,
    ) -> (TapCounts, Option<TapEnd>) {
        let mut counts = TapCounts::default();
        if self.state != TapState::Running {
            return (counts, None);
        }
        self.periods += 1;
        if self.comfort_noise && !self.muted {
            self.silent_samples = self.silent_samples.saturating_add(FRAME_SAMPLES as u32);
        }
        match self.sink {
            Sink::Recorder if self.periods > LAG_PERIODS => self.hand_out(&mut counts, deliver),
            Sink::Recorder => {}
            Sink::Stream | Sink::Recognition => {
                while self.frames < self.periods && self.may_hand_out() {
                    self.hand_out(&mut counts, deliver);
                }
            }
        }
        (counts, self.limit_reached())
    }

    /// The core stalled: these periods are a gap in the recording, visible in the frames' index.
    pub fn skip(&mut self, periods: u32) -> u64 {
        if self.state != TapState::Running {
            return 0;
        }
        self.periods = self.periods.saturating_add(periods);
        self.frames = self.frames.saturating_add(periods);
        self.set_codec(self.codec);
        u64::from(periods)
    }

    /// Delivers the frames that are still behind; then only the last frame is missing.
    pub fn finish(
        &mut self,
        cause: TapEnd,
        deliver: &mut impl FnMut(TapFrame) -> bool,
    ) -> TapCounts {
        let mut counts = TapCounts::default();
        // What has not come by now is not lost.
        self.party_rests();
        self.we_rest();
        while self.frames < self.periods {
            self.hand_out(&mut counts, deliver);
        }
        self.state = TapState::Ending { cause };
        counts
    }

    /// The frame that ends the recording.
    pub fn last_frame(&self) -> TapFrame {
        TapFrame {
            tap: self.id,
            index: self.frames,
            codec: self.codec,
            inbound: None,
            outbound: None,
            feed_passed: 0,
            last: true,
        }
    }

    /// Whether the next frame of a stream is whole, or has been waited for long enough.
    fn may_hand_out(&self) -> bool {
        let inbound = self.tracks == TapTracks::Outbound || self.inbound.has_frame();
        let outbound = self.tracks == TapTracks::Inbound || self.outbound.has_frame();
        (inbound && outbound) || self.periods - self.frames > HOLD_PERIODS
    }

    fn hand_out(&mut self, counts: &mut TapCounts, deliver: &mut impl FnMut(TapFrame) -> bool) {
        let inbound = self.inbound.read(self.codec);
        let outbound = self.outbound.read(self.codec);
        let frame = TapFrame {
            tap: self.id,
            index: self.frames,
            codec: self.codec,
            inbound: (self.tracks != TapTracks::Outbound).then_some(inbound),
            outbound: (self.tracks != TapTracks::Inbound).then_some(outbound),
            feed_passed: 0,
            last: false,
        };
        self.frames += 1;
        if deliver(frame) {
            counts.taken += 1;
        } else {
            counts.lost += 1;
        }
    }

    fn limit_reached(&self) -> Option<TapEnd> {
        let recorded_ms = self.periods.saturating_mul(PERIOD_MS);
        let longest_ms = match self.sink {
            Sink::Recorder => RECORDING_S_MAX * 1_000,
            // Streams and recognitions leave nothing behind that grows.
            Sink::Stream | Sink::Recognition => u32::MAX,
        };
        let max_ms = match self.limits.max_ms {
            0 => longest_ms,
            limit => limit.min(longest_ms),
        };
        if recorded_ms >= max_ms {
            return Some(TapEnd::MaxLength);
        }
        let silent_ms = self.silent_samples / crate::clock::SAMPLES_A_MS;
        (self.limits.silence_ms != 0 && silent_ms >= self.limits.silence_ms)
            .then_some(TapEnd::Silence)
    }

    /// Samples from the read position that a packet may end at. A stream keeps it short: what a sender with a fast clock
    /// is ahead would be delay in every frame.
    fn lead_max(&self) -> usize {
        let behind = (self.periods - self.frames) as usize * FRAME_SAMPLES;
        match self.sink {
            Sink::Recorder => AHEAD_SAMPLES,
            Sink::Stream | Sink::Recognition => (behind + LEAD_SAMPLES).min(AHEAD_SAMPLES),
        }
    }

    /// Where a packet that arrives now lies, in samples since the tap began.
    fn now_position(&self) -> u32 {
        self.periods.wrapping_mul(FRAME_SAMPLES as u32)
    }
}

/// 80 ms: twice what two packets that overtook each other are apart.
const LAG_PERIODS: u32 = 4;
/// 40 ms: how long a stream waits for a packet that is missing.
const HOLD_PERIODS: u32 = 2;
/// 60 ms of a stream ahead of now: one packet of 60 ms, or three of a sender that bursts.
const LEAD_SAMPLES: usize = 3 * FRAME_SAMPLES;
const PERIOD_MS: u32 = 20;
/// The lag, and what a sender may run ahead.
const _: () = assert!(AHEAD_SAMPLES > (LAG_PERIODS as usize + 4) * FRAME_SAMPLES);
/// About -42 dBFS: quieter audio counts as silence.
const SILENCE_MAGNITUDE: u32 = 256;

#[cfg(test)]
mod tests;
