//! REGISTER: admitted, kept on disk, answered; bindings that expire. Sans-IO.
//!
//! The table changes as soon as a REGISTER is admitted, but its 200 leaves when the change is on disk: a call
//! in between rings the phone, and a 200 is never a promise that a restart breaks. Retransmissions in between
//! wait in the transaction (`UserAgent::hold`), as their digest is spent.

pub(crate) mod admission;
mod clients;
mod clock;
mod contacts;
mod ring;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use shared::limits::{BINDINGS_A_CHANGE_MAX, REGISTRATION_S};
use shared::{AccountSid, BindingSid, DomainSid, Header, Instant, Now, Refusal};
use sip::digest::ChallengeKind;
use sip::registrar::{AddressOfRecord, Binding, Outbound, Registering};
use sip::user_agent::Incoming;
use sip::{Command, Flow, FlowId, NameAddr};
use store::{BindingChanges, BindingRecord, Change, Outcome};

use crate::admission::Refused;
use crate::control::Control;
use crate::effect::{Effect, Observation};
use crate::incoming::digest::{Proof, verify};
use crate::state::commits::{Registered, Waiting};
use admission::{Decision, Registrant};

/// The longest that a registration lasts: after that the phone has refreshed it, or is gone.
const REGISTRATION_VOUCHES: Duration = Duration::from_secs(REGISTRATION_S.1 as u64);

impl Control {
    pub(crate) fn on_register(&mut self, now: Now, incoming: Box<Incoming>) {
        let request = self.facts(now, &incoming);
        let source = incoming.flow.remote.ip();
        let policy = self.settings.policy(source, self.registrations.trunk_at(source));
        let (ua, lockout) = (&mut self.ua, &mut self.lockout);
        let to = &incoming.request.to;
        let decision = admission::decide(&self.snapshot, policy, request, to, |found| {
            let hashes = |user: &str, algorithm| {
                let credentials = found.registration_credentials(user);
                crate::admission::hashes_of(credentials, algorithm)
            };
            verify(ua, lockout, now, &incoming, Proof { kind: ChallengeKind::Www, hashes: &hashes })
        });
        match decision {
            Decision::Admit(registrant) => {
                self.vouch(now, incoming.flow, REGISTRATION_VOUCHES);
                self.register(now, incoming, registrant);
            }
            Decision::Challenge { stale } => {
                let kind = ChallengeKind::Www;
                self.command(Command::Challenge { incoming, kind, stale });
            }
            Decision::Refuse(refused) => self.refuse(now, incoming, refused),
            Decision::LockedOut => self.refuse_locked_out(now, incoming),
        }
    }

    fn register(&mut self, now: Now, incoming: Box<Incoming>, registrant: Registrant) {
        let Registrant { account, of } = registrant;
        let edge = admission::edge_of(&self.snapshot, &incoming.request.uri);
        let by_listener = self.settings.edges.of_flow(&incoming.flow);
        // The edge in the host is the phone's choice. Without one, the listener that it reached
        // decides.
        let edge = match edge.as_deref() {
            Some(label) => shared::edge::canonical(label),
            None => by_listener.unwrap_or(&*self.settings.edge),
        };
        let request = &incoming.request;
        let registering = Registering { request, flow: incoming.flow, edge };
        // Taken before the change: a connection that loses its last binding may be closed when it
        // is idle.
        let connections = self.connections_of(&of);
        let (random, origin) = (&mut self.random, self.settings.origin);
        let mint = || BindingSid::mint(now.unix_ms, origin, random.number());
        let changes = match self.registrar.register(now, &of, registering, mint) {
            Ok(changes) => changes,
            Err(objection) => {
                // Retransmissions get the same response, as their digest is spent; 503 stays stateless.
                if objection.refusal.status != Some(503) {
                    self.ua.hold(&incoming);
                }
                let refused =
                    Refused { refusal: objection.refusal, account: Some(account), trusted: true };
                return self.refuse_with(now, incoming, refused, objection.headers);
            }
        };
        self.keep_connections(&of, &connections);
        // A REGISTER without Contact only asks for the list (RFC 3261 §10.2.3): there is nothing to
        // wait for.
        if changes.is_empty() {
            return self.answer_register(now, Registered { incoming, account, of });
        }
        let put = self.records_of(account, &of, &changes.put);
        let change = BindingChanges { put, removed: changes.removed };
        // Retransmissions wait with it for the disk.
        self.ua.hold(&incoming);
        let registered = Box::new(Registered { incoming, account, of });
        let waiting = Waiting::Registered(registered);
        self.commit(Some(waiting), Change::ChangeBindings(Arc::new(change)));
    }

    /// The store has committed the change of a REGISTER, or failed to.
    pub(crate) fn on_registered(&mut self, now: Now, registered: Registered, outcome: Outcome) {
        let refusal = match outcome {
            Outcome::Committed => return self.answer_register(now, registered),
            Outcome::Conflict(_) => {
                // The store removed the rows with the domain; the table follows.
                self.registrar.domain_gone(registered.of.domain);
                Refusal::new("register_other_domain", 404, "The domain was deleted meanwhile.")
            }
            // The binding stays in the table, so that the phone can be called. It gets 503 and
            // registers again, which writes the row.
            Outcome::Unavailable => {
                let sentence = "The registration could not be written to disk.";
                Refusal::new("store_unavailable", 503, sentence)
                    .retry_after(self.random.between(5, 30))
            }
        };
        let Registered { incoming, account, .. } = registered;
        let headers =
            refusal.retry_after.map(|seconds| Header::new("Retry-After", seconds.to_string()));
        let (source, status) = (incoming.flow.remote, refusal.status.unwrap_or(503));
        self.command(Command::Respond {
            incoming,
            status,
            headers: headers.into_iter().collect(),
            // The digest of a copy is spent, so it must get this response and not a challenge.
            remember: true,
        });
        let account = Some(account);
        self.observe(Observation::Refused { refusal, method: "REGISTER", source, account });
    }

    /// 200 with every contact of the user, as the phones sent them (RFC 3261 §10.3 step 8).
    fn answer_register(&mut self, now: Now, registered: Registered) {
        let Registered { incoming, of, .. } = registered;
        let bindings = self.registrar.bindings(&of).iter();
        let contacts: Vec<NameAddr> =
            bindings.filter_map(|binding| binding.shown(now.mono)).collect();
        let path = incoming.request.headers.all("Path");
        let headers = path.map(|value| Header::new("Path", value.as_bytes())).collect();
        self.command(Command::Registered { incoming, contacts, headers });
    }

    /// Restores the bindings of an earlier process. Call it before any input.
    pub fn restore_bindings(&mut self, now: Now, records: Vec<BindingRecord>) {
        self.watch_clock(now);
        for record in records {
            let flow = self.flow_of(&record);
            // Restored phones are known: their first packets after a restart must not meet the
            // limits of unknown sources.
            let of = AddressOfRecord { domain: record.domain, user: record.user.as_str().into() };
            self.ua.source_limits().vouch(now.mono, record.remote.ip(), REGISTRATION_VOUCHES);
            self.registrar.restore(of, binding_of(now, record, flow));
        }
    }

    /// Expects phones that had registered over connections of an earlier process: each source is vouched for
    /// until its time (Unix milliseconds), as all of its phones may come back at once. Call it before any
    /// input, and drain its effects.
    pub fn expect_back(&mut self, now: Now, sources: impl IntoIterator<Item = (IpAddr, i64)>) {
        for (source, until_ms) in sources {
            let left_ms = u64::try_from(until_ms.saturating_sub(now.unix_ms)).unwrap_or(0);
            let left = Duration::from_millis(left_ms).min(REGISTRATION_VOUCHES);
            self.ua.source_limits().vouch(now.mono, source, left);
            self.push(Effect::Vouch { source, until: now.mono + left });
        }
    }

    /// The flow of a restored binding. A phone on UDP is reached from the listener that it knows, if that is
    /// still there.
    fn flow_of(&self, record: &BindingRecord) -> Flow {
        let local = record.local;
        let fits = |bound: &std::net::SocketAddr| {
            bound.is_ipv4() == local.is_ipv4()
                && (bound.ip() == local.ip() || bound.ip().is_unspecified())
        };
        let listeners = || (0_u64..).zip(&self.settings.udp).filter(|(_, bound)| fits(bound));
        let same_port = listeners().find(|(_, bound)| bound.port() == local.port());
        let same_family = (0_u64..)
            .zip(&self.settings.udp)
            .find(|(_, bound)| bound.is_ipv4() == record.remote.is_ipv4());
        // The listener may have moved with the settings. Another one of the right IP version may
        // still reach a phone that has no NAT in between.
        let index = same_port.or_else(|| listeners().next()).or(same_family);
        let id = FlowId(index.map_or(0, |(index, _)| index));
        Flow { id, transport: record.transport, local, remote: record.remote }
    }

    /// A connection closed: the bindings that it carried are removed.
    pub(crate) fn connection_closed(&mut self, flow: FlowId) {
        let removed = self.registrar.connection_closed(flow);
        self.commit_removed(removed);
    }

    /// Removes bindings that REST deletes. As with a REGISTER, calls stop ringing them at once and the response
    /// waits for the disk.
    pub(crate) fn unregister_phones(&mut self, bindings: &[BindingSid]) {
        for flow in self.registrar.remove(bindings) {
            if !self.registrar.is_on_connection(flow) {
                self.ua.keep_connection(flow, false);
            }
        }
    }

    /// Removes expired bindings.
    pub(crate) fn expire_bindings(&mut self, now: Instant) {
        while self.registrar.deadline().is_some_and(|at| at <= now) {
            // In bounded changes: when many bindings end together, one long transaction would hold
            // up every other write.
            let removed = self.registrar.expire(now, BINDINGS_A_CHANGE_MAX);
            self.commit_removed(removed);
        }
    }

    /// Number of registered contacts, number of their users, and bytes of memory that they take.
    pub fn registrations(&self) -> (usize, usize, usize) {
        (self.registrar.len(), self.registrar.users(), self.registrar.bytes())
    }

    fn commit_removed(&mut self, removed: Vec<BindingSid>) {
        for removed in removed.chunks(BINDINGS_A_CHANGE_MAX) {
            let change = BindingChanges { put: Vec::new(), removed: removed.to_vec() };
            self.commit(None, Change::ChangeBindings(Arc::new(change)));
        }
    }

    /// Forgets the bindings of deleted domains: the store has removed their rows with the domain.
    pub(crate) fn forget_bindings(&mut self) {
        let snapshot = &self.snapshot;
        let gone = self.registrar.domains().filter(|sid| snapshot.domain(*sid).is_none());
        // Collected first: a removal changes the table that `domains` walks.
        for domain in gone.collect::<Vec<DomainSid>>() {
            self.registrar.domain_gone(domain);
        }
    }

    fn connections_of(&self, of: &AddressOfRecord) -> Vec<FlowId> {
        let on_connection = |binding: &&Binding| binding.flow.transport.is_reliable();
        self.registrar.bindings(of).iter().filter(on_connection).map(|b| b.flow.id).collect()
    }

    /// Connections that carry a registration may be idle; others may not.
    fn keep_connections(&mut self, of: &AddressOfRecord, before: &[FlowId]) {
        for flow in self.connections_of(of) {
            self.ua.keep_connection(flow, true);
        }
        for flow in before {
            if !self.registrar.is_on_connection(*flow) {
                self.ua.keep_connection(*flow, false);
            }
        }
    }

    fn records_of(
        &self,
        account: AccountSid,
        of: &AddressOfRecord,
        put: &[BindingSid],
    ) -> Vec<BindingRecord> {
        let bindings = self.registrar.bindings(of).iter();
        let changed = bindings.filter(|binding| put.contains(&binding.sid));
        changed.map(|binding| record_of(account, of, binding)).collect()
    }
}

fn record_of(account: AccountSid, of: &AddressOfRecord, binding: &Binding) -> BindingRecord {
    BindingRecord {
        sid: binding.sid,
        // The row owns its texts: it lives on in the queue of the store when the binding is gone.
        account,
        domain: of.domain,
        user: of.user.to_string(),
        contact: binding.contact.to_vec(),
        path: binding.path.to_vec(),
        call_id: binding.call_id.to_string(),
        cseq: binding.cseq,
        transport: binding.flow.transport,
        remote: binding.flow.remote,
        local: binding.flow.local,
        edge: binding.edge.to_string(),
        outbound: binding.outbound.as_ref().map(|o| (o.instance.to_string(), o.reg_id)),
        user_agent: binding.user_agent.to_string(),
        created_ms: binding.created_ms,
        updated_ms: binding.updated_ms,
        expires_ms: binding.expires_ms,
    }
}

fn binding_of(now: Now, record: BindingRecord, flow: Flow) -> Binding {
    // The clock may have been set while no process ran: no registration lasts longer than the maximum.
    let left_ms = record.expires_ms.saturating_sub(now.unix_ms).clamp(0, REGISTRATION_MS_MAX);
    let expires_ms = now.unix_ms.saturating_add(left_ms);
    let left_ms = u64::try_from(left_ms).unwrap_or(0);
    let outbound = record
        .outbound
        .map(|(instance, reg_id)| Box::new(Outbound { instance: instance.into(), reg_id }));
    Binding {
        sid: record.sid,
        contact: record.contact.into(),
        path: record.path.into(),
        call_id: record.call_id.into(),
        cseq: record.cseq,
        flow,
        edge: record.edge.into(),
        outbound,
        user_agent: record.user_agent.into(),
        created_ms: record.created_ms,
        updated_ms: record.updated_ms,
        expires_at: now.mono + Duration::from_millis(left_ms),
        expires_ms,
    }
}

const REGISTRATION_MS_MAX: i64 = REGISTRATION_S.1 as i64 * 1_000;
