//! History: deleted on request, and by retention.

use std::sync::Arc;

use shared::{AccountSid, Code};
use store::{
    CallStatus, Change, Condition, ConferenceStatus, Conflict, Outcome, RecordingStatus, Retention,
    TimelineRecord,
};

use super::rows::{call, conference, exchange, first, put, recording};
use super::{DAY_MS, House, MAIN, Place, T0};

fn an_ended_call_can_be_deleted_with_all_that_belongs_to_it<P: Place>() {
    let mut house = House::<P>::new();
    let (ended, live) = (call(1, CallStatus::Completed, T0), call(2, CallStatus::Ringing, T0));
    house.commit(put(ended.clone()));
    house.commit(put(live.clone()));
    let exchange = exchange(5, ended.sid);
    house.commit(Change::AddExchange(Arc::new(exchange.clone())));
    house.commit(Change::PutTimeline(Arc::new(TimelineRecord {
        call: ended.sid,
        account: MAIN,
        json: "[]".to_owned(),
    })));
    assert_eq!(house.reader().exchanges(MAIN, ended.sid, first(9)).unwrap().rows, [exchange]);
    let delete = |sid| Change::DeleteCall { account: MAIN, call: sid };
    let foreign = Change::DeleteCall { account: AccountSid(1), call: ended.sid };
    let batch = [delete(live.sid), foreign, delete(ended.sid), delete(ended.sid)];
    assert_eq!(
        house.batch(&batch),
        [
            Outcome::Conflict(Conflict::CallLive),
            Outcome::Conflict(Conflict::Missing),
            Outcome::Committed,
            Outcome::Conflict(Conflict::Missing)
        ]
    );
    let reader = house.reader();
    assert_eq!(reader.call(MAIN, ended.sid).unwrap(), None);
    assert_eq!(reader.timeline(MAIN, ended.sid).unwrap(), None);
    assert!(reader.exchanges(MAIN, ended.sid, first(9)).unwrap().rows.is_empty());
}

fn a_deleted_recording_keeps_its_metadata_out_of_sight<P: Place>() {
    let mut house = House::<P>::new();
    let (done, running) =
        (recording(1, RecordingStatus::Completed), recording(2, RecordingStatus::Paused));
    house.commit(Change::PutRecording(Arc::new(done.clone())));
    house.commit(Change::PutRecording(Arc::new(running.clone())));
    let delete = |sid| Change::DeleteRecording {
        account: MAIN,
        call: None,
        recording: sid,
        deleted_ms: T0 + 1,
    };
    let batch = [delete(done.sid), delete(done.sid), delete(running.sid)];
    assert_eq!(
        house.batch(&batch),
        [
            Outcome::Committed,
            Outcome::Conflict(Conflict::Missing),
            Outcome::Conflict(Conflict::RecordingRunning)
        ]
    );
    let reader = house.reader();
    let count = |conditions: &[Condition]| {
        reader.recordings(MAIN, conditions, first(9)).unwrap().rows.len()
    };
    let kept = Condition::not("status", RecordingStatus::Deleted.name());
    assert_eq!((count(&[kept]), count(&[])), (1, 2));
}

fn an_upload_that_was_given_up_is_an_error_code_until_it_succeeds<P: Place>() {
    let mut house = House::<P>::new();
    let (done, gone) =
        (recording(1, RecordingStatus::Completed), recording(2, RecordingStatus::Deleted));
    house.commit(Change::PutRecording(Arc::new(done.clone())));
    house.commit(Change::PutRecording(Arc::new(gone.clone())));
    let note = |account, recording, error_code, ms| Change::NoteUpload {
        account,
        recording,
        error_code,
        updated_ms: T0 + ms,
    };
    let failed = Some(Code::HTTP_CONNECTION_REFUSED);
    for change in [note(MAIN, done.sid, failed, 1), note(MAIN, gone.sid, failed, 1)] {
        house.commit(change);
    }
    house.commit(note(AccountSid(99), done.sid, None, 2));
    let read = |house: &House<P>, sid| house.reader().recording(MAIN, sid).unwrap().unwrap();
    let noted = read(&house, done.sid);
    assert_eq!((noted.error_code, noted.updated_ms), (failed, T0 + 1));
    assert_eq!(noted.status, RecordingStatus::Completed, "it can be fetched");
    assert_eq!(read(&house, gone.sid), gone);
    house.commit(note(MAIN, done.sid, None, 3));
    assert_eq!(read(&house, done.sid).error_code, None);
}

fn retention_deletes_old_history_but_no_live_call<P: Place>() {
    let mut house = House::<P>::new();
    let (old, live) = (call(1, CallStatus::Completed, T0), call(2, CallStatus::InProgress, T0));
    let young = call(3, CallStatus::Completed, T0 + 6 * DAY_MS);
    for row in [&old, &live, &young] {
        house.commit(put(row.clone()));
    }
    let retained = house.opened.writer.retain(Retention::default(), T0 + 8 * DAY_MS).unwrap();
    assert_eq!((retained.calls, retained.early, retained.more), (1, false, false));
    let reader = house.reader();
    assert_eq!(reader.call(MAIN, old.sid).unwrap(), None);
    assert!(reader.call(MAIN, live.sid).unwrap().is_some());
    assert!(reader.call(MAIN, young.sid).unwrap().is_some());

    let tiny = Retention { bytes: 1, ..Retention::default() };
    let retained = house.opened.writer.retain(tiny, T0 + 8 * DAY_MS).unwrap();
    assert_eq!((retained.calls, retained.early, retained.more), (1, true, true));
    assert!(!house.opened.writer.retain(tiny, T0 + 8 * DAY_MS).unwrap().more);
    assert!(reader.call(MAIN, live.sid).unwrap().is_some());
}

fn retention_deletes_old_conferences_but_no_live_one<P: Place>() {
    let mut house = House::<P>::new();
    let (old, live) = (
        conference(1, ConferenceStatus::Completed, T0),
        conference(2, ConferenceStatus::InProgress, T0),
    );
    let young = conference(3, ConferenceStatus::Completed, T0 + 6 * DAY_MS);
    for row in [&old, &live, &young] {
        house.commit(Change::PutConference(Arc::new(row.clone())));
    }
    let retained = house.opened.writer.retain(Retention::default(), T0 + 8 * DAY_MS).unwrap();
    assert_eq!((retained.conferences, retained.early, retained.more), (1, false, false));
    let rows = house.reader().conferences(MAIN, &[], first(9)).unwrap().rows;
    assert_eq!(rows, [young, live]);
}

over_each_driver! {
    an_ended_call_can_be_deleted_with_all_that_belongs_to_it,
    a_deleted_recording_keeps_its_metadata_out_of_sight,
    an_upload_that_was_given_up_is_an_error_code_until_it_succeeds,
    retention_deletes_old_history_but_no_live_call,
    retention_deletes_old_conferences_but_no_live_one,
}
