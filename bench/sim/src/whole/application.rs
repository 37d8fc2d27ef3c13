//! The application of a whole gateway: the documents that it answers, and the webhooks that it got.

use call::{HttpAnswer, HttpRequest};
use shared::CallSid;

use crate::ground::DOMAIN;
use crate::webhook::Asked;

/// Answers every webhook, and keeps it.
#[derive(Default)]
pub struct Application {
    asked: Vec<Asked>,
}

impl Application {
    /// Every webhook so far, in order.
    pub fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// Takes a webhook and answers it.
    pub fn answer(&mut self, call: CallSid, request: &HttpRequest) -> HttpAnswer {
        let asked = Asked::new(call, request);
        let answer = HttpAnswer {
            status: 200,
            content_type: Some("text/xml".to_owned()),
            body: document(&asked).into_bytes().into(),
            final_url: asked.url.clone(),
            duration_ms: 20,
        };
        self.asked.push(asked);
        answer
    }
}

/// `plain-bob` is called by a `<Dial>` that answers at once, `bridge-bob` by one that answers when bob
/// does; a party that is transferred to a user is connected with that user.
fn document(asked: &Asked) -> String {
    let verbs = match asked.path() {
        "voice" => {
            let user = user_of(asked.value("To"));
            match user.split_once('-') {
                Some(("bridge", user)) => dial(user, true),
                Some((_, user)) => dial(user, false),
                None => String::new(),
            }
        }
        "refer" => dial(user_of(asked.value("ReferTransferTarget")), false),
        _ => String::new(),
    };
    format!("<Response>{verbs}</Response>")
}

/// `timeout` of every `<Dial>`, in seconds; the gateway lets it ring 5 s longer.
pub const RINGS_S: u64 = 20;

fn dial(user: &str, on_bridge: bool) -> String {
    format!(
        "<Dial action=\"/next\" referUrl=\"/refer\" timeout=\"{RINGS_S}\" \
         answerOnBridge=\"{on_bridge}\"><Sip>sip:{user}@{DOMAIN}</Sip></Dial>"
    )
}

fn user_of(address: &str) -> &str {
    let address = address.trim_start_matches('<').trim_start_matches("sip:");
    address.split('@').next().unwrap_or_default()
}
