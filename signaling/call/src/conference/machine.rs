//! The machine of one conference ([`super`]). Sans-IO.
//!
//! A call that REST places is *expected* until it enters or ends. If its phone sends early media, the call *rings* in the
//! room: its leg joins, the members hear it, and it hears nothing. A ringing call does not begin or end the conference, and
//! no callback reports it. Members that wait for the beginning hear the ringing call and not their music: the agent who
//! dialled needs to hear its progress.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shared::{AccountSid, CallSid, Code, ConferenceSid, Now};
use store::{ConferenceEnd, ConferenceStatus};

use super::callback;
use super::effect::{ConferenceEffect, Departure};
use super::event::ConferenceEvent;
use super::input::ConferenceInput;
use super::member::{Entry, Member, Terms};
use crate::form::Form;
use crate::setup::Webhook;
use crate::status::CallStatus;

/// One conference.
#[derive(Debug)]
pub struct Conference {
    /// The `ConferenceSid` of the API.
    pub sid: ConferenceSid,
    /// The account, within which the name is unique while it lasts.
    pub account: AccountSid,
    /// `FriendlyName`.
    pub name: String,
    /// What the first member decided.
    pub terms: Terms,
    /// When it was made, Unix milliseconds.
    pub created_ms: i64,
    /// Its last change, Unix milliseconds.
    pub updated_ms: i64,
    pub(super) status: ConferenceStatus,
    ended: Option<(ConferenceEnd, Option<CallSid>)>,
    pub(super) members: BTreeMap<CallSid, Member>,
    /// Calls that REST placed for the conference and that have not entered.
    pub(super) expected: BTreeMap<CallSid, Member>,
    /// Those of the expected calls whose early media the room gets.
    pub(super) ringing: BTreeSet<CallSid>,
    /// Members that wait hear a party that rings in the place of their music.
    pub(super) hears_ringing: bool,
    /// Numbers of events so far, sent or not.
    sequence: u32,
    pub(super) effects: VecDeque<ConferenceEffect>,
}

impl Conference {
    /// A conference without a member; the caller lets the first one enter, or expects one, at once.
    pub fn new(now: Now, sid: ConferenceSid, entry: &Entry) -> Self {
        Self {
            sid,
            account: entry.account,
            name: entry.name.clone(),
            terms: entry.terms.clone(),
            created_ms: now.unix_ms,
            updated_ms: now.unix_ms,
            status: ConferenceStatus::Init,
            ended: None,
            members: BTreeMap::new(),
            expected: BTreeMap::new(),
            ringing: BTreeSet::new(),
            hears_ringing: false,
            sequence: 0,
            effects: VecDeque::new(),
        }
    }

    /// How far it is.
    pub const fn status(&self) -> ConferenceStatus {
        self.status
    }

    /// Why it ended, and the member that caused it; `None` before.
    pub const fn ended(&self) -> Option<(ConferenceEnd, Option<CallSid>)> {
        self.ended
    }

    /// The members, in the order of their SIDs.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// The member of a call.
    pub fn member(&self, call: CallSid) -> Option<&Member> {
        self.members.get(&call)
    }

    /// Calls that REST placed for the conference and that have not entered.
    pub fn expected(&self) -> impl Iterator<Item = &Member> {
        self.expected.values()
    }

    /// The member, or expected member, of a call.
    pub fn participant(&self, call: CallSid) -> Option<&Member> {
        self.members.get(&call).or(self.expected.get(&call))
    }

    /// The member, or expected member, with a label.
    pub fn labelled(&self, label: &str) -> Option<&Member> {
        self.members
            .values()
            .chain(self.expected.values())
            .find(|member| member.terms.label.as_deref() == Some(label))
    }

    /// The next effect; `None` when all are taken.
    pub fn poll_effect(&mut self) -> Option<ConferenceEffect> {
        self.effects.pop_front()
    }

    /// Whether a call may enter.
    ///
    /// # Errors
    /// The refusal for the call: a full room (16020), a label that is taken (16025), or an unknown member to
    /// coach (13240).
    pub fn admits(&self, call: CallSid, entry: &Entry) -> Result<(), ConferenceInput> {
        let refuse = |code, sentence| Err(ConferenceInput::Refused { code, sentence });
        let is_other = |member: &Member| member.call != call;
        let others = self.members.len() + self.expected.values().filter(|m| is_other(m)).count();
        if others >= self.terms.max_participants as usize {
            let most = self.terms.max_participants;
            return refuse(
                Code::CONFERENCE_FULL,
                format!("the conference `{}` has its {most} members", self.name),
            );
        }
        if let Some(label) = &entry.member.label
            && self.labelled(label).is_some_and(is_other)
        {
            let sentence =
                format!("the conference `{}` has a member labelled `{label}`", self.name);
            return refuse(Code::PARTICIPANT_LABEL_TAKEN, sentence);
        }
        match entry.member.coach {
            Some(coached) if !self.members.contains_key(&coached) => {
                let sentence = format!("{coached} is not in the conference `{}`", self.name);
                refuse(Code::CONFERENCE_COACH, sentence)
            }
            _ => Ok(()),
        }
    }

    /// REST places a call that [`Self::admits`] accepts and that will enter when it is answered.
    pub fn expect(&mut self, now: Now, call: CallSid, entry: Entry) {
        if self.members.is_empty() && self.expected.is_empty() {
            self.effects.push_back(ConferenceEffect::Changed);
        }
        self.expected.insert(call, Member::new(now, call, entry.member));
    }

    /// The leg of an expected call is in the room, with early media. Returns `false` where it was so before, or
    /// the call is not expected.
    pub fn ring(&mut self, call: CallSid) -> bool {
        let rings = self.expected.contains_key(&call) && self.ringing.insert(call);
        if rings {
            self.order_all();
        }
        rings
    }

    /// Whether the leg of an expected call is in the room.
    pub fn rings(&self, call: CallSid) -> bool {
        self.ringing.contains(&call)
    }

    /// An expected call ended without entering.
    pub fn forget(&mut self, now: Now, call: CallSid, status: CallStatus) {
        let Some(member) = self.expected.remove(&call) else { return };
        let label = member.terms.label.clone();
        self.add_failed(now, call, &member, status);
        self.stop_ringing(call);
        if self.members.is_empty() && self.expected.is_empty() {
            let ending = Some((call, label));
            self.close(
                now,
                ConferenceEnd::LastParticipantLeft,
                ending,
                "moderator_ended_conference",
            );
        } else {
            self.order_all();
        }
    }

    fn stop_ringing(&mut self, call: CallSid) {
        if self.ringing.remove(&call) {
            self.effects.push_back(ConferenceEffect::Part { call });
        }
    }

    /// Reports that an expected call has not come.
    fn add_failed(&mut self, now: Now, call: CallSid, member: &Member, status: CallStatus) {
        self.event(now, ConferenceEvent::Leave, "participant-leave", call, |form| {
            callback::member_parameters(member, form);
            form.push("ReasonParticipantLeft", "participant_add_failed");
            form.push("ParticipantCallStatus", status.as_str());
        });
    }

    /// A call that [`Self::admits`] accepts enters.
    pub fn enter(&mut self, now: Now, call: CallSid, entry: Entry) {
        debug_assert!(self.status != ConferenceStatus::Completed, "nobody enters after the end");
        let beeps = entry.member.beep.on_enter;
        let is_first = self.members.is_empty() && self.expected.is_empty();
        // REST may have changed an expected member since its call was placed.
        let member = match self.expected.remove(&call) {
            Some(expected) => Member { updated_ms: now.unix_ms, ..expected },
            None => Member::new(now, call, entry.member),
        };
        // Its leg stays in the room.
        self.ringing.remove(&call);
        self.members.insert(call, member);
        let begins = self.status == ConferenceStatus::Init
            && self.members.len() >= 2
            && self.members.values().any(|member| member.terms.start_on_enter);
        if is_first {
            self.effects.push_back(ConferenceEffect::Changed);
        }
        let waits = self.status == ConferenceStatus::Init && !begins && !self.hears_ringing;
        let conference = self.sid;
        self.tell(call, ConferenceInput::Entered { conference, waits });
        self.member_event(now, ConferenceEvent::Join, "participant-join", call, |_| {});
        if begins {
            self.begin(now, call);
        }
        self.order_all();
        if beeps && self.status == ConferenceStatus::InProgress {
            self.effects.push_back(ConferenceEffect::Beep);
        }
    }

    fn begin(&mut self, now: Now, newest: CallSid) {
        self.status = ConferenceStatus::InProgress;
        self.hears_ringing = false;
        self.updated_ms = now.unix_ms;
        self.effects.push_back(ConferenceEffect::Changed);
        self.event(now, ConferenceEvent::Start, "conference-start", newest, |_| {});
        let waiting: Vec<CallSid> =
            self.members.keys().copied().filter(|call| *call != newest).collect();
        for call in waiting {
            self.tell(call, ConferenceInput::Started);
        }
        if self.terms.record {
            self.effects.push_back(ConferenceEffect::Record { trim: self.terms.trim });
        }
    }

    /// A call leaves. `status` is that of the call.
    pub fn leave(&mut self, now: Now, call: CallSid, departure: Departure, status: CallStatus) {
        let Some(member) = self.members.get(&call) else { return };
        let (moderates, beeps) = (member.terms.end_on_exit, member.terms.beep.on_exit);
        let label = member.terms.label.clone();
        self.remove(now, call, departure.word(), status);
        let kicked = departure == Departure::Api;
        let is_empty = self.members.is_empty() && self.expected.is_empty();
        let reason = match (moderates, is_empty, kicked) {
            (true, _, false) => ConferenceEnd::EndingParticipantLeft,
            (true, _, true) => ConferenceEnd::EndingParticipantKicked,
            (false, true, false) => ConferenceEnd::LastParticipantLeft,
            (false, true, true) => ConferenceEnd::LastParticipantKicked,
            (false, false, _) => {
                self.order_all();
                if beeps && self.status == ConferenceStatus::InProgress {
                    self.effects.push_back(ConferenceEffect::Beep);
                }
                return;
            }
        };
        self.close(now, reason, Some((call, label)), "moderator_ended_conference");
    }

    /// REST removes a member: its stay is over.
    pub fn kick(&mut self, now: Now, call: CallSid, status: CallStatus) {
        if self.members.contains_key(&call) {
            self.leave(now, call, Departure::Api, status);
            self.tell(call, ConferenceInput::Left);
        }
    }

    /// REST plays a document to every member.
    pub fn announce(&mut self, announce: &Webhook) {
        let members: Vec<CallSid> = self.members.keys().copied().collect();
        for call in members {
            self.tell(call, ConferenceInput::Announced(announce.clone()));
        }
    }

    /// REST ends the conference.
    pub fn end(&mut self, now: Now) {
        if self.status != ConferenceStatus::Completed {
            self.close(now, ConferenceEnd::Api, None, "conference_ended_via_api");
        }
    }

    fn close(
        &mut self,
        now: Now,
        reason: ConferenceEnd,
        ending: Option<(CallSid, Option<String>)>,
        left: &'static str,
    ) {
        let calls: Vec<CallSid> = self.members.keys().copied().collect();
        let anybody = calls.first().or(self.expected.keys().next()).copied();
        let carrier = ending.as_ref().map(|(call, _)| *call).or(anybody);
        for call in calls {
            self.remove(now, call, left, CallStatus::InProgress);
            self.tell(call, ConferenceInput::Left);
        }
        for (call, member) in std::mem::take(&mut self.expected) {
            // It rings no more: that is what its own callback reports, too.
            self.add_failed(now, call, &member, CallStatus::Canceled);
            self.stop_ringing(call);
            self.effects.push_back(ConferenceEffect::Drop { call });
        }
        self.status = ConferenceStatus::Completed;
        self.ended = Some((reason, ending.as_ref().map(|(call, _)| *call)));
        self.updated_ms = now.unix_ms;
        self.effects.push_back(ConferenceEffect::Changed);
        // A conference that has not ended has a member or expects one, so that the callback can always name one.
        let Some(carrier) = carrier else { return };
        let ending = ending.as_ref().map(|(call, label)| (*call, label.as_deref()));
        self.event(now, ConferenceEvent::End, "conference-end", carrier, |form| {
            callback::end_parameters(reason.name(), ending, form);
        });
    }

    fn remove(&mut self, now: Now, call: CallSid, why: &str, status: CallStatus) {
        self.member_event(now, ConferenceEvent::Leave, "participant-leave", call, |form| {
            form.push("ReasonParticipantLeft", why);
            form.push("ParticipantCallStatus", status.as_str());
        });
        self.members.remove(&call);
        self.effects.push_back(ConferenceEffect::Part { call });
    }

    pub(super) fn tell(&mut self, call: CallSid, input: ConferenceInput) {
        self.effects.push_back(ConferenceEffect::Tell { call, input });
    }

    pub(super) fn member_event(
        &mut self,
        now: Now,
        event: ConferenceEvent,
        name: &str,
        call: CallSid,
        add: impl FnOnce(&mut Form),
    ) {
        let Some(member) = self.members.get(&call).cloned() else { return };
        self.event(now, event, name, call, |form| {
            callback::member_parameters(&member, form);
            add(form);
        });
    }

    /// Counts an event and orders its callback, if the first member wanted it.
    fn event(
        &mut self,
        now: Now,
        event: ConferenceEvent,
        name: &str,
        call: CallSid,
        add: impl FnOnce(&mut Form),
    ) {
        let wanted =
            self.terms.callback.as_ref().is_some_and(|(_, events)| events.contains(&event));
        // Counts the callbacks, so that the application sees a gap where one is lost.
        if !wanted {
            return;
        }
        self.sequence += 1;
        let (sid, account) = (self.sid, self.account);
        let mut form = callback::common(name, sid, &self.name, account, self.sequence, now.unix_ms);
        add(&mut form);
        self.effects.push_back(ConferenceEffect::Callback { call, form });
    }
}
