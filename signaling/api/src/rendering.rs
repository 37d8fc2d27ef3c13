//! The form of an answer that Control decides: kept while it carries out a write or a command, and filled with its reply
//! by `reply.rs`.

use shared::Code;
use store::{Description, Page, Value, WriteError};

use crate::paging::Paging;
use crate::response::{Frame, Header, Response};

/// Form of the answer to a request whose write or command Control has.
#[derive(Clone, Debug)]
pub struct Rendering {
    pub(crate) frame: Frame,
    /// Status of success: 200 or 201.
    pub(crate) status: u16,
    pub(crate) shape: Shape,
}

/// What the JSON of a reply needs beside the reply.
#[derive(Clone, Debug, Default)]
pub(crate) enum Shape {
    /// Nothing: the JSON is that of a fetch.
    #[default]
    Plain,
    /// The two legacy mapping resources have other fields.
    LegacyMapping,
    /// The page of the participants that the request asks for.
    Participants(Box<(Paging, ParticipantFilter)>),
    /// The page of the members that the request asks for.
    Members(Box<Paging>),
    /// Rows of the store, which lack their live fields.
    Described(Box<DescribedRows>),
}

/// Filters of the list of participants. `None` takes both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ParticipantFilter {
    pub muted: Option<bool>,
    pub hold: Option<bool>,
    pub coaching: Option<bool>,
}

/// Rows of a described kind that were read from the store, and wait for the values of their live fields.
#[derive(Clone, Debug)]
pub(crate) struct DescribedRows {
    pub description: &'static Description,
    pub rows: Page<Vec<Value>>,
    /// The page and the key of its list; `None` where the one row was fetched.
    pub list: Option<(Paging, &'static str)>,
}

impl Rendering {
    /// 404 for this request.
    pub fn missing(&self) -> Response {
        self.frame.error(&WriteError::not_found())
    }

    /// 503 for this request: Control does not answer, or its queue is full.
    pub fn unavailable(&self) -> Response {
        self.frame.error(&WriteError::unavailable())
    }

    /// 406 for this request: the program that makes MP3 is not installed.
    pub fn without_mp3(&self) -> Response {
        let message =
            "MP3 needs the program sidetone-mp3 beside sidetone: install it, or ask for .wav";
        self.frame.error(&WriteError::new(406, Code::NOT_ACCEPTABLE, message))
    }

    /// 416 for this request: `Range` begins past the end of a recording.
    pub fn range_not_satisfiable(&self) -> Response {
        let message = "The range begins after the end of the recording";
        self.frame.error(&WriteError::new(416, Code::RANGE_NOT_SATISFIABLE, message))
    }

    /// Headers of every answer to this request: its id, and CORS for browsers. For an answer whose body is made
    /// elsewhere.
    pub fn headers(&self) -> Vec<Header> {
        self.frame.headers()
    }
}
