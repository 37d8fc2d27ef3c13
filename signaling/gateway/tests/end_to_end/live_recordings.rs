//! Recordings of calls that are up, started and changed by the SDKs while people talk.

use plane::g711;
use shared::Codec;

use crate::application::{Answer, Application};
use crate::gateway::{ACCOUNT, Gateway, TOKEN};
use crate::phone::{Caller, PASSWORD};
use crate::rtp::{Party, Stream, Talker};
use crate::sdk;
use crate::sipp::{self, Sipp};
use crate::transfers;
use crate::wait;
use crate::wav;

/// Says one byte for a second.
fn second(stream: &mut Stream, party: &Party, to: std::net::SocketAddr, byte: u8) {
    stream.say(party, to, (0..50).map(|_| vec![byte; 160]));
}

/// The samples of a recording's audio.
fn audio(gateway: &Gateway, sid: &str, query: &str) -> Vec<i16> {
    let reply = gateway.fetch(&format!("Recordings/{sid}.wav{query}"));
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    wav::samples(&reply.body)
}

/// How many samples are the sound of this byte.
fn count(samples: &[i16], byte: u8) -> usize {
    let sample = g711::decode(Codec::Pcmu, byte);
    samples.iter().filter(|found| **found == sample).count()
}

#[test]
fn a_live_call_has_two_recordings_that_pause_in_their_own_ways_and_stop() {
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml("<Gather timeout=\"120\"/>"),
        _ => Answer::twiml(""),
    });
    let gateway = Gateway::start("");
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    let party = Party::new();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    let call = Sipp::caller(&scenario, party.port()).start(gateway.sip_udp);
    let (_, to) = party.receive().expect("the call is up");
    let sid = application.wait_for_path("/voice").parameter("CallSid").expect("a SID").to_owned();

    let callback = application.url("/recording");
    let printed = sdk::python(
        &gateway,
        &format!(
            "from twilio.base.exceptions import TwilioRestException\n\
             recordings = client.calls('{sid}').recordings\n\
             dual = recordings.create(recording_channels='dual', recording_status_callback='{callback}',\n\
             \x20   recording_status_callback_event=['in-progress', 'completed'])\n\
             assert (dual.status, dual.channels, dual.call_sid) == ('in-progress', 2, '{sid}'), dual._properties\n\
             assert dual.source == 'StartCallRecordingAPI', dual.source\n\
             mono = recordings.create(recording_status_callback='{callback}')\n\
             assert (mono.channels, mono.duration) == (1, None), mono._properties\n\
             assert {{row.sid for row in recordings.list()}} == {{dual.sid, mono.sid}}\n\
             try:\n\
             \x20   recordings('Twilio.CURRENT').update(status='paused')\n\
             \x20   raise SystemExit('two recordings run')\n\
             except TwilioRestException as error:\n\
             \x20   assert (error.status, error.code) == (400, 16108), error\n\
             print(dual.sid, mono.sid)\n"
        ),
    );
    let mut sids = printed.split_whitespace();
    let (dual, mono) = (sids.next().expect("a SID"), sids.next().expect("another"));
    let update = |recording: &str, form: &[(&str, &str)], status: &str| {
        let path = format!("Calls/{sid}/Recordings/{recording}.json");
        assert_eq!(gateway.create(&path, form).text("status"), status);
        assert_eq!(gateway.fetch(&path).text("status"), status, "a read that follows sees it");
    };

    let mut stream = Stream::new(7);
    second(&mut stream, &party, to, 0x10);
    update(dual, &[("Status", "paused")], "paused");
    update(mono, &[("Status", "paused"), ("PauseBehavior", "skip")], "paused");
    second(&mut stream, &party, to, 0x20);
    for recording in [dual, mono] {
        update(recording, &[("Status", "in-progress")], "in-progress");
    }
    second(&mut stream, &party, to, 0x30);
    update(mono, &[("Status", "stopped")], "stopped");
    let body = format!(
        "const recording = await client.calls('{sid}').recordings('Twilio.CURRENT')\
         .update({{status: 'stopped'}});\nconsole.log(recording.sid, recording.status);"
    );
    assert_eq!(sdk::node(&gateway, &body).trim(), format!("{dual} stopped"));

    let completed = |recording: &str| {
        let told = application.wait_for("the file", |asked| {
            asked.parameter("RecordingSid") == Some(recording)
                && asked.parameter("RecordingStatus") == Some("completed")
        });
        assert_eq!(told.parameter("RecordingSource"), Some("StartCallRecordingAPI"));
        told.parameter("RecordingDuration").and_then(|text| text.parse().ok()).expect("seconds")
    };
    let (of_dual, of_mono): (u32, u32) = (completed(dual), completed(mono));
    assert!(of_dual > of_mono, "the pause of {of_dual} s and {of_mono} s");
    let heard = audio(&gateway, mono, "");
    assert!(count(&heard, 0x10) >= 7_000 && count(&heard, 0x30) >= 7_000, "what was said");
    assert_eq!(count(&heard, 0x20), 0, "and nothing of the pause");
    let both = audio(&gateway, dual, "?RequestedChannels=2");
    let caller: Vec<i16> = both.iter().step_by(2).copied().collect();
    let gateways: Vec<i16> = both.iter().skip(1).step_by(2).copied().collect();
    assert!(count(&caller, 0x10) >= 7_000 && count(&caller, 0x30) >= 7_000);
    assert_eq!((count(&caller, 0x20), wav::loud(&gateways)), (0, 0));

    let printed = sdk::python(
        &gateway,
        &format!(
            "from twilio.base.exceptions import TwilioRestException\n\
             import requests\n\
             two = requests.get('http://{}/2010-04-01/Accounts/{ACCOUNT}/Recordings/{mono}?RequestedChannels=2',\n\
             \x20   auth=('{ACCOUNT}', '{TOKEN}'))\n\
             assert (two.status_code, two.json()['code']) == (400, 16113), two.text\n\
             client.calls('{sid}').update(status='completed')\n\
             recordings = client.calls('{sid}').recordings\n\
             for change in (recordings.create, lambda: recordings('{mono}').update(status='paused')):\n\
             \x20   try:\n\
             \x20       change()\n\
             \x20       raise SystemExit('the call is over')\n\
             \x20   except TwilioRestException as error:\n\
             \x20       assert (error.status, error.code) == (400, 21220), error\n\
             \x20       assert 'Requested resource is not eligible for recording' in error.msg, error\n\
             assert recordings('{dual}').fetch().status == 'completed'\n\
             assert recordings('{dual}').delete() and recordings('{mono}').delete()\n\
             assert recordings.list() == []\n\
             print('done')\n",
            gateway.http
        ),
    );
    assert_eq!(printed.trim(), "done");
    call.finish().expect_success();
}

#[test]
fn a_bridge_of_two_phones_is_recorded_with_each_in_a_channel_of_its_own() {
    let gateway = Gateway::start_with_default_domain("desk");
    let port = sipp::free_port();
    let application = Application::start(move |asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(&format!("<Dial><Sip>sip:bob@127.0.0.1:{port}</Sip></Dial>")),
        _ => Answer::twiml(""),
    });
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let bob = Party::new();
    let callee = transfers::callee(port, &bob, None);
    let bob = Talker::start(bob, 0xB0, 20);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let says = folder.path().join("tone.wav");
    std::fs::write(&says, wav::tone(80_000)).expect("writable");
    std::thread::scope(|scope| {
        let caller = Caller::new(&gateway).saying(&says);
        let alice = scope.spawn(move || caller.call(&["wait=6", "hangup"]));
        let sid =
            application.wait_for_path("/voice").parameter("CallSid").expect("a SID").to_owned();
        wait::until("the bridge", || bob.loud() > 10);
        let form = [
            ("RecordingChannels", "dual"),
            ("RecordingStatusCallback", &application.url("/recording")),
        ];
        let recording = gateway.create(&format!("Calls/{sid}/Recordings.json"), &form).text("sid");
        alice.join().expect("no panic");
        let told = application.wait_for_path("/recording");
        assert_eq!(told.parameter("RecordingStatus"), Some("completed"));
        assert_eq!(told.parameter("CallSid"), Some(sid.as_str()));
        let both = audio(&gateway, &recording, "?RequestedChannels=2");
        let alice: Vec<i16> = both.iter().step_by(2).copied().collect();
        let bob: Vec<i16> = both.iter().skip(1).step_by(2).copied().collect();
        assert!(wav::loud(&alice) > 8_000, "alice's tone is in channel 1");
        assert_eq!(count(&alice, 0xB0), 0, "and nothing of bob");
        assert!(count(&bob, 0xB0) > 8_000, "bob's sound is in channel 2");
    });
    callee.finish().expect_success();
}

#[test]
fn a_document_starts_a_recording_that_begins_with_the_answer_and_stops_it_by_name() {
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(
            "<Start><Recording name=\"call\" track=\"inbound\" trim=\"do-not-trim\" \
             recordingStatusCallback=\"/recording\" recordingStatusCallbackEvent=\"in-progress completed\"/>\
             </Start><Gather timeout=\"3\"/><Stop><Recording name=\"call\"/></Stop><Pause length=\"2\"/>",
        ),
        _ => Answer::twiml(""),
    });
    let gateway = Gateway::start("");
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    let party = Party::new();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    let call = Sipp::caller(&scenario, party.port()).start(gateway.sip_udp);
    let (_, to) = party.receive().expect("the call is up");
    second(&mut Stream::new(7), &party, to, 0x10);
    call.finish().expect_success();
    let told = application
        .wait_for("the file", |asked| asked.parameter("RecordingStatus") == Some("completed"));
    assert_eq!(told.parameter("RecordingTrack"), Some("inbound"));
    assert_eq!(told.parameter("RecordingChannels"), Some("1"));
    let (sid, recording) = (told.parameter("CallSid"), told.parameter("RecordingSid"));
    let (sid, recording) = (sid.expect("a SID"), recording.expect("a SID"));
    let heard = audio(&gateway, recording, "");
    assert!(count(&heard, 0x10) >= 7_000, "{} samples of the caller", count(&heard, 0x10));
    assert!((2 * 8_000..4 * 8_000).contains(&heard.len()), "{} samples of 3 s", heard.len());
    let body = format!(
        "row = client.calls('{sid}').recordings('{recording}').fetch()\n\
         print(row.status, row.track, row.source, row.error_code)"
    );
    assert_eq!(sdk::python(&gateway, &body).trim(), "completed inbound OutboundAPI None");
    has_mp3(&gateway, recording, heard.len());
}

/// The recording is there as MP3 of its length, again and in parts, until it is deleted.
fn has_mp3(gateway: &Gateway, recording: &str, samples: usize) {
    let folder = gateway.folder.path().join("data/recordings").join(ACCOUNT);
    let body = format!(
        "import requests\n\
         url = 'http://{}/2010-04-01/Accounts/{ACCOUNT}/Recordings/{recording}.mp3'\n\
         login = ('{ACCOUNT}', '{TOKEN}')\n\
         mp3 = requests.get(url, auth=login)\n\
         assert (mp3.status_code, mp3.headers['Content-Type']) == (200, 'audio/mpeg'), mp3.text\n\
         assert requests.get(url, auth=login).content == mp3.content\n\
         part = requests.get(url, auth=login, headers={{'Range': 'bytes=100-199'}})\n\
         assert (part.status_code, part.content) == (206, mp3.content[100:200])\n\
         print(len(mp3.content))\n",
        gateway.http
    );
    let bytes: usize = sdk::python(gateway, &body).trim().parse().expect("a length");
    // 32 kbit/s are 4 bytes a millisecond, of 8 samples.
    let wanted = samples / 2;
    assert!((wanted..wanted + 2_000).contains(&bytes), "{bytes} bytes of {samples} samples");
    let file = std::fs::read(folder.join(format!("{recording}.mp3"))).expect("beside the WAV");
    let played = ::audio::decode("audio/mpeg", &file).expect("an MP3");
    assert!(wav::loud(&played) > 6_000, "{} loud samples", wav::loud(&played));
    assert_eq!(
        crate::rest::request(
            gateway,
            "DELETE",
            &format!("/2010-04-01/Accounts/{ACCOUNT}/Recordings/{recording}.json"),
            &[]
        )
        .status,
        204
    );
    let left = || std::fs::read_dir(&folder).map_or(0, Iterator::count);
    wait::until("both files are gone", || left() == 0);
}
