//! The table of client transactions. Sans-IO.

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
    /// Its machine.
    pub machine: ClientMachine,
    /// Where its requests go.
    pub to: SendTo,
    /// The same before it was resolved to a flow.
    pub destination: Destination,
    /// Whose it is.
    pub session: Option<SessionId>,
    /// The session wants nothing of it any more: a late 2xx is acknowledged and ended.
    pub is_orphan: bool,
    armed: Option<Instant>,
}

/// The machine of a client transaction.
#[derive(Debug)]
pub(crate) enum ClientMachine {
    /// Of an INVITE.
    Invite {
        /// States and timers.
        machine: InviteClient,
        /// The INVITE without its body: ACK and CANCEL are made from it.
        request: Box<Request>,
        /// 2xx answers that were acknowledged, by their To tag: a copy gets the same ACK again.
        forks: Vec<Fork>,
        /// A CANCEL left, or leaves as soon as a provisional response comes.
        cancel: CancelState,
        /// Requests in its dialogs go back along the destination's flow, whatever their Contact says.
        stays_on_flow: bool,
    },
    /// Of anything else.
    Other(OtherClient),
}

/// How far the taking back of an INVITE has come (RFC 3261 §9.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum CancelState {
    /// Nobody asked for it.
    #[default]
    NotWanted,
    /// Asked for before anything came back: it must wait for a provisional response.
    Waiting(Vec<crate::header::ExtraHeader>),
    /// It left.
    Sent,
}

/// An acknowledged 2xx.
#[derive(Debug)]
pub(crate) struct Fork {
    /// The To tag.
    pub tag: Option<Text>,
    /// Its ACK.
    pub ack: Box<[u8]>,
    /// Where the ACK goes.
    pub to: SendTo,
}

/// What a deadline came to.
#[derive(Debug)]
pub(crate) enum ClientFate {
    /// Send these bytes again.
    Resend(ClientKey, SendTo, Box<[u8]>),
    /// No final response came.
    TimedOut(Option<SessionId>),
    /// It is gone.
    Ended,
}

/// Forks of one INVITE that are told apart. More are acknowledged and ended each time they come.
pub(crate) const FORKS_MAX: usize = 16;

impl ClientMachine {
    /// Whether nothing at all came back yet.
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
    /// The connection that its request went out on, or that its response came by.
    pub fn goes_by(&mut self, flow: Flow) {
        if flow.transport.is_reliable() && flow.transport == self.destination.transport {
            self.destination.flow = Some(flow.id);
            self.to = SendTo::Flow(flow.id);
        }
    }

    /// Who wants the responses.
    pub fn owner(&self) -> Option<SessionId> {
        self.session.filter(|_| !self.is_orphan)
    }
}

impl Clients {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes a new transaction.
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

    /// The transaction of that key.
    pub fn get(&self, key: ClientKey) -> Option<&ClientEntry> {
        self.entries.get(&key)
    }

    /// Lets `change` work on a transaction and sees to its deadline; `None` when it is gone.
    pub fn with<T>(
        &mut self,
        key: ClientKey,
        change: impl FnOnce(&mut ClientEntry) -> T,
    ) -> Option<T> {
        let outcome = change(self.entries.get_mut(&key)?);
        self.rearm(key);
        Some(outcome)
    }

    /// Forgets a transaction.
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

    /// Works on one deadline that has come; `None` when there is none.
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
