//! The resource that a URL names, of those that are hosted here. Pure.
//!
//! | host | path | resource |
//! |---|---|---|
//! | `handler.<base>` | `/twiml/EH…` | a TwiML Bin |
//! | `webhooks.<base>` | `/v1/Accounts/AC…/Flows/FW…` | a Studio flow |
//! | `twimlets.<base>` | `/NAME` | a Twimlet |
//! | `<domain>.<functions base>` | any | a Function or an asset |
//! | our own HTTP address | `/twiml/…`, `/v1/…`, `/twimlets/NAME`, `/functions/<domain>/…` | any of them |
//!
//! With `hosted.rewrite` the cloud's names of these hosts mean ours as well. A customer may still have some of his
//! resources there, so such a [`Route`] is `in_cloud`: what is not found here is requested where the URL says.

use std::collections::BTreeSet;

use shared::{AccountSid, BinSid, FlowSid, config};
use url::Url;

/// What routes depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteSettings {
    /// `hosted.base`, lower case.
    pub base: String,
    /// `hosted.functions_base`, lower case.
    pub functions_base: String,
    /// `hosted.rewrite`.
    pub rewrite: bool,
    /// Hosts and ports of our own HTTP listeners; addresses of IPv6 in brackets.
    pub own: BTreeSet<(String, u16)>,
}

/// A hosted resource, as a URL names it. Whether there is such a resource, its handler knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The resource.
    pub resource: Resource,
    /// Whether the host is the cloud's, which may have the resource when we do not.
    pub in_cloud: bool,
}

/// The kinds of hosted resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A TwiML Bin.
    Bin(BinSid),
    /// A Studio flow.
    Flow {
        /// The account in the URL.
        account: AccountSid,
        /// The flow.
        flow: FlowSid,
    },
    /// A Function, or an asset of its service.
    Function {
        /// The first label of the environment's domain: `service-1234-suffix`, lower case.
        domain: String,
        /// The path in the service, percent-encoded; begins with `/`.
        path: String,
    },
    /// A Twimlet, by its name.
    Twimlet(String),
    /// A host of ours with a path that none of them has.
    Nothing,
}

impl RouteSettings {
    /// The settings of a gateway whose own HTTP addresses are `own`.
    pub fn new(config: &config::Config, own: BTreeSet<(String, u16)>) -> Self {
        let or = |given: &str, default: String| match given {
            "" => default,
            given => given.to_ascii_lowercase(),
        };
        let base = or(&config.hosted.base, config.node.domain_suffix.to_ascii_lowercase());
        let functions_base = or(&config.hosted.functions_base, format!("functions.{base}"));
        Self { base, functions_base, rewrite: config.hosted.rewrite, own }
    }
}

impl Route {
    /// The route of a URL; `None`: it leads outside.
    pub fn of(url: &Url, settings: &RouteSettings) -> Option<Self> {
        let host = url.host_str()?;
        let host = host.strip_suffix('.').unwrap_or(host);
        let path = url.path();
        let ours = |resource| Some(Self { resource, in_cloud: false });
        if let Some(resource) = of_host(host, &settings.base, &settings.functions_base, path) {
            return ours(resource.unwrap_or(Resource::Nothing));
        }
        let port = url.port_or_known_default()?;
        if settings.own.contains(&(host.to_owned(), port)) {
            return Self::of_path(path);
        }
        let in_cloud = settings.rewrite.then(|| in_cloud(host, path)).flatten()?;
        Some(Self { resource: in_cloud, in_cloud: true })
    }

    /// The route of a path at our own address, whatever it is called.
    pub fn of_path(path: &str) -> Option<Self> {
        let resource = bin(path).or_else(|| flow(path)).or_else(|| {
            let twimlet = path.strip_prefix("/twimlets").and_then(twimlet);
            twimlet.or_else(|| function_below(path))
        })?;
        Some(Self { resource, in_cloud: false })
    }
}

/// `Some(None)`: the host is ours, and the path means nothing there.
fn of_host(host: &str, base: &str, functions_base: &str, path: &str) -> Option<Option<Resource>> {
    if let Some(domain) = label_below(host, functions_base) {
        return Some(Some(function(domain, path)));
    }
    match label_below(host, base)? {
        "handler" => Some(bin(path)),
        "webhooks" => Some(flow(path)),
        "twimlets" => Some(twimlet(path)),
        _ => None,
    }
}

fn in_cloud(host: &str, path: &str) -> Option<Resource> {
    match host {
        "handler.twilio.com" => bin(path),
        "webhooks.twilio.com" => flow(path),
        "twimlets.com" | "www.twimlets.com" => twimlet(path),
        host => Some(function(label_below(host, "twil.io")?, path)),
    }
}

/// The one label in front of a domain.
fn label_below<'a>(host: &'a str, base: &str) -> Option<&'a str> {
    let label = host.strip_suffix(base)?.strip_suffix('.')?;
    config::is_label(label).then_some(label)
}

fn bin(path: &str) -> Option<Resource> {
    path.strip_prefix("/twiml/")?.parse().ok().map(Resource::Bin)
}

fn flow(path: &str) -> Option<Resource> {
    let (account, flow) = path.strip_prefix("/v1/Accounts/")?.split_once("/Flows/")?;
    Some(Resource::Flow { account: account.parse().ok()?, flow: flow.parse().ok()? })
}

fn twimlet(path: &str) -> Option<Resource> {
    let name = path.strip_prefix('/')?;
    let name = name.strip_suffix('/').unwrap_or(name);
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_name.then(|| Resource::Twimlet(name.to_ascii_lowercase()))
}

fn function_below(path: &str) -> Option<Resource> {
    let rest = path.strip_prefix("/functions/")?;
    let (domain, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    config::is_label(domain).then(|| function(domain, path))
}

fn function(domain: &str, path: &str) -> Resource {
    Resource::Function { domain: domain.to_ascii_lowercase(), path: path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "AC0000000000000000000000000000000a";
    const BIN: &str = "EH0000000000000000000000000000000b";
    const FLOW: &str = "FW0000000000000000000000000000000c";

    fn settings() -> RouteSettings {
        RouteSettings {
            base: "example.net".to_owned(),
            functions_base: "functions.example.net".to_owned(),
            rewrite: true,
            own: BTreeSet::from([("127.0.0.1".to_owned(), 8080), ("[::1]".to_owned(), 8080)]),
        }
    }

    fn of(url: &str) -> Option<Route> {
        Route::of(&Url::parse(url).expect("a URL"), &settings())
    }

    fn ours(url: &str) -> Resource {
        let route = of(url).expect("hosted");
        assert!(!route.in_cloud, "{url}");
        route.resource
    }

    fn a_function(domain: &str, path: &str) -> Resource {
        Resource::Function { domain: domain.to_owned(), path: path.to_owned() }
    }

    #[test]
    fn each_kind_has_a_host_and_a_path_at_our_own_address() {
        let bin = Resource::Bin(BIN.parse().expect("a SID"));
        let path = format!("/v1/Accounts/{ACCOUNT}/Flows/{FLOW}");
        let flow = Resource::Flow {
            account: ACCOUNT.parse().expect("a SID"),
            flow: FLOW.parse().expect("a SID"),
        };
        let message = Resource::Twimlet("message".to_owned());
        for (url, expected) in [
            (format!("https://handler.example.net/twiml/{BIN}?Dest%5B%5D=a"), &bin),
            (format!("http://127.0.0.1:8080/twiml/{BIN}"), &bin),
            (format!("https://webhooks.example.net{path}?FlowEvent=return"), &flow),
            (format!("http://[::1]:8080{path}"), &flow),
            ("https://twimlets.example.net/message?Message=a".to_owned(), &message),
            ("http://127.0.0.1:8080/twimlets/message".to_owned(), &message),
            ("https://HANDLER.example.net./twiml/x".to_owned(), &Resource::Nothing),
            (
                "https://hello-1234-dev.functions.example.net/a/b%20c?x=1".to_owned(),
                &a_function("hello-1234-dev", "/a/b%20c"),
            ),
            (
                "http://127.0.0.1:8080/functions/Hello-1234/a".to_owned(),
                &a_function("hello-1234", "/a"),
            ),
            ("http://127.0.0.1:8080/functions/h-1".to_owned(), &a_function("h-1", "/")),
        ] {
            assert_eq!(&ours(&url), expected, "{url}");
        }
    }

    #[test]
    fn the_clouds_hosts_mean_ours_where_the_setting_says_so() {
        for url in [
            format!("https://handler.twilio.com/twiml/{BIN}"),
            format!("https://webhooks.twilio.com/v1/Accounts/{ACCOUNT}/Flows/{FLOW}"),
            "https://twimlets.com/message?Message%5B0%5D=a".to_owned(),
            "http://www.twimlets.com/echo".to_owned(),
            "https://hello-1234.twil.io/x".to_owned(),
        ] {
            assert!(of(&url).is_some_and(|route| route.in_cloud), "{url}");
            let off = RouteSettings { rewrite: false, ..settings() };
            assert_eq!(Route::of(&Url::parse(&url).expect("a URL"), &off), None, "{url}");
        }
    }

    #[test]
    fn all_other_urls_lead_outside() {
        for url in [
            "https://example.net/twiml/x",
            "https://app.example.net/voice",
            "https://a.b.functions.example.net/voice",
            "https://handler.example.net.evil.example/twiml/x",
            "http://127.0.0.1:8081/twimlets/message",
            "http://127.0.0.1:8080/metrics",
            "http://127.0.0.1:8080/twiml/EH1",
            "https://handler.twilio.com/other",
            "https://twimlets.com/a/b",
            "https://twil.io/x",
            "https://api.twilio.com/2010-04-01/Accounts",
        ] {
            assert_eq!(of(url), None, "{url}");
        }
    }

    #[test]
    fn bases_follow_from_the_settings() {
        let mut layers = config::Layers::default();
        layers.add_file("t", "[node]\ndomain_suffix = \"Voice.Example\"\n").expect("valid");
        let config = config::Config::from_layers(&layers).expect("valid");
        let settings = RouteSettings::new(&config, BTreeSet::new());
        assert_eq!(settings.base, "voice.example");
        assert_eq!(settings.functions_base, "functions.voice.example");
        assert!(settings.rewrite);
    }
}
