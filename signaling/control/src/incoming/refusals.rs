//! Refusals of requests that come in. Each is one value (`shared::Refusal`), from which the response, the
//! log, the metric and the account's alert are made, so that they cannot disagree. Sans-IO.

use std::net::SocketAddr;
use std::sync::Arc;

use call::CallSetup;
use shared::{Code, Now, Refusal, TlsFailure};
use sip::user_agent::Incoming;
use sip::{Command, Method};
use store::Change;

use crate::admission::{Admitted, Refused};
use crate::control::Control;
use crate::effect::Observation;
use crate::records;

impl Control {
    /// A pair of user and source that failed too often gets no response.
    pub(crate) fn refuse_locked_out(&mut self, now: Now, incoming: Box<Incoming>) {
        let source = incoming.flow.remote.ip();
        let sentence = format!("Too many wrong passwords for this user from {source}.");
        let refusal =
            Refusal::silent("digest_locked_out", sentence).code(Code::SIP_BAD_CREDENTIALS);
        let refused = Refused { refusal, account: None, trusted: false };
        self.refuse(now, incoming, refused);
    }

    /// Refuses without state: response, log, metric and alert.
    pub(crate) fn refuse(&mut self, now: Now, incoming: Box<Incoming>, refused: Refused) {
        self.refuse_with(now, incoming, refused, Vec::new());
    }

    /// As [`Self::refuse`], with headers of the response.
    pub(crate) fn refuse_with(
        &mut self,
        now: Now,
        incoming: Box<Incoming>,
        refused: Refused,
        headers: Vec<shared::Header>,
    ) {
        let Refused { refusal, account, trusted } = refused;
        let (source, method) = (incoming.flow.remote, method_label(incoming.method()));
        self.alert(now, account, &refusal);
        self.command(Command::RejectStateless {
            incoming,
            refusal: refusal.clone(),
            // One value for the peer and a copy for log and metric. Most sentences are static, so
            // the copy allocates nothing.
            headers,
            trusted,
        });
        self.observe(Observation::Refused { refusal, method, source, account });
    }

    /// A failed TLS handshake of a phone: the account of the domain that the phone named is alerted, as it
    /// could not find out otherwise why the phone neither registers nor calls.
    pub(crate) fn on_tls_refused(
        &mut self,
        now: Now,
        source: SocketAddr,
        name: Option<&str>,
        failure: TlsFailure,
    ) {
        // The name is only a claim of a peer that has proved nothing. It chooses who is alerted,
        // and no more.
        let account = name.and_then(|name| {
            let host = self.snapshot.suffix().host(name)?;
            Some(self.snapshot.domain_by_labels(host.labels.as_str())?.account)
        });
        let refusal = Refusal::silent(failure.rule(), failure.sentence()).code(failure.code());
        self.alert(now, account, &refusal);
        self.observe(Observation::Refused { refusal, method: "TLS", source, account });
    }

    /// Refuses a request of an authenticated peer.
    pub(crate) fn refuse_known(
        &mut self,
        now: Now,
        incoming: Box<Incoming>,
        admitted: &Admitted,
        refusal: Refusal,
    ) {
        let account = Some(admitted.account);
        self.refuse(now, incoming, Refused { refusal, account, trusted: true });
    }

    /// Refuses an admitted INVITE that cannot become a call, for its offer or its domain. There is a record
    /// of it, and a transaction, so that retransmissions make no second record.
    pub(super) fn refuse_call(
        &mut self,
        now: Now,
        incoming: Box<Incoming>,
        setup: &CallSetup,
        refusal: Refusal,
    ) {
        let source = incoming.flow.remote;
        // No call has this session: its events end here, and the user agent answers the copies.
        let session = self.links.unlinked_session();
        self.command(Command::Admit { incoming, session });
        self.command(Command::Refuse { session, refusal: refusal.clone() });
        let record = records::refused_call(setup, now.unix_ms);
        self.commit(None, Change::PutCall(Arc::new(record)));
        let timeline = records::refused_timeline(setup, now.unix_ms, &refusal);
        self.commit(None, Change::PutTimeline(Arc::new(timeline)));
        if let Some(code) = refusal.code {
            self.notify_of_refusal(now, setup.account, Some(setup.sid), code, &refusal);
        }
        let account = Some(setup.account);
        self.observe(Observation::Refused { refusal, method: "INVITE", source, account });
    }
}

/// A refusal for which no account is responsible.
pub(super) const fn nobodys(refusal: Refusal) -> Refused {
    Refused { refusal, account: None, trusted: false }
}

/// The method as a label of logs and metrics: a fixed set, whatever the peer sends.
pub(super) const fn method_label(method: &Method) -> &'static str {
    match method {
        Method::Invite => "INVITE",
        Method::Options => "OPTIONS",
        Method::Register => "REGISTER",
        _ => "other",
    }
}

pub(super) fn overload(retry_after: u32) -> Refusal {
    let sentence = "The gateway is overloaded and takes no new calls for the moment.";
    Refusal::new("overload", 503, sentence).code(Code::CALL_CONCURRENCY).retry_after(retry_after)
}

pub(super) fn draining(retry_after: u32) -> Refusal {
    Refusal::new("draining", 503, "The gateway is shutting down and takes no new calls.")
        .retry_after(retry_after)
}
