//! TwiML Bins, a kind of our own.

use serde_json::json;

use super::{DATE, House, MAIN, account_path};

#[test]
fn a_bin_has_a_life_like_any_resource() {
    let mut house = House::new();
    let form = "FriendlyName=Front+desk&Content=%3CResponse%2F%3E";
    let created = house.post(&account_path("/TwimlBins.json"), form);
    assert_eq!(created.status, 201, "{created:?}");
    let sid = created.sid();
    assert!(sid.starts_with("EH"), "{sid}");
    let path = account_path(&format!("/TwimlBins/{sid}.json"));
    let expected = json!({
        "sid": sid, "account_sid": MAIN.to_string(), "friendly_name": "Front desk", "content": "<Response/>",
        "date_created": DATE, "date_updated": DATE, "uri": path,
    });
    assert_eq!(created.body, expected);
    assert_eq!(house.get(&path).body, expected);
    let listed = house.get(&account_path("/TwimlBins.json?FriendlyName=Front+desk"));
    assert_eq!(listed.body["twiml_bins"], json!([expected]));
    let renamed = house.post(&path, "FriendlyName=Back");
    assert_eq!(renamed.body["friendly_name"], "Back");
    assert_eq!(renamed.body["content"], "<Response/>");
    assert_eq!(house.delete(&path).status, 204);
    assert_eq!(house.get(&path).code(), 20404);
}

#[test]
fn a_bin_keeps_the_sid_that_it_had_elsewhere_once() {
    let mut house = House::new();
    let sid = "EH0123456789abcdef0123456789abcdef";
    let form = format!("FriendlyName=a&Content=%3CResponse%2F%3E&Sid={sid}");
    let path = account_path("/TwimlBins.json");
    assert_eq!(house.post(&path, &form).sid(), sid);
    assert_eq!(house.post(&path, &form).code(), 20409);
}

#[test]
fn what_a_bin_cannot_hold_is_refused_with_its_place() {
    let mut house = House::new();
    let path = account_path("/TwimlBins.json");
    let long = format!("FriendlyName=a&Content=%3CResponse%3E{}", "x".repeat(32 * 1024));
    for (form, code, sentence) in [
        ("Content=%3CResponse%2F%3E", 20002, "FriendlyName is required"),
        ("FriendlyName=a", 12100, "Content is required"),
        ("FriendlyName=a&Content=%3CResponse%3E", 12100, "Content, line 1, column"),
        ("FriendlyName=a&Content=%3CResponse%2F%3E%7B%7Ba", 12100, "line 1, column 12: a tag that"),
        ("FriendlyName=a&Content=%3CSay%2F%3E", 12100, "the root element of TwiML is Response"),
        (long.as_str(), 12100, "at most 32768 bytes"),
    ] {
        let refused = house.post(&path, form);
        assert_eq!(refused.code(), code, "{form}: {refused:?}");
        let message = refused.body["message"].as_str().expect("a sentence");
        assert!(message.contains(sentence), "{form}: {message}");
    }
}
