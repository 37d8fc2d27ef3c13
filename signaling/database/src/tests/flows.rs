//! Revisions of flows.

use shared::FlowSid;
use shared::limits::FLOW_REVISIONS_MAX;
use store::{Conflict, FlowParameters, Outcome, Patch, Reply, Resource, ResourceKind, Write};

use super::{House, MAIN, Place, T0};

fn parameters(status: &str, definition: &str) -> FlowParameters {
    let set = |text: &str| Patch::Set(text.to_owned());
    FlowParameters {
        friendly_name: set("Desk"),
        status: set(status),
        definition: set(definition),
        commit_message: set(definition),
    }
}

fn revise<P: Place>(house: &mut House<P>, flow: FlowSid, status: &str, definition: &str) {
    house.write(MAIN, &Write::update(flow.0, parameters(status, definition)));
}

fn a_flow_keeps_its_newest_revisions_and_the_published_one_over_a_kill<P: Place>() {
    let mut house = House::<P>::new();
    let created = house.write(MAIN, &Write::create(parameters("draft", "\"one\"")));
    let Reply::Resource(Resource::Flow(flow), _) = created else { panic!("not a flow") };
    let other = house.write(MAIN, &Write::create(parameters("published", "\"other\"")));
    let Reply::Resource(Resource::Flow(other), _) = other else { panic!("not a flow") };
    revise(&mut house, flow.sid, "published", "\"two\"");
    revise(&mut house, flow.sid, "draft", "\"three\"");

    let mut house = house.reopen(T0);

    let kept = |house: &House<P>, number| house.reader().flow_revision(flow.sid, number).unwrap();
    for (number, status, definition) in
        [(1, "draft", "\"one\""), (2, "published", "\"two\""), (3, "draft", "\"three\"")]
    {
        let row = kept(&house, number).expect("it is kept");
        assert_eq!((row.revision, row.status.as_str()), (number, status));
        assert_eq!(row.definition, definition);
        assert_eq!(row.commit_message.as_deref(), Some(definition));
        assert_eq!((row.sid, row.published_revision), (flow.sid, Some(2)));
    }
    assert_eq!(kept(&house, 4), None);
    let most = FLOW_REVISIONS_MAX as u64;
    for number in 4..=most + 3 {
        revise(&mut house, flow.sid, "draft", &number.to_string());
    }
    let numbers = |house: &House<P>, flow| {
        let mut numbers = house.reader().flow_revisions(flow).unwrap();
        numbers.sort_unstable();
        numbers
    };
    // The first and the third went; the second is published.
    let expected: Vec<u64> = std::iter::once(2).chain(5..=most + 3).collect();
    assert_eq!(expected.len(), FLOW_REVISIONS_MAX);
    assert_eq!(numbers(&house, flow.sid), expected);
    revise(&mut house, flow.sid, "published", "\"last\"");
    assert_eq!(numbers(&house, flow.sid), (5..=most + 4).collect::<Vec<_>>());
    assert_eq!(numbers(&house, other.sid), [1]);
    house.write(MAIN, &Write::delete(ResourceKind::Flow, flow.sid.0));
    assert_eq!(numbers(&house, flow.sid), [0_u64; 0]);
}

fn test_users_stay_over_a_kill_and_go_with_their_flow<P: Place>() {
    let mut house = House::<P>::new();
    let created = house.write(MAIN, &Write::create(parameters("draft", "\"one\"")));
    let Reply::Resource(Resource::Flow(flow), _) = created else { panic!("not a flow") };
    let users = |house: &House<P>| house.reader().flow_test_users(flow.sid).unwrap();
    assert_eq!(users(&house), "");
    for set in ["ann", "ann bob"] {
        house.write(MAIN, &Write::SetTestUsers { flow: flow.sid, users: set.to_owned() });
    }
    let mut house = house.reopen(T0);
    assert_eq!(users(&house), "ann bob");
    let late = house.plan(MAIN, &Write::SetTestUsers { flow: flow.sid, users: String::new() });
    house.write(MAIN, &Write::delete(ResourceKind::Flow, flow.sid.0));
    assert_eq!(house.batch(&[late.change]), [Outcome::Conflict(Conflict::Missing)]);
    assert_eq!(users(&house), "");
}

over_each_driver! {
    test_users_stay_over_a_kill_and_go_with_their_flow,
    a_flow_keeps_its_newest_revisions_and_the_published_one_over_a_kill,
}
