//! Cost of a whole call in transactions and dialogs: two user agents, with bytes handed over in memory.
//! Shell: reads a clock to measure; the machines run on a virtual one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant as Clock};

use shared::ids::Origin;
use shared::{Codec, Direction, Instant, Now, Transport};
use sip::offer_answer::{LocalMedia, MediaSecurity, MediaTargets};
use sip::{
    Command, Destination, Effect, Flow, FlowId, Input, Invite, SendTo, SessionId, UaConfig,
    UaEvent, Uri, UserAgent,
};
use smallvec::smallvec;

use crate::report::{Section, whole};
use crate::rounds::Rounds;
use crate::schedstat::own_cpu_ns;

/// Measures and writes the section.
pub(crate) fn measure(rounds: usize, round: Duration) -> Section {
    let mut section = Section::new(
        "SIP transactions and dialogs",
        &["what", "ns a call", "calls/s", "ns a message"],
    );
    let mut pair = Pair::new();
    // Transactions linger for 32 s after a call: measure only once they end as fast as they begin.
    for _ in 0..CALLS_A_SECOND * LINGER_S {
        pair.call();
    }
    let mut measured = Rounds::default();
    let messages_before = pair.messages;
    let mut calls = 0;
    for _ in 0..rounds {
        let (start, cpu_start) = (Clock::now(), own_cpu_ns());
        let mut count = 0;
        while start.elapsed() < round {
            pair.call();
            count += 1;
        }
        calls += count;
        measured.push((own_cpu_ns() - cpu_start) as f64 / count as f64);
    }
    if pair.completed != pair.started {
        section.note(format!(
            "FAILED: {} of {} calls came up and ended.",
            pair.completed, pair.started
        ));
        return section;
    }
    let messages = (pair.messages - messages_before) as f64 / calls.max(1) as f64;
    let median = measured.median();
    section.row([
        "INVITE, 100, 200, ACK, BYE, 200 with SDP, caller and callee".to_owned(),
        whole(median),
        whole(median.map(|ns| 1e9 / ns)),
        whole(median.map(|ns| ns / messages)),
    ]);
    section.note(format!(
        "Both user agents in one thread, {messages:.0} messages a call, each written by one and \
         parsed by the other; virtual clock at {CALLS_A_SECOND} calls a second, so about {} \
         transactions linger (RFC 3261 timers); {rounds} rounds of {} ms, median of CPU time.",
        whole(Some((CALLS_A_SECOND * 32) as f64)),
        round.as_millis()
    ));
    section
}

const CALLS_A_SECOND: u64 = 1_000;
/// Longer than the longest timer that follows a call.
const LINGER_S: u64 = 40;

/// A caller, a callee and their virtual clock.
struct Pair {
    now: Now,
    caller: UserAgent,
    callee: UserAgent,
    started: u64,
    completed: u64,
    messages: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Caller,
    Callee,
}

impl Pair {
    fn new() -> Self {
        let agent = |node, seed| {
            let origin = Origin { node, generation: 1 };
            let config = UaConfig::new(origin, "gw.test", "sip.test");
            UserAgent::new(UaConfig { limits_sources: false, ..config }, [seed; 32])
        };
        Self {
            now: Now { mono: Instant::from_millis(1_000), unix_ms: 1_700_000_000_000 },
            caller: agent(1, 1),
            callee: agent(2, 2),
            started: 0,
            completed: 0,
            messages: 0,
        }
    }

    /// One call from its INVITE to the 200 of its BYE.
    fn call(&mut self) {
        self.now = self.now.after(Duration::from_micros(1_000_000 / CALLS_A_SECOND));
        for side in [Side::Caller, Side::Callee] {
            let now = self.now;
            let agent = self.agent(side);
            if agent.poll_timeout().is_some_and(|(at, _)| at <= now.mono) {
                agent.handle_timeout(now);
                self.carry(side);
            }
        }
        self.started += 1;
        let session = SessionId(self.started);
        let invite = Box::new(invite());
        self.command(Side::Caller, Command::Invite { session, invite });
    }

    fn agent(&mut self, side: Side) -> &mut UserAgent {
        match side {
            Side::Caller => &mut self.caller,
            Side::Callee => &mut self.callee,
        }
    }

    fn command(&mut self, side: Side, command: Command) {
        let now = self.now;
        self.agent(side).handle(now, Input::Command(command));
        self.carry(side);
    }

    /// Carries messages between both sides until both are quiet.
    fn carry(&mut self, side: Side) {
        let mut effects = Vec::new();
        while let Some(effect) = self.agent(side).poll_effect() {
            effects.push(effect);
        }
        for effect in effects {
            match effect {
                Effect::Send { to: SendTo::Datagram { .. }, bytes, .. } => {
                    self.deliver(side, &bytes)
                }
                Effect::Event(event) => self.react(side, event),
                Effect::Send { .. } | Effect::CloseFlow { .. } => {}
            }
        }
    }

    fn deliver(&mut self, from: Side, bytes: &[u8]) {
        self.messages += 1;
        let (to, local, remote) = match from {
            Side::Caller => (Side::Callee, CALLEE, CALLER),
            Side::Callee => (Side::Caller, CALLER, CALLEE),
        };
        let flow = Flow { id: FlowId(1), transport: Transport::Udp, local, remote };
        let now = self.now;
        self.agent(to).handle(now, Input::Received { flow, bytes });
        self.carry(to);
    }

    fn react(&mut self, side: Side, event: UaEvent) {
        match (side, event) {
            (Side::Callee, UaEvent::Incoming(incoming)) => {
                let session = SessionId(self.started);
                self.command(Side::Callee, Command::Admit { incoming, session });
                let (media, headers) = (local_media(CALLEE), Vec::new());
                self.command(Side::Callee, Command::Answer { session, media, headers });
            }
            (Side::Callee, UaEvent::Confirmed { session, .. }) => {
                self.command(Side::Callee, Command::Bye { session, headers: Vec::new() });
            }
            (Side::Callee, UaEvent::Ended { .. }) => self.completed += 1,
            // No other event of an ordinary call wants an answer; a call that fails is not counted.
            _ => {}
        }
    }
}

const CALLER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5060);
const CALLEE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 5060);

fn local_media(address: SocketAddr) -> LocalMedia {
    LocalMedia {
        address: address.ip(),
        port: 10_000,
        direction: Direction::SendRecv,
        codecs: smallvec![Codec::Pcmu, Codec::Pcma],
        security: MediaSecurity::Clear,
        targets: MediaTargets::default(),
        recording: None,
    }
}

fn invite() -> Invite {
    let uri = |text: &str| Uri::parse(text.as_bytes()).expect("a URI written above");
    Invite {
        destinations: vec![Destination {
            transport: Transport::Udp,
            remote: CALLEE,
            local: CALLER,
            flow: Some(FlowId(1)),
            host: None,
        }],
        request_uri: uri("sip:1000@desk.sip.sidetone.test"),
        to: uri("sip:1000@desk.sip.sidetone.test"),
        from: uri("sip:alice@desk.sip.sidetone.test"),
        from_display: None,
        contact_user: "alice".to_owned(),
        headers: Vec::new(),
        media: local_media(CALLER),
        attempts: sip::user_agent::Attempts::default(),
        late_offer: false,
        max_forwards: sip::message::INITIAL_MAX_FORWARDS,
        extensions: shared::Extensions::NONE,
        credentials: None,
        route: Vec::new(),
        metadata: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_between_the_two_comes_up_and_ends() {
        let mut pair = Pair::new();
        for _ in 0..3 {
            pair.call();
        }
        assert_eq!((pair.started, pair.completed), (3, 3));
        assert_eq!(pair.messages, 18, "INVITE, 100, 200, ACK, BYE, 200");
    }
}
