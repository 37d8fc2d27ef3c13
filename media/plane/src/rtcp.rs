//! RTCP compound packets (RFC 3550 §6): read totally over any bytes, written as report, SDES and BYE. Sans-IO.

use shared::Instant;

use crate::reception::ReportFigures;

/// Content of a compound packet about us and its sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Compound {
    /// Middle 32 bits of the NTP timestamp of a sender report.
    pub sender_report: Option<u32>,
    /// The report block about our SSRC.
    pub report_on_us: Option<ReportOnUs>,
    pub bye: bool,
}

/// A report block about our stream (§6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReportOnUs {
    /// Fraction lost since the report before, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost in all; negative after duplicates.
    pub lost: i32,
    pub jitter: u32,
    pub last_sender_report: u32,
    /// In 1/65536 s.
    pub delay: u32,
}

/// The bytes are not a valid compound packet (A.2). Always the sender's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid RTCP compound packet")]
pub(crate) struct RtcpError;

impl Compound {
    /// Reads a compound packet; `our_ssrc` selects the report block.
    pub fn parse(packet: &[u8], our_ssrc: u32) -> Result<Self, RtcpError> {
        let mut compound = Self::default();
        let mut rest = packet;
        let mut is_first = true;
        while !rest.is_empty() {
            let (part, after) = split_part(rest)?;
            // Only the last part may be padded (A.2). The first need not be a report (RFC 5506 §3.4.1):
            // baresip opens its path with an APP alone.
            let is_known = (SENDER_REPORT..=EXTENDED_REPORT).contains(&part.packet_type);
            if is_first && !is_known || part.padded && !after.is_empty() {
                return Err(RtcpError);
            }
            compound.take(&part, our_ssrc)?;
            rest = after;
            is_first = false;
        }
        if is_first { Err(RtcpError) } else { Ok(compound) }
    }

    fn take(&mut self, part: &Part<'_>, our_ssrc: u32) -> Result<(), RtcpError> {
        match part.packet_type {
            SENDER_REPORT => {
                let seconds = word(part.body, 1)?;
                let fraction = word(part.body, 2)?;
                self.sender_report = Some(seconds << 16 | fraction >> 16);
                self.take_blocks(part, SENDER_REPORT_WORDS, our_ssrc)
            }
            RECEIVER_REPORT => self.take_blocks(part, 1, our_ssrc),
            BYE => {
                self.bye = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn take_blocks(
        &mut self,
        part: &Part<'_>,
        first_word: usize,
        our_ssrc: u32,
    ) -> Result<(), RtcpError> {
        word(part.body, 0)?;
        for block in 0..usize::from(part.count) {
            let at = first_word + block * BLOCK_WORDS;
            let delay = word(part.body, at + 5)?;
            if word(part.body, at)? == our_ssrc {
                let losses = word(part.body, at + 1)?;
                self.report_on_us = Some(ReportOnUs {
                    fraction_lost: (losses >> 24) as u8,
                    // 24 bits with a sign.
                    lost: (losses << 8) as i32 >> 8,
                    jitter: word(part.body, at + 3)?,
                    last_sender_report: word(part.body, at + 4)?,
                    delay,
                });
            }
        }
        Ok(())
    }
}

impl ReportOnUs {
    /// The round trip in microseconds; `None` when the peer has not received our report, or its figures
    /// are impossible.
    pub fn round_trip_us(self, now_ntp_middle: u32) -> Option<u32> {
        if self.last_sender_report == 0 {
            return None;
        }
        let units = now_ntp_middle.wrapping_sub(self.last_sender_report).wrapping_sub(self.delay);
        (units < ROUND_TRIP_UNITS_MAX).then(|| ((u64::from(units) * 1_000_000) >> 16) as u32)
    }
}

/// Content of our own report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub ssrc: u32,
    /// Only when we sent RTP since the last report.
    pub sender: Option<SenderInfo>,
    /// Only when we received RTP.
    pub block: Option<ReportBlock>,
    pub cname: [u8; CNAME_BYTES],
    pub bye: bool,
}

/// §6.4.1, sender information.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SenderInfo {
    pub ntp: u64,
    pub timestamp: u32,
    pub packets: u32,
    pub octets: u32,
}

/// §6.4.1, one report block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReportBlock {
    pub ssrc: u32,
    pub figures: ReportFigures,
    pub last_sender_report: u32,
    pub delay: u32,
}

impl Report {
    /// Writes the compound packet; answers its length.
    pub fn write(&self, into: &mut [u8; REPORT_BYTES_MAX]) -> usize {
        let mut writer = Writer { into, len: 0 };
        self.write_report(&mut writer);
        self.write_cname(&mut writer);
        if self.bye {
            writer.word(u32::from_be_bytes([0x81, BYE, 0, 1]));
            writer.word(self.ssrc);
        }
        writer.len
    }

    fn write_report(&self, writer: &mut Writer<'_>) {
        let count = u8::from(self.block.is_some());
        let packet_type = if self.sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
        let head = if self.sender.is_some() { SENDER_REPORT_WORDS } else { 1 };
        let words = head + usize::from(count) * BLOCK_WORDS;
        writer.word(u32::from_be_bytes([0x80 | count, packet_type, 0, words as u8]));
        writer.word(self.ssrc);
        if let Some(sender) = self.sender {
            writer.word((sender.ntp >> 32) as u32);
            writer.word(sender.ntp as u32);
            writer.word(sender.timestamp);
            writer.word(sender.packets);
            writer.word(sender.octets);
        }
        if let Some(block) = self.block {
            writer.word(block.ssrc);
            writer.word(u32::from(block.figures.fraction_lost) << 24 | block.figures.lost);
            writer.word(block.figures.highest_sequence);
            writer.word(block.figures.jitter);
            writer.word(block.last_sender_report);
            writer.word(block.delay);
        }
    }

    /// One chunk: SSRC, item CNAME, and the zero bytes that end it on a word.
    fn write_cname(&self, writer: &mut Writer<'_>) {
        let chunk_bytes = (4 + 2 + CNAME_BYTES + 1).next_multiple_of(4);
        writer.word(u32::from_be_bytes([0x81, SOURCE_DESCRIPTION, 0, (chunk_bytes / 4) as u8]));
        writer.word(self.ssrc);
        writer.bytes(&[CNAME, CNAME_BYTES as u8]);
        writer.bytes(&self.cname);
        writer.bytes(&[0; 4][..chunk_bytes - 6 - CNAME_BYTES]);
    }
}

/// The sender's SSRC of a compound packet, from the head of its first part (§6.4), which SRTCP leaves in the
/// clear (RFC 3711 §3.4).
pub(crate) fn sender_ssrc(packet: &[u8]) -> Option<u32> {
    word(packet, 1).ok()
}

/// NTP time of an instant, as 32.32 bits.
pub(crate) fn ntp(now: Instant, unix_ms_at_zero: i64) -> u64 {
    let unix_ns = i128::from(unix_ms_at_zero) * 1_000_000 + i128::from(now.as_nanos());
    let ntp_ns = unix_ns + NTP_UNIX_SECONDS * NANOS_A_SECOND;
    let seconds = ntp_ns.div_euclid(NANOS_A_SECOND) as u32;
    let fraction = (ntp_ns.rem_euclid(NANOS_A_SECOND) << 32) / NANOS_A_SECOND;
    u64::from(seconds) << 32 | fraction as u64
}

/// The middle 32 bits, which reports refer to.
pub(crate) const fn ntp_middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

struct Writer<'a> {
    into: &'a mut [u8; REPORT_BYTES_MAX],
    len: usize,
}

impl Writer<'_> {
    fn word(&mut self, word: u32) {
        self.bytes(&word.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.into[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

struct Part<'a> {
    packet_type: u8,
    count: u8,
    padded: bool,
    body: &'a [u8],
}

fn split_part(packet: &[u8]) -> Result<(Part<'_>, &[u8]), RtcpError> {
    let head = packet.first_chunk::<4>().ok_or(RtcpError)?;
    let len = (usize::from(u16::from_be_bytes([head[2], head[3]])) + 1) * 4;
    if head[0] >> 6 != 2 || len > packet.len() {
        return Err(RtcpError);
    }
    let (part, after) = packet.split_at(len);
    let part = Part {
        packet_type: head[1],
        count: head[0] & 0x1F,
        padded: head[0] & 0x20 != 0,
        body: &part[4..],
    };
    Ok((part, after))
}

fn word(body: &[u8], index: usize) -> Result<u32, RtcpError> {
    let bytes = body.get(index * 4..).and_then(|rest| rest.first_chunk::<4>()).ok_or(RtcpError)?;
    Ok(u32::from_be_bytes(*bytes))
}

/// Report with sender information and one block, one SDES chunk, BYE.
pub(crate) const REPORT_BYTES_MAX: usize = 28 + 24 + 4 + 4 + 20 + 8;
/// RFC 7022 §4.2: a random name for each session.
pub(crate) const CNAME_BYTES: usize = 16;
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
/// RFC 3611: the last of the types that have been given out in a row.
const EXTENDED_REPORT: u8 = 207;
const CNAME: u8 = 1;
const SENDER_REPORT_WORDS: usize = 6;
const BLOCK_WORDS: usize = 6;
/// A minute: a longer round trip is a peer's mistake, or a wrapped negative value.
const ROUND_TRIP_UNITS_MAX: u32 = 60 << 16;
const NANOS_A_SECOND: i128 = 1_000_000_000;
/// Seconds from 1900 to 1970.
const NTP_UNIX_SECONDS: i128 = 2_208_988_800;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn report() -> Report {
        let figures = ReportFigures { fraction_lost: 1, lost: 2, highest_sequence: 3, jitter: 4 };
        let block = ReportBlock { ssrc: 8, figures, last_sender_report: 5, delay: 6 };
        let sender = SenderInfo { ntp: 0x1234_5678_9ABC_DEF0, timestamp: 1, packets: 2, octets: 3 };
        let (sender, block) = (Some(sender), Some(block));
        Report { ssrc: 7, sender, block, cname: *b"0123456789abcdef", bye: true }
    }

    #[test]
    fn what_we_write_we_read() {
        let mut bytes = [0; REPORT_BYTES_MAX];
        let len = report().write(&mut bytes);
        assert_eq!(len, REPORT_BYTES_MAX);
        let read = Compound::parse(&bytes[..len], 8).unwrap();
        assert_eq!(read.sender_report, Some(0x5678_9ABC));
        let on_us =
            ReportOnUs { fraction_lost: 1, lost: 2, jitter: 4, last_sender_report: 5, delay: 6 };
        assert_eq!((read.report_on_us, read.bye), (Some(on_us), true));
        assert_eq!(Compound::parse(&bytes[..len], 9).unwrap().report_on_us, None);
    }

    #[test]
    fn losses_that_a_peer_reports_may_be_negative() {
        let mut report = report();
        report.block.as_mut().unwrap().figures.lost = 0xFF_FFFE;
        let mut bytes = [0; REPORT_BYTES_MAX];
        let len = report.write(&mut bytes);
        assert_eq!(Compound::parse(&bytes[..len], 8).unwrap().report_on_us.unwrap().lost, -2);
    }

    #[test]
    fn a_report_without_news_is_an_empty_receiver_report() {
        let report = Report { sender: None, block: None, bye: false, ..report() };
        let mut bytes = [0; REPORT_BYTES_MAX];
        let len = report.write(&mut bytes);
        assert_eq!((bytes[0], bytes[1], bytes[3]), (0x80, RECEIVER_REPORT, 1));
        assert_eq!(Compound::parse(&bytes[..len], 8), Ok(Compound::default()));
    }

    #[test]
    fn parts_must_fill_the_packet_and_begin_with_a_known_one() {
        let mut bytes = [0; REPORT_BYTES_MAX];
        let len = report().write(&mut bytes);
        assert_eq!(Compound::parse(&bytes[..len - 1], 8), Err(RtcpError));
        assert_eq!(Compound::parse(&bytes[48..len], 8), Err(RtcpError));
        assert_eq!(Compound::parse(&[], 8), Err(RtcpError));
        bytes[0] = 0x82;
        assert_eq!(Compound::parse(&bytes[..len], 8), Err(RtcpError));
    }

    #[test]
    fn an_application_packet_alone_is_taken() {
        // As baresip sends it before its first report.
        let ping = b"\x80\xcc\x00\x03\x00\x00\x00\x09PINGPONG";
        assert_eq!(Compound::parse(ping, 8), Ok(Compound::default()));
        let unknown = b"\x80\xd0\x00\x01\x00\x00\x00\x09";
        assert_eq!(Compound::parse(unknown, 8), Err(RtcpError));
    }

    #[test]
    fn the_round_trip_is_what_is_left_without_the_peers_delay() {
        let on_us = |last_sender_report, delay| ReportOnUs {
            fraction_lost: 0,
            lost: 0,
            jitter: 0,
            last_sender_report,
            delay,
        };
        let unseen = on_us(0, 0);
        let on_us = on_us(0x1_0000, 0x8000);
        assert_eq!(on_us.round_trip_us(0x1_0000 + 0x8000 + 0x4000), Some(250_000));
        assert_eq!(on_us.round_trip_us(0x1_0000), None);
        assert_eq!(unseen.round_trip_us(9), None);
    }

    #[test]
    fn ntp_counts_from_1900() {
        let half = ntp(Instant::from_millis(1_500), 0);
        assert_eq!((half >> 32, half as u32), (2_208_988_801, 0x8000_0000));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(packet in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = Compound::parse(&packet, 1);
        }

        #[test]
        fn a_damaged_report_is_read_without_panic(at in 0..REPORT_BYTES_MAX, value: u8) {
            let mut bytes = [0; REPORT_BYTES_MAX];
            let len = report().write(&mut bytes);
            bytes[at] = value;
            let _ = Compound::parse(&bytes[..len], 8);
        }
    }
}
