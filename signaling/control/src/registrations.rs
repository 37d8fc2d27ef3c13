//! Our registrations at carriers (`[[trunk]] register`): asked for, kept alive, taken back when we
//! drain (RFC 3261 §10.2). Sans-IO.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use shared::config::Trunk;
use shared::{Instant, Now};
use sip::{
    Command, Destination, Method, NameAddr, OutgoingRequest, OwnContact, Parameters, RequestId,
    Responded, Sequence, SessionId, Uri,
};

use crate::control::Control;
use crate::effect::{Effect, Observation, ResolveTarget};
use crate::input::ResolveFailure;
use crate::outbound::{sip_transport, trunk_credentials};

/// One trunk's registration.
#[derive(Debug)]
pub(crate) struct Registration {
    /// Its index in the settings.
    trunk: usize,
    state: State,
    sequence: Option<Sequence>,
    /// Seconds to ask for: more than the setting once the registrar wanted more.
    ask_s: u32,
    /// Failures in a row.
    failures: u32,
    /// Whether the registrar has us now.
    is_bound: bool,
    /// Where the registrar is: calls come from there, too.
    registrar: Vec<Destination>,
}

/// What it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// For its time.
    Due(Instant),
    /// For the registrar's addresses.
    Resolving(SessionId),
    /// For the registrar's word.
    Asking(RequestId),
    /// For nothing: it was taken back.
    Over,
}

/// All registrations; what there is is fixed by the settings.
#[derive(Debug, Default)]
pub(crate) struct Registrations {
    list: Vec<Registration>,
    /// Refreshes that wait for addresses.
    resolving: BTreeMap<SessionId, usize>,
    next_request: u64,
}

impl Registrations {
    /// One for each trunk that wants it, due at once.
    pub fn new(trunks: &[Trunk]) -> Self {
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
        Self { list: wanted.map(begin).collect(), ..Self::default() }
    }

    /// When the next one is due.
    pub fn deadline(&self) -> Option<Instant> {
        let due = |registration: &Registration| match registration.state {
            State::Due(at) => Some(at),
            State::Resolving(_) | State::Asking(_) | State::Over => None,
        };
        self.list.iter().filter_map(due).min()
    }

    /// The trunk whose registrar has that address, and has us.
    pub fn trunk_at(&self, source: IpAddr) -> Option<usize> {
        let source = source.to_canonical();
        let is_there = |registration: &&Registration| {
            let is_source = |to: &Destination| to.remote.ip().to_canonical() == source;
            registration.is_bound && registration.registrar.iter().any(is_source)
        };
        self.list.iter().find(is_there).map(|registration| registration.trunk)
    }

    /// How many there are, and how many hold.
    pub fn counts(&self) -> (usize, usize) {
        let bound = self.list.iter().filter(|registration| registration.is_bound).count();
        (self.list.len(), bound)
    }
}

impl Control {
    /// Sets out for every registrar that is due.
    pub(crate) fn registrations_due(&mut self, now: Now) {
        for index in 0..self.registrations.list.len() {
            let Some(registration) = self.registrations.list.get(index) else { continue };
            if !matches!(registration.state, State::Due(at) if at <= now.mono) {
                continue;
            }
            let session = self.next_session_id();
            match self.registrar(index) {
                Some((_, target)) => {
                    self.registrations.resolving.insert(session, index);
                    self.set_state(index, State::Resolving(session));
                    self.push(Effect::Resolve { session, target });
                }
                None => {
                    let sentence = "`register` is no SIP URI".to_owned();
                    self.registration_failed(now, index, sentence);
                }
            }
        }
    }

    /// The Request-URI of REGISTER, and where to look it up.
    fn registrar(&self, index: usize) -> Option<(Uri, ResolveTarget)> {
        let trunk = self.settings.trunks.get(self.registrations.list.get(index)?.trunk)?;
        let (target, _) = call::sip_noun::parse(&trunk.register).ok()?;
        let mut uri = Uri::parse(target.uri.as_bytes()).ok()?.as_sip()?.clone();
        uri.user = None;
        uri.password = None;
        let transport = target.transport.map(sip_transport);
        let target = ResolveTarget { host: target.host, port: target.port, transport };
        Some((uri.into(), target))
    }

    /// Whether the addresses were asked for by a registration.
    pub(crate) fn on_registrar_resolved(
        &mut self,
        now: Now,
        session: SessionId,
        result: Result<Vec<Destination>, ResolveFailure>,
    ) {
        let Some(index) = self.registrations.resolving.remove(&session) else { return };
        match result {
            Ok(destinations) if !destinations.is_empty() => {
                if let Some(registration) = self.registrations.list.get_mut(index) {
                    registration.registrar = destinations;
                }
                self.send_register(now, index);
            }
            Ok(_) => {
                self.registration_failed(now, index, "the registrar has no address".to_owned())
            }
            Err(failure) => self.registration_failed(now, index, failure.sentence),
        }
    }

    fn send_register(&mut self, now: Now, index: usize) {
        self.registrations.next_request += 1;
        let request = RequestId(self.registrations.next_request);
        let draining = self.draining;
        let Some((request_uri, _)) = self.registrar(index) else { return };
        let Some(registration) = self.registrations.list.get_mut(index) else { return };
        let Some(trunk) = self.settings.trunks.get(registration.trunk) else { return };
        let Some(address) = address_of_record(&request_uri, &trunk.username) else {
            let sentence = "the user name cannot stand in a SIP URI".to_owned();
            return self.registration_failed(now, index, sentence);
        };
        let expires_s = if draining { 0 } else { registration.ask_s };
        let mut parameters = Parameters::new();
        let _ = parameters.set("expires", Some(&expires_s.to_string())); // digits are a token
        let message = Box::new(OutgoingRequest {
            method: Method::Register,
            destinations: registration.registrar.clone(),
            request_uri,
            to: address.clone(),
            from: address,
            contact: Some(OwnContact { user: trunk.username.clone(), parameters }),
            continues: registration.sequence.take(),
            headers: vec![("Expires".to_owned(), expires_s.to_string().into_bytes())],
            credentials: trunk_credentials(trunk),
            route: Vec::new(),
        });
        self.set_state(index, State::Asking(request));
        self.ua_commands.push_back(Command::Request { request, message });
    }

    /// The registrar's word, or that there was none.
    pub(crate) fn on_responded(&mut self, now: Now, responded: Responded) {
        let asked = State::Asking(responded.request);
        let found = self.registrations.list.iter().position(|found| found.state == asked);
        let Some(index) = found else { return };
        let Some(registration) = self.registrations.list.get_mut(index) else { return };
        let granted_s = granted_s(&responded, registration.ask_s);
        let least_s = responded.headers.as_ref().and_then(sip::Headers::min_expires);
        let Responded { status, sequence, headers, reason, .. } = responded;
        registration.sequence = sequence.or(registration.sequence.take());
        match status {
            200..=299 => {
                let refresh = Duration::from_secs(u64::from(granted_s) / 2).max(PAUSE_MIN);
                registration.failures = 0;
                registration.state = State::Due(now.mono + refresh);
                let was_bound = std::mem::replace(&mut registration.is_bound, true);
                if !was_bound {
                    let sentence = format!("registered for {granted_s} s");
                    self.tell_of_registration(index, true, sentence);
                }
            }
            // Asks for as long as the registrar wants it at least (RFC 3261 §10.2.8).
            423 if least_s.is_some_and(|least| least > registration.ask_s && least <= DAY_S) => {
                registration.ask_s = least_s.unwrap_or(DAY_S);
                registration.state = State::Due(now.mono);
            }
            _ => {
                let sentence = match headers {
                    Some(_) => format!("the registrar answered {status}"),
                    None => {
                        format!("the registrar did not answer: {}", reason.trim_end_matches('.'))
                    }
                };
                self.registration_failed(now, index, sentence);
            }
        }
    }

    /// Again after a while, twice as long each time, by up to a quarter more so that the gateways of
    /// one carrier do not all come back at once.
    fn registration_failed(&mut self, now: Now, index: usize, sentence: String) {
        let random = self.random.between(0, 250);
        let Some(registration) = self.registrations.list.get_mut(index) else { return };
        registration.is_bound = false;
        registration.failures = registration.failures.saturating_add(1);
        let doubled = RETRY_FIRST.saturating_mul(1 << (registration.failures - 1).min(10));
        let pause = doubled.min(RETRY_LAST);
        let pause = pause.saturating_add(pause.saturating_mul(random) / 1_000);
        registration.state = State::Due(now.mono + pause);
        let sentence = format!("{sentence}; asked again in {} s", pause.as_secs());
        self.tell_of_registration(index, false, sentence);
    }

    /// Takes every registration back: no carrier is to send calls here any more. Nobody waits for
    /// what the registrars say to it.
    pub(crate) fn unregister(&mut self, now: Now) {
        for index in 0..self.registrations.list.len() {
            let Some(registration) = self.registrations.list.get_mut(index) else { continue };
            if std::mem::take(&mut registration.is_bound) {
                self.send_register(now, index);
            }
            self.set_state(index, State::Over);
        }
    }

    fn set_state(&mut self, index: usize, state: State) {
        if let Some(registration) = self.registrations.list.get_mut(index) {
            registration.state = state;
        }
    }

    fn tell_of_registration(&mut self, index: usize, is_bound: bool, sentence: String) {
        let registration = self.registrations.list.get(index);
        let trunk = registration.and_then(|found| self.settings.trunks.get(found.trunk));
        let trunk = trunk.map(|trunk| trunk.name.clone()).unwrap_or_default();
        self.observe(Observation::Registration { trunk, is_bound, sentence });
    }
}

/// What our Contact was granted (RFC 3261 §10.2.4). A registrar that rewrote it granted the least of
/// all that it lists; one that lists nothing said it in `Expires`, or took what was asked.
fn granted_s(responded: &Responded, asked_s: u32) -> u32 {
    let listed = responded.contacts.list();
    let own = responded.own_contact.as_ref();
    let is_ours = |contact: &&NameAddr| own.is_some_and(|own| own.uri.equivalent(&contact.uri));
    let of_ours = listed.iter().find(is_ours).and_then(NameAddr::expires);
    of_ours
        .or_else(|| listed.iter().filter_map(NameAddr::expires).min())
        .or_else(|| responded.headers.as_ref()?.expires())
        .unwrap_or(asked_s)
}

fn address_of_record(registrar: &Uri, user: &str) -> Option<Uri> {
    let mut uri = registrar.as_sip()?.clone();
    uri.parameters = Parameters::new();
    let host = Uri::Sip(uri).to_string();
    let host = host.strip_prefix("sip:")?;
    Uri::parse(format!("sip:{user}@{host}").as_bytes()).ok()
}

/// Least that is asked for.
const LEAST_S: u32 = 60;
/// Most that a registrar may make us ask for.
const DAY_S: u32 = 24 * 3_600;
/// A registrar that grants next to nothing is still asked every so often only.
const PAUSE_MIN: Duration = Duration::from_secs(5);
const RETRY_FIRST: Duration = Duration::from_secs(5);
const RETRY_LAST: Duration = Duration::from_secs(600);
