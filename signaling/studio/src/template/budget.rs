//! The work that one template may do.
//!
//! A template comes from a customer and runs on a thread that all customers share, so each step of it costs something
//! of a budget: a turn of a loop, a filter, an assignment, and the bytes that they make. The budget and the time of the
//! rendering are in the registers of the runtime, the only state that tags and filters share.

use liquid_core::model::ValueView;
use liquid_core::{Error, Result, Runtime};
use shared::limits::{STUDIO_TEMPLATE_OUTPUT_BYTES_MAX, STUDIO_TEMPLATE_STEPS_MAX};

/// Items of a list that a filter takes or makes at most: some compare each with each.
const ITEMS_MAX: i64 = 1_000;
/// Bytes that cost one step.
const BYTES_A_STEP: usize = 256;

/// Steps left, and the moment that `now` means.
#[derive(Debug)]
pub(super) struct Budget {
    steps_left: u32,
    pub unix_ms: i64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps_left: STUDIO_TEMPLATE_STEPS_MAX, unix_ms: 0 }
    }
}

/// Pays for a step that reads or makes this many bytes.
pub(super) fn pay(runtime: &dyn Runtime, bytes: usize) -> Result<()> {
    let mut budget = runtime.registers().get_mut::<Budget>();
    let steps = u32::try_from(1 + bytes / BYTES_A_STEP).unwrap_or(u32::MAX);
    match budget.steps_left.checked_sub(steps) {
        Some(left) => {
            budget.steps_left = left;
            Ok(())
        }
        None => Err(Error::with_msg("The template works for too long")),
    }
}

/// Pays for a value that a step took or made, and refuses one that is too large.
pub(super) fn pay_for(runtime: &dyn Runtime, value: &dyn ValueView) -> Result<()> {
    if value.as_array().is_some_and(|array| array.size() > ITEMS_MAX) {
        return Err(Error::with_msg(format!("A list of more than {ITEMS_MAX} items")));
    }
    let bytes = value.as_scalar().map_or(0, |scalar| scalar.to_kstr().len());
    must_fit(bytes)?;
    pay(runtime, bytes)
}

/// Refuses a text that a step is about to make.
pub(super) fn must_fit(bytes: usize) -> Result<()> {
    if bytes > STUDIO_TEMPLATE_OUTPUT_BYTES_MAX {
        return Err(Error::with_msg("The template makes too much text"));
    }
    Ok(())
}
