//! `[speech]`: the voices of <Say>. Pure.
//!
//! Engines stand in an order: the first speaks, and each takes over from the one before it that fails.
//! `[[voice]]` maps the names of voices that documents ask for to voices that an engine has.

use super::checks::Checks;
use super::section::section;
use super::value::word_settings;

section! {
    /// The voices of <Say>.
    #[derive(Clone, Debug, PartialEq)]
    Speech in "speech" {
        /// Engines that speak, tried in this order: pico (built in), command, http.
        engine: Vec<SpeechEngine> = "[\"pico\"]",
        /// Voice of the engines command and http where no [[voice]] fits; empty = their own default.
        voice: String = "\"\"",
        /// Program of the engine command with its arguments, in which {voice} and {language} are replaced: reads one text, writes WAV or PCM.
        command: Vec<String> = "[]",
        /// Texts that the program speaks at once; as many processes stand ready for the next ones.
        command_processes: u32 = "2",
        /// URL of the engine http: takes a text by POST and answers WAV, MP3 or PCM.
        http_url: String = "\"\"",
        /// Body of that request: piper (text, voice) or openai (input, voice, response_format).
        http_form: SpeechForm = "\"piper\"",
        /// Requests to that URL at once.
        http_requests: u32 = "4",
        /// Samples a second of PCM that comes without a header (16 bits, little-endian, mono).
        pcm_rate: u32 = "22050",
        /// Seconds to the first audio of a text. Past it the next engine speaks.
        first_audio_s: u32 = "5",
        /// Seconds to the last audio of a text of 300 characters; longer texts have more.
        text_s: u32 = "15",
    }
}

word_settings! {
    /// A source of voices.
    SpeechEngine = "pico, command or http" {
        /// The built-in voice.
        #[default]
        Pico = "pico",
        /// A program of the operator, one process a text.
        Command = "command",
        /// A service of the operator.
        Http = "http",
    }

    /// The body of a request for speech.
    SpeechForm = "piper or openai" {
        /// Piper's server: `{"text", "voice"}`.
        #[default]
        Piper = "piper",
        /// `POST /v1/audio/speech`: `{"model", "input", "voice", "response_format"}`.
        OpenAi = "openai",
    }
}

impl Speech {
    pub(super) fn check(&self, checks: &mut Checks<'_>) {
        let has = |engine| self.engine.contains(&engine);
        checks.require(!self.engine.is_empty(), "speech.engine", "needs at least one engine");
        checks.require(
            !has(SpeechEngine::Command) || self.command.first().is_some_and(|it| !it.is_empty()),
            "speech.command",
            "needs a program: speech.engine has command",
        );
        checks.require(
            !has(SpeechEngine::Http) || self.http_url.starts_with("http"),
            "speech.http_url",
            "needs an http or https URL: speech.engine has http",
        );
        let at_once = [
            ("speech.command_processes", self.command_processes),
            ("speech.http_requests", self.http_requests),
        ];
        for (key, number) in at_once {
            checks.require((1..=64).contains(&number), key, "takes 1 to 64");
        }
        let rate = self.pcm_rate;
        checks.require((8_000..=48_000).contains(&rate), "speech.pcm_rate", "takes 8000 to 48000");
        for (key, seconds) in
            [("speech.first_audio_s", self.first_audio_s), ("speech.text_s", self.text_s)]
        {
            checks.require((1..=25).contains(&seconds), key, "takes 1 to 25");
        }
    }
}
