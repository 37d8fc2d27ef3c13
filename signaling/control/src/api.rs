//! REST writes and commands about live calls. Sans-IO.
//!
//! A write of a stored resource is checked, committed, applied to the snapshot and then answered: a 2xx is
//! a promise that survives a crash (ARCHITECTURE.md I5). A command about a live call is answered at once by
//! what Control did, as the call is lost with the process anyway. `POST Calls` is both: the record is on
//! disk before the 201, and only then the call starts.

use std::sync::Arc;

use call::{
    ApiUpdate, ApplicationTarget, CallDirection, CallInput, CallSetup, OutboundLeg, ProgressEvent,
    SipCredentials, StatusCallback, Target,
};
use shared::{AccountSid, CallSid, Code, Now};
use sip::message::INITIAL_MAX_FORWARDS;
use store::{
    CallCommand, CallTarget, Change, CreateCall, Mint, Outcome, Patch, Reply, Settled, Submitted,
    TwimlSource, UpdateAction, UpdateCall, Write, WriteError,
};

use crate::control::Control;
use crate::effect::Effect;
use crate::from_rest::{detection, document, events, finding, record_settings, webhook};
use crate::input::ApiRequest;
use crate::records;
use crate::state::commits::Waiting;
use crate::state::live_call::LiveCall;
use crate::state::session::Session;
use crate::tokens::{ApiToken, CommitToken};

/// Clients compare this text to see that a redirect came too early, and retry.
const NOT_IN_PROGRESS: &str = "Call is not in-progress. Cannot redirect.";

impl Control {
    pub(crate) fn on_api(&mut self, now: Now, token: ApiToken, request: ApiRequest) {
        match request {
            ApiRequest::Write { account, write } => self.on_write(now, token, account, *write),
            ApiRequest::Call(CallCommand::Create(create)) => self.create_call(now, token, *create),
            ApiRequest::Call(CallCommand::Validate(asked)) => {
                self.validate_caller_id(now, token, *asked);
            }
            ApiRequest::Call(CallCommand::Update(update)) => self.update_call(now, token, *update),
            ApiRequest::Call(CallCommand::ReadTimeline { account, call }) => {
                // A call of another account gets the answer of a call that is not live, so a SID
                // says nothing about who owns it.
                let live = self.calls.get(&call).filter(|entry| entry.account == account);
                let timeline = live.map(|entry| entry.timeline.to_json());
                self.reply(token, Ok(Reply::Timeline(timeline)));
            }
            ApiRequest::Conference(command) => self.on_conference_command(now, token, command),
            ApiRequest::Queue(command) => self.on_queue_command(now, token, command),
            ApiRequest::DescribeLegs => self.describe_legs(now, token),
            ApiRequest::Call(CallCommand::StartRecording { account, call, recording }) => {
                self.start_recording_by_api(now, token, account, call, recording);
            }
            ApiRequest::Call(CallCommand::StartSide { account, call, side }) => {
                self.start_side(now, token, (account, call), side);
            }
            ApiRequest::Call(CallCommand::StopSide { account, call, kind, name }) => {
                self.stop_side(now, token, (account, call), (kind, &name));
            }
            ApiRequest::Call(CallCommand::UpdateRecording { account, call, recording, action }) => {
                self.update_recording_by_api(now, token, (account, call), recording, action);
            }
        }
    }

    pub(crate) fn reply(&mut self, token: ApiToken, reply: Result<Reply, WriteError>) {
        self.push(Effect::ApiReply { token, reply });
    }

    pub(crate) fn on_write(
        &mut self,
        now: Now,
        token: ApiToken,
        account: AccountSid,
        write: Write,
    ) {
        if let Err(error) = self.refuse_to_delete_calls(token, account, &write) {
            return self.reply(token, Err(error));
        }
        let mut random = [0; 40];
        random[..32].copy_from_slice(&self.random.bytes());
        random[32..].copy_from_slice(&self.random.number().to_le_bytes());
        let mint = Mint { unix_ms: now.unix_ms, origin: self.settings.origin, random };
        match self.writes.submit(&self.snapshot, account, write, mint, token) {
            Submitted::Commit { id, change } => {
                // Before the commit: calls stop ringing the phone at once, and only the response
                // waits for the disk.
                if let Change::ChangeBindings(changes) = &change {
                    self.unregister_phones(&changes.removed);
                }
                self.commit(Some(Waiting::Write(id)), change);
            }
            Submitted::Refused(token, error) => {
                self.answer_write(now, token, Err(error));
            }
        }
    }

    /// Answers a write: the client that asked for it, or the calls for which Control itself did.
    fn answer_write(&mut self, now: Now, token: ApiToken, reply: Result<Reply, WriteError>) {
        self.on_queue_deleted(now, token);
        if !self.on_queue_made(now, token) && !self.on_caller_id_saved(token, &reply) {
            self.reply(token, reply);
        }
    }

    pub(crate) fn on_committed(&mut self, now: Now, token: CommitToken, outcome: Outcome) {
        match self.commits.complete(token) {
            None => {}
            Some(Waiting::Write(id)) => self.settle_write(now, id, outcome),
            Some(Waiting::CallCreated { token, created }) => match outcome {
                Outcome::Committed => {
                    let (setup, record) = *created;
                    // The response leaves before the call starts: the client knows the SID before
                    // the first webhook can name it.
                    let reply = self.created(setup.sid, &record);
                    self.reply(token, Ok(reply));
                    self.insert_call(now, setup, record, Session::None);
                }
                Outcome::Conflict(_) | Outcome::Unavailable => {
                    self.expected_call_over(now, created.0.sid, call::CallStatus::Failed);
                    self.validations.end(created.0.sid);
                    self.reply(token, Err(WriteError::unavailable()));
                }
            },
            Some(Waiting::Registered(registered)) => {
                self.on_registered(now, *registered, outcome);
            }
        }
    }

    /// The answer to the request that placed a call: the call, the participant that it will be, or the code that it
    /// asks for.
    fn created(&self, sid: CallSid, record: &Arc<store::CallRecord>) -> Reply {
        if let Some(placed) = self.validation_placed(sid) {
            return placed;
        }
        let conference = self.conferences.expecting(sid);
        let participant = conference.and_then(|conference| self.participant(conference, sid));
        match participant {
            Some(participant) => Reply::Participant(Box::new(participant)),
            None => Reply::Call(Arc::clone(record)),
        }
    }

    fn settle_write(&mut self, now: Now, id: u64, outcome: Outcome) {
        match self.writes.settle(&mut self.snapshot, id, outcome) {
            Settled::Answer(token, mut reply) => {
                self.add_queue_figures(now, &mut reply);
                // The write may have deleted a domain. Its phones must not ring when the client
                // reads the response.
                self.forget_bindings();
                self.answer_write(now, token, *reply);
            }
            Settled::Again { id, change } => self.commit(Some(Waiting::Write(id)), change),
            Settled::Unknown => {}
        }
    }

    fn create_call(&mut self, now: Now, token: ApiToken, create: CreateCall) {
        match self.admit_created(now, create) {
            Ok(setup) => self.commit_created(now, token, setup),
            Err(error) => self.reply(token, Err(error)),
        }
    }

    /// Whether a call may be placed by REST, and its set-up.
    pub(crate) fn admit_created(
        &mut self,
        now: Now,
        create: CreateCall,
    ) -> Result<CallSetup, WriteError> {
        if let CallTarget::Number(_) = create.to {
            let caller_id = create.caller_id.as_ref().unwrap_or(&create.from);
            if let Some(sentence) = self.refused_caller_id(create.account, caller_id, None) {
                return Err(WriteError::invalid(Code::FROM_NOT_VERIFIED, sentence));
            }
        }
        self.admit_unchecked(now, create)
    }

    /// As [`Self::admit_created`], whatever number the call shows.
    pub(crate) fn admit_unchecked(
        &mut self,
        now: Now,
        create: CreateCall,
    ) -> Result<CallSetup, WriteError> {
        if self.draining {
            let sentence = "The gateway is shutting down and takes no new calls.";
            return Err(WriteError::new(503, Code::UNAVAILABLE, sentence));
        }
        if self.overload.is_any() {
            let sentence = "The gateway is overloaded and takes no new calls. Try again.";
            return Err(WriteError::new(503, Code::UNAVAILABLE, sentence));
        }
        if !self.snapshot.account_is_active(create.account) {
            let sentence = "The account is suspended or closed.";
            return Err(WriteError::new(403, Code::ACCOUNT_NOT_ACTIVE, sentence));
        }
        if !self.has_room_for_calls() || self.placement.room() <= self.legs_promised() {
            let sentence =
                "All media legs are in use, or the limit on calls is reached. Try again.";
            return Err(WriteError::new(429, Code::TOO_MANY_REQUESTS, sentence));
        }
        let account = create.account;
        let setup = self.outbound_setup(now, create)?;
        // The rate comes last: a request that is refused for another reason must not use up the
        // account's second.
        let rate = self.settings.api_calls_a_second;
        if !self.api_rate.take(now.mono, account, rate) {
            let sentence = "More than one call a second by the API (limits.profile is twilio).";
            return Err(WriteError::new(429, Code::TOO_MANY_REQUESTS, sentence));
        }
        Ok(setup)
    }

    /// Sends the record of a call to disk; the call starts when it is there.
    pub(crate) fn commit_created(&mut self, now: Now, token: ApiToken, setup: CallSetup) {
        let record = Arc::new(records::call_record(&setup, now.unix_ms));
        let change = Change::PutCall(Arc::clone(&record));
        let waiting = Waiting::CallCreated { token, created: Box::new((setup, record)) };
        // The legs that are promised count this call from here on (`legs_promised`).
        self.commit(Some(waiting), change);
    }

    /// Calls that will take a leg and have none yet: their record is on its way to disk, or their target is
    /// being resolved. A 201 is a promise that there is room.
    fn legs_promised(&self) -> usize {
        let waits = |entry: &&LiveCall| entry.leg.is_none() && !entry.record.status.is_final();
        self.commits.calls_created() + self.calls.values().filter(waits).count()
    }

    fn outbound_setup(&mut self, now: Now, create: CreateCall) -> Result<CallSetup, WriteError> {
        let caller_id = create.caller_id.unwrap_or(create.from);
        // The number stands twice, as the target that is dialled and as `To`, which later targets
        // of the call do not change.
        let (target, to) = match create.to {
            CallTarget::Number(number) => (Target::Number(number.clone()), number),
            CallTarget::Client { identity, parameters } => {
                let target = call::twiml::verb::client::target(&identity, parameters);
                (target, format!("client:{identity}"))
            }
            CallTarget::Application { sid, parameters } => {
                // An unknown one is an error for the client, not a call that fails.
                if self.snapshot.callable_application(create.account, sid).is_none() {
                    let sentence = format!("Application {sid} was not found");
                    return Err(WriteError::invalid(Code::APPLICATION_SID, sentence));
                }
                let (dialed, to) = (format!("app:{sid}"), sid.to_string());
                let customer = None;
                let target =
                    ApplicationTarget { sid, dialed: dialed.clone(), to, customer, parameters };
                (Target::Application(target), dialed)
            }
            CallTarget::Sip(text) => {
                // Parsed before anything is stored: a wrong URI is an error for the client, not a
                // call that fails.
                let (mut target, _) = call::sip_noun::parse(&text)
                    .map_err(|error| WriteError::invalid(Code::TO_INVALID, error.to_string()))?;
                target.credentials = create.sip_auth.map(|login| SipCredentials {
                    username: login.username,
                    password: login.password.expose_secret().to_owned(),
                });
                let reported = target.reported.clone();
                (Target::Sip(target), reported)
            }
        };
        Ok(CallSetup {
            sid: CallSid::mint(now.unix_ms, self.settings.origin, self.random.number()),
            account: create.account,
            parent: None,
            direction: CallDirection::OutboundApi,
            from: caller_id.clone(),
            to,
            forwarded_from: None,
            application: create.application,
            sip: None,
            link: None,
            leg: Some(OutboundLeg {
                target,
                caller_id,
                display_name: create.display_name,
                ring_s: create.timeout_s,
                detection: create.detection.map(detection),
                send_digits: create.send_digits,
                delay_s: 0,
            }),
            document: document(create.twiml),
            fallback: create.fallback.map(webhook),
            status_callback: create.status_callback.map(|callback| StatusCallback {
                webhook: webhook(callback),
                events: events(create.status_callback_events),
            }),
            max_forwards: INITIAL_MAX_FORWARDS,
            time_limit_s: create.time_limit_s,
            record: create.record.map(record_settings),
            warnings: create.warnings.into_iter().map(finding).collect(),
            settings: Arc::clone(&self.settings.call),
            origin: self.settings.origin,
            seed: self.random.bytes(),
        })
    }

    /// Changes a live call and answers at once with its record, without waiting for the disk.
    fn update_call(&mut self, now: Now, token: ApiToken, update: UpdateCall) {
        let live = self
            .calls
            .get(&update.call)
            .filter(|entry| entry.account == update.account && !entry.record.status.is_final());
        if live.is_none() {
            return self.reply(token, Err(WriteError::invalid(Code::CALL_STATE, NOT_IN_PROGRESS)));
        }
        let status_callback = match update.status_callback {
            Patch::Set(callback) => Some(StatusCallback {
                webhook: webhook(callback),
                // An update has no `StatusCallbackEvent`; without one, the callback reports the
                // end.
                events: vec![ProgressEvent::Completed],
            }),
            Patch::Keep | Patch::Clear => None,
        };
        let terms = ApiUpdate::Terms { status_callback, time_limit_s: update.time_limit_s };
        let action = update.action.map(|action| match action {
            UpdateAction::Cancel => ApiUpdate::Cancel,
            UpdateAction::Complete => ApiUpdate::Complete,
            UpdateAction::Redirect { twiml: TwimlSource::Inline(text), .. } => {
                ApiUpdate::Twiml(text)
            }
            UpdateAction::Redirect { twiml: TwimlSource::Url(url), fallback } => {
                let fallback = fallback.map(webhook);
                let webhook = webhook(url);
                ApiUpdate::Redirect { webhook, fallback }
            }
        });
        // Its record is the answer, even when the change ends it: it is not forgotten before.
        self.entry_mut(update.call, |entry| entry.is_asked = true);
        // The terms first: a new status callback must be known when the action ends the call.
        for input in [Some(terms), action].into_iter().flatten() {
            if matches!(input, ApiUpdate::Redirect { .. } | ApiUpdate::Twiml(_)) {
                self.expected_call_elsewhere(now, update.call);
            }
            self.drive_call(now, update.call, |call| call.handle(now, CallInput::Api(input)));
        }
        debug_assert!(self.calls.contains_key(&update.call), "a call outlives the update of it");
        let Some(entry) = self.calls.get_mut(&update.call) else { return };
        entry.is_asked = false;
        if entry.record.end_ms.is_none() {
            let owed = records::owed_callback(entry.call.setup());
            Arc::make_mut(&mut entry.record).owed_callback = owed;
        }
        let record = Arc::clone(&entry.record);
        self.forget_if_over(update.call);
        // A call that ended has written its last record itself.
        if record.end_ms.is_none() {
            self.commit(None, Change::PutCall(Arc::clone(&record)));
        }
        self.reply(token, Ok(Reply::Call(record)));
    }
}
