//! Who hears whom: read off the media cores, and compared with the calls that are up.

use std::net::SocketAddr;

use sip::SessionId;

use super::up::Up;
use super::world::World;

/// The parties of each call in `ups` hear each other, as far as both directions allow, and nobody else.
pub fn check_hearing(world: &mut World, ups: &[Up]) {
    let mut wrong = Vec::new();
    for party in 0..world.parties.len() {
        for session in world.parties[party].live() {
            let call = &world.parties[party].calls[&session];
            if call.asked.is_some() {
                wrong.push(format!("{party} never got an answer to its offer"));
            }
            let other = ups.iter().find_map(|up| {
                let [one, other] = up.parties();
                let is_one = one == (party, session);
                if is_one { Some(other) } else { (other == (party, session)).then_some(one) }
            });
            let expected = other.filter(|(other, session)| {
                let listens = world.parties[*other].calls.get(session);
                call.direction.sends() && listens.is_some_and(|call| call.direction.receives())
            });
            let heard = listener(world, party, session);
            if heard != expected {
                wrong.push(format!("{party} is heard by {heard:?}, must be by {expected:?}"));
            }
        }
    }
    wrong.into_iter().for_each(|text| world.is_wrong(text));
}

/// The party that hears what a phone says in a call, by the plans and bridges of the media cores.
fn listener(world: &World, speaker: usize, session: SessionId) -> Option<(usize, SessionId)> {
    let call = world.parties[speaker].calls.get(&session)?;
    let media = call.media.filter(|media| media.direction.sends())?;
    let own = SocketAddr::new(world.parties[speaker].own.ip(), call.port);
    let cores = world.process.cores();
    let (from, at) = cores.listener_of(own, media.remote_rtp?.port())?;
    let party = world.parties.iter().position(|party| party.own.ip() == at.ip())?;
    let mut calls = world.parties[party].calls.iter();
    let heard = calls.find(|(_, call)| {
        let media = call.media.filter(|media| media.direction.receives());
        let from_port = media.and_then(|media| media.remote_rtp).map(|rtp| rtp.port());
        call.is_live() && call.port == at.port() && from_port == Some(from)
    });
    heard.map(|(session, _)| (party, *session))
}
