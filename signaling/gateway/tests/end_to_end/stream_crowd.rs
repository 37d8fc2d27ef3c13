//! Many streams over TLS at once, while a call is relayed and a conference runs: nobody is disturbed, and both ends have counted
//! the same messages. 50 streams; 500 in `make soak`.

use crate::application::{Answer, Application, Asked};
use crate::gateway::Gateway;
use crate::load::resident_kib;
use crate::program::Program;
use crate::rtp::{Party, Talker};
use crate::sdk;
use crate::sipp::{self, Running, Sipp};
use crate::streams::certificate;
use crate::wait;

/// Calls a second.
const RATE: u32 = 20;

#[test]
fn a_crowd_of_streams_a_relayed_call_and_a_conference_disturb_nobody() {
    let streams = if std::env::var_os("SIDETONE_SOAK").is_some() { 500 } else { 50 };
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = certificate(folder.path(), "DNS:localhost");
    let files = [&certificate, &key].map(|path| path.to_str().expect("UTF-8"));
    let mut bot = Program::start(&mut sdk::python_file("stream_bot.py", &files));
    let line = bot.wait_for("listening ");
    let url = format!("wss://localhost:{}/crowd", line.trim().rsplit(' ').next().expect("a port"));
    let gateway = Gateway::start_trusting_with_media_ports(&certificate, 1_200, "");
    let callee_port = sipp::free_port();
    let application = Application::start(move |asked: &Asked| verbs(asked, &url, callee_port));
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");

    let others = Others::start(&gateway, callee_port);
    let idle_kib = resident_kib(gateway.process_id());
    let hold_ms = streams * 1_000 / RATE + 16_000;
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hang_up_after(hold_ms);
    let deaf = Party::new();
    let words = format!("-timeout 120s -m {streams} -l {streams} -r {RATE} {}", gateway.sip_udp);
    let calls = Sipp::caller(&scenario, deaf.port()).with(&words).spawn();
    // Each wait has 20 s, and 500 calls take 25 s to come.
    for (what, part) in [("half of the streams", streams / 2), ("all streams", streams)] {
        gateway.metrics_when(what, |now| now.value("stream_opened_total") >= u64::from(part));
    }
    let up = gateway.metrics();
    assert_eq!(up.value("stream_open"), u64::from(streams));
    let up_kib = resident_kib(gateway.process_id());
    println!(
        "{streams} calls with a stream: {} KiB each",
        (up_kib - idle_kib) / u64::from(streams)
    );
    others.expect_undisturbed();

    calls.finish().expect_success();
    let over = gateway.metrics_when("no stream", |now| now.value("stream_open") == 0);
    for _ in 0..streams {
        bot.wait_for("closed /crowd 1000");
    }
    let printed = bot.printed();
    let sum = |key: &str| -> u64 {
        let words = printed.split_whitespace().filter_map(|word| word.strip_prefix(key));
        words.map(|count| count.parse::<u64>().expect("a number")).sum()
    };
    assert_eq!(over.value("stream_messages_sent_total"), sum("got="), "each message has arrived");
    assert_eq!(over.value("stream_messages_received_total"), sum("said="), "and each of theirs");
    for counter in ["stream_failed_total", "stream_messages_dropped_total", "stream_playout_bytes"]
    {
        assert_eq!(over.value(counter), 0, "{counter}");
    }
    // A party hears its application for ten of its seconds.
    let spoken = u64::from(streams) * 10 * 50;
    let played = over.sum("media_feed_frames_played_total", "");
    assert_eq!(played, spoken, "frames of applications that were sent to their parties");
    let after_kib = resident_kib(gateway.process_id());
    println!("resident: {idle_kib} KiB, {up_kib} KiB with the streams, {after_kib} KiB after them");
}

fn verbs(asked: &Asked, url: &str, callee_port: u16) -> Answer {
    let to = asked.parameter("To").unwrap_or_default();
    if to.contains("2000") {
        return Answer::twiml("<Dial><Conference beep=\"false\">room</Conference></Dial>");
    }
    if to.contains("3000") {
        return Answer::twiml(&format!("<Dial><Sip>sip:bob@127.0.0.1:{callee_port}</Sip></Dial>"));
    }
    Answer::twiml(&format!("<Connect><Stream url=\"{url}\"/></Connect>"))
}

/// A relayed call and two in a conference, all of which talk.
struct Others {
    relayed: [Talker; 2],
    members: [Talker; 2],
    _calls: [Running; 4],
}

impl Others {
    fn start(gateway: &Gateway, callee_port: u16) -> Self {
        let parties: [Party; 4] = std::array::from_fn(|_| Party::new());
        let scenario = sipp::invite("") + &sipp::answered() + &sipp::hang_up_after(200_000);
        let call = |user: &str, party: &Party| {
            Sipp::caller(&scenario, party.port())
                .key("user", user)
                .with("-timeout 200s")
                .start(gateway.sip_udp)
        };
        let callee = Sipp::new(&sipp::callee("", "0 101"))
            .key("media", &parties[1].port().to_string())
            .with(&format!("-timeout 200s -m 1 -p {callee_port}"))
            .spawn();
        let calls = [
            callee,
            call("3000", &parties[0]),
            call("2000", &parties[2]),
            call("2000", &parties[3]),
        ];
        let [caller, called, one, other] = parties;
        let relayed = [Talker::start(caller, 0x31, 20), Talker::start(called, 0x32, 20)];
        let members = [Talker::start(one, 0x2A, 20), Talker::start(other, 0x2B, 20)];
        let others = Self { relayed, members, _calls: calls };
        wait::until("everybody hears somebody", || others.heard().iter().all(|heard| *heard > 50));
        others
    }

    /// Packets of the other party that each has heard.
    fn heard(&self) -> [usize; 4] {
        let [caller, called] = &self.relayed;
        let [one, other] = &self.members;
        [caller.heard(0x32), called.heard(0x31), one.loud(), other.loud()]
    }

    /// For two seconds, each packet of each party arrives.
    fn expect_undisturbed(&self) {
        let before = self.heard();
        wait::until("two seconds", || self.heard()[0] >= before[0] + 100);
        let heard = std::array::from_fn::<usize, 4, _>(|party| self.heard()[party] - before[party]);
        assert!(heard.iter().all(|heard| *heard >= 90), "of 100 packets: {heard:?}");
    }
}
