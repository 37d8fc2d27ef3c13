//! The gateway's process: its `Control` and its media cores, both lost when it is killed.
//!
//! While the process is down it takes no input, has no effect and no timer. What was scheduled for one
//! generation of it (the answer to a webhook, a commit) never reaches the next one.

use std::time::Duration;

use control::{Control, ControlSettings, Effect, Input};
use shared::{CoreId, Extensions, Instant, MediaCommand, MediaEvent, MediaPort, Now};
use sip::user_agent::UaMeters;
use store::{BindingRecord, Snapshot};

use super::GATEWAY;
use super::core::Cores;
use crate::rng::Rng;

/// The result of another thread's work, handed to `Control` later.
pub type Task = Box<dyn FnOnce(&mut Control, Now)>;

/// The process and what it needs to start again.
pub struct Process {
    /// `None` while the process is down.
    control: Option<Control>,
    cores: Cores,
    snapshot: Snapshot,
    /// Counts starts, from 1.
    generation: u8,
    /// Legs of all cores.
    legs: usize,
}

const LEGS_PER_CORE: usize = 8;
const CORES: u8 = 2;

impl Process {
    /// Starts the first process, on an empty disk.
    pub fn start(snapshot: Snapshot, now: Now, rng: &mut Rng) -> Self {
        let control = start(snapshot.clone(), 1, now, Vec::new(), rng);
        let legs = control.legs_free();
        Self { control: Some(control), cores: Cores::default(), snapshot, generation: 1, legs }
    }

    /// Starts the next process with the bindings that the disk kept.
    pub fn restart(&mut self, now: Now, kept: Vec<BindingRecord>, rng: &mut Rng) {
        self.generation = self.generation.wrapping_add(1);
        self.control = Some(start(self.snapshot.clone(), self.generation, now, kept, rng));
    }

    /// Ends the process at once; nobody is notified.
    pub fn kill(&mut self) {
        self.control = None;
        self.cores = Cores::default();
    }

    pub const fn is_up(&self) -> bool {
        self.control.is_some()
    }

    pub const fn generation(&self) -> u8 {
        self.generation
    }

    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        if let Some(control) = &mut self.control {
            control.handle(now, input);
        }
    }

    /// Runs a task that was scheduled for a generation, if that one is still up.
    pub fn run(&mut self, now: Now, generation: u8, task: Task) {
        if let Some(control) = &mut self.control
            && generation == self.generation
        {
            task(control, now);
        }
    }

    pub fn handle_timeout(&mut self, now: Now) {
        if let Some(control) = &mut self.control
            && control.poll_timeout().is_some_and(|(at, _)| at <= now.mono)
        {
            control.handle_timeout(now);
        }
        self.cores.handle_timeout(now.mono);
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let control = self.control.as_ref().and_then(Control::poll_timeout).map(|(at, _)| at);
        control.into_iter().chain(self.cores.poll_timeout()).min()
    }

    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.control.as_mut()?.poll_effect()
    }

    pub fn command(&mut self, now: Now, command: MediaCommand) {
        self.cores.command(now.mono, command);
    }

    /// Carries one event from the cores to `Control`; whether there was one.
    pub fn carry_media_event(&mut self, now: Now) -> bool {
        let Some(event) = self.cores.events.pop_front() else { return false };
        let core = match &event {
            MediaEvent::Refused { leg, .. }
            | MediaEvent::LegStopped { leg, .. }
            | MediaEvent::PlayEnded { leg, .. } => leg.core,
            _ => CoreId(0),
        };
        self.handle(now, Input::Media { core, event });
        true
    }

    /// The cores, to read who hears whom off them.
    pub const fn cores(&self) -> &Cores {
        &self.cores
    }

    pub fn calls_live(&self) -> usize {
        self.control.as_ref().map_or(0, Control::calls_live)
    }

    /// Bindings that the registrar uses.
    pub fn bindings(&self) -> usize {
        self.control.as_ref().map_or(0, |control| control.registrations().0)
    }

    /// Figures of the user agent.
    pub fn meters(&self) -> Option<UaMeters> {
        self.control.as_ref().map(Control::ua_meters)
    }

    /// What is wrong with the legs once no call is left: all must be free, and no core may hold one.
    pub fn legs_left_over(&self) -> Option<String> {
        let (free, held) = (self.control.as_ref()?.legs_free(), self.cores.len());
        let is_wrong = free != self.legs || held != 0;
        is_wrong.then(|| format!("{free} legs free of {}, {held} on cores", self.legs))
    }
}

fn start(
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
    // The simulated network may lose every INVITE of four seconds; the tales hold the default.
    settings.silence_max = Duration::from_secs(32);
    settings.domain_extensions.insert("desk".to_owned(), Extensions::ALL);
    let mut control = Control::new(settings, snapshot, rng.bytes());
    for core in 0..u16::from(CORES) {
        let ports =
            (0..16).map(|index| MediaPort { address: 0, rtp: 10_000 + 100 * core + 2 * index });
        let input = Input::CoreStarted { ports: ports.collect(), legs_max: LEGS_PER_CORE };
        control.handle(now, input);
    }
    while control.poll_effect().is_some() {}
    control.restore_bindings(now, kept);
    control
}
