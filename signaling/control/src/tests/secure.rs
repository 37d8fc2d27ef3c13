//! SRTP by domain, URI and setting (signaling/contract/sip.md 10), and that keys stay secret.

use shared::config::SrtpUse;
use shared::{Code, MediaCommand, SrtpKeys, SrtpSuite, Transport};

use super::rig::*;

/// 30 bytes of 0x41, of 0x42.
const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB";
const OTHER_KEY: &str = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJC";

fn protected(key: &str) -> Invite {
    let line = format!("a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:{key}|2^31\r\n");
    Invite { sdp: sdp("RTP/SAVP 0", &line), ..Invite::default() }
}

fn secure_book() -> Book {
    let mut book = Book::with_ip_list("192.0.2.7");
    book.change_domain(|domain| domain.secure = true);
    book
}

/// What the core was told last of the leg's keys.
fn keys(rig: &Rig) -> Option<SrtpKeys> {
    rig.media.iter().rev().find_map(|command| match command {
        MediaCommand::StartLeg { plan, .. } | MediaCommand::UpdateLeg { plan, .. } => {
            Some(plan.media.srtp)
        }
        _ => None,
    })?
}

fn code(rig: &Rig) -> String {
    let reason = header(rig.last_response(), "X-Twilio-Error").unwrap_or_default();
    reason.split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn a_secure_domain_takes_srtp_over_tls_and_nothing_else() {
    let mut rig = Rig::new(secure_book());
    assert_eq!(rig.invite(&protected(KEY)), [403], "over UDP");
    assert_eq!(code(&rig), "32209");
    rig.come_from(Transport::Tls, CALLER);
    assert_eq!(rig.invite(&Invite::default()), [100, 488], "in the clear");
    assert_eq!(code(&rig), "32208");
    assert_eq!(
        rig.notifications.last().map(|notification| notification.error_code),
        Some(Code::SRTP_REQUIRED)
    );
    assert_eq!(rig.invite(&protected(KEY)), [100, 180]);
    rig.answer_webhook("<Pause length=\"9\"/><Say>x</Say>");
}

#[test]
fn any_other_domain_refuses_srtp_unless_the_setting_takes_it() {
    for transport in [Transport::Udp, Transport::Tls] {
        let mut rig = Rig::new(Book::with_ip_list("192.0.2.7"));
        rig.come_from(transport, CALLER);
        assert_eq!(rig.invite(&protected(KEY)), [100, 488]);
        assert_eq!(code(&rig), "32207");
    }
    let mut rig = offered_rig();
    assert_eq!(rig.invite(&protected(KEY)), [100, 180]);
    assert_eq!(rig.invite(&Invite::default()), [100, 180]);
}

fn offered_rig() -> Rig {
    Rig::with_settings(Book::with_ip_list("192.0.2.7"), |settings| settings.srtp = SrtpUse::Offered)
}

#[test]
fn the_core_gets_the_keys_of_both_sides_and_nothing_that_is_kept_or_printed_has_them() {
    let mut rig = offered_rig();
    rig.invite(&protected(KEY));
    rig.answer_webhook("<Gather timeout=\"9\"/>");
    let told = keys(&rig).expect("a protected leg");
    assert_eq!(
        (told.receive.suite, told.receive.master.expose()),
        (SrtpSuite::AesCm128HmacSha1Tag32, &[0x41; 30])
    );
    let answer = String::from_utf8_lossy(&rig.last_response().body).into_owned();
    assert!(
        answer.contains("RTP/SAVP 0")
            && answer.contains("a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:")
    );
    let ours = answer.split("inline:").nth(1).unwrap().split_whitespace().next().unwrap();
    rig.ack_last(&protected(KEY));
    rig.bye_last(&protected(KEY));
    rig.let_go();
    let kept = format!("{:?} {:?} {:?} {:?}", rig.timelines, rig.records, rig.media, rig.faults);
    assert!(rig.timelines.iter().any(|text| text.contains("AES_CM_128_HMAC_SHA1_32")));
    for secret in [KEY, ours, "65, 65", "[65"] {
        assert!(!kept.contains(secret), "{secret}");
    }
}

#[test]
fn a_new_offer_brings_a_new_key_and_ours_stays() {
    let mut rig = offered_rig();
    rig.invite(&protected(KEY));
    rig.answer_webhook("<Gather timeout=\"9\"/>");
    rig.ack_last(&protected(KEY));
    let first = keys(&rig).expect("a protected leg");
    for (key, number) in [(KEY, 3), (OTHER_KEY, 4)] {
        rig.reinvite(&protected(key), number);
        let now = keys(&rig).expect("still protected");
        assert_eq!(now.send, first.send);
        assert_eq!(now.receive == first.receive, key == KEY);
    }
}
