//! Dialogs of two user agents under loss, copies, disorder, glare, restarts and clock jumps, against a model
//! of what each party must have seen.
//!
//! The model is small and independent of the machines. A session ends once and is silent afterwards. When
//! the network is good again and both parties are still up, each believes of the other's media what the
//! other last agreed to. NOTIFYs of a transfer arrive in order, without gaps or repeats. At the end nothing
//! is left on either side.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::{
    Codec, Direction, Extensions, Instant, NegotiatedMedia, Now, Origin, Refusal, Transport,
};
use sip::offer_answer::{LocalMedia, MediaSecurity, MediaTargets};
use sip::user_agent::Attempts;
use sip::{
    Command, Destination, Effect, Flow, FlowId, Input, Invite, SendTo, SessionId, UaConfig,
    UaEvent, Uri, UserAgent,
};

use crate::rng::Rng;

/// Plays one seed; the findings, empty where nothing is wrong.
pub fn run(seed: u64) -> Vec<String> {
    let mut play = Play::new(seed);
    play.call();
    play.until(TROUBLE_ENDS);
    play.calm();
    play.until(QUIET);
    play.compare();
    play.hang_up();
    play.until(END);
    play.nothing_is_left();
    play.wrong
}

/// End of the bad network and of the commands; end of the time to settle; end of every transaction.
const TROUBLE_ENDS: Instant = Instant::from_millis(80_000);
const QUIET: Instant = Instant::from_millis(180_000);
const END: Instant = Instant::from_millis(420_000);
const SESSION: SessionId = SessionId(1);

struct Play {
    now: Now,
    rng: Rng,
    loss: u64,
    copies: u64,
    jitter_ms: u64,
    agents: [UserAgent; 2],
    parties: [Party; 2],
    queue: BTreeMap<(Instant, u64), Due>,
    serial: u64,
    /// The agent that is answering an offer of its peer in this step.
    answering: Option<usize>,
    wrong: Vec<String>,
}

#[derive(Default)]
struct Party {
    /// Whether it has a session and no event of its end yet.
    is_live: bool,
    ends: u32,
    is_up: bool,
    is_restarted: bool,
    port: u16,
    direction: Option<Direction>,
    /// Its own open offer.
    asked: Option<(u16, Direction)>,
    media: Option<NegotiatedMedia>,
    /// Statuses sent about the peer's REFER, and statuses received about its own.
    told: Vec<u16>,
    heard: Vec<u16>,
    refers: u32,
    answers: u32,
}

enum Due {
    Bytes { to: usize, bytes: Vec<u8> },
    Act { who: usize, act: Act },
    Restart(usize),
    Jump { mono_ms: u64, unix_ms: i64 },
}

#[derive(Clone, Copy)]
enum Act {
    Progress,
    Answer,
    Reject,
    Reoffer,
    AnswerOffer,
    Refer,
    AnswerRefer,
    Notify { status: u16, is_final: bool },
    Bye,
}

impl Play {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let agents = [agent(&mut rng, 1, 1), agent(&mut rng, 2, 1)];
        let bad = rng.permille(700);
        let below = |rng: &mut Rng, bound| if bad { rng.below(bound) } else { 0 };
        Self {
            now: Now { mono: Instant::from_millis(1_000), unix_ms: 1_700_000_000_000 },
            loss: below(&mut rng, 350),
            copies: below(&mut rng, 200),
            jitter_ms: below(&mut rng, 300),
            rng,
            agents,
            parties: [Party::at(20_000), Party::at(30_000)],
            queue: BTreeMap::new(),
            serial: 0,
            answering: None,
            wrong: Vec::new(),
        }
    }

    /// The INVITE, and everything that happens to it later.
    fn call(&mut self) {
        let some = |rng: &mut Rng| Extensions {
            prack: rng.permille(600),
            update: rng.permille(600),
            timer: rng.permille(600),
            info: false,
            late_offer: true,
            replaces: false,
            siprec: false,
        };
        let extensions = some(&mut self.rng);
        let invite = Invite {
            destinations: vec![towards(1)],
            request_uri: uri("sip:bob@b.test"),
            to: uri("sip:bob@b.test"),
            from: uri("sip:alice@a.test"),
            from_display: None,
            contact_user: "alice".to_owned(),
            headers: Vec::new(),
            media: self.parties[0].local(),
            late_offer: self.rng.permille(250),
            max_forwards: sip::message::INITIAL_MAX_FORWARDS,
            extensions,
            credentials: None,
            route: Vec::new(),
            attempts: Attempts::default(),
            metadata: None,
        };
        self.parties[0].is_live = true;
        self.command(0, Command::Invite { session: SESSION, invite: Box::new(invite) });
        for _ in 0..self.rng.below(8) {
            let at = 8_000 + self.rng.below(60_000);
            let who = self.rng.below(2) as usize;
            let act = if self.rng.permille(750) { Act::Reoffer } else { Act::Refer };
            self.post(at, Due::Act { who, act });
            // Glare: the other side sends an offer at this moment too.
            if self.rng.permille(400) {
                let at = at + self.rng.below(30);
                self.post(at, Due::Act { who: 1 - who, act: Act::Reoffer });
            }
        }
        if self.rng.permille(100) {
            let (at, who) = (1_000 + self.rng.below(70_000), self.rng.below(2) as usize);
            self.post(at, Due::Restart(who));
        }
        if self.rng.permille(250) {
            let at = 1_000 + self.rng.below(60_000);
            let mono_ms = self.rng.below(20_000);
            let unix_ms = self.rng.below(7_200_000) as i64 - 3_600_000;
            self.post(at, Due::Jump { mono_ms, unix_ms });
        }
        if self.rng.permille(200) {
            let (at, who) = (self.rng.below(70_000), self.rng.below(2) as usize);
            self.post(at, Due::Act { who, act: Act::Bye });
        }
    }

    fn calm(&mut self) {
        (self.loss, self.copies, self.jitter_ms) = (0, 0, 0);
    }

    fn hang_up(&mut self) {
        let first = self.rng.below(2) as usize;
        self.act(first, Act::Bye);
        if self.rng.permille(300) {
            self.act(1 - first, Act::Bye);
        } else if !self.parties[first].is_live {
            // The other party may not know yet.
            self.post(40_000, Due::Act { who: 1 - first, act: Act::Bye });
        }
    }

    /// Both are up: each knows the other's media.
    fn compare(&mut self) {
        let [a, b] = &self.parties;
        if !(a.is_live && b.is_live && a.is_up && b.is_up) {
            return;
        }
        let mut wrong = Vec::new();
        for (name, one, other) in [("alice", a, b), ("bob", b, a)] {
            let Some(media) = one.media else {
                wrong.push(format!("{name} is up without media"));
                continue;
            };
            let port = media.remote_rtp.map(|remote| remote.port());
            if port != Some(other.port) {
                wrong.push(format!("{name} sends to {port:?}, the other is at {}", other.port));
            }
            if one.asked.is_some() {
                wrong.push(format!("{name} was never told what came of its offer"));
            }
            // A NOTIFY that got no answer at all ends its subscription (RFC 6665 §4.2.2).
            let teller = if name == "alice" { 1 } else { 0 };
            let is_whole =
                one.heard.len() == other.told.len() || self.agents[teller].meters().timeouts > 0;
            if !other.told.starts_with(&one.heard) || !is_whole {
                wrong.push(format!("{name} heard {:?} of {:?}", one.heard, other.told));
            }
            if one.refers != one.answers {
                wrong.push(format!("{name} sent {} REFERs, {} answers", one.refers, one.answers));
            }
        }
        let directions = (a.media.map(|m| m.direction), b.media.map(|m| m.direction));
        if let (Some(a), Some(b)) = directions
            && a.reversed() != b
        {
            wrong.push(format!("alice is {a:?}, bob {b:?}"));
        }
        self.wrong.append(&mut wrong);
    }

    fn nothing_is_left(&mut self) {
        for (who, name) in [(0, "alice"), (1, "bob")] {
            let meters = self.agents[who].meters();
            let left = (meters.sessions, meters.client_transactions, meters.server_transactions);
            if left != (0, 0, 0) {
                self.wrong.push(format!("{name} keeps sessions and transactions: {left:?}"));
            }
            let party = &self.parties[who];
            if party.is_live || party.ends > 1 {
                self.wrong.push(format!("{name} was told its end {} times", party.ends));
            }
        }
    }

    fn until(&mut self, end: Instant) {
        loop {
            let timers = self.agents.iter().filter_map(UserAgent::poll_timeout).map(|(at, _)| at);
            let posted = self.queue.first_key_value().map(|((at, _), _)| *at);
            let Some(next) = timers.chain(posted).min().filter(|next| *next <= end) else { break };
            self.advance(next);
            match self.queue.first_entry().filter(|entry| entry.key().0 <= next) {
                Some(entry) => {
                    let due = entry.remove();
                    self.carry_out(due);
                }
                None => {
                    for who in 0..2 {
                        self.agents[who].handle_timeout(self.now);
                        self.drain(who);
                    }
                }
            }
        }
        self.advance(end);
    }

    fn advance(&mut self, to: Instant) {
        let step = to.since(self.now.mono);
        let unix_ms = self.now.unix_ms + i64::try_from(step.as_millis()).unwrap_or(0);
        self.now = Now { mono: to.max(self.now.mono), unix_ms };
    }

    fn carry_out(&mut self, due: Due) {
        match due {
            Due::Bytes { to, bytes } => {
                let flow = flow(to);
                self.agents[to].handle(self.now, Input::Received { flow, bytes: &bytes });
                self.drain(to);
            }
            Due::Act { who, act } => self.act(who, act),
            Due::Restart(who) => {
                let node = u16::try_from(who + 1).unwrap_or(1);
                self.agents[who] = agent(&mut self.rng, node, 2);
                let party = &mut self.parties[who];
                (party.is_live, party.is_up, party.is_restarted) = (false, false, true);
            }
            // The process is suspended, and the clock is set meanwhile.
            Due::Jump { mono_ms, unix_ms } => {
                self.now.mono = self.now.mono + Duration::from_millis(mono_ms);
                self.now.unix_ms += unix_ms;
            }
        }
    }

    fn act(&mut self, who: usize, act: Act) {
        let (session, headers) = (SESSION, Vec::new());
        let party = &mut self.parties[who];
        if !party.is_live {
            return;
        }
        let command = match act {
            Act::Progress => {
                let media = self.rng.permille(500).then(|| party.local());
                Command::Progress { session, status: 183, media, headers }
            }
            Act::Answer => Command::Answer { session, media: party.local(), headers },
            Act::Reject => {
                party.is_live = false;
                Command::Reject { session, status: 486, reason: String::new(), headers }
            }
            Act::Reoffer if !party.is_up || party.asked.is_some() => return,
            Act::Reoffer => {
                let direction = match self.rng.below(4) {
                    0 => Direction::SendOnly,
                    1 => Direction::RecvOnly,
                    2 => Direction::Inactive,
                    _ => Direction::SendRecv,
                };
                let port = party.port + 2 * u16::from(self.rng.permille(500));
                party.asked = Some((port, direction));
                Command::Reoffer { session, media: media(port, direction) }
            }
            Act::AnswerOffer => {
                self.answering = Some(who);
                let answer = Ok(party.local());
                self.command(who, Command::AnswerOffer { session, answer });
                self.answering = None;
                return;
            }
            // One transfer a party, so that the model can tell transfers apart.
            Act::Refer if !party.is_up || party.refers > 0 => return,
            Act::Refer => {
                party.refers += 1;
                Command::Refer { session, target: "sip:carol@c.test".to_owned(), headers }
            }
            Act::AnswerRefer if self.rng.permille(200) => {
                let refusal = Refusal::new("refer_no_url", 603, "no");
                Command::AnswerRefer { session, answer: Err(refusal) }
            }
            Act::AnswerRefer => {
                party.told.push(100);
                let status = if self.rng.permille(500) { 200 } else { 486 };
                for (after, status, is_final) in [(500, 180, false), (900, status, true)] {
                    self.post(after, Due::Act { who, act: Act::Notify { status, is_final } });
                }
                Command::AnswerRefer { session, answer: Ok(()) }
            }
            Act::Notify { status, is_final } => {
                party.told.push(status);
                Command::NotifyRefer { session, status, is_final }
            }
            Act::Bye => Command::Bye { session, headers },
        };
        self.command(who, command);
    }

    fn command(&mut self, who: usize, command: Command) {
        self.agents[who].handle(self.now, Input::Command(command));
        self.drain(who);
    }

    fn drain(&mut self, who: usize) {
        let mut commands = Vec::new();
        while let Some(effect) = self.agents[who].poll_effect() {
            match effect {
                Effect::Send { to: SendTo::Datagram { remote, .. }, bytes, .. } => {
                    if remote == address(1 - who) {
                        self.send(1 - who, &bytes);
                    }
                }
                Effect::Send { .. } | Effect::CloseFlow { .. } => {}
                Effect::Event(event) => commands.extend(self.saw(who, event)),
            }
        }
        for command in commands {
            self.command(who, command);
        }
    }

    fn send(&mut self, to: usize, bytes: &[u8]) {
        if self.rng.permille(self.loss) {
            return;
        }
        for _ in 0..1 + u64::from(self.rng.permille(self.copies)) {
            let delay = 10 + self.rng.below(self.jitter_ms + 1);
            self.post(delay, Due::Bytes { to, bytes: bytes.to_vec() });
        }
    }

    fn post(&mut self, delay_ms: u64, due: Due) {
        self.serial += 1;
        let at = self.now.mono + Duration::from_millis(delay_ms);
        self.queue.insert((at, self.serial), due);
    }

    /// Compares an event of an agent with the events that it may have now.
    fn saw(&mut self, who: usize, event: UaEvent) -> Option<Command> {
        if let UaEvent::Incoming(mut incoming) = event {
            if self.parties[who].is_restarted || self.parties[who].is_live {
                let refusal = Refusal::new("busy", 486, "there is a call already");
                let (headers, trusted) = (Vec::new(), false);
                return Some(Command::RejectStateless { incoming, refusal, headers, trusted });
            }
            if self.parties[who].ends > 0 {
                return None;
            }
            let prack = self.rng.permille(700);
            let extensions = Extensions { prack, ..Extensions::ALL };
            drop(incoming.choose_extensions(extensions));
            self.parties[who].is_live = true;
            let answer = if self.rng.permille(900) { Act::Answer } else { Act::Reject };
            let (early, late) = (self.rng.below(1_500), 1_500 + self.rng.below(3_000));
            if self.rng.permille(600) {
                self.post(early, Due::Act { who, act: Act::Progress });
            }
            self.post(late, Due::Act { who, act: answer });
            return Some(Command::Admit { incoming, session: SESSION });
        }
        if matches!(event, UaEvent::Trace(_)) {
            return None;
        }
        let is_answer = self.answering == Some(who);
        let name = if who == 0 { "alice" } else { "bob" };
        let party = &mut self.parties[who];
        if !party.is_live {
            self.wrong.push(format!("{name} hears after its end: {event:?}"));
            return None;
        }
        match event {
            UaEvent::Progress { media, .. } | UaEvent::Confirmed { media, .. } => {
                party.media = media.or(party.media);
                party.is_up |= who == 1 && party.media.is_some();
            }
            UaEvent::Answered { media, .. } => {
                if party.is_up {
                    self.wrong.push(format!("{name} was answered twice"));
                }
                (party.media, party.is_up) = (Some(media), true);
            }
            UaEvent::Negotiated { media, .. } => party.media = Some(media),
            UaEvent::Renegotiated { media, .. } => {
                party.media = Some(media);
                if let Some((port, direction)) = party.asked.take_if(|_| !is_answer) {
                    (party.port, party.direction) = (port, Some(direction));
                }
            }
            UaEvent::ReofferRefused { .. } => party.asked = None,
            UaEvent::Offer { .. } => {
                let after = if self.rng.permille(700) { 0 } else { self.rng.below(3_000) };
                self.post(after, Due::Act { who, act: Act::AnswerOffer });
            }
            UaEvent::Refer { .. } => self.post(0, Due::Act { who, act: Act::AnswerRefer }),
            UaEvent::ReferAnswered { .. } => party.answers += 1,
            UaEvent::ReferProgress { status, .. } => party.heard.extend(status),
            UaEvent::Ended { .. }
            | UaEvent::Rejected { .. }
            | UaEvent::Refused { .. }
            | UaEvent::Canceled { .. } => {
                party.ends += 1;
                party.is_live = false;
            }
            UaEvent::OfferRefused { refusal, .. } => {
                self.wrong.push(format!("{name} refused an offer: {}", refusal.sentence));
            }
            UaEvent::Digit { .. }
            | UaEvent::Responded(_)
            | UaEvent::Broken { .. }
            | UaEvent::Unheard { .. }
            | UaEvent::TlsFailed { .. }
            | UaEvent::FailedOver { .. } => {}
            UaEvent::Incoming(_) | UaEvent::Stray(_) | UaEvent::Trace(_) => {}
        }
        None
    }
}

impl Party {
    fn at(port: u16) -> Self {
        Self { port, ..Self::default() }
    }

    fn local(&self) -> LocalMedia {
        media(self.port, self.direction.unwrap_or(Direction::SendRecv))
    }
}

fn agent(rng: &mut Rng, node: u16, generation: u8) -> UserAgent {
    let origin = Origin { node, generation };
    let mut config = UaConfig::new(origin, "gw.test", "sip.test");
    config.limits_sources = false;
    // The network of these stories loses more than the four requests of four seconds.
    config.silence_max = config.timers.transaction_timeout();
    UserAgent::new(config, rng.bytes())
}

fn media(port: u16, direction: Direction) -> LocalMedia {
    let codecs = [Codec::Pcmu, Codec::Pcma].into_iter().collect();
    LocalMedia {
        address: [192, 0, 2, 9].into(),
        port,
        direction,
        codecs,
        security: MediaSecurity::Clear,
        targets: MediaTargets::default(),
        recording: None,
    }
}

fn address(who: usize) -> std::net::SocketAddr {
    let last = if who == 0 { 1 } else { 2 };
    ([192, 0, 2, last], 5060).into()
}

fn flow(to: usize) -> Flow {
    let (local, remote) = (address(to), address(1 - to));
    Flow { id: FlowId(1), transport: Transport::Udp, local, remote }
}

fn towards(who: usize) -> Destination {
    let (remote, local) = (address(who), address(1 - who));
    Destination { transport: Transport::Udp, remote, local, flow: None, host: None }
}

fn uri(text: &str) -> Uri {
    Uri::parse(text).expect("a URI of the simulator")
}

#[cfg(test)]
mod tests {
    /// A hundred times as many by `make soak`.
    #[test]
    fn both_parties_have_seen_what_they_must_in_a_thousand_dialogs() {
        let wrong: Vec<(u64, Vec<String>)> = (0..1_000)
            .map(|seed| (seed, super::run(seed)))
            .filter(|(_, wrong)| !wrong.is_empty())
            .collect();
        assert!(wrong.is_empty(), "{} seeds: {:#?}", wrong.len(), wrong.first());
    }
}
