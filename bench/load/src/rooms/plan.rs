//! Legs that are members of rooms, as commands. Pure.

use std::net::SocketAddr;

use shared::{
    Codec, CoreId, Direction, Joined, LatchMode, LegId, LegPlan, MediaCommand, MediaPort, Member,
    NegotiatedMedia, Playout, RoomCommand, RoomId, Voice,
};

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
        LegPlan {
            port,
            media: NegotiatedMedia {
                remote_rtp: Some(party),
                remote_rtcp: None,
                rtcp_mux: true,
                codec: Codec::Pcmu,
                payload_type_send: 0,
                payload_type_receive: 0,
                event_payload_type_send: Some(101),
                event_payload_type_receive: Some(101),
                direction: if self.hears { Direction::SendRecv } else { Direction::RecvOnly },
                ptime_ms: 20,
                srtp: None,
            },
            latch: LatchMode::Sdp,
            signaling_peer: None,
            ssrc: u32::from(slot),
            first_sequence: 0,
            first_timestamp: 0,
            media_timeout_ms: 0,
        }
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
