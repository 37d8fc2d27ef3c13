//! What to do when a commit completes.

use std::collections::BTreeMap;
use std::sync::Arc;

use call::CallSetup;
use shared::AccountSid;
use sip::registrar::AddressOfRecord;
use sip::user_agent::Incoming;
use store::CallRecord;

use crate::tokens::{ApiToken, CommitToken};

/// Commits with a waiter, each with its continuation. Each entry goes with the one
/// [`crate::Input::Committed`] that answers its token.
#[derive(Default)]
pub(crate) struct Commits {
    waiting: BTreeMap<CommitToken, Waiting>,
    next: u64,
}

/// The continuation of a commit.
pub(crate) enum Waiting {
    /// A REST write, by its id in [`store::Writes`].
    Write(u64),
    /// `POST Calls`: answer it, then start the call.
    CallCreated { token: ApiToken, created: Box<(CallSetup, Arc<CallRecord>)> },
    /// A REGISTER: answer it.
    Registered(Box<Registered>),
}

/// A REGISTER whose change is on its way to disk.
pub(crate) struct Registered {
    pub incoming: Box<Incoming>,
    pub account: AccountSid,
    pub of: AddressOfRecord,
}

impl Commits {
    /// Keeps what to do, and names the commit.
    pub fn wait(&mut self, waiting: Waiting) -> CommitToken {
        let token = CommitToken(self.next);
        self.next += 1;
        let former = self.waiting.insert(token, waiting);
        debug_assert!(former.is_none(), "a token names one commit");
        token
    }

    /// What to do now that the commit completed, once.
    pub fn complete(&mut self, token: CommitToken) -> Option<Waiting> {
        self.waiting.remove(&token)
    }

    /// Calls created by REST whose record is on its way to disk.
    pub fn calls_created(&self) -> usize {
        let is_call = |waiting: &&Waiting| matches!(waiting, Waiting::CallCreated { .. });
        self.waiting.values().filter(is_call).count()
    }
}
