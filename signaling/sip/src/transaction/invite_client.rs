//! The INVITE client transaction (RFC 3261 §17.1.1, RFC 6026 §7.2). Sans-IO.

use std::time::Duration;

use shared::Instant;

use super::{Due, Retransmission, Timers};

/// One INVITE that we sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InviteClient {
    is_reliable: bool,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// No response yet (timers A and B).
    Calling { request: Box<[u8]>, resend: Option<Retransmission>, give_up_at: Instant },
    /// A provisional response came. The transaction user decides how long it may ring, and cancels
    /// it.
    Proceeding { give_up_at: Option<Instant> },
    /// A 2xx came; further ones, also of other forks, are passed on (timer M).
    Accepted { ends_at: Instant },
    /// Another final response came; its copies get our ACK again (timer D).
    Completed { ack: Option<Box<[u8]>>, ends_at: Instant },
}

/// What to do with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InviteResponse {
    /// Pass it to the transaction user.
    Pass,
    /// Acknowledge it, note the ACK by [`InviteClient::acknowledged`], and pass it to the
    /// transaction user.
    AcknowledgeAndPass,
    /// It is a copy: send [`InviteClient::ack`] again.
    AcknowledgeAgain,
    /// Ignore it: it adds nothing.
    Ignore,
}

impl InviteClient {
    /// An INVITE that is sent now.
    pub fn new(now: Instant, timers: &Timers, is_reliable: bool, request: &[u8]) -> Self {
        let give_up_at = now + timers.transaction_timeout();
        // Timer A has no cap of its own: it ends with timer B.
        let cap = timers.transaction_timeout();
        let resend = Retransmission::unless_reliable(now, is_reliable, timers.t1, cap);
        let request = request.into();
        Self { is_reliable, state: State::Calling { request, resend, give_up_at } }
    }

    /// Whether no response came yet.
    pub fn is_calling(&self) -> bool {
        matches!(self.state, State::Calling { .. })
    }

    /// Whether there is no final response yet.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Calling { .. } | State::Proceeding { .. })
    }

    /// Takes a response that matches.
    pub fn receive(&mut self, now: Instant, timers: &Timers, status: u16) -> InviteResponse {
        let in_64_t1 = now + timers.transaction_timeout();
        match (&self.state, status) {
            (State::Calling { .. }, ..=199) => {
                self.state = State::Proceeding { give_up_at: None };
                InviteResponse::Pass
            }
            (State::Proceeding { .. }, ..=199) => InviteResponse::Pass,
            (State::Calling { .. } | State::Proceeding { .. }, 200..=299) => {
                self.state = State::Accepted { ends_at: in_64_t1 };
                InviteResponse::Pass
            }
            (State::Calling { .. } | State::Proceeding { .. }, 300..) => {
                let ends_at = if self.is_reliable { now } else { in_64_t1 };
                self.state = State::Completed { ack: None, ends_at };
                InviteResponse::AcknowledgeAndPass
            }
            (State::Accepted { .. }, 200..=299) => InviteResponse::Pass,
            (State::Completed { .. }, 300..) => InviteResponse::AcknowledgeAgain,
            (State::Accepted { .. }, ..=199 | 300..) | (State::Completed { .. }, ..=299) => {
                InviteResponse::Ignore
            }
        }
    }

    /// Notes the ACK that was sent for a 3xx–6xx.
    pub fn acknowledged(&mut self, bytes: &[u8]) {
        if let State::Completed { ack, .. } = &mut self.state {
            *ack = Some(bytes.into());
        }
    }

    /// The ACK for copies of the final response.
    pub fn ack(&self) -> Option<&[u8]> {
        match &self.state {
            State::Completed { ack, .. } => ack.as_deref(),
            State::Calling { .. } | State::Proceeding { .. } | State::Accepted { .. } => None,
        }
    }

    /// The request, for a retransmission.
    pub fn request(&self) -> Option<&[u8]> {
        match &self.state {
            State::Calling { request, .. } => Some(request),
            State::Proceeding { .. } | State::Accepted { .. } | State::Completed { .. } => None,
        }
    }

    /// When [`Self::due`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Calling { resend, give_up_at, .. } => {
                Some(resend.map_or(*give_up_at, |resend| resend.at.min(*give_up_at)))
            }
            State::Proceeding { give_up_at } => *give_up_at,
            State::Accepted { ends_at } | State::Completed { ends_at, .. } => Some(*ends_at),
        }
    }

    /// Handles the deadline.
    pub fn due(&mut self, now: Instant) -> Due {
        match &mut self.state {
            State::Calling { give_up_at, .. }
            | State::Proceeding { give_up_at: Some(give_up_at) }
                if now >= *give_up_at =>
            {
                Due::GiveUp
            }
            State::Calling { resend: Some(resend), .. } if now >= resend.at => {
                *resend = resend.next(now);
                Due::Resend
            }
            State::Accepted { ends_at } | State::Completed { ends_at, .. } if now >= *ends_at => {
                Due::End
            }
            State::Calling { .. }
            | State::Proceeding { .. }
            | State::Accepted { .. }
            | State::Completed { .. } => Due::Nothing,
        }
    }

    /// Forgets a canceled INVITE that gets no final response within `patience` (RFC 3261 §9.1).
    pub fn expire_after(&mut self, now: Instant, patience: Duration) {
        if let State::Proceeding { give_up_at } = &mut self.state {
            *give_up_at = Some(now + patience);
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
    fn an_invite_is_repeated_until_anything_comes_or_64_t1_pass() {
        let timers = Timers::default();
        let mut machine = InviteClient::new(at(0), &timers, false, b"INVITE");
        let mut sent = Vec::new();
        loop {
            let now = machine.deadline().unwrap();
            match machine.due(now) {
                Due::Resend => sent.push(now.as_millis()),
                other => {
                    assert_eq!((other, now), (Due::GiveUp, at(32_000)));
                    break;
                }
            }
        }
        assert_eq!(sent, [500, 1500, 3500, 7500, 15_500, 31_500]);
        let mut machine = InviteClient::new(at(0), &timers, false, b"INVITE");
        assert_eq!(machine.receive(at(1), &timers, 100), InviteResponse::Pass);
        assert_eq!(machine.deadline(), None);
    }

    #[test]
    fn copies_of_a_refusal_get_the_ack_again_and_late_provisionals_nothing() {
        let timers = Timers::default();
        let mut machine = InviteClient::new(at(0), &timers, false, b"INVITE");
        assert_eq!(machine.receive(at(1), &timers, 486), InviteResponse::AcknowledgeAndPass);
        machine.acknowledged(b"ACK");
        assert_eq!(machine.receive(at(2), &timers, 486), InviteResponse::AcknowledgeAgain);
        assert_eq!(machine.ack(), Some(&b"ACK"[..]));
        assert_eq!(machine.receive(at(3), &timers, 180), InviteResponse::Ignore);
        assert_eq!(machine.due(at(32_001)), Due::End);
    }

    #[test]
    fn every_2xx_of_every_fork_is_passed_on() {
        let timers = Timers::default();
        let mut machine = InviteClient::new(at(0), &timers, true, b"INVITE");
        assert_eq!(machine.receive(at(1), &timers, 200), InviteResponse::Pass);
        assert_eq!(machine.receive(at(2), &timers, 200), InviteResponse::Pass);
        assert_eq!(machine.receive(at(3), &timers, 486), InviteResponse::Ignore);
        assert_eq!(machine.due(at(32_001)), Due::End);
    }
}
