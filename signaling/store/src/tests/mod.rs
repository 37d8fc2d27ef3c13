//! The rules of the contract as tables, and the way of a write from check to answer.

mod accounts;
mod domains;
mod lists;
mod writes;

use std::sync::Arc;

use shared::ids::Origin;
use shared::{AccountSid, CredentialListSid, DomainSid, IpAccessControlListSid};

use crate::{
    Account, AccountParameters, Change, CredentialListParameters, CredentialParameters,
    DomainParameters, DomainSuffix, IpAccessControlListParameters, IpAddressParameters, Mint,
    Patch, Reply, Resource, Secret, Snapshot, Write, WriteError,
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
        self.try_write(account, write).err().map_or(0, |error| error.code.number())
    }

    fn domain(&mut self, account: AccountSid, name: &str) -> DomainSid {
        match self.try_write(account, &domain(name)) {
            Ok(Reply::Resource(Resource::Domain(domain), _)) => domain.sid,
            other => panic!("{name}: {other:?}"),
        }
    }

    fn credential_list(&mut self, account: AccountSid, name: &str) -> CredentialListSid {
        let write =
            Write::create(CredentialListParameters { friendly_name: Patch::Set(name.to_owned()) });
        match self.try_write(account, &write) {
            Ok(Reply::Resource(Resource::CredentialList(row), _)) => row.sid,
            other => panic!("{name}: {other:?}"),
        }
    }

    fn ip_list(&mut self, account: AccountSid, name: &str) -> IpAccessControlListSid {
        let write = Write::create(IpAccessControlListParameters {
            friendly_name: Patch::Set(name.to_owned()),
        });
        match self.try_write(account, &write) {
            Ok(Reply::Resource(Resource::IpAccessControlList(row), _)) => row.sid,
            other => panic!("{name}: {other:?}"),
        }
    }

    fn sub_account(&mut self) -> AccountSid {
        match self.try_write(MAIN, &Write::create(AccountParameters::default())) {
            Ok(Reply::Resource(Resource::Account(row), _)) => row.sid,
            other => panic!("{other:?}"),
        }
    }
}

fn domain(name: &str) -> Write {
    let domain_name = Patch::Set(name.to_owned());
    Write::create(DomainParameters { domain_name, ..DomainParameters::default() })
}

fn credential(list: CredentialListSid, username: &str, password: &str) -> Write {
    let (username, password) = (username.to_owned(), Secret::new(password));
    Write::create_in(
        list.0,
        CredentialParameters { username: Patch::Set(username), password: Patch::Set(password) },
    )
}

fn address(list: IpAccessControlListSid, name: &str, address: &str, prefix: Option<u8>) -> Write {
    let given = IpAddressParameters {
        friendly_name: Patch::Set(name.to_owned()),
        address: Patch::Set(address.parse().unwrap()),
        prefix: prefix.map_or(Patch::Keep, Patch::Set),
    };
    Write::create_in(list.0, given)
}
