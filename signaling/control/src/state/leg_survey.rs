//! One request for the legs of the node: what their cores have answered so far.
//!
//! ```text
//! Idle --(begin: the legs that were asked for)--> Asking --(the last answer | the deadline)--> Idle, with the list
//! ```
//!
//! There is one request at a time, so a core has at most one `Describe` of a leg from each [`LEGS_DESCRIBED_MS`]. A
//! core that answers after the deadline answers the next request: its description is at most that much older.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use shared::limits::{LEGS_DESCRIBED_MAX, LEGS_DESCRIBED_MS};
use shared::{CallSid, Instant, LegDescription, LegId, MediaInterface};

use crate::tokens::ApiToken;

/// The request that is under way, if any.
#[derive(Debug, Default)]
pub(crate) struct LegSurvey {
    /// Interfaces at which the kernel relays; none where it does not.
    interfaces: Vec<MediaInterface>,
    asking: Option<Asking>,
}

#[derive(Debug)]
struct Asking {
    token: ApiToken,
    deadline: Instant,
    rows: BTreeMap<LegId, LegRow>,
    /// Legs whose core has not answered.
    waiting: usize,
    left_out: usize,
}

/// One leg in the answer.
#[derive(Debug, Serialize)]
struct LegRow {
    call_sid: CallSid,
    core: u8,
    slot: u16,
    /// `None`: the core has not answered.
    #[serde(flatten)]
    figures: Option<Figures>,
}

#[derive(Debug, Serialize)]
struct Figures {
    joined_call_sid: Option<CallSid>,
    codec: &'static str,
    remote: Option<String>,
    tier: &'static str,
    why_not_kernel: Option<Why>,
    received: Packets,
    sent: Packets,
    lost: u64,
    jitter_ms: f64,
}

#[derive(Debug, Serialize)]
struct Why {
    reason: &'static str,
    sentence: &'static str,
}

#[derive(Debug, Serialize)]
struct Packets {
    kernel: u64,
    user_space: u64,
}

/// One interface in the answer.
#[derive(Debug, Serialize)]
struct InterfaceRow {
    name: String,
    hook: &'static str,
    why_not_xdp: Option<String>,
}

/// The answer to a request.
#[derive(Debug, Serialize)]
pub(crate) struct LegList {
    interfaces: Vec<InterfaceRow>,
    legs: Vec<LegRow>,
    /// Legs past `limits::LEGS_DESCRIBED_MAX`.
    left_out: usize,
    /// Of `legs`: those whose core did not answer in time.
    unanswered: usize,
}

impl LegSurvey {
    /// A survey of a node whose kernel relays at these interfaces.
    pub fn on(interfaces: Vec<MediaInterface>) -> Self {
        Self { interfaces, asking: None }
    }

    /// Begins a request for these legs with their calls, and returns those to ask the cores for: the first
    /// [`LEGS_DESCRIBED_MAX`]. `None` while another request is under way.
    pub fn begin(
        &mut self,
        now: Instant,
        token: ApiToken,
        mut legs: Vec<(LegId, CallSid)>,
    ) -> Option<Vec<LegId>> {
        if self.asking.is_some() {
            return None;
        }
        let left_out = legs.len().saturating_sub(LEGS_DESCRIBED_MAX);
        legs.truncate(LEGS_DESCRIBED_MAX);
        let row = |(leg, call_sid): (LegId, CallSid)| {
            (leg, LegRow { call_sid, core: leg.core.0, slot: leg.slot, figures: None })
        };
        let rows: BTreeMap<LegId, LegRow> = legs.into_iter().map(row).collect();
        let asked = rows.keys().copied().collect();
        let deadline = now + Duration::from_millis(LEGS_DESCRIBED_MS);
        self.asking = Some(Asking { token, deadline, waiting: rows.len(), rows, left_out });
        Some(asked)
    }

    /// A core has described a leg that is joined to the leg of `joined_call`. `None`: the leg has ended, and leaves the
    /// list.
    pub fn note(
        &mut self,
        leg: LegId,
        description: Option<&LegDescription>,
        joined_call: Option<CallSid>,
    ) {
        let Some(asking) = self.asking.as_mut() else { return };
        let Some(row) = asking.rows.get_mut(&leg).filter(|row| row.figures.is_none()) else {
            return;
        };
        asking.waiting -= 1;
        match description {
            Some(description) => row.figures = Some(Figures::new(description, joined_call)),
            None => drop(asking.rows.remove(&leg)),
        }
    }

    /// The request with its answer, once: when every core has answered, or the deadline has passed.
    pub fn take_answer(&mut self, now: Instant) -> Option<(ApiToken, LegList)> {
        let is_over = |asking: &mut Asking| asking.waiting == 0 || asking.deadline <= now;
        let Asking { token, rows, waiting, left_out, .. } = self.asking.take_if(is_over)?;
        let legs = rows.into_values().collect();
        let interfaces = self.interfaces.iter().cloned().map(InterfaceRow::from).collect();
        Some((token, LegList { interfaces, legs, left_out, unanswered: waiting }))
    }

    /// When to call [`Self::take_answer`] at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        self.asking.as_ref().map(|asking| asking.deadline)
    }
}

impl From<MediaInterface> for InterfaceRow {
    fn from(interface: MediaInterface) -> Self {
        let MediaInterface { name, hook, why_not_xdp } = interface;
        Self { name, hook, why_not_xdp }
    }
}

impl LegList {
    /// The body of the answer.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always serialise")
    }
}

impl Figures {
    fn new(leg: &LegDescription, joined_call_sid: Option<CallSid>) -> Self {
        let why_not_kernel = leg.tier.why_not_kernel();
        let packets =
            |all: u64, kernel: u64| Packets { kernel, user_space: all.saturating_sub(kernel) };
        Self {
            joined_call_sid,
            codec: leg.codec.name(),
            remote: leg.remote.map(|remote| remote.to_string()),
            tier: leg.tier.word(),
            why_not_kernel: why_not_kernel
                .map(|why| Why { reason: why.word(), sentence: why.sentence() }),
            received: packets(leg.received, leg.received_in_kernel),
            sent: packets(leg.sent, leg.sent_in_kernel),
            lost: leg.lost,
            jitter_ms: f64::from(leg.jitter_rtp_units) / 8.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::CoreId;

    use super::*;

    #[test]
    fn legs_past_the_bound_are_counted_not_asked_for() {
        let legs: Vec<_> = (0..LEGS_DESCRIBED_MAX as u16 + 5)
            .map(|slot| (LegId { core: CoreId(0), slot, generation: 0 }, CallSid(slot.into())))
            .collect();
        let mut survey = LegSurvey::default();
        let asked = survey.begin(Instant::ZERO, ApiToken(1), legs);
        assert_eq!(asked.map(|legs| legs.len()), Some(LEGS_DESCRIBED_MAX));
        let (_, list) = survey.take_answer(survey.deadline().unwrap()).expect("past its time");
        assert_eq!((list.legs.len(), list.left_out), (LEGS_DESCRIBED_MAX, 5));
        assert_eq!(list.unanswered, LEGS_DESCRIBED_MAX);
    }

    #[test]
    fn the_answer_names_each_interface_with_its_hook_and_the_reason() {
        let why_not_xdp = Some("the driver of lo does not offer it".to_owned());
        let mut survey =
            LegSurvey::on(vec![MediaInterface { name: "lo".into(), hook: "tc", why_not_xdp }]);
        assert_eq!(survey.begin(Instant::ZERO, ApiToken(1), Vec::new()), Some(Vec::new()));
        let (_, list) = survey.take_answer(Instant::ZERO).expect("nobody is asked");
        let expected = r#"{"interfaces":[{"name":"lo","hook":"tc","why_not_xdp":"the driver of lo does not offer it"}],"legs":[],"left_out":0,"unanswered":0}"#;
        assert_eq!(list.to_json(), expected);
    }
}
