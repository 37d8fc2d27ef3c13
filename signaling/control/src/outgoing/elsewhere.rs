//! An INVITE that failed at one target and goes to another: the next one of a trunk, or the Contact of a 3xx
//! response. Sans-IO.
//!
//! Trunks are tried in the order of the settings, each with all of its targets, and each failure is a
//! warning of the call. A redirect is followed once a call, so that two peers cannot send it back and forth.

use std::borrow::Cow;
use std::net::SocketAddr;

use call::{SipTarget, Target};
use shared::{CallSid, Code, Now, TlsFailure, Transport};
use sip::user_agent::Failover;
use sip::{Contacts, SessionId, Uri};

use crate::control::Control;
use crate::state::session::PendingInvite;
use crate::state::timeline::Kind;

impl Control {
    /// The user agent gave up one address of the target and tries the next.
    pub(crate) fn on_failed_over(
        &mut self,
        now: Now,
        session: SessionId,
        status: u16,
        is_answer: bool,
        peer: SocketAddr,
    ) {
        let Some(sid) = self.call_of(session) else { return };
        let tls_failure = self.take_tls_failure(sid);
        let (code, why) = failed(status, is_answer, tls_failure);
        self.warn(now, sid, code, format!("{peer}: {why}. The next address is tried."));
    }

    /// The TLS handshake with the peer of a session failed. The timeline gets the reason at once; the account
    /// gets it in the warning or the failure that follows.
    pub(crate) fn on_tls_failed(
        &mut self,
        now: Now,
        session: SessionId,
        peer: SocketAddr,
        failure: TlsFailure,
    ) {
        let Some(sid) = self.call_of(session) else { return };
        let (rule, sentence) = (failure.rule(), failure.sentence());
        let text = format_args!("TLS with {peer} failed ({rule}): {sentence}");
        self.note(now, sid, Kind::Sip, text);
        let invite = self.calls.get_mut(&sid).and_then(|entry| entry.outgoing.as_mut());
        if let Some(invite) = invite {
            invite.tls_failure = Some(failure);
        }
    }

    /// The TLS failure of the last peer. It is returned once.
    pub(crate) fn take_tls_failure(&mut self, sid: CallSid) -> Option<TlsFailure> {
        self.calls.get_mut(&sid)?.outgoing.as_mut()?.tls_failure.take()
    }

    /// Sends a refused INVITE to another target. Returns `false` when it has none.
    pub(crate) fn goes_elsewhere(
        &mut self,
        now: Now,
        sid: CallSid,
        (status, is_answer, tls): (u16, bool, Option<TlsFailure>),
        contacts: &Contacts,
    ) -> bool {
        let Some(entry) = self.calls.get_mut(&sid) else { return false };
        let Some(invite) = entry.outgoing.take() else { return false };
        // Late events of the failed INVITE must not reach the call.
        if let Some(session) = entry.session.id() {
            self.links.remove_session(session);
        }
        match status {
            300..=399 if is_answer => self.follows_redirect(now, sid, invite, status, contacts),
            // An address that says nothing always leads on; a response does so unless it decides
            // (sip.md 8).
            status if !is_answer || Failover::UnlessDecided.goes_on(status) => {
                let (code, why) = failed(status, is_answer, tls);
                self.goes_to_next_target(now, sid, invite, code, &why)
            }
            _ => false,
        }
    }

    /// Sends the INVITE to the next target of the trunk, or the first of the next trunk. Returns `false` when
    /// there is none.
    pub(crate) fn goes_to_next_target(
        &mut self,
        now: Now,
        sid: CallSid,
        mut invite: Box<PendingInvite>,
        code: Code,
        why: &str,
    ) -> bool {
        // A target whose setting makes no URI is passed over, so this may take several rounds.
        while let Some(at) = invite.trunk.filter(|_| !invite.was_redirected) {
            let Some(next) = self.next_trunk(at) else { return false };
            let name = self.settings.trunks.get(at.0).map_or("", |trunk| trunk.name.as_str());
            let sentence = format!(
                "Target {} of trunk {name}: {}. The next target is tried.",
                at.1.saturating_add(1),
                why.trim_end_matches('.')
            );
            self.warn(now, sid, code, sentence);
            invite.trunk = Some(next);
            // A copy, because a look-up that fails drops its invite and the next round needs it.
            if self.look_up(now, sid, invite.clone()).is_ok() {
                return true;
            }
        }
        false
    }

    /// The target after this one, as indices of trunk and target.
    pub(crate) fn next_trunk(&self, at: (usize, usize)) -> Option<(usize, usize)> {
        let (trunk, target) = (at.0, at.1.checked_add(1)?);
        if self.settings.trunks.get(trunk).is_some_and(|trunk| target < trunk.targets.len()) {
            return Some((trunk, target));
        }
        self.trunk_from(trunk.checked_add(1)?)
    }

    /// The first target of the first trunk, from index `first` on, that has any.
    pub(crate) fn trunk_from(&self, first: usize) -> Option<(usize, usize)> {
        let mut trunks = self.settings.trunks.iter().enumerate().skip(first);
        trunks.find(|(_, trunk)| !trunk.targets.is_empty()).map(|(index, _)| (index, 0))
    }

    /// Follows a 3xx: one hop, the first Contact alone, never back to us, without credentials and `edge`.
    fn follows_redirect(
        &mut self,
        now: Now,
        sid: CallSid,
        invite: Box<PendingInvite>,
        status: u16,
        contacts: &Contacts,
    ) -> bool {
        match self.redirected(invite, contacts) {
            Ok(invite) => {
                self.note(now, sid, Kind::Sip, format_args!("redirected by {status}"));
                self.look_up(now, sid, invite).is_ok()
            }
            Err(why) => {
                let sentence =
                    format!("The redirect ({status}) of the SIP target is not followed: {why}.");
                self.warn(now, sid, Code::REDIRECT_NOT_FOLLOWED, sentence);
                false
            }
        }
    }

    fn redirected(
        &self,
        mut invite: Box<PendingInvite>,
        contacts: &Contacts,
    ) -> Result<Box<PendingInvite>, &'static str> {
        if invite.was_redirected {
            return Err("it is the second in a row");
        }
        let contact = contacts.first().ok_or("it has no Contact")?;
        let Uri::Sip(uri) = &contact.uri else { return Err("its Contact is not a SIP URI") };
        let (mut target, _) =
            call::sip_noun::parse(&uri.to_string()).map_err(|_| "its Contact cannot be dialled")?;
        // A peer must not choose which of our phones rings (sip.md 8).
        if self.snapshot.suffix().host(&target.host).is_some() {
            return Err("its Contact is a domain of this gateway");
        }
        if let Target::Sip(SipTarget { headers, transport, secure, .. }) = &mut invite.leg.target {
            target.headers = std::mem::take(headers);
            // A redirect cannot downgrade a call from TLS, or from SRTP.
            if *transport == Some(Transport::Tls) {
                target.transport = Some(Transport::Tls);
            }
            target.secure = *secure;
        }
        invite.leg.target = Target::Sip(target);
        invite.was_redirected = true;
        // A redirect costs a hop, so that peers which redirect to each other across calls come to
        // an end.
        let hops_left = invite.max_forwards.checked_sub(1);
        invite.max_forwards = hops_left.ok_or("the call has no hops left (Max-Forwards)")?;
        Ok(invite)
    }
}

/// Error code and reason of a target that failed.
fn failed(status: u16, is_answer: bool, tls: Option<TlsFailure>) -> (Code, Cow<'static, str>) {
    if let Some(failure) = tls {
        let sentence = failure.sentence().trim_end_matches('.');
        return (failure.code(), format!("the TLS handshake failed: {sentence}").into());
    }
    let why = match (is_answer, status) {
        (true, _) => format!("it answered {status}").into(),
        (false, 408) => "it did not respond".into(),
        (false, _) => "it cannot be reached".into(),
    };
    (Code::TARGET_FAILED, why)
}
