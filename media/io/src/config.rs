//! Configuration of the media side. Plain values; the gateway makes them from `[media]`.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use shared::{BySink, OwnSockets, Sink, limits};

/// CPUs that carry a media core each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cpus {
    /// The isolated CPUs where the kernel has any (`isolcpus=`); else, of the n CPUs this process
    /// may use, the last `max(1, n - 2)`: two are left to signaling, HTTP and interrupts. A machine with
    /// one or two CPUs thus gets one core, on its last CPU.
    #[default]
    Auto,
    /// These, one core each, in this order. A missing CPU gives an unpinned core and a note.
    List(Vec<usize>),
}

/// Backend to use for packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackendChoice {
    /// io_uring where it works, else portable, with a note that gives the reason.
    #[default]
    Auto,
    /// io_uring, or an error that gives the reason.
    IoUring,
    /// epoll: works everywhere.
    Portable,
}

/// Whether to relay bridged legs inside the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FastPathChoice {
    /// At the tc hook where the kernel allows it, else not, with a note that gives the reason. Not at the XDP hook:
    /// ARCHITECTURE says why.
    #[default]
    Auto,
    /// At the tc hook, or an error that gives the reason.
    Tc,
    /// At the XDP hook of every interface whose driver can, with the tc hook below it and elsewhere, or an error that
    /// gives the reason.
    Xdp,
    /// The same with XDP behind the driver, which every interface can and which is no faster than tc: for tests.
    XdpGeneric,
    /// Not at all.
    Off,
}

impl FastPathChoice {
    /// The word in the settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Tc => "tc",
            Self::Xdp => "xdp",
            Self::XdpGeneric => "xdp-generic",
            Self::Off => "off",
        }
    }
}

/// Backend in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// One io_uring a core.
    IoUring,
    /// One epoll set a core.
    Portable,
}

impl Backend {
    /// The word in the ready line and in `/metrics`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IoUring => "io_uring",
            Self::Portable => "portable",
        }
    }
}

/// Policy that lets one wake-up serve many packets. Only io_uring can wait for a number of packets.
///
/// A wake-up costs 3 to 9 us of CPU. Below the rate here they are few; above it batching saves more than a
/// third of all CPU and adds at most `batch_wait` of delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitSettings {
    /// Packets to wait for while batching; 1 turns batching off.
    pub batch_packets: u32,
    /// The longest such wait.
    pub batch_wait: Duration,
    /// Wake-ups a second from which on a core batches.
    pub wake_rate_min: u32,
}

impl Default for WaitSettings {
    fn default() -> Self {
        Self { batch_packets: 64, batch_wait: Duration::from_micros(500), wake_rate_min: 5_000 }
    }
}

/// All that [`crate::start`] needs.
#[derive(Clone, Debug)]
pub struct IoConfig {
    /// CPUs for media cores (`media.cores`).
    pub cpus: Cpus,
    /// Backend (`media.backend`).
    pub backend: BackendChoice,
    /// Whether bridged legs are relayed in the kernel where that works (`media.fast_path`).
    pub fast_path: FastPathChoice,
    /// Folder in a BPF file system, so that relayed audio outlives a kill; `None`: it ends with the process.
    pub pins: Option<PathBuf>,
    /// Local addresses (`media.addresses`); `MediaPort::address` is an index into it.
    pub addresses: Vec<IpAddr>,
    /// Port range (`media.ports`), shared out among the cores on every address.
    pub ports: RangeInclusive<u16>,
    /// Our own sockets: a packet from one of them is never a party's.
    pub own: Arc<OwnSockets>,
    /// Legs of one core, at most [`limits::LEGS_PER_CORE_MAX`]. Rings are sized by it.
    pub legs_max: usize,
    /// Taps of one core at once, for each sink at most [`limits::TAPS_PER_CORE_MAX`]. A sink with none has no
    /// ring.
    pub taps_max: BySink<usize>,
    /// Feeds of one core at once, at most [`limits::FEEDS_PER_CORE_MAX`]. With none a core has no ring of feeds.
    pub feeds_max: usize,
    /// Members of rooms of one core at once (`media.room_members_max`), at most
    /// [`limits::ROOM_MEMBERS_PER_CORE_MAX`].
    pub room_members_max: usize,
    /// Whether to detect digits in the audio of parties without telephone events (`media.inband_digits`).
    pub inband_digits: bool,
    /// Seed of the cores' random choices; each core derives its own from it.
    pub seed: u64,
    /// The wait policy.
    pub wait: WaitSettings,
    /// Differentiated services code point of RTP and RTCP, 0..=63; 46 is expedited forwarding (RFC 3246).
    pub dscp: u8,
    /// Receive buffer of one socket in bytes. 64 KiB are 2 s of one G.711 stream.
    pub receive_buffer_bytes: usize,
}

impl Default for IoConfig {
    fn default() -> Self {
        Self {
            cpus: Cpus::Auto,
            backend: BackendChoice::Auto,
            fast_path: FastPathChoice::Off,
            pins: None,
            addresses: vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
            ports: 10_000..=19_999,
            own: Arc::default(),
            legs_max: limits::LEGS_PER_CORE_MAX,
            taps_max: BySink::only(Sink::Recorder, limits::TAPS_PER_CORE_MAX),
            feeds_max: 0,
            room_members_max: limits::ROOM_MEMBERS_PER_CORE,
            inband_digits: true,
            seed: 0,
            wait: WaitSettings::default(),
            dscp: 46,
            receive_buffer_bytes: 64 * 1024,
        }
    }
}
