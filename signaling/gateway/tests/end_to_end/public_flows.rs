//! Flows that people published: each is imported, checked, and walked through its branches in memory.
//!
//! The flows are no part of this repository: most have no licence. The test fetches the commits below; where that is not possible it
//! says that nothing was proved, and `make soak` fails. `SIDETONE_STUDIO_SOURCE` names another place than the forge.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use shared::{ExecutionSid, FlowSid, Instant, Now};
use studio::{Answer, Data, Effect, Execution, Flow, Input, Order, Problem, Trigger};

/// Repository, commit, path, and how many of the transitions that lead somewhere the walks leave out: those that depend on a
/// variable which no input of this test sets.
const FLOWS: &[(&str, &str, &str, usize)] = &[
    (
        "mgmuscari/accfb-foodnow",
        "8fa12c19ba1fa92c1e0040d34a132e2be1f53c5d",
        "studio/bot_flow.json",
        19,
    ),
    (
        "mgmuscari/accfb-foodnow",
        "8fa12c19ba1fa92c1e0040d34a132e2be1f53c5d",
        "studio/fallback_flow.json",
        0,
    ),
    (
        "TwilioDevEd/cedrics-joke-hotline-superclass-studio",
        "1233485fdb5e1ce32c74d197aa5668c9102c2871",
        "studio/flow.json",
        0,
    ),
    (
        "andrej-s/twilio-segment-ivr",
        "303805219c85cb907860f78e0e300190bad24a78",
        "studio/flow.json",
        1,
    ),
    ("dsmwong/what3words", "d7bc551da924f3d5770a6cc2f15f69e1cdad4cc2", "studio/flow.json", 0),
    (
        "mbarry-owl/OrderLookupIVR",
        "a047c3049ab323a94b83f176111a41ddbe7d45e9",
        "studio/flow.json",
        0,
    ),
    ("kuschanton/call-gpt", "1bb72a8621e49c494b5f614bd1c95826a16fdc45", "studio/flow.json", 0),
    ("vernig/twilio-autodialer", "11fedaf14d58404006307cd09c1ea70ebcdf5481", "studio-flow.json", 0),
    ("teresan/call-tracking", "390cc3bc072ae69b11c48009210ea0115e91a250", "studio/flow.json", 0),
    (
        "twilio-demos/dtolb-gd-poc",
        "7a7a962cdf535bc0b9840e2fad150aaad75f030c",
        "studio-flow.json",
        1,
    ),
    (
        "Cfee2000/DialogflowCX_VirtualAgent_Voice_Conversations",
        "74322914d81a8a51ed04d5b871c81125b84ed66b",
        "studioFlow.json",
        0,
    ),
];

const NOW: Now = Now { mono: Instant::from_millis(1), unix_ms: 1_796_072_709_000 };
/// Walks from each state, and inputs of one walk.
const WALKS: u64 = 150;
const INPUTS: usize = 12;

#[test]
fn flows_that_people_published_are_imported_and_walked() {
    let mut failed = Vec::new();
    for (repository, commit, path, left_out) in FLOWS {
        let folder = tempfile::tempdir().expect("a folder");
        let definition = match fetch(folder.path(), repository, commit, path) {
            Ok(text) => serde_json::from_str(&text).expect("JSON"),
            Err(why) => {
                let is_soak = std::env::var_os("SIDETONE_SOAK").is_some();
                assert!(!is_soak, "{repository} cannot be fetched: {why}");
                println!("{repository} {path}: NOT RUN, nothing is proved: {why}");
                continue;
            }
        };
        let missed = walk_all(&definition);
        println!("{repository} {path}: {} transitions were not reached: {missed:?}", missed.len());
        if missed.len() > *left_out {
            failed.push(format!("{repository} {path}: {missed:?}"));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

fn fetch(folder: &Path, repository: &str, commit: &str, path: &str) -> Result<String, String> {
    let source = std::env::var("SIDETONE_STUDIO_SOURCE");
    let source = source.unwrap_or_else(|_| "https://github.com".to_owned());
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.env("GIT_TERMINAL_PROMPT", "0").arg("-C").arg(folder).args(arguments);
        let output = command.output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.status.success() { Ok(output.stdout) } else { Err(said) }
    };
    git(&["init", "-q"])?;
    git(&["fetch", "-q", "--depth", "1", &format!("{source}/{repository}"), commit])?;
    let file = git(&["show", &format!("{commit}:{path}")])?;
    String::from_utf8(file).map_err(|error| error.to_string())
}

/// The transitions that lead somewhere and that no walk took.
fn walk_all(definition: &Value) -> BTreeSet<String> {
    let states = definition["states"].as_array().expect("states");
    let guesses = guesses(definition);
    let mut taken = BTreeSet::new();
    let mut random = 7;
    for state in states {
        let mut begun = definition.clone();
        let trigger = json!([
            {"event": "incomingCall", "next": state["name"]},
            {"event": "incomingRequest", "next": state["name"]},
        ]);
        for other in begun["states"].as_array_mut().expect("states") {
            if other["type"] == "trigger" && state["type"] != "trigger" {
                other["transitions"] = trigger.clone();
            }
        }
        let flow = Flow::read(&begun.to_string());
        let sentences =
            |problems: Vec<Problem>| problems.iter().map(Problem::to_string).collect::<Vec<_>>();
        let flow = Arc::new(flow.map_err(sentences).expect("valid"));
        for _ in 0..WALKS {
            walk(&flow, &guesses, &mut random, &mut taken);
        }
    }
    let mut wanted = BTreeSet::new();
    for state in states.iter().filter(|state| state["type"] != "trigger" && runs_here(state)) {
        for way in state["transitions"].as_array().into_iter().flatten() {
            if let Some(next) = way["next"].as_str().filter(|next| !next.is_empty()) {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                wanted.insert(format!("{} {} {next}", text(&state["name"]), text(&way["event"])));
            }
        }
    }
    wanted.difference(&taken).cloned().collect()
}

/// Whether the gateway runs the state's widget; others end an execution with 81020.
fn runs_here(state: &Value) -> bool {
    let outside =
        ["send-message", "send-and-wait-for-reply", "send-to-flex", "connect-virtual-agent-v2"];
    !outside.contains(&state["type"].as_str().unwrap_or_default())
}

/// What may decide a split: the texts that conditions compare with, and JSON that has them where conditions look.
struct Guesses {
    texts: Vec<String>,
    bodies: Vec<String>,
}

fn guesses(definition: &Value) -> Guesses {
    let (mut texts, mut bodies) =
        (vec!["zzz".to_owned(), "5".to_owned(), String::new()], vec!["{}".to_owned()]);
    let states = definition["states"].as_array().into_iter().flatten();
    let ways = states.flat_map(|state| state["transitions"].as_array().into_iter().flatten());
    for condition in ways.flat_map(|way| way["conditions"].as_array().into_iter().flatten()) {
        let value = condition["value"].as_str().unwrap_or_default();
        let parts =
            value.split([',', '|']).map(|part| part.replace(['^', '$', '(', ')', '.', '*'], ""));
        for part in parts.chain([value.to_owned()]) {
            let part = part.trim().to_owned();
            let argument = condition["arguments"][0].as_str().unwrap_or_default();
            if let Some((_, path)) = argument.split_once(".parsed.") {
                let path = path.split(['}', ' ', '|']).next().unwrap_or_default();
                let body =
                    path.split('.').rev().fold(json!(part), |inner, key| json!({key: inner}));
                bodies.push(body.to_string());
            }
            texts.push(part);
        }
    }
    Guesses { texts, bodies }
}

fn pick<'t, T>(random: &mut u64, from: &'t [T]) -> &'t T {
    *random =
        random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    &from[usize::try_from(*random >> 33).expect("31 bits") % from.len()]
}

fn walk(flow: &Arc<Flow>, guesses: &Guesses, random: &mut u64, taken: &mut BTreeSet<String>) {
    let call = Trigger::Call(Data::texts([
        ("CallSid", "CA1"),
        ("From", "+15550100"),
        ("To", "+15550101"),
    ]));
    let parameters = Data::map();
    let asked =
        Trigger::Request { to: "+15550100".to_owned(), from: "+15550101".to_owned(), parameters };
    let trigger = if *pick(random, &[true, true, false]) { call } else { asked };
    let mut execution = Execution::new(ExecutionSid(1), FlowSid(2), Arc::clone(flow), &trigger);
    execution.start(NOW, &trigger);
    for _ in 0..INPUTS {
        let effects: Vec<_> = std::iter::from_fn(|| execution.poll_effect()).collect();
        if execution.is_over() {
            break;
        }
        let input = answer(&effects, guesses, random);
        execution.handle(NOW, input);
    }
    let steps = execution.steps().iter();
    taken.extend(steps.map(|step| format!("{} {} {}", step.from, step.event, step.to)));
}

/// One of the inputs that may follow.
fn answer(effects: &[Effect], guesses: &Guesses, random: &mut u64) -> Input {
    let request = |event: &str, pairs: &[(&str, &str)]| {
        let parameters = Data::texts(pairs.iter().copied().chain([("CallSid", "CA1")]));
        Input::Request { event: event.to_owned(), step: None, parameters }
    };
    let text = pick(random, &guesses.texts).clone();
    let document = effects.iter().find_map(|effect| match effect {
        Effect::Respond(document) => Some(document.as_str()),
        _ => None,
    });
    let order = effects.iter().find_map(|effect| match effect {
        Effect::Order(order) => Some(order),
        _ => None,
    });
    match (order, document) {
        (Some(Order::Http(_)), _) => {
            let json = pick(random, &guesses.bodies).clone();
            let body = pick(random, &[json, text]).clone();
            let status = *pick(random, &[200, 200, 500]);
            let content_type =
                if body.starts_with('{') { "application/json" } else { "text/plain" }.to_owned();
            Input::Answer(Answer::Http { status, content_type, body })
        }
        (Some(_), _) => Input::Answer(Answer::Done { resource: Data::texts([("CallSid", "CA1")]) }),
        (None, Some(document)) if document.contains("<Gather") => match pick(random, &[0, 1, 2]) {
            0 => request("gathered", &[("Digits", &text)]),
            1 => request("gathered", &[("SpeechResult", &text)]),
            _ => request("timeout", &[]),
        },
        (None, Some(document)) if document.contains("<Record") => match pick(random, &[0, 1, 2]) {
            0 => request("recorded", &[("RecordingUrl", "https://x")]),
            1 => request("noAudio", &[]),
            _ => request("recorded", &[("RecordingUrl", "https://x"), ("Digits", "hangup")]),
        },
        (None, Some(document)) if document.contains("<Dial") => {
            let status = pick(random, &["in-progress", "completed"]);
            request("connected", &[("CallStatus", status), ("DialCallStatus", "busy")])
        }
        (None, Some(document)) if document.contains("<Enqueue") => request(
            "dequeued",
            &[("QueueResult", *pick(random, &["bridged", "queue-full", "hangup"]))],
        ),
        (None, Some(_)) => request("audioComplete", &[]),
        // A callee.
        (None, None) => match pick(random, &[0, 1, 2, 3]) {
            0 => request("answered", &[]),
            1 => request("status", &[("CallStatus", "busy")]),
            2 => request("status", &[("CallStatus", "no-answer")]),
            _ => request("status", &[("CallStatus", "failed")]),
        },
    }
}
