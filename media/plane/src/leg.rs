//! The cold part of a leg: state that commands, odd packets and reports touch. Sans-IO.

use std::net::SocketAddr;

use shared::limits::LINK_PACKETS_RATE_MAX;
use shared::{Instant, IntervalQuality, Joined, LatchMode, LegId, LegPlan, RemoteReport, SplitMix};

use crate::address::PackedAddress;
use crate::clock;
use crate::dtmf::InBand;
use crate::meters::DropReason;
use crate::player::Playing;
use crate::rtcp::{CNAME_BYTES, ReportOnUs};
use crate::telephone_event::EventReceiver;

/// One party on this core, without its two hot lines.
#[derive(Debug)]
pub(crate) struct Leg {
    pub id: LegId,
    pub plan: LegPlan,
    /// The last address the SDP named; a hold without an address does not forget it.
    pub remote: Option<SocketAddr>,
    /// The source before the remote moved, and the time until which it is refused: its last packets are
    /// still in flight.
    pub left_source: (PackedAddress, u32),
    /// Time until which another source may replace a silent one: after an offer that names the same
    /// address, as from a phone whose NAT assigned another port.
    pub may_move_until_ms: Option<u32>,
    /// The other end; the hot line's route follows from it.
    pub joined: Joined,
    /// Place of its SRTP state in the core's slab; `None` for RTP in the clear.
    pub srtp: Option<u16>,
    /// The same while an offer/answer has switched SRTP off: should SRTP return with the same key, its
    /// indices must continue.
    pub srtp_resting: Option<u16>,
    pub playing: Option<Playing>,
    /// RTP timestamp of the telephone event that is being sent.
    pub event_timestamp: u32,
    pub keys: EventReceiver,
    /// Whether to detect digits in the audio, because the party negotiated no telephone events.
    pub listens: bool,
    pub in_band: InBand,
    /// Place, in the core's slab, of the tones that stand for the bridged party's telephone events; `None`
    /// while there are none.
    pub tones: Option<u16>,
    pub first_tap: Option<u16>,
    /// Place, in the core's slab, of the detection of what answered; `None` while none runs.
    pub answering: Option<u16>,
    /// Place, in the core's slab, of the audio that a thread gives; `None` while no feed is open.
    pub feed: Option<u16>,
    pub started_at: Instant,
    pub first_packet_ms: Option<u32>,
    pub dropped: u64,
    pub below: RelayedBelow,
    /// Packets of the other leg of a link in one second.
    link_rate: LinkRate,
    pub watch: MediaWatch,
    pub quality_watch: QualityWatch,
    pub reports: Reports,
}

/// Packets that a tier below has relayed for a leg since its start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RelayedBelow {
    /// From its party.
    pub received: u64,
    /// To its party.
    pub sent: u64,
}

/// Packets that came over a link since the beginning of a second.
#[derive(Clone, Copy, Debug)]
struct LinkRate {
    second_ms: u32,
    in_second: u32,
}

/// Rates a party's audio, interval by interval.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QualityWatch {
    pub intervals: u32,
    pub intervals_bad: u32,
    pub worst_r_tenths: Option<u16>,
    is_bad: bool,
}

/// Media timeout of a party: reports each silence once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MediaWatch {
    /// When we began to expect media.
    since_ms: u32,
    /// Start of the silence that was reported last.
    reported: Option<u32>,
}

/// RTCP towards and from one party.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reports {
    pub random: SplitMix,
    pub cname: [u8; CNAME_BYTES],
    pub next_ms: u32,
    /// RTP packets sent up to the last report.
    pub packets_reported: u32,
    pub sent: u32,
    pub received: u32,
    /// Source and SSRC of the last report that was read: the peer's, if they fit the media.
    pub source: PackedAddress,
    pub ssrc: u32,
    /// The last sender report: its NTP time, and its arrival.
    pub last_sender_report: Option<(u32, Instant)>,
    pub round_trip_us: Option<u32>,
    pub round_trip_max_us: Option<u32>,
    /// The peer's report about our stream.
    pub remote: Option<RemoteReport>,
    second_ms: u32,
    in_second: u32,
}

impl Leg {
    pub fn new(id: LegId, plan: LegPlan, now: Instant, seed: u64) -> Self {
        let random = SplitMix::new(seed ^ u64::from(plan.ssrc) << 16 ^ u64::from(id.slot));
        Self {
            id,
            plan,
            remote: plan.media.remote_rtp,
            left_source: (PackedAddress::NONE, 0),
            may_move_until_ms: None,
            joined: Joined::Nobody,
            srtp: None,
            srtp_resting: None,
            playing: None,
            event_timestamp: 0,
            keys: EventReceiver::default(),
            listens: false,
            in_band: InBand::default(),
            tones: None,
            first_tap: None,
            answering: None,
            feed: None,
            started_at: now,
            first_packet_ms: None,
            dropped: 0,
            below: RelayedBelow::default(),
            link_rate: LinkRate { second_ms: clock::millis(now), in_second: 0 },
            watch: MediaWatch { since_ms: clock::millis(now), reported: None },
            quality_watch: QualityWatch::default(),
            reports: Reports::new(random, now),
        }
    }
}

impl Leg {
    /// Whether audio of our own, other than tones, goes to the party in place of its other end's.
    pub fn plays(&self) -> bool {
        self.playing.is_some() || self.feed.is_some()
    }

    /// Whether a key press waits for its end, as event or as tone.
    pub fn is_pressed(&self) -> bool {
        self.keys.is_waiting() || self.in_band.is_waiting()
    }

    /// Whether this source is the other leg of a link between two calls here.
    pub fn is_linked_with(&self, source: SocketAddr) -> bool {
        self.plan.latch == LatchMode::Link && self.plan.media.remote_rtp == Some(source)
    }

    /// Decides about a packet for a leg of a link.
    ///
    /// # Errors
    /// [`DropReason::Stranger`]: the source is not the other leg. [`DropReason::LinkRate`]: it sends more than a
    /// party does, so its packets go round between ends that return them.
    pub fn admit_linked(&mut self, source: SocketAddr, now_ms: u32) -> Result<(), DropReason> {
        if !self.is_linked_with(source) {
            return Err(DropReason::Stranger);
        }
        let rate = &mut self.link_rate;
        if clock::is_due(now_ms, rate.second_ms.wrapping_add(1_000)) {
            *rate = LinkRate { second_ms: now_ms, in_second: 0 };
        }
        if rate.in_second >= LINK_PACKETS_RATE_MAX {
            return Err(DropReason::LinkRate);
        }
        rate.in_second += 1;
        Ok(())
    }

    /// The remote moved: packets that still arrive from `source` belong to the old one.
    pub fn leave_source(&mut self, source: PackedAddress, now_ms: u32) {
        self.left_source = (source, now_ms.wrapping_add(LEFT_SOURCE_MS));
    }

    /// An offer named the same address: the source may have moved all the same.
    pub fn let_move(&mut self, now_ms: u32) {
        self.may_move_until_ms = Some(now_ms.wrapping_add(MAY_MOVE_MS));
    }

    /// Whether another source may replace the locked one, whose last packet arrived at `last_ms`.
    pub fn may_move(&self, now_ms: u32, last_ms: u32) -> bool {
        let is_open = self.may_move_until_ms.is_some_and(|until| !clock::is_due(now_ms, until));
        is_open && clock::is_due(now_ms, last_ms.wrapping_add(MOVED_SILENCE_MS))
    }

    /// Whether a packet from this source is a leftover of the old one. The address in the SDP never is.
    pub fn has_left(&self, source: SocketAddr, now_ms: u32) -> bool {
        let (left, until_ms) = self.left_source;
        left == PackedAddress::new(source)
            && !clock::is_due(now_ms, until_ms)
            && self.plan.media.remote_rtp != Some(source)
    }
}

impl MediaWatch {
    /// We expect media from now on.
    pub fn restart(&mut self, now_ms: u32) {
        *self = Self { since_ms: now_ms, reported: None };
    }

    /// Whether to report the silence up to now, and when to check again.
    pub fn check(&mut self, now_ms: u32, last_ms: Option<u32>, timeout_ms: u32) -> (bool, u32) {
        let since = match last_ms {
            Some(last) if clock::is_due(last, self.since_ms) => last,
            Some(_) | None => self.since_ms,
        };
        let again = now_ms.wrapping_add(LOOK_AGAIN_MS);
        if self.reported == Some(since) {
            return (false, again);
        }
        let deadline = since.wrapping_add(timeout_ms);
        if !clock::is_due(now_ms, deadline) {
            return (false, deadline);
        }
        self.reported = Some(since);
        (true, again)
    }
}

impl QualityWatch {
    /// Adds one interval; answers whether it changed the verdict, and to bad. Between the two bounds the
    /// verdict stays, so that it does not flap.
    pub fn hear(&mut self, interval: &IntervalQuality) -> Option<bool> {
        let r_tenths = interval.r_tenths;
        self.intervals = self.intervals.saturating_add(1);
        self.worst_r_tenths = Some(self.worst_r_tenths.map_or(r_tenths, |old| old.min(r_tenths)));
        let is_bad = match r_tenths {
            ..R_BAD_TENTHS => true,
            R_GOOD_TENTHS.. => false,
            R_BAD_TENTHS..R_GOOD_TENTHS => self.is_bad,
        };
        self.intervals_bad = self.intervals_bad.saturating_add(u32::from(is_bad));
        let has_changed = std::mem::replace(&mut self.is_bad, is_bad) != is_bad;
        has_changed.then_some(is_bad)
    }
}

impl Reports {
    /// Keeps a peer's report about our stream.
    pub fn take(&mut self, on_us: ReportOnUs, round_trip_us: Option<u32>) {
        self.round_trip_us = round_trip_us.or(self.round_trip_us);
        self.round_trip_max_us = self.round_trip_max_us.max(round_trip_us);
        let before = self.remote.unwrap_or_default();
        self.remote = Some(RemoteReport {
            lost: on_us.lost,
            fraction_lost_max: before.fraction_lost_max.max(on_us.fraction_lost),
            jitter_rtp_units: on_us.jitter,
        });
    }

    fn new(mut random: SplitMix, now: Instant) -> Self {
        let mut cname = [0; CNAME_BYTES];
        for letter in &mut cname {
            *letter = CNAME_LETTERS[random.number() as usize % CNAME_LETTERS.len()];
        }
        let now_ms = clock::millis(now);
        // Half the interval before the first report (RFC 3550 §6.2).
        let first_ms = within(&mut random, (INTERVAL_MS.0 / 2, INTERVAL_MS.1 / 2));
        Self {
            random,
            cname,
            next_ms: now_ms.wrapping_add(first_ms),
            packets_reported: 0,
            sent: 0,
            received: 0,
            source: PackedAddress::NONE,
            ssrc: 0,
            last_sender_report: None,
            round_trip_us: None,
            round_trip_max_us: None,
            remote: None,
            second_ms: now_ms,
            in_second: 0,
        }
    }

    /// 5 s, times 0.5 to 1.5 (RFC 3550 §6.3.1).
    pub fn schedule_next(&mut self, now_ms: u32) {
        let interval = within(&mut self.random, INTERVAL_MS);
        self.next_ms = now_ms.wrapping_add(interval);
    }

    /// Whether one more report may be read in this second.
    pub fn admit(&mut self, now_ms: u32) -> bool {
        if clock::is_due(now_ms, self.second_ms.wrapping_add(1_000)) {
            self.second_ms = now_ms;
            self.in_second = 0;
        }
        self.in_second += 1;
        self.in_second <= shared::limits::RTCP_RATE_MAX
    }
}

/// A number in `from..to`.
const fn within(random: &mut SplitMix, (from, to): (u32, u32)) -> u32 {
    from + random.below((to - from) as u64) as u32
}

const LEFT_SOURCE_MS: u32 = 1_000;
/// Time after an offer in which its sender's media may come from another source, and the silence of the old
/// source that this needs: a source that still sends has not moved.
const MAY_MOVE_MS: u32 = 2_000;
const MOVED_SILENCE_MS: u32 = 200;
const INTERVAL_MS: (u32, u32) = (2_500, 7_500);
/// G.109: below an R of 70 many users are dissatisfied, from 80 on users are satisfied.
const R_BAD_TENTHS: u16 = 700;
const R_GOOD_TENTHS: u16 = 800;
const LOOK_AGAIN_MS: u32 = 1_000;
const CNAME_LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_reported_once_and_a_new_one_again() {
        let mut watch = MediaWatch { since_ms: 0, reported: None };
        assert_eq!(watch.check(10, None, 100), (false, 100));
        assert!(watch.check(100, None, 100).0);
        assert!(!watch.check(500, None, 100).0);
        assert_eq!(watch.check(560, Some(550), 100), (false, 650));
        assert!(watch.check(650, Some(550), 100).0);
        assert!(!watch.check(900, Some(550), 100).0);
    }

    #[test]
    fn a_verdict_changes_at_its_bounds_and_does_not_flutter() {
        let mut quality_watch = QualityWatch::default();
        let mut hear =
            |r_tenths| quality_watch.hear(&IntervalQuality { r_tenths, ..Default::default() });
        assert_eq!([900, 750, 699].map(&mut hear), [None, None, Some(true)]);
        assert_eq!([600, 750, 799].map(&mut hear), [None, None, None]);
        assert_eq!([800, 701, 0].map(&mut hear), [Some(false), None, Some(true)]);
        assert_eq!(
            (quality_watch.intervals, quality_watch.intervals_bad, quality_watch.worst_r_tenths),
            (9, 5, Some(0))
        );
    }

    #[test]
    fn ten_reports_a_second_are_read() {
        let mut reports = Reports::new(SplitMix::new(1), Instant::ZERO);
        assert_eq!((0..20).filter(|_| reports.admit(5)).count(), 10);
        assert!(reports.admit(1_000));
    }

    #[test]
    fn report_times_come_from_the_seed() {
        let times = |seed| {
            let mut reports = Reports::new(SplitMix::new(seed), Instant::ZERO);
            reports.schedule_next(0);
            (reports.next_ms, reports.cname)
        };
        assert_eq!(times(1), times(1));
        assert_ne!(times(1), times(2));
        assert!((2_500..7_500).contains(&times(3).0));
    }
}
