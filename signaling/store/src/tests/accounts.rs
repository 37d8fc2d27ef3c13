//! Accounts, sub-accounts and keys.

use shared::AccountSid;

use super::{Book, MAIN};
use crate::{AccountStatus, Reply, Write};

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
