//! Finds the voices of the built-in speech engine and writes a table that embeds them.
//!
//! `ttspico-sys` has its voices as files beside its C source and does not export their path. So this
//! script finds the package through cargo: offline first, then in the registry folders by name (for a
//! machine that never fetched the packages of other platforms), then online.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The package and the folder inside it.
const PACKAGE: &str = "ttspico-sys";
const VOICES: &str = "build/pico/lang";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=Cargo.toml");
    let folder = by_metadata(&["--offline"])
        .or_else(in_registry)
        .or_else(|| by_metadata(&[]))
        .unwrap_or_else(|| panic!("the voices of {PACKAGE} ({VOICES}) are not to be found"));
    let table = table(&folder);
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("voices.rs"), table).expect("OUT_DIR can be written to");
}

/// Rust source of a slice of (file name, bytes), sorted by name.
fn table(folder: &Path) -> String {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder of voices can be read")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "bin"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no voices in {}", folder.display());
    let mut source = String::from("&[\n");
    for path in files {
        let name = path.file_name().and_then(|name| name.to_str()).expect("names are ASCII");
        // Writing to a String cannot fail.
        let _ = writeln!(source, "    ({name:?}, include_bytes!({path:?})),");
    }
    source.push(']');
    source
}

fn by_metadata(flags: &[&str]) -> Option<PathBuf> {
    let cargo = env::var_os("CARGO")?;
    let target = env::var("TARGET").ok()?;
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--filter-platform", &target])
        .args(flags)
        .current_dir(env::var_os("CARGO_MANIFEST_DIR")?)
        .output()
        .ok()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    let packages = metadata["packages"].as_array()?;
    let manifest = packages
        .iter()
        .find(|package| package["name"] == PACKAGE)
        .and_then(|package| package["manifest_path"].as_str())?;
    voices_of(Path::new(manifest).parent()?)
}

/// `$CARGO_HOME/registry/src/*/ttspico-sys-*`, the last by name.
fn in_registry() -> Option<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let user = PathBuf::from(env::var_os("HOME")?);
        Some(user.join(".cargo"))
    })?;
    let mut found = Vec::new();
    for registry in fs::read_dir(home.join("registry/src")).ok()?.flatten() {
        for package in fs::read_dir(registry.path()).ok()?.flatten() {
            if package.file_name().to_string_lossy().starts_with(&format!("{PACKAGE}-")) {
                found.extend(voices_of(&package.path()));
            }
        }
    }
    found.sort();
    found.pop()
}

fn voices_of(package: &Path) -> Option<PathBuf> {
    let folder = package.join(VOICES);
    folder.is_dir().then_some(folder)
}
