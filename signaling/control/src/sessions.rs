//! Events of the user agent, carried to calls. Sans-IO.
//!
//! An event names a session; `Links` has its call, or no call any more. The change to the call's session
//! and leg comes first, then the input for its machine, which finds them as they are now. Events of the
//! contacts of a registered user pass through `crate::registrar::ring` before: it lets through what
//! concerns the call as a whole.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use call::{AnswerFacts, CallInput, CallSetup, HangupCause};
use shared::{CallSid, Code, Header, NegotiatedMedia, Now, TlsFailure};
use sip::user_agent::{EndCause, Trace, TraceDirection, TraceOwner};
use sip::{Command, Contacts, Headers, SessionId, UaEvent};
use store::Change;

use crate::control::Control;
use crate::effect::{Effect, Observation};
use crate::records;
use crate::state::live_call::LiveCall;
use crate::state::session::Session;
use crate::state::timeline::Kind;

impl Control {
    pub(crate) fn on_user_agent(&mut self, now: Now, effect: sip::Effect) {
        match effect {
            sip::Effect::Event(event) => self.on_event(now, event),
            send @ sip::Effect::Send { .. } => self.push(Effect::Sip(send)),
            close @ sip::Effect::CloseFlow { flow, .. } => {
                self.connection_closed(flow);
                self.push(Effect::Sip(close));
            }
        }
    }

    fn on_event(&mut self, now: Now, event: UaEvent) {
        let Some(event) = self.of_siprec(now, event) else { return };
        let Some(event) = self.of_forks(now, event) else { return };
        match event {
            UaEvent::Incoming(incoming) => self.on_incoming(now, incoming),
            UaEvent::Stray(incoming) => self.on_stray(now, incoming),
            UaEvent::Progress { session, status, media, .. } => {
                let Some(sid) = self.call_of(session) else { return };
                let early_media = media.is_some();
                // The leg first: a call that bridges early media finds it up.
                if let Some(media) = media {
                    self.set_media(now, sid, media);
                }
                if early_media {
                    self.ring_in_conference(now, sid);
                }
                self.tell(sid, CallInput::SipProgress { status, early_media });
            }
            UaEvent::Answered { session, media, headers, peer } => {
                self.on_answered(now, session, media, (&headers, peer.ip()));
            }
            UaEvent::Broken { refusal, source } => self.observe(Observation::Refused {
                refusal: *refusal,
                method: "broken",
                source,
                account: None,
            }),
            UaEvent::Unheard { rule } => self.observe(Observation::Dropped { rule }),
            UaEvent::TlsFailed { session, peer, failure } => {
                self.on_tls_failed(now, session, peer, failure);
            }
            UaEvent::FailedOver { session, status, is_answer, peer } => {
                self.on_failed_over(now, session, status, is_answer, peer);
            }
            UaEvent::Rejected { session, status, headers, contacts, peer, .. } => {
                self.on_rejected(now, session, (status, headers.as_deref(), peer), &contacts);
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
                let (code, sentence) =
                    (refusal.code.unwrap_or(Code::SDP_INVALID), refusal.sentence.into());
                let code = Some(code);
                self.lost(session, HangupCause::Failure { code, sentence });
            }
            UaEvent::Canceled { session, reason } => {
                if let Some(sid) = self.call_of(session) {
                    self.note_reason(now, sid, reason.as_deref());
                }
                self.lost(session, HangupCause::Peer);
            }
            UaEvent::Offer { session, direction } => self.on_offer(now, session, direction),
            UaEvent::OfferRefused { session, method, refusal } => {
                self.on_offer_refused(now, session, method, refusal);
            }
            // Control sends no offers in a dialog, and a refused refresh leaves the media as they
            // were.
            UaEvent::ReofferRefused { .. } => {}
            UaEvent::Digit { session, digit, duration_ms } => {
                self.on_info_digit(now, session, digit, duration_ms);
            }
            UaEvent::Refer { session, refer } => self.on_refer(now, session, *refer),
            UaEvent::ReferAnswered { session, status } => {
                let Some(sid) = self.call_of(session) else { return };
                self.tell(sid, CallInput::ReferAnswered { status });
            }
            UaEvent::ReferProgress { session, status, is_over } => {
                let Some(sid) = self.call_of(session) else { return };
                self.tell(sid, CallInput::ReferProgress { status, is_over });
            }
            UaEvent::Ended { session, cause, headers } => {
                self.on_session_ended(now, session, cause, headers.as_deref());
            }
            UaEvent::Responded(responded) => self.on_responded(now, *responded),
            UaEvent::Trace(trace) => self.on_trace(now, &trace),
        }
    }

    /// A 2xx to our INVITE: the call is with this peer, and no other target is tried any more.
    fn on_answered(
        &mut self,
        now: Now,
        session: SessionId,
        media: NegotiatedMedia,
        (headers, source): (&Headers, IpAddr),
    ) {
        let Some(sid) = self.call_of(session) else { return };
        self.note_peer(sid, source);
        self.entry_mut(sid, |entry| entry.outgoing = None);
        self.set_media(now, sid, media);
        let call_id = self.call_id_of(sid);
        let (source_ip, headers) = (Some(source), headers.to_vec());
        self.tell(sid, CallInput::SipAnswered(AnswerFacts { call_id, source_ip, headers }));
    }

    /// The end of our INVITE at its last address: by a response with `headers`, or without any.
    fn on_rejected(
        &mut self,
        now: Now,
        session: SessionId,
        (status, headers, peer): (u16, Option<&Headers>, Option<SocketAddr>),
        contacts: &Contacts,
    ) {
        let Some(sid) = self.call_of(session) else { return };
        let tls_failure = self.take_tls_failure(sid);
        let outcome = (status, headers.is_some(), tls_failure);
        // While there is another target, the call gets no failure; a warning names the target that
        // failed.
        if self.goes_elsewhere(now, sid, outcome, contacts) {
            return;
        }
        let call_id = self.call_id_of(sid);
        // Read before the session is over: the user agent forgets the Call-ID with it.
        let reason = headers.and_then(|headers| headers.get("Reason"));
        self.note_reason(now, sid, reason.map(|value| value.to_lossy()).as_deref());
        self.session_over(sid);
        self.stop_leg(sid);
        let input = match headers {
            Some(headers) => CallInput::SipRejected { status, call_id, headers: headers.to_vec() },
            None => unreachable_target(status, peer, tls_failure),
        };
        self.tell(sid, input);
    }

    /// A message was sent or received: a line in the timeline of its call.
    fn on_trace(&mut self, now: Now, trace: &Trace) {
        // A request outside of dialogs has no call, and so no timeline.
        let TraceOwner::Session(session) = trace.owner else { return };
        let siprec = self.links.siprec_of_session(session).map(|(sid, _)| sid);
        let Some(sid) = self.call_of(session).or(siprec) else { return };
        let arrow = match trace.direction {
            TraceDirection::Received => "<-",
            TraceDirection::Sent => "->",
        };
        let (summary, transport) = (&trace.summary, trace.transport.via_name());
        self.note(now, sid, Kind::Sip, format_args!("{arrow} {summary} ({transport})"));
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
            EndCause::RemoteBye { reason } => {
                if let Some(sid) = self.call_of(session) {
                    self.note_reason(now, sid, reason.as_deref());
                }
                HangupCause::Peer
            }
            // The machine of the call ordered this end. It has gone on and expects no input.
            EndCause::LocalBye | EndCause::LocalCancel => {
                let Some(sid) = self.call_of(session) else { return };
                self.session_over(sid);
                return self.forget_if_over(sid);
            }
            EndCause::AckTimeout => {
                failure(Some(Code::NO_ACK), "No ACK came for our 200 within 32 seconds.")
            }
            // A 481 or 408 to our request in the dialog (RFC 3261 §12.2.1.2).
            EndCause::DialogLost { .. } => {
                failure(None, "The peer does not know the call any more, or does not answer.")
            }
            EndCause::SessionExpired => {
                failure(None, "The SIP session timer ran out: the peer did not refresh the call.")
            }
            EndCause::Internal => failure(None, "The SIP dialog broke inside the gateway."),
            EndCause::BadAnswer { status, reason } => HangupCause::BadAnswer {
                status,
                sentence: format!("The peer's answer cannot be used: {reason}"),
            },
        };
        let Some(sid) = self.call_of(session) else { return };
        self.session_over(sid);
        self.stop_leg(sid);
        let headers = headers.map(Headers::to_vec).unwrap_or_default();
        self.tell(sid, CallInput::Hungup { cause, headers });
    }

    /// The session ended without our doing: the call hangs up.
    fn lost(&mut self, session: SessionId, cause: HangupCause) {
        let Some(sid) = self.call_of(session) else { return };
        self.session_over(sid);
        self.stop_leg(sid);
        self.tell(sid, CallInput::Hungup { cause, headers: Vec::new() });
    }

    /// Starts a call and writes its first record.
    pub(crate) fn start_call(&mut self, now: Now, setup: CallSetup, session: Session) {
        let record = Arc::new(records::call_record(&setup, now.unix_ms));
        self.commit(None, Change::PutCall(Arc::clone(&record)));
        // Before the call starts: a reader who learns the SID from its first webhook must find the
        // record.
        self.insert_call(now, setup, record, session);
    }

    /// Starts a call whose record is on disk already.
    pub(crate) fn insert_call(
        &mut self,
        now: Now,
        setup: CallSetup,
        record: Arc<store::CallRecord>,
        session: Session,
    ) {
        let (sid, direction) = (setup.sid, setup.direction.as_str());
        let former = self.calls.insert(sid, LiveCall::new(now, setup, record, session));
        debug_assert!(former.is_none(), "the SID of a new call names no live call");
        self.observe(Observation::CallStarted { call: sid, direction });
        self.tell(sid, CallInput::Started);
    }

    /// The live call of a session.
    pub(crate) fn call_of(&self, session: SessionId) -> Option<CallSid> {
        self.links.call_of_session(session)
    }

    /// The session that the user agent has of a call.
    pub(crate) fn live_session(&self, sid: CallSid) -> Option<SessionId> {
        match self.calls.get(&sid)?.session {
            Session::Live { id, .. } => Some(id),
            Session::None | Session::Resolving { .. } | Session::Linked { .. } | Session::Over => {
                None
            }
        }
    }

    /// The Call-ID of a call's session; empty: it has none. It is kept with the call, because the user
    /// agent forgets it when the session ends.
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

    fn note_peer(&mut self, sid: CallSid, address: IpAddr) {
        self.entry_mut(sid, |entry| {
            if let Session::Live { peer, .. } = &mut entry.session {
                *peer = Some(address);
            }
        });
    }

    /// Notes why the peer ended or refused the call (RFC 3326): Q.850 causes in our words, others in the
    /// peer's.
    fn note_reason(&mut self, now: Now, sid: CallSid, value: Option<&str>) {
        let Some(value) = value else { return };
        let mut headers = Headers::new();
        // The event has the bare value. It goes through the parser of headers, so that one grammar
        // decides (ARCHITECTURE.md, I6).
        if headers.push("Reason", value).is_err() {
            return;
        }
        for reason in headers.reasons().iter().take(REASONS_MAX) {
            self.note(now, sid, Kind::Sip, crate::reason::timeline_text(reason));
        }
    }

    /// Asks the user agent to end the session, in whatever state it is. Its `Ended` closes it.
    pub(crate) fn end_session(&mut self, sid: CallSid) {
        // The BYE below ends one session, and each contact that rings has its own.
        self.drop_forks(sid);
        if let Some(other) = self.linked_with(sid) {
            return self.end_link(sid, other, None);
        }
        match self.live_session(sid) {
            Some(session) => {
                let headers = vec![Header::new("Reason", self.reason_of_end(sid))];
                self.command(Command::Bye { session, headers });
            }
            // Nothing was sent yet. Addresses that come later find no link and are dropped.
            None => self.session_over(sid),
        }
    }

    /// The `Reason` of our BYE or CANCEL: a phone whose call was answered elsewhere does not list it as
    /// missed.
    fn reason_of_end(&self, sid: CallSid) -> &'static [u8] {
        let is_up = |sid: CallSid| {
            let entry = self.calls.get(&sid);
            entry.is_some_and(|entry| entry.record.status == store::CallStatus::InProgress)
        };
        let Some(entry) = self.calls.get(&sid) else { return crate::reason::NORMAL };
        // A call that was answered itself is no missed call, whatever became of its siblings.
        if is_up(sid) || entry.record.start_ms.is_some() {
            return crate::reason::NORMAL;
        }
        let siblings = entry.parent.map(|parent| self.children_of(parent)).unwrap_or_default();
        match siblings.into_iter().any(|sibling| sibling != sid && is_up(sibling)) {
            true => crate::reason::ELSEWHERE,
            false => crate::reason::NORMAL,
        }
    }

    /// The session of a call is over: later events of it do not reach the call.
    pub(crate) fn session_over(&mut self, sid: CallSid) {
        self.drop_forks(sid);
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        if let Some(id) = entry.session.id() {
            self.links.remove_session(id);
        }
        entry.session = Session::Over;
    }
}

/// The failure of a target that did not respond at all. It is not `no-answer`: that is a phone which
/// rang.
pub(crate) fn unreachable_target(
    status: u16,
    peer: Option<SocketAddr>,
    tls: Option<TlsFailure>,
) -> CallInput {
    let target = peer.map_or_else(String::new, |peer| format!(" {peer}"));
    if let Some(failure) = tls {
        let why = failure.sentence();
        let sentence = format!("The TLS handshake with the SIP target{target} failed: {why}");
        return CallInput::LegFailed { code: Some(failure.code()), status: Some(status), sentence };
    }
    let sentence = match status {
        // The user agent reports its own timer as 408 without a response; a 408 of the peer has
        // headers and is a rejection.
        408 => format!(
            "The SIP target{target} did not respond to the INVITE at all, not even with 100."
        ),
        _ => format!(
            "The SIP target{target} cannot be reached: no connection, a closed port, or nothing \
             could be sent to it."
        ),
    };
    CallInput::LegFailed { code: Some(Code::TARGET_FAILED), status: Some(status), sentence }
}

/// Most values of one `Reason` header in a timeline.
const REASONS_MAX: usize = 3;
