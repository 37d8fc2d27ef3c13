//! The playout buffer of one member of a room: packets in at any time, 20 ms out at each tick. Sans-IO.
//!
//! ```text
//!            a packet
//!   Dry ───────────────────> Running ──+ (LATE_MAX packets in a row that came too late: anchored anew)
//!    ^                          │    <─+
//!    └──────────────────────────┘
//!      nothing for STARVED_TICKS, or comfort noise is announced
//! ```
//!
//! The buffer is a window of codes by media time. A packet is copied to the place that its timestamp names, so
//! that order, packet time and duplicates do not matter, and one bit for each millisecond says what is there.
//! Media time is anchored by the first packet after silence: it waits for whole ticks, at least as long as the
//! mode asks. A frame therefore begins where a packet of 20 ms begins, and needs that packet only; a frame that
//! lay across two packets would have to wait for the second one and gain nothing.
//!
//! Codes stay in the window after they were read: they are the past from which a loss is concealed
//! ([`conceal`]). So a frame that arrived whole costs one copy, and is never decoded here.
//!
//! The delay follows the margins of the packets ([`pace`]). To lengthen it, a gap is concealed and its samples are
//! expected once more. To shorten it, 20 ms are left out at once where it is quiet, and one pitch period a tick in
//! speech. After an outage of the path far too many packets may wait: then the oldest are left out at once.

pub(crate) mod conceal;
mod pace;

use shared::{Codec, FRAME_SAMPLES, Playout};

use self::conceal::{Concealer, PAST_SAMPLES, PERIOD_MAX, SEARCHED, SILENT_AFTER};
use self::pace::{Pace, Step};
use crate::g711;

/// The packets of one party that wait to be mixed.
#[derive(Clone, Debug)]
pub(crate) struct PlayoutBuffer {
    codes: [u8; WINDOW_SAMPLES],
    /// One bit for each block of the window that was received and not read yet.
    present: [u64; WINDOW_BLOCKS / 64],
    codec: Codec,
    pace: Pace,
    concealer: Concealer,
    is_running: bool,
    /// Whether any sample was read since: before that, nothing is missing.
    has_begun: bool,
    /// Epoch of the party's numbers for which `delta` holds.
    epoch: u16,
    /// Position of a timestamp: the difference.
    delta: u32,
    /// Position of the first sample of the next frame.
    read: u32,
    /// Position behind the newest sample.
    end: u32,
    /// Packets in a row that came too late.
    late_run: u8,
    /// Ticks in a row without a sample.
    starved: u8,
    /// The next gap is expected once more.
    lengthens: bool,
    /// Samples to be left out where it is not heard.
    debt: u32,
}

/// Fate of the samples of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// They wait, or a part of them does.
    Waits,
    /// The frames that they belong to were read before.
    Late,
}

/// Content of a frame that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pulled {
    /// Nothing: the party is silent, or its first packet still waits.
    Nothing,
    /// Samples of the party, all of them received.
    Whole,
    /// Samples of the party, some or all of them concealed.
    Gap,
}

/// Positions of samples wrap at 2^32, and the window divides that.
const WINDOW_SAMPLES: usize = 2_048;
const _: () = assert!(WINDOW_SAMPLES.is_power_of_two());
/// Samples of 1 ms, the unit of what is present.
const BLOCK_SAMPLES: usize = 8;
const WINDOW_BLOCKS: usize = WINDOW_SAMPLES / BLOCK_SAMPLES;
const FRAME_BLOCKS: u32 = (FRAME_SAMPLES / BLOCK_SAMPLES) as u32;
const FRAME: u32 = FRAME_SAMPLES as u32;
/// Samples ahead of the read position, the rest is past: 192 ms.
const AHEAD_SAMPLES_MAX: u32 = 1_536;
const _: () = assert!(AHEAD_SAMPLES_MAX as usize + PAST_SAMPLES <= WINDOW_SAMPLES);
/// Then nothing is left of the concealment: the party is silent, and its next packet is anchored anew.
const STARVED_TICKS: u8 = SILENT_AFTER.div_ceil(FRAME_SAMPLES) as u8;
/// Consecutive late packets that mean that the path became longer.
const LATE_MAX: u8 = 3;
/// Samples that wait beyond what the mode asks for, until the oldest are left out: a burst after an outage.
const EXCESS_SAMPLES_MAX: u32 = 60 * 8;
const TICK_MS: u32 = 20;
/// Mean magnitude below which 20 ms may be left out unheard, about -54 dBFS.
const QUIET_MAGNITUDE: u32 = 64;
const ALL_BLOCKS: u32 = (1 << FRAME_BLOCKS) - 1;

impl PlayoutBuffer {
    pub fn new(codec: Codec) -> Self {
        Self {
            codes: [codec.silence(); WINDOW_SAMPLES],
            present: [0; WINDOW_BLOCKS / 64],
            codec,
            pace: Pace::new(Playout::Adaptive),
            concealer: Concealer::new(),
            is_running: false,
            has_begun: false,
            epoch: 0,
            delta: 0,
            read: 0,
            end: 0,
            late_run: 0,
            starved: 0,
            lengthens: false,
            debt: 0,
        }
    }

    /// Codec of the frames.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Sets the delay of audio that is anchored from now on.
    pub fn set_mode(&mut self, mode: Playout) {
        if self.pace.mode() != mode {
            self.pace = Pace::new(mode);
            self.stop();
        }
    }

    /// The party has another codec now; what waits is in the old one.
    pub fn set_codec(&mut self, codec: Codec) {
        if self.codec != codec {
            *self = Self { pace: Pace::new(self.pace.mode()), ..Self::new(codec) };
        }
    }

    /// Drops what waits: nobody listens, or the party announced silence.
    pub const fn stop(&mut self) {
        self.is_running = false;
        self.has_begun = false;
        self.concealer.stop();
        self.lengthens = false;
        self.debt = 0;
    }

    /// Takes the samples of a packet. The next tick comes in `next_tick_ms`.
    pub fn push(&mut self, epoch: u16, timestamp: u32, codes: &[u8], next_tick_ms: u32) -> Pushed {
        let len = codes.len() as u32;
        if !self.is_running || self.epoch != epoch || self.is_far_ahead(timestamp, len) {
            self.anchor(epoch, timestamp, next_tick_ms);
        }
        let is_late = self.offset(timestamp) + i64::from(len) <= 0;
        match u32::try_from(self.offset(timestamp)) {
            Ok(ahead) => self.pace.in_time(next_tick_ms + ahead / FRAME * TICK_MS),
            Err(_) => self.pace.late(),
        }
        if is_late {
            self.late_run += 1;
            if self.late_run < LATE_MAX {
                return Pushed::Late;
            }
            self.anchor(epoch, timestamp, next_tick_ms);
        }
        self.late_run = 0;
        self.write(self.offset(timestamp), codes);
        if is_late { Pushed::Late } else { Pushed::Waits }
    }

    /// Reads 20 ms. Answers with the samples that were left out before or in them.
    pub fn pull(&mut self, frame: &mut [u8; FRAME_SAMPLES]) -> (Pulled, u32) {
        if !self.is_running {
            return (Pulled::Nothing, 0);
        }
        match self.pace.tick() {
            Step::Keep => {}
            Step::Longer => self.lengthens = true,
            Step::Shorter => self.debt = FRAME,
        }
        let mut left_out = self.limit();
        if self.debt > 0 {
            let (has_read, shortened) = self.shorten(frame);
            left_out += shortened;
            if has_read {
                return (Pulled::Whole, left_out);
            }
        }
        let present = self.present_at(self.read);
        if present == ALL_BLOCKS && !self.concealer.is_active() {
            self.copy_to(frame);
            self.pass(FRAME);
            (self.has_begun, self.starved) = (true, 0);
            return (Pulled::Whole, left_out);
        }
        (self.read_gap(frame, present), left_out)
    }

    /// Reads 20 ms of which samples are missing, or behind such.
    fn read_gap(&mut self, frame: &mut [u8; FRAME_SAMPLES], present: u32) -> Pulled {
        let is_expected_again = self.lengthens && self.has_begun && present != ALL_BLOCKS;
        if is_expected_again {
            self.lengthens = false;
            self.conceal(self.read, frame);
            return Pulled::Gap;
        }
        self.copy_to(frame);
        self.mend(frame, present);
        self.pass(FRAME);
        if present != 0 {
            self.starved = 0;
            return if present == ALL_BLOCKS { Pulled::Whole } else { Pulled::Gap };
        }
        if self.ahead() == 0 {
            self.starved += 1;
            if self.starved > STARVED_TICKS {
                self.stop();
            }
        }
        if self.concealer.is_active() { Pulled::Gap } else { Pulled::Nothing }
    }

    /// Conceals the blocks of a frame that are not present, and fades into those that are.
    fn mend(&mut self, frame: &mut [u8; FRAME_SAMPLES], present: u32) {
        // Nearly all frames are of one kind.
        if present == 0 {
            self.conceal(self.read, frame);
            return self.keep(self.read, frame);
        }
        let is_present = |block: usize| present >> block & 1 == 1;
        let mut from = 0;
        while from < FRAME_BLOCKS as usize {
            let end = (from + 1..FRAME_BLOCKS as usize)
                .find(|block| is_present(*block) != is_present(from))
                .unwrap_or(FRAME_BLOCKS as usize);
            let codes = &mut frame[from * BLOCK_SAMPLES..end * BLOCK_SAMPLES];
            let position = self.read.wrapping_add((from * BLOCK_SAMPLES) as u32);
            if !is_present(from) {
                self.conceal(position, codes);
            } else {
                self.has_begun = true;
                if self.concealer.is_active() {
                    self.concealer.fade_into(self.codec, codes);
                }
            }
            // What was heard is the past of the next loss.
            self.keep(position, codes);
            from = end;
        }
    }

    /// Fills samples that are missing at a position. Those before the first packet are silence.
    fn conceal(&mut self, position: u32, codes: &mut [u8]) {
        if !self.concealer.is_active() {
            if !self.has_begun {
                codes.fill(self.codec.silence());
                return;
            }
            self.begin_loss(position);
        }
        self.concealer.fill(self.codec, codes);
    }

    fn begin_loss(&mut self, position: u32) {
        let before = |samples: usize| position.wrapping_sub(samples as u32);
        if self.concealer.begin(&self.samples_at(before(SEARCHED))) {
            self.concealer.put_older(&self.samples_at(before(PAST_SAMPLES)));
        }
    }

    /// Leaves out what the delay is too long. Answers whether it has read the frame, and the samples left out.
    fn shorten(&mut self, frame: &mut [u8; FRAME_SAMPLES]) -> (bool, u32) {
        let has_whole = |start: u32| self.present_at(self.read.wrapping_add(start)) == ALL_BLOCKS;
        if self.concealer.is_active() || !has_whole(0) {
            return (false, 0);
        }
        self.copy_to(frame);
        if g711::mean_magnitude(self.codec, frame) < QUIET_MAGNITUDE {
            let left_out = self.debt;
            self.debt = 0;
            self.pass(left_out);
            return (false, left_out);
        }
        // A period of speech; all samples that it takes have to be there.
        if !has_whole(FRAME) {
            return (false, 0);
        }
        let samples = self.samples_at::<{ FRAME_SAMPLES + PERIOD_MAX }>(self.read);
        let left_out = conceal::join(&samples, self.debt as usize, self.codec, frame) as u32;
        self.debt = self.debt.saturating_sub(left_out);
        self.pass(FRAME + left_out);
        (true, left_out)
    }

    /// Samples that wait, from the next frame to the newest packet.
    #[cfg(test)]
    pub fn waiting(&self) -> u32 {
        if self.is_running { self.ahead() } else { 0 }
    }

    /// Puts the timestamp at a tick that is far enough ahead. The positions go on, so that the past stays.
    fn anchor(&mut self, epoch: u16, timestamp: u32, next_tick_ms: u32) {
        let wait_ms = self.pace.wait_ms().saturating_sub(next_tick_ms);
        let position = self.read.wrapping_add(wait_ms.div_ceil(TICK_MS) * FRAME);
        self.delta = position.wrapping_sub(timestamp);
        self.end = position;
        self.present = [0; WINDOW_BLOCKS / 64];
        self.is_running = true;
        self.epoch = epoch;
        self.late_run = 0;
        self.starved = 0;
        self.debt = 0;
        self.pace.restart();
    }

    /// Leaves out the oldest samples where far too many wait, as after an outage of the path.
    fn limit(&mut self) -> u32 {
        let most = (self.pace.wait_ms() + TICK_MS) * 8 + EXCESS_SAMPLES_MAX;
        let frames = self.ahead().saturating_sub(most).div_ceil(FRAME);
        if frames == 0 {
            return 0;
        }
        if self.has_begun && !self.concealer.is_active() {
            // What goes on is faded into, as behind a loss.
            self.begin_loss(self.read);
            self.concealer.fill(self.codec, &mut [0]);
        }
        self.pass(frames * FRAME);
        self.pace.restart();
        frames * FRAME
    }

    /// Leaves samples behind, read or not. A block of which some are left stays present.
    fn pass(&mut self, samples: u32) {
        let first = self.read as usize / BLOCK_SAMPLES;
        let end = (self.read as usize + samples as usize) / BLOCK_SAMPLES;
        for block in first..end {
            let block = block % WINDOW_BLOCKS;
            self.present[block / 64] &= !(1 << (block % 64));
        }
        self.read = self.read.wrapping_add(samples);
    }

    /// Samples from the read position to the newest one.
    fn ahead(&self) -> u32 {
        let ahead = self.end.wrapping_sub(self.read);
        if (ahead as i32) < 0 { 0 } else { ahead }
    }

    /// Samples from the read position to a packet's first; negative when that was read.
    fn offset(&self, timestamp: u32) -> i64 {
        let position = timestamp.wrapping_add(self.delta);
        i64::from(position.wrapping_sub(self.read) as i32)
    }

    fn is_far_ahead(&self, timestamp: u32, len: u32) -> bool {
        self.offset(timestamp) + i64::from(len) > i64::from(AHEAD_SAMPLES_MAX)
    }

    /// Copies the samples that are not late into the window.
    fn write(&mut self, offset: i64, codes: &[u8]) {
        let passed = usize::try_from(-offset).unwrap_or(0);
        let codes = codes.get(passed..).unwrap_or_default();
        let position = self.read.wrapping_add(offset.max(0) as u32);
        let room = AHEAD_SAMPLES_MAX as usize - offset.max(0) as usize;
        let codes = &codes[..codes.len().min(room)];
        let start = position as usize % WINDOW_SAMPLES;
        let (head, tail) = codes.split_at(codes.len().min(WINDOW_SAMPLES - start));
        self.codes[start..start + head.len()].copy_from_slice(head);
        self.codes[..tail.len()].copy_from_slice(tail);
        let end = position.wrapping_add(codes.len() as u32);
        self.mark(position, codes.len());
        if end.wrapping_sub(self.end) as i32 > 0 {
            self.end = end;
        }
    }

    /// Marks the blocks that a packet touches. A packet that ends within a block leaves the rest of it to the
    /// next one.
    fn mark(&mut self, position: u32, len: usize) {
        let first = position as usize / BLOCK_SAMPLES;
        let last = (position as usize + len).div_ceil(BLOCK_SAMPLES);
        for block in first..last {
            let block = block % WINDOW_BLOCKS;
            self.present[block / 64] |= 1 << (block % 64);
        }
    }

    /// The samples of the frame at a position that are present, one bit for each eight.
    fn present_at(&self, position: u32) -> u32 {
        let first = position as usize / BLOCK_SAMPLES % WINDOW_BLOCKS;
        let (word, shift) = (first / 64, first % 64);
        let next = (word + 1) % self.present.len();
        let both = u128::from(self.present[word]) | u128::from(self.present[next]) << 64;
        let mut blocks = (both >> shift) as u32;
        if !(position as usize).is_multiple_of(BLOCK_SAMPLES) {
            // Where a pitch period was left out, 8 samples lie in two blocks.
            blocks &= blocks >> 1;
        }
        blocks & ALL_BLOCKS
    }

    /// The samples from a position on.
    fn samples_at<const N: usize>(&self, position: u32) -> [i16; N] {
        let table = g711::linear(self.codec);
        let start = position as usize % WINDOW_SAMPLES;
        let mut samples = [0; N];
        let (head, tail) = samples.split_at_mut(N.min(WINDOW_SAMPLES - start));
        let decode = |samples: &mut [i16], codes: &[u8]| {
            for (sample, code) in samples.iter_mut().zip(codes) {
                *sample = table[usize::from(*code)];
            }
        };
        decode(head, &self.codes[start..]);
        decode(tail, &self.codes);
        samples
    }

    /// Puts codes into the window in place of what is there.
    fn keep(&mut self, position: u32, codes: &[u8]) {
        let start = position as usize % WINDOW_SAMPLES;
        let (head, tail) = codes.split_at(codes.len().min(WINDOW_SAMPLES - start));
        self.codes[start..start + head.len()].copy_from_slice(head);
        self.codes[..tail.len()].copy_from_slice(tail);
    }

    fn copy_to(&self, frame: &mut [u8; FRAME_SAMPLES]) {
        let start = self.read as usize % WINDOW_SAMPLES;
        let head = FRAME_SAMPLES.min(WINDOW_SAMPLES - start);
        frame[..head].copy_from_slice(&self.codes[start..start + head]);
        frame[head..].copy_from_slice(&self.codes[..FRAME_SAMPLES - head]);
    }
}

#[cfg(test)]
mod tests;
