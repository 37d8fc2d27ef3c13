//! A tale: a story on a network that loses nothing, and all that must be seen in it.
//!
//! It plays on one core, on three, and with every leg on a core of its own. The tales themselves stand in
//! [`crate::tales`].

use shared::Code;
use std::time::Duration;

use call::HttpFailure;
use store::CallDirection;

use crate::network::Network;
use crate::rng::Rng;
use crate::seen::voice;
use crate::world::{Application, Ground, PHONES, World};

/// A story and its expected outcome.
pub struct Tale {
    pub name: &'static str,
    /// Documents by path; an empty one fails (connection refused).
    pub documents: &'static [(&'static str, &'static str)],
    /// Whether bob and carol answer by themselves.
    pub answers: (bool, bool),
    /// What people do.
    pub act: fn(&mut World),
    /// What must be seen.
    pub expect: fn(&mut Check<'_>),
}

/// Compares what a world saw with what a tale expects, and collects the differences.
pub struct Check<'w> {
    pub world: &'w World,
    wrong: Vec<String>,
}

impl Check<'_> {
    pub fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, seen: T, expected: T) {
        if seen != expected {
            self.wrong.push(format!("{what}: {seen:?} instead of {expected:?}"));
        }
    }

    pub fn holds(&mut self, what: &str, holds: bool) {
        if !holds {
            self.wrong.push(format!("not so: {what}"));
        }
    }

    /// The calls of a direction ended with these statuses, in alphabetical order.
    pub fn statuses(&mut self, direction: CallDirection, expected: &[&str]) {
        let mut seen: Vec<&str> =
            self.world.calls(direction).iter().map(|record| record.status.name()).collect();
        seen.sort_unstable();
        self.same(direction.name(), seen, expected.to_vec());
    }

    /// The action URL was requested once, with this value of a parameter.
    pub fn next(&mut self, name: &str, expected: &str) {
        let values: Vec<String> =
            self.world.asked_at("/next").iter().map(|asked| asked.value(name).to_owned()).collect();
        self.same(name, values, vec![expected.to_owned()]);
    }

    /// A phone heard all that another phone said.
    pub fn hears(&mut self, phone: usize, speaker: usize) {
        let heard = self.world.hears(phone, &voice(speaker), Some(speaker));
        self.holds(&format!("phone {phone} hears phone {speaker}"), heard);
    }

    pub fn hears_prompt(&mut self, phone: usize, prompt: usize) {
        let prompt = self.world.prompts.get(prompt).cloned();
        let heard = prompt.is_some_and(|prompt| self.world.hears(phone, &prompt, None));
        self.holds(&format!("phone {phone} hears the prompt"), heard);
    }
}

/// Plays a tale; the world at its end, and the findings.
pub fn play(tale: &Tale, rng: &mut Rng) -> (World, Vec<String>) {
    let (cores, legs_a_core) = [(1, 8), (3, 8), (3, 1)][rng.below(3) as usize];
    let network = Network { delay_ms: 1 + rng.below(40), ..Network::PERFECT };
    let mut answers = [true; PHONES];
    (answers[1], answers[2]) = tale.answers;
    let ground = Ground { cores, legs_a_core, network, answers };
    let mut world = World::on(rng.number(), ground, application(tale.documents));
    (tale.act)(&mut world);
    let quiet = world.run(Duration::from_secs(600));
    let mut wrong = world.broken_rules();
    if !quiet {
        wrong.push("it goes on after 600 s".to_owned());
    }
    let mut check = Check { world: &world, wrong };
    (tale.expect)(&mut check);
    let wrong = check.wrong;
    (world, wrong)
}

fn application(documents: &'static [(&'static str, &'static str)]) -> Application {
    Box::new(move |url| {
        let verbs = documents.iter().find(|(path, _)| url.ends_with(path)).map(|(_, verbs)| *verbs);
        match verbs {
            Some("") => {
                let sentence = "connection refused".to_owned();
                Err(HttpFailure { code: Code::HTTP_CONNECTION_REFUSED, sentence, duration_ms: 1 })
            }
            verbs => Ok(format!("<Response>{}</Response>", verbs.unwrap_or_default())),
        }
    })
}
