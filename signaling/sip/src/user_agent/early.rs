//! Requests in early dialogs: PRACK (RFC 3262) and UPDATE (RFC 3311), as both sides. Sans-IO.
//!
//! [`Reliable`] knows which response waits for which PRACK. Here the session carries that
//! out, and exchanges offer and answer in PRACK and UPDATE before the final response.

use shared::{Header, NegotiatedMedia, Now, Refusal};

use super::core::Core;
use super::event::UaEvent;
use super::objection::sdp_of;
use super::reliable::{Due, Next, Reliable, rseq_of};
use super::responses::Shape;
use super::session::{Calling, EARLY_DIALOGS_MAX, EarlyDialog, Ringing, Session, State};
use crate::dialog::Order;
use crate::flow::{Flow, SendToken};
use crate::ids::SessionId;
use crate::message::{Method, Request, Response};
use crate::sdp;

impl Session {
    /// A request in the early dialog of the peer's INVITE.
    pub(super) fn receive_early(
        &mut self,
        core: &mut Core,
        now: Now,
        flow: Flow,
        request: &Request,
    ) {
        let id = Some(self.id);
        let State::Ringing(ringing) = &mut self.state else { return };
        if ringing.dialog.take(request.cseq.number) == Order::OutOfOrder {
            core.meters.out_of_order += 1;
            let shape = Shape { reason: "CSeq Out Of Order", ..Shape::default() };
            return core.respond_remembered(now, flow, request, id, 500, shape);
        }
        ringing.dialog.heard_on(flow, &request.via);
        match request.method {
            Method::Prack => self.receive_prack(core, now, flow, request),
            Method::Info => self.receive_info(core, now, flow, request),
            Method::Update => match ringing.answer_early_offer(request) {
                Ok((sdp, media)) => {
                    ringing.dialog.refresh_target(&request.contact);
                    let contact = Some(ringing.contact.clone());
                    let shape = Shape { contact, sdp: sdp.as_deref(), ..Shape::default() };
                    core.respond_remembered(now, flow, request, id, 200, shape);
                    if let Some(media) = media {
                        core.outbox.emit(UaEvent::Renegotiated { session: self.id, media });
                    }
                }
                Err(status) => {
                    core.refuse_later(now, flow, request, self.id, status);
                }
            },
            _ => core.refuse_later(now, flow, request, self.id, 500),
        }
    }

    fn receive_prack(&mut self, core: &mut Core, now: Now, flow: Flow, request: &Request) {
        let id = Some(self.id);
        let State::Ringing(ringing) = &mut self.state else { return };
        let invite = ringing.request.cseq.number;
        let reliable = ringing.reliable.as_mut();
        let confirmed = reliable.and_then(|reliable| reliable.confirm(&request.headers, invite));
        let Some(had_sdp) = confirmed else {
            return core.respond_remembered(now, flow, request, id, 481, Shape::default());
        };
        let answered = match ringing.media.has_offered() {
            true => ringing.take_answer_of_prack(request).map(|media| (None, media)),
            false => {
                ringing.is_settled |= had_sdp;
                ringing.answer_early_offer(request)
            }
        };
        match answered {
            Ok((sdp, media)) => {
                let shape = Shape { sdp: sdp.as_deref(), ..Shape::default() };
                core.respond_remembered(now, flow, request, id, 200, shape);
                if let Some(media) = media {
                    core.outbox.emit(UaEvent::Negotiated { session: self.id, media });
                }
            }
            // The response is still confirmed, and the media stay as they were.
            Err(status) => {
                core.respond_remembered(now, flow, request, id, status, Shape::default());
            }
        }
        self.send_next_reliable(core, now);
    }

    fn send_next_reliable(&mut self, core: &mut Core, now: Now) {
        let State::Ringing(ringing) = &mut self.state else { return };
        match ringing.reliable.as_mut().and_then(Reliable::next) {
            None => {}
            Some(Next::Answer(media, headers)) => {
                self.answer(core, now, &media, &headers);
            }
            Some(Next::Progress(status, media, headers)) => {
                self.progress(core, now, status, media, &headers);
            }
        }
    }

    /// Handles the deadline of a reliable response. `false`: no PRACK came, and the INVITE was
    /// refused.
    pub(super) fn resend_reliable(&mut self, core: &mut Core, now: Now) -> bool {
        let State::Ringing(ringing) = &mut self.state else { return true };
        let Some(reliable) = &mut ringing.reliable else { return true };
        match reliable.due(now.mono) {
            Due::Nothing => {}
            Due::Resend(bytes) => {
                if let Some(reply) = core.servers.reply(ringing.key) {
                    core.meters.retransmissions_sent += 1;
                    let to = core.reply_to(reply);
                    core.outbox.send(to, &bytes, SendToken::NOBODY);
                }
            }
            Due::GiveUp => {
                let sentence = "no PRACK came for our provisional response within 32 seconds";
                let refusal = Refusal::new("prack_timeout", 504, sentence);
                self.refuse(core, now, &refusal);
                core.outbox.emit(UaEvent::Refused { session: self.id, refusal });
                return false;
            }
        }
        true
    }

    /// A request in an early dialog of our INVITE.
    pub(super) fn receive_while_inviting(
        &mut self,
        core: &mut Core,
        now: Now,
        flow: Flow,
        request: &Request,
    ) {
        let id = Some(self.id);
        let State::Calling(calling) = &mut self.state else { return };
        let tag = request.from.tag();
        let at = calling.early_dialogs.iter().position(|early| early.dialog.has_remote_tag(tag));
        let known = at.and_then(|at| calling.early_dialogs.get_mut(at));
        let (Some(early), Method::Update) = (known, &request.method) else {
            return core.respond_remembered(now, flow, request, id, 481, Shape::default());
        };
        if early.dialog.take(request.cseq.number) == Order::OutOfOrder {
            core.meters.out_of_order += 1;
            return core.respond_remembered(now, flow, request, id, 500, Shape::default());
        }
        early.dialog.refresh_target(&request.contact);
        match calling.answer_update(request) {
            Ok((sdp, media)) => {
                let contact = Some(calling.contact.clone());
                let shape = Shape { contact, sdp: sdp.as_deref(), ..Shape::default() };
                core.respond_remembered(now, flow, request, id, 200, shape);
                if let Some(media) = media {
                    core.outbox.emit(UaEvent::Renegotiated { session: self.id, media });
                }
            }
            Err(status) => core.refuse_later(now, flow, request, self.id, status),
        }
    }
}

type Answered = Result<(Option<Vec<u8>>, Option<NegotiatedMedia>), u16>;

impl Ringing {
    /// Answers an offer in PRACK or UPDATE without changing our side. Without an offer there is no
    /// answer.
    fn answer_early_offer(&mut self, request: &Request) -> Answered {
        let sdp = sdp_of(&request.headers, &request.body).map_err(|refusal| refusal.status)?;
        let Some(offer) = sdp else { return Ok((None, None)) };
        let local = self.media.local().cloned().filter(|_| self.is_settled).ok_or(491_u16)?;
        let (answer, media) = self.media.answer(offer, &local).map_err(|refusal| refusal.status)?;
        Ok((Some(answer), Some(media)))
    }

    /// The answer to our offer in a reliable response.
    fn take_answer_of_prack(&mut self, request: &Request) -> Result<Option<NegotiatedMedia>, u16> {
        let sdp = sdp_of(&request.headers, &request.body).map_err(|refusal| refusal.status)?;
        let answer = sdp.ok_or(400_u16)?;
        let media = self.media.accept_answer(answer).map_err(|refusal| refusal.status)?;
        self.is_settled = true;
        Ok(Some(media))
    }
}

impl Calling {
    /// A provisional response with `Require: 100rel` gets a PRACK (§4). `false` for a copy or one
    /// out of order, which is to be ignored.
    pub(super) fn confirm(
        &mut self,
        core: &mut Core,
        now: Now,
        id: SessionId,
        response: &Response,
    ) -> bool {
        let Some(rseq) = rseq_of(response).filter(|_| self.invite.extensions.prack) else {
            return true;
        };
        let tag = response.to.tag();
        let at = self.early_dialogs.iter().position(|early| early.dialog.has_remote_tag(tag));
        let at = match at {
            Some(at) => at,
            None if self.early_dialogs.len() >= EARLY_DIALOGS_MAX => return true,
            None => {
                let Some((_, dialog)) = core.dialog_of(self.transaction, response) else {
                    return true;
                };
                self.early_dialogs.push(EarlyDialog { dialog, rseq: None });
                self.early_dialogs.len() - 1
            }
        };
        let answer = self.answer_reliable_offer(response);
        let Some(early) = self.early_dialogs.get_mut(at) else { return true };
        if early.rseq.is_some_and(|last| rseq != last.wrapping_add(1)) {
            return false;
        }
        early.rseq = Some(rseq);
        let hop = early.dialog.next_hop();
        let mut prack = early.dialog.request(Method::Prack);
        let rack = format!("{rseq} {} INVITE", self.cseq);
        core.add_headers(&mut prack.headers, &[Header::new("RAck", rack)]);
        if let Some(answer) = answer {
            let _ = prack.set_body(sdp::MEDIA_TYPE, answer); // the type is a constant
        }
        core.authorize(&mut prack, self.authorization.as_mut());
        core.outbox.trace_sent(Some(id), &prack, &hop);
        let transaction = core.start(now, prack, hop, Some(id));
        core.clients.orphan(transaction);
        true
    }

    /// With a late offer a reliable response may bring the offer; its answer goes into the PRACK.
    fn answer_reliable_offer(&mut self, response: &Response) -> Option<Vec<u8>> {
        let tag = response.to.tag();
        let is_new = !self.early.iter().any(|(known, ..)| known.as_ref() == tag);
        let offer = sdp_of(&response.headers, &response.body).ok().flatten();
        let offer = offer.filter(|_| self.invite.late_offer && is_new)?;
        let mut media = self.media.clone();
        let (answer, negotiated) = media.answer(offer, &self.invite.media).ok()?;
        self.early.push((tag.cloned(), media, negotiated));
        Some(answer)
    }

    /// Answers an offer in an UPDATE without changing our side; 491 before the first exchange is
    /// over (RFC 3311 §5.2).
    fn answer_update(&mut self, request: &Request) -> Answered {
        let sdp = sdp_of(&request.headers, &request.body).map_err(|refusal| refusal.status)?;
        let Some(offer) = sdp else { return Ok((None, None)) };
        let tag = request.from.tag();
        let known = self.early.iter_mut().find(|(known, ..)| known.as_ref() == tag);
        let (_, media, negotiated) = known.ok_or(491_u16)?;
        let answered = media.answer(offer, &self.invite.media).map_err(|refusal| refusal.status)?;
        *negotiated = answered.1;
        Ok((Some(answered.0), Some(answered.1)))
    }
}
