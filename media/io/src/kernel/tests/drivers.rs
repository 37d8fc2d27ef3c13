//! Which interfaces get the XDP hook, what they lose it by, and how neighbours reach the rules: the whole fast path of a
//! process in a namespace, with a core's tier that gives and follows a leg.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use plane::{RelayRule, RelayStream};
use shared::{Codec, MediaPort};

use super::super::drivers::Drivers;
use super::super::fast_path::Hook;
use super::super::rule::Family;
use super::super::service::Service;
use super::super::tier::CoreTier;
use super::frame::Frame;
use super::namespace::{GRO, Namespace};
use super::open;
use super::site::{A, B, Site, TC};
use crate::config::{FastPathChoice, IoConfig};

/// A site on which the fast path is that of a process.
struct House {
    site: Site,
    service: Service,
    tier: CoreTier,
    next: u16,
}

/// Starts the fast path of a process on the site's addresses.
fn serve(site: &Site, fast_path: FastPathChoice) -> Service {
    let addresses = vec![site.at[1].ip(), site.at[2].ip()];
    let config = IoConfig { addresses, ports: 10_000..=10_099, fast_path, ..IoConfig::default() };
    site.gateway.run(move || Service::start(&config).unwrap_or_else(|error| panic!("{error}")))
}

impl House {
    fn open(family: Family) -> Option<Self> {
        // The site's own programs go: the process attaches its own.
        let mut site = Site::with_hooks(family, &[])?;
        for (namespace, interface) in [(site.party(), "pa"), (site.peer(), "pb")] {
            namespace.set_offload(interface, GRO, true);
            namespace.set_offload(interface, super::namespace::TX_CHECKSUMS, false);
        }
        site.path = site.gateway.run(|| open(&super::config([192, 0, 2, 1].into())))?;
        let service = serve(&site, FastPathChoice::Xdp);
        let hooks: Vec<_> =
            service.interfaces.iter().map(|at| (at.hook, &at.why_not_xdp)).collect();
        assert_eq!(hooks, [("xdp", &None); 2], "{}", service.sentence());
        let shared = service.shared();
        let tier = site.gateway.run(move || CoreTier::new(shared, &[A, B]).expect("a socket"));
        Some(Self { site, service, tier, next: 500 })
    }

    fn rule(&self) -> RelayRule {
        let now = (crate::clock::now().as_nanos() / 125_000) as u32;
        let timestamp = u32::from(self.next) * 160;
        RelayRule {
            port: A,
            source: self.site.at[0],
            others_go_up: false,
            ssrc: 0x1111_2222,
            payload_type: 0,
            codec: Codec::Pcmu,
            out_port: MediaPort { address: 1, rtp: B.rtp },
            out_destination: self.site.at[3],
            out_ssrc: 0x3333_4444,
            out_payload_type: 0,
            out_codec: Codec::Pcmu,
            delta_sequence: 1_000,
            delta_timestamp: 0,
            stream: RelayStream {
                next: 0x1_0000 + u32::from(self.next) + 1_000,
                highest: 0x1_0000 + u32::from(self.next) - 1,
                timestamp,
                transit: now.wrapping_sub(timestamp),
                jitter_16: 0,
            },
        }
    }

    /// Sends packets until the driver, or the stack, has relayed ten in a row; every one of them has to arrive.
    fn talk_until(&mut self, party: &UdpSocket, peer: &UdpSocket, by_driver: bool) {
        let begun = Instant::now();
        let mut in_a_row = 0;
        while in_a_row < 10 {
            assert!(begun.elapsed() < Duration::from_secs(20), "by the driver: {by_driver}");
            let frame = Frame {
                sequence: self.next,
                timestamp: u32::from(self.next) * 160,
                ssrc: 0x1111_2222,
                ..Frame::rtp(self.site.at[0], self.site.at[1])
            };
            party.send_to(&frame.rtp_bytes(), self.site.at[1]).expect("room");
            peer.recv(&mut [0; 2_048]).unwrap_or_else(|error| panic!("{}: {error}", self.next));
            self.next += 1;
            let counts = self.tier.relayed(0);
            assert_eq!(counts.packets, 1);
            in_a_row = if (counts.by_driver == 1) == by_driver { in_a_row + 1 } else { 0 };
        }
    }
}

#[test]
fn the_driver_relays_while_the_kernel_is_certain_of_the_neighbour() {
    for family in [Family::V4, Family::V6] {
        let Some(mut house) = House::open(family) else { return };
        let [party, _, _, peer] = house.site.sockets();
        let rule = house.rule();
        assert!(house.tier.give(0, &rule));
        // Nobody has spoken to the peer: the tc hook has the kernel find it, and then the driver sends.
        house.talk_until(&party, &peer, true);
        let to = house.site.at[3].ip();
        // Another card takes the peer's address over.
        house.site.peer().ip("link set pb address 02:00:00:00:00:63");
        house
            .site
            .gateway
            .ip(&format!("neigh replace {to} lladdr 02:00:00:00:00:63 nud permanent dev gwb"));
        let known = |house: &mut House| {
            let neighbour = house.tier.link_of(0);
            neighbour == Some([2, 0, 0, 0, 0, 0x63])
        };
        let begun = Instant::now();
        while !known(&mut house) {
            assert!(begun.elapsed() < Duration::from_secs(20), "the new address");
            let _ = house.tier.relayed(0);
            std::thread::yield_now();
        }
        house.talk_until(&party, &peer, true);
        house.site.gateway.ip(&format!("neigh change {to} dev gwb nud stale"));
        let begun = Instant::now();
        while house.tier.link_of(0) != Some([0; 6]) {
            assert!(begun.elapsed() < Duration::from_secs(20), "a stale neighbour");
            let _ = house.tier.relayed(0);
            std::thread::yield_now();
        }
        house.talk_until(&party, &peer, false);
        // Forgotten, found again by the tc hook.
        house.site.gateway.ip(&format!("neigh del {to} dev gwb"));
        house.talk_until(&party, &peer, true);
        let counts = house.tier.take_back(0);
        assert_eq!(counts.packets, 0, "all were read");
    }
}

#[test]
fn a_driver_that_stops_to_send_leaves_its_packets_to_the_tc_hook() {
    let Some(mut house) = House::open(Family::V4) else { return };
    let [party, _, _, peer] = house.site.sockets();
    let rule = house.rule();
    assert!(house.tier.give(0, &rule));
    house.talk_until(&party, &peer, true);
    // Without it the peer's end has no ring, and the driver would drop every frame.
    house.site.peer().set_offload("pb", GRO, false);
    let index = house.site.gateway.index("gwb");
    let begun = Instant::now();
    while house.service.shared().path.sends(index) {
        assert!(begun.elapsed() < Duration::from_secs(20), "news of the driver");
        std::thread::yield_now();
    }
    house.talk_until(&party, &peer, false);
    house.site.peer().set_offload("pb", GRO, true);
    house.talk_until(&party, &peer, true);
}

#[test]
fn an_interface_whose_driver_cannot_has_the_tc_hook_and_the_reason() {
    let Some(site) = Site::with_hooks(Family::V4, &TC) else { return };
    // The peers' ends have neither GRO nor a program, and loopback has no driver.
    let addresses = vec![[0, 0, 0, 0].into()];
    let config = IoConfig {
        addresses,
        ports: 10_000..=10_099,
        fast_path: FastPathChoice::Xdp,
        ..IoConfig::default()
    };
    let service = site.gateway.run(move || Service::start(&config).expect("the tc hook"));
    let reason = |name: &str, missing: &str| {
        Some(format!("the driver of {name} does not offer what the XDP hook needs ({missing})"))
    };
    let expected = [
        ("gwa", reason("gwa", "ndo_xmit")),
        ("gwb", reason("gwb", "ndo_xmit")),
        ("lo", reason("lo", "basic, redirect")),
    ];
    for (interface, (name, why)) in service.interfaces.iter().zip(expected) {
        assert_eq!((&*interface.name, interface.hook), (name, "tc"));
        assert_eq!(interface.why_not_xdp, why);
        assert!(service.sentence().contains(interface.why_not_xdp.as_deref().expect("a reason")));
    }
    assert!(
        service.sentence().contains("at the tc hook of gwa, gwb, lo"),
        "{}",
        service.sentence()
    );
    assert_eq!(attached(&site.gateway), 0, "the program that was tried is gone");
}

#[test]
fn without_the_setting_no_driver_gets_a_program() {
    let Some(site) = Site::with_hooks(Family::V4, &[]) else { return };
    site.peer().set_offload("pb", GRO, true);
    for choice in [FastPathChoice::Auto, FastPathChoice::Tc] {
        let service = serve(&site, choice);
        let hooks: Vec<_> =
            service.interfaces.iter().map(|at| (at.hook, &at.why_not_xdp)).collect();
        assert_eq!(hooks, [("tc", &None); 2]);
        assert_eq!(attached(&site.gateway), 0);
    }
    let service = serve(&site, FastPathChoice::XdpGeneric);
    assert_eq!(service.interfaces[0].hook, "xdp-generic", "{}", service.sentence());
    assert_eq!(attached(&site.gateway), 2);
    drop(service);
    assert_eq!(attached(&site.gateway), 0, "a clean stop leaves nothing");
}

#[test]
fn a_driver_with_another_program_keeps_it() {
    let Some(site) = Site::with_hooks(Family::V4, &[]) else { return };
    for (namespace, interface) in [(site.party(), "pa"), (site.peer(), "pb")] {
        namespace.set_offload(interface, GRO, true);
    }
    let other = site.gateway.run(|| {
        let mut path = open(&super::config([192, 0, 2, 1].into()))?;
        let mut drivers = Drivers::open(&mut path, Hook::XdpNative).expect("netdev");
        drivers.attach(&path, "gwa").unwrap_or_else(|error| panic!("{error}"));
        Some((path, drivers))
    });
    let Some(other) = other else { return };
    let service = serve(&site, FastPathChoice::Xdp);
    let [gwa, gwb] = &service.interfaces[..] else { panic!("{}", service.sentence()) };
    assert_eq!((gwa.hook, gwb.hook), ("tc", "xdp"));
    assert!(gwa.why_not_xdp.as_ref().is_some_and(|why| why.contains("gwa cannot run XDP")));
    drop(service);
    assert_eq!(attached(&site.gateway), 1);
    drop(other);
}

/// Interfaces of a namespace that `ip` shows with a program of XDP.
fn attached(namespace: &Namespace) -> usize {
    namespace.run(|| {
        let output = std::process::Command::new("ip").args(["-details", "link"]).output();
        let text = String::from_utf8_lossy(&output.expect("iproute2").stdout).into_owned();
        text.lines().filter(|line| line.contains("prog/xdp")).count()
    })
}
