//! Phone numbers: the calls that carriers deliver to them, and the caller ids that calls may show.

use shared::Code;
use shared::config::{CallerIds, Trunk};
use store::CallStatus;

use super::rig::{ACCOUNT, Book, Invite, Rig};

const NUMBER: &str = "+15550123";

#[test]
fn a_number_answers_before_the_domain_of_its_carrier() {
    for target in ["tel:+15550123", "sip:15550123@carrier.example", "sip:+15550123@10.0.0.1"] {
        // Also where the trunk names no domain, or one that is gone.
        for domain in ["desk", "gone", ""] {
            let mut book = Book::with_credentials();
            book.add_number(NUMBER, Some("http://app.example/number"));
            let mut rig = Rig::with_settings(book, |s| s.trunks = vec![carrier(domain)]);
            assert_eq!(rig.invite(&Invite::to(target)), [100, 180], "{target}, `{domain}`");
            let (_, request) = rig.http.remove(0);
            assert_eq!(request.url.wire(None), "http://app.example/number");
            let form: Vec<_> = request.standard.iter().chain(request.extra.iter()).collect();
            assert!(form.contains(&("To", NUMBER)), "{target}: {form:?}");
            assert!(form.contains(&("AccountSid", &ACCOUNT.to_string())), "{form:?}");
            assert!(!form.iter().any(|(name, _)| name.starts_with("Sip")), "{form:?}");
        }
    }
}

#[test]
fn a_number_of_an_application_runs_it_and_says_so() {
    let mut book = Book::with_credentials();
    let application = book.add_number_of_application(NUMBER, "http://app.example/application");
    let mut rig = Rig::with_settings(book, |s| s.trunks = vec![carrier("desk")]);
    assert_eq!(rig.invite(&Invite::to("tel:+15550123")), [100, 180]);
    let (_, request) = rig.http.remove(0);
    assert_eq!(request.url.wire(None), "http://app.example/application");
    let form: Vec<_> = request.standard.iter().collect();
    assert!(form.contains(&("ApplicationSid", &application.to_string())), "{form:?}");
}

#[test]
fn what_no_number_answers_is_the_domains() {
    let mut book = Book::with_credentials();
    // Registered as a caller id alone.
    book.add_number(NUMBER, None);
    let mut rig = Rig::with_settings(book, |s| s.trunks = vec![carrier("desk")]);
    for target in ["tel:+15550123", "tel:+15550999"] {
        assert_eq!(rig.invite(&Invite::to(target)), [100, 180], "{target}");
        let (_, request) = rig.http.remove(0);
        assert_eq!(request.url.wire(None), "http://app.example/voice", "{target}");
    }
}

#[test]
fn only_a_carrier_delivers_numbers() {
    let mut book = Book::with_credentials();
    book.add_number(NUMBER, Some("http://app.example/number"));
    let mut rig = Rig::new(book);
    let named = Invite { target: "sip:+15550123@desk.sip.sidetone.test", ..Invite::default() };
    assert_eq!(rig.invite(&named), [407], "a phone has to authenticate");
    assert_eq!(rig.invite(&Invite::to("tel:+15550123")), [0; 0], "and a stranger gets silence");
}

#[test]
fn the_account_of_a_number_must_be_active() {
    let mut book = Book::with_credentials();
    book.add_number(NUMBER, Some("http://app.example/number"));
    book.change_account(|account| account.status = store::AccountStatus::Suspended);
    let mut rig = Rig::with_settings(book, |s| s.trunks = vec![carrier("")]);
    assert_eq!(rig.invite(&Invite::to("tel:+15550123")), [603]);
    assert_eq!(rig.notifications[0].error_code, Code::ACCOUNT_INACTIVE);
}

/// A call to a number, dialled by a carrier's call to [`NUMBER`] with this `<Dial>`: whether it goes out.
fn goes_out(caller_ids: CallerIds, registered: bool, dial: &str) -> bool {
    let mut book = Book::with_credentials();
    if registered {
        book.add_number("+15550777", None);
    }
    let mut rig = Rig::with_settings(book, |settings| {
        settings.caller_ids = caller_ids;
        let targets = vec!["sip:192.0.2.8".to_owned()];
        settings.trunks = vec![Trunk { targets, ..carrier("desk") }];
    });
    assert_eq!(rig.invite(&Invite::to("tel:+15550123")), [100, 180]);
    rig.answer_webhook(&format!("<Dial {dial}>+15550456</Dial>"));
    let code = rig.notifications.first().map(|told| told.error_code);
    if code.is_some() {
        assert_eq!(code, Some(Code::DIAL_FROM_NUMBER));
        let child = rig.records.iter().rfind(|record| record.to == "+15550456");
        assert_eq!(child.map(|record| record.status), Some(CallStatus::Failed));
        assert!(rig.resolves.is_empty(), "nobody is rung");
    }
    code.is_none() && !rig.resolves.is_empty()
}

#[test]
fn a_caller_id_is_a_number_of_the_account_or_a_party_of_the_call() {
    use CallerIds::{Any, Known, KnownOnceRegistered};
    let (foreign, own, party) =
        ("callerId=\"+15550999\"", "callerId=\"+15550777\"", "callerId=\"+15550123\"");
    for (setting, registered, dial, expected) in [
        (KnownOnceRegistered, false, foreign, true),
        (KnownOnceRegistered, true, foreign, false),
        (KnownOnceRegistered, true, own, true),
        (KnownOnceRegistered, true, party, true),
        // The caller of the carrier's call, whose number the new call shows by default.
        (KnownOnceRegistered, true, "", true),
        (Known, false, foreign, false),
        (Known, false, party, true),
        (Any, true, foreign, true),
    ] {
        assert_eq!(
            goes_out(setting, registered, dial),
            expected,
            "{setting:?} {registered} {dial}"
        );
    }
}

fn carrier(domain: &str) -> Trunk {
    let addresses = vec!["192.0.2.7/32".parse().unwrap()];
    Trunk { name: "carrier".to_owned(), addresses, domain: domain.to_owned(), ..Trunk::default() }
}
