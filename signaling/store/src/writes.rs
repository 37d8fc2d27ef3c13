//! The way of a write: checked, committed, applied, answered. Sans-IO machine for Control.

use std::collections::BTreeMap;

use shared::AccountSid;
use shared::limits::STORE_QUEUE_MAX;

use crate::change::{Change, Conflict, Outcome};
use crate::plan::{Mint, Planned};
use crate::snapshot::Snapshot;
use crate::write::{Reply, Write, WriteError};

/// How often a write is planned again because another one changed the same resource first.
const ATTEMPTS_MAX: u8 = 8;

/// Writes on their way to disk, each with the token its answer goes to.
#[derive(Debug)]
pub struct Writes<Token> {
    pending: BTreeMap<u64, Pending<Token>>,
    next: u64,
}

#[derive(Debug)]
struct Pending<Token> {
    token: Token,
    account: AccountSid,
    write: Write,
    mint: Mint,
    planned: Planned,
    attempts: u8,
}

/// What became of a new write.
#[derive(Debug, PartialEq, Eq)]
pub enum Submitted<Token> {
    /// To be committed; the outcome comes back by [`Writes::settle`] under `id`.
    Commit {
        /// Names the write.
        id: u64,
        /// For the store thread.
        change: Change,
    },
    /// To be answered at once.
    Refused(Token, WriteError),
}

/// What became of an outcome.
#[derive(Debug, PartialEq, Eq)]
pub enum Settled<Token> {
    /// It is on disk and applied to the snapshot (`Ok`), or nothing was changed (`Err`). Answer it.
    Answer(Token, Box<Result<Reply, WriteError>>),
    /// Another write came first; this one was planned again and has to be committed.
    Again {
        /// Names the write.
        id: u64,
        /// For the store thread.
        change: Change,
    },
    /// No write has this id.
    Unknown,
}

impl<Token> Default for Writes<Token> {
    fn default() -> Self {
        Self { pending: BTreeMap::new(), next: 0 }
    }
}

impl<Token> Writes<Token> {
    /// How many writes wait for the store.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Checks a write. More than [`STORE_QUEUE_MAX`] at once are refused with 503.
    pub fn submit(
        &mut self,
        snapshot: &Snapshot,
        account: AccountSid,
        write: Write,
        mint: Mint,
        token: Token,
    ) -> Submitted<Token> {
        if self.pending.len() >= STORE_QUEUE_MAX {
            return Submitted::Refused(token, WriteError::unavailable());
        }
        match snapshot.check(account, &write, &mint) {
            Ok(planned) => {
                let id = self.next;
                self.next += 1;
                let change = planned.change.clone();
                let pending = Pending { token, account, write, mint, planned, attempts: 1 };
                self.pending.insert(id, pending);
                Submitted::Commit { id, change }
            }
            Err(error) => Submitted::Refused(token, error),
        }
    }
                debug_assert!(self.pending.len() <= STORE_QUEUE_MAX);

    /// Takes the store's outcome for a write and applies it to the snapshot.
    ///
    /// Outcomes must come in the order of their commits: the snapshot follows the disk.
    pub fn settle(&mut self, snapshot: &mut Snapshot, id: u64, outcome: Outcome) -> Settled<Token> {
        let Some(pending) = self.pending.remove(&id) else {
            return Settled::Unknown;
        };
        let answer = match outcome {
            Outcome::Committed => {
        debug_assert!(id < self.next, "an outcome answers a write that was submitted");
                snapshot.apply(&pending.planned.change);
                Ok(pending.planned.reply)
            }
            Outcome::Conflict(Conflict::Stale) if pending.attempts < ATTEMPTS_MAX => {
                return self.plan_again(snapshot, id, pending);
            }
            Outcome::Conflict(conflict) => Err(conflict.into()),
            Outcome::Unavailable => Err(WriteError::unavailable()),
        };
        Settled::Answer(pending.token, Box::new(answer))
    }

    fn plan_again(
        &mut self,
        snapshot: &Snapshot,
        id: u64,
        mut pending: Pending<Token>,
    ) -> Settled<Token> {
        match snapshot.check(pending.account, &pending.write, &pending.mint) {
            Ok(planned) => {
                let change = planned.change.clone();
                pending.planned = planned;
                pending.attempts += 1;
                self.pending.insert(id, pending);
                Settled::Again { id, change }
            }
            Err(error) => Settled::Answer(pending.token, Box::new(Err(error))),
        }
    }
}
