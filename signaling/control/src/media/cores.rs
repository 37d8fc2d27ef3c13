//! Media cores that die or start over, and the end of the process: what happens to their calls. Sans-IO.
//!
//! A dead core and a restarted one are handled differently, because a restarted core still carries out commands.
//! The legs of a dead core are forgotten at once, and its ports are out of use until the process restarts. Those
//! of a restarted core are stopped as usual: only its answer frees a place, so no late command can reach the
//! leg of another call.

use call::{CallInput, HangupCause, RecordingEnd};
use shared::ids::TapId;
use shared::{CallSid, CoreId, LegQuality, MediaCommand, Now, RecordingSid};

use crate::control::Control;
use crate::effect::{Effect, Observation};
use crate::state::timeline::Kind;

impl Control {
    /// A core died or stalled: its legs are lost, its calls end with that cause, and it gets no more
    /// until the process restarts. A call that still rings moves to another core.
    pub(crate) fn on_core_lost(&mut self, now: Now, core: CoreId, sentence: &str) {
        // First, so that no call below moves to the core that is lost.
        self.placement.retire(core);
        for (leg, sid) in self.links.legs_on(core) {
            self.links.remove_leg(leg);
            if !self.move_leg(sid) {
                self.lose_leg(now, sid, sentence);
            }
        }
        self.lose_siprec_legs(core, true, sentence);
        self.lose_room_taps(core);
        self.observe_core(sentence);
    }

    /// A core panicked and started over, empty: the calls whose legs were up there end with that cause.
    ///
    /// It may have carried out commands since, and others may still be on their way to it. So every leg
    /// is stopped once more: a core answers that even for a leg that it never had, and only its answer
    /// frees the place.
    pub(crate) fn on_core_restarted(&mut self, now: Now, core: CoreId, sentence: &str) {
        for (leg, sid) in self.links.legs_on(core) {
            let Some(entry) = self.calls.get_mut(&sid) else { continue };
            let Some(held) = entry.leg.as_mut().filter(|held| held.plan.is_some()) else {
                // The core never had this leg: nothing is lost.
                continue;
            };
            let (peer, was_stopping) = (held.peer.take(), held.stopping);
            held.stopping = true;
            let quality = Box::<LegQuality>::default();
            let command = MediaCommand::StopLeg { leg, quality };
            self.push(Effect::Media { core, command });
            self.leave_media(sid, peer);
            if !was_stopping {
                self.fail(now, sid, sentence);
            }
        }
        self.lose_siprec_legs(core, false, sentence);
        self.lose_room_taps(core);
        self.observe_core(sentence);
    }

    /// The process ends: so does every call. Its recordings settle and its record is written.
    pub(crate) fn on_end(&mut self, now: Now) {
        self.draining = true;
        let sids: Vec<CallSid> = self.calls.keys().copied().collect();
        for sid in sids {
            self.drop_siprec_legs(sid);
            let Some(entry) = self.calls.get_mut(&sid) else { continue };
            match entry.leg.take() {
                Some(leg) => {
                    self.links.remove_leg(leg.place.leg);
                    self.leave_media(sid, leg.peer);
                    match leg.stopping {
                        // The cores stop right after this input, so the answer to StopLeg will not
                        // come.
                        true => self.forget_if_over(sid),
                        false => self.fail(now, sid, STOPPED),
                    }
                }
                // Its record is final; only its session is open, and that ends with the process.
                None if entry.finished => {}
                None => self.fail(now, sid, STOPPED),
            }
        }
    }

    fn observe_core(&mut self, sentence: &str) {
        let sentence = sentence.to_owned();
        self.observe(Observation::Fault { place: "media core", sentence });
    }

    /// Moves the leg of an incoming call to another core, if no SDP has shown its port yet.
    fn move_leg(&mut self, sid: CallSid) -> bool {
        let Some(entry) = self.calls.get_mut(&sid) else { return false };
        // An outgoing leg has shown its port in the offer, an answered one in the answer.
        let is_unseen = entry.call.setup().leg.is_none() && !entry.call.has_answered();
        let Some(leg) = entry.leg.as_mut().filter(|leg| is_unseen && leg.plan.is_none()) else {
            return false;
        };
        let addresses = self.settings.media_addresses.serving(leg.address);
        let Some(place) = self.placement.take(None, &addresses) else { return false };
        leg.address = self.settings.media_addresses.shown(place.port.address, leg.address);
        leg.place = place;
        self.links.add_leg(place.leg, sid);
        true
    }

    fn lose_leg(&mut self, now: Now, sid: CallSid, sentence: &str) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let Some(leg) = entry.leg.take() else { return };
        // The place is not given back: its port went with the core.
        self.leave_media(sid, leg.peer);
        if leg.stopping {
            return self.forget_if_over(sid);
        }
        self.fail(now, sid, sentence);
    }

    /// Leaves the bridge, and discards every recording: no frame will come.
    fn leave_media(&mut self, sid: CallSid, peer: Option<CallSid>) {
        if let Some(peer) = peer {
            self.leave_bridge(peer, sid);
        }
        self.lose_streams(sid);
        self.lose_recognitions(sid);
        self.lose_siprecs(sid);
        let Some(entry) = self.calls.get(&sid) else { return };
        let taps: Vec<(RecordingSid, TapId)> =
            entry.recordings.iter().map(|(sid, begun)| (*sid, begun.tap)).collect();
        for (recording, tap) in taps {
            // The recorder keeps what it has: a recording that a lost core cuts short is still a
            // recording.
            self.push(Effect::DiscardRecording { tap });
            let cause = RecordingEnd::LegStopped;
            self.tell(sid, CallInput::RecordingEnded { recording, cause });
        }
    }

    /// Ends a call with this cause: by BYE, or by a refusal while it rings.
    fn fail(&mut self, now: Now, sid: CallSid, sentence: &str) {
        self.note(now, sid, Kind::Refusal, sentence);
        self.end_session(sid);
        let cause = HangupCause::Failure { code: None, sentence: sentence.to_owned() };
        self.tell(sid, CallInput::Hungup { cause, headers: Vec::new() });
    }
}

const STOPPED: &str = "The gateway was stopped while the call was up.";
