//! Recordings of live calls by REST: each answer is what the next read shows.

use shared::limits::RECORDINGS_A_CALL_MAX;
use shared::media::TapPause;
use shared::{CallSid, Code, MediaCommand, RecordingSid};
use store::{
    CallCommand, RecordCall, RecordingAction, RecordingEvents, RecordingRecord, RecordingSource,
    RecordingStatus, RecordingTrack, Reply,
};

use super::calls::{answered, bridged, finish, hang_up, reply, rig};
use super::rig::{ACCOUNT, Invite, Rig};

const PAUSE: RecordingAction = RecordingAction::Pause { skip: false };

#[test]
fn a_recording_begins_pauses_resumes_and_stops_and_each_answer_is_written() {
    let mut rig = rig();
    let call = answered(&mut rig, "<Pause length=\"60\"/><Say>Hello.</Say>");
    assert_eq!(start(&mut rig, call), Err(Code::CALL_STATE), "it is not answered yet");
    let call = answered(&mut rig, "<Gather timeout=\"60\"/>");
    let row = start(&mut rig, call).expect("it begins");
    assert_eq!((row.status, row.call), (RecordingStatus::InProgress, call));
    assert_eq!(row.source, RecordingSource::StartCallRecordingApi);
    let tapped = |command: &MediaCommand| matches!(command, MediaCommand::StartTap { .. });
    assert!(rig.media.iter().any(tapped));
    for (action, status, pause) in [
        (PAUSE, RecordingStatus::Paused, Some(TapPause::Silence)),
        (RecordingAction::Pause { skip: true }, RecordingStatus::Paused, Some(TapPause::Skip)),
        (RecordingAction::Resume, RecordingStatus::InProgress, None),
    ] {
        let changed = update(&mut rig, call, Some(row.sid), action).expect("it runs");
        assert_eq!((changed.sid, changed.status), (row.sid, status));
        assert_eq!(rig.recordings.last(), Some(&changed));
        let last = rig.media.last();
        assert!(
            matches!(last, Some(MediaCommand::PauseTap { pause: found, .. }) if *found == pause),
            "{last:?}"
        );
    }
    let stopped = update(&mut rig, call, None, RecordingAction::Stop).expect("it is the only one");
    assert_eq!((stopped.sid, stopped.status), (row.sid, RecordingStatus::Stopped));
    assert!(matches!(rig.media.last(), Some(MediaCommand::StopTap { .. })));
    assert_eq!(update(&mut rig, call, Some(row.sid), PAUSE), Err(Code::CALL_STATE));
    assert_eq!(update(&mut rig, call, None, PAUSE), Err(Code::NOT_FOUND));
}

#[test]
fn an_upload_that_was_given_up_is_noted_and_the_account_is_alerted_once() {
    let mut rig = rig();
    let account = ACCOUNT;
    let upload = |recording, failure: Option<&str>| {
        let failure = failure.map(|text| (Code::HTTP_CONNECTION_REFUSED, text.to_owned()));
        let recording = RecordingSid(recording);
        crate::Input::RecordingUploaded(crate::RecordingUpload { account, recording, failure })
    };
    for recording in [1, 2] {
        rig.tell(upload(recording, Some("RE1 is not in the bucket")));
    }
    rig.tell(upload(1, None));
    let code = Some(Code::HTTP_CONNECTION_REFUSED);
    let noted = [(1, code), (2, code), (1, None)];
    assert_eq!(rig.uploads, noted.map(|(sid, code)| (RecordingSid(sid), code)));
    let alerts: Vec<_> = rig.notifications.iter().map(|row| row.message.as_str()).collect();
    assert_eq!(alerts, ["RE1 is not in the bucket"], "at the rate of refusals");
}

#[test]
fn several_recordings_run_at_once_and_the_current_one_must_be_unique() {
    let mut rig = rig();
    let call = answered(&mut rig, "<Gather timeout=\"60\"/>");
    for _ in 0..RECORDINGS_A_CALL_MAX {
        start(&mut rig, call).expect("there is room");
    }
    assert_eq!(start(&mut rig, call), Err(Code::RECORDINGS_CONCURRENT));
    assert_eq!(update(&mut rig, call, None, PAUSE), Err(Code::RECORDINGS_CONCURRENT));
    hang_up(&mut rig);
    assert_eq!(start(&mut rig, call), Err(Code::CALL_STATE));
    finish(&mut rig);
    assert_eq!(rig.control.calls_live(), 0, "every recording is settled");
    let timeline = rig.timelines.last().expect("it is written");
    assert_eq!(timeline.matches("lacks 60 ms").count(), RECORDINGS_A_CALL_MAX, "{timeline}");
}

#[test]
fn a_stop_makes_room_before_the_file_is_settled() {
    let mut rig = rig();
    let call = answered(&mut rig, "<Gather timeout=\"60\"/>");
    let mut rows = Vec::new();
    for _ in 0..RECORDINGS_A_CALL_MAX {
        rows.push(start(&mut rig, call).expect("there is room"));
    }
    let oldest = Some(rows.remove(0).sid);
    update(&mut rig, call, oldest, RecordingAction::Stop).expect("it runs");
    start(&mut rig, call).expect("the place of the one that was stopped");
    assert_eq!(start(&mut rig, call), Err(Code::RECORDINGS_CONCURRENT));
}

#[test]
fn a_recording_of_a_bridge_is_the_parents_and_is_found_below_either_call() {
    let (mut rig, parent, child) = bridged();
    let row = start(&mut rig, child).expect("it begins");
    assert_eq!(row.call, parent, "REST shows it below the parent");
    for call in [child, parent] {
        let changed = update(&mut rig, call, Some(row.sid), PAUSE).expect("it is found");
        assert_eq!(changed.status, RecordingStatus::Paused);
    }
}

#[test]
fn nobody_records_a_call_of_another_account() {
    let mut rig = rig();
    let call = answered(&mut rig, "<Gather timeout=\"60\"/>");
    let row = start(&mut rig, call).expect("it begins");
    let account = shared::AccountSid(ACCOUNT.0 + 1);
    let foreign = CallCommand::StartRecording { account, call, recording: asked() };
    assert_eq!(reply(&mut rig, foreign).map(drop), Err(Code::CALL_STATE));
    let recording = Some(row.sid);
    let foreign = CallCommand::UpdateRecording { account, call, recording, action: PAUSE };
    assert_eq!(reply(&mut rig, foreign).map(drop), Err(Code::CALL_STATE));
    assert_eq!(rig.invite(&Invite::default()), [100, 180], "the account's own calls go on");
}

fn asked() -> RecordCall {
    RecordCall {
        dual_channel: false,
        track: RecordingTrack::Both,
        trim_silence: false,
        callback: None,
        callback_events: RecordingEvents::COMPLETED,
    }
}

fn start(rig: &mut Rig, call: CallSid) -> Result<RecordingRecord, Code> {
    let command = CallCommand::StartRecording { account: ACCOUNT, call, recording: asked() };
    row(reply(rig, command))
}

fn update(
    rig: &mut Rig,
    call: CallSid,
    recording: Option<RecordingSid>,
    action: RecordingAction,
) -> Result<RecordingRecord, Code> {
    row(reply(rig, CallCommand::UpdateRecording { account: ACCOUNT, call, recording, action }))
}

fn row(reply: Result<Reply, Code>) -> Result<RecordingRecord, Code> {
    reply.map(|reply| match reply {
        Reply::Recording(row) => (*row).clone(),
        other => panic!("{other:?}"),
    })
}
