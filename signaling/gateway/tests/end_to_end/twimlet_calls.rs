//! Twimlets in calls: rooms with music, mail boxes, menus, a called party that accepts by key.

use std::time::Duration;

use crate::application::{Answer, Application};
use crate::conference::{Hall, Singer};
use crate::gateway::Gateway;
use crate::rtp::{Party, Stream, sound};
use crate::sipp::{self, Running, Sipp};
use crate::tones::{BOB, CAROL};
use crate::wait;

/// A gateway whose callers reach this Twimlet.
fn gateway_for(settings: &str, twimlet: &str) -> Gateway {
    let gateway = Gateway::start(settings);
    let domain =
        gateway.domain("desk", &[("VoiceUrl", &format!("https://twimlets.com/{twimlet}"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    gateway
}

/// A caller until the gateway hangs up.
fn caller(gateway: &Gateway, party: &Party) -> Running {
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    Sipp::caller(&scenario, party.port()).start(gateway.sip_udp)
}

#[test]
fn members_hear_music_until_the_moderator_comes_and_leave_with_her() {
    let conference = "https://twimlets.com/conference?Name=ops&amp;Message=&amp;Music=rock\
        &amp;Moderators%5B0%5D=sip%3Acarol%40desk.example";
    let hall = Hall::open(
        Gateway::start(""),
        move |_, _| format!("<Redirect>{conference}</Redirect>"),
        |_| Answer::status(204),
    );
    let bob = Singer::call_as(&hall, "bob", BOB);
    bob.wait_to_hear_music();
    let carol = Singer::call_as(&hall, "carol", CAROL);
    bob.wait_to_hear(&[CAROL]);
    carol.wait_to_hear(&[BOB]);
    hall.hang_up("carol");
    carol.call.finish().expect_success();
    bob.call.finish().expect_success();
}

#[test]
fn a_message_is_left_in_the_voicemail_of_the_account() {
    let gateway = gateway_for("", "voicemail?Message=Speak");
    let party = Party::new();
    let call = caller(&gateway, &party);
    let (_, media) = party.receive().expect("the greeting");
    let mut stream = Stream::new(7);
    // Recording begins behind the greeting and a beep; a key before that is dropped.
    stream.say(&party, media, sound(150));
    wait::until("the end of the recording", || {
        stream.press(&party, media, 101, 11);
        let recordings = gateway.fetch("Recordings.json").json();
        recordings["recordings"].as_array().is_some_and(|list| !list.is_empty())
    });
    call.finish().expect_success();
}

#[test]
fn a_key_of_a_menu_leads_to_the_url_of_its_option() {
    let application = Application::start(|_| Answer::twiml("<Hangup/>"));
    let option = application.url("/sales");
    let option = url::form_urlencoded::byte_serialize(option.as_bytes());
    let twimlet = format!("menu?Message=Press+one&Options%5B1%5D={}", option.collect::<String>());
    let gateway = gateway_for("", &twimlet);
    let party = Party::new();
    let call = caller(&gateway, &party);
    let (_, media) = party.receive().expect("the menu");
    let mut stream = Stream::new(7);
    stream.press(&party, media, 101, 1);
    let asked = application.wait_for_path("/sales");
    assert_eq!(asked.method, "GET");
    assert!(asked.parameter("CallSid").is_some_and(|sid| sid.starts_with("CA")));
    assert_eq!(asked.parameter("Digits"), None, "the key is a parameter of the menu's own request");
    call.finish().expect_success();
}

#[test]
fn a_called_party_accepts_by_key_and_is_joined() {
    let port = sipp::free_port();
    let trunk = format!("[[trunk]]\nname = \"carrier\"\ntargets = [\"sip:127.0.0.1:{port}\"]\n");
    let gateway = gateway_for(&trunk, "findme?PhoneNumbers%5B0%5D=%2B15550123&Message=Press+a+key");
    let (alice, bob) = (Party::new(), Party::new());
    let callee = Sipp::new(&sipp::callee("", "0 101"))
        .key("media", &bob.port().to_string())
        .with(&format!("-p {port} -m 1"))
        .spawn();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hang_up_after(2_000);
    let call = Sipp::caller(&scenario, alice.port()).key("formats", "0 101").start(gateway.sip_udp);
    let (_, media) = bob.receive().expect("the whisper");
    let mut stream = Stream::new(7);
    stream.press(&bob, media, 101, 5);
    stream.say(&bob, media, sound(50));
    alice.socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    let heard = alice.receive_until(10_000, |packet| sound(50).any(|said| said == packet.payload));
    assert!(!heard.is_empty(), "bob is heard once he has accepted");
    call.finish().expect_success();
    assert!(callee.finish().expect_success().messages().contains("INVITE sip:+15550123@"));
}
