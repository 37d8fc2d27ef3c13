//! Signatures of requests to the application (`X-Twilio-Signature`). Sans-IO.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};

use crate::form::Form;

/// `X-Twilio-Signature`: HMAC-SHA1 in base64 over the URL and the sorted body parameters.
///
/// `url` is what the application sees: no userinfo, no fragment ([`crate::webhook::WebUrl::wire`]).
/// `parameters` are those of a POST body, decoded; none for GET.
pub fn sign(auth_token: &[u8], url: &str, parameters: &Form) -> String {
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(auth_token).expect("HMAC takes any key");
    mac.update(text_to_sign(url, parameters).as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// URL, then each name with each of its distinct values, both in code point order, no separators.
fn text_to_sign(url: &str, parameters: &Form) -> String {
    // A set of values, because each distinct one is signed once (webhooks.md 9).
    let mut sorted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in parameters.iter() {
        sorted.entry(name).or_default().insert(value);
    }
    let mut text = url.to_owned();
    for (name, values) in &sorted {
        for value in values {
            text.push_str(name);
            text.push_str(value);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::WebUrl;

    const TOKEN: &[u8] = b"0123456789abcdef0123456789abcdef";

    #[test]
    fn v1_classic_vector() {
        let form = form(&[
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+14158675309"),
            ("Digits", "1234"),
            ("From", "+14158675309"),
            ("To", "+18005551212"),
        ]);
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        assert_eq!(sign(b"12345", url, &form), "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
    }

    #[test]
    fn v2_incoming_sip_call() {
        let url = "https://app.example.com/voice?tenant=7";
        assert_eq!(sign(TOKEN, url, &incoming()), "xFY8UVQYvJdqvVl2ICmtm3w3qjo=");
    }

    #[test]
    fn v3_an_explicit_port_is_signed() {
        let url = "https://app.example.com:8443/voice?tenant=7";
        assert_eq!(sign(TOKEN, url, &incoming()), "R8q4eE5//iLeW3gyoJEZgdhm9Ow=");
    }

    #[test]
    fn v4_get_parameters_are_part_of_the_url() {
        let parameters = form(&[
            ("CallSid", "CA00000000000000000000000000000002"),
            ("CallStatus", "completed"),
            ("Timestamp", "Fri, 20 Aug 2010 01:13:42 +0000"),
        ]);
        let url = WebUrl::parse("https://app.example.com/status").unwrap();
        assert_eq!(
            sign(TOKEN, &url.wire(Some(&parameters)), &Form::new()),
            "Yljb2C6gPNX8cDoA5zAQitYbQ+8="
        );
    }

    #[test]
    fn v5_names_and_distinct_values_are_sorted_by_code_point() {
        let form =
            form(&[("b", "2"), ("B", "1"), ("a", "z"), ("a", "y"), ("a", "z"), ("Empty", "")]);
        let url = "https://app.example.com/voice";
        assert_eq!(text_to_sign(url, &form), format!("{url}B1Emptyayazb2"));
        assert_eq!(sign(TOKEN, url, &form), "68Sq+CpVh0KFj4L/0uhUrHFaLB0=");
    }

    #[test]
    fn v6_utf8_values() {
        let form = form(&[("SpeechResult", "Grüße ✓")]);
        assert_eq!(
            sign(TOKEN, "https://app.example.com/voice", &form),
            "bvY+YMD4nE+cPOv06Jyuio4YTCg="
        );
    }

    #[test]
    fn v7_a_json_body_is_signed_by_its_digest_in_the_url() {
        let url = "https://app.example.com/json?bodySHA256=4062edaf750fb8074e7e83e0c9028c94e32468a8b6f1614774328ef045150f93";
        assert_eq!(sign(TOKEN, url, &Form::new()), "IPIKAmhth8SZ3VMsNVrxFEbuJKg=");
    }

    #[test]
    fn the_signed_url_has_no_userinfo_no_fragment_and_no_default_port() {
        let configured = "https://user:pass%20word@app.example.com:443/voice?tenant=7#ct=2000";
        let url = WebUrl::parse(configured).unwrap();
        assert_eq!(url.wire(None), "https://app.example.com/voice?tenant=7");
        assert_eq!(url.basic_auth(), Some(("user".to_owned(), "pass word".to_owned())));
        assert_eq!(sign(TOKEN, &url.wire(None), &incoming()), "xFY8UVQYvJdqvVl2ICmtm3w3qjo=");
        assert_ne!(sign(TOKEN, configured, &incoming()), "xFY8UVQYvJdqvVl2ICmtm3w3qjo=");
    }

    #[test]
    fn an_empty_path_is_signed_as_a_slash() {
        assert_eq!(WebUrl::parse("http://h.example:80").unwrap().wire(None), "http://h.example/");
    }

    fn form(pairs: &[(&str, &str)]) -> Form {
        pairs.iter().copied().collect()
    }

    fn incoming() -> Form {
        form(&[
            ("AccountSid", "AC00000000000000000000000000000001"),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", "CA00000000000000000000000000000002"),
            ("CallStatus", "ringing"),
            ("Called", "sip:1000@demo.sip.example.net"),
            ("Caller", "sip:alice@pbx.example.org"),
            ("Direction", "inbound"),
            ("From", "sip:alice@pbx.example.org"),
            ("SipCallId", "a84b4c76e66710@pbx.example.org"),
            ("SipDomain", "demo.sip.example.net"),
            ("SipDomainSid", "SD00000000000000000000000000000003"),
            ("SipHeader_X-Route-Id", "42;tier=gold"),
            ("SipSourceIp", "203.0.113.10"),
            ("To", "sip:1000@demo.sip.example.net"),
        ])
    }
}
