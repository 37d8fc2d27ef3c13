//! Which caller ids an account may show to telephone numbers. Sans-IO.
//!
//! This is the one place that decides (twiml.md 2.6): a number that the account owns or has verified, or a party of the
//! call that dials. Parties of an incoming SIP call are URIs, so they are never equal to a caller id and do not count. A
//! gateway whose account has registered nothing would otherwise place no call at all, so `sip.caller_ids` decides from
//! when on the rule holds.

use call::{CallSetup, Target};
use shared::config::CallerIds;
use shared::{AccountSid, Code};

use crate::control::Control;

impl Control {
    /// The reason that an account may not show a caller id to a telephone number; `None` where it may. `parent` is the
    /// call that dials.
    pub(crate) fn refused_caller_id(
        &self,
        account: AccountSid,
        caller_id: &str,
        parent: Option<&CallSetup>,
    ) -> Option<String> {
        let is_checked = match self.settings.caller_ids {
            CallerIds::Any => false,
            CallerIds::Known => true,
            CallerIds::KnownOnceRegistered => self.snapshot.has_caller_ids(account),
        };
        let is_party = |parent: &CallSetup| [&*parent.from, &*parent.to].contains(&caller_id);
        if !is_checked || self.snapshot.may_show(account, caller_id) || parent.is_some_and(is_party)
        {
            return None;
        }
        Some(format!(
            "The caller id `{caller_id}` is not a number that this account owns or has verified: set callerId to \
             one, register it (IncomingPhoneNumbers, OutgoingCallerIds), or see the setting sip.caller_ids."
        ))
    }

    /// The set-up of a `<Dial>` child. One that may not show its caller id to a number rings nobody and fails.
    pub(crate) fn with_caller_id_checked(&self, mut child: CallSetup) -> CallSetup {
        let Some(leg) = &mut child.leg else { return child };
        let Target::Number(number) = &leg.target else { return child };
        let parent = child.parent.and_then(|parent| self.calls.get(&parent));
        let parent = parent.map(|entry| entry.call.setup());
        if let Some(sentence) = self.refused_caller_id(child.account, &leg.caller_id, parent) {
            leg.target = Target::Impossible {
                to: number.clone(),
                code: Code::DIAL_FROM_NUMBER,
                status: Some(403),
                sentence,
            };
        }
        child
    }
}
