//! One-way streams of live calls by REST: start and stop. Sans-IO.
//!
//! The call's machine owns a stream and its callbacks; REST brings it one input more, and the answer is the stream
//! as it is then. It never waits for the socket.

use call::stream::StreamUrl;
use call::{ApiUpdate, CallInput, StreamChange, StreamSettings};
use shared::media::TapTracks;
use shared::{AccountSid, CallSid, Code, Now, StreamSid};
use store::{Reply, StartStream, StreamTracks, StreamView, WriteError};

use crate::control::Control;
use crate::from_rest::webhook;
use crate::tokens::ApiToken;

impl Control {
    pub(crate) fn start_stream_by_api(
        &mut self,
        now: Now,
        token: ApiToken,
        account: AccountSid,
        call: CallSid,
        asked: StartStream,
    ) {
        let settings = match self.stream_settings(account, call, asked) {
            Ok(settings) => settings,
            Err(error) => return self.reply(token, Err(error)),
        };
        let stream = StreamSid::mint(now.unix_ms, self.settings.origin, self.random.number());
        let change = StreamChange::Start(Box::new(settings));
        self.change_stream(now, call, stream, change);
        let reply = self.stream_view(account, call, stream, true);
        self.reply(token, reply);
    }

    pub(crate) fn stop_stream_by_api(
        &mut self,
        now: Now,
        token: ApiToken,
        account: AccountSid,
        call: CallSid,
        name: &str,
    ) {
        let found = self.calls.get(&call).filter(|entry| entry.account == account);
        let found = found.and_then(|entry| {
            let is_it = |(sid, live): &(&StreamSid, &crate::state::live_stream::LiveStream)| {
                live.name.as_deref() == Some(name) || sid.to_string() == name
            };
            entry.streams.iter().find(is_it)
        });
        let (stream, is_two_way) = match found {
            Some((stream, live)) => (*stream, live.is_two_way),
            None => return self.reply(token, Err(WriteError::not_found())),
        };
        if is_two_way {
            let sentence = "A stream of <Connect> ends with its server or its call, not by REST";
            let error = WriteError::invalid(Code::INVALID_PARAMETER, sentence);
            return self.reply(token, Err(error));
        }
        self.change_stream(now, call, stream, StreamChange::Stop);
        let reply = self.stream_view(account, call, stream, false);
        self.reply(token, reply);
    }

    fn change_stream(&mut self, now: Now, sid: CallSid, stream: StreamSid, change: StreamChange) {
        let update = ApiUpdate::Stream { stream, change };
        self.drive_call(now, sid, |call| call.handle(now, CallInput::Api(update)));
    }

    fn stream_settings(
        &self,
        account: AccountSid,
        call: CallSid,
        asked: StartStream,
    ) -> Result<StreamSettings, WriteError> {
        let StartStream { url, name, tracks, callback, parameters } = asked;
        let entry = self.calls.get(&call).filter(|entry| {
            entry.account == account && entry.leg.as_ref().is_some_and(|leg| leg.is_up())
        });
        let entry = entry.filter(|entry| entry.call.has_answered());
        let Some(entry) = entry else {
            let sentence = "Only a call that is in progress can have a stream";
            return Err(WriteError::invalid(Code::CALL_STATE, sentence));
        };
        let plaintext = self.settings.call.streams_plaintext;
        let url = StreamUrl::read(&url, None, plaintext)
            .map_err(|(code, sentence)| WriteError::invalid(code, sentence))?;
        let settings = StreamSettings {
            url,
            name,
            tracks: match tracks {
                StreamTracks::Inbound => TapTracks::Inbound,
                StreamTracks::Outbound => TapTracks::Outbound,
                StreamTracks::Both => TapTracks::Both,
            },
            callback: callback.map(webhook),
            parameters,
        };
        entry
            .call
            .check_side_stream(&settings)
            .map_err(|(code, sentence)| WriteError::invalid(code, sentence))?;
        Ok(settings)
    }

    fn stream_view(
        &self,
        account: AccountSid,
        call: CallSid,
        stream: StreamSid,
        is_running: bool,
    ) -> Result<Reply, WriteError> {
        let live = self.calls.get(&call).and_then(|entry| entry.streams.get(&stream));
        let live = live.ok_or_else(WriteError::not_found)?;
        let (name, updated_ms) = (live.name.clone(), live.updated_ms);
        Ok(Reply::Stream(StreamView { stream, account, call, name, is_running, updated_ms }))
    }
}
