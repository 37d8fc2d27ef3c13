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
use crate::source::{Elsewhere, Source};

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

    /// The file of a recording as it is kept.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where nobody has it; else an error of the file system or of the other
    /// store.
    pub fn open(
        &self,
        account: AccountSid,
        recording: RecordingSid,
    ) -> io::Result<Box<dyn Source>> {
        match File::open(crate::path(&self.root, account, recording)) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let elsewhere = self.elsewhere.as_ref();
                let found = elsewhere.map(|other| other.open(account, recording)).transpose()?;
                found.flatten().ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The audio of a recording, in two channels where it has them, else in one.
    ///
    /// # Errors
    /// Those of [`Library::open`]; [`io::ErrorKind::InvalidData`] where the file is not a recording of ours.
    pub fn audio(
        &self,
        account: AccountSid,
        recording: RecordingSid,
        two_channels: bool,
    ) -> io::Result<RecordedAudio> {
        let source = self.open(account, recording)?;
        let foreign = || io::Error::from(io::ErrorKind::InvalidData);
        RecordedAudio::of(source, two_channels)?.ok_or_else(foreign)
    }
}
