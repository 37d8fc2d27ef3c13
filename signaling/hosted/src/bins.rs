//! TwiML Bins: the handler that renders what is stored (hosted.md 2). Shell.

use http::StatusCode;
use http_server::Readers;
use shared::BinSid;
use store::{Described as _, Names, Template, TwimlBin};
use webhook::{HostedAnswer, HostedAnswering, HostedRequest};

use crate::answer::{plain, xml};
use crate::handlers::Handler;
use crate::parameters::Parameters;
use crate::route::Resource;

/// The handler of all bins.
#[derive(Clone)]
pub struct Bins {
    readers: Readers,
}

impl Bins {
    /// The bins of a store.
    pub const fn new(readers: Readers) -> Self {
        Self { readers }
    }
}

impl Handler for Bins {
    /// Whoever has the URL may fetch it, as in the cloud. A bin holds no secret: the caller hears it.
    fn answer(&self, resource: Resource, request: HostedRequest) -> HostedAnswering {
        let Resource::Bin(sid) = resource else { return Box::pin(async { None }) };
        let readers = self.readers.clone();
        Box::pin(async move {
            match readers.read(move |reader| content(reader, sid)).await {
                Ok(Ok(content)) => {
                    content.map(|text| rendered(sid, &text, &Parameters::of(&request)))
                }
                Ok(Err(error)) => Some(unreadable(sid, &error)),
                Err(error) => Some(unreadable(sid, &error)),
            }
        })
    }
}

fn content(reader: &dyn store::Reader, sid: BinSid) -> Result<Option<String>, store::StoreError> {
    let values = reader.row(&TwimlBin::DESCRIPTION, None, sid.0)?;
    Ok(values.and_then(|values| TwimlBin::from_values(values).ok()).map(|bin| bin.content))
}

fn rendered(sid: BinSid, content: &str, parameters: &Parameters) -> HostedAnswer {
    // A bin is checked when it is saved; one of an older version might be read otherwise.
    let template = Template::parse(content).map_err(|error| error.to_string());
    let document = template
        .and_then(|template| template.render(parameters).map_err(|error| error.to_string()));
    match document {
        Ok(document) => xml(document),
        Err(sentence) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{sid}: {sentence}\n")),
    }
}

fn unreadable(sid: BinSid, error: &dyn std::fmt::Display) -> HostedAnswer {
    tracing::error!(bin = %sid, %error, "a TwiML Bin cannot be read");
    plain(StatusCode::SERVICE_UNAVAILABLE, "The store cannot be read right now.\n")
}

/// A list `Dest[]` is also called `Dest`. Of a plain name that comes twice the last value counts.
impl Names for Parameters {
    fn values(&self, name: &str) -> Vec<&str> {
        let list = format!("{name}[]");
        let is_of = |known: &str| known == list || (name.ends_with("[]") && known == name);
        let items: Vec<&str> =
            self.iter().filter(|(known, _)| is_of(known)).map(|(_, value)| value).collect();
        match items.is_empty() {
            true => self.get(name).into_iter().collect(),
            false => items,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(content: &str, query: &str) -> (u16, String) {
        let parameters = Parameters::from_encoded(query, b"From=%2B1&Dest=z");
        let answer = rendered(BinSid(1), content, &parameters);
        (answer.status.as_u16(), String::from_utf8(answer.body.to_vec()).expect("UTF-8"))
    }

    #[test]
    fn a_bin_shows_the_parameters_of_the_request() {
        let list = "{{#Dest}}<Number>{{.}}</Number>{{/Dest}}{{#Dest[]}}{{.}}{{/Dest[]}} {{From}}";
        let (status, document) = answer(list, "Dest%5B%5D=a&Dest%5B%5D=b&From=0");
        assert_eq!(status, 200);
        assert_eq!(document, "<Number>a</Number><Number>b</Number>ab +1");
        assert_eq!(answer("{{Dest}}", "").1, "z");
    }

    #[test]
    fn a_bin_that_becomes_too_long_is_an_error_with_its_reason() {
        let long = format!("A={}", "x".repeat(40_000));
        let (status, sentence) = answer("{{A}}{{A}}", &long);
        assert_eq!(status, 500);
        assert!(sentence.contains("renders to more than"), "{sentence}");
    }
}
