//! Transfers in the house, blind and attended, and what must come of them.

use std::time::Duration;

use sip::{Command, SessionId};

use super::calls::{self, Outcome, Rang, Up};
use super::ground::RINGS_S;
use super::house::House;
use super::party::{DOMAIN, Over};

/// A party of a call transfers the other one: the call that is up afterwards, if any.
pub fn play(house: &mut House, up: &Up) -> Option<Up> {
    let from = house.rng.below(2) as usize;
    let parties = up.parties().map(|(party, _)| house.parties[party].user);
    let others =
        ["alice", "bob", "carol", "dave"].into_iter().filter(|user| !parties.contains(user));
    let others: Vec<&str> = others.collect();
    let user = others[house.rng.below(others.len() as u64) as usize];
    if !house.book.is_certain(house.now.mono, user) {
        return Some(*up);
    }
    if up.is_joined {
        return refused(house, up, from, user);
    }
    match house.rng.below(10) {
        0..5 => blind(house, up, from, user),
        5 | 6 => interrupted(house, up, from, user),
        _ => attended(house, up, from, user),
    }
}

/// The phone asks for the other party to be sent to somebody (contract sip-interface.md 16.1).
fn blind(house: &mut House, up: &Up, from: usize, user: &str) -> Option<Up> {
    let outcome = calls::prepare(house, user);
    let rang = Rang::before(house, user);
    let (transferor, other) = (up.parties()[from], up.parties()[1 - from]);
    house.note(|| format!("{transferor:?} transfers to {user}: {outcome:?} must come of it"));
    refer(house, transferor, format!("sip:{user}@{DOMAIN}"));
    house.run(Duration::from_secs(RINGS_S + 30) + PATIENCE);
    rang.check(house, outcome);
    let (last, stays) = match outcome {
        Outcome::Answered(_) => (200, false),
        // Without answerOnBridge the phone is let go as soon as the document is there.
        Outcome::Failed(_) if !up.on_bridge => (200, false),
        Outcome::Failed("busy") => (486, true),
        Outcome::Failed("no-answer") => (480, true),
        Outcome::Failed(_) => (503, true),
    };
    check_told(house, transferor, last);
    if stays {
        return Some(Up { sid: None, ..*up });
    }
    check_over(house, transferor, Over::ByPeer);
    match outcome {
        Outcome::Answered(party) => {
            Some(Up { is_joined: false, ..joined(house, other, (party, newest(house, party))) })
        }
        Outcome::Failed(_) => {
            check_over(house, other, Over::ByPeer);
            house.nothing_is_up();
            None
        }
    }
}

/// Who was joined by an attended transfer is in no `<Dial>` any more: the call goes on.
fn refused(house: &mut House, up: &Up, from: usize, user: &str) -> Option<Up> {
    let (party, session) = up.parties()[from];
    refer(house, (party, session), format!("sip:{user}@{DOMAIN}"));
    house.run(calls::SETTLES);
    let call = &house.parties[party].calls[&session];
    if call.told != [603] || !call.is_live() {
        let told = call.told.clone();
        house.is_wrong(format!("{party} was told {told:?} of a transfer outside of <Dial>"));
    }
    Some(*up)
}

/// Somebody hangs up in the middle of a transfer: whatever comes of it, all of it ends.
fn interrupted(house: &mut House, up: &Up, from: usize, user: &str) -> Option<Up> {
    calls::prepare(house, user);
    refer(house, up.parties()[from], format!("sip:{user}@{DOMAIN}"));
    let who = house.rng.below(2) as usize;
    let after = Duration::from_millis(house.rng.below(12_000));
    house.run(after);
    let (party, session) = up.parties()[who];
    house.does_later(Duration::ZERO, party, Command::Bye { session, headers: Vec::new() });
    house.run(Duration::from_secs(RINGS_S + 30) + PATIENCE);
    house.everybody_hangs_up();
    house.run(calls::SETTLES);
    house.nothing_is_up();
    None
}

/// The phone calls somebody else first, and then joins the two (RFC 3891, contract 16.1).
fn attended(house: &mut House, up: &Up, from: usize, user: &str) -> Option<Up> {
    let (transferor, other) = (up.parties()[from], up.parties()[1 - from]);
    let on_bridge = house.rng.permille(500);
    let consult = calls::ring(house, transferor.0, user, on_bridge, &[*up]);
    let Some(consult) = consult else { return Some(*up) };
    let Some(target) = house.parties[transferor.0].replacing(consult.caller.1) else {
        house.is_wrong("a phone does not know the tags of its own call".to_owned());
        return None;
    };
    refer(house, transferor, target);
    house.run(Duration::from_secs(10) + PATIENCE);
    check_told(house, transferor, 200);
    check_over(house, transferor, Over::ByPeer);
    check_over(house, consult.caller, Over::ByPeer);
    Some(joined(house, other, consult.callee))
}

fn refer(house: &mut House, (party, session): (usize, SessionId), target: String) {
    house.parties[party].forget_told(session);
    house.does(party, Command::Refer { session, target, headers: Vec::new() });
}

fn joined(house: &House, caller: (usize, SessionId), callee: (usize, SessionId)) -> Up {
    Up { caller, callee, on_bridge: false, is_joined: true, sid: None, at: house.now.mono }
}

/// The call that rang last at a phone.
fn newest(house: &House, party: usize) -> SessionId {
    let calls = house.parties[party].calls.iter().rev();
    let mut incoming = calls.filter(|(_, call)| call.is_incoming);
    incoming.next().map_or(SessionId(0), |(session, _)| *session)
}

/// The answer to a REFER, that it is tried, and the last word; who is slow to be told the last one may
/// have hung up, or been hung up on, before.
fn check_told(house: &mut House, (party, session): (usize, SessionId), last: u16) {
    let told = house.parties[party].calls[&session].told.clone();
    if told != [202, 100, last] {
        house.is_wrong(format!("{party} was told {told:?} of its transfer, not {last}"));
    }
}

fn check_over(house: &mut House, (party, session): (usize, SessionId), expected: Over) {
    let over = house.parties[party].calls[&session].over;
    if over != Some(expected) {
        house.is_wrong(format!("{party}'s call is {over:?} after a transfer, not {expected:?}"));
    }
}

/// How long the gateway waits for the BYE of who transferred (contract sip-interface.md 16.1), and some.
const PATIENCE: Duration = Duration::from_secs(50);
