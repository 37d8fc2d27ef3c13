//! SIP domains: names, updates, limits.

use shared::AccountSid;

use super::{Book, MAIN, STRANGER, address, domain};
use crate::{
    CredentialListParameters, DomainParameters, Patch, Reply, Resource, ResourceKind, Write,
};

#[test]
fn domain_names_are_global_and_subdomains_need_an_owned_parent() {
    let mut book = Book::new();
    let sub = book.sub_account();
    book.domain(MAIN, "plant7.sip.twilio.com");
    book.domain(STRANGER, "foreign.sip.sidetone.test");
    let cases = [
        (MAIN, "plant7.sip.sidetone.test", 21232, "taken under the other suffix"),
        (STRANGER, "PLANT7.sip.twilio.com", 21232, "taken by another account"),
        (STRANGER, "a.plant7.sip.twilio.com", 21232, "below a stranger's domain"),
        (MAIN, "a.missing.sip.twilio.com", 21232, "below nothing"),
        (MAIN, "a.foreign.sip.twilio.com", 21232, "below a stranger's domain"),
        (MAIN, "a.plant7.sip.twilio.com", 0, "below an own domain"),
        (sub, "b.plant7.sip.twilio.com", 0, "below the master's domain"),
        (sub, "x.a.plant7.sip.twilio.com", 0, "below the master's subdomain"),
        (MAIN, "y.b.plant7.sip.twilio.com", 21232, "below a sub-account's domain"),
        (MAIN, "plant_8.sip.twilio.com", 21232, "alphabet"),
        (MAIN, "", 21232, "required"),
        (MAIN, "plant8.example.com", 21232, "suffix"),
    ];
    for (account, name, code, why) in cases {
        assert_eq!(book.code(account, &domain(name)), code, "{name}: {why}");
    }
}

#[test]
fn an_account_sid_is_reserved_as_a_name_for_its_account() {
    let mut book = Book::new();
    let sub = book.sub_account();
    assert_eq!(book.code(STRANGER, &domain(&format!("{MAIN}.sip.twilio.com"))), 21232);
    assert_eq!(book.code(sub, &domain(&format!("{MAIN}.sip.twilio.com"))), 21232);
    assert_eq!(book.code(MAIN, &domain(&format!("x.{MAIN}.sip.twilio.com"))), 0);
    assert_eq!(book.code(sub, &domain(&format!("y.{MAIN}.sip.twilio.com"))), 0);
    assert_eq!(book.code(STRANGER, &domain(&format!("z.{MAIN}.sip.twilio.com"))), 21232);
    assert_eq!(book.code(MAIN, &domain(&format!("{MAIN}.sip.twilio.com"))), 0);
    let nobody = AccountSid(0xDEAD);
    assert_eq!(book.code(MAIN, &domain(&format!("{nobody}.sip.twilio.com"))), 21232);
}

#[test]
fn a_domain_with_subdomains_is_neither_deleted_nor_renamed() {
    let mut book = Book::new();
    let top = book.domain(MAIN, "plant7.sip.twilio.com");
    let below = book.domain(MAIN, "a.plant7.sip.twilio.com");
    let rename = |name: &str| {
        let domain_name = Patch::Set(name.to_owned());
        Write::update(top.0, DomainParameters { domain_name, ..Default::default() })
    };
    assert_eq!(book.code(MAIN, &Write::delete(ResourceKind::Domain, top.0)), 21233);
    assert_eq!(book.code(MAIN, &rename("other.sip.twilio.com")), 21233);
    assert_eq!(book.code(MAIN, &rename("plant7.sip.sidetone.test")), 0);
    assert_eq!(book.code(STRANGER, &Write::delete(ResourceKind::Domain, below.0)), 20404);
    assert_eq!(book.code(MAIN, &Write::delete(ResourceKind::Domain, below.0)), 0);
    assert_eq!(book.code(MAIN, &rename("other.sip.twilio.com")), 0);
    assert!(book.snapshot.domain_by_labels("plant7").is_none());
    assert_eq!(book.code(MAIN, &Write::delete(ResourceKind::Domain, top.0)), 0);
}

#[test]
fn an_update_keeps_clears_and_sets_fields() {
    let mut book = Book::new();
    let sid = book.domain(MAIN, "plant7.sip.twilio.com");
    let mut update = |fields: DomainParameters| {
        let write = Write::update(sid.0, fields);
        match book.try_write(MAIN, &write) {
            Ok(Reply::Resource(Resource::Domain(domain), _)) => domain,
            other => panic!("{other:?}"),
        }
    };
    let url = "http://app.example/v".to_owned();
    let set = update(DomainParameters { voice_url: Patch::Set(url.clone()), ..Default::default() });
    assert_eq!(set.voice_url, Some(url.clone()));
    let kept = update(DomainParameters { secure: Patch::Set(true), ..Default::default() });
    assert_eq!((kept.voice_url.clone(), kept.secure), (Some(url), true));
    let cleared = update(DomainParameters {
        voice_url: Patch::Clear,
        secure: Patch::Clear,
        friendly_name: Patch::Clear,
        ..Default::default()
    });
    assert_eq!((cleared.voice_url.clone(), cleared.secure), (None, false));
    assert_eq!(cleared.friendly_name, "plant7.sip.twilio.com");
    assert_eq!(cleared.revision, 4);
    let long = DomainParameters { friendly_name: Patch::Set("x".repeat(65)), ..Default::default() };
    let write = Write::update(sid.0, long);
    assert_eq!(book.code(MAIN, &write), 21231);
}

#[test]
fn every_limit_has_its_code() {
    let mut book = Book::new();
    for number in 0..100 {
        book.domain(MAIN, &format!("d{number}.sip.twilio.com"));
        book.credential_list(MAIN, &format!("c{number}"));
    }
    assert_eq!(book.code(MAIN, &domain("more.sip.twilio.com")), 21230);
    let more =
        Write::create(CredentialListParameters { friendly_name: Patch::Set("more".to_owned()) });
    assert_eq!(book.code(MAIN, &more), 21239);
    let acl = book.ip_list(MAIN, "a");
    for number in 0..100_u8 {
        let write = address(acl, &format!("n{number}"), &format!("192.0.2.{number}"), None);
        assert_eq!(book.code(MAIN, &write), 0);
    }
    assert_eq!(book.code(MAIN, &address(acl, "more", "192.0.3.1", None)), 21237);
    // Each sub-account has limits of its own.
    let sub = book.sub_account();
    book.domain(sub, "sub.sip.twilio.com");
}
