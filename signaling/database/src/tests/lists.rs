//! Lists: pages, filters, and rows that wait for the writer.

use std::sync::Arc;

use shared::{AccountSid, Code, NotificationSid};
use store::{
    Account, AccountParameters, CallRecord, CallStatus, Change, Condition, ConferenceStatus,
    Cursor, Described as _, HistoryQueue, HttpMessages, NotificationLevel, NotificationRecord,
    PageRequest, Patch, Reply, Resource, Value, Write,
};

use super::rows::{call, conference, first, put};
use super::{DAY_MS, House, MAIN, ORIGIN, Place, T0};

fn pages_are_newest_first_and_stay_stable_under_inserts<P: Place>() {
    let mut house = House::<P>::new();
    for number in 0..5 {
        house.commit(put(call(number, CallStatus::Completed, T0 + number as i64)));
    }
    let reader = house.reader();
    let read = |cursor| {
        let page = PageRequest { size: 2, cursor };
        let page = reader.calls(MAIN, &[], page).unwrap();
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
    house.batch(&[put(call(9, CallStatus::Completed, T0 + 9))]);
    let (numbers, last, top, has_previous, has_next) = read(Cursor::After(last));
    assert_eq!((numbers, has_previous, has_next), (vec![2, 1], true, true));
    let (numbers, .., has_next) = read(Cursor::After(last));
    assert_eq!((numbers, has_next), (vec![0], false));
    let (numbers, _, _, has_previous, has_next) = read(Cursor::Before(top));
    assert_eq!((numbers, has_previous, has_next), (vec![4, 3], true, true));
}

fn call_filters_are_exact_and_ranges_half_open<P: Place>() {
    let mut house = House::<P>::new();
    for (number, status) in CallStatus::ALL.into_iter().enumerate() {
        house.commit(put(call(number as u64, status, T0 + number as i64 * DAY_MS)));
    }
    let reader = house.reader();
    let count =
        |conditions: &[Condition]| reader.calls(MAIN, conditions, first(50)).unwrap().rows.len();
    assert_eq!(count(&[]), 8);
    assert_eq!(count(&[Condition::equal("callee", "sip:3@pbx.example")]), 1);
    assert_eq!(count(&[Condition::equal("caller", "bob")]), 0);
    assert_eq!(count(&[Condition::equal("status", CallStatus::Ringing.name())]), 1);
    assert_eq!(count(&[Condition::equal("status", CallStatus::Busy.name())]), 1);
    let start = [
        Condition::from("start_ms", T0 + DAY_MS + 1_000),
        Condition::before("start_ms", T0 + 3 * DAY_MS + 1_000),
    ];
    assert_eq!(count(&start), 2);
    let other = reader.calls(AccountSid(1), &[], first(50)).unwrap();
    assert!(other.rows.is_empty());
}

fn conference_filters_find_the_rows_on_disk_and_those_that_wait<P: Place>() {
    use ConferenceStatus::{Completed, InProgress, Init};
    let mut house = House::<P>::new();
    let mut queue = HistoryQueue::new(1 << 20);
    for (number, status) in [(1, Init), (2, InProgress), (3, Completed)] {
        house.commit(Change::PutConference(Arc::new(conference(number, status, T0))));
    }
    // Room 2 ended meanwhile, and room 4 began a day later.
    for (number, status, created_ms) in [(2, Completed, T0), (4, InProgress, T0 + DAY_MS)] {
        queue.put(Change::PutConference(Arc::new(conference(number, status, created_ms)))).unwrap();
    }
    let reader = house.place.database().reader(Some(Arc::new(queue))).unwrap();
    let names = |conditions: &[Condition]| -> Vec<String> {
        let rows = reader.conferences(MAIN, conditions, first(9)).unwrap().rows;
        rows.into_iter().map(|row| row.friendly_name).collect()
    };
    let of = |status: ConferenceStatus| names(&[Condition::equal("status", status.name())]);
    assert_eq!(names(&[]), ["room 4", "room 3", "room 2", "room 1"]);
    assert_eq!((of(Init), of(InProgress)), (vec!["room 1".to_owned()], vec!["room 4".to_owned()]));
    assert_eq!(of(Completed), ["room 3", "room 2"]);
    assert_eq!(names(&[Condition::equal("friendly_name", "room 3")]), ["room 3"]);
    assert_eq!(names(&[Condition::from("created_ms", T0 + 1)]), ["room 4"]);
    assert_eq!(names(&[Condition::before("updated_ms", T0 + 2_000)]), Vec::<String>::new());
    let other = reader.conferences(AccountSid(1), &[], first(9)).unwrap();
    assert!(other.rows.is_empty());
}

fn lists_are_the_same_wherever_their_rows_are<P: Place>() {
    let calls: Vec<_> = (0..40_u64)
        .map(|n| {
            let status = CallStatus::ALL[n as usize % CallStatus::ALL.len()];
            call(n, status, T0 + n as i64 * DAY_MS / 8)
        })
        .collect();
    let mut house = House::<P>::new();
    let mut queue = HistoryQueue::new(1 << 20);
    for (number, row) in calls.iter().enumerate() {
        if number % 3 > 0 {
            // An older version, which most lists would place elsewhere.
            let older = if number % 3 == 1 { CallStatus::Queued } else { row.status };
            house.commit(put(CallRecord { status: older, to: "old".to_owned(), ..row.clone() }));
        }
        queue.put(put(row.clone())).unwrap();
    }
    let mut whole = House::<P>::new();
    calls.iter().for_each(|row| whole.commit(put(row.clone())));
    let (merged, whole) =
        (house.place.database().reader(Some(Arc::new(queue))).unwrap(), whole.reader());
    let within =
        |column| [Condition::from(column, T0 + DAY_MS), Condition::before(column, T0 + 3 * DAY_MS)];
    let status = |status: CallStatus| Condition::equal("status", status.name());
    let [from, before] = within("start_ms");
    let filters: [&[Condition]; 8] = [
        &[],
        &[status(CallStatus::Queued)],
        &[status(CallStatus::Completed)],
        &[Condition::not("status", CallStatus::Completed.name())],
        &[Condition::equal("callee", "old")],
        &[Condition::equal("parent", Value::sid(calls[1].sid.0))],
        &[Condition::equal("caller", "alice"), from, before],
        &within("end_ms"),
    ];
    for filter in filters {
        let mut cursor = Cursor::Start;
        loop {
            let request = PageRequest { size: 3, cursor };
            let page = merged.calls(MAIN, filter, request).unwrap();
            assert_eq!(page, whole.calls(MAIN, filter, request).unwrap(), "{filter:?}");
            match page.rows.last() {
                Some(last) if page.has_next => cursor = Cursor::After(last.sid.0),
                _ => break,
            }
        }
    }
    assert_eq!(merged.call(MAIN, calls[1].sid).unwrap().as_ref(), Some(&calls[1]));
    assert_eq!(merged.call(AccountSid(1), calls[1].sid).unwrap(), None, "another account's");
}

fn accounts_list_the_account_and_its_subaccounts_only<P: Place>() {
    let mut house = House::<P>::new();
    let Reply::Resource(Resource::Account(sub), _) = house.write(
        MAIN,
        &Write::create(AccountParameters {
            friendly_name: Patch::Set("site a".to_owned()),
            ..Default::default()
        }),
    ) else {
        panic!("not an account")
    };
    house.write(MAIN, &Write::create(AccountParameters::default()));
    let reader = house.reader();
    let list = |owner: AccountSid, conditions: &[Condition]| {
        let page = reader.rows(&Account::DESCRIPTION, owner.0, conditions, first(9)).unwrap();
        let rows = page.rows.into_iter().map(|row| Account::from_values(row).unwrap());
        rows.collect::<Vec<_>>()
    };
    assert_eq!(list(MAIN, &[]).len(), 3);
    let named = [Condition::equal("friendly_name", "site a")];
    assert_eq!(list(MAIN, &named), [Account::clone(&sub)]);
    assert_eq!(list(sub.sid, &[]).len(), 1);
}

fn notifications_of_a_call_are_found_by_it<P: Place>() {
    let mut house = House::<P>::new();
    let sid = call(1, CallStatus::Completed, T0).sid;
    for (number, of) in [(1, Some(sid)), (2, None)] {
        house.commit(Change::AddNotification(Arc::new(NotificationRecord {
            sid: NotificationSid::mint(T0, ORIGIN, number),
            account: MAIN,
            call: of,
            level: NotificationLevel::Warning,
            error_code: Code::HTTP_RETRIEVAL,
            message: "Got HTTP 404".to_owned(),
            exchange: Some(HttpMessages { url: "http://x/".to_owned(), ..Default::default() }),
            created_ms: T0,
        })));
    }
    let of_call = [Condition::equal("call", Value::sid(sid.0))];
    assert_eq!(house.reader().notifications(MAIN, &of_call, first(9)).unwrap().rows.len(), 1);
}

over_each_driver! {
    pages_are_newest_first_and_stay_stable_under_inserts,
    call_filters_are_exact_and_ranges_half_open,
    conference_filters_find_the_rows_on_disk_and_those_that_wait,
    lists_are_the_same_wherever_their_rows_are,
    accounts_list_the_account_and_its_subaccounts_only,
    notifications_of_a_call_are_found_by_it,
}
