//! `<Sip>` at a callee that does not exist, as opposed to a phone that rings and is not answered.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::application::{Answer, Application, Asked};
use crate::gateway::Gateway;
use crate::phone::PASSWORD;
use crate::rtp::Party;
use crate::sipp::{self, Sipp};
/// The ring time that must not pass.
const RING: Duration = Duration::from_secs(30);

#[test]
fn a_closed_port_and_a_silent_one_fail_with_their_address_and_the_next_target_rings() {
    let (closed, answers) = (sipp::free_port(), sipp::free_port());
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let silent_port = silent.local_addr().expect("bound").port();
    let gateway = Gateway::start("");
    let ports = [("/closed", closed), ("/silent", silent_port), ("/next", closed)];
    let application = Application::start(move |asked| {
        let port = ports.iter().find(|(path, _)| *path == asked.path).map(|(_, port)| port);
        let Some(port) = port else { return Answer::twiml("") };
        let next = match asked.path.as_str() {
            "/next" => format!("<Sip>sip:carol@127.0.0.1:{answers}</Sip>"),
            _ => String::new(),
        };
        Answer::twiml(&format!(
            "<Dial answerOnBridge=\"true\" sequential=\"true\" action=\"/done{path}\">\
             <Sip>sip:bob@127.0.0.1:{port}</Sip>{next}</Dial>",
            path = asked.path
        ))
    });
    let (alice, carol) = (Party::new(), Party::new());
    let callee = Sipp::new(&sipp::callee("", "0"))
        .key("media", &carol.port().to_string())
        .with(&format!("-p {answers} -m 1"))
        .spawn();
    for (path, _) in ports {
        let name = path.trim_start_matches('/');
        gateway.domain_with_user(name, &application.url(path), "alice", PASSWORD);
    }
    let call = |name: &str, end: String| {
        let begun = Instant::now();
        let caller = Sipp::new(&(sipp::invite_with_digest("alice", PASSWORD, "") + &end))
            .key("user", "1000")
            .key("domain", &format!("{name}.sip.sidetone.test"))
            .key("media", &alice.port().to_string())
            .key("formats", "0");
        caller.call(gateway.sip_udp, 1).expect_success();
        assert!(begun.elapsed() < RING, "{name}: it rang no phone for {:?}", begun.elapsed());
        application.wait_for_path(&format!("/done/{name}"))
    };
    assert_unreachable(&call("closed", sipp::refused(503)), closed, "503");
    assert_unreachable(&call("silent", sipp::refused(503)), silent_port, "408");
    let done = call("next", sipp::answered() + &sipp::hang_up_after(500));
    assert_eq!(done.parameter("DialCallStatus"), Some("completed"));
    callee.finish().expect_success();
    let told = gateway.fetch("Notifications.json").json();
    let told = told["notifications"].as_array().expect("a list");
    let codes: Vec<_> = told.iter().filter_map(|one| one["error_code"].as_str()).collect();
    assert_eq!(codes, ["32011"; 3], "{told:?}");
}

fn assert_unreachable(done: &Asked, port: u16, status: &str) {
    assert_eq!(done.parameter("DialCallStatus"), Some("failed"), "{done:?}");
    assert_eq!(done.parameter("DialSipResponseCode"), Some(status), "{done:?}");
    assert_eq!(done.parameter("ErrorCode"), Some("32011"), "{done:?}");
    let sentence = done.parameter("ErrorMessage").expect("a sentence");
    assert!(sentence.contains(&format!("127.0.0.1:{port}")), "{sentence}");
}
