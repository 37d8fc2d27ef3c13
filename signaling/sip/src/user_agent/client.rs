//! Responses to our requests, and the fate of an INVITE that was sent: ACK, CANCEL, late forks.
//! Sans-IO.

use shared::Now;

use super::UserAgent;
use super::core::Core;
use super::event::{TraceDirection, TraceOwner};
use super::outbox::summary;
use crate::dialog::Dialog;
use crate::flow::{Flow, SendTo, SendToken};
use crate::header::ExtraHeader;
use crate::ids::SessionId;
use crate::message::{Method, Request, Response};
use crate::transaction::{
    CancelState, ClientEntry, ClientKey, ClientMachine, FORKS_MAX, Fork, InviteResponse,
    OtherClient,
};
use crate::via::MAGIC_COOKIE;

/// How a response proceeds from its transaction.
enum Verdict {
    /// It is new to the owner; `None`: nobody waits for it.
    Pass { owner: Option<SessionId>, is_invite: bool },
    /// As above, but acknowledge the refusal first.
    AcknowledgeAndPass { owner: Option<SessionId> },
    /// A copy of a final response: send the same ACK again.
    Again { ack: Box<[u8]>, to: SendTo },
    /// It adds nothing.
    Ignore,
}

impl UserAgent {
    pub(super) fn receive_response(&mut self, now: Now, flow: Flow, response: Response) {
        self.core.meters.responses_received += 1;
        let key = self.core.client_key(&response);
        let timers = self.core.config.timers;
        let verdict = key.and_then(|key| {
            let judge =
                |entry: &mut ClientEntry| (judge(entry, now, &timers, &response), entry.session);
            Some((key, self.core.clients.with(key, judge)?))
        });
        let Some((key, (verdict, session))) = verdict else {
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
                self.core.acknowledge_refusal(key, &response);
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
            self.core.expire_orphan(now, key);
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

fn judge(
    entry: &mut ClientEntry,
    now: Now,
    timers: &crate::transaction::Timers,
    response: &Response,
) -> Verdict {
    let owner = entry.owner();
    match &mut entry.machine {
        ClientMachine::Other(machine) => match machine.receive(now.mono, timers, response.status) {
            true => Verdict::Pass { owner, is_invite: false },
            false => Verdict::Ignore,
        },
        ClientMachine::Invite { machine, forks, .. } => {
            match machine.receive(now.mono, timers, response.status) {
                InviteResponse::Ignore => Verdict::Ignore,
                InviteResponse::AcknowledgeAndPass => Verdict::AcknowledgeAndPass { owner },
                InviteResponse::AcknowledgeAgain => match machine.ack() {
                    Some(ack) => Verdict::Again { ack: ack.into(), to: entry.to.clone() },
                    None => Verdict::Ignore,
                },
                InviteResponse::Pass => {
                    let tag = response.to.tag();
                    let is_copy = |fork: &&Fork| fork.tag.as_ref() == tag;
                    match forks.iter().find(is_copy).filter(|_| response.is_success()) {
                        Some(fork) => Verdict::Again { ack: fork.ack.clone(), to: fork.to.clone() },
                        None => Verdict::Pass { owner, is_invite: true },
                    }
                }
            }
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

    /// The peer of this INVITE is registered by its destination's flow: dialogs stay on it.
    pub fn stay_on_flow(&mut self, key: ClientKey) {
        self.clients.with(key, |entry| {
            if let ClientMachine::Invite { stays_on_flow, .. } = &mut entry.machine {
                *stays_on_flow = true;
            }
        });
    }

    /// The INVITE of a transaction, without its body, and the dialog that this response to it makes.
    pub fn dialog_of(&mut self, key: ClientKey, response: &Response) -> Option<(Request, Dialog)> {
        self.clients.with(key, |entry| {
            let ClientMachine::Invite { request, stays_on_flow, .. } = &entry.machine else {
                return None;
            };
            let mut dialog = Dialog::from_response(request, response, entry.destination.clone());
            if *stays_on_flow {
                dialog.stay_on_flow();
            }
            Some((Request::clone(request), dialog))
        })?
    }

    /// The ACK of a 3xx–6xx is part of the transaction (§17.1.1.3).
    fn acknowledge_refusal(&mut self, key: ClientKey, response: &Response) {
        let sent = self.clients.with(key, |entry| {
            let ClientMachine::Invite { machine, request, .. } = &mut entry.machine else {
                return None;
            };
            let mut ack = hop_by_hop(request, Method::Ack);
            ack.to = response.to.clone();
            let bytes = ack.to_bytes();
            machine.acknowledged(&bytes);
            Some((bytes, entry.to.clone()))
        });
        if let Some((bytes, to)) = sent.flatten() {
            self.outbox.send(to, &bytes, SendToken::NOBODY);
        }
    }

    /// Remembers the ACK of a 2xx for its copies.
    pub fn remember_ack(&mut self, key: ClientKey, response: &Response, ack: &(Vec<u8>, SendTo)) {
        let (bytes, to) = ack;
        self.clients.with(key, |entry| {
            if let ClientMachine::Invite { forks, .. } = &mut entry.machine
                && forks.len() < FORKS_MAX
            {
                let (tag, ack) = (response.to.tag().cloned(), bytes.as_slice().into());
                forks.push(Fork { tag, ack, to: to.clone() });
            }
        });
    }

    /// Acknowledges a 2xx that no session waits for, and ends its dialog at once (§13.2.2.4).
    fn end_fork(&mut self, now: Now, key: ClientKey, response: &Response) {
        let Some((invite, mut dialog)) = self.dialog_of(key, response) else { return };
        self.meters.forks_ended += 1;
        dialog.skip_early_numbers();
        let hop = dialog.next_hop();
        let ack = dialog.ack(invite.cseq.number);
        let ack = self.send_ack(ack, &hop, None);
        self.remember_ack(key, response, &ack);
        let bye = dialog.request(Method::Bye);
        self.start(now, bye, hop, None);
    }

    /// Cancels an INVITE now, or as soon as a provisional response shows that it arrived (§9.1).
    /// Its session gets none of its responses any more; a 2xx that is quicker is acknowledged and
    /// ended.
    pub fn abandon_invite(&mut self, now: Now, key: ClientKey, headers: Vec<ExtraHeader>) {
        let may_cancel = self.clients.with(key, |entry| {
            entry.is_orphan = true;
            match &mut entry.machine {
                ClientMachine::Invite { machine, cancel, .. } if machine.is_open() => {
                    *cancel = CancelState::Waiting(headers);
                    !machine.is_calling()
                }
                ClientMachine::Invite { .. } | ClientMachine::Other(_) => false,
            }
        });
        if may_cancel == Some(true) {
            self.send_waiting_cancel(now, key);
        }
    }

    /// Detaches a transaction from its session, which no longer waits for its outcome.
    pub fn orphan(&mut self, key: ClientKey) {
        self.clients.with(key, |entry| entry.is_orphan = true);
    }

    /// Bounds the life of an INVITE that nobody waits for: its peer may be gone.
    pub fn expire_orphan(&mut self, now: Now, key: ClientKey) {
        let patience = self.config.timers.transaction_timeout();
        self.clients.with(key, |entry| {
            if let ClientMachine::Invite { machine, .. } = &mut entry.machine
                && entry.is_orphan
            {
                machine.expire_after(now.mono, patience);
            }
        });
    }

    /// Sends the CANCEL that waited for a provisional response, if there is one.
    fn send_waiting_cancel(&mut self, now: Now, key: ClientKey) {
        let timers = self.config.timers;
        let prepared = self.clients.with(key, |entry| {
            let ClientMachine::Invite { machine, request, cancel, .. } = &mut entry.machine else {
                return None;
            };
            match std::mem::replace(cancel, CancelState::Sent) {
                CancelState::Waiting(headers) => {
                    machine.expire_after(now.mono, timers.transaction_timeout());
                    let cancel = hop_by_hop(request, Method::Cancel);
                    Some((cancel, headers, entry.destination.clone(), entry.session))
                }
                before @ (CancelState::NotWanted | CancelState::Sent) => {
                    *cancel = before;
                    None
                }
            }
        });
        let Some((mut request, headers, destination, session)) = prepared.flatten() else { return };
        self.add_headers(&mut request.headers, &headers);
        let bytes = request.to_bytes();
        let is_reliable = destination.transport.is_reliable();
        let machine = OtherClient::new(now.mono, &timers, is_reliable, &bytes);
        self.outbox.trace_sent(session, &request, &destination);
        let key = ClientKey { is_cancel: true, ..key };
        self.insert_client(key, ClientMachine::Other(machine), destination, None, &bytes);
    }
}

/// ACK of a refusal and CANCEL repeat the INVITE's path, addresses and number (§9.1, §17.1.1.3).
fn hop_by_hop(invite: &Request, method: Method) -> Request {
    let mut request = Request::new(
        method,
        invite.uri.clone(),
        invite.from.clone(),
        invite.to.clone(),
        invite.call_id.clone(),
        invite.cseq.number,
    );
    request.via = invite.via.clone();
    request.route = invite.route.clone();
    request
}
