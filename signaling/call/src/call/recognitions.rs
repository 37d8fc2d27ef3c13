//! Recognitions of a call: start, stop, and their callbacks in order. Sans-IO.
//!
//! A verb or a side feature starts a recognition and takes its events. The callbacks of one recognition leave one after
//! the other, each when the one before is answered: an application would else get them in any order.

use std::collections::VecDeque;

use shared::{Now, limits};

use super::Call;
use super::activity::Waits as _;
use crate::effect::{CallEffect, RecognitionStop};
use crate::form::Form;
use crate::ids::RecognitionId;
use crate::recognition::{RecognitionEvent, RecognitionPlan};
use crate::setup::Webhook;

/// The callbacks of one recognition. There is a lane while a callback is out.
#[derive(Debug, Default)]
pub(super) struct CallbackLane {
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    webhook: Webhook,
    form: Form,
    /// A later callback says the same and more.
    is_partial: bool,
}

impl Call {
    /// Starts a recognition under a fresh name, which it returns.
    pub(super) fn start_recognition(
        &mut self,
        plan: impl FnOnce(RecognitionId) -> RecognitionPlan,
    ) -> RecognitionId {
        let recognition = self.names.recognition();
        self.effect(CallEffect::StartRecognition(Box::new(plan(recognition))));
        recognition
    }

    pub(super) fn stop_recognition(&mut self, recognition: RecognitionId, how: RecognitionStop) {
        self.effect(CallEffect::StopRecognition { recognition, how });
    }

    /// An event of a recognition goes to what started it: a transcription, a recording's transcript, or the verb.
    pub(super) fn on_recognition(
        &mut self,
        now: Now,
        recognition: RecognitionId,
        event: RecognitionEvent,
    ) {
        let event = self.on_transcription(now, recognition, event);
        let event = event.and_then(|event| self.on_transcript(now, recognition, event));
        if let Some(event) = event {
            self.on_activity(|activity, call| {
                activity.on_recognition(call, now, recognition, &event)
            });
        }
    }

    /// Sends a callback of a recognition behind those before it.
    pub(super) fn recognition_callback(
        &mut self,
        recognition: RecognitionId,
        webhook: Webhook,
        form: Form,
        is_partial: bool,
    ) {
        if let Some(lane) = self.lanes.get_mut(&recognition) {
            // An application that is slower than the speech gets the newest words.
            if lane.waiting.len() >= limits::RECOGNITION_CALLBACKS_WAITING_MAX {
                let oldest = lane.waiting.iter().position(|waiting| waiting.is_partial);
                lane.waiting.remove(oldest.unwrap_or(0));
            }
            return lane.waiting.push_back(Waiting { webhook, form, is_partial });
        }
        if self.send_recognition_callback(recognition, &webhook, form) {
            self.lanes.insert(recognition, CallbackLane::default());
        }
    }

    /// The callback before is answered.
    pub(super) fn next_recognition_callback(&mut self, recognition: RecognitionId) {
        loop {
            let Some(lane) = self.lanes.get_mut(&recognition) else { return };
            let Some(Waiting { webhook, form, .. }) = lane.waiting.pop_front() else {
                self.lanes.remove(&recognition);
                return;
            };
            if self.send_recognition_callback(recognition, &webhook, form) {
                return;
            }
        }
    }
}
