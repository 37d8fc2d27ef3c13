//! The ways in which a request fails, and the error code of the product for each.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use audio::IntakeError;
use call::HttpFailure;
use shared::Code;

use crate::dns::{LookupError, Refused};

/// A request without a usable answer: a sentence that names the cause, and an error code of the API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence} ({code}, {url})")]
pub struct WebhookFailure {
    /// The error code of the product: 112xx or 11750.
    pub code: Code,
    /// The cause, for the operator.
    pub sentence: String,
    /// The URL of the failed hop: after a redirect not the configured URL. Without userinfo.
    pub url: String,
    /// Milliseconds from the request to the failure, including the wait for a turn.
    pub duration_ms: u32,
}

impl From<WebhookFailure> for HttpFailure {
    fn from(failure: WebhookFailure) -> Self {
        Self { code: failure.code, sentence: failure.sentence, duration_ms: failure.duration_ms }
    }
}

/// Reasons an attempt gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the host name cannot be resolved: {0}")]
    Dns(#[from] LookupError),
    #[error("the address is refused: {0}")]
    Guard(#[from] Refused),
    #[error("no TCP connection within {} ms", .0.as_millis())]
    ConnectTimeout(Duration),
    #[error("the TCP connection was refused")]
    ConnectRefused,
    #[error("the TCP connection failed: {0}")]
    Connect(io::Error),
    #[error("the TLS handshake failed: {0}")]
    Tls(String),
    #[error("the certificate is for another host name: {0}")]
    TlsName(String),
    #[error("the certificate is expired or not valid yet: {0}")]
    TlsExpired(String),
    #[error("the certificate leads to no authority this machine trusts: {0}")]
    TlsUntrusted(String),
    #[error("the connection was closed before any answer came")]
    ClosedUnanswered,
    #[error("the connection was closed in the middle of the answer")]
    ClosedMidway,
    #[error("nothing came for {} ms", .0.as_millis())]
    Silence(Duration),
    #[error("no complete answer within {} ms", .0.as_millis())]
    Total(Duration),
    #[error("the answer breaks HTTP: {0}")]
    Protocol(String),
    #[error("the request cannot be written as HTTP: {0}")]
    Unwritable(String),
    #[error("more than {0} redirects")]
    Redirects(u8),
    #[error("the redirect leads nowhere: {0}")]
    Location(String),
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("{0}")]
    NoRoom(IntakeError),
    #[error("too many requests are waiting for their turn in this gateway")]
    Busy,
}

impl Fault {
    /// The error code of the product.
    pub(crate) const fn code(&self) -> Code {
        match self {
            Self::Dns(_) | Self::Guard(_) => Code::HTTP_HOST_NAME,
            Self::ConnectTimeout(_) => Code::HTTP_CONNECT_TIMEOUT,
            Self::ConnectRefused => Code::HTTP_CONNECTION_REFUSED,
            Self::Connect(_) | Self::ClosedUnanswered | Self::ClosedMidway | Self::Silence(_) => {
                Code::HTTP_CONNECTION
            }
            Self::Tls(_) => Code::TLS_HANDSHAKE,
            Self::TlsName(_) => Code::TLS_NAME_MISMATCH,
            Self::TlsExpired(_) => Code::TLS_CERTIFICATE_EXPIRED,
            Self::TlsUntrusted(_) => Code::TLS_UNTRUSTED,
            Self::Total(_) => Code::HTTP_TIMEOUT,
            Self::Protocol(_) => Code::HTTP_PROTOCOL,
            Self::Unwritable(_) => Code::URL_INVALID,
            Self::Redirects(_) => Code::HTTP_REDIRECTS,
            Self::Location(_) => Code::HTTP_REDIRECT_INVALID,
            Self::TooLarge(_) => Code::HTTP_BODY_TOO_LARGE,
            Self::NoRoom(_) | Self::Busy => Code::HTTP_RETRIEVAL,
        }
    }

    /// Whether the connection could not be made: retry policy `ct`.
    pub(crate) const fn is_connect(&self) -> bool {
        matches!(
            self,
            Self::ConnectTimeout(_)
                | Self::ConnectRefused
                | Self::Connect(_)
                | Self::Tls(_)
                | Self::TlsName(_)
                | Self::TlsExpired(_)
                | Self::TlsUntrusted(_)
        )
    }

    /// Whether no byte of an answer was received: retry policy `rt`. A partial answer is never retried,
    /// because the application has done its work.
    pub(crate) const fn is_unanswered(&self) -> bool {
        matches!(self, Self::ClosedUnanswered | Self::Silence(_))
    }

    /// The fault of a failed TCP connect.
    pub(crate) fn from_connect(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::ConnectRefused,
            _ => Self::Connect(error),
        }
    }

    /// The fault of a failed TLS handshake.
    pub(crate) fn from_handshake(error: &io::Error) -> Self {
        use rustls::CertificateError as Bad;
        let text = error.to_string();
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidCertificate(bad)) => match bad {
                Bad::NotValidForName | Bad::NotValidForNameContext { .. } => Self::TlsName(text),
                Bad::Expired
                | Bad::ExpiredContext { .. }
                | Bad::NotValidYet
                | Bad::NotValidYetContext { .. } => Self::TlsExpired(text),
                Bad::UnknownIssuer => Self::TlsUntrusted(text),
                _ => Self::Tls(text),
            },
            _ => Self::Tls(text),
        }
    }

    /// The fault of an HTTP error. `answered`: the head of the answer was received before it.
    pub(crate) fn from_http(error: &hyper::Error, answered: bool) -> Self {
        let io_kind =
            error.source().and_then(|s| s.downcast_ref::<io::Error>()).map(io::Error::kind);
        let is_garbage =
            matches!(io_kind, Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput));
        if error.is_user() {
            Self::Unwritable(error.to_string())
        } else if error.is_parse() || is_garbage {
            Self::Protocol(full_text(error))
        } else if answered {
            Self::ClosedMidway
        } else {
            Self::ClosedUnanswered
        }
    }
}

fn full_text(error: &hyper::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
