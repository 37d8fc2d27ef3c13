//! Counters of the media cores as Prometheus text. Shell: reads what the cores publish.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use io::kernel::InterfaceMeters;
use io::{Backend, CoreFigures, CoreMeters, Heartbeat};
use plane::DropReason;
use shared::{MediaInterface, Sink};

use shell::{Clock, Text};

/// One core as /metrics sees it.
#[derive(Clone, Debug)]
pub struct CoreView {
    /// Its number, the label `core`.
    pub core: String,
    /// What it runs on.
    pub backend: Backend,
    /// The CPU it is pinned to.
    pub cpu: Option<usize>,
    /// Its counters.
    pub meters: Arc<CoreMeters>,
}

/// A line of the table below: name, type, help, value.
type Row = (&'static str, &'static str, &'static str, fn(&CoreFigures) -> u64);

/// For every core: received = forwarded + to mesh + consumed + dropped, to the packet.
const ROWS: &[Row] = &[
    (
        "media_packets_received_total",
        "counter",
        "Datagrams received. Equals forwarded + to_mesh + consumed + dropped.",
        |f| f.packets_received,
    ),
    (
        "media_packets_forwarded_total",
        "counter",
        "Received datagrams rewritten and sent to a peer on this core.",
        |f| f.packets_forwarded,
    ),
    ("media_packets_to_mesh_total", "counter", "Received datagrams handed to another core.", |f| {
        f.packets_to_mesh
    }),
    (
        "media_packets_consumed_total",
        "counter",
        "Received datagrams used here: RTCP, digits, recordings, held or unbridged legs.",
        |f| f.packets_consumed,
    ),
    (
        "media_feed_frames_total",
        "counter",
        "Frames of applications for their parties. Equals played + cleared + full + unknown + waiting.",
        |f| f.feed_frames,
    ),
    ("media_feed_frames_played_total", "counter", "Of those: sent to the party.", |f| {
        f.feed_frames_played
    }),
    (
        "media_feed_frames_cleared_total",
        "counter",
        "Of those: dropped by a clear or an end.",
        |f| f.feed_frames_cleared,
    ),
    ("media_feed_frames_full_total", "counter", "Of those: lost, because too many waited.", |f| {
        f.feed_frames_full
    }),
    ("media_feed_frames_unknown_total", "counter", "Of those: for a feed that is gone.", |f| {
        f.feed_frames_unknown
    }),
    ("media_feed_frames_waiting", "gauge", "Of those: not sent yet.", |f| f.feed_frames_waiting),
    (
        "media_packets_sent_total",
        "counter",
        "Datagrams given to the kernel, refused ones too.",
        |f| f.packets_sent,
    ),
    (
        "media_packets_refused_total",
        "counter",
        "Datagrams that the kernel refused. Look at routes, firewall and socket buffers.",
        |f| f.send_failed,
    ),
    ("media_prompt_packets_sent_total", "counter", "RTP packets made from prompts.", |f| {
        f.sent_prompt
    }),
    ("media_silence_packets_sent_total", "counter", "RTP packets of silence.", |f| f.sent_silence),
    (
        "media_event_packets_sent_total",
        "counter",
        "RTP packets of telephone events that we made.",
        |f| f.sent_events,
    ),
    (
        "media_tone_packets_sent_total",
        "counter",
        "RTP packets of digits as tones, for parties without telephone events.",
        |f| f.sent_tones,
    ),
    ("media_room_packets_sent_total", "counter", "RTP packets with audio of a room.", |f| {
        f.sent_room
    }),
    ("media_rtcp_packets_sent_total", "counter", "RTCP packets sent.", |f| f.sent_rtcp),
    ("media_mesh_packets_received_total", "counter", "Whole packets from other cores.", |f| {
        f.mesh_received
    }),
    (
        "media_mesh_packets_forwarded_total",
        "counter",
        "Packets from other cores sent to the peer.",
        |f| f.mesh_forwarded,
    ),
    ("media_mesh_packets_consumed_total", "counter", "Packets from other cores used here.", |f| {
        f.mesh_consumed
    }),
    (
        "media_buffer_shortages_total",
        "counter",
        "Receptions begun again for want of a buffer. Often: the core is too slow for its load.",
        |f| f.buffer_shortages,
    ),
    (
        "media_receptions_rearmed_total",
        "counter",
        "Receptions begun again for another reason: errors of sockets.",
        |f| f.receive_rearmed,
    ),
    (
        "media_rtcp_unopened_total",
        "counter",
        "Legs without RTCP: another process is on the odd port, or RTCP uses its quarter of open files.",
        |f| f.rtcp_unopened,
    ),
    (
        "media_mesh_frames_incomplete_total",
        "counter",
        "Frames from other cores whose packet never came whole.",
        |f| f.mesh_frames_incomplete,
    ),
    (
        "media_core_restarts_total",
        "counter",
        "Times the core restarted after a panic and lost its legs. Report it with the log.",
        |f| f.restarts,
    ),
    ("media_turns_total", "counter", "Turns of the core's loop.", |f| f.turns),
    ("media_wakes_total", "counter", "Waits that slept.", |f| f.wakes),
    (
        "media_wakes_per_second",
        "gauge",
        "Rate of waits that slept, over the last second in which the core turned.",
        |f| f.wakes_per_second,
    ),
    ("media_commands_taken_total", "counter", "Commands of signaling.", |f| f.commands),
    (
        "media_commands_refused_total",
        "counter",
        "Commands for legs that are not there, or without room.",
        |f| f.commands_refused,
    ),
    ("media_events_told_total", "counter", "Events told to signaling.", |f| f.events),
    (
        "media_events_dropped_total",
        "counter",
        "Informative events left out because signaling did not keep up.",
        |f| f.events_dropped,
    ),
    (
        "media_events_lost_total",
        "counter",
        "Events lost that signaling waits for. Always 0; else a fault of ours.",
        |f| f.events_lost,
    ),
    ("media_digits_received_total", "counter", "Digits reported.", |f| f.digits_received),
    ("media_ticks_total", "counter", "One-millisecond slots worked off.", |f| f.ticks),
    (
        "media_ticks_skipped_total",
        "counter",
        "Slots left out because the core was too late.",
        |f| f.ticks_skipped,
    ),
    ("media_rooms", "gauge", "Rooms that are open now.", |f| f.rooms),
    ("media_room_members", "gauge", "Members of rooms now.", |f| f.room_members),
    (
        "media_room_packets_late_total",
        "counter",
        "Packets of members after their frame was mixed: more jitter than the playout delay.",
        |f| f.room_packets_late,
    ),
    (
        "media_room_frames_lost_total",
        "counter",
        "Frames of members with samples that were lost or late.",
        |f| f.room_frames_lost,
    ),
    (
        "media_room_frames_left_out_total",
        "counter",
        "Frames of members left out because too many waited.",
        |f| f.room_frames_left_out,
    ),
    ("media_room_sums_sent_total", "counter", "Frames of rooms for other cores.", |f| {
        f.room_sums_sent
    }),
    (
        "media_room_sums_unsent_total",
        "counter",
        "Frames of rooms that a ring had no room for: the other core is overloaded.",
        |f| f.room_sums_unsent,
    ),
    ("media_room_sums_received_total", "counter", "Frames of rooms from other cores.", |f| {
        f.room_sums_received
    }),
    (
        "media_room_sums_late_total",
        "counter",
        "Frames of rooms from other cores after their tick.",
        |f| f.room_sums_late,
    ),
    (
        "media_room_sums_lost_total",
        "counter",
        "Sums of other cores missing at their tick: a core is overloaded.",
        |f| f.room_sums_lost,
    ),
    (
        "media_room_coaches_left_out_total",
        "counter",
        "Frames of coaches beyond eight at once in a room.",
        |f| f.room_coaches_left_out,
    ),
    ("media_legs", "gauge", "Legs that are up now.", |f| f.legs),
    ("media_fast_path_legs", "gauge", "Legs whose party's packets the kernel relays now.", |f| {
        f.legs_below
    }),
    (
        "media_fast_path_packets_total",
        "counter",
        "Packets that the kernel relayed; received, forwarded and sent hold them too.",
        |f| f.packets_below,
    ),
    (
        "media_fast_path_driver_packets_total",
        "counter",
        "Of these: packets that a network driver relayed, at the XDP hook.",
        |f| f.packets_by_driver,
    ),
    (
        "media_fast_path_packets_dropped_total",
        "counter",
        "Packets that the kernel dropped; received and dropped hold them too.",
        |f| f.packets_dropped_below,
    ),
    (
        "media_tick_late_p50_microseconds",
        "gauge",
        "Lateness of ticks since the start: median.",
        |f| f.tick_late_p50_us,
    ),
    (
        "media_tick_late_p99_microseconds",
        "gauge",
        "Lateness of ticks since the start: 99th percentile.",
        |f| f.tick_late_p99_us,
    ),
    (
        "media_tick_late_max_microseconds",
        "gauge",
        "Lateness of ticks since the start: worst.",
        |f| f.tick_late_max_us,
    ),
];

/// As [`Row`], with a value for each sink of taps.
type SinkRow =
    (&'static str, &'static str, &'static str, fn(&CoreFigures) -> [u64; Sink::ALL.len()]);

const SINK_ROWS: &[SinkRow] = &[
    ("media_tap_frames_total", "counter", "Frames that a sink of taps took.", |f| f.tap_frames),
    (
        "media_tap_frames_lost_total",
        "counter",
        "Frames that a sink had no room for. Sink recorder: its disk is too slow.",
        |f| f.tap_frames_lost,
    ),
    ("media_taps", "gauge", "Tapped legs now.", |f| f.taps),
];

/// Adds each interface at which the kernel relays since the start, with its hook and the reason that it has not the XDP
/// hook.
pub fn write_hooks(text: &mut Text, interfaces: &[MediaInterface]) {
    const NAME: &str = "media_fast_path_interface_info";
    text.metric(NAME, "gauge", "Where the kernel relays; reason: why not at the XDP hook.");
    for interface in interfaces {
        let reason = interface.why_not_xdp.as_deref().unwrap_or_default();
        let labels =
            [("interface", &*interface.name), ("hook", interface.hook), ("reason", reason)];
        text.sample(NAME, &labels, 1);
    }
}

/// Adds the counters of all cores, and the interfaces of the fast path; all 0 where it does not run.
pub fn write(text: &mut Text, cores: &[CoreView], interfaces: &InterfaceMeters) {
    let figures: Vec<CoreFigures> = cores.iter().map(|core| core.meters.figures()).collect();
    for (name, kind, help, value) in ROWS {
        text.metric(name, kind, help);
        for (core, figures) in cores.iter().zip(&figures) {
            text.sample(name, &[("core", &core.core)], value(figures));
        }
    }
    for (name, kind, help, values) in SINK_ROWS {
        text.metric(name, kind, help);
        for (core, figures) in cores.iter().zip(&figures) {
            for (sink, value) in Sink::ALL.iter().zip(values(figures)) {
                let labels = [("core", core.core.as_str()), ("sink", sink.name())];
                text.sample(name, &labels, value);
            }
        }
    }
    write_drops(text, cores, &figures, "media_packets_dropped_total", |figures| &figures.dropped);
    write_drops(text, cores, &figures, "media_mesh_packets_dropped_total", |f| &f.mesh_dropped);
    write_info(text, cores);
    write_interfaces(text, interfaces);
}

fn write_interfaces(text: &mut Text, interfaces: &InterfaceMeters) {
    let rows = [
        (
            "media_fast_path_interfaces",
            "Network interfaces on which the kernel relays.",
            &interfaces.attached,
        ),
        (
            "media_fast_path_interfaces_left_out",
            "Network interfaces that carry media and on which the kernel cannot relay.",
            &interfaces.left_out,
        ),
    ];
    for (name, help, count) in rows {
        text.metric(name, "gauge", help);
        text.sample(name, &[], count.load(Relaxed));
    }
}

fn write_drops(
    text: &mut Text,
    cores: &[CoreView],
    figures: &[CoreFigures],
    name: &str,
    of: impl Fn(&CoreFigures) -> &[u64; DropReason::ALL.len()],
) {
    text.metric(name, "counter", "Packets thrown away, by reason.");
    for (core, figures) in cores.iter().zip(figures) {
        for (reason, count) in DropReason::ALL.iter().zip(of(figures)) {
            let labels = [("core", core.core.as_str()), ("reason", reason.name())];
            text.sample(name, &labels, count);
        }
    }
}

fn write_info(text: &mut Text, cores: &[CoreView]) {
    text.metric(
        "media_backend_info",
        "gauge",
        "What each core runs on, and the CPU it is pinned to.",
    );
    for core in cores {
        let cpu = core.cpu.map_or("none".to_owned(), |cpu| cpu.to_string());
        let labels =
            [("core", core.core.as_str()), ("backend", core.backend.name()), ("cpu", cpu.as_str())];
        text.sample("media_backend_info", &labels, 1);
    }
    text.metric(
        "media_core_up",
        "gauge",
        "Whether the core turns: 0 means that its legs are gone.",
    );
    for core in cores {
        let up = core.meters.heartbeat(Clock.mono()) != Heartbeat::Dead;
        text.sample("media_core_up", &[("core", &core.core)], u8::from(up));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_interface_has_a_sample_with_its_reason() {
        let why_not_xdp = Some("the driver of lo does not offer it".to_owned());
        let lo = MediaInterface { name: "lo".into(), hook: "tc", why_not_xdp };
        let eth0 = MediaInterface { name: "eth0".into(), hook: "xdp", why_not_xdp: None };
        let mut text = Text::default();
        write_hooks(&mut text, &[eth0, lo]);
        let text = text.finish();
        for labels in [
            "interface=\"eth0\",hook=\"xdp\",reason=\"\"",
            "interface=\"lo\",hook=\"tc\",reason=\"the driver of lo does not offer it\"",
        ] {
            assert!(text.contains(&format!("_interface_info{{{labels}}} 1\n")), "{text}");
        }
    }

    #[test]
    fn every_core_reason_and_sink_has_a_sample() {
        let cores = [0, 1].map(|core| CoreView {
            core: core.to_string(),
            backend: Backend::Portable,
            cpu: (core == 1).then_some(3),
            meters: Arc::default(),
        });
        let mut text = Text::default();
        write(&mut text, &cores, &InterfaceMeters::default());
        let text = text.finish();
        assert!(
            text.contains("media_packets_dropped_total{core=\"1\",reason=\"stranger\"} 0\n"),
            "{text}"
        );
        assert!(
            text.contains("media_tap_frames_lost_total{core=\"1\",sink=\"recorder\"} 0\n"),
            "{text}"
        );
        assert!(
            text.contains("media_backend_info{core=\"0\",backend=\"portable\",cpu=\"none\"} 1\n")
        );
        assert!(text.contains("media_backend_info{core=\"1\",backend=\"portable\",cpu=\"3\"} 1\n"));
        assert!(text.contains("media_core_up{core=\"0\"} 1\n"));
        assert!(text.contains("media_fast_path_interfaces 0\n"));
    }
}
