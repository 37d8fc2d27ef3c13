//! Outbound registrations with carriers, one for each `[[trunk]]` with `register` (RFC 3261 §10.2).
//!
//! Each waits for one thing at a time: its time (`Due`), the addresses of its registrar (`Resolving`), or
//! the response (`Asking`); after a drain for nothing (`Over`). A 2xx leads to `Due` at half of the time
//! that was granted, a failure to `Due` after a pause that doubles. `crate::trunk_registrations` builds
//! and sends the requests.
//!
//! When the settings change, a registration with the registrar and the user name of a new trunk goes on
//! with it, and only the others are removed from their carriers. Were all removed and made anew, a
//! removal that is sent again after a loss could arrive after the new binding, and delete it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use shared::Instant;
use shared::config::Trunk;
use sip::{Destination, NameAddr, RequestId, Responded, Sequence, SessionId};

/// Least number of seconds that a REGISTER asks for.
const LEAST_S: u32 = 60;
/// Most that a registrar's `Min-Expires` may raise it to.
const DAY_S: u32 = 24 * 3_600;
/// Least time between two refreshes, whatever the registrar grants.
const PAUSE_MIN: Duration = Duration::from_secs(5);
const RETRY_FIRST: Duration = Duration::from_secs(5);
const RETRY_LAST: Duration = Duration::from_secs(600);

/// All registrations. Their number is fixed by the settings.
#[derive(Debug, Default)]
pub(crate) struct Registrations {
    list: Vec<Registration>,
    /// Which of them a session id was resolved for.
    resolving: BTreeMap<SessionId, usize>,
    /// Rises for as long as Control lives: the response to a removal finds no later request.
    last_request: u64,
}

/// One trunk's registration.
#[derive(Debug)]
struct Registration {
    /// Its index in the settings.
    trunk: usize,
    state: State,
    sequence: Option<Sequence>,
    /// Seconds to ask for: raised when the registrar wants more than the setting.
    ask_s: u32,
    /// Failures in a row.
    failures: u32,
    /// Whether the registrar holds our binding.
    is_bound: bool,
    /// Addresses of the registrar: its calls come from there, too.
    registrar: Vec<Destination>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Due(Instant),
    Resolving(SessionId),
    Asking(RequestId),
    Over,
}

/// What goes into the next REGISTER of a registration.
#[derive(Debug)]
pub(crate) struct Refresh {
    pub request: RequestId,
    pub destinations: Vec<Destination>,
    /// Call-ID and CSeq to continue with; `None`: the first of this process.
    pub continues: Option<Sequence>,
    /// Seconds to ask for; 0 removes the binding (RFC 3261 §10.2.2).
    pub ask_s: u32,
}

/// What a response did to a registration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Response {
    /// It is bound for `granted_s` seconds; `is_new`: it was not bound before.
    Bound { granted_s: u32, is_new: bool },
    /// The carrier refused the interval as too brief (423); the next REGISTER requests a longer one at
    /// once.
    TooBrief,
    /// It failed, with this reason. The caller says when to try again: [`Registrations::fail`].
    Failed(String),
}

impl Registrations {
    /// One for each trunk that registers, due at once.
    pub fn new(trunks: &[Trunk]) -> Self {
        Self { list: due_at_once(trunks), ..Self::default() }
    }

    /// Takes over changed trunks. Returns the removals to send to carriers that have lost their trunk,
    /// each with the index of that trunk in `before`.
    pub fn change(&mut self, before: &[Trunk], trunks: &[Trunk]) -> Vec<(usize, Refresh)> {
        let mut former = std::mem::replace(&mut self.list, due_at_once(trunks));
        for registration in &mut self.list {
            let Some(trunk) = trunks.get(registration.trunk) else { continue };
            let has_its_binding = |found: &Registration| {
                before.get(found.trunk).is_some_and(|former| is_one_binding(former, trunk))
            };
            if let Some(at) = former.iter().position(has_its_binding) {
                // Taken out, so that of two trunks with one binding only one continues it.
                let found = former.swap_remove(at);
                let is_same =
                    before.get(found.trunk).is_some_and(|former| asks_alike(former, trunk));
                registration.continue_as(found, is_same);
            }
        }
        // The indices have changed with the list.
        self.resolving = self.list.iter().enumerate().filter_map(resolved_for).collect();
        let mut removals = Vec::new();
        for mut registration in former {
            let removal = registration.withdraw(self.next_request());
            removals.extend(removal.map(|removal| (registration.trunk, removal)));
        }
        removals
    }

    /// Number of registrations; each is named by its index below that.
    pub const fn len(&self) -> usize {
        self.list.len()
    }

    /// When the next one is due.
    pub fn deadline(&self) -> Option<Instant> {
        let due = |registration: &Registration| match registration.state {
            State::Due(at) => Some(at),
            State::Resolving(_) | State::Asking(_) | State::Over => None,
        };
        self.list.iter().filter_map(due).min()
    }

    /// Whether this one is due now.
    pub fn is_due(&self, index: usize, now: Instant) -> bool {
        let registration = self.list.get(index);
        registration.is_some_and(|found| matches!(found.state, State::Due(at) if at <= now))
    }

    /// The index of its trunk in the settings.
    pub fn trunk_of(&self, index: usize) -> Option<usize> {
        self.list.get(index).map(|registration| registration.trunk)
    }

    /// The trunk whose registrar has that address and holds our binding.
    pub fn trunk_at(&self, source: IpAddr) -> Option<usize> {
        let source = source.to_canonical();
        let is_there = |registration: &&Registration| {
            let is_source = |to: &Destination| to.remote.ip().to_canonical() == source;
            // Only while it is bound: an address that DNS has named once must not stay trusted.
            registration.is_bound && registration.registrar.iter().any(is_source)
        };
        self.list.iter().find(is_there).map(|registration| registration.trunk)
    }

    /// How many there are, and how many are bound.
    pub fn counts(&self) -> (usize, usize) {
        let bound = self.list.iter().filter(|registration| registration.is_bound).count();
        (self.list.len(), bound)
    }

    /// The registrar's addresses are looked up under this session id.
    pub fn resolve(&mut self, index: usize, session: SessionId) {
        self.resolving.insert(session, index);
        self.set_state(index, State::Resolving(session));
    }

    /// The registration that waits for the addresses of this session id; `None`: none waits for them.
    pub fn take_resolved(&mut self, session: SessionId) -> Option<usize> {
        let index = self.resolving.remove(&session)?;
        let registration = self.list.get(index)?;
        (registration.state == State::Resolving(session)).then_some(index)
    }

    /// Keeps the addresses of the registrar.
    pub fn set_registrar(&mut self, index: usize, destinations: Vec<Destination>) {
        if let Some(registration) = self.list.get_mut(index) {
            registration.registrar = destinations;
        }
    }

    /// A REGISTER goes out now: [`Self::on_response`] takes its response.
    pub fn ask(&mut self, index: usize) -> Option<Refresh> {
        let request = self.next_request();
        let registration = self.list.get_mut(index)?;
        let has_addresses = matches!(registration.state, State::Resolving(_));
        debug_assert!(has_addresses, "a REGISTER follows the look-up of its registrar");
        registration.state = State::Asking(request);
        Some(registration.refresh(request, registration.ask_s))
    }

    /// Takes the final response to a REGISTER, or its absence. `None`: the registration has moved on.
    pub fn on_response(&mut self, now: Instant, responded: Responded) -> Option<(usize, Response)> {
        // A response that no registration waits for belongs to a removal, or to a trunk that is
        // gone.
        let asked = State::Asking(responded.request);
        let index = self.list.iter().position(|found| found.state == asked)?;
        let registration = self.list.get_mut(index)?;
        let granted_s = granted_s(&responded, registration.ask_s);
        let least_s = responded.headers.as_ref().and_then(sip::Headers::min_expires);
        let Responded { status, sequence, headers, reason, .. } = responded;
        registration.sequence = sequence.or(registration.sequence.take());
        let response = match status {
            200..=299 => {
                // At half of the time a lost response still leaves room for retries before the binding
                // ends.
                let refresh = Duration::from_secs(u64::from(granted_s) / 2).max(PAUSE_MIN);
                registration.failures = 0;
                registration.state = State::Due(now + refresh);
                let was_bound = std::mem::replace(&mut registration.is_bound, true);
                Response::Bound { granted_s, is_new: !was_bound }
            }
            // Interval Too Brief: asks for the least that the registrar takes (RFC 3261 §10.2.8).
            423 if least_s.is_some_and(|least| least > registration.ask_s && least <= DAY_S) => {
                registration.ask_s = least_s.unwrap_or(DAY_S);
                registration.state = State::Due(now);
                Response::TooBrief
            }
            _ => Response::Failed(match headers {
                Some(_) => format!("the registrar answered {status}"),
                None => format!("the registrar did not answer: {}", reason.trim_end_matches('.')),
            }),
        };
        Some((index, response))
    }

    /// Tries again after a pause, which it returns: twice the one before, and by up to a quarter more
    /// (`random`, 0 to 250 thousandths) so that the gateways of one carrier do not all come back at once.
    pub fn fail(&mut self, now: Instant, index: usize, random: u32) -> Duration {
        let Some(registration) = self.list.get_mut(index) else { return RETRY_LAST };
        // The carrier may still hold the binding, but nothing proves it until the next 2xx.
        registration.is_bound = false;
        registration.failures = registration.failures.saturating_add(1);
        let doubled = RETRY_FIRST.saturating_mul(1 << (registration.failures - 1).min(10));
        let pause = doubled.min(RETRY_LAST);
        let pause = pause.saturating_add(pause.saturating_mul(random) / 1_000);
        registration.state = State::Due(now + pause);
        pause
    }

    /// Ends every registration. Returns the removals to send, each with the index of its trunk; their
    /// responses are ignored.
    pub fn end(&mut self) -> Vec<(usize, Refresh)> {
        let mut removals = Vec::new();
        for index in 0..self.list.len() {
            let request = self.next_request();
            let Some(registration) = self.list.get_mut(index) else { continue };
            let removal = registration.withdraw(request);
            removals.extend(removal.map(|removal| (registration.trunk, removal)));
        }
        removals
    }

    fn next_request(&mut self) -> RequestId {
        self.last_request += 1;
        RequestId(self.last_request)
    }

    fn set_state(&mut self, index: usize, state: State) {
        if let Some(registration) = self.list.get_mut(index) {
            registration.state = state;
        }
    }
}

impl Registration {
    /// Goes on from the state of a registration of earlier settings. Where it would now ask otherwise, or
    /// does not hold its binding, it is due at once: the change may have mended it.
    fn continue_as(&mut self, former: Self, asks_alike: bool) {
        let Self { trunk, ask_s, .. } = *self;
        *self = Self { trunk, ..former };
        if asks_alike && self.is_bound {
            return;
        }
        (self.ask_s, self.failures) = (ask_s, 0);
        if matches!(self.state, State::Due(_)) {
            self.state = State::Due(Instant::ZERO);
        }
    }

    /// Ends the registration; a response on its way is ignored. `None` when the registrar cannot hold our
    /// binding. It may hold one before it has answered.
    fn withdraw(&mut self, request: RequestId) -> Option<Refresh> {
        let is_asking = matches!(self.state, State::Asking(_));
        let may_be_bound = std::mem::take(&mut self.is_bound) || is_asking;
        self.state = State::Over;
        may_be_bound.then(|| self.refresh(request, 0))
    }

    fn refresh(&mut self, request: RequestId, ask_s: u32) -> Refresh {
        // The sequence leaves with the request and returns with its response, so two requests never
        // share a CSeq.
        let (destinations, continues) = (self.registrar.clone(), self.sequence.take());
        Refresh { request, destinations, continues, ask_s }
    }
}

fn due_at_once(trunks: &[Trunk]) -> Vec<Registration> {
    let wanted = trunks.iter().enumerate().filter(|(_, trunk)| !trunk.register.is_empty());
    let begin = |(index, trunk): (usize, &Trunk)| Registration {
        trunk: index,
        state: State::Due(Instant::ZERO),
        sequence: None,
        ask_s: trunk.register_s.max(LEAST_S),
        failures: 0,
        is_bound: false,
        registrar: Vec::new(),
    };
    wanted.map(begin).collect()
}

/// Whether both trunks make one binding: the address of record and the Contact follow from these.
fn is_one_binding(one: &Trunk, other: &Trunk) -> bool {
    one.register == other.register && one.username == other.username
}

/// Whether both trunks register for the same time, with the same password.
fn asks_alike(one: &Trunk, other: &Trunk) -> bool {
    one.password == other.password && one.realm == other.realm && one.register_s == other.register_s
}

fn resolved_for((index, registration): (usize, &Registration)) -> Option<(SessionId, usize)> {
    match registration.state {
        State::Resolving(session) => Some((session, index)),
        State::Due(_) | State::Asking(_) | State::Over => None,
    }
}

/// Seconds that our Contact was granted (RFC 3261 §10.2.4). A registrar that rewrote it granted the least
/// of all that it lists; one that lists nothing said so in `Expires`, or took what we asked for.
fn granted_s(responded: &Responded, asked_s: u32) -> u32 {
    let listed = responded.contacts.list();
    let own = responded.own_contact.as_ref();
    let is_ours = |contact: &&NameAddr| own.is_some_and(|own| own.uri.equivalent(&contact.uri));
    let own_expires = listed.iter().find(is_ours).and_then(NameAddr::expires);
    own_expires
        .or_else(|| listed.iter().filter_map(NameAddr::expires).min())
        .or_else(|| responded.headers.as_ref()?.expires())
        .unwrap_or(asked_s)
}
