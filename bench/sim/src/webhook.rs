//! Webhooks as the simulated application sees them.

use call::HttpRequest;
use shared::CallSid;

/// One webhook that the application received.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The call that it is about.
    pub call: CallSid,
    /// The URL as sent.
    pub url: String,
    /// Parameters, in order.
    pub form: Vec<(String, String)>,
}

impl Asked {
    /// Reads a request of a call.
    pub fn new(call: CallSid, request: &HttpRequest) -> Self {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let form = request.standard.iter().chain(request.extra.iter()).map(own).collect();
        Self { call, url: request.url.wire(None), form }
    }

    /// The last segment of the URL's path: `voice`, `next`, `status`.
    pub fn path(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    /// A parameter; empty where the request has none of that name.
    pub fn value(&self, name: &str) -> &str {
        let found = self.form.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}
