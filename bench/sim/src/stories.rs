//! Stories: what people do in one simulated call, and what must be true afterwards.

use std::time::Duration;

use call::HttpFailure;

use crate::network::Network;
use crate::rng::Rng;
use crate::world::{Application, World, tone};

/// What one seed came to.
#[derive(Debug)]
pub struct Report {
    /// What the story was.
    pub story: &'static str,
    /// What is wrong; empty when all is well.
    pub wrong: Vec<String>,
}

/// The longest that a story may take on the virtual clock.
const LIMIT: Duration = Duration::from_secs(1_800);

const STORIES: &[(&str, &str)] = &[
    ("say", "<Say>Hello.</Say>"),
    ("gather", "<Gather numDigits=\"2\" action=\"/next\"><Say>Press.</Say></Gather>"),
    ("dial", "<Dial timeout=\"20\" action=\"/next\"><Sip>sip:bob@10.0.0.3</Sip></Dial>"),
    ("dial-on-bridge", "<Dial answerOnBridge=\"true\"><Sip>sip:bob@10.0.0.3</Sip></Dial>"),
    (
        "dial-recorded",
        "<Dial record=\"record-from-answer-dual\"><Sip>sip:bob@10.0.0.3</Sip></Dial>",
    ),
    ("dial-nobody", "<Dial timeout=\"8\"><Sip>sip:bob@10.0.0.9</Sip></Dial><Say>Sorry.</Say>"),
    ("record", "<Record maxLength=\"5\" action=\"/next\"/>"),
    ("redirect", "<Redirect>/next</Redirect>"),
    ("reject", "<Reject reason=\"busy\"/>"),
    ("pause", "<Pause length=\"2\"/><Hangup/>"),
    ("play-digits", "<Play digits=\"1w2#\"/><Say>Done.</Say>"),
];

/// Plays the story of one seed on a network of that seed.
pub fn run(seed: u64) -> Report {
    let (mut world, story, quiet) = play(seed);
    let mut wrong = world.leftovers();
    if !quiet {
        wrong.push(format!("it goes on after {} s", LIMIT.as_secs()));
    }
    world.heard.clear();
    Report { story, wrong }
}

/// What the phones of a seed saw and how its calls ended, for a person.
pub fn replay(seed: u64) -> Vec<String> {
    let (world, story, quiet) = play(seed);
    let mut lines = vec![format!("seed {seed}: {story}, {:?}, quiet: {quiet}", world.network)];
    for (index, events) in world.heard.iter().enumerate() {
        let heard = events.iter().filter(|event| matches!(event, phone::Event::Heard { .. }));
        lines.push(format!("phone {index} heard {} frames", heard.count()));
        let others = events.iter().filter(|event| !matches!(event, phone::Event::Heard { .. }));
        lines.extend(others.map(|event| format!("phone {index}: {event:?}")));
    }
    lines.extend(world.endings.iter().map(|(call, times)| format!("{call} ended {times} times")));
    lines.extend(world.leftovers().into_iter().map(|wrong| format!("WRONG: {wrong}")));
    lines
}

fn play(seed: u64) -> (World, &'static str, bool) {
    let mut rng = Rng::new(seed);
    let network = Network::random(&mut rng);
    let cores = if rng.permille(500) { 1 } else { 3 };
    let (story, verbs) = STORIES[rng.below(STORIES.len() as u64) as usize];
    let fails = rng.permille(50);
    let mut world = World::new(rng.number(), cores, network, application(verbs, fails));
    act(&mut world, &mut rng);
    let quiet = world.run(LIMIT);
    (world, story, quiet)
}

/// Phone 0 calls; both users speak, press keys and hang up at random times.
fn act(world: &mut World, rng: &mut Rng) {
    let ms = Duration::from_millis;
    world.call(ms(rng.below(500)));
    let speech = std::sync::Arc::new(tone(16_000));
    world.user(ms(2_000), 0, phone::Command::Play(speech.clone()));
    world.user(ms(2_500), 1, phone::Command::Play(speech));
    world.user(ms(1_500 + rng.below(3_000)), 0, phone::Command::Press("12".into()));
    if rng.permille(300) {
        let at = 3_000 + rng.below(3_000);
        world.user(ms(at), 0, phone::Command::Hold(true));
        world.user(ms(at + 2_000), 0, phone::Command::Hold(false));
    }
    let first = rng.below(2) as usize;
    world.user(ms(rng.below(12_000)), first, phone::Command::HangUp);
    // Whoever is left hangs up too, in the end.
    world.user(ms(90_000), 0, phone::Command::HangUp);
    world.user(ms(95_000), 1, phone::Command::HangUp);
}

fn application(verbs: &'static str, fails: bool) -> Application {
    Box::new(move |url| {
        if fails {
            let sentence = "connection refused".to_owned();
            return Err(HttpFailure { code: 11202, sentence, duration_ms: 1 });
        }
        let verbs = if url.ends_with("/next") { "<Say>Thank you.</Say>" } else { verbs };
        Ok(format!("<Response>{verbs}</Response>"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `SIDETONE_SEED=17 cargo test -p sim` plays one seed alone.
    #[test]
    fn a_thousand_seeds_leave_nothing_behind() {
        let seeds = match std::env::var("SIDETONE_SEED").ok().and_then(|text| text.parse().ok()) {
            Some(seed) => seed..seed + 1,
            None => 0..1_000,
        };
        let failed: Vec<String> = seeds
            .filter_map(|seed| {
                let report = run(seed);
                let wrong = report.wrong.join("; ");
                (!report.wrong.is_empty())
                    .then(|| format!("seed {seed} ({}): {wrong}", report.story))
            })
            .collect();
        assert!(failed.is_empty(), "{} seeds failed:\n{}", failed.len(), failed.join("\n"));
    }
}
