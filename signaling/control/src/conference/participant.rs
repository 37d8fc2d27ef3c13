//! A participant that REST places, in the words of the call: its document, and its entry. Pure.

use std::fmt::Write as _;

use call::conference::{self, ConferenceEvent, Entry, MemberTerms, Music, Terms};
use call::siprec::escaped;
use call::{DocumentSource, RecordingCallback};
use shared::{AccountSid, Playout};
use store::{Beep, CreateParticipant, JitterBuffer, RecordingEvents, WaitMusic};

use crate::from_rest::{recording_events, webhook};

/// The document of its call: one `<Dial><Conference>` with what the request asked for.
pub(super) fn document(name: &str, create: &CreateParticipant) -> DocumentSource {
    let mut noun = String::from("<Response><Dial><Conference");
    let mut set = |attribute: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = write!(noun, " {attribute}=\"{}\"", escaped(value));
    };
    let (entry, terms) = (&create.entry, &create.terms);
    set("muted", word(entry.muted));
    set("startConferenceOnEnter", word(entry.start_on_enter));
    set("endConferenceOnExit", word(entry.end_on_exit));
    set("beep", beep_word(entry.beep));
    set("jitterBufferSize", buffer_word(entry.jitter_buffer));
    set("maxParticipants", &terms.max_participants.to_string());
    if let Some(label) = &entry.label {
        set("participantLabel", label);
    }
    if let Some(coached) = entry.coached {
        set("coach", &coached.to_string());
    }
    if let Some(region) = &terms.region {
        set("region", region);
    }
    match &terms.wait {
        WaitMusic::Standard => {}
        WaitMusic::Silence => set("waitUrl", ""),
        WaitMusic::Document(webhook) => {
            set("waitUrl", &webhook.url);
            set("waitMethod", webhook.method.name());
        }
    }
    if let Some(callback) = &terms.status_callback {
        set("statusCallback", &callback.url);
        set("statusCallbackMethod", callback.method.name());
        set("statusCallbackEvent", &event_words(create).join(" "));
    }
    if let Some(record) = &terms.record {
        set("record", "record-from-start");
        set("trim", if record.trim_silence { "trim-silence" } else { "do-not-trim" });
        if let Some(callback) = &record.callback {
            set("recordingStatusCallback", &callback.url);
            set("recordingStatusCallbackMethod", callback.method.name());
            set("recordingStatusCallbackEvent", &recording_words(record.callback_events).join(" "));
        }
    }
    // Writing to a String cannot fail.
    let _ = write!(noun, ">{}</Conference></Dial></Response>", escaped(name));
    DocumentSource::Twiml(noun)
}

/// What the conference expects until the call enters by that document.
pub(super) fn entry(account: AccountSid, name: &str, create: &CreateParticipant) -> Entry {
    let (entry, terms) = (&create.entry, &create.terms);
    let record = terms.record.as_ref();
    Entry {
        account,
        name: name.to_owned(),
        member: MemberTerms {
            label: entry.label.clone(),
            muted: entry.muted,
            start_on_enter: entry.start_on_enter,
            end_on_exit: entry.end_on_exit,
            beep: conference::Beep::of(beep_word(entry.beep)),
            coach: entry.coached,
            playout: playout(entry.jitter_buffer),
        },
        terms: Terms {
            max_participants: terms.max_participants,
            region: terms.region.clone(),
            record: record.is_some(),
            trim: record.is_none_or(|record| record.trim_silence),
            callback: terms.status_callback.clone().map(|callback| {
                let words = event_words(create);
                let events = words.iter().filter_map(|word| ConferenceEvent::from_name(word));
                (webhook(callback), events.collect())
            }),
            recording_callback: record.and_then(|record| {
                let callback = record.callback.clone()?;
                let events = recording_events(record.callback_events);
                Some(RecordingCallback { webhook: webhook(callback), events })
            }),
        },
    }
}

/// What a member hears that waits.
pub(super) fn music(from: WaitMusic) -> Music {
    match from {
        WaitMusic::Standard => Music::Standard,
        WaitMusic::Silence => Music::Silence,
        WaitMusic::Document(document) => Music::Document(webhook(document)),
    }
}

fn event_words(create: &CreateParticipant) -> Vec<&'static str> {
    let events = create.terms.status_callback_events;
    let all = [
        (events.start, "start"),
        (events.end, "end"),
        (events.join, "join"),
        (events.leave, "leave"),
        (events.mute, "mute"),
        (events.hold, "hold"),
        (events.modify, "modify"),
        (events.speaker, "speaker"),
        (events.announcement, "announcement"),
    ];
    all.into_iter().filter(|(wanted, _)| *wanted).map(|(_, word)| word).collect()
}

/// As `<Conference>` has them. The word `failed` is none of them: it is in the terms of the conference that
/// expects the participant.
fn recording_words(events: RecordingEvents) -> Vec<&'static str> {
    let all = [
        (events.in_progress, "in-progress"),
        (events.completed, "completed"),
        (events.absent, "absent"),
    ];
    all.into_iter().filter(|(wanted, _)| *wanted).map(|(_, word)| word).collect()
}

const fn word(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

const fn beep_word(beep: Beep) -> &'static str {
    match beep {
        Beep::Both => "true",
        Beep::Neither => "false",
        Beep::OnEnter => "onEnter",
        Beep::OnExit => "onExit",
    }
}

const fn buffer_word(buffer: JitterBuffer) -> &'static str {
    match buffer {
        JitterBuffer::Off => "off",
        JitterBuffer::Small => "small",
        JitterBuffer::Medium => "medium",
        JitterBuffer::Large => "large",
    }
}

const fn playout(buffer: JitterBuffer) -> Playout {
    match buffer {
        JitterBuffer::Off => Playout::Off,
        JitterBuffer::Small => Playout::Fixed(20),
        JitterBuffer::Medium => Playout::Fixed(40),
        JitterBuffer::Large => Playout::Fixed(60),
    }
}
