//! `[recordings]`: recordings of calls. Pure.

use super::section::section;
use super::value::ByteSize;

section! {
    /// Recordings of calls.
    #[derive(Clone, Debug, PartialEq)]
    Recordings in "recordings" {
        /// No new recording starts below this much free disk.
        free_disk_min: ByteSize = "\"2 GiB\"",
    }
}
