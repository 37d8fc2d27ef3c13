//! The recording of a conference: a tap of its room on one core, its file, its record, its callbacks. Sans-IO.
//!
//! The room stays open on the core of the tap until the core has confirmed its end, so that no frame is lost
//! when the last member there leaves first. The row and the callbacks name the conference; the row also names
//! the call that began it, since each recording belongs to a call.

use call::conference::Conference;
use call::{Form, HttpKind, RecordingEvent, RecordingOutcome};
use shared::ids::TapId;
use shared::media::{TapEnd, TapLimits, TapPause};
use shared::{
    CallSid, ConferenceSid, CoreId, MediaCommand, Now, RecordingSid, RoomCommand, Sink, limits,
};
use store::{
    Change, RecordingAction, RecordingRecord, RecordingSource, RecordingStatus, Reply, WriteError,
};

use crate::control::Control;
use crate::effect::{Effect, RecordingOrder};
use crate::input::{RecordingFailure, RecordingFile};
use crate::records;
use crate::state::conferences::RoomRecording;

impl Control {
    /// Starts the recording of a conference that begins with this call.
    pub(super) fn record_conference(&mut self, now: Now, sid: ConferenceSid, trim: bool) {
        let recording = RecordingSid::mint(now.unix_ms, self.settings.origin, self.random.number());
        let tap = self.links.unlinked_tap();
        let Some(live) = self.conferences.get_mut(sid) else { return };
        let Some(core) = live.spans().iter().next() else { return };
        let Some(call) = live.machine.members().next().map(|member| member.call) else { return };
        let row = RecordingRecord {
            sid: recording,
            account: live.machine.account,
            call,
            conference: Some(sid),
            status: RecordingStatus::InProgress,
            source: RecordingSource::Conference,
            channels: 1,
            duration_s: None,
            bytes: None,
            start_ms: now.unix_ms,
            error_code: None,
            encryption: None,
            transcript: None,
            created_ms: now.unix_ms,
            updated_ms: now.unix_ms,
            track: store::RecordingTrack::Both,
        };
        let account = row.account;
        let (status, start_ms) = ("in-progress", now.unix_ms);
        live.recording = Some(RoomRecording { tap, core, row, is_tapped: true });
        let room = live.room;
        self.conferences.add_tap(tap, sid);
        let order = RecordingOrder { tap, recording, account, channels: 1, trim };
        // The file before the tap: the recorder must know the order when the first frame arrives.
        self.push(Effect::OpenRecording(order));
        self.put_room_recording(sid);
        let max_ms = limits::RECORDING_S_MAX.saturating_mul(1_000);
        let limits = TapLimits { silence_ms: 0, max_ms };
        let command = RoomCommand::StartTap { tap, sink: Sink::Recorder, limits };
        self.push(Effect::Media { core, command: MediaCommand::Room { core, room, command } });
        self.recording_callback(sid, call, &[RecordingEvent::InProgress], status, start_ms, None);
    }

    /// Ends the recording of a conference, if it has one.
    pub(super) fn end_conference_recording(&mut self, sid: ConferenceSid) {
        let Some(live) = self.conferences.get(sid) else { return };
        let room = live.room;
        let Some(recording) = live.recording.as_ref().filter(|recording| recording.is_tapped)
        else {
            return;
        };
        let (core, command) = (recording.core, RoomCommand::StopTap { tap: recording.tap });
        self.push(Effect::Media { core, command: MediaCommand::Room { core, room, command } });
    }

    /// A core is lost, or started over: the taps of rooms there give no more frames. The recorder keeps what it has.
    pub(crate) fn lose_room_taps(&mut self, core: CoreId) {
        for tap in self.conferences.lose_taps(core) {
            self.push(Effect::DiscardRecording { tap });
        }
    }

    /// REST pauses, resumes or stops the recording of a conference.
    pub(super) fn change_conference_recording(
        &mut self,
        now: Now,
        sid: ConferenceSid,
        wanted: Option<RecordingSid>,
        action: RecordingAction,
    ) -> Result<Reply, WriteError> {
        let live = self.conferences.get_mut(sid).ok_or_else(WriteError::not_found)?;
        let room = live.room;
        let is_wanted = |recording: &&mut RoomRecording| {
            wanted.is_none_or(|wanted| recording.row.sid == wanted)
        };
        let recording = live.recording.as_mut().filter(is_wanted);
        let recording = recording.filter(|recording| recording.is_tapped);
        let recording = recording.ok_or_else(WriteError::not_found)?;
        let tap = recording.tap;
        let (status, command) = match action {
            RecordingAction::Pause { skip } => {
                let pause = if skip { TapPause::Skip } else { TapPause::Silence };
                (RecordingStatus::Paused, RoomCommand::PauseTap { tap, pause: Some(pause) })
            }
            RecordingAction::Resume => {
                (RecordingStatus::InProgress, RoomCommand::PauseTap { tap, pause: None })
            }
            RecordingAction::Stop => (RecordingStatus::Stopped, RoomCommand::StopTap { tap }),
        };
        (recording.row.status, recording.row.updated_ms) = (status, now.unix_ms);
        let (core, row) = (recording.core, recording.row.clone());
        self.push(Effect::Media { core, command: MediaCommand::Room { core, room, command } });
        self.put_room_recording(sid);
        Ok(Reply::Recording(row.into()))
    }

    /// The tap of a room has ended.
    pub(super) fn on_room_tap_ended(&mut self, tap: TapId, cause: TapEnd) {
        let Some(sid) = self.conferences.of_tap(tap) else { return };
        if cause == TapEnd::Refused {
            // No last frame will come; the recorder's answer settles the recording.
            self.push(Effect::DiscardRecording { tap });
        }
        let Some(live) = self.conferences.get_mut(sid) else { return };
        let Some(recording) = &mut live.recording else { return };
        recording.is_tapped = false;
        let (core, room) = (recording.core, live.room);
        let left = live.spans();
        if !left.contains(core) {
            let command = RoomCommand::Close;
            self.push(Effect::Media { core, command: MediaCommand::Room { core, room, command } });
            self.span_room(sid, left);
        }
    }

    /// The file of a conference's recording is settled. Returns the result where the tap is of no conference.
    pub(crate) fn on_room_recording_done(
        &mut self,
        now: Now,
        tap: TapId,
        result: Result<RecordingFile, RecordingFailure>,
    ) -> Option<Result<RecordingFile, RecordingFailure>> {
        let Some(sid) = self.conferences.take_tap(tap) else { return Some(result) };
        let live = self.conferences.get_mut(sid)?;
        let recording = live.recording.take()?;
        let (outcome, bytes) = records::recording_outcome(result);
        let start_ms = recording.row.start_ms;
        let call = recording.row.call;
        let row = records::recording_settled(recording.row, &outcome, bytes, now.unix_ms);
        live.settled = Some(row.clone());
        self.commit(None, Change::PutRecording(row.into()));
        let (events, status, duration_s) = match &outcome {
            RecordingOutcome::Completed { duration_s, .. } => {
                (&[RecordingEvent::Completed][..], "completed", Some(*duration_s))
            }
            RecordingOutcome::Absent => (&[RecordingEvent::Absent][..], "absent", None),
            // `<Conference>` has no event for a failure. Who waits for the file has subscribed to `completed`.
            RecordingOutcome::Failed { .. } => {
                (&[RecordingEvent::Completed, RecordingEvent::Failed][..], "failed", None)
            }
        };
        self.recording_callback(sid, call, events, status, start_ms, duration_s);
        self.settle_conference(now, sid);
        None
    }

    fn put_room_recording(&mut self, sid: ConferenceSid) {
        let live = self.conferences.get(sid);
        let Some(recording) = live.and_then(|live| live.recording.as_ref()) else { return };
        let row = recording.row.clone();
        self.commit(None, Change::PutRecording(row.into()));
    }

    /// Queues the status callback of the recording (webhooks.md 5.6).
    fn recording_callback(
        &mut self,
        sid: ConferenceSid,
        call: CallSid,
        events: &[RecordingEvent],
        status: &str,
        start_ms: i64,
        duration_s: Option<u32>,
    ) {
        let base = self.settings.call.api_base.clone();
        let Some(live) = self.conferences.get_mut(sid) else { return };
        let Some(callback) = live.machine.terms.recording_callback.clone() else { return };
        if !callback.events.iter().any(|event| events.contains(event)) {
            return;
        }
        let row = live.recording.as_ref().map(|recording| &recording.row).or(live.settled.as_ref());
        let row = row.map(|row| (row.sid, row.error_code, row.encryption.as_ref()));
        let Some((recording, code, encryption)) = row else { return };
        let encryption = encryption.map(shared::EncryptionDetails::json);
        let mut form = parameters(&live.machine, &base, recording);
        form.push("RecordingStatus", status);
        if let Some(duration_s) = duration_s {
            form.push("RecordingDuration", duration_s);
        }
        form.push("RecordingChannels", "1");
        form.push("RecordingStartTime", call::date::rfc2822(start_ms));
        form.push("RecordingSource", "Conference");
        form.push("RecordingTrack", "both");
        form.push("ErrorCode", code.map_or(0, shared::Code::number));
        if let Some(json) = encryption {
            form.push("EncryptionDetails", json);
        }
        self.queue_conference_callback(sid, call, HttpKind::RecordingCallback, form);
    }
}

fn parameters(machine: &Conference, base: &str, recording: RecordingSid) -> Form {
    let account = machine.account;
    let mut form = Form::new();
    form.push("AccountSid", account);
    form.push("ConferenceSid", machine.sid);
    form.push("RecordingSid", recording);
    form.push(
        "RecordingUrl",
        format_args!("{base}/2010-04-01/Accounts/{account}/Recordings/{recording}"),
    );
    form
}
