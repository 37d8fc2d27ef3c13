//! Which call a SIP session, a media leg, a tap or a feed belongs to.
//!
//! Events of the user agent, the cores and the recorder name a session, a leg or a tap, never a call. The
//! call in turn holds its session, its leg and its taps. The two sides change in one handled input but
//! not in one statement, so [`Links::assert_consistent`] compares them after each.
//!
//! A session that is taken off is deaf: whatever the user agent still reports about it reaches no call.
//! That is how a contact that lost, or a dialog that another phone replaced, stays out of the call.

use std::collections::BTreeMap;

use shared::ids::{FeedId, TapId};
use shared::{CallSid, CoreId, LegId, SiprecSid};
use sip::SessionId;

use super::live_call::LiveCall;

/// From sessions, legs and taps to their calls. Each map has an entry for each live session, leg or
/// recording of a live call, so the limit on calls and the places of the cores bound them.
#[derive(Debug, Default)]
pub(crate) struct Links {
    sessions: BTreeMap<SessionId, CallSid>,
    legs: BTreeMap<LegId, CallSid>,
    taps: BTreeMap<TapId, CallSid>,
    feeds: BTreeMap<FeedId, CallSid>,
    siprec_sessions: BTreeMap<SessionId, (CallSid, SiprecSid)>,
    siprec_legs: BTreeMap<LegId, (CallSid, SiprecSid)>,
    last_session: u64,
    last_tap: u64,
    last_feed: u64,
}

impl Links {
    /// A fresh session id that belongs to no call: its events are ignored, unless
    /// [`Self::replace_session`] gives it to one.
    pub const fn unlinked_session(&mut self) -> SessionId {
        self.last_session += 1;
        SessionId(self.last_session)
    }

    /// A fresh session of a call.
    pub fn new_session(&mut self, call: CallSid) -> SessionId {
        let id = self.unlinked_session();
        self.sessions.insert(id, call);
        id
    }

    /// The call of a session; `None`: it never had one, or the link is removed.
    pub fn call_of_session(&self, session: SessionId) -> Option<CallSid> {
        self.sessions.get(&session).copied()
    }

    /// Takes a session off its call.
    pub fn remove_session(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }

    /// The call continues in another session.
    pub fn replace_session(&mut self, old: SessionId, new: SessionId, call: CallSid) {
        self.sessions.remove(&old);
        self.sessions.insert(new, call);
    }

    /// The leg belongs to this call.
    pub fn add_leg(&mut self, leg: LegId, call: CallSid) {
        let former = self.legs.insert(leg, call);
        debug_assert!(former.is_none(), "a leg belongs to one call");
    }

    /// The call of a leg.
    pub fn call_of_leg(&self, leg: LegId) -> Option<CallSid> {
        self.legs.get(&leg).copied()
    }

    /// Takes a leg off its call, and names the call.
    pub fn remove_leg(&mut self, leg: LegId) -> Option<CallSid> {
        self.legs.remove(&leg)
    }

    /// A fresh session of a recording session with an outside server.
    pub fn new_siprec_session(&mut self, call: CallSid, siprec: SiprecSid) -> SessionId {
        let id = self.unlinked_session();
        self.siprec_sessions.insert(id, (call, siprec));
        id
    }

    /// The recording session of a session of the user agent.
    pub fn siprec_of_session(&self, session: SessionId) -> Option<(CallSid, SiprecSid)> {
        self.siprec_sessions.get(&session).copied()
    }

    /// Takes a session off its recording session.
    pub fn remove_siprec_session(&mut self, session: SessionId) {
        self.siprec_sessions.remove(&session);
    }

    /// The leg belongs to this recording session.
    pub fn add_siprec_leg(&mut self, leg: LegId, of: (CallSid, SiprecSid)) {
        let former = self.siprec_legs.insert(leg, of);
        debug_assert!(former.is_none(), "a leg belongs to one recording session");
    }

    /// Takes a leg off its recording session, and names that.
    pub fn remove_siprec_leg(&mut self, leg: LegId) -> Option<(CallSid, SiprecSid)> {
        self.siprec_legs.remove(&leg)
    }

    /// All legs of recording sessions on a core, in the order of slots.
    pub fn siprec_legs_on(&self, core: CoreId) -> Vec<(LegId, (CallSid, SiprecSid))> {
        let is_there = |(leg, _): &(&LegId, &(CallSid, SiprecSid))| leg.core == core;
        self.siprec_legs.iter().filter(is_there).map(|(leg, of)| (*leg, *of)).collect()
    }

    /// All legs on a core with their calls, in the order of slots.
    pub fn legs_on(&self, core: CoreId) -> Vec<(LegId, CallSid)> {
        let is_there = |(leg, _): &(&LegId, &CallSid)| leg.core == core;
        self.legs.iter().filter(is_there).map(|(leg, sid)| (*leg, *sid)).collect()
    }

    /// A fresh tap that belongs to no call.
    pub const fn unlinked_tap(&mut self) -> TapId {
        self.last_tap += 1;
        TapId(self.last_tap)
    }

    /// A fresh tap of a call.
    pub fn new_tap(&mut self, call: CallSid) -> TapId {
        let tap = self.unlinked_tap();
        self.taps.insert(tap, call);
        tap
    }

    /// The call of a tap.
    pub fn call_of_tap(&self, tap: TapId) -> Option<CallSid> {
        self.taps.get(&tap).copied()
    }

    /// A fresh feed of a call.
    pub fn new_feed(&mut self, call: CallSid) -> FeedId {
        self.last_feed += 1;
        let feed = FeedId(self.last_feed);
        self.feeds.insert(feed, call);
        feed
    }

    /// Takes a feed off its call, and names the call.
    pub fn remove_feed(&mut self, feed: FeedId) -> Option<CallSid> {
        self.feeds.remove(&feed)
    }

    /// Takes a tap off its call.
    pub fn remove_tap(&mut self, tap: TapId) {
        self.taps.remove(&tap);
    }

    /// Compares both sides: each link leads to a call that has the session, leg or tap, and no call has
    /// one without a link.
    ///
    /// # Panics
    /// When they disagree.
    pub fn assert_consistent(&self, calls: &BTreeMap<CallSid, LiveCall>) {
        for (session, sid) in &self.sessions {
            let has = |live: &LiveCall| {
                let rings = live.forks.as_ref().is_some_and(|forks| forks.rings(*session));
                live.session.id() == Some(*session) || rings
            };
            assert!(calls.get(sid).is_some_and(has), "{session:?} is not of call {sid}");
        }
        for (leg, sid) in &self.legs {
            let has = |live: &LiveCall| live.leg.as_ref().is_some_and(|own| own.place.leg == *leg);
            assert!(calls.get(sid).is_some_and(has), "{leg:?} is not of call {sid}");
        }
        for (tap, sid) in &self.taps {
            let has = |live: &LiveCall| {
                live.recordings.values().any(|begun| begun.tap == *tap)
                    || live.streams.values().any(|stream| stream.tap == Some(*tap))
                    || live.recognitions.values().any(|live| live.tap == Some(*tap))
                    || live.siprecs.values().any(|siprec| siprec.tap == Some(*tap))
            };
            assert!(calls.get(sid).is_some_and(has), "{tap:?} is not of call {sid}");
        }
        for (feed, sid) in &self.feeds {
            let has = |live: &LiveCall| {
                let mut siprecs = live.siprecs.values().flat_map(|siprec| &siprec.legs);
                live.streams.values().any(|stream| stream.feed == Some(*feed))
                    || siprecs.any(|leg| leg.feed == Some(*feed))
            };
            assert!(calls.get(sid).is_some_and(has), "{feed:?} is not of call {sid}");
        }
        let (mut sessions, mut legs, mut taps, mut feeds) = (0, 0, 0, 0);
        for live in calls.values() {
            let forks = live.forks.iter().flat_map(|forks| forks.ringing());
            // The call's own session may be one of the contacts that ring, and is counted once.
            let own = live.session.id().filter(|id| forks.clone().all(|fork| fork.session != *id));
            sessions += forks.count() + usize::from(own.is_some());
            legs += usize::from(live.leg.is_some());
            taps += live.recordings.len();
            taps += live.streams.values().filter(|stream| stream.tap.is_some()).count();
            taps += live.recognitions.values().filter(|live| live.tap.is_some()).count();
            feeds += live.streams.values().filter(|stream| stream.feed.is_some()).count();
            taps += live.siprecs.values().filter(|siprec| siprec.tap.is_some()).count();
            let siprec_legs = live.siprecs.values().flat_map(|siprec| &siprec.legs);
            feeds += siprec_legs.clone().filter(|leg| leg.feed.is_some()).count();
            legs += siprec_legs.count();
            sessions += live.siprecs.values().filter(|s| s.phase.session().is_some()).count();
        }
        let linked = (
            self.sessions.len() + self.siprec_sessions.len(),
            self.legs.len() + self.siprec_legs.len(),
            self.taps.len(),
            self.feeds.len(),
        );
        assert_eq!(
            (sessions, legs, taps, feeds),
            linked,
            "sessions, legs, taps, feeds of calls and their links"
        );
    }
}
