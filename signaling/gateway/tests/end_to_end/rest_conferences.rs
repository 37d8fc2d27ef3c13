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

#[test]
fn the_python_sdk_walks_over_queues() {
    let gateway = Gateway::start("");
    let printed = sdk::python(&gateway, include_str!("rest_queues.py"));
    assert_eq!(printed.trim(), "walked");
}
