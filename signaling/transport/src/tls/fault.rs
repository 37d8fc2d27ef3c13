//! The failure that a TLS error stands for, with the library's words for the log. Shell.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};
use shared::TlsFailure;

/// Why TLS with a peer failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFault {
    /// Shown to the account, in the metric and in the log.
    pub failure: TlsFailure,
    /// The library's own words, for the log.
    pub detail: String,
    /// The name that a connecting peer asked for, where its account has to be found.
    pub name: Option<String>,
}

impl TlsFault {
    /// From an error of rustls.
    pub fn of(error: &Error) -> Self {
        Self::new(failure(error), error.to_string())
    }

    /// Without an error of rustls.
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
    fn each_error_maps_to_the_failure_that_names_its_cause() {
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
