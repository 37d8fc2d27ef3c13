//! Schemathesis against every operation of `signaling/contract/openapi` that is built.
//!
//! The data there has operations and parameters. What it leaves out is added here and so is checked, too: the
//! shape of errors and of pages, the credentials, SIDs of resources that exist. The short form runs with every test, with one
//! seed; the long one, in `make soak`, with more examples and a seed of its own:
//! `SIDETONE_SOAK=1 cargo nextest run --release -p gateway conformity`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;

use base64::Engine as _;
use serde_json::{Map, Value, json};

use crate::gateway::{ACCOUNT, Gateway, TOKEN};
use crate::rtp::Party;
use crate::sdk::clients;
use crate::sipp::{self, Running, Sipp};
use crate::wait;

const SPECIFICATIONS: [&str; 3] = [
    include_str!("../../../contract/openapi/api_v2010_voice.json"),
    include_str!("../../../contract/openapi/voice_v1.json"),
    include_str!("../../../contract/openapi/monitor_v1.json"),
];
const TABLE: &str = include_str!("../../../contract/coverage.tsv");
/// What `.` stands for in the table.
const BELOW: &str = "/2010-04-01/Accounts/{AccountSid}";
const OPERATIONS_MIN: usize = 110;
const FORM: &str = "application/x-www-form-urlencoded";

/// Resources that exist when the run begins, by the name of their collection, and the phones of those that are live.
struct World {
    sids: BTreeMap<&'static str, String>,
    _phones: Running,
    _party: Party,
}

impl World {
    fn of(gateway: &Gateway) -> Self {
        let mut sids = BTreeMap::new();
        let stored = [
            ("Applications", "Applications.json", &[("FriendlyName", "desk")][..]),
            (
                "IncomingPhoneNumbers",
                "IncomingPhoneNumbers.json",
                &[("PhoneNumber", "+15005550001")],
            ),
            (
                "OutgoingCallerIds",
                "OutgoingCallerIds/Verified.json",
                &[("PhoneNumber", "+15005550002")],
            ),
            ("Keys", "Keys.json", &[("FriendlyName", "ci")]),
            ("Domains", "SIP/Domains.json", &[("DomainName", "fuzz.sip.sidetone.test")]),
            ("CredentialLists", "SIP/CredentialLists.json", &[("FriendlyName", "users")]),
            ("IpAccessControlLists", "SIP/IpAccessControlLists.json", &[("FriendlyName", "lan")]),
        ];
        for (collection, path, form) in stored {
            sids.insert(collection, gateway.create(path, form).text("sid"));
        }
        let form = [("Username", "alice"), ("Password", "A-long-Passw0rd")];
        let path = format!("SIP/CredentialLists/{}/Credentials.json", sids["CredentialLists"]);
        sids.insert("Credentials", gateway.create(&path, &form).text("sid"));
        let form = [("FriendlyName", "one"), ("IpAddress", "127.0.0.2")];
        let path =
            format!("SIP/IpAccessControlLists/{}/IpAddresses.json", sids["IpAccessControlLists"]);
        sids.insert("IpAddresses", gateway.create(&path, &form).text("sid"));
        let accounts = crate::rest::request(gateway, "POST", "/2010-04-01/Accounts.json", &[]);
        sids.insert("Accounts", accounts.text("sid"));
        for (alias, collection) in [
            ("SigningKeys", "Keys"),
            ("CredentialListMappings", "CredentialLists"),
            ("IpAccessControlListMappings", "IpAccessControlLists"),
        ] {
            sids.insert(alias, sids[collection].clone());
        }
        Self::live(gateway, sids)
    }

    /// A conference with a participant that is recorded, and a queue with a member.
    fn live(gateway: &Gateway, mut sids: BTreeMap<&'static str, String>) -> Self {
        let (port, party) = (sipp::free_port(), Party::new());
        let phones = Sipp::new(&sipp::callee("", "0 101"))
            .key("media", &party.port().to_string())
            .with(&format!("-p {port} -m 2"))
            .spawn();
        let to = format!("sip:bob@127.0.0.1:{port}");
        let form = [("To", to.as_str()), ("From", "alice")];
        let participant = gateway.create("Conferences/ops/Participants.json", &form);
        sids.insert("Participants", participant.text("call_sid"));
        sids.insert("Conferences", participant.text("conference_sid"));
        let queued = "<Response><Enqueue waitUrl=\"\">support</Enqueue></Response>";
        let form = [("To", to.as_str()), ("From", "alice"), ("Twiml", queued)];
        sids.insert("Members", gateway.create("Calls.json", &form).text("sid"));
        sids.insert("Calls", sids["Participants"].clone());
        let recordings = format!("Calls/{}/Recordings.json", sids["Calls"]);
        let recording = wait::found("call that can be recorded", || {
            let answer = gateway.post(&recordings, &[]);
            (answer.status == 201).then(|| answer.text("sid")).ok_or(answer.status.to_string())
        });
        sids.insert("Recordings", recording);
        let queue = wait::found("queue with a member", || {
            let queues = gateway.fetch("Queues.json").json();
            let queue = &queues["queues"][0];
            let has_one = queue["current_size"] == 1;
            has_one
                .then(|| queue["sid"].as_str().expect("a SID").to_owned())
                .ok_or(queues.to_string())
        });
        sids.insert("Queues", queue);
        let form = [("To", "sip:bob@127.0.0.1:9"), ("From", "alice"), ("Twiml", "<Response/>")];
        gateway.create("Calls.json", &form);
        let alert = wait::found("alert", || {
            let alerts = gateway.get("/v1/Alerts").json();
            let sid = alerts["alerts"][0]["sid"].as_str().map(str::to_owned);
            sid.ok_or_else(|| alerts.to_string())
        });
        sids.insert("Notifications", alert.clone());
        sids.insert("Alerts", alert);
        Self { sids, _phones: phones, _party: party }
    }

    /// The values of a path parameter below `collection`: a resource that exists, one that does not, anything.
    fn values_of(&self, collection: &str) -> Value {
        let sid = self.sids.get(collection);
        let prefix = sid.and_then(|sid| sid.get(..2)).unwrap_or("NO");
        let mut values = vec![
            json!({"pattern": format!("^{prefix}[0-9a-f]{{32}}$")}),
            json!({"pattern": "^[A-Za-z0-9 %._~-]{1,40}$"}),
        ];
        values.extend(sid.map(|sid| json!({"enum": [sid]})));
        json!({"type": "string", "anyOf": values})
    }
}

/// One OpenAPI document of all that is built.
fn schema(world: &World) -> Value {
    let absent = absent();
    let mut paths = Map::new();
    for specification in SPECIFICATIONS {
        let specification: Value = serde_json::from_str(specification).expect("JSON");
        for (path, operations) in specification["paths"].as_object().expect("paths") {
            let mut built = operations.as_object().expect("operations").clone();
            built.retain(|method, _| {
                let place = format!("{} {}", method.to_uppercase(), path.replacen(BELOW, ".", 1));
                !absent.contains(&*place)
            });
            for (method, operation) in &mut built {
                complete(world, path, method == "get", operation);
            }
            if !built.is_empty() {
                paths.insert(path.clone(), built.into());
            }
        }
    }
    json!({
        "openapi": "3.0.1",
        "info": {"title": "Sidetone", "version": "1"},
        // As a header and not as a Basic scheme: the wrong credentials of a check would be those of one user, whom the
        // gateway locks after ten of them.
        "components": {"securitySchemes": {"login": {"type": "apiKey", "in": "header", "name": "Authorization"}}},
        "security": [{"login": []}],
        "paths": paths,
    })
}

/// The operations that are not built.
fn absent() -> BTreeSet<&'static str> {
    let line = |line: &'static str| {
        let mut columns = line.split('\t');
        let (place, state) = (columns.next()?, columns.nth(1)?);
        (state == "absent").then_some(place)
    };
    TABLE.lines().filter_map(line).collect()
}

/// Adds to an operation what the data leaves out.
fn complete(world: &World, path: &str, is_get: bool, operation: &mut Value) {
    let segments: Vec<&str> = path.trim_end_matches(".json").split('/').collect();
    for parameter in
        operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten()
    {
        let name = parameter["name"].as_str().expect("a name").to_owned();
        if parameter["in"] != "path" {
            match &*name {
                // Larger ones are cut, however large (rest.md 1.2).
                "PageSize" => parameter["schema"] = json!({"type": "integer"}),
                // Any text but `true` is false (rest.md 8).
                "Muted" => parameter["schema"] = json!({"type": "string"}),
                _ => {}
            }
            or_empty(&mut parameter["schema"]);
        } else if name == "AccountSid" {
            parameter["schema"] = json!({"enum": [ACCOUNT]});
        } else {
            let place = segments.iter().position(|part| *part == format!("{{{name}}}"));
            let collection = place.and_then(|place| segments.get(place - 1)).expect("a collection");
            parameter["schema"] = world.values_of(collection);
        }
    }
    let form = operation.pointer_mut(&format!(
        "/requestBody/content/{}/schema/properties",
        FORM.replace('/', "~1")
    ));
    for (name, schema) in form.and_then(Value::as_object_mut).into_iter().flatten() {
        stay_here(name, schema);
        or_empty(schema);
    }
    let is_list = is_get && segments.last().is_some_and(|last| !last.starts_with('{'));
    let page = match (is_list, path.starts_with("/v1")) {
        (false, _) => json!([]),
        (true, true) => json!(["meta"]),
        (true, false) => json!([
            "end",
            "first_page_uri",
            "next_page_uri",
            "page",
            "page_size",
            "previous_page_uri",
            "start",
            "uri"
        ]),
    };
    let responses = operation["responses"].as_object_mut().expect("responses");
    for status in ["200", "201"] {
        if let Some(response) = responses.get_mut(status) {
            let schema = json!({"type": "object", "required": page});
            response["content"] = json!({"application/json": {"schema": schema}});
        }
    }
    responses.insert("default".to_owned(), error());
}

/// Allows an empty value: it clears a field, and as a filter it is none (rest.md 1).
fn or_empty(schema: &mut Value) {
    *schema = json!({"anyOf": [schema.take(), {"enum": [""]}]});
}

/// Has URLs and parties of calls be addresses of this machine, or any text. No text is wrong by itself here: which
/// are, the API says with codes that depend on the parameter.
fn stay_here(name: &str, schema: &mut Value) {
    if name == "Muted" {
        *schema = json!({"type": "string"}); // any text but `true` is false (rest.md 8)
    }
    let ours = if schema["format"] == "uri" {
        "^http://127\\.0\\.0\\.1:9/[a-z]{0,5}$"
    } else if matches!(name, "To" | "From") {
        "^(sip:[a-z]{1,5}@127\\.0\\.0\\.1:9|\\+1500555[0-9]{4}|[a-z]{1,9})$"
    } else {
        return;
    };
    *schema = json!({"anyOf": [{"type": "string", "pattern": ours}, {"type": "string"}]});
}

/// What every refusal looks like (rest.md 2).
fn error() -> Value {
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["code", "message", "more_info", "status"],
        "properties": {
            "code": {"type": "integer"},
            "message": {"type": "string", "minLength": 1},
            "more_info": {"type": "string", "minLength": 1},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
        },
    });
    json!({"description": "Refused", "content": {"application/json": {"schema": schema}}})
}

/// How long a run is.
fn length() -> Vec<String> {
    let words = match std::env::var_os("SIDETONE_SOAK") {
        None => "--max-examples 8 --seed 1".to_owned(),
        // Fuzzing repeats until the time, in seconds, is over.
        Some(_) => {
            format!("--max-examples 100 --max-time 420 --seed {}", std::process::id())
        }
    };
    words.split(' ').map(str::to_owned).collect()
}

#[test]
fn schemathesis_finds_no_violation() {
    // Names that it makes up are looked up nowhere: nothing listens at this port.
    let gateway = Gateway::start_asking(SocketAddr::from(([127, 0, 0, 1], 9)));
    let world = World::of(&gateway);
    let file = gateway.folder.path().join("openapi.json");
    let schema = schema(&world);
    let paths = schema["paths"].as_object().expect("paths").values();
    let count: usize = paths.filter_map(Value::as_object).map(Map::len).sum();
    assert!(count >= OPERATIONS_MIN, "{count} operations are built");
    std::fs::write(&file, schema.to_string()).expect("writable");
    let login = base64::engine::general_purpose::STANDARD.encode(format!("{ACCOUNT}:{TOKEN}"));
    let output = Command::new(clients().join("schemathesis/bin/schemathesis"))
        .arg("run")
        .arg(&file)
        .args(["--url", &format!("http://{}", gateway.http)])
        .args(["--header", &format!("Authorization: Basic {login}")])
        // Whether valid data is also right (a number that is free, a SID that exists) no schema says.
        .args(["--checks", "all", "--exclude-checks", "positive_data_acceptance"])
        .args(length())
        .args(["--generation-database", "none", "--warnings", "off", "--no-color"])
        .args(["--request-timeout", "10", "--max-failures", "20"])
        .current_dir(gateway.folder.path())
        .output()
        .expect("schemathesis is installed (make clients)");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains(&format!("Tested: {count}\n")), "{printed}");
}
