//! The open TCP and TLS connections: framing and patience for each of them. Sans-IO.
//!
//! [`Connections`] owns all of it: the framers, the deadlines, and how many bytes of unfinished
//! messages they hold together. It sends nothing. The user agent feeds it bytes, takes frames out,
//! and carries out what [`Connections::due`] decides.
//!
//! Deadlines are lazy: each connection stands in the index once, at or before its real deadline, and
//! is looked at again when that time comes. So traffic on a connection costs no change of the index.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::Instant;
use shared::limits::{
    SIP_CONNECTION_BROKEN_MS, SIP_CONNECTION_IDLE_KEPT_ALIVE_MS, SIP_CONNECTION_IDLE_MS,
    SIP_CONNECTION_PING_EVERY_MS, SIP_CONNECTION_PING_FIRST_MS, SIP_CONNECTION_PINGS_MAX,
    SIP_CONNECTION_PONG_MS,
};

use crate::flow::{CloseReason, Flow, FlowId};
use crate::framing::{Frame, Framer};
use crate::message::ParseError;

/// One open connection.
#[derive(Debug)]
struct Connection {
    flow: Flow,
    framer: Framer,
    /// When something last came or, with a call on it, when that was last looked at.
    active_at: Instant,
    /// The peer keeps it alive by pings.
    is_kept_alive: bool,
    ping: Ping,
    /// The deadline in the index.
    armed: Instant,
    /// A registration is on it: it may be idle.
    is_kept: bool,
    /// Bytes of its framer, as last counted into [`Connections::unfinished`].
    unfinished: usize,
    /// Since when the peer's pings are counted, and how many there were.
    pinged: (Instant, u32),
    /// Nothing more is read from it.
    broken: Option<Broken>,
}

/// A connection whose peer broke a rule of framing, or was too slow. What came before is still answered
/// on it: the peer may have no other way to us than this one.
#[derive(Clone, Copy, Debug)]
struct Broken {
    reason: CloseReason,
    /// When to check whether everything is answered: first as soon as this turn's effects are out.
    look_at: Instant,
    /// The connection closes then, whatever still waits for its answer.
    until: Instant,
}

/// Detection of a peer that stopped answering (RFC 5626 §4.4.1). Whoever opened a connection pings on
/// it, so we do not ping on accepted ones.
#[derive(Clone, Copy, Debug)]
enum Ping {
    /// The peer opened the connection, and pings.
    Theirs,
    /// When the next one leaves. A peer that has never answered one may not know pings: it is left alone.
    Next { at: Instant, answers: bool },
    /// One is out, and its answer is due by `until`.
    Out { until: Instant, answers: bool },
}

impl Ping {
    const fn deadline(self) -> Option<Instant> {
        match self {
            Self::Theirs => None,
            Self::Next { at, .. } | Self::Out { until: at, .. } => Some(at),
        }
    }

    /// Anything that comes while a ping is out shows that the peer lives.
    fn heard(&mut self, now: Instant) {
        if let Self::Out { .. } = self {
            *self = Self::Next { at: now + PING_EVERY, answers: true };
        }
    }
}

impl Connection {
    fn new(flow: Flow, now: Instant, is_ours: bool) -> Self {
        let ping = match is_ours {
            true => Ping::Next { at: now + PING_FIRST, answers: false },
            false => Ping::Theirs,
        };
        let framer = match is_ours {
            // A peer that we call need not say anything before it answers.
            true => Framer::answering(now),
            false => Framer::new(now),
        };
        Self {
            flow,
            framer,
            active_at: now,
            is_kept_alive: false,
            ping,
            armed: now,
            is_kept: false,
            unfinished: 0,
            pinged: (now, 0),
            broken: None,
        }
    }

    /// Counts one ping; `false`: the peer sends more than it needs to.
    fn may_ping(&mut self, now: Instant) -> bool {
        let (since, pings) = &mut self.pinged;
        if now.since(*since) >= PINGS_IN {
            (*since, *pings) = (now, 0);
        }
        *pings += 1;
        *pings <= SIP_CONNECTION_PINGS_MAX
    }

    fn is_ours(&self) -> bool {
        !matches!(self.ping, Ping::Theirs)
    }

    /// On whole seconds, so that connections that fall idle one after the other are looked at together.
    fn idle_at(&self) -> Instant {
        let at = self.active_at + if self.is_kept_alive { IDLE_KEPT_ALIVE } else { IDLE };
        Instant::from_millis(at.as_millis().next_multiple_of(1_000))
    }

    /// The framer reads no further; `error` says why.
    fn note_broken(&mut self, now: Instant, error: &ParseError) {
        let reason = match error.status {
            REQUEST_TIMEOUT => CloseReason::Slow,
            _ => CloseReason::Framing,
        };
        self.broken = Some(Broken { reason, look_at: now, until: now + BROKEN });
    }

    fn next_read(&mut self, now: Instant) -> Option<Read> {
        Some(match self.framer.next_frame()? {
            Ok(Frame::Message(bytes)) => {
                self.active_at = now;
                Read::Message(bytes)
            }
            Ok(Frame::Ping) if !self.may_ping(now) => Read::TooManyPings,
            Ok(Frame::Ping) => {
                self.is_kept_alive |= !self.is_ours();
                Read::Ping
            }
            Ok(Frame::Pong) => Read::Pong,
            Err(error) => {
                if self.framer.is_broken() {
                    self.note_broken(now, &error);
                }
                Read::Broken(error)
            }
        })
    }

    /// A ping that is due, or an answer to one that did not come. A peer that answered before and does
    /// not now is gone.
    fn ping_due(&mut self, now: Instant) -> Due {
        match self.ping {
            Ping::Next { at, answers } if at <= now => {
                self.ping = Ping::Out { until: now + PONG, answers };
                Due::Ping
            }
            Ping::Out { until, answers: true } if until <= now => Due::Close(CloseReason::Wedged),
            Ping::Out { until, answers: false } if until <= now => {
                self.ping = Ping::Next { at: now + PING_EVERY, answers: false };
                Due::Nothing
            }
            Ping::Theirs | Ping::Next { .. } | Ping::Out { .. } => Due::Nothing,
        }
    }

    fn deadline(&self) -> Instant {
        if let Some(broken) = self.broken {
            return broken.look_at;
        }
        let framer = self.framer.poll_timeout().map(|(at, _)| at);
        let others = [framer, self.ping.deadline()].into_iter().flatten();
        others.fold(self.idle_at(), Instant::min)
    }
}

/// What a connection brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A whole message.
    Message(Vec<u8>),
    /// A ping, to be answered.
    Ping,
    /// More pings than the peer needs: the connection is to be closed.
    TooManyPings,
    /// An answer to a ping.
    Pong,
    /// A message that is too long, or a broken rule of framing.
    Broken(ParseError),
}

/// Whether a connection whose deadline has come is still needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Its peer was active lately.
    Active,
    /// Its peer was silent for long, but a call or a registration is on it.
    InUse,
    /// Its peer was silent for long, and nothing is on it.
    Idle,
}

/// What a connection's deadline asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Close it.
    Close(CloseReason),
    /// Send a ping.
    Ping,
    /// Its time has not come, or there is nothing to send.
    Nothing,
}

/// All open connections, with the soonest deadline at hand.
#[derive(Debug, Default)]
pub(in crate::user_agent) struct Connections {
    open: BTreeMap<FlowId, Connection>,
    /// At least as soon as the real deadline of each connection.
    deadlines: BTreeSet<(Instant, FlowId)>,
    /// Bytes of unfinished messages, over all connections.
    unfinished: usize,
}

impl Connections {
    /// Whether a connection is open.
    pub fn contains(&self, flow: FlowId) -> bool {
        self.open.contains_key(&flow)
    }

    /// Whether what the peer answers on this connection will be read.
    pub fn is_read(&self, flow: FlowId) -> bool {
        self.open.get(&flow).is_some_and(|connection| connection.broken.is_none())
    }

    /// Open connections.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Adds a connection that it does not know yet. `is_ours`: we opened it.
    pub fn open(&mut self, now: Instant, flow: Flow, is_ours: bool) {
        self.open.entry(flow.id).or_insert_with(|| Connection::new(flow, now, is_ours));
        self.rearm(flow.id);
    }

    /// Exempts a connection from closing for idleness, or ends the exemption.
    pub fn keep(&mut self, flow: FlowId, is_kept: bool) {
        if let Some(connection) = self.open.get_mut(&flow) {
            connection.is_kept = is_kept;
        }
    }

    /// Forgets a connection; `false` for one that is not open.
    pub fn remove(&mut self, flow: FlowId) -> bool {
        let Some(connection) = self.open.remove(&flow) else { return false };
        self.unfinished = self.unfinished.saturating_sub(connection.unfinished);
        self.deadlines.remove(&(connection.armed, flow));
        self.assert_consistent();
        true
    }

    /// Gives a connection bytes and returns how many of them it took; `None` when it is not open.
    /// Take all of [`Connections::next_read`] before the next call.
    pub(super) fn feed(&mut self, now: Instant, flow: FlowId, bytes: &[u8]) -> Option<usize> {
        let connection = self.open.get_mut(&flow)?;
        connection.ping.heard(now);
        if !connection.is_ours() {
            connection.active_at = now;
        }
        Some(connection.framer.feed(now, bytes))
    }

    /// The next thing that a connection brought.
    pub(super) fn next_read(&mut self, now: Instant, flow: FlowId) -> Option<Read> {
        self.open.get_mut(&flow)?.next_read(now)
    }

    /// Whether a broken connection has brought more than is read past.
    pub(super) fn is_exhausted(&self, flow: FlowId) -> bool {
        self.open.get(&flow).is_some_and(|connection| connection.framer.is_exhausted())
    }

    /// Counts anew what a connection holds; `false`: all of them together hold more than
    /// `unfinished_max` bytes, and this one took the last of it.
    pub(super) fn has_room(&mut self, flow: FlowId, unfinished_max: usize) -> bool {
        let Some(connection) = self.open.get_mut(&flow) else { return true };
        let held = connection.framer.held_bytes();
        let before = std::mem::replace(&mut connection.unfinished, held);
        self.unfinished = (self.unfinished + held).saturating_sub(before);
        held <= before || self.unfinished <= unfinished_max
    }

    /// The soonest deadline, and what it is for.
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        self.deadlines.first().map(|(at, _)| (*at, "sip connection"))
    }

    /// One connection whose deadline has come; [`Connections::rearm`] puts it back.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<FlowId> {
        let (at, flow) = *self.deadlines.first().filter(|(at, _)| *at <= now)?;
        self.deadlines.remove(&(at, flow));
        Some(flow)
    }

    /// Whether a connection was silent for longer than it may be without a use.
    pub(super) fn is_idle(&self, now: Instant, flow: FlowId) -> bool {
        self.open.get(&flow).is_some_and(|connection| now >= connection.idle_at())
    }

    /// Whether a connection may be idle.
    pub(super) fn is_kept(&self, flow: FlowId) -> bool {
        self.open.get(&flow).is_some_and(|connection| connection.is_kept)
    }

    /// Lets a framer notice that its peer is too slow. The flow, when it has something to read by that.
    pub(super) fn framer_due(&mut self, now: Instant, flow: FlowId) -> Option<Flow> {
        let connection = self.open.get_mut(&flow)?;
        connection.framer.poll_timeout().filter(|(at, _)| *at <= now)?;
        connection.framer.handle_timeout(now);
        Some(connection.flow)
    }

    /// Decides what to do with a connection whose deadline has come. `owes_answer`: a request that
    /// came by it has no final response yet.
    pub(super) fn due(
        &mut self,
        now: Instant,
        flow: FlowId,
        need: Need,
        owes_answer: impl FnOnce() -> bool,
    ) -> Due {
        let Some(connection) = self.open.get_mut(&flow) else { return Due::Nothing };
        if let Some(broken) = &mut connection.broken {
            broken.look_at = (now + BROKEN_LOOK).min(broken.until);
            let is_over = now >= broken.until || !owes_answer();
            return if is_over { Due::Close(broken.reason) } else { Due::Nothing };
        }
        match need {
            Need::Idle => return Due::Close(CloseReason::Idle),
            Need::InUse => connection.active_at = now,
            Need::Active => {}
        }
        connection.ping_due(now)
    }

    /// Enters a connection's deadline into the index. One that moved away is left as it is: a message
    /// per hour costs no more than one per second.
    pub(super) fn rearm(&mut self, flow: FlowId) {
        let Some(connection) = self.open.get_mut(&flow) else { return };
        let deadline = connection.deadline();
        let is_armed = self.deadlines.contains(&(connection.armed, flow));
        if !is_armed || connection.armed > deadline {
            self.deadlines.remove(&(connection.armed, flow));
            self.deadlines.insert((deadline, flow));
            connection.armed = deadline;
        }
        self.assert_consistent();
    }

    /// No more deadlines than connections, and nothing held by none.
    fn assert_consistent(&self) {
        debug_assert!(self.deadlines.len() <= self.open.len(), "a deadline of no connection");
        debug_assert!(!self.open.is_empty() || self.unfinished == 0, "bytes of no connection");
    }
}

const IDLE: Duration = Duration::from_millis(SIP_CONNECTION_IDLE_MS);
const IDLE_KEPT_ALIVE: Duration = Duration::from_millis(SIP_CONNECTION_IDLE_KEPT_ALIVE_MS);
const PING_FIRST: Duration = Duration::from_millis(SIP_CONNECTION_PING_FIRST_MS);
const PING_EVERY: Duration = Duration::from_millis(SIP_CONNECTION_PING_EVERY_MS);
const BROKEN: Duration = Duration::from_millis(SIP_CONNECTION_BROKEN_MS);
const BROKEN_LOOK: Duration = Duration::from_millis(100);
/// The status of a framing error that is a deadline.
const REQUEST_TIMEOUT: u16 = 408;
const PINGS_IN: Duration = Duration::from_secs(10);
const PONG: Duration = Duration::from_millis(SIP_CONNECTION_PONG_MS);

#[cfg(test)]
mod tests {
    use shared::Transport;

    use super::*;

    #[test]
    fn connections_hold_a_bounded_sum_of_unfinished_bytes() {
        let mut connections = Connections::default();
        let now = Instant::ZERO;
        let part = [b'x'; 2_000];
        let give = |connections: &mut Connections, number| {
            connections.open(now, flow(number), false);
            connections.feed(now, FlowId(number), &part);
            assert_eq!(connections.next_read(now, FlowId(number)), None);
            connections.has_room(FlowId(number), 9_000)
        };
        assert!((1..=4).all(|number| give(&mut connections, number)));
        assert!(!give(&mut connections, 5), "the one that is too much");
        assert!(connections.remove(FlowId(5)));
        assert!(connections.has_room(FlowId(1), 9_000), "others are unharmed");
        assert!(connections.remove(FlowId(2)));
        assert!(give(&mut connections, 6));
        let left = (1..=6).filter(|number| connections.remove(FlowId(*number))).count();
        assert_eq!((left, connections.unfinished), (4, 0));
    }

    fn flow(number: u64) -> Flow {
        Flow {
            id: FlowId(number),
            transport: Transport::Tls,
            local: ([192, 0, 2, 2], 5061).into(),
            remote: ([192, 0, 2, 1], 5061).into(),
        }
    }
}
