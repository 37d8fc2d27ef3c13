//! Stories of the template.

use serde_json::json;

use super::*;

/// 2026-11-30 21:05:09 UTC.
const NOW: i64 = 1_796_072_709_000;

fn values() -> Data {
    Data::from(json!({
        "trigger": {"call": {"From": "sip:ann@example.net", "SipHeader_X-Shop": "Nord"}},
        "widgets": {"menu": {"Digits": "2"}, "find": {"parsed": {"items": [{"n": "a"}, {"n": "b"}], "open": true}}},
        "flow": {"variables": {"n": "4", "x": 1.5}, "data": {"list": (0..40).collect::<Vec<_>>()}},
    }))
}

fn rendered(template: &str) -> String {
    render(template, &values(), NOW).unwrap_or_else(|fault| panic!("{template}: {fault}"))
}

fn fault(template: &str) -> String {
    render(template, &values(), NOW).expect_err(template).to_string()
}

#[test]
fn paths_lead_to_values_and_to_nothing_where_a_key_is_missing() {
    let cases = [
        ("plain", "plain"),
        ("{{trigger.call.From}}", "sip:ann@example.net"),
        ("{{trigger.call[\"SipHeader_X-Shop\"]}}", "Nord"),
        ("{{trigger.call.SipHeader_X-Shop}}", "Nord"),
        ("{{widgets.menu. Digits}}", "2"),
        ("<{{widgets.none.Digits.deeper}}>", "<>"),
        ("{{nothing.at.all | default: 'x'}}", "x"),
        ("{{widgets.find.parsed.items[1].n}}", "b"),
        ("{{widgets.find.parsed.items.first.n}}{{widgets.find.parsed.items.size}}", "a2"),
        ("{{widgets.find.parsed.items[7].n}}", ""),
        ("{% if widgets.find.parsed.open %}yes{% else %}no{% endif %}", "yes"),
        ("{% if widgets.none.x == null %}nil{% endif %}", "nil"),
        ("{% if flow.variables.none %}set{% else %}unset{% endif %}", "unset"),
        ("{% if trigger.call.From contains 'ann' %}ann{% endif %}", "ann"),
    ];
    for (template, expected) in cases {
        assert_eq!(rendered(template), expected, "{template}");
    }
}

#[test]
fn arithmetic_takes_nil_and_texts() {
    let cases = [
        ("{{flow.variables.none | plus: 1}}", "1"),
        ("{{flow.variables.n | plus: 1}}", "5"),
        ("{{flow.variables.n | minus: '6'}}", "-2"),
        ("{{flow.variables.x | times: 2}}", "3"),
        ("{{7 | divided_by: 2}} {{7.0 | divided_by: 2}} {{7 | modulo: 4}}", "3 3.5 3"),
        ("{{9223372036854775807 | plus: 1}}", "9223372036854776000"),
    ];
    for (template, expected) in cases {
        assert_eq!(rendered(template), expected, "{template}");
    }
    assert_eq!(fault("{{1 | divided_by: 0}}"), "A division by 0");
    assert_eq!(fault("{{trigger.call.From | plus: 1}}"), "`sip:ann@example.net` is not a number");
    let object = "A value of type object is not a number";
    assert_eq!(fault("{{flow.variables | plus: 1}}"), object);
}

#[test]
fn filters_of_our_own_and_of_the_language() {
    let cases = [
        ("{{widgets.find.parsed | to_json}}", r#"{"items":[{"n":"a"},{"n":"b"}],"open":true}"#),
        ("{{trigger.call.From | replace: 'sip:', '' | split: '@' | first | upcase}}", "ANN"),
        ("{{'a,b' | split: ',' | join: '-'}}", "a-b"),
        ("{{'b' | prepend: 'a' | append: 'c'}}", "abc"),
        ("{{'now' | date: '%Y-%m-%d %H:%M'}}", "2026-11-30 21:05"),
    ];
    for (template, expected) in cases {
        assert_eq!(rendered(template), expected, "{template}");
    }
}

#[test]
fn an_object_is_printed_with_its_keys_in_order() {
    let json = r#"{"n":"4","x":1.5}"#;
    let cases = [
        ("{{flow.variables}}", json.to_owned()),
        ("{{flow.variables | default: 1}}", json.to_owned()),
        ("{% assign v = flow.variables %}{{v}}", json.to_owned()),
        ("{{flow.variables | default: 1 | append: '!' | downcase}}", format!("{json}!")),
        (
            "{% assign i = widgets.find.parsed.items | reverse %}{{i}}",
            r#"{"n":"b"}{"n":"a"}"#.to_owned(),
        ),
        ("{{widgets.find.parsed.items}}", r#"{"n":"a"}{"n":"b"}"#.to_owned()),
        ("{{'a,b' | split: ','}}", "ab".to_owned()),
        ("{% raw %}{{ a }}{% endraw %}", "{{ a }}".to_owned()),
    ];
    for (template, expected) in cases {
        assert_eq!(rendered(template), expected, "{template}");
    }
}

#[test]
fn a_loop_takes_fifteen_turns() {
    let count = |template: &str| rendered(template).matches('x').count();
    assert_eq!(count("{% for i in flow.data.list %}x{% endfor %}"), 15);
    assert_eq!(count("{% for i in (1..999999999999) %}x{% endfor %}"), 15);
    assert_eq!(count("{% for i in (1..4) limit:2 %}x{% endfor %}"), 2);
    assert_eq!(count("{% for i in nothing %}x{% endfor %}"), 0);
    assert_eq!(rendered("{% for i in nothing %}x{% else %}none{% endfor %}"), "none");
    assert_eq!(
        rendered(
            "{% for i in (1..3) reversed %}{{i}}{% if i == 2 %}{% break %}{% endif %}{% endfor %}"
        ),
        "32"
    );
    assert_eq!(
        rendered(
            "{% for i in widgets.find.parsed.items %}{{forloop.index}}{{i.n}}{{i.m}}{% endfor %}"
        ),
        "1a2b"
    );
}

#[test]
fn what_a_template_may_do_is_bounded() {
    let doubling = "{% assign a = 'aaaaaaaaaaaaaaaa' %}".to_owned()
        + &"{% assign a = a | append: a %}".repeat(60);
    assert_eq!(fault(&doubling), "The template makes too much text");
    let squares = "{% assign a = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' %}".to_owned()
        + &"{% assign a = a | replace: 'a', a %}".repeat(6);
    assert_eq!(fault(&squares), "The template makes too much text");
    let nested = "{% for i in (1..15) %}".repeat(8) + &"{% endfor %}".repeat(8);
    assert_eq!(fault(&nested), "The template works for too long");
    let deep = "{% if true %}".repeat(600);
    assert!(fault(&deep).contains("tags"), "too many tags");
    let long = "{{a}}".repeat(STUDIO_TEMPLATE_BYTES_MAX);
    assert!(fault(&long).contains("bytes"), "too long");
    let text = format!("{{{{a}}}}{}", "x".repeat(STUDIO_TEMPLATE_BYTES_MAX - 5));
    let many = rendered(&text);
    assert_eq!(many.len(), STUDIO_TEMPLATE_BYTES_MAX - 5);
}

#[test]
fn a_number_that_is_too_long_is_a_fault_and_no_panic() {
    assert_eq!(
        fault("{{ 99999999999999999999 }}"),
        "`99999999999999999999` is too long for a number"
    );
}

#[test]
fn a_broken_template_is_a_fault() {
    for template in ["{{", "{% if %}", "{% for %}", "{{a | nothing}}", "{% include 'x' %}"] {
        fault(template);
    }
}
