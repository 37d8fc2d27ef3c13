//! Studio flows: drafts, publishing, revisions, and definitions that are refused.

use serde_json::json;

use super::House;

const PATH: &str = "/v2/Flows";

fn definition(say: &str) -> String {
    let definition = json!({"description": "x", "initial_state": "Trigger", "states": [
        {"name": "Trigger", "type": "trigger", "properties": {}, "transitions": [{"event": "incomingCall", "next": "say"}]},
        {"name": "say", "type": "say-play", "properties": {"say": say}, "transitions": [{"event": "audioComplete"}]},
    ]});
    definition.to_string()
}

fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[test]
fn a_flow_is_drafted_published_and_revised() {
    let mut house = House::new();
    let first = definition("one");
    let created = house.post(
        PATH,
        &form(&[("FriendlyName", "Desk"), ("Status", "draft"), ("Definition", &first)]),
    );
    assert_eq!(created.status, 201, "{created:?}");
    let path = format!("{PATH}/{}", created.sid());
    assert_eq!((&created.body["revision"], &created.body["status"]), (&json!(1), &json!("draft")));
    assert_eq!(house.get(&format!("{path}/Revisions/LatestPublished")).code(), 20404);
    let published =
        house.post(&path, &form(&[("Status", "published"), ("CommitMessage", "go")])).body;
    assert_eq!((&published["revision"], &published["commit_message"]), (&json!(2), &json!("go")));
    let second = definition("two");
    house.post(&path, &form(&[("Status", "draft"), ("Definition", &second)]));
    let said = |house: &mut House, revision: &str| {
        let shown = house.get(&format!("{path}/Revisions/{revision}")).body;
        shown["definition"]["states"][1]["properties"]["say"].clone()
    };
    for (revision, expected) in [
        ("LatestRevision", "two"),
        ("3", "two"),
        ("LatestPublished", "one"),
        ("2", "one"),
        ("1", "one"),
    ] {
        assert_eq!(said(&mut house, revision), expected, "{revision}");
    }
    let revisions = house.get(&format!("{path}/Revisions")).body;
    let numbers: Vec<_> = revisions["revisions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| &row["revision"])
        .collect();
    assert_eq!(numbers, [3, 2, 1]);
    let statuses: Vec<_> =
        revisions["revisions"].as_array().into_iter().flatten().map(|row| &row["status"]).collect();
    assert_eq!(statuses, ["draft", "published", "draft"]);
    let page = house.get(&format!("{path}/Revisions?PageSize=2")).body;
    let next = page["meta"]["next_page_url"].as_str().expect("a second page").to_owned();
    let next = next.split_once("/v2").expect("a path").1;
    let page = house.get(&format!("/v2{next}")).body;
    assert_eq!(page["revisions"][0]["revision"], 1, "{page}");
    assert_eq!(page["revisions"][1], json!(null));
    assert_eq!(house.get(&format!("{path}/Revisions/4")).code(), 20404);
    assert_eq!(house.get(PATH).body["flows"].as_array().map(Vec::len), Some(1));
    assert_eq!(house.delete(&path).status, 204);
    assert_eq!(house.get(&path).code(), 20404);
}

#[test]
fn a_definition_with_faults_is_refused_with_their_paths() {
    let mut house = House::new();
    let bad = definition("one").replace("say-play", "sing");
    for (path, more) in [(PATH.to_owned(), ""), (format!("{PATH}/Validate"), "")] {
        let pairs = [("FriendlyName", "Desk"), ("Status", "draft"), ("Definition", bad.as_str())];
        let refused = house.post(&path, &(form(&pairs) + more));
        assert_eq!((refused.status, refused.code()), (400, 81022));
        let error = &refused.body["details"]["errors"][0];
        assert_eq!(error["property_path"], "#/states/1/type", "{refused:?}");
    }
    let good =
        form(&[("FriendlyName", "x"), ("Status", "draft"), ("Definition", &definition("a"))]);
    assert_eq!(house.post(&format!("{PATH}/Validate"), &good).body, json!({"valid": true}));
    let nameless = form(&[("Status", "draft"), ("Definition", &definition("a"))]);
    assert_eq!(house.post(PATH, &nameless).status, 400);
}

#[test]
fn an_execution_asks_for_two_addresses_and_an_object() {
    let mut house = House::new();
    let flow =
        form(&[("FriendlyName", "x"), ("Status", "published"), ("Definition", &definition("a"))]);
    let path = format!("{PATH}/{}/Executions", house.post(PATH, &flow).sid());
    let created = house.post(&path, "To=sip:a@b&From=desk&Parameters=%7B%7D");
    assert_eq!((created.status, &created.body["status"]), (201, &json!("active")), "{created:?}");
    assert_eq!(created.body["contact_channel_address"], "sip:a@b");
    let long = format!("To={}&From=desk", "a".repeat(300));
    for (form, code) in
        [("From=desk", 21201), ("To=a", 21213), (&long, 81023), ("To=a&From=b&Parameters=3", 20422)]
    {
        let refused = house.post(&path, form);
        assert_eq!((refused.status, refused.code()), (400, code), "{form}");
    }
}

#[test]
fn a_flow_has_test_users_who_are_no_revision_of_it() {
    let mut house = House::new();
    let flow =
        form(&[("FriendlyName", "x"), ("Status", "draft"), ("Definition", &definition("a"))]);
    let flow = format!("{PATH}/{}", house.post(PATH, &flow).sid());
    let path = format!("{flow}/TestUsers");
    assert_eq!(house.get(&path).body["test_users"], json!([]));
    let set = house.post(&path, "TestUsers=%2B15550100&TestUsers=sip:ann@desk");
    assert_eq!((set.status, &set.body["test_users"]), (200, &json!(["+15550100", "sip:ann@desk"])));
    assert_eq!(house.get(&path).body["test_users"], set.body["test_users"]);
    assert_eq!(house.get(&flow).body["revision"], 1);
    let long = format!("TestUsers={}", "a".repeat(shared::limits::TEST_USERS_BYTES_MAX + 1));
    assert_eq!(house.post(&path, &long).code(), 20422);
    assert_eq!(house.post(&path, "").body["test_users"], json!([]));
    assert_eq!(house.delete(&path).status, 405);
    let nobody = format!("{PATH}/FW{}/TestUsers", "0".repeat(32));
    assert_eq!(house.post(&nobody, "TestUsers=a").code(), 20404);
}
