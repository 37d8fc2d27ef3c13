//! The table of server transactions (RFC 3261 §17.2): bounded, by key, with one deadline each.
//! Sans-IO. One that has answered and only waits for retransmissions moves to [`Ended`], where it
//! is small; a refused INVITE stays whole until its ACK.
//!
//! The table knows the secret of its keys, so that no key comes from elsewhere, and counts what each
//! source and each connection has in it. Who may have a transaction is decided above, before
//! [`Servers::begin_invite`] or [`Servers::begin_other`].

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use shared::Instant;
use shared::limits::SERVER_TRANSACTIONS_SOURCE_MAX;

use super::ended::{Ended, Gone};
use super::kept::Kept;
use super::sources::{Source, Sources};
use super::{Acknowledged, Due, End, InviteServer, MergeKey, ServerKey, ServerKeys, Timers};
use crate::flow::{Flow, FlowId, ReplyRoute};
use crate::ids::SessionId;
use crate::message::{RawMessage, Request, Response};

/// All server transactions.
#[derive(Debug)]
pub(crate) struct Servers {
    keys: ServerKeys,
    timers: Timers,
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
    machine: Machine,
    reply: ReplyRoute,
    source: Source,
    armed: Option<Instant>,
    /// It counts in [`Servers::unanswered`].
    is_awaited_on: Option<FlowId>,
}

/// What a server transaction answers.
#[derive(Debug)]
enum Machine {
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

/// The INVITE that a CANCEL names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Canceled {
    /// Its key.
    pub key: ServerKey,
    /// Whether a final response may still be sent.
    pub is_open: bool,
    /// Its session, where that may still live.
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
            Machine::Invite { session, .. } => Some(*session),
            Machine::Other { session } => *session,
        }
    }

    fn last_response(&self) -> Option<&[u8]> {
        match &self.machine {
            Machine::Invite { machine, .. } => machine.last_response(),
            Machine::Other { .. } => None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.machine {
            Machine::Invite { machine, .. } => machine.deadline(),
            Machine::Other { .. } => None,
        }
    }

    fn due(&mut self, now: Instant) -> Due {
        match &mut self.machine {
            Machine::Invite { machine, .. } => machine.due(now),
            Machine::Other { .. } => Due::Nothing,
        }
    }
}

impl Servers {
    /// An empty table of at most `max` transactions. `secret`, for its counts of sources, is known to
    /// nobody else.
    pub fn new(max: usize, timers: Timers, keys: ServerKeys, secret: [u8; 32]) -> Self {
        Self {
            keys,
            timers,
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

    /// The key of a request, or of the INVITE that an ACK ends; `None` without a Via.
    pub fn key_of(&self, request: &Request) -> Option<ServerKey> {
        self.keys.of(request)
    }

    /// As [`Self::key_of`], from the lines of a message; `None` also where only the typed form tells.
    pub fn key_of_raw(&self, raw: &RawMessage<'_>) -> Option<ServerKey> {
        self.keys.of_raw(raw)
    }

    /// A hash for the To tag of a response that leaves no state: one value for each copy of the request.
    pub fn stateless_tag(&self, request: &Request) -> u64 {
        self.keys.stateless_tag(request)
    }

    /// As [`Self::stateless_tag`], for bytes that are not a message.
    pub fn stateless_tag_of_bytes(&self, bytes: &[u8]) -> u64 {
        self.keys.stateless_tag_of_bytes(bytes)
    }

    /// Whether a transaction with this key exists.
    pub fn contains(&self, key: ServerKey) -> bool {
        self.live.contains_key(&key) || self.ended.get(key).is_some()
    }

    /// Whether a request other than INVITE waits for our answer under this key.
    pub fn is_unanswered(&self, key: ServerKey) -> bool {
        let live = self.live.get(&key);
        live.is_some_and(|live| matches!(live.machine, Machine::Other { .. }))
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

    /// The INVITE that a CANCEL names.
    pub fn canceled_by(&self, cancel: &Request) -> Option<Canceled> {
        let key = self.keys.canceled_by(cancel)?;
        let (is_open, session) = self.invite(key)?;
        Some(Canceled { key, is_open, session })
    }

    fn invite(&self, key: ServerKey) -> Option<(bool, Option<SessionId>)> {
        if let Some(live) = self.live.get(&key) {
            return match &live.machine {
                Machine::Invite { machine, session, .. } => {
                    Some((machine.is_open(), Some(*session)))
                }
                Machine::Other { .. } => None,
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
    pub fn is_merged(&self, request: &Request) -> bool {
        self.merged.contains(&self.keys.merge(request))
    }

    /// Begins the transaction of an INVITE; `is_first` for one that begins a session, which merged
    /// requests find. The caller has checked that there is room and that the key is free.
    pub fn begin_invite(
        &mut self,
        key: ServerKey,
        session: SessionId,
        flow: Flow,
        request: &Request,
        is_first: bool,
    ) {
        let machine = InviteServer::new(flow.transport.is_reliable());
        let merge = is_first.then(|| self.keys.merge(request));
        let reply = ReplyRoute::of(flow, request.top_via());
        self.insert(key, Machine::Invite { machine, session, merge }, reply);
    }

    /// Begins the transaction of another request that is answered later. The caller has checked that
    /// there is room and that the key is free.
    pub fn begin_other(
        &mut self,
        key: ServerKey,
        session: Option<SessionId>,
        flow: Flow,
        request: &Request,
    ) {
        let reply = ReplyRoute::of(flow, request.top_via());
        self.insert(key, Machine::Other { session }, reply);
    }

    fn insert(&mut self, key: ServerKey, machine: Machine, reply: ReplyRoute) {
        debug_assert!(!self.contains(key), "copies end in the transaction that is there");
        if let Machine::Invite { merge: Some(merge), .. } = &machine {
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
        response: &Response,
        bytes: &[u8],
    ) -> Option<Answered> {
        let live = self.live.get_mut(&key)?;
        let answered = Answered { reply: live.reply, session: live.session() };
        let ends_at = now + self.timers.transaction_timeout();
        match &mut live.machine {
            Machine::Invite { machine, .. } if !machine.is_open() => return None,
            Machine::Invite { session, merge, .. } if response.is_success() => {
                let end = End::Accepted { session: *session, merge: *merge };
                self.end(key, ends_at, end);
            }
            Machine::Invite { machine, .. } => {
                machine.respond(now, &self.timers, response.status, bytes);
                if !response.is_provisional() {
                    let answered_on = live.is_awaited_on.take();
                    self.note_answer(answered_on);
                }
                self.rearm(key);
            }
            // A reliable transport brings no retransmissions (timer J is 0).
            Machine::Other { .. } if answered.reply.flow.transport.is_reliable() => {
                self.remove(key);
            }
            Machine::Other { .. } => {
                let peer = answered.reply.flow.remote.ip();
                self.end(key, ends_at, End::of(Kept::of(response, peer)));
            }
        }
        Some(answered)
    }

    /// Takes an ACK; `None` when it matches no INVITE.
    pub fn acknowledge(&mut self, now: Instant, ack: &Request) -> Option<Acknowledged> {
        let key = self.keys.of(ack)?;
        let Some(live) = self.live.get(&key) else {
            return match self.ended.get(key)? {
                End::Accepted { .. } => Some(Acknowledged::ForDialog),
                End::Confirmed { .. } => Some(Acknowledged::Absorbed),
                End::Answered(_) | End::Forgotten => None,
            };
        };
        let Machine::Invite { machine, merge, .. } = &live.machine else { return None };
        if machine.is_open() {
            return Some(Acknowledged::TooEarly);
        }
        let (is_reliable, merge) = (machine.is_reliable(), *merge);
        if is_reliable {
            self.remove(key);
        } else {
            self.end(key, now + self.timers.t4, End::Confirmed { merge });
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
            Machine::Invite { merge, .. } => merge,
            Machine::Other { .. } => None,
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
