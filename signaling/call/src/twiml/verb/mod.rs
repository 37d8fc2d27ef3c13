//! Verbs, one file each: attribute table, type, reader. Sans-IO.

pub mod application;
pub mod client;
pub mod conference;
pub mod dial;
pub mod echo;
pub mod enqueue;
pub mod gather;
pub mod noun;
pub(crate) mod parameter;
pub mod pause;
pub mod play;
pub mod record;
pub mod recording;
pub mod redirect;
pub mod refer;
pub mod reject;
pub mod relay;
pub mod say;
pub mod siprec;
pub(crate) mod ssml;
pub mod stream;
pub mod transcription;

use std::fmt::Display;

use roxmltree::Node;
use shared::Code;
use store::HttpMethod;

pub use dial::Dial;
pub use echo::Echo;
pub use enqueue::Enqueue;
pub use gather::Gather;
pub use pause::Pause;
pub use play::Play;
pub use record::Record;
pub use recording::StartRecording;
pub use redirect::Redirect;
pub use refer::Refer;
pub use reject::Reject;
pub use relay::ConnectRelay;
pub use say::Say;
pub use siprec::Siprec;
pub use stream::{ConnectStream, Stream};
pub use transcription::Transcription;

use super::Reading;
use super::attribute::Attributes;
use crate::finding::{Finding, brief};

/// A URL as written, absolute or relative, and the method of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The text; empty means the document's own URL.
    pub url: String,
    /// The method of its request.
    pub method: HttpMethod,
}

/// The URL and the method that two attributes give; `None` without a URL.
pub(crate) fn link(attributes: &Attributes<'_>, url: &str, method: &str) -> Option<Link> {
    let url = attributes.text(url)?.to_owned();
    Some(Link { url, method: attributes.method(method) })
}

/// The action of a verb that always has one: by default the document's own URL.
pub(crate) fn action(attributes: &Attributes<'_>) -> Link {
    let url = attributes.text("action").unwrap_or("").to_owned();
    Link { url, method: attributes.method("method") }
}

/// A verb that can run, or the reason why it cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Speaks a text.
    Say(Say),
    /// Plays a file or sends digits.
    Play(Play),
    /// Waits in silence for a number of seconds.
    Pause(Pause),
    /// Returns the caller's audio.
    Echo(Echo),
    /// Collects the digits that the party presses.
    Gather(Box<Gather>),
    /// Records the caller.
    Record(Box<Record>),
    /// Calls other parties and bridges the first that answers.
    Dial(Box<Dial>),
    /// Waits in a queue.
    Enqueue(Box<Enqueue>),
    /// Leaves the queue that the call waits in; elsewhere it has no effect.
    Leave,
    /// Starts a recording beside the verbs.
    StartRecording(Box<StartRecording>),
    /// Ends the recording that a `<Start>` gave this name.
    StopRecording(String),
    /// Begins a recording session with an outside server beside the verbs.
    StartSiprec(Box<Siprec>),
    /// Ends the recording session of this name or SID.
    StopSiprec(String),
    /// Starts a one-way stream beside the verbs.
    StartStream(Box<Stream>),
    /// Ends the one-way stream of this name or SID.
    StopStream(String),
    /// Starts a transcription beside the verbs.
    StartTranscription(Box<Transcription>),
    /// Ends the transcription of this name or SID.
    StopTranscription(String),
    /// Connects the party with an application by a two-way stream.
    ConnectStream(Box<ConnectStream>),
    /// Connects the party with an application by text.
    ConnectRelay(Box<ConnectRelay>),
    /// Replaces the document.
    Redirect(Redirect),
    /// Transfers the party's phone by REFER.
    Refer(Refer),
    /// Refuses the call.
    Reject(Reject),
    /// Ends the call.
    Hangup,
    /// A verb of the API that this gateway does not have: 13750 when it is reached.
    Unsupported {
        /// The sentence for the notification.
        what: String,
        /// Whether the document goes on after it (`<Start>`, `<Stop>`: side features).
        goes_on: bool,
    },
    /// A verb with an error in an attribute or child: stops the document when it is reached.
    Broken(Finding),
}

impl Verb {
    /// The element's name, for the timeline.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Say(_) => "Say",
            Self::Play(_) => "Play",
            Self::Pause(_) => "Pause",
            Self::Echo(_) => "Echo",
            Self::Gather(_) => "Gather",
            Self::Record(_) => "Record",
            Self::Dial(_) => "Dial",
            Self::Enqueue(_) => "Enqueue",
            Self::Leave => "Leave",
            Self::StartRecording(_)
            | Self::StartStream(_)
            | Self::StartSiprec(_)
            | Self::StartTranscription(_) => "Start",
            Self::StopRecording(_)
            | Self::StopStream(_)
            | Self::StopSiprec(_)
            | Self::StopTranscription(_) => "Stop",
            Self::ConnectStream(_) | Self::ConnectRelay(_) => "Connect",
            Self::Redirect(_) => "Redirect",
            Self::Refer(_) => "Refer",
            Self::Reject(_) => "Reject",
            Self::Hangup => "Hangup",
            Self::Unsupported { .. } => "unsupported",
            Self::Broken(_) => "broken",
        }
    }

    /// Whether the verb lets time pass. Documents in a row without such a verb are limited to
    /// [`shared::limits::TWIML_IDLE_DOCUMENTS_MAX`], because they loop as fast as a server answers.
    pub(crate) const fn takes_time(&self) -> bool {
        match self {
            Self::Say(_)
            | Self::Play(_)
            | Self::Pause(_)
            | Self::Echo(_)
            | Self::Gather(_)
            | Self::Record(_)
            | Self::Dial(_)
            | Self::Enqueue(_)
            | Self::ConnectStream(_)
            | Self::ConnectRelay(_)
            | Self::Refer(_) => true,
            Self::StartRecording(_)
            | Self::StopRecording(_)
            | Self::StartStream(_)
            | Self::StopStream(_)
            | Self::StartSiprec(_)
            | Self::StopSiprec(_)
            | Self::StartTranscription(_)
            | Self::StopTranscription(_)
            | Self::Redirect(_)
            | Self::Leave
            | Self::Reject(_)
            | Self::Hangup
            | Self::Unsupported { .. }
            | Self::Broken(_) => false,
        }
    }
}

/// The result of a verb's reader. `None`: the element is skipped, with a warning.
pub(crate) type Read<T> = Result<Option<T>, Finding>;

/// Reads one child of `<Response>`. `None`: it is unknown or skipped, with a warning.
pub(crate) fn read(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Option<Verb> {
    let name = node.tag_name().name();
    let verb = match name {
        "Say" => say::read(node, reading).map(|say| say.map(Verb::Say)),
        "Play" => play::read(node, reading).map(|play| play.map(Verb::Play)),
        "Pause" => pause::read(node, reading).map(|pause| pause.map(Verb::Pause)),
        "Echo" => echo::read(node, reading).map(|echo| echo.map(Verb::Echo)),
        "Gather" => {
            gather::read(node, reading).map(|gather| gather.map(Box::new).map(Verb::Gather))
        }
        "Record" => {
            record::read(node, reading).map(|record| record.map(Box::new).map(Verb::Record))
        }
        "Dial" => dial::read(node, reading).map(|dial| dial.map(Box::new).map(Verb::Dial)),
        "Enqueue" => {
            enqueue::read(node, reading).map(|enqueue| enqueue.map(Box::new).map(Verb::Enqueue))
        }
        "Leave" => Ok(Some(Verb::Leave)),
        "Redirect" => redirect::read(node, reading).map(|redirect| redirect.map(Verb::Redirect)),
        "Refer" => refer::read(node, reading).map(|refer| refer.map(Verb::Refer)),
        "Reject" => reject::read(node, reading).map(|reject| reject.map(Verb::Reject)),
        "Hangup" => reject::read_hangup(node, reading).map(Some),
        "Connect" => read_connect(node, reading),
        "Pay" | "Sms" | "Annotate" | "Prompt" => Ok(Some(unsupported(name, false))),
        "Start" | "Stop" => read_side(node, reading),
        unknown => {
            let position = reading.place(node);
            let message = format!("<{}> is not a verb: skipped", brief(unknown));
            reading.warn(Code::TWIML_SCHEMA, message, position);
            Ok(None)
        }
    };
    verb.unwrap_or_else(|finding| Some(Verb::Broken(finding)))
}

/// Reads a `<Start>` or `<Stop>`, which have one noun.
fn read_side(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Verb> {
    let noun = node.first_element_child();
    let name = noun.map_or("", |noun| noun.tag_name().name());
    match (node.tag_name().name(), name, noun) {
        ("Start", "Recording", Some(noun)) => recording::read_start(noun, reading),
        ("Stop", "Recording", Some(noun)) => recording::read_stop(noun, reading),
        ("Start", "Siprec", Some(noun)) => siprec::read_start(noun, reading),
        ("Stop", "Siprec", Some(noun)) => siprec::read_stop(noun, reading),
        ("Start", "Stream", Some(noun)) => stream::read_start(noun, reading),
        ("Stop", "Stream", Some(noun)) => stream::read_stop(noun, reading),
        ("Start", "Transcription", Some(noun)) => transcription::read_start(noun, reading),
        ("Stop", "Transcription", Some(noun)) => transcription::read_stop(noun, reading),
        _ => Ok(Some(unsupported_side(node))),
    }
}

/// Reads a `<Connect>`, which has one noun.
fn read_connect(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Verb> {
    match node.first_element_child() {
        Some(noun) if noun.tag_name().name() == "Stream" => {
            stream::read_connect(node, noun, reading)
        }
        Some(noun) if noun.tag_name().name() == "ConversationRelay" => {
            relay::read_connect(node, noun, reading)
        }
        Some(noun) => {
            let noun = brief(noun.tag_name().name());
            Ok(Some(unsupported(format_args!("Connect><{noun}"), false)))
        }
        None => Ok(Some(unsupported("Connect", false))),
    }
}

fn unsupported(element: impl Display, goes_on: bool) -> Verb {
    let what = format!("<{element}> is not supported by this gateway");
    Verb::Unsupported { what, goes_on }
}

fn unsupported_side(node: Node<'_, '_>) -> Verb {
    let verb = node.tag_name().name();
    match node.first_element_child() {
        Some(noun) => {
            let noun = brief(noun.tag_name().name());
            unsupported(format_args!("{verb}><{noun}"), true)
        }
        None => unsupported(verb, true),
    }
}

/// An error that breaks the verb.
pub(crate) fn broken(
    code: Code,
    message: impl Into<String>,
    node: Node<'_, '_>,
    reading: &Reading<'_>,
) -> Finding {
    Finding::error(code, message).at(reading.place(node))
}
