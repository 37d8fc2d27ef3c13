//! The phone: routes inputs between its SIP user agent, its media core and its registration.
//! Sans-IO. Each input is followed to its end: events of the user agent become commands of the core
//! and the other way round, until both are quiet. There is one call at a time, so one leg; a prompt
//! and a key sequence share it, and replace each other.

use std::collections::VecDeque;

use plane::{Plane, PlaneConfig, Received, SocketId};
use shared::ids::{Origin, PlayId, TapId};
use shared::media::{TapLimits, TapTracks};
use shared::srtp::SRTP_MASTER_BYTES;
use shared::time::soonest;
use shared::{
    BySink, CoreId, Direction, Header, Instant, LatchMode, LegId, LegPlan, LegQuality,
    MediaCommand, MediaEvent, MediaPort, NegotiatedMedia, Now, Random, Sink, SrtpMaster,
};
use sip::digest::Credentials;
use sip::offer_answer::{LocalMedia, MediaSecurity, MediaTargets};
use sip::user_agent::{EndCause, Incoming, Invite, TraceDirection};
use sip::{Method, RequestId, Responded, SessionId, UaConfig, UaEvent, Uri, UserAgent};

use crate::hands::Hands;
use crate::registration::{Account, Registration, Step};
use crate::surface::{Command, Effect, Event, Input, PhoneConfig};

/// One SIP user agent, one media leg, one call at a time, one registration.
pub struct Phone {
    config: PhoneConfig,
    ua: UserAgent,
    plane: Plane,
    hands: Hands,
    call: Option<Current>,
    registration: Option<Registration>,
    commands: VecDeque<sip::Command>,
    effects: VecDeque<Effect>,
    next_session: u64,
    next_request: u64,
    next_play: u32,
    generation: u32,
    random: Random,
}

/// The current call.
struct Current {
    session: SessionId,
    /// Whether it is an incoming call that is not answered yet.
    rings_here: bool,
    leg: Option<LegId>,
    held: bool,
}

/// The only tap: the received audio of the one call.
const TAP: TapId = TapId(1);

impl Phone {
    /// A phone without a call. `seed` must differ between phones.
    pub fn new(config: PhoneConfig, seed: [u8; 32]) -> Self {
        let origin = Origin { node: u16::MAX, generation: seed[0] };
        let mut ua_config = UaConfig::new(origin, &config.host, &config.host);
        ua_config.limits_sources = false;
        // A user who tries a server by hand wants to see what it does, so silence does not end the
        // attempt early.
        ua_config.silence_max = ua_config.timers.transaction_timeout();
        ua_config.product = concat!("Sidetone-phone/", env!("CARGO_PKG_VERSION")).to_owned();
        let plane = Plane::new(PlaneConfig {
            core: CoreId(0),
            cores: 1,
            ports: vec![MediaPort { address: 0, rtp: config.media_port }],
            own: std::sync::Arc::default(),
            legs_max: 1,
            taps_max: BySink::only(Sink::Recorder, 1),
            feeds_max: 0,
            room_members_max: 0,
            seed: u64::from_le_bytes([
                seed[8], seed[9], seed[10], seed[11], seed[12], seed[13], seed[14], seed[15],
            ]),
            inband_digits: true,
            unix_ms_at_zero: config.unix_ms_at_zero,
            has_tier: false,
        });
        Self {
            ua: UserAgent::new(ua_config, seed),
            random: Random::new(seed),
            plane,
            config,
            hands: Hands::default(),
            call: None,
            registration: None,
            commands: VecDeque::new(),
            effects: VecDeque::new(),
            next_session: 0,
            next_request: 0,
            next_play: 0,
            generation: 0,
        }
    }

    /// Handles one input to its end.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::Sip(input) => self.ua.handle(now, input),
            Input::Media { socket, source, packet } => {
                let received =
                    self.plane.receive(now.mono, socket, source, packet, &mut self.hands);
                if let Received::Forward { socket, to, len } = received {
                    let packet = packet.get(..len).unwrap_or_default().to_vec();
                    self.hands.packets.push_back((socket, to, packet));
                }
            }
            Input::Command(command) => self.command(now, command),
        }
        self.pump(now);
    }

    /// Handles all deadlines that have passed.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.ua.poll_timeout().is_some_and(|(at, _)| at <= now.mono) {
            self.ua.handle_timeout(now);
        }
        if self.plane.poll_timeout().is_some_and(|(at, _)| at <= now.mono) {
            self.plane.tick(now.mono, &mut self.hands);
        }
        if self.registration_deadline().is_some_and(|at| at <= now.mono) {
            self.registered(|registration, request| registration.refresh(request));
        }
        self.pump(now);
    }

    /// The next effect; `None` when all are drained.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to call [`Phone::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let registration = self.registration_deadline().map(|at| (at, "registration"));
        soonest(soonest(self.ua.poll_timeout(), registration), self.plane.poll_timeout())
    }

    /// Whether there is a call, in any state.
    pub const fn is_busy(&self) -> bool {
        self.call.is_some()
    }

    /// Whether there is a registration, in any state.
    pub const fn has_registration(&self) -> bool {
        self.registration.is_some()
    }

    /// Counters of the media core.
    pub fn media_meters(&self) -> &plane::PlaneMeters {
        self.plane.meters()
    }

    fn pump(&mut self, now: Now) {
        loop {
            if let Some(effect) = self.ua.poll_effect() {
                match effect {
                    sip::Effect::Event(event) => self.on_event(now, event),
                    send => self.effects.push_back(Effect::Sip(send)),
                }
            } else if let Some(command) = self.commands.pop_front() {
                self.ua.handle(now, sip::Input::Command(command));
            } else {
                break;
            }
        }
        self.carry_out_media();
    }

    fn carry_out_media(&mut self) {
        while let Some((socket, to, packet)) = self.hands.packets.pop_front() {
            self.effects.push_back(Effect::Media { socket, to, packet });
        }
        while let Some(frame) = self.hands.frames.pop_front() {
            if let Some(heard) = frame.inbound {
                self.event(Event::Heard { codec: frame.codec, frame: heard });
            }
        }
        while let Some(event) = self.hands.events.pop_front() {
            match event {
                MediaEvent::Digit { digit, .. } => self.event(Event::Key(char::from(digit))),
                MediaEvent::PlayEnded { .. } => self.event(Event::Spoken),
                MediaEvent::LegStopped { quality, .. } => self.event(Event::Quality(*quality)),
                MediaEvent::PlanReturned(_)
                | MediaEvent::Refused { .. }
                | MediaEvent::Latched { .. }
                | MediaEvent::TapEnded { .. }
                | MediaEvent::FeedEnded { .. }
                | MediaEvent::MediaTimeout { .. }
                | MediaEvent::QualityChanged { .. }
                | MediaEvent::RtcpBye { .. }
                | MediaEvent::Detected { .. }
                | MediaEvent::Talking { .. }
                | MediaEvent::Room { .. }
                | MediaEvent::Described { .. } => {}
            }
        }
    }

    fn event(&mut self, event: Event) {
        self.effects.push_back(Effect::Event(event));
    }

    fn command(&mut self, now: Now, command: Command) {
        match command {
            Command::Call { target, destinations, headers } => {
                self.place(target, destinations, headers);
            }
            Command::Register { address, destinations, expires_s } => {
                self.register(address, destinations, expires_s);
            }
            Command::Unregister => {
                self.registered(|registration, request| registration.leave(request));
            }
            Command::Answer => self.answer(),
            Command::Refuse { status } => {
                if let Some(call) = self.call.take_if(|call| call.rings_here) {
                    let (session, reason, headers) = (call.session, String::new(), Vec::new());
                    self.commands.push_back(sip::Command::Reject {
                        session,
                        status,
                        reason,
                        headers,
                    });
                }
            }
            Command::HangUp => {
                if let Some(call) = &self.call {
                    let (session, headers) = (call.session, Vec::new());
                    self.commands.push_back(sip::Command::Bye { session, headers });
                }
            }
            Command::Hold(held) => self.hold(held),
            Command::Play(prompt) => {
                let play = self.new_play();
                self.media(now, |leg| MediaCommand::Play { leg, play, prompt, repeat: 1 });
            }
            Command::Press(digits) => {
                let play = self.new_play();
                self.media(now, |leg| MediaCommand::SendDigits { leg, play, digits });
            }
        }
    }

    fn place(&mut self, target: Uri, destinations: Vec<sip::Destination>, headers: Vec<Header>) {
        let from = format!("sip:{}@{}", self.config.user, self.config.host);
        let (None, Ok(from)) = (&self.call, Uri::parse(from.as_bytes())) else { return };
        let session = self.new_session();
        let credentials = self.credentials();
        let invite = Invite {
            destinations,
            to: target.clone(),
            request_uri: target,
            from,
            from_display: None,
            contact_user: self.config.user.clone(),
            headers,
            media: self.local_media(false),
            attempts: sip::user_agent::Attempts::default(),
            late_offer: false,
            max_forwards: sip::message::INITIAL_MAX_FORWARDS,
            extensions: shared::Extensions::NONE,
            credentials,
            route: Vec::new(),
            metadata: None,
        };
        self.call = Some(Current { session, rings_here: false, leg: None, held: false });
        self.commands.push_back(sip::Command::Invite { session, invite: Box::new(invite) });
    }

    fn register(&mut self, address: Uri, destinations: Vec<sip::Destination>, expires_s: u32) {
        if self.registration.is_some() {
            return;
        }
        let contact_user = self.config.user.clone();
        let credentials = self.credentials();
        let account = Account { address, destinations, contact_user, credentials };
        let request = self.new_request();
        match Registration::begin(account, expires_s, request) {
            Some((registration, message)) => {
                self.registration = Some(registration);
                self.commands.push_back(sip::Command::Request { request, message });
            }
            None => {
                let reason = "the address is not a SIP URI".to_owned();
                self.event(Event::RegisterRefused { status: 400, reason });
            }
        }
    }

    /// Runs one step of the registration, with the name of the request that it may send.
    fn registered(&mut self, work: impl FnOnce(&mut Registration, RequestId) -> Step) {
        let request = self.new_request();
        let Some(registration) = &mut self.registration else { return };
        match work(registration, request) {
            Step::Ask(message) => {
                self.commands.push_back(sip::Command::Request { request, message });
            }
            Step::Tell(event) => self.event(event),
            Step::End(event) => {
                self.registration = None;
                self.event(event);
            }
            Step::Wait => {}
        }
    }

    fn on_responded(&mut self, now: Now, responded: Responded) {
        let id = responded.request;
        if self.registration.as_ref().is_some_and(|registration| registration.waits_for(id)) {
            self.registered(|registration, next| registration.responded(now, responded, next));
        }
    }

    fn registration_deadline(&self) -> Option<Instant> {
        self.registration.as_ref()?.deadline()
    }

    fn credentials(&self) -> Option<Credentials> {
        let password = &self.config.password;
        (!password.is_empty()).then(|| Credentials::new(&self.config.user, password))
    }

    fn answer(&mut self) {
        let media = self.local_media(false);
        let Some(call) = self.call.as_mut().filter(|call| call.rings_here) else { return };
        call.rings_here = false;
        let (session, headers) = (call.session, Vec::new());
        self.commands.push_back(sip::Command::Answer { session, media, headers });
    }

    fn hold(&mut self, held: bool) {
        let media = self.local_media(held);
        let Some(call) = self.call.as_mut() else { return };
        call.held = held;
        self.commands.push_back(sip::Command::Reoffer { session: call.session, media });
    }

    /// A fresh SRTP key for each call.
    fn security(&self) -> MediaSecurity {
        if !self.config.srtp {
            return MediaSecurity::Clear;
        }
        let seed = self.random.key_for(&format!("srtp of call {}", self.next_session));
        let mut key = [0; SRTP_MASTER_BYTES];
        key.iter_mut().zip(seed).for_each(|(to, from)| *to = from);
        MediaSecurity::Required(SrtpMaster::new(key))
    }

    fn local_media(&self, held: bool) -> LocalMedia {
        LocalMedia {
            address: self.config.media_address,
            port: self.config.media_port,
            direction: if held { Direction::SendOnly } else { Direction::SendRecv },
            codecs: self.config.codecs.iter().copied().collect(),
            security: self.security(),
            targets: MediaTargets::default(),
            recording: None,
        }
    }

    fn on_event(&mut self, now: Now, event: UaEvent) {
        match event {
            UaEvent::Incoming(incoming) if *incoming.method() == Method::Invite => {
                self.on_invite(incoming);
            }
            // Never emitted: with `limits_sources` off the user agent answers strays itself.
            UaEvent::Stray(_) => {}
            UaEvent::Incoming(incoming) => self.commands.push_back(sip::Command::Respond {
                incoming,
                status: 200,
                headers: Vec::new(),
                remember: false,
            }),
            UaEvent::Progress { status, media, .. } => {
                if let Some(media) = media {
                    self.set_media(now, media);
                }
                self.event(Event::Progress { status });
            }
            UaEvent::Answered { media, headers, .. } => {
                self.set_media(now, media);
                self.event(Event::Up { codec: media.codec, headers: headers.to_vec() });
            }
            UaEvent::Negotiated { media, .. } => {
                self.set_media(now, media);
                self.event(Event::Up { codec: media.codec, headers: Vec::new() });
            }
            UaEvent::Renegotiated { media, .. } => self.set_media(now, media),
            UaEvent::Confirmed { media, .. } => {
                if let Some(media) = media {
                    self.set_media(now, media);
                }
            }
            UaEvent::Rejected { status, reason, .. } => {
                self.over(now);
                self.event(Event::Refused { status, reason });
            }
            UaEvent::Refused { refusal, .. } => {
                self.over(now);
                let (status, reason) = (refusal.status.unwrap_or(500), refusal.sentence.into());
                self.event(Event::Refused { status, reason });
            }
            UaEvent::Canceled { .. } => {
                self.over(now);
                self.event(Event::Ended { by_peer: true, headers: Vec::new() });
            }
            UaEvent::Offer { session, .. } => {
                let answer = Ok(self.local_media(self.call.as_ref().is_some_and(|call| call.held)));
                self.commands.push_back(sip::Command::AnswerOffer { session, answer });
            }
            UaEvent::Digit { .. } => self.event(Event::Trace("a digit came by INFO".to_owned())),
            UaEvent::Refer { session, .. } => {
                let sentence = "this phone makes one call and transfers none";
                let answer = Err(shared::Refusal::new("refer_unwanted", 603, sentence));
                self.commands.push_back(sip::Command::AnswerRefer { session, answer });
            }
            UaEvent::ReferAnswered { .. } | UaEvent::ReferProgress { .. } => {}
            UaEvent::OfferRefused { refusal, .. } => {
                self.event(Event::Trace(format!("a new offer is refused: {}", refusal.sentence)));
            }
            UaEvent::ReofferRefused { status, .. } => {
                self.event(Event::Trace(format!("the new offer was refused with {status}")));
            }
            UaEvent::Ended { cause, headers, .. } => {
                self.over(now);
                let by_peer = matches!(cause, EndCause::RemoteBye { .. });
                let headers = headers.map(|headers| headers.to_vec()).unwrap_or_default();
                self.event(Event::Ended { by_peer, headers });
            }
            UaEvent::TlsFailed { peer, failure, .. } => {
                self.event(Event::Trace(format!("TLS with {peer} failed: {}", failure.sentence())));
            }
            UaEvent::FailedOver { .. } | UaEvent::Broken { .. } | UaEvent::Unheard { .. } => {}
            UaEvent::Responded(responded) => self.on_responded(now, *responded),
            UaEvent::Trace(trace) => {
                let arrow = match trace.direction {
                    TraceDirection::Received => "<-",
                    TraceDirection::Sent => "->",
                };
                self.event(Event::Trace(format!("{arrow} {}", trace.summary)));
            }
        }
    }

    fn on_invite(&mut self, incoming: Box<Incoming>) {
        if self.call.is_some() {
            let refusal = shared::Refusal::new("busy", 486, "There is a call already.");
            return self.commands.push_back(sip::Command::RejectStateless {
                incoming,
                refusal,
                headers: Vec::new(),
                trusted: false,
            });
        }
        let session = self.new_session();
        let headers = incoming.request.headers.to_vec();
        self.call = Some(Current { session, rings_here: true, leg: None, held: false });
        self.commands.push_back(sip::Command::Admit { incoming, session });
        let ringing =
            sip::Command::Progress { session, status: 180, media: None, headers: Vec::new() };
        self.commands.push_back(ringing);
        self.event(Event::Incoming { headers });
        if self.config.answers {
            self.answer();
        }
    }

    /// Starts the leg with a tap on the received audio, or updates it.
    fn set_media(&mut self, now: Now, media: NegotiatedMedia) {
        let Some(call) = self.call.as_mut() else { return };
        let plan = Box::new(LegPlan {
            port: MediaPort { address: 0, rtp: self.config.media_port },
            media,
            latch: LatchMode::Any,
            signaling_peer: None,
            ssrc: now.mono.as_nanos() as u32 ^ u32::from(self.config.media_port) << 16,
            first_sequence: now.mono.as_nanos() as u16,
            first_timestamp: now.mono.as_nanos() as u32,
            media_timeout_ms: 0,
        });
        if let Some(leg) = call.leg {
            let update = MediaCommand::UpdateLeg { leg, plan };
            return self.plane.command(now.mono, update, &mut self.hands);
        }
        self.generation = self.generation.wrapping_add(1);
        let leg = LegId { core: CoreId(0), slot: 0, generation: self.generation };
        call.leg = Some(leg);
        let (tap, tracks, limits) = (TAP, TapTracks::Inbound, TapLimits::default());
        let start = MediaCommand::StartLeg { leg, plan };
        self.plane.command(now.mono, start, &mut self.hands);
        // The ear of the phone is the only sink that it has.
        let sink = Sink::Recorder;
        let listen = MediaCommand::StartTap { leg, tap, sink, tracks, limits };
        self.plane.command(now.mono, listen, &mut self.hands);
    }

    fn media(&mut self, now: Now, command: impl FnOnce(LegId) -> MediaCommand) {
        if let Some(leg) = self.call.as_ref().and_then(|call| call.leg) {
            self.plane.command(now.mono, command(leg), &mut self.hands);
        }
    }

    fn over(&mut self, now: Now) {
        let quality = Box::<LegQuality>::default();
        self.media(now, |leg| MediaCommand::StopLeg { leg, quality });
        self.call = None;
    }

    fn new_session(&mut self) -> SessionId {
        self.next_session += 1;
        SessionId(self.next_session)
    }

    fn new_request(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }

    fn new_play(&mut self) -> PlayId {
        self.next_play = self.next_play.wrapping_add(1);
        PlayId(self.next_play)
    }
}

/// The RTCP socket of a phone without rtcp-mux.
pub const RTCP: SocketId = SocketId::rtcp(0);
