//! The edges that this node serves, and the addresses of each (`shared::edge` has their names). Pure.
//!
//! A peer must see one address throughout: in Via, Contact and SDP, and as the source of packets and
//! connections. So an edge decides at once where a message came by, what it shows, and what it leaves
//! from.

use std::net::{IpAddr, SocketAddr};

use shared::Transport;
use sip::{Destination, Flow, FlowId};

/// One listener of an edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeListener {
    /// The edge by its canonical name, in lower case.
    pub edge: Box<str>,
    /// The transports that it listens for.
    pub service: Service,
    /// The address it is bound to, with the port that the system chose for 0.
    pub bound: SocketAddr,
    /// The address that peers see instead; `None`: the bound one.
    pub public: Option<IpAddr>,
    /// Whether messages that leave by the edge prefer this listener.
    pub is_egress: bool,
    /// The interconnect (`tnx`) that stands for this edge.
    pub interconnect: Option<Box<str>>,
}

/// The transports of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// UDP by this socket, and TCP at the same address and port.
    Plain(FlowId),
    /// The listener takes TLS only.
    Tls,
}

impl EdgeListener {
    /// The address that peers see of a socket bound to `bound`.
    fn shown(&self, bound: SocketAddr) -> SocketAddr {
        self.public.map_or(bound, |public| SocketAddr::new(public, bound.port()))
    }

    fn is_at(&self, bound: SocketAddr) -> bool {
        let (ours, theirs) = (self.bound.ip().to_canonical(), bound.ip().to_canonical());
        // A listener on all addresses is known by its port alone.
        ours == theirs || (ours.is_unspecified() && self.bound.port() == bound.port())
    }

    fn serves(&self, transport: Transport) -> bool {
        match (self.service, transport) {
            (Service::Plain(_), Transport::Udp | Transport::Tcp)
            | (Service::Tls, Transport::Tls) => true,
            (Service::Plain(_), Transport::Tls)
            | (Service::Tls, Transport::Udp | Transport::Tcp) => false,
        }
    }

    /// The address that its connections leave from; `None`: the system chooses.
    fn source(&self) -> Option<IpAddr> {
        Some(self.bound.ip()).filter(|address| !address.is_unspecified())
    }
}

/// Every listener of every edge, except those of `[sip]`, which belong to the node's own edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edges(Vec<EdgeListener>);

impl Edges {
    /// The edges with these listeners.
    pub const fn new(listeners: Vec<EdgeListener>) -> Self {
        Self(listeners)
    }

    /// The public address of a socket bound there; `None`: its edge has none. Exact addresses come before
    /// those that differ in their port alone.
    pub fn shown(&self, bound: SocketAddr) -> Option<SocketAddr> {
        let exact = self.0.iter().find(|listener| listener.bound == bound);
        let found = exact.or_else(|| self.0.iter().find(|listener| listener.is_at(bound)));
        found.filter(|listener| listener.public.is_some()).map(|listener| listener.shown(bound))
    }

    /// The edge that a message came by; `None`: the node's own. Edges behind one public address differ in
    /// their ports.
    pub fn of_flow(&self, flow: &Flow) -> Option<&str> {
        // UDP by its socket: several edges may share one public address, and the socket is exact.
        let by_socket = |listener: &&EdgeListener| {
            flow.transport == Transport::Udp && listener.service == Service::Plain(flow.id)
        };
        let is_connection = flow.transport != Transport::Udp;
        let exact = |listener: &&EdgeListener| {
            is_connection && listener.shown(listener.bound) == flow.local
        };
        let by_address = |listener: &&EdgeListener| {
            let ip = flow.local.ip().to_canonical();
            is_connection
                && (listener.public.map(|public| public.to_canonical()) == Some(ip)
                    || listener.is_at(flow.local))
        };
        let all = || self.0.iter();
        let found =
            all().find(by_socket).or_else(|| all().find(exact)).or_else(|| all().find(by_address));
        found.map(|listener| &*listener.edge)
    }

    /// The listener that has this address, as peers see it.
    pub fn at(&self, address: IpAddr) -> Option<&EdgeListener> {
        self.0.iter().find(|listener| {
            let seen = listener.public.unwrap_or(listener.bound.ip());
            seen.to_canonical() == address.to_canonical()
        })
    }

    /// Whether the edge, or the interconnect (`tnx=NAME`), has a listener on this node.
    pub fn has(&self, edge: &str) -> bool {
        self.0.iter().any(|listener| names(listener, edge))
    }

    /// The address that a connection leaves from when its messages show `local`; `None`: the system
    /// chooses. The peer then sees the address that Via, Contact and SDP name.
    pub fn source(&self, transport: Transport, local: SocketAddr) -> Option<IpAddr> {
        let exact = |listener: &&EdgeListener| {
            listener.serves(transport) && listener.shown(listener.bound) == local
        };
        // TLS may have its listener elsewhere: at `sip.tls`, on all addresses.
        let by_address =
            |listener: &&EdgeListener| listener.shown(listener.bound).ip() == local.ip();
        let all = || self.0.iter();
        all().find(exact).or_else(|| all().find(by_address))?.source()
    }

    /// The way to a peer by an edge: from its listener, with its address in Via and Contact. An edge
    /// without a listener of that IP version changes nothing.
    pub fn leave_by(&self, edge: &str, way: Destination) -> Destination {
        let same_family =
            // A socket of one IP version cannot reach a peer of the other.
            |listener: &&EdgeListener| listener.bound.is_ipv4() == way.remote.is_ipv4();
        let of_edge = || self.0.iter().filter(|l| names(l, edge)).filter(same_family);
        let best = |serves: bool| {
            let fit = || of_edge().filter(|listener| listener.serves(way.transport) == serves);
            fit().find(|listener| listener.is_egress).or_else(|| fit().next())
        };
        let Some(listener) = best(true).or_else(|| best(false)) else { return way };
        let address = match listener.bound.ip() {
            // The system has chosen this address for the route to the peer.
            ip if ip.is_unspecified() => way.local.ip(),
            ip => ip,
        };
        // An edge without TLS of its own has the node's, at its own address.
        let port = match listener.serves(way.transport) {
            true => listener.bound.port(),
            false => way.local.port(),
        };
        let local = listener.shown(SocketAddr::new(address, port));
        // UDP leaves by the edge's own socket. A connection is opened by the transport, from
        // `Edges::source`.
        let flow = match (listener.service, way.transport) {
            (Service::Plain(socket), Transport::Udp) => Some(socket),
            (Service::Plain(_) | Service::Tls, _) => None,
        };
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
        let listener = |edge: &str, service, bound: &str, public: Option<&str>| EdgeListener {
            edge: edge.into(),
            service,
            bound: bound.parse().expect("an address"),
            public: public.map(|text| text.parse().expect("an address")),
            is_egress: false,
            interconnect: (edge == "ashburn-ix").then(|| "TX1".into()),
        };
        Edges::new(vec![
            listener("frankfurt", Service::Plain(FlowId(1)), "10.0.0.2:5060", Some("192.0.2.2")),
            listener("ashburn-ix", Service::Plain(FlowId(2)), "0.0.0.0:5070", None),
            listener("tokyo", Service::Plain(FlowId(3)), "10.0.0.3:5060", None),
            listener("tokyo", Service::Tls, "10.0.0.3:5081", None),
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
        assert_eq!(edges().leave_by("dublin", way(Transport::Udp)), way(Transport::Udp));
    }

    #[test]
    fn a_connection_of_an_edge_leaves_from_the_address_that_it_shows() {
        let left = |edge: &str, transport| {
            let to = edges().leave_by(edge, way(transport));
            (to.local.to_string(), edges().source(transport, to.local).map(|ip| ip.to_string()))
        };
        let from = |local: &str, source: &str| (local.to_owned(), Some(source.to_owned()));
        assert_eq!(left("frankfurt", Transport::Tcp), from("192.0.2.2:5060", "10.0.0.2"));
        // TLS by its own listener, and by that of the node at the edge's address.
        assert_eq!(left("tokyo", Transport::Tls), from("10.0.0.3:5081", "10.0.0.3"));
        assert_eq!(left("frankfurt", Transport::Tls), from("192.0.2.2:5060", "10.0.0.2"));
        // One that listens on all addresses has none of its own.
        assert_eq!(left("ashburn-ix", Transport::Tcp), ("10.0.0.1:5070".to_owned(), None));
        assert_eq!(edges().source(Transport::Tcp, way(Transport::Tcp).local), None);
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
        assert_eq!(edges.of_flow(&flow(9, Transport::Tls, "10.0.0.3:5081")), Some("tokyo"));
        let shown = edges.shown("10.0.0.2:5061".parse().expect("fixed"));
        assert_eq!(shown.map(|shown| shown.to_string()).as_deref(), Some("192.0.2.2:5061"));
    }
}
