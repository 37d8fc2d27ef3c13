//! The server transaction of everything but INVITE (RFC 3261 §17.2.2). Sans-IO.

use std::time::Duration;

use shared::Instant;

use super::{Due, Timers};

/// One request other than INVITE that we answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OtherServer {
    is_reliable: bool,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was answered yet.
    Trying,
    /// The final response, for copies of the request (timer J).
    Completed { response: Box<[u8]>, ends_at: Instant },
}

impl OtherServer {
    /// A new request over a transport of this kind.
    pub fn new(is_reliable: bool) -> Self {
        Self { is_reliable, state: State::Trying }
    }

    /// Notes the final response that leaves now. The first counts.
    pub fn respond(&mut self, now: Instant, timers: &Timers, bytes: &[u8]) {
        if self.state == State::Trying {
            let wait = if self.is_reliable { Duration::ZERO } else { timers.transaction_timeout() };
            self.state = State::Completed { response: bytes.into(), ends_at: now + wait };
        }
    }

    /// What to send when the request comes again.
    pub fn last_response(&self) -> Option<&[u8]> {
        match &self.state {
            State::Trying => None,
            State::Completed { response, .. } => Some(response),
        }
    }

    /// When [`Self::due`] has something to say.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Trying => None,
            State::Completed { ends_at, .. } => Some(*ends_at),
        }
    }

    /// The deadline has come.
    pub fn due(&mut self, now: Instant) -> Due {
        match &self.state {
            State::Completed { ends_at, .. } if now >= *ends_at => Due::End,
            State::Trying | State::Completed { .. } => Due::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_get_the_first_final_response_for_64_t1() {
        let timers = Timers::default();
        let mut machine = OtherServer::new(false);
        assert_eq!(machine.last_response(), None);
        machine.respond(Instant::ZERO, &timers, b"ok");
        machine.respond(Instant::ZERO, &timers, b"other");
        assert_eq!(machine.last_response(), Some(&b"ok"[..]));
        assert_eq!(machine.due(Instant::from_millis(31_999)), Due::Nothing);
        assert_eq!(machine.due(Instant::from_millis(32_000)), Due::End);
    }

    #[test]
    fn a_reliable_transport_brings_no_copies() {
        let mut machine = OtherServer::new(true);
        machine.respond(Instant::ZERO, &Timers::default(), b"ok");
        assert_eq!(machine.due(Instant::ZERO), Due::End);
    }
}
