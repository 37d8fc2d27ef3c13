//! Tests of the fast path on this kernel.
//!
//! `program.rs` runs the program on single frames. The others make network namespaces and send real
//! packets. Where the kernel denies BPF, each test asserts that the refusal is a typed one and ends.

mod drivers;
mod frame;
mod frames;
mod hand_over;
mod interfaces;
mod killed;
mod memory;
mod namespace;
mod pins;
mod program;
mod reference;
mod refusals;
mod relayed;
mod site;
mod xdp;

use std::net::{IpAddr, SocketAddr};

use plane::RelayStream;
use shared::{Codec, Instant, MediaPort};

use super::error::KernelError;
use super::fast_path::{FastPath, FastPathConfig};
use super::rule::{Excluded, Rule};
use crate::clock;

/// Opens the fast path. `None` where this process may not, after a check that the refusal says so.
fn open(config: &FastPathConfig) -> Option<FastPath> {
    match FastPath::open(config) {
        Ok(path) => Some(path),
        Err(
            refused @ (KernelError::Capability { .. }
            | KernelError::Denied
            | KernelError::TooOld { .. }),
        ) => {
            let text = refused.to_string();
            assert!(text.contains("CAP_BPF") || text.contains("bpf") || text.contains("Linux 6.6"));
            println!("refused, as it says itself: {text}");
            None
        }
        Err(other) => panic!("{other}"),
    }
}

fn config(address: IpAddr) -> FastPathConfig {
    FastPathConfig { addresses: vec![address], ports: 10_000..=10_099, pins: None }
}

const PORT: MediaPort = MediaPort { address: 0, rtp: 10_010 };

/// A rule between two parties of a gateway that has one address.
fn rule(party: SocketAddr, local: IpAddr, peer: SocketAddr, interface: u32) -> Rule {
    Rule {
        source: party,
        local,
        out_source: SocketAddr::new(local, 10_020),
        out_destination: peer,
        interface,
        next_hop: None,
        link_address: [0; 6],
        ssrc: 0x1111_2222,
        out_ssrc: 0x3333_4444,
        payload_type: 0,
        out_payload_type: 8,
        codec: Codec::Pcmu,
        out_codec: Codec::Pcmu,
        delta_sequence: 1_000,
        delta_timestamp: 77_000,
        dscp: 46,
        forged: Excluded::Dropped,
        other_ssrc: Excluded::Dropped,
    }
}

/// A stream whose next packet is number `sequence` of the party, at `timestamp`.
fn stream(rule: &Rule, sequence: u16, timestamp: u32) -> RelayStream {
    let now = (clock::now().as_nanos() / 125_000) as u32;
    RelayStream {
        next: 0x1_0000 + u32::from(sequence.wrapping_add(rule.delta_sequence)),
        highest: 0x1_0000 + u32::from(sequence) - 1,
        timestamp,
        transit: now.wrapping_sub(timestamp),
        jitter_16: 0,
    }
}

fn in_a_minute() -> Instant {
    Instant::from_nanos(clock::now().as_nanos() + 60_000_000_000)
}
