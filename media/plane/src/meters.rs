//! Plain counters of one core; one writer, the core. The shell copies them out for `/metrics`.

use shared::BySink;

/// Reasons that a packet was dropped; each is a counter of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DropReason {
    /// No leg is up on that socket.
    NoLeg,
    /// Shorter than its header says, or than any header.
    TooShort,
    /// Longer than `limits::RTP_BYTES_MAX`.
    TooLong,
    /// First byte 0..=3 (RFC 7983): STUN, which is not answered yet.
    Stun,
    /// First byte 20..=63 (RFC 7983): DTLS, which is not answered yet.
    Dtls,
    /// First byte of an unknown protocol, or another RTP version.
    NotRtp,
    /// Lengths inside the RTP header contradict the datagram's.
    Malformed,
    /// The source is not the one that the leg is locked to, nor one that it may lock to.
    Stranger,
    /// A payload type that was not negotiated.
    PayloadType,
    /// Sequence number far from the expected one; the next in order restarts the stream (RFC 3550 A.1).
    SequenceJump,
    /// More than `limits::SSRC_CHANGES_RATE_MAX` changes of SSRC a second.
    SsrcRate,
    /// The negotiated direction does not let the party send.
    NotReceiving,
    /// The bridged peer is held: we do not send to it.
    PeerHeld,
    /// The bridged peer has no address yet.
    NoDestination,
    /// It arrived after another source had used its sequence number.
    Late,
    /// A telephone event that is not a key, for a peer that negotiated no events.
    NoTelephoneEvents,
    /// The ring to the peer's core was full.
    MeshFull,
    /// A frame from another core for a leg that is not, or no longer, bridged to the sender.
    NotBridged,
    /// RTCP on the RTP port although it was not multiplexed, or RTP on the RTCP port.
    WrongPort,
    /// RTCP longer than `limits::RTCP_BYTES_MAX`.
    RtcpTooLong,
    /// Not a valid compound packet (RFC 3550 A.2).
    RtcpMalformed,
    /// RTCP from another source than the locked peer.
    RtcpStranger,
    /// More than `limits::RTCP_RATE_MAX` RTCP packets a second of one leg.
    RtcpRate,
    /// SRTP or SRTCP whose tag is wrong, or a packet in the clear where the leg has SRTP.
    SrtpUnauthentic,
    /// SRTP or SRTCP whose index was used already, or is older than `limits::SRTP_REPLAY_WINDOW`.
    SrtpReplayed,
    /// All packet indices of an SRTP key are used.
    SrtpExhausted,
    /// More than `limits::TIMESTAMP_JUMP_MAX` from the media time; the next packet near it is believed.
    TimestampJump,
    /// From one of this gateway's own sockets: such a stream would circle for ever.
    OwnSocket,
    /// More than `limits::LINK_PACKETS_RATE_MAX` packets a second from the other leg of a link: they circle.
    LinkRate,
}

impl DropReason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 29] = [
        Self::NoLeg,
        Self::TooShort,
        Self::TooLong,
        Self::Stun,
        Self::Dtls,
        Self::NotRtp,
        Self::Malformed,
        Self::Stranger,
        Self::PayloadType,
        Self::SequenceJump,
        Self::SsrcRate,
        Self::NotReceiving,
        Self::PeerHeld,
        Self::NoDestination,
        Self::Late,
        Self::NoTelephoneEvents,
        Self::MeshFull,
        Self::NotBridged,
        Self::WrongPort,
        Self::RtcpTooLong,
        Self::RtcpMalformed,
        Self::RtcpStranger,
        Self::RtcpRate,
        Self::SrtpUnauthentic,
        Self::SrtpReplayed,
        Self::SrtpExhausted,
        Self::TimestampJump,
        Self::OwnSocket,
        Self::LinkRate,
    ];

    /// The value of the metric label `reason`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoLeg => "no_leg",
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::Stun => "stun",
            Self::Dtls => "dtls",
            Self::NotRtp => "not_rtp",
            Self::Malformed => "malformed",
            Self::Stranger => "stranger",
            Self::PayloadType => "payload_type",
            Self::SequenceJump => "sequence_jump",
            Self::SsrcRate => "ssrc_rate",
            Self::NotReceiving => "not_receiving",
            Self::PeerHeld => "peer_held",
            Self::NoDestination => "no_destination",
            Self::Late => "late",
            Self::NoTelephoneEvents => "no_telephone_events",
            Self::MeshFull => "mesh_full",
            Self::NotBridged => "not_bridged",
            Self::WrongPort => "wrong_port",
            Self::RtcpTooLong => "rtcp_too_long",
            Self::RtcpMalformed => "rtcp_malformed",
            Self::RtcpStranger => "rtcp_stranger",
            Self::RtcpRate => "rtcp_rate",
            Self::SrtpUnauthentic => "srtp_unauthentic",
            Self::SrtpReplayed => "srtp_replayed",
            Self::SrtpExhausted => "srtp_exhausted",
            Self::TimestampJump => "timestamp_jump",
            Self::OwnSocket => "own_socket",
            Self::LinkRate => "link_rate",
        }
    }
}

/// A counter for each [`DropReason`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops([u64; DropReason::ALL.len()]);

impl Drops {
    /// Packets dropped for this reason.
    pub const fn count(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// All reasons together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every reason with its count, in the order of [`DropReason::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().map(|reason| (reason, self.count(reason)))
    }

    pub(crate) fn add(&mut self, reason: DropReason) {
        self.add_many(reason, 1);
    }

    pub(crate) fn add_many(&mut self, reason: DropReason, packets: u32) {
        self.0[reason as usize] += u64::from(packets);
    }
}

/// Counters of a core since its start. Three sums hold exactly, at any time between two calls:
/// [`PlaneMeters::received_balance`], [`PlaneMeters::mesh_balance`] and [`PlaneMeters::feed_balance`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlaneMeters {
    /// Datagrams passed to `Plane::receive`, and those that a tier below took.
    pub packets_received: u64,
    /// Of those: rewritten and sent to a peer on this core.
    pub packets_forwarded: u64,
    /// Of those: handed to another core.
    pub packets_to_mesh: u64,
    /// Of those: used here.
    pub packets_consumed: u64,
    /// Of those: dropped.
    pub packets_dropped: Drops,

    /// Whole packets that came from other cores.
    pub mesh_received: u64,
    /// Of those: sent to the peer.
    pub mesh_forwarded: u64,
    /// Of those: used here (a prompt took precedence).
    pub mesh_consumed: u64,
    /// Of those: dropped.
    pub mesh_dropped: Drops,
    /// Frames of packets whose other parts never arrived; the sender counted the packet as `mesh_full`.
    pub mesh_frames_incomplete: u64,

    /// RTP packets we made from prompts.
    pub sent_prompt: u64,
    /// RTP packets of silence.
    pub sent_silence: u64,
    /// RTP packets of telephone events that we made.
    pub sent_events: u64,
    /// RTP packets of digits as tones, for parties without telephone events.
    pub sent_tones: u64,
    /// RTP packets with audio of a feed.
    pub sent_feed: u64,
    /// RTP packets with audio of a room.
    pub sent_room: u64,
    /// RTCP packets.
    pub sent_rtcp: u64,

    /// Commands for legs that do not exist, or for which there was no room.
    pub commands_refused: u64,
    /// Digits reported.
    pub digits_received: u64,
    /// Frames that the ring of a sink took.
    pub tap_frames: BySink<u64>,
    /// Frames that it had no room for.
    pub tap_frames_lost: BySink<u64>,
    /// Frames that the ring of feeds brought.
    pub feed_frames: u64,
    /// Of those: played to their end, heard or not (on hold, under a prompt).
    pub feed_frames_played: u64,
    /// Of those: dropped by a clear or with their feed.
    pub feed_frames_cleared: u64,
    /// Of those: dropped because `limits::FEED_FRAMES_MAX` frames of the feed waited.
    pub feed_frames_full: u64,
    /// Of those: dropped because their feed was not open.
    pub feed_frames_unknown: u64,
    /// Of those: waiting now.
    pub feed_frames_waiting: u64,
    /// Times that a feed ran out behind audio, at the end of what its thread had to say or within it.
    pub feed_underruns: u64,
    /// Rooms that are open now.
    pub rooms: u64,
    /// Members of rooms now.
    pub room_members: u64,
    /// Packets of members that came after their frame was mixed.
    pub room_packets_late: u64,
    /// Frames of members with samples that were not there in time.
    pub room_frames_lost: u64,
    /// Frames of members that were left out because too many waited.
    pub room_frames_left_out: u64,
    /// Frames of rooms that went to other cores.
    pub room_sums_sent: u64,
    /// Frames of rooms that found no place in the ring to another core.
    pub room_sums_unsent: u64,
    /// Frames of rooms that other cores sent.
    pub room_sums_received: u64,
    /// Those that came after their tick, or for a room that is not open.
    pub room_sums_late: u64,
    /// Sums of other cores that were missing at their tick: silence in their place.
    pub room_sums_lost: u64,
    /// Frames of coaches beyond the most of one tick.
    pub room_coaches_left_out: u64,
    /// One-millisecond slots that were served.
    pub ticks: u64,
    /// Slots that were skipped because the core was late.
    pub ticks_skipped: u64,
    /// Legs that are up now.
    pub legs: u64,
    /// Feeds that are open now.
    pub feeds: u64,
    /// Legs whose party's packets a tier below relays now.
    pub legs_below: u64,
    /// Packets that it relayed; they stand in `packets_forwarded` too.
    pub packets_below: u64,
    /// Of `packets_below`: those that a driver relayed, without the kernel's stack.
    pub packets_by_driver: u64,
    /// Packets that it dropped; they stand in `packets_dropped` too.
    pub packets_dropped_below: u64,
    /// Taps that are up now.
    pub taps: BySink<u64>,
}

impl PlaneMeters {
    /// Received packets that are in no other counter: always 0.
    pub fn received_balance(&self) -> i128 {
        let out = self.packets_forwarded
            + self.packets_to_mesh
            + self.packets_consumed
            + self.packets_dropped.total();
        i128::from(self.packets_received) - i128::from(out)
    }

    /// Packets from the mesh that are in no other counter: always 0.
    pub fn mesh_balance(&self) -> i128 {
        let out = self.mesh_forwarded + self.mesh_consumed + self.mesh_dropped.total();
        i128::from(self.mesh_received) - i128::from(out)
    }

    /// Frames of feeds that are in no other counter: always 0.
    pub fn feed_balance(&self) -> i128 {
        let out = self.feed_frames_played
            + self.feed_frames_cleared
            + self.feed_frames_full
            + self.feed_frames_unknown
            + self.feed_frames_waiting;
        i128::from(self.feed_frames) - i128::from(out)
    }

    /// All datagrams that this core passed to a socket.
    pub fn packets_sent(&self) -> u64 {
        self.packets_forwarded
            + self.mesh_forwarded
            + self.sent_prompt
            + self.sent_silence
            + self.sent_events
            + self.sent_tones
            + self.sent_feed
            + self.sent_room
            + self.sent_rtcp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter_and_name() {
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            let mut drops = Drops::default();
            drops.add(reason);
            assert_eq!((drops.count(reason), drops.total()), (1, 1));
            let same = DropReason::ALL.iter().filter(|other| other.name() == reason.name());
            assert_eq!(same.count(), 1);
        }
    }
}
