//! `callme`, `simulring`, `findme`: dial one number, several at once, several one after the other. Pure.
//!
//! Each number hears `whisper` before it is joined. `findme` carries the rest of its list in the action of its
//! `<Dial>`, so each failed attempt is a new request with a shorter list.

use super::parts::{encoded, failed, hangup, is_after_dial, is_answered, second_stage, timeout};
use super::{Answer, Asked};
use crate::parameters::Parameters;
use crate::xml::Element;

pub(super) fn call_me(asked: &Asked<'_>) -> Answer {
    let parameters = asked.parameters;
    if is_after_dial(parameters) {
        return after_dial(parameters);
    }
    let mut action = second_stage(asked, "callme");
    if let Some(url) = parameters.filled("FailUrl") {
        action = format!("{action}&FailUrl={}", encoded(url));
    }
    let called = parameters.get("PhoneNumber").unwrap_or_default();
    dial(action, timeout(parameters, "20"), [number(called, whisper(parameters))])
}

pub(super) fn simulring(asked: &Asked<'_>) -> Answer {
    let parameters = asked.parameters;
    if is_after_dial(parameters) {
        return after_dial(parameters);
    }
    let url = parameters.get("FailUrl").unwrap_or_default();
    let action = format!("{}&FailUrl={}", second_stage(asked, "simulring"), encoded(url));
    let numbers = parameters.list("PhoneNumbers").into_iter().take(NUMBERS_MAX);
    let numbers = numbers.map(|called| number(called, whisper(parameters)));
    dial(action, timeout(parameters, "20"), numbers)
}

pub(super) fn find_me(asked: &Asked<'_>) -> Answer {
    let parameters = asked.parameters;
    if is_after_dial(parameters) && is_answered(parameters) {
        return hangup();
    }
    let mut numbers = parameters.list("PhoneNumbers");
    if numbers.len() > NUMBERS_MAX {
        // On record: of a list that is too long, the vendor's service keeps what is past the bound.
        numbers.drain(..NUMBERS_MAX);
    }
    let Some((first, rest)) = numbers.split_first() else {
        return failed(parameters);
    };
    let mut action = second_stage(asked, "findme");
    for name in ["FailUrl", "Timeout", "Message"] {
        let value = encoded(parameters.get(name).unwrap_or_default());
        action = format!("{action}&{name}={value}");
    }
    for number in rest.iter().take(NUMBERS_MAX) {
        action = format!("{action}&PhoneNumbers%5B%5D={}", encoded(number));
    }
    let whisper = format!("{}&HumanCheck=1", whisper(parameters));
    dial(action, timeout(parameters, "60"), [number(first, whisper)])
}

fn after_dial(parameters: &Parameters) -> Answer {
    if is_answered(parameters) { hangup() } else { failed(parameters) }
}

fn dial(action: String, timeout: &str, numbers: impl IntoIterator<Item = Element>) -> Answer {
    let dial = Element::new("Dial").with("action", action).with("timeout", timeout);
    Answer::Verbs(vec![dial.children(numbers)])
}

fn number(called: &str, whisper: String) -> Element {
    Element::new("Number").with("url", whisper).text(called)
}

/// Relative, so it stays where this Twimlet is.
fn whisper(parameters: &Parameters) -> String {
    format!("whisper?Message={}", encoded(parameters.get("Message").unwrap_or_default()))
}

/// Numbers of one list.
const NUMBERS_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use crate::twimlets::tests::ask;

    #[test]
    fn call_me_dials_a_number_that_hears_the_message_first() {
        assert_eq!(
            ask("callme", "PhoneNumber=1&Message=Hello+you&FailUrl=http%3A%2F%2Fa"),
            "<Response><Dial action=\"/callme?Dial=true&amp;FailUrl=http%3A%2F%2Fa\" timeout=\"20\">\
             <Number url=\"whisper?Message=Hello+you\">1</Number></Dial></Response>"
        );
        assert_eq!(ask("callme", "Dial=true&FailUrl=http%3A%2F%2Fa"), "302 http://a");
    }

    #[test]
    fn simulring_dials_ten_numbers_at_once() {
        let query: String = (0..12).map(|n| format!("PhoneNumbers[]={n}&")).collect();
        let text = ask("simulring", &query);
        assert_eq!(text.matches("<Number ").count(), 10, "{text}");
        assert!(text.contains("action=\"/simulring?Dial=true&amp;FailUrl=\" timeout=\"20\""));
    }

    #[test]
    fn find_me_goes_through_its_list_to_the_end() {
        let mut query = "PhoneNumbers[]=1&PhoneNumbers[]=2&FailUrl=http%3A%2F%2Fa".to_owned();
        let mut dialed = Vec::new();
        loop {
            let text = ask("findme", &query);
            let Ok(document) = roxmltree::Document::parse(&text) else {
                assert_eq!(text, "302 http://a");
                break;
            };
            let dial = document.root_element().first_element_child().expect("a verb");
            dialed.push(dial.first_element_child().expect("a number").text().unwrap().to_owned());
            let action = dial.attribute("action").expect("an action");
            query = format!("{}&DialCallStatus=no-answer", action.split_once('?').unwrap().1);
        }
        assert_eq!(dialed, ["1", "2"]);
        let answered = ask("findme", "Dial=true&DialCallStatus=completed&PhoneNumbers[]=1");
        assert_eq!(answered, "<Response><Hangup/></Response>");
    }
}
