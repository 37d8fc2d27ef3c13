//! The official, unmodified SDKs, in their own processes.

use std::path::PathBuf;
use std::process::Command;

use crate::gateway::{ACCOUNT, Gateway, TOKEN};
use crate::program::Program;

pub fn clients() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/clients"))
}

/// A program of the Python of the tests.
pub fn program(name: &str) -> PathBuf {
    clients().join("python/bin").join(name)
}

/// Runs Python with `client` set up as the contract says; answers what it prints.
pub fn python(gateway: &Gateway, body: &str) -> String {
    let script = python_script(gateway, body);
    let python = clients().join("python/bin/python");
    run(Command::new(python).arg("-c").arg(script))
}

fn python_script(gateway: &Gateway, body: &str) -> String {
    format!(
        "from twilio.rest import Client\n\
         client = Client('{ACCOUNT}', '{TOKEN}', environment={{'_': ''}})\n\
         for domain in (client.api, client.voice, client.monitor, client.studio):\n    domain.base_url = 'http://{}'\n{body}",
        gateway.http
    )
}

/// Starts Python with `client` set up as the contract says; it goes on by itself.
pub fn python_running(gateway: &Gateway, body: &str) -> Program {
    let mut command = Command::new(clients().join("python/bin/python"));
    Program::start(command.arg("-c").arg(python_script(gateway, body)))
}

/// Runs Node with `client` set up as the contract says; `body` runs in an async function.
pub fn node(gateway: &Gateway, body: &str) -> String {
    let script = format!(
        "const client = require('twilio')('{ACCOUNT}', '{TOKEN}');\n\
         for (const d of ['api', 'voice', 'monitor', 'studio']) client[d].baseUrl = 'http://{}';\n\
         (async () => {{\n{body}\n}})().catch(error => {{ console.error(error); process.exit(1); }});",
        gateway.http
    );
    run(Command::new("node").current_dir(clients().join("node")).arg("-e").arg(script))
}

/// Whether the SDK's own validator accepts a signature.
pub fn signature_is_valid(url: &str, parameters: &[(String, String)], signature: &str) -> bool {
    let parameters = serde_json::to_string(parameters).expect("JSON");
    let script = "import json, sys\n\
        from twilio.request_validator import RequestValidator\n\
        token, url, parameters, signature = sys.argv[1:]\n\
        print(RequestValidator(token).validate(url, dict(json.loads(parameters)), signature))";
    let python = clients().join("python/bin/python");
    let arguments = ["-c", script, TOKEN, url, &parameters, signature];
    run(Command::new(python).args(arguments)).trim() == "True"
}

/// Runs a Python file of the tests with arguments (pjsua2 clients).
pub fn python_file(name: &str, arguments: &[&str]) -> Command {
    file_by("python", name, arguments)
}

/// The same with the frameworks of voice bots.
pub fn bot_file(name: &str, arguments: &[&str]) -> Command {
    file_by("bots", name, arguments)
}

fn file_by(environment: &str, name: &str, arguments: &[&str]) -> Command {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end").join(name);
    let mut command = Command::new(clients().join(environment).join("bin/python"));
    command.arg(file).args(arguments);
    command
}

/// Runs a module of Node with the agents SDK.
pub fn agents(module: &str) -> Command {
    let mut command = Command::new("node");
    command.current_dir(clients().join("agents"));
    command.args(["--input-type=module", "-e", module]);
    command
}

/// Runs a client and answers what it prints.
pub fn run(command: &mut Command) -> String {
    command.env_remove("TWILIO_REGION").env_remove("TWILIO_EDGE");
    let output = command.output().expect("the client is installed (make clients)");
    let errors = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "the client failed:\n{printed}\n{errors}");
    printed
}
