//! A program that runs beside a test, and what it prints as it comes.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// A phone rings, talks and ends within this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a program printed so far; whoever waits for a line is woken by it.
#[derive(Clone)]
pub struct Output(Arc<Printed>);

#[derive(Default)]
struct Printed {
    so_far: Mutex<SoFar>,
    more: Condvar,
}

#[derive(Default)]
struct SoFar {
    /// Whole lines.
    text: String,
    has_ended: bool,
}

impl Output {
    /// Reads the pipe to its end on a thread of its own.
    pub fn of(pipe: impl Read + Send + 'static) -> Self {
        let output = Self(Arc::default());
        let printed = Arc::clone(&output.0);
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                printed.change(|so_far| {
                    so_far.text.push_str(&String::from_utf8_lossy(&line));
                    so_far.text.push('\n');
                });
            }
            printed.change(|so_far| so_far.has_ended = true);
        });
        output
    }

    pub fn text(&self) -> String {
        self.0.so_far.lock().expect("not poisoned").text.clone()
    }

    /// Waits for a line that holds `what`; panics with what there is when the program ends without it, or after a
    /// minute.
    #[track_caller]
    pub fn wait_for(&self, what: &str) -> String {
        self.wait_after(&mut 0, what)
    }

    /// As [`Output::wait_for`], in what comes after the first `read` bytes; afterwards, these end with the line.
    #[track_caller]
    fn wait_after(&self, read: &mut usize, what: &str) -> String {
        let found = self.wait(|so_far| {
            let found = so_far.text[*read..].split_inclusive('\n').try_for_each(|line| {
                *read += line.len();
                if line.contains(what) { Err(line.trim_end().to_owned()) } else { Ok(()) }
            });
            found.err()
        });
        found.unwrap_or_else(|text| panic!("no line with `{what}`; it printed:\n{text}"))
    }

    /// Waits for the end of the program; all that it printed.
    fn whole(&self) -> String {
        let whole = self.wait(|so_far| so_far.has_ended.then(|| so_far.text.clone()));
        whole.unwrap_or_else(|text| panic!("the program does not end; it printed:\n{text}"))
    }

    /// Waits until `find` finds; what was printed where it finds nothing.
    fn wait<T>(&self, mut find: impl FnMut(&SoFar) -> Option<T>) -> Result<T, String> {
        let deadline = Instant::now() + PATIENCE;
        let mut so_far = self.0.so_far.lock().expect("not poisoned");
        loop {
            if let Some(found) = find(&so_far) {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if so_far.has_ended || left.is_zero() {
                return Err(so_far.text.clone());
            }
            so_far = self.0.more.wait_timeout(so_far, left).expect("not poisoned").0;
        }
    }
}

impl Printed {
    fn change(&self, change: impl FnOnce(&mut SoFar)) {
        change(&mut self.so_far.lock().expect("not poisoned"));
        self.more.notify_all();
    }
}

/// A program in a process of its own; killed when dropped.
pub struct Program {
    child: Child,
    output: Output,
    /// Bytes of the output that were waited for.
    read: usize,
    name: String,
}

impl Program {
    /// Starts it and reads its standard output.
    pub fn start(command: &mut Command) -> Self {
        let mut child = spawn(command.stdout(Stdio::piped()).stderr(Stdio::null()));
        let output = Output::of(child.stdout.take().expect("piped"));
        Self { child, output, read: 0, name: name(command) }
    }

    /// Starts it and reads its standard error, where it logs.
    pub fn start_logging(command: &mut Command) -> Self {
        let mut child = spawn(command.stdout(Stdio::null()).stderr(Stdio::piped()));
        let output = Output::of(child.stderr.take().expect("piped"));
        Self { child, output, read: 0, name: name(command) }
    }

    /// Reads on until a line holds this.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str) -> String {
        self.output.wait_after(&mut self.read, what)
    }

    /// The next line.
    #[track_caller]
    pub fn next_line(&mut self) -> String {
        self.wait_for("")
    }

    /// Waits for its end; all that it printed.
    pub fn finish(self) -> String {
        self.output.whole()
    }

    /// All that it has printed so far.
    pub fn printed(&self) -> String {
        self.output.text()
    }

    /// Writes a line to its standard input.
    pub fn write_line(&mut self, line: &str) {
        let stdin: &mut ChildStdin = self.child.stdin.as_mut().expect("piped");
        writeln!(stdin, "{line}").expect("it reads");
    }
}

/// Its standard input is open and empty.
fn spawn(command: &mut Command) -> Child {
    let started = command.stdin(Stdio::piped()).spawn();
    started.unwrap_or_else(|error| panic!("{} (make clients): {error}", name(command)))
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {} ---\n{}", self.name, self.printed());
        }
    }
}
