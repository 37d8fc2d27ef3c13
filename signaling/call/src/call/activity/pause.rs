//! `<Pause>`: nothing but time. Sans-IO.

use std::time::Duration;

use shared::{Instant, Now};

use super::{Activity, Still, Waits};
use crate::call::Call;
use crate::twiml::verb::Pause;

/// A `<Pause>` that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pausing {
    until: Instant,
}

impl Call {
    pub(crate) fn pause(&mut self, now: Now, pause: &Pause) {
        let until = now.mono + Duration::from_secs(u64::from(pause.length_s));
        // Not answered: as the first verb a pause delays the answer (twiml.md 2.3).
        self.activity = Activity::Pausing(Pausing { until });
    }
}

impl Waits for Pausing {
    fn deadline(&self) -> Option<(Instant, &'static str)> {
        Some((self.until, "call pause"))
    }

    fn on_timeout(&mut self, call: &mut Call, now: Now) -> Still {
        call.next_verb(now);
        Still::Over
    }
}
