//! Twimlets: small applications that answer from their parameters alone. Pure.
//!
//! Each is a function from parameters to an [`Answer`]. The stages of a call come back as further requests whose
//! parameters name the stage (`Dial=true`, `Digits`), so nothing is kept between requests. The answers are those of
//! the vendor's service, which its function templates have on record, to the letter: attribute order, empty
//! parameters and all. What differs on purpose is in hosted.md 4.

mod conference;
mod find;
mod forward;
mod holdmusic;
mod menu;
mod message;
mod parts;
mod voicemail;
mod whisper;

use bytes::Bytes;
use webhook::{HostedAnswer, HostedAnswering, HostedRequest};

use crate::answer::{audio, redirect, xml};
use crate::handlers::Handler;
use crate::parameters::Parameters;
use crate::route::Resource;
use crate::xml::{Element, document};

/// The handler of all Twimlets.
#[derive(Clone, Copy, Debug)]
pub struct Twimlets {
    music: fn() -> Bytes,
}

/// The answer of a Twimlet.
#[derive(Clone, Debug)]
enum Answer {
    /// A document with these verbs.
    Verbs(Vec<Element>),
    /// A document as the caller wrote it.
    Given(String),
    /// The URL where the call goes on.
    Elsewhere(String),
    /// The bundled music.
    Music,
}

/// A request to a Twimlet.
struct Asked<'a> {
    parameters: &'a Parameters,
    /// The path below which the Twimlets are: empty on their own host.
    below: &'static str,
}

impl Twimlets {
    /// With the music of `holdmusic`, a WAV file that is made when it is first wanted.
    pub const fn new(music: fn() -> Bytes) -> Self {
        Self { music }
    }

    /// The answer of a Twimlet; `None`: there is none of this name.
    fn answer(&self, name: &str, asked: &Asked<'_>) -> Option<HostedAnswer> {
        Some(match verbs(name, asked)? {
            Answer::Verbs(verbs) => xml(document(verbs)),
            Answer::Given(text) => xml(text),
            Answer::Elsewhere(url) => redirect(&url),
            Answer::Music => audio("audio/x-wav", (self.music)()),
        })
    }
}

impl Handler for Twimlets {
    fn answer(&self, resource: Resource, request: HostedRequest) -> HostedAnswering {
        let below = if request.url.path().starts_with(BELOW) { BELOW } else { "" };
        let answer = match resource {
            Resource::Twimlet(name) => {
                self.answer(&name, &Asked { parameters: &Parameters::of(&request), below })
            }
            _ => None,
        };
        Box::pin(async { answer })
    }
}

fn verbs(name: &str, asked: &Asked<'_>) -> Option<Answer> {
    let parameters = asked.parameters;
    Some(match name {
        "message" => message::answer(parameters),
        "forward" => forward::answer(asked),
        "callme" => find::call_me(asked),
        "simulring" => find::simulring(asked),
        "findme" => find::find_me(asked),
        "whisper" => whisper::answer(parameters),
        "menu" => menu::answer(parameters),
        "echo" => Answer::Given(parameters.get("Twiml").unwrap_or("<Response/>").to_owned()),
        "conference" => conference::answer(asked),
        "voicemail" => voicemail::answer(parameters),
        "holdmusic" => holdmusic::answer(asked),
        "music" => Answer::Music,
        _ => return None,
    })
}

/// Where Twimlets are at our own address.
const BELOW: &str = "/twimlets";

#[cfg(test)]
mod tests {
    use super::*;

    /// The document that a Twimlet answers, without its declaration, or `302` and the target.
    pub(super) fn ask(name: &str, query: &str) -> String {
        let parameters = Parameters::from_encoded(query, b"");
        let asked = Asked { parameters: &parameters, below: "" };
        match verbs(name, &asked).expect("a Twimlet") {
            Answer::Verbs(verbs) => {
                let text = document(verbs);
                text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
                    .expect("a declaration")
                    .to_owned()
            }
            Answer::Given(text) => text,
            Answer::Elsewhere(url) => format!("302 {url}"),
            Answer::Music => "music".to_owned(),
        }
    }

    #[test]
    fn echo_answers_what_it_is_given() {
        assert_eq!(ask("echo", "Twiml=%3CResponse%3E+%3C/Response%3E"), "<Response> </Response>");
        assert_eq!(ask("echo", ""), "<Response/>");
    }

    #[test]
    fn a_twimlet_at_our_own_address_stays_there() {
        let parameters = Parameters::from_encoded("PhoneNumber=1", b"");
        let asked = Asked { parameters: &parameters, below: BELOW };
        let Some(Answer::Verbs(list)) = verbs("forward", &asked) else { panic!("verbs") };
        assert!(document(list).contains("action=\"/twimlets/forward?Dial=true\""));
    }

    proptest::proptest! {
        /// Hostile parameters make documents, redirects that a header can hold, or a refusal.
        #[test]
        fn whatever_the_parameters_hold_an_answer_is_well_formed(
            values in proptest::collection::vec((0..NAMES.len(), ".{0,20}"), 0..12),
        ) {
            let pairs = values.iter().map(|(name, value)| (NAMES[*name], value));
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            let parameters = Parameters::from_encoded(&query.extend_pairs(pairs).finish(), b"");
            let twimlets = Twimlets::new(Bytes::new);
            for name in [
                "message", "forward", "callme", "simulring", "findme", "whisper", "menu", "conference",
                "voicemail", "holdmusic",
            ] {
                let answer = twimlets.answer(name, &Asked { parameters: &parameters, below: "" });
                let answer = answer.expect("a Twimlet");
                match answer.status.as_u16() {
                    200 => {
                        let text = std::str::from_utf8(&answer.body).expect("UTF-8");
                        let document = roxmltree::Document::parse(text).expect("XML");
                        assert!(document.root_element().has_tag_name("Response"));
                    }
                    302 => assert!(answer.headers.contains_key(http::header::LOCATION)),
                    status => assert_eq!(status, 400),
                }
            }
        }
    }

    const NAMES: [&str; 16] = [
        "Message",
        "Message[]",
        "Message[3]",
        "PhoneNumber",
        "PhoneNumbers[]",
        "FailUrl",
        "Timeout",
        "Dial",
        "DialCallStatus",
        "Digits",
        "Options[1]",
        "From",
        "HumanCheck",
        "Password",
        "Music",
        "AllowedCallers[]",
    ];

    #[test]
    fn a_name_that_no_twimlet_has_is_not_here() {
        let parameters = Parameters::default();
        assert!(verbs("sms", &Asked { parameters: &parameters, below: "" }).is_none());
    }
}
