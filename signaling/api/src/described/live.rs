//! Rows of a kind with live fields: the store has the row, and Control the figures that it lacks.
//!
//! The row is read first. A queue that is deleted in between is shown as it was, and empty.

use serde_json::Value;
use shared::QueueSid;
use store::{QueueCommand, QueueFigures};

use super::{json, list_row};
use crate::context::{Answered, Context, Step};
use crate::rendering::{DescribedRows, Shape};
use crate::response::Frame;

/// Asks Control for the figures of these rows. Queues are the one kind that has any.
pub(super) fn ask(context: &Context<'_>, rows: DescribedRows) -> Answered {
    let sids = rows.rows.rows.iter().filter_map(|values| values.first()?.sid_bits());
    let queues = sids.map(QueueSid).collect();
    let command = QueueCommand::Read { account: context.account.sid, queues };
    let rendering = context.rendering_of(Shape::Described(Box::new(rows)));
    Ok(Step::Queue { command, rendering })
}

/// The row or the page that the request asked for, with the figures of Control, one for each row.
pub(crate) fn with_figures(rows: &DescribedRows, figures: &[QueueFigures], frame: &Frame) -> Value {
    let DescribedRows { description, rows, list } = rows;
    debug_assert_eq!(rows.rows.len(), figures.len(), "Control answers for each row");
    let mut figures = figures.iter();
    let mut page = rows.clone().map(|mut values| {
        values.extend(figures.next().copied().unwrap_or_default().values());
        values
    });
    match list {
        Some((paging, key)) => {
            paging.v2010(frame, key, page.map(|values| list_row(description, values)))
        }
        None => page.rows.pop().map_or(Value::Null, |values| json(description, values)),
    }
}
