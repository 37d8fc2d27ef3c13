//! With whom a recorded party talks in a conference, for the metadata of its sessions (siprec.md 2). Sans-IO.
//!
//! A bridge tells both of its calls always. In a conference only members with a session are told, as each change would else
//! reach every member; so a member is also told when its session begins, and every one that it is alone when it leaves.

use call::conference::{Member, Voice};
use call::{CallInput, Partner};
use shared::limits::SIPREC_PARTNERS_MAX;
use shared::{CallSid, ConferenceSid};

use crate::control::Control;

impl Control {
    /// Members came, left, or speak or hear where they did not: the servers of those that are recorded learn it.
    pub(crate) fn describe_conference(&mut self, conference: ConferenceSid) {
        let Some(live) = self.conferences.get(conference) else { return };
        let is_recorded =
            |sid: &CallSid| self.calls.get(sid).is_some_and(|entry| !entry.siprecs.is_empty());
        let members = live.machine.members().map(|member| member.call);
        let recorded: Vec<CallSid> = members.filter(is_recorded).collect();
        for sid in recorded {
            self.describe_member(sid);
        }
    }

    /// Tells a call with whom it talks in its conference, if it is in one.
    pub(super) fn describe_member(&mut self, sid: CallSid) {
        let Some(conference) = self.conferences.of_call(sid) else { return };
        if let Some(partners) = self.conference_partners(conference, sid) {
            self.tell(sid, CallInput::Partners(partners));
        }
    }

    /// The other members; the conference in their place where they are too many.
    fn conference_partners(&self, sid: ConferenceSid, of: CallSid) -> Option<Vec<Partner>> {
        let live = self.conferences.get(sid)?;
        live.machine.member(of)?;
        let others: Vec<&Member> =
            live.machine.members().filter(|member| member.call != of).collect();
        if others.len() > SIPREC_PARTNERS_MAX {
            let aor = format!("urn:sidetone:conference:{sid}");
            return Some(vec![Partner { call: None, aor, speaks: true, hears: true }]);
        }
        let partner = |member: &Member| {
            let entry = self.calls.get(&member.call)?;
            let voice = member.ordered().map_or(Voice::Nobody, |role| role.voice);
            Some(Partner {
                call: Some(member.call),
                aor: entry.call.party().to_owned(),
                speaks: matches!(voice, Voice::Room) || voice == Voice::Member(of),
                hears: member.ordered().is_some_and(|role| role.hears),
            })
        };
        Some(others.into_iter().filter_map(partner).collect())
    }
}
