//! Two calls that an attended transfer bridged: neither is child or parent of the other. Sans-IO.

use std::mem;

use shared::{CallSid, Now};

use super::dial::Dialing;
use super::{Activity, Waits};
use crate::call::Call;
use crate::effect::CallEffect;
use crate::status::CallStatus;

/// Bridged with `peer`. A call that was joined out of its `<Dial>` keeps that verb: it is over, with
/// its action, when the peer is gone.
#[derive(Debug)]
pub(crate) struct Joined {
    peer: CallSid,
    pub(crate) dialing: Option<Box<Dialing>>,
}

impl Call {
    /// Control has bridged this call with `peer`, which takes the place of its party.
    pub(crate) fn joined(&mut self, now: Now, peer: CallSid, instead_of: CallSid) {
        if self.is_over() {
            // The leg ended while Control bridged: the peer must not stay with a party that is
            // gone.
            return self.effect(CallEffect::PeerEnds { sid: peer });
        }
        let dialing = match mem::take(&mut self.activity) {
            Activity::Dialing(mut dialing) => {
                self.leave_dial(now, &mut dialing, instead_of);
                Some(dialing)
            }
            // Joined once more: the `<Dial>` from before the first time still waits for its end.
            Activity::Joined(joined) => joined.dialing,
            _ => {
                self.tied = false;
                None
            }
        };
        self.timeline("child", format_args!("joined with {peer} in the place of {instead_of}"));
        self.activity = Activity::Joined(Joined { peer, dialing });
    }

    /// The call that this one was joined with is over.
    pub(crate) fn peer_ended(&mut self, now: Now, peer: CallSid) {
        match mem::take(&mut self.activity) {
            Activity::Joined(joined) if joined.peer == peer => match joined.dialing {
                // The verb reports `completed`: it had connected a child before the transfer.
                Some(dialing) => self.dial_ended(now, dialing, CallStatus::Completed),
                None => self.hang_up(now),
            },
            Activity::Queued(queued) => self.server_gone(now, queued, peer),
            Activity::Serving(serving) => self.queued_gone(now, serving, peer),
            other => self.activity = other,
        }
    }
}

impl Waits for Joined {
    fn abort(&mut self, call: &mut Call, _now: Now) {
        call.effect(CallEffect::Unbridge { child: self.peer });
        call.effect(CallEffect::PeerEnds { sid: self.peer });
    }

    fn on_leg_over(self, call: &mut Call, _now: Now) -> Option<Activity> {
        call.effect(CallEffect::PeerEnds { sid: self.peer });
        None
    }
}
