//! What payload types mean (RFC 3551 table 4, RFC 8866 §6.6). Sans-IO.

use shared::Codec;

use super::MediaDescription;

/// A payload type of a media description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// 0..=127.
    pub payload_type: u8,
    /// What it means.
    pub kind: FormatKind,
}

/// What a payload type means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatKind {
    /// A codec of ours.
    Audio(Codec),
    /// `telephone-event/8000` (RFC 4733).
    TelephoneEvent,
    /// Anything else.
    Unknown,
}

/// Formats in order; those that are no payload types are left out.
pub(super) fn formats(media: &MediaDescription) -> impl Iterator<Item = Format> {
    media.formats.iter().filter_map(|format| {
        let payload_type = format.parse().ok().filter(|payload_type| *payload_type < 128)?;
        Some(Format { payload_type, kind: kind_of(media, payload_type) })
    })
}

/// The `rtpmap` decides; without one the static table does.
fn kind_of(media: &MediaDescription, payload_type: u8) -> FormatKind {
    let mapped = media.attributes.iter().filter(|attribute| attribute.name == "rtpmap");
    let encoding = mapped.filter_map(|attribute| attribute.value.as_deref()).find_map(|value| {
        let (number, encoding) = value.trim_start().split_once([' ', '\t'])?;
        (number.parse() == Ok(payload_type)).then(|| encoding.trim())
    });
    match (encoding, payload_type) {
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
