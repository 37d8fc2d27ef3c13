//! The callers: one sans-IO user agent on one UDP socket places calls at a steady rate. Shell.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use shared::ids::Origin;
use shared::{Codec, Direction, Now};
use sip::digest::Credentials;
use sip::offer_answer::LocalMedia;
use sip::{
    Command, Destination, Effect, EndCause, Flow, FlowId, Input, Invite, SendTo, SessionId,
    Transport, UaConfig, UaEvent, Uri, UserAgent,
};
use smallvec::smallvec;
use socket2::SockRef;

use super::Trouble;
use super::rest::{PASSWORD, USER};

/// Calls at one rate.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Calls to begin a second.
    pub rate: u32,
    /// How many in all.
    pub calls: u32,
    /// Called domain.
    pub domain: String,
    /// The gateway.
    pub gateway: SocketAddr,
    /// Where the callers hear.
    pub media_port: u16,
    /// Longest a call may take from its INVITE to its end.
    pub patience: Duration,
}

/// What the calls came to.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub started: u32,
    /// Came up and were ended by the gateway's BYE.
    pub completed: u32,
    /// Calls at once, at most.
    pub live_max: usize,
    /// Others, by what happened.
    pub failures: BTreeMap<String, u32>,
    /// Messages that the callers had to send again.
    pub retransmissions: u64,
    /// From the first INVITE to the 200, digest round included, in microseconds.
    pub setup_us: Histogram<u64>,
    /// From the first INVITE to the last one's.
    pub offered_for: Duration,
}

impl Outcome {
    /// Calls a second that were really begun.
    pub fn offered_rate(&self) -> f64 {
        f64::from(self.started.saturating_sub(1)) / self.offered_for.as_secs_f64().max(1e-9)
    }
}

/// Places the calls and waits for their ends.
///
/// # Errors
/// A socket fails.
pub(crate) fn place(plan: &Plan) -> Result<Outcome, Trouble> {
    Callers::new(plan)?.run()
}

struct Callers<'a> {
    plan: &'a Plan,
    socket: UdpSocket,
    local: SocketAddr,
    agent: UserAgent,
    invite: Invite,
    /// Calls that are not over, with the time of their INVITE.
    live: BTreeMap<SessionId, Instant>,
    outcome: Outcome,
}

impl<'a> Callers<'a> {
    fn new(plan: &'a Plan) -> Result<Self, Trouble> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        let local = socket.local_addr()?;
        let origin = Origin { node: u16::MAX, generation: 1 };
        let mut seed = [0; 32];
        let unique = ::io::clock::now().as_nanos().to_be_bytes();
        seed.iter_mut().zip(unique).for_each(|(byte, value)| *byte = value);
        Ok(Self {
            plan,
            socket,
            local,
            agent: UserAgent::new(UaConfig::new(origin, "127.0.0.1", "load"), seed),
            invite: invite(plan, local)?,
            live: BTreeMap::new(),
            outcome: Outcome {
                started: 0,
                completed: 0,
                live_max: 0,
                failures: BTreeMap::new(),
                retransmissions: 0,
                setup_us: Histogram::new_with_bounds(1, SETUP_MAX_US, 3)?,
                offered_for: Duration::ZERO,
            },
        })
    }

    fn run(mut self) -> Result<Outcome, Trouble> {
        let begin = Instant::now();
        let gap = Duration::from_secs(1) / self.plan.rate.max(1);
        let mut next_call = begin;
        loop {
            let time = Instant::now();
            while self.outcome.started < self.plan.calls && next_call <= time {
                self.begin_call(time);
                self.outcome.offered_for = begin.elapsed();
                next_call += gap;
            }
            self.run_timers();
            let is_last = self.outcome.started == self.plan.calls;
            let is_over = is_last && (self.live.is_empty() || self.is_patience_over(time));
            if is_over {
                break;
            }
            self.wait(if is_last { time + LONGEST_WAIT } else { next_call })?;
            self.receive()?;
        }
        for _ in &self.live {
            *self.outcome.failures.entry("not over in time".to_owned()).or_default() += 1;
        }
        self.outcome.retransmissions = self.agent.meters().retransmissions_sent;
        self.hang_up_the_rest()?;
        Ok(self.outcome)
    }

    fn is_patience_over(&self, time: Instant) -> bool {
        self.live.values().all(|begun| time.duration_since(*begun) > self.plan.patience)
    }

    fn begin_call(&mut self, time: Instant) {
        self.outcome.started += 1;
        let session = SessionId(u64::from(self.outcome.started));
        self.live.insert(session, time);
        self.outcome.live_max = self.outcome.live_max.max(self.live.len());
        let invite = Box::new(self.invite.clone());
        self.handle(Input::Command(Command::Invite { session, invite }));
    }

    /// So that the next rate begins with a gateway that has nothing of this one.
    fn hang_up_the_rest(&mut self) -> Result<(), Trouble> {
        for session in std::mem::take(&mut self.live).into_keys() {
            self.handle(Input::Command(Command::Bye { session, headers: Vec::new() }));
        }
        let end = Instant::now() + HANG_UP_MAX;
        while self.agent.meters().sessions > 0 && Instant::now() < end {
            self.wait(Instant::now() + LONGEST_WAIT)?;
            self.receive()?;
            self.run_timers();
        }
        Ok(())
    }

    fn run_timers(&mut self) {
        let now = ::io::clock::read();
        if self.agent.poll_timeout().is_some_and(|(at, _)| at <= now.mono) {
            self.agent.handle_timeout(now);
            self.drain();
        }
    }

    fn wait(&self, until: Instant) -> Result<(), Trouble> {
        let now = ::io::clock::now();
        let timer = self.agent.poll_timeout().map_or(LONGEST_WAIT, |(at, _)| at.since(now));
        let left = until.saturating_duration_since(Instant::now()).min(timer).min(LONGEST_WAIT);
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
        let mut watched = [PollFd::new(&self.socket, PollFlags::IN)];
        match poll(&mut watched, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn receive(&mut self) -> Result<(), Trouble> {
        let mut bytes = [0; 65_535];
        for _ in 0..RECEIVE_BUDGET {
            match self.socket.recv_from(&mut bytes) {
                Ok((len, remote)) => {
                    let (id, transport) = (FlowId(1), Transport::Udp);
                    let flow = Flow { id, transport, local: self.local, remote };
                    self.handle(Input::Received { flow, bytes: &bytes[..len] });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // An earlier send met a closed port: the call will say so.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn handle(&mut self, input: Input<'_>) {
        let now: Now = ::io::clock::read();
        self.agent.handle(now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(effect) = self.agent.poll_effect() {
            match effect {
                Effect::Send { to: SendTo::Datagram { remote, .. }, bytes, .. } => {
                    // What the system does not take is retransmitted, and that is counted.
                    let _ = self.socket.send_to(&bytes, remote);
                }
                Effect::Event(event) => self.note(event),
                Effect::Send { .. } | Effect::CloseFlow { .. } => {}
            }
        }
    }

    fn note(&mut self, event: UaEvent) {
        match event {
            UaEvent::Answered { session, .. } => {
                if let Some(begun) = self.live.get(&session) {
                    let micros = begun.elapsed().as_micros().try_into().unwrap_or(u64::MAX);
                    self.outcome.setup_us.saturating_record(micros);
                }
            }
            UaEvent::Ended { session, cause: EndCause::RemoteBye { .. }, .. } => {
                self.outcome.completed += u32::from(self.live.remove(&session).is_some());
            }
            UaEvent::Ended { session, cause, .. } => self.failed(session, format!("{cause:?}")),
            UaEvent::Rejected { session, status, reason, .. } => {
                self.failed(session, format!("{status} {reason}"));
            }
            UaEvent::Refused { session, refusal } => {
                self.failed(session, refusal.sentence.to_string());
            }
            // Nothing else ends a call of ours or asks for an answer.
            _ => {}
        }
    }

    fn failed(&mut self, session: SessionId, what: String) {
        if self.live.remove(&session).is_some() {
            *self.outcome.failures.entry(what).or_default() += 1;
        }
    }
}

const RECEIVE_BUFFER_BYTES: usize = 4 << 20;
const SETUP_MAX_US: u64 = 60_000_000;
const LONGEST_WAIT: Duration = Duration::from_millis(20);
const HANG_UP_MAX: Duration = Duration::from_secs(3);
/// Datagrams between two looks at the schedule.
const RECEIVE_BUDGET: u32 = 64;

fn invite(plan: &Plan, local: SocketAddr) -> Result<Invite, Trouble> {
    let uri = |user: &str| {
        let text = format!("sip:{user}@{}", plan.domain);
        Uri::parse(text.as_bytes()).map_err(|_| format!("{text} is no URI"))
    };
    Ok(Invite {
        destinations: vec![Destination {
            transport: Transport::Udp,
            remote: plan.gateway,
            local,
            flow: Some(FlowId(1)),
            host: None,
        }],
        request_uri: uri("1000")?,
        to: uri("1000")?,
        from: uri(USER)?,
        from_display: None,
        contact_user: USER.to_owned(),
        headers: Vec::new(),
        media: LocalMedia {
            address: local.ip(),
            port: plan.media_port,
            direction: Direction::SendRecv,
            codecs: smallvec![Codec::Pcmu, Codec::Pcma],
        },
        attempts: sip::user_agent::Attempts::default(),
        late_offer: false,
        credentials: Some(Credentials::new(USER, PASSWORD)),
        route: Vec::new(),
    })
}
