//! The committed corpus: our small files, and the SIP messages of the parser's tests.

use std::fs;
use std::path::{Path, PathBuf};

/// The inputs of a target with the names of their files, in the order of the names.
///
/// # Panics
/// When the checkout lacks a folder or a file cannot be read.
pub fn read(target: &str) -> Vec<(String, Vec<u8>)> {
    folders(target).iter().flat_map(|folder| files(folder)).collect()
}

fn folders(target: &str) -> Vec<PathBuf> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![home.join("corpus").join(target)];
    if target == "sip_message" {
        folders.push(home.join("../../signaling/sip/tests/torture"));
    }
    folders
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("the corpus folder {}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_none_or(|extension| extension != "rs"))
        .collect();
    paths.sort();
    let named = |path: PathBuf| {
        let bytes = fs::read(&path).expect("a readable corpus file");
        (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), bytes)
    };
    paths.into_iter().map(named).collect()
}
