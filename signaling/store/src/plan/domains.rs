//! Rules of SIP domains, their names and the lists mapped to them. Sans-IO.

use std::sync::Arc;

use shared::{BindingSid, DomainSid};

use super::{Checked, Plan, deleted, inserted, names_are_free, updated};
use crate::binding::BindingChanges;
use crate::change::{Change, Resource, ResourceKey};
use crate::domain::{Domain, HttpMethod, MappedList, Mapping};
use crate::kind::ResourceKind;
use crate::name::DomainLabels;
use crate::patch::Patch;
use crate::plan::Planned;
use crate::rules;
use crate::write::{DomainFields, MappingView, Reply, WriteError};

impl Plan<'_> {
    pub(super) fn create_domain(&self, fields: &DomainFields) -> Checked {
        let name = fields.domain_name.as_deref().unwrap_or_default();
        if name.is_empty() {
            return Err(WriteError::invalid(21232, "DomainName is required"));
        }
        self.room_for(ResourceKind::Domain, self.snapshot.domains.count_of(self.account.sid.0))?;
        let (domain_name, labels, parent) = self.domain_name(name)?;
        let mut row = Domain {
            sid: DomainSid(self.sid()),
            account: self.account.sid,
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
            created_ms: self.mint.unix_ms,
            updated_ms: self.mint.unix_ms,
            revision: 1,
        };
        patch_domain(&mut row, fields)?;
        names_are_free(&self.snapshot.domains, &row)?;
        let domain = Arc::new(row);
        let reply = Reply::Domain { domain: domain.clone(), auth: Default::default() };
        Ok(inserted(Resource::Domain(domain), reply))
    }

    pub(super) fn update_domain(&self, sid: DomainSid, fields: &DomainFields) -> Checked {
        let mut row = Domain::clone(self.domain(sid)?);
        if let Some(name) = fields.domain_name.as_deref() {
            let (domain_name, labels, parent) = self.domain_name(name)?;
            if labels != row.labels && self.snapshot.has_subdomains(sid) {
                return Err(rules::in_use(ResourceKind::Domain));
            }
            (row.domain_name, row.labels, row.parent) = (domain_name, labels, parent);
            names_are_free(&self.snapshot.domains, &row)?;
        }
        patch_domain(&mut row, fields)?;
        let domain = self.revised(&self.snapshot.domains, row)?;
        let auth = self.snapshot.domain_auth(sid);
        Ok(updated(Resource::Domain(domain.clone()), Reply::Domain { domain, auth }))
    }

    pub(super) fn delete_domain(&self, sid: DomainSid) -> Checked {
        self.domain(sid)?;
        if self.snapshot.has_subdomains(sid) {
            return Err(rules::in_use(ResourceKind::Domain));
        }
        deleted(ResourceKey::Domain(sid))
    }

    /// Reads a name and finds the domain right above it. A name below another needs that domain to exist, owned
    /// by this account or its parent; every account owns its own SID as a name.
    pub(super) fn domain_name(
        &self,
        text: &str,
    ) -> Result<(String, DomainLabels, Option<DomainSid>), WriteError> {
        let (name, labels) = self.snapshot.suffix.name(text).map_err(|problem| {
            let suffix = self.snapshot.suffix.as_str();
            WriteError::invalid(
                21232,
                format!(
                    "DomainName {problem}; a full name ends in .sip.{suffix} or .sip.twilio.com"
                ),
            )
        })?;
        if let Some(holder) = labels.reserved_for() {
            let is_below = labels.above().is_some();
            if !(holder == self.account.sid || is_below && Some(holder) == self.account.parent) {
                return Err(WriteError::invalid(
                    21232,
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
        let reserved = above.above().is_none() && above.reserved_for().is_some();
        match parent {
            Some(row) if owned(row) => Ok((name, labels, Some(row.sid))),
            None if reserved => Ok((name, labels, None)),
            Some(_) | None => Err(WriteError::invalid(
                21232,
                format!(
                    "DomainName is below `{above}`, which neither this account nor its parent owns"
                ),
            )),
        }
    }

    /// Whether the binding exists is for the caller to know: bindings are not in the snapshot.
    pub(super) fn delete_binding(&self, domain: DomainSid, binding: BindingSid) -> Checked {
        self.domain(domain)?;
        let changes = BindingChanges { put: Vec::new(), removed: vec![binding] };
        let change = Change::ChangeBindings(Arc::new(changes));
        Ok(Planned { change, reply: Reply::Deleted })
    }

    pub(super) fn create_mapping(&self, domain: DomainSid, list: MappedList) -> Checked {
        self.domain(domain)?;
        let friendly_name = self.mapped_list_name(list)?;
        if self.snapshot.mapping(domain, list).is_some() {
            return Err(rules::already_mapped());
        }
        let mapping = Mapping { domain, list, created_ms: self.mint.unix_ms };
        let view = MappingView { account: self.account.sid, mapping, friendly_name };
        Ok(Planned { change: Change::Map(mapping), reply: Reply::Mapping(view) })
    }

    pub(super) fn delete_mapping(&self, domain: DomainSid, list: MappedList) -> Checked {
        self.domain(domain)?;
        self.snapshot.mapping(domain, list).ok_or_else(WriteError::not_found)?;
        Ok(Planned { change: Change::Unmap { domain, list }, reply: Reply::Deleted })
    }

    pub(super) fn mapped_list_name(&self, list: MappedList) -> Result<String, WriteError> {
        Ok(match list {
            MappedList::CallsIpAccessControlList(sid) => self.ip_list(sid)?.friendly_name.clone(),
            MappedList::CallsCredentialList(sid) | MappedList::RegistrationsCredentialList(sid) => {
                self.credential_list(sid)?.friendly_name.clone()
            }
        })
    }

    pub(super) fn domain(&self, sid: DomainSid) -> Result<&Arc<Domain>, WriteError> {
        let mine = |row: &&Arc<Domain>| row.account == self.account.sid;
        self.snapshot.domains.get(sid).filter(mine).ok_or_else(WriteError::not_found)
    }
}

fn patch_domain(row: &mut Domain, fields: &DomainFields) -> Result<(), WriteError> {
    match &fields.friendly_name {
        Patch::Keep => {}
        Patch::Clear => row.friendly_name.clone_from(&row.domain_name),
        Patch::Set(name) => {
            rules::friendly_name(ResourceKind::Domain, name)?;
            row.friendly_name.clone_from(name);
        }
    }
    let post = HttpMethod::Post;
    fields.voice_url.clone().apply(&mut row.voice_url);
    fields.voice_method.clone().apply_or(&mut row.voice_method, post);
    fields.voice_fallback_url.clone().apply(&mut row.voice_fallback_url);
    fields.voice_fallback_method.clone().apply_or(&mut row.voice_fallback_method, post);
    fields.voice_status_callback_url.clone().apply(&mut row.voice_status_callback_url);
    fields
        .voice_status_callback_method
        .clone()
        .apply_or(&mut row.voice_status_callback_method, post);
    fields.sip_registration.clone().apply_or(&mut row.sip_registration, false);
    fields.emergency_calling_enabled.clone().apply_or(&mut row.emergency_calling_enabled, false);
    fields.secure.clone().apply_or(&mut row.secure, false);
    fields.byoc_trunk_sid.clone().apply(&mut row.byoc_trunk_sid);
    fields.emergency_caller_sid.clone().apply(&mut row.emergency_caller_sid);
    Ok(())
}
