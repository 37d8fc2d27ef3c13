//! The account, the domain and the users of a simulated gateway, made by the product's own rules.

use std::sync::Arc;

use shared::AccountSid;
use shared::ids::{CredentialListSid, Origin};
use store::{
    Account, Change, CredentialListParameters, CredentialParameters, DomainParameters,
    DomainSuffix, MappedList, Mint, Patch, Reply, Resource, Secret, Snapshot, Write,
};

use crate::rng::Rng;

/// The one account.
pub const ACCOUNT: AccountSid = AccountSid(1);
/// Password of every user.
pub const PASSWORD: &str = "Secret-Passw0rd";
/// The one domain; its application is at `http://10.0.0.9/`.
pub const DOMAIN: &str = "desk.sip.sidetone.test";
/// Wall clock at the start, Unix time in milliseconds.
pub const START_UNIX_MS: i64 = 1_700_000_000_000;

/// An account and a domain with these fields, whose users may do what `mapped` lists.
pub fn snapshot(
    rng: &mut Rng,
    fields: DomainParameters,
    users: &[&str],
    mapped: &[fn(CredentialListSid) -> MappedList],
) -> Snapshot {
    let mut snapshot = Snapshot::new(DomainSuffix::new("sidetone.test"));
    let token = Secret::new("0123456789abcdef0123456789abcdef");
    let account = Account::main(ACCOUNT, token, "sim", START_UNIX_MS);
    snapshot.apply(&Change::Insert(Resource::Account(Arc::new(account))));
    let fields = DomainParameters {
        domain_name: Patch::Set(DOMAIN.to_owned()),
        voice_url: Patch::Set("http://10.0.0.9/voice".to_owned()),
        voice_status_callback_url: Patch::Set("http://10.0.0.9/status".to_owned()),
        ..fields
    };
    let created = write(&mut snapshot, rng, Write::create(fields));
    let Reply::Resource(Resource::Domain(domain), _) = created else {
        unreachable!("a domain was requested")
    };
    let create =
        Write::create(CredentialListParameters { friendly_name: Patch::Set("desk".to_owned()) });
    let Reply::Resource(Resource::CredentialList(list), _) = write(&mut snapshot, rng, create)
    else {
        unreachable!("a list was requested")
    };
    for user in users {
        let (username, password) = ((*user).to_owned(), Secret::new(PASSWORD));
        write(
            &mut snapshot,
            rng,
            Write::create_in(
                list.sid.0,
                CredentialParameters {
                    username: Patch::Set(username),
                    password: Patch::Set(password),
                },
            ),
        );
    }
    for mapped in mapped {
        let list = mapped(list.sid);
        write(&mut snapshot, rng, Write::CreateMapping { domain: domain.sid, list });
    }
    snapshot
}

fn write(snapshot: &mut Snapshot, rng: &mut Rng, write: Write) -> Reply {
    let mut random = [0; 40];
    random[..32].copy_from_slice(&rng.bytes());
    let origin = Origin { node: 1, generation: 1 };
    let mint = Mint { unix_ms: START_UNIX_MS, origin, random };
    let planned = snapshot.check(ACCOUNT, &write, &mint).expect("allowed");
    snapshot.apply(&planned.change);
    planned.reply
}
