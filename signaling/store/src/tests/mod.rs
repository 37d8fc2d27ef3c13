//! The rules of the contract as tables, and the way of a write from check to answer.

mod accounts;
mod domains;
mod lists;
mod writes;

use std::sync::Arc;

use shared::ids::Origin;
use shared::{AccountSid, CredentialListSid, DomainSid, IpAccessControlListSid};

use crate::{
    Account, Change, DomainFields, DomainSuffix, Mint, Reply, Resource, Secret, Snapshot, Write,
    WriteError,
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
