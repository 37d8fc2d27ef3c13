//! The whole `Control` in trouble, held to a reference model.
//!
//! Phones register, call, hold and transfer through loss, NATs that forget, broken connections, killed
//! processes and clocks that are set. The product runs in `world`: `network`, `process` (with `core`,
//! media cores that move no audio), `disk`, `application`, and a `party` for each phone.
//!
//! The model states beforehand how each party, each record and the registrar must end, and the checks
//! compare: `book` and `registrations` (who is registered), `ringing` (whom a call rings, with which
//! outcome), `hearing` (who hears whom), `calls` and `transfers` (what happens in a call, and how it ends),
//! `records` (what the disk says), `leftovers` (what must be gone).

mod application;
mod book;
mod calls;
mod core;
mod disk;
mod final_responses;
mod hearing;
mod journal;
mod leftovers;
mod network;
mod party;
mod process;
mod records;
mod registrations;
mod ringing;
mod transfers;
mod up;
mod world;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use world::World;

/// Plays one seed; the findings, empty where nothing is wrong.
pub fn run(seed: u64) -> Vec<String> {
    play(seed, false).into_journal().into_wrong()
}

/// Plays one seed and returns its trace, for a person.
pub fn replay(seed: u64) -> Vec<String> {
    play(seed, true).into_journal().into_trace()
}

const GATEWAY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5060);

/// Longer than any transaction: by then every request is answered, whatever was lost on the way.
const SETTLES: Duration = Duration::from_secs(40);

fn play(seed: u64, is_traced: bool) -> World {
    let mut world = World::new(seed, is_traced);
    for party in 0..world.parties.len() {
        if world.rng.permille(900) {
            let asks_s = asks_s(&mut world);
            world.wants_registration(party, Some(asks_s));
        }
    }
    world.run_until_registered();
    registrations::check(&mut world);
    for _ in 0..3 + world.rng.below(5) {
        one_thing(&mut world);
        world.run_about(5, 60);
        world.run_until_registered();
        registrations::check(&mut world);
    }
    come_to_an_end(&mut world);
    world
}

/// Plays one of many things: a call with all that may happen in it, or trouble.
fn one_thing(world: &mut World) {
    let party = world.rng.below(world.parties.len() as u64) as usize;
    match world.rng.below(13) {
        0..4 => calls::play(world),
        4 => world.run_about(0, 5_000),
        5 => {
            let asks_s = world.rng.permille(500).then(|| asks_s(world));
            world.wants_registration(party, asks_s);
        }
        6 => world.forget_mapping(party),
        7 => world.break_connection(party),
        8 => {
            let moves = world.rng.permille(500);
            world.reboot(party, moves);
        }
        9..11 => {
            let step_ms = world.rng.below(14_400_000) as i64 - 7_200_000;
            world.set_clock(step_ms);
        }
        _ => {
            let down = Duration::from_millis(500 + world.rng.below(20_000));
            world.kill_gateway(down);
        }
    }
}

fn asks_s(world: &mut World) -> u32 {
    [60, 600, 1_200, 3_600, 7_200][world.rng.below(5) as usize]
}

/// Everybody hangs up; then nothing may be left but the bindings of the book.
fn come_to_an_end(world: &mut World) {
    world.everybody_hangs_up();
    world.run(Duration::from_secs(120));
    world.run_until_registered();
    // The transactions of the last REGISTER end before the next one begins.
    world.run(Duration::from_secs(39));
    registrations::check(world);
    leftovers::check(world);
    records::check(world);
}

#[cfg(test)]
mod tests {
    /// A hundred times as many by `make soak`.
    #[test]
    fn the_first_five_hundred_gateways_end_as_the_model_says() {
        play_all(0..500);
    }

    #[test]
    fn the_next_five_hundred_gateways_end_as_the_model_says() {
        play_all(500..1_000);
    }

    /// A seed that fails is shown by `cargo run -p sim -- --whole --seed N`.
    fn play_all(seeds: std::ops::Range<u64>) {
        let wrong: Vec<(u64, Vec<String>)> = seeds
            .map(|seed| (seed, super::run(seed)))
            .filter(|(_, wrong)| !wrong.is_empty())
            .collect();
        assert!(wrong.is_empty(), "{} seeds: {:#?}", wrong.len(), wrong.first());
    }
}
