//! The registrar: the contacts of each address of record (RFC 3261 §10.3). Sans-IO.
//!
//! [`Registrar::register`] carries out an authenticated REGISTER: `request` reads and checks it as
//! a whole, `plan` computes the new bindings, and only then one function changes the table with all
//! its indexes. So a refused REGISTER changes nothing.

mod binding;
mod rate;
mod request;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use shared::limits::CONTACTS_MAX;
use shared::{BindingSid, Code, DomainSid, Instant, Now, Refusal};

pub use binding::Binding;
pub use request::Outbound;

use crate::flow::{Flow, FlowId};
use crate::message::Request;
use crate::objection::Objection;
use rate::Rate;
use request::{Contact, Wanted};

/// A user of a domain, for whom contacts are registered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressOfRecord {
    /// The domain, its edge label removed.
    pub domain: DomainSid,
    /// User part of the To URI, unescaped.
    pub user: Box<str>,
}

/// A REGISTER with its flow and its edge.
#[derive(Clone, Copy, Debug)]
pub struct Registering<'a> {
    /// The request, its top Via carrying its source.
    pub request: &'a Request,
    /// The flow that it came by: calls go back along it.
    pub flow: Flow,
    /// The edge that its To names, or else that received it.
    pub edge: &'a str,
}

/// The changes of a REGISTER, for the store and for the connections to keep open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Bindings that were added or refreshed.
    pub put: Vec<BindingSid>,
    /// Bindings that were removed.
    pub removed: Vec<BindingSid>,
}

impl Changes {
    /// Whether nothing changed: the REGISTER was a query.
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.removed.is_empty()
    }
}

/// All bindings of the node. Bounded in bytes; every index follows from `users`.
#[derive(Debug)]
pub struct Registrar {
    users: BTreeMap<Arc<AddressOfRecord>, Vec<Binding>>,
    owners: HashMap<BindingSid, Arc<AddressOfRecord>>,
    expiries: BTreeSet<(Instant, BindingSid)>,
    /// Bindings by TCP or TLS connection. A datagram flow never closes.
    by_connection: BTreeSet<(FlowId, BindingSid)>,
    sources: HashMap<IpAddr, u32>,
    rate: Rate,
    bytes: usize,
    bytes_max: usize,
}

impl Registrar {
    /// An empty table for at most `bytes_max` bytes of bindings.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            users: BTreeMap::new(),
            owners: HashMap::new(),
            expiries: BTreeSet::new(),
            by_connection: BTreeSet::new(),
            sources: HashMap::new(),
            rate: Rate::default(),
            bytes: 0,
            bytes_max,
        }
    }

    /// Carries out a REGISTER whose sender has authenticated as this user: all of it or nothing.
    /// `mint` makes the identifier of a new binding.
    ///
    /// # Errors
    /// The refusal: 400, 403, 423, 500 or 503, with its headers.
    pub fn register(
        &mut self,
        now: Now,
        of: &AddressOfRecord,
        registering: Registering<'_>,
        mut mint: impl FnMut() -> BindingSid,
    ) -> Result<Changes, Objection> {
        if !self.rate.take(now.mono, of) {
            return Err(too_often().into());
        }
        match Wanted::read(registering)? {
            Wanted::Query => Ok(Changes::default()),
            Wanted::RemoveAll => self.remove_all(of, registering.request).map_err(Into::into),
            Wanted::Set { contacts, path } => {
                let known = self.users.get(of).map_or(&[][..], Vec::as_slice);
                let planned = plan(now, known, registering, (&contacts, &path), &mut mint)?;
                self.check_room(known, &planned.bindings)?;
                self.replace(of, planned.bindings);
                Ok(planned.changes)
            }
        }
    }

    /// Restores a stored binding of an earlier process.
    pub fn restore(&mut self, of: AddressOfRecord, binding: Binding) {
        let mut bindings = self.users.get(&of).cloned().unwrap_or_default();
        bindings.push(binding);
        self.replace(&of, bindings);
    }

    /// The bindings of a user, oldest first.
    pub fn bindings(&self, of: &AddressOfRecord) -> &[Binding] {
        self.users.get(of).map_or(&[], Vec::as_slice)
    }

    /// Shifts expiries in Unix milliseconds after the wall clock was set.
    pub fn clock_set(&mut self, step_ms: i64) {
        for binding in self.users.values_mut().flatten() {
            binding.expires_ms = binding.expires_ms.saturating_add(step_ms);
        }
    }

    /// The user after this one in order (`None`: the first of all), with the bindings.
    pub fn user_after(
        &self,
        after: Option<&AddressOfRecord>,
    ) -> Option<(&Arc<AddressOfRecord>, &[Binding])> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let next = self.users.range::<AddressOfRecord, _>((from, Unbounded)).next();
        next.map(|(of, bindings)| (of, bindings.as_slice()))
    }

    /// Whether a user is registered from this address, which vouches for it.
    pub fn vouches_for(&self, source: IpAddr) -> bool {
        self.sources.contains_key(&source.to_canonical())
    }

    /// Whether a connection carries a registration.
    pub fn is_on_connection(&self, flow: FlowId) -> bool {
        self.on_connection(flow).next().is_some()
    }

    /// Removes the bindings of a closed connection, and returns them.
    pub fn connection_closed(&mut self, flow: FlowId) -> Vec<BindingSid> {
        let gone: Vec<BindingSid> = self.on_connection(flow).collect();
        for sid in &gone {
            self.forget(*sid);
        }
        gone
    }

    /// The domains with a registered user.
    pub fn domains(&self) -> impl Iterator<Item = DomainSid> {
        let mut after = None;
        std::iter::from_fn(move || {
            let next: Option<DomainSid> = match after {
                None => self.users.keys().next().map(|of| of.domain),
                Some(DomainSid(last)) => {
                    let domain = DomainSid(last.checked_add(1)?);
                    let first = Arc::new(AddressOfRecord { domain, user: "".into() });
                    self.users.range(first..).next().map(|(of, _)| of.domain)
                }
            };
            after = next;
            next
        })
    }

    /// Removes all users of a domain.
    pub fn domain_gone(&mut self, domain: DomainSid) {
        let first = AddressOfRecord { domain, user: "".into() };
        let of_domain = self.users.range(Arc::new(first)..).map(|(of, _)| Arc::clone(of));
        let users: Vec<_> = of_domain.take_while(|of| of.domain == domain).collect();
        users.iter().for_each(|of| self.replace(of, Vec::new()));
    }

    /// Removes these bindings, and returns the connections that carried them.
    pub fn remove(&mut self, bindings: &[BindingSid]) -> Vec<FlowId> {
        let gone = bindings.iter().filter_map(|sid| self.forget(*sid));
        gone.filter(|flow| flow.transport.is_reliable()).map(|flow| flow.id).collect()
    }

    /// Removes at most `most` expired bindings, and returns them.
    pub fn expire(&mut self, now: Instant, most: usize) -> Vec<BindingSid> {
        let due = self.expiries.iter().take_while(|(at, _)| *at <= now).take(most);
        let gone: Vec<BindingSid> = due.map(|(_, sid)| *sid).collect();
        for sid in &gone {
            self.forget(*sid);
        }
        gone
    }

    /// When [`Registrar::expire`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// The number of bindings.
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// Whether no user is registered.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Users with a binding.
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// Bytes of all bindings, indexes included.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    fn on_connection(&self, flow: FlowId) -> impl Iterator<Item = BindingSid> {
        let of_flow = self.by_connection.range((flow, BindingSid(0))..);
        of_flow.take_while(move |(of, _)| *of == flow).map(|(_, sid)| *sid)
    }

    fn remove_all(&mut self, of: &AddressOfRecord, request: &Request) -> Result<Changes, Refusal> {
        let known = self.bindings(of);
        known.iter().try_for_each(|binding| binding.check_order(request))?;
        let removed = known.iter().map(|binding| binding.sid).collect();
        self.replace(of, Vec::new());
        Ok(Changes { put: Vec::new(), removed })
    }

    /// Removes one binding, and returns its flow.
    fn forget(&mut self, sid: BindingSid) -> Option<Flow> {
        let of = self.owners.get(&sid).cloned()?;
        let mut left = self.users.get(&of).cloned().unwrap_or_default();
        let at = left.iter().position(|binding| binding.sid == sid)?;
        let gone = left.remove(at);
        self.replace(&of, left);
        Some(gone.flow)
    }

    fn check_room(&self, known: &[Binding], wanted: &[Binding]) -> Result<(), Refusal> {
        let sum = |bindings: &[Binding]| bindings.iter().map(Binding::bytes).sum::<usize>();
        let bytes = self.bytes.saturating_sub(sum(known)).saturating_add(sum(wanted));
        if bytes <= self.bytes_max || sum(wanted) <= sum(known) { Ok(()) } else { Err(full()) }
    }

    /// The one place that changes the table: takes the old bindings out of every index and puts the
    /// new ones in.
    fn replace(&mut self, of: &AddressOfRecord, bindings: Vec<Binding>) {
        let (of, old) =
            self.users.remove_entry(of).unwrap_or_else(|| (Arc::new(of.clone()), Vec::new()));
        old.iter().for_each(|binding| self.leave_indexes(binding));
        bindings.iter().for_each(|binding| self.enter_indexes(&of, binding));
        if !bindings.is_empty() {
            let mut bindings = bindings;
            bindings.shrink_to_fit();
            self.users.insert(of, bindings);
        }
    }

    fn enter_indexes(&mut self, of: &Arc<AddressOfRecord>, binding: &Binding) {
        self.bytes = self.bytes.saturating_add(binding.bytes());
        self.owners.insert(binding.sid, Arc::clone(of));
        self.expiries.insert((binding.expires_at, binding.sid));
        if binding.flow.transport.is_reliable() {
            self.by_connection.insert((binding.flow.id, binding.sid));
        }
        let count = self.sources.entry(binding.flow.remote.ip().to_canonical()).or_default();
        *count = count.saturating_add(1);
    }

    fn leave_indexes(&mut self, binding: &Binding) {
        self.bytes = self.bytes.saturating_sub(binding.bytes());
        self.owners.remove(&binding.sid);
        self.expiries.remove(&(binding.expires_at, binding.sid));
        self.by_connection.remove(&(binding.flow.id, binding.sid));
        let source = binding.flow.remote.ip().to_canonical();
        let left = self.sources.get(&source).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            self.sources.remove(&source);
        } else {
            self.sources.insert(source, left);
        }
    }
}

/// The new bindings of a user.
struct Planned {
    bindings: Vec<Binding>,
    changes: Changes,
}

/// Computes the new bindings (RFC 3261 §10.3 step 7; RFC 5626 §6 where a contact names its
/// instance).
fn plan(
    now: Now,
    known: &[Binding],
    registering: Registering<'_>,
    (contacts, path): (&[Contact<'_>], &[u8]),
    mint: &mut impl FnMut() -> BindingSid,
) -> Result<Planned, Refusal> {
    let mut bindings = known.to_vec();
    let mut changes = Changes::default();
    for contact in contacts {
        let at = bindings.iter().position(|binding| binding.is_meant_by(contact));
        if let Some(binding) = at.and_then(|at| bindings.get(at)) {
            // A contact that stands twice in this request was set by it: the last one counts.
            if !changes.put.contains(&binding.sid) {
                binding.check_order(registering.request)?;
            }
        }
        match (at, contact.expires_s) {
            (Some(at), 0) => changes.removed.push(bindings.remove(at).sid),
            (None, 0) => {}
            (Some(at), _) => {
                let Some(binding) = bindings.get_mut(at) else { continue };
                let created_ms = binding.created_ms;
                *binding = Binding::new(now, binding.sid, registering, (contact, path))?;
                binding.created_ms = created_ms;
                changes.put.push(binding.sid);
            }
            (None, _) => {
                let binding = Binding::new(now, mint(), registering, (contact, path))?;
                changes.put.push(binding.sid);
                bindings.push(binding);
            }
        }
    }
    if bindings.len() > CONTACTS_MAX && bindings.len() > known.len() {
        return Err(too_many());
    }
    changes.put.retain(|sid| !changes.removed.contains(sid));
    changes.put.dedup();
    changes.removed.retain(|sid| known.iter().any(|binding| binding.sid == *sid));
    Ok(Planned { bindings, changes })
}

fn too_many() -> Refusal {
    let sentence = "The user has 10 contacts already. Remove one, or let phones replace theirs with \
                    +sip.instance and reg-id.";
    Refusal::new("contacts_limit", 403, sentence).code(Code::CONTACTS_MAX)
}

fn too_often() -> Refusal {
    let sentence = "More than 5 REGISTER a second for this user. A phone should register at half of \
                    its expiry.";
    Refusal::new("register_rate", 503, sentence).code(Code::REGISTER_RATE).retry_after(1)
}

fn full() -> Refusal {
    let sentence = "The table of registrations is full: raise sip.bindings_max.";
    Refusal::new("bindings_limit", 503, sentence).retry_after(RETRY_WHEN_FULL_S)
}

/// Remaining seconds, rounded up, for `expires` in a response.
pub(crate) fn seconds_left(now: Instant, until: Instant) -> u64 {
    let left = until.since(now);
    let whole = left.as_secs();
    if left > Duration::from_secs(whole) { whole.saturating_add(1) } else { whole }
}

const RETRY_WHEN_FULL_S: u32 = 30;
