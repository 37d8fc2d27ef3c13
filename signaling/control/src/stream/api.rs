//! One-way streams of live calls by REST. Sans-IO.

use call::stream::StreamUrl;
use call::{ApiUpdate, StreamChange, StreamSettings};
use shared::ids::Origin;
use shared::{Code, Now, StreamSid};
use store::{Reply, SideView, StartStream};

use crate::control::Control;
use crate::from_rest::{tracks, webhook};
use crate::sides::{Found, RestSide};
use crate::state::live_call::LiveCall;

impl RestSide for StreamSettings {
    type Asked = StartStream;
    type Sid = StreamSid;
    const NOT_UP: &'static str = "Only a call that is in progress can have a stream";

    fn mint(unix_ms: i64, origin: Origin, random: u64) -> StreamSid {
        StreamSid::mint(unix_ms, origin, random)
    }

    fn check(
        control: &Control,
        entry: &LiveCall,
        asked: StartStream,
    ) -> Result<Self, (Code, String)> {
        let plaintext = control.settings.call.streams_plaintext;
        let settings = Self {
            url: StreamUrl::read(&asked.url, None, plaintext)?,
            name: asked.name,
            tracks: tracks(asked.tracks),
            callback: asked.callback.map(webhook),
            parameters: asked.parameters,
        };
        entry.call.check_side_stream(&settings)?;
        Ok(settings)
    }

    fn update(stream: StreamSid, change: StreamChange) -> ApiUpdate {
        ApiUpdate::Stream { stream, change }
    }

    fn find(_now: Now, entry: &LiveCall, name: &str) -> Option<Found<StreamSid>> {
        let mut all = entry.streams.iter();
        let (sid, live) =
            all.find(|(sid, live)| live.name.as_deref() == Some(name) || sid.to_string() == name)?;
        let refusal = "A stream of <Connect> ends with its server or its call, not by REST";
        Some(Found {
            sid: *sid,
            name: live.name.clone(),
            updated_ms: live.updated_ms,
            refusal: live.is_two_way.then_some(refusal),
        })
    }

    fn reply(view: SideView<StreamSid>) -> Reply {
        Reply::Stream(view)
    }
}
