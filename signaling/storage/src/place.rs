//! Where an object is: endpoint, bucket and key. Pure.

use rusty_s3::{Bucket, UrlStyle};
use serde::{Deserialize, Serialize};
use url::Url;

/// The place of one object. A recording keeps its own, so that it is found after the settings changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Base URL of the service.
    pub endpoint: String,
    pub bucket: String,
    pub region: String,
    pub key: String,
}

impl Place {
    /// The bucket as requests name it.
    pub(crate) fn bucket(&self) -> Result<Bucket, rusty_s3::BucketError> {
        let endpoint = Url::parse(&self.endpoint)?;
        let style = style(&endpoint, &self.bucket);
        Bucket::new(endpoint, style, self.bucket.clone(), self.region.clone())
    }
}

/// Amazon wants the bucket in the host. Other services want it in the path, or take it there too; so do
/// names with a dot, which no certificate of Amazon covers as a host.
fn style(endpoint: &Url, bucket: &str) -> UrlStyle {
    let is_amazon = endpoint.host_str().is_some_and(|host| host.ends_with(".amazonaws.com"));
    if is_amazon && !bucket.contains('.') { UrlStyle::VirtualHost } else { UrlStyle::Path }
}

/// An object as it was after its upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub place: Place,
    /// Length in bytes.
    pub bytes: u64,
    /// Whether only the holder of a private key can open it. Markers of older versions have no such member.
    #[serde(default)]
    pub sealed: bool,
    /// `ETag` of the answer to the upload.
    pub etag: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(endpoint: &str, bucket: &str) -> String {
        let place = Place {
            endpoint: endpoint.to_owned(),
            bucket: bucket.to_owned(),
            region: "eu-west-1".to_owned(),
            key: String::new(),
        };
        place.bucket().unwrap().object_url("AC1/RE1.wav").into()
    }

    #[test]
    fn the_bucket_is_in_the_host_at_amazon_and_in_the_path_elsewhere() {
        let amazon = "https://s3.eu-west-1.amazonaws.com";
        assert_eq!(url(amazon, "calls"), "https://calls.s3.eu-west-1.amazonaws.com/AC1/RE1.wav");
        assert_eq!(url(amazon, "my.calls"), format!("{amazon}/my.calls/AC1/RE1.wav"));
        assert_eq!(
            url("http://10.0.0.7:9000/s3", "calls"),
            "http://10.0.0.7:9000/s3/calls/AC1/RE1.wav"
        );
    }
}
