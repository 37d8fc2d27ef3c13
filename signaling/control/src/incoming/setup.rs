//! The set-up of a call that comes in: its application, and the facts that webhooks report. Sans-IO.

use std::borrow::Cow;
use std::sync::Arc;

use call::{CallDirection, CallSetup, DocumentSource, ProgressEvent, SipFacts, StatusCallback};
use shared::{ApplicationSid, CallSid, Now};
use sip::user_agent::Incoming;
use store::{Domain, VoiceUrls};

use crate::admission::{self, Admitted, Called};
use crate::control::Control;
use crate::from_rest::webhook;
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

    /// The callee of a carrier's call: as it is registered, if it is, else as the carrier writes it.
    fn number_called(&self, request: &sip::Request) -> String {
        let digits = identity::called(request);
        let number = self.snapshot.phone_number(&digits);
        number.map_or(digits, |number| number.phone_number.clone())
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

    /// What answers an admitted call; `None` where that is not stored any more.
    pub(super) fn answering(&self, incoming: &Incoming, admitted: &Admitted) -> Option<Answering> {
        Some(match admitted.called {
            Called::Domain(sid) => {
                let domain = self.snapshot.domain(sid)?;
                let sip = self.sip_facts(incoming, admitted, domain);
                Answering { urls: domain.voice_urls(), application: None, sip: Some(sip) }
            }
            Called::Number(_) => {
                let digits = identity::called(&incoming.request);
                let number = self.snapshot.phone_number(&digits)?;
                let (urls, application) = self.snapshot.voice_urls(number)?;
                // A call to a number has no parameters of SIP (webhooks.md 3).
                Answering { urls, application, sip: None }
            }
        })
    }

    pub(super) fn inbound_setup(
        &mut self,
        now: Now,
        incoming: &Incoming,
        admitted: &Admitted,
        (answering, hops_left): (Answering, u8),
    ) -> CallSetup {
        let request = &incoming.request;
        let VoiceUrls { document, fallback, status_callback } = answering.urls;
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
                true => self.number_called(request),
                false => reported(&request.uri),
            },
            forwarded_from: admitted.is_trunk.then(|| identity::diverted(request)).flatten(),
            application: answering.application,
            sip: answering.sip,
            link: None,
            leg: None,
            document: document
                .map_or(DocumentSource::None, |url| DocumentSource::Url(webhook(url))),
            fallback: fallback.map(webhook),
            status_callback: status_callback.map(|callback| StatusCallback {
                webhook: webhook(callback),
                // An incoming call has one status callback, `completed` (sip.md 5).
                events: vec![ProgressEvent::Completed],
            }),
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

/// What answers a call that comes in.
pub(super) struct Answering {
    urls: VoiceUrls,
    /// The application that the URLs are of.
    application: Option<ApplicationSid>,
    sip: Option<SipFacts>,
}

/// A URI as webhooks report it: without display name, brackets and tag; `sips:` as `sip:` over TLS.
fn reported(uri: &sip::Uri) -> String {
    let text = uri.to_string();
    match text.strip_prefix("sips:") {
        Some(rest) => format!("sip:{rest};transport=tls"),
        None => text,
    }
}
