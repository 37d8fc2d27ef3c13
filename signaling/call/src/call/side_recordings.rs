//! `<Start><Recording>` and `<Stop><Recording>`: recordings beside the verbs. Sans-IO.
//!
//! Such a recording is a side ([`super::sides`]). Those that wait and those that run count against the limit of the call together.

use shared::{Code, Now, RecordingSid, limits};

use super::Call;
use super::recordings::RecordingState;
use super::sides::{Side, SideSettings, Sides};
use crate::effect::{RecordingPlan, RecordingSource};
use crate::finding::{Finding, Position};
use crate::setup::RecordSettings;
use crate::twiml::verb::StartRecording;

/// What a document starts one with.
#[derive(Clone, Debug)]
pub(super) struct SideRecording {
    name: Option<String>,
    settings: RecordSettings,
}

impl SideSettings for SideRecording {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// A recording stays in the gateway.
    fn tracks(&self) -> usize {
        0
    }
}

impl Side for RecordingState {
    type Sid = RecordingSid;
    type Settings = SideRecording;
    const WORD: &'static str = "recording";

    fn of(call: &Call) -> &Sides<Self> {
        &call.recordings
    }

    fn of_mut(call: &mut Call) -> &mut Sides<Self> {
        &mut call.recordings
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn tracks(&self) -> usize {
        0
    }

    /// It stays in the map after its end, until its file is settled.
    fn is_beside(&self) -> bool {
        self.is_running()
    }

    fn begin(call: &mut Call, now: Now, recording: RecordingSid, side: SideRecording) {
        let SideRecording { name, settings } = side;
        let plan = RecordingPlan {
            recording,
            source: RecordingSource::OutboundApi,
            track: settings.track,
            channels: settings.channels,
            silence_ms: 0,
            max_ms: limits::RECORDING_S_MAX.saturating_mul(1_000),
            trim: settings.trim,
        };
        call.start_recording(now, plan, settings.callback);
        if let Some(state) = call.recordings.get_mut(&recording) {
            state.name = name;
        }
    }

    fn stop(call: &mut Call, now: Now, recording: RecordingSid) {
        call.stop_recording(now, recording);
    }
}

impl Call {
    pub(super) fn start_side_recording(
        &mut self,
        now: Now,
        start: StartRecording,
        position: Position,
    ) {
        let StartRecording { name, track, channels, trim, callback } = start;
        if let Some(name) = name.as_deref().filter(|name| self.recordings.is_taken(name)) {
            let message = format!("a recording named `{name}` runs already: no second one starts");
            let finding = Finding::warning(Code::TWIML_SCHEMA, message);
            return self.notify(finding.at(position), None);
        }
        if !self.has_room_for_recordings(self.recordings.waiting_len() + 1) {
            let most = limits::RECORDINGS_A_CALL_MAX;
            let message = format!("the call has {most} recordings at once: no further one starts");
            let finding = Finding::error(Code::RECORDINGS_CONCURRENT, message);
            return self.notify(finding.at(position), None);
        }
        // Resolved now: when a recording that waits begins, another document may run.
        let callback = self.recording_callback(callback);
        let settings = RecordSettings { channels, track, trim, callback };
        let recording = self.mint_recording(now);
        self.start_side::<RecordingState>(now, recording, SideRecording { name, settings });
    }
}
