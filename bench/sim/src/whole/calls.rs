//! Calls of phones to users: what happens while a call is up, and how it ends.

use std::time::Duration;

use shared::Direction;
use sip::{Command, SessionId};
use store::CallStatus;

use super::SETTLES;
use super::application::RINGS_S;
use super::hearing::check_hearing;
use super::leftovers::nothing_is_up;
use super::party::Over;
use super::records::check_statuses;
use super::ringing::{prepare, ring};
use super::transfers;
use super::up::Up;
use super::world::World;

/// A phone calls a user; things happen in the call; it ends.
pub fn play(world: &mut World) {
    let caller = world.rng.below(world.parties.len() as u64) as usize;
    let users = ["alice", "bob", "carol", "dave"];
    let user = users[world.rng.below(4) as usize];
    let on_bridge = world.rng.permille(500);
    let is_same = world.parties[caller].user == user;
    // Where a phone has a dead connection and is about to notice, the model cannot say who rings.
    let all_heard = (0..world.parties.len())
        .all(|party| world.network.carries(world.parties[party].connection));
    if is_same || !all_heard || !world.book.is_certain(world.now.mono, user) {
        return;
    }
    if world.rng.permille(200) {
        return give_up(world, caller, user, on_bridge);
    }
    let Some(mut up) = ring(world, caller, user, on_bridge, &[]) else {
        return nothing_is_up(world);
    };
    for _ in 0..world.rng.below(5) {
        match world.rng.below(8) {
            0..4 => offer(world, &up),
            4 => offer_with_refresh(world, &up),
            5 => {
                let step_ms = world.rng.below(14_400_000) as i64 - 7_200_000;
                world.set_clock(step_ms);
            }
            6 => world.run_about(0, 1_500),
            _ => match transfers::play(world, &up) {
                Some(next) => up = next,
                None => return,
            },
        }
        world.run(SETTLES);
        check_hearing(world, &[up]);
    }
    end(world, &up);
}

/// The caller hangs up before the outcome is known. The whole call must end, in whatever order CANCEL,
/// answers and BYE cross.
fn give_up(world: &mut World, caller: usize, user: &str, on_bridge: bool) {
    prepare(world, user);
    let since = world.application.asked().len();
    let kind = if on_bridge { "bridge" } else { "plain" };
    let (session, command) = world.parties[caller].call(&format!("{kind}-{user}"));
    world.does(caller, command);
    let after = Duration::from_millis(match world.rng.below(3) {
        0 => world.rng.below(1_000),
        1 => 2_000 + world.rng.below(700),
        _ => world.rng.below(20_000),
    });
    world.does_later(after, caller, Command::Bye { session, headers: Vec::new() });
    world.run(after + SETTLES);
    nothing_is_up(world);
    let told = world.application.asked().get(since..).unwrap_or_default();
    let times = |path: &str| told.iter().filter(|asked| asked.path() == path).count();
    let (status, next) = (times("status"), times("next"));
    if status != usize::from(!told.is_empty()) || next > 1 {
        world.is_wrong(format!(
            "a caller that gave up caused {status} status callbacks and {next} actions"
        ));
    }
}

/// One or both parties send an offer, with changed or equal media.
fn offer(world: &mut World, up: &Up) {
    let both = world.rng.permille(300);
    let first = world.rng.below(2) as usize;
    for (at, (party, session)) in up.parties().into_iter().enumerate() {
        if both || at == first {
            reoffer(world, party, session);
        }
    }
}

fn reoffer(world: &mut World, party: usize, session: SessionId) {
    let direction = match world.rng.below(6) {
        0 => Direction::SendOnly,
        1 => Direction::RecvOnly,
        2 => Direction::Inactive,
        _ => Direction::SendRecv,
    };
    let moves = world.rng.permille(300);
    if let Some(command) = world.parties[party].reoffer(session, direction, moves) {
        world.note(|| format!("{party} offers {}", direction.name()));
        world.does(party, command);
    }
}

/// The called party sends an offer at about the moment when the gateway refreshes the session: glare.
fn offer_with_refresh(world: &mut World, up: &Up) {
    let refresh_at = up.at + Duration::from_secs(900);
    let pause = refresh_at.since(world.now.mono);
    world.run(pause);
    let later = Duration::from_millis(world.rng.below(20_000));
    world.run(later);
    reoffer(world, up.callee.0, up.callee.1);
}

/// One party hangs up, or the gateway is killed.
fn end(world: &mut World, up: &Up) {
    if world.rng.permille(200) {
        return end_by_kill(world, up);
    }
    let Some(sid) = up.sid else { return end_transferred(world, up) };
    let who = world.rng.below(2) as usize;
    let (since, ends_at) = (world.application.asked().len(), world.now.mono);
    let (party, session) = up.parties()[who];
    world.does(party, Command::Bye { session, headers: Vec::new() });
    world.run(SETTLES);
    let other = up.parties()[1 - who];
    for ((party, session), expected) in [((party, session), Over::ByUs), (other, Over::ByPeer)] {
        let over = world.parties[party].calls[&session].over;
        if over != Some(expected) {
            world.is_wrong(format!("{party}'s call ended by {over:?}, not {expected:?}"));
        }
    }
    let asked = world.application.asked()[since..].to_vec();
    let told: Vec<&str> = asked.iter().map(|asked| asked.path()).collect();
    let mut sorted = told.clone();
    sorted.sort_unstable();
    if sorted != ["next", "status"] || (who == 1 && told != ["next", "status"]) {
        world.is_wrong(format!("at the end of a call the application got {told:?}"));
    }
    for asked in &asked {
        let status =
            asked.value(if asked.path() == "next" { "DialCallStatus" } else { "CallStatus" });
        if status != "completed" || asked.call != sid {
            world.is_wrong(format!("{} got {status}", asked.path()));
        }
    }
    check_statuses(world, sid, CallStatus::Completed, &[CallStatus::Completed]);
    let lasted_s = ends_at.since(up.at).as_secs();
    let says_s = world.disk.record(sid).and_then(|record| record.duration_s).map(u64::from);
    let is_right =
        says_s.is_some_and(|says| says <= lasted_s + 6 && says + RINGS_S + 8 >= lasted_s);
    if !is_right {
        world.is_wrong(format!("a call of about {lasted_s} s says {says_s:?}"));
    }
    nothing_is_up(world);
}

/// After a transfer either party hangs up, and the other one gets a BYE.
fn end_transferred(world: &mut World, up: &Up) {
    let who = world.rng.below(2) as usize;
    let ((party, session), other) = (up.parties()[who], up.parties()[1 - who]);
    world.does(party, Command::Bye { session, headers: Vec::new() });
    world.run(SETTLES);
    for ((party, session), expected) in [((party, session), Over::ByUs), (other, Over::ByPeer)] {
        let over = world.parties[party].calls[&session].over;
        if over != Some(expected) {
            world.is_wrong(format!("{party}'s call ended by {over:?}, not {expected:?}"));
        }
    }
    nothing_is_up(world);
}

/// The process dies during the call: the phones notice at their next request, and the records end as
/// failed.
fn end_by_kill(world: &mut World, up: &Up) {
    let down = Duration::from_millis(500 + world.rng.below(20_000));
    world.kill_gateway(down);
    world.run(down + SETTLES);
    for (party, session) in up.parties() {
        world.does(party, Command::Bye { session, headers: Vec::new() });
    }
    world.run(SETTLES);
    for (party, session) in up.parties() {
        let over = world.parties[party].calls[&session].over;
        if !matches!(over, Some(Over::ByUs | Over::Lost)) {
            world.is_wrong(format!("{party}'s call that was cut ended by {over:?}"));
        }
    }
    if let Some(sid) = up.sid {
        check_statuses(world, sid, CallStatus::Failed, &[CallStatus::Failed]);
    }
    nothing_is_up(world);
}
