//! Two user agents on a virtual network with a virtual clock: loss, copies, delay and disorder by
//! a seed. Connections deliver everything in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use shared::{Header, Instant, Now, Origin, Random, Transport};
use sip::offer_answer::{LocalMedia, MediaSecurity, MediaTargets};
use sip::{
    Command, Destination, Effect, Flow, FlowId, Incoming, Input, Invite, Message, SendFailure,
    SendTo, SessionId, UaConfig, UaEvent, Uri, UserAgent,
};

/// What the network does to datagrams.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Lost, in percent.
    pub loss: u32,
    /// Delivered twice, in percent.
    pub copies: u32,
    /// Largest random delay on top of 10 ms, milliseconds; more than 0 means disorder.
    pub jitter_ms: u32,
}

/// One of the two agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Makes calls in most stories.
    Alice,
    /// Takes them.
    Bob,
}

impl Who {
    pub fn other(self) -> Self {
        match self {
            Self::Alice => Self::Bob,
            Self::Bob => Self::Alice,
        }
    }

    pub fn address(self) -> SocketAddr {
        match self {
            Self::Alice => ([192, 0, 2, 1], 5060).into(),
            Self::Bob => ([192, 0, 2, 2], 5060).into(),
        }
    }
}

enum Delivery {
    Bytes { to: Who, flow: Flow, bytes: Vec<u8> },
    Opened { to: Who, flow: Flow, token: Option<sip::SendToken> },
    Failed { to: Who, token: sip::SendToken },
}

/// A message as it was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub from: Who,
    pub message: Message,
    pub lost: bool,
}

type DropIf = Box<dyn FnMut(&Sent) -> bool>;

pub struct World {
    now: Now,
    agents: [UserAgent; 2],
    weather: Weather,
    random: Random,
    queue: BTreeMap<(Instant, u64), Delivery>,
    serial: u64,
    streams: BTreeSet<FlowId>,
    /// Connection of each pair of agents, if open.
    stream: Option<FlowId>,
    events: [VecDeque<UaEvent>; 2],
    /// All that was sent, in order.
    pub sent: Vec<Sent>,
    /// Datagrams that are to be lost, by what they are.
    pub drop_if: Option<DropIf>,
    /// Nobody can be reached.
    pub is_cut: bool,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self::with(seed, Weather::default(), |_, config| config)
    }

    pub fn with(
        seed: u64,
        weather: Weather,
        configure: impl Fn(Who, UaConfig) -> UaConfig,
    ) -> Self {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(seed.to_be_bytes()).for_each(|(to, from)| *to = from);
        let mut random = Random::new(bytes);
        let mut agent = |who: Who, node| {
            let origin = Origin { node, generation: 1 };
            let mut config = UaConfig::new(origin, "gw.test", "sip.test");
            if weather.loss > 0 {
                // It may lose every request of the first four seconds.
                config.silence_max = config.timers.transaction_timeout();
            }
            UserAgent::new(configure(who, config), random.bytes())
        };
        let agents = [agent(Who::Alice, 1), agent(Who::Bob, 2)];
        Self {
            now: Now { mono: Instant::from_millis(1_000), unix_ms: 1_700_000_000_000 },
            agents,
            weather,
            random,
            queue: BTreeMap::new(),
            serial: 0,
            streams: BTreeSet::new(),
            stream: None,
            events: Default::default(),
            sent: Vec::new(),
            drop_if: None,
            is_cut: false,
        }
    }

    pub fn now(&self) -> Now {
        self.now
    }

    pub fn agent(&mut self, who: Who) -> &mut UserAgent {
        &mut self.agents[who as usize]
    }

    pub fn command(&mut self, who: Who, command: Command) {
        let now = self.now;
        self.agent(who).handle(now, Input::Command(command));
        self.drain(who);
    }

    /// Bytes from an address that is neither agent.
    pub fn inject(&mut self, to: Who, flow: Flow, bytes: &[u8]) {
        let now = self.now;
        self.agent(to).handle(now, Input::Received { flow, bytes });
        self.drain(to);
    }

    /// The network gives a datagram back to its sender.
    pub fn undelivered(&mut self, who: Who, remote: SocketAddr, quoted: &[u8]) {
        let now = self.now;
        self.agent(who).handle(now, Input::Undelivered { remote, quoted });
        self.drain(who);
    }

    /// Runs until nothing is due within `span`.
    pub fn run(&mut self, span: Duration) {
        let end = self.now.mono + span;
        loop {
            let due = [Who::Alice, Who::Bob].map(|who| self.agent(who).poll_timeout());
            let timers = due.into_iter().flatten().map(|(at, _)| at).min();
            let arrival = self.queue.first_key_value().map(|((at, _), _)| *at);
            let next = [timers, arrival].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.advance(next);
            match self.queue.first_entry().filter(|entry| entry.key().0 <= next) {
                Some(entry) => {
                    let delivery = entry.remove();
                    self.deliver(delivery);
                }
                None => {
                    for who in [Who::Alice, Who::Bob] {
                        let now = self.now;
                        self.agent(who).handle_timeout(now);
                        self.drain(who);
                    }
                }
            }
        }
        self.advance(end);
    }

    /// Runs for 5 s and returns the events of an agent, without timeline messages.
    pub fn events(&mut self, who: Who) -> Vec<UaEvent> {
        self.run(Duration::from_secs(5));
        self.told(who)
    }

    /// The events of an agent, without letting time pass.
    pub fn told(&mut self, who: Who) -> Vec<UaEvent> {
        self.events[who as usize]
            .drain(..)
            .filter(|event| !matches!(event, UaEvent::Trace(_)))
            .collect()
    }

    /// Methods and statuses that went over the wire since the start, one a line: `A INVITE`.
    pub fn ladder(&self) -> Vec<String> {
        self.sent.iter().map(describe).collect()
    }

    fn advance(&mut self, to: Instant) {
        let step = to.since(self.now.mono);
        self.now = self.now.after(step);
        self.now.mono = to.max(self.now.mono);
    }

    fn deliver(&mut self, delivery: Delivery) {
        let now = self.now;
        let to = match delivery {
            Delivery::Bytes { to, flow, bytes } => {
                self.agent(to).handle(now, Input::Received { flow, bytes: &bytes });
                to
            }
            Delivery::Opened { to, flow, token } => {
                self.agent(to).handle(now, Input::FlowOpened { flow, token });
                to
            }
            Delivery::Failed { to, token } => {
                let reason = SendFailure::Unreachable;
                self.agent(to).handle(now, Input::SendFailed { token, reason });
                to
            }
        };
        self.drain(to);
    }

    fn drain(&mut self, who: Who) {
        let mut strays = Vec::new();
        while let Some(effect) = self.agent(who).poll_effect() {
            match effect {
                Effect::Event(UaEvent::Stray(incoming)) => strays.push(incoming),
                Effect::Event(event) => self.events[who as usize].push_back(event),
                Effect::CloseFlow { flow, .. } => {
                    self.streams.remove(&flow);
                }
                Effect::Send { to, bytes, token } => self.send(who, to, bytes.into(), token),
            }
        }
        for incoming in strays {
            self.command(who, no_dialog(incoming));
        }
    }

    fn send(&mut self, from: Who, to: SendTo, bytes: Vec<u8>, token: sip::SendToken) {
        let mut lost = false;
        if let Ok(message) = Message::parse(&bytes) {
            let mut sent = Sent { from, message, lost: false };
            let by_order = self.drop_if.as_mut().is_some_and(|drop_if| drop_if(&sent));
            let by_chance =
                matches!(to, SendTo::Datagram { .. }) && self.random.below(100) < self.weather.loss;
            sent.lost = by_order || by_chance;
            lost = sent.lost;
            self.sent.push(sent);
        }
        match to {
            SendTo::Datagram { remote, .. } => {
                let to = from.other();
                if lost || remote != to.address() || self.is_cut {
                    return;
                }
                let copies = 1 + u32::from(self.random.below(100) < self.weather.copies);
                for _ in 0..copies {
                    let jitter = self.random.below(self.weather.jitter_ms + 1);
                    self.post(
                        10 + jitter,
                        Delivery::Bytes { to, flow: udp(to), bytes: bytes.clone() },
                    );
                }
            }
            SendTo::Connect { remote, .. } => {
                if self.is_cut || remote != from.other().address() {
                    return self.post(10, Delivery::Failed { to: from, token });
                }
                let id = *self.stream.get_or_insert(FlowId(100));
                if self.streams.insert(id) {
                    for (to, token) in [(from, Some(token)), (from.other(), None)] {
                        self.post(5, Delivery::Opened { to, flow: tcp(to, id), token });
                    }
                }
                self.stream_bytes(from, id, bytes);
            }
            SendTo::Flow(id) => self.stream_bytes(from, id, bytes),
        }
    }

    /// In two pieces, so that framing has something to do.
    fn stream_bytes(&mut self, from: Who, id: FlowId, bytes: Vec<u8>) {
        let to = from.other();
        let (head, tail) = bytes.split_at(bytes.len() / 3);
        for piece in [head.to_vec(), tail.to_vec()] {
            self.post(10, Delivery::Bytes { to, flow: tcp(to, id), bytes: piece });
        }
    }

    fn post(&mut self, delay_ms: u32, delivery: Delivery) {
        self.serial += 1;
        let at = self.now.mono + Duration::from_millis(delay_ms.into());
        self.queue.insert((at, self.serial), delivery);
    }
}

/// `A INVITE`, `B 200 INVITE`.
pub fn describe(sent: &Sent) -> String {
    let who = if sent.from == Who::Alice { "A" } else { "B" };
    match &sent.message {
        Message::Request(request) => format!("{who} {}", request.method),
        Message::Response(response) => {
            format!("{who} {} {}", response.status, response.cseq.method)
        }
    }
}

/// The answer to a stray request by a layer above that never stays silent.
pub fn no_dialog(incoming: Box<Incoming>) -> Command {
    Command::Respond { incoming, status: 481, headers: Vec::new(), remember: false }
}

/// The datagram flow on which `to` receives from the other agent.
pub fn udp(to: Who) -> Flow {
    Flow {
        id: FlowId(1),
        transport: Transport::Udp,
        local: to.address(),
        remote: to.other().address(),
    }
}

fn tcp(to: Who, id: FlowId) -> Flow {
    Flow { id, transport: Transport::Tcp, local: to.address(), remote: to.other().address() }
}

/// Our side of the media.
pub fn media(port: u16) -> LocalMedia {
    LocalMedia {
        address: [192, 0, 2, 9].into(),
        port,
        direction: shared::Direction::SendRecv,
        codecs: [shared::Codec::Pcmu, shared::Codec::Pcma].into_iter().collect(),
        security: MediaSecurity::Clear,
        targets: MediaTargets::default(),
        recording: None,
    }
}

/// A destination.
pub fn towards(who: Who, transport: Transport) -> Destination {
    Destination {
        transport,
        remote: who.address(),
        local: who.other().address(),
        flow: None,
        host: None,
    }
}

/// An INVITE to Bob.
pub fn invite(transport: Transport) -> Invite {
    Invite {
        destinations: vec![towards(Who::Bob, transport)],
        request_uri: uri("sip:bob@desk.sip.test"),
        to: uri("sip:bob@desk.sip.test"),
        from: uri("sip:alice@gw.test"),
        from_display: None,
        contact_user: "alice".into(),
        headers: vec![Header::new("X-Twilio-CallSid", b"CA1")],
        media: media(20_000),
        attempts: sip::user_agent::Attempts::default(),
        late_offer: false,
        max_forwards: sip::message::INITIAL_MAX_FORWARDS,
        extensions: shared::Extensions::NONE,
        credentials: None,
        route: Vec::new(),
        metadata: None,
    }
}

pub fn uri(text: &str) -> Uri {
    Uri::parse(text).expect("a URI of the tests")
}

/// Alice's session.
pub const A: SessionId = SessionId(1);
/// Bob's session.
pub const B: SessionId = SessionId(2);

impl World {
    /// Alice calls; returns the request that Bob reports.
    pub fn call(&mut self, invite: Invite) -> Box<Incoming> {
        self.command(Who::Alice, Command::Invite { session: A, invite: Box::new(invite) });
        let is_there = |event: &UaEvent| matches!(event, UaEvent::Incoming(_));
        for _ in 0..50 {
            self.run(Duration::from_millis(100));
            if self.events[Who::Bob as usize].iter().any(is_there) {
                break;
            }
        }
        self.incoming(Who::Bob)
    }

    /// The last request that an agent reported.
    pub fn incoming(&mut self, who: Who) -> Box<Incoming> {
        let told = self.told(who);
        let incoming = told.into_iter().rev().find_map(|event| match event {
            UaEvent::Incoming(incoming) => Some(incoming),
            _ => None,
        });
        incoming.expect("a request came")
    }

    pub fn admit(&mut self, incoming: Box<Incoming>) {
        self.command(Who::Bob, Command::Admit { incoming, session: B });
    }

    pub fn answer(&mut self) {
        let answer = Command::Answer { session: B, media: media(30_000), headers: Vec::new() };
        self.command(Who::Bob, answer);
    }

    /// A confirmed call, with all events drained.
    pub fn talking(&mut self, transport: Transport) {
        let incoming = self.call(invite(transport));
        self.admit(incoming);
        self.answer();
        self.run(Duration::from_secs(5));
        assert!(
            self.told(Who::Alice).iter().any(|event| matches!(event, UaEvent::Answered { .. }))
        );
        assert!(self.told(Who::Bob).iter().any(|event| matches!(event, UaEvent::Confirmed { .. })));
    }

    pub fn bye(&mut self, who: Who) {
        let session = if who == Who::Alice { A } else { B };
        self.command(who, Command::Bye { session, headers: Vec::new() });
    }

    /// Long enough for every transaction to end; then nothing may be left.
    pub fn assert_nothing_is_left(&mut self) {
        self.run(Duration::from_secs(120));
        for who in [Who::Alice, Who::Bob] {
            let meters = self.agent(who).meters();
            let left = (meters.sessions, meters.server_transactions, meters.client_transactions);
            assert_eq!(left, (0, 0, 0), "{who:?}: sessions, server and client transactions");
        }
    }
}
