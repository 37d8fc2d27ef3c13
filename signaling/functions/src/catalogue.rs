//! All services, in memory and on disk. Shell; its writes block.
//!
//! | in the folder | what |
//! |---|---|
//! | `ZS….json` | a service, without contents |
//! | `contents/ZN…` | the content of a version, never changed |
//!
//! A change is written to a file of another name, synced, renamed into place, and the folder synced, before anybody
//! sees it: what the API has answered survives a loss of power.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use shell::{hex, random};

use crate::service::{Environment, Service};

/// The services of all accounts.
pub(crate) struct Catalogue {
    folder: PathBuf,
    services: RwLock<BTreeMap<String, Arc<Service>>>,
    /// One change at a time: each is made of the service as the last one left it.
    changing: Mutex<()>,
}

impl Catalogue {
    /// Reads the services of a folder, which is made where it is missing. A file that does not read is left alone
    /// and reported.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder.join(CONTENTS))?;
        let mut services = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let read = fs::read(&path).map_err(|error| error.to_string());
            let service = read.and_then(|bytes| {
                serde_json::from_slice::<Service>(&bytes).map_err(|error| error.to_string())
            });
            match service {
                Ok(service) => drop(services.insert(service.sid.clone(), Arc::new(service))),
                Err(error) => {
                    tracing::error!(file = %path.display(), error, "a service of functions cannot be read");
                }
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            services: RwLock::new(services),
            changing: Mutex::default(),
        })
    }

    pub(crate) fn all(&self) -> Vec<Arc<Service>> {
        self.services.read().values().cloned().collect()
    }

    /// The environment with this domain label.
    pub(crate) fn at(&self, label: &str) -> Option<(Arc<Service>, Environment)> {
        let services = self.services.read();
        services.values().find_map(|service| {
            let mut environments = service.environments.iter();
            let found = environments.find(|one| service.label(one).eq_ignore_ascii_case(label))?;
            Some((Arc::clone(service), found.clone()))
        })
    }

    /// Inserts a service, or changes one: `change` gets it as it is now. Blocks for the disk.
    ///
    /// # Errors
    /// What `change` refuses, and the disk.
    pub(crate) fn change<T, E: From<io::Error>>(
        &self,
        sid: &str,
        change: impl FnOnce(Option<&Service>) -> Result<(Service, T), E>,
    ) -> Result<T, E> {
        let _turn = self.changing.lock();
        let before = self.services.read().get(sid).cloned();
        let (service, value) = change(before.as_deref())?;
        let bytes = serde_json::to_vec_pretty(&service).unwrap_or_default();
        write_whole(&self.folder.join(format!("{sid}.json")), &bytes)?;
        self.services.write().insert(sid.to_owned(), Arc::new(service));
        Ok(value)
    }

    /// Deletes a service with its contents. Blocks for the disk.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn delete(&self, service: &Service) -> io::Result<()> {
        let _turn = self.changing.lock();
        fs::remove_file(self.folder.join(format!("{}.json", service.sid)))?;
        File::open(&self.folder)?.sync_all()?;
        self.services.write().remove(&service.sid);
        let versions: Vec<_> = service.versions.iter().map(|version| version.sid.clone()).collect();
        self.drop_contents(&versions);
        Ok(())
    }

    /// Deletes the contents of versions that are gone. What stays is unreachable, as their names are random.
    pub(crate) fn drop_contents(&self, versions: &[String]) {
        for version in versions {
            let _ = fs::remove_file(self.content_path(version));
        }
    }

    /// Keeps the content of a version. Blocks for the disk.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn keep(&self, version: &str, content: &[u8]) -> io::Result<()> {
        write_whole(&self.content_path(version), content)
    }

    /// Reads the content of a version. Blocks for the disk.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn content(&self, version: &str) -> io::Result<Vec<u8>> {
        fs::read(self.content_path(version))
    }

    fn content_path(&self, version: &str) -> PathBuf {
        self.folder.join(CONTENTS).join(version)
    }
}

/// A new SID.
pub(crate) fn new_sid(prefix: &str) -> String {
    let mut bits = [0; 16];
    random(&mut bits);
    format!("{prefix}{}", hex(&bits))
}

/// Variables are secrets, so the files are the owner's alone.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

const CONTENTS: &str = "contents";
