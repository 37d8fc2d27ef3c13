//! Hosted functions in Node (`functions.engine = "node"`): what holds for the embedded engine, and what only Node has.

use std::process::Command;

use serde_json::Value;

use crate::functions::{call_in_a_crowd, call_the_sample, deploy, label, misbehave, send_requests};
use crate::gateway::Gateway;
use crate::rest::request;
use crate::sdk::run;

const NODE: &str = "[functions]\nengine = \"node\"\n";

#[test]
fn the_sample_function_speaks_dials_a_trunk_and_prints_its_line_in_node() {
    call_the_sample(NODE);
}

#[test]
fn a_function_that_fails_in_node_leads_to_the_fallback_and_the_next_call_works() {
    misbehave(NODE);
}

#[test]
fn fifty_calls_at_once_get_their_function_in_node_while_another_one_loops() {
    call_in_a_crowd(NODE);
}

#[test]
fn a_function_in_node_uses_the_api_in_this_process_and_sends_requests_past_the_guard() {
    send_requests(NODE);
}

/// An ES module, Intl, the library by `import`, and every way out of the process.
const MODULE: &str = "import twilio from 'twilio';
import { request } from 'node:https';
import { execSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';

const refused = (work) => { try { work(); return 'nobody refused'; } catch (error) { return error.code; } };
const later = (begin) => new Promise((resolve) => begin().on('error', (error) => resolve(error.code)));
export const handler = async (context, event, callback) => {
    const said = new twilio.twiml.VoiceResponse();
    said.say(new Intl.NumberFormat('de-DE', { style: 'currency', currency: 'EUR' }).format(1234.5));
    callback(null, {
        twiml: said.toString(),
        read: refused(() => readFileSync('/etc/passwd')),
        write: refused(() => writeFileSync('/tmp/functions-in-node', 'x')),
        own: refused(() => writeFileSync(new URL(import.meta.url), 'x')),
        run: refused(() => execSync('true')),
        kill: refused(() => process.kill(process.ppid, 0)),
        native: refused(() => process.dlopen({ exports: {} }, '/usr/lib/x86_64-linux-gnu/libz.so.1')),
        tcp: await later(() => connect(9, '127.0.0.1')),
        guarded: await new Promise((resolve) => request(event.own, () => resolve('answered')).on('error', (error) => resolve(error.message)).end()),
    });
};";

fn ask(gateway: &Gateway, url: &str, query: &str) -> Value {
    let url = format!("http://{}/functions/{}/it?{query}", gateway.http, label(url));
    let printed = run(Command::new("curl").args(["-sS", &url]));
    serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}"))
}

#[test]
fn an_es_module_runs_in_node_and_finds_no_way_out() {
    let gateway = Gateway::start(NODE);
    let url = deploy(&gateway, "module", &[("/it", "public", MODULE)]);
    let own = format!("own=http://{}/metrics", gateway.http);
    let answer = ask(&gateway, &url, &own);
    let twiml = answer["twiml"].as_str().unwrap_or_default();
    assert!(twiml.contains("<Say>1.234,50\u{a0}€</Say>"), "{answer}");
    for (what, code) in [
        ("read", "EACCES"),
        ("write", "EACCES"),
        ("own", "EACCES"),
        ("run", "EPERM"),
        ("kill", "EPERM"),
        ("native", "ERR_DLOPEN_DISABLED"),
        ("tcp", "EPERM"),
    ] {
        assert_eq!(answer[what], code, "{what}: {answer}");
    }
    let guarded = answer["guarded"].as_str().unwrap_or_default();
    assert!(guarded.contains("a listener of this gateway"), "{answer}");
    assert!(!gateway.log().contains("less of a sandbox"), "{}", gateway.log());
}

#[test]
fn a_forged_message_ends_its_own_invocation() {
    let gateway = Gateway::start(NODE);
    let script = "const { parentPort } = require('worker_threads');
let id = 0;
exports.handler = (context, event, callback) => {
    if (!event.forge) return callback(null, { id: id += 1 });
    for (let id = 0; id < 10; id += 1) parentPort.postMessage({ kind: 'answer', id, status: 'x', headers: '{', body: 7, failure: null });
};";
    let url = deploy(&gateway, "forge", &[("/it", "public", script)]);
    assert_eq!(ask(&gateway, &url, "")["id"], 1);
    let forged = format!("http://{}/functions/{}/it?forge=1", gateway.http, label(&url));
    let said = run(Command::new("curl").args(["-sS", "-w", " %{http_code}", &forged]));
    assert!(said.starts_with("the function forged a message") && said.ends_with(" 500"), "{said}");
    assert_eq!(ask(&gateway, &url, "")["id"], 1, "in a thread of its own");
}

#[test]
fn the_embedded_engine_fails_the_build_of_an_es_module_and_names_it() {
    let gateway = Gateway::start("");
    let service = [("UniqueName", "module"), ("FriendlyName", "module")];
    let service = request(&gateway, "POST", "/v1/Services", &service).text("sid");
    let path = format!("/v1/Services/{service}");
    let item = request(&gateway, "POST", &format!("{path}/Functions"), &[("FriendlyName", "it")]);
    let item = format!("{service}/Functions/{}", item.text("sid"));
    let version = crate::functions::upload(&gateway, &item, "/it", "public", MODULE);
    let form = [("FunctionVersions", version["sid"].as_str().expect("a SID"))];
    let build = request(&gateway, "POST", &format!("{path}/Builds"), &form);
    assert_eq!(build.text("status"), "failed");
    gateway.wait_for_log("these functions are ES modules, which need functions.engine");
}

#[test]
fn a_gateway_without_node_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = "[functions]\nengine = \"node\"\nnode = \"/nowhere/node\"\n";
    let said = refused(&folder, settings);
    assert!(said.contains("/nowhere/node") && said.contains("functions.node"), "{said}");
}

/// What `serve` prints before it ends.
fn refused(folder: &tempfile::TempDir, settings: &str) -> String {
    let file = folder.path().join("sidetone.toml");
    std::fs::write(&file, settings).expect("writable");
    let mut command = Command::new("timeout");
    command.arg("30").arg(crate::gateway::binary()).arg("serve").arg("--config").arg(&file);
    command.arg("--data").arg(folder.path().join("data"));
    for listener in ["sip.udp", "sip.tcp", "http.listen"] {
        command.args(["--set", &format!("{listener}=[\"127.0.0.1:0\"]")]);
    }
    let output = command.args(["--set", "sip.tls=[]"]).output().expect("timeout (coreutils)");
    assert_eq!(output.status.code(), Some(1), "it starts");
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}
