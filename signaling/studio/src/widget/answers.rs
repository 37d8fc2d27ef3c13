//! Widgets that ask the web: make-http-request, run-function.

use shared::Code;
use url::form_urlencoded::Serializer;

use super::turn::{Arrival, Entered, Turn};
use crate::data::Data;
use crate::order::{Answer, HttpOrder, Order};

const FORM: &str = "application/x-www-form-urlencoded";

pub(super) fn http_request(turn: &mut Turn<'_>) -> Entered {
    let is_post = turn.text("method") == "POST";
    let parameters = turn.pairs("parameters");
    let content_type = turn.some_text("content_type").unwrap_or_else(|| FORM.to_owned());
    let mut url = turn.text("url").trim().to_owned();
    let body = turn.text("body");
    // A form's parameters are the body, and those of a GET belong to its URL.
    let body = match (is_post, parameters.is_empty()) {
        (true, false) if content_type.starts_with(FORM) => form(&parameters),
        (true, _) => body,
        (false, false) => {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&form(&parameters));
            String::new()
        }
        (false, true) => String::new(),
    };
    Entered::Order(Order::Http(HttpOrder {
        is_function: false,
        is_post,
        url,
        content_type: is_post.then_some(content_type),
        body,
        parameters: Vec::new(),
        with_credentials: turn.flag("add_twilio_auth").unwrap_or(false),
    }))
}

pub(super) fn function(turn: &mut Turn<'_>) -> Entered {
    let parameters = turn.pairs("parameters");
    Entered::Order(Order::Http(HttpOrder {
        is_function: true,
        is_post: true,
        url: turn.text("url").trim().to_owned(),
        content_type: Some(FORM.to_owned()),
        body: form(&parameters),
        parameters,
        with_credentials: false,
    }))
}

fn form(parameters: &[(String, String)]) -> String {
    Serializer::new(String::new()).extend_pairs(parameters).finish()
}

pub(super) fn http_answered(turn: &mut Turn<'_>, arrival: &Arrival<'_>) -> &'static str {
    let codes = (Code::STUDIO_HTTP_FAILED, Code::STUDIO_HTTP_FAILED);
    if answered(turn, arrival, codes) { "success" } else { "failed" }
}

pub(super) fn function_answered(turn: &mut Turn<'_>, arrival: &Arrival<'_>) -> &'static str {
    let codes = (Code::STUDIO_FUNCTION_FAILED, Code::STUDIO_FUNCTION_ANSWER);
    if answered(turn, arrival, codes) { "success" } else { "fail" }
}

/// Keeps the answer; true of one that succeeded. The codes are those of no answer and of a bad one.
fn answered(turn: &mut Turn<'_>, arrival: &Arrival<'_>, codes: (Code, Code)) -> bool {
    let (status, content_type, body) = match arrival {
        Arrival::Answer(Answer::Http { status, content_type, body }) => {
            (*status, content_type, body)
        }
        Arrival::Answer(Answer::NoAnswer { sentence }) => {
            turn.result = Some(Data::map());
            turn.alert(codes.0, sentence.as_str());
            return false;
        }
        _ => return false,
    };
    let mut result = Data::map();
    result.put("status_code", Data::Integer(status.into()));
    result.put("content_type", Data::text(content_type.as_str()));
    result.put("body", Data::text(body.as_str()));
    if content_type.starts_with("application/json")
        && let Ok(json) = serde_json::from_str::<serde_json::Value>(body)
    {
        result.put("parsed", Data::from(json));
    }
    turn.result = Some(result);
    let is_good = (200..400).contains(&status);
    if !is_good {
        turn.alert(codes.1, format!("The answer has status {status}"));
    }
    is_good
}
