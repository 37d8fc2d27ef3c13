//! `[workspace.metadata.layers]` against `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

type Edges = BTreeMap<String, BTreeSet<String>>;

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("an array")
}

/// The allowed edges, as the workspace manifest states them.
fn allowed(metadata: &Value) -> Edges {
    let layers = metadata["metadata"]["layers"].as_object().expect("the layer table");
    layers
        .iter()
        .map(|(package, below)| (package.clone(), list(below).iter().map(text).collect()))
        .collect()
}

/// The edges that manifests really have, tests and build scripts left out.
fn actual(metadata: &Value, allowed: &Edges) -> Edges {
    let mut edges = Edges::new();
    for package in list(&metadata["packages"]) {
        let below = list(&package["dependencies"])
            .iter()
            .filter(|dependency| dependency["kind"].is_null() && dependency["path"].is_string())
            .map(|dependency| text(&dependency["name"]))
            .filter(|name| allowed.contains_key(name))
            .collect();
        edges.insert(text(&package["name"]), below);
    }
    edges
}

#[test]
fn every_package_stands_in_the_layer_table() {
    let metadata = metadata();
    let allowed = allowed(&metadata);
    let packages: BTreeSet<String> = actual(&metadata, &allowed).into_keys().collect();
    let table: BTreeSet<String> = allowed.into_keys().collect();
    assert_eq!(packages, table, "add the package to [workspace.metadata.layers]");
}

#[test]
fn no_package_depends_on_one_above_it() {
    let metadata = metadata();
    let allowed = allowed(&metadata);
    for (package, below) in actual(&metadata, &allowed) {
        let listed = &allowed[&package];
        let extra: Vec<_> = below.difference(listed).collect();
        assert!(
            extra.is_empty(),
            "{package} depends on {extra:?}: not in its row of [workspace.metadata.layers]"
        );
    }
}

/// Outside packages that only one layer may know, with the reason.
const OUTSIDERS: &[(&str, &[&str], &str)] = &[
    ("mio", &["gateway", "shell", "transport"], "event loops belong to shells"),
    (
        "tokio",
        &["gateway", "audio", "webhook", "speech", "http-server"],
        "no async runtime below the shells",
    ),
    (
        "rustls",
        &["gateway", "transport", "webhook", "http-server", "load"],
        "TLS is a transport of shells",
    ),
    ("io-uring", &["io"], "rings belong to media/io"),
    ("socket2", &["io", "gateway", "transport", "load"], "sockets belong to shells"),
    ("nix", &["gateway"], "sockets belong to shells"),
    ("rusqlite", &["database"], "SQL stays behind the store"),
];

#[test]
fn outside_packages_stay_in_their_layer() {
    for package in list(&metadata()["packages"]) {
        let name = text(&package["name"]);
        for dependency in list(&package["dependencies"]) {
            let outsider = text(&dependency["name"]);
            for (banned, homes, reason) in OUTSIDERS {
                let at_home = homes.contains(&name.as_str()) || dependency["kind"] == "dev";
                assert!(at_home || outsider != *banned, "{name} uses {banned}: {reason}");
            }
        }
    }
}
