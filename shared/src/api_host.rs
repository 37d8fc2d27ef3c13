//! The hosts that SDKs and tools call the API by: a product, at most an edge and a region, the base. Pure.

use crate::edge;

/// The host of the REST API.
pub const API: &str = "api.twilio.com";

/// The name below which all hosts of the API are.
const BASE: &str = "twilio.com";

/// The first label of a host below the base, lower case: `api`, `voice`, `monitor`, or a product that nobody here
/// serves. `None`: not a host of the API. A final dot counts as none.
pub fn product(host: &str) -> Option<String> {
    let host = normal(host);
    let labels = host.strip_suffix(BASE)?.strip_suffix('.')?;
    let (product, zone) = match labels.split_once('.') {
        Some((product, zone)) => (product, Some(zone)),
        None => (labels, None),
    };
    let is_label = !product.is_empty() && product.len() <= LABEL_BYTES_MAX;
    (is_label && zone.is_none_or(is_zone)).then(|| product.to_owned())
}

/// What follows the product of such a host: the base, with edge and region in front where the host has them.
pub fn zone(host: &str) -> Option<String> {
    let product = product(host)?;
    normal(host).strip_prefix(&product)?.strip_prefix('.').map(str::to_owned)
}

fn normal(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// A region, an edge, or an edge and a region. Which edge goes with which region is not checked: SDKs accept any
/// pair.
fn is_zone(labels: &str) -> bool {
    labels.split('.').count() <= 2 && labels.split('.').all(edge::is_known)
}

/// RFC 1035 §2.3.4.
const LABEL_BYTES_MAX: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_the_api_is_a_product_an_edge_a_region_and_the_base() {
        for (host, expected, rest) in [
            ("api.twilio.com", "api", "twilio.com"),
            ("API.Twilio.com.", "api", "twilio.com"),
            ("voice.ie1.twilio.com", "voice", "ie1.twilio.com"),
            ("api.dublin.ie1.twilio.com", "api", "dublin.ie1.twilio.com"),
            ("serverless-upload.twilio.com", "serverless-upload", "twilio.com"),
        ] {
            assert_eq!(product(host).as_deref(), Some(expected), "{host}");
            assert_eq!(zone(host).as_deref(), Some(rest), "{host}");
        }
    }

    #[test]
    fn other_hosts_are_none_of_ours() {
        for host in [
            "",
            ".",
            "twilio.com",
            ".twilio.com",
            "eviltwilio.com",
            "api.twilio.com.example",
            "api.nowhere.twilio.com",
            "api..twilio.com",
            "api.dublin..ie1.twilio.com",
            "api.dublin.ie1.us1.twilio.com",
            "packages.example.org",
            "127.0.0.1",
        ] {
            assert_eq!(product(host), None, "{host}");
            assert_eq!(zone(host), None, "{host}");
        }
    }
}
