//! The places in the kernel at which the program can run.

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// The tc hook: every Ethernet interface and loopback.
    Tc,
    /// XDP in the driver.
    XdpNative,
    /// XDP behind the driver: as slow as tc, for tests.
    XdpGeneric,
}

impl Hook {
    /// The word for logs, metrics and lists.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tc => "tc",
            Self::XdpNative => "xdp",
            Self::XdpGeneric => "xdp-generic",
        }
    }
}
