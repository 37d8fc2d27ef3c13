//! A phone with a user: one SIP user agent, its registration, and its view of each call.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use shared::{
    Codec, Direction, Extensions, Instant, NegotiatedMedia, Now, Origin, Refusal, Transport,
};
use sip::digest::Credentials;
use sip::offer_answer::{LocalMedia, MediaSecurity, MediaTargets};
use sip::user_agent::Attempts;
use sip::{
    Command, Destination, EndCause, Flow, FlowId, Input, Invite, Message, Method, OutgoingRequest,
    OwnContact, Parameters, RequestId, Responded, Sequence, SessionId, UaConfig, UaEvent, Uri,
    UserAgent,
};

use super::GATEWAY;
use crate::ground::{DOMAIN, PASSWORD};
use crate::rng::Rng;

/// A phone, its registration and its calls.
pub struct Party {
    pub user: &'static str,
    pub agent: UserAgent,
    pub transport: Transport,
    /// Its own address, as its Contact shows it.
    pub own: SocketAddr,
    /// Its TCP connection to the gateway, as it believes.
    pub connection: Option<FlowId>,
    pub registration: Registration,
    pub calls: BTreeMap<SessionId, PhoneCall>,
    /// What it does about the next incoming call.
    pub manner: Manner,
    extensions: Extensions,
    /// Whether it sends early media (183 with SDP) before it answers.
    rings_early: bool,
    origin: Origin,
    next_number: u64,
    /// The tags of its dialogs, To and From, by Call-ID.
    tags: BTreeMap<String, (String, String)>,
}

/// What a phone does about an incoming call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Ignores,
    Answers { after_ms: u64 },
    Refuses { after_ms: u64, status: u16 },
}

/// What a phone knows of its registration.
#[derive(Default)]
pub struct Registration {
    /// Seconds that it asks for; `None`: it does not want to be registered.
    pub asks_s: Option<u32>,
    /// The REGISTER under way, and the seconds that it asks for.
    pub waits: Option<(RequestId, u32)>,
    /// When the next REGISTER is due.
    pub next_at: Option<Instant>,
    sequence: Option<Sequence>,
}

/// One call as a phone sees it.
#[derive(Debug)]
pub struct PhoneCall {
    /// Whether it rang here.
    pub is_incoming: bool,
    pub is_up: bool,
    pub over: Option<Over>,
    /// Its RTP port and direction as last agreed on; in `asked`, those of its own open offer.
    pub port: u16,
    pub direction: Direction,
    pub asked: Option<(u16, Direction)>,
    pub media: Option<NegotiatedMedia>,
    /// Statuses of its REFER: first of the response, then of each NOTIFY.
    pub told: Vec<u16>,
    pub call_id: String,
    ends: u32,
}

/// How a call ended for a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The INVITE was refused.
    Refused(u16),
    /// The caller sent CANCEL.
    Canceled,
    /// The other side hung up.
    ByPeer,
    /// The phone hung up.
    ByUs,
    /// The other side no longer knows the call, or does not answer.
    Lost,
}

/// What a phone wants of the world.
pub enum Wish {
    /// To execute a command later.
    Later { after: Duration, command: Command },
    /// A new connection: nothing comes back on the present one.
    Reconnect,
    /// To note that its contact is bound for this number of seconds; 0: that it is removed.
    Bound { granted_s: u32 },
}

impl PhoneCall {
    fn new(is_incoming: bool, port: u16) -> Self {
        Self {
            is_incoming,
            is_up: false,
            over: None,
            port,
            direction: Direction::SendRecv,
            asked: None,
            media: None,
            told: Vec::new(),
            call_id: String::new(),
            ends: 0,
        }
    }

    pub const fn is_live(&self) -> bool {
        self.over.is_none()
    }
}

impl Party {
    pub fn new(number: usize, user: &'static str, rng: &mut Rng) -> Self {
        let last = u8::try_from(number).unwrap_or(0);
        let own = SocketAddr::from(([10, 0, 1, last], 5060));
        let some = |rng: &mut Rng| Extensions {
            prack: rng.permille(500),
            update: rng.permille(500),
            timer: rng.permille(500),
            info: false,
            late_offer: false,
            replaces: false,
            siprec: false,
        };
        let origin = Origin { node: 100 + u16::from(last), generation: 1 };
        Self {
            user,
            agent: agent(origin, rng),
            transport: if rng.permille(400) { Transport::Tcp } else { Transport::Udp },
            own,
            connection: None,
            registration: Registration::default(),
            calls: BTreeMap::new(),
            manner: Manner::Ignores,
            extensions: some(rng),
            rings_early: rng.permille(250),
            origin,
            next_number: 0,
            tags: BTreeMap::new(),
        }
    }

    /// Notes the tags of a dialog from a received message: an attended transfer names them.
    pub fn note_tags(&mut self, bytes: &[u8]) {
        if !bytes.starts_with(b"SIP/2.0 200") && !bytes.starts_with(b"ACK") {
            return;
        }
        let (call_id, to, from) = match Message::parse(bytes) {
            Ok(Message::Request(request)) => (request.call_id, request.to, request.from),
            Ok(Message::Response(response)) => (response.call_id, response.to, response.from),
            Err(_) => return,
        };
        if let (Some(to), Some(from)) = (to.tag(), from.tag()) {
            let text = |tag: &sip::Text| tag.to_lossy().into_owned();
            self.tags.insert(call_id.to_string(), (text(to), text(from)));
        }
    }

    /// `Refer-To` of a transfer to the peer of another call of this phone.
    pub fn replacing(&self, session: SessionId) -> Option<String> {
        let call_id = self.agent.call_id(session)?.to_string();
        let (to, from) = self.tags.get(&call_id)?;
        let call_id = call_id.replace('@', "%40");
        Some(format!("sip:someone@{DOMAIN}?Replaces={call_id}%3Bto-tag%3D{to}%3Bfrom-tag%3D{from}"))
    }

    /// Forgets the statuses of an earlier transfer.
    pub fn forget_told(&mut self, session: SessionId) {
        if let Some(call) = self.calls.get_mut(&session) {
            call.told.clear();
        }
    }

    /// Loses power and comes back; only the user's wish to be registered survives.
    pub fn reboot(&mut self, now: Now, rng: &mut Rng) {
        self.origin.generation = self.origin.generation.wrapping_add(1);
        self.agent = agent(self.origin, rng);
        let asks_s = self.registration.asks_s;
        let next_at = asks_s.map(|_| now.mono + Duration::from_secs(3));
        self.registration = Registration { asks_s, next_at, ..Registration::default() };
        self.connection = None;
        self.calls.values_mut().filter(|call| call.is_live()).for_each(|call| {
            call.over = Some(Over::ByUs);
            call.asked = None;
        });
    }

    /// The contact of its REGISTERs, by which the registrar distinguishes bindings.
    pub fn contact(&self) -> SocketAddr {
        self.own
    }

    pub fn is_idle(&self) -> bool {
        self.calls.values().all(|call| !call.is_live())
    }

    /// Live calls, oldest first.
    pub fn live(&self) -> Vec<SessionId> {
        let live = self.calls.iter().filter(|(_, call)| call.is_live());
        live.map(|(session, _)| *session).collect()
    }

    pub fn flow(&self) -> Flow {
        let id = self.connection.filter(|_| self.transport.is_reliable()).unwrap_or(FlowId(0));
        Flow { id, transport: self.transport, local: self.own, remote: GATEWAY }
    }

    fn destination(&self) -> Destination {
        let flow = if self.transport.is_reliable() { self.connection } else { Some(FlowId(0)) };
        let (transport, remote, local) = (self.transport, GATEWAY, self.own);
        Destination { transport, remote, local, flow, host: None }
    }

    /// Calls a user of the domain; the session, and the command that starts it.
    pub fn call(&mut self, target: &str) -> (SessionId, Command) {
        let session = SessionId(self.number());
        let call = PhoneCall::new(false, self.port_of(session));
        let media = local(self.own, call.port, call.direction);
        self.calls.insert(session, call);
        let uri = uri(&format!("sip:{target}@{DOMAIN}"));
        let invite = Invite {
            destinations: vec![self.destination()],
            request_uri: uri.clone(),
            to: uri,
            from: self.address(),
            from_display: None,
            contact_user: self.user.to_owned(),
            headers: Vec::new(),
            media,
            late_offer: false,
            max_forwards: sip::message::INITIAL_MAX_FORWARDS,
            credentials: Some(Credentials::new(self.user, PASSWORD)),
            route: Vec::new(),
            attempts: Attempts::default(),
            extensions: self.extensions,
            metadata: None,
        };
        (session, Command::Invite { session, invite: Box::new(invite) })
    }

    /// The command that registers the contact for `asks_s` seconds; 0 removes it.
    pub fn register(&mut self, asks_s: u32) -> Command {
        let request = RequestId(self.number());
        let mut parameters = Parameters::new();
        let _ = parameters.set("expires", Some(&asks_s.to_string())); // digits are a token
        self.registration.waits = Some((request, asks_s));
        self.registration.next_at = None;
        let message = OutgoingRequest {
            method: Method::Register,
            destinations: vec![self.destination()],
            request_uri: uri(&format!("sip:{DOMAIN}")),
            to: self.address(),
            from: self.address(),
            contact: Some(OwnContact { user: self.user.to_owned(), parameters }),
            continues: self.registration.sequence.take(),
            headers: Vec::new(),
            credentials: Some(Credentials::new(self.user, PASSWORD)),
            route: Vec::new(),
        };
        Command::Request { request, message: Box::new(message) }
    }

    /// The command that offers other media; `None` where the call is not up, or an offer is open.
    pub fn reoffer(
        &mut self,
        session: SessionId,
        direction: Direction,
        moves: bool,
    ) -> Option<Command> {
        let own = self.own;
        let call = self.calls.get_mut(&session).filter(|call| call.is_up && call.is_live())?;
        if call.asked.is_some() {
            return None;
        }
        let port = call.port + 2 * u16::from(moves);
        call.asked = Some((port, direction));
        Some(Command::Reoffer { session, media: local(own, port, direction) })
    }

    /// The connection is gone: the phone registers anew, a little later.
    pub fn connection_gone(&mut self, now: Now, rng: &mut Rng) {
        self.connection = None;
        let registration = &mut self.registration;
        if registration.asks_s.is_some() && registration.waits.is_none() {
            let pause = Duration::from_millis(1_000 + rng.below(20_000));
            registration.next_at = Some(now.mono + pause);
        }
    }

    /// Takes an event of the user agent; the command that answers it.
    pub fn saw(
        &mut self,
        now: Now,
        event: UaEvent,
        wishes: &mut Vec<Wish>,
        wrong: &mut Vec<String>,
    ) -> Option<Command> {
        match event {
            UaEvent::Incoming(incoming) if *incoming.method() == Method::Invite => {
                return Some(self.rings(*incoming, wishes));
            }
            UaEvent::Incoming(_)
            | UaEvent::Stray(_)
            | UaEvent::Trace(_)
            | UaEvent::Broken { .. }
            | UaEvent::Unheard { .. } => return None,
            UaEvent::Responded(responded) => {
                self.responded(now, *responded, wishes, wrong);
                return None;
            }
            _ => {}
        }
        let session = session_of(&event)?;
        let user = self.user;
        let Some(call) = self.calls.get_mut(&session) else {
            wrong.push(format!("{user} has an event of a call that it never had: {event:?}"));
            return None;
        };
        if !call.is_live() {
            wrong.push(format!("{user} has an event after the end of a call: {event:?}"));
            return None;
        }
        match event {
            UaEvent::Progress { media, .. } | UaEvent::Confirmed { media, .. } => {
                call.media = media.or(call.media);
            }
            UaEvent::Answered { media, .. } => {
                if call.is_up {
                    wrong.push(format!("{user} was answered twice"));
                }
                (call.media, call.is_up) = (Some(media), true);
            }
            UaEvent::Negotiated { media, .. } => call.media = Some(media),
            UaEvent::Renegotiated { media, .. } => call.media = Some(media),
            UaEvent::ReofferRefused { .. } => call.asked = None,
            UaEvent::Offer { session, .. } => {
                // While our own offer waits for its turn, the last agreement holds.
                let answer = Ok(local(self.own, call.port, call.direction));
                return Some(Command::AnswerOffer { session, answer });
            }
            UaEvent::Refer { session, .. } => {
                let refusal = Refusal::new("refer_unwanted", 603, "phones here transfer nobody");
                return Some(Command::AnswerRefer { session, answer: Err(refusal) });
            }
            UaEvent::ReferAnswered { status, .. } => call.told.insert(0, status),
            UaEvent::ReferProgress { status, .. } => call.told.extend(status),
            UaEvent::Rejected { status, .. } => call.end(Over::Refused(status)),
            UaEvent::Refused { refusal, .. } => {
                wrong.push(format!("{user}'s phone refused a call: {}", refusal.sentence));
                call.end(Over::Refused(refusal.status.unwrap_or(500)));
            }
            UaEvent::OfferRefused { refusal, .. } => {
                wrong.push(format!("{user}'s phone refused an offer: {}", refusal.sentence));
            }
            UaEvent::Canceled { .. } => call.end(Over::Canceled),
            UaEvent::Ended { cause, .. } => call.end(over(&cause, &mut |text| {
                wrong.push(format!("{user}: {text}"));
            })),
            UaEvent::Digit { .. } | UaEvent::TlsFailed { .. } | UaEvent::FailedOver { .. } => {}
            UaEvent::Incoming(_)
            | UaEvent::Stray(_)
            | UaEvent::Trace(_)
            | UaEvent::Broken { .. }
            | UaEvent::Unheard { .. }
            | UaEvent::Responded(_) => {}
        }
        None
    }

    /// The peer answered this phone's own offer. Not to be called where the event reports this phone's own
    /// answer to an offer of the peer.
    pub fn own_offer_taken(&mut self, session: SessionId) {
        let Some(call) = self.calls.get_mut(&session) else { return };
        if let Some((port, direction)) = call.asked.take() {
            (call.port, call.direction) = (port, direction);
        }
    }

    /// Whether a command that was scheduled still makes sense; notes its result.
    pub fn does(&mut self, command: &Command) -> bool {
        match command {
            Command::Answer { session, .. } => {
                let call = self.calls.get_mut(session).filter(|call| call.is_live());
                call.map(|call| call.is_up = true).is_some()
            }
            Command::Reject { session, .. } => {
                let call = self.calls.get_mut(session).filter(|call| call.is_live());
                call.map(|call| call.over = Some(Over::ByUs)).is_some()
            }
            Command::Progress { session, .. }
            | Command::Bye { session, .. }
            | Command::Refer { session, .. } => {
                self.calls.get(session).is_some_and(PhoneCall::is_live)
            }
            _ => true,
        }
    }

    fn rings(&mut self, mut incoming: sip::Incoming, wishes: &mut Vec<Wish>) -> Command {
        if self.calls.values().any(PhoneCall::is_live) {
            let refusal = Refusal::new("busy", 486, "there is a call already");
            let (headers, trusted, incoming) = (Vec::new(), false, Box::new(incoming));
            return Command::RejectStateless { incoming, refusal, headers, trusted };
        }
        let _ = incoming.choose_extensions(self.extensions); // Admit answers with what it says
        let session = SessionId(self.number());
        let mut call = PhoneCall::new(true, self.port_of(session));
        call.call_id = incoming.request.call_id.to_string();
        self.calls.insert(session, call);
        let headers = Vec::new();
        let (status, media) = match self.rings_early {
            true => (183, Some(local(self.own, self.port_of(session), Direction::SendRecv))),
            false => (180, None),
        };
        let ringing = Command::Progress { session, status, media, headers };
        wishes.push(Wish::Later { after: Duration::from_millis(50), command: ringing });
        match self.manner {
            Manner::Ignores => {}
            Manner::Answers { after_ms } => {
                let media = local(self.own, self.port_of(session), Direction::SendRecv);
                let command = Command::Answer { session, media, headers: Vec::new() };
                wishes.push(Wish::Later { after: Duration::from_millis(after_ms), command });
            }
            Manner::Refuses { after_ms, status } => {
                let (reason, headers) = (String::new(), Vec::new());
                let command = Command::Reject { session, status, reason, headers };
                wishes.push(Wish::Later { after: Duration::from_millis(after_ms), command });
            }
        }
        Command::Admit { incoming: Box::new(incoming), session }
    }

    fn responded(
        &mut self,
        now: Now,
        responded: Responded,
        wishes: &mut Vec<Wish>,
        wrong: &mut Vec<String>,
    ) {
        let registration = &mut self.registration;
        let Some((_, asked_s)) = registration.waits.take_if(|(id, _)| *id == responded.request)
        else {
            return;
        };
        registration.sequence = responded.sequence;
        match responded.status {
            200 if asked_s == 0 => wishes.push(Wish::Bound { granted_s: 0 }),
            200 => {
                let own = responded.own_contact.as_ref();
                let listed = responded.contacts.list().iter();
                let ours = listed
                    .filter(|contact| own.is_some_and(|own| own.uri.equivalent(&contact.uri)));
                let granted: Vec<u32> = ours.filter_map(sip::NameAddr::expires).collect();
                let expected = asked_s.min(3_600);
                if granted != [expected] {
                    wrong.push(format!("{} asked for {asked_s} s and got {granted:?}", self.user));
                }
                wishes.push(Wish::Bound { granted_s: expected });
                let half = Duration::from_secs(u64::from(expected / 2));
                registration.next_at = Some(now.mono + half);
            }
            423 if asked_s < 600 => {
                registration.asks_s = registration.asks_s.map(|_| 600);
                registration.next_at = Some(now.mono);
            }
            // No response over a connection: the other side may be gone.
            408 if self.transport.is_reliable() => wishes.push(Wish::Reconnect),
            408 | 503 => registration.next_at = Some(now.mono + Duration::from_secs(20)),
            status => wrong.push(format!("{}'s REGISTER got {status}", self.user)),
        }
    }

    fn address(&self) -> Uri {
        uri(&format!("sip:{}@{DOMAIN}", self.user))
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// RTP port of a call: each call of a phone has its own.
    fn port_of(&self, session: SessionId) -> u16 {
        4_000 + 40 * u16::try_from(session.0 % 1_000).unwrap_or(0)
    }
}

impl PhoneCall {
    fn end(&mut self, over: Over) {
        self.ends += 1;
        self.over = Some(over);
        self.asked = None;
    }

    /// Whether the phone learned of the end once, or never where it lost power.
    pub const fn was_told_once(&self) -> bool {
        self.ends <= 1
    }
}

fn over(cause: &EndCause, wrong: &mut dyn FnMut(String)) -> Over {
    match cause {
        EndCause::RemoteBye { .. } => Over::ByPeer,
        EndCause::LocalBye | EndCause::LocalCancel => Over::ByUs,
        EndCause::DialogLost { .. } | EndCause::AckTimeout | EndCause::SessionExpired => Over::Lost,
        EndCause::BadAnswer { .. } | EndCause::Internal => {
            wrong(format!("a call ended by {cause:?}"));
            Over::Lost
        }
    }
}

fn session_of(event: &UaEvent) -> Option<SessionId> {
    match event {
        UaEvent::Progress { session, .. }
        | UaEvent::Answered { session, .. }
        | UaEvent::Rejected { session, .. }
        | UaEvent::TlsFailed { session, .. }
        | UaEvent::FailedOver { session, .. }
        | UaEvent::Confirmed { session, .. }
        | UaEvent::Negotiated { session, .. }
        | UaEvent::Refused { session, .. }
        | UaEvent::Canceled { session, .. }
        | UaEvent::Offer { session, .. }
        | UaEvent::Renegotiated { session, .. }
        | UaEvent::OfferRefused { session, .. }
        | UaEvent::ReofferRefused { session, .. }
        | UaEvent::Digit { session, .. }
        | UaEvent::Refer { session, .. }
        | UaEvent::ReferAnswered { session, .. }
        | UaEvent::ReferProgress { session, .. }
        | UaEvent::Ended { session, .. } => Some(*session),
        UaEvent::Incoming(_)
        | UaEvent::Stray(_)
        | UaEvent::Broken { .. }
        | UaEvent::Unheard { .. }
        | UaEvent::Responded(_)
        | UaEvent::Trace(_) => None,
    }
}

fn agent(origin: Origin, rng: &mut Rng) -> UserAgent {
    let mut config = UaConfig::new(origin, "phone.test", "phone.test");
    config.limits_sources = false;
    config.silence_max = config.timers.transaction_timeout();
    UserAgent::new(config, rng.bytes())
}

fn local(own: SocketAddr, port: u16, direction: Direction) -> LocalMedia {
    LocalMedia {
        address: own.ip(),
        port,
        direction,
        codecs: [Codec::Pcmu, Codec::Pcma].into_iter().collect(),
        security: MediaSecurity::Clear,
        targets: MediaTargets::default(),
        recording: None,
    }
}

fn uri(text: &str) -> Uri {
    Uri::parse(text).expect("a URI of the simulator")
}

/// Bytes received on a flow, as an input of a user agent.
pub fn received(flow: Flow, bytes: &[u8]) -> Input<'_> {
    Input::Received { flow, bytes }
}
