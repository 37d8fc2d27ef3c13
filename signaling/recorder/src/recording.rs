//! One running recording: frames in, bytes of a WAV file out.
//!
//! Time in the file is the index of the frame, not the moment it arrived: a missing frame becomes
//! silence of its length and a late one is dropped, so both channels stay aligned.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use plane::g711;
use shared::{Codec, FRAME_SAMPLES, TapFrame, limits};

use crate::event::{OpenRecording, RecordingOutcome};
use crate::finish::Finished;
use crate::wav::{self, Encoding, MULAW_HEADER_BYTES, SILENCE};

/// Bytes buffered before a write: one second of one channel.
const BUFFER_BYTES: usize = 8_000;
/// Most frames in one recording.
const FRAMES_MAX: u32 = limits::RECORDING_S_MAX * FRAMES_A_SECOND;
/// A frame holds 20 ms.
const FRAMES_A_SECOND: u32 = 50;
/// A frame counts as silent for trimming when its loudest sample stays below this (about -48 dBFS):
/// above the noise of a quiet line, below the softest speech.
const SILENCE_PEAK: u16 = 128;
/// Frames kept before the first and after the last sound, so that no word loses its edge.
const MARGIN_FRAMES: u32 = 10;

/// A recording in progress and its file.
pub(super) struct Recording {
    plan: OpenRecording,
    file: File,
    unfinished: PathBuf,
    path: PathBuf,
    /// Samples that are not yet in the file.
    buffer: Vec<u8>,
    /// Bytes of samples in the file.
    written: u64,
    /// Index of the next frame.
    next_index: u32,
    /// Frames cut off before the first sound.
    leading_frames: u32,
    /// End of the last sound, in bytes of samples; `None` before the first sound.
    last_sound: Option<u64>,
    gaps: u32,
    gap_frames: u32,
    late_frames: u64,
    peak: u16,
    /// Bytes of silence that the file still lacks: all of a recording that is nothing but silence.
    silence: u64,
    /// The error that stopped writing. Later samples are discarded, also when the disk takes bytes again: a
    /// recording with a hole of unknown length would be worse than one that ends early.
    fault: Option<String>,
}

/// Whether a recording takes more frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    More,
    /// The limit on length or size is reached.
    Full,
}

impl Recording {
    /// Creates the file with its header.
    pub(super) fn create(root: &Path, plan: OpenRecording) -> io::Result<Self> {
        let path = crate::path(root, plan.account, plan.recording);
        let unfinished = path.with_extension(format!("wav.{}", crate::UNFINISHED));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&unfinished)?;
        file.write_all_at(&wav::mulaw_header(u16::from(plan.channels), 0), 0)?;
        Ok(Self {
            plan,
            file,
            unfinished,
            path,
            buffer: Vec::with_capacity(BUFFER_BYTES * 2),
            written: 0,
            next_index: 0,
            leading_frames: 0,
            last_sound: None,
            gaps: 0,
            gap_frames: 0,
            late_frames: 0,
            peak: 0,
            silence: 0,
            fault: None,
        })
    }

    /// Takes a frame. Frames lost before it become silence, so that positions in the file stay true.
    pub(super) fn take(&mut self, frame: &TapFrame) -> Taken {
        if frame.index < self.next_index {
            self.late_frames += 1;
            return Taken::More;
        }
        let index = frame.index.min(FRAMES_MAX);
        let missing = index - self.next_index;
        if missing > 0 {
            self.gaps += 1;
            self.gap_frames += missing;
            self.add_silence(missing);
        }
        self.next_index = index;
        if frame.last {
            return Taken::More;
        }
        if self.is_full() {
            return Taken::Full;
        }
        self.next_index += 1;
        let peak = self.add(frame);
        self.peak = self.peak.max(peak);
        if peak >= SILENCE_PEAK {
            self.last_sound = Some(self.length());
        }
        self.settle();
        Taken::More
    }

    /// Writes and trims the rest. The helper then syncs and renames the file.
    pub(super) fn finish(mut self) -> Finished {
        let taped_frames = self.next_index;
        if taped_frames > 0 && self.fault.is_none() {
            let closed = self.close();
            self.keep_fault(closed);
        }
        let cut_ms = self.cut_off();
        let facts =
            wav::WavFacts::of_data(Encoding::Mulaw, u16::from(self.plan.channels), self.written);
        let frame_ms = 1_000 / FRAMES_A_SECOND;
        let outcome = match self.fault {
            Some(sentence) if self.written == 0 => RecordingOutcome::Failed { sentence },
            None if taped_frames == 0 => RecordingOutcome::Absent,
            Some(_) | None => RecordingOutcome::Completed,
        };
        Finished {
            file: self.file,
            unfinished: self.unfinished,
            path: self.path,
            plan: self.plan,
            silence: self.silence,
            outcome,
            facts,
            taped_ms: u64::from(taped_frames * frame_ms),
            gaps: self.gaps,
            gap_ms: u64::from(self.gap_frames * frame_ms),
            cut_ms,
            peak: self.peak,
        }
    }

    /// Ends a file that the disk stopped taking with what it has; milliseconds that it lacks. That needs no
    /// room: the header is overwritten in place, and the file only shrinks.
    fn cut_off(&mut self) -> u64 {
        if self.fault.is_none() {
            return 0;
        }
        self.silence = 0;
        let end = MULAW_HEADER_BYTES + self.written;
        let ended = self.file.set_len(end).and_then(|()| self.write_header());
        if let Err(error) = ended {
            // Its length is right all the same: a header counts no samples that are missing.
            tracing::error!(recording = %self.plan.recording, %error, "recording has an old header");
        }
        let kept = self.written / self.frame_bytes();
        let whole = u64::from(self.next_index.saturating_sub(self.leading_frames));
        whole.saturating_sub(kept) * u64::from(1_000 / FRAMES_A_SECOND)
    }

    fn is_full(&self) -> bool {
        let bytes = MULAW_HEADER_BYTES + self.length() + self.frame_bytes();
        self.next_index >= FRAMES_MAX || bytes > limits::RECORDING_BYTES_MAX
    }

    /// Bytes of samples, including buffered ones.
    fn length(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn frame_bytes(&self) -> u64 {
        u64::from(self.plan.channels) * FRAME_SAMPLES as u64
    }

    /// Appends the samples of a frame; returns their peak.
    fn add(&mut self, frame: &TapFrame) -> u16 {
        let said = frame.inbound.map(|samples| to_mulaw(frame.codec, samples));
        let heard = frame.outbound.map(|samples| to_mulaw(frame.codec, samples));
        let silence = [SILENCE; FRAME_SAMPLES];
        let peak = [&said, &heard].into_iter().flatten().flatten();
        let peak = peak.map(|code| linear(*code).unsigned_abs()).max().unwrap_or(0);
        match (said, heard) {
            // As they came, so that what two channels hold was coded once.
            (said, heard) if self.plan.channels == 2 => {
                let said = said.unwrap_or(silence).into_iter();
                let pairs = said.zip(heard.unwrap_or(silence)).flat_map(<[u8; 2]>::from);
                self.buffer.extend(pairs);
            }
            (Some(said), Some(heard)) => {
                let mixed = said.into_iter().zip(heard).map(|(said, heard)| {
                    g711::encode(Codec::Pcmu, linear(said).saturating_add(linear(heard)))
                });
                self.buffer.extend(mixed);
            }
            (one, other) => self.buffer.extend(one.or(other).unwrap_or(silence)),
        }
        peak
    }

    fn add_silence(&mut self, frames: u32) {
        if self.is_still_leading() {
            self.leading_frames += frames;
            return;
        }
        // Written out, in parts of the buffer's size: the bytes of a hole would be the loudest code.
        let mut left = u64::from(frames) * self.frame_bytes();
        while left > 0 {
            let room = BUFFER_BYTES.saturating_sub(self.buffer.len()).max(1);
            let part = usize::try_from(left).unwrap_or(room).min(room);
            self.buffer.resize(self.buffer.len() + part, SILENCE);
            left -= part as u64;
            if self.buffer.len() >= BUFFER_BYTES {
                let written = self.flush();
                self.keep_fault(written);
            }
        }
    }

    /// Whether everything so far is silence that will be trimmed.
    fn is_still_leading(&self) -> bool {
        self.plan.trim && self.last_sound.is_none()
    }

    /// Writes a full buffer. Before the first sound of a trimmed recording, keeps only the margin.
    fn settle(&mut self) {
        if self.is_still_leading() {
            let margin = u64::from(MARGIN_FRAMES) * self.frame_bytes();
            while self.buffer.len() as u64 > margin {
                let frame = usize::try_from(self.frame_bytes()).unwrap_or(self.buffer.len());
                self.buffer.drain(..frame);
                self.leading_frames += 1;
            }
        } else if self.buffer.len() >= BUFFER_BYTES {
            let written = self.flush();
            self.keep_fault(written);
        }
    }

    /// Writes the buffer, then the header that counts it. In this order the header never counts
    /// samples that are missing.
    fn flush(&mut self) -> io::Result<()> {
        if self.fault.is_some() || self.buffer.is_empty() {
            self.buffer.clear();
            return Ok(());
        }
        self.file.write_all_at(&self.buffer, MULAW_HEADER_BYTES + self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        self.write_header()
    }

    fn write_header(&self) -> io::Result<()> {
        self.file.write_all_at(&wav::mulaw_header(u16::from(self.plan.channels), self.written), 0)
    }

    fn close(&mut self) -> io::Result<()> {
        if self.is_still_leading() {
            // A recording that holds only silence is kept, untrimmed (twiml.md 2.5).
            self.buffer.clear();
            self.written = u64::from(self.next_index) * self.frame_bytes();
            self.silence = self.written;
        } else {
            self.flush()?;
            if let Some(sound) = self.last_sound.filter(|_| self.plan.trim) {
                let margin = u64::from(MARGIN_FRAMES) * self.frame_bytes();
                self.written = self.written.min(sound + margin);
            }
        }
        self.file.set_len(MULAW_HEADER_BYTES + self.written)?;
        self.write_header()
    }

    fn keep_fault(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            let at_ms = u64::from(self.next_index) * 20;
            tracing::error!(recording = %self.plan.recording, %error, "recording cannot be written");
            self.fault
                .get_or_insert(format!("the file could not be written after {at_ms} ms: {error}"));
        }
    }
}

/// Mu-law of either codec.
fn to_mulaw(codec: Codec, samples: [u8; FRAME_SAMPLES]) -> [u8; FRAME_SAMPLES] {
    match codec {
        Codec::Pcmu => samples,
        Codec::Pcma => samples.map(|code| g711::ALAW_TO_MULAW[usize::from(code)]),
    }
}

fn linear(mulaw: u8) -> i16 {
    g711::decode(Codec::Pcmu, mulaw)
}
