//! A conference that a crowd joins and leaves while two members talk: nobody else's audio breaks, and the memory
//! returns.
//!
//! The short form runs with every test. The long one, in `make soak`, has 1,000 members a round, 50 a second:
//! `SIDETONE_SOAK=1 cargo nextest run --release -p gateway conference_crowd`. Each stays for 3 s, so some 150 are in
//! the room at once.

use crate::application::Answer;
use crate::conference::{Hall, Singer};
use crate::gateway::Gateway;
use crate::load::{Load, resident_kib};
use crate::sipp;
use crate::tones::{ALICE, BOB};
use crate::wait;

/// Members that come and go in a round, and how often.
struct Form {
    members: u32,
    rounds: usize,
    /// Memory after the last round beyond that after half of them.
    growth_max_percent: f64,
}

/// In a debug build beside SIPp on two cores; heap and store still find their size in so few calls.
const SHORT: Form = Form { members: 100, rounds: 2, growth_max_percent: 6.0 };
const LONG: Form = Form { members: 1_000, rounds: 4, growth_max_percent: 3.0 };
/// Members a second.
const RATE: u32 = 50;
const STAY_MS: u32 = 3_000;
/// Per cent of the 20 ms of a talker that may be missing: the two talk against the real clock.
const MISSING_MAX_PERCENT: usize = 1;

#[test]
fn a_crowd_comes_and_goes_and_nobody_elses_audio_breaks() {
    let form = if std::env::var_os("SIDETONE_SOAK").is_some() { LONG } else { SHORT };
    let document = "<Dial><Conference beep=\"false\" waitUrl=\"\">ops</Conference></Dial>";
    let hall = Hall::open(
        Gateway::start_with_media_ports(2_000, ""),
        move |_, _| document.to_owned(),
        |_| Answer::status(204),
    );
    let [alice, bob] =
        [("alice", ALICE), ("bob", BOB)].map(|(name, hertz)| Singer::call(&hall, name, hertz));
    alice.wait_to_hear(&[BOB]);
    bob.wait_to_hear(&[ALICE]);
    let resident: Vec<u64> = (0..form.rounds)
        .map(|_| {
            round(&hall, &form, &[&alice, &bob]);
            resident_kib(hall.gateway.process_id())
        })
        .collect();
    // The rounds before warm up pools, caches and the store's pages.
    let (first, last) = (resident[form.rounds / 2 - 1], resident[form.rounds - 1]);
    let growth = (last as f64 / first as f64 - 1.0) * 100.0;
    println!("{} members a round; {first} KiB, then {last} KiB: {growth:+.2} %", form.members);
    assert!(growth < form.growth_max_percent, "it grew by {growth:.2} %: {resident:?}");
}

/// The crowd comes and goes once; the two hear each other meanwhile.
fn round(hall: &Hall, form: &Form, talkers: &[&Singer; 2]) {
    let before = talkers.map(|talker| talker.heard().len());
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hang_up_after(STAY_MS);
    let load = Load::start(&hall.gateway, &scenario, RATE, form.members, sipp::SILENT_MEDIA_PORT);
    let outcome = load.finish();
    let members = u64::from(form.members);
    assert_eq!((outcome.successful, outcome.failed), (members, 0), "{}", outcome.report);
    for (talker, before) in talkers.iter().zip(before) {
        let heard = &talker.heard()[before..];
        let frames = heard.chunks_exact(160);
        // The last member leaves after this many frames at the earliest.
        let least = (form.members / RATE * 50 + STAY_MS / 20) as usize * 95 / 100;
        assert!(frames.len() >= least, "{} frames of {least}", frames.len());
        let count = frames.len();
        let missing = frames.filter(|frame| crate::wav::loud(frame) < 120).count();
        assert!(missing * 100 <= count * MISSING_MAX_PERCENT, "{missing} of {count} are missing");
    }
    wait::found("two members that stayed", || {
        let conferences = hall.gateway.fetch("Conferences.json?Status=in-progress").json();
        let sid = conferences["conferences"][0]["sid"].as_str().unwrap_or_default().to_owned();
        let list = format!("Conferences/{sid}/Participants.json?PageSize=500");
        let participants = hall.gateway.fetch(&list).json();
        match participants["participants"].as_array() {
            Some(members) if members.len() == 2 => Ok(()),
            _ => Err(format!("{participants:#}")),
        }
    });
}
