//! Recording sessions of a call with outside servers (SIPREC): start, stop, events, status callbacks. Sans-IO.
//!
//! A session is a side ([`super::sides`]) that its server may end, too. One that was ordered gets exactly one end, and the call
//! lives until all have theirs.

use std::fmt::Display;

use shared::media::TapTracks;
use shared::{Code, Direction, Now, SiprecSid};

use super::Call;
use super::sides::{About, Side, SideSettings, Sides, count};
use super::state::Leg;
use crate::effect::{CallEffect, SiprecPlan};
use crate::finding::{Finding, Position};
use crate::input::{Partner, SiprecEnd, SiprecEvent};
use crate::setup::{SiprecSettings, Webhook};
use crate::siprec::{Ids, Recorded};
use crate::status::CallDirection;
use crate::twiml::verb::Siprec;

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

impl SideSettings for SiprecSettings {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn tracks(&self) -> usize {
        count(self.tracks)
    }
}

impl Side for SiprecState {
    type Sid = SiprecSid;
    type Settings = SiprecSettings;
    const WORD: &'static str = "recording session";

    fn of(call: &Call) -> &Sides<Self> {
        &call.siprecs
    }

    fn of_mut(call: &mut Call) -> &mut Sides<Self> {
        &mut call.siprecs
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn tracks(&self) -> usize {
        count(self.tracks)
    }

    fn begin(call: &mut Call, now: Now, siprec: SiprecSid, settings: SiprecSettings) {
        call.order_siprec(now, siprec, settings);
    }

    fn stop(call: &mut Call, _now: Now, siprec: SiprecSid) {
        call.end_siprec(siprec);
    }
}

impl Call {
    /// `<Start><Siprec>`.
    pub(super) fn start_siprec(&mut self, now: Now, noun: Siprec, position: Position) {
        let siprec = SiprecSid::mint(now.unix_ms, self.setup.origin, self.random.number());
        let Siprec { connector, name, tracks, callback, parameters, fault } = noun;
        let callback = self.side_callback(callback, position);
        let settings = SiprecSettings { connector, name, tracks, callback, parameters };
        let found = match fault {
            Some(finding) => Err(finding),
            None => self
                .check_siprec(&settings)
                .map_err(|(code, sentence)| Finding::error(code, sentence).at(position)),
        };
        if let Err(finding) = found {
            let about = about(&siprec, settings.name.as_deref(), settings.callback.as_ref());
            let error: &[(&str, &dyn Display)] =
                &[("Error", &finding.message), ("ErrorCode", &finding.code)];
            self.side_event(now, &about, "siprec-error", error);
            return self.notify(finding, None);
        }
        self.start_side::<SiprecState>(now, siprec, settings);
    }

    /// What REST needs to know before it starts a session.
    ///
    /// # Errors
    /// Code and sentence: the name is taken, or the call has its most tracks.
    pub fn check_siprec(&self, settings: &SiprecSettings) -> Result<(), (Code, String)> {
        self.check_side::<SiprecState>(settings, (Code::TWIML_SCHEMA, Code::STREAM_TRACK))
    }

    fn order_siprec(&mut self, now: Now, siprec: SiprecSid, settings: SiprecSettings) {
        debug_assert!(self.leg == Leg::Up, "a recording session needs the media of the leg");
        self.timeline("siprec", format_args!("{siprec} to {}", settings.connector));
        let call_id = match &self.setup.sip {
            Some(facts) => &facts.call_id,
            None => &self.facts.answer.call_id,
        };
        let mut recorded = Box::new(Recorded {
            party: self.party().to_owned(),
            others: Vec::new(),
            call_id: call_id.clone(),
            tracks: settings.tracks,
            parameters: settings.parameters.clone(),
            start_ms: now.unix_ms,
            ids: Ids::new(&mut self.random),
        });
        recorded.talk_with(&self.partners(), now.unix_ms, &mut self.random);
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
        self.describe_siprecs();
    }

    /// The party talks with others, or those that it talks with speak or hear where they did not.
    pub(super) fn siprec_partners(&mut self, now: Now, partners: Vec<Partner>) {
        if self.facts.partners == partners {
            return;
        }
        self.facts.partners = partners;
        let partners = self.partners();
        for state in self.siprecs.values_mut() {
            state.recorded.talk_with(&partners, now.unix_ms, &mut self.random);
        }
        self.describe_siprecs();
    }

    /// With whom the party talks; with the gateway alone, that is the other end as it was dialled.
    fn partners(&self) -> Vec<Partner> {
        if self.facts.partners.is_empty() {
            let aor = self.dialled().to_owned();
            return vec![Partner { call: None, aor, speaks: true, hears: true }];
        }
        self.facts.partners.clone()
    }

    /// Has all servers get the metadata as they are now.
    fn describe_siprecs(&mut self) {
        let direction = self.facts.direction;
        let describe = |(siprec, state): (&SiprecSid, &SiprecState)| {
            let metadata = state.recorded.metadata(direction);
            CallEffect::UpdateSiprec { siprec: *siprec, metadata }
        };
        let running = self.siprecs.iter().filter(|(_, state)| !state.is_stopping);
        let updates: Vec<CallEffect> = running.map(describe).collect();
        updates.into_iter().for_each(|update| self.effect(update));
    }

    /// The party of the call: its URI or number.
    pub fn party(&self) -> &str {
        match self.setup.direction {
            CallDirection::Inbound => &self.setup.from,
            CallDirection::OutboundApi | CallDirection::OutboundDial => &self.setup.to,
        }
    }

    /// The other end, as the call was dialled.
    fn dialled(&self) -> &str {
        match self.setup.direction {
            CallDirection::Inbound => &self.setup.to,
            CallDirection::OutboundApi | CallDirection::OutboundDial => &self.setup.from,
        }
    }

    fn end_siprec(&mut self, siprec: SiprecSid) {
        let Some(state) = self.siprecs.get_mut(&siprec) else { return };
        if !std::mem::replace(&mut state.is_stopping, true) {
            self.effect(CallEffect::StopSiprec { siprec });
        }
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
        let about = about(&siprec, state.name.as_deref(), state.callback.as_ref());
        match &error {
            Some((code, sentence)) => {
                let error: &[(&str, &dyn Display)] = &[("Error", sentence), ("ErrorCode", code)];
                self.side_event(now, &about, event, error);
            }
            None => self.side_event(now, &about, event, &[]),
        }
    }
}

fn about<'a>(
    siprec: &'a SiprecSid,
    name: Option<&'a str>,
    callback: Option<&'a Webhook>,
) -> About<'a> {
    About { kind: "Siprec", sid: siprec, name, callback }
}
