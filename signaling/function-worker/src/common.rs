//! What the slots of a worker have in common, and what reaches one of them. Shell.

use std::collections::BTreeMap;
use std::sync::Arc;

use functions::message::{Deployed, FetchedHead};
use parking_lot::Mutex;

use crate::library::Library;
use crate::pipe::Outbox;

/// What all slots share.
pub(crate) struct Shared {
    pub(crate) library: Library,
    pub(crate) deployed: Deployed,
    pub(crate) outbox: Outbox,
    /// Deployed files that a slot has read: one answer of the gateway serves all.
    pub(crate) contents: Mutex<BTreeMap<String, Option<Arc<[u8]>>>>,
}

/// What the gateway has for an invocation.
pub(crate) enum ToSlot {
    /// The content of the file that it asked for.
    Content(Option<Vec<u8>>),
    /// The answer to a fetch.
    Fetched { fetch: u32, result: Result<FetchedHead, String>, body: Vec<u8> },
}
