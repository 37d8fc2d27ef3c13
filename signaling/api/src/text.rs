//! Values that JSON shows as text, written into the document without a text of their own before.

use std::fmt::{self, Display, Formatter};

use serde::{Serialize, Serializer};

/// A value that JSON shows as the text of its `Display`. `json!` copies a `String` that it is given; of this it makes
/// the one text that the document keeps.
pub(crate) struct Text<T>(pub T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<T: Display> Display for Text<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
