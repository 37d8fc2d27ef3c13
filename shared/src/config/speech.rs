//! `[speech]`: the voice of <Say>. Pure.

use super::section::section;
use super::value::word_settings;

section! {
    /// The voice of <Say>.
    #[derive(Clone, Debug, PartialEq)]
    Speech in "speech" {
        /// pico (built in); command and http are not in this version.
        engine: SpeechEngine = "\"pico\"",
    }
}

word_settings! {
    /// The source of the voice of `<Say>`.
    SpeechEngine = "pico, command or http" {
        /// The built-in voice.
        #[default]
        Pico = "pico",
        /// An external command; not built yet.
        Command = "command",
        /// An HTTP service; not built yet.
        Http = "http",
    }
}
