//! Which transitions of a flow an execution here can take, read from the definition alone, with the reason for each other one.
//!
//! A state is out of reach where every way to it leads through a widget that the gateway does not run (it ends the execution with
//! 81020), or begins with a message, which no trigger here is. `noMatch` of a split is out of reach where the flow decided before: the
//! split compares one variable, nothing leads to it but past a widget that sets the variable, and each text that such a widget may set
//! is one that the split compares with. A match is out of reach where it compares a text with the result of a widget that the flow does not
//! have, or where the result equals another text since an earlier match.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::flow_walker::transition;

/// Widgets that the gateway does not run.
const OUTSIDE: &[&str] =
    &["send-message", "send-and-wait-for-reply", "send-to-flex", "connect-virtual-agent-v2"];
/// How executions begin here.
const TRIGGERS: &[&str] = &["incomingCall", "incomingRequest"];

/// See the module.
pub(crate) struct Graph<'d> {
    states: BTreeMap<&'d str, &'d Value>,
    initial: &'d str,
    decided: BTreeSet<&'d str>,
}

impl<'d> Graph<'d> {
    pub(crate) fn of(definition: &'d Value) -> Self {
        let states = list(&definition["states"]).map(|state| (text(&state["name"]), state));
        let initial = text(&definition["initial_state"]);
        let mut graph = Self { states: states.collect(), initial, decided: BTreeSet::new() };
        let splits = graph.states.values().filter(|state| graph.is_decided(state));
        graph.decided = splits.map(|state| text(&state["name"])).collect();
        graph
    }

    /// Every transition that leads somewhere.
    pub(crate) fn all(&self) -> BTreeSet<String> {
        self.states.keys().flat_map(|name| self.ways(name)).map(|way| way.name()).collect()
    }

    /// Those that an execution can take.
    pub(crate) fn within_reach(&self) -> BTreeSet<String> {
        self.explored(&BTreeSet::new()).ways
    }

    /// Where executions come to, if none passes through the states `without`.
    fn explored(&self, without: &BTreeSet<&str>) -> Explored<'d> {
        let begun = (self.initial, Known::new());
        let (mut seen, mut open) = (BTreeSet::from([begun.clone()]), vec![begun]);
        let mut explored = Explored::default();
        while let Some((name, known)) = open.pop() {
            explored.states.insert(name);
            for way in self.ways_here(name, &known).filter(|way| !without.contains(way.to)) {
                let place = (way.to, way.known_after(&known));
                explored.ways.insert(way.name());
                if seen.insert(place.clone()) {
                    open.push(place);
                }
            }
        }
        explored
    }

    /// The ways out of a state that an execution can take once it is there and knows this.
    fn ways_here(
        &self,
        name: &str,
        known: &Known<'d>,
    ) -> impl Iterator<Item = Way<'d>> + use<'_, 'd> {
        let kind = text(&self.states[name]["type"]);
        let is_decided = self.decided.contains(name);
        let known = known.clone();
        self.ways(name).filter(move |way| match kind {
            "trigger" => TRIGGERS.contains(&way.event),
            kind if OUTSIDE.contains(&kind) => false,
            _ if is_decided && way.event == "noMatch" => false,
            _ => !way.conditions.iter().any(|one| self.is_absent(one) || contradicts(one, &known)),
        })
    }

    fn ways(&self, name: &str) -> impl Iterator<Item = Way<'d>> + use<'d> {
        let state = self.states[name];
        let way = |way: &'d Value| Way {
            from: text(&state["name"]),
            event: text(&way["event"]),
            to: text(&way["next"]),
            conditions: list(&way["conditions"]).collect(),
        };
        list(&state["transitions"]).map(way).filter(|way| !way.to.is_empty())
    }

    /// Whether the condition compares a text with the result of a widget that is no part of the flow: with nothing.
    fn is_absent(&self, condition: &Value) -> bool {
        let widget = widget_of(text(&condition["arguments"][0]));
        let needs_text = ["equal_to", "contains"].contains(&text(&condition["type"]));
        needs_text
            && !text(&condition["value"]).is_empty()
            && widget.is_some_and(|widget| !self.states.contains_key(widget))
    }

    /// Whether a match is certain whenever the flow comes to the state.
    fn is_decided(&self, state: &Value) -> bool {
        let input = text(&state["properties"]["input"]);
        let variable =
            input.strip_prefix("{{flow.variables.").and_then(|rest| rest.strip_suffix("}}"));
        let Some(variable) = variable.filter(|_| state["type"] == "split-based-on") else {
            return false;
        };
        let (mut setters, mut values) = (BTreeSet::new(), BTreeSet::new());
        for (name, setter) in &self.states {
            for set in list(&setter["properties"]["variables"]) {
                if set["key"] == variable {
                    setters.insert(*name);
                    let Some(chosen) = alternatives(text(&set["value"])) else { return false };
                    values.extend(chosen);
                }
            }
        }
        let ways: Vec<_> = list(&state["transitions"]).collect();
        let matches = |value: &&str| ways.iter().any(|way| compares_with(way, input, value));
        values.iter().all(matches) && !self.explored(&setters).states.contains(text(&state["name"]))
    }
}

/// The texts that `{% if … %}A{% else %}B{% endif %}` chooses between; `None` of any other template.
fn alternatives(template: &str) -> Option<Vec<&str>> {
    let (condition, rest) = template.trim().strip_prefix("{% if ")?.split_once("%}")?;
    let (chosen, other) = rest.strip_suffix("{% endif %}")?.split_once("{% else %}")?;
    let are_plain = [condition, chosen, other].into_iter().all(is_plain);
    are_plain.then(|| vec![chosen.trim(), other.trim()])
}

/// Whether the transition is a match of its argument with this text and with nothing beside.
fn compares_with(way: &Value, argument: &str, value: &str) -> bool {
    let conditions: Vec<_> = list(&way["conditions"]).collect();
    let [condition] = conditions[..] else { return false };
    way["event"] == "match"
        && condition["type"] == "equal_to"
        && condition["arguments"][0] == argument
        && condition["value"] == value
}

struct Way<'d> {
    from: &'d str,
    event: &'d str,
    to: &'d str,
    conditions: Vec<&'d Value>,
}

impl<'d> Way<'d> {
    fn name(&self) -> String {
        transition(self.from, self.event, self.to)
    }

    /// What is known behind the way. A widget that is entered will have another result.
    fn known_after(&self, known: &Known<'d>) -> Known<'d> {
        let mut known = known.clone();
        if let [condition] = self.conditions[..]
            && condition["type"] == "equal_to"
        {
            known.insert(text(&condition["arguments"][0]), text(&condition["value"]));
        }
        known.retain(|argument, value| {
            is_plain(value) && widget_of(argument).is_some_and(|widget| widget != self.to)
        });
        known
    }
}

/// Results of widgets, as templates, and the texts that they equal.
type Known<'d> = BTreeMap<&'d str, &'d str>;

#[derive(Default)]
struct Explored<'d> {
    states: BTreeSet<&'d str>,
    ways: BTreeSet<String>,
}

/// Whether the condition asks for equality with another text than the known one.
fn contradicts(condition: &Value, known: &Known<'_>) -> bool {
    let value = text(&condition["value"]);
    let before = known.get(text(&condition["arguments"][0]));
    condition["type"] == "equal_to"
        && is_plain(value)
        && before.is_some_and(|before| before.trim().to_lowercase() != value.trim().to_lowercase())
}

fn is_plain(text: &str) -> bool {
    !text.contains(['{', '}'])
}

/// The widget whose result a template begins with.
fn widget_of(template: &str) -> Option<&str> {
    Some(template.strip_prefix("{{widgets.")?.split_once('.')?.0)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
