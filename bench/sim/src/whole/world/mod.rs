//! A whole gateway and its phones on one virtual clock.
//!
//! The world holds machines that own their state: the [`Network`], the gateway's [`Process`], its
//! [`Disk`], the [`Application`], and the phones. It carries values between them: after each thing that
//! happens it settles, that is, it carries effects until every machine is quiet at this instant. What
//! takes time goes into one schedule. All randomness comes from one stream of numbers, drawn in the order of
//! events, so a seed replays exactly.
//!
//! `arrivals` is what reaches a machine, `effects` what machines want; both change nothing but what the
//! machines own.

mod arrivals;
mod effects;

use std::net::SocketAddr;
use std::time::Duration;

use shared::{Instant, Now};
use sip::{Command, FlowId, SendToken, SessionId};
use store::DomainParameters;
use store::{MappedList, Patch};

use super::application::Application;
use super::book::Book;
use super::disk::Disk;
use super::final_responses::FinalResponses;
use super::journal::Journal;
use super::network::{Network, Weather};
use super::party::Party;
use super::process::{Process, Task};
use crate::ground::{START_UNIX_MS, snapshot};
use crate::rng::Rng;
use crate::schedule::Schedule;

/// Everything, at one instant.
pub struct World {
    pub now: Now,
    pub rng: Rng,
    pub network: Network,
    pub process: Process,
    pub disk: Disk,
    pub application: Application,
    pub parties: Vec<Party>,
    /// What must be registered.
    pub book: Book,
    final_responses: FinalResponses,
    journal: Journal,
    later: Schedule<Later>,
    /// The phone that is answering an offer of the gateway in this step.
    answering: Option<(usize, SessionId)>,
}

/// What happens later.
enum Later {
    /// A datagram, with the addresses that its receiver sees.
    Datagram {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    /// The gateway accepts a connection, with the first bytes on it.
    Opened {
        connection: FlowId,
        token: SendToken,
        bytes: Vec<u8>,
    },
    Bytes {
        connection: FlowId,
        to_gateway: bool,
        bytes: Vec<u8>,
    },
    /// One side learns that a connection is closed.
    Closed {
        connection: FlowId,
        to_gateway: bool,
    },
    /// The phone closes its connection itself.
    LetGo {
        party: usize,
        connection: FlowId,
    },
    /// For the process of that generation.
    Task {
        generation: u8,
        task: Task,
    },
    Party {
        party: usize,
        command: Command,
    },
    /// Bytes that a phone (`None`: the gateway) sent did not go out.
    SendFailed {
        party: Option<usize>,
        token: SendToken,
    },
    GatewayStarts,
}

/// One way on a connection; both ends learn of its end as late.
const CONNECTION_DELAY: Duration = Duration::from_millis(20);

/// The phones' users: bob has two.
const USERS: [&str; 5] = ["alice", "bob", "bob", "carol", "dave"];

impl World {
    /// A gateway that just started, and phones that did nothing yet.
    pub fn new(seed: u64, is_traced: bool) -> Self {
        let mut rng = Rng::new(seed);
        let now = Now { mono: Instant::from_millis(1_000), unix_ms: START_UNIX_MS };
        let (mut parties, mut behind_nat) = (Vec::new(), Vec::new());
        for (number, user) in (0..).zip(USERS) {
            behind_nat.push(rng.permille(500));
            parties.push(Party::new(number, user, &mut rng));
        }
        let weather = Weather::random(&mut rng);
        let phones = parties.iter().map(|party| party.own).zip(behind_nat);
        let network = Network::new(weather, phones);
        let fields =
            DomainParameters { sip_registration: Patch::Set(true), ..DomainParameters::default() };
        let users = ["alice", "bob", "carol", "dave"];
        let mapped = [MappedList::CallsCredentialList, MappedList::RegistrationsCredentialList];
        let process = Process::start(snapshot(&mut rng, fields, &users, &mapped), now, &mut rng);
        Self {
            now,
            network,
            process,
            disk: Disk::default(),
            application: Application::default(),
            parties,
            book: Book::default(),
            final_responses: FinalResponses::default(),
            journal: Journal::new(is_traced),
            later: Schedule::new(),
            answering: None,
            rng,
        }
    }

    pub fn into_journal(self) -> Journal {
        self.journal
    }

    /// Adds a line to the trace.
    pub fn note(&mut self, text: impl FnOnce() -> String) {
        self.journal.note(self.now.mono, text);
    }

    /// Adds a finding.
    pub fn is_wrong(&mut self, text: String) {
        self.journal.is_wrong(self.now.mono, &text);
    }

    /// Lets time pass.
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

    /// Lets `least_s` seconds pass, and a random number below `more_s` on top.
    pub fn run_about(&mut self, least_s: u64, more_s: u64) {
        let lasts = least_s + self.rng.below(more_s);
        self.run(Duration::from_secs(lasts));
    }

    /// Until no REGISTER is under way, but no longer than it may take.
    pub fn run_until_registered(&mut self) {
        for _ in 0..30 {
            let soon = self.now.mono + Duration::from_secs(41);
            let is_busy = !self.process.is_up()
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

    /// The phone's user does something later, where it still makes sense then.
    pub fn does_later(&mut self, after: Duration, party: usize, command: Command) {
        self.after(after, Later::Party { party, command });
    }

    /// The phone wants to be registered for `asks_s` seconds from now on; `None`: it does not want to.
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

    /// The NAT in front of a phone forgets it.
    pub fn forget_mapping(&mut self, party: usize) {
        self.note(|| format!("the NAT forgets {party}"));
        self.network.forget_mapping(party, self.parties[party].connection);
    }

    /// The phone's connection breaks, and both sides notice.
    pub fn break_connection(&mut self, party: usize) {
        let Some(connection) = self.parties[party].connection else { return };
        self.note(|| format!("the connection of {party} breaks"));
        for to_gateway in [true, false] {
            self.after(CONNECTION_DELAY, Later::Closed { connection, to_gateway });
        }
    }

    /// The phone loses its power and comes back, perhaps at another address.
    pub fn reboot(&mut self, party: usize, moves: bool) {
        self.note(|| format!("{party} reboots{}", if moves { " elsewhere" } else { "" }));
        if let Some(connection) = self.parties[party].connection {
            self.after(CONNECTION_DELAY, Later::Closed { connection, to_gateway: true });
        }
        let phone = &mut self.parties[party];
        phone.reboot(self.now, &mut self.rng);
        if moves {
            phone.own.set_port(phone.own.port() + 1);
            self.network.moved(party, phone.own);
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
        self.process.kill();
        self.disk.note_kill(self.now.unix_ms);
        self.final_responses.forget();
        for connection in self.network.gateway_killed() {
            self.after(CONNECTION_DELAY, Later::Closed { connection, to_gateway: false });
        }
        self.after(down, Later::GatewayStarts);
    }

    /// Every party that has a call hangs up.
    pub fn everybody_hangs_up(&mut self) {
        for party in 0..self.parties.len() {
            for session in self.parties[party].live() {
                self.does(party, Command::Bye { session, headers: Vec::new() });
            }
        }
    }

    fn after(&mut self, after: Duration, later: Later) {
        self.later.add(self.now.mono + after, later);
    }

    fn advance(&mut self, to: Instant) {
        let step = to.since(self.now.mono);
        let unix_ms = self.now.unix_ms + i64::try_from(step.as_millis()).unwrap_or(0);
        self.now = Now { mono: to.max(self.now.mono), unix_ms };
    }

    fn next_instant(&self) -> Option<Instant> {
        let agents = self.parties.iter().filter_map(|party| party.agent.poll_timeout());
        let agents = agents.map(|(at, _)| at);
        let registers = self.parties.iter().filter_map(|party| party.registration.next_at);
        let phones = agents.chain(registers);
        phones.chain(self.process.poll_timeout()).chain(self.later.next()).min()
    }

    fn step(&mut self) {
        let now = self.now;
        self.process.handle_timeout(now);
        for party in 0..self.parties.len() {
            let phone = &mut self.parties[party];
            if phone.agent.poll_timeout().is_some_and(|(at, _)| at <= now.mono) {
                phone.agent.handle_timeout(now);
            }
            if phone.registration.next_at.is_some_and(|at| at <= now.mono) {
                self.settle();
                self.register_again(party);
            }
        }
        self.settle();
        while let Some(later) = self.later.pop_due(now.mono) {
            self.happen(later);
            self.settle();
        }
    }

    fn register_again(&mut self, party: usize) {
        let phone = &mut self.parties[party];
        phone.registration.next_at = None;
        // A user who gave the registration up while the registrar was silent sends one more REGISTER, to
        // remove it.
        let asks_s = phone.registration.asks_s.unwrap_or(0);
        let command = phone.register(asks_s);
        self.note(|| format!("{party} asks for {asks_s} s again"));
        self.command(party, command);
    }

    fn happen(&mut self, later: Later) {
        match later {
            Later::Task { generation, task } => self.process.run(self.now, generation, task),
            Later::Party { party, command } => {
                if self.parties[party].does(&command) {
                    self.note(|| format!("{party} does {}", name_of(&command)));
                    self.command(party, command);
                }
            }
            Later::Datagram { from, to, bytes } => self.deliver(from, to, &bytes),
            Later::Opened { connection, token, bytes } => self.opened(connection, token, &bytes),
            Later::Bytes { connection, to_gateway, bytes } => {
                self.deliver_on(connection, to_gateway, &bytes);
            }
            Later::Closed { connection, to_gateway } => self.closed(connection, to_gateway),
            Later::LetGo { party, connection } => self.let_go(party, connection),
            Later::SendFailed { party, token } => self.send_failed(party, token),
            Later::GatewayStarts => self.start_gateway(),
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

    /// Carries effects until every machine is quiet at this instant.
    fn settle(&mut self) {
        loop {
            let mut is_quiet = !self.settle_gateway();
            for party in 0..self.parties.len() {
                is_quiet &= !self.settle_phone(party);
            }
            while self.process.carry_media_event(self.now) {
                is_quiet = false;
                self.settle_gateway();
            }
            if is_quiet {
                return;
            }
        }
    }

    fn start_gateway(&mut self) {
        self.note(|| "the gateway starts".to_owned());
        self.network.gateway_restarted();
        self.book.gateway_restarted();
        let kept = self.disk.recover(self.now.unix_ms);
        self.process.restart(self.now, kept, &mut self.rng);
    }
}

fn name_of(command: &Command) -> String {
    let text = format!("{command:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}
