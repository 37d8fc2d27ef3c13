//! Circles of imports between the files of one package.
//!
//! A file's imports are the paths that begin with `crate`, `self` or `super` in its `use` items and
//! in its code. A path is followed through re-exports to the file that defines the item, so a
//! `pub use` in `mod.rs` ties nobody to anything. A file may use what the files of its own parent
//! folders declare: a folder's `mod.rs` is where its children share types, and calls them besides.
//! Circles are the strongly connected components of more than one file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use syn::visit::{self, Visit};

use crate::source::{self, Source};

/// A module's name from the package's root: `["user_agent", "core"]`; the root itself is empty.
type Module = Vec<String>;

/// The files of one package: what they define, re-export and import.
#[derive(Default)]
struct Package {
    files: BTreeMap<Module, File>,
}

#[derive(Default)]
struct File {
    path: String,
    /// Names that this file re-exports, with the paths they stand for; `*` for globs.
    reexports: Vec<(String, Vec<String>)>,
    /// Names that `use` brings into this file, with the paths they stand for.
    names: BTreeMap<String, Vec<String>>,
    /// Absolute paths (from the package's root) that this file names.
    imports: BTreeSet<Vec<String>>,
    /// Paths that begin with a name this file does not import: a child module's, or another crate's.
    relative: BTreeSet<Vec<String>>,
}

impl Package {
    fn new<'a>(folder: &str, sources: impl Iterator<Item = &'a Source>) -> Self {
        let mut package = Self::default();
        for source in sources {
            let module = module_of(folder, &source.path);
            let mut reader = Reader { module: module.clone(), file: File::default() };
            reader.file.path.clone_from(&source.path);
            for item in &source.items {
                reader.visit_item(item);
            }
            package.files.insert(module, reader.file);
        }
        package
    }

    /// The file that defines what the absolute `path` names, followed through at most eight re-exports.
    fn home(&self, path: &[String], depth: usize) -> Option<&Module> {
        let length =
            (0..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
        let (module, file) = self.files.get_key_value(&path[..length])?;
        let rest = &path[length..];
        let Some(name) = rest.first() else { return Some(module) };
        if depth == 0 {
            return Some(module);
        }
        for (exported, target) in &file.reexports {
            let followed = if exported == name {
                [target.as_slice(), &rest[1..]].concat()
            } else if exported == "*" && self.files.contains_key(target) {
                [target.as_slice(), rest].concat()
            } else {
                continue;
            };
            return self.home(&followed, depth - 1);
        }
        Some(module)
    }

    fn edges(&self) -> BTreeMap<&Module, BTreeSet<&Module>> {
        self.files
            .iter()
            .map(|(module, file)| {
                let children = file
                    .relative
                    .iter()
                    .filter(|path| self.files.contains_key(&path[..=module.len()]));
                let below = file.imports.iter().chain(children);
                let below = below.filter_map(|path| self.home(path, 8));
                (module, below.filter(|below| !module.starts_with(below.as_slice())).collect())
            })
            .collect()
    }

    /// Strongly connected components of more than one file, each sorted, largest first.
    fn circles(&self) -> Vec<Vec<&str>> {
        let edges = self.edges();
        let reached: BTreeMap<&Module, BTreeSet<&Module>> =
            edges.keys().map(|module| (*module, reach(&edges, module))).collect();
        let mut circles = Vec::new();
        let mut seen: BTreeSet<&Module> = BTreeSet::new();
        for (module, below) in &reached {
            if !seen.insert(module) || !below.contains(module) {
                continue;
            }
            let circle: Vec<&Module> =
                below.iter().copied().filter(|other| reached[*other].contains(*module)).collect();
            seen.extend(&circle);
            circles.push(circle.iter().map(|module| self.files[*module].path.as_str()).collect());
        }
        circles.sort_by_key(|circle: &Vec<&str>| std::cmp::Reverse(circle.len()));
        circles
    }
}

fn reach<'a>(
    edges: &BTreeMap<&'a Module, BTreeSet<&'a Module>>,
    from: &Module,
) -> BTreeSet<&'a Module> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&Module> = edges[from].iter().copied().collect();
    while let Some(module) = open.pop() {
        if let Some((module, below)) = edges.get_key_value(module)
            && found.insert(*module)
        {
            open.extend(below);
        }
    }
    found
}

fn module_of(folder: &str, path: &str) -> Module {
    let inside = path.strip_prefix(folder).unwrap_or(path).trim_end_matches(".rs");
    let mut module: Module =
        inside.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    if module.last().is_some_and(|last| ["lib", "main", "mod"].contains(&last.as_str())) {
        module.pop();
    }
    module
}

struct Reader {
    module: Module,
    file: File,
}

impl Reader {
    /// The path from the package's root, or `None` where it begins outside the package.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let mut base = self.module.clone();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => base.clear(),
            "self" => {}
            "super" => {
                base.pop();
            }
            name => {
                let target = self.file.names.get(name)?;
                return Some([target.as_slice(), &rest[1..]].concat());
            }
        }
        rest = &rest[1..];
        while rest.first().is_some_and(|part| part == "super") {
            base.pop();
            rest = &rest[1..];
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    fn read_tree(&mut self, tree: &syn::UseTree, prefix: &mut Vec<String>, exported: bool) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.read_tree(&path.tree, prefix, exported);
                prefix.pop();
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.read_tree(tree, prefix, exported);
                }
            }
            syn::UseTree::Glob(_) => self.import("*", prefix, exported),
            syn::UseTree::Name(name) => self.import_name(&name.ident, None, prefix, exported),
            syn::UseTree::Rename(name) => {
                self.import_name(&name.ident, Some(&name.rename), prefix, exported);
            }
        }
    }

    fn import_name(
        &mut self,
        name: &syn::Ident,
        rename: Option<&syn::Ident>,
        prefix: &[String],
        exported: bool,
    ) {
        let mut path = prefix.to_vec();
        if name != "self" {
            path.push(name.to_string());
        }
        let last = path.last().cloned().unwrap_or_default();
        self.import(&rename.map_or(last, ToString::to_string), &path, exported);
    }

    fn import(&mut self, name: &str, path: &[String], exported: bool) {
        // `pub use part::Name` in the file that declares `mod part` names its own child.
        let absolute = self
            .absolute(path)
            .or_else(|| exported.then(|| [self.module.as_slice(), path].concat()));
        let Some(absolute) = absolute else { return };
        if exported {
            self.file.reexports.push((name.to_owned(), absolute));
        } else {
            self.file.imports.insert(absolute.clone());
            self.file.names.insert(name.to_owned(), absolute);
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let exported = !matches!(item.vis, syn::Visibility::Inherited);
        self.read_tree(&item.tree, &mut Vec::new(), exported);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if let Some(absolute) = self.absolute(&parts) {
            self.file.imports.insert(absolute);
        } else if parts.len() > 1 {
            self.file.relative.insert([self.module.as_slice(), &parts].concat());
        }
        visit::visit_path(self, path);
    }
}

/// Package folders, `shared` and `signaling/sip` alike.
fn packages(root: &Path) -> Vec<String> {
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).expect("the root manifest");
    let members = manifest.split("members = [").nth(1).and_then(|rest| rest.split(']').next());
    members.expect("the list of members").split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The circles of each package, largest first.
#[must_use]
pub fn circles(root: &Path) -> BTreeMap<String, Vec<Vec<String>>> {
    packages(root)
        .into_iter()
        .map(|package| {
            let folder = format!("{package}/src");
            let sources = source::production(root, &[&folder]);
            let circles = Package::new(&folder, sources.iter());
            let owned = circles
                .circles()
                .into_iter()
                .map(|circle| circle.into_iter().map(str::to_owned).collect());
            (package, owned.collect())
        })
        .collect()
}

/// The circles as text, with the number of files of each.
#[must_use]
pub fn report(root: &Path) -> String {
    let mut text = String::new();
    for (package, circles) in circles(root) {
        writeln!(text, "{package}: {} circles", circles.len()).expect("a String takes all");
        for circle in circles {
            writeln!(text, "  {} files: {}", circle.len(), circle.join(" "))
                .expect("a String takes all");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source {
                path: (*path).to_owned(),
                lines: Vec::new(),
                items: syn::parse_file(text).expect("Rust").items,
            })
            .collect();
        let package = Package::new("src", sources.iter());
        let circles = package.circles().into_iter();
        circles.map(|circle| circle.into_iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn two_files_that_import_each_other_are_a_circle() {
        let circles = package(&[
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a.rs", "use crate::b::B; struct A;"),
            ("src/b.rs", "struct B; fn f(_: super::a::A) {}"),
        ]);
        assert_eq!(circles, [["src/a.rs", "src/b.rs"]]);
    }

    #[test]
    fn a_reexport_ties_its_file_to_no_other() {
        let circles = package(&[
            ("src/lib.rs", "mod a; mod b; pub use a::A; pub use b::*;"),
            ("src/a.rs", "use crate::B; struct A;"),
            ("src/b.rs", "struct B;"),
        ]);
        assert_eq!(circles, Vec::<Vec<String>>::new());
    }

    #[test]
    fn a_child_may_use_its_parent_but_not_what_uses_its_parent() {
        let lib = ("src/lib.rs", "mod a; mod c;");
        let parent = ("src/a/mod.rs", "mod b; struct A; fn f() { b::run(); std::mem::drop(1); }");
        let child = ("src/a/b.rs", "use super::A; pub fn run() {}");
        assert_eq!(package(&[lib, parent, child]), Vec::<Vec<String>>::new());
        let child = ("src/a/b.rs", "use crate::c::run;");
        let user = ("src/c.rs", "use crate::a::A; pub fn run() {}");
        let circle = ["src/a/mod.rs", "src/a/b.rs", "src/c.rs"];
        assert_eq!(package(&[lib, parent, child, user]), [circle]);
    }
}
