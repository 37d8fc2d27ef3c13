//! What changes while a conference lasts: members by REST, who speaks, announcements, and the roles that follow. Sans-IO.

use shared::{CallSid, Now};
use store::ConferenceStatus;

use super::effect::ConferenceEffect;
use super::event::ConferenceEvent;
use super::input::{ConferenceInput, Music};
use super::machine::Conference;
use super::member::{Member, MemberChange, Role};
use crate::setup::Webhook;

impl Conference {
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
    pub(super) fn order_all(&mut self) {
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
}

fn hold_input(held: bool, music: Option<Webhook>) -> ConferenceInput {
    match (held, music) {
        (false, _) => ConferenceInput::Unheld,
        (true, None) => ConferenceInput::Held(Music::Standard),
        (true, Some(webhook)) if webhook.url.is_empty() => ConferenceInput::Held(Music::Silence),
        (true, Some(webhook)) => ConferenceInput::Held(Music::Document(webhook)),
    }
}
