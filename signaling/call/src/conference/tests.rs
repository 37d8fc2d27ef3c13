//! Stories of conferences: what the machine tells, orders and reports, as words.

use shared::{AccountSid, CallSid, Code, ConferenceSid, Now, Playout};
use store::{ConferenceEnd, ConferenceStatus};

use super::{
    Beep, Conference, ConferenceEffect, ConferenceEvent, ConferenceInput, Departure, Entry,
    MemberChange, MemberTerms, Terms, Voice,
};
use crate::form::Form;
use crate::setup::Webhook;
use crate::status::CallStatus;

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
    assert_eq!(words.last().map(String::as_str), Some("conference-end 1 conference-ended-via-api"));
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
    let back =
        MemberChange { muted: Some(false), hold: Some((false, None)), ..MemberChange::default() };
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
    let every = ConferenceEvent::NAMES.iter().filter_map(|name| ConferenceEvent::from_name(name));
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
            let why = form.value("ReasonParticipantLeft").or(form.value("ReasonConferenceEnded"));
            match why {
                Some(why) => format!("{event} {} {why}", call.0),
                None => format!("{event} {}", call.0),
            }
        }
    }
}
