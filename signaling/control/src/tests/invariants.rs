//! Debug builds notice at once when state that is kept twice disagrees, or effects were left behind.

use super::rig::{Book, Invite, Rig};
use crate::Input;

#[test]
#[should_panic(expected = "sessions, legs, taps, feeds of calls and their links")]
fn a_leg_without_its_link_is_noticed_after_the_next_input() {
    let mut rig = ringing();
    let (leg, call) = link(&rig);
    assert_eq!(rig.control.links.remove_leg(leg), Some(call));
    rig.tell(Input::Drain);
}

#[test]
#[should_panic(expected = "is not of call")]
fn a_link_to_a_call_that_does_not_have_it_is_noticed_too() {
    let mut rig = ringing();
    let (_, call) = link(&rig);
    rig.control.links.new_session(call);
    rig.tell(Input::Drain);
}

#[test]
#[should_panic(expected = "drain the effects before the next input")]
fn an_input_before_the_effects_are_drained_is_noticed() {
    let mut rig = ringing();
    rig.control.push(crate::Effect::CallGone { call: shared::CallSid(1) });
    rig.tell(Input::Drain);
}

fn ringing() -> Rig {
    let mut rig = Rig::new(Book::with_ip_list("192.0.2.7"));
    assert_eq!(rig.invite(&Invite::default()), [100, 180]);
    rig
}

/// The only leg, and its call.
fn link(rig: &Rig) -> (shared::LegId, shared::CallSid) {
    let legs = rig.control.links.legs_on(shared::CoreId(0));
    *legs.first().expect("one call rings")
}
