//! The gateway's own UDP sockets, under every address by which a peer could name them. Shell.

use std::net::{IpAddr, SocketAddr};

use shared::OwnSockets;
use shared::config::{Config, PublicAddress};

/// Media ports on all their addresses and the SIP listeners `udp`, both also at the public addresses. An
/// address that an interface gets after the start is missed: at that address a media core cannot tell our
/// packets from a peer's.
pub fn own_sockets(config: &Config, udp: &[SocketAddr]) -> OwnSockets {
    let machine = ::io::machine_addresses().unwrap_or_else(|error| {
        tracing::warn!(
            "the addresses of this machine cannot be listed ({error}): an SDP that names one of them \
             with one of our media ports is taken for a peer's, except for addresses in the settings"
        );
        Vec::new()
    });
    sockets(config, udp, machine)
}

fn sockets(config: &Config, udp: &[SocketAddr], machine: Vec<IpAddr>) -> OwnSockets {
    let mut own = OwnSockets::new(machine);
    let public: Vec<IpAddr> = public_addresses(config).collect();
    let media = config.media.ports.first..=config.media.ports.last;
    for address in config.media.addresses.iter().chain(&public) {
        own.add(*address, media.clone());
    }
    for listener in udp {
        for address in std::iter::once(listener.ip()).chain(public.iter().copied()) {
            own.add(address, listener.port()..=listener.port());
        }
    }
    own
}

fn public_addresses(config: &Config) -> impl Iterator<Item = IpAddr> {
    let edges = config.edges.values().flat_map(|edge| [edge.public_address, edge.egress]);
    std::iter::once(config.node.public_address).chain(edges).filter_map(|address| match address {
        PublicAddress::Auto => None,
        PublicAddress::Fixed(address) => Some(address),
    })
}

#[cfg(test)]
mod tests {
    use shared::config::Layers;

    use super::*;

    #[test]
    fn media_ports_and_listeners_are_our_own_at_every_address_that_leads_here() {
        let mut layers = Layers::default();
        let text = "[node]\npublic_address = \"203.0.113.5\"\n[edges.tokyo]\nlisten = [\"10.0.0.2:5080\"]\n\
                    public_address = \"203.0.113.6\"\n";
        layers.add_file("test.toml", text).expect("valid");
        let config = Config::from_layers(&layers).expect("valid");
        let udp = ["0.0.0.0:5060", "10.0.0.2:5080"].map(|text| text.parse().expect("a literal"));
        let own = sockets(&config, &udp, vec!["10.0.0.1".parse().expect("a literal")]);
        for (text, is_own) in [
            ("10.0.0.1:10000", true),
            ("203.0.113.5:19999", true),
            ("203.0.113.6:10000", true),
            ("127.0.0.1:5060", true),
            ("203.0.113.5:5060", true),
            ("10.0.0.2:5080", true),
            ("203.0.113.6:5080", true),
            ("10.0.0.1:20000", false),
            ("10.0.0.3:10000", false),
        ] {
            assert_eq!(own.contains(text.parse().expect("a literal")), is_own, "{text}");
        }
    }
}
