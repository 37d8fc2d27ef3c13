//! Rules of SIP domains, their names and the lists mapped to them. Sans-IO.

use std::sync::Arc;

use shared::{AccountSid, BindingSid, Code, DomainSid};

use super::{Checked, Plan, Planned, Rules};
use crate::binding::BindingChanges;
use crate::change::Change;
use crate::credential::{CredentialList, IpAccessControlList};
use crate::domain::{Domain, DomainParameters, HttpMethod, MappedList, Mapping};
use crate::kind::ResourceKind;
use crate::name::DomainLabels;
use crate::patch::Patch;
use crate::rules;
use crate::snapshot::Snapshot;
use crate::value::Value;
use crate::write::{Beside, MappingView, Reply, WriteError};

impl Rules for Domain {
    fn create(
        plan: &Plan<'_>,
        sid: u128,
        owner: u128,
        given: &DomainParameters,
    ) -> Result<Self, WriteError> {
        // The limit comes before the name: with 100 domains no name helps.
        plan.room_for::<Self>(owner)?;
        let name = given.domain_name.value().map_or("", String::as_str);
        let (domain_name, labels, parent) = plan.domain_name(name)?;
        let mut row = Self {
            sid: DomainSid(sid),
            account: plan.account.sid,
            // The default of the contract. A copy, as the two are changed apart later.
            friendly_name: domain_name.clone(),
            domain_name,
            labels,
            parent,
            voice_url: None,
            voice_method: HttpMethod::Post,
            voice_fallback_url: None,
            voice_fallback_method: HttpMethod::Post,
            voice_status_callback_url: None,
            voice_status_callback_method: HttpMethod::Post,
            sip_registration: false,
            emergency_calling_enabled: false,
            secure: false,
            byoc_trunk_sid: None,
            emergency_caller_sid: None,
            created_ms: plan.mint.unix_ms,
            updated_ms: plan.mint.unix_ms,
            revision: 1,
        };
        patch_domain(&mut row, given)?;
        Ok(row)
    }

    fn update(
        &mut self,
        plan: &Plan<'_>,
        given: &DomainParameters,
        _: Option<AccountSid>,
    ) -> Result<(), WriteError> {
        if let Some(name) = given.domain_name.value() {
            let (domain_name, labels, parent) = plan.domain_name(name)?;
            // The same labels under the other suffix are the same domain, and subdomains stay below it.
            if labels != self.labels && self.is_in_use(plan.snapshot) {
                return Err(rules::in_use(ResourceKind::Domain));
            }
            (self.domain_name, self.labels, self.parent) = (domain_name, labels, parent);
            // Before the other fields: a name that is taken is what the customer has to know first.
            plan.names_are_free(self)?;
        }
        patch_domain(self, given)
    }

    fn is_in_use(&self, snapshot: &Snapshot) -> bool {
        snapshot.has_subdomains(self.sid)
    }

    fn beside(&self, snapshot: &Snapshot) -> Beside {
        let auth = snapshot.domain_auth(self.sid).name();
        Beside { derived: vec![Value::Text(auth.to_owned())], secret: None }
    }
}

impl Plan<'_> {
    /// Reads a name and finds the domain right above it. A name below another needs that domain to exist, owned
    /// by this account or its parent; every account owns its own SID as a name.
    pub(super) fn domain_name(
        &self,
        text: &str,
    ) -> Result<(String, DomainLabels, Option<DomainSid>), WriteError> {
        let (name, labels) = self.snapshot.suffix.name(text).map_err(|problem| {
            let suffix = self.snapshot.suffix.as_str();
            WriteError::invalid(
                Code::DOMAIN_NAME,
                format!(
                    "DomainName {problem}; a full name ends in .sip.{suffix} or .sip.twilio.com"
                ),
            )
        })?;
        // Another account that took the SID as a name would take calls that are meant for this one.
        if let Some(holder) = labels.reserved_for() {
            let is_below = labels.above().is_some();
            // A sub-account may add names below its parent's SID, but may not take that name.
            if !(holder == self.account.sid || is_below && Some(holder) == self.account.parent) {
                return Err(WriteError::invalid(
                    Code::DOMAIN_NAME,
                    "DomainName is reserved: an Account SID is the domain name of that account",
                ));
            }
        }
        let Some(above) = labels.above() else {
            return Ok((name, labels, None));
        };
        let parent = self.snapshot.domain_by_labels(above.as_str());
        let owned = |row: &Arc<Domain>| {
            row.account == self.account.sid || Some(row.account) == self.account.parent
        };
        // The SID of an account is its name without any resource, so names below it need no domain above.
        let reserved = above.above().is_none() && above.reserved_for().is_some();
        match parent {
            // Not the reverse: below a sub-account's domain its parent adds nothing (sip.md 1).
            Some(row) if owned(row) => Ok((name, labels, Some(row.sid))),
            None if reserved => Ok((name, labels, None)),
            Some(_) | None => Err(WriteError::invalid(
                Code::DOMAIN_NAME,
                format!(
                    "DomainName is below `{above}`, which neither this account nor its parent owns"
                ),
            )),
        }
    }

    /// Whether the binding exists is for the caller to know: bindings are not in the snapshot.
    pub(super) fn delete_binding(&self, domain: DomainSid, binding: BindingSid) -> Checked {
        self.row::<Domain>(None, domain.0)?;
        // To remove a binding that has expired meanwhile succeeds: its phone is unregistered, as was asked.
        let changes = BindingChanges { put: Vec::new(), removed: vec![binding] };
        let change = Change::ChangeBindings(Arc::new(changes));
        Ok(Planned { change, reply: Reply::Deleted })
    }

    pub(super) fn create_mapping(&self, domain: DomainSid, list: MappedList) -> Checked {
        self.row::<Domain>(None, domain.0)?;
        // Before "already mapped": a list of another account is not found, whatever it is mapped to.
        let friendly_name = self.mapped_list_name(list)?;
        if self.snapshot.mapping(domain, list).is_some() {
            return Err(rules::already_mapped());
        }
        let mapping = Mapping { domain, list, created_ms: self.mint.unix_ms };
        let view = MappingView { account: self.account.sid, mapping, friendly_name };
        Ok(Planned { change: Change::Map(mapping), reply: Reply::Mapping(view) })
    }

    pub(super) fn delete_mapping(&self, domain: DomainSid, list: MappedList) -> Checked {
        self.row::<Domain>(None, domain.0)?;
        self.snapshot.mapping(domain, list).ok_or_else(WriteError::not_found)?;
        Ok(Planned { change: Change::Unmap { domain, list }, reply: Reply::Deleted })
    }

    pub(super) fn mapped_list_name(&self, list: MappedList) -> Result<String, WriteError> {
        Ok(match list {
            MappedList::CallsIpAccessControlList(sid) => {
                self.row::<IpAccessControlList>(None, sid.0)?.friendly_name.clone()
            }
            MappedList::CallsCredentialList(sid) | MappedList::RegistrationsCredentialList(sid) => {
                self.row::<CredentialList>(None, sid.0)?.friendly_name.clone()
            }
        })
    }
}

fn patch_domain(row: &mut Domain, given: &DomainParameters) -> Result<(), WriteError> {
    match &given.friendly_name {
        Patch::Keep => {}
        // The name at creation is the domain's name; clearing goes back to that.
        Patch::Clear => row.friendly_name.clone_from(&row.domain_name),
        Patch::Set(name) => {
            rules::friendly_name(ResourceKind::Domain, name)?;
            row.friendly_name.clone_from(name);
        }
    }
    given.voice_url.apply(&mut row.voice_url);
    given.voice_method.set(&mut row.voice_method);
    given.voice_fallback_url.apply(&mut row.voice_fallback_url);
    given.voice_fallback_method.set(&mut row.voice_fallback_method);
    given.voice_status_callback_url.apply(&mut row.voice_status_callback_url);
    given.voice_status_callback_method.set(&mut row.voice_status_callback_method);
    given.sip_registration.set(&mut row.sip_registration);
    given.emergency_calling_enabled.set(&mut row.emergency_calling_enabled);
    given.secure.set(&mut row.secure);
    given.byoc_trunk_sid.apply(&mut row.byoc_trunk_sid);
    given.emergency_caller_sid.apply(&mut row.emergency_caller_sid);
    Ok(())
}
