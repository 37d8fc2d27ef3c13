//! Activities: what a call waits for, one at a time, each with a struct and a file. Sans-IO.
//!
//! A verb that takes time sets the activity when it starts. Inputs that several verbs share (keys,
//! prompts, plays, the deadline) then reach it through [`Waits`]: the call takes the activity out, so
//! that it may change the call freely, and puts it back while it is [`Still::Waiting`]. An activity
//! that is over has already started what follows: the next verb, a request, the end of the call.
//! Inputs that only one activity knows (children, NOTIFYs of a REFER) stand in its own file.
//!
//! To add an activity: its file, its variant and its line in `each!`.

pub(crate) mod conference;
pub(crate) mod departing;
pub(crate) mod detecting;
pub(crate) mod dial;
pub(crate) mod digits;
pub(crate) mod echo;
pub(crate) mod fetch;
pub(crate) mod gather;
pub(crate) mod joined;
pub(crate) mod pause;
pub(crate) mod queued;
pub(crate) mod record;
pub(crate) mod refer;
pub(crate) mod relaying;
pub(crate) mod serving;
pub(crate) mod speak;
pub(crate) mod streaming;
pub(crate) mod wait;

use shared::{Instant, Now, PlayId, RecordingSid};

use self::conference::Conferring;
use self::departing::Departing;
use self::detecting::Detecting;
use self::dial::{Dialing, Parting};
use self::digits::{PlayingDigits, SendingDigits};
use self::echo::Echoing;
use self::fetch::Fetching;
use self::gather::Gathering;
use self::joined::Joined;
use self::pause::Pausing;
use self::queued::Queued;
use self::record::RecordVerb;
use self::refer::Referring;
use self::relaying::Relaying;
use self::serving::Serving;
use self::speak::Speaking;
use self::streaming::Streaming;
use super::Call;
use crate::ids::{HttpId, PromptId, RecognitionId};
use crate::input::{HttpAnswer, HttpFailure, PromptFailure, RecordingEnd};
use crate::recognition::RecognitionEvent;

/// What the call waits for.
#[derive(Debug, Default)]
pub(crate) enum Activity {
    /// Not started, or over and waiting for callbacks and recordings only.
    #[default]
    Idle,
    /// Our INVITE is out.
    Ringing,
    /// Digits after the answer, before the first document.
    SendingDigits(SendingDigits),
    /// Waits for the result of machine detection with its first document.
    Detecting(Detecting),
    /// A document was requested.
    Fetching(Fetching),
    /// A prompt: `<Say>`, `<Play>`, the error sentence.
    Speaking(Speaking),
    /// `<Play digits>`.
    PlayingDigits(PlayingDigits),
    /// `<Pause>`.
    Pausing(Pausing),
    /// `<Echo>`.
    Echoing(Echoing),
    /// `<Gather>`.
    Gathering(Box<Gathering>),
    /// `<Record>`.
    Recording(Box<RecordVerb>),
    /// `<Dial>`.
    Dialing(Box<Dialing>),
    /// `<Dial><Conference>`.
    Conferring(Box<Conferring>),
    /// `<Enqueue>`.
    Queued(Box<Queued>),
    /// `<Dial><Queue>`.
    Serving(Box<Serving>),
    /// `<Connect><Stream>`.
    Streaming(Streaming),
    /// `<Connect><ConversationRelay>`.
    Relaying(Box<Relaying>),
    /// `<Refer>`.
    Referring(Box<Referring>),
    /// A child that is ready for its parent, or bridged with it.
    WithParent,
    /// Bridged with a call that is neither child nor parent, by an attended transfer.
    Joined(Joined),
    /// Our phone transferred the other party and should hang up.
    Departing(Departing),
    /// Our leg is over; the action of `<Dial>` waits until the children have ended.
    Parting(Box<Parting>),
}

/// Whether an activity waits on after an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Still {
    /// It stays the call's activity.
    Waiting,
    /// It has started what follows.
    Over,
}

/// The inputs that activities share. What an activity does not define leaves it waiting.
pub(crate) trait Waits {
    /// When [`Waits::on_timeout`] should run, and the name of that timer in the log.
    fn deadline(&self) -> Option<(Instant, &'static str)> {
        None
    }

    /// The deadline has passed.
    fn on_timeout(&mut self, _call: &mut Call, _now: Now) -> Still {
        Still::Waiting
    }

    /// The party pressed a key.
    fn on_digit(&mut self, _call: &mut Call, _now: Now, _digit: u8) -> Still {
        Still::Waiting
    }

    /// A prompt can be played, or never will.
    fn on_prompt(
        &mut self,
        _call: &mut Call,
        _now: Now,
        _prompt: PromptId,
        _result: &Result<(), PromptFailure>,
    ) -> Still {
        Still::Waiting
    }

    /// A prompt or a sequence of digits has been played to its end.
    fn on_play_ended(&mut self, _call: &mut Call, _now: Now, _play: PlayId) -> Still {
        Still::Waiting
    }

    /// A recording takes no more audio.
    fn on_recording_ended(
        &mut self,
        _call: &mut Call,
        _now: Now,
        _recording: RecordingSid,
        _cause: RecordingEnd,
    ) -> Still {
        Still::Waiting
    }

    /// A wait document has arrived, or never will.
    fn on_document(
        &mut self,
        _call: &mut Call,
        _now: Now,
        _request: HttpId,
        _result: Result<HttpAnswer, HttpFailure>,
    ) -> Still {
        Still::Waiting
    }

    /// An event of a recognition of this call, which may be of another feature.
    fn on_recognition(
        &mut self,
        _call: &mut Call,
        _now: Now,
        _recognition: RecognitionId,
        _event: &RecognitionEvent,
    ) -> Still {
        Still::Waiting
    }

    /// REST sends the call elsewhere: stops what runs. No action is requested.
    fn abort(&mut self, _call: &mut Call, _now: Now) {}

    /// The leg is over: sends what the application still has to get. Returns the activity that the call
    /// has to finish before it concludes.
    fn on_leg_over(self, _call: &mut Call, _now: Now) -> Option<Activity>
    where
        Self: Sized,
    {
        None
    }
}

/// The states that no shared input moves.
#[derive(Clone, Copy)]
struct Unmoved;

impl Waits for Unmoved {}

/// Runs an expression on the state inside of an activity.
macro_rules! each {
    ($activity:expr, $state:ident => $run:expr) => {
        match $activity {
            Activity::Idle | Activity::Ringing | Activity::WithParent => {
                let $state = &mut Unmoved;
                $run
            }
            Activity::SendingDigits($state) => $run,
            Activity::Detecting($state) => $run,
            Activity::Fetching($state) => $run,
            Activity::Speaking($state) => $run,
            Activity::PlayingDigits($state) => $run,
            Activity::Pausing($state) => $run,
            Activity::Echoing($state) => $run,
            Activity::Gathering($state) => $run,
            Activity::Recording($state) => $run,
            Activity::Dialing($state) => $run,
            Activity::Conferring($state) => $run,
            Activity::Queued($state) => $run,
            Activity::Serving($state) => $run,
            Activity::Streaming($state) => $run,
            Activity::Relaying($state) => $run,
            Activity::Referring($state) => $run,
            Activity::Joined($state) => $run,
            Activity::Departing($state) => $run,
            Activity::Parting($state) => $run,
        }
    };
}

impl Waits for Activity {
    fn deadline(&self) -> Option<(Instant, &'static str)> {
        each!(self, state => state.deadline())
    }

    fn on_timeout(&mut self, call: &mut Call, now: Now) -> Still {
        each!(self, state => state.on_timeout(call, now))
    }

    fn on_digit(&mut self, call: &mut Call, now: Now, digit: u8) -> Still {
        each!(self, state => state.on_digit(call, now, digit))
    }

    fn on_prompt(
        &mut self,
        call: &mut Call,
        now: Now,
        prompt: PromptId,
        result: &Result<(), PromptFailure>,
    ) -> Still {
        each!(self, state => state.on_prompt(call, now, prompt, result))
    }

    fn on_play_ended(&mut self, call: &mut Call, now: Now, play: PlayId) -> Still {
        each!(self, state => state.on_play_ended(call, now, play))
    }

    fn on_recording_ended(
        &mut self,
        call: &mut Call,
        now: Now,
        recording: RecordingSid,
        cause: RecordingEnd,
    ) -> Still {
        each!(self, state => state.on_recording_ended(call, now, recording, cause))
    }

    fn on_document(
        &mut self,
        call: &mut Call,
        now: Now,
        request: HttpId,
        result: Result<HttpAnswer, HttpFailure>,
    ) -> Still {
        each!(self, state => state.on_document(call, now, request, result))
    }

    fn on_recognition(
        &mut self,
        call: &mut Call,
        now: Now,
        recognition: RecognitionId,
        event: &RecognitionEvent,
    ) -> Still {
        each!(self, state => state.on_recognition(call, now, recognition, event))
    }

    fn abort(&mut self, call: &mut Call, now: Now) {
        each!(self, state => state.abort(call, now));
    }

    fn on_leg_over(self, call: &mut Call, now: Now) -> Option<Self> {
        each!(self, state => state.on_leg_over(call, now))
    }
}

impl Call {
    /// Hands an input to the activity, which stays or has started what follows.
    pub(crate) fn on_activity(&mut self, input: impl FnOnce(&mut Activity, &mut Self) -> Still) {
        // Taken out: the input may change every field of the call, this one included.
        let mut activity = std::mem::take(&mut self.activity);
        if input(&mut activity, self) == Still::Waiting {
            debug_assert!(
                matches!(self.activity, Activity::Idle),
                "an activity that waits on has started no other"
            );
            self.activity = activity;
        }
    }
}
