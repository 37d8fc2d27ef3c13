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

impl<T> Patch<T> {
    /// The value, where the parameter had one.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Keep | Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// Applies it to a field that may be empty.
    pub fn apply(self, field: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = None,
            Self::Set(value) => *field = Some(value),
        }
    }

    /// Applies it to a field that always has a value; clearing sets the default.
    pub fn apply_or(self, field: &mut T, default: T) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = default,
            Self::Set(value) => *field = value,
        }
    }
}
