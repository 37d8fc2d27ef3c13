//! Transfers by a party of a `<Dial>`: its REFER, the document for the other party, the way back,
//! and two calls that were joined (contract twiml.md 2.12, sip-interface.md 16.1). Sans-IO.

use std::collections::VecDeque;
use std::mem;

use shared::{CallSid, Now, Refusal, limits};

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

/// This call runs the document of a transfer; the party that transferred it is not released yet.
#[derive(Debug)]
pub(super) struct Transferring {
    /// The call of the party that transfers.
    from: CallSid,
    /// It stays until the target is there.
    on_bridge: bool,
    /// The document came, and both parties are apart.
    is_apart: bool,
    /// What this call did before, to go back to.
    kept: Activity,
    verbs: VecDeque<Placed>,
    base: Option<WebUrl>,
    /// What the party is told if it comes to nothing.
    failure: u16,
}

impl Call {
    /// A party of this call's `<Dial>` asks to be transferred away.
    pub(super) fn referred(&mut self, from: CallSid, referral: Referral) {
        let is_own = from == self.setup.sid;
        let decided = match &self.activity {
            Activity::Dialing(dialing) if self.transfer.is_none() => {
                dialing.referral_to(from, is_own).ok_or_else(not_in_dial)
            }
            _ => Err(not_in_dial()),
        };
        let other = match decided.and_then(|(other, link)| {
            let link = link.ok_or_else(no_refer_url)?;
            check_target(&referral)?;
            let url = self
                .resolve(&link.url)
                .map_err(|fault| Refusal::new("refer_url", 603, fault.sentence).code(fault.code))?;
            Ok((other, url, link.method))
        }) {
            Ok(found) => found,
            Err(refusal) => {
                if let Some(code) = refusal.code {
                    self.notify(Finding::error(code, refusal.sentence.to_string()), None);
                }
                return self.effect(CallEffect::AnswerRefer { from, answer: Err(refusal) });
            }
        };
        let (other, url, method) = other;
        self.timeline("sip", "a transfer is asked for");
        self.effect(CallEffect::AnswerRefer { from, answer: Ok(()) });
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
        if is_own {
            dialing.let_transfer(other);
            let transfer = Box::new(transfer);
            self.effect(CallEffect::Transfer { sid: other, transfer });
        } else {
            self.begin_transfer(transfer);
        }
    }

    /// The other party of the bridge is transferred: gets the document.
    pub(super) fn begin_transfer(&mut self, transfer: Transfer) {
        if self.is_over() || self.transfer.is_some() {
            return;
        }
        // A transfer is a hop: phones that transfer to each other must come to an end, too.
        self.setup.max_forwards = self.setup.max_forwards.saturating_sub(1);
        let kept = mem::take(&mut self.activity);
        self.transfer = Some(Box::new(Transferring {
            from: transfer.from,
            on_bridge: transfer.on_bridge,
            is_apart: false,
            kept,
            verbs: mem::take(&mut self.script.verbs),
            base: self.script.base.clone(),
            failure: 603,
        }));
        let mut extra = Form::new();
        extra.push("ReferTransferTarget", transfer.target);
        // As from a fallback URL: when it fails, the way back is the transfer's own.
        self.fetch(transfer.url, transfer.method, extra, true);
    }

    /// The document of a transfer came.
    pub(super) fn transfer_document(&mut self, now: Now) {
        let Some(transfer) = self.transfer.as_mut().filter(|transfer| !transfer.is_apart) else {
            return;
        };
        if !transfer.on_bridge {
            return self.release_transferor(now);
        }
        transfer.is_apart = true;
        let child = transfer.from;
        self.effect(CallEffect::Unbridge { child });
    }

    /// The transfer came about: whoever asked for it goes.
    pub(super) fn release_transferor(&mut self, now: Now) {
        let Some(transfer) = self.transfer.take() else { return };
        let from = transfer.from;
        if !transfer.is_apart {
            self.effect(CallEffect::Unbridge { child: from });
        }
        self.leave_kept(now, transfer.kept, from);
        self.effect(CallEffect::TransferEnded { from, status: 200, leaves: true });
        self.timeline("child", format!("{from} transferred this call"));
    }

    /// The document failed or ended without a new party: back to each other, or the end.
    pub(super) fn transfer_failed(&mut self, now: Now) {
        let Some(transfer) = self.transfer.take() else { return };
        let (from, status) = (transfer.from, transfer.failure);
        if !transfer.on_bridge {
            self.leave_kept(now, transfer.kept, from);
            self.effect(CallEffect::TransferEnded { from, status, leaves: true });
            return self.end(now, CallStatus::Completed, Ending::Bye);
        }
        self.effect(CallEffect::TransferEnded { from, status, leaves: false });
        if transfer.is_apart {
            self.effect(CallEffect::Bridge { child: from });
        }
        self.timeline("child", "the transfer came to nothing: the parties are connected again");
        self.activity = transfer.kept;
        self.script.verbs = transfer.verbs;
        self.script.base = transfer.base;
    }

    /// What the transferor is told when the document's `<Dial>` is the last that happens.
    pub(super) fn note_transfer_outcome(&mut self, status: CallStatus) {
        if let Some(transfer) = &mut self.transfer {
            transfer.failure = match status {
                CallStatus::Busy => 486,
                CallStatus::NoAnswer => 480,
                _ => 503,
            };
        }
    }

    /// Our leg ends in the middle: what was kept ends as it would have.
    pub(super) fn end_transfer(&mut self) -> Option<Activity> {
        let transfer = self.transfer.take()?;
        let (from, status) = (transfer.from, 487);
        self.effect(CallEffect::TransferEnded { from, status, leaves: false });
        Some(transfer.kept)
    }

    /// Whoever asked for the transfer is gone before its end: it goes on alone.
    pub(super) fn transferor_gone(&mut self, now: Now, from: CallSid) -> bool {
        let Some(transfer) = self.transfer.take_if(|transfer| transfer.from == from) else {
            return false;
        };
        self.leave_kept(now, transfer.kept, from);
        self.timeline("child", format!("{from} hung up; the transfer goes on"));
        true
    }

    fn leave_kept(&mut self, now: Now, kept: Activity, from: CallSid) {
        match kept {
            Activity::Dialing(mut dialing) => self.leave_dial(now, &mut dialing, from),
            _ => self.tied = false,
        }
    }

    pub(super) fn leave_dial(&mut self, now: Now, dialing: &mut Dialing, from: CallSid) {
        dialing.part_with(from);
        if let Some(recording) = dialing.recording() {
            self.stop_recording(now, recording);
        }
    }

    /// This call's own REFER is done with: its phone hangs up, or we do.
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
        self.script.verbs.clear();
        if patience {
            self.await_departure(now);
        } else {
            self.end(now, CallStatus::Completed, Ending::Bye);
        }
    }

    /// This call's own REFER came to nothing: its party is with it again, and may be transferred again.
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
    Refusal::new("refer_no_url", 603, sentence).code(13802)
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

/// Numbers that nobody is transferred to (contract sip-interface.md 16.1, 22).
const EMERGENCY: [&str; 6] = ["911", "933", "112", "999", "+911", "+112"];
