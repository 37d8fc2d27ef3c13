//! Queues, with the figures of Control, and their members.

use serde_json::json;
use shared::{CallSid, QueueSid};
use store::{HttpMethod, Member, MemberName, QueueCommand, Reply, Webhook};

use super::{Answer, DATE, House, MAIN, T0, account_path};
use crate::{Method, Step};

fn create(house: &mut House, form: &str) -> Answer {
    house.post(&account_path("/Queues.json"), form)
}

#[test]
fn a_queue_looks_as_the_contract_shows_it_through_its_life() {
    let mut house = House::new();
    let created = create(&mut house, "FriendlyName=support");
    assert_eq!(created.status, 201, "{created:?}");
    let sid = created.sid();
    let path = account_path(&format!("/Queues/{sid}.json"));
    let mut expected = json!({
        "sid": sid, "account_sid": MAIN.to_string(), "friendly_name": "support", "max_size": 1000,
        "current_size": 0, "average_wait_time": 0, "date_created": DATE, "date_updated": DATE,
        "uri": path,
    });
    assert_eq!(created.body, expected, "a new queue is empty");
    expected["current_size"] = json!(2);
    expected["average_wait_time"] = json!(31);
    let fetched = house.get(&path);
    assert_eq!((fetched.status, fetched.body), (200, expected));
    let updated = house.post(&path, "MaxSize=5000&FriendlyName=sales");
    assert_eq!(
        (&updated.body["max_size"], &updated.body["friendly_name"]),
        (&json!(5000), &json!("sales"))
    );
    assert_eq!(house.post(&path, "MaxSize=").body["max_size"], 1000, "cleared, it is the default");
    assert_eq!(house.delete(&path).status, 204);
    assert_eq!(house.get(&path).code(), 20404);
}

#[test]
fn each_queue_of_a_page_has_its_own_figures() {
    let mut house = House::new();
    for name in ["a", "b", "c"] {
        assert_eq!(create(&mut house, &format!("FriendlyName={name}")).status, 201);
    }
    let first = house.get(&account_path("/Queues.json?PageSize=2")).body;
    let seen = |body: &serde_json::Value| {
        let rows = body["queues"].as_array().unwrap().iter();
        rows.map(|row| (row["friendly_name"].clone(), row["current_size"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(seen(&first), [(json!("c"), json!(2)), (json!("b"), json!(3))]);
    let next = house.get(first["next_page_uri"].as_str().unwrap()).body;
    assert_eq!(seen(&next), [(json!("a"), json!(2))]);
    assert_eq!(next["next_page_uri"], json!(null));
}

#[test]
fn a_value_that_a_queue_cannot_have_has_its_code() {
    let mut house = House::new();
    assert_eq!(create(&mut house, "FriendlyName=taken").status, 201);
    let long = format!("FriendlyName={}", "a".repeat(65));
    for (form, code) in [
        ("", 20002),
        ("FriendlyName=", 20002),
        (long.as_str(), 20002),
        ("FriendlyName=taken", 20002),
        ("FriendlyName=a&MaxSize=0", 20422),
        ("FriendlyName=a&MaxSize=5001", 20422),
        ("FriendlyName=a&MaxSize=many", 20422),
    ] {
        assert_eq!(create(&mut house, form).code(), code, "{form}");
    }
}

fn member(place: u64, position: u32) -> Member {
    Member {
        call: CallSid(u128::from(100 - place)),
        queue: QueueSid(7),
        account: MAIN,
        place,
        enqueued_ms: T0,
        position,
        wait_s: 143,
    }
}

#[test]
fn members_are_listed_front_first_and_a_page_goes_on_behind_one_that_left() {
    let mut house = House::new();
    let queue = create(&mut house, "FriendlyName=support").sid();
    let path = account_path(&format!("/Queues/{queue}/Members"));
    house.reply = Some(Reply::Members((1..=3).map(|n| member(n + 10, n as u32)).collect()));
    let first = house.get(&format!("{path}.json?PageSize=2")).body;
    let positions = |body: &serde_json::Value| {
        let rows = body["queue_members"].as_array().unwrap().iter();
        rows.map(|row| row["position"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(positions(&first), [1, 2]);
    assert_eq!(
        first["queue_members"][0],
        json!({
            "queue_sid": QueueSid(7).to_string(), "call_sid": CallSid(89).to_string(),
            "date_enqueued": DATE, "position": 1, "wait_time": 143,
            "uri": account_path(&format!("/Queues/{}/Members/{}.json", QueueSid(7), CallSid(89))),
        })
    );
    // The two of the first page were taken out meanwhile.
    house.reply = Some(Reply::Members(vec![member(13, 1), member(14, 2)]));
    let next = house.get(first["next_page_uri"].as_str().unwrap()).body;
    assert_eq!((positions(&next), &next["next_page_uri"]), (vec![1, 2], &json!(null)));
}

#[test]
fn a_member_is_the_front_or_a_call_and_leaves_for_a_document() {
    let mut house = House::new();
    let queue = create(&mut house, "FriendlyName=support").sid();
    let sid: QueueSid = queue.parse().unwrap();
    let path = |member: &str| account_path(&format!("/Queues/{queue}/Members/{member}.json"));
    let command = |house: &House, method, member: &str, form: &str| match house.step(
        method,
        &path(member),
        form,
    ) {
        Step::Queue { command, .. } => command,
        other => panic!("{other:?}"),
    };
    let front = QueueCommand::Member { account: MAIN, queue: sid, member: MemberName::Front };
    assert_eq!(command(&house, Method::Get, "Front", ""), front);
    let call = CallSid(9);
    let url = Webhook { url: "https://app.example/take".to_owned(), method: HttpMethod::Get };
    let taken =
        QueueCommand::Dequeue { account: MAIN, queue: sid, member: MemberName::Call(call), url };
    let form = "Url=https%3A%2F%2Fapp.example%2Ftake&Method=GET";
    assert_eq!(command(&house, Method::Post, &call.to_string(), form), taken);

    house.reply = Some(Reply::Member(Member { position: 0, ..member(1, 0) }));
    assert_eq!(house.post(&path("Front"), form).body["position"], 0);
    for (member, form, code) in [
        ("Front", "", 21205),
        ("Front", "Url=nonsense", 21205),
        ("Front", "Url=https%3A%2F%2Fa.example&Method=PUT", 21209),
        ("somebody", form, 20404),
    ] {
        assert_eq!(house.post(&path(member), form).code(), code, "{member} {form}");
    }
    assert_eq!(house.delete(&path("Front")).code(), 20004);
    let elsewhere = account_path(&format!("/Queues/{}/Members.json", QueueSid(1)));
    assert_eq!(house.get(&elsewhere).code(), 20404);
    house.reply = None;
    assert_eq!(house.get(&path("Front")).code(), 20404, "the queue is empty");
}
