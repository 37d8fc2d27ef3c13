//! DNS: host names to addresses and SIP targets to endpoints. Shell, on tokio.
//!
//! [`Resolver`] asks the name servers and the hosts file of the system. [`SipResolver`] follows RFC 3263: a literal or
//! a port means A/AAAA, a transport parameter means SRV, everything else NAPTR, SRV and A/AAAA.
//! [`AddressGuard`] decides which addresses may be connected to.

mod address;
mod resolver;
mod sip;

pub use address::{AddressGuard, Refused};
pub use resolver::{LookupError, Names, NaptrRecord, Resolver, SrvRecord};
pub use sip::{SipEndpoint, SipResolver, SipTarget, SipTargetError};
