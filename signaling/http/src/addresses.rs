//! The addresses that the firewalls of peers must let through: `/addresses` for people, `/addresses.json`
//! for machines. Pure.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};
use shared::config::{Config, PublicAddress};

use crate::asset::{Asset, REVALIDATE};

/// Both forms of the list.
#[derive(Clone, Debug, Default)]
pub struct AddressList {
    /// A text page for people.
    pub page: Asset,
    /// A JSON document for machines.
    pub json: Asset,
}

/// The listeners and source addresses of one edge.
struct Edge<'c> {
    name: &'c str,
    /// The address that peers see; `None`: the kernel's source address towards each peer.
    public: Option<IpAddr>,
    udp: &'c [SocketAddr],
    tcp: &'c [SocketAddr],
    tls: Vec<SocketAddr>,
}

impl AddressList {
    /// The list of a node with these settings.
    pub fn new(config: &Config) -> Self {
        let edges = edges(config);
        let page = Asset::new("text/plain; charset=utf-8", REVALIDATE, page(config, &edges));
        let json = Asset::new("application/json", REVALIDATE, json_of(config, &edges));
        Self { page, json }
    }
}

fn edges(config: &Config) -> Vec<Edge<'_>> {
    let home = Edge {
        name: &config.node.edge,
        public: fixed(config.node.public_address),
        udp: &config.sip.udp,
        tcp: &config.sip.tcp,
        tls: config.sip.tls.clone(),
    };
    let tls = config.edge_tls();
    let more = config.edges.iter().map(|(name, edge)| Edge {
        name,
        public: fixed(edge.public_address).or(fixed(edge.egress)),
        udp: &edge.listen,
        tcp: &edge.listen,
        tls: tls.get(name.as_str()).map(|tls| tls.all().collect()).unwrap_or_default(),
    });
    std::iter::once(home).chain(more).collect()
}

const fn fixed(address: PublicAddress) -> Option<IpAddr> {
    match address {
        PublicAddress::Auto => None,
        PublicAddress::Fixed(address) => Some(address),
    }
}

fn json_of(config: &Config, edges: &[Edge<'_>]) -> String {
    let list: Vec<Value> = edges
        .iter()
        .map(|edge| {
            json!({
                "edge": edge.name,
                "host": format!("sip.{}.{}", edge.name, config.node.domain_suffix),
                "signaling": {
                    "udp": shown(edge, edge.udp),
                    "tcp": shown(edge, edge.tcp),
                    "tls": shown(edge, &edge.tls),
                },
                "media": media(config, edge),
            })
        })
        .collect();
    let ports = config.media.ports;
    json!({
        "edges": list,
        "media_ports": { "first": ports.first, "last": ports.last, "transport": "udp" },
    })
    .to_string()
}

fn page(config: &Config, edges: &[Edge<'_>]) -> String {
    let ports = config.media.ports;
    let mut text = String::from("Addresses to open a firewall for\n\n");
    for edge in edges {
        let host = format!("sip.{}.{}", edge.name, config.node.domain_suffix);
        let _ = writeln!(text, "{} ({host})", edge.name);
        for (what, list) in [("UDP", edge.udp), ("TCP", edge.tcp), ("TLS", &edge.tls)] {
            if !list.is_empty() {
                let _ = writeln!(text, "  signaling {what}  {}", shown(edge, list).join(", "));
            }
        }
        let media = media(config, edge).join(", ");
        let _ = writeln!(text, "  media     UDP  {media}, ports {}-{}\n", ports.first, ports.last);
    }
    text.push_str("auto: the local address towards each peer (node.public_address is not set).\n");
    text
}

fn shown(edge: &Edge<'_>, listeners: &[SocketAddr]) -> Vec<String> {
    listeners
        .iter()
        .map(|listener| format!("{}:{}", host(edge, listener.ip()), listener.port()))
        .collect()
}

fn media(config: &Config, edge: &Edge<'_>) -> Vec<String> {
    match edge.public {
        Some(public) => vec![public.to_string()],
        None => config.media.addresses.iter().map(|address| host(edge, *address)).collect(),
    }
}

fn host(edge: &Edge<'_>, bound: IpAddr) -> String {
    match edge.public {
        Some(IpAddr::V6(public)) => format!("[{public}]"),
        Some(IpAddr::V4(public)) => public.to_string(),
        None if bound.is_unspecified() => "auto".to_owned(),
        None if bound.is_ipv6() => format!("[{bound}]"),
        None => bound.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::config::Layers;

    #[test]
    fn every_edge_is_listed_for_people_and_for_machines() {
        let mut layers = Layers::default();
        let text = "[node]\npublic_address = \"192.0.2.7\"\n[edges.tokyo]\nlisten = [\"10.0.0.2:5080\"]\n\
                    public_address = \"192.0.2.8\"\n";
        layers.add_file("test.toml", text).expect("valid");
        let list = AddressList::new(&Config::from_layers(&layers).expect("valid"));
        let page = String::from_utf8_lossy(list.page.bytes());
        assert!(page.contains("tokyo (sip.tokyo.sidetone.test)"), "{page}");
        assert!(page.contains("signaling UDP  192.0.2.8:5080"), "{page}");
        let json: Value = serde_json::from_slice(list.json.bytes()).expect("JSON");
        assert_eq!(json["edges"][0]["signaling"]["tls"][0], "192.0.2.7:5061");
        assert_eq!(json["edges"][1]["signaling"]["tls"][0], "192.0.2.8:5061");
        assert_eq!(json["edges"][1]["media"][0], "192.0.2.8");
        assert_eq!(json["media_ports"]["first"], 10_000);
    }
}
