//! The machine itself: its state, its one loop, its timers. Sans-IO.
//!
//! Control composes two kinds of machines: one `UserAgent`, and a `Call` for each live call. They never
//! see each other. Each says what it wants by effects, and Control turns those into inputs of the other,
//! or into effects of its own for the shell. One input may set off a long chain (a 200 starts a leg, the
//! call plays a prompt, the prompt fails, the call hangs up, BYE leaves); `pump` follows it to its end
//! before `handle` returns, so the shell never sees a state in between.
//!
//! Three queues carry the values, in this order of precedence: effects of the user agent, commands for
//! it, inputs for calls. What a call does to its SIP session takes effect before its next effect: after
//! `Answer`, the leg is up before the prompt that follows plays on it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use call::CallInput;
use shared::time::soonest;
use shared::{CallSid, Instant, Now, Random};
use sip::{Command, Overload, UserAgent};
use store::{Change, Snapshot, Writes};

use crate::effect::{Effect, Observation};
use crate::input::Input;
use crate::placement::Placement;
use crate::settings::ControlSettings;
use crate::state::alerts::Alerts;
use crate::state::api_rate::ApiRate;
use crate::state::clock_watch::ClockWatch;
use crate::state::commits::{Commits, Waiting};
use crate::state::conferences::Conferences;
use crate::state::leg_survey::LegSurvey;
use crate::state::links::Links;
use crate::state::live_call::LiveCall;
use crate::state::owed_callbacks::OwedCallbacks;
use crate::state::queues::Queues;
use crate::state::registrations::Registrations;
use crate::state::timeline::Kind;
use crate::state::validations::Validations;
use crate::tokens::ApiToken;

/// Most calls that [`Control::assert_consistent`] goes through.
const CALLS_CHECKED_MAX: usize = 100;

/// One UserAgent, all Calls, the bridges between them.
///
/// Driven by one thread: one [`Control::handle`], then [`Control::poll_effect`] until `None`, then
/// arm [`Control::poll_timeout`].
pub struct Control {
    pub(crate) settings: ControlSettings,
    /// The committed configuration.
    pub(crate) snapshot: Snapshot,
    pub(crate) ua: UserAgent,
    /// Pairs of user and source with too many wrong passwords.
    pub(crate) lockout: sip::digest::Lockout,
    /// Contacts that phones registered here.
    pub(crate) registrar: sip::registrar::Registrar,
    pub(crate) clock_watch: ClockWatch,
    pub(crate) calls: BTreeMap<CallSid, LiveCall>,
    /// Calls that are over but for the text of what was said, which may come minutes later.
    pub(crate) awaiting_text: BTreeSet<CallSid>,
    pub(crate) links: Links,
    pub(crate) conferences: Conferences,
    pub(crate) queues: Queues,
    pub(crate) validations: Validations,
    pub(crate) owed_callbacks: OwedCallbacks,
    pub(crate) placement: Placement,
    /// REST writes under way.
    pub(crate) writes: Writes<ApiToken>,
    pub(crate) commits: Commits,
    pub(crate) alerts: Alerts,
    /// No new calls: the process is about to end.
    pub(crate) draining: bool,
    /// Transports that bring more than the gateway handles.
    pub(crate) overload: Overload,
    pub(crate) api_rate: ApiRate,
    /// The request for the legs of the node that is under way.
    pub(crate) leg_survey: LegSurvey,
    /// Our registrations with carriers.
    pub(crate) registrations: Registrations,
    pub(crate) random: Random,
    ua_commands: VecDeque<Command>,
    inbox: VecDeque<(CallSid, CallInput)>,
    /// When calls want [`Control::handle_timeout`]; each has its own key in `LiveCall::deadline`.
    deadlines: BTreeSet<(Instant, CallSid)>,
    effects: VecDeque<Effect>,
}

impl Control {
    /// A machine without media cores; the shell adds them by [`Input::CoreStarted`].
    ///
    /// `seed` must be secret and fresh: nonces, SIDs, SSRCs and tags come from it.
    pub fn new(settings: ControlSettings, snapshot: Snapshot, seed: [u8; 32]) -> Self {
        let mut random = Random::new(seed);
        let realm = snapshot.realm();
        let mut config = sip::UaConfig::new(settings.origin, realm, realm);
        // The user agent answers 405 to methods that are not in this list. The registrar is a part
        // of Control, so REGISTER is added here.
        config.methods.push(sip::Method::Register);
        // Trunks and domains switch extensions on, so each INVITE gets its own by
        // `choose_extensions`. Until then none is on.
        config.extensions = shared::Extensions::LEAST;
        config.tcp_port = settings.tcp_port;
        config.offers_sha256 = settings.digest_sha256;
        config.silence_max = settings.silence_max;
        Self {
            ua: UserAgent::new(config, random.bytes()),
            lockout: sip::digest::Lockout::default(),
            registrar: sip::registrar::Registrar::new(
                settings.bindings_max.saturating_mul(shared::limits::BINDING_BYTES),
            ),
            clock_watch: ClockWatch::default(),
            calls: BTreeMap::new(),
            awaiting_text: BTreeSet::new(),
            links: Links::default(),
            conferences: Conferences::default(),
            queues: Queues::default(),
            validations: Validations::default(),
            owed_callbacks: OwedCallbacks::default(),
            placement: Placement::default(),
            writes: Writes::default(),
            commits: Commits::default(),
            alerts: Alerts::default(),
            draining: false,
            overload: Overload::default(),
            api_rate: ApiRate::default(),
            leg_survey: LegSurvey::default(),
            registrations: Registrations::new(&settings.trunks),
            ua_commands: VecDeque::new(),
            inbox: VecDeque::new(),
            deadlines: BTreeSet::new(),
            effects: VecDeque::new(),
            random,
            settings,
            snapshot,
        }
    }

    /// Takes one input and follows it to its end: afterwards all machines are quiet.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        debug_assert!(self.effects.is_empty(), "drain the effects before the next input");
        // Before the input: a binding that this input makes has its expiry by the new clock
        // already, and must not be shifted with the older ones.
        self.watch_clock(now);
        match input {
            Input::TlsRefused { source, name, failure } => {
                self.on_tls_refused(now, source, name.as_deref(), failure);
            }
            Input::Sip(input) => {
                // The bindings go before the user agent ends the calls of the connection: a call
                // that dials on must not ring a phone behind it.
                if let sip::Input::FlowClosed { flow } = &input {
                    self.connection_closed(*flow);
                }
                self.drive_user_agent(now, input);
            }
            Input::Media { core, event } => self.on_media(now, core, event),
            Input::CoreStarted { ports, legs_max } => {
                self.placement.add_core(&ports, legs_max);
            }
            Input::CoreLost { core, sentence } => self.on_core_lost(now, core, &sentence),
            Input::Api { token, request } => self.on_api(now, token, request),
            Input::Committed { token, outcome } => self.on_committed(now, token, outcome),
            Input::Http { call, request, result } => self.on_http(now, call, request, result),
            Input::PromptReady { call, prompt, result, other_voice } => {
                self.on_prompt(now, call, prompt, result, other_voice);
            }
            // Calls and trunk registrations draw their session ids from one counter. A session with
            // a link is a call's; any other is a registration's, or its call waits no more.
            Input::Resolved { session, result } if self.call_of(session).is_some() => {
                self.on_resolved(now, session, result);
            }
            Input::Resolved { session, result } => match self.links.siprec_of_session(session) {
                Some(of) => self.siprec_resolved(now, of, result),
                None => self.on_registrar_resolved(now, session, result),
            },
            Input::Stream { call, stream, event } => self.on_stream(now, call, stream, event),
            Input::Recognition { call, recognition, event } => {
                self.on_recognition(call, recognition, event);
            }
            Input::RecordingDone { tap, result } => self.on_recording_done(now, tap, result),
            Input::RecordingUploaded(upload) => self.on_recording_uploaded(now, upload),
            Input::HostedAlert(alert) => self.alert_in_words(now, alert),
            Input::CoreRestarted { core, sentence } => {
                self.on_core_restarted(now, core, &sentence);
            }
            Input::Overload(overload) => {
                self.overload = overload;
                self.ua.set_overload(now, overload);
            }
            Input::Settings(settings) => self.on_settings(*settings),
            Input::HistoryLost { rows } => self.on_history_lost(now, &rows),
            Input::Drain => {
                self.draining = true;
                // At once, not after the last call: a carrier would send calls here that are
                // refused.
                self.unregister();
            }
            Input::End => self.on_end(now),
        }
        self.pump(now);
        let is_quiet = self.inbox.is_empty() && self.ua_commands.is_empty();
        debug_assert!(is_quiet, "all machines are quiet after an input");
        self.assert_consistent();
    }

    /// Takes over the settings that may change while calls are up; the others need a restart.
    fn on_settings(&mut self, new: ControlSettings) {
        // Before the settings change: a removal is built from the trunk that disappears.
        self.change_trunks(&new.trunks);
        let own = &mut self.settings;
        own.default_domain = new.default_domain;
        own.answer_unauthenticated = new.answer_unauthenticated;
        own.caller_ids = new.caller_ids;
        own.latch = new.latch;
        own.media_timeout_s = new.media_timeout_s;
        own.hold_timeout_s = new.hold_timeout_s;
        own.api_calls_a_second = new.api_calls_a_second;
        own.trunks = new.trunks;
        // The base follows from the bound listener, which only a restart changes. Calls that are up
        // keep the settings that they began with, so the shared value is replaced and not changed.
        let mut call = new.call;
        Arc::make_mut(&mut call).api_base.clone_from(&own.call.api_base);
        own.call = call;
    }

    /// Runs every timer that is due.
    pub fn handle_timeout(&mut self, now: Now) {
        debug_assert!(self.effects.is_empty(), "drain the effects before the timers");
        self.watch_clock(now);
        self.rewrite_bindings(now);
        // The user agent first: when one of its timers ends a session, the call gets that end
        // before its own timer acts on a session that is gone.
        if self.ua.poll_timeout().is_some_and(|(at, _)| at <= now.mono) {
            self.guarded("user agent timer", |control| control.ua.handle_timeout(now));
            self.pump(now);
        }
        if self.registrations.deadline().is_some_and(|at| at <= now.mono) {
            self.registrations_due(now);
            self.pump(now);
        }
        // Before the timers of calls: a call that dials on must not ring an expired contact.
        self.expire_bindings(now.mono);
        self.answer_leg_survey(now);
        self.send_owed_callbacks(now);
        // Popped before the call runs: a call that is due once more arms a new deadline, and one that is
        // gone by then leaves none behind.
        while let Some((at, sid)) = self.deadlines.first().copied() {
            if at > now.mono {
                break;
            }
            self.deadlines.pop_first();
            self.drive_call(now, sid, |call| call.handle_timeout(now));
            self.pump(now);
        }
        self.assert_consistent();
    }

    /// In debug builds, checks the beliefs about state that is kept twice: links, and the index of
    /// deadlines. With many calls a check after each input would cost more than the input.
    fn assert_consistent(&self) {
        if !cfg!(debug_assertions) || self.calls.len() > CALLS_CHECKED_MAX {
            return;
        }
        self.links.assert_consistent(&self.calls);
        let has_call = |sid: &CallSid| self.calls.contains_key(sid);
        assert!(self.awaiting_text.iter().all(has_call), "only calls wait for a text");
        self.conferences.assert_consistent();
        self.queues.assert_consistent();
        let armed = self.calls.values().filter_map(|entry| Some((entry.deadline?, entry.sid)));
        let armed: BTreeSet<(Instant, CallSid)> = armed.collect();
        assert_eq!(armed, self.deadlines, "deadlines of calls and their index");
    }

    /// The next effect, in the order in which the shell carries them out.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to call [`Control::handle_timeout`] next, and the name of the timer.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let calls = self.deadlines.first().map(|(at, _)| (*at, "call"));
        let registration = self.registrations.deadline().map(|at| (at, "registration"));
        let bindings = self.registrar.deadline().map(|at| (at, "bindings"));
        let clock = self.clock_deadline().map(|at| (at, "clock"));
        let registrations = soonest(soonest(registration, bindings), clock);
        let survey = self.leg_survey.deadline().map(|at| (at, "descriptions of legs"));
        let owed = self.owed_callbacks.deadline().map(|at| (at, "callback of a call before"));
        let others = soonest(soonest(registrations, survey), owed);
        soonest(soonest(self.ua.poll_timeout(), calls), others)
    }

    /// Number of live calls.
    pub fn calls_live(&self) -> usize {
        self.calls.len()
    }

    /// Number of legs that the media cores still have room for.
    pub fn legs_free(&self) -> usize {
        self.placement.room()
    }

    /// Number of trunks that register with their carrier, and of those that are registered.
    pub fn trunk_registrations(&self) -> (usize, usize) {
        self.registrations.counts()
    }

    /// Whether a drain is complete: no call is left, nor a callback of a conference.
    pub fn is_drained(&self) -> bool {
        self.draining && self.calls.is_empty() && self.conferences.is_empty()
    }

    /// Counters of the SIP side.
    pub fn ua_meters(&self) -> sip::user_agent::UaMeters {
        self.ua.meters()
    }

    /// The committed configuration.
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Carries values between the machines until all are quiet.
    fn pump(&mut self, now: Now) {
        self.settle_user_agent(now);
        while let Some((sid, input)) = self.inbox.pop_front() {
            self.drive_call(now, sid, |call| call.handle(now, input));
            self.settle_user_agent(now);
        }
    }

    fn drive_user_agent(&mut self, now: Now, input: sip::Input<'_>) {
        self.guarded("user agent", |control| control.ua.handle(now, input));
    }

    /// Runs the user agent; a panic in it is reported as a fault and does not end the process.
    fn guarded(&mut self, place: &'static str, run: impl FnOnce(&mut Self)) {
        // The user agent stays, unlike a call whose machine panics: it holds the dialogs of all
        // calls, and a fresh one would know none of them. Only the rest of this input is lost.
        if catch_unwind(AssertUnwindSafe(|| run(self))).is_err() {
            let sentence = "A panic was caught; please report it with the log above.".to_owned();
            self.observe(Observation::Fault { place, sentence });
        }
    }

    /// Gives a call one input and carries out its effects, settling the user agent after each.
    pub(crate) fn drive_call(&mut self, now: Now, sid: CallSid, run: impl FnOnce(&mut call::Call)) {
        // A machine whose successor panicked as well is never driven again.
        let Some(entry) = self.calls.get_mut(&sid).filter(|entry| entry.panics < 2) else { return };
        if catch_unwind(AssertUnwindSafe(|| run(&mut entry.call))).is_err() {
            return self.on_call_panic(now, sid);
        }
        // Looked up anew for each effect: carrying out one of them may forget the call.
        while let Some(entry) = self.calls.get_mut(&sid) {
            match catch_unwind(AssertUnwindSafe(|| entry.call.poll_effect())) {
                Ok(Some(effect)) => self.on_call_effect(now, sid, effect),
                Ok(None) => break,
                Err(_) => return self.on_call_panic(now, sid),
            }
            self.settle_user_agent(now);
        }
        // After the last effect: until then the machine may still change its deadline.
        self.arm(sid);
        self.forget_if_over(sid);
    }

    /// Carries out waiting commands and the effects that follow. Inputs for calls wait in the inbox, so
    /// that a call may use this in the middle of its own effects.
    pub(crate) fn settle_user_agent(&mut self, now: Now) {
        loop {
            if let Some(effect) = self.ua.poll_effect() {
                self.on_user_agent(now, effect);
            } else if let Some(command) = self.ua_commands.pop_front() {
                self.drive_user_agent(now, sip::Input::Command(command));
            } else {
                return;
            }
        }
    }

    fn arm(&mut self, sid: CallSid) {
        self.disarm(sid);
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        // The old key is taken out first: the index finds a deadline only by its exact time.
        if let Some((at, _)) = entry.call.poll_timeout() {
            entry.deadline = Some(at);
            let is_new = self.deadlines.insert((at, sid));
            debug_assert!(is_new, "a call has one deadline in the index");
        }
    }

    /// Takes a call out of the index of deadlines.
    pub(crate) fn disarm(&mut self, sid: CallSid) {
        let deadline = self.calls.get_mut(&sid).and_then(|entry| entry.deadline.take());
        if let Some(at) = deadline {
            self.deadlines.remove(&(at, sid));
        }
    }

    pub(crate) fn children_of(&self, sid: CallSid) -> Vec<CallSid> {
        let is_child = |entry: &&LiveCall| entry.parent == Some(sid);
        self.calls.values().filter(is_child).map(|entry| entry.sid).collect()
    }

    /// Drops a call that is over, and sends its timeline to disk.
    pub(crate) fn forget_if_over(&mut self, sid: CallSid) {
        let Some(entry) = self.calls.get(&sid) else { return };
        if !entry.is_over() {
            if entry.awaits_text() {
                self.awaiting_text.insert(sid);
            }
            return;
        }
        self.awaiting_text.remove(&sid);
        self.disarm(sid);
        self.validations.end(sid);
        let Some(entry) = self.calls.remove(&sid) else { return };
        let timeline = store::TimelineRecord {
            call: sid,
            account: entry.account,
            json: entry.timeline.to_json(),
        };
        // Written once, at the end. A reader of a live call gets its timeline from memory
        // (`ReadTimeline`).
        self.commit(None, Change::PutTimeline(Arc::new(timeline)));
        self.push(Effect::CallGone { call: sid });
    }

    pub(crate) fn tell(&mut self, sid: CallSid, input: CallInput) {
        // Parents, children and peers may still name a call that is gone; it needs no input.
        if self.calls.contains_key(&sid) {
            self.inbox.push_back((sid, input));
        }
    }

    /// Queues a command for the user agent, until the next [`Control::settle_user_agent`] or the end of
    /// this input.
    pub(crate) fn command(&mut self, command: Command) {
        self.ua_commands.push_back(command);
    }

    pub(crate) fn push(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub(crate) fn observe(&mut self, observation: Observation) {
        self.push(Effect::Observe(observation));
    }

    /// Writes to the store. `waiting` is done when the commit completes; `None` for history.
    pub(crate) fn commit(&mut self, waiting: Option<Waiting>, change: Change) {
        let token = waiting.map(|waiting| self.commits.wait(waiting));
        self.push(Effect::Commit { token, change: Box::new(change) });
    }

    pub(crate) fn note(&mut self, now: Now, sid: CallSid, kind: Kind, text: impl Display) {
        if let Some(entry) = self.calls.get_mut(&sid) {
            entry.timeline.add(now.unix_ms, kind, text);
        }
    }
}
