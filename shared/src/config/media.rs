//! `[media]`: media cores, their addresses and ports. Pure.

use std::fmt;
use std::net::IpAddr;

use super::checks::Checks;
use super::section::section;
use super::value::{SettingValue, Value, integer, text, word_settings};
use crate::leg::LatchMode;
use crate::limits::ROOM_MEMBERS_PER_CORE_MAX;

section! {
    /// Media cores, their addresses and ports.
    #[derive(Clone, Debug, PartialEq)]
    Media in "media" {
        /// CPUs that media threads are pinned to, or auto.
        cores: Cores = "\"auto\"",
        /// io_uring, portable, or auto: io_uring where the kernel allows it.
        backend: Backend = "\"auto\"",
        /// Relays bridged calls inside the kernel: auto = at the tc hook where the kernel allows it, tc, xdp = in the driver of each network card that can, or off.
        fast_path: FastPath = "\"auto\"",
        /// Local addresses that media ports are opened on; more addresses, more ports.
        addresses: Vec<IpAddr> = "[\"0.0.0.0\"]",
        /// UDP ports, divided among the cores; must not overlap the kernel's ephemeral range.
        ports: PortRange = "\"10000-19999\"",
        /// Sources a leg takes media from until it is locked: sdp, peer or any.
        latch: LatchMode = "\"peer\"",
        /// Differentiated services code point of RTP and RTCP, 0 to 63; 46 is expedited forwarding (RFC 3246).
        dscp: u32 = "46",
        /// Whether to detect digits in the audio of parties that negotiated no telephone events.
        inband_digits: bool = "true",
        /// Members of rooms (conferences, queues) that one core mixes at once.
        room_members_max: u32 = "1000",
        /// SRTP: secure = required by Secure domains and secure=true, refused elsewhere; offered = also accepted from any caller that offers it.
        srtp: SrtpUse = "\"secure\"",
        /// Seconds without media after which a call ends; 0 = never.
        timeout_s: u32 = "60",
        /// The same while the call is on hold.
        hold_timeout_s: u32 = "3600",
    }
}

impl Media {
    pub(super) fn check(&self, checks: &mut Checks<'_>) {
        checks.require(
            !self.addresses.is_empty(),
            "media.addresses",
            "needs at least one address (0.0.0.0 is any)",
        );
        // The number of an address is 8 bits wide in a leg's plan.
        checks.require(
            self.addresses.len() <= usize::from(u8::MAX),
            "media.addresses",
            "takes at most 255 addresses",
        );
        checks.require(self.dscp <= 63, "media.dscp", "takes 0 to 63");
        checks.require(
            self.room_members_max as usize <= ROOM_MEMBERS_PER_CORE_MAX,
            "media.room_members_max",
            "takes at most 8192, as many legs as a core may have",
        );
    }
}

word_settings! {
    /// How packets enter and leave a media core.
    Backend = "auto, io_uring or portable" {
        /// io_uring where the kernel allows it, else portable.
        #[default]
        Auto = "auto",
        /// io_uring; where the kernel denies it the gateway does not start.
        IoUring = "io_uring",
        /// epoll, on every kernel.
        Portable = "portable",
    }

    /// Where bridged calls are relayed.
    FastPath = "auto, tc, xdp, xdp-generic or off" {
        /// In the kernel, at the tc hook, where it allows that.
        #[default]
        Auto = "auto",
        /// In the kernel, at the tc hook; where it denies that the gateway does not start.
        Tc = "tc",
        /// In the driver of each network card that can, else at the tc hook; where it denies that the gateway does not start.
        Xdp = "xdp",
        /// As xdp, behind every driver: no faster than tc, for tests.
        XdpGeneric = "xdp-generic",
        /// In user space.
        Off = "off",
    }

    /// Which calls may use SRTP.
    SrtpUse = "secure or offered" {
        /// Calls of a `Secure` domain or a URI with `secure=true`, which must use it; no other call.
        #[default]
        Secure = "secure",
        /// Those, and any other call whose offer is SRTP, whatever transport its SIP used.
        Offered = "offered",
    }
}

impl SettingValue for LatchMode {
    const SHAPE: &'static str = "sdp, peer or any";

    fn read(value: &Value) -> Option<Self> {
        match text(value)? {
            "sdp" => Some(Self::Sdp),
            "peer" => Some(Self::Peer),
            "any" => Some(Self::Any),
            _ => None,
        }
    }
}

/// Empty text is `None`: the latch of `[media]` applies.
impl SettingValue for Option<LatchMode> {
    const SHAPE: &'static str = "sdp, peer, any or nothing";

    fn read(value: &Value) -> Option<Self> {
        if text(value)?.is_empty() { Some(None) } else { LatchMode::read(value).map(Some) }
    }
}

/// CPUs for media threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cores {
    /// Chosen at start.
    #[default]
    Auto,
    /// These, one media thread each.
    List(Vec<u16>),
}

impl SettingValue for Cores {
    const SHAPE: &'static str = "auto, a list of CPUs, or ranges like \"2-5,8\"";

    fn read(value: &Value) -> Option<Self> {
        let cpus: Vec<u16> = match value {
            Value::Text(text) if text == "auto" => return Some(Self::Auto),
            Value::Text(text) => cpu_ranges(text)?,
            Value::List(values) => values.iter().map(integer).collect::<Option<_>>()?,
            Value::Integer(_) => vec![integer(value)?],
            Value::Boolean(_) | Value::Other(_) => return None,
        };
        let unique: std::collections::BTreeSet<_> = cpus.iter().collect();
        // A core number is 8 bits wide in ids; more media threads than that no box has.
        (unique.len() == cpus.len() && (1..=64).contains(&cpus.len())).then_some(Self::List(cpus))
    }
}

fn cpu_ranges(text: &str) -> Option<Vec<u16>> {
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
        let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
        if last.checked_sub(first)? > 255 {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

/// UDP ports from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest port.
    pub first: u16,
    /// The highest port.
    pub last: u16,
}

impl PortRange {
    /// How many ports.
    pub const fn ports(self) -> u32 {
        self.last as u32 - self.first as u32 + 1
    }

    /// Whether any port is in both ranges.
    pub const fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl SettingValue for PortRange {
    const SHAPE: &'static str = "a range of at least 4 ports from 1024 on, like \"10000-19999\"";

    fn read(value: &Value) -> Option<Self> {
        let (first, last) = text(value)?.split_once('-')?;
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first >= 1024 && last >= first && last - first >= 3).then_some(Self { first, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: SettingValue>(text: &str) -> Option<T> {
        T::read(&Value::Text(text.to_owned()))
    }

    #[test]
    fn cpu_ranges_are_read_and_doubles_refused() {
        assert_eq!(read::<Cores>("2-4,8"), Some(Cores::List(vec![2, 3, 4, 8])));
        assert_eq!(read::<Cores>("2,2"), None);
        assert_eq!(read::<Cores>("0-65535"), None);
        assert_eq!(read::<Cores>("4-2"), None);
    }

    #[test]
    fn port_ranges_must_grow_and_stay_out_of_the_privileged_ports() {
        assert_eq!(read::<PortRange>("2000-1000"), None);
        assert_eq!(read::<PortRange>("80-2000"), None);
        let range = read::<PortRange>("10000-10009").expect("a range");
        assert_eq!(range.ports(), 10);
        assert!(range.overlaps(PortRange { first: 10_009, last: 11_000 }));
        assert!(!range.overlaps(PortRange { first: 10_010, last: 11_000 }));
    }
}
