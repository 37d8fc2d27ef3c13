//! Rooms on one core: who is in them, and the mix of each tick. Sans-IO.
//!
//! ```text
//!  packets ──> RoomMember.playout ──(tick)──> Gate ──> the eight loudest ──┐
//!  other cores ──> Inbox ──(the tick after)────────────────────────────────┼──> Mix ──> a frame for each listener
//!  prompts ──> plays ──(tick)──────────────────────────────────────────────┘      │
//!                                             the sum of our own talkers ──> the other cores
//! ```
//!
//! A room beats as one: its tick reads a frame of each member, mixes them, and then runs the beat of each member's
//! leg. So every member hears what was said up to this moment, and no frame waits for a phase. The phase of a room
//! follows from its number and is the same on every core (see [`inbox`]).
//!
//! [`Rooms`] owns members and rooms in slabs, with the members of a room in a list through theirs, and knows legs
//! by slot only; `plane/rooms.rs` moves legs between their own phase and that of a room. Everything is reserved at
//! the start (I2) and bounded: members and rooms of a core, plays of a room, coaches of a tick.

mod gate;
mod inbox;
mod member;
mod mix;
mod noise;
mod tick;

use shared::limits::ROOM_PLAYS_MAX;
use shared::{Codec, CommandRefusal, CoreId, CoreSet, LegId, Member, PlayId, RoomId};

use self::inbox::Inbox;
pub(crate) use self::member::RoomMember;
use self::mix::Mix;
pub(crate) use self::tick::TickOutput;
use crate::mesh::{RoomFrame, RoomPart};
use crate::player::Player;
use crate::side_table::SideTable;

/// All rooms of a core.
#[derive(Debug)]
pub(crate) struct Rooms {
    core: CoreId,
    members_max: usize,
    members: SideTable<RoomMember>,
    members_up: usize,
    rooms: SideTable<OpenRoom>,
    /// The places of the rooms that are open, by their number.
    places: Vec<(RoomId, u16)>,
    /// The member of each leg, by its slot.
    by_slot: Vec<Option<u16>>,
    /// Voices from other cores for one listener here, until the tick that mixes them.
    coaches: Vec<RoomFrame>,
    mix: Mix,
}

/// A room as far as this core knows it.
#[derive(Debug)]
pub(crate) struct OpenRoom {
    pub id: RoomId,
    cores: CoreSet,
    first: Option<u16>,
    /// Members that beat every 10 ms.
    half_beaters: u16,
    inbox: Inbox,
    plays: [Option<Player>; ROOM_PLAYS_MAX],
    /// First of its taps, in the core's slab of taps.
    pub first_tap: Option<u16>,
}

impl Rooms {
    /// Memory for this many members and as many rooms: each needs at least one member somewhere.
    pub fn new(core: CoreId, members_max: usize, legs_max: usize) -> Self {
        Self {
            core,
            members_max,
            members: SideTable::new(members_max),
            members_up: 0,
            rooms: SideTable::new(members_max),
            places: Vec::with_capacity(members_max),
            by_slot: vec![None; legs_max],
            coaches: Vec::with_capacity(COACHES_WAITING_MAX),
            mix: Mix::new(),
        }
    }

    /// The place of an open room.
    pub fn place_of(&self, id: RoomId) -> Option<u16> {
        let at = self.places.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.places.get(at).map(|(_, place)| *place)
    }

    /// Sets the cores of a room; answers its place if it is new.
    ///
    /// # Errors
    /// [`CommandRefusal::RoomsFull`]
    pub fn span(&mut self, id: RoomId, cores: CoreSet) -> Result<Option<u16>, CommandRefusal> {
        let at = match self.places.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) => {
                let place = self.places[at].1;
                if let Some(room) = self.rooms.at(Some(place)) {
                    room.cores = cores;
                    room.inbox.span(cores);
                }
                return Ok(None);
            }
            Err(at) => at,
        };
        if self.places.len() >= self.members_max {
            return Err(CommandRefusal::RoomsFull);
        }
        let place = self.rooms.put(OpenRoom {
            id,
            cores,
            first: None,
            half_beaters: 0,
            inbox: Inbox::new(),
            plays: [const { None }; ROOM_PLAYS_MAX],
            first_tap: None,
        });
        debug_assert!(self.places.len() < self.places.capacity(), "I2: it would allocate");
        self.places.insert(at, (id, place));
        Ok(Some(place))
    }

    /// Closes a room without members, plays and taps.
    pub fn close(&mut self, place: u16) {
        let Some(room) = self.rooms.at(Some(place)) else { return };
        debug_assert!(room.first.is_none() && room.first_tap.is_none(), "a room is in use");
        let id = room.id;
        self.places.retain(|(other, _)| *other != id);
        self.rooms.free(Some(place));
    }

    /// The room at a place.
    pub fn room_mut(&mut self, place: u16) -> Option<&mut OpenRoom> {
        self.rooms.at(Some(place))
    }

    /// Rooms that are open, and members.
    pub fn figures(&self) -> (u64, u64) {
        (self.places.len() as u64, self.members_up as u64)
    }

    /// Whether one more leg may become a member; one that is a member already takes no more room.
    pub fn has_room_for(&self, slot: usize) -> bool {
        self.members_up < self.members_max || self.member_at(slot).is_some()
    }

    /// The place of the leg in a slot among the members.
    pub fn member_at(&self, slot: usize) -> Option<u16> {
        self.by_slot.get(slot).copied().flatten()
    }

    /// The member at a place.
    pub fn member_mut(&mut self, place: Option<u16>) -> Option<&mut RoomMember> {
        self.members.at(place)
    }

    /// Makes a leg a member that says and hears nothing yet. `has_room_for` holds.
    pub fn join(&mut self, leg: LegId, room: u16, codec: Codec) {
        debug_assert!(self.members_up < self.members_max, "more members than a core may have");
        let place = self.members.put(RoomMember::new(leg, room, codec));
        self.members_up += 1;
        self.by_slot[usize::from(leg.slot)] = Some(place);
        let Some(room) = self.rooms.at(Some(room)) else { return };
        let next = room.first.replace(place);
        if let Some(member) = self.members.at(Some(place)) {
            member.next = next;
        }
        if let Some(next) = self.members.at(next) {
            next.before = Some(place);
        }
    }

    /// Ends the membership of the leg in a slot, if it has one.
    pub fn leave(&mut self, slot: usize) {
        let place = self.by_slot[slot].take();
        let Some(member) = self.members.at(place) else { return };
        let (room, before, next, half) =
            (member.room, member.before, member.next, member.half_beats);
        if let Some(before) = self.members.at(before) {
            before.next = next;
        } else if let Some(room) = self.rooms.at(Some(room)) {
            room.first = next;
        }
        if let Some(next) = self.members.at(next) {
            next.before = before;
        }
        if let Some(room) = self.rooms.at(Some(room)) {
            room.half_beaters -= u16::from(half);
        }
        self.members.free(place);
        self.members_up -= 1;
    }

    /// Sets what the leg in a slot says and hears; `false` when it is no member.
    pub fn set_role(&mut self, slot: usize, role: Member) -> bool {
        let place = self.member_at(slot);
        self.members.at(place).map(|member| member.set_role(role)).is_some()
    }

    /// The leg in a slot has this codec and this rhythm from now on.
    pub fn set_media(&mut self, slot: usize, codec: Codec, half_beats: bool) {
        let place = self.member_at(slot);
        let Some(member) = self.members.at(place) else { return };
        member.set_codec(codec);
        let before = std::mem::replace(&mut member.half_beats, half_beats);
        if let Some(room) = self.rooms.at(Some(member.room)) {
            room.half_beaters = room.half_beaters + u16::from(half_beats) - u16::from(before);
        }
    }

    /// The party of the leg in a slot announced silence, with noise of this level.
    pub fn hear_comfort_noise(&mut self, slot: usize, level: Option<u8>) {
        let place = self.member_at(slot);
        if let Some(member) = self.members.at(place) {
            member.hear_comfort_noise(level);
        }
    }

    /// The party of the leg in a slot sends nothing from here on.
    pub fn rest(&mut self, slot: usize) {
        let place = self.member_at(slot);
        if let Some(member) = self.members.at(place) {
            member.rest();
        }
    }

    /// The first member of a room; the others follow by [`RoomMember::next`].
    pub fn first(&mut self, place: u16) -> Option<u16> {
        self.rooms.at(Some(place)).and_then(|room| room.first)
    }

    /// Whether any member of a room beats every 10 ms.
    pub fn has_half_beats(&mut self, place: u16) -> bool {
        self.rooms.at(Some(place)).is_some_and(|room| room.half_beaters > 0)
    }

    /// Takes a frame of another core. `tick` gives the next tick of a room at this phase.
    pub fn take_frame(&mut self, frame: &RoomFrame, tick: impl Fn(u64) -> u32) -> FrameFate {
        let Some(place) = self.place_of(frame.room) else { return FrameFate::NoRoom };
        let next = tick(phase_of(frame.room));
        if let RoomPart::Coach { .. } = frame.part {
            // The mix of a tick reads the frames of the tick before, as it does with sums.
            let is_late = (frame.tick.wrapping_sub(next) as i32) < -1;
            if is_late || self.coaches.len() == COACHES_WAITING_MAX {
                return FrameFate::Late;
            }
            self.coaches.push(frame.clone());
            return FrameFate::Taken;
        }
        let Some(room) = self.rooms.at(Some(place)) else { return FrameFate::NoRoom };
        if room.inbox.take(next, frame) { FrameFate::Taken } else { FrameFate::Late }
    }

    /// Checks that a leg is a member exactly where its other end is a room.
    ///
    /// # Panics
    /// In debug builds, when they do not: a fault of this package.
    pub fn assert_consistent(&self, slot: usize, is_member: bool) {
        debug_assert_eq!(self.member_at(slot).is_some(), is_member, "a member without its room");
    }
}

impl OpenRoom {
    /// Begins to play a prompt; gives it back when the room plays its most.
    pub fn play(&mut self, player: Player) -> Result<(), Player> {
        match self.plays.iter_mut().find(|play| play.is_none()) {
            Some(free) => {
                *free = Some(player);
                Ok(())
            }
            None => Err(player),
        }
    }

    /// Ends a play by its name.
    pub fn stop_play(&mut self, id: PlayId) -> Option<Player> {
        let is_named = |play: &&mut Option<Player>| play.as_ref().is_some_and(|it| it.id() == id);
        self.plays.iter_mut().find(is_named)?.take()
    }

    /// Ends any play.
    pub fn take_play(&mut self) -> Option<Player> {
        self.plays.iter_mut().find_map(Option::take)
    }
}

/// Outcome of a frame of another core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameFate {
    Taken,
    /// Its tick is over, or there is no room for one more coach.
    Late,
    /// The room is not open here.
    NoRoom,
}

/// The phase of a room, in milliseconds: consecutive numbers spread over all phases, and every core agrees.
pub(crate) fn phase_of(id: RoomId) -> u64 {
    u64::from(id.0) % TICK_MS
}

/// The number of the tick of a room at this millisecond.
pub(crate) const fn tick_at(ms: u64) -> u32 {
    (ms / TICK_MS) as u32
}

/// Memory of one member and one room; each room has its places in the wheel for full and half beats.
pub(crate) const MEMBER_BYTES: usize = size_of::<RoomMember>()
    + size_of::<OpenRoom>()
    + 2 * size_of::<u16>()
    + size_of::<(RoomId, u16)>();

/// Voices from other cores for single listeners that wait for a tick.
const COACHES_WAITING_MAX: usize = 64;
const TICK_MS: u64 = 20;
