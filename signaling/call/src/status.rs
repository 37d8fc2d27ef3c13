//! The status model of a call and its SIP mapping (contract webhooks.md 6 and 7). Sans-IO.

use std::fmt;

/// Who made the call (contract webhooks.md 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallDirection {
    /// An INVITE that came to us.
    Inbound,
    /// Made by the REST API.
    OutboundApi,
    /// Made by a `<Dial>`.
    OutboundDial,
}

impl CallDirection {
    /// The `Direction` parameter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::OutboundApi => "outbound-api",
            Self::OutboundDial => "outbound-dial",
        }
    }
}

/// The `CallStatus` (contract webhooks.md 6). Moves forward only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallStatus {
    /// REST call accepted, not dialled.
    Queued,
    /// Dialling started.
    Initiated,
    /// Ringing; also every incoming call before its answer.
    Ringing,
    /// Answered.
    InProgress,
    /// Was answered and has ended.
    Completed,
    /// Busy.
    Busy,
    /// Ended without answer, or rejected.
    NoAnswer,
    /// Could not be completed.
    Failed,
    /// Cancelled by REST before the answer.
    Canceled,
}

impl CallStatus {
    /// The value in webhooks and REST.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Initiated => "initiated",
            Self::Ringing => "ringing",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// Whether the call is over.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Queued | Self::Initiated | Self::Ringing | Self::InProgress => false,
            Self::Completed | Self::Busy | Self::NoAnswer | Self::Failed | Self::Canceled => true,
        }
    }
}

impl fmt::Display for CallStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a failed outgoing INVITE means for the call (contract webhooks.md 7.1): the one table.
///
/// `status` is the final response that was received; a timeout without any response is 408, a
/// failure of DNS, TCP or TLS is 503. Our own CANCEL is not decided here: its cause decides.
pub const fn status_of_final_response(status: u16) -> CallStatus {
    match status {
        486 | 600 => CallStatus::Busy,
        480 | 487 | 603 => CallStatus::NoAnswer,
        _ => CallStatus::Failed,
    }
}

/// A progress event an application can subscribe to (`StatusCallbackEvent`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProgressEvent {
    /// The INVITE is sent.
    Initiated,
    /// First 180 or 183.
    Ringing,
    /// 200.
    Answered,
    /// Any end.
    Completed,
}

impl ProgressEvent {
    /// Reads one word of `statusCallbackEvent`.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "initiated" => Some(Self::Initiated),
            "ringing" => Some(Self::Ringing),
            "answered" => Some(Self::Answered),
            "completed" => Some(Self::Completed),
            _ => None,
        }
    }

    /// The word in `statusCallbackEvent`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initiated => "initiated",
            Self::Ringing => "ringing",
            Self::Answered => "answered",
            Self::Completed => "completed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_responses_map_as_the_contract_table_says() {
        let table = [
            (486, CallStatus::Busy),
            (600, CallStatus::Busy),
            (480, CallStatus::NoAnswer),
            (603, CallStatus::NoAnswer),
            (487, CallStatus::NoAnswer),
            (408, CallStatus::Failed),
            (404, CallStatus::Failed),
            (403, CallStatus::Failed),
            (407, CallStatus::Failed),
            (488, CallStatus::Failed),
            (503, CallStatus::Failed),
            (302, CallStatus::Failed),
            (608, CallStatus::Failed),
        ];
        for (status, expected) in table {
            assert_eq!(status_of_final_response(status), expected, "{status}");
        }
    }
}
