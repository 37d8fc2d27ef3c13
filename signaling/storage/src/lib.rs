//! Finished recordings go to a bucket of the operator (S3 or compatible), and come back from there. Shell.
//!
//! ```text
//! finished ──► RE….put ──upload, verified──► RE….stored ──reader──► ranges of the object
//!               │  ▲                            │
//!      10 tries │  │ once an hour               │ deleted by REST
//!               ▼  │                            ▼
//!            RE….failed                     RE….delete ──► nothing
//! ```
//!
//! Every state is a file ([`Outbox`]), so that a kill between any two steps repeats a step and loses none:
//! an upload is idempotent, because a recording has one key. The local file goes only after the bucket has
//! shown the length and the checksum of what it keeps, and by setting. The uploader ([`Uploader`]) reads
//! its orders from the folder and keeps no queue in memory that could outgrow it.
//!
//! An upload waits for nobody and nobody waits for it: the status callback of a recording leaves when the
//! file is here, as it can be fetched from then on. Readers get the object through the gateway
//! ([`recorder::Elsewhere`]): the URL of a recording, its formats and its login stay as they were, and the
//! bucket needs to be reachable from here only.

#![forbid(unsafe_code)]

mod fault;
mod object;
mod outbox;
mod place;
mod s3;
mod settings;
mod uploader;

pub use fault::UploadFailure;
pub use object::READER_BYTES;
pub use object::READERS_MAX;
pub use outbox::Outbox;
pub use settings::{BucketError, BucketSettings};
pub use uploader::{Bucket, StorageMetrics, UploadReport};
