//! What functions cannot do, and what that costs their neighbours: nothing.

use functions::message::{Down, Up};
use serde_json::json;

use crate::party::Worker;

#[test]
fn a_loop_without_end_is_stopped_after_a_second_of_computing_and_the_next_call_works() {
    let script = "let calls = 0;
exports.handler = (context, event, callback) => { calls += 1; if (event.loop) for (;;) {} callback(null, calls); };";
    let mut worker = Worker::with(&[("it", script)]);
    let answer = worker.run("it", json!({ "loop": true }));
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(answer.failure.unwrap_or_default().contains("processor time"));
    // In a context of its own: the loop's is gone.
    assert_eq!(worker.run("it", json!({})).body, "1");
}

#[test]
fn a_function_that_waits_for_ever_is_stopped_at_its_time() {
    let answer = Worker::eval("setInterval(() => {}, 10);");
    assert_eq!(answer.status, 504, "{answer:?}");
    let answer = Worker::eval("(function f() { Promise.resolve().then(f); })();");
    assert!(matches!(answer.status, 500 | 504), "{answer:?}");
}

#[test]
fn memory_is_bounded_and_given_back() {
    let script = "const kept = [];
exports.handler = (context, event, callback) => {
    if (event.eat) for (;;) kept.push(new Uint8Array(1 << 20).fill(1)); callback(null, kept.length);
};";
    let mut worker = Worker::with(&[("it", script)]);
    let answer = worker.run("it", json!({ "eat": true }));
    assert_eq!(answer.status, 500, "{answer:?}");
    assert_eq!(worker.run("it", json!({})).body, "0");
}

#[test]
fn deep_recursion_is_an_error_of_the_function() {
    let answer = Worker::eval("const f = () => f() + 1; f();");
    assert_eq!(answer.status, 500);
    assert!(answer.failure.unwrap_or_default().contains("call stack"), "a RangeError");
}

#[test]
fn printing_without_end_is_cut() {
    let answer = Worker::eval(
        "for (let i = 0; i < 100000; i += 1) console.log('x'.repeat(10000)); callback(null, 'done');",
    );
    assert_eq!(answer.lines.len(), 500, "{:?}", answer.failure);
    assert!(answer.lines.iter().all(|(_, text)| text.len() <= 4_096));
    assert!(answer.lines[499].1.contains("left out"));
}

#[test]
fn there_are_no_processes_sockets_or_foreign_files() {
    for (script, reason) in [
        ("require('child_process').execSync('id');", "not available"),
        ("require('child_process').fork('x');", "not available"),
        ("require('net').connect(80, 'example.org');", "not available"),
        ("require('fs').readFileSync('/etc/passwd');", "ENOENT"),
        ("require('fs').readFileSync('../../../../etc/passwd');", "ENOENT"),
        ("require('fs').writeFileSync('/tmp/x', 'y');", "EROFS"),
        ("require('http').createServer();", "not available"),
        ("process.exit(1);", "not available"),
    ] {
        let failure = Worker::eval(script).failure.unwrap_or_default();
        assert!(failure.contains(reason), "{script}: {failure}");
    }
}

#[test]
fn the_fifty_first_request_fails() {
    let script = "exports.handler = async (context, event, callback) => {
    let sent = 0;
    try { for (;;) { await fetch('https://a.example.org/'); sent += 1; } }
    catch (error) { callback(null, `${sent} ${error.cause.message}`); }
};";
    let answer =
        Worker::with(&[("it", script)]).run_with("it", json!({}), |_| (204, String::new()));
    assert_eq!(answer.body, "50 a function may send 50 requests");
}

#[test]
fn an_answer_above_4_mib_is_a_failure() {
    let answer = Worker::eval("callback(null, 'x'.repeat(5 << 20));");
    assert_eq!((answer.status, answer.body.len()), (500, 0));
}

/// A caller does not wait for another one whose function waits for the outside.
#[test]
fn a_function_that_waits_does_not_hold_up_the_next() {
    let script = "exports.handler = async (context, event, callback) => {
    if (event.wait) await fetch('https://slow.example.org/');
    callback(null, 'done');
};";
    let mut worker = Worker::with(&[("it", script)]);
    assert_eq!(worker.run("it", json!({})).body, "done");
    let slow = worker.invoke("it", json!({ "wait": true }));
    assert!(matches!(worker.receive(), (Up::Fetch { id, .. }, _) if id == slow));
    // The second one gets a slot of its own, whose context reads the script again or finds it kept.
    assert_eq!(worker.run("it", json!({})).body, "done");
    let result = Err("refused".to_owned());
    worker.send(&Down::Fetched { id: slow, fetch: 1, result }, &[]);
    assert!(matches!(worker.receive(), (Up::Answer { id, status: 500, .. }, _) if id == slow));
}
