//! `sidetone phone` and `sidetone demo --call`: the built-in test phone on real sockets. Shell.

mod audio;
mod connections;
mod demo_call;
mod handset;
mod register;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};
use phone::{Command, Event};
use shared::{Codec, Header};

pub use connections::PhoneTransport;
pub use demo_call::demo_call;
pub use handset::{Handset, HandsetSettings};

/// The built-in test phone: one call at a time over UDP, TCP or TLS, audio from and to WAV files.
#[derive(Debug, Parser)]
#[command(name = "sidetone phone", max_term_width = 100, after_help = AFTER_HELP)]
struct PhoneCli {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Call a SIP URI, press keys, play and record, print a timeline
    Call(CallArguments),
    /// Wait for one call, answer it, print a timeline
    Answer(AnswerArguments),
    /// Register at a SIP server, refresh, print a timeline, unregister at the end
    Register(register::RegisterArguments),
}

#[derive(Debug, Args)]
struct Identity {
    /// Digest user, and user part of From and Contact; without it the user of the registered address, or
    /// "phone"
    #[arg(long)]
    user: Option<String>,
    /// Digest password; without it challenges are not answered
    #[arg(long, default_value = "", env = "SIDETONE_PHONE_PASSWORD", hide_env_values = true)]
    password: String,
}

/// Arguments: the next hop of a phone.
#[derive(Debug, Args)]
struct Server {
    /// Next hop, HOST:PORT; without it the host of the URI. Over TLS this host must prove its
    /// name
    #[arg(long, value_name = "HOST:PORT")]
    proxy: Option<String>,
    /// Certificate authorities to trust besides the system's (PEM), for example that of the
    /// gateway: http://HOST:8080/ca.pem
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// Arguments: the media of a call.
#[derive(Debug, Args)]
struct Voice {
    /// Keys to press once the call is up: 0-9 A-D * #, w and W pause for 0.5 and 1 s
    #[arg(long)]
    press: Option<String>,
    /// WAV file to play once the call is up
    #[arg(long, value_name = "FILE")]
    play: Option<PathBuf>,
    /// WAV file for the received audio
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Codec to offer first
    #[arg(long, default_value = "PCMU", value_parser = ["PCMU", "PCMA"])]
    codec: String,
    /// Offer and accept only SRTP (keys in SDP)
    #[arg(long)]
    srtp: bool,
}

/// Arguments of both `call` and `answer`.
#[derive(Debug, Args)]
struct Talk {
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    voice: Voice,
    /// Hang up after this time; without it wait until the other side hangs up
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<f64>,
}

#[derive(Debug, Args)]
struct CallArguments {
    /// URI to call, for example sip:demo@127.0.0.1:5060; ;transport=tcp, ;transport=tls or sips: choose
    /// the transport
    uri: String,
    #[command(flatten)]
    server: Server,
    /// A header of the INVITE, NAME: VALUE; may be repeated
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    #[command(flatten)]
    talk: Talk,
}

#[derive(Debug, Args)]
struct AnswerArguments {
    /// Address to listen on for SIP over UDP
    #[arg(long, default_value = "127.0.0.1:5070", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Give up if no call comes within this time
    #[arg(long, default_value = "60", value_name = "SECONDS")]
    wait: u64,
    #[command(flatten)]
    talk: Talk,
}

const AFTER_HELP: &str = "\
Examples:
  sidetone phone call sip:demo@127.0.0.1:5060 --user demo --password … --press w2 --record heard.wav
  sidetone phone call sip:demo@demo.sip.sidetone.test;transport=tls --proxy 127.0.0.1:5061 --ca ca.pem …
  sidetone phone answer --listen 127.0.0.1:5070 --play hello.wav --for 10
  sidetone phone register sip:alice@192.0.2.7 --password … --for 60
  sidetone phone register sip:alice@192.0.2.7 --password … --answer --record heard.wav

Exit code: 0 if a call was up, 1 if not, 2 for wrong arguments. For register: 0 if the server
accepted the registration and every refresh, 1 if not.";

/// Runs `sidetone phone …`.
pub fn run(arguments: &[String]) -> ExitCode {
    let words = std::iter::once("sidetone phone".to_owned()).chain(arguments.iter().cloned());
    let cli = match PhoneCli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print(); // fails on a closed terminal, which shows nothing anyway
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let done = match cli.action {
        Action::Call(arguments) => call(&arguments),
        Action::Answer(arguments) => answer(&arguments),
        Action::Register(arguments) => register::register(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(sentence) => {
            eprintln!("sidetone: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn call(arguments: &CallArguments) -> Result<bool, String> {
    let Route { target, remote, transport } = arguments.server.route(&arguments.uri)?;
    let headers: Result<Vec<_>, String> =
        arguments.header.iter().map(|line| header(line)).collect();
    let local = handset::local_towards(remote).map_err(|error| format!("{remote}: {error}"))?;
    let means = Means { listen: (local, 0).into(), transport, ca: arguments.server.ca.clone() };
    let mut handset = arguments.talk.open(means, false)?;
    handset.call(target, remote, headers?);
    arguments.talk.conversation()?.run(&mut handset).map_err(|error| error.to_string())
}

fn answer(arguments: &AnswerArguments) -> Result<bool, String> {
    let means = Means { listen: arguments.listen, transport: PhoneTransport::Udp, ca: None };
    let mut handset = arguments.talk.open(means, true)?;
    println!("listening at sip:{}@{}", arguments.talk.user(), handset.local());
    let patience = Duration::from_secs(arguments.wait);
    let mut conversation = arguments.talk.conversation()?;
    match handset.next_event(patience).map_err(|error| error.to_string())? {
        Some(event) => conversation.hear(&mut handset, event),
        None => return Err(format!("no call came within {} s", arguments.wait)),
    }
    conversation.run(&mut handset).map_err(|error| error.to_string())
}

impl Talk {
    fn user(&self) -> &str {
        self.identity.user.as_deref().unwrap_or("phone")
    }

    fn open(&self, means: Means, answers: bool) -> Result<Handset, String> {
        open(self.user(), &self.identity.password, &self.voice, means, answers)
    }

    fn conversation(&self) -> Result<Conversation, String> {
        Conversation::new(&self.voice, seconds(self.seconds))
    }
}

/// A URI with its next hop and transport.
struct Route {
    target: sip::Uri,
    remote: SocketAddr,
    transport: PhoneTransport,
}

/// The sockets and trust of a phone.
struct Means {
    listen: SocketAddr,
    transport: PhoneTransport,
    ca: Option<PathBuf>,
}

impl Server {
    fn route(&self, text: &str) -> Result<Route, String> {
        // `sips:` is `sip:` over TLS here as in the gateway.
        let uri = match text.split_once(':') {
            Some(("sips", rest)) => format!("sip:{rest};transport=tls"),
            Some(("sip", _)) => text.to_owned(),
            _ => format!("sip:{text}"),
        };
        let target = sip::Uri::parse(uri.as_bytes()).map_err(|error| format!("{uri}: {error}"))?;
        let sip_uri = target.as_sip().ok_or_else(|| format!("{target} is not a SIP URI"))?;
        let transport = match sip_uri.transport().as_deref() {
            None | Some("udp") => shared::Transport::Udp,
            Some("tcp") => shared::Transport::Tcp,
            Some("tls") => shared::Transport::Tls,
            Some(other) => return Err(format!("transport={other} is not udp, tcp or tls")),
        };
        let port = sip_uri.port.unwrap_or(transport.default_port());
        let next_hop = self.proxy.clone().unwrap_or_else(|| format!("{}:{port}", sip_uri.host));
        let remote = next_hop
            .to_socket_addrs()
            .map_err(|error| format!("{next_hop}: {error}"))?
            .next()
            .ok_or_else(|| format!("{next_hop} has no address"))?;
        let host = next_hop.rsplit_once(':').map_or(next_hop.as_str(), |(host, _)| host);
        let transport = match transport {
            shared::Transport::Udp => PhoneTransport::Udp,
            shared::Transport::Tcp => PhoneTransport::Tcp,
            shared::Transport::Tls => PhoneTransport::Tls { host: host.to_owned() },
        };
        Ok(Route { target, remote, transport })
    }
}

fn open(
    user: &str,
    password: &str,
    voice: &Voice,
    Means { listen, transport, ca }: Means,
    answers: bool,
) -> Result<Handset, String> {
    let codecs = match voice.codec.as_str() {
        "PCMA" => vec![Codec::Pcma, Codec::Pcmu],
        _ => vec![Codec::Pcmu, Codec::Pcma],
    };
    let (user, password) = (user.to_owned(), password.to_owned());
    let srtp = voice.srtp;
    let settings = HandsetSettings { user, password, listen, codecs, srtp, answers, transport, ca };
    Handset::open(&settings)
        .map_err(|error| format!("the phone cannot listen at {listen}: {error}"))
}

fn header(line: &str) -> Result<Header, String> {
    let (name, value) = line
        .split_once(':')
        .ok_or_else(|| format!("`{line}` is not a header: write NAME: VALUE"))?;
    Ok(Header::new(name.trim().to_owned(), value.trim()))
}

/// A duration of at most one day.
fn seconds(seconds: Option<f64>) -> Option<Duration> {
    seconds.map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0)))
}

/// One call from the side of its user: prints the timeline, keeps the received audio, and knows what to
/// play and press next.
struct Conversation {
    began: Instant,
    up: Option<Instant>,
    heard: Vec<i16>,
    /// Commands still to give, the next one last.
    to_say: Vec<Command>,
    hang_up_after: Option<Duration>,
    record: Option<PathBuf>,
}

impl Conversation {
    fn new(voice: &Voice, hang_up_after: Option<Duration>) -> Result<Self, String> {
        let mut to_say = Vec::new();
        if let Some(file) = &voice.play {
            to_say.push(Command::Play(audio::prompt(&audio::read_file(file)?)));
        }
        if let Some(keys) = &voice.press {
            to_say.push(Command::Press(keys.as_str().into()));
        }
        to_say.reverse();
        Ok(Self {
            began: Instant::now(),
            up: None,
            heard: Vec::new(),
            to_say,
            hang_up_after,
            record: voice.record.clone(),
        })
    }

    /// Runs until the call is over. Returns whether it was up.
    fn run(mut self, handset: &mut Handset) -> io::Result<bool> {
        while handset.is_busy() {
            if let Some(event) = handset.next_event(Duration::from_millis(200))? {
                self.hear(handset, event);
            }
            let over =
                self.hang_up_after.zip(self.up).is_some_and(|(most, up)| up.elapsed() >= most);
            if over && self.hang_up_after.take().is_some() {
                handset.command(Command::HangUp);
            }
        }
        while let Some(event) = handset.next_event(Duration::ZERO)? {
            self.hear(handset, event);
        }
        self.end()?;
        Ok(self.up.is_some())
    }

    /// Writes the received audio to the file.
    fn end(&self) -> io::Result<()> {
        if let Some(path) = &self.record {
            audio::write_wav(path, &self.heard)?;
            println!("{} s of audio in {}", self.heard.len() / 8_000, path.display());
        }
        Ok(())
    }

    fn hear(&mut self, handset: &mut Handset, event: Event) {
        let text = match event {
            Event::Heard { codec, frame } => {
                self.heard.extend(audio::linear(codec, &frame));
                return;
            }
            Event::Up { codec, headers } => {
                self.up = Some(Instant::now());
                self.say_next(handset);
                format!("up, {}{}", codec.name(), listed(&headers))
            }
            Event::Spoken => {
                self.say_next(handset);
                "said".to_owned()
            }
            Event::Incoming { headers } => format!("incoming call{}", listed(&headers)),
            Event::Progress { status } => format!("progress {status}"),
            Event::Refused { status, reason } => format!("refused: {status} {reason}"),
            Event::Ended { by_peer: true, headers } => {
                format!("the other side hung up{}", listed(&headers))
            }
            Event::Ended { by_peer: false, .. } => "hung up".to_owned(),
            Event::Registered { expires_s, contacts } => {
                format!("registered for {expires_s} s: {}", contacts.join(", "))
            }
            Event::RegisterRefused { status, reason } => {
                format!("registration refused: {status} {reason}")
            }
            Event::Unregistered => "unregistered".to_owned(),
            Event::Key(key) => format!("heard key {key}"),
            Event::Quality(quality) => format!(
                "media: {} received, {} sent, {} lost, jitter {} RTP units{}",
                quality.received,
                quality.sent,
                quality.lost,
                quality.jitter_rtp_units,
                quality.rating().map(|r| format!(", MOS {:.2}", r.mos)).unwrap_or_default(),
            ),
            Event::Trace(line) => line,
        };
        println!("{:>8.3} s  {text}", self.began.elapsed().as_secs_f64());
    }

    fn say_next(&mut self, handset: &mut Handset) {
        if let Some(command) = self.to_say.pop() {
            handset.command(command);
        }
    }
}

/// The `X-` headers, as text for the timeline.
fn listed(headers: &[Header]) -> String {
    let own = headers.iter().filter(|header| header.name.to_ascii_lowercase().starts_with("x-"));
    own.map(|header| format!(" {}: {}", header.name, header.text())).collect()
}
