//! Interfaces that come and go while the gateway runs.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::super::error::KernelError;
use super::super::rule::Rule;
use super::super::service::Service;
use super::frame::Frame;
use super::namespace::Namespace;
use super::pins::{mount_bpffs, names};
use super::{PORT, rule, stream};
use crate::config::IoConfig;

/// The fast path of a gateway on all addresses of a namespace.
fn start(namespace: &Namespace, pins: Option<std::path::PathBuf>) -> Option<Service> {
    let addresses = ["0.0.0.0", "::"].map(|any| any.parse::<IpAddr>().expect("an address"));
    let config = IoConfig {
        addresses: addresses.to_vec(),
        ports: 10_000..=10_099,
        pins,
        ..IoConfig::default()
    };
    match namespace.run(move || Service::start(&config)) {
        Ok(service) => Some(service),
        Err(KernelError::Capability { .. } | KernelError::Denied | KernelError::TooOld { .. }) => {
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Waits until this many interfaces have the program, and this many go without.
fn wait_for(service: &Service, attached: u32, left_out: u32) {
    let meters = service.meters();
    let begun = Instant::now();
    loop {
        let now = (meters.attached.load(Relaxed), meters.left_out.load(Relaxed));
        if now == (attached, left_out) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{now:?}");
        std::thread::yield_now();
    }
}

/// A leg whose parties are both behind `interface`: a packet of the one reaches the other.
fn expect_relaying(gateway: &Namespace, phones: &Namespace, service: &Service, network: &str) {
    let at = |host: &str, port: u16| -> SocketAddr {
        SocketAddr::new(format!("{network}.{host}").parse().expect("an address"), port)
    };
    let (party, local, peer) = (at("2", 4_000), at("1", PORT.rtp), at("2", 6_000));
    let (speaks, hears) = (phones.udp(party), phones.udp(peer));
    let interface = gateway.index("late0");
    let rule = Rule { next_hop: Some(peer.ip()), ..rule(party, local.ip(), peer, interface) };
    let shared = service.shared();
    let entry = shared.path.entry(PORT).expect("a port of the range");
    entry.give(&rule, &stream(&rule, 500, 9_000)).expect("an idle leg");
    let frame =
        Frame { sequence: 500, timestamp: 9_000, ssrc: rule.ssrc, ..Frame::rtp(party, local) };
    speaks.send_to(&frame.rtp_bytes(), local).expect("room");
    let mut bytes = [0; 2_048];
    hears.recv(&mut bytes).expect("relayed by the interface that came later");
    assert_eq!(bytes[2..4], (500 + rule.delta_sequence).to_be_bytes());
    assert!(entry.take().is_some() && entry.figures().packets == 1);
}

fn connect(gateway: &Namespace, phones: &Namespace, network: &str) {
    gateway.join("late0", "phones0", phones);
    gateway.ip(&format!("addr add {network}.1/24 dev late0"));
    phones.ip(&format!("addr add {network}.2/24 dev phones0"));
}

#[test]
fn an_interface_that_comes_later_gets_the_program_and_one_that_goes_is_forgotten() {
    let Some(gateway) = Namespace::new() else { return };
    let phones = Namespace::new().expect("as before");
    let pins = mount_bpffs(&gateway).join("legs");
    let Some(service) = start(&gateway, Some(pins.clone())) else { return };
    assert_eq!(service.interfaces.len(), 1, "loopback: {}", service.sentence());
    for network in ["10.79.1", "10.79.2"] {
        connect(&gateway, &phones, network);
        wait_for(&service, 2, 0);
        assert_eq!(names(&gateway, &pins).len(), 4, "two maps, two links");
        expect_relaying(&gateway, &phones, &service, network);
        gateway.ip("link delete late0");
        wait_for(&service, 1, 0);
        assert_eq!(names(&gateway, &pins).len(), 3);
    }
    gateway.run(move || drop(service));
    assert_eq!(names(&gateway, &pins), [""; 0]);
}

#[test]
fn an_interface_without_ethernet_that_comes_later_is_left_out_until_it_goes() {
    let Some(gateway) = Namespace::new() else { return };
    let Some(service) = start(&gateway, None) else { return };
    gateway.ip("tuntap add dev tun7 mode tun");
    gateway.ip("addr add 10.79.3.1/24 dev tun7");
    wait_for(&service, 1, 1);
    gateway.ip("link delete tun7");
    wait_for(&service, 1, 0);
}

#[test]
fn an_interface_keeps_the_program_when_its_address_goes_and_has_it_once() {
    let Some(gateway) = Namespace::new() else { return };
    let phones = Namespace::new().expect("as before");
    let pins = mount_bpffs(&gateway).join("legs");
    let Some(service) = start(&gateway, Some(pins.clone())) else { return };
    connect(&gateway, &phones, "10.79.4");
    wait_for(&service, 2, 0);
    gateway.ip("addr flush dev late0");
    gateway.ip("addr add 10.79.5.1/24 dev late0");
    phones.ip("addr add 10.79.5.2/24 dev phones0");
    expect_relaying(&gateway, &phones, &service, "10.79.5");
    wait_for(&service, 2, 0);
    assert_eq!(names(&gateway, &pins).len(), 4, "two maps, two links");
}
