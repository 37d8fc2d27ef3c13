//! The lists mapped to a domain: three resources, two of them under a legacy path too.

use serde_json::{Value, json};
use shared::{Code, DomainSid};
use store::{
    CredentialList, Domain, IpAccessControlList, MappedList, MappingKind, MappingView, Write,
    WriteError,
};

use crate::auth::unreadable;
use crate::context::{Answered, CollectionVerb, Context, InstanceVerb, READ_OR_DELETE, Step};
use crate::date::rfc2822;
use crate::described;
use crate::lookup::{found, sid, uri};
use crate::paging::{ListRow, paging};
use crate::rendering::Shape;
use crate::response::method_not_allowed;

/// The mappings of one kind, of one domain.
pub(crate) struct Mappings<'m> {
    context: &'m Context<'m>,
    domain: DomainSid,
    kind: MappingKind,
    legacy: bool,
}

impl<'m> Mappings<'m> {
    /// Finds the domain. Without it, its mappings are not found.
    pub(crate) fn new(
        context: &'m Context<'m>,
        domain: &str,
        kind: MappingKind,
        legacy: bool,
    ) -> Result<Self, WriteError> {
        let domain: DomainSid = sid(domain)?;
        described::must_be_there::<Domain>(context, domain.0)?;
        Ok(Self { context, domain, kind, legacy })
    }

    pub(crate) fn collection(&self) -> Answered {
        match self.context.collection_verb()? {
            CollectionVerb::List => self.list(),
            CollectionVerb::Create => {
                let name = self.parameter();
                let text = self.context.form.value(name);
                let required =
                    || WriteError::invalid(Code::DOMAIN_PARAMETER, format!("{name} is required"));
                // Found here although the plan finds it again: only here is known that the parameter named
                // it.
                let list = self.mapped(text.ok_or_else(required)?).and_then(|list| {
                    self.must_be_there(list)?;
                    Ok(list)
                });
                let list = list.map_err(|error| self.names_the_list(error))?;
                let write = Write::CreateMapping { domain: self.domain, list };
                self.context.create(write).map(|step| self.in_shape(step))
            }
        }
    }

    pub(crate) fn instance(&self, list: &str) -> Answered {
        let list = self.mapped(list)?;
        match self.context.instance_verb_of(READ_OR_DELETE)? {
            InstanceVerb::Fetch => {
                let account = self.context.account.sid;
                let view = found(self.context.reader.mapping(account, self.domain, list))?;
                self.context.ok(&json(&view, self.legacy))
            }
            // A mapping has nothing that could change.
            InstanceVerb::Update => Err(method_not_allowed(READ_OR_DELETE)),
            InstanceVerb::Delete => {
                self.context.delete(Write::DeleteMapping { domain: self.domain, list })
            }
        }
    }

    fn list(&self) -> Answered {
        let paging = paging(&self.context.form)?;
        let (account, legacy) = (self.context.account.sid, self.legacy);
        let prefix = self.prefix();
        let page = self
            .context
            .reader
            .mappings(account, self.domain, self.kind, paging.request)
            .map_err(unreadable)?
            .map(|view| ListRow {
                json: json(&view, legacy),
                prefix,
                bits: view.mapping.list.bits(),
            });
        // The SDKs look for one key each: the resources below `Auth` share one (rest.md 5.2).
        let key = match (legacy, self.kind) {
            (false, _) => "contents",
            (true, MappingKind::CallsIpAccessControlList) => "ip_access_control_list_mappings",
            (true, MappingKind::CallsCredentialList | MappingKind::RegistrationsCredentialList) => {
                "credential_list_mappings"
            }
        };
        self.context.ok(&paging.v2010(self.context.frame, key, page))
    }

    fn mapped(&self, text: &str) -> Result<MappedList, WriteError> {
        Ok(match self.kind {
            MappingKind::CallsIpAccessControlList => {
                MappedList::CallsIpAccessControlList(sid(text)?)
            }
            MappingKind::CallsCredentialList => MappedList::CallsCredentialList(sid(text)?),
            MappingKind::RegistrationsCredentialList => {
                MappedList::RegistrationsCredentialList(sid(text)?)
            }
        })
    }

    /// Checks that the account owns the list. The write checks it again.
    fn must_be_there(&self, list: MappedList) -> Result<(), WriteError> {
        match list {
            MappedList::CallsIpAccessControlList(sid) => {
                described::must_be_there::<IpAccessControlList>(self.context, sid.0)
            }
            MappedList::CallsCredentialList(sid) | MappedList::RegistrationsCredentialList(sid) => {
                described::must_be_there::<CredentialList>(self.context, sid.0)
            }
        }
    }

    /// Words a 404 so that it names the parameter: the list is not found, the path is.
    fn names_the_list(&self, error: WriteError) -> WriteError {
        if error.status != 404 {
            return error;
        }
        let name = self.parameter();
        WriteError::new(404, Code::NOT_FOUND, format!("The list that {name} names was not found"))
    }

    const fn parameter(&self) -> &'static str {
        match self.kind {
            MappingKind::CallsIpAccessControlList => "IpAccessControlListSid",
            MappingKind::CallsCredentialList | MappingKind::RegistrationsCredentialList => {
                "CredentialListSid"
            }
        }
    }

    const fn prefix(&self) -> &'static str {
        match self.kind {
            MappingKind::CallsIpAccessControlList => "AL",
            MappingKind::CallsCredentialList | MappingKind::RegistrationsCredentialList => "CL",
        }
    }

    fn in_shape(&self, mut step: Step) -> Step {
        if let Step::Write { rendering, .. } = &mut step {
            rendering.shape = if self.legacy { Shape::LegacyMapping } else { Shape::Plain };
        }
        step
    }
}

/// A mapping, under the SID of its list, as it has none of its own. The legacy shape has two more fields.
pub(crate) fn json(view: &MappingView, legacy: bool) -> Value {
    let list = match view.mapping.list {
        MappedList::CallsIpAccessControlList(sid) => json!(sid),
        MappedList::CallsCredentialList(sid) | MappedList::RegistrationsCredentialList(sid) => {
            json!(sid)
        }
    };
    let mut json = json!({
        "sid": list,
        "account_sid": view.account,
        "friendly_name": view.friendly_name,
        "date_created": rfc2822(view.mapping.created_ms),
        "date_updated": rfc2822(view.mapping.created_ms),
    });
    if legacy {
        let domain = view.mapping.domain;
        let name = match view.mapping.list.kind() {
            MappingKind::CallsIpAccessControlList => "IpAccessControlListMappings",
            MappingKind::CallsCredentialList | MappingKind::RegistrationsCredentialList => {
                "CredentialListMappings"
            }
        };
        json["domain_sid"] = json!(domain);
        let list = list.as_str().unwrap_or_default();
        let path = format_args!("SIP/Domains/{domain}/{name}/{list}.json");
        json["uri"] = json!(uri(view.account, path));
    }
    json
}
