//! RTP headers (RFC 3550 §5.1): read totally over any bytes, written in 12 bytes. Sans-IO.

use std::ops::Range;

use crate::meters::DropReason;

/// Bytes of the fixed header; every packet that we write has exactly this header.
pub const HEADER_BYTES: usize = 12;

/// The fields of a header, and the range of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// Marker: the first packet of a talk spurt or of an event.
    pub marker: bool,
    /// 0..=127.
    pub payload_type: u8,
    /// Sequence number: one more for each packet, wrapping.
    pub sequence: u16,
    /// RTP timestamp: 8,000 units a second, wrapping.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Range between CSRCs or extension and padding; may be empty.
    pub payload: Range<usize>,
}

/// Reasons that bytes are not a valid RTP packet. Always the sender's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtpError {
    /// No room for the fixed header.
    #[error("{len} bytes is shorter than the 12-byte RTP header")]
    TooShort {
        /// Bytes given.
        len: usize,
    },
    /// The version is not 2.
    #[error("RTP version {version} instead of 2")]
    Version {
        /// The version read.
        version: u8,
    },
    /// CSRC list or extension reaches beyond the packet.
    #[error("CSRC list or header extension reaches beyond the packet")]
    Truncated,
    /// The padding count is 0 or exceeds the payload.
    #[error("padding of {count} bytes does not fit the payload")]
    Padding {
        /// The count in the last byte.
        count: u8,
    },
}

impl From<RtpError> for DropReason {
    fn from(error: RtpError) -> Self {
        match error {
            RtpError::TooShort { .. } => Self::TooShort,
            RtpError::Version { .. } => Self::NotRtp,
            RtpError::Truncated | RtpError::Padding { .. } => Self::Malformed,
        }
    }
}

impl RtpHeader {
    /// Reads a header.
    ///
    /// # Errors
    /// [`RtpError`] when the bytes contradict themselves.
    #[inline]
    pub fn parse(packet: &[u8]) -> Result<Self, RtpError> {
        let Some(fixed) = packet.first_chunk::<HEADER_BYTES>() else {
            return Err(RtpError::TooShort { len: packet.len() });
        };
        let version = fixed[0] >> 6;
        if version != 2 {
            return Err(RtpError::Version { version });
        }
        // Neither padding, extension nor CSRCs: nearly every packet there is.
        let payload = if fixed[0] == PLAIN_FIRST_BYTE {
            HEADER_BYTES..packet.len()
        } else {
            payload_range(packet, fixed[0])?
        };
        Ok(Self {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7F,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            payload,
        })
    }
}

/// Writes a header without CSRCs, extension and padding over the first 12 bytes.
#[inline]
pub fn write_header(
    into: &mut [u8; HEADER_BYTES],
    marker: bool,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
) {
    into[0] = PLAIN_FIRST_BYTE;
    into[1] = u8::from(marker) << 7 | payload_type & 0x7F;
    into[2..4].copy_from_slice(&sequence.to_be_bytes());
    into[4..8].copy_from_slice(&timestamp.to_be_bytes());
    into[8..12].copy_from_slice(&ssrc.to_be_bytes());
}

/// Whether a packet on a multiplexed port is RTCP: payload types 64..=95 (RFC 5761 §4).
pub fn is_rtcp(packet: &[u8]) -> bool {
    packet.get(1).is_some_and(|byte| (64..=95).contains(&(byte & 0x7F)))
}

/// The drop reason for a packet that is not RTP, by its first byte (RFC 7983 §7).
pub fn foreign_protocol(first: u8) -> DropReason {
    match first {
        0..=3 => DropReason::Stun,
        20..=63 => DropReason::Dtls,
        4..=19 | 64..=255 => DropReason::NotRtp,
    }
}

#[cold]
fn payload_range(packet: &[u8], first: u8) -> Result<Range<usize>, RtpError> {
    let csrcs = usize::from(first & 0xF) * 4;
    let mut start = HEADER_BYTES + csrcs;
    if first & 0x10 != 0 {
        let words = packet.get(start + 2..start + 4).ok_or(RtpError::Truncated)?;
        start += 4 + usize::from(u16::from_be_bytes([words[0], words[1]])) * 4;
    }
    if start > packet.len() {
        return Err(RtpError::Truncated);
    }
    let mut end = packet.len();
    if first & 0x20 != 0 {
        let count = packet[start..].last().copied().unwrap_or(0);
        if count == 0 || usize::from(count) > end - start {
            return Err(RtpError::Padding { count });
        }
        end -= usize::from(count);
    }
    Ok(start..end)
}

const PLAIN_FIRST_BYTE: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![first, 0x80, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        packet.extend_from_slice(rest);
        packet
    }

    #[test]
    fn a_plain_header_is_read() {
        let header = RtpHeader::parse(&packet(0x80, b"abc")).unwrap();
        let expected = RtpHeader {
            marker: true,
            payload_type: 0,
            sequence: 1,
            timestamp: 2,
            ssrc: 3,
            payload: 12..15,
        };
        assert_eq!(header, expected);
    }

    #[test]
    fn csrcs_extension_and_padding_are_cut_off() {
        let rest = [9, 9, 9, 9, 0xBE, 0xDE, 0, 1, 1, 2, 3, 4, b'x', b'y', 0, 2];
        let header = RtpHeader::parse(&packet(0xB1, &rest)).unwrap();
        assert_eq!(header.payload, 24..26);
    }

    #[test]
    fn contradictions_are_named() {
        assert_eq!(RtpHeader::parse(&[0x80; 11]), Err(RtpError::TooShort { len: 11 }));
        assert_eq!(RtpHeader::parse(&packet(0x40, b"")), Err(RtpError::Version { version: 1 }));
        assert_eq!(RtpHeader::parse(&packet(0x8F, b"1234")), Err(RtpError::Truncated));
        assert_eq!(RtpHeader::parse(&packet(0x90, &[0, 0, 0, 9])), Err(RtpError::Truncated));
        let padding = |rest: &[u8]| RtpHeader::parse(&packet(0xA0, rest));
        assert_eq!(padding(&[1, 0]), Err(RtpError::Padding { count: 0 }));
        assert_eq!(padding(&[1, 3]), Err(RtpError::Padding { count: 3 }));
        assert_eq!(padding(&[]), Err(RtpError::Padding { count: 0 }));
    }

    #[test]
    fn the_first_byte_names_the_other_protocols() {
        assert_eq!(foreign_protocol(1), DropReason::Stun);
        assert_eq!(foreign_protocol(22), DropReason::Dtls);
        assert_eq!(foreign_protocol(255), DropReason::NotRtp);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(packet in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(header) = RtpHeader::parse(&packet) {
                prop_assert!(header.payload.start >= 12 && header.payload.end <= packet.len());
                prop_assert!(header.payload.start <= header.payload.end);
            }
        }

        #[test]
        fn what_is_written_is_read_back(
            marker: bool, payload_type in 0u8..128, sequence: u16, timestamp: u32, ssrc: u32,
        ) {
            let mut bytes = [0; HEADER_BYTES];
            write_header(&mut bytes, marker, payload_type, sequence, timestamp, ssrc);
            let read = RtpHeader::parse(&bytes).unwrap();
            let expected =
                RtpHeader { marker, payload_type, sequence, timestamp, ssrc, payload: 12..12 };
            prop_assert_eq!(read, expected);
        }
    }
}
