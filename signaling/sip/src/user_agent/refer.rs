//! REFER both ways: the request, its subscription, NOTIFYs in order (RFC 3515, 4488, 6665). Sans-IO.

use std::collections::VecDeque;

use shared::{Instant, Now, Refusal};

use super::asked::Purpose;
use super::core::{Core, Shape};
use super::event::UaEvent;
use super::session::{PEER_OFFER_PATIENCE, Session, State};
use crate::flow::Flow;
use crate::header::ExtraHeader;
use crate::header::Headers;
use crate::message::{Method, Request};
use crate::refer_to::ReferTo;
use crate::sipfrag;
use crate::transaction::ServerKey;

/// The transfers of one dialog: at most one in each direction at a time.
#[derive(Debug, Default)]
pub(super) struct Referrals {
    /// REFERs of the peer so far.
    received: u32,
    /// A REFER of the peer that the layer above has not answered.
    asked: Option<AskedReferral>,
    /// The subscription of the peer.
    told: Option<Subscription>,
    /// A REFER of ours that is not over.
    is_referring: bool,
    /// A REFER of ours that waits for the ACK of the call.
    wanted: Option<(String, Vec<ExtraHeader>)>,
}

#[derive(Debug)]
struct AskedReferral {
    request: Request,
    key: ServerKey,
    give_up_at: Instant,
}

/// What the peer is told of its REFER, in order: the next NOTIFY leaves when the one before was
/// answered.
#[derive(Debug)]
struct Subscription {
    event: String,
    is_sending: bool,
    notices: VecDeque<(u16, bool)>,
}

impl Referrals {
    /// The dialog ends: a REFER that nobody has answered yet ends with it.
    pub fn let_go(&mut self, core: &mut Core, now: Now) {
        if let Some(asked) = self.asked.take() {
            let response = core.response(&asked.request, 481, Shape::default());
            core.respond(now, asked.key, &response);
        }
    }

    /// When a REFER has waited long enough.
    pub fn deadline(&self) -> Option<Instant> {
        self.asked.as_ref().map(|asked| asked.give_up_at)
    }
}

impl Session {
    /// A REFER of the peer: goes up as `UaEvent::Refer`.
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
        if referrals.asked.is_some() || referrals.told.is_some() {
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
        referrals.received = referrals.received.saturating_add(1);
        let give_up_at = now.mono + PEER_OFFER_PATIENCE;
        referrals.asked = Some(AskedReferral { request, key, give_up_at });
        core.emit(UaEvent::Refer { session: id, refer: Box::new(refer) });
    }

    /// `Command::AnswerRefer`: 202 and the first NOTIFY, or the refusal.
    pub(super) fn answer_refer(
        &mut self,
        core: &mut Core,
        now: Now,
        answer: Result<(), Refusal>,
    ) -> bool {
        let State::Talking(talking) = &mut self.state else { return false };
        let Some(asked) = talking.referrals.asked.take() else { return false };
        let mut headers = Vec::new();
        let status = match &answer {
            Ok(()) => 202,
            Err(refusal) => {
                core.add_reasons(refusal, &mut headers, true);
                refusal.status.unwrap_or(603)
            }
        };
        // RFC 4488: the peer may not want to be told.
        let refer_sub = asked.request.headers.get_str("Refer-Sub");
        let is_silent = refer_sub.is_some_and(|value| value.trim().eq_ignore_ascii_case("false"));
        if status == 202 && is_silent {
            headers.push(("Refer-Sub".to_owned(), b"false".to_vec()));
        }
        let contact = Some(talking.contact.clone());
        let shape = Shape { contact, headers: &headers, ..Shape::default() };
        let response = core.response(&asked.request, status, shape);
        core.respond(now, asked.key, &response);
        if status == 202 && !is_silent {
            let event = match talking.referrals.received {
                0 | 1 => "refer".to_owned(),
                _ => format!("refer;id={}", asked.request.cseq.number),
            };
            let notices = VecDeque::new();
            talking.referrals.told = Some(Subscription { event, is_sending: false, notices });
            self.notify_refer(core, now, 100, false);
        }
        true
    }

    /// `Command::NotifyRefer`: how the transfer goes on.
    pub(super) fn notify_refer(
        &mut self,
        core: &mut Core,
        now: Now,
        status: u16,
        is_final: bool,
    ) -> bool {
        let State::Talking(talking) = &mut self.state else { return false };
        let Some(told) = &mut talking.referrals.told else { return false };
        if told.notices.len() < NOTICES_MAX || is_final {
            told.notices.push_back((status, is_final));
        }
        if !told.is_sending {
            self.send_notice(core, now);
        }
        true
    }

    /// A NOTIFY was answered: the next, or the end of the subscription (RFC 6665 §4.2.2).
    pub(super) fn notified(&mut self, core: &mut Core, now: Now, status: u16, was_final: bool) {
        let State::Talking(talking) = &mut self.state else { return };
        if was_final || status >= 300 {
            talking.referrals.told = None;
            return;
        }
        if let Some(told) = &mut talking.referrals.told {
            told.is_sending = false;
        }
        self.send_notice(core, now);
    }

    fn send_notice(&mut self, core: &mut Core, now: Now) {
        let State::Talking(talking) = &mut self.state else { return };
        let Some(told) = &mut talking.referrals.told else { return };
        let Some((status, is_final)) = told.notices.pop_front() else { return };
        told.is_sending = true;
        let state = if is_final { "terminated;reason=noresource" } else { "active;expires=60" };
        let headers = vec![
            ("Event".to_owned(), told.event.clone().into_bytes()),
            ("Subscription-State".to_owned(), state.as_bytes().to_vec()),
        ];
        let body = Some((sipfrag::MEDIA_TYPE, sipfrag::of_status(status)));
        self.ask(core, now, Method::Notify, &headers, body, Purpose::Notice { is_final });
    }

    /// `Command::Refer`: asks the peer to call somebody else.
    pub(super) fn refer(
        &mut self,
        core: &mut Core,
        now: Now,
        target: String,
        headers: Vec<ExtraHeader>,
    ) -> bool {
        let State::Talking(talking) = &mut self.state else { return false };
        if talking.referrals.is_referring || talking.referrals.wanted.is_some() {
            return false;
        }
        talking.referrals.wanted = Some((target, headers));
        self.send_wanted_refer(core, now);
        true
    }

    /// Sends the REFER that waits, once the call is confirmed.
    pub(super) fn send_wanted_refer(&mut self, core: &mut Core, now: Now) {
        let State::Talking(talking) = &mut self.state else { return };
        if talking.unacknowledged.as_ref().is_some_and(|waits| waits.is_first) {
            return;
        }
        let Some((target, mut headers)) = talking.referrals.wanted.take() else { return };
        talking.referrals.is_referring = true;
        let by = format!("<{}>", talking.dialog.local_uri());
        headers.push(("Refer-To".to_owned(), format!("<{target}>").into_bytes()));
        headers.push(("Referred-By".to_owned(), by.into_bytes()));
        self.ask(core, now, Method::Refer, &headers, None, Purpose::Refer);
    }

    /// The final response to our REFER.
    pub(super) fn referred(&mut self, core: &mut Core, status: u16) {
        if let State::Talking(talking) = &mut self.state {
            talking.referrals.is_referring = status < 300;
        }
        core.emit(UaEvent::ReferAnswered { session: self.id, status });
    }

    /// A NOTIFY of the peer about our REFER; it may overtake the 202.
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
            let headers = [("Allow-Events".to_owned(), b"refer".to_vec())];
            let shape = Shape { headers: &headers, ..Shape::default() };
            return core.respond_remembered(now, flow, request, id, 489, shape);
        }
        if !talking.referrals.is_referring {
            return core.respond_remembered(now, flow, request, id, 481, Shape::default());
        }
        let is_over = subscription_is_over(&request.headers);
        talking.referrals.is_referring = !is_over;
        core.respond_remembered(now, flow, request, id, 200, Shape::default());
        let status = sipfrag::status(&request.body);
        core.emit(UaEvent::ReferProgress { session: self.id, status, is_over });
    }

    /// The layer above did not answer a REFER in time.
    pub(super) fn give_up_referral(&mut self, core: &mut Core, now: Now) {
        let State::Talking(talking) = &mut self.state else { return };
        if talking.referrals.deadline().is_some_and(|at| now.mono >= at) {
            let refusal = Refusal::new("refer_unanswered", 500, "nobody decided on the transfer");
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

/// NOTIFYs that wait for the one before; the last word always has room.
const NOTICES_MAX: usize = 8;
