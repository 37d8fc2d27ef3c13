//! Trunks: our registration at a carrier, and the carrier's calls.

use std::time::Duration;

use shared::config::Trunk;
use shared::{Code, LatchMode, MediaCommand, Transport};
use sip::message::Request;
use sip::{Message, Method};
use store::CallStatus;

use super::rig::{Book, CALLEE, CALLER, Invite, Rig};
use crate::{Input, Observation};

#[test]
fn a_trunk_registers_answers_the_challenge_and_refreshes_at_half_of_what_is_granted() {
    let mut rig = registering();
    rig.after(Duration::ZERO);
    rig.resolve();
    let first = last_register(&rig);
    assert_eq!(first.uri.to_string(), "sip:carrier.example");
    assert_eq!(first.to.uri.to_string(), "sip:gw@carrier.example");
    assert_eq!(header(&first, "Expires"), "600");
    rig.respond_to_last(
        401,
        "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"1\", qop=\"auth\", algorithm=SHA-256",
    );
    let second = last_register(&rig);
    assert!(header(&second, "Authorization").contains("algorithm=SHA-256"), "{second:?}");
    let contact = second.contact.first().expect("ours").to_string();
    assert_eq!(rig.control.trunk_registrations(), (1, 0));
    rig.respond_to_last(
        200,
        &format!("Contact: {};expires=300", contact.split(";expires").next().unwrap()),
    );
    assert_eq!(rig.control.trunk_registrations(), (1, 1));
    let sent = registers(&rig);
    rig.after(Duration::from_secs(149));
    assert_eq!(registers(&rig), sent);
    rig.after(Duration::from_secs(2));
    rig.resolve();
    let third = last_register(&rig);
    assert_eq!(registers(&rig), sent + 1);
    assert_eq!(third.call_id, first.call_id, "RFC 3261 section 10.2.4");
    assert!(third.cseq.number > second.cseq.number);
}

#[test]
fn a_registrar_that_refuses_is_tried_at_growing_intervals_and_the_failure_is_reported() {
    let mut rig = registering();
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let before = rig.now;
        while rig.resolves.is_empty() {
            rig.after(Duration::from_millis(500));
        }
        pauses.push(rig.now.mono.since(before.mono).as_secs());
        rig.resolve();
        rig.respond_to_last(503, "");
    }
    assert!(pauses[1] >= 4 && pauses[2] >= 9 && pauses[3] >= 19, "{pauses:?}");
    let told = rig.effects.iter().filter(|effect| {
        matches!(effect, crate::Effect::Observe(Observation::Registration { is_bound: false, .. }))
    });
    assert_eq!(told.count(), 4);
}

#[test]
fn a_registrar_that_demands_a_longer_time_gets_it_and_a_drain_unregisters() {
    let mut rig = registering();
    rig.after(Duration::ZERO);
    rig.resolve();
    rig.respond_to_last(423, "Min-Expires: 1800");
    rig.after(Duration::ZERO);
    rig.resolve();
    assert_eq!(header(&last_register(&rig), "Expires"), "1800");
    rig.respond_to_last(200, "Expires: 1800");
    rig.tell(Input::Drain);
    assert_eq!(header(&last_register(&rig), "Expires"), "0");
    assert_eq!(rig.control.trunk_registrations(), (1, 0));
}

#[test]
fn changed_trunks_unregister_what_they_no_longer_have_and_keep_the_rest() {
    let mut rig = registered();
    let kept = last_register(&rig);
    let sent = registers(&rig);
    // Neither a new trunk in front nor another order of targets is a reason to register again.
    let other = Trunk { username: "other".to_owned(), ..trunk() };
    let moved = Trunk { targets: vec!["sip:new.example".to_owned()], ..trunk() };
    change_trunks(&mut rig, vec![other.clone(), moved]);
    assert_eq!((registers(&rig), rig.control.trunk_registrations()), (sent, (2, 1)));
    rig.after(Duration::ZERO);
    rig.resolve();
    assert_eq!(last_register(&rig).to.uri.to_string(), "sip:other@carrier.example");
    assert_eq!(header(&last_register(&rig), "Expires"), "600");
    rig.respond_to_last(200, "Expires: 600");
    assert_eq!(rig.control.trunk_registrations(), (2, 2));
    // The first trunk goes: its carrier must send no more calls here.
    change_trunks(&mut rig, vec![other]);
    let removal = last_register(&rig);
    assert_eq!(removal.to.uri.to_string(), "sip:gw@carrier.example");
    assert_eq!(header(&removal, "Expires"), "0");
    assert_eq!(removal.contact.first().and_then(sip::NameAddr::expires), Some(0));
    assert_eq!(removal.call_id, kept.call_id, "RFC 3261 section 10.2.4");
    rig.respond_to_last(200, "");
    assert_eq!(rig.control.trunk_registrations(), (1, 1));
    assert_eq!(registers(&rig), sent + 2);
}

#[test]
fn the_response_to_a_removal_is_not_taken_for_that_of_a_new_trunk() {
    let mut rig = registered();
    let there = Trunk { register: "sip:new.example".to_owned(), ..trunk() };
    change_trunks(&mut rig, vec![there]);
    assert_eq!(header(&last_register(&rig), "Expires"), "0");
    let removal = rig.sent.len();
    rig.after(Duration::ZERO);
    rig.resolve();
    assert_eq!(last_register(&rig).uri.to_string(), "sip:new.example");
    rig.sent.truncate(removal);
    rig.respond_to_last(200, "");
    assert_eq!(rig.control.trunk_registrations(), (1, 0), "the old carrier answered");
}

#[test]
fn a_changed_password_registers_at_once_and_a_drain_ends_every_registration() {
    let mut rig = registered();
    let sent = registers(&rig);
    change_trunks(&mut rig, vec![Trunk { password: "new".to_owned(), ..trunk() }]);
    rig.after(Duration::ZERO);
    assert_eq!(rig.control.trunk_registrations(), (1, 1), "the binding holds meanwhile");
    // The drain begins while the registrar is looked up: its address is no reason to register.
    rig.tell(Input::Drain);
    assert_eq!(header(&last_register(&rig), "Expires"), "0");
    rig.respond_to_last(200, "");
    rig.resolve();
    change_trunks(&mut rig, vec![trunk(), Trunk { username: "late".to_owned(), ..trunk() }]);
    rig.after(Duration::from_secs(1));
    assert!(rig.resolves.is_empty());
    assert_eq!((registers(&rig), rig.control.trunk_registrations()), (sent + 1, (2, 0)));
}

#[test]
fn a_binding_that_the_carrier_may_have_made_already_is_removed_by_a_drain() {
    let mut rig = registering();
    rig.after(Duration::ZERO);
    rig.resolve();
    assert_eq!(header(&last_register(&rig), "Expires"), "600");
    rig.tell(Input::Drain);
    assert_eq!((registers(&rig), header(&last_register(&rig), "Expires")), (2, "0".to_owned()));
}

#[test]
fn the_password_answers_the_realm_of_the_trunk_alone() {
    let mut rig = Rig::with_settings(book(), |settings| {
        settings.trunks = vec![Trunk { realm: "carrier".to_owned(), ..trunk() }];
    });
    rig.after(Duration::ZERO);
    rig.resolve();
    let sent = registers(&rig);
    rig.respond_to_last(401, "WWW-Authenticate: Digest realm=\"elsewhere\", nonce=\"1\"");
    assert_eq!(registers(&rig), sent, "nothing is answered");
}

#[test]
fn a_call_from_the_registrar_reaches_the_trunk_s_domain_as_a_number_without_its_headers() {
    let mut rig = registering();
    let invite = Invite {
        target: "sip:gw@198.51.100.1",
        headers: "X-Secret: 1\r\nP-Asserted-Identity: <sip:+15550100@carrier.example>\r\n"
            .to_owned(),
        ..Invite::default()
    };
    rig.come_from(Transport::Udp, CALLEE);
    assert!(rig.invite(&invite).is_empty(), "not before it has us");
    rig.after(Duration::from_secs(1));
    rig.resolve();
    rig.respond_to_last(200, "Expires: 600");
    assert_eq!(rig.invite(&invite), [100, 180]);
    let (_, request) = rig.http.remove(0);
    let form: Vec<(&str, &str)> = request.standard.iter().chain(request.extra.iter()).collect();
    assert!(form.contains(&("From", "+15550100")), "{form:?}");
    assert!(!form.iter().any(|(name, _)| name.starts_with("SipHeader_")), "{form:?}");
    assert_eq!(rig.records.last().unwrap().status, CallStatus::Ringing);
    rig.come_from(Transport::Udp, CALLER);
    assert!(rig.invite(&invite).is_empty(), "another source is unauthenticated");
}

#[test]
fn a_listed_address_of_a_trunk_needs_no_registration() {
    let mut rig = Rig::with_settings(Book::with_credentials(), |settings| {
        let addresses = vec!["192.0.2.7/32".parse().unwrap()];
        let domain = "desk.sip.sidetone.test".to_owned();
        settings.trunks = vec![Trunk { addresses, domain, ..Trunk::default() }];
    });
    let named = Invite { target: "sip:+15550199@desk.sip.sidetone.test", ..Invite::default() };
    assert_eq!(rig.invite(&Invite::to("sip:+15550199@198.51.100.1")), [100, 180]);
    assert_eq!(rig.invite(&named), [100, 180]);
    assert_eq!(rig.invite(&Invite::to("sip:1@other.sip.sidetone.test")), [100, 180]);
    rig.come_from(Transport::Udp, CALLEE);
    assert_eq!(rig.invite(&named), [407], "others need the password as ever");
}

/// The carrier's own words for us, one after the other.
#[test]
fn a_carrier_is_known_by_its_source_whatever_its_request_uri_names() {
    for target in [
        "tel:+15550123",
        "sip:+15550123@carrier.example",
        "sip:+15550123@203.0.113.99",
        "sip:+15550123@10.0.0.1",
        "sips:+15550123@198.51.100.1",
        "sip:+15550123@nobody.sip.sidetone.test",
    ] {
        for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
            let mut rig = of_carrier("desk");
            rig.come_from(transport, CALLER);
            assert_eq!(rig.invite(&Invite::to(target)), [100, 180], "{target} by {transport:?}");
            let (_, request) = rig.http.remove(0);
            let form: Vec<_> = request.standard.iter().chain(request.extra.iter()).collect();
            assert!(form.contains(&("To", "+15550123")), "{form:?}");
            assert!(form.contains(&("SipDomain", "desk.sip.sidetone.test")), "{form:?}");
            assert!(rig.notifications.is_empty() && rig.refused.is_empty());
        }
    }
    let mut rig = of_carrier("desk");
    rig.come_from(Transport::Udp, CALLEE);
    assert_eq!(rig.invite(&Invite::to("tel:+15550123")), [0; 0], "another source");
    let options = |target| Invite { method: "OPTIONS", sdp: String::new(), ..Invite::to(target) };
    assert_eq!(rig.invite(&options("sip:carrier.example")), [0; 0]);
    rig.come_from(Transport::Udp, CALLER);
    assert_eq!(rig.invite(&options("sip:carrier.example")), [200]);
}

#[test]
fn a_carrier_always_gets_a_response_and_the_account_is_notified_of_a_refusal() {
    for domain in ["", "gone"] {
        let mut rig = of_carrier(domain);
        assert_eq!(rig.invite(&Invite::to("tel:+15550123")), [404], "`{domain}`");
        assert_eq!(rig.refused, ["carrier_without_domain"]);
        let told = &rig.notifications[0];
        assert_eq!(
            (told.error_code, told.account),
            (Code::DIALLED_DOMAIN_UNKNOWN, super::rig::ACCOUNT)
        );
        assert!(told.message.contains("carrier"), "{}", told.message);
        let reason = super::rig::header(rig.last_response(), "X-Twilio-Error").unwrap();
        assert!(reason.starts_with("32002 "), "{reason}");
    }
    // A domain with its own rules: the carrier is not in its list, and hears so.
    let mut rig = Rig::with_settings(Book::with_ip_list("203.0.113.1"), |settings| {
        settings.trunks = vec![carrier("gone")];
    });
    assert_eq!(rig.invite(&Invite::default()), [403]);
    assert_eq!(rig.notifications[0].error_code, Code::SIP_SOURCE_NOT_LISTED);
}

#[test]
fn a_flood_of_calls_of_a_carrier_is_not_rate_limited() {
    let mut rig = of_carrier("gone");
    for call in 0..500 {
        assert_eq!(rig.invite(&Invite::to("tel:+15550123")), [404], "call {call}");
    }
    assert_eq!(rig.dropped, 0);
}

fn of_carrier(domain: &str) -> Rig {
    Rig::with_settings(book(), |settings| settings.trunks = vec![carrier(domain)])
}

fn carrier(domain: &str) -> Trunk {
    let addresses = vec!["192.0.2.7/32".parse().unwrap()];
    Trunk { name: "carrier".to_owned(), addresses, domain: domain.to_owned(), ..Trunk::default() }
}

#[test]
fn media_of_a_trunks_calls_is_taken_as_its_own_latch_says() {
    for (own, expected) in [(Some(LatchMode::Any), LatchMode::Any), (None, LatchMode::Peer)] {
        let mut rig = Rig::with_settings(Book::with_credentials(), |settings| {
            let addresses = vec!["192.0.2.7/32".parse().unwrap()];
            let domain = "desk.sip.sidetone.test".to_owned();
            settings.trunks = vec![Trunk { addresses, domain, latch: own, ..Trunk::default() }];
        });
        let named = Invite { target: "sip:+15550199@desk.sip.sidetone.test", ..Invite::default() };
        assert_eq!(rig.invite(&named), [100, 180]);
        rig.answer_webhook("<Say>Hello.</Say>");
        let latch = rig.media.iter().find_map(|command| match command {
            MediaCommand::StartLeg { plan, .. } => Some(plan.latch),
            _ => None,
        });
        assert_eq!(latch, Some(expected));
    }
}

#[test]
fn media_of_a_domains_callers_is_taken_as_its_own_latch_says_but_not_a_trunks() {
    let started = |rig: &Rig| {
        rig.media.iter().find_map(|command| match command {
            MediaCommand::StartLeg { plan, .. } => Some(plan.latch),
            _ => None,
        })
    };
    for (name, is_trunk, expected) in [
        ("desk", false, LatchMode::Any),
        ("other", false, LatchMode::Peer),
        ("desk", true, LatchMode::Peer),
    ] {
        let mut rig = Rig::with_settings(Book::with_ip_list("192.0.2.7"), |settings| {
            settings.domain_latches.insert(name.to_owned(), LatchMode::Any);
            let addresses = vec!["192.0.2.7/32".parse().unwrap()];
            let domain = "desk.sip.sidetone.test".to_owned();
            settings.trunks = match is_trunk {
                true => vec![Trunk { addresses, domain, ..Trunk::default() }],
                false => Vec::new(),
            };
        });
        let named = Invite { target: "sip:+15550199@desk.sip.sidetone.test", ..Invite::default() };
        assert_eq!(rig.invite(&named), [100, 180]);
        rig.answer_webhook("<Say>Hello.</Say>");
        assert_eq!(started(&rig), Some(expected), "{name} {is_trunk}");
    }
}

fn change_trunks(rig: &mut Rig, trunks: Vec<Trunk>) {
    let settings = crate::ControlSettings { trunks, ..rig.control.settings.clone() };
    rig.tell(Input::Settings(Box::new(settings)));
}

/// The carrier holds our binding for 600 s.
fn registered() -> Rig {
    let mut rig = registering();
    rig.after(Duration::ZERO);
    rig.resolve();
    rig.respond_to_last(200, "Expires: 600");
    assert_eq!(rig.control.trunk_registrations(), (1, 1));
    rig
}

fn registering() -> Rig {
    Rig::with_settings(book(), |settings| settings.trunks = vec![trunk()])
}

fn book() -> Book {
    Book::with_credentials()
}

fn trunk() -> Trunk {
    Trunk {
        name: "carrier".to_owned(),
        username: "gw".to_owned(),
        password: "secret".to_owned(),
        register: "sip:carrier.example".to_owned(),
        register_s: 600,
        domain: "desk".to_owned(),
        ..Trunk::default()
    }
}

fn registers(rig: &Rig) -> usize {
    rig.requests().iter().filter(|method| *method == "REGISTER").count()
}

fn last_register(rig: &Rig) -> Request {
    let found = rig.sent.iter().rev().find_map(|(_, message)| match message {
        Message::Request(request) if request.method == Method::Register => Some(request.clone()),
        _ => None,
    });
    found.expect("a REGISTER")
}

fn header(request: &Request, name: &str) -> String {
    request.headers.get(name).map(|value| value.to_lossy().into_owned()).unwrap_or_default()
}
