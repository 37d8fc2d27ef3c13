//! The request of a function and its answer, as an alert shows them. Pure.

use http::Method;
use http::header::CONTENT_TYPE;
use store::{HttpMessages, HttpMethod};

use crate::answers::{FunctionAnswer, FunctionRequest};

/// A request; `None`: alerts name GET and POST only.
pub(crate) fn of(request: &FunctionRequest) -> Option<HttpMessages> {
    let mut url = request.url.clone();
    // Both are refused only for URLs without a host.
    let _ = url.set_username("").and(url.set_password(None));
    let query = url.query().unwrap_or_default().to_owned();
    let is_form = request
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    let (method, variables) = match request.method {
        Method::GET => (HttpMethod::Get, query),
        Method::POST if is_form => (HttpMethod::Post, start_of(&request.body, VARIABLES_BYTES)),
        Method::POST => (HttpMethod::Post, query),
        _ => return None,
    };
    let request_variables = start_of(variables.as_bytes(), VARIABLES_BYTES);
    Some(HttpMessages { method, url: url.into(), request_variables, ..HttpMessages::default() })
}

/// The request with its answer.
pub(crate) fn answered(request: HttpMessages, answer: &FunctionAnswer) -> HttpMessages {
    let kind = answer.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    HttpMessages {
        response_headers: format!(
            "Status: {}\nContent-Type: {}",
            answer.status.as_u16(),
            kind.unwrap_or_default()
        ),
        response_body: start_of(&answer.body, BODY_BYTES),
        ..request
    }
}

/// The cut may fall inside a character, and a body may be no text at all.
fn start_of(bytes: &[u8], most: usize) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(most)]).into_owned()
}

/// Bytes of the parameters that an alert keeps.
const VARIABLES_BYTES: usize = 4_096;
/// Bytes of an answer's body that an alert keeps.
const BODY_BYTES: usize = 1_024;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::*;

    fn request(method: Method, kind: &'static str, body: Vec<u8>) -> FunctionRequest {
        FunctionRequest {
            label: "desk".to_owned(),
            path: "/it".to_owned(),
            method,
            url: "http://user:secret@desk.sidetone.test/it?a=1".parse().expect("a URL"),
            headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]),
            body: body.into(),
            caller: None,
        }
    }

    #[test]
    fn an_alert_shows_parameters_without_the_password_and_bounded() {
        let form = "application/x-www-form-urlencoded";
        let cases = [
            (Method::GET, "", "ignored", Some("a=1")),
            (Method::POST, form, "b=2", Some("b=2")),
            (Method::POST, "application/json", "{}", Some("a=1")),
            (Method::PUT, form, "b=2", None),
        ];
        for (method, kind, body, shown) in cases {
            let shown_now = of(&request(method, kind, body.into()));
            let variables = shown_now.as_ref().map(|messages| messages.request_variables.as_str());
            assert_eq!(variables, shown);
            let url = shown_now.map(|messages| messages.url);
            assert!(url.is_none_or(|url| url == "http://desk.sidetone.test/it?a=1"));
        }
        let long = of(&request(Method::POST, form, vec![b'x'; 100_000])).expect("a POST");
        assert_eq!(long.request_variables.len(), VARIABLES_BYTES);
    }

    #[test]
    fn an_answer_shows_its_status_and_its_first_bytes() {
        let answer = FunctionAnswer {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            headers: HeaderMap::new(),
            body: Bytes::from(vec![0xC3; 5_000]),
        };
        let shown = answered(HttpMessages::default(), &answer);
        assert_eq!(shown.response_headers, "Status: 500\nContent-Type: ");
        assert_eq!(shown.response_body.chars().count(), BODY_BYTES);
    }
}
