//! The table of client transactions (RFC 3261 §17.1): the machines by key, with one deadline each.
//! Sans-IO.
//!
//! The table owns every entry: what happens to one happens here, so that its deadline always follows its
//! state. An INVITE outlives the session's interest in it (`invite`): a session that gives up leaves an
//! orphan behind, which is canceled, and whose late 2xx is acknowledged and ended. The table holds what
//! these messages are made of; the user agent makes and sends them.

mod invite;

use std::collections::{BTreeSet, HashMap};

use shared::Instant;

use super::{ClientKey, Due, InviteClient, OtherClient, Timers};
use crate::flow::{Destination, Flow, SendTo};
use crate::ids::SessionId;
use crate::message::{Method, Request, Response};
pub(crate) use invite::{Acknowledgement, Cancellation, SentInvite};
use invite::{CancelState, Fork};

/// All client transactions. Bounded by the sessions that make them.
#[derive(Debug)]
pub(crate) struct Clients {
    timers: Timers,
    entries: HashMap<ClientKey, Entry>,
    deadlines: BTreeSet<(Instant, ClientKey)>,
}

/// The request that begins a transaction: who sends it, and where to.
#[derive(Debug)]
pub(crate) struct Sender {
    /// Where it goes now; retransmissions go by the connection, once one is known.
    pub to: SendTo,
    /// The destination that it was made for.
    pub destination: Destination,
    /// The session that sends it; `None` for a request outside of sessions.
    pub session: Option<SessionId>,
}

/// One client transaction.
#[derive(Debug)]
struct Entry {
    machine: Machine,
    sender: Sender,
    /// The session no longer waits for it: a late 2xx is acknowledged and its dialog ended.
    is_orphan: bool,
    armed: Option<Instant>,
}

/// The machine of a client transaction.
#[derive(Debug)]
enum Machine {
    /// An INVITE (§17.1.1).
    Invite {
        /// States and timers.
        machine: InviteClient,
        /// The INVITE without its body: ACK and CANCEL are made from it.
        request: Box<Request>,
        /// 2xx answers that were acknowledged, by their To tag: a copy gets the same ACK again.
        forks: Vec<Fork>,
        cancel: CancelState,
        /// Requests in its dialogs go back along the destination's flow, whatever their Contact says.
        stays_on_flow: bool,
    },
    /// Any other request (§17.1.2).
    Other(OtherClient),
}

/// A response that found its transaction.
#[derive(Debug)]
pub(crate) struct Heard {
    /// The session that sent the request, whether it still waits or not.
    pub session: Option<SessionId>,
    /// How the response proceeds.
    pub verdict: Verdict,
}

/// How a response proceeds from its transaction.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is new to the owner; `None`: nobody waits for it.
    Pass { owner: Option<SessionId>, is_invite: bool },
    /// As above, but acknowledge the refusal first.
    AcknowledgeAndPass { owner: Option<SessionId> },
    /// A copy of a final response: send the same ACK again.
    Again { ack: Box<[u8]>, to: SendTo },
    /// It adds nothing.
    Ignore,
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

impl Machine {
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

impl Entry {
    /// The session that waits for responses; `None` once it no longer does.
    fn owner(&self) -> Option<SessionId> {
        self.sender.session.filter(|_| !self.is_orphan)
    }
}

impl Clients {
    /// An empty table with the node's base timers.
    pub fn new(timers: Timers) -> Self {
        Self { timers, entries: HashMap::new(), deadlines: BTreeSet::new() }
    }

    /// Client transactions now.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Begins the transaction of a request that is sent now, as these bytes.
    pub fn start(
        &mut self,
        now: Instant,
        key: ClientKey,
        sender: Sender,
        mut request: Request,
        bytes: &[u8],
    ) {
        let is_reliable = sender.destination.transport.is_reliable();
        let machine = if request.method == Method::Invite {
            let machine = InviteClient::new(now, &self.timers, is_reliable, bytes);
            request.body = Vec::new();
            let (request, forks) = (Box::new(request), Vec::new());
            let cancel = CancelState::NotWanted;
            Machine::Invite { machine, request, forks, cancel, stays_on_flow: false }
        } else {
            Machine::Other(OtherClient::new(now, &self.timers, is_reliable, bytes))
        };
        let is_orphan = sender.session.is_none();
        self.entries.insert(key, Entry { machine, sender, is_orphan, armed: None });
        self.rearm(key);
    }

    /// Takes a response; `None` when it belongs to no transaction.
    pub fn receive(&mut self, now: Instant, key: ClientKey, response: &Response) -> Option<Heard> {
        let timers = self.timers;
        self.with(key, |entry| {
            let session = entry.sender.session;
            Heard { session, verdict: entry.receive(now, &timers, response) }
        })
    }

    /// Whether the transaction has no response yet.
    pub fn is_calling(&self, key: ClientKey) -> bool {
        self.entries.get(&key).is_some_and(|entry| entry.machine.is_calling())
    }

    /// Where the request of a transaction was to go.
    pub fn destination(&self, key: ClientKey) -> Option<&Destination> {
        self.entries.get(&key).map(|entry| &entry.sender.destination)
    }

    /// The session that waits for the transaction.
    pub fn owner(&self, key: ClientKey) -> Option<SessionId> {
        self.entries.get(&key)?.owner()
    }

    /// Binds a transaction to the connection that carries it.
    pub fn goes_by(&mut self, key: ClientKey, flow: Flow) {
        let Some(Entry { sender, .. }) = self.entries.get_mut(&key) else { return };
        if flow.transport.is_reliable() && flow.transport == sender.destination.transport {
            sender.destination.flow = Some(flow.id);
            sender.to = SendTo::Flow(flow.id);
        }
    }

    /// Detaches a transaction from its session, which no longer waits for its outcome.
    pub fn orphan(&mut self, key: ClientKey) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.is_orphan = true;
        }
    }

    /// Removes a transaction. Returns the session that waits for it.
    pub fn remove(&mut self, key: ClientKey) -> Option<SessionId> {
        let entry = self.entries.remove(&key)?;
        if let Some(at) = entry.armed {
            self.deadlines.remove(&(at, key));
        }
        entry.owner()
    }

    /// Transactions without any response that wait for this connection, in order.
    pub fn calling_on(&self, flow: crate::flow::FlowId) -> Vec<ClientKey> {
        let is_waiting =
            |entry: &Entry| entry.sender.to == SendTo::Flow(flow) && entry.machine.is_calling();
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
                let to = entry.sender.to.clone();
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

    /// Runs `change` on a transaction and updates its deadline; `None` when it is gone.
    fn with<T>(&mut self, key: ClientKey, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let outcome = change(self.entries.get_mut(&key)?);
        self.rearm(key);
        Some(outcome)
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
