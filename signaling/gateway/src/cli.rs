//! The command line: what can be asked of `sidetone`, in words that teach. Shell.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::settings::Sources;

/// A voice gateway you run on your own metal: SIP in and out, TwiML from your application,
/// audio on dedicated cores.
#[derive(Debug, Parser)]
#[command(name = "sidetone", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    /// Where settings come from.
    #[command(flatten)]
    pub settings: SettingsArguments,
    /// What to do; `serve` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags that every command understands.
#[derive(Clone, Debug, Default, Args)]
pub struct SettingsArguments {
    /// Settings file; without it ./sidetone.toml is read where there is one
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of store, key, credentials and recordings (setting node.data_dir)
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Any setting, for example --set http.listen=127.0.0.1:9000; may be given more than once
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub set: Vec<(String, String)>,
}

/// What `sidetone` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway (what happens without a command, too)
    Serve(ServeArguments),
    /// Run it on loopback with a ready account, SIP user and TwiML application, and print how to call it
    #[command(after_help = DEMO_HELP)]
    Demo(DemoArguments),
    /// The built-in test phone: call, register or answer against any SIP server
    #[command(disable_help_flag = true)]
    Phone {
        /// What the phone is to do; `sidetone phone --help` lists it
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Check the settings, or show what they come to
    Config {
        /// What to do with them.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print the DNS zone that these settings and the SIP domains of the data folder need
    Dns(DnsArguments),
    /// Say which rule would decide a hypothetical INVITE, REGISTER or OPTIONS, and why
    #[command(after_help = EXPLAIN_HELP)]
    Explain(ExplainArguments),
    /// Examine this host for media work (not in this version)
    Doctor(Later),
    /// Apply what doctor proposes, or roll it back (not in this version)
    Tune(Later),
    /// Copy store, key and recordings consistently (not in this version)
    Backup(Later),
    /// Put a backup back (not in this version)
    Restore(Later),
    /// A part of the gateway in a process of its own; started by the gateway only
    #[command(hide = true)]
    Worker {
        /// Which part.
        #[command(subcommand)]
        worker: Worker,
    },
}

/// `sidetone serve`.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct ServeArguments {
    /// Begin with an empty store where the folder's own is gone or damaged; its rest is put aside
    #[arg(long)]
    pub new_store: bool,
}

/// `sidetone demo`.
#[derive(Clone, Copy, Debug, Args)]
pub struct DemoArguments {
    /// Also call it with the built-in phone, print PASS or FAIL for each check, and end
    #[arg(long)]
    pub call: bool,
}

/// `sidetone dns`.
#[derive(Clone, Debug, Args)]
pub struct DnsArguments {
    /// A name server of the zone; again for each more. Without one: ns.SUFFIX, at this node's address
    #[arg(long, value_name = "NAME", value_parser = host_name)]
    pub ns: Vec<String>,
}

/// `sidetone explain`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArguments {
    /// Request-URI, for example sip:1000@desk.sip.sidetone.test; of a REGISTER the address of record
    #[arg(required_unless_present = "rules")]
    pub target: Option<String>,
    /// The address it comes from, with or without a port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = source)]
    pub from: SocketAddr,
    /// INVITE, REGISTER or OPTIONS
    #[arg(long, default_value = "INVITE", value_parser = ["INVITE", "REGISTER", "OPTIONS"], ignore_case = true)]
    pub method: String,
    /// udp, tcp or tls
    #[arg(long, default_value = "udp", value_parser = ["udp", "tcp", "tls"])]
    pub transport: String,
    /// The digest user; without it the request has no credentials, like every first one
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The user's password, to be tried; without it the right one is assumed
    #[arg(long, requires = "user", value_name = "TEXT")]
    pub password: Option<String>,
    /// Our own address that it comes to: counts where the Request-URI names an address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = source)]
    pub at: SocketAddr,
    /// List every rule that can refuse a request, with its status, code and what to do
    #[arg(long)]
    pub rules: bool,
}

/// `sidetone config`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether the settings are valid; exit code 0 or 1
    Check,
    /// Print every effective setting with its meaning and where it came from
    Show,
}

/// Worker processes.
#[derive(Clone, Debug, Subcommand)]
pub enum Worker {
    /// The voice of <Say>
    Speech {
        /// Folder of the voice files.
        voices: PathBuf,
    },
}

/// Arguments of a command that is not built yet: taken, so that the answer is about the command.
#[derive(Clone, Debug, Args)]
pub struct Later {
    /// Ignored.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub arguments: Vec<String>,
}

impl SettingsArguments {
    /// The same as layers of settings.
    pub fn sources(&self) -> Sources {
        let data = self.data.iter().map(|path| {
            ("--data".to_owned(), "node.data_dir".to_owned(), path.display().to_string())
        });
        let set = self
            .set
            .iter()
            .map(|(key, value)| (format!("--set {key}"), key.clone(), value.clone()));
        Sources {
            file: self.config.clone(),
            flags: set.chain(data).collect(),
            ..Sources::default()
        }
    }
}

fn source(text: &str) -> Result<SocketAddr, String> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let alone = bare.parse::<IpAddr>().map(|address| SocketAddr::new(address, 5060));
    alone.or_else(|_| text.parse()).map_err(|_| "expected an address, like 203.0.113.9".to_owned())
}

/// A name server: lower case, no dot at the end.
fn host_name(text: &str) -> Result<String, String> {
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    let is_fit = name.len() <= 253 && name.split('.').all(shared::config::is_label);
    is_fit.then_some(name).ok_or_else(|| "expected a host name, like ns1.example.net".to_owned())
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) =
        text.split_once('=').ok_or("expected KEY=VALUE, like http.listen=127.0.0.1:9000")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// The sentence for a word that is not built yet.
pub fn not_in_this_version(word: &str) -> String {
    let instead = match word {
        "doctor" | "tune" => "What the gateway misses on this host it says when it starts.",
        _ => "Stop the gateway and copy its data folder as a whole.",
    };
    format!("`sidetone {word}` is not in this version. {instead}")
}

const AFTER_HELP: &str = "\
Settings come from sidetone.toml, then SIDETONE_SECTION__KEY variables (SIDETONE_HTTP__LISTEN),
then flags; the later wins. `sidetone config show` lists all of them with their meaning.

First steps:
  sidetone demo          a gateway, an account, a SIP user and an application to call, on loopback
  sidetone demo --call   the same, called by the built-in phone: PASS or FAIL for each check
  sidetone serve         the gateway; its account is in <data folder>/credentials

SIDETONE_ACCOUNT_SID and SIDETONE_AUTH_TOKEN name the account that the first start makes.";

const EXPLAIN_HELP: &str = "\
The rules are the gateway's own, applied to what its data folder holds now; the gateway may be running.
What only a running gateway knows (load, drain, sources that ask too much) is taken as quiet.

  sidetone explain sip:1000@desk.sip.sidetone.test --from 203.0.113.9
  sidetone explain sip:1000@desk.sip.sidetone.test --from 203.0.113.9 --user alice
  sidetone explain sip:1000@desk.sip.sidetone.test --transport tls --user alice --password TEXT
  sidetone explain sip:alice@desk.sip.sidetone.test --method REGISTER --user alice
  sidetone explain --rules

Exit code 0: served or challenged; 3: refused; 1: the question could not be answered.";

const DEMO_HELP: &str = "\
The demo keeps its own data folder (./sidetone-demo-data unless --data says otherwise) and reads
sidetone.toml only when --config names it.";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_are_understood_before_and_after_the_command() {
        let before = Cli::parse_from(["sidetone", "--data", "x", "serve"]);
        let after = Cli::parse_from(["sidetone", "serve", "--data", "x", "--set", "node.id=3"]);
        assert_eq!(before.settings.data, after.settings.data);
        let sources = after.settings.sources();
        assert_eq!(sources.flags[0].1, "node.id");
        assert_eq!(sources.flags[1].2, "x");
    }

    #[test]
    fn words_of_later_versions_are_taken_with_any_arguments() {
        let cli = Cli::parse_from(["sidetone", "doctor", "--deep", "x"]);
        assert!(matches!(cli.command, Some(Command::Doctor(_))));
        assert!(not_in_this_version("doctor").contains("not in this version"));
    }

    #[test]
    fn nothing_said_means_serve_and_help_names_the_first_steps() {
        assert!(Cli::parse_from(["sidetone"]).command.is_none());
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("sidetone demo --call"), "{help}");
        assert!(!help.contains("worker"), "{help}");
    }
}
