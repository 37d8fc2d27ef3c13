//! The last status callback of a call whose process was killed, made of its record. Sans-IO.

use store::{CallDirection, CallRecord, OwedCallback};

use crate::date::rfc2822;
use crate::form::Form;
use crate::ids::HttpId;
use crate::webhook::{HttpKind, HttpRequest, WebUrl, WebUrlError};

/// The request that reports the end of a call, as the call itself would have sent it.
///
/// # Errors
/// [`WebUrlError`] where the URL cannot be used.
pub fn owed_callback(
    record: &CallRecord,
    owed: &OwedCallback,
    id: HttpId,
    unix_ms: i64,
) -> Result<HttpRequest, WebUrlError> {
    let mut standard = Form::new();
    standard.push("CallSid", record.sid);
    standard.push("AccountSid", record.account);
    standard.push("From", &record.from);
    standard.push("To", &record.to);
    standard.push("Caller", &record.from);
    standard.push("Called", &record.to);
    standard.push("CallStatus", record.status.name());
    standard.push("ApiVersion", "2010-04-01");
    standard.push("Direction", record.direction.name());
    if let Some(parent) = record.parent {
        standard.push("ParentCallSid", parent);
    }
    if let Some(from) = &record.forwarded_from {
        standard.push("ForwardedFrom", from);
    }
    if let Some(application) = owed.application {
        standard.push("ApplicationSid", application);
    }
    standard.push("Timestamp", rfc2822(unix_ms));
    standard.push("CallbackSource", "call-progress-events");
    standard.push("SequenceNumber", sequence(record));
    if let Some(answered_by) = &record.answered_by {
        standard.push("AnsweredBy", answered_by);
    }
    let duration_s = record.duration_s.unwrap_or(0);
    standard.push("CallDuration", duration_s);
    // In minutes, each begun minute counted.
    standard.push("Duration", duration_s.div_ceil(60));
    Ok(HttpRequest {
        id,
        kind: HttpKind::StatusCallback,
        account: record.account,
        call: record.sid,
        method: owed.webhook.method,
        url: WebUrl::parse(&owed.webhook.url)?,
        standard,
        extra: Form::new(),
        // Of the SID: a start that was killed as well repeats the request, and its receiver can tell.
        idempotency_token: format!("{}-ended", record.sid),
    })
}

/// The number of the event. The record does not count the events; it is that of a call which rang before it was
/// answered, and of one that failed while it rang.
const fn sequence(record: &CallRecord) -> u32 {
    match (record.direction, record.duration_s) {
        (CallDirection::Inbound, _) => 0,
        (_, Some(_)) => 3,
        (_, None) => 2,
    }
}

#[cfg(test)]
mod tests {
    use shared::{AccountSid, ApplicationSid, CallSid};
    use store::{CallStatus, HttpMethod, Webhook};

    use super::*;

    #[test]
    fn it_has_the_parameters_of_the_calls_own_last_callback() {
        let record = CallRecord {
            sid: CallSid(1),
            account: AccountSid(2),
            parent: Some(CallSid(3)),
            to: "+15550100".to_owned(),
            from: "alice".to_owned(),
            status: CallStatus::Failed,
            direction: CallDirection::OutboundDial,
            start_ms: Some(0),
            end_ms: Some(61_000),
            duration_s: Some(61),
            queue_time_ms: 0,
            answered_by: Some("human".to_owned()),
            forwarded_from: None,
            caller_name: None,
            owed_callback: None,
            created_ms: 0,
            updated_ms: 0,
        };
        let webhook = Webhook { url: "http://h/status".to_owned(), method: HttpMethod::Get };
        let owed = OwedCallback { webhook, application: Some(ApplicationSid(4)) };
        let request = owed_callback(&record, &owed, HttpId(1), 0).expect("a URL");
        for (name, value) in [
            ("CallStatus", "failed"),
            ("Direction", "outbound-dial"),
            ("ParentCallSid", &*CallSid(3).to_string()),
            ("ApplicationSid", &*ApplicationSid(4).to_string()),
            ("CallDuration", "61"),
            ("Duration", "2"),
            ("SequenceNumber", "3"),
            ("AnsweredBy", "human"),
        ] {
            assert_eq!(request.standard.value(name), Some(value), "{name}");
        }
        let webhook = Webhook { url: "nonsense".to_owned(), method: HttpMethod::Get };
        let owed = OwedCallback { webhook, application: None };
        assert!(owed_callback(&record, &owed, HttpId(1), 0).is_err());
    }
}
