//! A query as the conditions of a list, by the descriptions of its filters.

use store::{Condition, Filter, Is, Test, Value, WriteError};

use crate::date::{moment_of, range};
use crate::form::{Form, digits_of, value_of};

/// Reads the filters that a query names. An empty value filters nothing.
pub(crate) fn conditions<'f>(
    query: &Form,
    filters: impl IntoIterator<Item = &'f Filter>,
) -> Result<Vec<Condition>, WriteError> {
    let mut conditions = Vec::new();
    for filter in filters {
        let mut add = |is| conditions.push(Condition { column: filter.column, is });
        match filter.test {
            Test::Equal(form) => {
                if let Some(text) = query.value(filter.name) {
                    add(Is::Equal(value_of(filter.name, text, form, filter.code)?));
                }
            }
            Test::Digits => {
                if let Some(text) = query.value(filter.name) {
                    add(Is::Holding(digits_of(filter.name, text, filter.code)?));
                }
            }
            Test::During(until) => range(query, filter.name, until)?.for_each(add),
            Test::Since => {
                if let Some(moment) = moment_of(query, filter.name)? {
                    add(Is::From(moment.start_ms));
                }
            }
            // To the end of what the text names: all of a day, or of a second.
            Test::Through => {
                if let Some(moment) = moment_of(query, filter.name)? {
                    add(Is::Before(moment.start_ms + moment.length_ms));
                }
            }
            // The one filter that acts when it is absent: what it hides is shown on request only.
            Test::Unless(word) => {
                if !query.boolean(filter.name)?.unwrap_or(false) {
                    add(Is::Not(Value::from(word)));
                }
            }
        }
    }
    Ok(conditions)
}
