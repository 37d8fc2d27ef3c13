//! `sidetone dns`: the zone that these settings need. Pure.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use shared::config::{Config, PublicAddress};

/// The zone as a zone file (RFC 1035 §5): a wildcard host for the domains, and SRV records (RFC 3263)
/// that lead softphones to the listeners.
pub fn zone(config: &Config) -> String {
    let suffix = &config.node.domain_suffix;
    let mut out = format!(
        "; SIP domains are NAME.sip.{suffix}; every name below *.sip.{suffix} leads to this node.\n\
         $ORIGIN {suffix}.\n$TTL 600\n"
    );
    let home = config.node.public_address;
    let own = own_place(config);
    write_edge(&mut out, config, "sip", own);
    let own = std::iter::once((config.node.edge.as_str(), own));
    let edges = config.edges.iter().map(|(name, edge)| {
        let listen = if edge.listen.is_empty() { &config.sip.udp } else { &edge.listen };
        let address =
            if edge.public_address == PublicAddress::Auto { home } else { edge.public_address };
        (name.as_str(), Place { address, udp: listen, tcp: listen })
    });
    let known: Vec<_> = own.chain(edges).collect();
    for (edge, place) in &known {
        let _ = writeln!(out, "; edge {edge}: NAME.sip.{edge}.{suffix}");
        write_edge(&mut out, config, &format!("sip.{edge}"), *place);
    }
    // Hosts may name any edge or region of the contract: those without addresses of their own lead
    // to the edge that they mean, or home.
    for label in shared::edge::labels().filter(|label| known.iter().all(|(name, _)| name != label))
    {
        let meant = shared::edge::canonical(label);
        let place = known
            .iter()
            .find(|(name, _)| *name == meant)
            .map_or(own_place(config), |(_, place)| *place);
        let _ = writeln!(out, "; {label}");
        write_edge(&mut out, config, &format!("sip.{label}"), place);
    }
    out
}

/// Where an edge is.
#[derive(Clone, Copy)]
struct Place<'c> {
    address: PublicAddress,
    udp: &'c [SocketAddr],
    tcp: &'c [SocketAddr],
}

fn own_place(config: &Config) -> Place<'_> {
    Place { address: config.node.public_address, udp: &config.sip.udp, tcp: &config.sip.tcp }
}

fn write_edge(out: &mut String, config: &Config, host: &str, place: Place<'_>) {
    let record = match place.address {
        PublicAddress::Auto => {
            "A     192.0.2.1   ; replace: node.public_address is auto".to_owned()
        }
        PublicAddress::Fixed(IpAddr::V4(address)) => format!("A     {address}"),
        PublicAddress::Fixed(IpAddr::V6(address)) => format!("AAAA  {address}"),
    };
    let _ = writeln!(out, "{host:<32} IN {record}");
    let _ = writeln!(out, "{:<32} IN {record}", format!("*.{host}"));
    let suffix = &config.node.domain_suffix;
    let services = [("_sip._udp", place.udp), ("_sip._tcp", place.tcp)];
    for (service, listeners) in services {
        if let Some(listener) = listeners.first() {
            let name = format!("{service}.{host}");
            let port = listener.port();
            let _ = writeln!(out, "{name:<32} IN SRV   10 10 {port} {host}.{suffix}.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::config::Layers;

    #[test]
    fn every_edge_has_a_wildcard_and_its_services() {
        let mut layers = Layers::default();
        let text = "[node]\npublic_address = \"192.0.2.7\"\n[edges.tokyo]\npublic_address = \"2001:db8::1\"\n";
        layers.add_file("test.toml", text).expect("valid");
        let zone = zone(&Config::from_layers(&layers).expect("valid"));
        assert!(zone.contains("$ORIGIN sidetone.test.\n"), "{zone}");
        assert!(zone.contains("*.sip                            IN A     192.0.2.7\n"), "{zone}");
        assert!(zone.contains("*.sip.ashburn                    IN A     192.0.2.7\n"), "{zone}");
        assert!(zone.contains("*.sip.tokyo                      IN AAAA  2001:db8::1\n"), "{zone}");
        assert!(
            zone.contains(
                "_sip._udp.sip                    IN SRV   10 10 5060 sip.sidetone.test.\n"
            )
        );
    }
}
