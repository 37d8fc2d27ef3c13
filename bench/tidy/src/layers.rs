//! `[workspace.metadata.layers]` against `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use crate::workspace::Workspace;

type Edges = BTreeMap<String, BTreeSet<String>>;

/// The allowed edges, as the workspace manifest states them.
fn allowed(workspace: &Workspace) -> Edges {
    let table = workspace.table("layers").into_iter();
    table.map(|(package, below)| (package, below.into_iter().collect())).collect()
}

/// The edges that manifests really have, tests and build scripts left out.
fn actual(workspace: &Workspace, allowed: &Edges) -> Edges {
    let edges = workspace.packages().into_iter().map(|package| {
        let below = package.dependencies.into_iter();
        let below = below.filter(|dependency| dependency.is_for_production && dependency.is_own);
        let below = below.map(|dependency| dependency.name);
        (package.name, below.filter(|name| allowed.contains_key(name)).collect())
    });
    edges.collect()
}

#[test]
fn every_package_stands_in_the_layer_table() {
    let workspace = Workspace::read();
    let allowed = allowed(&workspace);
    let packages: BTreeSet<String> = actual(&workspace, &allowed).into_keys().collect();
    let table: BTreeSet<String> = allowed.into_keys().collect();
    assert_eq!(packages, table, "add the package to [workspace.metadata.layers]");
}

#[test]
fn no_package_depends_on_one_above_it() {
    let workspace = Workspace::read();
    let allowed = allowed(&workspace);
    for (package, below) in actual(&workspace, &allowed) {
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
    (
        "mio",
        &["gateway", "shell", "streams", "recognition", "transport"],
        "event loops belong to shells",
    ),
    (
        "tokio",
        &[
            "gateway",
            "audio",
            "webhook",
            "speech",
            "storage",
            "recognition",
            "http-server",
            "hosted",
            "functions",
        ],
        "no async runtime below the shells",
    ),
    (
        "rustls",
        &["gateway", "streams", "recognition", "transport", "webhook", "http-server", "load"],
        "TLS is a transport of shells",
    ),
    ("io-uring", &["io"], "rings belong to media/io"),
    ("socket2", &["io", "gateway", "streams", "transport", "load"], "sockets belong to shells"),
    ("nix", &["gateway"], "sockets belong to shells"),
    ("rusqlite", &["database"], "SQL stays behind the store"),
];

#[test]
fn outside_packages_stay_in_their_layer() {
    for package in Workspace::read().packages() {
        for dependency in &package.dependencies {
            for (banned, homes, reason) in OUTSIDERS {
                let at_home = homes.contains(&package.name.as_str()) || dependency.is_for_tests;
                assert!(
                    at_home || dependency.name != *banned,
                    "{} uses {banned}: {reason}",
                    package.name
                );
            }
        }
    }
}
