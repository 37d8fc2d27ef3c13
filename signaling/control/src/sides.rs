//! What runs beside the verbs of live calls, by REST: streams, recording sessions and transcriptions, started and stopped.
//! Sans-IO.
//!
//! The call's machine owns each of them and its callbacks; REST brings it one input more, and the answer is what it made of
//! that. It never waits for a socket, a server or an engine. A kind is a [`RestSide`] in a file of its own.

use std::fmt::Display;

use call::{ApiUpdate, CallInput, SideChange};
use shared::ids::Origin;
use shared::{AccountSid, CallSid, Code, Now};
use store::{Reply, SideKind, SideView, StartSide, WriteError};

use crate::control::Control;
use crate::state::live_call::LiveCall;
use crate::tokens::ApiToken;

/// A kind of what REST starts, as the settings that the call gets.
pub(crate) trait RestSide: Sized {
    /// Its parameters as REST has them.
    type Asked;
    /// Its SID.
    type Sid: Copy + Display;
    /// Said where the call is not in progress.
    const NOT_UP: &'static str;

    /// A new SID.
    fn mint(unix_ms: i64, origin: Origin, random: u64) -> Self::Sid;

    /// The settings, where the call may have it.
    ///
    /// # Errors
    /// Code and sentence.
    fn check(
        control: &Control,
        entry: &LiveCall,
        asked: Self::Asked,
    ) -> Result<Self, (Code, String)>;

    /// The input that starts or stops it.
    fn update(sid: Self::Sid, change: SideChange<Self>) -> ApiUpdate;

    /// One that runs, by its name or its SID.
    fn find(now: Now, entry: &LiveCall, name: &str) -> Option<Found<Self::Sid>>;

    /// The answer.
    fn reply(view: SideView<Self::Sid>) -> Reply;
}

/// One that runs.
pub(crate) struct Found<S> {
    pub sid: S,
    pub name: Option<String>,
    /// Milliseconds since 1970 at its last change.
    pub updated_ms: i64,
    /// Why REST may not end it.
    pub refusal: Option<&'static str>,
}

impl Control {
    pub(crate) fn start_side(
        &mut self,
        now: Now,
        token: ApiToken,
        of: (AccountSid, CallSid),
        side: StartSide,
    ) {
        let reply = match side {
            StartSide::Stream(asked) => self.start::<call::StreamSettings>(now, of, *asked),
            StartSide::Siprec(asked) => self.start::<call::SiprecSettings>(now, of, *asked),
            StartSide::Transcription(asked) => {
                self.start::<call::TranscriptionSettings>(now, of, *asked)
            }
        };
        self.reply(token, reply);
    }

    pub(crate) fn stop_side(
        &mut self,
        now: Now,
        token: ApiToken,
        of: (AccountSid, CallSid),
        (kind, name): (SideKind, &str),
    ) {
        let reply = match kind {
            SideKind::Stream => self.stop::<call::StreamSettings>(now, of, name),
            SideKind::Siprec => self.stop::<call::SiprecSettings>(now, of, name),
            SideKind::Transcription => self.stop::<call::TranscriptionSettings>(now, of, name),
        };
        self.reply(token, reply);
    }

    fn start<S: RestSide>(
        &mut self,
        now: Now,
        (account, call): (AccountSid, CallSid),
        asked: S::Asked,
    ) -> Result<Reply, WriteError> {
        let entry = self.calls.get(&call).filter(|entry| {
            entry.account == account
                && entry.leg.as_ref().is_some_and(|leg| leg.is_up())
                && entry.call.has_answered()
        });
        let entry = entry.ok_or_else(|| WriteError::invalid(Code::CALL_STATE, S::NOT_UP))?;
        let settings = S::check(self, entry, asked)
            .map_err(|(code, sentence)| WriteError::invalid(code, sentence))?;
        let sid = S::mint(now.unix_ms, self.settings.origin, self.random.number());
        self.change(now, call, S::update(sid, SideChange::Start(Box::new(settings))));
        let entry = self.calls.get(&call);
        let found = entry.and_then(|entry| S::find(now, entry, &sid.to_string()));
        found.map(|found| found.shown::<S>(account, call, true)).ok_or_else(WriteError::not_found)
    }

    fn stop<S: RestSide>(
        &mut self,
        now: Now,
        (account, call): (AccountSid, CallSid),
        name: &str,
    ) -> Result<Reply, WriteError> {
        let entry = self.calls.get(&call).filter(|entry| entry.account == account);
        let found = entry.and_then(|entry| S::find(now, entry, name));
        let found = found.ok_or_else(WriteError::not_found)?;
        if let Some(refusal) = found.refusal {
            return Err(WriteError::invalid(Code::INVALID_PARAMETER, refusal));
        }
        let sid = found.sid;
        self.change(now, call, S::update(sid, SideChange::Stop));
        // It may be forgotten at once.
        let entry = self.calls.get(&call);
        let found = entry.and_then(|entry| S::find(now, entry, &sid.to_string())).unwrap_or(found);
        Ok(found.shown::<S>(account, call, false))
    }

    fn change(&mut self, now: Now, sid: CallSid, update: ApiUpdate) {
        self.drive_call(now, sid, |call| call.handle(now, CallInput::Api(update)));
    }
}

impl<S> Found<S> {
    fn shown<R: RestSide<Sid = S>>(
        self,
        account: AccountSid,
        call: CallSid,
        is_running: bool,
    ) -> Reply {
        let Self { sid, name, updated_ms, .. } = self;
        R::reply(SideView { sid, account, call, name, is_running, updated_ms })
    }
}
