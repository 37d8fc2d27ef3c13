//! `sidetone doctor`: which engines recognise speech, and in which languages. Shell.

use std::process::ExitCode;

use shared::config::{EngineKind, RecognitionEngine};

use crate::settings::Settings;

/// Starts each engine once and prints what it offers.
pub fn run(settings: &Settings) -> ExitCode {
    let engines = &settings.config.engines;
    if engines.is_empty() {
        println!(
            "recognition: no engine is set ([[recognition.engine]]): <Gather> takes keys only"
        );
        return ExitCode::FAILURE;
    }
    // All of them, so that one run shows every fault.
    let broken = engines.iter().filter(|engine| !examine(engine)).count();
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
