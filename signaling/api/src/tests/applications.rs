//! TwiML applications, and calls that name one.

use serde_json::{Value, json};

use store::{CallCommand, CallEvents, HttpMethod, TwimlSource, Webhook};

use super::{DATE, House, MAIN, account_path};
use crate::{Method, Step};

#[test]
fn an_application_looks_as_the_contract_shows_it_through_its_life() {
    let mut house = House::new();
    let form = "FriendlyName=Front+desk&VoiceUrl=https%3A%2F%2Fapp.example%2Fv\
                &VoiceFallbackUrl=https%3A%2F%2Fapp.example%2Ff&StatusCallbackMethod=get\
                &PublicApplicationConnectEnabled=TRUE&SmsUrl=https%3A%2F%2Fapp.example%2Fs";
    let created = house.post(&account_path("/Applications.json"), form);
    assert_eq!(created.status, 201, "{created:?}");
    let sid = created.sid();
    assert!(sid.starts_with("AP"), "{sid}");
    let path = account_path(&format!("/Applications/{sid}.json"));
    let expected = json!({
        "sid": sid, "account_sid": MAIN.to_string(), "api_version": "2010-04-01",
        "friendly_name": "Front desk",
        "voice_url": "https://app.example/v", "voice_method": "POST",
        "voice_fallback_url": "https://app.example/f", "voice_fallback_method": "POST",
        "status_callback": null, "status_callback_method": "GET",
        "voice_caller_id_lookup": false, "public_application_connect_enabled": true,
        "sms_url": "https://app.example/s", "sms_method": "POST",
        "sms_fallback_url": null, "sms_fallback_method": "POST",
        "sms_status_callback": null, "message_status_callback": null,
        "date_created": DATE, "date_updated": DATE, "uri": path,
    });
    assert_eq!(created.body, expected);
    assert_eq!(house.get(&path).body, expected);
    let updated = house.post(&path, "SmsUrl=&VoiceMethod=GET&ApiVersion=2008-08-01");
    assert_eq!((updated.status, &updated.body["sms_url"]), (200, &Value::Null));
    assert_eq!(
        (&updated.body["voice_method"], &updated.body["api_version"]),
        (&json!("GET"), &json!("2008-08-01"))
    );
    let unnamed = house.post(&account_path("/Applications.json"), "");
    assert_eq!((unnamed.status, &unnamed.body["friendly_name"]), (201, &Value::Null));
    let listed = house.get(&account_path("/Applications.json?FriendlyName=Front+desk"));
    assert_eq!(listed.body["applications"], json!([updated.body]));
    assert_eq!(house.delete(&path).status, 204);
    assert_eq!(house.get(&path).code(), 20404);
}

#[test]
fn a_value_that_an_application_cannot_have_has_its_code() {
    let mut house = House::new();
    let long = format!("FriendlyName={}", "a".repeat(65));
    for (form, code) in [
        (long.as_str(), 20002),
        ("VoiceUrl=nonsense", 21402),
        ("SmsFallbackUrl=ftp%3A%2F%2Fa", 21402),
        ("VoiceMethod=PUT", 21403),
        ("VoiceFallbackUrl=https%3A%2F%2Fapp.example%2Ff", 21405),
        ("VoiceCallerIdLookup=perhaps", 20422),
    ] {
        assert_eq!(house.post(&account_path("/Applications.json"), form).code(), code, "{form}");
    }
    let nobody = account_path("/Applications/AP00000000000000000000000000000009.json");
    assert_eq!(house.get(&nobody).code(), 20404);
    assert_eq!(house.post(&nobody, "VoiceUrl=nonsense").code(), 21402);
    assert_eq!(house.post(&nobody, "FriendlyName=x").code(), 20404);
}

#[test]
fn an_application_replaces_the_urls_of_a_call() {
    let mut house = House::new();
    let form = "VoiceUrl=https%3A%2F%2Fapp.example%2Fv&VoiceMethod=GET\
                &VoiceFallbackUrl=https%3A%2F%2Fapp.example%2Ff&StatusCallback=https%3A%2F%2Fapp.example%2Fs";
    let application = house.post(&account_path("/Applications.json"), form).sid();
    let silent = house.post(&account_path("/Applications.json"), "").sid();
    let place = |sid: &str| {
        // URLs of its own that no call could run by: they are not read.
        let form = format!(
            "To=sip%3Abob%40pbx.example&From=alice&ApplicationSid={sid}&Url=x&Method=PUT\
             &StatusCallback=x&StatusCallbackEvent=answered"
        );
        match house.step(Method::Post, &account_path("/Calls.json"), &form) {
            Step::Call { command: CallCommand::Create(create), .. } => Ok(*create),
            Step::Answer(response) => {
                let body: Value = serde_json::from_str(&response.body).expect("JSON");
                Err(body["code"].as_u64())
            }
            other => panic!("{other:?}"),
        }
    };
    let create = place(&application).expect("a call");
    let webhook =
        |path: &str, method| Webhook { url: format!("https://app.example{path}"), method };
    assert_eq!(create.application.map(|sid| sid.to_string()), Some(application));
    assert_eq!(create.twiml, TwimlSource::Url(webhook("/v", HttpMethod::Get)));
    assert_eq!(create.fallback, Some(webhook("/f", HttpMethod::Post)));
    assert_eq!(create.status_callback, Some(webhook("/s", HttpMethod::Post)));
    assert_eq!(create.status_callback_events, CallEvents::COMPLETED);
    assert_eq!(place("AP00000000000000000000000000000009"), Err(Some(21218)));
    assert_eq!(place("front desk"), Err(Some(21218)));
    assert_eq!(place(&silent), Err(Some(21205)), "nothing would answer");
}
