//! The machine of one conference ([`super`]). Sans-IO.
//!
//! A call that REST places is *expected* until it enters or ends. Where its phone sends early media, it *rings*
//! in the room: its leg is there and is heard, but it hears nothing, counts for no rule of beginning and end,
//! and no callback reports it. Members that wait for the beginning hear a party that rings in the place of
//! their music, because the agent who dialled wants to know how the call fares.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shared::{AccountSid, CallSid, Code, ConferenceSid, Now};
use store::{ConferenceEnd, ConferenceStatus};

use super::callback;
use super::event::ConferenceEvent;
use super::input::{ConferenceInput, Music};
use super::member::{Entry, Member, MemberChange, Role, Terms};
use crate::form::Form;
use crate::setup::Webhook;
use crate::status::CallStatus;

/// Why a member left (`ReasonParticipantLeft`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It hung up, pressed `*`, reached a limit, or its wait document failed.
    HungUp,
    /// REST removed it, or sent its call elsewhere.
    Api,
}

/// Out of a [`Conference`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConferenceEffect {
    /// Carry to the call of a member.
    Tell {
        /// The call.
        call: CallSid,
        /// The input that it gets.
        input: ConferenceInput,
    },
    /// Order what a member says and hears.
    Order {
        /// Its call.
        call: CallSid,
        /// From now on.
        role: Role,
    },
    /// Take the leg of a call out of the room. The call may be gone already.
    Part {
        /// The call.
        call: CallSid,
    },
    /// Play the beep to the room.
    Beep,
    /// Send a status callback. They leave in this order.
    Callback {
        /// A member, or the one that left last: its call carries the cookies.
        call: CallSid,
        /// The parameters.
        form: Form,
    },
    /// End a call that was to enter: the conference is over.
    Drop {
        /// The call.
        call: CallSid,
    },
    /// Begin the recording of the conference.
    Record {
        /// Whether silence is cut from its start and its end.
        trim: bool,
    },
    /// Its record has changed: write it.
    Changed,
}

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
    status: ConferenceStatus,
    ended: Option<(ConferenceEnd, Option<CallSid>)>,
    members: BTreeMap<CallSid, Member>,
    /// Calls that REST placed for the conference and that have not entered.
    expected: BTreeMap<CallSid, Member>,
    /// Those of the expected calls whose early media the room gets.
    ringing: BTreeSet<CallSid>,
    /// Members that wait hear a party that rings in the place of their music.
    hears_ringing: bool,
    /// Numbers of events so far, sent or not.
    sequence: u32,
    effects: VecDeque<ConferenceEffect>,
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
        self.remove(now, call, departure_word(departure), status);
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

    /// REST changes a member. Coaching is checked before.
    pub fn change(&mut self, now: Now, call: CallSid, change: MemberChange) {
        let member = match self.members.get_mut(&call) {
            Some(member) => member,
            None => match self.expected.get_mut(&call) {
                Some(member) => member,
                None => return,
            },
        };
        member.updated_ms = now.unix_ms;
        let (was_muted, was_held) = (member.terms.muted, member.held);
        let before = (member.terms.end_on_exit, member.terms.beep, member.terms.coach);
        member.terms.muted = change.muted.unwrap_or(member.terms.muted);
        member.terms.end_on_exit = change.end_on_exit.unwrap_or(member.terms.end_on_exit);
        member.terms.beep.on_exit = change.beep_on_exit.unwrap_or(member.terms.beep.on_exit);
        member.terms.coach = change.coach.unwrap_or(member.terms.coach);
        let (held, music) = change.hold.unwrap_or((member.held, None));
        member.held = held;
        let muted = member.terms.muted;
        let is_modified =
            before != (member.terms.end_on_exit, member.terms.beep, member.terms.coach);
        if muted != was_muted {
            let name = if muted { "participant-mute" } else { "participant-unmute" };
            self.member_event(now, ConferenceEvent::Mute, name, call, |_| {});
        }
        if held != was_held {
            let name = if held { "participant-hold" } else { "participant-unhold" };
            self.member_event(now, ConferenceEvent::Hold, name, call, |_| {});
            self.tell(call, hold_input(held, music));
        }
        if is_modified {
            self.member_event(now, ConferenceEvent::Modify, "participant-modify", call, |_| {});
        }
        if let Some(wait) = change.wait {
            self.tell(call, ConferenceInput::Waits(wait));
        }
        if let Some(announce) = change.announce {
            self.tell(call, ConferenceInput::Announced(announce));
        }
        self.order_all();
    }

    /// A member began to speak, or stopped.
    pub fn talking(&mut self, now: Now, call: CallSid, is_talking: bool) {
        let name = if is_talking { "participant-speech-start" } else { "participant-speech-stop" };
        if self.members.contains_key(&call) {
            self.member_event(now, ConferenceEvent::Speaker, name, call, |_| {});
        }
    }

    /// An announcement to a member, or to all where `call` is any member, has ended or failed.
    pub fn announced(&mut self, now: Now, call: CallSid, url: &str, failure: Option<&str>) {
        if !self.members.contains_key(&call) {
            return;
        }
        let name = if failure.is_some() { "announcement-fail" } else { "announcement-end" };
        self.member_event(now, ConferenceEvent::Announcement, name, call, |form| {
            form.push("AnnounceUrl", url);
            if let Some(reason) = failure {
                form.push("ReasonAnnouncementFailed", reason);
            }
        });
    }

    /// Orders every role that differs from the last order.
    fn order_all(&mut self) {
        let has_begun = self.status == ConferenceStatus::InProgress;
        self.swap_music_for_ringing(has_begun);
        let hears = has_begun || self.hears_ringing;
        let is_there = |call: CallSid| self.members.contains_key(&call);
        let members = self.members.values();
        let members = members.map(|member| (member, member.role(has_begun, hears, is_there)));
        let ringing = self.ringing.iter().filter_map(|call| self.expected.get(call));
        let ringing = ringing.map(|member| (member, member.role(true, false, is_there)));
        let roles: Vec<(CallSid, Role)> = members
            .chain(ringing)
            .filter(|(member, role)| member.ordered != Some(*role))
            .map(|(member, role)| (member.call, role))
            .collect();
        for (call, role) in roles {
            let member = self.members.get_mut(&call).or(self.expected.get_mut(&call));
            if let Some(member) = member {
                member.ordered = Some(role);
            }
            self.effects.push_back(ConferenceEffect::Order { call, role });
        }
    }

    /// Before the beginning: members hear a party that rings, or their music.
    fn swap_music_for_ringing(&mut self, has_begun: bool) {
        let ringing = self.ringing.iter().filter_map(|call| self.expected.get(call));
        let is_heard = !has_begun && ringing.into_iter().any(Member::speaks_to_all);
        if is_heard == self.hears_ringing {
            return;
        }
        self.hears_ringing = is_heard;
        let members: Vec<CallSid> = self.members.keys().copied().collect();
        for call in members {
            self.tell(call, ConferenceInput::Rings(is_heard));
        }
    }

    fn tell(&mut self, call: CallSid, input: ConferenceInput) {
        self.effects.push_back(ConferenceEffect::Tell { call, input });
    }

    fn member_event(
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

fn departure_word(departure: Departure) -> &'static str {
    match departure {
        Departure::HungUp => "participant_hung_up",
        Departure::Api => "participant_updated_via_api",
    }
}

fn hold_input(held: bool, music: Option<Webhook>) -> ConferenceInput {
    match (held, music) {
        (false, _) => ConferenceInput::Unheld,
        (true, None) => ConferenceInput::Held(Music::Standard),
        (true, Some(webhook)) if webhook.url.is_empty() => ConferenceInput::Held(Music::Silence),
        (true, Some(webhook)) => ConferenceInput::Held(Music::Document(webhook)),
    }
}

#[cfg(test)]
mod tests {
    use shared::Playout;

    use super::super::{Beep, MemberTerms, Voice};
    use super::*;

    const ACCOUNT: AccountSid = AccountSid(1);
    const AGENT: CallSid = CallSid(1);
    const CALLER: CallSid = CallSid(2);
    const BOSS: CallSid = CallSid(3);

    #[test]
    fn it_begins_with_the_second_member_and_one_that_starts_it() {
        let mut room = room();
        assert_eq!(
            enter(&mut room, AGENT, |_| {}),
            ["changed", "told 1 Entered waiting", "participant-join 1", "1 nobody deaf"]
        );
        assert_eq!(room.status(), ConferenceStatus::Init);
        assert_eq!(
            enter(&mut room, CALLER, |_| {}),
            [
                "told 2 Entered",
                "participant-join 2",
                "changed",
                "conference-start 2",
                "told 1 Started",
                "1 room hears",
                "2 room hears",
                "beep"
            ]
        );
        assert_eq!(room.status(), ConferenceStatus::InProgress);
    }

    #[test]
    fn it_waits_for_a_member_that_starts_it() {
        let mut room = room();
        enter(&mut room, AGENT, |terms| terms.start_on_enter = false);
        enter(&mut room, CALLER, |terms| terms.start_on_enter = false);
        assert_eq!(room.status(), ConferenceStatus::Init);
        enter(&mut room, BOSS, |_| {});
        assert_eq!(room.status(), ConferenceStatus::InProgress);
    }

    #[test]
    fn the_last_one_to_leave_ends_it() {
        let mut room = begun();
        assert_eq!(
            leave(&mut room, AGENT, Departure::HungUp),
            ["participant-leave 1 participant_hung_up", "part 1", "beep"]
        );
        assert_eq!(
            leave(&mut room, CALLER, Departure::HungUp),
            [
                "participant-leave 2 participant_hung_up",
                "part 2",
                "changed",
                "conference-end 2 last-participant-left"
            ]
        );
        assert_eq!(room.ended(), Some((ConferenceEnd::LastParticipantLeft, Some(CALLER))));
    }

    #[test]
    fn a_moderator_takes_everybody_along() {
        let mut room = room();
        enter(&mut room, AGENT, |terms| terms.end_on_exit = true);
        enter(&mut room, CALLER, |_| {});
        assert_eq!(
            leave(&mut room, AGENT, Departure::HungUp),
            [
                "participant-leave 1 participant_hung_up",
                "part 1",
                "participant-leave 2 moderator_ended_conference",
                "part 2",
                "told 2 Left",
                "changed",
                "conference-end 1 participant-with-end-conference-on-exit-left"
            ]
        );
    }

    #[test]
    fn rest_ends_it_once() {
        let mut room = begun();
        room.end(Now::default());
        let words = words(&mut room);
        assert_eq!(
            words.last().map(String::as_str),
            Some("conference-end 1 conference-ended-via-api")
        );
        room.end(Now::default());
        assert!(room.poll_effect().is_none());
    }

    #[test]
    fn mute_and_hold_change_what_the_member_says_and_hears() {
        let mut room = begun();
        let change = MemberChange { muted: Some(true), ..MemberChange::default() };
        assert_eq!(changed(&mut room, change.clone()), ["participant-mute 1", "1 nobody hears"]);
        assert!(changed(&mut room, change).is_empty(), "muted already");
        let hold = MemberChange { hold: Some((true, None)), ..MemberChange::default() };
        assert_eq!(
            changed(&mut room, hold),
            ["participant-hold 1", "told 1 Held(Standard)", "1 nobody deaf"]
        );
        let back = MemberChange {
            muted: Some(false),
            hold: Some((false, None)),
            ..MemberChange::default()
        };
        assert_eq!(
            changed(&mut room, back),
            ["participant-unmute 1", "participant-unhold 1", "told 1 Unheld", "1 room hears"]
        );
    }

    #[test]
    fn a_coach_is_heard_by_one_member_and_by_nobody_when_that_one_is_gone() {
        let mut room = begun();
        let words = enter(&mut room, BOSS, |terms| terms.coach = Some(AGENT));
        assert!(words.contains(&"3 member 1 hears".to_owned()), "{words:?}");
        let words = leave(&mut room, AGENT, Departure::HungUp);
        assert!(words.contains(&"3 nobody hears".to_owned()), "{words:?}");
    }

    #[test]
    fn a_full_room_a_taken_label_and_an_unknown_coach_are_refused() {
        let mut room = begun();
        let code = |room: &Conference, change: fn(&mut Entry)| {
            let mut entry = entry();
            change(&mut entry);
            match room.admits(BOSS, &entry) {
                Err(ConferenceInput::Refused { code, .. }) => Err(code),
                other => Ok(other),
            }
        };
        room.members.get_mut(&AGENT).expect("a member").terms.label = Some("agent".to_owned());
        let label = code(&room, |entry| entry.member.label = Some("agent".to_owned()));
        assert_eq!(label, Err(Code::PARTICIPANT_LABEL_TAKEN));
        let coach = code(&room, |entry| entry.member.coach = Some(BOSS));
        assert_eq!(coach, Err(Code::CONFERENCE_COACH));
        room.terms.max_participants = 2;
        assert_eq!(code(&room, |_| {}), Err(Code::CONFERENCE_FULL));
    }

    #[test]
    fn a_call_that_rest_placed_counts_until_it_enters_or_fails() {
        let mut room = room();
        room.expect(Now::default(), AGENT, entry());
        assert_eq!(words(&mut room), ["changed"]);
        room.forget(Now::default(), AGENT, CallStatus::Busy);
        assert_eq!(
            words(&mut room),
            [
                "participant-leave 1 participant_add_failed",
                "changed",
                "conference-end 1 last-participant-left"
            ]
        );
        let mut room = begun();
        room.expect(Now::default(), BOSS, entry());
        leave(&mut room, AGENT, Departure::HungUp);
        leave(&mut room, CALLER, Departure::HungUp);
        assert_eq!(room.status(), ConferenceStatus::InProgress, "one more is on its way");
        room.end(Now::default());
        assert!(words(&mut room).contains(&"drop 3".to_owned()));
    }

    #[test]
    fn the_end_of_a_conference_that_nobody_has_entered_is_reported() {
        let mut room = room();
        room.expect(Now::default(), AGENT, entry());
        words(&mut room);
        room.end(Now::default());
        let words = words(&mut room);
        let leaves = "participant-leave 1 participant_add_failed";
        let ends = "conference-end 1 conference-ended-via-api";
        assert_eq!(words, [leaves, "drop 1", "changed", ends]);
    }

    #[test]
    fn sequence_numbers_count_the_events_that_are_sent() {
        let mut room = room();
        room.terms.callback = Some((Webhook::post("http://app/c"), vec![ConferenceEvent::End]));
        room.enter(Now::default(), AGENT, entry());
        room.leave(Now::default(), AGENT, Departure::HungUp, CallStatus::Completed);
        let forms: Vec<Form> = std::iter::from_fn(|| room.poll_effect())
            .filter_map(|effect| match effect {
                ConferenceEffect::Callback { form, .. } => Some(form),
                _ => None,
            })
            .collect();
        let [form] = &forms[..] else { panic!("{forms:?}") };
        assert_eq!(form.value("SequenceNumber"), Some("1"));
        assert_eq!(form.value("StatusCallbackEvent"), Some("conference-end"));
        assert_eq!(form.value("FriendlyName"), Some("ops"));
    }

    #[test]
    fn a_party_that_rings_is_heard_in_the_place_of_the_music_and_begins_nothing() {
        let mut room = room();
        enter(&mut room, AGENT, |_| {});
        room.expect(Now::default(), CALLER, entry());
        assert!(room.ring(CALLER) && !room.ring(CALLER), "once");
        assert_eq!(words(&mut room), ["told 1 Rings(true)", "1 nobody hears", "2 room deaf"]);
        assert_eq!(room.status(), ConferenceStatus::Init);
        room.forget(Now::default(), CALLER, CallStatus::Busy);
        let leaves = "participant-leave 2 participant_add_failed";
        assert_eq!(words(&mut room), [leaves, "part 2", "told 1 Rings(false)", "1 nobody deaf"]);

        room.expect(Now::default(), CALLER, entry());
        room.ring(CALLER);
        words(&mut room);
        let words = enter(&mut room, CALLER, |_| {});
        assert_eq!(
            words,
            [
                "told 2 Entered",
                "participant-join 2",
                "changed",
                "conference-start 2",
                "told 1 Started",
                "1 room hears",
                "2 room hears",
                "beep"
            ]
        );
    }

    #[test]
    fn a_party_that_rings_muted_leaves_the_music_alone() {
        let mut room = room();
        enter(&mut room, AGENT, |_| {});
        let mut muted = entry();
        muted.member.muted = true;
        room.expect(Now::default(), CALLER, muted);
        room.ring(CALLER);
        assert_eq!(words(&mut room), ["2 nobody deaf"]);
        let change = MemberChange { muted: Some(false), ..MemberChange::default() };
        room.change(Now::default(), CALLER, change);
        assert_eq!(words(&mut room), ["told 1 Rings(true)", "1 nobody hears", "2 room deaf"]);
        room.end(Now::default());
        assert!(words(&mut room).contains(&"part 2".to_owned()));
    }

    fn entry() -> Entry {
        let every =
            ConferenceEvent::NAMES.iter().filter_map(|name| ConferenceEvent::from_name(name));
        Entry {
            account: ACCOUNT,
            name: "ops".to_owned(),
            member: MemberTerms {
                label: None,
                muted: false,
                start_on_enter: true,
                end_on_exit: false,
                beep: Beep::BOTH,
                coach: None,
                playout: Playout::Adaptive,
            },
            terms: Terms {
                max_participants: 250,
                region: None,
                record: false,
                trim: true,
                callback: Some((Webhook::post("http://app/c"), every.collect())),
                recording_callback: None,
            },
        }
    }

    fn room() -> Conference {
        Conference::new(Now::default(), ConferenceSid(7), &entry())
    }

    fn begun() -> Conference {
        let mut room = room();
        enter(&mut room, AGENT, |_| {});
        enter(&mut room, CALLER, |_| {});
        room
    }

    fn enter(
        room: &mut Conference,
        call: CallSid,
        change: impl FnOnce(&mut MemberTerms),
    ) -> Vec<String> {
        let mut entry = entry();
        change(&mut entry.member);
        room.enter(Now::default(), call, entry);
        words(room)
    }

    fn leave(room: &mut Conference, call: CallSid, departure: Departure) -> Vec<String> {
        room.leave(Now::default(), call, departure, CallStatus::Completed);
        words(room)
    }

    fn changed(room: &mut Conference, change: MemberChange) -> Vec<String> {
        room.change(Now::default(), AGENT, change);
        words(room)
    }

    /// The effects as words; calls by their last digit.
    fn words(room: &mut Conference) -> Vec<String> {
        std::iter::from_fn(|| room.poll_effect()).map(word).collect()
    }

    fn word(effect: ConferenceEffect) -> String {
        match effect {
            ConferenceEffect::Tell { call, input } => match input {
                ConferenceInput::Entered { waits: true, .. } => {
                    format!("told {} Entered waiting", call.0)
                }
                ConferenceInput::Entered { .. } => format!("told {} Entered", call.0),
                other => format!("told {} {other:?}", call.0),
            },
            ConferenceEffect::Order { call, role } => {
                let voice = match role.voice {
                    Voice::Nobody => "nobody".to_owned(),
                    Voice::Room => "room".to_owned(),
                    Voice::Member(coached) => format!("member {}", coached.0),
                };
                format!("{} {voice} {}", call.0, if role.hears { "hears" } else { "deaf" })
            }
            ConferenceEffect::Part { call } => format!("part {}", call.0),
            ConferenceEffect::Drop { call } => format!("drop {}", call.0),
            ConferenceEffect::Beep => "beep".to_owned(),
            ConferenceEffect::Record { .. } => "record".to_owned(),
            ConferenceEffect::Changed => "changed".to_owned(),
            ConferenceEffect::Callback { call, form } => {
                let event = form.value("StatusCallbackEvent").unwrap_or_default();
                let why =
                    form.value("ReasonParticipantLeft").or(form.value("ReasonConferenceEnded"));
                match why {
                    Some(why) => format!("{event} {} {why}", call.0),
                    None => format!("{event} {}", call.0),
                }
            }
        }
    }
}
