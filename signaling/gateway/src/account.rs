//! The account of the first start: from two variables, or generated and shown once. Shell.

use shared::AccountSid;
use shared::ids::Origin;
use shell::random;
use store::{Account, Change, Mint, Outcome, Resource, Secret, Snapshot, StoreError, Writer};

use crate::data_dir::{DataDir, DataDirError};

/// The main account as the operator knows it.
#[derive(Clone, Debug)]
pub struct MainAccount {
    /// Names it in every URL.
    pub sid: AccountSid,
    /// The password of REST requests, and the key of webhook signatures.
    pub auth_token: Secret,
    /// Whether this start generated the token: then it is shown.
    pub generated: bool,
}

/// Reasons the first account cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Only one of the two variables is set.
    #[error(
        "SIDETONE_ACCOUNT_SID and SIDETONE_AUTH_TOKEN belong together: set both, or neither and \
         both are generated"
    )]
    OneVariable,
    /// The SID is malformed.
    #[error("SIDETONE_ACCOUNT_SID is {0}")]
    Sid(#[from] shared::SidError),
    /// The token is too short, too long, or not printable.
    #[error(
        "SIDETONE_AUTH_TOKEN must be 16 to 128 printable characters without blanks (the Twilio CLI wants exactly 32)"
    )]
    Token,
    /// The credentials file cannot be written.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The store refused the account.
    #[error("the first account could not be written: the store answered {0:?}")]
    Refused(Outcome),
    /// The store cannot write.
    #[error("the first account could not be written: {0}. Is the disk full?")]
    CannotWrite(#[from] StoreError),
}

/// The values of the two variables; `None`: not set.
#[derive(Clone, Debug, Default)]
pub struct AccountVariables {
    /// `SIDETONE_ACCOUNT_SID`.
    pub sid: Option<String>,
    /// `SIDETONE_AUTH_TOKEN`.
    pub auth_token: Option<String>,
}

impl AccountVariables {
    /// Reads them from the environment. An empty value counts as not set.
    pub fn from_environment() -> Self {
        let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let [sid, auth_token] = crate::settings::ACCOUNT_VARIABLES;
        Self { sid: read(sid), auth_token: read(auth_token) }
    }

    fn parsed(&self) -> Result<Option<(AccountSid, Secret)>, AccountError> {
        match (&self.sid, &self.auth_token) {
            (None, None) => Ok(None),
            (Some(sid), Some(token)) => {
                let printable = token.bytes().all(|byte| byte.is_ascii_graphic());
                if !printable || !(16..=128).contains(&token.len()) {
                    return Err(AccountError::Token);
                }
                Ok(Some((sid.parse()?, Secret::new(token.as_str()))))
            }
            _ => Err(AccountError::OneVariable),
        }
    }
}

/// The main account of the store. Without one, generates it and writes it to the store and to the
/// credentials file.
///
/// # Errors
/// [`AccountError`], each a sentence.
pub fn ensure(
    data: &DataDir,
    writer: &mut dyn Writer,
    snapshot: &mut Snapshot,
    variables: &AccountVariables,
    origin: Origin,
    unix_ms: i64,
) -> Result<MainAccount, AccountError> {
    let wanted = variables.parsed()?;
    if let Some(account) = snapshot.accounts().find(|account| account.parent.is_none()) {
        if wanted.is_some_and(|(sid, _)| sid != account.sid) {
            tracing::warn!(
                "SIDETONE_ACCOUNT_SID is ignored: it names the account of the first start, and \
                 this data folder has its account already (see its file credentials)"
            );
        }
        let auth_token = account.auth_token.clone();
        return Ok(MainAccount { sid: account.sid, auth_token, generated: false });
    }
    let mut bytes = [0; 40];
    random(&mut bytes);
    let mint = Mint { unix_ms, origin, random: bytes };
    let generated = wanted.is_none();
    let (sid, auth_token) = wanted.unwrap_or_else(|| {
        (AccountSid::mint(unix_ms, origin, mint.sid_random()), mint.auth_token())
    });
    insert(writer, snapshot, Account::main(sid, auth_token.clone(), "Main account", unix_ms))?;
    data.write_credentials(&sid.to_string(), auth_token.expose_secret())?;
    Ok(MainAccount { sid, auth_token, generated })
}

fn insert(
    writer: &mut dyn Writer,
    snapshot: &mut Snapshot,
    account: Account,
) -> Result<(), AccountError> {
    let unix_ms = account.created_ms;
    let change = Change::Insert(Resource::Account(account.into()));
    match writer.commit(unix_ms, std::slice::from_ref(&change))?.first() {
        Some(Outcome::Committed) => {
            snapshot.apply(&change);
            Ok(())
        }
        outcome => Err(AccountError::Refused(*outcome.unwrap_or(&Outcome::Unavailable))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealing::KeyFileSealer;
    use store::DomainSuffix;

    const SID: &str = "AC0123456789abcdef0123456789abcdef";
    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn start(
        folder: &std::path::Path,
        variables: &AccountVariables,
    ) -> Result<MainAccount, AccountError> {
        let data = DataDir::open(folder).expect("opened");
        data.keep_key().expect("written");
        let origin = Origin { node: 0, generation: data.generation };
        let sealer = std::sync::Arc::new(KeyFileSealer::new(&data.key));
        let suffix = DomainSuffix::new("sidetone.test");
        let path = folder.join("sidetone.db");
        let database = database::Database::at(&path, sealer);
        let mut opened = database.open(suffix, 1, origin).expect("a database");
        ensure(&data, &mut *opened.writer, &mut opened.snapshot, variables, origin, 1)
    }

    fn variables(sid: Option<&str>, token: Option<&str>) -> AccountVariables {
        AccountVariables { sid: sid.map(str::to_owned), auth_token: token.map(str::to_owned) }
    }

    #[test]
    fn the_first_start_makes_an_account_and_the_second_finds_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let made = start(folder.path(), &AccountVariables::default()).expect("made");
        assert!(made.generated);
        assert_eq!(made.auth_token.expose_secret().len(), 32);
        let file = std::fs::read_to_string(folder.path().join("credentials")).expect("there");
        assert!(file.contains(&format!("SIDETONE_ACCOUNT_SID={}\n", made.sid)), "{file}");
        let again = start(folder.path(), &AccountVariables::default()).expect("found");
        assert_eq!((again.sid, again.generated), (made.sid, false));
        assert_eq!(again.auth_token, made.auth_token);
    }

    #[test]
    fn the_variables_name_the_account_of_the_first_start_only() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let made = start(folder.path(), &variables(Some(SID), Some(TOKEN))).expect("made");
        assert_eq!((made.sid.to_string().as_str(), made.generated), (SID, false));
        let other = "ACffffffffffffffffffffffffffffffff";
        let again = start(folder.path(), &variables(Some(other), Some(TOKEN))).expect("found");
        assert_eq!(again.sid, made.sid);
    }

    #[test]
    fn half_or_malformed_variables_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let refused =
            |sid, token| start(folder.path(), &variables(sid, token)).expect_err("refused");
        assert!(matches!(refused(Some(SID), None), AccountError::OneVariable));
        assert!(matches!(refused(Some("AC1"), Some(TOKEN)), AccountError::Sid(_)));
        assert!(matches!(refused(Some(SID), Some("too short")), AccountError::Token));
    }
}
