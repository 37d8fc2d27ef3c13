//! Bytes that can be read from any position: a file of the folder, or an object of another store.

use std::fmt;
use std::fs::File;
use std::io;

use shared::{AccountSid, RecordingSid};

/// Bytes that can be read from any position. Reading may block.
pub trait Source: fmt::Debug + Send {
    /// The number of bytes.
    ///
    /// # Errors
    /// An error of the file system.
    fn length(&self) -> io::Result<u64>;

    /// Fills the buffer with the bytes from `at` on.
    ///
    /// # Errors
    /// The bytes cannot be read, or there are fewer.
    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()>;
}

impl Source for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, at)
    }
}

/// A recording as it is kept.
#[derive(Debug)]
pub enum Kept {
    /// A WAV file in the clear.
    Plain(Box<dyn Source>),
    /// Bytes that only the holder of the private key can open.
    Sealed(Box<dyn Source>),
}

/// Recordings that the folder no longer holds. Called on threads that may block.
pub trait Elsewhere: Send + Sync {
    /// The bytes of a recording; `None` if it is not there.
    ///
    /// # Errors
    /// The place cannot be reached, or refuses.
    fn open(&self, account: AccountSid, recording: RecordingSid) -> io::Result<Option<Kept>>;
}
