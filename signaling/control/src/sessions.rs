//! What the user agent says, carried to calls; and calls that come in. Sans-IO.

use std::collections::BTreeMap;
use std::sync::Arc;

use call::{
    AnswerFacts, Call, CallDirection, CallInput, CallSetup, DocumentSource, HangupCause,
    ProgressEvent, SipFacts, StatusCallback, Webhook,
};
use shared::{AccountSid, CallSid, NotificationSid, Now, Refusal};
use sip::digest::{ChallengeKind, Verdict};
use sip::user_agent::{EndCause, Incoming, TraceDirection};
use sip::{Command, Headers, Method, SessionId, UaEvent};
use store::{Change, Domain};

use crate::admission::{self, Admitted, Decision, Policy};
use crate::control::Control;
use crate::effect::{Effect, Observation};
use crate::entry::{Entry, Leg, Session};
use crate::records;
use crate::timeline::{Kind, Timeline};

/// An account hears of the same refusal at most once in so many seconds.
const ALERT_EVERY_S: u64 = 10;

impl Control {
    pub(crate) fn on_user_agent(&mut self, now: Now, effect: sip::Effect) {
        match effect {
            sip::Effect::Event(event) => self.on_event(now, event),
            send @ (sip::Effect::Send { .. } | sip::Effect::CloseFlow { .. }) => {
                self.push(Effect::Sip(send));
            }
        }
    }

    fn on_event(&mut self, now: Now, event: UaEvent) {
        match event {
            UaEvent::Incoming(incoming) => self.on_incoming(now, incoming),
            UaEvent::Progress { session, status, media, .. } => {
                let Some(sid) = self.call_of(session) else { return };
                let early_media = media.is_some();
                if let Some(media) = media {
                    self.set_media(now, sid, media);
                }
                self.tell(sid, CallInput::SipProgress { status, early_media });
            }
            UaEvent::Answered { session, media, headers, peer } => {
                let Some(sid) = self.call_of(session) else { return };
                self.note_peer(sid, peer.ip());
                self.set_media(now, sid, media);
                let facts = AnswerFacts {
                    call_id: self.call_id_of(sid),
                    source_ip: Some(peer.ip()),
                    headers: texts(&headers),
                };
                self.tell(sid, CallInput::SipAnswered(facts));
            }
            UaEvent::Rejected { session, status, headers, .. } => {
                let Some(sid) = self.call_of(session) else { return };
                let call_id = self.call_id_of(sid);
                self.session_over(sid);
                self.stop_leg(now, sid);
                let headers = headers.map(|headers| texts(&headers)).unwrap_or_default();
                self.tell(sid, CallInput::SipRejected { status, call_id, headers });
            }
            UaEvent::Confirmed { session, media } => {
                let Some(sid) = self.call_of(session) else { return };
                if let Some(media) = media {
                    self.set_media(now, sid, media);
                }
                self.tell(sid, CallInput::Confirmed);
            }
            UaEvent::Negotiated { session, media } | UaEvent::Renegotiated { session, media } => {
                let Some(sid) = self.call_of(session) else { return };
                self.set_media(now, sid, media);
            }
            UaEvent::Refused { session, refusal } => {
                let code = refusal.code.or(Some(32102));
                self.lost(now, session, code, refusal.sentence.into_owned());
            }
            UaEvent::Canceled { session, .. } => {
                let Some(sid) = self.call_of(session) else { return };
                self.session_over(sid);
                self.stop_leg(now, sid);
                let hungup = CallInput::Hungup { cause: HangupCause::Peer, headers: Vec::new() };
                self.tell(sid, hungup);
            }
            UaEvent::Offer { session, direction } => self.on_offer(now, session, direction),
            UaEvent::ReofferRefused { .. } => {}
            UaEvent::Ended { session, cause, headers } => {
                self.on_session_ended(now, session, cause, headers.as_deref());
            }
            UaEvent::Trace(trace) => {
                let Some(sid) = self.call_of(trace.session) else { return };
                let arrow = match trace.direction {
                    TraceDirection::Received => "<-",
                    TraceDirection::Sent => "->",
                };
                let text = format!("{arrow} {} ({})", trace.summary, trace.transport.via_name());
                self.note(now, sid, Kind::Sip, text);
            }
        }
    }

    fn on_session_ended(
        &mut self,
        now: Now,
        session: SessionId,
        cause: EndCause,
        headers: Option<&Headers>,
    ) {
        let failure =
            |code, sentence: &str| HangupCause::Failure { code, sentence: sentence.into() };
        let cause = match cause {
            EndCause::RemoteBye { .. } => HangupCause::Peer,
            EndCause::LocalBye | EndCause::LocalCancel => {
                let Some(sid) = self.call_of(session) else { return };
                self.session_over(sid);
                return self.forget_if_over(now, sid);
            }
            EndCause::AckTimeout => {
                failure(Some(32022), "No ACK came for our 200 within 32 seconds.")
            }
            EndCause::DialogLost { .. } => {
                failure(None, "The peer does not know the call any more, or does not answer.")
            }
            EndCause::Internal => failure(None, "The SIP dialog broke inside the gateway."),
            EndCause::BadAnswer { reason } => HangupCause::Failure {
                code: Some(32102),
                sentence: format!("The peer's answer cannot be used: {reason}"),
            },
        };
        let Some(sid) = self.call_of(session) else { return };
        self.session_over(sid);
        self.stop_leg(now, sid);
        let headers = headers.map(texts).unwrap_or_default();
        self.tell(sid, CallInput::Hungup { cause, headers });
    }

    fn lost(&mut self, now: Now, session: SessionId, code: Option<u32>, sentence: String) {
        let Some(sid) = self.call_of(session) else { return };
        self.session_over(sid);
        self.stop_leg(now, sid);
        let cause = HangupCause::Failure { code, sentence };
        self.tell(sid, CallInput::Hungup { cause, headers: Vec::new() });
    }

    fn on_incoming(&mut self, now: Now, incoming: Box<Incoming>) {
        match incoming.method() {
            Method::Invite => self.on_invite(now, incoming),
            Method::Options => self.on_options(now, incoming),
            Method::Register => {
                let refusal = Refusal::new(
                    "registrar_not_built",
                    403,
                    "Registrations are not in this version: call the domain without registering.",
                )
                .code(32210);
                self.refuse(now, incoming, refusal, None, "REGISTER");
            }
            _ => {
                let refusal = Refusal::new("method_not_allowed", 405, "The method is not handled.");
                self.refuse(now, incoming, refusal, None, "other");
            }
        }
    }

    /// A known domain answers without credentials (contract sip-interface.md §2).
    fn on_options(&mut self, now: Now, incoming: Box<Incoming>) {
        let policy = self.policy();
        let (uri, flow) = (&incoming.request.uri, &incoming.flow);
        match admission::known(&self.snapshot, policy, flow, uri) {
            Ok(_) if self.draining => {
                let refusal = draining(self.random.between(5, 30));
                self.refuse(now, incoming, refusal, None, "OPTIONS");
            }
            Ok(_) => self.ua_commands.push_back(Command::Respond {
                incoming,
                status: 200,
                headers: vec![("Accept".to_owned(), b"application/sdp".to_vec())],
                remember: false,
            }),
            Err(refusal) => self.refuse(now, incoming, refusal, None, "OPTIONS"),
        }
    }

    fn on_invite(&mut self, now: Now, incoming: Box<Incoming>) {
        let policy = Policy {
            default_domain: self.settings.default_domain.as_deref(),
            answer_strangers: self.settings.answer_strangers,
        };
        let (ua, lockout) = (&mut self.ua, &mut self.lockout);
        let source = incoming.flow.remote.ip();
        let decision = admission::decide(
            &self.snapshot,
            policy,
            &incoming.flow,
            &incoming.request.uri,
            |found| verify(ua, lockout, now, &incoming, found),
        );
        match decision {
            Decision::Admit(admitted) => self.admit(now, incoming, &admitted),
            Decision::Challenge { stale } => {
                let kind = ChallengeKind::Proxy;
                self.ua_commands.push_back(Command::Challenge { incoming, kind, stale });
            }
            Decision::Refuse { refusal, account } => {
                self.refuse(now, incoming, refusal, account, "INVITE");
            }
            Decision::LockedOut => {
                let sentence = format!("Too many wrong passwords for this user from {source}.");
                let refusal = Refusal::silent("digest_locked_out", sentence).code(32202);
                self.refuse(now, incoming, refusal, None, "INVITE");
            }
        }
    }

    fn policy(&self) -> Policy<'_> {
        Policy {
            default_domain: self.settings.default_domain.as_deref(),
            answer_strangers: self.settings.answer_strangers,
        }
    }

    fn admit(&mut self, now: Now, incoming: Box<Incoming>, admitted: &Admitted) {
        if self.draining {
            let refusal = draining(self.random.between(5, 30));
            return self.refuse(now, incoming, refusal, Some(admitted.account), "INVITE");
        }
        let place = if self.has_room_for_calls() { self.placement.take(None) } else { None };
        let Some(place) = place else {
            let refusal = Refusal::new(
                "calls_limit",
                503,
                "All media legs are in use, or the limit on calls is reached.",
            )
            .code(10004)
            .retry_after(self.random.between(5, 30));
            return self.refuse(now, incoming, refusal, Some(admitted.account), "INVITE");
        };
        let Some(domain) = self.snapshot.domain(admitted.domain).cloned() else {
            return self.placement.release(place);
        };
        let setup = self.inbound_setup(now, &incoming, admitted, &domain);
        let sid = setup.sid;
        let session = self.new_session(sid);
        let address = self.settings.public_address.unwrap_or(incoming.flow.local.ip());
        let live = Session::Live {
            id: session,
            call_id: incoming.request.call_id.to_string(),
            peer: Some(incoming.flow.remote.ip()),
        };
        self.ua_commands.push_back(Command::Admit { incoming, session });
        let headers = self.call_headers(sid);
        let ringing = Command::Progress { session, status: 180, media: None, headers };
        self.ua_commands.push_back(ringing);
        self.start_call(now, setup, live);
        self.legs.insert(place.leg, sid);
        self.entry_mut(sid, |entry| {
            entry.leg = Some(Leg { place, plan: None, stopping: false, peer: None, address });
        });
    }

    pub(crate) fn has_room_for_calls(&self) -> bool {
        self.settings.calls_max == 0 || self.calls.len() < self.settings.calls_max
    }

    fn inbound_setup(
        &mut self,
        now: Now,
        incoming: &Incoming,
        admitted: &Admitted,
        domain: &Domain,
    ) -> CallSetup {
        let request = &incoming.request;
        let webhook = |url: &Option<String>, method| {
            url.as_ref().map(|url| Webhook { url: url.clone(), method: webhook_method(method) })
        };
        let voice = webhook(&domain.voice_url, domain.voice_method);
        let fallback = webhook(&domain.voice_fallback_url, domain.voice_fallback_method);
        let callback =
            webhook(&domain.voice_status_callback_url, domain.voice_status_callback_method);
        CallSetup {
            sid: CallSid::mint(now.unix_ms, self.settings.origin, self.random.number()),
            account: admitted.account,
            parent: None,
            direction: CallDirection::Inbound,
            from: reported(&request.from.uri),
            to: reported(&request.uri),
            forwarded_from: None,
            caller_name: None,
            application: None,
            sip: Some(SipFacts {
                domain: admission::host_of(&request.uri).unwrap_or_default(),
                domain_sid: Some(domain.sid),
                call_id: request.call_id.to_string(),
                source_ip: incoming.flow.remote.ip(),
                username: admitted.username.clone(),
                headers: texts(&request.headers),
            }),
            leg: None,
            document: voice.map_or(DocumentSource::None, DocumentSource::Url),
            fallback,
            status_callback: callback
                .map(|webhook| StatusCallback { webhook, events: vec![ProgressEvent::Completed] }),
            time_limit_s: self.settings.call.call_s_max,
            record: None,
            settings: self.settings.call.clone(),
            origin: self.settings.origin,
            seed: self.random.bytes(),
        }
    }

    /// Makes a call live: record, timeline, machine, first input.
    pub(crate) fn start_call(&mut self, now: Now, setup: CallSetup, session: Session) {
        let record = Arc::new(records::call_record(&setup, now.unix_ms));
        self.commit(None, Change::PutCall(record.clone()));
        self.insert_call(now, setup, record, session);
    }

    /// The same where the record is on disk already.
    pub(crate) fn insert_call(
        &mut self,
        now: Now,
        setup: CallSetup,
        record: Arc<store::CallRecord>,
        session: Session,
    ) {
        let (sid, direction) = (setup.sid, setup.direction.as_str());
        let mut timeline = Timeline::default();
        timeline.add(now.unix_ms, Kind::Call, format!("{direction} call began"));
        let entry = Entry {
            sid,
            account: setup.account,
            parent: setup.parent,
            call: Call::new(setup),
            record,
            timeline,
            session,
            leg: None,
            prompts: BTreeMap::new(),
            plays: BTreeMap::new(),
            recordings: BTreeMap::new(),
            requests: BTreeMap::new(),
            deadline: None,
            finished: false,
        };
        self.calls.insert(sid, entry);
        self.observe(Observation::CallStarted { call: sid, direction });
        self.tell(sid, CallInput::Started);
    }

    /// Refuses statelessly and tells everybody the same: peer, log, metric, account.
    fn refuse(
        &mut self,
        now: Now,
        incoming: Box<Incoming>,
        refusal: Refusal,
        account: Option<AccountSid>,
        method: &'static str,
    ) {
        let source = incoming.flow.remote;
        self.alert(now, account, &refusal);
        let trusted = false;
        let (headers, told) = (Vec::new(), refusal.clone());
        self.ua_commands.push_back(Command::RejectStateless {
            incoming,
            refusal: told,
            headers,
            trusted,
        });
        self.observe(Observation::Refused { refusal, method, source, account });
    }

    fn alert(&mut self, now: Now, account: Option<AccountSid>, refusal: &Refusal) {
        let (Some(account), Some(code)) = (account, refusal.code) else { return };
        let told = self.alerted.get(&(account, code));
        if told.is_some_and(|at| now.mono.since(*at).as_secs() < ALERT_EVERY_S) {
            return;
        }
        self.alerted.insert((account, code), now.mono);
        let notification = call::Notification {
            code,
            severity: call::Severity::Error,
            message: refusal.sentence.to_string(),
            url: String::new(),
            method: None,
            request_variables: String::new(),
            response_headers: String::new(),
            response_body: String::new(),
            position: None,
        };
        let sid = NotificationSid::mint(now.unix_ms, self.settings.origin, self.random.number());
        let record = records::notification(sid, account, None, &notification, now.unix_ms);
        self.commit(None, Change::AddNotification(Arc::new(record)));
    }

    pub(crate) fn call_of(&self, session: SessionId) -> Option<CallSid> {
        self.sessions.get(&session).copied()
    }

    pub(crate) fn live_session(&self, sid: CallSid) -> Option<SessionId> {
        match self.calls.get(&sid)?.session {
            Session::Live { id, .. } => Some(id),
            Session::None | Session::Resolving { .. } | Session::Over => None,
        }
    }

    /// The Call-ID of a call's session: kept here because the user agent forgets it at the end.
    pub(crate) fn call_id_of(&mut self, sid: CallSid) -> String {
        let Some(entry) = self.calls.get_mut(&sid) else { return String::new() };
        let Session::Live { id, call_id, .. } = &mut entry.session else { return String::new() };
        if call_id.is_empty()
            && let Some(known) = self.ua.call_id(*id)
        {
            *call_id = known.to_string();
        }
        call_id.clone()
    }

    fn note_peer(&mut self, sid: CallSid, address: std::net::IpAddr) {
        self.entry_mut(sid, |entry| {
            if let Session::Live { peer, .. } = &mut entry.session {
                *peer = Some(address);
            }
        });
    }

    /// Asks the user agent to end the session, whatever state it is in; its `Ended` closes it.
    pub(crate) fn end_session(&mut self, sid: CallSid) {
        match self.live_session(sid) {
            Some(session) => {
                self.ua_commands.push_back(Command::Bye { session, headers: Vec::new() });
            }
            None => self.session_over(sid),
        }
    }

    pub(crate) fn session_over(&mut self, sid: CallSid) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        if let Some(id) = entry.session.id() {
            self.sessions.remove(&id);
        }
        entry.session = Session::Over;
    }
}

/// Checks the digest; a pair of user and source that failed too often is not even looked at.
fn verify(
    ua: &mut sip::UserAgent,
    lockout: &mut sip::digest::Lockout,
    now: Now,
    incoming: &Incoming,
    found: &store::Admission<'_>,
) -> Option<Verdict> {
    let source = incoming.flow.remote.ip();
    let (method, target) = (incoming.method().to_string(), incoming.request.uri.to_string());
    let mut check = |uri: &str| {
        let values = incoming.request.headers.all("Proxy-Authorization");
        let values = values.map(|value| value.as_bytes());
        ua.digest().verify(now, method.as_bytes(), uri.as_bytes(), values, |user| {
            admission::stored_hash(found, user)
        })
    };
    let verdict = match check(&target) {
        // Clients with an outbound proxy (SIPp always) sign the address they send to.
        Verdict::WrongUri { .. } => check(&format!("sip:{}", incoming.flow.local)),
        verdict => verdict,
    };
    let (Verdict::WrongUser { user } | Verdict::WrongPassword { user } | Verdict::Ok { user }) =
        &verdict
    else {
        return Some(verdict);
    };
    if lockout.is_held(now.mono, user, source) {
        return None;
    }
    match verdict {
        Verdict::Ok { .. } => lockout.succeeded(user, source),
        _ => drop(lockout.failed(now.mono, user, source)),
    }
    Some(verdict)
}

fn draining(retry_after: u32) -> Refusal {
    Refusal::new("draining", 503, "The gateway is shutting down and takes no new calls.")
        .retry_after(retry_after)
}

fn webhook_method(method: store::HttpMethod) -> call::Method {
    match method {
        store::HttpMethod::Get => call::Method::Get,
        store::HttpMethod::Post => call::Method::Post,
    }
}

/// Headers as text, name as received; bytes that are no UTF-8 are replaced.
pub(crate) fn texts(headers: &Headers) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|header| {
            let name = String::from_utf8_lossy(header.name().as_bytes()).into_owned();
            (name, String::from_utf8_lossy(header.value().as_bytes()).into_owned())
        })
        .collect()
}

/// A URI as webhooks report it: without display name, brackets and tag; `sips:` as `sip:` over TLS
/// (contract webhooks.md 3.2).
fn reported(uri: &sip::Uri) -> String {
    let text = uri.to_string();
    match text.strip_prefix("sips:") {
        Some(rest) => format!("sip:{rest};transport=tls"),
        None => text,
    }
}
