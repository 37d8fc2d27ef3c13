//! The table of widgets: names, properties, events (studio.md 2).

use crate::property::{Property, Shape};

use Shape::{EitherNumber, Flag, Number, OneOf, Pairs, Text, TextFlag, TextNumber, Texts};

const fn p(name: &'static str, shape: Shape) -> Property {
    Property::new(name, shape)
}

const METHODS: Shape = OneOf(&["GET", "POST"]);
const CHANNELS: Shape = OneOf(&["mono", "dual"]);
const TRIM: Shape = OneOf(&["trim-silence", "do-not-trim"]);
const SPEECH: [Property; 4] =
    [p("say", Text), p("play", Text), p("voice", Text), p("language", Text)];

/// A type of widgets.
#[derive(Debug)]
pub(crate) struct Widget {
    pub name: &'static str,
    pub kind: Kind,
    pub properties: &'static [Property],
    pub events: &'static [&'static str],
}

/// Types of widgets by what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Trigger,
    SayPlay,
    Gather,
    Split,
    SetVariables,
    Connect,
    OutgoingCall,
    Voicemail,
    RecordCall,
    Enqueue,
    Function,
    HttpRequest,
    Redirect,
    Subflow,
    ForkStream,
    /// Messages, payments, agents: not part of a voice gateway.
    Outside,
}

impl Widget {
    /// The type with this name.
    pub(crate) fn of(name: &str) -> Option<&'static Self> {
        WIDGETS.iter().find(|widget| widget.name == name)
    }
}

impl Kind {
    /// True of a widget that works by documents, so that it needs a call that is up.
    pub(crate) fn needs_call(self) -> bool {
        match self {
            Self::SayPlay
            | Self::Gather
            | Self::Connect
            | Self::Voicemail
            | Self::RecordCall
            | Self::Enqueue
            | Self::Redirect
            | Self::ForkStream => true,
            Self::Trigger
            | Self::Split
            | Self::SetVariables
            | Self::OutgoingCall
            | Self::Function
            | Self::HttpRequest
            | Self::Subflow
            | Self::Outside => false,
        }
    }

    /// The event of a widget that waits when its call ends; `None` ends the flow at once. Those with an event wait a
    /// moment for the request that reports the end first.
    pub(crate) fn hangup_event(self) -> Option<&'static str> {
        match self {
            Self::Connect | Self::Voicemail => Some("hangup"),
            Self::Enqueue => Some("callFailure"),
            Self::Redirect => Some("fail"),
            _ => None,
        }
    }
}

/// Every type of widget.
pub(crate) static WIDGETS: &[Widget] = &[
    Widget {
        name: "trigger",
        kind: Kind::Trigger,
        properties: &[],
        events: &[
            "incomingCall",
            "incomingRequest",
            "incomingParent",
            "incomingMessage",
            "incomingConversationMessage",
        ],
    },
    Widget {
        name: "say-play",
        kind: Kind::SayPlay,
        properties: &[
            SPEECH[0],
            SPEECH[1],
            SPEECH[2],
            SPEECH[3],
            p("digits", Text),
            p("loop", Number),
        ],
        events: &["audioComplete"],
    },
    Widget {
        name: "gather-input-on-call",
        kind: Kind::Gather,
        properties: &[
            SPEECH[0],
            SPEECH[1],
            SPEECH[2],
            SPEECH[3],
            p("loop", Number),
            p("timeout", Number),
            p("finish_on_key", Text),
            p("stop_gather", Flag),
            p("number_of_digits", Number),
            p("gather_language", Text),
            p("hints", Text),
            p("speech_timeout", TextNumber),
            p("speech_model", Text),
            p("profanity_filter", TextFlag),
            p("save_response_as", Text),
        ],
        events: &["keypress", "speech", "timeout"],
    },
    Widget {
        name: "split-based-on",
        kind: Kind::Split,
        properties: &[p("input", Text).required()],
        events: &["match", "noMatch"],
    },
    Widget {
        name: "set-variables",
        kind: Kind::SetVariables,
        properties: &[p("variables", Pairs)],
        events: &["next"],
    },
    Widget {
        name: "connect-call-to",
        kind: Kind::Connect,
        properties: &[
            p("noun", OneOf(&["number", "number-multi", "client", "sip", "sim", "conference"]))
                .required(),
            p("to", Text),
            p("caller_id", Text),
            p("record", Flag),
            p("timeout", Number),
            p("time_limit", TextNumber),
            p("sip_endpoint", Text),
            p("sip_username", Text),
            p("sip_password", Text),
        ],
        events: &["callCompleted", "hangup"],
    },
    Widget {
        name: "make-outgoing-call",
        kind: Kind::OutgoingCall,
        properties: OUTGOING,
        events: OUTGOING_EVENTS,
    },
    Widget {
        name: "make-outgoing-call-v2",
        kind: Kind::OutgoingCall,
        properties: OUTGOING,
        events: OUTGOING_EVENTS,
    },
    Widget {
        name: "record-voicemail",
        kind: Kind::Voicemail,
        properties: &[
            p("timeout", Number),
            p("finish_on_key", Text),
            p("max_length", Number),
            p("transcribe", Flag),
            p("transcription_callback_url", Text),
            p("trim", TRIM),
            p("play_beep", TextFlag),
            p("recording_status_callback_url", Text),
        ],
        events: &["recordingComplete", "noAudio", "hangup"],
    },
    Widget {
        name: "record-call",
        kind: Kind::RecordCall,
        properties: &[
            p("record_call", Flag),
            p("recording_channels", CHANNELS),
            p("recording_status_callback", Text),
            p("recording_status_callback_url", Text),
            p("recording_status_callback_method", METHODS),
            p("recording_status_callback_events", Texts),
            p("trim", TRIM),
        ],
        events: &["success", "failed"],
    },
    Widget {
        name: "enqueue-call",
        kind: Kind::Enqueue,
        properties: &[
            p("queue_name", Text),
            p("workflow_sid", Text),
            p("task_attributes", Text),
            p("priority", EitherNumber),
            p("timeout", EitherNumber),
            p("wait_url", Text),
            p("wait_url_method", METHODS),
        ],
        events: &["callComplete", "failedToEnqueue", "callFailure"],
    },
    Widget {
        name: "run-function",
        kind: Kind::Function,
        properties: &[
            p("url", Text).required(),
            p("service_sid", Text),
            p("environment_sid", Text),
            p("function_sid", Text),
            p("parameters", Pairs),
        ],
        events: &["success", "fail"],
    },
    Widget {
        name: "make-http-request",
        kind: Kind::HttpRequest,
        properties: &[
            p("method", METHODS).required(),
            p("url", Text).required(),
            p("content_type", Text),
            p("body", Text),
            p("parameters", Pairs),
            p("add_twilio_auth", Flag),
        ],
        events: &["success", "failed"],
    },
    Widget {
        name: "add-twiml-redirect",
        kind: Kind::Redirect,
        properties: &[p("url", Text).required(), p("method", METHODS), p("timeout", TextNumber)],
        events: &["return", "fail", "timeout"],
    },
    Widget {
        name: "run-subflow",
        kind: Kind::Subflow,
        properties: &[
            p("flow_sid", Text).required(),
            p("flow_revision", Text),
            p("parameters", Pairs),
        ],
        events: &["completed", "failed"],
    },
    Widget {
        name: "fork-stream",
        kind: Kind::ForkStream,
        properties: &[
            p("stream_action", OneOf(&["start", "stop"])).required(),
            p("stream_name", Text),
            p("stream_transport_type", OneOf(&["siprec", "websocket"])),
            p("stream_url", Text),
            p("stream_connector", Text),
            p("stream_track", OneOf(&["inbound_track", "outbound_track", "both_tracks"])),
            p("stream_parameters", Pairs),
        ],
        events: &["next"],
    },
    outside("send-message"),
    outside("send-and-wait-for-reply"),
    outside("send-to-flex"),
    outside("send-to-auto-pilot"),
    outside("capture-payments"),
    outside("connect-virtual-agent"),
    outside("connect-virtual-agent-v2"),
    outside("run-conversation-relay"),
    outside("start-conversation"),
    outside("resume-conversation"),
    outside("search-for-contact"),
    outside("connect-to-voice-assistant"),
];

const fn outside(name: &'static str) -> Widget {
    Widget { name, kind: Kind::Outside, properties: &[], events: &[] }
}

const OUTGOING: &[Property] = &[
    p("to", Text),
    p("from", Text),
    p("timeout", Number),
    p("record", Flag),
    p("recording_channels", CHANNELS),
    p("recording_status_callback", Text),
    p("trim", TRIM),
    p("detect_answering_machine", Flag),
    p("machine_detection", Text),
    p("machine_detection_timeout", TextNumber),
    p("machine_detection_speech_threshold", TextNumber),
    p("machine_detection_speech_end_threshold", TextNumber),
    p("machine_detection_silence_timeout", TextNumber),
    p("send_digits", Text),
    p("sip_auth_username", Text),
    p("sip_auth_password", Text),
];

const OUTGOING_EVENTS: &[&str] =
    &["answered", "busy", "noAnswer", "failed", "answeredByMachine", "hangup"];
