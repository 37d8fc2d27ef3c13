//! Streams: framing and patience for each open connection. Sans-IO.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::limits::SIP_STREAM_IDLE_MS;
use shared::{Instant, Now};

use super::UserAgent;
use super::core::Core;
use super::surface::Effect;
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
    armed: Instant,
    /// A registration is on it: it may be idle.
    is_kept: bool,
}

impl Stream {
    fn new(flow: Flow, now: Instant) -> Self {
        Self { flow, framer: Framer::new(now), active_at: now, armed: now, is_kept: false }
    }

    fn deadline(&self) -> Instant {
        let idle = self.active_at + IDLE;
        self.framer.poll_timeout().map_or(idle, |(at, _)| at.min(idle))
    }
}

/// All open connections, with the soonest deadline at hand.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<FlowId, Stream>,
    /// At least as soon as the real deadline of each stream: looked at again when it comes.
    deadlines: BTreeSet<(Instant, FlowId)>,
}

impl Streams {
    pub fn contains(&self, flow: FlowId) -> bool {
        self.open.contains_key(&flow)
    }

    pub fn len(&self) -> usize {
        self.open.len()
    }

    pub fn open(&mut self, now: Instant, flow: Flow) {
        self.open.entry(flow.id).or_insert_with(|| Stream::new(flow, now));
        self.rearm(flow.id);
    }

    pub fn keep(&mut self, flow: FlowId, is_kept: bool) {
        if let Some(stream) = self.open.get_mut(&flow) {
            stream.is_kept = is_kept;
        }
    }

    pub fn remove(&mut self, flow: FlowId) -> bool {
        let Some(stream) = self.open.remove(&flow) else { return false };
        self.deadlines.remove(&(stream.armed, flow));
        true
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
    fn close_stream(&mut self, flow: FlowId, reason: CloseReason) {
        if self.streams.remove(flow) {
            self.meters.streams_closed += 1;
            self.effects.push_back(Effect::CloseFlow { flow, reason });
        }
    }
}

impl UserAgent {
    /// Bytes of a stream: as many messages as they complete.
    pub(super) fn receive_stream(&mut self, now: Now, flow: Flow, mut bytes: &[u8]) {
        self.core.streams.open(now.mono, flow);
        while let Some(stream) = self.core.streams.open.get_mut(&flow.id) {
            stream.active_at = now.mono;
            let taken = stream.framer.feed(now.mono, bytes);
            bytes = bytes.get(taken..).unwrap_or_default();
            self.drain_stream(now, flow);
            if bytes.is_empty() || taken == 0 {
                break;
            }
        }
        self.core.streams.rearm(flow.id);
    }

    fn drain_stream(&mut self, now: Now, flow: Flow) {
        while let Some(stream) = self.core.streams.open.get_mut(&flow.id) {
            match stream.framer.next_frame() {
                None => break,
                Some(Ok(Frame::Message(bytes))) => self.receive_message(now, flow, &bytes),
                Some(Ok(Frame::Ping)) => {
                    self.core.meters.keep_alives += 1;
                    self.core.send(SendTo::Flow(flow.id), b"\r\n", SendToken::NOBODY);
                }
                Some(Ok(Frame::Pong)) => self.core.meters.keep_alives += 1,
                Some(Err(error)) => self.core.answer_broken(flow, &error, &[]),
            }
        }
        let stream = self.core.streams.open.get(&flow.id);
        if stream.is_some_and(|stream| stream.framer.is_finished()) {
            self.core.close_stream(flow.id, CloseReason::Framing);
        }
    }

    /// Closes streams that are too slow, and those that nobody needs.
    pub(super) fn handle_stream_timeouts(&mut self, now: Now) {
        if self.core.streams.deadline().is_none_or(|(at, _)| at > now.mono) {
            return;
        }
        let in_use: BTreeSet<FlowId> =
            self.sessions.values().filter_map(|session| session.flow(&self.core.clients)).collect();
        while let Some(flow) = self.core.streams.next_due(now.mono) {
            self.handle_stream_timeout(now, flow, in_use.contains(&flow));
            self.core.streams.rearm(flow);
        }
    }

    fn handle_stream_timeout(&mut self, now: Now, id: FlowId, is_in_use: bool) {
        let Some(stream) = self.core.streams.open.get_mut(&id) else { return };
        let (flow, is_idle) = (stream.flow, now.mono >= stream.active_at + IDLE);
        if stream.framer.poll_timeout().is_some_and(|(at, _)| at <= now.mono) {
            stream.framer.handle_timeout(now.mono);
            self.drain_stream(now, flow);
            self.core.close_stream(id, CloseReason::Slow);
        } else if is_in_use || stream.is_kept {
            stream.active_at = now.mono;
        } else if is_idle {
            self.core.close_stream(id, CloseReason::Idle);
        }
    }
}

impl Core {
    /// What could not be read: answered where that is right, and counted.
    pub fn answer_broken(&mut self, flow: Flow, error: &ParseError, bytes: &[u8]) {
        self.emit(super::surface::UaEvent::Broken { rule: error.rule });
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
