//! One tick of a room: reads its members, mixes them, and hands out what others need. Sans-IO.

use shared::limits::ROOM_PLAYS_MAX;
use shared::{Codec, CoreId, FRAME_SAMPLES, LegId, Voice};

use super::member::PullCounts;
use super::mix::{Mix, Origin, Total};
use super::{OpenRoom, Rooms};
use crate::mesh::{HALF_SAMPLES, RoomFrame, RoomPart};
use crate::player::Player;

/// What a tick leaves to its caller, besides the mix itself.
pub(crate) trait TickOutput {
    /// A member began to speak, or stopped; `false` when it has to be said later.
    fn talking(&mut self, leg: LegId, is_talking: bool) -> bool;
    /// A frame for another core; `false` when the ring is full.
    fn send(&mut self, core: CoreId, frame: RoomFrame) -> bool;
    /// A prompt of the room ended.
    fn played(&mut self, player: Player);
}

/// The counts of one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TickCounts {
    pub pulled: PullCounts,
    /// Sums of other cores that were not there.
    pub sums_missing: u64,
    /// Frames for other cores that found no room in the ring.
    pub sums_unsent: u64,
    /// Coaches beyond the most.
    pub coaches_left_out: u64,
}

impl Rooms {
    /// Mixes one tick of a room. Until the next call, [`Rooms::fill`] gives each member its frame.
    pub fn mix(&mut self, place: u16, tick: u32, out: &mut impl TickOutput) -> TickCounts {
        let mut counts = TickCounts::default();
        self.mix.clear();
        self.read_members(place, tick, &mut counts, out);
        let Some(room) = self.rooms.at(Some(place)) else { return counts };
        for talker in self.mix.talkers().places() {
            if let Some(member) = self.members.at(Some(talker)) {
                self.mix.add_coded(Origin::Member(talker), member.codec(), &member.frame);
            }
        }
        counts.sums_unsent += send_sum(room, self.core, tick, &self.mix, out);
        counts.sums_missing = read_sums(room, tick, &mut self.mix);
        play(room, &mut self.mix, out);
        self.coaches.retain(|frame| {
            let RoomPart::Coach { to, codec } = frame.part else { return false };
            if frame.room != room.id || frame.tick.wrapping_sub(tick) as i32 >= 0 {
                return true;
            }
            let is_added = self.mix.add_coach(to, codec, &frame.payload);
            counts.coaches_left_out += u64::from(!is_added);
            false
        });
        counts
    }

    /// Fills what the member at a place hears in this tick; answers whether it is any audio.
    pub fn fill(&mut self, place: u16, codec: Codec, frame: &mut [u8; FRAME_SAMPLES]) -> bool {
        let Some(member) = self.members.at(Some(place)) else { return false };
        if !member.role().hears {
            frame.fill(codec.silence());
            return false;
        }
        self.mix.frame_for(place, member.leg, codec, frame)
    }

    /// Fills what a listener outside hears in this tick: a tap of the room.
    pub fn fill_for_all(&mut self, codec: Codec, frame: &mut [u8; FRAME_SAMPLES]) {
        self.mix.frame_for_all(codec, frame);
    }

    /// Reads a frame of every member, chooses the talkers, and passes on what coaches say.
    fn read_members(
        &mut self,
        place: u16,
        tick: u32,
        counts: &mut TickCounts,
        out: &mut impl TickOutput,
    ) {
        let Some(room) = self.rooms.at(Some(place)) else { return };
        let mut next = room.first;
        while let Some(at) = next {
            let Some(member) = self.members.at(Some(at)) else { return };
            next = member.next;
            let is_open = member.take_frame(&mut counts.pulled);
            if member.gate.has_report() && out.talking(member.leg, member.gate.is_talking()) {
                member.gate.note_report();
            }
            match member.role().voice {
                Voice::Room if is_open => self.mix.talkers_mut().enter(member.gate.rank(), at),
                Voice::Member(to) if is_open && to.core == self.core => {
                    let is_added = self.mix.add_coach(to, member.codec(), &member.frame);
                    counts.coaches_left_out += u64::from(!is_added);
                }
                Voice::Member(to) if is_open => {
                    let part = RoomPart::Coach { to, codec: member.codec() };
                    let mut frame = RoomFrame::new(room.id, self.core, tick, part);
                    frame.payload = member.frame;
                    counts.sums_unsent += u64::from(!out.send(to.core, frame));
                }
                Voice::Nobody | Voice::Room | Voice::Member(_) => {}
            }
        }
    }
}

/// Sends the sum of this core's talkers to the other cores of a room; answers the frames that found no room.
fn send_sum(room: &OpenRoom, core: CoreId, tick: u32, mix: &Mix, out: &mut impl TickOutput) -> u64 {
    let mut unsent = 0;
    for to in room.cores.iter().filter(|to| *to != core) {
        let frame = |part| RoomFrame::new(room.id, core, tick, part);
        let is_sent = match mix.so_far() {
            Total::Silence => out.send(to, frame(RoomPart::Silence)),
            Total::Codes(codec, codes) => {
                out.send(to, RoomFrame { payload: *codes, ..frame(RoomPart::Codes(codec)) })
            }
            Total::Sum(sum) => {
                let (halves, _) = sum.as_chunks::<HALF_SAMPLES>();
                // A second half without the first would be a click.
                halves.iter().enumerate().all(|(at, samples)| {
                    let mut half = frame(RoomPart::Half { second: at == 1 });
                    half.set_samples(samples);
                    out.send(to, half)
                })
            }
        };
        unsent += u64::from(!is_sent);
    }
    unsent
}

/// Adds the sums of the other cores; answers how many are missing.
fn read_sums(room: &OpenRoom, tick: u32, mix: &mut Mix) -> u64 {
    let (total, missing) = room.inbox.read(tick);
    match total {
        Total::Silence => {}
        Total::Codes(codec, codes) => mix.add_coded(Origin::Cores, codec, codes),
        Total::Sum(sum) => mix.add_sum(Origin::Cores, sum),
    }
    missing
}

/// Adds the prompts that play to the room.
fn play(room: &mut OpenRoom, mix: &mut Mix, out: &mut impl TickOutput) {
    let codec = Codec::Pcmu;
    for index in 0..ROOM_PLAYS_MAX {
        let Some(player) = &mut room.plays[index] else { continue };
        let mut frame = [0; FRAME_SAMPLES];
        let has_ended = player.fill(codec, &mut frame);
        mix.add_coded(Origin::Play, codec, &frame);
        if has_ended && let Some(player) = room.plays[index].take() {
            out.played(player);
        }
    }
}
