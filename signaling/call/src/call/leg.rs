//! The SIP side of a call: ringing, answer, refusal, end. Sans-IO.
//!
//! `New → Ringing | (Delayed →) Inviting → Up → Over` ([`Leg`]). The leg decides what the status may be; verbs only ask
//! to answer or to end. [`Call::end`] runs once a call, in a fixed order: it stops requests and recordings,
//! sends the SIP message, changes the status, lets the activity send its last requests, and concludes.

use std::mem;
use std::time::Duration;

use shared::{Code, Header, Now, limits};

use super::Call;
use super::activity::{Activity, Waits as _};
use super::headers::is_x_header;
use super::recordings::RecordingState;
use super::siprec::SiprecState;
use super::state::{Ending, Leg};
use super::streams::StreamState;
use super::transcriptions::TranscriptionState;
use crate::effect::{CallEffect, FinalRecord};
use crate::finding::Finding;
use crate::input::{AnswerFacts, ChildEnd, ChildEvent, HangupCause, ParentCommand};
use crate::setup::{DocumentSource, Target};
use crate::status::{CallStatus, ProgressEvent, status_of_final_response};

/// How long an ended call waits for callbacks and recordings that are not settled.
pub(super) const LINGER: Duration = Duration::from_secs(120);
/// How long it waits where the text of a recording is not there: the recognition's own limits end that.
pub(super) const TRANSCRIPT_LINGER: Duration = Duration::from_secs(
    limits::RECOGNITION_BATCH_WAIT_S as u64 + limits::RECOGNITION_RESULT_S as u64 + 120,
);

impl Call {
    pub(super) fn start(&mut self, now: Now) {
        // A second `Started` must not send a second INVITE.
        if self.leg != Leg::New {
            return;
        }
        self.facts.started = now;
        // First, so that the customer gets these warnings of a call that fails at once, too.
        for finding in mem::take(&mut self.setup.warnings) {
            self.notify(finding, None);
        }
        match self.setup.leg.as_ref().map(|leg| leg.delay_s) {
            None => self.start_inbound(now),
            Some(0) => self.ring(now),
            Some(delay_s) => {
                let until = now.mono + Duration::from_secs(u64::from(delay_s));
                self.leg = Leg::Delayed { until };
            }
        }
    }

    /// Calls the party of an outgoing call.
    pub(super) fn ring(&mut self, now: Now) {
        let Some(leg) = self.setup.leg.clone() else { return };
        match leg.target {
            // Passes through `initiated` as every outgoing call does, so that its callbacks are
            // complete.
            Target::Impossible { code, status, sentence, .. } => {
                self.set_status(now, CallStatus::Initiated);
                self.progress_event(now, ProgressEvent::Initiated);
                self.leg_failed(now, Some(code), status, sentence);
            }
            Target::Sip(_) | Target::Number(_) | Target::Client(_) | Target::Application(_) => {
                // The setting lengthens every ring time; 0 by default (twiml.md 2.6, rule 5).
                let ring_s = leg.ring_s.saturating_add(self.setup.settings.ring_extra_s);
                let until = now.mono + Duration::from_secs(u64::from(ring_s));
                self.leg = Leg::Inviting { until };
                self.activity = Activity::Ringing;
                self.set_status(now, CallStatus::Initiated);
                self.effect(CallEffect::Invite(Box::new(leg)));
                self.progress_event(now, ProgressEvent::Initiated);
            }
        }
    }

    fn start_inbound(&mut self, now: Now) {
        self.leg = Leg::Ringing;
        if self.setup.document == DocumentSource::None {
            let message = "no voice URL is configured: the call is refused with 404";
            self.notify(Finding::error(Code::URL_INVALID, message), None);
            // 404: the domain exists, and nobody answers for the user (webhooks.md 7.2).
            self.end(now, CallStatus::Failed, Ending::Reject(404));
            return;
        }
        self.first_document(now);
    }

    pub(super) fn progress(&mut self, now: Now, status: u16, early_media: bool) {
        // 100 says only that the next hop has the INVITE (RFC 3261 §21.1.1).
        if !matches!(self.leg, Leg::Inviting { .. }) || !(101..200).contains(&status) {
            return;
        }
        // A forking proxy passes on the 180 of each phone; status and callback come once.
        let first = self.status != CallStatus::Ringing;
        if first {
            self.set_status(now, CallStatus::Ringing);
            self.progress_event(now, ProgressEvent::Ringing);
        }
        // A 183 with SDP may follow a 180 without: only the second has audio for the parent.
        let audible = early_media && !self.facts.early_media;
        self.facts.early_media |= early_media;
        if self.is_tied_child() && (first || audible) {
            self.effect(CallEffect::ToParent(ChildEvent::Ringing { early_media }));
        }
    }

    pub(super) fn answered(&mut self, now: Now, facts: AnswerFacts) {
        // A 200 may cross our CANCEL (RFC 3261 §9.1). The leg is over by then and stays over.
        if !matches!(self.leg, Leg::Inviting { .. }) {
            return;
        }
        self.facts.answer = facts;
        self.facts.sip_status = Some(200);
        self.up(now);
        self.progress_event(now, ProgressEvent::Answered);
        if self.is_tied_child() {
            self.effect(CallEffect::ToParent(ChildEvent::Answered));
        }
        // Before digits and document: the recording begins with the answer.
        self.start_api_recording(now);
        let digits = self.setup.leg.as_ref().and_then(|leg| leg.send_digits.clone());
        match digits {
            // An extension behind a switchboard has to be dialled before anybody can hear the
            // document.
            Some(digits) => self.send_digits_first(digits),
            // A screened or bridged child, or a call whose document waits for the result.
            None if self.start_detection(now) => {}
            None => self.first_document(now),
        }
    }

    /// Answers an incoming call; does nothing when the call is answered or outgoing.
    pub(super) fn answer(&mut self, now: Now) {
        if self.leg == Leg::Ringing {
            self.effect(CallEffect::Answer);
            self.up(now);
            self.begin_waiting_sides::<RecordingState>(now);
            self.begin_waiting_sides::<StreamState>(now);
            self.begin_waiting_sides::<TranscriptionState>(now);
            self.begin_waiting_sides::<SiprecState>(now);
        }
    }

    fn up(&mut self, now: Now) {
        debug_assert!(
            matches!(self.leg, Leg::Ringing | Leg::Inviting { .. }),
            "only a leg that rings is answered"
        );
        debug_assert!(self.facts.answered.is_none(), "a leg is answered once");
        self.leg = Leg::Up;
        self.facts.answered = Some(now);
        self.limit_time();
        self.set_status(now, CallStatus::InProgress);
    }

    /// Sets the end of the longest time of an answered call, counted from its answer.
    pub(super) fn limit_time(&mut self) {
        // The operator's limit bounds the customer's, also one that REST sets during the call.
        let limit_s = self.setup.time_limit_s.min(self.setup.settings.call_s_max);
        let limit = Duration::from_secs(u64::from(limit_s));
        self.facts.limit_at = self.facts.answered.map(|answered| answered.mono + limit);
    }

    pub(super) fn rejected(
        &mut self,
        now: Now,
        status: u16,
        call_id: String,
        headers: Vec<Header>,
    ) {
        // The 487 of our own CANCEL arrives when the leg is over: the cause of the CANCEL gave the
        // status.
        if !matches!(self.leg, Leg::Inviting { .. }) {
            return;
        }
        self.facts.answer.call_id = call_id;
        self.facts.sip_status = Some(status);
        self.facts.last_headers = headers;
        self.timeline("sip", format_args!("the INVITE ended with {status}"));
        // `Gone`: a final response has ended the transaction, so there is nothing to cancel.
        self.end(now, status_of_final_response(status), Ending::Gone);
    }

    pub(super) fn leg_failed(
        &mut self,
        now: Now,
        code: Option<Code>,
        status: Option<u16>,
        sentence: String,
    ) {
        if !matches!(self.leg, Leg::New | Leg::Delayed { .. } | Leg::Inviting { .. }) {
            return;
        }
        self.facts.sip_status = status;
        // A notification has to have a code. A failure without one stays in the timeline.
        if let Some(code) = code {
            self.notify(Finding::error(code, sentence.clone()), None);
            self.facts.error_code = Some(code);
            self.facts.failed = Some((code, sentence));
        } else {
            self.timeline("error", sentence);
        }
        self.end(now, CallStatus::Failed, Ending::Gone);
    }

    pub(super) fn ring_timeout(&mut self, now: Now) {
        // Set here, because the 487 of the peer arrives when the leg is over (webhooks.md 7.1).
        self.facts.sip_status = Some(487);
        self.end(now, CallStatus::NoAnswer, Ending::Bye);
    }

    pub(super) fn hung_up(&mut self, now: Now, cause: HangupCause, headers: Vec<Header>) {
        if self.is_over() {
            return;
        }
        // The action of `<Dial>` reports the headers of the BYE (webhooks.md 5.3).
        self.facts.last_headers = headers;
        let answered = self.facts.answered.is_some();
        let failure = match cause {
            HangupCause::Peer => None,
            HangupCause::Failure { code, sentence } => Some((code, sentence)),
            HangupCause::BadAnswer { status, sentence } => {
                // A 2xx whose SDP cannot be used is still the final response that `SipResponseCode`
                // shows.
                self.facts.sip_status = status.or(self.facts.sip_status);
                Some((Some(Code::SDP_INVALID), sentence))
            }
        };
        let status = match (&failure, answered) {
            // Without an ACK the INVITE transaction never completed, so the call counts as never answered.
            (Some((Some(Code::NO_ACK), _)), _) => CallStatus::Failed,
            (_, true) => CallStatus::Completed,
            (None, false) => CallStatus::NoAnswer,
            (Some(_), false) => CallStatus::Failed,
        };
        match failure {
            None => self.timeline("sip", "the peer hung up"),
            Some((Some(code), sentence)) => {
                self.facts.error_code = Some(code);
                self.notify(Finding::error(code, sentence.clone()), None);
                // After the answer the `<Dial>` of the parent reports a completed call, not this
                // code.
                if !answered {
                    self.facts.failed = Some((code, sentence));
                }
            }
            Some((None, sentence)) => self.timeline("error", sentence),
        }
        self.end(now, status, Ending::Gone);
    }

    pub(super) fn media_lost(&mut self, now: Now) {
        // Before the answer no media is due: early media may never come.
        if self.facts.answered.is_some() && !self.is_over() {
            let message = "No media came from the party for the media timeout: hanging up.";
            // A warning: no document failed, and the call ends as `completed`.
            self.notify(Finding::warning(Code::NO_MEDIA, message), None);
            self.end(now, CallStatus::Completed, Ending::Bye);
        }
    }

    pub(super) fn parent_command(&mut self, now: Now, command: ParentCommand) {
        // A child that left its `<Dial>`, by a redirect or a transfer, goes on without its parent.
        if self.is_over() || !self.tied {
            return;
        }
        match command {
            ParentCommand::Cancel | ParentCommand::Hangup => self.complete(now),
            ParentCommand::Release => {
                // A tied call has a parent. Its own SID stands for none, because no call transfers
                // itself away.
                let parent = self.setup.parent.unwrap_or(self.setup.sid);
                if !self.transferor_gone(now, parent) {
                    self.complete(now);
                }
            }
            ParentCommand::Bridged { recording } => {
                self.facts.dial_recording = recording;
                self.timeline("child", "bridged with the parent");
            }
        }
    }

    /// Ends the call for REST or the parent: `canceled` before the answer, `completed` after it.
    pub(super) fn complete(&mut self, now: Now) {
        match self.leg {
            Leg::New | Leg::Delayed { .. } => {
                // A call that is cancelled while queued sends no callback at all.
                self.setup.status_callback = None;
                // It has never started: without this its record would begin in 1970.
                self.facts.started = now;
                self.end(now, CallStatus::Canceled, Ending::Gone);
            }
            // 603: a decision about this call, not a state of the callee (webhooks.md 7.2).
            Leg::Ringing => self.end(now, CallStatus::Canceled, Ending::Reject(603)),
            Leg::Inviting { .. } => {
                self.facts.sip_status = Some(487);
                self.end(now, CallStatus::Canceled, Ending::Bye);
            }
            Leg::Up => {
                if let Activity::Conferring(conferring) = &mut self.activity {
                    conferring.leaves_by_rest();
                }
                self.end(now, CallStatus::Completed, Ending::Bye);
            }
            Leg::Over => {}
        }
    }

    /// Ends the leg. Nothing else does.
    pub(super) fn end(&mut self, now: Now, status: CallStatus, how: Ending) {
        debug_assert!(!self.is_over(), "a leg ends once");
        debug_assert!(status.is_terminal(), "a leg ends with a final status");
        let mut activity = mem::take(&mut self.activity);
        // No leg is left to run the document. Its answer is dropped when it arrives.
        if let Activity::Fetching(fetching) = &activity {
            self.abandon(fetching.request);
        }
        if let Some(kept) = self.end_transfer() {
            // The document of a transfer was running: its own `<Dial>` ends without an action, and the
            // activity from before the transfer ends as if it had never been left.
            if let Activity::Dialing(mut dialing) = activity {
                dialing.abort(self, now);
            }
            activity = kept;
        }
        // Before the last requests, which report the length of each recording.
        self.stop_all_sides::<RecordingState>(now);
        self.stop_all_sides::<StreamState>(now);
        self.stop_all_sides::<TranscriptionState>(now);
        self.stop_all_sides::<SiprecState>(now);
        match how {
            Ending::Bye => self.effect(CallEffect::Hangup),
            Ending::Reject(status) => self.effect(CallEffect::Reject { status }),
            Ending::Gone => {}
        }
        // Before the activity sends its last requests: whatever starts from here on is a report,
        // not a verb.
        self.leg = Leg::Over;
        self.facts.ended = Some(now);
        // No limit may end the leg a second time.
        self.facts.limit_at = None;
        self.script.verbs.clear();
        self.set_status(now, status);
        match activity.on_leg_over(self, now) {
            Some(last) => self.activity = last,
            None => self.conclude(now),
        }
    }

    /// Sends final record, terminal callback and [`ChildEvent::Ended`]. The record goes first, so that an
    /// application that reads the call from inside its callback finds it ended.
    pub(super) fn conclude(&mut self, now: Now) {
        debug_assert!(!self.facts.concluded, "a call is concluded once");
        debug_assert!(self.is_over(), "a call that is concluded has no leg");
        debug_assert!(self.transfer.is_none(), "a transfer is over before its call is concluded");
        debug_assert!(self.status.is_terminal(), "a call that is concluded has its last status");
        self.facts.concluded = true;
        self.effect(CallEffect::Ended(FinalRecord {
            status: self.status,
            started_unix_ms: self.facts.started.unix_ms,
            answered_unix_ms: self.answered_unix_ms(),
            ended_unix_ms: self.facts.ended.unwrap_or(now).unix_ms,
            duration_s: self.duration_s(now),
            sip_status: self.facts.sip_status,
            error_code: self.facts.error_code,
        }));
        self.progress_event(now, ProgressEvent::Completed);
        if self.is_tied_child() {
            // The tie is cut together with the event: a parent gets exactly one end of each child.
            self.tied = false;
            let end = self.child_end();
            self.effect(CallEffect::ToParent(ChildEvent::Ended(end)));
        }
    }

    fn child_end(&mut self) -> ChildEnd {
        let is_sip = matches!(self.setup.leg.as_ref().map(|leg| &leg.target), Some(Target::Sip(_)));
        // Moved: no request of a concluded call shows either.
        let call_id = Some(mem::take(&mut self.facts.answer.call_id));
        let error = self.facts.failed.take();
        let headers = self.facts.last_headers.iter();
        ChildEnd {
            // A failed screening document hangs up an answered child: for the parent the dial has
            // failed (webhooks.md 8.1).
            status: match error {
                Some(_) => CallStatus::Failed,
                None => self.status,
            },
            sip_status: self.facts.sip_status,
            sip_call_id: call_id.filter(|id| is_sip && !id.is_empty()),
            headers: headers.filter(|header| is_x_header(&header.name)).cloned().collect(),
            duration_s: self.duration_s(self.facts.ended.unwrap_or_default()),
            error,
        }
    }

    /// Whole seconds from the answer to the end, or to now, rounded up; `None` when unanswered.
    pub(super) fn duration_s(&self, now: Now) -> Option<u32> {
        let answered = self.facts.answered?;
        let duration = self.facts.ended.unwrap_or(now).mono.since(answered.mono);
        u32::try_from(duration.as_millis().div_ceil(1_000)).ok()
    }

    /// Returns [`CallEffect::Finished`] when every request and recording is settled.
    pub(super) fn finish_if_done(&mut self) {
        let done = self.facts.concluded
            && self.requests.is_empty()
            && self.streams.is_empty()
            && self.transcriptions.is_empty()
            && self.transcripts.is_empty()
            && self.siprecs.is_empty()
            && self.recordings.values().all(|recording| recording.done);
        if done && !self.facts.finished {
            debug_assert!(
                matches!(self.activity, Activity::Idle) && self.transfer.is_none(),
                "a call that is finished waits for nothing"
            );
            self.facts.finished = true;
            self.effect(CallEffect::Finished);
        }
    }

    /// Drops the requests, streams, recording sessions and recordings that are not settled.
    pub(super) fn give_up(&mut self) {
        // Answers that still arrive match no entry and have no effect.
        self.requests.clear();
        self.streams.clear();
        self.transcriptions.clear();
        self.transcripts.clear();
        self.lanes.clear();
        self.siprecs.clear();
        self.recordings.clear();
    }
}
