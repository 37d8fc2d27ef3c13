//! Digest authentication (RFC 7616, and RFC 2617 as RFC 3261 §22 uses it). Sans-IO.
//!
//! [`server::Server`] challenges and verifies, [`client`] answers challenges, [`lockout::Lockout`]
//! stops guessing. The server knows no password, only H(A1).

pub mod client;
pub mod hash;
pub mod lockout;
pub mod nonce;
pub mod server;

mod parameters;

pub use client::Credentials;
pub use hash::{Algorithm, Ha1};
pub use lockout::Lockout;
pub use parameters::{DigestError, DigestParameters};
pub use server::{Server, Verdict};

/// The side that challenges: the far end (401) or a proxy (407).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeKind {
    /// 401, `WWW-Authenticate`, `Authorization`.
    Www,
    /// 407, `Proxy-Authenticate`, `Proxy-Authorization`.
    Proxy,
}

impl ChallengeKind {
    /// The status of the challenge.
    pub const fn status(self) -> u16 {
        match self {
            Self::Www => 401,
            Self::Proxy => 407,
        }
    }

    /// The kind of challenge that a status carries; `None` for other statuses.
    pub const fn from_status(status: u16) -> Option<Self> {
        match status {
            401 => Some(Self::Www),
            407 => Some(Self::Proxy),
            _ => None,
        }
    }

    /// The header of the challenge.
    pub const fn challenge_header(self) -> &'static str {
        match self {
            Self::Www => "WWW-Authenticate",
            Self::Proxy => "Proxy-Authenticate",
        }
    }

    /// The header of the answer.
    pub const fn answer_header(self) -> &'static str {
        match self {
            Self::Www => "Authorization",
            Self::Proxy => "Proxy-Authorization",
        }
    }
}
