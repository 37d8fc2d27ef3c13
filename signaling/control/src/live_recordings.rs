//! Recordings of live calls by REST: start, pause, resume, stop. Sans-IO.
//!
//! The call's machine owns a recording and its callbacks; REST only brings it one input more. The answer is
//! the recording's row as the machine left it, and never waits for a core or a disk (ARCHITECTURE.md, I5). A
//! recording is found in the call of the path, in its parent and in the call that it is bridged with: REST
//! shows recordings under the parent, whichever leg they hold.

use call::{ApiUpdate, CallInput, RecordingChange};
use shared::media::TapPause;
use shared::{AccountSid, CallSid, Code, Now, RecordingSid, limits};
use store::{RecordCall, RecordingAction, RecordingStatus, Reply, WriteError};

use crate::control::Control;
use crate::from_rest::record_settings;
use crate::records;
use crate::state::live_call::LiveCall;
use crate::tokens::ApiToken;

/// Clients compare this text to see that a recording came too early, and retry.
const NOT_ELIGIBLE: &str = "Requested resource is not eligible for recording";

impl Control {
    /// Starts a recording of a call that is up.
    pub(crate) fn start_recording_by_api(
        &mut self,
        now: Now,
        token: ApiToken,
        account: AccountSid,
        call: CallSid,
        asked: RecordCall,
    ) {
        let is_up = |entry: &&LiveCall| {
            entry.record.status == store::CallStatus::InProgress
                && entry.leg.as_ref().is_some_and(|leg| leg.is_up())
        };
        let Some(entry) = self.live_call(account, call).filter(is_up) else {
            return self.reply(token, Err(not_eligible()));
        };
        if !entry.call.has_room_for_recordings(1) {
            let most = limits::RECORDINGS_A_CALL_MAX;
            let unsettled = limits::RECORDINGS_UNSETTLED_MAX;
            let sentence = format!(
                "The call has {most} recordings at once already, or the files of {unsettled} are not complete. \
                 Stop one, or wait for its file."
            );
            let error = WriteError::invalid(Code::RECORDINGS_CONCURRENT, sentence);
            return self.reply(token, Err(error));
        }
        let recording = RecordingSid::mint(now.unix_ms, self.settings.origin, self.random.number());
        let change = RecordingChange::Start(record_settings(asked));
        self.change_recording(now, call, recording, change);
        let reply = self.recording_row(call, recording).ok_or_else(not_eligible);
        self.reply(token, reply);
    }

    /// Changes a recording that runs; without a SID, the only one that does.
    pub(crate) fn update_recording_by_api(
        &mut self,
        now: Now,
        token: ApiToken,
        (account, call): (AccountSid, CallSid),
        recording: Option<RecordingSid>,
        action: RecordingAction,
    ) {
        let (holder, recording) = match self.running_recording(account, call, recording) {
            Ok(found) => found,
            Err(error) => return self.reply(token, Err(error)),
        };
        let change = match action {
            RecordingAction::Pause { skip: true } => RecordingChange::Pause(Some(TapPause::Skip)),
            RecordingAction::Pause { skip: false } => {
                RecordingChange::Pause(Some(TapPause::Silence))
            }
            RecordingAction::Resume => RecordingChange::Pause(None),
            RecordingAction::Stop => RecordingChange::Stop,
        };
        self.change_recording(now, holder, recording, change);
        if action == RecordingAction::Stop {
            // The end of a recording that its own call stops is seen when its file is settled; who asks
            // REST to stop it reads at once that it did.
            self.set_recording_status(now, holder, recording, RecordingStatus::Stopped);
        }
        let reply = self.recording_row(holder, recording).ok_or_else(not_eligible);
        self.reply(token, reply);
    }

    fn change_recording(
        &mut self,
        now: Now,
        sid: CallSid,
        recording: RecordingSid,
        change: RecordingChange,
    ) {
        let update = ApiUpdate::Recording { recording, change };
        self.drive_call(now, sid, |call| call.handle(now, CallInput::Api(update)));
    }

    fn live_call(&self, account: AccountSid, call: CallSid) -> Option<&LiveCall> {
        let is_live =
            |entry: &&LiveCall| entry.account == account && !entry.record.status.is_final();
        self.calls.get(&call).filter(is_live)
    }

    /// The running recording of this SID, or the only one that runs, and the call that has it.
    fn running_recording(
        &self,
        account: AccountSid,
        call: CallSid,
        recording: Option<RecordingSid>,
    ) -> Result<(CallSid, RecordingSid), WriteError> {
        let entry = self.live_call(account, call).ok_or_else(not_eligible)?;
        let peer = entry.leg.as_ref().and_then(|leg| leg.peer);
        let family = [Some(call), entry.parent, peer].into_iter().flatten();
        let running = family
            .filter_map(|sid| self.live_call(account, sid))
            .flat_map(|entry| entry.recordings.iter().map(move |(sid, begun)| (entry, *sid, begun)))
            .filter(|(_, _, begun)| begun.is_running());
        if let Some(wanted) = recording {
            let mut found = running.filter(|(_, sid, _)| *sid == wanted);
            return found.next().map(|(entry, sid, _)| (entry.sid, sid)).ok_or_else(not_eligible);
        }
        // Those of the call itself: its peer's are current for the peer.
        let mut own = running.filter(|(entry, _, _)| entry.sid == call);
        match (own.next(), own.next()) {
            (Some((entry, sid, _)), None) => Ok((entry.sid, sid)),
            (None, _) => Err(WriteError::not_found()),
            (Some(_), Some(_)) => {
                let sentence =
                    "Several recordings of the call run: name one instead of Twilio.CURRENT";
                Err(WriteError::invalid(Code::RECORDINGS_CONCURRENT, sentence))
            }
        }
    }

    fn recording_row(&self, call: CallSid, recording: RecordingSid) -> Option<Reply> {
        let entry = self.calls.get(&call)?;
        let row = records::recording(entry, entry.recordings.get(&recording)?);
        Some(Reply::Recording(row.into()))
    }
}

fn not_eligible() -> WriteError {
    WriteError::invalid(Code::CALL_STATE, NOT_ELIGIBLE)
}
