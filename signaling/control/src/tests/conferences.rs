//! Conferences by values: what the cores, the application and REST see of one.

use shared::{
    CallSid, Code, ConferenceSid, CoreId, Joined, LegId, MediaCommand, Member, Playout,
    RoomCommand, Voice,
};
use store::{
    ConferenceCommand, ConferenceName, ConferenceRecord, ConferenceStatus, ParticipantChange,
    ParticipantName, ParticipantStatus, Reply,
};

use super::calls::call_to;
use super::rig::{ACCOUNT, Book, Invite, Rig};
use crate::{ApiRequest, ApiToken, Effect, Input};

const OPS: &str = "<Dial><Conference statusCallback=\"/c\" statusCallbackEvent=\"start end join leave mute hold modify\" waitUrl=\"\">ops</Conference></Dial>";

#[test]
fn the_room_is_opened_before_the_first_leg_joins_it_and_members_hear_each_other_when_it_begins() {
    let mut rig = rig();
    let first = enter(&mut rig, OPS);
    assert_eq!(rooms(&mut rig), ["span 0", "join 0", "0 nobody deaf"]);
    let second = enter(&mut rig, OPS);
    assert_eq!(rooms(&mut rig), ["join 1", "0 room hears", "1 room hears", "beep"]);
    let conference = conference(&rig);
    assert_eq!(conference.status, ConferenceStatus::InProgress);
    assert_eq!((conference.friendly_name.as_str(), conference.region.as_str()), ("ops", "us1"));
    hang_up(&mut rig, second);
    assert_eq!(rooms(&mut rig), ["beep"], "a leg that stops has left the room with that");
    hang_up(&mut rig, first);
    assert_eq!(rooms(&mut rig), ["close 0"]);
    assert_eq!(rig.conferences.last().expect("a record").status, ConferenceStatus::Completed);
}

#[test]
fn callbacks_leave_one_after_the_other_in_the_order_of_events() {
    let mut rig = rig();
    enter(&mut rig, OPS);
    enter(&mut rig, OPS);
    let mut events = Vec::new();
    while !rig.http.is_empty() {
        let callbacks = rig.http.len();
        assert_eq!(callbacks, 1, "one callback of a conference at a time");
        let form = &rig.http[0].1.standard;
        let value = |name| form.value(name).unwrap_or_default().to_owned();
        events.push(format!("{} {}", value("SequenceNumber"), value("StatusCallbackEvent")));
        rig.answer_webhook("");
    }
    assert_eq!(events, ["1 participant-join", "2 participant-join", "3 conference-start"]);
}

#[test]
fn the_last_callback_is_answered_before_a_drain_is_over_and_leaves_no_cookies() {
    let mut rig = rig();
    let verbs = "<Dial><Conference statusCallback=\"/c\" statusCallbackEvent=\"end\" waitUrl=\"\">ops</Conference></Dial>";
    let call = enter(&mut rig, verbs);
    rig.ack_last(&Invite::default());
    rig.tell(Input::Drain);
    rig.bye_last(&Invite::default());
    rig.confirm_stops();
    assert_eq!(rig.control.calls_live(), 0);
    assert!(!rig.control.is_drained(), "the end of the conference is not reported");
    rig.effects.clear();
    rig.answer_webhook("");
    assert!(rig.control.is_drained());
    assert!(rig.effects.iter().any(|e| matches!(e, Effect::CallGone { call: of } if *of == call)));
}

#[test]
fn an_application_that_does_not_answer_loses_the_oldest_callbacks_and_the_log_says_so() {
    let mut rig = rig();
    let first = enter(&mut rig, OPS);
    let flips = shared::limits::CONFERENCE_CALLBACKS_MAX + 2;
    for flip in 0..flips {
        let muted =
            ParticipantChange { muted: Some(flip % 2 == 0), ..ParticipantChange::default() };
        change(&mut rig, first, muted).expect("it is a member");
    }
    // One callback is under way, two more than the bound were queued behind it.
    assert_eq!(rig.http.len(), 1);
    assert_eq!(rig.faults.iter().filter(|fault| fault.contains("too slowly")).count(), 2);
    rig.answer_webhook("");
    let next = rig.http[0].1.standard.value("SequenceNumber").map(str::to_owned);
    assert_eq!(next.as_deref(), Some("4"), "the second and the third are lost");
}

#[test]
fn rest_mutes_holds_coaches_and_removes() {
    let mut rig = rig();
    let first = enter(&mut rig, OPS);
    let second = enter(&mut rig, OPS);
    rooms(&mut rig);
    let muted = ParticipantChange { muted: Some(true), ..ParticipantChange::default() };
    assert_eq!(change(&mut rig, first, muted), Ok((true, false)));
    assert_eq!(rooms(&mut rig), ["0 nobody hears"]);
    let hold = ParticipantChange { hold: Some(true), ..ParticipantChange::default() };
    assert_eq!(change(&mut rig, second, hold), Ok((false, true)));
    assert_eq!(rooms(&mut rig), ["1 nobody deaf"]);
    let coach = ParticipantChange { coached: Some(CallSid(9)), ..ParticipantChange::default() };
    assert_eq!(change(&mut rig, first, coach), Err(Code::CONFERENCE_COACH));
    let unmuted = ParticipantChange {
        muted: Some(false),
        coached: Some(second),
        ..ParticipantChange::default()
    };
    assert_eq!(change(&mut rig, first, unmuted), Ok((false, false)));
    assert_eq!(rooms(&mut rig), ["0 to 1 hears"]);
    let remove = ConferenceCommand::Remove {
        account: ACCOUNT,
        conference: ConferenceName::Name("ops".to_owned()),
        participant: ParticipantName::Call(second),
    };
    assert!(matches!(ask(&mut rig, remove), Ok(Reply::Deleted)));
    assert_eq!(rooms(&mut rig), ["part 1", "0 nobody hears", "beep"]);
    let list = list(&mut rig, ConferenceName::Name("ops".to_owned())).expect("it is live");
    assert_eq!(list.len(), 1);
}

#[test]
fn rest_ends_a_conference_once() {
    let mut rig = rig();
    let call = enter(&mut rig, OPS);
    let sid = conference(&rig).sid;
    let end = || ConferenceCommand::Update {
        account: ACCOUNT,
        conference: sid,
        end: true,
        announce: None,
    };
    let Ok(Reply::Conference(record)) = ask(&mut rig, end()) else { panic!("a conference") };
    assert_eq!(record.status, ConferenceStatus::Completed);
    assert_eq!(record.reason_ended, Some(store::ConferenceEnd::Api));
    assert!(matches!(ask(&mut rig, end()), Err(Code::NOT_FOUND)));
    rig.let_go();
    assert_eq!(rig.record(call).status, store::CallStatus::Completed, "nothing follows the <Dial>");
}

#[test]
fn a_participant_that_rest_places_is_expected_then_enters() {
    let mut rig = rig();
    let create = || ConferenceCommand::Create(Box::new(participant("ops")));
    let Ok(Reply::Participant(placed)) = ask(&mut rig, create()) else { panic!("a participant") };
    assert_eq!(
        (placed.status, placed.label.as_deref()),
        (ParticipantStatus::Queued, Some("agent"))
    );
    let Err(code) = ask(&mut rig, create()) else { panic!("the label is taken") };
    assert_eq!(code, Code::PARTICIPANT_LABEL_IN_USE);
    rig.resolve();
    rig.respond(180, "");
    let name = || ConferenceName::Name("ops".to_owned());
    let ringing = list(&mut rig, name()).expect("it is live");
    assert_eq!(ringing.iter().map(|p| p.status).collect::<Vec<_>>(), [ParticipantStatus::Ringing]);
    rig.respond(200, &super::rig::sdp("RTP/AVP 0", ""));
    let there = list(&mut rig, name()).expect("it is live");
    assert_eq!(there.iter().map(|p| p.status).collect::<Vec<_>>(), [ParticipantStatus::Connected]);
    assert_eq!(there[0].conference, placed.conference);
    assert_eq!(rooms(&mut rig), ["span 0", "join 0", "0 nobody deaf"]);
}

#[test]
fn the_room_hears_the_early_media_of_a_participant_unless_rest_says_no() {
    let early = super::rig::sdp("RTP/AVP 0", "");
    let mut rig = rig();
    enter(&mut rig, OPS);
    let create = ConferenceCommand::Create(Box::new(participant("ops")));
    let Ok(Reply::Participant(placed)) = ask(&mut rig, create) else { panic!("a participant") };
    rig.resolve();
    rooms(&mut rig);
    rig.respond(183, &early);
    assert_eq!(rooms(&mut rig), ["join 1", "0 nobody hears", "1 room deaf"]);
    let shown = list(&mut rig, ConferenceName::Name("ops".to_owned())).expect("it is live");
    let status = |call| shown.iter().find(|shown| shown.call == call).map(|shown| shown.status);
    assert_eq!(status(placed.call), Some(ParticipantStatus::Ringing));
    rig.respond(200, &early);
    assert_eq!(rooms(&mut rig), ["0 room hears", "1 room hears", "beep"], "it is there already");

    let mut quiet = participant("ops");
    quiet.entry.early_media = false;
    quiet.entry.label = None;
    ask(&mut rig, ConferenceCommand::Create(Box::new(quiet))).expect("a participant");
    rig.resolve();
    rig.respond(183, &early);
    assert!(rooms(&mut rig).is_empty());
}

#[test]
fn a_participant_that_rings_leaves_the_room_when_it_is_refused_or_sent_elsewhere() {
    let early = super::rig::sdp("RTP/AVP 0", "");
    let mut rig = rig();
    enter(&mut rig, OPS);
    for elsewhere in [false, true] {
        let create = ConferenceCommand::Create(Box::new(participant("ops")));
        let Ok(Reply::Participant(placed)) = ask(&mut rig, create) else { panic!("a participant") };
        rig.resolve();
        rig.respond(183, &early);
        rooms(&mut rig);
        if elsewhere {
            redirect(&mut rig, placed.call);
            assert_eq!(rooms(&mut rig), ["part 2", "0 nobody deaf"]);
        } else {
            rig.respond(486, "");
            assert_eq!(rooms(&mut rig), ["0 nobody deaf"], "a leg that stops has left");
            rig.confirm_stops();
        }
        let there = list(&mut rig, ConferenceName::Name("ops".to_owned())).expect("it is live");
        assert_eq!(there.len(), 1);
    }
}

#[test]
fn a_participant_that_cannot_be_reached_takes_its_conference_along() {
    let mut rig = rig();
    let create = ConferenceCommand::Create(Box::new(participant("ops")));
    assert!(matches!(ask(&mut rig, create), Ok(Reply::Participant(_))));
    rig.resolve();
    rig.respond(486, "");
    assert_eq!(conference(&rig).status, ConferenceStatus::Completed);
    assert_eq!(list(&mut rig, ConferenceName::Name("ops".to_owned())), Err(Code::NOT_FOUND));
}

#[test]
fn a_conference_is_recorded_from_its_begin_to_its_end() {
    let mut rig = rig();
    let verbs = "<Dial><Conference waitUrl=\"\" record=\"record-from-start\" recordingStatusCallback=\"/r\" recordingStatusCallbackEvent=\"in-progress completed\">ops</Conference></Dial>";
    let first = enter(&mut rig, verbs);
    assert!(rig.recordings.is_empty(), "it has not begun");
    let second = enter(&mut rig, verbs);
    let tap = rig.media.iter().find_map(|command| match command {
        MediaCommand::Room { command: RoomCommand::StartTap { tap, .. }, .. } => Some(*tap),
        _ => None,
    });
    let tap = tap.expect("the room is tapped");
    let row = rig.recordings.last().expect("a record").clone();
    assert_eq!(
        (row.conference, row.status),
        (Some(conference(&rig).sid), store::RecordingStatus::InProgress)
    );
    assert_eq!(rig.http[0].1.standard.value("RecordingStatus"), Some("in-progress"));
    rig.answer_webhook("");
    rooms(&mut rig);
    hang_up(&mut rig, first);
    hang_up(&mut rig, second);
    assert_eq!(rooms(&mut rig), ["beep", "StopTap { tap: TapId(1) }"], "open until the tap ends");
    let (core, room) = (CoreId(0), shared::RoomId(1));
    let event = shared::RoomEvent::TapEnded { tap, cause: shared::media::TapEnd::Stopped };
    rig.tell(Input::Media { core, event: shared::MediaEvent::Room { core, room, event } });
    assert_eq!(rooms(&mut rig), ["close 0"]);
    let file = crate::RecordingFile {
        duration_ms: 4_400,
        bytes: 35_200,
        empty: false,
        missing_ms: 0,
        cut_ms: 0,
        encryption: None,
    };
    rig.tell(Input::RecordingDone { tap, result: Ok(file) });
    let row = rig.recordings.last().expect("a record");
    assert_eq!((row.status, row.duration_s), (store::RecordingStatus::Completed, Some(4)));
    let form = &rig.http.last().expect("a callback").1.standard;
    assert_eq!(form.value("RecordingStatus"), Some("completed"));
    assert_eq!(form.value("RecordingDuration"), Some("4"));
    assert_eq!(form.value("ConferenceSid"), Some(conference(&rig).sid.to_string().as_str()));
    assert_eq!(form.value("CallSid"), None);
}

#[test]
fn a_core_that_is_lost_settles_the_recording_of_its_rooms() {
    let mut rig = rig();
    let verbs =
        "<Dial><Conference waitUrl=\"\" record=\"record-from-start\">ops</Conference></Dial>";
    enter(&mut rig, verbs);
    enter(&mut rig, verbs);
    rig.tell(Input::CoreLost { core: CoreId(0), sentence: "It stalled.".to_owned() });
    let discarded = |effect: &Effect| matches!(effect, Effect::DiscardRecording { .. });
    assert_eq!(rig.effects.iter().filter(|effect| discarded(effect)).count(), 1);
}

fn rig() -> Rig {
    Rig::new(Book::with_ip_list("192.0.2.7"))
}

/// A call comes in, is answered, and runs this document.
pub(super) fn enter(rig: &mut Rig, verbs: &str) -> CallSid {
    assert_eq!(rig.invite(&Invite::default()), [100, 180]);
    // Callbacks of a conference may wait before the request for the document.
    let document = rig.http.iter().position(|(_, r)| r.kind == call::HttpKind::Document);
    let asked = rig.http.remove(document.expect("the document is asked for"));
    rig.http.insert(0, asked);
    let call = rig.http[0].0;
    rig.answer_webhook(verbs);
    call
}

pub(super) fn hang_up(rig: &mut Rig, call: CallSid) {
    let action = Some(store::UpdateAction::Complete);
    let update = store::UpdateCall {
        account: ACCOUNT,
        call,
        action,
        status_callback: store::Patch::Keep,
        time_limit_s: None,
    };
    super::calls::ask(rig, store::CallCommand::Update(Box::new(update))).expect("it is live");
    rig.confirm_stops();
}

/// REST gives a call another document.
fn redirect(rig: &mut Rig, call: CallSid) {
    let twiml = store::TwimlSource::Inline("<Response><Pause/></Response>".to_owned());
    let update = store::UpdateCall {
        account: ACCOUNT,
        call,
        action: Some(store::UpdateAction::Redirect { twiml, fallback: None }),
        status_callback: store::Patch::Keep,
        time_limit_s: None,
    };
    super::calls::ask(rig, store::CallCommand::Update(Box::new(update))).expect("it is live");
}

fn participant(name: &str) -> store::CreateParticipant {
    let to = store::CallTarget::Sip("sip:bob@192.0.2.8".to_owned());
    store::CreateParticipant {
        call: call_to(to),
        conference: ConferenceName::Name(name.to_owned()),
        entry: store::ParticipantTerms {
            label: Some("agent".to_owned()),
            muted: false,
            beep: store::Beep::Both,
            start_on_enter: true,
            end_on_exit: false,
            early_media: true,
            coached: None,
            jitter_buffer: store::JitterBuffer::Large,
        },
        terms: store::ConferenceTerms {
            wait: store::WaitMusic::Silence,
            max_participants: 250,
            region: None,
            record: None,
            status_callback: None,
            status_callback_events: store::ConferenceEvents::NONE,
        },
    }
}

fn ask(rig: &mut Rig, command: ConferenceCommand) -> Result<Reply, Code> {
    rig.tell(Input::Api { token: ApiToken(1), request: ApiRequest::Conference(command) });
    let at = rig.effects.iter().rposition(|effect| matches!(effect, Effect::ApiReply { .. }));
    match rig.effects.remove(at.expect("it is answered")) {
        Effect::ApiReply { reply, .. } => reply.map_err(|error| error.code),
        other => panic!("{other:?}"),
    }
}

fn list(rig: &mut Rig, conference: ConferenceName) -> Result<Vec<store::Participant>, Code> {
    match ask(rig, ConferenceCommand::List { account: ACCOUNT, conference })? {
        Reply::Participants(all) => Ok(all),
        other => panic!("{other:?}"),
    }
}

/// Whether the participant is then muted and held.
pub(super) fn change(
    rig: &mut Rig,
    call: CallSid,
    change: ParticipantChange,
) -> Result<(bool, bool), Code> {
    let conference = ConferenceName::Sid(conference(rig).sid);
    let participant = ParticipantName::Call(call);
    let command = ConferenceCommand::Change { account: ACCOUNT, conference, participant, change };
    match ask(rig, command)? {
        Reply::Participant(participant) => Ok((participant.muted, participant.hold)),
        other => panic!("{other:?}"),
    }
}

fn conference(rig: &Rig) -> &ConferenceRecord {
    let last = rig.conferences.last().expect("a record");
    assert_ne!(last.sid, ConferenceSid(0));
    last
}

/// Commands about rooms since the last look, as words; legs by their slot.
fn rooms(rig: &mut Rig) -> Vec<String> {
    std::mem::take(&mut rig.media).iter().filter_map(word).collect()
}

fn word(command: &MediaCommand) -> Option<String> {
    let slot = |leg: &LegId| leg.slot;
    Some(match command {
        MediaCommand::Join { leg, joined: Joined::Room(_) } => format!("join {}", slot(leg)),
        MediaCommand::Join { leg, joined: Joined::Nobody } => format!("part {}", slot(leg)),
        MediaCommand::SetMember { leg, member } => {
            assert_eq!(member.playout, Playout::Fixed(60));
            format!("{} {}", slot(leg), member_word(*member))
        }
        MediaCommand::Room { core, command: RoomCommand::Span { cores }, .. } => {
            assert!(cores.contains(*core));
            format!("span {}", core.0)
        }
        MediaCommand::Room { core: CoreId(core), command, .. } => match command {
            RoomCommand::Close => format!("close {core}"),
            RoomCommand::Play { .. } => "beep".to_owned(),
            other => format!("{other:?}"),
        },
        _ => return None,
    })
}

fn member_word(member: Member) -> String {
    let voice = match member.voice {
        Voice::Nobody => "nobody".to_owned(),
        Voice::Room => "room".to_owned(),
        Voice::Member(leg) => format!("to {}", leg.slot),
    };
    format!("{voice} {}", if member.hears { "hears" } else { "deaf" })
}
