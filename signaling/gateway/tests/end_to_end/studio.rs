//! Studio flows: made and published by the SDKs, walked by calls.

use std::path::Path;

use serde_json::{Value, json};

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::rest::request;
use crate::rtp::{Party, Stream};
use crate::sipp::{self, Sipp};
use crate::{sdk, wait};

pub fn state(name: &str, kind: &str, properties: &Value, ways: &[(&str, &str)]) -> Value {
    let way = |(event, next): &(&str, &str)| json!({"event": event, "next": next});
    let transitions: Vec<_> = ways.iter().map(way).collect();
    json!({"name": name, "type": kind, "properties": properties, "transitions": transitions})
}

pub fn trigger(event: &str, next: &str) -> Value {
    state("Trigger", "trigger", &json!({"offset": {"x": 0, "y": 0}}), &[(event, next)])
}

pub fn flow(states: &[Value]) -> Value {
    json!({"description": "A flow", "initial_state": "Trigger", "states": states,
        "flags": {"allow_concurrent_calls": true}})
}

/// Publishes a flow by the Python SDK; its SID and the URL of its webhook.
pub fn publish(gateway: &Gateway, folder: &Path, flow: &Value) -> (String, String) {
    let file = folder.join("flow.json");
    std::fs::write(&file, flow.to_string()).expect("writable");
    let script = format!(
        "import json\n\
         definition = json.load(open('{}'))\n\
         assert client.studio.v2.flow_validate.update('Desk', 'published', definition).valid\n\
         flow = client.studio.v2.flows.create('Desk', 'draft', definition)\n\
         assert (flow.revision, flow.status, flow.valid) == (1, 'draft', True), flow.revision\n\
         flow = flow.update('published', commit_message='first')\n\
         assert (flow.revision, flow.commit_message, flow.definition) == (2, 'first', definition)\n\
         published = client.studio.v2.flows(flow.sid).revisions('LatestPublished').fetch()\n\
         assert published.revision == 2, published.revision\n\
         revisions = client.studio.v2.flows(flow.sid).revisions\n\
         assert [one.revision for one in revisions.list()] == [2, 1]\n\
         assert revisions('1').fetch().status == 'draft'\n\
         print(flow.sid, flow.webhook_url)",
        file.display()
    );
    let printed = sdk::python(gateway, &script);
    let (sid, url) = printed.trim().split_once(' ').expect("a SID and a URL");
    (sid.to_owned(), url.to_owned())
}

/// What the Node SDK shows of the flow's only execution once it has ended: contact, and the names of its steps.
pub fn walked(gateway: &Gateway, flow: &str) -> Value {
    let script = format!(
        "const [execution] = await client.studio.v2.flows('{flow}').executions.list();\n\
         const steps = await client.studio.v2.flows('{flow}').executions(execution.sid).steps.list();\n\
         const context = await client.studio.v2.flows('{flow}').executions(execution.sid).executionContext().fetch();\n\
         console.log(JSON.stringify({{status: execution.status, contact: execution.contactChannelAddress,\n\
           context: context.context, steps: steps.reverse().map(step => step.name + ' ' + step.transitionedTo)}}));"
    );
    wait::found("the execution's end", || {
        let shown: Value = serde_json::from_str(&sdk::node(gateway, &script)).expect("JSON");
        if shown["status"] == "ended" { Ok(shown) } else { Err(shown.to_string()) }
    })
}

#[test]
fn a_call_presses_a_key_and_is_connected_by_a_flow() {
    let (gateway, folder) = (Gateway::start(""), tempfile::tempdir().expect("a folder"));
    let port = sipp::free_port();
    let split = json!({"name": "pick", "type": "split-based-on", "properties": {"input": "{{widgets.menu.Digits}}"},
        "transitions": [{"event": "noMatch", "next": "menu"}, {"event": "match", "next": "desk", "conditions": [
            {"friendly_name": "1", "arguments": ["{{widgets.menu.Digits}}"], "type": "equal_to", "value": "1"}]}]});
    let definition = flow(&[
        trigger("incomingCall", "hello"),
        state("hello", "say-play", &json!({"say": "Hi.", "loop": 1}), &[("audioComplete", "menu")]),
        state(
            "menu",
            "gather-input-on-call",
            &json!({"say": "Press one.", "timeout": 9, "number_of_digits": 1, "stop_gather": true}),
            &[("keypress", "pick"), ("speech", ""), ("timeout", "")],
        ),
        split,
        state(
            "desk",
            "connect-call-to",
            &json!({"noun": "sip", "sip_endpoint": format!("sip:bob@127.0.0.1:{port}")}),
            &[("callCompleted", ""), ("hangup", "")],
        ),
    ]);
    let (sid, url) = publish(&gateway, folder.path(), &definition);
    let domain = gateway.domain("desk", &[("VoiceUrl", &url)]);
    gateway.allow_address(&domain, "127.0.0.1");

    let (alice, bob) = (Party::new(), Party::new());
    let callee = Sipp::new(&sipp::callee("", "0"))
        .key("media", &bob.port().to_string())
        .with(&format!("-p {port} -m 1"))
        .spawn();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hang_up_after(9_000);
    let scenario = scenario.replace("[domain]", "desk.sip.sidetone.test");
    let call = Sipp::caller(&scenario, alice.port()).key("formats", "0 101").start(gateway.sip_udp);
    let (_, media) = alice.receive().expect("the greeting");
    // The key counts for the menu once that listens; before it is only dropped.
    let mut stream = Stream::new(0x5EED);
    wait::until("the menu", || {
        stream.press(&alice, media, 101, 1);
        steps(&gateway, &sid).contains("\"pick\"")
    });
    callee.finish().expect_success();
    call.finish().expect_success();
    let walked = walked(&gateway, &sid);
    assert_eq!(
        walked["steps"],
        json!([
            "incomingCall hello",
            "audioComplete menu",
            "keypress pick",
            "match desk",
            "hangup Ended"
        ])
    );
    assert_eq!(walked["context"]["widgets"]["menu"]["Digits"], "1");
}

/// The steps of the flow's newest execution, as text.
pub fn steps(gateway: &Gateway, flow: &str) -> String {
    let path = format!("/v2/Flows/{flow}/Executions");
    let list = request(gateway, "GET", &path, &[]).json();
    let sid = list["executions"][0]["sid"].as_str().expect("an execution").to_owned();
    request(gateway, "GET", &format!("{path}/{sid}/Steps"), &[]).json().to_string()
}

#[test]
fn an_execution_of_rest_looks_something_up_and_tells_it_by_a_call() {
    let (gateway, folder) = (Gateway::start(""), tempfile::tempdir().expect("a folder"));
    let application =
        Application::start(|_| Answer::file("application/json", br#"{"eta": "at noon"}"#.to_vec()));
    let lookup = json!({"method": "GET", "url": application.url("/parcel?id={{flow.data.parcel}}"),
        "content_type": "application/x-www-form-urlencoded"});
    let definition = flow(&[
        trigger("incomingRequest", "lookup"),
        state("lookup", "make-http-request", &lookup, &[("success", "dial"), ("failed", "")]),
        state(
            "dial",
            "make-outgoing-call-v2",
            &json!({"to": "{{contact.channel.address}}", "from": "{{flow.channel.address}}", "timeout": 20}),
            &[("answered", "tell"), ("busy", ""), ("noAnswer", ""), ("failed", "")],
        ),
        state(
            "tell",
            "say-play",
            &json!({"say": "It comes {{widgets.lookup.parsed.eta}}."}),
            &[("audioComplete", "")],
        ),
    ]);
    let (sid, _) = publish(&gateway, folder.path(), &definition);
    let port = sipp::free_port();
    let bob = Party::new();
    let callee = Sipp::new(&sipp::callee("", "0"))
        .key("media", &bob.port().to_string())
        .with(&format!("-p {port} -m 1"))
        .spawn();
    let created = sdk::node(
        &gateway,
        &format!(
            "const execution = await client.studio.v2.flows('{sid}').executions.create({{\n\
               to: 'sip:bob@127.0.0.1:{port}', from: 'desk', parameters: {{parcel: '7'}}}});\n\
             console.log(execution.status, execution.flowSid);"
        ),
    );
    assert_eq!(created.trim(), format!("active {sid}"));
    let asked = application.wait_for("the lookup", |asked| asked.path.starts_with("/parcel"));
    assert_eq!(asked.parameter("id"), Some("7"));
    callee.finish().expect_success();
    let walked = walked(&gateway, &sid);
    assert_eq!(
        walked["steps"],
        json!(["incomingRequest lookup", "success dial", "answered tell", "audioComplete Ended"])
    );
    assert_eq!(walked["context"]["widgets"]["lookup"]["parsed"]["eta"], "at noon");
    assert!(bob.receive().is_some(), "bob was told");
}
