//! `sidetone caller-id`: adds a verified caller id through the running gateway. Shell.
//!
//! Through the gateway and not into its store: the store has one writer, and calls follow the caller ids in memory.

use std::process::ExitCode;

use serde_json::Value;

use crate::cli::CallerIdArguments;
use crate::own_page;
use crate::settings::Settings;

/// Adds the caller id. Exit code: 0, or 1 with the reason on standard error.
pub fn run(arguments: &CallerIdArguments, settings: &Settings) -> ExitCode {
    match add(arguments, settings) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(sentence) => {
            eprintln!("sidetone: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn add(arguments: &CallerIdArguments, settings: &Settings) -> Result<String, String> {
    let gateway = own_page::gateway(settings)?;
    let account = arguments.account.unwrap_or(gateway.account);
    let mut form = call::Form::new();
    form.push("PhoneNumber", &arguments.number);
    if let Some(name) = &arguments.name {
        form.push("FriendlyName", name);
    }
    let path = format!("/2010-04-01/Accounts/{account}/OutgoingCallerIds/Verified.json");
    let body = gateway.post(&path, &form.to_body())?;
    let row: Value = serde_json::from_slice(&body)
        .map_err(|error| format!("the answer of the gateway is not JSON: {error}"))?;
    let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
    Ok(format!("{} {} of {}", text("sid"), text("phone_number"), text("account_sid")))
}
