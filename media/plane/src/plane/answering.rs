//! Answering-machine detection of legs: begun by command, fed by packets, timed by checks. Sans-IO.

use shared::{AnsweredBy, Detection, Instant, LegId, MediaEvent};

use crate::answering::Answering;
use crate::clock;
use crate::output::Output;

use super::Plane;

impl Plane {
    /// Begins a detection, in the place of one that runs.
    pub(super) fn start_detection(&mut self, now: Instant, leg: LegId, terms: Detection) -> bool {
        let Some(slot) = self.slot_of(leg) else { return false };
        self.end_detection(slot);
        let place = self.answering.put(Answering::new(terms, clock::millis(now)));
        if let Some(leg) = self.legs.leg_mut(slot) {
            leg.answering = Some(place);
        }
        self.mark_tapped(slot);
        self.legs.set_check(slot, clock::millis(now));
        self.assert_consistent(slot);
        true
    }

    /// Ends a detection, if one runs; nothing is reported.
    pub(super) fn end_detection(&mut self, slot: usize) {
        let Some(leg) = self.legs.leg_mut(slot) else { return };
        if let Some(place) = leg.answering.take() {
            self.answering.free(Some(place));
            self.mark_tapped(slot);
        }
    }

    /// Hears the audio of one packet of the party.
    pub(super) fn detect(
        &mut self,
        now: Instant,
        slot: usize,
        samples: &[u8],
        out: &mut impl Output,
    ) {
        let Some(place) = self.legs.leg(slot).and_then(|leg| leg.answering) else { return };
        let codec = self.legs.inbound(slot).codec;
        let now_ms = clock::millis(now);
        let Some(answering) = self.answering.at(Some(place)) else { return };
        if let Some(found) = answering.hear(now_ms, codec, samples) {
            self.report_detection(slot, now_ms, found, out);
        }
    }

    /// Decides by time, also where the party sends nothing; answers whether to check again soon.
    pub(super) fn check_detection(
        &mut self,
        slot: usize,
        now_ms: u32,
        out: &mut impl Output,
    ) -> bool {
        let Some(place) = self.legs.leg(slot).and_then(|leg| leg.answering) else { return false };
        let Some(answering) = self.answering.at(Some(place)) else { return false };
        match answering.at(now_ms) {
            Some(found) => {
                self.report_detection(slot, now_ms, found, out);
                false
            }
            None => true,
        }
    }

    fn report_detection(
        &mut self,
        slot: usize,
        now_ms: u32,
        answered_by: AnsweredBy,
        out: &mut impl Output,
    ) {
        let Some(leg) = self.legs.leg(slot) else { return };
        let (id, place) = (leg.id, leg.answering);
        let after_ms = self.answering.at(place).map_or(0, |found| found.elapsed_ms(now_ms));
        self.end_detection(slot);
        out.event(MediaEvent::Detected { leg: id, answered_by, after_ms });
    }
}
