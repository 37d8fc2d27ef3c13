//! The callers: one endpoint places calls at a steady rate. Shell.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use shared::{Codec, Direction, Transport};
use sip::digest::Credentials;
use sip::offer_answer::{LocalMedia, MediaSecurity, MediaTargets};
use sip::{Command, EndCause, Invite, SessionId, UaEvent, Uri};
use smallvec::smallvec;

use super::rest::{Login, PASSWORD, USER};
use crate::endpoint::{Endpoint, LONGEST_WAIT, Trouble};

/// Calls at one rate.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Calls to start each second.
    pub rate: u32,
    /// Total number of calls.
    pub calls: u32,
    /// Domain that the callers call.
    pub domain: String,
    /// The gateway's address for `transport`.
    pub gateway: SocketAddr,
    /// Transport of the callers.
    pub transport: Transport,
    /// File of the authorities that vouch for the gateway's certificate; read for TLS only.
    pub authorities: PathBuf,
    /// How the gateway admits the callers.
    pub login: Login,
    /// RTP port of every caller.
    pub media_port: u16,
    /// Longest time from a call's INVITE to its end.
    pub patience: Duration,
}

/// Results of the calls of one plan.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub started: u32,
    /// Calls that were answered and then ended by the gateway's BYE.
    pub completed: u32,
    /// Most calls at once.
    pub live_max: usize,
    /// Number of all other calls, by what happened to them.
    pub failures: BTreeMap<String, u32>,
    /// Messages that the callers retransmitted.
    pub retransmissions: u64,
    /// From the first INVITE to the 200, digest round included, in microseconds.
    pub setup_us: Histogram<u64>,
    /// From the first call's INVITE to the last call's INVITE.
    pub offered_for: Duration,
}

impl Outcome {
    /// Calls started each second, as measured.
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

/// Calls that stay up, to measure the memory that they hold.
pub(crate) struct Held<'a>(Callers<'a>);

impl<'a> Held<'a> {
    /// Opens the endpoint; no call is up yet.
    ///
    /// # Errors
    /// A socket fails.
    pub fn open(plan: &'a Plan) -> Result<Self, Trouble> {
        let mut callers = Callers::new(plan)?;
        // On hold from the first: what is measured is state, not packets.
        callers.invite.media.direction = Direction::Inactive;
        Ok(Self(callers))
    }

    /// Brings `calls` more calls up, at the rate of the plan.
    ///
    /// # Errors
    /// A call does not come up, or ends; says what happened.
    pub fn bring_up(&mut self, calls: u32) -> Result<(), Trouble> {
        let Self(callers) = self;
        let wanted = u64::from(callers.outcome.started + calls);
        let begin = Instant::now();
        let gap = Duration::from_secs(1) / callers.plan.rate.max(1);
        let patience = gap * calls + callers.plan.patience;
        let mut begun = 0;
        while callers.outcome.setup_us.len() < wanted {
            while begun < calls && begin + gap * begun <= Instant::now() {
                callers.begin_call(Instant::now());
                begun += 1;
            }
            callers.turn(if begun < calls {
                begin + gap * begun
            } else {
                Instant::now() + LONGEST_WAIT
            })?;
            if let Some((what, _)) = callers.outcome.failures.first_key_value() {
                return Err(format!("a call ended: {what}").into());
            }
            if begin.elapsed() > patience {
                let up = callers.outcome.setup_us.len();
                return Err(format!("{up} of {wanted} calls came up").into());
            }
        }
        Ok(())
    }
}

struct Callers<'a> {
    plan: &'a Plan,
    endpoint: Endpoint,
    /// Events of the endpoint that wait to be handled.
    events: Vec<UaEvent>,
    invite: Invite,
    /// Calls that are not over, with the time of their INVITE.
    live: BTreeMap<SessionId, Instant>,
    outcome: Outcome,
}

impl<'a> Callers<'a> {
    fn new(plan: &'a Plan) -> Result<Self, Trouble> {
        let mut events = Vec::new();
        let endpoint = match plan.transport {
            Transport::Udp => Endpoint::open()?,
            Transport::Tcp => Endpoint::connect(plan.gateway, &mut events)?,
            Transport::Tls => {
                let authorities = &plan.authorities;
                Endpoint::connect_tls(plan.gateway, authorities, &plan.domain, &mut events)?
            }
        };
        let invite = invite(plan, &endpoint)?;
        Ok(Self {
            plan,
            endpoint,
            events,
            invite,
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
            let is_last = self.outcome.started == self.plan.calls;
            let is_over = is_last && (self.live.is_empty() || self.is_patience_over(time));
            if is_over {
                break;
            }
            self.turn(if is_last { time + LONGEST_WAIT } else { next_call })?;
        }
        for _ in &self.live {
            *self.outcome.failures.entry("not over in time".to_owned()).or_default() += 1;
        }
        self.outcome.retransmissions = self.endpoint.meters().retransmissions_sent;
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
        self.endpoint.command(Command::Invite { session, invite }, &mut self.events);
        self.note_all();
    }

    /// Ends every call, so that the next rate starts with an idle gateway.
    fn hang_up_the_rest(&mut self) -> Result<(), Trouble> {
        for session in std::mem::take(&mut self.live).into_keys() {
            let headers = Vec::new();
            self.endpoint.command(Command::Bye { session, headers }, &mut self.events);
        }
        let end = Instant::now() + HANG_UP_MAX;
        while self.endpoint.meters().sessions > 0 && Instant::now() < end {
            self.turn(Instant::now() + LONGEST_WAIT)?;
        }
        Ok(())
    }

    fn turn(&mut self, until: Instant) -> Result<(), Trouble> {
        self.endpoint.turn(until, &mut self.events)?;
        self.note_all();
        Ok(())
    }

    fn note_all(&mut self) {
        for event in std::mem::take(&mut self.events) {
            self.note(event);
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
            // No other event ends one of our calls or wants an answer.
            _ => {}
        }
    }

    fn failed(&mut self, session: SessionId, what: String) {
        if self.live.remove(&session).is_some() {
            *self.outcome.failures.entry(what).or_default() += 1;
        }
    }
}

const SETUP_MAX_US: u64 = 60_000_000;
const HANG_UP_MAX: Duration = Duration::from_secs(3);

/// The INVITE of a caller.
///
/// # Errors
/// The domain is no host.
pub(crate) fn invite(plan: &Plan, endpoint: &Endpoint) -> Result<Invite, Trouble> {
    let uri = |user: &str| {
        let text = format!("sip:{user}@{}", plan.domain);
        Uri::parse(text.as_bytes()).map_err(|_| format!("{text} is no URI"))
    };
    Ok(Invite {
        destinations: vec![endpoint.destination(plan.gateway)],
        request_uri: uri("1000")?,
        to: uri("1000")?,
        from: uri(USER)?,
        from_display: None,
        contact_user: USER.to_owned(),
        headers: Vec::new(),
        media: LocalMedia {
            address: endpoint.local.ip(),
            port: plan.media_port,
            direction: Direction::SendRecv,
            codecs: smallvec![Codec::Pcmu, Codec::Pcma],
            security: MediaSecurity::Clear,
            targets: MediaTargets::default(),
            recording: None,
        },
        attempts: sip::user_agent::Attempts::default(),
        late_offer: false,
        max_forwards: sip::message::INITIAL_MAX_FORWARDS,
        extensions: shared::Extensions::NONE,
        credentials: (plan.login == Login::Digest).then(|| Credentials::new(USER, PASSWORD)),
        route: Vec::new(),
        metadata: None,
    })
}
