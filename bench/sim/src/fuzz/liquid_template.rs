//! Templates of flows: programs of customers.

use serde_json::json;
use shared::limits::STUDIO_TEMPLATE_OUTPUT_BYTES_MAX;
use studio::Data;

/// A template has a text within its bound or a fault with a sentence, and the same one each time. None is the panic of the crate that
/// reads them.
pub fn check(bytes: &[u8]) {
    let template = String::from_utf8_lossy(bytes);
    let values = Data::from(json!({
        "trigger": {"call": {"From": "+15550100", "SipHeader_X-a": "<&>"}},
        "widgets": {"w": {"Digits": "12", "parsed": {"list": [1, 2.5, "x", null, true, {"a": []}]}}},
        "flow": {"variables": {"n": "7", "text": "a,b;c d"}},
    }));
    let first = studio::render(&template, &values, 1_796_072_709_000);
    match &first {
        Ok(text) => assert!(text.len() <= STUDIO_TEMPLATE_OUTPUT_BYTES_MAX.max(template.len())),
        Err(fault) => {
            let why = fault.to_string();
            assert!(!why.is_empty() && why != "The template cannot be read", "a fault says why");
        }
    }
    assert_eq!(first, studio::render(&template, &values, 1_796_072_709_000));
}

/// Parts of templates.
pub const WORDS: &[&str] = &[
    "{{flow.variables.n | plus: 1}}",
    "{% for i in (1..9) %}{{i}}{% endfor %}",
    "{% assign a = flow.variables.text | split: ',' %}",
    "{% if widgets.w.Digits == '12' %}",
    "{% endif %}",
    "{% capture c %}",
    "{% endcapture %}",
    "widgets.w.parsed.list[5].a",
    "| replace: 'a', 'aa'",
    "| date: '%Y-%m-%d'",
    "| divided_by: 0",
    "| slice: -3, 9",
    "| truncate: 3",
    "| to_json",
    "'now'",
    "{{ 99999999999999999999 }}",
    " . ",
    "\u{fffd}",
];
