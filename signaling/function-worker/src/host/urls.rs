//! URLs by the WHATWG rules, for `URL`.

use rquickjs::{Ctx, Function, Object};
use serde_json::json;
use url::{Position, Url};

pub(super) fn install<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> rquickjs::Result<()> {
    let parse = |input: String, base: Option<String>| parsed(&input, base.as_deref());
    host.set("url", Function::new(ctx.clone(), parse)?)?;
    let with = |url: String, part: String, value: String| changed(&url, &part, &value);
    host.set("urlWith", Function::new(ctx.clone(), with)?)
}

fn parsed(input: &str, base: Option<&str>) -> Option<String> {
    let url = match base {
        Some(base) => Url::parse(base).ok()?.join(input).ok()?,
        None => Url::parse(input).ok()?,
    };
    Some(parts(&url))
}

/// The URL with one part replaced; `None`: it cannot be. A part that the URL cannot have stays as it is.
fn changed(url: &str, part: &str, value: &str) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    let some = |value: &str| (!value.is_empty()).then(|| value.to_owned());
    match part {
        "href" => url = Url::parse(value).ok()?,
        "protocol" => drop(url.set_scheme(value.trim_end_matches(':'))),
        "username" => drop(url.set_username(value)),
        "password" => drop(url.set_password(some(value).as_deref())),
        "hostname" => drop(url.set_host(Some(value))),
        "host" => {
            let (host, port) = match value.rsplit_once(':') {
                Some((host, port)) if port.parse::<u16>().is_ok() => (host, port.parse().ok()),
                _ => (value, None),
            };
            let _ = url.set_host(Some(host));
            if port.is_some() {
                let _ = url.set_port(port);
            }
        }
        "port" => drop(url.set_port(value.parse().ok())),
        "pathname" => url.set_path(value),
        "search" => url.set_query(some(value.trim_start_matches('?')).as_deref()),
        "hash" => url.set_fragment(some(value.trim_start_matches('#')).as_deref()),
        _ => {}
    }
    Some(parts(&url))
}

fn parts(url: &Url) -> String {
    let lead = |mark: char, text: Option<&str>| {
        text.filter(|text| !text.is_empty())
            .map_or_else(String::new, |text| format!("{mark}{text}"))
    };
    json!({
        "href": url.as_str(),
        "origin": url.origin().ascii_serialization(),
        "protocol": format!("{}:", url.scheme()),
        "username": url.username(),
        "password": url.password().unwrap_or_default(),
        "host": &url[Position::BeforeHost..Position::AfterPort],
        "hostname": url.host_str().unwrap_or_default(),
        "port": url.port().map(|port| port.to_string()).unwrap_or_default(),
        "pathname": url.path(),
        "search": lead('?', url.query()),
        "hash": lead('#', url.fragment()),
    })
    .to_string()
}
