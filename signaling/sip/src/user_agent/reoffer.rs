//! Our re-INVITEs, and glare: both sides offer at once (RFC 3261 §14.1). Sans-IO. An offer is
//! `Waiting` until the dialog is free and its pause is over, then `Sent`; 491 makes it wait again. In a recording session
//! each carries the metadata, and metadata that changed are sent by one that repeats what was agreed on (RFC 7866 §9.1).

use std::time::Duration;

use shared::{Extensions, Instant, Now};

use super::core::Core;
use super::event::{EndCause, UaEvent};
use super::objection::sdp_of;
use super::session::{Metadata, OwnOffer, OwnOfferStage, Session, State, Talking};
use super::timer::SessionTimer;
use crate::message::{Method, Request, Response};
use crate::name_addr::Contacts;
use crate::offer_answer::LocalMedia;
use crate::sdp;
use crate::transaction::ClientKey;

impl Session {
    /// `Command::Reoffer`, or a refresh where `local` is `None`. It waits while another exchange is
    /// open, and replaces one that waits.
    pub(super) fn reoffer(&mut self, core: &mut Core, now: Now, local: Option<LocalMedia>) -> bool {
        let State::Talking(talking) = &mut self.state else { return false };
        if talking.own_transaction().is_some() {
            return false;
        }
        let stage = OwnOfferStage::Waiting { until: now.mono };
        talking.own_offer = Some(OwnOffer { local, stage, was_challenged: false });
        self.retry_reoffer(core, now);
        true
    }

    /// `Command::UpdateMetadata`. A re-INVITE that is open is finished first; an INVITE that has no final response is
    /// followed by one.
    pub(super) fn update_metadata(&mut self, core: &mut Core, now: Now, document: Vec<u8>) -> bool {
        let metadata = match &mut self.state {
            State::Calling(calling) => &mut calling.metadata,
            State::Talking(talking) => &mut talking.metadata,
            _ => return false,
        };
        if metadata.is_none() {
            return false;
        }
        *metadata = Some(Metadata::new(document));
        self.send_metadata(core, now);
        true
    }

    /// Sends metadata that changed, once no offer of ours is open.
    pub(super) fn send_metadata(&mut self, core: &mut Core, now: Now) {
        let State::Talking(talking) = &self.state else { return };
        let is_news = talking.metadata.as_ref().is_some_and(|metadata| !metadata.is_sent);
        if is_news && talking.own_offer.is_none() {
            self.reoffer(core, now, None);
        }
    }

    /// Sends the re-INVITE that waits, if its time has come and the dialog is free.
    pub(super) fn retry_reoffer(&mut self, core: &mut Core, now: Now) {
        let id = self.id;
        let State::Talking(talking) = &mut self.state else { return };
        let is_busy = talking.peer_offer.is_some() || talking.unacknowledged.is_some();
        let Some(offer) = &mut talking.own_offer else { return };
        match &mut offer.stage {
            OwnOfferStage::Waiting { until } if now.mono < *until => {}
            OwnOfferStage::Waiting { until } if is_busy => *until = now.mono + BUSY_PAUSE,
            OwnOfferStage::Waiting { .. } => talking.send_reinvite(core, now, id, self.extensions),
            OwnOfferStage::Sent { .. } => {}
        }
    }

    pub(super) fn receive_reoffer_response(
        &mut self,
        core: &mut Core,
        now: Now,
        key: ClientKey,
        response: Response,
    ) {
        let State::Talking(talking) = &mut self.state else { return };
        let session = self.id;
        let raised = response.status == 422
            && talking.timer.as_mut().is_some_and(|timer| timer.raise(&response.headers));
        match response.status {
            ..=199 => {}
            422 if raised => {
                talking.media.withdraw_offer();
                talking.send_reinvite(core, now, session, self.extensions);
            }
            200..=299 => self.finish_reoffer(core, now, key, response),
            491 => {
                let until = now.mono + glare_pause(core, talking.is_caller);
                talking.wait_again(until);
            }
            401 | 407
                if talking.answer_challenge(core, now, session, self.extensions, &response) => {}
            status @ (408 | 481) => {
                core.outbox.emit(UaEvent::ReofferRefused { session, status });
                if let State::Talking(mut talking) = std::mem::replace(&mut self.state, State::Gone)
                {
                    talking.own_offer = None;
                    self.end_with_bye(core, now, *talking, EndCause::DialogLost { status });
                }
            }
            status => {
                talking.own_offer = None;
                talking.media.withdraw_offer();
                core.outbox.emit(UaEvent::ReofferRefused { session, status });
            }
        }
        self.send_metadata(core, now);
    }

    fn finish_reoffer(&mut self, core: &mut Core, now: Now, key: ClientKey, response: Response) {
        let session = self.id;
        let State::Talking(talking) = &mut self.state else { return };
        let Some((_, cseq)) = talking.own_transaction() else { return };
        talking.dialog.refresh_target(&response.contact);
        let hop = talking.dialog.next_hop();
        let ack = talking.dialog.ack(cseq);
        let sent = core.send_ack(ack, &hop, Some(session));
        core.clients.remember_ack(key, &response, &sent);
        core.clients.orphan(key);
        talking.own_offer = None;
        talking.note_methods(self.extensions, &response.headers);
        talking.timer = SessionTimer::of_response(now.mono, self.extensions, &response.headers);
        let answer = sdp_of(&response.headers, &response.body).map(Option::unwrap_or_default);
        match answer.and_then(|answer| talking.media.accept_answer(answer)) {
            Ok(media) => core.outbox.emit(UaEvent::Renegotiated { session, media }),
            Err(error) => {
                if let State::Talking(talking) = std::mem::replace(&mut self.state, State::Gone) {
                    let cause = EndCause::BadAnswer {
                        status: Some(response.status),
                        reason: error.to_string(),
                    };
                    self.end_with_bye(core, now, *talking, cause);
                }
            }
        }
    }
}

impl Talking {
    fn send_reinvite(
        &mut self,
        core: &mut Core,
        now: Now,
        id: crate::ids::SessionId,
        extensions: Extensions,
    ) {
        let Some(offer) = &mut self.own_offer else { return };
        let sdp = match &offer.local {
            Some(local) => Some(self.media.offer(local)),
            None => self.media.repeat(),
        };
        let Some(sdp) = sdp else {
            self.own_offer = None;
            return;
        };
        let hop = self.dialog.next_hop();
        let mut request = self.dialog.request(Method::Invite);
        request.contact = Contacts::one(self.contact.clone());
        set_offer(&mut request, sdp, self.metadata.as_mut());
        core.add_headers(&mut request.headers, &super::extensions::headers(extensions));
        if let Some(timer) = &self.timer {
            core.add_headers(&mut request.headers, &timer.request_headers());
        }
        core.authorize(&mut request, self.login.authorization());
        core.outbox.trace_sent(Some(id), &request, &hop);
        let cseq = request.cseq.number;
        let transaction = core.start(now, request, hop, Some(id));
        offer.stage = OwnOfferStage::Sent { transaction, cseq };
    }

    fn wait_again(&mut self, until: Instant) {
        self.media.withdraw_offer();
        if let Some(offer) = &mut self.own_offer {
            offer.stage = OwnOfferStage::Waiting { until };
        }
    }

    fn answer_challenge(
        &mut self,
        core: &mut Core,
        now: Now,
        id: crate::ids::SessionId,
        extensions: Extensions,
        response: &Response,
    ) -> bool {
        let Some(offer) = self.own_offer.as_mut().filter(|offer| !offer.was_challenged) else {
            return false;
        };
        if !self.login.take_challenge(response) {
            return false;
        }
        offer.was_challenged = true;
        self.media.withdraw_offer();
        self.send_reinvite(core, now, id, extensions);
        true
    }
}

/// The offer of an INVITE as its body, in a recording session with the metadata.
pub(super) fn set_offer(request: &mut Request, sdp: Vec<u8>, metadata: Option<&mut Metadata>) {
    let Some(metadata) = metadata else {
        let _ = request.set_body(sdp::MEDIA_TYPE, sdp); // the type is a constant
        return;
    };
    let _ = request.headers.push("Require", "siprec"); // both are constants
    let boundary = request.from.tag().cloned().unwrap_or_default();
    let (media_type, body) = metadata.write(&boundary, &sdp);
    let _ = request.set_body(&media_type, body); // the boundary is our tag
}

/// The owner of the Call-ID waits 2.1 to 4 s, the other side up to 2 s, in steps of 10 ms.
fn glare_pause(core: &mut Core, is_caller: bool) -> Duration {
    let steps = if is_caller { 210 + core.tokens.below(191) } else { core.tokens.below(201) };
    Duration::from_millis(10 * u64::from(steps))
}

/// Pause before the next check whether the dialog is free.
const BUSY_PAUSE: Duration = Duration::from_millis(200);
