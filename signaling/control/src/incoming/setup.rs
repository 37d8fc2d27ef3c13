//! The set-up of a call that comes in: its application, and the facts that webhooks report. Sans-IO.

use std::borrow::Cow;
use std::sync::Arc;

use call::{
    CallDirection, CallSetup, DocumentSource, ProgressEvent, SipFacts, StatusCallback, Webhook,
};
use shared::{CallSid, Now};
use sip::user_agent::Incoming;
use store::Domain;

use crate::admission::{self, Admitted};
use crate::control::Control;
use crate::identity;

impl Control {
    /// `SipDomain`: the name that the caller used for the domain, with its edge. Where the Request-URI has an
    /// address, or whatever a carrier writes there, it is the domain's own name.
    fn called_domain(&self, target: &sip::Uri, domain: &Domain) -> String {
        // A carrier may write any host there; only a name of this very domain is reported.
        let host = admission::host_of(target).filter(|host| {
            let found = self.snapshot.admission(host);
            found.is_some_and(|found| found.domain.sid == domain.sid)
        });
        host.map_or_else(|| domain.domain_name.clone(), Cow::into_owned)
    }

    fn sip_facts(&self, incoming: &Incoming, admitted: &Admitted, domain: &Domain) -> SipFacts {
        let request = &incoming.request;
        SipFacts {
            domain: self.called_domain(&request.uri, domain),
            domain_sid: domain.sid,
            call_id: request.call_id.to_string(),
            source_ip: incoming.flow.remote.ip(),
            username: admitted.username.clone(),
            // Headers of a carrier never reach the application (sip.md 21).
            headers: match admitted.is_trunk {
                true => Vec::new(),
                false => request.headers.to_vec(),
            },
        }
    }

    pub(super) fn inbound_setup(
        &mut self,
        now: Now,
        incoming: &Incoming,
        admitted: &Admitted,
        (domain, hops_left): (&Domain, u8),
    ) -> CallSetup {
        let request = &incoming.request;
        let webhook = |url: &Option<String>, method| {
            url.as_ref().map(|url| Webhook { url: url.clone(), method })
        };
        let voice = webhook(&domain.voice_url, domain.voice_method);
        let fallback = webhook(&domain.voice_fallback_url, domain.voice_fallback_method);
        let callback =
            webhook(&domain.voice_status_callback_url, domain.voice_status_callback_method);
        CallSetup {
            sid: CallSid::mint(now.unix_ms, self.settings.origin, self.random.number()),
            account: admitted.account,
            parent: None,
            direction: CallDirection::Inbound,
            // A carrier puts the number where it likes, and webhooks report numbers (sip.md 4,
            // sip.md 21). A phone's URI is reported as it stands.
            from: match admitted.is_trunk {
                true => identity::caller(request),
                false => reported(&request.from.uri),
            },
            to: match admitted.is_trunk {
                true => identity::called(request),
                false => reported(&request.uri),
            },
            forwarded_from: admitted.is_trunk.then(|| identity::diverted(request)).flatten(),
            application: None,
            sip: Some(self.sip_facts(incoming, admitted, domain)),
            leg: None,
            document: voice.map_or(DocumentSource::None, DocumentSource::Url),
            fallback,
            status_callback: callback
                // An incoming call has one status callback, `completed` (sip.md 5).
                .map(|webhook| StatusCallback { webhook, events: vec![ProgressEvent::Completed] }),
            max_forwards: hops_left,
            time_limit_s: self.settings.call.call_s_max,
            record: None,
            warnings: Vec::new(),
            settings: Arc::clone(&self.settings.call),
            origin: self.settings.origin,
            seed: self.random.bytes(),
        }
    }
}

/// A URI as webhooks report it: without display name, brackets and tag; `sips:` as `sip:` over TLS.
fn reported(uri: &sip::Uri) -> String {
    let text = uri.to_string();
    match text.strip_prefix("sips:") {
        Some(rest) => format!("sip:{rest};transport=tls"),
        None => text,
    }
}
