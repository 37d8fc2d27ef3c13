//! The REST API's resources, walked over by the unmodified SDKs, and what SDKs do not show.

use std::io::{Read, Write};
use std::net::TcpStream;

use base64::Engine as _;
use serde_json::Value;

use crate::application::{Answer, Application};
use crate::gateway::{ACCOUNT, Gateway, TOKEN};
use crate::rtp::{Party, Stream, sound};
use crate::sdk;
use crate::sipp::{self, Sipp};
use crate::wait;

#[test]
fn the_python_sdk_walks_over_every_resource() {
    let gateway = Gateway::start("");
    let printed = sdk::python(&gateway, include_str!("rest_walk.py"));
    assert_eq!(printed.trim(), "walked");
}

#[test]
fn the_node_sdk_walks_over_every_resource() {
    let gateway = Gateway::start("");
    let printed = sdk::node(&gateway, include_str!("rest_walk.js"));
    assert_eq!(printed.trim(), "walked");
}

#[test]
fn the_sdks_walk_over_applications_and_numbers() {
    let gateway = Gateway::start("");
    let printed = sdk::python(&gateway, include_str!("rest_numbers.py"));
    assert_eq!(printed.trim(), "walked");
    let printed = sdk::node(&gateway, include_str!("rest_numbers.js"));
    assert_eq!(printed.trim(), "walked");
}

#[test]
fn a_recorded_call_is_there_in_every_view_and_its_audio_goes_with_its_recording() {
    let gateway = Gateway::start("");
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(
            "<Record maxLength=\"2\" playBeep=\"false\" trim=\"do-not-trim\" action=\"/gone\"/>",
        ),
        _ => Answer::status(404),
    });
    record_a_call(&gateway, &application);
    let printed = sdk::python(&gateway, RECORDED_CALL);
    let recording = printed.split_whitespace().last().expect("a recording's SID");
    assert!(recording.starts_with("RE"), "{printed}");
    let folder = gateway.folder.path().join("data/recordings").join(ACCOUNT);
    let left: Vec<_> = std::fs::read_dir(folder).expect("the folder").flatten().collect();
    assert!(left.is_empty(), "the file is still there: {left:?}");
}

const RECORDED_CALL: &str = "import requests\n\
    from datetime import timedelta\n\
    call, = client.calls.list(status='completed')\n\
    recording, = client.recordings.list(call_sid=call.sid)\n\
    assert (recording.duration, recording.channels, recording.source) == ('2', 1, 'RecordVerb')\n\
    assert [row.sid for row in client.calls(call.sid).recordings.list()] == [recording.sid]\n\
    login = (client.username, client.password)\n\
    audio = requests.get(recording.media_url, auth=login)\n\
    assert audio.headers['Content-Type'] == 'audio/x-wav' and audio.content[:4] == b'RIFF'\n\
    assert abs(len(audio.content) - 44 - 32000) <= 640, len(audio.content)\n\
    assert requests.get(recording.media_url + '.wav', auth=login).content == audio.content\n\
    head = requests.head(recording.media_url, auth=login)\n\
    assert int(head.headers['Content-Length']) == len(audio.content)\n\
    part = requests.get(recording.media_url, auth=login, headers={'Range': 'bytes=44-1043'})\n\
    assert (part.status_code, part.content) == (206, audio.content[44:1044])\n\
    assert part.headers['Access-Control-Allow-Origin'] == '*'\n\
    past = requests.get(recording.media_url, auth=login, headers={'Range': 'bytes=999999-'})\n\
    assert (past.status_code, past.json()['status']) == (416, 416)\n\
    two = requests.get(recording.media_url + '?RequestedChannels=2', auth=login)\n\
    assert (two.status_code, two.json()['code']) == (400, 16113)\n\
    assert requests.get(recording.media_url).status_code == 401\n\
    voice, gone = sorted(client.calls(call.sid).events.list(), key=lambda e: e.request['url'], reverse=True)\n\
    assert (voice.response['response_code'], gone.response['response_code']) == (200, 404)\n\
    assert gone.request['parameters']['RecordingSid'] == recording.sid\n\
    note, = client.notifications.list(log='0')\n\
    assert (note.error_code, note.call_sid) == ('11200', call.sid)\n\
    day, day_before = call.start_time.date(), call.start_time.date() - timedelta(days=1)\n\
    assert [row.sid for row in client.calls.list(start_time=day)] == [call.sid]\n\
    assert [row.sid for row in client.recordings.list(date_created=day)] == [recording.sid]\n\
    assert [row.sid for row in client.notifications.list(message_date=day)] == [note.sid]\n\
    assert client.calls.list(start_time=day_before) == []\n\
    assert client.calls.list(start_time_before=day) == []\n\
    assert client.calls(call.sid).notifications(note.sid).fetch().request_url.endswith('/gone')\n\
    alert = client.monitor.v1.alerts.list()[0].fetch()\n\
    assert (alert.sid, alert.error_code, alert.resource_sid) == (note.sid, '11200', call.sid)\n\
    timeline = requests.get(client.api.base_url + call.subresource_uris['timeline'], auth=login).json()\n\
    assert timeline['left_out'] == 0 and any(e['kind'] == 'verb' for e in timeline['timeline'])\n\
    assert client.calls(call.sid).delete()\n\
    assert client.recordings(recording.sid).fetch().call_sid == call.sid\n\
    assert client.recordings(recording.sid).delete() and client.recordings.list() == []\n\
    assert requests.get(recording.media_url, auth=login).status_code == 404\n\
    kept, = client.recordings.list(include_soft_deleted=True)\n\
    assert kept.status == 'deleted'\n\
    print(recording.sid)\n";

/// One call over SIP that is recorded for two seconds, and the gateway's end of it.
fn record_a_call(gateway: &Gateway, application: &Application) {
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    let party = Party::new();
    let caller =
        Sipp::caller(&(sipp::invite("") + &sipp::answered() + &sipp::hung_up()), party.port())
            .start(gateway.sip_udp);
    let (_, media) = party.receive().expect("the call is up");
    Stream::new(7).say(&party, media, sound(125));
    caller.finish().expect_success();
    let ended = || {
        let calls = gateway.fetch("Calls.json?Status=completed").json();
        let recordings = gateway.fetch("Recordings.json").json();
        calls["calls"][0]["sid"].is_string() && recordings["recordings"][0]["status"] == "completed"
    };
    wait::until("the call and its recording are over", ended);
}

#[test]
fn past_a_hundred_requests_at_once_an_account_gets_429_and_nothing_is_done() {
    let gateway = Gateway::start("");
    let login = base64::engine::general_purpose::STANDARD.encode(format!("{ACCOUNT}:{TOKEN}"));
    let request = format!(
        "POST /2010-04-01/Accounts/{ACCOUNT}/Keys.json HTTP/1.1\r\nHost: x\r\n\
         Authorization: Basic {login}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let mut streams: Vec<TcpStream> =
        (0..500).map(|_| TcpStream::connect(gateway.http).expect("it listens")).collect();
    for stream in &mut streams {
        stream.write_all(request.as_bytes()).expect("writable");
    }
    let mut made = 0;
    for mut stream in streams {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let refused = answer.starts_with("HTTP/1.1 429 ") && answer.contains("\"code\":20429");
        let created = answer.starts_with("HTTP/1.1 201 ");
        assert!(refused != created, "{answer}");
        made += usize::from(created);
    }
    assert!((100..500).contains(&made), "{made} of 500 were let in");
    let keys: Value = gateway.fetch("Keys.json?PageSize=1000").json();
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(made));
}
