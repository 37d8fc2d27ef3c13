//! Transfers by REFER (RFC 3515, RFC 5589), in both directions. Sans-IO.
//!
//! A phone's REFER goes to the call that runs the `<Dial>`: its application decides. An attended transfer
//! between two of our calls (`Replaces` in `Refer-To`) needs no new call: the other parties of the two
//! are bridged, and the phone's two calls end.

use std::net::{Ipv4Addr, SocketAddr};

use call::{CallInput, Referral};
use shared::{CallSid, Now, Refusal};
use sip::{Command, ReferTo, SessionId};

use crate::control::Control;
use crate::effect::Observation;
use crate::state::timeline::Kind;

impl Control {
    /// A phone asks for a transfer: the call that runs the `<Dial>` decides.
    pub(crate) fn on_refer(&mut self, now: Now, session: SessionId, refer: ReferTo) {
        let Some(sid) = self.call_of(session) else { return };
        let Some(entry) = self.calls.get(&sid) else { return };
        // A child of a running <Dial> has no document of its own that could decide.
        let owner = entry.parent.filter(|_| entry.call.is_tied()).unwrap_or(sid);
        let instead_of = match self.replaced(sid, &refer) {
            Ok(instead_of) => instead_of,
            Err(refusal) => return self.answer_refer(now, sid, Err(refusal)),
        };
        let (user, target) = (refer.user().unwrap_or_default(), refer.raw);
        let referral = Referral { target, user, instead_of };
        self.tell(owner, CallInput::Referred { from: sid, referral });
    }

    /// The call that the `Replaces` of a REFER names. One that is not ours is left to the application, as
    /// part of `ReferTransferTarget`.
    fn replaced(&self, sid: CallSid, refer: &ReferTo) -> Result<Option<CallSid>, Refusal> {
        let session = refer.replaces.as_ref().and_then(|replaces| self.ua.replaced(replaces));
        let Some(with) = session.and_then(|session| self.call_of(session)) else { return Ok(None) };
        let account = |sid| self.calls.get(&sid).map(|entry| entry.account);
        let fits = with != sid && account(with) == account(sid);
        // Both ends of one bridge cannot be joined: their other parties are these two calls themselves.
        match (self.bridge_peer(sid), self.bridge_peer(with)) {
            (Some(one), Some(other)) if fits && one != with && other != sid => Ok(Some(with)),
            _ => {
                let sentence = "A transfer with Replaces joins the parties of two calls of one \
                                account, each connected by <Dial>; these are not.";
                Err(Refusal::new("refer_replaces", 603, sentence))
            }
        }
    }

    /// Accepts or refuses the REFER of a call's phone.
    pub(crate) fn answer_refer(&mut self, now: Now, from: CallSid, answer: Result<(), Refusal>) {
        let Some(session) = self.live_session(from) else { return };
        match &answer {
            Ok(()) => self.note(now, from, Kind::Sip, "the transfer is accepted"),
            Err(refusal) => {
                self.note(now, from, Kind::Refusal, &refusal.sentence);
                self.observe_refusal(from, "REFER", refusal.clone());
            }
        }
        self.command(Command::AnswerRefer { session, answer });
    }

    /// Reports the refusal of a request in a dialog. The call keeps the address of its peer but not the
    /// port, which is shown as 0.
    pub(crate) fn observe_refusal(&mut self, sid: CallSid, method: &'static str, refusal: Refusal) {
        let Some(entry) = self.calls.get(&sid) else { return };
        let address = entry.session.peer().unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let (source, account) = (SocketAddr::new(address, 0), Some(entry.account));
        self.observe(Observation::Refused { refusal, method, source, account });
    }

    /// The final NOTIFY to the phone that asked. Its call ends if the transfer succeeded.
    pub(crate) fn end_transfer(&mut self, from: CallSid, status: u16, leaves: bool) {
        if let Some(session) = self.live_session(from) {
            let is_final = true;
            self.command(Command::NotifyRefer { session, status, is_final });
        }
        // The phone that asked sends its own BYE after the NOTIFY (RFC 5589 §6.1), or gets ours
        // after 32 s.
        if leaves {
            self.tell(from, CallInput::TransferredAway { patience: true });
        } else {
            self.tell(from, CallInput::TransferFailed);
        }
    }

    /// An attended transfer between two of our calls: their other parties hear each other at once.
    pub(crate) fn join(&mut self, now: Now, from: CallSid, with: CallSid) {
        let (Some(one), Some(other)) = (self.bridge_peer(from), self.bridge_peer(with)) else {
            return self.end_transfer(from, 603, false);
        };
        // Both old bridges end first: a leg is joined to one party, and a late end would cut the
        // new one.
        self.unbridge(from, one);
        self.unbridge(with, other);
        self.bridge(now, one, other);
        self.tell(one, CallInput::Joined { peer: other, instead_of: from });
        self.tell(other, CallInput::Joined { peer: one, instead_of: with });
        self.end_transfer(from, 200, true);
        self.tell(with, CallInput::TransferredAway { patience: false });
    }

    /// Sends REFER to the phone of a call.
    pub(crate) fn refer(&mut self, sid: CallSid, target: String) {
        // The call waits for an answer to its REFER, so it gets one even when there is no dialog to
        // send it in.
        let Some(session) = self.live_session(sid) else {
            return self.tell(sid, CallInput::ReferAnswered { status: 503 });
        };
        let headers = self.call_headers(sid);
        self.command(Command::Refer { session, target, headers });
    }

    fn bridge_peer(&self, sid: CallSid) -> Option<CallSid> {
        self.calls.get(&sid)?.leg.as_ref()?.peer
    }
}
