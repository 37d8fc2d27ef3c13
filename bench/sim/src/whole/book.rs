//! The reference registrar: which contacts must be bound. It knows only the lifetimes granted to the phones
//! and monotonic time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use shared::{Instant, Transport};

use super::party::Party;

/// Every binding that must be there.
#[derive(Default)]
pub struct Book {
    /// By user and contact.
    bindings: BTreeMap<(&'static str, SocketAddr), Bound>,
}

/// One binding.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    pub until: Instant,
    is_connection: bool,
    /// Where the gateway saw the phone.
    pub remote: SocketAddr,
}

/// What a phone knows lags behind what the gateway did by no more than this.
pub const DOUBT: Duration = Duration::from_secs(45);

impl Book {
    /// A phone learned that its contact is bound for `granted_s` seconds; 0: that it is removed.
    pub fn bound(
        &mut self,
        now: Instant,
        phone: &Party,
        (transport, remote): (Transport, SocketAddr),
        granted_s: u32,
    ) {
        let key = (phone.user, phone.contact());
        if granted_s == 0 {
            self.bindings.remove(&key);
            return;
        }
        let until = now + Duration::from_secs(u64::from(granted_s));
        let is_connection = transport.is_reliable();
        self.bindings.insert(key, Bound { until, is_connection, remote });
    }

    /// The gateway knows that a connection is gone.
    pub fn connection_closed(&mut self, remote: SocketAddr) {
        self.bindings.retain(|_, bound| !(bound.is_connection && bound.remote == remote));
    }

    /// No connection outlives the process.
    pub fn gateway_restarted(&mut self) {
        self.bindings.retain(|_, bound| !bound.is_connection);
    }

    /// Whether it is certain which contacts of a user are bound, now and for the next minute.
    pub fn is_certain(&self, now: Instant, user: &str) -> bool {
        let of_user = self.bindings.iter().filter(|((known, _), _)| *known == user);
        let mut untils = of_user.map(|(_, bound)| bound.until);
        untils.all(|until| until > now + DOUBT * 3 || until + DOUBT < now)
    }

    /// Every binding that must be there, by user and contact.
    pub fn bindings(&self) -> &BTreeMap<(&'static str, SocketAddr), Bound> {
        &self.bindings
    }

    /// Addresses of the contacts of a user that must be bound now.
    pub fn of(&self, now: Instant, user: &str) -> Vec<SocketAddr> {
        let of_user = self.bindings.iter().filter(|((known, _), _)| *known == user);
        let live = of_user.filter(|(_, bound)| bound.until > now);
        live.map(|(_, bound)| bound.remote).collect()
    }
}
