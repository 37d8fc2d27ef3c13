//! From the text of a definition to a [`Flow`], or to every fault with its path.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use shared::limits::{STUDIO_DEFINITION_BYTES_MAX, STUDIO_STATES_MAX};

use super::condition::{Kind, NAMES};
use super::{Condition, Flow, PROBLEMS_MAX, Problem, State, Transition};
use crate::catalogue::{Kind as WidgetKind, Widget};
use crate::data::Data;

type Object = Map<String, Value>;

impl Flow {
    /// Reads a definition.
    ///
    /// # Errors
    /// All faults, at most [`PROBLEMS_MAX`].
    pub fn read(definition: &str) -> Result<Self, Vec<Problem>> {
        read(definition)
    }
}

fn read(definition: &str) -> Result<Flow, Vec<Problem>> {
    let mut check = Check::default();
    if definition.len() > STUDIO_DEFINITION_BYTES_MAX {
        check.problem("#", format!("has more than {STUDIO_DEFINITION_BYTES_MAX} bytes"));
        return Err(check.problems);
    }
    let flow = match serde_json::from_str(definition) {
        Ok(Value::Object(root)) => check.flow(&root),
        Ok(_) => check.problem("#", "must be an object").into(),
        Err(error) => check.problem("#", format!("is not JSON: {error}")).into(),
    };
    match flow {
        Some(flow) if check.problems.is_empty() => Ok(flow),
        _ => Err(check.problems),
    }
}

/// What could not be read. Reading goes on behind it, so that all faults are named at once.
struct Bad;

impl From<Bad> for Option<Flow> {
    fn from(_: Bad) -> Self {
        None
    }
}

#[derive(Default)]
struct Check {
    problems: Vec<Problem>,
}

const ROOT_KEYS: &[&str] = &["description", "states", "initial_state", "flags", "$schema"];
const STATE_KEYS: &[&str] = &["name", "type", "properties", "transitions"];
const TRANSITION_KEYS: &[&str] = &["event", "next", "conditions"];
const CONDITION_KEYS: &[&str] = &["friendly_name", "arguments", "type", "value"];

impl Check {
    fn problem(&mut self, path: &str, message: impl Into<String>) -> Bad {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem { path: path.to_owned(), message: message.into() });
        }
        Bad
    }

    /// Keys that the schema does not have are refused; `offset`, a place on the canvas, may be anywhere.
    fn only(&mut self, object: &Object, keys: &[&str], path: &str) {
        for key in object.keys().filter(|key| *key != "offset" && !keys.contains(&key.as_str())) {
            self.problem(&format!("{path}/{key}"), "is not a property of the schema");
        }
    }

    fn text<'o>(&mut self, object: &'o Object, key: &str, path: &str) -> Option<&'o str> {
        match object.get(key) {
            Some(Value::String(text)) => Some(text),
            Some(_) => {
                self.problem(&format!("{path}/{key}"), "must be a string");
                None
            }
            None => {
                self.problem(path, format!("lacks the required property {key}"));
                None
            }
        }
    }

    fn list<'o>(&mut self, object: &'o Object, key: &str, path: &str) -> &'o [Value] {
        match object.get(key) {
            Some(Value::Array(list)) => list,
            Some(_) => {
                self.problem(&format!("{path}/{key}"), "must be a list");
                &[]
            }
            None => {
                self.problem(path, format!("lacks the required property {key}"));
                &[]
            }
        }
    }

    fn flow(&mut self, root: &Object) -> Option<Flow> {
        self.only(root, ROOT_KEYS, "#");
        let states = self.list(root, "states", "#");
        if states.is_empty() || states.len() > STUDIO_STATES_MAX {
            self.problem("#/states", format!("must have 1 to {STUDIO_STATES_MAX} states"));
            return None;
        }
        let places = self.places(states);
        let read: Vec<_> = states
            .iter()
            .enumerate()
            .map(|(place, state)| self.state(state, &format!("#/states/{place}"), &places))
            .collect();
        let name = self.text(root, "initial_state", "#")?;
        let Some(initial) = places.get(name).copied() else {
            self.problem("#/initial_state", format!("names no state: {name}"));
            return None;
        };
        let states: Vec<State> = read.into_iter().collect::<Option<_>>()?;
        if states[initial].widget.kind != WidgetKind::Trigger {
            self.problem("#/initial_state", "must name the trigger");
        }
        Some(Flow { states, initial })
    }

    /// The place of each state by its name.
    fn places<'s>(&mut self, states: &'s [Value]) -> BTreeMap<&'s str, usize> {
        let mut places = BTreeMap::new();
        for (place, state) in states.iter().enumerate() {
            let Some(name) = state.get("name").and_then(Value::as_str) else { continue };
            if places.insert(name, place).is_some() {
                self.problem(&format!("#/states/{place}/name"), format!("is not unique: {name}"));
            }
        }
        places
    }

    fn state(
        &mut self,
        state: &Value,
        path: &str,
        places: &BTreeMap<&str, usize>,
    ) -> Option<State> {
        let Value::Object(state) = state else {
            self.problem(path, "must be an object");
            return None;
        };
        self.only(state, STATE_KEYS, path);
        let kind = self.text(state, "type", path)?;
        let Some(widget) = Widget::of(kind) else {
            self.problem(&format!("{path}/type"), format!("is not a type of a widget: {kind}"));
            return None;
        };
        let is_trigger = widget.kind == WidgetKind::Trigger;
        // A trigger may leave both out.
        let name = match state.get("name") {
            None if is_trigger => "Trigger",
            _ => self.text(state, "name", path)?,
        };
        let properties = match state.get("properties") {
            None if is_trigger => Object::new(),
            Some(Value::Object(properties)) => properties.clone(),
            _ => {
                self.problem(path, "lacks the required property properties");
                return None;
            }
        };
        self.properties(widget, &properties, &format!("{path}/properties"));
        let transitions = self.list(state, "transitions", path);
        let transitions = transitions.iter().enumerate();
        let transitions = transitions
            .filter_map(|(place, transition)| {
                let path = format!("{path}/transitions/{place}");
                self.transition(widget, transition, &path, places)
            })
            .collect();
        let properties = Data::from(Value::Object(properties));
        Some(State { name: name.to_owned(), widget, properties, transitions })
    }

    fn properties(&mut self, widget: &Widget, given: &Object, path: &str) {
        for property in widget.properties {
            match given.get(property.name) {
                // An export may say null for what was never set.
                None | Some(Value::Null) if property.is_required => {
                    self.problem(path, format!("lacks the required property {}", property.name));
                }
                None | Some(Value::Null) => {}
                Some(value) => {
                    if let Some(sentence) = property.shape.mismatch(value) {
                        self.problem(&format!("{path}/{}", property.name), sentence);
                    }
                }
            }
        }
        // Of a widget that the gateway does not run, the table has what it knows and no more.
        if widget.kind == WidgetKind::Outside {
            return;
        }
        let names: Vec<_> = widget.properties.iter().map(|property| property.name).collect();
        self.only(given, &names, path);
    }

    fn transition(
        &mut self,
        widget: &Widget,
        transition: &Value,
        path: &str,
        places: &BTreeMap<&str, usize>,
    ) -> Option<Transition> {
        let Value::Object(transition) = transition else {
            self.problem(path, "must be an object");
            return None;
        };
        self.only(transition, TRANSITION_KEYS, path);
        let event = self.text(transition, "event", path)?;
        if !widget.events.contains(&event) && widget.kind != WidgetKind::Outside {
            self.problem(
                &format!("{path}/event"),
                format!("is not an event of {}: {event}", widget.name),
            );
        }
        let next = match transition.get("next") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) if name.is_empty() => None,
            Some(Value::String(name)) => match places.get(name.as_str()) {
                Some(place) => Some(*place),
                None => {
                    self.problem(&format!("{path}/next"), format!("names no state: {name}"));
                    None
                }
            },
            Some(_) => {
                self.problem(&format!("{path}/next"), "must be a string");
                None
            }
        };
        let conditions = match transition.get("conditions") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(list)) => self.conditions(list, &format!("{path}/conditions")),
            Some(_) => {
                self.problem(&format!("{path}/conditions"), "must be a list");
                Vec::new()
            }
        };
        if event == "match" && conditions.is_empty() && widget.kind == WidgetKind::Split {
            self.problem(path, "lacks the required property conditions");
        }
        Some(Transition { event: event.to_owned(), next, conditions })
    }

    fn conditions(&mut self, list: &[Value], path: &str) -> Vec<Condition> {
        let conditions = list.iter().enumerate();
        conditions
            .filter_map(|(place, condition)| self.condition(condition, &format!("{path}/{place}")))
            .collect()
    }

    fn condition(&mut self, condition: &Value, path: &str) -> Option<Condition> {
        let Value::Object(condition) = condition else {
            self.problem(path, "must be an object");
            return None;
        };
        self.only(condition, CONDITION_KEYS, path);
        let name = self.text(condition, "type", path)?;
        let Some(kind) = Kind::of(name) else {
            self.problem(&format!("{path}/type"), format!("must be one of: {}", NAMES.join(", ")));
            return None;
        };
        let arguments = self.list(condition, "arguments", path);
        let argument = match arguments {
            [Value::String(argument), ..] => argument.clone(),
            _ => {
                self.problem(&format!("{path}/arguments"), "must be a list of strings");
                return None;
            }
        };
        let value = self.text(condition, "value", path)?;
        Some(Condition { kind, argument, value: value.to_owned() })
    }
}
