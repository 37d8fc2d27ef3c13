//! The bytes of a document to text: byte order mark, charset, XML declaration. Sans-IO.

use encoding_rs::{Encoding, UTF_8};

/// Decodes a body. The byte order mark gives the encoding, else the `charset` of the content type, else the
/// XML declaration, else it is UTF-8. Invalid bytes become U+FFFD.
pub fn decode(body: &[u8], content_type: Option<&str>) -> String {
    if let Some((encoding, length)) = Encoding::for_bom(body) {
        return text(encoding, body.get(length..).unwrap_or(&[]));
    }
    // An unknown charset in the header does not bring the declaration back: then it is UTF-8.
    let encoding = match content_type.and_then(charset) {
        Some(label) => Encoding::for_label(label.as_bytes()),
        None => declared(body),
    };
    text(encoding.unwrap_or(UTF_8), body)
}

fn text(encoding: &'static Encoding, bytes: &[u8]) -> String {
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

fn charset(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let found = name.trim().eq_ignore_ascii_case("charset");
        found.then(|| value.trim().trim_matches('"'))
    })
}

fn declared(body: &[u8]) -> Option<&'static Encoding> {
    // 200 bytes hold any declaration, which has to be at the start (XML 1.0 §2.8).
    let start = String::from_utf8_lossy(body.get(..body.len().min(200))?);
    let declaration = start.strip_prefix("<?xml")?.split_once("?>")?.0;
    let value = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    Encoding::for_label(value.get(1..)?.split_once(quote)?.0.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_stripped_and_decides() {
        assert_eq!(
            decode(b"\xEF\xBB\xBF<Response/>", Some("text/xml; charset=latin1")),
            "<Response/>"
        );
        assert_eq!(decode(b"\xFF\xFE<\0a\0", None), "<a");
    }

    #[test]
    fn the_content_type_goes_before_the_declaration() {
        let body = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xE9</a>";
        assert!(decode(body, None).contains('é'));
        assert!(decode(body, Some("text/xml")).contains('é'));
        assert!(!decode(body, Some("text/xml; charset=\"utf-8\"")).contains('é'));
    }
}
