//! The packages that a deployment brings: a ZIP archive of its `node_modules`, as the private asset `node_modules.zip`. Pure.
//!
//! Deploy tools send the names of packages, and nothing of them. An asset passes all of them unchanged, so the packages of a
//! build come as one. The archive is the customer's: entries, names and sizes are bounded when the build is made, and an
//! entry that unpacks to more than it says does not read.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read as _};

use parking_lot::Mutex;
use shared::limits::{FUNCTION_PACKAGE_FILES_MAX, FUNCTION_PACKAGES_BYTES_MAX};
use zip::ZipArchive;

/// Files by their path below `node_modules`.
pub(crate) struct Archive {
    zip: Mutex<ZipArchive<Cursor<Vec<u8>>>>,
    /// Place in the archive, and bytes.
    files: BTreeMap<String, (usize, u64)>,
}

impl Archive {
    /// Reads the directory of an archive.
    ///
    /// # Errors
    /// It is no archive, or is past a bound, in a sentence.
    pub(crate) fn of(bytes: Vec<u8>) -> io::Result<Self> {
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(io::Error::other)?;
        let mut files = BTreeMap::new();
        let mut sum: u64 = 0;
        for at in 0..zip.len() {
            let entry = zip.by_index_raw(at).map_err(io::Error::other)?;
            // Of an entry that leads out of the archive there is no such name.
            let Some(name) =
                entry.enclosed_name().and_then(|name| name.to_str().map(str::to_owned))
            else {
                continue;
            };
            let name = name.strip_prefix("node_modules/").unwrap_or(&name).to_owned();
            let is_hidden = name.split('/').any(|part| part.starts_with('.'));
            if !entry.is_file() || is_hidden || !is_script(&name) {
                continue;
            }
            sum = sum.saturating_add(entry.size());
            files.insert(name, (at, entry.size()));
        }
        if files.len() > FUNCTION_PACKAGE_FILES_MAX {
            let sentence = format!("more than {FUNCTION_PACKAGE_FILES_MAX} scripts");
            return Err(io::Error::other(sentence));
        }
        if sum > FUNCTION_PACKAGES_BYTES_MAX {
            let sentence = format!("more than {FUNCTION_PACKAGES_BYTES_MAX} bytes unpacked");
            return Err(io::Error::other(sentence));
        }
        Ok(Self { zip: Mutex::new(zip), files })
    }

    /// The names of the files, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.files.keys()
    }

    /// Whether a package is in it.
    pub(crate) fn has(&self, package: &str) -> bool {
        self.files.contains_key(&format!("{package}/package.json"))
    }

    /// The content of a file.
    pub(crate) fn read(&self, name: &str) -> Option<Vec<u8>> {
        let (at, bytes) = *self.files.get(name)?;
        let mut zip = self.zip.lock();
        let entry = zip.by_index(at).ok()?;
        let mut content = Vec::new();
        entry.take(bytes + 1).read_to_end(&mut content).ok()?;
        (content.len() as u64 == bytes).then_some(content)
    }
}

/// Whether functions may load a file of this name.
pub(crate) fn is_script(path: &str) -> bool {
    [".js", ".cjs", ".mjs", ".json"].iter().any(|end| path.ends_with(end))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    /// An archive with these files, each of this many bytes.
    fn packed(files: &[(&str, usize)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            zip.start_file(*name, SimpleFileOptions::default()).expect("begun");
            zip.write_all(&vec![b'x'; *bytes]).expect("written");
        }
        zip.finish().expect("closed").into_inner()
    }

    #[test]
    fn scripts_are_found_and_paths_that_lead_out_are_not() {
        let archive = Archive::of(packed(&[
            ("node_modules/a/package.json", 3),
            ("node_modules/a/lib/a.mjs", 5),
            ("node_modules/a/README.md", 5),
            ("node_modules/.bin/x.js", 5),
            ("node_modules/../../x.js", 5),
            ("/etc/x.js", 5),
        ]))
        .expect("an archive");
        let names: Vec<_> = archive.names().cloned().collect();
        assert!(names.starts_with(&["a/lib/a.mjs".to_owned(), "a/package.json".to_owned()]));
        assert!(
            !names.iter().any(|name| name.contains("..") || name.starts_with('/')),
            "{names:?}"
        );
        assert_eq!(archive.read("a/package.json").as_deref(), Some(&b"xxx"[..]));
        assert_eq!(archive.read("a/README.md"), None);
        assert!(archive.has("a") && !archive.has("b"));
    }

    #[test]
    fn bounds_hold_before_anything_is_unpacked() {
        let half = usize::try_from(FUNCTION_PACKAGES_BYTES_MAX / 2).expect("small");
        let files = [("a/1.js", half), ("a/2.js", half), ("a/3.js", 1)];
        let refused = Archive::of(packed(&files)).err().expect("too many bytes");
        assert!(refused.to_string().contains("bytes unpacked"));
        Archive::of(packed(&files[..2])).map(drop).expect("just enough");
    }

    #[test]
    fn an_entry_that_unpacks_to_more_than_it_says_does_not_read() {
        let mut bytes = packed(&[("a/1.js", 1_000)]);
        // The size unpacked, in the central directory (APPNOTE 4.3.12).
        let at = bytes.windows(4).rposition(|four| four == b"PK\x01\x02").expect("a directory");
        bytes[at + 24..at + 28].copy_from_slice(&10_u32.to_le_bytes());
        let archive = Archive::of(bytes).expect("its directory reads");
        assert_eq!(archive.read("a/1.js"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes: Vec<u8>,
            at in 0_usize..200,
            change: u8,
        ) {
            let _ = Archive::of(bytes);
            let mut broken = packed(&[("a/1.js", 20), ("a/2.js", 20)]);
            let place = at % broken.len();
            broken[place] ^= change;
            if let Ok(archive) = Archive::of(broken) {
                let names: Vec<_> = archive.names().cloned().collect();
                for name in names {
                    let _ = archive.read(&name);
                }
            }
        }
    }
}
