//! Packages: those that a deployment brings, and those of the operator, a folder `node_modules`, as npm makes it, that all
//! functions may load from. Shell; it blocks for the disk.
//!
//! A gateway asks no registry: a deployment that names a package brings it, or the operator has installed it. A worker
//! knows the names of the files from its start and reads nothing that was not a file then: a link, or a path with dots,
//! leads nowhere.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use shared::limits::FUNCTION_PACKAGE_FILES_MAX;

use crate::archive::{Archive, is_script};

/// The packages of a worker; those in a folder as they were when it was read.
#[derive(Default)]
pub(crate) struct Packages {
    /// Those of the deployment, which win.
    own: Option<Archive>,
    folder: PathBuf,
    /// Scripts and their descriptions, by their path below the folder.
    files: BTreeSet<String>,
}

impl Packages {
    /// Reads the names of all files. No folder: no packages.
    ///
    /// # Errors
    /// The folder cannot be read, or has more files than a worker takes.
    pub(crate) fn of(folder: &Path) -> io::Result<Self> {
        let mut files = BTreeSet::new();
        if !folder.as_os_str().is_empty() {
            walk(folder, "", &mut files)?;
        }
        Ok(Self { own: None, folder: folder.to_owned(), files })
    }

    /// With the packages of a deployment.
    pub(crate) fn with(self, own: Archive) -> Self {
        Self { own: Some(own), ..self }
    }

    /// The names of the files, sorted. A package that the deployment brings hides the operator's of its name.
    pub(crate) fn names(&self) -> Vec<String> {
        let own: BTreeSet<&String> = self.own.iter().flat_map(Archive::names).collect();
        let others = self.files.iter().filter(|name| !self.is_own(name));
        own.into_iter().chain(others).cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether a file is of a package that the deployment brings.
    fn is_own(&self, name: &str) -> bool {
        self.own.as_ref().is_some_and(|own| own.has(package_of(name)))
    }

    /// The content of a file.
    pub(crate) fn read(&self, name: &str) -> Option<Vec<u8>> {
        if self.is_own(name) {
            return self.own.as_ref()?.read(name);
        }
        self.files.contains(name).then(|| fs::read(self.folder.join(name)).ok())?
    }
}

/// The package that a file is of: the first part of its path, or the first two with a scope.
fn package_of(name: &str) -> &str {
    let parts = if name.starts_with('@') { 2 } else { 1 };
    name.match_indices('/').nth(parts - 1).map_or(name, |(at, _)| &name[..at])
}

/// Whether a package is in a folder.
pub(crate) fn has(folder: &Path, name: &str) -> bool {
    let is_name = !name.split('/').any(|part| part.is_empty() || part.starts_with('.'));
    is_name && !folder.as_os_str().is_empty() && folder.join(name).join("package.json").is_file()
}

fn walk(folder: &Path, below: &str, files: &mut BTreeSet<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder.join(below))? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') {
            continue;
        }
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(folder, &path, files)?;
        } else if kind.is_file() && is_script(&path) {
            if files.len() >= FUNCTION_PACKAGE_FILES_MAX {
                let sentence = format!("more than {FUNCTION_PACKAGE_FILES_MAX} scripts");
                return Err(io::Error::other(sentence));
            }
            files.insert(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_found_and_links_and_dots_lead_nowhere() {
        let folder = tempfile::tempdir().expect("a folder");
        let put = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, name).expect("writable");
        };
        for name in
            ["a/package.json", "a/lib/a.js", "a/README.md", "@s/b/package.json", ".bin/x.js"]
        {
            put(name);
        }
        std::os::unix::fs::symlink("/etc", folder.path().join("a/etc")).expect("a link");
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("a/p.js")).expect("a link");
        let packages = Packages::of(folder.path()).expect("read");
        assert_eq!(packages.names(), ["@s/b/package.json", "a/lib/a.js", "a/package.json"]);
        assert_eq!(packages.read("a/lib/a.js").as_deref(), Some(&b"a/lib/a.js"[..]));
        for name in ["a/p.js", "a/../a/lib/a.js", "/etc/passwd", "a/README.md"] {
            assert_eq!(packages.read(name), None, "{name}");
        }
        assert!(has(folder.path(), "a") && has(folder.path(), "@s/b"));
        for name in ["c", "..", "a/..", "", "/etc"] {
            assert!(!has(folder.path(), name), "{name}");
        }
        assert!(Packages::of(Path::new("")).expect("none").names().is_empty());
    }
}
