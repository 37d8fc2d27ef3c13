//! Tests of what only SQLite has: a file, a log beside it, a page count.

use store::{
    CallRecord, CallStatus, ConferenceRecord, DomainSuffix, NotificationRecord, Recorded as _,
    RecordingRecord, ResourceKind,
};

use super::*;
use crate::tests::rows::{call, first, put};
use crate::tests::{House, MAIN, ORIGIN, Place as _, SUFFIX, SqliteFile, T0, TestSealer};

fn start() -> Start<'static> {
    Start { suffix: DomainSuffix::new(SUFFIX), late: &[], unix_ms: T0, origin: ORIGIN }
}

#[test]
fn the_auth_token_is_sealed_on_disk() {
    let house = House::<SqliteFile>::new();
    let file = std::fs::read(house.place.path()).unwrap();
    let log = std::fs::read(house.place.path().with_extension("sqlite-wal")).unwrap_or_default();
    let token = b"0123456789abcdef";
    assert!(![file, log].iter().any(|bytes| bytes.windows(16).any(|window| window == token)));
    let account = house.reader().account(MAIN).unwrap().unwrap();
    assert_eq!(account.auth_token.expose_secret().as_bytes(), token);
}

#[test]
fn a_full_disk_refuses_the_whole_batch_and_recovers() {
    let file = SqliteFile::new();
    let (mut writer, ..) = open::open(&file.path(), Arc::new(TestSealer), start()).unwrap();
    let pages: i64 =
        writer.connection().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    writer.connection().pragma_update(None, "max_page_count", pages).unwrap();
    let batch: Vec<_> = (0..2_000).map(|n| put(call(n, CallStatus::Completed, T0))).collect();
    let refused = store::Writer::commit(&mut writer, T0, &batch);
    assert!(matches!(refused, Err(StoreError::CannotWrite(_))), "{refused:?}");
    let reader = file.database().reader(None).unwrap();
    assert!(reader.calls(MAIN, &[], first(1)).unwrap().rows.is_empty());

    writer.connection().pragma_update(None, "max_page_count", 1 << 30).unwrap();
    let outcomes = store::Writer::commit(&mut writer, T0, &batch[..1]).unwrap();
    assert_eq!(outcomes, [store::Outcome::Committed]);
}

#[test]
fn an_empty_file_is_nothing_and_garbage_is_refused() {
    let file = SqliteFile::new();
    std::fs::write(file.path(), b"").unwrap();
    assert_eq!(file.database().find().unwrap(), Found::Nothing);
    std::fs::write(file.path(), [7; 8_192]).unwrap();
    assert!(matches!(file.database().find(), Err(StoreError::Unusable(_))));
}

#[test]
fn a_newer_file_is_refused() {
    let file = SqliteFile::new();
    let open = || file.database().open(DomainSuffix::new(SUFFIX), T0, ORIGIN);
    drop(open().unwrap());
    let connection = rusqlite::Connection::open(file.path()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    assert!(matches!(open(), Err(StoreError::Newer { found: 99, .. })));
    let snapshot = file.database().snapshot(DomainSuffix::new(SUFFIX));
    assert!(matches!(snapshot, Err(StoreError::Newer { found: 99, .. })));
}

/// A file with many commits in its log, as a kill leaves it.
fn killed() -> SqliteFile {
    let mut house = House::<SqliteFile>::new();
    for number in 0..9 {
        house.commit(put(call(number, CallStatus::Completed, T0)));
    }
    let House { place, opened, .. } = house;
    std::mem::forget(opened.writer);
    place
}

#[test]
fn a_log_that_something_wrote_over_is_told_from_one_that_a_power_failure_tore() {
    let damage = |change: &dyn Fn(&mut Vec<u8>)| {
        let file = killed();
        let log = &file.database().files()[1];
        let mut bytes = std::fs::read(log).unwrap();
        assert!(bytes.len() > 20_000);
        change(&mut bytes);
        std::fs::write(log, bytes).unwrap();
        file.database().find()
    };
    let is_damaged = |found| matches!(found, Err(StoreError::DamagedLog { .. }));
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
fn tables_have_the_columns_of_their_descriptions() {
    let file = SqliteFile::new();
    drop(file.database().open(DomainSuffix::new(SUFFIX), T0, ORIGIN).unwrap());
    let connection = rusqlite::Connection::open(file.path()).unwrap();
    for kind in ResourceKind::ALL {
        let description = kind.description();
        let mut statement =
            connection.prepare("SELECT name FROM pragma_table_info(?1) ORDER BY cid").unwrap();
        let names = statement.query_map([description.table], |row| row.get(0)).unwrap();
        let names: Vec<String> = names.map(Result::unwrap).collect();
        let described: Vec<_> = description.columns.iter().map(|column| column.name).collect();
        assert_eq!(names, described, "{kind:?}");
    }
    let records = [
        (CallRecord::TABLE, CallRecord::COLUMNS),
        (ConferenceRecord::TABLE, ConferenceRecord::COLUMNS),
        (RecordingRecord::TABLE, RecordingRecord::COLUMNS),
        (NotificationRecord::TABLE, NotificationRecord::COLUMNS),
    ];
    for (table, columns) in records {
        let sql = "SELECT name FROM pragma_table_info(?1) ORDER BY cid";
        let mut statement = connection.prepare(sql).unwrap();
        let names = statement.query_map([table], |row| row.get(0)).unwrap();
        let names: Vec<String> = names.map(Result::unwrap).collect();
        let described: Vec<_> = columns.iter().map(|column| column.name).collect();
        assert_eq!(names, described, "{table}");
    }
}

#[test]
fn tables_keep_unique_what_their_descriptions_call_unique() {
    let file = SqliteFile::new();
    drop(file.database().open(DomainSuffix::new(SUFFIX), T0, ORIGIN).unwrap());
    let connection = rusqlite::Connection::open(file.path()).unwrap();
    let texts = |sql: &str, of: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([of], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    for kind in ResourceKind::ALL {
        let description = kind.description();
        // Origin `u`: made by a UNIQUE constraint.
        let sql = "SELECT name FROM pragma_index_list(?1) WHERE origin = 'u'";
        let columns = "SELECT name FROM pragma_index_info(?1) ORDER BY seqno";
        let indexes = texts(sql, description.table);
        let mut unique: Vec<_> = indexes.iter().map(|index| texts(columns, index)).collect();
        let owned = |set: &&[&str]| set.iter().map(|column| (*column).to_owned()).collect();
        let mut described: Vec<Vec<String>> = description.unique.iter().map(owned).collect();
        unique.sort();
        described.sort();
        assert_eq!(unique, described, "{kind:?}");
    }
}
