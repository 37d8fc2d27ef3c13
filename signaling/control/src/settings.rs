//! Settings of the node in the form that Control needs. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use call::CallSettings;
use shared::config::{AclReject, CallerIds, Config, LimitsProfile, SrtpUse, Trunk};
use shared::ids::Origin;
use shared::limits::TWILIO_API_CALLS_A_SECOND;
use shared::{Extensions, LatchMode, OwnSockets, Prompt};
use sip::offer_answer::MediaTargets;

use crate::admission::{Carrier, Policy};
use crate::media_addresses::MediaAddresses;

/// Settings of [`crate::Control`].
#[derive(Clone, Debug)]
pub struct ControlSettings {
    /// Node and process generation: part of every SID.
    pub origin: Origin,
    /// The addresses of media ports, and the ones that SDP shows.
    pub media_addresses: MediaAddresses,
    /// Labels of the domain that serves Request-URIs with our own address; `None`: no domain does.
    pub default_domain: Option<String>,
    /// Whether a source outside the IP lists, or an unknown domain, gets 403 (else silence).
    pub answer_unauthenticated: bool,
    /// Which caller ids calls to telephone numbers may show.
    pub caller_ids: CallerIds,
    /// Port of our TCP listener, for requests that are too large for a datagram; `None`: there is none.
    pub tcp_port: Option<u16>,
    /// Time in which a called peer must send its first response.
    pub silence_max: Duration,
    /// Whether SHA-256 is offered beside MD5 in challenges.
    pub digest_sha256: bool,
    /// Which sources a leg takes media from, unless its trunk or domain has its own setting.
    pub latch: LatchMode,
    /// Which offers of SRTP are accepted.
    pub srtp: SrtpUse,
    /// Seconds without media after which a call ends; 0 = never.
    pub media_timeout_s: u32,
    /// Seconds without media after which a call on hold ends; 0 = never.
    pub hold_timeout_s: u32,
    /// Most calls at once; 0 = as many as the media cores carry.
    pub calls_max: usize,
    /// Calls per second that an account may make by REST; 0 = no limit.
    pub api_calls_a_second: u32,
    /// Extensions of SIP domains without their own setting.
    pub extensions: Extensions,
    /// Extensions of single SIP domains, by their labels.
    pub domain_extensions: BTreeMap<String, Extensions>,
    /// Latch of single SIP domains, by their labels.
    pub domain_latches: BTreeMap<String, LatchMode>,
    /// Carriers for telephone numbers, in the order in which calls try them.
    pub trunks: Vec<Trunk>,
    /// Recording servers, by the name that `connectorName` gives.
    pub siprec: BTreeMap<String, shared::config::Siprec>,
    /// The node's own edge: that of a host which names none.
    pub edge: Box<str>,
    /// Listeners of the other edges.
    pub edges: crate::edges::Edges,
    /// UDP listeners as bound, in the order of their flow ids: a restored binding finds its own again.
    pub udp: Vec<std::net::SocketAddr>,
    /// Most registered contacts at once.
    pub bindings_max: usize,
    /// Our own UDP sockets: no peer can have its media there.
    pub own: Arc<OwnSockets>,
    /// Settings that all calls share.
    pub call: Arc<CallSettings>,
    /// What a conference hears when a member enters or leaves. Empty until the shell gives one.
    pub beep: Arc<Prompt>,
}

impl ControlSettings {
    /// The settings that apply to a request from `source`; see [`Self::trunk_at`] for `registered`.
    pub(crate) fn policy(&self, source: IpAddr, registered: Option<usize>) -> Policy<'_> {
        Policy {
            default_domain: self.default_domain.as_deref(),
            answer_unauthenticated: self.answer_unauthenticated,
            carrier: self.trunk_at(source, registered).map(|trunk| Carrier {
                name: &trunk.name,
                // The setting is the whole name of the domain; the snapshot finds a domain by its
                // labels.
                domain: trunk.domain.split(".sip.").next().filter(|labels| !labels.is_empty()),
            }),
        }
    }

    /// Where a peer whose SIP comes from `peer` may have its media. A peer without a known address is taken as
    /// remote.
    pub fn media_targets(&self, peer: Option<IpAddr>) -> MediaTargets {
        let is_local = peer.is_some_and(|peer| peer.to_canonical().is_loopback());
        MediaTargets { own: Arc::clone(&self.own), peer_is_remote: !is_local }
    }

    /// The carrier at `source`: one whose `addresses` include it, else the trunk with the index `registered`,
    /// whose registrar has that address.
    pub fn trunk_at(&self, source: IpAddr, registered: Option<usize>) -> Option<&Trunk> {
        let source = source.to_canonical();
        // The list before the registrar: the operator has written it for this purpose, DNS has
        // chosen the other.
        let is_listed = |trunk: &&Trunk| trunk.addresses.iter().any(|block| block.contains(source));
        let trunk = self.trunks.iter().find(is_listed);
        trunk.or_else(|| self.trunks.get(registered?))
    }

    /// From the node's settings. `api_base` is how the REST API is reached, without a slash at the end.
    pub fn new(config: &Config, origin: Origin, api_base: &str) -> Self {
        let default_domain = config.sip.default_domain.split('.').next().unwrap_or_default();
        Self {
            origin,
            media_addresses: MediaAddresses::new(
                &config.media.addresses,
                &config.node.public_address,
            ),
            default_domain: (!default_domain.is_empty())
                .then(|| default_domain.to_ascii_lowercase()),
            answer_unauthenticated: config.sip.acl_reject == AclReject::Forbidden,
            caller_ids: config.sip.caller_ids,
            tcp_port: config
                .sip
                .tcp
                .first()
                .map(std::net::SocketAddr::port)
                .filter(|port| *port != 0),
            silence_max: Duration::from_secs(config.sip.silence_s.into()),
            digest_sha256: config.sip.digest_sha256,
            latch: config.media.latch,
            srtp: config.media.srtp,
            media_timeout_s: config.media.timeout_s,
            hold_timeout_s: config.media.hold_timeout_s,
            // A limit beyond the address space is no limit, and 0 means none.
            calls_max: usize::try_from(config.limits.calls).unwrap_or(0),
            api_calls_a_second: match config.limits.profile {
                LimitsProfile::Node => 0,
                LimitsProfile::Twilio => TWILIO_API_CALLS_A_SECOND,
            },
            extensions: config.sip.extensions,
            domain_extensions: config.domain_extensions(),
            domain_latches: config.domain_latches(),
            trunks: config.trunks.clone(),
            siprec: config.siprec.clone(),
            edge: shared::edge::canonical(&config.node.edge.to_ascii_lowercase()).into(),
            edges: crate::edges::Edges::default(),
            udp: Vec::new(),
            own: Arc::default(),
            beep: Arc::new(Prompt { mulaw: Default::default(), alaw: Default::default() }),
            bindings_max: usize::try_from(config.sip.bindings_max).unwrap_or(usize::MAX),
            call: Arc::new(CallSettings {
                api_base: api_base.to_owned(),
                reject_status: config.sip.reject_status.status(),
                edges: served_edges(config),
                streams_plaintext: config.streams.plaintext,
                has_recognition: !config.engines.is_empty(),
                ..CallSettings::default()
            }),
        }
    }
}

/// The node's own edge, and those with listeners of their own.
fn served_edges(config: &Config) -> Vec<Box<str>> {
    let names = std::iter::once(&config.node.edge).chain(config.edges.keys());
    names.map(|name| shared::edge::canonical(&name.to_ascii_lowercase()).into()).collect()
}
