//! The voice functions of the vendor's collection of templates, each with three events, against Node.
//!
//! The collection is no part of this repository. The test fetches the revision below and compares each file with its hash
//! in `templates.tsv`; where it cannot be fetched, it says that nothing was proved, and `make soak` fails.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::party::Worker;

/// Where the collection is fetched from, unless `SIDETONE_FUNCTION_TEMPLATES` names another copy.
const SOURCE: &str = "https://github.com/twilio-labs/function-templates";
const REVISION: &str = "ae2f2ee335d238b7879ac03f016fd53282aa5471";
/// Runs of which this many may differ: an engine words its own errors in its own way.
const DIFFERENT_MAX: usize = 5;

/// A function of a template: files of its folder by the names under which they are deployed.
struct Template {
    file: String,
    name: String,
    functions: BTreeMap<String, String>,
    assets: BTreeMap<String, String>,
}

#[test]
fn voice_functions_of_the_vendors_templates_answer_as_in_node() {
    let folder = tempfile::tempdir().expect("a folder");
    if let Err(why) = fetch(folder.path()) {
        let is_soak = std::env::var_os("SIDETONE_SOAK").is_some();
        assert!(!is_soak, "{SOURCE} cannot be fetched: {why}");
        println!("NOT RUN, nothing is proved: {SOURCE} cannot be fetched: {why}");
        return;
    }
    let root = folder.path();
    let templates: Vec<_> = files().map(|file| Template::of(root, file)).collect();
    let cases: Vec<(&Template, Value)> = templates
        .iter()
        .flat_map(|template| events().into_iter().map(move |event| (template, event)))
        .collect();
    let expected = in_node(root, &cases);
    let (mut different, mut documents) = (Vec::new(), 0);
    for ((template, event), expected) in cases.iter().zip(&expected) {
        let got = template.run(root, event);
        documents += usize::from(got[1].as_str().is_some_and(|body| body.contains("<Response")));
        if got != without_paths(expected) {
            different.push(format!("{} {event}\n  Node {expected}\n  here {got}", template.file));
        }
    }
    assert!(different.len() <= DIFFERENT_MAX, "{}", different.join("\n"));
    assert!(cases.len() >= 78 && documents >= 60, "{documents} documents of {}", cases.len());
    println!("{} of {} runs are equal", cases.len() - different.len(), cases.len());
}

fn files() -> impl Iterator<Item = &'static str> {
    include_str!("templates.tsv")
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(_, file)| file)
}

fn fetch(folder: &Path) -> Result<(), String> {
    let source = std::env::var("SIDETONE_FUNCTION_TEMPLATES").unwrap_or_else(|_| SOURCE.to_owned());
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.env("GIT_TERMINAL_PROMPT", "0").arg("-C").arg(folder).args(arguments);
        let output = command.output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    };
    git(&["init", "-q"])?;
    git(&["fetch", "-q", "--depth", "1", &source, REVISION])?;
    git(&["checkout", "-q", REVISION])?;
    for line in include_str!("templates.tsv").lines() {
        let (hash, file) = line.split_once('\t').expect("hash and name");
        let content =
            std::fs::read(folder.join(file)).map_err(|error| format!("{file}: {error}"))?;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &content);
        let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, hash, "{file} is another one");
    }
    Ok(())
}

/// An empty one, a phone's, and a later request of a document with everything that the templates look at.
fn events() -> Vec<Value> {
    vec![
        json!({}),
        json!({
            "From": "+14155550100", "To": "+14155550199", "Caller": "+14155550100",
            "CallSid": format!("CA{:032x}", 1), "CallStatus": "ringing", "Direction": "inbound",
        }),
        json!({
            "From": "sip:alice@desk.sip.example.org", "To": "sip:bob@desk.sip.example.org", "Digits": "1",
            "DialCallStatus": "no-answer", "Dial": "true", "Message": "Hello & welcome",
            "PhoneNumber": "+14155550123", "SpeechResult": "sales", "url": "https://a.example.org/?b=c&d",
        }),
    ]
}

fn context() -> Value {
    json!({
        "DOMAIN_NAME": "t-1234.example.org", "PATH": "/it", "SERVICE_SID": "ZS1", "ENVIRONMENT_SID": "ZE1",
        "ACCOUNT_SID": format!("AC{:032x}", 1), "AUTH_TOKEN": "secret", "MY_PHONE_NUMBER": "+14155550111",
    })
}

/// Every answer of Node, in the order of the cases: status and body.
fn in_node(root: &Path, cases: &[(&Template, Value)]) -> Vec<Value> {
    let cases: Vec<_> = cases
        .iter()
        .map(|(template, event)| {
            let mut event = event.clone();
            event["request"] = json!({ "headers": {}, "cookies": {} });
            json!({
                "file": template.file, "event": event, "context": context(),
                "functions": template.functions, "assets": template.assets,
            })
        })
        .collect();
    let clients = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../clients/node");
    let oracle = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/worker/oracle.js");
    let mut node = Command::new("node")
        .arg(oracle)
        .arg(root)
        .current_dir(clients)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is installed");
    let input = serde_json::to_vec(&cases).expect("JSON");
    node.stdin.take().expect("a pipe").write_all(&input).expect("written");
    let output = node.wait_with_output().expect("it ends");
    serde_json::from_slice(&output.stdout).expect("a list of answers")
}

/// An error about a module names the files that wanted it, each machine its own.
fn without_paths(answer: &Value) -> Value {
    let body = answer[1].as_str().unwrap_or_default();
    json!([answer[0], body.split("\nRequire stack").next()])
}

impl Template {
    fn of(root: &Path, file: &str) -> Self {
        let folder = file.split('/').next().unwrap_or_default();
        let below = |kind: &str| {
            let mut found = Vec::new();
            walk(root, &format!("{folder}/{kind}"), &mut found);
            found
        };
        // `name.protected.js` is deployed as `name`, `text.private.txt` as `text.txt`.
        let deployed = |path: &str| path.replace(".protected.", ".").replace(".private.", ".");
        let functions: BTreeMap<String, String> = below("functions")
            .into_iter()
            .filter_map(|path| {
                let name = deployed(&path).strip_suffix(".js")?.to_owned();
                let name = name.strip_prefix(&format!("{folder}/functions/"))?.to_owned();
                Some((name, path))
            })
            .collect();
        let assets = below("assets")
            .into_iter()
            .filter(|path| path.contains(".private."))
            .filter_map(|path| {
                let name = deployed(&path).strip_prefix(&format!("{folder}/assets"))?.to_owned();
                Some((name, path))
            });
        let name = functions.iter().find(|(_, path)| *path == file).map(|(name, _)| name.clone());
        Self {
            file: file.to_owned(),
            name: name.expect("it is in its folder"),
            assets: assets.collect(),
            functions,
        }
    }

    fn run(&self, root: &Path, event: &Value) -> Value {
        let read = |path: &String| std::fs::read(root.join(path)).expect("readable");
        let functions: Vec<(String, String)> = self
            .functions
            .iter()
            .map(|(name, path)| (name.clone(), String::from_utf8_lossy(&read(path)).into_owned()))
            .collect();
        let functions: Vec<_> =
            functions.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let assets: Vec<(&String, Vec<u8>)> =
            self.assets.iter().map(|(name, path)| (name, read(path))).collect();
        let assets: Vec<_> =
            assets.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
        let mut worker = Worker::of(&functions, &assets, &[]);
        let mut event = event.clone();
        event["request"] = json!({ "headers": {}, "cookies": {} });
        let answer = worker.run_in(&self.name, event, context(), |_| (404, "{}".to_owned()));
        without_paths(&json!([answer.status, answer.failure.unwrap_or(answer.body)]))
    }
}

fn walk(root: &Path, folder: &str, found: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(root.join(folder)) else { return };
    for entry in entries.map(|entry| entry.expect("readable")) {
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        match entry.path().is_dir() {
            true => walk(root, &path, found),
            false => found.push(path),
        }
    }
}
