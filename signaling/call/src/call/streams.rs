//! Streams of a call: start, stop, events, status callbacks. Sans-IO.
//!
//! Documents and REST start streams. A one-way stream (`<Start>`) runs beside the verbs and ends by its name,
//! by REST or with the call; the two-way one (`<Connect>`) is an activity
//! ([`super::activity::streaming`]). A stream that is opened gets exactly one end, and the call lives until all
//! have theirs. A `<Start>` does not answer a call that rings (twiml.md 1.3): its stream waits and opens with the
//! answer.

use std::time::Duration;

use shared::media::TapTracks;
use shared::{Code, Instant, Now, StreamSid};

use super::Call;
use super::activity::Activity;
use super::activity::relaying::relay_fault;
use super::exchange::Exchange;
use super::sides::{About, Side, SideSettings, Sides, count};
use super::state::Leg;
use crate::effect::{CallEffect, StreamPlan};
use crate::finding::{Finding, Position};
use crate::input::{StreamEnd, StreamEvent};
use crate::relay::RelayTerms;
use crate::setup::{StreamSettings, Webhook};
use crate::stream::{StreamOpening, StreamUrl};
use crate::twiml::verb::Stream;

/// A stream of this call, until it has ended.
#[derive(Clone, Debug)]
pub(super) struct StreamState {
    name: Option<String>,
    is_two_way: bool,
    /// Text goes over it, not audio.
    is_relay: bool,
    tracks: TapTracks,
    callback: Option<Webhook>,
    url: String,
    phase: Phase,
    /// When the customer is warned that no audio of the party comes.
    silent_at: Option<Instant>,
}

/// How far a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The socket is being opened.
    Opening,
    Open,
    /// We close it.
    Closing,
}

impl SideSettings for StreamSettings {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn tracks(&self) -> usize {
        count(self.tracks)
    }
}

impl Side for StreamState {
    type Sid = StreamSid;
    type Settings = StreamSettings;
    const WORD: &'static str = "stream";

    fn of(call: &Call) -> &Sides<Self> {
        &call.streams
    }

    fn of_mut(call: &mut Call) -> &mut Sides<Self> {
        &mut call.streams
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn tracks(&self) -> usize {
        count(self.tracks)
    }

    fn is_beside(&self) -> bool {
        !self.is_two_way
    }

    fn begin(call: &mut Call, _now: Now, stream: StreamSid, settings: StreamSettings) {
        call.open_stream(stream, settings, false);
    }

    fn stop(call: &mut Call, _now: Now, stream: StreamSid) {
        call.close_stream(stream);
    }
}

impl Call {
    /// `<Start><Stream>`.
    pub(super) fn start_side_stream(&mut self, now: Now, noun: Stream, position: Position) {
        let stream = self.mint_stream(now);
        let Some(settings) = self.stream_settings(now, stream, noun, position) else { return };
        if let Err((code, sentence)) = self.check_side_stream(&settings) {
            let finding = Finding::error(code, sentence).at(position);
            return self.stream_refused(now, stream, &settings, finding);
        }
        self.start_side::<StreamState>(now, stream, settings);
    }

    /// What REST needs to know before it starts a stream.
    ///
    /// # Errors
    /// Code and sentence: the name is taken, or the call has its most tracks.
    pub fn check_side_stream(&self, settings: &StreamSettings) -> Result<(), (Code, String)> {
        self.check_side::<StreamState>(settings, (Code::TWIML_SCHEMA, Code::STREAM_TRACK))
    }

    pub(super) fn mint_stream(&mut self, now: Now) -> StreamSid {
        StreamSid::mint(now.unix_ms, self.setup.origin, self.random.number())
    }

    /// The noun with its URLs resolved; `None` where it cannot start, which is then told.
    pub(super) fn stream_settings(
        &mut self,
        now: Now,
        stream: StreamSid,
        noun: Stream,
        position: Position,
    ) -> Option<StreamSettings> {
        let Stream { url, name, tracks, callback, parameters, fault } = noun;
        let callback = self.side_callback(callback, position);
        let plaintext = self.setup.settings.streams_plaintext;
        let url = match fault {
            Some(fault) => Err(fault),
            None => StreamUrl::read(&url, self.script.base.as_ref(), plaintext)
                .map_err(|(code, sentence)| Finding::error(code, sentence).at(position)),
        };
        match url {
            Ok(url) => {
                if url.had_query {
                    let message = "the query of a stream URL is not sent: use <Parameter>";
                    let finding = Finding::warning(Code::TWIML_SCHEMA, message);
                    self.notify(finding.at(position), None);
                }
                Some(StreamSettings { url, name, tracks, callback, parameters })
            }
            Err(finding) => {
                let about = about(&stream, name.as_deref(), callback.as_ref());
                self.side_event(now, &about, "stream-error", &[("Error", &finding.message)]);
                self.notify(finding, None);
                None
            }
        }
    }

    fn stream_refused(
        &mut self,
        now: Now,
        stream: StreamSid,
        settings: &StreamSettings,
        finding: Finding,
    ) {
        let about = about(&stream, settings.name.as_deref(), settings.callback.as_ref());
        self.side_event(now, &about, "stream-error", &[("Error", &finding.message)]);
        self.notify(finding, None);
    }

    pub(super) fn open_stream(
        &mut self,
        stream: StreamSid,
        settings: StreamSettings,
        is_two_way: bool,
    ) {
        self.open_socket(stream, settings, is_two_way, None);
    }

    /// Opens a stream, or with `relay` the socket of a relay.
    pub(super) fn open_socket(
        &mut self,
        stream: StreamSid,
        settings: StreamSettings,
        is_two_way: bool,
        relay: Option<Box<RelayTerms>>,
    ) {
        debug_assert!(self.leg == Leg::Up, "a stream needs the media of the leg");
        let StreamSettings { url, name, tracks, callback, parameters } = settings;
        self.timeline("stream", format_args!("{stream} to {}", url.text()));
        let state = StreamState {
            name: name.clone(),
            is_two_way,
            is_relay: relay.is_some(),
            tracks,
            callback,
            url: url.text().to_owned(),
            phase: Phase::Opening,
            silent_at: None,
        };
        self.streams.insert(stream, state);
        let (account, call) = (self.setup.account, self.setup.sid);
        let opening =
            StreamOpening { stream, account, call, tracks, is_two_way, parameters, relay };
        self.effect(CallEffect::OpenStream(Box::new(StreamPlan { opening, name, url })));
    }

    pub(super) fn close_stream(&mut self, stream: StreamSid) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        if state.phase != Phase::Closing {
            state.phase = Phase::Closing;
            self.effect(CallEffect::CloseStream { stream });
        }
    }

    pub(super) fn on_stream(&mut self, now: Now, stream: StreamSid, event: StreamEvent) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        match event {
            StreamEvent::Opened => {
                if state.phase == Phase::Opening {
                    state.phase = Phase::Open;
                    let listens = state.tracks != TapTracks::Outbound && !self.facts.is_heard;
                    state.silent_at = listens.then_some(now.mono + SILENCE);
                }
                self.relay_opened(now, stream);
                self.stream_callback(now, stream, "stream-started", None);
            }
            StreamEvent::Warned { code, sentence } => {
                let exchange = Exchange { url: state.url.clone(), ..Exchange::default() };
                let message = format!("stream {stream}: {sentence}");
                self.notify(Finding::warning(code, message), Some(exchange));
            }
            StreamEvent::Relay(event) => self.on_relay(stream, event),
            StreamEvent::Ended(end) => self.stream_ended(now, stream, end),
        }
    }

    /// The first packet of the party has arrived.
    pub(super) fn heard(&mut self) {
        self.facts.is_heard = true;
        self.streams.values_mut().for_each(|state| state.silent_at = None);
    }

    pub(super) fn stream_silence_at(&self) -> Option<Instant> {
        self.streams.values().filter_map(|state| state.silent_at).min()
    }

    /// Streams whose party has sent nothing in time: a warning each, once.
    pub(super) fn warn_of_silent_streams(&mut self, now: Now) {
        let is_due = |state: &StreamState| state.silent_at.is_some_and(|at| at <= now.mono);
        let due: Vec<StreamSid> =
            self.streams.iter().filter(|(_, state)| is_due(state)).map(|(sid, _)| *sid).collect();
        for stream in due {
            if let Some(state) = self.streams.get_mut(&stream) {
                state.silent_at = None;
            }
            let sentence = "no RTP arrives from the party: the stream carries silence".to_owned();
            let event = StreamEvent::Warned { code: Code::STREAM_NO_MEDIA, sentence };
            self.on_stream(now, stream, event);
        }
    }

    fn stream_ended(&mut self, now: Now, stream: StreamSid, end: StreamEnd) {
        let Some(state) = self.streams.get(&stream) else { return };
        let (url, is_relay) = (state.url.clone(), state.is_relay);
        // What ends a relay is an error of its own: its codes are others, and a close is one of them.
        let fault = is_relay.then(|| relay_fault(&end)).flatten();
        let was_open = self.streams.get(&stream).is_some_and(|state| state.phase != Phase::Opening);
        match &end {
            StreamEnd::Stopped => self.timeline("stream", format_args!("{stream} stopped")),
            StreamEnd::ClosedByPeer => {
                self.timeline("stream", format_args!("{stream} closed by its server"));
                if let Some((code, sentence)) = fault {
                    let exchange = Exchange { url, ..Exchange::default() };
                    self.notify(Finding::error(code, sentence), Some(exchange));
                }
            }
            StreamEnd::Failed { code, sentence, answer } => {
                self.stream_callback(now, stream, "stream-error", Some(sentence));
                let code = fault.map_or(*code, |(code, _)| code);
                let mut exchange = Exchange { url, ..Exchange::default() };
                if let Some(answer) = answer {
                    exchange.response_headers =
                        format!("Status: {}\nContent-Type: {}", answer.status, answer.content_type);
                    exchange.response_body.clone_from(&answer.body);
                }
                let message = format!("stream {stream}: {sentence}");
                self.notify(Finding::error(code, message), Some(exchange));
            }
        }
        if was_open {
            self.stream_callback(now, stream, "stream-stopped", None);
        }
        self.streams.remove(&stream);
        let is_it = matches!(&self.activity, Activity::Streaming(own) if own.stream == stream);
        if is_it {
            self.streaming_over(now);
        }
        if matches!(&self.activity, Activity::Relaying(own) if own.stream == stream) {
            self.relaying_over(now, &end);
        }
    }

    fn stream_callback(&mut self, now: Now, stream: StreamSid, event: &str, error: Option<&str>) {
        // Copied: sending changes the call.
        let Some(state) = self.streams.get(&stream).cloned() else { return };
        let about = about(&stream, state.name.as_deref(), state.callback.as_ref());
        match &error {
            Some(error) => self.side_event(now, &about, event, &[("Error", error)]),
            None => self.side_event(now, &about, event, &[]),
        }
    }
}

fn about<'a>(
    stream: &'a StreamSid,
    name: Option<&'a str>,
    callback: Option<&'a Webhook>,
) -> About<'a> {
    About { kind: "Stream", sid: stream, name, callback }
}

/// Time that a party may take to send its first packet before the customer of a stream is warned.
const SILENCE: Duration = Duration::from_secs(10);
