//! Recognition of speech with an engine of the tests, a program of its own.

use std::path::PathBuf;

use crate::application::{Answer, Application, Asked};
use crate::gateway::Gateway;
use crate::rtp::{Party, Stream};
use crate::sdk;
use crate::sipp::{self, Running, Sipp};
use crate::wait;

/// Settings with the engine of the tests.
pub fn engine(arguments: &str) -> String {
    let python = sdk::program("python");
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end/engine.py");
    format!(
        "[[recognition.engine]]\nname = \"test\"\ncommand = [{python:?}, \"-u\", {file:?}{arguments}]\n"
    )
}

/// A gateway with an engine, and a call that is up and runs these verbs.
struct Rig {
    gateway: Gateway,
    application: Application,
    call: Option<Running>,
    party: Party,
    to: std::net::SocketAddr,
    stream: Stream,
}

impl Rig {
    fn start(settings: &str, verbs: &str) -> Self {
        let gateway = Gateway::start(settings);
        if !settings.is_empty() {
            gateway.wait_for_log("the recognition engine `test` is ready");
        }
        let verbs = verbs.to_owned();
        let application = Application::start(move |asked: &Asked| match asked.path.as_str() {
            "/voice" => Answer::twiml(&verbs),
            "/heard" | "/after" => Answer::twiml("<Pause length=\"60\"/>"),
            _ => Answer::status(204),
        });
        let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
        gateway.allow_address(&domain, "127.0.0.1");
        let party = Party::new();
        let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
        let call = Sipp::caller(&scenario, party.port()).start(gateway.sip_udp);
        let (_, to) = party.receive().expect("the call is up");
        Self { gateway, application, call: Some(call), party, to, stream: Stream::new(7) }
    }

    /// Speaks for a number of milliseconds.
    fn speak(&mut self, ms: u16) {
        self.stream.say(&self.party, self.to, speech(ms / 20));
    }

    /// Sends silence for a number of milliseconds.
    fn quiet(&mut self, ms: u16) {
        self.stream.say(&self.party, self.to, (0..ms / 20).map(|_| vec![0xFF; 160]));
    }

    fn press(&mut self, digit: u8) {
        self.stream.press(&self.party, self.to, 101, digit);
    }

    fn heard(&self) -> Asked {
        self.application.wait_for_path("/heard")
    }

    fn call_sid(&self) -> String {
        self.application.wait_for_path("/voice").parameter("CallSid").expect("a SID").to_owned()
    }

    /// REST ends the call, and the phone agrees.
    fn end(mut self) {
        let path = format!("Calls/{}.json", self.call_sid());
        self.gateway.create(&path, &[("Status", "completed")]);
        self.call.take().expect("it is up").finish().expect_success();
        self.gateway.metrics_when("nobody listens", |now| now.value("recognition_open") == 0);
    }

    /// The gateway speaks the error sentence and hangs up.
    fn end_by_gateway(mut self) {
        self.call.take().expect("it is up").finish().expect_success();
    }

    /// Waits for a notification, and answers its text.
    fn notified(&self, code: &str) -> String {
        wait::found(&format!("a notification {code}"), || {
            let list = self.gateway.fetch("Notifications.json").json();
            let rows = list["notifications"].as_array().expect("a list").clone();
            let found = rows.iter().find(|row| row["error_code"] == code);
            let text = found.map(|row| row["message_text"].as_str().unwrap_or("").to_owned());
            text.ok_or_else(|| format!("{rows:?}"))
        })
    }
}

/// Packets that go up and down as speech does.
pub fn speech(packets: u16) -> impl Iterator<Item = Vec<u8>> {
    (0..packets).map(|number| {
        let level = if number % 11 < 9 { 0x10 + (number % 3) as u8 * 8 } else { 0x50 };
        (0..160).map(|at| if at % 16 < 8 { level } else { level | 0x80 }).collect()
    })
}

fn gather(attributes: &str) -> String {
    format!("<Gather action=\"/heard\" {attributes}/><Redirect>/after</Redirect>")
}

#[test]
fn speech_reaches_the_action_with_text_and_confidence() {
    for arguments in ["", ", \"8000\""] {
        let verbs = gather("input=\"speech\" speechTimeout=\"1\" timeout=\"9\"");
        let mut rig = Rig::start(&engine(arguments), &verbs);
        rig.speak(1_500);
        let heard = rig.heard();
        // 1.5 s of speech, up to 0.3 s before and 0.8 s behind it: a word for each half second.
        assert_eq!(heard.parameter("SpeechResult"), Some("one two three four five"));
        assert_eq!(heard.parameter("Confidence"), Some("0.93"));
        assert_eq!(heard.parameter("Digits"), None);
        assert_eq!(heard.parameter("CallStatus"), Some("in-progress"));
        let figures = rig.gateway.metrics();
        assert_eq!(figures.value("recognition_utterances_total"), 1);
        rig.end();
    }
}

#[test]
fn speech_stops_the_prompts_and_partial_results_leave_in_order() {
    let verbs = "<Gather action=\"/heard\" input=\"speech\" speechTimeout=\"1\" \
                 partialResultCallback=\"/partial\"><Say>Please speak as long as you like, while \
                 this sentence does not end, because it has no end that you would wait for.</Say>\
                 </Gather>";
    let mut rig = Rig::start(&engine(""), verbs);
    let loud = |packet: &crate::rtp::Packet| packet.payload.iter().any(|code| code & 0x7F < 0x50);
    assert_eq!(rig.party.receive_until(20, loud).len(), 20, "the prompt plays");
    rig.speak(2_000);
    rig.heard();
    let asked = rig.application.asked();
    let partials: Vec<&Asked> = asked.iter().filter(|asked| asked.path == "/partial").collect();
    assert!(partials.len() >= 3, "{partials:?}");
    for (number, asked) in partials.iter().enumerate() {
        let names: Vec<&str> = asked.parameters.iter().map(|(name, _)| name.as_str()).collect();
        let own = &names[names.len() - 4..];
        let expected =
            ["UnstableSpeechResult", "StableSpeechResult", "Stability", "SequenceNumber"];
        assert_eq!(own, expected);
        assert_eq!(asked.parameter("SequenceNumber"), Some(number.to_string().as_str()));
        assert_eq!(asked.parameter("Stability"), Some("0.5"));
        assert_eq!(asked.parameter("CallSid"), Some(rig.call_sid().as_str()));
        let words = |name| asked.parameter(name).expect("words").split_whitespace().count();
        assert_eq!(words("StableSpeechResult"), words("UnstableSpeechResult").saturating_sub(1));
    }
    // The prompt of eight seconds is gone: the party hears silence.
    let quiet =
        rig.party.receive_until(20, |packet| packet.payload.iter().all(|code| *code == 0xFF));
    assert_eq!(quiet.len(), 20);
    rig.end();
}

#[test]
fn the_first_of_keys_and_speech_wins() {
    let verbs = gather("input=\"dtmf speech\" numDigits=\"2\" timeout=\"9\" speechTimeout=\"1\"");
    let mut rig = Rig::start(&engine(""), &verbs);
    rig.press(4);
    rig.speak(1_000);
    rig.press(2);
    let heard = rig.heard();
    assert_eq!(heard.parameter("Digits"), Some("42"));
    assert_eq!(heard.parameter("SpeechResult"), None);
    rig.end();

    let attributes = "input=\"dtmf speech\" numDigits=\"1\" timeout=\"9\" speechTimeout=\"1\" \
                      hints=\"call me, hang up\" partialResultCallback=\"/partial\"";
    let mut rig = Rig::start(&engine(""), &gather(attributes));
    rig.speak(1_200);
    rig.application.wait_for_path("/partial");
    rig.press(4);
    let heard = rig.heard();
    assert_eq!(heard.parameter("SpeechResult"), Some("call me"));
    assert_eq!(heard.parameter("Digits"), None);
    rig.end();
}

#[test]
fn an_empty_result_is_the_next_verb_or_an_empty_action() {
    let rig = Rig::start(&engine(""), &gather("input=\"speech\" timeout=\"1\""));
    rig.application.wait_for_path("/after");
    rig.end();
    let attributes = "input=\"speech dtmf\" timeout=\"1\" actionOnEmptyResult=\"true\"";
    let rig = Rig::start(&engine(""), &gather(attributes));
    let heard = rig.heard();
    assert_eq!(heard.parameter("SpeechResult"), Some(""));
    assert_eq!(heard.parameter("Digits"), Some(""));
    rig.end();
    // Three coughs are enough.
    let attributes = "input=\"speech\" timeout=\"9\" speechTimeout=\"1\" hints=\"@nothing\"";
    let mut rig = Rig::start(&engine(""), &gather(attributes));
    for utterance in 1..=3 {
        rig.speak(600);
        rig.gateway.metrics_when("it was heard", |now| {
            now.value("recognition_utterances_total") == utterance
        });
        rig.quiet(1_400);
    }
    rig.application.wait_for_path("/after");
    rig.end();
}

#[test]
fn bad_words_are_masked_unless_the_document_wants_them() {
    for (filter, expected) in [("", "d***"), ("profanityFilter=\"false\"", "damn")] {
        let attributes =
            format!("input=\"speech\" timeout=\"9\" speechTimeout=\"1\" hints=\"damn\" {filter}");
        let mut rig = Rig::start(&engine(""), &gather(&attributes));
        rig.speak(600);
        assert_eq!(rig.heard().parameter("SpeechResult"), Some(expected));
        rig.end();
    }
}

#[test]
fn without_an_engine_for_it_the_debugger_has_the_reason() {
    let grammar_only = engine(", \"16000\", \"g\"");
    for (settings, attributes, code, reason) in [
        ("", "input=\"speech dtmf\"", "13343", "takes DTMF only"),
        (&*grammar_only, "input=\"speech dtmf\" timeout=\"2\"", "13343", "free text in `en-US`"),
        (&*engine(""), "input=\"speech\" language=\"fr-FR\" timeout=\"2\"", "13343", "`fr-FR`"),
    ] {
        let mut rig = Rig::start(settings, &gather(attributes));
        let text = rig.notified(code);
        assert!(text.contains(reason), "{text}");
        if attributes.contains("dtmf") {
            rig.press(7);
            rig.press(11);
            assert_eq!(rig.heard().parameter("Digits"), Some("7"));
        } else {
            rig.application.wait_for_path("/after");
        }
        rig.end();
    }
    // Speech alone cannot get anything: the document fails.
    let rig = Rig::start("", &gather("input=\"speech\""));
    rig.notified("13343");
    rig.end_by_gateway();
}

#[test]
fn an_engine_that_fails_or_dies_costs_its_utterance_and_comes_back() {
    let died = ["it ended (exit status: 1)", "it closed its output"];
    let died = died.map(|sentence| format!("the engine `test` failed: {sentence}"));
    for (hint, sentences) in [("@fail", &["as asked".to_owned()] as &[_]), ("@die", &died)] {
        let attributes =
            format!("input=\"speech\" timeout=\"2\" speechTimeout=\"1\" hints=\"{hint}\"");
        let mut rig = Rig::start(&engine(""), &gather(&attributes));
        rig.speak(800);
        let text = rig.notified("13342");
        assert!(sentences.iter().any(|sentence| text.ends_with(sentence)), "{text}");
        rig.application.wait_for_path("/after");
        let starts = if hint == "@die" { 2 } else { 1 };
        rig.gateway.metrics_when("the engine is up", |now| {
            now.value("recognition_engine_starts_total{engine=\"test\"}") == starts
                && now.value("recognition_engine_up{engine=\"test\"}") == 1
        });
        rig.end();
    }
}

/// The callbacks of the transcription so far.
fn told(rig: &Rig, count: usize) -> Vec<Asked> {
    rig.application.wait_for_count("/told", count)
}

fn value<'a>(asked: &'a Asked, name: &str) -> &'a str {
    asked.parameter(name).unwrap_or("")
}

#[test]
fn a_call_is_transcribed_beside_its_verbs_until_the_document_stops_it() {
    let verbs = "<Start><Transcription name=\"minutes\" track=\"inbound_track\" \
                 statusCallbackUrl=\"/told\"/></Start><Say>Hi.</Say><Pause length=\"5\"/>\
                 <Stop><Transcription name=\"minutes\"/></Stop><Pause length=\"60\"/>";
    let mut rig = Rig::start(&engine(""), verbs);
    rig.speak(1_000);
    rig.quiet(1_000);
    rig.speak(1_500);
    let told = told(&rig, 4);
    let events: Vec<&str> = told.iter().map(|asked| value(asked, "TranscriptionEvent")).collect();
    let content = "transcription-content";
    assert_eq!(events, ["transcription-started", content, content, "transcription-stopped"]);
    for (number, asked) in told.iter().enumerate() {
        assert_eq!(value(asked, "SequenceId"), (number + 1).to_string());
        assert_eq!(value(asked, "CallSid"), rig.call_sid());
        assert_eq!(value(asked, "TranscriptionSid"), value(&told[0], "TranscriptionSid"));
        assert!(value(asked, "Timestamp").ends_with('Z'));
    }
    let data: serde_json::Value =
        serde_json::from_str(value(&told[1], "TranscriptionData")).expect("JSON");
    assert_eq!(data["confidence"], 0.93);
    assert!(data["transcript"].as_str().expect("text").starts_with("one two three"), "{data}");
    assert_eq!(value(&told[2], "Track"), "inbound_track");
    rig.end();
}

#[test]
fn both_sdks_start_and_stop_a_transcription() {
    let mut rig = Rig::start(&engine(""), "<Echo/>");
    let (sid, url) = (rig.call_sid(), rig.application.url("/told"));
    let printed = sdk::python(
        &rig.gateway,
        &format!(
            "row = client.calls('{sid}').transcriptions.create(name='ear', status_callback_url='{url}',\n\
             \x20   partial_results=True, hints='a, b', inbound_track_label='caller')\n\
             assert row.status == 'in-progress' and row.call_sid == '{sid}', row._properties\n\
             print(row.sid)\n"
        ),
    );
    assert!(printed.starts_with("GT"), "{printed}");
    rig.speak(1_200);
    let content = rig.application.wait_for("a final text", |asked| {
        asked.path == "/told" && asked.parameter("Final") == Some("true")
    });
    assert_eq!(value(&content, "TranscriptionSid"), printed.trim());
    let partial = rig.application.wait_for("a partial text", |asked| {
        asked.path == "/told" && asked.parameter("Final") == Some("false")
    });
    assert_eq!(value(&partial, "Stability"), "0.5");
    let started = &told(&rig, 1)[0];
    assert_eq!(value(started, "InboundTrackLabel"), "caller");
    assert!(value(started, "ProviderConfiguration").contains("\"hints\":\"a, b\""));
    let stopped = sdk::node(
        &rig.gateway,
        &format!(
            "const row = await client.calls('{sid}').transcriptions('ear').update({{status: 'stopped'}});\n\
             console.log(row.sid, row.status, row.name);"
        ),
    );
    assert_eq!(stopped.trim(), format!("{} stopped ear", printed.trim()));
    rig.application.wait_for("the end", |asked| {
        asked.parameter("TranscriptionEvent") == Some("transcription-stopped")
    });
    rig.end();
}

#[test]
fn doctor_says_which_engines_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sidetone.toml");
    let examined = |settings: &str| {
        std::fs::write(&file, settings).expect("writable");
        let mut command = std::process::Command::new(crate::gateway::binary());
        let output = command.arg("doctor").arg("--config").arg(&file).output().expect("it runs");
        (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success())
    };
    let (said, works) = examined(&engine(", \"8000\", \"g\""));
    let pico = "speech: `pico` works: en-US, en-GB, de-DE, es-ES, fr-FR, it-IT\n";
    let test = "recognition: `test` works: test, grammar in en-US, 8000 Hz\n";
    assert_eq!(said, test.to_owned() + pico);
    assert!(works);
    // A program that speaks, with a voice that it does not have; and a service.
    let program = "if test {voice} = b; then exit 3; fi; read text; head -c 16000 /dev/urandom";
    let voices = format!(
        "[speech]\nengine = [\"command\", \"http\"]\nvoice = \"a\"\nhttp_url = \"http://127.0.0.1:9/v1\"\n\
         command = [\"/bin/sh\", \"-c\", {program:?}]\n\
         [[voice]]\nengine = \"command\"\nvoice = \"b\"\nlanguages = [\"de-DE\"]\n"
    );
    let (said, works) = examined(&(engine("") + &voices));
    assert!(said.contains("speech: `command` works: a\n"), "{said}");
    assert!(said.contains("speech: `command` does not work: b: "), "{said}");
    assert!(
        said.contains("speech: `http` is a service at http://127.0.0.1:9/v1, not tried\n"),
        "{said}"
    );
    assert!(!works);
    let broken = "[[recognition.engine]]\nname = \"a\"\ncommand = [\"/bin/echo\", \"hello\"]\n\
                  [[recognition.engine]]\nname = \"b\"\ncommand = [\"/nowhere\"]\n";
    let (said, works) = examined(broken);
    assert!(said.contains("`a` does not work: a line that is not of the language"), "{said}");
    assert!(said.contains("`b` does not work: it cannot be started"), "{said}");
    assert!(!works);
    let (said, works) = examined("");
    assert!(said.contains("no engine is set") && !works, "{said}");
}

#[test]
fn a_recorded_message_is_transcribed_and_rest_lists_and_deletes_the_text() {
    let verbs = "<Record action=\"/after\" transcribe=\"true\" transcribeCallback=\"/text\" \
                 timeout=\"2\" playBeep=\"false\" trim=\"do-not-trim\"/>";
    let mut rig = Rig::start(&engine(""), verbs);
    rig.speak(1_000);
    rig.quiet(1_000);
    rig.speak(1_000);
    rig.quiet(3_000);
    rig.application.wait_for_path("/after");
    let text = rig.application.wait_for_path("/text");
    let (sid, recording) = (value(&text, "TranscriptionSid"), value(&text, "RecordingSid"));
    assert_eq!(value(&text, "TranscriptionStatus"), "completed");
    assert_eq!(value(&text, "TranscriptionType"), "fast");
    assert!(value(&text, "TranscriptionText").matches("one two three").count() == 2, "{text:?}");
    assert!(value(&text, "TranscriptionUrl").ends_with(&format!("/Transcriptions/{sid}")));
    assert!(sid.starts_with("TR") && value(&text, "RecordingUrl").ends_with(recording), "{sid}");
    let printed = sdk::python(
        &rig.gateway,
        &format!(
            "rows = client.transcriptions.list()\n\
             assert [row.sid for row in rows] == ['{sid}'], rows\n\
             row = client.recordings('{recording}').transcriptions.list()[0]\n\
             assert (row.status, row.recording_sid, row.type) == ('completed', '{recording}', 'fast')\n\
             assert int(row.duration) >= 4, row.duration\n\
             print(client.transcriptions('{sid}').fetch().transcription_text)\n\
             assert client.recordings('{recording}').transcriptions('{sid}').delete()\n\
             assert client.transcriptions.list() == []\n\
             assert client.recordings('{recording}').fetch().status == 'completed'\n"
        ),
    );
    assert_eq!(printed.trim(), value(&text, "TranscriptionText"));
    rig.end();
}

#[test]
fn a_message_that_is_too_short_or_that_nobody_can_transcribe_has_no_text() {
    let verbs = "<Record action=\"/after\" transcribe=\"true\" transcribeCallback=\"/text\" \
                 timeout=\"0\" playBeep=\"false\" finishOnKey=\"#\"/>";
    for (settings, code) in [(engine(""), "13617"), (String::new(), "13614")] {
        let mut rig = Rig::start(&settings, verbs);
        rig.speak(600);
        rig.press(11);
        rig.application.wait_for_path("/after");
        rig.notified(code);
        rig.end();
    }
}
