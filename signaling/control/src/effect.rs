//! Effects: the work that Control orders from its shell. Sans-IO.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use call::webhook::HttpRequest;
use call::{PromptId, PromptSource, RecognitionId, RecognitionPlan, RecognitionStop, StreamPlan};
use shared::ids::{FeedId, TapId};
use shared::{
    AccountSid, CallSid, Code, CoreId, Instant, LegId, LegQuality, MediaCommand, RecordingSid,
    Refusal, StreamSid, Transport,
};
use sip::SessionId;
use store::{Change, Reply, Secret, WriteError};

use crate::tokens::{ApiToken, CommitToken};

/// Out of [`crate::Control`].
#[derive(Debug)]
pub enum Effect {
    /// For a SIP transport. Never `sip::Effect::Event`: those end here.
    Sip(sip::Effect),
    /// A digest or a registration over a connection vouches for a source: until then, the limit on
    /// connections of one source does not apply to it.
    Vouch {
        /// The address without its port.
        source: IpAddr,
        /// When that ends.
        until: Instant,
    },
    /// For a media core.
    Media {
        /// The core that gets it.
        core: CoreId,
        /// For one leg on this core.
        command: MediaCommand,
    },
    /// The answer to a REST request.
    ApiReply {
        /// The request that it answers.
        token: ApiToken,
        /// The result, or the error that the client sees.
        reply: Result<Reply, WriteError>,
    },
    /// Write to the store; with a token, answered by [`crate::Input::Committed`].
    Commit {
        /// Names the answer; `None`: history, which nothing waits for.
        token: Option<CommitToken>,
        /// The change, in one transaction.
        change: Box<Change>,
    },
    /// Send a webhook; answered by [`crate::Input::Http`].
    Http {
        /// The call that sends it.
        call: CallSid,
        /// The account, for limits.
        account: AccountSid,
        /// The account's auth token: signs the request.
        auth_token: Secret,
        /// URL, method and parameters.
        request: Box<HttpRequest>,
    },
    /// Make a prompt; answered by [`crate::Input::PromptReady`].
    LoadPrompt {
        /// The call that plays it.
        call: CallSid,
        /// The account, for limits.
        account: AccountSid,
        /// Names the prompt within the call.
        prompt: PromptId,
        /// Text to speak, or a file to fetch.
        source: PromptSource,
    },
    /// Find the addresses of a SIP target (RFC 3263); answered by [`crate::Input::Resolved`].
    Resolve {
        /// Names the answer.
        session: SessionId,
        /// Host, port and transport of the URI.
        target: ResolveTarget,
    },
    /// Open a recording file before its first frame; answered by [`crate::Input::RecordingDone`]
    /// after its last.
    OpenRecording(RecordingOrder),
    /// The core refused the tap, or is lost: no more frames will come. The recorder settles what
    /// it has and answers with [`crate::Input::RecordingDone`].
    DiscardRecording {
        /// The tap of the recording.
        tap: TapId,
    },
    /// Open the socket of a stream; answered by [`crate::Input::Stream`], in the end by exactly one
    /// [`call::StreamEvent::Ended`].
    OpenStream {
        /// The account's auth token: signs the handshake.
        auth_token: Secret,
        /// Server, SIDs, tracks, parameters.
        plan: Box<StreamPlan>,
    },
    /// A stream that is open gets the audio of a tap from now on, and may feed a leg.
    AttachStream {
        /// The stream.
        stream: StreamSid,
        /// The tap, which is started after this effect.
        tap: TapId,
        /// The feed of a two-way stream, which was started before this effect.
        feed: Option<(LegId, FeedId)>,
    },
    /// The party of a two-way stream pressed a key.
    StreamDigit {
        /// The stream.
        stream: StreamSid,
        /// `0-9 A-D * #`.
        digit: u8,
    },
    /// Copy the audio of a tap into feeds, from now on.
    CopyTap {
        /// The tap, which is started after this effect.
        tap: TapId,
        /// The feed of what the party says, which was started before this effect; `None`: it goes nowhere.
        inbound: Option<(LegId, FeedId)>,
        /// The feed of what the party hears.
        outbound: Option<(LegId, FeedId)>,
    },
    /// End a copy.
    StopCopy {
        /// The tap of [`Effect::CopyTap`].
        tap: TapId,
    },
    /// Say good-bye on a stream and close it.
    CloseStream {
        /// The stream.
        stream: StreamSid,
    },
    /// Tell the relay of a stream what its party said.
    StreamHeard {
        /// The stream.
        stream: StreamSid,
        /// The words.
        text: String,
        /// False for a guess.
        last: bool,
    },
    /// Recognise the speech of a tap, which is started after this effect; answered by [`crate::Input::Recognition`], in
    /// the end by exactly one [`call::RecognitionEvent::Ended`].
    StartRecognition {
        /// The call.
        call: CallSid,
        /// The tap.
        tap: TapId,
        /// What is wanted.
        plan: Box<RecognitionPlan>,
    },
    /// End a recognition.
    StopRecognition {
        /// The call.
        call: CallSid,
        /// The recognition.
        recognition: RecognitionId,
        /// Whether results are still wanted.
        how: RecognitionStop,
    },
    /// The call is over: drop what belongs to it, such as the cookies of its application.
    CallGone {
        /// The SID of the call.
        call: CallSid,
    },
    /// Something to log and count.
    Observe(Observation),
}

/// Host, port and transport of a SIP URI: the input of RFC 3263.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveTarget {
    /// Name or literal address, without brackets.
    pub host: String,
    /// Port, where the URI has one.
    pub port: Option<u16>,
    /// The `transport` parameter; `None`: as DNS says, else UDP.
    pub transport: Option<Transport>,
}

/// A recording to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingOrder {
    /// The name that its frames carry.
    pub tap: TapId,
    /// Its SID: the name of the file.
    pub recording: RecordingSid,
    /// Its account: the name of the folder.
    pub account: AccountSid,
    /// 1 = mixed, 2 = the party of the leg left, the other right.
    pub channels: u8,
    /// Whether to cut silence at both ends.
    pub trim: bool,
}

/// An event for operators: one value for log and metric.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// A request was refused.
    Refused {
        /// Rule, status, code and sentence.
        refusal: Refusal,
        /// The SIP method as a label: `INVITE`, `REGISTER`, `OPTIONS`, `TLS`, `broken`, `other` …
        method: &'static str,
        /// Address and port of the peer.
        source: SocketAddr,
        /// The account; `None`: not known, or none is concerned.
        account: Option<AccountSid>,
    },
    /// A message was dropped unread: counted, not logged, as a flood would fill the log.
    Dropped {
        /// The rule that fired.
        rule: &'static str,
    },
    /// A call began.
    CallStarted {
        /// The SID of the call.
        call: CallSid,
        /// `inbound`, `outbound-api` or `outbound-dial`.
        direction: &'static str,
    },
    /// A call ended.
    CallEnded {
        /// The SID of the call.
        call: CallSid,
        /// Its final status, as REST shows it.
        status: &'static str,
        /// Whole seconds from answer to end; `None`: it was never answered.
        duration_s: Option<u32>,
    },
    /// The media of a leg ended.
    LegEnded {
        /// Its final figures.
        quality: Box<LegQuality>,
    },
    /// The quality of a party crossed the threshold, in either direction.
    QualityChanged {
        /// Whether it is bad now.
        is_bad: bool,
    },
    /// A notification was written.
    Notified {
        /// The call that it is about.
        call: CallSid,
        /// Its error code (32011, 13254 …).
        code: Code,
        /// The sentence, which may name a URI or a number.
        message: Arc<str>,
        /// Whether it is an error, else a warning.
        error: bool,
    },
    /// Our registration with a carrier was established, or lost.
    Registration {
        /// Name of the trunk in the settings.
        trunk: String,
        /// Whether the carrier holds our binding now.
        is_bound: bool,
        /// The reason, for people.
        sentence: String,
    },
    /// A fault of the gateway itself, which needs a person.
    Fault {
        /// The part of the gateway.
        place: &'static str,
        /// What happened, for people.
        sentence: String,
    },
}
