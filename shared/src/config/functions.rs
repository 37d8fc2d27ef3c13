//! `[functions]`: what hosted functions may load. Pure.

use std::path::PathBuf;

use super::section::section;

section! {
    /// Hosted functions.
    #[derive(Clone, Debug, PartialEq)]
    Functions in "functions" {
        /// Folder of npm packages (a node_modules) that functions may load besides the official library; empty = none.
        packages: PathBuf = "\"\"",
    }
}
