//! Commands of the signaling thread. Shell.

use std::net::IpAddr;
use std::sync::mpsc::TryRecvError;

use shared::{Instant, source_of};
use shell::Clock;
use sip::{SendFailure, SendToken};

use super::Transport;
use crate::message::{Down, Up};

impl Transport {
    pub(super) fn take_commands(&mut self) {
        for _ in 0..COMMANDS_A_TURN {
            match self.down.try_recv() {
                Ok(Down::Send { flow, bytes, token }) => match self.connections.key_of_flow(flow) {
                    Some(key) => self.send(key, bytes, token),
                    None => self.send_failed(token, SendFailure::Closed),
                },
                Ok(Down::SendTo { peer, bytes, token }) => self.send_to(peer, bytes, token),
                Ok(Down::Close { flow, reason }) => self.close_asked(flow, reason),
                Ok(Down::Minted(minted)) => self.minted(minted),
                Ok(Down::Tls(parts)) => self.tls.set(*parts),
                Ok(Down::Vouched { source, until }) => self.vouched(source, until),
                Ok(Down::Stop) | Err(TryRecvError::Disconnected) => {
                    self.stopping = true;
                    return;
                }
                Err(TryRecvError::Empty) => return,
            }
        }
        // More is waiting. Without this the poll would sleep: its doorbell is already answered.
        self.doorbell.ring();
    }

    fn vouched(&mut self, source: IpAddr, until: Instant) {
        self.tls.vouch(source_of(source), until, Clock.mono());
    }

    /// Reports a send that failed, unless its sender does not want to know.
    pub(super) fn send_failed(&mut self, token: SendToken, reason: SendFailure) {
        if token != SendToken::NOBODY {
            self.uplink.send(Up::SendFailed { token, reason });
        }
    }
}

/// Commands carried out before reads get their turn again.
const COMMANDS_A_TURN: usize = 4_096;
