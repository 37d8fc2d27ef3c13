//! All finished recordings, for readers: in the folder, or elsewhere.
//!
//! A reader asks [`Library`], which looks into the folder first. A recording whose file was removed after
//! its upload is opened by [`Elsewhere`]; readers do not see the difference, so that a URL of a recording
//! works for as long as the recording exists.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shared::{AccountSid, RecordingSid};

use crate::audio::RecordedAudio;
use crate::rendition::Rendition;
use crate::sealing;
use crate::source::{Elsewhere, Kept};

/// All finished recordings, for readers. Cheap to clone.
#[derive(Clone)]
pub struct Library {
    root: PathBuf,
    elsewhere: Option<Arc<dyn Elsewhere>>,
}

impl Library {
    /// The recordings below the folder `root`, and those that are `elsewhere`.
    pub fn new(root: PathBuf, elsewhere: Option<Arc<dyn Elsewhere>>) -> Self {
        Self { root, elsewhere }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A recording as it is kept.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where nobody has it; else an error of the file system or of the other
    /// store.
    pub fn open(&self, account: AccountSid, recording: RecordingSid) -> io::Result<Kept> {
        let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        match File::open(crate::path(&self.root, account, recording)) {
            Err(error) if is_missing(&error) => {}
            opened => return Ok(Kept::Plain(Box::new(opened?))),
        }
        match File::open(sealing::sealed_path(&self.root, account, recording)) {
            Err(error) if is_missing(&error) => {
                let elsewhere = self.elsewhere.as_ref();
                let found = elsewhere.map(|other| other.open(account, recording)).transpose()?;
                found.flatten().ok_or(error)
            }
            opened => Ok(Kept::Sealed(Box::new(opened?))),
        }
    }

    /// The bytes that a reader gets: linear samples, in two channels where the recording has them and they
    /// are wanted; or what was sealed, as it is.
    ///
    /// # Errors
    /// Those of [`Library::open`]; [`io::ErrorKind::InvalidData`] where the file is not a recording of ours.
    pub fn rendition(
        &self,
        account: AccountSid,
        recording: RecordingSid,
        two_channels: bool,
    ) -> io::Result<Rendition> {
        Rendition::of(self.open(account, recording)?, two_channels)
    }

    /// The audio of a recording, in two channels where it has them, else in one.
    ///
    /// # Errors
    /// Those of [`Library::open`]; [`io::ErrorKind::InvalidData`] where the file is not a recording of ours,
    /// or is sealed.
    pub fn audio(
        &self,
        account: AccountSid,
        recording: RecordingSid,
        two_channels: bool,
    ) -> io::Result<RecordedAudio> {
        let foreign = || io::Error::from(io::ErrorKind::InvalidData);
        let Kept::Plain(source) = self.open(account, recording)? else { return Err(foreign()) };
        RecordedAudio::of(source, two_channels)?.ok_or_else(foreign)
    }
}
