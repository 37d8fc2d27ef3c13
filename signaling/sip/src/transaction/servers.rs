//! The table of server transactions: bounded, by key, with one deadline each. Sans-IO.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use shared::limits::SERVER_TRANSACTIONS_SOURCE_MAX;
use shared::{Instant, source_of};

use super::{Acknowledged, Due, InviteServer, MergeKey, OtherServer, ServerKey, Timers};
use crate::flow::ReplyRoute;
use crate::user_agent::SessionId;

/// All server transactions.
#[derive(Debug)]
pub(crate) struct Servers {
    entries: HashMap<ServerKey, ServerEntry>,
    merged: HashMap<MergeKey, ServerKey>,
    deadlines: BTreeSet<(Instant, ServerKey)>,
    /// How many entries each source has.
    by_source: HashMap<IpAddr, usize>,
    max: usize,
}

/// One server transaction.
#[derive(Debug)]
pub(crate) struct ServerEntry {
    /// Its machine.
    pub machine: ServerMachine,
    /// Where its responses go.
    pub reply: ReplyRoute,
    /// The session of an INVITE.
    pub session: Option<SessionId>,
    merge: Option<MergeKey>,
    armed: Option<Instant>,
}

/// The machine of a server transaction.
#[derive(Debug)]
pub(crate) enum ServerMachine {
    /// Of an INVITE.
    Invite(InviteServer),
    /// Of anything else.
    Other(OtherServer),
}

/// What a deadline came to.
#[derive(Debug)]
pub(crate) enum ServerFate {
    /// Send these bytes again.
    Resend(ReplyRoute, Box<[u8]>),
    /// No ACK came for a refusal: nobody need be told, the session is gone already.
    Unacknowledged,
    /// It is gone.
    Ended,
}

impl ServerMachine {
    /// What a copy of the request gets.
    pub fn last_response(&self) -> Option<&[u8]> {
        match self {
            Self::Invite(machine) => machine.last_response(),
            Self::Other(machine) => machine.last_response(),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Invite(machine) => machine.deadline(),
            Self::Other(machine) => machine.deadline(),
        }
    }

    fn due(&mut self, now: Instant) -> Due {
        match self {
            Self::Invite(machine) => machine.due(now),
            Self::Other(machine) => machine.due(now),
        }
    }
}

impl Servers {
    /// An empty table of at most `max` transactions.
    pub fn new(max: usize) -> Self {
        Self {
            entries: HashMap::new(),
            merged: HashMap::new(),
            deadlines: BTreeSet::new(),
            by_source: HashMap::new(),
            max,
        }
    }

    /// Whether there is no room for one more.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= self.max
    }

    /// Whether this source has as many as one may that nothing vouches for.
    pub fn is_full_of(&self, source: IpAddr) -> bool {
        let count = self.by_source.get(&source_of(source)).copied().unwrap_or(0);
        count >= SERVER_TRANSACTIONS_SOURCE_MAX
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The transaction of that key.
    pub fn get(&self, key: ServerKey) -> Option<&ServerEntry> {
        self.entries.get(&key)
    }

    /// Whether the same request came by another path and is being worked on.
    pub fn is_merged(&self, merge: MergeKey, key: ServerKey) -> bool {
        self.merged.get(&merge).is_some_and(|known| *known != key)
    }

    /// Takes a new transaction. The caller has looked for room and for the key.
    pub fn insert(
        &mut self,
        key: ServerKey,
        machine: ServerMachine,
        reply: ReplyRoute,
        session: Option<SessionId>,
        merge: Option<MergeKey>,
    ) {
        if let Some(merge) = merge {
            self.merged.insert(merge, key);
        }
        let entry = ServerEntry { machine, reply, session, merge, armed: None };
        let source = source_of(reply.flow.remote.ip());
        if self.entries.insert(key, entry).is_none() {
            *self.by_source.entry(source).or_default() += 1;
        }
        self.rearm(key);
    }

    /// Notes a response that leaves now and tells where to; `None` when the transaction is gone.
    pub fn respond(
        &mut self,
        key: ServerKey,
        now: Instant,
        timers: &Timers,
        status: u16,
        bytes: &[u8],
    ) -> Option<ReplyRoute> {
        let entry = self.entries.get_mut(&key)?;
        match &mut entry.machine {
            ServerMachine::Invite(machine) => machine.respond(now, timers, status, bytes),
            ServerMachine::Other(machine) => machine.respond(now, timers, bytes),
        }
        let reply = entry.reply;
        self.rearm(key);
        Some(reply)
    }

    /// An ACK that matches an INVITE: what it means, and whose it is.
    pub fn acknowledge(
        &mut self,
        key: ServerKey,
        now: Instant,
        timers: &Timers,
    ) -> Option<Acknowledged> {
        let entry = self.entries.get_mut(&key)?;
        let ServerMachine::Invite(machine) = &mut entry.machine else { return None };
        let meaning = machine.acknowledge(now, timers);
        self.rearm(key);
        Some(meaning)
    }

    /// The soonest deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Works on one deadline that has come; `None` when there is none.
    pub fn next_due(&mut self, now: Instant) -> Option<ServerFate> {
        let (_, key) = *self.deadlines.first().filter(|(at, _)| *at <= now)?;
        let Some(entry) = self.entries.get_mut(&key) else {
            self.deadlines.pop_first();
            return Some(ServerFate::Ended);
        };
        match entry.machine.due(now) {
            Due::Resend => {
                let bytes = entry.machine.last_response().unwrap_or_default().into();
                let reply = entry.reply;
                self.rearm(key);
                Some(ServerFate::Resend(reply, bytes))
            }
            Due::GiveUp => {
                self.remove(key);
                Some(ServerFate::Unacknowledged)
            }
            Due::End | Due::Nothing => {
                self.remove(key);
                Some(ServerFate::Ended)
            }
        }
    }

    fn remove(&mut self, key: ServerKey) {
        let Some(entry) = self.entries.remove(&key) else { return };
        if let Some(at) = entry.armed {
            self.deadlines.remove(&(at, key));
        }
        if let Some(merge) = entry.merge {
            self.merged.remove(&merge);
        }
        let source = source_of(entry.reply.flow.remote.ip());
        match self.by_source.get_mut(&source) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => drop(self.by_source.remove(&source)),
        }
    }

    fn rearm(&mut self, key: ServerKey) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let deadline = entry.machine.deadline();
        if entry.armed == deadline {
            return;
        }
        if let Some(old) = entry.armed {
            self.deadlines.remove(&(old, key));
        }
        if let Some(new) = deadline {
            self.deadlines.insert((new, key));
        }
        entry.armed = deadline;
    }
}
