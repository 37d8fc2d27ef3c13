//! A whole gateway during a call, under SIP datagrams from its caller and from unauthenticated sources.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::records::records;
use crate::network::Network;
use crate::world::{World, phone_ip};

/// No fault is observed, and in the end nothing is left behind: no call, leg, session or recording.
pub fn check(input: &[u8]) {
    let application = Box::new(|_: &str| Ok(DOCUMENT.to_owned()));
    let mut world = World::new(1, 1, Network::PERFECT, application);
    world.call(Duration::ZERO);
    world.run(Duration::from_millis(500));
    for record in records(input) {
        let ip = match record.control & 1 {
            0 => phone_ip(0),
            _ => IpAddr::V4(Ipv4Addr::new(198, 51, 100, 66)),
        };
        world.datagram(SocketAddr::new(ip, 5060), record.bytes);
        world.run(Duration::from_millis(u64::from(record.control >> 1)));
    }
    world.user(Duration::from_secs(1), 0, phone::Command::HangUp);
    let quiet = world.run(Duration::from_secs(3_600));
    assert!(quiet, "something goes on for ever");
    let wrong = world.leftovers();
    assert!(wrong.is_empty(), "{wrong:?}");
}

const DOCUMENT: &str = "<Response><Gather numDigits=\"4\"><Say>Your PIN.</Say></Gather></Response>";
