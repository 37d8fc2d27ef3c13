//! The table of server transactions (RFC 3261 §17.2): bounded, by key, with one deadline each.
//! Sans-IO. One that has answered and only waits for retransmissions moves to [`Ended`], where it
//! is small; a refused INVITE stays whole until its ACK.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use shared::Instant;
use shared::limits::SERVER_TRANSACTIONS_SOURCE_MAX;

use super::ended::{Ended, Gone};
use super::kept::Kept;
use super::sources::{Source, Sources};
use super::{Acknowledged, Due, End, InviteServer, MergeKey, ServerKey, Timers};
use crate::flow::{FlowId, ReplyRoute};
use crate::ids::SessionId;
use crate::message::Response;

/// All server transactions.
#[derive(Debug)]
pub(crate) struct Servers {
    live: HashMap<ServerKey, Live>,
    ended: Ended,
    merged: HashSet<MergeKey>,
    deadlines: BTreeSet<(Instant, ServerKey)>,
    sources: Sources,
    /// Number of requests without a final response, by the connection they came by; never 0.
    unanswered: HashMap<FlowId, usize>,
    max: usize,
}

/// A transaction that has not answered yet, or repeats a refusal until its ACK.
#[derive(Debug)]
struct Live {
    machine: ServerMachine,
    reply: ReplyRoute,
    source: Source,
    armed: Option<Instant>,
    /// It counts in [`Servers::unanswered`].
    is_awaited_on: Option<FlowId>,
}

/// What a server transaction answers.
#[derive(Debug)]
pub(crate) enum ServerMachine {
    /// An INVITE, its session, and the key under which merged requests find it.
    Invite { machine: InviteServer, session: SessionId, merge: Option<MergeKey> },
    /// Another request that waits for our answer (§17.2.2), and its session.
    Other { session: Option<SessionId> },
}

/// Where a response was sent, and the session whose timeline it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    /// Its destination.
    pub reply: ReplyRoute,
    /// The session; `None` outside of sessions.
    pub session: Option<SessionId>,
}

/// The answer to a retransmission.
#[derive(Debug)]
pub(crate) enum Repeat<'a> {
    /// No answer yet.
    Nothing,
    /// These bytes again.
    Same(&'a [u8], ReplyRoute),
    /// A response to be rebuilt from the retransmission and what was kept.
    Rebuilt(&'a Kept),
}

/// What a deadline asks for.
#[derive(Debug)]
pub(crate) enum ServerFate {
    /// Send these bytes again.
    Resend(ReplyRoute, Box<[u8]>),
    /// No ACK came for a refusal. For the counters: the session is already gone.
    Unacknowledged,
    /// The transaction is over, and forgotten.
    Ended,
}

impl Live {
    fn session(&self) -> Option<SessionId> {
        match &self.machine {
            ServerMachine::Invite { session, .. } => Some(*session),
            ServerMachine::Other { session } => *session,
        }
    }

    fn last_response(&self) -> Option<&[u8]> {
        match &self.machine {
            ServerMachine::Invite { machine, .. } => machine.last_response(),
            ServerMachine::Other { .. } => None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.machine {
            ServerMachine::Invite { machine, .. } => machine.deadline(),
            ServerMachine::Other { .. } => None,
        }
    }

    fn due(&mut self, now: Instant) -> Due {
        match &mut self.machine {
            ServerMachine::Invite { machine, .. } => machine.due(now),
            ServerMachine::Other { .. } => Due::Nothing,
        }
    }
}

impl Servers {
    /// An empty table of at most `max` transactions. `secret` is known to nobody else.
    pub fn new(max: usize, secret: [u8; 32]) -> Self {
        Self {
            live: HashMap::new(),
            ended: Ended::default(),
            merged: HashSet::new(),
            deadlines: BTreeSet::new(),
            sources: Sources::new(secret),
            unanswered: HashMap::new(),
            max,
        }
    }

    /// Whether there is no room for one more.
    pub fn is_full(&self) -> bool {
        self.len() >= self.max
    }

    /// Whether an unauthenticated source has as many transactions as it may.
    pub fn is_full_of(&self, source: IpAddr) -> bool {
        self.sources.count(self.sources.of(source)) >= SERVER_TRANSACTIONS_SOURCE_MAX
    }

    /// Server transactions now, ended ones included.
    pub fn len(&self) -> usize {
        self.live.len() + self.ended.len()
    }

    /// Answers forgotten before their time, since the start.
    pub fn answers_forgotten(&self) -> u64 {
        self.ended.forgotten()
    }

    /// Whether a transaction with this key exists.
    pub fn contains(&self, key: ServerKey) -> bool {
        self.live.contains_key(&key) || self.ended.get(key).is_some()
    }

    /// Whether a request other than INVITE waits for our answer under this key.
    pub fn is_unanswered(&self, key: ServerKey) -> bool {
        let live = self.live.get(&key);
        live.is_some_and(|live| matches!(live.machine, ServerMachine::Other { .. }))
    }

    /// Whether a request that came by this connection still waits for its final response.
    pub fn owes_answer_on(&self, flow: FlowId) -> bool {
        self.unanswered.contains_key(&flow)
    }

    /// Where responses of a transaction go; `None` once it has ended.
    pub fn reply(&self, key: ServerKey) -> Option<ReplyRoute> {
        self.live.get(&key).map(|live| live.reply)
    }

    /// The answer to a retransmission; `None` without such a transaction.
    pub fn copy(&self, key: ServerKey) -> Option<Repeat<'_>> {
        if let Some(live) = self.live.get(&key) {
            let last = live.last_response();
            return Some(last.map_or(Repeat::Nothing, |bytes| Repeat::Same(bytes, live.reply)));
        }
        Some(match self.ended.get(key)? {
            End::Answered(kept) => Repeat::Rebuilt(kept),
            End::Accepted { .. } | End::Confirmed { .. } | End::Forgotten => Repeat::Nothing,
        })
    }

    /// The INVITE with this key: whether a final response may still be sent, and its session where
    /// that may still live.
    pub fn invite(&self, key: ServerKey) -> Option<(bool, Option<SessionId>)> {
        if let Some(live) = self.live.get(&key) {
            return match &live.machine {
                ServerMachine::Invite { machine, session, .. } => {
                    Some((machine.is_open(), Some(*session)))
                }
                ServerMachine::Other { .. } => None,
            };
        }
        match self.ended.get(key)? {
            End::Accepted { session, .. } => Some((false, Some(*session))),
            End::Confirmed { .. } => Some((false, None)),
            End::Answered(_) | End::Forgotten => None,
        }
    }

    /// Whether a request without a transaction came by another path before, and has one there (RFC
    /// 3261 §8.2.2.2).
    pub fn is_merged(&self, merge: MergeKey) -> bool {
        self.merged.contains(&merge)
    }

    /// Adds a new transaction. The caller has checked that there is room and that the key is free.
    pub fn insert(&mut self, key: ServerKey, machine: ServerMachine, reply: ReplyRoute) {
        debug_assert!(!self.contains(key), "copies end in the transaction that is there");
        if let ServerMachine::Invite { merge: Some(merge), .. } = &machine {
            self.merged.insert(*merge);
        }
        let source = self.sources.of(reply.flow.remote.ip());
        self.sources.add(source);
        let is_awaited_on = reply.flow.transport.is_reliable().then_some(reply.flow.id);
        if let Some(flow) = is_awaited_on {
            *self.unanswered.entry(flow).or_default() += 1;
        }
        self.live.insert(key, Live { machine, reply, source, armed: None, is_awaited_on });
        self.rearm(key);
    }

    /// Notes a response that is sent now, and returns where; `None` when the transaction is gone,
    /// or has its final response already.
    pub fn respond(
        &mut self,
        key: ServerKey,
        now: Instant,
        timers: &Timers,
        response: &Response,
        bytes: &[u8],
    ) -> Option<Answered> {
        let live = self.live.get_mut(&key)?;
        let answered = Answered { reply: live.reply, session: live.session() };
        let ends_at = now + timers.transaction_timeout();
        match &mut live.machine {
            ServerMachine::Invite { machine, .. } if !machine.is_open() => return None,
            ServerMachine::Invite { session, merge, .. } if response.is_success() => {
                let end = End::Accepted { session: *session, merge: *merge };
                self.end(key, ends_at, end);
            }
            ServerMachine::Invite { machine, .. } => {
                machine.respond(now, timers, response.status, bytes);
                if !response.is_provisional() {
                    let answered_on = live.is_awaited_on.take();
                    self.note_answer(answered_on);
                }
                self.rearm(key);
            }
            // A reliable transport brings no retransmissions (timer J is 0).
            ServerMachine::Other { .. } if answered.reply.flow.transport.is_reliable() => {
                self.remove(key);
            }
            ServerMachine::Other { .. } => {
                let peer = answered.reply.flow.remote.ip();
                self.end(key, ends_at, End::of(Kept::of(response, peer)));
            }
        }
        Some(answered)
    }

    /// Takes an ACK; `None` when it matches no INVITE.
    pub fn acknowledge(
        &mut self,
        key: ServerKey,
        now: Instant,
        timers: &Timers,
    ) -> Option<Acknowledged> {
        let Some(live) = self.live.get(&key) else {
            return match self.ended.get(key)? {
                End::Accepted { .. } => Some(Acknowledged::ForDialog),
                End::Confirmed { .. } => Some(Acknowledged::Absorbed),
                End::Answered(_) | End::Forgotten => None,
            };
        };
        let ServerMachine::Invite { machine, merge, .. } = &live.machine else { return None };
        if machine.is_open() {
            return Some(Acknowledged::TooEarly);
        }
        let (is_reliable, merge) = (machine.is_reliable(), *merge);
        if is_reliable {
            self.remove(key);
        } else {
            self.end(key, now + timers.t4, End::Confirmed { merge });
        }
        Some(Acknowledged::Absorbed)
    }

    /// The soonest deadline.
    pub fn deadline(&self) -> Option<Instant> {
        let live = self.deadlines.first().map(|(at, _)| *at);
        live.into_iter().chain(self.ended.deadline()).min()
    }

    /// Handles one deadline that has passed; `None` when there is none.
    pub fn next_due(&mut self, now: Instant) -> Option<ServerFate> {
        if let Some(gone) = self.ended.next_gone(now) {
            self.forget(gone);
            return Some(ServerFate::Ended);
        }
        let (_, key) = *self.deadlines.first().filter(|(at, _)| *at <= now)?;
        let Some(live) = self.live.get_mut(&key) else {
            self.deadlines.pop_first();
            return Some(ServerFate::Ended);
        };
        match live.due(now) {
            Due::Resend => {
                let bytes = live.last_response().unwrap_or_default().into();
                let reply = live.reply;
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

    /// Moves a transaction to those that only wait for retransmissions.
    fn end(&mut self, key: ServerKey, ends_at: Instant, end: End) {
        if let Some(live) = self.take(key) {
            self.ended.insert(key, ends_at, live.source, end);
        }
    }

    fn remove(&mut self, key: ServerKey) {
        let Some(live) = self.take(key) else { return };
        let merge = match live.machine {
            ServerMachine::Invite { merge, .. } => merge,
            ServerMachine::Other { .. } => None,
        };
        self.forget(Gone { source: live.source, merge });
    }

    fn take(&mut self, key: ServerKey) -> Option<Live> {
        let live = self.live.remove(&key)?;
        if let Some(at) = live.armed {
            self.deadlines.remove(&(at, key));
        }
        self.note_answer(live.is_awaited_on);
        Some(live)
    }

    /// Counts one request less that waits on that connection.
    fn note_answer(&mut self, flow: Option<FlowId>) {
        let Some(flow) = flow else { return };
        match self.unanswered.get_mut(&flow) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                self.unanswered.remove(&flow);
            }
        }
    }

    fn forget(&mut self, gone: Gone) {
        self.sources.remove(gone.source);
        if let Some(merge) = gone.merge {
            self.merged.remove(&merge);
        }
    }

    fn rearm(&mut self, key: ServerKey) {
        let Some(live) = self.live.get_mut(&key) else { return };
        let deadline = live.deadline();
        if live.armed == deadline {
            return;
        }
        if let Some(old) = live.armed {
            self.deadlines.remove(&(old, key));
        }
        if let Some(new) = deadline {
            self.deadlines.insert((new, key));
        }
        live.armed = deadline;
    }
}
