//! Recording sessions of live calls by REST. Sans-IO.

use call::{ApiUpdate, SiprecChange, SiprecSettings};
use shared::ids::Origin;
use shared::{Code, Now, SiprecSid};
use store::{Reply, SideView, StartSiprec};

use crate::control::Control;
use crate::from_rest::{tracks, webhook};
use crate::sides::{Found, RestSide};
use crate::state::live_call::LiveCall;

impl RestSide for SiprecSettings {
    type Asked = StartSiprec;
    type Sid = SiprecSid;
    const NOT_UP: &'static str = "Only a call that is in progress can be recorded by a server";

    fn mint(unix_ms: i64, origin: Origin, random: u64) -> SiprecSid {
        SiprecSid::mint(unix_ms, origin, random)
    }

    fn check(
        control: &Control,
        entry: &LiveCall,
        asked: StartSiprec,
    ) -> Result<Self, (Code, String)> {
        control.siprec_target(&asked.connector)?;
        let settings = Self {
            connector: asked.connector,
            name: asked.name,
            tracks: tracks(asked.tracks),
            callback: asked.callback.map(webhook),
            parameters: asked.parameters,
        };
        entry.call.check_siprec(&settings)?;
        Ok(settings)
    }

    fn update(siprec: SiprecSid, change: SiprecChange) -> ApiUpdate {
        ApiUpdate::Siprec { siprec, change }
    }

    fn find(_now: Now, entry: &LiveCall, name: &str) -> Option<Found<SiprecSid>> {
        let mut all = entry.siprecs.iter();
        let (sid, live) = all.find(|(sid, live)| {
            live.plan.settings.name.as_deref() == Some(name) || sid.to_string() == name
        })?;
        let (name, updated_ms) = (live.plan.settings.name.clone(), live.updated_ms);
        Some(Found { sid: *sid, name, updated_ms, refusal: None })
    }

    fn reply(view: SideView<SiprecSid>) -> Reply {
        Reply::Siprec(view)
    }
}
