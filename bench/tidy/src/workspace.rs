//! The workspace as `cargo metadata` prints it: packages, their folders, and the tables of the root manifest.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::source::ROOT;

/// The output of `cargo metadata`.
pub struct Workspace(Value);

impl Workspace {
    /// Asks cargo, without the network.
    pub fn read() -> Self {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
            .current_dir(ROOT)
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self(serde_json::from_slice(&output.stdout).expect("cargo prints JSON"))
    }

    /// A table of `[workspace.metadata]` whose values are lists of words.
    pub fn table(&self, name: &str) -> BTreeMap<String, Vec<String>> {
        let table = self.0["metadata"][name].as_object();
        let table = table.unwrap_or_else(|| panic!("[workspace.metadata.{name}]"));
        table.iter().map(|(key, words)| (key.clone(), list(words).map(text).collect())).collect()
    }

    /// Every package.
    pub fn packages(&self) -> Vec<Package> {
        let root = PathBuf::from(text(&self.0["workspace_root"]));
        let packages = list(&self.0["packages"]).map(|package| {
            let manifest = PathBuf::from(text(&package["manifest_path"]));
            let folder = manifest.parent().and_then(|folder| folder.strip_prefix(&root).ok());
            Package {
                name: text(&package["name"]),
                folder: folder.expect("below the root").to_owned(),
                dependencies: list(&package["dependencies"]).map(Dependency::new).collect(),
            }
        });
        packages.collect()
    }
}

/// One package of the workspace.
pub struct Package {
    /// Its name.
    pub name: String,
    /// The folder of its manifest, from the root.
    pub folder: PathBuf,
    /// What its manifest depends on, packages of the workspace and others.
    pub dependencies: Vec<Dependency>,
}

/// One dependency of a package.
pub struct Dependency {
    /// Its name.
    pub name: String,
    /// A package of this workspace.
    pub is_own: bool,
    /// In `[dependencies]`.
    pub is_for_production: bool,
    /// In `[dev-dependencies]`.
    pub is_for_tests: bool,
}

impl Dependency {
    fn new(dependency: &Value) -> Self {
        Self {
            name: text(&dependency["name"]),
            is_own: dependency["path"].is_string(),
            is_for_production: dependency["kind"].is_null(),
            is_for_tests: dependency["kind"] == "dev",
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("an array").iter()
}
