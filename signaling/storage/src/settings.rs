//! The settings of the bucket, checked before the gateway opens a socket.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusty_s3::Credentials;
use shared::config::Recordings;
use shared::{AccountSid, RecordingSid};
use url::Url;

use crate::place::Place;

/// The bucket that recordings go to, and the key that opens it.
#[derive(Clone)]
pub struct BucketSettings {
    endpoint: Url,
    bucket: String,
    region: String,
    prefix: String,
    pub(crate) credentials: Credentials,
    pub(crate) keeps_local: bool,
    /// The wait after the first failure of an upload.
    pub(crate) wait_first: Duration,
}

impl fmt::Debug for BucketSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at {}", self.bucket, self.endpoint)
    }
}

/// Reasons the bucket cannot be used. The operator's error; each is a sentence with its remedy.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The endpoint is no URL of a service.
    #[error(
        "`recordings.s3_endpoint` = {text:?} must be a URL that begins with http:// or https://"
    )]
    Endpoint {
        /// The value.
        text: String,
    },
    /// The bucket or the region cannot be part of a URL.
    #[error("`recordings.s3_bucket` = {text:?} cannot be the name of a bucket")]
    Name {
        /// The value.
        text: String,
    },
    /// The prefix has a part that URLs cannot carry.
    #[error(
        "`recordings.s3_prefix` = {text:?} must be printable ASCII, at most 512 characters, without the parts \
         `.` and `..` and without an empty one"
    )]
    Prefix {
        /// The value.
        text: String,
    },
    /// A bucket without a key.
    #[error(
        "`recordings.s3_bucket` needs `recordings.s3_access_key` and `recordings.s3_secret_file` as well"
    )]
    NoKey,
    /// The file of the secret cannot be read.
    #[error("cannot read {}, which `recordings.s3_secret_file` names: {source}", .path.display())]
    Unreadable {
        /// The path of the setting.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The file of the secret is empty.
    #[error("{}, which `recordings.s3_secret_file` names, holds no secret in its first line", .path.display())]
    NoSecret {
        /// The path of the setting.
        path: PathBuf,
    },
}

impl BucketSettings {
    /// Checks the settings and reads the secret; `None`: recordings stay where they are.
    ///
    /// # Errors
    /// [`BucketError`].
    pub fn read(config: &Recordings) -> Result<Option<Self>, BucketError> {
        if config.s3_bucket.is_empty() {
            return Ok(None);
        }
        let text = match config.s3_endpoint.as_str() {
            "" => format!("https://s3.{}.amazonaws.com", config.s3_region),
            text => text.to_owned(),
        };
        let endpoint = Url::parse(&text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none()
        });
        let settings = Self {
            endpoint: endpoint.ok_or(BucketError::Endpoint { text })?,
            bucket: config.s3_bucket.clone(),
            region: config.s3_region.clone(),
            prefix: prefix(&config.s3_prefix)?,
            credentials: credentials(config)?,
            keeps_local: config.s3_keep_local,
            wait_first: Duration::from_millis(config.s3_wait_ms.max(1).into()),
        };
        let is_name = |name: &str| {
            let usual = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            (1..=63).contains(&name.len()) && name.bytes().all(usual) && !name.contains("..")
        };
        let place = settings.place(AccountSid(0), RecordingSid(0));
        if !is_name(&settings.bucket) || !is_name(&settings.region) || place.bucket().is_err() {
            return Err(BucketError::Name { text: settings.bucket });
        }
        Ok(Some(settings))
    }

    /// The place of a recording.
    pub(crate) fn place(&self, account: AccountSid, recording: RecordingSid) -> Place {
        Place {
            endpoint: self.endpoint.as_str().to_owned(),
            bucket: self.bucket.clone(),
            region: self.region.clone(),
            key: format!("{}{account}/{recording}.wav", self.prefix),
        }
    }
}

/// The prefix with a slash at its end, or nothing. A URL resolves `.` and `..` and so would name another
/// object, or another bucket.
fn prefix(text: &str) -> Result<String, BucketError> {
    let trimmed = text.trim_matches('/');
    if trimmed.is_empty() {
        return Ok(String::new());
    }
    let is_printable = trimmed.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let is_part = |part: &str| !matches!(part, "" | "." | "..");
    if trimmed.len() > 512 || !is_printable || !trimmed.split('/').all(is_part) {
        return Err(BucketError::Prefix { text: text.to_owned() });
    }
    Ok(format!("{trimmed}/"))
}

fn credentials(config: &Recordings) -> Result<Credentials, BucketError> {
    let path: &Path = &config.s3_secret_file;
    if config.s3_access_key.is_empty() || path.as_os_str().is_empty() {
        return Err(BucketError::NoKey);
    }
    let text = std::fs::read_to_string(path)
        .map_err(|source| BucketError::Unreadable { path: path.to_owned(), source })?;
    match text.lines().next().map(str::trim).filter(|line| !line.is_empty()) {
        Some(secret) => Ok(Credentials::new(config.s3_access_key.as_str(), secret)),
        None => Err(BucketError::NoSecret { path: path.to_owned() }),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write as _;

    use shared::config::{Config, Layers};

    use super::*;

    /// The settings of this text of `[recordings]`, with a key.
    pub(crate) fn read(text: &str) -> Result<Option<BucketSettings>, BucketError> {
        let mut secret = tempfile::NamedTempFile::new().unwrap();
        writeln!(secret, "secret").unwrap();
        let mut layers = Layers::default();
        let text = format!(
            "[recordings]\ns3_access_key = \"key\"\ns3_secret_file = {:?}\n{text}",
            secret.path()
        );
        layers.add_file("test.toml", &text).unwrap();
        BucketSettings::read(&Config::from_layers(&layers).unwrap().recordings)
    }

    fn place(text: &str) -> Place {
        read(text).unwrap().unwrap().place(AccountSid(1), RecordingSid(2))
    }

    #[test]
    fn without_a_bucket_nothing_is_uploaded_and_with_one_amazon_is_the_default() {
        assert!(read("").unwrap().is_none());
        let at = place("s3_bucket = \"calls\"\ns3_region = \"eu-west-1\"\ns3_prefix = \"/a/b/\"");
        assert_eq!(at.endpoint, "https://s3.eu-west-1.amazonaws.com/");
        let key = format!("a/b/{}/{}.wav", AccountSid(1), RecordingSid(2));
        assert_eq!((at.bucket.as_str(), at.key), ("calls", key));
    }

    #[test]
    fn what_would_name_another_object_is_refused() {
        for (text, named) in [
            ("s3_bucket = \"calls\"\ns3_prefix = \"a/../b\"", "s3_prefix"),
            ("s3_bucket = \"calls\"\ns3_prefix = \"a//b\"", "s3_prefix"),
            ("s3_bucket = \"../calls\"", "s3_bucket"),
            ("s3_bucket = \"calls\"\ns3_endpoint = \"10.0.0.7:9000\"", "s3_endpoint"),
            ("s3_bucket = \"calls\"\ns3_endpoint = \"file:///tmp\"", "s3_endpoint"),
            ("s3_bucket = \"calls\"\ns3_region = \"eu/west\"", "s3_bucket"),
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
