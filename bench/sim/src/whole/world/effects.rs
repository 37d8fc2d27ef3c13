//! What the gateway and the phones want of the world.

use std::sync::Arc;
use std::time::Duration;

use control::{Control, Effect, Input, Observation};
use shared::{Now, Prompt};
use sip::{Command, SendTo, SendToken, UaEvent};
use store::{Change, Outcome};

use super::super::GATEWAY;
use super::super::party::Wish;
use super::{CONNECTION_DELAY, Later, World};

impl World {
    /// Carries what the gateway wants; whether it wanted anything.
    pub(super) fn settle_gateway(&mut self) -> bool {
        let mut any = false;
        while let Some(effect) = self.process.poll_effect() {
            any = true;
            self.carry_out(effect);
        }
        any
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Sip(effect) => self.carry_out_sip(effect),
            Effect::CallGone { .. } | Effect::Vouch { .. } | Effect::ApiReply { .. } => {}
            Effect::Media { command, .. } => self.process.command(self.now, command),
            Effect::Commit { token, change } => self.commit(token, &change),
            Effect::Http { call, request, .. } => self.webhook(call, &request),
            Effect::LoadPrompt { call, prompt, .. } => {
                let result = Ok(Arc::new(Prompt {
                    mulaw: vec![0xff; 8_000].into(),
                    alaw: vec![0xd5; 8_000].into(),
                }));
                self.task(30, move |control, now| {
                    let other_voice = None;
                    control.handle(now, Input::PromptReady { call, prompt, result, other_voice });
                });
            }
            Effect::Resolve { session, .. } => {
                self.is_wrong(format!("DNS is asked for {session:?}"));
            }
            Effect::OpenRecording(_) | Effect::DiscardRecording { .. } => {
                self.is_wrong("somebody is recorded".to_owned());
            }
            Effect::OpenStream { .. }
            | Effect::AttachStream { .. }
            | Effect::StreamDigit { .. }
            | Effect::StreamHeard { .. }
            | Effect::CloseStream { .. }
            | Effect::StartRecognition { .. }
            | Effect::StopRecognition { .. }
            | Effect::CopyTap { .. }
            | Effect::StopCopy { .. } => {
                self.is_wrong("somebody is streamed".to_owned());
            }
            Effect::Observe(Observation::Fault { place, sentence }) => {
                self.is_wrong(format!("{place}: {sentence}"));
            }
            Effect::Observe(Observation::Refused { refusal, .. }) => {
                self.note(|| format!("refused: {} {}", refusal.rule, refusal.sentence));
            }
            Effect::Observe(_) => {}
        }
    }

    fn carry_out_sip(&mut self, effect: sip::Effect) {
        match effect {
            sip::Effect::Send { to, bytes, token } => self.gateway_sends(to, &bytes, token),
            sip::Effect::CloseFlow { flow, reason } => {
                self.note(|| format!("the gateway closes a connection: {reason:?}"));
                if let Some(connection) = self.network.connection(flow) {
                    self.book.connection_closed(connection.remote);
                }
                let closed = Later::Closed { connection: flow, to_gateway: false };
                self.after(CONNECTION_DELAY, closed);
            }
            sip::Effect::Event(_) => {}
        }
    }

    fn gateway_sends(&mut self, to: SendTo, bytes: &[u8], token: SendToken) {
        self.watch(bytes);
        match to {
            SendTo::Datagram { remote, .. } => self.transmit(GATEWAY, remote, bytes),
            SendTo::Flow(id) if self.network.connection(id).is_some() => {
                let bytes = bytes.to_vec();
                let later = Later::Bytes { connection: id, to_gateway: false, bytes };
                self.after(CONNECTION_DELAY, later);
            }
            // A phone behind a NAT cannot be connected to.
            SendTo::Flow(_) | SendTo::Connect { .. } => self.fail_send(None, token),
        }
    }

    fn watch(&mut self, bytes: &[u8]) {
        if let Some(wrong) = self.final_responses.watch(bytes) {
            self.is_wrong(wrong);
        }
    }

    /// Something that another thread of this process finishes later.
    fn task(&mut self, after_ms: u64, run: impl FnOnce(&mut Control, Now) + 'static) {
        let generation = self.process.generation();
        let later = Later::Task { generation, task: Box::new(run) };
        self.after(Duration::from_millis(after_ms), later);
    }

    fn commit(&mut self, token: Option<control::CommitToken>, change: &Change) {
        if let Change::PutCall(record) = change {
            self.note(|| format!("record {} {}", record.direction.name(), record.status.name()));
        }
        self.disk.commit(change);
        if let Some(token) = token {
            let after_ms = 1 + self.rng.below(20);
            self.task(after_ms, move |control, now| {
                let outcome = Outcome::Committed;
                control.handle(now, Input::Committed { token, outcome });
            });
        }
    }

    fn webhook(&mut self, call: shared::CallSid, request: &call::HttpRequest) {
        let (id, result) = (request.id, Ok(self.application.answer(call, request)));
        if let Some(asked) = self.application.asked().last() {
            let line = format!("webhook {} {}", asked.path(), asked.value("DialCallStatus"));
            self.note(|| line);
        }
        let after_ms = 5 + self.rng.below(200);
        self.task(after_ms, move |control, now| {
            control.handle(now, Input::Http { call, request: id, result });
        });
    }

    /// Carries what a phone's user agent wants; whether it wanted anything.
    pub(super) fn settle_phone(&mut self, party: usize) -> bool {
        let (mut any, mut commands) = (false, Vec::new());
        while let Some(effect) = self.parties[party].agent.poll_effect() {
            any = true;
            match effect {
                sip::Effect::Send { to, bytes, token } => {
                    self.phone_sends(party, to, &bytes, token)
                }
                sip::Effect::CloseFlow { flow, reason } => {
                    self.note(|| format!("{party} closes its connection: {reason:?}"));
                    let closed = Later::Closed { connection: flow, to_gateway: true };
                    self.after(CONNECTION_DELAY, closed);
                    if self.parties[party].connection == Some(flow) {
                        self.parties[party].connection_gone(self.now, &mut self.rng);
                    }
                }
                sip::Effect::Event(event) => commands.extend(self.phone_saw(party, event)),
            }
        }
        for command in commands {
            self.command(party, command);
        }
        any
    }

    fn phone_saw(&mut self, party: usize, event: UaEvent) -> Option<Command> {
        if !matches!(event, UaEvent::Trace(_)) {
            self.note(|| format!("{party} saw {}", text_of(&event)));
        }
        let own = match &event {
            UaEvent::Renegotiated { session, .. } => Some(*session),
            _ => None,
        };
        let (mut wishes, mut wrong) = (Vec::new(), Vec::new());
        let command = self.parties[party].saw(self.now, event, &mut wishes, &mut wrong);
        if let Some(session) = own.filter(|own| self.answering != Some((party, *own))) {
            self.parties[party].own_offer_taken(session);
        }
        wrong.into_iter().for_each(|text| self.is_wrong(text));
        for wish in wishes {
            self.grant(party, wish);
        }
        command
    }

    fn grant(&mut self, party: usize, wish: Wish) {
        match wish {
            Wish::Later { after, command } => self.does_later(after, party, command),
            Wish::Reconnect => {
                let connection = self.parties[party].connection;
                self.parties[party].connection_gone(self.now, &mut self.rng);
                if let Some(connection) = connection {
                    let closed = Later::Closed { connection, to_gateway: true };
                    self.after(CONNECTION_DELAY, closed);
                    self.after(Duration::ZERO, Later::LetGo { party, connection });
                }
            }
            Wish::Bound { granted_s } => {
                let phone = &self.parties[party];
                let source = self.network.source(party, phone.transport, phone.connection);
                self.book.bound(self.now.mono, phone, (phone.transport, source), granted_s);
            }
        }
    }

    fn phone_sends(&mut self, party: usize, to: SendTo, bytes: &[u8], token: SendToken) {
        self.watch(bytes);
        let own = self.parties[party].connection;
        match (to, own) {
            (SendTo::Datagram { remote, .. }, _) => {
                self.transmit(self.network.public(party), remote, bytes);
            }
            (SendTo::Flow(id), _) if own != Some(id) => self.fail_send(Some(party), token),
            (SendTo::Flow(_) | SendTo::Connect { .. }, Some(connection)) => {
                let bytes = bytes.to_vec();
                self.after(CONNECTION_DELAY, Later::Bytes { connection, to_gateway: true, bytes });
            }
            (SendTo::Flow(_) | SendTo::Connect { .. }, None) => self.connect(party, bytes, token),
        }
    }
}

fn text_of(event: &UaEvent) -> String {
    let mut text = format!("{event:?}");
    text.truncate(110);
    text
}
