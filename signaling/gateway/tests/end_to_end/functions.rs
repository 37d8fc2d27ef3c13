//! Hosted functions: deployed by REST and by the vendor's own tools, called by phones.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::application::{Answer, Application};
use crate::gateway::{ACCOUNT, Gateway, TOKEN};
use crate::phone::PASSWORD;
use crate::rtp::Party;
use crate::sdk::{clients, run};
use crate::sipp::{self, Sipp};
use crate::unmodified::Proxied;

/// The sample of the product's own documentation.
const SAMPLE: &str = "
exports.handler = function(context, event, callback) {
    let twiml = new Twilio.twiml.VoiceResponse();
    twiml.say('Welcome to your SIP-enabled application.');
    twiml.dial('+14155551234');
    console.log('a call from', event.From);
    callback(null, twiml);
};
";

/// Deploys functions as a service and returns the URL of its environment.
pub fn deploy(gateway: &Gateway, service: &str, functions: &[(&str, &str, &str)]) -> String {
    let post = |path: &str, form: &[(&str, &str)]| {
        let reply = crate::rest::request(gateway, "POST", &format!("/v1/Services{path}"), form);
        assert_eq!(reply.status, 201, "{path}: {}", reply.json());
        reply
    };
    let service = post("", &[("UniqueName", service), ("FriendlyName", service)]).text("sid");
    let environment = post(&format!("/{service}/Environments"), &[("UniqueName", "production")]);
    let mut versions = Vec::new();
    for (path, visibility, script) in functions {
        let item = post(&format!("/{service}/Functions"), &[("FriendlyName", path)]).text("sid");
        let version =
            upload(gateway, &format!("{service}/Functions/{item}"), path, visibility, script);
        versions.push(version["sid"].as_str().expect("a SID").to_owned());
    }
    let form: Vec<_> = versions.iter().map(|sid| ("FunctionVersions", sid.as_str())).collect();
    let build = post(&format!("/{service}/Builds"), &form);
    assert_eq!(build.text("status"), "completed");
    let path = format!("/{service}/Environments/{}/Deployments", environment.text("sid"));
    post(&path, &[("BuildSid", &build.text("sid"))]);
    format!("https://{}", environment.text("domain_name"))
}

/// Uploads a version as deploy tools do.
pub fn upload(gateway: &Gateway, item: &str, path: &str, visibility: &str, script: &str) -> Value {
    let file = gateway.folder.path().join("upload.js");
    std::fs::write(&file, script).expect("writable");
    let printed = run(Command::new("curl")
        .args(["-sS", "-u", &format!("{ACCOUNT}:{TOKEN}")])
        .args(["-F", &format!("Path={path}"), "-F", &format!("Visibility={visibility}")])
        .args(["-F", &format!("Content=@{};type=application/javascript", file.display())])
        .arg(format!("http://{}/v1/Services/{item}/Versions", gateway.http)));
    serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}"))
}

fn call_in(gateway: &Gateway, party: &Party, milliseconds: u32) {
    let scenario = sipp::invite_with_digest("alice", PASSWORD, "")
        + &sipp::answered()
        + &sipp::hang_up_after(milliseconds);
    let caller = Sipp::caller(&scenario, party.port()).key("formats", "0 8 101");
    caller.call(gateway.sip_udp, 1).expect_success();
}

#[test]
fn the_sample_function_speaks_dials_a_trunk_and_prints_its_line() {
    call_the_sample("");
}

/// By a gateway with these settings, as the other functions of this kind.
pub fn call_the_sample(settings: &str) {
    let (alice, carrier, port) = (Party::new(), Party::new(), sipp::free_port());
    let gateway = Gateway::start(&format!(
        "{settings}[[trunk]]\nname = \"carrier\"\ntargets = [\"sip:127.0.0.1:{port}\"]\n"
    ));
    let url = deploy(&gateway, "Default", &[("/welcome", "public", SAMPLE)]);
    gateway.domain_with_user("desk", &format!("{url}/welcome"), "alice", PASSWORD);
    let callee = Sipp::new(&sipp::callee("", "0"))
        .key("media", &carrier.port().to_string())
        .with(&format!("-p {port} -m 1"))
        .spawn();
    call_in(&gateway, &alice, 6_000);
    let messages = callee.finish().expect_success().messages();
    assert!(messages.contains("INVITE sip:+14155551234@"), "{messages}");
    gateway.wait_for_log("a call from sip:alice@127.0.0.1");
    let services = gateway.get("/v1/Services").json();
    let service = services["services"][0]["sid"].as_str().expect("a SID").to_owned();
    let path = format!("/v1/Services/{service}/Environments");
    let environment = gateway.get(&path).json()["environments"][0]["sid"].clone();
    let environment = environment.as_str().expect("a SID");
    let logs = gateway.get(&format!("{path}/{environment}/Logs")).json();
    let line = &logs["logs"][0];
    let message = line["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("a call from sip:alice@127.0.0.1"), "{logs}");
    assert_eq!(line["level"], "info");
}

#[test]
fn a_function_that_fails_leads_to_the_fallback_and_the_next_call_works() {
    misbehave("");
}

pub fn misbehave(settings: &str) {
    let gateway = Gateway::start(settings);
    let application = Application::start(|_| Answer::twiml("<Reject/>"));
    let script = "let calls = 0;
exports.handler = (context, event, callback) => {
    const bad = { loop() { for (;;) {} }, eat() { const kept = []; for (;;) kept.push(new Uint8Array(1 << 22).fill(1)); },
        fork() { require('child_process').fork('x'); }, file() { require('fs').readFileSync('/etc/passwd'); },
        socket() { require('net').connect(1, 'x'); }, print() { for (;;) console.log('x'.repeat(1 << 20)); },
        promise() { new Promise(() => { throw new Error('nobody catches'); }); } };
    const what = event.To.split('@')[0].slice(4);
    if (bad[what]) return bad[what]();
    callback(null, new Twilio.twiml.VoiceResponse());
};";
    let url = deploy(&gateway, "misbehaviour", &[("/it", "protected", script)]);
    let domain = gateway.domain(
        "desk",
        &[("VoiceUrl", &format!("{url}/it")), ("VoiceFallbackUrl", &application.url("/fallback"))],
    );
    gateway.allow_address(&domain, "127.0.0.1");
    let call = |user: &str, expected: u16| {
        let scenario = match expected {
            200 => sipp::invite("") + &sipp::answered() + &sipp::hung_up(),
            _ => sipp::invite("") + &sipp::refused(expected),
        };
        let party = Party::new();
        let caller = Sipp::caller(&scenario, party.port()).key("formats", "0").key("user", user);
        caller.call(gateway.sip_udp, 1).expect_success();
    };
    for what in ["loop", "eat", "fork", "file", "socket", "print", "promise"] {
        call(what, 404);
        let to = format!("sip:{what}@desk.sip.sidetone.test");
        let asked = application.wait_for(what, |asked| asked.parameter("To") == Some(&to));
        assert_eq!(asked.parameter("ErrorCode"), Some("11200"), "{what}");
        call("good", 200);
    }
    let page = gateway.get("/v1/Alerts").json();
    let alerts = page["alerts"].as_array().expect("a list");
    let alert = alerts.iter().find(|alert| alert["error_code"] == "82002");
    let text = alert.and_then(|alert| alert["alert_text"].as_str()).unwrap_or_default();
    assert!(text.contains("%2Fit+answered+500"), "{page}");
    let asked_for = alert.and_then(|alert| alert["request_url"].as_str());
    assert_eq!(asked_for, Some(format!("{url}/it").as_str()), "{page}");
    let call = alert.and_then(|alert| alert["resource_sid"].as_str());
    let asked = application.asked();
    assert!(call.is_some(), "{page}");
    assert!(
        asked.iter().any(|asked| asked.parameter("CallSid") == call),
        "a call that failed: {page}"
    );
}

#[test]
fn fifty_calls_at_once_get_their_function_while_another_one_loops() {
    call_in_a_crowd("");
}

pub fn call_in_a_crowd(settings: &str) {
    let gateway = Gateway::start(settings);
    let script = "exports.handler = (context, event, callback) => {
    if (event.loop) for (;;) {}
    callback(null, new Twilio.twiml.VoiceResponse());
};";
    let url = deploy(&gateway, "crowd", &[("/it", "public", script)]);
    let domain = gateway.domain("desk", &[("VoiceUrl", &format!("{url}/it"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    let looping = format!("http://{}/functions/{}/it?loop=1", gateway.http, label(&url));
    let loops = std::thread::spawn(move || {
        run(Command::new("curl").args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", &looping]))
    });
    let party = Party::new();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    let calls = Sipp::caller(&scenario, party.port()).key("formats", "0").with("-r 50 -l 50");
    calls.call(gateway.sip_udp, 50).expect_success();
    assert_eq!(loops.join().expect("no panic"), "500");
    gateway.metrics_when("fifty answers", |metrics| {
        metrics.sum("functions_invocations_total", "answered") == 50
            && metrics.value("functions_invocations_open") == 0
    });
}

/// The first label of a service's domain.
pub fn label(url: &str) -> &str {
    url.trim_start_matches("https://").split('.').next().expect("a label")
}

#[test]
fn a_function_uses_the_api_in_this_process_and_sends_requests_past_the_guard() {
    send_requests("");
}

pub fn send_requests(settings: &str) {
    let gateway = Gateway::start(settings);
    let application = Application::start(|_| Answer::twiml("<Hangup/>"));
    let script = "exports.handler = async (context, event, callback) => {
    const client = context.getTwilioClient();
    const queue = await client.queues.create({ friendlyName: 'support' });
    const stranger = await client.api.accounts('AC' + '9'.repeat(32)).fetch().catch((error) => error.status);
    const body = new URLSearchParams({ a: 'b c' });
    const answer = await fetch(event.outside, { method: 'POST', body });
    const own = await fetch(event.own).catch((error) => error.cause.message);
    callback(null, { queue: queue.friendlyName, stranger, status: answer.status, text: await answer.text(), own });
};";
    let url = deploy(&gateway, "clients", &[("/it", "public", script)]);
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("outside", &application.url("/asked"));
    query.append_pair("own", &format!("http://{}/metrics", gateway.http));
    let printed = run(Command::new("curl").arg("-sS").arg(format!(
        "http://{}/functions/{}/it?{}",
        gateway.http,
        label(&url),
        query.finish()
    )));
    let answer: Value = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}"));
    assert_eq!(answer["queue"], "support", "{answer}");
    assert_eq!(answer["stranger"], 404, "{answer}");
    assert_eq!(answer["status"], 200, "{answer}");
    assert!(answer["text"].as_str().is_some_and(|text| text.contains("<Hangup/>")), "{answer}");
    assert_eq!(application.wait_for_path("/asked").parameter("a"), Some("b c"));
    let own = answer["own"].as_str().unwrap_or_default();
    assert!(own.contains("a listener of this gateway"), "{answer}");
    let queues = gateway.fetch("Queues.json").json();
    assert_eq!(queues["queues"][0]["friendly_name"], "support", "{queues}");
}

#[test]
fn packages_of_the_operator_are_there_and_others_fail_the_build() {
    let folder = tempfile::tempdir().expect("a folder");
    let package = folder.path().join("left-pad");
    std::fs::create_dir(&package).expect("made");
    std::fs::write(package.join("package.json"), "{\"main\":\"./pad.js\"}").expect("writable");
    std::fs::write(package.join("pad.js"), "module.exports = (t) => `  ${t}`;").expect("writable");
    let gateway =
        Gateway::start(&format!("[functions]\npackages = \"{}\"\n", folder.path().display()));
    let script = "exports.handler = (c, e, done) => done(null, require('left-pad')('x'));";
    let url = deploy(&gateway, "packages", &[("/it", "public", script)]);
    let answer = run(Command::new("curl").arg("-sS").arg(format!(
        "http://{}/functions/{}/it",
        gateway.http,
        label(&url)
    )));
    assert_eq!(answer, "  x");
    for (name, status) in [("left-pad", "completed"), ("right-pad", "failed")] {
        let list = format!("\"[{{\"name\":\"{name}\",\"version\":\"1.0.0\"}}]\"");
        let form = [("Dependencies", list.as_str())];
        let build = crate::rest::request(&gateway, "POST", "/v1/Services/packages/Builds", &form);
        assert_eq!(build.text("status"), status, "{name}");
    }
}

#[test]
fn visibility_decides_who_reaches_a_function() {
    let gateway = Gateway::start("");
    let hello = "exports.handler = (c, event, callback) => callback(null, `hello ${event.name}`);";
    let url = deploy(
        &gateway,
        "visible",
        &[
            ("/open", "public", hello),
            ("/signed", "protected", hello),
            ("/hidden", "private", hello),
        ],
    );
    let host = url.trim_start_matches("https://").to_owned();
    let get_at = |host: &str, path: &str| {
        let printed = run(Command::new("curl")
            .args(["-sS", "-w", " %{http_code}", "-H", &format!("Host: {host}")])
            .arg(format!("http://{}{path}", gateway.http)));
        printed.replace('\n', "")
    };
    let get = |path: &str| get_at(&host, path);
    assert_eq!(get("/open?name=Bob"), "hello Bob 200");
    assert!(get("/signed").ends_with(" 403"));
    assert!(get("/hidden").ends_with(" 404"));
    assert!(get("/nowhere").ends_with(" 404"));
    let below = format!("/functions/{}/open?name=Eve", label(&url));
    assert_eq!(get_at(&gateway.http.to_string(), &below), "hello Eve 200");
}

/// What a tool deploys: a function, a private one, an asset, a variable.
fn project(folder: &Path) {
    for (name, text) in [
        ("package.json", "{\"name\":\"front-desk\",\"version\":\"0.0.0\",\"private\":true,\"dependencies\":{\"twilio\":\"^5.0.3\",\"@twilio/runtime-handler\":\"2.0.0\"}}".to_owned()),
        (".env", format!("ACCOUNT_SID={ACCOUNT}\nAUTH_TOKEN={TOKEN}\nGREETING=Good day\n")),
        ("functions/answer.js", "const { words } = require(Runtime.getFunctions()['words'].path);\n\
          exports.handler = (context, event, callback) => {\n\
          const r = new Twilio.twiml.VoiceResponse();\n\
          r.say(`${context.GREETING}, ${words(event.From)}. ${Runtime.getAssets()['/text.txt'].open()}`);\n\
          callback(null, r);\n};".to_owned()),
        ("functions/words.private.js", "exports.words = (from) => from.split(':')[1].split('@')[0];".to_owned()),
        ("assets/text.private.txt", "Please hold.".to_owned()),
        ("assets/page.html", "<p>a page</p>".to_owned()),
    ] {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("writable");
    }
}

#[test]
fn the_vendors_deploy_tools_deploy_and_a_call_gets_the_function() {
    let proxied = Proxied::start();
    let gateway = &proxied.gateway;
    let folder = gateway.folder.path().join("project");
    project(&folder);
    let tools = clients().join("serverless/node_modules/.bin/twilio-run");
    for tool in [
        &["deploy", "--env", ".env"][..],
        &["deploy", "--env", ".env", "--override-existing-project"],
    ] {
        let mut deploy = proxied.client("node");
        let said = run(deploy.arg(&tools).args(tool).current_dir(&folder));
        assert!(said.contains("/answer"), "{said}");
    }
    let services = gateway.get("/v1/Services").json();
    assert_eq!(services["services"][0]["unique_name"], "front-desk", "{services}");
    let service = services["services"][0]["sid"].as_str().expect("a SID").to_owned();
    let environments = gateway.get(&format!("/v1/Services/{service}/Environments")).json();
    let host = environments["environments"][0]["domain_name"].as_str().expect("a name").to_owned();
    assert!(host.starts_with("front-desk-") && host.contains("-dev."), "{host}");
    let page = run(Command::new("curl")
        .args(["-sS", "-H", &format!("Host: {host}")])
        .arg(format!("http://{}/page.html", gateway.http)));
    assert_eq!(page, "<p>a page</p>");
    gateway.domain_with_user("desk", &format!("https://{host}/answer"), "alice", PASSWORD);
    let alice = Party::new();
    call_in(gateway, &alice, 1_000);
    let calls = gateway.fetch("Calls.json").json();
    let call = calls["calls"][0]["sid"].as_str().expect("a SID").to_owned();
    let events = gateway.fetch(&format!("Calls/{call}/Events.json")).json();
    let document = events["events"][0]["response"]["response_body"].as_str().unwrap_or_default();
    assert!(document.contains("<Say>Good day, alice. Please hold.</Say>"), "{events}");
}

#[test]
fn the_command_line_tool_deploys_sets_a_variable_and_promotes() {
    let proxied = Proxied::start();
    let folder = proxied.gateway.folder.path().join("project");
    project(&folder);
    let plugin = clients().join("serverless/node_modules/@twilio-labs/plugin-serverless");
    let cli = |arguments: &[&str]| {
        let mut command = proxied.client("node");
        command.arg(clients().join("cli/node_modules/.bin/twilio"));
        run(command.args(arguments).current_dir(&folder))
    };
    cli(&["plugins:link", plugin.to_str().expect("text")]);
    let said = cli(&["serverless:deploy"]);
    assert!(said.contains("/answer"), "{said}");
    let set = ["--key", "GREETING", "--value", "Good night", "--environment", "dev"];
    cli(&[&["serverless:env:set"][..], &set].concat());
    let to = ["--source-environment", "dev", "--to", "stage", "--create-environment"];
    let said = cli(&[&["serverless:promote"][..], &to].concat());
    let host = said.split_whitespace().find(|word| word.contains("-stage.")).expect("a domain");
    let get = |host: &str| {
        run(Command::new("curl")
            .args(["-sS", "-H", &format!("Host: {host}")])
            .arg(format!("http://{}/answer?From=sip:bob@x", proxied.gateway.http)))
    };
    // The tool sets the variables of its file in the other environment.
    assert!(get(host).contains("<Say>Good day, bob. Please hold.</Say>"), "{}", get(host));
    let dev = host.replace("-stage.", "-dev.");
    assert!(get(&dev).contains("<Say>Good night, bob. Please hold.</Say>"), "{}", get(&dev));
}

#[test]
fn a_deployment_brings_its_packages() {
    let proxied = Proxied::start();
    let gateway = &proxied.gateway;
    let folder = gateway.folder.path().join("project");
    project(&folder);
    let package = "{\"name\":\"front-desk\",\"version\":\"0.0.0\",\"private\":true,\
        \"dependencies\":{\"twilio\":\"^5.0.3\",\"@twilio/runtime-handler\":\"2.0.0\",\"lodash\":\"^4.0.0\"}}";
    let script = "const { kebabCase } = require('lodash');\n\
        exports.handler = (context, event, callback) => callback(null, kebabCase(event.words));";
    std::fs::write(folder.join("package.json"), package).expect("writable");
    std::fs::write(folder.join("functions/kebab.js"), script).expect("writable");
    let tools = clients().join("serverless/node_modules");
    let deploy = || {
        let mut deploy = proxied.client("node");
        deploy.arg(tools.join(".bin/twilio-run")).args(["deploy", "--env", ".env"]);
        deploy.arg("--override-existing-project").current_dir(&folder).output().expect("it runs")
    };
    assert!(!deploy().status.success(), "lodash is nowhere");
    gateway.wait_for_log("these packages are not here: lodash");
    let mut pack = Command::new("python3");
    pack.args(["-m", "zipfile", "-c"]).arg(folder.join("assets/node_modules.private.zip"));
    run(pack.arg(tools.join("lodash")));
    let deployed = deploy();
    assert!(deployed.status.success(), "{}", String::from_utf8_lossy(&deployed.stderr));
    let services = gateway.get("/v1/Services").json();
    let service = services["services"][0]["sid"].as_str().expect("a SID").to_owned();
    let environments = gateway.get(&format!("/v1/Services/{service}/Environments")).json();
    let host = environments["environments"][0]["domain_name"].as_str().expect("a name").to_owned();
    let answer = run(Command::new("curl")
        .args(["-sS", "-H", &format!("Host: {host}")])
        .arg(format!("http://{}/kebab?words=Good+Day", gateway.http)));
    assert_eq!(answer, "good-day");
}
