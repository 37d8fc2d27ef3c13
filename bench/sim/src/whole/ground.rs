//! What a house stands on: its account, its domain with four users, and what its application answers.

use std::sync::Arc;

use shared::ids::Origin;
use store::{
    Account, Change, DomainFields, DomainSuffix, MappedList, Mint, Patch, Reply, Resource, Secret,
    Snapshot, Write,
};

use super::house::Asked;
use super::party::DOMAIN;
use super::{PASSWORD, START_UNIX_MS};
use crate::rng::Rng;
use crate::world::ACCOUNT;

/// One account and one domain, whose four users may call and register.
pub fn snapshot(rng: &mut Rng) -> Snapshot {
    let mut snapshot = Snapshot::new(DomainSuffix::new("sidetone.test"));
    let token = Secret::new("0123456789abcdef0123456789abcdef");
    let account = Account::main(ACCOUNT, token, "sim", START_UNIX_MS);
    snapshot.apply(&Change::Insert(Resource::Account(Arc::new(account))));
    let fields = DomainFields {
        domain_name: Some(DOMAIN.to_owned()),
        voice_url: Patch::Set("http://10.0.0.9/voice".to_owned()),
        voice_status_callback_url: Patch::Set("http://10.0.0.9/status".to_owned()),
        sip_registration: Patch::Set(true),
        ..DomainFields::default()
    };
    let created = write(&mut snapshot, rng, Write::CreateDomain(Box::new(fields)));
    let Reply::Domain { domain, .. } = created else { unreachable!("a domain was asked for") };
    let create = Write::CreateCredentialList { friendly_name: "desk".to_owned() };
    let Reply::CredentialList(list) = write(&mut snapshot, rng, create) else {
        unreachable!("a list was asked for")
    };
    for username in ["alice", "bob", "carol", "dave"] {
        let (username, password) = (username.to_owned(), Secret::new(PASSWORD));
        write(&mut snapshot, rng, Write::CreateCredential { list: list.sid, username, password });
    }
    let lists = [MappedList::CallsCredentialList, MappedList::RegistrationsCredentialList];
    for list in lists.map(|of| of(list.sid)) {
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

/// What the application answers. `plain-bob` is called by a `<Dial>` that answers at once, `bridge-bob`
/// by one that answers when bob does; whoever is transferred to somebody is connected with him.
pub fn document(asked: &Asked) -> String {
    let verbs = match asked.path.as_str() {
        "voice" => {
            let user = user_of(asked.value("To"));
            match user.split_once('-') {
                Some(("bridge", user)) => dial(user, true),
                Some((_, user)) => dial(user, false),
                None => String::new(),
            }
        }
        "refer" => dial(user_of(asked.value("ReferTransferTarget")), false),
        _ => String::new(),
    };
    format!("<Response>{verbs}</Response>")
}

/// Rings for as long, and 5 s longer (contract sip-interface.md 8).
pub const RINGS_S: u64 = 20;

fn dial(user: &str, on_bridge: bool) -> String {
    format!(
        "<Dial action=\"/next\" referUrl=\"/refer\" timeout=\"{RINGS_S}\" \
         answerOnBridge=\"{on_bridge}\"><Sip>sip:{user}@{DOMAIN}</Sip></Dial>"
    )
}

fn user_of(address: &str) -> &str {
    let address = address.trim_start_matches('<').trim_start_matches("sip:");
    address.split('@').next().unwrap_or_default()
}
