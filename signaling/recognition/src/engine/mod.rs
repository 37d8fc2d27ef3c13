//! The seam of engines: what the thread asks of one, and which one it chooses.
//!
//! An engine never blocks the thread. What it cannot take at once waits in it, up to a bound; what it has to say waits in
//! it as well, until the thread takes it. An engine that is gone answers each of its utterances with a failure, so
//! that no session waits for it.

pub(crate) mod command;
mod dialect;
mod form;
mod http;
pub(crate) mod service;
mod utterance;
mod ws;

use std::sync::Arc;

use call::RecognitionFault;
use call::RecognitionPlan;
use call::recognition::wire::Offer;
use call::recognition::{Answer, UtteranceId};
use mio::Registry;
use shared::Instant;
use shared::config::{EngineKind, RecognitionEngine};
use shell::Doorbell;

use self::command::CommandEngine;
use self::service::{ServiceEngine, Services};
use crate::meters::RecognitionMeters;

/// One engine, however it is reached.
pub(crate) trait Engine: Send {
    /// Its name in the settings.
    fn name(&self) -> &str;

    /// What it offers; `None`: it is not there now.
    fn offer(&self) -> Option<&Offer>;

    /// Whether it is on its way to an offer for the first time.
    fn is_starting(&self) -> bool;

    /// Whether it has failed so often of late that another one is better asked.
    fn rests(&self) -> bool {
        false
    }

    /// Whether an utterance takes one of its slots from the beginning, not only from the end on.
    fn works_while_spoken(&self) -> bool {
        false
    }

    /// Bytes of audio and orders that it has not taken yet.
    fn waiting(&self) -> usize;

    /// Begins an utterance. Called only where there is an offer.
    fn begin(&mut self, utterance: UtteranceId, plan: &RecognitionPlan);

    /// Audio of an utterance, linear at 8,000 Hz.
    fn audio(&mut self, utterance: UtteranceId, samples: &[i16]);

    /// The utterance is whole.
    fn end(&mut self, utterance: UtteranceId);

    /// No answer is wanted; one that is under way has no effect.
    fn cancel(&mut self, utterance: UtteranceId);

    /// Reads and writes what can be read and written. Called when one of its tokens is ready, after orders, and with
    /// each tick.
    fn turn(&mut self, now: Instant);

    /// The next answer.
    fn poll_answer(&mut self) -> Option<(UtteranceId, Answer)>;
}

/// Opens an engine. The pipes of a program have the tokens from `index * TOKENS` on; the tasks of a service ring the
/// doorbell.
///
/// # Errors
/// Its settings cannot be used.
pub(crate) fn open(
    settings: &RecognitionEngine,
    index: usize,
    registry: Registry,
    (services, doorbell): (&Services, &Doorbell),
    meters: Arc<RecognitionMeters>,
) -> Result<Box<dyn Engine>, String> {
    Ok(match settings.kind {
        EngineKind::Command => {
            Box::new(CommandEngine::new(settings, index, registry, index * TOKENS, meters))
        }
        EngineKind::Http | EngineKind::Ws => {
            Box::new(ServiceEngine::new(settings, index, services, doorbell, meters)?)
        }
    })
}

/// The engine for a plan: the first of the settings that takes the language and the kind of speech. A grammar is a
/// restriction of free text, so an engine for free text takes the utterances of a grammar, where there is none for it.
/// One that rests is chosen only where every other one that would do rests as well.
///
/// # Errors
/// None does.
pub(crate) fn choose(
    engines: &[Box<dyn Engine>],
    plan: &RecognitionPlan,
) -> Result<usize, (RecognitionFault, String)> {
    let find = |may_rest: bool, speaks: fn(&str, &str) -> bool, takes: fn(&Offer) -> bool| {
        engines.iter().position(|engine| {
            (may_rest || !engine.rests())
                && engine.offer().is_some_and(|offer| {
                    takes(offer) && offer.languages.iter().any(|has| speaks(has, &plan.language))
                })
        })
    };
    let takes: &[fn(&Offer) -> bool] = match plan.is_grammar {
        true => &[|offer| offer.has_grammar, |offer| offer.has_free],
        false => &[|offer| offer.has_free],
    };
    let ways = takes.iter().flat_map(|takes| {
        [is_same as fn(&str, &str) -> bool, is_related].into_iter().map(|speaks| (speaks, *takes))
    });
    let found = |may_rest| ways.clone().find_map(|(speaks, takes)| find(may_rest, speaks, takes));
    found(false).or_else(|| found(true)).ok_or_else(|| missing(engines, plan))
}

fn missing(engines: &[Box<dyn Engine>], plan: &RecognitionPlan) -> (RecognitionFault, String) {
    let down: Vec<&str> = engines
        .iter()
        .filter(|engine| engine.offer().is_none())
        .map(|engine| engine.name())
        .collect();
    let kind = if plan.is_grammar { "digits, commands and hints" } else { "free text" };
    let mut sentence = format!("no engine recognises {kind} in `{}`", plan.language);
    if !down.is_empty() {
        sentence += &format!("; not running: {}", down.join(", "));
    }
    (RecognitionFault::NoEngine, sentence)
}

fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// `en-GB` and `en-US`: better an accent than no engine.
fn is_related(one: &str, other: &str) -> bool {
    let language = |locale: &str| locale.split('-').next().map(str::to_ascii_lowercase);
    language(one) == language(other)
}

/// Tokens of one engine.
pub(crate) const TOKENS: usize = 4;

#[cfg(test)]
mod tests {
    use call::RecognitionId;
    use call::recognition::{Endpointing, Lane};
    use shared::media::TapTracks;

    use super::*;

    /// Its name begins with `tired` where it rests.
    struct Fixed(&'static str, Option<Offer>);

    impl Engine for Fixed {
        fn name(&self) -> &str {
            self.0
        }

        fn offer(&self) -> Option<&Offer> {
            self.1.as_ref()
        }

        fn is_starting(&self) -> bool {
            false
        }

        fn rests(&self) -> bool {
            self.0.starts_with("tired")
        }

        fn waiting(&self) -> usize {
            0
        }

        fn begin(&mut self, _: UtteranceId, _: &RecognitionPlan) {}
        fn audio(&mut self, _: UtteranceId, _: &[i16]) {}
        fn end(&mut self, _: UtteranceId) {}
        fn cancel(&mut self, _: UtteranceId) {}
        fn turn(&mut self, _: Instant) {}

        fn poll_answer(&mut self) -> Option<(UtteranceId, Answer)> {
            None
        }
    }

    fn engine(name: &'static str, kinds: &str, languages: &[&str]) -> Box<dyn Engine> {
        let offer = Offer {
            engine: name.to_owned(),
            rate: 8_000,
            languages: languages.iter().map(|&language| language.to_owned()).collect(),
            has_grammar: kinds.contains('g'),
            has_free: kinds.contains('f'),
            slots: 1,
            stops: false,
        };
        Box::new(Fixed(name, (!kinds.is_empty()).then_some(offer)))
    }

    fn chosen(engines: &[Box<dyn Engine>], language: &str, is_grammar: bool) -> String {
        let plan = RecognitionPlan {
            recognition: RecognitionId(1),
            tracks: TapTracks::Inbound,
            language: language.to_owned(),
            hints: [].into(),
            is_grammar,
            wants_partials: false,
            is_single: true,
            endpointing: Endpointing { silence_ms: 1_000, longest_ms: 60_000 },
            lane: Lane::Live,
        };
        match choose(engines, &plan) {
            Ok(index) => engines[index].name().to_owned(),
            Err((_, sentence)) => sentence,
        }
    }

    #[test]
    fn the_first_engine_that_takes_language_and_kind_is_chosen() {
        let engines = [
            engine("grammar", "g", &["en-US"]),
            engine("british", "f", &["en-GB"]),
            engine("free", "gf", &["en-US", "de-DE"]),
            engine("down", "", &[]),
        ];
        assert_eq!(chosen(&engines, "en-us", true), "grammar");
        assert_eq!(chosen(&engines, "en-US", false), "free");
        assert_eq!(chosen(&engines, "en-GB", false), "british");
        assert_eq!(chosen(&engines, "en-AU", false), "british");
        assert_eq!(chosen(&engines[1..2], "en-US", true), "british");
        assert_eq!(
            chosen(&engines, "fr-FR", false),
            "no engine recognises free text in `fr-FR`; not running: down"
        );
    }

    #[test]
    fn one_that_rests_is_chosen_only_where_nothing_else_would_do() {
        let engines = [
            engine("tired", "f", &["en-US"]),
            engine("tired too", "f", &["de-DE"]),
            engine("fresh", "f", &["en-GB"]),
        ];
        assert_eq!(chosen(&engines, "en-US", false), "fresh");
        assert_eq!(chosen(&engines, "de-DE", false), "tired too");
    }
}
