//! A queue full of calls: dequeued at the front and at random, and the gateway killed while they wait.
//!
//! The short form runs with every test. The long one, in `make soak`, has 500 calls at once:
//! `SIDETONE_SOAK=1 cargo nextest run --release -p gateway queue_crowd`.

use std::collections::{BTreeSet, VecDeque};

use serde_json::Value;

use crate::application::{Answer, Application, Asked};
use crate::gateway::Gateway;
use crate::load::{Load, resident_kib};
use crate::rtp::Party;
use crate::sipp::{self, Sipp};
use crate::wait;

/// Calls at once, and how often the queue is filled.
struct Form {
    calls: u32,
    rounds: u32,
    /// Memory after the last round beyond that after half of them.
    growth_max_percent: f64,
}

/// In a debug build beside SIPp on two cores. Heap and store still find their size in so few calls, as
/// in `soak.rs`; a call that stayed would hold some 100 KiB.
const SHORT: Form = Form { calls: 50, rounds: 2, growth_max_percent: 6.0 };
const LONG: Form = Form { calls: 500, rounds: 6, growth_max_percent: 3.0 };

/// Calls a second.
const RATE: u32 = 40;

/// Calls wait in silence, each with a media leg that is up.
fn application() -> Application {
    Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml("<Enqueue action=\"/left\" waitUrl=\"\">support</Enqueue>"),
        _ => Answer::twiml("<Hangup/>"),
    })
}

fn open_domain(gateway: &Gateway, application: &Application) {
    let domain = gateway.domain(
        "desk",
        &[
            ("VoiceUrl", &application.url("/voice")),
            ("VoiceStatusCallbackUrl", &application.url("/ended")),
        ],
    );
    gateway.allow_address(&domain, "127.0.0.1");
}

fn waiting() -> String {
    sipp::invite("") + &sipp::answered() + &sipp::hung_up()
}

/// The only queue, once this number of calls wait in it.
fn queue_with(gateway: &Gateway, calls: u32) -> String {
    wait::found("queue with its calls", || {
        let queues = gateway.fetch("Queues.json").json();
        let queue = &queues["queues"][0];
        match queue["sid"].as_str() {
            Some(sid) if queue["current_size"] == calls => Ok(sid.to_owned()),
            _ => Err(format!("{queues:#}")),
        }
    })
}

/// The calls that wait, front first, over all pages.
fn members(gateway: &Gateway, queue: &str) -> VecDeque<String> {
    let mut members = VecDeque::new();
    let mut next = format!("{}Queues/{queue}/Members.json?PageSize=37", account_path());
    loop {
        let page = gateway.get(&next).json();
        for member in page["queue_members"].as_array().expect("a list") {
            assert_eq!(member["position"], members.len() + 1, "{member:#}");
            members.push_back(member["call_sid"].as_str().expect("a SID").to_owned());
        }
        match &page["next_page_uri"] {
            Value::String(uri) => uri.clone_into(&mut next),
            _ => return members,
        }
    }
}

fn account_path() -> String {
    format!("/2010-04-01/Accounts/{}/", crate::gateway::ACCOUNT)
}

/// Takes every other call from the front and the others from the middle, and looks at the rest on the way.
fn empty(gateway: &Gateway, application: &Application, queue: &str) -> Vec<String> {
    let mut expected = members(gateway, queue);
    let (mut left, mut random) = (Vec::new(), 0x2545_F491_u32);
    let out = application.url("/out");
    while !expected.is_empty() {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let is_front = left.len() % 2 == 0;
        let index = if is_front { 0 } else { (random >> 8) as usize % expected.len() };
        let sid = expected.remove(index).expect("it is one of them");
        let name = if is_front { "Front" } else { &sid };
        let path = format!("Queues/{queue}/Members/{name}.json");
        assert_eq!(gateway.create(&path, &[("Url", &out)]).text("call_sid"), sid);
        left.push(sid);
        if left.len() % 10 == 0 {
            assert_eq!(members(gateway, queue), expected);
        }
    }
    left
}

/// Fills the queue and empties it again.
fn round(gateway: &Gateway, application: &Application, number: u32, form: &Form) {
    let load = Load::start(gateway, &waiting(), RATE, form.calls, sipp::SILENT_MEDIA_PORT);
    let queue = queue_with(gateway, form.calls);
    let left = empty(gateway, application, &queue);
    let outcome = load.finish();
    let calls = u64::from(form.calls);
    assert_eq!((outcome.successful, outcome.failed), (calls, 0), "{}", outcome.report);
    for path in ["/out", "/left", "/ended"] {
        let asked = application.wait_for_count(path, (number * form.calls) as usize);
        assert_eq!(asked.len(), (number * form.calls) as usize, "one {path} for each call");
        for sid in &left {
            let of_call = asked.iter().filter(|asked| asked.parameter("CallSid") == Some(sid));
            assert_eq!(of_call.count(), 1, "{path} of {sid}");
        }
    }
    gateway.settled();
    assert_eq!(queue_with(gateway, 0), queue);
    assert!(members(gateway, &queue).is_empty());
}

#[test]
fn a_full_queue_is_emptied_at_the_front_and_at_random_and_nothing_is_lost() {
    let form = if std::env::var_os("SIDETONE_SOAK").is_some() { LONG } else { SHORT };
    let application = application();
    let gateway = Gateway::start_with_media_ports(2_000, "");
    open_domain(&gateway, &application);
    let resident: Vec<u64> = (1..=form.rounds)
        .map(|number| {
            round(&gateway, &application, number, &form);
            resident_kib(gateway.process_id())
        })
        .collect();
    // The rounds before warm up pools, caches and the store's pages.
    let (first, last) =
        (resident[form.rounds as usize / 2 - 1], resident[form.rounds as usize - 1]);
    let growth = (last as f64 / first as f64 - 1.0) * 100.0;
    println!("{} calls a round; {first} KiB, then {last} KiB: {growth:+.2} %", form.calls);
    assert!(growth < form.growth_max_percent, "it grew by {growth:.2} %: {resident:?}");
}

#[test]
fn after_a_kill_the_queue_is_empty_and_the_calls_are_closed() {
    const CALLS: u32 = 4;
    let application = application();
    let gateway = Gateway::start("");
    open_domain(&gateway, &application);
    let load = Load::start(&gateway, &waiting(), RATE, CALLS, sipp::SILENT_MEDIA_PORT);
    let queue = queue_with(&gateway, CALLS);
    let waited = members(&gateway, &queue);
    let folder = gateway.kill();
    drop(load);

    let gateway = Gateway::start_in(folder, "");
    assert_eq!(queue_with(&gateway, 0), queue, "the resource stays");
    let figures = gateway.fetch(&format!("Queues/{queue}.json")).json();
    assert_eq!(figures["average_wait_time"], 0, "{figures:#}");
    assert!(members(&gateway, &queue).is_empty());
    for sid in &waited {
        let call = gateway.fetch(&format!("Calls/{sid}.json")).json();
        assert_eq!(call["status"], "failed", "{call:#}");
        assert!(call["end_time"].is_string(), "{call:#}");
        let gone = gateway.fetch(&format!("Queues/{queue}/Members/{sid}.json"));
        assert_eq!(gone.status, 404);
    }
    // The next caller is the first one.
    let party = Party::new();
    let call = Sipp::caller(&waiting(), party.port()).start(gateway.sip_udp);
    assert_eq!(queue_with(&gateway, 1), queue);
    let next = members(&gateway, &queue);
    assert!(!waited.contains(&next[0]), "{next:?} after {waited:?}");
    let url = application.url("/out");
    gateway.create(&format!("Queues/{queue}/Members/Front.json"), &[("Url", &url)]);
    call.finish().expect_success();
    gateway.settled();
    let is_end =
        |asked: &Asked| asked.path == "/ended" && asked.parameter("CallSid") == Some(&next[0]);
    application.wait_for("the end of the call", is_end);
    // The calls that the kill ended are told of as well. Nothing is told twice, and nobody is told of a queue that the
    // call did not leave.
    let ended = application.wait_for_count("/ended", waited.len() + 1);
    let told: BTreeSet<&str> =
        ended.iter().filter_map(|asked| asked.parameter("CallSid")).collect();
    let all: BTreeSet<&str> = waited.iter().chain(next.front()).map(String::as_str).collect();
    assert_eq!((told, ended.len()), (all, waited.len() + 1));
    for path in ["/left", "/out"] {
        let asked = application.asked();
        let of_path: Vec<_> = asked.iter().filter(|asked| asked.path == path).collect();
        assert_eq!(of_path.len(), 1, "{path}: {of_path:#?}");
    }
}
