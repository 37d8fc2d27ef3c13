//! Which failure an error of TLS is, with what the library says of it for the log. Shell.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};
use shared::TlsFailure;

/// Why TLS with a peer came to an end before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFault {
    /// What the account, the metric and the log name.
    pub failure: TlsFailure,
    /// The library's own words, for the log.
    pub detail: String,
    /// The name that a peer which connected asked for, where it matters who it meant.
    pub name: Option<String>,
}

impl TlsFault {
    /// Sorts an error of rustls.
    pub fn of(error: &Error) -> Self {
        Self::new(failure(error), error.to_string())
    }

    /// One that is not rustls's.
    pub fn new(failure: TlsFailure, detail: impl Into<String>) -> Self {
        Self { failure, detail: detail.into(), name: None }
    }
}

fn failure(error: &Error) -> TlsFailure {
    match error {
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        )
        | Error::AlertReceived(AlertDescription::ProtocolVersion) => TlsFailure::OldVersion,
        Error::PeerIncompatible(_) | Error::AlertReceived(AlertDescription::HandshakeFailure) => {
            TlsFailure::NothingInCommon
        }
        Error::InvalidCertificate(certificate) => certificate_failure(certificate),
        Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::UnsupportedCertificate,
        ) => TlsFailure::OurCertificateRefused,
        Error::AlertReceived(_) => TlsFailure::Alert,
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => TlsFailure::NotTls,
        Error::InvalidMessage(_)
        | Error::PeerMisbehaved(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerSentOversizedRecord
        | Error::DecryptError => TlsFailure::Broken,
        Error::NoCertificatesPresented => TlsFailure::NoCertificate,
        _ => TlsFailure::Other,
    }
}

const fn certificate_failure(error: &CertificateError) -> TlsFailure {
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFailure::WrongName
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => TlsFailure::WrongDate,
        CertificateError::UnknownIssuer => TlsFailure::UnknownAuthority,
        _ => TlsFailure::BadCertificate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_a_word_that_says_whose_it_is() {
        let word = |error| TlsFault::of(&error).failure;
        assert_eq!(
            word(Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered)),
            TlsFailure::OldVersion
        );
        let none = PeerIncompatible::NoCipherSuitesInCommon;
        assert_eq!(word(Error::PeerIncompatible(none)), TlsFailure::NothingInCommon);
        assert_eq!(
            word(Error::InvalidCertificate(CertificateError::NotValidForName)),
            TlsFailure::WrongName
        );
        assert_eq!(
            word(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
            TlsFailure::UnknownAuthority
        );
        assert_eq!(
            word(Error::AlertReceived(AlertDescription::UnknownCA)),
            TlsFailure::OurCertificateRefused
        );
    }
}
