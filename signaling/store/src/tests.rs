//! The rules of the contract as tables, and the way of a write from check to answer.

use std::sync::Arc;

use shared::ids::Origin;
use shared::{AccountSid, CredentialListSid, DomainSid, IpAccessControlListSid};

use crate::{
    Account, AccountStatus, Change, Conflict, DomainFields, DomainSuffix, MappedList, Mint,
    Outcome, Patch, Reply, Resource, Secret, Settled, Snapshot, Submitted, Write, WriteError,
    Writes,
};

const MAIN: AccountSid = AccountSid(0xAC01);
const STRANGER: AccountSid = AccountSid(0xAC02);

/// A snapshot with two main accounts, and a counter for SIDs.
struct Book {
    snapshot: Snapshot,
    minted: u64,
}

impl Book {
    fn new() -> Self {
        let mut snapshot = Snapshot::new(DomainSuffix::new("sidetone.test"));
        for sid in [MAIN, STRANGER] {
            let account = Account::main(sid, Secret::new("token"), "main", 0);
            snapshot.apply(&Change::Insert(Resource::Account(Arc::new(account))));
        }
        Self { snapshot, minted: 0 }
    }

    fn mint(&mut self) -> Mint {
        self.minted += 1;
        let mut random = [0; 40];
        random[..8].copy_from_slice(&self.minted.to_be_bytes());
        Mint { unix_ms: 1_736_154_000_000, origin: Origin { node: 0, generation: 0 }, random }
    }

    fn try_write(&mut self, account: AccountSid, write: &Write) -> Result<Reply, WriteError> {
        let mint = self.mint();
        let planned = self.snapshot.check(account, write, &mint)?;
        self.snapshot.apply(&planned.change);
        Ok(planned.reply)
    }

    /// The code of a refusal; 0 when it was allowed.
    fn code(&mut self, account: AccountSid, write: &Write) -> u32 {
        self.try_write(account, write).err().map_or(0, |error| error.code)
    }

    fn domain(&mut self, account: AccountSid, name: &str) -> DomainSid {
        match self.try_write(account, &domain(name)) {
            Ok(Reply::Domain { domain, .. }) => domain.sid,
            other => panic!("{name}: {other:?}"),
        }
    }

    fn credential_list(&mut self, account: AccountSid, name: &str) -> CredentialListSid {
        let write = Write::CreateCredentialList { friendly_name: name.to_owned() };
        match self.try_write(account, &write) {
            Ok(Reply::CredentialList(row)) => row.sid,
            other => panic!("{name}: {other:?}"),
        }
    }

    fn ip_list(&mut self, account: AccountSid, name: &str) -> IpAccessControlListSid {
        let write = Write::CreateIpAccessControlList { friendly_name: name.to_owned() };
        match self.try_write(account, &write) {
            Ok(Reply::IpAccessControlList(row)) => row.sid,
            other => panic!("{name}: {other:?}"),
        }
    }

    fn sub_account(&mut self) -> AccountSid {
        match self.try_write(MAIN, &Write::CreateAccount { friendly_name: None }) {
            Ok(Reply::Account(row)) => row.sid,
            other => panic!("{other:?}"),
        }
    }
}

fn domain(name: &str) -> Write {
    let domain_name = Some(name.to_owned());
    Write::CreateDomain(Box::new(DomainFields { domain_name, ..DomainFields::default() }))
}

fn credential(list: CredentialListSid, username: &str, password: &str) -> Write {
    let (username, password) = (username.to_owned(), Secret::new(password));
    Write::CreateCredential { list, username, password }
}

fn address(list: IpAccessControlListSid, name: &str, address: &str, prefix: Option<u8>) -> Write {
    let address = address.parse().unwrap();
    Write::CreateIpAddress { list, friendly_name: name.to_owned(), address, prefix }
}

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
    let rename = |name: &str| Write::UpdateDomain {
        domain: top,
        fields: Box::new(DomainFields {
            domain_name: Some(name.to_owned()),
            ..DomainFields::default()
        }),
    };
    assert_eq!(book.code(MAIN, &Write::DeleteDomain(top)), 21233);
    assert_eq!(book.code(MAIN, &rename("other.sip.twilio.com")), 21233);
    assert_eq!(book.code(MAIN, &rename("plant7.sip.sidetone.test")), 0);
    assert_eq!(book.code(STRANGER, &Write::DeleteDomain(below)), 20404);
    assert_eq!(book.code(MAIN, &Write::DeleteDomain(below)), 0);
    assert_eq!(book.code(MAIN, &rename("other.sip.twilio.com")), 0);
    assert!(book.snapshot.domain_by_labels("plant7").is_none());
    assert_eq!(book.code(MAIN, &Write::DeleteDomain(top)), 0);
}

#[test]
fn an_update_keeps_clears_and_sets_fields() {
    let mut book = Book::new();
    let sid = book.domain(MAIN, "plant7.sip.twilio.com");
    let mut update = |fields: DomainFields| {
        let write = Write::UpdateDomain { domain: sid, fields: Box::new(fields) };
        match book.try_write(MAIN, &write) {
            Ok(Reply::Domain { domain, .. }) => domain,
            other => panic!("{other:?}"),
        }
    };
    let url = "http://app.example/v".to_owned();
    let set = update(DomainFields { voice_url: Patch::Set(url.clone()), ..Default::default() });
    assert_eq!(set.voice_url, Some(url.clone()));
    let kept = update(DomainFields { secure: Patch::Set(true), ..Default::default() });
    assert_eq!((kept.voice_url.clone(), kept.secure), (Some(url), true));
    let cleared = update(DomainFields {
        voice_url: Patch::Clear,
        secure: Patch::Clear,
        friendly_name: Patch::Clear,
        ..Default::default()
    });
    assert_eq!((cleared.voice_url.clone(), cleared.secure), (None, false));
    assert_eq!(cleared.friendly_name, "plant7.sip.twilio.com");
    assert_eq!(cleared.revision, 4);
    let long = DomainFields { friendly_name: Patch::Set("x".repeat(65)), ..Default::default() };
    let write = Write::UpdateDomain { domain: sid, fields: Box::new(long) };
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
    let more = Write::CreateCredentialList { friendly_name: "more".to_owned() };
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
    let list = |name: &str| Write::CreateCredentialList { friendly_name: name.to_owned() };
    let acl = |name: &str| Write::CreateIpAccessControlList { friendly_name: name.to_owned() };
    let rename =
        |name: &str| Write::UpdateCredentialList { list: one, friendly_name: name.to_owned() };
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
    let Ok(Reply::IpAddress(row)) = book.try_write(MAIN, &address(acl, "a", "192.0.2.1", Some(24)))
    else {
        panic!("refused")
    };
    let mut update = |address: Option<&str>, prefix| {
        let write = Write::UpdateIpAddress {
            list: acl,
            ip_address: row.sid,
            friendly_name: None,
            address: address.map(|text| text.parse().unwrap()),
            prefix,
        };
        match book.try_write(MAIN, &write) {
            Ok(Reply::IpAddress(row)) => Ok((row.block.address().to_string(), row.block.prefix())),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.code),
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
        (Write::DeleteCredentialList(list), 21241),
        (Write::DeleteIpAccessControlList(acl), 21236),
        (unmap(calls), 0),
        (unmap(calls), 20404),
        (Write::DeleteCredentialList(list), 21241),
        (unmap(registrations), 0),
        (Write::DeleteCredentialList(list), 0),
        (Write::DeleteDomain(domain), 0),
        (Write::DeleteIpAccessControlList(acl), 0),
    ];
    for (write, code) in cases {
        assert_eq!(book.code(MAIN, &write), code, "{write:?}");
    }
}

#[test]
fn sub_accounts_follow_their_rules() {
    let mut book = Book::new();
    let sub = book.sub_account();
    let set = |status, by| Write::UpdateAccount { friendly_name: None, status: Some(status), by };
    let cases = [
        (sub, Write::CreateAccount { friendly_name: None }, 21101),
        (MAIN, Write::CreateAccount { friendly_name: Some("x".repeat(65)) }, 20002),
        (MAIN, set(AccountStatus::Suspended, MAIN), 21477),
        (sub, set(AccountStatus::Suspended, sub), 20006),
        (sub, set(AccountStatus::Suspended, MAIN), 0),
        (sub, set(AccountStatus::Active, MAIN), 0),
        (sub, set(AccountStatus::Closed, MAIN), 0),
        (sub, set(AccountStatus::Active, MAIN), 21479),
        (AccountSid(9), Write::CreateKey { friendly_name: None }, 20404),
    ];
    for (account, write, code) in cases {
        assert_eq!(book.code(account, &write), code, "{write:?}");
    }
    assert!(!book.snapshot.account_is_active(sub));
    assert!(book.snapshot.account_is_active(MAIN));
}

#[test]
fn new_tokens_and_secrets_have_32_characters() {
    let mut book = Book::new();
    let Ok(Reply::Account(account)) =
        book.try_write(MAIN, &Write::CreateAccount { friendly_name: None })
    else {
        panic!("refused")
    };
    assert_eq!(account.auth_token.expose_secret().len(), 32);
    assert_eq!(account.friendly_name, "SubAccount Created at 2025-01-06 09:00");
    let Ok(Reply::Key { key, secret: Some(secret) }) =
        book.try_write(MAIN, &Write::CreateKey { friendly_name: None })
    else {
        panic!("refused")
    };
    assert_eq!(secret.expose_secret().len(), 32);
    assert!(key.secret_hash.matches(secret.expose_secret()));
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
    let update = |fields| Write::UpdateDomain { domain: sid, fields: Box::new(fields) };
    let name = DomainFields { friendly_name: Patch::Set("new".to_owned()), ..Default::default() };
    let secure = DomainFields { secure: Patch::Set(true), ..Default::default() };
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
