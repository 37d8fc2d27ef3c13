//! Conferences and queues in any order of events: nothing is left behind, and state that is kept twice agrees
//! (Control checks that after each input).

use std::time::Duration;

use shared::media::TapEnd;
use shared::{
    ApplicationSid, CallSid, Code, CoreId, MediaCommand, MediaEvent, RoomCommand, RoomEvent,
    RoomId, SplitMix, TapId,
};
use store::{
    ApplicationParameters, CallCommand, ConferenceCommand, ConferenceName, MemberName,
    ParticipantChange, ParticipantName, QueueCommand, UpdateAction, UpdateCall,
};

use super::rig::{ACCOUNT, Book, Invite, Rig};
use crate::{ApiRequest, ApiToken, Effect, Input};

const SEEDS: u64 = 150;
const STEPS: u64 = 60;

const DOCUMENTS: &[&str] = &[
    "<Dial action=\"/d\"><Conference>ops</Conference></Dial>",
    "<Dial><Conference record=\"record-from-start\" statusCallback=\"/c\" statusCallbackEvent=\"start end join leave mute hold\" recordingStatusCallback=\"/r\">ops</Conference></Dial>",
    "<Dial><Conference waitUrl=\"/wait\" endConferenceOnExit=\"true\">ops</Conference></Dial>",
    "<Dial hangupOnStar=\"true\" timeLimit=\"20\"><Conference startConferenceOnEnter=\"false\" maxParticipants=\"3\">two</Conference></Dial>",
    "<Enqueue action=\"/q\">support</Enqueue>",
    "<Enqueue waitUrl=\"/wait\" maxQueueSize=\"2\">support</Enqueue>",
    "<Dial timeout=\"9\"><Queue url=\"/whisper\">support</Queue></Dial>",
    "<Dial action=\"/d\"><Queue>support</Queue></Dial>",
];

const ANSWERS: &[&str] =
    &["", "<Play>a.wav</Play>", "<Pause/>", "<Leave/>", "<Gather/>", "<Redirect/>", "<Say>x</Say>"];

#[test]
fn conferences_and_queues_leave_nothing_behind() {
    for seed in 0..SEEDS {
        let mut story = Story::new(seed);
        for _ in 0..STEPS {
            story.step();
        }
        story.end();
    }
}

struct Story {
    seed: u64,
    rng: SplitMix,
    rig: Rig,
    calls: Vec<CallSid>,
    /// An application that runs the same documents.
    application: ApplicationSid,
    /// Taps of rooms that run.
    taps: Vec<(CoreId, RoomId, TapId)>,
    is_core_lost: bool,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut book = Book::with_ip_list("192.0.2.7");
        let application = book.add_application(ApplicationParameters {
            voice_url: store::Patch::Set("http://app.example/application".to_owned()),
            ..ApplicationParameters::default()
        });
        let mut rig = Rig::new(book);
        rig.add_core();
        let (calls, taps) = (Vec::new(), Vec::new());
        Self { seed, rng: SplitMix::new(seed), rig, calls, application, taps, is_core_lost: false }
    }

    fn step(&mut self) {
        match self.rng.below(16) {
            0..=3 => self.call_in(),
            4..=6 => self.answer(),
            7 => self.update_call(UpdateAction::Complete),
            8 => {
                let text = "<Response><Pause length=\"1\"/></Response>".to_owned();
                let twiml = store::TwimlSource::Inline(text);
                self.update_call(UpdateAction::Redirect { twiml, fallback: None });
            }
            9 => self.change_member(),
            10 => {
                let participant = ParticipantName::Call(self.call());
                let conference = ConferenceName::Name("ops".to_owned());
                self.conference(ConferenceCommand::Remove {
                    account: ACCOUNT,
                    conference,
                    participant,
                });
            }
            11 => {
                let sid = self.rig.conferences.last().map(|record| record.sid);
                if let Some(conference) = sid.filter(|_| self.rng.below(3) == 0) {
                    let (account, end, announce) = (ACCOUNT, true, None);
                    let update = ConferenceCommand::Update { account, conference, end, announce };
                    self.conference(update);
                }
            }
            12 => self.dequeue(),
            13 => {
                let time = Duration::from_secs(self.rng.below(25));
                self.rig.after(time);
            }
            14 => self.rig.confirm_stops(),
            _ if !self.is_core_lost && self.rng.below(10) == 0 => {
                self.is_core_lost = true;
                let sentence = "It stalled.".to_owned();
                self.rig.tell(Input::CoreLost { core: CoreId(1), sentence });
                self.taps.retain(|(core, _, _)| *core != CoreId(1));
            }
            _ => self.end_taps(),
        }
        self.look();
    }

    fn call_in(&mut self) {
        if !self.rig.invite(&Invite::default()).ends_with(&[180]) {
            return;
        }
        let voice = |url: &str| url.ends_with("/voice");
        let at = self.rig.http.iter().rposition(|(_, r)| voice(&r.url.wire(None)));
        let asked = self.rig.http.remove(at.expect("the document is asked for"));
        self.calls.push(asked.0);
        self.rig.http.insert(0, asked);
        let document = self.document();
        self.rig.answer_webhook(&document);
    }

    fn document(&mut self) -> String {
        let at = self.rng.below(DOCUMENTS.len() as u64 + 2) as usize;
        let known = DOCUMENTS.get(at).map(|known| (*known).to_owned());
        let application = self.application;
        known.unwrap_or_else(|| {
            format!("<Dial action=\"/d\"><Application>{application}</Application></Dial>")
        })
    }

    fn answer(&mut self) {
        let Some((call, request)) = self.rig.http.first() else { return };
        if request.url.wire(None).ends_with("/application") {
            self.calls.push(*call);
            let document = self.document();
            self.rig.answer_webhook(&document);
        } else {
            let answer = ANSWERS[self.rng.below(ANSWERS.len() as u64) as usize];
            self.rig.answer_webhook(answer);
        }
    }

    fn call(&mut self) -> CallSid {
        let at = self.rng.below(self.calls.len() as u64) as usize;
        self.calls.get(at).copied().unwrap_or(CallSid(9))
    }

    fn update_call(&mut self, action: UpdateAction) {
        let update = UpdateCall {
            account: ACCOUNT,
            call: self.call(),
            action: Some(action),
            status_callback: store::Patch::Keep,
            time_limit_s: None,
        };
        let command = CallCommand::Update(Box::new(update));
        self.ask(ApiRequest::Call(command));
    }

    fn change_member(&mut self) {
        let participant = ParticipantName::Call(self.call());
        let coached = (self.rng.below(3) == 0).then(|| self.call());
        let flag = |rng: &mut SplitMix| (rng.below(2) == 0).then(|| rng.below(2) == 0);
        let change = ParticipantChange {
            muted: flag(&mut self.rng),
            hold: flag(&mut self.rng),
            coached,
            end_on_exit: flag(&mut self.rng),
            ..ParticipantChange::default()
        };
        let conference = ConferenceName::Name("ops".to_owned());
        self.conference(ConferenceCommand::Change {
            account: ACCOUNT,
            conference,
            participant,
            change,
        });
    }

    fn dequeue(&mut self) {
        let queue = self.rig.control.snapshot().queue_by_name(ACCOUNT, "support");
        let Some(queue) = queue.map(|queue| queue.sid) else { return };
        let url = store::Webhook {
            url: "http://app.example/next".to_owned(),
            method: store::HttpMethod::Post,
        };
        let member = MemberName::Front;
        self.ask(ApiRequest::Queue(QueueCommand::Dequeue { account: ACCOUNT, queue, member, url }));
    }

    fn conference(&mut self, command: ConferenceCommand) {
        self.ask(ApiRequest::Conference(command));
    }

    fn ask(&mut self, request: ApiRequest) {
        self.rig.tell(Input::Api { token: ApiToken(1), request });
        let answered = |effect: &Effect| matches!(effect, Effect::ApiReply { .. });
        let replies = self.rig.effects.extract_if(.., |effect| answered(effect)).count();
        assert_eq!(replies, 1, "seed {}: one answer to one request", self.seed);
    }

    /// Notes the taps that began.
    fn look(&mut self) {
        let is_room = |command: &mut MediaCommand| matches!(command, MediaCommand::Room { .. });
        for command in self.rig.media.extract_if(.., is_room) {
            let MediaCommand::Room { core, room, command } = command else { continue };
            if let RoomCommand::StartTap { tap, .. } = command {
                self.taps.push((core, room, tap));
            }
        }
    }

    fn end_taps(&mut self) {
        for (core, room, tap) in std::mem::take(&mut self.taps) {
            let event = RoomEvent::TapEnded { tap, cause: TapEnd::Stopped };
            self.rig.tell(Input::Media { core, event: MediaEvent::Room { core, room, event } });
        }
        self.rig.settle_recordings();
    }

    /// Ends every call, and answers every request.
    fn end(mut self) {
        for call in self.calls.clone() {
            let update = UpdateCall {
                account: ACCOUNT,
                call,
                action: Some(UpdateAction::Complete),
                status_callback: store::Patch::Keep,
                time_limit_s: None,
            };
            self.ask(ApiRequest::Call(CallCommand::Update(Box::new(update))));
        }
        for _ in 0..4 {
            self.look();
            self.end_taps();
            self.rig.let_go();
            self.rig.after(Duration::from_secs(40));
        }
        let seed = self.seed;
        assert_eq!(self.rig.control.calls_live(), 0, "seed {seed}");
        assert!(self.rig.control.queues.is_empty(), "seed {seed}: a queue has a call");
        self.rig.tell(Input::Drain);
        assert!(self.rig.control.is_drained(), "seed {seed}: a conference is left");
        let faults = self.rig.faults.iter().filter(|fault| !fault.contains("stalled"));
        assert_eq!(faults.collect::<Vec<_>>(), Vec::<&String>::new(), "seed {seed}");
        let internal = |n: &&store::NotificationRecord| n.error_code == Code::INTERNAL;
        assert_eq!(self.rig.notifications.iter().find(internal), None, "seed {seed}");
    }
}
