//! The URL of a stream: wss, absolute or relative to its document. Sans-IO.

use shared::Code;
use url::Url;

use crate::webhook::WebUrl;

/// The server of a stream, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamUrl {
    url: Url,
    /// As it is sent and signed: without userinfo, query and fragment.
    text: String,
    /// The document wrote a query, which is not sent.
    pub had_query: bool,
}

impl StreamUrl {
    /// Reads the URL of a `<Stream>`. A relative one counts from the document and becomes wss.
    ///
    /// # Errors
    /// 31922 for another scheme than wss (or ws, where `plaintext` allows it), 31923 for what is no URL.
    pub fn read(
        text: &str,
        base: Option<&WebUrl>,
        plaintext: bool,
    ) -> Result<Self, (Code, String)> {
        let text = text.trim();
        let bad = |reason: &dyn std::fmt::Display| {
            let shown: String = text.chars().take(200).collect();
            (Code::STREAM_URL, format!("`{shown}` is not a usable stream URL: {reason}"))
        };
        let url = match Url::parse(text) {
            Ok(url) => Ok((url, Some(text))),
            Err(url::ParseError::RelativeUrlWithoutBase) => match base {
                Some(base) => relative(base, text).map(|url| (url, None)),
                None => Err("a relative URL in a document without a URL of its own".to_owned()),
            },
            Err(error) => Err(error.to_string()),
        };
        let (url, written) = url.map_err(|reason| bad(&reason))?;
        match url.scheme() {
            "wss" => {}
            "ws" if plaintext => {}
            other => {
                let sentence = format!("the scheme of a stream is wss, not `{other}`");
                return Err((Code::STREAM_SCHEME, sentence));
            }
        }
        if url.host_str().unwrap_or("").is_empty() {
            return Err(bad(&"it has no host"));
        }
        let had_query = url.query().is_some();
        let is_plain = url.username().is_empty() && url.password().is_none();
        let text = match written.filter(|_| is_plain) {
            // Exactly as the document has it: the application signs what it wrote (streams.md 3).
            Some(text) => text.split(['?', '#']).next().unwrap_or(text).to_owned(),
            None => canonical(&url),
        };
        Ok(Self { url, text, had_query })
    }

    /// As it is sent and signed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Host as in the URL, IPv6 in brackets.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or("")
    }

    /// Port; 443, or 80 for ws, when the URL has none.
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(443)
    }

    /// The value of the `Host` header: with the port where it is not the scheme's.
    pub fn authority(&self) -> String {
        match self.url.port() {
            Some(port) => format!("{}:{port}", self.host()),
            None => self.host().to_owned(),
        }
    }

    /// The path for the request line.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// Whether TLS protects it.
    pub fn is_secure(&self) -> bool {
        self.url.scheme() == "wss"
    }
}

fn relative(base: &WebUrl, text: &str) -> Result<Url, String> {
    let joined = base.join(text).map_err(|error| error.sentence)?;
    let rest = joined.wire(None);
    let rest = rest.split_once("://").map_or("", |(_, rest)| rest);
    Url::parse(&format!("wss://{rest}")).map_err(|error| error.to_string())
}

fn canonical(url: &Url) -> String {
    let mut url = url.clone();
    // All fail only on a URL without a host, which `read` has refused.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<StreamUrl, (Code, String)> {
        StreamUrl::read(text, None, false)
    }

    #[test]
    fn the_text_is_as_written_without_its_query() {
        let url = read("wss://Bot.example/media?x=1#f").expect("a URL");
        assert_eq!((url.text(), url.had_query), ("wss://Bot.example/media", true));
        assert_eq!((url.host(), url.port(), url.path()), ("bot.example", 443, "/media"));
        assert_eq!(url.authority(), "bot.example");
        let other = read("wss://[::1]:8443").expect("a URL");
        assert_eq!((other.text(), other.path()), ("wss://[::1]:8443", "/"));
        assert_eq!(other.authority(), "[::1]:8443");
        let login = read("wss://me:secret@bot.example/a").expect("a URL");
        assert_eq!(login.text(), "wss://bot.example/a");
    }

    #[test]
    fn a_relative_url_counts_from_the_document_and_is_wss() {
        let base = WebUrl::parse("http://app.example:8080/voice/start").expect("a URL");
        let url = StreamUrl::read("../media", Some(&base), false).expect("a URL");
        assert_eq!(url.text(), "wss://app.example:8080/media");
        assert_eq!(read("/media").expect_err("no base").0, Code::STREAM_URL);
    }

    #[test]
    fn other_schemes_and_rubbish_have_their_codes() {
        for text in ["https://a.example/x", "ws://a.example/x", "mailto:a@b"] {
            assert_eq!(read(text).expect_err(text).0, Code::STREAM_SCHEME);
        }
        for text in ["wss://", "wss://a b/", "wss://a:99999/"] {
            assert_eq!(read(text).expect_err(text).0, Code::STREAM_URL);
        }
        assert!(StreamUrl::read("ws://a.example/x", None, true).is_ok());
    }
}
