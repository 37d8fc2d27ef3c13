//! `sidetone dns`: the zone that the settings and the SIP domains need (RFC 1035 §5). Pure.
//!
//! Phones resolve a domain in one of three ways: NAPTR then SRV, only SRV, or only addresses (RFC 3263
//! §4). A wildcard can answer the first and the third for every future domain. It cannot answer the
//! second: one wildcard would give UDP, TCP and TLS one port. So each existing domain has SRV records of
//! its own, below the host of the node and of every edge and region that a name may carry. These names
//! hide the domain from the wildcard (RFC 4592 §4.3), so it needs address records of its own, too.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use shared::config::{Config, Edge, PublicAddress, is_label};

/// What the zone is made from, besides the settings.
#[derive(Clone, Debug, Default)]
pub struct ZoneFacts {
    /// SIP domains: the labels before `.sip`, for example `desk`.
    pub domains: Vec<String>,
    /// Names of the zone's name servers, without a dot at the end. Empty: this node has one, `ns`.
    pub name_servers: Vec<String>,
    /// Serial number of the zone: higher for each later zone.
    pub serial: u32,
    /// The source addresses of this host towards the internet, one for each IP version with a route.
    pub here: Vec<IpAddr>,
}

/// The zone file.
pub fn zone(config: &Config, facts: &ZoneFacts) -> String {
    let suffix = config.node.domain_suffix.to_ascii_lowercase();
    let home = Place::of_node(config, facts);
    let mut out = String::new();
    write_apex(&mut out, &suffix, &home, facts);
    write_notes(&mut out, config, facts, &home);
    write_host(&mut out, &format!("sip.{suffix}"), &home, &facts.domains);
    for (label, place) in edges(config, facts, &home) {
        write_host(&mut out, &format!("sip.{label}.{suffix}"), &place, &facts.domains);
    }
    out
}

/// The addresses and ports of an edge, as its peers see them.
#[derive(Clone, Debug, Default)]
struct Place {
    addresses: Vec<IpAddr>,
    /// Ports of UDP, TCP and TLS, in the order in which a phone tries them.
    services: [Vec<u16>; 3],
}

/// The names of the services, in the order of [`Place::services`], with their NAPTR services. UDP comes
/// first: it is the default of the API, and TLS needs a phone that knows our authority.
const SERVICES: [(&str, &str); 3] =
    [("_sip._udp", "SIP+D2U"), ("_sip._tcp", "SIP+D2T"), ("_sips._tcp", "SIPS+D2T")];

impl Place {
    fn of_node(config: &Config, facts: &ZoneFacts) -> Self {
        let node = config.node.public_address;
        let listeners = [&config.sip.udp, &config.sip.tcp, &config.sip.tls];
        let mut place = Self::new(node, node, listeners.map(Vec::as_slice), facts);
        if place.addresses.is_empty() {
            // A host without a network can still run the demo.
            place.addresses.push(Ipv4Addr::LOCALHOST.into());
        }
        place
    }

    /// An edge without listeners has those of the node.
    fn of_edge(config: &Config, name: &str, edge: &Edge, facts: &ZoneFacts, home: &Self) -> Self {
        let node = config.node.public_address;
        if edge.listen.is_empty() && edge.tls.is_empty() {
            return match edge.public_address {
                PublicAddress::Auto => home.clone(),
                PublicAddress::Fixed(public) => Self { addresses: vec![public], ..home.clone() },
            };
        }
        let tls: Vec<SocketAddr> =
            config.edge_tls().get(name).map(|tls| tls.all().collect()).unwrap_or_default();
        Self::new(edge.public_address, node, [&edge.listen, &edge.listen, &tls], facts)
    }

    /// `public` is what peers see of addresses of its IP version; of a listener on all addresses they
    /// see the node's public address or the one that the host leaves from.
    fn new(
        public: PublicAddress,
        node: PublicAddress,
        listeners: [&[SocketAddr]; 3],
        facts: &ZoneFacts,
    ) -> Self {
        let mut place = Self::default();
        let mut add = |address: IpAddr| {
            if !place.addresses.contains(&address) {
                place.addresses.push(address);
            }
        };
        for listener in listeners.into_iter().flatten() {
            let own = listener.ip().to_canonical();
            let like = |address: &IpAddr| address.is_ipv4() == own.is_ipv4();
            if let PublicAddress::Fixed(public) = public
                && like(&public)
            {
                add(public);
            } else if !own.is_unspecified() {
                add(own);
            } else if let PublicAddress::Fixed(node) = node
                && like(&node)
            {
                add(node);
            } else if let Some(here) = facts.here.iter().find(|here| like(here)) {
                add(*here);
            }
        }
        // An address without a listener here: a load balancer or a NAT has it.
        if let PublicAddress::Fixed(public) = public {
            add(public);
        }
        place.services = listeners.map(ports);
        place
    }
}

/// The ports of a service, each once. The system chooses a port for 0 at start, so no zone can name it.
fn ports(listeners: &[SocketAddr]) -> Vec<u16> {
    let mut ports: Vec<u16> = Vec::new();
    for port in listeners.iter().map(SocketAddr::port).filter(|port| *port != 0) {
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    ports
}

/// Every label that a host may carry after `sip`, with its place: those that this node serves first.
/// A label of the contract without addresses of its own leads to the edge that it means, or home.
fn edges(config: &Config, facts: &ZoneFacts, home: &Place) -> Vec<(String, Place)> {
    let mut found = vec![(config.node.edge.to_ascii_lowercase(), home.clone())];
    for (name, edge) in &config.edges {
        let place = Place::of_edge(config, name, edge, facts, home);
        found.push((name.to_ascii_lowercase(), place));
    }
    for label in shared::edge::labels() {
        let meant = shared::edge::canonical(label);
        if found.iter().all(|(known, _)| known != label) {
            let of = found.iter().find(|(known, _)| shared::edge::canonical(known) == meant);
            let place = of.map_or_else(|| home.clone(), |(_, place)| place.clone());
            found.push((label.to_owned(), place));
        }
    }
    found.retain(|(label, _)| is_label(label));
    found
}

/// SOA and NS (RFC 1035 §3.3.13, §3.3.11). A name server inside of the zone needs addresses in it.
fn write_apex(out: &mut String, suffix: &str, home: &Place, facts: &ZoneFacts) {
    let own = [format!("ns.{suffix}")];
    let servers = if facts.name_servers.is_empty() { &own[..] } else { &facts.name_servers };
    let first = servers.first().map_or("ns", String::as_str);
    let _ = writeln!(out, "$ORIGIN {suffix}.\n$TTL {TTL_S}");
    let times = format!("{REFRESH_S} {RETRY_S} {EXPIRE_S} {TTL_S}");
    let soa = format!("{first}. hostmaster.{suffix}. {} {times}", facts.serial);
    record(out, "@", "SOA", &soa);
    for server in servers {
        record(out, "@", "NS", &format!("{server}."));
    }
    let below = format!(".{suffix}");
    for server in servers.iter().filter(|server| server.ends_with(&below)) {
        let name = server.strip_suffix(&below).unwrap_or(server);
        write_addresses(out, name, home);
    }
}

fn write_notes(out: &mut String, config: &Config, facts: &ZoneFacts, home: &Place) {
    let mut note = |text: &str| {
        let _ = writeln!(out, "; {text}");
    };
    if facts.name_servers.is_empty() {
        note("The name server is assumed to be this node: name yours with --ns.");
    }
    if config.node.public_address == PublicAddress::Auto {
        note(
            "node.public_address is auto: these are addresses of this host. Set it where peers see others.",
        );
    }
    for ((service, _), ports) in SERVICES.iter().zip(&home.services) {
        if ports.is_empty() {
            note(&format!("{service}: there is no listener with a fixed port."));
        }
    }
    if facts.domains.is_empty() {
        note(
            "No SIP domain exists yet. Print the zone again when there is one: phones that resolve",
        );
        note("by SRV alone need records of their own for each domain.");
    }
}

/// One host with all domains below it.
fn write_host(out: &mut String, host: &str, place: &Place, domains: &[String]) {
    let _ = writeln!(out, "\n$ORIGIN {host}.");
    write_addresses(out, "@", place);
    write_services(out, "", host, place);
    write_wildcard(out, "*", place);
    for domain in domains {
        let longest = format!("_sips._tcp.{domain}.{host}");
        if longest.len() > NAME_BYTES_MAX || !domain.split('.').all(is_label) {
            let _ = writeln!(out, "; {domain}: the name is too long for DNS");
            continue;
        }
        write_addresses(out, domain, place);
        write_services(out, &format!(".{domain}"), host, place);
        write_wildcard(out, &format!("*.{domain}"), place);
    }
}

fn write_addresses(out: &mut String, name: &str, place: &Place) {
    for address in &place.addresses {
        let kind = if address.is_ipv4() { "A" } else { "AAAA" };
        record(out, name, kind, &address.to_string());
    }
}

/// SRV records (RFC 2782) of the name that `below` leads to.
fn write_services(out: &mut String, below: &str, host: &str, place: &Place) {
    for ((service, _), ports) in SERVICES.iter().zip(&place.services) {
        for port in ports {
            record(out, &format!("{service}{below}"), "SRV", &format!("10 10 {port} {host}."));
        }
    }
}

/// Records for future names: addresses, and NAPTR (RFC 3403 §4) that leads to the services of the host.
fn write_wildcard(out: &mut String, name: &str, place: &Place) {
    write_addresses(out, name, place);
    for (number, (service, naptr)) in (1..).zip(SERVICES) {
        if place.services.get(number - 1).is_some_and(|ports| !ports.is_empty()) {
            let data = format!("{number}0 10 \"s\" \"{naptr}\" \"\" {service}");
            record(out, name, "NAPTR", &data);
        }
    }
}

fn record(out: &mut String, name: &str, kind: &str, data: &str) {
    let _ = writeln!(out, "{name:<24} IN {kind:<5} {data}");
}

/// Seconds that a resolver may keep an answer: a moved edge is found again within ten minutes.
const TTL_S: u32 = 600;
const REFRESH_S: u32 = 3_600;
const RETRY_S: u32 = 600;
const EXPIRE_S: u32 = 1_209_600;
/// RFC 1035 §2.3.4, without the length bytes.
const NAME_BYTES_MAX: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;
    use shared::config::Layers;

    fn zone_of(text: &str, facts: &ZoneFacts) -> String {
        let mut layers = Layers::default();
        layers.add_file("test.toml", text).expect("valid");
        zone(&Config::from_layers(&layers).expect("valid"), facts)
    }

    /// The data of the records below `host` with that name and type.
    fn find(zone: &str, host: &str, name: &str, kind: &str) -> Vec<String> {
        let origin = format!("$ORIGIN {host}.\n");
        let block = zone.split(&origin).nth(1).unwrap_or_else(|| panic!("{host} is not in {zone}"));
        let block = block.split("$ORIGIN").next().unwrap_or_default();
        let words = block.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        words
            .filter(|w| w.len() > 3 && w[0] == name && w[2] == kind)
            .map(|w| w[3..].join(" "))
            .collect()
    }

    fn facts(domains: &[&str]) -> ZoneFacts {
        ZoneFacts {
            domains: domains.iter().map(ToString::to_string).collect(),
            serial: 7,
            here: vec!["203.0.113.5".parse().expect("fixed")],
            ..ZoneFacts::default()
        }
    }

    const TWO_PLACES: &str = "[node]\npublic_address = \"192.0.2.7\"\n[edges.tokyo]\n\
        listen = [\"192.0.2.8:5070\"]\n[edges.plant7]\npublic_address = \"2001:db8::1\"\n";

    #[test]
    fn every_domain_has_its_services_at_home_and_at_every_edge() {
        let zone = zone_of(TWO_PLACES, &facts(&["desk", "a.desk"]));
        let home = "sip.sidetone.test";
        assert_eq!(find(&zone, home, "desk", "A"), ["192.0.2.7"]);
        assert_eq!(find(&zone, home, "_sip._udp.desk", "SRV"), ["10 10 5060 sip.sidetone.test."]);
        assert_eq!(
            find(&zone, home, "_sips._tcp.a.desk", "SRV"),
            ["10 10 5061 sip.sidetone.test."]
        );
        // The edge's own addresses and ports; the region is the edge by another name.
        for host in ["sip.tokyo.sidetone.test", "sip.jp1.sidetone.test"] {
            assert_eq!(find(&zone, host, "desk", "A"), ["192.0.2.8"]);
            assert_eq!(find(&zone, host, "_sip._tcp.desk", "SRV"), [format!("10 10 5070 {host}.")]);
            assert_eq!(find(&zone, host, "_sips._tcp", "SRV"), [format!("10 10 5061 {host}.")]);
        }
        // An edge of the operator's own behind another address, and one that this node does not serve.
        assert_eq!(find(&zone, "sip.plant7.sidetone.test", "desk", "AAAA"), ["2001:db8::1"]);
        assert_eq!(find(&zone, "sip.us2.sidetone.test", "desk", "A"), ["192.0.2.7"]);
    }

    #[test]
    fn domains_to_come_are_found_by_address_and_by_naptr() {
        let zone = zone_of("", &facts(&["desk"]));
        for name in ["*", "*.desk"] {
            assert_eq!(find(&zone, "sip.sidetone.test", name, "A"), ["203.0.113.5"]);
            let rules = find(&zone, "sip.sidetone.test", name, "NAPTR");
            assert_eq!(rules[0], "10 10 \"s\" \"SIP+D2U\" \"\" _sip._udp");
            assert_eq!(rules.len(), 3);
        }
        assert!(zone.contains("node.public_address is auto"), "{zone}");
    }

    #[test]
    fn the_apex_names_a_server_that_has_an_address_where_it_lies_in_the_zone() {
        let own = zone_of("", &facts(&[]));
        assert_eq!(find(&own, "sidetone.test", "@", "NS"), ["ns.sidetone.test."]);
        assert_eq!(find(&own, "sidetone.test", "ns", "A"), ["203.0.113.5"]);
        let soa = "ns.sidetone.test. hostmaster.sidetone.test. 7 3600 600 1209600 600";
        assert_eq!(find(&own, "sidetone.test", "@", "SOA"), [soa]);
        let outside = ZoneFacts { name_servers: vec!["ns1.example.net".to_owned()], ..facts(&[]) };
        let outside = zone_of("", &outside);
        assert_eq!(find(&outside, "sidetone.test", "@", "NS"), ["ns1.example.net."]);
        assert!(find(&outside, "sidetone.test", "ns", "A").is_empty());
    }

    #[test]
    fn what_is_off_has_no_record() {
        let zone = zone_of("[sip]\ntls = []\ntcp = [\"0.0.0.0:0\"]\n", &facts(&["desk"]));
        assert!(!zone.contains(" SRV   10 10 0 ") && !zone.contains("_sips._tcp.desk"), "{zone}");
        assert!(zone.contains("_sips._tcp: there is no listener"), "{zone}");
    }
}
