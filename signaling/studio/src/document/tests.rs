//! Stories of the document.

use serde_json::json;

use super::*;

fn problems(definition: &Value) -> Vec<String> {
    let problems = Flow::read(&definition.to_string()).expect_err("not valid");
    problems.iter().map(Problem::to_string).collect()
}

fn definition() -> Value {
    json!({
        "description": "x", "initial_state": "Trigger", "flags": {"allow_concurrent_calls": true},
        "states": [
            {"name": "Trigger", "type": "trigger", "properties": {"offset": {"x": 0, "y": 0}},
             "transitions": [{"event": "incomingCall", "next": "menu"}, {"event": "incomingMessage"}]},
            {"name": "menu", "type": "gather-input-on-call", "properties": {"say": "?", "timeout": 5, "profanity_filter": "true"},
             "transitions": [{"event": "keypress", "next": "pick"}, {"event": "speech", "next": ""}]},
            {"name": "pick", "type": "split-based-on", "properties": {"input": "x"},
             "transitions": [{"event": "noMatch"}, {"event": "match", "conditions":
                [{"friendly_name": "a", "arguments": ["x"], "type": "equal_to", "value": "1"}]}]},
        ],
    })
}

#[test]
fn a_valid_definition_is_read() {
    let flow = Flow::read(&definition().to_string()).expect("valid");
    assert_eq!(flow.widgets(), 3);
    assert_eq!(flow.state(flow.initial()).transitions[0].next, Some(1));
    assert_eq!(flow.state(1).transitions[1].next, None);
}

#[test]
fn each_fault_is_named_with_its_path() {
    let cases = [
        (
            "/states/1/properties/timeout",
            json!("5"),
            "#/states/1/properties/timeout: must be a whole number",
        ),
        (
            "/states/1/properties/profanity_filter",
            json!(true),
            "#/states/1/properties/profanity_filter: must be the string \"true\" or \"false\"",
        ),
        ("/states/1/type", json!("sing"), "#/states/1/type: is not a type of a widget: sing"),
        ("/states/1/name", json!("pick"), "#/states/2/name: is not unique: pick"),
        (
            "/states/1/transitions/0/next",
            json!("none"),
            "#/states/1/transitions/0/next: names no state: none",
        ),
        (
            "/states/1/transitions/0/event",
            json!("yell"),
            "#/states/1/transitions/0/event: is not an event of gather-input-on-call: yell",
        ),
        ("/initial_state", json!("pick"), "#/initial_state: must name the trigger"),
        ("/initial_state", json!("none"), "#/initial_state: names no state: none"),
        ("/states", json!([]), "#/states: must have 1 to 1000 states"),
        (
            "/states/2/properties",
            json!({}),
            "#/states/2/properties: lacks the required property input",
        ),
        (
            "/states/2/transitions/1/conditions",
            json!([]),
            "#/states/2/transitions/1: lacks the required property conditions",
        ),
        (
            "/states/2/transitions/1/conditions/0/arguments",
            json!([]),
            "#/states/2/transitions/1/conditions/0/arguments: must be a list of strings",
        ),
    ];
    for (place, value, expected) in cases {
        let mut definition = definition();
        *definition.pointer_mut(place).expect(place) = value;
        let problems = problems(&definition);
        assert!(problems.iter().any(|problem| problem == expected), "{expected} in {problems:?}");
    }
}

#[test]
fn keys_beside_the_schema_are_refused() {
    let mut definition = definition();
    definition["colour"] = json!("red");
    definition["states"][1]["properties"]["shade"] = json!("dark");
    definition["states"][1]["transitions"][0]["offset"] = json!({"x": 1, "y": 2});
    assert_eq!(
        problems(&definition),
        [
            "#/colour: is not a property of the schema",
            "#/states/1/properties/shade: is not a property of the schema",
        ]
    );
}

#[test]
fn a_text_that_is_no_definition_has_one_fault() {
    for text in ["", "[]", "{\"states\": 3}", "nonsense", "{}"] {
        Flow::read(text).expect_err(text);
    }
    let large = format!("{{\"description\": \"{}\"}}", "x".repeat(300_000));
    assert_eq!(Flow::read(&large).expect_err("too large").len(), 1);
    let many: Vec<_> = (0..900).map(|_| json!({"type": "sing"})).collect();
    let many = json!({"initial_state": "a", "states": many}).to_string();
    assert_eq!(Flow::read(&many).expect_err("faults").len(), PROBLEMS_MAX);
}
