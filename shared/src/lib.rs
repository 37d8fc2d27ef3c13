//! Vocabulary of both planes: ids, leg plans, media commands and events, refusals, limits, settings, time.
//!
//! Nothing here touches a socket, a clock, a thread or a file. The signaling side and the media side
//! both depend on this package and not on each other.
#![forbid(unsafe_code)]

pub mod address;
pub mod api_host;
pub mod code;
pub mod codec;
pub mod config;
pub mod description;
pub mod detection;
pub mod edge;
pub mod encryption;
pub mod extensions;
pub mod feed;
pub mod header;
pub mod ids;
pub mod leg;
pub mod limits;
pub mod media;
pub mod own;
pub mod playback;
pub mod quality;
pub mod random;
pub mod refusal;
pub mod room;
pub mod rules;
pub mod sink;
pub mod source;
pub mod srtp;
pub mod time;
pub mod tls;
pub mod transport;

pub use code::Code;
pub use codec::{Codec, Direction, FRAME_SAMPLES};
pub use description::{LegDescription, MediaInterface, NotInKernel, NotRelayable, Tier};
pub use detection::{AnsweredBy, Detection};
pub use encryption::EncryptionDetails;
pub use extensions::Extensions;
pub use feed::{FeedItem, FeedPart};
pub use header::Header;
pub use ids::*;
pub use leg::{
    IntervalQuality, LatchMode, LegPlan, LegQuality, MediaPort, NegotiatedMedia, RemoteReport,
};
pub use media::{CommandRefusal, Joined, MediaCommand, MediaEvent, Prompt};
pub use own::OwnSockets;
pub use quality::{Impairments, LossPattern, Rating};
pub use random::{Random, SplitMix};
pub use refusal::Refusal;
pub use room::{CoreSet, Member, Playout, RoomCommand, RoomEvent, Voice};
pub use sink::{BySink, Sink, TapFrame};
pub use source::source_of;
pub use srtp::{SrtpKey, SrtpKeys, SrtpMaster, SrtpSuite};
pub use time::{Instant, Now};
pub use tls::TlsFailure;
pub use transport::Transport;
