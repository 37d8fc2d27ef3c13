//! What runs beside the verbs of a call: streams, recording sessions, transcriptions, recordings. Sans-IO.
//!
//! ```text
//!   <Start> ──the call rings──> waiting ──answer──┐
//!   <Start>, REST ────────────────────────────────┴─> running ──<Stop>, REST, end of the call──> its one end, and gone
//! ```
//!
//! Each kind is a [`Side`] with a file of its own, which begins and stops one and takes its events. Here is what they
//! share. A name is unique among those of a kind, waiting and running; one without a name has its SID. A `<Start>` does not
//! answer a call that rings (twiml.md 1.3): what it starts waits. The tracks of all kinds that leave the call share one bound
//! (streams.md 1).

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::ops::{Deref, DerefMut};

use shared::media::TapTracks;
use shared::{Code, Now, limits};

use super::Call;
use super::state::Leg;
use crate::date::iso8601;
use crate::finding::{Finding, Position};
use crate::form::Form;
use crate::input::SideChange;
use crate::setup::Webhook;
use crate::twiml::verb::Link;
use crate::webhook::{HttpKind, WebUrl};

/// A kind of what runs beside the verbs, as the state of one that runs.
pub(super) trait Side: Sized + Debug {
    /// Its SID.
    type Sid: Copy + Ord + Display + Debug;
    /// What it is started with.
    type Settings: SideSettings + Debug;
    /// What sentences call one.
    const WORD: &'static str;

    /// Those of a call.
    fn of(call: &Call) -> &Sides<Self>;
    /// Those of a call.
    fn of_mut(call: &mut Call) -> &mut Sides<Self>;

    /// Its name; `None`: its SID is its name.
    fn name(&self) -> Option<&str>;
    /// Number of tracks that leave the call with it.
    fn tracks(&self) -> usize;
    /// Whether it runs beside the verbs: a verb may be one that only its end ends.
    fn is_beside(&self) -> bool {
        true
    }

    /// Begins one in a call that is up.
    fn begin(call: &mut Call, now: Now, sid: Self::Sid, settings: Self::Settings);
    /// Ends one that runs. Its end may come later.
    fn stop(call: &mut Call, now: Now, sid: Self::Sid);
}

/// Whether a call may have one: else code and sentence.
type Check<S> = fn(&Call, &<S as Side>::Settings) -> Result<(), (Code, String)>;

/// What a side is started with.
pub(super) trait SideSettings {
    /// Its name; `None`: its SID is its name.
    fn name(&self) -> Option<&str>;
    /// Number of tracks that leave the call with it.
    fn tracks(&self) -> usize;
}

/// Those of one kind in a call: a map of those that run, and those that begin with the answer.
#[derive(Debug)]
pub(super) struct Sides<S: Side> {
    waiting: Vec<(S::Sid, S::Settings)>,
    running: BTreeMap<S::Sid, S>,
}

impl<S: Side> Default for Sides<S> {
    fn default() -> Self {
        Self { waiting: Vec::new(), running: BTreeMap::new() }
    }
}

impl<S: Side> Deref for Sides<S> {
    type Target = BTreeMap<S::Sid, S>;

    fn deref(&self) -> &Self::Target {
        &self.running
    }
}

impl<S: Side> DerefMut for Sides<S> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.running
    }
}

impl<S: Side> Sides<S> {
    /// Number of those that begin with the answer.
    pub fn waiting_len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether one has this name.
    pub fn is_taken(&self, name: &str) -> bool {
        let mut waiting = self.waiting.iter();
        waiting.any(|(_, settings)| settings.name() == Some(name))
            || self.beside().any(|(_, side)| side.name() == Some(name))
    }

    /// One that runs, by its name or its SID.
    pub fn find(&self, name: &str) -> Option<(S::Sid, &S)> {
        let is_it = |sid: S::Sid, side: &S| side.name() == Some(name) || sid.to_string() == name;
        self.beside().find(|(sid, side)| is_it(*sid, side))
    }

    fn beside(&self) -> impl Iterator<Item = (S::Sid, &S)> {
        let running = self.running.iter().filter(|(_, side)| side.is_beside());
        running.map(|(sid, side)| (*sid, side))
    }

    fn tracks(&self) -> usize {
        let waiting = self.waiting.iter().map(|(_, settings)| settings.tracks());
        waiting.chain(self.beside().map(|(_, side)| side.tracks())).sum()
    }

    /// Forgets one that waits; `false`: none has this name.
    fn forget(&mut self, name: &str) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|(_, settings)| settings.name() != Some(name));
        self.waiting.len() < before
    }
}

impl Call {
    /// A document starts one: now, or with the answer.
    pub(super) fn start_side<S: Side>(&mut self, now: Now, sid: S::Sid, settings: S::Settings) {
        if self.leg == Leg::Up {
            return S::begin(self, now, sid, settings);
        }
        S::of_mut(self).waiting.push((sid, settings));
    }

    /// The call is answered.
    pub(super) fn begin_waiting_sides<S: Side>(&mut self, now: Now) {
        for (sid, settings) in std::mem::take(&mut S::of_mut(self).waiting) {
            S::begin(self, now, sid, settings);
        }
    }

    /// `<Stop>`.
    pub(super) fn stop_side<S: Side>(&mut self, now: Now, name: &str, position: Position) {
        if S::of_mut(self).forget(name) {
            return;
        }
        let found = S::of(self).find(name).map(|(sid, _)| sid);
        match found {
            Some(sid) => S::stop(self, now, sid),
            None => {
                let message = format!("no {} named `{name}` runs: nothing is stopped", S::WORD);
                let finding = Finding::warning(Code::TWIML_SCHEMA, message);
                self.notify(finding.at(position), None);
            }
        }
    }

    /// The call ends.
    pub(super) fn stop_all_sides<S: Side>(&mut self, now: Now) {
        let sides = S::of_mut(self);
        sides.waiting.clear();
        let running: Vec<S::Sid> = sides.keys().copied().collect();
        running.into_iter().for_each(|sid| S::stop(self, now, sid));
    }

    /// REST starts one, or stops it. Control has refused a request that does not fit (`check`); the call may have changed
    /// since.
    pub(super) fn change_side<S: Side>(
        &mut self,
        now: Now,
        sid: S::Sid,
        change: SideChange<S::Settings>,
        check: Check<S>,
    ) {
        match change {
            SideChange::Start(settings) => {
                if self.leg == Leg::Up && check(self, &settings).is_ok() {
                    S::begin(self, now, sid, *settings);
                }
            }
            SideChange::Stop => {
                if S::of(self).get(&sid).is_some_and(Side::is_beside) {
                    S::stop(self, now, sid);
                }
            }
        }
    }

    /// Whether name and tracks fit, with the codes of a name that is taken and of too many tracks.
    pub(super) fn check_side<S: Side>(
        &self,
        settings: &S::Settings,
        (taken, full): (Code, Code),
    ) -> Result<(), (Code, String)> {
        if let Some(name) = settings.name().filter(|name| S::of(self).is_taken(name)) {
            return Err((taken, format!("a {} named `{name}` runs already", S::WORD)));
        }
        let most = limits::STREAM_TRACKS_A_CALL_MAX;
        let tracks = self.streams.tracks() + self.siprecs.tracks() + self.transcriptions.tracks();
        if tracks + settings.tracks() > most {
            return Err((full, format!("at most {most} tracks of a call leave it at once")));
        }
        Ok(())
    }

    /// The status callback of one with its URL resolved. One that cannot be used is a warning.
    pub(super) fn side_callback(
        &mut self,
        link: Option<Link>,
        position: Position,
    ) -> Option<Webhook> {
        let link = link?;
        match self.resolve(&link.url) {
            Ok(url) => Some(Webhook { url: url.configured(), method: link.method }),
            Err(fault) => {
                self.notify(Finding::warning(fault.code, fault.sentence).at(position), None);
                None
            }
        }
    }

    /// Reports an event of one to its status callback, with more parameters before the time.
    pub(super) fn side_event(
        &mut self,
        now: Now,
        about: &About<'_>,
        event: &str,
        more: &[(&str, &dyn Display)],
    ) {
        let Some(callback) = about.callback else { return };
        let kind = about.kind;
        let mut form = Form::new();
        form.push("AccountSid", self.setup.account);
        form.push("CallSid", self.setup.sid);
        form.push(format_args!("{kind}Sid"), about.sid);
        match about.name {
            Some(name) => form.push(format_args!("{kind}Name"), name),
            None => form.push(format_args!("{kind}Name"), about.sid),
        }
        form.push(format_args!("{kind}Event"), event);
        for (name, value) in more {
            form.push(format_args!("{kind}{name}"), value);
        }
        form.push("Timestamp", iso8601(now.unix_ms));
        let url = WebUrl::parse(&callback.url);
        self.callback(HttpKind::SideCallback, url, callback.method, form);
    }
}

/// What an event is about.
pub(super) struct About<'a> {
    /// How the names of its parameters begin.
    pub kind: &'a str,
    pub sid: &'a dyn Display,
    pub name: Option<&'a str>,
    pub callback: Option<&'a Webhook>,
}

/// How many tracks these are.
pub(super) const fn count(tracks: TapTracks) -> usize {
    match tracks {
        TapTracks::Inbound | TapTracks::Outbound => 1,
        TapTracks::Both => 2,
    }
}
