//! Conferences that are live, or whose last callbacks are under way.
//!
//! The machine of a conference knows calls; this is what Control keeps beside it: the room on the cores, the
//! core of each member, and the status callbacks. Callbacks of one conference leave one after the other, so
//! that they arrive in their order; a slow application delays its own conference only.

use std::collections::{BTreeMap, VecDeque};

use call::conference::Conference;
use call::{Form, HttpId, HttpKind};
use shared::ids::TapId;
use shared::{AccountSid, CallSid, ConferenceSid, CoreId, CoreSet, RoomId, limits};
use store::{ConferenceStatus, RecordingRecord};

use super::live_call::Request;

/// One conference.
#[derive(Debug)]
pub(crate) struct LiveConference {
    pub machine: Conference,
    /// Its room on the cores.
    pub room: RoomId,
    /// The core of each member's leg.
    cores: BTreeMap<CallSid, CoreId>,
    /// Its recording, until the file is settled.
    pub recording: Option<RoomRecording>,
    /// The settled recording.
    pub settled: Option<RecordingRecord>,
    callbacks: VecDeque<(CallSid, HttpKind, Form)>,
    /// The callback that waits for its answer, with the call that carries it.
    under_way: Option<(HttpId, CallSid, Request)>,
}

/// The recording of a room.
#[derive(Debug)]
pub(crate) struct RoomRecording {
    pub tap: TapId,
    /// The core of the tap; the room stays open there until the tap has ended.
    pub core: CoreId,
    pub row: RecordingRecord,
    /// The core has not confirmed the end of the tap.
    pub is_tapped: bool,
}

/// All conferences, by SID, by name and by member.
#[derive(Debug, Default)]
pub(crate) struct Conferences {
    all: BTreeMap<ConferenceSid, LiveConference>,
    /// Those that are not completed.
    names: BTreeMap<(AccountSid, String), ConferenceSid>,
    members: BTreeMap<CallSid, ConferenceSid>,
    /// Calls that REST placed for a conference and that have not entered; `true`: with their early media.
    expected: BTreeMap<CallSid, (ConferenceSid, bool)>,
    taps: BTreeMap<TapId, ConferenceSid>,
    /// Callbacks that wait for their answers.
    requests: BTreeMap<HttpId, ConferenceSid>,
    /// Callbacks of all conferences that have not left.
    waiting: usize,
    last_room: u32,
    last_request: u32,
}

/// Requests of conferences are numbered apart from those of the call that carries them: no call makes 2^30.
const FIRST_REQUEST: u32 = 0xC000_0000;

impl Conferences {
    /// The conference of this name that is not completed.
    pub fn named(&self, account: AccountSid, name: &str) -> Option<ConferenceSid> {
        // A borrowed key would need a second map; names are short.
        self.names.get(&(account, name.to_owned())).copied()
    }

    pub fn get(&self, sid: ConferenceSid) -> Option<&LiveConference> {
        self.all.get(&sid)
    }

    pub fn get_mut(&mut self, sid: ConferenceSid) -> Option<&mut LiveConference> {
        self.all.get_mut(&sid)
    }

    /// The conference that a call is a member of.
    pub fn of_call(&self, call: CallSid) -> Option<ConferenceSid> {
        self.members.get(&call).copied()
    }

    /// The conference that expects a call.
    pub fn expecting(&self, call: CallSid) -> Option<ConferenceSid> {
        self.expected.get(&call).map(|(sid, _)| *sid)
    }

    /// The conference that gets the early media of an expected call.
    pub fn hears_early(&self, call: CallSid) -> Option<ConferenceSid> {
        self.expected.get(&call).filter(|(_, early_media)| *early_media).map(|(sid, _)| *sid)
    }

    /// REST has placed a call for a conference.
    pub fn expect(&mut self, sid: ConferenceSid, call: CallSid, early_media: bool) {
        self.expected.insert(call, (sid, early_media));
    }

    /// The call has entered, or never will.
    pub fn expect_no_more(&mut self, call: CallSid) -> Option<ConferenceSid> {
        self.expected.remove(&call).map(|(sid, _)| sid)
    }

    /// A new conference, with a room that no core knows yet.
    pub fn add(&mut self, machine: Conference) -> ConferenceSid {
        let sid = machine.sid;
        self.last_room += 1;
        let former = self.names.insert((machine.account, machine.name.clone()), sid);
        debug_assert!(former.is_none(), "a name has one conference that is not completed");
        let live = LiveConference {
            machine,
            room: RoomId(self.last_room),
            cores: BTreeMap::new(),
            recording: None,
            settled: None,
            callbacks: VecDeque::new(),
            under_way: None,
        };
        self.all.insert(sid, live);
        sid
    }

    /// A call is a member from now on. Returns the cores of the room, if it spans one more.
    pub fn add_member(
        &mut self,
        sid: ConferenceSid,
        call: CallSid,
        core: CoreId,
    ) -> Option<CoreSet> {
        let former = self.members.insert(call, sid);
        debug_assert!(former.is_none(), "a call is in one conference");
        self.add_leg(sid, call, core)
    }

    /// The leg of a call is in the room from now on, as a member or while it rings. Returns the cores of the
    /// room, if it spans one more.
    pub fn add_leg(&mut self, sid: ConferenceSid, call: CallSid, core: CoreId) -> Option<CoreSet> {
        let live = self.all.get_mut(&sid)?;
        let is_new = !live.spans().contains(core);
        live.cores.insert(call, core);
        is_new.then(|| live.spans())
    }

    /// A call is a member no longer. Returns the core that the room leaves, with those that it spans then.
    pub fn remove_member(
        &mut self,
        sid: ConferenceSid,
        call: CallSid,
    ) -> Option<(CoreId, CoreSet)> {
        self.members.remove(&call);
        let live = self.all.get_mut(&sid)?;
        let core = live.cores.remove(&call)?;
        let left = live.spans();
        (!left.contains(core)).then_some((core, left))
    }

    /// A tap of a conference's room.
    pub fn add_tap(&mut self, tap: TapId, sid: ConferenceSid) {
        self.taps.insert(tap, sid);
    }

    /// The conference of a tap.
    pub fn of_tap(&self, tap: TapId) -> Option<ConferenceSid> {
        self.taps.get(&tap).copied()
    }

    /// The taps on a core that gives no more frames.
    pub fn lose_taps(&mut self, core: CoreId) -> Vec<TapId> {
        let recordings = self.all.values_mut().filter_map(|live| live.recording.as_mut());
        let lost = recordings.filter(|recording| recording.is_tapped && recording.core == core);
        let taps = lost.map(|recording| {
            recording.is_tapped = false;
            recording.tap
        });
        taps.collect()
    }

    /// Takes a tap off its conference.
    pub fn take_tap(&mut self, tap: TapId) -> Option<ConferenceSid> {
        self.taps.remove(&tap)
    }

    /// The number of a new request.
    pub const fn new_request(&mut self) -> HttpId {
        self.last_request = self.last_request.wrapping_add(1) & !FIRST_REQUEST;
        HttpId(FIRST_REQUEST | self.last_request)
    }

    /// The conference that waits for the answer to a request, with the request.
    pub fn take_request(&mut self, id: HttpId) -> Option<(ConferenceSid, CallSid, Request)> {
        let sid = self.requests.remove(&id)?;
        let (_, call, request) = self.all.get_mut(&sid)?.under_way.take()?;
        Some((sid, call, request))
    }

    /// Queues a callback. Where too many wait, of this conference or of all, the oldest of this one is dropped;
    /// `false`: one was.
    pub fn queue_callback(
        &mut self,
        sid: ConferenceSid,
        call: CallSid,
        kind: HttpKind,
        form: Form,
    ) -> bool {
        let Some(live) = self.all.get_mut(&sid) else { return true };
        live.callbacks.push_back((call, kind, form));
        self.waiting += 1;
        let has_room = live.callbacks.len() <= limits::CONFERENCE_CALLBACKS_MAX
            && self.waiting <= limits::CONFERENCE_CALLBACKS_NODE_MAX;
        if !has_room {
            live.callbacks.pop_front();
            self.waiting -= 1;
        }
        has_room
    }

    /// The next callback of a conference, when none of it waits for its answer.
    pub fn next_callback(&mut self, sid: ConferenceSid) -> Option<(CallSid, HttpKind, Form)> {
        let live = self.all.get_mut(&sid).filter(|live| live.under_way.is_none())?;
        let next = live.callbacks.pop_front()?;
        self.waiting -= 1;
        Some(next)
    }

    /// A callback has left.
    pub fn sent(&mut self, sid: ConferenceSid, id: HttpId, call: CallSid, request: Request) {
        let Some(live) = self.all.get_mut(&sid) else { return };
        debug_assert!(live.under_way.is_none(), "one callback at a time");
        live.under_way = Some((id, call, request));
        self.requests.insert(id, sid);
    }

    /// Whether no conference is left, nor a callback of one.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Drops a name when its conference is completed, and the conference when no callback is left.
    pub fn settle(&mut self, sid: ConferenceSid) {
        let Some(live) = self.all.get(&sid) else { return };
        if live.machine.status() != ConferenceStatus::Completed {
            return;
        }
        let key = (live.machine.account, live.machine.name.clone());
        // Another conference may have taken the name since.
        if self.names.get(&key) == Some(&sid) {
            self.names.remove(&key);
        }
        let is_settled = live.recording.is_none();
        if is_settled && live.callbacks.is_empty() && live.under_way.is_none() {
            self.all.remove(&sid);
        }
    }

    /// Compares members, conferences and names.
    ///
    /// # Panics
    /// When they disagree.
    pub fn assert_consistent(&self) {
        for (call, sid) in &self.members {
            let live = self.all.get(sid).expect("a member's conference is live");
            assert!(live.machine.member(*call).is_some(), "{call} is in no conference");
            assert!(live.cores.contains_key(call), "{call} has no core");
        }
        let members: usize = self.all.values().map(|live| live.machine.members().count()).sum();
        assert_eq!(members, self.members.len(), "members of conferences and their index");
        let waiting = self.all.values().map(|live| live.callbacks.len()).sum::<usize>();
        assert_eq!(waiting, self.waiting, "callbacks that wait and their count");
        for (call, (sid, _)) in &self.expected {
            let live = self.all.get(sid).expect("an expected call's conference is live");
            assert!(live.machine.expected().any(|member| member.call == *call), "{call}");
            assert_eq!(live.machine.rings(*call), live.cores.contains_key(call), "{call} rings");
        }
        for ((account, name), sid) in &self.names {
            let machine = &self.all.get(sid).expect("a name leads to a conference").machine;
            assert_eq!((machine.account, &machine.name), (*account, name));
        }
    }
}

impl LiveConference {
    /// The cores that have a member, or the tap of the recording.
    pub fn spans(&self) -> CoreSet {
        let tapped = self.recording.iter().filter(|recording| recording.is_tapped);
        self.cores.values().copied().chain(tapped.map(|recording| recording.core)).collect()
    }
}
