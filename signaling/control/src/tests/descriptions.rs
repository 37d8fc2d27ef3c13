//! The legs of the node for the operator: one request at a time, answered by the cores or by the clock.

use std::time::Duration;

use serde_json::{Value, json};
use shared::limits::LEGS_DESCRIBED_MS;
use shared::{
    Codec, LegDescription, LegId, MediaCommand, MediaEvent, NotInKernel, NotRelayable, Tier,
};
use store::Reply;

use super::calls::bridged;
use super::rig::{Book, Rig};
use crate::{ApiRequest, ApiToken, Effect, Input};

fn ask(rig: &mut Rig, token: u64) {
    rig.tell(Input::Api { token: ApiToken(token), request: ApiRequest::DescribeLegs });
}

/// The answer to a request: the list, or status and sentence.
fn answer(rig: &mut Rig, token: u64) -> Option<Result<Value, (u16, String)>> {
    let is_it =
        |effect: &Effect| matches!(effect, Effect::ApiReply { token: of, .. } if of.0 == token);
    let at = rig.effects.iter().position(is_it)?;
    match rig.effects.remove(at) {
        Effect::ApiReply { reply: Ok(Reply::Legs(text)), .. } => {
            Some(Ok(serde_json::from_str(&text).expect("JSON")))
        }
        Effect::ApiReply { reply: Err(error), .. } => {
            Some(Err((error.status, error.message.to_string())))
        }
        other => panic!("{other:?}"),
    }
}

/// The legs that the cores were asked for since the last call.
fn asked(rig: &mut Rig) -> Vec<LegId> {
    let describes = |command: &mut MediaCommand| matches!(command, MediaCommand::Describe { .. });
    rig.media.extract_if(.., describes).filter_map(|command| command.leg()).collect()
}

fn describe(rig: &mut Rig, leg: LegId, description: Option<LegDescription>) {
    let description = Box::new(description);
    rig.tell(Input::Media { core: leg.core, event: MediaEvent::Described { leg, description } });
}

fn description(joined: LegId, tier: Tier) -> LegDescription {
    LegDescription {
        tier,
        codec: Codec::Pcmu,
        remote: Some(([192, 0, 2, 7], 4_000).into()),
        joined: Some(joined),
        received: 50,
        received_in_kernel: 40,
        sent: 51,
        sent_in_kernel: 41,
        lost: 2,
        jitter_rtp_units: 12,
    }
}

#[test]
fn the_list_is_answered_when_every_core_has_answered() {
    let (mut rig, parent, child) = bridged();
    ask(&mut rig, 1);
    let legs = asked(&mut rig);
    let [one, other] = legs[..] else { panic!("{legs:?}") };
    describe(&mut rig, one, Some(description(other, Tier::Kernel)));
    assert_eq!(answer(&mut rig, 1), None, "one leg is not described");
    let tapped = Tier::UserSpace(NotInKernel::NotRelayable(NotRelayable::Tapped));
    describe(&mut rig, other, Some(description(one, tapped)));
    let list = answer(&mut rig, 1).expect("answered").expect("a list");
    assert_eq!((&list["left_out"], &list["unanswered"]), (&json!(0), &json!(0)));
    let (first, second) = (&list["legs"][0], &list["legs"][1]);
    assert_eq!(first["call_sid"], parent.to_string());
    assert_eq!(first["joined_call_sid"], child.to_string());
    assert_eq!((&first["core"], &first["slot"]), (&json!(0), &json!(0)));
    assert_eq!((&first["tier"], &first["why_not_kernel"]), (&json!("kernel"), &Value::Null));
    assert_eq!(first["received"], json!({ "kernel": 40, "user_space": 10 }));
    assert_eq!(first["sent"], json!({ "kernel": 41, "user_space": 10 }));
    assert_eq!((&first["lost"], &first["jitter_ms"]), (&json!(2), &json!(1.5)));
    assert_eq!((&first["codec"], &first["remote"]), (&json!("PCMU"), &json!("192.0.2.7:4000")));
    assert_eq!(second["call_sid"], child.to_string());
    assert_eq!(second["tier"], "user_space");
    let why = json!({ "reason": "tapped", "sentence": "its audio is recorded or streamed" });
    assert_eq!(second["why_not_kernel"], why);
    assert_eq!(rig.control.leg_survey.deadline(), None);
}

#[test]
fn a_node_without_legs_answers_at_once() {
    let mut rig = Rig::new(Book::with_ip_list("192.0.2.7"));
    ask(&mut rig, 1);
    let list = json!({ "interfaces": [], "legs": [], "left_out": 0, "unanswered": 0 });
    assert_eq!(answer(&mut rig, 1), Some(Ok(list)));
}

#[test]
fn a_second_request_is_refused_while_the_first_waits() {
    let (mut rig, ..) = bridged();
    ask(&mut rig, 1);
    assert_eq!(asked(&mut rig).len(), 2);
    ask(&mut rig, 2);
    let (status, sentence) = answer(&mut rig, 2).expect("answered").expect_err("refused");
    assert_eq!(status, 503);
    assert!(sentence.contains("under way"), "{sentence}");
    assert_eq!(asked(&mut rig), [], "no core is asked twice");
}

#[test]
fn a_core_that_is_silent_costs_its_descriptions_and_no_more() {
    let (mut rig, ..) = bridged();
    ask(&mut rig, 1);
    let legs = asked(&mut rig);
    describe(&mut rig, legs[0], Some(description(legs[1], Tier::Kernel)));
    rig.after(Duration::from_millis(LEGS_DESCRIBED_MS - 1));
    assert_eq!(answer(&mut rig, 1), None);
    rig.after(Duration::from_millis(1));
    let list = answer(&mut rig, 1).expect("answered").expect("a list");
    assert_eq!(list["unanswered"], 1);
    assert_eq!(list["legs"][0]["tier"], "kernel");
    assert_eq!(list["legs"][1].get("tier"), None);
    // An answer that is late belongs to no request, and the next request is taken.
    describe(&mut rig, legs[1], Some(description(legs[0], Tier::Kernel)));
    assert_eq!(answer(&mut rig, 1), None);
    ask(&mut rig, 2);
    assert_eq!(asked(&mut rig).len(), 2);
}

#[test]
fn a_leg_that_ends_meanwhile_leaves_the_list() {
    let (mut rig, parent, _) = bridged();
    ask(&mut rig, 1);
    let legs = asked(&mut rig);
    describe(&mut rig, legs[1], None);
    describe(&mut rig, legs[1], None);
    describe(&mut rig, legs[0], Some(description(legs[1], Tier::Kernel)));
    let list = answer(&mut rig, 1).expect("answered").expect("a list");
    assert_eq!(list["legs"].as_array().map(Vec::len), Some(1));
    assert_eq!(list["legs"][0]["call_sid"], parent.to_string());
}
