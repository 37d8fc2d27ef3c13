//! The table of client transactions (RFC 3261 §17.1): the machines by key, with one deadline each.
//! Sans-IO.

use std::collections::{BTreeSet, HashMap};

use shared::Instant;

use super::{ClientKey, Due, InviteClient, OtherClient};
use crate::flow::{Destination, Flow, SendTo};
use crate::ids::SessionId;
use crate::message::Request;
use crate::text::Text;

/// All client transactions. Bounded by the sessions that make them.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    entries: HashMap<ClientKey, ClientEntry>,
    deadlines: BTreeSet<(Instant, ClientKey)>,
}

/// One client transaction.
#[derive(Debug)]
pub(crate) struct ClientEntry {
    /// Its protocol machine.
    pub machine: ClientMachine,
    /// Where its retransmissions go: the connection, once one is known.
    pub to: SendTo,
    /// The destination that it was made for.
    pub destination: Destination,
    /// The session that sent it; `None` for a request outside of sessions.
    pub session: Option<SessionId>,
    /// The session no longer waits for it: a late 2xx is acknowledged and its dialog ended.
    pub is_orphan: bool,
    armed: Option<Instant>,
}

/// The machine of a client transaction.
#[derive(Debug)]
pub(crate) enum ClientMachine {
    /// An INVITE (§17.1.1).
    Invite {
        /// States and timers.
        machine: InviteClient,
        /// The INVITE without its body: ACK and CANCEL are made from it.
        request: Box<Request>,
        /// 2xx answers that were acknowledged, by their To tag: a copy gets the same ACK again.
        forks: Vec<Fork>,
        /// Progress of its CANCEL.
        cancel: CancelState,
        /// Requests in its dialogs go back along the destination's flow, whatever their Contact says.
        stays_on_flow: bool,
    },
    /// Any other request (§17.1.2).
    Other(OtherClient),
}

/// Progress of the CANCEL of an INVITE (RFC 3261 §9.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum CancelState {
    /// Not wanted.
    #[default]
    NotWanted,
    /// Wanted before any response came: it waits for a provisional one (§9.1). Holds its additional
    /// headers.
    Waiting(Vec<crate::header::ExtraHeader>),
    /// Sent.
    Sent,
}

/// One acknowledged 2xx; each fork has its own To tag.
#[derive(Debug)]
pub(crate) struct Fork {
    /// To tag of the 2xx.
    pub tag: Option<Text>,
    /// The ACK as sent.
    pub ack: Box<[u8]>,
    /// Where the ACK goes.
    pub to: SendTo,
}

/// What a deadline asks for.
#[derive(Debug)]
pub(crate) enum ClientFate {
    /// Send these bytes again.
    Resend(ClientKey, SendTo, Box<[u8]>),
    /// No final response came in time. Holds the session that waits for one.
    TimedOut(Option<SessionId>),
    /// The transaction is over, and forgotten.
    Ended,
}

/// Forks of one INVITE whose ACKs are kept. Further ones are acknowledged and ended each time their
/// 2xx comes.
pub(crate) const FORKS_MAX: usize = 16;

impl ClientMachine {
    /// Whether no response came yet.
    pub fn is_calling(&self) -> bool {
        match self {
            Self::Invite { machine, .. } => machine.is_calling(),
            Self::Other(machine) => machine.is_calling(),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Invite { machine, .. } => machine.deadline(),
            Self::Other(machine) => machine.deadline(),
        }
    }

    fn due(&mut self, now: Instant) -> Due {
        match self {
            Self::Invite { machine, .. } => machine.due(now),
            Self::Other(machine) => machine.due(now),
        }
    }

    fn request(&self) -> Option<&[u8]> {
        match self {
            Self::Invite { machine, .. } => machine.request(),
            Self::Other(machine) => machine.request(),
        }
    }
}

impl ClientEntry {
    /// Binds the transaction to the connection that carries it.
    pub fn goes_by(&mut self, flow: Flow) {
        if flow.transport.is_reliable() && flow.transport == self.destination.transport {
            self.destination.flow = Some(flow.id);
            self.to = SendTo::Flow(flow.id);
        }
    }

    /// The session that waits for responses; `None` once it no longer does.
    pub fn owner(&self) -> Option<SessionId> {
        self.session.filter(|_| !self.is_orphan)
    }
}

impl Clients {
    /// Client transactions now.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds a new transaction.
    pub fn insert(
        &mut self,
        key: ClientKey,
        machine: ClientMachine,
        to: SendTo,
        destination: Destination,
        session: Option<SessionId>,
    ) {
        let is_orphan = session.is_none();
        let entry = ClientEntry { machine, to, destination, session, is_orphan, armed: None };
        self.entries.insert(key, entry);
        self.rearm(key);
    }

    /// The transaction with this key.
    pub fn get(&self, key: ClientKey) -> Option<&ClientEntry> {
        self.entries.get(&key)
    }

    /// Runs `change` on a transaction and updates its deadline; `None` when it is gone.
    pub fn with<T>(
        &mut self,
        key: ClientKey,
        change: impl FnOnce(&mut ClientEntry) -> T,
    ) -> Option<T> {
        let outcome = change(self.entries.get_mut(&key)?);
        self.rearm(key);
        Some(outcome)
    }

    /// Removes a transaction.
    pub fn remove(&mut self, key: ClientKey) -> Option<ClientEntry> {
        let entry = self.entries.remove(&key)?;
        if let Some(at) = entry.armed {
            self.deadlines.remove(&(at, key));
        }
        Some(entry)
    }

    /// Transactions without any response that wait for this connection, in order.
    pub fn calling_on(&self, flow: crate::flow::FlowId) -> Vec<ClientKey> {
        let is_waiting =
            |entry: &ClientEntry| entry.to == SendTo::Flow(flow) && entry.machine.is_calling();
        let mut keys: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| is_waiting(entry))
            .map(|(key, _)| *key)
            .collect();
        keys.sort_unstable();
        keys
    }

    /// The soonest deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Handles one deadline that has passed; `None` when there is none.
    pub fn next_due(&mut self, now: Instant) -> Option<(ClientKey, ClientFate)> {
        let (_, key) = *self.deadlines.first().filter(|(at, _)| *at <= now)?;
        let Some(entry) = self.entries.get_mut(&key) else {
            self.deadlines.pop_first();
            return Some((key, ClientFate::Ended));
        };
        let fate = match entry.machine.due(now) {
            Due::Resend => {
                let bytes = entry.machine.request().unwrap_or_default().into();
                let to = entry.to.clone();
                self.rearm(key);
                ClientFate::Resend(key, to, bytes)
            }
            Due::GiveUp => {
                let session = entry.owner();
                self.remove(key);
                ClientFate::TimedOut(session)
            }
            Due::End | Due::Nothing => {
                self.remove(key);
                ClientFate::Ended
            }
        };
        Some((key, fate))
    }

    fn rearm(&mut self, key: ClientKey) {
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
