//! Taps: audio from and to a party, cut into 20 ms frames for a sink. Sans-IO.
//!
//! A recording runs 80 ms behind the call, so that packets which overtook each other are in order again. A stream
//! waits for nothing that is there: at each beat it gives every whole frame of the time that has passed, and only a
//! hole holds it up, for 40 ms at most. Lost packets are silence. When a tap ends, the frames still behind leave at
//! once: a recording is as long as the tap was up, less the pauses that are skipped. States: `Free` → up → `Ending`
//! (all audio is out, the last frame waits for room in the sink's ring) → `Free`.

use shared::limits::RECORDING_S_MAX;
use shared::media::{TapEnd, TapLimits, TapPause, TapTracks};
use shared::{Codec, FRAME_SAMPLES, LegId, RoomId, Sink, TapFrame, TapId};

use crate::g711;

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
        self.muted = pause == Some(TapPause::Silence);
        let skips = pause == Some(TapPause::Skip);
        if self.state == TapState::Paused && !skips {
            // The time of the pause is not in the tap: what follows is placed at now.
            self.inbound.anchored_to = None;
            self.outbound.anchored_to = None;
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
        let inbound = self.inbound.read();
        let outbound = self.outbound.read();
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
            Sink::Recorder => WINDOW_SAMPLES,
            Sink::Stream | Sink::Recognition => (behind + LEAD_SAMPLES).min(WINDOW_SAMPLES),
        }
    }

    /// Where a packet that arrives now lies, in samples since the tap began.
    fn now_position(&self) -> u32 {
        self.periods.wrapping_mul(FRAME_SAMPLES as u32)
    }
}

/// A window of samples by position; what was not written is silence.
#[derive(Debug)]
struct Track {
    samples: Box<[u8; WINDOW_SAMPLES]>,
    /// One bit for each millisecond of the window that was written and not read.
    written: [u64; WINDOW_SAMPLES / SAMPLES_A_MS / 64],
    silence: u8,
    read_position: u32,
    /// Position of a timestamp: the difference, and the epoch for which it holds.
    delta: u32,
    anchored_to: Option<u16>,
    /// Packets in a row that came too late.
    late: u8,
}

impl Track {
    fn new() -> Self {
        Self {
            samples: Box::new([0xFF; WINDOW_SAMPLES]),
            written: [0; WINDOW_SAMPLES / SAMPLES_A_MS / 64],
            silence: 0xFF,
            read_position: 0,
            delta: 0,
            anchored_to: None,
            late: 0,
        }
    }

    fn reset(&mut self, read_position: u32, codec: Codec) {
        self.silence = codec.silence();
        self.samples.fill(self.silence);
        self.written.fill(0);
        self.read_position = read_position;
        self.anchored_to = None;
        self.late = 0;
    }

    fn write(
        &mut self,
        now_position: u32,
        lead_max: usize,
        epoch: u16,
        timestamp: u32,
        samples: &[u8],
    ) {
        if self.anchored_to != Some(epoch) {
            self.anchor(now_position, epoch, timestamp);
        }
        if self.is_ahead(timestamp, samples.len(), lead_max) {
            // The peer's clock is faster than ours, or it skipped time: restart at now.
            self.anchor(now_position, epoch, timestamp);
        }
        let offset = self.offset(timestamp);
        if offset + samples.len() as i64 <= 0 {
            self.late += 1;
            if self.late < LATE_MAX {
                return;
            }
            self.anchor(now_position, epoch, timestamp);
        }
        self.late = 0;
        self.copy(self.offset(timestamp), samples);
    }

    fn read(&mut self) -> [u8; FRAME_SAMPLES] {
        let start = self.read_position as usize % WINDOW_SAMPLES;
        let mut frame = [self.silence; FRAME_SAMPLES];
        for (index, sample) in frame.iter_mut().enumerate() {
            let place = &mut self.samples[(start + index) % WINDOW_SAMPLES];
            *sample = std::mem::replace(place, self.silence);
        }
        for at in (0..FRAME_SAMPLES).step_by(SAMPLES_A_MS) {
            self.mark(start + at, false);
        }
        self.read_position = self.read_position.wrapping_add(FRAME_SAMPLES as u32);
        frame
    }

    fn anchor(&mut self, now_position: u32, epoch: u16, timestamp: u32) {
        self.delta = now_position.wrapping_sub(timestamp);
        self.anchored_to = Some(epoch);
        self.late = 0;
    }

    /// Samples from the read position to the packet's first; negative when that has been read.
    fn offset(&self, timestamp: u32) -> i64 {
        let position = timestamp.wrapping_add(self.delta);
        i64::from(position.wrapping_sub(self.read_position) as i32)
    }

    fn is_ahead(&self, timestamp: u32, len: usize, lead_max: usize) -> bool {
        self.offset(timestamp) + len as i64 > lead_max.max(len) as i64
    }

    /// Whether the next 20 ms are all there.
    fn has_frame(&self) -> bool {
        let first = self.read_position as usize % WINDOW_SAMPLES / SAMPLES_A_MS;
        (first..first + FRAME_SAMPLES / SAMPLES_A_MS).all(|ms| {
            let ms = ms % (WINDOW_SAMPLES / SAMPLES_A_MS);
            self.written[ms / 64] >> (ms % 64) & 1 == 1
        })
    }

    fn mark(&mut self, place: usize, is_written: bool) {
        let ms = place % WINDOW_SAMPLES / SAMPLES_A_MS;
        let bit = 1 << (ms % 64);
        match is_written {
            true => self.written[ms / 64] |= bit,
            false => self.written[ms / 64] &= !bit,
        }
    }

    /// Writes what lies inside the window.
    fn copy(&mut self, offset: i64, samples: &[u8]) {
        let start = self.read_position as usize;
        for (index, sample) in samples.iter().enumerate() {
            let place = offset + index as i64;
            if (0..WINDOW_SAMPLES as i64).contains(&place) {
                let place = start + place as usize;
                self.samples[place % WINDOW_SAMPLES] = *sample;
                if place.is_multiple_of(SAMPLES_A_MS) {
                    self.mark(place, true);
                }
            }
        }
    }
}

/// 80 ms: twice what two packets that overtook each other are apart.
const LAG_PERIODS: u32 = 4;
/// 40 ms: how long a stream waits for a packet that is missing.
const HOLD_PERIODS: u32 = 2;
/// 60 ms of a stream ahead of now: one packet of 60 ms, or three of a sender that bursts.
const LEAD_SAMPLES: usize = 3 * FRAME_SAMPLES;
const SAMPLES_A_MS: usize = crate::clock::SAMPLES_A_MS as usize;
const PERIOD_MS: u32 = 20;
/// 256 ms: the lag and what a sender may run ahead. A power of two, so that positions may wrap.
const WINDOW_SAMPLES: usize = 2_048;
const _: () = assert!(WINDOW_SAMPLES.is_power_of_two());
const _: () = assert!(FRAME_SAMPLES.is_multiple_of(SAMPLES_A_MS));
const _: () = assert!(WINDOW_SAMPLES > (LAG_PERIODS as usize + 4) * FRAME_SAMPLES);
/// Consecutive late packets that mean that the peer's clock is slower than ours.
const LATE_MAX: u8 = 3;
/// About -42 dBFS: quieter audio counts as silence.
const SILENCE_MAGNITUDE: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const LEG: TapOwner = TapOwner::Leg(LegId { core: shared::CoreId(0), slot: 0, generation: 0 });

    fn tap(tracks: TapTracks, limits: TapLimits) -> Tap {
        let mut tap = Tap::vacant();
        tap.start(TapId(9), LEG, Sink::Recorder, tracks, limits, Codec::Pcmu);
        tap
    }

    /// Runs the tap over the packets of each period and returns the inbound audio.
    fn inbound(tap: &mut Tap, periods: &[&[(u32, u8)]]) -> Vec<u8> {
        let mut audio = Vec::new();
        let mut deliver = |frame: TapFrame| {
            audio.push(frame.inbound.unwrap()[0]);
            true
        };
        for packets in periods {
            for (index, value) in *packets {
                tap.hear(2, index * 160, &[*value; 160]);
            }
            tap.period(&mut deliver);
        }
        tap.finish(TapEnd::Stopped, &mut deliver);
        audio
    }

    #[test]
    fn the_memory_of_a_tap_counts_the_samples_of_both_tracks() {
        let tap = Tap::vacant();
        let samples = size_of_val(&*tap.inbound.samples) + size_of_val(&*tap.outbound.samples);
        assert_eq!(crate::TAP_BYTES, size_of_val(&tap) + samples + 2 * size_of::<u16>());
    }

    #[test]
    fn a_recording_is_as_long_as_the_tap_was_up() {
        let mut tap = tap(TapTracks::Inbound, TapLimits::default());
        assert_eq!(inbound(&mut tap, &[&[(0, 1)], &[(1, 2)], &[(2, 3)]]), [1, 2, 3]);
        assert_eq!(tap.last_frame().index, 3);
    }

    #[test]
    fn overtaken_packets_lie_in_order_and_lost_ones_are_silence() {
        let mut tap = tap(TapTracks::Inbound, TapLimits::default());
        let periods: [&[(u32, u8)]; 6] =
            [&[(0, 1)], &[(2, 3)], &[(1, 2)], &[(3, 4)], &[], &[(5, 6)]];
        assert_eq!(inbound(&mut tap, &periods), [1, 2, 3, 4, 0xFF, 6]);
    }

    /// The first inbound samples that a stream's tap gives in each period.
    fn streamed(periods: &[&[(u32, u8)]]) -> Vec<Vec<u8>> {
        let mut tap = Tap::vacant();
        tap.start(
            TapId(9),
            LEG,
            Sink::Stream,
            TapTracks::Inbound,
            TapLimits::default(),
            Codec::Pcmu,
        );
        let mut all = Vec::new();
        for packets in periods {
            for (index, value) in *packets {
                tap.hear(2, index * 160, &[*value; 160]);
            }
            let mut audio = Vec::new();
            tap.period(&mut |frame| {
                audio.push(frame.inbound.unwrap()[0]);
                true
            });
            all.push(audio);
        }
        all
    }

    #[test]
    fn a_stream_gives_what_is_in_order_at_the_next_beat() {
        let given = streamed(&[&[(0, 1)], &[(1, 2)], &[(2, 3)], &[(3, 4)]]);
        assert_eq!(given, [[1], [2], [3], [4]]);
    }

    #[test]
    fn a_stream_waits_for_a_missing_packet_40_ms_and_catches_up() {
        let late = streamed(&[&[(0, 1)], &[], &[(2, 3), (1, 2)], &[(3, 4)]]);
        assert_eq!(late, [vec![1], vec![], vec![2, 3], vec![4]]);
        let lost = streamed(&[&[(0, 1)], &[], &[(2, 3)], &[(3, 4)], &[(4, 5)]]);
        assert_eq!(lost, [vec![1], vec![], vec![], vec![0xFF, 3, 4], vec![5]]);
    }

    #[test]
    fn a_stream_of_a_silent_party_gives_one_frame_a_beat_and_no_delay_stays() {
        let none: &[(u32, u8)] = &[];
        let mut periods = vec![none; 10];
        periods.extend([&[(50, 1)][..], &[(51, 2)], &[(52, 3)], &[(53, 4)]]);
        let given = streamed(&periods);
        assert!(given[2..10].iter().all(|frames| *frames == [0xFF]), "{given:?}");
        assert_eq!(given[10..], [vec![0xFF], vec![0xFF, 1, 2], vec![3], vec![4]]);
    }

    #[test]
    fn a_sender_with_a_fast_clock_is_never_more_than_60_ms_ahead_in_a_stream() {
        let periods: Vec<Vec<(u32, u8)>> = (0..200u32)
            .map(|period| {
                let ahead = period / 10;
                let first = period + ahead;
                let count = if period % 10 == 9 { 2 } else { 1 };
                (first..first + count).map(|index| (index, index as u8)).collect()
            })
            .collect();
        let periods: Vec<&[(u32, u8)]> = periods.iter().map(Vec::as_slice).collect();
        let given = streamed(&periods);
        for (period, frames) in given.iter().enumerate() {
            let newest = (period + (period + 1) / 10) as u8;
            let voices = frames.iter().filter(|frame| **frame != 0xFF);
            for voice in voices {
                assert!(newest.wrapping_sub(*voice) <= 3, "{period}: {voice} of {newest}");
            }
        }
    }

    #[test]
    fn a_new_epoch_is_placed_at_now() {
        let mut tap = tap(TapTracks::Inbound, TapLimits::default());
        let mut audio = Vec::new();
        let mut deliver = |frame: TapFrame| {
            audio.push(frame.inbound.unwrap()[0]);
            true
        };
        tap.hear(2, 0, &[1; 160]);
        tap.period(&mut deliver);
        tap.hear(3, 3_000_000_000, &[2; 160]);
        tap.period(&mut deliver);
        tap.finish(TapEnd::Stopped, &mut deliver);
        assert_eq!(audio, [1, 2]);
    }

    #[test]
    fn long_packets_fill_several_frames() {
        let mut tap = tap(TapTracks::Outbound, TapLimits::default());
        let mut audio = Vec::new();
        let mut deliver = |frame: TapFrame| {
            audio.push(frame.outbound.unwrap()[0]);
            true
        };
        for round in 0..3u32 {
            tap.say(round * 480, &[round as u8; 480]);
            for _ in 0..3 {
                tap.period(&mut deliver);
            }
        }
        tap.finish(TapEnd::Stopped, &mut deliver);
        assert_eq!(audio, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    }

    #[test]
    fn only_received_silence_counts_as_silence() {
        let limits = TapLimits { silence_ms: 100, max_ms: 0 };
        let mut tap = tap(TapTracks::Inbound, limits);
        let mut deliver = |_| true;
        for _ in 0..50 {
            assert_eq!(tap.period(&mut deliver).1, None);
        }
        for index in 0..4u32 {
            tap.hear(2, index * 160, &[0xFF; 160]);
            assert_eq!(tap.period(&mut deliver).1, None);
        }
        tap.hear(2, 4 * 160, &[0xFF; 160]);
        assert_eq!(tap.period(&mut deliver).1, Some(TapEnd::Silence));
    }

    #[test]
    fn speech_begins_the_silence_anew_and_comfort_noise_counts() {
        let limits = TapLimits { silence_ms: 60, max_ms: 0 };
        let mut tap = tap(TapTracks::Inbound, limits);
        let mut deliver = |_| true;
        tap.hear(2, 0, &[0xFF; 320]);
        tap.hear(2, 320, &[0x80; 160]);
        assert_eq!(tap.period(&mut deliver).1, None);
        tap.hear_comfort_noise();
        assert_eq!(tap.period(&mut deliver).1, None);
        assert_eq!(tap.period(&mut deliver).1, None);
        assert_eq!(tap.period(&mut deliver).1, Some(TapEnd::Silence));
    }

    #[test]
    fn the_length_limit_is_exact() {
        let mut tap = tap(TapTracks::Both, TapLimits { silence_ms: 0, max_ms: 200 });
        let mut frames = 0;
        let mut deliver = |_| {
            frames += 1;
            true
        };
        let periods = (1..).find(|_| tap.period(&mut deliver).1.is_some()).unwrap();
        tap.finish(TapEnd::MaxLength, &mut deliver);
        assert_eq!((periods, frames), (10, 10));
    }

    #[test]
    fn a_skipped_pause_gives_no_frames_and_a_silent_one_gives_silence_of_its_length() {
        for (pause, wanted) in [
            (TapPause::Skip, vec![(0, 1), (1, 3)]),
            (TapPause::Silence, vec![(0, 1), (1, 0xFF), (2, 3)]),
        ] {
            let mut tap = tap(TapTracks::Inbound, TapLimits::default());
            let mut audio = Vec::new();
            let mut deliver = |frame: TapFrame| {
                audio.push((frame.index, frame.inbound.unwrap()[0]));
                true
            };
            tap.hear(2, 0, &[1; 160]);
            tap.period(&mut deliver);
            tap.pause(Some(pause));
            tap.hear(2, 160, &[2; 160]);
            tap.period(&mut deliver);
            tap.pause(None);
            tap.hear(2, 320, &[3; 160]);
            tap.period(&mut deliver);
            tap.finish(TapEnd::Stopped, &mut deliver);
            assert_eq!(audio, wanted, "{pause:?}");
        }
    }

    #[test]
    fn a_pause_is_not_the_silence_that_ends_a_tap() {
        let mut tap = tap(TapTracks::Inbound, TapLimits { silence_ms: 60, max_ms: 0 });
        let mut deliver = |_| true;
        tap.hear_comfort_noise();
        tap.pause(Some(TapPause::Silence));
        for index in 0..20u32 {
            tap.hear(2, index * 160, &[0xFF; 160]);
            assert_eq!(tap.period(&mut deliver).1, None);
        }
    }

    #[test]
    fn a_stall_is_a_gap_in_the_index() {
        let mut tap = tap(TapTracks::Inbound, TapLimits::default());
        let mut indices = Vec::new();
        let mut deliver = |frame: TapFrame| {
            indices.push(frame.index);
            true
        };
        tap.period(&mut deliver);
        assert_eq!(tap.skip(50), 50);
        tap.period(&mut deliver);
        tap.finish(TapEnd::Stopped, &mut deliver);
        assert_eq!(indices, [50, 51]);
    }

    #[test]
    fn a_drifting_clock_never_leaves_the_window() {
        for drift in [-1i64, 1] {
            let mut tap = tap(TapTracks::Inbound, TapLimits::default());
            let mut heard = 0;
            let mut deliver = |frame: TapFrame| {
                heard += u32::from(frame.inbound.unwrap().contains(&1));
                true
            };
            for index in 0..5_000i64 {
                let timestamp = (index * (160 + drift)) as u32;
                tap.hear(2, timestamp, &[1; 160]);
                tap.period(&mut deliver);
            }
            assert!(heard > 4_900, "{drift}: {heard}");
        }
    }
}
