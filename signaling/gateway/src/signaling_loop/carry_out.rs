//! Effects of Control: each goes to the socket, queue or job that does it. Shell.

use std::net::{IpAddr, SocketAddr};

use control::{Effect, Input, ResolveFailure};
use recognition::StartRecognition;
use shared::{CoreId, MediaCommand, Sink, Transport};
use shell::Clock;
use sip::{CloseReason, Destination, FlowId, SendFailure, SendTo, SendToken};
use store::Outcome;
use streams::Attachment;
use transport::{Down, Peer};
use webhook::dns::{SipEndpoint, SipTargetError};

use super::SignalingLoop;
use crate::observers::Event;
use crate::store_thread::Order;

impl SignalingLoop {
    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Sip(effect) => self.carry_out_sip(effect),
            Effect::Vouch { source, until } => {
                // Where the queue is full the limits per source bind until the next digest.
                let _ = self.down(Down::Vouched { source, until });
            }
            Effect::Media { core, command } => self.command(core, command),
            Effect::ApiReply { token, reply } => {
                if let Some(waiting) = self.state.api.remove(&token) {
                    // The client may be gone. The write stays.
                    let _ = waiting.send(reply);
                }
            }
            Effect::Commit { token: None, change } if change.row_key().is_some() => {
                self.observers.publish(&Event::Row(*change));
            }
            Effect::Commit { token, change } => {
                if let Err(order) = self.store.queue(Order { token, change }) {
                    self.not_queued(order);
                }
            }
            Effect::Http { call, account, auth_token, request } => {
                self.metrics.signaling_webhooks_requests_total.count();
                self.jobs.webhook(call, account, auth_token, request);
            }
            Effect::LoadPrompt { call, account, prompt, source } => {
                let auth_token = self
                    .control
                    .snapshot()
                    .account(account)
                    .map(|account| account.auth_token.clone());
                self.jobs.prompt(call, account, auth_token, prompt, source);
            }
            Effect::Resolve { session, target } => self.jobs.resolve(session, target),
            Effect::OpenRecording(order) => self.jobs.record(order),
            Effect::DiscardRecording { tap } => self.jobs.close_recording(tap),
            Effect::OpenStream { auth_token, plan } => self.jobs.open_stream(&auth_token, *plan),
            Effect::AttachStream { stream, tap, feed } => {
                self.jobs.streams.attach(stream, Attachment { tap, feed });
            }
            Effect::StreamDigit { stream, digit } => self.jobs.streams.digit(stream, digit),
            Effect::CopyTap { tap, inbound, outbound } => {
                self.jobs.streams.copy(tap, inbound, outbound);
            }
            Effect::StopCopy { tap } => self.jobs.streams.stop_copy(tap),
            Effect::StreamHeard { stream, text, last } => {
                self.jobs.streams.understood(stream, text, last);
            }
            Effect::CloseStream { stream } => self.jobs.streams.close(stream),
            Effect::StartRecognition { call, tap, plan } => {
                self.jobs.recognise(StartRecognition { call, tap, plan: *plan });
            }
            Effect::StopRecognition { call, recognition, how } => {
                self.jobs.recognition.stop(call, recognition, how);
            }
            Effect::CallGone { call } => self.jobs.call_gone(call),
            Effect::Observe(observation) => {
                self.observe(&observation);
                self.observers.publish(&Event::Observed(observation));
            }
        }
    }

    fn carry_out_sip(&mut self, effect: sip::Effect) {
        match effect {
            sip::Effect::Send { to, bytes, token } => self.send(to, bytes, token),
            sip::Effect::CloseFlow { flow, reason } => self.close_flow(flow, reason),
            // Control takes these from the user agent itself; none comes out.
            sip::Effect::Event(_) => {}
        }
    }

    fn send(&mut self, to: SendTo, bytes: Box<[u8]>, token: SendToken) {
        let sent = match to {
            SendTo::Datagram { socket, remote } => self.send_datagram(socket, remote, &bytes),
            SendTo::Flow(flow) => self.down(Down::Send { flow, bytes, token }),
            SendTo::Connect {
                transport: transport @ (Transport::Tcp | Transport::Tls),
                remote,
                local,
                host,
            } => {
                // Only TLS proves a name. Over TCP it must not keep sends to one address on two
                // connections.
                let host = host.filter(|_| transport == Transport::Tls);
                let peer = Peer { transport, remote, host, local };
                self.down(Down::SendTo { peer, bytes, token })
            }
            SendTo::Connect { transport: Transport::Udp, remote, .. } => {
                self.send_datagram(None, remote, &bytes)
            }
        };
        if let Err(reason) = sent {
            self.send_failed(token, reason);
        }
    }

    /// Closes a connection. Waits while the queue of the transport thread is full: the user agent has
    /// forgotten the connection and would not ask again.
    fn close_flow(&mut self, flow: FlowId, reason: CloseReason) {
        self.state.closing.push_back((flow, reason));
        self.flush_closing();
    }

    /// Sends closes that wait. Their number is bounded by the connections: each is closed once.
    pub(super) fn flush_closing(&mut self) {
        while let Some((flow, reason)) = self.state.closing.pop_front() {
            if self.transport.send(Down::Close { flow, reason }).is_err() {
                return self.state.closing.push_front((flow, reason));
            }
        }
    }

    fn down(&self, message: Down) -> Result<(), SendFailure> {
        self.transport.send(message).map_err(|_| {
            self.metrics.signaling_queue_inputs_dropped_total.count("transport_down");
            SendFailure::QueueFull
        })
    }

    fn send_failed(&mut self, token: SendToken, reason: SendFailure) {
        if token != SendToken::NOBODY {
            self.state.followups.push_back(Input::Sip(sip::Input::SendFailed { token, reason }));
        }
    }

    /// Answers a change that the store's queue has no room for: "unavailable" where Control waits for it.
    /// A record without a waiter is lost and counted (`store_changes_total{outcome="queue_full"}`).
    fn not_queued(&mut self, order: Order) {
        if let Some(token) = order.token {
            let outcome = Outcome::Unavailable;
            self.state.followups.push_back(Input::Committed { token, outcome });
        }
    }

    /// Sends a command to a media core, in order. Commands wait here while its ring is full. The ring
    /// holds four commands per leg, so only a stalled core fills it, and the heartbeat ends that after 5
    /// s.
    fn command(&mut self, core: CoreId, command: MediaCommand) {
        if self.state.lost_cores.contains(&core) {
            return;
        }
        if let MediaCommand::StartTap { tap, sink: Sink::Recorder, .. } = &command {
            self.state.taps.insert(*tap, core);
        }
        let waiting = self.state.backlog.entry(core).or_default();
        if !waiting.is_empty() {
            return waiting.push_back(command);
        }
        let Some(handle) = self.media.cores.get_mut(usize::from(core.0)) else { return };
        if let Err(command) = handle.send(command) {
            waiting.push_back(command);
        }
    }

    pub(super) fn flush_backlog(&mut self) {
        for (core, waiting) in &mut self.state.backlog {
            let Some(handle) = self.media.cores.get_mut(usize::from(core.0)) else { continue };
            while let Some(command) = waiting.pop_front() {
                if let Err(command) = handle.send(command) {
                    waiting.push_front(command);
                    break;
                }
            }
        }
    }

    /// Endpoints as destinations, each with the local address that its peer is shown.
    pub(super) fn destinations(
        &mut self,
        result: Result<Vec<SipEndpoint>, SipTargetError>,
    ) -> Result<Vec<Destination>, ResolveFailure> {
        let endpoints = result.map_err(|error| ResolveFailure {
            code: Some(error.code()),
            status: error.status(),
            sentence: error.to_string(),
        })?;
        let found: Vec<_> =
            endpoints.into_iter().filter_map(|endpoint| self.destination(endpoint)).collect();
        match found.is_empty() {
            false => Ok(found),
            true => Err(ResolveFailure {
                code: None,
                status: 503,
                sentence:
                    "No listener of this gateway can reach the target: its address family or \
                           its transport has none (sip.udp, sip.tcp)."
                        .to_owned(),
            }),
        }
    }

    fn destination(&mut self, endpoint: SipEndpoint) -> Option<Destination> {
        let SipEndpoint { transport, address: remote } = endpoint;
        let bound = match transport {
            Transport::Udp => self.listener_towards(remote)?,
            Transport::Tcp | Transport::Tls => self.connection_address(remote, transport),
        };
        let local = self.advertised(bound, remote);
        Some(Destination { transport, remote, local, flow: None, host: None })
    }

    /// The address on which a peer that we connect to can connect back: the listener on the kernel's
    /// source address, else the first listener that such a peer can reach; the connection leaves from
    /// there. Without a listener no peer can connect back; the default port at least names the service.
    fn connection_address(&mut self, remote: SocketAddr, transport: Transport) -> SocketAddr {
        let here = self.state.local.towards(Clock.mono(), remote.ip());
        let listeners = match transport {
            Transport::Tls => &self.own_tls,
            Transport::Tcp | Transport::Udp => &self.own_tcp,
        };
        back_address(listeners, here, remote.ip())
            .unwrap_or_else(|| SocketAddr::new(here, transport.default_port()))
    }
}

/// The listener that a peer is shown. `here` is the kernel's source address towards it.
fn back_address(listeners: &[SocketAddr], here: IpAddr, peer: IpAddr) -> Option<SocketAddr> {
    let of_family = || listeners.iter().filter(|at| at.is_ipv4() == here.is_ipv4());
    let is_here = |at: &&SocketAddr| at.ip() == here || at.ip().is_unspecified();
    if let Some(listener) = of_family().find(is_here) {
        return Some(SocketAddr::new(here, listener.port()));
    }
    // A packet from a loopback address does not leave the machine.
    let leaves = |at: &&SocketAddr| !at.ip().is_loopback() || peer.to_canonical().is_loopback();
    let other = of_family().find(leaves).copied();
    other.or_else(|| of_family().next().map(|at| SocketAddr::new(here, at.port())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_shows_a_listener_that_its_peer_can_reach() {
        let back = |listeners: &[&str], here: &str, peer: &str| {
            let listeners: Vec<_> =
                listeners.iter().map(|at| at.parse().expect("an address")).collect();
            let (here, peer) = (here.parse().expect("an address"), peer.parse().expect("one"));
            back_address(&listeners, here, peer).map(|at| at.to_string())
        };
        let is = |text: &str| Some(text.to_owned());
        let any = ["0.0.0.0:5060", "[::]:5062"];
        assert_eq!(back(&any, "192.0.2.1", "192.0.2.9"), is("192.0.2.1:5060"));
        assert_eq!(back(&any, "2001:db8::1", "2001:db8::9"), is("[2001:db8::1]:5062"));
        // The kernel would leave from an address without a listener.
        let two = ["192.0.2.1:5060", "198.51.100.1:5070"];
        assert_eq!(back(&two, "198.51.100.1", "198.51.100.9"), is("198.51.100.1:5070"));
        assert_eq!(back(&two, "203.0.113.1", "203.0.113.9"), is("192.0.2.1:5060"));
        let local = ["127.0.0.1:5060"];
        assert_eq!(back(&local, "203.0.113.1", "203.0.113.9"), is("203.0.113.1:5060"));
        assert_eq!(back(&local, "127.0.0.1", "127.0.0.2"), is("127.0.0.1:5060"));
        assert_eq!(back(&[], "127.0.0.1", "127.0.0.2"), None);
    }
}
