//! The status model of a call and its one table of SIP responses. Sans-IO.

use std::fmt;

/// Where a call came from: the `Direction` parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallDirection {
    /// A party called us.
    Inbound,
    /// The REST API made it.
    OutboundApi,
    /// A `<Dial>` made it.
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

/// The status of a call: the `CallStatus` parameter. It only moves forward, in the order of the variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallStatus {
    /// A REST call that is accepted and not dialled yet.
    Queued,
    /// Our INVITE is being sent.
    Initiated,
    /// Ringing; also every incoming call before its answer.
    Ringing,
    /// The party has answered.
    InProgress,
    /// It was answered and has ended.
    Completed,
    /// The party is busy (486, 600), or `<Reject reason="busy">`.
    Busy,
    /// It ended without an answer, or was rejected.
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

    /// Whether no other status can follow.
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

/// The status of a call whose INVITE failed. No other place maps SIP responses to statuses.
///
/// `status` is the final response; a timeout without any response counts as 408, a failure of DNS, TCP
/// or TLS as 503 (RFC 3261 §8.1.3.1). The 487 of our own CANCEL is not looked up: the cause of the CANCEL
/// gives the status.
pub const fn status_of_final_response(status: u16) -> CallStatus {
    match status {
        486 | 600 => CallStatus::Busy,
        // A callee who declines did not answer; only a busy line is `busy` (webhooks.md 7.1).
        480 | 487 | 603 => CallStatus::NoAnswer,
        _ => CallStatus::Failed,
    }
}

/// A progress event an application can subscribe to (`StatusCallbackEvent`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProgressEvent {
    /// The INVITE is sent.
    Initiated,
    /// The first 180 or 183 arrived.
    Ringing,
    /// The call was answered.
    Answered,
    /// The call has ended, in whatever way.
    Completed,
}

impl ProgressEvent {
    /// Reads one word of `statusCallbackEvent`; `None` when it is not an event.
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
    fn final_responses_map_to_their_statuses() {
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
