//! A query as the conditions of a list, by the descriptions of its filters.

use store::{Condition, Filter, Is, Test, WriteError};

use crate::date::range;
use crate::form::{Form, value_of};

/// Reads the filters that a query names. An empty value filters nothing.
pub(crate) fn conditions(query: &Form, filters: &[Filter]) -> Result<Vec<Condition>, WriteError> {
    let mut conditions = Vec::new();
    for filter in filters {
        let mut add = |is| conditions.push(Condition { column: filter.column, is });
        match filter.test {
            Test::Equal(form) => {
                if let Some(text) = query.value(filter.name) {
                    add(Is::Equal(value_of(filter.name, text, form, filter.code)?));
                }
            }
            Test::During(until) => {
                let range = range(query, filter.name, until)?;
                range.from_ms.map(Is::From).into_iter().for_each(&mut add);
                range.before_ms.map(Is::Before).into_iter().for_each(&mut add);
            }
        }
    }
    Ok(conditions)
}
