//! `sidetone doctor`: which engines recognise speech and which speak, and in which languages. Shell.

use std::process::ExitCode;

use shared::config::{EngineKind, RecognitionEngine, SpeechEngine};
use speech::{Checked, Program, SpeechSettings};

use crate::settings::Settings;

/// Starts each engine once and prints what it offers.
pub fn run(settings: &Settings) -> ExitCode {
    // All of them, so that one run shows every fault.
    let (recognise, speak) = (recognition_works(settings), speech_works(settings));
    if recognise && speak { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn recognition_works(settings: &Settings) -> bool {
    let engines = &settings.config.engines;
    if engines.is_empty() {
        println!(
            "recognition: no engine is set ([[recognition.engine]]): <Gather> takes keys only"
        );
        return false;
    }
    engines.iter().filter(|engine| !examine(engine)).count() == 0
}

fn examine(engine: &RecognitionEngine) -> bool {
    let found = match engine.kind {
        EngineKind::Command => recognition::check(&engine.command),
        // Only an utterance shows whether a service works, and it may cost money.
        EngineKind::Http | EngineKind::Ws => {
            let (name, url) = (&engine.name, &engine.url);
            println!("recognition: `{name}` is a service at {url}, not tried");
            return true;
        }
    };
    let name = &engine.name;
    match found {
        Ok(offer) => {
            let kinds = [(offer.has_grammar, "grammar"), (offer.has_free, "free text")];
            let kinds = kinds.into_iter().filter(|(has, _)| *has).map(|(_, kind)| kind);
            let (kinds, languages) =
                (kinds.collect::<Vec<_>>().join(" and "), offer.languages.join(", "));
            let (engine, rate) = (&offer.engine, offer.rate);
            println!("recognition: `{name}` works: {engine}, {kinds} in {languages}, {rate} Hz");
            true
        }
        Err(reason) => {
            println!("recognition: `{name}` does not work: {reason}");
            false
        }
    }
}

fn speech_works(settings: &Settings) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            println!("speech: nothing can be tried: {error}");
            return false;
        }
    };
    // Not in the data folder, which a gateway that runs has locked.
    let folder = std::env::temp_dir().join(format!("sidetone-doctor-{}", std::process::id()));
    let config = &settings.config;
    let mut is_well = true;
    for engine in &config.speech.engine {
        let program = match Program::this_binary() {
            Ok(program) => program,
            Err(error) => {
                println!("speech: nothing can be tried: {error}");
                return false;
            }
        };
        let built_in = SpeechSettings { voices_dir: folder.clone(), program, workers: 1 };
        let checked = speech::check(*engine, &config.speech, &config.voices, built_in);
        is_well &= report(*engine, &config.speech.http_url, runtime.block_on(checked));
    }
    // Nothing is there where no voice was written.
    let _ = std::fs::remove_dir_all(&folder);
    is_well
}

/// Prints what an engine said.
fn report(engine: SpeechEngine, url: &str, checked: Option<Checked>) -> bool {
    let name = engine.word();
    let Some(Checked { speaking, silent }) = checked else {
        println!("speech: `{name}` is a service at {url}, not tried");
        return true;
    };
    if !speaking.is_empty() {
        println!("speech: `{name}` works: {}", speaking.join(", "));
    }
    for (voice, reason) in &silent {
        println!("speech: `{name}` does not work: {voice}: {reason}");
    }
    silent.is_empty()
}
