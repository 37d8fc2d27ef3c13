//! Tests over real files in temporary folders.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use shared::ids::Origin;
use shared::{
    AccountSid, BindingSid, CallSid, DomainSid, NotificationSid, RecordingSid, Transport,
};
use store::{
    Account, AccountFilter, BindingChanges, BindingRecord, CallDirection, CallFilter, CallRecord,
    CallStatus, Change, Conflict, Cursor, DomainFields, DomainSuffix, HistoryQueue, HttpExchange,
    HttpMethod, MappedList, Mint, NotificationFilter, Outcome, PageRequest, Reader as _,
    RecordingFilter, RecordingRecord, RecordingSource, RecordingStatus, Reply, Resource,
    ResourceKind, SealError, Sealer, Secret, Snapshot, TimeRange, TimelineRecord, Write,
};

use crate::{Found, Journal, Journaled, OpenError, Opened, Reader, Retention};

const ORIGIN: Origin = Origin { node: 1, generation: 1 };
const T0: i64 = 1_736_154_000_000;
const DAY_MS: i64 = 86_400_000;
const MAIN: AccountSid = AccountSid(0xAC);

/// Adds the context's last byte to every byte: enough to see that sealing takes place.
struct TestSealer;

impl Sealer for TestSealer {
    fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = context.last().copied().unwrap_or(0);
        Ok(plain.iter().map(|byte| byte.wrapping_add(key)).collect())
    }

    fn unseal(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = context.last().copied().unwrap_or(0);
        Ok(sealed.iter().map(|byte| byte.wrapping_sub(key)).collect())
    }
}

/// A data folder with a main account, and what Control would hold.
struct House {
    folder: tempfile::TempDir,
    opened: Opened,
    writes: u64,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let opened = open(&folder, "sidetone.test", T0).unwrap();
        let mut house = Self { folder, opened, writes: 0 };
        let account = Account::main(MAIN, Secret::new("0123456789abcdef"), "main", T0);
        house.commit(Change::Insert(Resource::Account(Arc::new(account))));
        house
    }

    fn path(&self) -> PathBuf {
        path(&self.folder)
    }

    fn commit(&mut self, change: Change) {
        let outcomes = self.opened.writer.commit(T0, std::slice::from_ref(&change));
        assert_eq!(outcomes, [Outcome::Committed]);
        self.opened.snapshot.apply(&change);
    }

    fn mint(&mut self) -> Mint {
        self.writes += 1;
        let mut random = [7; 40];
        random[..8].copy_from_slice(&self.writes.to_be_bytes());
        Mint { unix_ms: T0 + self.writes as i64, origin: ORIGIN, random }
    }

    fn plan(&mut self, account: AccountSid, write: &Write) -> store::Planned {
        let mint = self.mint();
        self.opened.snapshot.check(account, write, &mint).unwrap()
    }

    fn write(&mut self, account: AccountSid, write: &Write) -> Reply {
        let planned = self.plan(account, write);
        self.commit(planned.change);
        planned.reply
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.path(), Arc::new(TestSealer)).unwrap()
    }

    /// Drops everything without closing, as a kill would, and opens the folder again.
    fn reopen(self, unix_ms: i64) -> Self {
        let Self { folder, opened, writes } = self;
        std::mem::forget(opened.writer);
        let opened = open(&folder, "sidetone.test", unix_ms).unwrap();
        Self { folder, opened, writes }
    }
}

fn path(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("store.sqlite")
}

fn open(folder: &tempfile::TempDir, suffix: &str, unix_ms: i64) -> Result<Opened, OpenError> {
    crate::open(&path(folder), DomainSuffix::new(suffix), Arc::new(TestSealer), unix_ms, ORIGIN)
}

fn domain(name: &str) -> Write {
    Write::CreateDomain(Box::new(DomainFields {
        domain_name: Some(format!("{name}.sip.sidetone.test")),
        ..DomainFields::default()
    }))
}

fn binding(
    domain: DomainSid,
    number: u128,
    transport: Transport,
    remote: &str,
    expires_ms: i64,
) -> BindingRecord {
    BindingRecord {
        sid: BindingSid(number),
        account: MAIN,
        domain,
        user: format!("user{number}"),
        contact: b"<sip:a@192.0.2.1>".to_vec(),
        path: Vec::new(),
        call_id: "c".to_owned(),
        cseq: 1,
        transport,
        remote: remote.parse().expect("an address"),
        local: "192.0.2.9:5060".parse().expect("an address"),
        edge: "ashburn".to_owned(),
        outbound: None,
        user_agent: String::new(),
        created_ms: T0,
        updated_ms: T0,
        expires_ms,
    }
}

fn call(number: u64, status: CallStatus, created_ms: i64) -> CallRecord {
    CallRecord {
        sid: CallSid::mint(created_ms, ORIGIN, number),
        account: MAIN,
        parent: None,
        to: format!("sip:{number}@pbx.example"),
        from: "alice".to_owned(),
        status,
        direction: CallDirection::Inbound,
        start_ms: Some(created_ms + 1_000),
        end_ms: status.is_final().then_some(created_ms + 5_500),
        duration_s: status.is_final().then_some(4),
        queue_time_ms: 0,
        answered_by: None,
        forwarded_from: None,
        caller_name: None,
        created_ms,
        updated_ms: created_ms + 2_000,
    }
}

fn exchange(id: u128, call: CallSid) -> HttpExchange {
    HttpExchange {
        id,
        account: MAIN,
        call,
        method: HttpMethod::Post,
        url: "http://127.0.0.1/voice".to_owned(),
        parameters: vec![("CallSid".to_owned(), call.to_string())],
        response_code: Some(200),
        request_duration_ms: 12,
        content_type: "text/xml".to_owned(),
        response_body: "<Response/>".to_owned(),
        created_ms: T0,
    }
}

fn put(call: CallRecord) -> Change {
    Change::PutCall(Arc::new(call))
}

fn first(size: u32) -> PageRequest {
    PageRequest { size, cursor: Cursor::Start }
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let mut house = House::new();
    let Reply::Account(sub) = house.write(MAIN, &Write::CreateAccount { friendly_name: None })
    else {
        panic!("not an account")
    };
    let Reply::Domain { domain, .. } = house.write(sub.sid, &domain("plant7")) else {
        panic!("not a domain")
    };
    let Reply::CredentialList(list) =
        house.write(sub.sid, &Write::CreateCredentialList { friendly_name: "desk".to_owned() })
    else {
        panic!("not a list")
    };
    house.write(
        sub.sid,
        &Write::CreateCredential {
            list: list.sid,
            username: "alice".to_owned(),
            password: Secret::new("Correct-Horse-7"),
        },
    );
    let mapped = MappedList::CallsCredentialList(list.sid);
    house.write(sub.sid, &Write::CreateMapping { domain: domain.sid, list: mapped });
    let Reply::IpAccessControlList(acl) =
        house.write(sub.sid, &Write::CreateIpAccessControlList { friendly_name: "sbc".to_owned() })
    else {
        panic!("not a list")
    };
    house.write(
        sub.sid,
        &Write::CreateIpAddress {
            list: acl.sid,
            friendly_name: "a".to_owned(),
            address: "2001:db8::1".parse().unwrap(),
            prefix: Some(64),
        },
    );
    house.write(sub.sid, &Write::CreateKey { friendly_name: Some("ci".to_owned()) });
    let before = format!("{:?}", house.opened.snapshot);

    let house = house.reopen(T0 + DAY_MS);

    assert_eq!(format!("{:?}", house.opened.snapshot), before);
    let admission = house.opened.snapshot.admission("plant7.sip.frankfurt.sidetone.test").unwrap();
    assert_eq!(admission.account.auth_token.expose_secret(), sub.auth_token.expose_secret());
    assert_eq!(admission.call_credentials("alice").count(), 1);
    assert!(admission.call_auth().credential_list && !admission.call_auth().ip_access_control_list);
}

#[test]
fn the_auth_token_is_sealed_on_disk() {
    let house = House::new();
    let file = std::fs::read(house.path()).unwrap();
    let log = std::fs::read(house.path().with_extension("sqlite-wal")).unwrap_or_default();
    let token = b"0123456789abcdef";
    assert!(![file, log].iter().any(|bytes| bytes.windows(16).any(|window| window == token)));
    let account = house.reader().account(MAIN).unwrap().unwrap();
    assert_eq!(account.auth_token.expose_secret().as_bytes(), token);
}

#[test]
fn two_writes_for_one_name_in_one_batch_conflict_truthfully() {
    let mut house = House::new();
    let (one, two) = (house.plan(MAIN, &domain("plant7")), house.plan(MAIN, &domain("PLANT7")));
    let three = house.plan(MAIN, &domain("plant8"));
    let batch = [one.change, two.change, three.change];
    assert_eq!(
        house.opened.writer.commit(T0, &batch),
        [
            Outcome::Committed,
            Outcome::Conflict(Conflict::NameTaken(ResourceKind::Domain)),
            Outcome::Committed
        ]
    );
    assert_eq!(house.reader().domains(MAIN, first(10)).unwrap().rows.len(), 2);
}

#[test]
fn the_last_place_under_a_limit_goes_to_one_of_two_writes() {
    let mut house = House::new();
    for number in 0..99 {
        house.write(MAIN, &domain(&format!("d{number}")));
    }
    let (one, two) = (house.plan(MAIN, &domain("last")), house.plan(MAIN, &domain("too-late")));
    assert_eq!(
        house.opened.writer.commit(T0, &[one.change, two.change]),
        [Outcome::Committed, Outcome::Conflict(Conflict::LimitReached(ResourceKind::Domain))]
    );
}

#[test]
fn an_update_planned_on_an_older_revision_is_stale() {
    let mut house = House::new();
    let Reply::Domain { domain: row, .. } = house.write(MAIN, &domain("plant7")) else {
        panic!("not a domain")
    };
    let rename = |name: &str| Write::UpdateDomain {
        domain: row.sid,
        fields: Box::new(DomainFields {
            friendly_name: store::Patch::Set(name.to_owned()),
            ..DomainFields::default()
        }),
    };
    let (one, two) = (house.plan(MAIN, &rename("one")), house.plan(MAIN, &rename("two")));
    assert_eq!(
        house.opened.writer.commit(T0, &[one.change.clone(), two.change]),
        [Outcome::Committed, Outcome::Conflict(Conflict::Stale)]
    );
    house.opened.snapshot.apply(&one.change);
    house.write(MAIN, &rename("three"));
    let (stored, _) = house.reader().domain(MAIN, row.sid).unwrap().unwrap();
    assert_eq!((stored.friendly_name.as_str(), stored.revision), ("three", 3));
}

#[test]
fn a_list_cannot_go_while_another_write_maps_it() {
    let mut house = House::new();
    let Reply::Domain { domain: row, .. } = house.write(MAIN, &domain("plant7")) else {
        panic!("not a domain")
    };
    let Reply::CredentialList(list) =
        house.write(MAIN, &Write::CreateCredentialList { friendly_name: "desk".to_owned() })
    else {
        panic!("not a list")
    };
    let mapped = MappedList::RegistrationsCredentialList(list.sid);
    let map = house.plan(MAIN, &Write::CreateMapping { domain: row.sid, list: mapped });
    let again = house.plan(MAIN, &Write::CreateMapping { domain: row.sid, list: mapped });
    let delete = house.plan(MAIN, &Write::DeleteCredentialList(list.sid));
    assert_eq!(
        house.opened.writer.commit(T0, &[map.change, again.change, delete.change]),
        [
            Outcome::Committed,
            Outcome::Conflict(Conflict::AlreadyMapped),
            Outcome::Conflict(Conflict::InUse(ResourceKind::CredentialList))
        ]
    );
    // The domain takes its mappings with it; after that the list may go.
    let delete_domain = house.plan(MAIN, &Write::DeleteDomain(row.sid));
    let delete_list = house.plan(MAIN, &Write::DeleteCredentialList(list.sid));
    assert_eq!(
        house.opened.writer.commit(T0, &[delete_domain.change, delete_list.change]),
        [Outcome::Committed, Outcome::Committed]
    );
}

#[test]
fn a_domain_cannot_go_while_another_write_makes_a_subdomain() {
    let mut house = House::new();
    let Reply::Domain { domain: row, .. } = house.write(MAIN, &domain("plant7")) else {
        panic!("not a domain")
    };
    let child = house.plan(MAIN, &domain("line1.plant7"));
    let delete = house.plan(MAIN, &Write::DeleteDomain(row.sid));
    assert_eq!(
        house.opened.writer.commit(T0, &[child.change.clone(), delete.change.clone()]),
        [Outcome::Committed, Outcome::Conflict(Conflict::InUse(ResourceKind::Domain))]
    );
    let other = house.plan(MAIN, &domain("line2.plant7"));
    let Change::Insert(Resource::Domain(child)) = child.change else { panic!("not a domain") };
    let delete_child = Change::Delete(store::ResourceKey::Domain(child.sid));
    assert_eq!(
        house.opened.writer.commit(T0, &[delete_child, delete.change, other.change]),
        [Outcome::Committed, Outcome::Committed, Outcome::Conflict(Conflict::Missing)]
    );
}

#[test]
fn live_calls_are_closed_as_failed_after_a_kill() {
    let mut house = House::new();
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
    let notes = reader.notifications(MAIN, &NotificationFilter::default(), first(10)).unwrap();
    assert_eq!(notes.rows.len(), 2);
    assert!(notes.rows.iter().all(|note| note.error_code == 12400 && note.call.is_some()));

    house = house.reopen(T0 + 2 * DAY_MS);
    assert_eq!(house.opened.recovered.calls_closed, 0);
}

#[test]
fn a_restart_keeps_contacts_over_udp_and_says_where_the_others_will_come_back_from() {
    let mut house = House::new();
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

#[test]
fn recordings_deleted_right_before_a_kill_are_named_so_that_their_files_go() {
    let mut house = House::new();
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

#[test]
fn pages_are_newest_first_and_stay_stable_under_inserts() {
    let mut house = House::new();
    for number in 0..5 {
        house.commit(put(call(number, CallStatus::Completed, T0 + number as i64)));
    }
    let reader = house.reader();
    let read = |cursor| {
        let page = PageRequest { size: 2, cursor };
        let page = reader.calls(MAIN, &CallFilter::default(), page).unwrap();
        let numbers: Vec<_> = page.rows.iter().map(|row| row.created_ms - T0).collect();
        (
            numbers,
            page.rows.last().unwrap().sid.0,
            page.rows[0].sid.0,
            page.has_previous,
            page.has_next,
        )
    };
    let (numbers, last, _, has_previous, has_next) = read(Cursor::Start);
    assert_eq!((numbers, has_previous, has_next), (vec![4, 3], false, true));
    house.opened.writer.commit(T0, &[put(call(9, CallStatus::Completed, T0 + 9))]);
    let (numbers, last, top, has_previous, has_next) = read(Cursor::After(last));
    assert_eq!((numbers, has_previous, has_next), (vec![2, 1], true, true));
    let (numbers, .., has_next) = read(Cursor::After(last));
    assert_eq!((numbers, has_next), (vec![0], false));
    let (numbers, _, _, has_previous, has_next) = read(Cursor::Before(top));
    assert_eq!((numbers, has_previous, has_next), (vec![4, 3], true, true));
}

#[test]
fn call_filters_are_exact_and_ranges_half_open() {
    let mut house = House::new();
    for (number, status) in CallStatus::ALL.into_iter().enumerate() {
        house.commit(put(call(number as u64, status, T0 + number as i64 * DAY_MS)));
    }
    let reader = house.reader();
    let count = |filter: CallFilter| reader.calls(MAIN, &filter, first(50)).unwrap().rows.len();
    assert_eq!(count(CallFilter::default()), 8);
    assert_eq!(
        count(CallFilter { to: Some("sip:3@pbx.example".to_owned()), ..Default::default() }),
        1
    );
    assert_eq!(count(CallFilter { from: Some("bob".to_owned()), ..Default::default() }), 0);
    assert_eq!(count(CallFilter { status: Some(CallStatus::Ringing), ..Default::default() }), 1);
    assert_eq!(count(CallFilter { status: Some(CallStatus::Busy), ..Default::default() }), 1);
    let start =
        TimeRange { from_ms: Some(T0 + DAY_MS + 1_000), before_ms: Some(T0 + 3 * DAY_MS + 1_000) };
    assert_eq!(count(CallFilter { start, ..Default::default() }), 2);
    let other = reader.calls(AccountSid(1), &CallFilter::default(), first(50)).unwrap();
    assert!(other.rows.is_empty());
}

#[test]
fn an_ended_call_can_be_deleted_with_all_that_belongs_to_it() {
    let mut house = House::new();
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
        house.opened.writer.commit(T0, &batch),
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

#[test]
fn a_deleted_recording_keeps_its_metadata_out_of_sight() {
    let mut house = House::new();
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
        house.opened.writer.commit(T0, &batch),
        [
            Outcome::Committed,
            Outcome::Conflict(Conflict::Missing),
            Outcome::Conflict(Conflict::RecordingRunning)
        ]
    );
    let reader = house.reader();
    let count = |include_deleted| {
        let filter = RecordingFilter { include_deleted, ..Default::default() };
        reader.recordings(MAIN, &filter, first(9)).unwrap().rows.len()
    };
    assert_eq!((count(false), count(true)), (1, 2));
}

#[test]
fn retention_deletes_old_history_but_no_live_call() {
    let mut house = House::new();
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

#[test]
fn a_full_disk_refuses_the_whole_batch_and_recovers() {
    let mut house = House::new();
    let connection = house.opened.writer.connection();
    let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    connection.pragma_update(None, "max_page_count", pages).unwrap();
    let batch: Vec<_> = (0..2_000).map(|n| put(call(n, CallStatus::Completed, T0))).collect();
    let outcomes = house.opened.writer.commit(T0, &batch);
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Unavailable));
    assert!(house.reader().calls(MAIN, &CallFilter::default(), first(1)).unwrap().rows.is_empty());

    house.opened.writer.connection().pragma_update(None, "max_page_count", 1 << 30).unwrap();
    house.commit(put(call(1, CallStatus::Completed, T0)));
}

#[test]
fn history_of_a_process_that_ended_before_it_could_be_committed_is_there_at_the_next_start() {
    let mut house = House::new();
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
    assert!(house.opened.journal.as_ref().is_some_and(Journal::is_empty));
    assert!(
        crate::journal::read(&crate::open::journal_path(&house.path()), 1 << 20)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_journal_keeps_room_for_how_calls_ended_and_reads_past_no_torn_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.journal");
    let mut journal = Journal::make(&path, 4_096).unwrap();
    let detail = Change::AddExchange(Arc::new(exchange(1, CallSid(1))));
    let details = journal.append(std::iter::repeat_n(&detail, 50)).unwrap();
    assert!(details.kept > 0 && details.left_out > 0, "{details:?}");
    let end = put(call(1, CallStatus::Completed, T0));
    assert_eq!(journal.append([&end]).unwrap(), Journaled { kept: 1, left_out: 0 });
    let ends = journal.append(std::iter::repeat_n(&end, 50)).unwrap();
    assert!(ends.left_out > 0, "{ends:?}");
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 4_096, "it never grows");

    let rows = crate::journal::read(&path, 4_096).unwrap();
    assert_eq!(rows.len(), details.kept + 1 + ends.kept);
    assert_eq!(rows[details.kept], end);
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.iter().rposition(|byte| *byte == b'}').unwrap();
    bytes[last..].fill(0);
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(crate::journal::read(&path, 4_096).unwrap().len(), rows.len() - 1);
}

#[test]
fn what_is_found_at_a_path_is_nothing_an_empty_store_or_one_with_accounts() {
    let folder = tempfile::tempdir().unwrap();
    let path = path(&folder);
    let find = || crate::find(&path).unwrap();
    assert_eq!(find(), Found::Nothing);
    std::fs::write(&path, b"").unwrap();
    assert_eq!(find(), Found::Nothing);
    drop(open(&folder, "sidetone.test", T0).unwrap());
    assert_eq!(find(), Found::Empty);
    let house = House::new();
    assert_eq!(crate::find(&house.path()).unwrap(), Found::Accounts);
    std::fs::write(&path, [7; 8_192]).unwrap();
    assert!(matches!(crate::find(&path), Err(OpenError::Sqlite(_))));
}

#[test]
fn a_log_that_something_wrote_over_is_told_from_one_that_a_power_failure_tore() {
    let log_of = |path: &std::path::Path| crate::files(path)[1].clone();
    // Many commits in the log, as after a kill.
    let killed = || {
        let mut house = House::new();
        for number in 0..9 {
            house.commit(put(call(number, CallStatus::Completed, T0)));
        }
        let House { folder, opened, .. } = house;
        std::mem::forget(opened.writer);
        folder
    };
    let damage = |change: &dyn Fn(&mut Vec<u8>)| {
        let folder = killed();
        let log = log_of(&path(&folder));
        let mut bytes = std::fs::read(&log).unwrap();
        assert!(bytes.len() > 20_000);
        change(&mut bytes);
        std::fs::write(&log, bytes).unwrap();
        crate::find(&path(&folder))
    };
    let is_damaged = |found| matches!(found, Err(OpenError::DamagedLog { .. }));
    assert!(damage(&|_| {}).is_ok(), "as a kill leaves it");
    assert!(damage(&|bytes| bytes.truncate(bytes.len() - 100)).is_ok(), "its last frame is torn");
    assert!(damage(&|bytes| bytes.extend([0; 9_000])).is_ok(), "space behind the last frame");
    let last = |bytes: &mut Vec<u8>| bytes.len() - 50;
    assert!(
        damage(&|bytes| {
            let at = last(bytes);
            bytes[at] ^= 1
        })
        .is_ok(),
        "a torn last page"
    );
    assert!(is_damaged(damage(&|bytes| bytes.fill(0xA7))), "garbage");
    assert!(is_damaged(damage(&|bytes| bytes[..32].fill(0xA7))), "its header");
    assert!(is_damaged(damage(&|bytes| bytes[9_000..9_040].fill(0xA7))), "in its middle");
    assert!(is_damaged(damage(&|bytes| *bytes = b"garbage".to_vec())), "a few bytes");
}

#[test]
fn lists_are_the_same_wherever_their_rows_are() {
    let calls: Vec<_> = (0..40_u64)
        .map(|n| {
            let status = CallStatus::ALL[n as usize % CallStatus::ALL.len()];
            call(n, status, T0 + n as i64 * DAY_MS / 8)
        })
        .collect();
    let mut house = House::new();
    let mut queue = HistoryQueue::new(1 << 20);
    for (number, row) in calls.iter().enumerate() {
        if number % 3 > 0 {
            // An older version, which most lists would place elsewhere.
            let older = if number % 3 == 1 { CallStatus::Queued } else { row.status };
            house.commit(put(CallRecord { status: older, to: "old".to_owned(), ..row.clone() }));
        }
        queue.put(put(row.clone())).unwrap();
    }
    let mut whole = House::new();
    calls.iter().for_each(|row| whole.commit(put(row.clone())));
    let (merged, whole) = (house.reader().seeing(Arc::new(queue)), whole.reader());
    let start = TimeRange { from_ms: Some(T0 + DAY_MS), before_ms: Some(T0 + 3 * DAY_MS) };
    let filters = [
        CallFilter::default(),
        CallFilter { status: Some(CallStatus::Queued), ..CallFilter::default() },
        CallFilter { status: Some(CallStatus::Completed), ..CallFilter::default() },
        CallFilter { to: Some("old".to_owned()), ..CallFilter::default() },
        CallFilter { from: Some("alice".to_owned()), start, ..CallFilter::default() },
        CallFilter { end: start, ..CallFilter::default() },
    ];
    for filter in filters {
        let mut cursor = Cursor::Start;
        loop {
            let request = PageRequest { size: 3, cursor };
            let page = merged.calls(MAIN, &filter, request).unwrap();
            assert_eq!(page, whole.calls(MAIN, &filter, request).unwrap(), "{filter:?}");
            match page.rows.last() {
                Some(last) if page.has_next => cursor = Cursor::After(last.sid.0),
                _ => break,
            }
        }
    }
    assert_eq!(merged.call(MAIN, calls[1].sid).unwrap().as_ref(), Some(&calls[1]));
    assert_eq!(merged.call(AccountSid(1), calls[1].sid).unwrap(), None, "another account's");
}

#[test]
fn a_newer_file_and_another_realm_are_refused_with_the_reason() {
    let mut house = House::new();
    let Reply::CredentialList(list) =
        house.write(MAIN, &Write::CreateCredentialList { friendly_name: "desk".to_owned() })
    else {
        panic!("not a list")
    };
    let House { folder, opened, .. } = house;
    drop(opened);
    // Without users another suffix is harmless.
    let mut opened = open(&folder, "other.test", T0).unwrap();
    let write = Write::CreateCredential {
        list: list.sid,
        username: "alice".to_owned(),
        password: Secret::new("Correct-Horse-7"),
    };
    let mint = Mint { unix_ms: T0, origin: ORIGIN, random: [1; 40] };
    let planned = opened.snapshot.check(MAIN, &write, &mint).unwrap();
    assert_eq!(opened.writer.commit(T0, &[planned.change]), [Outcome::Committed]);
    drop(opened);
    assert!(matches!(open(&folder, "sidetone.test", T0), Err(OpenError::OtherRealm { .. })));

    let connection = rusqlite::Connection::open(path(&folder)).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    assert!(matches!(open(&folder, "other.test", T0), Err(OpenError::Newer { found: 99, .. })));
}

#[test]
fn accounts_list_the_account_and_its_subaccounts_only() {
    let mut house = House::new();
    let Reply::Account(sub) =
        house.write(MAIN, &Write::CreateAccount { friendly_name: Some("site a".to_owned()) })
    else {
        panic!("not an account")
    };
    house.write(MAIN, &Write::CreateAccount { friendly_name: None });
    let reader = house.reader();
    let all = reader.accounts(MAIN, &AccountFilter::default(), first(9)).unwrap();
    assert_eq!(all.rows.len(), 3);
    let named =
        AccountFilter { friendly_name: Some("site a".to_owned()), ..AccountFilter::default() };
    assert_eq!(reader.accounts(MAIN, &named, first(9)).unwrap().rows, [Account::clone(&sub)]);
    let own = reader.accounts(sub.sid, &AccountFilter::default(), first(9)).unwrap();
    assert_eq!(own.rows.len(), 1);
}

#[test]
fn a_backup_is_a_whole_database() {
    let mut house = House::new();
    house.write(MAIN, &domain("plant7"));
    let copy = tempfile::tempdir().unwrap();
    house.opened.writer.back_up(&path(&copy)).unwrap();
    let opened = open(&copy, "sidetone.test", T0).unwrap();
    assert_eq!(opened.snapshot.domains().count(), 1);
    assert!(opened.snapshot.account(MAIN).is_some());
}

#[test]
fn notifications_of_a_call_are_found_by_it() {
    let mut house = House::new();
    let sid = call(1, CallStatus::Completed, T0).sid;
    for (number, of) in [(1, Some(sid)), (2, None)] {
        house.commit(Change::AddNotification(Arc::new(store::NotificationRecord {
            sid: NotificationSid::mint(T0, ORIGIN, number),
            account: MAIN,
            call: of,
            level: store::NotificationLevel::Warning,
            error_code: 11200,
            message: "Got HTTP 404".to_owned(),
            exchange: Some(store::HttpMessages {
                url: "http://x/".to_owned(),
                ..Default::default()
            }),
            created_ms: T0,
        })));
    }
    let filter = NotificationFilter { call: Some(sid), ..Default::default() };
    assert_eq!(house.reader().notifications(MAIN, &filter, first(9)).unwrap().rows.len(), 1);
}

fn recording(number: u64, status: RecordingStatus) -> RecordingRecord {
    RecordingRecord {
        sid: RecordingSid::mint(T0, ORIGIN, number),
        account: MAIN,
        call: call(1, CallStatus::InProgress, T0).sid,
        conference: None,
        status,
        source: RecordingSource::RecordVerb,
        channels: 1,
        duration_s: (!status.is_running()).then_some(3),
        bytes: None,
        start_ms: T0,
        error_code: None,
        created_ms: T0,
        updated_ms: T0,
    }
}

/// The snapshot follows the disk also for rows that a cascade removed.
#[test]
fn the_snapshot_after_any_history_is_what_a_fresh_start_loads() {
    let mut house = House::new();
    for name in ["a", "b", "x.a", "y.x.a"] {
        house.write(MAIN, &domain(name));
    }
    let Reply::IpAccessControlList(acl) =
        house.write(MAIN, &Write::CreateIpAccessControlList { friendly_name: "sbc".to_owned() })
    else {
        panic!("not a list")
    };
    for number in 1..4_u8 {
        house.write(
            MAIN,
            &Write::CreateIpAddress {
                list: acl.sid,
                friendly_name: format!("n{number}"),
                address: [192, 0, 2, number].into(),
                prefix: None,
            },
        );
    }
    let labels = |snapshot: &Snapshot, labels: &str| snapshot.domain_by_labels(labels).unwrap().sid;
    let list = MappedList::CallsIpAccessControlList(acl.sid);
    let b = labels(&house.opened.snapshot, "b");
    house.write(MAIN, &Write::CreateMapping { domain: b, list });
    house.write(MAIN, &Write::DeleteDomain(b));
    house.write(MAIN, &Write::DeleteIpAccessControlList(acl.sid));
    let deepest = labels(&house.opened.snapshot, "y.x.a");
    house.write(MAIN, &Write::DeleteDomain(deepest));
    let held = format!("{:?}", house.opened.snapshot);
    let house = house.reopen(T0);
    assert_eq!(format!("{:?}", house.opened.snapshot), held);
}

#[test]
fn tables_have_the_columns_of_their_descriptions() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder, "sidetone.test", T0).unwrap());
    let connection = rusqlite::Connection::open(path(&folder)).unwrap();
    for kind in ResourceKind::ALL {
        let description = kind.description();
        let mut statement =
            connection.prepare("SELECT name FROM pragma_table_info(?1) ORDER BY cid").unwrap();
        let names = statement.query_map([description.table], |row| row.get(0)).unwrap();
        let names: Vec<String> = names.map(Result::unwrap).collect();
        let described: Vec<_> = description.columns.iter().map(|column| column.name).collect();
        assert_eq!(names, described, "{kind:?}");
    }
}
