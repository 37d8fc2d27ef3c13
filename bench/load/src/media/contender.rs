//! The relays that are compared. Pure.

/// A relay to measure, with its wait policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// Parties send to each other: the cost without a relay.
    NoRelay,
    /// One system call to receive a packet and one to send it, and no code in between: what user space must pay.
    BareLoop,
    /// Our program at the tc hook, on legs that cores on io_uring gave to it.
    Tc,
    /// The same program on legs that the bench gave to it, without a gateway.
    TcGiven,
    /// Our core on io_uring by default: it waits for batches where it is woken often.
    IoUring,
    /// Our core on io_uring, woken for each packet.
    IoUringOneByOne,
    /// Our core on epoll.
    Portable,
    /// The peer.
    Rtpengine,
}

impl Contender {
    /// All that relay.
    pub const RELAYS: [Self; 7] = [
        Self::Tc,
        Self::TcGiven,
        Self::IoUring,
        Self::Rtpengine,
        Self::Portable,
        Self::IoUringOneByOne,
        Self::BareLoop,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::NoRelay => "no relay",
            Self::BareLoop => "bare recv/send loop",
            Self::Tc => "sidetone kernel, tc",
            Self::TcGiven => "its program alone, tc",
            Self::IoUring => "sidetone io_uring, adaptive wait",
            Self::IoUringOneByOne => "sidetone io_uring, wake on 1",
            Self::Portable => "sidetone portable (epoll)",
            Self::Rtpengine => "rtpengine, userspace, 1 thread",
        }
    }
}
