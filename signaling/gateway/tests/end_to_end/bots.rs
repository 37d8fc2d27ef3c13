//! The frameworks that voice bots are written with, unmodified, as applications of media streams.

use std::time::Instant;

use crate::application::{Answer, Application, Asked};
use crate::gateway::{ACCOUNT, Gateway, TOKEN};
use crate::program::Program;
use crate::rtp::{Packet, Party, Stream};
use crate::sdk;
use crate::sipp::{self, Running, Sipp};
use crate::wait;

/// A call that is up and whose caller hears the application at `url`.
struct Rig {
    gateway: Gateway,
    application: Application,
    call: Option<Running>,
    party: Party,
}

impl Rig {
    fn start(gateway: Gateway, url: &str) -> Self {
        let verbs = format!(
            "<Connect><Stream url=\"{url}\"><Parameter name=\"ticket\" value=\"t-81\"/></Stream></Connect>\
             <Pause length=\"60\"/>"
        );
        let application = Application::start(move |_: &Asked| Answer::twiml(&verbs));
        let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
        gateway.allow_address(&domain, "127.0.0.1");
        let party = Party::new();
        let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
        let call = Sipp::caller(&scenario, party.port()).start(gateway.sip_udp);
        Self { gateway, application, call: Some(call), party }
    }

    fn call_sid(&self) -> String {
        self.application.wait_for_path("/voice").parameter("CallSid").expect("a SID").to_owned()
    }

    /// The phone got our BYE, and the call is over.
    fn expect_over(&mut self) {
        self.call.take().expect("it is up").finish().expect_success();
        let path = format!("Calls/{}.json", self.call_sid());
        wait::until("the end", || self.gateway.fetch(&path).json()["status"] == "completed");
    }

    /// REST ends the call.
    fn end(&mut self) {
        let path = format!("Calls/{}.json", self.call_sid());
        self.gateway.create(&path, &[("Status", "completed")]);
        self.expect_over();
    }
}

fn port(program: &mut Program) -> String {
    program.wait_for("listening ").rsplit(' ').next().expect("a port").trim().to_owned()
}

/// Every code of the packet is this.
fn is_only(code: u8) -> impl Fn(&Packet) -> bool {
    move |packet| packet.payload.iter().all(|one| *one == code)
}

#[test]
fn pipecat_echoes_is_interrupted_and_hangs_up_by_rest() {
    let gateway = Gateway::start("[streams]\nplaintext = true\n");
    let api = format!("http://{}", gateway.http);
    let mut bot = Program::start(&mut sdk::bot_file("pipecat_bot.py", &[&api, ACCOUNT, TOKEN]));
    let url = format!("ws://127.0.0.1:{}/ws", port(&mut bot));
    let mut rig = Rig::start(gateway, &url);
    let start = bot.wait_for("start ");
    let wanted = format!("start twilio {} {{'ticket': 't-81'}}", rig.call_sid());
    assert_eq!(start.trim(), wanted, "it knows us by our first two messages");
    let party = &rig.party;
    let (_, to) = party.receive().expect("the call is up");
    let mut stream = Stream::new(7);
    // Silence first, which comes back as well: the pipeline runs.
    stream.say(party, to, (0..50).map(|_| vec![0xFF; 160]));
    let since = Instant::now();
    let delay_ms = std::thread::scope(|scope| {
        let heard = scope.spawn(|| {
            let found = party.receive_until(1, is_only(0x2A));
            assert_eq!(found.len(), 1, "the caller's own sound comes back");
            since.elapsed().as_millis()
        });
        stream.say(party, to, (0..60).map(|_| vec![0x2A; 160]));
        heard.join().expect("no panic")
    });
    println!("mouth to ear through Pipecat: {delay_ms} ms");
    assert!(delay_ms < 2_000, "{delay_ms} ms");
    stream.press(party, to, 101, 1);
    bot.wait_for("key 1");
    assert_eq!(party.receive_until(25, is_only(0x15)).len(), 25, "half a second of ten");
    stream.press(party, to, 101, 2);
    bot.wait_for("key 2");
    let since = Instant::now();
    let silent = |packet: &Packet| is_only(0xFF)(packet);
    assert_eq!(party.receive_until(10, silent).len(), 10, "the rest of the ten seconds is gone");
    println!("200 ms of silence {} ms after the interruption", since.elapsed().as_millis());
    stream.press(party, to, 101, 9);
    bot.wait_for("Successfully terminated");
    bot.wait_for("ended");
    rig.expect_over();
    assert!(!bot.printed().contains("log ERROR"), "{}", bot.printed());
}

#[test]
fn the_agents_sdk_gets_its_marks_as_they_are_heard_and_truncates_by_them() {
    let gateway = Gateway::start("[streams]\nplaintext = true\n");
    let mut bot = Program::start(&mut sdk::agents(include_str!("agents_bot.mjs")));
    let url = format!("ws://127.0.0.1:{}/", port(&mut bot));
    let mut rig = Rig::start(gateway, &url);
    bot.wait_for("connected");
    let party = &rig.party;
    let (_, to) = party.receive().expect("the call is up");
    let mut stream = Stream::new(7);
    let speech = || (0..30).map(|_| vec![0x11; 160]);
    stream.say(party, to, speech());
    bot.wait_for("answered");
    let marks: Vec<_> = (1..=2).map(|_| Mark::read(&bot.wait_for("mark "))).collect();
    // It speaks again while the answer still plays, after 1 of its 3 seconds.
    stream.say(party, to, speech());
    bot.wait_for("interrupted");
    let truncated = bot.wait_for("truncated item ");
    assert_eq!((marks[0].audio_ms, marks[1].audio_ms), (500, 1_000));
    let apart = marks[1].at_ms - marks[0].at_ms;
    assert!((400..800).contains(&apart), "half a second of audio lies between them: {apart} ms");
    // The SDK adds 50 ms to the last mark that came back before it cleared.
    let end_ms: u32 =
        truncated.trim().rsplit(' ').next().expect("a number").parse().expect("milliseconds");
    assert!([1_050, 1_550, 2_050].contains(&end_ms), "{truncated}");
    let (_, _) =
        party.receive_until(10, is_only(0xFF)).split_first().expect("silence after the clear");
    let all: Vec<_> =
        bot.printed().lines().filter(|line| line.starts_with("mark ")).map(Mark::read).collect();
    assert!(
        all.windows(2).all(|pair| pair[0].number < pair[1].number),
        "marks come in their order"
    );
    assert_eq!(all.len(), 7, "those of the cleared audio too: {}", bot.printed());
    rig.end();
    bot.wait_for("closed 1000");
    let printed = bot.printed();
    assert!(!printed.contains("wrong:"), "{printed}");
}

/// A mark as the SDK names it: `mark item:500:g1:m1 TIME`, the last one `mark done:item:g1:m7 TIME`.
struct Mark {
    audio_ms: u32,
    number: u32,
    at_ms: u64,
}

impl Mark {
    fn read(line: &str) -> Self {
        let mut words = line.trim().split(' ').skip(1);
        let (name, at) = (words.next().expect("a name"), words.next().expect("a time"));
        let number = name.rsplit(":m").next().expect("a number").parse().expect("a number");
        let audio_ms = name.split(':').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
        Self { audio_ms, number, at_ms: at.parse().expect("a time") }
    }
}
