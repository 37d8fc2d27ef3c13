//! Tries each engine of voices for `sidetone doctor`. Shell, on tokio.
//!
//! Each language of the built-in voice and each voice of the program speaks one word. A service is not tried: it may cost
//! money.

use std::time::Duration;

use audio::AudioIntake;
use call::Speech;
use shared::config::{Speech as Settings, SpeechEngine, Voice};
use tokio::time::{Instant, timeout};

use crate::command::{CommandEngine, CommandSettings};
use crate::error::SpeechError;
use crate::filling::Bounds;
use crate::language::Language;
use crate::service::{SpeechService, SpeechSettings};

/// An engine after its trial.
#[derive(Debug)]
pub struct Checked {
    /// What spoke: languages of the built-in voice, names of voices.
    pub speaking: Vec<String>,
    /// What did not, and why.
    pub silent: Vec<(String, String)>,
}

/// Asks an engine; `None`: a service.
pub async fn check(
    engine: SpeechEngine,
    settings: &Settings,
    voices: &[Voice],
    built_in: SpeechSettings,
) -> Option<Checked> {
    let intake = AudioIntake::new(0);
    let mut checked = Checked { speaking: Vec::new(), silent: Vec::new() };
    match engine {
        SpeechEngine::Pico => match SpeechService::start(built_in, &intake) {
            Ok(service) => {
                for language in Language::ALL {
                    let word = Speech::plain(WORD);
                    let spoken = service.speak(&word, language, &mut |_| {}).await;
                    checked.note(language.code(), spoken.map(|prompt| prompt.mulaw.len()));
                }
            }
            Err(error) => checked.note("the built-in voice", Err(error)),
        },
        SpeechEngine::Command => {
            let first_audio = Duration::from_secs(settings.first_audio_s.into());
            let command =
                CommandSettings { command: settings.command.clone(), processes: 1, first_audio };
            let program = CommandEngine::new(command, intake.memory().clone());
            for (voice, language) in voices_of(settings, voices) {
                let room_by = Instant::now() + SPEAK_MAX;
                let bounds = Bounds { pcm_rate: settings.pcm_rate, bytes_max: BYTES_MAX, room_by };
                let mut heard = |_: &[u8]| {};
                let spoken = program.speak(WORD, &voice, &language, bounds, &mut heard);
                let spoken = timeout(SPEAK_MAX, spoken).await;
                let spoken = spoken.unwrap_or(Err(SpeechError::Timeout(SPEAK_MAX)));
                let name = if voice.is_empty() { "the default voice" } else { &voice };
                checked.note(name, spoken.map(|prompt| prompt.mulaw.len()));
            }
        }
        SpeechEngine::Http => return None,
    }
    Some(checked)
}

impl Checked {
    /// A voice made so many samples, or failed.
    fn note(&mut self, name: &str, spoken: Result<usize, SpeechError>) {
        match spoken {
            Ok(0) => self.silent.push((name.to_owned(), "it makes no sound".to_owned())),
            Ok(_) => self.speaking.push(name.to_owned()),
            Err(error) => self.silent.push((name.to_owned(), error.to_string())),
        }
    }
}

/// The default voice of the program and those of `[[voice]]`, each with a language.
fn voices_of(settings: &Settings, voices: &[Voice]) -> Vec<(String, String)> {
    let mut all = vec![(settings.voice.clone(), "en-US".to_owned())];
    for voice in voices.iter().filter(|voice| voice.engine == SpeechEngine::Command) {
        let language = voice.languages.first().map_or("en-US", String::as_str);
        if all.iter().all(|(name, _)| *name != voice.voice) {
            all.push((voice.voice.clone(), language.to_owned()));
        }
    }
    all
}

const WORD: &str = "One.";
/// A program may load its voice first.
const SPEAK_MAX: Duration = Duration::from_secs(30);
const BYTES_MAX: u64 = 16 << 20;
