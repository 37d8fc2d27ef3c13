//! Calls to registered users: one leg that rings several contacts. Sans-IO.
//!
//! Every contact gets its own INVITE and session, all with the port of one leg (forking as in RFC 3261
//! §16.7, without a proxy). The call sees one session: the first contact that still rings. The first 2xx
//! wins and the others are canceled; if all fail, the best failure is reported. With more than one
//! contact there is no early media before the 2xx, as the leg could not tell whose to play.

use std::fmt;
use std::net::IpAddr;

use call::{CallInput, OutboundLeg, SipTarget, Target};
use shared::{CallSid, Code, Header, Now};
use sip::registrar::Binding;
use sip::user_agent::{Attempts, EndCause, Invite};
use sip::{Command, Headers, SessionId, UaEvent, Uri};

use crate::control::Control;
use crate::outgoing::{NoWay, sip_credentials};
use crate::state::forks::{Branch, Failure, Forks};
use crate::state::session::Session;
use crate::state::timeline::Kind;

impl Control {
    /// Rings every contact of a registered user.
    pub(crate) fn ring(&mut self, now: Now, sid: CallSid, leg: OutboundLeg) {
        let Target::Sip(target) = &leg.target else { return };
        match self.contacts(sid, target) {
            Ok(bindings) => self.ring_contacts(now, sid, &leg, target, &bindings),
            Err(no_way) => self.no_way(sid, no_way),
        }
    }

    fn ring_contacts(
        &mut self,
        now: Now,
        sid: CallSid,
        leg: &OutboundLeg,
        target: &SipTarget,
        bindings: &[Binding],
    ) {
        let Some((from, to)) = self.own_uri(&leg.caller_id).zip(Uri::parse(&target.uri).ok())
        else {
            let sentence = "The caller id cannot stand in a From header.".into();
            return self.no_way(sid, NoWay { code: None, status: Some(503), sentence });
        };
        let Some(local) = bindings.first().map(|binding| binding.flow.local.ip()) else { return };
        let secure = self.rings_securely(target);
        if !self.has_leg_for_invite(sid, local, secure) {
            let sentence = "All media legs are in use.".into();
            return self.no_way(sid, NoWay { code: None, status: Some(503), sentence });
        }
        let latch = self.latch_of_host(&target.host);
        self.entry_mut(sid, |entry| {
            if let Some(leg) = &mut entry.leg {
                leg.latch = latch;
            }
        });
        let numbered = (1..).zip(bindings);
        let branches: Vec<Branch> =
            numbered.map(|(number, binding)| self.branch(sid, number, binding, secure)).collect();
        let Some(first) = branches.first() else { return };
        self.entry_mut(sid, |entry| entry.session = live(first));
        let uris = (&from, &to);
        self.invite_contacts(now, sid, (leg, target), uris, &branches, bindings);
        // Before the commands are carried out: the first event of a contact finds it here.
        self.entry_mut(sid, |entry| entry.forks = Some(Forks::new(branches)));
        self.send_now(now, sid);
    }

    /// Queues the INVITE to each contact.
    fn invite_contacts(
        &mut self,
        now: Now,
        sid: CallSid,
        (leg, target): (&OutboundLeg, &SipTarget),
        (from, to): (&Uri, &Uri),
        branches: &[Branch],
        bindings: &[Binding],
    ) {
        debug_assert_eq!(branches.len(), bindings.len(), "a branch for each contact");
        let (headers, credentials) =
            (self.invite_headers(sid, &target.headers), sip_credentials(target));
        for (branch, binding) in branches.iter().zip(bindings) {
            let text = ringing_text(branch, bindings.len(), binding);
            self.note(now, sid, Kind::Sip, text);
            let Some(mut media) = self.local_media(sid) else { continue };
            media.address = branch.address;
            media.security = branch.security;
            media.targets = self.settings.media_targets(Some(branch.peer));
            let invite = Invite {
                // The source of the REGISTER, whatever the Contact says (RFC 3581).
                destinations: vec![binding.destination()],
                // The Request-URI is the Contact (RFC 3261 §16.6 step 2), To is the dialled URI. A
                // Contact that is no SIP URI gives way to To.
                request_uri: binding.target().unwrap_or_else(|| to.clone()),
                to: to.clone(),
                from: from.clone(),
                from_display: leg.display_name.clone(),
                contact_user: leg.caller_id.clone(),
                headers: headers.clone(),
                media,
                // A phone behind a NAT can be reached only on the flow of its REGISTER.
                attempts: Attempts { stays_on_flow: true, ..Attempts::default() },
                late_offer: false,
                max_forwards: self.hops_left(sid),
                extensions: self.extensions_of_host(&target.host),
                credentials: credentials.clone(),
                metadata: None,
                route: binding.route(),
            };
            let (session, invite) = (branch.session, Box::new(invite));
            self.command(Command::Invite { session, invite });
        }
    }

    fn branch(&mut self, sid: CallSid, number: usize, binding: &Binding, secure: bool) -> Branch {
        let address = self.shown_to(sid, binding.flow.local.ip());
        let peer = binding.flow.remote.ip();
        let security = self.new_security(secure);
        Branch { session: self.links.new_session(sid), number, address, security, peer }
    }

    /// The address of the call's one leg for a phone that reaches us at `local`. A phone on the other IP
    /// version gets the leg's own address.
    pub(crate) fn shown_to(&self, sid: CallSid, local: IpAddr) -> IpAddr {
        let leg = self.calls.get(&sid).and_then(|entry| entry.leg.as_ref());
        match leg {
            Some(leg) if leg.address.is_ipv4() == local.is_ipv4() => {
                self.shown_address(leg.place.port.address, local)
            }
            Some(leg) => leg.address,
            None => local,
        }
    }

    /// Gathers the events of a call's contacts. Returns the event if it concerns the call, `None` if it
    /// was one contact's alone.
    pub(crate) fn of_forks(&mut self, now: Now, event: UaEvent) -> Option<UaEvent> {
        match event {
            UaEvent::Progress { session, status, media, headers } => {
                let is_one_of_several =
                    self.forks_of(session).is_some_and(|forks| forks.total() > 1);
                // Without its media the leg stays down, and the caller keeps hearing the ringing
                // tone.
                let media = media.filter(|_| !is_one_of_several);
                Some(UaEvent::Progress { session, status, media, headers })
            }
            UaEvent::Answered { session, .. } => {
                self.contact_answered(now, session);
                Some(event)
            }
            UaEvent::Rejected { session, status, headers, peer, .. } if self.is_fork(session) => {
                let headers = headers.map(|headers| headers.to_vec());
                let failure = Failure { status, headers, peer, ..Failure::default() };
                self.contact_failed(now, session, failure);
                None
            }
            UaEvent::Ended { session, cause, headers } if self.is_fork(session) => {
                self.contact_ended(now, session, cause, headers)
            }
            other => Some(other),
        }
    }

    fn forks_of(&self, session: SessionId) -> Option<&Forks> {
        let forks = self.calls.get(&self.call_of(session)?)?.forks.as_ref()?;
        forks.rings(session).then_some(forks)
    }

    fn is_fork(&self, session: SessionId) -> bool {
        self.forks_of(session).is_some()
    }

    /// The first 2xx: this contact has the call, the others stop ringing.
    fn contact_answered(&mut self, now: Now, session: SessionId) {
        if !self.is_fork(session) {
            return;
        }
        let Some(sid) = self.call_of(session) else { return };
        let Some(forks) = self.calls.get_mut(&sid).and_then(|entry| entry.forks.take()) else {
            return;
        };
        let total = forks.total();
        let (ringing, _) = forks.into_parts();
        for branch in ringing {
            if branch.session != session {
                self.silence(&branch, ELSEWHERE);
                continue;
            }
            self.note(
                now,
                sid,
                Kind::Sip,
                format!("contact {} of {total} answered", branch.number),
            );
            self.entry_mut(sid, |entry| {
                entry.session = live(&branch);
                if let Some(leg) = &mut entry.leg {
                    leg.address = branch.address;
                    leg.security = branch.security;
                }
            });
        }
    }

    /// The session of a ringing contact ended: by a 2xx that cannot be used, or by the end of the call.
    fn contact_ended(
        &mut self,
        now: Now,
        session: SessionId,
        cause: EndCause,
        headers: Option<Box<Headers>>,
    ) -> Option<UaEvent> {
        match cause {
            EndCause::BadAnswer { status, ref reason } => {
                let sentence = format!("The phone's answer cannot be used: {reason}");
                let (status, sentence) = (status.unwrap_or(200), Some(sentence));
                let failure = Failure { status, sentence, ..Failure::default() };
                self.contact_failed(now, session, failure);
                None
            }
            EndCause::RemoteBye { .. }
            | EndCause::LocalBye
            | EndCause::LocalCancel
            | EndCause::AckTimeout
            | EndCause::DialogLost { .. }
            | EndCause::SessionExpired
            | EndCause::Internal => Some(UaEvent::Ended { session, cause, headers }),
        }
    }

    fn contact_failed(&mut self, now: Now, session: SessionId, mut failure: Failure) {
        let Some(sid) = self.call_of(session) else { return };
        let status = failure.status;
        let call_id = self.ua.call_id(session).map(ToString::to_string);
        // Each contact has a Call-ID of its own, and the failure that is reported must name the
        // right one.
        failure.call_id = call_id.unwrap_or_else(|| self.call_id_of(sid));
        self.links.remove_session(session);
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let Some(forks) = entry.forks.as_mut() else { return };
        let number = forks.fail(session, failure);
        let total = forks.total();
        let next = forks.ringing().first().cloned();
        // A 6xx speaks for the user, not for one phone: the others stop ringing (RFC 3261 §21.6).
        let next = next.filter(|_| status < 600);
        self.note(now, sid, Kind::Sip, format_args!("contact {number} of {total}: {status}"));
        match next {
            Some(next) => self.entry_mut(sid, |entry| {
                // The session that the call sees must be one that still rings, or its hang-up would
                // reach nobody.
                if entry.session.id() == Some(session) {
                    entry.session = live(&next);
                }
            }),
            None => self.all_failed(sid),
        }
    }

    fn all_failed(&mut self, sid: CallSid) {
        let forks = self.calls.get_mut(&sid).and_then(|entry| entry.forks.take());
        let Some(forks) = forks else { return };
        let (ringing, best) = forks.into_parts();
        // Contacts still ring here only after a 6xx.
        ringing.iter().for_each(|branch| self.silence(branch, DECLINED));
        self.session_over(sid);
        self.stop_leg(sid);
        if let Some(best) = best {
            self.tell(sid, failure_of_all(best));
        }
    }

    /// Stops every contact of a call except the one that the call has as its session.
    pub(crate) fn drop_forks(&mut self, sid: CallSid) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let (Some(forks), kept) = (entry.forks.take(), entry.session.id()) else { return };
        let others = forks.ringing().iter().filter(|branch| Some(branch.session) != kept);
        others.for_each(|branch| self.silence(branch, ""));
    }

    /// Cancels one contact. Its later events do not reach the call.
    fn silence(&mut self, branch: &Branch, reason: &str) {
        self.links.remove_session(branch.session);
        // The link goes first: the 487 that answers the CANCEL must not count as a failure of the
        // call.
        let headers: Vec<Header> = match reason {
            "" => Vec::new(),
            reason => vec![Header::new("Reason", reason.as_bytes())],
        };
        self.command(Command::Cancel { session: branch.session, headers });
    }
}

/// The input for the call when no contact answered.
fn failure_of_all(best: Failure) -> CallInput {
    let Failure { status, call_id, headers, sentence, peer } = best;
    match (status, headers, sentence) {
        (300..=399, _, _) => CallInput::LegFailed {
            code: Some(Code::REDIRECT_NOT_FOLLOWED),
            status: Some(status),
            sentence: "A registered phone redirected the call; that is not followed.".to_owned(),
        },
        (_, Some(headers), None) => CallInput::SipRejected { status, call_id, headers },
        (_, _, Some(sentence)) => {
            CallInput::LegFailed { code: Some(Code::SDP_INVALID), status: Some(status), sentence }
        }
        (_, None, None) => crate::sessions::unreachable_target(status, peer, None),
    }
}

fn live(branch: &Branch) -> Session {
    Session::Live { id: branch.session, call_id: String::new(), peer: Some(branch.peer) }
}

/// The line for the timeline: number, transport, address and edge of a contact, never its URI, which may
/// be private.
fn ringing_text(branch: &Branch, total: usize, binding: &Binding) -> impl fmt::Display {
    let flow = binding.flow;
    let path = if binding.path.is_empty() { "" } else { ", by a proxy" };
    fmt::from_fn(move |f| {
        let (number, transport) = (branch.number, flow.transport.via_name());
        let (remote, edge) = (flow.remote, &binding.edge);
        write!(f, "ringing contact {number} of {total}: {transport} {remote} (edge {edge}{path})")
    })
}

/// RFC 3326: phones then do not list a missed call.
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";
const DECLINED: &str = "SIP;cause=600;text=\"Busy everywhere\"";
