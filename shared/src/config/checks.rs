//! Rules that the type of a value cannot hold: ranges, and relations between settings. Pure.

use super::layers::{Layers, Problem};

/// Collects the rules that a configuration breaks; each section states its own.
pub(super) struct Checks<'a> {
    layers: &'a Layers,
    problems: Vec<Problem>,
}

impl<'a> Checks<'a> {
    pub(super) fn new(layers: &'a Layers) -> Self {
        Self { layers, problems: Vec::new() }
    }

    /// States a rule; `text` continues a sentence that begins with the key.
    pub(super) fn require(&mut self, holds: bool, key: &str, text: &str) {
        if !holds {
            self.problems.push(self.layers.problem(key, text));
        }
    }

    /// The broken rules, in the order in which they were stated.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}
