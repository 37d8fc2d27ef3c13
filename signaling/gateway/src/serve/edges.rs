//! The listeners of edges: those of the settings, and the addresses they are bound to. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use control::{EdgeListener, Edges, Service};
use shared::config::{Config, Edge, PublicAddress};
use transport::Transport;

use super::addresses::Addresses;
use crate::signaling_loop::UdpListener;

/// Every listener of every edge, in a fixed order.
pub(super) fn edge_listeners(
    config: &Config,
) -> impl Iterator<Item = (&String, &Edge, &SocketAddr)> {
    let edges = config.edges.iter();
    edges.flat_map(|(name, edge)| edge.listen.iter().map(move |address| (name, edge, address)))
}

/// Every TLS listener of every edge, in a fixed order.
pub(super) fn edge_tls_listeners(
    config: &Config,
) -> impl Iterator<Item = (&String, &Edge, SocketAddr)> {
    let mut tls = config.edge_tls();
    config.edges.iter().flat_map(move |(name, edge)| {
        let own = tls.remove(name.as_str()).unwrap_or_default().own;
        own.into_iter().map(move |address| (name, edge, address))
    })
}

/// The listeners of both kinds, with the ports that the system chose.
pub(super) fn edges(config: &Config, udp: &[UdpListener], transport: &Transport) -> Edges {
    let listener = |name: &str, edge: &Edge, wanted: SocketAddr, service, bound| EdgeListener {
        edge: shared::edge::canonical(&name.to_ascii_lowercase()).into(),
        service,
        bound,
        public: fixed(edge.public_address),
        is_egress: edge.sends_from(wanted),
        interconnect: (!edge.tnx.is_empty()).then(|| edge.tnx.as_str().into()),
    };
    let sockets = udp.iter().enumerate().skip(config.sip.udp.len());
    let plain =
        edge_listeners(config).zip(sockets).map(|((name, edge, wanted), (index, socket))| {
            let service = Service::Plain(sip::FlowId(index as u64));
            listener(name, edge, *wanted, service, socket.local_address())
        });
    let bound = transport.local_addresses(shared::Transport::Tls).into_iter();
    let secure = edge_tls_listeners(config).zip(bound.skip(config.sip.tls.len()));
    let secure = secure
        .map(|((name, edge, wanted), bound)| listener(name, edge, wanted, Service::Tls, bound));
    Edges::new(plain.chain(secure).collect())
}

/// The source addresses of webhooks for each edge: those it sends SIP from, if it names any.
pub(super) fn webhook_sources(config: &Config) -> BTreeMap<String, Vec<IpAddr>> {
    let mut sources: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    let named = edge_listeners(config).filter(|(_, _, address)| !address.ip().is_unspecified());
    for (name, edge, address) in named {
        let of_edge = sources.entry(shared::edge::canonical(&name.to_ascii_lowercase()).to_owned());
        let of_edge = of_edge.or_default();
        let at = if edge.sends_from(*address) { 0 } else { of_edge.len() };
        of_edge.insert(at, address.ip());
    }
    sources
}

/// The settings with the ports that the system chose, for `/addresses`.
pub(super) fn as_bound(config: &Config, addresses: &Addresses) -> Config {
    let mut bound = config.clone();
    let mut udp = addresses.udp.iter().copied();
    bound.sip.udp = udp.by_ref().take(config.sip.udp.len()).collect();
    bound.sip.tcp = addresses.tcp.iter().copied().take(config.sip.tcp.len()).collect();
    let mut tls = addresses.tls.iter().copied();
    bound.sip.tls = tls.by_ref().take(config.sip.tls.len()).collect();
    let wanted = config.edge_tls();
    for (name, edge) in &mut bound.edges {
        edge.listen = udp.by_ref().take(edge.listen.len()).collect();
        let own = wanted.get(name.as_str()).map_or(0, |wanted| wanted.own.len());
        edge.tls = tls.by_ref().take(own).collect();
    }
    bound
}

pub(super) fn public_address(config: &Config) -> Option<IpAddr> {
    fixed(config.node.public_address)
}

const fn fixed(address: PublicAddress) -> Option<IpAddr> {
    match address {
        PublicAddress::Auto => None,
        PublicAddress::Fixed(address) => Some(address),
    }
}
