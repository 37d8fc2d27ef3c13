//! Queues with phones and SDKs that others wrote: what a caller hears while it waits, and what the applications of
//! both parties get.

use crate::application::{Answer, Application, Asked};
use crate::gateway::Gateway;
use crate::phone::{Caller, PASSWORD};
use crate::rtp::{Party, Talker};
use crate::sdk;
use crate::sipp::{self, Running, Sipp};
use crate::transfers;
use crate::wait::until;

/// What the parties say, and what the application plays.
const ALICE: u8 = 0xA1;
const BOB: u8 = 0xB2;
const CAROL: u8 = 0xC3;
const MUSIC: u8 = 0x22;
const WHISPER: u8 = 0x44;
/// A second of it.
const WHISPER_PACKETS: usize = 50;

/// An application that answers a call with `enqueue`, and an agent's call with the front of the queue `support`.
pub fn application(enqueue: &'static str) -> Application {
    Application::start(move |asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(enqueue),
        "/wait" => Answer::twiml("<Play>/music</Play>"),
        "/pause" => Answer::twiml("<Pause length=\"2\"/><Leave/>"),
        "/music" => Answer::file("audio/basic", vec![MUSIC; 50 * 160]),
        "/agent" => {
            Answer::twiml("<Dial action=\"/served\"><Queue url=\"/whisper\">support</Queue></Dial>")
        }
        "/whisper" => Answer::twiml("<Play>/prompt</Play>"),
        "/prompt" => Answer::file("audio/basic", vec![WHISPER; WHISPER_PACKETS * 160]),
        _ => Answer::twiml("<Hangup/>"),
    })
}

/// A gateway whose domain is open to this machine.
fn gateway_for(application: &Application) -> Gateway {
    let gateway = Gateway::start("");
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    gateway
}

/// SIPp calls, and is hung up.
fn caller(gateway: &Gateway, party: &Party) -> Running {
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    Sipp::caller(&scenario, party.port()).start(gateway.sip_udp)
}

/// An agent whose call by REST serves the queue.
pub struct Agent {
    sid: String,
    talker: Talker,
    pub phone: Running,
}

impl Agent {
    /// Calls it; it hangs up after so many milliseconds, or is hung up.
    pub fn call(gateway: &Gateway, application: &Application, hangs_up_after: Option<u32>) -> Self {
        let (port, party) = (sipp::free_port(), Party::new());
        let phone = transfers::callee(port, &party, hangs_up_after);
        let talker = Talker::start(party, BOB, 20);
        let to = format!("sip:bob@127.0.0.1:{port}");
        let url = application.url("/agent");
        let form = [("To", to.as_str()), ("From", "desk"), ("Url", &url)];
        let sid = gateway.create("Calls.json", &form).text("sid");
        Self { sid, talker, phone }
    }
}

#[track_caller]
fn parameter<'a>(asked: &'a Asked, name: &str) -> &'a str {
    asked.parameter(name).unwrap_or_else(|| panic!("no {name} in {asked:#?}"))
}

#[track_caller]
fn seconds(asked: &Asked, name: &str) -> u32 {
    parameter(asked, name).parse().expect("seconds")
}

/// The SID of the queue `support`, once this number of calls wait in it.
pub fn queue_with(gateway: &Gateway, calls: u64) -> String {
    crate::wait::found("queue with its calls", || {
        let queues = gateway.fetch("Queues.json").json();
        let queue = &queues["queues"][0];
        match (queue["sid"].as_str(), queue["current_size"].as_u64()) {
            (Some(sid), Some(size)) if size == calls => Ok(sid.to_owned()),
            _ => Err(format!("{queues:#}")),
        }
    })
}

#[test]
fn the_front_hears_music_and_the_whisper_and_talks_with_the_agent_who_hangs_up() {
    let application = application("<Enqueue action=\"/left\" waitUrl=\"/wait\">support</Enqueue>");
    let gateway = gateway_for(&application);
    let (alice, carol) = (Party::new(), Party::new());
    let alice_calls = caller(&gateway, &alice);
    let alice = Talker::start(alice, ALICE, 20);
    let queue = queue_with(&gateway, 1);
    let _carol_calls = caller(&gateway, &carol);
    let carol = Talker::start(carol, CAROL, 20);
    queue_with(&gateway, 2);
    until("music for both", || alice.heard(MUSIC) >= 60 && carol.heard(MUSIC) >= 25);
    let voice = application.wait_for_count("/voice", 2);
    let [of_alice, of_carol] = [0, 1].map(|number| parameter(&voice[number], "CallSid").to_owned());
    let waits = |sid: &str, position: &str| {
        application.wait_for("for the place in the queue", |asked| {
            asked.path == "/wait"
                && asked.parameter("CallSid") == Some(sid)
                && asked.parameter("QueuePosition") == Some(position)
        })
    };
    assert_eq!(parameter(&waits(&of_alice, "1"), "CurrentQueueSize"), "1");
    let second = waits(&of_carol, "2");
    assert_eq!(parameter(&second, "QueueSid"), queue);
    assert_eq!(parameter(&second, "MaxQueueSize"), "1000");
    assert_eq!((seconds(&second, "QueueTime"), parameter(&second, "CurrentQueueSize")), (0, "2"));

    let agent = Agent::call(&gateway, &application, Some(4_000));
    let whisper = application.wait_for_path("/whisper");
    assert_eq!(parameter(&whisper, "CallSid"), of_alice);
    assert_eq!(parameter(&whisper, "DequeingCallSid"), agent.sid);
    assert_eq!(parameter(&whisper, "QueueSid"), queue);
    until("alice and the agent to hear each other", || {
        alice.heard(BOB) > 25 && agent.talker.heard(ALICE) > 25
    });
    assert_eq!(alice.heard(WHISPER), WHISPER_PACKETS, "the whisper is whole");
    assert_eq!(agent.talker.heard(WHISPER), 0, "only the queued call hears it");
    let music = alice.heard(MUSIC);
    assert_eq!((carol.heard(BOB), agent.talker.heard(CAROL)), (0, 0));
    // She is the first now, and hears the music again from its begin.
    waits(&of_carol, "1");
    agent.phone.finish().expect_success();

    let left = application.wait_for_path("/left");
    assert_eq!(
        (parameter(&left, "CallSid"), parameter(&left, "QueueResult")),
        (&*of_alice, "bridged")
    );
    assert_eq!(parameter(&left, "QueueSid"), queue);
    let waited = seconds(&left, "QueueTime");
    assert!((1..=15).contains(&waited), "{waited} s");
    assert_eq!(waited, seconds(&whisper, "QueueTime"), "the time until the agent took the call");
    let served = application.wait_for_path("/served");
    assert_eq!(parameter(&served, "CallSid"), agent.sid);
    assert_eq!(parameter(&served, "DialCallStatus"), "completed");
    assert_eq!(parameter(&served, "DialCallSid"), of_alice);
    assert_eq!(parameter(&served, "DialBridged"), "true");
    let talked = seconds(&served, "DialCallDuration");
    assert!((1..=4).contains(&talked), "{talked} s of the 4 s of the agent's call");
    alice_calls.finish().expect_success();
    assert_eq!(alice.heard(MUSIC), music, "no music while they talked");
}

#[test]
fn a_phone_hears_the_built_in_music_and_hangs_up_on_the_agent() {
    let application = application("<Enqueue action=\"/left\">support</Enqueue>");
    let gateway = Gateway::start_with_default_domain("desk");
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let says = folder.path().join("tone.wav");
    std::fs::write(&says, crate::wav::tone(160_000)).expect("writable");
    std::thread::scope(|scope| {
        let phone = Caller::new(&gateway);
        let listens = scope.spawn(move || phone.call(&["wait=3", "hangup"]));
        let left = application.wait_for_path("/left");
        let music = listens.join().expect("no panic").loud();
        assert!(music > 16_000, "{music} samples of music in 3 s");
        assert_eq!(parameter(&left, "QueueResult"), "hangup");
        assert!((2..=5).contains(&seconds(&left, "QueueTime")), "{left:#?}");

        let talks = Caller::new(&gateway).saying(&says);
        let talks = scope.spawn(move || talks.call(&["wait=8", "hangup"]));
        let queue = queue_with(&gateway, 1);
        let agent = Agent::call(&gateway, &application, None);
        until("the agent to hear the phone", || agent.talker.loud() > 50);
        talks.join().expect("no panic");
        let left = application.wait_for("of a bridged call", |asked| {
            asked.path == "/left" && asked.parameter("QueueResult") == Some("bridged")
        });
        assert_eq!(parameter(&left, "QueueSid"), queue);
        // The answer to the action hangs up.
        let served = application.wait_for_path("/served");
        assert_eq!(parameter(&served, "DialCallStatus"), "completed");
        assert_eq!(parameter(&served, "DialCallSid"), parameter(&left, "CallSid"));
        agent.phone.finish().expect_success();
    });
    gateway.settled();
}

#[test]
fn a_call_leaves_by_its_document_and_another_one_finds_the_queue_full() {
    let application = application("<Enqueue action=\"/left\" waitUrl=\"/pause\">support</Enqueue>");
    let gateway = gateway_for(&application);
    let made = sdk::python(
        &gateway,
        "queue = client.queues.create(friendly_name='support', max_size=1)\n\
         print(queue.sid, queue.max_size, queue.current_size, queue.average_wait_time)\n",
    );
    let queue = made.strip_suffix(" 1 0 0\n").unwrap_or_else(|| panic!("{made}")).to_owned();
    let (alice, carol) = (Party::new(), Party::new());
    let alice_calls = caller(&gateway, &alice);
    let first = application.wait_for_path("/pause");
    assert_eq!(parameter(&first, "MaxQueueSize"), "1");
    caller(&gateway, &carol).finish().expect_success();
    alice_calls.finish().expect_success();
    let left = application.wait_for_count("/left", 2);
    let [full, leave] = &left[..] else { panic!("two calls: {left:#?}") };
    assert_eq!(parameter(full, "QueueResult"), "queue-full");
    assert_eq!((full.parameter("QueueSid"), full.parameter("QueueTime")), (None, None));
    assert_eq!(parameter(leave, "QueueResult"), "leave");
    assert_eq!(parameter(leave, "CallSid"), parameter(&first, "CallSid"));
    assert_eq!((parameter(leave, "QueueSid"), parameter(leave, "QueueTime")), (&*queue, "2"));
    gateway.settled();
    let printed = sdk::python(
        &gateway,
        &format!(
            "[alert] = client.monitor.v1.alerts.list()\n\
             print(alert.error_code, client.queues('{queue}').delete(), client.queues.list())\n"
        ),
    );
    assert_eq!(printed.trim(), "14207 True []");
}

#[test]
fn both_sdks_see_the_members_and_send_any_of_them_elsewhere() {
    let application = application("<Enqueue action=\"/left\">support</Enqueue>");
    let gateway = gateway_for(&application);
    let party = Party::new();
    let mut calls = Vec::new();
    for number in 1..=5 {
        calls.push(caller(&gateway, &party));
        queue_with(&gateway, number);
    }
    let queue = queue_with(&gateway, 5);
    let voice = application.wait_for_count("/voice", 5);
    let sids: Vec<&str> = voice.iter().map(|asked| parameter(asked, "CallSid")).collect();
    let out = application.url("/out");
    let printed = sdk::python(
        &gateway,
        &format!(
            "from twilio.base.exceptions import TwilioRestException\n\
             sids = '{}'.split()\n\
             members = client.queues('{queue}').members\n\
             seen = lambda: [(row.call_sid, row.position) for row in members.list(page_size=2)]\n\
             assert seen() == [(sid, number + 1) for number, sid in enumerate(sids)], seen()\n\
             front = members('Front').fetch()\n\
             assert (front.call_sid, front.position, front.queue_sid) == (sids[0], 1, '{queue}')\n\
             third = members(sids[2]).fetch()\n\
             assert (third.position, third.wait_time <= front.wait_time) == (3, True)\n\
             assert third.date_enqueued >= front.date_enqueued\n\
             figures = client.queues('{queue}').fetch()\n\
             waits = [row.wait_time for row in members.list()]\n\
             assert figures.current_size == 5\n\
             assert abs(figures.average_wait_time - sum(waits) / 5) <= 1, (figures, waits)\n\
             try:\n\
             \x20   client.queues('{queue}').delete()\n\
             \x20   raise SystemExit('calls wait in it')\n\
             except TwilioRestException as error:\n\
             \x20   assert error.status == 409, error\n\
             gone = members(sids[2]).update(url='{out}?who=third')\n\
             assert gone.call_sid == sids[2], gone\n\
             gone = members('Front').update(url='{out}?who=front', method='GET')\n\
             assert gone.call_sid == sids[0], gone\n\
             assert seen() == [(sids[1], 1), (sids[3], 2), (sids[4], 3)], seen()\n\
             try:\n\
             \x20   members(sids[2]).update(url='{out}')\n\
             \x20   raise SystemExit('it has left')\n\
             except TwilioRestException as error:\n\
             \x20   # By then the call may be over, or be hanging up.\n\
             \x20   assert (error.status, error.code) in ((400, 21220), (404, 20404)), error\n\
             print('done')\n",
            sids.join(" "),
        ),
    );
    assert_eq!(printed.trim(), "done");
    let printed = sdk::node(
        &gateway,
        &format!(
            "const members = client.queues('{queue}').members;\n\
             const last = await members('{}').update({{url: '{out}?who=last'}});\n\
             const front = await members('Front').update({{url: '{out}?who=next'}});\n\
             const rest = await members.list();\n\
             const queue = await client.queues('{queue}').fetch();\n\
             console.log(last.callSid, front.callSid, queue.currentSize,\n\
             \x20   ...rest.map(row => row.callSid + ':' + row.position));",
            sids[4],
        ),
    );
    assert_eq!(printed.trim(), format!("{} {} 1 {}:1", sids[4], sids[1], sids[3]));
    for (target, sid) in [("third", 2), ("front", 0), ("last", 4), ("next", 1)] {
        let asked = application
            .wait_for(target, |asked| asked.target.starts_with(&format!("/out?who={target}")));
        let is_get = target == "front";
        assert_eq!(asked.method, if is_get { "GET" } else { "POST" });
        assert_eq!(parameter(&asked, "CallSid"), sids[sid]);
        let left = application.wait_for("its action", |asked| {
            asked.path == "/left" && asked.parameter("CallSid") == Some(sids[sid])
        });
        assert_eq!(parameter(&left, "QueueResult"), "redirected");
        assert_eq!(parameter(&left, "QueueSid"), queue);
    }
    gateway.create(&format!("Calls/{}.json", sids[3]), &[("Status", "completed")]);
    for call in calls {
        call.finish().expect_success();
    }
    assert_eq!(application.wait_for_count("/left", 5).len(), 5, "one action for each call");
    queue_with(&gateway, 0);
}
