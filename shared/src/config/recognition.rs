//! `[recognition]` and `[[recognition.engine]]`: engines that turn speech into text. Pure.

use std::collections::BTreeSet;

use super::checks::Checks;
use super::layers::{Layers, Problem};
use super::section::{Section, section};
use super::value::word_settings;
use crate::limits::{RECOGNITION_ENGINES_MAX, TAPS_PER_CORE_MAX};

section! {
    /// Recognition of speech.
    #[derive(Clone, Debug, PartialEq)]
    Recognition in "recognition" {
        /// Legs whose speech one media core gives to the engines at once; without an engine none.
        core_max: u32 = "256",
    }
}

section! {
    /// One engine.
    #[derive(Clone, Debug, Default, PartialEq)]
    RecognitionEngine in "recognition.engine.*" {
        /// Name of the engine, unique; the log and metrics show it.
        name: String = "\"\"",
        /// Kind of the engine: command, a program that the gateway runs.
        kind: EngineKind = "\"command\"",
        /// Program and arguments of a command engine.
        command: Vec<String> = "[]",
    }
}

word_settings! {
    /// How the gateway reaches an engine.
    EngineKind = "command" {
        /// A program on its standard input and output.
        #[default]
        Command = "command",
    }
}

impl Recognition {
    pub(super) fn check(&self, checks: &mut Checks<'_>) {
        let fits = self.core_max as usize <= TAPS_PER_CORE_MAX;
        checks.require(fits, "recognition.core_max", "takes at most 2048");
    }
}

impl RecognitionEngine {
    /// Reads every `[[recognition.engine]]`, in the order of the file.
    pub(super) fn read_all(layers: &Layers, problems: &mut Vec<Problem>) -> Vec<Self> {
        let engines = Self::read_named(layers, "recognition.engine", problems);
        for (number, engine) in &engines {
            let key = |key: &str| format!("recognition.engine.{number}.{key}");
            if engine.name.is_empty() {
                problems.push(layers.problem(&key("name"), "needs a value"));
            }
            if engine.kind == EngineKind::Command && engine.command.is_empty() {
                problems.push(layers.problem(&key("command"), "needs the program"));
            }
        }
        engines.into_iter().map(|(_, engine)| engine).collect()
    }

    /// Checks all engines together.
    pub(super) fn check_all(engines: &[Self], checks: &mut Checks<'_>) {
        let names: BTreeSet<_> = engines.iter().map(|engine| &engine.name).collect();
        let is_unique = names.len() == engines.len();
        checks.require(is_unique, "recognition.engine", "names must be unique");
        let fits = engines.len() <= RECOGNITION_ENGINES_MAX;
        checks.require(fits, "recognition.engine", "stands at most 16 times");
    }
}
