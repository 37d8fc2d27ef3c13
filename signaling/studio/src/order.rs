//! What a flow orders from outside, and the answers. Sans-IO: the shell carries orders out.

use std::sync::Arc;

use shared::Code;

use crate::data::Data;
use crate::document::Flow;

/// An order. One is under way at most, and [`Answer`] answers it.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Send a request.
    Http(HttpOrder),
    /// Place a call by REST. The shell adds `Url` and the status callback, which lead back to this execution.
    Call {
        /// `Step` of these URLs.
        step: usize,
        /// Parameters of the call.
        parameters: Vec<(&'static str, String)>,
    },
    /// Begin or stop the recording of the execution's call, by REST.
    Recording {
        /// True to begin one.
        is_on: bool,
        /// Parameters of the new recording.
        parameters: Vec<(&'static str, String)>,
    },
    /// Read another flow of the account.
    Flow {
        /// Its SID.
        sid: String,
        /// True for the newest revision; else for the one that is published.
        is_draft: bool,
    },
}

/// An HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOrder {
    /// True where it runs a Function of the account: signed as a webhook is.
    pub is_function: bool,
    /// GET or POST.
    pub is_post: bool,
    /// The URL, as the template made it.
    pub url: String,
    /// Of the body; `None` where there is no body.
    pub content_type: Option<String>,
    /// Of a POST.
    pub body: String,
    /// The parameters that the body or the query consists of, for a signature.
    pub parameters: Vec<(String, String)>,
    /// Whether to add the account's credentials.
    pub with_credentials: bool,
}

/// Answers an [`Order`].
#[derive(Clone, Debug)]
pub enum Answer {
    /// Any HTTP answer, also 4xx and 5xx.
    Http {
        /// Its status.
        status: u16,
        /// Its media type; empty where it has none.
        content_type: String,
        /// At most 64 kB of text.
        body: String,
    },
    /// No HTTP answer.
    NoAnswer {
        /// The reason.
        sentence: String,
    },
    /// The call is placed, the recording began or ended.
    Done {
        /// The resource: fields of its JSON that variables show.
        resource: Data,
    },
    /// REST refused it.
    Refused {
        /// With this code.
        code: Code,
        /// The reason.
        sentence: String,
    },
    /// The flow that was asked for.
    Flow {
        /// Its definition.
        flow: Arc<Flow>,
    },
}
