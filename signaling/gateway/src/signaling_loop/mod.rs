//! The signaling thread: owns Control and the UDP sockets, never blocks, takes no lock. Shell.
//!
//! One turn takes inputs in this order: media events, answers of other threads, connections, REST
//! requests, datagrams, ICMP errors, timers. Each source has a budget in a turn, so that a flood from one
//! delays the others by one budget at most; what is left over sets `more`, and the next turn starts
//! without sleeping.
//!
//! After each input every effect is carried out before the next input, and inputs that an effect caused
//! (`followups`) come before it, too: Control never sees two inputs between which its effects wait.
//!
//! Nothing here waits. A queue into another thread that is full means one of three things: the effect is
//! refused and Control learns it (store, transport sends), the command waits here in order (a core's
//! ring, closes of connections), or the input is dropped and counted (`Vouched`).

mod carry_out;
mod figures;
mod load;
mod observe;
mod udp;
mod undelivered;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use control::{ApiToken, Control, Input};

use ::io::{Heartbeat, Media};
use http_server::{ApiAnswer, ApiCall};
use mio::{Events, Poll, Token};
use shared::ids::TapId;
use shared::{CoreId, Instant, MediaCommand};
use shell::{Clock, Sender};
use tokio::sync::oneshot;
use transport::{Down, Up};

use crate::inbox::{Inbox, Message};
use crate::jobs::Jobs;
use crate::local_address::LocalAddresses;
use crate::metrics::Metrics;
use crate::observers::Observers;
use crate::store_thread::StoreHandle;

use load::Load;

pub use figures::SignalingFigures;
pub use udp::UdpListener;

/// Everything that the signaling thread owns.
pub struct SignalingLoop {
    /// The machine that decides.
    pub control: Control,
    /// Waits for the UDP sockets and the doorbell.
    pub poll: Poll,
    /// Rung by the other threads.
    pub doorbell: shell::Doorbell,
    /// UDP listeners, in the order of the settings; edges come last.
    pub udp: Vec<UdpListener>,
    /// TCP listeners of the node's own edge: connections that we open show one of them to their peer.
    pub own_tcp: Vec<std::net::SocketAddr>,
    /// TLS listeners of the node's own edge.
    pub own_tls: Vec<std::net::SocketAddr>,
    /// `node.public_address`, where it is set.
    pub public_address: Option<std::net::IpAddr>,
    /// Listeners of other edges than the node's own.
    pub edges: control::Edges,
    /// Inputs from the other threads.
    pub inbox: Inbox,
    /// To the transport thread.
    pub transport: Sender<Down>,
    /// The media cores.
    pub media: Media,
    /// To the store thread.
    pub store: StoreHandle,
    /// Readers of history and of events for operators.
    pub observers: Observers,
    /// Webhooks, prompts, DNS, recordings.
    pub jobs: Jobs,
    /// The counters of this thread.
    pub metrics: Arc<Metrics>,
    /// The counters of Control, copied here for /metrics.
    pub figures: Arc<SignalingFigures>,
    /// Whether calls are taken; /readyz shows it.
    pub ready: Arc<AtomicBool>,
    /// How long a drain may last.
    pub drain_limit: Duration,
    /// State of the loop itself.
    pub state: LoopState,
}

/// State of the loop that nothing else sees. `Default` is its state before the first turn.
#[derive(Default)]
pub struct LoopState {
    /// REST requests that wait for Control's reply.
    api: BTreeMap<ApiToken, oneshot::Sender<ApiAnswer>>,
    next_api: u64,
    local: LocalAddresses,
    /// Inputs that effects caused: handled when no effect is left.
    followups: VecDeque<Input<'static>>,
    /// Commands that a core's ring had no room for, in order.
    backlog: BTreeMap<CoreId, VecDeque<MediaCommand>>,
    /// Connections to close, while the queue of the transport thread is full.
    closing: VecDeque<(sip::FlowId, sip::CloseReason)>,
    /// Cores that died or stalled: never used again.
    lost_cores: Vec<CoreId>,
    /// Restarts of each core that Control knows of.
    restarts: BTreeMap<CoreId, u64>,
    /// The core that sends the frames of a recording. When it is lost, the recorder has to close the
    /// file.
    taps: BTreeMap<TapId, CoreId>,
    refusal_lines: observe::RefusalLines,
    drain_until: Option<Instant>,
    load: Load,
    ending: bool,
    next_heartbeat: Instant,
    buffer: Vec<u8>,
    /// Something besides connections waits for the next turn.
    more: bool,
    /// Connections have more for the next turn.
    more_connections: bool,
}

impl SignalingLoop {
    /// Runs until drained or ended. Then ends the calls that are left and waits until the store is
    /// written.
    ///
    /// # Errors
    /// When the system refuses to wait for sockets: the process cannot go on.
    pub fn run(mut self) -> io::Result<()> {
        self.state.buffer = vec![0; DATAGRAM_BYTES_MAX];
        self.tell_cores();
        let mut events = Events::with_capacity(256);
        while !self.is_over() {
            self.wait(&mut events)?;
            let begun = Clock.mono();
            for event in &events {
                udp::note_event(&mut self.udp, event);
            }
            self.turn();
            self.metrics.signaling_turn_seconds.observe_duration(Clock.mono().since(begun));
        }
        self.end();
        Ok(())
    }

    /// Tells Control the cores, before any call.
    fn tell_cores(&mut self) {
        self.settle(); // Control vouches for the sources of stored registrations from the start
        let cores: Vec<_> = self.media.cores.iter().map(|core| core.ports.clone()).collect();
        for ports in cores {
            let legs_max = shared::limits::LEGS_PER_CORE_MAX.min(ports.len());
            self.handle(Input::CoreStarted { ports, legs_max });
        }
    }

    /// Sleeps until an input comes or a timer is due.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        // From here on a core rings the doorbell: it must not miss that we may sleep.
        self.media.signaling.announce();
        let busy = self.state.more
            || self.state.more_connections
            || self.media.cores.iter().any(::io::Core::has_events)
            || self.udp.iter().any(UdpListener::is_readable);
        let timeout = if busy { Duration::ZERO } else { self.until_due() };
        let waited = self.poll.poll(events, Some(timeout));
        self.media.signaling.awake();
        self.doorbell.answer();
        match waited {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    fn until_due(&self) -> Duration {
        let due = self.control.poll_timeout().map(|(at, _)| at.since(Clock.mono()));
        due.map_or(IDLE, |due| due.min(IDLE))
    }

    fn turn(&mut self) {
        self.state.more = false;
        self.state.more_connections = false;
        self.take_media_events();
        self.take_messages();
        self.take_connections();
        self.take_api();
        self.take_datagrams();
        self.take_undelivered();
        self.run_timers();
        self.watch_cores();
        self.flush_backlog();
        self.flush_closing();
        self.observers.flush();
        self.watch_load();
        self.media.cores.iter().for_each(::io::Core::ring);
        self.publish();
        if self.state.more || self.state.more_connections {
            self.metrics.signaling_budget_turns_total.count();
        }
    }

    /// Handles one input, then every effect, then the inputs that the effects caused.
    fn handle(&mut self, input: Input<'_>) {
        self.control.handle(Clock.now(), input);
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            while let Some(effect) = self.control.poll_effect() {
                self.carry_out(effect);
            }
            match self.state.followups.pop_front() {
                Some(input) => self.control.handle(Clock.now(), input),
                None => return,
            }
        }
    }

    fn take_media_events(&mut self) {
        for index in 0..self.media.cores.len() {
            for taken in 0.. {
                let Some(core) = self.media.cores.get_mut(index) else { break };
                let (id, Some(event)) = (core.id, core.poll_event()) else { break };
                self.handle(Input::Media { core: id, event });
                if taken >= EVENTS_A_TURN {
                    self.state.more = true;
                    break;
                }
            }
        }
    }

    fn take_messages(&mut self) {
        for _ in 0..MESSAGES_A_TURN {
            let Ok(message) = self.inbox.messages.try_recv() else { return };
            match message {
                Message::Input(input) => {
                    self.note_answer(&input);
                    self.handle(input);
                }
                Message::Resolved { session, result } => {
                    let result = self.destinations(result);
                    self.handle(Input::Resolved { session, result });
                }
                Message::Settings(settings) => self.handle(Input::Settings(settings)),
                Message::Drain => self.drain(),
                Message::End => self.state.ending = true,
            }
        }
        self.state.more = true;
    }

    fn take_connections(&mut self) {
        for _ in 0..CONNECTION_EVENTS_A_TURN {
            let Ok(message) = self.inbox.connections.try_recv() else { return };
            let input = match &message {
                Up::Opened { flow, token } => sip::Input::FlowOpened { flow: *flow, token: *token },
                Up::Received { flow, bytes } => sip::Input::Received { flow: *flow, bytes },
                Up::Closed { flow } => sip::Input::FlowClosed { flow: *flow },
                Up::SendFailed { token, reason } => {
                    sip::Input::SendFailed { token: *token, reason: *reason }
                }
                Up::TlsRefused { source, name, failure } => {
                    let (source, name, failure) = (*source, name.clone(), *failure);
                    self.handle(Input::TlsRefused { source, name, failure });
                    continue;
                }
            };
            self.control.handle(Clock.now(), Input::Sip(input));
            self.settle();
        }
        self.state.more_connections = true;
    }

    fn take_api(&mut self) {
        for _ in 0..API_A_TURN {
            let Ok(ApiCall { request, reply }) = self.inbox.api.try_recv() else { return };
            // The client closed its connection before its turn came: nothing is done for it.
            if reply.is_closed() {
                continue;
            }
            self.state.next_api += 1;
            let token = ApiToken(self.state.next_api);
            self.state.api.insert(token, reply);
            self.handle(Input::Api { token, request });
        }
        self.state.more = true;
    }

    fn run_timers(&mut self) {
        let now = Clock.now();
        let due = |control: &Control| control.poll_timeout().is_some_and(|(at, _)| at <= now.mono);
        for _ in 0..TIMERS_A_TURN {
            if !due(&self.control) {
                return;
            }
            self.control.handle_timeout(now);
            self.settle();
        }
        self.state.more |= due(&self.control);
    }

    /// Looks for cores that died, stalled or restarted: their legs are lost. Control learns it once.
    fn watch_cores(&mut self) {
        let now = Clock.mono();
        if now < self.state.next_heartbeat {
            return;
        }
        self.state.next_heartbeat = now + HEARTBEAT_EVERY;
        for index in 0..self.media.cores.len() {
            let Some(core) = self.media.cores.get(index) else { return };
            let (id, restarts, heartbeat) = (core.id, core.restarts(), core.heartbeat());
            if self.state.lost_cores.contains(&id) {
                continue;
            }
            let known = self.state.restarts.insert(id, restarts).unwrap_or(0);
            match fate(id, heartbeat, restarts > known) {
                Fate::Well => {}
                Fate::Restarted(sentence) => {
                    self.close_recordings_of(id);
                    self.handle(Input::CoreRestarted { core: id, sentence });
                }
                Fate::Lost(sentence) => {
                    // A stalled core may wake up; it would go on with legs whose calls have ended.
                    core.stop();
                    self.state.lost_cores.push(id);
                    self.state.backlog.remove(&id);
                    self.close_recordings_of(id);
                    self.handle(Input::CoreLost { core: id, sentence });
                }
            }
        }
    }

    /// Notes what still waits. After 250 ms with inputs left over in every turn, Control refuses new
    /// calls until a turn leaves none.
    fn watch_load(&mut self) {
        let before = self.state.load.overload();
        let has_datagrams = self.udp.iter().any(UdpListener::is_readable);
        let (more, more_connections) = (self.state.more, self.state.more_connections);
        let now =
            self.state.load.turned(Clock.mono(), more || has_datagrams, more || more_connections);
        if now == before {
            return;
        }
        self.metrics.signaling_overloaded.set(now.is_any().into());
        if now.is_any() {
            self.metrics.signaling_overloads_total.count();
            let (udp, connections) = (now.datagrams, now.connections);
            tracing::warn!(
                udp,
                connections,
                "overloaded: inputs have waited for 250 ms, new calls are refused"
            );
        } else {
            tracing::info!("no longer overloaded: new calls are taken");
        }
        self.handle(Input::Overload(now));
    }

    /// Closes the recordings whose frames came from this core.
    fn close_recordings_of(&self, core: CoreId) {
        let taps = self.state.taps.iter().filter(|(_, of)| **of == core);
        for (tap, _) in taps {
            self.jobs.close_recording(*tap);
        }
    }

    fn publish(&self) {
        let recorder = self.jobs.recorder.as_ref().map(|recorder| recorder.counts());
        let recorder = recorder.unwrap_or_default();
        self.figures.publish(&figures::Seen {
            ua: &self.control.ua_meters(),
            calls_live: self.control.calls_live(),
            registrations: self.control.registrations(),
            trunks: self.control.trunk_registrations(),
            legs_free: self.control.legs_free(),
            recorder,
            jobs_running: self.jobs.running.load(Ordering::Relaxed),
        });
    }

    fn drain(&mut self) {
        if self.state.drain_until.is_some() {
            return;
        }
        self.ready.store(false, Ordering::Release);
        self.state.drain_until = Some(Clock.mono() + self.drain_limit);
        tracing::info!(
            calls = self.control.calls_live(),
            limit_s = self.drain_limit.as_secs(),
            "draining: no new calls; a second SIGTERM ends at once"
        );
        self.handle(Input::Drain);
    }

    fn is_over(&self) -> bool {
        let late = self.state.drain_until.is_some_and(|until| Clock.mono() >= until);
        self.state.ending || self.control.is_drained() || (late && self.state.drain_until.is_some())
    }

    /// Ends the calls that are left, with BYE and records, then lets the store write them.
    fn end(mut self) {
        self.ready.store(false, Ordering::Release);
        let left = self.control.calls_live();
        if left > 0 {
            tracing::warn!(
                calls = left,
                "ending with calls up: they are ended and recorded as such"
            );
        }
        self.handle(Input::End);
        // Recordings that run end here; then their rows are written.
        self.jobs.finish();
        self.take_messages();
        drop(self.media);
        // Drops the queue into the store thread, which writes what waits and ends. Its answers have no
        // reader.
        drop(self.inbox);
        drop(self.store);
    }
}

/// The condition of a core, with a sentence for the log and the accounts.
enum Fate {
    Well,
    /// It panicked and runs again without legs.
    Restarted(String),
    /// It is dead or stalled.
    Lost(String),
}

fn fate(core: CoreId, heartbeat: Heartbeat, has_restarted: bool) -> Fate {
    let CoreId(id) = core;
    match heartbeat {
        Heartbeat::Dead => Fate::Lost(format!("media core {id} has died: its calls are ended")),
        Heartbeat::Late { by_ms } if by_ms >= STALLED_MS => Fate::Lost(format!(
            "media core {id} has stalled for {by_ms} ms: its calls are ended, it is retired until restart"
        )),
        Heartbeat::Late { .. } | Heartbeat::Beating if has_restarted => Fate::Restarted(format!(
            "media core {id} panicked and restarted: its calls are ended, it takes new ones"
        )),
        Heartbeat::Late { .. } | Heartbeat::Beating => Fate::Well,
    }
}

/// The doorbell's token; UDP listeners count up from 0.
pub const DOORBELL: Token = Token(usize::MAX);

const DATAGRAM_BYTES_MAX: usize = 64 * 1024;
const EVENTS_A_TURN: usize = 2_048;
const MESSAGES_A_TURN: usize = 1_024;
const CONNECTION_EVENTS_A_TURN: usize = 256;
const API_A_TURN: usize = 32;
const TIMERS_A_TURN: usize = 64;
const IDLE: Duration = Duration::from_millis(500);
const HEARTBEAT_EVERY: Duration = Duration::from_millis(500);
const STALLED_MS: u64 = 5_000;
