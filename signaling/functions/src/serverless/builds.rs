//! Builds: sets of versions, and whether the packages that they need are here.
//!
//! A build takes no time: nothing is compiled, and no registry is asked, because a gateway has to work without the
//! Internet. What it needs is the embedded library with the packages below it, a package that the build brings
//! (`node_modules.zip`), or one of the operator (`functions.packages`); another one is a failure that names it (82003).

use serde_json::json;
use shared::Code;

use super::{Answered, Refused, Request, created, has_room, no_content, ok, one};
use crate::app::is_module;
use crate::archive::Archive;
use crate::catalogue::new_sid;
use crate::outside::FunctionAlert;
use crate::packages;
use crate::service::{Build, Dependency, Kind, Service, Version};

/// Packages that functions have without a deployment: the official library, what it depends on, and the platform's
/// own, of which functions use the types only.
const PRESENT: &[&str] = &[
    "twilio",
    "axios",
    "dayjs",
    "https-proxy-agent",
    "jsonwebtoken",
    "qs",
    "xmlbuilder",
    "form-data",
    "semver",
    "ms",
    "@twilio/runtime-handler",
    "@twilio-labs/serverless-runtime-types",
    "@twilio-labs/runtime-helpers-types",
    // Built-in modules that projects list, as npm has packages of their names.
    "util",
    "fs",
    "path",
    "crypto",
    "buffer",
    "events",
    "url",
    "querystring",
    "stream",
];
/// The runtimes that tools name. All of them are this one.
const RUNTIMES: &[&str] =
    &["node8", "node10", "node12", "node14", "node16", "node18", "node20", "node22", "node24"];
const RUNTIME: &str = "node22";

pub(super) fn route(it: &Request<'_>, service: &Service, path: &[&str], method: &str) -> Answered {
    let folder = format!("/Services/{}/Builds", service.sid);
    match (path, method) {
        ([], "GET") => {
            let rows = service.builds.iter().rev().map(|one| it.show_build(service, one));
            Ok(it.page(&folder, "builds", rows.collect()))
        }
        ([], "POST") => create(it, service),
        ([sid], "GET") => {
            Ok(ok(it.show_build(service, one(&service.builds, sid, |one| &one.sid)?)))
        }
        ([sid], "DELETE") => {
            let build = one(&service.builds, sid, |one| &one.sid)?;
            if service.environments.iter().any(|one| one.build.as_ref() == Some(&build.sid)) {
                return Err(Refused::invalid("The build is deployed"));
            }
            it.change(service, |service| {
                service.builds.retain(|one| one.sid != build.sid);
                Ok(())
            })?;
            Ok(no_content())
        }
        ([sid, "Status"], "GET") => {
            let build = one(&service.builds, sid, |one| &one.sid)?;
            Ok(ok(json!({
                "sid": build.sid, "account_sid": service.account, "service_sid": service.sid,
                "status": build.status, "url": format!("{}{folder}/{sid}/Status", it.base),
            })))
        }
        _ => Err(Refused::not_found()),
    }
}

fn create(it: &Request<'_>, service: &Service) -> Answered {
    let mut versions = it.form.all("FunctionVersions");
    versions.extend(it.form.all("AssetVersions"));
    for sid in &versions {
        one(&service.versions, sid, |one| &one.sid)?;
    }
    let runtime = it.form.get("Runtime").unwrap_or(RUNTIME);
    if !RUNTIMES.contains(&runtime) {
        return Err(Refused::new(400, 82_007, format!("There is no runtime {runtime}")));
    }
    let dependencies = dependencies(it.form.get("Dependencies").unwrap_or_default())?;
    let own = brought(it, service, &versions);
    let is_here = |name: &str| {
        PRESENT.contains(&name)
            || own.as_ref().is_ok_and(|own| own.as_ref().is_some_and(|own| own.has(name)))
            || packages::has(&it.functions.inner.settings.packages, name)
    };
    let named = dependencies.iter().map(|one| one.name.as_str());
    let missing: Vec<_> = named.filter(|name| !is_here(name)).collect();
    let modules = match it.functions.inner.settings.program.library {
        Some(_) => Vec::new(),
        None => modules(it, service, &versions),
    };
    let reason = match (missing.as_slice(), modules.as_slice()) {
        _ if own.is_err() => own.err().unwrap_or_default(),
        ([], []) => String::new(),
        ([], modules) => format!(
            "these functions are ES modules, which need functions.engine = \"node\": {}",
            modules.join(", ")
        ),
        (missing, _) => format!("these packages are not here: {}", missing.join(", ")),
    };
    if !reason.is_empty() {
        tracing::warn!(service = service.sid, reason, "a build of functions failed");
        if let Some(owner) = service.owner() {
            it.functions.inner.outside.alert(FunctionAlert {
                account: owner,
                call: None,
                code: Code::FUNCTION_BUILD_FAILED,
                sentence: format!("{}: {reason}", service.unique_name),
                exchange: None,
            });
        }
    }
    let build = Build {
        sid: new_sid("ZB"),
        status: if reason.is_empty() { "completed" } else { "failed" }.to_owned(),
        reason,
        versions,
        dependencies,
        runtime: runtime.to_owned(),
        created_ms: it.now_ms,
    };
    let (after, ()) = it.change(service, |service| {
        has_room(service.builds.len(), "builds")?;
        service.builds.push(build.clone());
        Ok(())
    })?;
    Ok(created(it.show_build(&after, &build)))
}

/// The packages that the build brings; an archive that does not read, in a sentence.
fn brought(
    it: &Request<'_>,
    service: &Service,
    versions: &[String],
) -> Result<Option<Archive>, String> {
    let mut packages = service.versions.iter().filter(|version| version.is_packages());
    let Some(version) = packages.find(|version| versions.contains(&version.sid)) else {
        return Ok(None);
    };
    let read = it.functions.inner.catalogue.content(&version.sid).and_then(Archive::of);
    read.map(Some).map_err(|error| format!("node_modules.zip does not read: {error}"))
}

/// The paths of functions that are ES modules.
fn modules(it: &Request<'_>, service: &Service, versions: &[String]) -> Vec<String> {
    let functions = service.versions.iter().filter(|one| one.kind == Kind::Function);
    let built = functions.filter(|one| versions.contains(&one.sid));
    let catalogue = &it.functions.inner.catalogue;
    let is_module = |version: &&Version| {
        let script = catalogue.content(&version.sid).unwrap_or_default();
        is_module(&String::from_utf8_lossy(&script))
    };
    built.filter(is_module).map(|version| version.path.clone()).collect()
}

/// Reads the list of packages. Deploy tools put the JSON between quotes without escaping those inside.
fn dependencies(text: &str) -> Result<Vec<Dependency>, Refused> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let broken = |_| Refused::invalid("Dependencies is not a list of names and versions");
    serde_json::from_str(inner).map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_with_and_without_the_tools_quotes() {
        let plain = r#"[{"name":"twilio","version":"^5.0.0"}]"#;
        for text in [plain.to_owned(), format!("\"{plain}\"")] {
            let list = dependencies(&text).expect("a list");
            assert_eq!((list[0].name.as_str(), list[0].version.as_str()), ("twilio", "^5.0.0"));
        }
        assert!(dependencies("").expect("none").is_empty());
        assert!(dependencies("\"nonsense\"").is_err());
    }
}
