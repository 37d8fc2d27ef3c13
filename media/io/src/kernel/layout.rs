//! Memory that the gateway and the program share: the cells, and rules and settings as bytes. Sans-IO.
//!
//! `media/io/bpf/entry.h` is the other side. All cells are atomics, because the program writes them at any
//! time; the order between them is that of the hand-over word (see [`super::word`]).

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64};

use shared::Codec;

use super::rule::{Excluded, Family, Ineligible, Rule};

/// Number of this layout; a pinned map with another one is not adopted.
pub(super) const LAYOUT: u32 = 4;
/// Local addresses whose legs can be relayed in the kernel; as in `entry.h`.
pub(super) const ADDRESSES_MAX: usize = 16;

/// `struct entry`.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct EntryCells {
    pub word: AtomicU64,
    pub entered: AtomicU64,
    pub passed: AtomicU64,
    pub offset: AtomicU32,
    pub arrival: AtomicU32,
    pub timestamp: AtomicU32,
    pub transit: AtomicU32,
    pub jitter_16: AtomicU32,
    pub gaps: AtomicU32,
    pub forged: AtomicU32,
    pub other_ssrc: AtomicU32,
    pub wrong_length: AtomicU32,
    pub reserved: AtomicU32,
    pub rule: [AtomicU64; RULE_WORDS],
    pub addresses: [AtomicU64; RULE_WORDS],
}

/// Memory of one entry.
pub(super) const ENTRY_BYTES: usize = size_of::<EntryCells>();
const _: () = assert!(ENTRY_BYTES == 192);

/// `struct interface`; [`interface_words`] says what it holds.
#[derive(Debug)]
#[repr(C)]
pub(super) struct InterfaceCells {
    pub what: AtomicU64,
    pub link: AtomicU64,
}

const _: () = assert!(size_of::<InterfaceCells>() == 16);

/// Interfaces that the program can tell apart at the XDP hook, by their index modulo this; as in `entry.h`.
pub(super) const INTERFACES: usize = 64;

/// An interface with the program at its XDP hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interface {
    pub index: u32,
    /// Its own link-layer address.
    pub link: [u8; 6],
    /// The longest IP packet, in bytes.
    pub mtu: u32,
    /// Whether its driver takes frames from the XDP hook, its own and that of others.
    pub sends: bool,
}

/// The two words of `struct interface`.
pub(super) fn interface_words(interface: &Interface) -> [u64; 2] {
    let mtu = u16::try_from(interface.mtu).unwrap_or(u16::MAX);
    let what = u64::from(interface.index)
        | u64::from(mtu) << 32
        | u64::from(u16::from(interface.sends)) << 48;
    [what, with_link(0, interface.link)]
}

/// Puts a link-layer address behind the first two bytes of a word, as the program reads it (`rule.link`).
pub(super) fn with_link(word: u64, link: [u8; 6]) -> u64 {
    let [a, b, ..] = word.to_ne_bytes();
    let [c, d, e, f, g, h] = link;
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

/// `struct settings`; [`settings_words`] says what its words hold.
#[derive(Debug)]
#[repr(C)]
pub(super) struct SettingsCells {
    pub valid_until_ns: AtomicU64,
    pub rest: [AtomicU64; SETTINGS_WORDS],
}

const _: () = assert!(size_of::<SettingsCells>() == 376);

/// Words of a rule, and of the addresses behind it.
pub(super) const RULE_WORDS: usize = 8;
/// Words of the settings behind the lease.
pub(super) const SETTINGS_WORDS: usize = 46;
/// Words of `struct rule` whose high halves the program does not read.
pub(super) const OCTETS_WORD: usize = 3;
pub(super) const PACKETS_WORD: usize = 7;
/// Word of `struct rule` with the neighbour's link-layer address.
pub(super) const LINK_WORD: usize = 6;

/// A rule as `struct rule` and `struct addresses`. The halves that the program does not read are 0.
///
/// # Errors
/// [`Ineligible`] when the program cannot do it.
pub(super) fn rule_words(
    rule: &Rule,
) -> Result<([u64; RULE_WORDS], [u64; RULE_WORDS]), Ineligible> {
    let family = rule.check()?;
    let mut line = Line::new();
    let mut six = Line::new();
    for (index, address) in rule.addresses().into_iter().enumerate() {
        match address {
            IpAddr::V4(address) => line.put(4 * index, &address.octets()),
            IpAddr::V6(address) => six.put(16 * index, &address.octets()),
        }
    }
    line.put(16, &rule.source.port().to_be_bytes());
    line.put(18, &rule.out_source.port().to_be_bytes());
    line.put(20, &rule.out_destination.port().to_be_bytes());
    line.put(22, &rule.delta_sequence.to_ne_bytes());
    line.put(24, &rule.delta_timestamp.to_ne_bytes());
    line.put(32, &rule.ssrc.to_be_bytes());
    line.put(36, &rule.out_ssrc.to_be_bytes());
    line.put(40, &rule.interface.to_ne_bytes());
    line.put(44, &[family.number(), rule.payload_type, rule.out_payload_type]);
    line.put(47, &[conversion(rule.codec, rule.out_codec), rule.dscp << 2, flags(rule)]);
    line.put(50, &rule.link_address);
    match rule.next_hop.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => line.put(56, &address.octets()),
        Some(IpAddr::V6(address)) => line.put(0, &address.octets()),
        None => {}
    }
    Ok((line.words(), six.words()))
}

/// Places of legs in the array of entries: an address has a row, a port a place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    /// The even first port.
    pub first_port: u16,
    /// Legs on each address: even ports with their odd neighbours.
    pub legs: u32,
}

impl Grid {
    /// The place of a port on the address of that index.
    pub fn index(self, address: u8, port: u16) -> Option<usize> {
        let offset = u32::from(port.checked_sub(self.first_port)?);
        let leg = offset / 2;
        if offset % 2 != 0 || leg >= self.legs {
            return None;
        }
        Some(usize::from(address) * self.legs as usize + leg as usize)
    }
}

/// The words of `struct settings` behind the lease.
pub(super) fn settings_words(grid: Grid, addresses: &[IpAddr]) -> [u64; SETTINGS_WORDS] {
    let mut bytes = [0; 8 * SETTINGS_WORDS];
    let numbers =
        [u32::from(grid.first_port), grid.legs * 2, grid.legs, addresses.len() as u32, LAYOUT, 0];
    for (place, number) in bytes.chunks_exact_mut(4).zip(numbers) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
    for (place, address) in bytes[24..].chunks_exact_mut(20).zip(addresses) {
        let address = address.to_canonical();
        place[..4].copy_from_slice(&u32::from(Family::of(address).number()).to_ne_bytes());
        match address {
            IpAddr::V4(address) => place[4..8].copy_from_slice(&address.octets()),
            IpAddr::V6(address) => place[4..20].copy_from_slice(&address.octets()),
        }
    }
    words(&bytes)
}

fn conversion(from: Codec, to: Codec) -> u8 {
    match (from, to) {
        (Codec::Pcmu, Codec::Pcmu) | (Codec::Pcma, Codec::Pcma) => 0,
        (Codec::Pcmu, Codec::Pcma) => 1,
        (Codec::Pcma, Codec::Pcmu) => 2,
    }
}

fn flags(rule: &Rule) -> u8 {
    let drops = |excluded| u8::from(excluded == Excluded::Dropped);
    drops(rule.forged) | drops(rule.other_ssrc) << 1
}

/// One cache line.
struct Line([u8; 64]);

impl Line {
    const fn new() -> Self {
        Self([0; 64])
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn words(&self) -> [u64; RULE_WORDS] {
        words(&self.0)
    }
}

fn words<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_has_the_place_of_its_even_port_in_the_row_of_its_address() {
        let grid = Grid { first_port: 10_000, legs: 3 };
        assert_eq!(grid.index(0, 10_000), Some(0));
        assert_eq!(grid.index(2, 10_004), Some(8));
        for outside in [9_998, 10_001, 10_005, 10_006, 65_534] {
            assert_eq!(grid.index(0, outside), None, "{outside}");
        }
    }

    #[test]
    fn a_link_layer_address_leaves_the_two_bytes_before_it() {
        let word = with_link(u64::from_ne_bytes([0xB8, 3, 1, 1, 1, 1, 1, 1]), [2, 0, 0, 0, 0, 9]);
        assert_eq!(word.to_ne_bytes(), [0xB8, 3, 2, 0, 0, 0, 0, 9]);
        let jumbo = Interface { index: 7, link: [2, 0, 0, 0, 0, 9], mtu: 65_536, sends: true };
        assert_eq!(interface_words(&jumbo)[0], 7 | 0xFFFF << 32 | 1 << 48);
    }
}
