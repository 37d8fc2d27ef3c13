//! A database before and while it is opened.

use std::sync::Arc;

use store::{
    CredentialListParameters, DomainSuffix, Mint, Outcome, Patch, Reply, Resource, StoreError,
    Write,
};

use super::rows::{alice, domain};
use super::{House, MAIN, ORIGIN, Place, SUFFIX, T0, TestSealer};
use crate::{Database, Found};

fn what_is_found_is_nothing_an_empty_store_or_one_with_accounts<P: Place>() {
    let place = P::new();
    let find = || place.database().find().unwrap();
    assert_eq!(find(), Found::Nothing);
    drop(place.database().open(DomainSuffix::new(SUFFIX), T0, ORIGIN).unwrap());
    assert_eq!(find(), Found::Empty);
    let house = House::<P>::new();
    assert_eq!(house.place.database().find().unwrap(), Found::Accounts);
}

fn another_realm_is_refused_once_there_are_users<P: Place>() {
    let mut house = House::<P>::new();
    let Reply::Resource(Resource::CredentialList(list), _) = house.write(
        MAIN,
        &Write::create(CredentialListParameters { friendly_name: Patch::Set("desk".to_owned()) }),
    ) else {
        panic!("not a list")
    };
    let House { place, opened, .. } = house;
    drop(opened);
    let open = |suffix| place.database().open(DomainSuffix::new(suffix), T0, ORIGIN);
    // Without users another suffix is harmless.
    let mut opened = open("other.test").unwrap();
    let write = alice(list.sid);
    let mint = Mint { unix_ms: T0, origin: ORIGIN, random: [1; 40] };
    let planned = opened.snapshot.check(MAIN, &write, &mint).unwrap();
    assert_eq!(opened.writer.commit(T0, &[planned.change]).unwrap(), [Outcome::Committed]);
    drop(opened);
    assert!(matches!(open(SUFFIX), Err(StoreError::OtherRealm { .. })));
}

fn a_database_that_no_gateway_opened_has_no_snapshot_to_read<P: Place>() {
    let house = House::<P>::new();
    let snapshot = house.place.database().snapshot(DomainSuffix::new(SUFFIX)).unwrap();
    assert!(snapshot.account(MAIN).is_some());
    let empty = P::new().database().snapshot(DomainSuffix::new(SUFFIX));
    assert!(matches!(empty, Err(StoreError::Unusable(_) | StoreError::Older { .. })));
}

fn a_backup_is_a_whole_database<P: Place>() {
    let mut house = House::<P>::new();
    house.write(MAIN, &domain("plant7"));
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    house.opened.writer.back_up(&copy).unwrap();
    let copy = Database::at(&copy, Arc::new(TestSealer));
    let opened = copy.open(DomainSuffix::new(SUFFIX), T0, ORIGIN).unwrap();
    assert_eq!(opened.snapshot.domains().count(), 1);
    assert!(opened.snapshot.account(MAIN).is_some());
}

over_each_driver! {
    what_is_found_is_nothing_an_empty_store_or_one_with_accounts,
    another_realm_is_refused_once_there_are_users,
    a_database_that_no_gateway_opened_has_no_snapshot_to_read,
    a_backup_is_a_whole_database,
}
