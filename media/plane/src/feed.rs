//! The buffer of a feed: 20 ms frames of a thread that wait until the beat of their leg sends them. Sans-IO.
//!
//! ```text
//!            a frame comes          at a beat: old enough, or enough frames
//!      Dry ───────────────> Filling ────────────────────────────────────> Playing
//!       ^                      │ cleared                                     │ empty, or cleared
//!       └──────────────────────┴─────────────────────────────────────────────┘
//! ```
//!
//! The thread writes by its own clock edge and the leg beats by its phase, so frames arrive a few milliseconds
//! early or late. After silence the buffer therefore starts at the first beat that finds its first frame
//! [`SLACK_SAMPLES`] older than a writer in real time needs to complete the packet: every later frame may then
//! be late by 10 ms without a gap. With packets of 20 ms the first frame waits 10 to 30 ms, 20 ms on average; to wait
//! for a second frame instead would cost 20 to 40 ms. A burst of one frame more than a packet needs starts at
//! once. A full buffer drops the newest frame, so that delay never exceeds 200 ms; an empty one gives silence.

use shared::limits::FEED_FRAMES_MAX;
use shared::{Codec, FRAME_SAMPLES, FeedId};

use crate::{clock, g711};

/// The frames of one feed that wait.
#[derive(Debug)]
pub(crate) struct FeedBuffer {
    pub id: FeedId,
    codec: Codec,
    state: FeedState,
    /// A ring of frames, `len` of them from `head` on.
    frames: [[u8; FRAME_SAMPLES]; FEED_FRAMES_MAX],
    head: usize,
    len: usize,
    /// Samples of the first frame that were sent: a packet need not hold whole frames.
    sent: usize,
    /// Frames that left the buffer or found it full, wrapping.
    passed: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FeedState {
    Dry,
    /// Since when its first frame waits, by the clock of samples.
    Filling {
        since: u32,
    },
    Playing,
}

/// Outcome of the samples that a packet took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fed {
    /// Frames that are now sent whole.
    pub frames: u64,
    /// Whether the packet holds any of the feed's audio.
    pub is_audio: bool,
    /// Whether the buffer ran out behind audio.
    pub ran_dry: bool,
}

impl FeedBuffer {
    pub fn new(id: FeedId, codec: Codec) -> Self {
        Self {
            id,
            codec,
            state: FeedState::Dry,
            frames: [[0; FRAME_SAMPLES]; FEED_FRAMES_MAX],
            head: 0,
            len: 0,
            sent: 0,
            passed: 0,
        }
    }

    /// Adds 20 ms behind what waits; `false` when the buffer is full.
    pub fn push(&mut self, now_samples: u32, samples: &[u8; FRAME_SAMPLES]) -> bool {
        if self.len == FEED_FRAMES_MAX {
            self.passed = self.passed.wrapping_add(1);
            return false;
        }
        // A buffer that was filling may have been emptied by time that passed unheard.
        if self.len == 0 && self.state != FeedState::Playing {
            self.state = FeedState::Filling { since: now_samples };
        }
        self.frames[self.place(self.len)] = *samples;
        self.len += 1;
        true
    }

    /// Drops what waits; answers the number of frames.
    pub fn clear(&mut self) -> u64 {
        let dropped = self.len as u64;
        while self.len > 0 {
            self.finish_frame();
        }
        self.state = FeedState::Dry;
        dropped
    }

    /// Fills the samples of a packet in the party's codec; what the feed does not have is silence.
    pub fn fill(&mut self, now_samples: u32, codec: Codec, packet: &mut [u8]) -> Fed {
        let mut filled = 0;
        let from = self.codec;
        let mut fed = Fed::default();
        if self.may_play(now_samples, packet.len()) {
            fed.frames = self.take(packet.len(), |samples| {
                packet[filled..filled + samples.len()].copy_from_slice(samples);
                filled += samples.len();
            });
            fed.is_audio = true;
        }
        fed.ran_dry = filled < packet.len() && self.state == FeedState::Playing;
        if fed.ran_dry {
            self.state = FeedState::Dry;
        }
        g711::translate(from, codec, &mut packet[..filled]);
        packet[filled..].fill(codec.silence());
        fed
    }

    /// Lets time pass without sending, as while a prompt plays; answers the frames that passed.
    pub fn pass(&mut self, samples: usize) -> u64 {
        self.take(samples, |_| {})
    }

    /// Frames that were played, cleared or dropped since the feed began, modulo 2^32.
    pub fn passed(&self) -> u32 {
        self.passed
    }

    /// Frames that wait.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether a packet of `samples` may take from what waits: see the head of this file.
    fn may_play(&mut self, now_samples: u32, samples: usize) -> bool {
        if let FeedState::Filling { since } = self.state {
            let needed = samples.div_ceil(FRAME_SAMPLES);
            // The last frame of the packet comes this long after the first.
            let completed = (needed.saturating_sub(1) * FRAME_SAMPLES) as u32;
            let is_old = clock::elapsed(now_samples, since) >= completed + SLACK_SAMPLES;
            if is_old || self.len > needed {
                self.state = FeedState::Playing;
            }
        }
        self.state == FeedState::Playing && self.len > 0
    }

    /// Takes up to `samples` from the front, piece by piece; answers the frames that it finished.
    fn take(&mut self, samples: usize, mut put: impl FnMut(&[u8])) -> u64 {
        let mut missing = samples;
        let mut finished = 0;
        while missing > 0 && self.len > 0 {
            let end = (self.sent + missing).min(FRAME_SAMPLES);
            put(&self.frames[self.head][self.sent..end]);
            missing -= end - self.sent;
            self.sent = end;
            if end == FRAME_SAMPLES {
                self.finish_frame();
                finished += 1;
            }
        }
        finished
    }

    fn finish_frame(&mut self) {
        self.head = self.place(1);
        self.len -= 1;
        self.sent = 0;
        self.passed = self.passed.wrapping_add(1);
    }

    /// Place in the ring of the frame that has `ahead` frames before it.
    const fn place(&self, ahead: usize) -> usize {
        (self.head + ahead) % FEED_FRAMES_MAX
    }
}

/// By how much a frame may be late without a gap: 10 ms.
const SLACK_SAMPLES: u32 = FRAME_SAMPLES as u32 / 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer() -> FeedBuffer {
        FeedBuffer::new(FeedId(1), Codec::Pcmu)
    }

    /// The first sample of each packet of this length, at its beats from this time (milliseconds) on.
    fn play(buffer: &mut FeedBuffer, from_ms: u32, len: usize, packets: u32) -> Vec<u8> {
        let packet = |number| {
            let mut packet = vec![0; len];
            let now = from_ms * clock::SAMPLES_A_MS + number * len as u32;
            buffer.fill(now, Codec::Pcmu, &mut packet);
            packet[0]
        };
        (0..packets).map(packet).collect()
    }

    #[test]
    fn a_burst_plays_at_once_and_a_single_frame_when_it_has_waited_10_ms() {
        let mut burst = buffer();
        (1..=3).for_each(|value| assert!(burst.push(0, &[value; 160])));
        assert_eq!(play(&mut burst, 0, 160, 4), [1, 2, 3, 0xFF]);
        for (waited_ms, heard) in [(0, [0xFF, 9]), (9, [0xFF, 9]), (10, [9, 0xFF]), (19, [9, 0xFF])]
        {
            let mut single = buffer();
            assert!(single.push(0, &[9; 160]));
            assert_eq!(play(&mut single, waited_ms, 160, 2), heard, "{waited_ms} ms");
        }
    }

    /// Frames come every 20 ms, each late by up to `late_ms`, and packets leave at beats from `beat_ms` on: what
    /// the party hears from the first frame on.
    fn heard_of(len: usize, beat_ms: u32, late_ms: u32) -> Vec<u8> {
        let mut buffer = buffer();
        let mut heard = Vec::new();
        let mut next = 1;
        let lateness = |number: u32| if number == 1 { 0 } else { number * 7 % (late_ms + 1) };
        for now_ms in 0..1_000 {
            while next <= 45 && (next - 1) * 20 + lateness(next) <= now_ms {
                assert!(buffer.push(now_ms * 8, &[next as u8; 160]));
                next += 1;
            }
            if now_ms >= beat_ms && ((now_ms - beat_ms) * 8).is_multiple_of(len as u32) {
                let mut packet = vec![0; len];
                buffer.fill(now_ms * 8, Codec::Pcmu, &mut packet);
                heard.extend(packet);
            }
        }
        heard.into_iter().skip_while(|sample| *sample == 0xFF).take(800 * 8).collect()
    }

    #[test]
    fn a_frame_that_is_late_by_up_to_10_ms_leaves_no_gap() {
        for (len, beat_ms) in [80, 160, 240, 320, 480]
            .into_iter()
            .flat_map(|len| (0..len as u32 / 8).map(move |beat_ms| (len, beat_ms)))
        {
            let heard = heard_of(len, beat_ms, 10);
            let expected = (0..heard.len()).map(|at| (at / 160 + 1) as u8).collect::<Vec<_>>();
            assert_eq!(heard, expected, "packets of {len} samples, beats from {beat_ms} ms on");
        }
        assert!(heard_of(160, 10, 19).contains(&0xFF), "the lateness of this test is real");
    }

    #[test]
    fn time_that_passes_unheard_does_not_make_the_next_frame_old() {
        let mut buffer = buffer();
        assert!(buffer.push(0, &[1; 160]));
        assert_eq!(buffer.pass(160), 1);
        assert!(buffer.push(800, &[2; 160]));
        assert_eq!(play(&mut buffer, 100, 160, 2), [0xFF, 2]);
    }

    #[test]
    fn a_full_buffer_drops_the_newest_frame() {
        let mut buffer = buffer();
        let taken = (0..15).filter(|value| buffer.push(0, &[*value; 160])).count();
        assert_eq!((taken, buffer.len()), (FEED_FRAMES_MAX, FEED_FRAMES_MAX));
        assert_eq!(play(&mut buffer, 0, 160, 11)[9..], [9, 0xFF]);
    }

    #[test]
    fn a_clear_drops_what_waits() {
        let mut buffer = buffer();
        (1..=4).for_each(|value| assert!(buffer.push(0, &[value; 160])));
        assert_eq!(play(&mut buffer, 0, 80, 1), [1]);
        assert_eq!(buffer.clear(), 4);
        assert_eq!(play(&mut buffer, 0, 160, 1), [0xFF]);
    }

    #[test]
    fn packets_of_any_length_take_the_samples_in_order() {
        for len in [80, 160, 240, 320, 480] {
            let mut buffer = buffer();
            let mut heard = Vec::new();
            for value in 1..=100u8 {
                let _ = buffer.push(0, &[value; 160]);
                if value % 6 == 0 {
                    for _ in 0..960 / len {
                        let mut packet = vec![0; len];
                        buffer.fill(0, Codec::Pcmu, &mut packet);
                        heard.extend(packet);
                    }
                }
            }
            let audio: Vec<u8> = heard.into_iter().filter(|sample| *sample != 0xFF).collect();
            assert!(audio.len() > 90 * 160, "{len}: {}", audio.len());
            assert!(audio.windows(2).all(|pair| pair[0] == pair[1] || pair[0] + 1 == pair[1]));
        }
    }

    #[test]
    fn a_feed_that_runs_out_says_so_once() {
        let mut buffer = buffer();
        (1..=2).for_each(|value| assert!(buffer.push(0, &[value; 160])));
        let mut packet = [0; 160];
        let fed: Vec<Fed> = (0..4).map(|_| buffer.fill(0, Codec::Pcmu, &mut packet)).collect();
        let audio = Fed { frames: 1, is_audio: true, ran_dry: false };
        let dry = Fed { frames: 0, is_audio: false, ran_dry: true };
        assert_eq!(fed, [audio, audio, dry, Fed::default()]);
    }

    #[test]
    fn the_party_hears_its_own_codec() {
        let mut buffer = buffer();
        (0..2).for_each(|_| assert!(buffer.push(0, &[0x22; 160])));
        let mut packet = [0; 160];
        buffer.fill(0, Codec::Pcma, &mut packet);
        assert_eq!(packet, [g711::MULAW_TO_ALAW[0x22]; 160]);
        buffer.clear();
        buffer.fill(0, Codec::Pcma, &mut packet);
        assert_eq!(packet, [Codec::Pcma.silence(); 160]);
    }
}
