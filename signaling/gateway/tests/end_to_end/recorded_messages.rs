//! Recorded messages beside live speech: their text waits where a caller waits for an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::application::{Answer, Application, Asked};
use crate::gateway::Gateway;
use crate::recognition::{engine, speech};
use crate::rtp::{Party, Stream};
use crate::sipp::{self, Sipp};

const MESSAGES: usize = 3;

const RECORD: &str = "<Record action=\"/after\" transcribe=\"true\" transcribeCallback=\"/text\" timeout=\"2\" \
                      playBeep=\"false\" trim=\"do-not-trim\"/>";

/// A question whose only answer is this hint.
fn question(action: &str, hint: &str) -> String {
    let attributes = "input=\"speech\" speechTimeout=\"1\" timeout=\"9\"";
    format!("<Gather action=\"{action}\" hints=\"{hint}\" {attributes}/>")
}

/// A gateway with this engine; its first calls leave messages, the next one is asked twice.
fn start(arguments: &str) -> (Gateway, Application) {
    let gateway = Gateway::start(&engine(arguments));
    gateway.wait_for_log("the recognition engine `test` is ready");
    let calls = Arc::new(AtomicUsize::new(0));
    let application = Application::start(move |asked: &Asked| match asked.path.as_str() {
        "/voice" if calls.fetch_add(1, Ordering::Relaxed) < MESSAGES => Answer::twiml(RECORD),
        "/voice" => Answer::twiml(&question("/billing", "billing")),
        "/billing" => Answer::twiml(&question("/released", "@release")),
        "/text" => Answer::status(204),
        _ => Answer::twiml("<Hangup/>"),
    });
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    (gateway, application)
}

/// Calls, and speaks for a second and a half as soon as the call is up and after each of these requests.
fn call(gateway: &Gateway, application: &Application, after: &[&str]) {
    let party = Party::new();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    let call = Sipp::caller(&scenario, party.port()).start(gateway.sip_udp);
    let (_, to) = party.receive().expect("the call is up");
    let mut stream = Stream::new(7);
    let mut speak = || {
        let silence = (0..150).map(|_| vec![0xFF; 160]);
        stream.say(&party, to, speech(75).chain(silence));
    };
    speak();
    for path in after {
        application.wait_for_path(path);
        speak();
    }
    call.finish().expect_success();
}

/// The engine has one slot and keeps the text of messages back. A caller who is asked gets the slot and the answer; the
/// texts come afterwards, when the callers who left the messages are gone.
#[test]
fn a_caller_who_is_asked_overtakes_the_messages_that_wait() {
    let (gateway, application) = start(", \"8000\", \"gf\", \"hold\"");
    std::thread::scope(|scope| {
        for _ in 0..MESSAGES {
            scope.spawn(|| call(&gateway, &application, &[]));
        }
    });
    let waiting = MESSAGES as u64 - 1;
    let figures = gateway.metrics_when("one is at the engine", |now| {
        now.value("recognition_batch_waiting") == waiting
    });
    assert!(figures.value("recognition_batch_bytes") >= MESSAGES as u64 * 12_000);
    call(&gateway, &application, &["/billing"]);
    let heard = application.wait_for_path("/billing");
    assert_eq!(heard.parameter("SpeechResult"), Some("billing"));

    let texts = application.wait_for_count("/text", MESSAGES);
    let order: Vec<String> = application.asked().into_iter().map(|asked| asked.path).collect();
    let place = |path: &str| order.iter().position(|asked| asked == path);
    assert!(place("/billing") < place("/text"), "{order:?}");
    for text in &texts {
        assert_eq!(text.parameter("TranscriptionStatus"), Some("completed"), "{text:?}");
        assert!(
            text.parameter("TranscriptionText").is_some_and(|it| it.starts_with("one two three"))
        );
    }
    let figures = gateway.metrics_when("all are over", |now| now.value("recognition_open") == 0);
    // For the first question, and perhaps for the second.
    assert!((1..=2).contains(&figures.value("recognition_batch_taken_back_total")));
    assert_eq!(figures.value("recognition_batch_bytes"), 0);
    assert_eq!(figures.value("recognition_batch_refused_total"), 0);
    assert_eq!(figures.value("recognition_failed_total"), 0);
}
