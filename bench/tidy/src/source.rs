//! Production source files: which there are, and their lines without tests.

use std::fs;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;

/// The workspace's root folder.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// One source file without its tests.
pub struct Source {
    /// Relative to the root, with `/` between folders.
    pub path: String,
    /// Lines outside test modules, as they stand in the file.
    pub lines: Vec<String>,
    /// Items outside test modules.
    pub items: Vec<syn::Item>,
}

/// All production files below `folders`, in the order of their paths.
///
/// Left out: files that a `#[cfg(test)] mod` declares, folders named `tests`, `benches`, `fuzz` or
/// `target`, and inline test modules.
///
/// # Panics
///
/// Where a file cannot be read or is not Rust: then the tree is broken, and so is what follows.
#[must_use]
pub fn production(root: &Path, folders: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in folders {
        rust_files(&root.join(folder), &mut paths);
    }
    let mut sources = Vec::new();
    let mut tests = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("UTF-8 source");
        let file = syn::parse_file(&text)
            .unwrap_or_else(|error| panic!("{} is not Rust: {error}", path.display()));
        tests.extend(test_files(&path, &file.items));
        sources.push((path, text, file.items));
    }
    sources
        .into_iter()
        .filter(|(path, _, _)| !tests.iter().any(|test| path.starts_with(test)))
        .map(|(path, text, items)| without_tests(root, &path, &text, items))
        .collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !["tests", "benches", "fuzz", "target"].contains(&name) {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

/// The folder in which `mod` declarations of this file look for theirs.
#[must_use]
pub fn module_folder(path: &Path) -> PathBuf {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if ["mod", "lib", "main"].contains(&stem) {
        path.with_file_name("")
    } else {
        path.with_extension("")
    }
}

/// The files, and the folders beside them, that belong to `#[cfg(test)] mod name;`.
fn test_files(path: &Path, items: &[syn::Item]) -> Vec<PathBuf> {
    let folder = module_folder(path);
    let mut files = Vec::new();
    for item in items {
        let syn::Item::Mod(module) = item else { continue };
        if module.content.is_none() && is_test_only(&module.attrs) {
            files.push(folder.join(format!("{}.rs", module.ident)));
            files.push(folder.join(module.ident.to_string()));
        }
    }
    files
}

fn without_tests(root: &Path, path: &Path, text: &str, items: Vec<syn::Item>) -> Source {
    let mut keep = vec![true; text.lines().count()];
    let mut kept = Vec::new();
    for item in items {
        if is_test_only(attributes(&item)) {
            let span = item.span();
            keep[span.start().line - 1..span.end().line].fill(false);
        } else {
            kept.push(item);
        }
    }
    let lines = text.lines().zip(&keep).filter(|(_, keep)| **keep);
    Source {
        path: path.strip_prefix(root).expect("below the root").display().to_string(),
        lines: lines.map(|(line, _)| line.to_owned()).collect(),
        items: kept,
    }
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
