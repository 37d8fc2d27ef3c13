//! SIP targets to endpoints (RFC 3263). The selection is pure, the queries are shell.

use std::net::{IpAddr, SocketAddr};

use shared::{Code, Transport};
use tokio::time::timeout;

use super::address::{AddressGuard, Refused};
use super::resolver::{LOOKUP_MAX, LookupError, NaptrRecord, Resolver, SrvRecord};

/// Endpoints of one request.
const ENDPOINTS_MAX: usize = 8;
/// NAPTR records followed for one domain.
const RULES_MAX: usize = 4;
/// SRV records read of one service.
const SERVERS_MAX: usize = 16;

/// The SRV service and protocol of a transport (RFC 3263 §4.1).
const fn service(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
    }
}

/// The parts of a SIP URI that decide where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipTarget {
    /// `maddr` if the URI has it, else its host: a name or a literal, IPv6 with or without brackets.
    pub host: String,
    /// The port of the URI; `None`: it has none.
    pub port: Option<u16>,
    /// The transport of the URI, TLS for `sips:`; `None`: it has none.
    pub transport: Option<Transport>,
}

/// An address to send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SipEndpoint {
    /// UDP, TCP or TLS.
    pub transport: Transport,
    /// Address and port.
    pub address: SocketAddr,
}

/// Reasons a SIP target has no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SipTargetError {
    /// DNS has no address.
    #[error("the SIP target cannot be found: {0}")]
    NotFound(#[from] LookupError),
    /// All its addresses are private, and the settings forbid private addresses.
    #[error("the SIP target {0} is private and sip.allow_private_targets is false")]
    Private(IpAddr),
    /// All its addresses are of a class that is never sent to.
    #[error("the SIP target cannot be used: {0}")]
    Refused(Refused),
}

impl SipTargetError {
    /// The contract's error code (twiml.md section 9: 13254, DNS of a `<Sip>`).
    pub const fn code(&self) -> Code {
        Code::SIP_HOST
    }

    /// The SIP status to report in the call's record.
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotFound(_) => 503,
            Self::Private(_) | Self::Refused(_) => 403,
        }
    }
}

/// Turns SIP targets into endpoints. Cheap to clone.
#[derive(Clone)]
pub struct SipResolver {
    resolver: Resolver,
    guard: AddressGuard,
}

impl SipResolver {
    /// `allow_private` is the setting `sip.allow_private_targets`.
    pub fn new(resolver: Resolver, allow_private: bool) -> Self {
        let everything = ["0.0.0.0/0", "::/0"].iter().filter_map(|block| block.parse().ok());
        let allowed = if allow_private { everything.collect() } else { Vec::new() };
        Self { resolver, guard: AddressGuard::new(allowed, Vec::new()) }
    }

    /// Endpoints in the order to try them, between one and eight. Takes at most 3 s.
    ///
    /// # Errors
    /// A sentence for the operator and the contract's code.
    pub async fn resolve(&self, target: &SipTarget) -> Result<Vec<SipEndpoint>, SipTargetError> {
        let found = timeout(LOOKUP_MAX, self.candidates(target))
            .await
            .map_err(|_| LookupError::Timeout(target.host.clone()))??;
        self.permitted(found)
    }

    async fn candidates(&self, target: &SipTarget) -> Result<Vec<SipEndpoint>, SipTargetError> {
        match plan(target) {
            Plan::Addresses { transport, port } => {
                let addresses = self.resolver.addresses(&target.host).await?;
                Ok(endpoints(&addresses, transport, port))
            }
            Plan::Services { transports } => {
                if target.transport.is_none() {
                    let found = self.by_rules(&target.host).await;
                    if !found.is_empty() {
                        return Ok(found);
                    }
                }
                for transport in transports {
                    let name = format!("{}.{}", service(*transport), target.host);
                    let found = self.servers_of(&name, *transport).await;
                    if !found.is_empty() {
                        return Ok(found);
                    }
                }
                // No SRV record: A/AAAA at the default port (RFC 3263 §4.2).
                let transport = target.transport.unwrap_or(Transport::Udp);
                let addresses = self.resolver.addresses(&target.host).await?;
                Ok(endpoints(&addresses, transport, transport.default_port()))
            }
        }
    }

    /// The SRV names of the domain's NAPTR records, in their order (RFC 3263 §4.1). A transport that this
    /// node cannot use stays in the list; fail-over skips it.
    async fn by_rules(&self, host: &str) -> Vec<SipEndpoint> {
        let Ok(records) = self.resolver.rules(host).await else { return Vec::new() };
        let mut found = Vec::new();
        for (transport, name) in services_by_rules(&records) {
            if found.len() >= ENDPOINTS_MAX {
                break;
            }
            found.extend(self.servers_of(&name, transport).await);
        }
        found
    }

    async fn servers_of(&self, name: &str, transport: Transport) -> Vec<SipEndpoint> {
        let Ok(records) = self.resolver.services(name).await else { return Vec::new() };
        let mut found = Vec::new();
        for server in order_servers(records, random) {
            if found.len() >= ENDPOINTS_MAX {
                break;
            }
            if let Ok(addresses) = self.resolver.addresses(&server.target).await {
                found.extend(endpoints(&addresses, transport, server.port));
            }
        }
        found
    }

    fn permitted(&self, found: Vec<SipEndpoint>) -> Result<Vec<SipEndpoint>, SipTargetError> {
        let mut refused = None;
        let mut permitted = Vec::new();
        for endpoint in found {
            match self.guard.check(endpoint.address) {
                Ok(()) => permitted.push(endpoint),
                Err(reason) => refused = refused.or(Some(reason)),
            }
        }
        permitted.truncate(ENDPOINTS_MAX);
        match refused {
            Some(Refused::Private { address }) if permitted.is_empty() => {
                Err(SipTargetError::Private(address))
            }
            Some(other) if permitted.is_empty() => Err(SipTargetError::Refused(other)),
            _ => Ok(permitted),
        }
    }
}

/// The next DNS query.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Addresses { transport: Transport, port: u16 },
    Services { transports: &'static [Transport] },
}

/// The SRV names of NAPTR records, in order: those of the lowest order that has a SIP service
/// (RFC 3403 §4.1). `SIPS+D2T` means TLS, which a `sip:` URI may use, too.
fn services_by_rules(records: &[NaptrRecord]) -> Vec<(Transport, String)> {
    let usable = |record: &&NaptrRecord| record.flags == "s" && !record.replacement.is_empty();
    let known = |record: &NaptrRecord| {
        let transport = match record.service.as_str() {
            "SIP+D2U" => Transport::Udp,
            "SIP+D2T" => Transport::Tcp,
            "SIPS+D2T" => Transport::Tls,
            _ => return None,
        };
        Some((record.order, transport, record.replacement.clone()))
    };
    let all: Vec<_> = records.iter().filter(usable).filter_map(known).take(RULES_MAX).collect();
    let lowest = all.first().map(|(order, ..)| *order);
    let first = all.into_iter().filter(|(order, ..)| Some(*order) == lowest);
    first.map(|(_, transport, name)| (transport, name)).collect()
}

/// The query for a target (RFC 3263 §4.1, §4.2): addresses for a literal or a port, else SRV. NAPTR comes
/// before.
fn plan(target: &SipTarget) -> Plan {
    let transport = target.transport.unwrap_or(Transport::Udp);
    let bare = target.host.trim_start_matches('[').trim_end_matches(']');
    if target.port.is_some() || bare.parse::<IpAddr>().is_ok() {
        return Plan::Addresses {
            transport,
            port: target.port.unwrap_or(transport.default_port()),
        };
    }
    Plan::Services {
        transports: match target.transport {
            None => &[Transport::Udp, Transport::Tcp],
            Some(Transport::Udp) => &[Transport::Udp],
            Some(Transport::Tcp) => &[Transport::Tcp],
            Some(Transport::Tls) => &[Transport::Tls],
        },
    }
}

fn endpoints(addresses: &[IpAddr], transport: Transport, port: u16) -> Vec<SipEndpoint> {
    let endpoint = |ip: &IpAddr| SipEndpoint { transport, address: SocketAddr::new(*ip, port) };
    addresses.iter().map(endpoint).collect()
}

/// Orders servers by rising priority, within one priority by a weighted draw without replacement (RFC
/// 2782). `random` returns a number below its argument. A target of `.` means that the service does not
/// exist.
fn order_servers(mut records: Vec<SrvRecord>, random: impl Fn(u64) -> u64) -> Vec<SrvRecord> {
    records.retain(|record| !record.target.is_empty() && record.port != 0);
    // RFC 2782 wants weight 0 first within a priority. The other keys make the order total, so that the
    // draw does not depend on the order of the answer.
    records.sort_by(|a, b| {
        (a.priority, a.weight, &a.target, a.port).cmp(&(b.priority, b.weight, &b.target, b.port))
    });
    records.truncate(SERVERS_MAX);
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let group = records.iter().take_while(|record| record.priority == first.priority);
        let weights: Vec<u64> = group.map(|record| u64::from(record.weight)).collect();
        let mut rest = random(weights.iter().sum::<u64>().saturating_add(1));
        let chosen = weights.iter().position(|weight| {
            let hit = *weight >= rest;
            rest = rest.saturating_sub(*weight);
            hit
        });
        ordered.push(records.remove(chosen.unwrap_or(0)));
    }
    ordered
}

/// A number below `bound` from the system's randomness.
fn random(bound: u64) -> u64 {
    let mut bytes = [0; 8];
    // Without randomness the draw is uneven, and still valid.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u64::from_le_bytes(bytes).checked_rem(bound).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::resolver::Names;
    use super::*;

    #[test]
    fn a_port_or_a_literal_means_addresses_and_all_else_services() {
        let udp_5060 = Plan::Addresses { transport: Transport::Udp, port: 5060 };
        assert_eq!(plan(&target("192.0.2.1", None, None)), udp_5060);
        assert_eq!(plan(&target("[2001:db8::1]", None, None)), udp_5060);
        assert_eq!(plan(&target("example.com", Some(5060), None)), udp_5060);
        assert_eq!(
            plan(&target("example.com", Some(5080), Some(Transport::Tcp))),
            Plan::Addresses { transport: Transport::Tcp, port: 5080 }
        );
        assert_eq!(
            plan(&target("example.com", None, None)),
            Plan::Services { transports: &[Transport::Udp, Transport::Tcp] }
        );
        assert_eq!(
            plan(&target("192.0.2.1", None, Some(Transport::Tls))),
            Plan::Addresses { transport: Transport::Tls, port: 5061 }
        );
    }

    #[test]
    fn servers_are_ordered_by_priority_and_drawn_by_weight() {
        let records = vec![srv(20, 0, "backup"), srv(10, 60, "a"), srv(10, 40, "b")];
        let names = |random: fn(u64) -> u64| -> Vec<String> {
            order_servers(records.clone(), random).into_iter().map(|r| r.target).collect()
        };
        assert_eq!(names(|_| 0), ["b", "a", "backup"]);
        assert_eq!(names(|bound| bound - 1), ["a", "b", "backup"]);
    }

    #[test]
    fn a_target_that_is_a_dot_offers_no_service() {
        assert_eq!(order_servers(vec![srv(0, 0, "")], |_| 0), vec![]);
    }

    #[tokio::test]
    async fn srv_gives_host_and_port_and_without_it_the_default_port_serves() {
        let resolver = SipResolver::new(fixed(), true);
        assert_eq!(
            resolver.resolve(&target("with-srv.example", None, None)).await,
            Ok(vec![endpoint(Transport::Tcp, "192.0.2.9:5070")])
        );
        assert_eq!(
            resolver.resolve(&target("plain.example", None, None)).await,
            Ok(vec![endpoint(Transport::Udp, "198.51.100.1:5060")])
        );
    }

    #[tokio::test]
    async fn naptr_says_by_what_transport_and_in_which_order() {
        let rule = |order, preference, service: &str, replacement: &str| NaptrRecord {
            order,
            preference,
            flags: "s".to_owned(),
            service: service.to_owned(),
            replacement: replacement.to_owned(),
        };
        let mut names = Names::default();
        names.addresses.insert("host.example".to_owned(), vec!["192.0.2.9".parse().unwrap()]);
        for (name, port) in [("_sip._tcp.example", 5070), ("_sip._udp.example", 5080)] {
            let record = SrvRecord { port, ..srv(0, 0, "host.example") };
            names.services.insert(name.to_owned(), vec![record]);
        }
        let rules = vec![
            rule(10, 20, "SIP+D2U", "_sip._udp.example"),
            rule(10, 10, "SIP+D2T", "_sip._tcp.example"),
            rule(20, 5, "SIP+D2S", "_sip._sctp.example"),
        ];
        names.rules.insert("example".to_owned(), rules);
        let resolver = SipResolver::new(Resolver::knowing(names), true);
        assert_eq!(
            resolver.resolve(&target("example", None, None)).await,
            Ok(vec![
                endpoint(Transport::Tcp, "192.0.2.9:5070"),
                endpoint(Transport::Udp, "192.0.2.9:5080"),
            ])
        );
        assert_eq!(
            resolver.resolve(&target("example", None, Some(Transport::Udp))).await,
            Ok(vec![endpoint(Transport::Udp, "192.0.2.9:5080")]),
            "a parameter wins"
        );
    }

    #[tokio::test]
    async fn private_targets_need_the_setting_and_link_local_is_never_sent_to() {
        let loopback = target("127.0.0.1", Some(5070), None);
        let strict = SipResolver::new(fixed(), false);
        let error = strict.resolve(&loopback).await.unwrap_err();
        assert!(error.to_string().contains("sip.allow_private_targets"), "{error}");
        assert_eq!(error.code(), Code::SIP_HOST);
        let open = SipResolver::new(fixed(), true);
        assert!(open.resolve(&loopback).await.is_ok());
        let link_local = target("169.254.1.1", None, None);
        assert!(matches!(
            open.resolve(&link_local).await,
            Err(SipTargetError::Refused(Refused::Never { .. }))
        ));
    }

    #[tokio::test]
    async fn an_unknown_host_is_a_503_that_names_it() {
        let error = SipResolver::new(fixed(), true)
            .resolve(&target("nowhere.example", None, None))
            .await
            .unwrap_err();
        assert_eq!((error.code(), error.status()), (Code::SIP_HOST, 503));
        assert!(error.to_string().contains("nowhere.example"));
    }

    fn fixed() -> Resolver {
        let addresses = [("host.example", "192.0.2.9"), ("plain.example", "198.51.100.1")];
        let addresses = addresses
            .into_iter()
            .map(|(name, ip)| (name.to_owned(), vec![ip.parse().unwrap()]))
            .collect();
        let record = SrvRecord { port: 5070, ..srv(0, 0, "host.example") };
        let services = BTreeMap::from([("_sip._tcp.with-srv.example".to_owned(), vec![record])]);
        Resolver::fixed(addresses, services)
    }

    fn target(host: &str, port: Option<u16>, transport: Option<Transport>) -> SipTarget {
        SipTarget { host: host.to_owned(), port, transport }
    }

    fn endpoint(transport: Transport, address: &str) -> SipEndpoint {
        SipEndpoint { transport, address: address.parse().unwrap() }
    }

    fn srv(priority: u16, weight: u16, target: &str) -> SrvRecord {
        SrvRecord { priority, weight, port: 5060, target: target.to_owned() }
    }
}
