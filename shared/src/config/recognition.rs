//! `[recognition]` and `[[recognition.engine]]`: engines that turn speech into text. Pure.

use std::collections::BTreeSet;
use std::path::PathBuf;

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
        /// Kind of the engine: command, a program that the gateway runs; http or ws, a service.
        kind: EngineKind = "\"command\"",
        /// Program and arguments of a command engine.
        command: Vec<String> = "[]",
        /// URL of a service: http or https for kind http, ws or wss for kind ws.
        url: String = "\"\"",
        /// File whose first line is the key of a service; empty = none is sent.
        key_file: PathBuf = "\"\"",
        /// Model to request from a service; empty = whisper-1 for kind http, the service's own for kind ws.
        model: String = "\"\"",
        /// Locales that a service takes.
        languages: Vec<String> = "[\"en-US\"]",
        /// Requests (http) or connections (ws) of a service at once; utterances past it wait.
        requests: u32 = "16",
        /// Language of the messages of kind ws: vosk or deepgram.
        dialect: EngineDialect = "\"vosk\"",
    }
}

word_settings! {
    /// How the gateway reaches an engine.
    EngineKind = "command, http or ws" {
        /// A program on its standard input and output.
        #[default]
        Command = "command",
        /// A service that takes each utterance in one request.
        Http = "http",
        /// A service that takes each utterance by a WebSocket of its own.
        Ws = "ws",
    }
}

word_settings! {
    /// What a service on a WebSocket speaks.
    EngineDialect = "vosk or deepgram" {
        /// vosk-server's messages.
        #[default]
        Vosk = "vosk",
        /// Deepgram's messages.
        Deepgram = "deepgram",
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
            let schemes: &[&str] = match engine.kind {
                EngineKind::Command => &[""],
                EngineKind::Http => &["http://", "https://"],
                EngineKind::Ws => &["ws://", "wss://"],
            };
            if !schemes.iter().any(|scheme| engine.url.starts_with(scheme)) {
                let (one, other) = (schemes[0], schemes[schemes.len() - 1]);
                let sentence = format!("needs a URL that begins with {one} or {other}");
                problems.push(layers.problem(&key("url"), &sentence));
            }
            if !(1..=256).contains(&engine.requests) {
                problems.push(layers.problem(&key("requests"), "takes 1 to 256"));
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
