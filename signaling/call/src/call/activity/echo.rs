//! `<Echo>`: the leg is joined to itself until the time is over. Sans-IO.

use std::time::Duration;

use shared::{Instant, Now};

use super::{Activity, Still, Waits};
use crate::call::Call;
use crate::effect::CallEffect;
use crate::twiml::verb::Echo;

/// An `<Echo>` that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Echoing {
    /// `None`: until the call ends.
    until: Option<Instant>,
}

impl Call {
    pub(crate) fn echo(&mut self, now: Now, echo: Echo) {
        self.answer(now);
        self.effect(CallEffect::Echo { is_on: true });
        let end = |length_s| now.mono + Duration::from_secs(u64::from(length_s));
        self.activity = Activity::Echoing(Echoing { until: echo.length_s.map(end) });
    }
}

impl Waits for Echoing {
    fn deadline(&self) -> Option<(Instant, &'static str)> {
        self.until.map(|until| (until, "call echo"))
    }

    fn on_timeout(&mut self, call: &mut Call, now: Now) -> Still {
        call.effect(CallEffect::Echo { is_on: false });
        call.next_verb(now);
        Still::Over
    }

    fn abort(&mut self, call: &mut Call, _now: Now) {
        // Only where the leg stays: the end of a leg ends its echo.
        call.effect(CallEffect::Echo { is_on: false });
    }
}
