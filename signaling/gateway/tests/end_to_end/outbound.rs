//! Calls by REST, with the unmodified SDKs.

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::rtp::Party;
use crate::sdk;
use crate::sipp::{self, Sipp};

#[test]
fn the_python_sdk_places_a_call_and_receives_its_status_callbacks() {
    let gateway = Gateway::start("");
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml("<Play digits=\"12\"/><Say>Hello.</Say>"),
        _ => Answer::status(204),
    });
    let (callee_port, bob) = (sipp::free_port(), Party::new());
    let callee = Sipp::new(&sipp::callee("", "0 101"))
        .key("media", &bob.port().to_string())
        .with(&format!("-p {callee_port} -m 1"))
        .spawn();
    let printed = sdk::python(
        &gateway,
        &format!(
            "import time\n\
             call = client.calls.create(to='sip:bob@127.0.0.1:{callee_port}?X-Order=9', from_='alice',\n\
             \x20   url='{}', status_callback='{}',\n\
             \x20   status_callback_event=['initiated', 'ringing', 'answered', 'completed'])\n\
             print(call.sid, call.status)\n\
             for _ in range(200):\n\
             \x20   call = call.fetch()\n\
             \x20   if call.status == 'completed': break\n\
             \x20   time.sleep(0.1)\n\
             print(call.status, call.duration, call.direction)\n\
             print([c.sid for c in client.calls.list(status='completed')])\n\
             client.calls(call.sid).delete()\n\
             print(len(client.calls.list()))\n",
            application.url("/voice"),
            application.url("/status"),
        ),
    );
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].starts_with("CA") && lines[0].ends_with(" queued"), "{printed}");
    assert!(lines[1].starts_with("completed ") && lines[1].ends_with(" outbound-api"), "{printed}");
    assert!(lines[2].contains("CA"), "{printed}");
    assert_eq!(lines[3], "0", "{printed}");

    let messages = callee.finish().expect_success().messages();
    assert!(messages.contains("X-Order: 9"), "{messages}");
    assert!(messages.contains("X-Twilio-CallSid: CA"), "{messages}");
    let mut events: Vec<(u32, String)> = application
        .asked()
        .iter()
        .filter(|asked| asked.path == "/status")
        .map(|asked| {
            let number = asked.parameter("SequenceNumber").and_then(|text| text.parse().ok());
            let status = asked.parameter("CallStatus").unwrap_or_default().to_owned();
            (number.expect("a number"), status)
        })
        .collect();
    events.sort();
    let expected = [(0, "initiated"), (1, "ringing"), (2, "in-progress"), (3, "completed")];
    assert_eq!(events, expected.map(|(number, status)| (number, status.to_owned())));
}

#[test]
fn the_node_sdk_provisions_and_lists_and_removes() {
    let gateway = Gateway::start("");
    let printed = sdk::node(
        &gateway,
        "const domain = await client.sip.domains.create({domainName: 'node.sip.sidetone.test'});
         const list = await client.sip.credentialLists.create({friendlyName: 'users'});
         await client.sip.credentialLists(list.sid).credentials.create({username: 'u1', password: 'Secret-Passw0rd'});
         await client.sip.domains(domain.sid).auth.calls.credentialListMappings.create({credentialListSid: list.sid});
         const again = await client.sip.domains(domain.sid).fetch();
         console.log(again.authType, again.domainName);
         const key = await client.newKeys.create({friendlyName: 'ci'});
         console.log(key.secret.length);
         try {
           await client.sip.domains.create({domainName: 'node.sip.sidetone.test'});
         } catch (error) { console.log(error.status, error.code); }
         await client.sip.domains(domain.sid).remove();
         console.log((await client.sip.domains.list()).length);",
    );
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines, ["CREDENTIAL_LIST node.sip.sidetone.test", "32", "400 21232", "0"]);
}

#[test]
fn a_busy_party_is_reported_as_busy() {
    let gateway = Gateway::start("");
    let application = Application::start(|_| Answer::status(204));
    let callee_port = sipp::free_port();
    let busy = "<recv request=\"INVITE\"/>\n<send retrans=\"500\"><![CDATA[\nSIP/2.0 486 Busy Here\n\
        [last_Via:]\n[last_From:]\n[last_To:];tag=b\n[last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n\
        ]]></send>\n<recv request=\"ACK\"/>\n";
    let callee = Sipp::new(busy).with(&format!("-p {callee_port} -m 1")).spawn();
    gateway.create(
        "Calls.json",
        &[
            ("To", &format!("sip:bob@127.0.0.1:{callee_port}")),
            ("From", "alice"),
            ("Twiml", "<Response/>"),
            ("StatusCallback", &application.url("/status")),
        ],
    );
    let asked = application.wait_for_path("/status");
    assert_eq!(asked.parameter("CallStatus"), Some("busy"));
    assert_eq!(asked.parameter("SipResponseCode"), Some("486"));
    callee.finish().expect_success();
}
