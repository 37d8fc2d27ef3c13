//! A field of an update: kept, cleared or set. Sans-IO.

/// Change of one field by a form: an absent parameter keeps it, an empty one clears it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// The parameter was absent.
    #[default]
    Keep,
    /// The parameter was empty.
    Clear,
    /// The parameter had a value.
    Set(T),
}

impl<T: Copy> Patch<T> {
    /// Applies it to a field that always has a value. What clears it is its parameter's default, which is a value.
    pub const fn set(&self, field: &mut T) {
        if let Self::Set(value) = self {
            *field = *value;
        }
    }
}

impl<T> Patch<T> {
    /// The value, where the parameter had one.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Keep | Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// Applies it to a field that may be empty.
    pub fn apply(&self, field: &mut Option<T>)
    where
        T: Clone,
    {
        match self {
            Self::Keep => {}
            Self::Clear => *field = None,
            // Copied: the write keeps its parameters, because it may be planned again on a newer revision.
            Self::Set(value) => *field = Some(value.clone()),
        }
    }
}
