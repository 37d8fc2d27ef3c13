//! The commands of `sidetone`, each with its exit code. Shell.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use control::ControlSettings;
use shared::ids::Origin;
use shell::Clock;
use transport::tls::TlsControl;

use crate::account::AccountVariables;
use crate::cli::{
    Cli, Command, ConfigCommand, DemoArguments, DnsArguments, ServeArguments, Worker,
    not_in_this_version,
};
use function_worker::NodeArguments;

use crate::demo;
use crate::inbox::Message;
use crate::logging;
use crate::serve::{self, Gateway, StoreWanted};
use crate::settings::{Settings, Sources};
use crate::signals::{self, Asked};
use crate::zone::{ZoneFacts, zone};

/// Runs the command that the command line names.
pub fn run(cli: Cli) -> ExitCode {
    let sources = cli.settings.sources();
    match cli.command {
        None => {
            with_settings(&sources, |settings| serve(ServeArguments::default(), settings, &sources))
        }
        Some(Command::Serve(arguments)) => {
            with_settings(&sources, |settings| serve(arguments, settings, &sources))
        }
        Some(Command::Demo(arguments)) => demo(arguments, sources),
        Some(Command::Phone { arguments }) => crate::phone_command::run(&arguments),
        Some(Command::Config { command }) => {
            with_settings(&sources, |settings| config(command, settings))
        }
        Some(Command::Dns(arguments)) => {
            with_settings(&sources, |settings| dns(&arguments, settings))
        }
        Some(Command::Ca) => with_settings(&sources, ca),
        Some(Command::Worker { worker: Worker::Speech { voices } }) => speech::worker_main(&voices),
        Some(Command::Worker { worker: Worker::Functions }) => function_worker::worker_main(),
        Some(Command::Worker { worker: Worker::Node { node, library, app } }) => {
            function_worker::node_main(&NodeArguments { node, library, app })
        }
        Some(Command::Explain(question)) => {
            with_settings(&sources, |settings| crate::explain::run(&question, settings))
        }
        Some(Command::Media(arguments)) => {
            with_settings(&sources, |settings| crate::media_command::run(arguments, settings))
        }
        Some(Command::CallerId(arguments)) => {
            with_settings(&sources, |settings| crate::caller_id_command::run(&arguments, settings))
        }
        Some(Command::Doctor) => with_settings(&sources, crate::doctor::run),
        Some(Command::Tune(_)) => later("tune"),
        Some(Command::Backup(_)) => later("backup"),
        Some(Command::Restore(_)) => later("restore"),
    }
}

fn with_settings(sources: &Sources, run: impl FnOnce(&Settings) -> ExitCode) -> ExitCode {
    match sources.load_from_environment() {
        Ok(settings) => run(&settings),
        Err(error) => failed(&error),
    }
}

/// Prints an error on standard error; exit code 1.
fn failed(error: &dyn std::fmt::Display) -> ExitCode {
    let text = error.to_string();
    for line in text.lines() {
        eprintln!("sidetone: {line}");
    }
    ExitCode::FAILURE
}

fn later(word: &str) -> ExitCode {
    eprintln!("sidetone: {}", not_in_this_version(word));
    ExitCode::from(2)
}

/// Runs a gateway with its log. The log ends before the error is printed, so that the error is the last line.
fn with_log(
    settings: &Settings,
    run: impl FnOnce(logging::LogControl) -> Result<(), String>,
) -> ExitCode {
    let logs = logging::start(&settings.config.log);
    let outcome = run(logs.control());
    drop(logs);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => failed(&sentence),
    }
}

fn serve(arguments: ServeArguments, settings: &Settings, sources: &Sources) -> ExitCode {
    let wanted = if arguments.new_store { StoreWanted::New } else { StoreWanted::AsItIs };
    let variables = AccountVariables::from_environment();
    with_log(settings, |logs| {
        let gateway =
            serve::start_with(settings, &variables, wanted).map_err(|error| error.to_string())?;
        if gateway.account.generated {
            show_account(settings, &gateway);
        }
        run_to_the_end(gateway, settings, sources, logs, |_| {})
    })
}

/// Shows the generated account, once, at the first start.
fn show_account(settings: &Settings, gateway: &Gateway) {
    let file = settings.config.node.data_dir.join("credentials");
    eprintln!(
        "sidetone: made the first account. AccountSid {}, AuthToken {} (kept in {}, shown only now)",
        gateway.account.sid,
        gateway.account.auth_token.expose_secret(),
        file.display()
    );
}

fn demo(arguments: DemoArguments, sources: Sources) -> ExitCode {
    if arguments.call {
        return demo_call(sources);
    }
    let sources = demo::sources(sources);
    let settings = match sources.load_from_environment() {
        Ok(settings) => settings,
        Err(error) => return failed(&error),
    };
    with_log(&settings, |logs| {
        let variables = AccountVariables::from_environment();
        let gateway = serve::start(&settings, &variables).map_err(|error| error.to_string())?;
        let demo = demo::set_up(&gateway, &settings.config.node.data_dir)
            .map_err(|error| error.to_string())?;
        let next = demo.shown(&gateway);
        run_to_the_end(gateway, &settings, &sources, logs, |out| {
            let _ = write!(out, "{next}");
        })
    })
}

/// `demo --call`, in a temporary folder.
fn demo_call(sources: Sources) -> ExitCode {
    let folder = std::env::temp_dir().join(format!("sidetone-demo-call-{}", std::process::id()));
    let sources = demo::call_sources(sources, &folder);
    let outcome = match sources.load_from_environment() {
        Ok(settings) => crate::phone_command::demo_call(&settings),
        Err(error) => failed(&error),
    };
    let _ = std::fs::remove_dir_all(folder); // missing if --data named another one
    outcome
}

/// Prints the ready line and waits for the end of the gateway, by a signal or by a fault.
fn run_to_the_end(
    gateway: Gateway,
    settings: &Settings,
    sources: &Sources,
    logs: logging::LogControl,
    more: impl FnOnce(&mut dyn std::io::Write),
) -> Result<(), String> {
    handle_signals(&gateway, settings, sources, logs)
        .map_err(|error| format!("cannot listen for signals: {error}"))?;
    let mut out = std::io::stdout().lock();
    // With a closed standard output the gateway still serves calls.
    let _ = writeln!(out, "{}", gateway.addresses.ready_line());
    more(&mut out);
    let _ = out.flush();
    drop(out);
    gateway.wait()?;
    tracing::info!("ended");
    Ok(())
}

fn handle_signals(
    gateway: &Gateway,
    settings: &Settings,
    sources: &Sources,
    logs: logging::LogControl,
) -> std::io::Result<()> {
    let messages = gateway.messages.clone();
    let tls = Arc::clone(&gateway.tls);
    let mut current = settings.clone();
    let sources = sources.clone();
    signals::listen(move |asked| match asked {
        Asked::Drain => messages.send_patiently(Message::Drain),
        Asked::End => messages.send_patiently(Message::End),
        Asked::Reload => {
            if reload(&mut current, &sources, &logs, &tls) {
                let origin = Origin { node: current.config.node.id, generation: 0 };
                let settings = Box::new(ControlSettings::new(&current.config, origin, ""));
                messages.send_patiently(Message::Settings(settings));
            }
        }
    })
}

/// Reads the settings again. Settings that cannot change while calls are up take effect at the next
/// start; the log names each of them. Returns `false` for a bad file, which changes nothing.
fn reload(
    current: &mut Settings,
    sources: &Sources,
    logs: &logging::LogControl,
    tls: &TlsControl,
) -> bool {
    let settings = match sources.load_from_environment() {
        Ok(settings) => settings,
        Err(error) => {
            for line in error.to_string().lines() {
                tracing::error!("the settings stay as they are: {line}");
            }
            return false;
        }
    };
    // Certificates are files of their own: read all of them before one setting changes.
    if let Err(error) = tls.reload(&settings.config) {
        tracing::error!("the settings and certificates stay as they are: {error}");
        return false;
    }
    let changed = settings.differences(current);
    logs.set_level(settings.config.log.level);
    let (now, later): (Vec<_>, Vec<_>) =
        changed.into_iter().partition(|key| RELOADED_KEYS.contains(key));
    match (now.is_empty(), later.is_empty()) {
        (true, true) => tracing::info!("settings read again: nothing has changed"),
        _ => tracing::warn!(
            in_effect = now.join(", "),
            at_next_start = later.join(", "),
            "settings read again"
        ),
    }
    *current = settings;
    true
}

fn config(command: ConfigCommand, settings: &Settings) -> ExitCode {
    match command {
        ConfigCommand::Check => {
            for sentence in settings.config.warnings(&settings.layers) {
                println!("note: {sentence}");
            }
            println!("{}", settings.summary());
        }
        ConfigCommand::Show => print!("{}", settings.shown()),
    }
    ExitCode::SUCCESS
}

fn dns(arguments: &DnsArguments, settings: &Settings) -> ExitCode {
    let domains = match crate::stored::domains(settings) {
        Ok(domains) => domains,
        Err(sentence) => {
            eprintln!("sidetone: {sentence}");
            return ExitCode::FAILURE;
        }
    };
    let facts = ZoneFacts {
        domains,
        name_servers: arguments.ns.clone(),
        // Seconds since 1970: a later zone has a higher serial number, until 2106.
        serial: u32::try_from(Clock.unix_ms() / 1_000).unwrap_or(u32::MAX),
        here: crate::local_address::outside(),
    };
    print!("{}", zone(&settings.config, &facts));
    ExitCode::SUCCESS
}

/// Prints the roots as they are on disk: a command that made an authority would race the gateway's start.
fn ca(settings: &Settings) -> ExitCode {
    let file = settings.config.node.data_dir.join("tls/ca.pem");
    match std::fs::read_to_string(&file) {
        Ok(roots) => {
            print!("{roots}");
            ExitCode::SUCCESS
        }
        Err(error) => failed(&format!(
            "{} cannot be read: {error}. The first start with sip.tls, http.https or http.proxy makes it.",
            file.display()
        )),
    }
}

/// Settings that SIGHUP changes while calls are up.
const RELOADED_KEYS: [&str; 14] = [
    "log.level",
    "sip.tls_certificate",
    "sip.tls_key",
    "sip.tls_ca",
    "sip.legacy_tls",
    "sip.default_domain",
    "sip.acl_reject",
    "sip.caller_ids",
    "sip.reject_status",
    "media.latch",
    "media.timeout_s",
    "media.hold_timeout_s",
    "limits.profile",
    "trunk",
];
