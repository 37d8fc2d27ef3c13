//! What an execution reports to the account that owns it.

use shared::Code;

/// A notification about a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Its code.
    pub code: Code,
    /// A sentence that names the widget.
    pub message: String,
}

impl Alert {
    pub(crate) fn new(code: Code, message: String) -> Self {
        Self { code, message }
    }

    /// True of an error; false of a warning.
    pub fn is_error(&self) -> bool {
        !matches!(
            self.code,
            Code::STUDIO_STEPS
                | Code::STUDIO_LOOP
                | Code::STUDIO_EVENT
                | Code::STUDIO_NO_MATCH
                | Code::STUDIO_TEMPLATE
                | Code::STUDIO_NOT_FIT
                | Code::STUDIO_TYPE
        )
    }
}
