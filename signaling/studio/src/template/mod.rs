//! Liquid: the templates of a flow's properties.
//!
//! The language is the crate's; what flows need beside it is here: values that answer nil for what is missing (`view`),
//! arithmetic on nil and texts and `to_json` (`filters`), blanks round dots (`blanks`), and bounds on what a template may
//! do (`budget`), because it is a program of a customer.

mod arithmetic;
mod blanks;
mod budget;
mod filters;
mod scan;
mod tags;
mod view;

use std::fmt;
use std::io::{self, Write};
use std::panic::catch_unwind;
use std::sync::LazyLock;

use liquid_core::runtime::RuntimeBuilder;
use liquid_core::{Language, Renderable as _, Runtime as _, Template};
use shared::limits::{STUDIO_TEMPLATE_BYTES_MAX, STUDIO_TEMPLATE_OUTPUT_BYTES_MAX};

use crate::data::Data;
use budget::Budget;

static LANGUAGE: LazyLock<Language> = LazyLock::new(|| {
    let mut language = Language::empty();
    tags::register(&mut language);
    filters::register(&mut language);
    language
});

/// Why a template has no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFault(String);

impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text of a template with these values, at this moment (Unix milliseconds).
///
/// # Errors
/// The template does not parse, divides by zero, or passes a bound.
pub fn render(template: &str, values: &Data, unix_ms: i64) -> Result<String, TemplateFault> {
    // Most properties are plain texts.
    if !template.contains("{{") && !template.contains("{%") {
        return Ok(template.to_owned());
    }
    if template.len() > STUDIO_TEMPLATE_BYTES_MAX {
        let sentence = format!("A template of more than {STUDIO_TEMPLATE_BYTES_MAX} bytes");
        return Err(TemplateFault(sentence));
    }
    // A number that does not fit is the one panic of the crate that is known: found before, it prints nothing.
    if let Some(number) = scan::long_number(template) {
        let number: String = number.chars().take(40).collect();
        return Err(TemplateFault(format!("`{number}` is too long for a number")));
    }
    // The crate panics on input that it takes for impossible.
    catch_unwind(|| rendered(template, values, unix_ms))
        .unwrap_or_else(|_| Err(TemplateFault("The template cannot be read".to_owned())))
}

fn rendered(template: &str, values: &Data, unix_ms: i64) -> Result<String, TemplateFault> {
    let template = parse(template)?;
    let runtime = RuntimeBuilder::new().set_globals(values).build();
    runtime.registers().get_mut::<Budget>().unix_ms = unix_ms;
    let mut output = Output(Vec::new());
    template.render_to(&mut output, &runtime).map_err(|error| fault(&error))?;
    Ok(String::from_utf8_lossy(&output.0).into_owned())
}

fn parse(template: &str) -> Result<Template, TemplateFault> {
    // The parser descends as deep as the tags are nested.
    let depth = template.matches("{%").count();
    if depth > TAGS_MAX {
        return Err(TemplateFault(format!("A template of more than {TAGS_MAX} tags")));
    }
    let template = scan::printed_in_order(&blanks::joined_paths(template));
    let parsed = liquid_core::parser::parse(&template, &LANGUAGE);
    parsed.map(Template::new).map_err(|error| fault(&error))
}

/// Tags of a template.
const TAGS_MAX: usize = 500;

/// The error without its trace, which repeats the values of the template.
fn fault(error: &liquid_core::Error) -> TemplateFault {
    let text = error.to_string();
    let text = text.strip_prefix("liquid: ").unwrap_or(&text);
    let text = text.split_once("\nfrom: ").map_or(text, |(before, _)| before);
    let lines: Vec<&str> = text.split_whitespace().collect();
    TemplateFault(lines.join(" ").chars().take(200).collect())
}

/// What a template makes, bounded.
struct Output(Vec<u8>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > STUDIO_TEMPLATE_OUTPUT_BYTES_MAX {
            return Err(io::Error::other("The template makes too much text"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
