//! Bytes that stay as they are while the process runs, and that clients may keep (RFC 9110 §13.1.2, RFC
//! 9111). Shell.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::body::Bytes;

use crate::body::{Body, whole_body};

/// One asset with all that its answers carry.
#[derive(Clone, Debug)]
pub struct Asset {
    bytes: Bytes,
    content_type: &'static str,
    cache_control: &'static str,
    /// Differs where the bytes differ, over restarts and versions too.
    etag: HeaderValue,
}

/// A client may keep the asset, and asks each time whether it is still the one: it may change with a
/// restart.
pub const REVALIDATE: &str = "no-cache";

impl Asset {
    /// An asset of this media type; `cache_control` says how long clients may use what they keep.
    pub fn new(
        content_type: &'static str,
        cache_control: &'static str,
        bytes: impl Into<Bytes>,
    ) -> Self {
        let bytes = bytes.into();
        let mut hash = DefaultHasher::new();
        bytes.hash(&mut hash);
        let etag = HeaderValue::from_str(&format!("\"{:016x}\"", hash.finish()));
        let etag = etag.unwrap_or(HeaderValue::from_static("\"\"")); // hexadecimal digits are a value
        Self { bytes, content_type, cache_control, etag }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The whole asset, or 304 to a client that has it.
    pub(crate) fn answer(&self, request: &HeaderMap) -> Response<Body> {
        let is_kept = request.get_all(header::IF_NONE_MATCH).iter().any(|tags| self.is_among(tags));
        let mut response = match is_kept {
            true => Response::new(whole_body("")),
            false => Response::new(whole_body(self.bytes.clone())),
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, self.etag.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(self.cache_control));
        if is_kept {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            let kind = HeaderValue::from_static(self.content_type);
            headers.insert(header::CONTENT_TYPE, kind);
        }
        response
    }

    /// Whether an `If-None-Match` names this asset; weak tags compare like strong ones (§8.8.3.2).
    fn is_among(&self, tags: &HeaderValue) -> bool {
        let mut tags = tags.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        tags.any(|tag| {
            tag == b"*" || self.etag.as_bytes() == tag.strip_prefix(b"W/").unwrap_or(tag)
        })
    }
}

/// An empty text.
impl Default for Asset {
    fn default() -> Self {
        Self::new("text/plain; charset=utf-8", REVALIDATE, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(asset: &Asset, tags: &str) -> StatusCode {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(tags).expect("a value"));
        asset.answer(&headers).status()
    }

    #[test]
    fn a_client_that_has_the_bytes_is_spared_them_and_others_get_them() {
        let asset = Asset::new("text/plain", REVALIDATE, "abc");
        let etag = asset.etag.to_str().expect("text").to_owned();
        for tags in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
            assert_eq!(asked(&asset, &tags), StatusCode::NOT_MODIFIED, "{tags}");
        }
        let other = Asset::new("text/plain", REVALIDATE, "abd");
        assert_eq!(asked(&other, &etag), StatusCode::OK);
        assert_eq!(asset.answer(&HeaderMap::new()).status(), StatusCode::OK);
        assert_eq!(Asset::new("text/plain", REVALIDATE, "abc").etag, asset.etag);
    }
}
