//! REGISTER by every rule of the contract, and calls that ring what was registered.

use std::net::IpAddr;
use std::time::Duration;

use shared::{Code, Instant, LatchMode, MediaCommand, Transport};
use sip::Contacts;
use sip::digest::Credentials;
use sip::digest::client::Challenge;
use store::{Outcome, Write};

use super::rig::{ACCOUNT, Book, Invite, PASSWORD, Rig, header, sdp};
use crate::{ApiRequest, ApiToken, Effect, Input};

const PHONE: &str = "203.0.113.9:40112";
const DOMAIN: &str = "sip:desk.sip.sidetone.test";

/// A REGISTER as a phone writes it.
struct Register {
    target: &'static str,
    to: &'static str,
    contact: &'static str,
    headers: &'static str,
    call_id: &'static str,
    user: &'static str,
}

const ALICE: Register = Register {
    target: DOMAIN,
    to: "sip:alice@desk.sip.sidetone.test",
    contact: "Contact: <sip:alice@10.0.0.5:5060>\r\n",
    headers: "Expires: 3600\r\n",
    call_id: "reg@10.0.0.5",
    user: "alice",
};

impl Register {
    fn text(&self, remote: &str, cseq: u32, more: &str) -> String {
        let Self { target, to, contact, headers, call_id, .. } = self;
        format!(
            "REGISTER {target} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5:5060;rport;branch=z9hG4bKr{call_id}{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <{to}>;tag=r\r\nTo: <{to}>\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} REGISTER\r\n{contact}{headers}{more}X-Source: {remote}\r\n\
             Content-Length: 0\r\n\r\n"
        )
    }
}

fn rig() -> Rig {
    let mut rig = Rig::new(Book::with_registrations());
    rig.come_from(Transport::Udp, PHONE);
    rig
}

/// Sends it, answers the challenge, and gives the last status. CSeq counts on by itself.
fn register(rig: &mut Rig, register: &Register) -> u16 {
    rig.cseq += 2;
    let cseq = rig.cseq;
    rig.receive(&register.text(PHONE, cseq, ""));
    if rig.last_response().status != 401 {
        return rig.last_response().status;
    }
    let challenge = header(rig.last_response(), "WWW-Authenticate").expect("a challenge");
    let challenge = Challenge::parse(challenge.as_bytes()).expect("it can be read");
    let credentials = Credentials::new(register.user, PASSWORD);
    let answer = challenge.answer(&credentials, b"REGISTER", register.target.as_bytes(), 1, "abc");
    let answer = String::from_utf8(answer).expect("text");
    let more = format!("Authorization: {answer}\r\n");
    rig.receive(&register.text(PHONE, cseq + 1, &more));
    rig.last_response().status
}

fn contacts(rig: &Rig) -> Vec<String> {
    match &rig.last_response().contact {
        Contacts::List(list) => list.iter().map(ToString::to_string).collect(),
        Contacts::Any => vec!["*".to_owned()],
    }
}

/// The codes of the notifications so far.
fn codes(rig: &Rig) -> Vec<Code> {
    rig.notifications.iter().map(|notification| notification.error_code).collect()
}

#[test]
fn a_phone_registers_after_a_challenge_and_reads_its_contact_back_as_it_sent_it() {
    let mut rig = rig();
    assert_eq!(register(&mut rig, &ALICE), 200);
    assert_eq!(contacts(&rig), ["<sip:alice@10.0.0.5:5060>;expires=3600"]);
    let via = rig.last_response().via[0].clone();
    let via = format!("{via:?}");
    assert!(via.contains("203.0.113.9") && via.contains("40112"), "{via}");
    assert!(codes(&rig).is_empty());
    rig.after(Duration::from_secs(600));
    let query = Register { contact: "", ..ALICE };
    assert_eq!(register(&mut rig, &query), 200);
    assert_eq!(contacts(&rig), ["<sip:alice@10.0.0.5:5060>;expires=3000"]);
}

#[test]
fn the_answer_waits_for_the_disk_and_copies_of_the_request_wait_with_it() {
    let mut rig = rig();
    rig.hold_commits = true;
    assert_eq!(register(&mut rig, &ALICE), 401, "nothing after the challenge yet");
    let sent = rig.sent.len();
    rig.repeat_last();
    assert_eq!(rig.sent.len(), sent, "the copy is absorbed");
    rig.release_commits(Outcome::Committed);
    assert_eq!(rig.last_response().status, 200);
    rig.repeat_last();
    assert_eq!(rig.last_response().status, 200, "and gets the same answer afterwards");
}

#[test]
fn a_store_that_cannot_write_is_503_with_retry_after() {
    let mut rig = rig();
    rig.hold_commits = true;
    register(&mut rig, &ALICE);
    rig.release_commits(Outcome::Unavailable);
    assert_eq!(rig.last_response().status, 503);
    assert!(header(rig.last_response(), "Retry-After").is_some());
}

#[test]
fn registration_off_no_list_other_user_and_other_domain_are_refused_with_their_codes() {
    let mut book = Book::with_registrations();
    book.change_domain(|domain| domain.sip_registration = false);
    let mut off = Rig::new(book);
    assert_eq!(register(&mut off, &ALICE), 403);
    assert_eq!(codes(&off), [Code::REGISTRATION_OFF]);
    assert_eq!(
        header(off.last_response(), "X-Twilio-Error"),
        None,
        "an unauthenticated peer reads no reason"
    );

    let mut book = Book::with_credentials();
    book.change_domain(|domain| domain.sip_registration = true);
    let mut unmapped = Rig::new(book);
    assert_eq!(register(&mut unmapped, &ALICE), 403);
    assert_eq!(codes(&unmapped), [Code::REGISTRATION_WITHOUT_LIST]);

    let mut rig = rig();
    let other = Register { to: "sip:bob@desk.sip.sidetone.test", ..ALICE };
    assert_eq!(register(&mut rig, &other), 403);
    assert_eq!(codes(&rig), [Code::USER_MISMATCH]);
    assert!(header(rig.last_response(), "X-Twilio-Error").is_some());
    let other = Register { to: "sip:alice@elsewhere.example", ..ALICE };
    assert_eq!(register(&mut rig, &other), 404);
}

#[test]
fn less_than_600_seconds_is_423_and_more_than_3600_is_cut() {
    let mut rig = rig();
    let brief = Register { headers: "Expires: 599\r\n", ..ALICE };
    assert_eq!(register(&mut rig, &brief), 423);
    assert_eq!(header(rig.last_response(), "Min-Expires").as_deref(), Some("600"));
    let long = Register { contact: "Contact: <sip:alice@10.0.0.5>;expires=86400\r\n", ..ALICE };
    assert_eq!(register(&mut rig, &long), 200);
    assert_eq!(contacts(&rig), ["<sip:alice@10.0.0.5>;expires=3600"]);
    let absent = Register { headers: "", ..ALICE };
    assert_eq!(register(&mut rig, &absent), 200);
    assert_eq!(contacts(&rig).len(), 2);
}

#[test]
fn the_eleventh_contact_is_refused_and_the_sixth_register_of_a_second_too() {
    let mut rig = rig();
    let ten = "Contact: <sip:a@10.0.0.1>,<sip:a@10.0.0.2>,<sip:a@10.0.0.3>,<sip:a@10.0.0.4>,\
               <sip:a@10.0.0.5>,<sip:a@10.0.0.6>,<sip:a@10.0.0.7>,<sip:a@10.0.0.8>,\
               <sip:a@10.0.0.9>,<sip:a@10.0.0.10>\r\n";
    assert_eq!(register(&mut rig, &Register { contact: ten, ..ALICE }), 200);
    assert_eq!(contacts(&rig).len(), 10);
    let known = Register { contact: "Contact: <sip:a@10.0.0.5>\r\n", ..ALICE };
    assert_eq!(register(&mut rig, &known), 200, "one of the ten again is none more");
    let eleventh = Register { contact: "Contact: <sip:a@10.0.0.11>\r\n", ..ALICE };
    assert_eq!(register(&mut rig, &eleventh), 403);
    assert_eq!(codes(&rig), [Code::CONTACTS_MAX]);
    assert_eq!(register(&mut rig, &known), 200);
    assert_eq!(register(&mut rig, &known), 200);
    assert_eq!(register(&mut rig, &known), 503, "the sixth");
    assert_eq!(header(rig.last_response(), "Retry-After").as_deref(), Some("1"));
    assert_eq!(codes(&rig), [Code::CONTACTS_MAX, Code::REGISTER_RATE]);
    rig.after(Duration::from_secs(1));
    assert_eq!(register(&mut rig, &known), 200);
}

#[test]
fn contacts_are_removed_one_by_one_and_all_by_a_star() {
    let mut rig = rig();
    register(&mut rig, &ALICE);
    register(&mut rig, &Register { contact: "Contact: <sip:alice@10.0.0.6>\r\n", ..ALICE });
    let one = Register { contact: "Contact: <sip:alice@10.0.0.5:5060>;expires=0\r\n", ..ALICE };
    assert_eq!(register(&mut rig, &one), 200);
    assert_eq!(contacts(&rig), ["<sip:alice@10.0.0.6>;expires=3600"]);
    let star = Register { contact: "Contact: *\r\n", ..ALICE };
    assert_eq!(register(&mut rig, &star), 400, "with an Expires that is not 0");
    let star = Register { contact: "Contact: *\r\n", headers: "Expires: 0\r\n", ..ALICE };
    assert_eq!(register(&mut rig, &star), 200);
    assert!(contacts(&rig).is_empty());
    assert_eq!(rig.control.registrations().0, 0);
}

#[test]
fn a_copy_of_a_refused_register_gets_the_refusal_again_and_no_challenge() {
    let mut rig = rig();
    assert_eq!(register(&mut rig, &Register { headers: "Expires: 599\r\n", ..ALICE }), 423);
    let refused = rig.refused.len();
    rig.repeat_last();
    assert_eq!(rig.last_response().status, 423);
    assert_eq!(rig.refused.len(), refused, "and it is counted once");
}

#[test]
fn a_contact_on_the_loopback_address_is_a_loop_unless_the_phone_is_there() {
    let mut rig = rig();
    let local = Register { contact: "Contact: <sip:alice@127.0.0.1:5070>\r\n", ..ALICE };
    assert_eq!(register(&mut rig, &local), 403);
    assert_eq!(codes(&rig), [Code::CONTACT_LOOPBACK]);
    rig.come_from(Transport::Udp, "127.0.0.1:5070");
    assert_eq!(register(&mut rig, &local), 200);
}

#[test]
fn a_phone_that_names_its_instance_replaces_its_contact() {
    let mut rig = rig();
    let first = "Contact: <sip:alice@10.0.0.5:1111>;+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\n";
    let second = "Contact: <sip:alice@10.0.0.5:2222>;+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\n";
    register(&mut rig, &Register { contact: first, ..ALICE });
    register(&mut rig, &Register { contact: second, ..ALICE });
    let expected = "<sip:alice@10.0.0.5:2222>;+sip.instance=\"<urn:uuid:1>\";reg-id=1;expires=3600";
    assert_eq!(contacts(&rig), [expected]);
}

#[test]
fn a_contact_ends_with_its_time_or_with_its_connection() {
    let mut rig = rig();
    register(&mut rig, &ALICE);
    rig.after(Duration::from_secs(3_601));
    assert_eq!(rig.control.registrations().0, 0);
    rig.come_from(Transport::Tcp, PHONE);
    assert_eq!(register(&mut rig, &ALICE), 200);
    rig.after(Duration::from_secs(600));
    assert_eq!(rig.control.registrations().0, 1, "its connection is not closed for being idle");
    rig.tell(Input::Sip(sip::Input::FlowClosed { flow: sip::FlowId(1) }));
    assert_eq!(rig.control.registrations().0, 0);
}

#[test]
fn a_contact_deleted_by_rest_rings_no_more_and_leaves_its_connection_to_idle_out() {
    let book = Book::with_registrations();
    let domain = book.domain.sid;
    let mut rig = Rig::new(book);
    rig.come_from(Transport::Tcp, PHONE);
    assert_eq!(register(&mut rig, &ALICE), 200);
    let binding = rig.bindings()[0].sid;
    let write = Box::new(Write::DeleteBinding { domain, binding });
    let request = ApiRequest::Write { account: ACCOUNT, write };
    rig.tell(Input::Api { token: ApiToken(1), request });
    assert_eq!(rig.control.registrations().0, 0);
    assert!(rig.bindings().is_empty(), "gone from the disk too");
    rig.after(Duration::from_secs(600));
    let closed = |effect: &Effect| matches!(effect, Effect::Sip(sip::Effect::CloseFlow { flow, .. }) if *flow == sip::FlowId(1));
    assert!(rig.effects.iter().any(closed), "a connection without a registration is not kept");
}

#[test]
fn what_is_on_disk_is_registered_after_a_restart() {
    let mut before = rig();
    register(&mut before, &ALICE);
    let mut after = Rig::new(Book::with_registrations());
    after.now = after.now.after(Duration::from_secs(60));
    after.control.restore_bindings(after.now, before.bindings());
    after.come_from(Transport::Udp, PHONE);
    let query = Register { contact: "", call_id: "other", ..ALICE };
    assert_eq!(register(&mut after, &query), 200);
    assert_eq!(contacts(&after), ["<sip:alice@10.0.0.5:5060>;expires=3540"]);
}

#[test]
fn phones_that_lost_their_connections_by_a_restart_are_vouched_for_when_they_return() {
    let mut rig = Rig::new(Book::with_registrations());
    rig.come_from(Transport::Tls, PHONE);
    let source = PHONE.parse::<std::net::SocketAddr>().expect("an address").ip();
    let until_ms = rig.now.unix_ms + 1_800_000;
    rig.control.expect_back(rig.now, [(source, until_ms)]);
    rig.drain();
    for _ in 0..1_000 {
        rig.invite(&Invite::default());
    }
    assert_eq!(rig.dropped, 0);
    let until = rig.now.mono + Duration::from_secs(1_800);
    let is_told = |effect: &Effect| matches!(effect, Effect::Vouch { source: of, until: at } if (*of, *at) == (source, until));
    assert!(rig.effects.iter().any(is_told));
}

#[test]
fn an_office_of_registered_phones_is_vouched_for() {
    let mut rig = rig();
    register(&mut rig, &ALICE);
    rig.after(Duration::from_secs(1_200)); // longer than a digest vouches
    for _ in 0..1_000 {
        rig.invite(&Invite::default());
    }
    assert_eq!(rig.dropped, 0);
}

/// A call of the parent at the desk that dials alice.
fn dial(rig: &mut Rig, uri: &str) {
    dial_noun(rig, &format!("<Sip>{uri}</Sip>"));
}

fn dial_noun(rig: &mut Rig, noun: &str) {
    rig.come_from(Transport::Udp, super::rig::CALLER);
    let invite = Invite::default();
    let statuses = rig.invite_as(&invite, "alice", PASSWORD);
    assert_eq!(statuses, [100, 180]);
    rig.sent.clear();
    rig.answer_webhook(&format!("<Dial>{noun}</Dial>"));
    rig.ack_last_with_digest(&invite);
}

const TO_ALICE: &str = "sip:alice@desk.sip.sidetone.test;edge=tokyo";

fn invites(rig: &Rig) -> Vec<(String, String)> {
    let requests = rig.sent.iter().filter_map(|(to, message)| match message {
        sip::Message::Request(request) if request.method == sip::Method::Invite => {
            Some((to.to_string(), request.uri.to_string()))
        }
        _ => None,
    });
    requests.collect()
}

#[test]
fn a_call_rings_every_contact_where_it_registered_from_and_the_first_answer_wins() {
    let mut rig = rig();
    register(&mut rig, &ALICE);
    rig.come_from(Transport::Udp, "203.0.113.10:999");
    register(&mut rig, &Register { contact: "Contact: <sip:alice@10.0.0.6>\r\n", ..ALICE });
    dial(&mut rig, TO_ALICE);
    assert_eq!(
        invites(&rig),
        [
            (PHONE.to_owned(), "sip:alice@10.0.0.5:5060".to_owned()),
            ("203.0.113.10:999".to_owned(), "sip:alice@10.0.0.6".to_owned()),
        ]
    );
    assert!(rig.resolves.is_empty(), "no DNS for our own hosts");
    rig.respond(180, ""); // the second
    rig.respond_to_invite(0, 180, "");
    rig.respond(200, &sdp("RTP/AVP 0", ""));
    let methods = rig.requests();
    let count = |method: &str| methods.iter().filter(|other| *other == method).count();
    assert_eq!((count("ACK"), count("CANCEL")), (1, 1), "{methods:?}");
    assert!(rig.faults.is_empty(), "{:?}", rig.faults);
}

#[test]
fn a_client_is_the_registered_user_of_that_name_and_its_parameters_are_headers() {
    let mut rig = rig();
    register(&mut rig, &ALICE);
    dial_noun(
        &mut rig,
        "<Client><Identity>alice</Identity><Parameter name=\"ticket\" value=\"t-81\"/></Client>",
    );
    assert_eq!(invites(&rig).len(), 1);
    let invite = rig.sent.iter().find_map(|(_, message)| match message {
        sip::Message::Request(request) if request.method == sip::Method::Invite => {
            request.headers.get("X-Param-ticket").map(ToString::to_string)
        }
        _ => None,
    });
    assert_eq!(invite.as_deref(), Some("t-81"));
    let mut rig = self::rig();
    dial_noun(&mut rig, "<Client>alice</Client>");
    assert!(invites(&rig).is_empty());
    assert!(codes(&rig).contains(&Code::NUMBER_NOT_CALLABLE), "{:?}", codes(&rig));
}

#[test]
fn a_redirect_of_a_registered_phone_is_not_followed() {
    let mut rig = rig();
    register(&mut rig, &ALICE);
    dial(&mut rig, TO_ALICE);
    rig.respond(302, "");
    assert_eq!(invites(&rig).len(), 1, "nobody else is called");
    assert!(codes(&rig).contains(&Code::REDIRECT_NOT_FOLLOWED), "{:?}", codes(&rig));
}

#[test]
fn calls_without_a_contact_report_the_reason() {
    for (uri, code) in [
        ("sip:bob@desk.sip.sidetone.test", Code::USER_NOT_REGISTERED),
        ("sip:alice@desk.sip.sydney.sidetone.test", Code::REGISTERED_URI_WITH_EDGE),
        ("sip:alice@desk.sip.us1-ix.sidetone.test", Code::NOT_REGISTERED_ON_EDGE),
        ("sip:desk.sip.sidetone.test", Code::URI_WITHOUT_USER),
        ("sip:alice@other.sip.sidetone.test", Code::DIALLED_DOMAIN_UNKNOWN),
    ] {
        let mut rig = rig();
        register(&mut rig, &ALICE);
        dial(&mut rig, uri);
        assert!(invites(&rig).is_empty(), "{uri}");
        assert!(codes(&rig).contains(&code), "{uri}: {:?}", codes(&rig));
    }
    let mut rig = rig();
    register(&mut rig, &ALICE);
    dial(&mut rig, "sip:alice@desk.sip.us1.sidetone.test");
    assert_eq!(invites(&rig).len(), 1, "us1 is the edge that a host without one means");
}

#[test]
fn contacts_of_a_user_that_may_not_register_any_more_do_not_ring() {
    let mut off = Book::with_registrations();
    off.change_domain(|domain| domain.sip_registration = false);
    let mut unmapped = Book::with_credentials();
    unmapped.change_domain(|domain| domain.sip_registration = true);
    for book in [off, unmapped] {
        let mut before = rig();
        assert_eq!(register(&mut before, &ALICE), 200);
        let mut after = Rig::new(book);
        after.control.restore_bindings(after.now, before.bindings());
        assert_eq!(after.control.registrations().0, 1, "it stays until it expires");
        dial(&mut after, TO_ALICE);
        assert!(invites(&after).is_empty());
        assert_eq!(codes(&after), [Code::USER_NOT_REGISTERED]);
    }
}

#[test]
fn a_uri_that_says_secure_rings_contacts_over_tls_alone() {
    const SECURE: &str = "sip:alice@desk.sip.sidetone.test;secure=true";
    let mut over_udp = rig();
    register(&mut over_udp, &ALICE);
    dial(&mut over_udp, SECURE);
    assert!(invites(&over_udp).is_empty());
    assert_eq!(codes(&over_udp), [Code::TLS_REQUIRED]);

    let mut both = rig();
    register(&mut both, &ALICE);
    both.come_from(Transport::Tls, "203.0.113.10:999");
    register(&mut both, &Register { contact: "Contact: <sip:alice@10.0.0.6>\r\n", ..ALICE });
    dial(&mut both, SECURE);
    let rung = invites(&both);
    assert_eq!(rung.len(), 1, "{rung:?}");
    assert!(rung[0].1.starts_with("sip:alice@10.0.0.6"), "{rung:?}");
}

#[test]
fn a_foreign_account_rings_no_phone_and_a_phone_is_called_with_its_domains_latch() {
    let mut book = Book::with_registrations();
    book.add_foreign_account("guest");
    let mut foreign = Rig::new(book);
    foreign.come_from(Transport::Udp, PHONE);
    assert_eq!(register(&mut foreign, &ALICE), 200);
    foreign.come_from(Transport::Udp, super::rig::CALLER);
    let invite = Invite::to("sip:1@guest.sip.sidetone.test");
    assert_eq!(foreign.invite(&invite), [100, 180]);
    foreign.sent.clear();
    foreign.answer_webhook(&format!("<Dial><Sip>{TO_ALICE}</Sip></Dial>"));
    assert!(invites(&foreign).is_empty());
    assert_eq!(codes(&foreign), [Code::FOREIGN_DOMAIN]);

    let mut latched = Rig::with_settings(Book::with_registrations(), |settings| {
        settings.domain_latches.insert("desk".to_owned(), LatchMode::Any);
    });
    latched.come_from(Transport::Udp, PHONE);
    register(&mut latched, &ALICE);
    dial(&mut latched, TO_ALICE);
    latched.respond(200, &sdp("RTP/AVP 0", ""));
    let started = latched.media.iter().filter_map(|command| match command {
        MediaCommand::StartLeg { plan, .. } => Some(plan.latch),
        _ => None,
    });
    assert_eq!(started.collect::<Vec<_>>(), [LatchMode::Any; 2], "the caller's and the phone's");
}

#[test]
fn a_registration_over_a_stream_lifts_the_limit_on_streams_of_its_source() {
    let vouched = |rig: &Rig| -> Vec<(IpAddr, Instant)> {
        let of_streams = |effect: &Effect| match effect {
            Effect::Vouch { source, until } => Some((*source, *until)),
            _ => None,
        };
        rig.effects.iter().filter_map(of_streams).collect()
    };
    let mut over_udp = rig();
    assert_eq!(register(&mut over_udp, &ALICE), 200);
    assert_eq!(vouched(&over_udp).len(), 0);
    let mut over_tcp = Rig::new(Book::with_registrations());
    over_tcp.come_from(Transport::Tcp, PHONE);
    assert_eq!(register(&mut over_tcp, &ALICE), 200);
    let source = PHONE.parse::<std::net::SocketAddr>().expect("an address").ip();
    let until = over_tcp.now.mono + Duration::from_secs(3_600);
    assert_eq!(vouched(&over_tcp), [(source, until)]);
}

#[test]
fn a_wall_clock_that_is_set_changes_what_the_disk_says_and_not_when_a_binding_ends() {
    let mut rig = rig();
    assert_eq!(register(&mut rig, &ALICE), 200);
    let end_ms = |rig: &Rig| rig.bindings()[0].expires_ms - rig.now.unix_ms;
    for step_ms in [7_200_000, -10_800_000] {
        rig.now.unix_ms += step_ms;
        rig.after(Duration::from_secs(61));
        let left_ms = end_ms(&rig);
        assert!((3_400_000..3_600_000).contains(&left_ms), "{left_ms} ms after {step_ms}");
    }
    rig.after(Duration::from_secs(3_300));
    assert_eq!(rig.control.registrations().0, 1);
    rig.after(Duration::from_secs(300));
    assert_eq!(rig.control.registrations().0, 0);
}

#[test]
fn a_binding_restored_under_a_clock_far_behind_lasts_no_longer_than_any_registration() {
    let mut before = rig();
    assert_eq!(register(&mut before, &ALICE), 200);
    let mut after = rig();
    after.now.unix_ms -= 24 * 3_600_000;
    after.control.restore_bindings(after.now, before.bindings());
    assert_eq!(after.control.registrations().0, 1);
    after.after(Duration::from_secs(3_601));
    assert_eq!(after.control.registrations().0, 0);
}
