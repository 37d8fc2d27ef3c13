//! `[sip]`: SIP listeners and the treatment of unauthenticated sources. Pure.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::checks::Checks;
use super::section::section;
use super::value::word_settings;
use crate::extensions::Extensions;

section! {
    /// SIP listeners and the treatment of unauthenticated sources.
    #[derive(Clone, Debug, PartialEq)]
    Sip in "sip" {
        /// UDP listeners; port 0 takes a free one.
        udp: Vec<SocketAddr> = "[\"0.0.0.0:5060\"]",
        /// TCP listeners.
        tcp: Vec<SocketAddr> = "[\"0.0.0.0:5060\"]",
        /// TLS listeners.
        tls: Vec<SocketAddr> = "[\"0.0.0.0:5061\"]",
        /// Certificate chain for TLS, PEM, leaf first; empty = certificates of our own authority. Read again at SIGHUP.
        tls_certificate: PathBuf = "\"\"",
        /// Private key of that certificate, PEM. Read again at SIGHUP.
        tls_key: PathBuf = "\"\"",
        /// Authorities that may have issued peers' certificates, besides the system's; PEM. Read again at SIGHUP.
        tls_ca: PathBuf = "\"\"",
        /// Seconds for which certificates of our own authority are valid. New ones follow after half of it, at most 30 days.
        tls_valid_s: u32 = "34300800",
        /// The eight older cipher suites on the same port; needs a build with the legacy-tls feature.
        legacy_tls: bool = "false",
        /// Whether <Sip> and REST targets may lie on private and loopback addresses.
        allow_private_targets: bool = "true",
        /// Domain that serves Request-URIs naming our own address, never over TLS; set by demo.
        default_domain: String = "\"\"",
        /// Answer to a source outside the mapped IP lists, and for an unknown domain: drop (none) or 403.
        acl_reject: AclReject = "\"drop\"",
        /// Whether challenges offer SHA-256 before MD5 (RFC 8760); old phones may not take two.
        digest_sha256: bool = "false",
        /// Seconds in which a callee must respond, with 100 at least; past it the next target, or the call fails. 1 to 32.
        silence_s: u32 = "4",
        /// Status of <Reject> and reason="rejected": 404 or 603.
        reject_status: RejectStatus = "404",
        /// Caller ids that calls to telephone numbers may show: known (owned or verified by the account, or a party of the call that dials), any, or registered (known, once the account has a phone number or a verified caller id).
        caller_ids: CallerIds = "\"registered\"",
        /// Extensions of all domains: 100rel, update, timer, info, late-offer, or all. [domains.NAME] goes before.
        extensions: Extensions = "[]",
        /// TCP and TLS connections in all; past it a new one is accepted and closed.
        connections_max was streams_max: u32 = "20000",
        /// Connections of one source address, unless a registration or a digest vouches for it.
        connections_source_max was streams_source_max: u32 = "100",
        /// Registered contacts at once, of all users; each may take 1 KiB.
        bindings_max: u32 = "100000",
    }
}

word_settings! {
    /// The answer to a source outside the IP lists, and for an unknown domain.
    AclReject = "drop or 403" {
        /// None: the source learns nothing.
        #[default]
        Drop = "drop",
        /// 403 Forbidden.
        Forbidden = "403",
    }

    /// The caller ids that calls to telephone numbers may show.
    CallerIds = "registered, known or any" {
        /// Known ones, once the account has registered a number or a caller id; any before that.
        #[default]
        KnownOnceRegistered = "registered",
        /// Numbers that the account owns or has verified, and the parties of the call that dials.
        Known = "known",
        /// Whatever the application says.
        Any = "any",
    }

    /// SIP status of `<Reject>` without `busy`.
    RejectStatus = "404 or 603" {
        /// 404 Not Found.
        #[default]
        NotFound = "404",
        /// 603 Decline.
        Decline = "603",
    }
}

impl RejectStatus {
    /// The SIP status code.
    pub const fn status(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::Decline => 603,
        }
    }
}

impl Sip {
    pub(super) fn check(&self, checks: &mut Checks<'_>) {
        checks.require(
            [&self.udp, &self.tcp, &self.tls].iter().any(|list| !list.is_empty()),
            "sip.udp",
            "and `sip.tcp` and `sip.tls` are all empty: a gateway needs at least one SIP listener",
        );
        // Timer B ends an INVITE after 32 s whatever stands here (RFC 3261 §17.1.1.2).
        checks.require((1..=32).contains(&self.silence_s), "sip.silence_s", "takes 1 to 32");
    }
}
