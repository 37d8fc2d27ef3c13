//! Settings: each is declared once, in the file of its section, and everything else is derived from that.
//! No files read here.
//!
//! A declaration gives the key, the type, the default (as TOML text) and the sentence that `config show`
//! prints ([`section`]). [`layers`] holds the values that were given: defaults, then the file, then
//! `SIDETONE_SECTION__KEY` variables, then flags; the later wins. [`Config::from_layers`] makes typed
//! values of them, or names every problem at once.

mod checks;
mod cidr;
mod domain;
mod edge;
mod functions;
mod hosted;
mod http;
pub mod layers;
mod limits;
mod log;
mod media;
mod nearest;
mod node;
mod recognition;
mod recordings;
mod retention;
mod section;
mod sip;
mod siprec;
mod speech;
mod streams;
mod trunk;
pub mod value;
mod voice;
mod webhook;

use std::collections::BTreeMap;

pub use cidr::Cidr;
pub use domain::Domain;
pub use edge::{Edge, EdgeTls};
pub use functions::{Functions, FunctionsEngine};
pub use hosted::Hosted;
pub use http::Http;
pub use layers::{Layers, Origin, Problem};
pub use limits::{Limits, LimitsProfile};
pub use log::{Log, LogFormat, LogLevel};
pub use media::{Backend, Cores, FastPath, Media, PortRange, SrtpUse};
pub use node::{Node, is_label};
pub use recognition::{EngineDialect, EngineKind, Recognition, RecognitionEngine};
pub use recordings::Recordings;
pub use retention::Retention;
pub use section::Setting;
pub use sip::{AclReject, CallerIds, RejectStatus, Sip};
pub use siprec::Siprec;
pub use speech::{Speech, SpeechEngine, SpeechForm};
pub use streams::Streams;
pub use trunk::Trunk;
pub use value::{ByteSize, PublicAddress};
pub use voice::{Gender, Voice};
pub use webhook::Webhook;

use checks::Checks;
use section::Section;

/// Lists the sections that stand once, in the order of the reference page.
macro_rules! config {
    ($( $section:ident: $Section:ident, )+) => {
        const FIXED: &[&[Setting]] = &[ $( $Section::SETTINGS, )+ ];

        /// The effective settings: every key has a value and every value made sense.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config {
            $( #[doc = concat!("`[", stringify!($section), "]`.")] pub $section: $Section, )+
            /// `[edges.NAME]`, by name.
            pub edges: BTreeMap<String, Edge>,
            /// `[domains.NAME]`, by name in lower case.
            pub domains: BTreeMap<String, Domain>,
            /// `[siprec.NAME]`, by name.
            pub siprec: BTreeMap<String, Siprec>,
            /// `[[trunk]]`, in the order of the file.
            pub trunks: Vec<Trunk>,
            /// `[[voice]]`, in the order of the file.
            pub voices: Vec<Voice>,
            /// `[[recognition.engine]]`, in the order of the file.
            pub engines: Vec<RecognitionEngine>,
        }

        impl Config {
            /// Makes sense of layered values.
            ///
            /// # Errors
            /// Every problem that was found, none hidden behind another.
            pub fn from_layers(layers: &Layers) -> Result<Self, Vec<Problem>> {
                let mut problems = layers.unknown_keys();
                problems.extend(layers.doubled().cloned());
                $( let $section = $Section::read(layers, stringify!($section), &mut problems); )+
                let edges = Edge::read_all(layers, &mut problems);
                let domains = Domain::read_all(layers, &mut problems);
                let siprec = Siprec::read_all(layers, &mut problems);
                let trunks = Trunk::read_all(layers, &mut problems);
                let voices = Voice::read_all(layers, &mut problems);
                let engines = RecognitionEngine::read_all(layers, &mut problems);
                let named = (edges, domains, siprec, trunks, voices, engines);
                let config = (|| {
                    let (edges, domains, siprec, trunks, voices, engines) = named;
                    Some(Self {
                        $( $section: $section?, )+ edges, domains, siprec, trunks, voices, engines
                    })
                })();
                match config {
                    Some(config) if problems.is_empty() => config.checked(layers),
                    _ => Err(problems),
                }
            }
        }
    };
}

config! {
    node: Node,
    sip: Sip,
    media: Media,
    http: Http,
    webhook: Webhook,
    functions: Functions,
    hosted: Hosted,
    speech: Speech,
    recordings: Recordings,
    streams: Streams,
    recognition: Recognition,
    retention: Retention,
    limits: Limits,
    log: Log,
}

const NAMED: &[&[Setting]] = &[
    Edge::SETTINGS,
    Domain::SETTINGS,
    Siprec::SETTINGS,
    Trunk::SETTINGS,
    Voice::SETTINGS,
    RecognitionEngine::SETTINGS,
];

impl Config {
    /// The rules that no single value can hold.
    fn checked(self, layers: &Layers) -> Result<Self, Vec<Problem>> {
        let mut checks = Checks::new(layers);
        self.node.check(&mut checks);
        self.sip.check(&mut checks);
        self.media.check(&mut checks);
        self.speech.check(&mut checks);
        self.hosted.check(&mut checks);
        self.streams.check(&mut checks);
        self.recognition.check(&mut checks);
        self.limits.check(&mut checks);
        Edge::check_all(&self.edges, &self.node.edge, &mut checks);
        Siprec::check_all(&self.siprec, &mut checks);
        Trunk::check_all(&self.trunks, &mut checks);
        Voice::check_all(&self.voices, &self.speech.engine, &mut checks);
        RecognitionEngine::check_all(&self.engines, &mut checks);
        let problems = checks.into_problems();
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }

    /// Warnings about valid settings, as sentences for the log: keys under a former name.
    pub fn warnings(&self, layers: &Layers) -> Vec<String> {
        layers.renamed().map(ToString::to_string).collect()
    }
}

/// Every setting with a fixed key, in the order of the reference page.
pub fn fixed_settings() -> impl Iterator<Item = &'static Setting> {
    FIXED.iter().copied().flatten()
}

/// Settings below a name or a number: `edges.NAME.key`, `trunk.NUMBER.key`.
pub fn named_settings() -> impl Iterator<Item = &'static Setting> {
    NAMED.iter().copied().flatten()
}

/// The declaration that covers a key, with `*` standing for one name.
pub fn setting(key: &str) -> Option<&'static Setting> {
    declared().find(|setting| matches_pattern(setting.key, key))
}

/// The key that a former name of it (`sip.streams_max`) stands for now; `None` for any other key.
fn current_key(key: &str) -> Option<String> {
    let was = |setting: &&Setting| setting.former.iter().any(|was| matches_pattern(was, key));
    declared().find(was).map(|setting| nearest::with_names(setting.key, key))
}

fn declared() -> impl Iterator<Item = &'static Setting> {
    fixed_settings().chain(named_settings())
}

fn matches_pattern(pattern: &str, key: &str) -> bool {
    let mut parts = key.split('.');
    pattern
        .split('.')
        .all(|wanted| parts.next().is_some_and(|part| wanted == "*" || wanted == part))
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extensions::Extensions;
    use crate::leg::LatchMode;

    fn file(text: &str) -> Layers {
        let mut layers = Layers::default();
        layers.add_file("test.toml", text).expect("valid TOML");
        layers
    }

    #[test]
    fn a_domain_has_the_latch_of_its_own_table_or_none() {
        let text = "[domains.Desk]\nlatch = \"any\"\n[domains.other]\nextensions = [\"all\"]\n";
        let config = Config::from_layers(&file(text)).expect("valid");
        assert_eq!(config.domains["desk"].latch, Some(LatchMode::Any));
        assert_eq!(config.domains["other"].latch, None);
        let wrong = Config::from_layers(&file("[domains.desk]\nlatch = \"all\"\n"));
        assert!(wrong.is_err());
    }

    #[test]
    fn a_domain_has_the_extensions_of_its_own_table_or_leaves_them_to_sip() {
        let mut layers = file(
            "[sip]\nextensions = [\"timer\"]\n[domains.a]\nlatch = \"any\"\n\
             [domains.b]\nextensions = [\"info\"]\n[domains.c]\nextensions = []\n",
        );
        layers.add_variable("SIDETONE_DOMAINS__D__EXTENSIONS", "[]").expect("a setting");
        layers.add_variable("SIDETONE_DOMAINS__E__EXTENSIONS", "").expect("a setting");
        let config = Config::from_layers(&layers).expect("valid");
        let info = Extensions { info: true, ..Extensions::LEAST };
        let own = [("b", info), ("c", Extensions::LEAST), ("d", Extensions::LEAST)];
        let own = own.map(|(name, extensions)| (name.to_owned(), extensions));
        assert_eq!(config.domain_extensions(), BTreeMap::from(own));
        assert!(Config::from_layers(&file("[domains.a]\nextensions = \"prack\"\n")).is_err());
    }

    #[test]
    fn the_defaults_alone_make_a_configuration() {
        let config = Config::from_layers(&Layers::default()).expect("defaults are valid");
        assert_eq!(config.node.domain_suffix, "sidetone.test");
        assert_eq!(config.media.ports, PortRange { first: 10_000, last: 19_999 });
        assert_eq!(config.webhook.allow_private.len(), 5);
        assert_eq!(config.retention.bytes.0, 10 << 30);
        assert!(config.warnings(&Layers::default()).is_empty());
    }

    #[test]
    fn the_defaults_are_the_limits() {
        let config = Config::from_layers(&Layers::default()).expect("defaults are valid");
        let (media, sip) = (&config.media, &config.sip);
        assert_eq!(media.timeout_s, crate::limits::MEDIA_TIMEOUT_S);
        assert_eq!(media.hold_timeout_s, crate::limits::MEDIA_TIMEOUT_HOLD_S);
        let connections =
            [sip.connections_max, sip.connections_source_max].map(|most| most as usize);
        assert_eq!(
            connections,
            [crate::limits::CONNECTIONS_MAX, crate::limits::CONNECTIONS_SOURCE_MAX]
        );
        assert_eq!(config.limits.audio.0, crate::limits::AUDIO_BYTES);
    }

    #[test]
    fn the_file_of_the_design_page_is_accepted() {
        let layers = file(
            r#"
[node]
id = 0
data_dir = "sidetone-data"
domain_suffix = "sidetone.test"
edge = "ashburn"
public_address = "auto"
[edges.frankfurt]
public_address = "192.0.2.10"
[sip]
udp = ["0.0.0.0:5060", "[::]:5060"]
tcp = ["0.0.0.0:5060"]
tls = ["0.0.0.0:5061"]
legacy_tls = false
allow_private_targets = true
default_domain = ""
[[trunk]]
name = "carrier"
targets = ["sip:192.0.2.20"]
[media]
cores = "auto"
backend = "auto"
addresses = ["0.0.0.0"]
ports = "10000-19999"
latch = "peer"
[http]
listen = ["127.0.0.1:8080"]
https = []
proxy = []
[webhook]
allow_private = ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
[speech]
engine = "pico"
[[voice]]
names = ["Polly.Amy*", "woman"]
voice = "en-GB"
[recordings]
[retention]
"#,
        );
        let config = Config::from_layers(&layers).expect("the design's own file");
        assert_eq!(config.trunks[0].targets, ["sip:192.0.2.20"]);
        assert!(matches!(config.edges["frankfurt"].public_address, PublicAddress::Fixed(_)));
        assert_eq!(config.speech.engine, [SpeechEngine::Pico]);
        assert_eq!((config.voices.len(), config.voices[0].gender), (1, Gender::Any));
        assert_eq!(config.warnings(&layers), Vec::<String>::new());
    }

    #[test]
    fn every_problem_is_listed_at_once_with_its_line() {
        let problems = Config::from_layers(&file("[sip]\nupd = []\n[node]\nid = 70000\n"))
            .expect_err("two mistakes");
        let text: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert!(text[0].contains("test.toml:2"), "{text:?}");
        assert!(text[0].contains("did you mean `sip.udp`"), "{text:?}");
        assert!(text[1].contains("test.toml:4") && text[1].contains("node.id"), "{text:?}");
    }

    #[test]
    fn an_unknown_edge_is_an_error_wherever_it_is_written() {
        let problem = |settings| {
            let problems = Config::from_layers(&file(settings)).expect_err("a mistake");
            problems.iter().map(Problem::to_string).collect::<String>()
        };
        let text = problem("[node]\nedge = \"mars\"\n");
        assert!(text.contains("test.toml:2") && text.contains("node.edge"), "{text}");
        assert!(text.contains("ashburn"), "{text}");
        let text = problem("[sip]\nedge = \"mars\"\n");
        assert!(text.contains("`sip.edge` is not a setting"), "{text}");
        assert!(text.contains("did you mean `node.edge`"), "{text}");
        assert!(problem("[edges.\"a b\"]\nlisten = []\n").contains("lower-case letters"));
        let own = "[node]\nedge = \"plant7\"\n[edges.plant7]\nlisten = []\n";
        assert_eq!(Config::from_layers(&file(own)).expect("declared").node.edge, "plant7");
    }

    #[test]
    fn relations_between_settings_are_checked() {
        let problems = Config::from_layers(&file("[sip]\nudp = []\ntcp = []\ntls = []\n"))
            .expect_err("no listener");
        assert!(problems[0].to_string().contains("at least one SIP listener"));
        let problems =
            Config::from_layers(&file("[[trunk]]\ntargets = []\n")).expect_err("no name");
        assert!(problems[0].to_string().contains("trunk.0.name"), "{problems:?}");
        let problems = Config::from_layers(&file("[limits]\naudio = \"64 MiB\"\n"))
            .expect_err("too little for one file");
        assert!(problems[0].to_string().contains("128 MiB"), "{problems:?}");
        let problems = Config::from_layers(&file("[speech]\nengine = [\"http\", \"command\"]\n"))
            .expect_err("neither a program nor a URL");
        let keys: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(
            keys[0].contains("speech.command") && keys[1].contains("speech.http_url"),
            "{keys:?}"
        );
        let problems = Config::from_layers(&file("[[voice]]\nengine = \"command\"\n"))
            .expect_err("an engine that does not speak");
        assert!(problems[0].to_string().contains("speech.engine"), "{problems:?}");
    }

    #[test]
    fn a_setting_is_accepted_under_its_former_name_with_a_warning() {
        let layers = file("[sip]\nstreams_max = 7\n");
        let config = Config::from_layers(&layers).expect("valid");
        assert_eq!(config.sip.connections_max, 7);
        assert_eq!(layers.shown("sip.connections_max"), "7");
        assert_eq!(
            config.warnings(&layers),
            ["test.toml:2: `sip.streams_max` is now named `sip.connections_max`: rename it"]
        );
    }

    #[test]
    fn a_variable_and_a_flag_are_accepted_under_their_former_names_with_a_warning() {
        let mut layers = file("[sip]\nconnections_source_max = 5\n");
        layers.add_variable("SIDETONE_SIP__STREAMS_SOURCE_MAX", "6").expect("a setting");
        layers.add_flag("--set", "sip.streams_max", "8");
        let config = Config::from_layers(&layers).expect("valid");
        // The later layer wins, whatever name it uses.
        assert_eq!((config.sip.connections_source_max, config.sip.connections_max), (6, 8));
        let warnings = config.warnings(&layers);
        let expected = "SIDETONE_SIP__STREAMS_SOURCE_MAX: `sip.streams_source_max` is now named \
                        `sip.connections_source_max`";
        assert!(warnings[0].starts_with(expected), "{warnings:?}");
        assert!(warnings[1].starts_with("--set: `sip.streams_max`"), "{warnings:?}");
    }

    #[test]
    fn a_file_that_has_both_names_of_a_setting_is_refused() {
        for text in
            ["connections_max = 1\nstreams_max = 2\n", "streams_max = 2\nconnections_max = 1\n"]
        {
            let problems = Config::from_layers(&file(&format!("[sip]\n{text}")))
                .expect_err("which of the two?");
            let text = problems[0].to_string();
            assert!(text.contains("`sip.streams_max` is the former name"), "{text}");
        }
    }

    #[test]
    fn a_wrong_value_is_reported_under_the_name_that_was_written() {
        let problems = Config::from_layers(&file("[sip]\nstreams_max = \"many\"\n"))
            .expect_err("not a number");
        assert!(problems[0].to_string().contains("`sip.streams_max` = \"many\""), "{problems:?}");
    }

    #[test]
    fn every_default_is_a_value_and_no_key_is_declared_twice() {
        let mut keys = std::collections::BTreeSet::new();
        for setting in declared() {
            assert!(keys.insert(setting.key), "{} is declared twice", setting.key);
            assert!(setting.former.iter().all(|was| keys.insert(was)), "{}", setting.key);
            assert!(setting.doc.starts_with(' ') && setting.doc.ends_with('.'), "{}", setting.key);
        }
        let text = "[edges.a]\nlisten = []\n[domains.a]\nlatch = \"\"\n[[trunk]]\nname = \"a\"\n";
        Config::from_layers(&file(text)).expect("the defaults of named sections are values, too");
    }
}
