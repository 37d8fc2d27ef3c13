//! The memory that all limits together may take. Added up at start; a start that does not fit is refused.
//! Shell.
//!
//! A machine that runs out of memory kills the process and with it every call, so the sum of the bounds
//! must fit before the first call. README.md has the measurements behind the constants.

use shared::config::{ByteSize, Config, LimitsProfile};
use shared::limits;

/// The sum, line by line: name, count, bytes of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    lines: Vec<(&'static str, u64, u64)>,
    /// Calls at once: `limits.calls`, or as many as fit if that is 0.
    pub calls: u64,
}

/// The limits do not fit into the memory of the machine.
#[derive(Debug, thiserror::Error)]
#[error(
    "the limits may take {needed} of memory and this machine has {available}: {detail}. \
     Lower limits.calls, sip.connections_max or the number of media cores, or set limits.memory"
)]
pub struct DoesNotFit {
    needed: ByteSize,
    available: ByteSize,
    detail: String,
}

impl MemoryPlan {
    /// Adds up the limits of these settings for `cores` media cores in `available` bytes.
    ///
    /// # Errors
    /// When the sum is larger than what is available.
    pub fn new(config: &Config, cores: u64, available: u64) -> Result<Self, DoesNotFit> {
        let fixed = fixed_lines(config, cores);
        let fixed_bytes: u64 = fixed.iter().map(|(_, count, bytes)| count * bytes).sum();
        let legs = cores * limits::LEGS_PER_CORE_MAX as u64;
        let calls = match u64::from(config.limits.calls) {
            0 => {
                let room = available.saturating_sub(fixed_bytes) / CALL_BYTES;
                // One leg for each call. At least CALLS_MIN, so that a small machine can start.
                room.min(legs).max(CALLS_MIN)
            }
            asked => asked,
        };
        let mut lines = fixed;
        lines.push(("calls", calls, CALL_BYTES));
        let plan = Self { lines, calls };
        if plan.bytes() > available {
            return Err(DoesNotFit {
                needed: ByteSize(plan.bytes()),
                available: ByteSize(available),
                detail: plan.detail(),
            });
        }
        Ok(plan)
    }

    /// The sum of all lines.
    pub fn bytes(&self) -> u64 {
        self.lines.iter().map(|(_, count, bytes)| count * bytes).sum()
    }

    /// The lines, largest first, for the log.
    pub fn detail(&self) -> String {
        let mut lines = self.lines.clone();
        lines.sort_by_key(|(_, count, bytes)| std::cmp::Reverse(count * bytes));
        let text = |(what, count, bytes): &(&str, u64, u64)| {
            format!("{what} {count} x {} = {}", ByteSize(*bytes), ByteSize(count * bytes))
        };
        lines.iter().map(text).collect::<Vec<_>>().join(", ")
    }
}

fn fixed_lines(config: &Config, cores: u64) -> Vec<(&'static str, u64, u64)> {
    let ports = u64::from(config.media.ports.ports()) * config.media.addresses.len() as u64;
    let connections = u64::from(config.sip.connections_max);
    // The gateway leaves the legs of a core at their default.
    let members = config.media.room_members_max as usize;
    let streams = config.streams.core_max as usize;
    let recognitions = recognitions_a_core(config);
    let taps = shared::BySink::from_fn(|sink| match sink {
        shared::Sink::Recorder => limits::TAPS_PER_CORE_MAX,
        shared::Sink::Stream => streams,
        shared::Sink::Recognition => recognitions,
    });
    let io_config = io::IoConfig {
        room_members_max: members,
        taps_max: taps,
        feeds_max: streams,
        ..io::IoConfig::default()
    };
    let batch = u64::from(!config.engines.is_empty());
    let media_core = io::core_bytes(&io_config) as u64;
    let recordings = cores * limits::TAPS_PER_CORE_MAX as u64;
    let share = match config.limits.profile {
        LimitsProfile::Node | LimitsProfile::Twilio => 1,
    };
    vec![
        ("the process itself", 1, PROCESS_BYTES),
        ("speech workers", SPEECH_WORKERS as u64, SPEECH_WORKER_BYTES),
        ("media core legs, taps, feeds, rooms and rings", cores, media_core),
        ("media socket buffers", ports, MEDIA_SOCKET_BYTES),
        ("ports of the kernel's fast path", ports / 2, io::kernel::LEG_BYTES as u64),
        ("recordings", recordings, RECORDING_BYTES),
        ("media streams", cores * streams as u64, STREAM_BYTES),
        ("audio that applications sent ahead", 1, config.streams.buffer.0),
        ("recognitions", cores * recognitions as u64, RECOGNITION_BYTES),
        ("audio for recognition engines", config.engines.len() as u64, ENGINE_BYTES),
        ("recorded messages for engines", batch, limits::RECOGNITION_BATCH_BYTES_MAX as u64),
        ("calls that wait for a text", batch * limits::CALLS_AWAITING_TEXT_MAX as u64, CALL_BYTES),
        ("TCP and TLS connections", connections, CONNECTION_BYTES),
        ("connection write queues", share, limits::CONNECTION_WRITE_QUEUES_BYTES_MAX as u64),
        (
            "unfinished messages of connections",
            share,
            limits::SIP_CONNECTIONS_UNFINISHED_BYTES_MAX as u64,
        ),
        ("ended SIP transactions", TRANSACTIONS, TRANSACTION_BYTES),
        ("large answers of SIP transactions", share, limits::SERVER_ANSWERS_BYTES_MAX as u64),
        ("remembered nonces", limits::NONCES_REMEMBERED_MAX as u64, limits::NONCE_BYTES as u64),
        ("remembered sources", 2 * limits::SOURCES_REMEMBERED_MAX as u64, SOURCE_BYTES),
        ("registered contacts", config.sip.bindings_max.into(), limits::BINDING_BYTES as u64),
        ("webhooks", limits::WEBHOOK_CONCURRENCY_MAX as u64, WEBHOOK_BYTES),
        ("idle webhook connections", webhook::IDLE_TOTAL_MAX as u64, WEBHOOK_IDLE_BYTES),
        ("HTTP requests", limits::HTTP_CONNECTIONS_MAX as u64, HTTP_BYTES),
        ("HTTP event streams", limits::HTTP_EVENT_STREAMS_MAX as u64, HTTP_EVENTS_BYTES),
        ("REST pages being made", http_server::READERS_MAX as u64, REST_PAGE_BYTES),
        ("REST answers being read", share, limits::REST_ANSWERS_BYTES_MAX as u64),
        ("store queue", limits::STORE_QUEUE_MAX as u64, CHANGE_BYTES),
        ("history on its way to disk", share, limits::HISTORY_WAITING_BYTES_MAX as u64),
        ("readers of the bucket", storage::READERS_MAX as u64, storage::READER_BYTES),
        ("log lines", limits::LOG_LINES_WAITING_MAX as u64, limits::LOG_LINE_BYTES_MAX as u64),
        ("audio of prompts", share, config.limits.audio.0),
    ]
}

/// Taps for the recognition on each core: none without an engine.
pub(crate) fn recognitions_a_core(config: &Config) -> usize {
    if config.engines.is_empty() { 0 } else { config.recognition.core_max as usize }
}

/// Memory that this process may use: the machine's, or that of its control group if less.
pub fn available(config: &Config) -> u64 {
    if config.limits.memory.0 > 0 {
        return config.limits.memory.0;
    }
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_of(&text));
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group = group.and_then(|text| text.trim().parse::<u64>().ok());
    machine.unwrap_or(u64::MAX).min(group.unwrap_or(u64::MAX))
}

fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1_024)
}

/// A call in all its parts: machine and document, timeline (16 KiB), dialog with the headers it keeps,
/// records on their way. Measured: 20 KiB with a document of one verb, 211 KiB with one of 64 KiB and 950
/// verbs.
const CALL_BYTES: u64 = 256 * 1024;
/// Events that wait for one client of an event stream.
const HTTP_EVENTS_BYTES: u64 =
    (limits::HTTP_EVENTS_WAITING_MAX * limits::HTTP_EVENT_BYTES_MAX) as u64;
/// Calls that the smallest machine must be able to carry.
const CALLS_MIN: u64 = 100;
/// Program, thread stacks, pages of the store, trusted certificates: an idle process takes 80 MiB besides
/// what its media cores have touched.
const PROCESS_BYTES: u64 = 96 * 1024 * 1024;
/// A voice, and half an hour of speech, the longest that is spoken: at 16,000 Hz, at 8,000 Hz, and
/// framed.
const SPEECH_WORKER_BYTES: u64 = 160 * 1024 * 1024;
/// A media stream with TLS, less the audio that waits for its party.
const STREAM_BYTES: u64 = 24 * 1024;
/// A recognition: 400 ms of both tracks, its plan with all hints.
const RECOGNITION_BYTES: u64 = 80 * 1024;
/// What waits for one engine, and a line of it.
const ENGINE_BYTES: u64 =
    (2 * limits::RECOGNITION_WAITING_BYTES_MAX + 2 * limits::RECOGNITION_LINE_BYTES_MAX) as u64;
/// The buffer of one file, and its header and name.
const RECORDING_BYTES: u64 = 34 * 1024;
/// Kernel memory of one media socket with a second of G.711 waiting in it: buffers are allowed more
/// but filled only by a core that has stalled.
const MEDIA_SOCKET_BYTES: u64 = 16 * 1024;
/// A connection's buffers in the kernel (receive and send at their defaults while idle) and ours.
const CONNECTION_BYTES: u64 = 24 * 1024;
/// Transactions counted with the bytes of an ended one; live ones belong to calls.
const TRANSACTIONS: u64 = limits::SERVER_TRANSACTIONS_MAX as u64;
const TRANSACTION_BYTES: u64 = limits::SERVER_TRANSACTION_ENDED_BYTES_MAX as u64;
/// An entry of two tables, by address and by time, while they double.
const SOURCE_BYTES: u64 = 192;
/// A body as it came and unpacked, the headers in the connection's buffer and as a map, records of TLS,
/// the form.
const WEBHOOK_BYTES: u64 =
    (2 * limits::WEBHOOK_BODY_BYTES_MAX + 2 * limits::WEBHOOK_HEADERS_BYTES_MAX + 40 * 1024) as u64;
/// The buffer of a connection and what TLS keeps.
const WEBHOOK_IDLE_BYTES: u64 = (limits::WEBHOOK_HEADERS_BYTES_MAX + 16 * 1024) as u64;
/// The head in the connection's buffer and as a map, the body, TLS, a small answer. The buffer grows by
/// doubling: at the limits of head and body a connection in the clear takes 184 KiB.
const HTTP_BYTES: u64 = (2 * (limits::REST_URL_BYTES_MAX + limits::REST_HEADERS_BYTES_MAX)
    + limits::REST_BODY_BYTES_MAX
    + limits::REST_ANSWER_SMALL_BYTES
    + 72 * 1024) as u64;
/// A page of a thousand exchanges with 4 KiB of body each, as rows and as JSON.
const REST_PAGE_BYTES: u64 = 16 * 1024 * 1024;
/// The largest: a timeline.
const CHANGE_BYTES: u64 = limits::TIMELINE_BYTES_MAX as u64 + 4 * 1024;
/// Worker processes of the voice.
pub(crate) const SPEECH_WORKERS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use shared::config::Layers;

    fn config(calls: &str) -> Config {
        let mut layers = Layers::default();
        layers.add_flag("test", "limits.calls", calls);
        Config::from_layers(&layers).expect("valid")
    }

    #[test]
    fn a_machine_with_four_gigabytes_starts_with_the_defaults() {
        let plan = MemoryPlan::new(&config("0"), 1, 4 << 30).expect("fits");
        assert!(plan.bytes() <= 4 << 30);
        assert!(plan.calls >= 1_000, "{plan:?}");
    }

    #[test]
    fn calls_are_bounded_by_the_legs_of_the_cores() {
        let plan = MemoryPlan::new(&config("0"), 1, 1 << 40).expect("fits");
        assert_eq!(plan.calls, limits::LEGS_PER_CORE_MAX as u64);
    }

    #[test]
    fn more_memory_for_audio_is_in_the_sum() {
        let plan = |audio: &str| {
            let mut layers = Layers::default();
            layers.add_flag("test", "limits.calls", "1000");
            layers.add_flag("test", "limits.audio", audio);
            let config = Config::from_layers(&layers).expect("valid");
            MemoryPlan::new(&config, 1, 1 << 40).expect("fits").bytes()
        };
        assert_eq!(plan("\"1 GiB\"") - plan("\"128 MiB\""), 896 << 20);
    }

    #[test]
    fn limits_that_do_not_fit_are_refused_with_the_largest_part_named() {
        let error = MemoryPlan::new(&config("1000000"), 1, 8 << 30).expect_err("too much");
        let text = error.to_string();
        assert!(text.contains("calls 1000000") && text.contains("limits.calls"), "{text}");
    }

    #[test]
    fn total_memory_is_read_in_bytes() {
        assert_eq!(total_of("MemTotal:       1024 kB\nMemFree: 1 kB\n"), Some(1024 * 1024));
        assert_eq!(total_of("nothing"), None);
    }
}
