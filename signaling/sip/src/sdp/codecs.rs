//! The meaning of payload types (RFC 3551 table 4, RFC 8866 §6.6). Sans-IO.

use shared::Codec;

use super::MediaDescription;

/// A payload type of a media description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// 0..=127.
    pub payload_type: u8,
    /// Its codec or event format.
    pub kind: FormatKind,
}

/// The formats that we distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatKind {
    /// A codec that we support.
    Audio(Codec),
    /// `telephone-event/8000` (RFC 4733).
    TelephoneEvent,
    /// Anything else.
    Unknown,
}

/// Formats in order, without those that are not payload types.
pub(super) fn formats(media: &MediaDescription) -> impl Iterator<Item = Format> {
    media.formats.iter().filter_map(|format| {
        let payload_type = format.parse().ok().filter(|payload_type| *payload_type < 128)?;
        Some(Format { payload_type, kind: kind_of(media, payload_type) })
    })
}

/// The payload type of telephone events. Where none has an `rtpmap`, a dynamic one counts whose
/// `fmtp` lists events (RFC 4733 §2.4.1): older gateways imply the mapping.
pub(super) fn event_payload_type(media: &MediaDescription) -> Option<u8> {
    let mapped = formats(media).find(|format| format.kind == FormatKind::TelephoneEvent);
    let lists_events = |format: &Format| {
        let (payload_type, is_dynamic) = (format.payload_type, format.payload_type >= DYNAMIC_FROM);
        is_dynamic
            && value_for(media, "rtpmap", payload_type).is_none()
            && value_for(media, "fmtp", payload_type).is_some_and(is_event_list)
    };
    let format = mapped.or_else(|| formats(media).find(lists_events))?;
    Some(format.payload_type)
}

/// Numbers and ranges of numbers up to 255, with commas between them.
fn is_event_list(value: &str) -> bool {
    value.split(',').all(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<u8>().ok();
        number(first).zip(number(last)).is_some_and(|(first, last)| first <= last)
    })
}

/// The value of an attribute `name:NUMBER value` for a payload type.
fn value_for<'a>(media: &'a MediaDescription, name: &str, payload_type: u8) -> Option<&'a str> {
    let named = media.attributes.iter().filter(|attribute| attribute.name == name);
    named.filter_map(|attribute| attribute.value.as_deref()).find_map(|value| {
        let (number, value) = value.trim_start().split_once([' ', '\t'])?;
        (number.parse() == Ok(payload_type)).then(|| value.trim())
    })
}

/// The `rtpmap` decides; without one the static table does.
fn kind_of(media: &MediaDescription, payload_type: u8) -> FormatKind {
    match (value_for(media, "rtpmap", payload_type), payload_type) {
        (Some(encoding), _) => kind_by_name(encoding),
        (None, 0) => FormatKind::Audio(Codec::Pcmu),
        (None, 8) => FormatKind::Audio(Codec::Pcma),
        (None, _) => FormatKind::Unknown,
    }
}

/// `name/clock[/channels]`: 8,000 Hz and one channel only.
fn kind_by_name(encoding: &str) -> FormatKind {
    let mut parts = encoding.split('/').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let clock = parts.next().unwrap_or_default();
    let channels = parts.next().unwrap_or("1");
    if clock != "8000" || channels != "1" {
        return FormatKind::Unknown;
    }
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    if is(Codec::Pcmu.name()) {
        FormatKind::Audio(Codec::Pcmu)
    } else if is(Codec::Pcma.name()) {
        FormatKind::Audio(Codec::Pcma)
    } else if is("telephone-event") {
        FormatKind::TelephoneEvent
    } else {
        FormatKind::Unknown
    }
}

/// Where dynamic payload types begin (RFC 3551 §3).
pub(crate) const DYNAMIC_FROM: u8 = 96;
