//! One direction of a tap: packets in by timestamp, 20 ms out at a time. Sans-IO.
//!
//! ```text
//!   read position - PAST           read position                 + AHEAD
//!        │  what was handed out          │  what has arrived so far  │
//!        └── concealment repeats this ───┴── holes are silence here ─┘
//! ```
//!
//! A hole that audio precedes is filled by the concealment of rooms ([`Concealer`]), which falls to silence within
//! 80 ms; what arrives behind it is faded in. A hole is not a loss where the sender had a reason to send no audio
//! there (comfort noise, keys, hold, a pause of the tap, its end): the track *rests* from the newest sample on, until
//! the next one, and such a hole is silence at once. Nothing here waits, so the delay of a tap is what it was.

use shared::{Codec, FRAME_SAMPLES};

use crate::g711;
use crate::playout::conceal::{Concealer, PAST_SAMPLES, SEARCHED, SILENT_AFTER};

/// A window of samples by position; what was not written is silence.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) samples: Box<[u8; WINDOW_SAMPLES]>,
    /// One bit for each millisecond of the window that was written and not read.
    written: Blocks,
    /// One bit for each that is missing for a reason of the sender.
    rested: Blocks,
    silence: u8,
    read_position: u32,
    /// Behind the newest sample.
    end: u32,
    /// Position of a timestamp: the difference, and the epoch for which it holds.
    delta: u32,
    anchored_to: Option<u16>,
    /// Packets in a row that came too late.
    late: u8,
    /// What was read last was audio, or its concealment: behind it, samples can be missing.
    is_audible: bool,
    /// Where the rest began that goes on: no audio has come since.
    rests_from: Option<u32>,
    concealer: Concealer,
}

impl Track {
    pub fn new() -> Self {
        Self {
            samples: Box::new([0xFF; WINDOW_SAMPLES]),
            written: [0; WINDOW_BLOCKS / 64],
            rested: [0; WINDOW_BLOCKS / 64],
            silence: 0xFF,
            read_position: 0,
            end: 0,
            delta: 0,
            anchored_to: None,
            late: 0,
            is_audible: false,
            rests_from: None,
            concealer: Concealer::new(),
        }
    }

    pub fn reset(&mut self, read_position: u32, codec: Codec) {
        self.silence = codec.silence();
        self.samples.fill(self.silence);
        self.written.fill(0);
        self.rested.fill(0);
        self.read_position = read_position;
        self.end = read_position;
        self.anchored_to = None;
        self.late = 0;
        self.rests_from = None;
        self.fall_silent();
    }

    /// The next packet is placed at now.
    pub const fn forget_anchor(&mut self) {
        self.anchored_to = None;
    }

    /// What is missing behind the newest sample is not lost, until the next one.
    pub fn rest(&mut self) {
        // Repeated packets of one key press are one rest.
        self.rests_from.get_or_insert(self.end);
    }

    pub fn write(
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

    /// The next 20 ms.
    pub fn read(&mut self, codec: Codec) -> [u8; FRAME_SAMPLES] {
        let mut frame = self.samples_at(self.read_position);
        if self.has_frame() && !self.concealer.is_active() {
            self.is_audible = true;
        } else if self.is_audible || self.has_any() {
            self.mend(codec, &mut frame);
        }
        let start = self.read_position as usize;
        for at in (0..FRAME_SAMPLES).step_by(BLOCK_SAMPLES) {
            mark(&mut self.written, start + at, false);
            mark(&mut self.rested, start + at, false);
        }
        self.read_position = self.read_position.wrapping_add(FRAME_SAMPLES as u32);
        // These samples are older than any concealment reaches; what is written here next finds silence.
        self.put(
            self.read_position.wrapping_sub(KEPT_SAMPLES as u32),
            &[self.silence; FRAME_SAMPLES],
        );
        frame
    }

    /// Whether the next 20 ms are all there.
    pub fn has_frame(&self) -> bool {
        self.blocks().all(|block| is_marked(&self.written, block))
    }

    fn has_any(&self) -> bool {
        self.blocks().any(|block| is_marked(&self.written, block))
    }

    /// The blocks of the next 20 ms.
    fn blocks(&self) -> impl Iterator<Item = usize> + use<> {
        let first = self.read_position as usize / BLOCK_SAMPLES;
        first..first + FRAME_SAMPLES / BLOCK_SAMPLES
    }

    /// Fills the holes of the next 20 ms, and fades into what arrived behind a hole.
    fn mend(&mut self, codec: Codec, frame: &mut [u8; FRAME_SAMPLES]) {
        let first = self.read_position as usize / BLOCK_SAMPLES;
        let blocks = FRAME_SAMPLES / BLOCK_SAMPLES;
        let mut from = 0;
        while from < blocks {
            let kind = self.kind_of(first + from);
            let alike = (from + 1..blocks).find(|at| self.kind_of(first + at) != kind);
            let end = alike.unwrap_or(blocks);
            let position = self.read_position.wrapping_add((from * BLOCK_SAMPLES) as u32);
            let codes = &mut frame[from * BLOCK_SAMPLES..end * BLOCK_SAMPLES];
            match kind {
                Block::Written => {
                    self.is_audible = true;
                    if self.concealer.is_active() {
                        self.concealer.fade_into(codec, codes);
                    }
                }
                Block::Lost if self.is_audible => self.conceal(codec, position, codes),
                Block::Lost => {}
                Block::Rests => self.fall_silent(),
            }
            // What was handed out is the past of the next loss.
            self.put(position, codes);
            from = end;
        }
    }

    fn conceal(&mut self, codec: Codec, position: u32, codes: &mut [u8]) {
        if !self.concealer.is_active() {
            let before = |samples: usize| position.wrapping_sub(samples as u32);
            if self.concealer.begin(&self.linear_at(codec, before(SEARCHED))) {
                self.concealer.put_older(&self.linear_at(codec, before(PAST_SAMPLES)));
            }
        }
        self.concealer.fill(codec, codes);
        if self.concealer.lost() >= SILENT_AFTER {
            self.fall_silent();
        }
    }

    /// The audio has ended, so a later loss is not concealed.
    const fn fall_silent(&mut self) {
        self.is_audible = false;
        self.concealer.stop();
    }

    fn kind_of(&self, block: usize) -> Block {
        let end = (block * BLOCK_SAMPLES + BLOCK_SAMPLES) as u32;
        let rests = |from: u32| end.wrapping_sub(from) as i32 > 0;
        match is_marked(&self.written, block) {
            true => Block::Written,
            false if is_marked(&self.rested, block) => Block::Rests,
            false if self.rests_from.is_some_and(rests) => Block::Rests,
            false => Block::Lost,
        }
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

    /// Writes what lies inside the window.
    fn copy(&mut self, offset: i64, samples: &[u8]) {
        let start = self.read_position as usize;
        for (index, sample) in samples.iter().enumerate() {
            let place = offset + index as i64;
            if (0..AHEAD_SAMPLES as i64).contains(&place) {
                let place = start + place as usize;
                self.samples[place % WINDOW_SAMPLES] = *sample;
                if place.is_multiple_of(BLOCK_SAMPLES) {
                    mark(&mut self.written, place, true);
                }
            }
        }
        self.note_written(offset.max(0), offset + samples.len() as i64);
    }

    /// Samples were written between these offsets: moves the end, and ends a rest that they lie behind.
    fn note_written(&mut self, from: i64, to: i64) {
        let position = |offset: i64| self.read_position.wrapping_add(offset as u32);
        let (from, to) = (position(from), position(to.min(AHEAD_SAMPLES as i64)));
        if to.wrapping_sub(self.end) as i32 <= 0 {
            return;
        }
        if let Some(rest) = self.rests_from.take() {
            let rest = if rest.wrapping_sub(self.read_position) as i32 > 0 {
                rest
            } else {
                self.read_position
            };
            let samples = from.wrapping_sub(rest) as i32;
            for at in (0..samples.max(0) as usize).step_by(BLOCK_SAMPLES) {
                mark(&mut self.rested, rest as usize + at, true);
            }
        }
        self.end = to;
    }

    fn samples_at<const N: usize>(&self, position: u32) -> [u8; N] {
        let start = position as usize % WINDOW_SAMPLES;
        let mut samples = [0; N];
        let (head, tail) = samples.split_at_mut(N.min(WINDOW_SAMPLES - start));
        head.copy_from_slice(&self.samples[start..start + head.len()]);
        tail.copy_from_slice(&self.samples[..tail.len()]);
        samples
    }

    fn linear_at<const N: usize>(&self, codec: Codec, position: u32) -> [i16; N] {
        let table = g711::linear(codec);
        self.samples_at::<N>(position).map(|code| table[usize::from(code)])
    }

    fn put(&mut self, position: u32, codes: &[u8]) {
        let start = position as usize % WINDOW_SAMPLES;
        let (head, tail) = codes.split_at(codes.len().min(WINDOW_SAMPLES - start));
        self.samples[start..start + head.len()].copy_from_slice(head);
        self.samples[..tail.len()].copy_from_slice(tail);
    }
}

/// One bit for each millisecond of the window.
type Blocks = [u64; WINDOW_BLOCKS / 64];

fn is_marked(blocks: &Blocks, block: usize) -> bool {
    let block = block % WINDOW_BLOCKS;
    blocks[block / 64] >> (block % 64) & 1 == 1
}

fn mark(blocks: &mut Blocks, place: usize, is_marked: bool) {
    let block = place % WINDOW_SAMPLES / BLOCK_SAMPLES;
    let bit = 1 << (block % 64);
    match is_marked {
        true => blocks[block / 64] |= bit,
        false => blocks[block / 64] &= !bit,
    }
}

/// What a millisecond of the window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Written,
    /// Missing; it may still come until it is read.
    Lost,
    /// Missing, for a reason of the sender.
    Rests,
}

/// 256 ms: what arrived ahead, and what was handed out. A power of two, so that positions may wrap.
pub(super) const WINDOW_SAMPLES: usize = 2_048;
const _: () = assert!(WINDOW_SAMPLES.is_power_of_two());
/// Samples of 1 ms, the unit of what is written.
const BLOCK_SAMPLES: usize = crate::clock::SAMPLES_A_MS as usize;
const WINDOW_BLOCKS: usize = WINDOW_SAMPLES / BLOCK_SAMPLES;
const _: () = assert!(FRAME_SAMPLES.is_multiple_of(BLOCK_SAMPLES));
/// Samples that stay behind the read position, and the frame that is cleared next.
const KEPT_SAMPLES: usize = PAST_SAMPLES.next_multiple_of(FRAME_SAMPLES) + FRAME_SAMPLES;
/// 176 ms: samples from the read position on that may be written.
pub(super) const AHEAD_SAMPLES: usize = WINDOW_SAMPLES - KEPT_SAMPLES;
/// Consecutive late packets that mean that the peer's clock is slower than ours.
const LATE_MAX: u8 = 3;
