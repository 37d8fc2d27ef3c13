//! What a transfer asks of a running `<Dial>` and changes in it. Sans-IO.
//!
//! The transfer itself is in `transfer.rs`; the verb only knows which of its children is transferred by our
//! phone (`referred`), and lets a child leave that lives on.

use shared::{CallSid, RecordingSid};

use super::Dialing;
use crate::twiml::verb::Link;
use crate::twiml::verb::noun::NounKind;

impl Dialing {
    /// The child that takes part in a transfer by `from`, and the `referUrl`. `None` when `from` is not
    /// connected here, or a transfer is under way.
    pub(crate) fn referral_to(
        &self,
        from: CallSid,
        is_own: bool,
    ) -> Option<(CallSid, Option<&Link>)> {
        let winner = self.winner.filter(|_| self.connected && self.referred.is_none())?;
        // The API transfers no call to an application (twiml.md 2.12): its own document is where it can go on.
        let kind = self.children.get(&winner).map(|child| child.kind);
        if matches!(kind, Some(NounKind::Application { .. })) {
            return None;
        }
        let is_party = is_own || winner == from;
        is_party.then_some((winner, self.spec.refer_url.as_ref()))
    }

    /// Whether a transferor stays until the new party is bridged.
    pub(crate) const fn answers_on_bridge(&self) -> bool {
        self.spec.answer_on_bridge
    }

    /// This call's phone transfers this child.
    pub(crate) fn let_transfer(&mut self, child: CallSid) {
        self.referred = Some(child);
    }

    /// The transfer by this call's phone has failed.
    pub(crate) fn let_stay(&mut self) {
        self.referred = None;
    }

    /// The children that have not ended.
    pub(crate) fn parties(&self) -> Vec<CallSid> {
        self.children.keys().copied().collect()
    }

    /// A child leaves the verb and lives on.
    pub(crate) fn part_with(&mut self, child: CallSid) {
        self.children.remove(&child);
    }

    pub(crate) const fn recording(&self) -> Option<RecordingSid> {
        self.recording
    }
}
