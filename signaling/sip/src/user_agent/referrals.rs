//! The transfers of one dialog (RFC 3515, RFC 6665). Sans-IO.
//!
//! At most one in each direction at a time. The peer's REFER waits for the layer above, then becomes a
//! subscription: its NOTIFYs leave one by one, each when the one before was answered, so that the peer
//! reads them in order. Our own REFER waits until the call is confirmed. Then it is over when it has both
//! its final response and the NOTIFY that ends its subscription, in either order: the NOTIFY may overtake
//! the 202 (RFC 3515 §2.4.4). Without both, the response of one REFER could be taken for that of the next.

use std::collections::VecDeque;

use shared::{Header, Instant};

use crate::message::Request;
use crate::transaction::ServerKey;

/// The state of both directions.
#[derive(Debug, Default)]
pub(super) struct Referrals {
    /// REFERs that the peer sent so far.
    received: u32,
    unanswered: Option<PeerReferral>,
    subscription: Option<Subscription>,
    own: OwnReferral,
}

/// The peer's REFER before the layer above has answered it.
#[derive(Debug)]
pub(super) struct PeerReferral {
    pub request: Request,
    pub key: ServerKey,
    /// When the user agent refuses it by itself.
    pub give_up_at: Instant,
}

/// What the peer reads about its REFER.
#[derive(Debug)]
struct Subscription {
    /// The value of `Event`.
    event: String,
    /// A NOTIFY has no response yet.
    is_sending: bool,
    /// Status lines that wait for their turn, and whether each is the last.
    notices: VecDeque<(u16, bool)>,
}

/// Our REFER.
#[derive(Debug, Default)]
enum OwnReferral {
    #[default]
    None,
    /// It waits for the ACK of the call.
    Waiting { target: String, headers: Vec<Header> },
    /// It was sent; neither its final response nor the last NOTIFY is here.
    Sent,
    /// The peer accepted it; the last NOTIFY is to come.
    Accepted,
    /// The last NOTIFY came before the response.
    Notified,
}

/// A NOTIFY to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// The value of `Event`.
    pub event: String,
    /// The status line of the fragment.
    pub status: u16,
    /// It ends the subscription.
    pub is_final: bool,
}

impl Referrals {
    /// Whether a transfer that the peer wants is not over.
    pub fn is_peer_referring(&self) -> bool {
        self.unanswered.is_some() || self.subscription.is_some()
    }

    /// Keeps a REFER of the peer until the layer above answers it.
    pub fn receive(&mut self, referral: PeerReferral) {
        debug_assert!(!self.is_peer_referring(), "one transfer at a time");
        self.received = self.received.saturating_add(1);
        self.unanswered = Some(referral);
    }

    /// Takes the REFER that waits for an answer.
    pub fn take_unanswered(&mut self) -> Option<PeerReferral> {
        self.unanswered.take()
    }

    /// When the REFER that waits for an answer has waited long enough.
    pub fn deadline(&self) -> Option<Instant> {
        self.unanswered.as_ref().map(|referral| referral.give_up_at)
    }

    /// Begins the subscription of an accepted REFER. From the second on `id` tells them apart
    /// (RFC 3515 §2.4.6).
    pub fn subscribe(&mut self, refer_cseq: u32) {
        let event = match self.received {
            0 | 1 => "refer".to_owned(),
            _ => format!("refer;id={refer_cseq}"),
        };
        let notices = VecDeque::new();
        self.subscription = Some(Subscription { event, is_sending: false, notices });
    }

    /// Queues a notice; `false` without a subscription. Past the bound only the last one has room.
    pub fn notify(&mut self, status: u16, is_final: bool) -> bool {
        let Some(subscription) = &mut self.subscription else { return false };
        if subscription.notices.len() < NOTICES_MAX || is_final {
            subscription.notices.push_back((status, is_final));
        }
        true
    }

    /// The NOTIFY to send now; `None` while one is out.
    pub fn next_notice(&mut self) -> Option<Notice> {
        let subscription = self.subscription.as_mut().filter(|it| !it.is_sending)?;
        let (status, is_final) = subscription.notices.pop_front()?;
        subscription.is_sending = true;
        Some(Notice { event: subscription.event.clone(), status, is_final })
    }

    /// A NOTIFY was answered. The last one ends the subscription, and so does a refusal
    /// (RFC 6665 §4.2.2).
    pub fn notice_answered(&mut self, status: u16, was_final: bool) {
        if was_final || status >= 300 {
            self.subscription = None;
        } else if let Some(subscription) = &mut self.subscription {
            subscription.is_sending = false;
        }
    }

    /// Keeps our REFER until the call is confirmed; `false` while another is not over.
    pub fn refer(&mut self, target: String, headers: Vec<Header>) -> bool {
        let is_free = matches!(self.own, OwnReferral::None);
        if is_free {
            self.own = OwnReferral::Waiting { target, headers };
        }
        is_free
    }

    /// Takes the REFER that waits, to be sent now.
    pub fn take_waiting(&mut self) -> Option<(String, Vec<Header>)> {
        match std::mem::take(&mut self.own) {
            OwnReferral::Waiting { target, headers } => {
                self.own = OwnReferral::Sent;
                Some((target, headers))
            }
            before @ (OwnReferral::None
            | OwnReferral::Sent
            | OwnReferral::Accepted
            | OwnReferral::Notified) => {
                self.own = before;
                None
            }
        }
    }

    /// Our REFER has its final response. A refusal makes no subscription.
    pub fn own_answered(&mut self, status: u16) {
        let waits = matches!(self.own, OwnReferral::Sent) && status < 300;
        self.own = if waits { OwnReferral::Accepted } else { OwnReferral::None };
    }

    /// Whether our REFER awaits NOTIFYs of the peer.
    pub fn is_referring(&self) -> bool {
        matches!(self.own, OwnReferral::Sent | OwnReferral::Accepted)
    }

    /// The peer's NOTIFY has ended our subscription.
    pub fn own_over(&mut self) {
        let is_answered = !matches!(self.own, OwnReferral::Sent);
        self.own = if is_answered { OwnReferral::None } else { OwnReferral::Notified };
    }
}

/// NOTIFYs that wait for the one before.
const NOTICES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_leave_one_by_one_and_the_last_always_has_room() {
        let mut referrals = Referrals::default();
        assert!(!referrals.notify(100, false), "no subscription");
        referrals.subscribe(1);
        assert!(referrals.notify(100, false));
        let first = referrals.next_notice().map(|notice| notice.status);
        assert_eq!((first, referrals.next_notice()), (Some(100), None));
        (0..20).for_each(|_| assert!(referrals.notify(180, false)));
        assert!(referrals.notify(200, true));
        let mut left = Vec::new();
        referrals.notice_answered(200, false);
        while let Some(notice) = referrals.next_notice() {
            left.push(notice.status);
            referrals.notice_answered(200, notice.is_final);
        }
        assert_eq!(left, [[180; NOTICES_MAX].as_slice(), &[200]].concat());
        assert!(!referrals.notify(200, true), "the last one ended the subscription");
    }

    #[test]
    fn our_second_refer_waits_for_the_end_of_the_first() {
        let mut referrals = Referrals::default();
        assert!(referrals.refer("sip:a@b".to_owned(), Vec::new()));
        assert!(!referrals.refer("sip:c@d".to_owned(), Vec::new()));
        assert!(referrals.take_waiting().is_some() && referrals.take_waiting().is_none());
        referrals.own_answered(202);
        assert!(referrals.is_referring() && !referrals.refer("sip:c@d".to_owned(), Vec::new()));
        referrals.own_over();
        assert!(referrals.refer("sip:c@d".to_owned(), Vec::new()));
    }
}
