//! Conferences: their machines joined with calls, cores, callbacks and records. Sans-IO.
//!
//! A call asks to enter ([`CallEffect::EnterConference`](call::CallEffect)); Control finds the conference by
//! account and name, or makes it, and gives the machine one input at a time. [`Control::settle_conference`]
//! then carries out what the machine orders. The room is opened on a core before the first leg of that core
//! joins it, and closed when the last one has left.

mod api;
mod participant;
mod recording;

use std::sync::Arc;

use call::conference::{
    Conference, ConferenceEffect, ConferenceInput, Departure, Entry, Role, Voice,
};
use call::webhook::HttpRequest;
use call::{ApiUpdate, CallInput, CallStatus, Form, HttpKind, HttpMethod, WebUrl};
use shared::{
    AccountSid, CallSid, Code, ConferenceSid, CoreId, CoreSet, Joined, LegId, MediaCommand, Member,
    Now, PlayId, RoomCommand, RoomEvent, RoomId, Voice as MediaVoice,
};

use crate::control::Control;
use crate::effect::{Effect, Observation};
use crate::records;
use crate::state::live_call::Request;
use crate::state::timeline::Kind;

impl Control {
    /// A call wants to enter a conference.
    pub(crate) fn enter_conference(&mut self, now: Now, sid: CallSid, entry: Entry) {
        let Some(leg) = self.leg_of(sid) else {
            let sentence = "the call has no media that could enter a conference".to_owned();
            let input = ConferenceInput::Refused { code: Code::INTERNAL, sentence };
            return self.tell(sid, CallInput::Conference(input));
        };
        debug_assert!(self.conferences.of_call(sid).is_none(), "a call is in one conference");
        let conference = match self.conferences.named(entry.account, &entry.name) {
            Some(conference) => {
                let live = self.conferences.get(conference);
                if let Some(Err(refusal)) = live.map(|live| live.machine.admits(sid, &entry)) {
                    return self.tell(sid, CallInput::Conference(refusal));
                }
                conference
            }
            None => {
                let machine = self.new_conference(now, &entry);
                if let Err(refusal) = machine.admits(sid, &entry) {
                    return self.tell(sid, CallInput::Conference(refusal));
                }
                self.conferences.add(machine)
            }
        };
        self.conferences.expect_no_more(sid);
        let rang = self.conferences.get(conference).is_some_and(|live| live.machine.rings(sid));
        if let Some(cores) = self.conferences.add_member(conference, sid, leg.core) {
            self.span_room(conference, cores);
        }
        let Some(live) = self.conferences.get_mut(conference) else { return };
        let joined = Joined::Room(live.room);
        live.machine.enter(now, sid, entry);
        // A party that rang is in the room: joined anew, it would lose the audio that waits to be mixed.
        if !rang {
            self.push(Effect::Media {
                core: leg.core,
                command: MediaCommand::Join { leg, joined },
            });
        }
        self.settle_conference(now, conference);
    }

    /// An expected call has early media: its leg goes into the room, unless REST said `EarlyMedia=false`.
    pub(crate) fn ring_in_conference(&mut self, now: Now, sid: CallSid) {
        let Some(conference) = self.conferences.hears_early(sid) else { return };
        let Some(leg) = self.leg_of(sid) else { return };
        let Some(live) = self.conferences.get_mut(conference) else { return };
        let joined = Joined::Room(live.room);
        // A phone may repeat its 183.
        if !live.machine.ring(sid) {
            return;
        }
        if let Some(cores) = self.conferences.add_leg(conference, sid, leg.core) {
            self.span_room(conference, cores);
        }
        self.push(Effect::Media { core: leg.core, command: MediaCommand::Join { leg, joined } });
        self.note(now, sid, Kind::Media, "the conference hears the early media");
        self.settle_conference(now, conference);
    }

    fn new_conference(&mut self, now: Now, entry: &Entry) -> Conference {
        let (origin, random) = (self.settings.origin, self.random.number());
        Conference::new(now, ConferenceSid::mint(now.unix_ms, origin, random), entry)
    }

    /// A call that a conference expects is over, or will not be made.
    pub(crate) fn expected_call_over(&mut self, now: Now, sid: CallSid, status: CallStatus) {
        let Some(conference) = self.conferences.expect_no_more(sid) else { return };
        let Some(live) = self.conferences.get_mut(conference) else { return };
        live.machine.forget(now, sid, status);
        self.settle_conference(now, conference);
    }

    /// REST gave an expected call another document: it enters by that one, or not at all. Until then the
    /// conference must not hear its party.
    pub(crate) fn expected_call_elsewhere(&mut self, now: Now, sid: CallSid) {
        let Some(status) = self.calls.get(&sid).map(|call| call.call.status()) else { return };
        self.expected_call_over(now, sid, status);
    }

    /// A call leaves its conference, if it is in one.
    pub(crate) fn leave_conference(&mut self, now: Now, sid: CallSid, departure: Departure) {
        let Some(conference) = self.conferences.of_call(sid) else { return };
        let status = self.calls.get(&sid).map_or(CallStatus::Completed, |call| call.call.status());
        let Some(live) = self.conferences.get_mut(conference) else { return };
        live.machine.leave(now, sid, departure, status);
        self.settle_conference(now, conference);
    }

    /// An announcement to one member has ended.
    pub(crate) fn conference_announced(
        &mut self,
        now: Now,
        sid: CallSid,
        url: &str,
        failure: Option<&str>,
    ) {
        let Some(conference) = self.conferences.of_call(sid) else { return };
        let Some(live) = self.conferences.get_mut(conference) else { return };
        live.machine.announced(now, sid, url, failure);
        self.settle_conference(now, conference);
    }

    /// A member began to speak, or stopped.
    pub(crate) fn on_talking(&mut self, now: Now, leg: LegId, is_talking: bool) {
        let Some(sid) = self.links.call_of_leg(leg) else { return };
        let Some(conference) = self.conferences.of_call(sid) else { return };
        let Some(live) = self.conferences.get_mut(conference) else { return };
        live.machine.talking(now, sid, is_talking);
        self.settle_conference(now, conference);
    }

    /// An event of a core about a room.
    pub(crate) fn on_room(&mut self, core: CoreId, room: RoomId, event: RoomEvent) {
        match event {
            // Prompts come back to be dropped here (ARCHITECTURE.md, I2).
            RoomEvent::PlayEnded { prompt, .. } => drop(prompt),
            RoomEvent::TapEnded { tap, cause } => self.on_room_tap_ended(tap, cause),
            RoomEvent::Refused { reason } => {
                let reason = reason.sentence();
                let sentence =
                    format!("Core {} refused a command for room {}: {reason}.", core.0, room.0);
                self.observe(Observation::Fault { place: "media", sentence });
            }
        }
    }

    /// Carries out what the machine of a conference orders.
    pub(crate) fn settle_conference(&mut self, now: Now, sid: ConferenceSid) {
        let mut is_changed = false;
        while let Some(live) = self.conferences.get_mut(sid) {
            let Some(effect) = live.machine.poll_effect() else { break };
            is_changed |=
                matches!(effect, ConferenceEffect::Order { .. } | ConferenceEffect::Part { .. });
            match effect {
                ConferenceEffect::Tell { call, input } => {
                    self.tell(call, CallInput::Conference(input));
                }
                ConferenceEffect::Order { call, role } => self.order_member(call, role),
                ConferenceEffect::Part { call } => self.part_member(sid, call),
                ConferenceEffect::Drop { call } => {
                    self.conferences.expect_no_more(call);
                    self.tell(call, CallInput::Api(ApiUpdate::Complete));
                }
                ConferenceEffect::Beep => self.beep(sid),
                ConferenceEffect::Callback { call, form } => {
                    self.queue_conference_callback(sid, call, HttpKind::StatusCallback, form);
                }
                ConferenceEffect::Record { trim } => self.record_conference(now, sid, trim),
                ConferenceEffect::Changed => {
                    self.put_conference(sid);
                    let live = self.conferences.get(sid);
                    if live.is_some_and(|live| live.machine.ended().is_some()) {
                        self.end_conference_recording(sid);
                    }
                }
            }
        }
        if is_changed {
            self.describe_conference(sid);
        }
        self.send_conference_callback(now, sid);
        self.conferences.settle(sid);
    }

    fn put_conference(&mut self, sid: ConferenceSid) {
        let Some(live) = self.conferences.get(sid) else { return };
        let record = Arc::new(records::conference(&live.machine));
        self.commit(None, store::Change::PutConference(record));
    }

    fn leg_of(&self, sid: CallSid) -> Option<LegId> {
        let leg = self.calls.get(&sid)?.leg.as_ref()?;
        leg.is_up().then_some(leg.place.leg)
    }

    /// Tells every core of a room which cores it spans.
    pub(super) fn span_room(&mut self, sid: ConferenceSid, cores: CoreSet) {
        let Some(room) = self.conferences.get(sid).map(|live| live.room) else { return };
        for core in cores.iter() {
            let command = MediaCommand::Room { core, room, command: RoomCommand::Span { cores } };
            self.push(Effect::Media { core, command });
        }
    }

    fn order_member(&mut self, sid: CallSid, role: Role) {
        let voice = match role.voice {
            Voice::Nobody => MediaVoice::Nobody,
            Voice::Room => MediaVoice::Room,
            // The room must not hear a coach whose member has no media.
            Voice::Member(coached) => {
                self.leg_of(coached).map_or(MediaVoice::Nobody, MediaVoice::Member)
            }
        };
        let member = Member { voice, hears: role.hears, playout: role.playout };
        self.media(sid, |leg| MediaCommand::SetMember { leg, member });
    }

    fn part_member(&mut self, sid: ConferenceSid, call: CallSid) {
        let room = self.conferences.get(sid).map(|live| live.room);
        // A leg that stops has left the room with that.
        self.media(call, |leg| MediaCommand::Join { leg, joined: Joined::Nobody });
        self.tell(call, CallInput::Partners(Vec::new()));
        let left = self.conferences.remove_member(sid, call);
        let Some(((core, others), room)) = left.zip(room) else { return };
        let command = MediaCommand::Room { core, room, command: RoomCommand::Close };
        self.push(Effect::Media { core, command });
        self.span_room(sid, others);
    }

    fn beep(&mut self, sid: ConferenceSid) {
        let Some(live) = self.conferences.get(sid) else { return };
        let (room, cores) = (live.room, live.spans());
        for core in cores.iter() {
            let prompt = Arc::clone(&self.settings.beep);
            let command = RoomCommand::Play { play: BEEP, prompt, repeat: 1 };
            let command = MediaCommand::Room { core, room, command };
            self.push(Effect::Media { core, command });
        }
    }

    /// Queues a callback. One that is dropped for it leaves a gap in `SequenceNumber` and a line in the log.
    fn queue_conference_callback(
        &mut self,
        sid: ConferenceSid,
        call: CallSid,
        kind: HttpKind,
        form: Form,
    ) {
        if !self.conferences.queue_callback(sid, call, kind, form) {
            let sentence = format!(
                "The application answers callbacks of conference {sid} too slowly: its oldest one was dropped."
            );
            self.observe(Observation::Fault { place: "conference callbacks", sentence });
        }
    }

    /// Sends the next status callback of a conference, if none waits for its answer.
    fn send_conference_callback(&mut self, now: Now, sid: ConferenceSid) {
        loop {
            let Some(live) = self.conferences.get(sid) else { return };
            let account = live.machine.account;
            let Some((call, kind, form)) = self.conferences.next_callback(sid) else { return };
            let Some(live) = self.conferences.get(sid) else { return };
            let terms = &live.machine.terms;
            let webhook = match kind {
                HttpKind::RecordingCallback => {
                    terms.recording_callback.as_ref().map(|callback| callback.webhook.clone())
                }
                _ => terms.callback.as_ref().map(|(webhook, _)| webhook.clone()),
            };
            let Some(webhook) = webhook else { continue };
            match WebUrl::parse(&webhook.url) {
                Ok(url) => {
                    let of = (call, account, kind);
                    let request = self.conference_request(of, webhook.method, url, form);
                    return self.send_for_conference(now, sid, request);
                }
                Err(fault) => self.warn(now, call, fault.code, fault.sentence),
            }
        }
    }

    fn conference_request(
        &mut self,
        (call, account, kind): (CallSid, AccountSid, HttpKind),
        method: HttpMethod,
        url: WebUrl,
        form: Form,
    ) -> HttpRequest {
        HttpRequest {
            id: self.conferences.new_request(),
            kind,
            account,
            call,
            method,
            url,
            standard: form,
            extra: Form::new(),
            idempotency_token: self.random.uuid(),
        }
    }

    fn send_for_conference(&mut self, now: Now, sid: ConferenceSid, request: HttpRequest) {
        let (id, call, account) = (request.id, request.call, request.account);
        let url = request.url.wire(None);
        let method = request.method;
        self.note(now, call, Kind::Webhook, format_args!("-> {} {url}", method.name()));
        let parameters = request.standard.iter();
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let kept = Request { method, url, parameters: parameters.collect(), is_last: false };
        // An account is closed, never deleted, so the owner of a conference is always there.
        let Some(owner) = self.snapshot.account(account) else { return };
        let auth_token = owner.auth_token.clone();
        self.conferences.sent(sid, id, call, kept);
        self.push(Effect::Http { call, account, auth_token, request: Box::new(request) });
    }

    /// The answer to a callback of a conference: the exchange is kept, a failure becomes a warning, and the
    /// next callback leaves. Returns the answer where the request is of no conference.
    pub(crate) fn on_conference_http(
        &mut self,
        now: Now,
        id: call::HttpId,
        result: Result<call::HttpAnswer, call::HttpFailure>,
    ) -> Option<Result<call::HttpAnswer, call::HttpFailure>> {
        let Some((sid, call, request)) = self.conferences.take_request(id) else {
            return Some(result);
        };
        let account = self.conferences.get(sid).map(|live| live.machine.account);
        let (origin, random) = (self.settings.origin, self.random.number());
        if let Some(account) = account {
            let of = records::ExchangeOf { account, call, unix_ms: now.unix_ms, origin, random };
            let exchange = records::exchange(of, request, &result);
            self.commit(None, store::Change::AddExchange(exchange));
        }
        match result {
            Ok(answer) if (200..300).contains(&answer.status) => {}
            Ok(answer) => {
                let sentence = format!("a callback was answered with status {}", answer.status);
                self.warn(now, call, Code::HTTP_RETRIEVAL, sentence);
            }
            Err(failure) => self.warn(now, call, failure.code, failure.sentence),
        }
        // The answer may have set cookies anew for a call that is over.
        if !self.calls.contains_key(&call) {
            self.push(Effect::CallGone { call });
        }
        self.settle_conference(now, sid);
        None
    }
}

/// All beeps of a room have this name: none of them is ever stopped.
const BEEP: PlayId = PlayId(0);
