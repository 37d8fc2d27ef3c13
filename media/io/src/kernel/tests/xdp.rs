//! The program at the XDP hook: back by one interface and over to another one, native in veth's driver and generic,
//! with the tc hook above it and without.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;

use plane::g711;
use rustix::net::netdevice::name_to_index;
use socket2::{Domain, Socket, Type};

use super::super::fast_path::{FastPath, Hook};
use super::super::rule::{Family, Rule};
use super::super::syscall::{self, Attach};
use super::frame::{Frame, UdpChecksum};
use super::hand_over::{Course, expect_exact, expect_exact_on};
use super::namespace::{HERE, Namespace, THERE, TX_CHECKSUMS};
use super::site::{A, B, Site, add_address, addresses, rules, start};
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
        // At this hook a checksum has to be whole.
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
const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// Packet `index` of the side that sends under this rule, to its address of the gateway.
fn packet(rule: &Rule, to: SocketAddr, index: u16) -> Frame {
    Frame {
        payload_type: rule.payload_type,
        sequence: 500 + index,
        timestamp: 9_000 + u32::from(index) * 160,
        ssrc: rule.ssrc,
        payload: (0..160).map(|at: u16| at.wrapping_add(index * 3) as u8).collect(),
        ..Frame::rtp(rule.source, to)
    }
}

/// The bytes of RTP that the other side gets of it.
fn relayed(rule: &Rule, packet: &Frame) -> Vec<u8> {
    let mut payload = packet.payload.clone();
    g711::translate(rule.codec, rule.out_codec, &mut payload);
    let out = Frame {
        payload_type: rule.out_payload_type,
        sequence: packet.sequence.wrapping_add(rule.delta_sequence),
        timestamp: packet.timestamp.wrapping_add(rule.delta_timestamp),
        ssrc: rule.out_ssrc,
        payload,
        ..packet.clone()
    };
    out.rtp_bytes()
}

/// Sends packets one by one, and looks at each as it arrives.
fn expect_relayed(from: &UdpSocket, to: &UdpSocket, rule: &Rule, at: SocketAddr, range: Range) {
    for index in range {
        let sent = packet(rule, at, index);
        from.send_to(&sent.rtp_bytes(), at).expect("room");
        let mut bytes = [0; 2_048];
        let got = to.recv_from(&mut bytes);
        let (len, source) = got.unwrap_or_else(|error| panic!("packet {index}: {error}"));
        assert_eq!((&bytes[..len], source), (&relayed(rule, &sent)[..], rule.out_source));
    }
}

type Range = std::ops::Range<u16>;

fn expect_silence(socket: &UdpSocket) {
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a time-out");
    let received = socket.recv(&mut [0; 2_048]);
    let is_over = matches!(&received, Err(error) if error.kind() == ErrorKind::WouldBlock);
    assert!(is_over, "{received:?}");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out");
}

#[test]
fn packets_are_relayed_back_by_the_interface_they_came_from() {
    for (family, hook) in FAMILIES.into_iter().flat_map(|family| HOOKS.map(|hook| (family, hook))) {
        let Some(segment) = Segment::new(family, hook) else { return };
        let [party, to_party, _to_peer, peer] = segment.sockets();
        let rule = &segment.rules[0];
        let entry = segment.path.entry(A).expect("a port of the range");
        entry.give(rule, &stream(rule, 500, 9_000)).expect("an idle leg");
        expect_relayed(&party, &peer, rule, segment.at[1], 0..50);
        let event = Frame { payload_type: 101, ..packet(rule, segment.at[1], 50) };
        party.send_to(&event.rtp_bytes(), segment.at[1]).expect("room");
        to_party.recv(&mut [0; 2_048]).expect("up");
        let figures = entry.figures();
        assert_eq!((figures.packets, figures.by_driver, figures.gaps), (50, 50, 0), "{hook:?}");
        assert_eq!(entry.take(), Some(0x1_0000 + 1_550));
    }
}

/// Both directions of a call between two interfaces, and the share of packets that the driver relayed.
fn expect_a_call(site: &Site, by_driver: u32) {
    let [party, to_party, to_peer, peer] = site.sockets();
    site.give();
    for index in 0..100 {
        let one = index..index + 1;
        expect_relayed(&party, &peer, &site.rules[0], site.at[1], one.clone());
        expect_relayed(&peer, &party, &site.rules[1], site.at[2], one);
    }
    for (port, socket) in [(A, &to_party), (B, &to_peer)] {
        let figures = site.entry(port).figures();
        assert_eq!((figures.packets, figures.octets, figures.gaps), (100, 16_000, 0));
        assert_eq!((figures.by_driver, figures.forged), (by_driver, 0));
        assert!(site.entry(port).is_settled());
        expect_silence(socket);
    }
}

#[test]
fn packets_are_relayed_by_another_interface_in_its_driver() {
    for family in FAMILIES {
        let Some(site) = Site::on_driven_veth(family) else { return };
        expect_a_call(&site, 100);
    }
}

#[test]
fn a_partial_checksum_is_left_to_the_tc_hook() {
    for family in FAMILIES {
        let Some(site) = Site::on_driven_veth(family) else { return };
        site.party().set_offload("pa", TX_CHECKSUMS, true);
        site.peer().set_offload("pb", TX_CHECKSUMS, true);
        expect_a_call(&site, 0);
    }
}

#[test]
fn a_neighbour_without_an_address_is_left_to_the_tc_hook_and_a_new_address_is_used_at_once() {
    for family in FAMILIES {
        let Some(site) = Site::on_driven_veth(family) else { return };
        let [party, _to_party, _to_peer, peer] = site.sockets();
        let entry = site.entry(A);
        let rule = Rule { link_address: [0; 6], ..site.rules[0] };
        entry.give(&rule, &stream(&rule, 500, 9_000)).expect("an idle leg");
        expect_relayed(&party, &peer, &rule, site.at[1], 0..20);
        assert_eq!(entry.figures().by_driver, 0);
        entry.set_link_address(THERE);
        expect_relayed(&party, &peer, &rule, site.at[1], 20..40);
        assert_eq!(entry.figures().by_driver, 20);
        // A wrong one: the frame leaves, and the peer's card does not take it.
        entry.set_link_address([2, 0, 0, 0, 0, 77]);
        party.send_to(&packet(&rule, site.at[1], 40).rtp_bytes(), site.at[1]).expect("room");
        expect_silence(&peer);
        entry.set_link_address([0; 6]);
        expect_relayed(&party, &peer, &rule, site.at[1], 41..60);
        let figures = entry.figures();
        assert_eq!((figures.packets, figures.by_driver, figures.gaps), (60, 21, 0));
    }
}

#[test]
fn a_frame_longer_than_the_way_out_is_left_to_the_tc_hook() {
    let Some(site) = Site::on_driven_veth(Family::V4) else { return };
    let [party, _to_party, _to_peer, peer] = site.sockets();
    site.gateway.ip("link set gwb mtu 400");
    // A process learns it from its next look at the drivers.
    let index = site.gateway.index("gwb");
    let interface = super::super::layout::Interface { index, link: HERE, mtu: 400, sends: true };
    assert!(site.path.set_interface(&interface));
    site.give();
    let rule = &site.rules[0];
    let long = Frame { payload: vec![0x55; 361], ..packet(rule, site.at[1], 0) };
    party.send_to(&long.rtp_bytes(), site.at[1]).expect("room");
    peer.recv(&mut [0; 2_048]).expect("by the tc hook");
    expect_relayed(&party, &peer, rule, site.at[1], 1..10);
    let fits = Frame { payload: vec![0x55; 360], ..packet(rule, site.at[1], 10) };
    party.send_to(&fits.rtp_bytes(), site.at[1]).expect("room");
    peer.recv(&mut [0; 2_048]).expect("400 bytes fit");
    let figures = site.entry(A).figures();
    assert_eq!((figures.packets, figures.by_driver), (11, 10));
}

#[test]
fn forged_packets_and_frames_for_others_are_not_relayed() {
    for family in FAMILIES {
        let Some(site) = Site::on_driven_veth(family) else { return };
        let [_party, _to_party, _to_peer, peer] = site.sockets();
        site.give();
        let rule = &site.rules[0];
        let frames = site.party().frames(Duration::from_secs(1));
        let index = site.party().index("pa");
        let right = packet(rule, site.at[1], 0);
        let other_source = SocketAddr::new(right.source.ip(), 4_002);
        let forgeries = [
            (HERE, Frame { source: other_source, ..right.clone() }),
            (HERE, Frame { ssrc: rule.ssrc ^ 1, ..right.clone() }),
            (THERE, right.clone()),
            ([0xFF; 6], right.clone()),
        ];
        for (to, forged) in &forgeries {
            for _ in 0..150 {
                frames.send(index, &forged.bytes_between(THERE, *to));
            }
        }
        let wrong = Frame { udp_checksum: UdpChecksum::Wrong(0x1234), ..right.clone() };
        frames.send(index, &wrong.bytes_between(THERE, HERE));
        expect_silence(&peer);
        let figures = site.entry(A).figures();
        assert_eq!((figures.forged, figures.other_ssrc), (150, 150), "counted once");
        assert_eq!((figures.packets, figures.by_driver), (1, 1), "a wrong checksum stays wrong");
    }
}

#[test]
fn gifts_under_load_neither_repeat_nor_skip_a_number_back_by_one_interface() {
    for family in FAMILIES {
        let Some(segment) = Segment::new(family, Hook::XdpNative) else { return };
        let sockets = segment.sockets();
        let course =
            Course { path: &segment.path, rule: segment.rules[0], sockets, local: segment.at[1] };
        expect_exact(course, 1_000);
    }
}

#[test]
fn gifts_under_load_neither_repeat_nor_skip_a_number_in_the_driver_with_ipv4() {
    let Some(site) = Site::on_driven_veth(Family::V4) else { return };
    assert!(expect_exact_on(&site, false) > 0, "the driver relayed nothing");
}

#[test]
fn gifts_under_load_neither_repeat_nor_skip_a_number_in_the_driver_with_ipv6() {
    let Some(site) = Site::on_driven_veth(Family::V6) else { return };
    assert!(expect_exact_on(&site, false) > 0, "the driver relayed nothing");
}

#[test]
fn gifts_under_load_neither_repeat_nor_skip_a_number_where_the_driver_leaves_all_to_tc() {
    let Some(site) = Site::on_driven_veth(Family::V4) else { return };
    expect_exact_on(&site, true);
}
