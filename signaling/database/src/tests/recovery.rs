//! The next start, after a kill.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::{Code, ExecutionSid, FlowSid, Transport};
use store::{
    BindingChanges, CallStatus, Change, ConferenceEnd, ConferenceRecord, ConferenceStatus,
    ExecutionRecord, ExecutionStatus, RecordingStatus, Resource, TimelineRecord, Transcript,
    TranscriptStatus,
};

use super::rows::{binding, call, conference, domain, exchange, first, put, recording};
use super::{DAY_MS, House, MAIN, ORIGIN, Place, T0};
use crate::{Journal, Journaled};

fn live_calls_are_closed_as_failed_after_a_kill<P: Place>() {
    let mut house = House::<P>::new();
    house.commit(put(call(1, CallStatus::InProgress, T0)));
    house.commit(put(call(2, CallStatus::Ringing, T0)));
    house.commit(put(call(3, CallStatus::Completed, T0)));
    let recording = recording(1, RecordingStatus::InProgress);
    house.commit(Change::PutRecording(Arc::new(recording.clone())));
    house.opened.writer.note_alive(T0 + 60_000).unwrap();

    let mut house = house.reopen(T0 + DAY_MS);

    assert_eq!(house.opened.recovered.calls_closed, 2);
    assert_eq!(house.opened.recovered.recordings, [recording]);
    let reader = house.reader();
    let answered = reader.call(MAIN, call(1, CallStatus::Failed, T0).sid).unwrap().unwrap();
    assert_eq!(answered.status, CallStatus::Failed);
    assert_eq!((answered.end_ms, answered.duration_s), (Some(T0 + 60_000), Some(59)));
    let ringing = reader.call(MAIN, call(2, CallStatus::Failed, T0).sid).unwrap().unwrap();
    assert_eq!((ringing.status, ringing.duration_s), (CallStatus::Failed, None));
    let ended = reader.call(MAIN, call(3, CallStatus::Completed, T0).sid).unwrap().unwrap();
    assert_eq!(ended.status, CallStatus::Completed);
    let notes = reader.notifications(MAIN, &[], first(10)).unwrap();
    assert_eq!(notes.rows.len(), 2);
    assert!(notes.rows.iter().all(|note| note.error_code == Code::INTERNAL && note.call.is_some()));

    house = house.reopen(T0 + 2 * DAY_MS);
    assert_eq!(house.opened.recovered.calls_closed, 0);
}

fn active_executions_end_with_their_process<P: Place>() {
    let mut house = House::<P>::new();
    let execution = |number: u64, status| ExecutionRecord {
        sid: ExecutionSid::mint(T0, ORIGIN, number),
        account: MAIN,
        flow: FlowSid(1),
        contact: "alice".to_owned(),
        status,
        context: "{}".to_owned(),
        steps: "[]".to_owned(),
        created_ms: T0,
        updated_ms: T0,
    };
    let rows = [(1, ExecutionStatus::Active), (2, ExecutionStatus::Ended)]
        .map(|(number, status)| execution(number, status));
    for row in &rows {
        house.commit(Change::PutExecution(Arc::new(row.clone())));
    }
    let house = house.reopen(T0 + DAY_MS);
    for row in rows {
        let ended = ExecutionRecord { status: ExecutionStatus::Ended, ..row };
        assert_eq!(house.reader().execution(MAIN, ended.sid).unwrap(), Some(ended));
    }
}

fn live_conferences_are_completed_after_a_kill<P: Place>() {
    let mut house = House::<P>::new();
    let statuses =
        [ConferenceStatus::InProgress, ConferenceStatus::Init, ConferenceStatus::Completed];
    let rows = [1, 2, 3].map(|number| conference(number, statuses[number as usize - 1], T0));
    for row in &rows {
        house.commit(Change::PutConference(Arc::new(row.clone())));
    }
    house.opened.writer.note_alive(T0 + 60_000).unwrap();

    let house = house.reopen(T0 + DAY_MS);

    assert_eq!(house.opened.recovered.conferences_closed, 2);
    let reader = house.reader();
    let closed = |row: &ConferenceRecord| ConferenceRecord {
        status: ConferenceStatus::Completed,
        reason_ended: Some(ConferenceEnd::LastParticipantLeft),
        updated_ms: T0 + 60_000,
        ..row.clone()
    };
    let [talking, waiting, ended] = &rows;
    for expected in [closed(talking), closed(waiting), ended.clone()] {
        assert_eq!(reader.conference(MAIN, expected.sid).unwrap(), Some(expected));
    }
    assert_eq!(house.reopen(T0 + 2 * DAY_MS).opened.recovered.conferences_closed, 0);
}

fn a_transcript_without_its_text_has_failed_with_the_process<P: Place>() {
    let mut house = House::<P>::new();
    let transcript = |status, text: &str| Transcript {
        status,
        text: text.to_owned(),
        duration_s: 7,
        created_ms: T0,
        updated_ms: T0,
    };
    let rows = [
        Some(transcript(TranscriptStatus::InProgress, "")),
        Some(transcript(TranscriptStatus::Completed, "it's \"hello\"")),
        None,
    ];
    for (number, row) in (1..).zip(&rows) {
        let recording = recording(number, RecordingStatus::Completed);
        let (account, sid) = (recording.account, recording.sid);
        house.commit(Change::PutRecording(Arc::new(recording)));
        let transcript = row.clone().map(Box::new);
        house.commit(Change::NoteTranscript { account, recording: sid, transcript });
    }
    let house = house.reopen(T0 + DAY_MS);
    assert_eq!(house.opened.recovered.transcripts_failed, 1);
    let [waiting, ended, none] = rows;
    let failed = waiting.map(|row| Transcript {
        status: TranscriptStatus::Failed,
        updated_ms: T0 + DAY_MS,
        ..row
    });
    for (number, expected) in (1..).zip([failed, ended, none]) {
        let sid = recording(number, RecordingStatus::Completed).sid;
        let found = house.reader().recording(MAIN, sid).unwrap().unwrap();
        assert_eq!(found.transcript, expected);
    }
    assert_eq!(house.reopen(T0 + 2 * DAY_MS).opened.recovered.transcripts_failed, 0);
}

fn a_restart_keeps_contacts_over_udp_and_says_where_the_others_will_come_back_from<P: Place>() {
    let mut house = House::<P>::new();
    let planned = house.plan(MAIN, &domain("desk"));
    let Change::Insert(Resource::Domain(desk)) = &planned.change else { panic!("not a domain") };
    let of = desk.sid;
    house.commit(planned.change);
    let kept = binding(of, 1, Transport::Udp, "192.0.2.1:5060", T0 + DAY_MS);
    let put = vec![
        kept.clone(),
        binding(of, 2, Transport::Tls, "192.0.2.2:4000", T0 + DAY_MS),
        binding(of, 3, Transport::Tcp, "192.0.2.2:4001", T0 + DAY_MS + 1),
        binding(of, 4, Transport::Tls, "192.0.2.3:4000", T0 + 1),
    ];
    house.commit(Change::ChangeBindings(Arc::new(BindingChanges { put, removed: Vec::new() })));
    let house = house.reopen(T0 + 1_000);
    let recovered = &house.opened.recovered;
    assert_eq!(recovered.bindings, [kept]);
    let office = "192.0.2.2".parse().expect("an address");
    assert_eq!(recovered.returning, BTreeMap::from([(office, T0 + DAY_MS + 1)]));
}

fn recordings_deleted_right_before_a_kill_are_named_so_that_their_files_go<P: Place>() {
    let mut house = House::<P>::new();
    for (number, deleted_ms) in [(1, T0 - 2 * 3_600_000), (2, T0 - 1_000)] {
        let row = recording(number, RecordingStatus::Completed);
        let (account, recording) = (row.account, row.sid);
        house.commit(Change::PutRecording(Arc::new(row)));
        house.commit(Change::DeleteRecording { account, call: None, recording, deleted_ms });
    }
    let house = house.reopen(T0 + DAY_MS);
    let late = recording(2, RecordingStatus::Deleted);
    assert_eq!(house.opened.recovered.deleted, [(late.account, late.sid)]);
}

fn history_of_a_process_that_ended_before_it_could_be_committed_is_there_at_the_next_start<
    P: Place,
>() {
    let mut house = House::<P>::new();
    house.commit(put(call(1, CallStatus::InProgress, T0)));
    let ended = call(1, CallStatus::Completed, T0);
    // Begun and ended while nothing could be committed, and one that was up to the last.
    let (unknown, live) = (call(2, CallStatus::Busy, T0), call(3, CallStatus::Ringing, T0));
    let timeline =
        TimelineRecord { call: ended.sid, account: MAIN, json: "{\"entries\":[]}".to_owned() };
    let exchange = exchange(u128::MAX - 1, ended.sid);
    let late = [
        put(ended.clone()),
        put(call(2, CallStatus::Ringing, T0)),
        put(unknown.clone()),
        put(live.clone()),
        Change::PutTimeline(Arc::new(timeline.clone())),
        Change::AddExchange(Arc::new(exchange.clone())),
        Change::PutRecording(Arc::new(recording(1, RecordingStatus::Completed))),
        Change::PutConference(Arc::new(conference(1, ConferenceStatus::Completed, T0))),
    ];
    let mut journal = house.opened.journal.take().unwrap();
    for row in &late {
        assert_eq!(journal.append([row]).unwrap(), Journaled { kept: 1, left_out: 0 });
    }

    let house = house.reopen(T0 + DAY_MS);

    let reader = house.reader();
    let found = |sid| reader.call(MAIN, sid).unwrap().unwrap();
    assert_eq!((found(ended.sid), found(unknown.sid)), (ended.clone(), unknown));
    assert_eq!(found(live.sid).status, CallStatus::Failed);
    assert_eq!(house.opened.recovered.calls_closed, 1);
    assert_eq!(reader.timeline(MAIN, ended.sid).unwrap(), Some(timeline.json));
    assert_eq!(reader.exchanges(MAIN, ended.sid, first(9)).unwrap().rows, [exchange]);
    assert!(house.opened.recovered.recordings.is_empty(), "it had been settled");
    let room = conference(1, ConferenceStatus::Completed, T0);
    assert_eq!(reader.conference(MAIN, room.sid).unwrap(), Some(room));
    assert!(house.opened.journal.as_ref().is_some_and(Journal::is_empty));
    let journal = house.place.database().files().pop().unwrap();
    assert!(crate::journal::read(&journal, 1 << 20).unwrap().is_empty());
}

over_each_driver! {
    active_executions_end_with_their_process,
    live_calls_are_closed_as_failed_after_a_kill,
    live_conferences_are_completed_after_a_kill,
    a_transcript_without_its_text_has_failed_with_the_process,
    a_restart_keeps_contacts_over_udp_and_says_where_the_others_will_come_back_from,
    recordings_deleted_right_before_a_kill_are_named_so_that_their_files_go,
    history_of_a_process_that_ended_before_it_could_be_committed_is_there_at_the_next_start,
}
