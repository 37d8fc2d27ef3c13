//! The gateway's side of the pipes, by hand: starts this test program again as a worker.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use functions::message::{self, Deployed, Down, FetchedHead, Invoke, READY, Up};
use serde_json::{Value, json};

/// The worker process of the other tests; by itself it tests nothing.
#[test]
fn worker_process() {
    if std::env::var_os(VARIABLE).is_some() {
        function_worker::worker_main();
        // The test harness would print text, which is not a frame.
        std::process::exit(0);
    }
}

const VARIABLE: &str = "SIDETONE_TEST_FUNCTION_WORKER";

/// A worker with what is deployed on it.
pub struct Worker {
    process: Child,
    input: ChildStdin,
    output: ChildStdout,
    files: BTreeMap<String, Vec<u8>>,
    last: u64,
    pub lacks: String,
}

/// The end of an invocation.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub failure: Option<String>,
    /// Level and text of each line.
    pub lines: Vec<(message::Level, String)>,
}

/// A request of a function to the outside.
#[derive(Debug)]
pub struct Asked {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Worker {
    /// A worker with these functions.
    pub fn with(functions: &[(&str, &str)]) -> Self {
        Self::of(functions, &[], &[])
    }

    /// A worker with functions, private assets and files of packages.
    pub fn of(
        functions: &[(&str, &str)],
        assets: &[(&str, &[u8])],
        modules: &[(&str, &str)],
    ) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "party::worker_process", "--nocapture"])
            .env_clear()
            .env(VARIABLE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let input = process.stdin.take().expect("a pipe");
        let output = process.stdout.take().expect("a pipe");
        let mut files = BTreeMap::new();
        files.extend(
            functions
                .iter()
                .map(|(path, text)| (format!("functions/{path}"), text.as_bytes().to_vec())),
        );
        files.extend(
            assets.iter().map(|(path, content)| (format!("assets{path}"), content.to_vec())),
        );
        files.extend(
            modules
                .iter()
                .map(|(path, text)| (format!("modules/{path}"), text.as_bytes().to_vec())),
        );
        let mut worker = Self { process, input, output, files, last: 0, lacks: String::new() };
        worker.wait_until_ready();
        let names = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let mut module_names = names(modules.iter().map(|(path, _)| *path).collect());
        module_names.sort();
        let deployed = Deployed {
            functions: names(functions.iter().map(|(path, _)| *path).collect()),
            assets: names(assets.iter().map(|(path, _)| *path).collect()),
            modules: module_names,
            variables: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]),
        };
        worker.send(&Down::Start(deployed), &[]);
        worker
    }

    fn wait_until_ready(&mut self) {
        let mut said = Vec::new();
        while !said.ends_with(READY) {
            let mut byte = [0];
            self.output.read_exact(&mut byte).expect("the worker gets ready");
            said.push(byte[0]);
        }
        match self.receive() {
            (Up::Confined { lacks }, _) => self.lacks = lacks,
            other => panic!("{other:?}"),
        }
    }

    pub fn send(&mut self, message: &Down, body: &[u8]) {
        self.input.write_all(&message::frame(message, body)).expect("sent");
    }

    pub fn receive(&mut self) -> (Up, Vec<u8>) {
        let mut lengths = [0; message::LENGTHS_BYTES];
        self.output.read_exact(&mut lengths).expect("a frame");
        let (head, body) =
            message::lengths(lengths, message::UP_BODY_BYTES_MAX).expect("short enough");
        let mut bytes = vec![0; head + body];
        self.output.read_exact(&mut bytes).expect("a whole frame");
        (message::message(&bytes[..head]).expect("a message"), bytes.split_off(head))
    }

    /// Starts an invocation and returns its number.
    pub fn invoke(&mut self, function: &str, event: Value) -> u64 {
        let context = json!({
            "GREETING": "hello", "DOMAIN_NAME": "desk-1234.example.org",
            "ACCOUNT_SID": format!("AC{:032x}", 1), "AUTH_TOKEN": "secret",
        });
        self.invoke_in(function, event, context)
    }

    fn invoke_in(&mut self, function: &str, event: Value, context: Value) -> u64 {
        self.last += 1;
        let invoke =
            Invoke { id: self.last, function: function.to_owned(), event, context, wall_ms: 3_000 };
        self.send(&Down::Invoke(invoke), &[]);
        self.last
    }

    /// Runs a function to its end, without an outside.
    pub fn run(&mut self, function: &str, event: Value) -> Answer {
        self.run_with(function, event, |asked| panic!("{asked:?}"))
    }

    /// Runs a function to its end; `outside` answers its requests.
    pub fn run_with(
        &mut self,
        function: &str,
        event: Value,
        outside: impl FnMut(Asked) -> (u16, String),
    ) -> Answer {
        let id = self.invoke(function, event);
        self.until_over(id, outside)
    }

    /// The same in a context of the caller's.
    pub fn run_in(
        &mut self,
        function: &str,
        event: Value,
        context: Value,
        outside: impl FnMut(Asked) -> (u16, String),
    ) -> Answer {
        let id = self.invoke_in(function, event, context);
        self.until_over(id, outside)
    }

    fn until_over(&mut self, id: u64, mut outside: impl FnMut(Asked) -> (u16, String)) -> Answer {
        let mut lines = Vec::new();
        loop {
            match self.receive() {
                (Up::Log { level, text, .. }, _) => lines.push((level, text)),
                (Up::Read { id, path }, _) => {
                    let content = self.files.get(&path).cloned();
                    let found = content.is_some();
                    self.send(&Down::Content { id, found }, &content.unwrap_or_default());
                }
                (Up::Fetch { id, fetch, method, url, headers, .. }, body) => {
                    let body = String::from_utf8(body).expect("text");
                    let (status, answer) =
                        outside(Asked { method, url: url.clone(), headers, body });
                    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
                    let result = Ok(FetchedHead { status, headers, url });
                    self.send(&Down::Fetched { id, fetch, result }, answer.as_bytes());
                }
                (Up::Answer { id: over, status, headers, failure }, body) if over == id => {
                    let body = String::from_utf8(body).expect("text");
                    return Answer { status, headers, body, failure, lines };
                }
                (other, _) => panic!("{other:?}"),
            }
        }
    }

    /// Runs one script as a function.
    pub fn eval(script: &str) -> Answer {
        let function =
            format!("exports.handler = async (context, event, callback) => {{ {script} }};");
        Self::with(&[("it", &function)]).run("it", json!({}))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
