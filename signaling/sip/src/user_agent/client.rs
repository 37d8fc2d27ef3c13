//! Responses to our requests, and the fate of an INVITE that was sent: ACK, CANCEL, late forks.
//! Sans-IO.

use shared::{Header, Now};

use super::UserAgent;
use super::core::Core;
use super::event::{TraceDirection, TraceOwner};
use super::outbox::summary;
use crate::dialog::Dialog;
use crate::flow::{Flow, SendToken};
use crate::ids::SessionId;
use crate::message::{Method, Request, Response};
use crate::transaction::{Cancellation, ClientKey, Heard, Sender, SentInvite, Verdict};
use crate::via::MAGIC_COOKIE;

impl UserAgent {
    pub(super) fn receive_response(&mut self, now: Now, flow: Flow, response: Response) {
        self.core.meters.responses_received += 1;
        let key = self.core.client_key(&response);
        let heard =
            key.and_then(|key| Some((key, self.core.clients.receive(now.mono, key, &response)?)));
        let Some((key, Heard { session, verdict })) = heard else {
            self.core.meters.responses_stray += 1;
            return;
        };
        let request = || self.requests.owner(key).map(TraceOwner::Request);
        if let Some(owner) = session.map(TraceOwner::Session).or_else(request) {
            let peer = (flow.remote, flow.transport);
            self.core.outbox.trace(owner, TraceDirection::Received, summary(&response), peer);
        }
        match verdict {
            Verdict::Ignore => {}
            Verdict::Again { ack, to } => {
                self.core.meters.retransmissions_sent += 1;
                self.core.outbox.send(to, &ack, SendToken::NOBODY);
            }
            Verdict::AcknowledgeAndPass { owner } => {
                if let Some(ack) = self.core.clients.acknowledge_refusal(key, &response) {
                    self.core.outbox.send(ack.to, &ack.bytes, SendToken::NOBODY);
                }
                self.pass(now, key, response, owner, true);
            }
            Verdict::Pass { owner, is_invite } => {
                self.pass(now, key, response, owner, is_invite);
            }
        }
    }

    fn pass(
        &mut self,
        now: Now,
        key: ClientKey,
        response: Response,
        owner: Option<SessionId>,
        is_invite: bool,
    ) {
        if is_invite && response.is_provisional() {
            self.core.clients.expire_orphan(now.mono, key);
            self.core.send_waiting_cancel(now, key);
        }
        let is_wanted =
            |id: &SessionId| self.sessions.get(*id).is_some_and(|session| session.waits_for(key));
        match owner.filter(is_wanted) {
            Some(id) => self.with_session(id, |session, core| {
                session.receive_response(core, now, key, response);
            }),
            None if is_invite && response.is_success() => self.core.end_fork(now, key, &response),
            None if is_invite => {}
            None => self.request_answered(now, key, response),
        }
    }
}

impl Core {
    /// Our transaction of a response (RFC 3261 §17.1.3). More than one Via: not ours (§8.1.3.3).
    fn client_key(&self, response: &Response) -> Option<ClientKey> {
        let [via] = response.via.as_slice() else { return None };
        let branch = via.branch.as_ref()?.as_bytes().strip_prefix(MAGIC_COOKIE)?;
        let is_cancel = response.cseq.method == Method::Cancel;
        Some(ClientKey { branch: self.tokens.own_value(branch)?, is_cancel })
    }

    /// The INVITE of a transaction, without its body, and the dialog that this response to it makes.
    pub fn dialog_of(&self, key: ClientKey, response: &Response) -> Option<(Request, Dialog)> {
        let SentInvite { request, destination, stays_on_flow } = self.clients.invite(key)?;
        let mut dialog = Dialog::from_response(&request, response, destination);
        if stays_on_flow {
            dialog.stay_on_flow();
        }
        Some((request, dialog))
    }

    /// Acknowledges a 2xx that no session waits for, and ends its dialog at once (§13.2.2.4).
    fn end_fork(&mut self, now: Now, key: ClientKey, response: &Response) {
        let Some((invite, mut dialog)) = self.dialog_of(key, response) else { return };
        self.meters.forks_ended += 1;
        dialog.skip_early_numbers();
        let hop = dialog.next_hop();
        let ack = dialog.ack(invite.cseq.number);
        let ack = self.send_ack(ack, &hop, None);
        self.clients.remember_ack(key, response, &ack);
        let bye = dialog.request(Method::Bye);
        self.start(now, bye, hop, None);
    }

    /// Cancels an INVITE now, or as soon as a provisional response shows that it arrived (§9.1).
    /// Its session gets none of its responses any more; a 2xx that is quicker is acknowledged and
    /// ended.
    pub fn abandon_invite(&mut self, now: Now, key: ClientKey, headers: Vec<Header>) {
        if self.clients.abandon_invite(key, headers) {
            self.send_waiting_cancel(now, key);
        }
    }

    /// Sends the CANCEL that waited for a provisional response, if there is one.
    fn send_waiting_cancel(&mut self, now: Now, key: ClientKey) {
        let Some(cancel) = self.clients.take_cancel(now.mono, key) else { return };
        let Cancellation { mut request, headers, destination, session } = cancel;
        self.add_headers(&mut request.headers, &headers);
        let bytes = request.to_bytes();
        self.outbox.trace_sent(session, &request, &destination);
        let to = self.request_to(&destination);
        let sender = Sender { to: to.clone(), destination, session: None };
        let key = ClientKey { is_cancel: true, ..key };
        self.clients.start(now.mono, key, sender, request, &bytes);
        self.outbox.send(to, &bytes, SendToken::NOBODY);
    }
}
