//! Widgets that decide and count: split-based-on, set-variables, run-subflow.

use shared::Code;

use super::turn::{Entered, Turn};
use crate::data::Data;
use crate::document::{Condition, Undecided};
use crate::order::Order;

/// The first match in the order of the definition wins.
pub(super) fn split(turn: &mut Turn<'_>) -> Entered {
    let state = turn.state;
    for transition in state.transitions.iter().filter(|transition| transition.event == "match") {
        if transition.conditions.iter().all(|condition| holds(turn, condition)) {
            return Entered::Way("match", transition.next);
        }
    }
    let no_match = state.transitions.iter().find(|transition| transition.event == "noMatch");
    match no_match.and_then(|transition| transition.next) {
        Some(next) => Entered::Way("noMatch", Some(next)),
        None => {
            let input = turn.text("input");
            turn.alert(Code::STUDIO_NO_MATCH, format!("No condition holds for `{input}`"));
            Entered::Way("noMatch", None)
        }
    }
}

fn holds(turn: &mut Turn<'_>, condition: &Condition) -> bool {
    let argument = turn.render(&condition.argument);
    let value = turn.render(&condition.value);
    match condition.kind.holds(&argument, &value, turn.unix_ms) {
        Ok(holds) => holds,
        Err(undecided) => {
            let why = match undecided {
                Undecided::Number => "is not compared with a number",
                Undecided::Regex => "is compared with an expression that does not compile",
            };
            turn.alert(Code::STUDIO_TYPE, format!("`{argument}` {why}: `{value}`"));
            false
        }
    }
}

pub(super) fn set_variables(turn: &mut Turn<'_>) -> Entered {
    let state = turn.state;
    let Data::List(list) = state.properties.get("variables") else { return Entered::Event("next") };
    let mut result = Data::map();
    for variable in list {
        let text = |key| variable.get(key).as_str().unwrap_or_default();
        let value = turn.render(text("value"));
        let is_json =
            variable.get("parse_as_json") == &Data::Bool(true) || text("parse_as_json") == "true";
        let value = match is_json.then(|| serde_json::from_str::<serde_json::Value>(&value)) {
            Some(Ok(json)) => Data::from(json),
            Some(Err(error)) => {
                turn.alert(Code::STUDIO_TYPE, format!("{} is not JSON: {error}", text("key")));
                Data::text(value)
            }
            None => Data::text(value),
        };
        // At once: the next variable may read it.
        turn.context.entry("flow").entry("variables").put(text("key"), value.clone());
        result.put(text("key"), value);
    }
    turn.result = Some(result);
    Entered::Event("next")
}

pub(super) fn subflow(turn: &mut Turn<'_>) -> Entered {
    let sid = turn.text("flow_sid");
    let is_draft = turn.text("flow_revision") == "LatestDraft";
    Entered::Order(Order::Flow { sid, is_draft })
}
