//! Why a TLS handshake or connection failed: one word for counters, one sentence for the log. Shell.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

/// Why TLS with a peer came to an end before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFault {
    /// Label of the counter.
    pub reason: &'static str,
    /// For the log.
    pub sentence: String,
}

impl TlsFault {
    /// Sorts an error of rustls.
    pub fn of(error: &Error) -> Self {
        Self { reason: reason(error), sentence: error.to_string() }
    }

    /// One that is not rustls's.
    pub fn new(reason: &'static str, sentence: impl Into<String>) -> Self {
        Self { reason, sentence: sentence.into() }
    }
}

fn reason(error: &Error) -> &'static str {
    match error {
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => "old_version",
        Error::AlertReceived(AlertDescription::ProtocolVersion) => "old_version",
        Error::PeerIncompatible(_) | Error::AlertReceived(AlertDescription::HandshakeFailure) => {
            "nothing_in_common"
        }
        Error::InvalidCertificate(certificate) => certificate_reason(certificate),
        Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::UnsupportedCertificate,
        ) => "our_certificate_refused",
        Error::AlertReceived(_) => "alert",
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => "not_tls",
        Error::InvalidMessage(_)
        | Error::PeerMisbehaved(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerSentOversizedRecord
        | Error::DecryptError => "broken",
        Error::NoCertificatesPresented => "no_certificate",
        _ => "other",
    }
}

const fn certificate_reason(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "wrong_name"
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => "wrong_date",
        CertificateError::UnknownIssuer => "unknown_authority",
        _ => "bad_certificate",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_a_word_that_says_whose_it_is() {
        let word = |error| TlsFault::of(&error).reason;
        assert_eq!(word(Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered)), "old_version");
        let none = PeerIncompatible::NoCipherSuitesInCommon;
        assert_eq!(word(Error::PeerIncompatible(none)), "nothing_in_common");
        assert_eq!(
            word(Error::InvalidCertificate(CertificateError::NotValidForName)),
            "wrong_name"
        );
        assert_eq!(
            word(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
            "unknown_authority"
        );
        assert_eq!(
            word(Error::AlertReceived(AlertDescription::UnknownCA)),
            "our_certificate_refused"
        );
    }
}
