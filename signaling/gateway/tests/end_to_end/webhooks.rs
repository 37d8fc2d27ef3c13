//! Requests to an application, and calls whose application fails.

use crate::application::{Answer, Application, Asked};
use crate::gateway::Gateway;
use crate::rtp::{Party, Stream};
use crate::sdk;
use crate::sipp::{self, Finished, Sipp};

/// A caller at domain `desk` with its media port and the scenario after its INVITE.
fn caller(headers: &str, then: &str, media: u16) -> Sipp {
    Sipp::caller(&(sipp::invite(headers) + then), media)
}

fn call(gateway: &Gateway, headers: &str, then: &str) -> Finished {
    caller(headers, then, sipp::SILENT_MEDIA_PORT).call(gateway.sip_udp, 1).expect_success()
}

fn desk(gateway: &Gateway, fields: &[(&str, &str)]) {
    let domain = gateway.domain("desk", fields);
    gateway.allow_address(&domain, "127.0.0.1");
}

fn is_signed(application: &Application, asked: &Asked) -> bool {
    let parameters: &[(String, String)] =
        if asked.method == "POST" { &asked.parameters } else { &[] };
    let signature = asked.headers.get("x-twilio-signature").expect("signed");
    sdk::signature_is_valid(&application.url(&asked.target), parameters, signature)
}

fn redirect(status: u16, location: &str) -> Answer {
    let headers = vec![("Location".to_owned(), location.to_owned())];
    Answer { headers, ..Answer::status(status) }
}

const REJECT: &str = "<Reject/>";
const BUSY: &str = "<Reject reason=\"busy\"/>";

/// A failure by its name, the answer of the application, and the `ErrorCode` in the fallback request.
fn failure(name: &str) -> (Answer, &'static str) {
    let xml = |text: &str| Answer::file("text/xml", text.as_bytes().to_vec());
    match name {
        "500" => (Answer::status(500), "11200"),
        "404" => (Answer::status(404), "11200"),
        "type" => (Answer::file("application/json", b"{}".to_vec()), "12300"),
        "empty" => (xml(""), "11770"),
        "broken" => (xml("<Response>"), "12100"),
        "dtd" => (xml("<!DOCTYPE a [<!ENTITY b \"c\">]><Response/>"), "12100"),
        "root" => (xml("<Foo/>"), "12102"),
        "large" => (Answer::twiml(&"<Pause/>".repeat(9_000)), "11750"),
        "loop" => (redirect(302, "/loop"), "11215"),
        "nowhere" => (Answer::status(302), "11216"),
        "scheme" => (Answer::twiml("<Redirect>ftp://127.0.0.1/</Redirect>"), "11100"),
        "refused" => (Answer::twiml("<Redirect>http://127.0.0.1:1/</Redirect>"), "11202"),
        "unbuilt" => (Answer::twiml("<Pay/>"), "13750"),
        "router" => (Answer::twiml("<Enqueue workflowSid=\"WW1\"/>"), "13750"),
        _ => unreachable!("{name} is no case"),
    }
}

#[test]
fn every_failure_of_an_application_goes_to_its_fallback_with_its_code() {
    let gateway = Gateway::start("");
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => failure(asked.parameter("SipHeader_X-Case").expect("a case")).0,
        "/loop" => redirect(302, "/loop"),
        _ => Answer::twiml(BUSY),
    });
    let (voice, fallback) = (application.url("/voice?a=1"), application.url("/fallback"));
    desk(&gateway, &[("VoiceUrl", &voice), ("VoiceFallbackUrl", &fallback)]);
    let cases = [
        "500", "404", "type", "empty", "broken", "dtd", "root", "large", "loop", "nowhere",
        "scheme", "refused", "unbuilt", "router",
    ];
    for case in cases {
        call(&gateway, &format!("X-Case: {case}\n"), &sipp::refused(486));
        let asked = application.wait_for(case, |asked| {
            asked.path == "/fallback" && asked.parameter("SipHeader_X-Case") == Some(case)
        });
        assert_eq!(asked.parameter("ErrorCode"), Some(failure(case).1), "{case}");
        let url = if case == "refused" { "http://127.0.0.1:1/" } else { voice.as_str() };
        assert_eq!(asked.parameter("ErrorUrl"), Some(url), "{case}");
    }
    let last = application.asked().pop().expect("the last fallback");
    assert!(is_signed(&application, &last));
}

#[test]
fn a_file_that_cannot_be_played_is_reported_with_its_own_url() {
    let gateway = Gateway::start("");
    let application = Application::start(|asked| match asked.path.as_str() {
        "/a/voice" => Answer::twiml("<Gather><Play>missing.wav</Play></Gather>"),
        "/a/missing.wav" => Answer::status(404),
        _ => Answer::twiml("<Hangup/>"),
    });
    let (voice, fallback) = (application.url("/a/voice"), application.url("/fallback"));
    desk(&gateway, &[("VoiceUrl", &voice), ("VoiceFallbackUrl", &fallback)]);
    call(&gateway, "", &(sipp::answered() + &sipp::hung_up()));
    let asked = application.wait_for_path("/fallback");
    assert_eq!(asked.parameter("ErrorCode"), Some("11200"));
    assert_eq!(asked.parameter("ErrorUrl"), Some(application.url("/a/missing.wav").as_str()));
    let media = application.wait_for_path("/a/missing.wav");
    assert_eq!((media.method.as_str(), media.parameters.len()), ("GET", 0));
}

#[test]
fn an_application_that_never_answers_is_retried_as_its_url_says() {
    let gateway = Gateway::start("");
    let application = Application::start(|_| Answer::twiml(BUSY));
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("bound");
    let voice = format!("http://{address}/voice#rt=300&rc=2&rp=rt");
    desk(&gateway, &[("VoiceUrl", &voice), ("VoiceFallbackUrl", &application.url("/fallback"))]);
    let tokens = std::thread::spawn(move || {
        let mut tokens = Vec::new();
        for _ in 0..3 {
            let (stream, _) = silent.accept().expect("a connection");
            tokens.push(idempotency_token(&stream));
            // Kept open: closing it would be an answer.
            std::mem::forget(stream);
        }
        tokens
    });
    call(&gateway, "", &sipp::refused(486));
    let asked = application.wait_for_path("/fallback");
    assert_eq!(asked.parameter("ErrorCode"), Some("11205"));
    let url = format!("http://{address}/voice");
    assert_eq!(asked.parameter("ErrorUrl"), Some(url.as_str()), "without the overrides");
    let tokens = tokens.join().expect("three requests");
    assert_eq!(tokens.len(), 3);
    assert!(tokens.iter().all(|token| *token == tokens[0] && !token.is_empty()), "{tokens:?}");
}

fn idempotency_token(stream: &std::net::TcpStream) -> String {
    use std::io::{BufRead, BufReader};
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let token = head.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("I-Twilio-Idempotency-Token").then(|| value.trim().to_owned())
    });
    token.unwrap_or_default()
}

#[test]
fn get_basic_auth_cookies_and_redirects_are_as_a_browser_does_them() {
    let gateway = Gateway::start("");
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" if !asked.headers.contains_key("authorization") => Answer::status(401),
        "/voice" => {
            let cookie = ("Set-Cookie".to_owned(), "session=abc; Path=/".to_owned());
            let answer = Answer::twiml("<Redirect method=\"POST\">next?step=2</Redirect>");
            Answer { headers: vec![cookie], ..answer }
        }
        "/next" => redirect(303, "/last?x=a%20b"),
        _ => Answer::twiml(REJECT),
    });
    let status = application.url("/status");
    let voice = application.url("/voice?tenant=7").replace("http://", "http://me:p%3Aw@");
    let fields = [
        ("VoiceUrl", voice.as_str()),
        ("VoiceMethod", "GET"),
        ("VoiceStatusCallbackUrl", &status),
        ("VoiceStatusCallbackMethod", "GET"),
    ];
    desk(&gateway, &fields);
    call(&gateway, "X-Tag: a b+c,d\n", &sipp::refused(404));

    let first = application.wait_for_path("/voice");
    assert_eq!(first.method, "GET");
    assert_eq!(first.headers.get("authorization").map(String::as_str), Some("Basic bWU6cDp3"));
    assert!(first.target.starts_with("/voice?tenant=7&"), "{}", first.target);
    assert!(first.target.contains("SipHeader_X-Tag=a%20b%2Bc%2Cd"), "{}", first.target);
    let next = application.wait_for_path("/next");
    assert_eq!(next.method, "POST");
    assert_eq!(next.headers.get("cookie").map(String::as_str), Some("session=abc"));
    let last = application.wait_for_path("/last");
    assert_eq!(last.method, "GET", "303 turns into GET");
    assert_eq!(last.parameter("x"), Some("a b"));
    assert_eq!(last.parameter("SipHeader_X-Tag"), Some("a b+c,d"));
    let told = application.wait_for_path("/status");
    assert_eq!((told.method.as_str(), told.parameter("CallStatus")), ("GET", Some("no-answer")));
    assert_eq!(told.parameter("SipHeader_X-Tag"), None, "callbacks carry no SIP headers");
    for asked in [&first, &next, &last, &told] {
        assert!(is_signed(&application, asked), "{asked:?}");
    }
}

#[test]
fn a_file_is_fetched_once_while_it_is_fresh() {
    let gateway = Gateway::start("");
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml("<Play loop=\"2\">tone.ulaw</Play>"),
        _ => Answer {
            headers: vec![("Cache-Control".to_owned(), "max-age=60".to_owned())],
            ..Answer::file("audio/ulaw", vec![0x10; 1_600])
        },
    });
    desk(&gateway, &[("VoiceUrl", &application.url("/voice"))]);
    for _ in 0..2 {
        call(&gateway, "", &(sipp::answered() + &sipp::hung_up()));
    }
    let fetched = application.asked().iter().filter(|asked| asked.path == "/tone.ulaw").count();
    assert_eq!(fetched, 1);
}

#[test]
fn documents_of_both_sdks_run() {
    let gateway = Gateway::start("");
    let python = sdk::python(
        &gateway,
        "from twilio.twiml.voice_response import VoiceResponse, Gather\n\
         response = VoiceResponse()\n\
         gather = Gather(action='/node?a=1&b=<2>', timeout=1, num_digits=2, finish_on_key='*',\n\
         \x20   action_on_empty_result=True, barge_in=True, input='dtmf', language='en-GB')\n\
         gather.say('Press & hold', voice='Polly.Joanna')\n\
         response.append(gather)\n\
         print(str(response))\n",
    );
    let node = sdk::node(
        &gateway,
        "const VoiceResponse = require('twilio').twiml.VoiceResponse;
         const response = new VoiceResponse();
         const say = response.say({voice: 'Polly.Amy'});
         say.emphasis({level: 'strong'}, 'Thank you');
         say.break({time: '100ms'});
         response.pause({length: 1});
         response.redirect({method: 'GET'}, '/end');
         console.log(response.toString());",
    );
    let application = Application::start(move |asked| match asked.path.as_str() {
        "/voice" => Answer::file("text/xml", python.trim().as_bytes().to_vec()),
        "/node" => Answer::file("application/xml", node.trim().as_bytes().to_vec()),
        _ => Answer::twiml("<Hangup/>"),
    });
    desk(&gateway, &[("VoiceUrl", &application.url("/voice"))]);
    call(&gateway, "", &(sipp::answered() + &sipp::hung_up()));
    let gathered = application.wait_for_path("/node");
    assert_eq!(gathered.parameter("Digits"), Some(""), "an empty result was asked for");
    assert_eq!(gathered.parameter("CallStatus"), Some("in-progress"));
    assert!(gathered.target.contains("b=%3C2%3E"), "{}", gathered.target);
    assert_eq!(application.wait_for_path("/end").method, "GET");
}

#[test]
fn hanging_up_ends_a_recording_and_its_action_reports_it() {
    let gateway = Gateway::start("");
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(
            "<Record action=\"/recorded\" playBeep=\"false\" recordingStatusCallback=\"/file\"/>",
        ),
        _ => Answer::status(204),
    });
    let status = application.url("/status");
    let voice = application.url("/voice");
    desk(&gateway, &[("VoiceUrl", &voice), ("VoiceStatusCallbackUrl", &status)]);
    let party = Party::new();
    let running = caller("", &(sipp::answered() + &sipp::hang_up_after(2_000)), party.port())
        .start(gateway.sip_udp);
    talk(&party, 50);
    running.finish().expect_success();

    let action = application.wait_for_path("/recorded");
    assert_eq!(action.parameter("Digits"), Some("hangup"));
    assert_eq!(action.parameter("CallStatus"), Some("completed"));
    let file = application.wait_for_path("/file");
    assert_eq!(file.parameter("RecordingStatus"), Some("completed"));
    assert_eq!(file.parameter("RecordingSource"), Some("RecordVerb"));
    assert_eq!(file.parameter("RecordingUrl"), action.parameter("RecordingUrl"));
    assert_eq!(file.parameter("CallStatus"), None, "not a callback of the call");
    assert_eq!(application.wait_for_path("/status").parameter("CallStatus"), Some("completed"));
    for asked in [&action, &file] {
        assert!(is_signed(&application, asked));
    }
    let url = file.parameter("RecordingUrl").expect("a URL");
    let path = url.split_once("/2010-04-01").expect("of the API").1;
    let wav = gateway.get(&format!("/2010-04-01{path}.wav"));
    assert_eq!(wav.status, 200);
    // A second of speech at least, and no more than the call: 8,000 samples of two bytes or of one.
    assert!((8_000..40_000).contains(&wav.body.len()), "{} bytes", wav.body.len());
}

/// Packets of a loud tone to where the gateway sends from.
fn talk(party: &Party, packets: usize) {
    let (_, gateway) = party.receive().expect("silence from the gateway, before anything is said");
    let tone = [0x10, 0x90].repeat(80);
    Stream::new(7).say(party, gateway, std::iter::repeat_n(tone, packets));
}
