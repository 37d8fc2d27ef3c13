//! `[functions]`: what runs hosted functions, and what they may load. Pure.

use std::path::PathBuf;

use super::section::section;
use super::value::word_settings;

word_settings! {
    /// What runs functions.
    FunctionsEngine = "quickjs or node" {
        /// The embedded engine.
        #[default]
        QuickJs = "quickjs",
        /// Node of this machine.
        Node = "node",
    }
}

section! {
    /// Hosted functions.
    #[derive(Clone, Debug, PartialEq)]
    Functions in "functions" {
        /// Engine of functions: quickjs (embedded), or node (Intl, ES modules, all packages; 18 or newer).
        engine: FunctionsEngine = "\"quickjs\"",
        /// Node's program, where engine is node; empty = the one on PATH.
        node: PathBuf = "\"\"",
        /// Folder of npm packages (a node_modules) that functions may load besides the official library; empty = none.
        packages: PathBuf = "\"\"",
    }
}
