//! Credential lists and IP lists, their rows, and the domains that they are mapped to.

use super::{Book, MAIN, STRANGER, address, credential};
use crate::{
    CredentialListParameters, IpAccessControlListParameters, IpAddressParameters, MappedList,
    Patch, Reply, Resource, ResourceKind, Write,
};

#[test]
fn user_names_and_passwords_follow_the_rules() {
    let mut book = Book::new();
    let list = book.credential_list(MAIN, "desk");
    let good = "Correct-Horse-7";
    let (longest, too_long) = ("u".repeat(32), "u".repeat(33));
    let cases = [
        ("alice", good, 0),
        ("alice", good, 21240),
        ("Alice", good, 0),
        (&*longest, good, 0),
        (&*too_long, good, 21240),
        ("", good, 21240),
        ("a:b", good, 21240),
        ("a b", good, 21240),
        ("a\"b", good, 21240),
        ("bob", "", 21240),
        ("bob", "Short-7", 21240),
        ("bob", "alllowercase7", 21240),
        ("bob", "ALLUPPERCASE7", 21240),
        ("bob", "NoDigitsAtAll", 21240),
        ("bob", "Twelve-char7", 0),
    ];
    for (username, password, code) in cases {
        assert_eq!(
            book.code(MAIN, &credential(list, username, password)),
            code,
            "{username} {password}"
        );
    }
    assert_eq!(book.code(STRANGER, &credential(list, "eve", good)), 20404);
}

#[test]
fn names_of_lists_are_unique_in_the_account_and_limited() {
    let mut book = Book::new();
    let one = book.credential_list(MAIN, "one");
    let list = |name: &str| {
        Write::create(CredentialListParameters { friendly_name: Patch::Set(name.to_owned()) })
    };
    let acl = |name: &str| {
        Write::create(IpAccessControlListParameters { friendly_name: Patch::Set(name.to_owned()) })
    };
    let rename = |name: &str| {
        Write::update(
            one.0,
            CredentialListParameters { friendly_name: Patch::Set(name.to_owned()) },
        )
    };
    book.ip_list(MAIN, "one");
    let cases = [
        (MAIN, list("one"), 21240),
        (STRANGER, list("one"), 0),
        (MAIN, list(""), 21240),
        (MAIN, list(&"\u{e9}".repeat(64)), 0),
        (MAIN, list(&"x".repeat(65)), 21240),
        (MAIN, list("a\nb"), 21240),
        (MAIN, rename("one"), 0),
        (MAIN, rename(""), 21240),
        (MAIN, acl("one"), 21235),
        (MAIN, acl(&"x".repeat(255)), 0),
        (MAIN, acl(&"x".repeat(256)), 21235),
    ];
    for (account, write, code) in cases {
        assert_eq!(book.code(account, &write), code, "{write:?}");
    }
}

#[test]
fn an_address_or_its_name_stands_once_in_a_list() {
    let mut book = Book::new();
    let acl = book.ip_list(MAIN, "sbc");
    let cases = [
        ("a", "192.0.2.1", None, 0),
        ("b", "192.0.2.1", None, 21235),
        ("b", "::ffff:192.0.2.1", None, 21235),
        ("a", "192.0.2.2", None, 21235),
        ("b", "192.0.2.1", Some(24), 0),
        ("c", "192.0.2.1", Some(33), 21235),
        ("c", "2001:db8::", Some(48), 0),
        ("", "192.0.2.9", None, 21235),
    ];
    for (name, text, prefix, code) in cases {
        assert_eq!(book.code(MAIN, &address(acl, name, text, prefix)), code, "{name} {text}");
    }
}

#[test]
fn an_address_that_moves_keeps_a_prefix_that_fits() {
    let mut book = Book::new();
    let acl = book.ip_list(MAIN, "sbc");
    let Ok(Reply::Resource(Resource::IpAddress(row), _)) =
        book.try_write(MAIN, &address(acl, "a", "192.0.2.1", Some(24)))
    else {
        panic!("refused")
    };
    let mut update = |address: Option<&str>, prefix: Option<u8>| {
        let given = IpAddressParameters {
            friendly_name: Patch::Keep,
            address: address.map_or(Patch::Keep, |text| Patch::Set(text.parse().unwrap())),
            prefix: prefix.map_or(Patch::Keep, Patch::Set),
        };
        let write = Write::update_in(acl.0, row.sid.0, given);
        match book.try_write(MAIN, &write) {
            Ok(Reply::Resource(Resource::IpAddress(row), _)) => {
                Ok((row.block.address().to_string(), row.block.prefix()))
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.code.number()),
        }
    };
    assert_eq!(update(Some("198.51.100.1"), None), Ok(("198.51.100.1".to_owned(), 24)));
    assert_eq!(update(None, Some(32)), Ok(("198.51.100.1".to_owned(), 32)));
    assert_eq!(update(None, Some(64)), Err(21235));
    assert_eq!(update(Some("2001:db8::1"), None), Ok(("2001:db8::1".to_owned(), 128)));
}

#[test]
fn a_mapped_list_stays_until_it_is_unmapped() {
    let mut book = Book::new();
    let domain = book.domain(MAIN, "plant7.sip.twilio.com");
    let (list, acl) = (book.credential_list(MAIN, "desk"), book.ip_list(MAIN, "sbc"));
    let foreign = book.credential_list(STRANGER, "desk");
    let map = |list| Write::CreateMapping { domain, list };
    let unmap = |list| Write::DeleteMapping { domain, list };
    let (calls, registrations, source) = (
        MappedList::CallsCredentialList(list),
        MappedList::RegistrationsCredentialList(list),
        MappedList::CallsIpAccessControlList(acl),
    );
    let cases = [
        (map(calls), 0),
        (map(calls), 21231),
        (map(registrations), 0),
        (map(source), 0),
        (map(MappedList::CallsCredentialList(foreign)), 20404),
        (Write::delete(ResourceKind::CredentialList, list.0), 21241),
        (Write::delete(ResourceKind::IpAccessControlList, acl.0), 21236),
        (unmap(calls), 0),
        (unmap(calls), 20404),
        (Write::delete(ResourceKind::CredentialList, list.0), 21241),
        (unmap(registrations), 0),
        (Write::delete(ResourceKind::CredentialList, list.0), 0),
        (Write::delete(ResourceKind::Domain, domain.0), 0),
        (Write::delete(ResourceKind::IpAccessControlList, acl.0), 0),
    ];
    for (write, code) in cases {
        assert_eq!(book.code(MAIN, &write), code, "{write:?}");
    }
}

#[test]
fn admission_sees_every_mapped_list() {
    let mut book = Book::new();
    let domain = book.domain(MAIN, "plant7.sip.twilio.com");
    let acl = book.ip_list(MAIN, "sbc");
    let (desk, lab) = (book.credential_list(MAIN, "desk"), book.credential_list(MAIN, "lab"));
    book.try_write(MAIN, &address(acl, "a", "192.0.2.0", Some(24))).unwrap();
    for list in [desk, lab] {
        book.try_write(MAIN, &credential(list, "alice", "Correct-Horse-7")).unwrap();
        let list = MappedList::CallsCredentialList(list);
        book.try_write(MAIN, &Write::CreateMapping { domain, list }).unwrap();
    }
    let list = MappedList::CallsIpAccessControlList(acl);
    book.try_write(MAIN, &Write::CreateMapping { domain, list }).unwrap();

    let admission = book.snapshot.admission("Plant7.sip.frankfurt.sidetone.test").unwrap();
    assert_eq!(admission.domain.sid, domain);
    assert!(admission.account_is_active());
    assert!(admission.call_auth().ip_access_control_list && admission.call_auth().credential_list);
    assert!(admission.source_is_listed("192.0.2.77".parse().unwrap()));
    assert!(admission.source_is_listed("::ffff:192.0.2.77".parse().unwrap()));
    assert!(!admission.source_is_listed("198.51.100.1".parse().unwrap()));
    assert_eq!(admission.call_credentials("alice").count(), 2);
    assert_eq!(admission.call_credentials("bob").count(), 0);
    assert!(!admission.registration_auth());
    assert_eq!(admission.registration_credentials("alice").count(), 0);
    assert!(book.snapshot.admission("plant8.sip.sidetone.test").is_none());
    assert!(book.snapshot.admission("192.0.2.1").is_none());
}
