//! One live call as Control holds it: the machine, its SIP session, its leg, its records.

use std::collections::BTreeMap;
use std::sync::Arc;

use call::{Call, CallEffect, CallSetup, HttpId, PromptId, RecognitionId};
use shared::ids::PlayId;
use shared::{AccountSid, CallSid, Instant, Now, Prompt, RecordingSid, SiprecSid, StreamSid};
use store::{CallRecord, HttpMethod};

use super::forks::Forks;
use super::leg::{Leg, Recording};
use super::live_recognition::LiveRecognition;
use super::live_siprec::LiveSiprec;
use super::live_stream::LiveStream;
use super::session::{PendingInvite, Session};
use super::timeline::{Kind, Timeline};

/// One live call. It is forgotten when the machine has finished and its session, its leg, its streams, its
/// recording sessions and its recordings are all over, in whatever order they end.
pub(crate) struct LiveCall {
    pub call: Call,
    pub sid: CallSid,
    pub account: AccountSid,
    pub parent: Option<CallSid>,
    pub record: Arc<CallRecord>,
    pub timeline: Timeline,
    pub session: Session,
    /// The INVITE that was sent, while another target may still be tried.
    pub outgoing: Option<Box<PendingInvite>>,
    /// The contacts that ring, while a registered user is called and none has answered.
    pub forks: Option<Forks>,
    pub leg: Option<Leg>,
    pub prompts: BTreeMap<PromptId, Arc<Prompt>>,
    pub plays: BTreeMap<PlayId, PromptId>,
    pub recordings: BTreeMap<RecordingSid, Recording>,
    pub streams: BTreeMap<StreamSid, LiveStream>,
    pub recognitions: BTreeMap<RecognitionId, LiveRecognition>,
    pub siprecs: BTreeMap<SiprecSid, LiveSiprec>,
    pub requests: BTreeMap<HttpId, Request>,
    /// Orders that wait until the leg is up, with the calls that gave them (`crate::deferred`).
    pub deferred: Vec<(CallSid, CallEffect)>,
    /// The last answer of [`Call::poll_timeout`]: its key in Control's index of deadlines.
    pub deadline: Option<Instant>,
    /// [`call::CallEffect::Finished`] came.
    pub finished: bool,
    /// Panics of its machine so far. After the first, `call` is a successor; after the second, it is not
    /// driven any more.
    pub panics: u8,
    /// A warning said that a prompt speaks in another voice than it names: one a call is enough.
    pub was_told_of_voice: bool,
    /// A REST request is being carried out and will be answered with its record.
    pub is_asked: bool,
}

/// A webhook that is under way.
#[derive(Debug)]
pub(crate) struct Request {
    pub method: HttpMethod,
    pub url: String,
    pub parameters: Vec<(String, String)>,
    /// It reports the end of the call.
    pub is_last: bool,
}

impl LiveCall {
    /// A call that begins now.
    pub fn new(now: Now, setup: CallSetup, record: Arc<CallRecord>, session: Session) -> Self {
        let mut timeline = Timeline::default();
        let direction = setup.direction.as_str();
        timeline.add(now.unix_ms, Kind::Call, format_args!("{direction} call began"));
        Self {
            sid: setup.sid,
            account: setup.account,
            parent: setup.parent,
            call: Call::new(setup),
            record,
            timeline,
            session,
            outgoing: None,
            forks: None,
            leg: None,
            prompts: BTreeMap::new(),
            plays: BTreeMap::new(),
            recordings: BTreeMap::new(),
            streams: BTreeMap::new(),
            recognitions: BTreeMap::new(),
            siprecs: BTreeMap::new(),
            requests: BTreeMap::new(),
            deferred: Vec::new(),
            deadline: None,
            finished: false,
            panics: 0,
            was_told_of_voice: false,
            is_asked: false,
        }
    }

    /// Whether nothing is left that could still need the call.
    pub fn is_over(&self) -> bool {
        self.finished && self.is_quiet() && self.recognitions.is_empty() && !self.is_asked
    }

    /// Whether only a recognition still needs the call.
    pub fn awaits_text(&self) -> bool {
        self.is_quiet() && !self.recognitions.is_empty()
    }

    /// Whether signaling, media and recordings are over.
    fn is_quiet(&self) -> bool {
        // In any order: a BYE may be answered after the core has stopped the leg, and a recording
        // settles last or first.
        let is_quiet = self.leg.is_none() && self.recordings.is_empty();
        let is_quiet = is_quiet && self.streams.is_empty() && self.siprecs.is_empty();
        is_quiet && matches!(self.session, Session::Over | Session::None)
    }
}
