//! Legs that are members of rooms, as commands. Pure.

use std::net::SocketAddr;

use shared::{
    CoreId, Direction, Joined, LegId, LegPlan, MediaCommand, MediaPort, Member, Playout,
    RoomCommand, RoomId, Voice,
};

use crate::leg::plan as leg_plan;

/// Rooms on one core, all of one size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub rooms: u16,
    pub members: u16,
    pub playout: Playout,
    /// Whether the members get packets.
    pub hears: bool,
}

impl Plan {
    pub const fn legs(self) -> u16 {
        self.rooms * self.members
    }

    /// The commands that open the rooms and bring their members up.
    pub fn commands(
        self,
        port: impl Fn(u16) -> MediaPort,
        party: impl Fn(u16) -> SocketAddr,
    ) -> Vec<MediaCommand> {
        let mut commands = Vec::new();
        for room in 0..self.rooms {
            let cores = [CORE].into_iter().collect();
            let command = RoomCommand::Span { cores };
            commands.push(MediaCommand::Room { core: CORE, room: RoomId(room.into()), command });
        }
        for slot in 0..self.legs() {
            let leg = leg(slot);
            let plan = Box::new(self.leg_plan(slot, port(slot), party(slot)));
            commands.push(MediaCommand::StartLeg { leg, plan });
            let joined = Joined::Room(RoomId((slot / self.members).into()));
            commands.push(MediaCommand::Join { leg, joined });
            let member = Member { voice: Voice::Room, hears: true, playout: self.playout };
            commands.push(MediaCommand::SetMember { leg, member });
        }
        commands
    }

    fn leg_plan(self, slot: u16, port: MediaPort, party: SocketAddr) -> LegPlan {
        let mut plan = leg_plan(slot, port, party);
        if !self.hears {
            plan.media.direction = Direction::RecvOnly;
        }
        plan
    }
}

const CORE: CoreId = CoreId(0);

pub(super) fn leg(slot: u16) -> LegId {
    LegId { core: CORE, slot, generation: 0 }
}

/// Ports and parties where no socket is opened.
pub(super) fn port(slot: u16) -> MediaPort {
    MediaPort { address: 0, rtp: 10_000 + slot * 2 }
}

pub(super) fn party(slot: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 20_000 + slot))
}
