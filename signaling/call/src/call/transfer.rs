//! Transfers by a party of a `<Dial>`: its REFER, the document for the other party, the way back. Sans-IO.
//!
//! The call whose `<Dial>` runs decides on every REFER, whichever of its parties sent it ([`Call::referred`]).
//! A blind transfer then runs on the call of the *other* party: it keeps its activity and its verbs in
//! [`Transferring`] and executes the document of `referUrl`. The transferor is released when the document
//! arrives, or, with `answerOnBridge`, when the new party is bridged; until then the call can return to what it
//! kept. An attended transfer (`Replaces`) runs no document: Control bridges the two far parties
//! (`activity/joined.rs`).

use std::collections::VecDeque;
use std::mem;

use shared::{CallSid, Code, Now, Refusal, limits};

use super::Call;
use super::activity::Activity;
use super::activity::dial::Dialing;
use super::state::Ending;
use crate::effect::CallEffect;
use crate::finding::Finding;
use crate::form::Form;
use crate::input::{Referral, Transfer};
use crate::status::CallStatus;
use crate::twiml::Placed;
use crate::webhook::WebUrl;

/// A transfer whose document runs on this call, until the transferor is released or the parties are
/// connected again.
#[derive(Debug)]
pub(super) struct Transferring {
    /// The call of the transferor.
    from: CallSid,
    /// The transferor stays until the new party is bridged.
    on_bridge: bool,
    /// The document has arrived, and both parties are unbridged.
    is_apart: bool,
    /// The activity before the transfer, to return to.
    kept: Activity,
    verbs: VecDeque<Placed>,
    base: Option<WebUrl>,
    /// SIP status of the final NOTIFY if the transfer fails.
    failure: u16,
}

impl Call {
    /// A party of this call's `<Dial>` sent a REFER: refuses it, or starts the transfer of the other party.
    pub(super) fn referred(&mut self, from: CallSid, referral: Referral) {
        let is_own = from == self.setup.sid;
        // One transfer at a time: a second one would bring a second document for one party.
        let decided = match &self.activity {
            Activity::Dialing(dialing) if self.transfer.is_none() => {
                dialing.referral_to(from, is_own).ok_or_else(not_in_dial)
            }
            _ => Err(not_in_dial()),
        };
        let other = match decided.and_then(|(other, link)| {
            let link = link.ok_or_else(no_refer_url)?;
            check_target(&referral)?;
            let url = self.resolve(&link.url).map_err(|fault| Refusal {
                code: Some(fault.code),
                ..Refusal::new("refer_url", 603, fault.sentence)
            })?;
            Ok((other, url, link.method))
        }) {
            Ok(found) => found,
            Err(refusal) => {
                if let Some(code) = refusal.code {
                    self.notify(Finding::error(code, &*refusal.sentence), None);
                }
                return self.effect(CallEffect::AnswerRefer { from, answer: Err(refusal) });
            }
        };
        let (other, url, method) = other;
        self.timeline("sip", "the phone asks for a transfer");
        self.effect(CallEffect::AnswerRefer { from, answer: Ok(()) });
        // With Replaces the phone has chosen both parties: no document decides (RFC 3891).
        if let Some(with) = referral.instead_of {
            return self.effect(CallEffect::Join { from, with });
        }
        let Activity::Dialing(dialing) = &mut self.activity else { return };
        let transfer = Transfer {
            from,
            url,
            method,
            target: referral.target,
            on_bridge: dialing.answers_on_bridge(),
        };
        // The document runs on the call of the other party: the child's where our phone asked, else
        // ours.
        if is_own {
            // Marked first: when our phone hangs up during the transfer, the child is released and
            // not hung up.
            dialing.let_transfer(other);
            let transfer = Box::new(transfer);
            self.effect(CallEffect::Transfer { sid: other, transfer });
        } else {
            self.begin_transfer(transfer);
        }
    }

    /// This call's party is transferred: requests the document of `referUrl`.
    pub(super) fn begin_transfer(&mut self, transfer: Transfer) {
        if self.is_over() || self.transfer.is_some() {
            return;
        }
        // A transfer counts as a hop, so that phones that transfer to each other run out of hops.
        self.setup.max_forwards = self.setup.max_forwards.saturating_sub(1);
        let kept = mem::take(&mut self.activity);
        self.transfer = Some(Box::new(Transferring {
            from: transfer.from,
            on_bridge: transfer.on_bridge,
            is_apart: false,
            kept,
            verbs: mem::take(&mut self.script.verbs),
            // A copy: until the document arrives, links of the kept activity still count from it.
            base: self.script.base.clone(),
            // Unless a `<Dial>` of the document fails by a status of its own
            // (`note_transfer_outcome`).
            failure: 603,
        }));
        let mut extra = Form::new();
        extra.push("ReferTransferTarget", transfer.target);
        // No fallback URL: when the document fails, the call returns to what it kept.
        self.fetch(transfer.url, transfer.method, extra, true);
    }

    /// The document of a transfer has arrived.
    pub(super) fn transfer_document(&mut self, now: Now) {
        // Later documents of the transfer (redirect, action) find the parties apart already.
        let Some(transfer) = self.transfer.as_mut().filter(|transfer| !transfer.is_apart) else {
            return;
        };
        if !transfer.on_bridge {
            // Without `answerOnBridge` the transferor leaves as soon as the document is fetched
            // (twiml.md 2.12).
            return self.release_transferor(now);
        }
        transfer.is_apart = true;
        let child = transfer.from;
        self.effect(CallEffect::Unbridge { child });
    }

    /// The transfer has succeeded: releases the transferor.
    pub(super) fn release_transferor(&mut self, now: Now) {
        let Some(transfer) = self.transfer.take() else { return };
        let from = transfer.from;
        // With `answerOnBridge` the two were unbridged when the document arrived.
        if !transfer.is_apart {
            self.effect(CallEffect::Unbridge { child: from });
        }
        self.leave_kept(now, transfer.kept, from);
        self.effect(CallEffect::TransferEnded { from, status: 200, leaves: true });
        self.timeline("child", format_args!("{from} transferred this call"));
    }

    /// The document failed or ended without a new party: connects both parties again, or ends the call when
    /// the transferor has gone.
    pub(super) fn transfer_failed(&mut self, now: Now) {
        let Some(transfer) = self.transfer.take() else { return };
        let (from, status) = (transfer.from, transfer.failure);
        if !transfer.on_bridge {
            // Without `answerOnBridge` there is no way back: without a document the call ends
            // (twiml.md 2.12).
            self.leave_kept(now, transfer.kept, from);
            self.effect(CallEffect::TransferEnded { from, status, leaves: true });
            return self.end(now, CallStatus::Completed, Ending::Bye);
        }
        self.effect(CallEffect::TransferEnded { from, status, leaves: false });
        if transfer.is_apart {
            self.effect(CallEffect::Bridge { child: from });
        }
        self.timeline("child", "the transfer failed: the parties are connected again");
        self.activity = transfer.kept;
        self.script.verbs = transfer.verbs;
        self.script.base = transfer.base;
    }

    /// Notes how the document's `<Dial>` ended, for the final NOTIFY if nothing follows it.
    pub(super) fn note_transfer_outcome(&mut self, status: CallStatus) {
        if let Some(transfer) = &mut self.transfer {
            transfer.failure = match status {
                CallStatus::Busy => 486,
                CallStatus::NoAnswer => 480,
                _ => 503,
            };
        }
    }

    /// The leg ends, or REST redirects it, during the transfer. Returns the kept activity, which the caller
    /// has to end.
    pub(super) fn end_transfer(&mut self) -> Option<Activity> {
        let transfer = self.transfer.take()?;
        // 487: the transfer was cut off before it had a result.
        let (from, status) = (transfer.from, 487);
        self.effect(CallEffect::TransferEnded { from, status, leaves: false });
        Some(transfer.kept)
    }

    /// The transferor has ended before the transfer did: the transfer goes on without it. Returns whether
    /// `from` was the transferor.
    pub(super) fn transferor_gone(&mut self, now: Now, from: CallSid) -> bool {
        let Some(transfer) = self.transfer.take_if(|transfer| transfer.from == from) else {
            return false;
        };
        self.leave_kept(now, transfer.kept, from);
        self.timeline("child", format_args!("{from} hung up; the transfer goes on"));
        true
    }

    fn leave_kept(&mut self, now: Now, kept: Activity, from: CallSid) {
        match kept {
            Activity::Dialing(mut dialing) => self.leave_dial(now, &mut dialing, from),
            // Not the call of a `<Dial>` but a child in one: it leaves that of its parent.
            _ => self.tied = false,
        }
    }

    pub(super) fn leave_dial(&mut self, now: Now, dialing: &mut Dialing, from: CallSid) {
        dialing.part_with(from);
        // The recording of a `<Dial>` holds the two parties of its bridge, and one of them leaves.
        if let Some(recording) = dialing.recording() {
            self.stop_recording(now, recording);
        }
    }

    /// The transfer that this call's phone asked for has succeeded. With `patience` the phone sends the BYE,
    /// else we do.
    pub(super) fn transferred_away(&mut self, now: Now, patience: bool) {
        if self.is_over() {
            return;
        }
        match mem::take(&mut self.activity) {
            Activity::Dialing(mut dialing) => {
                let children = dialing.parties();
                for child in children {
                    self.leave_dial(now, &mut dialing, child);
                }
            }
            Activity::Joined(joined) => {
                let recording = joined.dialing.and_then(|dialing| dialing.recording());
                if let Some(recording) = recording {
                    self.stop_recording(now, recording);
                }
            }
            _ => {}
        }
        self.tied = false;
        // Nobody is left to hear the rest of the document.
        self.script.verbs.clear();
        if patience {
            self.await_departure(now);
        } else {
            self.end(now, CallStatus::Completed, Ending::Bye);
        }
    }

    /// The transfer that this call's phone asked for has failed: its party is connected again, and another
    /// REFER is possible.
    pub(super) fn transfer_undone(&mut self) {
        if let Activity::Dialing(dialing) = &mut self.activity {
            dialing.let_stay();
        }
    }
}

fn not_in_dial() -> Refusal {
    let sentence = "A REFER is served only while the call is connected by <Dial> with a Sip, Number \
                    or Client noun, and one at a time.";
    Refusal::new("refer_not_in_dial", 603, sentence)
}

fn no_refer_url() -> Refusal {
    let sentence = "The phone asked for a transfer, and the <Dial> has no referUrl: the REFER is \
                    refused and the call goes on.";
    Refusal::new("refer_no_url", 603, sentence).code(Code::REFER_WITHOUT_URL)
}

fn check_target(referral: &Referral) -> Result<(), Refusal> {
    if referral.target.len() > limits::REFER_TO_BYTES_MAX {
        let most = limits::REFER_TO_BYTES_MAX;
        let sentence = format!("The Refer-To is longer than {most} bytes: the REFER is refused.");
        return Err(Refusal::new("refer_to_size", 400, sentence));
    }
    if EMERGENCY.contains(&referral.user.as_str()) {
        let sentence = "Transfers to emergency numbers are refused: call them directly.";
        return Err(Refusal::new("refer_emergency", 603, sentence));
    }
    Ok(())
}

/// Emergency numbers, which are never the target of a transfer: the caller has to call them directly.
const EMERGENCY: [&str; 6] = ["911", "933", "112", "999", "+911", "+112"];
