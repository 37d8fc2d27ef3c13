//! Recordings: a tap of a leg, its file, its record. Sans-IO.
//!
//! Two answers end a recording, in this order: the core's, that no more frames come (the call goes on),
//! and the recorder's, that the file is settled (the application gets its callback). A core that refuses the
//! tap or is lost sends no last frame; `DiscardRecording` then makes the recorder settle what it has.

use call::{CallInput, RecordingEnd, RecordingOutcome, RecordingPlan, RecordingTrack};
use shared::ids::TapId;
use shared::media::{TapEnd, TapLimits, TapPause, TapTracks};
use shared::{CallSid, MediaCommand, Now, RecordingSid, Sink};
use store::{Change, RecordingStatus};

use crate::control::Control;
use crate::effect::{Effect, RecordingOrder};
use crate::input::{RecordingFailure, RecordingFile, RecordingUpload};
use crate::records;
use crate::state::leg::Recording;
use crate::state::timeline::Kind;

impl Control {
    pub(crate) fn start_recording(&mut self, now: Now, sid: CallSid, plan: RecordingPlan) {
        let recording = plan.recording;
        let tap = self.links.new_tap(sid);
        let tracks = match plan.track {
            RecordingTrack::Inbound => TapTracks::Inbound,
            RecordingTrack::Outbound => TapTracks::Outbound,
            RecordingTrack::Both => TapTracks::Both,
        };
        let limits = TapLimits { silence_ms: plan.silence_ms, max_ms: plan.max_ms };
        // Refused before the file is opened: the core would refuse the tap, and an empty file would
        // remain. The call gets both answers that it waits for.
        let is_up = self.calls.get(&sid).and_then(|entry| entry.leg.as_ref());
        if !is_up.is_some_and(|leg| leg.is_up()) {
            self.links.remove_tap(tap);
            let sentence = records::no_leg_to_record(recording);
            self.tell(sid, CallInput::RecordingEnded { recording, cause: RecordingEnd::Failed });
            let outcome = RecordingOutcome::Failed { sentence };
            return self.tell(sid, CallInput::RecordingDone { recording, outcome });
        }
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let order = RecordingOrder {
            tap,
            recording,
            account: entry.account,
            channels: plan.channels,
            trim: plan.trim,
        };
        let (status, start_ms) = (RecordingStatus::InProgress, now.unix_ms);
        let begun = Recording { tap, plan, status, start_ms, updated_ms: start_ms };
        let record = records::recording(entry, &begun);
        entry.recordings.insert(recording, begun);
        // The file before the tap: the recorder must know the order when the first frame arrives.
        self.push(Effect::OpenRecording(order));
        self.commit(None, Change::PutRecording(record.into()));
        let sink = Sink::Recorder;
        self.media(sid, |leg| MediaCommand::StartTap { leg, tap, sink, tracks, limits });
    }

    pub(crate) fn stop_recording(&mut self, sid: CallSid, recording: RecordingSid) {
        let Some(entry) = self.calls.get(&sid) else { return };
        let Some(tap) = entry.recordings.get(&recording).map(|begun| begun.tap) else { return };
        // Without a leg the tap has ended already: the core has reported it, or `leave_media` has.
        self.media(sid, |leg| MediaCommand::StopTap { leg, tap });
    }

    pub(crate) fn pause_recording(
        &mut self,
        now: Now,
        sid: CallSid,
        recording: RecordingSid,
        pause: Option<TapPause>,
    ) {
        let Some(entry) = self.calls.get(&sid) else { return };
        let Some(tap) = entry.recordings.get(&recording).map(|begun| begun.tap) else { return };
        self.media(sid, |leg| MediaCommand::PauseTap { leg, tap, pause });
        let status = match pause {
            Some(TapPause::Skip | TapPause::Silence) => RecordingStatus::Paused,
            None => RecordingStatus::InProgress,
        };
        self.set_recording_status(now, sid, recording, status);
    }

    /// The status that REST shows until the file is settled.
    pub(crate) fn set_recording_status(
        &mut self,
        now: Now,
        sid: CallSid,
        recording: RecordingSid,
        status: RecordingStatus,
    ) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let Some(begun) = entry.recordings.get_mut(&recording) else { return };
        (begun.status, begun.updated_ms) = (status, now.unix_ms);
        let begun = entry.recordings.get(&recording);
        let Some(row) = begun.map(|begun| records::recording(entry, begun)) else { return };
        self.commit(None, Change::PutRecording(row.into()));
    }

    pub(super) fn on_tap_ended(&mut self, tap: TapId, cause: TapEnd) {
        if self.on_stream_tap_ended(tap, cause)
            || self.on_recognition_tap_ended(tap, cause)
            || self.on_siprec_tap_ended(tap, cause)
        {
            return;
        }
        let Some((sid, recording)) = self.recording_of(tap) else { return };
        let cause = match cause {
            TapEnd::Stopped => RecordingEnd::Stopped,
            TapEnd::Silence => RecordingEnd::Silence,
            TapEnd::MaxLength => RecordingEnd::MaxLength,
            TapEnd::LegStopped => RecordingEnd::LegStopped,
            TapEnd::Refused => {
                // No last frame will come; the recorder's answer settles the recording.
                self.push(Effect::DiscardRecording { tap });
                RecordingEnd::Failed
            }
        };
        self.tell(sid, CallInput::RecordingEnded { recording, cause });
    }

    /// The file is settled. Its record is on its way to disk before the callback can name it.
    pub(crate) fn on_recording_done(
        &mut self,
        now: Now,
        tap: TapId,
        result: Result<RecordingFile, RecordingFailure>,
    ) {
        let Some(result) = self.on_room_recording_done(now, tap, result) else { return };
        let Some((sid, recording)) = self.recording_of(tap) else { return };
        self.links.remove_tap(tap);
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let Some(begun) = entry.recordings.get(&recording) else { return };
        let missing_ms = result.as_ref().map_or(0, |file| file.missing_ms);
        let (outcome, bytes) = records::recording_outcome(result);
        let record = records::recording(entry, begun);
        // The row is made anew from the plan, so no copy of it waits in memory for the length of
        // the recording.
        let record = records::recording_settled(record, &outcome, bytes, now.unix_ms);
        self.commit(None, Change::PutRecording(record.into()));
        if missing_ms > 0 {
            // Silence in the file that nobody kept: without this line it would pass for the party's.
            let text = format_args!("{recording} lacks {missing_ms} ms: lost before the file");
            self.note(now, sid, Kind::Media, text);
        }
        self.entry_mut(sid, |entry| {
            entry.recordings.remove(&recording);
        });
        self.tell(sid, CallInput::RecordingDone { recording, outcome });
        self.forget_if_over(sid);
    }

    /// The row shows the failure of an upload beside its status: the recording itself is whole, and its
    /// audio can be fetched from here.
    pub(crate) fn on_recording_uploaded(&mut self, now: Now, upload: RecordingUpload) {
        let RecordingUpload { account, recording, failure } = upload;
        let error_code = failure.as_ref().map(|(code, _)| *code);
        let updated_ms = now.unix_ms;
        self.commit(None, Change::NoteUpload { account, recording, error_code, updated_ms });
        if let Some((code, sentence)) = failure {
            self.alert_of_upload(now, account, code, sentence);
        }
    }

    fn recording_of(&self, tap: TapId) -> Option<(CallSid, RecordingSid)> {
        let sid = self.links.call_of_tap(tap)?;
        let entry = self.calls.get(&sid)?;
        let (recording, _) = entry.recordings.iter().find(|(_, begun)| begun.tap == tap)?;
        Some((sid, *recording))
    }
}
