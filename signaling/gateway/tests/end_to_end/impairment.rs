//! A call over a bad network: the relay passes on packets as they arrive, and the figures of the call
//! say what the network did.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::proxy::{self, Delivered, Impairment, Proxy};
use crate::rtp::{Packet, Party};
use crate::sipp::{self, Running, Sipp};
use crate::wait::{self, Pace};

/// Packets each way on the bad network, 10 ms each, and good ones before and after.
const BAD: u32 = 500;
const GOOD: u32 = 25;
const SAMPLES: u32 = 80;
/// A pause of 200 ms is filled with silence by the gateway; a test machine that stalls so long
/// has to begin again.
const PAUSE_MAX: Duration = Duration::from_millis(150);

/// Loss, copies and overtaking.
const RAGGED: Impairment =
    Impairment { loss: 60, duplicates: 30, reorder: 40, jitter_ms: 0, seed: 11 };
/// Loss and up to 200 ms of jitter: some twenty packets out of order at any time.
const LATE: Impairment =
    Impairment { loss: 20, duplicates: 10, reorder: 0, jitter_ms: 200, seed: 23 };

#[test]
fn a_bad_network_is_passed_on_unchanged_and_reported_as_it_was() {
    let attempts = (0..3).map(|_| Run::new());
    let run = attempts.into_iter().find(|run| !run.has_stalled()).expect("a machine that keeps up");
    run.expect_unchanged();
    run.expect_reported();
}

/// A call that is over.
struct Run {
    gateway: Gateway,
    alice: Way,
    bob: Way,
}

/// The packets of one party as they left the network, and the audio that the other one received.
struct Way {
    delivered: Vec<Delivered>,
    heard: Vec<Packet>,
    /// How the gateway's record calls the direction of the speaker's call.
    direction: &'static str,
}

impl Run {
    fn new() -> Self {
        let gateway = Gateway::start("");
        let callee_port = sipp::free_port();
        let application = Application::start(move |_| {
            Answer::twiml(&format!("<Dial><Sip>sip:bob@127.0.0.1:{callee_port}</Sip></Dial>"))
        });
        let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
        gateway.allow_address(&domain, "127.0.0.1");
        let (alice, bob) = (Party::new(), Party::new());
        let networks = (Proxy::before(&alice.socket), Proxy::before(&bob.socket));
        let calls = bridged(&gateway, callee_port, networks.0.port, networks.1.port);
        alice.receive().expect("the gateway's first packet");
        bob.receive().expect("the gateway's first packet");
        let (heard_by_bob, heard_by_alice) = std::thread::scope(|scope| {
            let said = (networks.0.inner, networks.1.inner);
            let ears = [&bob, &alice].map(|party| scope.spawn(|| hear(&party.socket)));
            let good = Impairment::default();
            speak(&alice, &bob, said, 0..GOOD);
            for (impairments, numbers) in
                [((RAGGED, LATE), GOOD..GOOD + BAD), ((good, good), GOOD + BAD..BAD + 2 * GOOD)]
            {
                networks.0.impair(impairments.0);
                networks.1.impair(impairments.1);
                speak(&alice, &bob, said, numbers);
            }
            let mut heard = ears.map(|ear| ear.join().expect("no panic")).into_iter();
            (heard.next().expect("two"), heard.next().expect("two"))
        });
        end(&gateway, calls);
        let delivered = (networks.0.delivered(), networks.1.delivered());
        Self {
            gateway,
            alice: Way { delivered: delivered.0, heard: heard_by_bob, direction: "inbound" },
            bob: Way { delivered: delivered.1, heard: heard_by_alice, direction: "outbound-dial" },
        }
    }

    fn has_stalled(&self) -> bool {
        let pauses = [&self.alice, &self.bob].map(|way| proxy::longest_pause(&way.delivered));
        pauses.into_iter().any(|pause| pause > PAUSE_MAX)
    }

    /// Each packet that arrived left again, once for each time it came, in that order, its numbers
    /// moved by two constants; what was lost left a hole.
    fn expect_unchanged(&self) {
        for way in [&self.alice, &self.bob] {
            let marked = way.heard.iter().filter(|packet| number(&packet.payload).is_some());
            let marked: Vec<&Packet> = marked.collect();
            // Packets before the bridge had no destination.
            let skipped = way.delivered.len() - marked.len();
            let first = number(&marked[0].payload);
            assert!(skipped < GOOD as usize && first < Some(GOOD), "{skipped} skipped, {first:?}");
            let moved = |a: &Packet, b: &Delivered| {
                (a.sequence.wrapping_sub(b.sequence), a.timestamp.wrapping_sub(b.timestamp))
            };
            let constants = moved(marked[0], &way.delivered[skipped]);
            for (heard, delivered) in marked.iter().zip(&way.delivered[skipped..]) {
                assert_eq!(heard.payload, delivered.payload);
                assert_eq!(moved(heard, delivered), constants, "{}", delivered.sequence);
                assert_eq!(heard.ssrc, marked[0].ssrc);
            }
        }
    }

    fn expect_reported(&self) {
        let calls = self.gateway.fetch("Calls.json").json();
        for way in [&self.alice, &self.bob] {
            let calls = calls["calls"].as_array().expect("a list").iter();
            let call = calls.into_iter().find(|call| call["direction"] == way.direction);
            let sid = call.expect("both calls")["sid"].as_str().expect("a SID").to_owned();
            let told = quality(&self.gateway, &sid);
            let expected = proxy::figures(&way.delivered);
            assert!(expected.lost > 3 && expected.duplicates > 1, "{expected:?}");
            let count = |name: &str| told[name].as_u64().unwrap_or_else(|| panic!("{told:#}"));
            assert_eq!(count("packets_received"), way.delivered.len() as u64, "{told:#}");
            assert_eq!(count("packets_lost"), expected.lost, "{told:#}");
            assert_eq!(count("packets_duplicated"), expected.duplicates, "{told:#}");
            assert_eq!(count("packets_reordered"), expected.reordered, "{told:#}");
            assert_eq!(count("bursts"), expected.bursts, "{told:#}");
            assert_eq!((count("packets_dropped"), count("packet_ms")), (0, 10), "{told:#}");
            let span = way.delivered.len() as u64 - expected.duplicates + expected.lost;
            let percent = expected.lost as f64 / span as f64 * 100.0;
            let told_percent = told["loss_percent"].as_f64().expect("a number");
            assert!((told_percent - percent).abs() < 0.01, "{percent} {told:#}");
            let jitter_ms = proxy::jitter_ms(&way.delivered);
            let told_ms = told["jitter_ms"].as_f64().expect("a number");
            assert!((told_ms - jitter_ms).abs() < 2.0 + jitter_ms / 10.0, "{jitter_ms} {told:#}");
            let r_factor = told["r_factor"].as_f64().expect("a number");
            assert!((30.0..92.0).contains(&r_factor), "{told:#}");
            println!("{}: {expected:?}, jitter {jitter_ms:.1} ms, R {r_factor}", way.direction);
        }
        let metrics = self.gateway.metrics();
        assert_eq!(metrics.value("media_leg_r_factor_count"), 2);
        assert_eq!(metrics.value("media_leg_mos_count"), 2);
    }
}

/// The figures that a call's timeline ends with; the core reports last.
pub fn quality(gateway: &Gateway, sid: &str) -> Value {
    wait::found("figures", || {
        let timeline = gateway.fetch(&format!("Calls/{sid}/Timeline.json")).json();
        let quality = timeline["quality"].clone();
        if quality.is_null() { Err(format!("{timeline:#}")) } else { Ok(quality) }
    })
}

/// Both parties speak, a packet every 10 ms.
fn speak(alice: &Party, bob: &Party, to: (SocketAddr, SocketAddr), numbers: std::ops::Range<u32>) {
    let mut pace = Pace::every_ms(10);
    for index in numbers {
        alice.send(to.0, &packet(index, 0xA11CE));
        bob.send(to.1, &packet(index, 0xB0B));
        pace.tick();
    }
}

fn packet(index: u32, ssrc: u32) -> Packet {
    let mut payload = index.to_be_bytes().to_vec();
    payload.extend_from_slice(b"\x5A\xA5");
    payload.extend((6..SAMPLES).map(|sample| (index.wrapping_mul(31) ^ (sample * 7)) as u8));
    Packet {
        payload_type: 0,
        marker: index == 0,
        sequence: 1_000 + index as u16,
        timestamp: 50_000 + index * SAMPLES,
        ssrc,
        payload,
    }
}

/// The number of our packet in it; `None` for silence of the gateway.
fn number(payload: &[u8]) -> Option<u32> {
    let (number, rest) = payload.split_first_chunk::<4>()?;
    let index = u32::from_be_bytes(*number);
    rest.starts_with(b"\x5A\xA5").then_some(index).filter(|index| *index < BAD + 2 * GOOD)
}

/// All packets until the last good one came, or none for a while.
fn hear(socket: &UdpSocket) -> Vec<Packet> {
    let party = Party { socket: socket.try_clone().expect("a second handle") };
    let mut heard = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        let Some((packet, _)) = party.receive() else { break };
        let is_last = number(&packet.payload) == Some(BAD + 2 * GOOD - 1);
        heard.push(packet);
        if is_last {
            break;
        }
    }
    heard
}

fn bridged(gateway: &Gateway, callee_port: u16, alice: u16, bob: u16) -> [Running; 2] {
    let callee = Sipp::new(&sipp::callee("", "0 101"))
        .key("media", &bob.to_string())
        .with(&format!("-p {callee_port} -m 1"))
        .spawn();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    let caller = Sipp::caller(&scenario, alice).start(gateway.sip_udp);
    [callee, caller]
}

/// Ends the call by REST.
fn end(gateway: &Gateway, calls: [Running; 2]) {
    let list = gateway.fetch("Calls.json").json();
    let rows = list["calls"].as_array().expect("a list").iter();
    let inbound = rows.into_iter().find(|call| call["direction"] == "inbound");
    let sid = inbound.expect("the call")["sid"].as_str().expect("a SID");
    gateway.create(&format!("Calls/{sid}.json"), &[("Status", "completed")]);
    for call in calls {
        call.finish().expect_success();
    }
}
