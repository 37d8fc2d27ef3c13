//! What is not built, and what is never billed.

use serde_json::{Value, json};

use super::{House, MAIN, account_path};
use crate::Method;

#[test]
fn what_is_not_there_says_what_it_is() {
    let mut house = House::new();
    let cases = [
        ("/Messages.json", 404, 20404, "Messages is not built"),
        ("/AvailablePhoneNumbers/US/Local.json", 404, 20404, "AvailablePhoneNumbers is not built"),
        ("/Conferences/CF1.json", 404, 20404, "was not found"),
        ("/Queues/QU1/Members.json", 404, 20404, "was not found"),
        ("/Calls/CA00000000000000000000000000000001/Payments.json", 404, 20404, "Calls/Payments"),
        ("/Nonsense.json", 404, 20404, "The requested resource /2010-04-01"),
        ("/Calls.xml", 406, 20406, "XML is not built"),
        ("/Calls.csv", 406, 20406, "CSV is not built"),
        ("/Calls/CA1.json", 404, 20404, "was not found"),
        ("/SIP.json", 404, 20404, "was not found"),
    ];
    for (path, status, code, text) in cases {
        let answer = house.get(&account_path(path));
        assert_eq!((answer.status, answer.code()), (status, code), "{path}");
        let message = answer.body["message"].as_str().unwrap();
        assert!(message.contains(text), "{path}: {message}");
    }
    assert_eq!(house.get("/v1/ByocTrunks").code(), 20404);
    assert_eq!(house.get("/").code(), 20404);
    assert_eq!(house.get(&account_path("/Calls")).status, 200, "no suffix is JSON");
    assert_eq!(house.request(Method::Other, &account_path("/Calls.json"), "").code(), 20004);
    assert_eq!(house.delete(&account_path("/Calls.json")).code(), 20004);
}

#[test]
fn what_is_never_billed_is_an_empty_list_or_a_zero() {
    let mut house = House::new();
    for (path, key) in [
        ("/Usage/Records.json", "usage_records"),
        ("/Usage/Records/LastMonth.json?StartDate=2025-01-01", "usage_records"),
        ("/Usage/Triggers.json", "usage_triggers"),
    ] {
        let answer = house.get(&account_path(path));
        assert_eq!((answer.status, &answer.body[key]), (200, &json!([])), "{path}");
        assert_eq!(answer.body["next_page_uri"], Value::Null, "{path}");
    }
    let balance = json!({"account_sid": MAIN.to_string(), "balance": "0.00", "currency": "USD"});
    assert_eq!(house.get(&account_path("/Balance.json")).body, balance);
    assert_eq!(house.get(&account_path("/Usage/Records/Hourly.json")).status, 404);
    assert_eq!(house.post(&account_path("/Usage/Triggers.json"), "").status, 405);
}
