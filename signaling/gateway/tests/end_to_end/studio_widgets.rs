//! Widgets of flows, with what stands behind them: a stream's server, a hosted function, recordings, a queue and its agent.

use serde_json::{Value, json};

use crate::application::{Answer, Application};
use crate::functions::deploy;
use crate::gateway::{ACCOUNT, Gateway};
use crate::queues::{self, Agent};
use crate::rest::request;
use crate::rtp::{Party, Stream, sound};
use crate::sipp::{self, Running, Sipp};
use crate::siprec::Server;
use crate::streams::{Bot, PLAIN};
use crate::studio::{flow, publish, state, steps, trigger, walked};
use crate::{sdk, wait};

/// Answers with what only a request with the account's signature may know.
const GREET: &str = "exports.handler = (context, event, callback) =>
    callback(null, { greeting: `Hello ${event.who}` });
";

/// A call to the domain `desk`, which the gateway ends.
pub fn caller(gateway: &Gateway, party: &Party) -> Running {
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    let scenario = scenario.replace("[domain]", "desk.sip.sidetone.test");
    Sipp::caller(&scenario, party.port()).key("formats", "0 101").start(gateway.sip_udp)
}

/// The domain `desk`, open to this machine.
pub fn desk(gateway: &Gateway, urls: &[(&str, &str)]) {
    let domain = gateway.domain("desk", urls);
    gateway.allow_address(&domain, "127.0.0.1");
}

fn say(name: &str, text: &str, next: &str) -> Value {
    state(name, "say-play", &json!({"say": text}), &[("audioComplete", next)])
}

#[test]
fn a_flow_forks_a_stream_records_asks_a_function_in_a_subflow_and_takes_a_message() {
    let (gateway, folder) = (Gateway::start(PLAIN), tempfile::tempdir().expect("a folder"));
    let (mut bot, application) = (Bot::start(), Application::start(|_| Answer::status(204)));
    let function = deploy(&gateway, "lookup", &[("/greet", "protected", GREET)]);
    let who = |value: &str| json!([{"key": "who", "value": value}]);
    let ask = json!({"url": format!("{function}/greet"), "parameters": who("{{trigger.parent.parameters.who}}")});
    let (inner, _) = publish(
        &gateway,
        folder.path(),
        &flow(&[
            trigger("incomingParent", "ask"),
            state("ask", "run-function", &ask, &[("success", ""), ("fail", "")]),
        ]),
    );
    let fork = json!({"stream_action": "start", "stream_name": "ear", "stream_transport_type": "websocket",
        "stream_url": bot.url("/listen"), "stream_track": "inbound_track",
        "stream_parameters": [{"key": "ticket", "value": "{{trigger.call.CallSid}}"}]});
    let record = |is_on: bool, next| {
        let name = if is_on { "record" } else { "stop" };
        let ways = [("success", next), ("failed", "")];
        state(
            name,
            "record-call",
            &json!({"record_call": is_on, "recording_channels": "dual"}),
            &ways,
        )
    };
    let subflow =
        json!({"flow_sid": inner, "flow_revision": "LatestPublished", "parameters": who("Ann")});
    let message = json!({"timeout": 9, "finish_on_key": "#", "play_beep": "true",
        "recording_status_callback_url": application.url("/recorded")});
    let (sid, url) = publish(
        &gateway,
        folder.path(),
        &flow(&[
            trigger("incomingCall", "hello"),
            say("hello", "Hi.", "fork"),
            state("fork", "fork-stream", &fork, &[("next", "record")]),
            record(true, "sub"),
            state("sub", "run-subflow", &subflow, &[("completed", "tell"), ("failed", "")]),
            say("tell", "{{widgets.sub.ask.parsed.greeting}}.", "stop"),
            record(false, "unfork"),
            state(
                "unfork",
                "fork-stream",
                &json!({"stream_action": "stop", "stream_name": "ear"}),
                &[("next", "message")],
            ),
            state(
                "message",
                "record-voicemail",
                &message,
                &[("recordingComplete", ""), ("noAudio", ""), ("hangup", "")],
            ),
        ]),
    );
    desk(&gateway, &[("VoiceUrl", &url)]);
    let alice = Party::new();
    let call = caller(&gateway, &alice);
    let (_, media) = alice.receive().expect("the greeting");
    let mut stream = Stream::new(0x5EED);
    wait::until("the message", || {
        stream.say(&alice, media, sound(25));
        stream.press(&alice, media, 101, 11);
        steps(&gateway, &sid).contains("recordingComplete")
    });
    call.finish().expect_success();
    let walked = walked(&gateway, &sid);
    assert_eq!(
        walked["steps"],
        json!([
            "incomingCall hello",
            "audioComplete fork",
            "next record",
            "success sub",
            "incomingParent ask",
            "success Ended",
            "completed tell",
            "audioComplete stop",
            "success unfork",
            "next message",
            "recordingComplete Ended",
        ])
    );
    let context = &walked["context"];
    assert_eq!(context["widgets"]["sub"]["ask"]["parsed"]["greeting"], "Hello Ann");
    let call_sid = context["trigger"]["call"]["CallSid"].as_str().expect("a SID");
    let start = bot.program.wait_for("start ");
    assert!(start.contains(&format!("\"ticket\": \"{call_sid}\"")), "{start}");
    bot.program.wait_for("closed /listen 1000");
    bot.assert_content();
    let recorded = application.wait_for_path("/recorded");
    let url = context["widgets"]["message"]["RecordingUrl"].as_str();
    assert_eq!(recorded.parameter("RecordingUrl"), url, "{context}");
    let list = gateway.fetch("Recordings.json").json();
    let rows = list["recordings"].as_array().expect("a list").iter();
    let channels: Vec<_> = rows.map(|row| row["channels"].as_u64()).collect();
    assert_eq!(channels, [Some(1), Some(2)], "the message, and the call before it");
}

#[test]
fn a_flow_forks_its_call_to_a_recording_server() {
    let (server, folder) = (Server::start(), tempfile::tempdir().expect("a folder"));
    let gateway = Gateway::start(&server.settings());
    let start = json!({"stream_action": "start", "stream_name": "tape", "stream_transport_type": "siprec",
        "stream_connector": "srs", "stream_parameters": [{"key": "case", "value": "4711"}]});
    let stop =
        json!({"stream_action": "stop", "stream_name": "tape", "stream_transport_type": "siprec"});
    let long = "One two three four five. ".repeat(2);
    let (sid, url) = publish(
        &gateway,
        folder.path(),
        &flow(&[
            trigger("incomingCall", "fork"),
            state("fork", "fork-stream", &start, &[("next", "tell")]),
            say("tell", &long, "unfork"),
            state("unfork", "fork-stream", &stop, &[("next", "bye")]),
            say("bye", "Bye.", ""),
        ]),
    );
    desk(&gateway, &[("VoiceUrl", &url)]);
    let alice = Party::new();
    caller(&gateway, &alice).finish().expect_success();
    let messages = server.running.finish().expect_success().messages();
    assert!(messages.contains("4711"), "{messages}");
    let path = [
        "incomingCall fork",
        "next tell",
        "audioComplete unfork",
        "next bye",
        "audioComplete Ended",
    ];
    assert_eq!(walked(&gateway, &sid)["steps"], json!(path));
}

#[test]
fn a_call_waits_in_the_queue_of_a_flow_and_goes_on_behind_its_agent() {
    let (gateway, folder) = (Gateway::start(""), tempfile::tempdir().expect("a folder"));
    let application = queues::application("");
    let queue = json!({"queue_name": "support", "wait_url": application.url("/wait"), "wait_url_method": "GET"});
    let ways = [("callComplete", "thanks"), ("failedToEnqueue", ""), ("callFailure", "")];
    let (sid, url) = publish(
        &gateway,
        folder.path(),
        &flow(&[
            trigger("incomingCall", "queue"),
            state("queue", "enqueue-call", &queue, &ways),
            say("thanks", "Thank you.", ""),
        ]),
    );
    desk(&gateway, &[("VoiceUrl", &url)]);
    let alice = Party::new();
    let call = caller(&gateway, &alice);
    queues::queue_with(&gateway, 1);
    let agent = Agent::call(&gateway, &application, Some(2_000));
    agent.phone.finish().expect_success();
    call.finish().expect_success();
    let walked = walked(&gateway, &sid);
    assert_eq!(
        walked["steps"],
        json!(["incomingCall queue", "callComplete thanks", "audioComplete Ended"])
    );
    assert_eq!(walked["context"]["widgets"]["queue"]["QueueResult"], "bridged");
    application.wait_for_path("/wait");
}

#[test]
fn an_application_gets_the_call_of_a_flow_and_gives_it_back() {
    let (gateway, folder) = (Gateway::start(""), tempfile::tempdir().expect("a folder"));
    let application = Application::start(|asked| {
        let back = asked.parameter("Back").unwrap_or_default().to_owned();
        let back = back + "?FlowEvent=return&amp;Colour=blue";
        Answer::twiml(&format!("<Say>Blue.</Say><Redirect>{back}</Redirect>"))
    });
    // The flow does not know its own address before it is made.
    let away =
        json!({"url": application.url("/away?Back={{flow.variables.back}}"), "method": "GET"});
    let back = "https://webhooks.sidetone.test/v1/Accounts/{{trigger.call.AccountSid}}/Flows/{{flow.flow_sid}}";
    let back = json!({"variables": [{"key": "back", "value": back}]});
    let ways = [("return", "thanks"), ("fail", ""), ("timeout", "")];
    let (sid, url) = publish(
        &gateway,
        folder.path(),
        &flow(&[
            trigger("incomingCall", "back"),
            state("back", "set-variables", &back, &[("next", "away")]),
            state("away", "add-twiml-redirect", &away, &ways),
            say("thanks", "{{widgets.away.Colour}}.", ""),
        ]),
    );
    desk(&gateway, &[("VoiceUrl", &url)]);
    let alice = Party::new();
    caller(&gateway, &alice).finish().expect_success();
    let walked = walked(&gateway, &sid);
    let path = ["incomingCall back", "next away", "return thanks", "audioComplete Ended"];
    assert_eq!(walked["steps"], json!(path));
    assert_eq!(walked["context"]["widgets"]["away"]["Colour"], "blue");
}

#[test]
fn an_execution_that_fails_leaves_its_call_to_the_fallback_of_domain_number_and_application() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = Gateway::start(
        "[[trunk]]\nname = \"carrier\"\naddresses = [\"127.0.0.1/32\"]\ndomain = \"desk\"\n",
    );
    let application = Application::start(|asked| match asked.path.as_str() {
        "/fallback" => Answer::twiml("<Reject reason=\"busy\"/>"),
        _ => Answer::status(204),
    });
    let agents = json!({"workflow": format!("WW{}", "1".repeat(32)), "channel": format!("TC{}", "1".repeat(32))});
    let (sid, url) = publish(
        &gateway,
        folder.path(),
        &flow(&[
            trigger("incomingCall", "agents"),
            state("agents", "send-to-flex", &agents, &[("callComplete", "")]),
        ]),
    );
    let fallback = |of: &str| application.url(&format!("/fallback?of={of}"));
    let status = |of: &str| application.url(&format!("/status?of={of}"));
    gateway.domain(
        "desk",
        &[
            ("VoiceUrl", &url),
            ("VoiceFallbackUrl", &fallback("domain")),
            ("VoiceStatusCallbackUrl", &status("domain")),
        ],
    );
    let urls = |of: &str| {
        [
            ("VoiceUrl", url.clone()),
            ("VoiceFallbackUrl", fallback(of)),
            ("StatusCallback", status(of)),
        ]
    };
    let create = |resource: &str, more: (&str, &str), urls: &[(&str, String)]| {
        let urls = urls.iter().map(|(name, url)| (*name, url.as_str()));
        gateway.create(resource, &[more].into_iter().chain(urls).collect::<Vec<_>>()).text("sid")
    };
    let numbers = "IncomingPhoneNumbers.json";
    create(numbers, ("PhoneNumber", "+15550123"), &urls("number"));
    let app = create("Applications.json", ("FriendlyName", "app"), &urls("application"));
    create(numbers, ("PhoneNumber", "+15550124"), &[("VoiceApplicationSid", app)]);
    let party = Party::new();
    let to = [("domain", "+15550125"), ("number", "+15550123"), ("application", "+15550124")];
    for (of, number) in to {
        let scenario = sipp::invite("") + &sipp::refused(486);
        let scenario = scenario.replace("sip:[user]@[domain]", &format!("tel:{number}"));
        let call = Sipp::new(&scenario).key("media", &party.port().to_string()).key("formats", "0");
        call.call(gateway.sip_udp, 1).expect_success();
        let at = |path: &str| {
            let target = format!("{path}?of={of}");
            application.wait_for(&target, |asked| asked.target == target)
        };
        let asked = at("/fallback");
        assert_eq!(asked.parameter("ErrorCode"), Some("11200"), "{of}");
        assert_eq!(asked.parameter("ErrorUrl"), Some(url.as_str()), "{of}");
        let ended = at("/status");
        assert_eq!(ended.parameter("CallStatus"), Some("busy"), "{of}");
        for asked in [&asked, &ended] {
            let signature = asked.headers.get("x-twilio-signature").expect("signed");
            let url = application.url(&asked.target);
            assert!(sdk::signature_is_valid(&url, &asked.parameters, signature), "{of}");
            assert_eq!(asked.parameter("AccountSid"), Some(ACCOUNT));
        }
    }
    let list = request(&gateway, "GET", &format!("/v2/Flows/{sid}/Executions"), &[]).json();
    let executions = list["executions"].as_array().expect("a list");
    let told = |name: &str| {
        let told = executions.iter().map(|one| one["context"]["trigger"]["call"][name].clone());
        told.collect::<Vec<_>>()
    };
    // Newest first. A flow gets the parameters of an ordinary webhook.
    assert_eq!(told("To"), ["+15550124", "+15550123", "+15550125"]);
    assert_eq!(told("CallStatus"), ["ringing"; 3]);
    assert!(executions.iter().all(|one| one["status"] == "ended"), "{list}");
    let notified = |code: &str| {
        let list = gateway.fetch("Notifications.json").json();
        let rows = list["notifications"].as_array().expect("a list");
        rows.iter().filter(|row| row["error_code"] == code && row["call_sid"].is_string()).count()
    };
    wait::until("a notification of each kind and call", || {
        (notified("81020"), notified("11200")) == (3, 3)
    });
    let metrics = gateway.metrics();
    assert_eq!(metrics.value("studio_executions_failed_total"), 3);
    assert_eq!(metrics.value("studio_executions_active"), 0);
}
