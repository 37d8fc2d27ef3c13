//! The labelled set of answering-machine detection: what answers a call, as a phone line delivers it, through a
//! real [`plane::Plane`].
//!
//! ```text
//! voices (the worker speaks) ─┐
//! sounds (tones, music) ──────┴─> set: clean signal, label ─> line: band, level, noise, codec ─> party: loss, core
//! ```
//!
//! The set is generated, not stored: a number gives one case for ever. A case says what the core has to find and by
//! when; the right answer that comes too late counts as wrong. Every test hears a part of the set; `make soak` hears
//! all of it.

mod line;
mod party;
mod set;
mod sounds;
mod voices;

use std::path::Path;

use party::{Heard, hear};
use set::{Case, Kind};
use voices::Voices;

/// The worker process of the tests below; by itself it tests nothing.
#[test]
fn worker_process() {
    if let Some(voices) = std::env::var_os(voices::WORKER_VARIABLE) {
        speech::worker_main(Path::new(&voices));
        // The test harness would print text, which is not a frame.
        std::process::exit(0);
    }
}

/// Each part of the set with its goal, per cent. All in one test, because speaking takes longer than listening.
#[tokio::test]
async fn the_core_knows_who_answered() {
    let voices = Voices::speak().await;
    let is_long = std::env::var_os("SIDETONE_SOAK").is_some();
    let count = if is_long { LONG } else { SHORT };
    let missed: Vec<String> = [
        (Kind::Human, count, 95),
        (Kind::Machine, count, 95),
        (Kind::GreetingEnd, count, 95),
        (Kind::Neither, count, 95),
        // 70 s each, with no beep and no pause that could end them.
        (Kind::LongSpeech, count / 10, 100),
    ]
    .into_iter()
    .filter_map(|(kind, count, least)| missed(kind, count, least, &voices))
    .collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    assert!(is_repeatable(&voices));
}

/// Cases of a part that each test hears, and in `make soak`.
const SHORT: usize = 40;
const LONG: usize = 400;

/// Hears the first cases of a part, of which at least `least` per cent have to be right; the wrong ones if more are.
fn missed(kind: Kind, count: usize, least: usize, voices: &Voices) -> Option<String> {
    let (mut wrong, mut delays) = (Vec::new(), Vec::new());
    for number in 0..count {
        let case = Case::new(kind, number as u64, voices);
        let heard = hear(&case);
        delays.extend(heard.at_ms.zip(case.ends_ms).map(|(at, ends)| at.cast_signed() - ends));
        wrong.extend(judge(&case, &heard));
    }
    delays.sort_unstable();
    let (median, last) = (delays.get(delays.len() / 2), delays.last());
    println!(
        "{kind:?}: {} of {count} wrong; decided {median:?} ms after, at most {last:?}",
        wrong.len()
    );
    println!("{}", wrong.join("\n"));
    let is_good = (count - wrong.len()) * 100 >= least * count;
    (!is_good).then(|| format!("{kind:?}: {} of {count}\n{}", wrong.len(), wrong.join("\n")))
}

/// What is wrong with the answer to a case.
fn judge(case: &Case, heard: &Heard) -> Option<String> {
    let is_late = heard.at_ms.zip(case.due_ms).is_some_and(|(at, due)| at.cast_signed() > due);
    (heard.found != case.expected || is_late).then(|| {
        format!(
            "{}: {:?} at {:?}, expected {:?}, its sound ends at {:?}, due {:?}",
            case.name, heard.found, heard.at_ms, case.expected, case.ends_ms, case.due_ms
        )
    })
}

/// Whether a number gives one case for ever.
fn is_repeatable(voices: &Voices) -> bool {
    [Kind::Human, Kind::Machine, Kind::Neither].into_iter().all(|kind| {
        let [first, second] = [Case::new(kind, 3, voices), Case::new(kind, 3, voices)];
        first.samples == second.samples && hear(&first) == hear(&second)
    })
}
