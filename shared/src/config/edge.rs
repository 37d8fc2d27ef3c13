//! `[edges.NAME]`: the named sets of addresses that one node serves (`crate::edge` has their names).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::Config;
use super::checks::Checks;
use super::layers::{Layers, Problem};
use super::node::is_label;
use super::section::{Section, section};
use super::value::PublicAddress;

section! {
    /// An edge this node serves besides its own, which `[sip]` and `[node]` describe.
    #[derive(Clone, Debug, PartialEq)]
    Edge in "edges.*" {
        /// UDP and TCP listeners of this edge, besides those of [sip].
        listen: Vec<SocketAddr> = "[]",
        /// TLS listeners of this edge; empty = the port of sip.tls at each address in listen.
        tls: Vec<SocketAddr> = "[]",
        /// Address shown to peers of this edge; auto = that of its listener.
        public_address: PublicAddress = "\"auto\"",
        /// Address, of those it listens on, that calls by this edge leave from; auto = the first.
        egress: PublicAddress = "\"auto\"",
        /// Interconnect SID whose calls (`;tnx=SID`) leave by this edge, a private network; empty = none.
        tnx: String = "\"\"",
    }
}

/// Where peers of one edge find TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EdgeTls {
    /// Listeners that the edge opens for itself.
    pub own: Vec<SocketAddr>,
    /// Addresses of the edge at which a listener of `sip.tls` answers already.
    pub shared: Vec<SocketAddr>,
}

impl EdgeTls {
    /// All of them, those of the edge itself first.
    pub fn all(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.own.iter().chain(&self.shared).copied()
    }
}

impl Edge {
    /// Reads every `[edges.NAME]`, by name.
    pub(super) fn read_all(layers: &Layers, problems: &mut Vec<Problem>) -> BTreeMap<String, Self> {
        Self::read_named(layers, "edges", problems).into_iter().collect()
    }

    /// Checks all edges together; `own` is the edge of this node.
    pub(super) fn check_all(edges: &BTreeMap<String, Self>, own: &str, checks: &mut Checks<'_>) {
        let known: Vec<_> = crate::edge::labels().collect();
        checks.require(
            crate::edge::is_known(own) || edges.contains_key(own),
            "node.edge",
            &format!("must be an edge that `[edges.NAME]` declares, or {}", known.join(", ")),
        );
        checks.require(
            edges.keys().all(|name| is_label(name) && !name.contains(char::is_uppercase)),
            "edges",
            "must have names of lower-case letters, digits and hyphens: hosts carry them",
        );
        checks.require(
            edges.values().all(Self::egress_is_listened_on),
            "edges",
            "`egress` must be an address that the same edge listens on",
        );
    }

    /// Whether calls that leave by the edge leave from this listener.
    pub fn sends_from(&self, listener: SocketAddr) -> bool {
        match self.egress {
            PublicAddress::Auto => false,
            PublicAddress::Fixed(address) => address == listener.ip(),
        }
    }

    fn egress_is_listened_on(&self) -> bool {
        match self.egress {
            PublicAddress::Auto => true,
            PublicAddress::Fixed(address) => self
                .listen
                .iter()
                .any(|listener| listener.ip() == address || listener.ip().is_unspecified()),
        }
    }
}

impl Config {
    /// The TLS listeners of each edge, by its name. An edge that names none has one on each address it
    /// listens on, at the port of `sip.tls`, so that a phone that is given the edge's name finds TLS
    /// where it finds TCP: either a listener of `sip.tls` covers the address, or the edge opens its own.
    /// An edge that listens on all addresses is identified by its port, which TLS cannot share: there
    /// the setting has to name one.
    pub fn edge_tls(&self) -> BTreeMap<&str, EdgeTls> {
        let named = self.edges.values().flat_map(|edge| &edge.tls);
        // Each listener on port 0 gets another port.
        let mut taken: BTreeSet<SocketAddr> = named.filter(|at| at.port() != 0).copied().collect();
        let mut found = BTreeMap::new();
        for (name, edge) in &self.edges {
            let mut tls = EdgeTls { own: edge.tls.clone(), shared: Vec::new() };
            for address in addresses_of(edge) {
                if let Some(covering) = self.sip.tls.iter().find(|own| covers(**own, address)) {
                    tls.shared.push(SocketAddr::new(address, covering.port()));
                } else if let (true, Some(first)) = (edge.tls.is_empty(), self.sip.tls.first()) {
                    let own = SocketAddr::new(address, first.port());
                    if own.port() == 0 || taken.insert(own) {
                        tls.own.push(own);
                    }
                }
            }
            found.insert(name.as_str(), tls);
        }
        found
    }
}

/// The single addresses that an edge listens on, each once.
fn addresses_of(edge: &Edge) -> BTreeSet<IpAddr> {
    edge.listen.iter().map(SocketAddr::ip).filter(|address| !address.is_unspecified()).collect()
}

/// Whether connections to `address` reach the listener.
fn covers(listener: SocketAddr, address: IpAddr) -> bool {
    let is_any = listener.ip().is_unspecified() && listener.is_ipv4() == address.is_ipv4();
    is_any || listener.ip() == address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        let mut layers = Layers::default();
        layers.add_file("test.toml", text).expect("TOML");
        Config::from_layers(&layers).expect("valid")
    }

    fn tls(text: &str, edge: &str) -> (Vec<String>, Vec<String>) {
        let config = config(text);
        let found = &config.edge_tls()[edge];
        let texts = |list: &[SocketAddr]| list.iter().map(ToString::to_string).collect();
        (texts(&found.own), texts(&found.shared))
    }

    #[test]
    fn an_edge_has_tls_wherever_it_listens() {
        let elsewhere =
            "[sip]\ntls = [\"192.0.2.1:5061\"]\n[edges.tokyo]\nlisten = [\"192.0.2.8:5080\"]\n";
        assert_eq!(tls(elsewhere, "tokyo"), (vec!["192.0.2.8:5061".to_owned()], vec![]));
        let covered = "[edges.tokyo]\nlisten = [\"192.0.2.8:5080\"]\n";
        assert_eq!(tls(covered, "tokyo"), (vec![], vec!["192.0.2.8:5061".to_owned()]));
        let other_family = "[edges.tokyo]\nlisten = [\"[2001:db8::8]:5060\"]\n";
        assert_eq!(tls(other_family, "tokyo"), (vec!["[2001:db8::8]:5061".to_owned()], vec![]));
        let off = "[sip]\ntls = []\n[edges.tokyo]\nlisten = [\"192.0.2.8:5080\"]\n";
        assert_eq!(tls(off, "tokyo"), (vec![], vec![]));
        let named = "[sip]\ntls = []\n[edges.tokyo]\nlisten = [\"0.0.0.0:5080\"]\ntls = [\"0.0.0.0:5081\"]\n";
        assert_eq!(tls(named, "tokyo"), (vec!["0.0.0.0:5081".to_owned()], vec![]));
    }

    #[test]
    fn no_two_edges_open_one_address_for_tls() {
        let text = "[sip]\ntls = [\"192.0.2.1:5061\"]\n[edges.dublin]\nlisten = [\"192.0.2.8:5080\"]\n\
                    [edges.tokyo]\nlisten = [\"192.0.2.8:5090\"]\n";
        assert_eq!(tls(text, "dublin").0, ["192.0.2.8:5061"]);
        assert!(tls(text, "tokyo").0.is_empty());
    }
}
