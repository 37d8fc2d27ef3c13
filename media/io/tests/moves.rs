//! Parties that move, fall silent or are impersonated, once a call has run for a while: whatever a
//! backend prepared for the steady state must not outlive it.

mod common;

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;

use common::{PATIENCE, Party, Site, backends, config, payload, plan, rtp, rtp_address, when};
use io::BackendChoice;
use plane::DropReason;
use shared::{MediaCommand, OwnSockets};

/// Packets after which a backend takes a call as steady.
const STEADY: u32 = 40;

/// Two parties that have talked for a while.
fn talking(backend: BackendChoice) -> (Site, Party, Party) {
    let mut site = Site::open(&config(backend, 1));
    let (mut alice, mut bob) = (site.join(0, 0), site.join(0, 1));
    site.bridge(&alice, &bob);
    site.settle();
    talk(&mut alice, &mut bob);
    (site, alice, bob)
}

fn talk(alice: &mut Party, bob: &mut Party) {
    for number in 0..STEADY {
        alice.say(&payload(number));
        bob.say(&payload(number + 1));
        assert_eq!(bob.hear(), payload(number));
        assert_eq!(alice.hear(), payload(number + 1));
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
    socket
}

#[test]
fn a_wrong_source_in_a_steady_call_is_counted_and_not_heard() {
    const STRANGE: u64 = 50;
    for backend in backends() {
        let (site, mut alice, mut bob) = talking(backend);
        let stranger = socket();
        for sequence in 0..STRANGE {
            let bytes = rtp(sequence as u16, 99, &[1; 160]);
            stranger.send_to(&bytes, rtp_address(alice.port)).expect("loopback takes it");
        }
        let core = &site.media.cores[0];
        let strange = |figures: &io::CoreFigures| figures.dropped(DropReason::Stranger);
        let figures = when(core, |figures| strange(figures) == STRANGE);
        assert_eq!((figures.received_balance(), figures.send_failed), (0, 0));
        talk(&mut alice, &mut bob);
    }
}

#[test]
fn a_party_that_moves_is_heard_and_served_at_its_new_address_only() {
    for backend in backends() {
        let (mut site, mut alice, mut bob) = talking(backend);
        let old = std::mem::replace(&mut bob.socket, socket());
        let address = bob.socket.local_addr().expect("it is bound");
        let update =
            MediaCommand::UpdateLeg { leg: bob.leg, plan: Box::new(plan(bob.port, address)) };
        site.send(0, update);
        site.settle();
        alice.say(&payload(900));
        assert_eq!(bob.hear(), payload(900), "the first packet after the move");
        talk(&mut alice, &mut bob);
        old.send_to(&rtp(1, 98, &[1; 160]), rtp_address(bob.port)).expect("loopback takes it");
        let strange = |figures: &io::CoreFigures| figures.dropped(DropReason::Stranger) == 1;
        when(&site.media.cores[0], strange);
        talk(&mut alice, &mut bob);
    }
}

/// Two offers that do so turned a hundred packets a second into as many as the core could carry.
#[test]
fn legs_whose_parties_name_each_others_ports_do_not_feed_each_other() {
    for backend in backends() {
        let mut config = config(backend, 1);
        let mut own = OwnSockets::new([]);
        own.add(Ipv4Addr::LOCALHOST.into(), config.ports.clone());
        config.own = Arc::new(own);
        let mut site = Site::open(&config);
        let (alice, bob) = (site.join(0, 0), site.join(0, 1));
        site.bridge(&alice, &bob);
        for (leg, port, named) in
            [(alice.leg, alice.port, bob.port), (bob.leg, bob.port, alice.port)]
        {
            let plan = Box::new(plan(port, rtp_address(named)));
            site.send(0, MediaCommand::UpdateLeg { leg, plan });
        }
        // Silence of both goes round, and no further: half a second of it.
        let looped = |figures: &io::CoreFigures| figures.dropped(DropReason::OwnSocket);
        let figures = when(&site.media.cores[0], |figures| looped(figures) >= 50);
        assert_eq!((figures.packets_forwarded, figures.received_balance()), (0, 0));
    }
}

/// The peer's machine answers that no program listens. A connected socket receives that error, and then refuses
/// the next datagram.
#[test]
fn a_party_whose_socket_is_gone_for_a_while_hears_again_when_it_is_back() {
    for backend in backends() {
        let (site, mut alice, mut bob) = talking(backend);
        let address = bob.socket.local_addr().expect("it is bound");
        // The old socket must be closed before its port is bound again.
        bob.socket = socket();
        for number in 0..STEADY {
            alice.say(&payload(number));
            let sent = 1 + number as u64;
            let all = u64::from(STEADY) * 2 + sent;
            when(&site.media.cores[0], |figures| figures.packets_received == all);
        }
        bob.socket = UdpSocket::bind(address).expect("nobody took it meanwhile");
        bob.socket.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
        talk(&mut alice, &mut bob);
        let figures = site.media.cores[0].meters.figures();
        assert!(figures.send_failed <= 2, "{} sends failed ({backend:?})", figures.send_failed);
        assert_eq!(figures.received_balance(), 0);
    }
}

/// The port is ours alone, although two of our sockets share it.
#[test]
fn no_other_process_can_bind_our_ports() {
    for backend in backends() {
        let site = Site::open(&config(backend, 1));
        for port in &site.media.cores[0].ports {
            let domain = socket2::Domain::IPV4;
            let socket =
                socket2::Socket::new(domain, socket2::Type::DGRAM, None).expect("a socket");
            socket.set_reuse_address(true).expect("a valid option");
            let bound = socket.bind(&rtp_address(*port).into());
            assert!(bound.is_err(), "{port:?} ({backend:?})");
        }
    }
}
