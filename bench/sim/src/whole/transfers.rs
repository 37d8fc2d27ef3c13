//! Transfers of calls, blind and attended, and their expected outcome.

use std::time::Duration;

use sip::{Command, SessionId};

use super::SETTLES;
use super::application::RINGS_S;
use super::leftovers::nothing_is_up;
use super::party::Over;
use super::ringing::{self, Outcome, Rang};
use super::up::Up;
use super::world::World;
use crate::ground::DOMAIN;

/// A party of a call transfers the other one; the call that is up afterwards, if any.
pub fn play(world: &mut World, up: &Up) -> Option<Up> {
    let from = world.rng.below(2) as usize;
    let parties = up.parties().map(|(party, _)| world.parties[party].user);
    let others =
        ["alice", "bob", "carol", "dave"].into_iter().filter(|user| !parties.contains(user));
    let others: Vec<&str> = others.collect();
    let user = others[world.rng.below(others.len() as u64) as usize];
    if !world.book.is_certain(world.now.mono, user) {
        return Some(*up);
    }
    if up.is_joined {
        return refused(world, up, from, user);
    }
    match world.rng.below(10) {
        0..5 => blind(world, up, from, user),
        5 | 6 => interrupted(world, up, from, user),
        _ => attended(world, up, from, user),
    }
}

/// A phone sends a REFER that names another user (RFC 5589 section 6).
fn blind(world: &mut World, up: &Up, from: usize, user: &str) -> Option<Up> {
    let outcome = ringing::prepare(world, user);
    let rang = Rang::before(world, user);
    let (transferor, other) = (up.parties()[from], up.parties()[1 - from]);
    world.note(|| format!("{transferor:?} transfers to {user}: {outcome:?} must come of it"));
    refer(world, transferor, format!("sip:{user}@{DOMAIN}"));
    world.run(Duration::from_secs(RINGS_S + 30) + PATIENCE);
    rang.check(world, outcome);
    let (last, stays) = match outcome {
        Outcome::Answered(_) => (200, false),
        // Without answerOnBridge the transferor is released as soon as the document arrives.
        Outcome::Failed(_) if !up.on_bridge => (200, false),
        Outcome::Failed("busy") => (486, true),
        Outcome::Failed("no-answer") => (480, true),
        Outcome::Failed(_) => (503, true),
    };
    check_reported(world, transferor, last);
    if stays {
        return Some(Up { sid: None, ..*up });
    }
    check_over(world, transferor, Over::ByPeer);
    match outcome {
        Outcome::Answered(party) => {
            Some(Up { is_joined: false, ..joined(world, other, (party, newest(world, party))) })
        }
        Outcome::Failed(_) => {
            check_over(world, other, Over::ByPeer);
            nothing_is_up(world);
            None
        }
    }
}

/// A call joined by an attended transfer is outside `<Dial>`: a REFER is refused, and the call goes on.
fn refused(world: &mut World, up: &Up, from: usize, user: &str) -> Option<Up> {
    let (party, session) = up.parties()[from];
    refer(world, (party, session), format!("sip:{user}@{DOMAIN}"));
    world.run(SETTLES);
    let call = &world.parties[party].calls[&session];
    if call.told != [603] || !call.is_live() {
        let told = call.told.clone();
        world.is_wrong(format!("{party} got {told:?} for a transfer outside <Dial>"));
    }
    Some(*up)
}

/// A party hangs up during a transfer; whatever its outcome, everything must end.
fn interrupted(world: &mut World, up: &Up, from: usize, user: &str) -> Option<Up> {
    ringing::prepare(world, user);
    refer(world, up.parties()[from], format!("sip:{user}@{DOMAIN}"));
    let who = world.rng.below(2) as usize;
    let after = Duration::from_millis(world.rng.below(12_000));
    world.run(after);
    let (party, session) = up.parties()[who];
    world.does_later(Duration::ZERO, party, Command::Bye { session, headers: Vec::new() });
    world.run(Duration::from_secs(RINGS_S + 30) + PATIENCE);
    world.everybody_hangs_up();
    world.run(SETTLES);
    nothing_is_up(world);
    None
}

/// A phone calls another user first, and then joins the two (RFC 3891, RFC 5589 section 7).
fn attended(world: &mut World, up: &Up, from: usize, user: &str) -> Option<Up> {
    let (transferor, other) = (up.parties()[from], up.parties()[1 - from]);
    let on_bridge = world.rng.permille(500);
    let consult = ringing::ring(world, transferor.0, user, on_bridge, &[*up]);
    let Some(consult) = consult else { return Some(*up) };
    let Some(target) = world.parties[transferor.0].replacing(consult.caller.1) else {
        world.is_wrong("a phone does not know the tags of its own call".to_owned());
        return None;
    };
    refer(world, transferor, target);
    world.run(Duration::from_secs(10) + PATIENCE);
    check_reported(world, transferor, 200);
    check_over(world, transferor, Over::ByPeer);
    check_over(world, consult.caller, Over::ByPeer);
    Some(joined(world, other, consult.callee))
}

fn refer(world: &mut World, (party, session): (usize, SessionId), target: String) {
    world.parties[party].forget_told(session);
    world.does(party, Command::Refer { session, target, headers: Vec::new() });
}

fn joined(world: &World, caller: (usize, SessionId), callee: (usize, SessionId)) -> Up {
    Up { caller, callee, on_bridge: false, is_joined: true, sid: None, at: world.now.mono }
}

/// The newest incoming call of a phone.
fn newest(world: &World, party: usize) -> SessionId {
    let calls = world.parties[party].calls.iter().rev();
    let mut incoming = calls.filter(|(_, call)| call.is_incoming);
    incoming.next().map_or(SessionId(0), |(session, _)| *session)
}

/// The transferor got 202 for its REFER, then NOTIFYs of 100 and of the final status.
fn check_reported(world: &mut World, (party, session): (usize, SessionId), last: u16) {
    let told = world.parties[party].calls[&session].told.clone();
    if told != [202, 100, last] {
        world.is_wrong(format!("{party} got {told:?} for its transfer, not {last}"));
    }
}

fn check_over(world: &mut World, (party, session): (usize, SessionId), expected: Over) {
    let over = world.parties[party].calls[&session].over;
    if over != Some(expected) {
        world.is_wrong(format!("{party}'s call is {over:?} after a transfer, not {expected:?}"));
    }
}

/// Longer than the gateway waits for the BYE of the transferor.
const PATIENCE: Duration = Duration::from_secs(50);
