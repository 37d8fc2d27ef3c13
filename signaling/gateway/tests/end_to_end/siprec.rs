//! Recording sessions with an outside server (SIPREC): SIPp is the server, its two media ports are ours. A challenge is
//! checked by SIPp's own digest.

use crate::application::{Answer, Application, Asked};
use crate::gateway::Gateway;
use crate::rtp::{Party, Stream};
use crate::sipp::{self, Finished, Running, Sipp};
use crate::wait;

/// A recording server that answers, offers other ports once, and waits for the end.
pub struct Server {
    pub running: Running,
    port: u16,
    /// Where the streams of the party and of the other side go first, and where after the server's offer.
    first: [Party; 2],
    moved: [Party; 2],
}

const ECHO: &str =
    "[last_Via:]\n[last_From:]\n[last_To:];tag=[call_number]srs\n[last_Call-ID:]\n[last_CSeq:]\n";
const CONTACT: &str = "Contact: <sip:srs@[local_ip]:[local_port];transport=[transport]>;+sip.srs\n";

/// A description with these ports; the labels are the server's own.
fn description([one, two]: &[Party; 2], direction: &str) -> String {
    format!(
        "v=0\no=srs 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n\
         m=audio {} RTP/AVP 0\na=label:77\na={direction}\nm=audio {} RTP/AVP 0\na=label:78\na={direction}",
        one.port(),
        two.port()
    )
}

const PASSWORD: &str = "t4pe-room";

fn send(text: &str) -> String {
    format!("<send retrans=\"500\"><![CDATA[\n{text}\n]]></send>\n")
}

/// 200 with this description.
fn accepts(answer: &str) -> String {
    send(&format!(
        "SIP/2.0 200 OK\n{ECHO}{CONTACT}Content-Type: application/sdp\nContent-Length: [len]\n\n{answer}"
    ))
}

impl Server {
    pub fn start() -> Self {
        let (first, moved) = ([Party::new(), Party::new()], [Party::new(), Party::new()]);
        let ok = accepts(&description(&first, "recvonly"));
        let offer = description(&moved, "recvonly");
        let again = send(&format!(
            "INVITE [next_url] SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n\
             From: <sip:srs@127.0.0.1:[local_port]>;tag=[call_number]srs\nTo: [$1]\n\
             Call-ID: [call_id]\nCSeq: 1 INVITE\n{CONTACT}Max-Forwards: 70\nRequire: siprec\n\
             Content-Type: application/sdp\nContent-Length: [len]\n\n{offer}"
        ));
        let ack = "<send><![CDATA[\nACK [next_url] SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n\
             From: <sip:srs@127.0.0.1:[local_port]>;tag=[call_number]srs\nTo: [$1]\n\
             Call-ID: [call_id]\nCSeq: 1 ACK\nMax-Forwards: 70\nContent-Length: 0\n\n]]></send>\n";
        let scenario = format!(
            "<recv request=\"INVITE\" rrs=\"true\"><action><ereg regexp=\".*\" search_in=\"hdr\" \
             header=\"From:\" assign_to=\"1\"/></action></recv>\n{ok}\
             <recv request=\"ACK\" rrs=\"true\"/>\n<pause milliseconds=\"1500\"/>\n{again}\
             <recv response=\"100\" optional=\"true\"/>\n<recv response=\"200\"/>\n{ack}{}",
            sipp::hung_up()
        );
        Self::playing(&scenario, first, moved)
    }

    /// A server that challenges, takes a re-INVITE of the gateway, and then hangs up.
    fn with_login() -> Self {
        let (first, moved) = ([Party::new(), Party::new()], [Party::new(), Party::new()]);
        let ok = accepts(&description(&first, "recvonly"));
        let challenge = send(&format!(
            "SIP/2.0 401 Unauthorized\n{ECHO}WWW-Authenticate: Digest realm=\"srs\",\
             nonce=\"abcdef\",qop=\"auth\",algorithm=MD5\nContent-Length: 0\n"
        ));
        let forbidden = send(&format!("SIP/2.0 403 Forbidden\n{ECHO}Content-Length: 0\n"));
        let bye = send(
            "BYE [next_url] SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n\
             From: <sip:srs@127.0.0.1:[local_port]>;tag=[call_number]srs\nTo: [$1]\nCall-ID: [call_id]\n\
             CSeq: 1 BYE\nMax-Forwards: 70\nContent-Length: 0\n",
        );
        let forbidden = forbidden.replacen("<send", "<send next=\"end\"", 1);
        let scenario = format!(
            "<recv request=\"INVITE\"/>\n{challenge}<recv request=\"ACK\"/>\n\
             <recv request=\"INVITE\" rrs=\"true\"><action><ereg regexp=\".*\" search_in=\"hdr\" \
             header=\"From:\" assign_to=\"1\"/><verifyauth assign_to=\"right\" username=\"desk\" \
             password=\"{PASSWORD}\"/></action></recv>\n<nop hide=\"true\" test=\"right\" next=\"good\"/>\n\
             {forbidden}<label id=\"good\"/>\n{ok}<recv request=\"ACK\"/>\n\
             <recv request=\"INVITE\"/>\n{ok}<recv request=\"ACK\"/>\n{bye}\
             <recv response=\"200\"/>\n<label id=\"end\"/>\n"
        );
        Self::playing(&scenario, first, moved)
    }

    fn playing(scenario: &str, first: [Party; 2], moved: [Party; 2]) -> Self {
        let port = sipp::free_port();
        let running = Sipp::new(scenario).with(&format!("-m 1 -p {port}")).spawn();
        Self { running, port, first, moved }
    }

    pub fn settings(&self) -> String {
        format!(
            "[siprec.srs]\nuri = \"sip:srs@127.0.0.1:{}\"\nheader = \"X-Token: s3cret\"\n\
             username = \"desk\"\npassword = \"{PASSWORD}\"\n",
            self.port
        )
    }
}

/// A call to a gateway whose application answers with these verbs.
struct Rig {
    gateway: Gateway,
    application: Application,
    call: Running,
}

impl Rig {
    fn start(settings: &str, verbs: &str, party: &Party) -> Self {
        Self::start_while(settings, verbs, party, &sipp::hung_up())
    }

    /// With a party that does this once the call is up.
    fn start_while(settings: &str, verbs: &str, party: &Party, rest: &str) -> Self {
        let gateway = Gateway::start(settings);
        let verbs = verbs.to_owned();
        let application = Application::start(move |asked: &Asked| match asked.path.as_str() {
            "/voice" => Answer::twiml(&verbs),
            _ => Answer::twiml(""),
        });
        let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
        gateway.allow_address(&domain, "127.0.0.1");
        let scenario = sipp::invite("") + &sipp::answered() + rest;
        let call = Sipp::caller(&scenario, party.port()).start(gateway.sip_udp);
        Self { gateway, application, call }
    }

    fn call_sid(&self) -> String {
        self.application.wait_for_path("/voice").parameter("CallSid").expect("a SID").to_owned()
    }
}

/// Says the code until the server's party hears it, and asserts that the other one hears another.
fn heard_alone(said: (&mut Stream, &Party, std::net::SocketAddr), code: u8, parties: &[Party; 2]) {
    let (stream, party, to) = said;
    stream.say(party, to, (0..100).map(|_| vec![code; 160]));
    let voice = parties[0].receive_until(30, |packet| packet.payload.iter().all(|c| *c == code));
    assert_eq!(voice.len(), 30, "the party's stream carries its voice");
    let other = parties[1].receive_until(30, |packet| packet.payload.iter().all(|c| *c == 0xFF));
    assert_eq!(other.len(), 30, "the other stream carries what the party hears: silence");
}

#[test]
fn a_server_gets_both_sides_with_their_metadata_and_may_move_its_ports() {
    let (server, party) = (Server::start(), Party::new());
    let verbs = "<Start><Siprec connectorName=\"srs\" name=\"tape\" statusCallback=\"/siprec\">\
                 <Parameter name=\"ticket\" value=\"t-81\"/></Siprec></Start><Gather timeout=\"60\" numDigits=\"9\"/>";
    let rig = Rig::start(&server.settings(), verbs, &party);
    let (_, to) = party.receive().expect("the call is up");
    let started = rig.application.wait_for_path("/siprec");
    let value = |name: &str| started.parameter(name).unwrap_or("").to_owned();
    assert_eq!(value("SiprecEvent"), "siprec-started");
    assert_eq!((value("SiprecName").as_str(), value("CallSid")), ("tape", rig.call_sid()));
    assert!(value("SiprecSid").starts_with("SR") && value("Timestamp").ends_with('Z'));
    let mut stream = Stream::new(7);
    heard_alone((&mut stream, &party, to), 0x2A, &server.first);
    heard_alone((&mut stream, &party, to), 0x2B, &server.moved);
    // Keys are for the application, not for the tape.
    stream.press(&party, to, 101, 5);
    let path = format!("Calls/{}.json", rig.call_sid());
    rig.gateway.create(&path, &[("Status", "completed")]);
    rig.call.finish().expect_success();
    let server: Finished = server.running.finish().expect_success();
    let events = rig.application.wait_for_count("/siprec", 2);
    assert_eq!(events[1].parameter("SiprecEvent"), Some("siprec-stopped"));
    let messages = server.messages();
    for expected in [
        "Require: siprec",
        ";+sip.src",
        "X-Token: s3cret",
        "Content-Type: application/rs-metadata+xml",
        "Content-Disposition: recording-session",
        "a=label:1",
        "a=label:2",
        "<parameter name=\"ticket\">t-81</parameter>",
    ] {
        assert!(messages.contains(expected), "{expected} is missing in\n{messages}");
    }
    assert!(!messages.contains("telephone-event"), "{messages}");
}

#[test]
fn rest_starts_and_stops_a_session_and_a_refusal_is_reported() {
    let (server, party) = (Server::start(), Party::new());
    let nobody = sipp::free_port();
    let settings =
        server.settings() + &format!("[siprec.gone]\nuri = \"sip:srs@127.0.0.1:{nobody}\"\n");
    let rig = Rig::start(&settings, "<Gather timeout=\"60\" numDigits=\"9\"/>", &party);
    let (_, to) = party.receive().expect("the call is up");
    let path = format!("Calls/{}/Siprec.json", rig.call_sid());
    let callback = rig.application.url("/siprec");
    let ask = |connector: &str| {
        rig.gateway.post(&path, &[("ConnectorName", connector), ("StatusCallback", &callback)])
    };
    let unknown = ask("else");
    assert_eq!((unknown.status, unknown.json()["code"].as_i64()), (400, Some(31940)));
    assert_eq!(ask("gone").status, 200);
    let failed = rig.application.wait_for_path("/siprec");
    assert_eq!(failed.parameter("SiprecEvent"), Some("siprec-error"));
    assert_eq!(failed.parameter("SiprecErrorCode"), Some("32011"));
    let session = ask("srs").json();
    assert_eq!(session["status"], "in-progress");
    rig.application.wait_for_count("/siprec", 2);
    let mut stream = Stream::new(7);
    heard_alone((&mut stream, &party, to), 0x2A, &server.first);
    heard_alone((&mut stream, &party, to), 0x2B, &server.moved);
    let sid = session["sid"].as_str().expect("a SID");
    let path = format!("Calls/{}/Siprec/{sid}.json", rig.call_sid());
    let stopped = rig.gateway.post(&path, &[("Status", "stopped")]);
    assert_eq!((stopped.status, &stopped.json()["status"]), (200, &"stopped".into()));
    server.running.finish().expect_success();
    let events = rig.application.wait_for_count("/siprec", 3);
    assert_eq!(events[2].parameter("SiprecEvent"), Some("siprec-stopped"));
    rig.gateway.create(&format!("Calls/{}.json", rig.call_sid()), &[("Status", "completed")]);
    rig.call.finish().expect_success();
}

#[test]
fn a_server_checks_the_login_and_gets_other_metadata_when_the_party_holds() {
    let (server, party) = (Server::with_login(), Party::new());
    let verbs = "<Start><Siprec connectorName=\"srs\" statusCallback=\"/siprec\"/></Start>\
                 <Gather timeout=\"60\" numDigits=\"9\"/>";
    let hold = "<pause milliseconds=\"1500\"/>\n".to_owned() + &sipp::offer_anew(3, "inactive");
    let rig = Rig::start_while(&server.settings(), verbs, &party, &(hold + &sipp::hung_up()));
    let started = rig.application.wait_for_path("/siprec");
    assert_eq!(started.parameter("SiprecError"), None);
    assert_eq!(started.parameter("SiprecEvent"), Some("siprec-started"));
    let stopped = &rig.application.wait_for_count("/siprec", 2)[1];
    assert_eq!(stopped.parameter("SiprecEvent"), Some("siprec-stopped"));
    rig.gateway.create(&format!("Calls/{}.json", rig.call_sid()), &[("Status", "completed")]);
    rig.call.finish().expect_success();
    let messages = server.running.finish().expect_success().messages();
    let offers: Vec<&str> = messages.split("INVITE sip:srs@").skip(1).collect();
    let [first, second, third] = offers.as_slice() else { panic!("three INVITEs: {messages}") };
    for offer in [first, second, third] {
        assert_eq!(offer.matches("a=sendonly").count(), 2, "both streams stay: {offer}");
    }
    let senders = |offer: &str| offer.matches("<send>").count();
    assert_eq!((senders(second), senders(third)), (2, 0), "{messages}");
    let session = |offer: &str| {
        let (_, rest) = offer.split_once("session_id=\"").expect("a session");
        rest.split_once('"').expect("its end").0.to_owned()
    };
    assert_eq!(session(second), session(third), "it is described under one name");
}

#[test]
fn a_server_learns_who_answered_the_party() {
    let (server, party, bob) = (Server::with_login(), Party::new(), Party::new());
    let port = sipp::free_port();
    let callee = Sipp::new(&sipp::callee("", "0 101"))
        .key("media", &bob.port().to_string())
        .with(&format!("-p {port} -m 1"))
        .spawn();
    // The server has answered when bob does.
    let verbs = format!(
        "<Start><Siprec connectorName=\"srs\" statusCallback=\"/siprec\"/></Start><Gather timeout=\"1\"/>\
         <Dial><Sip>sip:bob@127.0.0.1:{port}</Sip></Dial>"
    );
    let rig = Rig::start(&server.settings(), &verbs, &party);
    rig.application.wait_for_count("/siprec", 2);
    rig.gateway.create(&format!("Calls/{}.json", rig.call_sid()), &[("Status", "completed")]);
    rig.call.finish().expect_success();
    callee.finish().expect_success();
    let messages = server.running.finish().expect_success().messages();
    let offers: Vec<&str> = messages.split("INVITE sip:srs@").skip(1).collect();
    let [_, second, third] = offers.as_slice() else { panic!("three INVITEs: {messages}") };
    let bob = format!("aor=\"sip:bob@127.0.0.1:{port}\"");
    assert_eq!((second.contains(&bob), third.contains(&bob)), (false, true), "{messages}");
    assert_eq!(third.matches("<send>").count(), 2, "both are heard: {third}");
}

#[test]
fn a_server_learns_who_is_in_the_conference() {
    let server = Server::with_login();
    let gateway = Gateway::start(&server.settings());
    let application = Application::start(|asked: &Asked| {
        let room = "<Dial><Conference>room</Conference></Dial>";
        match (asked.path.as_str(), asked.parameter("To").unwrap_or_default()) {
            ("/voice", to) if to.contains("2000") => Answer::twiml(room),
            // The server has answered when the party enters.
            ("/voice", _) => Answer::twiml(&format!(
                "<Start><Siprec connectorName=\"srs\" statusCallback=\"/siprec\"/></Start>\
                 <Gather timeout=\"1\"/>{room}"
            )),
            _ => Answer::twiml(""),
        }
    });
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hang_up_after(30_000);
    let parties: [Party; 3] = std::array::from_fn(|_| Party::new());
    let call = |party: &Party, user: &str, name: &str| {
        Sipp::caller(&scenario.replace("sip:alice@", &format!("sip:{name}@")), party.port())
            .key("user", user)
            .start(gateway.sip_udp)
    };
    let _members = [call(&parties[0], "2000", "bob"), call(&parties[1], "2000", "carol")];
    // It begins with its second member.
    wait::until("a conference of two", || {
        let live = gateway.fetch("Conferences.json?Status=in-progress").json();
        live["conferences"].as_array().is_some_and(|all| all.len() == 1)
    });
    let _recorded = call(&parties[2], "1000", "alice");
    application.wait_for_count("/siprec", 2);
    let messages = server.running.finish().expect_success().messages();
    let offers: Vec<&str> = messages.split("INVITE sip:srs@").skip(1).collect();
    let [_, second, third] = offers.as_slice() else { panic!("three INVITEs: {messages}") };
    let names = |offer: &str| {
        ["alice", "bob", "carol"].map(|name| offer.contains(&format!("aor=\"sip:{name}@")))
    };
    assert_eq!(names(second), [true, false, false], "{second}");
    assert_eq!(names(third), [true, true, true], "{third}");
    assert_eq!(third.matches("<send>").count(), 3, "two send to the mix: {third}");
}
