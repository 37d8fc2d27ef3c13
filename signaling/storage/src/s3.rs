//! The four requests to the bucket. rusty-s3 signs URLs; the guarded client of the webhooks carries them.
//!
//! An upload is believed only when the bucket shows it: the `ETag` of a plain upload is the MD5 of its
//! bytes, and `HEAD` has the length. A bucket that encrypts with keys of its own gives another `ETag`;
//! there the length has to do.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ETAG, RANGE};
use http::{HeaderMap, HeaderValue, Method};
use md5::{Digest as _, Md5};
use rusty_s3::actions::S3Action;
use rusty_s3::{Bucket, Credentials};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use webhook::{Transfer, TransferAnswer, TransferBounds, Upload, WebhookClient};

use crate::fault::UploadFailure;
use crate::place::{Place, Stored};

/// Largest object of one upload.
pub(crate) const OBJECT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// Bytes of one piece of an upload.
const PIECE_BYTES: u64 = 64 * 1024;
/// Pieces that are read ahead of the connection.
const PIECES_AHEAD: usize = 4;
/// Time without progress after which a request fails.
const STALL: Duration = Duration::from_secs(30);
/// Time for any request beside the bytes that it carries.
const OVERHEAD: Duration = Duration::from_secs(60);
/// The slowest pace of an upload, in bytes a second. Slower ones would keep the places of others for days.
const PACE_MIN: u64 = 32 * 1024;
/// How long a signed URL is valid: a clock may be wrong by minutes, and an upload may wait to connect.
const SIGNED_FOR: Duration = Duration::from_secs(3_600);
/// Most bytes of an answer without an object.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A recording as it is uploaded. Read on threads that may block.
pub(crate) trait Pieces: Send + 'static {
    /// Bytes of all pieces.
    fn length(&self) -> u64;
    /// The bytes from `at` on, at least one and at most `most`.
    fn read(&self, at: u64, most: u64) -> io::Result<Vec<u8>>;
}

impl Pieces for recorder::Rendition {
    fn length(&self) -> u64 {
        Self::length(self)
    }

    fn read(&self, at: u64, most: u64) -> io::Result<Vec<u8>> {
        Self::read(self, at, most)
    }
}

/// The service, whatever the bucket.
#[derive(Clone)]
pub(crate) struct S3 {
    client: WebhookClient,
    credentials: Credentials,
}

impl S3 {
    pub(crate) const fn new(client: WebhookClient, credentials: Credentials) -> Self {
        Self { client, credentials }
    }

    /// Uploads an object and verifies it.
    pub(crate) async fn put(
        &self,
        place: Place,
        object: impl Pieces,
    ) -> Result<Stored, UploadFailure> {
        let bytes = object.length();
        if bytes > OBJECT_BYTES_MAX {
            return Err(UploadFailure::TooLarge { bytes });
        }
        let bucket = place.bucket().map_err(UploadFailure::Place)?;
        let signed = bucket.put_object(Some(&self.credentials), &place.key);
        let (sender, pieces) = mpsc::channel(PIECES_AHEAD);
        let supplier = spawn_blocking(move || supply(&object, &sender));
        let transfer = Transfer {
            method: Method::PUT,
            url: signed.sign(SIGNED_FOR),
            headers: HeaderMap::new(),
            upload: Upload::Pieces { pieces, length: bytes },
        };
        let bounds = TransferBounds {
            stall: STALL,
            total: OVERHEAD + Duration::from_secs(bytes / PACE_MIN),
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let answer = self.client.transfer(transfer, bounds).await;
        // It ends with the transfer: nobody takes its pieces any more.
        let supplied = supplier.await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        let answer = match (answer, supplied) {
            (Err(_), Err(error)) => return Err(UploadFailure::Unreadable(error)),
            (answer, supplied) => (answer?, supplied.ok().flatten()),
        };
        self.verified(&bucket, place, bytes, answer).await
    }

    async fn verified(
        &self,
        bucket: &Bucket,
        place: Place,
        bytes: u64,
        (answer, sum): (TransferAnswer, Option<String>),
    ) -> Result<Stored, UploadFailure> {
        if let Some(refusal) = UploadFailure::refusal(&answer) {
            return Err(refusal);
        }
        let etag = etag(&answer.headers);
        if let (Some(kept), Some(sent)) = (sum_of(&answer.headers, &etag), &sum)
            && !kept.eq_ignore_ascii_case(sent)
        {
            return Err(UploadFailure::Damaged(format!("its MD5 is {kept}, ours {sent}")));
        }
        let signed = bucket.head_object(Some(&self.credentials), &place.key);
        let head = self.ask(Method::HEAD, signed, HeaderMap::new(), ANSWER_BYTES_MAX).await?;
        let kept = head.headers.get(http::header::CONTENT_LENGTH);
        let kept = kept.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if kept != Some(bytes) {
            let kept = kept.map_or_else(|| "unknown".to_owned(), |kept| kept.to_string());
            return Err(UploadFailure::Damaged(format!("its length is {kept}, ours {bytes}")));
        }
        Ok(Stored { place, bytes, sealed: false, etag })
    }

    /// Bytes of an object, from `first` to `last`.
    pub(crate) async fn read(
        &self,
        place: &Place,
        first: u64,
        last: u64,
    ) -> Result<Vec<u8>, UploadFailure> {
        let bucket = place.bucket().map_err(UploadFailure::Place)?;
        let signed = bucket.get_object(Some(&self.credentials), &place.key);
        let mut headers = HeaderMap::new();
        if let Ok(range) = HeaderValue::from_str(&format!("bytes={first}-{last}")) {
            headers.insert(RANGE, range);
        }
        let wanted = usize::try_from(last + 1 - first).unwrap_or(0);
        let most = wanted.max(ANSWER_BYTES_MAX);
        let answer = self.ask(Method::GET, signed, headers, most).await?;
        if answer.status != http::StatusCode::PARTIAL_CONTENT || answer.body.len() != wanted {
            let found = answer.body.len();
            let text = format!("{found} bytes came with {}, not {wanted}", answer.status);
            return Err(UploadFailure::Damaged(text));
        }
        Ok(answer.body)
    }

    /// Deletes an object. One that is not there is no error.
    pub(crate) async fn delete(&self, place: &Place) -> Result<(), UploadFailure> {
        let bucket = place.bucket().map_err(UploadFailure::Place)?;
        let signed = bucket.delete_object(Some(&self.credentials), &place.key);
        match self.ask(Method::DELETE, signed, HeaderMap::new(), ANSWER_BYTES_MAX).await {
            Err(failure) if !failure.is_missing() => Err(failure),
            _ => Ok(()),
        }
    }

    async fn ask<'a>(
        &self,
        method: Method,
        action: impl S3Action<'a>,
        headers: HeaderMap,
        answer_bytes_max: usize,
    ) -> Result<TransferAnswer, UploadFailure> {
        let url = action.sign(SIGNED_FOR);
        let transfer = Transfer { method, url, headers, upload: Upload::Whole(Bytes::new()) };
        let bounds = TransferBounds { stall: STALL, total: OVERHEAD, answer_bytes_max };
        let answer = self.client.transfer(transfer, bounds).await?;
        match UploadFailure::refusal(&answer) {
            Some(refusal) => Err(refusal),
            None => Ok(answer),
        }
    }
}

/// Reads the object piece by piece; its MD5, or `None` where the transfer ended before its last piece.
fn supply(
    object: &impl Pieces,
    pieces: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<Option<String>> {
    let mut sum = Md5::new();
    let mut at = 0;
    while at < object.length() {
        let piece = match object.read(at, PIECE_BYTES) {
            Ok(piece) if piece.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            other => other,
        };
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => {
                // Ends the request. The error itself is for the log.
                let _ = pieces.blocking_send(Err(error.kind().into()));
                return Err(error);
            }
        };
        sum.update(&piece);
        at += piece.len() as u64;
        if pieces.blocking_send(Ok(piece.into())).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

fn etag(headers: &HeaderMap) -> String {
    let text = headers.get(ETAG).and_then(|value| value.to_str().ok()).unwrap_or("");
    text.trim_matches('"').chars().filter(char::is_ascii_graphic).take(128).collect()
}

/// The MD5 in an `ETag`; `None` where it is something else.
fn sum_of<'a>(headers: &HeaderMap, etag: &'a str) -> Option<&'a str> {
    let by_own_key =
        headers.get("x-amz-server-side-encryption").is_some_and(|value| value != "AES256")
            || headers.contains_key("x-amz-server-side-encryption-customer-algorithm");
    let is_sum = etag.len() == 32 && etag.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_sum && !by_own_key).then_some(etag)
}

const _: () = assert!(2 * shared::limits::RECORDING_BYTES_MAX < OBJECT_BYTES_MAX);
