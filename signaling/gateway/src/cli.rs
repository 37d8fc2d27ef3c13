//! The command line of `sidetone` with its help. Shell.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::settings::Sources;

/// A voice gateway you run on your own metal: SIP in and out, TwiML from your application,
/// audio on dedicated cores.
#[derive(Debug, Parser)]
#[command(name = "sidetone", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    /// Flags that set settings.
    #[command(flatten)]
    pub settings: SettingsArguments,
    /// The command; `serve` without one.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags of every command.
#[derive(Clone, Debug, Default, Args)]
pub struct SettingsArguments {
    /// Settings file; without it ./sidetone.toml is read if it exists
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of store, key, credentials and recordings (setting node.data_dir)
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Any setting, for example --set http.listen=127.0.0.1:9000; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub set: Vec<(String, String)>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway (the default)
    Serve(ServeArguments),
    /// Run the gateway on loopback with an account, a SIP user and a TwiML application, and print how to
    /// call it
    #[command(after_help = DEMO_HELP)]
    Demo(DemoArguments),
    /// The built-in test phone: call, register or answer against any SIP server
    #[command(disable_help_flag = true)]
    Phone {
        /// The command of the phone; `sidetone phone --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Check the settings, or show their effective values
    Config {
        /// `check` or `show`.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print the DNS zone that these settings and the SIP domains of the data folder need
    Dns(DnsArguments),
    /// Print the certificates of this gateway's own authority, which clients over TLS must trust (PEM)
    #[command(after_help = CA_HELP)]
    Ca,
    /// Show which rule would decide a hypothetical INVITE, REGISTER or OPTIONS, and why
    #[command(after_help = EXPLAIN_HELP)]
    Explain(ExplainArguments),
    /// List the legs of a running gateway: tier, packets, and why a leg is not relayed by the kernel
    #[command(after_help = MEDIA_HELP)]
    Media(MediaArguments),
    /// Add a caller id that calls to telephone numbers may show, to a running gateway
    #[command(name = "caller-id", after_help = CALLER_ID_HELP)]
    CallerId(CallerIdArguments),
    /// Start each recognition engine and show which languages it takes
    #[command(after_help = DOCTOR_HELP)]
    Doctor,
    /// Tune this host for media work (not in this version)
    Tune(Later),
    /// Copy store, key and recordings consistently (not in this version)
    Backup(Later),
    /// Put a backup back (not in this version)
    Restore(Later),
    /// A part of the gateway in a process of its own. Only the gateway starts it
    #[command(hide = true)]
    Worker {
        /// The part to run.
        #[command(subcommand)]
        worker: Worker,
    },
}

/// `sidetone serve`.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct ServeArguments {
    /// Begin with an empty store if the store of the folder is missing or damaged; its remains are
    /// renamed
    #[arg(long)]
    pub new_store: bool,
}

/// `sidetone demo`.
#[derive(Clone, Copy, Debug, Args)]
pub struct DemoArguments {
    /// Also call it with the built-in phone, print PASS or FAIL for each check, and exit
    #[arg(long)]
    pub call: bool,
}

/// `sidetone dns`.
#[derive(Clone, Debug, Args)]
pub struct DnsArguments {
    /// A name server of the zone; may be repeated. Without one: ns.SUFFIX, at this node's address
    #[arg(long, value_name = "NAME", value_parser = host_name)]
    pub ns: Vec<String>,
}

/// `sidetone explain`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArguments {
    /// Request-URI, for example sip:1000@desk.sip.sidetone.test; for REGISTER the address of record
    #[arg(required_unless_present = "rules")]
    pub target: Option<String>,
    /// Source address of the request, with or without a port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = source)]
    pub from: SocketAddr,
    /// INVITE, REGISTER or OPTIONS
    #[arg(long, default_value = "INVITE", value_parser = ["INVITE", "REGISTER", "OPTIONS"], ignore_case = true)]
    pub method: String,
    /// udp, tcp or tls
    #[arg(long, default_value = "udp", value_parser = ["udp", "tcp", "tls"])]
    pub transport: String,
    /// The digest user; without it the request has no credentials, like every first request
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The password to check; without it the correct one is assumed
    #[arg(long, requires = "user", value_name = "TEXT")]
    pub password: Option<String>,
    /// Address of the gateway that receives the request; matters if the Request-URI names an address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = source)]
    pub at: SocketAddr,
    /// List every rule that can refuse a request, with its status, its code and the remedy
    #[arg(long)]
    pub rules: bool,
}

/// `sidetone media`.
#[derive(Clone, Copy, Debug, Args)]
pub struct MediaArguments {
    /// Print the answer of the gateway as JSON
    #[arg(long)]
    pub json: bool,
}

/// `sidetone caller-id`.
#[derive(Clone, Debug, Args)]
pub struct CallerIdArguments {
    /// The number in E.164, for example +15005550006
    pub number: String,
    /// A name for people; without it the number
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// The account that may show it; without it the main account
    #[arg(long, value_name = "SID")]
    pub account: Option<shared::AccountSid>,
}

/// `sidetone config`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check whether the settings are valid; exit code 0 or 1
    Check,
    /// Print every setting with its value, its meaning and the source of the value
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
    /// The functions of one environment
    Functions,
    /// The functions of one environment, in Node
    Node {
        /// Node's binary.
        node: PathBuf,
        /// The library of functions.
        library: PathBuf,
        /// What is deployed.
        app: PathBuf,
    },
}

/// Arguments of a command that is not built yet. Any are accepted, so that the answer is about the
/// command.
#[derive(Clone, Debug, Args)]
pub struct Later {
    /// Accepted and ignored.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub arguments: Vec<String>,
}

impl SettingsArguments {
    /// The flags as layers of settings.
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

/// Parses a name server to lower case, without a dot at the end.
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

/// The sentence for a command that is not built yet.
pub fn not_in_this_version(word: &str) -> String {
    let instead = match word {
        "tune" => "At start the gateway names what it misses on this host.",
        _ => "Stop the gateway and copy its data folder as a whole.",
    };
    format!("`sidetone {word}` is not in this version. {instead}")
}

const DOCTOR_HELP: &str = "\
Each engine of [[recognition.engine]] is started as the gateway would start it, and ended at its
first line. Exit code 1 where one of them does not work, or where there is none.";

const AFTER_HELP: &str = "\
Settings come from sidetone.toml, then SIDETONE_SECTION__KEY variables (SIDETONE_HTTP__LISTEN),
then flags; a later one wins. `sidetone config show` lists all of them with their meaning.

First steps:
  sidetone demo          a gateway, an account, a SIP user and an application to call, on loopback
  sidetone demo --call   the demo, called by the built-in phone: PASS or FAIL for each check
  sidetone serve         the gateway; its account is in <data folder>/credentials

SIDETONE_ACCOUNT_SID and SIDETONE_AUTH_TOKEN name the account that the first start makes.";

const CA_HELP: &str = "\
The first start with sip.tls, http.https or http.proxy makes the authority. Official SDKs and tools trust it by
variables, and reach the gateway by their proxy variables (http.proxy = [\"127.0.0.1:3128\"]):
  sidetone ca > ca.pem
  export HTTPS_PROXY=http://127.0.0.1:3128 HTTP_PROXY=http://127.0.0.1:3128
  export REQUESTS_CA_BUNDLE=$PWD/ca.pem NODE_EXTRA_CA_CERTS=$PWD/ca.pem SSL_CERT_FILE=$PWD/ca.pem
  twilio api:core:calls:list";

const EXPLAIN_HELP: &str = "\
Applies the rules of the gateway to the store of its data folder. The gateway may be running. State that only
a running gateway has (load, drain, sources past their rate) is taken as quiet.

  sidetone explain sip:1000@desk.sip.sidetone.test --from 203.0.113.9
  sidetone explain sip:1000@desk.sip.sidetone.test --from 203.0.113.9 --user alice
  sidetone explain sip:1000@desk.sip.sidetone.test --transport tls --user alice --password TEXT
  sidetone explain sip:alice@desk.sip.sidetone.test --method REGISTER --user alice
  sidetone explain --rules

Exit code 0: served or challenged; 3: refused; 1: the question could not be answered.";

const MEDIA_HELP: &str = "\
Asks the gateway at http.listen, with the auth token from its data folder. Each direction of a bridged call has a
line: tier and reason are about the packets that the leg receives. Counts of packets are kernel/all.

  sidetone media
  sidetone media --json
  sidetone media --data DIR --set http.listen=127.0.0.1:8080

The gateway lists at most 1,000 legs, and says how many it leaves out.

Exit code 0: listed; 1: no answer.";

const CALLER_ID_HELP: &str = "\
Asks the gateway at http.listen, with the auth token from its data folder. An account may show numbers that it owns
(IncomingPhoneNumbers) and those added here; the setting sip.caller_ids says whether it may show others.

  sidetone caller-id +15005550006
  sidetone caller-id +15005550006 --name \"front desk\" --account AC0123456789abcdef0123456789abcdef

Exit code 0: added; 1: not added, with the reason.";

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
    fn flags_may_stand_before_and_after_the_command() {
        let before = Cli::parse_from(["sidetone", "--data", "x", "serve"]);
        let after = Cli::parse_from(["sidetone", "serve", "--data", "x", "--set", "node.id=3"]);
        assert_eq!(before.settings.data, after.settings.data);
        let sources = after.settings.sources();
        assert_eq!(sources.flags[0].1, "node.id");
        assert_eq!(sources.flags[1].2, "x");
    }

    #[test]
    fn commands_of_later_versions_accept_any_arguments() {
        let cli = Cli::parse_from(["sidetone", "tune", "--deep", "x"]);
        assert!(matches!(cli.command, Some(Command::Tune(_))));
        assert!(not_in_this_version("tune").contains("not in this version"));
    }

    #[test]
    fn no_command_means_serve_and_help_names_the_first_steps() {
        assert!(Cli::parse_from(["sidetone"]).command.is_none());
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("sidetone demo --call"), "{help}");
        assert!(!help.contains("worker"), "{help}");
    }
}
