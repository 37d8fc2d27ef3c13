//! What all limits together may take of memory: added up at start, refused where it does not fit. Shell.

use shared::config::{ByteSize, Config, LimitsProfile};
use shared::limits;

/// The sum, line by line: how many of what, and the bytes of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    lines: Vec<(&'static str, u64, u64)>,
    /// Calls at once that fit, or that the settings ask for.
    pub calls: u64,
}

/// The limits do not fit into the machine.
#[derive(Debug, thiserror::Error)]
#[error(
    "the limits may take {needed} of memory and this machine has {available}: {detail}. \
     Lower limits.calls, sip.streams_max or the number of media cores, or set limits.memory"
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
                // A call has one leg; never so few that a small box cannot start.
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

    /// The sum.
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
    let streams = u64::from(config.sip.streams_max);
    let share = match config.limits.profile {
        LimitsProfile::Node | LimitsProfile::Twilio => 1,
    };
    vec![
        ("media core legs, taps and rings", cores, CORE_BYTES),
        ("media socket buffers", ports, MEDIA_SOCKET_BYTES),
        ("streams", streams, STREAM_BYTES),
        ("stream write queues", share, limits::STREAM_WRITE_QUEUES_BYTES_MAX as u64),
        ("unfinished messages of streams", share, limits::SIP_STREAMS_UNFINISHED_BYTES_MAX as u64),
        ("SIP transactions of strangers", TRANSACTIONS, TRANSACTION_BYTES),
        ("large answers of SIP transactions", share, limits::SERVER_ANSWERS_BYTES_MAX as u64),
        ("remembered nonces", limits::NONCES_REMEMBERED_MAX as u64, NONCE_BYTES),
        ("registered contacts", config.sip.bindings_max.into(), limits::BINDING_BYTES as u64),
        ("webhooks", limits::WEBHOOK_ACCOUNT_CONCURRENCY_MAX as u64, WEBHOOK_BYTES),
        ("HTTP requests", limits::HTTP_CONNECTIONS_MAX as u64, HTTP_BYTES),
        ("store queue", limits::STORE_QUEUE_MAX as u64, CHANGE_BYTES),
        ("history on its way to disk", share, limits::HISTORY_WAITING_BYTES_MAX as u64),
        ("audio of prompts", 1, config.limits.audio.0),
    ]
}

/// Memory that this process may use: the machine's, or its control group's where that is less.
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

/// A call in all its parts: machine and document (64 KiB of TwiML as text and tree), timeline (16 KiB),
/// dialog with the headers it keeps, records on their way.
const CALL_BYTES: u64 = 160 * 1024;
/// Calls that the smallest box must be able to carry.
const CALLS_MIN: u64 = 100;
/// Rings (64 bytes a slot), leg slabs (about 2 KiB a leg, 6 KiB more with SRTP), taps (4 KiB), recorder ring (360 bytes a slot).
const CORE_BYTES: u64 = ((limits::COMMAND_SLOTS + limits::EVENT_SLOTS) * 64
    + limits::LEGS_PER_CORE_MAX * (2_048 + 6_144)
    + limits::TAPS_PER_CORE_MAX * 4_096
    + limits::RECORDER_SLOTS * 360
    + 32_768 * 192) as u64;
/// Kernel memory of one media socket with a second of G.711 waiting in it: buffers are allowed more
/// but filled only by a core that has stalled.
const MEDIA_SOCKET_BYTES: u64 = 16 * 1024;
/// A stream's buffers in the kernel (receive and send at their defaults while idle) and ours.
const STREAM_BYTES: u64 = 24 * 1024;
/// Transactions counted with the bytes of an ended one; live ones belong to calls.
const TRANSACTIONS: u64 = limits::SERVER_TRANSACTIONS_MAX as u64;
const TRANSACTION_BYTES: u64 = limits::SERVER_TRANSACTION_ENDED_BYTES_MAX as u64;
const NONCE_BYTES: u64 = 64;
const WEBHOOK_BYTES: u64 =
    (limits::WEBHOOK_BODY_BYTES_MAX + limits::WEBHOOK_HEADERS_BYTES_MAX + 16 * 1024) as u64;
const HTTP_BYTES: u64 =
    (limits::REST_BODY_BYTES_MAX + limits::REST_HEADERS_BYTES_MAX + 32 * 1024) as u64;
const CHANGE_BYTES: u64 = 4 * 1024;

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
    fn a_box_with_four_gigabytes_starts_with_the_defaults() {
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
