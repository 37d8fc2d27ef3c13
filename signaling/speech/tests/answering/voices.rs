//! The voices of the set: phrases of people and of machines in every language of the worker, at several speeds and
//! pitches.

use std::path::Path;

use audio::AudioIntake;
use call::Speech;
use call::speech::{Manner, Part};
use plane::g711;
use shared::Codec;
use speech::{Language, Program, SpeechService, SpeechSettings};

use crate::sounds::Sound;

/// Names the folder of voices to a worker.
pub const WORKER_VARIABLE: &str = "SIDETONE_TEST_VOICES";

/// Phrases, spoken; the silence at their ends is cut off.
pub struct Voices {
    /// What people say first, 0.4 to 1.8 s.
    pub answers: Vec<Phrase>,
    /// Sentences of greetings, one list for each language.
    pub greetings: Vec<Vec<Phrase>>,
}

pub struct Phrase {
    pub words: &'static str,
    pub sound: Sound,
}

const ANSWERS: [(Language, &[&str]); 6] = [
    (
        Language::AmericanEnglish,
        &["Hello?", "Yes?", "Hello, this is Anna.", "Good morning, Jones.", "Hi. Who is this?"],
    ),
    (Language::BritishEnglish, &["Hello?", "Smith speaking.", "Hello, hello?"]),
    (Language::German, &["Hallo?", "Ja, bitte?", "Müller, guten Tag."]),
    (Language::Spanish, &["¿Diga?", "¿Bueno?", "Hola, ¿quién es?"]),
    (Language::French, &["Allô?", "Oui, allô?", "Martin, bonjour."]),
    (Language::Italian, &["Pronto?", "Pronto, chi parla?"]),
];

const GREETINGS: [(Language, &[&str]); 6] = [
    (
        Language::AmericanEnglish,
        &[
            "Hi, you have reached Peter Jones.",
            "I can not come to the phone right now.",
            "Your call has been forwarded to an automatic voice message system.",
            "Please leave your name and number after the tone.",
        ],
    ),
    (
        Language::BritishEnglish,
        &[
            "Welcome to the voice mail service.",
            "The person you are calling is not available.",
            "Please record your message after the tone.",
        ],
    ),
    (
        Language::German,
        &[
            "Guten Tag, Sie sind verbunden mit dem Anrufbeantworter von Familie Müller.",
            "Wir sind zurzeit nicht zu Hause.",
            "Bitte sprechen Sie nach dem Signalton.",
        ],
    ),
    (
        Language::Spanish,
        &["Ha llamado al contestador de Juan.", "Deje su mensaje después de la señal."],
    ),
    (
        Language::French,
        &["Bonjour, vous êtes bien chez Claire.", "Laissez un message après le bip sonore."],
    ),
    (
        Language::Italian,
        &["Risponde la segreteria telefonica di Marco.", "Lasciate un messaggio dopo il segnale."],
    ),
];

/// Speed and pitch, per cent of the voice's own.
const MANNERS: [(u32, u32); 3] = [(100, 100), (85, 72), (120, 135)];

impl Voices {
    /// Speaks all phrases, language by language, because a worker has one voice.
    pub async fn speak() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the voices");
        let service = SpeechService::start(settings(folder.path()), &AudioIntake::new(0))
            .expect("the worker is this program");
        let mut voices = Self { answers: Vec::new(), greetings: Vec::new() };
        for ((language, answers), (_, greetings)) in ANSWERS.into_iter().zip(GREETINGS) {
            voices.answers.extend(phrases(&service, language, answers).await);
            voices.greetings.push(phrases(&service, language, greetings).await);
        }
        voices
    }
}

async fn phrases(
    service: &SpeechService,
    language: Language,
    texts: &'static [&'static str],
) -> Vec<Phrase> {
    let mut phrases = Vec::new();
    for (rate, pitch) in MANNERS {
        let manner = Manner { rate, pitch, ..Manner::PLAIN };
        for words in texts {
            let part = Part::Text { text: (*words).to_owned(), manner: manner.clone() };
            let prompt = service.speak(&Speech { parts: vec![part] }, language, &mut |_| {}).await;
            let prompt = prompt.unwrap_or_else(|error| panic!("{words}: {error}"));
            let codes = prompt.samples(Codec::Pcmu).iter();
            let linear = codes.map(|code| f32::from(g711::decode(Codec::Pcmu, *code)));
            phrases.push(Phrase { words, sound: Sound(linear.collect()).trimmed() });
        }
    }
    phrases
}

fn settings(voices: &Path) -> SpeechSettings {
    SpeechSettings {
        voices_dir: voices.to_owned(),
        program: Program {
            program: std::env::current_exe().expect("this program has a path"),
            arguments: vec!["--exact".into(), "worker_process".into(), "--nocapture".into()],
            environment: vec![(WORKER_VARIABLE.into(), voices.into())],
        },
        workers: 1,
    }
}
