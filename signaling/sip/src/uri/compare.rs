//! Comparison of URIs (RFC 3261 §19.1.4, RFC 3966 §4). Sans-IO.

use super::{SipUri, TelUri, Uri};
use crate::parameters::{Parameter, Parameters};
use crate::text::{Escaped, Text};

/// A parameter that stands twice in one URI (which RFC 3261 §19.1.1 forbids) equals only an
/// identical URI.
pub(super) fn equivalent(a: &Uri, b: &Uri) -> bool {
    match (a, b) {
        (a, b) if a == b => true,
        (Uri::Sip(a), Uri::Sip(b)) => sip_equivalent(a, b),
        (Uri::Tel(a), Uri::Tel(b)) => tel_equivalent(a, b),
        (Uri::Other(a), Uri::Other(b)) => a == b,
        (Uri::Sip(_) | Uri::Tel(_) | Uri::Other(_), _) => false,
    }
}

pub(super) fn sip_equivalent(a: &SipUri, b: &SipUri) -> bool {
    a.secure == b.secure
        && same_part(a.user.as_ref(), b.user.as_ref())
        && same_part(a.password.as_ref(), b.password.as_ref())
        && a.host == b.host
        && a.port == b.port
        && parameters_match(&a.parameters, &b.parameters)
        && headers_match(&a.headers, &b.headers)
}

fn tel_equivalent(a: &TelUri, b: &TelUri) -> bool {
    a.digits().eq_ignore_ascii_case(&b.digits())
        && a.parameters.len() == b.parameters.len()
        && a.parameters.iter().all(|parameter| same_value_in(parameter, &b.parameters))
        && b.parameters.iter().all(|parameter| same_value_in(parameter, &a.parameters))
}

/// A present part never equals an absent one; case matters.
fn same_part(a: Option<&Escaped>, b: Option<&Escaped>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.same_meaning(b),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Parameters in both must agree. These must also agree when only one side has them.
const NEVER_OPTIONAL: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

fn parameters_match(a: &Parameters, b: &Parameters) -> bool {
    let agrees = |parameter: &Parameter, others: &Parameters| {
        let name = parameter.name().to_lossy();
        if others.contains(&name) {
            return same_value_in(parameter, others);
        }
        !NEVER_OPTIONAL.iter().any(|needed| needed.eq_ignore_ascii_case(&name))
    };
    a.iter().all(|parameter| agrees(parameter, b)) && b.iter().all(|parameter| agrees(parameter, a))
}

fn same_value_in(parameter: &Parameter, others: &Parameters) -> bool {
    let name = parameter.name().to_lossy();
    others.contains(&name)
        && match (parameter.value(), others.get(&name)) {
            (Some(a), Some(b)) => same_text(a, b),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
}

fn same_text(a: &Text, b: &Text) -> bool {
    match (Escaped::parse(a), Escaped::parse(b)) {
        (Ok(a), Ok(b)) => a.decode().eq_ignore_ascii_case(&b.decode()),
        _ => a.eq_ignore_case(b),
    }
}

/// Headers are never ignored: each must have its equal on the other side, in any order.
fn headers_match(a: &[(Escaped, Escaped)], b: &[(Escaped, Escaped)]) -> bool {
    let mut left: Vec<_> = b.iter().collect();
    a.len() == b.len()
        && a.iter().all(|(name, value)| {
            let same = |other: &&(Escaped, Escaped)| {
                other.0.decode().eq_ignore_ascii_case(&name.decode()) && other.1.same_meaning(value)
            };
            left.iter().position(same).map(|at| left.swap_remove(at)).is_some()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(a: &str, b: &str) -> bool {
        let (a, b) = (Uri::parse(a).unwrap(), Uri::parse(b).unwrap());
        assert_eq!(a.equivalent(&b), b.equivalent(&a), "comparison is symmetric");
        a.equivalent(&b)
    }

    #[test]
    fn equal_by_the_rfc() {
        assert!(equal(
            "sip:%61lice@atlanta.com;transport=TCP",
            "sip:alice@AtLanTa.CoM;Transport=tcp"
        ));
        assert!(equal("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"));
        assert!(equal("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"));
        assert!(equal(
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"
        ));
        assert!(equal("sip:a@x.com?s=1&p=2", "sip:a@x.com?p=2&S=1"));
        assert!(equal("tel:+1-201-555", "tel:+1201.555"));
    }

    #[test]
    fn different_by_the_rfc() {
        assert!(!equal("sip:ALICE@a.com", "sip:alice@a.com"));
        assert!(!equal("sip:bob@b.com", "sip:bob@b.com:5060"));
        assert!(!equal("sip:bob@b.com", "sip:bob@b.com;transport=udp"));
        assert!(!equal("sip:bob@b.com", "sip:bob@b.com:6000;transport=tcp"));
        assert!(!equal("sip:carol@c.com", "sip:carol@c.com?Subject=next"));
        assert!(!equal("sip:bob@p.com", "sips:bob@p.com"));
        assert!(!equal("sip:p.com", "sip:bob@p.com"));
        assert!(!equal("sip:b.com;x=1", "sip:b.com;x=2"));
    }

    #[test]
    fn a_parameter_that_stands_twice_agrees_with_the_same_uri_only() {
        assert!(equal("tel:+1;ext=1;ext=2", "tel:+1;ext=1;ext=2"));
        assert!(equal("sip:a.com;x=1;x=2", "sip:a.com;x=1;x=2"));
        assert!(!equal("tel:+1;ext=1;ext=1", "tel:+1;ext=1;x=2"));
        assert!(!equal("sip:a.com;x=1;x=2", "sip:a.com;x=2;x=1"));
    }
}
