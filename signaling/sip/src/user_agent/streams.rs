//! Streams: framing and patience for each open connection. Sans-IO.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::limits::{
    SIP_STREAM_BROKEN_MS, SIP_STREAM_IDLE_KEPT_ALIVE_MS, SIP_STREAM_IDLE_MS,
    SIP_STREAM_PING_EVERY_MS, SIP_STREAM_PING_FIRST_MS, SIP_STREAM_PINGS_MAX, SIP_STREAM_PONG_MS,
    SIP_STREAMS_UNFINISHED_BYTES_MAX,
};
use shared::{Instant, Now};

use super::UserAgent;
use super::core::Core;
use super::event::Effect;
use crate::flow::{CloseReason, Flow, FlowId, SendTo, SendToken};
use crate::framing::{Frame, Framer};
use crate::message::ParseError;

/// One open connection.
#[derive(Debug)]
pub(super) struct Stream {
    flow: Flow,
    framer: Framer,
    /// When something last came or, with a call on it, when that was last looked at.
    active_at: Instant,
    /// The peer keeps it alive by pings.
    is_kept_alive: bool,
    ping: Ping,
    armed: Instant,
    /// A registration is on it: it may be idle.
    is_kept: bool,
    /// Bytes of its framer that count towards the sum.
    unfinished: usize,
    /// Since when pings are counted, and how many there were.
    pinged: (Instant, u32),
    /// Nothing more is read from it.
    broken: Option<Broken>,
}

/// A connection whose peer broke a rule of framing, or was too slow. What came before is still answered
/// on it: the peer may have no other way to us than this one.
#[derive(Clone, Copy, Debug)]
struct Broken {
    reason: CloseReason,
    /// When it is next seen whether all is answered: first as soon as this turn's effects are out.
    look_at: Instant,
    /// Closed then, whatever still waits for its answer.
    until: Instant,
}

/// How we find out about a peer that does not answer any more (RFC 5626 §4.4.1). Whoever opened a
/// stream pings on it, so on accepted ones we do not.
#[derive(Clone, Copy, Debug)]
enum Ping {
    /// The peer's business.
    Theirs,
    /// The next is due then. A peer that has never answered one may not know pings: it is left alone.
    Next { at: Instant, answers: bool },
    /// One is out. An answer has to come until then.
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

impl Stream {
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

    /// Whether the peer pings no more than it needs to; counts one.
    fn may_ping(&mut self, now: Instant) -> bool {
        let (since, pings) = &mut self.pinged;
        if now.since(*since) >= PINGS_IN {
            (*since, *pings) = (now, 0);
        }
        *pings += 1;
        *pings <= SIP_STREAM_PINGS_MAX
    }

    fn is_ours(&self) -> bool {
        !matches!(self.ping, Ping::Theirs)
    }

    /// On whole seconds, so that streams that fall idle one after the other are looked at together.
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

    fn deadline(&self) -> Instant {
        if let Some(broken) = self.broken {
            return broken.look_at;
        }
        let framer = self.framer.poll_timeout().map(|(at, _)| at);
        let others = [framer, self.ping.deadline()].into_iter().flatten();
        others.fold(self.idle_at(), Instant::min)
    }
}

/// All open connections, with the soonest deadline at hand.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<FlowId, Stream>,
    /// At least as soon as the real deadline of each stream: looked at again when it comes.
    deadlines: BTreeSet<(Instant, FlowId)>,
    /// Bytes of messages that are not whole, of all streams.
    unfinished: usize,
}

impl Streams {
    pub fn contains(&self, flow: FlowId) -> bool {
        self.open.contains_key(&flow)
    }

    /// Whether what the peer answers on this connection will be read.
    pub fn is_read(&self, flow: FlowId) -> bool {
        self.open.get(&flow).is_some_and(|stream| stream.broken.is_none())
    }

    pub fn len(&self) -> usize {
        self.open.len()
    }

    pub fn open(&mut self, now: Instant, flow: Flow, is_ours: bool) {
        self.open.entry(flow.id).or_insert_with(|| Stream::new(flow, now, is_ours));
        self.rearm(flow.id);
    }

    pub fn keep(&mut self, flow: FlowId, is_kept: bool) {
        if let Some(stream) = self.open.get_mut(&flow) {
            stream.is_kept = is_kept;
        }
    }

    pub fn remove(&mut self, flow: FlowId) -> bool {
        let Some(stream) = self.open.remove(&flow) else { return false };
        self.unfinished = self.unfinished.saturating_sub(stream.unfinished);
        self.deadlines.remove(&(stream.armed, flow));
        true
    }

    /// Reckons anew what a stream holds; `false`: all of them together hold too much, and this one
    /// took the last of it.
    fn has_room(&mut self, flow: FlowId, unfinished_max: usize) -> bool {
        let Some(stream) = self.open.get_mut(&flow) else { return true };
        let before = std::mem::replace(&mut stream.unfinished, stream.framer.held_bytes());
        let grows = stream.unfinished > before;
        self.unfinished = (self.unfinished + stream.unfinished).saturating_sub(before);
        !grows || self.unfinished <= unfinished_max
    }

    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        self.deadlines.first().map(|(at, _)| (*at, "sip stream"))
    }

    /// One stream whose armed deadline has come, armed anew.
    fn next_due(&mut self, now: Instant) -> Option<FlowId> {
        let (at, flow) = *self.deadlines.first().filter(|(at, _)| *at <= now)?;
        self.deadlines.remove(&(at, flow));
        Some(flow)
    }

    /// Deadlines that move away are left as they are: a message an hour costs no more than one a
    /// second.
    fn rearm(&mut self, flow: FlowId) {
        let Some(stream) = self.open.get_mut(&flow) else { return };
        let deadline = stream.deadline();
        let is_armed = self.deadlines.contains(&(stream.armed, flow));
        if is_armed && stream.armed <= deadline {
            return;
        }
        self.deadlines.remove(&(stream.armed, flow));
        self.deadlines.insert((deadline, flow));
        stream.armed = deadline;
    }
}

impl Core {
    pub(super) fn close_stream(&mut self, flow: FlowId, reason: CloseReason) {
        if self.streams.remove(flow) {
            self.meters.streams_closed += 1;
            self.effects.push_back(Effect::CloseFlow { flow, reason });
        }
    }
}

impl UserAgent {
    /// Bytes of a stream: as many messages as they complete.
    pub(super) fn receive_stream(&mut self, now: Now, flow: Flow, mut bytes: &[u8]) {
        self.core.streams.open(now.mono, flow, false);
        while let Some(stream) = self.core.streams.open.get_mut(&flow.id) {
            stream.ping.heard(now.mono);
            if !stream.is_ours() {
                stream.active_at = now.mono;
            }
            let taken = stream.framer.feed(now.mono, bytes);
            bytes = bytes.get(taken..).unwrap_or_default();
            self.drain_stream(now, flow);
            if bytes.is_empty() || taken == 0 {
                break;
            }
        }
        if !self.core.streams.has_room(flow.id, SIP_STREAMS_UNFINISHED_BYTES_MAX) {
            self.core.close_stream(flow.id, CloseReason::NoRoom);
        }
        self.core.streams.rearm(flow.id);
    }

    fn drain_stream(&mut self, now: Now, flow: Flow) {
        while let Some(stream) = self.core.streams.open.get_mut(&flow.id) {
            match stream.framer.next_frame() {
                None => break,
                Some(Ok(Frame::Message(bytes))) => {
                    stream.active_at = now.mono;
                    self.receive_message(now, flow, &bytes);
                }
                Some(Ok(Frame::Ping)) if !stream.may_ping(now.mono) => {
                    return self.core.close_stream(flow.id, CloseReason::Flood);
                }
                Some(Ok(Frame::Ping)) => {
                    stream.is_kept_alive |= !stream.is_ours();
                    self.core.meters.keep_alives += 1;
                    self.core.send(SendTo::Flow(flow.id), b"\r\n", SendToken::NOBODY);
                }
                Some(Ok(Frame::Pong)) => self.core.meters.keep_alives += 1,
                Some(Err(error)) => {
                    if stream.framer.is_broken() {
                        stream.note_broken(now.mono, &error);
                    }
                    self.core.answer_broken(flow, &error, &[]);
                }
            }
        }
        let stream = self.core.streams.open.get(&flow.id);
        if stream.is_some_and(|stream| stream.framer.is_exhausted()) {
            self.core.close_stream(flow.id, CloseReason::Framing);
        }
    }

    /// Closes streams that are too slow, and those that nobody needs.
    pub(super) fn handle_stream_timeouts(&mut self, now: Now) {
        if self.core.streams.deadline().is_none_or(|(at, _)| at > now.mono) {
            return;
        }
        let mut in_use = None;
        while let Some(flow) = self.core.streams.next_due(now.mono) {
            let is_in_use = self.is_idle(now, flow)
                && in_use.get_or_insert_with(|| self.flows_in_use()).contains(&flow);
            self.handle_stream_timeout(now, flow, is_in_use);
            self.core.streams.rearm(flow);
        }
    }

    /// The streams that carry a call. It costs a look at every session: only for streams that are idle,
    /// and for all that become so within a second at once.
    fn flows_in_use(&self) -> BTreeSet<FlowId> {
        self.sessions.values().filter_map(|session| session.flow(&self.core.clients)).collect()
    }

    fn is_idle(&self, now: Now, flow: FlowId) -> bool {
        self.core.streams.open.get(&flow).is_some_and(|stream| now.mono >= stream.idle_at())
    }

    fn handle_stream_timeout(&mut self, now: Now, id: FlowId, is_in_use: bool) {
        let Some(stream) = self.core.streams.open.get_mut(&id) else { return };
        let (flow, is_idle) = (stream.flow, now.mono >= stream.idle_at());
        let is_in_use = is_idle && (is_in_use || stream.is_kept);
        if stream.framer.poll_timeout().is_some_and(|(at, _)| at <= now.mono) {
            stream.framer.handle_timeout(now.mono);
            self.drain_stream(now, flow);
        }
        let Some(stream) = self.core.streams.open.get_mut(&id) else { return };
        if let Some(broken) = &mut stream.broken {
            broken.look_at = (now.mono + BROKEN_LOOK).min(broken.until);
            let (is_late, reason) = (now.mono >= broken.until, broken.reason);
            if is_late || !self.core.servers.owes_answer_on(id) {
                self.core.close_stream(id, reason);
            }
        } else if is_idle && !is_in_use {
            self.core.close_stream(id, CloseReason::Idle);
        } else {
            if is_in_use {
                stream.active_at = now.mono;
            }
            self.ping(now, id);
        }
    }

    /// Pings when it is time; a peer that answered before and does not now is as good as gone: what
    /// waits on this stream fails, and what comes next opens another one.
    fn ping(&mut self, now: Now, id: FlowId) {
        let Some(stream) = self.core.streams.open.get_mut(&id) else { return };
        match stream.ping {
            Ping::Next { at, answers } if at <= now.mono => {
                stream.ping = Ping::Out { until: now.mono + PONG, answers };
                self.core.meters.pings_sent += 1;
                self.core.send(SendTo::Flow(id), b"\r\n\r\n", SendToken::NOBODY);
            }
            Ping::Out { until, answers: true } if until <= now.mono => {
                self.core.close_stream(id, CloseReason::Wedged);
                for key in self.core.clients.calling_on(id) {
                    self.transaction_failed(now, key);
                }
            }
            Ping::Out { until, answers: false } if until <= now.mono => {
                stream.ping = Ping::Next { at: now.mono + PING_EVERY, answers: false };
            }
            Ping::Theirs | Ping::Next { .. } | Ping::Out { .. } => {}
        }
    }
}

impl Core {
    /// What could not be read: answered where that is right, and counted.
    pub fn answer_broken(&mut self, flow: Flow, error: &ParseError, bytes: &[u8]) {
        let refusal = Box::new(error.refusal());
        self.emit(super::event::UaEvent::Broken { refusal, source: flow.remote });
        if !self.may_answer_stray(flow) {
            return;
        }
        let value = self.keys.stateless_tag_of_bytes(bytes);
        let tag = super::core::tag_text(crate::random::Token::new(self.config.origin, value));
        let Some(answer) = error.answer(flow.remote, &tag) else {
            self.meters.broken_dropped += 1;
            return;
        };
        self.meters.broken_answered += 1;
        let to = if flow.transport.is_reliable() {
            SendTo::Flow(flow.id)
        } else {
            SendTo::Datagram { socket: Some(flow.id), remote: answer.to }
        };
        self.send(to, &answer.bytes, SendToken::NOBODY);
    }
}

const IDLE: Duration = Duration::from_millis(SIP_STREAM_IDLE_MS);
const IDLE_KEPT_ALIVE: Duration = Duration::from_millis(SIP_STREAM_IDLE_KEPT_ALIVE_MS);
const PING_FIRST: Duration = Duration::from_millis(SIP_STREAM_PING_FIRST_MS);
const PING_EVERY: Duration = Duration::from_millis(SIP_STREAM_PING_EVERY_MS);
const BROKEN: Duration = Duration::from_millis(SIP_STREAM_BROKEN_MS);
const BROKEN_LOOK: Duration = Duration::from_millis(100);
/// The status of a framing error that is a deadline.
const REQUEST_TIMEOUT: u16 = 408;
const PINGS_IN: Duration = Duration::from_secs(10);
const PONG: Duration = Duration::from_millis(SIP_STREAM_PONG_MS);

#[cfg(test)]
mod tests;
