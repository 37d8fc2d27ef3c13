//! `sidetone dns`: the zone that these settings need. Pure.

use std::fmt::Write as _;
use std::net::IpAddr;

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
    write_edge(&mut out, config, "sip", home);
    let known = std::iter::once((&config.node.edge, home));
    let edges = config.edges.iter().map(|(name, edge)| (name, edge.public_address));
    for (edge, address) in known.chain(edges) {
        let _ = writeln!(out, "; edge {edge}: NAME.sip.{edge}.{suffix}");
        write_edge(&mut out, config, &format!("sip.{edge}"), address);
    }
    out
}

fn write_edge(out: &mut String, config: &Config, host: &str, address: PublicAddress) {
    let record = match address {
        PublicAddress::Auto => {
            "A     192.0.2.1   ; replace: node.public_address is auto".to_owned()
        }
        PublicAddress::Fixed(IpAddr::V4(address)) => format!("A     {address}"),
        PublicAddress::Fixed(IpAddr::V6(address)) => format!("AAAA  {address}"),
    };
    let _ = writeln!(out, "{host:<32} IN {record}");
    let _ = writeln!(out, "{:<32} IN {record}", format!("*.{host}"));
    let suffix = &config.node.domain_suffix;
    let services = [("_sip._udp", &config.sip.udp), ("_sip._tcp", &config.sip.tcp)];
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
