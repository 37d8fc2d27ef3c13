//! What the body of an answer is (contract twiml.md 1.1). Sans-IO.

use shared::limits;

/// Most bytes of a body of this `Content-Type`, after decoding: audio may be as long as a played
/// file, all else is a document. Past it the shell fails the request with 11750.
pub fn body_bytes_max(content_type: Option<&str>) -> usize {
    match content_type.map(media_type) {
        Some(kind) if is_audio(&kind) => limits::PLAY_BYTES_MAX,
        Some(_) | None => limits::WEBHOOK_BODY_BYTES_MAX,
    }
}

/// Whether `<Play>` takes this media type (lower case, no parameters; contract twiml.md 2.2).
pub fn is_audio(media_type: &str) -> bool {
    AUDIO_TYPES.contains(&media_type)
}

/// The media type alone: lower case, without parameters.
pub fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

const AUDIO_TYPES: [&str; 11] = [
    "audio/mpeg",
    "audio/wav",
    "audio/wave",
    "audio/x-wav",
    "audio/aiff",
    "audio/x-aifc",
    "audio/x-aiff",
    "audio/x-gsm",
    "audio/gsm",
    "audio/ulaw",
    "audio/basic",
];
