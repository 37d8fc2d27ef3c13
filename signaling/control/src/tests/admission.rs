//! Who may call: every rule, from the datagram to the answer.

use std::time::Duration;

use shared::limits::{
    DIGEST_FAILURES_A_MINUTE_MAX, UNAUTHENTICATED_BURST, UNAUTHENTICATED_CHALLENGED,
};
use shared::{Code, Transport};
use store::AccountStatus;

use super::rig::{Book, CALLER, Invite, OTHER_PASSWORD, PASSWORD, Rig, header, sdp};

const RINGING: [u16; 2] = [100, 180];
const SILENCE: [u16; 0] = [];

#[test]
fn a_host_that_is_not_a_domain_is_met_with_silence_or_403() {
    let invite = Invite::to("sip:1000@other.sip.sidetone.test");
    let mut rig = Rig::new(Book::with_credentials());
    assert_eq!(rig.invite(&invite), SILENCE);
    assert_eq!(rig.refused, ["unknown_domain"]);
    let mut rig = Rig::with_settings(Book::with_credentials(), |s| s.answer_unauthenticated = true);
    assert_eq!(rig.invite(&invite), [403]);
    assert!(rig.notifications.is_empty(), "it is nobody's");
}

#[test]
fn tls_to_a_bare_address_is_403_without_a_notification() {
    let settings = |s: &mut crate::ControlSettings| s.default_domain = Some("desk".to_owned());
    let mut rig = Rig::with_settings(Book::with_credentials(), settings);
    rig.come_from(Transport::Tls, CALLER);
    assert_eq!(rig.invite(&Invite::to("sip:1000@198.51.100.1")), [403]);
    assert!(rig.notifications.is_empty());
}

#[test]
fn our_own_address_is_the_default_domain_where_there_is_one() {
    let invite = Invite::to("sip:1000@198.51.100.1");
    let mut rig = Rig::new(Book::with_credentials());
    assert_eq!(rig.invite(&invite), SILENCE);
    let settings = |s: &mut crate::ControlSettings| s.default_domain = Some("desk".to_owned());
    let mut rig = Rig::with_settings(Book::with_credentials(), settings);
    assert_eq!(rig.invite(&invite), [407]);
}

#[test]
fn a_webhook_names_the_domain_as_the_caller_did_or_by_its_name() {
    let settings = |s: &mut crate::ControlSettings| s.default_domain = Some("desk".to_owned());
    for (target, expected) in [
        ("sip:1000@desk.sip.sidetone.test", "desk.sip.sidetone.test"),
        ("sip:1000@desk.sip.frankfurt.sidetone.test", "desk.sip.frankfurt.sidetone.test"),
        ("sip:1000@198.51.100.1", "desk.sip.sidetone.test"),
    ] {
        let mut rig = Rig::with_settings(Book::with_ip_list("192.0.2.7"), settings);
        assert_eq!(rig.invite(&Invite::to(target)), RINGING, "{target}");
        let (_, request) = rig.http.remove(0);
        assert_eq!(request.standard.value("SipDomain"), Some(expected), "{target}");
    }
}

#[test]
fn a_closed_account_declines_and_an_edge_label_does_not_matter() {
    let mut book = Book::with_credentials();
    book.change_account(|account| account.status = AccountStatus::Suspended);
    let mut rig = Rig::new(book);
    assert_eq!(rig.invite(&Invite::to("sip:1000@desk.sip.frankfurt.sidetone.test")), [603]);
    assert_eq!(rig.notifications[0].error_code, Code::ACCOUNT_INACTIVE);
}

#[test]
fn a_domain_without_authentication_refuses_every_call() {
    let mut rig = Rig::new(Book::new());
    assert_eq!(rig.invite(&Invite::default()), [403]);
    assert_eq!(rig.notifications[0].error_code, Code::SIP_NO_PERMISSION);
    assert_eq!(
        header(rig.last_response(), "X-Twilio-Error"),
        None,
        "an unauthenticated peer reads no reason"
    );
}

#[test]
fn a_source_outside_of_the_ip_list_is_met_with_silence_or_403() {
    let mut rig = Rig::new(Book::with_ip_list("203.0.113.1"));
    assert_eq!(rig.invite(&Invite::default()), SILENCE);
    assert_eq!(rig.notifications[0].error_code, Code::SIP_SOURCE_NOT_LISTED);
    let book = Book::with_ip_list("203.0.113.1");
    let mut rig = Rig::with_settings(book, |s| s.answer_unauthenticated = true);
    assert_eq!(rig.invite(&Invite::default()), [403]);
    assert_eq!(header(rig.last_response(), "X-Twilio-Error"), None);
}

#[test]
fn a_source_in_the_ip_list_needs_no_password_and_headers_prove_no_address() {
    let mut rig = Rig::new(Book::with_ip_list("192.0.2.7"));
    assert_eq!(rig.invite(&Invite::default()), RINGING);
    rig.come_from(Transport::Udp, "203.0.113.5:5060");
    assert_eq!(rig.invite(&Invite::header("X-Forwarded-For: 192.0.2.7")), SILENCE);
}

#[test]
fn the_right_password_rings_and_the_wrong_one_is_403_like_an_unknown_user() {
    let mut rig = Rig::new(Book::with_credentials());
    assert_eq!(rig.invite_as(&Invite::default(), "alice", PASSWORD), RINGING);
    let mut phrases = Vec::new();
    for user in ["alice", "nobody"] {
        let mut rig = Rig::new(Book::with_credentials());
        assert_eq!(rig.invite_as(&Invite::default(), user, "Wrong-Passw0rd"), [403]);
        assert_eq!(rig.notifications[0].error_code, Code::SIP_BAD_CREDENTIALS);
        assert_eq!(header(rig.last_response(), "X-Twilio-Error"), None);
        phrases.push(rig.last_response().reason.to_string());
    }
    assert_eq!(phrases[0], phrases[1]);
}

#[test]
fn an_old_nonce_with_the_right_password_is_challenged_as_stale() {
    let mut rig = Rig::new(Book::with_credentials());
    let invite = Invite::default();
    assert_eq!(rig.invite(&invite), [407]);
    let answer = rig.authorization(&invite, "alice", PASSWORD);
    rig.after(Duration::from_secs(400));
    assert_eq!(rig.send_invite(&invite, 1, 2, &answer), [407]);
    let challenge = header(rig.last_response(), "Proxy-Authenticate").unwrap();
    assert!(challenge.contains("stale=true"), "{challenge}");
}

#[test]
fn credentials_that_cannot_be_read_are_400() {
    let mut rig = Rig::new(Book::with_credentials());
    let broken = "Proxy-Authorization: Digest realm=\"sip.sidetone.test\", username=\"alice\"";
    assert_eq!(rig.invite(&Invite::header(broken)), [400]);
}

#[test]
fn two_lists_may_have_one_user_with_two_passwords() {
    let mut book = Book::with_credentials();
    book.map_credentials("desk-two", OTHER_PASSWORD);
    let mut rig = Rig::new(book);
    assert_eq!(rig.invite_as(&Invite::default(), "alice", PASSWORD), RINGING);
    assert_eq!(rig.invite_as(&Invite::default(), "alice", OTHER_PASSWORD), RINGING);
    assert_eq!(rig.invite_as(&Invite::default(), "alice", "Third-Passw0rd"), [403]);
}

#[test]
fn with_both_lists_both_must_pass_and_the_address_is_first() {
    let book = || {
        let mut book = Book::with_credentials();
        book.map_address("192.0.2.7");
        book
    };
    let mut rig = Rig::new(book());
    assert_eq!(rig.invite_as(&Invite::default(), "alice", PASSWORD), RINGING);
    let mut rig = Rig::new(book());
    assert_eq!(rig.invite_as(&Invite::default(), "alice", "Wrong-Passw0rd"), [403]);
    let reason = header(rig.last_response(), "X-Twilio-Error").unwrap();
    assert!(reason.starts_with("32202 "), "a listed source may know: {reason}");
    let mut rig = Rig::new(book());
    rig.come_from(Transport::Udp, "203.0.113.5:5060");
    assert_eq!(rig.invite(&Invite::default()), SILENCE, "not even a challenge");
}

#[test]
fn a_secure_domain_tells_an_authenticated_caller_what_it_needs() {
    let mut book = Book::with_credentials();
    book.change_domain(|domain| domain.secure = true);
    let mut rig = Rig::new(book);
    assert_eq!(rig.invite_as(&Invite::default(), "alice", PASSWORD), [403]);
    let reason = header(rig.last_response(), "X-Twilio-Error").unwrap();
    assert!(reason.starts_with("32209 "), "{reason}");
    assert!(header(rig.last_response(), "Warning").is_some());
}

#[test]
fn objections_come_after_silence_and_before_everything_that_is_answered() {
    let cases = [
        (Invite::header("Require: 100rel, gizmo"), 420),
        (Invite { hops: 0, ..Invite::default() }, 483),
        (Invite::header("Content-Encoding: gzip"), 415),
        (Invite { method: "SUBSCRIBE", ..Invite::default() }, 405),
        (Invite { method: "GIZMO", ..Invite::default() }, 501),
    ];
    for (invite, status) in cases {
        let mut rig = Rig::new(Book::with_credentials());
        assert_eq!(
            rig.invite(&invite),
            [status],
            "{status} for an unauthenticated source at a known domain"
        );
        assert_eq!(header(rig.last_response(), "X-Twilio-Error"), None);
        let elsewhere = Invite { target: "sip:1000@other.sip.sidetone.test", ..invite.clone() };
        assert_eq!(rig.invite(&elsewhere), SILENCE, "{status} is not told to who knows no domain");
        if invite.method == "INVITE" {
            let mut rig = Rig::new(Book::with_ip_list("203.0.113.1"));
            assert_eq!(rig.invite(&invite), SILENCE, "{status} is not told past an IP list");
        }
    }
}

#[test]
fn headers_of_an_objection_leave_with_it_and_a_listed_source_reads_the_reason() {
    let mut rig = Rig::new(Book::with_ip_list("192.0.2.7"));
    assert_eq!(rig.invite(&Invite::header("Require: 100rel, gizmo")), [420]);
    assert_eq!(header(rig.last_response(), "Unsupported").unwrap(), "100rel, gizmo");
    assert_eq!(rig.invite(&Invite { hops: 0, ..Invite::default() }), [483]);
    let reason = header(rig.last_response(), "X-Twilio-Error").unwrap();
    assert!(reason.starts_with("32006 "), "{reason}");
    assert_eq!(rig.notifications[0].error_code, Code::MAX_FORWARDS);
}

#[test]
fn options_to_a_domain_is_answered_to_every_source_only_without_ip_lists() {
    let options = Invite { method: "OPTIONS", sdp: String::new(), ..Invite::default() };
    let mut rig = Rig::new(Book::with_credentials());
    assert_eq!(rig.invite(&options), [200]);
    assert!(header(rig.last_response(), "Allow").unwrap().contains("INVITE"));
    let elsewhere = Invite { target: "sip:198.51.100.1", ..options.clone() };
    assert_eq!(rig.invite(&elsewhere), SILENCE);
    let picky = Invite { headers: "Require: gizmo\r\n".to_owned(), ..options };
    assert_eq!(rig.invite(&picky), [420]);
}

#[test]
fn a_domain_with_ip_lists_ignores_every_request_of_another_source() {
    let asked = |method| Invite { method, sdp: String::new(), ..Invite::default() };
    let methods =
        ["OPTIONS", "MESSAGE", "SUBSCRIBE", "GIZMO", "REGISTER", "BYE", "CANCEL", "INVITE"];
    let book = |address: &str| {
        let mut book = Book::with_registrations();
        book.map_address(address);
        book
    };
    for (method, listed) in methods.into_iter().zip([200, 405, 405, 501, 401, 481, 481, 407]) {
        let mut rig = Rig::new(book("203.0.113.1"));
        assert_eq!(rig.invite(&asked(method)), SILENCE, "{method}");
        assert_eq!(rig.refused, ["source_not_listed"], "{method}");
        assert_eq!(rig.notifications[0].error_code, Code::SIP_SOURCE_NOT_LISTED, "{method}");
        let edge = Invite { target: "sip:1@desk.sip.frankfurt.sidetone.test", ..asked(method) };
        assert_eq!(rig.invite(&edge), SILENCE, "{method}: by the name of an edge");
        let mut rig = Rig::with_settings(book("203.0.113.1"), |s| s.answer_unauthenticated = true);
        assert_eq!(rig.invite(&asked(method)), [403], "{method}: by the setting");
        let mut rig = Rig::new(book("192.0.2.7"));
        assert_eq!(rig.invite(&asked(method)), [listed], "{method}: a listed source");
    }
}

#[test]
fn a_stray_request_to_our_address_is_answered_for_a_dialog_names_our_contact() {
    let bye = Invite { method: "BYE", ..Invite::to("sip:1000@198.51.100.1") };
    let mut rig = Rig::new(Book::with_ip_list("203.0.113.1"));
    assert_eq!(rig.invite(&bye), [481]);
}

#[test]
fn register_says_that_registration_is_off_to_a_known_domain_only() {
    let register = Invite { method: "REGISTER", sdp: String::new(), ..Invite::default() };
    let mut rig = Rig::new(Book::with_credentials());
    assert_eq!(rig.invite(&register), [403]);
    assert_eq!(rig.refused, ["registration_off"]);
    let elsewhere = Invite { target: "sip:example.org", ..register };
    assert_eq!(rig.invite(&elsewhere), SILENCE);
}

#[test]
fn a_pair_of_user_and_source_that_guesses_is_not_answered_any_more() {
    let mut rig = Rig::new(Book::with_credentials());
    for _ in 0..DIGEST_FAILURES_A_MINUTE_MAX {
        assert_eq!(rig.invite_as(&Invite::default(), "alice", "Wrong-Passw0rd"), [403]);
    }
    assert_eq!(rig.invite_as(&Invite::default(), "alice", PASSWORD), SILENCE);
    assert_eq!(rig.refused.last(), Some(&"digest_locked_out"));
    rig.come_from(Transport::Udp, "192.0.2.8:5060");
    assert_eq!(rig.invite_as(&Invite::default(), "alice", PASSWORD), RINGING);
}

#[test]
fn an_unauthenticated_flood_is_dropped_for_ten_seconds_and_counted() {
    let mut rig = Rig::new(Book::with_credentials());
    let answered = (0..400).filter(|_| !rig.invite(&Invite::default()).is_empty()).count();
    assert_eq!(answered as u64, UNAUTHENTICATED_BURST + UNAUTHENTICATED_CHALLENGED);
    assert_eq!(rig.refused, ["stranger_rate"], "reported once");
    assert_eq!(
        rig.dropped as u64,
        99 + UNAUTHENTICATED_CHALLENGED,
        "all but the first are counted"
    );
    rig.after(Duration::from_secs(10));
    assert_eq!(rig.invite(&Invite::default()), [407]);
}

#[test]
fn a_hundred_calls_per_second_of_one_authenticated_address_are_all_answered() {
    let mut rig = Rig::with_settings(Book::with_credentials(), |s| s.calls_max = 1);
    for call in 0..500 {
        let statuses = rig.invite_as(&Invite::default(), "alice", PASSWORD);
        let expected: &[u16] = if call == 0 { &RINGING } else { &[503] };
        assert_eq!(statuses, expected, "call {call}");
        rig.after(Duration::from_millis(10));
    }
    assert_eq!(rig.dropped, 0);
}

#[test]
fn an_offer_that_cannot_be_answered_is_refused_before_it_rings() {
    let at = |address: &str, port: u16| {
        let sdp =
            sdp("RTP/AVP 0", "").replace("c=IN IP4 192.0.2.7", &format!("c=IN IP4 {address}"));
        sdp.replace("m=audio 4000", &format!("m=audio {port}"))
    };
    let cases = [
        ("no codec in common", sdp("RTP/AVP 18 3", ""), 488),
        ("SRTP", sdp("RTP/SAVP 0", ""), 488),
        ("broken", "v=0\r\nnonsense".to_owned(), 400),
        ("loopback of another machine", at("127.0.0.1", 4_000), 488),
        ("our own media port", at("192.0.2.1", 10_002), 488),
    ];
    let mut own = shared::OwnSockets::new([]);
    own.add([192, 0, 2, 1].into(), 10_000..=10_015);
    let own = std::sync::Arc::new(own);
    for (what, sdp, status) in cases {
        let settings = |settings: &mut crate::ControlSettings| settings.own = own.clone();
        let mut rig = Rig::with_settings(Book::with_credentials(), settings);
        let invite = Invite { sdp, ..Invite::default() };
        assert_eq!(rig.invite_as(&invite, "alice", PASSWORD), [100, status], "{what}");
        assert!(rig.http.is_empty(), "{what}: the application is not asked");
        assert!(header(rig.last_response(), "Warning").is_some(), "{what}");
        let record = rig.records.last().expect("a record of it");
        assert_eq!(record.status, store::CallStatus::Failed, "{what}");
        assert_eq!((rig.control.calls_live(), rig.control.legs_free()), (0, 8), "{what}");
    }
}

#[test]
fn a_copy_of_a_refused_call_makes_no_second_record() {
    let mut rig = Rig::new(Book::with_ip_list("192.0.2.7"));
    let invite = Invite { sdp: sdp("RTP/AVP 18", ""), ..Invite::default() };
    assert_eq!(rig.send_invite(&invite, 1, 1, ""), [100, 488]);
    assert_eq!(rig.send_invite(&invite, 1, 1, ""), [488]);
    assert_eq!(rig.records.len(), 1);
}

#[test]
fn a_domain_without_voice_url_answers_404_and_says_so() {
    let mut book = Book::with_ip_list("192.0.2.7");
    book.change_domain(|domain| domain.voice_url = None);
    let mut rig = Rig::new(book);
    assert_eq!(rig.invite(&Invite::default()), [100, 404]);
    assert_eq!(rig.notifications[0].error_code, Code::URL_INVALID);
    assert_eq!(rig.notifications[0].call, Some(rig.records[0].sid));
    let sentence = &rig.notifications[0].message;
    assert!(rig.timelines[0].contains(sentence.as_str()), "{:?}", rig.timelines);
}
