//! The program at the XDP hook: in and out by one interface, native in veth's driver and generic.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;

use rustix::net::netdevice::name_to_index;
use socket2::{Domain, Socket, Type};

use super::super::fast_path::{FastPath, Hook};
use super::super::rule::{Family, Rule};
use super::super::syscall::{self, Attach};
use super::frame::Frame;
use super::hand_over::{Course, expect_exact};
use super::namespace::{Namespace, THERE, TX_CHECKSUMS};
use super::site::{A, add_address, addresses, rules, start};
use super::stream;

/// Party and peer behind one interface of the gateway.
struct Segment {
    gateway: Namespace,
    parties: Namespace,
    path: FastPath,
    at: [SocketAddr; 4],
    rules: [Rule; 2],
    _pass: [OwnedFd; 2],
}

/// Attaches a program that passes everything to `p`: veth has queues for frames that are sent back only while its
/// other end has a program.
fn pass_all() -> [OwnedFd; 2] {
    // r0 = XDP_PASS; exit.
    let words = [0x0000_0002_0000_00B7, 0x0000_0000_0000_0095];
    let program = syscall::load_program("pass", Attach::XdpNative, &words, None);
    let program = program.expect("a program of two instructions");
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
    let index = name_to_index(&socket, "p").expect("an interface of this namespace");
    let link = syscall::create_link(&program, index, Attach::XdpNative).expect("veth has XDP");
    [program, link]
}

impl Segment {
    fn new(family: Family, hook: Hook) -> Option<Self> {
        let [gateway, parties] = [Namespace::new()?, Namespace::new()?];
        gateway.join("gw", "p", &parties);
        let hosts = match family {
            Family::V4 => ["10.78.0.2", "10.78.0.1", "10.78.0.1", "10.78.0.3"],
            Family::V6 => ["fd78::2", "fd78::1", "fd78::1", "fd78::3"],
        };
        for (namespace, interface, host) in
            [(&gateway, "gw", hosts[1]), (&parties, "p", hosts[0]), (&parties, "p", hosts[3])]
        {
            add_address(namespace, interface, host, family);
        }
        // At this hook a checksum has to be complete.
        parties.set_offload("p", TX_CHECKSUMS, false);
        let pass = parties.run(pass_all);
        let at = addresses(hosts);
        let path = start(&gateway, &at, None, vec![("gw", hook)])?;
        let index = gateway.index("gw");
        let rules = rules(&at, [index; 2]).map(|rule| Rule { link_address: THERE, ..rule });
        Some(Self { gateway, parties, path, at, rules, _pass: pass })
    }

    fn sockets(&self) -> [UdpSocket; 4] {
        let [party, to_party, to_peer, peer] = self.at;
        [
            self.parties.udp(party),
            self.gateway.udp(to_party),
            self.gateway.udp(to_peer),
            self.parties.udp(peer),
        ]
    }
}

const HOOKS: [Hook; 2] = [Hook::XdpNative, Hook::XdpGeneric];

#[test]
fn packets_are_relayed_back_by_the_interface_they_came_from() {
    for (family, hook) in
        [Family::V4, Family::V6].into_iter().flat_map(|family| HOOKS.map(|hook| (family, hook)))
    {
        let Some(segment) = Segment::new(family, hook) else { return };
        let [party, to_party, _to_peer, peer] = segment.sockets();
        let rule = &segment.rules[0];
        let entry = segment.path.entry(A).expect("a port of the range");
        entry.give(rule, &stream(rule, 500, 9_000)).expect("an idle leg");
        for index in 0..50u16 {
            let sent = Frame {
                sequence: 500 + index,
                timestamp: 9_000 + u32::from(index) * 160,
                ssrc: rule.ssrc,
                ..Frame::rtp(rule.source, segment.at[1])
            };
            party.send_to(&sent.rtp_bytes(), segment.at[1]).expect("room");
            let mut bytes = [0; 2_048];
            let (len, source) = peer.recv_from(&mut bytes).unwrap_or_else(|e| {
                panic!("{hook:?} {family:?} {index} {e} {:?}", entry.figures())
            });
            let got = &bytes[..len];
            assert_eq!(source, rule.out_source, "{hook:?}");
            let mut payload = sent.payload.clone();
            plane::g711::translate(rule.codec, rule.out_codec, &mut payload);
            let expected = Frame {
                payload_type: rule.out_payload_type,
                sequence: 1_500 + index,
                timestamp: sent.timestamp + rule.delta_timestamp,
                ssrc: rule.out_ssrc,
                payload,
                ..sent
            };
            assert_eq!(got, expected.rtp_bytes(), "{hook:?}");
        }
        let event = Frame {
            payload_type: 101,
            ssrc: rule.ssrc,
            sequence: 550,
            ..Frame::rtp(rule.source, segment.at[1])
        };
        party.send_to(&event.rtp_bytes(), segment.at[1]).expect("room");
        to_party.recv(&mut [0; 2_048]).expect("up");
        let mut elsewhere = segment.at[0];
        elsewhere.set_port(4_002);
        let forger = segment.parties.udp(elsewhere);
        for _ in 0..200 {
            forger.send_to(&event.rtp_bytes(), segment.at[1]).expect("room");
        }
        peer.set_read_timeout(Some(std::time::Duration::from_millis(50))).expect("a time-out");
        peer.recv(&mut [0; 2_048]).expect_err("nothing of the forger");
        let figures = entry.figures();
        assert_eq!((figures.packets, figures.forged, figures.gaps), (50, 200, 0), "{hook:?}");
        assert_eq!(entry.take(), Some(0x1_0000 + 1_550));
    }
}

#[test]
fn gifts_under_load_neither_repeat_nor_skip_a_number() {
    for family in [Family::V4, Family::V6] {
        let Some(segment) = Segment::new(family, Hook::XdpNative) else { return };
        let sockets = segment.sockets();
        let course =
            Course { path: &segment.path, rule: segment.rules[0], sockets, local: segment.at[1] };
        expect_exact(course, 1_000);
    }
}

#[test]
fn a_driver_without_xdp_is_named() {
    let Some(gateway) = Namespace::new() else { return };
    let at = addresses(["127.0.0.2", "127.0.0.1", "127.0.0.1", "127.0.0.3"]);
    let Some(mut path) = start(&gateway, &at, None, Vec::new()) else { return };
    // Loopback has no XDP of its own.
    let refused =
        gateway.run(move || path.attach("lo", Hook::XdpNative).map_err(|e| e.to_string()));
    assert!(refused.expect_err("no driver").contains("lo cannot run XDP in its driver"));
}
