//! A recorder that counts frames and writes no file.

use std::collections::BTreeMap;

use control::RecordingFile;
use shared::TapFrame;
use shared::ids::TapId;

/// Frames of each open recording so far.
#[derive(Default)]
pub struct Recorder {
    open: BTreeMap<TapId, u64>,
}

/// Size of a WAV header.
const HEADER_BYTES: u64 = 44;
/// 20 ms of 16-bit samples at 8 kHz.
const FRAME_BYTES: u64 = 320;

impl Recorder {
    pub fn open(&mut self, tap: TapId) {
        self.open.insert(tap, 0);
    }

    pub fn discard(&mut self, tap: TapId) {
        self.open.remove(&tap);
    }

    /// Recordings that wait for their last frame.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Takes a frame; the file where it was the last one.
    ///
    /// # Errors
    /// The tap has no open recording.
    pub fn take(&mut self, frame: &TapFrame) -> Result<Option<RecordingFile>, String> {
        let Some(frames) = self.open.get_mut(&frame.tap) else {
            return Err(format!("a frame of an unknown tap {:?}", frame.tap));
        };
        if !frame.last {
            *frames += 1;
            return Ok(None);
        }
        let frames = *frames;
        self.open.remove(&frame.tap);
        let bytes = frames * FRAME_BYTES + HEADER_BYTES;
        Ok(Some(RecordingFile {
            duration_ms: frames * 20,
            bytes,
            empty: frames == 0,
            missing_ms: 0,
            cut_ms: 0,
            encryption: None,
        }))
    }
}
