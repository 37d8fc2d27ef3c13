//! The data folder: lock, key, process generation, credentials of the first account. Shell.
//!
//! | file | what | mode |
//! |---|---|---|
//! | `lock` | held by the running gateway, so that a second start on the folder fails | 0600 |
//! | `sidetone.db` | the store; `-wal` and `-shm` belong to it while the gateway runs | 0644, in a folder of 0700 |
//! | `history.journal` | reserved space, for history while the store cannot write | 0600 |
//! | `key` | 32 bytes in hexadecimal: seals the secrets in the store | 0600 |
//! | `generation` | the number of starts on this folder, modulo 256 | 0600 |
//! | `recordings/` | a folder an account with the files of its recordings | 0755 |
//! | `uploads/` | orders to the bucket of recordings (package `storage`) | 0755 |
//! | `credentials` | the first account, as shell variables | 0600 |

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use shell::{hex, random};

/// The data folder, locked for this process until dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// The kernel releases the lock when this is closed, also after a kill.
    _lock: File,
    /// Seals stored secrets. A new key is not on disk until [`DataDir::keep_key`].
    pub key: [u8; 32],
    /// Whether the folder had no key.
    pub key_is_new: bool,
    /// The generation of this process.
    pub generation: u8,
}

/// Reasons the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another gateway has locked it.
    #[error(
        "another sidetone{} is running on the data folder {}. \
         Stop it, or give this one a folder of its own with --data or node.data_dir.",
        .pid.map_or_else(String::new, |pid| format!(" (process {pid})")), .path.display()
    )]
    Held {
        /// The path of the folder.
        path: PathBuf,
        /// The process that the lock file names.
        pid: Option<u32>,
    },
    /// The system refused something.
    #[error("cannot {what} {}: {source}. {}", .path.display(), remedy(.source))]
    System {
        /// The action, as the sentence has it.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The key file is damaged.
    #[error("the key file {} is damaged: expected 64 hexadecimal digits. Restore it from a backup: without it the secrets in the store cannot be read.", .path.display())]
    Key {
        /// The path of the key file.
        path: PathBuf,
    },
}

impl DataDir {
    /// Makes the folder if it is missing, locks it, reads the key or generates one, and increments the
    /// generation.
    ///
    /// # Errors
    /// [`DataDirError`], each a sentence with its remedy.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| system("make the data folder", path, source))?;
        let lock = lock(path)?;
        let (key, key_is_new) = read_or_make_key(&path.join("key"))?;
        let generation = next_generation(&path.join("generation"))?;
        Ok(Self { path: path.to_owned(), _lock: lock, key, key_is_new, generation })
    }

    /// Writes a new key to disk. Call it after the store is made and before anything is sealed. In this
    /// order a key without a store proves that the store is gone.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep_key(&self) -> Result<(), DataDirError> {
        if !self.key_is_new {
            return Ok(());
        }
        write_whole(&self.path.join("key"), format!("{}\n", hex(&self.key)).as_bytes())
    }

    /// A file that proves that the folder had a store; `None`: there is no such file.
    pub fn trace_of_store(&self) -> Option<PathBuf> {
        let key = self.path.join("key");
        let recordings = self.path.join("recordings");
        let has_recordings = || {
            let accounts = std::fs::read_dir(&recordings).into_iter().flatten().flatten();
            let files = accounts.filter_map(|account| std::fs::read_dir(account.path()).ok());
            files.flatten().next().is_some()
        };
        if !self.key_is_new {
            return Some(key);
        }
        if self.credentials_path().exists() {
            return Some(self.credentials_path());
        }
        has_recordings().then_some(recordings)
    }

    /// Reads the key of a folder on which a gateway may be running: locks, makes and writes nothing.
    ///
    /// # Errors
    /// [`DataDirError`], also for a folder on which no gateway has run.
    pub fn read_key(path: &Path) -> Result<[u8; 32], DataDirError> {
        let path = path.join("key");
        let text =
            std::fs::read_to_string(&path).map_err(|source| system("read", &path, source))?;
        parse_key(text.trim()).ok_or(DataDirError::Key { path })
    }

    /// The path of the embedded store.
    pub fn database_path(&self) -> PathBuf {
        database_in(&self.path)
    }

    /// The folder of all recordings.
    pub fn recordings_path(&self) -> PathBuf {
        self.path.join("recordings")
    }

    /// The folder of orders to the bucket of recordings.
    pub fn uploads_path(&self) -> PathBuf {
        self.path.join("uploads")
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file with the credentials of the first account.
    pub fn credentials_path(&self) -> PathBuf {
        self.path.join("credentials")
    }

    /// Writes the credentials of the first account, for the operator.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_credentials(&self, sid: &str, auth_token: &str) -> Result<(), DataDirError> {
        let text = format!(
            "# The first account of this gateway. Readable by its owner only; keep it so.\n\
             SIDETONE_ACCOUNT_SID={sid}\nSIDETONE_AUTH_TOKEN={auth_token}\n"
        );
        write_whole(&self.credentials_path(), text.as_bytes())
    }
}

/// What to do about an error of the data folder.
fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "The disk has no room: free some, or name a data folder on another disk (--data, node.data_dir)."
        }
        _ => "The data folder (--data, node.data_dir) must be writable.",
    }
}

fn lock(folder: &Path) -> Result<File, DataDirError> {
    let path = folder.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|source| system("open", &path, source))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut text = String::new();
            let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(DataDirError::Held { path: folder.to_owned(), pid });
        }
        Err(errno) => return Err(system("lock", &path, errno.into())),
    }
    // The process id is only for the error of a second start; the lock holds without it.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

/// The key, and whether it is new.
fn read_or_make_key(path: &Path) -> Result<([u8; 32], bool), DataDirError> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let key = parse_key(text.trim());
            Ok((key.ok_or_else(|| DataDirError::Key { path: path.to_owned() })?, false))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut key = [0; 32];
            random(&mut key);
            Ok((key, true))
        }
        Err(source) => Err(system("read", path, source)),
    }
}

fn parse_key(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(key)
}

/// A damaged generation starts again at 0. Its only use is to recognise stray messages of an earlier
/// process.
fn next_generation(path: &Path) -> Result<u8, DataDirError> {
    let before = std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u8>().ok());
    let generation = before.map_or(0, |before| before.wrapping_add(1));
    write_whole(path, format!("{generation}\n").as_bytes())?;
    Ok(generation)
}

/// Writes a file completely or not at all: to a temporary name, synced, renamed, the folder synced.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), DataDirError> {
    let temporary = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|source| system("write", path, source))
}

/// The path of the embedded store in a data folder.
pub fn database_in(folder: &Path) -> PathBuf {
    folder.join("sidetone.db")
}

fn system(what: &'static str, path: &Path, source: io::Error) -> DataDirError {
    DataDirError::System { what, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn the_first_start_makes_a_private_folder_with_a_private_key() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("data");
        let data = DataDir::open(&path).expect("opened");
        data.keep_key().expect("written");
        data.write_credentials("AC0", "secret").expect("written");
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join("key")), 0o600);
        assert_eq!(mode(&data.credentials_path()), 0o600);
        assert_eq!(data.generation, 0);
    }

    #[test]
    fn a_second_start_on_one_folder_names_the_process_that_holds_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = DataDir::open(folder.path()).expect("opened");
        let error = DataDir::open(folder.path()).expect_err("held").to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        assert!(error.contains("--data"), "{error}");
        drop(first);
        DataDir::open(folder.path()).expect("free again");
    }

    #[test]
    fn the_key_stays_and_the_generation_grows_and_wraps() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = DataDir::open(folder.path()).expect("opened");
        first.keep_key().expect("written");
        let key = first.key;
        drop(first);
        let second = DataDir::open(folder.path()).expect("opened");
        assert_eq!((second.key, second.generation), (key, 1));
        drop(second);
        std::fs::write(folder.path().join("generation"), "255").expect("written");
        assert_eq!(DataDir::open(folder.path()).expect("opened").generation, 0);
    }

    #[test]
    fn a_damaged_key_is_never_replaced() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("key"), "short").expect("written");
        let error = DataDir::open(folder.path()).expect_err("damaged").to_string();
        assert!(error.contains("backup"), "{error}");
        assert_eq!(std::fs::read(folder.path().join("key")).expect("there"), b"short");
    }
}
