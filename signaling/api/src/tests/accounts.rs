//! Accounts, sub-accounts and API keys.

use serde_json::json;

use super::{DATE, House, MAIN, TOKEN, account_path};

#[test]
fn an_account_looks_as_the_contract_shows_it() {
    let mut house = House::new();
    let answer = house.get(&account_path(".json"));
    assert_eq!(answer.status, 200);
    let base = account_path("");
    assert_eq!(
        answer.body,
        json!({
            "sid": MAIN.to_string(),
            "owner_account_sid": MAIN.to_string(),
            "friendly_name": "Edge lab",
            "status": "active",
            "type": "Full",
            "auth_token": TOKEN,
            "date_created": DATE,
            "date_updated": DATE,
            "uri": format!("{base}.json"),
            "subresource_uris": {
                "applications": format!("{base}/Applications.json"),
                "incoming_phone_numbers": format!("{base}/IncomingPhoneNumbers.json"),
                "balance": format!("{base}/Balance.json"),
                "calls": format!("{base}/Calls.json"),
                "conferences": format!("{base}/Conferences.json"),
                "keys": format!("{base}/Keys.json"),
                "notifications": format!("{base}/Notifications.json"),
                "outgoing_caller_ids": format!("{base}/OutgoingCallerIds.json"),
                "queues": format!("{base}/Queues.json"),
                "recordings": format!("{base}/Recordings.json"),
                "signing_keys": format!("{base}/SigningKeys.json"),
                "sip": format!("{base}/SIP.json"),
                "usage": format!("{base}/Usage.json"),
            },
        })
    );
    assert_eq!(house.delete(&account_path(".json")).code(), 20004);
    let renamed = house.post(&account_path(".json"), "FriendlyName=Lab+2");
    assert_eq!((renamed.status, &renamed.body["friendly_name"]), (200, &json!("Lab 2")));
    assert_eq!(house.post(&account_path(".json"), "Status=dead").code(), 21475);
}

#[test]
fn only_a_parent_opens_its_sub_accounts() {
    let mut house = House::new();
    let sub = house.post("/2010-04-01/Accounts.json", "FriendlyName=site+a");
    assert_eq!((sub.status, &sub.body["owner_account_sid"]), (201, &json!(MAIN.to_string())));
    let token = sub.body["auth_token"].as_str().unwrap().to_owned();
    let sub_path = format!("/2010-04-01/Accounts/{}", sub.sid());
    let list = house.get("/2010-04-01/Accounts.json?FriendlyName=site+a");
    assert_eq!(list.body["accounts"].as_array().unwrap().len(), 1);
    let form = "DomainName=sub.sip.twilio.com";
    assert_eq!(house.post(&format!("{sub_path}/SIP/Domains.json"), form).status, 201);

    // The sub-account opens itself, not its parent.
    house.login = (sub.sid(), token.clone());
    assert_eq!(house.get(&format!("{sub_path}.json")).status, 200);
    assert_eq!(house.get(&account_path(".json")).code(), 20404);
    assert_eq!(house.post(&format!("{sub_path}.json"), "Status=closed").code(), 20006);

    // Suspended: its own credentials are refused; the parent still reads it, and may wake it.
    house.login = (MAIN.to_string(), TOKEN.to_owned());
    assert_eq!(house.post(&format!("{sub_path}.json"), "Status=suspended").status, 200);
    assert_eq!(house.post(&format!("{sub_path}/SIP/Domains.json"), form).code(), 20005);
    assert_eq!(house.get(&format!("{sub_path}/SIP/Domains.json")).status, 200);
    house.login = (sub.sid(), token);
    assert_eq!(house.get(&format!("{sub_path}.json")).code(), 20005);
}

#[test]
fn a_key_opens_its_account_but_not_accounts_keys_or_sub_accounts() {
    let mut house = House::new();
    let sub = house.post("/2010-04-01/Accounts.json", "").sid();
    let key = house.post(&account_path("/Keys.json"), "FriendlyName=ci");
    assert_eq!(key.status, 201);
    let secret = key.body["secret"].as_str().unwrap().to_owned();
    assert_eq!(secret.len(), 32);
    let sid = key.sid();
    assert_eq!(
        house.get(&account_path(&format!("/Keys/{sid}.json"))).body,
        json!({"sid": sid, "friendly_name": "ci", "date_created": DATE, "date_updated": DATE})
    );
    assert_eq!(house.get(&account_path("/Keys.json")).body["keys"].as_array().unwrap().len(), 1);
    let signing = house.get(&account_path("/SigningKeys.json"));
    assert_eq!(signing.body["signing_keys"].as_array().unwrap().len(), 1);
    let renamed = house.post(&account_path(&format!("/SigningKeys/{sid}.json")), "FriendlyName=b");
    assert_eq!(renamed.body["friendly_name"], "b");

    house.login = (sid.clone(), secret);
    assert_eq!(house.get(&account_path("/Calls.json")).status, 200);
    assert_eq!(house.get(&account_path(".json")).code(), 20003);
    assert_eq!(house.get("/2010-04-01/Accounts.json").code(), 20003);
    assert_eq!(house.post(&account_path("/Keys.json"), "").code(), 20003);
    assert_eq!(house.get(&format!("/2010-04-01/Accounts/{sub}/Calls.json")).code(), 20404);

    house.login = (MAIN.to_string(), TOKEN.to_owned());
    assert_eq!(house.delete(&account_path(&format!("/Keys/{sid}.json"))).status, 204);
    assert_eq!(house.get(&account_path(&format!("/Keys/{sid}.json"))).code(), 20404);
}

#[test]
fn only_the_auth_token_of_a_main_account_opens_a_page_about_the_node() {
    let mut house = House::new();
    assert_eq!(house.operator_status(), 200);
    let sub = house.post("/2010-04-01/Accounts.json", "FriendlyName=site+a");
    let token = sub.body["auth_token"].as_str().unwrap().to_owned();
    let key = house.post(&account_path("/Keys.json"), "FriendlyName=ci");
    let secret = key.body["secret"].as_str().unwrap().to_owned();
    let logins = [(sub.sid(), token), (key.sid(), secret), (MAIN.to_string(), "wrong".to_owned())];
    for login in logins {
        house.login = login;
        assert_eq!(house.operator_status(), 401, "{}", house.login.0);
    }
    for _ in 0..shared::limits::REST_FAILURES_A_MINUTE_MAX {
        house.operator_status();
    }
    assert_eq!(house.operator_status(), 429, "guesses are limited as those of the API");
}
