//! Parameters of `POST OutgoingCallerIds`, made into a command for Control: a call that verifies a number.

use shared::limits::FRIENDLY_NAME_CHARACTERS_MAX;
use shared::{AccountSid, Code};
use store::{CallEvents, CallTarget, CreateCall, TwimlSource, ValidateCallerId, Value, WriteError};

use super::{TIMEOUT_S, send_digits, status_callback};
use crate::form::{Form, value_of};

/// Longest `CallDelay`, seconds.
const DELAY_S_MAX: u32 = 60;
/// Longest validation call, seconds: three tries take a minute.
const CALL_S_MAX: u32 = 300;

/// Reads `POST OutgoingCallerIds`.
pub(crate) fn validate(account: AccountSid, form: &Form) -> Result<ValidateCallerId, WriteError> {
    let missing = || WriteError::invalid(Code::PHONE_NUMBER, "PhoneNumber is required");
    let number = form.value("PhoneNumber").ok_or_else(missing)?;
    let phone_number = text("PhoneNumber", number, store::Form::PhoneNumber, Code::PHONE_NUMBER)?;
    let name = store::Form::Name(FRIENDLY_NAME_CHARACTERS_MAX);
    let friendly_name = form.value("FriendlyName");
    let friendly_name = friendly_name
        .map(|given| text("FriendlyName", given, name, Code::FRIENDLY_NAME))
        .transpose()?;
    let delay_s = form.number("CallDelay", (0, DELAY_S_MAX), Code::INVALID_PARAMETER)?;
    let call = CreateCall {
        account,
        // Control knows the numbers of the account, and is itself the application of the call.
        from: String::new(),
        to: CallTarget::Number(phone_number.clone()),
        caller_id: None,
        display_name: None,
        application: None,
        twiml: TwimlSource::Inline(String::new()),
        fallback: None,
        status_callback: status_callback(form)?,
        status_callback_events: CallEvents::COMPLETED,
        detection: None,
        send_digits: form.value("Extension").map(send_digits).transpose()?,
        timeout_s: TIMEOUT_S,
        time_limit_s: CALL_S_MAX,
        record: None,
        sip_auth: None,
        warnings: Vec::new(),
    };
    Ok(ValidateCallerId { phone_number, friendly_name, delay_s: delay_s.unwrap_or(0), call })
}

fn text(name: &str, given: &str, form: store::Form, code: Code) -> Result<String, WriteError> {
    match value_of(name, given, form, code)? {
        Value::Text(text) => Ok(text),
        other => {
            debug_assert!(false, "a text is a text: {other:?}");
            Err(WriteError::unavailable())
        }
    }
}
