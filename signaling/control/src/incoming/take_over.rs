//! INVITEs with `Replaces`: another phone takes the place of the one in an answered call (RFC 3891).
//! Sans-IO.
//!
//! The call stays what it is. Its machine, its bridge, its recordings and its leg go on; behind the leg
//! one SIP dialog gives way to another. The new one is answered on the leg's own port. The old one gets
//! BYE, and its later events do not reach the call. The application notices nothing, and the other party
//! only hears another voice.

use std::sync::Arc;

use shared::{CallSid, Header, Now, Refusal};
use sip::offer_answer::LocalMedia;
use sip::refer_to::Replaces;
use sip::user_agent::{Incoming, replaces_unknown};
use sip::{Command, SessionId};
use store::Domain;

use super::invite::check_media;
use crate::admission::Admitted;
use crate::control::Control;
use crate::state::session::Session;
use crate::state::timeline::Kind;

/// A call whose dialog gives way.
struct Replaced {
    call: CallSid,
    session: SessionId,
    /// Our side of the media towards the new phone: the leg's port, and a key that the old phone does
    /// not know.
    media: LocalMedia,
}

impl Control {
    /// The domain of the call that a `Replaces` names. It admits the request when the Request-URI is our
    /// own Contact: a phone that follows a REFER has that from `Refer-To` (RFC 5589 §7.3).
    pub(crate) fn domain_of_replaced(&self, incoming: &Incoming) -> Option<Arc<Domain>> {
        let session = self.ua.taken_over_by(&incoming.replaces()?).ok()?;
        let entry = self.calls.get(&self.call_of(session)?)?;
        // A dialled child came in by no domain; its parent may have.
        let parent = entry.parent.and_then(|parent| self.calls.get(&parent));
        let facts = parent.unwrap_or(entry).call.setup().sip.as_ref()?;
        self.snapshot.domain(facts.domain_sid).cloned()
    }

    /// An INVITE with `Replaces` whose sender has authenticated.
    pub(crate) fn take_over(
        &mut self,
        now: Now,
        incoming: Box<Incoming>,
        admitted: &Admitted,
        replaces: &Replaces,
    ) {
        match self.replaced_by(&incoming, admitted, replaces) {
            Ok(replaced) => self.change_dialog(now, incoming, admitted, replaced),
            Err(refusal) => self.refuse_known(now, incoming, admitted, refusal),
        }
    }

    fn replaced_by(
        &mut self,
        incoming: &Incoming,
        admitted: &Admitted,
        replaces: &Replaces,
    ) -> Result<Replaced, Refusal> {
        let session = self.ua.taken_over_by(replaces)?;
        let call = self.call_of(session).ok_or_else(replaces_unknown)?;
        let (is_secure, _) = self.media_terms(admitted.called);
        let security = self.new_security(is_secure);
        let address = self.shown_to(call, incoming.flow.local.ip().to_canonical());
        // A call of another account is 481 like an unknown one: the refusal must not show that it
        // exists.
        let entry = self.calls.get(&call).filter(|entry| entry.account == admitted.account);
        let leg = entry.ok_or_else(replaces_unknown)?.leg.as_ref().filter(|leg| leg.is_up());
        let targets = self.settings.media_targets(Some(incoming.flow.remote.ip()));
        let media = leg.ok_or_else(replaces_unknown)?.local_media(targets);
        let media = LocalMedia { address, security, ..media };
        // Before anything changes: the old dialog must survive an offer that cannot be answered.
        check_media(incoming, &media)?;
        Ok(Replaced { call, session, media })
    }

    fn change_dialog(
        &mut self,
        now: Now,
        incoming: Box<Incoming>,
        admitted: &Admitted,
        replaced: Replaced,
    ) {
        let Replaced { call, session: old, media } = replaced;
        let (source, call_id) = (incoming.flow.remote, incoming.request.call_id.to_string());
        let way = incoming.flow.transport.via_name();
        // Without a link, so that no event of the new session reaches the call before it has taken over.
        let session = self.links.unlinked_session();
        self.command(Command::Admit { incoming, session });
        self.settle_user_agent(now);
        if !self.ua.has_session(session) {
            return; // the user agent refused it: the call stays as it was
        }
        self.links.replace_session(old, session, call);
        let (_, latch) = self.media_terms(admitted.called);
        self.entry_mut(call, |entry| {
            entry.session = Session::Live { id: session, call_id, peer: Some(source.ip()) };
            if let Some(leg) = &mut entry.leg {
                (leg.address, leg.security, leg.latch) = (media.address, media.security, latch);
            }
        });
        self.note(
            now,
            call,
            Kind::Sip,
            format_args!("<- INVITE with Replaces from {source} ({way})"),
        );
        let headers = self.call_headers(call);
        // The new dialog is answered before the old one gets BYE, so the call is never without a
        // dialog.
        self.command(Command::Answer { session, media, headers });
        let headers = vec![Header::new("Reason", crate::reason::ELSEWHERE)];
        self.command(Command::Bye { session: old, headers });
    }
}
