//! Events of a conference, and their parameters (webhooks.md 5.7). Sans-IO.

use shared::{CallSid, ConferenceSid};

use super::member::Member;
use crate::form::Form;

/// Adds the parameters of events about a member.
pub(super) fn member_parameters(member: &Member, form: &mut Form) {
    form.push("CallSid", member.call);
    form.push("Muted", member.terms.muted);
    form.push("Hold", member.held);
    form.push("Coaching", member.terms.coach.is_some());
    form.push("EndConferenceOnExit", member.terms.end_on_exit);
    form.push("StartConferenceOnEnter", member.terms.start_on_enter);
    if let Some(label) = &member.terms.label {
        form.push("ParticipantLabel", label);
    }
}

/// Adds the parameters of the end, which name the member that caused it.
pub(super) fn end_parameters(
    reason: &str,
    ending: Option<(CallSid, Option<&str>)>,
    form: &mut Form,
) {
    form.push("ReasonConferenceEnded", reason);
    form.push("Reason", reason);
    let Some((call, label)) = ending else { return };
    form.push("CallSidEndingConference", call);
    if let Some(label) = label {
        form.push("ParticipantLabelEndingConference", label);
    }
}

/// The form of an event, without what depends on its kind.
pub(super) fn common(
    event: &str,
    conference: ConferenceSid,
    name: &str,
    account: shared::AccountSid,
    sequence: u32,
    unix_ms: i64,
) -> Form {
    let mut form = Form::new();
    form.push("ConferenceSid", conference);
    form.push("FriendlyName", name);
    form.push("AccountSid", account);
    form.push("SequenceNumber", sequence);
    form.push("Timestamp", crate::date::rfc2822(unix_ms));
    form.push("StatusCallbackEvent", event);
    form
}
