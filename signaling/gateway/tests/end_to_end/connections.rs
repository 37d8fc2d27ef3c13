//! Several messages on one TCP connection, the last of them broken: what was sound before it is answered,
//! then the connection closes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::application::{Answer, Application};
use crate::gateway::Gateway;

const DESK: &str = "sip:1000@desk.sip.sidetone.test";
const PATIENCE: Duration = Duration::from_secs(10);

/// A gateway whose application takes a second to refuse a call with 404.
fn gateway_for(application: &Application) -> Gateway {
    let gateway = Gateway::start("");
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    gateway
}

fn slowly_rejecting() -> Application {
    Application::start(|_| {
        // What is behind the request is broken by then.
        std::thread::sleep(Duration::from_secs(1));
        Answer::twiml("<Reject/>")
    })
}

fn request(method: &str, branch: &str, body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} {DESK} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK{branch};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@127.0.0.1>;tag={branch}\r\nTo: <{DESK}>\r\n\
         Call-ID: {branch}@test\r\nCSeq: 1 {method}\r\nContact: <sip:alice@127.0.0.1;transport=tcp>\r\n\
         {kind}Content-Length: {}\r\n\r\n{body}",
        body.len(),
    )
}

fn offer() -> String {
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
        .to_owned()
}

/// Writes it in one segment and reads until the gateway closes the connection.
fn all_answers(gateway: &Gateway, bytes: &str) -> String {
    let mut stream = TcpStream::connect(gateway.sip_tcp).expect("the gateway listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(bytes.as_bytes()).expect("written");
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).expect("the gateway closes the connection");
    String::from_utf8(answers).expect("text")
}

/// Status and branch of each response, in order.
fn outcomes(answers: &str) -> Vec<(u16, &str)> {
    let responses = answers.split("SIP/2.0 ").filter(|part| part.contains("branch="));
    let of = |response: &'_ str| response.get(..3).and_then(|status| status.parse().ok());
    // `SIP/2.0/TCP` in Via is not split at: there is no blank behind it.
    responses
        .map(|response| {
            let branch = response.split("branch=z9hG4bK").nth(1).expect("our Via");
            let end = branch.find([';', '\r']).expect("more follows");
            (of(response).expect("a status"), &branch[..end])
        })
        .collect()
}

#[test]
fn a_request_before_garbage_is_answered() {
    let application = slowly_rejecting();
    let gateway = gateway_for(&application);
    let answers = all_answers(&gateway, &(request("OPTIONS", "one", "") + "garbage\r\n\r\n"));
    assert_eq!(outcomes(&answers), [(200, "one")]);
}

#[test]
fn both_of_two_pipelined_requests_are_answered_where_the_second_is_broken() {
    let application = slowly_rejecting();
    let gateway = gateway_for(&application);
    let second = request("OPTIONS", "two", "").replace("Content-Length: 0\r\n", "");
    let answers = all_answers(&gateway, &(request("OPTIONS", "one", "") + &second));
    let mut outcomes = outcomes(&answers);
    outcomes.sort_unstable();
    assert_eq!(outcomes, [(200, "one"), (400, "two")]);
}

#[test]
fn a_call_before_garbage_gets_its_final_response_on_the_connection() {
    let application = slowly_rejecting();
    let gateway = gateway_for(&application);
    let answers = all_answers(&gateway, &(request("INVITE", "call", &offer()) + "garbage\r\n\r\n"));
    assert_eq!(outcomes(&answers), [(100, "call"), (180, "call"), (404, "call")]);
}

/// RFC 4475 §3.1.2.4 as a connection brings it: a whole REGISTER, and an INVITE behind it.
#[test]
fn two_requests_in_one_segment_are_two_requests() {
    let application = slowly_rejecting();
    let gateway = gateway_for(&application);
    let mut bytes = request("REGISTER", "register", "");
    bytes += "\r\n\r\n";
    bytes += &request("INVITE", "invite", &offer());
    bytes += "garbage\r\n\r\n";
    let answers = all_answers(&gateway, &bytes);
    let mut finals: Vec<_> =
        outcomes(&answers).into_iter().filter(|(status, _)| *status >= 200).collect();
    finals.sort_unstable();
    assert_eq!(finals, [(403, "register"), (404, "invite")]);
}

#[test]
fn a_request_behind_a_body_that_is_too_long_is_served() {
    let application = slowly_rejecting();
    let gateway = gateway_for(&application);
    let long = request("OPTIONS", "long", &"x".repeat(60_000));
    let answers = all_answers(&gateway, &(long + &request("OPTIONS", "next", "") + "garbage\n\n"));
    assert_eq!(outcomes(&answers), [(413, "long"), (200, "next")]);
}
