//! DNS: host names to addresses and SIP targets to endpoints. Shell, on tokio.
//!
//! [`Resolver`] asks the system's name servers and its hosts file. [`SipResolver`] follows RFC 3263:
//! a literal or a port means A/AAAA, a transport by parameter SRV, all else NAPTR, SRV and A/AAAA. What may be connected to at all is decided by [`AddressGuard`].

mod address;
mod resolver;
mod sip;

pub use address::{AddressGuard, Refused};
pub use resolver::{LookupError, Names, NaptrRecord, Resolver, SrvRecord};
pub use sip::{SipEndpoint, SipResolver, SipTarget, SipTargetError};
