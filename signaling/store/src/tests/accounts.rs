//! Accounts, sub-accounts and keys.

use shared::AccountSid;

use super::{Book, MAIN, STRANGER};
use crate::{
    AccountParameters, AccountStatus, Beside, KeyParameters, Patch, Reply, Resource, Write,
};

#[test]
fn sub_accounts_follow_their_rules() {
    let mut book = Book::new();
    let sub = book.sub_account();
    let set = |account: AccountSid, status, by| {
        let given = AccountParameters { status: Patch::Set(status), ..Default::default() };
        Write::Update { list: None, sid: account.0, given: given.into(), by: Some(by) }
    };
    let cases = [
        (sub, Write::create(AccountParameters::default()), 21101),
        (
            MAIN,
            Write::create(AccountParameters {
                friendly_name: Patch::Set("x".repeat(65)),
                ..Default::default()
            }),
            20002,
        ),
        (MAIN, set(MAIN, AccountStatus::Suspended, MAIN), 21477),
        (sub, set(sub, AccountStatus::Suspended, sub), 20006),
        (sub, set(sub, AccountStatus::Suspended, MAIN), 0),
        (sub, set(sub, AccountStatus::Active, MAIN), 0),
        (sub, set(sub, AccountStatus::Closed, MAIN), 0),
        (sub, set(sub, AccountStatus::Active, MAIN), 21479),
        (STRANGER, set(sub, AccountStatus::Closed, MAIN), 20404),
        (AccountSid(9), Write::create(KeyParameters::default()), 20404),
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
    let Ok(Reply::Resource(Resource::Account(account), _)) =
        book.try_write(MAIN, &Write::create(AccountParameters::default()))
    else {
        panic!("refused")
    };
    assert_eq!(account.auth_token.expose_secret().len(), 32);
    assert_eq!(account.friendly_name, "SubAccount Created at 2025-01-06 09:00");
    let Ok(Reply::Resource(Resource::Key(key), Beside { secret: Some(secret), .. })) =
        book.try_write(MAIN, &Write::create(KeyParameters::default()))
    else {
        panic!("refused")
    };
    assert_eq!(secret.expose_secret().len(), 32);
    assert!(key.secret_hash.matches(secret.expose_secret()));
}
