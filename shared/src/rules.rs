//! Every rule by which SIP is refused, as `sidetone explain --rules` lists them. Pure.
//!
//! `bench/tidy` compares the table with the rules that the sources name: a new refusal needs its line.

use crate::code::Code;
use crate::tls::TlsFailure;

/// A rule that can refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, as in the log, in the `rule` label of `signaling_refusals_requests_total` and in
    /// [`crate::Refusal::rule`].
    pub name: &'static str,
    /// Answer to the peer: a SIP status, `drop` (no answer) or `close` (the connection closes).
    pub answer: &'static str,
    /// Twilio's error code, where it has one: such a refusal is also a notification of the account.
    pub code: Option<Code>,
    /// The fault and its remedy.
    pub meaning: &'static str,
}

const fn rule(
    name: &'static str,
    answer: &'static str,
    code: Option<Code>,
    meaning: &'static str,
) -> Rule {
    Rule { name, answer, code, meaning }
}

/// A failure of TLS ends the connection, whichever side opened it.
const fn tls(failure: TlsFailure) -> Rule {
    let code = Some(failure.code());
    Rule { name: failure.rule(), answer: "close", code, meaning: failure.sentence() }
}

/// All rules: first those of admission, then those on the form of a message, last those of TLS.
pub const RULES: &[Rule] = &[
    rule(
        "unknown_domain",
        "drop",
        None,
        "The host of the Request-URI is not a SIP domain of this gateway. 403 over TLS, and where sip.acl_reject says so. Create the domain, or correct the caller's Request-URI.",
    ),
    rule(
        "carrier_without_domain",
        "404",
        Some(Code::DIALLED_DOMAIN_UNKNOWN),
        "The [[trunk]] of the calling carrier names no existing SIP domain. Set its domain to the one that takes its calls.",
    ),
    rule(
        "account_inactive",
        "603",
        Some(Code::ACCOUNT_INACTIVE),
        "The account of the domain is suspended or closed. Its parent can activate it.",
    ),
    rule(
        "domain_without_authentication",
        "403",
        Some(Code::SIP_NO_PERMISSION),
        "The domain has no list mapped for calls. Map an IP access control list or a credential list to it.",
    ),
    rule(
        "source_not_listed",
        "drop",
        Some(Code::SIP_SOURCE_NOT_LISTED),
        "The source address is in none of the lists mapped for calls, so every method from it is ignored; 403 where sip.acl_reject says so, and to a carrier. Add the address to a list.",
    ),
    rule(
        "credentials_broken",
        "400",
        Some(Code::SIP_BAD_CREDENTIALS),
        "The digest credentials cannot be read. Correct the caller.",
    ),
    rule(
        "wrong_credentials",
        "403",
        Some(Code::SIP_BAD_CREDENTIALS),
        "User or password is wrong for the lists mapped to the domain. Check both in the phone.",
    ),
    rule(
        "digest_locked_out",
        "drop",
        Some(Code::SIP_BAD_CREDENTIALS),
        "Too many wrong passwords for this user from this address: the pair is ignored for a while. Correct the phone and wait.",
    ),
    rule(
        "secure_domain_needs_tls",
        "403",
        Some(Code::TLS_REQUIRED),
        "The domain is secure: the call must come over TLS with SRTP.",
    ),
    rule(
        "no_voice_url",
        "404",
        Some(Code::URL_INVALID),
        "The domain has no VoiceUrl, so no application answers its calls. Set it.",
    ),
    rule(
        "media_address",
        "488",
        None,
        "No media address is of the caller's IP version. Add one to media.addresses.",
    ),
    rule(
        "calls_limit",
        "503",
        Some(Code::CALL_CONCURRENCY),
        "All media legs are in use, or the limit on calls is reached. Raise limits.calls or media.ports, or add cores.",
    ),
    rule(
        "draining",
        "503",
        None,
        "The gateway is shutting down and takes no new calls. Call another one, or wait.",
    ),
    rule(
        "stranger_rate",
        "drop",
        None,
        "Too many requests from a source that nothing vouches for: it is ignored for ten seconds.",
    ),
    rule(
        "overload",
        "503",
        Some(Code::CALL_CONCURRENCY),
        "The gateway is overloaded and drops requests of unauthenticated sources. Find the source of the load, or spread it.",
    ),
    rule(
        "stranger_challenged_only",
        "407",
        None,
        "Too many requests from a source that nothing vouches for: it is challenged, and its credentials are not checked.",
    ),
    rule(
        "registration_off",
        "403",
        Some(Code::REGISTRATION_OFF),
        "Registration is off for the domain. Set SipRegistration=true on it.",
    ),
    rule(
        "registration_without_credentials",
        "403",
        Some(Code::REGISTRATION_WITHOUT_LIST),
        "The domain has no list mapped for registrations. Map a credential list to it.",
    ),
    rule(
        "register_other_user",
        "403",
        Some(Code::USER_MISMATCH),
        "A user may register contacts only for itself: the digest user must equal the user of To.",
    ),
    rule(
        "register_other_domain",
        "404",
        None,
        "To and Request-URI name different domains, or the domain was deleted in the meantime.",
    ),
    rule(
        "register_too_brief",
        "423",
        None,
        "The requested registration is shorter than 600 seconds; Min-Expires says so.",
    ),
    rule(
        "register_star",
        "400",
        None,
        "A Contact of * comes with other contacts, or without Expires: 0 (RFC 3261 section 10.3).",
    ),
    rule(
        "register_path",
        "400",
        None,
        "The Path cannot be read, or has more than 20 values. Correct the proxy in front.",
    ),
    rule(
        "register_out_of_order",
        "500",
        None,
        "An older REGISTER of the same Call-ID arrived late.",
    ),
    rule(
        "register_rate",
        "503",
        Some(Code::REGISTER_RATE),
        "More than 5 REGISTER a second for one user. A phone should register at half of its expiry.",
    ),
    rule(
        "contacts_limit",
        "403",
        Some(Code::CONTACTS_MAX),
        "The user has 10 contacts already. Remove one, or let phones replace theirs.",
    ),
    rule(
        "bindings_limit",
        "503",
        None,
        "There is no room for more registered contacts (sip.bindings_max).",
    ),
    rule(
        "contact_loop",
        "403",
        Some(Code::CONTACT_LOOPBACK),
        "The Contact names the loopback address. Set the phone's own address in it.",
    ),
    rule("contact_scheme", "400", None, "A Contact is not a SIP URI."),
    rule(
        "binding_size",
        "403",
        None,
        "Contact, Path and the rest of a binding are longer together than the limit of 2,048 bytes.",
    ),
    rule(
        "store_unavailable",
        "503",
        None,
        "The registration could not be written to disk: check the disk and the log.",
    ),
    rule(
        "method_not_allowed",
        "405",
        None,
        "The method is known but not served outside of a call; Allow lists those that are.",
    ),
    rule("method_unknown", "501", None, "The method is not known; Allow lists those that are."),
    rule(
        "max_forwards",
        "483",
        Some(Code::MAX_FORWARDS),
        "Max-Forwards is 0: the caller should start with 70, or requests go in a circle.",
    ),
    rule(
        "extension_required",
        "420",
        None,
        "The request requires a SIP extension that is not served; Unsupported names it.",
    ),
    rule(
        "session_interval_too_small",
        "422",
        None,
        "The requested session timer is shorter than 90 seconds; Min-SE says so.",
    ),
    rule(
        "no_offer",
        "400",
        Some(Code::SDP_MISSING),
        "The INVITE has no SDP. Let the caller send an offer, or switch on late-offer for the domain.",
    ),
    rule(
        "prack_timeout",
        "504",
        None,
        "No PRACK came for a reliable provisional response within 32 seconds. Switch off 100rel for a peer that cannot do it.",
    ),
    rule(
        "refer_no_url",
        "603",
        Some(Code::REFER_WITHOUT_URL),
        "A phone requested a transfer and the Dial has no referUrl. The call goes on.",
    ),
    rule(
        "refer_not_in_dial",
        "603",
        None,
        "A phone requested a transfer while its call is not connected by Dial, or another transfer is under way.",
    ),
    rule("refer_url", "603", Some(Code::URL_INVALID), "The referUrl of the Dial is not a URL."),
    rule("refer_to_size", "400", None, "The Refer-To of a transfer is longer than 256 bytes."),
    rule("refer_emergency", "603", None, "A transfer to an emergency number is never made."),
    rule(
        "replaces_broken",
        "400",
        None,
        "Replaces cannot be read, stands twice, or stands in a request other than INVITE.",
    ),
    rule("replaces_unknown", "481", None, "Replaces names no answered call of this account."),
    rule(
        "replaces_early_only",
        "486",
        None,
        "Replaces with early-only names a call that is already answered.",
    ),
    rule("replaces_over", "603", None, "The call that Replaces names is just ending."),
    rule(
        "refer_replaces",
        "603",
        None,
        "An attended transfer joins the parties of two connected calls of one account; these are not.",
    ),
    rule(
        "refer_unanswered",
        "500",
        None,
        "The gateway did not decide on a transfer in time: a fault of this gateway.",
    ),
    rule("refer_unwanted", "603", None, "The built-in test phone does not transfer calls."),
    rule(
        "server_transactions",
        "503",
        None,
        "There is no room for another transaction: the gateway is overloaded.",
    ),
    rule("invite_copy", "drop", None, "A copy of an INVITE that is being served."),
    rule("not_an_invite", "405", None, "Only an INVITE begins a session."),
    rule(
        "sdp_glare",
        "491",
        None,
        "Both sides offered new media at once; each tries again after a while.",
    ),
    rule("busy", "486", None, "The built-in phone has a call already."),
    rule(
        "sip_stream_first_message",
        "close",
        None,
        "A connection brought no whole message in time.",
    ),
    rule(
        "sip_stream_headers",
        "close",
        None,
        "The headers of a message on a connection were not complete in time.",
    ),
    rule(
        "sip_stream_body",
        "close",
        None,
        "The body of a message on a connection was not complete in time.",
    ),
    rule("accept", "406", None, "The caller does not accept application/sdp."),
    rule(
        "merged_request",
        "482",
        None,
        "The same request came by another path and is being served.",
    ),
    rule(
        "sdp_address_family",
        "488",
        None,
        "The c= line is of another IP version than our media address.",
    ),
    rule(
        "sdp_fewer_media",
        "488",
        None,
        "A new offer has fewer media descriptions than the session (RFC 3264 section 8).",
    ),
    rule("sdp_host_name", "488", None, "The c= line has a host name, not an address."),
    rule("sdp_line_size", "488", None, "An SDP line that is read is too long."),
    rule("sdp_lines", "488", None, "The SDP has too many lines."),
    rule("sdp_media", "488", None, "The SDP has too many media descriptions."),
    rule(
        "sdp_link_local",
        "488",
        None,
        "The c= line has a link-local address (169.254.0.0/16, fe80::/10). Give the phone a routed one.",
    ),
    rule(
        "sdp_loopback",
        "488",
        None,
        "The c= line has a loopback address, and the SIP peer is on another machine. Correct the phone's or proxy's SDP.",
    ),
    rule(
        "sdp_low_port",
        "488",
        None,
        "The media port is below 1024, where no phone receives media.",
    ),
    rule("sdp_multicast", "488", None, "The c= line has a multicast or broadcast address."),
    rule("sdp_network", "488", None, "The SDP names no IP network."),
    rule("sdp_no_audio", "488", None, "The SDP has no active audio stream."),
    rule("sdp_no_codec", "488", None, "The audio stream has no codec in common with us."),
    rule(
        "sdp_no_connection",
        "400",
        Some(Code::SDP_INVALID),
        "The SDP has no c= line for the audio stream.",
    ),
    rule("sdp_no_offer", "400", Some(Code::SDP_INVALID), "An answer came without an offer."),
    rule(
        "sdp_own_address",
        "488",
        None,
        "The SDP names an address and port of this gateway as the peer's own: its media would return to us for ever. A peer on this machine must use ports outside of media.ports.",
    ),
    rule(
        "sdp_reserved_address",
        "488",
        None,
        "The c= line has an address of 0.0.0.0/8 or 240.0.0.0/4, which is never routed.",
    ),
    rule(
        "sdp_protocol",
        "488",
        None,
        "The audio stream is neither RTP/AVP nor RTP/AVPF, the only protocols served here.",
    ),
    rule(
        "sdp_short_answer",
        "400",
        Some(Code::SDP_INVALID),
        "The answer has fewer media descriptions than the offer.",
    ),
    rule(
        "sdp_no_crypto",
        "488",
        Some(Code::SRTP_NOT_ACCEPTED),
        "No a=crypto line can be served: another suite, a key identifier, or protection switched off. Offer AES_CM_128_HMAC_SHA1_80.",
    ),
    rule("sdp_size", "488", None, "The SDP is longer than the limit."),
    rule(
        "sdp_srtp",
        "488",
        Some(Code::SRTP_NOT_ACCEPTED),
        "Only SRTP is offered and the domain is not Secure. Set Secure on the domain and call over TLS, or set media.srtp to offered, or switch SRTP off in the phone.",
    ),
    rule(
        "sdp_srtp_profile",
        "488",
        Some(Code::SRTP_NOT_ACCEPTED),
        "SRTP is offered with DTLS or as RTP/SAVPF. Offer RTP/SAVP with a=crypto lines.",
    ),
    rule(
        "sdp_srtp_required",
        "488",
        Some(Code::SRTP_REQUIRED),
        "The media is in the clear and the domain is Secure. Switch SRTP (with keys in SDP) on in the phone.",
    ),
    rule(
        "sdp_srtp_unasked",
        "488",
        Some(Code::SRTP_NOT_ACCEPTED),
        "The answer says SRTP and none was offered. Correct the called side.",
    ),
    rule("sdp_syntax", "400", Some(Code::SDP_INVALID), "The SDP cannot be read."),
    rule(
        "sdp_version",
        "400",
        Some(Code::SDP_INVALID),
        "The SDP does not begin with v=0, or the SDP version is not 0, once.",
    ),
    rule("sip_body_encoding", "415", None, "The body has an encoding that is not supported."),
    rule("sip_body_short", "400", None, "The body is shorter than Content-Length says."),
    rule("sip_body_size", "413", None, "The body is longer than the limit."),
    rule("sip_body_type", "415", None, "The body is not a session description."),
    rule("sip_body_without_type", "400", None, "The body has no readable Content-Type."),
    rule("sip_call_id", "400", None, "Call-ID cannot be read."),
    rule("sip_contact", "400", None, "A Contact cannot be read."),
    rule("sip_contacts", "400", None, "Too many Contact values."),
    rule(
        "sip_content_length",
        "400",
        None,
        "A Content-Length cannot be read, is missing on a connection, is not a number, or stands twice with different values.",
    ),
    rule("sip_control_byte", "400", None, "A header value holds a control byte."),
    rule("sip_cseq", "400", None, "CSeq cannot be read."),
    rule("sip_cseq_method", "400", None, "CSeq names another method."),
    rule("sip_from", "400", None, "From cannot be read."),
    rule("sip_header_colon", "400", None, "A header line has no colon."),
    rule("sip_header_lines", "400", None, "Too many header lines."),
    rule("sip_header_name", "400", None, "A header name is not a token."),
    rule("sip_header_name_size", "400", None, "A header name is too long."),
    rule("sip_header_value_size", "400", None, "A header value is too long."),
    rule("sip_header_values", "400", None, "Too many values of one header."),
    rule("sip_headers_end", "400", None, "No empty line ends the headers."),
    rule("sip_headers_size", "400", None, "The header section is too long."),
    rule("sip_max_forwards", "400", None, "Max-Forwards is not a number from 0 to 255."),
    rule("sip_message_size", "513", None, "The message is longer than the limit."),
    rule("sip_missing_header", "400", None, "Via, From, To, Call-ID or CSeq is missing."),
    rule("sip_multipart", "400", None, "The multipart body cannot be read."),
    rule("sip_multipart_depth", "415", None, "Multipart bodies are nested too deep."),
    rule("sip_multipart_parts", "400", None, "The multipart body has too many parts."),
    rule("sip_no_line", "400", None, "The message has no line."),
    rule("sip_repeated_header", "400", None, "A header that may appear once is repeated."),
    rule(
        "sip_request_uri",
        "400",
        None,
        "The Request-URI cannot be read, or the Request-URI has headers.",
    ),
    rule("sip_route", "400", None, "A Route or Record-Route cannot be read."),
    rule("sip_routes", "400", None, "Too many Route or Record-Route values."),
    rule("sip_start_line", "400", None, "The start line cannot be read."),
    rule("sip_start_line_size", "414", None, "The start line is too long."),
    rule("sip_status_line", "400", None, "The status line cannot be read."),
    rule("sip_to", "400", None, "To cannot be read."),
    rule("sip_uri_size", "414", None, "The Request-URI is too long."),
    rule("sip_version", "505", None, "The SIP version is not 2.0."),
    rule("sip_via", "400", None, "A Via cannot be read."),
    rule("sip_vias", "400", None, "Too many Via values."),
    rule("uri_scheme", "416", None, "The Request-URI is neither sip, sips nor tel."),
    tls(TlsFailure::OldVersion),
    tls(TlsFailure::NothingInCommon),
    tls(TlsFailure::UnknownAuthority),
    tls(TlsFailure::WrongDate),
    tls(TlsFailure::WrongName),
    tls(TlsFailure::BadCertificate),
    tls(TlsFailure::NoCertificate),
    tls(TlsFailure::OurCertificateRefused),
    tls(TlsFailure::Alert),
    tls(TlsFailure::NotTls),
    tls(TlsFailure::Broken),
    tls(TlsFailure::Closed),
    tls(TlsFailure::TimedOut),
    tls(TlsFailure::Other),
];

/// The rule of that name.
pub fn rule_named(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_stands_once_and_has_a_sentence() {
        let mut names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RULES.len());
        let has = |failure: &TlsFailure| names.contains(&failure.rule());
        assert!(TlsFailure::ALL.iter().all(has));
        for rule in RULES {
            assert!(rule.meaning.ends_with('.') && rule.meaning.len() > 10, "{}", rule.name);
            let is_status =
                rule.answer.parse::<u16>().is_ok_and(|status| (300..700).contains(&status));
            assert!(is_status || ["drop", "close"].contains(&rule.answer), "{}", rule.name);
        }
    }
}
