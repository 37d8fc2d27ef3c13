//! `POST /OutgoingCallerIds`: a call that verifies a number. The rows themselves have a description.

use serde_json::{Value, json};
use store::{CallCommand, Validation};

use crate::context::{Answered, Context};
use crate::resources::call_commands;

pub(crate) fn request(context: &Context<'_>) -> Answered {
    let asked = call_commands::validate(context.account.sid, &context.form)?;
    // 200, as nothing is created yet.
    context.command(CallCommand::Validate(Box::new(asked)), 200)
}

pub(crate) fn json(placed: &Validation) -> Value {
    json!({
        "account_sid": placed.account.to_string(),
        "call_sid": placed.call.to_string(),
        "friendly_name": placed.friendly_name,
        "phone_number": placed.phone_number,
        "validation_code": placed.code,
    })
}
