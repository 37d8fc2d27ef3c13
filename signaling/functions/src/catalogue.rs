//! All services, in memory and on disk. Shell; its writes block.
//!
//! | in the folder | what |
//! |---|---|
//! | `ZS….json` | a service, without contents; the values of variables sealed |
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

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use shell::{hex, random};
use store::Sealer;

use crate::service::{Environment, Service};

/// The services of all accounts.
pub(crate) struct Catalogue {
    folder: PathBuf,
    sealer: Arc<dyn Sealer>,
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
    pub(crate) fn open(folder: &Path, sealer: Arc<dyn Sealer>) -> io::Result<Self> {
        fs::create_dir_all(folder.join(CONTENTS))?;
        let mut services = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let read = fs::read(&path).map_err(|error| error.to_string());
            let service = read.and_then(|bytes| Kept::read(&bytes, &*sealer));
            match service {
                Ok(service) => drop(services.insert(service.sid.clone(), Arc::new(service))),
                Err(error) => {
                    tracing::error!(file = %path.display(), error, "a service of functions cannot be read");
                }
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            sealer,
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
        let bytes = Kept::write(&service, &*self.sealer)?;
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

/// A service as its file holds it.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Whether the values of variables are sealed, each for its SID, and then in base64. An older file has them in clear text,
    /// until the service changes.
    #[serde(default)]
    sealed: bool,
    #[serde(flatten)]
    service: Service,
}

impl Kept {
    fn read(bytes: &[u8], sealer: &dyn Sealer) -> Result<Service, String> {
        let kept: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let mut service = kept.service;
        for variable in service.variables_mut().filter(|_| kept.sealed) {
            let sealed = STANDARD.decode(&variable.value).map_err(|error| error.to_string())?;
            let value = sealer.unseal(variable.sid.as_bytes(), &sealed);
            let value = value.ok().and_then(|value| String::from_utf8(value).ok());
            variable.value =
                value.ok_or("the key of the data folder does not open its variables")?;
        }
        Ok(service)
    }

    fn write(service: &Service, sealer: &dyn Sealer) -> io::Result<Vec<u8>> {
        let mut service = service.clone();
        for variable in service.variables_mut() {
            let sealed = sealer.seal(variable.sid.as_bytes(), variable.value.as_bytes());
            variable.value = STANDARD.encode(sealed.map_err(io::Error::other)?);
        }
        Ok(serde_json::to_vec_pretty(&Self { sealed: true, service })?)
    }
}

/// A new SID.
pub(crate) fn new_sid(prefix: &str) -> String {
    let mut bits = [0; 16];
    random(&mut bits);
    format!("{prefix}{}", hex(&bits))
}

/// Code may hold secrets, so the files are the owner's alone.
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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use store::SealError;

    use super::*;

    /// Turns text around behind its context and a key.
    struct Backwards(u8);

    impl Sealer for Backwards {
        fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
            Ok([&[self.0], context, &plain.iter().rev().copied().collect::<Vec<_>>()].concat())
        }

        fn unseal(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
            let plain = sealed.strip_prefix(&[self.0]).ok_or(SealError)?;
            let plain = plain.strip_prefix(context).ok_or(SealError)?;
            Ok(plain.iter().rev().copied().collect())
        }
    }

    fn service() -> Service {
        let service = json!({
            "sid": "ZS1", "account": "AC1", "unique_name": "u", "friendly_name": "f", "domain_base": "u-1234",
            "include_credentials": false, "ui_editable": true, "created_ms": 1, "updated_ms": 1,
            "environments": [{
                "sid": "ZE1", "unique_name": "dev", "domain_suffix": "dev", "build": null, "revision": 1,
                "created_ms": 1, "updated_ms": 1,
                "variables": [{
                    "sid": "ZV1", "key": "TOKEN", "value": "open sesame", "created_ms": 1, "updated_ms": 1,
                }],
            }],
        });
        serde_json::from_value(service).expect("a service")
    }

    fn opened(folder: &Path, key: u8) -> Vec<Arc<Service>> {
        Catalogue::open(folder, Arc::new(Backwards(key))).expect("a folder").all()
    }

    fn change(folder: &Path, service: Service) {
        let catalogue = Catalogue::open(folder, Arc::new(Backwards(1))).expect("a folder");
        catalogue.change("ZS1", |_| Ok::<_, io::Error>((service, ()))).expect("written");
    }

    #[test]
    fn values_of_variables_are_sealed_on_disk_and_open_with_their_key_only() {
        let folder = tempfile::tempdir().expect("a folder");
        change(folder.path(), service());
        let text = fs::read_to_string(folder.path().join("ZS1.json")).expect("a file");
        assert!(text.contains("TOKEN") && !text.contains("open sesame"), "{text}");
        let read = opened(folder.path(), 1);
        assert_eq!(read[0].environments[0].variables[0].value, "open sesame");
        assert!(opened(folder.path(), 2).is_empty(), "another key reads nothing");
    }

    #[test]
    fn a_file_in_clear_text_reads_and_is_sealed_with_its_next_change() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ZS1.json");
        fs::write(&path, serde_json::to_vec(&service()).expect("JSON")).expect("written");
        let read = opened(folder.path(), 1);
        assert_eq!(read[0].environments[0].variables[0].value, "open sesame");
        change(folder.path(), Service::clone(&read[0]));
        assert!(!fs::read_to_string(&path).expect("a file").contains("open sesame"));
    }
}
