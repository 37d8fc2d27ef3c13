//! `[[voice]]`: a voice that an engine has, and the names that documents use for it. Pure.

use super::checks::Checks;
use super::layers::{Layers, Problem};
use super::section::{Section, section};
use super::speech::SpeechEngine;
use super::value::word_settings;

section! {
    /// A voice of an engine.
    #[derive(Clone, Debug, Default, PartialEq)]
    Voice in "voice.*" {
        /// Voices of documents that it stands for, such as Polly.Joanna; a * at the end stands for any rest.
        names: Vec<String> = "[]",
        /// Languages that it speaks, such as en-US; en = any English; empty = any.
        languages: Vec<String> = "[]",
        /// female, male or any: what it stands for where no name fits.
        gender: Gender = "\"any\"",
        /// Engine that has it: pico, command or http.
        engine: SpeechEngine = "\"pico\"",
        /// Its name there: what {voice} becomes for command, the voice of a request for http; a language such as en-GB for pico.
        voice: String = "\"\"",
    }
}

word_settings! {
    /// Whether a voice sounds female or male.
    Gender = "female, male or any" {
        /// Unknown, or not asked for.
        #[default]
        Any = "any",
        /// Female.
        Female = "female",
        /// Male.
        Male = "male",
    }
}

impl Voice {
    /// Reads every `[[voice]]`, in the order of the file.
    pub(super) fn read_all(layers: &Layers, problems: &mut Vec<Problem>) -> Vec<Self> {
        let voices = Self::read_named(layers, "voice", problems);
        voices.into_iter().map(|(_, voice)| voice).collect()
    }

    /// Checks all voices together.
    pub(super) fn check_all(voices: &[Self], engines: &[SpeechEngine], checks: &mut Checks<'_>) {
        let known = voices.iter().all(|voice| engines.contains(&voice.engine));
        checks.require(known, "voice.engine", "must be one of speech.engine");
        checks.require(voices.len() <= VOICES_MAX, "voice", "stands at most 256 times");
    }
}

/// Each `<Say>` looks through all of them.
const VOICES_MAX: usize = 256;
