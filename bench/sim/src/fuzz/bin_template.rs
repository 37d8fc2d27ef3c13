//! TwiML Bins: the source that a customer saves, and what it makes of hostile parameters.

use shared::limits::BIN_OUTPUT_BYTES_MAX;
use store::{Names, Template};

/// The template is what precedes the first NUL byte; each further piece is a value of every name.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut pieces = text.split('\0');
    let source = pieces.next().unwrap_or_default();
    let values = Values(pieces.map(str::to_owned).collect());
    let template = match Template::parse(source) {
        Ok(template) => template,
        Err(error) => {
            let lines = source.matches('\n').count() + 1;
            assert!(error.line >= 1 && error.line as usize <= lines, "{error}");
            return;
        }
    };
    if !source.contains("{{") {
        let rendered = template.render(&values);
        assert!(
            rendered.is_err() || rendered.is_ok_and(|text| text == source),
            "no tag, no change"
        );
    }
    if let Ok(rendered) = template.render(&values) {
        assert!(rendered.len() <= BIN_OUTPUT_BYTES_MAX, "{} bytes", rendered.len());
    }
    if let Err(error) = template.check() {
        assert!(error.line >= 1 && error.column >= 1, "{error}");
    }
}

struct Values(Vec<String>);

impl Names for Values {
    fn values(&self, _: &str) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

/// Words of the language.
pub const WORDS: &[&str] = &[
    "{{",
    "}}",
    "{{{",
    "}}}",
    "{{#e164}}",
    "{{/e164}}",
    "{{#a}}",
    "{{/a}}",
    "{{^a}}",
    "{{.}}",
    "{{&a}}",
    "{{! ",
    "<Response>",
    "</Response>",
    "sip:+1@a",
    "\0",
];
