//! `<Gather input="speech">` with the reference engines: phones speak, an application reads what they said.

use std::path::PathBuf;

use crate::application::{Answer, Application, Asked};
use crate::gateway::Gateway;
use crate::phone::{Baresip, Caller, PASSWORD};
use crate::speech_engines::{SPHINX, WHISPER, command};
use crate::voice::Voice;
use crate::{wav, words};

/// Settings with both engines, the grammar first.
fn engines() -> String {
    let engine = |(engine, program): (&str, &str)| {
        let [python, program] = command(engine, program);
        format!(
            "[[recognition.engine]]\nname = \"{engine}\"\ncommand = [{python:?}, {program:?}]\n"
        )
    };
    engine(SPHINX) + &engine(WHISPER)
}

/// What the user of each name is asked. Beside a model `auto` is not allowed (twiml.md 2.4).
const QUESTIONS: [(&str, &str); 3] = [
    ("digits", "speechTimeout=\"1\" speechModel=\"numbers_and_commands\""),
    ("hints", "speechTimeout=\"auto\" hints=\"billing, Technical Support, voicemail\""),
    ("free", "speechTimeout=\"auto\""),
];

struct Line {
    gateway: Gateway,
    application: Application,
    voice: Voice,
    folder: tempfile::TempDir,
}

impl Line {
    fn open() -> Self {
        let gateway = Gateway::start_with_sip("default_domain = \"desk\"\n", &engines());
        let application = Application::start(|asked: &Asked| match asked.path.as_str() {
            "/voice" => Answer::twiml(&question(asked)),
            _ => Answer::twiml("<Hangup/>"),
        });
        gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
        for (engine, _) in [SPHINX, WHISPER] {
            gateway.wait_for_log(&format!("the recognition engine `{engine}` is ready"));
        }
        let voice = Voice::of(&gateway);
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { gateway, application, voice, folder }
    }

    /// A second of silence, the words, and silence.
    fn sound(&mut self, text: &str) -> Vec<u8> {
        let spoken = self.voice.say(text);
        let silence = |seconds: usize| std::iter::repeat_n(0, seconds * 8_000);
        wav::file(silence(1).chain(spoken).chain(silence(20)))
    }

    fn file(&mut self, text: &str) -> PathBuf {
        let file = self.folder.path().join("says.wav");
        std::fs::write(&file, self.sound(text)).expect("writable");
        file
    }

    /// What a user's action was asked: the text, with its confidence in range.
    fn heard(&self, user: &str) -> String {
        let heard = self.application.wait_for_path(&format!("/{user}"));
        let confidence: f64 =
            heard.parameter("Confidence").expect("a confidence").parse().expect("a number");
        assert!(confidence > 0.3 && confidence <= 1.0, "{confidence}");
        heard.parameter("SpeechResult").expect("a text").to_owned()
    }

    /// baresip calls a user and says this; it sends its silence too.
    fn call(&mut self, user: &str, said: &str) -> String {
        let sound = self.sound(said);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let baresip = Baresip::new(folder.path(), "alice", "sip:alice@127.0.0.1");
        let baresip = baresip.account(";regint=0").saying(&sound);
        baresip.dial(&format!("sip:{user}@{}", self.gateway.sip_udp), 10)
    }
}

fn question(asked: &Asked) -> String {
    let to = asked.parameter("To").expect("a callee");
    let (user, attributes) =
        QUESTIONS.into_iter().find(|(user, _)| to.contains(user)).expect("a question");
    format!("<Gather input=\"speech\" action=\"/{user}\" timeout=\"20\" {attributes}/>")
}

#[test]
fn phones_speak_digits_a_hint_and_a_sentence() {
    let mut line = Line::open();
    let printed = line.call("digits", "five five five zero one two three");
    assert_eq!(line.heard("digits"), "five five five zero one two three", "{printed}");
    let printed = line.call("hints", "voice mail");
    assert_eq!(line.heard("hints"), "voicemail", "{printed}");
    let said = "Could you tell me when the train leaves?";
    let says = line.file(said);
    // pjsua2 sends nothing while it is silent.
    let heard = Caller::new(&line.gateway).to("free").saying(&says).call(&["wait=20"]);
    let recognised = line.heard("free");
    let (count, errors) = words::errors(said, &recognised);
    assert!(errors * 100 <= count * 15, "{recognised}\n{}", heard.printed);
}
