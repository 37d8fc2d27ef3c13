//! Configuration: writes under their preconditions, and the snapshot that follows them.

use store::{
    AccountParameters, Change, Conflict, CredentialListParameters, Domain, DomainParameters,
    IpAccessControlListParameters, IpAddressParameters, KeyParameters, MappedList, Outcome, Patch,
    Reply, Resource, ResourceKey, ResourceKind, Snapshot, Write,
};

use super::rows::{alice, domain, first};
use super::{DAY_MS, House, MAIN, Place, T0};

fn what_was_acknowledged_is_there_after_a_kill<P: Place>() {
    let mut house = House::<P>::new();
    let Reply::Resource(Resource::Account(sub), _) =
        house.write(MAIN, &Write::create(AccountParameters::default()))
    else {
        panic!("not an account")
    };
    let Reply::Resource(Resource::Domain(domain), _) = house.write(sub.sid, &domain("plant7"))
    else {
        panic!("not a domain")
    };
    let Reply::Resource(Resource::CredentialList(list), _) = house.write(
        sub.sid,
        &Write::create(CredentialListParameters { friendly_name: Patch::Set("desk".to_owned()) }),
    ) else {
        panic!("not a list")
    };
    house.write(sub.sid, &alice(list.sid));
    let mapped = MappedList::CallsCredentialList(list.sid);
    house.write(sub.sid, &Write::CreateMapping { domain: domain.sid, list: mapped });
    let Reply::Resource(Resource::IpAccessControlList(acl), _) = house.write(
        sub.sid,
        &Write::create(IpAccessControlListParameters {
            friendly_name: Patch::Set("sbc".to_owned()),
        }),
    ) else {
        panic!("not a list")
    };
    house.write(
        sub.sid,
        &Write::create_in(
            acl.sid.0,
            IpAddressParameters {
                friendly_name: Patch::Set("a".to_owned()),
                address: Patch::Set("2001:db8::1".parse().unwrap()),
                prefix: Patch::Set(64),
            },
        ),
    );
    house.write(
        sub.sid,
        &Write::create(KeyParameters { friendly_name: Patch::Set("ci".to_owned()) }),
    );
    let before = format!("{:?}", house.opened.snapshot);

    let house = house.reopen(T0 + DAY_MS);

    assert_eq!(format!("{:?}", house.opened.snapshot), before);
    let admission = house.opened.snapshot.admission("plant7.sip.frankfurt.sidetone.test").unwrap();
    assert_eq!(admission.account.auth_token.expose_secret(), sub.auth_token.expose_secret());
    assert_eq!(admission.call_credentials("alice").count(), 1);
    assert!(admission.call_auth().credential_list && !admission.call_auth().ip_access_control_list);
}

fn two_writes_for_one_name_in_one_batch_conflict_truthfully<P: Place>() {
    let mut house = House::<P>::new();
    let (one, two) = (house.plan(MAIN, &domain("plant7")), house.plan(MAIN, &domain("PLANT7")));
    let three = house.plan(MAIN, &domain("plant8"));
    let batch = [one.change, two.change, three.change];
    assert_eq!(
        house.batch(&batch),
        [
            Outcome::Committed,
            Outcome::Conflict(Conflict::NameTaken(ResourceKind::Domain)),
            Outcome::Committed
        ]
    );
    let reader = house.reader();
    let reader: &dyn store::Reader = &*reader;
    let domains = reader.resources::<Domain>(MAIN.0, first(10)).unwrap();
    assert_eq!(domains.rows.len(), 2);
}

fn the_last_place_under_a_limit_goes_to_one_of_two_writes<P: Place>() {
    let mut house = House::<P>::new();
    for number in 0..99 {
        house.write(MAIN, &domain(&format!("d{number}")));
    }
    let (one, two) = (house.plan(MAIN, &domain("last")), house.plan(MAIN, &domain("too-late")));
    assert_eq!(
        house.batch(&[one.change, two.change]),
        [Outcome::Committed, Outcome::Conflict(Conflict::LimitReached(ResourceKind::Domain))]
    );
}

fn an_update_planned_on_an_older_revision_is_stale<P: Place>() {
    let mut house = House::<P>::new();
    let Reply::Resource(Resource::Domain(row), _) = house.write(MAIN, &domain("plant7")) else {
        panic!("not a domain")
    };
    let rename = |name: &str| {
        let friendly_name = Patch::Set(name.to_owned());
        Write::update(row.sid.0, DomainParameters { friendly_name, ..Default::default() })
    };
    let (one, two) = (house.plan(MAIN, &rename("one")), house.plan(MAIN, &rename("two")));
    assert_eq!(
        house.batch(&[one.change.clone(), two.change]),
        [Outcome::Committed, Outcome::Conflict(Conflict::Stale)]
    );
    house.opened.snapshot.apply(&one.change);
    house.write(MAIN, &rename("three"));
    let reader = house.reader();
    let reader: &dyn store::Reader = &*reader;
    let stored = reader.resource::<Domain>(Some(MAIN.0), row.sid.0).unwrap().unwrap();
    assert_eq!((stored.friendly_name.as_str(), stored.revision), ("three", 3));
}

fn a_list_cannot_go_while_another_write_maps_it<P: Place>() {
    let mut house = House::<P>::new();
    let Reply::Resource(Resource::Domain(row), _) = house.write(MAIN, &domain("plant7")) else {
        panic!("not a domain")
    };
    let Reply::Resource(Resource::CredentialList(list), _) = house.write(
        MAIN,
        &Write::create(CredentialListParameters { friendly_name: Patch::Set("desk".to_owned()) }),
    ) else {
        panic!("not a list")
    };
    let mapped = MappedList::RegistrationsCredentialList(list.sid);
    let map = house.plan(MAIN, &Write::CreateMapping { domain: row.sid, list: mapped });
    let again = house.plan(MAIN, &Write::CreateMapping { domain: row.sid, list: mapped });
    let delete = house.plan(MAIN, &Write::delete(ResourceKind::CredentialList, list.sid.0));
    assert_eq!(
        house.batch(&[map.change, again.change, delete.change]),
        [
            Outcome::Committed,
            Outcome::Conflict(Conflict::AlreadyMapped),
            Outcome::Conflict(Conflict::InUse(ResourceKind::CredentialList))
        ]
    );
    // The domain takes its mappings with it; after that the list may go.
    let delete_domain = house.plan(MAIN, &Write::delete(ResourceKind::Domain, row.sid.0));
    let delete_list = house.plan(MAIN, &Write::delete(ResourceKind::CredentialList, list.sid.0));
    assert_eq!(
        house.batch(&[delete_domain.change, delete_list.change]),
        [Outcome::Committed, Outcome::Committed]
    );
}

fn a_domain_cannot_go_while_another_write_makes_a_subdomain<P: Place>() {
    let mut house = House::<P>::new();
    let Reply::Resource(Resource::Domain(row), _) = house.write(MAIN, &domain("plant7")) else {
        panic!("not a domain")
    };
    let child = house.plan(MAIN, &domain("line1.plant7"));
    let delete = house.plan(MAIN, &Write::delete(ResourceKind::Domain, row.sid.0));
    assert_eq!(
        house.batch(&[child.change.clone(), delete.change.clone()]),
        [Outcome::Committed, Outcome::Conflict(Conflict::InUse(ResourceKind::Domain))]
    );
    let other = house.plan(MAIN, &domain("line2.plant7"));
    let Change::Insert(Resource::Domain(child)) = child.change else { panic!("not a domain") };
    let delete_child = Change::Delete(ResourceKey { kind: ResourceKind::Domain, sid: child.sid.0 });
    assert_eq!(
        house.batch(&[delete_child, delete.change, other.change]),
        [Outcome::Committed, Outcome::Committed, Outcome::Conflict(Conflict::Missing)]
    );
}

/// The snapshot follows the disk also for rows that a cascade removed.
fn the_snapshot_after_any_history_is_what_a_fresh_start_loads<P: Place>() {
    let mut house = House::<P>::new();
    for name in ["a", "b", "x.a", "y.x.a"] {
        house.write(MAIN, &domain(name));
    }
    let Reply::Resource(Resource::IpAccessControlList(acl), _) = house.write(
        MAIN,
        &Write::create(IpAccessControlListParameters {
            friendly_name: Patch::Set("sbc".to_owned()),
        }),
    ) else {
        panic!("not a list")
    };
    for number in 1..4_u8 {
        house.write(
            MAIN,
            &Write::create_in(
                acl.sid.0,
                IpAddressParameters {
                    friendly_name: Patch::Set(format!("n{number}")),
                    address: Patch::Set([192, 0, 2, number].into()),
                    prefix: Patch::Keep,
                },
            ),
        );
    }
    let labels = |snapshot: &Snapshot, labels: &str| snapshot.domain_by_labels(labels).unwrap().sid;
    let list = MappedList::CallsIpAccessControlList(acl.sid);
    let b = labels(&house.opened.snapshot, "b");
    house.write(MAIN, &Write::CreateMapping { domain: b, list });
    house.write(MAIN, &Write::delete(ResourceKind::Domain, b.0));
    house.write(MAIN, &Write::delete(ResourceKind::IpAccessControlList, acl.sid.0));
    let deepest = labels(&house.opened.snapshot, "y.x.a");
    house.write(MAIN, &Write::delete(ResourceKind::Domain, deepest.0));
    let held = format!("{:?}", house.opened.snapshot);
    let house = house.reopen(T0);
    assert_eq!(format!("{:?}", house.opened.snapshot), held);
}

over_each_driver! {
    what_was_acknowledged_is_there_after_a_kill,
    two_writes_for_one_name_in_one_batch_conflict_truthfully,
    the_last_place_under_a_limit_goes_to_one_of_two_writes,
    an_update_planned_on_an_older_revision_is_stale,
    a_list_cannot_go_while_another_write_maps_it,
    a_domain_cannot_go_while_another_write_makes_a_subdomain,
    the_snapshot_after_any_history_is_what_a_fresh_start_loads,
}
