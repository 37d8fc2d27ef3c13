//! The world around `Control`: phones, network, application, store, recorder, streams, media cores.

mod act;
mod cores;
mod effects;
mod media_application;
mod recognition_events;
mod recognitions;
mod recorder;
mod recording_server;
mod recording_sessions;
mod relay_application;
mod stream_events;
mod streams;
mod talk;
mod voice;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use call::HttpFailure;
use control::{ApiRequest, ApiToken, Control, ControlSettings, Input};
use phone::{Phone, PhoneConfig};
use plane::SocketId;
use shared::config::SrtpUse;
use shared::time::soonest;
use shared::{CallSid, Code, Codec, Instant, Now, Prompt, Sink, StreamSid, Transport};
use sip::flow::{Flow, FlowId};
use store::{CallCommand, CallRecord, DomainParameters, MappedList, Patch, Snapshot};

use crate::ground::{PASSWORD, START_UNIX_MS, snapshot};
use crate::network::Network;
use crate::rng::Rng;
use crate::schedule::Schedule;
use crate::webhook::Asked;

pub use effects::only_settles;
pub use relay_application::FAULTS as BABBLED_FAULTS;
pub use voice::SOUND;

use act::Act;
use cores::{Cores, Packet};
use recognitions::Recognitions;
use recorder::Recorder;
use recording_server::{RecordingServer, ServerAct};
use recording_sessions::Copies;
use streams::Streams;

pub const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const SIP_PORT: u16 = 5060;
const PHONE_MEDIA_PORT: u16 = 4000;
pub const PHONES: usize = 3;

/// The engine of the world, which [`recognitions`] plays.
const ENGINE: &str = "[[recognition.engine]]\nname = \"sim\"\ncommand = [\"sim\"]\n";

/// The recording server of the world, which [`recording_server`] plays: a connector for each of its manners.
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 8));
const CONNECTORS: [&str; 7] =
    ["takes", "late", "refuses", "challenges", "silent", "vanishes", "hangs-up"];

/// The address of a phone.
pub fn phone_ip(phone: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2 + phone as u8))
}

type OnControl = Box<dyn FnOnce(&mut Control, Now)>;

/// What happens later.
enum Later {
    Datagram {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    Control(OnControl),
    Phone(usize, phone::Command),
    Rest(Ask),
    Clock {
        jump_ms: i64,
    },
    /// An application does something at its end of a stream.
    Stream(StreamSid, Act),
    /// The recording server acts.
    Server(ServerAct),
    /// The recognition engine answers.
    Engine(call::recognition::UtteranceId, call::recognition::Answer),
}

/// Makes a REST request when its time has come; `None`: no request is sent.
pub type Ask = Box<dyn FnOnce(&World) -> Option<CallCommand>>;

/// What a world is made of.
#[derive(Clone, Copy, Debug)]
pub struct Ground {
    /// Number of media cores.
    pub cores: u8,
    /// Legs of each core: with one, every bridge crosses cores.
    pub legs_a_core: usize,
    /// The network of SIP and media.
    pub network: Network,
    /// Whether each phone answers by itself.
    pub answers: [bool; PHONES],
}

/// Answers a URL with a document or a failure.
pub type Application = Box<dyn FnMut(&str) -> Result<String, HttpFailure>>;

/// Everything, at one instant.
pub struct World {
    pub now: Now,
    pub rng: Rng,
    pub network: Network,
    pub control: Control,
    pub phones: Vec<Phone>,
    pub heard: Vec<Vec<phone::Event>>,
    pub faults: Vec<String>,
    pub endings: BTreeMap<String, u32>,
    pub application: Application,
    /// Every webhook, in order.
    pub asked: Vec<Asked>,
    /// The last record of every call.
    pub records: BTreeMap<CallSid, CallRecord>,
    /// Every prompt of `<Say>`, in order.
    pub prompts: Vec<Arc<Prompt>>,
    /// Reply to each REST request, in order; an error is its code.
    pub replies: Vec<Result<(), Code>>,
    /// Delays of webhooks, prompts and commits. A stream of its own, so that packets do not change them.
    delays: Rng,
    cores: Cores,
    recorder: Recorder,
    pub streams: Streams,
    pub recognitions: Recognitions,
    pub server: RecordingServer,
    copies: Copies,
    later: Schedule<Later>,
    /// Number of REST requests so far.
    requests: u64,
    legs_at_start: usize,
}

impl World {
    pub fn new(seed: u64, cores: u8, network: Network, application: Application) -> Self {
        let ground = Ground { cores, legs_a_core: 8, network, answers: [true; PHONES] };
        Self::on(seed, ground, application)
    }

    /// A world with all its parameters.
    pub fn on(seed: u64, ground: Ground, application: Application) -> Self {
        let Ground { cores, legs_a_core, network, answers } = ground;
        let mut rng = Rng::new(seed);
        let now = Now { mono: Instant::from_millis(1_000), unix_ms: START_UNIX_MS };
        let mut layers = shared::config::Layers::default();
        let connectors = CONNECTORS.map(|name| {
            format!(
                "[siprec.{name}]\nuri = \"sip:{name}@{SERVER};transport=udp\"\nusername = \"desk\"\n\
                 password = \"{PASSWORD}\"\n"
            )
        });
        let settings = ENGINE.to_owned() + &connectors.concat();
        layers.add_file("sim.toml", &settings).expect("valid TOML");
        let config = shared::config::Config::from_layers(&layers).expect("the defaults make sense");
        let origin = shared::ids::Origin { node: 1, generation: 1 };
        let mut control_settings = ControlSettings::new(&config, origin, "http://10.0.0.1:8080");
        control_settings.srtp = SrtpUse::Offered;
        let mut control = Control::new(control_settings, one_user(&mut rng), rng.bytes());
        let mut media = Cores::default();
        for _ in 0..cores {
            let ports = media.add(cores, legs_a_core, rng.number());
            control.handle(now, Input::CoreStarted { ports, legs_max: legs_a_core });
        }
        let phones: Vec<Phone> = answers
            .iter()
            .enumerate()
            .map(|(phone, answers)| new_phone(phone, *answers, &mut rng))
            .collect();
        let legs_at_start = control.legs_free();
        let delays = Rng::new(rng.number());
        Self {
            now,
            rng,
            network,
            control,
            phones,
            heard: vec![Vec::new(); PHONES],
            faults: Vec::new(),
            endings: BTreeMap::new(),
            application,
            asked: Vec::new(),
            records: BTreeMap::new(),
            prompts: Vec::new(),
            replies: Vec::new(),
            delays,
            cores: media,
            recorder: Recorder::default(),
            streams: Streams::default(),
            recognitions: Recognitions::default(),
            server: RecordingServer::default(),
            copies: Copies::default(),
            later: Schedule::new(),
            requests: 0,
            legs_at_start,
        }
    }

    /// Lets a phone's user do something, some time from now.
    pub fn user(&mut self, after: Duration, phone: usize, command: phone::Command) {
        self.after(after, Later::Phone(phone, command));
    }

    /// Sends a REST request, some time from now.
    pub fn ask(&mut self, after: Duration, ask: Ask) {
        self.after(after, Later::Rest(ask));
    }

    /// Sets the wall clock, some time from now.
    pub fn set_clock(&mut self, after: Duration, jump_ms: i64) {
        self.after(after, Later::Clock { jump_ms });
    }

    /// Lets phone 0 call the gateway's domain, some time from now.
    pub fn call(&mut self, after: Duration) {
        let target = sip::Uri::parse(b"sip:1000@desk.sip.sidetone.test").expect("a URI");
        let destination = sip::Destination {
            transport: Transport::Udp,
            remote: SocketAddr::new(GATEWAY, SIP_PORT),
            local: SocketAddr::new(phone_ip(0), SIP_PORT),
            flow: Some(FlowId(1)),
            host: None,
        };
        let command =
            phone::Command::Call { target, destinations: vec![destination], headers: Vec::new() };
        self.user(after, 0, command);
    }

    /// Hands the gateway a SIP datagram from any address, now.
    pub fn datagram(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.deliver(from, SocketAddr::new(GATEWAY, SIP_PORT), bytes.to_vec());
        self.settle();
    }

    /// Runs until nothing is left to happen (`true`) or `limit` has passed (`false`).
    pub fn run(&mut self, limit: Duration) -> bool {
        let end = self.now.mono + limit;
        self.settle();
        while let Some(at) = self.next_instant() {
            if at > end {
                return false;
            }
            let step = at.since(self.now.mono);
            self.now = self.now.after(step);
            self.now.mono = self.now.mono.max(at);
            self.step();
            self.settle();
        }
        true
    }

    /// Findings once all is quiet: whatever should be gone and is not.
    pub fn leftovers(&self) -> Vec<String> {
        let mut wrong = self.faults.clone();
        if self.control.calls_live() != 0 {
            wrong.push(format!("{} calls are still live", self.control.calls_live()));
        }
        if self.control.legs_free() != self.legs_at_start {
            let (free, start) = (self.control.legs_free(), self.legs_at_start);
            wrong.push(format!("{free} legs are free, {start} were at the start"));
        }
        for (index, phone) in self.phones.iter().enumerate() {
            if phone.is_busy() {
                wrong.push(format!("phone {index} still has a call"));
            }
        }
        if !self.cores.are_balanced() {
            wrong.push("packets received are not sent + consumed + dropped (I4)".to_owned());
        }
        for (call, times) in &self.endings {
            if *times != 1 {
                wrong.push(format!("{call} ended {times} times"));
            }
        }
        if self.recorder.len() != 0 {
            wrong.push(format!("{} recordings never ended", self.recorder.len()));
        }
        if self.streams.len() != 0 {
            wrong.push(format!("{} streams never ended", self.streams.len()));
        }
        if self.copies.len() != 0 {
            wrong.push(format!("{} taps are still copied", self.copies.len()));
        }
        if self.recognitions.len() != 0 {
            wrong.push(format!("{} recognitions never ended", self.recognitions.len()));
        }
        wrong
    }

    fn after(&mut self, after: Duration, later: Later) {
        self.later.add(self.now.mono + after, later);
    }

    fn next_instant(&self) -> Option<Instant> {
        let mut next = self.control.poll_timeout();
        for phone in &self.phones {
            next = soonest(next, phone.poll_timeout());
        }
        next = soonest(next, self.cores.poll_timeout());
        next.map(|(at, _)| at).into_iter().chain(self.later.next()).min()
    }

    fn step(&mut self) {
        let now = self.now;
        let due = |next: Option<(Instant, &str)>| next.is_some_and(|(at, _)| at <= now.mono);
        if due(self.control.poll_timeout()) {
            self.control.handle_timeout(now);
        }
        for phone in &mut self.phones {
            if due(phone.poll_timeout()) {
                phone.handle_timeout(now);
            }
        }
        self.cores.handle_timeout(now.mono);
        self.settle_control();
        while let Some(later) = self.later.pop_due(now.mono) {
            self.happen(later);
            self.settle();
        }
    }

    fn happen(&mut self, later: Later) {
        let now = self.now;
        match later {
            Later::Control(run) => run(&mut self.control, now),
            Later::Phone(phone, command) => {
                self.phones[phone].handle(now, phone::Input::Command(command));
            }
            Later::Datagram { from, to, bytes } => self.deliver(from, to, bytes),
            Later::Clock { jump_ms } => self.now.unix_ms += jump_ms,
            Later::Stream(stream, act) => self.happen_on_stream(stream, act),
            Later::Server(act) => self.happen_at_server(act),
            Later::Engine(utterance, answer) => self.engine_answers(utterance, answer),
            Later::Rest(ask) => {
                if let Some(command) = ask(self) {
                    self.requests += 1;
                    let token = ApiToken(self.requests);
                    let request = ApiRequest::Call(command);
                    self.control.handle(now, Input::Api { token, request });
                }
            }
        }
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, mut bytes: Vec<u8>) {
        let now = self.now;
        if to.ip() == GATEWAY && to.port() == SIP_PORT {
            let flow = flow(to, from);
            let input = Input::Sip(sip::Input::Received { flow, bytes: &bytes });
            return self.control.handle(now, input);
        }
        if to.ip() == GATEWAY {
            return self.cores.receive(now.mono, from, to.port(), &mut bytes);
        }
        if to.ip() == SERVER {
            return self.reach_server(to.port(), &bytes);
        }
        for (index, phone) in self.phones.iter_mut().enumerate() {
            if phone_ip(index) != to.ip() {
                continue;
            }
            let input = match to.port() {
                SIP_PORT => {
                    phone::Input::Sip(sip::Input::Received { flow: flow(to, from), bytes: &bytes })
                }
                PHONE_MEDIA_PORT => phone::Input::Media {
                    socket: SocketId::rtp(0),
                    source: from,
                    packet: &mut bytes,
                },
                _ => phone::Input::Media {
                    socket: SocketId::rtcp(0),
                    source: from,
                    packet: &mut bytes,
                },
            };
            return phone.handle(now, input);
        }
    }

    /// Carries effects until everybody is quiet at this instant.
    fn settle(&mut self) {
        loop {
            let mut quiet = !self.settle_control();
            for index in 0..self.phones.len() {
                while let Some(effect) = self.phones[index].poll_effect() {
                    quiet = false;
                    self.carry_out_phone(index, effect);
                }
            }
            quiet &= !self.settle_cores();
            if quiet {
                return;
            }
        }
    }

    /// Carries out what Control wants; whether it wanted anything.
    fn settle_control(&mut self) -> bool {
        let mut any = false;
        while let Some(effect) = self.control.poll_effect() {
            any = true;
            self.carry_out(effect);
        }
        any
    }

    fn settle_cores(&mut self) -> bool {
        let mut any = false;
        for core in self.cores.ids() {
            any |= self.cores.carry_mesh(self.now.mono, core);
            while let Some(event) = self.cores.poll_event(core) {
                any = true;
                self.control.handle(self.now, Input::Media { core, event });
                self.settle_control();
            }
            while let Some((sink, frame)) = self.cores.poll_frame(core) {
                any = true;
                match sink {
                    Sink::Recorder => self.record(&frame),
                    Sink::Stream => self.stream_frame(&frame),
                    Sink::Recognition => self.recognition_frame(&frame),
                }
            }
            while let Some(Packet { from, to, bytes }) = self.cores.poll_packet(core) {
                any = true;
                self.transmit(SocketAddr::new(GATEWAY, from), to, bytes);
            }
        }
        any
    }

    fn transmit(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        for after in self.network.deliveries(&mut self.rng) {
            self.after(after, Later::Datagram { from, to, bytes: bytes.clone() });
        }
    }
}

fn flow(local: SocketAddr, remote: SocketAddr) -> Flow {
    Flow { id: FlowId(1), transport: Transport::Udp, local, remote }
}

fn new_phone(phone: usize, answers: bool, rng: &mut Rng) -> Phone {
    let config = PhoneConfig {
        user: ["alice", "bob", "carol"].get(phone).copied().unwrap_or("someone").to_owned(),
        password: PASSWORD.to_owned(),
        host: phone_ip(phone).to_string(),
        media_address: phone_ip(phone),
        media_port: PHONE_MEDIA_PORT,
        codecs: if rng.permille(500) {
            vec![Codec::Pcmu, Codec::Pcma]
        } else {
            vec![Codec::Pcma, Codec::Pcmu]
        },
        srtp: phone == 0 && rng.permille(300),
        answers,
        unix_ms_at_zero: START_UNIX_MS - 1_000,
    };
    Phone::new(config, rng.bytes())
}

/// A domain whose one user may call.
fn one_user(rng: &mut Rng) -> Snapshot {
    let voice_fallback_url = Patch::Set("http://10.0.0.9/fallback".to_owned());
    let fields = DomainParameters { voice_fallback_url, ..DomainParameters::default() };
    snapshot(rng, fields, &["alice"], &[MappedList::CallsCredentialList])
}
