//! The world around `Control`: phones, network, application, store, recorder, media cores.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use call::{HttpAnswer, HttpFailure};
use control::{
    ApiRequest, ApiToken, Control, ControlSettings, Effect, Input, Observation, RecordingFile,
};
use phone::{Phone, PhoneConfig};
use plane::{MeshFrame, Output, Plane, PlaneConfig, Received, SocketId};
use shared::config::SrtpUse;
use shared::ids::TapId;
use shared::time::soonest;
use shared::{
    AccountSid, CallSid, Codec, CoreId, Instant, MediaEvent, MediaPort, Now, Prompt, RecorderFrame,
};
use sip::flow::{Flow, FlowId, SendTo, Transport};
use store::{
    CallCommand, CallRecord, Change, DomainFields, MappedList, Mint, Outcome, Patch, Reply, Secret,
    Snapshot, Write,
};

use crate::network::Network;
use crate::rng::Rng;

pub const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
pub const ACCOUNT: AccountSid = AccountSid(1);
pub const PASSWORD: &str = "Secret-Passw0rd";
const SIP_PORT: u16 = 5060;
const PHONE_MEDIA_PORT: u16 = 4000;
pub const PHONES: usize = 3;
const START_UNIX_MS: i64 = 1_700_000_000_000;
const PORTS_PER_CORE: u16 = 8;

/// The address of a phone.
pub fn phone_ip(phone: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2 + phone as u8))
}

/// What one core wants, collected.
#[derive(Default)]
struct Hands {
    packets: VecDeque<(SocketId, SocketAddr, Vec<u8>)>,
    events: VecDeque<MediaEvent>,
    frames: VecDeque<RecorderFrame>,
    mesh: VecDeque<(CoreId, MeshFrame)>,
}

impl Output for Hands {
    fn send(&mut self, socket: SocketId, to: SocketAddr, packet: &[u8]) {
        self.packets.push_back((socket, to, packet.to_vec()));
    }
    fn event(&mut self, event: MediaEvent) {
        self.events.push_back(event);
    }
    fn record(&mut self, frame: RecorderFrame) -> bool {
        self.frames.push_back(frame);
        true
    }
    fn mesh(&mut self, core: CoreId, frame: &MeshFrame) -> bool {
        self.mesh.push_back((core, frame.clone()));
        true
    }
}

type OnControl = Box<dyn FnOnce(&mut Control, Now)>;

/// Something that happens later.
enum Later {
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    Control(OnControl),
    Phone(usize, phone::Command),
    Rest(Ask),
    Clock { jump_ms: i64 },
}

/// A REST request, made up when its time has come; `None`: it is not made.
pub type Ask = Box<dyn FnOnce(&World) -> Option<CallCommand>>;

/// A webhook as the application saw it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub call: CallSid,
    pub url: String,
    pub form: Vec<(String, String)>,
}

impl Asked {
    /// A parameter; empty where it is not there.
    pub fn value(&self, name: &str) -> &str {
        let found = self.form.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// What a world is made of.
#[derive(Clone, Copy, Debug)]
pub struct Ground {
    /// Media cores.
    pub cores: u8,
    /// Legs of each: with one, every bridge goes across cores.
    pub legs_a_core: usize,
    /// The network of SIP and media.
    pub network: Network,
    /// Which phones answer by themselves.
    pub answers: [bool; PHONES],
}

/// What the application answers to a URL.
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
    /// Everything that was said by `<Say>`, in order.
    pub prompts: Vec<Arc<Prompt>>,
    /// Whether each REST request was done, in order.
    pub replies: Vec<Result<(), u32>>,
    /// How long webhooks, prompts and commits take: apart, so that packets change nothing there.
    delays: Rng,
    planes: Vec<(Plane, Hands, Vec<MediaPort>)>,
    recordings: BTreeMap<TapId, u64>,
    later: BTreeMap<(Instant, u64), Later>,
    sequence: u64,
    legs_at_start: usize,
}

impl World {
    pub fn new(seed: u64, cores: u8, network: Network, application: Application) -> Self {
        let ground = Ground { cores, legs_a_core: 8, network, answers: [true; PHONES] };
        Self::on(seed, ground, application)
    }

    /// The same with more said about it.
    pub fn on(seed: u64, ground: Ground, application: Application) -> Self {
        let Ground { cores, legs_a_core, network, answers } = ground;
        let mut rng = Rng::new(seed);
        let now = Now { mono: Instant::from_millis(1_000), unix_ms: START_UNIX_MS };
        let config = settings();
        let origin = shared::ids::Origin { node: 1, generation: 1 };
        let mut control_settings = ControlSettings::new(&config, origin, "http://10.0.0.1:8080");
        control_settings.srtp = SrtpUse::Offered;
        let mut control = Control::new(control_settings, snapshot(&mut rng), rng.bytes());
        let mut planes = Vec::new();
        for core in 0..cores {
            let first = 10_000 + u16::from(core) * PORTS_PER_CORE * 2;
            let ports: Vec<MediaPort> = (0..PORTS_PER_CORE)
                .map(|index| MediaPort { address: 0, rtp: first + index * 2 })
                .collect();
            let plane = Plane::new(PlaneConfig {
                core: CoreId(core),
                cores,
                ports: ports.clone(),
                legs_max: legs_a_core,
                taps_max: 8,
                seed: rng.number(),
                inband_digits: true,
                unix_ms_at_zero: START_UNIX_MS - 1_000,
            });
            control.handle(now, Input::CoreStarted { ports: ports.clone(), legs_max: legs_a_core });
            planes.push((plane, Hands::default(), ports));
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
            planes,
            recordings: BTreeMap::new(),
            later: BTreeMap::new(),
            sequence: 0,
            legs_at_start,
        }
    }

    /// Something a phone's user does, some time from now.
    pub fn user(&mut self, after: Duration, phone: usize, command: phone::Command) {
        self.at(after, Later::Phone(phone, command));
    }

    /// A REST request, some time from now.
    pub fn ask(&mut self, after: Duration, ask: Ask) {
        self.at(after, Later::Rest(ask));
    }

    /// The wall clock is set, some time from now.
    pub fn set_clock(&mut self, after: Duration, jump_ms: i64) {
        self.at(after, Later::Clock { jump_ms });
    }

    /// A call from phone 0 to the gateway's domain.
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

    /// A SIP datagram to the gateway, now, from anybody.
    pub fn datagram(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.deliver(from, SocketAddr::new(GATEWAY, SIP_PORT), bytes.to_vec());
        self.settle();
    }

    /// Runs until nothing is left to happen or `limit` has passed; says which.
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

    /// What must hold once all is quiet.
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
        for (plane, _, _) in &self.planes {
            let meters = plane.meters();
            if meters.received_balance() != 0 || meters.mesh_balance() != 0 {
                wrong.push("packets received are not sent + consumed + dropped (I4)".to_owned());
            }
        }
        for (call, times) in &self.endings {
            if *times != 1 {
                wrong.push(format!("{call} ended {times} times"));
            }
        }
        if !self.recordings.is_empty() {
            wrong.push(format!("{} recordings never ended", self.recordings.len()));
        }
        wrong
    }

    fn at(&mut self, after: Duration, later: Later) {
        self.sequence += 1;
        self.later.insert((self.now.mono + after, self.sequence), later);
    }

    fn next_instant(&self) -> Option<Instant> {
        let mut next = self.control.poll_timeout();
        for phone in &self.phones {
            next = soonest(next, phone.poll_timeout());
        }
        for (plane, _, _) in &self.planes {
            next = soonest(next, plane.poll_timeout());
        }
        let later = self.later.keys().next().map(|(at, _)| (*at, "later"));
        soonest(next, later).map(|(at, _)| at)
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
        for (plane, hands, _) in &mut self.planes {
            if due(plane.poll_timeout()) {
                plane.tick(now.mono, hands);
            }
        }
        while let Some(entry) = self.later.first_entry() {
            if entry.key().0 > now.mono {
                break;
            }
            let later = entry.remove();
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
            Later::Rest(ask) => {
                if let Some(command) = ask(self) {
                    let token = ApiToken(self.sequence);
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
            return self.deliver_media(from, to, &mut bytes);
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

    fn deliver_media(&mut self, from: SocketAddr, to: SocketAddr, bytes: &mut [u8]) {
        let now = self.now.mono;
        for (plane, hands, ports) in &mut self.planes {
            let rtp = to.port() & !1;
            let Some(index) = ports.iter().position(|port| port.rtp == rtp) else { continue };
            let is_rtp = to.port() == rtp;
            let socket = if is_rtp { SocketId::rtp(index) } else { SocketId::rtcp(index) };
            if let Received::Forward { socket, to, len } =
                plane.receive(now, socket, from, bytes, hands)
            {
                hands.packets.push_back((socket, to, bytes[..len].to_vec()));
            }
            return;
        }
    }

    /// Carries effects until everybody is quiet at this instant.
    fn settle(&mut self) {
        loop {
            let mut quiet = true;
            while let Some(effect) = self.control.poll_effect() {
                quiet = false;
                self.carry_out(effect);
            }
            for index in 0..self.phones.len() {
                while let Some(effect) = self.phones[index].poll_effect() {
                    quiet = false;
                    self.carry_out_phone(index, effect);
                }
            }
            quiet &= !self.settle_planes();
            if quiet {
                return;
            }
        }
    }

    fn settle_planes(&mut self) -> bool {
        let mut any = false;
        for index in 0..self.planes.len() {
            let core = CoreId(index as u8);
            while let Some((to, frame)) = self.planes[index].1.mesh.pop_front() {
                any = true;
                let (plane, hands, _) = &mut self.planes[usize::from(to.0)];
                plane.mesh_receive(self.now.mono, &frame, hands);
            }
            while let Some(event) = self.planes[index].1.events.pop_front() {
                any = true;
                self.control.handle(self.now, Input::Media { core, event });
                while let Some(effect) = self.control.poll_effect() {
                    self.carry_out(effect);
                }
            }
            while let Some(frame) = self.planes[index].1.frames.pop_front() {
                any = true;
                self.on_frame(&frame);
            }
            while let Some((socket, to, bytes)) = self.planes[index].1.packets.pop_front() {
                any = true;
                let rtp = self.planes[index].2[socket.port_index()].rtp;
                let port = rtp + u16::from(socket.is_rtcp());
                self.transmit(SocketAddr::new(GATEWAY, port), to, bytes);
            }
        }
        any
    }

    fn transmit(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        for after in self.network.deliveries(&mut self.rng) {
            self.at(after, Later::Datagram { from, to, bytes: bytes.clone() });
        }
    }

    fn on_frame(&mut self, frame: &RecorderFrame) {
        let Some(frames) = self.recordings.get_mut(&frame.tap) else {
            self.faults.push(format!("a frame of an unknown tap {:?}", frame.tap));
            return;
        };
        if !frame.last {
            *frames += 1;
            return;
        }
        let (tap, frames) = (frame.tap, *frames);
        self.recordings.remove(&tap);
        let file = RecordingFile {
            duration_ms: frames * 20,
            bytes: frames * 320 + 44,
            empty: frames == 0,
        };
        let done = move |control: &mut Control, now: Now| {
            control.handle(now, Input::RecordingDone { tap, result: Ok(file) });
        };
        self.at(Duration::from_millis(30), Later::Control(Box::new(done)));
    }

    fn carry_out_phone(&mut self, index: usize, effect: phone::Effect) {
        match effect {
            phone::Effect::Sip(sip::Effect::Send { to, bytes, .. }) => {
                let from = SocketAddr::new(phone_ip(index), SIP_PORT);
                if let SendTo::Datagram { remote, .. } = to {
                    self.transmit(from, remote, bytes.into_vec());
                }
            }
            phone::Effect::Sip(_) => {}
            phone::Effect::Media { socket, to, packet } => {
                let port = PHONE_MEDIA_PORT + u16::from(socket.is_rtcp());
                self.transmit(SocketAddr::new(phone_ip(index), port), to, packet);
            }
            phone::Effect::Event(event) => self.heard[index].push(event),
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Sip(sip::Effect::Send { to, bytes, .. }) => {
                if let SendTo::Datagram { remote, .. } = to {
                    let from = SocketAddr::new(GATEWAY, SIP_PORT);
                    self.transmit(from, remote, bytes.into_vec());
                }
            }
            Effect::Sip(_) | Effect::CallGone { .. } | Effect::Vouch { .. } => {}
            Effect::ApiReply { reply, .. } => {
                self.replies.push(reply.map(drop).map_err(|error| error.code));
            }
            Effect::Media { core, command } => {
                let (plane, hands, _) = &mut self.planes[usize::from(core.0)];
                plane.command(self.now.mono, command, hands);
            }
            Effect::Commit { token, change } => self.on_commit(token, &change),
            Effect::Http { call, request, .. } => self.webhook(call, &request),
            Effect::LoadPrompt { call, prompt, source, .. } => {
                let samples = 800 + self.delays.below(8_000) as usize;
                let audio = Arc::new(noise(&mut self.delays, samples));
                if matches!(source, call::PromptSource::Say { .. }) {
                    self.prompts.push(audio.clone());
                }
                let ready = move |control: &mut Control, now: Now| {
                    control.handle(
                        now,
                        Input::PromptReady { call, prompt, result: Ok(audio), other_voice: None },
                    );
                };
                let after = Duration::from_millis(self.delays.below(100));
                self.at(after, Later::Control(Box::new(ready)));
            }
            Effect::Resolve { session, target } => {
                let ip: IpAddr = target.host.parse().unwrap_or(phone_ip(1));
                let destination = sip::Destination {
                    transport: Transport::Udp,
                    remote: SocketAddr::new(ip, target.port.unwrap_or(SIP_PORT)),
                    local: SocketAddr::new(GATEWAY, SIP_PORT),
                    flow: Some(FlowId(1)),
                    host: None,
                };
                let resolved = move |control: &mut Control, now: Now| {
                    let result = Ok(vec![destination]);
                    control.handle(now, Input::Resolved { session, result });
                };
                self.at(Duration::from_millis(3), Later::Control(Box::new(resolved)));
            }
            Effect::DiscardRecording { tap } => {
                self.recordings.remove(&tap);
                self.faults.push(format!("a core refused {tap:?}"));
            }
            Effect::OpenRecording(order) => {
                self.recordings.insert(order.tap, 0);
            }
            Effect::Observe(Observation::Fault { place, sentence }) => {
                self.faults.push(format!("{place}: {sentence}"));
            }
            Effect::Observe(_) => {}
        }
    }

    fn webhook(&mut self, call: CallSid, request: &call::HttpRequest) {
        let url = request.url.wire(None);
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let form = request.standard.iter().chain(request.extra.iter()).map(own).collect();
        self.asked.push(Asked { call, url: url.clone(), form });
        let result = (self.application)(&url).map(|body| HttpAnswer {
            status: 200,
            content_type: Some("text/xml".to_owned()),
            body: body.into_bytes().into(),
            final_url: url,
            duration_ms: 20,
        });
        let id = request.id;
        let answer = move |control: &mut Control, now: Now| {
            control.handle(now, Input::Http { call, request: id, result });
        };
        let after = Duration::from_millis(5 + self.delays.below(200));
        self.at(after, Later::Control(Box::new(answer)));
    }

    fn on_commit(&mut self, token: Option<control::CommitToken>, change: &Change) {
        if let Change::PutCall(record) = change {
            self.records.insert(record.sid, (**record).clone());
            // The answer to a REST update writes the record too: of a call that ends, without its end.
            if record.end_ms.is_some() {
                *self.endings.entry(record.sid.to_string()).or_default() += 1;
            }
        }
        let Some(token) = token else { return };
        let committed = move |control: &mut Control, now: Now| {
            control.handle(now, Input::Committed { token, outcome: Outcome::Committed });
        };
        let after = Duration::from_millis(1 + self.delays.below(20));
        self.at(after, Later::Control(Box::new(committed)));
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

/// Speech of a kind: no two frames alike, so that whoever hears it can say which frame it was.
pub fn noise(rng: &mut Rng, samples: usize) -> Prompt {
    let wave: Vec<i16> = (0..samples).map(|_| (rng.below(16_000) as i16) - 8_000).collect();
    plane::g711::prompt(&wave)
}

fn settings() -> shared::config::Config {
    let layers = shared::config::Layers::default();
    shared::config::Config::from_layers(&layers).expect("the defaults make sense")
}

/// One account, one domain with one user, by the product's own rules.
fn snapshot(rng: &mut Rng) -> Snapshot {
    let mut snapshot = Snapshot::new(store::DomainSuffix::new("sidetone.test"));
    let token = Secret::new("0123456789abcdef0123456789abcdef");
    let account = store::Account::main(ACCOUNT, token, "sim", START_UNIX_MS);
    let insert = Change::Insert(store::Resource::Account(Arc::new(account)));
    snapshot.apply(&insert);
    let rng = RefCell::new(rng);
    let write = |snapshot: &mut Snapshot, write: Write| -> Reply {
        let mut random = [0; 40];
        random[..32].copy_from_slice(&rng.borrow_mut().bytes());
        let origin = shared::ids::Origin { node: 1, generation: 1 };
        let mint = Mint { unix_ms: START_UNIX_MS, origin, random };
        let planned = snapshot.check(ACCOUNT, &write, &mint).expect("allowed");
        snapshot.apply(&planned.change);
        planned.reply
    };
    let fields = DomainFields {
        domain_name: Some("desk.sip.sidetone.test".to_owned()),
        voice_url: Patch::Set("http://10.0.0.9/voice".to_owned()),
        voice_fallback_url: Patch::Set("http://10.0.0.9/fallback".to_owned()),
        voice_status_callback_url: Patch::Set("http://10.0.0.9/status".to_owned()),
        ..DomainFields::default()
    };
    let Reply::Domain { domain, .. } = write(&mut snapshot, Write::CreateDomain(Box::new(fields)))
    else {
        unreachable!("a domain was asked for")
    };
    let create = Write::CreateCredentialList { friendly_name: "desk".to_owned() };
    let Reply::CredentialList(list) = write(&mut snapshot, create) else {
        unreachable!("a list was asked for")
    };
    let (username, password) = ("alice".to_owned(), Secret::new(PASSWORD));
    write(&mut snapshot, Write::CreateCredential { list: list.sid, username, password });
    let mapped = MappedList::CallsCredentialList(list.sid);
    write(&mut snapshot, Write::CreateMapping { domain: domain.sid, list: mapped });
    snapshot
}
