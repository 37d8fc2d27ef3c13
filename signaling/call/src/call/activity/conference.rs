//! `<Dial><Conference>`: this call's stay in a room. Sans-IO.
//!
//! The verb asks Control to enter ([`CallEffect::EnterConference`]) and waits there until the conference ends,
//! REST removes the member, the party presses `*`, or `timeLimit` is over. What the party hears beside the
//! room is a [`WaitScript`]: the wait document until the conference begins, hold music, an announcement.
//! An announcement takes the place of hold music, which begins again after it. The room itself (who hears
//! whom, when it begins and ends) is [`crate::conference`].

use std::mem;
use std::time::Duration;

use shared::{Code, ConferenceSid, Instant, Now, PlayId, RecordingSid};

use super::wait::{WaitScript, Waited};
use super::{Activity, Still, Waits};
use crate::call::Call;
use crate::conference::{ConferenceInput, Departure, Entry, MemberTerms, Music, Terms};
use crate::effect::CallEffect;
use crate::finding::Finding;
use crate::form::Form;
use crate::ids::{HttpId, PromptId};
use crate::input::{HttpAnswer, HttpFailure, PromptFailure};
use crate::setup::Webhook;
use crate::twiml::verb::conference::ConferenceNoun;
use crate::twiml::verb::{Dial, Link};

/// A stay in a conference.
#[derive(Debug)]
pub(crate) struct Conferring {
    spec: Dial,
    name: String,
    /// What the party hears until the conference begins.
    music: Music,
    /// `None` until [`ConferenceInput::Entered`].
    conference: Option<ConferenceSid>,
    /// What the party hears beside the room.
    script: Option<(Purpose, WaitScript)>,
    /// The conference has not begun: the wait document runs, but for a hold.
    waits: bool,
    /// The music of a hold, while REST holds the member.
    hold: Option<Music>,
    /// When `timeLimit` is over.
    limit_at: Option<Instant>,
    recording: Option<RecordingSid>,
    /// Who ends the stay, should our leg end next.
    departure: Departure,
}

/// Why a script runs.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Purpose {
    /// The conference has not begun.
    Waiting,
    /// REST holds the member.
    Holding,
    /// REST plays this document to the member.
    Announcing(String),
}

impl Call {
    /// Enters the room of a `<Dial>`.
    pub(crate) fn enter_conference(&mut self, now: Now, mut spec: Dial, noun: ConferenceNoun) {
        // The party of a room has media: `answerOnBridge` has no effect (twiml.md 5).
        self.answer(now);
        let entry = match self.conference_entry(&noun) {
            Ok(entry) => entry,
            Err(finding) => return self.fatal(now, finding),
        };
        let music = match self.music(noun.wait.as_ref()) {
            Ok(music) => music,
            Err(finding) => return self.fatal(now, finding),
        };
        let limit_s = spec.time_limit_s.min(self.setup.settings.call_s_max);
        let mut conferring = Box::new(Conferring {
            name: noun.name,
            music,
            conference: None,
            script: None,
            waits: false,
            hold: None,
            limit_at: Some(now.mono + Duration::from_secs(u64::from(limit_s))),
            recording: None,
            departure: Departure::HungUp,
            spec: Dial { conference: None, record: None, ..spec.clone() },
        });
        self.timeline("conference", format_args!("enters `{}`", conferring.name));
        self.effect(CallEffect::EnterConference(Box::new(entry)));
        if let Some(record) = spec.record.take() {
            conferring.recording = Some(self.record_dial_leg(now, record));
        }
        self.activity = Activity::Conferring(conferring);
    }

    fn conference_entry(&mut self, noun: &ConferenceNoun) -> Result<Entry, Finding> {
        let callback = match &noun.callback {
            Some((link, events)) => Some((self.webhook_of(link)?, events.clone())),
            None => None,
        };
        Ok(Entry {
            account: self.setup.account,
            name: noun.name.clone(),
            member: MemberTerms {
                label: noun.label.clone(),
                muted: noun.muted,
                start_on_enter: noun.start_on_enter,
                end_on_exit: noun.end_on_exit,
                beep: noun.beep,
                coach: noun.coach,
                playout: noun.playout,
            },
            terms: Terms {
                max_participants: noun.max_participants,
                region: noun.region.clone(),
                record: noun.record,
                trim: noun.trim,
                callback,
                recording_callback: self.recording_callback(noun.recording_callback.clone()),
            },
        })
    }

    /// A link with its URL made absolute.
    pub(crate) fn webhook_of(&self, link: &Link) -> Result<Webhook, Finding> {
        let url = self.resolve(&link.url)?;
        Ok(Webhook { url: url.configured(), method: link.method })
    }

    /// The conference of this call has news for it.
    pub(crate) fn conference_input(&mut self, now: Now, input: ConferenceInput) {
        match mem::take(&mut self.activity) {
            Activity::Conferring(conferring) => self.conferring_input(now, conferring, input),
            // REST sent the call elsewhere, or its leg is over: it has left already.
            other => self.activity = other,
        }
    }

    fn conferring_input(
        &mut self,
        now: Now,
        mut conferring: Box<Conferring>,
        input: ConferenceInput,
    ) {
        match input {
            ConferenceInput::Entered { conference, waits } => {
                conferring.conference = Some(conference);
                self.timeline("conference", format_args!("is a member of {conference}"));
                conferring.waits = waits;
                let music = conferring.music.clone();
                if waits && let Err(finding) = conferring.run(self, Purpose::Waiting, &music) {
                    return self.cannot_wait(now, conferring, finding);
                }
            }
            ConferenceInput::Refused { code, sentence } => {
                self.notify(Finding::error(code, &*sentence), None);
                return self.conference_over(now, conferring, "failed");
            }
            ConferenceInput::Started => {
                conferring.waits = false;
                conferring.stop(self, |purpose| *purpose == Purpose::Waiting)
            }
            ConferenceInput::Rings(true) => {
                conferring.waits = false;
                conferring.stop(self, |purpose| *purpose == Purpose::Waiting);
            }
            ConferenceInput::Rings(false) => {
                conferring.waits = true;
                conferring.resume(self);
            }
            ConferenceInput::Waits(music) => {
                let waits = matches!(conferring.script, Some((Purpose::Waiting, _)));
                conferring.music = music.clone();
                if waits && let Err(finding) = conferring.run(self, Purpose::Waiting, &music) {
                    return self.cannot_wait(now, conferring, finding);
                }
            }
            ConferenceInput::Held(music) => {
                conferring.hold = Some(music);
                conferring.stop(self, |purpose| *purpose == Purpose::Waiting);
                conferring.resume(self);
            }
            ConferenceInput::Unheld => {
                conferring.hold = None;
                conferring.stop(self, |purpose| *purpose == Purpose::Holding);
                conferring.resume(self);
            }
            ConferenceInput::Announced(webhook) => conferring.announce(self, webhook),
            ConferenceInput::Left => return self.conference_over(now, conferring, "answered"),
        }
        self.activity = Activity::Conferring(conferring);
    }

    /// The wait document failed: the call does not stay (twiml.md 5).
    fn cannot_wait(&mut self, now: Now, conferring: Box<Conferring>, finding: Finding) {
        self.notify(finding, None);
        self.effect(CallEffect::LeaveConference { departure: Departure::HungUp });
        self.conference_over(now, conferring, "failed");
    }

    /// The stay is over and our leg is not: requests the action or runs the next verb.
    fn conference_over(&mut self, now: Now, mut conferring: Box<Conferring>, status: &str) {
        conferring.stop(self, |_| true);
        if let Some(recording) = conferring.recording {
            self.stop_recording(now, recording);
        }
        self.timeline("verb", format_args!("<Dial> ended: {status}"));
        match &conferring.spec.action {
            Some(action) => {
                let form = self.conference_result(now, &conferring, status);
                self.follow(now, action, form);
            }
            None => self.next_verb(now),
        }
    }

    fn conference_result(&self, now: Now, conferring: &Conferring, status: &str) -> Form {
        let mut form = Form::new();
        form.push("DialCallStatus", status);
        if let Some(recording) = conferring.recording {
            self.recording_parameters(now, recording, &mut form);
        }
        form
    }
}

impl Conferring {
    /// Starts a script in the place of the one that runs.
    fn run(&mut self, call: &mut Call, purpose: Purpose, music: &Music) -> Result<(), Finding> {
        self.stop(call, |_| true);
        let mut extra = Form::new();
        if let Some(conference) = self.conference {
            extra.push("ConferenceSid", conference);
        }
        extra.push("FriendlyName", &self.name);
        let script = WaitScript::start(call, music, extra)?;
        self.script = Some((purpose, script));
        Ok(())
    }

    /// Stops the script, if it runs for such a purpose.
    fn stop(&mut self, call: &mut Call, is_over: impl FnOnce(&Purpose) -> bool) {
        if let Some((_, mut script)) = self.script.take_if(|(purpose, _)| is_over(purpose)) {
            script.stop(call);
        }
    }

    /// Plays what the member hears when nothing else does: the music of its hold, or the wait document.
    fn resume(&mut self, call: &mut Call) {
        // An announcement ends first.
        if self.script.is_some() {
            return;
        }
        let (purpose, music) = match (&self.hold, self.waits) {
            (Some(music), _) => (Purpose::Holding, music.clone()),
            (None, true) => (Purpose::Waiting, self.music.clone()),
            (None, false) => return,
        };
        if let Err(finding) = self.run(call, purpose, &music) {
            call.notify(finding, None);
        }
    }

    fn announce(&mut self, call: &mut Call, webhook: Webhook) {
        let url = webhook.url.clone();
        let music = Music::Document(webhook);
        if let Err(finding) = self.run(call, Purpose::Announcing(url.clone()), &music) {
            let failure = Some(finding.message.clone());
            call.notify(finding, None);
            call.effect(CallEffect::ConferenceAnnounced { url, failure });
            self.resume(call);
        }
    }

    /// What follows a step of the script.
    fn after(&mut self, call: &mut Call, now: Now, waited: Waited) -> Still {
        let failure = match waited {
            Waited::On => return Still::Waiting,
            Waited::Exhausted => None,
            Waited::Leaves => Some(Finding::error(
                Code::WAIT_VERB,
                "<Leave> is not allowed in the wait document of a conference",
            )),
            Waited::Failed(finding) => Some(finding),
        };
        let Some((purpose, _)) = self.script.take() else { return Still::Waiting };
        match (purpose, failure) {
            (Purpose::Announcing(url), failure) => {
                let reason = failure.as_ref().map(|finding| finding.message.clone());
                failure.into_iter().for_each(|finding| call.notify(finding, None));
                call.effect(CallEffect::ConferenceAnnounced { url, failure: reason });
                self.resume(call);
            }
            (Purpose::Waiting, Some(finding)) => {
                let conferring = mem::replace(self, Self::left(self.spec.clone()));
                call.cannot_wait(now, Box::new(conferring), finding);
                return Still::Over;
            }
            // A hold goes on in silence.
            (Purpose::Holding, Some(finding)) => call.notify(finding, None),
            // Silence: a wait document that wants to go on has a <Redirect> (twiml.md 5).
            (Purpose::Waiting | Purpose::Holding, None) => {}
        }
        Still::Waiting
    }

    /// A stay that is over; takes the place of one that is handed on.
    fn left(spec: Dial) -> Self {
        Self {
            spec,
            name: String::new(),
            music: Music::Silence,
            conference: None,
            script: None,
            waits: false,
            hold: None,
            limit_at: None,
            recording: None,
            departure: Departure::HungUp,
        }
    }

    /// REST ends the call: the conference reports another reason than for a party that hangs up.
    pub(crate) fn leaves_by_rest(&mut self) {
        self.departure = Departure::Api;
    }

    /// Leaves by the party's own doing.
    fn leave(&mut self, call: &mut Call, now: Now) -> Still {
        let conferring = mem::replace(self, Self::left(self.spec.clone()));
        call.effect(CallEffect::LeaveConference { departure: Departure::HungUp });
        call.conference_over(now, Box::new(conferring), "answered");
        Still::Over
    }

    /// Gives the script an input and follows what it says.
    fn step(
        &mut self,
        call: &mut Call,
        now: Now,
        input: impl FnOnce(&mut WaitScript, &mut Call) -> Waited,
    ) -> Still {
        let Some((_, script)) = &mut self.script else { return Still::Waiting };
        let waited = input(script, call);
        self.after(call, now, waited)
    }
}

impl Waits for Conferring {
    fn deadline(&self) -> Option<(Instant, &'static str)> {
        let script = self.script.as_ref().and_then(|(_, script)| script.deadline());
        let pause = script.map(|at| (at, "call wait document"));
        let limit = self.limit_at.map(|at| (at, "call dial limit"));
        shared::time::soonest(pause, limit)
    }

    fn on_timeout(&mut self, call: &mut Call, now: Now) -> Still {
        if self.limit_at.is_some_and(|at| at <= now.mono) {
            return self.leave(call, now);
        }
        self.step(call, now, |script, call| script.on_timeout(call, now))
    }

    fn on_digit(&mut self, call: &mut Call, now: Now, digit: u8) -> Still {
        match digit == b'*' && self.spec.hangup_on_star {
            true => self.leave(call, now),
            false => Still::Waiting,
        }
    }

    fn on_prompt(
        &mut self,
        call: &mut Call,
        now: Now,
        prompt: PromptId,
        result: &Result<(), PromptFailure>,
    ) -> Still {
        self.step(call, now, |script, call| script.on_prompt(call, now, prompt, result))
    }

    fn on_play_ended(&mut self, call: &mut Call, now: Now, play: PlayId) -> Still {
        self.step(call, now, |script, call| script.on_play_ended(call, now, play))
    }

    fn on_document(
        &mut self,
        call: &mut Call,
        now: Now,
        request: HttpId,
        result: Result<HttpAnswer, HttpFailure>,
    ) -> Still {
        self.step(call, now, |script, call| script.on_document(call, now, request, result))
    }

    fn abort(&mut self, call: &mut Call, now: Now) {
        self.stop(call, |_| true);
        call.effect(CallEffect::LeaveConference { departure: Departure::Api });
        if let Some(recording) = self.recording {
            call.stop_recording(now, recording);
        }
    }

    fn on_leg_over(mut self, call: &mut Call, now: Now) -> Option<Activity> {
        self.stop(call, |_| true);
        call.effect(CallEffect::LeaveConference { departure: self.departure });
        // The application gets the result; its answer is not executed.
        if let Some(action) = self.spec.action.take()
            && let Ok(url) = call.resolve(&action.url)
        {
            let form = call.conference_result(now, &self, "answered");
            call.report_action(url, action.method, form);
        }
        None
    }
}
