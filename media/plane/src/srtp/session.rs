//! SRTP state of one leg: both directions, and for a second the peer's key before the present one. Sans-IO.

use shared::SrtpKeys;

use super::{SrtpError, SrtpReceiver, SrtpSender};
use crate::clock;

/// SRTP state of a leg. Lies in memory that was reserved at start.
#[derive(Clone, Debug)]
pub(crate) struct SrtpSession {
    pub sender: SrtpSender,
    receiver: SrtpReceiver,
    /// The peer's previous key, and the time until which it still opens packets.
    before: Option<(SrtpReceiver, u32)>,
}

impl SrtpSession {
    pub fn new(keys: &SrtpKeys) -> Self {
        Self {
            sender: SrtpSender::new(keys.send),
            receiver: SrtpReceiver::new(keys.receive),
            before: None,
        }
    }

    /// Applies the keys of an offer/answer. The same key keeps its indices and windows, whatever else
    /// changed: reset, they would repeat the key stream. A new key starts a new context; packets with
    /// the old one are still in flight (RFC 4568 §7.1.4).
    pub fn update(&mut self, keys: &SrtpKeys, now_ms: u32) {
        if self.sender.key().master == keys.send.master {
            self.sender.set_suite(keys.send);
        } else {
            self.sender = SrtpSender::new(keys.send);
        }
        if self.receiver.key().master == keys.receive.master {
            self.receiver.set_suite(keys.receive);
        } else {
            let before = std::mem::replace(&mut self.receiver, SrtpReceiver::new(keys.receive));
            self.before = Some((before, now_ms.wrapping_add(KEY_BEFORE_MS)));
        }
    }

    /// Opens an RTP packet in place; answers its length then.
    #[inline]
    pub fn open_rtp(&mut self, now_ms: u32, packet: &mut [u8]) -> Result<usize, SrtpError> {
        match self.receiver.unprotect_rtp(packet) {
            Err(error @ (SrtpError::Unauthentic | SrtpError::Replayed)) => {
                let before = self.before(now_ms).ok_or(error)?;
                before.unprotect_rtp(packet)
            }
            result => result,
        }
    }

    /// Opens an RTCP packet in place; answers its length then.
    pub fn open_rtcp(&mut self, now_ms: u32, packet: &mut [u8]) -> Result<usize, SrtpError> {
        match self.receiver.unprotect_rtcp(packet) {
            Err(error @ (SrtpError::Unauthentic | SrtpError::Replayed)) => {
                let before = self.before(now_ms).ok_or(error)?;
                before.unprotect_rtcp(packet)
            }
            result => result,
        }
    }

    #[cold]
    fn before(&mut self, now_ms: u32) -> Option<&mut SrtpReceiver> {
        self.before = self.before.take().filter(|(_, until)| !clock::is_due(now_ms, *until));
        self.before.as_mut().map(|(receiver, _)| receiver)
    }
}

const KEY_BEFORE_MS: u32 = 1_000;

/// The memory plan of the gateway counts with this bound for a leg with SRTP.
const _: () = assert!(size_of::<SrtpSession>() <= 6 * 1024);
