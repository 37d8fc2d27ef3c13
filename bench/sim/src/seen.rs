//! What a world saw, and the rules that hold in every world.

use std::collections::BTreeMap;
use std::sync::Arc;

use phone::Event;
use shared::{Codec, Prompt};
use store::{CallDirection, CallRecord, CallStatus};

use crate::audio::noise;
use crate::rng::Rng;
use crate::webhook::Asked;
use crate::world::World;

/// Keys that phones press, in every story in which they press any.
pub const KEYS: &str = "12";

/// Most frames in a phone's jitter buffer when a call ends.
const JITTER_FRAMES: usize = 4;

/// The audio that the user of a phone says; differs by phone.
pub fn voice(phone: usize) -> Arc<Prompt> {
    Arc::new(noise(&mut Rng::new(phone as u64 + 1), 8_000))
}

impl World {
    /// Webhooks to a path, in order.
    pub fn asked_at(&self, path: &str) -> Vec<&Asked> {
        self.asked.iter().filter(|asked| asked.url.ends_with(path)).collect()
    }

    /// Records of the calls of a direction, oldest first.
    pub fn calls(&self, direction: CallDirection) -> Vec<&CallRecord> {
        self.records.values().filter(|record| record.direction == direction).collect()
    }

    /// The codec of a phone's last call.
    fn codec(&self, phone: usize) -> Option<Codec> {
        let up = |event: &Event| match event {
            Event::Up { codec, .. } => Some(*codec),
            _ => None,
        };
        self.heard[phone].iter().rev().find_map(up)
    }

    /// Whether a phone heard all of `said` from a phone (`None`: from the gateway), byte for byte, or through
    /// the G.711 tables where the codecs differ.
    pub fn hears(&self, phone: usize, said: &Prompt, speaker: Option<usize>) -> bool {
        let Some(own) = self.codec(phone) else { return false };
        let codec = speaker.map_or(Some(own), |speaker| self.codec(speaker));
        let Some(codec) = codec else { return false };
        let mut expected = said.samples(codec).to_vec();
        if codec != own {
            plane::g711::translate(codec, own, &mut expected);
        }
        let heard: Vec<&[u8]> = self.frames(phone).collect();
        // The last frame may be shorter than 20 ms.
        let mut expected: Vec<&[u8]> = expected.chunks_exact(shared::FRAME_SAMPLES).collect();
        if speaker.is_none() {
            // The BYE comes right after, and ends what waits in the phone's jitter buffer.
            expected.truncate(expected.len().saturating_sub(JITTER_FRAMES));
        }
        heard.windows(expected.len()).any(|window| window == expected)
    }

    /// Whether a phone heard all of `said` by way of mu-law, as an application sends it; frames need not lie as they
    /// were said.
    pub fn hears_by_mulaw(&self, phone: usize, said: &Prompt) -> bool {
        let Some(own) = self.codec(phone) else { return false };
        let mut expected = self.in_mulaw(phone, said);
        plane::g711::translate(Codec::Pcmu, own, &mut expected);
        let heard: Vec<u8> = self.frames(phone).flatten().copied().collect();
        heard.windows(expected.len()).any(|window| window == expected)
    }

    /// The voice of a phone as it is in mu-law, by way of the codec of its last call.
    pub fn voice_in_mulaw(&self, phone: usize) -> Vec<u8> {
        self.in_mulaw(phone, &voice(phone))
    }

    fn in_mulaw(&self, phone: usize, said: &Prompt) -> Vec<u8> {
        let own = self.codec(phone).unwrap_or(Codec::Pcmu);
        let mut samples = said.samples(own).to_vec();
        plane::g711::translate(own, Codec::Pcmu, &mut samples);
        samples
    }

    /// Frames that a phone heard and that are this mu-law code and nothing else.
    pub fn heard_of_mulaw(&self, phone: usize, code: u8) -> usize {
        let Some(own) = self.codec(phone) else { return 0 };
        let mut wanted = [code];
        plane::g711::translate(Codec::Pcmu, own, &mut wanted);
        self.frames(phone).filter(|frame| frame.iter().all(|code| *code == wanted[0])).count()
    }

    fn frames(&self, phone: usize) -> impl Iterator<Item = &[u8]> {
        self.heard[phone].iter().filter_map(|event| match event {
            Event::Heard { frame, .. } => Some(frame.as_slice()),
            _ => None,
        })
    }

    /// The keys that a phone heard, in order.
    pub fn keys(&self, phone: usize) -> String {
        let key = |event: &Event| match event {
            Event::Key(key) => Some(*key),
            _ => None,
        };
        self.heard[phone].iter().filter_map(key).collect()
    }

    /// Findings once all is quiet, by the rules that hold whatever the network and the users did.
    pub fn broken_rules(&self) -> Vec<String> {
        let mut wrong = self.leftovers();
        for record in self.records.values() {
            self.check_record(record, &mut wrong);
        }
        for asked in &self.asked {
            check_request(asked, &mut wrong);
        }
        self.check_recording_sessions(&mut wrong);
        // Alice presses; the gateway presses `1w2#` at her in one story.
        for (phone, pressed) in [(0, "12#"), (1, KEYS), (2, KEYS)] {
            let heard = self.keys(phone);
            if !is_part(&heard, pressed) {
                wrong.push(format!("phone {phone} heard the keys {heard}"));
            }
        }
        wrong
    }

    /// Each recording session has one end, after its start (siprec.md 3).
    fn check_recording_sessions(&self, wrong: &mut Vec<String>) {
        let mut sessions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for asked in self.asked.iter().filter(|asked| !asked.value("SiprecSid").is_empty()) {
            sessions.entry(asked.value("SiprecSid")).or_default().push(asked.value("SiprecEvent"));
        }
        let (started, error, stopped) = ("siprec-started", "siprec-error", "siprec-stopped");
        for (session, events) in sessions {
            let is_whole = match events.as_slice() {
                [one] => *one == error,
                [first, last] => (*first, *last) == (started, stopped),
                [first, fault, last] => (*first, *fault, *last) == (started, error, stopped),
                _ => false,
            };
            if !is_whole {
                wrong.push(format!("{session} reported {events:?}"));
            }
        }
    }

    fn check_record(&self, record: &CallRecord, wrong: &mut Vec<String>) {
        let CallRecord { sid, status, start_ms, end_ms, .. } = record;
        if !status.is_final() {
            return wrong.push(format!("{sid} is {} for ever", status.name()));
        }
        if start_ms > end_ms || start_ms.is_none() {
            wrong.push(format!("{sid} began {start_ms:?} and ended {end_ms:?}"));
        }
        if record.duration_s.is_some() != (*status == CallStatus::Completed) {
            wrong.push(format!("{sid} is {} and lasted {:?}", status.name(), record.duration_s));
        }
        let path = match record.direction {
            CallDirection::Inbound => "/status",
            CallDirection::OutboundApi => "/progress",
            CallDirection::OutboundDial => return,
        };
        let on_the_way = ["initiated", "ringing", "in-progress"];
        let told: Vec<&str> = self
            .asked
            .iter()
            .filter(|asked| asked.call == *sid && asked.url.ends_with(path))
            .map(|asked| asked.value("CallStatus"))
            .filter(|status| !on_the_way.contains(status))
            .collect();
        if told != [status.name()] {
            wrong.push(format!("{sid} is {} and the status callback said {told:?}", status.name()));
        }
        let dials = self.asked.iter().filter(|asked| asked.call == *sid);
        let dials = dials.filter(|asked| !asked.value("DialCallStatus").is_empty()).count();
        if dials > 1 {
            wrong.push(format!("{sid} was told {dials} times of one <Dial>"));
        }
        let sessions = self.asked.iter().filter(|asked| asked.call == *sid);
        let sessions = sessions.filter(|asked| !asked.value("SessionStatus").is_empty()).count();
        if sessions > 1 {
            wrong.push(format!("{sid} was told {sessions} times of one <ConversationRelay>"));
        }
    }
}

fn check_request(asked: &Asked, wrong: &mut Vec<String>) {
    let status = asked.value("DialCallStatus");
    let known = ["", "completed", "answered", "busy", "no-answer", "failed", "canceled"];
    if !known.contains(&status) {
        wrong.push(format!("DialCallStatus is {status}"));
    }
    check_session(asked, wrong);
    let digits = asked.value("Digits");
    if digits != "hangup" && !is_part(digits, KEYS) {
        wrong.push(format!("{KEYS} was pressed and {digits} gathered"));
    }
}

/// The report at the end of a relay (relay.md 6).
fn check_session(asked: &Asked, wrong: &mut Vec<String>) {
    let (status, code) = (asked.value("SessionStatus"), asked.value("ErrorCode"));
    if !["", "completed", "ended", "failed"].contains(&status) {
        wrong.push(format!("SessionStatus is {status}"));
    }
    if !status.is_empty() && (status == "failed") == code.is_empty() {
        wrong.push(format!("a session is {status}, with the code `{code}`"));
    }
    if !asked.value("HandoffData").is_empty() && status != "ended" {
        wrong.push(format!("a session that is {status} has handoff data"));
    }
}

/// Whether `heard` is `pressed`, with some keys left out: those pressed at a time when nobody listens.
fn is_part(heard: &str, pressed: &str) -> bool {
    let mut pressed = pressed.chars();
    heard.chars().all(|key| pressed.any(|other| other == key))
}
