//! Phone numbers: their shape, their views, who takes their calls, and their account.

use serde_json::{Value, json};

use super::{DATE, House, MAIN, account_path};

const NUMBERS: &str = "/IncomingPhoneNumbers.json";

#[test]
fn a_number_looks_as_the_contract_shows_it() {
    let mut house = House::new();
    let form =
        "PhoneNumber=%2B1+500+555-0006&VoiceUrl=https%3A%2F%2Fapp.example%2Fv&AddressSid=AD1";
    let created = house.post(&account_path(NUMBERS), form);
    assert_eq!(created.status, 201, "{created:?}");
    let sid = created.sid();
    let path = account_path(&format!("/IncomingPhoneNumbers/{sid}.json"));
    let expected = json!({
        "sid": sid, "account_sid": MAIN.to_string(), "api_version": "2010-04-01",
        "phone_number": "+15005550006", "friendly_name": "(500) 555-0006", "type": "local",
        "beta": false, "origin": "hosted", "status": "in-use",
        "capabilities": {"voice": true, "sms": false, "mms": false, "fax": false},
        "voice_url": "https://app.example/v", "voice_method": "POST",
        "voice_fallback_url": "", "voice_fallback_method": "POST",
        "status_callback": "", "status_callback_method": "POST",
        "voice_application_sid": null, "trunk_sid": null, "voice_caller_id_lookup": false,
        "voice_receive_mode": "voice", "sms_url": "", "sms_method": "POST",
        "sms_fallback_url": "", "sms_fallback_method": "POST", "sms_application_sid": "",
        "emergency_status": "Inactive", "emergency_address_sid": null,
        "emergency_address_status": "unregistered", "address_requirements": "none",
        "address_sid": "AD1", "identity_sid": null, "bundle_sid": null,
        "date_created": DATE, "date_updated": DATE, "uri": path,
    });
    assert_eq!(created.body, expected);
    assert_eq!(house.get(&path).body, expected);
    let cleared = house.post(&path, "FriendlyName=desk&VoiceUrl=&VoiceReceiveMode=fax");
    assert_eq!(
        (&cleared.body["friendly_name"], &cleared.body["voice_url"]),
        (&json!("desk"), &json!(""))
    );
    let renamed = house.post(&path, "FriendlyName=&VoiceReceiveMode=");
    assert_eq!(renamed.body["friendly_name"], "(500) 555-0006");
    assert_eq!(renamed.body["voice_receive_mode"], "voice");
    assert_eq!(house.delete(&path).status, 204);
}

#[test]
fn a_number_is_registered_once_in_the_node_and_in_one_form() {
    let mut house = House::new();
    let long = format!("PhoneNumber=%2B15005550009&FriendlyName={}", "a".repeat(65));
    for (form, code) in [
        ("", 21421),
        ("PhoneNumber=15005550006", 21421),
        ("PhoneNumber=%2B0500", 21421),
        ("PhoneNumber=%2B1234567890123456", 21421),
        ("AreaCode=500", 21452),
        ("PhoneNumber=%2B15005550006", 0),
        ("PhoneNumber=%2B1+%28500%29+555.0006", 21422),
        ("PhoneNumber=%2B15005550009&VoiceUrl=x", 21402),
        ("PhoneNumber=%2B15005550009&VoiceMethod=PUT", 21403),
        ("PhoneNumber=%2B15005550009&VoiceReceiveMode=sms", 20422),
        ("PhoneNumber=%2B15005550009&EmergencyStatus=active", 20422),
        (&long, 20002),
        ("PhoneNumber=%2B15005550009&VoiceApplicationSid=AP1", 21420),
    ] {
        assert_eq!(house.post(&account_path(NUMBERS), form).code(), code, "{form}");
    }
    // Another account of the node cannot take it either.
    let site = house.post("/2010-04-01/Accounts.json", "").sid();
    let theirs = format!("/2010-04-01/Accounts/{site}{NUMBERS}");
    assert_eq!(house.post(&theirs, "PhoneNumber=%2B15005550006").code(), 21422);
}

#[test]
fn views_list_by_type_and_register_with_it() {
    let mut house = House::new();
    let view = |name: &str| account_path(&format!("/IncomingPhoneNumbers/{name}.json"));
    for (path, number, expected) in [
        (account_path(NUMBERS), "+15005550001", "local"),
        (account_path(NUMBERS), "+18885550001", "toll-free"),
        (view("Mobile"), "+15005550002", "mobile"),
        (view("TollFree"), "+498001234567", "toll-free"),
    ] {
        let form = format!("PhoneNumber={}", number.replace('+', "%2B"));
        let answer = house.post(&path, &form);
        assert_eq!((answer.status, &answer.body["type"]), (201, &json!(expected)), "{number}");
        // One row, with one path.
        assert!(answer.body["uri"].as_str().unwrap().contains("/IncomingPhoneNumbers/PN"));
    }
    for (name, count) in [("Local", 1), ("Mobile", 1), ("TollFree", 2)] {
        let page = house.get(&view(name)).body;
        assert_eq!(page["incoming_phone_numbers"].as_array().map(Vec::len), Some(count), "{name}");
    }
    let count = |house: &mut House, query: &str| {
        let page = house.get(&account_path(&format!("{NUMBERS}?{query}"))).body;
        page["incoming_phone_numbers"].as_array().map(Vec::len)
    };
    for (query, expected) in [
        ("", 4),
        ("PhoneNumber=555000*", 3),
        ("PhoneNumber=%2B1", 3),
        ("PhoneNumber=%28888%29", 1),
        ("PhoneNumber=5550001&FriendlyName=%28888%29+555-0001", 1),
        ("Beta=true", 0),
        ("Origin=twilio", 0),
    ] {
        assert_eq!(count(&mut house, query), Some(expected), "{query}");
    }
    assert_eq!(house.get(&account_path(&format!("{NUMBERS}?PhoneNumber=5[0]"))).code(), 20422);
    assert_eq!(house.get(&view("Local/PN00000000000000000000000000000001")).code(), 20404);
    assert_eq!(house.delete(&view("Local")).code(), 20004);
}

#[test]
fn an_application_and_a_trunk_exclude_each_other_and_a_deleted_one_is_forgotten() {
    let mut house = House::new();
    let form = "VoiceUrl=https%3A%2F%2Fapp.example%2Fv";
    let application = house.post(&account_path("/Applications.json"), form).sid();
    let number = house.post(&account_path(NUMBERS), "PhoneNumber=%2B15005550006").sid();
    let path = account_path(&format!("/IncomingPhoneNumbers/{number}.json"));
    let by_application = format!("VoiceApplicationSid={application}");
    assert_eq!(
        house.post(&path, &by_application).body["voice_application_sid"],
        json!(application)
    );
    let by_trunk = house.post(&path, "TrunkSid=TK1").body;
    assert_eq!(
        (&by_trunk["voice_application_sid"], &by_trunk["trunk_sid"]),
        (&Value::Null, &json!("TK1"))
    );
    let back = house.post(&path, &by_application).body;
    assert_eq!(back["trunk_sid"], Value::Null);
    assert_eq!(house.post(&path, &format!("{by_application}&TrunkSid=TK1")).code(), 20422);
    assert_eq!(
        house.delete(&account_path(&format!("/Applications/{application}.json"))).status,
        204
    );
    assert_eq!(house.get(&path).body["voice_application_sid"], Value::Null);
    // The row in memory and the one on disk agree: an update finds the revision that it expects.
    let renamed = house.post(&path, "FriendlyName=x");
    assert_eq!((renamed.status, &renamed.body["voice_application_sid"]), (200, &Value::Null));
}

#[test]
fn a_number_moves_to_a_related_account_without_its_application() {
    let mut house = House::new();
    let form = "VoiceUrl=https%3A%2F%2Fapp.example%2Fv";
    let application = house.post(&account_path("/Applications.json"), form).sid();
    let site = house.post("/2010-04-01/Accounts.json", "").sid();
    let form = format!("PhoneNumber=%2B15005550006&VoiceApplicationSid={application}");
    let number = house.post(&account_path(NUMBERS), &form).sid();
    let path = account_path(&format!("/IncomingPhoneNumbers/{number}.json"));
    assert_eq!(house.post(&path, "AccountSid=site").code(), 21470);
    let nobody = "AccountSid=AC00000000000000000000000000000009";
    assert_eq!(house.post(&path, nobody).code(), 21471);
    let moved = house.post(&path, &format!("AccountSid={site}")).body;
    assert_eq!(moved["account_sid"], json!(site));
    assert_eq!(moved["voice_application_sid"], Value::Null);
    assert_eq!(house.get(&path).code(), 20404);
    let there = format!("/2010-04-01/Accounts/{site}/IncomingPhoneNumbers/{number}.json");
    assert_eq!(moved["uri"], json!(there));
    assert_eq!(house.get(&there).body, moved);
    // A suspended account takes none.
    house.post(&format!("/2010-04-01/Accounts/{site}.json"), "Status=suspended");
    let second = house.post(&account_path(NUMBERS), "PhoneNumber=%2B15005550007").sid();
    let path = account_path(&format!("/IncomingPhoneNumbers/{second}.json"));
    assert_eq!(house.post(&path, &format!("AccountSid={site}")).code(), 21472);
}
