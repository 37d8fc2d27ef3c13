//! Digits that the call sends: before its first document, and by `<Play digits>`. Sans-IO.

use shared::{Now, PlayId};

use super::{Activity, Still, Waits};
use crate::call::Call;
use crate::effect::CallEffect;

/// Digits after the answer (`<Number sendDigits>`, REST `SendDigits`); the first document follows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendingDigits {
    play: PlayId,
}

/// `<Play digits>`; the next verb follows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlayingDigits {
    play: PlayId,
}

impl Call {
    pub(crate) fn send_digits_first(&mut self, digits: String) {
        let play = self.send_digits(digits);
        self.activity = Activity::SendingDigits(SendingDigits { play });
    }

    pub(crate) fn play_digits(&mut self, now: Now, digits: String) {
        self.answer(now);
        let play = self.send_digits(digits);
        self.activity = Activity::PlayingDigits(PlayingDigits { play });
    }

    pub(super) fn send_digits(&mut self, digits: String) -> PlayId {
        let play = self.names.play();
        self.effect(CallEffect::SendDigits { digits: digits.into(), play });
        play
    }
}

impl Waits for SendingDigits {
    fn on_play_ended(&mut self, call: &mut Call, now: Now, play: PlayId) -> Still {
        // The end of an earlier play may arrive late: `StopPlay` does not take it back.
        if play != self.play {
            return Still::Waiting;
        }
        call.first_document(now);
        Still::Over
    }

    fn abort(&mut self, call: &mut Call, _now: Now) {
        call.effect(CallEffect::StopPlay);
    }
}

impl Waits for PlayingDigits {
    fn on_play_ended(&mut self, call: &mut Call, now: Now, play: PlayId) -> Still {
        // A late end of an earlier play, as in `SendingDigits`.
        if play != self.play {
            return Still::Waiting;
        }
        call.next_verb(now);
        Still::Over
    }

    fn abort(&mut self, call: &mut Call, _now: Now) {
        call.effect(CallEffect::StopPlay);
    }
}
