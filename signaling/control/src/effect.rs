//! What Control wants done. Sans-IO.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use call::webhook::HttpRequest;
use call::{PromptId, PromptSource};
use shared::ids::TapId;
use shared::{
    AccountSid, CallSid, CoreId, Instant, LegQuality, MediaCommand, RecordingSid, Refusal,
};
use sip::SessionId;
use sip::flow::Transport;
use store::{Change, Reply, Secret, WriteError};

use crate::tokens::{ApiToken, CommitToken};

/// Out of [`crate::Control`].
#[derive(Debug)]
pub enum Effect {
    /// For a SIP transport. Never `sip::Effect::Event`: those end here.
    Sip(sip::Effect),
    /// A digest or a registration over a stream vouches for a source: limits on the streams of one
    /// source do not bind it until then.
    Vouch {
        /// The source.
        source: IpAddr,
        /// Until when.
        until: Instant,
    },
    /// For a media core.
    Media {
        /// Which core.
        core: CoreId,
        /// What to do.
        command: MediaCommand,
    },
    /// The answer to a REST request.
    ApiReply {
        /// Which request.
        token: ApiToken,
        /// What came of it.
        reply: Result<Reply, WriteError>,
    },
    /// Write to the store. Without a token nobody waits for the answer.
    Commit {
        /// Names the answer.
        token: Option<CommitToken>,
        /// What to write.
        change: Box<Change>,
    },
    /// Send a webhook; answered by [`crate::Input::Http`].
    Http {
        /// The call that asks.
        call: CallSid,
        /// The account, for limits.
        account: AccountSid,
        /// The account's auth token: signs the request.
        auth_token: Secret,
        /// What to send.
        request: Box<HttpRequest>,
    },
    /// Make a prompt; answered by [`crate::Input::PromptReady`].
    LoadPrompt {
        /// The call that asks.
        call: CallSid,
        /// The account, for limits.
        account: AccountSid,
        /// Which of its prompts.
        prompt: PromptId,
        /// What it is made of.
        source: PromptSource,
    },
    /// Find where a SIP request is to be sent; answered by [`crate::Input::Resolved`].
    Resolve {
        /// Names the answer.
        session: SessionId,
        /// What to find.
        target: ResolveTarget,
    },
    /// Open a recording file before its first frame; answered by [`crate::Input::RecordingDone`]
    /// after its last.
    OpenRecording(RecordingOrder),
    /// The core refused the tap, or is lost: no more frames will come. The recorder settles what
    /// it has and answers with [`crate::Input::RecordingDone`].
    DiscardRecording {
        /// Which.
        tap: TapId,
    },
    /// A call is gone: forget what was kept for it (cookies).
    CallGone {
        /// The call.
        call: CallSid,
    },
    /// Something to log and count.
    Observe(Observation),
}

/// Host and port of a SIP URI, as RFC 3263 wants them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveTarget {
    /// Name or literal address, without brackets.
    pub host: String,
    /// Port, when written.
    pub port: Option<u16>,
    /// Transport by parameter; `None`: DNS says, else UDP.
    pub transport: Option<Transport>,
}

/// A recording to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingOrder {
    /// How frames name it.
    pub tap: TapId,
    /// Its SID, the file's name.
    pub recording: RecordingSid,
    /// Its account, the folder's name.
    pub account: AccountSid,
    /// 1 = mixed, 2 = the party of the leg left, the other right.
    pub channels: u8,
    /// Whether silence at both ends is cut.
    pub trim: bool,
}

/// Something people want to know of: one record for log and metric.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// A request was refused.
    Refused {
        /// The whole truth.
        refusal: Refusal,
        /// The method.
        method: &'static str,
        /// From where.
        source: SocketAddr,
        /// The account, when known.
        account: Option<AccountSid>,
    },
    /// A message was dropped without a look: to be counted, not logged.
    Dropped {
        /// The rule.
        rule: &'static str,
    },
    /// A call began.
    CallStarted {
        /// The call.
        call: CallSid,
        /// `inbound`, `outbound-api` or `outbound-dial`.
        direction: &'static str,
    },
    /// A call ended.
    CallEnded {
        /// The call.
        call: CallSid,
        /// Its final status.
        status: &'static str,
        /// Whole seconds from answer to end.
        duration_s: Option<u32>,
    },
    /// A leg's media is over.
    LegEnded {
        /// Its final figures.
        quality: Box<LegQuality>,
    },
    /// A party began to sound bad, or good again.
    QualityChanged {
        /// Whether it sounds bad now.
        is_bad: bool,
    },
    /// A notification was written.
    Notified {
        /// The call.
        call: CallSid,
        /// The contract's code.
        code: u32,
        /// What it says.
        message: Arc<str>,
        /// Whether it is an error (else a warning).
        error: bool,
    },
    /// A registration of ours at a carrier came about, or was lost.
    Registration {
        /// The trunk's name.
        trunk: String,
        /// Whether the carrier has us now.
        is_bound: bool,
        /// What happened.
        sentence: String,
    },
    /// Something inside went wrong: needs a person.
    Fault {
        /// Where.
        place: &'static str,
        /// What.
        sentence: String,
    },
}
