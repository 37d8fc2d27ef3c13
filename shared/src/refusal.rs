//! One value for every refusal, from which SIP response, log, metric, alert and timeline follow. Pure.

use std::borrow::Cow;

use crate::code::Code;

/// The reason for a refusal, and its form for each audience.
///
/// The same value goes to the SIP response, the log, the metric (by `rule`), the alert (by `code`)
/// and the call's timeline, so they cannot disagree (ARCHITECTURE.md, I9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The rule that fired, in snake case: also the metric's `reason` label.
    pub rule: &'static str,
    /// SIP status towards the peer; `None` = nothing leaves (silence).
    pub status: Option<u16>,
    /// Twilio's error code (for example 32201); `None` where it has none for this case.
    pub code: Option<Code>,
    /// A sentence for the operator: what was refused, why, and what to do about it.
    pub sentence: Cow<'static, str>,
    /// `Retry-After` in seconds, with 503.
    pub retry_after: Option<u32>,
}

impl Refusal {
    /// A refusal with a status and a sentence.
    pub fn new(rule: &'static str, status: u16, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self {
            rule,
            status: Some(status),
            code: None,
            sentence: sentence.into(),
            retry_after: None,
        }
    }

    /// A refusal that sends nothing.
    pub fn silent(rule: &'static str, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self { rule, status: None, code: None, sentence: sentence.into(), retry_after: None }
    }

    /// The same with an error code of Twilio's.
    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// The same with a `Retry-After` in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

/// The generic phrase of a SIP status: all that an unauthenticated peer learns.
pub const fn generic_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => "Unknown",
    }
}
