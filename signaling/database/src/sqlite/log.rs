//! The check of a write-ahead log, before SQLite reads it. Blocks.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use store::StoreError;

use super::error::unreadable;

/// Checks that the write-ahead log still has every commit written to it.
///
/// SQLite reads a log up to the first frame whose checksum is wrong and drops the rest. That is right after a power
/// failure, which tears the last transaction, but hides an overwritten file. Every commit is synced before the
/// next begins, so two commits behind a broken frame are commits that were lost.
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    let damaged = |what| StoreError::DamagedLog { path: path.to_owned(), what };
    let unreadable = |error| unreadable(path, &error);
    let mut file = match File::open(path) {
        Ok(file) => BufReader::with_capacity(1 << 20, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(unreadable(source)),
    };
    let mut header = [0; HEADER_BYTES];
    if !fill(&mut file, &mut header).map_err(unreadable)? {
        // Shorter than its header: nothing was ever committed to it.
        return match header.iter().all(|byte| *byte == 0) {
            true => Ok(()),
            false => Err(damaged("its header is cut short")),
        };
    }
    let Some(mut log) = Log::new(&header) else {
        return Err(damaged("its header is not that of a log"));
    };
    // One frame at a time: a log may be larger than the memory that a start should take.
    let mut frame = vec![0; FRAME_HEADER_BYTES + log.page_bytes];
    let (mut is_broken, mut commits_behind) = (false, 0);
    while fill(&mut file, &mut frame).map_err(unreadable)? {
        // Behind a broken frame no checksum can hold, as each continues the one before. The frame's own
        // header still says whether it ends a transaction.
        is_broken = is_broken || !log.takes(&frame);
        commits_behind += u32::from(is_broken && log.is_commit(&frame));
    }
    // One commit behind is the transaction that a power failure tore.
    if commits_behind > 1 { Err(damaged("commits stand behind a broken one")) } else { Ok(()) }
}

/// Fills `piece`; false at the end of the file.
fn fill(file: &mut impl Read, piece: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(piece) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The part of a log read so far (SQLite file format, "The Write-Ahead Log").
struct Log {
    page_bytes: usize,
    /// Checksums add words of the file in big-endian order, otherwise little-endian.
    big_endian: bool,
    salts: [u8; 8],
    /// Running checksum over the frames accepted so far.
    sum: (u32, u32),
}

impl Log {
    /// The log that starts with this header; `None` where the header is not one.
    fn new(header: &[u8; HEADER_BYTES]) -> Option<Self> {
        let magic = word(header, 0);
        let page_bytes = usize::try_from(word(header, 8)).ok()?;
        let mut log = Self {
            page_bytes,
            big_endian: magic & 1 == 1,
            salts: header[16..24].try_into().ok()?,
            sum: (0, 0),
        };
        log.sum = log.add(log.sum, &header[..24]);
        let is_whole = log.sum == (word(header, 24), word(header, 28));
        let is_page = PAGE_BYTES.contains(&page_bytes) && page_bytes.is_power_of_two();
        (magic & !1 == MAGIC && is_whole && is_page).then_some(log)
    }

    /// True where the frame follows those accepted so far.
    fn takes(&mut self, frame: &[u8]) -> bool {
        let sum = self.add(self.sum, &frame[..8]);
        let sum = self.add(sum, &frame[FRAME_HEADER_BYTES..]);
        let follows = self.is_of_this_log(frame) && sum == (word(frame, 16), word(frame, 20));
        if follows {
            self.sum = sum;
        }
        follows
    }

    /// True where the frame's own header says that it ends a transaction of this log.
    fn is_commit(&self, frame: &[u8]) -> bool {
        self.is_of_this_log(frame) && word(frame, 4) > 0
    }

    /// Frames left by an earlier round through the same file have other salts.
    fn is_of_this_log(&self, frame: &[u8]) -> bool {
        frame[8..16] == self.salts
    }

    fn add(&self, (mut first, mut second): (u32, u32), bytes: &[u8]) -> (u32, u32) {
        let read = |at: usize| {
            let word = word(bytes, at);
            if self.big_endian { word } else { word.swap_bytes() }
        };
        for at in (0..bytes.len()).step_by(8) {
            first = first.wrapping_add(read(at)).wrapping_add(second);
            second = second.wrapping_add(read(at + 4)).wrapping_add(first);
        }
        (first, second)
    }
}

/// Four bytes as a big-endian number.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

const MAGIC: u32 = 0x377f_0682;
const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
const PAGE_BYTES: std::ops::RangeInclusive<usize> = 512..=65_536;
