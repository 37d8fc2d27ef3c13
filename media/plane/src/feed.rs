//! The buffer of a feed: 20 ms frames of a thread that wait until the beat of their leg sends them. Sans-IO.
//!
//! ```text
//!            a frame is there           enough frames, or one packet time
//!      Dry ───────────────────> Filling ────────────────────────────────> Playing
//!       ^                          │ cleared                                 │ empty, or cleared
//!       └──────────────────────────┴─────────────────────────────────────────┘
//! ```
//!
//! The thread writes by its own clock edge and the leg beats by its phase, so frames arrive a few milliseconds
//! early or late. After silence the buffer therefore waits for one frame more than a packet needs, at most one
//! packet time: 20 ms of jitter are hidden, and a burst that is long enough starts at once. A full buffer drops
//! the newest frame, so that delay never exceeds 200 ms; an empty one gives silence.

use shared::limits::FEED_FRAMES_MAX;
use shared::{Codec, FRAME_SAMPLES, FeedId};

use crate::g711;

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
    Filling,
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
    pub fn push(&mut self, samples: &[u8; FRAME_SAMPLES]) -> bool {
        if self.len == FEED_FRAMES_MAX {
            self.passed = self.passed.wrapping_add(1);
            return false;
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
    pub fn fill(&mut self, codec: Codec, packet: &mut [u8]) -> Fed {
        let mut filled = 0;
        let from = self.codec;
        let mut fed = Fed::default();
        if self.may_play(packet.len()) {
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
    fn may_play(&mut self, samples: usize) -> bool {
        let enough = samples.div_ceil(FRAME_SAMPLES) + 1;
        self.state = match self.state {
            FeedState::Playing => return self.len > 0,
            FeedState::Dry | FeedState::Filling if self.len == 0 => FeedState::Dry,
            FeedState::Dry if self.len < enough => FeedState::Filling,
            FeedState::Dry | FeedState::Filling => FeedState::Playing,
        };
        self.state == FeedState::Playing
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

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer() -> FeedBuffer {
        FeedBuffer::new(FeedId(1), Codec::Pcmu)
    }

    /// The first sample of each packet of this length.
    fn play(buffer: &mut FeedBuffer, len: usize, packets: usize) -> Vec<u8> {
        let packet = |_| {
            let mut packet = vec![0; len];
            buffer.fill(Codec::Pcmu, &mut packet);
            packet[0]
        };
        (0..packets).map(packet).collect()
    }

    #[test]
    fn a_burst_plays_at_once_and_a_single_frame_after_one_packet_time() {
        let mut burst = buffer();
        (1..=3).for_each(|value| assert!(burst.push(&[value; 160])));
        let heard = play(&mut burst, 160, 4);
        assert_eq!(heard, [1, 2, 3, 0xFF]);
        let mut single = buffer();
        assert!(single.push(&[9; 160]));
        assert_eq!(play(&mut single, 160, 3), [0xFF, 9, 0xFF]);
    }

    #[test]
    fn a_frame_that_is_late_by_less_than_its_length_leaves_no_gap() {
        let mut buffer = buffer();
        let mut heard = Vec::new();
        for value in 1..=20 {
            // Every second frame arrives after the beat that it was written for.
            if value % 2 == 1 {
                assert!(buffer.push(&[value; 160]));
                heard.extend(play(&mut buffer, 160, 1));
            } else {
                heard.extend(play(&mut buffer, 160, 1));
                assert!(buffer.push(&[value; 160]));
            }
        }
        assert_eq!(heard[1..], (1..=19).collect::<Vec<u8>>());
    }

    #[test]
    fn a_full_buffer_drops_the_newest_frame() {
        let mut buffer = buffer();
        let taken = (0..15).filter(|value| buffer.push(&[*value; 160])).count();
        assert_eq!((taken, buffer.len()), (FEED_FRAMES_MAX, FEED_FRAMES_MAX));
        assert_eq!(play(&mut buffer, 160, 11)[9..], [9, 0xFF]);
    }

    #[test]
    fn a_clear_drops_what_waits() {
        let mut buffer = buffer();
        (1..=4).for_each(|value| assert!(buffer.push(&[value; 160])));
        assert_eq!(play(&mut buffer, 80, 1), [1]);
        assert_eq!(buffer.clear(), 4);
        assert_eq!(play(&mut buffer, 160, 1), [0xFF]);
    }

    #[test]
    fn packets_of_any_length_take_the_samples_in_order() {
        for len in [80, 160, 240, 320, 480] {
            let mut buffer = buffer();
            let mut heard = Vec::new();
            for value in 1..=100u8 {
                let _ = buffer.push(&[value; 160]);
                if value % 6 == 0 {
                    for _ in 0..960 / len {
                        let mut packet = vec![0; len];
                        buffer.fill(Codec::Pcmu, &mut packet);
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
        (1..=2).for_each(|value| assert!(buffer.push(&[value; 160])));
        let mut packet = [0; 160];
        let fed: Vec<Fed> = (0..4).map(|_| buffer.fill(Codec::Pcmu, &mut packet)).collect();
        let audio = Fed { frames: 1, is_audio: true, ran_dry: false };
        let dry = Fed { frames: 0, is_audio: false, ran_dry: true };
        assert_eq!(fed, [audio, audio, dry, Fed::default()]);
    }

    #[test]
    fn the_party_hears_its_own_codec() {
        let mut buffer = buffer();
        (0..2).for_each(|_| assert!(buffer.push(&[0x22; 160])));
        let mut packet = [0; 160];
        buffer.fill(Codec::Pcma, &mut packet);
        assert_eq!(packet, [g711::MULAW_TO_ALAW[0x22]; 160]);
        buffer.clear();
        buffer.fill(Codec::Pcma, &mut packet);
        assert_eq!(packet, [Codec::Pcma.silence(); 160]);
    }
}
