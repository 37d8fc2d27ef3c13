//! What tales have in common: people, times, documents.

use std::time::Duration;

use phone::Command;

use crate::seen::{KEYS, voice};
use crate::tale::Check;
use crate::world::{SOUND, World};

pub const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub const ALICE: usize = 0;
pub const BOB: usize = 1;
pub const CAROL: usize = 2;
pub const THANKS: (&str, &str) = ("/next", "<Say>Thank you.</Say>");
pub const HANGUP: (&str, &str) = ("/next", "<Hangup/>");
pub const TO_BOB: (&str, &str) =
    ("/voice", "<Dial action=\"/next\"><Sip>sip:bob@10.0.0.3</Sip></Dial>");

/// Alice heard this many milliseconds of sound that an application had made.
pub fn check_heard_ms(check: &mut Check<'_>, expected: std::ops::RangeInclusive<usize>) {
    let heard_ms = check.world.heard_of_mulaw(ALICE, SOUND) * 20;
    check.holds(&format!("{heard_ms} ms of {expected:?} are heard"), expected.contains(&heard_ms));
}

/// Alice speaks, then another phone, then Alice presses keys.
pub fn talk(world: &mut World, other: usize) {
    world.user(ms(4_000), ALICE, Command::Play(voice(ALICE)));
    world.user(ms(5_200), other, Command::Play(voice(other)));
    world.user(ms(6_500), ALICE, Command::Press(KEYS.into()));
}
