//! The sessions of a user agent, by name, by our tag and by deadline. Sans-IO.
//!
//! [`Sessions`] is the one owner of the three indexes, so that they agree. A session is taken out while
//! something works on it: should that panic, only this session is lost, and [`Sessions::take_lost`]
//! names it.

use std::collections::{BTreeSet, HashMap};

use shared::Instant;

use super::session::{Session, State};
use crate::ids::SessionId;
use crate::token::Token;

/// All sessions that are not gone.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    live: HashMap<SessionId, Slot>,
    /// By the value of our tag.
    by_tag: HashMap<u64, SessionId>,
    deadlines: BTreeSet<(Instant, SessionId)>,
    in_hand: Option<InHand>,
}

#[derive(Debug)]
struct Slot {
    session: Session,
    /// Its entry in `deadlines`.
    armed: Option<Instant>,
}

/// What the indexes hold of the session that is taken out.
#[derive(Clone, Copy, Debug)]
struct InHand {
    id: SessionId,
    tag: u64,
    armed: Option<Instant>,
}

impl Sessions {
    /// Sessions that live.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether a session lives.
    pub fn contains(&self, id: SessionId) -> bool {
        self.live.contains_key(&id)
    }

    /// The session of this name.
    pub fn get(&self, id: SessionId) -> Option<&Session> {
        self.live.get(&id).map(|slot| &slot.session)
    }

    /// The session whose tag stands in a message.
    pub fn of_tag(&self, tag: &[u8]) -> Option<&Session> {
        let token = Token::parse(tag)?;
        let session = self.get(*self.by_tag.get(&token.value)?)?;
        (session.tag == token).then_some(session)
    }

    /// All sessions, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.live.values().map(|slot| &slot.session)
    }

    /// Adds a new session.
    pub fn insert(&mut self, session: Session) {
        self.by_tag.insert(session.tag.value, session.id);
        self.place(session, None);
    }

    /// Takes a session out, to be put back.
    pub fn take(&mut self, id: SessionId) -> Option<Session> {
        debug_assert!(self.in_hand.is_none(), "one session at a time");
        let Slot { session, armed } = self.live.remove(&id)?;
        self.in_hand = Some(InHand { id, tag: session.tag.value, armed });
        Some(session)
    }

    /// Puts the session back that was taken out; one that is gone leaves every index.
    pub fn put_back(&mut self, session: Session) {
        let in_hand = self.in_hand.take().filter(|in_hand| in_hand.id == session.id);
        debug_assert!(in_hand.is_some(), "only what was taken is put back");
        self.place(session, in_hand.and_then(|in_hand| in_hand.armed));
    }

    /// Forgets the session that was taken out and never put back: a panic took it.
    pub fn take_lost(&mut self) -> Option<SessionId> {
        let InHand { id, tag, armed } = self.in_hand.take()?;
        self.by_tag.remove(&tag);
        self.disarm(id, armed);
        self.assert_consistent();
        Some(id)
    }

    /// The soonest deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// One session whose deadline has come; its deadline is set anew when it is put back.
    pub fn next_due(&mut self, now: Instant) -> Option<SessionId> {
        let (at, id) = *self.deadlines.first().filter(|(at, _)| *at <= now)?;
        self.deadlines.remove(&(at, id));
        if let Some(slot) = self.live.get_mut(&id) {
            slot.armed = None;
        }
        Some(id)
    }

    fn place(&mut self, session: Session, armed: Option<Instant>) {
        let id = session.id;
        let deadline = session.deadline();
        if armed != deadline {
            self.disarm(id, armed);
            self.deadlines.extend(deadline.map(|at| (at, id)));
        }
        if matches!(session.state, State::Gone) {
            self.by_tag.remove(&session.tag.value);
        } else {
            self.live.insert(id, Slot { session, armed: deadline });
        }
        self.assert_consistent();
    }

    fn disarm(&mut self, id: SessionId, armed: Option<Instant>) {
        if let Some(at) = armed {
            self.deadlines.remove(&(at, id));
        }
    }

    /// Every session has its tag, and a deadline at most.
    fn assert_consistent(&self) {
        debug_assert_eq!(self.by_tag.len(), self.live.len(), "a tag for each session");
        debug_assert!(self.deadlines.len() <= self.live.len(), "a deadline of no session");
    }
}
