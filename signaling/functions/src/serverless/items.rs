//! Functions and assets, with their versions: the uploads.

use serde_json::json;
use shared::limits::FRIENDLY_NAME_CHARACTERS_MAX;

use super::{Answered, Refused, Request, created, has_room, no_content, ok, one};
use crate::catalogue::new_sid;
use crate::multipart;
use crate::service::{Item, Kind, Service, Version, Visibility};

/// Characters of a path.
const PATH_CHARACTERS_MAX: usize = 255;
/// Time for which uploads stay without a build, milliseconds.
const KEPT_MS: i64 = 24 * 3_600_000;
/// Bytes of a private asset, which functions read whole.
const PRIVATE_BYTES_MAX: usize = 10 * 1024 * 1024;

pub(super) fn route(
    it: &Request<'_>,
    service: &Service,
    kind: Kind,
    path: &[&str],
    method: &str,
) -> Answered {
    let folder = format!("/Services/{}/{}", service.sid, kind.collection());
    let own: Vec<_> = service.items.iter().filter(|one| one.kind == kind).cloned().collect();
    let [sid, rest @ ..] = path else {
        return match method {
            "GET" => {
                let rows = own.iter().rev().map(|one| it.show_item(service, one)).collect();
                Ok(it.page(&folder, &format!("{}s", kind.word()), rows))
            }
            "POST" => create(it, service, kind),
            _ => Err(Refused::method()),
        };
    };
    let item = one(&own, sid, |one| &one.sid)?;
    match (rest, method) {
        ([], "GET") => Ok(ok(it.show_item(service, item))),
        ([], "POST") => update(it, service, item),
        ([], "DELETE") => delete(it, service, item),
        (["Versions"], "GET") => {
            let rows = service.versions.iter().rev().filter(|one| one.item == item.sid);
            let rows = rows.map(|one| it.show_version(service, one)).collect();
            let key = format!("{}_versions", kind.word());
            Ok(it.page(&format!("{folder}/{sid}/Versions"), &key, rows))
        }
        (["Versions"], "POST") => upload(it, service, item),
        (["Versions", version, rest @ ..], "GET") => {
            let version = one(&service.versions, version, |one| &one.sid)?;
            match rest {
                [] => Ok(ok(it.show_version(service, version))),
                ["Content"] if kind == Kind::Function => content(it, service, version),
                _ => Err(Refused::not_found()),
            }
        }
        _ => Err(Refused::not_found()),
    }
}

fn friendly_name(it: &Request<'_>) -> Result<String, Refused> {
    let name = it.form.required("FriendlyName")?;
    if name.chars().count() > FRIENDLY_NAME_CHARACTERS_MAX.max(PATH_CHARACTERS_MAX) {
        return Err(Refused::invalid(format!(
            "FriendlyName has at most {PATH_CHARACTERS_MAX} characters"
        )));
    }
    Ok(name.to_owned())
}

fn create(it: &Request<'_>, service: &Service, kind: Kind) -> Answered {
    let item = Item {
        sid: new_sid("ZH"),
        kind,
        friendly_name: friendly_name(it)?,
        created_ms: it.now_ms,
        updated_ms: it.now_ms,
    };
    let (after, ()) = it.change(service, |service| {
        has_room(service.items.iter().filter(|one| one.kind == kind).count(), "of a kind")?;
        service.items.push(item.clone());
        Ok(())
    })?;
    Ok(created(it.show_item(&after, &item)))
}

fn update(it: &Request<'_>, service: &Service, item: &Item) -> Answered {
    let after = Item { friendly_name: friendly_name(it)?, updated_ms: it.now_ms, ..item.clone() };
    it.change(service, |service| {
        let found = service.items.iter_mut().find(|one| one.sid == item.sid);
        *found.ok_or_else(Refused::not_found)? = after.clone();
        Ok(())
    })?;
    Ok(ok(it.show_item(service, &after)))
}

/// The versions stay: builds that are deployed may show them.
fn delete(it: &Request<'_>, service: &Service, item: &Item) -> Answered {
    it.change(service, |service| {
        service.items.retain(|one| one.sid != item.sid);
        Ok(())
    })?;
    Ok(no_content())
}

/// The content is on disk before the service names it.
fn upload(it: &Request<'_>, service: &Service, item: &Item) -> Answered {
    let Some(parts) = multipart::parts(it.content_type, it.body) else {
        return Err(Refused::invalid("The body is not a multipart form"));
    };
    let text = |name: &str| {
        let part = parts.iter().find(|part| part.name == name);
        part.map(|part| String::from_utf8_lossy(part.content).into_owned())
            .ok_or_else(|| Refused::invalid(format!("Missing required parameter {name}")))
    };
    let (path, visibility) = (text("Path")?, text("Visibility")?);
    let Some(content) = parts.iter().find(|part| part.name == "Content") else {
        return Err(Refused::invalid("Missing required parameter Content"));
    };
    let Some(visibility) = Visibility::of(&visibility) else {
        return Err(Refused::invalid("Visibility must be public, protected or private"));
    };
    if !is_path(&path) {
        return Err(Refused::invalid(format!(
            "Path must begin with / and have at most {PATH_CHARACTERS_MAX} characters"
        )));
    }
    if visibility == Visibility::Private && content.content.len() > PRIVATE_BYTES_MAX {
        return Err(Refused::new(413, 20_413, "A private asset has at most 10 MiB"));
    }
    let version = Version {
        sid: new_sid("ZN"),
        item: item.sid.clone(),
        kind: item.kind,
        path,
        visibility,
        content_type: content.content_type.clone(),
        created_ms: it.now_ms,
    };
    it.functions.inner.catalogue.keep(&version.sid, content.content)?;
    let (after, dropped) = it.change(service, |service| {
        let dropped = forget_unused(service, it.now_ms);
        has_room(service.versions.len(), "versions")?;
        service.versions.push(version.clone());
        Ok(dropped)
    })?;
    it.functions.inner.catalogue.drop_contents(&dropped);
    Ok(created(it.show_version(&after, &version)))
}

/// Makes room when versions take most of it: drops builds that no environment shows, and versions that no build has.
/// A deployment uploads first and builds then, so what is younger than a day stays. Returns the dropped versions.
fn forget_unused(service: &mut Service, now_ms: i64) -> Vec<String> {
    if service.versions.len() < shared::limits::FUNCTION_RESOURCES_SERVICE_MAX * 3 / 4 {
        return Vec::new();
    }
    let is_young = |created_ms: i64| now_ms - created_ms < KEPT_MS;
    let shown: Vec<_> = service.environments.iter().filter_map(|one| one.build.clone()).collect();
    service.builds.retain(|build| shown.contains(&build.sid) || is_young(build.created_ms));
    let built: Vec<_> = service.builds.iter().flat_map(|build| build.versions.clone()).collect();
    let (kept, dropped): (Vec<_>, Vec<_>) = std::mem::take(&mut service.versions)
        .into_iter()
        .partition(|version| built.contains(&version.sid) || is_young(version.created_ms));
    service.versions = kept;
    dropped.into_iter().map(|version: Version| version.sid).collect()
}

fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && path.len() <= PATH_CHARACTERS_MAX
        && !path.split('/').any(|part| matches!(part, "." | ".."))
        && !path.chars().any(char::is_control)
}

fn content(it: &Request<'_>, service: &Service, version: &Version) -> Answered {
    let content = it.functions.inner.catalogue.content(&version.sid)?;
    let text = String::from_utf8_lossy(&content);
    Ok(ok(json!({
        "sid": version.sid, "account_sid": service.account, "service_sid": service.sid,
        "function_sid": version.item, "content": text,
        "url": format!("{}/Services/{}/Functions/{}/Versions/{}/Content", it.base, service.sid, version.item, version.sid),
    })))
}
