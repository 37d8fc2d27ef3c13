//! The way of a write from check to answer.

use super::{Book, MAIN, domain};
use crate::{Conflict, DomainParameters, Outcome, Patch, Settled, Submitted, Write, Writes};

#[test]
fn a_write_is_answered_after_its_commit_and_applied_once() {
    let mut book = Book::new();
    let mut writes = Writes::default();
    let mint = book.mint();
    let Submitted::Commit { id, .. } =
        writes.submit(&book.snapshot, MAIN, domain("plant7"), mint, "token")
    else {
        panic!("refused")
    };
    assert!(book.snapshot.domain_by_labels("plant7").is_none());
    let settled = writes.settle(&mut book.snapshot, id, Outcome::Committed);
    assert!(matches!(settled, Settled::Answer("token", answer) if answer.is_ok()));
    assert!(book.snapshot.domain_by_labels("plant7").is_some());
    assert_eq!(writes.settle(&mut book.snapshot, id, Outcome::Committed), Settled::Unknown);
}

#[test]
fn a_stale_write_is_planned_again_on_what_came_first() {
    let mut book = Book::new();
    let sid = book.domain(MAIN, "plant7.sip.twilio.com");
    let update = |given: DomainParameters| Write::update(sid.0, given);
    let name =
        DomainParameters { friendly_name: Patch::Set("new".to_owned()), ..Default::default() };
    let secure = DomainParameters { secure: Patch::Set(true), ..Default::default() };
    let mut writes = Writes::default();
    let (one, two) = (book.mint(), book.mint());
    let Submitted::Commit { id: first, .. } =
        writes.submit(&book.snapshot, MAIN, update(name), one, 1)
    else {
        panic!("refused")
    };
    let Submitted::Commit { id: second, .. } =
        writes.submit(&book.snapshot, MAIN, update(secure), two, 2)
    else {
        panic!("refused")
    };
    writes.settle(&mut book.snapshot, first, Outcome::Committed);
    let stale = Outcome::Conflict(Conflict::Stale);
    let Settled::Again { id, .. } = writes.settle(&mut book.snapshot, second, stale) else {
        panic!("not planned again")
    };
    writes.settle(&mut book.snapshot, id, Outcome::Committed);
    let row = book.snapshot.domain(sid).unwrap();
    assert_eq!((row.friendly_name.as_str(), row.secure, row.revision), ("new", true, 3));
}

#[test]
fn a_store_that_cannot_write_changes_nothing_and_says_so() {
    let mut book = Book::new();
    let mut writes = Writes::default();
    let mint = book.mint();
    let Submitted::Commit { id, .. } =
        writes.submit(&book.snapshot, MAIN, domain("plant7"), mint, ())
    else {
        panic!("refused")
    };
    let Settled::Answer((), answer) = writes.settle(&mut book.snapshot, id, Outcome::Unavailable)
    else {
        panic!("not answered")
    };
    assert_eq!(answer.unwrap_err().status, 503);
    assert!(book.snapshot.domain_by_labels("plant7").is_none());
    assert!(writes.is_empty());
}
