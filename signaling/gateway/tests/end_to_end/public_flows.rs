//! Flows that people published: each is imported, checked, and walked through its branches in memory; two are walked by a phone.
//!
//! The flows are no part of this repository: most have no licence. The test fetches the commits below; where that is not possible it
//! says that nothing was proved, and `make soak` fails. `SIDETONE_STUDIO_SOURCE` names another place than the forge.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use studio::{Flow, Problem};

use crate::flow_graph::Graph;
use crate::flow_walker::Walker;
use crate::gateway::Gateway;
use crate::rtp::{Party, Stream};
use crate::studio::{publish, steps, walked};
use crate::studio_widgets::{caller, desk};
use crate::{sipp, transfers, wait};

/// Repository, commit, path.
const FLOWS: &[(&str, &str, &str)] = &[
    ("mgmuscari/accfb-foodnow", "8fa12c19ba1fa92c1e0040d34a132e2be1f53c5d", "studio/bot_flow.json"),
    (
        "mgmuscari/accfb-foodnow",
        "8fa12c19ba1fa92c1e0040d34a132e2be1f53c5d",
        "studio/fallback_flow.json",
    ),
    (
        "TwilioDevEd/cedrics-joke-hotline-superclass-studio",
        "1233485fdb5e1ce32c74d197aa5668c9102c2871",
        "studio/flow.json",
    ),
    ("andrej-s/twilio-segment-ivr", "303805219c85cb907860f78e0e300190bad24a78", "studio/flow.json"),
    ("dsmwong/what3words", "d7bc551da924f3d5770a6cc2f15f69e1cdad4cc2", "studio/flow.json"),
    ("mbarry-owl/OrderLookupIVR", "a047c3049ab323a94b83f176111a41ddbe7d45e9", "studio/flow.json"),
    ("kuschanton/call-gpt", "1bb72a8621e49c494b5f614bd1c95826a16fdc45", "studio/flow.json"),
    ("jesperfj/twilio-ivr-studio", "9390437418c86f0d84672ab58a4a056d39675de9", "flows/ivr.json"),
    ("vernig/twilio-autodialer", "11fedaf14d58404006307cd09c1ea70ebcdf5481", "studio-flow.json"),
    ("teresan/call-tracking", "390cc3bc072ae69b11c48009210ea0115e91a250", "studio/flow.json"),
    ("twilio-demos/dtolb-gd-poc", "7a7a962cdf535bc0b9840e2fad150aaad75f030c", "studio-flow.json"),
    ("kun432/voiceflow-twilio", "05ccc30676732f324025333804328bd37abb4cd4", "twilio-studio.json"),
    (
        "kris-payne/Twilio-Flex-with-Dynamics365",
        "bf61501879646419570158b97ab3f0859d22278e",
        "studioFlow.json",
    ),
    (
        "Cfee2000/DialogflowCX_VirtualAgent_Voice_Conversations",
        "74322914d81a8a51ed04d5b871c81125b84ed66b",
        "studioFlow.json",
    ),
    ("datakabeta/twilio-eppo", "74f2d20f0e50e8cdde287585114278bf40221924", "studio-flow.json"),
];

/// Flows of the list that are walked through each of their branches, at least.
const WHOLE_MIN: usize = 10;

#[test]
fn flows_that_people_published_are_imported_and_walked() {
    let (mut failed, mut fetched_all, mut whole) = (Vec::new(), true, 0);
    for (repository, commit, path) in FLOWS {
        let Some(definition) = fetched(repository, commit, path) else {
            fetched_all = false;
            continue;
        };
        let walked = walk_all(&definition);
        println!("{repository} {path}: {walked}");
        whole += usize::from(walked.out_of_reach.is_empty());
        if !walked.missed.is_empty() {
            failed.push(format!("{repository} {path}: {:?}", walked.missed));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
    assert!(
        !fetched_all || whole >= WHOLE_MIN,
        "{whole} flows have no branch that is out of reach"
    );
}

/// A definition of the list; `None`, and a line that says so, where it cannot be fetched.
fn definition_of(repository: &str, path: &str) -> Option<Value> {
    let is_it = |(of, _, at): &&(&str, &str, &str)| (*of, *at) == (repository, path);
    let (_, commit, _) = FLOWS.iter().find(is_it).expect("it is in the list");
    fetched(repository, commit, path)
}

fn fetched(repository: &str, commit: &str, path: &str) -> Option<Value> {
    let folder = tempfile::tempdir().expect("a folder");
    match fetch(folder.path(), repository, commit, path) {
        Ok(text) => Some(serde_json::from_str(&text).expect("JSON")),
        Err(why) => {
            let is_soak = std::env::var_os("SIDETONE_SOAK").is_some();
            assert!(!is_soak, "{repository} cannot be fetched: {why}");
            println!("{repository} {path}: NOT RUN, nothing is proved: {why}");
            None
        }
    }
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

/// What walks from the flow's own trigger found.
struct Walked {
    taken: usize,
    /// Transitions that no walk took, though an execution can.
    missed: BTreeSet<String>,
    /// Transitions that no execution can take.
    out_of_reach: BTreeSet<String>,
}

impl fmt::Display for Walked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { taken, missed, out_of_reach } = self;
        write!(f, "{taken} transitions taken, missed {missed:?}, out of reach {out_of_reach:?}")
    }
}

fn walk_all(definition: &Value) -> Walked {
    let sentences =
        |problems: Vec<Problem>| problems.iter().map(Problem::to_string).collect::<Vec<_>>();
    let flow = Flow::read(&definition.to_string()).map_err(sentences).expect("valid");
    let graph = Graph::of(definition);
    let (all, wanted) = (graph.all(), graph.within_reach());
    let taken = Walker::new(Arc::new(flow), definition).search(&wanted);
    let out_of_reach: BTreeSet<_> = all.difference(&wanted).cloned().collect();
    let refuted: Vec<_> = taken.intersection(&out_of_reach).collect();
    assert!(refuted.is_empty(), "taken, though out of reach: {refuted:?}");
    let missed = wanted.difference(&taken).cloned().collect();
    Walked { taken: taken.intersection(&all).count(), missed, out_of_reach }
}

#[test]
fn a_phone_walks_a_published_menu_by_its_keys() {
    let Some(definition) = definition_of("jesperfj/twilio-ivr-studio", "flows/ivr.json") else {
        return;
    };
    let (gateway, folder) = (Gateway::start(""), tempfile::tempdir().expect("a folder"));
    let (sid, url) = publish(&gateway, folder.path(), &definition);
    desk(&gateway, &[("VoiceUrl", &url)]);
    let alice = Party::new();
    let call = caller(&gateway, &alice);
    let (_, media) = alice.receive().expect("the greeting");
    let mut stream = Stream::new(0x5EED);
    // Its first menu waits for more keys until nothing came for five seconds.
    stream.press(&alice, media, 101, 1);
    wait::until("the second menu", || steps(&gateway, &sid).contains("\"gather_1\""));
    stream.press(&alice, media, 101, 1);
    stream.press(&alice, media, 101, 11);
    call.finish().expect_success();
    let walked = walked(&gateway, &sid);
    let path = [
        "incomingCall gather_input",
        "keypress split_key_press",
        "match gather_1",
        "keypress split_2",
        "match want-widget",
        "audioComplete Ended",
    ];
    assert_eq!(walked["steps"], json!(path));
    assert_eq!(walked["context"]["widgets"]["gather_1"]["Digits"], "1");
}

#[test]
fn a_phone_is_connected_by_a_published_flow() {
    let definition = definition_of("mgmuscari/accfb-foodnow", "studio/fallback_flow.json");
    let Some(definition) = definition else { return };
    let (port, folder) = (sipp::free_port(), tempfile::tempdir().expect("a folder"));
    let gateway = Gateway::start(&format!(
        "[[trunk]]\nname = \"carrier\"\ntargets = [\"sip:127.0.0.1:{port}\"]\n"
    ));
    let (sid, url) = publish(&gateway, folder.path(), &definition);
    desk(&gateway, &[("VoiceUrl", &url)]);
    let (alice, helpline) = (Party::new(), Party::new());
    let callee = transfers::callee(port, &helpline, Some(1_000));
    let call = caller(&gateway, &alice);
    let dialled = callee.finish().expect_success().messages();
    assert!(dialled.contains("INVITE sip:+18008703663@"), "{dialled}");
    call.finish().expect_success();
    let walked = walked(&gateway, &sid);
    let path = [
        "incomingCall apologize_english",
        "audioComplete apologize_spanish",
        "audioComplete connect_to_helpline",
        "callCompleted Ended",
    ];
    assert_eq!(walked["steps"], json!(path));
    assert_eq!(walked["context"]["widgets"]["connect_to_helpline"]["DialCallStatus"], "completed");
}
