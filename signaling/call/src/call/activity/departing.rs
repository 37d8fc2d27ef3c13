//! A phone that transferred the other party away and should hang up. Sans-IO.

use std::time::Duration;

use shared::{Instant, Now};

use super::{Activity, Still, Waits};
use crate::call::Call;
use crate::call::state::Ending;
use crate::status::CallStatus;

/// The transfer succeeded; the BYE of this call's phone is awaited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Departing {
    until: Instant,
}

/// How long the phone may take to send its BYE before we send ours: the time of a SIP transaction
/// (64 * T1, RFC 3261 §17.1.1.2).
const DEPARTURE: Duration = Duration::from_secs(32);

impl Call {
    pub(crate) fn await_departure(&mut self, now: Now) {
        self.timeline("sip", "transferred away: waiting for the BYE");
        self.activity = Activity::Departing(Departing { until: now.mono + DEPARTURE });
    }
}

impl Waits for Departing {
    fn deadline(&self) -> Option<(Instant, &'static str)> {
        Some((self.until, "call departing"))
    }

    fn on_timeout(&mut self, call: &mut Call, now: Now) -> Still {
        // The phone has its final NOTIFY and sent no BYE: ours ends the dialog (sip.md 16.1).
        call.end(now, CallStatus::Completed, Ending::Bye);
        Still::Over
    }
}
