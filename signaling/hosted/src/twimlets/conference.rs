//! `conference`: a room with moderators and a pass code. Pure.
//!
//! The vendor's page gives its parameters; no answers are on record, so the documents are our own.

use super::parts::{caller, encoded, party, spoken};
use super::{Answer, Asked};
use crate::xml::Element;

/// Where there are moderators, the room opens with the first of them and closes behind the last.
pub(super) fn answer(asked: &Asked<'_>) -> Answer {
    let parameters = asked.parameters;
    let pressed = parameters.get("Digits");
    if let Some(password) = parameters.filled("Password")
        && pressed != Some(password)
    {
        let prompt = if pressed.is_none() { PASS_CODE } else { WRONG_CODE };
        let gather = Element::new("Gather").with("numDigits", password.chars().count().to_string());
        let gather = gather.child(Element::new("Say").text(prompt));
        return Answer::Verbs(vec![gather, Element::new("Redirect")]);
    }
    let moderators = parameters.list("Moderators");
    let from = party(caller(parameters));
    let is_moderator = moderators.iter().any(|moderator| party(moderator) == from);
    let (starts, ends) = (moderators.is_empty() || is_moderator, is_moderator);
    let name = parameters.filled("Name").or_else(|| parameters.filled("To")).unwrap_or("twimlet");
    let mut conference = Element::new("Conference")
        .with("startConferenceOnEnter", starts.to_string())
        .with("endConferenceOnExit", ends.to_string());
    if let Some(music) = parameters.filled("Music") {
        conference = conference.with("waitUrl", wait_url(asked, music));
    }
    let message = spoken(parameters.get("Message").unwrap_or(WELCOME));
    let dial = Element::new("Dial").child(conference.text(name));
    Answer::Verbs(message.into_iter().chain([dial]).collect())
}

/// A genre of the vendor's music, or the URL of a file or document.
fn wait_url(asked: &Asked<'_>, music: &str) -> String {
    match music.starts_with("http") {
        true => music.to_owned(),
        false => {
            let bucket = encoded(&format!("com.twilio.music.{music}"));
            format!("{}/holdmusic?Bucket={bucket}", asked.below)
        }
    }
}

const WELCOME: &str = "You are now entering the conference line.";
const PASS_CODE: &str = "Please enter your conference pass code.";
const WRONG_CODE: &str = "That pass code is wrong. Please enter your conference pass code.";

#[cfg(test)]
mod tests {
    use crate::twimlets::tests::ask;

    #[test]
    fn members_wait_for_a_moderator_where_there_is_one() {
        let list = "Moderators[]=%2B1-415&Name=team&Message=&Music=rock";
        let member = ask("conference", &format!("{list}&From=%2B49"));
        assert_eq!(
            member,
            "<Response><Dial><Conference startConferenceOnEnter=\"false\" endConferenceOnExit=\"false\" \
             waitUrl=\"/holdmusic?Bucket=com.twilio.music.rock\">team</Conference></Dial></Response>"
        );
        let moderator = ask("conference", &format!("{list}&From=%2B1415"));
        assert!(moderator.contains("OnEnter=\"true\" endConferenceOnExit=\"true\""), "{moderator}");
        let users = "Moderators=sip%3Acarol%4010.0.0.1&Name=team&From=sip%3A";
        let carol = ask("conference", &format!("{users}carol%4010.0.0.2%3A5060"));
        assert!(carol.contains("OnEnter=\"true\" endConferenceOnExit=\"true\""), "{carol}");
        let bob = ask("conference", &format!("{users}bob%4010.0.0.1"));
        assert!(bob.contains("OnEnter=\"false\""), "{bob}");
        let alone = ask("conference", "To=%2B1");
        assert!(alone.contains("OnEnter=\"true\" endConferenceOnExit=\"false\">+1<"), "{alone}");
    }

    #[test]
    fn the_room_opens_to_its_pass_code_only() {
        let first = ask("conference", "Password=1234");
        assert!(first.contains("<Gather numDigits=\"4\"><Say>Please enter"), "{first}");
        assert!(!ask("conference", "Password=1234&Digits=1235").contains("<Conference"));
        assert!(ask("conference", "Password=1234&Digits=1234").contains("<Conference"));
    }
}
