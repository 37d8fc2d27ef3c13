//! Recognitions of speech: a tap, and the session of the shell that listens to it. Sans-IO.
//!
//! ```text
//!   order ──> listening (tap) ──stop, or the tap ends──> finishing ──Ended──> gone
//! ```
//!
//! The session is named before its tap starts, so that the first frame finds it. A tap that ends (the leg stopped) lets the
//! results of what was said still come; a tap that the core refused fails the recognition. The call hears one end of each,
//! when the shell says it.

mod api;

use call::{
    CallInput, RecognitionEnd, RecognitionEvent, RecognitionFault, RecognitionId, RecognitionPlan,
    RecognitionStop,
};
use shared::media::{TapEnd, TapLimits};
use shared::{CallSid, MediaCommand, RecordingSid, Sink, TapId};
use store::{Change, Transcript};

use crate::control::Control;
use crate::effect::Effect;
use crate::state::live_recognition::LiveRecognition;

impl Control {
    pub(crate) fn start_recognition(&mut self, sid: CallSid, plan: Box<RecognitionPlan>) {
        let (recognition, tracks) = (plan.recognition, plan.tracks);
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        if !entry.leg.as_ref().is_some_and(|leg| leg.is_up()) {
            let sentence = "the call has no media".to_owned();
            let end = RecognitionEnd::Failed { fault: RecognitionFault::Gateway, sentence };
            let event = RecognitionEvent::Ended(end);
            return self.tell(sid, CallInput::Recognition { recognition, event });
        }
        let tap = self.links.new_tap(sid);
        let live = LiveRecognition { tap: Some(tap), failure: None };
        entry.recognitions.insert(recognition, live);
        self.push(Effect::StartRecognition { call: sid, tap, plan });
        let (sink, limits) = (Sink::Recognition, TapLimits::default());
        self.media(sid, |leg| MediaCommand::StartTap { leg, tap, sink, tracks, limits });
    }

    pub(crate) fn stop_recognition(
        &mut self,
        sid: CallSid,
        recognition: RecognitionId,
        how: RecognitionStop,
    ) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let Some(live) = entry.recognitions.get_mut(&recognition) else { return };
        let tap = live.tap.take();
        self.push(Effect::StopRecognition { call: sid, recognition, how });
        self.stop_recognition_tap(sid, tap);
    }

    /// Nothing listens any more. The results may come minutes later, and a core has only so many taps.
    fn stop_recognition_tap(&mut self, sid: CallSid, tap: Option<TapId>) {
        if let Some(tap) = tap {
            self.links.remove_tap(tap);
            self.media(sid, |leg| MediaCommand::StopTap { leg, tap });
        }
    }

    pub(crate) fn on_recognition(
        &mut self,
        sid: CallSid,
        recognition: RecognitionId,
        event: RecognitionEvent,
    ) {
        let event = match event {
            RecognitionEvent::Ended(end) => {
                let Some(end) = self.end_recognition(sid, recognition, end) else { return };
                RecognitionEvent::Ended(end)
            }
            event => event,
        };
        self.tell(sid, CallInput::Recognition { recognition, event });
        self.forget_if_over(sid);
    }

    /// The session is gone: its tap ends, and it is forgotten. How it ended, for the call; `None`: it was forgotten before.
    fn end_recognition(
        &mut self,
        sid: CallSid,
        recognition: RecognitionId,
        end: RecognitionEnd,
    ) -> Option<RecognitionEnd> {
        let live = self.calls.get_mut(&sid)?.recognitions.remove(&recognition)?;
        self.stop_recognition_tap(sid, live.tap);
        let failure =
            live.failure.map(|(fault, sentence)| RecognitionEnd::Failed { fault, sentence });
        Some(failure.unwrap_or(end))
    }

    /// A tap of a recognition ended; `false` where it is of no recognition.
    pub(crate) fn on_recognition_tap_ended(&mut self, tap: TapId, cause: TapEnd) -> bool {
        let Some(sid) = self.links.call_of_tap(tap) else { return false };
        let Some(entry) = self.calls.get_mut(&sid) else { return false };
        let found = entry.recognitions.iter_mut().find(|(_, live)| live.tap == Some(tap));
        let Some((recognition, live)) = found else { return false };
        let recognition = *recognition;
        live.tap = None;
        if cause == TapEnd::Refused {
            live.failure = Some((RecognitionFault::Gateway, NO_ROOM.to_owned()));
        }
        self.links.remove_tap(tap);
        self.stop_recognition(sid, recognition, RecognitionStop::Finish);
        true
    }

    /// The transcript of a recording whose row is on its way to disk.
    pub(crate) fn note_transcript(
        &mut self,
        sid: CallSid,
        recording: RecordingSid,
        transcript: Box<Transcript>,
    ) {
        let Some(account) = self.calls.get(&sid).map(|entry| entry.account) else { return };
        let transcript = Some(transcript);
        self.commit(None, Change::NoteTranscript { account, recording, transcript });
    }

    /// The core of the call is lost: its taps end without an event.
    pub(crate) fn lose_recognitions(&mut self, sid: CallSid) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let lost: Vec<(RecognitionId, Option<TapId>)> =
            entry.recognitions.iter_mut().map(|(id, live)| (*id, live.tap.take())).collect();
        for (recognition, tap) in lost {
            if let Some(tap) = tap {
                self.links.remove_tap(tap);
            }
            self.stop_recognition(sid, recognition, RecognitionStop::Finish);
        }
    }
}

const NO_ROOM: &str =
    "the media core has its most recognitions already, or none is allowed (recognition.core_max)";
