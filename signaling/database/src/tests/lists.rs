//! Lists: pages, filters, and rows that wait for the writer.

use std::sync::Arc;

use shared::{AccountSid, NotificationSid};
use store::{
    Account, AccountParameters, CallFilter, CallRecord, CallStatus, Change, Condition, Cursor,
    Described as _, HistoryQueue, HttpMessages, Is, NotificationFilter, NotificationLevel,
    NotificationRecord, PageRequest, Patch, Reply, Resource, TimeRange, Value, Write,
};

use super::rows::{call, first, put};
use super::{DAY_MS, House, MAIN, ORIGIN, Place, T0};

fn pages_are_newest_first_and_stay_stable_under_inserts<P: Place>() {
    let mut house = House::<P>::new();
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
    let is = Is::Equal(Value::Text("site a".to_owned()));
    let named = [Condition { column: "friendly_name", is }];
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
            error_code: 11200,
            message: "Got HTTP 404".to_owned(),
            exchange: Some(HttpMessages { url: "http://x/".to_owned(), ..Default::default() }),
            created_ms: T0,
        })));
    }
    let filter = NotificationFilter { call: Some(sid), ..Default::default() };
    assert_eq!(house.reader().notifications(MAIN, &filter, first(9)).unwrap().rows.len(), 1);
}

over_each_driver! {
    pages_are_newest_first_and_stay_stable_under_inserts,
    call_filters_are_exact_and_ranges_half_open,
    lists_are_the_same_wherever_their_rows_are,
    accounts_list_the_account_and_its_subaccounts_only,
    notifications_of_a_call_are_found_by_it,
}
