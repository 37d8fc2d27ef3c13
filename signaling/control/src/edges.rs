//! The edges that this node serves: which addresses belong to which, for what comes in and what goes
//! out (contract sip-interface.md §12). Pure.

use std::net::{IpAddr, SocketAddr};

use sip::flow::Transport;
use sip::{Destination, Flow, FlowId};

/// One listener of an edge, over UDP and TCP alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeListener {
    /// The edge, in the contract's own word for it, lower case.
    pub edge: Box<str>,
    /// Its UDP socket.
    pub socket: FlowId,
    /// The address it is bound to, with the port that the system chose.
    pub bound: SocketAddr,
    /// What peers are told instead of that address.
    pub public: Option<IpAddr>,
    /// Whether what leaves by the edge leaves here.
    pub is_egress: bool,
    /// The interconnect (`tnx`) that means this edge.
    pub interconnect: Option<Box<str>>,
}

impl EdgeListener {
    /// What peers are told of a socket that is bound to `bound`.
    fn shown(&self, bound: SocketAddr) -> SocketAddr {
        self.public.map_or(bound, |public| SocketAddr::new(public, bound.port()))
    }

    fn is_at(&self, bound: SocketAddr) -> bool {
        let (ours, theirs) = (self.bound.ip().to_canonical(), bound.ip().to_canonical());
        ours == theirs || (ours.is_unspecified() && self.bound.port() == bound.port())
    }
}

/// Every listener of every edge besides those of `[sip]`, which are the node's own edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edges(Vec<EdgeListener>);

impl Edges {
    /// These listeners.
    pub const fn new(listeners: Vec<EdgeListener>) -> Self {
        Self(listeners)
    }

    /// The address that peers are told of a socket bound there, where an edge has one of its own.
    /// Exact addresses come before those that are told apart by their port alone.
    pub fn shown(&self, bound: SocketAddr) -> Option<SocketAddr> {
        let exact = self.0.iter().find(|listener| listener.bound == bound);
        let found = exact.or_else(|| self.0.iter().find(|listener| listener.is_at(bound)));
        found.filter(|listener| listener.public.is_some()).map(|listener| listener.shown(bound))
    }

    /// The edge that a message came by, where it is not the node's own.
    pub fn of_flow(&self, flow: &Flow) -> Option<&str> {
        let by_socket = |listener: &&EdgeListener| {
            flow.transport == Transport::Udp && listener.socket == flow.id
        };
        let by_address = |listener: &&EdgeListener| {
            let ip = flow.local.ip().to_canonical();
            flow.transport != Transport::Udp
                && (listener.public.map(|public| public.to_canonical()) == Some(ip)
                    || listener.is_at(flow.local))
        };
        let found = self.0.iter().find(by_socket).or_else(|| self.0.iter().find(by_address));
        found.map(|listener| &*listener.edge)
    }

    /// The listener whose address this is, as peers see it.
    pub fn at(&self, address: IpAddr) -> Option<&EdgeListener> {
        self.0.iter().find(|listener| {
            let seen = listener.public.unwrap_or(listener.bound.ip());
            seen.to_canonical() == address.to_canonical()
        })
    }

    /// Whether the edge, or the interconnect (`tnx=NAME`), has a listener here.
    pub fn has(&self, edge: &str) -> bool {
        self.0.iter().any(|listener| names(listener, edge))
    }

    /// The way to a peer by an edge: from its listener, with its address in Via and Contact. Where
    /// the edge has none of that family, the way as it was.
    pub fn leave_by(&self, edge: &str, way: Destination) -> Destination {
        let same_family =
            |listener: &&EdgeListener| listener.bound.is_ipv4() == way.remote.is_ipv4();
        let of_edge = || self.0.iter().filter(|l| names(l, edge)).filter(same_family);
        let egress = of_edge().find(|listener| listener.is_egress).or_else(|| of_edge().next());
        let Some(listener) = egress else { return way };
        let address = match listener.bound.ip() {
            ip if ip.is_unspecified() => way.local.ip(),
            ip => ip,
        };
        let port = match way.transport {
            Transport::Udp | Transport::Tcp => listener.bound.port(),
            Transport::Tls => way.local.port(),
        };
        let local = listener.shown(SocketAddr::new(address, port));
        let flow = (way.transport == Transport::Udp).then_some(listener.socket);
        Destination { local, flow, ..way }
    }
}

fn names(listener: &EdgeListener, edge: &str) -> bool {
    match edge.strip_prefix("tnx=") {
        Some(interconnect) => listener.interconnect.as_deref() == Some(interconnect),
        None => *listener.edge == *shared::edge::canonical(edge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges() -> Edges {
        let listener = |edge: &str, socket, bound: &str, public: Option<&str>| EdgeListener {
            edge: edge.into(),
            socket: FlowId(socket),
            bound: bound.parse().expect("an address"),
            public: public.map(|text| text.parse().expect("an address")),
            is_egress: false,
            interconnect: (edge == "ashburn-ix").then(|| "TX1".into()),
        };
        Edges::new(vec![
            listener("frankfurt", 1, "10.0.0.2:5060", Some("192.0.2.2")),
            listener("ashburn-ix", 2, "0.0.0.0:5070", None),
        ])
    }

    fn way(transport: Transport) -> Destination {
        Destination {
            transport,
            remote: "203.0.113.1:5060".parse().expect("fixed"),
            local: "10.0.0.1:5060".parse().expect("fixed"),
            flow: None,
            host: None,
        }
    }

    #[test]
    fn what_leaves_by_an_edge_leaves_from_its_listener_and_shows_its_address() {
        let left = edges().leave_by("de1", way(Transport::Udp));
        assert_eq!(left.local.to_string(), "192.0.2.2:5060");
        assert_eq!(left.flow, Some(FlowId(1)));
        let left = edges().leave_by("frankfurt", way(Transport::Tcp));
        assert_eq!((left.local.to_string().as_str(), left.flow), ("192.0.2.2:5060", None));
        let left = edges().leave_by("tnx=TX1", way(Transport::Udp));
        assert_eq!(
            (left.local.to_string().as_str(), left.flow),
            ("10.0.0.1:5070", Some(FlowId(2)))
        );
        assert_eq!(edges().leave_by("tokyo", way(Transport::Udp)), way(Transport::Udp));
    }

    #[test]
    fn what_comes_in_belongs_to_the_edge_of_its_listener() {
        let flow = |id, transport, local: &str| Flow {
            id: FlowId(id),
            transport,
            local: local.parse().expect("an address"),
            remote: "203.0.113.1:5060".parse().expect("fixed"),
        };
        let edges = edges();
        assert_eq!(edges.of_flow(&flow(1, Transport::Udp, "192.0.2.2:5060")), Some("frankfurt"));
        assert_eq!(edges.of_flow(&flow(9, Transport::Tls, "192.0.2.2:5061")), Some("frankfurt"));
        assert_eq!(edges.of_flow(&flow(9, Transport::Tcp, "10.0.0.1:5070")), Some("ashburn-ix"));
        assert_eq!(edges.of_flow(&flow(0, Transport::Udp, "10.0.0.1:5060")), None);
        let shown = edges.shown("10.0.0.2:5061".parse().expect("fixed"));
        assert_eq!(shown.map(|shown| shown.to_string()).as_deref(), Some("192.0.2.2:5061"));
    }
}
