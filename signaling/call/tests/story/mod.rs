//! A tiny language for stories of calls: script inputs, read effects as words. It also does
//! what Control does between a parent and its children: it carries their values.

#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use call::*;
use shared::ids::Origin;
use shared::{AccountSid, CallSid, Code, DomainSid, Header, Instant, Now, PlayId, RecordingSid};

pub struct Story {
    pub now: Now,
    pub calls: BTreeMap<CallSid, Call>,
    /// Calls in the order they came: the first is called `a`, its children `b`, `c`, ...
    pub sids: Vec<CallSid>,
    pub requests: Vec<HttpRequest>,
    pub notes: Vec<Notification>,
    pub records: Vec<(char, FinalRecord)>,
    pub setups: Vec<CallSetup>,
    pub recordings: Vec<RecordingPlan>,
    pub streams: Vec<StreamPlan>,
    pub recognitions: Vec<RecognitionPlan>,
    pub siprecs: Vec<SiprecPlan>,
    /// The last update of one.
    pub metadata: String,
    pub sources: Vec<PromptSource>,
    prompt: Option<PromptId>,
    play: Option<PlayId>,
    words: Vec<String>,
}

pub fn inbound() -> CallSetup {
    CallSetup {
        sid: CallSid(0xA),
        account: AccountSid(1),
        parent: None,
        direction: CallDirection::Inbound,
        from: "sip:alice@pbx.example.org".to_owned(),
        to: "sip:1000@demo.sip.example.net".to_owned(),
        forwarded_from: None,
        application: None,
        link: None,
        sip: Some(SipFacts {
            domain: "demo.sip.example.net".to_owned(),
            domain_sid: DomainSid(3),
            call_id: "a84b4c76e66710@pbx.example.org".to_owned(),
            source_ip: "203.0.113.10".parse().unwrap(),
            username: Some("alice".to_owned()),
            headers: headers(&[
                ("X-Route-Id", "42;tier=gold"),
                ("x-route-id", "43"),
                ("User-to-User", "abc;encoding=hex"),
                ("Diversion", "<sip:x@y>"),
            ]),
        }),
        leg: None,
        document: DocumentSource::Url(Webhook::post("http://app/voice")),
        fallback: None,
        status_callback: Some(StatusCallback {
            webhook: Webhook::post("http://app/status"),
            events: vec![ProgressEvent::Ringing, ProgressEvent::Completed],
        }),
        max_forwards: 70,
        time_limit_s: 14_400,
        record: None,
        warnings: Vec::new(),
        settings: Arc::new(CallSettings::default()),
        origin: Origin { node: 0, generation: 0 },
        seed: [7; 32],
    }
}

pub fn outbound() -> CallSetup {
    CallSetup {
        direction: CallDirection::OutboundApi,
        from: "+15550001".to_owned(),
        to: "sip:bob@h.example".to_owned(),
        sip: None,
        link: None,
        leg: Some(OutboundLeg {
            display_name: None,
            delay_s: 0,
            target: Target::Sip(sip_target("sip:bob@h.example").unwrap()),
            caller_id: "+15550001".to_owned(),
            ring_s: 60,
            detection: None,
            send_digits: None,
        }),
        status_callback: Some(StatusCallback {
            webhook: Webhook::post("http://app/status"),
            events: vec![
                ProgressEvent::Initiated,
                ProgressEvent::Ringing,
                ProgressEvent::Answered,
                ProgressEvent::Completed,
            ],
        }),
        ..inbound()
    }
}

pub fn headers(pairs: &[(&str, &str)]) -> Vec<Header> {
    pairs.iter().map(|(name, value)| Header::new((*name).to_owned(), *value)).collect()
}

impl Story {
    pub fn new(setup: CallSetup) -> Self {
        let mut story = Self {
            now: Now { mono: Instant::from_millis(1_000), unix_ms: 1_282_266_822_000 },
            calls: BTreeMap::new(),
            sids: Vec::new(),
            requests: Vec::new(),
            notes: Vec::new(),
            records: Vec::new(),
            setups: Vec::new(),
            recordings: Vec::new(),
            streams: Vec::new(),
            recognitions: Vec::new(),
            siprecs: Vec::new(),
            metadata: String::new(),
            sources: Vec::new(),
            prompt: None,
            play: None,
            words: Vec::new(),
        };
        story.adopt(setup);
        story
    }

    /// A started inbound call whose first document is this; the words of the start are dropped.
    pub fn with(verbs: &str) -> (Self, Vec<String>) {
        Self::with_setup(inbound(), verbs)
    }

    pub fn with_setup(setup: CallSetup, verbs: &str) -> (Self, Vec<String>) {
        let mut story = Self::new(setup);
        assert_eq!(story.start(), ["a: POST /voice"]);
        let words = story.document(verbs);
        (story, words)
    }

    fn adopt(&mut self, setup: CallSetup) {
        self.sids.push(setup.sid);
        self.setups.push(setup.clone());
        self.calls.insert(setup.sid, Call::new(setup));
    }

    fn name(&self, sid: CallSid) -> char {
        let index = self.sids.iter().position(|known| *known == sid);
        // A call that this story does not play.
        index.map_or('?', |index| char::from(b'a' + u8::try_from(index).unwrap()))
    }

    pub fn sid(&self, name: char) -> CallSid {
        self.sids[usize::from(name as u8 - b'a')]
    }

    pub fn status(&self, name: char) -> CallStatus {
        self.calls[&self.sid(name)].status()
    }

    /// Gives a call an input, then every input that follows from it.
    pub fn tell(&mut self, name: char, input: CallInput) -> Vec<String> {
        let mut inputs = VecDeque::from([(self.sid(name), input)]);
        self.words.clear();
        self.run(&mut inputs);
        std::mem::take(&mut self.words)
    }

    fn run(&mut self, inputs: &mut VecDeque<(CallSid, CallInput)>) {
        while let Some((sid, input)) = inputs.pop_front() {
            let Some(call) = self.calls.get_mut(&sid) else { continue };
            call.handle(self.now, input);
            self.drain(sid, inputs);
        }
    }

    fn drain(&mut self, sid: CallSid, inputs: &mut VecDeque<(CallSid, CallInput)>) {
        let mut effects = Vec::new();
        while let Some(effect) = self.calls.get_mut(&sid).and_then(Call::poll_effect) {
            effects.push(effect);
        }
        for effect in effects {
            self.carry(sid, effect, inputs);
        }
    }

    fn carry(
        &mut self,
        sid: CallSid,
        effect: CallEffect,
        inputs: &mut VecDeque<(CallSid, CallInput)>,
    ) {
        let name = self.name(sid);
        let word = match effect {
            CallEffect::Timeline(_) | CallEffect::Status(_) => return,
            CallEffect::Http(request) => {
                let word = self.request_word(&request);
                self.requests.push(*request);
                word
            }
            CallEffect::Invite(_) => "invite".to_owned(),
            CallEffect::Answer => "answer".to_owned(),
            CallEffect::Reject { status } => format!("reject {status}"),
            CallEffect::Hangup => "hangup".to_owned(),
            CallEffect::LoadPrompt { prompt, source } => {
                self.prompt = Some(prompt);
                let word = match &source {
                    PromptSource::Say { speech, .. } => format!("load say {}", speech.words()),
                    PromptSource::Url(url) => format!("load {}", url.wire(None)),
                    PromptSource::Audio(Ok(_)) => "load audio".to_owned(),
                    PromptSource::Audio(Err(failure)) => format!("load broken {}", failure.code),
                    PromptSource::Tone(tone::Tone::Beep) => "load beep".to_owned(),
                    PromptSource::Tone(tone::Tone::HoldMusic) => "load music".to_owned(),
                    PromptSource::Tone(tone::Tone::Ring(ring)) => {
                        format!("load ring {}", ring.name)
                    }
                };
                self.sources.push(source);
                word
            }
            CallEffect::ForgetPrompt { prompt } => format!("forget {}", prompt.0),
            CallEffect::Play { prompt, play, repeat } => {
                self.play = Some(play);
                format!("play {} x{repeat}", prompt.0)
            }
            CallEffect::StopPlay => "stop play".to_owned(),
            CallEffect::Echo { is_on } => format!("echo {}", if is_on { "on" } else { "off" }),
            CallEffect::SendDigits { digits, play } => {
                self.play = Some(play);
                format!("send {digits}")
            }
            CallEffect::StartRecording(plan) => {
                let word = format!("record {}", plan.source.as_str());
                self.recordings.push(plan);
                word
            }
            CallEffect::PauseRecording { pause: None, .. } => "resume record".to_owned(),
            CallEffect::PauseRecording { pause: Some(pause), .. } => {
                format!("pause record {pause:?}")
            }
            CallEffect::StopRecording { .. } => "stop record".to_owned(),
            CallEffect::OpenStream(plan) => {
                let word = format!("stream {}", plan.url.text());
                self.streams.push(*plan);
                word
            }
            CallEffect::CloseStream { .. } => "close stream".to_owned(),
            CallEffect::StartRecognition(plan) => {
                let word = format!("listen {}", plan.language);
                self.recognitions.push(*plan);
                word
            }
            CallEffect::Transcript { transcript, .. } => {
                format!("transcript {} {}", transcript.status.as_str(), transcript.text)
            }
            CallEffect::StopRecognition { how, .. } => format!("stop listening {how:?}"),
            CallEffect::StartSiprec(plan) => {
                let word = format!("siprec {}", plan.settings.connector);
                self.siprecs.push(*plan);
                word
            }
            CallEffect::UpdateSiprec { metadata, .. } => {
                let senders = metadata.matches("<send>").count();
                self.metadata = metadata;
                format!("update siprec with {senders} senders")
            }
            CallEffect::StopSiprec { .. } => "stop siprec".to_owned(),
            CallEffect::StreamHeard { text, last, .. } => {
                format!("stream {} {text}", if last { "final" } else { "guess" })
            }
            CallEffect::StreamDigit { digit, .. } => format!("stream digit {}", char::from(digit)),
            CallEffect::Dial { children } => {
                let count = children.len();
                for setup in children {
                    let child = setup.sid;
                    self.adopt(setup);
                    inputs.push_back((child, CallInput::Started));
                }
                format!("dial {count}")
            }
            CallEffect::ToChild { sid: child, command } => {
                inputs.push_back((child, CallInput::Parent(command)));
                return;
            }
            CallEffect::ToParent(event) => {
                if let Some(parent) = self.calls[&sid].setup().parent {
                    inputs.push_back((parent, CallInput::Child { sid, event }));
                }
                return;
            }
            CallEffect::EarlyMedia { child } => format!("early {}", self.name(child)),
            CallEffect::Bridge { child } => format!("bridge {}", self.name(child)),
            CallEffect::Unbridge { child } => format!("unbridge {}", self.name(child)),
            CallEffect::Refer { target } => format!("refer {target}"),
            CallEffect::AnswerRefer { from, answer } => {
                let status = match &answer {
                    Ok(()) => 202,
                    Err(refusal) => refusal.status.unwrap_or(0),
                };
                format!("answer refer of {} {status}", self.name(from))
            }
            CallEffect::Transfer { sid: child, transfer } => {
                inputs.push_back((child, CallInput::Transfer(transfer)));
                return;
            }
            CallEffect::TransferEnded { from, status, leaves } => {
                inputs.push_back((
                    from,
                    match leaves {
                        true => CallInput::TransferredAway { patience: true },
                        false => CallInput::TransferFailed,
                    },
                ));
                format!("tell {} {status}", self.name(from))
            }
            CallEffect::Join { from, with } => {
                format!("join {} {}", self.name(from), self.name(with))
            }
            CallEffect::EnterConference(entry) => format!("enter {}", entry.name),
            CallEffect::LeaveConference { departure } => format!("leave conference {departure:?}"),
            CallEffect::Detect(_) => "detect".to_owned(),
            CallEffect::StopDetection => "stop detection".to_owned(),
            CallEffect::AnsweredBy(by) => format!("answered by {}", by.as_str()),
            CallEffect::EnterQueue { queue, is_back: false, .. } => format!("enter queue {queue}"),
            CallEffect::EnterQueue { queue, .. } => format!("back to queue {queue}"),
            CallEffect::LeaveQueue => "leave queue".to_owned(),
            CallEffect::AskQueue => "ask queue".to_owned(),
            CallEffect::ServeQueue { queue, .. } => format!("serve {queue}"),
            CallEffect::QueueReady { .. } => "ready".to_owned(),
            CallEffect::ConferenceAnnounced { failure, .. } => {
                format!("announced {}", if failure.is_some() { "failed" } else { "played" })
            }
            CallEffect::PeerEnds { sid: peer } => format!("leave {}", self.name(peer)),
            CallEffect::Notify(notification) => {
                let word = format!("notify {}", notification.code);
                self.notes.push(*notification);
                word
            }
            CallEffect::Ended(record) => {
                let word = format!("ended {}", record.status);
                self.records.push((name, record));
                word
            }
            CallEffect::Finished => "finished".to_owned(),
        };
        self.words.push(format!("{name}: {word}"));
    }

    fn request_word(&self, request: &HttpRequest) -> String {
        let url = request.url.wire(None);
        let path = url.strip_prefix("http://app").unwrap_or(&url);
        match request.kind {
            HttpKind::Document => format!("{} {path}", request.method.name()),
            HttpKind::StatusCallback => {
                format!("callback {}", request.standard.value("CallStatus").unwrap())
            }
            HttpKind::SideCallback => format!("side {path}"),
            HttpKind::RecordingCallback => {
                format!("recording {}", request.standard.value("RecordingStatus").unwrap())
            }
        }
    }

    pub fn start(&mut self) -> Vec<String> {
        self.tell('a', CallInput::Started)
    }

    /// The last parameter of this name that a document request carried.
    pub fn param(&self, name: &str) -> Option<String> {
        let request = self.last_request(HttpKind::Document);
        request.extra.value(name).or(request.standard.value(name)).map(str::to_owned)
    }

    /// The last parameter of this name in a status or recording callback.
    pub fn callback_param(&self, name: &str) -> Option<String> {
        let callback = self.requests.iter().rev().find(|r| r.kind != HttpKind::Document).unwrap();
        callback.standard.value(name).map(str::to_owned)
    }

    pub fn last_request(&self, kind: HttpKind) -> &HttpRequest {
        self.requests.iter().rev().find(|request| request.kind == kind).unwrap()
    }

    /// Answers the last document request with these verbs.
    pub fn document(&mut self, verbs: &str) -> Vec<String> {
        self.body("text/xml", &format!("<Response>{verbs}</Response>"))
    }

    pub fn body(&mut self, content_type: &str, body: &str) -> Vec<String> {
        self.http(200, Some(content_type), body)
    }

    pub fn http(&mut self, status: u16, content_type: Option<&str>, body: &str) -> Vec<String> {
        self.answered(status, content_type, body.as_bytes().to_vec().into())
    }

    pub fn answered(
        &mut self,
        status: u16,
        content_type: Option<&str>,
        body: AnswerBody,
    ) -> Vec<String> {
        let request = self.last_request(HttpKind::Document).clone();
        let answer = HttpAnswer {
            status,
            content_type: content_type.map(str::to_owned),
            body,
            final_url: request.url.wire(None),
            duration_ms: 5,
        };
        let name = self.name(request.call);
        self.tell(name, CallInput::Http { request: request.id, result: Ok(answer) })
    }

    pub fn http_fails(&mut self, code: Code) -> Vec<String> {
        let request = self.last_request(HttpKind::Document).clone();
        let failure = HttpFailure { code, sentence: "it failed".to_owned(), duration_ms: 1 };
        let name = self.name(request.call);
        self.tell(name, CallInput::Http { request: request.id, result: Err(failure) })
    }

    /// Answers every outstanding callback with 204.
    pub fn callbacks_answered(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        for request in self.requests.clone() {
            if request.kind == HttpKind::Document
                && self.status(self.name(request.call)).is_terminal()
                || request.kind != HttpKind::Document
            {
                let answer = HttpAnswer {
                    status: 204,
                    content_type: None,
                    body: Vec::new().into(),
                    final_url: request.url.wire(None),
                    duration_ms: 1,
                };
                let name = self.name(request.call);
                words.extend(
                    self.tell(name, CallInput::Http { request: request.id, result: Ok(answer) }),
                );
            }
        }
        words
    }

    pub fn prompt_ready(&mut self) -> Vec<String> {
        let prompt = self.prompt.unwrap();
        self.tell('a', CallInput::PromptReady { prompt, result: Ok(()) })
    }

    pub fn prompt_fails(&mut self, code: Code) -> Vec<String> {
        let failure = PromptFailure { code, sentence: "it failed".to_owned() };
        let prompt = self.prompt.unwrap();
        self.tell('a', CallInput::PromptReady { prompt, result: Err(failure) })
    }

    pub fn all_ready(&mut self, count: u32) -> Vec<String> {
        let last = self.prompt.unwrap().0;
        let mut words = Vec::new();
        for prompt in last + 1 - count..=last {
            let prompt = PromptId(prompt);
            words.extend(self.tell('a', CallInput::PromptReady { prompt, result: Ok(()) }));
        }
        words
    }

    pub fn played(&mut self) -> Vec<String> {
        let play = self.play.unwrap();
        self.tell('a', CallInput::PlayEnded { play })
    }

    /// The phone of a call asks its `<Dial>`, which `owner` runs, for a transfer.
    pub fn refers(&mut self, owner: char, from: char, target: &str) -> Vec<String> {
        let user = target.trim_start_matches("<sip:").split('@').next().unwrap().to_owned();
        let referral = Referral { target: target.to_owned(), user, instead_of: None };
        self.tell(owner, CallInput::Referred { from: self.sid(from), referral })
    }

    pub fn digit(&mut self, key: char) -> Vec<String> {
        self.tell('a', CallInput::Digit(key as u8))
    }

    pub fn digits(&mut self, keys: &str) -> Vec<String> {
        keys.chars().flat_map(|key| self.digit(key)).collect()
    }

    pub fn hangs_up(&mut self, name: char) -> Vec<String> {
        self.tell(name, CallInput::Hungup { cause: HangupCause::Peer, headers: Vec::new() })
    }

    pub fn rings(&mut self, name: char) -> Vec<String> {
        self.tell(name, CallInput::SipProgress { status: 180, early_media: false })
    }

    pub fn answers(&mut self, name: char) -> Vec<String> {
        let facts = AnswerFacts {
            call_id: format!("call-id-of-{name}"),
            source_ip: Some("198.51.100.7".parse().unwrap()),
            headers: headers(&[("X-From-Answer", "yes"), ("Server", "x")]),
        };
        self.tell(name, CallInput::SipAnswered(facts))
    }

    pub fn refuses(&mut self, name: char, status: u16) -> Vec<String> {
        let headers = headers(&[("X-Reason", "no"), ("Warning", "x")]);
        let call_id = format!("call-id-of-{name}");
        self.tell(name, CallInput::SipRejected { status, call_id, headers })
    }

    pub fn recording_ended(&mut self, cause: RecordingEnd) -> Vec<String> {
        let recording = self.recording();
        self.tell('a', CallInput::RecordingEnded { recording, cause })
    }

    pub fn recording_done(&mut self, duration_s: u32) -> Vec<String> {
        let recording = self.recording();
        let outcome = RecordingOutcome::Completed { duration_s, cut_ms: 0, encryption: None };
        self.tell('a', CallInput::RecordingDone { recording, outcome })
    }

    /// REST starts a recording with a callback for its begin and its file.
    pub fn record(&mut self, recording: RecordingSid) -> Vec<String> {
        let events = vec![RecordingEvent::InProgress, RecordingEvent::Completed];
        self.record_with(recording, events)
    }

    pub fn record_with(
        &mut self,
        recording: RecordingSid,
        events: Vec<RecordingEvent>,
    ) -> Vec<String> {
        let webhook = Webhook::post("http://app/rec");
        let settings = RecordSettings {
            channels: 1,
            track: RecordingTrack::Both,
            trim: false,
            callback: Some(RecordingCallback { webhook, events }),
        };
        self.change(recording, RecordingChange::Start(settings))
    }

    pub fn change(&mut self, recording: RecordingSid, change: RecordingChange) -> Vec<String> {
        self.tell('a', CallInput::Api(ApiUpdate::Recording { recording, change }))
    }

    pub fn recording(&self) -> RecordingSid {
        self.recordings.last().unwrap().recording
    }

    /// Lets time pass; timers run when they are due.
    pub fn wait(&mut self, seconds: u64) -> Vec<String> {
        let until = self.now.after(Duration::from_secs(seconds));
        self.words.clear();
        loop {
            let due = self
                .calls
                .iter()
                .filter_map(|(sid, call)| call.poll_timeout().map(|(at, _)| (at, *sid)))
                .min();
            let Some((at, sid)) = due.filter(|(at, _)| *at <= until.mono) else { break };
            self.now = self.now.after(at.since(self.now.mono));
            self.calls.get_mut(&sid).unwrap().handle_timeout(self.now);
            let mut inputs = VecDeque::new();
            self.drain(sid, &mut inputs);
            self.run(&mut inputs);
        }
        self.now = until;
        std::mem::take(&mut self.words)
    }
}
