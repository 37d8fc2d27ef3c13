//! The plain state of a call that several of its files read and write. Sans-IO.

use shared::{AnsweredBy, Code, Direction, Header, Instant, Now, PlayId, RecordingSid};

use crate::ids::{HttpId, PromptId, RecognitionId};
use crate::input::{AnswerFacts, Partner};

/// How far the SIP leg is. Moves forward only, from top to bottom; `Ringing` and `Inviting` exclude each
/// other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leg {
    /// [`crate::CallInput::Started`] has not come yet.
    New,
    /// Outbound and queued: it rings at `until` (`CallDelay`).
    Delayed { until: Instant },
    /// Inbound and unanswered.
    Ringing,
    /// Outbound and unanswered; at `until` the call cancels its INVITE.
    Inviting { until: Instant },
    /// Answered: media flows both ways.
    Up,
    /// Ended: no input changes the call any more.
    Over,
}

/// How the leg ends on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// We send BYE or CANCEL.
    Bye,
    /// We send this final error response.
    Reject(u16),
    /// Nothing is sent: the peer ended the leg, or no INVITE ever left.
    Gone,
}

/// What happened so far: the source of the final record and of webhook parameters.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub started: Now,
    pub answered: Option<Now>,
    pub ended: Option<Now>,
    /// The final record is written; the call only waits for callbacks and recordings.
    pub concluded: bool,
    /// [`crate::CallEffect::Finished`] is said; later inputs are ignored.
    pub finished: bool,
    /// When the longest time of an answered call is over.
    pub limit_at: Option<Instant>,
    /// Progress events so far, counted whether or not their callback was wanted.
    pub sequence: u32,
    /// Final status of our INVITE.
    pub sip_status: Option<u16>,
    /// Error code that the final record shows.
    pub error_code: Option<Code>,
    pub answer: AnswerFacts,
    /// Headers of the final response or of the BYE.
    pub last_headers: Vec<Header>,
    /// Our media with the party: not `SendRecv` while it holds the call.
    pub direction: Direction,
    /// Parties at the other end of a bridge, or in the conference as the call was told last.
    pub partners: Vec<Partner>,
    /// A packet of the party's audio has arrived.
    pub is_heard: bool,
    /// A provisional response brought audio.
    pub early_media: bool,
    /// Code and sentence that the parent's `<Dial>` reports instead of this call's status.
    pub failed: Option<(Code, String)>,
    /// What answered, and after how many milliseconds that was decided.
    pub answered_by: Option<(AnsweredBy, u32)>,
    /// The recording that REST asked for (`Record=true`).
    pub api_recording: Option<RecordingSid>,
    /// The recording of the parent's `<Dial>`, and when it began.
    pub dial_recording: Option<(RecordingSid, Instant)>,
    /// The customer was warned of an edge that this node does not serve: once per call.
    pub edge_warned: bool,
}

/// Counters behind the ids that the call mints.
#[derive(Debug, Default)]
pub(super) struct Names {
    http: u32,
    prompt: u32,
    play: u32,
    recognition: u32,
}

impl Names {
    /// Ids that answers to an earlier call with the same SID do not match.
    pub(super) fn of_successor() -> Self {
        // No call makes 2^31 requests, so the two ranges never meet.
        Self { http: u32::MAX / 2, recognition: u32::MAX / 2, ..Self::default() }
    }

    pub(super) fn http(&mut self) -> HttpId {
        self.http += 1;
        HttpId(self.http)
    }

    pub(super) fn prompt(&mut self) -> PromptId {
        self.prompt += 1;
        PromptId(self.prompt)
    }

    pub(super) fn recognition(&mut self) -> RecognitionId {
        self.recognition += 1;
        RecognitionId(self.recognition)
    }

    pub(super) fn play(&mut self) -> PlayId {
        self.play += 1;
        PlayId(self.play)
    }
}
