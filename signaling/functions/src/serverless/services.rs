//! Services.

use shared::limits::{FRIENDLY_NAME_CHARACTERS_MAX, FUNCTION_SERVICES_ACCOUNT_MAX};

use super::{Answered, Refused, Request, created, no_content, ok};
use crate::catalogue::new_sid;
use crate::service::Service;

/// Characters of a unique name (hosted-apps: fewer than 50).
const NAME_CHARACTERS_MAX: usize = 49;

pub(super) fn list(it: &Request<'_>) -> Answered {
    let services = it.functions.inner.catalogue.all();
    let mut own: Vec<_> = services.iter().filter(|one| one.account == it.account).collect();
    own.sort_by_key(|one| std::cmp::Reverse(one.created_ms));
    let rows = own.into_iter().map(|one| it.show_service(one)).collect();
    Ok(it.page("/Services", "services", rows))
}

pub(super) fn create(it: &Request<'_>) -> Answered {
    let unique_name = it.form.name("UniqueName", NAME_CHARACTERS_MAX)?;
    let services = it.functions.inner.catalogue.all();
    let own = services.iter().filter(|one| one.account == it.account);
    if own.clone().any(|one| one.unique_name == unique_name) {
        return Err(Refused::taken(format!(
            "Service with unique name {unique_name} already exists"
        )));
    }
    if own.count() >= FUNCTION_SERVICES_ACCOUNT_MAX {
        let sentence = format!("An account has at most {FUNCTION_SERVICES_ACCOUNT_MAX} services");
        return Err(Refused::invalid(sentence));
    }
    let sid = new_sid("ZS");
    let service = Service {
        domain_base: domain_base(&unique_name, &services),
        sid: sid.clone(),
        account: it.account.clone(),
        friendly_name: friendly_name(it)?.unwrap_or_else(|| unique_name.clone()),
        unique_name,
        include_credentials: it.form.flag("IncludeCredentials")?.unwrap_or(true),
        ui_editable: it.form.flag("UiEditable")?.unwrap_or(false),
        created_ms: it.now_ms,
        updated_ms: it.now_ms,
        environments: Vec::new(),
        items: Vec::new(),
        versions: Vec::new(),
        builds: Vec::new(),
    };
    let shown = it.show_service(&service);
    it.functions.inner.catalogue.change(&sid, |_| Ok::<_, Refused>((service, ())))?;
    Ok(created(shown))
}

pub(super) fn update(it: &Request<'_>, service: &Service) -> Answered {
    let friendly_name = friendly_name(it)?;
    let credentials = it.form.flag("IncludeCredentials")?;
    let editable = it.form.flag("UiEditable")?;
    let (after, ()) = it.change(service, |service| {
        service.friendly_name = friendly_name.unwrap_or_else(|| service.friendly_name.clone());
        service.include_credentials = credentials.unwrap_or(service.include_credentials);
        service.ui_editable = editable.unwrap_or(service.ui_editable);
        Ok(())
    })?;
    Ok(ok(it.show_service(&after)))
}

pub(super) fn delete(it: &Request<'_>, service: &Service) -> Answered {
    it.functions.inner.catalogue.delete(service)?;
    it.functions.inner.logs.forget(&service.sid);
    Ok(no_content())
}

fn friendly_name(it: &Request<'_>) -> Result<Option<String>, Refused> {
    match it.form.get("FriendlyName") {
        Some(name) if name.chars().count() > FRIENDLY_NAME_CHARACTERS_MAX => {
            let sentence =
                format!("FriendlyName has at most {FRIENDLY_NAME_CHARACTERS_MAX} characters");
            Err(Refused::invalid(sentence))
        }
        name => Ok(name.map(str::to_owned)),
    }
}

/// The name and four digits that no other service has: names are unique in an account only.
fn domain_base(name: &str, services: &[std::sync::Arc<Service>]) -> String {
    let name: String = name.to_ascii_lowercase().replace('_', "-");
    loop {
        let mut bits = [0; 4];
        shell::random(&mut bits);
        let base = format!("{name}-{:04}", 1_000 + u32::from_le_bytes(bits) % 9_000);
        if !services.iter().any(|one| one.domain_base == base) {
            return base;
        }
    }
}
