//! How many connections there may be, in all and of one source. Shell.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use shared::limits::{HTTP_CONNECTIONS_MAX, HTTP_CONNECTIONS_SOURCE_MAX};
use shared::source_of;

/// The places of all listeners together.
#[derive(Clone, Debug, Default)]
pub struct Room(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Never longer than there are connections.
    by_source: HashMap<IpAddr, usize>,
}

/// One connection's place, free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    room: Room,
    source: IpAddr,
}

impl Room {
    /// A place for a connection from there.
    ///
    /// This machine itself may take all places: what stands in front of us, or beside us, speaks for
    /// many.
    ///
    /// # Errors
    /// Which limit is reached, as the metric's label.
    pub(crate) fn enter(&self, peer: IpAddr) -> Result<Place, &'static str> {
        let source = source_of(peer);
        let mut taken = self.0.lock();
        let of_source = taken.by_source.get(&source).copied().unwrap_or(0);
        if taken.all >= HTTP_CONNECTIONS_MAX {
            return Err("connections");
        }
        if of_source >= HTTP_CONNECTIONS_SOURCE_MAX && !peer.to_canonical().is_loopback() {
            return Err("connections_of_source");
        }
        taken.all += 1;
        taken.by_source.insert(source, of_source + 1);
        Ok(Place { room: self.clone(), source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.room.0.lock();
        taken.all = taken.all.saturating_sub(1);
        match taken.by_source.get_mut(&self.source) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => drop(taken.by_source.remove(&self.source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn fill(room: &Room, peer: IpAddr) -> (Vec<Place>, &'static str) {
        let mut places = Vec::new();
        loop {
            match room.enter(peer) {
                Ok(place) => places.push(place),
                Err(reason) => return (places, reason),
            }
        }
    }

    #[test]
    fn one_source_takes_a_part_of_the_places_and_gives_them_back() {
        let room = Room::default();
        let (places, reason) = fill(&room, SOURCE);
        assert_eq!((places.len(), reason), (HTTP_CONNECTIONS_SOURCE_MAX, "connections_of_source"));
        assert!(room.enter([192, 0, 2, 2].into()).is_ok(), "others have room");
        drop(places);
        assert!(room.enter(SOURCE).is_ok());
        assert!(room.0.lock().by_source.is_empty());
    }

    #[test]
    fn the_addresses_of_one_ipv6_subscriber_are_one_source() {
        let room = Room::default();
        let address = |last: usize| format!("2001:db8::{last:x}").parse().expect("an address");
        let places = (0..HTTP_CONNECTIONS_MAX).map_while(|last| room.enter(address(last)).ok());
        assert_eq!(places.collect::<Vec<_>>().len(), HTTP_CONNECTIONS_SOURCE_MAX);
    }

    #[test]
    fn this_machine_takes_all_there_is_and_no_more() {
        let (places, reason) = fill(&Room::default(), std::net::Ipv4Addr::LOCALHOST.into());
        assert_eq!((places.len(), reason), (HTTP_CONNECTIONS_MAX, "connections"));
    }
}
