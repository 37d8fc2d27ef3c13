//! Environments, their variables, deployments and logs.

use super::{Answered, Refused, Request, created, has_room, no_content, ok, one};
use crate::catalogue::new_sid;
use crate::service::{Deployment, Environment, Service, Variable};

/// Characters of a variable's name, and bytes of its value.
const KEY_CHARACTERS_MAX: usize = 128;
const VALUE_BYTES_MAX: usize = 4_096;
/// Deployments that are remembered.
const DEPLOYMENTS_MAX: usize = 100;

pub(super) fn route(it: &Request<'_>, service: &Service, path: &[&str], method: &str) -> Answered {
    let folder = format!("/Services/{}/Environments", service.sid);
    let [sid, rest @ ..] = path else {
        return match method {
            "GET" => {
                let rows = service.environments.iter().rev();
                let rows = rows.map(|one| it.show_environment(service, one)).collect();
                Ok(it.page(&folder, "environments", rows))
            }
            "POST" => create(it, service),
            _ => Err(Refused::method()),
        };
    };
    let environment = one(&service.environments, sid, |one| &one.sid)?;
    match (rest, method) {
        ([], "GET") => Ok(ok(it.show_environment(service, environment))),
        ([], "DELETE") => {
            it.change(service, |service| {
                service.environments.retain(|one| one.sid != environment.sid);
                Ok(())
            })?;
            Ok(no_content())
        }
        (["Variables", rest @ ..], _) => variables(it, service, environment, rest, method),
        (["Deployments", rest @ ..], _) => deployments(it, service, environment, rest, method),
        (["Logs", rest @ ..], "GET") => logs(it, service, environment, rest),
        _ => Err(Refused::not_found()),
    }
}

fn create(it: &Request<'_>, service: &Service) -> Answered {
    let unique_name = it.form.name("UniqueName", 100)?;
    let suffix = it.form.get("DomainSuffix").unwrap_or_default();
    if !suffix.is_empty() {
        it.form.name("DomainSuffix", 16)?;
    }
    let environment = Environment {
        sid: new_sid("ZE"),
        unique_name,
        domain_suffix: suffix.to_owned(),
        build: None,
        revision: 0,
        created_ms: it.now_ms,
        updated_ms: it.now_ms,
        variables: Vec::new(),
        deployments: Vec::new(),
    };
    let (after, ()) = it.change(service, |service| {
        let others = &service.environments;
        has_room(others.len(), "environments")?;
        let is_taken = |one: &Environment| {
            one.unique_name == environment.unique_name
                || one.domain_suffix == environment.domain_suffix
        };
        if others.iter().any(is_taken) {
            return Err(Refused::taken(
                "Environment with this unique name or domain suffix already exists",
            ));
        }
        service.environments.push(environment.clone());
        Ok(())
    })?;
    Ok(created(it.show_environment(&after, &environment)))
}

/// Changes an environment; the next request gets a worker that has seen the change.
fn change<T>(
    it: &Request<'_>,
    service: &Service,
    environment: &Environment,
    change: impl FnOnce(&mut Environment) -> Result<T, Refused>,
) -> Result<T, Refused> {
    let (_, value) = it.change(service, |service| {
        let mut environments = service.environments.iter_mut();
        let found = environments.find(|one| one.sid == environment.sid);
        let found = found.ok_or_else(Refused::not_found)?;
        let value = change(found)?;
        found.revision += 1;
        found.updated_ms = it.now_ms;
        Ok(value)
    })?;
    Ok(value)
}

fn variables(
    it: &Request<'_>,
    service: &Service,
    environment: &Environment,
    path: &[&str],
    method: &str,
) -> Answered {
    let shown = |one: &Variable| it.show_variable(service, environment, one);
    let [sid] = path else {
        if method == "GET" {
            let folder =
                format!("/Services/{}/Environments/{}/Variables", service.sid, environment.sid);
            return Ok(it.page(
                &folder,
                "variables",
                environment.variables.iter().map(shown).collect(),
            ));
        }
        let key = it.form.name("Key", KEY_CHARACTERS_MAX)?;
        let variable = Variable {
            sid: new_sid("ZV"),
            key,
            value: value(it)?,
            created_ms: it.now_ms,
            updated_ms: it.now_ms,
        };
        change(it, service, environment, |environment| {
            has_room(environment.variables.len(), "variables")?;
            if environment.variables.iter().any(|one| one.key == variable.key) {
                return Err(Refused::taken("Variable with this key already exists"));
            }
            environment.variables.push(variable.clone());
            Ok(())
        })?;
        return Ok(created(shown(&variable)));
    };
    let found = one(&environment.variables, sid, |one| &one.sid)?;
    match method {
        "GET" => Ok(ok(shown(found))),
        "POST" => {
            let mut after = found.clone();
            if it.form.get("Key").is_some() {
                after.key = it.form.name("Key", KEY_CHARACTERS_MAX)?;
            }
            if it.form.get("Value").is_some() {
                after.value = value(it)?;
            }
            after.updated_ms = it.now_ms;
            change(it, service, environment, |environment| {
                environment.variables.retain(|one| one.sid != after.sid);
                environment.variables.push(after.clone());
                Ok(())
            })?;
            Ok(ok(shown(&after)))
        }
        "DELETE" => {
            change(it, service, environment, |environment| {
                environment.variables.retain(|one| one.sid != found.sid);
                Ok(())
            })?;
            Ok(no_content())
        }
        _ => Err(Refused::method()),
    }
}

fn value(it: &Request<'_>) -> Result<String, Refused> {
    let value = it.form.get("Value").unwrap_or_default();
    if value.len() > VALUE_BYTES_MAX {
        return Err(Refused::invalid(format!("Value has at most {VALUE_BYTES_MAX} bytes")));
    }
    Ok(value.to_owned())
}

fn deployments(
    it: &Request<'_>,
    service: &Service,
    environment: &Environment,
    path: &[&str],
    method: &str,
) -> Answered {
    let shown = |one: &Deployment| it.show_deployment(service, environment, one);
    if let [sid] = path {
        return Ok(ok(shown(one(&environment.deployments, sid, |one| &one.sid)?)));
    }
    if method == "GET" {
        let folder =
            format!("/Services/{}/Environments/{}/Deployments", service.sid, environment.sid);
        let rows = environment.deployments.iter().rev().map(shown).collect();
        return Ok(it.page(&folder, "deployments", rows));
    }
    let build = one(&service.builds, it.form.required("BuildSid")?, |one| &one.sid)?;
    if build.status != "completed" {
        return Err(Refused::invalid("Only a build that has completed can be deployed"));
    }
    let deployment =
        Deployment { sid: new_sid("ZD"), build: build.sid.clone(), created_ms: it.now_ms };
    change(it, service, environment, |environment| {
        environment.build = Some(build.sid.clone());
        if environment.deployments.len() >= DEPLOYMENTS_MAX {
            environment.deployments.remove(0);
        }
        environment.deployments.push(deployment.clone());
        Ok(())
    })?;
    Ok(created(shown(&deployment)))
}

fn logs(it: &Request<'_>, service: &Service, environment: &Environment, path: &[&str]) -> Answered {
    let function = it.form.get("FunctionSid");
    let lines = it.functions.inner.logs.of(&service.sid, |line| {
        line.environment == environment.sid && function.is_none_or(|sid| line.function == sid)
    });
    if let [sid] = path {
        let line = one(&lines, sid, |one| &one.sid)?;
        return Ok(ok(it.show_line(service, environment, line)));
    }
    let rows = lines.iter().map(|line| it.show_line(service, environment, line)).collect();
    let folder = format!("/Services/{}/Environments/{}/Logs", service.sid, environment.sid);
    Ok(it.page(&folder, "logs", rows))
}
