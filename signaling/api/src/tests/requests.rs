//! What holds for every request: credentials, limits, headers, methods, bodies.

use base64::Engine as _;
use shared::Instant;

use super::{House, MAIN, TOKEN, account_path};
use crate::{Method, Request, Step, admit, handle};

#[test]
fn every_answer_carries_request_id_cors_and_content_type() {
    let mut house = House::new();
    let answer = house.get(&account_path(".json"));
    let header =
        |name| answer.response.headers.iter().find(|(found, _)| *found == name).map(|(_, v)| &**v);
    assert_eq!(header("Twilio-Request-Id"), Some(&*format!("RQ{}", "ab".repeat(16))));
    assert_eq!(header("Twilio-Concurrent-Requests"), Some("1"));
    assert_eq!(header("Content-Type"), Some("application/json;charset=utf-8"));
    assert_eq!(header("Access-Control-Allow-Origin"), Some("*"));
    let preflight = house.request(Method::Options, "/2010-04-01/Accounts.json", "");
    assert_eq!((preflight.status, preflight.response.body.as_str()), (204, ""));
}

#[test]
fn wrong_credentials_are_401_and_ten_of_them_429() {
    let mut house = House::new();
    house.login.1 = "wrong".to_owned();
    for _ in 0..10 {
        let answer = house.get(&account_path(".json"));
        assert_eq!((answer.status, answer.code()), (401, 20003));
        assert_eq!(answer.body["message"], "Authenticate");
        assert!(answer.response.headers.iter().any(|(name, _)| *name == "WWW-Authenticate"));
    }
    house.login.1 = TOKEN.to_owned();
    assert_eq!(house.get(&account_path(".json")).code(), 20429);
    house.now.mono = Instant::from_millis(60_000);
    assert_eq!(house.get(&account_path(".json")).status, 200);
    for user in ["", "x", "AC", "SK00000000000000000000000000000001"] {
        house.login.0 = user.to_owned();
        assert_eq!(house.get(&account_path(".json")).status, 401, "{user}");
    }
}

#[test]
fn requests_at_once_are_limited_while_their_permits_live() {
    let house = House::new();
    let path = account_path(".json");
    let mut held: Vec<_> =
        (0..100).map(|_| house.handle(Method::Get, &path, "").unwrap()).collect();
    let refused = house.handle(Method::Get, &path, "").unwrap_err();
    assert_eq!(refused.status, 429);
    held.pop();
    let answered = house.step(Method::Get, &path, "");
    assert!(matches!(answered, Step::Answer(answer) if answer.status == 200));
}

#[test]
fn a_verb_that_a_resource_lacks_is_405_and_allow_names_those_it_has() {
    let mut house = House::new();
    let form = "DomainName=plant7.sip.sidetone.test";
    let domain = house.post(&account_path("/SIP/Domains.json"), form).sid();
    let list = "CL00000000000000000000000000000001";
    let mapping = format!("/SIP/Domains/{domain}/Auth/Calls/CredentialListMappings/{list}.json");
    let recording = "/Recordings/RE00000000000000000000000000000001.json";
    for (method, path, allow) in [
        (Method::Delete, "/Calls.json", "GET, HEAD, POST, OPTIONS"),
        (Method::Other, "/SIP/Domains.json", "GET, HEAD, POST, OPTIONS"),
        (
            Method::Other,
            &*format!("/SIP/Domains/{domain}.json"),
            "GET, HEAD, POST, DELETE, OPTIONS",
        ),
        (Method::Post, &*mapping, "GET, HEAD, DELETE, OPTIONS"),
        (Method::Other, &*mapping, "GET, HEAD, DELETE, OPTIONS"),
        (Method::Post, "/Recordings.json", "GET, HEAD, OPTIONS"),
        (Method::Delete, "/Recordings.json", "GET, HEAD, OPTIONS"),
        (Method::Post, recording, "GET, HEAD, DELETE, OPTIONS"),
        (Method::Delete, ".json", "GET, HEAD, POST, OPTIONS"),
        (Method::Post, "/Notifications.json", "GET, HEAD, OPTIONS"),
    ] {
        let answer = house.request(method, &account_path(path), "");
        assert_eq!((answer.status, answer.code()), (405, 20004), "{method:?} {path}");
        let named = answer.response.headers.iter().find(|(name, _)| *name == "Allow");
        assert_eq!(named.map(|(_, value)| &**value), Some(allow), "{method:?} {path}");
    }
    let found = house.get(&account_path("/Calls.json"));
    assert!(found.response.headers.iter().all(|(name, _)| *name != "Allow"));
}

#[test]
fn a_json_body_is_refused_by_name() {
    let house = House::new();
    let authorization = base64::engine::general_purpose::STANDARD.encode(format!("{MAIN}:{TOKEN}"));
    let authorization = format!("Basic {authorization}");
    let request = Request {
        method: Method::Post,
        path: &account_path("/Calls.json"),
        query: "",
        body: b"{\"To\":\"x\"}",
        content_type: Some("application/json; charset=utf-8"),
        authorization: Some(&authorization),
        source: [127, 0, 0, 1].into(),
        base: "http://gw.example",
        id: [0; 16],
    };
    let admitted = admit(&request, house.now, &*house.reader, &house.guard).unwrap();
    let step = handle(&request, admitted, house.now, &*house.reader).step;
    assert!(matches!(step, Step::Answer(answer) if answer.status == 415));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Whatever a path, a query or a body holds: one of the three steps, never a panic.
    #[test]
    fn no_request_panics(
        path in "(/2010-04-01/Accounts/AC0000000000000000000000000000ac01)?(/(Calls|SIP|Domains|Auth|Recordings|%..|\\PC{0,6})){0,5}(\\.json|\\.wav)?",
        form in "((To|From|Url|Page|PageSize|PageToken|StartTime<|Timeout|\\PC{0,5})=(sip:[^&]{0,9}|%..|PACA[0-9a-f]{0,34}|\\PC{0,12})&){0,5}",
        post in proptest::bool::ANY,
    ) {
        thread_local! {
            static HOUSE: std::cell::RefCell<House> = std::cell::RefCell::new(House::new());
        }
        HOUSE.with(|house| {
            let method = if post { Method::Post } else { Method::Get };
            house.borrow().step(method, &path, &form);
        });
    }
}
