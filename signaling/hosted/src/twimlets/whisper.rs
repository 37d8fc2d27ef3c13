//! `whisper`: what a dialed party hears before it is joined; a key accepts. Pure.

use super::Answer;
use super::parts::{caller, hangup, spoken};
use crate::parameters::Parameters;
use crate::xml::Element;

/// Without an action, `<Gather>` comes back here with `Digits`.
pub(super) fn answer(parameters: &Parameters) -> Answer {
    match parameters.get("Digits") {
        Some("") => return hangup(),
        Some(_) => return Answer::Verbs(Vec::new()),
        None => {}
    }
    let default = default(caller(parameters));
    let message = parameters.filled("Message").unwrap_or(&default);
    let gather = Element::new("Gather").with("numDigits", "1").children(spoken(message));
    let human_check = parameters.filled("HumanCheck").map(|_| Element::new("Hangup"));
    Answer::Verbs([gather].into_iter().chain(human_check).collect())
}

/// The caller, spelled.
fn default(caller: &str) -> String {
    let spelled: String = caller.chars().map(|c| format!("{c}. ")).collect();
    format!("You are receiving a call from {spelled}.  Press any key to accept.")
}

#[cfg(test)]
mod tests {
    use crate::twimlets::tests::ask;

    #[test]
    fn the_party_hears_the_message_or_who_calls() {
        assert_eq!(
            ask("whisper", "Message=Hi"),
            "<Response><Gather numDigits=\"1\"><Say>Hi</Say></Gather></Response>"
        );
        let spelled = ask("whisper", "Message=&From=%2B12");
        assert!(spelled.contains("from +. 1. 2. .  Press any key"), "{spelled}");
        assert!(ask("whisper", "HumanCheck=1").ends_with("</Gather><Hangup/></Response>"));
    }

    #[test]
    fn a_key_accepts_and_none_refuses() {
        assert_eq!(ask("whisper", "Digits=5"), "<Response/>");
        assert_eq!(ask("whisper", "Digits="), "<Response><Hangup/></Response>");
    }
}
