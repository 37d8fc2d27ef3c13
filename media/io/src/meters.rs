//! Counters of one core: written by the core only, readable from any thread. No locks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

use plane::{DropReason, PlaneMeters};
use shared::{Instant, Sink};

macro_rules! counters {
    (
        each { $($(#[$doc:meta])* $name:ident,)* }
        lists { $($(#[$list_doc:meta])* $list:ident: $len:expr,)* }
    ) => {
        /// The figures of one core at one time. Counters start at 0 with the core, and again when it
        /// restarts after a panic (`restarts`).
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct CoreFigures {
            $($(#[$doc])* pub $name: u64,)*
            $($(#[$list_doc])* pub $list: [u64; $len],)*
        }

        /// Shared memory in which a core publishes its [`CoreFigures`]. One writer; padded so that it shares
        /// no cache line with anything else.
        #[derive(Debug)]
        #[repr(align(128))]
        pub struct CoreMeters {
            $($name: AtomicU64,)*
            $($list: [AtomicU64; $len],)*
            is_dead: AtomicBool,
            version: AtomicU64,
        }

        impl Default for CoreMeters {
            /// All zero, with no turn due.
            fn default() -> Self {
                let meters = Self {
                    $($name: AtomicU64::new(0),)*
                    $($list: Default::default(),)*
                    is_dead: AtomicBool::new(false),
                    version: AtomicU64::new(0),
                };
                meters.next_turn_ns.store(u64::MAX, Ordering::Relaxed);
                meters
            }
        }

        impl CoreMeters {
            fn load(&self) -> CoreFigures {
                CoreFigures {
                    $($name: self.$name.load(Ordering::Relaxed),)*
                    $($list: std::array::from_fn(|i| self.$list[i].load(Ordering::Relaxed)),)*
                }
            }

            fn store(&self, figures: &CoreFigures) {
                $(self.$name.store(figures.$name, Ordering::Relaxed);)*
                $(for (cell, value) in self.$list.iter().zip(figures.$list) {
                    cell.store(value, Ordering::Relaxed);
                })*
            }
        }
    };
}

counters! {
    each {
        /// Datagrams received from the kernel. Equals `packets_forwarded + packets_to_mesh + packets_consumed`
        /// and all of `dropped`.
        packets_received,
        /// Of those: rewritten and sent to a peer on this core.
        packets_forwarded,
        /// Of those: handed to another core.
        packets_to_mesh,
        /// Of those: used here (RTCP, digits, taps).
        packets_consumed,
        /// Datagrams passed to the kernel, failed ones included.
        packets_sent,
        /// Of those: refused by the kernel. When it moves: check routes, firewall and socket buffers.
        send_failed,
        /// RTP packets made from prompts.
        sent_prompt,
        /// RTP packets of silence.
        sent_silence,
        /// RTP packets of telephone events that we made.
        sent_events,
        /// RTP packets of digits as tones, for parties without telephone events.
        sent_tones,
        /// RTP packets with audio of a feed.
        sent_feed,
        /// RTCP packets.
        sent_rtcp,
        /// Whole packets that came from other cores.
        mesh_received,
        /// Of those: sent to the peer.
        mesh_forwarded,
        /// Of those: used here.
        mesh_consumed,
        /// Frames of packets whose other parts never arrived.
        mesh_frames_incomplete,
        /// Receptions that stopped for want of a buffer and were restarted. When it moves often: the core is too
        /// slow for its load, or another process takes its CPU.
        buffer_shortages,
        /// Receptions that stopped for another reason and were restarted.
        receive_rearmed,
        /// Legs without RTCP, because there was no socket for it. When it moves: another process holds the odd
        /// port, or RTCP uses its whole share of open files (`limits::RTCP_FILES_SHARE`).
        rtcp_unopened,
        /// Waits that slept.
        wakes,
        /// Rate of those over the last second in which the core turned.
        wakes_per_second,
        /// Turns of the loop.
        turns,
        /// Commands taken.
        commands,
        /// Commands refused: for legs that do not exist, or for want of room.
        commands_refused,
        /// Events sent to signaling.
        events,
        /// Informative events (latched, digit, quality, BYE) dropped because signaling did not keep up.
        events_dropped,
        /// Events that signaling waits for, lost because the ring was full. Always 0; anything else is a fault
        /// of the gateway.
        events_lost,
        /// Digits reported.
        digits_received,
        /// Frames of 20 ms that the ring of feeds brought.
        feed_frames,
        /// Of those: played to their end, heard or not (on hold, under a prompt).
        feed_frames_played,
        /// Of those: dropped by a clear or with their feed.
        feed_frames_cleared,
        /// Of those: dropped because too many of their feed waited. When it moves: the writer runs ahead of its
        /// pace.
        feed_frames_full,
        /// Of those: dropped because their feed was not open.
        feed_frames_unknown,
        /// Of those: waiting now.
        feed_frames_waiting,
        /// Times that a feed ran out behind audio, at the end of what its thread had to say or within it.
        feed_underruns,
        /// Feeds that are open now.
        feeds,
        /// RTP packets with audio of a room.
        sent_room,
        /// Rooms that are open now.
        rooms,
        /// Members of rooms now.
        room_members,
        /// Packets of members that came after their frame was mixed. When it moves often: the members' networks
        /// have more jitter than their playout delay.
        room_packets_late,
        /// Frames of members with samples that were not there in time.
        room_frames_lost,
        /// Frames of members left out because too many waited.
        room_frames_left_out,
        /// Frames of rooms for other cores.
        room_sums_sent,
        /// Frames of rooms that found no place in the ring to another core. When it moves: that core is overloaded.
        room_sums_unsent,
        /// Frames of rooms from other cores.
        room_sums_received,
        /// Of those: after their tick, or for a room that is not open.
        room_sums_late,
        /// Sums of other cores missing at their tick. When it moves: a core is overloaded.
        room_sums_lost,
        /// Frames of coaches beyond the most of one tick.
        room_coaches_left_out,
        /// One-millisecond slots that were served.
        ticks,
        /// Slots that were skipped because the core was late.
        ticks_skipped,
        /// Legs that are up now.
        legs,
        /// Legs whose party's packets the fast path relays now.
        legs_below,
        /// Packets that it relayed; `packets_received`, `packets_forwarded` and `packets_sent` hold them too.
        packets_below,
        /// Of `packets_below`: those that were relayed at the XDP hook.
        packets_by_driver,
        /// Packets that it dropped; `packets_received` and `dropped` hold them too.
        packets_dropped_below,
        /// Lateness of ticks in microseconds: median since the start.
        tick_late_p50_us,
        /// The same: 99th percentile.
        tick_late_p99_us,
        /// The same: worst.
        tick_late_max_us,
        /// Restarts of the core after a panic; each ended all its legs.
        restarts,
        /// End of the last turn, in nanoseconds of the process clock.
        last_turn_ns,
        /// Deadline of the next turn, same clock; `u64::MAX` while nothing is due.
        next_turn_ns,
    }
    lists {
        /// Packets from sockets that were dropped, by [`DropReason::ALL`].
        dropped: DropReason::ALL.len(),
        /// Packets from other cores that were dropped, by [`DropReason::ALL`].
        mesh_dropped: DropReason::ALL.len(),
        /// Frames that a sink took, by [`Sink::ALL`].
        tap_frames: Sink::ALL.len(),
        /// Frames that it had no room for, by [`Sink::ALL`]. When it moves: the reader is too slow; the
        /// recorder's disk, for example.
        tap_frames_lost: Sink::ALL.len(),
        /// Taps that are up now, by [`Sink::ALL`].
        taps: Sink::ALL.len(),
    }
}

impl CoreFigures {
    /// Datagrams that are in no other counter: always 0.
    pub fn received_balance(&self) -> i128 {
        let out = self.packets_forwarded + self.packets_to_mesh + self.packets_consumed;
        i128::from(self.packets_received) - i128::from(out + self.dropped.iter().sum::<u64>())
    }

    /// Packets from sockets dropped for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    pub(crate) fn take_plane(&mut self, plane: &PlaneMeters) {
        self.packets_forwarded = plane.packets_forwarded;
        self.packets_to_mesh = plane.packets_to_mesh;
        self.packets_consumed = plane.packets_consumed;
        self.sent_prompt = plane.sent_prompt;
        self.sent_silence = plane.sent_silence;
        self.sent_events = plane.sent_events;
        self.sent_tones = plane.sent_tones;
        self.sent_rtcp = plane.sent_rtcp;
        self.mesh_received = plane.mesh_received;
        self.mesh_forwarded = plane.mesh_forwarded;
        self.mesh_consumed = plane.mesh_consumed;
        self.mesh_frames_incomplete = plane.mesh_frames_incomplete;
        self.commands_refused = plane.commands_refused;
        self.digits_received = plane.digits_received;
        self.tap_frames = Sink::ALL.map(|sink| plane.tap_frames[sink]);
        self.tap_frames_lost = Sink::ALL.map(|sink| plane.tap_frames_lost[sink]);
        self.sent_feed = plane.sent_feed;
        self.feed_frames = plane.feed_frames;
        self.feed_frames_played = plane.feed_frames_played;
        self.feed_frames_cleared = plane.feed_frames_cleared;
        self.feed_frames_full = plane.feed_frames_full;
        self.feed_frames_unknown = plane.feed_frames_unknown;
        self.feed_frames_waiting = plane.feed_frames_waiting;
        self.feed_underruns = plane.feed_underruns;
        self.feeds = plane.feeds;
        self.sent_room = plane.sent_room;
        self.rooms = plane.rooms;
        self.room_members = plane.room_members;
        self.room_packets_late = plane.room_packets_late;
        self.room_frames_lost = plane.room_frames_lost;
        self.room_frames_left_out = plane.room_frames_left_out;
        self.room_sums_sent = plane.room_sums_sent;
        self.room_sums_unsent = plane.room_sums_unsent;
        self.room_sums_received = plane.room_sums_received;
        self.room_sums_late = plane.room_sums_late;
        self.room_sums_lost = plane.room_sums_lost;
        self.room_coaches_left_out = plane.room_coaches_left_out;
        self.ticks = plane.ticks;
        self.ticks_skipped = plane.ticks_skipped;
        self.legs = plane.legs;
        self.legs_below = plane.legs_below;
        self.packets_below = plane.packets_below;
        self.packets_by_driver = plane.packets_by_driver;
        self.packets_dropped_below = plane.packets_dropped_below;
        self.taps = Sink::ALL.map(|sink| plane.taps[sink]);
        for (cell, (_, count)) in self.dropped.iter_mut().zip(plane.packets_dropped.iter()) {
            *cell = count;
        }
        for (cell, (_, count)) in self.mesh_dropped.iter_mut().zip(plane.mesh_dropped.iter()) {
            *cell = count;
        }
    }
}

/// Publishing takes a tenth of a microsecond, so the second attempt nearly always succeeds.
const READ_ATTEMPTS: usize = 1_000;

/// Health of a core, as seen from another thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// It runs, or sleeps with nothing due.
    Beating,
    /// Its next turn is overdue. A few milliseconds are a busy machine; the caller decides when a core counts
    /// as stalled (a second is generous).
    Late {
        /// Milliseconds since the turn was due.
        by_ms: u64,
    },
    /// Its thread has ended: its legs are gone.
    Dead,
}

impl CoreMeters {
    /// The figures as of the core's last turn, all of one and the same turn.
    pub fn figures(&self) -> CoreFigures {
        let attempts = (0..READ_ATTEMPTS).find_map(|_| self.try_figures());
        // Every attempt failed: the core was stopped in the middle of publishing, or publishes all the time.
        attempts.unwrap_or_else(|| self.load())
    }

    /// `None` when the core published meanwhile.
    fn try_figures(&self) -> Option<CoreFigures> {
        let before = self.version.load(Ordering::Acquire);
        let figures = self.load();
        fence(Ordering::Acquire);
        let after = self.version.load(Ordering::Relaxed);
        (before.is_multiple_of(2) && before == after).then_some(figures)
    }

    /// The core's side; never waits. The version is odd while figures of two turns are mixed.
    pub(crate) fn publish(&self, figures: &CoreFigures) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.store(figures);
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// Health of the core at `now`.
    pub fn heartbeat(&self, now: Instant) -> Heartbeat {
        if self.is_dead.load(Ordering::Acquire) {
            return Heartbeat::Dead;
        }
        let due = Instant::from_nanos(self.next_turn_ns.load(Ordering::Relaxed));
        match now.since(due).as_millis() {
            0 => Heartbeat::Beating,
            late => Heartbeat::Late { by_ms: u64::try_from(late).unwrap_or(u64::MAX) },
        }
    }

    pub(crate) fn die(&self) {
        self.is_dead.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn figures_read_back_what_was_published() {
        let meters = CoreMeters::default();
        let mut figures =
            CoreFigures { packets_received: 7, taps: [3, 0, 0], ..CoreFigures::default() };
        figures.dropped[DropReason::Stranger as usize] = 7;
        meters.publish(&figures);
        assert_eq!(meters.figures(), figures);
        assert_eq!(figures.received_balance(), 0);
    }

    #[test]
    fn figures_are_of_one_turn_while_the_core_goes_on() {
        let meters = Arc::new(CoreMeters::default());
        let core = std::thread::spawn({
            let meters = Arc::clone(&meters);
            move || {
                for turn in 0..50_000 {
                    let mut figures = CoreFigures { packets_received: turn, ..Default::default() };
                    figures.mesh_dropped[DropReason::ALL.len() - 1] = turn;
                    meters.publish(&figures);
                }
            }
        });
        while !core.is_finished() {
            let Some(figures) = meters.try_figures() else { continue };
            let last = figures.mesh_dropped[DropReason::ALL.len() - 1];
            assert_eq!(figures.packets_received, last);
        }
    }

    #[test]
    fn a_core_that_sleeps_with_nothing_due_beats_and_one_that_missed_its_turn_is_late() {
        let meters = CoreMeters::default();
        let at = |next_turn_ns| CoreFigures { next_turn_ns, ..CoreFigures::default() };
        meters.publish(&at(u64::MAX));
        assert_eq!(meters.heartbeat(Instant::from_millis(5_000)), Heartbeat::Beating);
        meters.publish(&at(1_000_000_000));
        let heartbeat = meters.heartbeat(Instant::from_millis(1_500));
        assert_eq!(heartbeat, Heartbeat::Late { by_ms: 500 });
        meters.die();
        assert_eq!(meters.heartbeat(Instant::ZERO), Heartbeat::Dead);
    }
}
