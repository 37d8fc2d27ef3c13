//! Whether we may connect to an address. Pure, except that it asks the system for its own addresses.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use shared::address::{AddressClass, classify};
use shared::config::Cidr;

/// Decides which resolved addresses may be connected to. It checks the address of each connection, at
/// every redirect again. So an attacker gains nothing by changing the address of a name after the check.
#[derive(Clone, Debug, Default)]
pub struct AddressGuard {
    allow_private: Vec<Cidr>,
    own_listeners: Vec<SocketAddr>,
}

/// Reasons an address must not be connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A class that no setting allows.
    #[error("{address} is a {class} address, which is never connected to")]
    Never {
        /// The address.
        address: IpAddr,
        /// The class, as the sentence has it.
        class: &'static str,
    },
    /// A private address that `webhook.allow_private` does not list.
    #[error("{address} is a private address; list its range in webhook.allow_private to allow it")]
    Private {
        /// The address.
        address: IpAddr,
    },
    /// One of this gateway's own listeners.
    #[error("{address} is a listener of this gateway itself")]
    OwnListener {
        /// The address.
        address: SocketAddr,
    },
}

impl AddressGuard {
    /// A guard that lets private addresses through only where `allow_private` lists them, and never
    /// `own_listeners`. A listener on the unspecified address stands for its port on every
    /// address of this machine.
    pub fn new(allow_private: Vec<Cidr>, own_listeners: Vec<SocketAddr>) -> Self {
        Self { allow_private, own_listeners }
    }

    /// Whether this address may be connected to.
    ///
    /// # Errors
    /// The class of the address, and the setting that can allow it, if there is one.
    pub fn check(&self, address: SocketAddr) -> Result<(), Refused> {
        self.check_with(address, is_of_this_machine)
    }

    fn check_with(
        &self,
        address: SocketAddr,
        is_local: impl Fn(IpAddr) -> bool,
    ) -> Result<(), Refused> {
        let ip = address.ip().to_canonical();
        match classify(ip) {
            AddressClass::Never(class) => return Err(Refused::Never { address: ip, class }),
            AddressClass::Private | AddressClass::Loopback | AddressClass::Reserved
                if !self.allow_private.iter().any(|block| block.contains(ip)) =>
            {
                return Err(Refused::Private { address: ip });
            }
            AddressClass::Private
            | AddressClass::Loopback
            | AddressClass::Reserved
            | AddressClass::Global => {}
        }
        let is_own = self.own_listeners.iter().any(|own| {
            own.port() == address.port()
                && match own.ip().to_canonical() {
                    own if own.is_unspecified() => is_local(ip),
                    own => own == ip,
                }
        });
        if is_own { Err(Refused::OwnListener { address }) } else { Ok(()) }
    }
}

/// Whether the address belongs to this machine. Only then can a socket be bound to it.
fn is_of_this_machine(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_address_needs_to_be_listed_and_a_mapped_one_counts_as_ipv4() {
        let guard = AddressGuard::new(vec!["10.0.0.0/8".parse().unwrap()], vec![]);
        assert_eq!(guard.check(socket("10.0.0.1:80")), Ok(()));
        assert_eq!(guard.check(socket("[::ffff:10.0.0.1]:80")), Ok(()));
        for text in ["192.168.0.1:80", "127.0.0.1:80", "240.0.0.1:80", "[::1]:80"] {
            assert!(matches!(guard.check(socket(text)), Err(Refused::Private { .. })), "{text}");
        }
        assert!(matches!(
            guard.check(socket("[::ffff:192.168.0.1]:80")),
            Err(Refused::Private { .. })
        ));
    }

    #[test]
    fn link_local_stays_closed_even_when_it_is_listed() {
        let guard = AddressGuard::new(vec!["0.0.0.0/0".parse().unwrap()], vec![]);
        assert!(matches!(guard.check(socket("169.254.169.254:80")), Err(Refused::Never { .. })));
    }

    #[test]
    fn own_listeners_are_refused_also_by_the_unspecified_address() {
        let own = vec![socket("0.0.0.0:8080"), socket("192.0.2.7:5060")];
        let all = vec!["0.0.0.0/0".parse().unwrap()];
        let guard = AddressGuard::new(all, own);
        let local = |ip: IpAddr| ip == "10.0.0.5".parse::<IpAddr>().unwrap();
        let own = |text| {
            matches!(guard.check_with(socket(text), local), Err(Refused::OwnListener { .. }))
        };
        assert!(own("10.0.0.5:8080"));
        assert!(own("[::ffff:10.0.0.5]:8080"));
        assert!(own("192.0.2.7:5060"));
        assert!(!own("10.0.0.6:8080"));
        assert!(!own("10.0.0.5:8081"));
    }

    fn socket(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }
}
