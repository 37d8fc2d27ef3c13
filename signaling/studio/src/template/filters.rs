//! Filters: those of the language, each within the budget, and our own for what the language does not do.
//!
//! The standard arithmetic refuses nil and texts, which flows count with (`{{flow.variables.n | plus: 1}}` with nothing
//! set yet is 1). The filters that can make a long text of short ones are ours, too: they know the length before they
//! make it.

use std::fmt;

use liquid_core::model::{KStringCow, Value, ValueView};
use liquid_core::parser::{FilterArguments, ParameterReflection};
use liquid_core::runtime::Expression;
use liquid_core::{Filter, FilterReflection, Language, ParseFilter, Result, Runtime};
use liquid_lib::stdlib;

use super::arithmetic;
use super::budget::{Budget, must_fit, pay_for};
use crate::data::Data;

pub(super) fn register(language: &mut Language) {
    macro_rules! standard {
        ($($filter:ident)*) => {
            $({
                let filter = Guarded(stdlib::$filter);
                language.filters.register(filter.0.name().to_owned(), Box::new(filter));
            })*
        };
    }
    standard! {
        Abs AtLeast AtMost Capitalize Ceil Compact Concat Date Default Downcase Escape EscapeOnce First Floor Last
        Lstrip Map NewlineToBr Remove RemoveFirst ReplaceFirst Reverse Round Rstrip Size Slice Sort SortNatural Split
        Strip StripHtml StripNewlines Truncate TruncateWords Uniq Upcase UrlDecode UrlEncode Where
    }
    for (name, apply) in OWN {
        language.filters.register((*name).to_owned(), Box::new(Own { name, apply: *apply }));
    }
}

type Apply = fn(&dyn ValueView, &[Value]) -> Result<Value>;

/// Our own filters.
const OWN: &[(&str, Apply)] = &[
    ("plus", arithmetic::plus),
    ("minus", arithmetic::minus),
    ("times", arithmetic::times),
    ("divided_by", arithmetic::divided_by),
    ("modulo", arithmetic::modulo),
    ("append", |input, given| Ok(joined(&[text(input), of(given, 0)]))),
    ("prepend", |input, given| Ok(joined(&[of(given, 0), text(input)]))),
    ("replace", replace),
    ("join", join),
    ("to_json", |input, _| Ok(Value::scalar(json(&input.to_value()).to_string()))),
    (PRINTED, |input, _| Ok(Value::scalar(text(input).into_owned()))),
];

/// The last filter of each value that a template prints; `scan` adds it.
pub(super) const PRINTED: &str = "printed_in_order";

/// A value as text. An object of the language has its keys in an order of chance, so it is printed as ours is: as
/// JSON, sorted. The items of a list follow each other, as the language prints them.
fn text(value: &dyn ValueView) -> KStringCow<'_> {
    if value.as_object().is_some() && !value.is_nil() {
        return KStringCow::from_string(Data::from_view(value).to_json().to_string());
    }
    match value.as_array() {
        Some(list) => {
            KStringCow::from_string(list.values().map(|item| text(item).to_string()).collect())
        }
        None => value.to_kstr(),
    }
}

/// A given argument as text; empty where it is missing.
fn of(given: &[Value], index: usize) -> KStringCow<'_> {
    given.get(index).map(|value| text(value)).unwrap_or_default()
}

fn joined(parts: &[KStringCow<'_>]) -> Value {
    Value::scalar(parts.iter().map(KStringCow::as_str).collect::<String>())
}

fn replace(input: &dyn ValueView, given: &[Value]) -> Result<Value> {
    let (input, from, to) = (text(input), of(given, 0), of(given, 1));
    let count = input.as_str().matches(from.as_str()).count();
    must_fit(input.len() + count * to.len())?;
    Ok(Value::scalar(input.as_str().replace(from.as_str(), &to)))
}

fn join(input: &dyn ValueView, given: &[Value]) -> Result<Value> {
    // A text is a list of itself, and nil an empty one.
    let Some(list) = input.as_array() else { return Ok(input.to_value()) };
    let separator = if given.is_empty() { KStringCow::from_static(" ") } else { of(given, 0) };
    let mut joined = String::new();
    for (index, item) in list.values().enumerate() {
        if index > 0 {
            joined.push_str(&separator);
        }
        joined.push_str(&text(item));
        must_fit(joined.len())?;
    }
    Ok(Value::scalar(joined))
}

fn json(value: &Value) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// One of our own filters, with the arguments of a template.
#[derive(Clone, Copy)]
struct Own {
    name: &'static str,
    apply: Apply,
}

impl FilterReflection for Own {
    fn name(&self) -> &str {
        self.name
    }
    fn description(&self) -> &'static str {
        ""
    }
    fn positional_parameters(&self) -> &'static [ParameterReflection] {
        &[]
    }
    fn keyword_parameters(&self) -> &'static [ParameterReflection] {
        &[]
    }
}

impl ParseFilter for Own {
    fn parse(&self, given: FilterArguments<'_>) -> Result<Box<dyn Filter>> {
        Ok(Box::new(OwnCall { own: *self, given: given.positional.collect() }))
    }

    fn reflection(&self) -> &dyn FilterReflection {
        self
    }
}

struct OwnCall {
    own: Own,
    given: Vec<Expression>,
}

impl fmt::Debug for OwnCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.own.name)
    }
}

impl fmt::Display for OwnCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.own.name)
    }
}

impl Filter for OwnCall {
    fn evaluate(&self, input: &dyn ValueView, runtime: &dyn Runtime) -> Result<Value> {
        pay_for(runtime, input)?;
        let mut given = Vec::with_capacity(self.given.len());
        for expression in &self.given {
            let value = expression.evaluate(runtime)?.to_value();
            pay_for(runtime, &value)?;
            given.push(value);
        }
        let made = (self.own.apply)(input, &given)?;
        pay_for(runtime, &made)?;
        Ok(made)
    }
}

/// A filter of the language, within the budget.
#[derive(Clone, Debug)]
struct Guarded<F>(F);

impl<F: FilterReflection> FilterReflection for Guarded<F> {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn description(&self) -> &str {
        self.0.description()
    }
    fn positional_parameters(&self) -> &'static [ParameterReflection] {
        self.0.positional_parameters()
    }
    fn keyword_parameters(&self) -> &'static [ParameterReflection] {
        self.0.keyword_parameters()
    }
}

impl<F: ParseFilter + FilterReflection + Clone + 'static> ParseFilter for Guarded<F> {
    fn parse(&self, given: FilterArguments<'_>) -> Result<Box<dyn Filter>> {
        let is_date = self.0.name() == "date";
        Ok(Box::new(GuardedCall { filter: self.0.parse(given)?, is_date }))
    }

    fn reflection(&self) -> &dyn FilterReflection {
        self
    }
}

#[derive(Debug)]
struct GuardedCall {
    filter: Box<dyn Filter>,
    is_date: bool,
}

impl fmt::Display for GuardedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.filter.fmt(f)
    }
}

impl Filter for GuardedCall {
    fn evaluate(&self, input: &dyn ValueView, runtime: &dyn Runtime) -> Result<Value> {
        pay_for(runtime, input)?;
        let now = self.is_date.then(|| now(input, runtime)).flatten();
        let input = now.as_ref().map_or(input, |now| now as &dyn ValueView);
        let is_object = input.as_object().is_some() && !input.is_nil();
        let object = is_object.then(|| Data::from_view(input));
        let input = object.as_ref().map_or(input, |object| object as &dyn ValueView);
        let made = self.filter.evaluate(input, runtime)?;
        pay_for(runtime, &made)?;
        Ok(made)
    }
}

/// The moment of the rendering, where a date names it: the filter would look at the clock itself.
fn now(input: &dyn ValueView, runtime: &dyn Runtime) -> Option<Value> {
    if !matches!(text(input).as_str(), "now" | "today") {
        return None;
    }
    let unix_ms = runtime.registers().get_mut::<Budget>().unix_ms;
    let moment = crate::date::Civil::of(unix_ms);
    Some(Value::scalar(format!("{} {} +0000", moment.date(), moment.time())))
}
