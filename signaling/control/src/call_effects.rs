//! Effects of calls, carried out. Sans-IO.
//!
//! Each arm turns the wish of one call into commands for the user agent, a core or the shell, or into an
//! input of a related call. Where the wish cannot be carried out (no leg, no prompt), the call gets the
//! input that it waits for at once, so that no call hangs.

use std::fmt;
use std::sync::Arc;

use call::{CallEffect, CallInput, ParentCommand, PromptId, PromptSource};
use shared::ids::PlayId;
use shared::{AnsweredBy, CallSid, Code, Header, Joined, MediaCommand, Now};
use sip::Command;
use store::Change;

use crate::control::Control;
use crate::effect::{Effect, Observation};
use crate::records;
use crate::state::live_call::Request;
use crate::state::session::Session;
use crate::state::timeline::Kind;

impl Control {
    pub(crate) fn on_call_effect(&mut self, now: Now, sid: CallSid, effect: CallEffect) {
        let Some(effect) = self.defer(sid, effect) else { return };
        match effect {
            CallEffect::Http(request) => {
                if let Some(request) = self.of_validation(now, sid, request) {
                    self.send_request(now, sid, request);
                }
            }
            CallEffect::Invite(leg) => self.begin_invite(now, sid, *leg),
            CallEffect::Answer => self.answer(now, sid),
            CallEffect::Reject { status } => self.reject(sid, status),
            CallEffect::Hangup => self.hang_up(sid),
            CallEffect::LoadPrompt { prompt, source } => self.load_prompt(sid, prompt, source),
            CallEffect::ForgetPrompt { prompt } => {
                self.entry_mut(sid, |entry| drop(entry.prompts.remove(&prompt)));
            }
            CallEffect::Play { prompt, play, repeat } => self.play(sid, prompt, play, repeat),
            // Without a leg nothing plays, so a command that finds none is no fault.
            CallEffect::StopPlay => {
                self.media(sid, |leg| MediaCommand::StopPlay { leg });
            }
            CallEffect::SendDigits { digits, play } => {
                let sent = self.media(sid, |leg| MediaCommand::SendDigits { leg, play, digits });
                if !sent {
                    // No core will report the end of it.
                    self.tell(sid, CallInput::PlayEnded { play });
                }
            }
            CallEffect::Echo { is_on } => {
                let joined = |leg| if is_on { Joined::Party(leg) } else { Joined::Nobody };
                self.media(sid, |leg| MediaCommand::Join { leg, joined: joined(leg) });
            }
            CallEffect::StartRecording(plan) => self.start_recording(now, sid, plan),
            CallEffect::PauseRecording { recording, pause } => {
                self.pause_recording(now, sid, recording, pause);
            }
            CallEffect::StopRecording { recording } => self.stop_recording(sid, recording),
            CallEffect::Transcript { recording, transcript } => {
                self.note_transcript(sid, recording, transcript);
            }
            CallEffect::OpenStream(plan) => self.open_stream(now, sid, plan),
            CallEffect::CloseStream { stream } => self.close_stream(sid, stream),
            CallEffect::StartSiprec(plan) => self.start_siprec(now, sid, plan),
            CallEffect::UpdateSiprec { siprec, metadata } => {
                self.update_siprec((sid, siprec), metadata);
            }
            CallEffect::StopSiprec { siprec } => self.stop_siprec(sid, siprec),
            CallEffect::StreamDigit { stream, digit } => {
                self.push(Effect::StreamDigit { stream, digit });
            }
            CallEffect::StreamHeard { stream, text, last } => {
                self.push(Effect::StreamHeard { stream, text, last });
            }
            CallEffect::StartRecognition(plan) => self.start_recognition(sid, plan),
            CallEffect::StopRecognition { recognition, how } => {
                self.stop_recognition(sid, recognition, how);
            }
            CallEffect::Dial { children } => {
                for setup in children {
                    let setup = self.with_caller_id_checked(setup);
                    self.start_call(now, setup, Session::None);
                }
            }
            CallEffect::ToChild { sid: child, command } => self.tell_child(child, command),
            CallEffect::ToParent(event) => self.tell_parent(sid, event),
            CallEffect::EarlyMedia { child } => self.early_media(now, sid, child),
            CallEffect::Bridge { child } => self.bridge(now, sid, child),
            CallEffect::Unbridge { child } => self.unbridge(sid, child),
            CallEffect::EnterConference(entry) => self.enter_conference(now, sid, *entry),
            CallEffect::LeaveConference { departure } => {
                self.leave_conference(now, sid, departure);
            }
            CallEffect::Detect(detection) => {
                if !self.media(sid, |leg| MediaCommand::StartDetection { leg, detection }) {
                    // No core will report anything.
                    let (answered_by, after_ms) = (AnsweredBy::Unknown, 0);
                    self.tell(sid, CallInput::Detected { answered_by, after_ms });
                }
            }
            CallEffect::StopDetection => {
                self.media(sid, |leg| MediaCommand::StopDetection { leg });
            }
            CallEffect::AnsweredBy(answered_by) => self.on_answered_by(sid, answered_by),
            CallEffect::EnterQueue { queue, max_size, is_back } => {
                self.enter_queue(now, sid, &queue, max_size, is_back);
            }
            CallEffect::LeaveQueue => self.leave_queue(sid),
            CallEffect::AskQueue => self.tell_place(now, sid),
            CallEffect::ServeQueue { queue, whisper } => {
                self.serve_queue(now, sid, &queue, whisper);
            }
            CallEffect::QueueReady { by } => self.queue_ready(sid, by),
            CallEffect::ConferenceAnnounced { url, failure } => {
                self.conference_announced(now, sid, &url, failure.as_deref());
            }
            CallEffect::Refer { target } => self.refer(sid, target),
            CallEffect::AnswerRefer { from, answer } => self.answer_refer(now, from, answer),
            CallEffect::Transfer { sid: child, transfer } => {
                self.tell(child, CallInput::Transfer(transfer));
            }
            CallEffect::TransferEnded { from, status, leaves } => {
                self.end_transfer(from, status, leaves);
            }
            CallEffect::Join { from, with } => self.join(now, from, with),
            CallEffect::PeerEnds { sid: peer } => {
                self.tell(peer, CallInput::PeerEnded { peer: sid });
            }
            CallEffect::Status(change) => self.on_status(now, sid, change),
            CallEffect::Notify(notification) => self.on_notification(now, sid, *notification),
            CallEffect::Timeline(entry) => self.on_timeline(now, sid, entry),
            CallEffect::Ended(end) => {
                self.on_ended(now, sid, &end);
                self.expected_call_over(now, sid, end.status);
            }
            CallEffect::Finished => self.entry_mut(sid, |entry| entry.finished = true),
        }
    }

    pub(crate) fn entry_mut(
        &mut self,
        sid: CallSid,
        change: impl FnOnce(&mut crate::state::live_call::LiveCall),
    ) {
        if let Some(entry) = self.calls.get_mut(&sid) {
            change(entry);
        }
    }

    fn send_request(&mut self, now: Now, sid: CallSid, request: Box<call::webhook::HttpRequest>) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let parameters: Vec<(String, String)> = request
            .standard
            .iter()
            .chain(request.extra.iter())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        // Parameters and URL are copied: the request itself leaves with the effect, and the row of
        // the exchange is written when its answer comes.
        let url = request.url.wire(None);
        entry.timeline.add(
            now.unix_ms,
            Kind::Webhook,
            format_args!("-> {} {url}", request.method.name()),
        );
        let method = request.method;
        let is_last = request.kind == call::HttpKind::StatusCallback
            && entry.record.status.is_final()
            && entry.record.owed_callback.is_some();
        entry.requests.insert(request.id, Request { method, url, parameters, is_last });
        let account = entry.account;
        // An account is closed, never deleted, so the owner of a live call is always there.
        let Some(owner) = self.snapshot.account(account) else { return };
        let auth_token = owner.auth_token.clone();
        self.push(Effect::Http { call: sid, account, auth_token, request });
    }

    pub(crate) fn on_http(
        &mut self,
        now: Now,
        sid: CallSid,
        id: call::HttpId,
        result: Result<call::HttpAnswer, call::HttpFailure>,
    ) {
        let Some(result) = self.on_conference_http(now, id, result) else { return };
        let Some(result) = self.on_owed_http(now, sid, result) else { return };
        let random = self.random.number();
        let origin = self.settings.origin;
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        // The request of a machine that panicked: `on_call_panic` has dropped it, and the successor
        // does not know its id.
        let Some(request) = entry.requests.remove(&id) else { return };
        let text = fmt::from_fn(|f| match &result {
            Ok(answer) => write!(f, "<- {} in {} ms", answer.status, answer.duration_ms),
            Err(failure) => write!(f, "<- {} ({})", failure.sentence, failure.code),
        });
        entry.timeline.add(now.unix_ms, Kind::Webhook, text);
        let account = entry.account;
        // The end is reported: the next process owes nothing for this call.
        let settled = request.is_last.then(|| {
            Arc::make_mut(&mut entry.record).owed_callback = None;
            Arc::clone(&entry.record)
        });
        if let Some(record) = settled {
            self.commit(None, Change::PutCall(record));
        }
        let of = records::ExchangeOf { account, call: sid, unix_ms: now.unix_ms, origin, random };
        let exchange = records::exchange(of, request, &result);
        self.commit(None, Change::AddExchange(exchange));
        self.tell(sid, CallInput::Http { request: id, result });
    }

    fn load_prompt(&mut self, sid: CallSid, prompt: PromptId, source: PromptSource) {
        let Some(account) = self.calls.get(&sid).map(|entry| entry.account) else { return };
        self.push(Effect::LoadPrompt { call: sid, account, prompt, source });
    }

    pub(crate) fn on_prompt(
        &mut self,
        now: Now,
        sid: CallSid,
        prompt: PromptId,
        result: Result<Arc<shared::Prompt>, call::PromptFailure>,
        other_voice: Option<String>,
    ) {
        if let Some(sentence) = other_voice {
            self.warn_of_voice(now, sid, sentence);
        }
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        // The machine knows a prompt by its number. The audio stays here, and a core gets it by
        // pointer.
        let result = result.map(|audio| drop(entry.prompts.insert(prompt, audio)));
        self.tell(sid, CallInput::PromptReady { prompt, result });
    }

    /// Warns that another voice speaks than the verb names: once per call.
    fn warn_of_voice(&mut self, now: Now, sid: CallSid, sentence: String) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        if !std::mem::replace(&mut entry.was_told_of_voice, true) {
            self.warn(now, sid, Code::SAY_VOICE, sentence);
        }
    }

    fn play(&mut self, sid: CallSid, prompt: PromptId, play: PlayId, repeat: u32) {
        let audio = self.calls.get(&sid).and_then(|entry| entry.prompts.get(&prompt).cloned());
        let sent = audio.is_some_and(|prompt| {
            self.media(sid, |leg| MediaCommand::Play { leg, play, prompt, repeat })
        });
        if sent {
            self.entry_mut(sid, |entry| {
                // The event of the core names the play alone. This entry finds the audio to drop
                // then.
                entry.plays.insert(play, prompt);
            });
        } else {
            // No core will report the end of it.
            self.tell(sid, CallInput::PlayEnded { play });
        }
    }

    fn tell_child(&mut self, child: CallSid, command: ParentCommand) {
        self.tell(child, CallInput::Parent(command));
    }

    fn tell_parent(&mut self, sid: CallSid, event: call::ChildEvent) {
        if let Some(parent) = self.calls.get(&sid).and_then(|entry| entry.parent) {
            self.tell(parent, CallInput::Child { sid, event });
        }
    }

    fn on_status(&mut self, now: Now, sid: CallSid, change: call::StatusChange) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        // Copied only while a reader or the queue of the store still has the version before.
        let record = Arc::make_mut(&mut entry.record);
        records::set_status(record, change.status, change.unix_ms);
        let record = Arc::clone(&entry.record);
        entry.timeline.add(now.unix_ms, Kind::Call, format_args!("status {}", change.status));
        // A terminal status is written once, with the final figures: see `on_ended`.
        if !change.status.is_terminal() {
            self.commit(None, Change::PutCall(record));
        }
    }

    /// The record shows what answered; the next write of it carries that.
    fn on_answered_by(&mut self, sid: CallSid, answered_by: AnsweredBy) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let record = Arc::make_mut(&mut entry.record);
        record.answered_by = Some(answered_by.as_str().to_owned());
        let record = Arc::clone(&entry.record);
        self.commit(None, Change::PutCall(record));
    }

    fn on_timeline(&mut self, now: Now, sid: CallSid, entry: call::TimelineEntry) {
        let kind = match entry.kind {
            // `on_status` has written it.
            "status" => return,
            "webhook" => Kind::Webhook,
            "verb" => Kind::Verb,
            "error" => Kind::Refusal,
            _ => Kind::Call,
        };
        self.note(now, sid, kind, entry.text);
    }

    fn on_ended(&mut self, now: Now, sid: CallSid, end: &call::FinalRecord) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let record = Arc::make_mut(&mut entry.record);
        records::end(record, end);
        // Owed from here on until it is answered. A call that was canceled while it was queued reports nothing.
        record.owed_callback = records::owed_callback(entry.call.setup());
        // Before the terminal callback, which the machine requests next: its reader finds the call
        // ended, by REST as well.
        let change = Change::PutCall(Arc::clone(&entry.record));
        self.stop_leg(sid);
        self.carry_out_deferred(now, sid);
        self.commit(None, change);
        let (status, duration_s) = (end.status.as_str(), end.duration_s);
        self.observe(Observation::CallEnded { call: sid, status, duration_s });
    }

    fn answer(&mut self, now: Now, sid: CallSid) {
        if let Some(other) = self.linked_with(sid) {
            return self.answer_linked(now, sid, other);
        }
        // The session or the leg ended while the document was on its way. The call's hang-up is in
        // the inbox already.
        let (Some(session), Some(media)) = (self.live_session(sid), self.local_media(sid)) else {
            return;
        };
        let headers = self.call_headers(sid);
        self.command(Command::Answer { session, media, headers });
    }

    pub(crate) fn reject(&mut self, sid: CallSid, status: u16) {
        if let Some(other) = self.linked_with(sid) {
            return self.end_link(sid, other, Some(status));
        }
        if let Some(session) = self.live_session(sid) {
            let (reason, headers) = (String::new(), Vec::new());
            self.command(Command::Reject { session, status, reason, headers });
        }
        // At once: the user agent still owes the transaction its ACK, but no event of it concerns
        // the call.
        self.session_over(sid);
    }

    fn hang_up(&mut self, sid: CallSid) {
        self.end_session(sid);
        // Media end with the BYE, not with its response, which may take 32 s to come.
        self.stop_leg(sid);
    }

    /// `X-Twilio-CallSid`, on each request and response of a call.
    pub(crate) fn call_headers(&self, sid: CallSid) -> Vec<Header> {
        vec![Header::new(CALL_SID, sid.to_string())]
    }
}

/// The header that names our call on its INVITE, its 200 and its ACK.
pub(crate) const CALL_SID: &str = "X-Twilio-CallSid";
