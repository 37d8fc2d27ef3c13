//! A recording in the bucket as a [`Source`]: positions are read by ranges, with a window ahead.
//!
//! A reader takes 64 KiB at a time and goes forward, so one range serves several reads, and a reader that
//! stops early has cost no more than its window. Readers at once are bounded, as each holds a window for
//! as long as its own client takes.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use recorder::{Elsewhere, Kept, Source};
use shared::{AccountSid, RecordingSid};
use tokio::runtime::Handle;

use crate::fault::UploadFailure;
use crate::outbox::Outbox;
use crate::place::Stored;
use crate::s3::S3;

/// Readers of the bucket at once. Past it a reader gets 503.
pub const READERS_MAX: usize = 64;
/// Bytes of a window, and so of a reader.
pub const READER_BYTES: u64 = 256 * 1024;

/// Opens recordings that are in the bucket alone.
pub(crate) struct Shelf {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) s3: S3,
    pub(crate) runtime: Handle,
    pub(crate) readers: Arc<AtomicUsize>,
}

impl Elsewhere for Shelf {
    fn open(&self, account: AccountSid, recording: RecordingSid) -> io::Result<Option<Kept>> {
        let Some(stored) = self.outbox.stored(account, recording)? else { return Ok(None) };
        let place = Seat::take(&self.readers)?;
        let sealed = stored.sealed;
        let object = Box::new(Object {
            stored,
            s3: self.s3.clone(),
            runtime: self.runtime.clone(),
            window: Mutex::new(Window { first: 0, bytes: Vec::new() }),
            _seat: place,
        });
        Ok(Some(if sealed { Kept::Sealed(object) } else { Kept::Plain(object) }))
    }
}

/// The place of one reader.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(readers: &Arc<AtomicUsize>) -> io::Result<Self> {
        let before = readers.fetch_add(1, Ordering::AcqRel);
        let seat = Self(Arc::clone(readers));
        if before >= READERS_MAX {
            return Err(io::Error::other("too many recordings of the bucket are read at once"));
        }
        Ok(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

struct Object {
    stored: Stored,
    s3: S3,
    runtime: Handle,
    window: Mutex<Window>,
    _seat: Seat,
}

struct Window {
    first: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// The bytes of the window from `at` on.
    fn from(&self, at: u64) -> &[u8] {
        let skip = at.checked_sub(self.first).and_then(|skip| usize::try_from(skip).ok());
        skip.and_then(|skip| self.bytes.get(skip..)).unwrap_or_default()
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.stored)
    }
}

impl Source for Object {
    fn length(&self) -> io::Result<u64> {
        Ok(self.stored.bytes)
    }

    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        let mut window = self.window.lock();
        let (mut at, mut rest) = (at, buffer);
        while !rest.is_empty() {
            if window.from(at).is_empty() {
                if at >= self.stored.bytes {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let last = self.stored.bytes.min(at + READER_BYTES) - 1;
                let read = self.s3.read(&self.stored.place, at, last);
                // Readers are on threads that may block; none is a thread of the runtime.
                let bytes = self.runtime.block_on(read).map_err(of_reader)?;
                *window = Window { first: at, bytes };
            }
            let found = window.from(at);
            let count = found.len().min(rest.len());
            let (now, later) = rest.split_at_mut(count);
            now.iter_mut().zip(found).for_each(|(place, byte)| *place = *byte);
            at += count as u64;
            rest = later;
        }
        Ok(())
    }
}

fn of_reader(failure: UploadFailure) -> io::Error {
    let kind = match failure.is_missing() {
        true => io::ErrorKind::NotFound,
        false => io::ErrorKind::Other,
    };
    io::Error::new(kind, failure)
}
