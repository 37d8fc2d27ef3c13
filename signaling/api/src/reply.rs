//! The JSON of a reply by Control: the shape that a fetch of the resource has, or the page of a list.

use serde_json::Value;
use store::{Reply, Resource};

use crate::described;
use crate::rendering::{Rendering, Shape};
use crate::resources::studio::{executions, flows};
use crate::resources::{
    calls, conferences, mappings, members, participants, recordings, sides, timeline, validation,
};

pub(crate) fn json(rendering: &Rendering, reply: &Reply) -> Value {
    let Rendering { frame, shape, .. } = rendering;
    match (reply, shape) {
        (Reply::Resource(Resource::Flow(row), _), _) => flows::json(row, frame),
        (Reply::Execution(row), _) => executions::json(row, frame),
        (Reply::TestUsers(flow, users), _) => flows::test_users_json(*flow, users, frame),
        (Reply::Resource(resource, beside), _) => described::json_of(resource, beside),
        (Reply::Mapping(view), shape) => {
            mappings::json(view, matches!(shape, Shape::LegacyMapping))
        }
        (Reply::Call(row), _) => calls::json(row),
        (Reply::Recording(row), _) if row.conference.is_some() => {
            recordings::json_of_conference(row, &frame.base)
        }
        (Reply::Recording(row), _) => recordings::json_of_call(row, &frame.base),
        (Reply::Stream(row), _) => sides::json(row, "Streams"),
        (Reply::LiveTranscription(row), _) => sides::json(row, "Transcriptions"),
        (Reply::Siprec(row), _) => sides::json(row, "Siprec"),
        (Reply::Conference(row), _) => conferences::json(row),
        (Reply::Participant(row), _) => participants::json(row),
        (Reply::Participants(rows), Shape::Participants(list)) => {
            participants::page(rows, list, frame)
        }
        (Reply::Member(row), _) => members::json(row),
        (Reply::Members(rows), Shape::Members(paging)) => members::page(rows, paging, frame),
        (Reply::Queues(figures), Shape::Described(rows)) => {
            described::with_figures(rows, figures, frame)
        }
        // Without a text the call ended while the command waited: an empty timeline, and the store has it
        // next time.
        (Reply::Timeline(text), _) => timeline::json(text.as_deref().unwrap_or("{}")),
        (Reply::Validation(placed), _) => validation::json(placed),
        (Reply::Legs(text), _) => serde_json::from_str(text).unwrap_or_default(),
        (Reply::Deleted, _) => Value::Null,
        (Reply::Participants(_) | Reply::Members(_) | Reply::Queues(_), shape) => {
            debug_assert!(false, "a list has the shape of its request: {shape:?}");
            Value::Null
        }
    }
}
