//! The transactions of RFC 3261 §17 with RFC 6026, and the tables they live in.
//! Sans-IO.
//!
//! A machine knows states and timers, not messages: it takes the status or the method, and returns
//! what to do. [`Servers`] and [`Clients`] find the machine for a message.

mod clients;
mod ended;
mod invite_client;
mod invite_server;
mod kept;
mod key;
mod other_client;
mod servers;
mod sources;

pub(crate) use clients::{
    Acknowledgement, Cancellation, ClientFate, Clients, Heard, Sender, SentInvite, Verdict,
};
pub(crate) use ended::End;
pub(crate) use invite_client::{InviteClient, InviteResponse};
pub(crate) use invite_server::Acknowledged;
use invite_server::InviteServer;
use key::MergeKey;
pub(crate) use key::{ClientKey, ServerKey, ServerKeys};
pub(crate) use other_client::OtherClient;
pub(crate) use servers::{Answered, Canceled, Repeat, ServerFate, Servers};

use std::time::Duration;

use shared::Instant;

/// The base values that RFC 3261 table 4 derives every other timer from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Estimate of the round-trip time.
    pub t1: Duration,
    /// Longest retransmission interval of requests other than INVITE, and of a 2xx.
    pub t2: Duration,
    /// Longest time that a message stays in the network.
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
        }
    }
}

impl Timers {
    /// 64·T1: timers B, F, H, J, L, M, D, and how long a 2xx waits for its ACK (32 s).
    pub fn transaction_timeout(&self) -> Duration {
        self.t1.saturating_mul(64)
    }
}

/// The next retransmission and how long to wait after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retransmission {
    /// When it is sent.
    pub at: Instant,
    interval: Duration,
    cap: Duration,
}

impl Retransmission {
    /// First after T1, then doubling up to `cap`.
    pub fn start(now: Instant, t1: Duration, cap: Duration) -> Self {
        Self { at: now + t1, interval: t1, cap }
    }

    /// As [`Self::start`], but only where the transport loses messages.
    pub fn unless_reliable(
        now: Instant,
        is_reliable: bool,
        t1: Duration,
        cap: Duration,
    ) -> Option<Self> {
        (!is_reliable).then(|| Self::start(now, t1, cap))
    }

    /// The retransmission after this one.
    #[must_use]
    pub fn next(self, now: Instant) -> Self {
        let interval = self.interval.saturating_mul(2).min(self.cap);
        Self { at: now + interval, interval, ..self }
    }

    /// From now on at the longest interval (timer E in Proceeding).
    #[must_use]
    pub fn slowest(self) -> Self {
        Self { interval: self.cap, ..self }
    }
}

/// What a machine asks for at its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing yet: the deadline has moved.
    Nothing,
    /// Send the last message again.
    Resend,
    /// No response came: report it to the transaction user, then forget the transaction.
    GiveUp,
    /// Its work is done: forget the transaction.
    End,
}
