//! Link-layer addresses of neighbours, for the XDP hook, which no neighbour table serves (rtnetlink(7)).
//!
//! ```text
//!   core: change number of the neighbour, then RTM_GETNEIGH --> address into the rule
//!   keeper: RTM_NEWNEIGH or RTM_DELNEIGH --> change number + 1 --> core asks again at its next look (100 ms)
//! ```
//!
//! The kernel's table is the only one. The keeper remembers nothing of a neighbour: it raises one of 256 numbers,
//! chosen by interface and address. A core that sees another number asks again, and mends a rule whose address
//! is not right any more. The order of number and question leaves no gap in which a change goes unseen.
//!
//! An address counts while the kernel has it confirmed. A packet behind a stale one takes the tc hook, where the kernel
//! sends it and has the neighbour confirm; so every neighbour is asked once in its reachable time (30 s), although
//! what the driver sends is nothing that the kernel sees.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};

use super::netlink::{self, Asker, Listener, Message, News, Request};

/// A neighbour that frames leave to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Neighbour {
    /// Index of the interface that it is behind.
    pub interface: u32,
    pub address: IpAddr,
}

/// Numbers that rise when something changes about the neighbours behind them.
#[derive(Debug)]
pub(crate) struct Changes([AtomicU32; CHANGES]);

impl Default for Changes {
    fn default() -> Self {
        Self([const { AtomicU32::new(0) }; CHANGES])
    }
}

impl Changes {
    pub(super) fn of(&self, neighbour: Neighbour) -> u32 {
        self.0[place_of(neighbour) % CHANGES].load(Acquire)
    }

    fn note(&self, neighbour: Neighbour) {
        self.0[place_of(neighbour) % CHANGES].fetch_add(1, Release);
    }

    fn note_all(&self) {
        for number in &self.0 {
            number.fetch_add(1, Release);
        }
    }
}

/// The answers of one core.
#[derive(Debug)]
pub(super) struct Neighbours {
    asker: Asker,
    known: Vec<Option<Known>>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    neighbour: Neighbour,
    change: u32,
    link: Option<[u8; 6]>,
}

impl Neighbours {
    /// Opens the socket and allocates the table.
    pub fn open() -> io::Result<Self> {
        Ok(Self { asker: Asker::open(None)?, known: vec![None; KNOWN_MAX] })
    }

    /// The confirmed address of a neighbour, as of that change number or later.
    pub fn find(&mut self, neighbour: Neighbour, change: u32) -> Option<[u8; 6]> {
        let place = place_of(neighbour) % KNOWN_MAX;
        if let Some(known) = self.known[place]
            && (known.neighbour, known.change) == (neighbour, change)
        {
            return known.link;
        }
        let link = self.ask(neighbour).ok().flatten();
        self.known[place] = Some(Known { neighbour, change, link });
        link
    }

    fn ask(&mut self, neighbour: Neighbour) -> io::Result<Option<[u8; 6]>> {
        let mut request = Request::new(RTM_GETNEIGH);
        // struct ndmsg: family, two of padding, interface, state, flags, type.
        request.push(&[netlink::family_of(neighbour.address), 0, 0, 0]);
        request.push(&neighbour.interface.to_ne_bytes());
        request.push(&[0; 4]);
        request.address(NDA_DST, neighbour.address);
        let mut answer = [0; ANSWER_BYTES];
        let answer = self.asker.ask(&mut request, &mut answer)?;
        Ok(answer.and_then(read_link))
    }
}

/// The confirmed address in an answer; `None` for an error, and while the kernel is not certain of it.
fn read_link(answer: Message<'_>) -> Option<[u8; 6]> {
    if answer.kind()? != RTM_NEWNEIGH || answer.half(8)? & (NUD_REACHABLE | NUD_PERMANENT) == 0 {
        return None;
    }
    let mut attributes = answer.attributes(NDMSG_BYTES);
    let link: [u8; 6] = attributes.find(|(kind, _)| *kind == NDA_LLADDR)?.1.try_into().ok()?;
    (link != [0; 6]).then_some(link)
}

/// Notices what changes about neighbours.
#[derive(Debug)]
pub(super) struct NeighbourWatch(Listener);

impl NeighbourWatch {
    pub fn open() -> io::Result<Self> {
        Ok(Self(Listener::open(None, RTMGRP_NEIGH)?))
    }

    pub const fn socket(&self) -> &std::os::fd::OwnedFd {
        self.0.socket()
    }

    /// Raises the numbers of those that have changed since the last call.
    pub fn read(&self, changes: &Changes) {
        let news = self.0.read(|message| {
            if let Some(neighbour) = read_neighbour(message) {
                changes.note(neighbour);
            }
        });
        if news == News::Lost {
            changes.note_all();
        }
    }
}

fn read_neighbour(message: Message<'_>) -> Option<Neighbour> {
    let interface = message.word(4)?;
    let mut attributes = message.attributes(NDMSG_BYTES);
    let (_, octets) = attributes.find(|(kind, _)| *kind == NDA_DST)?;
    netlink::address(octets).map(|address| Neighbour { interface, address })
}

/// Neighbours in an address range lie side by side.
fn place_of(neighbour: Neighbour) -> usize {
    let low = match neighbour.address {
        IpAddr::V4(address) => u32::from(address),
        IpAddr::V6(address) => u128::from(address) as u32,
    };
    low.wrapping_add(neighbour.interface.wrapping_mul(0x9E37_79B9)) as usize
}

const CHANGES: usize = 256;
/// Neighbours that one core remembers, 40 bytes each.
const KNOWN_MAX: usize = 1_024;
/// The kernel's answer about one neighbour has about 100 bytes.
const ANSWER_BYTES: usize = 512;
const RTMGRP_NEIGH: u32 = 0x4;
const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NUD_REACHABLE: u16 = 0x02;
const NUD_PERMANENT: u16 = 0x80;
const NDMSG_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's answer about 192.0.2.7 behind interface 3.
    fn answer(kind: u16, state: u16, link: &[u8]) -> Vec<u8> {
        let mut request = Request::new(kind);
        request.push(&[netlink::AF_INET, 0, 0, 0, 3, 0, 0, 0]);
        request.push(&state.to_ne_bytes());
        request.push(&[0, 1]);
        request.address(NDA_DST, [192, 0, 2, 7].into());
        request.attribute(NDA_LLADDR, link);
        request.bytes_so_far().to_vec()
    }

    #[test]
    fn only_an_address_that_the_kernel_has_confirmed_counts() {
        const LINK: [u8; 6] = [2, 0, 0, 0, 0, 9];
        let read = |kind, state, link| read_link(Message::of(&answer(kind, state, link)));
        for confirmed in [NUD_REACHABLE, NUD_PERMANENT] {
            assert_eq!(read(RTM_NEWNEIGH, confirmed, &LINK), Some(LINK));
        }
        // Incomplete, stale, delay, probe, failed, noarp.
        for other in [0x01, 0x04, 0x08, 0x10, 0x20, 0x40] {
            assert_eq!(read(RTM_NEWNEIGH, other, &LINK), None, "{other:#x}");
        }
        assert_eq!(read(2, NUD_REACHABLE, &LINK), None, "an error");
        assert_eq!(read(RTM_NEWNEIGH, NUD_REACHABLE, &[0; 6]), None);
        assert_eq!(read(RTM_NEWNEIGH, NUD_REACHABLE, &LINK[..4]), None, "a tunnel's address");
        let whole = answer(RTM_NEWNEIGH, NUD_REACHABLE, &LINK);
        // The last two bytes only fill a word.
        for length in 0..whole.len() - 2 {
            assert_eq!(read_link(Message::of(&whole[..length])), None, "{length} bytes");
        }
    }

    #[test]
    fn news_of_one_neighbour_raise_its_number() {
        let changes = Changes::default();
        let bytes = answer(RTM_NEWNEIGH, 0x04, &[2; 6]);
        let neighbour = read_neighbour(Message::of(&bytes)).expect("it names one");
        let other = Neighbour { interface: 4, ..neighbour };
        assert_eq!(neighbour, Neighbour { interface: 3, address: [192, 0, 2, 7].into() });
        changes.note(neighbour);
        assert_eq!((changes.of(neighbour), changes.of(other)), (1, 0));
        changes.note_all();
        assert_eq!((changes.of(neighbour), changes.of(other)), (2, 1));
    }
}
