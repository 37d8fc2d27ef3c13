//! Every item that ARCHITECTURE.md names is declared: `Call::adopt`, `verb::read`, `Step::Write`.
//!
//! The page leads a newcomer from function to function, so a name that is gone misleads. A name is
//! what stands in backticks with `::` in it; its last two segments count. The first of them is a type,
//! a module or a package, the second what is declared in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::source::{self, ROOT, Source};

const PAGE: &str = "ARCHITECTURE.md";

/// Everything declared in production code, as (owner, name).
type Declared = BTreeSet<(String, String)>;

/// The items of one file: methods by type, variants by enum, all others by module and by package.
fn declare(source: &Source, declared: &mut Declared) {
    let owners = owners(&source.path);
    for item in &source.items {
        match item {
            syn::Item::Impl(block) => {
                let Some(owner) = type_name(&block.self_ty) else { continue };
                for member in &block.items {
                    if let syn::ImplItem::Fn(method) = member {
                        declared.insert((owner.clone(), method.sig.ident.to_string()));
                    }
                }
            }
            syn::Item::Enum(item) => {
                let variants = item.variants.iter().map(|variant| variant.ident.to_string());
                declared.extend(variants.map(|variant| (item.ident.to_string(), variant)));
                add(&owners, &item.ident, declared);
            }
            syn::Item::Trait(item) => {
                for member in &item.items {
                    if let syn::TraitItem::Fn(method) = member {
                        declared.insert((item.ident.to_string(), method.sig.ident.to_string()));
                    }
                }
                add(&owners, &item.ident, declared);
            }
            syn::Item::Struct(item) => add(&owners, &item.ident, declared),
            syn::Item::Fn(item) => add(&owners, &item.sig.ident, declared),
            syn::Item::Const(item) => add(&owners, &item.ident, declared),
            syn::Item::Mod(item) => add(&owners, &item.ident, declared),
            _ => {}
        }
    }
}

fn add(owners: &[String], name: &syn::Ident, declared: &mut Declared) {
    declared.extend(owners.iter().map(|owner| (owner.clone(), name.to_string())));
}

/// The module and the package of a file: `verb` and `call` of `signaling/call/src/twiml/verb/mod.rs`.
fn owners(path: &str) -> Vec<String> {
    let (package, inside) = path.split_once("/src/").unwrap_or((path, ""));
    let module = inside.trim_end_matches(".rs").trim_end_matches("/mod");
    let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    vec![last(package), last(module)]
}

fn type_name(of: &syn::Type) -> Option<String> {
    match of {
        syn::Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    }
}

/// The last two segments of each name in backticks that has `::`.
fn named(page: &str) -> Vec<(String, String)> {
    let words = page.split('`').skip(1).step_by(2);
    let is_name = |word: &&str| {
        word.contains("::") && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:".contains(&b))
    };
    let pair = |word: &str| {
        let mut segments = word.rsplit("::");
        let name = segments.next().unwrap_or_default().to_owned();
        (segments.next().unwrap_or_default().to_owned(), name)
    };
    words.filter(is_name).map(pair).collect()
}

#[test]
fn every_item_that_the_architecture_names_is_declared() {
    let root = Path::new(ROOT);
    let mut declared = Declared::new();
    for source in source::production(root, &["shared", "signaling", "media"]) {
        declare(&source, &mut declared);
    }
    let page = fs::read_to_string(root.join(PAGE)).expect("the page");
    let named = named(&page);
    assert!(named.len() > 20, "{PAGE} leads from function to function");
    let gone: Vec<_> = named.iter().filter(|pair| !declared.contains(*pair)).collect();
    assert!(gone.is_empty(), "{PAGE} names what is not declared: {gone:#?}");
}

#[test]
fn a_name_is_its_last_two_segments() {
    let page = "`a::B::c` [`verb::read`](x.rs) `shared` `not a::name`";
    let pair = |owner: &str, name: &str| (owner.to_owned(), name.to_owned());
    assert_eq!(named(page), [pair("B", "c"), pair("verb", "read")]);
}

#[test]
fn a_module_is_named_by_its_file_or_folder() {
    assert_eq!(owners("signaling/call/src/twiml/verb/mod.rs"), ["call", "verb"]);
    assert_eq!(owners("signaling/control/src/admission.rs"), ["control", "admission"]);
}
