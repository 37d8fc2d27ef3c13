//! The client transaction of requests other than INVITE (RFC 3261 §17.1.2). Sans-IO.

use std::time::Duration;

use shared::Instant;

use super::{Due, Retransmission, Timers};

/// One request that we sent, other than INVITE and ACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OtherClient {
    is_reliable: bool,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// No final response yet (timers E and F).
    Open { request: Box<[u8]>, resend: Option<Retransmission>, give_up_at: Instant, heard: bool },
    /// The final response came; copies of it end here (timer K).
    Completed { ends_at: Instant },
}

impl OtherClient {
    /// A request that is sent now.
    pub fn new(now: Instant, timers: &Timers, is_reliable: bool, request: &[u8]) -> Self {
        let resend = Retransmission::unless_reliable(now, is_reliable, timers.t1, timers.t2);
        let give_up_at = now + timers.transaction_timeout();
        let request = request.into();
        Self { is_reliable, state: State::Open { request, resend, give_up_at, heard: false } }
    }

    /// Whether no response came yet.
    pub fn is_calling(&self) -> bool {
        matches!(self.state, State::Open { heard: false, .. })
    }

    /// Takes a response that matches; `true`: pass it to the transaction user.
    pub fn receive(&mut self, now: Instant, timers: &Timers, status: u16) -> bool {
        match &mut self.state {
            State::Completed { .. } => false,
            State::Open { resend, heard, .. } if status < 200 => {
                *heard = true;
                *resend = resend.map(Retransmission::slowest);
                true
            }
            State::Open { .. } => {
                let wait = if self.is_reliable { Duration::ZERO } else { timers.t4 };
                self.state = State::Completed { ends_at: now + wait };
                true
            }
        }
    }

    /// The request, for a retransmission.
    pub fn request(&self) -> Option<&[u8]> {
        match &self.state {
            State::Open { request, .. } => Some(request),
            State::Completed { .. } => None,
        }
    }

    /// When [`Self::due`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Open { resend, give_up_at, .. } => {
                Some(resend.map_or(*give_up_at, |resend| resend.at.min(*give_up_at)))
            }
            State::Completed { ends_at } => Some(*ends_at),
        }
    }

    /// Handles the deadline.
    pub fn due(&mut self, now: Instant) -> Due {
        match &mut self.state {
            State::Open { give_up_at, .. } if now >= *give_up_at => Due::GiveUp,
            State::Open { resend: Some(resend), .. } if now >= resend.at => {
                *resend = resend.next(now);
                Due::Resend
            }
            State::Completed { ends_at } if now >= *ends_at => Due::End,
            State::Open { .. } | State::Completed { .. } => Due::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn a_request_is_repeated_at_intervals_up_to_t2() {
        let timers = Timers::default();
        let mut machine = OtherClient::new(at(0), &timers, false, b"BYE");
        let mut sent = Vec::new();
        while sent.len() < 5 {
            let now = machine.deadline().unwrap();
            assert_eq!(machine.due(now), Due::Resend);
            sent.push(now.as_millis());
        }
        assert_eq!(sent, [500, 1500, 3500, 7500, 11_500]);
        assert_eq!(machine.due(at(32_000)), Due::GiveUp);
    }

    #[test]
    fn the_first_final_response_is_passed_on_and_copies_are_not() {
        let timers = Timers::default();
        let mut machine = OtherClient::new(at(0), &timers, false, b"BYE");
        assert!(machine.receive(at(1), &timers, 100));
        assert!(machine.receive(at(2), &timers, 200));
        assert!(!machine.receive(at(3), &timers, 200));
        assert_eq!(machine.due(at(5_002)), Due::End);
    }
}
