//! Streams: the socket of an application, a tap, a feed. Sans-IO.
//!
//! ```text
//!   order ──> Opening ──Opened──> attached (tap, feed) ──Ended──> gone
//! ```
//!
//! The shell opens the socket and owns the protocol. Only then does the leg get its tap and, where the
//! application talks, its feed, so that the first frame finds its reader. Whatever ends first ends the others: the
//! socket stops tap and feed; a tap or a feed that ends (the leg stopped, the core had no room) closes the socket.
//! The call hears one end of each stream, when the shell says it.

mod api;

use call::{CallInput, StreamEnd, StreamEvent, StreamPlan};
use shared::feed::FeedEnd;
use shared::media::{TapEnd, TapLimits};
use shared::{CallSid, Code, Codec, FeedId, MediaCommand, Now, Sink, StreamSid, TapId};

use crate::control::Control;
use crate::effect::Effect;
use crate::state::live_stream::LiveStream;

impl Control {
    pub(crate) fn open_stream(&mut self, now: Now, sid: CallSid, plan: Box<StreamPlan>) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let opening = &plan.opening;
        let live = LiveStream {
            name: plan.name.clone(),
            is_two_way: opening.is_two_way,
            tracks: opening.tracks,
            tap: None,
            feed: None,
            failure: None,
            is_stopping: false,
            updated_ms: now.unix_ms,
        };
        entry.streams.insert(opening.stream, live);
        // An account is closed, never deleted, so the owner of a live call is always there.
        let Some(owner) = self.snapshot.account(opening.account) else { return };
        let auth_token = owner.auth_token.clone();
        self.push(Effect::OpenStream { auth_token, plan });
    }

    pub(crate) fn on_stream(
        &mut self,
        now: Now,
        sid: CallSid,
        stream: StreamSid,
        event: StreamEvent,
    ) {
        let event = match event {
            StreamEvent::Opened => {
                self.attach_stream(now, sid, stream);
                StreamEvent::Opened
            }
            StreamEvent::Warned { .. } | StreamEvent::Relay(_) => event,
            StreamEvent::Ended(end) => {
                let Some(end) = self.detach_stream(sid, stream, end) else { return };
                StreamEvent::Ended(end)
            }
        };
        self.tell(sid, CallInput::Stream { stream, event });
        self.forget_if_over(sid);
    }

    /// The socket is open: the leg gets a tap and a feed.
    fn attach_stream(&mut self, now: Now, sid: CallSid, stream: StreamSid) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let is_up = entry.leg.as_ref().is_some_and(|leg| leg.is_up());
        let Some(live) = entry.streams.get_mut(&stream) else { return };
        live.updated_ms = now.unix_ms;
        if !is_up || live.is_stopping {
            return self.close_stream(sid, stream);
        }
        let (tracks, is_two_way) = (live.tracks, live.is_two_way);
        let tap = self.links.new_tap(sid);
        let feed = is_two_way.then(|| self.links.new_feed(sid));
        if let Some(live) = self.calls.get_mut(&sid).and_then(|e| e.streams.get_mut(&stream)) {
            (live.tap, live.feed) = (Some(tap), feed);
        }
        // The feed before its name is told: its items must find it open. The tap after: its first frame must
        // find its reader.
        let codec = Codec::Pcmu;
        let leg = feed.and_then(|feed| {
            let mut on = None;
            self.media(sid, |leg| {
                on = Some(leg);
                MediaCommand::StartFeed { leg, feed, codec }
            });
            on
        });
        self.push(Effect::AttachStream { stream, tap, feed: leg.zip(feed) });
        let (sink, limits) = (Sink::Stream, TapLimits::default());
        self.media(sid, |leg| MediaCommand::StartTap { leg, tap, sink, tracks, limits });
    }

    /// The socket is gone: tap and feed end, and the stream is forgotten. How it ended, for the call; `None`: it was
    /// forgotten before.
    fn detach_stream(
        &mut self,
        sid: CallSid,
        stream: StreamSid,
        end: StreamEnd,
    ) -> Option<StreamEnd> {
        let live = self.calls.get_mut(&sid)?.streams.remove(&stream)?;
        if let Some(tap) = live.tap {
            self.links.remove_tap(tap);
            self.media(sid, |leg| MediaCommand::StopTap { leg, tap });
        }
        if let Some(feed) = live.feed {
            self.links.remove_feed(feed);
            self.media(sid, |leg| MediaCommand::StopFeed { leg, feed });
        }
        let failure = live.failure.map(|(code, sentence)| {
            let answer = None;
            StreamEnd::Failed { code, sentence, answer }
        });
        Some(failure.unwrap_or(end))
    }

    /// The call or REST ends a stream.
    pub(crate) fn close_stream(&mut self, sid: CallSid, stream: StreamSid) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let Some(live) = entry.streams.get_mut(&stream) else { return };
        live.is_stopping = true;
        self.push(Effect::CloseStream { stream });
    }

    /// A tap of a stream ended; `false` where it is of no stream.
    pub(crate) fn on_stream_tap_ended(&mut self, tap: TapId, cause: TapEnd) -> bool {
        let Some(sid) = self.links.call_of_tap(tap) else { return false };
        let Some(entry) = self.calls.get_mut(&sid) else { return false };
        let found = entry.streams.iter_mut().find(|(_, live)| live.tap == Some(tap));
        let Some((stream, live)) = found else { return false };
        let stream = *stream;
        live.tap = None;
        if cause == TapEnd::Refused {
            live.failure = Some((Code::STREAM_INTERNAL, NO_ROOM.to_owned()));
        }
        self.links.remove_tap(tap);
        self.close_stream(sid, stream);
        true
    }

    pub(crate) fn on_feed_ended(&mut self, feed: FeedId, cause: FeedEnd) {
        let Some(sid) = self.links.remove_feed(feed) else { return };
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let found = entry.streams.iter_mut().find(|(_, live)| live.feed == Some(feed));
        let Some((stream, live)) = found else {
            return self.on_siprec_feed_ended(sid, feed, cause);
        };
        let stream = *stream;
        live.feed = None;
        if cause == FeedEnd::Refused {
            live.failure = Some((Code::STREAM_INTERNAL, NO_ROOM.to_owned()));
        }
        self.close_stream(sid, stream);
    }

    /// The core of the call is lost: its taps and feeds end without an event.
    pub(crate) fn lose_streams(&mut self, sid: CallSid) {
        let Some(entry) = self.calls.get_mut(&sid) else { return };
        let mut lost = Vec::new();
        for (stream, live) in &mut entry.streams {
            lost.push((*stream, live.tap.take(), live.feed.take()));
        }
        for (stream, tap, feed) in lost {
            if let Some(tap) = tap {
                self.links.remove_tap(tap);
            }
            if let Some(feed) = feed {
                self.links.remove_feed(feed);
            }
            self.close_stream(sid, stream);
        }
    }
}

const NO_ROOM: &str = "the media core has its most streams already (streams.core_max)";
