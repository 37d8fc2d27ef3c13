//! `[recordings]`: recordings of calls. Pure.

use std::path::PathBuf;

use super::section::section;
use super::value::ByteSize;

section! {
    /// Recordings of calls.
    #[derive(Clone, Debug, PartialEq)]
    Recordings in "recordings" {
        /// No new recording starts below this much free disk.
        free_disk_min: ByteSize = "\"2 GiB\"",
        /// Bucket that finished recordings are uploaded to (S3 or compatible); empty = they stay here only.
        s3_bucket: String = "\"\"",
        /// URL of the service of the bucket; empty = Amazon's in s3_region.
        s3_endpoint: String = "\"\"",
        /// Region of the bucket.
        s3_region: String = "\"us-east-1\"",
        /// Folder in the bucket; empty = none.
        s3_prefix: String = "\"\"",
        /// ID of the access key that may read, write and delete there.
        s3_access_key: String = "\"\"",
        /// File whose first line is the secret of that key.
        s3_secret_file: PathBuf = "\"\"",
        /// Keep the file here as well; false = it goes when the bucket has confirmed it.
        s3_keep_local: bool = "true",
        /// Wait after the first try of an upload that failed, in milliseconds. Nine more follow after twice as long each, at most
        /// 300 times this; then one each 3,600 times this.
        s3_wait_ms: u32 = "1000",
        /// PEM file of an RSA public key that each finished recording is encrypted with; empty = none is.
        encryption_key_file: PathBuf = "\"\"",
        /// SID of that key in encryption_details, CR and 32 hexadecimal digits; empty = derived from the key.
        encryption_key_sid: String = "\"\"",
    }
}
