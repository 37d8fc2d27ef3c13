//! The ways in which a request to the bucket fails.

use std::io;

use http::StatusCode;
use shared::Code;
use webhook::{TransferAnswer, WebhookFailure};

/// Reasons an upload, a read or a deletion failed.
#[derive(Debug, thiserror::Error)]
pub enum UploadFailure {
    /// No answer: the bucket is unreachable, breaks off, or is too slow.
    #[error("the bucket gives no answer: {0}")]
    Unanswered(#[from] WebhookFailure),
    /// The bucket refuses.
    #[error(
        "the bucket refuses with {status} {code}: check its name, the key and the key's rights"
    )]
    Refused {
        /// The status of its answer.
        status: StatusCode,
        /// The word of S3 for it, or nothing.
        code: String,
    },
    /// What the bucket keeps is not what was sent.
    #[error("the bucket does not keep what was sent: {0}")]
    Damaged(String),
    /// The file here cannot be read.
    #[error("the file of the recording cannot be read: {0}")]
    Unreadable(io::Error),
    /// The file is larger than a single upload may be.
    #[error("the recording has {bytes} bytes; one upload takes 5 GiB at most")]
    TooLarge {
        /// Its length.
        bytes: u64,
    },
    /// The place cannot be written as a URL.
    #[error("the place of the object is no URL: {0}")]
    Place(rusty_s3::BucketError),
}

impl UploadFailure {
    /// The refusal in this answer; `None` where it is none.
    pub(crate) fn refusal(answer: &TransferAnswer) -> Option<Self> {
        let code = || word(&answer.body);
        (!answer.status.is_success()).then(|| Self::Refused { status: answer.status, code: code() })
    }

    /// Its value in metrics.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Unanswered(_) => "unanswered",
            Self::Refused { .. } => "refused",
            Self::Damaged(_) => "damaged",
            Self::Unreadable(_) => "unreadable",
            Self::TooLarge { .. } => "too_large",
            Self::Place(_) => "place",
        }
    }

    /// The code that the recording shows.
    pub fn code(&self) -> Code {
        match self {
            Self::Unanswered(failure) => failure.code,
            Self::Refused { .. } | Self::Damaged(_) | Self::Place(_) => Code::HTTP_RETRIEVAL,
            Self::Unreadable(_) | Self::TooLarge { .. } => Code::INTERNAL,
        }
    }

    /// Whether another try cannot help.
    pub(crate) const fn is_final(&self) -> bool {
        matches!(self, Self::TooLarge { .. } | Self::Place(_))
    }

    /// Whether the object is not there.
    pub(crate) fn is_missing(&self) -> bool {
        // A bucket that is gone has status 404 as well; its objects are gone with it, and nobody but its
        // owner can have removed it.
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }
}

/// `<Code>` of an error document of S3. Foreign text: only a word of usual form is taken.
fn word(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let code = code.map_or("", |(code, _)| code.trim());
    let is_word = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_word { code.to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_an_error_document_is_taken_and_nothing_else() {
        assert_eq!(word(b"<?xml?><Error><Code>NoSuchBucket</Code><Message>x"), "NoSuchBucket");
        assert_eq!(word(b"<Code>two words</Code>"), "");
        assert_eq!(word(b"<html>not found</html>"), "");
    }
}
