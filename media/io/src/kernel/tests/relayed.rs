//! Real packets between namespaces and on loopback: bytes, checksums, forged sources, the lease.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use plane::g711;

use super::super::route::Routes;
use super::super::rule::{Family, Rule};
use super::frame::{Frame, UdpChecksum, pseudo_sum};
use super::namespace::{Frames, HERE, THERE, TX_CHECKSUMS, send_in_pages};
use super::site::{A, B, Site, add_address};
use super::stream;
use crate::clock;

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// Packet `index` of the side that sends under this rule.
fn packet(rule: &Rule, index: u16) -> Frame {
    let local = std::net::SocketAddr::new(rule.local, A.rtp);
    Frame {
        payload_type: rule.payload_type,
        sequence: 500u16.wrapping_add(index),
        timestamp: 9_000 + u32::from(index) * 160,
        ssrc: rule.ssrc,
        payload: (0..160).map(|at| (at as u16).wrapping_add(index.wrapping_mul(3)) as u8).collect(),
        ..Frame::rtp(rule.source, local)
    }
}

/// The same packet as the other side gets it.
fn relayed(rule: &Rule, packet: &Frame) -> Frame {
    let mut payload = packet.payload.clone();
    g711::translate(rule.codec, rule.out_codec, &mut payload);
    Frame {
        source: rule.out_source,
        destination: rule.out_destination,
        traffic_class: rule.dscp << 2,
        hops: 64,
        payload_type: rule.out_payload_type,
        sequence: packet.sequence.wrapping_add(rule.delta_sequence),
        timestamp: packet.timestamp.wrapping_add(rule.delta_timestamp),
        ssrc: rule.out_ssrc,
        payload,
        ..packet.clone()
    }
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, std::net::SocketAddr) {
    let mut bytes = vec![0; 2_048];
    let (len, from) = socket.recv_from(&mut bytes).expect("a packet within 5 s");
    bytes.truncate(len);
    (bytes, from)
}

fn expect_silence(socket: &UdpSocket) {
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a time-out");
    let received = socket.recv(&mut [0; 2_048]);
    assert!(
        matches!(&received, Err(error) if error.kind() == ErrorKind::WouldBlock),
        "{received:?}"
    );
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out");
}

/// Both directions of a call, each packet checked when it arrives.
fn expect_a_call(site: &Site) {
    let [party, to_party, to_peer, peer] = site.sockets();
    site.give();
    for index in 0..100 {
        for (from, to, local, rule) in [
            (&party, &peer, site.at[1], &site.rules[0]),
            (&peer, &party, site.at[2], &site.rules[1]),
        ] {
            let sent = packet(rule, index);
            from.send_to(&sent.rtp_bytes(), local).expect("room");
            let (bytes, source) = receive(to);
            assert_eq!(bytes, relayed(rule, &sent).rtp_bytes());
            assert_eq!(source, rule.out_source);
        }
    }
    for (port, socket) in [(A, &to_party), (B, &to_peer)] {
        let figures = site.entry(port).figures();
        assert_eq!((figures.packets, figures.octets), (100, 16_000));
        assert_eq!((figures.gaps, figures.forged), (0, 0));
        assert!(site.entry(port).is_settled());
        expect_silence(socket);
    }
}

#[test]
fn a_call_is_relayed_between_interfaces_in_every_state_of_checksum_offload() {
    for family in FAMILIES {
        for (party_offloads, gateway_offloads) in
            [(true, true), (true, false), (false, true), (false, false)]
        {
            let Some(site) = Site::on_veth(family) else { return };
            for (namespace, interface, on) in [
                (site.party(), "pa", party_offloads),
                (site.peer(), "pb", party_offloads),
                (&site.gateway, "gwa", gateway_offloads),
                (&site.gateway, "gwb", gateway_offloads),
            ] {
                namespace.set_offload(interface, TX_CHECKSUMS, on);
            }
            let frames = site.peer().frames(Duration::from_millis(200));
            expect_a_call(&site);
            let rule = &site.rules[0];
            let caught = expect_checksums(&frames, rule, party_offloads && gateway_offloads);
            assert_eq!(caught, 100, "frames at the peer");
        }
    }
}

/// Checks every frame that came by the rule; answers their number. A socket would have taken a partial checksum
/// unseen.
fn expect_checksums(frames: &Frames, rule: &Rule, is_partial: bool) -> usize {
    let mut count = 0;
    while let Some(caught) = frames.next() {
        let destination = rule.out_destination.port().to_be_bytes();
        let ip_bytes = if rule.local.is_ipv4() { 20 } else { 40 };
        let udp = 14 + ip_bytes;
        if caught.bytes.get(udp + 2..udp + 4) != Some(&destination[..]) {
            continue;
        }
        let frame = Frame::read(&caught.bytes);
        assert_eq!((frame.traffic_class, frame.hops), (46 << 2, 64));
        assert_eq!((&caught.bytes[..6], &caught.bytes[6..12]), (&THERE[..], &HERE[..]));
        assert_eq!(caught.is_partial, is_partial);
        if is_partial {
            let sum =
                pseudo_sum(frame.source.ip(), frame.destination.ip(), caught.bytes.len() - udp);
            assert_eq!(caught.bytes[udp + 6..udp + 8], sum.to_be_bytes(), "the partial sum");
        } else {
            assert_eq!(frame.udp_checksum, UdpChecksum::Right);
        }
        count += 1;
    }
    count
}

#[test]
fn a_call_is_relayed_on_loopback() {
    for family in FAMILIES {
        let Some(site) = Site::on_loopback(family) else { return };
        expect_a_call(&site);
    }
}

#[test]
fn a_peer_behind_a_router_is_reached_by_the_next_hop_and_by_a_route() {
    for family in FAMILIES {
        let Some(mut site) = Site::on_veth(family) else { return };
        let [party, _to_party, _to_peer, _peer] = site.sockets();
        let router = site.at[3].ip();
        let (host, network) = match family {
            Family::V4 => ("10.88.0.1", "10.88.0.0/24"),
            Family::V6 => ("fd88::1", "fd88::/64"),
        };
        add_address(site.peer(), "lo", host, family);
        let behind = std::net::SocketAddr::new(host.parse().unwrap(), 6_002);
        let peer = site.peer().udp(behind);
        site.peer().run(move || wait_for_address(behind.ip()));
        site.rules[0].out_destination = behind;
        for next_hop in [Some(router), None] {
            if next_hop.is_none() {
                site.gateway.ip(&format!("route add {network} via {router}"));
            }
            site.rules[0].next_hop = next_hop;
            if next_hop.is_none() {
                // What a core reads from the routing table.
                let found = site.gateway.run(move || {
                    let mut routes = Routes::open().expect("rtnetlink");
                    [behind.ip(), router].map(|to| routes.find(to, None, 1))
                });
                let hops = found.map(|egress| egress.expect("a route").next_hop);
                assert_eq!(hops, [Some(router); 2]);
            }
            site.give();
            let rule = &site.rules[0];
            party.send_to(&packet(rule, 0).rtp_bytes(), site.at[1]).expect("room");
            assert_eq!(receive(&peer).0, relayed(rule, &packet(rule, 0)).rtp_bytes());
            assert!(site.entry(A).take().is_some() && site.entry(B).take().is_some());
        }
    }
}

/// Waits until packets to a new address of this namespace are delivered: the kernel lets a socket bind to it before it
/// has the route.
fn wait_for_address(address: std::net::IpAddr) {
    let mut routes = Routes::open().expect("rtnetlink");
    let begun = Instant::now();
    for look in 0.. {
        if routes.find(address, None, look).is_some_and(|way| way.next_hop.is_none()) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{address} is not delivered");
        std::thread::yield_now();
    }
}

#[test]
fn a_wrong_checksum_leaves_as_wrong_as_it_came() {
    for family in FAMILIES {
        let Some(site) = Site::on_veth(family) else { return };
        let _sockets = site.sockets();
        site.give();
        let rule = &site.rules[0];
        let sender = site.party().frames(Duration::from_secs(1));
        let catcher = site.peer().frames(Duration::from_secs(5));
        let interface = site.party().index("pa");
        let wrong = [UdpChecksum::Right, UdpChecksum::Wrong(1), UdpChecksum::Wrong(0xBEEF)];
        for (index, udp_checksum) in (0..).zip(wrong) {
            let sent = Frame { udp_checksum, ..packet(rule, index) };
            sender.send(interface, &sent.bytes_between(THERE, HERE));
            let is_media = |bytes: &[u8]| bytes.len() > 200;
            let caught = std::iter::from_fn(|| catcher.next()).find(|c| is_media(&c.bytes));
            let frame = Frame::read(&caught.expect("a frame within 5 s").bytes);
            assert_eq!(frame, relayed(rule, &sent));
        }
    }
}

#[test]
fn packets_in_several_pieces_are_relayed_whole() {
    for family in FAMILIES {
        let Some(mut site) = Site::on_veth(family) else { return };
        let [party, _to_party, _to_peer, peer] = site.sockets();
        party.connect(site.at[1]).expect("a route");
        for out_codec in [shared::Codec::Pcmu, shared::Codec::Pcma] {
            site.rules[0].out_codec = out_codec;
            site.give();
            let rule = &site.rules[0];
            for (index, len) in (0..).zip([160, 163, 1_400]) {
                let payload = (0..len).map(|at| at as u8).collect();
                let sent = Frame { payload, ..packet(rule, index) };
                send_in_pages(&party, &sent.rtp_bytes());
                assert_eq!(receive(&peer).0, relayed(rule, &sent).rtp_bytes());
            }
            assert_eq!(site.entry(A).figures().packets, 3);
            assert!(site.entry(A).take().is_some() && site.entry(B).take().is_some());
        }
    }
}

/// A capture shares the packet's memory with the program.
#[test]
fn a_capture_at_the_gateway_sees_what_came_and_what_left() {
    for family in FAMILIES {
        let Some(site) = Site::on_veth(family) else { return };
        let [party, _to_party, _to_peer, peer] = site.sockets();
        site.give();
        let rule = &site.rules[0];
        let catcher = site.gateway.frames(Duration::from_millis(200));
        let sent = packet(rule, 0);
        party.send_to(&sent.rtp_bytes(), site.at[1]).expect("room");
        assert_eq!(receive(&peer).0, relayed(rule, &sent).rtp_bytes());
        let caught: Vec<Vec<u8>> = std::iter::from_fn(|| catcher.next()).map(|c| c.bytes).collect();
        let media: Vec<Frame> = caught
            .iter()
            .filter(|bytes| bytes.len() > 200)
            .map(|bytes| Frame::read(bytes))
            .collect();
        let rtp: Vec<Vec<u8>> = media.iter().map(Frame::rtp_bytes).collect();
        assert_eq!(rtp, [sent.rtp_bytes(), relayed(rule, &sent).rtp_bytes()]);
        assert_eq!((media[0].source, media[1].source), (rule.source, rule.out_source));
    }
}

#[test]
fn six_hundred_forged_packets_reach_nobody() {
    for family in FAMILIES {
        let Some(site) = Site::on_veth(family) else { return };
        let [party, to_party, _to_peer, peer] = site.sockets();
        site.give();
        let rule = &site.rules[0];
        let mut elsewhere = site.at[0];
        elsewhere.set_port(4_002);
        let forger = site.party().udp(elsewhere);
        for index in 0..200 {
            let real = packet(rule, 0);
            // The right numbers from another port, the right source with another SSRC, and a length that lies.
            forger.send_to(&real.rtp_bytes(), site.at[1]).expect("room");
            let other_ssrc = Frame { ssrc: index, ..real };
            party.send_to(&other_ssrc.rtp_bytes(), site.at[1]).expect("room");
        }
        let sender = site.party().frames(Duration::from_secs(1));
        let interface = site.party().index("pa");
        let ip_bytes = if family == Family::V4 { 20 } else { 40 };
        for _ in 0..200 {
            let mut bytes = packet(rule, 0).bytes_between(THERE, HERE);
            bytes[14 + ip_bytes + 5] -= 3;
            sender.send(interface, &bytes);
        }
        expect_silence(&peer);
        expect_silence(&to_party);
        let figures = site.entry(A).figures();
        assert_eq!((figures.forged, figures.other_ssrc, figures.wrong_length), (200, 200, 200));
        assert_eq!(figures.packets, 0);
        party.send_to(&packet(rule, 0).rtp_bytes(), site.at[1]).expect("room");
        assert_eq!(receive(&peer).0, relayed(rule, &packet(rule, 0)).rtp_bytes());
    }
}

/// Two processors run the program for one leg at once.
#[test]
fn two_senders_at_once_are_counted_to_the_packet() {
    const EACH: u16 = 20_000;
    let Some(site) = Site::on_veth(Family::V4) else { return };
    let [party, to_party, _to_peer, peer] = site.sockets();
    site.give();
    let next = AtomicU16::new(0);
    std::thread::scope(|scope| {
        for processor in core_affinity::get_core_ids().unwrap_or_default().into_iter().take(2) {
            let (party, next, site) = (&party, &next, &site);
            scope.spawn(move || {
                core_affinity::set_for_current(processor);
                for _ in 0..EACH {
                    let sent = packet(&site.rules[0], next.fetch_add(1, Relaxed));
                    party.send_to(&sent.rtp_bytes(), site.at[1]).expect("room");
                }
            });
        }
    });
    let numbers = |socket: &UdpSocket| -> Vec<u16> {
        socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a time-out");
        let mut bytes = [0; 2_048];
        std::iter::from_fn(|| socket.recv(&mut bytes).ok().map(|_| [bytes[2], bytes[3]]))
            .map(u16::from_be_bytes)
            .collect()
    };
    let (mut relayed, up) = (numbers(&peer), numbers(&to_party));
    let figures = site.entry(A).figures();
    assert_eq!(figures.packets as usize, relayed.len());
    // A sender that waits for its processor comes too late, and the gateway decides.
    let sent = usize::from(next.load(Relaxed));
    assert_eq!(relayed.len() + up.len(), sent, "packets are conserved (I4)");
    assert!(relayed.len() > sent / 2, "{} of {sent} were relayed", relayed.len());
    relayed.sort_unstable();
    relayed.dedup();
    assert_eq!(figures.packets as usize, relayed.len(), "a number was sent twice");
    assert_eq!(figures.octets, figures.packets * 160);
    // Numbers leave in their order, so each hole among them is one gap.
    let holes = relayed.windows(2).filter(|pair| pair[1] - pair[0] > 1).count();
    let gaps = holes + usize::from(relayed[0] != 1_500);
    assert_eq!(figures.gaps as usize, gaps, "of {} packets", relayed.len());
    assert!(site.entry(A).is_settled());
    assert!(
        figures.lost(0x1_0000 + 499) as usize <= up.len(),
        "what went up is all that is missing"
    );
    let highest = site.entry(A).take().expect("it was given") - 1;
    assert_eq!(highest - 0x1_0000 - 1_000, figures.highest - 0x1_0000);
}

#[test]
fn a_digit_goes_up_in_the_middle_of_audio_that_stays() {
    for family in FAMILIES {
        let Some(site) = Site::on_veth(family) else { return };
        let [party, to_party, to_peer, peer] = site.sockets();
        site.give();
        let rule = &site.rules[0];
        let mut packets = 0;
        for index in 0..60u16 {
            let is_event = (20..30).contains(&index);
            let payload_type = if is_event { 101 } else { rule.payload_type };
            let sent = Frame { payload_type, ..packet(rule, index) };
            party.send_to(&sent.rtp_bytes(), site.at[1]).expect("room");
            if is_event {
                // The gateway's part: it takes the leg back, relays by the same map, and gives it again.
                assert_eq!(receive(&to_party).0, sent.rtp_bytes());
                assert_eq!(site.entry(A).take(), Some(0x1_0000 + 1_500 + u32::from(index)));
                packets += site.entry(A).figures().packets;
                let event = Frame { payload_type: 96, ..relayed(rule, &sent) };
                to_peer.send_to(&event.rtp_bytes(), site.at[3]).expect("room");
                let behind = stream(rule, sent.sequence + 1, sent.timestamp);
                site.entry(A).give(rule, &behind).expect("settled");
            }
            let (bytes, source) = receive(&peer);
            assert_eq!(bytes[2..4], (1_500 + index).to_be_bytes(), "numbers continue");
            assert_eq!(source, rule.out_source);
        }
        let figures = site.entry(A).figures();
        assert_eq!((packets + figures.packets, figures.gaps), (50, 0));
        assert_eq!(site.entry(A).take(), Some(0x1_0000 + 1_560));
    }
}

#[test]
fn relaying_ends_with_the_lease_to_the_packet() {
    let Some(site) = Site::on_veth(Family::V4) else { return };
    let [party, to_party, _to_peer, peer] = site.sockets();
    site.give();
    let rule = &site.rules[0];
    let lease = Duration::from_millis(300);
    let until = clock::now().as_nanos() + lease.as_nanos() as u64;
    site.path.renew(shared::Instant::from_nanos(until));
    let begun = Instant::now();
    let (mut sent, mut relayed) = (0u16, 0);
    let mut hear = |wait: u64| {
        peer.set_read_timeout(Some(Duration::from_millis(wait))).expect("a time-out");
        let is_heard = peer.recv(&mut [0; 2_048]).is_ok();
        relayed += usize::from(is_heard);
        is_heard
    };
    // The next packet leaves when the last one was relayed, or after 2 ms.
    while begun.elapsed() < lease * 2 {
        party.send_to(&packet(rule, sent).rtp_bytes(), site.at[1]).expect("room");
        sent += 1;
        hear(2);
    }
    while hear(200) {}
    to_party.set_read_timeout(Some(Duration::from_millis(200))).expect("a time-out");
    let up = std::iter::from_fn(|| to_party.recv(&mut [0; 2_048]).ok()).count();
    assert!(relayed > 10 && up > 10, "{relayed} relayed, {up} up");
    assert_eq!(relayed + up, usize::from(sent), "packets are conserved (I4)");
    let figures = site.entry(A).figures();
    assert_eq!(figures.packets as usize, relayed);
    let end = (until / 125_000) as u32;
    assert!(end.wrapping_sub(figures.arrival) as i32 >= 0, "the last packet came within the lease");
}
