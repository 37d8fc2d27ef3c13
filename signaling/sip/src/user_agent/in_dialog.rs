//! Requests and responses in a confirmed dialog, and its end (RFC 3261 §12.2, §14.2, §15). Sans-IO.
//!
//! Several exchanges can be open in `Talking`, and each holds back others by its own rule. Our first 2xx
//! without an ACK delays our BYE and our REFER. An offer of the peer that waits for the layer above
//! (`peer_offer`) gives further offers 500, and an open offer of our own gives them 491 (§14.2).
//! `Talking::let_go` closes all of them when the dialog ends, so that no request of the peer stays
//! without a final response.
//!
//! `Ending` lasts from our BYE to its final response. An end by a fault (`end_with_bye`) skips it: the
//! session is over at once, and its BYE goes on as an orphan.

use shared::{Extensions, Header, Now};

use super::core::Core;
use super::event::{EndCause, UaEvent};
use super::objection::{method_not_served, objection_in_dialog, sdp_of};
use super::responses::Shape;
use super::session::{
    Ending, OwnOfferStage, PEER_OFFER_PATIENCE, PeerOffer, Session, State, Talking, Unacknowledged,
};
use super::stateless::capabilities;
use super::timer::SessionTimer;
use super::uas::{hang_up_ringing, reason_text};
use crate::dialog::Order;
use crate::flow::{Flow, SendToken};
use crate::ids::SessionId;
use crate::message::{Method, Request, Response};
use crate::objection::Objection;
use crate::offer_answer::LocalMedia;
use crate::sdp::SdpRefusal;
use crate::transaction::{ClientKey, ServerKey};

impl Session {
    /// A request in this session's dialog. ACK and CANCEL have functions of their own.
    pub(super) fn receive(&mut self, core: &mut Core, now: Now, flow: Flow, request: Request) {
        let id = Some(self.id);
        if let Some(objection) = in_dialog_objection(&request, self.extensions) {
            core.meters.methods_refused += 1;
            let status = objection.refusal.status.unwrap_or(500);
            let shape = Shape { headers: &objection.headers, ..Shape::default() };
            return core.respond_remembered(now, flow, &request, id, status, shape);
        }
        if request.method == Method::Options {
            let headers = capabilities(self.extensions);
            let shape = Shape { headers: &headers, ..Shape::default() };
            return core.respond_remembered(now, flow, &request, id, 200, shape);
        }
        match &mut self.state {
            State::Ringing(_) => self.receive_while_ringing(core, now, flow, &request),
            State::Talking(_) => self.receive_while_talking(core, now, flow, request),
            // Both sides hung up at once.
            State::Ending(_) if request.method == Method::Bye => {
                core.respond_remembered(now, flow, &request, id, 200, Shape::default());
            }
            State::Calling(_) => self.receive_while_inviting(core, now, flow, &request),
            State::Ending(_) | State::Gone => {
                core.respond_remembered(now, flow, &request, id, 481, Shape::default());
            }
        }
    }

    /// Whether this session waits for the outcome of a client transaction.
    pub(super) fn waits_for(&self, key: ClientKey) -> bool {
        match &self.state {
            State::Calling(calling) => calling.transaction == key,
            State::Talking(talking) => {
                talking.own_transaction().is_some_and(|(own, _)| own == key)
                    || talking.pending.contains(key)
            }
            State::Ending(ending) => ending.transaction == key,
            State::Ringing(_) | State::Gone => false,
        }
    }

    /// A response to the request that this session waits for.
    pub(super) fn receive_response(
        &mut self,
        core: &mut Core,
        now: Now,
        key: ClientKey,
        response: Response,
    ) {
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Calling(calling) => self.receive_while_calling(core, now, calling, response),
            State::Talking(talking) => {
                self.state = State::Talking(talking);
                if !self.receive_pending_response(core, now, key, &response) {
                    self.receive_reoffer_response(core, now, key, response);
                }
            }
            State::Ending(ending) => self.receive_while_ending(core, now, ending, response),
            state @ (State::Ringing(_) | State::Gone) => self.state = state,
        }
    }

    /// A request of this session got no response, or could not be sent.
    pub(super) fn request_failed(
        &mut self,
        core: &mut Core,
        now: Now,
        key: ClientKey,
        status: u16,
    ) {
        if !self.waits_for(key) || self.pending_failed(core, now, key, status) {
            return;
        }
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Calling(calling) => self.invite_failed(core, now, calling, status),
            // A peer that does not answer in the dialog has lost it (RFC 3261 §12.2.1.2).
            State::Talking(mut talking) => {
                talking.media.withdraw_offer();
                talking.own_offer = None;
                core.outbox.emit(UaEvent::ReofferRefused { session: self.id, status });
                self.end_with_bye(core, now, *talking, EndCause::DialogLost { status });
            }
            State::Ending(ending) => self.end(core, ending.cause, None),
            state @ (State::Ringing(_) | State::Gone) => self.state = state,
        }
    }

    /// The ACK for our 2xx.
    pub(super) fn receive_ack(&mut self, core: &mut Core, now: Now, ack: &Request) {
        let State::Talking(talking) = &mut self.state else {
            core.meters.acks_stray += 1;
            return;
        };
        let is_meant = |waits: &mut Unacknowledged| waits.cseq == ack.cseq.number;
        let Some(waits) = talking.unacknowledged.take_if(is_meant) else { return };
        let outcome = if waits.wants_answer {
            // A missing answer fails like an unreadable one.
            let answer = sdp_of(&ack.headers, &ack.body).map(Option::unwrap_or_default);
            answer.and_then(|answer| talking.media.accept_answer(answer)).map(Some)
        } else {
            Ok(None)
        };
        match outcome {
            Err(error) => {
                if let State::Talking(talking) = std::mem::replace(&mut self.state, State::Gone) {
                    let cause = EndCause::BadAnswer { status: None, reason: error.to_string() };
                    self.end_with_bye(core, now, *talking, cause);
                }
            }
            Ok(media) => {
                let session = self.id;
                match (waits.is_first, media) {
                    (true, media) => core.outbox.emit(UaEvent::Confirmed { session, media }),
                    (false, Some(media)) => {
                        core.outbox.emit(UaEvent::Renegotiated { session, media })
                    }
                    (false, None) => {}
                }
                self.send_wanted_bye(core, now);
                self.send_wanted_refer(core, now);
            }
        }
    }

    /// `Command::Bye`, in any state.
    pub(super) fn hang_up(&mut self, core: &mut Core, now: Now, headers: Vec<Header>) -> bool {
        match &mut self.state {
            State::Ringing(_) => {
                hang_up_ringing(self, core, now, &headers);
                true
            }
            State::Calling(_) => self.cancel(core, now, headers),
            State::Talking(talking) => {
                let waits = talking.unacknowledged.as_ref().is_some_and(|waits| waits.is_first);
                talking.bye_wanted = Some(headers);
                // A callee sends no BYE before the ACK of its 2xx (RFC 3261 §15).
                if !waits {
                    self.send_wanted_bye(core, now);
                }
                true
            }
            State::Ending(_) | State::Gone => false,
        }
    }

    /// `Command::AnswerOffer`.
    pub(super) fn answer_offer(
        &mut self,
        core: &mut Core,
        now: Now,
        answer: Result<LocalMedia, u16>,
    ) -> bool {
        let State::Talking(talking) = &mut self.state else { return false };
        let Some(offer) = talking.peer_offer.take() else { return false };
        let answered = match answer {
            Ok(local) => talking.media.answer(&offer.sdp, &local),
            Err(status) => {
                let status = if (300..=699).contains(&status) { status } else { 488 };
                let response = core.response(&offer.request, status, Shape::default());
                core.respond(now, offer.key, &response);
                return true;
            }
        };
        match answered {
            Ok((sdp, media)) => {
                // Before the 200, so that media is ready when the peer reads the answer.
                core.outbox.emit(UaEvent::Renegotiated { session: self.id, media });
                let extensions = self.extensions;
                talking.accept_offer(core, now, extensions, &offer.request, offer.key, Some(&sdp));
            }
            Err(error) => core.refuse_offer(now, self.id, &offer.request, offer.key, error),
        }
        true
    }

    /// A deadline of a confirmed dialog.
    pub(super) fn handle_talking_timeout(
        &mut self,
        core: &mut Core,
        now: Now,
        mut talking: Box<Talking>,
    ) {
        if let Some(waits) = &mut talking.unacknowledged {
            if now.mono >= waits.give_up_at {
                core.meters.acks_missing += 1;
                return self.end_with_bye(core, now, *talking, EndCause::AckTimeout);
            }
            if now.mono >= waits.resend.at {
                waits.resend = waits.resend.next(now.mono);
                core.meters.retransmissions_sent += 1;
                let to = core.reply_to(waits.reply);
                core.outbox.send(to, &waits.response, SendToken::NOBODY);
            }
        }
        if let Some(offer) = talking.peer_offer.take_if(|offer| now.mono >= offer.give_up_at) {
            let response = core.response(&offer.request, 500, Shape::default());
            core.respond(now, offer.key, &response);
        }
        self.state = State::Talking(talking);
        self.retry_reoffer(core, now);
        self.give_up_referral(core, now);
        self.session_timer_due(core, now);
    }

    /// Ends the session with a BYE, without waiting for its response.
    pub(super) fn end_with_bye(
        &mut self,
        core: &mut Core,
        now: Now,
        mut talking: Talking,
        cause: EndCause,
    ) {
        talking.let_go(core, now);
        let hop = talking.dialog.next_hop();
        let mut bye = talking.dialog.request(Method::Bye);
        core.authorize(&mut bye, talking.login.authorization());
        core.outbox.trace_sent(Some(self.id), &bye, &hop);
        let transaction = core.start(now, bye, hop, Some(self.id));
        core.clients.orphan(transaction);
        self.end(core, cause, None);
    }

    fn receive_while_talking(&mut self, core: &mut Core, now: Now, flow: Flow, request: Request) {
        let State::Talking(talking) = &mut self.state else { return };
        if talking.dialog.take(request.cseq.number) == Order::OutOfOrder {
            core.meters.out_of_order += 1;
            let shape = Shape { reason: "CSeq Out Of Order", ..Shape::default() };
            return core.respond_remembered(now, flow, &request, Some(self.id), 500, shape);
        }
        talking.dialog.heard_on(flow, &request.via);
        match request.method {
            Method::Bye => self.receive_bye(core, now, flow, request),
            Method::Update => self.receive_update(core, now, flow, request),
            Method::Info => self.receive_info(core, now, flow, &request),
            Method::Refer => self.receive_refer(core, now, flow, request),
            Method::Notify => self.receive_notify(core, now, flow, &request),
            // The 200 waits for the PRACK of every reliable response, so none can still be open.
            Method::Prack => {
                let id = Some(self.id);
                core.respond_remembered(now, flow, &request, id, 481, Shape::default());
            }
            _ => self.receive_reinvite(core, now, flow, request),
        }
    }

    fn receive_bye(&mut self, core: &mut Core, now: Now, flow: Flow, bye: Request) {
        core.respond_remembered(now, flow, &bye, Some(self.id), 200, Shape::default());
        if let State::Talking(talking) = &mut self.state {
            talking.let_go(core, now);
        }
        let reason = reason_text(&bye);
        self.end(core, EndCause::RemoteBye { reason }, Some(bye.headers));
    }

    fn receive_reinvite(&mut self, core: &mut Core, now: Now, flow: Flow, request: Request) {
        let State::Talking(talking) = &mut self.state else { return };
        let Some(key) = core.begin_reinvite(self.id, flow, &request) else { return };
        if let Some(status) = talking.is_busy() {
            let retry = core.tokens.below(10).to_string();
            let retry = [Header::new("Retry-After", retry)];
            let headers: &[Header] = if status == 500 { &retry } else { &[] };
            let shape = Shape { headers, ..Shape::default() };
            let response = core.response(&request, status, shape);
            core.respond(now, key, &response);
            return;
        }
        // A request in the dialog proves that the peer has our 2xx, even where its ACK was lost or
        // overtaken.
        if let Some(waits) = talking.unacknowledged.take()
            && waits.is_first
        {
            core.outbox.emit(UaEvent::Confirmed { session: self.id, media: None });
        }
        self.consider_reinvite(core, now, request, key);
    }

    /// UPDATE (RFC 3311): an offer like that of a re-INVITE, or a refresh alone.
    fn receive_update(&mut self, core: &mut Core, now: Now, flow: Flow, request: Request) {
        let id = self.id;
        let State::Talking(talking) = &mut self.state else { return };
        let has_offer = !matches!(sdp_of(&request.headers, &request.body), Ok(None));
        if let Some(status) = talking.is_busy().filter(|_| has_offer) {
            return core.refuse_later(now, flow, &request, id, status);
        }
        if let Some(key) = core.begin_other(id, flow, &request) {
            self.consider_reinvite(core, now, request, key);
        }
    }

    fn consider_reinvite(&mut self, core: &mut Core, now: Now, request: Request, key: ServerKey) {
        let extensions = self.extensions;
        let State::Talking(talking) = &mut self.state else { return };
        talking.note_methods(extensions, &request.headers);
        let is_update = request.method == Method::Update;
        let sdp = match sdp_of(&request.headers, &request.body) {
            Ok(sdp) => sdp.map(<[u8]>::to_vec),
            Err(error) => return core.refuse_offer(now, self.id, &request, key, error),
        };
        let Some(sdp) = sdp else {
            let offer = if is_update { None } else { talking.media.offer_again() };
            let offer = offer.as_deref();
            return talking.accept_offer(core, now, extensions, &request, key, offer);
        };
        if let Some(answer) = talking.media.refresh(&sdp) {
            return talking.accept_offer(core, now, extensions, &request, key, Some(&answer));
        }
        match talking.media.offered_direction(&sdp) {
            Ok(direction) => {
                // Only an INVITE may stay without a final response for long (RFC 3261 §17.2.2, RFC
                // 4320).
                if !is_update {
                    let trying = core.response(&request, 100, Shape::default());
                    core.respond(now, key, &trying);
                }
                let give_up_at = now.mono + PEER_OFFER_PATIENCE;
                talking.peer_offer = Some(PeerOffer { request, sdp, key, give_up_at });
                core.outbox.emit(UaEvent::Offer { session: self.id, direction });
            }
            Err(error) => core.refuse_offer(now, self.id, &request, key, error),
        }
    }

    fn send_wanted_bye(&mut self, core: &mut Core, now: Now) {
        let State::Talking(talking) = &mut self.state else { return };
        let Some(headers) = talking.bye_wanted.take() else { return };
        if let State::Talking(mut talking) = std::mem::replace(&mut self.state, State::Gone) {
            talking.let_go(core, now);
            let mut ending = Box::new(Ending {
                transaction: ClientKey { branch: 0, is_cancel: false },
                cause: EndCause::LocalBye,
                dialog: talking.dialog,
                login: talking.login,
                headers,
                was_challenged: false,
            });
            self.send_bye(core, now, &mut ending);
            self.state = State::Ending(ending);
        }
    }

    fn send_bye(&mut self, core: &mut Core, now: Now, ending: &mut Ending) {
        let hop = ending.dialog.next_hop();
        let mut bye = ending.dialog.request(Method::Bye);
        core.add_headers(&mut bye.headers, &ending.headers);
        core.authorize(&mut bye, ending.login.authorization());
        core.outbox.trace_sent(Some(self.id), &bye, &hop);
        ending.transaction = core.start(now, bye, hop, Some(self.id));
    }

    fn receive_while_ending(
        &mut self,
        core: &mut Core,
        now: Now,
        mut ending: Box<Ending>,
        response: Response,
    ) {
        if response.is_provisional() {
            self.state = State::Ending(ending);
            return;
        }
        // A second challenge means that the credentials are wrong.
        if ending.was_challenged || !ending.login.take_challenge(&response) {
            return self.end(core, ending.cause, Some(response.headers));
        }
        ending.was_challenged = true;
        self.send_bye(core, now, &mut ending);
        self.state = State::Ending(ending);
    }
}

impl Core {
    /// Refuses an offer in a dialog. The peer has authenticated, so it gets the sentence too.
    fn refuse_offer(
        &mut self,
        now: Now,
        session: SessionId,
        request: &Request,
        key: ServerKey,
        error: SdpRefusal,
    ) {
        let refusal = error.refusal();
        let mut headers = Vec::new();
        self.add_reasons(&refusal, &mut headers, true);
        let shape = Shape { headers: &headers, ..Shape::default() };
        let response = self.response(request, error.status, shape);
        self.respond(now, key, &response);
        let method = if request.method == Method::Update { "UPDATE" } else { "INVITE" };
        self.outbox.emit(UaEvent::OfferRefused { session, method, refusal });
    }
}

impl Talking {
    /// The transaction and CSeq of our re-INVITE that has no final response.
    pub(super) fn own_transaction(&self) -> Option<(ClientKey, u32)> {
        match self.own_offer.as_ref()?.stage {
            OwnOfferStage::Sent { transaction, cseq } => Some((transaction, cseq)),
            OwnOfferStage::Waiting { .. } => None,
        }
    }

    /// The status that refuses an offer for now (§14.2): 491 while our offer is open, 500 while an
    /// earlier one of the peer is.
    fn is_busy(&self) -> Option<u16> {
        if self.own_transaction().is_some() || self.media.has_offered() {
            Some(491)
        } else if self.peer_offer.is_some() {
            Some(500)
        } else {
            None
        }
    }

    /// Answers a re-INVITE or UPDATE with 200; `sdp` is our answer, or our offer where it has none.
    fn accept_offer(
        &mut self,
        core: &mut Core,
        now: Now,
        extensions: Extensions,
        request: &Request,
        key: ServerKey,
        sdp: Option<&[u8]>,
    ) {
        self.dialog.refresh_target(&request.contact);
        let mut headers = super::extensions::headers(extensions);
        let (timer, of_timer) = SessionTimer::of_request(now.mono, extensions, request).unzip();
        self.timer = timer;
        headers.extend(of_timer.unwrap_or_default());
        let contact = Some(self.contact.clone());
        let shape = Shape { contact, headers: &headers, sdp, ..Shape::default() };
        let response = core.response(request, 200, shape);
        let sent = core.respond(now, key, &response);
        if request.method != Method::Invite {
            return;
        }
        self.unacknowledged = core.await_ack(now, request, sent);
        if let Some(waits) = &mut self.unacknowledged {
            waits.wants_answer = self.media.has_offered();
        }
    }

    /// Ends the exchanges that are open in a dialog that ends.
    fn let_go(&mut self, core: &mut Core, now: Now) {
        if let Some(offer) = self.peer_offer.take() {
            let response = core.response(&offer.request, 487, Shape::default());
            core.respond(now, offer.key, &response);
        }
        if let Some((transaction, _)) = self.own_transaction() {
            core.clients.orphan(transaction);
            core.clients.expire_orphan(now.mono, transaction);
        }
        if let Some(referral) = self.referrals.take_unanswered() {
            let response = core.response(&referral.request, 481, Shape::default());
            core.respond(now, referral.key, &response);
        }
        for transaction in self.pending.drain() {
            core.clients.orphan(transaction);
        }
    }
}

/// The first rule that a request in a dialog breaks.
fn in_dialog_objection(request: &Request, extensions: Extensions) -> Option<Objection> {
    match super::extensions::serves(extensions, &request.method) {
        true => objection_in_dialog(request, extensions),
        false => Some(method_not_served(&request.method, extensions)),
    }
}
