//! Phones that register here and are called: baresip, pjsua2 and our own; SIPp for the refusals.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::application::{Answer, Application};
use crate::gateway::{Gateway, fast_path_is_denied};
use crate::kamailio::Kamailio;
use crate::lan::Lan;
use crate::phone::{Baresip, DOMAIN, PASSWORD, Registering, server};
use crate::program::Program;
use crate::rest;
use crate::sdk;
use crate::sipp::Sipp;
use crate::wait;
use crate::wav;

impl Gateway {
    /// A domain whose users may register and call: alice, and those named besides. Its SID.
    pub fn domain_to_register(&self, voice_url: &str, users: &[&str]) -> String {
        let domain = self.domain_with_user("desk", voice_url, "alice", PASSWORD);
        let path = format!("SIP/Domains/{domain}.json");
        self.create(&path, &[("SipRegistration", "true")]);
        let list = self.fetch("SIP/CredentialLists.json");
        let list = list.json()["credential_lists"][0]["sid"].as_str().expect("a SID").to_owned();
        for user in users {
            let path = format!("SIP/CredentialLists/{list}/Credentials.json");
            self.create(&path, &[("Username", user), ("Password", PASSWORD)]);
        }
        let path = format!("SIP/Domains/{domain}/Auth/Registrations/CredentialListMappings.json");
        self.create(&path, &[("CredentialListSid", &list)]);
        domain
    }

    /// Waits until this number of contacts is registered; returns them as REST shows them.
    pub fn wait_registered(&self, domain: &str, count: usize) -> Vec<serde_json::Value> {
        let path = format!("SIP/Domains/{domain}/Registrations.json");
        wait::found(&format!("{count} registered contacts"), || {
            let rows =
                self.fetch(&path).json()["registrations"].as_array().expect("a list").clone();
            if rows.len() == count { Ok(rows) } else { Err(format!("{rows:#?}")) }
        })
    }

    /// The timeline of a call, whole: waits for the call's end.
    pub fn wait_for_timeline(&self, call: &str) -> String {
        wait::found("whole timeline", || {
            let status = self.fetch(&format!("Calls/{call}.json")).json()["status"].clone();
            let has_ended =
                !["queued", "ringing", "in-progress"].iter().any(|live| status == *live);
            let reply = self.fetch(&format!("Calls/{call}/Timeline.json"));
            let is_whole =
                |list: &serde_json::Value| list.as_array().is_some_and(|l| !l.is_empty());
            if has_ended && reply.status == 200 && is_whole(&reply.json()["timeline"]) {
                return Ok(String::from_utf8_lossy(&reply.body).into_owned());
            }
            Err(format!("{call} is {status}"))
        })
    }

    /// The codes of the account's notifications.
    fn notified(&self) -> Vec<String> {
        let rows = self.fetch("Notifications.json").json()["notifications"].clone();
        let rows = rows.as_array().cloned().unwrap_or_default();
        rows.iter().map(|row| row["error_code"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// baresip, registering as `user` over `transport`, answering by itself, playing a tone. `more` is for
/// its account.
fn baresip(
    folder: &Path,
    gateway: &Gateway,
    user: &str,
    transport: &str,
    more: &str,
    lan: Option<&Lan>,
) -> Program {
    let proxy = format!("sip:{};transport={transport}", server(gateway, transport));
    let address = format!("sip:{user}@{DOMAIN};transport={transport}");
    let baresip = Baresip::new(folder, user, address)
        .account(format!(";outbound=\"{proxy}\";regint=3600;answermode=auto{more}"))
        .saying(&wav::tone(16_000));
    let baresip = if transport == "tls" { baresip.trusting(gateway) } else { baresip };
    match lan {
        Some(lan) => baresip.start_on(lan, 40),
        None => baresip.start(40),
    }
}

/// The parties that require SRTP.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secure {
    Nobody,
    Domain,
    /// `;secure=true`.
    Uri,
}

/// REST rings a registered baresip; its document dials a registered pjsua2. Both ways heard.
fn two_registered_phones_talk(transport: &str, secure: Secure) {
    let gateway = match transport {
        "tls" => Gateway::start_with_tls("", ""),
        _ => Gateway::start(""),
    };
    two_phones_talk_at(&gateway, transport, secure, None);
}

fn two_phones_talk_at(gateway: &Gateway, transport: &str, secure: Secure, lan: Option<&Lan>) {
    let is_secure = secure != Secure::Nobody;
    let application = Application::start(|_| Answer::twiml("<Hangup/>"));
    let domain = gateway.domain_to_register(&application.url("/voice"), &["bob"]);
    let (a, b) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let srtp = if is_secure { ";mediaenc=srtp-mand" } else { "" };
    if secure == Secure::Domain {
        gateway.create(&format!("SIP/Domains/{domain}.json"), &[("Secure", "true")]);
    }
    let parameter = if secure == Secure::Uri { ";secure=true" } else { "" };
    let mut alice = baresip(a.path(), gateway, "alice", transport, srtp, lan);
    let bob = Registering::new(b.path(), gateway, "bob", transport);
    let bob = if is_secure { bob.secure() } else { bob };
    let here = lan.map_or("127.0.0.1".to_owned(), |lan| lan.phones.to_string());
    let mut bob = bob.at(&here, &here).on(lan).start();
    let rows = gateway.wait_registered(&domain, 2);
    assert!(rows.iter().all(|row| row["transport"] == transport), "{rows:#?}");
    assert!(bob.wait_for("registration").contains("200 3600"));

    let twiml = format!(
        "<Response><Dial action=\"{}\"><Sip>sip:bob@{DOMAIN}{parameter};edge=tokyo</Sip></Dial></Response>",
        application.url("/dialled")
    );
    let sid = sdk::python(
        gateway,
        &format!(
            "print(client.calls.create(to='sip:alice@{DOMAIN}{parameter}', from_='1000', twiml='{twiml}').sid)"
        ),
    );
    bob.wait_for("CONFIRMED");
    let dialled = application.wait_for_path("/dialled");
    assert_eq!(dialled.parameter("DialCallStatus"), Some("completed"));
    bob.wait_for("over");
    alice.wait_for("Call established");
    let heard = wav::loud(&wav::read(&b.path().join("heard.wav")));
    assert!(heard > 8_000, "bob heard {heard} loud samples of alice");
    let sid = sid.trim();
    let timeline = gateway.wait_for_timeline(sid);
    assert_eq!(timeline.contains("AES_CM_128_HMAC_SHA1_80"), is_secure, "{timeline}");
    assert!(timeline.contains("ringing contact 1 of 1"), "{timeline}");
    assert!(timeline.contains("contact 1 of 1 answered"), "{timeline}");
    drop(alice);
}

#[test]
fn the_audio_of_baresip_and_pjsua2_takes_the_kernel() {
    if fast_path_is_denied() {
        return;
    }
    expect_talk_in_the_kernel(&Gateway::start("fast_path = \"tc\"\n"), None);
}

/// The same behind a pair of interfaces, where packets have link-layer addresses and the kernel knows neighbours.
#[test]
fn the_audio_of_baresip_and_pjsua2_in_a_network_of_their_own_takes_the_kernel() {
    if fast_path_is_denied() {
        return;
    }
    let lan = Lan::new();
    expect_talk_in_the_kernel(&Gateway::start_on_lan(&lan, "fast_path = \"tc\"\n"), Some(&lan));
}

fn expect_talk_in_the_kernel(gateway: &Gateway, lan: Option<&Lan>) {
    two_phones_talk_at(gateway, "udp", Secure::Nobody, lan);
    let metrics = gateway.settled();
    // Three seconds both ways, less the time until both are locked.
    let below = metrics.sum("media_fast_path_packets_total", "");
    assert!((150..400).contains(&below), "{metrics:#?}");
    assert_eq!(metrics.sum("media_fast_path_legs", ""), 0);
    assert_eq!(metrics.sum("media_fast_path_interfaces", ""), 1);
}

#[test]
fn registered_phones_are_called_by_rest_and_by_dial_over_udp() {
    two_registered_phones_talk("udp", Secure::Nobody);
}

#[test]
fn registered_phones_are_called_by_rest_and_by_dial_over_tcp() {
    two_registered_phones_talk("tcp", Secure::Nobody);
}

#[test]
fn registered_phones_are_called_by_rest_and_by_dial_over_tls() {
    two_registered_phones_talk("tls", Secure::Nobody);
}

#[test]
fn registered_phones_of_a_secure_domain_are_called_with_srtp() {
    two_registered_phones_talk("tls", Secure::Domain);
}

#[test]
fn registered_phones_are_called_with_srtp_where_the_uri_says_secure() {
    two_registered_phones_talk("tls", Secure::Uri);
}

#[test]
fn a_client_is_the_registered_phone_of_that_name_and_nobody_where_there_is_none() {
    let application = Application::start(|asked| match asked.path.as_str() {
        "/nobody" => Answer::twiml("<Dial action=\"/dialed\"><Client>carol</Client></Dial>"),
        _ => Answer::twiml(""),
    });
    let gateway = Gateway::start("");
    let domain = gateway.domain_to_register(&application.url("/voice"), &["bob"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut phone = Registering::new(folder.path(), &gateway, "bob", "udp").start();
    gateway.wait_registered(&domain, 1);
    let printed = sdk::python(
        &gateway,
        "from twilio.base.exceptions import TwilioRestException\n\
         call = client.calls.create(to='client:bob', from_='desk', twiml='<Response><Pause length=\"1\"/></Response>')\n\
         assert call.to == 'client:bob', call._properties\n\
         try:\n\
         \x20   client.calls.create(to='client:', from_='desk', twiml='<Response/>')\n\
         \x20   raise SystemExit('no name')\n\
         except TwilioRestException as error:\n\
         \x20   assert (error.status, error.code) == (400, 21211), error\n\
         print(call.sid)\n",
    );
    phone.wait_for("state CONFIRMED");
    let timeline = gateway.wait_for_timeline(printed.trim());
    assert!(timeline.contains("status in-progress"), "{timeline}");
    drop(phone);

    let (party, port) = (crate::rtp::Party::new(), crate::sipp::free_port());
    let callee = Sipp::new(&crate::sipp::callee("", "0 101"))
        .key("media", &party.port().to_string())
        .with(&format!("-p {port} -m 1"))
        .spawn();
    let url = application.url("/nobody");
    let to = format!("sip:party@127.0.0.1:{port}");
    gateway.create("Calls.json", &[("To", &to), ("From", "desk"), ("Url", &url)]);
    let dialed = application.wait_for_path("/dialed");
    assert_eq!(dialed.parameter("DialCallStatus"), Some("failed"));
    callee.finish().expect_success();
    assert!(gateway.notified().contains(&"13224".to_owned()));
}

#[test]
fn our_own_phone_registers_answers_a_call_and_unregisters_and_a_kill_loses_nothing() {
    let gateway = Gateway::start("");
    let application = Application::start(|_| Answer::twiml("<Hangup/>"));
    let domain = gateway.domain_to_register(&application.url("/voice"), &[]);
    let register = |gateway: &Gateway, more: &[&str]| {
        let mut command = Command::new(crate::gateway::binary());
        command.args(["phone", "register", &format!("sip:alice@{DOMAIN}")]);
        command.args(["--proxy", &gateway.sip_udp.to_string(), "--password", PASSWORD]);
        Program::start(command.args(more))
    };
    let phone = register(&gateway, &["--for", "30"]);
    let rows = gateway.wait_registered(&domain, 1);
    assert_eq!(rows[0]["username"], "alice");
    assert_eq!(rows[0]["edge"], "ashburn");
    drop(phone); // killed, not unregistered

    let folder = gateway.kill();
    let gateway = Gateway::start_in(folder, "");
    let kept = gateway.wait_registered(&domain, 1);
    assert_eq!(kept[0]["sid"], rows[0]["sid"]);

    let mut phone = register(&gateway, &["--answer", "--for", "30"]);
    gateway.wait_registered(&domain, 2);
    let body = format!(
        "print(client.calls.create(to='sip:alice@{DOMAIN}', from_='1000', \
         twiml='<Response><Pause length=\"1\"/></Response>').sid)"
    );
    let sid = sdk::python(&gateway, &body);
    phone.wait_for("unregistered");
    let timeline = gateway.wait_for_timeline(sid.trim());
    assert!(timeline.contains("of 2 answered"), "the old contact rings, too: {timeline}");
    gateway.wait_registered(&domain, 1);
}

/// One REGISTER after the other of one SIPp call, each with its answer; `401` is answered.
fn register_steps(steps: &[(&str, &str, u16)]) -> String {
    let mut scenario = String::new();
    let mut cseq = 0;
    let mut send = |contact: &str, more: &str, login: &str| {
        cseq += 1;
        format!(
            "<send retrans=\"500\"><![CDATA[\nREGISTER sip:{DOMAIN} SIP/2.0\n\
             Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=[branch]\n\
             From: <sip:[user]@{DOMAIN}>;tag=[call_number]\nTo: <sip:[user]@{DOMAIN}>\n\
             Call-ID: [call_id]\nCSeq: {cseq} REGISTER\nMax-Forwards: 70\n{contact}{more}{login}\
             Content-Length: 0\n\n]]></send>\n"
        )
    };
    let login = format!("[authentication username=alice password={PASSWORD}]\n");
    for (contact, more, status) in steps {
        scenario += &send(contact, more, "");
        scenario += "<recv response=\"401\" auth=\"true\"/>\n";
        scenario += &send(contact, more, &login);
        scenario += &format!("<recv response=\"{status}\"/>\n");
    }
    scenario
}

const CONTACT: &str = "Contact: <sip:alice@[local_ip]:[local_port]>\n";

#[test]
fn every_rule_of_registration_refuses_a_sipp_with_its_status_and_code() {
    let gateway = Gateway::start("");
    let domain = gateway.domain_to_register("http://127.0.0.1:9/voice", &[]);
    let run = |user: &str, steps: &[(&str, &str, u16)]| {
        let sipp = Sipp::new(&register_steps(steps)).key("user", user);
        sipp.with("-timeout 15s").call(gateway.sip_udp, 1).expect_success().messages()
    };
    let messages = run("alice", &[(CONTACT, "Expires: 599\n", 423)]);
    assert!(messages.contains("Min-Expires: 600"), "{messages}");
    let many: String = (0..11).map(|n| format!("Contact: <sip:alice@192.0.2.{n}>\n")).collect();
    // The gateway counts a rate by the real clock: a second later its budget is whole again.
    std::thread::sleep(Duration::from_secs(1));
    // Five at once, then one too many: all by one SIPp, which does not dawdle between them.
    let mut six = vec![(CONTACT, "Expires: 86400\n", 200); 5];
    six.push((CONTACT, "", 503));
    let messages = run("alice", &six);
    assert!(messages.contains(";expires=3600"), "cut: {messages}");
    assert!(messages.contains("Retry-After: 1"), "{messages}");
    std::thread::sleep(Duration::from_secs(1));
    run(
        "alice",
        &[
            (many.as_str(), "", 403),
            ("Contact: *\n", "Expires: 60\n", 400),
            ("", "", 200),
            ("Contact: *\n", "Expires: 0\n", 200),
        ],
    );
    run("bob", &[(CONTACT, "", 403)]);
    gateway.wait_registered(&domain, 0);
    let codes = gateway.notified();
    for code in ["32007", "32008", "32106"] {
        assert!(codes.iter().any(|known| known == code), "{code} in {codes:?}");
    }
}

#[test]
fn a_registration_that_rest_deletes_is_not_called_any_more() {
    let gateway = Gateway::start("");
    let domain = gateway.domain_to_register("http://127.0.0.1:9/voice", &[]);
    let steps = register_steps(&[(CONTACT, "Expires: 3600\n", 200)]);
    Sipp::new(&steps).key("user", "alice").call(gateway.sip_udp, 1).expect_success();
    let row = gateway.wait_registered(&domain, 1).remove(0);
    let uri = row["uri"].as_str().expect("a path");
    let delete = || rest::request(&gateway, "DELETE", uri, &[]).status;
    assert_eq!((delete(), delete()), (204, 404));
    gateway.wait_registered(&domain, 0);
    let to = format!("sip:alice@{DOMAIN}");
    let form = [("To", &*to), ("From", "1000"), ("Twiml", "<Response/>")];
    let call = gateway.create("Calls.json", &form).text("sid");
    let timeline = gateway.wait_for_timeline(&call);
    assert!(
        gateway.notified().contains(&"32009".to_owned()),
        "no contact is registered: {timeline}"
    );
}

#[test]
fn a_phone_that_did_not_hear_its_200_gets_it_again_for_a_copy_of_its_register() {
    let gateway = Gateway::start("");
    let users: Vec<String> = (0..20).map(|n| format!("u{n:02}")).collect();
    let names: Vec<&str> = users.iter().map(String::as_str).collect();
    let domain = gateway.domain_to_register("http://127.0.0.1:9/voice", &names);
    let mut list = "SEQUENTIAL\n".to_owned();
    for user in &users {
        list += &format!("{user};[authentication username={user} password={PASSWORD}]\n");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("users.csv");
    std::fs::write(&file, list).expect("writable");
    let scenario = register_steps(&[(CONTACT, "Expires: 3600\n", 200)])
        .replace("[user]", "[field0]")
        .replace(&format!("[authentication username=alice password={PASSWORD}]"), "[field1]")
        .replace("<recv response=\"200\"/>", "<recv response=\"200\" lost=\"40\"/>");
    let sipp = Sipp::new(&scenario).with(&format!("-r 50 -max_retrans 10 -inf {}", file.display()));
    sipp.call(gateway.sip_udp, 20).expect_success();
    gateway.wait_registered(&domain, 20);
    let metrics = gateway.metrics();
    let absorbed = metrics.value("signaling_retransmissions_absorbed_total");
    assert!(absorbed > 0, "SIPp lost nothing");
    assert_eq!(metrics.value("signaling_retransmissions_sent_total"), absorbed);
    assert_eq!(metrics.value("signaling_answers_forgotten_total"), 0);
}

#[test]
fn two_hundred_phones_behind_one_address_register_and_stay() {
    let gateway = Gateway::start("");
    let users: Vec<String> = (0..200).map(|n| format!("u{n:03}")).collect();
    let names: Vec<&str> = users.iter().map(String::as_str).collect();
    let domain = gateway.domain_to_register("http://127.0.0.1:9/voice", &names);
    let mut list = "SEQUENTIAL\n".to_owned();
    for user in &users {
        list += &format!("{user};[authentication username={user} password={PASSWORD}]\n");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("users.csv");
    std::fs::write(&file, list).expect("writable");
    let steps = [(CONTACT, "Expires: 3600\n", 200), (CONTACT, "Expires: 3600\n", 200)];
    let scenario = register_steps(&steps)
        .replace("[user]", "[field0]")
        .replace(&format!("[authentication username=alice password={PASSWORD}]"), "[field1]")
        .replace("sip:alice@[local_ip]", "sip:[field0]@10.0.0.5");
    // One socket a call: 200 ports of one address, as behind a NAT.
    let sipp = Sipp::new(&scenario)
        .with(&format!("-t un -max_socket 250 -r 50 -l 200 -inf {}", file.display()));
    sipp.call(gateway.sip_udp, 200).expect_success();
    let path = format!("SIP/Domains/{domain}/Registrations.json?PageSize=1000");
    let rows = gateway.fetch(&path).json()["registrations"].as_array().expect("a list").clone();
    assert_eq!(rows.len(), 200);
    let sources: std::collections::BTreeSet<String> =
        rows.iter().map(|row| row["source"].to_string()).collect();
    // A port of a phone that is done may be given to the next one.
    assert!(sources.len() > 190, "each by a port of its own: {}", sources.len());
}

/// Kamailio as an edge proxy: adds itself to Path with the phone's real address, stays in the route,
/// and writes real addresses for private ones behind the phone's back (contact aliases).
const KAMAILIO: &str = r#"
debug=1
log_stderror=yes
children=1
listen=udp:127.0.0.2:PORT
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "nathelper.so"
loadmodule "path.so"
modparam("path", "use_received", 1)
request_route {
    if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
    force_rport();
    if (is_method("REGISTER")) {
        add_path_received();
        $du = "sip:GATEWAY";
        t_relay();
        exit;
    }
    if (loose_route()) { handle_ruri_alias(); }
    if (is_method("INVITE")) { record_route(); }
    if (is_method("CANCEL") && !t_check_trans()) { exit; }
    t_on_reply("PHONE");
    t_relay();
}
onreply_route[PHONE] {
    if ($si == "127.0.0.3") { add_contact_alias(); }
}
"#;

#[test]
fn a_phone_behind_kamailio_with_a_private_address_has_audio_both_ways() {
    let gateway = Gateway::start("latch = \"any\"\n");
    let application = Application::start(|_| Answer::twiml("<Hangup/>"));
    let domain = gateway.domain_to_register(&application.url("/voice"), &[]);
    let folder = tempfile::tempdir().expect("a folder");
    let port = crate::sipp::free_port();
    let script = KAMAILIO.replace("GATEWAY", &gateway.sip_udp.to_string());
    let _proxy = Kamailio::start(("127.0.0.2", port), &script);
    let phone = Registering::new(folder.path(), &gateway, "alice", "udp");
    let registrar = SocketAddr::from(([127, 0, 0, 2], port));
    let mut phone = phone.registrar(registrar).at("127.0.0.3", "10.9.8.7").start();
    let rows = gateway.wait_registered(&domain, 1);
    assert!(rows[0]["contact"].as_str().is_some_and(|text| text.contains("10.9.8.7")), "{rows:?}");
    assert!(rows[0]["path"].as_str().is_some_and(|text| text.contains("127.0.0.2")), "{rows:?}");
    let body = format!(
        "print(client.calls.create(to='sip:alice@{DOMAIN}', from_='1000', \
         twiml='<Response><Record maxLength=\"2\" playBeep=\"true\" action=\"{}\"/></Response>').sid)",
        application.url("/done")
    );
    let sid = sdk::python(&gateway, &body);
    phone.wait_for("CONFIRMED");
    phone.wait_for("over");
    let timeline = gateway.wait_for_timeline(sid.trim());
    assert!(timeline.contains("by a proxy"), "{timeline}");
    let heard = wav::loud(&wav::read(&folder.path().join("heard.wav")));
    assert!(heard > 500, "the phone heard {heard} loud samples of the beep\n{timeline}");
    let recordings = gateway.fetch(&format!("Calls/{}/Recordings.json", sid.trim())).json();
    let recording = recordings["recordings"][0]["sid"].as_str();
    let recording = recording.unwrap_or_else(|| panic!("{recordings}\n{timeline}"));
    let wav = folder.path().join("recorded.wav");
    std::fs::write(&wav, gateway.fetch(&format!("Recordings/{recording}.wav")).body)
        .expect("writable");
    let said = wav::loud(&wav::read(&wav));
    assert!(said > 4_000, "the gateway recorded {said} loud samples of the phone\n{timeline}");
}

#[test]
fn an_edge_has_listeners_of_its_own_and_calls_leave_by_it() {
    let gateway = Gateway::start("[edges.frankfurt]\nlisten = [\"127.0.0.2:0\"]\ntnx = \"TX7\"\n");
    let domain = gateway.domain_to_register("http://127.0.0.1:9/voice", &[]);
    let list = gateway.get("/addresses.json").json();
    let frankfurt = &list["edges"][1];
    assert_eq!(frankfurt["edge"], "frankfurt");
    let listener = frankfurt["signaling"]["udp"][0].as_str().expect("an address").to_owned();
    assert!(listener.starts_with("127.0.0.2:"), "{listener}");
    let page = String::from_utf8(gateway.get("/addresses").body).expect("text");
    assert!(page.contains(&listener), "{page}");

    for (parameter, source) in
        [(";region=de1", "127.0.0.2"), (";tnx=TX7", "127.0.0.2"), ("", "127.0.0.1")]
    {
        let port = crate::sipp::free_port();
        let callee = Sipp::new(&crate::sipp::callee("", "0 101"))
            .key("media", &crate::sipp::SILENT_MEDIA_PORT.to_string())
            .with(&format!("-p {port} -m 1"))
            .spawn();
        let body = format!(
            "print(client.calls.create(to='sip:bob@127.0.0.1:{port}{parameter}', from_='1000', \
             twiml='<Response><Hangup/></Response>').sid)"
        );
        sdk::python(&gateway, &body);
        let messages = callee.finish().expect_success().messages();
        let via = messages.lines().find(|line| line.starts_with("Via:")).unwrap_or_default();
        assert!(via.contains(&format!("UDP {source}:")), "{parameter}: {via}");
        let contact = messages.lines().find(|line| line.starts_with("Contact: <sip:1000@"));
        assert!(contact.is_some_and(|line| line.contains(source)), "{parameter}: {messages}");
        assert!(messages.contains("c=IN IP4 127.0.0.1"), "where media ports are open: {messages}");
    }

    let host = "desk.sip.au1.sidetone.test";
    let scenario = register_steps(&[(CONTACT, "Expires: 3600\n", 200)]).replace(DOMAIN, host);
    let by_host = Sipp::new(&scenario).key("user", "alice").with("-timeout 15s");
    by_host.call(gateway.sip_udp, 1).expect_success();
    let other = "Contact: <sip:other@[local_ip]:[local_port]>\n";
    let scenario = register_steps(&[(other, "Expires: 3600\n", 200)]);
    let by_listener = Sipp::new(&scenario).key("user", "alice").with("-timeout 15s");
    by_listener.call(listener.parse().expect("an address"), 1).expect_success();
    let rows = gateway.wait_registered(&domain, 2);
    let mut edges: Vec<&str> = rows.iter().filter_map(|row| row["edge"].as_str()).collect();
    edges.sort_unstable();
    assert_eq!(edges, ["frankfurt", "sydney"]);
}
