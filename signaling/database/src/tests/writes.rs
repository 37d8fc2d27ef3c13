//! Configuration: writes under their preconditions, and the snapshot that follows them.

use store::{
    Change, Conflict, DomainFields, MappedList, Outcome, Patch, Reply, Resource, ResourceKey,
    ResourceKind, Secret, Snapshot, Write,
};

use super::rows::{domain, first};
use super::{DAY_MS, House, MAIN, Place, T0};

fn what_was_acknowledged_is_there_after_a_kill<P: Place>() {
    let mut house = House::<P>::new();
    let Reply::Account(sub) = house.write(MAIN, &Write::CreateAccount { friendly_name: None })
    else {
        panic!("not an account")
    };
    let Reply::Domain { domain, .. } = house.write(sub.sid, &domain("plant7")) else {
        panic!("not a domain")
    };
    let Reply::CredentialList(list) =
        house.write(sub.sid, &Write::CreateCredentialList { friendly_name: "desk".to_owned() })
    else {
        panic!("not a list")
    };
    house.write(
        sub.sid,
        &Write::CreateCredential {
            list: list.sid,
            username: "alice".to_owned(),
            password: Secret::new("Correct-Horse-7"),
        },
    );
    let mapped = MappedList::CallsCredentialList(list.sid);
    house.write(sub.sid, &Write::CreateMapping { domain: domain.sid, list: mapped });
    let Reply::IpAccessControlList(acl) =
        house.write(sub.sid, &Write::CreateIpAccessControlList { friendly_name: "sbc".to_owned() })
    else {
        panic!("not a list")
    };
    house.write(
        sub.sid,
        &Write::CreateIpAddress {
            list: acl.sid,
            friendly_name: "a".to_owned(),
            address: "2001:db8::1".parse().unwrap(),
            prefix: Some(64),
        },
    );
    house.write(sub.sid, &Write::CreateKey { friendly_name: Some("ci".to_owned()) });
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
    assert_eq!(house.reader().domains(MAIN, first(10)).unwrap().rows.len(), 2);
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
    let Reply::Domain { domain: row, .. } = house.write(MAIN, &domain("plant7")) else {
        panic!("not a domain")
    };
    let rename = |name: &str| Write::UpdateDomain {
        domain: row.sid,
        fields: Box::new(DomainFields {
            friendly_name: Patch::Set(name.to_owned()),
            ..DomainFields::default()
        }),
    };
    let (one, two) = (house.plan(MAIN, &rename("one")), house.plan(MAIN, &rename("two")));
    assert_eq!(
        house.batch(&[one.change.clone(), two.change]),
        [Outcome::Committed, Outcome::Conflict(Conflict::Stale)]
    );
    house.opened.snapshot.apply(&one.change);
    house.write(MAIN, &rename("three"));
    let (stored, _) = house.reader().domain(MAIN, row.sid).unwrap().unwrap();
    assert_eq!((stored.friendly_name.as_str(), stored.revision), ("three", 3));
}

fn a_list_cannot_go_while_another_write_maps_it<P: Place>() {
    let mut house = House::<P>::new();
    let Reply::Domain { domain: row, .. } = house.write(MAIN, &domain("plant7")) else {
        panic!("not a domain")
    };
    let Reply::CredentialList(list) =
        house.write(MAIN, &Write::CreateCredentialList { friendly_name: "desk".to_owned() })
    else {
        panic!("not a list")
    };
    let mapped = MappedList::RegistrationsCredentialList(list.sid);
    let map = house.plan(MAIN, &Write::CreateMapping { domain: row.sid, list: mapped });
    let again = house.plan(MAIN, &Write::CreateMapping { domain: row.sid, list: mapped });
    let delete = house.plan(MAIN, &Write::DeleteCredentialList(list.sid));
    assert_eq!(
        house.batch(&[map.change, again.change, delete.change]),
        [
            Outcome::Committed,
            Outcome::Conflict(Conflict::AlreadyMapped),
            Outcome::Conflict(Conflict::InUse(ResourceKind::CredentialList))
        ]
    );
    // The domain takes its mappings with it; after that the list may go.
    let delete_domain = house.plan(MAIN, &Write::DeleteDomain(row.sid));
    let delete_list = house.plan(MAIN, &Write::DeleteCredentialList(list.sid));
    assert_eq!(
        house.batch(&[delete_domain.change, delete_list.change]),
        [Outcome::Committed, Outcome::Committed]
    );
}

fn a_domain_cannot_go_while_another_write_makes_a_subdomain<P: Place>() {
    let mut house = House::<P>::new();
    let Reply::Domain { domain: row, .. } = house.write(MAIN, &domain("plant7")) else {
        panic!("not a domain")
    };
    let child = house.plan(MAIN, &domain("line1.plant7"));
    let delete = house.plan(MAIN, &Write::DeleteDomain(row.sid));
    assert_eq!(
        house.batch(&[child.change.clone(), delete.change.clone()]),
        [Outcome::Committed, Outcome::Conflict(Conflict::InUse(ResourceKind::Domain))]
    );
    let other = house.plan(MAIN, &domain("line2.plant7"));
    let Change::Insert(Resource::Domain(child)) = child.change else { panic!("not a domain") };
    let delete_child = Change::Delete(ResourceKey::Domain(child.sid));
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
    let Reply::IpAccessControlList(acl) =
        house.write(MAIN, &Write::CreateIpAccessControlList { friendly_name: "sbc".to_owned() })
    else {
        panic!("not a list")
    };
    for number in 1..4_u8 {
        house.write(
            MAIN,
            &Write::CreateIpAddress {
                list: acl.sid,
                friendly_name: format!("n{number}"),
                address: [192, 0, 2, number].into(),
                prefix: None,
            },
        );
    }
    let labels = |snapshot: &Snapshot, labels: &str| snapshot.domain_by_labels(labels).unwrap().sid;
    let list = MappedList::CallsIpAccessControlList(acl.sid);
    let b = labels(&house.opened.snapshot, "b");
    house.write(MAIN, &Write::CreateMapping { domain: b, list });
    house.write(MAIN, &Write::DeleteDomain(b));
    house.write(MAIN, &Write::DeleteIpAccessControlList(acl.sid));
    let deepest = labels(&house.opened.snapshot, "y.x.a");
    house.write(MAIN, &Write::DeleteDomain(deepest));
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
