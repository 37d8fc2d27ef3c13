//! REFER in both roles: its answer, NOTIFYs in their order, and the dialog a Replaces names.

use std::time::Duration;

use shared::{Refusal, Transport};
use sip::{Command, Message, Method, Replaces, UaEvent};

use crate::world::{A, B, Weather, Who, World};

const TARGET: &str = "sip:carol@c.test?X-Account=7";

fn refer(world: &mut World) {
    let (target, headers) = (TARGET.to_owned(), Vec::new());
    world.command(Who::Alice, Command::Refer { session: A, target, headers });
}

fn progress(told: &[UaEvent]) -> Vec<(Option<u16>, bool)> {
    told.iter()
        .filter_map(|event| match event {
            UaEvent::ReferProgress { status, is_over, .. } => Some((*status, *is_over)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_transfer_is_accepted_and_reported_to_its_end_in_order() {
    for weather in [Weather::default(), Weather { loss: 30, copies: 20, jitter_ms: 100 }] {
        let mut world = World::with(1, weather, |_, config| config);
        world.talking(Transport::Udp);
        refer(&mut world);
        world.run(Duration::from_secs(9));
        let told = world.told(Who::Bob);
        let asked = told.iter().find_map(|event| match event {
            UaEvent::Refer { refer, .. } => Some(refer.raw.clone()),
            _ => None,
        });
        assert_eq!(asked.as_deref(), Some("<sip:carol@c.test?X-Account=7>"));
        world.command(Who::Bob, Command::AnswerRefer { session: B, answer: Ok(()) });
        for (status, is_final) in [(180, false), (200, true)] {
            world.command(Who::Bob, Command::NotifyRefer { session: B, status, is_final });
        }
        world.run(Duration::from_secs(60));
        let told = world.told(Who::Alice);
        let answered =
            |event: &UaEvent| matches!(event, UaEvent::ReferAnswered { status: 202, .. });
        assert_eq!(told.iter().filter(|event| answered(event)).count(), 1, "{told:?}");
        assert_eq!(
            progress(&told),
            [(Some(100), false), (Some(180), false), (Some(200), true)],
            "{told:?}"
        );
        world.bye(Who::Alice);
        world.assert_nothing_is_left();
    }
}

#[test]
fn a_refused_transfer_has_no_subscription_and_the_call_goes_on() {
    let mut world = World::new(2);
    world.talking(Transport::Udp);
    refer(&mut world);
    world.run(Duration::from_secs(1));
    let refusal = Refusal::new("refer_no_url", 603, "there is no referUrl")
        .code(shared::Code::REFER_WITHOUT_URL);
    world.command(Who::Bob, Command::AnswerRefer { session: B, answer: Err(refusal) });
    world.command(Who::Bob, Command::NotifyRefer { session: B, status: 200, is_final: true });
    let told = world.events(Who::Alice);
    assert!(matches!(told.as_slice(), [UaEvent::ReferAnswered { status: 603, .. }]), "{told:?}");
    assert!(!world.ladder().contains(&"B NOTIFY".to_owned()));
    world.sent.clear();
    refer(&mut world);
    assert_eq!(world.ladder(), ["A REFER"]);
}

#[test]
fn an_undecided_transfer_is_refused_in_time() {
    let mut world = World::new(3);
    world.talking(Transport::Udp);
    refer(&mut world);
    world.run(Duration::from_secs(11));
    let told = world.told(Who::Alice);
    assert!(matches!(told.as_slice(), [UaEvent::ReferAnswered { status: 500, .. }]), "{told:?}");
}

#[test]
fn a_transfer_into_silence_is_reported_as_408_and_the_call_goes_on() {
    let mut world = World::new(4);
    world.talking(Transport::Udp);
    world.drop_if = Some(Box::new(|sent| crate::world::describe(sent) == "A REFER"));
    refer(&mut world);
    world.run(Duration::from_secs(40));
    let told = world.told(Who::Alice);
    assert!(matches!(told.as_slice(), [UaEvent::ReferAnswered { status: 408, .. }]), "{told:?}");
    assert!(world.agent(Who::Alice).has_session(A));
}

#[test]
fn a_second_transfer_waits_for_the_first_and_a_refer_waits_for_the_ack() {
    let mut world = World::new(5);
    let incoming = world.call(crate::world::invite(Transport::Udp));
    world.admit(incoming);
    world.drop_if = Some(Box::new(|sent| crate::world::describe(sent) == "A ACK"));
    world.answer();
    let (target, headers) = (TARGET.to_owned(), Vec::new());
    world.command(Who::Bob, Command::Refer { session: B, target, headers });
    world.run(Duration::from_secs(1));
    assert!(!world.ladder().contains(&"B REFER".to_owned()), "the call is not confirmed");
    world.drop_if = None;
    world.run(Duration::from_secs(5));
    assert!(world.ladder().contains(&"B REFER".to_owned()));
    let (target, headers) = (TARGET.to_owned(), Vec::new());
    world.command(Who::Bob, Command::Refer { session: B, target, headers });
    assert_eq!(world.agent(Who::Bob).meters().commands_ignored, 1);
}

#[test]
fn a_final_notify_that_overtakes_the_202_ends_the_transfer_once_the_202_is_there() {
    let mut world = World::new(8);
    world.talking(Transport::Udp);
    refer(&mut world);
    world.drop_if = Some(Box::new(|sent| crate::world::describe(sent) == "B 202 REFER"));
    world.run(Duration::from_millis(100));
    world.command(Who::Bob, Command::AnswerRefer { session: B, answer: Ok(()) });
    world.command(Who::Bob, Command::NotifyRefer { session: B, status: 200, is_final: true });
    world.run(Duration::from_millis(200));
    assert_eq!(progress(&world.told(Who::Alice)).last(), Some(&(Some(200), true)));
    refer(&mut world);
    assert_eq!(world.agent(Who::Alice).meters().commands_ignored, 1, "the first has no response");
    world.drop_if = None;
    let told = world.events(Who::Alice);
    assert!(matches!(told.as_slice(), [UaEvent::ReferAnswered { status: 202, .. }]), "{told:?}");
    world.sent.clear();
    refer(&mut world);
    assert_eq!(world.ladder(), ["A REFER"]);
}

#[test]
fn a_notify_for_nothing_is_481() {
    let mut world = World::new(6);
    world.talking(Transport::Udp);
    let mut notify = world.sent.iter().rev().find_map(|sent| match &sent.message {
        Message::Request(request) if request.method == Method::Ack => Some(request.clone()),
        _ => None,
    });
    let notify = notify.as_mut().expect("an ACK went by");
    notify.method = Method::Notify;
    notify.cseq = sip::CSeq { number: 9, method: Method::Notify };
    for (event, status) in [("refer", 481), ("presence", 489)] {
        notify.cseq.number += 1;
        notify.via[0].branch = sip::Text::token(format!("z9hG4bK{event}")).ok();
        notify.headers.set("Event", event).expect("a header");
        world.inject(Who::Bob, crate::world::udp(Who::Bob), &notify.to_bytes());
        assert!(world.ladder().contains(&format!("B {status} NOTIFY")), "{:?}", world.ladder());
    }
}

#[test]
fn a_replaces_finds_its_dialog_by_all_three_of_its_parts() {
    let mut world = World::new(7);
    world.talking(Transport::Udp);
    let ack = world.sent.iter().rev().find_map(|sent| match &sent.message {
        Message::Request(request) if request.method == Method::Ack => Some(request.clone()),
        _ => None,
    });
    let ack = ack.expect("an ACK went by");
    let (to, from) = (ack.to.tag().expect("a tag"), ack.from.tag().expect("a tag"));
    let replaces = |text: String| Replaces::parse(text.as_bytes()).expect("a Replaces");
    let id = ack.call_id.to_string();
    let right = replaces(format!("{id};to-tag={to};from-tag={from}"));
    let turned = replaces(format!("{id};to-tag={from};from-tag={to}"));
    let early = replaces(format!("{id};to-tag={to};from-tag={from};early-only"));
    let other = replaces(format!("{id};to-tag={to};from-tag=x"));
    let bob = world.agent(Who::Bob);
    assert_eq!(bob.replaced(&right), Some(B));
    assert_eq!(bob.replaced(&turned), Some(B), "as the peer sees its own dialog");
    assert_eq!((bob.replaced(&early), bob.replaced(&other)), (None, None));
}
