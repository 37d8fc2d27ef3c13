//! What the world carries between `Control`, the cores and the [`super::Recognitions`].

use std::time::Duration;

use call::recognition::{Answer, UtteranceId};
use call::{RecognitionId, RecognitionStop};
use control::Input;
use shared::{CallSid, TapFrame};

use super::recognitions::Outcome;
use super::{Later, World};

impl World {
    pub(super) fn recognition_frame(&mut self, frame: &TapFrame) {
        let outcome = self.recognitions.frame(self.now.mono, frame);
        self.carry_recognition(outcome);
    }

    pub(super) fn stop_recognition(
        &mut self,
        call: CallSid,
        recognition: RecognitionId,
        how: RecognitionStop,
    ) {
        let outcome = self.recognitions.stop(self.now.mono, call, recognition, how);
        self.carry_recognition(outcome);
    }

    pub(super) fn engine_answers(&mut self, utterance: UtteranceId, answer: Answer) {
        let outcome = self.recognitions.answer(utterance, answer);
        self.carry_recognition(outcome);
    }

    fn carry_recognition(&mut self, outcome: Outcome) {
        for (call, recognition, event) in outcome.events {
            let told = move |control: &mut control::Control, now| {
                control.handle(now, Input::Recognition { call, recognition, event });
            };
            // Another thread: its report comes a little later, and all of them in their order.
            self.after(Duration::from_millis(2), Later::Control(Box::new(told)));
        }
        for (after, utterance, answer) in outcome.answers {
            self.after(after, Later::Engine(utterance, answer));
        }
    }
}
