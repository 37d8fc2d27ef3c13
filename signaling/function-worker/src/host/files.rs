//! Scripts and files: the library from memory, what is deployed from the gateway, built-in modules from this program.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use functions::message::Up;
use rquickjs::context::EvalOptions;
use rquickjs::{Ctx, Exception, Function, Object, TypedArray};

use super::Host;
use crate::common::ToSlot;
use crate::modules;

/// Time in which the gateway sends the content of a file.
const READ_MAX: Duration = Duration::from_secs(10);
/// Files up to this length are kept for the next context, bytes.
const KEPT_BYTES_MAX: usize = 256 * 1024;

pub(super) fn install<'js>(
    host: &Rc<Host>,
    ctx: &Ctx<'js>,
    object: &Object<'js>,
) -> rquickjs::Result<()> {
    let me = Rc::clone(host);
    let is_file = move |path: String| me.is_file(&path);
    object.set("isFile", Function::new(ctx.clone(), is_file)?)?;
    let me = Rc::clone(host);
    let is_folder = move |path: String| me.is_folder(&path);
    object.set("isFolder", Function::new(ctx.clone(), is_folder)?)?;
    let me = Rc::clone(host);
    object.set("list", Function::new(ctx.clone(), move |path: String| me.list(&path))?)?;
    let me = Rc::clone(host);
    let bytes = move |ctx: Ctx<'js>, path: String| {
        me.content(&path).map(|content| TypedArray::new(ctx, content.to_vec())).transpose()
    };
    object.set("bytes", Function::new(ctx.clone(), bytes)?)?;
    let me = Rc::clone(host);
    let text = move |path: String| me.text(&path);
    object.set("text", Function::new(ctx.clone(), text)?)?;
    let me = Rc::clone(host);
    let compile = move |ctx: Ctx<'js>, path: String| -> rquickjs::Result<Function<'js>> {
        let Some(source) = me.text(&path) else {
            return Err(Exception::throw_message(&ctx, &format!("{path} cannot be read")));
        };
        let source = source.strip_prefix('\u{feff}').unwrap_or(&source);
        // The first line has to stay the first, so that errors name the customer's lines.
        let comment = if source.starts_with("#!") { "//" } else { "" };
        let wrapped = format!(
            "(function (exports, require, module, __filename, __dirname) {{{comment}{source}\n}})"
        );
        evaluate(&ctx, &wrapped, &path)
    };
    object.set("compile", Function::new(ctx.clone(), compile)?)?;
    let compile = |ctx: Ctx<'js>, name: String| -> rquickjs::Result<Function<'js>> {
        let source = modules::builtin(&name).unwrap_or_default();
        let wrapped = format!("(function (exports, require, module, host) {{{source}\n}})");
        evaluate(&ctx, &wrapped, &format!("node:{name}"))
    };
    object.set("compileBuiltin", Function::new(ctx.clone(), compile)?)
}

/// Evaluates a script that is one expression: a function.
pub(super) fn evaluate<'js>(
    ctx: &Ctx<'js>,
    script: &str,
    name: &str,
) -> rquickjs::Result<Function<'js>> {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(name.to_owned());
    ctx.eval_with_options(script, options)
}

/// A path of a script, split into the tree that it is in and the path below it.
enum Place<'a> {
    Library(&'a str),
    Function(&'a str),
    Asset(&'a str),
    Module(&'a str),
    Nowhere,
}

fn place(path: &str) -> Place<'_> {
    if let Some(path) = path.strip_prefix("/lib/node_modules/") {
        return Place::Library(path);
    }
    let Some(path) = path.strip_prefix("/app/") else { return Place::Nowhere };
    if let Some(path) = path.strip_prefix("functions/") {
        return path.strip_suffix(".js").map_or(Place::Nowhere, Place::Function);
    }
    if let Some(path) = path.strip_prefix("node_modules/") {
        return Place::Module(path);
    }
    // An asset's own path begins with the slash.
    path.strip_prefix("assets")
        .filter(|path| path.starts_with('/'))
        .map_or(Place::Nowhere, Place::Asset)
}

impl Host {
    fn is_file(&self, path: &str) -> bool {
        let deployed = &self.shared.deployed;
        let has = |list: &[String], path: &str| list.iter().any(|one| one == path);
        match place(path) {
            Place::Library(path) => self.shared.library.is_file(path),
            Place::Function(path) => has(&deployed.functions, path),
            Place::Asset(path) => has(&deployed.assets, path),
            // Packages have thousands of files; the gateway sends the list sorted.
            Place::Module(path) => {
                deployed.modules.binary_search_by(|one| one.as_str().cmp(path)).is_ok()
            }
            Place::Nowhere => false,
        }
    }

    fn is_folder(&self, path: &str) -> bool {
        if let Place::Library(path) = place(path) {
            return self.shared.library.is_folder(path);
        }
        !self.list(path).is_empty()
    }

    /// Names directly below a folder of what is deployed.
    fn list(&self, path: &str) -> Vec<String> {
        let folder = format!("{}/", path.trim_end_matches('/'));
        let deployed = &self.shared.deployed;
        let functions = deployed.functions.iter().map(|path| format!("/app/functions/{path}.js"));
        let assets = deployed.assets.iter().map(|path| format!("/app/assets{path}"));
        let modules = deployed.modules.iter().map(|path| format!("/app/node_modules/{path}"));
        let below = functions.chain(assets).chain(modules).filter_map(|file| {
            let rest = file.strip_prefix(&folder)?;
            rest.split('/').next().map(str::to_owned)
        });
        let names: std::collections::BTreeSet<_> = below.collect();
        names.into_iter().collect()
    }

    fn text(&self, path: &str) -> Option<String> {
        self.content(path).map(|content| String::from_utf8_lossy(&content).into_owned())
    }

    fn content(&self, path: &str) -> Option<Arc<[u8]>> {
        if !self.is_file(path) {
            return None;
        }
        let wanted = match place(path) {
            Place::Library(path) => return self.shared.library.read(path).map(Into::into),
            Place::Function(path) => format!("functions/{path}"),
            Place::Asset(path) => format!("assets{path}"),
            Place::Module(path) => format!("modules/{path}"),
            Place::Nowhere => return None,
        };
        if let Some(kept) = self.shared.contents.lock().get(&wanted) {
            return kept.clone();
        }
        let content: Option<Arc<[u8]>> = self.read(wanted.clone()).map(Into::into);
        if content.as_ref().is_some_and(|content| content.len() <= KEPT_BYTES_MAX) {
            self.shared.contents.lock().insert(wanted, content.clone());
        }
        content
    }

    /// Asks the gateway and waits, as a script waits for a disk.
    fn read(&self, path: String) -> Option<Vec<u8>> {
        self.shared.outbox.send(&Up::Read { id: self.current.get(), path }, &[]);
        let until = Instant::now() + READ_MAX;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.inbox.recv_timeout(left) {
                Ok(ToSlot::Content(content)) => return content,
                Ok(other) => self.early.borrow_mut().push_back(other),
                Err(_) => return None,
            }
        }
    }
}
