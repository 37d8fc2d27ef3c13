//! The INVITE server transaction up to its 2xx or its ACK (RFC 3261 §17.2.1). Then an
//! [`End`](super::End) remains of it. Sans-IO.

use shared::Instant;

use super::{Due, Retransmission, Timers};

/// One INVITE that we answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InviteServer {
    is_reliable: bool,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Waits for our final response; keeps the last provisional one.
    Proceeding { last: Option<Box<[u8]>> },
    /// A final response other than 2xx was sent. It is repeated until its ACK comes (timers G and
    /// H).
    Completed { response: Box<[u8]>, resend: Option<Retransmission>, give_up_at: Instant },
}

/// The meaning of an ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acknowledged {
    /// It is for a 3xx–6xx, or a copy: it ends here.
    Absorbed,
    /// It is for a 2xx, and belongs to the dialog.
    ForDialog,
    /// There is nothing to acknowledge yet.
    TooEarly,
}

impl InviteServer {
    /// A new INVITE over a transport of this kind.
    pub fn new(is_reliable: bool) -> Self {
        Self { is_reliable, state: State::Proceeding { last: None } }
    }

    /// Whether a final response may still be sent.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// Whether copies of the ACK can come: not over a reliable transport.
    pub fn is_reliable(&self) -> bool {
        self.is_reliable
    }

    /// Notes a response other than 2xx that is sent now. Only the first final one counts.
    pub fn respond(&mut self, now: Instant, timers: &Timers, status: u16, bytes: &[u8]) {
        if !self.is_open() {
            return;
        }
        let (is_reliable, t1, t2) = (self.is_reliable, timers.t1, timers.t2);
        self.state = match status {
            ..=299 => State::Proceeding { last: Some(bytes.into()) },
            300.. => State::Completed {
                response: bytes.into(),
                resend: Retransmission::unless_reliable(now, is_reliable, t1, t2),
                give_up_at: now + timers.transaction_timeout(),
            },
        };
    }

    /// The response to a retransmission of the INVITE.
    pub fn last_response(&self) -> Option<&[u8]> {
        match &self.state {
            State::Proceeding { last } => last.as_deref(),
            State::Completed { response, .. } => Some(response),
        }
    }

    /// When [`Self::due`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Proceeding { .. } => None,
            State::Completed { resend, give_up_at, .. } => {
                Some(resend.map_or(*give_up_at, |resend| resend.at.min(*give_up_at)))
            }
        }
    }

    /// Handles the deadline.
    pub fn due(&mut self, now: Instant) -> Due {
        match &mut self.state {
            State::Completed { give_up_at, .. } if now >= *give_up_at => Due::GiveUp,
            State::Completed { resend: Some(resend), .. } if now >= resend.at => {
                *resend = resend.next(now);
                Due::Resend
            }
            State::Proceeding { .. } | State::Completed { .. } => Due::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Timers = Timers {
        t1: std::time::Duration::from_millis(500),
        t2: std::time::Duration::from_secs(4),
        t4: std::time::Duration::from_secs(5),
    };

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn a_refusal_is_repeated_at_doubling_intervals_until_its_ack() {
        let mut machine = InviteServer::new(false);
        machine.respond(at(0), &T, 486, b"busy");
        let mut sent = Vec::new();
        while sent.len() < 5 {
            let now = machine.deadline().unwrap();
            assert_eq!(machine.due(now), Due::Resend);
            sent.push(now.as_millis());
        }
        assert_eq!(sent, [500, 1500, 3500, 7500, 11500]);
    }

    #[test]
    fn without_an_ack_it_gives_up_after_64_t1() {
        let mut machine = InviteServer::new(true);
        machine.respond(at(0), &T, 486, b"busy");
        assert_eq!(machine.deadline(), Some(at(32_000)), "a reliable transport repeats nothing");
        assert_eq!(machine.due(at(32_000)), Due::GiveUp);
    }

    #[test]
    fn copies_of_the_invite_get_the_last_response() {
        let mut machine = InviteServer::new(false);
        assert_eq!(machine.last_response(), None);
        machine.respond(at(0), &T, 180, b"ringing");
        assert_eq!(machine.last_response(), Some(&b"ringing"[..]));
        machine.respond(at(0), &T, 486, b"busy");
        machine.respond(at(0), &T, 487, b"late");
        assert_eq!(machine.last_response(), Some(&b"busy"[..]), "there is one final response");
        assert!(!machine.is_open());
    }
}
