//! Counters of the voices. Shell.

use shell::{Counter, Histogram, Labelled, Seconds};

shell::metrics! {
    /// Counters since start.
    pub struct SpeechMeters {
        /// Texts handed to an engine of a voice, by engine.
        signaling_speech_texts_total: Labelled, by "engine";
        /// Texts that an engine did not speak, by engine. The log names the reason.
        signaling_speech_failures_total: Labelled, by "engine";
        /// Texts that another engine spoke than the first. Look at the failures of the first one.
        signaling_speech_fallbacks_total: Counter;
        /// Time from a text to the end of its audio, which is heard from its first piece on where it is streamed.
        signaling_speech_text_seconds: Histogram<Seconds>;
    }
}
