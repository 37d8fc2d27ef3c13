//! Requests against a real database: every resource's golden JSON, every verb, the traps of the SDKs.

mod coverage;

use std::sync::Arc;

use base64::Engine as _;
use serde_json::{Value, json};
use shared::ids::Origin;
use shared::{
    AccountSid, BindingSid, CallSid, CredentialListSid, DomainSid, Instant, NotificationSid, Now,
    RecordingSid, Transport,
};
use store::{
    Account, BindingChanges, BindingRecord, CallCommand, CallDirection, CallRecord, CallStatus,
    Change, DomainSuffix, HttpExchange, HttpMessages, HttpMethod, Mint, NotificationLevel,
    NotificationRecord, RecordingRecord, RecordingSource, RecordingStatus, Reply, Resource,
    SealError, Sealer, Secret, Settled, Snapshot, Submitted, TimelineRecord, Writes,
};

use crate::{Guard, Handled, Method, Request, Response, Step, admit, handle, render};

const MAIN: AccountSid = AccountSid(0xAC01);
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const ORIGIN: Origin = Origin { node: 0, generation: 0 };
/// Mon, 06 Jan 2025 09:00:00 +0000.
const T0: i64 = 1_736_154_000_000;
const DATE: &str = "Mon, 06 Jan 2025 09:00:00 +0000";

struct NoSeal;

impl Sealer for NoSeal {
    fn seal(&self, _: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        Ok(plain.to_vec())
    }
    fn unseal(&self, _: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        Ok(sealed.to_vec())
    }
}

/// A gateway's REST side without sockets: database, Control's part of a write, one client.
struct House {
    _folder: tempfile::TempDir,
    writer: Box<dyn store::Writer>,
    snapshot: Snapshot,
    reader: Box<dyn store::Reader + Send>,
    guard: Guard,
    writes: Writes<()>,
    minted: u64,
    now: Now,
    login: (String, String),
    /// What Control answers to a call command.
    call: Option<CallRecord>,
}

/// An answer as a client sees it.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: Value,
    response: Response,
}

impl Answer {
    fn code(&self) -> u64 {
        self.body["code"].as_u64().unwrap_or(0)
    }

    fn sid(&self) -> String {
        self.body["sid"].as_str().expect("a SID").to_owned()
    }
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.sqlite");
        let suffix = DomainSuffix::new("sidetone.test");
        let database = database::Database::at(&path, Arc::new(NoSeal));
        let opened = database.open(suffix, T0, ORIGIN).unwrap();
        let mut house = Self {
            reader: database.reader(None).unwrap(),
            _folder: folder,
            writer: opened.writer,
            snapshot: opened.snapshot,
            guard: Guard::default(),
            writes: Writes::default(),
            minted: 0,
            now: Now { mono: Instant::ZERO, unix_ms: T0 },
            login: (MAIN.to_string(), TOKEN.to_owned()),
            call: None,
        };
        let account = Account::main(MAIN, Secret::new(TOKEN), "Edge lab", T0);
        house.commit(Change::Insert(Resource::Account(Arc::new(account))));
        house
    }

    fn commit(&mut self, change: Change) {
        assert_eq!(
            self.writer.commit(T0, std::slice::from_ref(&change)).unwrap(),
            [store::Outcome::Committed]
        );
        self.snapshot.apply(&change);
    }

    fn handle(&self, method: Method, path: &str, form: &str) -> Result<Handled, Response> {
        let (user, password) = &self.login;
        let login = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let authorization = format!("Basic {login}");
        let reads = matches!(method, Method::Get | Method::Head);
        let request = Request {
            method,
            path,
            query: if reads { form } else { "" },
            body: if reads { b"" } else { form.as_bytes() },
            content_type: Some("application/x-www-form-urlencoded"),
            authorization: Some(&authorization),
            source: [127, 0, 0, 1].into(),
            base: "http://gw.example:8080",
            id: [0xAB; 16],
        };
        let admitted = admit(&request, self.now, &*self.reader, &self.guard)?;
        Ok(handle(&request, admitted, self.now, &*self.reader))
    }

    fn step(&self, method: Method, path: &str, form: &str) -> Step {
        match self.handle(method, path, form) {
            Ok(handled) => handled.step,
            Err(response) => Step::Answer(response),
        }
    }

    /// The whole way of a request, Control's part included.
    fn request(&mut self, method: Method, path: &str, form: &str) -> Answer {
        let response = match self.step(method, path, form) {
            Step::Answer(response) => response,
            Step::Write { account, write, rendering } => {
                self.minted += 1;
                let mut random = [9; 40];
                random[..8].copy_from_slice(&self.minted.to_be_bytes());
                let mint = Mint { unix_ms: T0, origin: ORIGIN, random };
                let result = match self.writes.submit(&self.snapshot, account, write, mint, ()) {
                    Submitted::Refused((), error) => Err(error),
                    Submitted::Commit { id, change } => {
                        let outcome = self.writer.commit(T0, &[change]).unwrap()[0];
                        match self.writes.settle(&mut self.snapshot, id, outcome) {
                            Settled::Answer((), answer) => *answer,
                            other => panic!("{other:?}"),
                        }
                    }
                };
                render(&rendering, &result)
            }
            Step::Call { command, rendering } => {
                let reply = match (command, self.call.clone()) {
                    (CallCommand::ReadTimeline { .. }, _) => Ok(Reply::Timeline(Some(
                        r#"{"entries":[{"at_ms":1}],"left_out":0}"#.to_owned(),
                    ))),
                    (_, Some(call)) => Ok(Reply::Call(Arc::new(call))),
                    (_, None) => Err(store::WriteError::invalid(
                        21220,
                        "Call is not in-progress. Cannot redirect.",
                    )),
                };
                render(&rendering, &reply)
            }
            Step::RecordingMedia { rendering, .. } => rendering.missing(),
        };
        let body = match response.body.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).expect("JSON"),
        };
        Answer { status: response.status, body, response }
    }

    fn get(&mut self, path: &str) -> Answer {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let (path, query) = (path.to_owned(), query.to_owned());
        self.request(Method::Get, &path, &query)
    }

    fn post(&mut self, path: &str, form: &str) -> Answer {
        self.request(Method::Post, path, form)
    }

    fn delete(&mut self, path: &str) -> Answer {
        self.request(Method::Delete, path, "")
    }
}

fn account_path(rest: &str) -> String {
    format!("/2010-04-01/Accounts/{MAIN}{rest}")
}

fn call(number: u64, status: CallStatus) -> CallRecord {
    CallRecord {
        sid: CallSid::mint(T0 + number as i64, ORIGIN, number),
        account: MAIN,
        parent: None,
        to: "sip:bob@pbx.example".to_owned(),
        from: "+15005550006".to_owned(),
        status,
        direction: CallDirection::OutboundApi,
        start_ms: status.is_final().then_some(T0),
        end_ms: status.is_final().then_some(T0 + 12_000),
        duration_s: (status == CallStatus::Completed).then_some(12),
        queue_time_ms: 0,
        answered_by: None,
        forwarded_from: None,
        caller_name: None,
        created_ms: T0,
        updated_ms: T0,
    }
}

fn recording(status: RecordingStatus, channels: u8) -> RecordingRecord {
    RecordingRecord {
        sid: RecordingSid(u128::from(channels)),
        account: MAIN,
        call: call(1, CallStatus::Completed).sid,
        conference: None,
        status,
        source: RecordingSource::RecordVerb,
        channels,
        duration_s: Some(12),
        bytes: Some(100),
        start_ms: T0,
        error_code: None,
        created_ms: T0,
        updated_ms: T0,
    }
}

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
                "balance": format!("{base}/Balance.json"),
                "calls": format!("{base}/Calls.json"),
                "keys": format!("{base}/Keys.json"),
                "notifications": format!("{base}/Notifications.json"),
                "outgoing_caller_ids": format!("{base}/OutgoingCallerIds.json"),
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
fn every_answer_carries_request_id_cors_and_content_type() {
    let mut house = House::new();
    let answer = house.get(&account_path(".json"));
    let header = |name| {
        answer.response.headers.iter().find(|(found, _)| *found == name).map(|(_, v)| v.as_str())
    };
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
fn a_parent_opens_its_sub_accounts_and_nobody_else_does() {
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
fn a_domain_looks_as_the_contract_shows_it_through_its_life() {
    let mut house = House::new();
    let form = "DomainName=plant7.sip.twilio.com&FriendlyName=Plant+7\
                &VoiceUrl=https%3A%2F%2Fapp.example%2Fvoice&SipRegistration=TRUE";
    let created = house.post(&account_path("/SIP/Domains.json"), form);
    assert_eq!(created.status, 201, "{created:?}");
    let sid = created.sid();
    let path = account_path(&format!("/SIP/Domains/{sid}"));
    let expected = json!({
        "sid": sid, "account_sid": MAIN.to_string(), "api_version": "2010-04-01",
        "domain_name": "plant7.sip.twilio.com", "friendly_name": "Plant 7", "auth_type": "",
        "voice_url": "https://app.example/voice", "voice_method": "POST",
        "voice_fallback_url": null, "voice_fallback_method": "POST",
        "voice_status_callback_url": null, "voice_status_callback_method": "POST",
        "sip_registration": true, "secure": false, "emergency_calling_enabled": false,
        "emergency_caller_sid": null, "byoc_trunk_sid": null,
        "date_created": DATE, "date_updated": DATE,
        "subresource_uris": {
            "credential_list_mappings": format!("{path}/CredentialListMappings.json"),
            "ip_access_control_list_mappings": format!("{path}/IpAccessControlListMappings.json"),
        },
        "uri": format!("{path}.json"),
    });
    assert_eq!(created.body, expected);
    assert_eq!(house.get(&format!("{path}.json")).body, expected);
    let updated = house.post(&format!("{path}.json"), "VoiceUrl=&VoiceMethod=GET");
    assert_eq!((updated.status, &updated.body["voice_url"]), (200, &Value::Null));
    assert_eq!(updated.body["voice_method"], "GET");
    for (form, code) in [
        ("VoiceUrl=nonsense", 21231),
        ("VoiceMethod=PUT", 21231),
        ("ByocTrunkSid=x", 21231),
        ("ByocTrunkSid=BY00000000000000000000000000000001", 21300),
        ("EmergencyCallerSid=PN00000000000000000000000000000001", 21231),
        ("EmergencyCallingEnabled=true", 21231),
        ("DomainName=a_b.sip.twilio.com", 21232),
        ("Secure=perhaps", 20422),
    ] {
        assert_eq!(house.post(&format!("{path}.json"), form).code(), code, "{form}");
    }
    assert_eq!(house.post(&account_path("/SIP/Domains.json"), "").code(), 21232);
    assert_eq!(house.delete(&format!("{path}.json")).status, 204);
    let gone = house.get(&format!("{path}.json"));
    assert_eq!(
        gone.body,
        json!({
            "code": 20404, "status": 404,
            "message": format!("The requested resource {path}.json was not found"),
            "more_info": "https://www.twilio.com/docs/errors/20404",
        })
    );
}

#[test]
fn mappings_show_the_list_and_share_one_store_with_the_legacy_paths() {
    let mut house = House::new();
    let domain =
        house.post(&account_path("/SIP/Domains.json"), "DomainName=p.sip.twilio.com").sid();
    let list =
        house.post(&account_path("/SIP/CredentialLists.json"), "FriendlyName=desk+phones").sid();
    let acl = house.post(&account_path("/SIP/IpAccessControlLists.json"), "FriendlyName=sbc").sid();
    let base = account_path(&format!("/SIP/Domains/{domain}"));
    let calls = format!("{base}/Auth/Calls/CredentialListMappings");
    let created = house.post(&format!("{calls}.json"), &format!("CredentialListSid={list}"));
    assert_eq!(created.status, 201);
    let expected = json!({
        "sid": list, "account_sid": MAIN.to_string(), "friendly_name": "desk phones",
        "date_created": DATE, "date_updated": DATE,
    });
    assert_eq!(created.body, expected);
    assert_eq!(house.get(&format!("{calls}/{list}.json")).body, expected);
    assert_eq!(house.get(&format!("{calls}.json")).body["contents"], json!([expected]));

    let legacy = house.get(&format!("{base}/CredentialListMappings.json"));
    let mut legacy_shape = expected.clone();
    legacy_shape["domain_sid"] = json!(domain);
    legacy_shape["uri"] = json!(format!("{base}/CredentialListMappings/{list}.json"));
    assert_eq!(legacy.body["credential_list_mappings"], json!([legacy_shape]));

    let form = format!("IpAccessControlListSid={acl}");
    let mapped = house.post(&format!("{base}/IpAccessControlListMappings.json"), &form);
    assert_eq!((mapped.status, &mapped.body["domain_sid"]), (201, &json!(domain)));
    let sources = house.get(&format!("{base}/Auth/Calls/IpAccessControlListMappings.json"));
    assert_eq!(sources.body["contents"][0]["sid"], json!(acl));
    let auth_type = house.get(&format!("{base}.json")).body["auth_type"].clone();
    assert_eq!(auth_type, "IP_ACL,CREDENTIAL_LIST");

    let registrations = format!("{base}/Auth/Registrations/CredentialListMappings");
    assert_eq!(house.get(&format!("{registrations}.json")).body["contents"], json!([]));
    let form = format!("CredentialListSid={list}");
    assert_eq!(house.post(&format!("{registrations}.json"), &form).status, 201);
    assert_eq!(house.post(&format!("{registrations}.json"), &form).code(), 21231);
    assert_eq!(house.post(&format!("{registrations}.json"), "").code(), 21231);
    for unknown in ["CL00000000000000000000000000000009", "office"] {
        let form = format!("CredentialListSid={unknown}");
        let answer = house.post(&format!("{registrations}.json"), &form);
        assert_eq!(answer.code(), 20404);
        assert_eq!(answer.body["message"], "The list that CredentialListSid names was not found");
    }
    let unknown = format!("CredentialListSid={}", CredentialListSid(1));
    assert_eq!(house.post(&format!("{registrations}.json"), &unknown).code(), 20404);
    assert_eq!(house.post(&format!("{calls}/{list}.json"), "").code(), 20004);
    assert_eq!(house.delete(&format!("{calls}/{list}.json")).status, 204);
    assert_eq!(house.delete(&format!("{calls}/{list}.json")).code(), 20404);
    let path = account_path(&format!("/SIP/CredentialLists/{list}.json"));
    assert_eq!(house.delete(&path).code(), 21241);
}

#[test]
fn credentials_never_show_a_password() {
    let mut house = House::new();
    let created = house.post(&account_path("/SIP/CredentialLists.json"), "FriendlyName=desk");
    let list = created.sid();
    let path = account_path(&format!("/SIP/CredentialLists/{list}"));
    assert_eq!(
        created.body,
        json!({
            "sid": list, "account_sid": MAIN.to_string(), "friendly_name": "desk",
            "date_created": DATE, "date_updated": DATE, "uri": format!("{path}.json"),
            "subresource_uris": {"credentials": format!("{path}/Credentials.json")},
        })
    );
    let form = "Username=alice&Password=Correct-Horse-7";
    let user = house.post(&format!("{path}/Credentials.json"), form);
    assert_eq!(user.status, 201);
    let sid = user.sid();
    let expected = json!({
        "sid": sid, "account_sid": MAIN.to_string(), "credential_list_sid": list,
        "username": "alice", "date_created": DATE, "date_updated": DATE,
        "uri": format!("{path}/Credentials/{sid}.json"),
    });
    assert_eq!(user.body, expected);
    assert_eq!(
        house.get(&format!("{path}/Credentials.json")).body["credentials"],
        json!([expected])
    );
    let update = house.post(&format!("{path}/Credentials/{sid}.json"), "Password=Other-Horse-77");
    assert_eq!(update.status, 200);
    assert_eq!(house.post(&format!("{path}/Credentials/{sid}.json"), "Password=x").code(), 21240);
    assert_eq!(house.post(&format!("{path}/Credentials.json"), "Username=bob").code(), 21240);
    assert_eq!(house.delete(&format!("{path}/Credentials/{sid}.json")).status, 204);
    assert_eq!(house.delete(&format!("{path}.json")).status, 204);
    assert_eq!(house.get(&format!("{path}/Credentials.json")).code(), 20404);
}

#[test]
fn ip_addresses_look_as_the_contract_shows_them() {
    let mut house = House::new();
    let created = house.post(&account_path("/SIP/IpAccessControlLists.json"), "FriendlyName=sbcs");
    let list = created.sid();
    let path = account_path(&format!("/SIP/IpAccessControlLists/{list}"));
    let below = format!("{path}/IpAddresses.json");
    assert_eq!(created.body["subresource_uris"], json!({"ip_addresses": below}));
    let row = house.post(&below, "FriendlyName=SBC+a&IpAddress=192.0.2.10");
    let sid = row.sid();
    assert_eq!(
        row.body,
        json!({
            "sid": sid, "account_sid": MAIN.to_string(), "ip_access_control_list_sid": list,
            "friendly_name": "SBC a", "ip_address": "192.0.2.10", "cidr_prefix_length": 32,
            "date_created": DATE, "date_updated": DATE,
            "uri": format!("{path}/IpAddresses/{sid}.json"),
        })
    );
    assert_eq!(house.get(&format!("{path}/Addresses/{sid}.json")).body, row.body);
    let six = house.post(&below, "FriendlyName=v6&IpAddress=2001:db8::1&CidrPrefixLength=64");
    assert_eq!(six.body["cidr_prefix_length"], 64);
    for form in [
        "FriendlyName=x",
        "FriendlyName=x&IpAddress=192.0.2.*",
        "FriendlyName=x&IpAddress=192.0.2.1&CidrPrefixLength=33",
        "FriendlyName=x&IpAddress=192.0.2.1&CidrPrefixLength=-1",
        "FriendlyName=x&IpAddress=192.0.2.10",
        "IpAddress=192.0.2.11",
    ] {
        assert_eq!(house.post(&below, form).code(), 21235, "{form}");
    }
    let moved = house.post(&format!("{path}/IpAddresses/{sid}.json"), "CidrPrefixLength=24");
    assert_eq!((moved.status, &moved.body["cidr_prefix_length"]), (200, &json!(24)));
}

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

#[test]
fn a_recording_is_metadata_and_audio_under_one_path() {
    let mut house = House::new();
    house.commit(Change::PutCall(Arc::new(call(1, CallStatus::Completed))));
    let (mono, dual) =
        (recording(RecordingStatus::Completed, 1), recording(RecordingStatus::Completed, 2));
    for row in [&mono, &dual] {
        house.commit(Change::PutRecording(Arc::new(row.clone())));
    }
    let path = account_path(&format!("/Recordings/{}", mono.sid));
    let answer = house.get(&format!("{path}.json"));
    assert_eq!(
        answer.body,
        json!({
            "sid": mono.sid.to_string(), "account_sid": MAIN.to_string(),
            "api_version": "2010-04-01", "call_sid": mono.call.to_string(),
            "conference_sid": null, "status": "completed", "source": "RecordVerb", "channels": 1,
            "duration": "12", "start_time": DATE, "price": null, "price_unit": "USD",
            "error_code": null, "encryption_details": null,
            "date_created": DATE, "date_updated": DATE, "uri": format!("{path}.json"),
            "media_url": format!("http://gw.example:8080{path}"), "subresource_uris": {},
        })
    );
    for suffix in ["", ".wav"] {
        let step = house.step(Method::Get, &format!("{path}{suffix}"), "");
        assert!(
            matches!(&step, Step::RecordingMedia { recording, two_channels: false, .. } if **recording == mono),
            "{step:?}"
        );
    }
    let two = "RequestedChannels=2";
    assert_eq!(house.request(Method::Get, &path, two).code(), 16113);
    let dual_path = account_path(&format!("/Recordings/{}.wav", dual.sid));
    let step = house.step(Method::Get, &dual_path, two);
    assert!(matches!(step, Step::RecordingMedia { two_channels: true, .. }));
    assert_eq!(house.get(&format!("{path}.mp3")).status, 406);

    let of_call = account_path(&format!("/Calls/{}/Recordings.json", mono.call));
    let listed = house.get(&of_call).body["recordings"].clone();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["track"]), (2, &Value::Null));
    assert_eq!(house.post(&account_path("/Recordings.json"), "").code(), 20004);
    let current = account_path(&format!("/Calls/{}/Recordings/Twilio.CURRENT.json", mono.call));
    let step = house.step(Method::Post, &current, "Status=paused");
    assert!(matches!(
        step,
        Step::Call { command: CallCommand::UpdateRecording { recording: None, .. }, .. }
    ));
    assert_eq!(house.post(&current, "").code(), 20422);

    assert_eq!(house.delete(&format!("{path}.json")).status, 204);
    assert_eq!(house.get(&format!("{path}.json")).code(), 20404);
    assert_eq!(house.get(&path).code(), 20404);
    let soft = house.get(&format!("{path}.json?IncludeSoftDeleted=true"));
    assert_eq!(soft.body["status"], "deleted");
    assert_eq!(house.delete(&format!("{path}.json")).code(), 20404);
}

#[test]
fn one_store_feeds_notifications_alerts_and_events() {
    let mut house = House::new();
    let sid = call(1, CallStatus::Completed).sid;
    house.commit(Change::PutCall(Arc::new(call(1, CallStatus::Completed))));
    let note = NotificationRecord {
        sid: NotificationSid::mint(T0, ORIGIN, 1),
        account: MAIN,
        call: Some(sid),
        level: NotificationLevel::Error,
        error_code: 11200,
        message: "Got HTTP 404 & more".to_owned(),
        exchange: Some(HttpMessages {
            method: HttpMethod::Post,
            url: "http://app.example/v".to_owned(),
            request_variables: "CallSid=CA1".to_owned(),
            response_headers: "Server: x".to_owned(),
            response_body: "gone".to_owned(),
        }),
        created_ms: T0,
    };
    house.commit(Change::AddNotification(Arc::new(note.clone())));
    house.commit(Change::AddExchange(Arc::new(HttpExchange {
        id: 1,
        account: MAIN,
        call: sid,
        method: HttpMethod::Post,
        url: "http://app.example/v".to_owned(),
        parameters: vec![("CallSid".to_owned(), sid.to_string())],
        response_code: Some(404),
        request_duration_ms: 50,
        content_type: "text/html".to_owned(),
        response_body: "gone".to_owned(),
        created_ms: T0,
    })));
    let base = account_path(&format!("/Calls/{sid}"));
    let list = house.get(&format!("{base}/Notifications.json?Log=0")).body;
    let mut expected = json!({
        "sid": note.sid.to_string(), "account_sid": MAIN.to_string(), "call_sid": sid.to_string(),
        "api_version": "2010-04-01", "log": "0", "error_code": "11200",
        "more_info": "https://www.twilio.com/docs/errors/11200",
        "message_text": "Got HTTP 404 & more", "message_date": DATE, "request_method": "POST",
        "request_url": "http://app.example/v", "date_created": DATE, "date_updated": DATE,
        "uri": account_path(&format!("/Notifications/{}.json", note.sid)),
    });
    assert_eq!(list["notifications"], json!([expected]));
    expected["request_variables"] = json!("CallSid=CA1");
    expected["response_headers"] = json!("Server: x");
    expected["response_body"] = json!("gone");
    let path = account_path(&format!("/Notifications/{}.json", note.sid));
    assert_eq!(house.get(&path).body, expected);
    let warnings = house.get(&account_path("/Notifications.json?Log=1")).body;
    assert_eq!(warnings["notifications"], json!([]));

    let alerts = house.get("/v1/Alerts?LogLevel=error&PageSize=20").body;
    let meta = "http://gw.example:8080/v1/Alerts?LogLevel=error&PageSize=20&Page=0";
    assert_eq!(
        alerts["meta"],
        json!({
            "key": "alerts", "page": 0, "page_size": 20, "url": meta, "first_page_url": meta,
            "next_page_url": null, "previous_page_url": null,
        })
    );
    let alert = &alerts["alerts"][0];
    assert_eq!(alert["alert_text"], "Msg=Got+HTTP+404+%26+more&ErrorCode=11200&LogLevel=ERROR");
    assert_eq!(alert["date_created"], "2025-01-06T09:00:00Z");
    assert_eq!(alert["error_code"], "11200");
    assert_eq!(alert["resource_sid"], json!(sid.to_string()));
    let whole = house.get(&format!("/v1/Alerts/{}", note.sid)).body;
    assert_eq!(whole["response_body"], "gone");
    assert_eq!(house.get("/v1/Alerts?LogLevel=debug").body["alerts"], json!([]));

    let events = house.get(&format!("{base}/Events.json")).body;
    assert_eq!(
        events["events"],
        json!([{
            "request": {
                "method": "POST", "url": "http://app.example/v",
                "parameters": {"CallSid": sid.to_string()},
            },
            "response": {
                "response_code": 404, "request_duration": 50, "content_type": "text/html",
                "response_body": "gone", "date_created": DATE,
            },
        }])
    );
}

#[test]
fn what_is_not_there_says_what_it_is() {
    let mut house = House::new();
    let cases = [
        ("/Queues.json", 404, 20404, "Queues is not built"),
        ("/Conferences/CF1/Participants.json", 404, 20404, "Conferences is not built"),
        ("/Calls/CA00000000000000000000000000000001/Streams.json", 404, 20404, "Calls/Streams"),
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
        ("/OutgoingCallerIds.json", "outgoing_caller_ids"),
    ] {
        let answer = house.get(&account_path(path));
        assert_eq!((answer.status, &answer.body[key]), (200, &json!([])), "{path}");
        assert_eq!(answer.body["next_page_uri"], Value::Null, "{path}");
    }
    let balance = json!({"account_sid": MAIN.to_string(), "balance": "0.00", "currency": "USD"});
    assert_eq!(house.get(&account_path("/Balance.json")).body, balance);
    assert_eq!(house.get(&account_path("/Usage/Records/Hourly.json")).status, 404);
    assert_eq!(house.post(&account_path("/Usage/Triggers.json"), "").status, 405);
    let answer = house.post(&account_path("/OutgoingCallerIds.json"), "PhoneNumber=%2B1");
    assert_eq!((answer.status, answer.code()), (404, 20404));
    assert!(answer.body["message"].as_str().unwrap().contains("not built"), "{answer:?}");
}

#[test]
fn a_registration_is_deleted_once() {
    let mut house = House::new();
    let form = "DomainName=plant7.sip.sidetone.test";
    let domain = house.post(&account_path("/SIP/Domains.json"), form).sid();
    let binding = registration(domain.parse().unwrap());
    let path = account_path(&format!("/SIP/Domains/{domain}/Registrations/{}.json", binding.sid));
    let changes = BindingChanges { put: vec![binding], removed: Vec::new() };
    house.commit(Change::ChangeBindings(Arc::new(changes)));
    assert_eq!(house.get(&path).body["username"], "alice");
    assert_eq!(house.post(&path, "").status, 405);
    assert_eq!((house.delete(&path).status, house.delete(&path).status), (204, 404));
    assert_eq!(house.get(&path).status, 404);
}

/// A contact of alice, for an hour.
fn registration(domain: DomainSid) -> BindingRecord {
    BindingRecord {
        sid: BindingSid(7),
        account: MAIN,
        domain,
        user: "alice".to_owned(),
        contact: b"<sip:alice@192.0.2.9>".to_vec(),
        path: Vec::new(),
        call_id: "c".to_owned(),
        cseq: 1,
        transport: Transport::Udp,
        remote: "192.0.2.9:5060".parse().unwrap(),
        local: "192.0.2.1:5060".parse().unwrap(),
        edge: "ashburn".to_owned(),
        outbound: None,
        user_agent: String::new(),
        created_ms: T0,
        updated_ms: T0,
        expires_ms: T0 + 3_600_000,
    }
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
