//! A whole house on a virtual clock: phones, a network with NATs and connections, the gateway's
//! `Control`, its disk, an application. The gateway's process may be killed and started again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use call::HttpAnswer;
use control::{Control, ControlSettings, Effect, Input, Observation};
use shared::{BindingSid, CallSid, CoreId, Extensions, Instant, MediaPort, Now, Prompt};
use sip::{Command, Flow, FlowId, SendFailure, SendTo, SendToken, SessionId, Transport, UaEvent};
use store::{BindingRecord, BindingTransport, CallRecord, CallStatus, Change, Outcome, Snapshot};

use super::book::Book;
use super::core::Cores;
use super::party::{Party, Wish, received};
use super::{GATEWAY, START_UNIX_MS, ground};
use crate::rng::Rng;

/// How bad the network is. No message is lost more than twice, however often it is sent: so what a
/// party must have seen in the end is certain, and the model says it exactly.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    pub loss: u64,
    pub copies: u64,
    pub jitter_ms: u64,
}

/// What the disk keeps.
#[derive(Default)]
pub struct Disk {
    pub bindings: BTreeMap<BindingSid, BindingRecord>,
    pub records: BTreeMap<CallSid, CallRecord>,
    /// How often each call came to an end.
    pub endings: BTreeMap<CallSid, u32>,
    /// When the process was last known to run.
    alive_ms: i64,
}

/// A webhook as the application saw it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub call: CallSid,
    pub path: String,
    pub form: Vec<(String, String)>,
}

impl Asked {
    pub fn value(&self, name: &str) -> &str {
        let found = self.form.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// One TCP connection of a phone to the gateway.
struct Stream {
    party: usize,
    /// The phone's address as the gateway sees it.
    remote: SocketAddr,
    /// A NAT forgot it: nothing passes any more, and nobody is told.
    is_dead: bool,
}

type OnControl = Box<dyn FnOnce(&mut Control, Now)>;

enum Later {
    /// A datagram, with the addresses that its receiver sees.
    Datagram {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    Opened {
        stream: FlowId,
        token: SendToken,
        bytes: Vec<u8>,
    },
    Bytes {
        stream: FlowId,
        to_gateway: bool,
        bytes: Vec<u8>,
    },
    Closed {
        stream: FlowId,
        to_gateway: bool,
    },
    /// The phone closes its connection itself.
    LetGo {
        party: usize,
        stream: FlowId,
    },
    /// For the process of that generation.
    Control(u8, OnControl),
    Party(usize, Command),
    /// Bytes that a phone (else the gateway) sent did not go out.
    SendFailed {
        party: Option<usize>,
        token: SendToken,
    },
    GatewayIsUp,
}

pub struct House {
    pub now: Now,
    pub rng: Rng,
    pub weather: Weather,
    pub control: Control,
    pub disk: Disk,
    pub cores: Cores,
    pub parties: Vec<Party>,
    /// What must be registered.
    pub book: Book,
    pub asked: Vec<Asked>,
    /// Codes of refusals, in order.
    pub refused: Vec<&'static str>,
    pub wrong: Vec<String>,
    pub is_down: bool,
    /// Whom a document of a transfer dials.
    snapshot: Snapshot,
    legs: usize,
    generation: u8,
    streams: BTreeMap<FlowId, Stream>,
    next_stream: u64,
    lost: BTreeMap<(SocketAddr, String), u8>,
    /// The final status of every request so far, by branch and number.
    answered: BTreeMap<String, u16>,
    later: BTreeMap<(Instant, u64), Later>,
    serial: u64,
    /// A phone that answers an offer of the gateway just now.
    answering: Option<(usize, SessionId)>,
    trace: Option<Vec<String>>,
}

const LEGS: usize = 8;
const CORES: u8 = 2;

impl House {
    pub fn new(seed: u64, is_traced: bool) -> Self {
        let mut rng = Rng::new(seed);
        let now = Now { mono: Instant::from_millis(1_000), unix_ms: START_UNIX_MS };
        let users = ["alice", "bob", "bob", "carol", "dave"];
        let parties: Vec<Party> =
            (0..).zip(users).map(|(number, user)| Party::new(number, user, &mut rng)).collect();
        let weather = match rng.below(3) {
            0 => Weather::default(),
            1 => Weather { loss: 50, copies: 50, jitter_ms: 40 },
            _ => Weather { loss: 300, copies: 150, jitter_ms: 300 },
        };
        let snapshot = ground::snapshot(&mut rng);
        let control = gateway(snapshot.clone(), 1, now, Vec::new(), &mut rng);
        let legs = control.legs_free();
        Self {
            now,
            weather,
            control,
            disk: Disk { alive_ms: now.unix_ms, ..Disk::default() },
            cores: Cores::default(),
            parties,
            book: Book::default(),
            asked: Vec::new(),
            refused: Vec::new(),
            wrong: Vec::new(),
            is_down: false,
            snapshot,
            legs,
            generation: 1,
            streams: BTreeMap::new(),
            next_stream: 1_000,
            lost: BTreeMap::new(),
            answered: BTreeMap::new(),
            later: BTreeMap::new(),
            serial: 0,
            answering: None,
            trace: is_traced.then(Vec::new),
            rng,
        }
    }

    /// What happened, one line a step, where it was asked for.
    pub fn trace(&self) -> &[String] {
        self.trace.as_deref().unwrap_or_default()
    }

    pub fn note(&mut self, text: impl FnOnce() -> String) {
        let at = self.now.mono.as_millis();
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{at:>9} {}", text()));
        }
    }

    pub fn is_wrong(&mut self, text: String) {
        self.note(|| format!("WRONG {text}"));
        let at_s = self.now.mono.as_millis() / 1_000;
        self.wrong.push(format!("at {at_s} s: {text}"));
    }

    /// Lets so much time pass.
    pub fn run(&mut self, lasts: Duration) {
        let end = self.now.mono + lasts;
        self.settle();
        while let Some(at) = self.next_instant().filter(|at| *at <= end) {
            self.advance(at);
            self.step();
            self.settle();
        }
        self.advance(end);
    }

    /// Lets so many seconds pass, and up to so many more.
    pub fn run_about(&mut self, least_s: u64, more_s: u64) {
        let lasts = least_s + self.rng.below(more_s);
        self.run(Duration::from_secs(lasts));
    }

    /// Until no REGISTER is under way, but no longer than it may take.
    pub fn run_until_registered(&mut self) {
        for _ in 0..30 {
            let soon = self.now.mono + Duration::from_secs(41);
            let is_busy = self.is_down
                || self.parties.iter().any(|party| {
                    let registration = &party.registration;
                    registration.waits.is_some()
                        || registration.next_at.is_some_and(|at| at <= soon)
                });
            if !is_busy {
                return;
            }
            self.run(Duration::from_secs(41));
        }
        self.is_wrong("phones register for ever".to_owned());
    }

    /// The phone's user does something now.
    pub fn does(&mut self, party: usize, command: Command) {
        self.note(|| format!("{party} does {}", name_of(&command)));
        self.command(party, command);
        self.settle();
    }

    /// The same later.
    pub fn does_later(&mut self, after: Duration, party: usize, command: Command) {
        self.at(after, Later::Party(party, command));
    }

    /// The phone wants to be registered from now on, or not any more.
    pub fn wants_registration(&mut self, party: usize, asks_s: Option<u32>) {
        let was = std::mem::replace(&mut self.parties[party].registration.asks_s, asks_s);
        let asks_s = match (asks_s, was) {
            (Some(asks_s), _) => asks_s,
            (None, Some(_)) => 0,
            (None, None) => return,
        };
        self.note(|| format!("{party} asks for {asks_s} s"));
        let command = self.parties[party].register(asks_s);
        self.command(party, command);
        self.settle();
    }

    /// The NAT in front of a phone forgets it: datagrams to its old port are lost, and what it sends
    /// next comes from another one. A connection dies without a word.
    pub fn forget_mapping(&mut self, party: usize) {
        self.note(|| format!("the NAT forgets {party}"));
        let phone = &mut self.parties[party];
        if phone.public != phone.own {
            phone.public.set_port(phone.public.port() + 1);
        }
        if let Some(stream) = phone.stream.and_then(|id| self.streams.get_mut(&id)) {
            stream.is_dead = true;
        }
    }

    /// The phone's connection breaks, and both sides are told.
    pub fn break_stream(&mut self, party: usize) {
        let Some(id) = self.parties[party].stream else { return };
        self.note(|| format!("the connection of {party} breaks"));
        for to_gateway in [true, false] {
            self.at(STREAM_DELAY, Later::Closed { stream: id, to_gateway });
        }
    }

    /// The phone loses its power and comes back, perhaps at another address.
    pub fn reboot(&mut self, party: usize, moves: bool) {
        self.note(|| format!("{party} reboots{}", if moves { " elsewhere" } else { "" }));
        let phone = &mut self.parties[party];
        if let Some(id) = phone.stream {
            self.at(STREAM_DELAY, Later::Closed { stream: id, to_gateway: true });
        }
        let phone = &mut self.parties[party];
        phone.reboot(self.now, &mut self.rng);
        if moves {
            let is_behind_nat = phone.public != phone.own;
            phone.own.set_port(phone.own.port() + 1);
            match is_behind_nat {
                true => phone.public.set_port(phone.public.port() + 1),
                false => phone.public = phone.own,
            }
        }
    }

    /// Somebody sets the wall clock; monotonic time goes on. The gateway looks once a minute.
    pub fn set_clock(&mut self, step_ms: i64) {
        self.note(|| format!("the clock is set by {} s", step_ms / 1_000));
        self.now.unix_ms += step_ms;
        self.run(Duration::from_secs(61));
    }

    /// The gateway's process is killed; another one starts a little later.
    pub fn kill_gateway(&mut self, down: Duration) {
        self.note(|| "the gateway is killed".to_owned());
        self.is_down = true;
        self.disk.alive_ms = self.now.unix_ms;
        self.cores = Cores::default();
        // The next process does not know what this one answered.
        self.answered.clear();
        for id in self.streams.keys().copied().collect::<Vec<_>>() {
            self.at(STREAM_DELAY, Later::Closed { stream: id, to_gateway: false });
        }
        self.streams.values_mut().for_each(|stream| stream.is_dead = true);
        self.at(down, Later::GatewayIsUp);
    }

    /// The party that hears what this phone says in that call, by what the cores were told.
    pub fn hears(&self, speaker: usize, session: SessionId) -> Option<(usize, SessionId)> {
        let call = self.parties[speaker].calls.get(&session)?;
        let media = call.media.filter(|media| media.direction.sends())?;
        let own = SocketAddr::new(self.parties[speaker].own.ip(), call.port);
        let (from, at) = self.cores.listener_of(own, media.remote_rtp?.port())?;
        let party = self.parties.iter().position(|party| party.own.ip() == at.ip())?;
        let mut calls = self.parties[party].calls.iter();
        let heard = calls.find(|(_, call)| {
            let media = call.media.filter(|media| media.direction.receives());
            let from_port = media.and_then(|media| media.remote_rtp).map(|rtp| rtp.port());
            call.is_live() && call.port == at.port() && from_port == Some(from)
        });
        heard.map(|(session, _)| (party, *session))
    }

    /// Whether what the gateway sends towards a binding there reaches a phone now.
    pub fn reaches(&self, party: usize, binding: &BindingRecord) -> bool {
        let phone = &self.parties[party];
        match binding.transport {
            BindingTransport::Udp => binding.remote == phone.public,
            BindingTransport::Tcp | BindingTransport::Tls => {
                let stream = phone.stream.and_then(|id| self.streams.get(&id));
                stream.is_some_and(|stream| !stream.is_dead && stream.remote == binding.remote)
            }
        }
    }

    /// Whether what a phone sends arrives: a connection that a NAT forgot is not noticed at once.
    pub fn is_heard(&self, party: usize) -> bool {
        let stream = self.parties[party].stream.and_then(|id| self.streams.get(&id));
        stream.is_none_or(|stream| !stream.is_dead)
    }

    /// No call is up anywhere, and no leg of one.
    pub fn nothing_is_up(&mut self) {
        let (calls, legs) = (self.control.calls_live(), self.cores.len());
        let phones = self.parties.iter().filter(|party| !party.is_idle());
        let phones: Vec<&str> = phones.map(|party| party.user).collect();
        if calls != 0 || legs != 0 || !phones.is_empty() {
            self.is_wrong(format!("{calls} calls, {legs} legs, {phones:?} are up for ever"));
        }
    }

    /// Whoever has a call hangs up.
    pub fn everybody_hangs_up(&mut self) {
        for party in 0..self.parties.len() {
            for session in self.parties[party].live() {
                self.does(party, Command::Bye { session, headers: Vec::new() });
            }
        }
    }

    /// What is left where nothing may be.
    pub fn check_leftovers(&mut self) {
        let mut left = Vec::new();
        if self.control.calls_live() != 0 {
            left.push(format!("{} calls", self.control.calls_live()));
        }
        if self.control.legs_free() != self.legs || self.cores.len() != 0 {
            let free = self.control.legs_free();
            left.push(format!("{free} legs free of {}, {} on cores", self.legs, self.cores.len()));
        }
        let gateway = std::iter::once(("the gateway", self.control.ua_meters()));
        let phones = self.parties.iter().map(|party| (party.user, party.agent.meters()));
        for (name, meters) in gateway.chain(phones) {
            let transactions = (meters.client_transactions, meters.server_transactions);
            if (meters.sessions, meters.requests) != (0, 0) || transactions != (0, 0) {
                let (sessions, requests) = (meters.sessions, meters.requests);
                left.push(format!(
                    "{name}: {sessions} sessions, {requests} requests, transactions {transactions:?}"
                ));
            }
        }
        for party in &self.parties {
            if party.calls.values().any(|call| call.is_live() || !call.was_told_once()) {
                left.push(format!("{} has a call that never ended, or twice", party.user));
            }
        }
        left.into_iter().for_each(|text| self.is_wrong(format!("left over: {text}")));
    }

    fn at(&mut self, after: Duration, later: Later) {
        self.serial += 1;
        self.later.insert((self.now.mono + after, self.serial), later);
    }

    fn advance(&mut self, to: Instant) {
        let step = to.since(self.now.mono);
        let unix_ms = self.now.unix_ms + i64::try_from(step.as_millis()).unwrap_or(0);
        self.now = Now { mono: to.max(self.now.mono), unix_ms };
    }

    fn next_instant(&self) -> Option<Instant> {
        let control = if self.is_down { None } else { self.control.poll_timeout() };
        let phones = self.parties.iter().filter_map(|party| party.agent.poll_timeout());
        let timers = control.into_iter().chain(phones).map(|(at, _)| at);
        let registers = self.parties.iter().filter_map(|party| party.registration.next_at);
        let later = self.later.keys().next().map(|(at, _)| *at);
        timers.chain(registers).chain(later).chain(self.cores.poll_timeout()).min()
    }

    fn step(&mut self) {
        let now = self.now;
        let is_due = |next: Option<(Instant, &str)>| next.is_some_and(|(at, _)| at <= now.mono);
        if !self.is_down && is_due(self.control.poll_timeout()) {
            self.control.handle_timeout(now);
        }
        self.cores.handle_timeout(now.mono);
        for party in 0..self.parties.len() {
            if is_due(self.parties[party].agent.poll_timeout()) {
                self.parties[party].agent.handle_timeout(now);
            }
            if self.parties[party].registration.next_at.is_some_and(|at| at <= now.mono) {
                self.settle();
                self.register_again(party);
            }
        }
        self.settle();
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= now.mono) {
            let later = entry.remove();
            self.happen(later);
            self.settle();
        }
    }

    fn register_again(&mut self, party: usize) {
        let phone = &mut self.parties[party];
        phone.registration.next_at = None;
        // Who gave it up while the registrar was silent asks once more to be forgotten.
        let asks_s = phone.registration.asks_s.unwrap_or(0);
        let command = phone.register(asks_s);
        self.note(|| format!("{party} asks for {asks_s} s again"));
        self.command(party, command);
    }

    fn happen(&mut self, later: Later) {
        let now = self.now;
        match later {
            Later::Control(generation, run) if generation == self.generation && !self.is_down => {
                run(&mut self.control, now);
            }
            Later::Control(..) => {}
            Later::Party(party, command) => {
                if self.parties[party].does(&command) {
                    self.note(|| format!("{party} does {}", name_of(&command)));
                    self.command(party, command);
                }
            }
            Later::Datagram { from, to, bytes } => self.deliver(from, to, &bytes),
            Later::Opened { stream, token, bytes } => self.opened(stream, token, &bytes),
            Later::Bytes { stream, to_gateway, bytes } => {
                self.deliver_on_stream(stream, to_gateway, &bytes);
            }
            Later::Closed { stream, to_gateway } => self.closed(stream, to_gateway),
            Later::LetGo { party, stream } => {
                let closed = sip::Input::FlowClosed { flow: stream };
                self.parties[party].agent.handle(now, closed);
            }
            Later::SendFailed { party, token } => self.tell_send_failed(party, token),
            Later::GatewayIsUp => self.start_gateway(),
        }
    }

    fn command(&mut self, party: usize, command: Command) {
        if let Command::AnswerOffer { session, .. } = &command {
            self.answering = Some((party, *session));
        }
        let phone = &mut self.parties[party];
        phone.agent.handle(self.now, sip::Input::Command(command));
        self.settle_phone(party);
        self.answering = None;
    }

    /// Carries effects until everybody is quiet at this instant.
    fn settle(&mut self) {
        loop {
            let mut is_quiet = true;
            while !self.is_down
                && let Some(effect) = self.control.poll_effect()
            {
                is_quiet = false;
                self.carry_out(effect);
            }
            for party in 0..self.parties.len() {
                is_quiet &= !self.settle_phone(party);
            }
            while let Some(event) = self.cores.events.pop_front() {
                is_quiet = false;
                self.tell_media(event);
            }
            if is_quiet {
                return;
            }
        }
    }

    fn tell_media(&mut self, event: shared::MediaEvent) {
        use shared::MediaEvent as Event;
        let leg = match &event {
            Event::Refused { leg }
            | Event::LegStopped { leg, .. }
            | Event::PlayEnded { leg, .. } => Some(leg.core),
            _ => None,
        };
        if self.is_down {
            return;
        }
        let core = leg.unwrap_or(CoreId(0));
        self.control.handle(self.now, Input::Media { core, event });
        while let Some(effect) = self.control.poll_effect() {
            self.carry_out(effect);
        }
    }

    fn settle_phone(&mut self, party: usize) -> bool {
        let (mut any, mut commands) = (false, Vec::new());
        while let Some(effect) = self.parties[party].agent.poll_effect() {
            any = true;
            match effect {
                sip::Effect::Send { to, bytes, token } => {
                    self.phone_sends(party, to, &bytes, token)
                }
                sip::Effect::CloseFlow { flow, reason } => {
                    self.note(|| format!("{party} closes its connection: {reason:?}"));
                    self.at(STREAM_DELAY, Later::Closed { stream: flow, to_gateway: true });
                    if self.parties[party].stream == Some(flow) {
                        self.parties[party].stream_gone(self.now, &mut self.rng);
                    }
                }
                sip::Effect::Event(event) => commands.extend(self.phone_saw(party, event)),
            }
        }
        for command in commands {
            self.command(party, command);
        }
        any
    }

    fn phone_saw(&mut self, party: usize, event: UaEvent) -> Option<Command> {
        if !matches!(event, UaEvent::Trace(_)) {
            self.note(|| format!("{party} saw {}", text_of(&event)));
        }
        let own = match &event {
            UaEvent::Renegotiated { session, .. } => Some(*session),
            _ => None,
        };
        let (mut wishes, mut wrong) = (Vec::new(), Vec::new());
        let command = self.parties[party].saw(self.now, event, &mut wishes, &mut wrong);
        if let Some(session) = own.filter(|own| self.answering != Some((party, *own))) {
            self.parties[party].own_offer_taken(session);
        }
        wrong.into_iter().for_each(|text| self.is_wrong(text));
        for wish in wishes {
            match wish {
                Wish::Later { after, command } => self.does_later(after, party, command),
                Wish::Reconnect => {
                    let stream = self.parties[party].stream;
                    self.parties[party].stream_gone(self.now, &mut self.rng);
                    if let Some(stream) = stream {
                        self.at(STREAM_DELAY, Later::Closed { stream, to_gateway: true });
                        self.at(Duration::ZERO, Later::LetGo { party, stream });
                    }
                }
                Wish::Bound { granted_s } => {
                    let phone = &self.parties[party];
                    let way = (phone.transport, self.address_of(party));
                    self.book.bound(self.now.mono, phone, way, granted_s);
                }
            }
        }
        command
    }

    /// Where the gateway sees a phone now.
    fn address_of(&self, party: usize) -> SocketAddr {
        let phone = &self.parties[party];
        let stream = phone.stream.and_then(|id| self.streams.get(&id));
        match (phone.transport, stream) {
            (Transport::Tcp | Transport::Tls, Some(stream)) => stream.remote,
            _ => phone.public,
        }
    }

    /// A request has one final status, however often it is answered.
    fn watch(&mut self, bytes: &[u8]) {
        let Some((branch, status)) = final_response(bytes) else { return };
        match self.answered.get(&branch) {
            Some(before) if *before != status => {
                let before = *before;
                self.is_wrong(format!("{branch} was answered {before} and {status}"));
            }
            Some(_) => {}
            None => drop(self.answered.insert(branch, status)),
        }
    }

    fn phone_sends(&mut self, party: usize, to: SendTo, bytes: &[u8], token: SendToken) {
        self.watch(bytes);
        match to {
            SendTo::Datagram { remote, .. } => {
                let from = self.parties[party].public;
                self.transmit(from, remote, bytes);
            }
            SendTo::Flow(id) if self.parties[party].stream == Some(id) => {
                let bytes = bytes.to_vec();
                self.at(STREAM_DELAY, Later::Bytes { stream: id, to_gateway: true, bytes });
            }
            SendTo::Flow(_) => self.send_failed(Some(party), token),
            SendTo::Connect { .. } => match self.parties[party].stream {
                Some(id) => {
                    let bytes = bytes.to_vec();
                    self.at(STREAM_DELAY, Later::Bytes { stream: id, to_gateway: true, bytes });
                }
                None => self.connect(party, bytes, token),
            },
        }
    }

    fn send_failed(&mut self, party: Option<usize>, token: SendToken) {
        self.at(Duration::ZERO, Later::SendFailed { party, token });
    }

    fn tell_send_failed(&mut self, party: Option<usize>, token: SendToken) {
        let failed = sip::Input::SendFailed { token, reason: SendFailure::Closed };
        match party {
            Some(party) => self.parties[party].agent.handle(self.now, failed),
            None if self.is_down => {}
            None => self.control.handle(self.now, Input::Sip(failed)),
        }
    }

    fn connect(&mut self, party: usize, bytes: &[u8], token: SendToken) {
        self.next_stream += 1;
        let id = FlowId(self.next_stream);
        let own = self.parties[party].public.ip();
        let port = u16::try_from(30_000 + self.next_stream % 30_000).unwrap_or(30_000);
        let remote = SocketAddr::new(own, port);
        self.streams.insert(id, Stream { party, remote, is_dead: false });
        self.parties[party].stream = Some(id);
        self.at(STREAM_DELAY, Later::Opened { stream: id, token, bytes: bytes.to_vec() });
    }

    fn opened(&mut self, id: FlowId, token: SendToken, bytes: &[u8]) {
        let Some(stream) = self.streams.get(&id) else { return };
        let (party, remote) = (stream.party, stream.remote);
        if self.parties[party].stream != Some(id) {
            self.streams.remove(&id);
            return;
        }
        if self.is_down {
            self.streams.remove(&id);
            self.parties[party].stream = None;
            self.note(|| format!("{party} finds nobody to connect to"));
            return self.send_failed(Some(party), token);
        }
        self.note(|| format!("{party} is connected from {remote}"));
        let flow = Flow { id, transport: Transport::Tcp, local: GATEWAY, remote };
        let opened = sip::Input::FlowOpened { flow, token: None };
        self.control.handle(self.now, Input::Sip(opened));
        let phone = &mut self.parties[party];
        let opened = sip::Input::FlowOpened { flow: phone.flow(), token: Some(token) };
        phone.agent.handle(self.now, opened);
        phone.agent.keep_stream(id, true);
        self.settle();
        self.deliver_on_stream(id, true, bytes);
    }

    fn deliver_on_stream(&mut self, id: FlowId, to_gateway: bool, bytes: &[u8]) {
        let Some(stream) = self.streams.get(&id).filter(|stream| !stream.is_dead) else { return };
        let (party, remote) = (stream.party, stream.remote);
        if to_gateway && !self.is_down {
            let flow = Flow { id, transport: Transport::Tcp, local: GATEWAY, remote };
            self.control.handle(self.now, Input::Sip(received(flow, bytes)));
        } else if !to_gateway && self.parties[party].stream == Some(id) {
            self.parties[party].note_tags(bytes);
            let flow = self.parties[party].flow();
            self.parties[party].agent.handle(self.now, received(flow, bytes));
        }
    }

    fn closed(&mut self, id: FlowId, to_gateway: bool) {
        let Some(stream) = self.streams.get(&id) else { return };
        let party = stream.party;
        if to_gateway {
            // What a NAT forgot does not arrive, not even the end.
            if !stream.is_dead && !self.is_down {
                self.note(|| format!("the gateway loses the connection of {party}"));
                self.book.stream_closed(stream_remote(&self.streams, id));
                let closed = sip::Input::FlowClosed { flow: id };
                self.control.handle(self.now, Input::Sip(closed));
            }
        } else if self.parties[party].stream == Some(id) {
            self.note(|| format!("{party} loses its connection"));
            self.parties[party].stream_gone(self.now, &mut self.rng);
            self.parties[party].agent.handle(self.now, sip::Input::FlowClosed { flow: id });
        }
    }

    fn transmit(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if self.rng.permille(self.weather.loss) {
            let times = self.lost.entry((from, signature(bytes))).or_default();
            if *times < LOSSES_MAX {
                *times += 1;
                return;
            }
        }
        for _ in 0..1 + u64::from(self.rng.permille(self.weather.copies)) {
            let delay = Duration::from_millis(10 + self.rng.below(self.weather.jitter_ms + 1));
            self.at(delay, Later::Datagram { from, to, bytes: bytes.to_vec() });
        }
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if to == GATEWAY {
            if !self.is_down {
                let flow =
                    Flow { id: FlowId(0), transport: Transport::Udp, local: GATEWAY, remote: from };
                self.note_message(from, to, bytes);
                self.control.handle(self.now, Input::Sip(received(flow, bytes)));
            }
            return;
        }
        let Some(party) = self.parties.iter().position(|party| party.public == to) else {
            return self.note_message(from, to, b"lost: nobody is there");
        };
        self.note_message(from, to, bytes);
        let phone = &mut self.parties[party];
        phone.note_tags(bytes);
        let flow =
            Flow { id: FlowId(0), transport: Transport::Udp, local: phone.own, remote: GATEWAY };
        phone.agent.handle(self.now, received(flow, bytes));
    }

    fn note_message(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        self.note(|| {
            let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
            format!("    {from} > {to} {}", String::from_utf8_lossy(line))
        });
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Sip(sip::Effect::Send { to, bytes, token }) => {
                self.gateway_sends(to, &bytes, token);
            }
            Effect::Sip(sip::Effect::CloseFlow { flow, reason }) => {
                self.note(|| format!("the gateway closes a connection: {reason:?}"));
                if self.streams.contains_key(&flow) {
                    self.book.stream_closed(stream_remote(&self.streams, flow));
                }
                self.at(STREAM_DELAY, Later::Closed { stream: flow, to_gateway: false });
            }
            Effect::Sip(sip::Effect::Event(_)) | Effect::CallGone { .. } | Effect::Vouch { .. } => {
            }
            Effect::Media { command, .. } => self.cores.command(self.now.mono, command),
            Effect::Commit { token, change } => self.commit(token, *change),
            Effect::Http { call, request, .. } => self.webhook(call, &request),
            Effect::LoadPrompt { call, prompt, .. } => {
                let result = Ok(Arc::new(Prompt {
                    mulaw: vec![0xff; 8_000].into(),
                    alaw: vec![0xd5; 8_000].into(),
                }));
                self.on_control(30, move |control, now| {
                    let other_voice = None;
                    control.handle(now, Input::PromptReady { call, prompt, result, other_voice });
                });
            }
            Effect::Resolve { session, .. } => {
                self.is_wrong(format!("DNS is asked for {session:?}"));
            }
            Effect::ApiReply { .. } => {}
            Effect::OpenRecording(_) | Effect::DiscardRecording { .. } => {
                self.is_wrong("somebody is recorded".to_owned());
            }
            Effect::Observe(Observation::Fault { place, sentence }) => {
                self.is_wrong(format!("{place}: {sentence}"));
            }
            Effect::Observe(Observation::Refused { refusal, .. }) => {
                self.note(|| format!("refused: {} {}", refusal.rule, refusal.sentence));
                self.refused.push(refusal.rule);
            }
            Effect::Observe(_) => {}
        }
    }

    fn gateway_sends(&mut self, to: SendTo, bytes: &[u8], token: SendToken) {
        self.watch(bytes);
        match to {
            SendTo::Datagram { remote, .. } => self.transmit(GATEWAY, remote, bytes),
            SendTo::Flow(id) if self.streams.contains_key(&id) => {
                let bytes = bytes.to_vec();
                self.at(STREAM_DELAY, Later::Bytes { stream: id, to_gateway: false, bytes });
            }
            // A phone behind a NAT cannot be connected to.
            SendTo::Flow(_) | SendTo::Connect { .. } => self.send_failed(None, token),
        }
    }

    fn on_control(&mut self, after_ms: u64, run: impl FnOnce(&mut Control, Now) + 'static) {
        let later = Later::Control(self.generation, Box::new(run));
        self.at(Duration::from_millis(after_ms), later);
    }

    fn commit(&mut self, token: Option<control::CommitToken>, change: Change) {
        match change {
            Change::PutCall(record) => {
                let is_final = record.status.is_final();
                self.note(|| {
                    format!("record {} {}", record.direction.name(), record.status.name())
                });
                if is_final {
                    *self.disk.endings.entry(record.sid).or_default() += 1;
                }
                self.disk.records.insert(record.sid, (*record).clone());
            }
            Change::ChangeBindings(changes) => {
                for sid in &changes.removed {
                    self.disk.bindings.remove(sid);
                }
                let put = changes.put.iter().map(|record| (record.sid, record.clone()));
                self.disk.bindings.extend(put);
            }
            _ => {}
        }
        if let Some(token) = token {
            let after_ms = 1 + self.rng.below(20);
            self.on_control(after_ms, move |control, now| {
                let outcome = Outcome::Committed;
                control.handle(now, Input::Committed { token, outcome });
            });
        }
    }

    fn webhook(&mut self, call: CallSid, request: &call::HttpRequest) {
        let url = request.url.wire(None);
        let path = url.rsplit('/').next().unwrap_or_default().to_owned();
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let form = request.standard.iter().chain(request.extra.iter()).map(own).collect();
        let asked = Asked { call, path, form };
        let document = ground::document(&asked);
        self.note(|| format!("webhook {} {}", asked.path, asked.value("DialCallStatus")));
        self.asked.push(asked);
        let id = request.id;
        let result = Ok(HttpAnswer {
            status: 200,
            content_type: Some("text/xml".to_owned()),
            body: document.into_bytes().into(),
            final_url: url,
            duration_ms: 20,
        });
        let after_ms = 5 + self.rng.below(200);
        self.on_control(after_ms, move |control, now| {
            control.handle(now, Input::Http { call, request: id, result });
        });
    }

    fn start_gateway(&mut self) {
        self.note(|| "the gateway starts".to_owned());
        self.generation = self.generation.wrapping_add(1);
        self.is_down = false;
        self.streams.retain(|_, stream| !stream.is_dead);
        self.book.gateway_restarted();
        let kept = self.disk.recover(self.now.unix_ms);
        let (snapshot, generation) = (self.snapshot.clone(), self.generation);
        self.control = gateway(snapshot, generation, self.now, kept, &mut self.rng);
    }
}

impl Disk {
    /// What the store does at its start: live calls are closed as failed, bindings that still hold
    /// are handed over.
    fn recover(&mut self, unix_ms: i64) -> Vec<BindingRecord> {
        for record in self.records.values_mut().filter(|record| !record.status.is_final()) {
            let end_ms = self.alive_ms.max(record.updated_ms);
            record.status = CallStatus::Failed;
            record.start_ms = record.start_ms.or(Some(record.created_ms));
            (record.end_ms, record.updated_ms) = (Some(end_ms), unix_ms);
            *self.endings.entry(record.sid).or_default() += 1;
        }
        self.bindings.retain(|_, binding| {
            binding.expires_ms > unix_ms && binding.transport == BindingTransport::Udp
        });
        self.bindings.values().cloned().collect()
    }
}

fn gateway(
    snapshot: Snapshot,
    generation: u8,
    now: Now,
    kept: Vec<BindingRecord>,
    rng: &mut Rng,
) -> Control {
    let layers = shared::config::Layers::default();
    let config = shared::config::Config::from_layers(&layers).expect("the defaults make sense");
    let origin = shared::ids::Origin { node: 1, generation };
    let mut settings = ControlSettings::new(&config, origin, "http://192.0.2.1:8080");
    settings.udp = vec![GATEWAY];
    settings.tcp_port = Some(GATEWAY.port());
    // A house's network may lose every INVITE of four seconds; the tales of `model` hold the default.
    settings.silence_max = Duration::from_secs(32);
    settings.domain_extensions.insert("desk".to_owned(), Extensions::ALL);
    // Who hears nothing for a while is put out by media cores, of which there are none here.
    let mut control = Control::new(settings, snapshot, rng.bytes());
    for core in 0..u16::from(CORES) {
        let ports =
            (0..16).map(|index| MediaPort { address: 0, rtp: 10_000 + 100 * core + 2 * index });
        control.handle(now, Input::CoreStarted { ports: ports.collect(), legs_max: LEGS });
    }
    while control.poll_effect().is_some() {}
    control.restore_bindings(now, kept);
    control
}

fn stream_remote(streams: &BTreeMap<FlowId, Stream>, id: FlowId) -> SocketAddr {
    streams.get(&id).map_or(GATEWAY, |stream| stream.remote)
}

/// What tells a message from others, whichever copy of it: its first line, call and number.
fn signature(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split("\r\n");
    let mut signature = lines.next().unwrap_or_default().to_owned();
    let named = lines.filter(|line| line.starts_with("Call-ID:") || line.starts_with("CSeq:"));
    named.take(2).for_each(|line| signature.push_str(line));
    signature
}

/// Branch and number of the request that a final response answers, and its status.
fn final_response(bytes: &[u8]) -> Option<(String, u16)> {
    let text = std::str::from_utf8(bytes.strip_prefix(b"SIP/2.0 ")?).ok()?;
    let status = text.get(..3)?.parse().ok().filter(|status| *status >= 200)?;
    let mut lines = text.split("\r\n");
    let via = lines.find(|line| line.starts_with("Via:"))?;
    let branch = via.split(";branch=").nth(1)?.split(';').next()?;
    let number = lines.find(|line| line.starts_with("CSeq:"))?;
    Some((format!("{branch} {number}"), status))
}

fn name_of(command: &Command) -> String {
    let text = format!("{command:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}

fn text_of(event: &UaEvent) -> String {
    let mut text = format!("{event:?}");
    text.truncate(110);
    text
}

/// No message is lost more often than this.
const LOSSES_MAX: u8 = 2;
const STREAM_DELAY: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_final_response_is_told_by_its_branch_and_number() {
        let of = |status: &str| {
            let text = format!(
                "SIP/2.0 {status}\r\nVia: SIP/2.0/UDP 10.0.1.0:5060;branch=z9hG4bK7;rport=5060\r\n\
                 From: <sip:a@b>;tag=1\r\nCall-ID: 1\r\nCSeq: 2 INVITE\r\n\r\n"
            );
            final_response(text.as_bytes())
        };
        assert_eq!(of("486 Busy Here"), Some(("z9hG4bK7 CSeq: 2 INVITE".to_owned(), 486)));
        assert_eq!(of("180 Ringing"), None);
        assert_eq!(final_response(b"BYE sip:a@b SIP/2.0\r\n\r\n"), None);
    }
}
