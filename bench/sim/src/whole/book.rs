//! The reference registrar: which contacts must be bound, by what the phones were granted and by
//! monotonic time alone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use shared::Instant;
use sip::Transport;

use super::house::House;
use super::party::Party;

/// Every binding that must be there.
#[derive(Default)]
pub struct Book {
    /// By user and contact.
    bindings: BTreeMap<(&'static str, SocketAddr), Bound>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
struct Bound {
    until: Instant,
    is_stream: bool,
    /// Where the gateway saw the phone.
    remote: SocketAddr,
}

/// What a phone heard lags behind what the gateway did by no more than this.
const DOUBT: Duration = Duration::from_secs(45);

impl Book {
    /// A phone was told that its contact holds for so long, or that it is gone.
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
        let is_stream = transport.is_reliable();
        self.bindings.insert(key, Bound { until, is_stream, remote });
    }

    /// The gateway knows that a connection is gone.
    pub fn stream_closed(&mut self, remote: SocketAddr) {
        self.bindings.retain(|_, bound| !(bound.is_stream && bound.remote == remote));
    }

    /// No connection outlives the process.
    pub fn gateway_restarted(&mut self) {
        self.bindings.retain(|_, bound| !bound.is_stream);
    }

    /// Whether it is certain now which contacts of a user are bound, and still is in a minute.
    pub fn is_certain(&self, now: Instant, user: &str) -> bool {
        let of_user = self.bindings.iter().filter(|((known, _), _)| *known == user);
        let mut untils = of_user.map(|(_, bound)| bound.until);
        untils.all(|until| until > now + DOUBT * 3 || until + DOUBT < now)
    }

    /// Where a user's contacts are that must be bound now.
    pub fn of(&self, now: Instant, user: &str) -> Vec<SocketAddr> {
        let of_user = self.bindings.iter().filter(|((known, _), _)| *known == user);
        let live = of_user.filter(|(_, bound)| bound.until > now);
        live.map(|(_, bound)| bound.remote).collect()
    }
}

/// Holds the registrar and the disk to the book.
pub fn check(house: &mut House) {
    let now = house.now;
    let mut wrong = Vec::new();
    let kept = house.disk.bindings.len();
    let (bound, _, _) = house.control.registrations();
    if bound != kept {
        wrong.push(format!("{bound} bindings are in use and {kept} on disk"));
    }
    for ((user, _), expected) in &house.book.bindings {
        let mut rows = house.disk.bindings.values();
        let row = rows.find(|row| row.user == *user && row.remote == expected.remote);
        let Some(row) = row else {
            if expected.until > now.mono + DOUBT {
                let left_s = expected.until.since(now.mono).as_secs();
                wrong.push(format!("{user} lost a binding that holds for {left_s} s"));
            }
            continue;
        };
        let left_ms = i64::try_from(expected.until.since(now.mono).as_millis()).unwrap_or(i64::MAX);
        let says_ms = row.expires_ms - now.unix_ms;
        let doubt_ms = i64::try_from(DOUBT.as_millis()).unwrap_or(0);
        if expected.until > now.mono && (left_ms - says_ms).abs() > doubt_ms {
            wrong.push(format!("{user}'s binding holds for {left_ms} ms, the disk says {says_ms}"));
        }
    }
    for row in house.disk.bindings.values() {
        let mut known = house.book.bindings.iter();
        let is_known = known.any(|((user, _), bound)| {
            row.user == *user && row.remote == bound.remote && bound.until + DOUBT > now.mono
        });
        if !is_known {
            wrong.push(format!("a binding of {} at {} is kept wrongly", row.user, row.remote));
        }
    }
    wrong.into_iter().for_each(|text| house.is_wrong(text));
}
