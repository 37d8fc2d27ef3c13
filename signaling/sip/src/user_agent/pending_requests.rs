//! Our requests in a confirmed dialog, INVITE and BYE aside, that wait for their final responses.
//! Sans-IO.

use shared::Header;

use crate::message::Method;
use crate::transaction::ClientKey;

/// One request, with what it takes to send it again.
#[derive(Debug)]
pub(super) struct PendingRequest {
    pub method: Method,
    pub headers: Vec<Header>,
    /// Media type and bytes.
    pub body: Option<(&'static str, Vec<u8>)>,
    pub purpose: Purpose,
    /// A challenge to it was answered; a second one ends it.
    pub was_challenged: bool,
    /// How often it was sent again because a later request had overtaken it.
    pub overtaken: u8,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// UPDATE: the session timer.
    Refresh,
    /// REFER.
    Refer,
    /// NOTIFY about a REFER of the peer; the last one ends the subscription.
    Notice { is_final: bool },
}

/// The requests that wait, by transaction. Bounded by their users: one refresh, one REFER and one
/// NOTIFY at a time.
#[derive(Debug, Default)]
pub(super) struct PendingRequests(Vec<(ClientKey, PendingRequest)>);

impl PendingRequests {
    /// Adds a request that went out in this transaction.
    pub fn insert(&mut self, transaction: ClientKey, request: PendingRequest) {
        debug_assert!(!self.contains(transaction), "a branch is never used twice");
        self.0.push((transaction, request));
    }

    /// Whether a transaction is one of these.
    pub fn contains(&self, transaction: ClientKey) -> bool {
        self.0.iter().any(|(key, _)| *key == transaction)
    }

    /// Takes the request of a transaction out.
    pub fn take(&mut self, transaction: ClientKey) -> Option<PendingRequest> {
        let at = self.0.iter().position(|(key, _)| *key == transaction)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Forgets all requests, and returns their transactions.
    pub fn drain(&mut self) -> impl Iterator<Item = ClientKey> {
        self.0.drain(..).map(|(key, _)| key)
    }
}
