//! The JSON of the API. Pure.

use serde_json::{Map, Value, json};

use super::{ApiAnswer, Request, ok};
use crate::logs::Line;
use crate::message::Level;
use crate::service::{Build, Deployment, Environment, Item, Service, Variable, Version};

impl Request<'_> {
    fn service_url(&self, service: &Service) -> String {
        format!("{}/Services/{}", self.base, service.sid)
    }

    pub(super) fn show_service(&self, it: &Service) -> Value {
        let url = self.service_url(it);
        json!({
            "sid": it.sid, "account_sid": it.account, "unique_name": it.unique_name,
            "friendly_name": it.friendly_name, "include_credentials": it.include_credentials,
            "ui_editable": it.ui_editable, "domain_base": it.domain_base,
            "date_created": date(it.created_ms), "date_updated": date(it.updated_ms), "url": url,
            "links": links(&url, &[("environments", "Environments"), ("functions", "Functions"),
                ("assets", "Assets"), ("builds", "Builds")]),
        })
    }

    pub(super) fn show_environment(&self, service: &Service, it: &Environment) -> Value {
        let url = format!("{}/Environments/{}", self.service_url(service), it.sid);
        let base = &self.functions.inner.settings.base;
        let suffix = (!it.domain_suffix.is_empty()).then_some(&it.domain_suffix);
        json!({
            "sid": it.sid, "account_sid": service.account, "service_sid": service.sid,
            "build_sid": it.build, "unique_name": it.unique_name, "domain_suffix": suffix,
            "domain_name": format!("{}.{base}", service.label(it)),
            "date_created": date(it.created_ms), "date_updated": date(it.updated_ms), "url": url,
            "links": links(&url, &[("variables", "Variables"), ("deployments", "Deployments"),
                ("logs", "Logs")]),
        })
    }

    pub(super) fn show_item(&self, service: &Service, it: &Item) -> Value {
        let versions = format!("{}_versions", it.kind.word());
        let url = format!("{}/{}/{}", self.service_url(service), it.kind.collection(), it.sid);
        json!({
            "sid": it.sid, "account_sid": service.account, "service_sid": service.sid,
            "friendly_name": it.friendly_name,
            "date_created": date(it.created_ms), "date_updated": date(it.updated_ms),
            "links": links(&url, &[(versions.as_str(), "Versions")]), "url": url,
        })
    }

    pub(super) fn show_version(&self, service: &Service, it: &Version) -> Value {
        let owner = format!("{}_sid", it.kind.word());
        let folder = format!("{}/{}/{}", self.service_url(service), it.kind.collection(), it.item);
        let url = format!("{folder}/Versions/{}", it.sid);
        let mut shown = json!({
            "sid": it.sid, "account_sid": service.account, "service_sid": service.sid,
            "path": it.path, "visibility": it.visibility.word(),
            "date_created": date(it.created_ms),
            "links": links(&url, &[("function_version_content", "Content")]), "url": url,
        });
        shown[owner] = it.item.clone().into();
        shown
    }

    pub(super) fn show_build(&self, service: &Service, it: &Build) -> Value {
        let url = format!("{}/Builds/{}", self.service_url(service), it.sid);
        let versions = |kind| -> Vec<Value> {
            let chosen = service.versions.iter();
            let chosen = chosen.filter(|one| one.kind == kind && it.versions.contains(&one.sid));
            chosen.map(|version| self.show_version(service, version)).collect()
        };
        json!({
            "sid": it.sid, "account_sid": service.account, "service_sid": service.sid,
            "status": it.status, "runtime": it.runtime, "dependencies": it.dependencies,
            "function_versions": versions(crate::service::Kind::Function),
            "asset_versions": versions(crate::service::Kind::Asset),
            "date_created": date(it.created_ms), "date_updated": date(it.created_ms),
            "links": links(&url, &[("build_status", "Status")]), "url": url,
        })
    }

    pub(super) fn show_variable(
        &self,
        service: &Service,
        of: &Environment,
        it: &Variable,
    ) -> Value {
        let folder = format!("{}/Environments/{}", self.service_url(service), of.sid);
        json!({
            "sid": it.sid, "account_sid": service.account, "service_sid": service.sid,
            "environment_sid": of.sid, "key": it.key, "value": it.value,
            "date_created": date(it.created_ms), "date_updated": date(it.updated_ms),
            "url": format!("{folder}/Variables/{}", it.sid),
        })
    }

    pub(super) fn show_deployment(
        &self,
        service: &Service,
        of: &Environment,
        it: &Deployment,
    ) -> Value {
        let folder = format!("{}/Environments/{}", self.service_url(service), of.sid);
        json!({
            "sid": it.sid, "account_sid": service.account, "service_sid": service.sid,
            "environment_sid": of.sid, "build_sid": it.build,
            "date_created": date(it.created_ms), "date_updated": date(it.created_ms),
            "url": format!("{folder}/Deployments/{}", it.sid),
        })
    }

    pub(super) fn show_line(&self, service: &Service, of: &Environment, it: &Line) -> Value {
        let folder = format!("{}/Environments/{}", self.service_url(service), of.sid);
        let level = match it.level {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        let deployment = of.deployments.iter().rfind(|one| one.build == it.build);
        json!({
            "sid": it.sid, "account_sid": it.account, "service_sid": service.sid,
            "environment_sid": of.sid, "build_sid": it.build,
            "deployment_sid": deployment.map(|one| &one.sid), "function_sid": it.function,
            "request_sid": it.request, "level": level, "message": it.text,
            "date_created": date(it.created_ms), "url": format!("{folder}/Logs/{}", it.sid),
        })
    }

    /// A page of a list.
    pub(super) fn page(&self, path: &str, key: &str, rows: Vec<Value>) -> ApiAnswer {
        let number = |name: &str, or: usize| {
            self.form.get(name).and_then(|text| text.parse().ok()).unwrap_or(or)
        };
        let size = number("PageSize", PAGE_SIZE).clamp(1, PAGE_SIZE_MAX);
        let page = number("Page", 0);
        let url = |page: usize| format!("{}{path}?PageSize={size}&Page={page}", self.base);
        let more = rows.len() > (page + 1).saturating_mul(size);
        let shown: Vec<_> = rows.into_iter().skip(page.saturating_mul(size)).take(size).collect();
        let meta = json!({
            "key": key, "page": page, "page_size": size, "url": url(page), "first_page_url": url(0),
            "previous_page_url": page.checked_sub(1).map(&url), "next_page_url": more.then(|| url(page + 1)),
        });
        ok(json!({ key: shown, "meta": meta }))
    }
}

fn links(url: &str, names: &[(&str, &str)]) -> Map<String, Value> {
    let link = |(key, last): &(&str, &str)| ((*key).to_owned(), format!("{url}/{last}").into());
    names.iter().map(link).collect()
}

/// A moment in the API's form (RFC 3339, seconds, UTC).
fn date(unix_ms: i64) -> String {
    let seconds = unix_ms.div_euclid(1_000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 0000-03-01, in eras of 400 years: the leap day is then the last of its year.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + carry;
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

const PAGE_SIZE: usize = 50;
const PAGE_SIZE_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (unix_ms, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_827_696_999, "2000-02-29T12:34:56Z"),
            (1_767_225_599_000, "2025-12-31T23:59:59Z"),
            (1_798_675_200_000, "2026-12-31T00:00:00Z"),
        ] {
            assert_eq!(date(unix_ms), expected);
        }
    }
}
