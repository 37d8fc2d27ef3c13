//! `forward`: dials one number for the callers that are allowed. Pure.
//!
//! Stage 1 dials; its action is stage 2 (`Dial=true`), which ends the call or leads to `FailUrl`.

use super::parts::{
    caller, encoded, failed, hangup, is_after_dial, is_answered, party, second_stage, spoken,
    timeout,
};
use super::{Answer, Asked};
use crate::parameters::Parameters;
use crate::xml::Element;

pub(super) fn answer(asked: &Asked<'_>) -> Answer {
    let parameters = asked.parameters;
    if is_after_dial(parameters) {
        return if is_answered(parameters) { hangup() } else { failed(parameters) };
    }
    if !is_allowed(parameters) {
        return Answer::Verbs(spoken(RESTRICTED).into_iter().collect());
    }
    let mut action = second_stage(asked, "forward");
    if let Some(url) = parameters.filled("FailUrl") {
        action = format!("{action}&FailUrl={}", encoded(url));
    }
    let mut dial = Element::new("Dial")
        .with("action", action)
        .with("timeout", timeout(parameters, TIMEOUT_S))
        .text(parameters.get("PhoneNumber").unwrap_or_default());
    if let Some(caller_id) = parameters.filled("CallerId") {
        dial = dial.with("callerId", caller_id);
    }
    Answer::Verbs(vec![dial])
}

/// Without a list everybody is allowed. The called number counts, too, as on record.
fn is_allowed(parameters: &Parameters) -> bool {
    let is_first_version = parameters.get("ApiVersion") == Some("2008-08-01");
    let local = |number: &str| {
        let party = party(number);
        match party.strip_prefix('1') {
            Some(local) if is_first_version && local.len() == 10 => local.to_owned(),
            _ => party,
        }
    };
    let called = parameters.filled("To").or_else(|| parameters.filled("Called"));
    let parties = [caller(parameters), called.unwrap_or_default()].map(party);
    let allowed = parameters.list("AllowedCallers");
    allowed.is_empty() || allowed.into_iter().any(|number| parties.contains(&local(number)))
}

const RESTRICTED: &str = "Sorry, you are calling from a restricted number. Good bye.";
const TIMEOUT_S: &str = "20";

#[cfg(test)]
mod tests {
    use crate::twimlets::tests::ask;

    #[test]
    fn a_number_is_dialed_with_its_options_and_text_that_xml_survives() {
        assert_eq!(
            ask("forward", "PhoneNumber=1%262&Timeout=7&CallerId=9&FailUrl=http%3A%2F%2Fa%3Fb%3Dc"),
            "<Response><Dial action=\"/forward?Dial=true&amp;FailUrl=http%3A%2F%2Fa%3Fb%3Dc\" timeout=\"7\" \
             callerId=\"9\">1&amp;2</Dial></Response>"
        );
        assert!(ask("forward", "PhoneNumber=1&Timeout=soon").contains("timeout=\"20\""));
    }

    #[test]
    fn only_listed_callers_pass_where_there_is_a_list() {
        let list = "PhoneNumber=1&AllowedCallers[]=%2B1+(510)+555-1212";
        let is_dialed = |more: &str| ask("forward", &format!("{list}&{more}")).contains("<Dial");
        assert!(is_dialed("From=%2B15105551212"));
        assert!(is_dialed("From=9165550123&To=15105551212"));
        assert!(!is_dialed("From=5105551212"));
        assert!(is_dialed("From=5105551212&ApiVersion=2008-08-01"));
        assert!(!is_dialed("From=sip:bob@example.net"));
    }

    #[test]
    fn after_the_dial_the_call_ends_or_goes_to_the_url_for_failures() {
        let hangup = "<Response><Hangup/></Response>";
        let url = "FailUrl=http%3A%2F%2Fa%2Fb";
        assert_eq!(ask("forward", &format!("Dial=true&DialCallStatus=completed&{url}")), hangup);
        assert_eq!(ask("forward", "Dial=true&DialCallStatus=busy"), hangup);
        let failed = ask("forward", &format!("Dial=true&DialCallStatus=busy&{url}"));
        assert_eq!(failed, "302 http://a/b");
    }
}
