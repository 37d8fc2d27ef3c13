//! Calls, their lists and filters.

use std::sync::Arc;

use serde_json::{Value, json};
use store::{CallStatus, Change, TimelineRecord};

use super::{DATE, House, MAIN, account_path, call};

#[test]
fn a_call_is_queued_looked_up_and_deleted() {
    let mut house = House::new();
    let queued = call(1, CallStatus::Queued);
    house.commit(Change::PutCall(Arc::new(queued.clone())));
    house.call = Some(queued.clone());
    let form = "To=sip%3Abob%40pbx.example&From=alice&Url=http%3A%2F%2F127.0.0.1%2Fv";
    let created = house.post(&account_path("/Calls.json"), form);
    assert_eq!(created.status, 201);
    let sid = queued.sid;
    let path = account_path(&format!("/Calls/{sid}"));
    assert_eq!(
        created.body,
        json!({
            "sid": sid.to_string(), "account_sid": MAIN.to_string(), "api_version": "2010-04-01",
            "parent_call_sid": null, "to": "sip:bob@pbx.example",
            "to_formatted": "sip:bob@pbx.example", "from": "+15005550006",
            "from_formatted": "(500) 555-0006", "phone_number_sid": null, "status": "queued",
            "direction": "outbound-api", "start_time": null, "end_time": null, "duration": null,
            "price": null, "price_unit": "USD", "answered_by": null, "forwarded_from": null,
            "group_sid": null, "caller_name": null, "queue_time": "0", "trunk_sid": null,
            "annotation": null, "date_created": DATE, "date_updated": DATE,
            "uri": format!("{path}.json"),
            "subresource_uris": {
                "notifications": format!("{path}/Notifications.json"),
                "recordings": format!("{path}/Recordings.json"),
                "events": format!("{path}/Events.json"),
                "timeline": format!("{path}/Timeline.json"),
            },
        })
    );
    assert_eq!(house.get(&format!("{path}.json")).body, created.body);
    assert_eq!(house.delete(&format!("{path}.json")).code(), 20009);
    assert_eq!(
        house.get(&format!("{path}/Timeline.json")).body,
        json!({"timeline": [{"at_ms": 1}], "quality": null, "left_out": 0})
    );

    house.commit(Change::PutCall(Arc::new(call(1, CallStatus::Completed))));
    house.commit(Change::PutTimeline(Arc::new(TimelineRecord {
        call: sid,
        account: MAIN,
        json: r#"{"entries":[{"at_ms":2}],"left_out":3,"quality":{"mos":4.4}}"#.to_owned(),
    })));
    let ended = house.get(&format!("{path}.json")).body;
    assert_eq!((&ended["duration"], &ended["status"]), (&json!("12"), &json!("completed")));
    assert_eq!(
        house.get(&format!("{path}/Timeline.json")).body,
        json!({"timeline": [{"at_ms": 2}], "quality": {"mos": 4.4}, "left_out": 3})
    );
    house.call = None;
    let late = house.post(&format!("{path}.json"), "Status=completed");
    assert_eq!((late.status, late.code()), (400, 21220));
    assert_eq!(late.body["message"], "Call is not in-progress. Cannot redirect.");
    assert_eq!(house.delete(&format!("{path}.json")).status, 204);
    assert_eq!(house.get(&format!("{path}.json")).code(), 20404);
    assert_eq!(house.post(&format!("{path}.json"), "Status=completed").code(), 20404);
}

#[test]
fn a_list_pages_without_gaps_or_repeats_while_calls_come_in() {
    let mut house = House::new();
    for number in 0..5 {
        house.commit(Change::PutCall(Arc::new(call(number, CallStatus::Completed))));
    }
    let mut page = house.get(&account_path("/Calls.json?PageSize=2&Status=completed"));
    assert_eq!((&page.body["start"], &page.body["end"]), (&json!(0), &json!(1)));
    assert_eq!(page.body["previous_page_uri"], Value::Null);
    let first_uri = account_path("/Calls.json?Status=completed&PageSize=2&Page=0");
    assert_eq!(page.body["first_page_uri"], json!(first_uri));
    house.commit(Change::PutCall(Arc::new(call(99, CallStatus::Completed))));
    let mut seen = Vec::new();
    loop {
        assert_eq!(page.status, 200);
        let keys: Vec<_> = page.body.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys.len(), 9, "meta keys and one list: {keys:?}");
        for row in page.body["calls"].as_array().unwrap() {
            seen.push(row["sid"].as_str().unwrap().to_owned());
        }
        let Some(next) = page.body["next_page_uri"].as_str().map(str::to_owned) else { break };
        assert!(next.contains("Status=completed") && next.contains("PageToken=PACA"));
        page = house.get(&next);
    }
    let expected: Vec<_> =
        (0..5).rev().map(|n| call(n, CallStatus::Completed).sid.to_string()).collect();
    assert_eq!(seen, expected);
    assert_eq!((&page.body["page"], &page.body["start"]), (&json!(2), &json!(4)));
    let back = page.body["previous_page_uri"].as_str().unwrap().to_owned();
    let back = house.get(&back);
    assert_eq!(back.body["calls"][0]["sid"], json!(expected[2]));

    let empty = house.get(&account_path("/Calls.json?To=nobody"));
    assert_eq!((&empty.body["end"], &empty.body["calls"]), (&json!(0), &json!([])));
    assert_eq!(empty.body["next_page_uri"], Value::Null);
}

#[test]
fn call_filters_take_dates_and_inequalities_in_the_name() {
    let mut house = House::new();
    house.commit(Change::PutCall(Arc::new(call(1, CallStatus::Completed))));
    let cases = [
        ("StartTime=2025-01-06", 1),
        ("StartTime=2025-01-05", 0),
        ("StartTime=2025-01-06T00:00:00Z", 1),
        ("StartTime=2025-01-06T00:00:01Z", 0),
        ("StartTime=2025-01-06T09:00:00Z", 1),
        ("StartTime=2025-01-05T00:00:00Z", 0),
        ("StartTime%3C=2025-01-06T00:00:00Z", 0),
        ("StartTime%3E=2025-01-07T00:00:00Z", 0),
        ("EndTime=2025-01-06T00:00:00Z", 1),
        ("StartTime%3C=2025-01-06", 0),
        ("StartTime%3C=2025-01-07", 1),
        ("StartTime%3E=2025-01-06", 1),
        ("StartTime>=2025-01-06T09:00:01Z", 0),
        ("EndTime%3E=2025-01-06T09:00:12Z", 1),
        ("Status=completed&From=%2B15005550006", 1),
        ("Status=busy", 0),
    ];
    for (query, count) in cases {
        let answer = house.get(&account_path(&format!("/Calls.json?{query}")));
        assert_eq!(answer.body["calls"].as_array().map(Vec::len), Some(count), "{query}");
    }
    for query in ["StartTime=yesterday", "Status=answered", "ParentCallSid=x", "PageSize=0"] {
        let answer = house.get(&account_path(&format!("/Calls.json?{query}")));
        assert_eq!((answer.status, answer.code()), (400, 20422), "{query}");
    }
}
