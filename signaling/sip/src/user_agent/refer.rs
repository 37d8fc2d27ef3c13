//! Transfers both ways: REFER, its subscription and its NOTIFYs (RFC 3515, 4488, 6665). Sans-IO.
//! `Referrals` holds the state and decides what is next; here a session sends and answers.

use shared::{Header, Now, Refusal};

use super::core::Core;
use super::event::UaEvent;
use super::pending_requests::Purpose;
use super::referrals::{Notice, PeerReferral};
use super::responses::Shape;
use super::session::{PEER_OFFER_PATIENCE, Session, State};
use crate::flow::Flow;
use crate::header::Headers;
use crate::message::{Method, Request};
use crate::refer_to::ReferTo;
use crate::sipfrag;

impl Session {
    /// The peer's REFER, which goes up as `UaEvent::Refer`.
    pub(super) fn receive_refer(
        &mut self,
        core: &mut Core,
        now: Now,
        flow: Flow,
        request: Request,
    ) {
        let id = self.id;
        let State::Talking(talking) = &mut self.state else { return };
        let referrals = &mut talking.referrals;
        if referrals.is_peer_referring() {
            return core.refuse_later(now, flow, &request, id, 491);
        }
        let mut values = request.headers.all("Refer-To");
        let refer = match (values.next(), values.next()) {
            (Some(value), None) => ReferTo::parse(value.as_bytes()),
            _ => None,
        };
        drop(values);
        let Some(refer) = refer else {
            let shape = Shape { reason: "Bad Refer-To", ..Shape::default() };
            return core.respond_remembered(now, flow, &request, Some(id), 400, shape);
        };
        let Some(key) = core.begin_other(id, flow, &request) else { return };
        let give_up_at = now.mono + PEER_OFFER_PATIENCE;
        referrals.receive(PeerReferral { request, key, give_up_at });
        core.outbox.emit(UaEvent::Refer { session: id, refer: Box::new(refer) });
    }

    /// `Command::AnswerRefer`: 202 and the first NOTIFY, or the refusal.
    pub(super) fn answer_refer(
        &mut self,
        core: &mut Core,
        now: Now,
        answer: Result<(), Refusal>,
    ) -> bool {
        let State::Talking(talking) = &mut self.state else { return false };
        let Some(referral) = talking.referrals.take_unanswered() else { return false };
        let mut headers = Vec::new();
        let status = match &answer {
            Ok(()) => 202,
            Err(refusal) => {
                core.add_reasons(refusal, &mut headers, true);
                refusal.status.unwrap_or(603)
            }
        };
        // RFC 4488: the peer may decline the subscription.
        let refer_sub = referral.request.headers.get_str("Refer-Sub");
        let is_silent = refer_sub.is_some_and(|value| value.trim().eq_ignore_ascii_case("false"));
        if status == 202 && is_silent {
            headers.push(Header::new("Refer-Sub", b"false"));
        }
        let contact = Some(talking.contact.clone());
        let shape = Shape { contact, headers: &headers, ..Shape::default() };
        let response = core.response(&referral.request, status, shape);
        core.respond(now, referral.key, &response);
        if status == 202 && !is_silent {
            talking.referrals.subscribe(referral.request.cseq.number);
            self.notify_refer(core, now, 100, false);
        }
        true
    }

    /// `Command::NotifyRefer`: reports the progress of the transfer.
    pub(super) fn notify_refer(
        &mut self,
        core: &mut Core,
        now: Now,
        status: u16,
        is_final: bool,
    ) -> bool {
        let State::Talking(talking) = &mut self.state else { return false };
        if !talking.referrals.notify(status, is_final) {
            return false;
        }
        self.send_notice(core, now);
        true
    }

    /// A NOTIFY was answered: the next, or the end of the subscription (RFC 6665 §4.2.2).
    pub(super) fn notified(&mut self, core: &mut Core, now: Now, status: u16, was_final: bool) {
        let State::Talking(talking) = &mut self.state else { return };
        talking.referrals.notice_answered(status, was_final);
        self.send_notice(core, now);
    }

    fn send_notice(&mut self, core: &mut Core, now: Now) {
        let State::Talking(talking) = &mut self.state else { return };
        let Some(Notice { event, status, is_final }) = talking.referrals.next_notice() else {
            return;
        };
        let state = if is_final { "terminated;reason=noresource" } else { "active;expires=60" };
        let headers =
            vec![Header::new("Event", event), Header::new("Subscription-State", state.as_bytes())];
        let body = Some((sipfrag::MEDIA_TYPE, sipfrag::of_status(status)));
        self.request_in_dialog(
            core,
            now,
            Method::Notify,
            &headers,
            body,
            Purpose::Notice { is_final },
        );
    }

    /// `Command::Refer`: transfers the peer.
    pub(super) fn refer(
        &mut self,
        core: &mut Core,
        now: Now,
        target: String,
        headers: Vec<Header>,
    ) -> bool {
        let State::Talking(talking) = &mut self.state else { return false };
        if !talking.referrals.refer(target, headers) {
            return false;
        }
        self.send_wanted_refer(core, now);
        true
    }

    /// Sends the REFER that waits, once the call is confirmed.
    pub(super) fn send_wanted_refer(&mut self, core: &mut Core, now: Now) {
        let State::Talking(talking) = &mut self.state else { return };
        if talking.unacknowledged.as_ref().is_some_and(|waits| waits.is_first) {
            return;
        }
        let Some((target, mut headers)) = talking.referrals.take_waiting() else { return };
        let by = format!("<{}>", talking.dialog.local_uri());
        headers.push(Header::new("Refer-To", format!("<{target}>")));
        headers.push(Header::new("Referred-By", by));
        self.request_in_dialog(core, now, Method::Refer, &headers, None, Purpose::Refer);
    }

    /// The final response to our REFER.
    pub(super) fn referred(&mut self, core: &mut Core, status: u16) {
        if let State::Talking(talking) = &mut self.state {
            talking.referrals.own_answered(status);
        }
        core.outbox.emit(UaEvent::ReferAnswered { session: self.id, status });
    }

    /// The peer's NOTIFY about our REFER; it may overtake the 202.
    pub(super) fn receive_notify(
        &mut self,
        core: &mut Core,
        now: Now,
        flow: Flow,
        request: &Request,
    ) {
        let id = Some(self.id);
        let State::Talking(talking) = &mut self.state else { return };
        if !is_refer_event(&request.headers) {
            let headers = [Header::new("Allow-Events", b"refer")];
            let shape = Shape { headers: &headers, ..Shape::default() };
            return core.respond_remembered(now, flow, request, id, 489, shape);
        }
        if !talking.referrals.is_referring() {
            return core.respond_remembered(now, flow, request, id, 481, Shape::default());
        }
        let is_over = subscription_is_over(&request.headers);
        if is_over {
            talking.referrals.own_over();
        }
        core.respond_remembered(now, flow, request, id, 200, Shape::default());
        let status = sipfrag::status(&request.body);
        core.outbox.emit(UaEvent::ReferProgress { session: self.id, status, is_over });
    }

    /// Refuses a REFER that the layer above did not answer in time.
    pub(super) fn give_up_referral(&mut self, core: &mut Core, now: Now) {
        let State::Talking(talking) = &mut self.state else { return };
        if talking.referrals.deadline().is_some_and(|at| now.mono >= at) {
            let refusal =
                Refusal::new("refer_unanswered", 500, "the transfer was not decided in time");
            self.answer_refer(core, now, Err(refusal));
        }
    }
}

fn is_refer_event(headers: &Headers) -> bool {
    let event = headers.get("Event").map(|value| value.as_bytes());
    let package = event.and_then(|value| value.split(|byte| *byte == b';').next());
    package.is_some_and(|package| package.trim_ascii().eq_ignore_ascii_case(b"refer"))
}

fn subscription_is_over(headers: &Headers) -> bool {
    let state = headers.get("Subscription-State").map(|value| value.as_bytes());
    let word = state.and_then(|value| value.split(|byte| *byte == b';').next());
    word.is_some_and(|word| word.trim_ascii().eq_ignore_ascii_case(b"terminated"))
}
