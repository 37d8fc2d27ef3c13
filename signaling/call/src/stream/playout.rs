//! The application's audio on its way to the party: a deep queue here, 200 ms on the core. Sans-IO.
//!
//! ```text
//!   message ──> queue (10 min) ──frames of 20 ms──> core (at most 10 frames) ──> party
//!                 marks lie between bytes              passed: what the core needs no more
//! ```
//!
//! The core says with every frame of the tap how many frames of the feed have passed. A mark is reached when
//! the frame with the last byte before it has passed, so marks keep the time of the party and no clock runs
//! here. Payloads have any length: frames are cut across them, and only the end of all audio is filled up with
//! silence, when the core is about to run dry.

use std::collections::VecDeque;

use shared::limits::{FEED_FRAMES_MAX, STREAM_MARKS_MAX, STREAM_PLAYOUT_BYTES_MAX};
use shared::{FRAME_SAMPLES, FeedPart};

use super::port::StreamPort;

/// Audio and marks that wait.
#[derive(Debug, Default)]
pub(crate) struct Playout {
    /// Pieces of audio, all full but the last, so that the queue takes little more than its audio.
    pieces: VecDeque<Vec<u8>>,
    /// Bytes of the first piece that are taken.
    taken: usize,
    /// Bytes in all pieces that are not taken.
    waiting: usize,
    /// Bytes that were ever queued, and that were ever taken or cleared.
    end: u64,
    begin: u64,
    marks: VecDeque<Mark>,
    mark_bytes: usize,
    /// Frames that the core got, and that it needs no more, since the feed began.
    written: u64,
    passed: u64,
    /// Of each frame on the core, the byte that it ends with; and the byte that ended the last one that passed.
    ends: VecDeque<u64>,
    played: u64,
    /// The core has not got the order to drop what it holds.
    owes_clear: bool,
}

#[derive(Debug)]
struct Mark {
    name: String,
    /// The byte that it stands before.
    position: u64,
    /// The frame that has to pass; `None` until its last byte is in one.
    frame: Option<u64>,
}

/// The audio does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Playout {
    /// Adds audio, of which `room` bytes at most fit beside that of other streams.
    pub fn push(&mut self, audio: &[u8], room: usize) -> Result<(), Full> {
        let fits = STREAM_PLAYOUT_BYTES_MAX.saturating_sub(self.waiting).min(room);
        let (audio, rest) = audio.split_at(fits.min(audio.len()));
        let mut left = audio;
        while !left.is_empty() {
            if self.pieces.back().is_none_or(|last| last.len() == PIECE_BYTES) {
                self.pieces.push_back(Vec::with_capacity(PIECE_BYTES));
            }
            let Some(last) = self.pieces.back_mut() else { break };
            let (fitting, rest) = left.split_at(left.len().min(PIECE_BYTES - last.len()));
            last.extend_from_slice(fitting);
            left = rest;
        }
        self.waiting += audio.len();
        self.end += audio.len() as u64;
        if rest.is_empty() { Ok(()) } else { Err(Full) }
    }

    /// Sets a mark behind what waits.
    pub fn mark(&mut self, name: String) -> Result<(), Full> {
        if self.marks.len() >= STREAM_MARKS_MAX {
            return Err(Full);
        }
        let frame = (self.waiting == 0).then_some(self.written);
        self.mark_bytes += name.len();
        self.marks.push_back(Mark { name, position: self.end, frame });
        Ok(())
    }

    /// Drops the audio that waits. Its marks are all reached. The core gets its order with [`Playout::pour`].
    pub fn clear(&mut self) {
        self.pieces.clear();
        (self.taken, self.waiting, self.begin) = (0, 0, self.end);
        self.ends.iter_mut().for_each(|end| *end = self.end);
        (self.played, self.owes_clear) = (self.end, true);
        for mark in &mut self.marks {
            mark.frame = Some(0);
        }
    }

    /// The core has let this number of frames pass, modulo 2^32.
    pub fn passed(&mut self, passed: u32) {
        let more = passed.wrapping_sub(self.passed as u32);
        // A number of the past comes from a tap that began before the feed.
        let passed = (self.passed + u64::from(more)).min(self.written);
        for _ in self.passed..passed {
            self.played = self.ends.pop_front().unwrap_or(self.played);
        }
        self.passed = passed;
    }

    /// Gives the core what it has room for.
    pub fn pour(&mut self, port: &mut impl StreamPort) {
        // First, or the clear would take audio that is newer than it.
        if self.owes_clear {
            self.owes_clear = !port.play(FeedPart::Clear);
        }
        while !self.owes_clear && self.has_frame() && port.has_feed_room() {
            let Some(frame) = self.frame() else { return };
            let taken = port.play(FeedPart::Audio(frame));
            debug_assert!(taken, "the ring had room");
        }
    }

    /// Bytes that were ever queued.
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Bytes that the party has heard, or that were cleared.
    pub const fn played(&self) -> u64 {
        self.played
    }

    /// The next mark that was reached.
    pub fn reached(&mut self) -> Option<String> {
        let first = self.marks.front()?;
        first.frame.filter(|frame| *frame <= self.passed)?;
        let mark = self.marks.pop_front()?;
        self.mark_bytes -= mark.name.len();
        Some(mark.name)
    }

    /// Whether the core has room for a frame and there is one: a whole one, or the last bytes of all when the core
    /// would run dry without them.
    pub fn has_frame(&self) -> bool {
        let ahead = self.written - self.passed;
        ahead < FEED_FRAMES_MAX as u64
            && (self.waiting >= FRAME_SAMPLES || self.waiting > 0 && ahead <= AHEAD_LOW)
    }

    /// The next frame, which now counts as written; filled up with silence. `None` where [`Self::has_frame`] is false.
    pub fn frame(&mut self) -> Option<[u8; FRAME_SAMPLES]> {
        if !self.has_frame() {
            return None;
        }
        let mut frame = [SILENCE; FRAME_SAMPLES];
        let mut filled = 0;
        while filled < FRAME_SAMPLES {
            let Some(first) = self.pieces.front() else { break };
            let rest = first.get(self.taken..).unwrap_or_default();
            let len = rest.len().min(FRAME_SAMPLES - filled);
            frame[filled..filled + len].copy_from_slice(&rest[..len]);
            filled += len;
            self.taken += len;
            if self.taken == first.len() {
                self.pieces.pop_front();
                self.taken = 0;
            }
        }
        self.waiting -= filled;
        self.begin += filled as u64;
        self.written += 1;
        self.ends.push_back(self.begin);
        let (begin, written) = (self.begin, self.written);
        let open = self.marks.iter_mut().skip_while(|mark| mark.frame.is_some());
        for mark in open.take_while(|mark| mark.position <= begin) {
            mark.frame = Some(written);
        }
        Some(frame)
    }

    /// Bytes of memory that audio and marks take.
    pub fn held(&self) -> usize {
        self.pieces.len() * PIECE_BYTES + self.mark_bytes + self.marks.len() * size_of::<Mark>()
    }

    /// Milliseconds of audio that wait here and on the core.
    #[cfg(test)]
    fn waiting_ms(&self) -> u64 {
        (self.waiting / 8) as u64 + (self.written - self.passed) * 20
    }
}

/// Bytes of one piece: half a second.
const PIECE_BYTES: usize = 4_096;
/// Frames on the core at which the last bytes are sent although they are no whole frame.
const AHEAD_LOW: u64 = 1;
/// Mu-law silence.
const SILENCE: u8 = 0xFF;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marks(playout: &mut Playout) -> Vec<String> {
        std::iter::from_fn(|| playout.reached()).collect()
    }

    #[test]
    fn audio_of_any_length_is_cut_into_frames_without_a_gap() {
        let mut playout = Playout::default();
        let audio: Vec<u8> = (0..1_334_u32).map(|at| (at % 200) as u8).collect();
        assert_eq!(playout.push(&audio[..7], usize::MAX), Ok(()));
        assert_eq!(playout.push(&audio[7..], usize::MAX), Ok(()));
        let mut heard = Vec::new();
        for passed in 0..20 {
            playout.passed(passed);
            while let Some(frame) = playout.frame() {
                heard.extend(frame);
            }
        }
        assert_eq!(heard[..1_334], audio);
        assert!(heard[1_334..].iter().all(|sample| *sample == SILENCE));
        assert_eq!(heard.len(), 1_440);
    }

    #[test]
    fn the_core_never_has_more_than_200_ms() {
        let mut playout = Playout::default();
        assert_eq!(playout.push(&[1; 16_000], usize::MAX), Ok(()));
        let count = |playout: &mut Playout| std::iter::from_fn(|| playout.frame()).count();
        assert_eq!(count(&mut playout), FEED_FRAMES_MAX);
        playout.passed(3);
        assert_eq!(count(&mut playout), 3);
    }

    #[test]
    fn marks_come_back_in_playout_time_and_equal_names_are_a_queue() {
        let mut playout = Playout::default();
        playout.mark("now".to_owned()).unwrap();
        assert_eq!(marks(&mut playout), ["now"]);
        playout.push(&[1; 320], usize::MAX).unwrap();
        playout.mark("a".to_owned()).unwrap();
        playout.mark("a".to_owned()).unwrap();
        playout.push(&[1; 100], usize::MAX).unwrap();
        playout.mark("b".to_owned()).unwrap();
        while playout.frame().is_some() {}
        assert!(marks(&mut playout).is_empty());
        playout.passed(1);
        assert!(marks(&mut playout).is_empty());
        while playout.frame().is_some() {}
        playout.passed(2);
        assert_eq!(marks(&mut playout), ["a", "a"]);
        playout.passed(3);
        assert_eq!(marks(&mut playout), ["b"]);
    }

    #[test]
    fn a_clear_reaches_all_marks_in_order_and_new_audio_plays_after_it() {
        let mut playout = Playout::default();
        playout.push(&[1; 3_200], usize::MAX).unwrap();
        for name in ["a", "b"] {
            playout.mark(name.to_owned()).unwrap();
            playout.push(&[1; 160], usize::MAX).unwrap();
        }
        while playout.frame().is_some() {}
        playout.clear();
        playout.push(&[2; 160], usize::MAX).unwrap();
        playout.mark("c".to_owned()).unwrap();
        assert_eq!(marks(&mut playout), ["a", "b"]);
        playout.passed(10);
        assert_eq!(playout.frame(), Some([2; 160]));
        assert!(marks(&mut playout).is_empty());
        playout.passed(11);
        assert_eq!(marks(&mut playout), ["c"]);
        assert_eq!(playout.waiting_ms(), 0);
    }

    #[test]
    fn what_was_played_grows_by_frames_and_jumps_with_a_clear() {
        let mut playout = Playout::default();
        playout.push(&[1; 500], usize::MAX).unwrap();
        let mut played = Vec::new();
        for passed in 0..5 {
            playout.passed(passed);
            while playout.frame().is_some() {}
            played.push(playout.played());
        }
        assert_eq!(played, [0, 160, 320, 480, 500], "the last frame is filled up with silence");
        playout.push(&[1; 1_600], usize::MAX).unwrap();
        while playout.frame().is_some() {}
        playout.passed(6);
        playout.clear();
        assert_eq!((playout.played(), playout.end()), (2_100, 2_100));
        playout.push(&[1; 160], usize::MAX).unwrap();
        playout.passed(14);
        assert_eq!(playout.played(), 2_100, "frames from before the clear");
        assert!(playout.frame().is_some());
        playout.passed(15);
        assert_eq!(playout.played(), 2_260);
    }

    #[test]
    fn ten_minutes_wait_and_no_more() {
        let mut playout = Playout::default();
        let minute = vec![1; 60 * 8_000];
        for _ in 0..10 {
            assert_eq!(playout.push(&minute, usize::MAX), Ok(()));
        }
        assert_eq!(playout.push(&[1], usize::MAX), Err(Full));
        assert!(playout.held() < STREAM_PLAYOUT_BYTES_MAX + 2 * PIECE_BYTES);
        assert_eq!(Playout::default().push(&minute, 1_000), Err(Full));
    }

    #[test]
    fn single_bytes_and_endless_marks_take_little() {
        let mut playout = Playout::default();
        (0..10_000).for_each(|_| playout.push(&[1], usize::MAX).unwrap());
        assert!(playout.held() <= 10_000 + 2 * PIECE_BYTES);
        let fitting = (0..10_000).filter(|_| playout.mark("m".to_owned()).is_ok()).count();
        assert_eq!(fitting, STREAM_MARKS_MAX);
    }

    proptest! {
        /// Whatever the order of messages, frames and reports: every byte is heard once and in order, every mark comes
        /// back once, in order, and never before the byte in front of it.
        #[test]
        fn every_byte_and_mark_once_and_in_order(steps in prop::collection::vec((0u8..4, 1usize..700), 1..120)) {
            let mut playout = Playout::default();
            let (mut said, mut heard, mut passed) = (Vec::<u8>::new(), Vec::<u8>::new(), 0u32);
            let (mut set, mut back) = (Vec::new(), Vec::new());
            for (step, size) in steps {
                match step {
                    0 => {
                        let audio: Vec<u8> = (0..size).map(|at| ((said.len() + at) % 251) as u8).collect();
                        playout.push(&audio, usize::MAX).unwrap();
                        said.extend(audio);
                    }
                    1 => {
                        set.push(said.len());
                        playout.mark((set.len() - 1).to_string()).unwrap();
                    }
                    2 => while let Some(frame) = playout.frame() {
                        heard.extend(frame.iter().filter(|sample| **sample != SILENCE));
                    },
                    _ => {
                        passed = (passed + 1).min(playout.written as u32);
                        playout.passed(passed);
                    }
                }
                while let Some(name) = playout.reached() {
                    let number: usize = name.parse().unwrap();
                    prop_assert!(set[number] <= heard.len());
                    back.push(number);
                }
            }
            prop_assert_eq!(&heard[..], &said[..heard.len()]);
            prop_assert!(back.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        }
    }
}
