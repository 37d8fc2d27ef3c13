//! A stream of a live call as Control holds it.

use shared::media::TapTracks;
use shared::{Code, FeedId, TapId};

/// A stream, from the order to open it until the shell says that it has ended.
#[derive(Debug)]
pub(crate) struct LiveStream {
    /// Its name; `None`: its SID is its name.
    pub name: Option<String>,
    /// Whether the application talks, too.
    pub is_two_way: bool,
    pub tracks: TapTracks,
    /// Its tap, once the socket is open and until the tap ends.
    pub tap: Option<TapId>,
    /// Its feed, likewise.
    pub feed: Option<FeedId>,
    /// The fault on our side for which it is being closed.
    pub failure: Option<(Code, String)>,
    /// REST or the call closes it.
    pub is_stopping: bool,
    /// Milliseconds since 1970 at its last change.
    pub updated_ms: i64,
}
