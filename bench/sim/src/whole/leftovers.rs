//! What must be gone: calls and legs where no call is up, all state where nothing happens any more.

use super::world::World;

/// No call is up anywhere, and no leg of one.
pub fn nothing_is_up(world: &mut World) {
    let (calls, legs) = (world.process.calls_live(), world.process.cores().len());
    let phones = world.parties.iter().filter(|party| !party.is_idle());
    let phones: Vec<&str> = phones.map(|party| party.user).collect();
    if calls != 0 || legs != 0 || !phones.is_empty() {
        world.is_wrong(format!("{calls} calls, {legs} legs, {phones:?} are up for ever"));
    }
}

/// Nobody holds a call, a leg, a session or a transaction at the end.
pub fn check(world: &mut World) {
    let mut left = Vec::new();
    if world.process.calls_live() != 0 {
        left.push(format!("{} calls", world.process.calls_live()));
    }
    left.extend(world.process.legs_left_over());
    let gateway = world.process.meters().map(|meters| ("the gateway", meters));
    let phones = world.parties.iter().map(|party| (party.user, party.agent.meters()));
    for (name, meters) in gateway.into_iter().chain(phones) {
        let transactions = (meters.client_transactions, meters.server_transactions);
        if (meters.sessions, meters.requests) != (0, 0) || transactions != (0, 0) {
            let (sessions, requests) = (meters.sessions, meters.requests);
            left.push(format!(
                "{name}: {sessions} sessions, {requests} requests, transactions {transactions:?}"
            ));
        }
    }
    for party in &world.parties {
        if party.calls.values().any(|call| call.is_live() || !call.was_told_once()) {
            left.push(format!("{} has a call that never ended, or twice", party.user));
        }
    }
    left.into_iter().for_each(|text| world.is_wrong(format!("left over: {text}")));
}
