//! Differential: the two readers of address blocks agree with each other and with arithmetic.

use std::net::IpAddr;

use shared::config;

/// The first line is a block, the others are addresses.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let Some(block) = lines.next() else { return };
    let setting = block.parse::<config::Cidr>().ok();
    let stored = stored(block);
    if let Some(setting) = &setting {
        assert_eq!(setting.to_string().parse().as_ref(), Ok(setting), "{setting}");
    }
    for source in lines.take(SOURCES_MAX).filter_map(|line| line.parse::<IpAddr>().ok()) {
        if let Some(stored) = stored {
            assert_eq!(stored.contains(source), simple(stored, source), "{block}, {source}");
        }
        if let (Some(setting), Some(stored)) = (&setting, stored) {
            assert_eq!(setting.contains(source), stored.contains(source), "{block}, {source}");
        }
    }
}

/// As a REST request gives it: address and prefix apart.
fn stored(block: &str) -> Option<store::Cidr> {
    let (address, prefix) = match block.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse().ok()?)),
        None => (block, None),
    };
    store::Cidr::new(address.parse().ok()?, prefix)
}

/// Compares bit by bit.
fn simple(block: store::Cidr, source: IpAddr) -> bool {
    let (block_bits, source_bits) = (bits(block.address()), bits(source.to_canonical()));
    block_bits.len() == source_bits.len()
        && block_bits
            .iter()
            .zip(&source_bits)
            .take(usize::from(block.prefix()))
            .all(|(a, b)| a == b)
}

fn bits(address: IpAddr) -> Vec<bool> {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1)).collect()
}

const SOURCES_MAX: usize = 16;

/// Parts of addresses and blocks.
pub const WORDS: &[&str] = &[
    "\n",
    "/",
    "/0",
    "/8",
    "/32",
    "/33",
    "/96",
    "/128",
    "/129",
    "/256",
    "/-1",
    "/+8",
    "10.0.0.1",
    "255.255.255.255",
    "0.0.0.0",
    "::",
    "::1",
    "2001:db8::",
    "::ffff:10.0.0.1",
    "fe80::1%eth0",
    ":",
    ".",
];
