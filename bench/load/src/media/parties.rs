//! The SIP side of the parties: places calls through the gateway and answers them at their other end,
//! so that the relay under test is set up as users set it up. Shell.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use shared::{Codec, Direction, NegotiatedMedia, SrtpKeys};
use sip::digest::Credentials;
use sip::offer_answer::{LocalMedia, MediaSecurity, MediaTargets};
use sip::{Command, Incoming, Invite, Method, NameAddr, SessionId, UaEvent, Uri};
use smallvec::smallvec;

use super::relay::{Setup, SetupError, party_key};
use crate::calls::rest::{PASSWORD, USER};
use crate::endpoint::{Endpoint, LONGEST_WAIT};

/// Callers and callees, one endpoint.
pub(crate) struct Parties {
    endpoint: Endpoint,
    events: Vec<UaEvent>,
    calls: BTreeMap<u32, Call>,
    /// The call of each session, and the end that it is.
    sessions: BTreeMap<SessionId, (u32, End)>,
    next_session: u64,
    next_call: u32,
    failure: Option<String>,
}

/// One call: what each of its two parties learned, as it becomes known.
#[derive(Clone, Copy, Debug, Default)]
struct Call {
    caller: Option<SessionId>,
    caller_end: Option<PartyEnd>,
    callee_end: Option<PartyEnd>,
}

/// What a party learned from offer and answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartyEnd {
    /// Destination of its audio.
    pub target: SocketAddr,
    /// Its own view of the keys where SRTP was agreed on.
    pub keys: Option<SrtpKeys>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Caller,
    Callee,
}

impl Parties {
    /// # Errors
    /// The system refuses a socket.
    pub fn open() -> Result<Self, SetupError> {
        Ok(Self {
            endpoint: Endpoint::open()?,
            events: Vec::new(),
            calls: BTreeMap::new(),
            sessions: BTreeMap::new(),
            next_session: 0,
            next_call: 0,
            failure: None,
        })
    }

    /// The address that answers calls.
    pub const fn address(&self) -> SocketAddr {
        self.endpoint.local
    }

    /// Brings calls up, two streams a call, and returns what the party of each stream learned; callers are even.
    ///
    /// # Errors
    /// A call is refused or is not up in time; the sentence says how.
    pub fn bring_up(
        &mut self,
        gateway: SocketAddr,
        domain: &str,
        setup: &Setup,
    ) -> Result<Vec<PartyEnd>, SetupError> {
        let count = setup.streams / 2;
        let first = self.next_call;
        let end = Instant::now() + BRING_UP_MAX;
        let mut begun = 0;
        // The digest of the first call vouches for the source of all others.
        while begun < count || self.under_way() > 0 {
            let window = if self.up() == 0 { 1 } else { WINDOW };
            while begun < count && self.under_way() < window {
                self.call(gateway, domain, setup)?;
                begun += 1;
            }
            self.endpoint.turn(Instant::now() + LONGEST_WAIT, &mut self.events)?;
            self.note_all(setup);
            if let Some(failure) = self.failure.take() {
                return Err(failure.into());
            }
            if Instant::now() > end {
                return Err(format!("{} of {count} calls came up in time", self.up()).into());
            }
        }
        let mut ends = Vec::with_capacity(setup.streams);
        for call in self.calls.range(first..).map(|(_, call)| call) {
            ends.extend([call.caller_end, call.callee_end].into_iter().flatten());
        }
        let is_as_asked = |(index, end): (usize, &PartyEnd)| {
            end.keys.is_some() == (setup.is_secured && index.is_multiple_of(2))
        };
        match ends.iter().enumerate().all(is_as_asked) {
            true => Ok(ends),
            false => Err("SRTP was not agreed on by exactly the parties that offered it".into()),
        }
    }

    /// Hangs every call up and waits until both ends know.
    ///
    /// # Errors
    /// They do not end in time.
    pub fn hang_up(&mut self) -> Result<(), SetupError> {
        for call in std::mem::take(&mut self.calls).into_values() {
            if let Some(session) = call.caller {
                let headers = Vec::new();
                self.endpoint.command(Command::Bye { session, headers }, &mut self.events);
            }
        }
        let end = Instant::now() + HANG_UP_MAX;
        while self.endpoint.meters().sessions > 0 {
            self.endpoint.turn(Instant::now() + LONGEST_WAIT, &mut self.events)?;
            self.events.clear();
            if Instant::now() > end {
                return Err(format!("{} calls do not end", self.endpoint.meters().sessions).into());
            }
        }
        self.sessions.clear();
        Ok(())
    }

    fn up(&self) -> usize {
        self.calls.values().filter(|call| call.is_up()).count()
    }

    fn under_way(&self) -> usize {
        self.calls.len() - self.up()
    }

    fn call(&mut self, gateway: SocketAddr, domain: &str, setup: &Setup) -> Result<(), SetupError> {
        let number = self.next_call;
        self.next_call += 1;
        let session = self.new_session(number, End::Caller);
        self.calls.insert(number, Call { caller: Some(session), ..Call::default() });
        let uri = |user: &str| {
            let text = format!("sip:{user}@{domain}");
            Uri::parse(text.as_bytes()).map_err(|_| format!("{text} is no URI"))
        };
        let invite = Invite {
            destinations: vec![self.endpoint.destination(gateway)],
            request_uri: uri("1000")?,
            to: uri("1000")?,
            // The caller ID reaches the callee and matches the two ends of a call.
            from: uri(&number.to_string())?,
            from_display: None,
            contact_user: USER.to_owned(),
            headers: Vec::new(),
            media: media(setup, End::Caller, number),
            late_offer: false,
            max_forwards: sip::message::INITIAL_MAX_FORWARDS,
            extensions: shared::Extensions::NONE,
            credentials: Some(Credentials::new(USER, PASSWORD)),
            route: Vec::new(),
            attempts: sip::user_agent::Attempts::default(),
            metadata: None,
        };
        let invite = Box::new(invite);
        self.endpoint.command(Command::Invite { session, invite }, &mut self.events);
        self.note_all(setup);
        Ok(())
    }

    fn new_session(&mut self, call: u32, end: End) -> SessionId {
        self.next_session += 1;
        let session = SessionId(self.next_session);
        self.sessions.insert(session, (call, end));
        session
    }

    fn note_all(&mut self, setup: &Setup) {
        while !self.events.is_empty() {
            for event in std::mem::take(&mut self.events) {
                self.note(event, setup);
            }
        }
    }

    fn note(&mut self, event: UaEvent, setup: &Setup) {
        match event {
            UaEvent::Incoming(incoming) if *incoming.method() == Method::Invite => {
                self.answer(incoming, setup);
            }
            UaEvent::Answered { session, media, .. } | UaEvent::Negotiated { session, media } => {
                self.learn(session, &media);
            }
            UaEvent::Rejected { session, status, reason, .. } => {
                self.failed(session, format!("{status} {reason}"));
            }
            UaEvent::Refused { session, refusal } => {
                self.failed(session, refusal.sentence.to_string());
            }
            UaEvent::Ended { session, cause, .. } => self.failed(session, format!("{cause:?}")),
            // No other event changes one of our calls or wants an answer.
            _ => {}
        }
    }

    fn answer(&mut self, incoming: Box<Incoming>, setup: &Setup) {
        let Some(number) = caller_number(&incoming.request.from) else {
            self.failure = Some("the gateway called without the caller's number".to_owned());
            return;
        };
        let session = self.new_session(number, End::Callee);
        let answer = Command::Answer {
            session,
            media: media(setup, End::Callee, number),
            headers: Vec::new(),
        };
        self.endpoint.command(Command::Admit { incoming, session }, &mut self.events);
        self.endpoint.command(answer, &mut self.events);
    }

    fn learn(&mut self, session: SessionId, media: &NegotiatedMedia) {
        let Some((number, end)) = self.sessions.get(&session) else { return };
        let Some(call) = self.calls.get_mut(number) else { return };
        let learned = media.remote_rtp.map(|target| PartyEnd { target, keys: media.srtp });
        match end {
            End::Caller => call.caller_end = learned,
            End::Callee => call.callee_end = learned,
        }
    }

    fn failed(&mut self, session: SessionId, what: String) {
        if let Some((number, end)) = self.sessions.remove(&session) {
            self.failure.get_or_insert(format!("call {number}, {end:?}: {what}"));
        }
    }
}

impl Call {
    const fn is_up(&self) -> bool {
        self.caller_end.is_some() && self.callee_end.is_some()
    }
}

/// Calls that are being set up at once.
const WINDOW: usize = 40;
const BRING_UP_MAX: Duration = Duration::from_secs(30);
const HANG_UP_MAX: Duration = Duration::from_secs(20);

fn media(setup: &Setup, end: End, call: u32) -> LocalMedia {
    let codec: Codec = setup.codecs[usize::from(end == End::Callee)];
    let address: IpAddr = setup.parties.ip();
    LocalMedia {
        address,
        port: setup.parties.port(),
        direction: Direction::SendRecv,
        codecs: smallvec![codec],
        targets: MediaTargets::default(),
        security: match (end, setup.is_secured) {
            (End::Caller, true) => MediaSecurity::Required(party_key(call as usize).master),
            (End::Caller, false) | (End::Callee, _) => MediaSecurity::Clear,
        },
        recording: None,
    }
}

fn caller_number(from: &NameAddr) -> Option<u32> {
    let Uri::Sip(uri) = &from.uri else { return None };
    uri.user_lossy().parse().ok()
}
