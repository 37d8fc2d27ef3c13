//! The folder in a BPF file system that keeps maps and links when the process ends.
//!
//! `entries` and `settings` are the maps; `link-N` is the link at the tc hook of the interface with that index, `xdp-N`
//! and `xdpgeneric-N` those at its XDP hook. Names are short and without dots, which the file system reserves.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::error::{self, KernelError, Step};
use super::hook::Hook;
use super::syscall;

/// The folder; it need not exist yet.
#[derive(Debug)]
pub(super) struct Pins {
    folder: PathBuf,
}

pub(super) const ENTRIES: &str = "entries";
pub(super) const SETTINGS: &str = "settings";

impl Pins {
    /// # Errors
    /// [`KernelError::NoBpffs`] when the folder is elsewhere.
    pub fn new(folder: PathBuf) -> Result<Self, KernelError> {
        error::check_bpffs(&folder)?;
        Ok(Self { folder })
    }

    pub fn pin(&self, object: &OwnedFd, name: &str) -> Result<(), KernelError> {
        let pin = || {
            fs::create_dir_all(&self.folder)?;
            syscall::pin(object, &self.folder.join(name))
        };
        pin().map_err(|error| self.explain(error))
    }

    /// What is pinned under that name; `None` when nothing is.
    pub fn open(&self, name: &str) -> Result<Option<OwnedFd>, KernelError> {
        match syscall::open_pinned(&self.folder.join(name)) {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.explain(error)),
        }
    }

    /// Names of the links that are pinned.
    pub fn links(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| name != ENTRIES && name != SETTINGS).collect()
    }

    pub fn remove(&self, name: &str) -> Result<(), KernelError> {
        match fs::remove_file(self.folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.explain(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Removes every pin and the folder: maps and links end with their last open file.
    pub fn remove_all(&self) -> Result<(), KernelError> {
        let remove = || {
            for entry in fs::read_dir(&self.folder)? {
                fs::remove_file(entry?.path())?;
            }
            fs::remove_dir(&self.folder)
        };
        match remove() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.explain(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// A refusal here is one of the file system: the capabilities for BPF do not open a folder.
    fn explain(&self, source: io::Error) -> KernelError {
        match source.kind() {
            io::ErrorKind::PermissionDenied => {
                KernelError::PinsDenied { path: self.folder.clone() }
            }
            _ => KernelError::System { step: Step::Pin, source },
        }
    }
}

/// Name of the link at a hook of an interface.
pub(super) fn link_name(interface: u32, hook: Hook) -> String {
    let prefix = match hook {
        Hook::Tc => "link",
        Hook::XdpNative => "xdp",
        Hook::XdpGeneric => "xdpgeneric",
    };
    format!("{prefix}-{interface}")
}
