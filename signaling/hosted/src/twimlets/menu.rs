//! `menu`: keys lead to URLs. Pure.

use super::Answer;
use super::parts::spoken;
use crate::parameters::Parameters;
use crate::xml::Element;

/// A match is an HTTP redirect, not TwiML: the target gets the call's parameters, and no `Digits` (webhooks.md 1).
pub(super) fn answer(parameters: &Parameters) -> Answer {
    let options = parameters.map("Options");
    let pressed = parameters.filled("Digits");
    let chosen = options.iter().rev().find(|(digits, _)| Some(*digits) == pressed);
    if let Some((_, url)) = chosen {
        return Answer::Elsewhere((*url).to_owned());
    }
    let longest = options.iter().map(|(digits, _)| digits.len()).max().unwrap_or(1).max(1);
    let message = parameters.get("Message").unwrap_or_default();
    let gather =
        Element::new("Gather").with("numDigits", longest.to_string()).children(spoken(message));
    let refusal = pressed.and_then(|_| spoken(NO_OPTION));
    Answer::Verbs(refusal.into_iter().chain([gather, Element::new("Redirect")]).collect())
}

const NO_OPTION: &str = "I'm sorry, that wasn't a valid option.";

#[cfg(test)]
mod tests {
    use crate::twimlets::tests::ask;

    #[test]
    fn keys_lead_to_the_url_of_their_option() {
        let options = "Options[1]=http%3A%2F%2Fa&Options[123]=http%3A%2F%2Fb";
        assert_eq!(ask("menu", &format!("{options}&Digits=123")), "302 http://b");
        assert_eq!(
            ask("menu", &format!("{options}&Message=Press")),
            "<Response><Gather numDigits=\"3\"><Say>Press</Say></Gather><Redirect/></Response>"
        );
        assert_eq!(
            ask("menu", &format!("{options}&Digits=4")),
            "<Response><Say>I&#39;m sorry, that wasn&#39;t a valid option.</Say><Gather numDigits=\"3\"/>\
             <Redirect/></Response>"
        );
    }
}
