//! SRTP and SRTCP in place (RFC 3711) with AES-128 in counter mode and HMAC-SHA1. Sans-IO.
//!
//! [`SrtpSender`] and [`SrtpReceiver`] are one direction each, RTP and RTCP, without allocation.
//! `session.rs` is the state of a leg: both directions, and the key before the present one.

mod index;
mod session;
mod transform;

use shared::limits::SRTCP_INDEX_MAX;
use shared::{SrtpKey, SrtpMaster};

use crate::meters::DropReason;

use index::Streams;
pub(crate) use session::SrtpSession;
use transform::Transform;

/// Reasons that a packet was not sealed or not opened. Packet and state are unchanged then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SrtpError {
    /// No room for its headers and its tag: the peer's fault.
    #[error("{len} bytes are too short for an SRTP packet")]
    Malformed {
        /// Bytes given.
        len: usize,
    },
    /// The tag is wrong: another key, a packet in the clear, or altered bytes.
    #[error("the authentication tag is wrong")]
    Unauthentic,
    /// Its index was used already, or lies before the replay window (§3.3.2).
    #[error("the packet index is used or too old")]
    Replayed,
    /// All indices of the key are used (§9.2).
    #[error("the key is used up")]
    Exhausted,
    /// The buffer has no room for the tag: the caller's fault.
    #[error("no room for the authentication tag")]
    NoRoom,
}

impl From<SrtpError> for DropReason {
    fn from(error: SrtpError) -> Self {
        match error {
            SrtpError::Malformed { .. } => Self::TooShort,
            SrtpError::Unauthentic => Self::SrtpUnauthentic,
            SrtpError::Replayed => Self::SrtpReplayed,
            SrtpError::Exhausted => Self::SrtpExhausted,
            SrtpError::NoRoom => Self::TooLong,
        }
    }
}

/// Bytes that SRTP may add to an RTP packet.
pub const SRTP_OVERHEAD_MAX: usize = 10;
/// Bytes that SRTCP adds to an RTCP packet: index and tag (§3.4).
pub const SRTCP_OVERHEAD: usize = SRTCP_INDEX_BYTES + SRTCP_TAG_BYTES;

/// Protects what we send.
#[derive(Clone, Debug)]
pub struct SrtpSender {
    key: SrtpKey,
    rtp: Transform,
    rtcp: Transform,
    /// Used indices: one used twice would reveal both packets (§9.1).
    sent: Streams,
    next_report: u32,
}

impl SrtpSender {
    /// Begins with a roll-over counter of 0.
    pub fn new(key: SrtpKey) -> Self {
        let (rtp, rtcp) = transforms(&key.master);
        Self { key, rtp, rtcp, sent: Streams::default(), next_report: 0 }
    }

    /// The key it was made of.
    pub const fn key(&self) -> &SrtpKey {
        &self.key
    }

    /// Protects the RTP packet in the first `len` bytes, in place; answers its length with the tag.
    ///
    /// # Errors
    /// [`SrtpError`], for a sequence number that was sent before, among others.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let tag_bytes = self.key.suite.tag_bytes();
        let packet = buffer.get_mut(..len + tag_bytes).ok_or(SrtpError::NoRoom)?;
        let (packet, tag) = packet.split_at_mut(len);
        let head = RtpHead::parse(packet)?;
        let stream = self.sent.of(head.ssrc);
        let index = stream.estimate(head.sequence);
        stream.check(index)?;
        self.rtp.cipher(head.ssrc, index, packet.get_mut(head.payload..).unwrap_or_default());
        self.rtp.tag(&[packet, &roll_over(index)], tag);
        stream.accept(index);
        Ok(len + tag_bytes)
    }

    /// Protects the RTCP compound packet in the first `len` bytes, in place; answers its length with the tag.
    ///
    /// # Errors
    /// [`SrtpError`].
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let index = self.next_report;
        if index > SRTCP_INDEX_MAX {
            return Err(SrtpError::Exhausted);
        }
        let whole = buffer.get_mut(..len + SRTCP_OVERHEAD).ok_or(SrtpError::NoRoom)?;
        let (packet, tag) = whole.split_at_mut(len + SRTCP_INDEX_BYTES);
        let ssrc = rtcp_ssrc(packet)?;
        let body = packet.get_mut(RTCP_HEAD_BYTES..len).ok_or(SrtpError::Malformed { len })?;
        self.rtcp.cipher(ssrc, u64::from(index), body);
        let word = (ENCRYPTED | index).to_be_bytes();
        packet.get_mut(len..).unwrap_or_default().copy_from_slice(&word);
        self.rtcp.tag(&[packet], tag);
        self.next_report = index + 1;
        Ok(len + SRTCP_OVERHEAD)
    }

    /// Changes the suite of the same key: only the tag changes, indices continue.
    pub(crate) fn set_suite(&mut self, key: SrtpKey) {
        debug_assert_eq!(self.key.master, key.master);
        self.key = key;
    }
}

/// Opens what we receive.
#[derive(Clone, Debug)]
pub struct SrtpReceiver {
    key: SrtpKey,
    rtp: Transform,
    rtcp: Transform,
    received: Streams,
    reports: Streams,
}

impl SrtpReceiver {
    /// Begins with a roll-over counter of 0.
    pub fn new(key: SrtpKey) -> Self {
        let (rtp, rtcp) = transforms(&key.master);
        let (received, reports) = (Streams::default(), Streams::default());
        Self { key, rtp, rtcp, received, reports }
    }

    /// The key it was made of.
    pub const fn key(&self) -> &SrtpKey {
        &self.key
    }

    /// Opens an RTP packet in place; answers its length without the tag. Total over any bytes.
    ///
    /// # Errors
    /// [`SrtpError`]; the packet is as it was.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let malformed = SrtpError::Malformed { len: packet.len() };
        let len = packet.len().checked_sub(self.key.suite.tag_bytes()).ok_or(malformed)?;
        let (packet, tag) = packet.split_at_mut(len);
        let head = RtpHead::parse(packet)?;
        let known = self.received.find(head.ssrc);
        let index = known.estimate(head.sequence);
        known.check(index)?;
        self.rtp.verify(&[packet, &roll_over(index)], tag)?;
        self.rtp.cipher(head.ssrc, index, packet.get_mut(head.payload..).unwrap_or_default());
        self.received.of(head.ssrc).accept(index);
        Ok(len)
    }

    /// Opens an RTCP packet in place; answers its length without index and tag. Total over any bytes.
    ///
    /// # Errors
    /// [`SrtpError`]; the packet is as it was. One that is authentic but not encrypted is
    /// [`SrtpError::Unauthentic`]: `UNENCRYPTED_SRTCP` is never negotiated here.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let malformed = SrtpError::Malformed { len: packet.len() };
        let len = packet.len().checked_sub(SRTCP_OVERHEAD).ok_or(malformed)?;
        let (signed, tag) = packet.split_at_mut(len + SRTCP_INDEX_BYTES);
        let ssrc = rtcp_ssrc(signed)?;
        if len < RTCP_HEAD_BYTES {
            return Err(malformed);
        }
        let word = signed.last_chunk().map_or(0, |word| u32::from_be_bytes(*word));
        let index = u64::from(word & !ENCRYPTED);
        self.reports.find(ssrc).check(index)?;
        self.rtcp.verify(&[signed], tag)?;
        if word & ENCRYPTED == 0 {
            return Err(SrtpError::Unauthentic);
        }
        self.rtcp.cipher(ssrc, index, signed.get_mut(RTCP_HEAD_BYTES..len).unwrap_or_default());
        self.reports.of(ssrc).accept(index);
        Ok(len)
    }

    /// Changes the suite of the same key: only the tag changes, indices and windows continue.
    pub(crate) fn set_suite(&mut self, key: SrtpKey) {
        debug_assert_eq!(self.key.master, key.master);
        self.key = key;
    }
}

/// Session keys for RTP and for RTCP (§4.3.1).
fn transforms(master: &SrtpMaster) -> (Transform, Transform) {
    (Transform::derive(master, RTP_LABELS), Transform::derive(master, RTCP_LABELS))
}

/// The fields of an RTP header that SRTP needs. The header is authenticated, the rest is encrypted too.
struct RtpHead {
    ssrc: u32,
    sequence: u16,
    /// Offset of the encrypted part: behind CSRCs and extension (§3.1).
    payload: usize,
}

impl RtpHead {
    #[inline]
    fn parse(packet: &[u8]) -> Result<Self, SrtpError> {
        let malformed = SrtpError::Malformed { len: packet.len() };
        let fixed = packet.first_chunk::<12>().ok_or(malformed)?;
        if fixed[0] >> 6 != 2 {
            return Err(malformed);
        }
        let mut payload = 12 + usize::from(fixed[0] & 0xF) * 4;
        if fixed[0] & 0x10 != 0 {
            let words = packet.get(payload + 2..payload + 4).ok_or(malformed)?;
            payload += 4 + words.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)) * 4;
        }
        if payload > packet.len() {
            return Err(malformed);
        }
        let sequence = u16::from_be_bytes([fixed[2], fixed[3]]);
        Ok(Self {
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            sequence,
            payload,
        })
    }
}

/// The SSRC of the first packet of a compound, with which the whole compound is encrypted.
fn rtcp_ssrc(packet: &[u8]) -> Result<u32, SrtpError> {
    match packet.first_chunk::<RTCP_HEAD_BYTES>() {
        Some([first, _, _, _, a, b, c, d]) if first >> 6 == 2 => {
            Ok(u32::from_be_bytes([*a, *b, *c, *d]))
        }
        Some(_) | None => Err(SrtpError::Malformed { len: packet.len() }),
    }
}

/// The roll-over counter, which is authenticated behind the packet and not sent (§4.2).
const fn roll_over(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// §3.4: the bit before the index of SRTCP.
const ENCRYPTED: u32 = 1 << 31;
/// Header and SSRC of an RTCP packet stay in the clear.
const RTCP_HEAD_BYTES: usize = 8;
const SRTCP_INDEX_BYTES: usize = 4;
/// Of both suites (RFC 4568 §6.2).
const SRTCP_TAG_BYTES: usize = 10;
/// §4.3.1 and §4.3.2: labels of cipher key, authentication key and salt.
const RTP_LABELS: [u8; 3] = [0, 1, 2];
const RTCP_LABELS: [u8; 3] = [3, 4, 5];

#[cfg(test)]
mod tests;
