//! Digest authentication of a request against the stored hashes of its user. Sans-IO.

use shared::Now;
use sip::digest::{Algorithm, ChallengeKind, Verdict};
use sip::user_agent::Incoming;

/// Most lists of one domain that are searched for a user's password: each costs a hash.
const LISTS_WITH_ONE_USER_MAX: usize = 8;

/// The proof that a request owes: the kind of its challenge, and the stored hashes of a user.
pub(crate) struct Proof<'p> {
    pub kind: ChallengeKind,
    pub hashes: &'p dyn Fn(&str, Algorithm) -> Vec<sip::digest::Ha1>,
}

/// Checks the digest and counts failures. `None`: the pair of user and source failed too often, so even the
/// right password is not accepted.
pub(crate) fn verify(
    ua: &mut sip::UserAgent,
    lockout: &mut sip::digest::Lockout,
    now: Now,
    incoming: &Incoming,
    proof: Proof<'_>,
) -> Option<Verdict> {
    let source = incoming.flow.remote.ip();
    let verdict = check_digest(ua.digest(), now, incoming, &proof);
    let (Verdict::WrongUser { user } | Verdict::WrongPassword { user } | Verdict::Ok { user }) =
        &verdict
    else {
        return Some(verdict);
    };
    // After the check: the user is known only from the credentials.
    if lockout.is_held(now.mono, user, source) {
        return None;
    }
    match verdict {
        Verdict::Ok { .. } => lockout.succeeded(user, source),
        // An unknown user counts as well, or a source could probe for users without limit.
        _ => drop(lockout.failed(now.mono, user, source)),
    }
    Some(verdict)
}

/// Tries every mapped list that has the user: two lists may give it different passwords.
fn check_digest(
    server: &mut sip::digest::Server,
    now: Now,
    incoming: &Incoming,
    proof: &Proof<'_>,
) -> Verdict {
    let (method, target) = (incoming.method().as_str(), incoming.request.uri.to_string());
    let mut check = |uri: &str, list: usize| {
        let values = incoming.request.headers.all(proof.kind.answer_header());
        let values = values.map(|value| value.as_bytes());
        server.verify_by(now, method.as_bytes(), uri.as_bytes(), values, |user, algorithm| {
            let mut hashes = (proof.hashes)(user, algorithm);
            let last = hashes.len().checked_sub(1)?;
            // `list` counts MD5 hashes. Where there are fewer of another algorithm, the last one
            // stands in.
            Some(hashes.swap_remove(list.min(last)))
        })
    };
    let mut list = 0;
    let mut verdict = check(&target, list);
    while let Verdict::WrongPassword { user } = &verdict {
        list += 1;
        if list >= (proof.hashes)(user, Algorithm::Md5).len().min(LISTS_WITH_ONE_USER_MAX) {
            break;
        }
        verdict = check(&target, list);
    }
    match verdict {
        // Clients with an outbound proxy (and SIPp always) sign the address that they send to.
        Verdict::WrongUri { .. } => check(&format!("sip:{}", incoming.flow.local), list),
        verdict => verdict,
    }
}
