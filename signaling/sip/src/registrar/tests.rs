//! Unit tests of the registrar: requests in, bindings and indexes checked.

use std::time::Duration;

use shared::Transport;

use super::*;
use crate::message::Message;

const ALICE: &str = "<sip:alice@10.0.0.5:5060>";

fn now_after(seconds: u64) -> Now {
    let start = Now { mono: Instant::from_millis(1_000), unix_ms: 1_700_000_000_000 };
    start.after(Duration::from_secs(seconds))
}

fn user(name: &str) -> AddressOfRecord {
    AddressOfRecord { domain: DomainSid(1), user: name.into() }
}

fn flow(transport: Transport, id: u64) -> Flow {
    Flow {
        id: FlowId(id),
        transport,
        local: "198.51.100.1:5060".parse().unwrap(),
        remote: "203.0.113.9:40112".parse().unwrap(),
    }
}

fn request(contact: &str, cseq: u32, more: &str) -> Request {
    let text = format!(
        "REGISTER sip:desk.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK1\r\n\
         From: <sip:a@desk.test>;tag=1\r\nTo: <sip:a@desk.test>\r\nCall-ID: c\r\n\
         CSeq: {cseq} REGISTER\r\nContact: {contact}\r\n{more}Content-Length: 0\r\n\r\n"
    );
    match Message::parse(text.as_bytes()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => unreachable!("it is a request"),
    }
}

struct World {
    registrar: Registrar,
    minted: u128,
    cseq: u32,
}

impl World {
    fn new(bytes_max: usize) -> Self {
        Self { registrar: Registrar::new(bytes_max), minted: 0, cseq: 0 }
    }

    fn register(&mut self, name: &str, contact: &str) -> Result<Changes, Objection> {
        self.register_by(name, contact, flow(Transport::Udp, 0), "")
    }

    fn register_by(
        &mut self,
        name: &str,
        contact: &str,
        flow: Flow,
        more: &str,
    ) -> Result<Changes, Objection> {
        self.cseq += 1;
        let request = request(contact, self.cseq, more);
        let registering = Registering { request: &request, flow, edge: "ashburn" };
        let minted = &mut self.minted;
        let mint = || {
            *minted += 1;
            BindingSid(*minted)
        };
        // A second apart, so that the rate limit stays out of these tests.
        let now = now_after(u64::from(self.cseq));
        self.registrar.register(now, &user(name), registering, mint)
    }

    fn is_empty_everywhere(&self) -> bool {
        let Registrar { users, owners, expiries, by_connection, sources, bytes, .. } =
            &self.registrar;
        users.is_empty()
            && owners.is_empty()
            && expiries.is_empty()
            && by_connection.is_empty()
            && sources.is_empty()
            && *bytes == 0
    }
}

#[test]
fn every_way_out_leaves_no_index_behind() {
    let mut world = World::new(1 << 20);
    world.register("a", ALICE).unwrap();
    world.register_by("b", ALICE, flow(Transport::Tcp, 7), "").unwrap();
    world.register("c", ALICE).unwrap();
    assert!(world.registrar.is_on_connection(FlowId(7)));
    assert!(world.registrar.vouches_for("203.0.113.9".parse().unwrap()));
    assert_eq!(world.registrar.connection_closed(FlowId(7)).len(), 1);
    world.register("c", "<sip:alice@10.0.0.5:5060>;expires=0").unwrap();
    assert_eq!(world.registrar.expire(now_after(10_000).mono, 10).len(), 1);
    assert!(world.is_empty_everywhere());
    world.register("d", ALICE).unwrap();
    world.registrar.domain_gone(DomainSid(1));
    assert!(world.is_empty_everywhere());
}

#[test]
fn the_table_takes_no_more_bytes_than_it_may_and_a_refresh_always_passes() {
    let mut world = World::new(4 * shared::limits::BINDING_BYTES);
    let taken = (0..100).take_while(|n| world.register(&format!("u{n}"), ALICE).is_ok()).count();
    assert!((4..10).contains(&taken), "{taken}");
    assert!(world.registrar.bytes() <= 4 * shared::limits::BINDING_BYTES);
    let refused = world.register("late", ALICE).unwrap_err().refusal;
    assert_eq!((refused.rule, refused.status), ("bindings_limit", Some(503)));
    world.register("u0", ALICE).unwrap();
}

#[test]
fn a_refused_register_changes_nothing() {
    let mut world = World::new(1 << 20);
    world.register("a", ALICE).unwrap();
    let before = world.registrar.bindings(&user("a")).to_vec();
    for contact in [
        "<sip:a@10.0.0.6>,<sip:a@10.0.0.7>;expires=10",
        "<sip:a@10.0.0.6>,<mailto:a@example.org>",
        "<sip:a@10.0.0.6>,<sip:a@127.0.0.1>",
    ] {
        world.register("a", contact).unwrap_err();
        assert_eq!(world.registrar.bindings(&user("a")), before, "{contact}");
    }
    let request = request(ALICE, 1, ""); // an older request of the same Call-ID
    let registering =
        Registering { request: &request, flow: flow(Transport::Udp, 0), edge: "ashburn" };
    let late = world.registrar.register(now_after(60), &user("a"), registering, || BindingSid(9));
    let late = late.unwrap_err().refusal;
    assert_eq!((late.rule, late.status), ("register_out_of_order", Some(500)));
}

#[test]
fn a_path_is_kept_and_is_the_route_of_calls() {
    let mut world = World::new(1 << 20);
    let path = "Path: <sip:edge.test;lr>, <sip:192.0.2.1;lr;received=sip:1.2.3.4>\r\n";
    world.register_by("a", ALICE, flow(Transport::Udp, 0), path).unwrap();
    let route: Vec<String> =
        world.registrar.bindings(&user("a"))[0].route().iter().map(ToString::to_string).collect();
    assert_eq!(route, ["sip:edge.test;lr", "sip:192.0.2.1;lr;received=sip:1.2.3.4"]);
    let broken = world.register_by("b", ALICE, flow(Transport::Udp, 0), "Path: <<\r\n");
    assert_eq!(broken.unwrap_err().refusal.status, Some(400));
}

#[test]
fn a_call_asks_for_the_contact_without_what_no_request_uri_may_have() {
    let mut world = World::new(1 << 20);
    let contact = "\"A\" <sip:a@10.0.0.5;transport=tcp;method=INVITE?X-A=1>;q=0.5";
    world.register("a", contact).unwrap();
    let binding = &world.registrar.bindings(&user("a"))[0];
    assert_eq!(binding.target().unwrap().to_string(), "sip:a@10.0.0.5;transport=tcp");
    let shown = binding.shown(now_after(1).mono).unwrap().to_string();
    assert_eq!(
        shown,
        "\"A\" <sip:a@10.0.0.5;transport=tcp;method=INVITE?X-A=1>;q=0.5;expires=3600"
    );
}

#[test]
fn two_equal_contacts_in_one_request_are_one() {
    let mut world = World::new(1 << 20);
    let changes = world.register("a", &format!("{ALICE},{ALICE}")).unwrap();
    assert_eq!(changes.put.len(), 1);
    let gone = world.register("a", &format!("{ALICE},{ALICE};expires=0")).unwrap();
    assert_eq!((gone.put.len(), gone.removed.len()), (0, 1));
    assert!(world.is_empty_everywhere());
}
