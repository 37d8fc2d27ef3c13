//! The model of a call that rings somebody: which phones ring, who gets the call, and what the
//! application and the records say of it.
//!
//! [`prepare`] decides what each phone of the user will do and computes the outcome from that alone;
//! [`ring`] plays the call and compares. [`Rang`] counts the times that each phone rang meanwhile.

use std::time::Duration;

use store::CallStatus;

use super::application::RINGS_S;
use super::hearing::check_hearing;
use super::party::{Manner, Over, Party};
use super::records::check_statuses;
use super::up::Up;
use super::world::World;

/// Expected outcome of ringing a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered(usize),
    /// With the `DialCallStatus`.
    Failed(&'static str),
}

/// Rings a user and compares the outcome with the model; the call, where it is up then.
/// `beside`: calls that are up meanwhile, and stay as they are.
pub fn ring(
    world: &mut World,
    caller: usize,
    user: &str,
    on_bridge: bool,
    beside: &[Up],
) -> Option<Up> {
    let outcome = prepare(world, user);
    let rang = Rang::before(world, user);
    let (since, begun_at) = (world.application.asked().len(), world.now.mono);
    let kind = if on_bridge { "bridge" } else { "plain" };
    world.note(|| format!("{caller} calls {kind}-{user}: {outcome:?} must come of it"));
    let (session, command) = world.parties[caller].call(&format!("{kind}-{user}"));
    world.does(caller, command);
    world.run(Duration::from_secs(RINGS_S + 30));
    rang.check(world, outcome);
    let asked = world.application.asked().get(since..).unwrap_or_default().to_vec();
    let Some(first) = asked.first() else {
        world.is_wrong(format!("{caller}'s call asked nobody for a document"));
        return None;
    };
    let sid = first.call;
    let paths: Vec<String> = asked
        .iter()
        .map(|asked| {
            let outcome = match asked.path() {
                "next" => asked.value("DialCallStatus"),
                "status" => asked.value("CallStatus"),
                _ => "",
            };
            format!("{} {outcome}", asked.path())
        })
        .collect();
    let call = &world.parties[caller].calls[&session];
    let (is_up, over) = (call.is_up && call.is_live(), call.over);
    match outcome {
        Outcome::Answered(callee) => {
            if !is_up || paths != ["voice "] {
                world.is_wrong(format!("an answered caller is {over:?}, webhooks: {paths:?}"));
                return None;
            }
            let calls = &world.parties[callee].calls;
            let ringing = calls.iter().rev().find(|(_, call)| call.is_incoming && call.is_live());
            let Some((answered, _)) = ringing else {
                world.is_wrong(format!("{callee} answered and has no call"));
                return None;
            };
            let callee = (callee, *answered);
            let (caller, own) = ((caller, session), Some(sid));
            let up = Up { caller, callee, on_bridge, is_joined: false, sid: own, at: begun_at };
            check_hearing(world, &[beside, &[up]].concat());
            check_statuses(world, sid, CallStatus::InProgress, &[CallStatus::InProgress]);
            Some(up)
        }
        Outcome::Failed(status) => {
            let ends = match on_bridge {
                true => status,
                false => "completed",
            };
            let expected =
                ["voice ".to_owned(), format!("next {status}"), format!("status {ends}")];
            if paths != expected {
                world.is_wrong(format!("the application got {paths:?}, not {expected:?}"));
            }
            let is_right = match over {
                Some(Over::Refused(_)) => on_bridge,
                Some(Over::ByPeer) => !on_bridge,
                _ => false,
            };
            if !is_right {
                world.is_wrong(format!("a caller whose call failed is {over:?}"));
            }
            None
        }
    }
}

/// Decides what each phone of a user does about a call; the outcome that follows.
pub fn prepare(world: &mut World, user: &str) -> Outcome {
    let mut left = world.book.of(world.now.mono, user).len();
    let mut acts = Vec::new();
    let mut slots = vec![2_000, 9_000, 16_000];
    for party in 0..world.parties.len() {
        if world.parties[party].user != user {
            continue;
        }
        let after_ms = slots.remove(world.rng.below(slots.len() as u64) as usize);
        let manner = match world.rng.below(6) {
            0 => Manner::Ignores,
            1 | 2 => {
                let status = [486, 480, 603, 600, 404][world.rng.below(5) as usize];
                Manner::Refuses { after_ms, status }
            }
            _ => Manner::Answers { after_ms },
        };
        world.parties[party].manner = manner;
        if !is_reached(world, party) {
            continue;
        }
        match manner {
            Manner::Ignores => {}
            _ if !world.parties[party].is_idle() => acts.push((0, party, Some(486))),
            Manner::Answers { after_ms } => acts.push((after_ms, party, None)),
            Manner::Refuses { after_ms, status } => acts.push((after_ms, party, Some(status))),
        }
    }
    if left == 0 {
        return Outcome::Failed("failed");
    }
    acts.sort_unstable();
    let mut best: Option<u16> = None;
    for (_, party, status) in acts {
        let Some(status) = status else { return Outcome::Answered(party) };
        left -= 1;
        if best.is_none_or(|best| rank(status) < rank(best)) {
            best = Some(status);
        }
        if status >= 600 || left == 0 {
            return Outcome::Failed(dial_status(best.unwrap_or(status)));
        }
    }
    Outcome::Failed("no-answer")
}

/// Whether a call to a phone's user reaches this phone.
fn is_reached(world: &World, party: usize) -> bool {
    let (user, connection) = (world.parties[party].user, world.parties[party].connection);
    let mut rows = world.disk.bindings();
    rows.any(|row| row.user == user && world.network.reaches(party, connection, row))
}

/// Which refusal wins: one for all contacts, then a person's decision, then the rest. Lower wins.
const fn rank(status: u16) -> u8 {
    match status {
        600.. => 0,
        486 | 480 | 487 => 1,
        _ => 2,
    }
}

const fn dial_status(status: u16) -> &'static str {
    match status {
        486 | 600 => "busy",
        480 | 487 | 603 => "no-answer",
        _ => "failed",
    }
}

/// The times that each phone rang so far, and whether it must ring now.
pub struct Rang(Vec<(usize, bool)>);

impl Rang {
    pub fn before(world: &World, user: &str) -> Self {
        let must = |(number, phone): (usize, &Party)| {
            let must = phone.user == user && phone.is_idle() && is_reached(world, number);
            (incoming(phone), must)
        };
        Self(world.parties.iter().enumerate().map(must).collect())
    }

    /// Every phone of the user that can be reached rang once, and no other phone rang. The phones that did
    /// not get the call got a CANCEL.
    pub fn check(&self, world: &mut World, outcome: Outcome) {
        let mut wrong = Vec::new();
        for (party, (before, must)) in self.0.iter().copied().enumerate() {
            let phone = &world.parties[party];
            let rang = incoming(phone) - before;
            if rang != usize::from(must) {
                wrong.push(format!("phone {party} rang {rang} times, it must: {must}"));
            }
            if rang == 0 {
                continue;
            }
            let last = phone.calls.values().rev().find(|call| call.is_incoming);
            let over = last.and_then(|call| call.over);
            let is_right = match phone.manner {
                _ if outcome == Outcome::Answered(party) => over.is_none(),
                Manner::Refuses { .. } => {
                    matches!(over, Some(Over::ByUs | Over::Canceled))
                }
                Manner::Answers { .. } | Manner::Ignores => over == Some(Over::Canceled),
            };
            if !is_right {
                wrong.push(format!("phone {party} is {over:?} where the outcome is {outcome:?}"));
            }
        }
        wrong.into_iter().for_each(|text| world.is_wrong(text));
    }
}

fn incoming(phone: &Party) -> usize {
    phone.calls.values().filter(|call| call.is_incoming).count()
}
