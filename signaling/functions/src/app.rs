//! The folder of what is deployed, for a worker whose engine reads files. Shell; it blocks for the disk.
//!
//! | in the folder | what |
//! |---|---|
//! | `functions/NAME.js` | a function; `.mjs` where it is an ES module |
//! | `assets/PATH` | a private asset |
//! | `node_modules/…` | the packages of the operator, and links to those of the library that they lack |
//!
//! A worker gets a folder of its own, so that a new deployment does not change files under an old one. The folder goes
//! with the worker; those of a killed gateway go at the next start.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use crate::message::Deployed;

/// Gives the content of a deployed file, by the worker's name for it. Blocks.
pub(crate) type ReadFile = Box<dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync>;

/// Removes itself when dropped.
#[derive(Debug)]
pub(crate) struct AppFolder(PathBuf);

impl AppFolder {
    /// Writes what is deployed below `folder`, as `name`. `library` has the packages of every function.
    ///
    /// # Errors
    /// The disk, and a path that leads out of the folder.
    pub(crate) fn write(
        folder: &Path,
        name: &str,
        library: &Path,
        deployed: &Deployed,
        read: &ReadFile,
    ) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let app = Self(folder.canonicalize()?.join(name));
        // Variables of the customer may stand in its code.
        fs::DirBuilder::new().mode(0o700).create(&app.0)?;
        let content = |name: &str| {
            read(name).ok_or_else(|| io::Error::other(format!("{name} cannot be read")))
        };
        for function in &deployed.functions {
            let script = content(&format!("functions/{function}"))?;
            let end = if is_module(&String::from_utf8_lossy(&script)) { "mjs" } else { "js" };
            app.put(&format!("functions/{function}.{end}"), &script)?;
        }
        for asset in &deployed.assets {
            app.put(&format!("assets{asset}"), &content(&format!("assets{asset}"))?)?;
        }
        for module in &deployed.modules {
            app.put(&format!("node_modules/{module}"), &content(&format!("modules/{module}"))?)?;
        }
        app.link_library(library)?;
        Ok(app)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn put(&self, path: &str, content: &[u8]) -> io::Result<()> {
        let path = Path::new(path);
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(io::Error::other(format!("{} leads out of its folder", path.display())));
        }
        let file = self.0.join(path);
        fs::create_dir_all(file.parent().unwrap_or(&self.0))?;
        fs::write(file, content)
    }

    /// A package of the operator wins over one of the library.
    fn link_library(&self, library: &Path) -> io::Result<()> {
        let (from, to) = (library.join("node_modules"), self.0.join("node_modules"));
        fs::create_dir_all(&to)?;
        for package in fs::read_dir(&from)? {
            let name = package?.file_name();
            if !to.join(&name).exists() {
                symlink(from.join(&name), to.join(&name))?;
            }
        }
        Ok(())
    }
}

impl Drop for AppFolder {
    fn drop(&mut self) {
        // What stays is removed at the next start.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether a script is an ES module: it imports or exports by the keywords, outside of anything. Deploy tools leave the
/// end of its file's name out, which would say so.
pub(crate) fn is_module(script: &str) -> bool {
    // A text in a script of the other kind may have a line that looks like it.
    if script.contains("exports.handler") || script.contains("module.exports") {
        return false;
    }
    script.lines().any(|line| {
        let mut words = line.split_whitespace();
        let second =
            |words: &mut std::str::SplitWhitespace<'_>| words.next().unwrap_or_default().to_owned();
        match words.next() {
            Some("export") => {
                let word = second(&mut words);
                ["const", "let", "var", "function", "async", "class", "default", "*"]
                    .contains(&word.as_str())
                    || word.starts_with(['{', '*'])
            }
            Some("import") => {
                let word = second(&mut words);
                word.starts_with(['{', '*', '"', '\'']) || line.contains(" from ")
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployed() -> Deployed {
        Deployed {
            functions: vec!["a/hello".to_owned(), "module".to_owned()],
            assets: vec!["/notes.txt".to_owned()],
            modules: vec!["lodash/package.json".to_owned()],
            variables: Default::default(),
        }
    }

    fn library(folder: &Path) -> PathBuf {
        let library = folder.join("library");
        fs::create_dir_all(library.join("node_modules/twilio")).expect("made");
        fs::create_dir_all(library.join("node_modules/lodash")).expect("made");
        library
    }

    #[test]
    fn what_is_deployed_lies_in_its_folder_while_the_worker_lives() {
        let folder = tempfile::tempdir().expect("a folder");
        let read: ReadFile = Box::new(|path| match path {
            "functions/module" => Some(b"export const handler = 1;".to_vec()),
            path => Some(path.as_bytes().to_vec()),
        });
        let library = library(folder.path());
        let app = AppFolder::write(folder.path(), "ZE1-1", &library, &deployed(), &read);
        let app = app.expect("written");
        let at = app.path().to_owned();
        for file in ["functions/a/hello.js", "functions/module.mjs", "assets/notes.txt"] {
            assert!(at.join(file).is_file(), "{file}");
        }
        assert!(at.join("node_modules/twilio").is_symlink());
        assert!(at.join("node_modules/lodash/package.json").is_file(), "the operator's own");
        drop(app);
        assert!(!at.exists());
    }

    #[test]
    fn a_path_that_leads_out_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let read: ReadFile = Box::new(|_| Some(Vec::new()));
        let library = library(folder.path());
        let out = Deployed { functions: vec!["../../x".to_owned()], ..Deployed::default() };
        let refused = AppFolder::write(folder.path(), "ZE1-1", &library, &out, &read);
        assert!(refused.expect_err("refused").to_string().contains("leads out"));
        assert!(!folder.path().join("ZE1-1").exists());
    }

    #[test]
    fn modules_are_told_by_their_keywords() {
        for module in [
            "import twilio from 'twilio';",
            "import 'x';",
            "import { a } from \"b\";",
            "  export const handler = () => {};",
            "export default {};",
            "export { handler };",
            "export async function handler() {}",
        ] {
            assert!(is_module(module), "{module}");
        }
        for script in [
            "exports.handler = () => {};",
            "const it = import('x');",
            "// export the numbers",
            "important();",
            "const text = `import it`;",
            "const text = `\nexport default x`;\nexports.handler = () => {};",
        ] {
            assert!(!is_module(script), "{script}");
        }
    }
}
