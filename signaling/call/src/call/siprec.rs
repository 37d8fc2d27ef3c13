//! Recording sessions of a call with outside servers (SIPREC): start, stop, events, status callbacks. Sans-IO.
//!
//! Documents and REST start them, as they start one-way streams ([`super::streams`]): a session runs beside the verbs and ends
//! by its name, by REST, with its server or with the call. A session that was ordered gets exactly one end, and the
//! call lives until all have theirs. One that a document starts before the answer waits for it.

use shared::media::TapTracks;
use shared::{Code, Direction, Now, SiprecSid, limits};

use super::Call;
use super::state::Leg;
use super::streams::count;
use crate::date::iso8601;
use crate::effect::{CallEffect, SiprecPlan};
use crate::finding::{Finding, Position};
use crate::form::Form;
use crate::input::{SiprecChange, SiprecEnd, SiprecEvent};
use crate::setup::{SiprecSettings, Webhook};
use crate::siprec::{Ids, Recorded};
use crate::status::CallDirection;
use crate::twiml::verb::Siprec;
use crate::webhook::{HttpKind, WebUrl};

/// A recording session of this call, until it has ended.
#[derive(Clone, Debug)]
pub(super) struct SiprecState {
    name: Option<String>,
    tracks: TapTracks,
    callback: Option<Webhook>,
    recorded: Box<Recorded>,
    has_started: bool,
    is_stopping: bool,
}

impl SiprecState {
    pub(super) const fn tracks(&self) -> TapTracks {
        self.tracks
    }
}

/// A session that begins with the answer.
#[derive(Clone, Debug)]
pub(super) struct WaitingSiprec {
    siprec: SiprecSid,
    settings: SiprecSettings,
}

impl WaitingSiprec {
    pub(super) const fn tracks(&self) -> TapTracks {
        self.settings.tracks
    }
}

impl Call {
    /// `<Start><Siprec>`.
    pub(super) fn start_siprec(&mut self, now: Now, noun: Siprec, position: Position) {
        let siprec = SiprecSid::mint(now.unix_ms, self.setup.origin, self.random.number());
        let Siprec { connector, name, tracks, callback, parameters, fault } = noun;
        let callback = callback.and_then(|link| match self.resolve(&link.url) {
            Ok(url) => Some(Webhook { url: url.configured(), method: link.method }),
            Err(fault) => {
                self.notify(Finding::warning(fault.code, fault.sentence).at(position), None);
                None
            }
        });
        let settings = SiprecSettings { connector, name, tracks, callback, parameters };
        let found = match fault {
            Some(finding) => Err(finding),
            None => self
                .check_siprec(&settings)
                .map_err(|(code, sentence)| Finding::error(code, sentence).at(position)),
        };
        if let Err(finding) = found {
            let about = (settings.name.as_deref(), settings.callback.as_ref());
            let error = Some((finding.code, &*finding.message));
            self.siprec_callback(now, siprec, about, "siprec-error", error);
            return self.notify(finding, None);
        }
        if self.leg == Leg::Up {
            return self.order_siprec(now, siprec, settings);
        }
        self.siprecs_waiting.push(WaitingSiprec { siprec, settings });
    }

    pub(super) fn start_waiting_siprecs(&mut self, now: Now) {
        for WaitingSiprec { siprec, settings } in std::mem::take(&mut self.siprecs_waiting) {
            self.order_siprec(now, siprec, settings);
        }
    }

    /// `<Stop><Siprec>`.
    pub(super) fn stop_siprec(&mut self, name: &str, position: Position) {
        let waiting = self.siprecs_waiting.len();
        self.siprecs_waiting.retain(|waiting| waiting.settings.name.as_deref() != Some(name));
        if self.siprecs_waiting.len() < waiting {
            return;
        }
        let found = self
            .siprecs
            .iter()
            .find(|(sid, state)| state.name.as_deref() == Some(name) || sid.to_string() == name);
        match found.map(|(sid, _)| *sid) {
            Some(siprec) => self.end_siprec(siprec),
            None => {
                let message =
                    format!("no recording session named `{name}` runs: nothing is stopped");
                let finding = Finding::warning(Code::TWIML_SCHEMA, message);
                self.notify(finding.at(position), None);
            }
        }
    }

    /// REST starts a session of the call, or stops one.
    pub(super) fn change_siprec(&mut self, now: Now, siprec: SiprecSid, change: SiprecChange) {
        match change {
            // Control has refused a request that does not fit; the call may have changed since.
            SiprecChange::Start(settings) => {
                if self.leg == Leg::Up && self.check_siprec(&settings).is_ok() {
                    self.order_siprec(now, siprec, *settings);
                }
            }
            SiprecChange::Stop => self.end_siprec(siprec),
        }
    }

    /// What REST needs to know before it starts a session.
    ///
    /// # Errors
    /// Code and sentence: the name is taken, or the call has its most tracks.
    pub fn check_siprec(&self, settings: &SiprecSettings) -> Result<(), (Code, String)> {
        if let Some(name) = &settings.name {
            let waiting = self.siprecs_waiting.iter().map(|waiting| &waiting.settings.name);
            let mut names = waiting.chain(self.siprecs.values().map(|state| &state.name));
            if names.any(|other| other.as_ref() == Some(name)) {
                let sentence = format!("a recording session named `{name}` runs already");
                return Err((Code::TWIML_SCHEMA, sentence));
            }
        }
        if self.side_tracks() + count(settings.tracks) > limits::STREAM_TRACKS_A_CALL_MAX {
            let most = limits::STREAM_TRACKS_A_CALL_MAX;
            let sentence = format!("at most {most} tracks of a call leave it at once");
            return Err((Code::STREAM_TRACK, sentence));
        }
        Ok(())
    }

    fn order_siprec(&mut self, now: Now, siprec: SiprecSid, settings: SiprecSettings) {
        debug_assert!(self.leg == Leg::Up, "a recording session needs the media of the leg");
        self.timeline("siprec", format_args!("{siprec} to {}", settings.connector));
        let (from, to) = (&self.setup.from, &self.setup.to);
        let (party, other) = match self.setup.direction {
            CallDirection::Inbound => (from, to),
            CallDirection::OutboundApi | CallDirection::OutboundDial => (to, from),
        };
        let call_id = match &self.setup.sip {
            Some(facts) => &facts.call_id,
            None => &self.facts.answer.call_id,
        };
        let recorded = Box::new(Recorded {
            party: party.clone(),
            other: other.clone(),
            call_id: call_id.clone(),
            tracks: settings.tracks,
            parameters: settings.parameters.clone(),
            start_ms: now.unix_ms,
            ids: Ids::new(&mut self.random),
        });
        let metadata = recorded.metadata(self.facts.direction);
        let state = SiprecState {
            name: settings.name.clone(),
            tracks: settings.tracks,
            callback: settings.callback.clone(),
            recorded,
            has_started: false,
            is_stopping: false,
        };
        self.siprecs.insert(siprec, state);
        self.effect(CallEffect::StartSiprec(Box::new(SiprecPlan { siprec, settings, metadata })));
    }

    /// The party holds the call, or resumes it: its servers get other metadata.
    pub(super) fn siprec_direction(&mut self, direction: Direction) {
        if std::mem::replace(&mut self.facts.direction, direction) == direction {
            return;
        }
        let describe = |(siprec, state): (&SiprecSid, &SiprecState)| {
            let metadata = state.recorded.metadata(direction);
            CallEffect::UpdateSiprec { siprec: *siprec, metadata }
        };
        let running = self.siprecs.iter().filter(|(_, state)| !state.is_stopping);
        let updates: Vec<CallEffect> = running.map(describe).collect();
        updates.into_iter().for_each(|update| self.effect(update));
    }

    fn end_siprec(&mut self, siprec: SiprecSid) {
        let Some(state) = self.siprecs.get_mut(&siprec) else { return };
        if !std::mem::replace(&mut state.is_stopping, true) {
            self.effect(CallEffect::StopSiprec { siprec });
        }
    }

    pub(super) fn end_all_siprecs(&mut self) {
        self.siprecs_waiting.clear();
        let running: Vec<SiprecSid> = self.siprecs.keys().copied().collect();
        running.into_iter().for_each(|siprec| self.end_siprec(siprec));
    }

    pub(super) fn on_siprec(&mut self, now: Now, siprec: SiprecSid, event: SiprecEvent) {
        let Some(state) = self.siprecs.get_mut(&siprec) else { return };
        let end = match event {
            SiprecEvent::Started => {
                state.has_started = true;
                return self.siprec_event(now, siprec, "siprec-started", None);
            }
            SiprecEvent::Ended(end) => end,
        };
        let has_started = state.has_started;
        match end {
            SiprecEnd::Stopped => self.timeline("siprec", format_args!("{siprec} stopped")),
            SiprecEnd::ClosedByServer => {
                self.timeline("siprec", format_args!("{siprec} ended by its server"));
            }
            SiprecEnd::Failed { code, sentence } => {
                self.siprec_event(now, siprec, "siprec-error", Some((code, &sentence)));
                let message = format!("recording session {siprec}: {sentence}");
                self.notify(Finding::error(code, message), None);
            }
        }
        if has_started {
            self.siprec_event(now, siprec, "siprec-stopped", None);
        }
        self.siprecs.remove(&siprec);
    }

    fn siprec_event(
        &mut self,
        now: Now,
        siprec: SiprecSid,
        event: &str,
        error: Option<(Code, &str)>,
    ) {
        // Copied: sending changes the call.
        let Some(state) = self.siprecs.get(&siprec).cloned() else { return };
        let about = (state.name.as_deref(), state.callback.as_ref());
        self.siprec_callback(now, siprec, about, event, error);
    }

    fn siprec_callback(
        &mut self,
        now: Now,
        siprec: SiprecSid,
        (name, callback): (Option<&str>, Option<&Webhook>),
        event: &str,
        error: Option<(Code, &str)>,
    ) {
        let Some(callback) = callback else { return };
        let mut form = Form::new();
        form.push("AccountSid", self.setup.account);
        form.push("CallSid", self.setup.sid);
        form.push("SiprecSid", siprec);
        match name {
            Some(name) => form.push("SiprecName", name),
            None => form.push("SiprecName", siprec),
        }
        form.push("SiprecEvent", event);
        if let Some((code, sentence)) = error {
            form.push("SiprecError", sentence);
            form.push("SiprecErrorCode", code);
        }
        form.push("Timestamp", iso8601(now.unix_ms));
        let url = WebUrl::parse(&callback.url);
        self.callback(HttpKind::SideCallback, url, callback.method, form);
    }
}
