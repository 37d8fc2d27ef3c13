//! Host names to addresses by the system's name servers and hosts file. Shell, on tokio.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::time::timeout;

/// Time for one look-up with its repetitions.
pub const LOOKUP_MAX: Duration = Duration::from_secs(3);
/// Names in the cache.
const CACHE_NAMES_MAX: u64 = 4_096;
/// Queries at once. Past it they wait.
const QUERIES_MAX: usize = 1_024;

/// Reasons a name has no usable address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The text is not a host name.
    #[error("`{0}` is not a host name")]
    NotAName(String),
    /// The name has no record of this type.
    #[error("DNS has no address for `{0}`")]
    NoRecord(String),
    /// No answer in time.
    #[error("DNS gave no answer for `{0}` within 3 s")]
    Timeout(String),
    /// No name server could be reached, or one refused.
    #[error("DNS failed for `{name}`: {reason}")]
    Failed {
        /// The name.
        name: String,
        /// The resolver's error.
        reason: String,
    },
}

/// A server of a service (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrvRecord {
    /// Lower is tried first.
    pub priority: u16,
    /// Relative share among servers of one priority.
    pub weight: u16,
    /// Its port.
    pub port: u16,
    /// Its name, without the dot at the end.
    pub target: String,
}

/// A NAPTR record: how a service of a domain is reached (RFC 3403).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NaptrRecord {
    /// Lower goes first.
    pub order: u16,
    /// Lower goes first among those of one order.
    pub preference: u16,
    /// `s`: the replacement is a name of SRV records.
    pub flags: String,
    /// `SIP+D2U` and the like.
    pub service: String,
    /// The next name to resolve, without the dot at the end.
    pub replacement: String,
}

/// Resolves names. Cheap to clone; all clones share one cache.
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
}

enum Inner {
    System(Box<TokioResolver>),
    Fixed(Names),
}

/// The records of a fixed resolver, by name in lower case.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// A and AAAA.
    pub addresses: BTreeMap<String, Vec<IpAddr>>,
    /// SRV.
    pub services: BTreeMap<String, Vec<SrvRecord>>,
    /// NAPTR.
    pub rules: BTreeMap<String, Vec<NaptrRecord>>,
}

impl Resolver {
    /// The resolver of this machine. Without a readable configuration (a container without `resolv.conf`)
    /// it resolves only literals and names in the hosts file, and logs that once.
    ///
    /// Call it inside the tokio runtime.
    pub fn from_system() -> Self {
        Self::asking(&[])
    }

    /// As [`Resolver::from_system`], with these name servers if there are any (setting `node.dns`).
    pub fn asking(servers: &[SocketAddr]) -> Self {
        let provider = TokioRuntimeProvider::default;
        let own = || TokioResolver::builder_with_config(config_of(servers), provider());
        let system = || {
            TokioResolver::builder(provider()).unwrap_or_else(|error| {
                tracing::warn!(%error, "no DNS configuration: only the hosts file and literals are known");
                TokioResolver::builder_with_config(ResolverConfig::default(), provider())
            })
        };
        let mut builder = if servers.is_empty() { system() } else { own() };
        let options = builder.options_mut();
        options.timeout = Duration::from_millis(1_000);
        options.attempts = 2;
        options.cache_size = CACHE_NAMES_MAX;
        options.max_active_requests = QUERIES_MAX;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.positive_max_ttl = Some(Duration::from_secs(300));
        options.negative_max_ttl = Some(Duration::from_secs(5));
        match builder.build() {
            Ok(resolver) => Self { inner: Arc::new(Inner::System(Box::new(resolver))) },
            Err(error) => {
                tracing::warn!(%error, "DNS is off: only literals are known");
                Self::fixed(BTreeMap::new(), BTreeMap::new())
            }
        }
    }

    /// A resolver that knows exactly these names, for tests and for machines without DNS.
    pub fn fixed(
        addresses: BTreeMap<String, Vec<IpAddr>>,
        services: BTreeMap<String, Vec<SrvRecord>>,
    ) -> Self {
        Self::knowing(Names { addresses, services, rules: BTreeMap::new() })
    }

    /// As [`Resolver::fixed`], with NAPTR records.
    pub fn knowing(names: Names) -> Self {
        Self { inner: Arc::new(Inner::Fixed(names)) }
    }

    /// Addresses of a host, IPv4 first. A literal (with or without brackets) resolves to itself.
    ///
    /// # Errors
    /// The name is unknown, no server answered, or the answer was an error.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(literal) = bare.parse::<IpAddr>() {
            return Ok(vec![literal]);
        }
        let mut addresses = match &*self.inner {
            Inner::System(resolver) => {
                bounded(bare, resolver.lookup_ip(bare)).await?.iter().collect()
            }
            Inner::Fixed(Names { addresses, .. }) => {
                addresses.get(&bare.to_ascii_lowercase()).cloned().unwrap_or_default()
            }
        };
        addresses.sort_by_key(IpAddr::is_ipv6);
        if addresses.is_empty() {
            Err(LookupError::NoRecord(bare.to_owned()))
        } else {
            Ok(addresses)
        }
    }

    /// Servers of a service such as `_sip._udp.example.com`, unordered.
    ///
    /// # Errors
    /// As [`Resolver::addresses`].
    pub async fn services(&self, name: &str) -> Result<Vec<SrvRecord>, LookupError> {
        let records = match &*self.inner {
            Inner::System(resolver) => {
                // The dot at the end keeps the resolver from appending a domain of the search list.
                let absolute = format!("{}.", name.trim_end_matches('.'));
                let lookup = bounded(name, resolver.srv_lookup(absolute)).await?;
                lookup.answers().iter().filter_map(|record| srv(&record.data)).collect()
            }
            Inner::Fixed(Names { services, .. }) => services.get(name).cloned().unwrap_or_default(),
        };
        if records.is_empty() { Err(LookupError::NoRecord(name.to_owned())) } else { Ok(records) }
    }

    /// NAPTR records of a domain, in order. Absence is not an error: most domains have none.
    ///
    /// # Errors
    /// As [`Resolver::addresses`].
    pub async fn rules(&self, name: &str) -> Result<Vec<NaptrRecord>, LookupError> {
        let mut records: Vec<NaptrRecord> = match &*self.inner {
            Inner::System(resolver) => {
                let absolute = format!("{}.", name.trim_end_matches('.'));
                match bounded(name, resolver.lookup(absolute, RecordType::NAPTR)).await {
                    Ok(found) => found.answers().iter().filter_map(|r| naptr(&r.data)).collect(),
                    Err(LookupError::NoRecord(_)) => Vec::new(),
                    Err(error) => return Err(error),
                }
            }
            Inner::Fixed(Names { rules, .. }) => rules.get(name).cloned().unwrap_or_default(),
        };
        records.sort();
        Ok(records)
    }
}

async fn bounded<T>(
    name: &str,
    lookup: impl Future<Output = Result<T, NetError>>,
) -> Result<T, LookupError> {
    match timeout(LOOKUP_MAX, lookup).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(explain(name, &error)),
        Err(_) => Err(LookupError::Timeout(name.to_owned())),
    }
}

fn explain(name: &str, error: &NetError) -> LookupError {
    let name = name.to_owned();
    match error {
        _ if error.is_no_records_found() => LookupError::NoRecord(name),
        NetError::Timeout => LookupError::Timeout(name),
        NetError::Proto(_) => LookupError::NotAName(name),
        other => LookupError::Failed { name, reason: other.to_string() },
    }
}

fn config_of(servers: &[SocketAddr]) -> ResolverConfig {
    let server = |address: &SocketAddr| {
        let connections =
            [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = address.port();
                connection
            });
        NameServerConfig::new(address.ip(), true, connections.into())
    };
    ResolverConfig::from_name_servers(servers.iter().map(server).collect())
}

fn naptr(data: &RData) -> Option<NaptrRecord> {
    match data {
        RData::NAPTR(record) => Some(NaptrRecord {
            order: record.order,
            preference: record.preference,
            flags: String::from_utf8_lossy(&record.flags).to_ascii_lowercase(),
            service: String::from_utf8_lossy(&record.services).to_ascii_uppercase(),
            replacement: record.replacement.to_utf8().trim_end_matches('.').to_owned(),
        }),
        _ => None,
    }
}

fn srv(data: &RData) -> Option<SrvRecord> {
    match data {
        RData::SRV(record) => Some(SrvRecord {
            priority: record.priority,
            weight: record.weight,
            port: record.port,
            target: record.target.to_utf8().trim_end_matches('.').to_owned(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn literals_are_their_own_answer_with_or_without_brackets() {
        let resolver = Resolver::fixed(BTreeMap::new(), BTreeMap::new());
        for (host, address) in [("127.0.0.1", "127.0.0.1"), ("[::1]", "::1"), ("::1", "::1")] {
            assert_eq!(resolver.addresses(host).await, Ok(vec![address.parse().unwrap()]));
        }
    }

    #[tokio::test]
    async fn the_system_knows_localhost_without_any_network() {
        let addresses = Resolver::from_system().addresses("localhost").await.unwrap();
        assert!(addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
    }

    #[tokio::test]
    async fn an_unknown_name_is_an_error_that_names_it() {
        let resolver = Resolver::fixed(BTreeMap::new(), BTreeMap::new());
        let error = resolver.addresses("nowhere.example").await.unwrap_err();
        assert_eq!(error.to_string(), "DNS has no address for `nowhere.example`");
    }
}
