//! A request for a document, while the call has nothing else to do. Sans-IO.

use shared::Now;

use super::Waits;
use crate::call::Call;
use crate::ids::HttpId;

/// A requested document. Its answer is found by the request (`webhooks.rs`), not by this state, because
/// an answer to an abandoned request has to be recognised, too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetching {
    pub(crate) request: HttpId,
}

impl Waits for Fetching {
    fn abort(&mut self, call: &mut Call, _now: Now) {
        call.abandon(self.request);
    }
}
