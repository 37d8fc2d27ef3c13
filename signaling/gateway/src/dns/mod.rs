//! DNS: host names to addresses and SIP targets to endpoints. Shell, on tokio.
//!
//! [`Resolver`] asks the system's name servers and its hosts file. [`SipResolver`] follows RFC 3263
//! as far as this version goes: a literal or a port means A/AAAA, all else SRV and then A/AAAA; NAPTR
//! is not asked. What may be connected to at all is decided by [`classify`].

mod address;
mod resolver;
mod sip;

pub use address::{AddressClass, AddressGuard, Refused, classify};
pub use resolver::{LookupError, Resolver, SrvRecord};
pub use sip::{SipEndpoint, SipResolver, SipTarget, SipTargetError, SipTransport};
