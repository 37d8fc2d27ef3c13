//! Sessions that begin with an INVITE from the peer, up to our final response (RFC 3261 §13.3). Sans-IO.
//!
//! `admit` makes the session, after the layer above has authenticated the sender. The session rings until
//! the final response. It keeps the offer and answers it in the first response with SDP: a 183 for early
//! media, else the
//! 200. Later responses repeat that answer unchanged. A reliable 1xx without its PRACK holds back
//! what follows it; `Reliable` queues that (RFC 3262).

use shared::{Header, NegotiatedMedia, Now, Refusal};

use super::UserAgent;
use super::core::Core;
use super::credentials::Login;
use super::event::{EndCause, TraceDirection, UaEvent};
use super::incoming::Incoming;
use super::media::SessionMedia;
use super::objection::sdp_of;
use super::pending_requests::PendingRequests;
use super::referrals::Referrals;
use super::responses::Shape;
use super::session::{PROVISIONAL_REFRESH, Ringing, Session, State, Talking, Unacknowledged};
use super::timer::SessionTimer;
use super::tokens::tag_text;
use crate::dialog::Dialog;
use crate::flow::{Flow, SendToken};
use crate::ids::SessionId;
use crate::message::{Method, Request};
use crate::offer_answer::LocalMedia;
use crate::sdp;
use crate::sdp::SdpRefusal;
use crate::transaction::ServerKey;

impl UserAgent {
    /// `Command::Admit`. The first state that a request makes: the layer above has authenticated
    /// its sender.
    pub(super) fn admit(&mut self, now: Now, incoming: Incoming, id: SessionId) {
        let key = self.core.servers.key_of(&incoming.request);
        let key = key.filter(|key| !self.core.servers.contains(*key));
        let (Some(key), false) = (key, self.sessions.contains(id)) else {
            // A copy was admitted while this one waited: the first answers for both.
            let sentence = "the same INVITE is being served already";
            let refusal = Refusal::silent("invite_copy", sentence);
            return self.core.refuse_admission(now, id, &incoming, refusal);
        };
        let mut incoming = incoming;
        if let Err(refusal) = incoming.choose_extensions(incoming.extensions) {
            return self.core.refuse_admission(now, id, &incoming, refusal);
        }
        if incoming.request.method != Method::Invite {
            let refusal = Refusal::new("not_an_invite", 405, "only an INVITE begins a session");
            return self.core.refuse_admission(now, id, &incoming, refusal);
        }
        if !self.core.has_room_for(incoming.flow) {
            self.core.meters.transactions_refused += 1;
            let seconds = 5 + self.core.tokens.below(26);
            let refusal = Refusal::new("server_transactions", 503, "no room for a transaction")
                .retry_after(seconds);
            return self.core.refuse_admission(now, id, &incoming, refusal);
        }
        self.begin_ringing(now, incoming, id, key);
    }

    fn begin_ringing(&mut self, now: Now, incoming: Incoming, id: SessionId, key: ServerKey) {
        let Incoming { flow, mut request, objection: _, extensions } = incoming;
        let tag = self.core.tokens.fresh();
        self.core.servers.begin_invite(key, id, flow, &request, true);
        let peer = (flow.remote, flow.transport);
        self.core.outbox.trace(id, TraceDirection::Received, request.method.to_string(), peer);
        let trying = self.core.response(&request, 100, Shape::default());
        self.core.respond(now, key, &trying);
        let media_id = self.core.tokens.media_id();
        let offer = sdp_of(&request.headers, &request.body).ok().flatten().map(<[u8]>::to_vec);
        // The session keeps the SDP above; the rest of the body would only take memory while the
        // call rings.
        request.body = Vec::new();
        let ringing = Ringing {
            dialog: Dialog::from_invite(&request, tag_text(tag), flow),
            contact: self.core.contact(&tag.to_string(), flow.local, flow.transport),
            media: SessionMedia::new(media_id),
            offer,
            answer: None,
            refresh: None,
            reliable: self.core.tokens.reliable(extensions, &request),
            is_settled: false,
            request,
            key,
        };
        let state = State::Ringing(Box::new(ringing));
        self.sessions.insert(Session { id, tag, state, extensions });
    }
}

impl Core {
    fn refuse_admission(
        &mut self,
        now: Now,
        session: SessionId,
        incoming: &Incoming,
        refusal: Refusal,
    ) {
        self.reject_stateless(now, incoming, &refusal, Vec::new(), true);
        self.outbox.emit(UaEvent::Refused { session, refusal });
    }
}

impl Session {
    /// `Command::Progress`.
    pub(super) fn progress(
        &mut self,
        core: &mut Core,
        now: Now,
        status: u16,
        media: Option<LocalMedia>,
        headers: &[Header],
    ) -> bool {
        let tag = self.tag_text();
        let State::Ringing(ringing) = &mut self.state else { return false };
        if !(101..=199).contains(&status) {
            return false;
        }
        let has_sdp = (media.is_some() || ringing.answer.is_some()) && !ringing.is_settled;
        let reliable = ringing.reliable.as_mut().filter(|reliable| reliable.takes(has_sdp));
        let is_reliable = reliable.is_some();
        if reliable.is_some_and(|reliable| reliable.queue(status, media.as_ref(), headers)) {
            return true;
        }
        let is_ours = ringing.offer.is_none() && is_reliable && ringing.media.local().is_none();
        if let Some(local) = media.as_ref().filter(|_| is_ours) {
            ringing.answer = Some(ringing.media.offer(local));
        }
        let is_wanted = ringing.offer.is_some() && ringing.answer.is_none();
        if let Some(local) = media.filter(|_| is_wanted && !ringing.is_settled) {
            match ringing.answer_offer(&local) {
                Ok(media) => core.outbox.emit(UaEvent::Negotiated { session: self.id, media }),
                Err(refusal) => {
                    self.refuse_offer(core, now, refusal);
                    return true;
                }
            }
        }
        let State::Ringing(ringing) = &mut self.state else { return false };
        let sdp = ringing.answer.as_deref().filter(|_| !ringing.is_settled);
        let mut all = headers.to_vec();
        if let Some(reliable) = ringing.reliable.as_ref().filter(|_| is_reliable) {
            all.extend(reliable.headers());
            all.extend(super::extensions::headers(self.extensions));
        }
        let shape = Shape {
            tag: Some(tag),
            contact: Some(ringing.contact.clone()),
            headers: &all,
            sdp,
            ..Shape::default()
        };
        let has_sdp = sdp.is_some();
        let response = core.response(&ringing.request, status, shape);
        let (bytes, _) = core.respond(now, ringing.key, &response);
        match ringing.reliable.as_mut().filter(|_| is_reliable) {
            // `Reliable` repeats it until its PRACK comes, so it needs no refresh.
            Some(reliable) => reliable.sent(now.mono, &core.config.timers, &bytes, has_sdp),
            None => ringing.refresh = Some((now.mono + PROVISIONAL_REFRESH, bytes)),
        }
        true
    }

    /// `Command::Answer`.
    pub(super) fn answer(
        &mut self,
        core: &mut Core,
        now: Now,
        local: &LocalMedia,
        headers: &[Header],
    ) -> bool {
        let State::Ringing(ringing) = &mut self.state else { return false };
        if ringing.reliable.as_mut().is_some_and(|reliable| reliable.queue_answer(local, headers)) {
            return true;
        }
        let sdp = match (ringing.answer.take(), ringing.offer.is_some()) {
            _ if ringing.is_settled => None,
            (Some(early), _) => Some(early),
            (None, false) => Some(ringing.media.offer(local)),
            (None, true) => match ringing.answer_offer(local) {
                Ok(media) => {
                    core.outbox.emit(UaEvent::Negotiated { session: self.id, media });
                    ringing.answer.take()
                }
                Err(refusal) => {
                    self.refuse_offer(core, now, refusal);
                    return true;
                }
            },
        };
        let tag = self.tag_text();
        if let State::Ringing(ringing) = std::mem::replace(&mut self.state, State::Gone) {
            let mut all = super::extensions::headers(self.extensions);
            all.extend_from_slice(headers);
            let agreed = SessionTimer::of_request(now.mono, self.extensions, &ringing.request);
            let (timer, of_timer) = agreed.unzip();
            all.extend(of_timer.unwrap_or_default());
            let shape = Shape {
                tag: Some(tag),
                contact: Some(ringing.contact.clone()),
                headers: &all,
                sdp: sdp.as_deref(),
                ..Shape::default()
            };
            let response = core.response(&ringing.request, 200, shape);
            let sent = core.respond(now, ringing.key, &response);
            let mut waits = core.await_ack(now, &ringing.request, sent);
            if let Some(waits) = &mut waits {
                waits.is_first = true;
                waits.wants_answer = ringing.offer.is_none() && !ringing.is_settled;
            }
            let allowed = ringing.request.headers.clone();
            let mut talking = ringing.into_talking(waits);
            talking.timer = timer;
            talking.note_methods(self.extensions, &allowed);
            self.state = State::Talking(Box::new(talking));
        }
        true
    }

    /// `Command::Reject`.
    pub(super) fn reject(
        &mut self,
        core: &mut Core,
        now: Now,
        status: u16,
        reason: &str,
        headers: &[Header],
    ) -> bool {
        let tag = Some(self.tag_text());
        let State::Ringing(ringing) = &self.state else { return false };
        let status = if (300..=699).contains(&status) { status } else { 500 };
        let shape = Shape { reason, tag, headers, ..Shape::default() };
        let response = core.response(&ringing.request, status, shape);
        core.respond(now, ringing.key, &response);
        self.state = State::Gone;
        true
    }

    /// The peer's CANCEL, already answered 200; `key` is the INVITE it means.
    pub(super) fn canceled(&mut self, core: &mut Core, now: Now, key: ServerKey, cancel: &Request) {
        match &mut self.state {
            State::Ringing(_) => {
                self.reject(core, now, 487, "", &[]);
                let reason = reason_text(cancel);
                core.outbox.emit(UaEvent::Canceled { session: self.id, reason });
            }
            State::Talking(talking) => {
                // The CANCEL of a re-INVITE leaves the session as it was.
                if let Some(offer) = talking.peer_offer.take_if(|offer| offer.key == key) {
                    let response = core.response(&offer.request, 487, Shape::default());
                    core.respond(now, key, &response);
                }
            }
            State::Calling(_) | State::Ending(_) | State::Gone => {}
        }
    }

    /// A request in the early dialog.
    pub(super) fn receive_while_ringing(
        &mut self,
        core: &mut Core,
        now: Now,
        flow: Flow,
        request: &Request,
    ) {
        let id = Some(self.id);
        if request.method == Method::Bye {
            core.respond_remembered(now, flow, request, id, 200, Shape::default());
            self.reject(core, now, 487, "", &[]);
            let reason = reason_text(request);
            return core.outbox.emit(UaEvent::Canceled { session: self.id, reason });
        }
        self.receive_early(core, now, flow, request);
    }

    /// Repeats the last provisional response, or a reliable one that has no PRACK.
    pub(super) fn refresh_ringing(&mut self, core: &mut Core, now: Now, ringing: Box<Ringing>) {
        self.state = State::Ringing(ringing);
        if !self.resend_reliable(core, now) {
            return;
        }
        let State::Ringing(ringing) = &mut self.state else { return };
        if let Some((at, bytes)) = &mut ringing.refresh
            && now.mono >= *at
        {
            *at = now.mono + PROVISIONAL_REFRESH;
            if let Some(reply) = core.servers.reply(ringing.key) {
                let to = core.reply_to(reply);
                core.outbox.send(to, bytes, SendToken::NOBODY);
            }
        }
    }

    /// `Command::Refuse`.
    pub(super) fn refuse(&mut self, core: &mut Core, now: Now, refusal: &Refusal) -> bool {
        let status = refusal.status.unwrap_or(500);
        let mut headers = Vec::new();
        core.add_reasons(refusal, &mut headers, true);
        if status == 415 {
            headers.push(Header::new("Accept", sdp::MEDIA_TYPE));
        }
        self.reject(core, now, status, "", &headers)
    }

    fn refuse_offer(&mut self, core: &mut Core, now: Now, refusal: SdpRefusal) {
        let refusal = refusal.refusal();
        self.refuse(core, now, &refusal);
        core.outbox.emit(UaEvent::Refused { session: self.id, refusal });
    }
}

impl Ringing {
    fn answer_offer(&mut self, local: &LocalMedia) -> Result<NegotiatedMedia, SdpRefusal> {
        let offer = self.offer.as_deref().unwrap_or_default();
        let (answer, media) = self.media.answer(offer, local)?;
        self.answer = Some(answer);
        Ok(media)
    }

    fn into_talking(self, unacknowledged: Option<Unacknowledged>) -> Talking {
        Talking {
            dialog: self.dialog,
            contact: self.contact,
            media: self.media,
            unacknowledged,
            peer_offer: None,
            own_offer: None,
            bye_wanted: None,
            login: Login::default(),
            is_caller: false,
            pending: PendingRequests::default(),
            referrals: Referrals::default(),
            timer: None,
            peer_updates: false,
            metadata: None,
        }
    }
}

/// The `Reason` header of a BYE or CANCEL as text.
pub(super) fn reason_text(request: &Request) -> Option<String> {
    request.headers.get("Reason").map(|value| value.to_lossy().into_owned())
}

/// `Command::Bye` before our final response: 480.
pub(super) fn hang_up_ringing(
    session: &mut Session,
    core: &mut Core,
    now: Now,
    headers: &[Header],
) {
    session.reject(core, now, 480, "", headers);
    session.end(core, EndCause::LocalBye, None);
}
