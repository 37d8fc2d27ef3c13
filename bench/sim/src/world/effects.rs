//! What `Control` and the phones want done, and the answers of application, store and recorder.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use call::HttpAnswer;
use control::{Control, Effect, Input, Observation};
use shared::{CallSid, Now, TapFrame, Transport};
use sip::flow::{FlowId, SendTo};
use store::{CallRecord, Change, Outcome};

use super::{GATEWAY, Later, PHONE_MEDIA_PORT, SIP_PORT, World, phone_ip};
use crate::audio::noise;
use crate::webhook::Asked;

impl World {
    pub(super) fn record(&mut self, frame: &TapFrame) {
        let file = match self.recorder.take(frame) {
            Ok(Some(file)) => file,
            Ok(None) => return,
            Err(wrong) => return self.faults.push(wrong),
        };
        let tap = frame.tap;
        let done = move |control: &mut Control, now: Now| {
            control.handle(now, Input::RecordingDone { tap, result: Ok(file) });
        };
        self.after(Duration::from_millis(30), Later::Control(Box::new(done)));
    }

    pub(super) fn carry_out_phone(&mut self, index: usize, effect: phone::Effect) {
        match effect {
            phone::Effect::Sip(sip::Effect::Send { to, bytes, .. }) => {
                let from = SocketAddr::new(phone_ip(index), SIP_PORT);
                if let SendTo::Datagram { remote, .. } = to {
                    self.transmit(from, remote, bytes.into_vec());
                }
            }
            phone::Effect::Sip(_) => {}
            phone::Effect::Media { socket, to, packet } => {
                let port = PHONE_MEDIA_PORT + u16::from(socket.is_rtcp());
                self.transmit(SocketAddr::new(phone_ip(index), port), to, packet);
            }
            phone::Effect::Event(event) => self.heard[index].push(event),
        }
    }

    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Sip(sip::Effect::Send { to, bytes, .. }) => {
                if let SendTo::Datagram { remote, .. } = to {
                    let from = SocketAddr::new(GATEWAY, SIP_PORT);
                    self.transmit(from, remote, bytes.into_vec());
                }
            }
            Effect::Sip(_) | Effect::CallGone { .. } | Effect::Vouch { .. } => {}
            Effect::ApiReply { reply, .. } => {
                self.replies.push(reply.map(drop).map_err(|error| error.code));
            }
            Effect::Media { core, command } => {
                self.cores.command(self.now.mono, core, command);
            }
            Effect::Commit { token, change } => self.on_commit(token, &change),
            Effect::Http { call, request, .. } => self.webhook(call, &request),
            Effect::LoadPrompt { call, prompt, source, .. } => {
                let samples = 800 + self.delays.below(8_000) as usize;
                let audio = Arc::new(noise(&mut self.delays, samples));
                if matches!(source, call::PromptSource::Say { .. }) {
                    self.prompts.push(audio.clone());
                }
                let ready = move |control: &mut Control, now: Now| {
                    control.handle(
                        now,
                        Input::PromptReady { call, prompt, result: Ok(audio), other_voice: None },
                    );
                };
                let after = Duration::from_millis(self.delays.below(100));
                self.after(after, Later::Control(Box::new(ready)));
            }
            Effect::Resolve { session, target } => {
                let ip: IpAddr = target.host.parse().unwrap_or(phone_ip(1));
                let destination = sip::Destination {
                    transport: Transport::Udp,
                    remote: SocketAddr::new(ip, target.port.unwrap_or(SIP_PORT)),
                    local: SocketAddr::new(GATEWAY, SIP_PORT),
                    flow: Some(FlowId(1)),
                    host: None,
                };
                let resolved = move |control: &mut Control, now: Now| {
                    let result = Ok(vec![destination]);
                    control.handle(now, Input::Resolved { session, result });
                };
                self.after(Duration::from_millis(3), Later::Control(Box::new(resolved)));
            }
            Effect::DiscardRecording { tap } => {
                self.recorder.discard(tap);
                self.faults.push(format!("a core refused {tap:?}"));
            }
            Effect::OpenRecording(order) => {
                self.recorder.open(order.tap);
            }
            Effect::OpenStream { plan, .. } => self.open_stream(&plan),
            Effect::AttachStream { stream, tap, feed } => self.streams.attach(stream, tap, feed),
            Effect::StreamDigit { stream, digit } => self.stream_digit(stream, digit),
            Effect::CopyTap { tap, inbound, outbound } => {
                self.copies.start(tap, [inbound, outbound]);
            }
            Effect::StopCopy { tap } => self.copies.stop(tap),
            Effect::CloseStream { stream } => self.close_stream(stream),
            Effect::StartRecognition { call, tap, plan } => {
                self.recognitions.start(call, tap, *plan);
            }
            Effect::StopRecognition { call, recognition, how } => {
                self.stop_recognition(call, recognition, how);
            }
            Effect::StreamHeard { stream, text, last } => self.stream_heard(stream, &text, last),
            Effect::Observe(Observation::Fault { place, sentence }) => {
                self.faults.push(format!("{place}: {sentence}"));
            }
            Effect::Observe(_) => {}
        }
    }

    fn webhook(&mut self, call: CallSid, request: &call::HttpRequest) {
        let asked = Asked::new(call, request);
        let url = asked.url.clone();
        self.asked.push(asked);
        let result = (self.application)(&url).map(|body| HttpAnswer {
            status: 200,
            content_type: Some("text/xml".to_owned()),
            body: body.into_bytes().into(),
            final_url: url,
            duration_ms: 20,
        });
        let id = request.id;
        let answer = move |control: &mut Control, now: Now| {
            control.handle(now, Input::Http { call, request: id, result });
        };
        let after = Duration::from_millis(5 + self.delays.below(200));
        self.after(after, Later::Control(Box::new(answer)));
    }

    fn on_commit(&mut self, token: Option<control::CommitToken>, change: &Change) {
        if let Change::PutCall(record) = change {
            let before = self.records.insert(record.sid, (**record).clone());
            // The answer to a REST update writes the record too: of a call that ends, without its end. So does the
            // answer to the last callback: that changes nothing else.
            if record.end_ms.is_some() && !only_settles(before, record) {
                *self.endings.entry(record.sid.to_string()).or_default() += 1;
            }
        }
        let Some(token) = token else { return };
        let committed = move |control: &mut Control, now: Now| {
            control.handle(now, Input::Committed { token, outcome: Outcome::Committed });
        };
        let after = Duration::from_millis(1 + self.delays.below(20));
        self.after(after, Later::Control(Box::new(committed)));
    }
}

/// Whether a record says nothing new but that its last callback is answered.
pub fn only_settles(before: Option<CallRecord>, now: &CallRecord) -> bool {
    before.is_some_and(|before| {
        before.owed_callback.is_some() && CallRecord { owed_callback: None, ..before } == *now
    })
}
