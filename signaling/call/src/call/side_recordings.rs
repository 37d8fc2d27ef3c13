//! `<Start><Recording>` and `<Stop><Recording>`: recordings beside the verbs. Sans-IO.
//!
//! Such a recording outlives its document and ends by its name, by REST or with the call. Where the call
//! still rings, `<Start>` does not answer it (twiml.md 1.3): the recording waits in the call and begins with
//! the answer. Waiting and running ones have the names of the call and count against its limit together.

use shared::{Code, Now, limits};

use super::Call;
use super::state::Leg;
use crate::effect::{RecordingPlan, RecordingSource};
use crate::finding::{Finding, Position};
use crate::setup::RecordSettings;
use crate::twiml::verb::StartRecording;

/// A recording that begins with the answer.
#[derive(Clone, Debug)]
pub(super) struct SideRecording {
    name: Option<String>,
    settings: RecordSettings,
}

impl Call {
    pub(super) fn start_side_recording(
        &mut self,
        now: Now,
        start: StartRecording,
        position: Position,
    ) {
        let StartRecording { name, track, channels, trim, callback } = start;
        if let Some(name) = name.as_deref().filter(|name| self.has_recording_named(name)) {
            let message = format!("a recording named `{name}` runs already: no second one starts");
            let finding = Finding::warning(Code::TWIML_SCHEMA, message);
            return self.notify(finding.at(position), None);
        }
        let waiting = self.recordings_waiting.len();
        if !self.has_room_for_recordings(waiting + 1) {
            let most = limits::RECORDINGS_A_CALL_MAX;
            let message = format!("the call has {most} recordings at once: no further one starts");
            let finding = Finding::error(Code::RECORDINGS_CONCURRENT, message);
            return self.notify(finding.at(position), None);
        }
        // Resolved now: when a recording that waits begins, another document may run.
        let callback = self.recording_callback(callback);
        let settings = RecordSettings { channels, track, trim, callback };
        self.recordings_waiting.push(SideRecording { name, settings });
        if self.leg == Leg::Up {
            self.start_waiting_recordings(now);
        }
    }

    pub(super) fn start_waiting_recordings(&mut self, now: Now) {
        debug_assert!(self.leg == Leg::Up, "a recording needs the media of the leg");
        for SideRecording { name, settings } in std::mem::take(&mut self.recordings_waiting) {
            let recording = self.mint_recording(now);
            let plan = RecordingPlan {
                recording,
                source: RecordingSource::OutboundApi,
                track: settings.track,
                channels: settings.channels,
                silence_ms: 0,
                max_ms: limits::RECORDING_S_MAX.saturating_mul(1_000),
                trim: settings.trim,
            };
            self.start_recording(now, plan, settings.callback);
            if let Some(state) = self.recordings.get_mut(&recording) {
                state.name = name;
            }
        }
    }

    pub(super) fn stop_side_recording(&mut self, now: Now, name: &str, position: Position) {
        let waiting = self.recordings_waiting.len();
        self.recordings_waiting.retain(|waiting| waiting.name.as_deref() != Some(name));
        let mut running = self.recordings.iter().filter(|(_, state)| state.is_running());
        let found = running.find(|(_, state)| state.name.as_deref() == Some(name));
        match found.map(|(recording, _)| *recording) {
            Some(recording) => self.stop_recording(now, recording),
            None if self.recordings_waiting.len() < waiting => {}
            None => {
                let message = format!("no recording named `{name}` runs: nothing is stopped");
                let finding = Finding::warning(Code::TWIML_SCHEMA, message);
                self.notify(finding.at(position), None);
            }
        }
    }

    fn has_recording_named(&self, name: &str) -> bool {
        let mut waiting = self.recordings_waiting.iter();
        let mut running = self.recordings.values().filter(|state| state.is_running());
        waiting.any(|waiting| waiting.name.as_deref() == Some(name))
            || running.any(|state| state.name.as_deref() == Some(name))
    }
}
