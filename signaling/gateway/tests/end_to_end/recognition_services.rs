//! Engines that are services: transcriptions by HTTP and two kinds of WebSocket, around a reference engine. The locale of a
//! `<Gather>` chooses the service.

use crate::application::{Answer, Application, Asked};
use crate::gateway::Gateway;
use crate::phone::{Baresip, PASSWORD};
use crate::program::Program;
use crate::speech_engines::{WHISPER, command};
use crate::voice::Voice;
use crate::{sdk, wait, wav, words};

const KEY: &str = "a-secret-key";
const SAID: &str = "I would like to speak about my invoice from last month.";

/// Starts the services: the program and its two ports.
fn services() -> (Program, String, String) {
    let [python, program] = command(WHISPER.0, WHISPER.1).map(|path| path.display().to_string());
    let mut services =
        Program::start(&mut sdk::python_file("recognition_server.py", &[KEY, &python, &program]));
    let mut port = |kind: &str| {
        let line = services.wait_for(kind);
        line.rsplit(' ').next().expect("a port").to_owned()
    };
    let (http, ws) = (port("http "), port("ws "));
    (services, http, ws)
}

fn engine(name: &str, kind: &str, url: &str, language: &str, more: &str) -> String {
    format!(
        "[[recognition.engine]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl = \"{url}\"\n\
         languages = [\"{language}\"]\n{more}"
    )
}

/// A gateway whose user `xx` is asked in `en-XX`; `vm` takes a message.
fn start(settings: &str) -> (Gateway, Application) {
    let gateway = Gateway::start_with_sip("default_domain = \"desk\"\n", settings);
    let application = Application::start(|asked: &Asked| match asked.path.as_str() {
        "/voice" => {
            let to = asked.parameter("To").expect("a callee");
            let user = &to["sip:".len().."sip:".len() + 2];
            if user == "vm" {
                return Answer::twiml(
                    "<Record transcribeCallback=\"/text\" timeout=\"2\" action=\"/taken\"/>",
                );
            }
            let country = user.to_uppercase();
            Answer::twiml(&format!(
                "<Gather input=\"speech\" action=\"/{user}\" timeout=\"5\" speechTimeout=\"auto\" \
                 language=\"en-{country}\"/><Redirect>/none-{user}</Redirect>"
            ))
        }
        _ => Answer::twiml("<Hangup/>"),
    });
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    (gateway, application)
}

/// Calls these users at once; each caller says the sentence.
fn call(gateway: &Gateway, users: &[&str]) {
    let spoken = Voice::of(gateway).say(SAID);
    let silence = |seconds: usize| std::iter::repeat_n(0, seconds * 8_000);
    let sound = wav::file(silence(1).chain(spoken).chain(silence(20)));
    std::thread::scope(|scope| {
        for user in users {
            let sound = &sound;
            scope.spawn(move || {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let baresip = Baresip::new(folder.path(), "alice", "sip:alice@127.0.0.1");
                let baresip = baresip.account(";regint=0").saying(sound);
                baresip.dial(&format!("sip:{user}@{}", gateway.sip_udp), 12)
            });
        }
    });
}

#[test]
fn a_sentence_is_recognised_by_services_of_each_kind() {
    let (services, http, ws) = services();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key_file = folder.path().join("key");
    std::fs::write(&key_file, format!("{KEY}\n")).expect("writable");
    let with_key = |model: &str| format!("key_file = {key_file:?}\nmodel = \"{model}\"\n");
    let transcriptions = format!("http://127.0.0.1:{http}/v1/audio/transcriptions");
    let settings = engine("http", "http", &transcriptions, "en-US", &with_key("tiny.en"))
        + &engine("vosk", "ws", &format!("ws://127.0.0.1:{ws}/vosk"), "en-GB", "")
        + &engine(
            "deepgram",
            "ws",
            &format!("ws://127.0.0.1:{ws}/listen"),
            "en-AU",
            &format!("dialect = \"deepgram\"\n{}", with_key("nova")),
        );
    let (gateway, application) = start(&settings);
    call(&gateway, &["us", "gb", "au"]);
    for user in ["us", "gb", "au"] {
        let heard = application.wait_for_path(&format!("/{user}"));
        let (count, errors) = words::errors(SAID, heard.parameter("SpeechResult").expect("a text"));
        assert!(errors * 100 <= count * 15, "{user}: {heard:?}");
        let confidence: f64 =
            heard.parameter("Confidence").expect("one").parse().expect("a number");
        assert!(confidence > 0.3 && confidence <= 1.0, "{user}: {confidence}");
    }
    assert!(!services.printed().contains("wrong:"), "{}", services.printed());
}

/// Messages and a question at a service that takes one request at once: the answer comes while the call lasts, and no text
/// is lost over it.
#[test]
fn messages_and_a_question_share_a_service() {
    let (services, http, _) = services();
    let url = format!("http://127.0.0.1:{http}/v1/audio/transcriptions");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key_file = folder.path().join("key");
    std::fs::write(&key_file, format!("{KEY}\n")).expect("writable");
    let more = format!("key_file = {key_file:?}\nmodel = \"tiny.en\"\nrequests = 1\n");
    let (gateway, application) = start(&engine("http", "http", &url, "en-US", &more));
    call(&gateway, &["vm", "us", "vm"]);
    let heard = application.wait_for_path("/us");
    let mut texts = vec![heard.parameter("SpeechResult").expect("a text").to_owned()];
    for asked in application.wait_for_count("/text", 2) {
        assert_eq!(asked.parameter("TranscriptionStatus"), Some("completed"), "{asked:?}");
        texts.push(asked.parameter("TranscriptionText").expect("a text").to_owned());
    }
    for text in texts {
        let (count, errors) = words::errors(SAID, &text);
        assert!(errors * 100 <= count * 15, "{text}");
    }
    assert!(!services.printed().contains("wrong:"), "{}", services.printed());
}

/// A service that refuses, one that is busy and one that is not there: each call goes on, and a notification has the cause.
#[test]
fn a_service_that_fails_does_so_by_name() {
    let (_services, http, ws) = services();
    let settings = engine("busy", "http", &format!("http://127.0.0.1:{http}/busy"), "en-US", "")
        + &engine("refusing", "ws", &format!("ws://127.0.0.1:{ws}/refuse"), "en-GB", "")
        + &engine("gone", "http", "http://127.0.0.1:1/", "en-AU", "");
    let (gateway, application) = start(&settings);
    call(&gateway, &["us", "gb", "au"]);
    for user in ["us", "gb", "au"] {
        application.wait_for_path(&format!("/none-{user}"));
    }
    for sentence in [
        "the engine `busy` failed: status 503: `{\"error\": \"all models are busy\"}`",
        "the engine `refusing` failed: the handshake got status 403",
        "the engine `gone` failed: ",
    ] {
        wait::found(sentence, || {
            let list = gateway.fetch("Notifications.json").json().to_string();
            let found = list.contains(&sentence.replace('"', "\\\"")) && list.contains("13342");
            if found { Ok(()) } else { Err(list) }
        });
    }
}
