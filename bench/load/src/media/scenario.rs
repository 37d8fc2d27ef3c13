//! The loads on which relays are compared. Pure.

use shared::Codec;

use super::contender::Contender;
use super::generator::{Pace, WINDOW};
use super::site::Site;

/// A load on which relays are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scenario {
    pub codecs: [Codec; 2],
    /// Whether callers speak SRTP; callees never do.
    pub is_secured: bool,
    pub streams: usize,
    pub pace: Pace,
    /// Whether the short form has it.
    pub quick: bool,
}

pub(super) const RELAY: [Codec; 2] = [Codec::Pcmu, Codec::Pcmu];
const TRANSCODE: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

const fn saturated(codecs: [Codec; 2], streams: usize, quick: bool) -> Scenario {
    Scenario { codecs, is_secured: false, streams, pace: Pace::Saturated, quick }
}

/// A call sends 50 packets a second on each stream; 2,000 streams are 1,000 calls.
const fn paced(codecs: [Codec; 2], streams: u32, quick: bool) -> Scenario {
    let pace = Pace::PacketsASecond(streams * 50);
    Scenario { codecs, is_secured: false, streams: streams as usize, pace, quick }
}

/// A scenario with callers that speak SRTP.
const fn secured(scenario: Scenario) -> Scenario {
    Scenario { is_secured: true, ..scenario }
}

/// The most informative scenarios first: where time runs out, points of the curves are missing.
const ON_LOOPBACK: &[Scenario] = &[
    saturated(RELAY, 2_000, true),
    paced(RELAY, 2_000, true),
    saturated(TRANSCODE, 500, true),
    saturated(RELAY, 500, true),
    secured(saturated(RELAY, 500, true)),
    saturated(RELAY, 100, false),
    saturated(RELAY, 5_000, false),
    saturated(RELAY, 1_000, false),
    saturated(TRANSCODE, 2_000, false),
    paced(RELAY, 500, false),
    paced(TRANSCODE, 500, false),
    secured(paced(RELAY, 500, false)),
    paced(RELAY, 100, false),
    paced(RELAY, 1_000, false),
    paced(RELAY, 4_000, false),
];

/// What the kernel's tier is about. A network card has more in common with a veth pair than with loopback.
const ON_VETH: &[Scenario] = &[
    saturated(RELAY, 2_000, true),
    paced(RELAY, 2_000, true),
    saturated(RELAY, 500, false),
    saturated(TRANSCODE, 500, false),
    saturated(RELAY, 100, false),
    saturated(RELAY, 5_000, false),
    saturated(TRANSCODE, 2_000, false),
    saturated(RELAY, 20_000, false),
];

/// Streams of one process with sockets at most: 20,000 open files is the bound of many machines, and rtpengine has
/// two for each stream.
const STREAMS_MAX: usize = 5_000;

impl Scenario {
    pub fn on(site: &Site) -> &'static [Self] {
        match site {
            Site::Loopback => ON_LOOPBACK,
            Site::Veth(_) => ON_VETH,
        }
    }

    pub fn title(&self, site: &Site) -> String {
        let what = match (self.codecs == RELAY, self.is_secured) {
            (true, false) => "PCMU relay",
            (true, true) => "PCMU relay, SRTP to RTP",
            (false, false) => "PCMU and PCMA transcoded",
            (false, true) => "PCMU and PCMA transcoded, SRTP to RTP",
        };
        let pace = match self.pace {
            Pace::Saturated => format!("saturated, {WINDOW} packets under way"),
            Pace::PacketsASecond(rate) => format!("paced at {rate} packets/s"),
        };
        let (streams, calls) = (self.streams, self.streams / 2);
        format!("{}: {what}, {streams} streams ({calls} calls), {pace}", site.name())
    }

    /// Waking for each packet differs from adaptive waiting only where the core sleeps between packets.
    /// The kernel relays no SRTP, and the bare loop no codec but the sender's. The program alone says what of the fast path's
    /// cost is the gateway's, and serves more streams than a gateway on two CPUs.
    pub fn contenders(&self) -> Vec<Contender> {
        let is_asleep = matches!(self.pace, Pace::PacketsASecond(_));
        let is_bounded = self.streams <= STREAMS_MAX;
        let all = [
            (Contender::NoRelay, !self.is_secured),
            (Contender::Tc, !self.is_secured && is_bounded),
            (Contender::TcGiven, !self.is_secured && !is_asleep),
            (Contender::IoUring, is_bounded),
            (Contender::IoUringOneByOne, is_asleep && is_bounded),
            (Contender::Portable, is_bounded),
            (Contender::BareLoop, !self.is_secured && self.codecs == RELAY && is_bounded),
            (Contender::Rtpengine, is_bounded),
        ];
        all.into_iter().filter(|(_, runs)| *runs).map(|(contender, _)| contender).collect()
    }
}
