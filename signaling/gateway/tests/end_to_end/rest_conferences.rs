//! Conferences, participants and queues by REST, walked over by the unmodified SDKs.

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::rtp::Party;
use crate::sdk;
use crate::sipp::{self, Running, Sipp};

/// A phone that answers one call: its SIP URI, and the program.
fn phone(media: &Party) -> (String, Running) {
    let port = sipp::free_port();
    let callee = Sipp::new(&sipp::callee("", "0 101"))
        .key("media", &media.port().to_string())
        .with(&format!("-p {port} -m 1"))
        .spawn();
    (format!("sip:bob@127.0.0.1:{port}"), callee)
}

#[test]
fn the_python_sdk_holds_a_conference_of_participants_that_it_places() {
    let gateway = Gateway::start("");
    let application = Application::start(|_| Answer::status(204));
    let media = (Party::new(), Party::new());
    let ((agent, agent_phone), (caller, caller_phone)) = (phone(&media.0), phone(&media.1));
    let set_up = format!(
        "agent, caller, status = '{agent}', '{caller}', '{}'\n",
        application.url("/status")
    );
    let script = include_str!("rest_conferences.py");
    let printed = sdk::python(&gateway, &format!("{set_up}{script}"));
    assert_eq!(printed.trim(), "walked");
    agent_phone.finish().expect_success();
    caller_phone.finish().expect_success();

    let ended = |asked: &crate::application::Asked| {
        asked.parameter("StatusCallbackEvent") == Some("conference-end")
    };
    application.wait_for("the end", ended);
    let mut events: Vec<(u32, String)> = application
        .asked()
        .iter()
        .map(|asked| {
            let number = asked.parameter("SequenceNumber").and_then(|text| text.parse().ok());
            let event = asked.parameter("StatusCallbackEvent").unwrap_or_default().to_owned();
            (number.expect("a number"), event)
        })
        .collect();
    events.sort();
    let names: Vec<&str> = events.iter().map(|(_, event)| event.as_str()).collect();
    let of = |wanted: &str| names.iter().filter(|event| **event == wanted).count();
    assert_eq!((of("participant-join"), of("conference-start")), (2, 1), "{names:?}");
    assert_eq!((of("participant-mute"), of("participant-unmute")), (1, 1), "{names:?}");
    assert_eq!((of("participant-hold"), of("participant-unhold")), (1, 1), "{names:?}");
    assert_eq!(of("participant-leave"), 2, "{names:?}");
    assert_eq!(names.last(), Some(&"conference-end"), "{names:?}");
}

#[test]
fn the_node_sdk_walks_over_conferences_and_queues() {
    let gateway = Gateway::start("");
    let media = Party::new();
    let (agent, agent_phone) = phone(&media);
    let script = include_str!("rest_conferences.js");
    let printed = sdk::node(&gateway, &format!("const agent = '{agent}';\n{script}"));
    assert_eq!(printed.trim(), "walked");
    agent_phone.finish().expect_success();
}

/// A caller that waits in the queue `support`, until it is taken out and sent on.
fn caller_in_a_queue(gateway: &Gateway, application: &Application, party: &Party) -> Running {
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    Sipp::caller(&scenario, party.port()).start(gateway.sip_udp)
}

fn queueing() -> Application {
    Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml("<Enqueue>support</Enqueue>"),
        "/taken" => Answer::twiml("<Hangup/>"),
        _ => Answer::status(204),
    })
}

#[test]
fn the_python_sdk_takes_a_caller_out_of_the_queue_that_it_waits_in() {
    let gateway = Gateway::start("");
    let application = queueing();
    let party = Party::new();
    let caller = caller_in_a_queue(&gateway, &application, &party);
    let script = QUEUED_CALLER.replace("TAKEN", &application.url("/taken"));
    let printed = sdk::python(&gateway, &script);
    let call = printed.trim();
    caller.finish().expect_success();
    let asked = application.wait_for_path("/taken");
    assert_eq!(asked.parameter("CallSid"), Some(call));
}

const QUEUED_CALLER: &str = "import time\n\
    from twilio.base.exceptions import TwilioRestException\n\
    def refused(status, code, act):\n\
    \x20   try:\n\
    \x20       act()\n\
    \x20   except TwilioRestException as error:\n\
    \x20       assert (error.status, error.code) == (status, code), (error.status, error.code)\n\
    \x20   else:\n\
    \x20       raise AssertionError(code)\n\
    deadline = time.monotonic() + 20\n\
    while not (queues := [row for row in client.queues.list() if row.current_size == 1]):\n\
    \x20   assert time.monotonic() < deadline\n\
    \x20   time.sleep(0.05)\n\
    queue, = queues\n\
    assert queue.friendly_name == 'support' and queue.fetch().current_size == 1\n\
    member, = queue.members.list()\n\
    front = queue.members('Front').fetch()\n\
    assert (front.call_sid, front.position, front.queue_sid) == (member.call_sid, 1, queue.sid)\n\
    assert queue.update(max_size=3).current_size == 1\n\
    refused(409, 20409, queue.delete)\n\
    taken = queue.members(member.call_sid).update(url='TAKEN', method='GET')\n\
    assert (taken.call_sid, taken.position) == (member.call_sid, 0)\n\
    assert queue.members.list() == [] and queue.fetch().current_size == 0\n\
    refused(404, 20404, queue.members('Front').fetch)\n\
    assert queue.delete()\n\
    print(member.call_sid)\n";

#[test]
fn after_a_kill_conferences_and_queues_tell_the_truth() {
    let gateway = Gateway::start("");
    let application = queueing();
    let media = (Party::new(), Party::new());
    let _caller = caller_in_a_queue(&gateway, &application, &media.0);
    let (agent, _agent_phone) = phone(&media.1);
    let script = format!(
        "import time\n\
         placed = client.conferences('ops').participants.create(to='{agent}', from_='alice')\n\
         room = client.conferences(placed.conference_sid)\n\
         deadline = time.monotonic() + 20\n\
         while room.participants(placed.call_sid).fetch().status != 'connected' \\\n\
         \x20       or [row.current_size for row in client.queues.list()] != [1]:\n\
         \x20   assert time.monotonic() < deadline\n\
         \x20   time.sleep(0.05)\n\
         print(placed.conference_sid)\n"
    );
    let conference = sdk::python(&gateway, &script);
    let gateway = Gateway::start_in(gateway.kill(), "");

    let row = gateway.fetch(&format!("Conferences/{}.json", conference.trim())).json();
    assert_eq!(row["status"], "completed", "{row}");
    assert_eq!(row["reason_conference_ended"], "last-participant-left", "{row}");
    let participants = format!("Conferences/{}/Participants.json", conference.trim());
    assert_eq!(gateway.fetch(&participants).status, 404);
    let queues = gateway.fetch("Queues.json").json();
    assert_eq!(queues["queues"][0]["friendly_name"], "support", "{queues}");
    assert_eq!(queues["queues"][0]["current_size"], 0, "{queues}");
}

#[test]
fn the_python_sdk_walks_over_queues() {
    let gateway = Gateway::start("");
    let printed = sdk::python(&gateway, include_str!("rest_queues.py"));
    assert_eq!(printed.trim(), "walked");
}
