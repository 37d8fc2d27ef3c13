//! The engines in their order. Shell, on tokio.
//!
//! ```text
//!   text ──choice──> first route ──fails before any audio──> next route ──...──> the error of the last one
//! ```
//!
//! An engine that fails hands its text to the next route of the choice. One that fails twice in a row rests for
//! ten seconds, so that a dead program or service does not cost every text the time of finding out. Audio that
//! was heard cannot be taken back: a text that fails in its middle fails.

use std::sync::Arc;
use std::time::Duration;

use audio::AudioMemory;
use call::Speech;
use call::speech::Part;
use parking_lot::Mutex;
use plane::g711;
use shared::config::{Speech as Settings, SpeechEngine, Voice};
use shared::{Prompt, limits};
use shell::Text;
use tokio::time::{Instant, timeout};
use webhook::WebhookClient;

use crate::command::{CommandEngine, CommandSettings};
use crate::error::SpeechError;
use crate::filling::{Bounds, Hearer};
use crate::http::HttpEngine;
use crate::language::Language;
use crate::meters::SpeechMeters;
use crate::service::SpeechService;
use crate::voice::{Route, VoiceChoice, VoiceTable};

/// Speaks texts with the engines of the settings. Cheap to clone.
#[derive(Clone)]
pub struct Voices(Arc<Inner>);

struct Inner {
    table: VoiceTable,
    pico: Result<SpeechService, SpeechError>,
    command: CommandEngine,
    http: Result<HttpEngine, SpeechError>,
    memory: AudioMemory,
    pcm_rate: u32,
    text: Duration,
    /// By engine: failures in a row, and until when it rests.
    health: [Mutex<Health>; 3],
    meters: SpeechMeters,
}

#[derive(Clone, Copy, Default)]
struct Health {
    failures: u32,
    rests_until: Option<Instant>,
}

/// A text that was spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// The audio.
    pub prompt: Prompt,
    /// Why another engine spoke than the first of the choice.
    pub instead: Option<String>,
}

impl Voices {
    /// The engines of the settings. `pico` is the built-in one, if it could be started; `client` reaches the
    /// service of the engine `http`, and has the memory for audio.
    pub fn new(
        settings: &Settings,
        voices: &[Voice],
        pico: Result<SpeechService, SpeechError>,
        client: &WebhookClient,
    ) -> Self {
        let first_audio = Duration::from_secs(settings.first_audio_s.into());
        let memory = client.intake().memory().clone();
        let (form, requests) = (settings.http_form, settings.http_requests as usize);
        let command = CommandSettings {
            command: settings.command.clone(),
            processes: settings.command_processes as usize,
            first_audio,
        };
        Self(Arc::new(Inner {
            table: VoiceTable {
                voices: voices.to_vec(),
                engines: settings.engine.clone(),
                default_voice: settings.voice.clone(),
            },
            pico,
            command: CommandEngine::new(command, memory.clone()),
            http: HttpEngine::new(client.clone(), &settings.http_url, form, requests, first_audio),
            memory,
            pcm_rate: settings.pcm_rate,
            text: Duration::from_secs(settings.text_s.into()),
            health: Default::default(),
            meters: SpeechMeters::default(),
        }))
    }

    /// The voices for a `<Say>`: `voice` and `language` as the document has them, empty when it has none.
    pub fn choose(&self, voice: &str, language: &str) -> VoiceChoice {
        self.0.table.choose(voice, language)
    }

    /// Speaks a text with the first of these voices that can, within 30 s. `hearer` gets the audio while it is
    /// made.
    ///
    /// # Errors
    /// Of the last engine that was tried.
    pub async fn speak(
        &self,
        speech: &Speech,
        choice: &VoiceChoice,
        hearer: Hearer<'_>,
    ) -> Result<Spoken, SpeechError> {
        let characters = speech.characters();
        if characters > limits::SAY_CHARACTERS_MAX {
            return Err(SpeechError::TooLong(characters));
        }
        let tried = self.0.try_all(speech, choice, hearer);
        timeout(SPEAK_MAX, tried).await.unwrap_or(Err(SpeechError::Timeout(SPEAK_MAX)))
    }

    /// Writes every counter to a page of metrics.
    pub fn write_metrics(&self, text: &mut Text) {
        self.0.meters.write(text);
    }
}

impl Inner {
    async fn try_all(
        &self,
        speech: &Speech,
        choice: &VoiceChoice,
        hearer: Hearer<'_>,
    ) -> Result<Spoken, SpeechError> {
        let mut failure: Option<SpeechError> = None;
        let last = choice.routes.len().saturating_sub(1);
        for (index, route) in choice.routes.iter().enumerate() {
            // The last one is tried even while it rests: there is nobody else.
            if index < last && self.rests(route.engine) {
                failure = Some(SpeechError::Engine(route.engine.word(), RESTS.to_owned()));
                continue;
            }
            let mut was_heard = false;
            let mut hear = |audio: &[u8]| {
                was_heard = true;
                hearer(audio);
            };
            match self.speak_by(route, speech, &mut hear).await {
                Ok(prompt) => {
                    let instead = failure.map(|error| {
                        self.meters.signaling_speech_fallbacks_total.count();
                        format!("{error}; the engine {} speaks", route.engine.word())
                    });
                    return Ok(Spoken { prompt, instead });
                }
                Err(error) if was_heard => return Err(error),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| SpeechError::Unavailable("no engine is set".to_owned())))
    }

    async fn speak_by(
        &self,
        route: &Route,
        speech: &Speech,
        hearer: Hearer<'_>,
    ) -> Result<Prompt, SpeechError> {
        let word = route.engine.word();
        let begun = Instant::now();
        self.meters.signaling_speech_texts_total.count(word);
        let spoken = match route.engine {
            SpeechEngine::Pico => self.by_pico(route, speech, hearer).await,
            SpeechEngine::Command | SpeechEngine::Http => {
                let total = self.text_time(speech.characters());
                let parts = self.in_parts(route, speech, total, hearer);
                timeout(total, parts).await.unwrap_or(Err(SpeechError::Timeout(total)))
            }
        };
        let spoken = spoken.and_then(|prompt| match prompt.mulaw.is_empty() {
            true => Err(SpeechError::Unspeakable(NO_SOUND.to_owned())),
            false => Ok(prompt),
        });
        match &spoken {
            Ok(_) => {
                self.meters.signaling_speech_text_seconds.observe(begun.elapsed().as_secs_f64());
            }
            Err(error) => {
                self.meters.signaling_speech_failures_total.count(word);
                tracing::warn!(engine = word, voice = %route.voice, %error, "a text was not spoken");
            }
        }
        // A text that no voice can speak says nothing about the engine.
        if !matches!(spoken, Err(SpeechError::Unspeakable(_) | SpeechError::NoRoom(_))) {
            self.note(route.engine, spoken.is_ok());
        }
        spoken
    }

    async fn by_pico(
        &self,
        route: &Route,
        speech: &Speech,
        hearer: Hearer<'_>,
    ) -> Result<Prompt, SpeechError> {
        let service = self.pico.as_ref().map_err(Clone::clone)?;
        let language = Language::of_code(&route.voice).unwrap_or(Language::AmericanEnglish);
        service.speak(speech, language, hearer).await
    }

    /// Words go to the engine and pauses are made here, because plain text has none.
    async fn in_parts(
        &self,
        route: &Route,
        speech: &Speech,
        total: Duration,
        hearer: Hearer<'_>,
    ) -> Result<Prompt, SpeechError> {
        let room_by = Instant::now() + total;
        let mut made = Vec::new();
        for part in words_and_pauses(speech) {
            let prompt = match part {
                Spoke::Words(words) => self.words(route, &words, total, room_by, hearer).await?,
                Spoke::Pause(ms) => {
                    let silence = g711::prompt(&vec![0; ms as usize * 8]);
                    hearer(&silence.mulaw);
                    silence
                }
            };
            made.push(prompt);
        }
        if made.len() == 1 {
            return Ok(made.remove(0));
        }
        self.joined(&made, room_by).await
    }

    async fn words(
        &self,
        route: &Route,
        words: &str,
        total: Duration,
        room_by: Instant,
        hearer: Hearer<'_>,
    ) -> Result<Prompt, SpeechError> {
        let seconds = SPEECH_S_LEAST + words.chars().count() as u64 / CHARACTERS_A_SECOND;
        let bytes_max = seconds * u64::from(self.pcm_rate.max(WAV_RATE)) * 2;
        let bounds = Bounds { pcm_rate: self.pcm_rate, bytes_max, room_by };
        let Route { voice, language, .. } = route;
        match (route.engine, &self.http) {
            (SpeechEngine::Http, Ok(http)) => http.speak(words, voice, total, bounds, hearer).await,
            (SpeechEngine::Http, Err(error)) => Err(error.clone()),
            _ => self.command.speak(words, voice, language, bounds, hearer).await,
        }
    }

    /// One prompt of several.
    async fn joined(&self, prompts: &[Prompt], room_by: Instant) -> Result<Prompt, SpeechError> {
        let bytes: usize = prompts.iter().map(|prompt| prompt.mulaw.len()).sum();
        let charge = self.memory.reserve(2 * bytes, room_by).await;
        let mut charge = charge.map_err(|no_room| SpeechError::NoRoom(no_room.to_string()))?;
        let first = charge.split(bytes);
        let all = |law: fn(&Prompt) -> &[u8]| prompts.iter().map(law).collect::<Vec<_>>().concat();
        let (mulaw, alaw) = (all(|prompt| &prompt.mulaw), all(|prompt| &prompt.alaw));
        Ok(Prompt { mulaw: first.own(mulaw), alaw: charge.own(alaw) })
    }

    /// The time for a text: that of the settings for 300 characters.
    fn text_time(&self, characters: usize) -> Duration {
        self.text + self.text * u32::try_from(characters / PIECE_CHARACTERS).unwrap_or(u32::MAX)
    }

    fn rests(&self, engine: SpeechEngine) -> bool {
        let health = *self.health[engine as usize].lock();
        health.rests_until.is_some_and(|until| until > Instant::now())
    }

    fn note(&self, engine: SpeechEngine, is_well: bool) {
        let mut health = self.health[engine as usize].lock();
        if is_well {
            *health = Health::default();
            return;
        }
        health.failures += 1;
        if health.failures >= FAILURES_MAX {
            health.rests_until = Some(Instant::now() + REST);
        }
    }
}

/// What an engine of plain text makes of a part.
#[derive(Debug, PartialEq, Eq)]
enum Spoke {
    Words(String),
    Pause(u32),
}

/// Words without their manner, on one line, with spelled ones apart.
fn words_and_pauses(speech: &Speech) -> Vec<Spoke> {
    let mut spoken: Vec<Spoke> = Vec::new();
    for part in &speech.parts {
        match part {
            Part::Pause(ms) => spoken.push(Spoke::Pause(*ms)),
            Part::Text { text, manner } => {
                let clean = text.chars().map(|it| if it.is_control() { ' ' } else { it });
                let words: String = match manner.spelled {
                    true => {
                        clean.filter(|it| !it.is_whitespace()).flat_map(|it| [it, ' ']).collect()
                    }
                    false => clean.collect(),
                };
                match spoken.last_mut() {
                    Some(Spoke::Words(before)) => before.push_str(&words),
                    _ => spoken.push(Spoke::Words(words)),
                }
            }
        }
    }
    spoken.retain(|it| !matches!(it, Spoke::Words(words) if words.trim().is_empty()));
    spoken
}

/// Time of a text with all its engines.
const SPEAK_MAX: Duration = Duration::from_secs(30);
/// Failures in a row after which an engine rests.
const FAILURES_MAX: u32 = 2;
/// How long it rests.
const REST: Duration = Duration::from_secs(10);
/// Audio of a text may last this long, and one second more for each few characters.
const SPEECH_S_LEAST: u64 = 20;
const CHARACTERS_A_SECOND: u64 = 4;
/// Samples a second that a WAV file may have: the bound in bytes counts on it.
const WAV_RATE: u32 = 48_000;
/// Characters for which `speech.text_s` is meant.
const PIECE_CHARACTERS: usize = 300;
const RESTS: &str = "it failed twice and rests for 10 s";
const NO_SOUND: &str = "the text has nothing that can be spoken";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use audio::AudioIntake;
    use call::speech::Manner;
    use shared::config::{Config, Layers};
    use webhook::WebhookSettings;
    use webhook::dns::Resolver;

    use super::*;

    /// Engines of these settings, without the built-in one.
    pub(crate) fn voices(file: &str) -> Voices {
        let mut layers = Layers::default();
        layers.add_file("test.toml", file).unwrap();
        let config = Config::from_layers(&layers).unwrap();
        let settings = WebhookSettings {
            allow_private: config.webhook.allow_private.clone(),
            ..WebhookSettings::default()
        };
        let resolver = Resolver::fixed(BTreeMap::new(), BTreeMap::new());
        let client = WebhookClient::new(settings, resolver, AudioIntake::new(0)).unwrap();
        let none = Err(SpeechError::Unavailable("not in this test".to_owned()));
        Voices::new(&config.speech, &config.voices, none, &client)
    }

    async fn say(voices: &Voices, text: &str) -> Result<Spoken, SpeechError> {
        let choice = voices.choose("", "");
        voices.speak(&Speech::plain(text), &choice, &mut |_| {}).await
    }

    #[tokio::test]
    async fn words_go_to_the_program_and_pauses_are_made_here() {
        let voices = voices(
            "[speech]\nengine = \"command\"\npcm_rate = 8000\n\
             command = [\"/bin/sh\", \"-c\", \"cat >/dev/null; head -c 1600 /dev/zero\"]\n",
        );
        let text = |text: &str| Part::Text { text: text.to_owned(), manner: Manner::PLAIN };
        let speech = Speech { parts: vec![text("One."), Part::Pause(500), text("Two.")] };
        let mut heard = 0;
        let mut hearer = |audio: &[u8]| heard += audio.len();
        let spoken = voices.speak(&speech, &voices.choose("man", ""), &mut hearer).await.unwrap();
        assert_eq!((spoken.prompt.duration_ms(), spoken.instead), (700, None));
        assert_eq!(heard, spoken.prompt.mulaw.len());
    }

    #[tokio::test]
    async fn the_next_engine_speaks_where_one_fails_and_a_failing_one_rests() {
        let voices = voices(
            "[speech]\nengine = [\"http\", \"command\"]\nhttp_url = \"http://127.0.0.1:9/\"\n\
             pcm_rate = 8000\ncommand = [\"/bin/sh\", \"-c\", \"cat >/dev/null; head -c 1600 /dev/zero\"]\n",
        );
        for instead in ["connect", "connect", "rests"] {
            let spoken = say(&voices, "Hello.").await.unwrap();
            let sentence = spoken.instead.unwrap();
            assert!(sentence.contains("engine http failed"), "{sentence}");
            assert!(sentence.contains(instead) || instead == "connect", "{sentence}");
            assert!(sentence.ends_with("the engine command speaks"), "{sentence}");
        }
        assert_eq!(voices.0.meters.signaling_speech_fallbacks_total.value(), 3);
        assert_eq!(voices.0.meters.signaling_speech_texts_total.value("http"), 2);
    }

    #[tokio::test]
    async fn without_another_engine_the_error_names_the_one_that_failed() {
        let voices =
            voices("[speech]\nengine = \"command\"\ncommand = [\"/bin/sh\", \"-c\", \"exit 7\"]\n");
        let error = say(&voices, "Hello.").await.unwrap_err().to_string();
        assert!(error.contains("engine command failed") && error.contains('7'), "{error}");
        let long = "a".repeat(limits::SAY_CHARACTERS_MAX + 1);
        assert_eq!(say(&voices, &long).await, Err(SpeechError::TooLong(4_097)));
    }

    #[test]
    fn plain_words_have_no_controls_and_spelled_ones_stand_apart() {
        let spelled = Manner { spelled: true, ..Manner::PLAIN };
        let speech = Speech {
            parts: vec![
                Part::Text { text: "Code\n".to_owned(), manner: Manner::PLAIN },
                Part::Text { text: "A1".to_owned(), manner: spelled },
                Part::Pause(10),
                Part::Text { text: " ".to_owned(), manner: Manner::PLAIN },
            ],
        };
        let words = Spoke::Words("Code A 1 ".to_owned());
        assert_eq!(words_and_pauses(&speech), [words, Spoke::Pause(10)]);
    }
}
