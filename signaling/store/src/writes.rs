//! Writes on their way to disk. Sans-IO; Control holds one machine.
//!
//! A write is *checked* against the snapshot and becomes a change; it is then *pending* while the store thread
//! commits it; it ends *answered*, applied to the snapshot or refused. Several writes are pending at once, so
//! each is checked against a snapshot that lacks the others: the change carries its precondition, the database
//! tests that inside the transaction, and a write that lost a race is checked again on the newer snapshot.

use std::collections::BTreeMap;

use shared::AccountSid;
use shared::limits::STORE_QUEUE_MAX;

use crate::change::{Change, Conflict, Outcome};
use crate::plan::{Mint, Planned};
use crate::snapshot::Snapshot;
use crate::write::{Reply, Write, WriteError};

/// Most checks of one write. Past it, so many others change the same resource that the customer must decide.
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

/// The result of submitting a write.
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

/// The result of settling an outcome.
#[derive(Debug, PartialEq, Eq)]
pub enum Settled<Token> {
    /// It is on disk and applied to the snapshot (`Ok`), or nothing was changed (`Err`). Answer it.
    Answer(Token, Box<Result<Reply, WriteError>>),
    /// Another write came first; this one was checked again, and its new change is to be committed.
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
    /// Number of writes that wait for the store.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// True where no write waits.
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
        // Before the check: while the disk stalls, a write that cannot wait must cost nothing.
        if self.pending.len() >= STORE_QUEUE_MAX {
            return Submitted::Refused(token, WriteError::unavailable());
        }
        match snapshot.check(account, &write, &mint) {
            Ok(planned) => {
                let id = self.next;
                self.next += 1;
                // Two owners: the store thread commits it, and the plan applies it to the snapshot once it
                // is on disk. Rows in it are shared, so the copy is a few words.
                let change = planned.change.clone();
                let pending = Pending { token, account, write, mint, planned, attempts: 1 };
                self.pending.insert(id, pending);
                debug_assert!(self.pending.len() <= STORE_QUEUE_MAX);
                Submitted::Commit { id, change }
            }
            Err(error) => Submitted::Refused(token, error),
        }
    }

    /// Takes the store's outcome for a write and applies it to the snapshot.
    ///
    /// Outcomes must come in the order of their commits: the snapshot follows the disk.
    pub fn settle(&mut self, snapshot: &mut Snapshot, id: u64, outcome: Outcome) -> Settled<Token> {
        debug_assert!(id < self.next, "an outcome answers a write that was submitted");
        let Some(pending) = self.pending.remove(&id) else {
            // An outcome that arrives twice finds no write and changes nothing.
            return Settled::Unknown;
        };
        let answer = match outcome {
            Outcome::Committed => {
                // Only now: no call is admitted by what a crash could take back (ARCHITECTURE.md, I5).
                snapshot.apply(&pending.planned.change);
                Ok(pending.planned.reply)
            }
            // Only this conflict is one of order. A name that is taken or a limit that is reached would
            // refuse the next plan.
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
        // The mint of the first plan: SID and secret stay, although the write is planned again.
        match snapshot.check(pending.account, &pending.write, &pending.mint) {
            Ok(planned) => {
                let change = planned.change.clone();
                debug_assert!(
                    pending.attempts < ATTEMPTS_MAX,
                    "the last attempt is not planned again"
                );
                pending.planned = planned;
                pending.attempts += 1;
                self.pending.insert(id, pending);
                Settled::Again { id, change }
            }
            Err(error) => Settled::Answer(pending.token, Box::new(Err(error))),
        }
    }
}
