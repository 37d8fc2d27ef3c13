//! Vendored archives: their hash is the one of their list, and every package in it has a licence that the binary may carry.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::source::ROOT;

const FOLDER: &str = "signaling/function-worker/vendor";
/// Licences that ask for their text only, which the archive holds.
const LICENCES: &[&str] = &["MIT", "ISC", "BSD-3-Clause", "Apache-2.0"];

/// The values of a key, in order.
fn values<'a>(listing: &'a str, key: &str) -> Vec<&'a str> {
    let start = format!("{key} = \"");
    let lines = listing.lines().filter_map(|line| line.strip_prefix(start.as_str()));
    lines.map(|rest| rest.trim_end_matches('"')).collect()
}

#[test]
fn the_archive_is_the_listed_one_and_its_licences_are_known() {
    let folder = Path::new(ROOT).join(FOLDER);
    let listing = fs::read_to_string(folder.join("VENDOR.toml")).expect("the list");
    let file = values(&listing, "file");
    let archive = fs::read(folder.join(file[0])).expect("the archive");
    let mut digest = String::new();
    for byte in Sha256::digest(&archive) {
        write!(digest, "{byte:02x}").expect("a String takes all");
    }
    assert_eq!(values(&listing, "sha256"), [digest.as_str()], "run bench/clients/vendor-twilio");
    let names = values(&listing, "name");
    let licences = values(&listing, "licence");
    assert!(names.len() > 40 && names.len() == licences.len(), "each package has a licence");
    for (name, licence) in names.iter().zip(licences) {
        assert!(LICENCES.contains(&licence), "{name}: the licence {licence} is not in LICENCES");
    }
}
