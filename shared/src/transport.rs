//! The transport protocols that carry SIP (RFC 3261 §18).
//!
//! One type for every place that names one: flows and destinations, targets of a `<Sip>` noun, DNS,
//! bindings on disk. WebSocket (RFC 7118) gets its variants, `Ws` and `Wss`, with the listener that
//! serves it; until then a peer's `WS` is a word that only a Via may carry.

/// A transport protocol that this gateway speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams: the transaction layer retransmits.
    Udp,
    /// A byte stream: only a 2xx is retransmitted.
    Tcp,
    /// TLS over TCP.
    Tls,
}

impl Transport {
    /// Every transport.
    pub const ALL: [Self; 3] = [Self::Udp, Self::Tcp, Self::Tls];

    /// Whether the transport itself delivers, so that transactions do not retransmit.
    pub const fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls => true,
        }
    }

    /// The word in a Via (RFC 3261 §20.42).
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// The value of a URI's `transport` parameter, which the database and the API also use.
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// The inverse of [`Transport::parameter`]. Case counts: a caller that reads a URI folds it.
    pub fn from_parameter(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| transport.parameter() == word)
    }

    /// Default port of a URI or a Via (RFC 3261 §19.1.2).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_reads_back() {
        for transport in Transport::ALL {
            assert_eq!(Transport::from_parameter(transport.parameter()), Some(transport));
        }
        assert_eq!(Transport::from_parameter("ws"), None);
        assert_eq!(Transport::from_parameter("UDP"), None);
    }
}
