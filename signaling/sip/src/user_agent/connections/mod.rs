//! Bytes and deadlines of TCP and TLS connections (RFC 3261 §18). Sans-IO.
//!
//! `table` decides, the user agent acts: it answers pings, closes what is idle, slow or broken, and
//! fails the requests that wait on a connection whose peer is gone.

mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use shared::Now;
use shared::limits::SIP_CONNECTIONS_UNFINISHED_BYTES_MAX;

use super::UserAgent;
use super::core::Core;
use super::event::UaEvent;
use crate::flow::{CloseReason, Flow, FlowId, SendTo, SendToken};
use crate::message::ParseError;
pub(super) use table::Connections;
use table::{Due, Need, Read};

impl UserAgent {
    /// Bytes of a connection: as many messages as they complete.
    pub(super) fn receive_on_connection(&mut self, now: Now, flow: Flow, mut bytes: &[u8]) {
        self.core.connections.open(now.mono, flow, false);
        while let Some(taken) = self.core.connections.feed(now.mono, flow.id, bytes) {
            bytes = bytes.get(taken..).unwrap_or_default();
            self.drain_connection(now, flow);
            if bytes.is_empty() || taken == 0 {
                break;
            }
        }
        if !self.core.connections.has_room(flow.id, SIP_CONNECTIONS_UNFINISHED_BYTES_MAX) {
            self.core.close_connection(flow.id, CloseReason::NoRoom);
        }
        self.core.connections.rearm(flow.id);
    }

    fn drain_connection(&mut self, now: Now, flow: Flow) {
        while let Some(read) = self.core.connections.next_read(now.mono, flow.id) {
            match read {
                Read::Message(bytes) => self.receive_message(now, flow, &bytes),
                Read::TooManyPings => {
                    return self.core.close_connection(flow.id, CloseReason::Flood);
                }
                Read::Ping => {
                    self.core.meters.keep_alives += 1;
                    self.core.outbox.send(SendTo::Flow(flow.id), b"\r\n", SendToken::NOBODY);
                }
                Read::Pong => self.core.meters.keep_alives += 1,
                Read::Broken(error) => self.core.answer_broken(flow, &error, &[]),
            }
        }
        if self.core.connections.is_exhausted(flow.id) {
            self.core.close_connection(flow.id, CloseReason::Framing);
        }
    }

    /// Closes connections that are too slow or not needed any more; pings on the others.
    pub(super) fn handle_connection_timeouts(&mut self, now: Now) {
        if self.core.connections.deadline().is_none_or(|(at, _)| at > now.mono) {
            return;
        }
        let mut in_use = None;
        while let Some(flow) = self.core.connections.next_due(now.mono) {
            let need = if !self.core.connections.is_idle(now.mono, flow) {
                Need::Active
            } else if self.core.connections.is_kept(flow)
                || in_use.get_or_insert_with(|| self.flows_in_use()).contains(&flow)
            {
                Need::InUse
            } else {
                Need::Idle
            };
            self.handle_connection_timeout(now, flow, need);
            self.core.connections.rearm(flow);
        }
    }

    /// The connections that carry a call. It costs a look at every session: done for connections that
    /// are idle only, and once for all that become so within the same second.
    fn flows_in_use(&self) -> BTreeSet<FlowId> {
        self.sessions.iter().filter_map(|session| session.flow(&self.core.clients)).collect()
    }

    fn handle_connection_timeout(&mut self, now: Now, id: FlowId, need: Need) {
        if let Some(flow) = self.core.connections.framer_due(now.mono, id) {
            self.drain_connection(now, flow);
        }
        let servers = &self.core.servers;
        match self.core.connections.due(now.mono, id, need, || servers.owes_answer_on(id)) {
            Due::Nothing => {}
            Due::Ping => {
                self.core.meters.pings_sent += 1;
                self.core.outbox.send(SendTo::Flow(id), b"\r\n\r\n", SendToken::NOBODY);
            }
            Due::Close(reason) => {
                self.core.close_connection(id, reason);
                // What comes next opens another connection; what waits on this one fails now.
                if reason == CloseReason::Wedged {
                    for key in self.core.clients.calling_on(id) {
                        self.transaction_failed(now, key);
                    }
                }
            }
        }
    }
}

impl Core {
    pub(super) fn close_connection(&mut self, flow: FlowId, reason: CloseReason) {
        if self.connections.remove(flow) {
            self.meters.connections_closed += 1;
            self.outbox.close(flow, reason);
        }
    }

    /// Answers a broken message where RFC 3261 wants an answer, and counts it.
    pub fn answer_broken(&mut self, flow: Flow, error: &ParseError, bytes: &[u8]) {
        let refusal = Box::new(error.refusal());
        self.outbox.emit(UaEvent::Broken { refusal, source: flow.remote });
        if !self.may_answer_stray(flow) {
            return;
        }
        let tag = self.tokens.stateless_tag(self.servers.stateless_tag_of_bytes(bytes));
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
        self.outbox.send(to, &answer.bytes, SendToken::NOBODY);
    }
}
