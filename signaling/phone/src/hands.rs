//! Collects the effects of the phone's media core, which the phone then carries out. Sans-IO.

use std::collections::VecDeque;
use std::net::SocketAddr;

use plane::{MeshFrame, Output, SocketId};
use shared::{CoreId, MediaEvent, Sink, TapFrame};

/// The effects of one call of the plane, in order for each kind.
#[derive(Debug, Default)]
pub(crate) struct Hands {
    pub packets: VecDeque<(SocketId, SocketAddr, Vec<u8>)>,
    pub events: VecDeque<MediaEvent>,
    pub frames: VecDeque<TapFrame>,
}

impl Output for Hands {
    fn send(&mut self, socket: SocketId, to: SocketAddr, packet: &[u8]) {
        self.packets.push_back((socket, to, packet.to_vec()));
    }

    fn event(&mut self, event: MediaEvent) {
        self.events.push_back(event);
    }

    /// A phone has one sink: its ear.
    fn deliver(&mut self, _sink: Sink, frame: TapFrame) -> bool {
        self.frames.push_back(frame);
        true
    }

    /// A phone has one core.
    fn mesh(&mut self, _core: CoreId, _frame: &MeshFrame) -> bool {
        false
    }
}
