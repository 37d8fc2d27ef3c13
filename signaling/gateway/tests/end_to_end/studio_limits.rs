//! Executions that are refused, ended and deleted: rates, one a contact, and their life by the SDKs.

use serde_json::json;

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::rest::request;
use crate::rtp::Party;
use crate::sdk;
use crate::sipp::{self, Sipp};
use crate::studio::{flow, publish, state, trigger};

#[test]
fn a_contact_has_one_execution_that_rest_ends_and_deletes_and_rest_begins_twenty_a_second() {
    let (gateway, folder) = (Gateway::start(""), tempfile::tempdir().expect("a folder"));
    // Bound and silent: the callee is awaited until the execution is ended.
    let silent = Party::new();
    let dial = json!({"from": "desk", "timeout": 60});
    let ways = [("answered", ""), ("busy", ""), ("noAnswer", ""), ("failed", "")];
    let states =
        [trigger("incomingRequest", "dial"), state("dial", "make-outgoing-call-v2", &dial, &ways)];
    let (waits, _) = publish(&gateway, folder.path(), &flow(&states));
    let (ends, _) = publish(&gateway, folder.path(), &flow(&[trigger("incomingRequest", "")]));
    sdk::python(
        &gateway,
        &format!(
            "from twilio.base.exceptions import TwilioRestException\n\
             def refused(what):\n\
             \x20   try:\n\
             \x20       what()\n\
             \x20   except TwilioRestException as error:\n\
             \x20       return error.status, error.code\n\
             executions = client.studio.v2.flows('{waits}').executions\n\
             bob = dict(to='sip:bob@127.0.0.1:{}', from_='desk')\n\
             first = executions.create(**bob)\n\
             assert first.status == 'active', first.status\n\
             assert refused(lambda: executions.create(**bob)) == (409, 20409)\n\
             assert refused(executions(first.sid).delete) == (409, 20409)\n\
             ended = executions(first.sid).update('ended')\n\
             assert (ended.sid, ended.status) == (first.sid, 'ended'), ended.status\n\
             second = executions.create(**bob)\n\
             assert second.sid != first.sid\n\
             assert executions(first.sid).delete()\n\
             assert refused(executions(first.sid).fetch) == (404, 20404)\n\
             assert [one.sid for one in executions.list()] == [second.sid]\n\
             executions(second.sid).update('ended')\n\
             quick = client.studio.v2.flows('{ends}').executions\n\
             begun = 0\n\
             while True:\n\
             \x20   answer = refused(lambda: quick.create(to=f'sip:n{{begun}}@x', from_='desk'))\n\
             \x20   if answer:\n\
             \x20       break\n\
             \x20   begun += 1\n\
             \x20   assert begun < 400\n\
             assert answer == (429, 20429) and begun >= 17, (answer, begun)\n",
            silent.port()
        ),
    );
    let refused = |reason: &str| gateway.metrics().sum("studio_executions_refused_total", reason);
    assert_eq!((refused("contact"), refused("rate")), (1, 1));
}

#[test]
fn a_test_user_walks_the_draft_and_everybody_else_what_is_published() {
    let (gateway, folder) = (Gateway::start(""), tempfile::tempdir().expect("a folder"));
    let (sid, url) = publish(&gateway, folder.path(), &flow(&[trigger("incomingCall", "")]));
    let draft = json!({"variables": [{"key": "tried", "value": "yes"}]});
    let draft = flow(&[
        trigger("incomingCall", "draft"),
        state("draft", "set-variables", &draft, &[("next", "")]),
    ]);
    sdk::node(
        &gateway,
        &format!(
            "const flow = client.studio.v2.flows('{sid}');\n\
             await flow.update({{status: 'draft', definition: {draft}}});\n\
             const set = await flow.testUsers().update({{testUsers: ['alice', 'bob']}});\n\
             const got = await flow.testUsers().fetch();\n\
             if (String([set.testUsers, got.testUsers]) !== 'alice,bob,alice,bob') throw got;"
        ),
    );
    let domain = gateway.domain("desk", &[("VoiceUrl", &url)]);
    gateway.allow_address(&domain, "127.0.0.1");
    let path = format!("/v2/Flows/{sid}/Executions");
    let party = Party::new();
    for (caller, tried) in [("alice", json!("yes")), ("carol", json!(null))] {
        let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
        let scenario = scenario.replace("From: <sip:alice@", &format!("From: <sip:{caller}@"));
        let call = Sipp::caller(&scenario, party.port()).key("formats", "0");
        call.call(gateway.sip_udp, 1).expect_success();
        let newest = request(&gateway, "GET", &path, &[]).json()["executions"][0].clone();
        let from = &newest["context"]["trigger"]["call"]["From"];
        assert!(from.as_str().is_some_and(|from| from.contains(caller)), "{newest}");
        assert_eq!(newest["context"]["flow"]["variables"]["tried"], tried, "{caller}");
    }
}

#[test]
fn calls_past_a_hundred_a_second_go_to_the_fallback() {
    let (gateway, folder) = (Gateway::start(""), tempfile::tempdir().expect("a folder"));
    let application = Application::start(|_| Answer::twiml("<Reject reason=\"busy\"/>"));
    let away = json!({"url": application.url("/busy")});
    let ways = [("return", ""), ("fail", ""), ("timeout", "")];
    let states =
        [trigger("incomingCall", "away"), state("away", "add-twiml-redirect", &away, &ways)];
    let (_, url) = publish(&gateway, folder.path(), &flow(&states));
    let urls = [("VoiceUrl", url.as_str()), ("VoiceFallbackUrl", &application.url("/fallback"))];
    let domain = gateway.domain("desk", &urls);
    gateway.allow_address(&domain, "127.0.0.1");
    let scenario = sipp::invite("") + &sipp::refused(486);
    let party = Party::new();
    let fallen = || application.asked().into_iter().find(|asked| asked.path == "/fallback");
    // A machine that is busy with other things takes more than a second for them.
    let refused = (0..5).find_map(|_| {
        let calls = Sipp::caller(&scenario, party.port()).key("formats", "0");
        calls.with("-r 300 -l 250").call(gateway.sip_udp, 250).expect_success();
        fallen()
    });
    let refused = refused.expect("a call past the rate");
    assert_eq!(refused.parameter("ErrorCode"), Some("11200"));
    let begun = application.asked().iter().filter(|asked| asked.path == "/busy").count();
    assert!(begun >= 100, "{begun} calls are within the rate");
}
