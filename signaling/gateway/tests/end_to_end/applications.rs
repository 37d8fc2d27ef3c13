//! Calls as an application sees them: headers, fallbacks, recordings, callbacks, live changes.

use plane::g711;
use serde_json::Value;
use shared::Codec;

use crate::application::{Answer, Application, Asked};
use crate::gateway::{ACCOUNT, Gateway, TOKEN};
use crate::rtp::{Packet, Party, Stream, sound};
use crate::sdk;
use crate::sipp::{self, Running, Sipp};
use crate::wait;

/// A gateway with the domain `desk`, open to this address, that asks `application` at `/voice`.
fn gateway_for(application: &Application, more: &[(&str, &str)]) -> Gateway {
    let gateway = Gateway::start("");
    let voice = application.url("/voice");
    let mut fields = vec![("VoiceUrl", voice.as_str())];
    fields.extend_from_slice(more);
    let domain = gateway.domain("desk", &fields);
    gateway.allow_address(&domain, "127.0.0.1");
    gateway
}

fn caller(gateway: &Gateway, scenario: String, party: &Party) -> Running {
    Sipp::caller(&scenario, party.port()).start(gateway.sip_udp)
}

fn callee(scenario: &str, port: u16, party: &Party) -> Running {
    Sipp::new(scenario)
        .key("media", &party.port().to_string())
        .with(&format!("-p {port} -m 1"))
        .spawn()
}

/// A callee that refuses with `status` and `headers`.
fn refusing(status: &str, headers: &str) -> String {
    format!(
        "<recv request=\"INVITE\"/>\n<send retrans=\"500\"><![CDATA[\nSIP/2.0 {status}\n\
         [last_Via:]\n[last_From:]\n[last_To:];tag=b\n[last_Call-ID:]\n[last_CSeq:]\n{headers}Content-Length: 0\n\
         ]]></send>\n<recv request=\"ACK\"/>\n"
    )
}

/// Speaks for `seconds` towards the gateway.
fn speak(party: &Party, to: std::net::SocketAddr, seconds: u16) {
    Stream::new(7).say(party, to, sound(seconds * 50));
}

fn hangup_otherwise(asked: &Asked, path: &str, twiml: &str) -> Answer {
    if asked.path == path { Answer::twiml(twiml) } else { Answer::twiml("<Hangup/>") }
}

#[test]
fn a_recording_is_reported_by_callback_and_downloaded_with_the_right_length() {
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(
            "<Record playBeep=\"false\" trim=\"do-not-trim\" maxLength=\"3\" action=\"/recorded\" \
             recordingStatusCallback=\"/recording\"/>",
        ),
        _ => Answer::twiml("<Hangup/>"),
    });
    let gateway = gateway_for(&application, &[]);
    let party = Party::new();
    let call = caller(&gateway, sipp::invite("") + &sipp::answered() + &sipp::hung_up(), &party);
    let (_, gateway_media) = party.receive().expect("the call is up");
    speak(&party, gateway_media, 3);
    call.finish().expect_success();

    let action = application.wait_for_path("/recorded");
    let told = application.wait_for_path("/recording");
    assert_eq!(told.parameter("RecordingStatus"), Some("completed"));
    assert_eq!(told.parameter("RecordingSid"), action.parameter("RecordingSid"));
    let url = told.parameter("RecordingUrl").expect("a URL").to_owned();
    assert_eq!(action.parameter("RecordingUrl"), Some(url.as_str()));
    let printed = sdk::python(
        &gateway,
        &format!(
            "import io, requests, wave\n\
             [recording] = client.recordings.list()\n\
             answer = requests.get('{url}.wav', auth=('{ACCOUNT}', '{TOKEN}'))\n\
             sound = wave.open(io.BytesIO(answer.content))\n\
             print(recording.status, recording.duration, recording.channels, recording.source)\n\
             print(answer.status_code, answer.headers['content-type'])\n\
             print(sound.getnframes() / sound.getframerate())\n\
             print(requests.get('{url}.wav', auth=('{ACCOUNT}', 'x')).status_code)\n\
             print(client.recordings(recording.sid).delete(), len(client.recordings.list()))\n\
             print(requests.get('{url}.wav', auth=('{ACCOUNT}', '{TOKEN}')).status_code)\n"
        ),
    );
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], "completed 3 1 RecordVerb", "{printed}");
    assert_eq!(lines[1], "200 audio/x-wav", "{printed}");
    let seconds: f64 = lines[2].parse().expect("seconds");
    assert!((2.9..=3.1).contains(&seconds), "{seconds} s of 3 s");
    assert_eq!(lines[3..], ["401", "True 0", "404"], "{printed}");
    assert_eq!(told.parameter("RecordingDuration"), Some("3"));
}

#[test]
fn a_prompt_in_mp3_is_heard_by_the_party() {
    // A tone of two seconds.
    let tone = include_bytes!("../../../audio/tests/tone_8000.mp3");
    let application = Application::start(move |asked| match asked.path.as_str() {
        "/voice" => Answer::twiml("<Play>/tone.mp3</Play>"),
        _ => Answer::file("audio/mpeg", tone.to_vec()),
    });
    let gateway = gateway_for(&application, &[]);
    let party = Party::new();
    let call = caller(&gateway, sipp::invite("") + &sipp::answered() + &sipp::hung_up(), &party);
    let is_loud = |packet: &Packet| {
        let loud = |code: &&u8| g711::decode(Codec::Pcmu, **code).unsigned_abs() > 4_000;
        packet.payload.iter().filter(loud).count() > 60
    };
    let heard = party.receive_until(90, is_loud).len();
    assert_eq!(heard, 90, "packets of the tone, of 100");
    call.finish().expect_success();
}

#[test]
fn a_failing_application_falls_back_and_leaves_an_alert() {
    let application = Application::start(|asked| match asked.path.as_str() {
        "/fallback" => Answer::twiml("<Reject reason=\"busy\"/>"),
        _ => Answer::status(500),
    });
    let fallback = application.url("/fallback");
    let gateway = gateway_for(&application, &[("VoiceFallbackUrl", &fallback)]);
    let party = Party::new();
    let call = caller(&gateway, sipp::invite("") + &sipp::refused(486), &party);
    call.finish().expect_success();
    let asked = application.wait_for_path("/fallback");
    assert_eq!(asked.parameter("ErrorCode"), Some("11200"));
    assert_eq!(asked.parameter("ErrorUrl"), Some(application.url("/voice").as_str()));
    let sid = asked.parameter("CallSid").expect("a SID").to_owned();

    gateway.metrics_when("no call live", |now| now.value("signaling_calls_live") == 0);
    let printed = sdk::python(
        &gateway,
        &format!(
            "[alert] = client.monitor.v1.alerts.list()\n\
             whole = client.monitor.v1.alerts(alert.sid).fetch()\n\
             print(alert.error_code, alert.resource_sid == '{sid}', whole.request_url, whole.log_level)\n\
             [note] = client.calls('{sid}').notifications.list()\n\
             print(note.error_code, note.log, note.request_url)\n\
             for event in client.calls('{sid}').events.list():\n\
             \x20   print(event.request['method'], event.request['url'], event.response['response_code'])\n"
        ),
    );
    let (voice, fallback) = (application.url("/voice"), application.url("/fallback"));
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], format!("11200 True {voice} error"), "{printed}");
    assert_eq!(lines[1], format!("11200 0 {voice}"), "{printed}");
    assert!(lines.contains(&format!("POST {voice} 500").as_str()), "{printed}");
    assert!(lines.contains(&format!("POST {fallback} 200").as_str()), "{printed}");
}

#[test]
fn the_timeline_tells_the_whole_story_of_a_call() {
    let application = Application::start(|_| Answer::twiml("<Say>Hello.</Say>"));
    let gateway = gateway_for(&application, &[]);
    let party = Party::new();
    let call = caller(&gateway, sipp::invite("") + &sipp::answered() + &sipp::hung_up(), &party);
    call.finish().expect_success();
    gateway.metrics_when("no call live", |now| now.value("signaling_calls_live") == 0);
    let calls = gateway.fetch("Calls.json").json();
    let sid = calls["calls"][0]["sid"].as_str().expect("a call").to_owned();
    let timeline = finished_timeline(&gateway, &sid);
    let entries = timeline["timeline"].as_array().expect("entries");
    let told = |kind: &str, text: &str| {
        let is = |entry: &&Value| {
            entry["kind"] == kind && entry["text"].as_str().is_some_and(|said| said.contains(text))
        };
        entries.iter().position(|entry| is(&entry))
    };
    let story = [
        ("sip", "<- INVITE"),
        ("sip", "-> 180 Ringing"),
        ("webhook", "/voice"),
        ("webhook", "<- 200"),
        ("verb", "<Say>"),
        ("sip", "-> 200 OK (INVITE)"),
        ("sip", "<- ACK"),
        ("sip", "-> BYE"),
        ("media", "media ended"),
    ];
    let order: Vec<Option<usize>> = story.iter().map(|(kind, text)| told(kind, text)).collect();
    assert!(order.iter().all(Option::is_some), "{story:?} is at {order:?} of {timeline:#}");
    assert!(order.is_sorted(), "{story:?} is at {order:?} of {timeline:#}");
}

/// The timeline once it is written: it ends with the report of the media core.
fn finished_timeline(gateway: &Gateway, sid: &str) -> Value {
    wait::found("report of the media core", || {
        let reply = gateway.fetch(&format!("Calls/{sid}/Timeline.json"));
        assert_eq!(reply.status, 200);
        let timeline = reply.json();
        let is_whole = timeline.to_string().contains("media ended");
        if is_whole { Ok(timeline) } else { Err(format!("{timeline:#}")) }
    })
}

#[test]
fn a_redirecting_application_is_followed() {
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => {
            let mut answer = Answer::status(302);
            answer.headers.push(("Location".to_owned(), "/moved?from=voice".to_owned()));
            answer
        }
        _ => Answer::twiml("<Reject/>"),
    });
    let gateway = gateway_for(&application, &[]);
    let party = Party::new();
    caller(&gateway, sipp::invite("") + &sipp::refused(404), &party).finish().expect_success();
    let asked = application.wait_for_path("/moved");
    assert_eq!(asked.method, "GET");
    assert_eq!(asked.parameter("from"), Some("voice"));
    assert_eq!(asked.parameter("CallStatus"), Some("ringing"));
}

#[test]
fn a_played_file_arrives_byte_for_byte() {
    let application = Application::start(|asked| match asked.path.as_str() {
        "/tone.wav" => Answer::file("audio/x-wav", mulaw_wav(&played())),
        _ => Answer::twiml("<Play>/tone.wav</Play>"),
    });
    let gateway = gateway_for(&application, &[]);
    let party = Party::new();
    let call = caller(&gateway, sipp::invite("") + &sipp::answered() + &sipp::hung_up(), &party);
    let heard: Vec<u8> = party
        .receive_until(40, |packet| packet.payload.iter().any(|byte| *byte != 0xFF))
        .into_iter()
        .flat_map(|packet| packet.payload)
        .collect();
    call.finish().expect_success();
    assert!(
        heard == played(),
        "{} bytes were heard, other ones than {}",
        heard.len(),
        played().len()
    );
}

/// 0.8 s that is never silent, in packets that are each different.
fn played() -> Vec<u8> {
    (0..40 * 160_u32).map(|n| 0x80 | (1 + (n * 7 + n / 160) % 0x70) as u8).collect()
}

/// A WAV file of mu-law bytes (format 7), 8,000 Hz, mono.
fn mulaw_wav(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u32;
    let mut wav = b"RIFF".to_vec();
    wav.extend_from_slice(&(36 + length).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt ");
    for word in [16_u32, 0x0001_0007, 8_000, 8_000, 0x0008_0001] {
        wav.extend_from_slice(&word.to_le_bytes());
    }
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&length.to_le_bytes());
    wav.extend_from_slice(bytes);
    wav
}

#[test]
fn an_inbound_call_is_reported_once_as_completed() {
    let application =
        Application::start(|asked| hangup_otherwise(asked, "/voice", "<Say>Hello.</Say>"));
    let status = application.url("/status");
    let gateway = gateway_for(&application, &[("VoiceStatusCallbackUrl", &status)]);
    let party = Party::new();
    let call = caller(&gateway, sipp::invite("") + &sipp::answered() + &sipp::hung_up(), &party);
    call.finish().expect_success();
    let told = application.wait_for_path("/status");
    assert_eq!(told.parameter("CallStatus"), Some("completed"));
    assert!(told.parameter("CallDuration").is_some(), "{told:?}");
    gateway.metrics_when("no webhook open", |now| {
        now.value("signaling_calls_live") == 0 && now.value("webhook_requests_open") == 0
    });
    let count = application.asked().iter().filter(|asked| asked.path == "/status").count();
    assert_eq!(count, 1);
}

#[test]
fn custom_headers_of_a_refusing_callee_reach_the_dial_action() {
    let port = sipp::free_port();
    let application = Application::start(move |asked| {
        let dial = format!(
            "<Dial answerOnBridge=\"true\" action=\"/dialled\"><Sip>sip:bob@127.0.0.1:{port}?X-Out=a%20b</Sip></Dial>"
        );
        match asked.path.as_str() {
            "/voice" => Answer::twiml(&dial),
            _ => Answer::twiml("<Reject reason=\"busy\"/>"),
        }
    });
    let gateway = gateway_for(&application, &[]);
    let (party, bob) = (Party::new(), Party::new());
    let refusing = callee(&refusing("480 Away", "X-Reason: lunch;until=13\n"), port, &bob);
    let scenario = sipp::invite("X-In: 1;b=2\n") + &sipp::refused(486);
    caller(&gateway, scenario, &party).finish().expect_success();
    let asked = application.wait_for_path("/voice");
    assert_eq!(asked.parameter("SipHeader_X-In"), Some("1;b=2"));
    let dialled = application.wait_for_path("/dialled");
    assert_eq!(dialled.parameter("DialSipHeader_X-Reason"), Some("lunch;until=13"), "{dialled:?}");
    assert_eq!(dialled.parameter("DialSipResponseCode"), Some("480"));
    assert_eq!(dialled.parameter("DialCallStatus"), Some("no-answer"));
    let messages = refusing.finish().expect_success().messages();
    assert!(messages.contains("X-Out: a b"), "{messages}");
}

#[test]
fn with_answer_on_bridge_the_caller_is_answered_when_the_callee_is() {
    let port = sipp::free_port();
    let application = Application::start(move |asked| {
        hangup_otherwise(
            asked,
            "/voice",
            &format!(
                "<Dial answerOnBridge=\"true\" action=\"/dialled\"><Sip>sip:bob@127.0.0.1:{port}</Sip></Dial>"
            ),
        )
    });
    let gateway = gateway_for(&application, &[]);
    let (alice, bob) = (Party::new(), Party::new());
    let answering = callee(&sipp::callee("", "0 101"), port, &bob);
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hang_up_after(1_000);
    caller(&gateway, scenario, &alice).finish().expect_success();
    let dialled = application.wait_for_path("/dialled");
    assert_eq!(dialled.parameter("DialCallStatus"), Some("completed"));
    answering.finish().expect_success();
    gateway.metrics_when("no call live", |now| now.value("signaling_calls_live") == 0);
    let calls = gateway.fetch("Calls.json").json();
    let listed = calls["calls"].as_array().expect("calls");
    assert_eq!(listed.len(), 2);
    let duration = |call: &Value| call["duration"].as_str().map(str::to_owned);
    assert_eq!(duration(&listed[0]), duration(&listed[1]), "both began with the bridge: {calls}");
}

#[test]
fn a_live_call_is_taken_over_by_the_sdk() {
    let application = Application::start(|asked| {
        hangup_otherwise(asked, "/voice", "<Say>Hello.</Say><Pause length=\"60\"/>")
    });
    let gateway = gateway_for(&application, &[]);
    let party = Party::new();
    let call = caller(&gateway, sipp::invite("") + &sipp::answered() + &sipp::hung_up(), &party);
    party.receive().expect("the call is up");
    let printed = sdk::python(
        &gateway,
        &format!(
            "[call] = client.calls.list(status='in-progress')\n\
             print(call.update(twiml='<Response><Redirect>{}</Redirect></Response>').status)\n",
            application.url("/taken")
        ),
    );
    assert_eq!(printed.trim(), "in-progress");
    let asked = application.wait_for_path("/taken");
    assert_eq!(asked.parameter("CallStatus"), Some("in-progress"));
    call.finish().expect_success();
}
