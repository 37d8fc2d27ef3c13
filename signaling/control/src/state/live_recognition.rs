//! A recognition of a live call as Control holds it.

use call::RecognitionFault;
use shared::TapId;

/// A recognition, from its order until the shell says that it has ended.
#[derive(Debug)]
pub(crate) struct LiveRecognition {
    /// Its tap, until the tap ends.
    pub tap: Option<TapId>,
    /// The fault on our side for which it is being stopped.
    pub failure: Option<(RecognitionFault, String)>,
}
