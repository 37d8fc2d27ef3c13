//! Input from unauthenticated sources: nothing panics, nothing is kept.

use proptest::prelude::*;
use shared::Transport;
use sip::{Flow, FlowId};

use crate::world::{A, Who, World, udp};

fn unknown_source(transport: Transport) -> Flow {
    Flow { id: FlowId(77), transport, remote: ([203, 0, 113, 9], 9).into(), ..udp(Who::Bob) }
}

/// Messages of a whole call, to be changed and sent by somebody else.
fn overheard() -> Vec<Vec<u8>> {
    let mut world = World::new(1);
    world.talking(Transport::Udp);
    world.bye(Who::Alice);
    world.run(std::time::Duration::from_secs(1));
    world.sent.iter().map(|sent| sent.message.to_bytes()).collect()
}

fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, usize, Vec<u8>)>> {
    let byte = prop_oneof![prop::sample::select(b"\r\n ;:=,\"<>@z9".to_vec()), any::<u8>()];
    prop::collection::vec(
        (any::<prop::sample::Index>(), 0_usize..6, prop::collection::vec(byte, 0..6)),
        0..4,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn random_bytes_leave_no_state(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for transport in [Transport::Udp, Transport::Tcp] {
            let mut world = World::new(2);
            world.inject(Who::Bob, unknown_source(transport), &bytes);
            world.assert_nothing_is_left();
            prop_assert_eq!(world.agent(Who::Bob).meters().connections, 0, "an idle connection is closed");
        }
    }

    #[test]
    fn changed_messages_leave_no_state_and_do_not_end_a_call(
        which in any::<prop::sample::Index>(),
        edits in edits(),
    ) {
        let messages = overheard();
        let mut bytes = messages[which.index(messages.len())].clone();
        for (index, out, put) in edits {
            let at = index.index(bytes.len() + 1);
            let end = (at + out).min(bytes.len());
            bytes.splice(at..end, put);
        }
        for transport in [Transport::Udp, Transport::Tcp] {
            // Another seed than the one overheard: tags and branches fit nothing here.
            let mut world = World::new(3);
            world.talking(Transport::Udp);
            world.inject(Who::Bob, unknown_source(transport), &bytes);
            world.inject(Who::Alice, unknown_source(transport), &bytes);
            prop_assert!(world.agent(Who::Alice).has_session(A));
            world.bye(Who::Alice);
            world.assert_nothing_is_left();
        }
    }

    /// Whoever listens on the wire can end a call; it still leaves nothing behind.
    #[test]
    fn changed_messages_of_the_call_itself_leave_nothing_after_its_end(
        which in any::<prop::sample::Index>(),
        edits in edits(),
    ) {
        let mut world = World::new(4);
        world.talking(Transport::Udp);
        let messages: Vec<Vec<u8>> =
            world.sent.iter().map(|sent| sent.message.to_bytes()).collect();
        let mut bytes = messages[which.index(messages.len())].clone();
        for (index, out, put) in edits {
            let at = index.index(bytes.len() + 1);
            let end = (at + out).min(bytes.len());
            bytes.splice(at..end, put);
        }
        for who in [Who::Alice, Who::Bob] {
            world.inject(who, udp(who), &bytes);
        }
        world.bye(Who::Alice);
        world.bye(Who::Bob);
        world.assert_nothing_is_left();
    }
}
