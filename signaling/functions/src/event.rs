//! The `event` of a handler: query and body of the request, with the request itself beside them (hosted.md 3). Pure.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde_json::{Map, Value, json};
use shared::limits::FUNCTION_REQUEST_BYTES_MAX;
use url::Url;

/// Reasons a request does not become an event, with their status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// 405: only GET, POST and OPTIONS reach a function.
    Method,
    /// 413: body and headers are too long.
    TooLarge,
    /// 400: the body is not what its type says.
    Broken,
}

impl Refused {
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::TooLarge => 413,
            Self::Broken => 400,
        }
    }

    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::Method => "A function takes GET, POST and OPTIONS.",
            Self::TooLarge => "The request has more than 1 MB.",
            Self::Broken => "The body is not JSON, as its type says.",
        }
    }
}

/// Makes the event of a request. A field of the body wins over one of the query, and one called `request` over the
/// request, as in the cloud.
///
/// # Errors
/// [`Refused`].
pub(crate) fn event(
    method: &Method,
    url: &Url,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Value, Refused> {
    if ![Method::GET, Method::POST, Method::OPTIONS, Method::HEAD].contains(method) {
        return Err(Refused::Method);
    }
    let heads: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if heads + body.len() > FUNCTION_REQUEST_BYTES_MAX {
        return Err(Refused::TooLarge);
    }
    let mut event = Map::new();
    event.insert("request".to_owned(), request(headers));
    event.extend(form(url.query().unwrap_or_default().as_bytes()));
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        _ if body.is_empty() => {}
        "application/json" => match serde_json::from_slice(body).map_err(|_| Refused::Broken)? {
            Value::Object(fields) => event.extend(fields),
            other => drop(event.insert("body".to_owned(), other)),
        },
        "application/x-www-form-urlencoded" => event.extend(form(body)),
        _ => {}
    }
    Ok(Value::Object(event))
}

fn request(headers: &HeaderMap) -> Value {
    let mut shown: Map<String, Value> = Map::new();
    for name in headers.keys().filter(|name| is_shown(name.as_str())) {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| Value::from(String::from_utf8_lossy(value.as_bytes())))
            .collect();
        let value = match values.as_slice() {
            [one] => one.clone(),
            _ => Value::Array(values),
        };
        shown.insert(name.as_str().to_owned(), value);
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let cookies: BTreeMap<_, _> = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    json!({ "headers": shown, "cookies": cookies })
}

/// Headers of connections and proxies are nobody's business.
fn is_shown(name: &str) -> bool {
    const HIDDEN: &[&str] = &[
        "via",
        "referer",
        "transfer-encoding",
        "proxy-authorization",
        "proxy-authenticate",
        "x-real-ip",
        "connection",
        "proxy-connection",
        "expect",
        "trailer",
        "upgrade",
        "cookie",
    ];
    const PREFIXES: &[&str] = &["i-twilio-", "i-t-", "ot-", "x-amz", "x-forwarded-", "x-accel-"];
    !HIDDEN.contains(&name) && !PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Fields of a form; one that is repeated is a list.
fn form(text: &[u8]) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, value) in url::form_urlencoded::parse(text) {
        let value = Value::from(value);
        match fields.get_mut(name.as_ref()) {
            None => drop(fields.insert(name.into_owned(), value)),
            Some(Value::Array(list)) => list.push(value),
            Some(one) => {
                let first = one.take();
                *one = Value::Array(vec![first, value]);
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(query: &str, kind: &str, body: &str) -> Result<Value, Refused> {
        let url = Url::parse(&format!("https://a-1.example.org/it?{query}")).expect("a URL");
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(kind).expect("a value"));
        headers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; c=d=e"));
        headers.append("x-twice", HeaderValue::from_static("1"));
        headers.append("x-twice", HeaderValue::from_static("2"));
        event(&Method::POST, &url, &headers, &Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn the_body_wins_over_the_query_and_the_request_is_beside_them() {
        let event = of("From=a&Only=q&x=1&x=2", "application/x-www-form-urlencoded", "From=b+c%21");
        let event = event.expect("an event");
        assert_eq!(event["From"], "b c!");
        assert_eq!(event["Only"], "q");
        assert_eq!(event["x"], json!(["1", "2"]));
        assert_eq!(
            event["request"],
            json!({
                "headers": { "content-type": "application/x-www-form-urlencoded", "x-twice": ["1", "2"] },
                "cookies": { "a": "b", "c": "d=e" },
            })
        );
    }

    #[test]
    fn json_keeps_its_types_and_broken_json_is_refused() {
        let event = of("", "application/json; charset=utf-8", "{\"n\":1,\"l\":[true]}");
        let event = event.expect("an event");
        assert_eq!((&event["n"], &event["l"]), (&json!(1), &json!([true])));
        assert_eq!(of("", "application/json", "{"), Err(Refused::Broken));
        assert_eq!(of("", "application/json", &"1".repeat(1 << 21)), Err(Refused::TooLarge));
    }

    #[test]
    fn other_methods_do_not_reach_a_function() {
        let url = Url::parse("https://a-1.example.org/it").expect("a URL");
        let refused = event(&Method::DELETE, &url, &HeaderMap::new(), &Bytes::new());
        assert_eq!(refused, Err(Refused::Method));
    }
}
