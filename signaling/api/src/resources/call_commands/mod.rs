//! Parameters of `POST Calls`, `POST Calls/{sid}`, their recordings, and participants of conferences: read,
//! checked for form, and made into commands for Control.

mod detection;
mod not_built;
mod participant;
mod party;
mod recording;
mod validation;

use shared::limits::{CALL_S, RING_S, TWIML_INLINE_CHARACTERS_MAX};
use shared::{AccountSid, CallSid, Code};
use store::{
    Application, CallEvents, CreateCall, HttpMethod, Patch, Secret, SipAuth, TwimlSource,
    UpdateAction, UpdateCall, Webhook, WriteError,
};

use crate::form::Form;
use crate::response::invalid_parameter;
use not_built::{refuse_what_is_not_built, unknown_events};
pub(crate) use participant::{change_participant, create_participant, muted};
use party::{caller, caller_id, target};
use recording::record;
pub(crate) use recording::{recording_action, start_recording};
pub(crate) use validation::validate;

/// Ring time where the request names none, seconds.
const TIMEOUT_S: u32 = 60;
const SEND_DIGITS_MAX: usize = 32;
const SIP_AUTH_CHARACTERS_MAX: usize = 255;

/// Reads `POST Calls`.
pub(crate) fn create(
    account: AccountSid,
    form: &Form,
    application: Option<&Application>,
) -> Result<CreateCall, WriteError> {
    let to = target(form.value("To").map(str::trim).unwrap_or_default())?;
    let from = caller(&to, form.value("From").map(str::trim).unwrap_or_default())?;
    refuse_what_is_not_built(form)?;
    let documents = match application {
        Some(application) => documents_of(application)?,
        None => documents(form)?,
    };
    let (detection, warning) = detection::of_call(form)?;
    Ok(CreateCall {
        account,
        from,
        detection,
        caller_id: form.value("CallerId").map(caller_id).transpose()?,
        display_name: None,
        to,
        application: application.map(|application| application.sid),
        twiml: documents.twiml,
        fallback: documents.fallback,
        status_callback: documents.status_callback,
        status_callback_events: documents.status_callback_events,
        send_digits: form.value("SendDigits").map(send_digits).transpose()?,
        timeout_s: form.number("Timeout", (1, RING_S.1), Code::TIMEOUT)?.unwrap_or(TIMEOUT_S),
        time_limit_s: form
            .number("TimeLimit", (1, CALL_S.1), Code::INVALID_PARAMETER)?
            .unwrap_or(CALL_S.0),
        record: record(form, &recording::EVENTS)?,
        sip_auth: sip_auth(form)?,
        warnings: warning.into_iter().chain(unknown_events(form)).collect(),
    })
}

/// The URLs that a call runs by.
struct Documents {
    twiml: TwimlSource,
    fallback: Option<Webhook>,
    status_callback: Option<Webhook>,
    status_callback_events: CallEvents,
}

/// The URLs of the request itself.
fn documents(form: &Form) -> Result<Documents, WriteError> {
    let method = form.method("Method", Code::METHOD)?.unwrap_or_default();
    let twiml = twiml_source(form, method)?.ok_or_else(|| {
        WriteError::invalid(
            Code::URL_NOT_ABSOLUTE,
            "One of Url, Twiml and ApplicationSid is required",
        )
    })?;
    Ok(Documents {
        twiml,
        fallback: webhook(form, "FallbackUrl", "FallbackMethod")?,
        status_callback: status_callback(form)?,
        status_callback_events: call_events(form),
    })
}

/// The URLs of an application. They replace those of the request, which are not even read (rest.md 6).
fn documents_of(application: &Application) -> Result<Documents, WriteError> {
    let urls = application.voice_urls();
    let twiml = urls.document.map(TwimlSource::Url).ok_or_else(|| {
        let message = "The application that ApplicationSid names has no VoiceUrl";
        WriteError::invalid(Code::URL_NOT_ABSOLUTE, message)
    })?;
    Ok(Documents {
        twiml,
        fallback: urls.fallback,
        status_callback: urls.status_callback,
        status_callback_events: CallEvents::COMPLETED,
    })
}

/// Reads `POST Calls/{sid}`.
pub(crate) fn update(
    account: AccountSid,
    call: CallSid,
    form: &Form,
) -> Result<UpdateCall, WriteError> {
    let method = form.method("Method", Code::METHOD)?.unwrap_or_default();
    // Unlike `POST Calls`, where `Url` wins: the contract differs (rest.md 6.1, 6.2).
    if form.value("Url").is_some() && form.value("Twiml").is_some() {
        return Err(WriteError::invalid(
            Code::URL_NOT_ABSOLUTE,
            "Url and Twiml exclude each other",
        ));
    }
    let redirect = twiml_source(form, method)?;
    let fallback = webhook(form, "FallbackUrl", "FallbackMethod")?;
    let words = [("canceled", UpdateAction::Cancel), ("completed", UpdateAction::Complete)];
    let status = match form.value("Status") {
        None => None,
        Some(text) => {
            let found = words.into_iter().find(|(word, _)| *word == text);
            let message = "Status must be canceled or completed";
            Some(found.ok_or_else(|| invalid_parameter(message))?.1)
        }
    };
    // Ending a call takes precedence: a document for it would never run.
    let action =
        status.or_else(|| redirect.map(|twiml| UpdateAction::Redirect { twiml, fallback }));
    let status_callback = match form.raw("StatusCallback") {
        None => Patch::Keep,
        // An empty value clears it; `webhook` reads that as none.
        Some(_) => status_callback(form)?.map_or(Patch::Clear, Patch::Set),
    };
    let time_limit_s = form.number("TimeLimit", (1, CALL_S.1), Code::INVALID_PARAMETER)?;
    Ok(UpdateCall { account, call, action, status_callback, time_limit_s })
}

/// The source of the first document: `Url` takes precedence over `Twiml`.
fn twiml_source(form: &Form, method: HttpMethod) -> Result<Option<TwimlSource>, WriteError> {
    if let Some(url) = form.url("Url", Code::URL_NOT_ABSOLUTE)? {
        return Ok(Some(TwimlSource::Url(Webhook { url, method })));
    }
    let Some(twiml) = form.value("Twiml") else { return Ok(None) };
    // Characters and not bytes: the contract counts 4,000 of them, whatever they take in UTF-8.
    if twiml.chars().count() > TWIML_INLINE_CHARACTERS_MAX {
        let message = format!("Twiml may have at most {TWIML_INLINE_CHARACTERS_MAX} characters");
        return Err(invalid_parameter(message));
    }
    Ok(Some(TwimlSource::Inline(twiml.to_owned())))
}

/// A URL and its method, POST where the request names none; `None` without a URL.
pub(crate) fn webhook(form: &Form, url: &str, method: &str) -> Result<Option<Webhook>, WriteError> {
    let method = form.method(method, Code::METHOD)?.unwrap_or_default();
    Ok(form.url(url, Code::URL_NOT_ABSOLUTE)?.map(|url| Webhook { url, method }))
}

/// Reads `StatusCallback`: a URL whose host name, unlike that of others, may not have an underscore.
fn status_callback(form: &Form) -> Result<Option<Webhook>, WriteError> {
    let callback = webhook(form, "StatusCallback", "StatusCallbackMethod")?;
    let host = |callback: &Webhook| {
        url::Url::parse(&callback.url).ok().and_then(|url| url.host_str().map(str::to_owned))
    };
    if callback.as_ref().and_then(host).is_some_and(|host| host.contains('_')) {
        let message = "StatusCallback is not valid: its host name may not hold an underscore";
        return Err(WriteError::invalid(Code::URL_NOT_ABSOLUTE, message));
    }
    Ok(callback)
}

fn send_digits(text: &str) -> Result<String, WriteError> {
    let is_key = |c: char| matches!(c, '0'..='9' | 'A'..='D' | 'a'..='d' | '*' | '#' | 'w' | 'W');
    if text.len() > SEND_DIGITS_MAX || !text.chars().all(is_key) {
        let message = format!(
            "SendDigits may have at most {SEND_DIGITS_MAX} characters of 0-9, A-D, *, #, w and W"
        );
        return Err(WriteError::invalid(Code::SEND_DIGITS, message));
    }
    Ok(text.to_owned())
}

/// Reads a list of events. Ignores unknown ones: [`unknown_events`] warns about them.
fn call_events(form: &Form) -> CallEvents {
    let mut events = CallEvents::NONE;
    for word in form.words("StatusCallbackEvent") {
        match word {
            "initiated" => events.initiated = true,
            "ringing" => events.ringing = true,
            "answered" => events.answered = true,
            "completed" => events.completed = true,
            _ => {}
        }
    }
    // A list of unknown words alone is warned about and leaves the default.
    if events == CallEvents::NONE { CallEvents::COMPLETED } else { events }
}

fn sip_auth(form: &Form) -> Result<Option<SipAuth>, WriteError> {
    let username = form.value("SipAuthUsername");
    let password = form.value("SipAuthPassword");
    check_sip_auth("SipAuthUsername", username, (Code::SIP_USERNAME_LENGTH, Code::SIP_USERNAME))?;
    check_sip_auth("SipAuthPassword", password, (Code::SIP_PASSWORD_LENGTH, Code::SIP_PASSWORD))?;
    match (username, password) {
        (Some(username), Some(password)) => {
            Ok(Some(SipAuth { username: username.to_owned(), password: Secret::new(password) }))
        }
        (Some(_), None) => Err(WriteError::invalid(
            Code::SIP_USERNAME_ALONE,
            "SipAuthUsername needs a SipAuthPassword",
        )),
        // The contract has a code for a user name without a password, and none for the reverse.
        (None, _) => Ok(None),
    }
}

fn check_sip_auth(
    name: &str,
    value: Option<&str>,
    (too_long, illegal): (Code, Code),
) -> Result<(), WriteError> {
    let value = value.unwrap_or_default();
    if value.chars().count() > SIP_AUTH_CHARACTERS_MAX {
        let message = format!("{name} may have at most {SIP_AUTH_CHARACTERS_MAX} characters");
        return Err(WriteError::invalid(too_long, message));
    }
    // A line feed would end the Authorization header that is made of it.
    if value.chars().any(char::is_control) {
        return Err(WriteError::invalid(illegal, format!("{name} holds an illegal character")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
