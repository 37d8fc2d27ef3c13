//! Every payload byte of very many relayed packets, while buffers go round between kernel, core and
//! sends: a buffer that is written before it was sent, or sent twice, shows here.
//!
//! The short form runs with all tests; `make soak` runs the long one, millions of packets a backend.

mod common;

use std::net::SocketAddr;
use std::ops::Range;

use common::{Party, Site, backends, config, rtp_address, when};

const CALLS: u16 = 8;
/// Packets of one party under way: with all parties half of the buffers of a core.
const WINDOW: u32 = 64;
const SETTLING: usize = 20;

#[test]
fn no_byte_of_a_relayed_packet_changes_while_buffers_go_round() {
    let is_long = std::env::var_os("SIDETONE_SOAK").is_some();
    // Each round is 1,024 packets: the 2,048 buffers go round once in two.
    let rounds = if is_long { 4_000 } else { 100 };
    for backend in backends() {
        let mut site = Site::open(&config(backend, 1));
        let mut parties: Vec<Party> = (0..CALLS * 2).map(|slot| site.join(0, slot)).collect();
        for pair in parties.chunks_exact(2) {
            site.bridge(&pair[0], &pair[1]);
        }
        site.settle();
        // One by one at first, as calls begin: where a backend changes sockets for a party that it
        // knows, a burst may be overtaken by its own rest.
        let windows = std::iter::repeat_n(1, SETTLING).chain(std::iter::repeat_n(WINDOW, rounds));
        let mut number = 0;
        for window in windows {
            for party in &mut parties {
                (0..window).for_each(|step| party.say(&pattern(party.port.rtp, number + step)));
            }
            for (index, listener) in parties.iter().enumerate() {
                let speaker = &parties[index ^ 1];
                let numbers = number..number + window;
                check(listener, rtp_address(listener.port), speaker.port.rtp, numbers);
            }
            number += window;
        }
        let sent = u64::from(CALLS) * 2 * u64::from(number);
        let figures = when(&site.media.cores[0], |figures| figures.packets_received == sent);
        assert_eq!(figures.packets_forwarded, sent, "{figures:#?}");
        assert_eq!((figures.received_balance(), figures.send_failed), (0, 0));
        println!("{backend:?}: {sent} packets, {} buffer shortages", figures.buffer_shortages);
    }
}

/// Takes a window of packets: each is one that the speaker said, whole and in order.
fn check(listener: &Party, from: SocketAddr, speaker: u16, mut numbers: Range<u32>) {
    let mut bytes = [0; 2_048];
    while !numbers.is_empty() {
        let (len, source) = listener.socket.recv_from(&mut bytes).expect("every packet comes");
        assert_eq!(source, from);
        // Our own reports and silence are not packets of the speaker.
        let is_audio = len == 172 && bytes[1] & 0x7F == 0 && bytes[12..172] != [0xFF; 160];
        if is_audio {
            let number = numbers.next().expect("just looked");
            assert_eq!(bytes[12..172], pattern(speaker, number), "packet {number}");
        }
    }
}

/// 160 bytes that follow from port and number and are those of no other packet near.
fn pattern(port: u16, number: u32) -> [u8; 160] {
    let seed = (u64::from(port) << 32 | u64::from(number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let words = seed.to_le_bytes();
    std::array::from_fn(|i| words[i % 8].wrapping_add((i / 8) as u8).wrapping_mul(31))
}
