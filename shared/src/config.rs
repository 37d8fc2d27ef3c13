//! Settings: each is declared once, below, and everything else is derived from that. No files read here.
//!
//! A declaration gives the key, the type, the default (as TOML text) and the words that
//! `config show` and the reference page print. Where the values come from is [`layers`]' matter:
//! defaults, then the file, then `SIDETONE_SECTION__KEY` variables, then flags; the later wins.
#![allow(missing_docs)] // The macro writes the docs of sections and keys; it does so for all of them.

mod edge;
pub mod layers;
pub mod value;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

pub use edge::{Edge, EdgeTls};
pub use layers::{Layers, Origin, Problem};
pub use value::{
    AclReject, Backend, ByteSize, Cidr, Cores, LimitsProfile, LogFormat, LogLevel, PortRange,
    PublicAddress, RejectStatus, SpeechEngine, SrtpUse,
};

use crate::extensions::Extensions;
use crate::leg::LatchMode;
use value::SettingValue;

/// One setting as declared: what `config show` and the nearest-key search work on.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Section and key with a dot between; `*` stands for a name or a number.
    pub key: &'static str,
    /// The default as TOML text.
    pub default: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// What a value looks like.
    pub shape: &'static str,
}

macro_rules! settings {
    ($(
        $(#[doc = $section_doc:literal])+
        $section:ident: $Section:ident {
            $( $(#[doc = $doc:literal])+ $key:ident: $Type:ty = $default:literal, )+
        }
    )+) => {
        $(
            $(#[doc = $section_doc])+
            #[derive(Clone, Debug, PartialEq)]
            pub struct $Section { $( $(#[doc = $doc])+ pub $key: $Type, )+ }

            impl $Section {
                fn read(layers: &Layers, problems: &mut Vec<Problem>) -> Option<Self> {
                    // Every key is read before any is asked for, so that one run names all mistakes.
                    $( let $key = layers.read(concat!(stringify!($section), ".", stringify!($key)), problems); )+
                    Some(Self { $( $key: $key?, )+ })
                }
            }
        )+

        /// Every setting with a fixed key, in the order of the reference page.
        pub const SETTINGS: &[Setting] = &[ $( $( Setting {
            key: concat!(stringify!($section), ".", stringify!($key)),
            default: $default,
            doc: concat!($($doc),+),
            shape: <$Type as SettingValue>::SHAPE,
        }, )+ )+ ];

        /// The effective settings: every key has a value and every value made sense.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config {
            $( $(#[doc = $section_doc])+ pub $section: $Section, )+
            /// `[edges.NAME]`, by name.
            pub edges: BTreeMap<String, Edge>,
            /// Extensions of `[domains.NAME]`, by name.
            pub domain_extensions: BTreeMap<String, Extensions>,
            /// Latch of `[domains.NAME]`, by name, of those that have their own.
            pub domain_latches: BTreeMap<String, LatchMode>,
            /// `[[trunk]]`, in the order of the file.
            pub trunks: Vec<Trunk>,
        }

        impl Config {
            /// Makes sense of layered values; on error every problem that was found, none hidden
            /// behind another.
            pub fn from_layers(layers: &Layers) -> Result<Self, Vec<Problem>> {
                let mut problems = layers.unknown_keys();
                $( let $section = $Section::read(layers, &mut problems); )+
                let edges = Edge::read_all(layers, &mut problems);
                let domain_extensions = domain_extensions(layers, &mut problems);
                let domain_latches = domain_latches(layers, &mut problems);
                let trunks = Trunk::read_all(layers, &mut problems);
                let config = (|| {
                    Some(Self {
                        $( $section: $section?, )+
                        edges,
                        domain_extensions,
                        domain_latches,
                        trunks,
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

settings! {
    /// This node and where it keeps things.
    node: Node {
        /// Number of this node, in every id that peers send back.
        id: u16 = "0",
        /// Folder of the store, the key, the credentials and the recordings.
        data_dir: PathBuf = "\"sidetone-data\"",
        /// SIP domains are NAME.sip.SUFFIX, and with an edge NAME.sip.EDGE.SUFFIX.
        domain_suffix: String = "\"sidetone.test\"",
        /// The edge this node is when a host names none.
        edge: String = "\"ashburn\"",
        /// Address shown in SDP and Contact; auto = the kernel's local address towards that peer.
        public_address: PublicAddress = "\"auto\"",
        /// Name servers to ask, with their port; empty = those of the system.
        dns: Vec<SocketAddr> = "[]",
        /// Longest time that live calls are waited for after SIGTERM, in seconds.
        drain_limit_s: u32 = "3600",
    }

    /// SIP listeners and how strangers are treated.
    sip: Sip {
        /// UDP listeners; port 0 takes a free one.
        udp: Vec<SocketAddr> = "[\"0.0.0.0:5060\"]",
        /// TCP listeners.
        tcp: Vec<SocketAddr> = "[\"0.0.0.0:5060\"]",
        /// TLS listeners.
        tls: Vec<SocketAddr> = "[\"0.0.0.0:5061\"]",
        /// Certificate chain for TLS, PEM, leaf first; empty = an own authority. Read again at SIGHUP.
        tls_certificate: PathBuf = "\"\"",
        /// Private key of that certificate, PEM. Read again at SIGHUP.
        tls_key: PathBuf = "\"\"",
        /// Authorities that peers' certificates may come from, besides the system's; PEM. Read again at SIGHUP.
        tls_ca: PathBuf = "\"\"",
        /// The eight older cipher suites on the same port; needs a build with the legacy-tls feature.
        legacy_tls: bool = "false",
        /// Whether <Sip> and REST targets may lie on private and loopback addresses.
        allow_private_targets: bool = "true",
        /// Domain that serves Request-URIs naming our own address, never over TLS; set by demo.
        default_domain: String = "\"\"",
        /// What a source outside the mapped IP lists, or an unknown domain, hears: drop (silence) or 403.
        acl_reject: AclReject = "\"drop\"",
        /// Whether challenges offer SHA-256 before MD5 (RFC 8760); old phones may not take two.
        digest_sha256: bool = "false",
        /// Seconds in which whoever is called must say something, 100 at least; past it the next target, or the call fails. 1 to 32.
        silence_s: u32 = "4",
        /// Status of <Reject> and reason="rejected": 404 or 603.
        reject_status: RejectStatus = "404",
        /// Extensions of all domains: 100rel, update, timer, info, late-offer, or all. [domains.NAME] goes before.
        extensions: Extensions = "[]",
        /// Streams (TCP connections) in all; past it a new one is accepted and closed.
        streams_max: u32 = "20000",
        /// Streams of one source address that nothing vouches for.
        streams_source_max: u32 = "100",
        /// Registered contacts at once, of all users; each may take 1 KiB.
        bindings_max: u32 = "100000",
    }

    /// Media cores, their addresses and ports.
    media: Media {
        /// CPUs that media threads are pinned to, or auto.
        cores: Cores = "\"auto\"",
        /// io_uring, portable, or auto: io_uring where the kernel allows it.
        backend: Backend = "\"auto\"",
        /// Local addresses that media ports are opened on; more addresses, more ports.
        addresses: Vec<IpAddr> = "[\"0.0.0.0\"]",
        /// UDP ports, shared out among the cores; must not overlap the kernel's ephemeral range.
        ports: PortRange = "\"10000-19999\"",
        /// Sources a leg takes media from until it is locked: sdp, peer or any.
        latch: LatchMode = "\"peer\"",
        /// Differentiated services code point of RTP and RTCP, 0 to 63; 46 is expedited forwarding (RFC 3246).
        dscp: u32 = "46",
        /// Whether digits are looked for in the audio of parties that negotiated no telephone events.
        inband_digits: bool = "true",
        /// SRTP: secure = demanded by Secure domains and secure=true, refused elsewhere; offered = also taken from any caller that offers it.
        srtp: SrtpUse = "\"secure\"",
        /// A call without media for so many seconds is ended; 0 = never.
        timeout_s: u32 = "60",
        /// The same while the call is on hold.
        hold_timeout_s: u32 = "3600",
    }

    /// REST API, /healthz, /readyz and /metrics.
    http: Http {
        /// Plain HTTP listeners; port 0 takes a free one.
        listen: Vec<SocketAddr> = "[\"127.0.0.1:8080\"]",
        /// The same over TLS, with the certificate of `sip`.
        https: Vec<SocketAddr> = "[]",
    }

    /// Requests to applications.
    webhook: Webhook {
        /// Private ranges that applications may live in; link-local, multicast and our own listeners never.
        allow_private: Vec<Cidr> = "[\"127.0.0.0/8\", \"::1/128\", \"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\"]",
        /// The User-Agent that applications see.
        user_agent: String = "\"TwilioProxy/1.1\"",
    }

    /// The voice of <Say>.
    speech: Speech {
        /// pico (built in); command and http are not in this version.
        engine: SpeechEngine = "\"pico\"",
    }

    /// Recordings of calls.
    recordings: Recordings {
        /// No new recording starts below this much free disk.
        free_disk_min: ByteSize = "\"2 GiB\"",
    }

    /// How long records, alerts and timelines stay: whichever bound is met first, oldest first.
    retention: Retention {
        /// Days.
        days: u32 = "7",
        /// Bytes.
        bytes: ByteSize = "\"10 GiB\"",
    }

    /// Bounds that differ by who runs the gateway.
    limits: Limits {
        /// node: what the machine carries; twilio: the cloud's figures (1 API call a second, 4 h).
        profile: LimitsProfile = "\"node\"",
        /// Calls at once; 0 = by the machine's cores and memory.
        calls: u32 = "0",
        /// Most memory that all limits together may come to; 0 = what the machine has.
        memory: ByteSize = "0",
        /// Memory for all audio of prompts: files while they load, what plays, what is kept. At least 128 MiB.
        audio: ByteSize = "\"256 MiB\"",
    }

    /// The log, on standard error.
    log: Log {
        /// error, warn, info, debug or trace. Phone numbers and URIs appear from debug on.
        level: LogLevel = "\"info\"",
        /// human or json.
        format: LogFormat = "\"human\"",
    }
}

/// Settings below a name or a number: `edges.NAME.key`, `trunk.NUMBER.key`.
pub const NAMED_SETTINGS: &[Setting] = &[
    Setting {
        key: "edges.*.listen",
        default: "[]",
        doc: " UDP and TCP listeners of this edge, besides those of [sip].",
        shape: <Vec<SocketAddr>>::SHAPE,
    },
    Setting {
        key: "edges.*.tls",
        default: "[]",
        doc: " TLS listeners of this edge; empty = the port of sip.tls at each address in listen.",
        shape: <Vec<SocketAddr>>::SHAPE,
    },
    Setting {
        key: "edges.*.public_address",
        default: "\"auto\"",
        doc: " Address shown to peers of this edge; auto = that of its listener.",
        shape: PublicAddress::SHAPE,
    },
    Setting {
        key: "edges.*.egress",
        default: "\"auto\"",
        doc: " Which of its listeners' addresses this edge sends from; auto = the first.",
        shape: PublicAddress::SHAPE,
    },
    Setting {
        key: "domains.*.extensions",
        default: "[]",
        doc: " Extensions of the SIP domain of that name (its labels before .sip).",
        shape: Extensions::SHAPE,
    },
    Setting {
        key: "domains.*.latch",
        default: "\"\"",
        doc: " Sources taken for the media of that SIP domain's callers and phones until it is locked: sdp, peer or any; empty = as in [media].",
        shape: <Option<LatchMode>>::SHAPE,
    },
    Setting {
        key: "edges.*.tnx",
        default: "\"\"",
        doc: " Interconnect SID whose calls (`;tnx=SID`) leave by this edge, a private network.",
        shape: String::SHAPE,
    },
    Setting {
        key: "trunk.*.extensions",
        default: "[\"all\"]",
        doc: " Extensions of the carrier: 100rel, update, timer, info, late-offer, or all.",
        shape: Extensions::SHAPE,
    },
    Setting {
        key: "trunk.*.name",
        default: "\"\"",
        doc: " Name of the carrier, unique.",
        shape: String::SHAPE,
    },
    Setting {
        key: "trunk.*.targets",
        default: "[]",
        doc: " SIP URIs of the carrier, tried in this order.",
        shape: <Vec<String>>::SHAPE,
    },
    Setting {
        key: "trunk.*.username",
        default: "\"\"",
        doc: " User for the carrier's digest challenges; empty = none.",
        shape: String::SHAPE,
    },
    Setting {
        key: "trunk.*.password",
        default: "\"\"",
        doc: " Password for the carrier's digest challenges.",
        shape: String::SHAPE,
    },
    Setting {
        key: "trunk.*.realm",
        default: "\"\"",
        doc: " The only realm that the password is used for; empty = the first one the carrier names.",
        shape: String::SHAPE,
    },
    Setting {
        key: "trunk.*.register",
        default: "\"\"",
        doc: " SIP URI of the carrier's registrar, where we register as username; empty = not at all.",
        shape: String::SHAPE,
    },
    Setting {
        key: "trunk.*.register_s",
        default: "600",
        doc: " Seconds that a registration is asked for; refreshed at half of what is granted.",
        shape: u32::SHAPE,
    },
    Setting {
        key: "trunk.*.domain",
        default: "\"\"",
        doc: " SIP domain (NAME, or NAME.sip.SUFFIX) that takes the carrier's calls, whatever host they name; empty = they are refused.",
        shape: String::SHAPE,
    },
    Setting {
        key: "trunk.*.addresses",
        default: "[]",
        doc: " Addresses and blocks that the carrier's calls come from, besides those of its registrar.",
        shape: <Vec<Cidr>>::SHAPE,
    },
    Setting {
        key: "trunk.*.from_host",
        default: "\"\"",
        doc: " Host in From and P-Asserted-Identity towards the carrier; empty = sip.SUFFIX.",
        shape: String::SHAPE,
    },
    Setting {
        key: "trunk.*.latch",
        default: "\"\"",
        doc: " Sources taken for the carrier's media until it is locked: sdp, peer or any; empty = as in [media].",
        shape: <Option<LatchMode>>::SHAPE,
    },
    Setting {
        key: "trunk.*.identity",
        default: "\"\"",
        doc: " Number asserted to the carrier where the caller withholds its own; empty = none.",
        shape: String::SHAPE,
    },
];

/// `[domains.NAME]`: what the settings file says of SIP domains.
fn domain_extensions(layers: &Layers, problems: &mut Vec<Problem>) -> BTreeMap<String, Extensions> {
    let names = layers.names_below("domains").into_iter();
    names
        .filter_map(|name| {
            let extensions = layers.read(&format!("domains.{name}.extensions"), problems)?;
            Some((name.to_ascii_lowercase(), extensions))
        })
        .collect()
}

/// The same of their latch; those that leave it to `[media]` are not in it.
fn domain_latches(layers: &Layers, problems: &mut Vec<Problem>) -> BTreeMap<String, LatchMode> {
    let names = layers.names_below("domains").into_iter();
    names
        .filter_map(|name| {
            let own: Option<LatchMode> = layers.read(&format!("domains.{name}.latch"), problems)?;
            Some((name.to_ascii_lowercase(), own?))
        })
        .collect()
}

/// `[[trunk]]`: a carrier that numbers are dialed over.
#[derive(Clone, Default, PartialEq)]
pub struct Trunk {
    pub name: String,
    pub targets: Vec<String>,
    pub username: String,
    pub password: String,
    pub realm: String,
    pub register: String,
    pub register_s: u32,
    pub domain: String,
    pub addresses: Vec<Cidr>,
    pub from_host: String,
    pub identity: String,
    pub latch: Option<LatchMode>,
    pub extensions: Extensions,
}

/// The password stays out of logs and panics.
impl std::fmt::Debug for Trunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trunk")
            .field("name", &self.name)
            .field("targets", &self.targets)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl Trunk {
    fn read_all(layers: &Layers, problems: &mut Vec<Problem>) -> Vec<Self> {
        let mut trunks = Vec::new();
        for number in layers.names_below("trunk") {
            let before = problems.len();
            if let Some(trunk) = Self::read(layers, &number, problems) {
                trunks.push(trunk);
            }
            if problems.len() == before && trunks.last().is_some_and(|trunk| trunk.name.is_empty())
            {
                problems.push(layers.problem(&format!("trunk.{number}.name"), "needs a value"));
            }
        }
        trunks
    }

    fn read(layers: &Layers, number: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let key = |key: &str| format!("trunk.{number}.{key}");
        let name = layers.read(&key("name"), problems);
        let targets = layers.read(&key("targets"), problems);
        let username = layers.read(&key("username"), problems);
        let password = layers.read(&key("password"), problems);
        let realm = layers.read(&key("realm"), problems);
        let register = layers.read(&key("register"), problems);
        let register_s = layers.read(&key("register_s"), problems);
        let domain = layers.read(&key("domain"), problems);
        let addresses = layers.read(&key("addresses"), problems);
        let from_host = layers.read(&key("from_host"), problems);
        let identity = layers.read(&key("identity"), problems);
        let latch = layers.read(&key("latch"), problems);
        let extensions = layers.read(&key("extensions"), problems);
        Some(Self {
            name: name?,
            targets: targets?,
            username: username?,
            password: password?,
            realm: realm?,
            register: register?,
            register_s: register_s?,
            domain: domain?,
            addresses: addresses?,
            from_host: from_host?,
            identity: identity?,
            latch: latch?,
            extensions: extensions?,
        })
    }
}

impl Config {
    /// The relations between settings that no single value can hold.
    fn checked(self, layers: &Layers) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, key: &str, text: &str| {
            if !holds {
                problems.push(layers.problem(key, text));
            }
        };
        require(
            [&self.sip.udp, &self.sip.tcp, &self.sip.tls].iter().any(|list| !list.is_empty()),
            "sip.udp",
            "and `sip.tcp` and `sip.tls` are all empty: a gateway needs at least one SIP listener",
        );
        require(
            !self.media.addresses.is_empty(),
            "media.addresses",
            "needs at least one address (0.0.0.0 is any)",
        );
        require(
            self.media.addresses.len() <= usize::from(u8::MAX),
            "media.addresses",
            "takes at most 255 addresses",
        );
        require(self.media.dscp <= 63, "media.dscp", "takes 0 to 63");
        // Timer B ends an INVITE after 32 s whatever is said here (RFC 3261 §17.1.1.2).
        require((1..=32).contains(&self.sip.silence_s), "sip.silence_s", "takes 1 to 32");
        require(
            is_domain(&self.node.domain_suffix),
            "node.domain_suffix",
            "must be a domain name: letters, digits and hyphens between dots",
        );
        require(
            self.limits.audio.0 >= crate::limits::AUDIO_BYTES_MIN,
            "limits.audio",
            "takes 128 MiB or more: the longest file that is played must have room",
        );
        require(!self.node.data_dir.as_os_str().is_empty(), "node.data_dir", "must name a folder");
        let known_edges: Vec<_> = crate::edge::labels().collect();
        require(
            crate::edge::is_known(&self.node.edge) || self.edges.contains_key(&self.node.edge),
            "node.edge",
            &format!("must be an edge that `[edges.NAME]` declares, or {}", known_edges.join(", ")),
        );
        require(
            self.edges.keys().all(|name| is_label(name) && !name.contains(char::is_uppercase)),
            "edges",
            "must have names of lower-case letters, digits and hyphens: hosts carry them",
        );
        let names: std::collections::BTreeSet<_> = self.trunks.iter().map(|t| &t.name).collect();
        require(names.len() == self.trunks.len(), "trunk", "names must be unique");
        require(
            self.trunks.iter().all(|trunk| trunk.register.is_empty() || !trunk.username.is_empty()),
            "trunk.register",
            "needs `username`: the user that is registered",
        );
        require(
            self.edges.keys().all(|name| is_label(name)),
            "edges",
            "names must be labels of a host name: letters, digits and hyphens",
        );
        require(
            self.edges.values().all(Edge::egress_is_listened_on),
            "edges",
            "`egress` must be an address that the same edge listens on",
        );
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }

    /// Settings that were given a value which this version cannot follow, as sentences for the log.
    ///
    /// The gateway starts with less and says so; only values that somebody set are mentioned.
    pub fn not_built(&self, layers: &Layers) -> Vec<String> {
        let wanted: [(&str, bool, &str); 2] = [
            (
                "speech.engine",
                self.speech.engine != SpeechEngine::Pico,
                "the built-in voice speaks instead",
            ),
            (
                "media.backend",
                matches!(self.media.backend, Backend::Steered | Backend::Xdp),
                "the backend is chosen as with auto",
            ),
        ];
        wanted
            .iter()
            .filter(|(key, set, _)| *set && layers.is_set(key))
            .map(|(key, _, instead)| format!("`{key}` is not in this version yet: {instead}."))
            .collect()
    }
}

fn is_domain(text: &str) -> bool {
    text.len() <= 200 && text.split('.').all(is_label)
}

/// Whether a text can stand between the dots of a host name (RFC 1123 §2.1).
pub fn is_label(text: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !text.is_empty() && text.len() <= 63 && text.bytes().all(is_fit)
}

/// The declaration that covers a key, with `*` standing for one name.
pub fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().chain(NAMED_SETTINGS).find(|setting| matches_pattern(setting.key, key))
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

    fn file(text: &str) -> Layers {
        let mut layers = Layers::default();
        layers.add_file("test.toml", text).expect("valid TOML");
        layers
    }

    #[test]
    fn a_domain_has_the_latch_of_its_own_table_or_none() {
        let text = "[domains.Desk]\nlatch = \"any\"\n[domains.other]\nextensions = [\"all\"]\n";
        let config = Config::from_layers(&file(text)).expect("valid");
        assert_eq!(config.domain_latches.get("desk"), Some(&LatchMode::Any));
        assert_eq!(config.domain_latches.get("other"), None);
        let wrong = Config::from_layers(&file("[domains.desk]\nlatch = \"all\"\n"));
        assert!(wrong.is_err());
    }

    #[test]
    fn the_defaults_alone_make_a_configuration() {
        let config = Config::from_layers(&Layers::default()).expect("defaults are valid");
        assert_eq!(config.node.domain_suffix, "sidetone.test");
        assert_eq!(config.media.ports, PortRange { first: 10_000, last: 19_999 });
        assert_eq!(config.webhook.allow_private.len(), 5);
        assert_eq!(config.retention.bytes.0, 10 << 30);
        assert!(config.not_built(&Layers::default()).is_empty());
    }

    #[test]
    fn the_defaults_are_the_limits() {
        let config = Config::from_layers(&Layers::default()).expect("defaults are valid");
        let (media, sip) = (&config.media, &config.sip);
        assert_eq!(media.timeout_s, crate::limits::MEDIA_TIMEOUT_S);
        assert_eq!(media.hold_timeout_s, crate::limits::MEDIA_TIMEOUT_HOLD_S);
        let streams = [sip.streams_max, sip.streams_source_max].map(|most| most as usize);
        assert_eq!(streams, [crate::limits::STREAMS_MAX, crate::limits::STREAMS_SOURCE_MAX]);
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
[webhook]
allow_private = ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
[speech]
engine = "pico"
[recordings]
[retention]
"#,
        );
        let config = Config::from_layers(&layers).expect("the design's own file");
        assert_eq!(config.trunks[0].targets, ["sip:192.0.2.20"]);
        assert!(matches!(config.edges["frankfurt"].public_address, PublicAddress::Fixed(_)));
        assert_eq!(config.not_built(&layers), Vec::<String>::new());
    }

    #[test]
    fn every_problem_is_told_at_once_with_its_line() {
        let problems = Config::from_layers(&file("[sip]\nupd = []\n[node]\nid = 70000\n"))
            .expect_err("two mistakes");
        let text: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert!(text[0].contains("test.toml:2"), "{text:?}");
        assert!(text[0].contains("did you mean `sip.udp`"), "{text:?}");
        assert!(text[1].contains("test.toml:4") && text[1].contains("node.id"), "{text:?}");
    }

    #[test]
    fn an_edge_that_nobody_knows_is_an_error_wherever_it_is_written() {
        let problem = |text| {
            let problems = Config::from_layers(&file(text)).expect_err("a mistake");
            problems.iter().map(Problem::to_string).collect::<String>()
        };
        let told = problem("[node]\nedge = \"mars\"\n");
        assert!(told.contains("test.toml:2") && told.contains("node.edge"), "{told}");
        assert!(told.contains("ashburn"), "{told}");
        let told = problem("[sip]\nedge = \"mars\"\n");
        assert!(told.contains("`sip.edge` is not a setting"), "{told}");
        assert!(told.contains("did you mean `node.edge`"), "{told}");
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
    }
}
