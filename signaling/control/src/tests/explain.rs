//! `sidetone explain` says what the gateway then does.

use shared::Transport;
use sip::{Method, Uri};

use super::rig::{Book, DESK, Invite, PASSWORD, Rig};
use crate::ControlSettings;
use crate::explain::{Explanation, Outcome, Question, explain};

#[test]
fn every_verdict_is_that_of_the_gateway_itself() {
    type Make = fn() -> Book;
    let books: [(&str, Make); 5] = [
        ("nothing mapped", Book::new),
        ("credentials", Book::with_credentials),
        ("listed", || Book::with_ip_list("192.0.2.7")),
        ("not listed", || Book::with_ip_list("192.0.2.1")),
        ("no document", || {
            let mut book = Book::with_ip_list("192.0.2.7");
            book.change_domain(|domain| domain.voice_url = None);
            book
        }),
    ];
    for (name, book) in books {
        let told = ask(&book(), &question());
        let mut rig = Rig::new(book());
        let answered = rig.invite(&Invite::default()).last().copied();
        let explained = match &told.outcome {
            Outcome::Served(_) => Some(180),
            Outcome::Challenged { status } => Some(*status),
            Outcome::Refused { refusal, .. } => refusal.status,
        };
        assert_eq!(explained, answered, "{name}");
        if let Outcome::Refused { refusal, is_alerted, .. } = &told.outcome {
            assert_eq!(rig.refused, [refusal.rule], "{name}");
            assert_eq!(*is_alerted, !rig.notifications.is_empty(), "{name}");
            let notified = rig.notifications.first().map(|record| record.message.as_str());
            assert_eq!(notified, Some(&*refusal.sentence), "{name}: the same sentence");
        }
    }
}

#[test]
fn the_last_step_is_the_one_that_decides() {
    let mut asked = question();
    let book = Book::with_credentials();
    let last = |told: &Explanation| {
        let step = told.steps.last().unwrap();
        (step.name, step.passed)
    };
    assert_eq!(last(&ask(&book, &asked)), ("credentials", false));
    asked.user = Some("alice".to_owned());
    let told = ask(&book, &asked);
    assert!(matches!(told.outcome, Outcome::Served(_)), "{told:?}");
    assert_eq!(last(&told), ("document", true));
    asked.password = Some("wrong".to_owned());
    let told = ask(&book, &asked);
    assert_eq!((rule(&told), last(&told)), ("wrong_credentials", ("credentials", false)));
    asked.password = Some(PASSWORD.to_owned());
    assert!(matches!(ask(&book, &asked).outcome, Outcome::Served(_)));
    asked.user = Some("mallory".to_owned());
    assert_eq!(rule(&ask(&book, &asked)), "wrong_credentials");
    asked.target = Uri::parse("sip:1000@nowhere.example").unwrap();
    let told = ask(&book, &asked);
    assert_eq!((rule(&told), last(&told)), ("unknown_domain", ("domain", false)));
}

#[test]
fn a_register_is_explained_by_the_registrar_s_rules() {
    let mut asked = Question {
        method: Method::Register,
        target: Uri::parse("sip:alice@desk.sip.sidetone.test").unwrap(),
        ..question()
    };
    assert_eq!(rule(&ask(&Book::with_credentials(), &asked)), "registration_off");
    let book = Book::with_registrations();
    assert_eq!(ask(&book, &asked).outcome, Outcome::Challenged { status: 401 });
    asked.user = Some("alice".to_owned());
    assert!(matches!(ask(&book, &asked).outcome, Outcome::Served(_)));
    asked.target = Uri::parse("sip:bob@desk.sip.sidetone.test").unwrap();
    let told = ask(&book, &asked);
    assert_eq!((rule(&told), told.steps.last().unwrap().name), ("register_other_user", "user"));
}

fn rule(told: &Explanation) -> &'static str {
    match &told.outcome {
        Outcome::Refused { refusal, .. } => refusal.rule,
        other => panic!("{other:?}"),
    }
}

fn ask(book: &Book, question: &Question) -> Explanation {
    let config = shared::config::Config::from_layers(&shared::config::Layers::default()).unwrap();
    let origin = shared::ids::Origin { node: 0, generation: 0 };
    explain(&book.snapshot, &ControlSettings::new(&config, origin, ""), question)
}

fn question() -> Question {
    Question {
        method: Method::Invite,
        target: Uri::parse(DESK).unwrap(),
        source: "192.0.2.7:5060".parse().unwrap(),
        local: "198.51.100.1:5060".parse().unwrap(),
        transport: Transport::Udp,
        user: None,
        password: None,
    }
}
