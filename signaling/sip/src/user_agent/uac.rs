//! Sessions that begin with our INVITE, up to its final response (RFC 3261 §13.2). Sans-IO.
//!
//! One `Calling` sends several INVITEs in turn, each with the next CSeq in a transaction of its own: with
//! credentials after a challenge, with the session interval that the peer demands, by UDP after TCP was
//! refused, to the next destination. `Calling::send` is the only function that sends one. It resets what
//! belonged to the INVITE before: its early answers, its offer and its silence timer. Responses to
//! earlier transactions do not reach the session.

use shared::{Header, NegotiatedMedia, Now, Transport};

use super::UserAgent;
use super::core::Core;
use super::credentials::{CHALLENGES_MAX, Login, answerable, copy_credentials};
use super::event::{EndCause, UaEvent};
use super::media::SessionMedia;
use super::objection::sdp_of;
use super::outgoing::{Failover, Invite};
use super::pending_requests::PendingRequests;
use super::referrals::Referrals;
use super::reoffer::set_offer;
use super::session::{Calling, Metadata, Session, State, Talking};
use super::timer::{self, SessionTimer};
use super::tokens::tag_text;
use crate::flow::Destination;
use crate::ids::SessionId;
use crate::message::{Method, Request, Response};
use crate::name_addr::{Contacts, DisplayName, NameAddr};
use crate::sdp;
use crate::text::Text;
use crate::transaction::ClientKey;

impl UserAgent {
    /// `Command::Invite`.
    pub(super) fn invite(&mut self, now: Now, id: SessionId, invite: Invite) {
        if self.sessions.contains(id) {
            self.core.meters.commands_ignored += 1;
            return;
        }
        let rejected = |status, reason: &str| UaEvent::Rejected {
            session: id,
            status,
            reason: reason.to_owned(),
            headers: None,
            contacts: Contacts::none(),
            peer: None,
        };
        let Some(destination) = invite.destinations.first().cloned() else {
            return self.core.outbox.emit(rejected(503, "no destination"));
        };
        let tag = self.core.tokens.fresh();
        let Some(call_id) = self.core.tokens.call_id() else {
            return self.core.outbox.emit(rejected(500, "the host name cannot stand in a Call-ID"));
        };
        let mut from = NameAddr::new(invite.from.clone()).with_tag(tag_text(tag));
        from.display_name =
            invite.from_display.as_deref().and_then(|name| DisplayName::new(name).ok());
        let media_id = self.core.tokens.media_id();
        let mut calling = Box::new(Calling {
            contact: self.core.contact("", destination.local, destination.transport),
            media: SessionMedia::new(media_id),
            transaction: ClientKey { branch: 0, is_cancel: false },
            silent_at: None,
            early: Vec::new(),
            early_dialogs: Vec::new(),
            min_se_s: None,
            authorization: None,
            challenges: 0,
            cseq: 0,
            tried: 1,
            by_udp: None,
            destination,
            metadata: invite.metadata.clone().map(Metadata::new),
            call_id,
            from,
            invite,
        });
        calling.send(&mut self.core, now, id);
        let extensions = calling.invite.extensions;
        self.sessions.insert(Session { id, tag, state: State::Calling(calling), extensions });
    }
}

impl Calling {
    /// Sends the INVITE to the current destination, as a transaction of its own.
    fn send(&mut self, core: &mut Core, now: Now, id: SessionId) {
        self.cseq = self.cseq.saturating_add(1);
        self.early.clear();
        self.early_dialogs.clear();
        self.media.withdraw_offer();
        let offer = match self.invite.late_offer {
            true => None,
            false => Some(self.media.offer(&self.invite.media)),
        };
        let mut request = self.request(core, offer.as_deref());
        if self.goes_by_tcp_instead(core, now, &request) {
            request = self.request(core, offer.as_deref());
        }
        core.authorize(&mut request, self.authorization.as_mut());
        core.outbox.trace_sent(Some(id), &request, &self.destination);
        self.transaction = core.start(now, request, self.destination.clone(), Some(id));
        if self.invite.attempts.stays_on_flow {
            core.clients.stay_on_flow(self.transaction);
        }
        self.silent_at = Some(now.mono + core.config.silence_max);
    }

    /// The INVITE for the current destination, without credentials.
    fn request(&mut self, core: &mut Core, offer: Option<&[u8]>) -> Request {
        let local = self.destination.local;
        self.contact = core.contact(&self.invite.contact_user, local, self.destination.transport);
        if self.metadata.is_some() {
            let _ = self.contact.parameters.set(RECORDING_CLIENT, None); // the name is a token
        }
        let mut request = Request::new(
            Method::Invite,
            self.invite.request_uri.clone(),
            self.from.clone(),
            NameAddr::new(self.invite.to.clone()),
            self.call_id.clone(),
            self.cseq,
        );
        request.max_forwards = Some(self.invite.max_forwards);
        request.contact = Contacts::one(self.contact.clone());
        request.route = self.invite.route.iter().cloned().map(NameAddr::new).collect();
        core.add_headers(&mut request.headers, &self.invite.headers);
        let extensions = self.invite.extensions;
        core.add_headers(&mut request.headers, &super::extensions::headers(extensions));
        core.add_headers(&mut request.headers, &timer::invite_headers(extensions, self.min_se_s));
        if let Some(offer) = offer {
            set_offer(&mut request, offer.to_vec(), self.metadata.as_mut());
        }
        request
    }

    /// A request that may not fit the path's datagrams goes by TCP where its URI allows that (RFC
    /// 3261 §18.1.1). `by_udp` keeps the destination to fall back to.
    fn goes_by_tcp_instead(&mut self, core: &mut Core, now: Now, request: &Request) -> bool {
        let Some(port) = core.config.tcp_port.filter(|_| self.invite.attempts.may_use_tcp) else {
            return false;
        };
        let Destination { transport, remote, local, .. } = self.destination;
        let credentials = if self.authorization.is_some() { CREDENTIALS_BYTES } else { 0 };
        let bytes = request.to_bytes().len() + VIA_BYTES + credentials;
        let is_udp = transport == Transport::Udp;
        if !is_udp
            || self.by_udp.is_some()
            || bytes <= DATAGRAM_BYTES
            || core.tcp_refusals.hold(now.mono, remote)
        {
            return false;
        }
        // A chosen listener accepts TCP at its own port (`signaling/control/src/edges.rs`).
        let port = if self.destination.flow.is_some() { local.port() } else { port };
        let by_tcp = Destination {
            transport: Transport::Tcp,
            local: std::net::SocketAddr::new(local.ip(), port),
            flow: None,
            ..self.destination.clone()
        };
        self.by_udp = Some(std::mem::replace(&mut self.destination, by_tcp));
        core.meters.sent_by_tcp_for_size += 1;
        true
    }

    /// Falls back to UDP where the peer accepts no TCP; `false` unless the INVITE went by TCP for
    /// its size.
    fn send_by_udp(&mut self, core: &mut Core, now: Now, id: SessionId) -> bool {
        let Some(by_udp) = self.by_udp.take() else { return false };
        core.tcp_refusals.note(now.mono, by_udp.remote);
        self.destination = by_udp;
        self.send(core, now, id);
        true
    }

    /// Proceeds to the next destination, and reports `given_up` for this one; `false` when there is
    /// none.
    fn send_to_next(
        &mut self,
        core: &mut Core,
        now: Now,
        id: SessionId,
        given_up: GivenUp,
    ) -> bool {
        let Some(next) = self.invite.destinations.get(self.tried).cloned() else { return false };
        core.meters.failovers += 1;
        core.outbox.emit(UaEvent::FailedOver {
            session: id,
            status: given_up.status,
            is_answer: given_up.is_answer,
            peer: self.destination.remote,
        });
        self.tried = self.tried.saturating_add(1);
        self.destination = next;
        self.by_udp = None;
        // A nonce of one server means nothing to another.
        self.authorization = None;
        self.challenges = 0;
        self.send(core, now, id);
        true
    }

    fn answer_challenge(
        &mut self,
        core: &mut Core,
        now: Now,
        id: SessionId,
        response: &Response,
    ) -> bool {
        let Some(credentials) = &self.invite.credentials else { return false };
        let before = self.authorization.as_ref();
        let Some(authorization) = answerable(response, credentials, before) else { return false };
        if self.challenges >= CHALLENGES_MAX {
            return false;
        }
        self.challenges = self.challenges.saturating_add(1);
        // A trunk's password answers one realm, by default the first that challenges: a second
        // destination that names another realm must not get a hash of it.
        if let (Some(credentials), Failover::UnlessDecided) =
            (&mut self.invite.credentials, self.invite.attempts.failover)
        {
            let realm = String::from_utf8_lossy(authorization.challenge().realm());
            credentials.realm.get_or_insert_with(|| realm.into_owned());
        }
        self.authorization = Some(authorization);
        self.send(core, now, id);
        true
    }

    /// Sends the INVITE again, once, with the minimum session interval that the peer demands (RFC
    /// 4028 §7.3).
    fn raise_session_interval(
        &mut self,
        core: &mut Core,
        now: Now,
        id: SessionId,
        response: &Response,
    ) -> bool {
        let Some(least) = timer::min_se(&response.headers) else { return false };
        if self.min_se_s.is_some() {
            return false;
        }
        self.min_se_s = Some(least);
        self.send(core, now, id);
        true
    }

    /// The media of an SDP answer in a response. A fork that answered before keeps its media.
    fn take_answer(
        &self,
        response: &Response,
    ) -> Option<Result<(SessionMedia, NegotiatedMedia), String>> {
        match sdp_of(&response.headers, &response.body) {
            Ok(Some(sdp)) if !self.invite.late_offer => {
                let mut media = self.media.clone();
                let answer = media.accept_answer(sdp);
                Some(answer.map(|answer| (media, answer)).map_err(|error| error.to_string()))
            }
            Ok(Some(_) | None) => {
                let early = self.early.iter().find(|(tag, ..)| tag.as_ref() == response.to.tag());
                early.map(|(_, media, answer)| Ok((media.clone(), *answer)))
            }
            Err(error) => Some(Err(error.to_string())),
        }
    }

    /// `X-Twilio-` headers of the INVITE, which its ACK repeats.
    fn ack_headers(&self) -> Vec<Header> {
        let is_ours = |header: &&Header| {
            header.name.get(..9).is_some_and(|head| head.eq_ignore_ascii_case("X-Twilio-"))
        };
        self.invite.headers.iter().filter(is_ours).cloned().collect()
    }
}

/// The outcome of a destination that gave way to the next one.
#[derive(Clone, Copy)]
struct GivenUp {
    status: u16,
    is_answer: bool,
}

impl Session {
    /// A response to the INVITE.
    pub(super) fn receive_while_calling(
        &mut self,
        core: &mut Core,
        now: Now,
        mut calling: Box<Calling>,
        response: Response,
    ) {
        let id = self.id;
        match response.status {
            ..=199 => {
                if calling.confirm(core, now, id, &response) {
                    self.note_progress(core, &mut calling, response);
                }
                self.state = State::Calling(calling);
            }
            200..=299 => self.establish(core, now, *calling, response),
            401 | 407 if calling.answer_challenge(core, now, id, &response) => {
                self.state = State::Calling(calling);
            }
            422 if calling.raise_session_interval(core, now, id, &response) => {
                self.state = State::Calling(calling);
            }
            status
                if calling.invite.attempts.failover.goes_on(status)
                    && calling.send_to_next(core, now, id, GivenUp { status, is_answer: true }) =>
            {
                self.state = State::Calling(calling);
            }
            status => {
                let reason = response.reason.to_lossy().into_owned();
                core.outbox.emit(UaEvent::Rejected {
                    session: id,
                    status,
                    reason,
                    headers: Some(Box::new(response.headers)),
                    contacts: response.contact,
                    peer: Some(calling.destination.remote),
                });
            }
        }
    }

    /// The INVITE got no response, or could not be sent.
    pub(super) fn invite_failed(
        &mut self,
        core: &mut Core,
        now: Now,
        mut calling: Box<Calling>,
        status: u16,
    ) {
        if calling.send_by_udp(core, now, self.id)
            || calling.send_to_next(core, now, self.id, GivenUp { status, is_answer: false })
        {
            self.state = State::Calling(calling);
            return;
        }
        self.reject_unheard(core, &calling, status);
    }

    /// Reports a failure without a response, when no destination is left.
    fn reject_unheard(&mut self, core: &mut Core, calling: &Calling, status: u16) {
        core.outbox.emit(UaEvent::Rejected {
            session: self.id,
            status,
            reason: shared::refusal::generic_phrase(status).to_owned(),
            headers: None,
            contacts: Contacts::none(),
            peer: Some(calling.destination.remote),
        });
    }

    /// Gives up on a destination that sent nothing in time, not even 100, and tries the next one. A
    /// late final response is acknowledged, and a late 2xx ended by BYE.
    pub(super) fn give_up_on_silence(
        &mut self,
        core: &mut Core,
        now: Now,
        mut calling: Box<Calling>,
    ) {
        if calling.silent_at.is_none_or(|at| now.mono < at) {
            self.state = State::Calling(calling);
            return;
        }
        calling.silent_at = None;
        core.abandon_invite(now, calling.transaction, Vec::new());
        self.invite_failed(core, now, calling, super::TIMEOUT);
    }

    /// `Command::Cancel`.
    pub(super) fn cancel(&mut self, core: &mut Core, now: Now, headers: Vec<Header>) -> bool {
        let State::Calling(calling) = &self.state else { return false };
        core.abandon_invite(now, calling.transaction, headers);
        self.end(core, EndCause::LocalCancel, None);
        true
    }

    fn note_progress(&mut self, core: &mut Core, calling: &mut Calling, response: Response) {
        calling.silent_at = None;
        if response.status == 100 {
            return;
        }
        let answer = calling.take_answer(&response);
        let media = answer.and_then(Result::ok).map(|(media, negotiated)| {
            let tag: Option<Text> = response.to.tag().cloned();
            let is_known = calling.early.iter().any(|(known, ..)| *known == tag);
            if !is_known && calling.early.len() < EARLY_FORKS_MAX {
                calling.early.push((tag, media, negotiated));
            }
            negotiated
        });
        core.outbox.emit(UaEvent::Progress {
            session: self.id,
            status: response.status,
            media,
            headers: Box::new(response.headers),
        });
    }

    /// The first 2xx wins (§13.2.2.4); `Core::end_fork` ends those of other forks.
    fn establish(&mut self, core: &mut Core, now: Now, mut calling: Calling, response: Response) {
        let Some((invite, mut dialog)) = core.dialog_of(calling.transaction, &response) else {
            return;
        };
        let tag = response.to.tag();
        let early = &calling.early_dialogs;
        if let Some(early) = early.iter().find(|early| early.dialog.has_remote_tag(tag)) {
            dialog.continues(&early.dialog);
        }
        let extensions = self.extensions;
        let timer = SessionTimer::of_response(now.mono, extensions, &response.headers);
        let (outcome, answer_in_ack) = calling.settle(&response);
        let hop = dialog.next_hop();
        let mut ack = dialog.ack(calling.cseq);
        core.add_headers(&mut ack.headers, &calling.ack_headers());
        copy_credentials(&invite, &mut ack);
        if let Some(sdp) = answer_in_ack {
            let _ = ack.set_body(sdp::MEDIA_TYPE, sdp); // the type is a constant
        }
        let sent = core.send_ack(ack, &hop, Some(self.id));
        core.clients.remember_ack(calling.transaction, &response, &sent);
        core.clients.orphan(calling.transaction);
        match outcome {
            Ok((media, negotiated)) => {
                let mut talking = Box::new(Talking {
                    dialog,
                    contact: calling.contact,
                    media,
                    unacknowledged: None,
                    peer_offer: None,
                    own_offer: None,
                    bye_wanted: None,
                    login: Login::new(calling.invite.credentials, calling.authorization),
                    is_caller: true,
                    pending: PendingRequests::default(),
                    referrals: Referrals::default(),
                    timer,
                    peer_updates: false,
                    metadata: calling.metadata,
                });
                talking.note_methods(extensions, &response.headers);
                core.outbox.emit(UaEvent::Answered {
                    session: self.id,
                    media: negotiated,
                    headers: Box::new(response.headers),
                    peer: talking.dialog.peer().remote,
                });
                self.state = State::Talking(talking);
                self.send_metadata(core, now);
            }
            Err(reason) => {
                let bye = dialog.request(Method::Bye);
                core.outbox.trace_sent(Some(self.id), &bye, &hop);
                core.start(now, bye, hop, None);
                let cause = EndCause::BadAnswer { status: Some(response.status), reason };
                self.end(core, cause, Some(response.headers));
            }
        }
    }
}

type Settled = Result<(SessionMedia, NegotiatedMedia), String>;

impl Calling {
    /// The media of a 2xx, and with a late offer the answer for our ACK.
    fn settle(&mut self, response: &Response) -> (Settled, Option<Vec<u8>>) {
        if !self.invite.late_offer {
            let answer = self.take_answer(response);
            return (answer.unwrap_or_else(|| Err("the 2xx has no SDP answer".to_owned())), None);
        }
        // The offer came in a reliable response, and PRACK carried the answer.
        if let Some(Ok(settled)) = self.take_answer(response) {
            return (Ok(settled), None);
        }
        let offer = match sdp_of(&response.headers, &response.body) {
            Ok(Some(offer)) => offer,
            Ok(None) => return (Err("the 2xx has no SDP offer".to_owned()), None),
            Err(error) => return (Err(error.to_string()), None),
        };
        match self.media.answer(offer, &self.invite.media) {
            Ok((sdp, negotiated)) => (Ok((self.media.clone(), negotiated)), Some(sdp)),
            Err(error) => (Err(error.to_string()), None),
        }
    }
}

/// Feature tag of the recording client's Contact (RFC 7866 §6.1.1).
const RECORDING_CLIENT: &str = "+sip.src";
/// A larger request goes by TCP where its URI allows that (RFC 3261 §18.1.1).
const DATAGRAM_BYTES: usize = 1_300;
/// Bytes that `Core::start` adds: Via and User-Agent.
const VIA_BYTES: usize = 150;
/// Bytes of a credentials header.
const CREDENTIALS_BYTES: usize = 300;

/// Forks of one INVITE whose early answers are kept. Past it an early answer is dropped; the 2xx
/// brings it again.
const EARLY_FORKS_MAX: usize = 16;
