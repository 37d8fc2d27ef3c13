//! A gateway between a party and a peer, each in a namespace of its own, or all three on one loopback.
//!
//! ```text
//!   party -- pa | gwa -- gateway -- gwb | pb -- peer
//! ```

use std::net::{IpAddr, SocketAddr, UdpSocket};

use shared::{Codec, MediaPort};

use super::super::drivers::Drivers;
use super::super::entry::Entry;
use super::super::fast_path::{FastPath, FastPathConfig, Hook, ethernet_index};
use super::super::rule::{Family, Rule};
use super::namespace::{GRO, Namespace, THERE, TX_CHECKSUMS};
use super::{in_a_minute, open, rule, stream};

/// Legs and the sockets of everybody. The leg towards the party is `A`, that towards the peer `B`.
pub(super) struct Site {
    pub gateway: Namespace,
    pub party: Option<Namespace>,
    pub peer: Option<Namespace>,
    pub path: FastPath,
    /// Addresses of the party, of the gateway for it, of the gateway for the peer, of the peer.
    pub at: [SocketAddr; 4],
    /// The rules of A (party to peer) and B (peer to party).
    pub rules: [Rule; 2],
}

/// The hooks of a site.
pub(super) const TC: [(&str, Hook); 2] = [("gwa", Hook::Tc), ("gwb", Hook::Tc)];
/// The XDP hook with the tc hook above it.
pub(super) const XDP: [(&str, Hook); 4] =
    [TC[0], TC[1], ("gwa", Hook::XdpNative), ("gwb", Hook::XdpNative)];

pub(super) const A: MediaPort = MediaPort { address: 0, rtp: 10_010 };
pub(super) const B: MediaPort = MediaPort { address: 1, rtp: 10_020 };

impl Site {
    /// Three namespaces, and the tc hook. `None` where the kernel denies them or BPF.
    pub fn on_veth(family: Family) -> Option<Self> {
        Self::with_hooks(family, &TC)
    }

    /// The same with the XDP hook below, whose driver sends by either interface. Party and peer leave no checksum to
    /// their device.
    pub fn on_driven_veth(family: Family) -> Option<Self> {
        Self::with_hooks(family, &XDP)
    }

    /// Three namespaces, and these hooks.
    pub fn with_hooks(family: Family, hooks: &[(&'static str, Hook)]) -> Option<Self> {
        let [gateway, party, peer] = [Namespace::new()?, Namespace::new()?, Namespace::new()?];
        gateway.join("gwa", "pa", &party);
        gateway.join("gwb", "pb", &peer);
        let hosts = match family {
            Family::V4 => ["10.77.1.2", "10.77.1.1", "10.77.2.1", "10.77.2.2"],
            Family::V6 => ["fd77:1::2", "fd77:1::1", "fd77:2::1", "fd77:2::2"],
        };
        let ends = [(&party, "pa"), (&gateway, "gwa"), (&gateway, "gwb"), (&peer, "pb")];
        for ((namespace, interface), host) in ends.into_iter().zip(hosts) {
            add_address(namespace, interface, host, family);
        }
        let interfaces = [gateway.index("gwb"), gateway.index("gwa")];
        let at = addresses(hosts);
        let is_driven = hooks.iter().any(|(_, hook)| *hook != Hook::Tc);
        for (namespace, interface) in [(&party, "pa"), (&peer, "pb")] {
            namespace.set_offload(interface, GRO, is_driven);
            namespace.set_offload(interface, TX_CHECKSUMS, !is_driven);
        }
        let path = start(&gateway, &at, None, hooks.to_vec())?;
        let link_address = if is_driven { THERE } else { [0; 6] };
        let rules = rules(&at, interfaces).map(|rule| Rule {
            next_hop: Some(rule.out_destination.ip()),
            link_address,
            ..rule
        });
        Some(Self { gateway, party: Some(party), peer: Some(peer), path, at, rules })
    }

    /// One namespace in which all packets take loopback.
    pub fn on_loopback(family: Family) -> Option<Self> {
        let gateway = Namespace::new()?;
        let hosts = match family {
            Family::V4 => ["127.0.0.2", "127.0.0.1", "127.0.0.3", "127.0.0.4"],
            Family::V6 => ["fd77::2", "fd77::1", "fd77::3", "fd77::4"],
        };
        if family == Family::V6 {
            hosts.iter().for_each(|host| add_address(&gateway, "lo", host, family));
        }
        let interface = gateway.index("lo");
        let at = addresses(hosts);
        let path = start(&gateway, &at, None, vec![("lo", Hook::Tc)])?;
        let rules = rules(&at, [interface; 2]);
        Some(Self { gateway, party: None, peer: None, path, at, rules })
    }

    /// The namespace of the party.
    pub fn party(&self) -> &Namespace {
        self.party.as_ref().unwrap_or(&self.gateway)
    }

    /// The namespace of the peer.
    pub fn peer(&self) -> &Namespace {
        self.peer.as_ref().unwrap_or(&self.gateway)
    }

    /// Sockets of the party, of the gateway on both sides, of the peer.
    pub fn sockets(&self) -> [UdpSocket; 4] {
        let [party, to_party, to_peer, peer] = self.at;
        [
            self.party().udp(party),
            self.gateway.udp(to_party),
            self.gateway.udp(to_peer),
            self.peer().udp(peer),
        ]
    }

    pub fn entry(&self, port: MediaPort) -> Entry<'_> {
        self.path.entry(port).expect("a port of the range")
    }

    /// Gives both legs; the next packet of either side is number 500 at 9,000.
    pub fn give(&self) {
        for (port, rule) in [A, B].into_iter().zip(&self.rules) {
            self.entry(port).give(rule, &stream(rule, 500, 9_000)).expect("an idle leg");
        }
    }
}

/// Opens the fast path in a namespace and attaches it.
pub(super) fn start(
    gateway: &Namespace,
    at: &[SocketAddr; 4],
    pins: Option<std::path::PathBuf>,
    interfaces: Vec<(&'static str, Hook)>,
) -> Option<FastPath> {
    let addresses: Vec<IpAddr> = vec![at[1].ip(), at[2].ip()];
    let config = FastPathConfig { addresses, ports: 10_000..=10_099, pins };
    gateway.run(move || {
        let mut path = open(&config)?;
        attach(&mut path, &interfaces);
        path.renew(in_a_minute());
        Some(path)
    })
}

/// Attaches the programs in the namespace of this thread.
pub(super) fn attach(path: &mut FastPath, interfaces: &[(&'static str, Hook)]) {
    for &(interface, hook) in interfaces {
        path.attach(interface, hook).unwrap_or_else(|error| panic!("{interface}: {error}"));
        if hook != Hook::Tc {
            let mut drivers = Drivers::open(path, hook).expect("netdev");
            let index = ethernet_index(interface).expect("it is there");
            drivers.enter(path, index, interface).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

/// Party to peer turns PCMU into PCMA, peer to party the other way.
pub(super) fn rules(at: &[SocketAddr; 4], interfaces: [u32; 2]) -> [Rule; 2] {
    let [party, to_party, to_peer, peer] = *at;
    let down = Rule {
        out_source: to_peer,
        out_codec: Codec::Pcma,
        ..rule(party, to_party.ip(), peer, interfaces[0])
    };
    let up = Rule {
        out_source: to_party,
        codec: Codec::Pcma,
        payload_type: 8,
        out_payload_type: 0,
        ssrc: 0x5555_6666,
        out_ssrc: 0x7777_8888,
        ..rule(peer, to_peer.ip(), party, interfaces[1])
    };
    [down, up]
}

pub(super) fn addresses(hosts: [&str; 4]) -> [SocketAddr; 4] {
    let ports = [4_000, A.rtp, B.rtp, 6_000];
    std::array::from_fn(|index| SocketAddr::new(hosts[index].parse().unwrap(), ports[index]))
}

pub(super) fn add_address(namespace: &Namespace, interface: &str, host: &str, family: Family) {
    match family {
        Family::V4 => namespace.ip(&format!("addr add {host}/24 dev {interface}")),
        // Without duplicate address detection, which takes a second.
        Family::V6 => namespace.ip(&format!("addr add {host}/64 dev {interface} nodad")),
    }
}
