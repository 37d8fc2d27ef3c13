//! The playout buffer of one member of a room: packets in at any time, 20 ms out at each tick. Sans-IO.
//!
//! ```text
//!            a packet                     nothing for STARVED_TICKS ticks,
//!   Dry ───────────────────> Running      or LATE_MAX packets that all came too late
//!    ^                          │
//!    └──────────────────────────┘
//! ```
//!
//! The buffer is a window of codes by media time. A packet is copied to the place that its timestamp names, so
//! that order, packet time and duplicates do not matter, and one bit for each millisecond says what is there.
//! Media time is anchored by the first packet after silence: it waits for whole ticks, at least as long as the
//! mode asks. A frame therefore begins where a packet of 20 ms begins, and needs that packet only; a frame that
//! lay across two packets would have to wait for the second one and gain nothing.
//!
//! Codes stay in the window after they were read: they are the past from which a loss is concealed. So a frame
//! that arrived whole costs one copy, and is never decoded here.

use shared::{Codec, FRAME_SAMPLES, Playout};

/// The packets of one party that wait to be mixed.
#[derive(Clone, Debug)]
pub(crate) struct PlayoutBuffer {
    codes: [u8; WINDOW_SAMPLES],
    /// One bit for each block of the window that was received and not read yet.
    present: [u64; WINDOW_BLOCKS / 64],
    codec: Codec,
    mode: Playout,
    is_running: bool,
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
    /// Samples of the party with a gap.
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
/// Samples behind the read position that stay: three of the longest pitch periods, and a part.
const PAST_SAMPLES: usize = 512;
/// Samples ahead of it: 192 ms.
const AHEAD_SAMPLES_MAX: u32 = (WINDOW_SAMPLES - PAST_SAMPLES) as u32;
/// 60 ms: then the party is silent, and its next packet is anchored anew.
const STARVED_TICKS: u8 = 3;
/// Consecutive late packets that mean that the path became longer.
const LATE_MAX: u8 = 3;
/// Samples that wait beyond what the mode asks for, until the oldest are left out: a burst after an outage.
const EXCESS_SAMPLES_MAX: u32 = 60 * 8;
const TICK_MS: u32 = 20;

impl PlayoutBuffer {
    pub fn new(codec: Codec) -> Self {
        Self {
            codes: [codec.silence(); WINDOW_SAMPLES],
            present: [0; WINDOW_BLOCKS / 64],
            codec,
            mode: Playout::Adaptive,
            is_running: false,
            epoch: 0,
            delta: 0,
            read: 0,
            end: 0,
            late_run: 0,
            starved: 0,
        }
    }

    /// Codec of the frames.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Sets the delay of audio that is anchored from now on.
    pub fn set_mode(&mut self, mode: Playout) {
        if self.mode != mode {
            self.mode = mode;
            self.is_running = false;
        }
    }

    /// The party has another codec now; what waits is in the old one.
    pub fn set_codec(&mut self, codec: Codec) {
        if self.codec != codec {
            *self = Self { mode: self.mode, ..Self::new(codec) };
        }
    }

    /// Drops what waits: nobody listens, or the party announced silence.
    pub fn stop(&mut self) {
        self.is_running = false;
    }

    /// Takes the samples of a packet. The next tick comes in `next_tick_ms`.
    pub fn push(&mut self, epoch: u16, timestamp: u32, codes: &[u8], next_tick_ms: u32) -> Pushed {
        let len = codes.len() as u32;
        if !self.is_running || self.epoch != epoch || self.is_far_ahead(timestamp, len) {
            self.anchor(epoch, timestamp, next_tick_ms);
        }
        let is_late = self.offset(timestamp) + i64::from(len) <= 0;
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

    /// Reads 20 ms. Answers with the samples that had to be left out before, because too many waited.
    pub fn pull(&mut self, frame: &mut [u8; FRAME_SAMPLES]) -> (Pulled, u32) {
        if !self.is_running {
            return (Pulled::Nothing, 0);
        }
        let left_out = self.limit();
        let present = self.take_present();
        self.copy_to(frame);
        self.read = self.read.wrapping_add(FRAME);
        if present == 0 {
            self.starve();
            return (Pulled::Nothing, left_out);
        }
        self.starved = 0;
        if present == (1 << FRAME_BLOCKS) - 1 {
            return (Pulled::Whole, left_out);
        }
        self.silence_gaps(frame, present);
        (Pulled::Gap, left_out)
    }

    /// Samples that wait, from the next frame to the newest packet.
    #[cfg(test)]
    pub fn waiting(&self) -> u32 {
        if self.is_running { self.ahead() } else { 0 }
    }

    /// Puts the timestamp at a tick that is far enough ahead. The positions go on, so that the past stays.
    fn anchor(&mut self, epoch: u16, timestamp: u32, next_tick_ms: u32) {
        let wait_ms = wait_ms(self.mode).saturating_sub(next_tick_ms);
        let position = self.read.wrapping_add(wait_ms.div_ceil(TICK_MS) * FRAME);
        self.delta = position.wrapping_sub(timestamp);
        self.end = position;
        self.present = [0; WINDOW_BLOCKS / 64];
        self.is_running = true;
        self.epoch = epoch;
        self.late_run = 0;
        self.starved = 0;
    }

    /// Leaves out the oldest samples where far too many wait, as after an outage of the path.
    fn limit(&mut self) -> u32 {
        let most = wait_ms(self.mode) * 8 + FRAME + EXCESS_SAMPLES_MAX;
        let excess = self.ahead().saturating_sub(most);
        let frames = excess.div_ceil(FRAME);
        for _ in 0..frames {
            self.take_present();
            self.read = self.read.wrapping_add(FRAME);
        }
        frames * FRAME
    }

    fn starve(&mut self) {
        self.starved += 1;
        // Frames before the first packet are no hunger: the packet lies ahead.
        if self.ahead() == 0 && self.starved >= STARVED_TICKS {
            self.is_running = false;
        }
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

    /// The blocks of the next frame that are present, one bit each; they are not any more afterwards.
    fn take_present(&mut self) -> u32 {
        let first = self.read as usize / BLOCK_SAMPLES % WINDOW_BLOCKS;
        let (word, shift) = (first / 64, first % 64);
        let next = (word + 1) % self.present.len();
        let both = u128::from(self.present[word]) | u128::from(self.present[next]) << 64;
        let mask = u128::from((1u32 << FRAME_BLOCKS) - 1) << shift;
        self.present[word] &= !(mask as u64);
        self.present[next] &= !((mask >> 64) as u64);
        ((both & mask) >> shift) as u32
    }

    fn copy_to(&self, frame: &mut [u8; FRAME_SAMPLES]) {
        let start = self.read as usize % WINDOW_SAMPLES;
        let head = FRAME_SAMPLES.min(WINDOW_SAMPLES - start);
        frame[..head].copy_from_slice(&self.codes[start..start + head]);
        frame[head..].copy_from_slice(&self.codes[..FRAME_SAMPLES - head]);
    }

    fn silence_gaps(&self, frame: &mut [u8; FRAME_SAMPLES], present: u32) {
        for (block, codes) in frame.as_chunks_mut::<BLOCK_SAMPLES>().0.iter_mut().enumerate() {
            if present >> block & 1 == 0 {
                codes.fill(self.codec.silence());
            }
        }
    }
}

/// The least time that the first packet after silence waits, in milliseconds. A tick comes every 20 ms, so on
/// average a packet waits 10 ms longer, which makes the delay that the mode names.
const fn wait_ms(mode: Playout) -> u32 {
    match mode {
        Playout::Off => 0,
        Playout::Adaptive => 10,
        Playout::Fixed(ms) => (if ms > 60 { 60 } else { ms } as u32).saturating_sub(TICK_MS / 2),
    }
}

#[cfg(test)]
mod tests;
