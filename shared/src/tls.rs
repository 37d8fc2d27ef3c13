//! Failures of TLS with a peer: one value for the metric, the log, the alert and the rules. Pure.

use crate::code::Code;

/// The reason that a TLS handshake failed. Each names the side at fault, which is the side to repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsFailure {
    /// The peer does not speak TLS 1.2 or newer.
    OldVersion,
    /// No cipher suite, signature scheme or group in common.
    NothingInCommon,
    /// No authority that we trust issued the peer's certificate.
    UnknownAuthority,
    /// The peer's certificate is expired or not valid yet.
    WrongDate,
    /// The peer's certificate is for another name or address.
    WrongName,
    /// The peer's certificate cannot be used for another reason.
    BadCertificate,
    /// The peer shows no certificate.
    NoCertificate,
    /// The peer does not accept our certificate.
    OurCertificateRefused,
    /// Any other alert from the peer.
    Alert,
    /// The peer answers with something other than TLS.
    NotTls,
    /// The peer breaks the rules of TLS.
    Broken,
    /// The connection was closed in the middle.
    Closed,
    /// It took longer than `limits::CONNECTION_HANDSHAKE_MS`.
    TimedOut,
    /// A failure that none of the others describes.
    Other,
}

impl TlsFailure {
    /// All failures, in the order of `sidetone explain --rules`.
    pub const ALL: [Self; 14] = [
        Self::OldVersion,
        Self::NothingInCommon,
        Self::UnknownAuthority,
        Self::WrongDate,
        Self::WrongName,
        Self::BadCertificate,
        Self::NoCertificate,
        Self::OurCertificateRefused,
        Self::Alert,
        Self::NotTls,
        Self::Broken,
        Self::Closed,
        Self::TimedOut,
        Self::Other,
    ];

    /// The rule that fired, in snake case: also the `reason` label of
    /// `transport_tls_handshakes_failed_total`.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::OldVersion => "tls_old_version",
            Self::NothingInCommon => "tls_nothing_in_common",
            Self::UnknownAuthority => "tls_unknown_authority",
            Self::WrongDate => "tls_wrong_date",
            Self::WrongName => "tls_wrong_name",
            Self::BadCertificate => "tls_bad_certificate",
            Self::NoCertificate => "tls_no_certificate",
            Self::OurCertificateRefused => "tls_our_certificate_refused",
            Self::Alert => "tls_alert",
            Self::NotTls => "tls_not_tls",
            Self::Broken => "tls_broken",
            Self::Closed => "tls_closed",
            Self::TimedOut => "tls_timeout",
            Self::Other => "tls_other",
        }
    }

    /// Twilio's code for the account's alert: 32222 for the version, else 32011, a peer that cannot be
    /// reached.
    pub const fn code(self) -> Code {
        match self {
            Self::OldVersion => Code::TLS_VERSION,
            Self::NothingInCommon
            | Self::UnknownAuthority
            | Self::WrongDate
            | Self::WrongName
            | Self::BadCertificate
            | Self::NoCertificate
            | Self::OurCertificateRefused
            | Self::Alert
            | Self::NotTls
            | Self::Broken
            | Self::Closed
            | Self::TimedOut
            | Self::Other => Code::TARGET_FAILED,
        }
    }

    /// The fault and its remedy; the subject of the sentence is the peer.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::OldVersion => {
                "The peer speaks TLS 1.1 or older. Bring it up to TLS 1.2, which is the least that is spoken here."
            }
            Self::NothingInCommon => {
                "The peer has no cipher suite that is spoken here: ECDHE with AES-GCM or ChaCha20. Allow one in the peer."
            }
            Self::UnknownAuthority => {
                "No authority that this gateway trusts issued the peer's certificate. Add its root to sip.tls_ca, or have the certificate issued by a public authority."
            }
            Self::WrongDate => {
                "The peer's certificate has expired or is not valid yet. Renew it, and check the clocks of both sides."
            }
            Self::WrongName => {
                "The peer's certificate is for another name than the one that was called. Call the name in the certificate, or have the certificate issued for this one."
            }
            Self::BadCertificate => {
                "The peer's certificate cannot be used: its chain, its signature or its purpose is wrong."
            }
            Self::NoCertificate => "The peer shows no certificate. Give it one.",
            Self::OurCertificateRefused => {
                "The peer does not accept this gateway's certificate. Give it the authorities of /ca.pem, or set sip.tls_certificate and sip.tls_key."
            }
            Self::Alert => "The peer ended the TLS handshake with an alert.",
            Self::NotTls => {
                "What answers at this address does not speak TLS. Check the port and the transport."
            }
            Self::Broken => "The peer breaks the rules of TLS, or another program answers there.",
            Self::Closed => "The peer closed the connection during the TLS handshake.",
            Self::TimedOut => "The TLS handshake was not finished in time.",
            Self::Other => "The TLS handshake failed.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_a_word_of_its_own_and_a_sentence() {
        let words: std::collections::BTreeSet<_> =
            TlsFailure::ALL.iter().map(|failure| failure.rule()).collect();
        assert_eq!(words.len(), TlsFailure::ALL.len());
        assert!(TlsFailure::ALL.iter().all(|failure| failure.sentence().ends_with('.')));
        let of_version =
            TlsFailure::ALL.iter().filter(|failure| failure.code() == Code::TLS_VERSION);
        assert_eq!(of_version.collect::<Vec<_>>(), [&TlsFailure::OldVersion]);
    }
}
