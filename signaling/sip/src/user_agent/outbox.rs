//! The effects that wait for the shell, in the order in which they came about. Sans-IO.
//!
//! Every part of the user agent adds to them, and only `UserAgent::poll_effect` takes them out: no part
//! acts on the effect of another, and what one input causes leaves in one order. The caller drains them
//! before it gives the next input, so one input bounds their number.

use shared::Transport;
use std::collections::VecDeque;
use std::net::SocketAddr;

use super::event::{Effect, Trace, TraceDirection, TraceOwner, UaEvent};
use crate::flow::{CloseReason, Destination, FlowId, ReplyRoute, SendTo, SendToken};
use crate::message::{Request, Response};

/// Bytes to send, events for the layer above, connections to close.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    effects: VecDeque<Effect>,
    messages_sent: u64,
}

impl Outbox {
    /// Whether the caller has taken every effect.
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }

    /// The next effect.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Messages sent since the start, retransmissions included.
    pub fn messages_sent(&self) -> u64 {
        self.messages_sent
    }

    pub fn emit(&mut self, event: UaEvent) {
        self.effects.push_back(Effect::Event(event));
    }

    pub fn send(&mut self, to: SendTo, bytes: &[u8], token: SendToken) {
        self.messages_sent += 1;
        self.effects.push_back(Effect::Send { to, bytes: bytes.into(), token });
    }

    pub fn close(&mut self, flow: FlowId, reason: CloseReason) {
        self.effects.push_back(Effect::CloseFlow { flow, reason });
    }

    /// Adds a message to the timeline of a session or request.
    pub fn trace(
        &mut self,
        owner: impl Into<TraceOwner>,
        direction: TraceDirection,
        summary: String,
        (peer, transport): (SocketAddr, Transport),
    ) {
        let trace = Trace { owner: owner.into(), direction, summary, peer, transport };
        self.emit(UaEvent::Trace(Box::new(trace)));
    }

    /// Adds a request that is sent now to the timeline of its owner, if it has one.
    pub fn trace_sent(
        &mut self,
        owner: Option<impl Into<TraceOwner>>,
        request: &Request,
        to: &Destination,
    ) {
        if let Some(owner) = owner {
            let summary = request.method.to_string();
            self.trace(owner, TraceDirection::Sent, summary, (to.remote, to.transport));
        }
    }

    /// Adds a response that is sent now to the timeline of its owner, if it has one.
    pub fn trace_response(
        &mut self,
        owner: Option<impl Into<TraceOwner>>,
        response: &Response,
        to: ReplyRoute,
    ) {
        if let Some(owner) = owner {
            let peer = (to.flow.remote, to.flow.transport);
            self.trace(owner, TraceDirection::Sent, summary(response), peer);
        }
    }
}

/// `180 Ringing (INVITE)`.
pub(super) fn summary(response: &Response) -> String {
    let phrase = response.reason.to_lossy();
    let phrase: String = phrase.chars().take(TRACE_PHRASE_CHARACTERS_MAX).collect();
    format!("{} {phrase} ({})", response.status, response.cseq.method)
}

const TRACE_PHRASE_CHARACTERS_MAX: usize = 64;
