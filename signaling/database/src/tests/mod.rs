//! Tests of every driver, on real databases in temporary places.
//!
//! A test is a function over a [`Place`]; `over_each_driver!` at the end of its file runs it once a driver. Another
//! driver adds its `Place` here and one line to the macro. A test that is not named there is dead code, which the
//! build refuses. Tests of what only one driver has are in that driver's folder.

/// Runs each of these functions over the place of each driver.
macro_rules! over_each_driver {
    ($($test:ident,)*) => {
        mod sqlite {
            $(
                #[test]
                fn $test() {
                    super::$test::<crate::tests::SqliteFile>();
                }
            )*
        }
    };
}

mod flows;
mod history;
mod journal;
mod lists;
mod opening;
mod recovery;
pub(crate) mod rows;
mod writes;

use std::path::PathBuf;
use std::sync::Arc;

use shared::AccountSid;
use shared::ids::Origin;
use store::{
    Account, Change, DomainSuffix, Mint, Outcome, Reader, Reply, Resource, SealError, Sealer,
    Secret, Write,
};

use crate::{Database, Opened};

pub(crate) const ORIGIN: Origin = Origin { node: 1, generation: 1 };
pub(crate) const T0: i64 = 1_736_154_000_000;
pub(crate) const DAY_MS: i64 = 86_400_000;
pub(crate) const MAIN: AccountSid = AccountSid(0xAC);
pub(crate) const SUFFIX: &str = "sidetone.test";

/// Where a test keeps a database of one driver. Nothing is there at first; all of it goes with the value.
pub(crate) trait Place {
    fn new() -> Self;
    fn database(&self) -> Database;
}

/// A SQLite file in a temporary folder.
pub(crate) struct SqliteFile(tempfile::TempDir);

impl SqliteFile {
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("store.sqlite")
    }
}

impl Place for SqliteFile {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn database(&self) -> Database {
        Database::at(&self.path(), Arc::new(TestSealer))
    }
}

/// Adds the context's last byte to every byte: enough to see that sealing takes place.
pub(crate) struct TestSealer;

impl Sealer for TestSealer {
    fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = context.last().copied().unwrap_or(0);
        Ok(plain.iter().map(|byte| byte.wrapping_add(key)).collect())
    }

    fn unseal(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = context.last().copied().unwrap_or(0);
        Ok(sealed.iter().map(|byte| byte.wrapping_sub(key)).collect())
    }
}

/// An open database with a main account, and the snapshot that Control would hold.
pub(crate) struct House<P> {
    pub(crate) place: P,
    pub(crate) opened: Opened,
    writes: u64,
}

impl<P: Place> House<P> {
    pub(crate) fn new() -> Self {
        let place = P::new();
        let opened = place.database().open(DomainSuffix::new(SUFFIX), T0, ORIGIN).unwrap();
        let mut house = Self { place, opened, writes: 0 };
        let account = Account::main(MAIN, Secret::new("0123456789abcdef"), "main", T0);
        house.commit(Change::Insert(Resource::Account(Arc::new(account))));
        house
    }

    pub(crate) fn commit(&mut self, change: Change) {
        assert_eq!(self.batch(std::slice::from_ref(&change)), [Outcome::Committed]);
        self.opened.snapshot.apply(&change);
    }

    fn batch(&mut self, changes: &[Change]) -> Vec<Outcome> {
        self.opened.writer.commit(T0, changes).unwrap()
    }

    fn mint(&mut self) -> Mint {
        self.writes += 1;
        let mut random = [7; 40];
        random[..8].copy_from_slice(&self.writes.to_be_bytes());
        Mint { unix_ms: T0 + self.writes as i64, origin: ORIGIN, random }
    }

    fn plan(&mut self, account: AccountSid, write: &Write) -> store::Planned {
        let mint = self.mint();
        self.opened.snapshot.check(account, write, &mint).unwrap()
    }

    pub(crate) fn write(&mut self, account: AccountSid, write: &Write) -> Reply {
        let planned = self.plan(account, write);
        self.commit(planned.change);
        planned.reply
    }

    pub(crate) fn reader(&self) -> Box<dyn Reader + Send> {
        self.place.database().reader(None).unwrap()
    }

    /// Drops everything without closing, as a kill would, and opens the database again.
    fn reopen(self, unix_ms: i64) -> Self {
        let Self { place, opened, writes } = self;
        std::mem::forget(opened.writer);
        let opened = place.database().open(DomainSuffix::new(SUFFIX), unix_ms, ORIGIN).unwrap();
        Self { place, opened, writes }
    }
}
