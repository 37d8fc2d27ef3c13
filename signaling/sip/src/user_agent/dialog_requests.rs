//! Our requests in a confirmed dialog, INVITE and BYE aside: REFER, NOTIFY, and the UPDATE that
//! refreshes a session. Sans-IO.

use shared::{Header, Instant, Now};

use super::core::Core;
use super::event::EndCause;
use super::pending_requests::{PendingRequest, Purpose};
use super::session::{Session, State};
use super::timer::SessionTimer;
use crate::message::{Method, Response};
use crate::name_addr::Contacts;
use crate::transaction::ClientKey;

impl Session {
    /// Sends a request in the dialog.
    pub(super) fn request_in_dialog(
        &mut self,
        core: &mut Core,
        now: Now,
        method: Method,
        headers: &[Header],
        body: Option<(&'static str, Vec<u8>)>,
        purpose: Purpose,
    ) {
        let headers = headers.to_vec();
        let request =
            PendingRequest { method, headers, body, purpose, was_challenged: false, overtaken: 0 };
        self.send_in_dialog(core, now, request);
    }

    fn send_in_dialog(&mut self, core: &mut Core, now: Now, pending: PendingRequest) {
        let id = self.id;
        let State::Talking(talking) = &mut self.state else { return };
        let hop = talking.dialog.next_hop();
        let mut request = talking.dialog.request(pending.method.clone());
        request.contact = Contacts::one(talking.contact.clone());
        core.add_headers(&mut request.headers, &pending.headers);
        if let Some((kind, body)) = &pending.body {
            let _ = request.set_body(kind, body.clone()); // the type is a constant
        }
        core.authorize(&mut request, talking.login.authorization());
        core.outbox.trace_sent(Some(id), &request, &hop);
        let transaction = core.start(now, request, hop, Some(id));
        talking.pending.insert(transaction, pending);
    }

    /// A response to one of these; `false` for the transaction of another request.
    pub(super) fn receive_pending_response(
        &mut self,
        core: &mut Core,
        now: Now,
        key: ClientKey,
        response: &Response,
    ) -> bool {
        let State::Talking(talking) = &mut self.state else { return false };
        if response.is_provisional() {
            return talking.pending.contains(key);
        }
        let Some(mut pending) = talking.pending.take(key) else { return false };
        if !pending.was_challenged && talking.login.take_challenge(response) {
            pending.was_challenged = true;
            self.send_in_dialog(core, now, pending);
            return true;
        }
        // Our re-INVITE has overtaken it: the peer answers the lower CSeq with 500 (§12.2.2).
        let is_notice = matches!(pending.purpose, Purpose::Notice { .. });
        if response.status == 500 && is_notice && pending.overtaken < OVERTAKEN_MAX {
            pending.overtaken = pending.overtaken.saturating_add(1);
            self.send_in_dialog(core, now, pending);
            return true;
        }
        if response.is_success() && pending.purpose == Purpose::Refresh {
            talking.dialog.refresh_target(&response.contact);
            let extensions = self.extensions;
            talking.timer = SessionTimer::of_response(now.mono, extensions, &response.headers);
            return true;
        }
        if pending.purpose == Purpose::Refresh && response.status == 422 {
            let raised = talking.timer.as_mut().is_some_and(|timer| timer.raise(&response.headers));
            if raised {
                self.refresh_session(core, now);
                return true;
            }
        }
        self.pending_ended(core, now, pending.purpose, response.status);
        true
    }

    /// No response came to one of these, or it could not be sent; `false` for the transaction of
    /// another request.
    pub(super) fn pending_failed(
        &mut self,
        core: &mut Core,
        now: Now,
        key: ClientKey,
        status: u16,
    ) -> bool {
        let State::Talking(talking) = &mut self.state else { return false };
        let Some(pending) = talking.pending.take(key) else { return false };
        self.pending_ended(core, now, pending.purpose, status);
        true
    }

    fn pending_ended(&mut self, core: &mut Core, now: Now, purpose: Purpose, status: u16) {
        match purpose {
            Purpose::Refer => self.referred(core, status),
            Purpose::Notice { is_final } => self.notified(core, now, status, is_final),
            Purpose::Refresh => self.refresh_failed(core, now, status),
        }
    }

    /// The session timer is due: refreshes, or gives up (RFC 4028 §10).
    pub(super) fn session_timer_due(&mut self, core: &mut Core, now: Now) {
        let State::Talking(talking) = &mut self.state else { return };
        let Some(timer) = talking.timer.as_mut().filter(|timer| now.mono >= timer.at) else {
            return;
        };
        if timer.is_ours && now.mono < timer.over_at {
            timer.at = timer.over_at;
            return self.refresh_session(core, now);
        }
        if let State::Talking(talking) = std::mem::replace(&mut self.state, State::Gone) {
            self.end_with_bye(core, now, *talking, EndCause::SessionExpired);
        }
    }

    /// By UPDATE where the peer serves it, else by a re-INVITE that changes nothing (§7.4).
    pub(super) fn refresh_session(&mut self, core: &mut Core, now: Now) {
        let State::Talking(talking) = &mut self.state else { return };
        let Some(timer) = &talking.timer else { return };
        if talking.peer_updates {
            let mut headers = timer.request_headers();
            headers.extend(super::extensions::headers(self.extensions));
            return self.request_in_dialog(
                core,
                now,
                Method::Update,
                &headers,
                None,
                Purpose::Refresh,
            );
        }
        // An open offer refreshes as well.
        if talking.own_offer.is_none() {
            self.reoffer(core, now, None);
        }
    }

    fn refresh_failed(&mut self, core: &mut Core, now: Now, status: u16) {
        let State::Talking(talking) = &mut self.state else { return };
        if matches!(status, 408 | 481) {
            if let State::Talking(talking) = std::mem::replace(&mut self.state, State::Gone) {
                self.end_with_bye(core, now, *talking, EndCause::DialogLost { status });
            }
            return;
        }
        // A peer that refuses UPDATE may accept a re-INVITE; 491 and 5xx may be temporary.
        talking.peer_updates &= matches!(status, 491 | 500..=599) && status != 501;
        if let Some(timer) = &mut talking.timer {
            timer.at = again_at(now.mono, timer.over_at);
        }
    }
}

/// How often a NOTIFY is sent again when it was overtaken.
const OVERTAKEN_MAX: u8 = 5;

fn again_at(now: Instant, over_at: Instant) -> Instant {
    (now + std::time::Duration::from_secs(2)).min(over_at)
}
