//! `<Redirect>`: URL and method. Sans-IO.

use roxmltree::Node;
use shared::Code;

use super::{Link, Read};
use crate::twiml::attribute::{Attribute, Attributes, Kind, attribute};
use crate::twiml::{Reading, own_text};

/// Replaces the document; an empty URL requests the current one again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// URL and method of the next document.
    pub link: Link,
}

pub(crate) const ATTRIBUTES: &[Attribute] =
    &[attribute("method", Kind::Method, "Method of the request.")
        .default("POST")
        .code(Code::REDIRECT_METHOD)];

pub(crate) fn read(node: Node<'_, '_>, reading: &mut Reading<'_>) -> Read<Redirect> {
    let attributes = Attributes::read(node, ATTRIBUTES, reading)?;
    reading.no_children(node);
    let link = Link { url: own_text(node), method: attributes.method("method") };
    Ok(Some(Redirect { link }))
}

#[cfg(test)]
mod tests {
    use shared::Code;

    use store::HttpMethod;

    use crate::twiml::tests::{codes, one};
    use crate::twiml::verb::Verb;

    #[test]
    fn an_invalid_method_is_post() {
        let verb = one("<Redirect method=\"PUT\"> /b </Redirect>");
        let Verb::Redirect(redirect) = verb else { panic!("{verb:?}") };
        assert_eq!((redirect.link.url.as_str(), redirect.link.method), ("/b", HttpMethod::Post));
        assert_eq!(codes("<Redirect method=\"PUT\">/b</Redirect>"), [Code::REDIRECT_METHOD]);
    }
}
